/*
 * policies.c - clients as they are found in the field, to compare with; and onramp's pacer.
 */
#include "lab.h"

#include <math.h>
#include <stdlib.h>

static double later(double a, double b)
{
    return a > b ? a : b;
}

static onramp_time after(const struct lab *lab, double seconds)
{
    return lab_now(lab) + (onramp_span)(seconds * 1e9);
}

static bool refused(const struct lab_request *r)
{
    return r->signal.kind == ONRAMP_SIGNAL_REFUSED;
}

/* Nothing to send now, but a refusal may bring something back. */
static void look_again(struct lab *lab, uint32_t client, uint32_t mark)
{
    if (!lab_finished(lab, client))
        lab_timer(lab, client, after(lab, 0.2), mark);
}

/* ---- one at a time, and half a second of sleep after each answer ---- */

static void sleep_timer(struct lab *lab, uint32_t client, uint32_t mark)
{
    if (lab_left(lab, client) > 0)
        lab_send(lab, client, mark);
}

static void sleep_start(struct lab *lab, uint32_t client)
{
    lab_send(lab, client, 0);
}

static void sleep_answered(struct lab *lab, uint32_t client, const struct lab_request *r)
{
    (void)r;
    lab_timer(lab, client, after(lab, 0.5), 0);
}

/* ---- ten workers, each with exponential backoff and full jitter: what SDKs do ---- */

struct workers {
    int failures[LAB_WORKERS];
};

static void worker_timer(struct lab *lab, uint32_t client, uint32_t worker)
{
    if (lab_left(lab, client) > 0)
        lab_send(lab, client, worker);
    else
        look_again(lab, client, worker);
}

static void workers_start(struct lab *lab, uint32_t client)
{
    for (uint32_t worker = 0; worker < LAB_WORKERS; worker++)
        worker_timer(lab, client, worker);
}

static void workers_answered(struct lab *lab, uint32_t client, const struct lab_request *r)
{
    struct workers *w = lab_memory(lab, client, sizeof *w);
    if (!refused(r)) {
        w->failures[r->mark] = 0;
        worker_timer(lab, client, r->mark);
        return;
    }
    double delay = fmin(20, 0.5 * pow(2, w->failures[r->mark]++)) * lab_dice(lab);
    if (r->signal.has_retry_after)
        delay = later(delay, (double)r->signal.retry_after / 1e9);
    lab_timer(lab, client, after(lab, delay), r->mark);
}

/* ---- ten workers that look at the headers: remaining 0 or a 429, and all sleep until the reset ---- */

struct header_aware {
    onramp_time asleep_until;
    bool armed;
};

static void aware_pump(struct lab *lab, uint32_t client)
{
    struct header_aware *a = lab_memory(lab, client, sizeof *a);
    while (lab_now(lab) >= a->asleep_until && lab_left(lab, client) > 0 && lab_in_flight(lab, client) < LAB_WORKERS)
        lab_send(lab, client, 0);
    if (lab_now(lab) < a->asleep_until && !a->armed) {
        a->armed = true;
        lab_timer(lab, client, a->asleep_until, 0);
    }
}

static void aware_timer(struct lab *lab, uint32_t client, uint32_t mark)
{
    (void)mark;
    struct header_aware *a = lab_memory(lab, client, sizeof *a);
    a->armed = false;
    aware_pump(lab, client);
}

static void aware_answered(struct lab *lab, uint32_t client, const struct lab_request *r)
{
    struct header_aware *a = lab_memory(lab, client, sizeof *a);
    double wait = refused(r) ? 1 : 0;
    if (r->signal.has_limit && (r->signal.remaining == 0 || refused(r)))
        wait = (double)r->signal.reset - lab_wall(lab);
    if (refused(r) && r->signal.has_retry_after)
        wait = (double)r->signal.retry_after / 1e9;
    wait = fmin(120, later(wait, refused(r) ? 0.2 : 0));
    if (wait > 0 && after(lab, wait) > a->asleep_until)
        a->asleep_until = after(lab, wait);
    aware_pump(lab, client);
}

/* ---- AIMD: the rate creeps up with each success and is halved by a refusal ---- */

struct aimd {
    double rate;
    onramp_time next_at, cut_at;
    bool armed;
};

static void aimd_pump(struct lab *lab, uint32_t client)
{
    struct aimd *a = lab_memory(lab, client, sizeof *a);
    while (lab_left(lab, client) > 0 && lab_in_flight(lab, client) < 32 && lab_now(lab) >= a->next_at) {
        lab_send(lab, client, 0);
        onramp_time idle = after(lab, -0.05);
        a->next_at = (a->next_at > idle ? a->next_at : idle) + (onramp_span)(1e9 / a->rate);
    }
    if (lab_left(lab, client) > 0 && lab_in_flight(lab, client) < 32 && !a->armed) {
        a->armed = true;
        lab_timer(lab, client, a->next_at, 0);
    }
}

