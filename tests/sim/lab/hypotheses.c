/*
 * hypotheses.c - what the answers leave possible, and what all of that guarantees.
 */
#include "hypotheses.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLOWEST 0.02  /* tokens a second … */
#define FASTEST 4     /* … and buckets a second: what onramp's pacer admits */
#define STEP    1.003 /* of the grid of rates */
#define ROUND   1e-6  /* tokens; of sums of doubles, against a bucket of integers */
#define LONGEST (3000 * ONRAMP_SECOND)
#define NOBODY  UINT32_MAX

static const onramp_span windows[2] = {ONRAMP_SECOND, ONRAMP_MINUTE};

static void *must(void *memory)
{
    if (memory == NULL)
        abort();
    return memory;
}

static onramp_time floor_div(onramp_time a, onramp_time b)
{
    return a / b - (a % b < 0);
}

/* ---- what there is to believe ---- */

static int by_rate(const void *a, const void *b)
{
    double x = ((const struct drip *)a)->rate, y = ((const struct drip *)b)->rate;
    return (x > y) - (x < y);
}

static void add_drip(struct hypotheses *h, double per_second, double low, double high)
{
    if (per_second >= SLOWEST && per_second <= FASTEST * (double)h->size)
        h->drip[h->drips++] = (struct drip){per_second / 1e9, low, high, low, high};
}

/* A geometric grid, and the rates that people choose: whole tokens in one or two seconds or minutes. */
static void fill_drips(struct hypotheses *h, double low, double high)
{
    uint32_t steps = (uint32_t)(log(FASTEST * h->size / SLOWEST) / log(STEP)) + 1, seconds = FASTEST * 2 * h->size;
    uint32_t minutes = 1200;
    h->drip = must(realloc(h->drip, (steps + seconds + minutes) * sizeof *h->drip));
    h->drips = 0;
    for (uint32_t i = 0; i < steps; i++)
        add_drip(h, SLOWEST * pow(STEP, i), low, high);
    for (uint32_t i = 1; i <= seconds; i++)
        add_drip(h, i / 2.0, low, high);
    for (uint32_t i = 1; i <= minutes; i++)
        add_drip(h, i / 120.0, low, high);
    qsort(h->drip, h->drips, sizeof *h->drip, by_rate);
}

static void free_cell(const struct cell *c)
{
    free(c->content);
    free(c->told_content);
}

static void clear_cells(struct hypotheses *h, int w)
{
    for (uint32_t i = 0; i < h->cells[w]; i++)
        free_cell(&h->cell[w][i]);
    h->cells[w] = 0;
}

static struct cell *add_cell(struct hypotheses *h, int w, onramp_time from, onramp_time to)
{
    if (h->cells[w] == h->room[w]) {
        h->room[w] = h->room[w] ? 2 * h->room[w] : 64;
        h->cell[w] = must(realloc(h->cell[w], h->room[w] * sizeof *h->cell[w]));
    }
    struct cell *c = &h->cell[w][h->cells[w]++];
    *c = (struct cell){from, to, must(calloc(h->size, sizeof *c->content)), must(calloc(h->size, sizeof *c->content))};
    return c;
}

/* Edges up to `at` are told apart from later ones. */
static void split(struct hypotheses *h, int w, onramp_time at)
{
    onramp_time place = at - floor_div(at, windows[w]) * windows[w] + 1;
    uint32_t i = 0;
    while (i < h->cells[w] && (place <= h->cell[w][i].from || place >= h->cell[w][i].to))
        i++;
    if (i == h->cells[w])
        return;
    struct cell *later = add_cell(h, w, place, h->cell[w][i].to), *c = &h->cell[w][i];
    memcpy(later->content, c->content, h->size * sizeof *c->content);
    memcpy(later->told_content, c->told_content, h->size * sizeof *c->content);
    c->to = place;
}

static void fill_windows(struct hypotheses *h, int w, uint32_t content)
{
    struct cell *c = add_cell(h, w, 0, windows[w]);
    for (uint32_t k = 0; k < h->size; k++)
        c->content[k] = c->told_content[k] = (int32_t)content;
    split(h, w, h->base_at);
    for (uint32_t i = 0; i < h->takes; i++)
        split(h, w, h->take[i].at);
}

static void drop(struct hypotheses *h, uint32_t first, uint32_t count)
{
    h->takes -= count;
    memmove(&h->take[first], &h->take[first + count], (h->takes - first) * sizeof *h->take);
}

