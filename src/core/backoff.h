/*
 * backoff.h - how long to wait after the n-th failure in a row.
 */
#ifndef ONRAMP_CORE_BACKOFF_H
#define ONRAMP_CORE_BACKOFF_H

#include "core/rng.h"
#include "onramp/base.h"

/*
 * Exponential backoff with equal jitter: base * 2^(failures-1), at most `cap`, of which half is sure
 * and half is uniform chance. `failures` from 1; 0 < base <= cap.
 */
onramp_span onramp_backoff(onramp_span base, onramp_span cap, uint32_t failures, struct onramp_rng *rng);

#endif
