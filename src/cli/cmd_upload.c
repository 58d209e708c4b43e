/*
 * cmd_upload.c - onramp upload FILE.
 */
#include "commands.h"
#include "job.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static enum onramp_status check(const struct settings *s, struct onramp_error *err)
{
    if (s->file == NULL)
        return onramp_fail(err, ONRAMP_EUSAGE, "no file of users: give one as an argument, or set BULK_USER_FILE");
    if (s->domain.name[0] == '\0')
        return onramp_fail(err, ONRAMP_EUSAGE, "no tenant: set AUTH0_DOMAIN, or give --domain");
    if (s->connection == NULL)
        return onramp_fail(err, ONRAMP_EUSAGE, "no connection: set AUTH0_DATABASE_NAME, or give --connection");
    if (s->client_secret != NULL && s->client_id == NULL)
        return onramp_fail(err, ONRAMP_EUSAGE, "AUTH0_CLIENT_SECRET is set, but not AUTH0_CLIENT_ID");
    if (s->token == NULL && s->client_id != NULL && s->client_secret == NULL)
        return onramp_fail(err, ONRAMP_EUSAGE, "AUTH0_CLIENT_ID is set, but not AUTH0_CLIENT_SECRET");
    if (s->token == NULL && s->client_secret == NULL)
        return onramp_fail(err, ONRAMP_EUSAGE,
                           "no credentials: set AUTH0_MNG_TOKEN, or AUTH0_CLIENT_ID and AUTH0_CLIENT_SECRET");
    if (s->burst > 0 && s->rate.tokens == 0)
        return onramp_fail(err, ONRAMP_EUSAGE, "--burst goes with --rate: how many at once under that ceiling");
    if (strcmp(s->file, "-") != 0 && access(s->file, F_OK) != 0 && errno == ENOENT)
        return onramp_fail(err, ONRAMP_EUSAGE, "there is no file '%s'", s->file);
    if (s->ledger == NULL && strcmp(s->file, "-") == 0 && !s->dry_run)
        return onramp_fail(err, ONRAMP_EUSAGE, "standard input has no name to call a ledger after: give --ledger");
    return ONRAMP_OK;
}

static char *ledger_path(const struct settings *s)
{
    static const char ending[] = ".ledger.ndjson";
    const char *stem = s->ledger != NULL ? s->ledger : s->file;
    size_t size = strlen(stem) + sizeof ending;
    char *path = malloc(size);
    if (path != NULL)
        (void)snprintf(path, size, "%s%s", stem, s->ledger != NULL ? "" : ending);
    return path;
}

/* curl reads these itself, from the environment: what came from .env has to be put there. */
static bool export_proxies(const struct settings *s)
{
    return (s->https_proxy == NULL || setenv("HTTPS_PROXY", s->https_proxy, 1) == 0) &&
           (s->no_proxy == NULL || setenv("NO_PROXY", s->no_proxy, 1) == 0);
}

int cmd_upload(void *values)
{
    struct settings *s = values;
    struct onramp_error err = {0};
    if (check(s, &err) != ONRAMP_OK) {
        console_error(err.text);
        return EXIT_USAGE;
    }
    char *path = ledger_path(s);
    if (path == NULL || !export_proxies(s)) {
        console_error("out of memory");
        free(path);
        return EXIT_USAGE;
    }
    struct console console;
    console_begin(&console, &(struct console_settings){.level = (enum onramp_level)s->log_level,
                                                       .quiet = s->quiet,
                                                       .no_progress = s->no_progress,
                                                       .json = s->log_json});
    struct job job = {.settings = s,
                      .command = COMMAND_UPLOAD,
                      .file = s->file,
                      .ledger = s->dry_run ? NULL : path,
                      .domain = &s->domain,
                      .connection = s->connection,
                      .access = {.token = s->token,
                                 .client_id = s->client_id,
                                 .client_secret = s->client_secret,
                                 .audience = s->audience},
                      .cacert = s->cacert,
                      .proxy = s->proxy,
                      .tier = s->tier,
                      .max_users = s->max_users,
                      .title = s->file};
    int code = job_run(&job, &console);
    free(path);
    return code;
}
