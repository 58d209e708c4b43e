/*
 * reply.c - what an answer of the Management API means.
 *
 * The known refusals are a table; the first line that fits decides. What is in no line is judged by its status.
 */
#include "auth0/reply.h"

#include "auth0/date.h"
#include "auth0/text.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

/* What the user can do about it. */
enum cure {
    NO_CURE,
    CURE_CONNECTION,
    CURE_DISABLED,
    CURE_CLIENT,
    CURE_USERNAMES,
    CURE_STRATEGY,
    CURE_DOMAIN_UNKNOWN,
    CURE_DOMAIN_CHOICE,
    CURE_PLAN,
    CURE_SCOPE,
    CURE_REFUSED,
    CURE_NOT_A_TOKEN,
    CURE_NO_TOKEN,
    CURE_EXPIRED,
    CURE_TOKEN,
    CURE_HOST,
    CURE_PATH,
    CURE_ID,
    CURE_BETWEEN,
    CURE_PROXY,
    CURE_TUNNEL,
    CURE_CERTIFICATE
};

static const char *const cures[] = {
    [NO_CURE] = "",
    [CURE_CONNECTION] =
        "check AUTH0_DATABASE_NAME against Authentication > Database: it is the name that counts, not the "
        "id (con_…)",
    [CURE_DISABLED] = "enable the connection for the application whose token this is: Authentication > Database > the "
                      "connection > Applications",
    [CURE_CLIENT] =
        "enable the application for the connection: Authentication > Database > the connection > Applications",
    [CURE_USERNAMES] = "the connection takes no usernames: allow them (Authentication > Database > the connection > "
                       "Attributes), or take 'username' out of the file",
    [CURE_STRATEGY] = "users can be created in database connections only: name one with AUTH0_DATABASE_NAME",
    [CURE_DOMAIN_UNKNOWN] = "name a custom domain that this tenant has verified (Branding > Custom Domains), or none",
    [CURE_DOMAIN_CHOICE] = "the tenant has several custom domains: name one of them for the mails' links, or choose a "
                           "default (Branding > Custom Domains)",
    [CURE_PLAN] = "the tenant's plan or settings do not offer this: the message says what is missing",
    [CURE_SCOPE] = "grant the application the scope: Applications > APIs > Auth0 Management API > Machine to Machine "
                   "Applications",
    [CURE_REFUSED] =
        "the tenant refuses this to the token: if the message is about one user only, take that record out",
    [CURE_NOT_A_TOKEN] = "AUTH0_MNG_TOKEN is not a Management API token: copy it whole and in one line (Applications > "
                         "APIs > Auth0 Management API > API Explorer)",
    [CURE_NO_TOKEN] = "no token arrived at the tenant: a proxy may have taken the Authorization header away",
    [CURE_EXPIRED] = "get a fresh token (Applications > APIs > Auth0 Management API > API Explorer), or set "
                     "AUTH0_CLIENT_ID and AUTH0_CLIENT_SECRET to have tokens fetched as needed",
    [CURE_TOKEN] =
        "the token is not valid here: get one from the very tenant and host that AUTH0_DOMAIN names, with the "
        "audience https://DOMAIN/api/v2/",
    [CURE_HOST] =
        "AUTH0_DOMAIN is not the host of the API: name the tenant itself (tenant.region.auth0.com) or its custom "
        "domain",
    [CURE_PATH] = "no Management API at this host: check AUTH0_DOMAIN",
    [CURE_ID] = "check the id that was given: the dashboard shows it with the role or organization",
    [CURE_BETWEEN] =
        "something between here and Auth0 answered: check AUTH0_DOMAIN, the proxy, and the tenant's access "
        "control lists",
    [CURE_PROXY] = "the proxy wants a login: put it into HTTPS_PROXY (http://user:password@host:port)",
    [CURE_TUNNEL] = "check AUTH0_DOMAIN, and what the proxy allows; NO_PROXY names hosts that are reached without it",
    [CURE_CERTIFICATE] =
        "check AUTH0_DOMAIN; if a proxy or a server with its own authority is meant to be there, name its "
        "CA with --cacert FILE",
};

/* The body as far as it is understood. */
struct body {
    json_t *json; /* NULL: not JSON */
    bool from_api;
    const char *code, *message, *detail; /* "" where absent */
};

