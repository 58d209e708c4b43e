/*
 * engine.c - the loop.
 */
#include "engine.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define BACKOFF_BASE (500 * ONRAMP_MILLISECOND)
#define BACKOFF_CAP  (30 * ONRAMP_SECOND)
#define TELL_AFTER   (5 * ONRAMP_SECOND) /* without progress: whoever waits wants to know what for */

enum onramp_status onramp_engine_init(struct onramp_engine *e, const struct onramp_target *target,
                                      const struct onramp_transport *transport, const struct onramp_observer *observer,
                                      struct onramp_error *err)
{
    static const struct onramp_observer nobody = {0};
    *e = (struct onramp_engine){.target = target,
                                .transport = transport,
                                .observer = observer != NULL ? observer : &nobody,
                                .err = err,
                                .job_count = 2 * target->pacing.concurrency + 32};
    e->now = e->started_at = transport->ops->now(transport->self);
    enum onramp_status st = onramp_pacer_new(&e->pacer, &target->pacing, e->now, err);
    if (st == ONRAMP_OK)
        onramp_session_init(&e->session, target, transport, e->observer, e->pacer);
    return st;
}

enum onramp_status onramp_engine_add(struct onramp_lane **out, struct onramp_engine *e,
                                     const struct onramp_lane_ops *ops, void *self, enum onramp_group feeds,
                                     const struct onramp_pacer_settings *own)
{
    assert(e->lane_count < ONRAMP_LANES_MAX);
    struct onramp_lane *lane = &e->lanes[e->lane_count];
    struct onramp_scheduler_settings schedule = {.jobs = e->job_count,
                                                 .backoff_base = BACKOFF_BASE,
                                                 .backoff_cap = BACKOFF_CAP,
                                                 .seed = e->target->seed ^ (UINT64_C(0x5c4ed) + e->lane_count),
                                                 .feeds = feeds};
    e->lane_count++;
    *lane = (struct onramp_lane){.engine = e, .ops = ops, .self = self, .pacer = e->pacer, .progress_at = e->now};
    lane->departing = calloc(e->job_count, sizeof *lane->departing);
    if (lane->departing == NULL)
        return onramp_fail(e->err, ONRAMP_ENOMEM, "out of memory");
    *out = lane;
    enum onramp_status st = own != NULL ? onramp_pacer_new(&lane->pacer, own, e->now, e->err) : ONRAMP_OK;
    return st == ONRAMP_OK ? onramp_scheduler_new(&lane->scheduler, &schedule, lane->pacer, e->err) : st;
}

void onramp_engine_clear(struct onramp_engine *e)
{
    for (uint32_t i = 0; i < e->lane_count; i++) {
        onramp_scheduler_free(e->lanes[i].scheduler);
        if (e->lanes[i].pacer != e->pacer)
            onramp_pacer_free(e->lanes[i].pacer);
        free(e->lanes[i].departing);
    }
    if (e->pacer != NULL)
        onramp_session_clear(&e->session);
    onramp_pacer_free(e->pacer);
}

void onramp_engine_name_run(const struct onramp_engine *e, char *name, size_t size)
{
    struct onramp_rng rng;
    onramp_rng_init(&rng, e->target->seed);
    uint64_t a = onramp_rng_next(&rng), b = onramp_rng_next(&rng);
    (void)snprintf(name, size, "%08x-%04x-4%03x-%04x-%012llx", (unsigned)(a >> 32), (unsigned)(a >> 16 & 0xffff),
                   (unsigned)(a & 0xfff), (unsigned)(0x8000 | (b >> 48 & 0x3fff)),
                   (unsigned long long)(b & UINT64_C(0xffffffffffff)));
}

onramp_span onramp_engine_under(const struct onramp_rate *ceiling, uint64_t requests)
{
    if (ceiling->tokens == 0)
        return 0;
    return (onramp_span)((double)requests * (double)ceiling->per / (double)ceiling->tokens);
}

int64_t onramp_engine_wall(const struct onramp_engine *e)
{
    return e->transport->ops->wall(e->transport->self);
}

static uint32_t in_flight(const struct onramp_engine *e)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < e->lane_count; i++)
        count += onramp_scheduler_in_flight(e->lanes[i].scheduler);
    return count;
}

bool onramp_engine_quiet(const struct onramp_engine *e)
{
    return in_flight(e) == 0;
}

/* ---- stopping ---- */

