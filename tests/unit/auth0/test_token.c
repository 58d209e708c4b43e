/*
 * test_token.c - what tokens say, what is odd about pasted ones, and how new ones are got.
 */
#include "auth0/token.h"

#include <jansson.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct onramp_secret *secret_of(const char *text)
{
    struct onramp_secret *secret = NULL;
    assert_int_equal(onramp_secret_copy(&secret, text, strlen(text), NULL), ONRAMP_OK);
    return secret;
}

/* A token with this payload. */
static struct onramp_secret *token_of(const char *payload)
{
    size_t size = sodium_base64_ENCODED_LEN(strlen(payload), sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    char *text = malloc(size + 64);
    assert_non_null(text);
    memcpy(text, "eyJhbGciOiJSUzI1NiJ9.", 21);
    (void)sodium_bin2base64(text + 21, size, (const unsigned char *)payload, strlen(payload),
                            sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    strcat(text, ".c2lnbmF0dXJl");
    struct onramp_secret *token = secret_of(text);
    free(text);
    return token;
}

static struct onramp_claims claims_of(const char *payload)
{
    static struct onramp_claims claims; /* large for a stack that sanitizers pad */
    struct onramp_secret *token = token_of(payload);
    onramp_token_claims(&claims, token);
    onramp_secret_free(token);
    return claims;
}

static void reads_auth0s_own_profile(void **state)
{
    (void)state;
    struct onramp_claims claims = claims_of(
        "{\"iss\":\"https://t.eu.auth0.com/\",\"sub\":\"abc@clients\",\"aud\":\"https://t.eu.auth0.com/api/v2/"
        "\",\"iat\":1790000000,"
        "\"exp\":1790086400,\"scope\":\"create:users read:users\",\"gty\":\"client-credentials\",\"azp\":\"abc\"}");
    assert_true(claims.readable);
    assert_string_equal(claims.client_id, "abc");
    assert_string_equal(claims.issuer, "https://t.eu.auth0.com/");
    assert_string_equal(claims.audience, "https://t.eu.auth0.com/api/v2/");
    assert_int_equal(claims.issued_at, 1790000000);
    assert_true(claims.has_expiry);
    assert_int_equal(claims.expires_at, 1790086400);
    assert_true(claims.has_scopes);
    assert_string_equal(claims.scopes, "create:users read:users");
}

static void reads_the_profile_of_rfc_9068_and_lists_of_audiences(void **state)
{
    (void)state;
    struct onramp_claims claims =
        claims_of("{\"client_id\":\"abc\",\"sub\":\"other@clients\",\"aud\":[\"a\",7,\"b\"]}");
    assert_string_equal(claims.client_id, "abc");
    assert_string_equal(claims.audience, "a b");
    assert_false(claims.has_expiry || claims.has_scopes);
    assert_string_equal(claims_of("{\"sub\":\"abc@clients\"}").client_id, "abc");
    assert_string_equal(claims_of("{\"sub\":\"auth0|someone\"}").client_id, "auth0|someone");
}

static void an_unreadable_token_says_nothing(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "abc", "a.b", "a.b.c", "a.b.c.d", "..", "a.!!.c", "a.W10.c", "a.e30=.c"};
    static struct onramp_claims claims;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct onramp_secret *token = secret_of(texts[i]);
        onramp_token_claims(&claims, token);
        assert_false(claims.readable || claims.has_expiry || claims.has_scopes);
        onramp_secret_free(token);
    }
    claims = claims_of("{\"exp\":\"soon\",\"scope\":7,\"aud\":{},\"azp\":[],\"iss\":null}");
    assert_true(claims.readable);
    assert_false(claims.has_expiry || claims.has_scopes);
    assert_string_equal(claims.client_id, "");
}

static void scopes_match_as_whole_words(void **state)
{
    (void)state;
    static struct onramp_claims claims;
    claims = (struct onramp_claims){.has_scopes = true, .scopes = "create:users_app_metadata  read:users update:x"};
    assert_true(onramp_claims_allow(&claims, "read:users"));
    assert_true(onramp_claims_allow(&claims, "update:x"));
    assert_true(onramp_claims_allow(&claims, "create:users_app_metadata"));
    assert_false(onramp_claims_allow(&claims, "create:users"));
    assert_false(onramp_claims_allow(&claims, "users"));
    claims.scopes[0] = '\0';
    assert_false(onramp_claims_allow(&claims, "read:users"));
    claims.has_scopes = false;
    assert_true(onramp_claims_allow(&claims, "read:users"));
}

