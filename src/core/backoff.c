/*
 * backoff.c - exponential backoff with equal jitter.
 *
 * Full jitter spreads many clients better, but may retry at once; this is one client, so half of the wait is kept.
 */
#include "core/backoff.h"

#include <assert.h>

onramp_span onramp_backoff(onramp_span base, onramp_span cap, uint32_t failures, struct onramp_rng *rng)
{
    assert(base > 0 && base <= cap && failures > 0);
    onramp_span wait = base;
    for (uint32_t i = 1; i < failures && wait < cap; i++)
        wait = wait > cap / 2 ? cap : wait * 2;
    return wait - wait / 2 + (onramp_span)onramp_rng_below(rng, (uint64_t)(wait / 2) + 1);
}
