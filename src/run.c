/*
 * run.c - how a run begins and ends.
 */
#include "run.h"

#include "after.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TELLING 10 /* records, whose pace tells when the rest is done */

void onramp_job_forget(struct onramp_job *job)
{
    onramp_user_clear(&job->user);
    onramp_secret_free(job->password);
    onramp_secret_free(job->body);
    *job = (struct onramp_job){0};
}

/* ---- the beginning ---- */

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
        onramp_session_log(&r->engine.session, ONRAMP_LOG_INFO,
                           "left out of the requests, as read-only or overruled by a setting: %s", names);
}

enum onramp_status onramp_run_init(struct onramp_run *r, const struct onramp_lane_ops *ops,
                                   const struct onramp_transport *transport, const struct onramp_observer *observer)
{
    const struct onramp_upload_settings *settings = r->settings;
    r->rules =
        (struct onramp_user_rules){.connection = settings->target.connection, .mail = settings->verification_mail};
    enum onramp_status st = onramp_engine_init(&r->engine, &settings->target, transport, observer, r->err);
    if (st == ONRAMP_OK)
        st = onramp_engine_add(&r->lane, &r->engine, ops, r, ONRAMP_GROUP_CREATE, NULL);
    if (st != ONRAMP_OK)
        return st;
    onramp_engine_name_run(&r->engine, r->summary->run, sizeof r->summary->run);
    r->jobs = calloc(r->engine.job_count, sizeof *r->jobs);
    return r->jobs != NULL ? ONRAMP_OK : onramp_fail(r->err, ONRAMP_ENOMEM, "out of memory");
}

void onramp_run_clear(struct onramp_run *r)
{
    for (uint32_t id = 0; r->jobs != NULL && id < r->engine.job_count; id++)
        onramp_job_forget(&r->jobs[id]);
    onramp_engine_clear(&r->engine);
    onramp_census_clear(&r->census);
    free(r->jobs);
}

static struct onramp_ledger_run run_line(const struct onramp_run *r)
{
    return (struct onramp_ledger_run){.at = onramp_engine_wall(&r->engine),
                                      .run = r->summary->run,
                                      .input_path = r->settings->input_path,
                                      .input_sha256 = r->source->ops->digest(r->source->self),
                                      .input_records = r->census.records,
                                      .domain = r->settings->target.domain,
                                      .connection = r->settings->target.connection,
                                      .settings = r->settings->settings_json};
}

bool onramp_run_stands(const struct onramp_run *r, const struct onramp_ledger_entry *entry)
{
    return onramp_census_stands(entry, r->source->ops->digest(r->source->self));
}

static enum onramp_status count_records(struct onramp_run *r, const char *digest)
{
    onramp_census_clear(&r->census);
    enum onramp_status st =
        onramp_census_take(&r->census, r->source, &r->rules, r->settings->max_users, r->ledger, digest, r->err);
    if (st == ONRAMP_OK && r->ledger != NULL)
        st = onramp_census_find_strays(&r->census, r->ledger, r->err);
    r->summary->records = r->census.records;
    r->to_feed = r->census.sendable + r->census.stray_count;
    return st;
}

/* Only a file that was read to its end can be told from the one that earlier runs had. */
static enum onramp_status count_again(struct onramp_run *r)
{
    return count_records(r, r->source->ops->digest(r->source->self));
}

/* What the tenant says of the connection can refuse records. */
static enum onramp_status meet_tenant(struct onramp_run *r)
{
    struct onramp_session *session = &r->engine.session;
    enum onramp_status st = onramp_session_open(session, !r->settings->no_preflight, r->err);
    if (st == ONRAMP_OK)
        st = onramp_after_check(r);
    if (st != ONRAMP_OK || !session->connection_known)
        return st;
    r->rules.database = &session->connection;
    return count_again(r);
}

