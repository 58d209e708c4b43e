/*
 * stage_job.c - one stage from settings to summary.
 */
#include "stage_job.h"

#include "commands.h"
#include "print.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- who is listed ---- */

static bool set_text(json_t *object, const char *name, const char *text)
{
    return text == NULL || text[0] == '\0' || json_object_set_new(object, name, print_name(text)) == 0;
}

static json_int_t record_of(const json_t *finding)
{
    return json_integer_value(json_object_get(finding, "record"));
}

static void on_found(void *context, const struct onramp_ledger_entry *entry, enum onramp_result result,
                     const char *message)
{
    struct stage_job *job = context;
    if (!job->words[result].listed)
        return;
    json_t *finding = json_pack("{s:s, s:I}", "finding", job->words[result].name, "record", (json_int_t)entry->record);
    bool good = finding != NULL && set_text(finding, "email", entry->identity.email) &&
                set_text(finding, "username", entry->identity.username) &&
                set_text(finding, "phone_number", entry->identity.phone_number) &&
                set_text(finding, "user_id", entry->user_id) && set_text(finding, "message", message);
    size_t at = json_array_size(job->findings); /* in the order of the records */
    while (at > 0 && record_of(json_array_get(job->findings, at - 1)) > (json_int_t)entry->record)
        at--;
    if (!good || json_array_insert(job->findings, at, finding) != 0)
        console_log(&job->console, ONRAMP_LOG_WARN, "out of memory: not everybody is listed");
    json_decref(finding);
}

/* ---- opening ---- */

/* What the settings do not say, the ledger does. */
static enum onramp_status name_target(struct stage_job *job, const char **connection, struct onramp_error *err)
{
    struct onramp_ledger_run last;
    bool any = onramp_ledger_last(job->ledger, &last);
    job->domain = job->settings->domain;
    *connection = job->settings->connection;
    if (!any)
        return onramp_fail(err, ONRAMP_EUSAGE, "ledger '%s' is empty", job->settings->ledger);
    if (*connection == NULL)
        *connection = last.connection;
    return job->domain.name[0] == '\0' ? domain_parse(&job->domain, last.domain, err) : ONRAMP_OK;
}

static enum onramp_status open_all(struct stage_job *job, struct onramp_error *err)
{
    const struct settings *s = job->settings;
    if (s->ledger == NULL)
        return onramp_fail(err, ONRAMP_EUSAGE, "no ledger: give one as an argument, or set ONRAMP_LEDGER");
    if (access(s->ledger, F_OK) != 0 && errno == ENOENT)
        return onramp_fail(err, ONRAMP_EUSAGE, "there is no ledger '%s'", s->ledger);
    enum onramp_status st = reach_check(s, job->token, err);
    if (st == ONRAMP_OK && !reach_export_proxies(s))
        st = onramp_fail(err, ONRAMP_ENOMEM, "out of memory");
    if (st == ONRAMP_OK)
        st = job->writes ? onramp_ledger_open(&job->ledger, s->ledger, NULL, err)
                         : onramp_ledger_read(&job->ledger, s->ledger, err);
    if (st != ONRAMP_OK)
        return st;
    if (job->writes)
        reach_tell_ledger(job->ledger, &job->console);
    job->settings_json = settings_json(&settings_table, job->command, s);
    job->findings = json_array();
    if (job->settings_json == NULL || job->findings == NULL)
        return onramp_fail(err, ONRAMP_ENOMEM, "out of memory");
    return ONRAMP_OK;
}

static enum onramp_status run(struct stage_job *job, struct onramp_stage_summary *summary, struct onramp_error *err)
{
    const char *connection;
    enum onramp_status st = name_target(job, &connection, err);
    struct reach_network network = {.domain = &job->domain,
                                    .cacert = job->settings->cacert,
                                    .proxy = job->settings->proxy,
                                    .concurrency = (uint32_t)job->settings->concurrency};
    if (st == ONRAMP_OK)
        st = reach_open(&job->pool, &network, err);
    if (st != ONRAMP_OK)
        return st;
    struct onramp_target target = reach_target(job->settings, &job->domain, connection);
    struct onramp_observer observer = reach_observer(&job->talk);
    struct onramp_stage_setup setup = {.target = &target,
                                       .transport = &job->pool,
                                       .ledger = job->ledger,
                                       .settings_json = job->settings_json,
                                       .observer = &observer,
                                       .found = on_found,
                                       .found_context = job};
    return job->run(job->self, &setup, summary, err);
}

/* ---- telling ---- */

