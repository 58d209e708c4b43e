/*
 * run.c - how a run begins and ends.
 */
#include "run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BACKOFF_BASE (500 * ONRAMP_MILLISECOND)
#define BACKOFF_CAP  (30 * ONRAMP_SECOND)

int64_t onramp_run_wall(const struct onramp_run *r)
{
    return r->transport->ops->wall(r->transport->self);
}

void onramp_job_forget(struct onramp_job *job)
{
    onramp_user_clear(&job->user);
    onramp_secret_free(job->body);
    *job = (struct onramp_job){0};
}

/* ---- stopping ---- */

/* The first reason counts. What is in flight lands, nothing more leaves. */
void onramp_run_stop(struct onramp_run *r, enum onramp_stop stop, enum onramp_status status, const char *reason)
{
    if (r->stop != ONRAMP_STOP_NOT)
        return;
    r->stop = stop;
    r->status = status;
    (void)snprintf(r->summary->reason, sizeof r->summary->reason, "%s", reason);
    onramp_scheduler_drain(r->scheduler);
}

/* The same for a reason that r->err has the text of. */
void onramp_run_fail(struct onramp_run *r, enum onramp_stop stop, enum onramp_status status)
{
    onramp_run_stop(r, stop, status, r->err->text);
}

/* ---- the beginning ---- */

static void name_run(struct onramp_run *r)
{
    struct onramp_rng rng;
    onramp_rng_init(&rng, r->settings->seed);
    uint64_t a = onramp_rng_next(&rng), b = onramp_rng_next(&rng);
    (void)snprintf(r->summary->run, sizeof r->summary->run, "%08x-%04x-4%03x-%04x-%012llx", (unsigned)(a >> 32),
                   (unsigned)(a >> 16 & 0xffff), (unsigned)(a & 0xfff), (unsigned)(0x8000 | (b >> 48 & 0x3fff)),
                   (unsigned long long)(b & UINT64_C(0xffffffffffff)));
}

static void say_dropped(struct onramp_run *r)
{
    char names[300] = "";
    const char *name;
    for (unsigned bit = 0; (name = onramp_user_dropped_name(bit)) != NULL; bit++)
        if (r->census.dropped & (1u << bit) && strlen(names) + strlen(name) + 3 < sizeof names) {
            strcat(names, names[0] != '\0' ? ", " : "");
            strcat(names, name);
        }
    if (names[0] != '\0')
        onramp_session_log(&r->session, ONRAMP_LOG_INFO, "left out, since Auth0 writes them itself: %s", names);
}

enum onramp_status onramp_run_init(struct onramp_run *r)
{
    const struct onramp_upload_settings *settings = r->settings;
    name_run(r);
    r->rules = (struct onramp_user_rules){.connection = settings->connection, .mail = settings->verification_mail};
    r->job_count = 2 * settings->pacing.concurrency + 32;
    r->jobs = calloc(r->job_count, sizeof *r->jobs);
    r->departing = calloc(r->job_count, sizeof *r->departing);
    if (r->jobs == NULL || r->departing == NULL)
        return onramp_fail(r->err, ONRAMP_ENOMEM, "out of memory");
    r->now = r->started_at = r->transport->ops->now(r->transport->self);
    enum onramp_status st = onramp_pacer_new(&r->pacer, &settings->pacing, r->now, r->err);
    if (st != ONRAMP_OK)
        return st;
    struct onramp_scheduler_settings schedule = {.jobs = r->job_count,
                                                 .backoff_base = BACKOFF_BASE,
                                                 .backoff_cap = BACKOFF_CAP,
                                                 .seed = settings->seed ^ UINT64_C(0x5c4ed)};
    onramp_session_init(&r->session, settings, r->transport, r->observer, r->pacer);
    return onramp_scheduler_new(&r->scheduler, &schedule, r->pacer, r->err);
}

void onramp_run_clear(struct onramp_run *r)
{
    for (uint32_t id = 0; r->jobs != NULL && id < r->job_count; id++)
        onramp_job_forget(&r->jobs[id]);
    onramp_scheduler_free(r->scheduler);
    if (r->pacer != NULL)
        onramp_session_clear(&r->session);
    onramp_pacer_free(r->pacer);
    onramp_census_clear(&r->census);
    free(r->departing);
    free(r->jobs);
}

static struct onramp_ledger_run run_line(const struct onramp_run *r)
{
    return (struct onramp_ledger_run){.at = onramp_run_wall(r),
                                      .run = r->summary->run,
                                      .input_path = r->settings->input_path,
                                      .input_sha256 = r->source->ops->digest(r->source->self),
                                      .input_records = r->census.records,
                                      .domain = r->settings->domain,
                                      .connection = r->settings->connection,
                                      .settings = r->settings->settings_json};
}

/* Nothing is sent before the whole file is read, the ledger fits it, and the tenant has been asked about the
 * connection. */
