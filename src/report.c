/*
 * report.c - counts what a ledger says.
 */
#include "onramp/report.h"

#include "cause.h"
#include "grow.h"
#include "io/ledger_line.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct making {
    struct onramp_report *report;
    size_t entry_room, run_room, cause_room;
    int64_t *ms;   /* becomes report->times.ms */
    json_t *index; /* of causes, by key */
    bool failed;   /* no memory */
};

bool onramp_report_stands(const struct onramp_ledger_entry *entry)
{
    return entry->has_outcome && !entry->open && !entry->undone;
}

/* ---- entries and runs ---- */

static bool take_entry(void *context, const struct onramp_ledger_entry *entry)
{
    struct making *m = context;
    struct onramp_report *r = m->report;
    const struct onramp_ledger_entry **entries =
        onramp_grow((void *)r->entries, r->entry_count, &m->entry_room, sizeof *entries);
    m->failed = entries == NULL;
    if (m->failed)
        return false;
    r->entries = entries;
    r->entries[r->entry_count++] = entry;
    return true;
}

static bool take_run(void *context, const struct onramp_ledger_past *past)
{
    struct making *m = context;
    struct onramp_report *r = m->report;
    struct onramp_ledger_past *runs = onramp_grow(r->runs, r->run_count, &m->run_room, sizeof *runs);
    m->failed = runs == NULL;
    if (m->failed)
        return false;
    r->runs = runs;
    r->runs[r->run_count++] = *past;
    if (!past->ended) {
        r->unended++;
        return true;
    }
    const struct onramp_ledger_end *end = &past->end;
    r->requests += end->requests;
    r->throttled += end->throttled;
    r->seconds += end->seconds;
    r->others += end->others;
    if (end->has_least && (!r->has_least || end->least_remaining < r->least_remaining))
        r->least_remaining = end->least_remaining;
    r->has_least = r->has_least || end->has_least;
    return true;
}

static int by_record(const void *a, const void *b)
{
    const struct onramp_ledger_entry *x = *(const struct onramp_ledger_entry *const *)a;
    const struct onramp_ledger_entry *y = *(const struct onramp_ledger_entry *const *)b;
    return x->record != y->record ? (x->record < y->record ? -1 : 1) : (x->at > y->at) - (x->at < y->at);
}

/* ---- causes ---- */

static bool is_trouble(const struct onramp_ledger_entry *entry)
{
    return entry->open ||
           (onramp_report_stands(entry) && entry->outcome != ONRAMP_CREATED && entry->outcome != ONRAMP_EXISTS);
}

/* The words of an entry, without what is special to it; malloc'd. */
static char *words_of(const struct onramp_ledger_entry *entry)
{
    if (entry->open)
        return onramp_cause_text(onramp_ledger_undoing(entry) ? "to be deleted, and no answer is recorded"
                                                              : "sent, and no answer is recorded");
    return onramp_cause_text(entry->message != NULL ? entry->message : "no message");
}

/* What entries of one cause have in common, as a key; malloc'd. */
static char *key_of(const struct onramp_ledger_entry *entry, const char *words)
{
    const char *code = entry->error_code != NULL && !entry->open ? entry->error_code : "";
    size_t size = strlen(words) + strlen(code) + 40;
    char *key = malloc(size);
    if (key != NULL)
        (void)snprintf(key, size, "%d %d %s %s", entry->open ? ONRAMP_OUTCOMES : (int)entry->outcome,
                       entry->open ? 0 : entry->status, code, words);
    return key;
}

/* Takes `words`. */
static bool add_cause(struct making *m, const char *key, const struct onramp_ledger_entry *entry, char *words)
{
    struct onramp_report *r = m->report;
    struct onramp_cause *causes = onramp_grow(r->causes, r->cause_count, &m->cause_room, sizeof *causes);
    if (causes != NULL)
        r->causes = causes;
    if (causes == NULL || json_object_set_new_nocheck(m->index, key, json_integer((json_int_t)r->cause_count)) != 0) {
        free(words);
        return false;
    }
    r->causes[r->cause_count++] = (struct onramp_cause){.outcome = entry->outcome,
                                                        .open = entry->open,
                                                        .status = entry->open ? 0 : entry->status,
                                                        .error_code = entry->open ? NULL : entry->error_code,
                                                        .text = words,
                                                        .advice = onramp_cause_advice(entry),
                                                        .count = 1,
                                                        .example = entry};
    return true;
}

