/*
 * date.c - reading dates, without the locale, the clock or the time zone of this machine.
 */
#include "auth0/date.h"

#include "auth0/reply.h"
#include "auth0/text.h"

#include <string.h>

struct moment {
    int year, month, day, hour, minute, second; /* month from 1 */
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Exactly `digits` of them; moves on behind them. A space may stand for the first one where `padded`. */
static bool number(const char **p, int digits, bool padded, int *out)
{
    int value = 0;
    for (int i = 0; i < digits; i++, (*p)++) {
        if (padded && i == 0 && **p == ' ')
            continue;
        if (!is_digit(**p))
            return false;
        value = value * 10 + (**p - '0');
    }
    *out = value;
    return true;
}

static bool literal(const char **p, const char *expected)
{
    size_t size = strlen(expected);
    if (strncmp(*p, expected, size) != 0)
        return false;
    *p += size;
    return true;
}

/* One of `names`, counted from 1. */
static bool name(const char **p, const char *const *names, int count, int *out)
{
    for (int i = 0; i < count; i++)
        if (literal(p, names[i])) {
            *out = i + 1;
            return true;
        }
    return false;
}

static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
static const char *const days[] = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};
static const char *const long_days[] = {"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"};

static bool clock_time(const char **p, struct moment *m)
{
    return number(p, 2, false, &m->hour) && literal(p, ":") && number(p, 2, false, &m->minute) && literal(p, ":") &&
           number(p, 2, false, &m->second);
}

static int days_in(int year, int month)
{
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return lengths[month - 1] + (month == 2 && leap);
}

static bool exists(const struct moment *m)
{
    /* A leap second counts as the one before it would, plus one: servers may well send it. */
    return m->year >= 1970 && m->month >= 1 && m->month <= 12 && m->day >= 1 && m->day <= days_in(m->year, m->month) &&
           m->hour <= 23 && m->minute <= 59 && m->second <= 60;
}

static int64_t unix_seconds(const struct moment *m)
{
    int64_t years = m->year - 1;
    int64_t count = years * 365 + years / 4 - years / 100 + years / 400 - INT64_C(719162); /* days before the year */
    for (int month = 1; month < m->month; month++)
        count += days_in(m->year, month);
    count += m->day - 1;
    return ((count * 24 + m->hour) * 60 + m->minute) * 60 + m->second;
}

/* Sun, 06 Nov 1994 08:49:37 GMT */
static bool fixed_form(const char *p, struct moment *m)
{
    int ignored;
    return name(&p, days, 7, &ignored) && literal(&p, ", ") && number(&p, 2, false, &m->day) && literal(&p, " ") &&
           name(&p, months, 12, &m->month) && literal(&p, " ") && number(&p, 4, false, &m->year) && literal(&p, " ") &&
           clock_time(&p, m) && literal(&p, " GMT") && *p == '\0';
}

/* Sunday, 06-Nov-94 08:49:37 GMT. Two digits of a year: no tenant is older than 1970. */
static bool old_form(const char *p, struct moment *m)
{
    int ignored;
    if (!(name(&p, long_days, 7, &ignored) && literal(&p, ", ") && number(&p, 2, false, &m->day) && literal(&p, "-") &&
          name(&p, months, 12, &m->month) && literal(&p, "-") && number(&p, 2, false, &m->year) && literal(&p, " ") &&
          clock_time(&p, m) && literal(&p, " GMT") && *p == '\0'))
        return false;
    m->year += m->year >= 70 ? 1900 : 2000;
    return true;
}

/* Sun Nov  6 08:49:37 1994 */
static bool asctime_form(const char *p, struct moment *m)
{
    int ignored;
    return name(&p, days, 7, &ignored) && literal(&p, " ") && name(&p, months, 12, &m->month) && literal(&p, " ") &&
           number(&p, 2, true, &m->day) && literal(&p, " ") && clock_time(&p, m) && literal(&p, " ") &&
           number(&p, 4, false, &m->year) && *p == '\0';
}

bool onramp_reply_date(const char *text, int64_t *out)
{
    struct moment m = {0};
    if (!(fixed_form(text, &m) || old_form(text, &m) || asctime_form(text, &m)) || !exists(&m))
        return false;
    *out = unix_seconds(&m);
    return true;
}

/* ".161" as milliseconds; further digits are cut. */
static bool fraction(const char **p, int *ms)
{
    int scale = 100;
    *ms = 0;
    if (!literal(p, "."))
        return true;
    if (!is_digit(**p))
        return false;
    for (; is_digit(**p); (*p)++, scale /= 10)
        *ms += (**p - '0') * scale;
    return true;
}

/* "Z", or "+02:00" as seconds to take off. */
static bool offset(const char **p, int *seconds)
{
    int hours, minutes, sign = **p == '-' ? -1 : 1;
    *seconds = 0;
    if (literal(p, "Z"))
        return true;
    if (!literal(p, "+") && !literal(p, "-"))
        return false;
    if (!number(p, 2, false, &hours) || !literal(p, ":") || !number(p, 2, false, &minutes) || hours > 23 ||
        minutes > 59)
        return false;
    *seconds = sign * (hours * 60 + minutes) * 60;
    return true;
}

bool onramp_date_iso(const char *text, int64_t *out)
{
    struct moment m;
    int ms, seconds;
    const char *p = text;
    if (!(number(&p, 4, false, &m.year) && literal(&p, "-") && number(&p, 2, false, &m.month) && literal(&p, "-") &&
          number(&p, 2, false, &m.day) && literal(&p, "T") && clock_time(&p, &m) && fraction(&p, &ms) &&
          offset(&p, &seconds) && *p == '\0' && exists(&m)))
        return false;
    *out = (unix_seconds(&m) - seconds) * 1000 + ms;
    return true;
}

bool onramp_reply_retry_after(const char *text, int64_t date, onramp_span *out)
{
    enum { DAY = 24 * 60 * 60 }; /* a wait of a day is as good as a longer one, and cannot overflow */
    uint64_t seconds;
    int64_t until;
    if (onramp_text_number(text, UINT64_MAX, &seconds)) {
        *out = (onramp_span)(seconds < DAY ? seconds : DAY) * ONRAMP_SECOND;
        return true;
    }
    if (date == 0 || !onramp_reply_date(text, &until))
        return false;
    int64_t wait = until - date;
    *out = (wait < 0 ? 0 : wait < DAY ? wait : DAY) * ONRAMP_SECOND;
    return true;
}
