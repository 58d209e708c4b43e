/*
 * plan_out.c - writes plans.
 */
#include "plan_out.h"

#include "print.h"
#include "summary.h"

#include <inttypes.h>
#include <onramp/report.h>
#include <string.h>

#define ROWS 12 /* of the course that people are shown */

static uint64_t to_send(const struct onramp_summary *s)
{
    return s->records - s->counts[ONRAMP_INVALID] - s->counts[ONRAMP_DUPLICATE];
}

/* "3.4 s", "2 min 35 s", "1 h 5 min". */
static void put_time(char *text, size_t size, double seconds)
{
    uint64_t whole = (uint64_t)(seconds + 0.5);
    if (seconds < 59.95)
        (void)snprintf(text, size, "%.1f s", seconds);
    else if (whole < 3600)
        (void)snprintf(text, size, "%" PRIu64 " min %" PRIu64 " s", whole / 60, whole % 60);
    else
        (void)snprintf(text, size, "%" PRIu64 " h %" PRIu64 " min", whole / 3600, whole % 3600 / 60);
}

static double per_second(const struct onramp_limit *limit)
{
    return (double)limit->rate.tokens * (double)ONRAMP_SECOND / (double)limit->rate.per;
}

/* Is the tenant's limit stated, and not just taken to be out of the way? */
static bool is_bounded(const struct plan_case *of)
{
    return strcmp(of->name, "ceiling") != 0;
}

/* ---- for people ---- */

static void put_head(FILE *out, const struct plan_about *about, const struct onramp_plan *plan)
{
    const struct onramp_summary *s = &plan->summary;
    fprintf(out, "%" PRIu64 " record%s of ", s->records, print_plural(s->records));
    print_clean(out, strcmp(about->file, "-") == 0 ? "standard input" : about->file);
    fprintf(out, ": %" PRIu64 " to send", to_send(s));
    for (int i = ONRAMP_REJECTED; i < ONRAMP_OUTCOMES; i++)
        if (s->counts[i] > 0)
            fprintf(out, ", %" PRIu64 " %s", s->counts[i], onramp_outcome_name((enum onramp_outcome)i));
    fprintf(out, "; %" PRIu64 " verification mail%s\n", plan->mails, plan->mails == 1 ? "" : "s");
}

/* What is wrong with the file, from the ledger of the rehearsal. */
static enum onramp_status put_causes(FILE *out, const struct onramp_plan *plan, struct onramp_error *err)
{
    struct onramp_report report;
    enum onramp_status st = onramp_report_make(&report, plan->ledger, err);
    for (size_t i = 0; i < report.cause_count && st == ONRAMP_OK; i++) {
        const struct onramp_cause *cause = &report.causes[i];
        fprintf(out, "%s  %-12s %8" PRIu64 "  ", i == 0 ? "\n" : "", onramp_outcome_name(cause->outcome), cause->count);
        print_clean(out, cause->text);
        fprintf(out, "\n%25s%s%" PRIu64 "; %s\n", "", cause->count > 1 ? "first: record " : "record ",
                cause->example->record, cause->advice);
    }
    onramp_report_clear(&report);
    return st;
}

static void put_limit(FILE *out, const struct plan_case *of)
{
    if (!is_bounded(of)) {
        fputs("  tenant       not stated: taken to allow whatever the ceiling does\n", out);
        return;
    }
    const char *words = strcmp(of->name, "seen") == 0 ? "as former runs have seen it" : of->name;
    fprintf(out, "  tenant       %s: %" PRIu32 " creates at once, then %.3g/s\n", words, of->limit.burst,
            per_second(&of->limit));
}

/* The course of the run in a few rows, even in time; the first and the last point are among them. */
static void put_course(FILE *out, const struct plan_case *of, const struct onramp_plan *plan)
{
    if (plan->point_count < 2)
        return;
    fprintf(out, "\n  %12s %8s%s\n", "after", "created", is_bounded(of) ? "   left to others" : "");
    onramp_span first = plan->points[0].at, last = plan->points[plan->point_count - 1].at;
    size_t i = 0, shown = plan->point_count;
    for (int row = 0; row < ROWS; row++) {
        onramp_span due = first + (last - first) / (ROWS - 1) * row;
        while (i + 1 < plan->point_count && (row == ROWS - 1 || plan->points[i + 1].at <= due))
            i++;
        if (i == shown) /* nothing has happened since */
            continue;
        shown = i;
        const struct onramp_plan_point *point = &plan->points[i];
        char at[40];
        put_time(at, sizeof at, (double)point->at / (double)ONRAMP_SECOND);
        fprintf(out, "  %12s %8" PRIu64, at, point->created);
        if (is_bounded(of))
            fprintf(out, "   %.0f of %" PRIu32 " tokens", point->tokens, of->limit.burst);
        fputc('\n', out);
    }
}

static void put_assumed(FILE *out, const struct plan_about *about)
{
    fprintf(out,
            "Assumed: answers take %lld ms in the median, as recorded, never less than %lld, and %lld ms on the way;\n"
            "nothing is lost, and nobody else uses the tenant.\n",
            (long long)(about->latency_median / ONRAMP_MILLISECOND),
            (long long)(about->latency_min / ONRAMP_MILLISECOND), (long long)(about->round_trip / ONRAMP_MILLISECOND));
}

