/*
 * cmd_upload.c - onramp upload FILE.
 */
#include "commands.h"
#include "invitation.h"
#include "job.h"
#include "reach.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum onramp_status check(const struct settings *s, struct onramp_error *err)
{
    if (s->file == NULL)
        return onramp_fail(err, ONRAMP_EUSAGE, "no file of users: give one as an argument, or set BULK_USER_FILE");
    enum onramp_status st = reach_check_target(s, err);
    if (st == ONRAMP_OK)
        st = reach_check(s, true, err);
    if (st == ONRAMP_OK)
        st = settings_check_file(s->file, err);
    if (st != ONRAMP_OK)
        return st;
    if (s->ledger == NULL && strcmp(s->file, "-") == 0 && !s->dry_run)
        return onramp_fail(err, ONRAMP_EUSAGE, "standard input has no name to call a ledger after: give --ledger");
    if (s->invite >= 0)
        return invitation_check(s, err);
    if (s->links != NULL || s->result_url != NULL || s->app != NULL || s->mark_verified || s->again)
        return onramp_fail(err, ONRAMP_EUSAGE, "links and mails go with --invite ticket or --invite email");
    return ONRAMP_OK;
}

static enum onramp_status check_sealing(const struct settings *s, struct onramp_seal_public *seal_to,
                                        struct onramp_error *err)
{
    if (s->sealed != NULL && s->seal_to == NULL)
        return onramp_fail(err, ONRAMP_EUSAGE, "--sealed needs a key: give --seal-to; 'onramp keygen' makes a pair");
    if (s->seal_to != NULL && s->sealed == NULL && strcmp(s->file, "-") == 0)
        return onramp_fail(err, ONRAMP_EUSAGE,
                           "standard input has no name to call sealed passwords after: give --sealed");
    return s->seal_to != NULL ? onramp_seal_public_read(seal_to, s->seal_to, err) : ONRAMP_OK;
}

/* What follows the creates, as the settings have it. */
struct following {
    struct onramp_after after;
    struct onramp_invite_settings invitation;
    const char *roles[IDS_MAX];
};

static enum onramp_status follow(struct following *out, const struct settings *s, struct onramp_error *err)
{
    *out = (struct following){.after = {.role_count = s->roles.count, .organization = s->organization}};
    for (size_t i = 0; i < s->roles.count; i++)
        out->roles[i] = s->roles.id[i];
    out->after.roles = out->roles;
    if (s->invite < 0 || s->dry_run)
        return ONRAMP_OK;
    out->after.invite = &out->invitation;
    return invitation_open(&out->invitation, s, err);
}

/* The path that was given, or one beside the users' file. */
static char *path_of(const struct settings *s, const char *given, const char *ending)
{
    size_t size = strlen(given != NULL ? given : s->file) + strlen(ending) + 1;
    char *path = malloc(size);
    if (path != NULL)
        (void)snprintf(path, size, "%s%s", given != NULL ? given : s->file, given != NULL ? "" : ending);
    return path;
}

static int run(const struct settings *s, const struct onramp_seal_public *seal_to, const char *ledger,
               const char *sealed, struct console *console)
{
    struct following following;
    struct onramp_error err = {0};
    if (follow(&following, s, &err) != ONRAMP_OK) {
        console_log(console, ONRAMP_LOG_ERROR, err.text);
        return EXIT_USAGE;
    }
    struct job job = {.settings = s,
                      .command = COMMAND_UPLOAD,
                      .file = s->file,
                      .ledger = s->dry_run ? NULL : ledger,
                      .sealed = s->seal_to != NULL ? sealed : NULL,
                      .seal_to = seal_to,
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
                      .after = &following.after,
                      .title = s->file};
    int code = job_run(&job, console);
    invitation_close(&following.invitation);
    return code;
}

int cmd_upload(void *values)
{
    struct settings *s = values;
    struct onramp_error err = {0};
    struct onramp_seal_public seal_to;
    if (check(s, &err) != ONRAMP_OK || check_sealing(s, &seal_to, &err) != ONRAMP_OK) {
        console_error(err.text);
        return EXIT_USAGE;
    }
    struct console console;
    struct console_settings talk = reach_console(s);
    console_begin(&console, &talk);
    int code = EXIT_USAGE;
    char *ledger = path_of(s, s->ledger, ".ledger.ndjson"), *sealed = path_of(s, s->sealed, ".sealed.ndjson");
    if (ledger != NULL && sealed != NULL && reach_export_proxies(s))
        code = run(s, &seal_to, ledger, sealed, &console);
    else
        console_log(&console, ONRAMP_LOG_ERROR, "out of memory");
    free(ledger);
    free(sealed);
    return code;
}
