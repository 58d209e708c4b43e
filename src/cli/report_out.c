/*
 * report_out.c - writes reports.
 */
#include "report_out.h"

#include "print.h"

#include <inttypes.h>
#include <string.h>

static const char *const deed_names[ONRAMP_DEEDS] = {"invite", "role", "member", "undo"};

/* Percentiles that are told. */
static const unsigned percents[] = {50, 90, 95, 99, 100};
#define PERCENTS (sizeof percents / sizeof percents[0])

const char *report_outcome(const struct onramp_ledger_entry *entry)
{
    return entry->open ? "open" : entry->undone ? "undone" : onramp_outcome_name(entry->outcome);
}

/* ---- for people ---- */

static void put_count(FILE *out, const char *name, uint64_t count, bool always)
{
    if (always || count > 0)
        fprintf(out, "  %-12s %8" PRIu64 "\n", name, count);
}

static void put_outcomes(FILE *out, const struct onramp_report *r)
{
    for (int i = 0; i < ONRAMP_OUTCOMES; i++)
        put_count(out, onramp_outcome_name((enum onramp_outcome)i), r->counts[i], i == ONRAMP_CREATED);
    put_count(out, "open", r->open, false);
    put_count(out, "undone", r->undone, false);
    if (r->adopted > 0)
        fprintf(out,
                "               %8" PRIu64
                " of the created were proven by asking: nobody has their password, unless it was sealed\n",
                r->adopted);
}

static void put_causes(FILE *out, const struct onramp_report *r)
{
    for (size_t i = 0; i < r->cause_count; i++) {
        const struct onramp_cause *cause = &r->causes[i];
        fprintf(out, "%s  %-12s %8" PRIu64 "  ", i == 0 ? "\nCauses\n" : "",
                cause->open ? "open" : onramp_outcome_name(cause->outcome), cause->count);
        if (cause->status != 0)
            fprintf(out, "%d ", cause->status);
        if (cause->error_code != NULL) {
            print_clean(out, cause->error_code);
            fputs(": ", out);
        }
        print_clean(out, cause->text);
        fprintf(out, "\n%25s%s%" PRIu64 "\n%25s%s\n", "", cause->count > 1 ? "first: record " : "record ",
                cause->example->record, "", cause->advice);
    }
}

static void put_deeds(FILE *out, const struct onramp_report *r)
{
    const char *heading = "\nAfter the creates\n";
    for (int kind = 0; kind < ONRAMP_DEEDS; kind++)
        for (int state = ONRAMP_DEED_SENDING; state < ONRAMP_DEED_STATES; state++)
            if (r->deeds[kind][state] > 0) {
                fprintf(out, "%s  %-12s %8" PRIu64 " %s\n", heading, deed_names[kind], r->deeds[kind][state],
                        onramp_deed_state_name((enum onramp_deed_state)state));
                heading = "";
            }
}

/* A user that was deleted counts as never sent. */
static bool had_undo(const struct onramp_report *r)
{
    for (size_t i = 0; i < r->run_count; i++)
        if (r->runs[i].run.command != NULL && strcmp(r->runs[i].run.command, "undo") == 0)
            return true;
    return false;
}

static void put_figures(FILE *out, const struct onramp_report *r)
{
    fprintf(out, "\n  %-12s %8" PRIu64 " sends of creates, at most %" PRIu32 " of one record%s\n", "attempts",
            r->attempts, r->most_attempts, had_undo(r) ? ", without those that were undone" : "");
    if (r->times.count > 0) {
        fprintf(out, "  %-12s", "a create");
        for (size_t i = 0; i < PERCENTS; i++) {
            int64_t ms = onramp_times_percentile(&r->times, percents[i]);
            if (percents[i] == 50)
                fprintf(out, " %8" PRId64 " ms in the median", ms);
            else if (percents[i] == 100)
                fprintf(out, ", longest %" PRId64 "\n", ms);
            else
                fprintf(out, ", %u%% within %" PRId64, percents[i], ms);
        }
    }
    fprintf(out, "  %-12s %8" PRIu64 ", %" PRIu64 " throttled", "requests", r->requests, r->throttled);
    if (r->has_least)
        fprintf(out, ", at least %" PRIu32 " tokens left at any time", r->least_remaining);
    if (r->others > 0)
        fprintf(out, ", at least %" PRIu64 " taken by others", r->others);
    fprintf(out, "\n  %-12s %8.1f s in %zu run%s", "time", r->seconds, r->run_count, r->run_count == 1 ? "" : "s");
    if (r->unended > 0)
        fprintf(out, "; %zu did not end by %s, and %s missing from these sums", r->unended,
                r->unended == 1 ? "itself" : "themselves", r->unended == 1 ? "is" : "are");
    fputc('\n', out);
}