static void scopes_that_do_not_fit_are_unknown_not_denied(void **state)
{
    (void)state;
    enum { SCOPES = 20000 };
    char *payload = malloc(SCOPES + 100);
    assert_non_null(payload);
    size_t used = (size_t)sprintf(payload, "{\"scope\":\"");
    memset(payload + used, 'x', SCOPES);
    (void)strcpy(payload + used + SCOPES, " create:users\"}");
    struct onramp_claims claims = claims_of(payload);
    free(payload);
    assert_true(claims.readable);
    assert_false(claims.has_scopes);
    assert_true(onramp_claims_allow(&claims, "create:users"));
}

static void says_what_is_odd_about_a_pasted_token_without_quoting_it(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"", "is empty"},
        {"Bearer eyJ.e30.xSECRETx", "begins with 'Bearer'"},
        {"bearer: eyJ.e30.xSECRETx", "begins with 'Bearer'"},
        {"\"eyJ.e30.xSECRETx\"", "in quotes"},
        {"'eyJ.e30.xSECRETx'", "in quotes"},
        {"eyJ.e30.xSECRETx\n", "space or line break"},
        {"eyJ.e30.xSEC\nRETx", "space or line break"},
        {"eyJ.e30.xSEC RETx", "space or line break"},
        {"xSECRETxthirtytwocharactersofsecret", "has three parts"},
        {"eyJ.xSECRETx", "has three parts"},
        {"eyJ.a.b.c.xSECRETx", "encrypted"},
        {"eyJ.e30.xSECRETx+/", "a character that no token has"},
        {"eyJ.e30.xSECRET\xe2\x80\xa6", "a character that no token has"},
        {"eyJ.xSECRETx.abc", "a part of it may be missing"},
        {"eyJ.e30.", "a part of it may be missing"},
        {".e30.xSECRETx", "a part of it may be missing"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct onramp_secret *token = secret_of(cases[i][0]);
        struct onramp_error err = {.text = ""};
        assert_int_equal(onramp_token_check(token, &err), ONRAMP_EUSAGE);
        if (strstr(err.text, cases[i][1]) == NULL || strstr(err.text, "SEC") != NULL)
            fail_msg("case %zu: %s", i, err.text);
        onramp_secret_free(token);
    }
    struct onramp_secret *token = token_of("{}");
    assert_int_equal(onramp_token_check(token, NULL), ONRAMP_OK);
    token->text[3] = '\0';
    assert_int_equal(onramp_token_check(token, NULL), ONRAMP_EUSAGE);
    onramp_secret_free(token);
}

static void asks_for_a_token_in_json_whatever_the_secret_has_in_it(void **state)
{
    (void)state;
    struct onramp_secret *secret = secret_of("q\"b\\s\n\xc3\xbc"), *body;
    assert_int_equal(onramp_token_request(&body, "id\"1", secret, "https://t.eu.auth0.com/api/v2/", NULL), ONRAMP_OK);
    assert_int_equal(strlen(body->text), body->size);
    json_t *json = json_loadb(body->text, body->size, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(json, "grant_type")), "client_credentials");
    assert_string_equal(json_string_value(json_object_get(json, "client_id")), "id\"1");
    assert_string_equal(json_string_value(json_object_get(json, "client_secret")), secret->text);
    assert_string_equal(json_string_value(json_object_get(json, "audience")), "https://t.eu.auth0.com/api/v2/");
    assert_int_equal(json_object_size(json), 4);
    json_decref(json);
    onramp_secret_free(body);
    onramp_secret_free(secret);
}

static void expect_token(const char *body, const char *text, int64_t seconds)
{
    struct onramp_secret *token = NULL;
    struct onramp_error err = {.text = ""};
    int64_t lifetime = 0;
    if (onramp_token_answer(&token, &lifetime, 200, body, strlen(body), &err) != ONRAMP_OK)
        fail_msg("%s: %s", body, err.text);
    assert_string_equal(token->text, text);
    assert_int_equal(lifetime, seconds);
    onramp_secret_free(token);
}