void hypotheses_begin(struct hypotheses *h, uint32_t size, uint32_t remaining, onramp_time at)
{
    uint32_t past = 0;
    while (past < h->takes && (h->take[past].at < at || h->take[past].state != TAKE_FLYING))
        past++;
    if (past > 0)
        drop(h, 0, past);
    h->size = size;
    h->told = 0;
    h->base_at = h->told_at = at;
    fill_drips(h, remaining, remaining + 1 < size ? remaining + 1 : remaining);
    for (int w = 0; w < 2; w++) {
        clear_cells(h, w);
        fill_windows(h, w, remaining);
    }
}

void hypotheses_end(struct hypotheses *h)
{
    for (int w = 0; w < 2; w++) {
        clear_cells(h, w);
        free(h->cell[w]);
    }
    free(h->drip);
    free(h->take);
}

/* ---- time, takes, and what they say ---- */

/* From `from` to the take, and through it. False: its answer refutes this. */
static bool drip_through(const struct hypotheses *h, struct drip *d, onramp_time from, const struct take *t)
{
    double low = fmin(d->told_low + d->rate * (double)(t->at - from), h->size);
    double high = fmin(d->told_high + d->rate * (double)(t->at - from), h->size);
    double taken = t->state == TAKE_SEEN || t->state == TAKE_REFUSED ? 0 : 1;
    if (t->state == TAKE_REFUSED) {
        high = fmin(high, 1);
    } else if (t->state != TAKE_FLYING) {
        low = fmax(low, t->remaining + taken);
        high = fmin(high, t->remaining + taken + 1);
    } else if (low < 1) { /* not sure to be taken */
        d->told_low = fmax(low - 1, 0);
        d->told_high = fmax(high - 1, fmin(high, 1));
        return true;
    }
    if (low > high + ROUND)
        return false;
    d->told_low = fmin(low, high) - taken;
    d->told_high = high - taken;
    return true;
}

static int32_t edges(onramp_span window, onramp_time place, onramp_time from, onramp_time to)
{
    return (int32_t)(floor_div(to - place, window) - floor_div(from - place, window));
}

static int32_t poured(const struct hypotheses *h, int32_t content, int32_t helping, int32_t times)
{
    int64_t full = h->size, sum = content + (int64_t)helping * times;
    return (int32_t)(sum < full ? sum : full);
}

/* Content after the take; -1 if its answer refutes it. */
static int32_t window_through(int32_t content, const struct take *t)
{
    int32_t left = content > 0 ? content - 1 : 0, shown = (int32_t)t->remaining;
    switch (t->state) {
    case TAKE_TOLD:
        return content > 0 && left == shown ? left : -1;
    case TAKE_REFUSED:
        return content == 0 ? 0 : -1;
    case TAKE_SEEN:
        return content == shown ? content : -1;
    default:
        return left;
    }
}

static void cell_through(const struct hypotheses *h, int w, struct cell *c, onramp_time from, const struct take *t)
{
    int32_t times = edges(windows[w], c->from, from, t->at);
    for (uint32_t k = 0; k < h->size; k++)
        if (c->told_content[k] >= 0)
            c->told_content[k] = window_through(poured(h, c->told_content[k], (int32_t)k + 1, times), t);
}

/* From the base through the first `count` takes; what they refute is marked. */
static void follow(struct hypotheses *h, uint32_t count)
{
    h->told = count;
    h->told_at = count > 0 ? h->take[count - 1].at : h->base_at;
    for (uint32_t i = 0; i < h->drips; i++) {
        struct drip *d = &h->drip[i];
        d->told_low = d->low;
        d->told_high = d->high;
        for (uint32_t n = 0; n < count && d->low >= 0; n++)
            if (!drip_through(h, d, n ? h->take[n - 1].at : h->base_at, &h->take[n]))
                d->low = -1;
    }
    for (int w = 0; w < 2; w++)
        for (uint32_t i = 0; i < h->cells[w]; i++) {
            struct cell *c = &h->cell[w][i];
            memcpy(c->told_content, c->content, h->size * sizeof *c->content);
            for (uint32_t n = 0; n < count; n++)
                cell_through(h, w, c, n ? h->take[n - 1].at : h->base_at, &h->take[n]);
            for (uint32_t k = 0; k < h->size; k++)
                if (c->told_content[k] < 0)
                    c->content[k] = -1;
        }
}

/* The base moves on past the first `count` takes. */
static void settle(struct hypotheses *h, uint32_t count)
{
    if (count == 0)
        return;
    follow(h, count);
    for (uint32_t i = 0; i < h->drips; i++)
        if (h->drip[i].low >= 0) {
            h->drip[i].low = h->drip[i].told_low;
            h->drip[i].high = h->drip[i].told_high;
        }
    for (int w = 0; w < 2; w++)
        for (uint32_t i = 0; i < h->cells[w]; i++)
            memcpy(h->cell[w][i].content, h->cell[w][i].told_content, h->size * sizeof *h->cell[w][i].content);
    h->base_at = h->told_at;
    drop(h, 0, count);
}

