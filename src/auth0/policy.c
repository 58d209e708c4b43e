/*
 * policy.c - what a connection demands of passwords.
 */
#include "auth0/policy.h"

#include "auth0/member.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LONGEST_MINIMUM = 128, /* of password_complexity_options.min_length, says the schema */
    WORDS_MAX = 1000       /* Auth0 takes 200: a bound for answers that are not Auth0's */
};

void onramp_policy_strictest(struct onramp_policy *out)
{
    *out = (struct onramp_policy){.min_length = 14,
                                  .lower = true,
                                  .upper = true,
                                  .digit = true,
                                  .special = true,
                                  .no_repeats = true,
                                  .no_sequences = true,
                                  .no_profile = true};
}

/* Auth0's own bounds; `otherwise` where there is no such number. */
static uint32_t minimum(const json_t *object, uint32_t most, uint32_t otherwise)
{
    const json_t *number = json_object_get(object, "min_length");
    if (!json_is_integer(number) || json_integer_value(number) < 1)
        return otherwise;
    return json_integer_value(number) > (json_int_t)most ? most : (uint32_t)json_integer_value(number);
}

static enum onramp_status read_words(struct onramp_policy *out, const json_t *words, struct onramp_error *err)
{
    size_t count = json_array_size(words) < WORDS_MAX ? json_array_size(words) : WORDS_MAX, used = 0;
    if (count == 0)
        return ONRAMP_OK;
    out->dictionary = calloc(count + 1, sizeof *out->dictionary);
    if (out->dictionary == NULL)
        return onramp_fail(err, ONRAMP_ENOMEM, "out of memory");
    for (size_t i = 0; i < count; i++) {
        const json_t *word = json_array_get(words, i);
        size_t size = json_string_length(word);
        if (size == 0)
            continue;
        out->dictionary[used] = malloc(size + 1);
        if (out->dictionary[used] == NULL)
            return onramp_fail(err, ONRAMP_ENOMEM, "out of memory");
        memcpy(out->dictionary[used++], json_string_value(word), size + 1);
    }
    return ONRAMP_OK;
}

/* passwordPolicy and its companions (auth0-password-policies, password-sheriff). */
static void read_level(struct onramp_policy *out, const json_t *options)
{
    static const struct onramp_policy levels[] = {
        {.min_length = 1},
        {.min_length = 6},
        {.min_length = 8, .lower = true, .upper = true, .digit = true},
        {.min_length = 8, .lower = true, .upper = true, .digit = true, .special = true, .three_of_four = true},
        {.min_length = 10,
         .lower = true,
         .upper = true,
         .digit = true,
         .special = true,
         .three_of_four = true,
         .no_repeats = true},
    };
    static const char *const names[] = {"none", "low", "fair", "good", "excellent"};

    const json_t *level = json_object_get(options, "passwordPolicy");
    if (level == NULL || json_is_null(level)) {
        *out = levels[0];
        return;
    }
    onramp_policy_strictest(out);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (onramp_member_says(options, "passwordPolicy", names[i]))
            *out = levels[i];
}

static enum onramp_status read_old(struct onramp_policy *out, const json_t *options, struct onramp_error *err)
{
    read_level(out, options);
    out->min_length =
        minimum(json_object_get(options, "password_complexity_options"), LONGEST_MINIMUM, out->min_length);
    if (onramp_member_is_on(json_object_get(options, "password_no_personal_info"), "enable"))
        out->no_profile = true;
    const json_t *dictionary = json_object_get(options, "password_dictionary");
    return onramp_member_is_on(dictionary, "enable") ? read_words(out, json_object_get(dictionary, "dictionary"), err)
                                                     : ONRAMP_OK;
}

static enum onramp_status read_flexible(struct onramp_policy *out, const json_t *options, struct onramp_error *err)
{
    const json_t *complexity = json_object_get(options, "complexity");
    out->min_length = minimum(complexity, ONRAMP_PASSWORD_MAX, 1);
    const json_t *types = json_object_get(complexity, "character_types");
    for (size_t i = 0; i < json_array_size(types); i++) {
        const char *type = json_string_value(json_array_get(types, i));
        out->lower |= type != NULL && strcmp(type, "lowercase") == 0;
        out->upper |= type != NULL && strcmp(type, "uppercase") == 0;
        out->digit |= type != NULL && strcmp(type, "number") == 0;
        out->special |= type != NULL && strcmp(type, "special") == 0;
    }
    out->three_of_four = onramp_member_says(complexity, "character_type_rule", "three_of_four") && out->lower &&
                         out->upper && out->digit && out->special;
    out->no_repeats = onramp_member_says(complexity, "identical_characters", "block");
    out->no_sequences = onramp_member_says(complexity, "sequential_characters", "block");
    out->no_profile = onramp_member_is_on(json_object_get(options, "profile_data"), "active");
    const json_t *dictionary = json_object_get(options, "dictionary");
    return onramp_member_is_on(dictionary, "active") ? read_words(out, json_object_get(dictionary, "custom"), err)
                                                     : ONRAMP_OK;
}

enum onramp_status onramp_policy_parse(struct onramp_policy *out, const char *options_json, struct onramp_error *err)
{
    json_t *options = json_loads(options_json, 0, NULL);
    if (!json_is_object(options)) {
        json_decref(options);
        return onramp_fail(err, ONRAMP_EINPUT, "the connection's options are not a JSON object");
    }
    struct onramp_policy policy = {0};
    const json_t *flexible = json_object_get(options, "password_options");
    enum onramp_status st =
        json_is_object(flexible) ? read_flexible(&policy, flexible, err) : read_old(&policy, options, err);
    json_decref(options);
    if (st == ONRAMP_OK)
        *out = policy;
    else
        onramp_policy_clear(&policy);
    return st;
}

void onramp_policy_clear(struct onramp_policy *policy)
{
    for (char **word = policy->dictionary; word != NULL && *word != NULL; word++)
        free(*word);
    free(policy->dictionary);
    *policy = (struct onramp_policy){0};
}

/* ---- in words ---- */

static void add(char *out, size_t size, const char *text)
{
    size_t used = strlen(out);
    (void)snprintf(out + used, size - used, "%s", text);
}

static void add_types(const struct onramp_policy *policy, char *out, size_t size)
{
    const char *names[4];
    size_t count = 0;
    if (policy->lower)
        names[count++] = "lower";
    if (policy->upper)
        names[count++] = "upper";
    if (policy->digit)
        names[count++] = "digit";
    if (policy->special)
        names[count++] = "special";
    if (count == 0)
        return;
    add(out, size, policy->three_of_four ? ", three of " : count > 1 ? ", all of " : ", one ");
    for (size_t i = 0; i < count; i++) {
        add(out, size, i == 0 ? "" : i + 1 < count ? ", " : " and ");
        add(out, size, names[i]);
    }
}

void onramp_policy_words(const struct onramp_policy *policy, char *out, size_t size)
{
    (void)snprintf(out, size, "at least %u character%s", (unsigned)policy->min_length,
                   policy->min_length == 1 ? "" : "s");
    add_types(policy, out, size);
    if (policy->no_repeats)
        add(out, size, ", no more than 2 identical in a row");
    if (policy->no_sequences)
        add(out, size, ", no more than 2 in sequence");
    if (policy->no_profile)
        add(out, size, ", no values of the profile");
    if (policy->dictionary != NULL)
        add(out, size, ", no word of the connection's dictionary");
}
