/*
 * reach.c - from settings to a tenant.
 */
#include "reach.h"

#include "commands.h"
#include "signals.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum onramp_status reach_check_target(const struct settings *s, struct onramp_error *err)
{
    if (s->domain.name[0] == '\0')
        return onramp_fail(err, ONRAMP_EUSAGE,
                           "no tenant: set AUTH0_DOMAIN, in the environment or in .env here, or give --domain");
    if (s->connection == NULL)
        return onramp_fail(err, ONRAMP_EUSAGE, "no connection: set AUTH0_DATABASE_NAME, or give --connection");
    return ONRAMP_OK;
}

enum onramp_status reach_check(const struct settings *s, bool token, struct onramp_error *err)
{
    if (s->client_secret != NULL && s->client_id == NULL)
        return onramp_fail(err, ONRAMP_EUSAGE, "AUTH0_CLIENT_SECRET is set, but not AUTH0_CLIENT_ID");
    if (s->token == NULL && s->client_id != NULL && s->client_secret == NULL)
        return onramp_fail(err, ONRAMP_EUSAGE, "AUTH0_CLIENT_ID is set, but not AUTH0_CLIENT_SECRET");
    if (token && s->token == NULL && s->client_secret == NULL)
        return onramp_fail(err, ONRAMP_EUSAGE,
                           "no credentials: set AUTH0_MNG_TOKEN, or AUTH0_CLIENT_ID and AUTH0_CLIENT_SECRET");
    if (s->burst > 0 && s->rate.tokens == 0)
        return onramp_fail(err, ONRAMP_EUSAGE, "--burst goes with --rate: how many at once under that ceiling");
    return ONRAMP_OK;
}

bool reach_export_proxies(const struct settings *s)
{
    return (s->https_proxy == NULL || setenv("HTTPS_PROXY", s->https_proxy, 1) == 0) &&
           (s->no_proxy == NULL || setenv("NO_PROXY", s->no_proxy, 1) == 0);
}

struct console_settings reach_console(const struct settings *s)
{
    return (struct console_settings){.level = (enum onramp_level)s->log_level,
                                     .quiet = s->quiet,
                                     .no_progress = s->no_progress,
                                     .json = s->log_json};
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

struct onramp_pacer_settings reach_pacing(const struct settings *s)
{
    return (struct onramp_pacer_settings){.concurrency = (uint32_t)s->concurrency,
                                          .reserve_tokens = s->reserve.tokens,
                                          .reserve_percent = s->reserve.percent,
                                          .ceiling = s->rate,
                                          .ceiling_burst = (uint32_t)s->burst};
}

struct onramp_target reach_target(const struct settings *s, const struct domain *domain, const char *connection)
{
    struct onramp_target target = {.domain = domain->name,
                                   .connection = connection,
                                   .access = {.token = s->token,
                                              .client_id = s->client_id,
                                              .client_secret = s->client_secret,
                                              .audience = s->audience},
                                   .custom_domain = s->custom_domain.name[0] != '\0' ? s->custom_domain.name : NULL,
                                   .pacing = reach_pacing(s),
                                   .timeout = s->timeout,
                                   .max_attempts = (uint32_t)s->max_attempts,
                                   .give_up_after = s->give_up_after,
                                   .seed = fresh_seed()};
    return target;
}

enum onramp_status reach_open(struct onramp_transport *pool, const struct reach_network *network,
                              struct onramp_error *err)
{
    struct onramp_pool_settings settings = {.base = network->domain->base,
                                            .ca_file = network->cacert,
                                            .proxy = network->proxy,
                                            .client_name = "onramp/" ONRAMP_VERSION,
                                            .concurrency = network->concurrency,
                                            .wake_fd = signals_fd()};
    return onramp_pool_open(pool, &settings, err);
}

static void on_progress(void *context, const struct onramp_progress *progress)
{
    struct reach_talk *talk = context;
    console_progress(talk->console, progress, console_now());
}

static void on_log(void *context, enum onramp_level level, const char *line)
{
    struct reach_talk *talk = context;
    console_log(talk->console, level, line);
}

static bool on_stopping(void *context)
{
    struct reach_talk *talk = context;
    if (!signals_stopping())
        return false;
    if (!talk->told)
        console_log(talk->console, ONRAMP_LOG_WARN,
                    "stopping: what is in flight lands first; a second signal leaves at once");
    talk->told = true;
    return true;
}

static bool on_confirm_mails(void *context, uint64_t mails)
{
    const struct reach_talk *talk = context;
    char question[100];
    (void)snprintf(question, sizeof question, "this run makes Auth0 send %llu mail%s. Go on? [y/N]",
                   (unsigned long long)mails, mails == 1 ? "" : "s");
    return talk->yes || console_ask(talk->console, question, signals_fd());
}

struct onramp_observer reach_observer(struct reach_talk *talk)
{
    return (struct onramp_observer){.context = talk,
                                    .progress = on_progress,
                                    .log = on_log,
                                    .stopping = on_stopping,
                                    .confirm_mails = on_confirm_mails,
                                    .debug = talk->console->level >= ONRAMP_LOG_DEBUG};
}

void reach_tell_ledger(const struct onramp_ledger *ledger, struct console *console)
{
    if (onramp_ledger_repaired(ledger) > 0)
        console_log(console, ONRAMP_LOG_WARN,
                    "an earlier run left half a line at the end of the ledger; it was cut off");
    if (onramp_ledger_exposed(ledger))
        console_log(console, ONRAMP_LOG_WARN,
                    "others can read the ledger, which holds names, and its mode cannot be changed: it is another "
                    "user's, or its file system has no modes");
}

int reach_exit(enum onramp_status status, bool sent)
{
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
