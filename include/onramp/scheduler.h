/*
 * scheduler.h - which job goes next, and when.
 *
 * Jobs are numbered by the caller. Each belongs to an endpoint group, is ready at some
 * instant, and is either waiting or in flight. The pacer decides whether a request may leave; the
 * scheduler decides whose. Pure: no clock, no I/O; jitter comes from the seed.
 *
 * The caller's loop:
 *     for (;;) switch (onramp_scheduler_next(s, now, &step)) …
 *         FEED: add the next record's job, or say that there are no more: onramp_scheduler_expect(s, 0)
 *         SEND: step.job leaves now; its answer comes back through onramp_scheduler_answered()
 *         WAIT: nothing to do before step.at or the next answer
 *         DONE: nothing waiting, nothing in flight, nothing to feed
 */
#ifndef ONRAMP_SCHEDULER_H
#define ONRAMP_SCHEDULER_H

#include "onramp/base.h"
#include "onramp/pacer.h"

struct onramp_scheduler; /* opaque; not thread-safe */

struct onramp_scheduler_settings {
    uint32_t jobs;            /* most jobs held at once, waiting and in flight; ids are 0..jobs-1 */
    onramp_span backoff_base; /* first backoff after a transient failure, > 0 */
    onramp_span backoff_cap;  /* longest, >= base */
    uint64_t seed;            /* of the jitter */
    enum onramp_group feeds;  /* the group of the jobs that are fed */
};

/* Borrows `pacer`, which must live longer. *out is the caller's, to free. ONRAMP_EUSAGE, ONRAMP_ENOMEM. */
ONRAMP_API ONRAMP_NODISCARD enum onramp_status onramp_scheduler_new(struct onramp_scheduler **out,
                                                                    const struct onramp_scheduler_settings *settings,
                                                                    struct onramp_pacer *pacer,
                                                                    struct onramp_error *err);
ONRAMP_API void onramp_scheduler_free(struct onramp_scheduler *scheduler);

/*
 * How many jobs the caller can still feed, counting none that were added. While it is more than 0 and
 * a job number is free, FEED is asked for as soon as no job of the feed is ready, nor any question (a READ), whose
 * answer may be of use to those behind it. 0: no more.
 */
ONRAMP_API void onramp_scheduler_expect(struct onramp_scheduler *scheduler, uint64_t more);

/*
 * Several schedulers may share a pacer, some having precedence over others: what those ahead have still to send, by
 * group, goes before this one's jobs. Nothing at the start.
 */
ONRAMP_API void onramp_scheduler_behind(struct onramp_scheduler *scheduler, const uint64_t ahead[ONRAMP_GROUPS]);

/* Adds to `left` what is still to be sent, by group: jobs that wait, and those to be fed. */
ONRAMP_API void onramp_scheduler_left(const struct onramp_scheduler *scheduler, uint64_t left[ONRAMP_GROUPS]);

/* Add job `id` (not held now), ready at once. */
ONRAMP_API void onramp_scheduler_add(struct onramp_scheduler *scheduler, uint32_t id, enum onramp_group group,
                                     onramp_time now);

enum onramp_todo { ONRAMP_FEED, ONRAMP_SEND, ONRAMP_WAIT, ONRAMP_DONE };

struct onramp_step {
    enum onramp_todo todo;
    uint32_t job;   /* SEND */
    onramp_time at; /* WAIT: ONRAMP_NEVER if only an answer can change anything */
};
ONRAMP_API enum onramp_todo onramp_scheduler_next(struct onramp_scheduler *scheduler, onramp_time now,
                                                  struct onramp_step *step);

/* The answer to job `id`, which leaves flight. Passes the signal to the pacer. Follow with exactly one of the next
 * three. */
ONRAMP_API void onramp_scheduler_answered(struct onramp_scheduler *scheduler, uint32_t id,
                                          const struct onramp_signal *signal, onramp_time now);

/* Finished, the tenant being well: forget the job. Its number is free again. */
ONRAMP_API void onramp_scheduler_settle(struct onramp_scheduler *scheduler, uint32_t id);

/* Finished after too many transient failures: the same, but the pool goes on holding. Also for a job that waits. */
ONRAMP_API void onramp_scheduler_abandon(struct onramp_scheduler *scheduler, uint32_t id, onramp_time now);

/* Ready again at once (the pacer holds the pool after a 429), in front of those not yet sent; `group` may be another.
 */
ONRAMP_API void onramp_scheduler_again(struct onramp_scheduler *scheduler, uint32_t id, enum onramp_group group,
                                       onramp_time now);

/*
 * Ready again after a backoff with jitter (at least half of it, at most all) that doubles with `failures` (1 for the
 * first). When failures follow each other without a success between, the whole pool holds as well and then tries with
 * one request at a time: a tenant in trouble is not hammered by the others.
 */
ONRAMP_API void onramp_scheduler_later(struct onramp_scheduler *scheduler, uint32_t id, enum onramp_group group,
                                       uint32_t failures, onramp_time now);

/* Send nothing more: next() says WAIT while something is in flight, then DONE. Jobs that wait stay the caller's to
 * settle. */
ONRAMP_API void onramp_scheduler_drain(struct onramp_scheduler *scheduler);

ONRAMP_API uint32_t onramp_scheduler_in_flight(const struct onramp_scheduler *scheduler);

#endif
