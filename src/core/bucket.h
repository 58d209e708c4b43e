/*
 * bucket.h - a token bucket with exact arithmetic.
 *
 * Drip: refilled continuously. Window: refilled by whole helpings at the edges of windows
 * that begin at `edge_at`. Levels are kept in units of 1/per token, so nothing is ever rounded.
 */
#ifndef ONRAMP_CORE_BUCKET_H
#define ONRAMP_CORE_BUCKET_H

#include "onramp/base.h"
#include "onramp/pacer.h"

struct onramp_bucket {
    struct onramp_rate rate;
    bool window;
    uint64_t capacity, level; /* tokens * rate.per */
    onramp_time seen_at;      /* drip: level is as of then; window: the last edge that was applied */
};

/*
 * A full bucket of `burst` tokens. ONRAMP_EUSAGE unless burst and rate.tokens are 1..10^7 and
 * rate.per is 1 ns .. 1 h, such that the level fits 64 bits (burst * per < 2^63).
 */
ONRAMP_NODISCARD enum onramp_status onramp_bucket_init(struct onramp_bucket *bucket, struct onramp_rate rate,
                                                       uint32_t burst, bool window, onramp_time now);

/* Set the content, in millionths of a token; at most the burst. */
void onramp_bucket_fill(struct onramp_bucket *bucket, uint64_t microtokens, onramp_time now);

/* Take one token if there is one. `now` may not run backwards; an earlier instant counts as the latest. */
bool onramp_bucket_take(struct onramp_bucket *bucket, onramp_time now);

/* The earliest instant, rounded up, at which `tokens` (<= burst) are there if nobody takes any. */
onramp_time onramp_bucket_when(struct onramp_bucket *bucket, uint32_t tokens, onramp_time now);

/* Whole tokens, and the content as a number for people. */
uint32_t onramp_bucket_tokens(struct onramp_bucket *bucket, onramp_time now);
double onramp_bucket_level(struct onramp_bucket *bucket, onramp_time now);

#endif
