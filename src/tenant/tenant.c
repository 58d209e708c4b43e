/*
 * tenant.c - the model of a tenant: state, request, now and seed in, response out.
 *
 * A Management call meets, in this order: the edge's faults, the gate, the API's faults, the token check, its
 * endpoint, and the faults that lose an answer. Authentication calls meet their endpoint at once.
 */
#include "tenant/model.h"
#include "tenant/wire.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MILLION 1000000u

static const char alphanumerics[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

const char *onramp_fault_name(enum onramp_fault fault)
{
    static const char *const names[ONRAMP_FAULTS] = {"drop",        "lose",  "truncate", "hang",        "bad-gateway",
                                                     "unavailable", "error", "edge",     "unauthorized"};
    return names[fault];
}

void onramp_tenant_defaults(struct onramp_tenant_settings *settings)
{
    const struct onramp_limit enterprise = {.burst = 50, .rate = {16, ONRAMP_SECOND}};
    *settings = (struct onramp_tenant_settings){
        .api = enterprise,
        .initial = 1,
        .refusal = ONRAMP_REFUSAL_BARE,
        .latency_min = 199 * ONRAMP_MILLISECOND, /* of 38 recorded 201s of 2023 */
        .latency_median = 237 * ONRAMP_MILLISECOND,
        .seed = 1,
        .epoch = INT64_C(1767225600000), /* 2026-01-01T00:00:00Z */
        .connection = "Username-Password-Authentication",
        .strategy = "auth0",
        .client_id = "local-client",
        .client_secret = "local-secret",
        .scopes = "create:users read:users update:users delete:users read:connections create:user_tickets "
                  "create:role_members create:organization_members",
        .token_seconds = 86400,
    };
}

/* --- state --- */

void onramp_tenant_random(struct onramp_tenant *tenant, const char *alphabet, size_t count, char *out)
{
    size_t size = strlen(alphabet);
    for (size_t i = 0; i < count; i++)
        out[i] = alphabet[onramp_rng_below(&tenant->names, size)];
    out[count] = '\0';
}

int64_t onramp_tenant_wall(const struct onramp_tenant *tenant, onramp_time now)
{
    return tenant->settings.epoch + (now - tenant->start) / ONRAMP_MILLISECOND;
}

static enum onramp_status check_settings(const struct onramp_tenant_settings *s, struct onramp_error *err)
{
    if (s->connection == NULL || s->strategy == NULL || s->client_id == NULL || s->client_secret == NULL ||
        s->scopes == NULL)
        return onramp_fail(err, ONRAMP_EUSAGE,
                           "the tenant's connection, strategy, client and scopes must be given: begin with defaults");
    if (!(s->initial >= 0 && s->initial <= 1))
        return onramp_fail(err, ONRAMP_EUSAGE, "the tenant's initial content is out of range: expected 0 to 1");
    if (!(s->rivals >= 0 && s->rivals <= 100))
        return onramp_fail(err, ONRAMP_EUSAGE,
                           "the tenant's rivals are out of range: expected 0 to 100 times the refill");
    if (s->latency_min < 0 || s->latency_median < s->latency_min || s->latency_median > ONRAMP_MINUTE)
        return onramp_fail(err, ONRAMP_EUSAGE,
                           "the tenant's latency is out of range: expected 0 <= minimum <= median <= 1 minute");
    if (s->token_seconds == 0)
        return onramp_fail(err, ONRAMP_EUSAGE, "the life of a token must be at least a second");
    uint64_t faults = 0;
    for (int i = 0; i < ONRAMP_FAULTS; i++)
        faults += s->faults[i];
    if (faults > MILLION)
        return onramp_fail(err, ONRAMP_EUSAGE, "the probabilities of the tenant's faults add up to more than 1");
    return ONRAMP_OK;
}

/* The settings' strings, copied. False for want of memory; what was copied is the tenant's to free. */
static bool own_strings(struct onramp_tenant_settings *s)
{
    s->connection = strdup(s->connection);
    s->strategy = strdup(s->strategy);
    s->client_id = strdup(s->client_id);
    s->client_secret = strdup(s->client_secret);
    s->scopes = strdup(s->scopes);
    s->options = NULL; /* parsed into the rules already */
    return s->connection != NULL && s->strategy != NULL && s->client_id != NULL && s->client_secret != NULL &&
           s->scopes != NULL;
}

static void make_names(struct onramp_tenant *tenant)
{
    onramp_rng_init(&tenant->faults, tenant->settings.seed ^ UINT64_C(0x6661756c7473));
    onramp_rng_init(&tenant->latency, tenant->settings.seed ^ UINT64_C(0x6c6174656e6379));
    onramp_rng_init(&tenant->names, tenant->settings.seed ^ UINT64_C(0x6e616d6573));
    for (size_t i = 0; i < sizeof tenant->key; i++)
        tenant->key[i] = (unsigned char)onramp_rng_below(&tenant->names, 256);

    tenant->connections[0].name = tenant->settings.connection;
    tenant->connections[0].strategy = tenant->settings.strategy;
    tenant->connections[1].name = tenant->connections[1].strategy = "google-oauth2";
    for (size_t i = 0; i < 2; i++) {
        memcpy(tenant->connections[i].id, "con_", 4);
        onramp_tenant_random(tenant, alphanumerics, 16, tenant->connections[i].id + 4);
    }
    onramp_tenant_random(tenant, alphanumerics, 32, tenant->other_client);
}

enum onramp_status onramp_tenant_new(struct onramp_tenant **out, const struct onramp_tenant_settings *settings,
                                     onramp_time now, struct onramp_error *err)
{
    enum onramp_status st = check_settings(settings, err);
    if (st != ONRAMP_OK)
        return st;
    struct onramp_tenant *tenant = calloc(1, sizeof *tenant);
    if (tenant == NULL)
        return onramp_fail(err, ONRAMP_ENOMEM, "no memory for the local tenant");
    st = onramp_rules_parse(&tenant->rules, settings->strategy, settings->options, err);
    if (st == ONRAMP_OK)
        st = onramp_gate_init(&tenant->gate, settings, now, err);
    if (st == ONRAMP_OK)
        st = onramp_bucket_init(&tenant->unknown_mails, (struct onramp_rate){1, ONRAMP_MINUTE}, 10, false, now);
    if (st != ONRAMP_OK)
        goto out;
    tenant->start = now;
    tenant->settings = *settings;
    if (!own_strings(&tenant->settings)) {
        st = onramp_fail(err, ONRAMP_ENOMEM, "no memory for the local tenant");
        goto out;
    }
    make_names(tenant);
    *out = tenant;
    tenant = NULL; /* it is the caller's now */
out:
    onramp_tenant_free(tenant);
    return st;
}

void onramp_tenant_free(struct onramp_tenant *tenant)
{
    if (tenant == NULL)
        return;
    free((char *)tenant->settings.connection);
    free((char *)tenant->settings.strategy);
    free((char *)tenant->settings.client_id);
    free((char *)tenant->settings.client_secret);
    free((char *)tenant->settings.scopes);
    onramp_rules_clear(&tenant->rules);
    onramp_directory_clear(&tenant->directory);
    free(tenant);
}

char *onramp_tenant_token(struct onramp_tenant *tenant, const char *host, onramp_time now)
{
    struct onramp_bearer_claims claims;
    snprintf(claims.client_id, sizeof claims.client_id, "%s", tenant->settings.client_id);
    snprintf(claims.scopes, sizeof claims.scopes, "%s", tenant->settings.scopes);
    return onramp_bearer_issue(tenant->key, host, &claims, onramp_tenant_wall(tenant, now) / 1000,
                               tenant->settings.token_seconds);
}

/* --- which endpoint --- */

struct route {
    const char *method, *pattern; /* {id} stands for one segment */
    enum onramp_group group;
    const char *scopes[2]; /* each must be held */
    void (*answer)(struct onramp_call *call);
};

static const struct route management[] = {
    {"POST", "/api/v2/users", ONRAMP_GROUP_CREATE, {"create:users"}, onramp_users_create},
    {"GET", "/api/v2/users-by-email", ONRAMP_GROUP_READ, {"read:users"}, onramp_users_by_email},
    {"GET", "/api/v2/users/{id}", ONRAMP_GROUP_READ, {"read:users"}, onramp_users_get},
    {"DELETE", "/api/v2/users/{id}", ONRAMP_GROUP_DELETE, {"delete:users"}, onramp_users_delete},
    {"POST",
     "/api/v2/users/{id}/roles",
     ONRAMP_GROUP_OTHER,
     {"update:users", "create:role_members"},
     onramp_users_roles},
    {"GET", "/api/v2/connections", ONRAMP_GROUP_CONNECTIONS, {"read:connections"}, onramp_connections_list},
    {"GET", "/api/v2/connections/{id}", ONRAMP_GROUP_CONNECTIONS, {"read:connections"}, onramp_connections_get},
    {"GET",
     "/api/v2/connections/{id}/clients",
     ONRAMP_GROUP_CONNECTIONS,
     {"read:connections"},
     onramp_connections_clients},
    {"POST",
     "/api/v2/tickets/password-change",
     ONRAMP_GROUP_OTHER,
     {"create:user_tickets"},
     onramp_tickets_password_change},
    {"POST", "/api/v2/jobs/verification-email", ONRAMP_GROUP_OTHER, {"update:users"}, onramp_jobs_verification_email},
    {"POST",
     "/api/v2/organizations/{id}/members",
     ONRAMP_GROUP_MEMBERS,
     {"create:organization_members"},
     onramp_organization_members},
};

static const struct route authentication[] = {
    {"POST", "/oauth/token", ONRAMP_GROUP_OTHER, {NULL}, onramp_oauth_token},
    {"POST", "/dbconnections/change_password", ONRAMP_GROUP_OTHER, {NULL}, onramp_dbconnections_change_password},
};

/* Does the path (without query) fit the pattern? *id and *id_size are the segment that stands for {id}. */
static bool fits(const char *pattern, const char *path, const char **id, size_t *id_size)
{
    *id = NULL;
    while (*pattern != '\0') {
        if (strncmp(pattern, "{id}", 4) == 0) {
            *id = path;
            *id_size = strcspn(path, "/?");
            if (*id_size == 0)
                return false;
            path += *id_size;
            pattern += 4;
        } else if (*pattern++ != *path++) {
            return false;
        }
    }
    return *path == '\0' || *path == '?';
}

static const struct route *find_route(struct onramp_call *call, const struct route *routes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *id;
        size_t size;
        if (strcmp(routes[i].method, call->request->method) != 0 ||
            !fits(routes[i].pattern, call->request->path, &id, &size))
            continue;
        if (id != NULL) {
            call->id = onramp_wire_decode(id, size, false);
            if (call->id == NULL)
                return NULL;
        }
        return &routes[i];
    }
    return NULL;
}