static bool alive(const struct hypotheses *h, const struct cell *c)
{
    uint32_t k = 0;
    while (k < h->size && c->content[k] < 0)
        k++;
    return k < h->size;
}

/* Drop what is refuted. */
static void sweep(struct hypotheses *h)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < h->drips; i++)
        if (h->drip[i].low >= 0)
            h->drip[kept++] = h->drip[i];
    h->drips = kept;
    for (int w = 0; w < 2; w++) {
        kept = 0;
        for (uint32_t i = 0; i < h->cells[w]; i++)
            if (alive(h, &h->cell[w][i]))
                h->cell[w][kept++] = h->cell[w][i];
            else
                free_cell(&h->cell[w][i]);
        h->cells[w] = kept;
    }
}

static void learn(struct hypotheses *h)
{
    uint32_t first = 0, last = h->takes;
    while (first < h->takes && h->take[first].state != TAKE_FLYING)
        first++;
    while (h->take[last - 1].state == TAKE_FLYING)
        last--;
    struct take newest = h->take[last - 1];
    settle(h, first);
    follow(h, last - first);
    sweep(h);
    if (h->drips + h->cells[0] + h->cells[1] == 0)
        hypotheses_begin(h, h->size, newest.remaining, newest.at);
}

static uint32_t find(const struct hypotheses *h, uint32_t ticket)
{
    uint32_t i = 0;
    while (i < h->takes && !(h->take[i].ticket == ticket && h->take[i].state == TAKE_FLYING))
        i++;
    return i;
}

void hypotheses_sent(struct hypotheses *h, uint32_t ticket, onramp_time arrives_at)
{
    if (h->takes == h->take_room) {
        h->take_room = h->take_room ? 2 * h->take_room : 64;
        h->take = must(realloc(h->take, h->take_room * sizeof *h->take));
    }
    uint32_t i = h->takes++;
    for (; i > 0 && h->take[i - 1].at > arrives_at; i--)
        h->take[i] = h->take[i - 1];
    h->take[i] = (struct take){arrives_at, ticket, 0, TAKE_FLYING};
    for (int w = 0; w < 2; w++)
        split(h, w, arrives_at);
}

void hypotheses_told(struct hypotheses *h, uint32_t ticket, enum take_state state, uint32_t remaining)
{
    uint32_t i = find(h, ticket);
    if (i == h->takes)
        return;
    h->take[i].state = state;
    h->take[i].remaining = remaining;
    learn(h);
}

void hypotheses_void(struct hypotheses *h, uint32_t ticket)
{
    uint32_t i = find(h, ticket);
    if (i == h->takes)
        return;
    drop(h, i, 1);
    if (i < h->told)
        follow(h, h->told - 1);
}

void hypotheses_seen(struct hypotheses *h, onramp_time at, uint32_t content)
{
    hypotheses_sent(h, NOBODY, at);
    hypotheses_told(h, NOBODY, TAKE_SEEN, content);
}

/* ---- what is guaranteed ---- */

/* A hypothesis that is left, as of told_at. */
struct one {
    double rate, content;
    onramp_span window; /* 0: drip */
    onramp_time place;
    int32_t helping;
};

/* Grow it, and take. Was there enough? */
static bool take_from(const struct hypotheses *h, struct one *o, onramp_time from, onramp_time to, double tokens)
{
    if (o->window == 0)
        o->content = fmin(o->content + o->rate * (double)(to - from), h->size) - tokens;
    else
        o->content = poured(h, (int32_t)o->content, o->helping, edges(o->window, o->place, from, to)) - tokens;
    bool enough = o->content >= (o->window || o->content > h->size - tokens - ROUND ? 0 : ROUND);
    o->content = fmax(o->content, 0);
    return enough;
}

/* Do `tokens` takes that arrive at `at`, and all that follow them on the wire, find theirs? */
static bool feasible(const struct hypotheses *h, struct one o, double tokens, onramp_time at)
{
    onramp_time from = h->told_at;
    uint32_t i = h->told;
    for (; i < h->takes && h->take[i].at <= at; from = h->take[i++].at)
        (void)take_from(h, &o, from, h->take[i].at, 1);
    if (!take_from(h, &o, from, at, tokens))
        return false;
    for (from = at; i < h->takes; from = h->take[i++].at)
        if (!take_from(h, &o, from, h->take[i].at, 1))
            return false;
    return true;
}

