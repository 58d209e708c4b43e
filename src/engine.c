/*
 * engine.c - the loop.
 */
#include "engine.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define BACKOFF_BASE (500 * ONRAMP_MILLISECOND)
#define BACKOFF_CAP  (30 * ONRAMP_SECOND)

static enum onramp_status new_scheduler(struct onramp_engine *e)
{
    struct onramp_scheduler_settings schedule = {.jobs = e->job_count,
                                                 .backoff_base = BACKOFF_BASE,
                                                 .backoff_cap = BACKOFF_CAP,
                                                 .seed = e->target->seed ^ UINT64_C(0x5c4ed)};
    return onramp_scheduler_new(&e->scheduler, &schedule, e->pacer, e->err);
}

enum onramp_status onramp_engine_init(struct onramp_engine *e, const struct onramp_engine_ops *ops, void *self,
                                      const struct onramp_target *target, const struct onramp_transport *transport,
                                      const struct onramp_observer *observer, struct onramp_error *err)
{
    static const struct onramp_observer nobody = {0};
    *e = (struct onramp_engine){.ops = ops,
                                .self = self,
                                .target = target,
                                .transport = transport,
                                .observer = observer != NULL ? observer : &nobody,
                                .err = err,
                                .job_count = 2 * target->pacing.concurrency + 32};
    e->departing = calloc(e->job_count, sizeof *e->departing);
    if (e->departing == NULL)
        return onramp_fail(err, ONRAMP_ENOMEM, "out of memory");
    e->now = e->started_at = e->progress_at = transport->ops->now(transport->self);
    enum onramp_status st = onramp_pacer_new(&e->pacer, &target->pacing, e->now, err);
    if (st != ONRAMP_OK)
        return st;
    onramp_session_init(&e->session, target, transport, e->observer, e->pacer);
    return new_scheduler(e);
}

enum onramp_status onramp_engine_reuse(struct onramp_engine *e, const struct onramp_engine_ops *ops, void *self)
{
    assert(e->stop == ONRAMP_STOP_NOT && onramp_scheduler_in_flight(e->scheduler) == 0);
    onramp_scheduler_free(e->scheduler);
    e->scheduler = NULL;
    e->ops = ops;
    e->self = self;
    e->setbacks = 0;
    return new_scheduler(e);
}

void onramp_engine_clear(struct onramp_engine *e)
{
    onramp_scheduler_free(e->scheduler);
    if (e->pacer != NULL)
        onramp_session_clear(&e->session);
    onramp_pacer_free(e->pacer);
    free(e->departing);
}

int64_t onramp_engine_wall(const struct onramp_engine *e)
{
    return e->transport->ops->wall(e->transport->self);
}

/* ---- stopping ---- */

void onramp_engine_stop(struct onramp_engine *e, enum onramp_stop stop, enum onramp_status status, const char *reason)
{
    if (e->stop != ONRAMP_STOP_NOT)
        return;
    e->stop = stop;
    e->status = status;
    (void)snprintf(e->reason, sizeof e->reason, "%s", reason);
    onramp_scheduler_drain(e->scheduler);
}

void onramp_engine_fail(struct onramp_engine *e, enum onramp_stop stop, enum onramp_status status)
{
    onramp_engine_stop(e, stop, status, e->err->text);
}

void onramp_engine_progressed(struct onramp_engine *e)
{
    e->progress_at = e->now;
    e->setbacks = 0;
}

/* Without progress for so long, though the tenant answers or fails: enough. */
static onramp_time patience_ends(const struct onramp_engine *e)
{
    return e->setbacks > 0 ? e->progress_at + e->target->give_up_after : ONRAMP_NEVER;
}

static void consider_stopping(struct onramp_engine *e)
{
    if (onramp_session_stopping(&e->session))
        onramp_engine_stop(e, ONRAMP_STOP_INTERRUPTED, ONRAMP_OK, "interrupted");
    if (e->now >= patience_ends(e)) {
        char reason[80];
        (void)snprintf(reason, sizeof reason, "gave up after %lld s without progress",
                       (long long)(e->target->give_up_after / ONRAMP_SECOND));
        onramp_engine_stop(e, ONRAMP_STOP_GAVE_UP, ONRAMP_OK, reason);
    }
}

/* ---- answers ---- */

