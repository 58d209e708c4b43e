/*
 * pacer_others.c - what others have drawn, at least, in view of all proofs together.
 */
#include "core/pacer_others.h"

#include "core/pacer_belief.h"
#include "core/pacer_numbers.h"

#include <assert.h>

#define TOKEN    ONRAMP_TOKEN
#define SLACK    (3 * ONRAMP_MILLISECOND) /* of clocks and queues, in any arrival */
#define DOUBT    (TOKEN / 5)              /* by as much hypotheses may be off, too */
#define SPAN_MAX (600 * ONRAMP_SECOND)    /* longer silences tell no more; keeps products within 64 bits */
#define KINDS    3
#define SETTLING (3 * ONRAMP_SECOND)

/* How many edges (from, to] has, for certain or at most, if each window's lies in 64th `k` of it. */
static int64_t edges_at(int k, onramp_span window, onramp_time from, onramp_time to, bool most)
{
    onramp_time begin = k * window / 64, end = (k + 1) * window / 64;
    return most ? floor_div(to - begin, window) - floor_div(from - end, window)
                : max(0, floor_div(to - end, window) - floor_div(from - begin - 1, window));
}

/* The same over all places where the edge may lie. */
static int64_t edges_in(uint64_t possible, onramp_span window, onramp_time from, onramp_time to, bool most)
{
    int64_t least = INT64_MAX, greatest = 0;
    for (int k = 0; k < 64; k++)
        if (possible >> k & 1) {
            least = min(least, edges_at(k, window, from, to, false));
            greatest = max(greatest, edges_at(k, window, from, to, true));
        }
    return most ? greatest : least;
}

void onramp_others_start(struct onramp_others *o)
{
    static const onramp_span windows[KINDS] = {0, ONRAMP_SECOND, ONRAMP_MINUTE};
    o->count = o->lost = o->charged = o->unexplained = 0;
    for (int i = 0; i < KINDS; i++)
        o->kind[i] = (struct onramp_quickest){.window = windows[i], .possible = UINT64_MAX};
}

/* ---- how quickly the bucket is refilled, at least ---- */

/* Supply rose in (from, to]: an edge lies there. */
static void rose(uint64_t *possible, onramp_span window, onramp_time from, onramp_time to)
{
    for (int k = 0; k < 64; k++)
        if (edges_at(k, window, from, to, true) == 0)
            *possible &= ~(UINT64_C(1) << k);
}

/* Supply rose by `rise` or more in [from, to]. */
static void learn(struct onramp_quickest *k, int64_t rise, onramp_time from, onramp_time to)
{
    if (k->window == 0) {
        k->rate = max(k->rate, rise * 1000 / ((to - from) / ONRAMP_MILLISECOND + 1));
        return;
    }
    int64_t windows = (to - from) / k->window;
    if (windows > 0 && rise / windows <= k->rate)
        return; /* nothing new, and that is soon found */
    rose(&k->possible, k->window, from, to);
    if (k->possible == 0)
        return;
    int64_t edges = edges_in(k->possible, k->window, from, to, true) * TOKEN;
    k->rate = max(k->rate, (rise + edges - 1) / edges * TOKEN); /* helpings are whole */
}

/* Only what was surely later can be a rise: others may have drawn in between. */
static void compare(struct onramp_others *o, const struct onramp_sighting *then, const struct onramp_sighting *now)
{
    if (now->since < then->until)
        return;
    int64_t least = now->low - DOUBT - (now->lost - then->lost) * TOKEN;
    for (int i = 0; i < KINDS; i++) {
        struct onramp_quickest *k = &o->kind[i];
        int64_t rise = least - (k->window > 0 ? then->whole : then->high);
        if (k->possible != 0 && rise > 0)
            learn(k, rise, then->since - SLACK, now->until + SLACK);
    }
}

/* Every second one does: what was learned from the others stays known. */
static void thin_out(struct onramp_others *o)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < o->count; i += 2)
        o->seen[kept++] = o->seen[i];
    o->count = kept;
}

void onramp_others_observe(struct onramp_others *o, const struct onramp_proof *proof, int64_t full)
{
    struct onramp_sighting now = {proof->since, proof->by, proof->low, proof->high, proof->whole, full, o->lost};
    assert(now.since <= now.until);
    if (o->count > 0 && now.since < o->seen[o->count - 1].since)
        return; /* it came late */
    for (uint32_t i = 0; i < o->count; i++)
        compare(o, &o->seen[i], &now);
    if (o->count == ONRAMP_SIGHTINGS_MAX)
        thin_out(o);
    o->seen[o->count++] = now;
}

/* ---- what others drew of it ---- */

/* Refilled from one instant to another, at least, if there is room. */
static int64_t refill(const struct onramp_quickest *k, onramp_time from, onramp_time to)
{
    from += SLACK;
    to -= SLACK;
    if (to <= from || k->rate == 0)
        return 0;
    if (k->window > 0)
        return k->rate * min(edges_in(k->possible, k->window, from, to, false), 1000);
    onramp_span span = min(to - from, SPAN_MAX) / ONRAMP_MICROSECOND;
    return span > 0 && k->rate > INT64_MAX / 2 / span ? INT64_MAX / 4 : k->rate * span / 1000000;
}

/*
 * Supply is followed from sighting to sighting, as low as it can be, and never above a full bucket. Where it is seen
 * lower, others drew the difference. A quicker refill only makes it more, so it is the least that they drew.
 */
static int64_t drawn(const struct onramp_others *o, const struct onramp_quickest *k)
{
    int64_t supply = 0, full = 0, theirs = 0;
    onramp_time at = INT64_MIN, counted_by = INT64_MIN; /* what was counted happened until then */
    uint32_t past = 0;
    for (uint32_t i = 0; i < o->count; i++) {
        const struct onramp_sighting *s = &o->seen[i];
        int64_t most = (k->window > 0 ? s->whole : s->high) + DOUBT;
        if (i > 0 && s->since >= at) {
            for (; past < i && o->seen[past].until <= at; past++)
                full = max(full, o->seen[past].full);
            supply = max(supply, min(supply + refill(k, at, s->since), full));
            at = s->since;
            if (supply > most) {
                theirs += supply - most;
                supply = most;
                counted_by = s->until;
            }
        }
        if (i == 0 || (s->since >= counted_by && s->low > supply + refill(k, at, s->until))) {
            supply = s->low;
            full = max(full, s->full);
            at = s->until;
        }
    }
    return theirs;
}

void onramp_others_unexplained(struct onramp_others *o, onramp_time now)
{
    if (o->unexplained > 0 && now - o->since < SETTLING)
        return;
    o->unexplained++;
    o->since = now;
}

/* A refill that changed once can look like others, twice it hardly will: until then only what supply fell is theirs. */
uint64_t onramp_others_drawn(const struct onramp_others *o)
{
    static const struct onramp_quickest none = {.window = 0};
    int64_t fallen = drawn(o, &none), least = INT64_MAX;
    for (int i = 0; i < KINDS && o->unexplained > 1; i++)
        if (o->kind[i].possible != 0)
            least = min(least, drawn(o, &o->kind[i]));
    /* One is nobody's: which of two requests came first is told by how long their answers took, and that can deceive.
     */
    int64_t theirs = (least < INT64_MAX ? max(least, fallen) : fallen) - (o->charged + 1) * TOKEN;
    return theirs > 0 ? (uint64_t)(theirs / TOKEN) : 0;
}
