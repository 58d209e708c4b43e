/*
 * fuzz_token.c - tokens and the answers they come in, whatever they are.
 */
#include "auth0/token.h"

#include <assert.h>
#include <jansson.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_token(const struct onramp_secret *token)
{
    static struct onramp_claims claims;
    struct onramp_error err = {.text = ""};
    onramp_token_claims(&claims, token);
    (void)onramp_claims_allow(&claims, "create:users");
    if (onramp_token_check(token, &err) == ONRAMP_OK)
        assert(claims.readable);
    else
        assert(err.text[0] != '\0');
}

/* A found token is one that could be sent, and is what a parser finds. */
static void check_answer(int status, const char *body, size_t size)
{
    struct onramp_secret *token = NULL;
    struct onramp_error err = {.text = ""};
    int64_t lifetime = 0;
    enum onramp_status st = onramp_token_answer(&token, &lifetime, status, body, size, &err);
    assert((st == ONRAMP_OK) == (token != NULL));
    if (st != ONRAMP_OK) {
        assert(st == ONRAMP_ENET || st == ONRAMP_EAUTH);
        assert(err.text[0] != '\0' && strchr(err.text, '\n') == NULL);
        return;
    }
    assert(status == 200 && lifetime > 0 && token->size > 0 && strlen(token->text) == token->size);
    json_t *json = json_loadb(body, size, JSON_REJECT_DUPLICATES, NULL);
    if (json != NULL) {
        const char *text = json_string_value(json_object_get(json, "access_token"));
        assert(text != NULL && strcmp(text, token->text) == 0);
    }
    json_decref(json);
    onramp_secret_free(token);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int statuses[] = {200, 200, 200, 400, 401, 403, 429, 302, 503};
    if (size == 0)
        return 0;
    struct onramp_secret *text = NULL;
    enum onramp_status st = onramp_secret_copy(&text, (const char *)data + 1, size - 1, NULL);
    assert(st == ONRAMP_OK);
    check_token(text);
    check_answer(statuses[data[0] % (sizeof statuses / sizeof statuses[0])], text->text, text->size);
    onramp_secret_free(text);
    return 0;
}