static void put_finding(const json_t *finding)
{
    static const char *const names[] = {"email", "username", "phone_number", "user_id"};
    const char *who = NULL, *message = json_string_value(json_object_get(finding, "message"));
    for (size_t i = 0; i < sizeof names / sizeof names[0] && who == NULL; i++)
        who = json_string_value(json_object_get(finding, names[i]));
    const char *user_id = json_string_value(json_object_get(finding, "user_id"));
    printf("  %s: record %" JSON_INTEGER_FORMAT ", ", json_string_value(json_object_get(finding, "finding")),
           record_of(finding));
    print_clean(stdout, who != NULL ? who : "without a name");
    if (user_id != NULL && user_id != who) {
        fputs(" (", stdout);
        print_clean(stdout, user_id);
        putchar(')');
    }
    if (message != NULL) {
        fputs(": ", stdout);
        print_clean(stdout, message);
    }
    putchar('\n');
}

void stage_job_text(const struct stage_job *job, const struct onramp_stage_summary *summary)
{
    printf("%" PRIu64 " user%s that ", summary->users, print_plural(summary->users));
    print_clean(stdout, job->settings->ledger);
    printf(" says %s created\n\n", summary->users == 1 ? "was" : "were");
    if (summary->before > 0)
        printf("  %-12s %8" PRIu64 "\n", "done before", summary->before);
    for (int i = 0; i < ONRAMP_RESULTS; i++)
        if (job->words[i].name != NULL && (i == ONRAMP_RESULT_DONE || summary->counts[i] > 0))
            printf("  %-12s %8" PRIu64 "\n", job->words[i].name, summary->counts[i]);
    if (summary->unsent > 0)
        printf("  %-12s %8" PRIu64 "\n", "not sent", summary->unsent);
    printf("\n  %-12s %8" PRIu64 ", %" PRIu64 " throttled\n  %-12s %8.1f s\n", "requests", summary->requests,
           summary->throttled, "time", summary->seconds);
    if (json_array_size(job->findings) > 0)
        putchar('\n');
    size_t i;
    json_t *finding;
    json_array_foreach(job->findings, i, finding) put_finding(finding);
    if (job->note != NULL)
        printf("\n%s\n", job->note);
    if (summary->exit == EXIT_AGAIN || summary->exit == EXIT_INTERRUPTED)
        printf("\n%s: run the same command again%s.\n", summary->exit == EXIT_AGAIN ? "Not finished" : "Interrupted",
               job->writes ? ", what is done is not done twice" : "");
}

json_t *stage_job_json(const struct stage_job *job, const struct onramp_stage_summary *summary)
{
    json_t *object =
        json_pack("{s:s, s:s?, s:o, s:I, s:I}", "command", job->name, "run",
                  summary->run[0] != '\0' ? summary->run : NULL, "ledger", print_name(job->settings->ledger), "users",
                  (json_int_t)summary->users, "before", (json_int_t)summary->before);
    bool good = object != NULL;
    for (int i = 0; i < ONRAMP_RESULTS && good; i++)
        if (job->words[i].name != NULL)
            good = json_object_set_new(object, job->words[i].name, json_integer((json_int_t)summary->counts[i])) == 0;
    json_t *rest = json_pack("{s:I, s:I, s:I, s:f, s:i, s:O}", "unsent", (json_int_t)summary->unsent, "requests",
                             (json_int_t)summary->requests, "throttled", (json_int_t)summary->throttled, "seconds",
                             summary->seconds, "exit", summary->exit, "findings", job->findings);
    good = good && rest != NULL && json_object_update(object, rest) == 0;
    json_decref(rest);
    if (!good) {
        json_decref(object);
        return NULL;
    }
    return object;
}

static void tell(const struct stage_job *job, const struct onramp_stage_summary *summary)
{
    if (!job->settings->json) {
        stage_job_text(job, summary);
        return;
    }
    struct onramp_error err = {0};
    if (print_json(stdout, stage_job_json(job, summary), "summary", &err) != ONRAMP_OK)
        console_error(err.text);
}

int stage_job_run(struct stage_job *job)
{
    struct onramp_stage_summary summary = {.exit = 0};
    struct onramp_error err = {0};
    struct console_settings talk = reach_console(job->settings);
    console_begin(&job->console, &talk);
    job->talk = (struct reach_talk){.console = &job->console, .yes = job->settings->yes};
    enum onramp_status st = open_all(job, &err);
    bool opened = st == ONRAMP_OK;
    if (opened)
        st = run(job, &summary, &err);
    console_end(&job->console);
    if (summary.exit == 0)
        summary.exit = reach_exit(st, summary.requests > 0);
    if (st != ONRAMP_OK)
        console_log(&job->console, ONRAMP_LOG_ERROR, err.text);
    if (opened && (st == ONRAMP_OK || summary.requests > 0))
        tell(job, &summary);
    if (job->pool.ops != NULL)
        job->pool.ops->close(job->pool.self);
    onramp_ledger_close(job->ledger);
    free(job->settings_json);
    json_decref(job->findings);
    return summary.exit;
}
