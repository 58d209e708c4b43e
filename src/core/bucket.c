/*
 * bucket.c - the arithmetic of a token bucket.
 */
#include "core/bucket.h"

#include <assert.h>

#define TOKENS_MAX UINT64_C(10000000)
#define PER_MAX    (INT64_C(3600) * ONRAMP_SECOND)

enum onramp_status onramp_bucket_init(struct onramp_bucket *bucket, struct onramp_rate rate, uint32_t burst,
                                      bool window, onramp_time now)
{
    if (burst == 0 || burst > TOKENS_MAX || rate.tokens == 0 || rate.tokens > TOKENS_MAX || rate.per <= 0 ||
        rate.per > PER_MAX || burst > (uint64_t)(INT64_MAX / rate.per))
        return ONRAMP_EUSAGE;

    uint64_t capacity = burst * (uint64_t)rate.per;
    *bucket =
        (struct onramp_bucket){.rate = rate, .window = window, .capacity = capacity, .level = capacity, .seen_at = now};
    return ONRAMP_OK;
}

/* `units` of time each add `rate.tokens * scale` to the level, up to the capacity. */
static void add(struct onramp_bucket *b, uint64_t units, uint64_t each)
{
    uint64_t room = b->capacity - b->level;

    /* Divide the room, do not multiply the time: after an idle night `units * each` would overflow. */
    if (units > room / each)
        b->level = b->capacity;
    else
        b->level += units * each;
}

static void refill(struct onramp_bucket *b, onramp_time now)
{
    if (now <= b->seen_at)
        return;
    uint64_t elapsed = (uint64_t)(now - b->seen_at);
    if (!b->window) {
        add(b, elapsed, b->rate.tokens);
        b->seen_at = now;
        return;
    }
    uint64_t edges = elapsed / (uint64_t)b->rate.per;
    if (edges == 0)
        return;
    uint64_t helping =
        b->rate.tokens > b->capacity / (uint64_t)b->rate.per ? b->capacity : b->rate.tokens * (uint64_t)b->rate.per;
    add(b, edges, helping);
    b->seen_at += (onramp_span)(edges * (uint64_t)b->rate.per);
}

void onramp_bucket_fill(struct onramp_bucket *b, uint64_t microtokens, onramp_time now)
{
    refill(b, now);
    uint64_t burst = b->capacity / (uint64_t)b->rate.per;
    uint64_t whole = microtokens / 1000000, part = microtokens % 1000000;
    if (whole >= burst)
        b->level = b->capacity;
    else
        b->level = whole * (uint64_t)b->rate.per + part * (uint64_t)b->rate.per / 1000000;
}

bool onramp_bucket_take(struct onramp_bucket *b, onramp_time now)
{
    refill(b, now);
    if (b->level < (uint64_t)b->rate.per)
        return false;
    b->level -= (uint64_t)b->rate.per;
    return true;
}

onramp_time onramp_bucket_when(struct onramp_bucket *b, uint32_t tokens, onramp_time now)
{
    refill(b, now);
    uint64_t need = tokens * (uint64_t)b->rate.per;
    assert(need <= b->capacity);
    if (b->level >= need)
        return now;
    uint64_t missing = need - b->level;
    if (!b->window)
        return now + (onramp_span)((missing + b->rate.tokens - 1) / b->rate.tokens);
    uint64_t short_by = (missing + (uint64_t)b->rate.per - 1) / (uint64_t)b->rate.per;
    uint64_t edges = (short_by + b->rate.tokens - 1) / b->rate.tokens;
    return b->seen_at + (onramp_span)(edges * (uint64_t)b->rate.per);
}

uint32_t onramp_bucket_tokens(struct onramp_bucket *b, onramp_time now)
{
    refill(b, now);
    return (uint32_t)(b->level / (uint64_t)b->rate.per);
}

double onramp_bucket_level(struct onramp_bucket *b, onramp_time now)
{
    refill(b, now);
    return (double)b->level / (double)b->rate.per;
}
