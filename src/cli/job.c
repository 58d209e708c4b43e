/*
 * job.c - one upload from settings to summary.
 */
#include "job.h"

#include "commands.h"
#include "signals.h"
#include "summary.h"

#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* What is open during a run. */
struct open_job {
    const struct job *job;
    struct console *console;
    struct onramp_source source;
    struct onramp_ledger *ledger;
    struct onramp_transport pool;
    char *settings_json;
    bool told; /* that a signal has come */
};

static void on_progress(void *context, const struct onramp_progress *progress)
{
    struct open_job *open_job = context;
    console_progress(open_job->console, progress, console_now());
}

static void on_log(void *context, enum onramp_level level, const char *line)
{
    struct open_job *open_job = context;
    console_log(open_job->console, level, line);
}

static bool on_stopping(void *context)
{
    struct open_job *open_job = context;
    if (!signals_stopping())
        return false;
    if (!open_job->told)
        console_log(open_job->console, ONRAMP_LOG_WARN,
                    "stopping: what is in flight lands first; a second signal leaves at once");
    open_job->told = true;
    return true;
}

/* Jitter and correlation ids of two runs must differ; nothing secret comes of it. */
static uint64_t fresh_seed(void)
{
    uint64_t seed = 0;
    int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
    if (fd < 0 || read(fd, &seed, sizeof seed) != (ssize_t)sizeof seed)
        seed = (uint64_t)time(NULL) * UINT64_C(1000003) ^ (uint64_t)console_now() ^ (uint64_t)getpid();
    if (fd >= 0)
        (void)close(fd);
    return seed;
}

static struct onramp_pacer_settings pacing(const struct job *job)
{
    const struct settings *s = job->settings;
    struct onramp_pacer_settings pacing = {.concurrency = (uint32_t)s->concurrency,
                                           .reserve_tokens = s->reserve.tokens,
                                           .reserve_percent = s->reserve.percent,
                                           .ceiling = s->rate,
                                           .ceiling_burst = (uint32_t)s->burst};
    if (job->tier >= 0) {
        struct onramp_limit limit = onramp_tier_create_limit(onramp_tier_at((size_t)job->tier));
        pacing.hint = limit.rate;
        pacing.hint_burst = limit.burst;
    }
    return pacing;
}

static enum onramp_status open_all(struct open_job *open_job, struct onramp_error *err)
{
    const struct job *job = open_job->job;
    enum onramp_status st = onramp_source_open(&open_job->source, job->file, err);
    if (st != ONRAMP_OK)
        return st;
    if (job->ledger != NULL)
        st = onramp_ledger_open(&open_job->ledger, job->ledger, NULL, err);
    if (st != ONRAMP_OK)
        return st;
    if (open_job->ledger != NULL && onramp_ledger_repaired(open_job->ledger) > 0)
        console_log(open_job->console, ONRAMP_LOG_WARN,
                    "an earlier run left half a line at the end of the ledger; it was cut off");
    struct onramp_pool_settings pool = {.base = job->domain->base,
                                        .ca_file = job->cacert,
                                        .proxy = job->proxy,
                                        .client_name = "onramp/" ONRAMP_VERSION,
                                        .concurrency = (uint32_t)job->settings->concurrency,
                                        .wake_fd = signals_fd()};
    st = onramp_pool_open(&open_job->pool, &pool, err);
    if (st != ONRAMP_OK)
        return st;
    open_job->settings_json = settings_json(&settings_table, job->command, job->settings);
    return open_job->settings_json != NULL ? ONRAMP_OK : onramp_fail(err, ONRAMP_ENOMEM, "out of memory");
}

static void close_all(struct open_job *open_job)
{
    free(open_job->settings_json);
    if (open_job->pool.ops != NULL)
        open_job->pool.ops->close(open_job->pool.self);
    onramp_ledger_close(open_job->ledger);
    if (open_job->source.ops != NULL)
        open_job->source.ops->close(open_job->source.self);
}

static enum onramp_status upload(struct open_job *open_job, struct onramp_summary *summary, struct onramp_error *err)
{
    const struct job *job = open_job->job;
    const struct settings *s = job->settings;
    struct onramp_upload_settings settings = {
        .target = {.domain = job->domain->name,
                   .connection = job->connection,
                   .access = job->access,
                   .custom_domain = s->custom_domain,
                   .pacing = pacing(job),
                   .timeout = s->timeout,
                   .max_attempts = (uint32_t)s->max_attempts,
                   .give_up_after = s->give_up_after,
                   .seed = fresh_seed()},
        .input_path = job->file,
        .settings_json = open_job->settings_json,
        .max_users = job->max_users,
        .verification_mail = (enum onramp_verification_mail)s->verification_mail,
        .password_length = (uint32_t)s->password_length,
        .dry_run = job->ledger == NULL,
    };
    struct onramp_observer observer = {.context = open_job,
                                       .progress = on_progress,
                                       .log = on_log,
                                       .stopping = on_stopping,
                                       .debug = open_job->console->level >= ONRAMP_LOG_DEBUG};
    return onramp_upload(&settings, &open_job->source, &open_job->pool, open_job->ledger, &observer, summary, err);
}

/* For what went wrong without the run itself having said so. */
static int exit_code(enum onramp_status status, const struct onramp_summary *summary)
{
    bool sent = summary->requests > 0;
    switch (status) {
    case ONRAMP_OK:
        return EXIT_ALL_WELL;
    case ONRAMP_EINPUT:
    case ONRAMP_EREFUSED:
        return EXIT_REFUSED;
    case ONRAMP_EAUTH:
        return EXIT_CREDENTIALS;
    case ONRAMP_ENET:
        return sent ? EXIT_AGAIN : EXIT_REFUSED;
    case ONRAMP_EIO:
    case ONRAMP_ENOMEM:
        return sent ? EXIT_AGAIN : EXIT_USAGE;
    case ONRAMP_EUSAGE:
    case ONRAMP_ELOCKED:
    case ONRAMP_ECORRUPT:
    case ONRAMP_EMISMATCH:
        return EXIT_USAGE;
    }
    return EXIT_USAGE;
}

int job_run(const struct job *job, struct console *console)
{
    struct open_job open_job = {.job = job, .console = console};
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
        summary.exit = exit_code(st, &summary);
    if (st != ONRAMP_OK)
        console_log(console, ONRAMP_LOG_ERROR, err.text);
    if (ran && job->settings->json) {
        if (summary_json(stdout, &summary, job->ledger, &json_err) != ONRAMP_OK)
            console_log(console, ONRAMP_LOG_ERROR, json_err.text);
    } else if (ran && (st == ONRAMP_OK || summary.requests > 0)) {
        struct summary_names names = {.input = job->title,
                                      .ledger = job->fleeting ? NULL : job->ledger,
                                      .record = open_job.ledger,
                                      .dry_run = job->ledger == NULL};
        summary_text(stdout, &summary, &names);
    }
    close_all(&open_job);
    return summary.exit;
}