/* --- faults --- */

/* At most one of the faults befalls a request: one draw decides which. */
static enum onramp_fault draw_fault(struct onramp_tenant *tenant)
{
    uint64_t draw = onramp_rng_below(&tenant->faults, MILLION);
    for (int i = 0; i < ONRAMP_FAULTS; i++) {
        if (draw < tenant->settings.faults[i])
            return (enum onramp_fault)i;
        draw -= tenant->settings.faults[i];
    }
    return ONRAMP_FAULTS;
}

/* The minimum, and a log-normal rest whose logarithm has deviation 1: a long tail, as recorded. */
static onramp_span draw_latency(struct onramp_tenant *tenant)
{
    double u = 1 - onramp_rng_unit(&tenant->latency), v = onramp_rng_unit(&tenant->latency);
    double normal = sqrt(-2 * log(u)) * cos(6.283185307179586 * v); /* Box and Muller */
    double rest = (double)(tenant->settings.latency_median - tenant->settings.latency_min) * exp(normal);
    return tenant->settings.latency_min + (onramp_span)fmin(rest, 1e11);
}

/* May this token be called expired? Once, and not while it is fresh: a client would rightly take that for a refusal. */
static bool turns_stale(struct onramp_call *call)
{
    struct onramp_tenant *tenant = call->tenant;
    uint64_t hash = onramp_wire_hash(call->request->authorization);
    if (onramp_tenant_wall(tenant, call->now) / 1000 - call->claims.issued_at < ONRAMP_TENANT_FRESH)
        return false;
    for (size_t i = 0; i < tenant->spent_count; i++)
        if (tenant->spent[i] == hash)
            return false;
    if (tenant->spent_count == ONRAMP_TENANT_SPENT)
        return false;
    tenant->spent[tenant->spent_count++] = hash;
    return true;
}

