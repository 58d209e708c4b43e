/*
 * job.c - one upload from settings to summary.
 */
#include "job.h"

#include "print.h"
#include "reach.h"
#include "summary.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define TOLD_MAX 10

/* What is open during a run. */
struct open_job {
    const struct job *job;
    struct reach_talk talk;
    struct onramp_source source;
    struct onramp_ledger *ledger;
    struct onramp_sealer *sealer;
    struct onramp_transport pool;
    char *settings_json;
    unsigned told; /* users named in warnings */
    struct summary_examples examples;
};

/* What the job says of tenant, credentials and plan goes before the settings: a demo has its own. */
static struct onramp_target target_of(const struct job *job)
{
    struct onramp_target target = reach_target(job->settings, job->domain, job->connection);
    target.access = job->access;
    if (job->tier >= 0) {
        struct onramp_limit limit = onramp_tier_create_limit(onramp_tier_at((size_t)job->tier));
        target.pacing.hint = limit.rate;
        target.pacing.hint_burst = limit.burst;
    }
    return target;
}

static enum onramp_status open_all(struct open_job *open_job, struct onramp_error *err)
{
    const struct job *job = open_job->job;
    enum onramp_status st = onramp_source_open(&open_job->source, job->file, err);
    if (st != ONRAMP_OK)
        return st;
    if (job->ledger != NULL)
        st = onramp_ledger_open(&open_job->ledger, job->ledger, NULL, err);
    if (st == ONRAMP_OK && job->ledger != NULL && job->sealed != NULL)
        st = onramp_sealer_open(&open_job->sealer, job->sealed, job->seal_to, NULL, err);
    if (st != ONRAMP_OK)
        return st;
    if (open_job->ledger != NULL)
        reach_tell_ledger(open_job->ledger, open_job->talk.console);
    struct reach_network network = {.domain = job->domain,
                                    .cacert = job->cacert,
                                    .proxy = job->proxy,
                                    .concurrency = (uint32_t)job->settings->concurrency};
    st = reach_open(&open_job->pool, &network, err);
    if (st != ONRAMP_OK)
        return st;
    open_job->settings_json = settings_json(&settings_table, job->command, job->settings);
    return open_job->settings_json != NULL ? ONRAMP_OK : onramp_fail(err, ONRAMP_ENOMEM, "out of memory");
}

static bool is_empty(const char *path)
{
    struct stat file;
    return stat(path, &file) == 0 && file.st_size == 0;
}

/* A run that was refused before it began leaves no empty file behind. It is still locked: nobody else writes it. */
static void drop_empty(const char *path)
{
    if (is_empty(path))
        (void)unlink(path);
}

static void close_all(struct open_job *open_job)
{
    if (open_job->ledger != NULL)
        drop_empty(open_job->job->ledger);
    if (open_job->sealer != NULL)
        drop_empty(open_job->job->sealed);
    free(open_job->settings_json);
    summary_examples_clear(&open_job->examples);
    if (open_job->pool.ops != NULL)
        open_job->pool.ops->close(open_job->pool.self);
    onramp_sealer_close(open_job->sealer);
    onramp_ledger_close(open_job->ledger);
    if (open_job->source.ops != NULL)
        open_job->source.ops->close(open_job->source.self);
}

/* Somebody for whom what follows the creates could not be done. The ledger has them all. */
static void on_followed(void *context, const struct onramp_ledger_entry *entry, enum onramp_result result,
                        const char *message)
{
    struct open_job *open_job = context;
    char line[600];
    if (result == ONRAMP_RESULT_DONE || ++open_job->told > TOLD_MAX)
        return;
    const char *who = entry->user_id != NULL ? entry->user_id : print_who(&entry->identity);
    (void)snprintf(line, sizeof line, "record %llu, %s: %s: %s", (unsigned long long)entry->record, who,
                   onramp_result_name(result), message);
    console_log(open_job->talk.console, ONRAMP_LOG_WARN, line);
    if (open_job->told == TOLD_MAX)
        console_log(open_job->talk.console, ONRAMP_LOG_WARN, "… if there are more, they are in the ledger");
}

static enum onramp_status upload(struct open_job *open_job, struct onramp_summary *summary, struct onramp_error *err)
{
    const struct job *job = open_job->job;
    const struct settings *s = job->settings;
    struct onramp_after after = job->after != NULL ? *job->after : (struct onramp_after){0};
    after.found = on_followed;
    after.found_context = open_job;
    struct onramp_upload_settings settings = {
        .target = target_of(job),
        .input_path = job->file,
        .settings_json = open_job->settings_json,
        .max_users = job->max_users,
        .verification_mail = (enum onramp_verification_mail)s->verification_mail,
        .password_length = (uint32_t)s->password_length,
        .sealer = open_job->sealer,
        .dry_run = job->ledger == NULL,
        .after = &after,
        .no_preflight = s->no_preflight,
        .missed = summary_missed,
        .missed_context = &open_job->examples,
    };
    struct onramp_observer observer = reach_observer(&open_job->talk);
    return onramp_upload(&settings, &open_job->source, &open_job->pool, open_job->ledger, &observer, summary, err);
}

int job_run(const struct job *job, struct console *console)
{
    struct open_job open_job = {.job = job, .talk = {.console = console, .yes = job->settings->yes}};
    struct onramp_summary summary = {.exit = 0};
    struct onramp_error err = {0}, json_err = {0};
    bool ran = false;
    enum onramp_status st = open_all(&open_job, &err);
    if (st == ONRAMP_OK) {
        st = upload(&open_job, &summary, &err);
        ran = true;
    }
    console_end(console);
    if (summary.exit == 0)
        summary.exit = reach_exit(st, summary.requests > 0);
    if (st != ONRAMP_OK)
        console_log(console, ONRAMP_LOG_ERROR, err.text);
    if (ran && job->settings->json) {
        if (summary_json(stdout, &summary, job->fleeting ? NULL : job->ledger, &json_err) != ONRAMP_OK)
            console_log(console, ONRAMP_LOG_ERROR, json_err.text);
    } else if (ran && (st == ONRAMP_OK || summary.requests > 0)) {
        struct summary_names names = {.input = job->title,
                                      .ledger = job->fleeting ? NULL : job->ledger,
                                      .sealed = job->sealed != NULL && !is_empty(job->sealed) ? job->sealed : NULL,
                                      .examples = &open_job.examples,
                                      .dry_run = job->ledger == NULL};
        summary_text(stdout, &summary, &names);
    }
    close_all(&open_job);
    return summary.exit;
}
