/*
 * json.c - the settings of a run as JSON, for its ledger.
 */
#include "settings.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

static json_t *rate_value(const struct onramp_rate *rate)
{
    char text[48];
    if (rate->tokens == 0)
        return NULL;
    (void)snprintf(text, sizeof text, "%llu/%s", (unsigned long long)rate->tokens,
                   rate->per == ONRAMP_MINUTE ? "min" : "s");
    return json_string(text);
}

static json_t *share_value(const struct setting_share *share)
{
    char text[32];
    if (share->percent == 0)
        return json_integer((json_int_t)share->tokens);
    (void)snprintf(text, sizeof text, "%u%%", (unsigned)share->percent);
    return json_string(text);
}

/* NULL for what is unset, or not to be recorded. */
static json_t *value_of(const struct setting *s, const void *field)
{
    switch (s->kind) {
    case SETTING_TEXT:
    case SETTING_PATH: {
        const char *text = *(char *const *)field;
        return text != NULL ? json_string(text) : NULL;
    }
    case SETTING_COUNT: {
        uint64_t count = *(const uint64_t *)field;
        return count > 0 ? json_integer((json_int_t)count) : NULL;
    }
    case SETTING_SECONDS:
        return json_real((double)*(const onramp_span *)field / (double)ONRAMP_SECOND);
    case SETTING_RATE:
        return rate_value(field);
    case SETTING_SHARE:
        return share_value(field);
    case SETTING_CHOICE: {
        int choice = *(const int *)field;
        return choice >= 0 ? json_string(s->choice((size_t)choice)) : NULL;
    }
    case SETTING_FLAG:
        return json_boolean(*(const bool *)field);
    case SETTING_DOMAIN: {
        const struct domain *domain = field;
        return domain->name[0] != '\0' ? json_string(domain->name) : NULL;
    }
    case SETTING_SECRET:
    case SETTING_CUSTOM:
        return NULL;
    }
    return NULL;
}

char *settings_json(const struct setting_table *table, unsigned command, const void *values)
{
    json_t *object = json_object();
    bool good = object != NULL;
    for (size_t row = 0; row < table->count && good; row++) {
        const struct setting *s = &table->rows[row];
        if (!s->recorded || (s->commands & command) == 0)
            continue;
        char name[64];
        (void)snprintf(name, sizeof name, "%s", s->flag);
        for (char *c = name; *c != '\0'; c++)
            *c = *c == '-' ? '_' : *c;
        json_t *value = value_of(s, (const char *)values + s->offset);
        if (value != NULL)
            good = json_object_set_new(object, name, value) == 0;
    }
    char *text = good ? json_dumps(object, JSON_COMPACT) : NULL;
    json_decref(object);
    return text;
}
