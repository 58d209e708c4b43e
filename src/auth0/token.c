/*
 * token.c - Management API tokens: reading one, checking a pasted one, getting one.
 *
 * A token is handled in guarded memory only; a JSON library would copy it to where nobody wipes it. So its text is cut
 * out of an answer before the rest of the answer is parsed.
 */
#include "auth0/token.h"

#include "auth0/member.h"
#include "auth0/text.h"

#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#define MOMENT_MAX INT64_C(253402300799) /* Unix seconds, the end of the year 9999: what is later is no moment */
#define LIFE_MAX   1000000000            /* seconds: 31 years, which in nanoseconds are a span still */

/* ---- what a token says ---- */

static const char base64url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* Three parts, and where the middle one is. */
static bool middle_part(const struct onramp_secret *token, const char **part, size_t *size)
{
    const char *first = strchr(token->text, '.');
    const char *second = first != NULL ? strchr(first + 1, '.') : NULL;
    if (second == NULL || strchr(second + 1, '.') != NULL)
        return false;
    *part = first + 1;
    *size = (size_t)(second - first - 1);
    return true;
}

/* NULL if the token is no JWS with an object inside, or for want of memory. */
static json_t *read_payload(const struct onramp_secret *token)
{
    const char *part;
    size_t size, decoded;
    struct onramp_secret *text = NULL;
    json_t *payload = NULL;
    if (!middle_part(token, &part, &size) || onramp_secret_new(&text, size, NULL) != ONRAMP_OK)
        return NULL;
    if (sodium_base642bin((unsigned char *)text->text, text->size, part, size, NULL, &decoded, NULL,
                          sodium_base64_VARIANT_URLSAFE_NO_PADDING) == 0)
        payload = json_loadb(text->text, decoded, 0, NULL); /* claims are no secret: the signature is */
    onramp_secret_free(text);
    if (!json_is_object(payload)) {
        json_decref(payload);
        return NULL;
    }
    return payload;
}

static void read_client(struct onramp_claims *out, const json_t *payload)
{
    static const char machine[] = "@clients";
    if (onramp_member_copy(out->client_id, sizeof out->client_id, payload, "azp") ||
        onramp_member_copy(out->client_id, sizeof out->client_id, payload, "client_id"))
        return;
    if (!onramp_member_copy(out->client_id, sizeof out->client_id, payload, "sub"))
        return;
    char *suffix = strstr(out->client_id, machine);
    if (suffix != NULL && strcmp(suffix, machine) == 0)
        *suffix = '\0';
}

/* A string, or an array of them. */
static void read_audience(struct onramp_claims *out, const json_t *payload)
{
    if (onramp_member_copy(out->audience, sizeof out->audience, payload, "aud"))
        return;
    size_t i, used = 0;
    json_t *one;
    json_array_foreach(json_object_get(payload, "aud"), i, one)
    {
        const char *text = json_string_value(one);
        if (text == NULL || used + strlen(text) + 2 > sizeof out->audience)
            continue;
        used += (size_t)snprintf(out->audience + used, sizeof out->audience - used, "%s%s", used > 0 ? " " : "", text);
    }
}

static bool read_seconds(int64_t *out, const json_t *payload, const char *name)
{
    const json_t *number = json_object_get(payload, name);
    if (!json_is_integer(number) || json_integer_value(number) < 0 || json_integer_value(number) > MOMENT_MAX)
        return false;
    *out = json_integer_value(number);
    return true;
}

void onramp_token_claims(struct onramp_claims *out, const struct onramp_secret *token)
{
    *out = (struct onramp_claims){0};
    json_t *payload = read_payload(token);
    if (payload == NULL)
        return;
    out->readable = true;
    read_client(out, payload);
    read_audience(out, payload);
    (void)onramp_member_copy(out->issuer, sizeof out->issuer, payload, "iss");
    (void)read_seconds(&out->issued_at, payload, "iat");
    out->has_expiry = read_seconds(&out->expires_at, payload, "exp");
    /* Scopes that do not fit are unknown: a list cut short would deny what the token has. */
    out->has_scopes = onramp_member_copy(out->scopes, sizeof out->scopes, payload, "scope");
    json_decref(payload);
}

bool onramp_claims_allow(const struct onramp_claims *claims, const char *scope)
{
    if (!claims->has_scopes)
        return true;
    size_t size = strlen(scope);
    for (const char *word = claims->scopes; *word != '\0';) {
        size_t length = strcspn(word, " ");
        if (length == size && memcmp(word, scope, size) == 0)
            return true;
        word += length;
        word += strspn(word, " ");
    }
    return false;
}

