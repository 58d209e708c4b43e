/*
 * pacer_belief.c - hypotheses about one bucket, grown by time and cut by answers.
 */
#include "core/pacer_belief.h"

#include "core/pacer_numbers.h"

#include <assert.h>
#include <string.h>

#define TOKEN    ONRAMP_TOKEN
#define SLACK    (3 * ONRAMP_MILLISECOND) /* of clocks and queues, in any arrival */
#define SPAN_MAX (600 * ONRAMP_SECOND)    /* longer silences prove no more; keeps products within 64 bits */
#define SLOWEST  (TOKEN / 50)             /* a token in fifty seconds … */
#define FASTEST  4                        /* … to full in a quarter of a second */
#define FINEST   3                        /* per mille: ranges are not split below */
#define TINY     4                   /* tokens; smaller buckets show too little while they are neither full nor empty */
#define ENOUGH   (3 * ONRAMP_SECOND) /* Auth0's slowest documented refill is a token in 1.2 s */
#define ASKING   (150 * ONRAMP_MILLISECOND)
#define IDLE     7 /* seconds; all of Auth0's documented plans fill their bucket in less, if it drips */
#define FULL_FOR (25 * ONRAMP_MILLISECOND) /* the take before may have come as much later than thought */
#define SETTLED  (6 * ONRAMP_SECOND)
#define SPARED   7 /* tokens: steady rivals at half the refill need more at once in one of ten thousand times */
#define SHARED   (20 * ONRAMP_SECOND)
#define FADE     (15 * ONRAMP_SECOND)

/* The bucket held no more than its size when a request came: at `at` supply was at most `supply`. */
struct cap {
    onramp_time at;
    int64_t supply;
};

/* Of all requests: for the least supply they came as late as may be, for the most as early. */
struct caps {
    uint32_t count[2];
    struct cap cap[2][ONRAMP_TAKES_MAX];
};

/* All that growing up to an instant needs to know, worked out once for all guesses. */
struct horizon {
    onramp_time to;
    const struct caps *caps;
    int64_t full[2];   /* supply there if the bucket is full by then, at least and at most */
    int64_t allowance; /* taken off what has grown by drip, … */
    onramp_span early; /* … with what grows in this time */
};

/* microtokens a second over a span, rounded down or up */
static int64_t drip(int64_t rate, onramp_span span, enum onramp_side side)
{
    span = min(max(span, 0), SPAN_MAX) / ONRAMP_MICROSECOND;
    if (span > 0 && rate > INT64_MAX / 2 / span)
        return INT64_MAX / 4; /* more than any bucket holds */
    return (rate * span + (side == ONRAMP_HIGH ? 999999 : 0)) / 1000000 + (side == ONRAMP_HIGH);
}

/* When it came, for the least supply. The whole of what its latency exceeded the least one is hardly its way out. */
static onramp_time arrival(const struct onramp_take *t)
{
    return t->late ? t->arrived_by : t->sent_at + (t->arrived_by - t->sent_at) / 4;
}

static struct horizon look(const struct onramp_belief *b, onramp_time to, const struct caps *caps)
{
    struct horizon h = {.to = to, .caps = caps};
    h.full[ONRAMP_LOW] = h.full[ONRAMP_HIGH] = (b->size + b->gone) * TOKEN;
    for (uint32_t i = 0; i < b->takes && b->take[i].sent_at <= to; i++) {
        h.full[ONRAMP_HIGH] += TOKEN;
        h.full[ONRAMP_LOW] += arrival(&b->take[i]) <= to ? TOKEN : 0;
    }
    return h;
}