static void aimd_start(struct lab *lab, uint32_t client)
{
    struct aimd *a = lab_memory(lab, client, sizeof *a);
    a->rate = 5;
    a->cut_at = -10 * ONRAMP_SECOND;
    aimd_pump(lab, client);
}

static void aimd_timer(struct lab *lab, uint32_t client, uint32_t mark)
{
    (void)mark;
    struct aimd *a = lab_memory(lab, client, sizeof *a);
    a->armed = false;
    aimd_pump(lab, client);
}

static void aimd_answered(struct lab *lab, uint32_t client, const struct lab_request *r)
{
    struct aimd *a = lab_memory(lab, client, sizeof *a);
    if (!refused(r)) {
        a->rate += 0.5 / a->rate;
    } else if (r->sent_at > a->cut_at) {
        a->rate = later(0.2, a->rate / 2);
        a->cut_at = lab_now(lab);
        double wait = r->signal.has_retry_after ? (double)r->signal.retry_after / 1e9 : 1 / a->rate;
        a->next_at = after(lab, wait) > a->next_at ? after(lab, wait) : a->next_at;
    }
    aimd_pump(lab, client);
}

/* ---- AWS SDKs' adaptive retry mode: ten workers share a token bucket whose rate follows CUBIC ---- */

struct adaptive {
    struct workers workers;
    bool enabled, holds[LAB_WORKERS]; /* a token */
    double fill, room, tokens, refilled_at, measured, half_second, most, throttled_at;
    int sends;
};

static void adaptive_refill(struct lab *lab, struct adaptive *a)
{
    a->tokens = fmin(a->room, a->tokens + (lab_seconds(lab) - a->refilled_at) * a->fill);
    a->refilled_at = lab_seconds(lab);
}

static void adaptive_timer(struct lab *lab, uint32_t client, uint32_t worker)
{
    struct adaptive *a = lab_memory(lab, client, sizeof *a);
    if (lab_left(lab, client) == 0) {
        a->holds[worker] = false;
        look_again(lab, client, worker);
        return;
    }
    if (a->enabled && !a->holds[worker]) {
        adaptive_refill(lab, a);
        a->tokens -= 1;
        if (a->tokens < 0) {
            a->holds[worker] = true;
            lab_timer(lab, client, after(lab, -a->tokens / a->fill), worker);
            return;
        }
    }
    a->holds[worker] = false;
    lab_send(lab, client, worker);
}

static void adaptive_start(struct lab *lab, uint32_t client)
{
    struct adaptive *a = lab_memory(lab, client, sizeof *a);
    a->fill = 0.5;
    a->room = 1;
    for (uint32_t worker = 0; worker < LAB_WORKERS; worker++)
        adaptive_timer(lab, client, worker);
}

static void adaptive_learn(struct lab *lab, struct adaptive *a, bool throttled)
{
    double now = lab_seconds(lab), half_second = floor(now * 2) / 2, rate;
    a->sends++;
    if (half_second > a->half_second) {
        a->measured = a->sends / (half_second - a->half_second) * 0.8 + a->measured * 0.2;
        a->sends = 0;
        a->half_second = half_second;
    }
    if (throttled) {
        a->most = a->enabled ? fmin(a->measured, a->fill) : a->measured;
        a->throttled_at = now;
        a->enabled = true;
        rate = a->most * 0.7;
    } else {
        double since = now - a->throttled_at - cbrt(a->most * 0.3 / 0.4);
        rate = 0.4 * since * since * since + a->most;
    }
    rate = fmin(rate, 2 * a->measured);
    adaptive_refill(lab, a);
    a->fill = later(rate, 0.5);
    a->room = later(rate, 1);
    a->tokens = fmin(a->tokens, a->room);
}

static void adaptive_answered(struct lab *lab, uint32_t client, const struct lab_request *r)
{
    struct adaptive *a = lab_memory(lab, client, sizeof *a);
    int *failures = &a->workers.failures[r->mark];
    adaptive_learn(lab, a, refused(r));
    if (refused(r)) {
        lab_timer(lab, client, after(lab, fmin(20, pow(2, (*failures)++) * lab_dice(lab))), r->mark);
        return;
    }
    *failures = 0;
    adaptive_timer(lab, client, r->mark);
}

/* ---- onramp ---- */

struct ours {
    struct onramp_pacer *pacer;
    onramp_time armed_at;
};

static void trace(struct lab *lab, const struct ours *o, const char *what)
{
    struct onramp_pacer_view v;
    onramp_pacer_view(o->pacer, lab_now(lab), &v);
    fprintf(lab_trace(lab), "%9.3f %s; %u in flight, %.2f..%.2f left\n", lab_seconds(lab), what, v.in_flight,
            v.level_low, v.level_high);
}

/* However the tenant answers, a request leaves within bounded time while users are left and none is in flight. */
static void check_progress(struct lab *lab, uint32_t client, onramp_time at)
{
    if (lab_in_flight(lab, client) == 0 && at > lab_now(lab) + 11 * ONRAMP_MINUTE)
        lab_broken(lab, "at %.3f nothing is in flight and nothing is to leave within 11 minutes", lab_seconds(lab));
}

