/*
 * rules.c - reading a connection's options, and judging usernames and passwords by them.
 */
#include "tenant/rules.h"
#include "tenant/schema.h"
#include "tenant/wire.h"

#include <stdlib.h>
#include <string.h>

/* A connection's password is hashed with bcrypt, which sees no more bytes than this. */
#define BCRYPT_MAX 72
/* Personal values shorter than this are not looked for: hardly a password could avoid them. A guess. */
#define PERSONAL_MIN 3

static json_t *at(const json_t *object, const char *a, const char *b, const char *c)
{
    json_t *found = json_object_get(object, a);
    if (b != NULL)
        found = json_object_get(found, b);
    if (c != NULL)
        found = json_object_get(found, c);
    return found;
}

static bool is(const json_t *value, const char *word)
{
    const char *text = json_string_value(value);
    return text != NULL && strcmp(text, word) == 0;
}

static size_t number(const json_t *value, size_t otherwise)
{
    json_int_t n = json_integer_value(value);
    return json_is_integer(value) && n > 0 && n <= 1000 ? (size_t)n : otherwise;
}

static void read_identifiers(struct onramp_rules *r, const json_t *options)
{
    const json_t *attributes = json_object_get(options, "attributes");
    r->unique_email = true;
    r->username_min = 1;
    r->username_max = 15;
    if (attributes == NULL) {
        r->takes_email = r->needs_email = true;
        r->takes_username = r->needs_username = json_is_true(json_object_get(options, "requires_username"));
        r->username_min = number(at(options, "validation", "username", "min"), r->username_min);
        r->username_max = number(at(options, "validation", "username", "max"), r->username_max);
        return;
    }
    r->takes_email = json_object_get(attributes, "email") != NULL;
    r->takes_username = json_object_get(attributes, "username") != NULL;
    r->takes_phone = json_object_get(attributes, "phone_number") != NULL;
    r->needs_email = json_is_true(at(attributes, "email", "profile_required", NULL));
    r->needs_username = json_is_true(at(attributes, "username", "profile_required", NULL));
    r->needs_phone = json_is_true(at(attributes, "phone_number", "profile_required", NULL));
    r->unique_email = !json_is_false(at(attributes, "email", "unique", NULL));
    const json_t *validation = at(attributes, "username", "validation", NULL);
    r->username_min = number(json_object_get(validation, "min_length"), r->username_min);
    r->username_max = number(json_object_get(validation, "max_length"), r->username_max);
    r->username_may_be_email = json_is_true(at(validation, "allowed_types", "email", NULL));
}

static enum onramp_status read_classic_policy(struct onramp_rules *r, const json_t *options, struct onramp_error *err)
{
    const json_t *policy = json_object_get(options, "passwordPolicy");
    r->lower = r->upper = r->digit = r->special = true;
    r->password_min = 1;
    if (is(policy, "low")) {
        r->password_min = 6;
    } else if (is(policy, "fair")) {
        r->password_min = 8;
        r->special = false;
        r->classes = 3;
    } else if (is(policy, "good")) {
        r->password_min = 8;
        r->classes = 3;
    } else if (is(policy, "excellent")) {
        r->password_min = 10;
        r->classes = 3;
        r->no_repeats = true;
    } else if (policy != NULL && !json_is_null(policy) && !is(policy, "none")) {
        return onramp_fail(err, ONRAMP_EUSAGE,
                           "unknown passwordPolicy in the connection's options: expected none, low, fair, good or "
                           "excellent");
    }
    r->password_min = number(at(options, "password_complexity_options", "min_length", NULL), r->password_min);
    r->no_profile = json_is_true(at(options, "password_no_personal_info", "enable", NULL));
    if (json_is_true(at(options, "password_dictionary", "enable", NULL)))
        r->words = at(options, "password_dictionary", "dictionary", NULL);
    return ONRAMP_OK;
}

static void read_flexible_policy(struct onramp_rules *r, const json_t *policy)
{
    const json_t *complexity = json_object_get(policy, "complexity");
    r->password_min = number(json_object_get(complexity, "min_length"), 1);
    size_t index;
    const json_t *type;
    json_array_foreach(json_object_get(complexity, "character_types"), index, type)
    {
        r->lower |= is(type, "lowercase");
        r->upper |= is(type, "uppercase");
        r->digit |= is(type, "number");
        r->special |= is(type, "special");
    }
    r->classes = (unsigned)r->lower + r->upper + r->digit + r->special;
    if (is(json_object_get(complexity, "character_type_rule"), "three_of_four") && r->classes > 3)
        r->classes = 3;
    r->no_repeats = is(json_object_get(complexity, "identical_characters"), "block");
    r->no_sequences = is(json_object_get(complexity, "sequential_characters"), "block");
    r->bounded = !is(json_object_get(complexity, "max_length_exceeded"), "truncate");
    r->no_profile = json_is_true(at(policy, "profile_data", "active", NULL));
    if (json_is_true(at(policy, "dictionary", "active", NULL)))
        r->words = at(policy, "dictionary", "custom", NULL);
}

