/*
 * cmd_demo.c - onramp demo: a tenant on this machine, a sample of users, an upload like any other, and a count.
 */
#include "commands.h"
#include "compare.h"
#include "job.h"
#include "reach.h"
#include "sample.h"
#include "signals.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SEED 1 /* everyone's demo has the same users */

/* The demo's files, all in one fresh directory. */
enum part { SAMPLE, LEDGER, CA, TENANT_USERS, PARTS };
struct place {
    char directory[256];
    char path[PARTS][300];
};

struct demo {
    struct settings *settings;
    struct console console;
    struct place place;
    struct onramp_tenant_server *server;
    struct onramp_secret *token;
    struct domain domain;
};

static enum onramp_status place_make(struct place *place, struct onramp_error *err)
{
    static const char *const names[PARTS] = {"users.json", "users.json.ledger.ndjson", "ca.pem", "tenant.ndjson"};
    const char *parent = getenv("TMPDIR");
    if (parent == NULL || *parent == '\0')
        parent = "/tmp";
    int size = snprintf(place->directory, sizeof place->directory, "%s/onramp-demo-XXXXXX", parent);
    if (size < 0 || (size_t)size >= sizeof place->directory) {
        place->directory[0] = '\0';
        return onramp_fail(err, ONRAMP_EUSAGE, "TMPDIR is too long");
    }
    if (mkdtemp(place->directory) == NULL) {
        place->directory[0] = '\0';
        return onramp_fail_sys(err, errno, "cannot make a directory in '%s'", parent);
    }
    for (int i = 0; i < PARTS; i++)
        (void)snprintf(place->path[i], sizeof place->path[i], "%s/%s", place->directory, names[i]);
    return ONRAMP_OK;
}

static void place_remove(const struct place *place)
{
    if (place->directory[0] == '\0')
        return;
    for (int i = 0; i < PARTS; i++)
        (void)unlink(place->path[i]); /* some were never made */
    (void)rmdir(place->directory);
}

/* Wipes what is passed through: even a demo's token is handled like one. */
static enum onramp_status take_token(struct demo *demo, struct onramp_error *err)
{
    char *token = onramp_tenant_server_token(demo->server);
    if (token == NULL)
        return onramp_fail(err, ONRAMP_ENOMEM, "out of memory");
    size_t size = strlen(token);
    enum onramp_status st = onramp_secret_copy(&demo->token, token, size, err);
    for (volatile char *at = token; size > 0; size--)
        *at++ = '\0';
    free(token);
    return st;
}

static enum onramp_status start_tenant(struct demo *demo, struct onramp_error *err)
{
    const struct onramp_tier *tier = onramp_tier_at((size_t)demo->settings->tier);
    struct onramp_tenant_settings model;
    onramp_tenant_defaults(&model);
    model.api = tier->api;
    memcpy(model.groups, tier->groups, sizeof model.groups);
    model.seed = SEED;
    struct onramp_tenant_server_settings server = {
        .tls = true, .ca_out = demo->place.path[CA], .users_out = demo->place.path[TENANT_USERS]};
    enum onramp_status st = onramp_tenant_server_start(&demo->server, &model, &server, err);
    if (st != ONRAMP_OK)
        return st;
    st = take_token(demo, err);
    if (st != ONRAMP_OK)
        return st;

    char host[32], line[200];
    unsigned port = onramp_tenant_server_port(demo->server);
    (void)snprintf(host, sizeof host, "127.0.0.1:%u", port);
    struct onramp_limit limit = onramp_tier_create_limit(tier);
    (void)snprintf(line, sizeof line, "tenant at https://%s, plan %s: %u creates at once, then %llu a %s", host,
                   tier->name, (unsigned)limit.burst, (unsigned long long)limit.rate.tokens,
                   limit.rate.per == ONRAMP_MINUTE ? "minute" : "second");
    console_log(&demo->console, ONRAMP_LOG_INFO, line);
    return domain_parse(&demo->domain, host, err);
}

static enum onramp_status prepare(struct demo *demo, struct onramp_error *err)
{
    enum onramp_status st = place_make(&demo->place, err);
    if (st == ONRAMP_OK)
        st = sample_write(demo->place.path[SAMPLE], demo->settings->users, SEED, err);
    if (st == ONRAMP_OK)
        st = start_tenant(demo, err);
    return st;
}

/* Stop the tenant, which then writes down its users, and hold these against the ledger. */
static enum onramp_status compare(struct demo *demo, struct onramp_error *err)
{
    uint64_t users = 0;
    enum onramp_status st = onramp_tenant_server_stop(demo->server, err);
    demo->server = NULL;
    if (st == ONRAMP_OK)
        st = compare_ledger(demo->place.path[LEDGER], demo->place.path[TENANT_USERS], &users, err);
    if (st == ONRAMP_OK && !demo->settings->json)
        printf("The tenant holds %llu users, and its list agrees with the ledger user by user.\n",
               (unsigned long long)users);
    return st;
}

static int upload(struct demo *demo)
{
    struct job job = {.settings = demo->settings,
                      .command = COMMAND_DEMO,
                      .file = demo->place.path[SAMPLE],
                      .ledger = demo->place.path[LEDGER],
                      .domain = &demo->domain,
                      .connection = "Username-Password-Authentication",
                      .access = {.token = demo->token},
                      .cacert = demo->place.path[CA],
                      .proxy = "", /* this machine is not reached by way of another */
                      .tier = -1,  /* what the plan allows is for the answers to tell */
                      .max_users = demo->settings->users,
                      .title = "a generated sample",
                      .fleeting = !demo->settings->keep};
    return job_run(&job, &demo->console);
}

int cmd_demo(void *values)
{
    struct demo demo = {.settings = values};
    struct onramp_error err = {0};
    int code = EXIT_USAGE;
    struct console_settings talk = reach_console(demo.settings);
    console_begin(&demo.console, &talk);
    (void)signals_stopping(); /* from here on there are files to be removed: a signal has to wait */
    enum onramp_status st = prepare(&demo, &err);
    if (st == ONRAMP_OK) {
        code = upload(&demo);
        st = compare(&demo, &err);
        if (st != ONRAMP_OK && code == EXIT_ALL_WELL)
            code = EXIT_AGAIN;
    }
    if (st != ONRAMP_OK)
        console_log(&demo.console, ONRAMP_LOG_ERROR, err.text);
    (void)onramp_tenant_server_stop(demo.server, NULL);
    onramp_secret_free(demo.token);
    if (!demo.settings->keep)
        place_remove(&demo.place);
    else if (demo.place.directory[0] != '\0' && !demo.settings->json)
        printf("Sample, ledger and the tenant's list are in %s\n", demo.place.directory);
    return code;
}
