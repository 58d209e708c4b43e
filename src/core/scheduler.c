/*
 * scheduler.c - which job goes next, and when.
 *
 * A job is READY (in its group's heap, oldest first), DELAYED (in a heap by time), or FLYING.
 */
#include "onramp/scheduler.h"

#include "core/backoff.h"
#include "core/heap.h"
#include "core/rng.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* So many failures, none of them a sibling of another and no success between, are the tenant's and not a record's. */
#define TROUBLE 2

enum state { FREE, READY, DELAYED, FLYING, LANDED };

struct job {
    enum state state;
    enum onramp_group group;
    int64_t order;   /* of admission: whoever came first goes first again */
    uint32_t ticket; /* the pacer's, while flying */
};

struct onramp_scheduler {
    struct onramp_scheduler_settings settings;
    struct onramp_pacer *pacer;
    struct onramp_rng rng;

    struct job *jobs;
    struct onramp_heap ready[ONRAMP_GROUPS], delayed;
    uint64_t delayed_in[ONRAMP_GROUPS];
    uint32_t held, in_flight;
    int64_t next_order;

    uint64_t more;                 /* jobs that can still be fed */
    uint64_t ahead[ONRAMP_GROUPS]; /* requests of others that have precedence */
    uint32_t trouble;       /* transient failures since the tenant was last well */
    onramp_time hold_until; /* nothing leaves before, while in trouble */
    bool draining;
};

enum onramp_status onramp_scheduler_new(struct onramp_scheduler **out, const struct onramp_scheduler_settings *settings,
                                        struct onramp_pacer *pacer, struct onramp_error *err)
{
    if (settings->jobs == 0 || settings->backoff_base <= 0 || settings->backoff_cap < settings->backoff_base)
        return onramp_fail(err, ONRAMP_EUSAGE, "scheduler: jobs and backoff must be positive, base at most cap");

    struct onramp_scheduler *s = calloc(1, sizeof *s);
    if (s == NULL)
        return onramp_fail(err, ONRAMP_ENOMEM, "out of memory");
    s->settings = *settings;
    s->pacer = pacer;
    s->hold_until = INT64_MIN;
    onramp_rng_init(&s->rng, settings->seed);
    s->jobs = calloc(settings->jobs, sizeof *s->jobs);
    bool ok = s->jobs != NULL && onramp_heap_init(&s->delayed, settings->jobs);
    for (int g = 0; g < ONRAMP_GROUPS; g++)
        ok = ok && onramp_heap_init(&s->ready[g], settings->jobs);
    if (!ok) {
        onramp_scheduler_free(s);
        return onramp_fail(err, ONRAMP_ENOMEM, "out of memory");
    }
    *out = s;
    return ONRAMP_OK;
}

void onramp_scheduler_free(struct onramp_scheduler *s)
{
    if (s == NULL)
        return;
    for (int g = 0; g < ONRAMP_GROUPS; g++)
        onramp_heap_clear(&s->ready[g]);
    onramp_heap_clear(&s->delayed);
    free(s->jobs);
    free(s);
}

void onramp_scheduler_expect(struct onramp_scheduler *s, uint64_t more)
{
    s->more = more;
}

static struct job *job_of(struct onramp_scheduler *s, uint32_t id)
{
    assert(id < s->settings.jobs);
    return &s->jobs[id];
}

static void make_ready(struct onramp_scheduler *s, uint32_t id)
{
    struct job *job = job_of(s, id);
    job->state = READY;
    onramp_heap_push(&s->ready[job->group], job->order, id);
}

void onramp_scheduler_add(struct onramp_scheduler *s, uint32_t id, enum onramp_group group, onramp_time now)
{
    (void)now;
    struct job *job = job_of(s, id);
    assert(job->state == FREE);
    *job = (struct job){.group = group, .order = s->next_order++};
    s->held++;
    make_ready(s, id);
}

static void promote(struct onramp_scheduler *s, onramp_time now)
{
    while (s->delayed.size > 0 && s->delayed.items[0].key <= now) {
        uint32_t id = onramp_heap_pop(&s->delayed).id;
        s->delayed_in[s->jobs[id].group]--;
        make_ready(s, id);
    }
}

static bool hungry(const struct onramp_scheduler *s)
{
    return s->more > 0 && s->held < s->settings.jobs && s->ready[s->settings.feeds].size == 0 &&
           s->ready[ONRAMP_GROUP_READ].size == 0;
}

static enum onramp_todo step_is(struct onramp_step *step, enum onramp_todo todo, uint32_t job, onramp_time at)
{
    *step = (struct onramp_step){.todo = todo, .job = job, .at = at};
    return todo;
}

static enum onramp_todo send_one(struct onramp_scheduler *s, enum onramp_group group, onramp_time now,
                                 struct onramp_step *step)
{
    uint32_t id = onramp_heap_pop(&s->ready[group]).id;
    struct job *job = job_of(s, id);
    job->state = FLYING;
    job->ticket = onramp_pacer_sent(s->pacer, group, now);
    s->in_flight++;
    return step_is(step, ONRAMP_SEND, id, now);
}

/* Requests of a group that are still to be sent, as the pacer wants to know them. */
static uint64_t left_in(const struct onramp_scheduler *s, enum onramp_group group)
{
    return s->ready[group].size + s->delayed_in[group] + (group == s->settings.feeds ? s->more : 0);
}

