/*
 * cause.c - takes the variable parts out of messages, and knows a cure for each kind.
 */
#include "cause.h"

#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* ---- the text ---- */

/* What a quoted word may be without being somebody's value. */
static const char *const properties[] = {"app_metadata",
                                         "auth0|",
                                         "blocked",
                                         "connection",
                                         "custom_password_hash",
                                         "email",
                                         "email_verified",
                                         "family_name",
                                         "given_name",
                                         "mfa_factors",
                                         "name",
                                         "nickname",
                                         "password",
                                         "password_hash",
                                         "phone_number",
                                         "phone_verified",
                                         "picture",
                                         "user_id",
                                         "user_metadata",
                                         "username",
                                         "verify_email",
                                         "onramp invite",
                                         "Email",
                                         "Email Verified",
                                         "Family Name",
                                         "Given Name",
                                         "Id",
                                         "Name",
                                         "Nickname",
                                         "Picture"};

struct text {
    const char *at; /* unread */
    char *out;
    size_t size;
};

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_word(char c)
{
    return is_letter(c) || is_digit(c) || c == '_' || c == '-' || c == '|';
}

static void put(struct text *t, const char *bytes, size_t size)
{
    memcpy(t->out + t->size, bytes, size);
    t->size += size;
}

static void put_mark(struct text *t, const char *mark)
{
    put(t, mark, strlen(mark));
}

static bool is_property(const char *text, size_t size)
{
    for (size_t i = 0; i < COUNT(properties); i++)
        if (strlen(properties[i]) == size && memcmp(properties[i], text, size) == 0)
            return true;
    return false;
}

static bool is_punctuation(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (is_letter(text[i]) || is_digit(text[i]) || (unsigned char)text[i] >= 0x80)
            return false;
    return size > 0 && size <= 3;
}

/* The quote that closes the one at *t->at: not an apostrophe, which has letters on both sides. NULL: none. */
static const char *closing_quote(const struct text *t)
{
    const char *begin = t->at;
    for (const char *end = begin + 1; (end = strchr(end, *begin)) != NULL; end++)
        if (!is_letter(end[1]) && !is_digit(end[1]))
            return end;
    return NULL;
}

/* Auth0's schema speaks in quotes: 'Object didn't pass validation for format email: x'. What varies is the end. */
static void put_schema_words(struct text *t, const char *words, size_t size)
{
    size_t colon = size;
    while (colon > 0 && !(words[colon - 1] == ' ' && colon > 1 && words[colon - 2] == ':'))
        colon--;
    size_t fixed = colon > 0 ? colon : size;
    for (size_t i = 0; i < fixed; i++) {
        bool number = is_digit(words[i]);
        if (!number)
            put(t, words + i, 1);
        else if (i == 0 || !is_digit(words[i - 1]))
            put_mark(t, "N");
    }
    if (fixed == size)
        return;
    if (is_property(words + fixed, size - fixed))
        put(t, words + fixed, size - fixed);
    else
        put_mark(t, "…");
}

static bool take_quoted(struct text *t)
{
    const char *end = closing_quote(t);
    if (end == NULL)
        return false;
    static const char schema[] = "validation error: ";
    const size_t before = sizeof schema - 1;
    const char *words = t->at + 1;
    size_t size = (size_t)(end - words);
    bool of_schema =
        t->size >= before && memcmp(t->out + t->size - before, schema, before) == 0 && memchr(words, ' ', size) != NULL;
    put(t, t->at, 1);
    if (is_property(words, size) || is_punctuation(words, size))
        put(t, words, size);
    else if (of_schema)
        put_schema_words(t, words, size);
    else
        put_mark(t, "…");
    put(t, end, 1);
    t->at = end + 1;
    return true;
}

static bool take_address(struct text *t)
{
    static const char pattern[] = "name@example.com"; /* of our own messages */
    size_t size = strcspn(t->at, " \t'\"`,;:()<>[]{}");
    while (size > 0 && (t->at[size - 1] == '.' || t->at[size - 1] == '?' || t->at[size - 1] == '!'))
        size--;
    const char *sign = memchr(t->at, '@', size);
    if (sign == NULL || sign == t->at || (size_t)(sign - t->at) == size - 1)
        return false;
    if (size == sizeof pattern - 1 && memcmp(t->at, pattern, size) == 0)
        put(t, pattern, size);
    else
        put_mark(t, "ADDRESS");
    t->at += size;
    return true;
}

static bool is_id(const char *word, size_t size)
{
    static const char *const prefixes[] = {"con_", "rol_", "org_"};
    size_t letters = 0, digits = 0;
    for (size_t i = 0; i < size; i++) {
        letters += is_letter(word[i]);
        digits += is_digit(word[i]);
    }
    const char *bar = memchr(word, '|', size);
    if (bar != NULL)
        return bar > word && (size_t)(bar - word) < size - 1;
    for (size_t i = 0; i < COUNT(prefixes); i++)
        if (size >= 8 && memcmp(word, prefixes[i], 4) == 0)
            return true;
    return size >= 8 && letters > 0 && digits > 0 && !(size > 6 && memcmp(word, "auth0_", 6) == 0);
}