static void put_run(FILE *out, const struct onramp_ledger_past *past)
{
    char at[ONRAMP_TIME_TEXT];
    onramp_time_text(past->run.at, at);
    fprintf(out, "  %s  ", at);
    print_clean(out, past->run.command != NULL ? past->run.command : "upload");
    if (!past->ended) {
        fputs(": did not end by itself\n", out);
        return;
    }
    fputs(": ", out);
    print_clean(out, past->end.reason);
    fprintf(out, ", %" PRIu64 " requests, %" PRIu64 " throttled, %.1f s", past->end.requests, past->end.throttled,
            past->end.seconds);
    if (past->end.has_limit)
        fprintf(out, ", limit %" PRIu32 " at once, then about %.3g/s", past->end.limit_burst,
                past->end.limit_per_second);
    if (past->end.others > 0)
        fprintf(out, ", at least %" PRIu64 " tokens taken by others", past->end.others);
    fputc('\n', out);
}

void report_text(FILE *out, const struct onramp_report *r, const char *ledger_path)
{
    fprintf(out, "%zu record%s in ", r->entry_count, print_plural(r->entry_count));
    print_clean(out, ledger_path);
    if (r->run_count > 0) {
        const struct onramp_ledger_run *last = &r->runs[r->run_count - 1].run;
        fputs(": ", out);
        print_clean(out, last->input_path);
        fputs(" to ", out);
        print_clean(out, last->domain);
        fputs(", connection ", out);
        print_clean(out, last->connection);
    }
    fputs("\n\n", out);
    put_outcomes(out, r);
    put_causes(out, r);
    put_deeds(out, r);
    put_figures(out, r);
    for (size_t i = 0; i < r->run_count; i++) {
        fputs(i == 0 ? "\nRuns\n" : "", out);
        put_run(out, &r->runs[i]);
    }
}

/* ---- for programs ---- */

static json_t *number(uint64_t value)
{
    return json_integer(value < INT64_MAX ? (json_int_t)value : INT64_MAX);
}

static json_t *time_json(int64_t ms)
{
    char text[ONRAMP_TIME_TEXT];
    onramp_time_text(ms, text);
    return json_string(text);
}

static json_t *cause_json(const struct onramp_cause *cause)
{
    return json_pack("{s:s, s:o, s:o*, s:s*, s:s, s:s, s:o}", "outcome",
                     cause->open ? "open" : onramp_outcome_name(cause->outcome), "count", number(cause->count),
                     "status", cause->status != 0 ? json_integer(cause->status) : NULL, "error_code", cause->error_code,
                     "message", cause->text, "advice", cause->advice, "first_record", number(cause->example->record));
}

static json_t *limit_json(const struct onramp_ledger_end *end)
{
    return end->has_limit
               ? json_pack("{s:I, s:f}", "burst", (json_int_t)end->limit_burst, "per_second", end->limit_per_second)
               : NULL;
}

static json_t *run_json(const struct onramp_ledger_past *past)
{
    const struct onramp_ledger_end *end = &past->end;
    const char *command = past->run.command != NULL ? past->run.command : "upload";
    if (!past->ended)
        return json_pack("{s:s, s:o, s:s, s:b}", "run", past->run.run, "at", time_json(past->run.at), "command",
                         command, "ended", 0);
    return json_pack("{s:s, s:o, s:s, s:b, s:s, s:o, s:o, s:o*, s:o*, s:o, s:f}", "run", past->run.run, "at",
                     time_json(past->run.at), "command", command, "ended", 1, "reason", end->reason, "requests",
                     number(end->requests), "throttled", number(end->throttled), "least_remaining",
                     end->has_least ? number(end->least_remaining) : NULL, "limit", limit_json(end), "others",
                     number(end->others), "seconds", end->seconds);
}

static json_t *times_json(const struct onramp_times *times)
{
    json_t *object = json_pack("{s:I}", "count", (json_int_t)times->count);
    for (size_t i = 0; i < PERCENTS && times->count > 0; i++) {
        char name[8];
        (void)snprintf(name, sizeof name, percents[i] == 100 ? "max" : "p%u", percents[i]);
        if (json_object_set_new(object, name, json_integer(onramp_times_percentile(times, percents[i]))) != 0) {
            json_decref(object);
            return NULL;
        }
    }
    return object;
}

/* {"invite":{"done":3}} */
static json_t *deeds_json(const struct onramp_report *r)
{
    json_t *all = json_object();
    bool good = all != NULL;
    for (int kind = 0; kind < ONRAMP_DEEDS && good; kind++) {
        json_t *states = json_object();
        for (int state = ONRAMP_DEED_SENDING; state < ONRAMP_DEED_STATES && good; state++)
            good = r->deeds[kind][state] == 0 ||
                   json_object_set_new(states, onramp_deed_state_name((enum onramp_deed_state)state),
                                       number(r->deeds[kind][state])) == 0;
        good = good && (json_object_size(states) == 0 || json_object_set(all, deed_names[kind], states) == 0);
        json_decref(states);
    }
    if (good)
        return all;
    json_decref(all);
    return NULL;
}