static void edge_page(struct onramp_call *call, int status, const char *title)
{
    char page[200];
    snprintf(page, sizeof page,
             "<html>\r\n<head><title>%d %s</title></head>\r\n<body>\r\n<center><h1>%d %s</h1></center>\r\n"
             "<hr><center>cloudflare</center>\r\n</body>\r\n</html>\r\n",
             status, title, status, title);
    onramp_respond_text(call, status, "text/html", page);
}

/* --- the token --- */

static void refuse_expired(struct onramp_call *call)
{
    static const char message[] = "Expired token received for JSON Web Token validation";
    onramp_respond_json(call, 401,
                        json_pack("{s:i, s:s, s:s, s:{s:s}}", "statusCode", 401, "error", "Unauthorized", "message",
                                  message, "attributes", "error", message));
}

static bool authorized(struct onramp_call *call, const struct route *route)
{
    int64_t at = onramp_tenant_wall(call->tenant, call->now) / 1000;
    switch (
        onramp_bearer_check(call->tenant->key, call->request->authorization, call->request->host, at, &call->claims)) {
    case ONRAMP_BEARER_VALID:
        break;
    case ONRAMP_BEARER_MISSING:
        onramp_respond_error(call, 401, NULL, "Missing authentication");
        onramp_respond_header(call->out, "www-authenticate", "Bearer");
        return false;
    case ONRAMP_BEARER_MALFORMED:
        onramp_respond_error(call, 400, "Bearer", "Bad HTTP authentication header format");
        return false;
    case ONRAMP_BEARER_FORGED:
        onramp_respond_error(call, 401, NULL, "Invalid signature received for JSON Web Token validation");
        return false;
    case ONRAMP_BEARER_EXPIRED:
        refuse_expired(call);
        return false;
    }
    for (size_t i = 0; route != NULL && i < 2 && route->scopes[i] != NULL; i++) {
        if (onramp_scopes_hold(call->claims.scopes, route->scopes[i]))
            continue;
        onramp_respond_error(call, 403, "insufficient_scope", "Insufficient scope, expected any of: %s",
                             route->scopes[i]);
        return false;
    }
    return true;
}