/* From this lane on. */
static void stop_from(struct onramp_engine *e, uint32_t first, enum onramp_stop stop, enum onramp_status status,
                      const char *reason)
{
    for (uint32_t i = first; i < e->lane_count; i++) {
        struct onramp_lane *lane = &e->lanes[i];
        if (lane->stop != ONRAMP_STOP_NOT)
            continue;
        lane->stop = stop;
        lane->status = status;
        (void)snprintf(lane->reason, sizeof lane->reason, "%s", reason);
        onramp_scheduler_drain(lane->scheduler);
    }
}

void onramp_engine_stop(struct onramp_engine *e, enum onramp_stop stop, enum onramp_status status, const char *reason)
{
    stop_from(e, 0, stop, status, reason);
}

void onramp_engine_fail(struct onramp_engine *e, enum onramp_stop stop, enum onramp_status status)
{
    onramp_engine_stop(e, stop, status, e->err->text);
}

void onramp_lane_fail(struct onramp_lane *lane, enum onramp_stop stop, enum onramp_status status)
{
    stop_from(lane->engine, (uint32_t)(lane - lane->engine->lanes), stop, status, lane->engine->err->text);
}

/* What is achieved ahead is progress for those behind: they may have waited for nothing else. */
void onramp_lane_progressed(struct onramp_lane *lane)
{
    struct onramp_engine *e = lane->engine;
    lane->setbacks = 0;
    lane->told = false;
    lane->setback[0] = '\0';
    for (; lane < e->lanes + e->lane_count; lane++)
        lane->progress_at = e->now;
}

/* Without progress for so long, though the tenant answers or fails: enough. */
static onramp_time patience_ends(const struct onramp_lane *lane)
{
    bool tried = lane->setbacks > 0 && lane->stop == ONRAMP_STOP_NOT;
    return tried ? lane->progress_at + lane->engine->target->give_up_after : ONRAMP_NEVER;
}

static void consider_stopping(struct onramp_engine *e)
{
    if (onramp_session_stopping(&e->session))
        onramp_engine_stop(e, ONRAMP_STOP_INTERRUPTED, ONRAMP_OK, "interrupted");
    for (uint32_t i = 0; i < e->lane_count; i++) {
        if (e->now < patience_ends(&e->lanes[i]))
            continue;
        char reason[sizeof e->lanes[i].setback + 80];
        (void)snprintf(reason, sizeof reason, "gave up after %lld s without progress%s%s",
                       (long long)(e->target->give_up_after / ONRAMP_SECOND),
                       e->lanes[i].setback[0] != '\0' ? ": " : "", e->lanes[i].setback);
        stop_from(e, i, ONRAMP_STOP_GAVE_UP, ONRAMP_OK, reason);
    }
}

/* ---- requests and answers ---- */

/* Each lane numbers its jobs from 0; the transport knows them by numbers that no other lane's jobs have. */
enum onramp_status onramp_lane_send(struct onramp_lane *lane, uint32_t job, const struct onramp_request *request)
{
    struct onramp_engine *e = lane->engine;
    uint32_t id = (uint32_t)(lane - e->lanes) * e->job_count + job;
    enum onramp_status st = e->transport->ops->send(e->transport->self, id, request, e->err);
    if (st == ONRAMP_OK && lane->requests++ == 0)
        lane->first_at = e->now;
    return st;
}

static void land(struct onramp_engine *e, const struct onramp_answer *given)
{
    struct onramp_answer answer = *given;
    assert(given->id / e->job_count < e->lane_count);
    struct onramp_lane *lane = &e->lanes[given->id / e->job_count];
    answer.id = given->id % e->job_count;
    lane->ops->land(lane->self, &answer);
}

/* What is wrong with the tenant or the way there is told once, until there is progress again: the run may go on like
 * this for a long time. What is wrong with one user is not for all to read. */
static void note_setback(struct onramp_lane *lane, const struct onramp_reply *reply)
{
    const struct onramp_engine *e = lane->engine;
    bool passing = reply->meaning == ONRAMP_REPLY_THROTTLED || reply->meaning == ONRAMP_REPLY_TRANSIENT ||
                   reply->meaning == ONRAMP_REPLY_UNCERTAIN;
    if (lane->setbacks++ == 0)
        lane->progress_at = e->now; /* waiting for a token, or for an answer, was no failure */
    if (!passing)
        return;
    (void)snprintf(lane->setback, sizeof lane->setback, "%s%s%s", reply->message, reply->cure[0] != '\0' ? "; " : "",
                   reply->cure);
    onramp_span since = e->now - lane->progress_at;
    if (lane->told || since < TELL_AFTER || lane->stop != ONRAMP_STOP_NOT)
        return;
    lane->told = true;
    onramp_session_log(
        &e->session, ONRAMP_LOG_WARN, "no progress for %lld s: %s; given up after %lld s (--give-up-after)",
        (long long)(since / ONRAMP_SECOND), lane->setback, (long long)(e->target->give_up_after / ONRAMP_SECOND));
}

