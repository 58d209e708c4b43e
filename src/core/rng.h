/*
 * rng.h - reproducible random numbers for jitter and simulations. Never for secrets.
 */
#ifndef ONRAMP_CORE_RNG_H
#define ONRAMP_CORE_RNG_H

#include <stdint.h>

struct onramp_rng {
    uint64_t state;
};

/* Any seed is a good one. */
void onramp_rng_init(struct onramp_rng *rng, uint64_t seed);
uint64_t onramp_rng_next(struct onramp_rng *rng);
/* Uniform in [0, bound), without bias; bound > 0. */
uint64_t onramp_rng_below(struct onramp_rng *rng, uint64_t bound);
/* Uniform in [0, 1), for simulations. */
double onramp_rng_unit(struct onramp_rng *rng);

#endif