/* Supply at the horizon, at least or at most, if the guess is right and nobody else draws. */
static int64_t grown(const struct onramp_belief *b, const struct onramp_guess *g, enum onramp_side side,
                     const struct horizon *h)
{
    if (g->window > 0)
        return onramp_window_grown(b, g, side, h->to);
    int64_t supply = side == ONRAMP_LOW ? g->low : g->high, rate = side == ONRAMP_LOW ? g->slow : g->fast;
    int64_t full = max(supply, h->full[side]);
    onramp_time at = b->at;
    const struct cap *cap = h->caps->cap[side];
    for (uint32_t i = 0; i < h->caps->count[side] && cap[i].at <= h->to; i++) {
        supply = max(supply, min(supply + drip(rate, cap[i].at - at, side), cap[i].supply));
        at = cap[i].at;
    }
    /* What was proven needs no allowance, nor does a bucket that would have run over by more than that. */
    int64_t off = h->allowance > 0 ? h->allowance + drip(rate, h->early, ONRAMP_HIGH) : 0;
    return max(side == ONRAMP_LOW ? g->low : g->high, min(supply + drip(rate, h->to - at, side) - off, full));
}

/* The moments since b->at at which the bucket held no more than its size. */
static const struct caps *caps_of(const struct onramp_belief *b, struct caps *caps)
{
    onramp_time came[2][ONRAMP_TAKES_MAX];
    for (uint32_t i = 0, k; i < b->takes; i++) {
        onramp_time at = arrival(&b->take[i]);
        for (k = i; k > 0 && came[ONRAMP_LOW][k - 1] > at; k--)
            came[ONRAMP_LOW][k] = came[ONRAMP_LOW][k - 1];
        came[ONRAMP_LOW][k] = at;
        came[ONRAMP_HIGH][i] = b->take[i].sent_at;
    }
    for (enum onramp_side side = ONRAMP_LOW; side <= ONRAMP_HIGH; side++) {
        caps->count[side] = 0;
        for (uint32_t i = 0; i < b->takes; i++)
            if (came[side][i] >= b->at)
                caps->cap[side][caps->count[side]++] = (struct cap){came[side][i], (b->size + b->gone + i) * TOKEN};
    }
    return caps;
}

/* Grow the intervals up to `to` although nothing was proven. */
void onramp_belief_roll(struct onramp_belief *b, onramp_time to)
{
    struct caps caps;
    struct horizon h = look(b, to, caps_of(b, &caps));
    for (uint32_t i = 0; i < b->guesses; i++) {
        struct onramp_guess *g = &b->guess[i];
        if (g->window > 0) {
            onramp_window_roll(b, g, to);
        } else {
            g->low = grown(b, g, ONRAMP_LOW, &h);
            g->high = grown(b, g, ONRAMP_HIGH, &h);
        }
    }
    b->at = to;
    b->by = max(b->by, to);
}

/* Drips in ranges of a tenth, up to `to`. */
static void add_drips(struct onramp_belief *b, int64_t from, int64_t to)
{
    for (int64_t slow = from; slow < to && b->guesses < ONRAMP_GUESSES_MAX;) {
        int64_t fast = min(slow + slow / 11, to);
        b->guess[b->guesses++] =
            (struct onramp_guess){.slow = slow, .fast = fast, .low = b->proof.low, .high = b->proof.high};
        slow = fast;
    }
}

/* Windows have whole helpings, and therefore whole contents. */
static void add_windows(struct onramp_belief *b, onramp_span window, int64_t from, int64_t to)
{
    from = from / TOKEN * TOKEN;
    to = to / TOKEN * TOKEN;
    for (int place = 0; from <= to && place < ONRAMP_PLACES && b->guesses < ONRAMP_GUESSES_MAX; place++) {
        struct onramp_guess *g = &b->guess[b->guesses++];
        *g = (struct onramp_guess){.window = window, .place = place, .slow = from, .fast = to};
        onramp_window_start(&b->proof, g);
    }
}

/* Everything is possible again that the latest proof allows. */
static void begin(struct onramp_belief *b, const struct onramp_rate *hint)
{
    int64_t size = b->size * TOKEN, slowest = SLOWEST, fastest = FASTEST * size;
    b->guesses = 0;
    b->begun_at = b->at;
    if (hint != NULL && hint->tokens > 0) {
        int64_t rate = (int64_t)((double)hint->tokens * 1e15 / (double)hint->per);
        slowest = max(rate - rate / 25, SLOWEST);
        fastest = rate + rate / 25;
    }
    add_drips(b, slowest, fastest);
    add_windows(b, ONRAMP_SECOND, min(max(slowest, TOKEN), size), min(fastest, size));
    add_windows(b, ONRAMP_MINUTE, min(max(hint ? slowest * 60 : TOKEN, TOKEN), size), min(fastest * 60, size));
}

