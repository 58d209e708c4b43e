/*
 * report_html.c - a report as one page that needs nothing else: charts are inline SVG, and nothing is loaded.
 */
#include "report_out.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* A chart's inside, and the room around it for words. */
#define WIDTH  640
#define HEIGHT 220
#define LEFT   56
#define RIGHT  16
#define TOP    12
#define BOTTOM 30
#define BINS   24 /* of the histogram; the last one is open */

static void put_text(FILE *out, const char *text)
{
    for (; *text != '\0'; text++)
        switch (*text) {
        case '&':
            fputs("&amp;", out);
            break;
        case '<':
            fputs("&lt;", out);
            break;
        case '>':
            fputs("&gt;", out);
            break;
        case '"':
            fputs("&quot;", out);
            break;
        default:
            fputc((unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text, out);
        }
}

static void begin_chart(FILE *out, const char *heading, const char *alternative)
{
    fprintf(out, "<h2>%s</h2>\n<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"%s\">\n", heading,
            LEFT + WIDTH + RIGHT, TOP + HEIGHT + BOTTOM, alternative);
}

static void put_word(FILE *out, const char *anchor, double x, double y, const char *word)
{
    fprintf(out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s</text>\n", x, y, anchor, word);
}

/* Lines across at 0, half and all of `most`, with what they stand for. */
static void put_levels(FILE *out, uint64_t most)
{
    for (int half = 0; half <= 2; half++) {
        double y = TOP + HEIGHT - HEIGHT * half / 2.0;
        char word[32];
        (void)snprintf(word, sizeof word, "%.10g", (double)most * half / 2.0);
        fprintf(out, "<line class=\"g\" x1=\"%d\" y1=\"%.1f\" x2=\"%d\" y2=\"%.1f\"/>\n", LEFT, y, LEFT + WIDTH, y);
        put_word(out, "end", LEFT - 6, y + 4, word);
    }
}

/* ---- created over time ---- */

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* A staircase; of the steps that fall on one pixel the last one is drawn. */
static void put_steps(FILE *out, const int64_t *moments, size_t count)
{
    double span = moments[count - 1] > moments[0] ? (double)(moments[count - 1] - moments[0]) : 1;
    fprintf(out, "<path class=\"l\" d=\"M%d %d", LEFT, TOP + HEIGHT);
    int drawn = -1;
    for (size_t i = 0; i < count; i++) {
        int x = (int)(WIDTH * ((double)(moments[i] - moments[0]) / span));
        int next = i + 1 < count ? (int)(WIDTH * ((double)(moments[i + 1] - moments[0]) / span)) : WIDTH + 1;
        if (x == drawn || next == x)
            continue;
        drawn = x;
        fprintf(out, "H%dV%.1f", LEFT + x, TOP + HEIGHT - HEIGHT * (double)(i + 1) / (double)count);
    }
    fputs("\"/>\n", out);
}

static enum onramp_status put_growth(FILE *out, const struct onramp_report *r, struct onramp_error *err)
{
    int64_t *moments = calloc(r->entry_count + 1, sizeof *moments);
    if (moments == NULL)
        return onramp_fail(err, ONRAMP_ENOMEM, "out of memory for the report");
    size_t count = 0;
    for (size_t i = 0; i < r->entry_count; i++)
        if (onramp_report_stands(r->entries[i]) && r->entries[i]->outcome == ONRAMP_CREATED)
            moments[count++] = r->entries[i]->at;
    qsort(moments, count, sizeof *moments, by_value);
    if (count > 0) {
        char first[ONRAMP_TIME_TEXT], last[ONRAMP_TIME_TEXT];
        onramp_time_text(moments[0], first);
        onramp_time_text(moments[count - 1], last);
        begin_chart(out, "Created over time", "how many users were created by which moment");
        put_levels(out, count);
        put_steps(out, moments, count);
        put_word(out, "start", LEFT, TOP + HEIGHT + 20, first);
        put_word(out, "end", LEFT + WIDTH, TOP + HEIGHT + 20, last);
        fputs("</svg>\n", out);
    }
    free(moments);
    return ONRAMP_OK;
}

/* ---- outcomes ---- */

static void put_bar(FILE *out, int row, const char *name, uint64_t count, uint64_t most)
{
    int y = TOP + 24 * row;
    double width = most > 0 ? (WIDTH - 100) * (double)count / (double)most : 0;
    char number[32];
    (void)snprintf(number, sizeof number, "%" PRIu64, count);
    put_word(out, "end", LEFT + 14, y + 14, name);
    fprintf(out, "<rect class=\"%s\" x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"18\"/>\n",
            row <= ONRAMP_EXISTS ? "b" : "w", LEFT + 20, y, width < 1 && count > 0 ? 1 : width);
    put_word(out, "start", LEFT + 26 + width, y + 14, number);
}

static void put_outcomes(FILE *out, const struct onramp_report *r)
{
    uint64_t most = r->open;
    for (int i = 0; i < ONRAMP_OUTCOMES; i++)
        most = r->counts[i] > most ? r->counts[i] : most;
    begin_chart(out, "Outcomes", "how many records ended in which way");
    for (int i = 0; i < ONRAMP_OUTCOMES; i++)
        put_bar(out, i, onramp_outcome_name((enum onramp_outcome)i), r->counts[i], most);
    put_bar(out, ONRAMP_OUTCOMES, "open", r->open, most);
    fputs("</svg>\n", out);
}

/* ---- how long a create took ---- */

/* A round width of which BINS - 1 cover all but the longest hundredth. */
static int64_t bin_width(const struct onramp_times *times)
{
    int64_t reach = onramp_times_percentile(times, 99), width = 1;
    for (int step = 0; width * (BINS - 1) < reach && width < INT64_MAX / 100; step++)
        width = step % 3 == 1 ? width / 2 * 5 : width * 2; /* 1, 2, 5, 10 … */
    return width;
}

static void put_histogram(FILE *out, const struct onramp_times *times)
{
    uint64_t bins[BINS] = {0}, most = 0;
    int64_t width = bin_width(times);
    for (size_t i = 0; i < times->count; i++) {
        int64_t bin = times->ms[i] / width;
        bins[bin < BINS ? bin : BINS - 1]++;
    }
    for (int i = 0; i < BINS; i++)
        most = bins[i] > most ? bins[i] : most;
    begin_chart(out, "How long a create took", "histogram of the time from the first send to the answer");
    put_levels(out, most);
    const double step = (double)WIDTH / BINS;
    for (int i = 0; i < BINS; i++) {
        double height = HEIGHT * (double)bins[i] / (double)most;
        fprintf(out,
                "<rect class=\"b\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"><title>%s%" PRId64
                " ms: %" PRIu64 "</title></rect>\n",
                LEFT + i * step + 1, TOP + HEIGHT - height, step - 2, height, i == BINS - 1 ? "from " : "up to ",
                i == BINS - 1 ? i * width : (i + 1) * width, bins[i]);
    }
    for (int i = 0; i < BINS; i += 6) {
        char word[32];
        (void)snprintf(word, sizeof word, "%" PRId64 " ms", i * width);
        put_word(out, "middle", LEFT + i * step, TOP + HEIGHT + 20, word);
    }
    put_word(out, "end", LEFT + WIDTH, TOP + HEIGHT + 20, "and more");
    fputs("</svg>\n", out);
}

/* ---- words ---- */

static void put_causes(FILE *out, const struct onramp_report *r)
{
    if (r->cause_count == 0)
        return;
    fputs("<h2>Causes</h2>\n<table>\n<tr><th>outcome<th>records<th>cause<th>what to do\n", out);
    for (size_t i = 0; i < r->cause_count; i++) {
        const struct onramp_cause *cause = &r->causes[i];
        fprintf(out, "<tr><td>%s<td class=\"n\">%" PRIu64 "<td>",
                cause->open ? "open" : onramp_outcome_name(cause->outcome), cause->count);
        if (cause->status != 0)
            fprintf(out, "%d ", cause->status);
        put_text(out, cause->text);
        fputs("<td>", out);
        put_text(out, cause->advice);
        fputc('\n', out);
    }
    fputs("</table>\n", out);
}

static void put_run(FILE *out, const struct onramp_ledger_past *past)
{
    char at[ONRAMP_TIME_TEXT];
    onramp_time_text(past->run.at, at);
    fprintf(out, "<tr><td>%s<td>", at);
    put_text(out, past->run.command != NULL ? past->run.command : "upload");
    if (!past->ended) {
        fputs("<td>did not end by itself<td><td><td>\n", out);
        return;
    }
    fputs("<td>", out);
    put_text(out, past->end.reason);
    fprintf(out, "<td class=\"n\">%" PRIu64 "<td class=\"n\">%" PRIu64 "<td class=\"n\">%.1f s\n", past->end.requests,
            past->end.throttled, past->end.seconds);
}

static void put_runs(FILE *out, const struct onramp_report *r)
{
    fputs("<h2>Runs</h2>\n<table>\n<tr><th>begun<th>command<th>end<th>requests<th>throttled<th>time\n", out);
    for (size_t i = 0; i < r->run_count; i++)
        put_run(out, &r->runs[i]);
    fputs("</table>\n", out);
}

static void put_head(FILE *out, const struct onramp_report *r, const char *ledger_path)
{
    fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n"
          "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
          "<meta name=\"viewport\" content=\"width=device-width\">\n<title>onramp: ",
          out);
    put_text(out, ledger_path);
    fputs("</title>\n<style>\n"
          ":root{color-scheme:light dark;--ink:#1a1a1a;--paper:#fff;--good:#2563a8;--bad:#c2571a;--grid:#ddd}\n"
          "@media(prefers-color-scheme:dark){:root{--ink:#e6e6e6;--paper:#161616;--good:#6aa5e8;--bad:#e8935a;"
          "--grid:#3a3a3a}}\n"
          "body{font:16px/1.45 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem;color:var(--ink);"
          "background:var(--paper)}\n"
          "svg{width:100%;font-size:12px;fill:var(--ink)}.g{stroke:var(--grid)}.l{stroke:var(--good);stroke-width:2;"
          "fill:none}.b{fill:var(--good)}.w{fill:var(--bad)}\n"
          "table{border-collapse:collapse}th,td{text-align:left;vertical-align:top;padding:.2rem .8rem .2rem 0;"
          "border-bottom:1px solid var(--grid)}.n{text-align:right}\n</style>\n<h1>",
          out);
    put_text(out, ledger_path);
    fprintf(out, "</h1>\n<p>%zu records", r->entry_count);
    if (r->run_count > 0) {
        const struct onramp_ledger_run *last = &r->runs[r->run_count - 1].run;
        fputs(": ", out);
        put_text(out, last->input_path);
        fputs(" to ", out);
        put_text(out, last->domain);
        fputs(", connection ", out);
        put_text(out, last->connection);
    }
    fprintf(out, ". %" PRIu64 " requests, %" PRIu64 " throttled", r->requests, r->throttled);
    if (r->has_least)
        fprintf(out, ", at least %" PRIu32 " tokens left at any time", r->least_remaining);
    if (r->others > 0)
        fprintf(out, ", at least %" PRIu64 " taken by others", r->others);
    fprintf(out, "; %.1f s.</p>\n", r->seconds);
}

enum onramp_status report_html(FILE *out, const struct onramp_report *r, const char *ledger_path,
                               struct onramp_error *err)
{
    put_head(out, r, ledger_path);
    enum onramp_status st = put_growth(out, r, err);
    if (st != ONRAMP_OK)
        return st;
    put_outcomes(out, r);
    if (r->times.count > 0)
        put_histogram(out, &r->times);
    put_causes(out, r);
    put_runs(out, r);
    fputs("</html>\n", out);
    return ONRAMP_OK;
}
