/*
 * oracle.c - the client that knows the buckets, the rivals and the network in advance.
 *
 * It takes each token at the first instant it is there, unless a rival would be refused for it.
 */
#include "lab.h"

#include <assert.h>
#include <stdlib.h>

void lab_bucket_start(struct onramp_bucket *bucket, const struct lab_limit *limit, double part, double phase)
{
    onramp_time edge = limit->window ? -(onramp_time)(phase * (double)limit->rate.per) : 0;
    if (onramp_bucket_init(bucket, limit->rate, limit->size, limit->window, edge) != ONRAMP_OK)
        abort(); /* a scenario's bucket is within the bounds of bucket.h */
    double tokens = part * limit->size;
    if (limit->window)
        tokens = (double)(uint32_t)tokens;
    onramp_bucket_fill(bucket, (uint64_t)(tokens * 1e6), edge);
}

void lab_bucket_change(struct onramp_bucket *bucket, const struct lab_limit *limit, onramp_time now)
{
    double level = onramp_bucket_level(bucket, now);
    if (onramp_bucket_init(bucket, limit->rate, limit->size, limit->window, now) != ONRAMP_OK)
        abort(); /* a scenario's bucket is within the bounds of bucket.h */
    onramp_bucket_fill(bucket, (uint64_t)(level * 1e6), now);
}

static onramp_time both_when(struct onramp_bucket *own, struct onramp_bucket *global, onramp_time at)
{
    for (;;) {
        onramp_time later = onramp_bucket_when(own, 1, at);
        if (global != NULL)
            later = onramp_bucket_when(global, 1, later);
        if (later == at)
            return at;
        at = later;
    }
}

/* Would a take at `at` cost one of the rivals from `next` on its token? */
static bool costs_a_rival(const struct lab_truth *t, struct onramp_bucket without, uint32_t next, onramp_time at)
{
    (void)onramp_bucket_level(&without, at); /* refills it to `at` */
    struct onramp_bucket with = without;
    if (!onramp_bucket_take(&with, at))
        return true;
    for (uint32_t i = next; i < t->rival_count; i++) {
        bool had = onramp_bucket_take(&without, t->rivals[i]);
        if (had && !onramp_bucket_take(&with, t->rivals[i]))
            return true;
        if (with.level == without.level)
            return false; /* it was full in between: the take left no trace */
    }
    return false;
}

double lab_oracle(const struct lab_truth *t)
{
    struct onramp_bucket own = t->own, global = t->global;
    struct onramp_bucket *front = t->scenario->global.size ? &global : NULL;
    struct onramp_bucket *shared = t->scenario->rivals_global && front ? front : &own;
    uint32_t users = t->scenario->users * (t->scenario->onramps == 2 ? 2 : 1);
    onramp_time at = t->out, finish = 0;
    bool changed = false;

    for (uint32_t taken = 0, rival = 0; taken < users;) {
        if (at >= t->suspended_at && at < t->resumed_at)
            at = t->resumed_at;
        struct onramp_bucket o = own, g = global;
        onramp_time next = both_when(&o, front ? &g : NULL, at);
        onramp_time theirs = rival < t->rival_count ? t->rivals[rival] : ONRAMP_NEVER;
        if (!changed && t->changed_at <= next && t->changed_at <= theirs) {
            lab_bucket_change(&own, &t->scenario->changed, t->changed_at);
            changed = true;
            continue;
        }
        if (theirs <= next || (t->rival_count > 0 && costs_a_rival(t, *shared, rival, next))) {
            assert(theirs != ONRAMP_NEVER);
            (void)onramp_bucket_take(shared, theirs);
            at = theirs > at ? theirs : at;
            rival++;
            continue;
        }
        at = next;
        (void)onramp_bucket_take(&own, at);
        if (front)
            (void)onramp_bucket_take(front, at);
        onramp_time answered = at + t->tail(t->world, taken++);
        finish = answered > finish ? answered : finish;
    }
    return (double)finish / ONRAMP_SECOND;
}
