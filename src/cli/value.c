/*
 * value.c - from what a user wrote to the value of a setting.
 */
#include "settings.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHARE_TOKENS_MAX 1000000

/* Digits and nothing else; *end is what follows them. */
static bool digits(const char *text, uint64_t *out, const char **end)
{
    uint64_t value = 0;
    const char *at = text;
    for (; *at >= '0' && *at <= '9'; at++) {
        unsigned digit = (unsigned)(*at - '0');
        if (value > (UINT64_MAX - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *out = value;
    *end = at;
    return at > text;
}

static enum onramp_status parse_text(const char *text, char **field, struct onramp_error *err)
{
    char *copy = malloc(strlen(text) + 1);
    if (copy == NULL)
        return onramp_fail(err, ONRAMP_ENOMEM, "out of memory");
    memcpy(copy, text, strlen(text) + 1);
    free(*field);
    *field = copy;
    return ONRAMP_OK;
}

static enum onramp_status parse_count(const struct setting *s, const char *text, uint64_t *field,
                                      struct onramp_error *err)
{
    uint64_t value;
    const char *end;
    if (!digits(text, &value, &end) || *end != '\0' || value < s->least || value > s->most)
        return onramp_fail(err, ONRAMP_EUSAGE, "'%s' is not a whole number from %" PRIu64 " to %" PRIu64, text,
                           s->least, s->most);
    *field = value;
    return ONRAMP_OK;
}

static enum onramp_status parse_seconds(const struct setting *s, const char *text, onramp_span *field,
                                        struct onramp_error *err)
{
    uint64_t whole;
    const char *end;
    onramp_span fraction = 0;
    bool good = digits(text, &whole, &end) && whole <= s->most;
    if (good && *end == '.') {
        onramp_span place = ONRAMP_SECOND / 10;
        for (end++, good = *end != '\0'; *end >= '0' && *end <= '9'; end++, place /= 10)
            fraction += place * (*end - '0');
    }
    good = good && *end == '\0' && whole >= s->least && !(whole == s->most && fraction > 0);
    if (!good)
        return onramp_fail(err, ONRAMP_EUSAGE, "'%s' is not a number of seconds from %" PRIu64 " to %" PRIu64, text,
                           s->least, s->most);
    *field = (onramp_span)whole * ONRAMP_SECOND + fraction;
    return ONRAMP_OK;
}

static enum onramp_status parse_rate(const struct setting *s, const char *text, struct onramp_rate *field,
                                     struct onramp_error *err)
{
    uint64_t tokens;
    const char *end;
    bool good = digits(text, &tokens, &end);
    bool second = good && strcmp(end, "/s") == 0;
    if (!second && !(good && strcmp(end, "/min") == 0))
        return onramp_fail(err, ONRAMP_EUSAGE, "'%s' is not N/s or N/min", text);
    if (tokens < s->least || tokens > s->most)
        return onramp_fail(err, ONRAMP_EUSAGE, "'%s' is not from %" PRIu64 " to %" PRIu64 " requests", text, s->least,
                           s->most);
    *field = (struct onramp_rate){.tokens = tokens, .per = second ? ONRAMP_SECOND : ONRAMP_MINUTE};
    return ONRAMP_OK;
}

static enum onramp_status parse_share(const struct setting *s, const char *text, struct setting_share *field,
                                      struct onramp_error *err)
{
    uint64_t value;
    const char *end;
    bool good = digits(text, &value, &end);
    if (good && strcmp(end, "%") == 0 && value <= s->most)
        *field = (struct setting_share){.percent = (uint32_t)value};
    else if (good && *end == '\0' && value <= SHARE_TOKENS_MAX)
        *field = (struct setting_share){.tokens = (uint32_t)value};
    else
        return onramp_fail(err, ONRAMP_EUSAGE, "'%s' is neither 0 to %d tokens nor 0%% to %" PRIu64 "%%", text,
                           SHARE_TOKENS_MAX, s->most);
    return ONRAMP_OK;
}

static enum onramp_status parse_choice(const struct setting *s, const char *text, int *field, struct onramp_error *err)
{
    char names[300] = "";
    for (size_t i = 0; s->choice(i) != NULL; i++) {
        if (strcmp(s->choice(i), text) == 0) {
            *field = (int)i;
            return ONRAMP_OK;
        }
        size_t size = strlen(names);
        (void)snprintf(names + size, sizeof names - size, "%s%s", i > 0 ? ", " : "", s->choice(i));
    }
    return onramp_fail(err, ONRAMP_EUSAGE, "'%s' is not one of %s", text, names);
}

/* White space around a pasted secret is never part of it. No text of an error quotes it. */
static enum onramp_status parse_secret(const char *text, struct onramp_secret **field, struct onramp_error *err)
{
    struct onramp_secret *secret;
    text += strspn(text, " \t\r\n");
    size_t size = strlen(text);
    while (size > 0 && strchr(" \t\r\n", text[size - 1]) != NULL)
        size--;
    enum onramp_status st = onramp_secret_copy(&secret, text, size, err);
    if (st != ONRAMP_OK)
        return st;
    onramp_secret_free(*field);
    *field = secret;
    return ONRAMP_OK;
}

enum onramp_status setting_parse(const struct setting *s, const char *text, void *field, struct onramp_error *err)
{
    switch (s->kind) {
    case SETTING_TEXT:
    case SETTING_PATH:
        if (*text == '\0')
            return onramp_fail(err, ONRAMP_EUSAGE, "is empty");
        return parse_text(text, field, err);
    case SETTING_COUNT:
        return parse_count(s, text, field, err);
    case SETTING_SECONDS:
        return parse_seconds(s, text, field, err);
    case SETTING_RATE:
        return parse_rate(s, text, field, err);
    case SETTING_SHARE:
        return parse_share(s, text, field, err);
    case SETTING_CHOICE:
        return parse_choice(s, text, field, err);
    case SETTING_FLAG:
        *(bool *)field = true;
        return ONRAMP_OK;
    case SETTING_SECRET:
        return parse_secret(text, field, err);
    case SETTING_DOMAIN:
        return domain_parse(field, text, err);
    case SETTING_CUSTOM:
        return s->parse(text, field, err);
    }
    return onramp_fail(err, ONRAMP_EUSAGE, "is of no known kind"); /* not reached: the switch is whole */
}