void onramp_lane_landed(struct onramp_lane *lane, uint32_t job, const struct onramp_reply *reply)
{
    struct onramp_engine *e = lane->engine;
    onramp_session_learn(&e->session, reply);
    onramp_scheduler_answered(lane->scheduler, job, &reply->signal, e->now);
    lane->last_at = e->now;
    lane->throttled += reply->meaning == ONRAMP_REPLY_THROTTLED ? 1 : 0;
    if (reply->meaning != ONRAMP_REPLY_DONE)
        note_setback(lane, reply);
}

void onramp_lane_hand_back(struct onramp_lane *lane, uint32_t job)
{
    const struct onramp_signal unsent = {.kind = ONRAMP_SIGNAL_UNSENT};
    onramp_scheduler_answered(lane->scheduler, job, &unsent, lane->engine->now);
}

void onramp_lane_turn_back(struct onramp_lane *lane, uint32_t job)
{
    onramp_lane_hand_back(lane, job);
    onramp_scheduler_abandon(lane->scheduler, job, lane->engine->now);
}

/* ---- the loop ---- */

/* Will any request more carry a token? */
static bool needs_token(const struct onramp_engine *e)
{
    bool needs = false;
    for (uint32_t i = 0; i < e->lane_count; i++)
        needs = needs || !(e->lanes[i].bare || e->lanes[i].ended);
    return needs;
}

