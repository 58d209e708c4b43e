/*
 * plan.h - how an upload would go, without sending anything.
 *
 * The upload itself runs, over the very file, with its own scheduler and pacer; but behind the transport is the model
 * of a tenant, time is virtual, and the ledger is in memory. What a plan leaves out: connecting, lost answers, other
 * traffic on the tenant, and the time of this machine.
 */
#ifndef ONRAMP_PLAN_H
#define ONRAMP_PLAN_H

#include "onramp/limits.h"
#include "onramp/upload.h"

struct onramp_plan_settings {
    /* As for the upload. Domain and access are not used; a connection of NULL stands for the model's. */
    struct onramp_upload_settings upload;
    struct onramp_limit api;                   /* the tenant's limits, as a tier has them */
    struct onramp_limit groups[ONRAMP_GROUPS]; /* burst 0: the group draws from `api` only */
    onramp_span latency_min, latency_median;   /* of an answer, inside the tenant … */
    onramp_span round_trip;                    /* … and on the way */
};

/* The latency of recorded answers: 199 ms at the least, 237 ms in the median. */
ONRAMP_API void onramp_plan_defaults(struct onramp_plan_settings *settings);

/* A moment of the run. */
struct onramp_plan_point {
    onramp_span at; /* since its beginning */
    uint64_t created;
    double tokens; /* left in the bucket that creates draw from: what others can have at once */
};
#define ONRAMP_PLAN_POINTS 256

struct onramp_plan {
    struct onramp_summary summary; /* of the rehearsed upload */
    uint64_t mails;                /* verification mails that it would cause */
    struct onramp_plan_point points[ONRAMP_PLAN_POINTS];
    size_t point_count;
    struct onramp_ledger *ledger; /* what it recorded: for a report on what is wrong with the file */
};

/*
 * ONRAMP_OK: see out->summary, its exit code too; clear *out. Otherwise there is nothing to clear:
 * ONRAMP_EINPUT (the file cannot be read), ONRAMP_EREFUSED (more than max_users), ONRAMP_EUSAGE (limits or pace out of
 * range), ONRAMP_EIO, ONRAMP_ENOMEM. The source is at its beginning before and after. Large: not for the stack of
 * a thread with a small one.
 */
ONRAMP_API ONRAMP_NODISCARD enum onramp_status onramp_plan(struct onramp_plan *out,
                                                           const struct onramp_plan_settings *settings,
                                                           const struct onramp_source *source,
                                                           struct onramp_error *err);
ONRAMP_API void onramp_plan_clear(struct onramp_plan *plan);

#endif
