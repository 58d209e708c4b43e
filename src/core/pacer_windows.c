/*
 * pacer_windows.c - hypotheses of whole helpings at the edges of windows, one for each place where the edge may lie.
 *
 * Of such a bucket supply rises at edges alone. So a guess counts edges: its least supply is that after one of them,
 * its most that after another, and what time has passed since matters only by the edges in it.
 */
#include "core/pacer_belief.h"

#include "core/pacer_numbers.h"

#define TOKEN   ONRAMP_TOKEN
#define SLACK   (3 * ONRAMP_MILLISECOND) /* of clocks and queues, in any arrival */
#define SINGLY  8                        /* edges that are looked at one by one; then all others at once */
#define AT_ONCE INT64_C(100000)          /* more help no more; keeps products within 64 bits */

/* Edge n lies in [begins, ends). */
static onramp_time begins(const struct onramp_guess *g, int64_t n)
{
    return n * g->window + g->place * g->window / ONRAMP_PLACES;
}

static onramp_time ends(const struct onramp_guess *g, int64_t n)
{
    return n * g->window + (g->place + 1) * g->window / ONRAMP_PLACES;
}

/* The last edge that has passed, for certain or at most. */
static int64_t passed(const struct onramp_guess *g, onramp_time at, enum onramp_side side)
{
    onramp_time of_first = side == ONRAMP_LOW ? ends(g, 0) : begins(g, 0);
    return floor_div(at - of_first, g->window);
}

/* Supply of a full bucket at an edge: takes that had come, for certain or at most, had made room. */
static int64_t full(const struct onramp_belief *b, const struct onramp_guess *g, int64_t edge, enum onramp_side side)
{
    int64_t came = b->size + b->gone;
    for (uint32_t i = 0; i < b->takes; i++) {
        const struct onramp_take *t = &b->take[i];
        came += side == ONRAMP_LOW ? t->state != ONRAMP_TAKE_FLYING && t->arrived_by < begins(g, edge)
                                   : t->sent_at < ends(g, edge);
    }
    return came * TOKEN;
}

/* What supply becomes, at least or at most, from after one edge until after another. */
static int64_t helped(const struct onramp_belief *b, const struct onramp_guess *g, int64_t supply, int64_t after,
                      int64_t last, enum onramp_side side)
{
    int64_t helping = side == ONRAMP_LOW ? g->slow : g->fast;
    for (int64_t n = after + 1; n <= last; n++) {
        if (n - after <= SINGLY) {
            supply = max(supply, min(supply + helping, full(b, g, n, side)));
            continue;
        }
        int64_t room = full(b, g, side == ONRAMP_LOW ? n : last, side);
        return max(supply, min(supply + helping * min(last - n + 1, AT_ONCE), room));
    }
    return supply;
}

int64_t onramp_window_grown(const struct onramp_belief *b, const struct onramp_guess *g, enum onramp_side side,
                            onramp_time to)
{
    int64_t supply = side == ONRAMP_LOW ? g->low : g->high;
    return helped(b, g, supply, g->edge[side], passed(g, to, side), side);
}

void onramp_window_roll(const struct onramp_belief *b, struct onramp_guess *g, onramp_time to)
{
    for (enum onramp_side side = ONRAMP_LOW; side <= ONRAMP_HIGH; side++) {
        int64_t supply = onramp_window_grown(b, g, side, to);
        *(side == ONRAMP_LOW ? &g->low : &g->high) = supply;
        g->edge[side] = max(g->edge[side], passed(g, to, side));
    }
}

void onramp_window_start(const struct onramp_proof *p, struct onramp_guess *g)
{
    g->low = p->low;
    g->edge[ONRAMP_LOW] = passed(g, p->by + SLACK, ONRAMP_HIGH);
    g->high = p->whole;
    g->edge[ONRAMP_HIGH] = passed(g, p->since - SLACK, ONRAMP_LOW);
}

/* Supply had risen to what was proven: which edge had brought it, at the earliest? Each rise has its own. INT64_MAX:
 * none can have. */
static int64_t brought(const struct onramp_belief *b, struct onramp_guess *g, const struct onramp_proof *p)
{
    int64_t edge = g->edge[ONRAMP_HIGH], last = passed(g, p->by + SLACK, ONRAMP_HIGH), supply = g->high;
    if (p->low <= supply)
        return edge;
    if (last <= edge || helped(b, g, supply, edge, last, ONRAMP_HIGH) < p->low)
        return INT64_MAX;
    int64_t each = (p->low - supply + last - edge - 1) / (last - edge);
    g->slow = max(g->slow, (each + TOKEN - 1) / TOKEN * TOKEN);
    for (int singly = 0; supply < p->low && singly < SINGLY; singly++, edge++)
        supply = helped(b, g, supply, edge, edge + 1, ONRAMP_HIGH);
    return edge;
}

static void raise_low(const struct onramp_belief *b, struct onramp_guess *g, const struct onramp_proof *p)
{
    int64_t edge = passed(g, p->by + SLACK, ONRAMP_HIGH);
    if (edge <= g->edge[ONRAMP_LOW]) {
        g->low = max(g->low, helped(b, g, p->low, edge, g->edge[ONRAMP_LOW], ONRAMP_LOW));
    } else if (p->low >= helped(b, g, g->low, g->edge[ONRAMP_LOW], edge, ONRAMP_LOW)) {
        g->low = p->low;
        g->edge[ONRAMP_LOW] = edge;
    }
}

static void lower_high(const struct onramp_belief *b, struct onramp_guess *g, const struct onramp_proof *p,
                       int64_t edge)
{
    if (p->whole > helped(b, g, g->high, g->edge[ONRAMP_HIGH], edge, ONRAMP_HIGH))
        return;
    g->high = p->whole;
    g->edge[ONRAMP_HIGH] = edge;
}

bool onramp_window_cut(const struct onramp_belief *b, struct onramp_guess *g, const struct onramp_proof *p,
                       onramp_time to)
{
    int64_t edge = brought(b, g, p);
    if (edge == INT64_MAX)
        return false;
    edge = max(edge, passed(g, p->since - SLACK, ONRAMP_LOW));
    if (g->edge[ONRAMP_LOW] <= edge && g->low > p->whole)
        return false; /* it was less than before, and only others can have taken that */
    g->low = onramp_window_grown(b, g, ONRAMP_LOW, to);
    g->edge[ONRAMP_LOW] = max(g->edge[ONRAMP_LOW], passed(g, to, ONRAMP_LOW));
    int64_t most = helped(b, g, p->whole, edge, max(edge, passed(g, to, ONRAMP_HIGH)), ONRAMP_HIGH);
    if (g->low > most)
        return false;
    raise_low(b, g, p);
    lower_high(b, g, p, edge);
    return true;
}

onramp_time onramp_window_when(const struct onramp_belief *b, const struct onramp_guess *g, int64_t need)
{
    int64_t supply = g->low, edge = g->edge[ONRAMP_LOW];
    while (supply < need) {
        int64_t before = supply, room = full(b, g, edge + 1, ONRAMP_LOW);
        int64_t helpings = max(1, (min(need, room) - supply + g->slow - 1) / g->slow);
        supply = max(supply, min(supply + helpings * g->slow, room));
        edge += helpings;
        if (supply == before && edge > g->edge[ONRAMP_LOW] + SINGLY)
            return ONRAMP_NEVER; /* all that has come has made its room */
    }
    return ends(g, edge) + SLACK;
}