struct known {
    int status;         /* 0: any */
    bool create;        /* holds for the create call only */
    const char *code;   /* NULL: any */
    const char *prefix; /* of the message or its detail, a leading "The " aside; NULL: any */
    enum onramp_meaning meaning;
    enum cure cure;
};

static const struct known table[] = {
    {400, false, "Bearer", NULL, ONRAMP_REPLY_UNAUTHORIZED, CURE_NOT_A_TOKEN},
    {400, false, NULL, "Bad HTTP authentication header", ONRAMP_REPLY_UNAUTHORIZED, CURE_NOT_A_TOKEN},
    {401, false, NULL, "Missing authentication", ONRAMP_REPLY_UNAUTHORIZED, CURE_NO_TOKEN},
    {401, false, NULL, "Expired token", ONRAMP_REPLY_UNAUTHORIZED, CURE_EXPIRED},
    {401, false, NULL, NULL, ONRAMP_REPLY_UNAUTHORIZED, CURE_TOKEN},
    {403, false, "insufficient_scope", NULL, ONRAMP_REPLY_FORBIDDEN, CURE_SCOPE},
    {0, false, "insufficient_entitlement", NULL, ONRAMP_REPLY_STOP, CURE_PLAN},
    {0, false, "operation_not_supported", NULL, ONRAMP_REPLY_STOP, CURE_PLAN},
    {403, false, NULL, "Sandbox error", ONRAMP_REPLY_REJECTED, NO_CURE}, /* an Action denied this user */
    {403, false, NULL, NULL, ONRAMP_REPLY_FORBIDDEN, CURE_REFUSED},

    {400, true, "inexistent_connection", NULL, ONRAMP_REPLY_STOP, CURE_CONNECTION},
    {404, true, "inexistent_connection", NULL, ONRAMP_REPLY_STOP, CURE_CONNECTION},
    {400, true, NULL, "connection does not exist", ONRAMP_REPLY_STOP, CURE_CONNECTION},
    {400, true, NULL, "connection is disabled", ONRAMP_REPLY_STOP, CURE_DISABLED},
    {400, true, NULL, "connection must be enabled for this client", ONRAMP_REPLY_STOP, CURE_CLIENT},
    {400, true, NULL, "cannot set username for connection", ONRAMP_REPLY_STOP, CURE_USERNAMES},
    {400, true, NULL, "connection does not support", ONRAMP_REPLY_STOP, CURE_STRATEGY},
    {400, false, NULL, "custom domain does not exist", ONRAMP_REPLY_STOP, CURE_DOMAIN_UNKNOWN},
    {409, false, "custom_domain_conflict", NULL, ONRAMP_REPLY_STOP, CURE_DOMAIN_CHOICE},

    {409, true, "auth0_idp_error", NULL, ONRAMP_REPLY_EXISTS, NO_CURE},
    {409, true, NULL, "user already exists", ONRAMP_REPLY_EXISTS, NO_CURE},
    {400, true, NULL, "user already exists", ONRAMP_REPLY_EXISTS, NO_CURE},
    {400, true, NULL, "username provided is in use", ONRAMP_REPLY_EXISTS, NO_CURE},

    {404, true, NULL, NULL, ONRAMP_REPLY_STOP, CURE_PATH},
    {404, false, "inexistent_user", NULL, ONRAMP_REPLY_NOT_FOUND, NO_CURE},
    {404, false, "inexistent_connection", NULL, ONRAMP_REPLY_NOT_FOUND, NO_CURE},
    {404, false, NULL, "user does not exist", ONRAMP_REPLY_NOT_FOUND, NO_CURE},
    {404, false, NULL, "connection does not exist", ONRAMP_REPLY_NOT_FOUND, NO_CURE},
    {404, false, "inexistent_organization", NULL, ONRAMP_REPLY_STOP, CURE_ID},
    {404, false, "inexistent_role", NULL, ONRAMP_REPLY_STOP, CURE_ID},
    {404, false, NULL, NULL, ONRAMP_REPLY_STOP, CURE_PATH},
};

/* ---- the body ---- */

static const char *member(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text != NULL ? text : "";
}

static const char *first_of(const char *a, const char *b)
{
    return a[0] != '\0' ? a : b;
}

/* Numbers are of no interest here, so none shall be too large; nor shall a NUL inside a string stop the reading. */
static json_t *load(const char *text, size_t size)
{
    return json_loadb(text, size, JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL, NULL);
}

