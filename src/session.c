/*
 * session.c - the token, the connection, one call at a time.
 */
#include "session.h"

#include "core/backoff.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define CALL_TRIES   4             /* of one call that fails in passing, before a run has begun */
#define TOKEN_GROUP  ONRAMP_GROUPS /* no bucket of the Management API: not paced */
#define CLIENT_PAGES 100           /* of a connection's clients, 1000 a page */

void onramp_session_init(struct onramp_session *s, const struct onramp_target *target,
                         const struct onramp_transport *transport, const struct onramp_observer *observer,
                         struct onramp_pacer *pacer)
{
    *s = (struct onramp_session){.target = target,
                                 .transport = transport,
                                 .observer = observer,
                                 .pacer = pacer,
                                 .renew_at = ONRAMP_NEVER,
                                 .may_ask = true};
    onramp_rng_init(&s->rng, target->seed ^ UINT64_C(0x5e55104));
}

void onramp_session_clear(struct onramp_session *s)
{
    onramp_secret_free(s->fetched);
    if (s->connection_known)
        onramp_connection_clear(&s->connection);
    s->fetched = NULL;
    s->connection_known = false;
}

const struct onramp_secret *onramp_session_token(const struct onramp_session *s)
{
    return s->fetched != NULL ? s->fetched : s->target->access.token;
}

bool onramp_session_stopping(const struct onramp_session *s)
{
    return s->observer->stopping != NULL && s->observer->stopping(s->observer->context);
}

void onramp_session_log(const struct onramp_session *s, enum onramp_level level, const char *format, ...)
{
    if (s->observer->log == NULL || (level == ONRAMP_LOG_DEBUG && !s->observer->debug))
        return;
    char line[800];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(line, sizeof line, format, args);
    va_end(args);
    s->observer->log(s->observer->context, level, line);
}

bool onramp_session_encode(char *path, size_t room, const char *text)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    size_t used = strlen(path);
    for (; *text != '\0'; text++) {
        if (used + 4 > room)
            return false;
        if (strchr(plain, *text) != NULL)
            path[used++] = *text;
        else
            used += (size_t)snprintf(path + used, room - used, "%%%02X", (unsigned)(unsigned char)*text);
    }
    path[used] = '\0';
    return true;
}

/* ---- words ---- */

/* Its beginning is enough: messages are cut. */
static bool repeats(const char *message, const struct onramp_secret *secret)
{
    if (secret == NULL || secret->size == 0)
        return false;
    size_t size = secret->size < 32 ? secret->size : 32;
    while (*message != '\0' && strncmp(message, secret->text, size) != 0)
        message++;
    return *message != '\0';
}

void onramp_session_withhold(const struct onramp_session *s, const struct onramp_secret *password,
                             struct onramp_reply *reply)
{
    if (!repeats(reply->message, onramp_session_token(s)) && !repeats(reply->message, password))
        return;
    (void)snprintf(reply->message, sizeof reply->message, "(withheld: the answer repeats a secret)");
    reply->wordless = false;
}

enum onramp_status onramp_session_explain(const struct onramp_session *s, const struct onramp_reply *reply,
                                          enum onramp_status status, struct onramp_error *err)
{
    const char *domain = s->target->domain, *semicolon = reply->cure[0] != '\0' ? "; " : "";
    if (reply->status == 0)
        return onramp_fail(err, status, "cannot reach '%s': %s%s%s", domain, reply->message, semicolon, reply->cure);
    if (reply->wordless)
        return onramp_fail(err, status, "'%s' answered with %s%s%s", domain, reply->message, semicolon, reply->cure);
    return onramp_fail(err, status, "'%s' answered %d: %s%s%s", domain, reply->status, reply->message, semicolon,
                       reply->cure);
}

/* ---- one call ---- */

struct call {
    enum onramp_group group;
    const char *method, *path;
    const struct onramp_secret *body; /* JSON, or NULL */
    bool authorized;
};

