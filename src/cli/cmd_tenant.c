/*
 * cmd_tenant.c - onramp tenant: a local Auth0-like tenant, until stopped.
 *
 * Standard output gets what a client needs, as lines of a .env; then, at the end, figures. Requests are told on
 * standard error.
 */
#include "commands.h"
#include "console.h"
#include "signals.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEFAULT_CA "onramp-tenant-ca.pem"

/* A stated bucket, which replaces the tier's. */
struct stated_limit {
    bool given;
    struct onramp_limit limit; /* burst 0: none */
};

struct tenant_values {
    uint64_t port, latency, rivals, initial, token_seconds, seed;
    bool tls, no_headers, no_date, headers_global, client_disabled, quiet;
    char *cert, *key, *ca_out, *users_out, *write_env;
    int tier, reset, refusal, policy;
    struct stated_limit api, groups[ONRAMP_GROUPS];
    uint32_t faults[ONRAMP_FAULTS];
    char *connection, *strategy, *options, *scopes;
};

/* --- values of its own kind --- */

static bool read_number(const char **at, uint64_t most, uint64_t *out)
{
    uint64_t value = 0;
    const char *start = *at;
    for (; **at >= '0' && **at <= '9' && value <= most; (*at)++)
        value = value * 10 + (uint64_t)(**at - '0');
    *out = value;
    return *at > start && value >= 1 && value <= most;
}

/* "50@16/s", "20@200/min,window", "none". */
static enum onramp_status parse_limit(const char *text, void *field, struct onramp_error *err)
{
    struct stated_limit *out = field;
    if (strcmp(text, "none") == 0) {
        *out = (struct stated_limit){.given = true};
        return ONRAMP_OK;
    }
    const char *at = text;
    uint64_t burst = 0, tokens = 0;
    bool good = read_number(&at, 1000000, &burst) && *at++ == '@' && read_number(&at, 1000000, &tokens);
    onramp_span per = ONRAMP_SECOND;
    if (good && strncmp(at, "/s", 2) == 0) {
        at += 2;
    } else if (good && strncmp(at, "/min", 4) == 0) {
        at += 4;
        per = ONRAMP_MINUTE;
    } else {
        good = false;
    }
    bool window = good && strcmp(at, ",window") == 0;
    if (!good || (*at != '\0' && !window))
        return onramp_fail(err, ONRAMP_EUSAGE, "'%s' is not a bucket like 50@16/s, 20@200/min,window or none", text);
    *out = (struct stated_limit){true, {.burst = (uint32_t)burst, .rate = {tokens, per}, .window = window}};
    return ONRAMP_OK;
}

static enum onramp_status unknown_fault(const char *text, struct onramp_error *err)
{
    char names[200] = "";
    for (int i = 0; i < ONRAMP_FAULTS; i++) {
        size_t size = strlen(names);
        (void)snprintf(names + size, sizeof names - size, "%s%s", i > 0 ? ", " : "",
                       onramp_fault_name((enum onramp_fault)i));
    }
    return onramp_fail(err, ONRAMP_EUSAGE, "'%s' is not KIND=PROBABILITY with a probability from 0 to 1 and one of %s",
                       text, names);
}

/* "lose=0.01": adds to what was given before. */
static enum onramp_status parse_fault(const char *text, void *field, struct onramp_error *err)
{
    uint32_t *faults = field;
    size_t size = strcspn(text, "=");
    for (int i = 0; i < ONRAMP_FAULTS; i++) {
        const char *name = onramp_fault_name((enum onramp_fault)i);
        if (strlen(name) != size || strncmp(name, text, size) != 0 || text[size] != '=')
            continue;
        char *end;
        double probability = strtod(text + size + 1, &end);
        if (end == text + size + 1 || *end != '\0' || !(probability >= 0 && probability <= 1))
            break;
        faults[i] = (uint32_t)(probability * 1e6 + 0.5);
        return ONRAMP_OK;
    }
    return unknown_fault(text, err);
}

static const char *tier_name(size_t index)
{
    const struct onramp_tier *tier = onramp_tier_at(index);
    return tier != NULL ? tier->name : NULL;
}