static struct body read_body(const struct onramp_answer *answer)
{
    struct body body = {.code = "", .message = "", .detail = ""};
    if (answer->body == NULL || answer->truncated)
        return body;
    body.json = load(answer->body, answer->body_size);
    if (!json_is_object(body.json))
        return body;

    /* The Management API's shape, and the Authentication API's. */
    const char *error = member(body.json, "error"), *description = member(body.json, "error_description");
    body.from_api = json_is_number(json_object_get(body.json, "statusCode")) || error[0] != '\0' ||
                    member(body.json, "errorCode")[0] != '\0';
    body.code = first_of(member(body.json, "errorCode"), description[0] != '\0' ? error : "");
    body.message = first_of(member(body.json, "message"), first_of(description, error));
    body.detail = member(json_object_get(body.json, "attributes"), "error");
    return body;
}

/* ---- the pacer's part ---- */

static void read_signal(struct onramp_reply *out, const struct onramp_answer *answer, const struct body *body)
{
    const struct onramp_fields *fields = &answer->fields;
    struct onramp_signal *signal = &out->signal;
    uint64_t limit, remaining, reset;
    signal->has_limit = onramp_text_number(fields->limit, UINT32_MAX, &limit) &&
                        onramp_text_number(fields->remaining, UINT32_MAX, &remaining);
    if (signal->has_limit) {
        signal->limit = (uint32_t)limit;
        signal->remaining = (uint32_t)remaining;
    }
    signal->has_reset = onramp_text_number(fields->reset, INT64_MAX, &reset);
    if (signal->has_reset)
        signal->reset = (int64_t)reset;
    signal->has_date = onramp_reply_date(fields->date, &signal->date);
    if (signal->has_date)
        out->date = signal->date;
    signal->has_retry_after = onramp_reply_retry_after(fields->retry_after, out->date, &signal->retry_after);

    bool success = answer->status >= 200 && answer->status <= 299;
    if (answer->status == 429) {
        signal->kind = ONRAMP_SIGNAL_REFUSED;
        signal->edge = !body->from_api;
    } else {
        bool judged = body->from_api && answer->status >= 400 && answer->status <= 499;
        signal->kind = success || signal->has_limit ? ONRAMP_SIGNAL_TAKEN
                       : judged                     ? ONRAMP_SIGNAL_BARE
                                                    : ONRAMP_SIGNAL_UNSURE;
    }
}

/* ---- words ---- */

static void say(struct onramp_reply *out, const char *text)
{
    onramp_text_clean(out->message, sizeof out->message, text, strlen(text));
}

static void tell(struct onramp_reply *out, const struct onramp_answer *answer, const struct body *body)
{
    char text[1024];
    const char *type = answer->fields.content_type;
    out->wordless = !body->from_api || body->message[0] == '\0';
    if (body->from_api && body->message[0] != '\0' && body->detail[0] != '\0' &&
        strcmp(body->message, body->detail) != 0)
        (void)snprintf(text, sizeof text, "%s: %s", body->message, body->detail);
    else if (body->from_api && body->message[0] != '\0')
        (void)snprintf(text, sizeof text, "%s", body->message);
    else if (body->from_api)
        (void)snprintf(text, sizeof text, "status %d without a message", answer->status);
    else if (answer->truncated)
        (void)snprintf(text, sizeof text, "status %d with a body cut short", answer->status);
    else if (answer->status >= 200 && answer->status <= 299)
        (void)snprintf(text, sizeof text, "status %d, but not with the body that the API sends", answer->status);
    else
        (void)snprintf(text, sizeof text, "status %d, not from the API%s%s", answer->status,
                       type[0] != '\0' ? ": " : "", type);
    say(out, text);
}

/* What stands between `before` and `after` in the message, at most 120 bytes; "" if it is not there. */
static void between(char out[120], const char *message, const char *before, const char *after)
{
    const char *begin = strstr(message, before);
    out[0] = '\0';
    if (begin == NULL)
        return;
    begin += strlen(before);
    const char *end = after != NULL ? strstr(begin, after) : begin + strlen(begin);
    if (end != NULL)
        onramp_text_clean(out, 120, begin, (size_t)(end - begin));
}