/* Nothing that is asked here has to be known afterwards, so nothing is waited for. */
static enum onramp_status check_stopping(struct onramp_session *s, struct onramp_error *err)
{
    if (!onramp_session_stopping(s))
        return ONRAMP_OK;
    s->interrupted = true;
    return onramp_fail(err, ONRAMP_ENET, "interrupted before anything was sent");
}

/* Sleep until then, or until the user wants to stop. */
static enum onramp_status sleep_until(struct onramp_session *s, onramp_time until, struct onramp_error *err)
{
    const struct onramp_transport *t = s->transport;
    enum onramp_status st = ONRAMP_OK;
    while (st == ONRAMP_OK && t->ops->now(t->self) < until) {
        st = check_stopping(s, err);
        if (st == ONRAMP_OK)
            st = t->ops->wait(t->self, until, err);
    }
    return st;
}

static enum onramp_status await_turn(struct onramp_session *s, enum onramp_group group, struct onramp_error *err)
{
    const struct onramp_transport *t = s->transport;
    for (;;) {
        onramp_time now = t->ops->now(t->self);
        onramp_time at = onramp_pacer_when(s->pacer, group, 1, now);
        if (at <= now)
            return ONRAMP_OK;
        assert(at != ONRAMP_NEVER); /* nothing is in flight, so no answer can be what the pacer waits for */
        enum onramp_status st = sleep_until(s, at, err);
        if (st != ONRAMP_OK)
            return st;
    }
}

/* Send and wait for the answer, or until the user wants to stop; nothing else is in flight. Whoever is interrupted
 * sends nothing more, so that what is left on the wire needs its body no longer. */
static enum onramp_status send_and_wait(struct onramp_session *s, const struct call *call, struct onramp_answer *answer,
                                        struct onramp_error *err)
{
    const struct onramp_transport *t = s->transport;
    struct onramp_request request = {.method = call->method,
                                     .path = call->path,
                                     .content_type = call->body != NULL ? "application/json" : NULL,
                                     .body = call->body != NULL ? call->body->text : NULL,
                                     .body_size = call->body != NULL ? call->body->size : 0,
                                     .bearer = call->authorized ? onramp_session_token(s) : NULL,
                                     .timeout = s->target->timeout};
    enum onramp_status st = t->ops->send(t->self, 0, &request, err);
    while (st == ONRAMP_OK && !t->ops->take(t->self, answer)) {
        st = check_stopping(s, err);
        if (st == ONRAMP_OK)
            st = t->ops->wait(t->self, ONRAMP_NEVER, err);
    }
    return st;
}

static enum onramp_status attempt_call(struct onramp_session *s, const struct call *call, struct onramp_answer *answer,
                                       struct onramp_reply *reply, struct onramp_error *err)
{
    bool paced = call->group != TOKEN_GROUP;
    enum onramp_status st = paced ? await_turn(s, call->group, err) : ONRAMP_OK;
    if (st != ONRAMP_OK)
        return st;
    const struct onramp_transport *t = s->transport;
    uint32_t ticket = paced ? onramp_pacer_sent(s->pacer, call->group, t->ops->now(t->self)) : 0;
    st = send_and_wait(s, call, answer, err);
    if (st != ONRAMP_OK)
        return st;
    onramp_reply_parse(reply, answer, false);
    onramp_session_withhold(s, s->target->access.client_secret, reply);
    if (paced)
        onramp_pacer_answered(s->pacer, ticket, &reply->signal, t->ops->now(t->self));
    onramp_session_learn(s, reply);
    s->heard_date = reply->date != 0 ? reply->date : s->heard_date;
    if (reply->signal.has_limit)
        s->heard_limits = reply->signal;
    return ONRAMP_OK;
}

/*
 * One call to its end: paced, tried again while it fails in passing. *body is the answer's, in guarded memory, since it
 * may hold a token.
 */
