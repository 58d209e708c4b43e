/*
 * rng.c - SplitMix64 (Steele, Lea, Flood 2014): 64 bits of state, passes BigCrush, no bad seeds.
 */
#include "core/rng.h"

#include <assert.h>

void onramp_rng_init(struct onramp_rng *rng, uint64_t seed)
{
    rng->state = seed;
}

uint64_t onramp_rng_next(struct onramp_rng *rng)
{
    uint64_t z = (rng->state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

uint64_t onramp_rng_below(struct onramp_rng *rng, uint64_t bound)
{
    assert(bound > 0);
    /* The lowest 2^64 mod bound values would make some results likelier: skip them. */
    uint64_t skip = (0 - bound) % bound;
    uint64_t value;
    do
        value = onramp_rng_next(rng);
    while (value < skip);
    return value % bound;
}

double onramp_rng_unit(struct onramp_rng *rng)
{
    return (double)(onramp_rng_next(rng) >> 11) * 0x1.0p-53;
}