/* --- a call's way through --- */

const char *onramp_call_host(const struct onramp_call *call)
{
    return call->request->host != NULL ? call->request->host : "localhost";
}

/* The JSON body, if there is one that calls itself so. False after answering what is wrong with it. */
static bool read_body(struct onramp_call *call)
{
    const struct onramp_tenant_request *request = call->request;
    if (request->body_size > ONRAMP_TENANT_BODY_MAX) {
        onramp_respond_error(call, 413, NULL, "Payload content length greater than maximum allowed: %zu",
                             ONRAMP_TENANT_BODY_MAX);
        return false;
    }
    if (request->body_size == 0 || request->content_type == NULL ||
        strncmp(request->content_type, "application/json", 16) != 0)
        return true;
    call->body = json_loadb(request->body, request->body_size, 0, NULL);
    if (call->body == NULL)
        onramp_respond_error(call, 400, NULL, "Invalid request payload JSON format");
    return call->body != NULL;
}

static void answer(struct onramp_call *call, const struct route *route)
{
    if (route == NULL)
        onramp_respond_error(call, 404, NULL, "Not Found");
    else if (read_body(call))
        route->answer(call);
}

static void refuse(struct onramp_call *call, const struct onramp_gate_verdict *verdict)
{
    onramp_respond_error(call, 429, "too_many_requests", "%s", verdict->message);
    enum onramp_refusal kind = call->tenant->settings.refusal;
    if (kind == ONRAMP_REFUSAL_LIMITS || kind == ONRAMP_REFUSAL_BOTH)
        onramp_respond_limits(call, verdict);
    if (kind == ONRAMP_REFUSAL_RETRY_AFTER || kind == ONRAMP_REFUSAL_BOTH) {
        onramp_respond_header(call->out, "retry-after", "%lld",
                              (long long)((verdict->wait + ONRAMP_SECOND - 1) / ONRAMP_SECOND));
    } else if (kind == ONRAMP_REFUSAL_RETRY_DATE) {
        char date[32];
        int64_t at = onramp_tenant_wall(call->tenant, call->now + verdict->wait);
        onramp_wire_http_date((at + 999) / 1000, date);
        onramp_respond_header(call->out, "retry-after", "%s", date);
    }
}