/* In the order of enum onramp_reset. */
static const char *reset_name(size_t index)
{
    static const char *const names[] = {"full", "next", "zero", "delta", "millis", NULL};
    return names[index];
}

/* In the order of enum onramp_refusal. */
static const char *refusal_name(size_t index)
{
    static const char *const names[] = {"limits", "retry-after", "retry-date", "both", "bare", NULL};
    return names[index];
}

static const char *policy_name(size_t index)
{
    static const char *const names[] = {"none", "low", "fair", "good", "excellent", NULL};
    return names[index];
}

#define AT(field) .offset = offsetof(struct tenant_values, field), .commands = ~0u
#define BUCKET    .kind = SETTING_CUSTOM, .argument = "BURST@N/s", .parse = parse_limit

/* clang-format off: a table is read by its columns */
static const struct setting rows[] = {
    {.flag = "port",
     .letter = 'p',
     .kind = SETTING_COUNT,
     .argument = "N",
     .fallback = "0",
     .most = 65535,
     .help = "port on 127.0.0.1; 0 for a free one",
     AT(port)},
    {.flag = "tls",
     .kind = SETTING_FLAG,
     .help = "HTTPS, with a certificate made for the occasion unless --cert names one",
     AT(tls)},
    {.flag = "cert", .kind = SETTING_PATH, .argument = "FILE", .help = "certificate chain (PEM), with --key", AT(cert)},
    {.flag = "key", .kind = SETTING_PATH, .argument = "FILE", .help = "its private key (PEM)", AT(key)},
    {.flag = "ca-out",
     .kind = SETTING_PATH,
     .argument = "FILE",
     .help = "where to write the made certificate, for --cacert of clients; " DEFAULT_CA " if not given",
     AT(ca_out)},
    {.flag = "write-env",
     .kind = SETTING_PATH,
     .argument = "FILE",
     .help = "write what a client needs as a .env (mode 0600), once the tenant answers",
     AT(write_env)},

    {.flag = "tier",
     .letter = 't',
     .kind = SETTING_CHOICE,
     .argument = "NAME",
     .choice = tier_name,
     .fallback = "enterprise",
     .help = "the plan whose limits it has",
     AT(tier)},
    {.flag = "api",
     BUCKET,
     .help = "API-wide bucket instead of the tier's: 50@16/s, 20@200/min, with ,window for refills at whole seconds or "
             "minutes; 'none' for none",
     AT(api)},
    {.flag = "create", BUCKET, .help = "bucket of POST /users", AT(groups[ONRAMP_GROUP_CREATE])},
    {.flag = "read", BUCKET, .help = "bucket of looking users up", AT(groups[ONRAMP_GROUP_READ])},
    {.flag = "connections", BUCKET, .help = "bucket of reading connections", AT(groups[ONRAMP_GROUP_CONNECTIONS])},
    {.flag = "delete", BUCKET, .help = "bucket of DELETE /users", AT(groups[ONRAMP_GROUP_DELETE])},
    {.flag = "members", BUCKET, .help = "bucket of adding members to organizations", AT(groups[ONRAMP_GROUP_MEMBERS])},
    {.flag = "other", BUCKET, .help = "bucket of everything else", AT(groups[ONRAMP_GROUP_OTHER])},
    {.flag = "initial",
     .kind = SETTING_COUNT,
     .argument = "PERCENT",
     .fallback = "100",
     .most = 100,
     .help = "how full the buckets are at the start",
     AT(initial)},
    {.flag = "rivals",
     .kind = SETTING_COUNT,
     .argument = "PERCENT",
     .fallback = "0",
     .most = 1000,
     .help = "competing traffic, of the refill of the bucket that creates draw from",
     AT(rivals)},
    {.flag = "latency",
     .letter = 'l',
     .kind = SETTING_COUNT,
     .argument = "MS",
     .fallback = "237",
     .most = 60000,
     .help = "median time of an answer; 0 for none",
     AT(latency)},
    {.flag = "fault",
     .letter = 'f',
     .kind = SETTING_CUSTOM,
     .argument = "KIND=P",
     .parse = parse_fault,
     .help = "what befalls a request with probability P: drop, lose, truncate, hang, bad-gateway, unavailable, error, "
             "edge, unauthorized; may be given several times",
     AT(faults)},
    {.flag = "no-headers", .kind = SETTING_FLAG, .help = "no x-ratelimit headers", AT(no_headers)},
    {.flag = "no-date", .kind = SETTING_FLAG, .help = "no Date header", AT(no_date)},
    {.flag = "headers-global",
     .kind = SETTING_FLAG,
     .help = "headers tell of the API-wide bucket even where a group has its own",
     AT(headers_global)},
    {.flag = "reset",
     .kind = SETTING_CHOICE,
     .argument = "KIND",
     .choice = reset_name,
     .fallback = "full",
     .help = "what x-ratelimit-reset means",
     AT(reset)},
    {.flag = "refusal",
     .kind = SETTING_CHOICE,
     .argument = "KIND",
     .choice = refusal_name,
     .fallback = "bare",
     .help = "what a 429 carries beside its body",
     AT(refusal)},

    {.flag = "connection",
     .letter = 'c',
     .kind = SETTING_TEXT,
     .argument = "NAME",
     .fallback = "Username-Password-Authentication",
     .help = "name of its connection",
     AT(connection)},
    {.flag = "strategy",
     .kind = SETTING_TEXT,
     .argument = "NAME",
     .fallback = "auth0",
     .help = "of the connection: auth0 (a database), email, sms, or one that cannot create users",
     AT(strategy)},
    {.flag = "policy",
     .kind = SETTING_CHOICE,
     .argument = "LEVEL",
     .choice = policy_name,
     .help = "the connection's password policy; good if not given",
     AT(policy)},
    {.flag = "options",
     .kind = SETTING_TEXT,
     .argument = "JSON",
     .help = "the connection's whole options object, instead of --policy",
     AT(options)},
    {.flag = "client-disabled",
     .kind = SETTING_FLAG,
     .help = "the connection is not enabled for the client",
     AT(client_disabled)},
    {.flag = "scopes",
     .kind = SETTING_TEXT,
     .argument = "LIST",
     .help = "granted to the client; all if not given",
     AT(scopes)},
    {.flag = "token-seconds",
     .kind = SETTING_COUNT,
     .argument = "N",
     .fallback = "86400",
     .least = 1,
     .most = 2592000,
     .help = "life of an issued token",
     AT(token_seconds)},

    {.flag = "users-out",
     .kind = SETTING_PATH,
     .argument = "FILE",
     .help = "write all users as NDJSON when it stops",
     AT(users_out)},
    {.flag = "seed",
     .kind = SETTING_COUNT,
     .argument = "N",
     .fallback = "1",
     .most = UINT64_MAX,
     .help = "decides latencies, rivals, faults and ids",
     AT(seed)},
    {.flag = "quiet", .letter = 'q', .kind = SETTING_FLAG, .help = "no line for each request", AT(quiet)},
};
/* clang-format on */