/* Never into a pause, never more than allowed. */
static void check_before(struct lab *lab, uint32_t client, const struct ours *o)
{
    struct onramp_pacer_view v;
    onramp_pacer_view(o->pacer, lab_now(lab), &v);
    if (lab_now(lab) < v.paused_until)
        lab_broken(lab, "at %.3f a request left in a pause", lab_seconds(lab));
    if (v.in_flight >= lab_options(lab)->concurrency || v.in_flight != lab_in_flight(lab, client))
        lab_broken(lab, "at %.3f %u were in flight", lab_seconds(lab), v.in_flight);
}

/* Never more on the wire than tokens proven to exist; alone on it, a request may be a question. */
static void check_after(struct lab *lab, const struct ours *o)
{
    struct onramp_pacer_view v;
    onramp_pacer_view(o->pacer, lab_now(lab), &v);
    if (v.known && v.in_flight > 1 && v.level_low < -0.001 && lab_scenario(lab)->global.size == 0 &&
        lab_scenario(lab)->change_at == 0)
        lab_broken(lab, "at %.3f %u were on the wire and %.2f tokens proven besides", lab_seconds(lab), v.in_flight,
                   v.level_low);
}

static void ours_pump(struct lab *lab, uint32_t client)
{
    struct ours *o = lab_memory(lab, client, sizeof *o);
    while (lab_left(lab, client) > 0) {
        onramp_time at = onramp_pacer_when(o->pacer, ONRAMP_GROUP_CREATE, lab_left(lab, client), lab_now(lab));
        if (lab_trace(lab))
            trace(lab, o, onramp_pacer_reason(o->pacer));
        if (at > lab_now(lab)) {
            check_progress(lab, client, at);
            if (at != ONRAMP_NEVER && (o->armed_at <= lab_now(lab) || at < o->armed_at)) {
                o->armed_at = at;
                lab_timer(lab, client, at, 0);
            }
            return;
        }
        check_before(lab, client, o);
        lab_send(lab, client, onramp_pacer_sent(o->pacer, ONRAMP_GROUP_CREATE, lab_now(lab)));
        check_after(lab, o);
    }
}

static void ours_start(struct lab *lab, uint32_t client)
{
    struct ours *o = lab_memory(lab, client, sizeof *o);
    const struct lab_options *options = lab_options(lab);
    struct onramp_pacer_settings settings = {.concurrency = options->concurrency,
                                             .reserve_percent = options->reserve_percent};
    if (options->hint) {
        settings.hint = lab_scenario(lab)->own.rate;
        settings.hint_burst = lab_scenario(lab)->own.size;
    }
    if (onramp_pacer_new(&o->pacer, &settings, lab_now(lab), NULL) != ONRAMP_OK)
        abort();
    o->armed_at = -1;
    ours_pump(lab, client);
}

static void ours_timer(struct lab *lab, uint32_t client, uint32_t mark)
{
    (void)mark;
    ours_pump(lab, client);
}

static void ours_answered(struct lab *lab, uint32_t client, const struct lab_request *r)
{
    struct ours *o = lab_memory(lab, client, sizeof *o);
    onramp_pacer_answered(o->pacer, r->mark, &r->signal, lab_now(lab));
    if (lab_trace(lab)) {
        char text[80];
        (void)snprintf(text, sizeof text, "answer to %.3f: %s, %u of %u, reset %+lld", (double)r->sent_at / 1e9,
                       r->created ? "created" : "429", r->signal.remaining, r->signal.limit,
                       (long long)(r->signal.reset - r->signal.date));
        trace(lab, o, text);
    }
    ours_pump(lab, client);
}

static void ours_end(struct lab *lab, uint32_t client)
{
    struct ours *o = lab_memory(lab, client, sizeof *o);
    lab_others(lab, client, onramp_pacer_others(o->pacer));
    onramp_pacer_free(o->pacer);
}

const struct lab_policy lab_onramp = {"onramp", ours_start, ours_answered, ours_timer, ours_end};
const struct lab_policy lab_workers = {"ten-workers", workers_start, workers_answered, worker_timer, NULL};
static const struct lab_policy sleeper = {"sleep-500ms", sleep_start, sleep_answered, sleep_timer, NULL};
static const struct lab_policy aware = {"until-reset", aware_pump, aware_answered, aware_timer, NULL};
static const struct lab_policy aimd = {"aimd", aimd_start, aimd_answered, aimd_timer, NULL};
static const struct lab_policy adaptive = {"aws-adaptive", adaptive_start, adaptive_answered, adaptive_timer, NULL};

const struct lab_policy *lab_policy_at(size_t index)
{
    static const struct lab_policy *const all[] = {&lab_onramp, &lab_prover, &lab_watcher, &lab_keeper, &lab_listener,
                                                   &sleeper,    &aware,      &lab_workers, &aimd,       &adaptive};
    return index < sizeof all / sizeof all[0] ? all[index] : NULL;
}
