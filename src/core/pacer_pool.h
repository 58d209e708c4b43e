/*
 * pacer_pool.h - the pool that pacer.c paces, pacer_buckets.c sorts into buckets, and pacer_tell.c tells of.
 */
#ifndef ONRAMP_CORE_PACER_POOL_H
#define ONRAMP_CORE_PACER_POOL_H

#include "core/bucket.h"
#include "core/pacer_belief.h"
#include "core/pacer_blind.h"
#include "onramp/pacer.h"

#define ONRAMP_FLIGHT_MAX  256
#define ONRAMP_BUCKETS_MAX 4
#define ONRAMP_BARE        4 /* answers without limits one after another, after which none are expected */

/* A request on the wire. */
struct onramp_flight {
    bool used;
    enum onramp_group group;
    onramp_time sent_at;
};

enum onramp_why {
    ONRAMP_WHY_NOT_ASKED,
    ONRAMP_WHY_GOES,
    ONRAMP_WHY_PAUSE,
    ONRAMP_WHY_CONCURRENCY,
    ONRAMP_WHY_FIRST,
    ONRAMP_WHY_CEILING,
    ONRAMP_WHY_BLIND,
    ONRAMP_WHY_PROOF,
    ONRAMP_WHY_STAND
};

/* What the last decision rested on; put into words only when somebody asks. */
struct onramp_decision {
    enum onramp_why why;
    onramp_time asked_at, at;
    const struct onramp_belief *bucket;
    const struct onramp_blind *blind;
    char text[192];
};

struct onramp_pacer {
    struct onramp_pacer_settings settings;
    struct onramp_bucket ceiling;
    struct onramp_flight flight[ONRAMP_FLIGHT_MAX];
    uint32_t in_flight, group_in_flight[ONRAMP_GROUPS];
    bool heard[ONRAMP_GROUPS];                  /* the group has shown its bucket, or that it shows none */
    bool precede[ONRAMP_GROUPS][ONRAMP_GROUPS]; /* before the first one's requests go the second one's: as last asked */
    uint32_t bare[ONRAMP_GROUPS];               /* answers without limits since the last with */
    uint32_t undecided[ONRAMP_GROUPS];          /* answers that may have spoken of another bucket of the same size */
    struct onramp_belief bucket[ONRAMP_BUCKETS_MAX];
    uint32_t dropped; /* size of the bucket that was last taken for changed */
    onramp_time dropped_at;
    struct onramp_blind blind[ONRAMP_GROUPS];
    struct onramp_rtt rtt;
    onramp_time paused_until;
    bool dated;
    onramp_span ahead; /* the server's clock, of ours */
    uint32_t refused_in_a_row;
    uint64_t sent, throttled;
    uint64_t others; /* drew from buckets of creates that are no longer shown */
    bool has_least;
    uint32_t least;
    struct onramp_decision *last;
};

/* Anything else in these headers is no limit, and counts as none given. */
bool onramp_pacer_shows_limit(const struct onramp_signal *s);
/* Where a plan has an API-wide bucket, adding members draws from that too, and shows its own, smaller one (Auth0's
 * tables of limits). */
bool onramp_pacer_is_in_front(const struct onramp_pacer *p, const struct onramp_belief *b, enum onramp_group group);
/* The group's latest answers have shown no limits, and the next is not expected to. */
bool onramp_pacer_is_bare(const struct onramp_pacer *p, enum onramp_group group);
/* A group that does not show its bucket counts against all. */
bool onramp_pacer_draws(const struct onramp_pacer *p, enum onramp_group group, const struct onramp_belief *b);
/* The bucket of that size from which the group draws, or else might draw; NULL: none. */
struct onramp_belief *onramp_pacer_find(struct onramp_pacer *p, uint32_t size, enum onramp_group group);
/* The bucket that `group` draws from: `b`, or a new one if that is NULL. `ticket` was just answered. */
struct onramp_belief *onramp_pacer_join(struct onramp_pacer *p, struct onramp_belief *b, uint32_t size,
                                        enum onramp_group group, uint32_t ticket, onramp_time now);
/* It is no longer there. */
void onramp_pacer_leave(struct onramp_pacer *p, struct onramp_belief *b);
/* Is it worth a token to ask? Not before those ahead have shown their bucket; not if that is so small that no answer
 * tells; and again only when one would. */
bool onramp_pacer_worth_asking(const struct onramp_pacer *p, enum onramp_group group, onramp_time now);
/* The bucket that this answer speaks of. NULL: it cannot be told from another one yet. */
struct onramp_belief *onramp_pacer_shown_by(struct onramp_pacer *p, uint32_t ticket, const struct onramp_signal *s,
                                            onramp_time now);

#endif