enum onramp_status onramp_rules_parse(struct onramp_rules *out, const char *strategy, const char *options,
                                      struct onramp_error *err)
{
    struct onramp_rules r = {0};
    json_error_t problem;
    r.options =
        json_loads(options != NULL ? options : "{\"passwordPolicy\":\"good\"}", JSON_REJECT_DUPLICATES, &problem);
    if (!json_is_object(r.options)) {
        json_decref(r.options);
        return onramp_fail(err, ONRAMP_EUSAGE, "the connection's options are not a JSON object: expected one like %s",
                           "{\"passwordPolicy\":\"good\"}");
    }
    enum onramp_status st = ONRAMP_OK;
    if (strcmp(strategy, "email") == 0) {
        r.takes_email = r.needs_email = r.unique_email = true;
    } else if (strcmp(strategy, "sms") == 0) {
        r.takes_phone = r.needs_phone = true;
    } else {
        read_identifiers(&r, r.options);
        r.takes_password = true;
        r.needs_password =
            !is(at(json_object_get(r.options, "authentication_methods"), "password", "api_behavior", NULL), "optional");
        const json_t *flexible = json_object_get(r.options, "password_options");
        if (json_is_object(flexible))
            read_flexible_policy(&r, flexible);
        else
            st = read_classic_policy(&r, r.options, err);
    }
    if (st == ONRAMP_OK)
        *out = r;
    else
        json_decref(r.options);
    return st;
}

void onramp_rules_clear(struct onramp_rules *rules)
{
    json_decref(rules->options);
    *rules = (struct onramp_rules){0};
}

static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_special(char c)
{
    return c != '\0' && strchr(" !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", c) != NULL;
}

static bool has_classes(const struct onramp_rules *r, const char *password)
{
    bool lower = false, upper = false, digit = false, special = false;
    for (const char *c = password; *c != '\0'; c++) {
        lower |= is_lower(*c);
        upper |= is_upper(*c);
        digit |= is_digit(*c);
        special |= is_special(*c);
    }
    unsigned found =
        (unsigned)(r->lower && lower) + (r->upper && upper) + (r->digit && digit) + (r->special && special);
    return found >= r->classes;
}

static bool has_repeat(const char *password)
{
    for (const char *c = password; c[0] != '\0' && c[1] != '\0'; c++)
        if (c[0] == c[1] && c[1] == c[2])
            return true;
    return false;
}

static bool is_alphanumeric(char c)
{
    return is_lower(c) || is_upper(c) || is_digit(c);
}

/* Three alphanumerics that step by one in one direction. */
static bool has_sequence(const char *password)
{
    for (const char *c = password; c[0] != '\0' && c[1] != '\0' && c[2] != '\0'; c++) {
        int step = c[1] - c[0];
        if ((step == 1 || step == -1) && c[2] - c[1] == step && is_alphanumeric(c[0]) && is_alphanumeric(c[1]) &&
            is_alphanumeric(c[2]))
            return true;
    }
    return false;
}

/* Does `lower_password` contain `value` without regard to case? */
static bool contains(const char *lower_password, const char *value)
{
    if (value == NULL || strlen(value) < PERSONAL_MIN)
        return false;
    char *lower_value = strdup(value);
    if (lower_value == NULL)
        return false;
    onramp_wire_lower(lower_value);
    bool found = strstr(lower_password, lower_value) != NULL;
    free(lower_value);
    return found;
}

static bool has_personal(const char *lower_password, const json_t *body)
{
    static const char *const names[] = {"name", "username", "nickname"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (contains(lower_password, json_string_value(json_object_get(body, names[i]))))
            return true;
    static const char *const metadata[] = {"name", "first", "last"};
    for (size_t i = 0; i < sizeof metadata / sizeof metadata[0]; i++)
        if (contains(lower_password, json_string_value(at(body, "user_metadata", metadata[i], NULL))))
            return true;

    const char *email = json_string_value(json_object_get(body, "email"));
    char local[65] = "";
    size_t size = email != NULL ? strcspn(email, "@") : 0;
    if (size < sizeof local && size > 0)
        memcpy(local, email, size);
    return contains(lower_password, local);
}

static bool in_dictionary(const struct onramp_rules *r, const char *lower_password)
{
    size_t index;
    const json_t *word;
    json_array_foreach(r->words, index, word)
    {
        char *lower_word = json_is_string(word) ? strdup(json_string_value(word)) : NULL;
        if (lower_word != NULL)
            onramp_wire_lower(lower_word);
        bool same = lower_word != NULL && strcmp(lower_word, lower_password) == 0;
        free(lower_word);
        if (same)
            return true;
    }
    return false;
}

const char *onramp_rules_password(const struct onramp_rules *r, const char *password, const json_t *body)
{
    if (onramp_schema_utf16(password) < r->password_min || !has_classes(r, password) ||
        (r->no_repeats && has_repeat(password)) || (r->no_sequences && has_sequence(password)) ||
        (r->bounded && strlen(password) > BCRYPT_MAX))
        return "PasswordStrengthError: Password is too weak";

    char *lower = strdup(password);
    if (lower == NULL)
        return "PasswordStrengthError: Password is too weak";
    onramp_wire_lower(lower);
    const char *problem = NULL;
    if (in_dictionary(r, lower))
        problem = "PasswordDictionaryError: Password is too common";
    else if (r->no_profile && has_personal(lower, body))
        problem = "PasswordNoUserInfoError: Password contains user information";
    free(lower);
    return problem;
}

const char *onramp_rules_username(const struct onramp_rules *r, const char *username)
{
    size_t length = onramp_schema_length(username);
    if (length < r->username_min || length > r->username_max)
        return "The username has an invalid length for this connection.";
    if (r->username_may_be_email && onramp_schema_email(username))
        return NULL;
    if (onramp_schema_email(username))
        return "The username may not be an email address on this connection.";
    for (const char *c = username; *c != '\0'; c++)
        if (!is_lower(*c) && !is_digit(*c) && strchr("@`^$!-#.+'~_;", *c) == NULL)
            return "The username contains characters that are not allowed.";
    return NULL;
}
