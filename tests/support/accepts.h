/*
 * accepts.h - is a password good enough for a policy? What makes passwords has another way to be sure of it.
 */
#ifndef ONRAMP_TEST_ACCEPTS_H
#define ONRAMP_TEST_ACCEPTS_H

#include "auth0/policy.h"
#include "auth0/text.h"

#include <string.h>

static inline bool has_types(const struct onramp_policy *policy, const char *password)
{
    bool lower = false, upper = false, digit = false, special = false;
    for (const char *c = password; *c != '\0'; c++) {
        if (*c >= 'a' && *c <= 'z')
            lower = true;
        else if (*c >= 'A' && *c <= 'Z')
            upper = true;
        else if (*c >= '0' && *c <= '9')
            digit = true;
        else if (*c >= ' ' && *c <= '~')
            special = true;
    }
    if (policy->three_of_four)
        return lower + upper + digit + special >= 3;
    return (lower || !policy->lower) && (upper || !policy->upper) && (digit || !policy->digit) &&
           (special || !policy->special);
}

static inline size_t character_size(const char *c)
{
    size_t size = 1;
    while (((unsigned char)c[size] & 0xc0) == 0x80)
        size++;
    return size;
}

static inline bool has_three_alike(const char *password)
{
    const char *last = NULL;
    size_t last_size = 0, run = 0;
    for (const char *c = password; *c != '\0'; c += last_size) {
        size_t size = character_size(c);
        run = last != NULL && size == last_size && memcmp(c, last, size) == 0 ? run + 1 : 1;
        if (run > 2)
            return true;
        last = c;
        last_size = size;
    }
    return false;
}

static inline bool has_three_in_sequence(const char *password)
{
    for (size_t i = 2; i < strlen(password); i++) {
        const char *c = password + i;
        int step = c[0] - c[-1];
        if (onramp_text_is_alphanumeric(c[-2]) && onramp_text_is_alphanumeric(c[-1]) &&
            onramp_text_is_alphanumeric(c[0]) && (step == 1 || step == -1) && c[-1] - c[-2] == step)
            return true;
    }
    return false;
}

static inline bool contains(const char *password, const char *value)
{
    for (; *password != '\0'; password++)
        if (onramp_text_begins(password, value))
            return true;
    return false;
}

/* As far as it can be known: Auth0's lists of common passwords are not here. `profile` ends with NULL, or is NULL. */
static inline bool accepts(const struct onramp_policy *policy, const char *password, char *const *profile)
{
    size_t most = policy->min_length > ONRAMP_PASSWORD_MAX ? policy->min_length : ONRAMP_PASSWORD_MAX;
    if (onramp_text_units(password) < policy->min_length || password[0] == '\0' || strlen(password) > most)
        return false;
    if (!has_types(policy, password) || (policy->no_repeats && has_three_alike(password)) ||
        (policy->no_sequences && has_three_in_sequence(password)))
        return false;
    for (char *const *value = profile; policy->no_profile && value != NULL && *value != NULL; value++)
        if (**value != '\0' && contains(password, *value))
            return false;
    for (char *const *word = policy->dictionary; word != NULL && *word != NULL; word++)
        if (onramp_text_equal(password, *word))
            return false;
    return true;
}

#endif