static enum onramp_status call_tenant(struct onramp_session *s, const struct call *call, struct onramp_reply *reply,
                                      struct onramp_secret **body, struct onramp_error *err)
{
    const struct onramp_transport *t = s->transport;
    onramp_time started_at = t->ops->now(t->self);
    for (uint32_t failures = 0;;) {
        struct onramp_answer answer;
        enum onramp_status st = attempt_call(s, call, &answer, reply, err);
        if (st != ONRAMP_OK)
            return st;
        bool throttled = reply->meaning == ONRAMP_REPLY_THROTTLED;
        bool passing =
            throttled || reply->meaning == ONRAMP_REPLY_TRANSIENT || reply->meaning == ONRAMP_REPLY_UNCERTAIN;
        if (!passing)
            return onramp_secret_copy(body, answer.body != NULL ? answer.body : "", answer.body_size, err);
        failures += throttled ? 0 : 1;
        onramp_time now = t->ops->now(t->self);
        bool enough = (!s->underway && failures >= CALL_TRIES) || now - started_at > s->target->give_up_after;
        if (answer.certificate || enough)
            return onramp_session_explain(s, reply, ONRAMP_ENET, err);
        if (failures == CALL_TRIES && !throttled)
            onramp_session_log(s, ONRAMP_LOG_WARN, "waits for a fresh token: %s", reply->message);
        /* A paced call that was throttled is held by the pacer; the token endpoint has no pacer. */
        onramp_span wait = onramp_backoff(ONRAMP_SECOND / 2, 30 * ONRAMP_SECOND, failures + 1, &s->rng);
        if (throttled && reply->signal.has_retry_after)
            wait = reply->signal.retry_after;
        st = sleep_until(s, now + wait, err);
        if (st != ONRAMP_OK)
            return st;
    }
}

/* ---- the token ---- */

bool onramp_session_must_renew(const struct onramp_session *s, onramp_time now)
{
    return s->stale || now >= s->renew_at;
}

bool onramp_session_unauthorized(struct onramp_session *s)
{
    if (s->target->access.client_secret == NULL || (s->renewed && !s->stale))
        return false;
    s->stale = true;
    return true;
}

void onramp_session_learn(struct onramp_session *s, const struct onramp_reply *reply)
{
    if (reply->meaning != ONRAMP_REPLY_DONE)
        return;
    onramp_time now = s->transport->ops->now(s->transport->self);
    if (reply->date > onramp_session_clock(s, now)) { /* an answer that was read late does not set it back */
        s->tenant_date = reply->date;
        s->tenant_date_at = now;
    }
    if (!s->stale)
        s->renewed = false;
}

int64_t onramp_session_clock(const struct onramp_session *s, onramp_time now)
{
    return s->tenant_date != 0 ? s->tenant_date + (now - s->tenant_date_at) / ONRAMP_SECOND : 0;
}

static enum onramp_status fetch_token(struct onramp_session *s, struct onramp_secret **token, int64_t *lifetime,
                                      struct onramp_error *err)
{
    const struct onramp_access_settings *access = &s->target->access;
    char audience[320];
    (void)snprintf(audience, sizeof audience, "https://%s/api/v2/", s->target->domain);
    struct onramp_secret *body = NULL, *answer = NULL;
    enum onramp_status st = onramp_token_request(&body, access->client_id, access->client_secret,
                                                 access->audience != NULL ? access->audience : audience, err);
    struct onramp_reply reply;
    struct call call = {.group = TOKEN_GROUP, .method = "POST", .path = "/oauth/token", .body = body};
    if (st == ONRAMP_OK)
        st = call_tenant(s, &call, &reply, &answer, err);
    if (st == ONRAMP_OK)
        st = onramp_token_answer(token, lifetime, reply.status, answer->text, answer->size, err);
    if (st != ONRAMP_OK && repeats(err->text, access->client_secret))
        st = onramp_fail(err, st, "no token: status %d (its words are withheld: they repeat a secret)", reply.status);
    onramp_secret_free(body);
    onramp_secret_free(answer);
    return st;
}

enum onramp_status onramp_session_renew(struct onramp_session *s, struct onramp_error *err)
{
    struct onramp_secret *token = NULL;
    int64_t lifetime = 0;
    enum onramp_status st = fetch_token(s, &token, &lifetime, err);
    if (st != ONRAMP_OK)
        return st;