void onramp_belief_start(struct onramp_belief *b, uint32_t size, uint32_t flying, const struct onramp_rate *hint,
                         onramp_time since)
{
    *b = (struct onramp_belief){.size = size,
                                .at = since,
                                .sent_at = since,
                                .shared_until = since,
                                .probe_at = since,
                                .refused_at = since,
                                .patience = ONRAMP_SECOND};
    onramp_others_start(&b->others);
    int64_t full = (int64_t)(size + flying) * TOKEN;
    b->proof = (struct onramp_proof){since, since, since, 0, full, full, true};
    begin(b, hint);
}

/* Halve the last few ranges, so that what is left gets as narrow as the answers allow. */
static void refine(struct onramp_belief *b, onramp_span window)
{
    uint32_t alive = 0;
    for (uint32_t i = 0; i < b->guesses; i++)
        alive += b->guess[i].window == window;
    if (alive > (window ? ONRAMP_PLACES / 2 : 5))
        return;
    for (uint32_t i = b->guesses; i-- > 0;) {
        struct onramp_guess *g = &b->guess[i];
        int64_t unit = window ? TOKEN : 1, half = (g->fast - g->slow) / 2 / unit * unit;
        if (g->window != window || (g->fast - g->slow) * 1000 <= g->slow * FINEST || b->guesses == ONRAMP_GUESSES_MAX)
            continue;
        struct onramp_guess upper = *g;
        g->fast = g->slow + half;
        upper.slow = g->fast + (window ? unit : 0);
        b->guess[b->guesses++] = upper;
    }
}

/* The instants that a proof is about. */
struct moments {
    struct horizon since, then;
    struct horizon filled; /* a bucket that was full by then was so when the take came */
};

/* What of a drip's supply was known is cut by what was proven. Returns what it is off by, 0 if it is not refuted. */
static int64_t cut_drip(const struct onramp_belief *b, struct onramp_guess *g, const struct onramp_proof *p,
                        const struct moments *m)
{
    int64_t slack = TOKEN / 5 + drip(g->fast, SLACK, ONRAMP_HIGH);
    int64_t before = grown(b, g, ONRAMP_LOW, &m->since);
    int64_t low = grown(b, g, ONRAMP_LOW, &m->then), high = grown(b, g, ONRAMP_HIGH, &m->then);
    int64_t meanwhile = drip(g->fast, m->then.to - p->since, ONRAMP_HIGH);
    int64_t top = min(p->high + meanwhile, m->then.full[ONRAMP_HIGH]);
    if (p->since < b->at)
        before = g->low - meanwhile; /* it speaks of earlier than the interval does */
    /* Full when the take came, it would have said so. */
    int64_t brim = m->since.full[ONRAMP_HIGH] - TOKEN;
    if (!p->brim && p->since >= b->at && p->high <= brim && grown(b, g, ONRAMP_LOW, &m->filled) >= brim)
        return -1;
    if (p->low > high + slack)
        return p->low - high;
    if (before > p->high + slack)
        return p->high - before;
    g->low = min(max(low, p->low), top);
    g->high = max(min(high, top), g->low);
    return 0;
}

/* Cut all by what was proven. Returns the smallest surplus (negative: deficit) of those refuted. */
static int64_t cut(struct onramp_belief *b, const struct onramp_proof *p)
{
    struct caps caps;
    uint32_t kept = 0;
    int64_t surplus = 0;
    caps_of(b, &caps);
    onramp_time until = max(p->until, b->at), by = max(max(p->by, until), b->by);
    struct moments m = {look(b, max(p->since, b->at), &caps), look(b, until, &caps),
                        look(b, max(p->since - FULL_FOR, b->at), &caps)};
    for (uint32_t i = 0; i < b->guesses; i++) {
        struct onramp_guess g = b->guess[i];
        int64_t off = g.window ? onramp_window_cut(b, &g, p, by) : cut_drip(b, &g, p, &m);
        if (off == 0)
            b->guess[kept++] = g;
        else if (surplus == 0 || (off < 0 ? -off : off) < (surplus < 0 ? -surplus : surplus))
            surplus = off;
    }
    b->guesses = kept;
    b->at = until;
    b->by = by;
    return surplus;
}