static bool set_outcomes(json_t *object, const struct onramp_report *r)
{
    bool good = true;
    for (int i = 0; i < ONRAMP_OUTCOMES && good; i++)
        good = json_object_set_new(object, onramp_outcome_name((enum onramp_outcome)i), number(r->counts[i])) == 0;
    return good && json_object_set_new(object, "open", number(r->open)) == 0 &&
           json_object_set_new(object, "undone", number(r->undone)) == 0 &&
           json_object_set_new(object, "adopted", number(r->adopted)) == 0;
}

static bool set_lists(json_t *object, const struct onramp_report *r)
{
    json_t *causes = json_array(), *runs = json_array();
    bool good = true;
    for (size_t i = 0; i < r->cause_count && good; i++)
        good = json_array_append_new(causes, cause_json(&r->causes[i])) == 0;
    for (size_t i = 0; i < r->run_count && good; i++)
        good = json_array_append_new(runs, run_json(&r->runs[i])) == 0;
    good = good && json_object_set(object, "causes", causes) == 0 && json_object_set(object, "runs", runs) == 0;
    json_decref(causes);
    json_decref(runs);
    return good;
}

static bool set_figures(json_t *object, const struct onramp_report *r)
{
    json_t *attempts = json_pack("{s:o, s:I}", "total", number(r->attempts), "most", (json_int_t)r->most_attempts);
    return json_object_set_new(object, "attempts", attempts) == 0 &&
           json_object_set_new(object, "ms", times_json(&r->times)) == 0 &&
           json_object_set_new(object, "deeds", deeds_json(r)) == 0 &&
           json_object_set_new(object, "requests", number(r->requests)) == 0 &&
           json_object_set_new(object, "throttled", number(r->throttled)) == 0 &&
           json_object_set_new(object, "least_remaining", r->has_least ? number(r->least_remaining) : json_null()) ==
               0 &&
           json_object_set_new(object, "others", number(r->others)) == 0 &&
           json_object_set_new(object, "seconds", json_real(r->seconds)) == 0;
}

enum onramp_status report_json(FILE *out, const struct onramp_report *r, const char *ledger_path,
                               struct onramp_error *err)
{
    const struct onramp_ledger_run none = {.run = NULL};
    const struct onramp_ledger_run *last = r->run_count > 0 ? &r->runs[r->run_count - 1].run : &none;
    json_t *object =
        json_pack("{s:o, s:s*, s:s*, s:s*, s:o}", "ledger", print_name(ledger_path), "input", last->input_path,
                  "domain", last->domain, "connection", last->connection, "records", number(r->entry_count));
    if (object != NULL && !(set_outcomes(object, r) && set_figures(object, r) && set_lists(object, r))) {
        json_decref(object);
        object = NULL;
    }
    return print_json(out, object, "report", err);
}

/* ---- for spreadsheets ---- */

/* "+4930901820" is a number to a spreadsheet, and stays one; "=HYPERLINK(…)" would be carried out. */
static bool is_formula(const char *text)
{
    if (*text == '+' || *text == '-')
        return text[1 + strspn(text + 1, "0123456789")] != '\0';
    return *text == '=' || *text == '@' || *text == '\t' || *text == '\r';
}

static void put_cell(FILE *out, const char *text)
{
    text = text != NULL ? text : "";
    bool formula = is_formula(text);
    bool quoted = formula || strpbrk(text, ",\"\r\n") != NULL;
    fputs(quoted ? ",\"" : ",", out);
    if (formula)
        fputc('\'', out);
    for (; *text != '\0'; text++) {
        if (*text == '"')
            fputc('"', out);
        fputc(*text, out);
    }
    if (quoted)
        fputc('"', out);
}

static void put_row(FILE *out, const struct onramp_ledger_entry *entry)
{
    bool stands = onramp_report_stands(entry);
    char at[ONRAMP_TIME_TEXT] = "", status[16] = "", ms[24] = "";
    int64_t moment = stands ? entry->at : entry->last_attempted_at;
    if (moment != 0)
        onramp_time_text(moment, at);
    if (stands && entry->status != 0)
        (void)snprintf(status, sizeof status, "%d", entry->status);
    if (stands && (entry->ms > 0 || entry->status != 0))
        (void)snprintf(ms, sizeof ms, "%" PRId64, entry->ms);
    fprintf(out, "%" PRIu64, entry->record);
    put_cell(out, print_who(&entry->identity));
    put_cell(out, report_outcome(entry));
    fprintf(out, ",%" PRIu32, entry->attempts);
    put_cell(out, status);
    put_cell(out, stands ? entry->error_code : NULL);
    put_cell(out, stands ? entry->message : NULL);
    put_cell(out, stands ? entry->user_id : NULL);
    put_cell(out, at);
    put_cell(out, ms);
    fputc('\n', out);
}

void report_csv(FILE *out, const struct onramp_report *r)
{
    fputs("record,identity,outcome,attempts,status,error_code,message,user_id,at,ms\n", out);
    for (size_t i = 0; i < r->entry_count; i++)
        put_row(out, r->entries[i]);
}