/* What befalls an answer on its way out. */
static void lose_answer(struct onramp_call *call, enum onramp_fault fault)
{
    if (fault == ONRAMP_FAULT_BAD_GATEWAY) {
        edge_page(call, 502, "Bad Gateway");
    } else if (fault == ONRAMP_FAULT_HANG) {
        onramp_respond_clear(call->out);
        call->out->end = ONRAMP_TENANT_HANG;
    } else if (fault == ONRAMP_FAULT_LOSE || (fault == ONRAMP_FAULT_TRUNCATE && call->out->body_size == 0)) {
        onramp_respond_clear(call->out);
        call->out->end = ONRAMP_TENANT_CLOSE;
    } else if (fault == ONRAMP_FAULT_TRUNCATE) {
        call->out->end = ONRAMP_TENANT_CUT;
    }
}

/* Past the edge: the gate, the API's own faults, the token check, the endpoint. */
static void admit(struct onramp_call *call, enum onramp_fault fault)
{
    struct onramp_tenant *tenant = call->tenant;
    const struct route *route = find_route(call, management, sizeof management / sizeof management[0]);
    struct onramp_gate_verdict verdict;
    onramp_gate_pass(&tenant->gate, route != NULL ? route->group : ONRAMP_GROUP_OTHER, call->now, &verdict);
    if (!verdict.passed) {
        refuse(call, &verdict);
        return;
    }
    if (fault == ONRAMP_FAULT_ERROR) {
        onramp_respond_error(call, 500, NULL, "An internal server error occurred");
        return;
    }
    if (!authorized(call, route))
        return;
    if (fault == ONRAMP_FAULT_UNAUTHORIZED && turns_stale(call)) {
        refuse_expired(call);
        return;
    }
    answer(call, route);
    /* Recorded answers carry the limits on every 2xx, and on no 400, 401 or 404. */
    if (call->out->status >= 200 && call->out->status < 300)
        onramp_respond_limits(call, &verdict);
}

static void manage(struct onramp_call *call)
{
    struct onramp_tenant *tenant = call->tenant;
    enum onramp_fault fault = draw_fault(tenant);
    if (fault == ONRAMP_FAULT_DROP) {
        call->out->end = ONRAMP_TENANT_CLOSE;
        return;
    }
    if (fault == ONRAMP_FAULT_UNAVAILABLE) {
        edge_page(call, 503, "Service Temporarily Unavailable");
        return;
    }
    if (fault == ONRAMP_FAULT_EDGE) {
        edge_page(call, 429, "Too Many Requests");
        onramp_respond_header(call->out, "retry-after", "1");
        return;
    }
    admit(call, fault);
    lose_answer(call, fault);
}

