/*
 * limits.h - the rate limits that Auth0 documents for each plan.
 *
 * From Auth0's pages on rate limit configurations (free-public, essentials-professional-b2b,
 * enterprise-public, tier-*-private-cloud), as of 2026-08. Answers of a tenant always win over these.
 */
#ifndef ONRAMP_LIMITS_H
#define ONRAMP_LIMITS_H

#include "onramp/base.h"
#include "onramp/pacer.h"

/* A bucket as the tenant has it. */
struct onramp_limit {
    uint32_t burst;          /* size; 0: no such limit */
    struct onramp_rate rate; /* refill */
    bool window; /* whole helpings of `burst`-capped `tokens` at each edge of `per`, instead of a steady drip */
};

/* One plan of Auth0's documented table (rate limit configurations), by the name that --tier takes. */
struct onramp_tier {
    const char *name;        /* "free", "essentials", "professional", "enterprise", "enterprise-nonprod", "private-dev",
                                "private-100" … "private-10000" */
    struct onramp_limit api; /* API-wide; burst 0 where the plan publishes none */
    struct onramp_limit groups[ONRAMP_GROUPS]; /* burst 0: the group draws from `api` only */
};
ONRAMP_API const struct onramp_tier *onramp_tier_find(const char *name); /* NULL if there is none */
ONRAMP_API const struct onramp_tier *onramp_tier_at(size_t index);       /* NULL past the last */
/* The limit that POST /users meets first under a plan: its Write Users bucket, else the API-wide one. */
ONRAMP_API struct onramp_limit onramp_tier_create_limit(const struct onramp_tier *tier);

#endif