/* ---- a pasted one ---- */

enum onramp_status onramp_token_check(const struct onramp_secret *token, struct onramp_error *err)
{
    static const char where[] = "copy it whole from Applications > APIs > Auth0 Management API > API Explorer";
    const char *text = token->text;
    size_t parts = 1;
    for (const char *c = text; *c != '\0'; c++)
        parts += *c == '.';

    if (token->size == 0)
        return onramp_fail(err, ONRAMP_EUSAGE, "the token is empty: %s", where);
    if (strlen(text) != token->size)
        return onramp_fail(err, ONRAMP_EUSAGE, "the token has a NUL character in it: %s", where);
    if (onramp_text_begins(text, "bearer"))
        return onramp_fail(err, ONRAMP_EUSAGE, "the token begins with 'Bearer': leave that word out");
    if (text[0] == '"' || text[0] == '\'')
        return onramp_fail(err, ONRAMP_EUSAGE, "the token is in quotes: leave them out");
    if (text[strcspn(text, " \t\r\n")] != '\0')
        return onramp_fail(err, ONRAMP_EUSAGE, "the token has a space or line break in it: it must be one line");
    if (parts == 5)
        return onramp_fail(err, ONRAMP_EUSAGE, "the token is an encrypted one, which is not for the Management API: %s",
                           where);
    if (parts != 3)
        return onramp_fail(err, ONRAMP_EUSAGE, "the token is not a Management API token, which has three parts: %s",
                           where);
    for (const char *c = text; *c != '\0'; c++)
        if (*c != '.' && strchr(base64url, *c) == NULL)
            return onramp_fail(err, ONRAMP_EUSAGE, "the token has a character that no token has: %s", where);

    struct onramp_claims claims;
    onramp_token_claims(&claims, token);
    if (!claims.readable || text[0] == '.' || text[token->size - 1] == '.')
        return onramp_fail(err, ONRAMP_EUSAGE, "the token cannot be read, a part of it may be missing: %s", where);
    return ONRAMP_OK;
}

/* ---- getting one ---- */

/* One piece after the other; NULL `out` only measures. */
struct writer {
    char *out;
    size_t used;
};

static void raw(struct writer *w, const char *text)
{
    if (w->out != NULL)
        memcpy(w->out + w->used, text, strlen(text));
    w->used += strlen(text);
}

static void escaped(struct writer *w, const char *text, size_t size)
{
    w->used += onramp_text_escape(w->out != NULL ? w->out + w->used : NULL, text, size);
}

static void write_request(struct writer *w, const char *client_id, const struct onramp_secret *client_secret,
                          const char *audience)
{
    raw(w, "{\"grant_type\":\"client_credentials\",\"client_id\":\"");
    escaped(w, client_id, strlen(client_id));
    raw(w, "\",\"client_secret\":\"");
    escaped(w, client_secret->text, client_secret->size);
    raw(w, "\",\"audience\":\"");
    escaped(w, audience, strlen(audience));
    raw(w, "\"}");
}

enum onramp_status onramp_token_request(struct onramp_secret **out, const char *client_id,
                                        const struct onramp_secret *client_secret, const char *audience,
                                        struct onramp_error *err)
{
    struct writer measure = {0};
    write_request(&measure, client_id, client_secret, audience);
    struct onramp_secret *body = NULL;
    enum onramp_status st = onramp_secret_new(&body, measure.used, err);
    if (st != ONRAMP_OK)
        return st;
    write_request(&(struct writer){.out = body->text}, client_id, client_secret, audience);
    *out = body;
    return ONRAMP_OK;
}

/* ---- its answer ---- */

/* Printable ASCII without what JSON would escape: anything else is no token that could be sent in a header. */
static bool is_token(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (text[i] <= ' ' || text[i] > '~' || text[i] == '\\' || text[i] == '"')
            return false;
    return size > 0;
}

/* Take the token out of the guarded copy of the answer, and leave blanks there. */
static enum onramp_status cut_out(struct onramp_secret **token, struct onramp_secret *answer, struct onramp_error *err)
{
    size_t size;
    char *text = onramp_text_member(answer->text, "access_token", &size);
    if (text == NULL || !is_token(text, size))
        return onramp_fail(err, ONRAMP_ENET, "the answer to the token request has no token in it");
    enum onramp_status st = onramp_secret_copy(token, text, size, err);
    memset(text, ' ', size);
    return st;
}