static void say_mails(struct onramp_run *r)
{
    unsigned long long verifications = r->census.mails, mails = verifications + onramp_after_mails(r);
    if (mails > 0)
        onramp_session_log(&r->engine.session, ONRAMP_LOG_WARN,
                           "this run makes Auth0 send %llu mail%s, %llu of them for verification", mails,
                           mails == 1 ? "" : "s", verifications);
    else if (r->census.sendable > 0)
        onramp_session_log(&r->engine.session, ONRAMP_LOG_INFO, "this run makes Auth0 send no verification mails");
}

static enum onramp_status confirm_mails(struct onramp_run *r)
{
    const struct onramp_observer *observer = r->engine.observer;
    uint64_t mails = r->census.mails + onramp_after_mails(r);
    if (mails == 0 || observer->confirm_mails == NULL || observer->confirm_mails(observer->context, mails))
        return ONRAMP_OK;
    r->engine.session.interrupted = onramp_session_stopping(&r->engine.session);
    return onramp_fail(r->err, ONRAMP_EUSAGE, "%llu mails were not confirmed, nothing was sent: --yes confirms them%s",
                       (unsigned long long)mails,
                       r->census.mails > 0 ? ", --verification-mail no does without those of verification" : "");
}

/* Nothing is sent before the whole file is read, the ledger fits it, the tenant has been asked about the connection,
 * and the mails are what the user wants. */
enum onramp_status onramp_run_prepare(struct onramp_run *r)
{
    enum onramp_status st = count_records(r, NULL);
    if (st != ONRAMP_OK)
        return st;
    say_dropped(r);
    if (r->ledger != NULL) {
        struct onramp_ledger_run line = run_line(r);
        st = onramp_ledger_match(r->ledger, &line, r->err);
    }
    if (st == ONRAMP_OK && r->census.settled > 0)
        st = count_again(r);
    if (st == ONRAMP_OK && r->to_feed > 0 && !r->settings->dry_run)
        st = meet_tenant(r);
    if (st == ONRAMP_OK && !r->settings->dry_run)
        st = confirm_mails(r);
    if (st == ONRAMP_OK)
        say_mails(r);
    if (st != ONRAMP_OK || r->settings->dry_run)
        return st;
    st = onramp_after_open(r);
    if (st == ONRAMP_OK && r->to_feed == 0 && onramp_after_waits(r))
        st = onramp_after_check(r);
    if (st != ONRAMP_OK)
        return st;
    struct onramp_ledger_run line = run_line(r);
    return onramp_ledger_begin(r->ledger, &line, r->err);
}

/* ---- on the way ---- */

/* Until the end: by what the tenant has shown, never quicker than the user's own ceiling; where it shows nothing, by
 * what was done so far. */
static onramp_span remaining(const struct onramp_run *r, const struct onramp_progress *p)
{
    uint64_t left = p->records > p->settled ? p->records - p->settled : 0, done = p->settled - p->before;
    if (!p->pacer.known)
        return done >= TELLING ? (onramp_span)((double)p->elapsed * (double)left / (double)done) : ONRAMP_NEVER;
    if (p->pacer.per_second <= 0)
        return ONRAMP_NEVER;
    double refill = (double)left - p->pacer.level_low;
    onramp_span tenants = refill > 0 ? (onramp_span)(refill / p->pacer.per_second * (double)ONRAMP_SECOND) : 0;
    onramp_span own = onramp_engine_under(&r->settings->target.pacing.ceiling, left);
    return tenants > own ? tenants : own;
}

void onramp_run_report(struct onramp_run *r)
{
    if (r->engine.observer->progress == NULL)
        return;
    struct onramp_progress p = {.records = r->census.records,
                                .before = r->before,
                                .elapsed = r->engine.now - r->engine.started_at,
                                .reason = r->lane->waits};
    for (int i = 0; i < ONRAMP_OUTCOMES; i++)
        p.settled += p.counts[i] = r->summary->counts[i];
    onramp_pacer_view(r->engine.pacer, r->engine.now, &p.pacer);
    p.remaining = remaining(r, &p);
    r->engine.observer->progress(r->engine.observer->context, &p);
}

/* ---- the end ---- */