static void prescribe(struct onramp_reply *out, enum cure cure, const char *message)
{
    char first[120], second[120];
    (void)snprintf(out->cure, sizeof out->cure, "%s", cures[cure]);
    if (cure == CURE_CLIENT) {
        between(first, message, "client_id: ", " - connection: ");
        between(second, message, " - connection: ", ")");
        if (first[0] != '\0' && second[0] != '\0')
            (void)snprintf(out->cure, sizeof out->cure,
                           "enable the application for the connection: Authentication > Database > %.80s > "
                           "Applications, client_id %.80s",
                           second, first);
    } else if (cure == CURE_SCOPE) {
        between(first, message, "expected any of: ", NULL);
        if (first[0] != '\0')
            (void)snprintf(out->cure, sizeof out->cure,
                           "grant the application one of %s: Applications > APIs > Auth0 Management API > Machine to "
                           "Machine Applications",
                           first);
    }
}

/* ---- the meaning ---- */

static bool begins(const char *text, const char *prefix)
{
    return onramp_text_begins(onramp_text_begins(text, "the ") ? text + 4 : text, prefix);
}

static bool fits(const struct known *known, int status, bool create, const struct body *body)
{
    return (known->status == 0 || known->status == status) && (create || !known->create) &&
           (known->code == NULL || strcmp(known->code, body->code) == 0) &&
           (known->prefix == NULL || begins(body->message, known->prefix) || begins(body->detail, known->prefix));
}

/* A refusal in the API's own words. */
static enum onramp_meaning refusal(int status, bool create, const struct body *body, enum cure *cure)
{
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (fits(&table[i], status, create, body)) {
            *cure = table[i].cure;
            return table[i].meaning;
        }
    return ONRAMP_REPLY_REJECTED;
}

/* A 4xx of somebody else: a proxy, an edge, a server that is not Auth0's. */
static enum onramp_meaning foreign(int status, enum cure *cure)
{
    switch (status) {
    case 401:
        *cure = CURE_TOKEN;
        return ONRAMP_REPLY_UNAUTHORIZED;
    case 404:
        *cure = CURE_PATH;
        return ONRAMP_REPLY_STOP;
    case 407:
        *cure = CURE_PROXY;
        return ONRAMP_REPLY_STOP;
    default:
        *cure = CURE_BETWEEN;
        return ONRAMP_REPLY_STOP;
    }
}

static enum onramp_meaning success(struct onramp_reply *out, const struct onramp_answer *answer, bool create,
                                   const struct body *body)
{
    if (answer->truncated)
        return ONRAMP_REPLY_UNCERTAIN;
    if (create) {
        const char *user_id = member(body->json, "user_id");
        if (user_id[0] == '\0' || strlen(user_id) >= sizeof out->user_id)
            return ONRAMP_REPLY_UNCERTAIN;
        memcpy(out->user_id, user_id, strlen(user_id) + 1);
        return ONRAMP_REPLY_DONE;
    }
    if (answer->status == 204)
        return ONRAMP_REPLY_DONE;
    if (onramp_text_begins(answer->fields.content_type, "application/json"))
        return body->json != NULL ? ONRAMP_REPLY_DONE : ONRAMP_REPLY_UNCERTAIN;
    const char *text = answer->body != NULL ? answer->body : "";
    return text[strspn(text, " \t\r\n")] == '<' ? ONRAMP_REPLY_UNCERTAIN : ONRAMP_REPLY_DONE;
}

static enum onramp_meaning judge(struct onramp_reply *out, const struct onramp_answer *answer, bool create,
                                 const struct body *body, enum cure *cure)
{
    int status = answer->status;
    if (status >= 200 && status <= 299) {
        *cure = body->json == NULL && !answer->truncated ? CURE_BETWEEN : NO_CURE; /* for what is no success */
        return success(out, answer, create, body);
    }
    if (status >= 300 && status <= 399) {
        *cure = CURE_HOST;
        return ONRAMP_REPLY_STOP;
    }
    if (status < 400 || status > 499 || status == 408)
        return ONRAMP_REPLY_UNCERTAIN;
    switch (status) {
    case 413:
        return ONRAMP_REPLY_REJECTED;
    case 425: /* too early: says of itself that nothing was done */
        return ONRAMP_REPLY_TRANSIENT;
    case 429:
        return ONRAMP_REPLY_THROTTLED;
    default:
        break;
    }
    if (body->from_api)
        return refusal(status, create, body, cure);
    /* Refused, but the words that tell one record from the whole run are gone: ask again. */
    return answer->truncated && status != 401 ? ONRAMP_REPLY_UNCERTAIN : foreign(status, cure);
}