/* A fresh token is got when nothing is in flight, so that no answer to an old one comes later. True: not yet. */
static bool renewing(struct onramp_engine *e)
{
    if (e->lanes[0].stop != ONRAMP_STOP_NOT || !onramp_session_must_renew(&e->session, e->now) || !needs_token(e))
        return false;
    if (!onramp_engine_quiet(e))
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

/*
 * May a lane ask at all? Together they keep to the concurrency, and while those ahead have something to send, one place
 * is kept free for them. Notes what is ahead of it in the buckets that they share.
 */
static bool has_room(const struct onramp_lane *lane)
{
    const struct onramp_engine *e = lane->engine;
    uint64_t ahead[ONRAMP_GROUPS] = {0}, all[ONRAMP_GROUPS] = {0}, waiting = 0;
    for (const struct onramp_lane *other = e->lanes; other < lane; other++) {
        onramp_scheduler_left(other->scheduler, other->pacer == lane->pacer ? ahead : all);
    }
    for (int g = 0; g < ONRAMP_GROUPS; g++)
        waiting += ahead[g] + all[g];
    onramp_scheduler_behind(lane->scheduler, ahead);
    return in_flight(e) + (waiting > 0 ? 1 : 0) < e->target->pacing.concurrency;
}

static uint64_t left_to_send(const struct onramp_lane *lane)
{
    uint64_t left[ONRAMP_GROUPS] = {0}, count = 0;
    onramp_scheduler_left(lane->scheduler, left);
    for (int g = 0; g < ONRAMP_GROUPS; g++)
        count += left[g];
    return count;
}

/* For how long was it the concurrency that held back the first lane? Where the tenant does, some answer soon leaves
 * room that is not filled. */
static void look(struct onramp_engine *e, bool room)
{
    e->held += e->full ? e->now - e->looked_at : 0;
    e->full = !room && left_to_send(&e->lanes[0]) > 0;
    e->looked_at = e->now;
}

/* Why it waits, for those who look. */
static void keep_reason(struct onramp_lane *lane, const struct onramp_step *step)
{
    const struct onramp_engine *e = lane->engine;
    if (!e->observer->debug && e->observer->progress == NULL)
        return;
    (void)snprintf(lane->waits, sizeof lane->waits, "%s", onramp_pacer_reason(lane->pacer));
    if (e->observer->debug && step->at != ONRAMP_NEVER && step->at > e->now)
        onramp_session_log(&e->session, ONRAMP_LOG_DEBUG, "%s", lane->waits);
}

static enum onramp_todo next(struct onramp_lane *lane, struct onramp_step *step)
{
    bool room = has_room(lane);
    if (lane == lane->engine->lanes)
        look(lane->engine, room);
    if (lane->stop == ONRAMP_STOP_NOT && !room) {
        *step = (struct onramp_step){.at = ONRAMP_NEVER};
        (void)snprintf(lane->waits, sizeof lane->waits, "waits for an answer: as many in flight as may be");
        bool nothing = left_to_send(lane) == 0 && onramp_scheduler_in_flight(lane->scheduler) == 0;
        return nothing ? ONRAMP_DONE : ONRAMP_WAIT;
    }
    enum onramp_todo todo = onramp_scheduler_next(lane->scheduler, lane->engine->now, step);
    if (todo == ONRAMP_WAIT)
        keep_reason(lane, step);
    return todo;
}

/* All that one lane can do now. */
static enum onramp_todo drive(struct onramp_lane *lane, struct onramp_step *step)
{
    for (;;) {
        enum onramp_todo todo = next(lane, step);
        if (todo == ONRAMP_FEED) {
            if (!lane->ops->feed(lane->self))
                onramp_scheduler_expect(lane->scheduler, 0);
        } else if (todo == ONRAMP_SEND) {
            lane->departing[lane->departing_count++] = step->job;
        } else if (lane->departing_count > 0) {
            uint32_t count = lane->departing_count;
            lane->departing_count = 0;
            lane->ops->depart(lane->self, lane->departing, count); /* may fail and change what there is to do */
        } else {
            return todo;
        }
    }
}

static bool any_stops(const struct onramp_engine *e, uint32_t *stopped)
{
    uint32_t before = *stopped;
    *stopped = 0;
    for (uint32_t i = 0; i < e->lane_count; i++)
        *stopped += e->lanes[i].stop != ONRAMP_STOP_NOT ? 1 : 0;
    return *stopped > before;
}

/* Every lane in its order; the earliest of what they wait for into *at. True: none has anything left. */
static bool drive_all(struct onramp_engine *e, onramp_time *at)
{
    bool done = true;
    *at = ONRAMP_NEVER;
    for (uint32_t i = 0; i < e->lane_count; i++) {
        struct onramp_lane *lane = &e->lanes[i];
        struct onramp_step step;
        lane->done = drive(lane, &step) == ONRAMP_DONE;
        done = done && lane->done;
        if (lane->done)
            lane->setbacks = 0; /* it waits for nothing: the others' time is none without progress of its own */
        else if (step.at < *at)
            *at = step.at;
        if (!done || lane->ended)
            continue;
        lane->ended = true;
        if (lane->ops->ended != NULL)
            lane->ops->ended(lane->self);
    }
    return done;
}

/* Do all that can be done now; when to look again is in *at. True: there is nothing left to do. */
static bool turn(struct onramp_engine *e, onramp_time *at)
{
    struct onramp_answer answer;
    while (e->transport->ops->take(e->transport->self, &answer))
        land(e, &answer);
    consider_stopping(e);
    *at = ONRAMP_NEVER;
    if (renewing(e))
        return false;
    uint32_t stopped = 0;
    (void)any_stops(e, &stopped);
    bool done = drive_all(e, at);
    while (any_stops(e, &stopped)) /* what a lane ahead waits for is of no interest any more */
        done = drive_all(e, at);
    assert(done || *at != ONRAMP_NEVER || !onramp_engine_quiet(e)); /* else nothing would ever happen again */
    return done;
}

static void report(const struct onramp_engine *e)
{
    for (uint32_t i = 0; i < e->lane_count; i++) {
        const struct onramp_lane *lane = &e->lanes[i];
        if (lane->done)
            continue;
        if (lane->ops->report != NULL)
            lane->ops->report(lane->self);
        return;
    }
}

/* The process was stopped, or the machine asleep, and the clock went on: that was no time without progress. */
static void excuse_absence(struct onramp_engine *e, onramp_time since, onramp_time until)
{
    const onramp_span unnoticed = 10 * ONRAMP_SECOND;
    onramp_time due = until; /* or when what is in flight has timed out */
    if (!onramp_engine_quiet(e) && since + e->target->timeout < due)
        due = since + e->target->timeout;
    if (due < since)
        due = since;
    if (e->now > due + unnoticed)
        for (uint32_t i = 0; i < e->lane_count; i++)
            e->lanes[i].progress_at += e->now - due;
}

void onramp_engine_run(struct onramp_engine *e)
{
    e->session.underway = true;
    e->now = e->transport->ops->now(e->transport->self);
    for (uint32_t i = 0; i < e->lane_count; i++)
        e->lanes[i].progress_at = e->now;
    for (;;) {
        onramp_time until;
        if (turn(e, &until))
            return;
        report(e);
        for (uint32_t i = 0; i < e->lane_count; i++)
            if (patience_ends(&e->lanes[i]) < until)
                until = patience_ends(&e->lanes[i]);
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
