/*
 * pacer_likely.h - the best guess about one bucket: what it likely holds, and how much of that is worth keeping.
 *
 * Nothing is refused for a wrong one: what may leave is decided by what every hypothesis guarantees. It decides what is
 * kept back above that: the standing reserve, so that a late answer never stops the flow, and others' margin.
 */
#ifndef ONRAMP_CORE_PACER_LIKELY_H
#define ONRAMP_CORE_PACER_LIKELY_H

#include "core/pacer_belief.h"

/* The refill, microtokens a second. */
int64_t onramp_likely_rate(const struct onramp_belief *b, onramp_time now);
/* When is the content likely to be one token above `stand` microtokens? */
onramp_time onramp_likely_when(const struct onramp_belief *b, int64_t stand, onramp_time now);
/* The same while others draw, when a quiet bucket may be asked: what is proven does not grow then, and the announced
 * reset may be seconds away. ONRAMP_NEVER: nobody is seen to draw, or the bucket is too small to tell. */
onramp_time onramp_likely_due(const struct onramp_belief *b, int64_t stand, onramp_time now);

/* The standing reserve worth keeping, microtokens. */
int64_t onramp_likely_stand(const struct onramp_belief *b, onramp_time now);
/* Microtokens that others may take before an answer shows it. */
int64_t onramp_likely_margin(const struct onramp_belief *b, onramp_time now);
/* What an answer announced: how far away the reset is, 0 if that is not known. It may mean anything, but is good enough
 * for the standing reserve, for which nothing can be refused. */
void onramp_likely_announced(struct onramp_belief *b, onramp_span away, uint32_t remaining);

#endif