static bool count_cause(struct making *m, const struct onramp_ledger_entry *entry)
{
    char *words = words_of(entry);
    char *key = words != NULL ? key_of(entry, words) : NULL;
    bool good = key != NULL;
    const json_t *known = good ? json_object_get(m->index, key) : NULL;
    if (known != NULL) {
        m->report->causes[json_integer_value(known)].count++;
        free(words);
    } else if (good) {
        good = add_cause(m, key, entry, words);
    } else {
        free(words);
    }
    free(key);
    return good;
}

static int by_count(const void *a, const void *b)
{
    const struct onramp_cause *x = a, *y = b;
    if (x->count != y->count)
        return x->count > y->count ? -1 : 1;
    return x->example->record != y->example->record ? (x->example->record < y->example->record ? -1 : 1) : 0;
}

/* ---- figures ---- */

static int by_length(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

int64_t onramp_times_percentile(const struct onramp_times *times, unsigned percent)
{
    if (times->count == 0)
        return 0;
    size_t rank = (times->count * percent + 99) / 100;
    return times->ms[rank > 0 ? rank - 1 : 0];
}

static bool count_entry(struct making *m, const struct onramp_ledger_entry *entry)
{
    struct onramp_report *r = m->report;
    r->attempts += entry->attempts;
    if (entry->attempts > r->most_attempts)
        r->most_attempts = entry->attempts;
    for (size_t i = 0; i < entry->deed_count; i++)
        r->deeds[entry->deeds[i].kind][entry->deeds[i].state]++;
    r->open += entry->open;
    r->undone += entry->undone;
    if (onramp_report_stands(entry)) {
        bool created = entry->outcome == ONRAMP_CREATED;
        r->counts[entry->outcome]++;
        r->adopted += created && entry->adopted;
        /* Below a millisecond it is 0, as it is in a ledger written by hand, which has no answer's status. */
        if (created && !entry->adopted && (entry->ms > 0 || entry->status != 0))
            m->ms[r->times.count++] = entry->ms;
    }
    return !is_trouble(entry) || count_cause(m, entry);
}

static bool count_all(struct making *m)
{
    struct onramp_report *r = m->report;
    if (m->failed || r->entry_count == 0)
        return !m->failed;
    qsort((void *)r->entries, r->entry_count, sizeof *r->entries, by_record);
    r->times.ms = m->ms = calloc(r->entry_count, sizeof *m->ms);
    m->index = json_object();
    if (m->ms == NULL || m->index == NULL)
        return false;
    for (size_t i = 0; i < r->entry_count; i++)
        if (!count_entry(m, r->entries[i]))
            return false;
    qsort(m->ms, r->times.count, sizeof *m->ms, by_length);
    if (r->cause_count > 0)
        qsort(r->causes, r->cause_count, sizeof *r->causes, by_count);
    return true;
}

enum onramp_status onramp_report_make(struct onramp_report *out, const struct onramp_ledger *ledger,
                                      struct onramp_error *err)
{
    *out = (struct onramp_report){.entry_count = 0};
    struct making m = {.report = out};
    onramp_ledger_each(ledger, take_entry, &m);
    if (!m.failed)
        onramp_ledger_runs(ledger, take_run, &m);
    bool good = count_all(&m);
    json_decref(m.index);
    return good ? ONRAMP_OK : onramp_fail(err, ONRAMP_ENOMEM, "out of memory for the report");
}

void onramp_report_clear(struct onramp_report *report)
{
    for (size_t i = 0; i < report->cause_count; i++)
        free((char *)report->causes[i].text);
    free(report->causes);
    free((void *)report->entries);
    free((int64_t *)report->times.ms);
    free(report->runs);
    *report = (struct onramp_report){.entry_count = 0};
}

void onramp_time_text(int64_t ms, char text[ONRAMP_TIME_TEXT])
{
    onramp_line_time(ms, text);
}