void onramp_engine_landed(struct onramp_engine *e, uint32_t job, const struct onramp_reply *reply)
{
    onramp_session_learn(&e->session, reply);
    onramp_scheduler_answered(e->scheduler, job, &reply->signal, e->now);
    if (reply->meaning == ONRAMP_REPLY_DONE)
        return;
    if (e->setbacks++ == 0)
        e->progress_at = e->now; /* waiting for a token, or for an answer, was no failure */
}

void onramp_engine_turn_back(struct onramp_engine *e, uint32_t job)
{
    const struct onramp_signal unsent = {.kind = ONRAMP_SIGNAL_UNSENT};
    onramp_scheduler_answered(e->scheduler, job, &unsent, e->now);
    onramp_scheduler_abandon(e->scheduler, job, e->now);
}

/* ---- the loop ---- */

/* A fresh token is got when nothing is in flight, so that no answer to an old one comes later. True: not yet. */
static bool renewing(struct onramp_engine *e)
{
    if (e->stop != ONRAMP_STOP_NOT || !onramp_session_must_renew(&e->session, e->now))
        return false;
    if (onramp_scheduler_in_flight(e->scheduler) > 0)
        return true;
    enum onramp_status st = onramp_session_renew(&e->session, e->err);
    if (st != ONRAMP_OK && e->session.interrupted)
        onramp_engine_stop(e, ONRAMP_STOP_INTERRUPTED, ONRAMP_OK, "interrupted");
    else if (st == ONRAMP_EAUTH)
        onramp_engine_fail(e, ONRAMP_STOP_UNAUTHORIZED, st);
    else if (st != ONRAMP_OK)
        onramp_engine_fail(e, ONRAMP_STOP_GAVE_UP, ONRAMP_OK);
    e->now = e->transport->ops->now(e->transport->self);
    return false;
}

/* Do all that can be done now; when to look again is in step->at. */
static enum onramp_todo turn(struct onramp_engine *e, struct onramp_step *step)
{
    struct onramp_answer answer;
    while (e->transport->ops->take(e->transport->self, &answer))
        e->ops->land(e->self, &answer);
    consider_stopping(e);
    *step = (struct onramp_step){.at = ONRAMP_NEVER};
    if (renewing(e))
        return ONRAMP_WAIT;
    for (;;) {
        enum onramp_todo todo = onramp_scheduler_next(e->scheduler, e->now, step);
        if (todo == ONRAMP_FEED) {
            if (!e->ops->feed(e->self))
                onramp_scheduler_expect(e->scheduler, 0);
        } else if (todo == ONRAMP_SEND) {
            e->departing[e->departing_count++] = step->job;
        } else if (e->departing_count > 0) {
            uint32_t count = e->departing_count;
            e->departing_count = 0;
            e->ops->depart(e->self, e->departing, count); /* may fail and change what there is to do: ask again */
        } else {
            return todo;
        }
    }
}

/* The process was stopped, or the machine asleep, and the clock went on: that was no time without progress. */
static void excuse_absence(struct onramp_engine *e, onramp_time since, onramp_time until)
{
    const onramp_span unnoticed = 10 * ONRAMP_SECOND;
    onramp_time due = until; /* or when what is in flight has timed out */
    if (onramp_scheduler_in_flight(e->scheduler) > 0 && since + e->target->timeout < due)
        due = since + e->target->timeout;
    if (due < since)
        due = since;
    if (e->now > due + unnoticed)
        e->progress_at += e->now - due;
}

void onramp_engine_run(struct onramp_engine *e)
{
    e->progress_at = e->now = e->transport->ops->now(e->transport->self);
    for (;;) {
        struct onramp_step step;
        if (turn(e, &step) == ONRAMP_DONE)
            return;
        if (e->ops->report != NULL)
            e->ops->report(e->self);
        if (e->observer->debug && step.at != ONRAMP_NEVER && step.at > e->now)
            onramp_session_log(&e->session, ONRAMP_LOG_DEBUG, "%s", onramp_pacer_reason(e->pacer));
        onramp_time until = step.at;
        if (e->stop == ONRAMP_STOP_NOT && patience_ends(e) < until)
            until = patience_ends(e);
        enum onramp_status st = e->transport->ops->wait(e->transport->self, until, e->err);
        if (st != ONRAMP_OK) {
            /* A wait that fails would fail again: what is in flight stays open in the ledger, to be asked about. */
            onramp_engine_fail(e, ONRAMP_STOP_DISK, st);
            return;
        }
        onramp_time since = e->now;
        e->now = e->transport->ops->now(e->transport->self);
        excuse_absence(e, since, until);
    }
}