static int exit_code(const struct onramp_run *r)
{
    const uint64_t *n = r->summary->counts;
    switch (r->lane->stop) {
    case ONRAMP_STOP_INTERRUPTED:
        return 130;
    case ONRAMP_STOP_GAVE_UP:
    case ONRAMP_STOP_DISK:
        return 5;
    case ONRAMP_STOP_INPUT: /* it had been read to its end before the first create, so somebody has changed it since */
        return r->lane->requests > 0 ? 5 : 3;
    case ONRAMP_STOP_REFUSED:
        return 3;
    case ONRAMP_STOP_UNAUTHORIZED:
        return 4;
    case ONRAMP_STOP_NOT:
        break;
    }
    bool left = r->summary->unsent > 0 && !r->settings->dry_run;
    if (n[ONRAMP_FAILED] + n[ONRAMP_UNKNOWN] > 0 || left)
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
    s->doubtful = r->census.doubtful > r->doubts_met ? r->census.doubtful - r->doubts_met : 0;
    s->seconds = (double)(r->engine.transport->ops->now(r->engine.transport->self) - r->engine.started_at) /
                 (double)ONRAMP_SECOND;
    s->blind = !r->engine.session.may_ask;
    s->exit = exit_code(r);
    struct onramp_pacer_view view;
    onramp_pacer_view(r->engine.pacer, r->engine.now, &view);
    s->has_least = view.has_least;
    s->least_remaining = view.least_remaining;
    s->has_limit = view.known;
    s->limit_burst = view.burst;
    s->limit_per_second = view.per_second;
    s->others = onramp_pacer_others(r->engine.pacer);
    s->requests = view.sent;
    s->throttled = view.throttled;
    s->held_seconds = (double)r->engine.held / (double)ONRAMP_SECOND;
    s->exit = onramp_after_exit(r, s->exit);
    for (uint32_t i = 0; i < r->engine.lane_count; i++) {
        const struct onramp_lane *lane = &r->engine.lanes[i];
        bool apart = lane->pacer != r->engine.pacer;
        s->requests += apart ? lane->requests : 0;
        s->throttled += apart ? lane->throttled : 0;
    }
}

static enum onramp_status close_ledger(struct onramp_run *r)
{
    const struct onramp_summary *s = r->summary;
    struct onramp_ledger_end line = {.at = onramp_engine_wall(&r->engine),
                                     .reason = s->reason,
                                     .requests = s->requests,
                                     .throttled = s->throttled,
                                     .has_least = s->has_least,
                                     .least_remaining = s->least_remaining,
                                     .seconds = s->seconds,
                                     .has_limit = s->has_limit && s->limit_per_second > 0,
                                     .limit_burst = s->limit_burst,
                                     .limit_per_second = s->limit_per_second,
                                     .others = s->others};
    memcpy(line.counts, s->counts, sizeof line.counts);
    enum onramp_status st = onramp_ledger_end(r->ledger, &line, r->err);
    return st == ONRAMP_OK ? onramp_ledger_sync(r->ledger, r->err) : st;
}

/* The lane whose end is the run's: the first that was stopped. */
static const struct onramp_lane *decisive(const struct onramp_run *r)
{
    for (uint32_t i = 0; i < r->engine.lane_count; i++)
        if (r->engine.lanes[i].stop != ONRAMP_STOP_NOT)
            return &r->engine.lanes[i];
    return r->lane;
}

enum onramp_status onramp_run_end(struct onramp_run *r)
{
    const struct onramp_lane *lane = decisive(r);
    (void)snprintf(r->summary->reason, sizeof r->summary->reason, "%s",
                   lane->stop == ONRAMP_STOP_NOT ? "finished" : lane->reason);
    sum_up(r);
    struct onramp_error first = *r->err; /* what stopped the run says more than a ledger that fails at its end */
    enum onramp_status st = ONRAMP_OK;
    if (r->ledger != NULL && lane->stop != ONRAMP_STOP_DISK)
        st = close_ledger(r);
    if (st != ONRAMP_OK)
        r->summary->exit = 5;
    else
        *r->err = first;
    return lane->status != ONRAMP_OK ? lane->status : st;
}