void onramp_scheduler_behind(struct onramp_scheduler *s, const uint64_t ahead[ONRAMP_GROUPS])
{
    memcpy(s->ahead, ahead, sizeof s->ahead);
}

void onramp_scheduler_left(const struct onramp_scheduler *s, uint64_t left[ONRAMP_GROUPS])
{
    for (int g = 0; g < ONRAMP_GROUPS; g++)
        left[g] += left_in(s, (enum onramp_group)g);
}

enum onramp_todo onramp_scheduler_next(struct onramp_scheduler *s, onramp_time now, struct onramp_step *step)
{
    promote(s, now);
    if (s->draining)
        return step_is(step, s->in_flight > 0 ? ONRAMP_WAIT : ONRAMP_DONE, 0, ONRAMP_NEVER);
    if (hungry(s))
        return step_is(step, ONRAMP_FEED, 0, now);
    if (s->held == 0)
        return step_is(step, ONRAMP_DONE, 0, ONRAMP_NEVER);

    /* In trouble: one at a time, and not before the pool's own backoff is over. */
    if (s->trouble >= TROUBLE && s->in_flight > 0)
        return step_is(step, ONRAMP_WAIT, 0, ONRAMP_NEVER);
    if (s->trouble >= TROUBLE && now < s->hold_until)
        return step_is(step, ONRAMP_WAIT, 0, s->hold_until);

    /* Questions about the past first: they free a job and cost little. */
    static const enum onramp_group turn[] = {ONRAMP_GROUP_READ, ONRAMP_GROUP_CREATE, ONRAMP_GROUP_CONNECTIONS,
                                             ONRAMP_GROUP_DELETE, ONRAMP_GROUP_MEMBERS, ONRAMP_GROUP_OTHER};
    onramp_time at = s->delayed.size > 0 ? s->delayed.items[0].key : ONRAMP_NEVER;
    bool asked = false;
    for (size_t i = 0; i < sizeof turn / sizeof turn[0]; i++) {
        enum onramp_group group = turn[i];
        if (s->ready[group].size == 0)
            continue;
        onramp_time may = onramp_pacer_when_behind(s->pacer, group, left_in(s, group), s->ahead, now);
        asked = true;
        if (may <= now)
            return send_one(s, group, now, step);
        if (may < at)
            at = may;
    }
    /* Else nothing would ever happen again. The pacer may await the answer to another's request. */
    assert(at != ONRAMP_NEVER || s->in_flight > 0 || asked);
    (void)asked; /* where assertions are off */
    return step_is(step, ONRAMP_WAIT, 0, at);
}

void onramp_scheduler_answered(struct onramp_scheduler *s, uint32_t id, const struct onramp_signal *signal,
                               onramp_time now)
{
    struct job *job = job_of(s, id);
    assert(job->state == FLYING);
    onramp_pacer_answered(s->pacer, job->ticket, signal, now);
    job->state = LANDED;
    s->in_flight--;
}

/* Out of whatever heap it is in. */
static void withdraw(struct onramp_scheduler *s, uint32_t id)
{
    struct job *job = job_of(s, id);
    if (job->state == READY)
        onramp_heap_remove(&s->ready[job->group], id);
    if (job->state == DELAYED) {
        onramp_heap_remove(&s->delayed, id);
        s->delayed_in[job->group]--;
    }
}

static void forget(struct onramp_scheduler *s, uint32_t id)
{
    struct job *job = job_of(s, id);
    assert(job->state != FREE && job->state != FLYING);
    withdraw(s, id);
    job->state = FREE;
    s->held--;
}

/* One connection's end fails all that it carried: failures within one hold count as one. */
static void fail_once_more(struct onramp_scheduler *s, onramp_time now)
{
    if (now < s->hold_until)
        return;
    if (s->trouble < UINT32_MAX)
        s->trouble++;
    s->hold_until = now + onramp_backoff(s->settings.backoff_base, s->settings.backoff_cap, s->trouble, &s->rng);
}

static void be_well(struct onramp_scheduler *s)
{
    s->trouble = 0;
    s->hold_until = INT64_MIN;
}

void onramp_scheduler_settle(struct onramp_scheduler *s, uint32_t id)
{
    be_well(s);
    forget(s, id);
}

void onramp_scheduler_abandon(struct onramp_scheduler *s, uint32_t id, onramp_time now)
{
    if (s->jobs[id].state == LANDED)
        fail_once_more(s, now);
    forget(s, id);
}

void onramp_scheduler_again(struct onramp_scheduler *s, uint32_t id, enum onramp_group group, onramp_time now)
{
    (void)now;
    struct job *job = job_of(s, id);
    assert(job->state == LANDED);
    be_well(s);
    job->group = group;
    make_ready(s, id);
}

void onramp_scheduler_later(struct onramp_scheduler *s, uint32_t id, enum onramp_group group, uint32_t failures,
                            onramp_time now)
{
    struct job *job = job_of(s, id);
    assert(job->state == LANDED);
    fail_once_more(s, now);
    job->group = group;
    job->state = DELAYED;
    s->delayed_in[group]++;
    onramp_span wait = onramp_backoff(s->settings.backoff_base, s->settings.backoff_cap, failures, &s->rng);
    onramp_heap_push(&s->delayed, now + wait, id);
}

void onramp_scheduler_drain(struct onramp_scheduler *s)
{
    s->draining = true;
}

uint32_t onramp_scheduler_in_flight(const struct onramp_scheduler *s)
{
    return s->in_flight;
}
