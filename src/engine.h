/*
 * engine.h - the loop that every command which sends many requests runs: read the clock, land answers, feed, depart,
 * wait.
 *
 * What a job is, what its request looks like and what an answer means for it are its owner's. Each owner has a lane of
 * its own: its jobs, its scheduler, its patience. The first lane goes first, the others run beside it: what draws from
 * the same bucket waits for the lanes ahead, what has a bucket of its own goes at once. One clock, one session, one
 * thread.
 */
#ifndef ONRAMP_ENGINE_H
#define ONRAMP_ENGINE_H

#include "onramp/scheduler.h"
#include "session.h"

#define ONRAMP_LANES_MAX 4

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

struct onramp_lane_ops {
    /* Add the next job to the scheduler, or do what else its record needs. False: there are no more, for now. */
    bool (*feed)(void *self);
    /*
     * These jobs leave now: write what must be on disk before, and hand each to onramp_lane_send(). One that cannot
     * leave is given back with onramp_lane_turn_back().
     */
    void (*depart)(void *self, const uint32_t *jobs, uint32_t count);
    /* The answer to a job. Parse it, pass its signal on with onramp_lane_landed(), then settle the job or send it
     * again. */
    void (*land)(void *self, const struct onramp_answer *answer);
    /* Once a turn, while this is the first lane with anything to do. NULL: nothing to tell. */
    void (*report)(void *self);
    /* Once: it has nothing more to do, nor have the lanes ahead. NULL: of no interest. */
    void (*ended)(void *self);
};

struct onramp_engine;

struct onramp_lane {
    struct onramp_engine *engine;
    const struct onramp_lane_ops *ops;
    void *self;
    bool bare;                  /* its requests carry no token: set by its owner */
    struct onramp_pacer *pacer; /* the engine's, or its own */
    struct onramp_scheduler *scheduler;
    uint32_t *departing; /* jobs that leave this turn */
    uint32_t departing_count;
    uint64_t requests, throttled;
    bool done, ended;              /* has nothing to do now; nor ever again, nor have the lanes ahead */
    onramp_time first_at, last_at; /* its first departure, and its latest answer; 0: none */
    onramp_time progress_at;
    uint64_t setbacks; /* failures and refusals since there was progress … */
    char setback[702]; /* … the words of the latest that may pass: a reply's message and its cure … */
    bool told;         /* … which the user has been told */
    char waits[192]; /* why the pacer lets it wait; only kept if somebody looks */

    enum onramp_stop stop;
    enum onramp_status status;
    char reason[512]; /* why it stopped */
};

struct onramp_engine {
    const struct onramp_target *target;
    const struct onramp_transport *transport;
    const struct onramp_observer *observer;
    struct onramp_error *err;

    struct onramp_session session;
    struct onramp_pacer *pacer;
    struct onramp_lane lanes[ONRAMP_LANES_MAX];
    uint32_t lane_count;
    uint32_t job_count; /* of each lane */

    onramp_time now, started_at;
    bool full;             /* as many in flight as may be, while the first lane has more to send … */
    onramp_time looked_at; /* … since then, and … */
    onramp_span held;      /* … until then, in all */
};

/*
 * Make what all lanes share; the pointers are borrowed for its life. Clear it whatever the status. ONRAMP_EUSAGE,
 * ONRAMP_ENOMEM.
 */
ONRAMP_NODISCARD enum onramp_status onramp_engine_init(struct onramp_engine *engine, const struct onramp_target *target,
                                                       const struct onramp_transport *transport,
                                                       const struct onramp_observer *observer,
                                                       struct onramp_error *err);
void onramp_engine_clear(struct onramp_engine *engine);

/*
 * A lane behind those there are; `feeds` is the group of a job at its beginning. `own`: it is paced by itself, for what
 * it asks knows nothing of the others' buckets; NULL: by the engine's pacer. *out is the engine's. ONRAMP_EUSAGE,
 * ONRAMP_ENOMEM.
 */
ONRAMP_NODISCARD enum onramp_status onramp_engine_add(struct onramp_lane **out, struct onramp_engine *engine,
                                                      const struct onramp_lane_ops *ops, void *self,
                                                      enum onramp_group feeds, const struct onramp_pacer_settings *own);

/* Run until no lane has anything to feed, waiting or in flight; or until all were stopped and everything has landed. */
void onramp_engine_run(struct onramp_engine *engine);

/* All lanes stop: what is in flight lands, nothing more leaves. The first reason of each counts. */
void onramp_engine_stop(struct onramp_engine *engine, enum onramp_stop stop, enum onramp_status status,
                        const char *reason);
/* The same for a failure that engine->err has the text of. */
void onramp_engine_fail(struct onramp_engine *engine, enum onramp_stop stop, enum onramp_status status);

/* Is nothing in flight, in no lane? */
bool onramp_engine_quiet(const struct onramp_engine *engine);

/* A name for the run that no other has: a UUID (version 4), made of the target's seed. */
void onramp_engine_name_run(const struct onramp_engine *engine, char *name, size_t size);

/* How long so many requests take under a ceiling of the user's own; 0 if there is none. For people. */
onramp_span onramp_engine_under(const struct onramp_rate *ceiling, uint64_t requests);

int64_t onramp_engine_wall(const struct onramp_engine *engine); /* for the ledger's `at`; decides nothing */

/* This lane stops, with engine->err as its reason, and those behind it, which build on what it does. Those ahead go on:
 * without the first nothing does. */
void onramp_lane_fail(struct onramp_lane *lane, enum onramp_stop stop, enum onramp_status status);

/* A job's request, on its way. Fails as the transport's send. */
ONRAMP_NODISCARD enum onramp_status onramp_lane_send(struct onramp_lane *lane, uint32_t job,
                                                     const struct onramp_request *request);
/* The answer to `job` has been understood: tell pacer, scheduler and session. */
void onramp_lane_landed(struct onramp_lane *lane, uint32_t job, const struct onramp_reply *reply);
/* A job that was to leave and did not: it took no token, and is the caller's to settle or to send again. */
void onramp_lane_hand_back(struct onramp_lane *lane, uint32_t job);
/* The same, and it is forgotten. */
void onramp_lane_turn_back(struct onramp_lane *lane, uint32_t job);
/* Something was achieved: patience begins anew. */
void onramp_lane_progressed(struct onramp_lane *lane);

#endif