static void takes_the_token_out_of_the_answer(void **state)
{
    (void)state;
    expect_token("{\"access_token\":\"a.b.c\",\"token_type\":\"Bearer\",\"expires_in\":86400,\"scope\":\"x\"}", "a.b.c",
                 86400);
    expect_token(" {\n\"scope\" : \"access_token\",\"x\":[{\"access_token\":\"no\"}],\"expires_in\":60,\r\n"
                 "\"access_token\" :\t\"a.b.c\" }\n",
                 "a.b.c", 60);
    expect_token("{\"quoted\":\"\\\"access_token\\\":\\\\\",\"access_token\":\"yes\",\"token_type\":\"bearer\"}", "yes",
                 3600);
    expect_token("{\"access_token\":\"yes\",\"expires_in\":-5}", "yes", 3600);
    expect_token("{\"access_token\":\"yes\",\"expires_in\":1e30}", "yes", 3600);
    expect_token("{\"access_token\":\"yes\",\"expires_in\":\"60\"}", "yes", 3600);
}

static void the_tokens_own_claims_tell_its_life_where_the_answer_does_not(void **state)
{
    (void)state;
    static const struct {
        const char *claims;
        int64_t seconds;
    } lives[] = {
        {"{\"iat\":1000,\"exp\":8200}", 7200},
        /* What would be no span in nanoseconds, or is no moment, is not told. */
        {"{\"iat\":1000,\"exp\":9223372036854775807}", 3600},
        {"{\"iat\":1000,\"exp\":200000000000}", 3600},
        {"{\"iat\":1000,\"exp\":-9223372036854775807}", 3600},
        {"{\"iat\":-1000,\"exp\":7200}", 7200},
    };
    for (size_t i = 0; i < sizeof lives / sizeof lives[0]; i++) {
        struct onramp_secret *token = token_of(lives[i].claims);
        char body[300];
        (void)snprintf(body, sizeof body, "{\"access_token\":\"%s\"}", token->text);
        expect_token(body, token->text, lives[i].seconds);
        onramp_secret_free(token);
    }
}

static void an_answer_without_a_token_is_worth_another_try(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "",
        "<html>",
        "{}",
        "[\"access_token\",\"a.b.c\"]",
        "[{\"access_token\":\"a.b.c\"}]",
        "{\"access_token\":\"a.b.c\"",
        "{\"access_token\":\"a.b.c",
        "{\"access_token\":\"a\\n.b\"}",
        "{\"access_token\":\"\"}",
        "{\"access_token\":7}",
        "{\"access_token\":\"a b\"}",
        "{\"access_token\":\"a\xc3\xbc\"}",
        "{\"access_token\"",
        "{\"access_token\":\"a.b.c\",\"token_type\":\"mac\"}",
        "{\"access_token\":\"a.b.c\\",
        "{\"x\":{\"access_token\":\"a.b.c\"}}",
    };
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        struct onramp_secret *token = NULL;
        struct onramp_error err = {.text = ""};
        int64_t lifetime = 0;
        assert_int_equal(onramp_token_answer(&token, &lifetime, 200, bodies[i], strlen(bodies[i]), &err), ONRAMP_ENET);
        assert_null(token);
        assert_null(strstr(err.text, "a.b.c"));
    }
}