/* Seconds, from the answer, else from the token's own claims; 0 if neither tells. */
static int64_t read_lifetime(const json_t *rest, const struct onramp_secret *token)
{
    const json_t *number = json_object_get(rest, "expires_in");
    if (json_is_number(number) && json_number_value(number) >= 1 && json_number_value(number) <= LIFE_MAX)
        return (int64_t)json_number_value(number);
    struct onramp_claims claims;
    onramp_token_claims(&claims, token);
    int64_t life = claims.has_expiry ? claims.expires_at - claims.issued_at : 0;
    return life > 0 && life <= LIFE_MAX ? life : 0;
}

static enum onramp_status granted(struct onramp_secret **out, int64_t *lifetime, const char *body, size_t size,
                                  struct onramp_error *err)
{
    enum { UNTOLD = 3600 }; /* Auth0 always tells; of one that does not, nothing longer should be assumed */
    struct onramp_secret *copy = NULL, *token = NULL;
    enum onramp_status st = onramp_secret_copy(&copy, body, size, err);
    if (st != ONRAMP_OK)
        return st;
    st = cut_out(&token, copy, err);
    if (st != ONRAMP_OK)
        goto out;
    json_t *rest = json_loadb(copy->text, copy->size, 0, NULL);
    const char *type = json_string_value(json_object_get(rest, "token_type"));
    if (!json_is_object(rest) || (type != NULL && !onramp_text_equal(type, "Bearer"))) {
        st = onramp_fail(err, ONRAMP_ENET, "the answer to the token request is not one that Auth0 gives");
    } else {
        *lifetime = read_lifetime(rest, token);
        *lifetime = *lifetime > 0 ? *lifetime : UNTOLD;
        *out = token;
        token = NULL; /* it is the caller's now */
    }
    json_decref(rest);
out:
    onramp_secret_free(token);
    onramp_secret_free(copy);
    return st;
}

static const char *what_helps(const char *error, const char *description)
{
    if (onramp_text_begins(description, "Service not enabled"))
        return "check AUTH0_AUDIENCE: https://DOMAIN/api/v2/ of the tenant's own domain, with the slash at its end";
    if (onramp_text_begins(description, "Client is not authorized") || strstr(description, "client-grant") != NULL ||
        strstr(description, "resource server") != NULL)
        return "authorize the application: Applications > APIs > Auth0 Management API > Machine to Machine "
               "Applications";
    if (strcmp(error, "unauthorized_client") == 0)
        return "allow the grant type: Applications > the application > Settings > Advanced > Grant Types > Client "
               "Credentials";
    if (strcmp(error, "access_denied") == 0 || strcmp(error, "invalid_client") == 0)
        return "check AUTH0_CLIENT_ID and AUTH0_CLIENT_SECRET, and that both are of the tenant that AUTH0_DOMAIN names";
    return "check AUTH0_CLIENT_ID, AUTH0_CLIENT_SECRET and AUTH0_AUDIENCE";
}

static enum onramp_status refused(int status, const json_t *json, struct onramp_error *err)
{
    const char *error = json_string_value(json_object_get(json, "error"));
    const char *description = json_string_value(json_object_get(json, "error_description"));
    if (error == NULL)
        return onramp_fail(err, ONRAMP_ENET, "no token: status %d, not from Auth0", status);

    char words[240];
    description = description != NULL ? description : error;
    onramp_text_clean(words, sizeof words, description, strlen(description));
    if (status == 429 || status == 408 || status >= 500)
        return onramp_fail(err, ONRAMP_ENET, "no token for now: %s (status %d)", words, status);
    return onramp_fail(err, ONRAMP_EAUTH, "no token: %s: %s", words, what_helps(error, description));
}

enum onramp_status onramp_token_answer(struct onramp_secret **token, int64_t *lifetime, int status, const char *body,
                                       size_t size, struct onramp_error *err)
{
    if (status == 200)
        return granted(token, lifetime, body, size, err);
    if (status >= 300 && status <= 399)
        return onramp_fail(err, ONRAMP_ENET,
                           "no token: a redirect (status %d), so AUTH0_DOMAIN is not the tenant's host", status);
    json_t *json = json_loadb(body, size, 0, NULL);
    enum onramp_status st = refused(status, json, err);
    json_decref(json);
    return st;
}
