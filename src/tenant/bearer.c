/*
 * bearer.c - issuing and judging tokens.
 */
#include "tenant/bearer.h"

#include <gnutls/crypto.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MAC_SIZE 32
/* Longest token that is looked at; Auth0's are about a kilobyte. */
#define TOKEN_MAX 16384

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* base64url without padding; returns the number of characters, 4/3 of `size` rounded up. */
static size_t encode(const unsigned char *bytes, size_t size, char *out)
{
    size_t length = 0;
    for (size_t i = 0; i < size; i += 3) {
        size_t left = size - i;
        uint32_t group = (uint32_t)bytes[i] << 16 | (left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0) |
                         (left > 2 ? (uint32_t)bytes[i + 2] : 0);
        size_t digits = left > 2 ? 4 : left + 1;
        for (size_t d = 0; d < digits; d++)
            out[length++] = alphabet[group >> (18 - 6 * d) & 63];
    }
    return length;
}

/* The reverse; false if a character is not of the alphabet. `out` has room for 3/4 of `size`. */
static bool decode(const char *text, size_t size, unsigned char *out, size_t *length)
{
    uint32_t bits = 0;
    unsigned count = 0;
    *length = 0;
    for (size_t i = 0; i < size; i++) {
        const char *at = text[i] != '\0' ? strchr(alphabet, text[i]) : NULL;
        if (at == NULL)
            return false;
        bits = bits << 6 | (uint32_t)(at - alphabet);
        count += 6;
        if (count >= 8) {
            count -= 8;
            out[(*length)++] = (unsigned char)(bits >> count & 255);
        }
    }
    return true;
}

static char *payload(const char *host, const struct onramp_bearer_claims *claims, int64_t at, uint32_t lifetime)
{
    char issuer[300], audience[300], subject[160];
    snprintf(issuer, sizeof issuer, "https://%.250s/", host);
    snprintf(audience, sizeof audience, "https://%.250s/api/v2/", host);
    snprintf(subject, sizeof subject, "%s@clients", claims->client_id);
    json_t *json = json_pack("{s:s, s:s, s:s, s:I, s:I, s:s, s:s, s:s}", "iss", issuer, "sub", subject, "aud", audience,
                             "iat", (json_int_t)at, "exp", (json_int_t)(at + lifetime), "scope", claims->scopes, "gty",
                             "client-credentials", "azp", claims->client_id);
    char *text = json != NULL ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    return text;
}

char *onramp_bearer_issue(const unsigned char key[ONRAMP_BEARER_KEY], const char *host,
                          const struct onramp_bearer_claims *claims, int64_t at, uint32_t lifetime)
{
    static const char header[] = "{\"alg\":\"HS256\",\"typ\":\"JWT\",\"kid\":\"onramp-local-tenant\"}";
    char *claims_text = payload(host, claims, at, lifetime);
    if (claims_text == NULL)
        return NULL;
    size_t size = strlen(claims_text);
    char *token = malloc((sizeof header + size + MAC_SIZE) * 4 / 3 + 16);
    if (token == NULL)
        goto out;

    size_t length = encode((const unsigned char *)header, sizeof header - 1, token);
    token[length++] = '.';
    length += encode((const unsigned char *)claims_text, size, token + length);
    unsigned char mac[MAC_SIZE];
    if (gnutls_hmac_fast(GNUTLS_MAC_SHA256, key, ONRAMP_BEARER_KEY, token, length, mac) < 0) {
        free(token);
        token = NULL;
        goto out;
    }
    token[length++] = '.';
    length += encode(mac, sizeof mac, token + length);
    token[length] = '\0';
out:
    free(claims_text);
    return token;
}

/* A host without its port; loopback's names are one. */
static void canonical_host(const char *host, char *out, size_t size)
{
    size_t length = host[0] == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":/");
    snprintf(out, size, "%.*s", (int)(length < size ? length : size - 1), host);
    if (strcasecmp(out, "localhost") == 0 || strcmp(out, "127.0.0.1") == 0 || strcmp(out, "[::1]") == 0)
        snprintf(out, size, "loopback");
}

static bool same_host(const char *issuer, const char *host)
{
    static const char scheme[] = "https://";
    if (host == NULL)
        return true;
    if (issuer == NULL || strncmp(issuer, scheme, sizeof scheme - 1) != 0)
        return false;
    char ours[256], theirs[256];
    canonical_host(issuer + sizeof scheme - 1, theirs, sizeof theirs);
    canonical_host(host, ours, sizeof ours);
    return strcasecmp(ours, theirs) == 0;
}

static enum onramp_bearer judge(const json_t *claims, const char *host, int64_t at, struct onramp_bearer_claims *out)
{
    const char *client_id = json_string_value(json_object_get(claims, "azp"));
    const char *scopes = json_string_value(json_object_get(claims, "scope"));
    if (client_id == NULL || scopes == NULL || !same_host(json_string_value(json_object_get(claims, "iss")), host))
        return ONRAMP_BEARER_FORGED;
    if (json_integer_value(json_object_get(claims, "exp")) <= at)
        return ONRAMP_BEARER_EXPIRED;
    snprintf(out->client_id, sizeof out->client_id, "%s", client_id);
    snprintf(out->scopes, sizeof out->scopes, "%s", scopes);
    out->issued_at = json_integer_value(json_object_get(claims, "iat"));
    return ONRAMP_BEARER_VALID;
}

enum onramp_bearer onramp_bearer_check(const unsigned char key[ONRAMP_BEARER_KEY], const char *authorization,
                                       const char *host, int64_t at, struct onramp_bearer_claims *out)
{
    if (authorization == NULL || authorization[0] == '\0')
        return ONRAMP_BEARER_MISSING;
    if (strncasecmp(authorization, "Bearer ", 7) != 0)
        return ONRAMP_BEARER_MALFORMED;
    const char *token = authorization + 7;
    const char *first = strchr(token, '.');
    const char *second = first != NULL ? strchr(first + 1, '.') : NULL;
    size_t size = strlen(token);
    if (second == NULL || strchr(second + 1, '.') != NULL || strchr(token, ' ') != NULL || size > TOKEN_MAX)
        return ONRAMP_BEARER_MALFORMED;

    unsigned char mac[MAC_SIZE];
    char mac_text[MAC_SIZE * 4 / 3 + 4];
    if (gnutls_hmac_fast(GNUTLS_MAC_SHA256, key, ONRAMP_BEARER_KEY, token, (size_t)(second - token), mac) < 0)
        return ONRAMP_BEARER_FORGED;
    mac_text[encode(mac, sizeof mac, mac_text)] = '\0';
    if (strcmp(mac_text, second + 1) != 0)
        return ONRAMP_BEARER_FORGED;

    unsigned char claims_text[TOKEN_MAX];
    size_t length;
    if (!decode(first + 1, (size_t)(second - first - 1), claims_text, &length))
        return ONRAMP_BEARER_FORGED;
    json_t *claims = json_loadb((const char *)claims_text, length, 0, NULL);
    enum onramp_bearer verdict = judge(claims, host, at, out);
    json_decref(claims);
    return verdict;
}

bool onramp_scopes_hold(const char *scopes, const char *scope)
{
    size_t size = strlen(scope);
    for (const char *at = scopes; (at = strstr(at, scope)) != NULL; at += size)
        if ((at == scopes || at[-1] == ' ') && (at[size] == ' ' || at[size] == '\0'))
            return true;
    return false;
}
