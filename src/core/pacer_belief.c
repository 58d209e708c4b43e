/*
 * pacer_belief.c - hypotheses about one bucket, grown by time and cut by answers.
 */
#include "core/pacer_belief.h"

#include "core/pacer_numbers.h"

#include <assert.h>
#include <string.h>

#define TOKEN    ONRAMP_TOKEN
#define SLACK    (3 * ONRAMP_MILLISECOND)  /* of clocks and queues, in any arrival */
#define SPAN_MAX (600 * ONRAMP_SECOND)     /* longer silences prove no more; keeps products within 64 bits */
#define FASTEST  4                         /* times a second the quickest refill fills the bucket */
#define FEW      5                         /* ranges: no more are split, … */
#define FINEST   3                         /* … per mille: … nor below so much */
#define FULL_FOR (25 * ONRAMP_MILLISECOND) /* the take before may have come as much later than thought */
#define SHARED   (20 * ONRAMP_SECOND)

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
    int64_t size = b->size * TOKEN, slowest = ONRAMP_SLOWEST, fastest = FASTEST * size;
    b->guesses = 0;
    b->begun_at = b->at;
    if (hint != NULL && hint->tokens > 0) {
        int64_t rate = (int64_t)((double)hint->tokens * 1e15 / (double)hint->per);
        slowest = max(rate - rate / 25, ONRAMP_SLOWEST);
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

/* Halve the last few ranges of drips, so that what is left gets as narrow as the answers allow. */
static void refine(struct onramp_belief *b)
{
    uint32_t drips = 0;
    for (uint32_t i = 0; i < b->guesses; i++)
        drips += b->guess[i].window == 0;
    for (uint32_t i = b->guesses; drips <= FEW && i-- > 0;) {
        struct onramp_guess *g = &b->guess[i];
        if (g->window > 0 || (g->fast - g->slow) * 1000 <= g->slow * FINEST || b->guesses == ONRAMP_GUESSES_MAX)
            continue;
        struct onramp_guess upper = *g;
        g->fast = upper.slow = g->slow + (g->fast - g->slow) / 2;
        b->guess[b->guesses++] = upper;
    }
}

/* The instants that a proof is about. */
struct moments {
    struct horizon since, then;
    struct horizon filled; /* a bucket that was full by then was so when the take came */
};

/* What of a drip's supply was known is cut by what was proven. False: it is refuted. */
static bool cut_drip(const struct onramp_belief *b, struct onramp_guess *g, const struct onramp_proof *p,
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
        return false;
    /* Once in hundreds of times it came even later than believed; at 50 tokens a second that is one of them. */
    int64_t later = drip(g->fast, max(p->by - m->then.to, 0) / 3, ONRAMP_HIGH);
    if (p->low > high + later + slack || before > p->high + slack)
        return false;
    g->low = min(max(low, p->low), top);
    g->high = max(min(high, top), g->low);
    return true;
}

/* Cut all by what was proven. */
static void cut(struct onramp_belief *b, const struct onramp_proof *p)
{
    struct caps caps;
    uint32_t kept = 0;
    caps_of(b, &caps);
    onramp_time until = max(p->until, b->at), by = max(max(p->by, until), b->by);
    struct moments m = {look(b, max(p->since, b->at), &caps), look(b, until, &caps),
                        look(b, max(p->since - FULL_FOR, b->at), &caps)};
    /* Windows know it by edges, and not of all that was proven between two of them. */
    bool fell = p->since > b->floor_by && p->whole < b->floor;
    for (uint32_t i = 0; i < b->guesses; i++) {
        struct onramp_guess g = b->guess[i];
        if (g.window == 0 ? cut_drip(b, &g, p, &m) : !fell && onramp_window_cut(b, &g, p, by))
            b->guess[kept++] = g;
    }
    b->guesses = kept;
    b->at = until;
    b->by = by;
}

static void measure(struct onramp_belief *b)
{
    int64_t middle = (b->proof.low + b->proof.high) / 2;
    onramp_span since = b->at - b->mark_at;
    if (b->mark_at == 0 || since > 12 * ONRAMP_SECOND) {
        b->mark = middle;
        b->mark_at = b->at;
    } else if (since > 3 * ONRAMP_SECOND / 2) {
        b->net = max(ONRAMP_SLOWEST, (middle - b->mark) * 1000 / (since / ONRAMP_MILLISECOND));
    }
}

/* While others draw, windows of a minute are left whenever a drip is refuted, and would be for a minute. */
static bool hardly_window(const struct onramp_belief *b, onramp_time now)
{
    bool minutes = true;
    for (uint32_t i = 0; i < b->guesses; i++)
        minutes = minutes && b->guess[i].window == ONRAMP_MINUTE;
    return minutes && now < b->shared_until && b->size >= ONRAMP_TINY;
}

void onramp_belief_observe(struct onramp_belief *b, const struct onramp_proof *p, onramp_time now)
{
    b->opened_at = b->opened_at > 0 ? b->opened_at : now;
    cut(b, p);
    b->proof = *p;
    if (b->guesses == 0 || p->low >= b->floor) {
        b->floor = p->low;
        b->floor_by = p->by;
    }
    bool unexplained = b->guesses == 0; /* others draw, or the limit was changed */
    if (unexplained || hardly_window(b, now)) {
        b->shared_until = now + SHARED;
        if (unexplained)
            onramp_others_unexplained(&b->others, now);
        begin(b, NULL);
    }
    refine(b);
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

int64_t onramp_belief_supply(const struct onramp_belief *b, const struct onramp_guess *g, enum onramp_side side,
                             onramp_time now)
{
    struct caps caps;
    struct horizon h = look(b, now, caps_of(b, &caps));
    return grown(b, g, side, &h);
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
