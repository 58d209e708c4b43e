/*
 * ledger_line.c - seals and judges single lines of the ledger.
 */
#include "io/ledger_line.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/* How each line closes: ,"crc":"xxxxxxxx"} */
static const char seal_open[] = ",\"crc\":\"";
#define SEAL_OPEN   (sizeof seal_open - 1)
#define SEAL_DIGITS 8
#define SEAL        (SEAL_OPEN + SEAL_DIGITS + 2)

/* ,"synced": with twenty digits */
#define SYNCED_MAX 32

/* How each run line begins; onramp_ledger_begin() sets its members in this order. */
static const char run_line[] = "{\"type\":\"run\",\"version\":1,\"run\":\"";

char *onramp_line_seal(const json_t *body, uint64_t synced, size_t *size)
{
    const size_t flags = JSON_COMPACT | JSON_REAL_PRECISION(15);
    const size_t more = SYNCED_MAX + SEAL + 2; /* newline and NUL */
    size_t at = json_dumpb(body, NULL, 0, flags);
    if (at < 3 || at + more > ONRAMP_LINE_MAX) /* an empty object has no member to put a comma behind */
        return NULL;
    char *line = malloc(at + more);
    if (line == NULL || json_dumpb(body, line, at, flags) != at) {
        free(line);
        return NULL;
    }

    at--; /* the closing brace moves to the end */
    at += (size_t)snprintf(line + at, SYNCED_MAX, ",\"synced\":%" PRIu64, synced);
    unsigned long crc = crc32(0, (const Bytef *)line, (uInt)at);
    at += (size_t)snprintf(line + at, SEAL + 2, "%s%08lx\"}\n", seal_open, crc);
    *size = at;
    return line;
}

/* True if the line ends with a seal; *crc is what the seal says. */
static bool find_seal(const char *text, size_t size, unsigned long *crc)
{
    if (size < SEAL || memcmp(text + size - SEAL, seal_open, SEAL_OPEN) != 0 || memcmp(text + size - 2, "\"}", 2) != 0)
        return false;

    const char *digits = text + size - SEAL + SEAL_OPEN;
    *crc = 0;
    for (int i = 0; i < SEAL_DIGITS; i++) {
        static const char hex[] = "0123456789abcdef";
        const char *digit = memchr(hex, digits[i], 16);
        if (digit == NULL)
            return false;
        *crc = *crc << 4 | (unsigned long)(digit - hex);
    }
    return true;
}

struct onramp_line onramp_line_parse(const char *text, size_t size)
{
    struct onramp_line line = {.kind = ONRAMP_LINE_BROKEN};
    if (size >= ONRAMP_LINE_MAX)
        return line;

    /* The seal is looked at before the JSON, so that a parser short of memory cannot
     * make a good line look like the torn end of the file, which is cut off. */
    unsigned long crc;
    bool has_seal = find_seal(text, size, &crc);
    bool sealed = has_seal && crc == crc32(0, (const Bytef *)text, (uInt)(size - SEAL));
    json_t *body = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
    const json_t *synced = json_object_get(body, "synced");

    if (sealed)
        line.kind =
            json_is_integer(synced) && json_integer_value(synced) >= 0 ? ONRAMP_LINE_SEALED : ONRAMP_LINE_ALTERED;
    else if (json_is_object(body))
        line.kind = has_seal || synced != NULL || json_object_get(body, "crc") != NULL ? ONRAMP_LINE_ALTERED
                                                                                       : ONRAMP_LINE_PLAIN;
    if (line.kind == ONRAMP_LINE_SEALED)
        line.synced = (uint64_t)json_integer_value(synced);
    if (line.kind == ONRAMP_LINE_SEALED || line.kind == ONRAMP_LINE_PLAIN)
        line.body = body;
    else
        json_decref(body);
    return line;
}

bool onramp_line_torn_run(const char *bytes, size_t size)
{
    const size_t begin = sizeof run_line - 1;
    if (size >= ONRAMP_LINE_MAX)
        return false;
    while (size > 0 && bytes[size - 1] == '\0')
        size--;
    return memcmp(bytes, run_line, size < begin ? size : begin) == 0;
}