const struct setting_table tenant_table = {
    .rows = rows, .count = sizeof rows / sizeof rows[0], .size = sizeof(struct tenant_values)};

/* --- from values to settings --- */

static enum onramp_status check_values(const struct tenant_values *v, struct onramp_error *err)
{
    if (v->options != NULL && v->policy >= 0)
        return onramp_fail(err, ONRAMP_EUSAGE, "--policy and --options exclude each other: put it into the options");
    if (!v->tls && (v->cert != NULL || v->key != NULL || v->ca_out != NULL))
        return onramp_fail(err, ONRAMP_EUSAGE, "--cert, --key and --ca-out are of use with --tls only");
    if ((v->cert != NULL) != (v->key != NULL))
        return onramp_fail(err, ONRAMP_EUSAGE, "--cert and --key belong together: give both");
    if (strpbrk(v->connection, "'\n") != NULL)
        return onramp_fail(err, ONRAMP_EUSAGE, "--connection: a name has neither quotes nor line breaks");
    if (v->cert != NULL && v->ca_out != NULL)
        return onramp_fail(err, ONRAMP_EUSAGE, "--ca-out is for the certificate that is made without --cert");
    return ONRAMP_OK;
}

/* `options` must live as long as *out. */
static void make_model(struct onramp_tenant_settings *out, const struct tenant_values *v, char *options, size_t size)
{
    onramp_tenant_defaults(out);
    const struct onramp_tier *tier = onramp_tier_at((size_t)v->tier);
    out->api = v->api.given ? v->api.limit : tier->api;
    for (int i = 0; i < ONRAMP_GROUPS; i++)
        out->groups[i] = v->groups[i].given ? v->groups[i].limit : tier->groups[i];
    out->initial = (double)v->initial / 100;
    out->rivals = (double)v->rivals / 100;
    out->latency_median = (onramp_span)v->latency * ONRAMP_MILLISECOND;
    out->latency_min = out->latency_median * 199 / 237; /* as in the recorded answers */
    memcpy(out->faults, v->faults, sizeof out->faults);
    out->no_headers = v->no_headers;
    out->no_date = v->no_date;
    out->headers_global = v->headers_global;
    out->reset = (enum onramp_reset)v->reset;
    out->refusal = (enum onramp_refusal)v->refusal;
    out->connection = v->connection;
    out->strategy = v->strategy;
    out->client_disabled = v->client_disabled;
    if (v->scopes != NULL)
        out->scopes = v->scopes;
    out->token_seconds = (uint32_t)v->token_seconds;
    out->seed = v->seed;
    out->options = v->options;
    if (v->policy >= 0) {
        (void)snprintf(options, size, "{\"passwordPolicy\":\"%s\"}", policy_name((size_t)v->policy));
        out->options = options;
    }
}

