/*
 * gate.c - buckets, competing traffic, and the three x-ratelimit numbers.
 */
#include "tenant/gate.h"

#include <math.h>

static enum onramp_status open_bucket(struct onramp_bucket *bucket, const struct onramp_limit *limit, double initial,
                                      int64_t wall_offset, onramp_time now, const char *name, struct onramp_error *err)
{
    /* Windows begin at whole seconds and minutes of the tenant's clock, wherever in one it starts. */
    onramp_time edge = now;
    if (limit->window && limit->rate.per > 0)
        edge -= (now + wall_offset) % limit->rate.per;
    if (onramp_bucket_init(bucket, limit->rate, limit->burst, limit->window, edge) != ONRAMP_OK)
        return onramp_fail(err, ONRAMP_EUSAGE,
                           "the limit of '%s' is out of range: expected a burst and a rate of 1 to 10000000 and a "
                           "period of at most an hour",
                           name);
    onramp_bucket_fill(bucket, (uint64_t)llround(initial * 1e6 * limit->burst), now);
    return ONRAMP_OK;
}

/* -log(1 - u) with u uniform is exponential: the gap to the next arrival of a Poisson process. */
static void plan_rival(struct onramp_gate *gate)
{
    double gap = -log1p(-onramp_rng_unit(&gate->rng)) * gate->rival_mean;
    /* At least a nanosecond, so that catching up comes to an end; at most a year, so that the sum fits. */
    gate->rival_at += (onramp_span)fmin(fmax(gap, 1), 3.2e16);
}

static struct onramp_bucket *own_bucket(struct onramp_gate *gate, enum onramp_group group)
{
    return gate->has_group[group] ? &gate->groups[group] : NULL;
}

static struct onramp_bucket *create_bucket(struct onramp_gate *gate)
{
    struct onramp_bucket *own = own_bucket(gate, ONRAMP_GROUP_CREATE);
    return own != NULL ? own : gate->has_api ? &gate->api : NULL;
}

enum onramp_status onramp_gate_init(struct onramp_gate *gate, const struct onramp_tenant_settings *settings,
                                    onramp_time now, struct onramp_error *err)
{
    static const char *const names[ONRAMP_GROUPS] = {"create", "read", "connections", "delete", "members", "other"};
    *gate = (struct onramp_gate){.has_api = settings->api.burst > 0,
                                 .global_headers = settings->headers_global,
                                 .reset = settings->reset,
                                 .wall_offset = settings->epoch * ONRAMP_MILLISECOND - now,
                                 .rival_at = now,
                                 .least_level = INFINITY};
    enum onramp_status st = ONRAMP_OK;
    if (gate->has_api)
        st = open_bucket(&gate->api, &settings->api, settings->initial, gate->wall_offset, now, "api", err);
    for (int i = 0; i < ONRAMP_GROUPS && st == ONRAMP_OK; i++) {
        gate->has_group[i] = settings->groups[i].burst > 0;
        if (gate->has_group[i])
            st = open_bucket(&gate->groups[i], &settings->groups[i], settings->initial, gate->wall_offset, now,
                             names[i], err);
    }
    if (st != ONRAMP_OK)
        return st;

    onramp_rng_init(&gate->rng, settings->seed ^ UINT64_C(0x7269766c73)); /* a stream of its own: "rivls" */
    const struct onramp_bucket *creates = create_bucket(gate);
    if (settings->rivals > 0 && creates != NULL) {
        gate->rival_mean = (double)creates->rate.per / ((double)creates->rate.tokens * settings->rivals);
        plan_rival(gate);
    }
    return ONRAMP_OK;
}

/* API-wide first; a call that its group then refuses has drawn from the API-wide bucket already. */
static struct onramp_bucket *draw(struct onramp_gate *gate, enum onramp_group group, onramp_time at)
{
    struct onramp_bucket *own = own_bucket(gate, group);
    if (gate->has_api && !onramp_bucket_take(&gate->api, at))
        return &gate->api;
    if (own != NULL && !onramp_bucket_take(own, at))
        return own;
    return NULL;
}

void onramp_gate_catch_up(struct onramp_gate *gate, onramp_time now)
{
    while (gate->rival_mean > 0 && gate->rival_at <= now) {
        gate->rival_calls++;
        if (draw(gate, ONRAMP_GROUP_CREATE, gate->rival_at) != NULL)
            gate->rival_refused++;
        plan_rival(gate);
    }
}