static void measure(struct onramp_belief *b)
{
    int64_t middle = (b->proof.low + b->proof.high) / 2;
    onramp_span since = b->at - b->mark_at;
    if (b->mark_at == 0 || since > 12 * ONRAMP_SECOND) {
        b->mark = middle;
        b->mark_at = b->at;
    } else if (since > 3 * ONRAMP_SECOND / 2) {
        b->net = max(SLOWEST, (middle - b->mark) * 1000 / (since / ONRAMP_MILLISECOND));
    }
}

/* While others draw, windows of a minute are left whenever a drip is refuted, and would be for a minute. */
static bool hardly_window(const struct onramp_belief *b, onramp_time now)
{
    bool minutes = true;
    for (uint32_t i = 0; i < b->guesses; i++)
        minutes = minutes && b->guess[i].window == ONRAMP_MINUTE;
    return minutes && now < b->shared_until && b->size >= TINY;
}

void onramp_belief_observe(struct onramp_belief *b, const struct onramp_proof *p, onramp_time now)
{
    b->draw -=
        b->draw * (min(max(p->until - b->proof.until, 0), FADE) / ONRAMP_MILLISECOND) / (FADE / ONRAMP_MILLISECOND);
    int64_t surplus = cut(b, p);
    b->proof = *p;
    bool unexplained = b->guesses == 0; /* others draw, or the limit was changed */
    if (unexplained || hardly_window(b, now)) {
        if (surplus < 0)
            b->draw += min(-surplus, b->size * TOKEN) / (FADE / ONRAMP_SECOND);
        b->shared_until = now + SHARED;
        b->others.unexplained += unexplained;
        begin(b, NULL);
    }
    refine(b, 0);
    refine(b, ONRAMP_SECOND);
    refine(b, ONRAMP_MINUTE);
    measure(b);
}

bool onramp_belief_rates(const struct onramp_belief *b, onramp_span window, int64_t *slow, int64_t *fast)
{
    *slow = INT64_MAX;
    *fast = 0;
    for (uint32_t i = 0; i < b->guesses; i++) {
        const struct onramp_guess *g = &b->guess[i];
        if (g->window != window)
            continue;
        *slow = min(*slow, g->slow);
        *fast = max(*fast, g->fast);
    }
    return *fast > 0;
}

onramp_span onramp_belief_place(const struct onramp_belief *b)
{
    onramp_span longest = 0;
    for (uint32_t i = 0; i < b->guesses; i++)
        longest = max(longest, b->guess[i].window / ONRAMP_PLACES);
    return longest;
}

/* Best estimate: where documented plans are, until the answers know better. */
int64_t onramp_belief_rate(const struct onramp_belief *b, onramp_time now)
{
    int64_t slow, fast, rate, guess = b->size * TOKEN;
    if (!onramp_belief_rates(b, 0, &slow, &fast)) {
        onramp_span window = onramp_belief_rates(b, ONRAMP_SECOND, &slow, &fast) ? ONRAMP_SECOND : ONRAMP_MINUTE;
        (void)onramp_belief_rates(b, window, &slow, &fast);
        slow = slow / (window / ONRAMP_SECOND);
        fast = fast / (window / ONRAMP_SECOND);
    }
    if (b->size >= 4 && b->size < 200)
        guess = b->size < 15 ? guess / 5 : guess / 3;
    rate = fast > slow + slow / 2 ? min(max(guess, slow + slow / 20), fast - fast / 20) : (slow + fast) / 2;
    if (now < b->shared_until && b->net > 0 && b->size >= 6)
        rate = min(rate, max(b->net, rate / 10));
    return max(rate, SLOWEST / 2);
}