/* --- what a client needs --- */

static void describe_limit(char *out, size_t size, const struct onramp_limit *limit)
{
    if (limit->burst == 0)
        (void)snprintf(out, size, "no limit");
    else
        (void)snprintf(out, size, "%" PRIu32 " at once, then %" PRIu64 "/%s%s", limit->burst, limit->rate.tokens,
                       limit->rate.per == ONRAMP_MINUTE ? "min" : "s", limit->window ? " in windows" : "");
}

/* Relative paths are written whole, since a client may run elsewhere. */
static void absolute_path(char out[PATH_MAX], const char *path)
{
    char here[PATH_MAX];
    if (path[0] == '/' || getcwd(here, sizeof here) == NULL || snprintf(out, PATH_MAX, "%s/%s", here, path) >= PATH_MAX)
        (void)snprintf(out, PATH_MAX, "%s", path);
}

/* Lines of a .env. False if `out` could not take them. */
static bool write_lines(FILE *out, const struct onramp_tenant_settings *model, struct onramp_tenant_server *server,
                        bool tls, const char *ca)
{
    char *token = onramp_tenant_server_token(server);
    if (token == NULL)
        return false;
    /* http:// must be said, https is what a client takes a bare host for. A name may have spaces, but no quotes. */
    int rc =
        fprintf(out,
                "AUTH0_DOMAIN=%s127.0.0.1:%u\nAUTH0_DATABASE_NAME='%s'\nAUTH0_CLIENT_ID=%s\nAUTH0_CLIENT_SECRET=%s\n"
                "AUTH0_MNG_TOKEN=%s\n",
                tls ? "" : "http://", (unsigned)onramp_tenant_server_port(server), model->connection, model->client_id,
                model->client_secret, token);
    free(token);
    char path[PATH_MAX];
    if (rc >= 0 && ca != NULL) {
        absolute_path(path, ca);
        rc = fprintf(out, "ONRAMP_CACERT='%s'\n", path);
    }
    return rc >= 0 && fflush(out) == 0;
}