static void read_answer(struct onramp_reply *out, const struct onramp_answer *answer, bool create)
{
    struct body body = read_body(answer);
    enum cure cure = NO_CURE;
    out->status = answer->status;
    read_signal(out, answer, &body);
    out->meaning = judge(out, answer, create, &body, &cure);
    if (out->meaning != ONRAMP_REPLY_DONE) {
        onramp_text_clean(out->error_code, sizeof out->error_code, body.code, strlen(body.code));
        tell(out, answer, &body);
        prescribe(out, cure, body.message);
    }
    if (cure == CURE_HOST && answer->fields.location[0] != '\0') {
        char text[400];
        (void)snprintf(text, sizeof text, "status %d, a redirect to %s", answer->status, answer->fields.location);
        out->wordless = true;
        say(out, text);
    }
    json_decref(body.json);
}

static enum cure unsent_cure(const struct onramp_answer *answer)
{
    if (answer->certificate)
        return CURE_CERTIFICATE;
    return answer->proxy_status == 0 ? NO_CURE : answer->proxy_status == 407 ? CURE_PROXY : CURE_TUNNEL;
}

void onramp_reply_parse(struct onramp_reply *out, const struct onramp_answer *answer, bool create)
{
    *out = (struct onramp_reply){0};
    switch (answer->delivery) {
    case ONRAMP_ANSWERED:
        read_answer(out, answer, create);
        break;
    case ONRAMP_UNSENT:
        out->signal.kind = ONRAMP_SIGNAL_UNSENT;
        out->meaning = answer->certificate ? ONRAMP_REPLY_STOP : ONRAMP_REPLY_TRANSIENT;
        say(out, first_of(answer->problem, "the request could not be sent"));
        prescribe(out, unsent_cure(answer), "");
        break;
    case ONRAMP_LOST:
        out->signal.kind = ONRAMP_SIGNAL_UNSURE;
        out->meaning = ONRAMP_REPLY_UNCERTAIN;
        say(out, first_of(answer->problem, "the answer was lost"));
        break;
    }
}

/* ---- look-ups ---- */

static void copy(char *out, size_t size, const char *text)
{
    size_t length = strlen(text);
    if (length < size)
        memcpy(out, text, length + 1);
}

/* The user's own identity is the first, those linked to it follow; each has a connection. */
static const json_t *identity_in(const json_t *user, const char *connection)
{
    size_t i;
    json_t *identity;
    json_array_foreach(json_object_get(user, "identities"), i, identity)
    {
        if (strcmp(member(identity, "connection"), connection) == 0)
            return identity;
    }
    return NULL;
}

static bool read_user(struct onramp_found *out, const json_t *user, const char *connection)
{
    *out = (struct onramp_found){0};
    if (member(user, "user_id")[0] == '\0')
        return false;
    copy(out->user_id, sizeof out->user_id, member(user, "user_id"));
    copy(out->email, sizeof out->email, member(user, "email"));
    copy(out->username, sizeof out->username, member(user, "username"));
    copy(out->phone_number, sizeof out->phone_number, member(user, "phone_number"));
    const json_t *identity = identity_in(user, connection);
    out->in_connection = identity != NULL;
    copy(out->identity_id, sizeof out->identity_id, member(identity, "user_id"));
    out->used = json_number_value(json_object_get(user, "logins_count")) > 0 || member(user, "last_login")[0] != '\0';
    if (!onramp_date_iso(member(user, "created_at"), &out->created_at))
        out->created_at = 0;
    return true;
}

enum onramp_status onramp_reply_found(const char *body, const char *connection, struct onramp_found *out, size_t max,
                                      size_t *count, struct onramp_error *err)
{
    json_t *json = load(body, strlen(body));
    size_t users = json_is_array(json) ? json_array_size(json) : 1;
    bool sound = json_is_array(json) || json_is_object(json);
    for (size_t i = 0; sound && i < users; i++) {
        struct onramp_found found;
        sound = read_user(&found, json_is_array(json) ? json_array_get(json, i) : json, connection);
        if (sound && i < max)
            out[i] = found;
    }
    json_decref(json);
    if (!sound)
        return onramp_fail(err, ONRAMP_EINPUT, "the tenant's answer to a look-up is not a list of users");
    *count = users;
    return ONRAMP_OK;
}
