/*
 * pacer.h - may a request leave now, or when?
 *
 * A pure state machine: no clock, no I/O, no randomness. It learns a tenant's rate
 * limits (token buckets of unknown size, rate and kind, shared with other
 * applications) from the answers alone and lets a request go only when tokens for
 * it are proven to exist. The method is explained in docs/pacing.md.
 *
 * What holds whatever the answers are, each shown by a test:
 *   - never more on the wire than tokens proven to exist under every explanation of the answers that is not
 *     refuted; the one exception is a single request in quiet, when the announced reset has passed
 *   - never more in flight than `concurrency`, never faster than `ceiling`
 *   - nobody else in the bucket and its refill among the explanations: no refusal
 *   - after any 429 nothing leaves for at least a second
 *   - progress: with nothing in flight, a request leaves within ten minutes
 *   - the cost of a decision is bounded, independent of how many requests there are
 *
 * Facts about Auth0 it rests on: x-ratelimit-limit is the bucket's size,
 * -remaining the whole tokens left after the take, -reset a Unix second on the server's
 * clock; a refused take consumes nothing; 429s and 4xx may lack all of these
 * (Auth0's rate limit policy pages, recorded exchanges, and limitd-redis).
 */
#ifndef ONRAMP_PACER_H
#define ONRAMP_PACER_H

#include "onramp/base.h"

/*
 * Endpoint groups, each of which may have a bucket of its own beside a global one. What draws
 * from what is learned: an answer's x-ratelimit-limit tells which bucket its group draws from, and where two
 * groups show the same limit, the tokens left tell whether that is one bucket or two.
 */
enum onramp_group {
    ONRAMP_GROUP_CREATE,      /* POST /users */
    ONRAMP_GROUP_READ,        /* GET /users…, GET /users-by-email */
    ONRAMP_GROUP_CONNECTIONS, /* GET /connections… */
    ONRAMP_GROUP_DELETE,      /* DELETE /users/{id} */
    ONRAMP_GROUP_MEMBERS,     /* POST /organizations/{id}/members */
    ONRAMP_GROUP_OTHER,       /* tickets, roles, jobs */
    ONRAMP_GROUPS
};

/* `tokens` every `per`; {0, 0} stands for unknown or none. */
struct onramp_rate {
    uint64_t tokens;
    onramp_span per;
};

struct onramp_pacer_settings {
    uint32_t concurrency;       /* most requests in flight, 1..256 */
    uint32_t reserve_tokens;    /* left in the bucket for others, whichever … */
    uint32_t reserve_percent;   /* … of the two is more; 0..90 per cent of the bucket's size */
    struct onramp_rate ceiling; /* the user's own, never exceeded; {0,0}: none */
    uint32_t ceiling_burst;     /* at most so many at once under the ceiling; 0: 1 */
    struct onramp_rate hint;    /* a plan's documented limits as starting knowledge; answers win. {0,0}: none */
    uint32_t hint_burst;
};

struct onramp_pacer; /* opaque; not thread-safe */

/* *out is the caller's, to free. ONRAMP_EUSAGE for values out of range, ONRAMP_ENOMEM. */
ONRAMP_API ONRAMP_NODISCARD enum onramp_status onramp_pacer_new(struct onramp_pacer **out,
                                                                const struct onramp_pacer_settings *settings,
                                                                onramp_time now, struct onramp_error *err);
ONRAMP_API void onramp_pacer_free(struct onramp_pacer *pacer);

/*
 * When may the next request of `group` leave? At or before `now`: now. Later: not before
 * that instant or the next answer, whichever is first. ONRAMP_NEVER: not before the next answer.
 * `left` is how many requests of this group are still to be sent, counting this one (a working
 * reserve falls to nothing over the last ones). `now` never runs backwards.
 */
ONRAMP_API onramp_time onramp_pacer_when(struct onramp_pacer *pacer, enum onramp_group group, uint64_t left,
                                         onramp_time now);

/*
 * The same for a request with others before it: `ahead`, by group, are requests still to be sent that have precedence,
 * and where they draw from the same bucket it keeps the working reserve for them. The first of a group, which has yet
 * to show its bucket, waits for no reserve: it is worth a token to know. NULL: nothing is ahead.
 */
ONRAMP_API onramp_time onramp_pacer_when_behind(struct onramp_pacer *pacer, enum onramp_group group, uint64_t left,
                                                const uint64_t ahead[ONRAMP_GROUPS], onramp_time now);

/* Why onramp_pacer_when() last said what it said: "waits 0.31 s: drip 2.9..3.4/s guarantees 0.7 tokens". Borrowed until
 * the next call. */
ONRAMP_API const char *onramp_pacer_reason(const struct onramp_pacer *pacer);

/* A request leaves now. Returns its ticket, for onramp_pacer_answered(). Call it only when onramp_pacer_when() said so.
 */
ONRAMP_API uint32_t onramp_pacer_sent(struct onramp_pacer *pacer, enum onramp_group group, onramp_time now);

enum onramp_signal_kind {
    ONRAMP_SIGNAL_TAKEN,   /* answered, and a token was taken for it */
    ONRAMP_SIGNAL_REFUSED, /* 429: no token was taken */
    ONRAMP_SIGNAL_UNSENT,  /* never reached the tenant: no token was taken */
    ONRAMP_SIGNAL_BARE,    /* refused by the API for another reason, without limit headers: has most likely taken one */
    ONRAMP_SIGNAL_UNSURE   /* lost, or answered by an edge, or a 5xx: may have taken one */
};

/* What an answer says about limits, parsed by auth0/reply.h; a field is meaningful only where its `has_` is set. */
struct onramp_signal {
    enum onramp_signal_kind kind;
    bool has_limit; /* limit and remaining were both given */
    bool has_reset, has_date, has_retry_after;
    bool edge; /* a 429 that is not the API's JSON: an edge's or a proxy's */
    uint32_t limit, remaining;
    int64_t reset;           /* as sent: whatever it means */
    int64_t date;            /* the answer's Date, Unix seconds on the server's clock */
    onramp_span retry_after; /* >= 0, from either form; a date is taken relative to the answer's Date */
};

ONRAMP_API void onramp_pacer_answered(struct onramp_pacer *pacer, uint32_t ticket, const struct onramp_signal *signal,
                                      onramp_time now);

/* What is known, for progress, summary and tests. */
struct onramp_pacer_view {
    uint32_t in_flight;
    bool known;                   /* a bucket has been seen */
    uint32_t burst;               /* its size, as the tenant says */
    double per_second;            /* best estimate of its refill; for people, not for deciding */
    double level_low, level_high; /* proven bounds of its content now, less what is in flight */
    bool has_least;
    uint32_t least_remaining; /* smallest x-ratelimit-remaining seen in the tightest bucket of creates */
    uint64_t sent, throttled; /* requests, 429s */
    bool shared;              /* others are drawing from it */
    onramp_time paused_until; /* a 429 holds the pool until then; in the past if not */
};
ONRAMP_API void onramp_pacer_view(const struct onramp_pacer *pacer, onramp_time now, struct onramp_pacer_view *out);

/*
 * At least so many tokens have others drawn from the bucket that creates draw from (the tightest, if there are
 * several), since its first answer. What the answers do not prove is not counted, so it is mostly more: on a bucket of
 * two tokens next to nothing is proven, in a run of a minute on larger ones more than half. 0 says nothing.
 *
 * Proven on one condition: that the refill, if it changed at all, changed once. The bucket's size may change at will.
 */
ONRAMP_API uint64_t onramp_pacer_others(const struct onramp_pacer *pacer);

#endif