    onramp_secret_free(s->fetched);
    s->fetched = token;
    onramp_token_claims(&s->claims, token);
    s->renewed = s->stale;
    s->stale = false;
    /* A minute early: how far the tenant's clock may be off is not established. */
    onramp_span life = lifetime * ONRAMP_SECOND;
    onramp_time now = s->transport->ops->now(s->transport->self);
    s->renew_at = now + (life > 2 * ONRAMP_MINUTE ? life - ONRAMP_MINUTE : life / 2);
    onramp_session_log(s, ONRAMP_LOG_INFO, "got a token for client '%s', good for %lld s", s->target->access.client_id,
                       (long long)lifetime);
    return ONRAMP_OK;
}

enum onramp_status onramp_session_authorize(struct onramp_session *s, const char *const *scopes,
                                            struct onramp_error *err)
{
    enum onramp_status st = ONRAMP_OK;
    if (s->target->access.token != NULL) {
        st = onramp_token_check(s->target->access.token, err);
        if (st == ONRAMP_OK)
            onramp_token_claims(&s->claims, s->target->access.token);
    } else if (s->fetched == NULL) {
        st = onramp_session_renew(s, err);
    }
    for (; st == ONRAMP_OK && *scopes != NULL; scopes++)
        if (!onramp_claims_allow(&s->claims, *scopes))
            st = onramp_fail(err, ONRAMP_EAUTH,
                             "the token lacks the scope %s: grant it to the application under "
                             "Applications > APIs > Auth0 Management API > Machine to Machine Applications",
                             *scopes);
    return st;
}

static enum onramp_status open_token(struct onramp_session *s, struct onramp_error *err)
{
    static const char *const needed[] = {"create:users", NULL};
    enum onramp_status st = onramp_session_authorize(s, needed, err);
    if (st != ONRAMP_OK)
        return st;
    s->may_ask = onramp_claims_allow(&s->claims, "read:users");
    if (!s->may_ask)
        onramp_session_log(s, ONRAMP_LOG_WARN,
                           "the token lacks read:users: if an answer is lost, that user ends as unknown");
    return ONRAMP_OK;
}

/* ---- the connection ---- */

/* What the token may not see is not checked; the first create tells. */
static bool cannot_see(const struct onramp_reply *reply)
{
    return reply->meaning == ONRAMP_REPLY_FORBIDDEN || reply->meaning == ONRAMP_REPLY_NOT_FOUND;
}

/* A call that was answered, but not as hoped. */
static enum onramp_status refused(const struct onramp_session *s, const struct onramp_reply *reply,
                                  struct onramp_error *err)
{
    bool credentials = reply->meaning == ONRAMP_REPLY_UNAUTHORIZED || reply->meaning == ONRAMP_REPLY_FORBIDDEN;
    return onramp_session_explain(s, reply, credentials ? ONRAMP_EAUTH : ONRAMP_EREFUSED, err);
}

/* A GET that the token may or may not allow. *body is NULL if it may not. A stale token is renewed once. */
static enum onramp_status look(struct onramp_session *s, const char *path, struct onramp_secret **body,
                               struct onramp_error *err)
{
    struct call call = {.group = ONRAMP_GROUP_CONNECTIONS, .method = "GET", .path = path, .authorized = true};
    for (;;) {
        struct onramp_reply reply;
        enum onramp_status st = call_tenant(s, &call, &reply, body, err);
        if (st != ONRAMP_OK || reply.meaning == ONRAMP_REPLY_DONE)
            return st;
        onramp_secret_free(*body);
        *body = NULL;
        if (cannot_see(&reply))
            return ONRAMP_OK;
        if (reply.meaning != ONRAMP_REPLY_UNAUTHORIZED || !onramp_session_unauthorized(s))
            return refused(s, &reply, err);
        st = onramp_session_renew(s, err);
        if (st != ONRAMP_OK)
            return st;
    }
}