/* A word, or a number: the numbers of a word that is no id stay if there are letters in front ("Auth0"). */
static void take_word(struct text *t)
{
    size_t size = 0;
    while (is_word(t->at[size]))
        size++;
    if (is_id(t->at, size)) {
        put_mark(t, "ID");
        t->at += size;
        return;
    }
    const char *end = t->at + size;
    if (is_digit(*t->at)) {
        put_mark(t, "N");
        while (is_digit(*t->at) || ((*t->at == '.' || *t->at == ',') && is_digit(t->at[1])))
            t->at++;
        return; /* what follows the number is looked at anew */
    }
    if (is_letter(*t->at)) {
        put(t, t->at, size);
        t->at = end;
        return;
    }
    put(t, t->at++, 1);
}

char *onramp_cause_text(const char *message)
{
    /* No mark is more than eight times as long as what it stands for. */
    struct text t = {.at = message, .out = malloc(8 * strlen(message) + 1)};
    if (t.out == NULL)
        return NULL;
    while (*t.at != '\0') {
        bool starts = t.at == message || (!is_letter(t.at[-1]) && !is_digit(t.at[-1]));
        if ((*t.at == '\'' || *t.at == '"') && starts && take_quoted(&t))
            continue;
        if (starts && *t.at != ' ' && take_address(&t))
            continue;
        if (is_word(*t.at))
            take_word(&t);
        else
            put(&t, t.at++, 1);
    }
    t.out[t.size] = '\0';
    return t.out;
}

/* ---- the advice ---- */

struct cure {
    unsigned outcomes; /* bits */
    int status;        /* 0: any */
    const char *words; /* in the message or the error code; NULL: any */
    const char *advice;
};

#define IS(outcome) (1U << (outcome))

/* The first that fits. */
static const struct cure cures[] = {
    {IS(ONRAMP_INVALID), 0, "is not an address like", "correct the addresses, then upload the file again"},
    {IS(ONRAMP_INVALID), 0, "did you mean '", "give the property the name that is meant, then upload the file again"},
    {IS(ONRAMP_INVALID), 0, "hold that array alone", "write the array of users alone into the file, then upload it"},
    {IS(ONRAMP_INVALID), 0, "unknown property",
     "move the property into user_metadata or app_metadata, or take it out, then upload the file again"},
    {IS(ONRAMP_INVALID), 0, "bulk import job",
     "these bring what only Auth0's bulk import job takes: use that for them, or take the property out"},
    {IS(ONRAMP_INVALID), 0, "but this run creates users in",
     "upload these to the connection that they name, or take 'connection' out"},
    {IS(ONRAMP_INVALID), 0, NULL, "correct these records as the message says, then upload the file again"},
    {IS(ONRAMP_DUPLICATE), 0, NULL, "two records with one identity: keep one of them, or give each its own"},

    {IS(ONRAMP_REJECTED), 0, "PasswordStrengthError",
     "the password did not fit the connection's policy: give the token read:connections, so that onramp can see it"},
    {IS(ONRAMP_REJECTED), 0, "PasswordDictionaryError",
     "the connection's dictionary has the password: upload what onramp retry writes out, they get fresh ones"},
    {IS(ONRAMP_REJECTED), 0, "PasswordNoUserInfoError",
     "the password held a part of the user's name: upload what onramp retry writes out, they get fresh ones"},
    {IS(ONRAMP_REJECTED), 0, "Sandbox error",
     "an Action of the tenant refused these: its logs (Monitoring > Logs) have the reason"},
    {IS(ONRAMP_REJECTED), 413, NULL, "these records are too large for the API: shorten their metadata"},
    {IS(ONRAMP_REJECTED), 0, "validation error",
     "Auth0's schema refuses a value: correct these records, then upload the file again"},
    {IS(ONRAMP_REJECTED), 0, NULL, "correct what the message names, then upload the file again"},

    {IS(ONRAMP_FAILED) | IS(ONRAMP_UNKNOWN), 401, NULL, "get a fresh token, then run the same upload again"},
    {IS(ONRAMP_FAILED) | IS(ONRAMP_UNKNOWN), 403, NULL,
     "grant the application what the message names, then run the same upload again"},
    {IS(ONRAMP_FAILED) | IS(ONRAMP_UNKNOWN), 400, NULL,
     "correct the setting that the message names, then run the same upload again"},
    {IS(ONRAMP_FAILED), 0, "not in the file any more",
     "nothing is to be done, unless they were to be created: put them back into the file, then upload it"},
    {IS(ONRAMP_FAILED), 0, NULL, "surely not created: run the same upload again, it sends these again"},
    {IS(ONRAMP_UNKNOWN), 0, NULL,
     "run the same upload again: it asks the tenant first (the token needs read:users for that)"},
};

const char *onramp_cause_advice(const struct onramp_ledger_entry *entry)
{
    if (onramp_ledger_undoing(entry))
        return "run 'onramp undo' again, it asks the tenant first; an upload would create anew who is gone";
    if (entry->open)
        return "a run still waits for the answer, or ended before it was written down: run the same upload again, it "
               "asks the tenant first";
    for (size_t i = 0; i < COUNT(cures); i++) {
        const struct cure *cure = &cures[i];
        const char *message = entry->message != NULL ? entry->message : "";
        const char *code = entry->error_code != NULL ? entry->error_code : "";
        if ((cure->outcomes & IS(entry->outcome)) != 0 && (cure->status == 0 || cure->status == entry->status) &&
            (cure->words == NULL || strstr(message, cure->words) != NULL || strstr(code, cure->words) != NULL))
            return cure->advice;
    }
    return "nothing is to be done"; /* created or exists */
}