/* The first instant from `at` on at which they do: for windows at an edge, for drips by halving. */
static onramp_time first_feasible(const struct hypotheses *h, const struct one *o, double tokens, onramp_time at)
{
    if (feasible(h, *o, tokens, at))
        return at;
    if (o->window > 0) {
        onramp_time edge = o->place + (floor_div(at - o->place, o->window) + 1) * o->window;
        while (edge < at + LONGEST && !feasible(h, *o, tokens, edge))
            edge += o->window;
        return edge;
    }
    onramp_time low = at, high = at + ONRAMP_MILLISECOND;
    while (high < at + LONGEST && !feasible(h, *o, tokens, high))
        high += high - at;
    while (high - low > 1) {
        onramp_time middle = low + (high - low) / 2;
        if (feasible(h, *o, tokens, middle))
            high = middle;
        else
            low = middle;
    }
    return high;
}

/* What is asked of all that may guarantee least, until one says no. */
struct question {
    bool (*ask)(const struct hypotheses *h, const struct one *o, struct question *q);
    double tokens;
    onramp_time at;
};

static bool ask_cell(const struct hypotheses *h, int w, const struct cell *c, struct question *q)
{
    int32_t least = INT32_MAX;
    for (uint32_t k = 0; k < h->size; k++) {
        if (c->told_content[k] < 0 || c->told_content[k] >= least)
            continue; /* a smaller helping had no more */
        least = c->told_content[k];
        struct one o = {.content = least, .window = windows[w], .place = c->to - 1, .helping = (int32_t)k + 1};
        if (!q->ask(h, &o, q))
            return false;
        o.place = c->from; /* late edges give less, but what runs over at an early one is lost */
        if (!q->ask(h, &o, q))
            return false;
    }
    return true;
}

static bool ask_all(const struct hypotheses *h, struct question *q)
{
    double least = INFINITY;
    for (uint32_t i = 0; i < h->drips; i++) {
        const struct drip *d = &h->drip[i];
        if (d->told_low >= least)
            continue; /* a slower one had no more */
        least = d->told_low;
        if (!q->ask(h, &(struct one){.rate = d->rate, .content = least}, q))
            return false;
    }
    for (int w = 0; w < 2; w++)
        for (uint32_t i = 0; i < h->cells[w]; i++)
            if (!ask_cell(h, w, &h->cell[w][i], q))
                return false;
    return true;
}

static bool postpone(const struct hypotheses *h, const struct one *o, struct question *q)
{
    q->at = first_feasible(h, o, q->tokens, q->at);
    return true;
}

onramp_time hypotheses_safe(const struct hypotheses *h, onramp_time at)
{
    struct question q = {postpone, 1, at};
    do {
        at = q.at;
        (void)ask_all(h, &q);
    } while (q.at != at);
    return at;
}

static bool meets(const struct hypotheses *h, const struct one *o, struct question *q)
{
    return feasible(h, *o, q->tokens, q->at);
}

bool hypotheses_guarantee(const struct hypotheses *h, uint32_t tokens, onramp_time at)
{
    return ask_all(h, &(struct question){meets, tokens, at});
}

onramp_time hypotheses_likely(const struct hypotheses *h, double rate, uint32_t tokens, onramp_time at)
{
    const struct drip *nearest = NULL;
    for (uint32_t i = 0; i < h->drips; i++)
        if (nearest == NULL || fabs(h->drip[i].rate * 1e9 - rate) < fabs(nearest->rate * 1e9 - rate))
            nearest = &h->drip[i];
    if (nearest == NULL)
        return at;
    struct one o = {.rate = nearest->rate, .content = (nearest->told_low + nearest->told_high) / 2};
    return first_feasible(h, &o, tokens, at);
}

bool hypotheses_drip_at_least(const struct hypotheses *h, double rate)
{
    double fastest = h->drips > 0 ? h->drip[h->drips - 1].rate * 1e9 : 0;
    return h->cells[0] + h->cells[1] == 0 && h->drip[0].rate * 1e9 >= fmin(rate, fastest);
}

void hypotheses_print(const struct hypotheses *h, char *text, size_t size)
{
    uint32_t left[2] = {0, 0};
    for (int w = 0; w < 2; w++)
        for (uint32_t i = 0; i < h->cells[w]; i++)
            for (uint32_t k = 0; k < h->size; k++)
                left[w] += h->cell[w][i].content[k] >= 0;
    (void)snprintf(text, size, "left: %u drips (%.3f..%.3f/s), windows: %u of 1 s, %u of 60 s", h->drips,
                   h->drips ? h->drip[0].rate * 1e9 : 0, h->drips ? h->drip[h->drips - 1].rate * 1e9 : 0, left[0],
                   left[1]);
}