int64_t onramp_belief_margin(const struct onramp_belief *b, const struct onramp_rtt *rtt, onramp_time now)
{
    if (now >= b->shared_until && b->draw < TOKEN / 100)
        return 0;
    int64_t trip = drip(b->draw, max(rtt->mean, 50 * ONRAMP_MILLISECOND), ONRAMP_HIGH);
    int part = b->others.unexplained > 1 ? 6 : 16; /* a limit that was changed looks like others, but only once */
    int64_t kept = TOKEN + (now < b->shared_until ? b->size * TOKEN / part : 0);
    return min(kept + 3 * trip, max(0, ((int64_t)b->size - 2) * TOKEN * 4 / 10));
}

void onramp_belief_announced(struct onramp_belief *b, onramp_span away, uint32_t remaining)
{
    int64_t missing = (int64_t)b->size - remaining;
    b->far = (away - 2 * ONRAMP_SECOND) * b->size > missing * IDLE * ONRAMP_SECOND; /* Date and reset: whole seconds */
}

int64_t onramp_belief_stand(const struct onramp_belief *b, onramp_time now)
{
    int64_t half = (b->size - 1) * TOKEN / 2, slow, fast, helping;
    bool minutes = onramp_belief_rates(b, ONRAMP_MINUTE, &helping, &fast);
    bool dripping = onramp_belief_rates(b, 0, &slow, &fast);
    bool seconds = onramp_belief_rates(b, ONRAMP_SECOND, &slow, &fast);
    if (now < b->shared_until)
        return b->size < TINY ? 2 * half : max(half, min(b->size - 3, SPARED) * TOKEN);
    if (minutes && b->far && b->size >= TINY)
        return 0; /* likely a helping a minute: what is left at its edge costs a part of one */
    if (dripping) /* of a tiny one, while its kind is not known, take from a full one only */
        return b->size < TINY && seconds ? 2 * half : half;
    /* Room for the next helping, and for one twice as large as was seen to be shown. Not for all that are possible:
     * where others draw from a drip, windows often explain the answers for a while, and there the half is theirs. */
    int64_t room = max(0, min(half, (b->size - 1) * TOKEN - 2 * (seconds ? slow : helping)));
    /* One is left to ask after the next second's edge, or else it would take a minute to know that it was one. */
    return seconds && minutes && b->size >= TINY ? max(room, TOKEN) : room;
}

onramp_time onramp_belief_proven(struct onramp_belief *b, int64_t spare, const struct onramp_rtt *rtt, onramp_time now)
{
    int64_t need = onramp_belief_takes(b) + TOKEN + spare;
    onramp_belief_mark_overdue(b, rtt, now);
    struct caps caps;
    struct horizon h = look(b, now, caps_of(b, &caps));
    int64_t full = h.full[ONRAMP_LOW];
    onramp_time at = now;
    h.allowance = TOKEN / 10;
    h.early = rtt->deviation / 2; /* this one may be quicker on its way than the others were */
    for (uint32_t i = 0; i < b->guesses && at != ONRAMP_NEVER; i++) {
        const struct onramp_guess *g = &b->guess[i];
        int64_t low = grown(b, g, ONRAMP_LOW, &h);
        if (low >= need)
            continue;
        if (need > full)
            at = ONRAMP_NEVER;
        else if (g->window == 0)
            at = max(at, now + (need - low) * 1000 / (g->slow / 1000) * 1000 + 100 * ONRAMP_MICROSECOND);
        else
            at = max(at, max(now + ONRAMP_MILLISECOND, onramp_window_when(b, g, need)));
    }
    return at;
}

/* The interval of the hypothesis next to the best estimate of the rate, halved. */
static int64_t likely_content(const struct onramp_belief *b, int64_t rate, onramp_time now)
{
    struct caps caps;
    struct horizon h = look(b, now, caps_of(b, &caps));
    struct onramp_guess g = {.slow = rate, .fast = rate, .low = b->proof.low, .high = b->proof.high};
    int64_t best = INT64_MAX;
    for (uint32_t i = 0; i < b->guesses && now >= b->shared_until; i++) {
        const struct onramp_guess *o = &b->guess[i];
        int64_t distance = o->slow > rate ? o->slow - rate : o->fast < rate ? rate - o->fast : 0;
        if (o->window > 0 || distance >= best)
            continue;
        best = distance;
        g.low = o->low;
        g.high = o->high;
    }
    /* Where others draw, what is not proven is rather theirs. */
    g.low = g.high = now < b->shared_until ? min(g.low + TOKEN / 2, g.high) : (g.low + g.high) / 2;
    return min(grown(b, &g, ONRAMP_HIGH, &h) - onramp_belief_takes(b), b->size * TOKEN);
}