/* Whole or not at all: who waits for the file may read it as soon as it is there. */
static enum onramp_status write_env(const char *path, const struct onramp_tenant_settings *model,
                                    struct onramp_tenant_server *server, bool tls, const char *ca,
                                    struct onramp_error *err)
{
    char part[PATH_MAX];
    if (snprintf(part, sizeof part, "%s.part", path) >= PATH_MAX)
        return onramp_fail(err, ONRAMP_EUSAGE, "--write-env: the path is too long");
    (void)unlink(part);
    int fd = open(part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (file == NULL) {
        int problem = errno;
        if (fd >= 0)
            (void)close(fd);
        return onramp_fail_sys(err, problem, "cannot write '%s'", part);
    }
    bool whole = write_lines(file, model, server, tls, ca);
    if (fclose(file) != 0 || !whole || rename(part, path) != 0) {
        int problem = errno;
        (void)unlink(part);
        return onramp_fail_sys(err, problem, "cannot write '%s'", path);
    }
    return ONRAMP_OK;
}

/* --- running --- */

/* Called on the server's thread. */
static void log_line(void *context, const char *line)
{
    const bool *quiet = context;
    if (!*quiet)
        (void)fprintf(stderr, "%s\n", line);
}

static void print_figures(const struct onramp_tenant_view *view, const struct tenant_values *v)
{
    printf("# %" PRIu64 " users: %" PRIu64 " created, %" PRIu64 " deleted; %" PRIu64 " requests, %" PRIu64
           " refused with 429; %" PRIu64 " mails, %" PRIu64 " tickets\n",
           view->users, view->created, view->deleted, view->requests, view->refused, view->mails, view->tickets);
    printf("# least content of the bucket that creates draw from: %.1f\n", view->least_level);
    if (v->rivals > 0)
        printf("# competing calls: %" PRIu64 ", of which %" PRIu64 " were refused\n", view->rival_calls,
               view->rival_refused);
}

static enum onramp_status announce(const struct tenant_values *v, const struct onramp_tenant_settings *model,
                                   struct onramp_tenant_server *server, const char *ca, struct onramp_error *err)
{
    const struct onramp_limit *creates =
        model->groups[ONRAMP_GROUP_CREATE].burst > 0 ? &model->groups[ONRAMP_GROUP_CREATE] : &model->api;
    char limit[80];
    describe_limit(limit, sizeof limit, creates);
    printf("# local tenant on http%s://127.0.0.1:%u, creates: %s. Ctrl-C stops it\n", v->tls ? "s" : "",
           (unsigned)onramp_tenant_server_port(server), limit);
    if (!write_lines(stdout, model, server, v->tls, ca))
        return onramp_fail_sys(err, errno, "cannot write to standard output");
    return v->write_env != NULL ? write_env(v->write_env, model, server, v->tls, ca, err) : ONRAMP_OK;
}

int cmd_tenant(void *values)
{
    struct tenant_values *v = values;
    struct onramp_error err = {0};
    struct onramp_tenant_server *server = NULL;
    struct onramp_tenant_settings model;
    char options[64];
    int code = EXIT_USAGE;
    enum onramp_status st = check_values(v, &err);
    if (st != ONRAMP_OK)
        goto out;
    make_model(&model, v, options, sizeof options);
    const char *ca = v->tls && v->cert == NULL ? (v->ca_out != NULL ? v->ca_out : DEFAULT_CA) : NULL;
    const struct onramp_tenant_server_settings settings = {.port = (uint16_t)v->port,
                                                           .tls = v->tls,
                                                           .cert_file = v->cert,
                                                           .key_file = v->key,
                                                           .ca_out = ca,
                                                           .users_out = v->users_out,
                                                           .log = log_line,
                                                           .log_context = &v->quiet};
    st = onramp_tenant_server_start(&server, &model, &settings, &err);
    if (st == ONRAMP_OK)
        st = announce(v, &model, server, ca, &err);
    if (st == ONRAMP_OK) {
        signals_wait();
        struct onramp_tenant_view view;
        onramp_tenant_server_view(server, &view);
        print_figures(&view, v);
        st = onramp_tenant_server_stop(server, &err);
        code = st == ONRAMP_OK ? EXIT_ALL_WELL : EXIT_AGAIN; /* as for any output that could not be written */
    } else {
        (void)onramp_tenant_server_stop(server, NULL);
    }
out:
    if (st != ONRAMP_OK)
        console_error(err.text);
    return code;
}
