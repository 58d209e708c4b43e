/*
 * pacer_takes.c - our own requests in one bucket, and what their answers prove together.
 */
#include "core/pacer_belief.h"

#include "core/pacer_numbers.h"

#include <assert.h>
#include <string.h>

#define TOKEN ONRAMP_TOKEN
#define SLACK (3 * ONRAMP_MILLISECOND) /* of clocks and queues, in any arrival */

int64_t onramp_belief_takes(const struct onramp_belief *b)
{
    return (b->gone + b->takes) * TOKEN;
}

static uint32_t find(const struct onramp_belief *b, uint32_t ticket)
{
    uint32_t i = 0;
    while (i < b->takes && !(b->take[i].state == ONRAMP_TAKE_FLYING && b->take[i].ticket == ticket))
        i++;
    return i;
}

bool onramp_belief_has(const struct onramp_belief *b, uint32_t ticket)
{
    return find(b, ticket) < b->takes;
}

static void drop(struct onramp_belief *b, uint32_t i)
{
    memmove(&b->take[i], &b->take[i + 1], (--b->takes - i) * sizeof *b->take);
}

/* When the latest of those left whose answers told what was left. */
static onramp_time latest_sent(const struct onramp_belief *b)
{
    onramp_time at = INT64_MIN;
    for (uint32_t i = 0; i < b->takes; i++)
        if (b->take[i].state == ONRAMP_TAKE_SPOKE)
            at = max(at, b->take[i].sent_at);
    return at;
}

/* Takes that are answered, certainly followed by another, and before what is still to be judged only count. */
static void forget(struct onramp_belief *b, onramp_time newest, onramp_time until)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < b->takes; i++) {
        const struct onramp_take *t = &b->take[i];
        if (t->state != ONRAMP_TAKE_FLYING && t->arrived_by < newest && t->arrived_by <= until)
            b->gone++;
        else
            b->take[kept++] = *t;
    }
    b->takes = kept;
}

void onramp_belief_sent(struct onramp_belief *b, uint32_t ticket, onramp_time now)
{
    if (b->takes == ONRAMP_TAKES_MAX) {
        onramp_belief_roll(b, now);
        forget(b, now, now);
        assert(b->takes < ONRAMP_TAKES_MAX); /* only those on the wire are left, and they are fewer */
    }
    uint32_t i = b->takes++;
    for (; i > 0 && b->take[i - 1].sent_at > now; i--)
        b->take[i] = b->take[i - 1];
    b->take[i] = (struct onramp_take){.sent_at = now, .arrived_by = now, .ticket = ticket};
    b->flying++;
    b->sent_at = max(b->sent_at, now);
}

void onramp_belief_void(struct onramp_belief *b, uint32_t ticket)
{
    uint32_t i = find(b, ticket);
    if (i == b->takes)
        return;
    drop(b, i);
    b->flying--;
}

static bool slow(const struct onramp_rtt *rtt, onramp_span latency, int deviations)
{
    return latency > rtt->mean + deviations * rtt->deviation + 50 * ONRAMP_MILLISECOND;
}

/* The way out may have been shorter than ever before, though less likely the more answers have been seen; with windows
 * more is allowed, since the wrong order of two takes moves an edge. The first has nothing to compare with: it may have
 * been on its way until just before its answer. */
static onramp_span excess(const struct onramp_belief *b, const struct onramp_rtt *rtt, onramp_span latency)
{
    if (rtt->count <= 1)
        return max(latency - 1, 0);
    int64_t slow, fast;
    int halvings = 0, most = onramp_belief_rates(b, 0, &slow, &fast) ? 2 : 1;
    for (uint32_t n = rtt->count; n >= 4 && halvings < most; n /= 4)
        halvings++;
    return latency - rtt->least + (rtt->least / 5 >> halvings) + SLACK;
}

static struct onramp_take *land(struct onramp_belief *b, uint32_t ticket, enum onramp_take_state state,
                                const struct onramp_rtt *rtt, onramp_time now)
{
    uint32_t i = find(b, ticket);
    if (i == b->takes)
        return NULL;
    struct onramp_take *t = &b->take[i];
    onramp_span latency = now - t->sent_at;
    t->state = state;
    t->late = slow(rtt, latency, 2);
    t->arrived_by = t->sent_at + excess(b, rtt, latency);
    b->flying--;
    return t;
}