/* Size of the UTF-8 sequence that `text` begins with (Unicode 15, table 3-7); 0 if it is none. */
static size_t sequence(const unsigned char *text)
{
    unsigned char c = text[0];
    if (c < 0x80)
        return 1;
    size_t size = c >= 0xc2 && c <= 0xdf ? 2 : c >= 0xe0 && c <= 0xef ? 3 : c >= 0xf0 && c <= 0xf4 ? 4 : 0;
    unsigned char low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
    unsigned char high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
    for (size_t i = 1; i < size; i++) {
        if (text[i] < low || text[i] > high) /* the NUL at the end stops here too */
            return 0;
        low = 0x80;
        high = 0xbf;
    }
    return size;
}

void onramp_line_clean(char *text)
{
    while (*text != '\0') {
        size_t size = sequence((const unsigned char *)text);
        if (size == 0)
            *text = '?';
        text += size > 0 ? size : 1;
    }
}

/* At most `max` bytes of `text`, without cutting a character in two. */
static size_t clip(const char *text, size_t max)
{
    size_t size = 0;
    while (text[size] != '\0') {
        size_t next = sequence((const unsigned char *)text + size);
        next = next > 0 ? next : 1;
        if (size + next > max)
            break;
        size += next;
    }
    return size;
}

json_t *onramp_line_text(const char *text, size_t max)
{
    size_t size = clip(text, max);
    char *copy = malloc(size + 1);
    if (copy == NULL)
        return NULL;
    memcpy(copy, text, size);
    copy[size] = '\0';
    onramp_line_clean(copy);
    json_t *string = json_string(copy);
    free(copy);
    return string;
}

/* Days from 1970-01-01 to a date of the Gregorian calendar. The year begins in March here, so that the leap
 * day is its last and a month's beginning is a linear function of its number. */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
    year -= month <= 2;
    int64_t shifted = (month + 9) % 12; /* March is 0 */
    int64_t leaps = year / 4 - year / 100 + year / 400;
    return year * 365 + leaps + (153 * shifted + 2) / 5 + day - 1 - 719468;
}

static int64_t days_in(int64_t year, int64_t month)
{
    static const int64_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return days[month - 1] + (month == 2 && leap);
}

void onramp_line_time(int64_t ms, char text[ONRAMP_LINE_TIME_MAX])
{
    const int64_t day_ms = 86400000;
    const int64_t first = days_of(1, 1, 1) * day_ms;
    const int64_t last = days_of(10000, 1, 1) * day_ms - 1;
    ms = ms < first ? first : ms > last ? last : ms;

    int64_t days = (ms - first) / day_ms; /* since the year 1, so never negative */
    int64_t rest = (ms - first) % day_ms;
    int64_t year = 1 + days / 366; /* never after the right one, and near it */
    while (days_of(year + 1, 1, 1) - days_of(1, 1, 1) <= days)
        year++;
    int64_t day = days - (days_of(year, 1, 1) - days_of(1, 1, 1));
    int64_t month = 1;
    while (day >= days_in(year, month))
        day -= days_in(year, month++);
    (void)snprintf(text, ONRAMP_LINE_TIME_MAX, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", (int)year, (int)month,
                   (int)day + 1, (int)(rest / 3600000), (int)(rest / 60000 % 60), (int)(rest / 1000 % 60),
                   (int)(rest % 1000));
}

/* Read `digits` digits at *at and the character behind them. */
static bool field(const char **at, int digits, char behind, int64_t low, int64_t high, int64_t *out)
{
    int64_t value = 0;
    for (; digits > 0; digits--, (*at)++) {
        if (**at < '0' || **at > '9')
            return false;
        value = value * 10 + (**at - '0');
    }
    if (value < low || value > high || (behind != '\0' && *(*at)++ != behind))
        return false;
    *out = value;
    return true;
}

bool onramp_line_parse_time(const char *text, int64_t *ms)
{
    int64_t year, month, day, hour, minute, second;
    if (!field(&text, 4, '-', 1, 9999, &year) || !field(&text, 2, '-', 1, 12, &month) ||
        !field(&text, 2, 'T', 1, days_in(year, month), &day) || !field(&text, 2, ':', 0, 23, &hour) ||
        !field(&text, 2, ':', 0, 59, &minute) || !field(&text, 2, '\0', 0, 60, &second))
        return false;

    int64_t fraction = 0;
    if (*text == '.') {
        if (*++text < '0' || *text > '9')
            return false;
        for (int64_t unit = 100; *text >= '0' && *text <= '9'; text++, unit /= 10)
            fraction += unit * (*text - '0');
    }
    if (strcmp(text, "Z") != 0)
        return false;
    *ms = (((days_of(year, month, day) * 24 + hour) * 60 + minute) * 60 + second) * 1000 + fraction;
    return true;
}
