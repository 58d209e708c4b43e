/*
 * gate.h - the tenant's rate limits: who passes, and what the headers say of it.
 *
 * A Management call meets the API-wide bucket first and its group's own bucket after that
 * (Auth0's rate limit policy page). Competing traffic draws from the same buckets as creates do; its
 * arrivals are a Poisson process drawn from the seed, caught up with lazily.
 */
#ifndef ONRAMP_TENANT_GATE_H
#define ONRAMP_TENANT_GATE_H

#include "core/bucket.h"
#include "core/rng.h"
#include "onramp/tenant.h"

struct onramp_gate {
    bool has_api, has_group[ONRAMP_GROUPS];
    struct onramp_bucket api, groups[ONRAMP_GROUPS];
    bool global_headers;
    enum onramp_reset reset;
    int64_t wall_offset; /* Unix ns of the server's clock minus `now` */

    struct onramp_rng rng;
    double rival_mean; /* ns between two competing calls; 0: none */
    onramp_time rival_at;

    uint64_t refused, rival_calls, rival_refused;
    double least_level;
};

/* What happened to one call. */
struct onramp_gate_verdict {
    bool passed;
    const char *message;    /* of the 429 */
    onramp_span wait;       /* refused: until the empty bucket has a token */
    bool has_limits;        /* the three below are known: some bucket applies */
    uint32_t limit, tokens; /* as x-ratelimit-limit, -remaining */
    int64_t reset;          /* as x-ratelimit-reset */
};

/* ONRAMP_EUSAGE if a limit of `settings` is out of range. */
ONRAMP_NODISCARD enum onramp_status onramp_gate_init(struct onramp_gate *gate,
                                                     const struct onramp_tenant_settings *settings, onramp_time now,
                                                     struct onramp_error *err);

/* A call of ours arrives: take what it costs, or refuse it. */
void onramp_gate_pass(struct onramp_gate *gate, enum onramp_group group, onramp_time now,
                      struct onramp_gate_verdict *out);

/* What the headers say of a bucket, this one's or another: the three numbers of *out. */
void onramp_gate_describe(const struct onramp_gate *gate, struct onramp_bucket *bucket, onramp_time now,
                          struct onramp_gate_verdict *out);

/* Let the competing calls up to `now` happen. */
void onramp_gate_catch_up(struct onramp_gate *gate, onramp_time now);

/* Content of the bucket that creates draw from; 0 if there is none. */
double onramp_gate_level(struct onramp_gate *gate, onramp_time now);

#endif