/*
 * The last take among the answered ones is one that no other certainly follows. Whichever it was, it left at
 * least the smallest remaining among these, and all answered takes were counted by then.
 */
static void conclude(struct onramp_belief *b, onramp_time now)
{
    onramp_time newest = latest_sent(b), since = INT64_MAX, until = INT64_MIN, arrived_by = INT64_MIN;
    int64_t least = INT64_MAX, most = 0, answered = b->gone, uncounted = 0, flying = 0;
    for (uint32_t i = 0; i < b->takes; i++)
        answered += b->take[i].state != ONRAMP_TAKE_FLYING;
    for (uint32_t i = 0; i < b->takes; i++) {
        const struct onramp_take *t = &b->take[i];
        if (t->state != ONRAMP_TAKE_SPOKE || t->arrived_by < newest)
            continue;
        onramp_span spent = t->arrived_by - t->sent_at;
        least = min(least, t->remaining);
        most = max(most, t->remaining);
        since = min(since, t->sent_at);
        until = max(until, min(now, t->sent_at + (t->late ? spent : spent / 2)));
        arrived_by = max(arrived_by, t->arrived_by);
    }
    for (uint32_t i = 0; i < b->takes; i++) {
        flying += b->take[i].state == ONRAMP_TAKE_FLYING && b->take[i].sent_at <= arrived_by;
        uncounted += b->take[i].state == ONRAMP_TAKE_SILENT && b->take[i].arrived_by >= since;
    }
    struct onramp_proof p = {since,
                             until,
                             min(now, arrived_by),
                             (answered + least - uncounted) * TOKEN,
                             (answered + flying + min(most + 1, b->size - 1)) * TOKEN,
                             (answered + flying + most) * TOKEN,
                             most + 1 >= b->size};
    onramp_others_observe(&b->others, &p, (answered + b->size) * TOKEN);
    onramp_belief_observe(b, &p, now);
    forget(b, newest, b->at - onramp_belief_place(b));
    assert(b->flying <= b->takes);
}

void onramp_belief_spoke(struct onramp_belief *b, uint32_t ticket, uint32_t remaining, const struct onramp_rtt *rtt,
                         onramp_time now)
{
    struct onramp_take *t = land(b, ticket, ONRAMP_TAKE_SPOKE, rtt, now);
    if (t == NULL)
        return;
    t->remaining = remaining;
    b->unproven = 0;
    /* It found the bucket full, and what would have been refilled while it was on its way ran over. */
    t->late |= remaining + 1 >= b->size && slow(rtt, now - t->sent_at, 1);
    onramp_belief_mark_overdue(b, rtt, now);
    conclude(b, now);
}

void onramp_belief_silent(struct onramp_belief *b, uint32_t ticket, bool sure, const struct onramp_rtt *rtt,
                          onramp_time now)
{
    if (land(b, ticket, ONRAMP_TAKE_SILENT, rtt, now) == NULL || sure)
        return;
    b->others.lost++;
    b->unproven++;
    for (uint32_t i = 0; i < b->guesses; i++)
        b->guess[i].high += TOKEN; /* if it took nothing, counting it made the supply look smaller */
}

void onramp_belief_empty(struct onramp_belief *b, onramp_time sent_at, onramp_time now)
{
    int64_t answered = b->gone + b->takes - b->flying;
    struct onramp_proof p = {sent_at,
                             max(sent_at, b->at),
                             now,
                             answered * TOKEN,
                             (answered + b->flying + 1) * TOKEN,
                             (answered + b->flying) * TOKEN,
                             false};
    onramp_others_observe(&b->others, &p, (answered + b->size) * TOKEN);
    onramp_belief_observe(b, &p, now);
}

void onramp_belief_mark_overdue(struct onramp_belief *b, const struct onramp_rtt *rtt, onramp_time now)
{
    for (uint32_t i = 0; i < b->takes; i++) {
        struct onramp_take *t = &b->take[i];
        if (t->state != ONRAMP_TAKE_FLYING || rtt->count == 0 || !slow(rtt, now - t->sent_at, 1))
            continue;
        t->late = true;
        t->arrived_by = ONRAMP_NEVER;
    }
}
