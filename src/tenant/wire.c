/*
 * wire.c - percent-encoding, queries, dates. Free of locale and time zone.
 */
#include "tenant/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

char *onramp_wire_decode(const char *text, size_t size, bool form)
{
    char *out = malloc(size + 1);
    if (out == NULL)
        return NULL;
    size_t length = 0;
    for (size_t i = 0; i < size; i++) {
        int high = text[i] == '%' && i + 2 < size ? hex_digit(text[i + 1]) : -1;
        int low = high >= 0 ? hex_digit(text[i + 2]) : -1;
        if (low >= 0 && high + low > 0) {
            out[length++] = (char)(high * 16 + low);
            i += 2;
        } else {
            out[length++] = form && text[i] == '+' ? ' ' : text[i];
        }
    }
    out[length] = '\0';
    return out;
}

bool onramp_wire_pair(const char **cursor, char **name, char **value)
{
    const char *at = *cursor;
    while (*at == '&')
        at++;
    if (*at == '\0')
        return false;
    size_t size = strcspn(at, "&");
    const char *equals = memchr(at, '=', size);
    size_t name_size = equals != NULL ? (size_t)(equals - at) : size;
    size_t value_at = equals != NULL ? name_size + 1 : size;

    char *decoded_name = onramp_wire_decode(at, name_size, true);
    char *decoded_value = onramp_wire_decode(at + value_at, size - value_at, true);
    if (decoded_name == NULL || decoded_value == NULL) {
        free(decoded_name);
        free(decoded_value);
        return false;
    }
    *name = decoded_name;
    *value = decoded_value;
    *cursor = at + size;
    return true;
}

char *onramp_wire_parameter(const char *query, const char *name)
{
    char *key, *value;
    while (query != NULL && onramp_wire_pair(&query, &key, &value)) {
        bool wanted = strcmp(key, name) == 0;
        free(key);
        if (wanted)
            return value;
        free(value);
    }
    return NULL;
}

void onramp_wire_lower(char *text)
{
    for (; *text != '\0'; text++)
        if (*text >= 'A' && *text <= 'Z')
            *text = (char)(*text - 'A' + 'a');
}

/* FNV-1a, 64 bits. */
uint64_t onramp_wire_hash(const char *text)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (; *text != '\0'; text++)
        hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
    return hash;
}

struct civil {
    int64_t year;
    unsigned month, day, weekday, hour, minute, second;
};

/* Gregorian date of a day number, by counting in 400-year eras that begin on the first of March. */
static struct civil civil(int64_t seconds)
{
    int64_t days = seconds / 86400, rest = seconds % 86400;
    if (rest < 0) {
        rest += 86400;
        days--;
    }
    int64_t shifted = days + 719468; /* days since 0000-03-01 */
    int64_t era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
    int64_t of_era = shifted - era * 146097;
    int64_t year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t march = (5 * of_year + 2) / 153; /* months since March */
    int64_t month = march < 10 ? march + 3 : march - 9;
    return (struct civil){.year = year_of_era + era * 400 + (month <= 2),
                          .month = (unsigned)month,
                          .day = (unsigned)(of_year - (153 * march + 2) / 5 + 1),
                          .weekday = (unsigned)(((days + 4) % 7 + 7) % 7),
                          .hour = (unsigned)(rest / 3600),
                          .minute = (unsigned)(rest / 60 % 60),
                          .second = (unsigned)(rest % 60)};
}

void onramp_wire_http_date(int64_t seconds, char out[32])
{
    static const char weekdays[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    struct civil c = civil(seconds);
    snprintf(out, 32, "%s, %02u %s %04d %02u:%02u:%02u GMT", weekdays[c.weekday], c.day % 100, months[c.month - 1],
             (int)(c.year % 10000), c.hour, c.minute, c.second);
}

void onramp_wire_iso_date(int64_t milliseconds, char out[32])
{
    int64_t seconds = milliseconds / 1000, rest = milliseconds % 1000;
    if (rest < 0) {
        rest += 1000;
        seconds--;
    }
    struct civil c = civil(seconds);
    snprintf(out, 32, "%04d-%02u-%02uT%02u:%02u:%02u.%03uZ", (int)(c.year % 10000), c.month % 100, c.day % 100, c.hour,
             c.minute, c.second, (unsigned)rest);
}
