/*
 * limits.c - the table of plans.
 */
#include "onramp/limits.h"

#include <string.h>

#define PER_SECOND(burst_, tokens_)                                                                                    \
    {                                                                                                                  \
        .burst = (burst_), .rate = {(tokens_), ONRAMP_SECOND }                                                         \
    }
#define PER_MINUTE(burst_, tokens_)                                                                                    \
    {                                                                                                                  \
        .burst = (burst_), .rate = {(tokens_), ONRAMP_MINUTE }                                                         \
    }

/* Self-service plans have no API-wide row, but a bucket for each group and one for all other endpoints. */
#define SELF_SERVICE                                                                                                   \
    .groups = {[ONRAMP_GROUP_CREATE] = PER_MINUTE(20, 200),    [ONRAMP_GROUP_READ] = PER_MINUTE(40, 500),              \
               [ONRAMP_GROUP_CONNECTIONS] = PER_MINUTE(5, 50), [ONRAMP_GROUP_DELETE] = PER_MINUTE(20, 200),            \
               [ONRAMP_GROUP_MEMBERS] = PER_MINUTE(20, 200),   [ONRAMP_GROUP_OTHER] = PER_MINUTE(10, 150)}

/* Adding members to an organization, where a plan's table has a row of its own for it. */
#define MEMBERS(burst_, tokens_) .groups = {[ONRAMP_GROUP_MEMBERS] = PER_MINUTE(burst_, tokens_)}

static const struct onramp_tier tiers[] = {
    {.name = "free", .api = PER_SECOND(2, 2)},
    {.name = "essentials", SELF_SERVICE},
    {.name = "professional", SELF_SERVICE},
    {.name = "enterprise", .api = PER_SECOND(50, 16), MEMBERS(20, 200)},
    {.name = "enterprise-nonprod", .api = PER_SECOND(10, 2)},
    {.name = "private-dev", .api = PER_SECOND(20, 20)},
    {.name = "private-100", .api = PER_SECOND(50, 50), MEMBERS(20, 200)},
    {.name = "private-500", .api = PER_SECOND(250, 250), MEMBERS(100, 1000)},
    {.name = "private-1500", .api = PER_SECOND(750, 750), MEMBERS(300, 3000)},
    {.name = "private-3000", .api = PER_SECOND(1500, 1500), MEMBERS(600, 6000)},
    {.name = "private-6000", .api = PER_SECOND(3000, 3000), MEMBERS(1200, 12000)},
    {.name = "private-10000", .api = PER_SECOND(5000, 5000), MEMBERS(2400, 24000)},
};

const struct onramp_tier *onramp_tier_at(size_t index)
{
    return index < sizeof tiers / sizeof tiers[0] ? &tiers[index] : NULL;
}

const struct onramp_tier *onramp_tier_find(const char *name)
{
    for (size_t i = 0; i < sizeof tiers / sizeof tiers[0]; i++)
        if (strcmp(tiers[i].name, name) == 0)
            return &tiers[i];
    return NULL;
}

struct onramp_limit onramp_tier_create_limit(const struct onramp_tier *tier)
{
    const struct onramp_limit *own = &tier->groups[ONRAMP_GROUP_CREATE];
    return own->burst > 0 ? *own : tier->api;
}