enum onramp_status plan_text(FILE *out, const struct plan_about *about, const struct plan_case *of,
                             const struct onramp_plan *plan, struct onramp_error *err)
{
    const struct onramp_summary *s = &plan->summary;
    put_head(out, about, plan);
    enum onramp_status st = put_causes(out, plan, err);
    if (st != ONRAMP_OK)
        return st;
    char time[40];
    put_time(time, sizeof time, s->seconds);
    fputc('\n', out);
    put_limit(out, of);
    fprintf(out, "  time         %s", time);
    summary_held(out, s);
    fprintf(out, "  requests     %" PRIu64 ", %" PRIu64 " throttled", s->requests, s->throttled);
    if (s->has_least && is_bounded(of))
        fprintf(out, ", at least %" PRIu32 " tokens left at any time", s->least_remaining);
    fputc('\n', out);
    put_course(out, of, plan);
    fputc('\n', out);
    put_assumed(out, about);
    return ONRAMP_OK;
}

enum onramp_status plan_table_begin(FILE *out, const struct plan_about *about, const struct onramp_plan *plan,
                                    struct onramp_error *err)
{
    put_head(out, about, plan);
    enum onramp_status st = put_causes(out, plan, err);
    if (st == ONRAMP_OK)
        fprintf(out, "\n  %-20s %16s %12s %9s %10s %14s\n", "plan", "creates at once", "then", "requests", "least left",
                "time");
    return st;
}

void plan_table_row(FILE *out, const struct plan_case *of, const struct onramp_plan *plan)
{
    const struct onramp_summary *s = &plan->summary;
    char time[40], rate[32], least[16] = "-";
    put_time(time, sizeof time, s->seconds);
    (void)snprintf(rate, sizeof rate, "%.4g/s", per_second(&of->limit));
    if (s->has_least)
        (void)snprintf(least, sizeof least, "%" PRIu32, s->least_remaining);
    fprintf(out, "  %-20s %16" PRIu32 " %12s %9" PRIu64 " %10s %14s%s\n", of->name, of->limit.burst, rate, s->requests,
            least, time, summary_is_held(s) ? " *" : "");
}

void plan_table_end(FILE *out, const struct plan_about *about, bool held)
{
    if (held)
        fputs("\n* held back by --concurrency, not by the tenant\n", out);
    fputc('\n', out);
    put_assumed(out, about);
}

/* ---- for programs ---- */

static json_t *number(uint64_t value)
{
    return json_integer(value < INT64_MAX ? (json_int_t)value : INT64_MAX);
}

json_t *plan_json_head(const struct plan_about *about, const struct onramp_plan *plan)
{
    const struct onramp_summary *s = &plan->summary;
    json_t *head = json_pack("{s:o, s:o, s:o, s:o, s:{s:I, s:I, s:I}, s:[]}", "file", print_name(about->file),
                             "records", number(s->records), "to_send", number(to_send(s)), "mails", number(plan->mails),
                             "assumed", "latency_median_ms", (json_int_t)(about->latency_median / ONRAMP_MILLISECOND),
                             "latency_min_ms", (json_int_t)(about->latency_min / ONRAMP_MILLISECOND), "round_trip_ms",
                             (json_int_t)(about->round_trip / ONRAMP_MILLISECOND), "plans");
    bool good = head != NULL;
    for (int i = ONRAMP_REJECTED; i < ONRAMP_OUTCOMES && good; i++)
        good = json_object_set_new(head, onramp_outcome_name((enum onramp_outcome)i), number(s->counts[i])) == 0;
    if (good)
        return head;
    json_decref(head);
    return NULL;
}

static json_t *limit_json(const struct plan_case *of)
{
    return is_bounded(of)
               ? json_pack("{s:I, s:f}", "burst", (json_int_t)of->limit.burst, "per_second", per_second(&of->limit))
               : json_null();
}

static json_t *point_json(const struct plan_case *of, const struct onramp_plan_point *point)
{
    return json_pack("{s:f, s:o, s:o*}", "seconds", (double)point->at / (double)ONRAMP_SECOND, "created",
                     number(point->created), "tokens", is_bounded(of) ? json_real(point->tokens) : NULL);
}

json_t *plan_json(const struct plan_case *of, const struct onramp_plan *plan)
{
    const struct onramp_summary *s = &plan->summary;
    bool least = s->has_least && is_bounded(of);
    json_t *object =
        json_pack("{s:s, s:o, s:f, s:o, s:o, s:o, s:[]}", "tenant", of->name, "limit", limit_json(of), "seconds",
                  s->seconds, "requests", number(s->requests), "throttled", number(s->throttled), "least_remaining",
                  least ? number(s->least_remaining) : json_null(), "course");
    json_t *course = json_object_get(object, "course");
    bool good = course != NULL;
    for (size_t i = 0; i < plan->point_count && good; i++)
        good = json_array_append_new(course, point_json(of, &plan->points[i])) == 0;
    if (good)
        return object;
    json_decref(object);
    return NULL;
}
