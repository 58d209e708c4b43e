/*
 * fuzz_connection.c - whatever a tenant says of a connection: a policy comes of it that our passwords satisfy.
 */
#include "auth0/connection.h"
#include "support/accepts.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_policy(const struct onramp_policy *policy, uint32_t length)
{
    char words[64];
    struct onramp_secret *password = NULL;
    assert(policy->min_length >= 1 && policy->min_length <= 128);
    onramp_policy_words(policy, words, sizeof words);
    enum onramp_status st = onramp_password_make(&password, policy, length, NULL, NULL);
    assert(st == ONRAMP_OK && accepts(policy, password->text, NULL));
    onramp_secret_free(password);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1), next[256] = "";
    assert(text != NULL);
    memcpy(text, data, size);
    text[size] = '\0';
    uint32_t length = size > 0 ? data[size - 1] : 0;

    struct onramp_connection connection;
    struct onramp_policy policy;
    bool found = false, enabled = false;
    if (onramp_connection_parse(&connection, &found, text, "Users", NULL) == ONRAMP_OK && found) {
        const struct onramp_identity ann = {.email = "a@b.org", .username = "ann"};
        assert(strcmp(connection.name, "Users") == 0 && connection.username_min <= connection.username_max);
        (void)!onramp_connection_admits(&connection, &ann, NULL);
        check_policy(&connection.policy, length);
        onramp_connection_clear(&connection);
    }
    if (onramp_policy_parse(&policy, text, NULL) == ONRAMP_OK) {
        check_policy(&policy, length);
        onramp_policy_clear(&policy);
    }
    (void)!onramp_connection_enables(&enabled, next, text, "a", NULL);
    free(text);
    return 0;
}