static void refusals_say_what_helps(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *body;
        enum onramp_status expected;
        const char *words;
    } cases[] = {
        {401, "{\"error\":\"access_denied\",\"error_description\":\"Unauthorized\"}", ONRAMP_EAUTH,
         "no token: Unauthorized: check AUTH0_CLIENT_ID and AUTH0_CLIENT_SECRET"},
        {401, "{\"error\":\"invalid_client\"}", ONRAMP_EAUTH, "no token: invalid_client: check AUTH0_CLIENT_ID"},
        {403, "{\"error\":\"access_denied\",\"error_description\":\"Service not enabled within domain: https://x\"}",
         ONRAMP_EAUTH, "check AUTH0_AUDIENCE"},
        {403,
         "{\"error\":\"access_denied\",\"error_description\":\"Client is not authorized to access \\\"https://x\\\". "
         "You "
         "need to create a client-grant\"}",
         ONRAMP_EAUTH, "authorize the application"},
        {403,
         "{\"error\":\"access_denied\",\"error_description\":\"Client abc is not authorized to access resource server "
         "https://x\"}",
         ONRAMP_EAUTH, "authorize the application"},
        {403,
         "{\"error\":\"unauthorized_client\",\"error_description\":\"Grant type 'client_credentials' not allowed for "
         "the "
         "client.\",\"error_uri\":\"https://x\"}",
         ONRAMP_EAUTH, "Grant Types > Client Credentials"},
        {400, "{\"error\":\"invalid_request\"}", ONRAMP_EAUTH, "check AUTH0_CLIENT_ID"},
        {429, "{\"error\":\"too_many_requests\",\"error_description\":\"Client quota exceeded\"}", ONRAMP_ENET,
         "no token for now: Client quota exceeded (status 429)"},
        {503, "{\"error\":\"x\"}", ONRAMP_ENET, "no token for now"},
        {408, "{\"error\":\"x\"}", ONRAMP_ENET, "no token for now"},
        {502, "<html>", ONRAMP_ENET, "status 502, not from Auth0"},
        {404, "", ONRAMP_ENET, "status 404, not from Auth0"},
        {401, "[]", ONRAMP_ENET, "not from Auth0"},
        {302, "", ONRAMP_ENET, "a redirect (status 302)"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct onramp_secret *token = NULL;
        struct onramp_error err = {.text = ""};
        int64_t lifetime = -1;
        enum onramp_status st =
            onramp_token_answer(&token, &lifetime, cases[i].status, cases[i].body, strlen(cases[i].body), &err);
        if (st != cases[i].expected || strstr(err.text, cases[i].words) == NULL || strchr(err.text, '\n') != NULL)
            fail_msg("%d %s: %s", cases[i].status, cases[i].body, err.text);
        assert_null(token);
        assert_int_equal(lifetime, -1);
    }
}

/* Every block that jansson frees is searched: none may have held the token. */
static bool leaked;
static void *sized_malloc(size_t size)
{
    size_t *block = malloc(size + 16);
    if (block != NULL)
        *block = size;
    return block != NULL ? (char *)block + 16 : NULL;
}

static void searching_free(void *memory)
{
    if (memory == NULL)
        return;
    size_t *block = (size_t *)(void *)((char *)memory - 16);
    static const char needle[] = "top.secret.token";
    for (size_t i = 0; i + sizeof needle - 1 <= *block; i++)
        leaked |= memcmp((char *)memory + i, needle, sizeof needle - 1) == 0;
    free(block);
}

static void leaves_no_copy_of_the_token_behind(void **state)
{
    (void)state;
    static const char body[] = "{\"access_token\":\"top.secret.token\",\"expires_in\":60}";
    struct onramp_secret *token = NULL;
    int64_t lifetime;
    json_set_alloc_funcs(sized_malloc, searching_free);
    leaked = false;
    enum onramp_status st = onramp_token_answer(&token, &lifetime, 200, body, strlen(body), NULL);
    bool by_us = leaked;
    json_decref(json_loads(body, 0, NULL)); /* the search does find what the library leaves */
    bool by_library = leaked;
    json_set_alloc_funcs(malloc, free);
    assert_int_equal(st, ONRAMP_OK);
    assert_false(by_us);
    assert_true(by_library);
    assert_string_equal(token->text, "top.secret.token");
    onramp_secret_free(token);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_auth0s_own_profile),
        cmocka_unit_test(reads_the_profile_of_rfc_9068_and_lists_of_audiences),
        cmocka_unit_test(an_unreadable_token_says_nothing),
        cmocka_unit_test(scopes_match_as_whole_words),
        cmocka_unit_test(scopes_that_do_not_fit_are_unknown_not_denied),
        cmocka_unit_test(says_what_is_odd_about_a_pasted_token_without_quoting_it),
        cmocka_unit_test(asks_for_a_token_in_json_whatever_the_secret_has_in_it),
        cmocka_unit_test(takes_the_token_out_of_the_answer),
        cmocka_unit_test(the_tokens_own_claims_tell_its_life_where_the_answer_does_not),
        cmocka_unit_test(an_answer_without_a_token_is_worth_another_try),
        cmocka_unit_test(refusals_say_what_helps),
        cmocka_unit_test(leaves_no_copy_of_the_token_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