/* What every answer carries. */
static void finish(struct onramp_call *call)
{
    static const char hex[] = "0123456789abcdef";
    struct onramp_tenant *tenant = call->tenant;
    if (call->out->status == 0)
        return;
    if (!tenant->settings.no_date) {
        char date[32];
        /* Stamped as the answer leaves, while the limits it tells of are as of the take. */
        onramp_wire_http_date(onramp_tenant_wall(tenant, call->now + call->out->delay) / 1000, date);
        onramp_respond_header(call->out, "date", "%s", date);
    }
    char ray[17];
    onramp_tenant_random(tenant, hex, 16, ray);
    onramp_respond_header(call->out, "cf-ray", "%s-TXL", ray);
    onramp_respond_header(call->out, "ot-baggage-auth0-request-id", "%s", ray);
    onramp_respond_header(call->out, "cache-control", "no-cache");
    onramp_respond_header(call->out, "server", "cloudflare");
}

void onramp_tenant_handle(struct onramp_tenant *tenant, const struct onramp_tenant_request *request, onramp_time now,
                          struct onramp_tenant_response *out)
{
    *out = (struct onramp_tenant_response){.delay = draw_latency(tenant)};
    const char *query = strchr(request->path, '?');
    struct onramp_call call = {
        .tenant = tenant, .request = request, .now = now, .query = query != NULL ? query + 1 : NULL, .out = out};
    tenant->counts.requests++;
    if (strncmp(request->path, "/api/v2/", 8) == 0)
        manage(&call);
    else
        answer(&call, find_route(&call, authentication, sizeof authentication / sizeof authentication[0]));
    if (out->end == ONRAMP_TENANT_CLOSE || out->end == ONRAMP_TENANT_HANG)
        assert(out->body == NULL);
    finish(&call);
    tenant->counts.creates_answered_201 +=
        out->status == 201 && out->end == ONRAMP_TENANT_ANSWER && strcmp(request->path, "/api/v2/users") == 0;
    json_decref(call.body);
    free(call.id);
}

/* --- figures --- */

void onramp_tenant_view(struct onramp_tenant *tenant, onramp_time now, struct onramp_tenant_view *out)
{
    onramp_gate_catch_up(&tenant->gate, now);
    *out = tenant->counts;
    out->users = tenant->directory.count;
    out->refused = tenant->gate.refused;
    out->rival_calls = tenant->gate.rival_calls;
    out->rival_refused = tenant->gate.rival_refused;
    out->level = onramp_gate_level(&tenant->gate, now);
    out->least_level = isinf(tenant->gate.least_level) ? out->level : tenant->gate.least_level;
}

size_t onramp_tenant_count(const struct onramp_tenant *tenant, const char *email_or_username)
{
    size_t count = 0;
    const enum onramp_identifier kinds[] = {ONRAMP_ID_EMAIL, ONRAMP_ID_USERNAME};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        const struct onramp_account *account = NULL;
        while ((account = onramp_directory_find(&tenant->directory, kinds[i], email_or_username, account)) != NULL)
            count++;
    }
    return count;
}

bool onramp_tenant_each(const struct onramp_tenant *tenant, bool (*visit)(void *context, const char *json),
                        void *context)
{
    bool more = true;
    for (size_t i = 0; i < tenant->directory.count && more; i++) {
        const struct onramp_account *account = &tenant->directory.accounts[i];
        json_t *shown = json_pack("{s:O*, s:O*}", "roles", account->roles, "organizations", account->organizations);
        char *text = shown != NULL && json_object_update_missing(shown, account->profile) == 0
                         ? json_dumps(shown, JSON_COMPACT)
                         : NULL;
        json_decref(shown);
        more = text != NULL && visit(context, text);
        free(text);
    }
    return more;
}