enum onramp_status onramp_run_prepare(struct onramp_run *r)
{
    enum onramp_status st =
        onramp_census_take(&r->census, r->source, &r->rules, r->settings->max_users, r->ledger, r->err);
    if (st != ONRAMP_OK)
        return st;
    r->summary->records = r->census.records;
    r->to_feed = r->census.sendable;
    say_dropped(r);
    if (r->ledger != NULL) {
        struct onramp_ledger_run line = run_line(r);
        st = onramp_ledger_match(r->ledger, &line, r->err);
    }
    if (st != ONRAMP_OK || r->settings->dry_run)
        return st;
    if (r->census.mails > 0)
        onramp_session_log(&r->session, ONRAMP_LOG_WARN, "Auth0 will send %llu verification mails",
                           (unsigned long long)r->census.mails);
    if (r->census.sendable > 0)
        st = onramp_session_open(&r->session, r->err);
    if (st != ONRAMP_OK)
        return st;
    struct onramp_ledger_run line = run_line(r);
    return onramp_ledger_begin(r->ledger, &line, r->err);
}

/* The exit code of a run that did not begin. */
int onramp_run_early_exit(const struct onramp_run *r, enum onramp_status status)
{
    if (r->session.interrupted)
        return 130;
    switch (status) {
    case ONRAMP_EAUTH:
        return 4;
    case ONRAMP_EINPUT:
    case ONRAMP_EREFUSED:
    case ONRAMP_ENET:
        return 3;
    default:
        return 2;
    }
}

/* ---- on the way ---- */

void onramp_run_report(struct onramp_run *r)
{
    if (r->observer->progress == NULL)
        return;
    struct onramp_progress p = {.records = r->census.records,
                                .before = r->before,
                                .elapsed = r->now - r->started_at,
                                .remaining = ONRAMP_NEVER,
                                .reason = onramp_pacer_reason(r->pacer)};
    for (int i = 0; i < ONRAMP_OUTCOMES; i++)
        p.settled += p.counts[i] = r->summary->counts[i];
    onramp_pacer_view(r->pacer, r->now, &p.pacer);
    double left = (double)(p.records > p.settled ? p.records - p.settled : 0);
    if (p.pacer.known && p.pacer.per_second > 0) {
        double refill = left - p.pacer.level_low;
        p.remaining = refill > 0 ? (onramp_span)(refill / p.pacer.per_second * (double)ONRAMP_SECOND) : 0;
    }
    r->observer->progress(r->observer->context, &p);
}

/* ---- the end ---- */

static int exit_code(const struct onramp_run *r)
{
    const uint64_t *n = r->summary->counts;
    switch (r->stop) {
    case ONRAMP_STOP_INTERRUPTED:
        return 130;
    case ONRAMP_STOP_GAVE_UP:
    case ONRAMP_STOP_DISK:
        return 5;
    case ONRAMP_STOP_REFUSED:
    case ONRAMP_STOP_INPUT:
        return 3;
    case ONRAMP_STOP_UNAUTHORIZED:
        return 4;
    case ONRAMP_STOP_NOT:
        break;
    }
    if (n[ONRAMP_FAILED] + n[ONRAMP_UNKNOWN] > 0)
        return 5;
    return n[ONRAMP_INVALID] + n[ONRAMP_DUPLICATE] + n[ONRAMP_REJECTED] > 0 ? 1 : 0;
}

static void sum_up(struct onramp_run *r)
{
    struct onramp_summary *s = r->summary;
    uint64_t told = 0;
    for (int i = 0; i < ONRAMP_OUTCOMES; i++)
        told += s->counts[i];
    s->records = r->census.records;
    s->unsent = s->records > told ? s->records - told : 0;
    s->seconds = (double)(r->transport->ops->now(r->transport->self) - r->started_at) / (double)ONRAMP_SECOND;
    s->exit = exit_code(r);
    struct onramp_pacer_view view;
    onramp_pacer_view(r->pacer, r->now, &view);
    s->has_least = view.has_least;
    s->least_remaining = view.least_remaining;
    s->has_limit = view.known;
    s->limit_burst = view.burst;
    s->limit_per_second = view.per_second;
    s->requests = view.sent;
    s->throttled = view.throttled;
}

static enum onramp_status close_ledger(struct onramp_run *r)
{
    const struct onramp_summary *s = r->summary;
    struct onramp_ledger_end line = {.at = onramp_run_wall(r),
                                     .reason = s->reason,
                                     .requests = s->requests,
                                     .throttled = s->throttled,
                                     .has_least = s->has_least,
                                     .least_remaining = s->least_remaining,
                                     .seconds = s->seconds};
    memcpy(line.counts, s->counts, sizeof line.counts);
    enum onramp_status st = onramp_ledger_end(r->ledger, &line, r->err);
    return st == ONRAMP_OK ? onramp_ledger_sync(r->ledger, r->err) : st;
}

enum onramp_status onramp_run_end(struct onramp_run *r)
{
    if (r->stop == ONRAMP_STOP_NOT)
        (void)snprintf(r->summary->reason, sizeof r->summary->reason, "finished");
    sum_up(r);
    if (r->ledger == NULL || r->stop == ONRAMP_STOP_DISK)
        return r->status;
    struct onramp_error first = *r->err; /* what stopped the run says more than a ledger that fails at its end */
    enum onramp_status st = close_ledger(r);
    if (st != ONRAMP_OK) {
        r->summary->exit = 5;
        return r->status != ONRAMP_OK ? r->status : st;
    }
    *r->err = first;
    return r->status;
}
