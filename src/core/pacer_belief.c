/*
 * pacer_belief.c - hypotheses about one bucket, grown by time and cut by answers.
 */
#include "core/pacer_belief.h"

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
#define SETTLED  (10 * ONRAMP_SECOND)
#define SHARED   (20 * ONRAMP_SECOND)
#define FADE     (15 * ONRAMP_SECOND)

enum side { LOW, HIGH };

/* Supply is at most `high` (or `low`, if what is late has not arrived) when a request sent at `at` arrives. */
struct cap {
    onramp_time at;
    int64_t low, high;
};

/* All that growing up to an instant needs to know, worked out once for all guesses. */
struct horizon {
    onramp_time to;
    const struct cap *cap;
    uint32_t caps;
    int64_t full[2];                /* supply there if the bucket is full by then, at least and at most */
    int64_t seconds[2], minutes[2]; /* edges of windows on the way there, for certain and at most */
};

static int64_t max(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t min(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/* microtokens a second over a span, rounded down or up */
static int64_t drip(int64_t rate, onramp_span span, enum side side)
{
    span = min(max(span, 0), SPAN_MAX) / ONRAMP_MICROSECOND;
    if (span > 0 && rate > INT64_MAX / 2 / span)
        return INT64_MAX / 4; /* more than any bucket holds */
    return (rate * span + (side == HIGH ? 999999 : 0)) / 1000000 + (side == HIGH);
}

static uint64_t phases(const struct onramp_belief *b, onramp_span window)
{
    return window == ONRAMP_MINUTE ? b->minute : b->second;
}

/* How many edges (from, to] has for certain, or at most, if each window's lies in 64th `k` of it. */
static int64_t edges_at(int k, onramp_span window, onramp_time from, onramp_time to, enum side side)
{
    onramp_time begin = k * window / 64, end = (k + 1) * window / 64;
    return side == LOW ? max(0, floor_div(to - end, window) - floor_div(from - begin - 1, window))
                       : floor_div(to - begin, window) - floor_div(from - end, window);
}

/* The same over all places where the edge may lie. */
int64_t onramp_belief_edges(uint64_t possible, onramp_span window, onramp_time from, onramp_time to, bool most)
{
    if (to <= from)
        return 0;
    int64_t least = INT64_MAX, greatest = 0;
    for (int k = 0; k < 64; k++)
        if (possible >> k & 1) {
            least = min(least, edges_at(k, window, from, to, LOW));
            greatest = max(greatest, edges_at(k, window, from, to, HIGH));
        }
    return most ? greatest : least;
}

/* When has the n-th edge after `from` passed for certain? */
static onramp_time edge_passed(uint64_t possible, onramp_span window, onramp_time from, int64_t n)
{
    onramp_time last = from;
    for (int k = 0; k < 64; k++)
        if (possible >> k & 1) {
            onramp_time begin = k * window / 64;
            onramp_time next = begin + (floor_div(from - begin - 1, window) + 1) * window;
            last = max(last, next + window / 64 + 1);
        }
    return last + (n - 1) * window;
}

static struct horizon look(const struct onramp_belief *b, onramp_time from, onramp_time to, const struct cap *cap,
                           uint32_t caps)
{
    struct horizon h = {.to = to, .cap = cap, .caps = caps};
    h.full[LOW] = h.full[HIGH] = (b->size + b->gone) * TOKEN;
    for (uint32_t i = 0; i < b->takes && b->take[i].sent_at <= to; i++) {
        h.full[HIGH] += TOKEN;
        h.full[LOW] += b->take[i].late && b->take[i].arrived_by > to ? 0 : TOKEN;
    }
    for (enum side side = LOW; side <= HIGH; side++) {
        h.seconds[side] = onramp_belief_edges(b->second, ONRAMP_SECOND, from, to, side == HIGH);
        h.minutes[side] = onramp_belief_edges(b->minute, ONRAMP_MINUTE, from, to, side == HIGH);
    }
    return h;
}

/* Supply at the horizon, at least or at most, if the guess is right and nobody else draws. */
static int64_t grown(const struct onramp_belief *b, const struct onramp_guess *g, enum side side,
                     const struct horizon *h)
{
    int64_t supply = side == LOW ? g->low : g->high, rate = side == LOW ? g->slow : g->fast;
    int64_t full = max(supply, h->full[side]);
    if (g->window > 0) {
        int64_t helpings = g->window == ONRAMP_MINUTE ? h->minutes[side] : h->seconds[side];
        /* Which takes came before the edges is not known: none, or all. */
        full = side == LOW ? max(supply, (b->size + b->gone) * TOKEN) : full;
        return min(supply + rate * min(helpings, 1000), full);
    }
    onramp_time at = b->at;
    for (uint32_t i = 0; i < h->caps && h->cap[i].at <= h->to; i++) {
        int64_t cap = side == LOW ? h->cap[i].low : h->cap[i].high;
        supply = max(supply, min(supply + drip(rate, h->cap[i].at - at, side), cap));
        at = h->cap[i].at;
    }
    return min(supply + drip(rate, h->to - at, side), full);
}

/* The moments since b->at at which the bucket held no more than its size. */
static uint32_t caps_of(const struct onramp_belief *b, struct cap *caps)
{
    uint32_t count = 0, late = 0;
    for (uint32_t i = 0; i < b->takes; i++) {
        late += b->take[i].late;
        if (b->take[i].sent_at < b->at)
            continue;
        int64_t not_yet = 0;
        for (uint32_t k = 0; k < i && late > 0; k++)
            not_yet += b->take[k].late && b->take[k].arrived_by > b->take[i].sent_at;
        int64_t before = b->size + b->gone + i;
        caps[count++] = (struct cap){b->take[i].sent_at, (before - not_yet) * TOKEN, before * TOKEN};
    }
    return count;
}

/* Grow the intervals up to `to` although nothing was proven. */
void onramp_belief_roll(struct onramp_belief *b, onramp_time to)
{
    struct cap caps[ONRAMP_TAKES_MAX];
    struct horizon h = look(b, b->at, to, caps, caps_of(b, caps));
    for (uint32_t i = 0; i < b->guesses; i++) {
        struct onramp_guess *g = &b->guess[i];
        g->low = grown(b, g, LOW, &h);
        g->high = grown(b, g, HIGH, &h);
    }
    b->at = to;
}

/* Ranges of a tenth, up to `to`; windows have whole helpings, and therefore whole contents. */
static void add_guesses(struct onramp_belief *b, onramp_span window, int64_t from, int64_t to)
{
    int64_t unit = window ? TOKEN : 1;
    for (int64_t slow = from / unit * unit; slow <= to && b->guesses < ONRAMP_GUESSES_MAX;) {
        int64_t fast = min(slow + slow / 11 / unit * unit, to);
        b->guess[b->guesses++] =
            (struct onramp_guess){window, slow, fast, b->proof.low, window ? b->proof.whole : b->proof.high};
        slow = window ? fast + unit : fast < to ? fast : to + 1;
    }
}

/* Everything is possible again that the latest proof allows. */
static void begin(struct onramp_belief *b, const struct onramp_rate *hint)
{
    int64_t size = b->size * TOKEN, slowest = SLOWEST, fastest = FASTEST * size;
    b->guesses = 0;
    b->begun_at = b->at;
    b->second = b->minute = UINT64_MAX;
    if (hint != NULL && hint->tokens > 0) {
        int64_t rate = (int64_t)((double)hint->tokens * 1e15 / (double)hint->per);
        slowest = max(rate - rate / 25, SLOWEST);
        fastest = rate + rate / 25;
    }
    add_guesses(b, 0, slowest, fastest);
    add_guesses(b, ONRAMP_SECOND, min(max(slowest, TOKEN), size), min(fastest, size));
    add_guesses(b, ONRAMP_MINUTE, min(max(hint ? slowest * 60 : TOKEN, TOKEN), size), min(fastest * 60, size));
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
    b->proof = (struct onramp_proof){since, since, 0, full, full, true, false};
    begin(b, hint);
}

/* Halve the last few ranges, so that what is left gets as narrow as the answers allow. */
static void refine(struct onramp_belief *b, onramp_span window)
{
    uint32_t alive = 0;
    for (uint32_t i = 0; i < b->guesses; i++)
        alive += b->guess[i].window == window;
    if (alive > 5)
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

/* Supply rose in (from, to]: an edge lies there. */
void onramp_belief_rose(uint64_t *possible, onramp_span window, onramp_time from, onramp_time to)
{
    for (int k = 0; k < 64; k++)
        if (edges_at(k, window, from, to, HIGH) == 0)
            *possible &= ~(UINT64_C(1) << k);
}

/* It did not: none lies there. */
static void stayed(uint64_t *possible, onramp_span window, onramp_time from, onramp_time to)
{
    for (int k = 0; k < 64 && to > from; k++)
        if (edges_at(k, window, from, to, LOW) > 0)
            *possible &= ~(UINT64_C(1) << k);
}

static void strike_window(struct onramp_belief *b, onramp_span window)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < b->guesses; i++)
        if (b->guess[i].window != window)
            b->guess[kept++] = b->guess[i];
    b->guesses = kept;
}

static void learn_phase(struct onramp_belief *b, uint64_t *possible, onramp_span window, const struct onramp_proof *p)
{
    int64_t slow, fast;
    if (!onramp_belief_rates(b, window, &slow, &fast))
        return;
    int64_t room = (b->size + b->gone) * TOKEN - b->proof.low;
    if (p->low > b->proof.whole)
        onramp_belief_rose(possible, window, b->proof.since, p->until + SLACK);
    else if (b->proof.low + min(slow, room) > p->whole)
        stayed(possible, window, b->proof.until + SLACK, p->since - SLACK);
    if (*possible == 0)
        strike_window(b, window);
}

/* Cut each interval by what was proven. Returns the smallest surplus (negative: deficit) of those refuted. */
static int64_t cut(struct onramp_belief *b, const struct onramp_proof *p)
{
    struct cap caps[ONRAMP_TAKES_MAX];
    uint32_t count = caps_of(b, caps), kept = 0;
    int64_t surplus = 0;
    onramp_time until = max(p->until, b->at);
    struct horizon since = look(b, b->at, max(p->since, b->at), caps, count), then = look(b, b->at, until, caps, count);
    struct horizon proof = look(b, p->since, until, NULL, 0);
    for (uint32_t i = 0; i < b->guesses; i++) {
        struct onramp_guess g = b->guess[i];
        int64_t slack = TOKEN / 5 + (g.window ? 0 : drip(g.fast, SLACK, HIGH));
        int64_t before = grown(b, &g, LOW, &since), low = grown(b, &g, LOW, &then), high = grown(b, &g, HIGH, &then);
        int64_t meanwhile = g.window == 0               ? drip(g.fast, until - p->since, HIGH)
                            : g.window == ONRAMP_MINUTE ? proof.minutes[HIGH] * g.fast
                                                        : proof.seconds[HIGH] * g.fast;
        int64_t most = g.window ? p->whole : p->high, top = most + meanwhile;
        top = min(top, then.full[HIGH]);
        if (p->since < b->at)
            before = g.low - meanwhile; /* it speaks of earlier than the interval does */
        /* Full when the take came, it would have said so: no allowance for clocks there. */
        int64_t brim = since.full[LOW] - TOKEN;
        bool denied = !p->brim && p->since >= b->at && before >= brim && most <= brim;
        int64_t off = denied ? -1 : p->low > high + slack ? p->low - high : before > most + slack ? most - before : 0;
        if (off != 0) {
            surplus = surplus == 0 || (off < 0 ? -off : off) < (surplus < 0 ? -surplus : surplus) ? off : surplus;
            continue;
        }
        g.low = p->late ? p->low : min(max(low, p->low), top);
        g.high = max(min(high, top), g.low);
        assert(g.low <= g.high);
        b->guess[kept++] = g;
    }
    b->guesses = kept;
    b->at = until;
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

void onramp_belief_observe(struct onramp_belief *b, const struct onramp_proof *p, onramp_time now)
{
    learn_phase(b, &b->second, ONRAMP_SECOND, p);
    learn_phase(b, &b->minute, ONRAMP_MINUTE, p);
    b->draw -=
        b->draw * (min(max(p->until - b->proof.until, 0), FADE) / ONRAMP_MILLISECOND) / (FADE / ONRAMP_MILLISECOND);
    int64_t surplus = cut(b, p);
    b->proof = *p;
    if (b->guesses == 0) { /* others draw, or the limit was changed */
        if (surplus < 0)
            b->draw += min(-surplus, b->size * TOKEN) / (FADE / ONRAMP_SECOND);
        b->shared_until = now + SHARED;
        b->others.unexplained++;
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
    int64_t trip = drip(b->draw, max(rtt->mean, 50 * ONRAMP_MILLISECOND), HIGH);
    int64_t kept = TOKEN + (now < b->shared_until ? b->size * TOKEN / 16 : 0);
    return min(kept + 3 * trip, max(0, ((int64_t)b->size - 2) * TOKEN * 4 / 10));
}

int64_t onramp_belief_stand(const struct onramp_belief *b, onramp_time now)
{
    int64_t half = (b->size - 1) * TOKEN / 2, slow, fast;
    bool dripping = onramp_belief_rates(b, 0, &slow, &fast);
    if (now < b->shared_until)
        return b->size < TINY ? 2 * half : half;
    if (dripping) /* of a tiny one, while its kind is not known, take from a full one only */
        return b->size < TINY && onramp_belief_rates(b, ONRAMP_SECOND, &slow, &fast) ? 2 * half : half;
    if (onramp_belief_rates(b, ONRAMP_SECOND, &slow, &fast) || onramp_belief_rates(b, ONRAMP_MINUTE, &slow, &fast))
        return max(0, min(half, (b->size - 1) * TOKEN - fast)); /* leave room for the next helping */
    return half;
}

onramp_time onramp_belief_proven(struct onramp_belief *b, int64_t spare, const struct onramp_rtt *rtt, onramp_time now)
{
    int64_t need = onramp_belief_takes(b) + TOKEN + spare;
    onramp_belief_mark_overdue(b, rtt, now);
    onramp_span early = rtt->deviation / 2; /* this one may be quicker on its way than the others were */
    struct cap caps[ONRAMP_TAKES_MAX];
    struct horizon h = look(b, b->at, now, caps, caps_of(b, caps));
    int64_t full = h.full[LOW];
    onramp_time at = now;
    for (uint32_t i = 0; i < b->guesses && at != ONRAMP_NEVER; i++) {
        const struct onramp_guess *g = &b->guess[i];
        int64_t low = grown(b, g, LOW, &h), sooner = g->window ? 0 : TOKEN / 10 + drip(g->slow, early, HIGH);
        low = max(g->low, low - sooner); /* what was proven needs no allowance, what has grown since does */
        if (low >= need)
            continue;
        if (need > full) {
            at = ONRAMP_NEVER;
        } else if (g->window == 0) {
            at = max(at, now + (need - low) * 1000 / (g->slow / 1000) * 1000 + 100 * ONRAMP_MICROSECOND);
        } else if (need > b->size * TOKEN + b->gone * TOKEN) {
            at = ONRAMP_NEVER;
        } else {
            int64_t n = (need - g->low + g->slow - 1) / g->slow;
            onramp_time passed = edge_passed(phases(b, g->window), g->window, b->at, n) + SLACK;
            at = max(at, max(now + ONRAMP_MILLISECOND, passed));
        }
    }
    return at;
}

/* The interval of the hypothesis next to the best estimate of the rate, halved. */
static int64_t likely_content(const struct onramp_belief *b, int64_t rate, onramp_time now)
{
    struct cap caps[ONRAMP_TAKES_MAX];
    struct horizon h = look(b, b->at, now, caps, caps_of(b, caps));
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
    g.low = g.high = (g.low + g.high) / 2;
    return min(grown(b, &g, HIGH, &h) - onramp_belief_takes(b), b->size * TOKEN);
}

onramp_time onramp_belief_likely(const struct onramp_belief *b, int64_t stand, onramp_time now)
{
    int64_t rate = onramp_belief_rate(b, now), content = likely_content(b, rate, now);
    /* Windows that could not be refuted by now are likely, and what is left at an edge is wasted. */
    int64_t slow, fast;
    bool drain = b->size < TINY && now - b->begun_at > SETTLED && b->proof.low >= onramp_belief_takes(b) + TOKEN &&
                 onramp_belief_rates(b, ONRAMP_SECOND, &slow, &fast);
    if (content - TOKEN >= stand || drain)
        return now;
    /* Whoever waits much longer than a token takes does not know the refill: better to ask than to keep. */
    onramp_time enough = b->sent_at + min(max(2 * ONRAMP_SECOND, 1500 * ONRAMP_SECOND / max(1, rate / 1000)), ENOUGH);
    return min(enough, now + (stand + TOKEN - content) * 1000 / max(1, rate / 1000) * 1000 + 100 * ONRAMP_MICROSECOND);
}

void onramp_belief_bounds(const struct onramp_belief *b, onramp_time now, int64_t *low, int64_t *high)
{
    struct cap caps[ONRAMP_TAKES_MAX];
    struct horizon h = look(b, b->at, now, caps, caps_of(b, caps));
    int64_t takes = onramp_belief_takes(b), full = takes + b->size * TOKEN;
    *low = full;
    *high = takes;
    for (uint32_t i = 0; i < b->guesses; i++) {
        const struct onramp_guess *g = &b->guess[i];
        *low = min(*low, grown(b, g, LOW, &h));
        *high = max(*high, min(grown(b, g, HIGH, &h), full));
    }
    *low -= takes;
    *high -= takes;
}