enum onramp_status onramp_session_find_connection(struct onramp_session *s, struct onramp_error *err)
{
    const char *name = s->target->connection;
    char path[700] = "/api/v2/connections?fields=id,name,strategy,options&include_fields=true&name=";
    if (!onramp_session_encode(path, sizeof path, name))
        return onramp_fail(err, ONRAMP_EREFUSED, "connection name '%.40s…' is too long", name);
    struct onramp_secret *body = NULL;
    enum onramp_status st = look(s, path, &body, err);
    if (st != ONRAMP_OK || body == NULL)
        return st;
    bool found = false;
    st = onramp_connection_parse(&s->connection, &found, body->text, name, err);
    onramp_secret_free(body);
    if (st != ONRAMP_OK)
        return onramp_fail(err, ONRAMP_EREFUSED, "'%s' did not describe its connections: is it an Auth0 tenant",
                           s->target->domain);
    if (!found)
        return onramp_fail(err, ONRAMP_EREFUSED,
                           "connection '%s' does not exist in '%s': see Authentication > Database for its name", name,
                           s->target->domain);
    s->connection_known = true;
    if (strcmp(s->connection.strategy, "auth0") != 0)
        return onramp_fail(err, ONRAMP_EREFUSED,
                           "connection '%s' is no database but '%s': users can only be created in a database", name,
                           s->connection.strategy);
    return ONRAMP_OK;
}

enum onramp_status onramp_session_check_enabled(struct onramp_session *s, bool *known, struct onramp_error *err)
{
    const char *client = s->claims.client_id;
    char next[256] = "";
    *known = false;
    if (!s->connection_known || client[0] == '\0')
        return ONRAMP_OK;
    for (int page = 0; page < CLIENT_PAGES; page++) {
        char path[1200];
        (void)snprintf(path, sizeof path, "/api/v2/connections/%s/clients?take=1000", s->connection.id);
        if (next[0] != '\0') {
            strcat(path, "&from=");
            if (!onramp_session_encode(path, sizeof path, next))
                return ONRAMP_OK;
        }
        struct onramp_secret *body = NULL;
        enum onramp_status st = look(s, path, &body, err);
        if (st != ONRAMP_OK || body == NULL)
            return st;
        bool enabled = false;
        st = onramp_connection_enables(&enabled, next, body->text, client, err);
        onramp_secret_free(body);
        *known = st == ONRAMP_OK && (enabled || next[0] == '\0');
        if (st != ONRAMP_OK || enabled)
            return ONRAMP_OK; /* an answer in a form of tomorrow is no reason to refuse: the first create tells */
        if (next[0] == '\0')
            return onramp_fail(err, ONRAMP_EREFUSED,
                               "connection '%s' is not enabled for the application '%s': switch it on under "
                               "Authentication > Database > %s > Applications",
                               s->connection.name, client, s->connection.name);
    }
    return ONRAMP_OK;
}

enum onramp_status onramp_session_open(struct onramp_session *s, bool preflight, struct onramp_error *err)
{
    enum onramp_status st = open_token(s, err);
    if (st != ONRAMP_OK)
        return st;
    bool known;
    bool may_look = onramp_claims_allow(&s->claims, "read:connections");
    if (preflight && may_look) {
        st = onramp_session_find_connection(s, err);
        if (st == ONRAMP_OK)
            st = onramp_session_check_enabled(s, &known, err);
    }
    if (st == ONRAMP_OK && !s->connection_known)
        onramp_session_log(s, ONRAMP_LOG_WARN,
                           "%s: '%s' is not checked beforehand, passwords meet the strictest policy",
                           preflight ? "the token may not read connections (read:connections)" : "no preflight",
                           s->target->connection);
    return st;
}

int onramp_session_exit(const struct onramp_session *s, enum onramp_status status)
{
    if (s->interrupted)
        return 130;
    switch (status) {
    case ONRAMP_EAUTH:
        return 4;
    case ONRAMP_EINPUT:
    case ONRAMP_EREFUSED:
    case ONRAMP_ENET:
        return 3;
    default:
        return 2;
    }
}
