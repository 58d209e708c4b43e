/*
 * pacer_others.h - how many tokens others have drawn from a bucket, at least.
 *
 * Supply (see pacer_belief.h) falls only when others draw, so what it fell is theirs. Beyond that they drew what was
 * refilled and did not show. How quickly it is refilled, at least, is known from the quickest rise between two proofs,
 * since others can only have slowed it: so much must have come in the whole time, as long as the refill stayed the
 * same.
 */
#ifndef ONRAMP_CORE_PACER_OTHERS_H
#define ONRAMP_CORE_PACER_OTHERS_H

#include "onramp/pacer.h"

#define ONRAMP_SIGHTINGS_MAX 512

struct onramp_proof;

/* At some instant of [since, until], supply was in [low, high], or [low, whole] if only whole tokens are refilled. */
struct onramp_sighting {
    onramp_time since, until;
    int64_t low, high, whole;
    int64_t full;  /* supply of a full bucket from `until` on, at least */
    uint32_t lost; /* takes counted by then that may have been none */
};

/* One kind of refill, and its rate, at least. */
struct onramp_quickest {
    onramp_span window; /* 0: drip */
    uint64_t possible;  /* where the edge of a window may lie; 0: what was seen came from no such windows */
    int64_t rate;       /* microtokens a second, or a window */
};

struct onramp_others {
    struct onramp_sighting seen[ONRAMP_SIGHTINGS_MAX]; /* in order of `since`, thinned out when they are too many */
    uint32_t count;
    struct onramp_quickest kind[3];
    uint32_t lost, charged;
    uint32_t unexplained; /* how often no refill without others explained the answers any more … */
    onramp_time since;    /* … the last time then; at once again, one changed refill may be all */
};

void onramp_others_start(struct onramp_others *o);
/* `full`: supply, at least, if the bucket is full from the proof on. */
void onramp_others_observe(struct onramp_others *o, const struct onramp_proof *proof, int64_t full);
/* No refill without others explains the answers any more. */
void onramp_others_unexplained(struct onramp_others *o, onramp_time now);
/* Whole tokens that others have drawn, at least. */
uint64_t onramp_others_drawn(const struct onramp_others *o);

#endif
