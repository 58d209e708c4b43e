/*
 * progress.c - where a run stands, in words.
 */
#include "progress.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#define PARTS    6
#define PART_MAX 160

void progress_clock(char *out, size_t size, onramp_span span)
{
    if (span == ONRAMP_NEVER || span < 0) {
        (void)snprintf(out, size, "?");
        return;
    }
    int64_t seconds = span / ONRAMP_SECOND + (span % ONRAMP_SECOND >= ONRAMP_SECOND / 2);
    if (seconds >= 3600)
        (void)snprintf(out, size, "%" PRId64 ":%02d:%02d", seconds / 3600, (int)(seconds / 60 % 60),
                       (int)(seconds % 60));
    else
        (void)snprintf(out, size, "%" PRId64 ":%02d", seconds / 60, (int)(seconds % 60));
}

/* Settled in this run, a second. Before the first second it would be noise. */
static double rate(const struct onramp_progress *p)
{
    if (p->elapsed < ONRAMP_SECOND || p->settled < p->before)
        return 0;
    return (double)(p->settled - p->before) / ((double)p->elapsed / (double)ONRAMP_SECOND);
}

/* The line's parts, what matters most first; an empty one has nothing to say. */
static void compose(char parts[PARTS][PART_MAX], const struct onramp_progress *p)
{
    char left[32];
    progress_clock(left, sizeof left, p->remaining);
    uint64_t percent = p->records > 0 ? p->settled * 100 / p->records : 100;

    for (size_t i = 0; i < PARTS; i++)
        parts[i][0] = '\0';
    (void)snprintf(parts[0], PART_MAX, "%s%s%" PRIu64 "/%" PRIu64 " %3" PRIu64 "%%", p->stage != NULL ? p->stage : "",
                   p->stage != NULL ? " " : "", p->settled, p->records, percent);
    if (p->remaining != ONRAMP_NEVER)
        (void)snprintf(parts[1], PART_MAX, "%s left", left);
    if (rate(p) > 0)
        (void)snprintf(parts[2], PART_MAX, "%.1f/s", rate(p));
    if (p->pacer.known)
        (void)snprintf(parts[3], PART_MAX, "bucket %.0f/%" PRIu32, p->pacer.level_low > 0 ? p->pacer.level_low : 0.0,
                       p->pacer.burst);
    (void)snprintf(parts[4], PART_MAX, "%" PRIu32 " in flight", p->pacer.in_flight);
    if (p->reason != NULL)
        (void)snprintf(parts[5], PART_MAX, "%s", p->reason);
}

void progress_live(char *out, size_t size, const struct onramp_progress *progress, unsigned width)
{
    char parts[PARTS][PART_MAX];
    compose(parts, progress);
    size_t room = width > 0 ? width - 1 : 0;
    if (room > size - 1)
        room = size - 1;
    size_t used = strlen(parts[0]) < room ? strlen(parts[0]) : room;
    (void)snprintf(out, size, "%.*s", (int)used, parts[0]);
    for (size_t i = 1; i < PARTS; i++) {
        size_t more = strlen(parts[i]);
        if (more == 0 || used + 2 + more > room)
            continue;
        used += (size_t)snprintf(out + used, size - used, "  %s", parts[i]);
    }
}

void progress_plain(char *out, size_t size, const struct onramp_progress *progress)
{
    progress_live(out, size, progress, UINT_MAX);
}
