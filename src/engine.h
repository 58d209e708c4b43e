/*
 * engine.h - the loop that every command which sends many requests runs: read the clock, land answers, feed, depart,
 * wait.
 *
 * What a job is, what its request looks like and what an answer means for it are its owner's. The engine
 * has the clock, the scheduler, the token's renewal, the user's wish to stop, and patience. One thread.
 */
#ifndef ONRAMP_ENGINE_H
#define ONRAMP_ENGINE_H

#include "onramp/scheduler.h"
#include "session.h"

/* Why no more requests leave. */
enum onramp_stop {
    ONRAMP_STOP_NOT,
    ONRAMP_STOP_INTERRUPTED,
    ONRAMP_STOP_GAVE_UP,
    ONRAMP_STOP_REFUSED,
    ONRAMP_STOP_UNAUTHORIZED,
    ONRAMP_STOP_DISK,
    ONRAMP_STOP_INPUT
};

struct onramp_engine_ops {
    /* Add the next job to the scheduler, or do what else its record needs. False: there are no more. */
    bool (*feed)(void *self);
    /*
     * These jobs leave now: write what must be on disk before, and hand each to the transport. One that cannot leave is
     * given back with onramp_engine_turn_back().
     */
    void (*depart)(void *self, const uint32_t *jobs, uint32_t count);
    /* The answer to a job. Parse it, pass its signal on with onramp_engine_landed(), then settle the job or send it
     * again. */
    void (*land)(void *self, const struct onramp_answer *answer);
    /* Once a turn. NULL: nothing to tell. */
    void (*report)(void *self);
};

struct onramp_engine {
    const struct onramp_engine_ops *ops;
    void *self;
    const struct onramp_target *target;
    const struct onramp_transport *transport;
    const struct onramp_observer *observer;
    struct onramp_error *err;

    struct onramp_session session;
    struct onramp_pacer *pacer;
    struct onramp_scheduler *scheduler;
    uint32_t job_count;
    uint32_t *departing; /* jobs that leave this turn */
    uint32_t departing_count;

    onramp_time now, started_at, progress_at;
    uint64_t setbacks; /* failures and refusals since there was progress */
    enum onramp_stop stop;
    enum onramp_status status;
    char reason[512]; /* why it stopped */
};

/*
 * Make what the engine needs; the pointers are borrowed for its life. Clear it whatever the status. ONRAMP_EUSAGE,
 * ONRAMP_ENOMEM.
 */
ONRAMP_NODISCARD enum onramp_status onramp_engine_init(
    struct onramp_engine *engine, const struct onramp_engine_ops *ops, void *self, const struct onramp_target *target,
    const struct onramp_transport *transport, const struct onramp_observer *observer, struct onramp_error *err);
void onramp_engine_clear(struct onramp_engine *engine);

/*
 * Jobs of another owner, with the same clock, session and pacer: what was learned of the tenant is kept. Once run() has
 * returned, and if nothing was stopped. ONRAMP_ENOMEM.
 */
ONRAMP_NODISCARD enum onramp_status onramp_engine_reuse(struct onramp_engine *engine,
                                                        const struct onramp_engine_ops *ops, void *self);

/* Run until there is nothing to feed, nothing waiting, nothing in flight; or until it was stopped and all has landed.
 */
void onramp_engine_run(struct onramp_engine *engine);

/* The first reason counts. What is in flight lands, nothing more leaves. */
void onramp_engine_stop(struct onramp_engine *engine, enum onramp_stop stop, enum onramp_status status,
                        const char *reason);
/* The same for a failure that engine->err has the text of. */
void onramp_engine_fail(struct onramp_engine *engine, enum onramp_stop stop, enum onramp_status status);

/* The answer to `job` has been understood: tell pacer, scheduler and session. */
void onramp_engine_landed(struct onramp_engine *engine, uint32_t job, const struct onramp_reply *reply);
/* A job that was to leave and did not is forgotten. */
void onramp_engine_turn_back(struct onramp_engine *engine, uint32_t job);
/* Something was achieved: patience begins anew. */
void onramp_engine_progressed(struct onramp_engine *engine);

int64_t onramp_engine_wall(const struct onramp_engine *engine); /* for the ledger's `at`; decides nothing */

#endif