/* When better to ask than to keep a reserve: whoever waits much longer than a token takes does not know the refill. */
static onramp_time ask_at(const struct onramp_belief *b, int64_t rate, onramp_time now)
{
    int64_t slow, fast;
    bool seconds = onramp_belief_rates(b, ONRAMP_SECOND, &slow, &fast);
    bool dripping = onramp_belief_rates(b, 0, &slow, &fast) && fast * IDLE >= b->size * TOKEN;
    /* Hardly a drip, so windows: where their edge lies is worth a token each time, while there are some for others. */
    if (seconds && !dripping && now >= b->shared_until && b->proof.low >= onramp_belief_takes(b) + 3 * TOKEN)
        return b->sent_at + ASKING;
    return b->sent_at + min(max(2 * ONRAMP_SECOND, 1500 * ONRAMP_SECOND / max(1, rate / 1000)), ENOUGH);
}

/* When windows of a second, if they are what is true, will have brought it. */
static onramp_time brings(const struct onramp_belief *b, int64_t need, onramp_time now)
{
    onramp_time at = now;
    for (uint32_t i = 0; i < b->guesses; i++) {
        const struct onramp_guess *g = &b->guess[i];
        if (g->window == ONRAMP_SECOND && onramp_window_grown(b, g, ONRAMP_LOW, now) < need)
            at = max(at, onramp_window_when(b, g, need));
    }
    return at;
}

static onramp_time reaches(const struct onramp_belief *b, int64_t stand, onramp_time now)
{
    int64_t slow, fast;
    bool dripping = onramp_belief_rates(b, 0, &slow, &fast);
    if (!dripping && onramp_belief_rates(b, ONRAMP_SECOND, &slow, &fast) && now >= b->shared_until)
        return brings(b, onramp_belief_takes(b) + TOKEN + stand, now);
    int64_t rate = onramp_belief_rate(b, now), content = likely_content(b, rate, now);
    if (content - TOKEN >= stand)
        return now;
    return now + (stand + TOKEN - content) * 1000 / max(1, rate / 1000) * 1000 + 100 * ONRAMP_MICROSECOND;
}

onramp_time onramp_belief_likely(const struct onramp_belief *b, int64_t stand, onramp_time now)
{
    /* Windows that could not be refuted by now are likely, and what is left at an edge is wasted. From an empty bucket
     * on, a drip and a window differ at the next edge, while both would have filled one from which was taken rarely. */
    int64_t slow, fast;
    bool drain = b->size < TINY && now - b->begun_at > SETTLED && onramp_belief_rates(b, ONRAMP_SECOND, &slow, &fast);
    onramp_time at = reaches(b, stand, now);
    return at <= now || drain ? now : min(ask_at(b, onramp_belief_rate(b, now), now), at);
}

onramp_time onramp_belief_due(const struct onramp_belief *b, int64_t stand, onramp_time now)
{
    return now < b->shared_until && b->size >= TINY && b->others.unexplained > 1 ? reaches(b, stand, now)
                                                                                 : ONRAMP_NEVER;
}

void onramp_belief_bounds(const struct onramp_belief *b, onramp_time now, int64_t *low, int64_t *high)
{
    struct caps caps;
    struct horizon h = look(b, now, caps_of(b, &caps));
    int64_t takes = onramp_belief_takes(b), full = takes + b->size * TOKEN;
    *low = full;
    *high = takes;
    for (uint32_t i = 0; i < b->guesses; i++) {
        const struct onramp_guess *g = &b->guess[i];
        *low = min(*low, grown(b, g, ONRAMP_LOW, &h));
        *high = max(*high, min(grown(b, g, ONRAMP_HIGH, &h), full));
    }
    *low -= takes;
    *high -= takes;
}