/* When the headers say that the bucket is reset, as an instant. */
static onramp_time reset_at(struct onramp_bucket *bucket, enum onramp_reset meaning, onramp_time now)
{
    uint32_t burst = (uint32_t)(bucket->capacity / (uint64_t)bucket->rate.per);
    uint32_t tokens = onramp_bucket_tokens(bucket, now);
    if (bucket->window)
        return bucket->seen_at + bucket->rate.per; /* the reading above has moved it to the latest edge */
    if (meaning == ONRAMP_RESET_NEXT)
        return onramp_bucket_when(bucket, tokens < burst ? tokens + 1 : burst, now);
    return onramp_bucket_when(bucket, burst, now);
}

static int64_t up(int64_t value, int64_t unit)
{
    return (value + unit - 1) / unit;
}

void onramp_gate_describe(const struct onramp_gate *gate, struct onramp_bucket *bucket, onramp_time now,
                          struct onramp_gate_verdict *out)
{
    out->has_limits = true;
    out->limit = (uint32_t)(bucket->capacity / (uint64_t)bucket->rate.per);
    out->tokens = onramp_bucket_tokens(bucket, now);
    onramp_time at = reset_at(bucket, gate->reset, now);
    switch (gate->reset) {
    case ONRAMP_RESET_FULL:
    case ONRAMP_RESET_NEXT:
        out->reset = up(at + gate->wall_offset, ONRAMP_SECOND);
        break;
    case ONRAMP_RESET_ZERO:
        out->reset = 0;
        break;
    case ONRAMP_RESET_DELTA:
        out->reset = up(at - now, ONRAMP_SECOND);
        break;
    case ONRAMP_RESET_MILLIS:
        out->reset = up(at + gate->wall_offset, ONRAMP_MILLISECOND);
        break;
    }
}

static const char *refusal_message(const struct onramp_gate *gate, const struct onramp_bucket *bucket,
                                   enum onramp_group group)
{
    static const char *const by_second[ONRAMP_GROUPS] = {
        "Global per second users_write group limit has been reached",
        "Global per second users_read group limit has been reached",
        "Global per second connections_read group limit has been reached",
        "Global per second users_delete group limit has been reached",
        "Global per second organization_members_write group limit has been reached",
        "Global per second default group limit has been reached",
    };
    static const char *const by_minute[ONRAMP_GROUPS] = {
        "Global per minute users_write group limit has been reached",
        "Global per minute users_read group limit has been reached",
        "Global per minute connections_read group limit has been reached",
        "Global per minute users_delete group limit has been reached",
        "Global per minute organization_members_write group limit has been reached",
        "Global per minute default group limit has been reached",
    };
    if (bucket == &gate->api)
        return "Global limit has been reached";
    return bucket->rate.per >= ONRAMP_MINUTE ? by_minute[group] : by_second[group];
}

void onramp_gate_pass(struct onramp_gate *gate, enum onramp_group group, onramp_time now,
                      struct onramp_gate_verdict *out)
{
    onramp_gate_catch_up(gate, now);
    *out = (struct onramp_gate_verdict){.passed = true};

    struct onramp_bucket *own = own_bucket(gate, group);
    struct onramp_bucket *empty = draw(gate, group, now);
    if (empty != NULL) {
        gate->refused++;
        out->passed = false;
        out->message = refusal_message(gate, empty, group);
        out->wait = onramp_bucket_when(empty, 1, now) - now;
    }

    struct onramp_bucket *shown = own;
    if (gate->has_api && (own == NULL || gate->global_headers))
        shown = &gate->api;
    else if (empty != NULL)
        shown = empty;
    if (shown != NULL)
        onramp_gate_describe(gate, shown, now, out);

    struct onramp_bucket *creates = create_bucket(gate);
    if (creates != NULL)
        gate->least_level = fmin(gate->least_level, onramp_bucket_level(creates, now));
}

double onramp_gate_level(struct onramp_gate *gate, onramp_time now)
{
    onramp_gate_catch_up(gate, now);
    struct onramp_bucket *creates = create_bucket(gate);
    return creates != NULL ? onramp_bucket_level(creates, now) : 0;
}
