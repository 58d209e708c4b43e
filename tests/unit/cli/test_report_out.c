/*
 * Reports, for people, programs and spreadsheets.
 */
#include "report_out.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NOON INT64_C(1769860800000) /* 2026-01-31T12:00:00Z */

static char *text;
static size_t text_size;

static FILE *begin(void)
{
    free(text);
    text = NULL;
    FILE *out = open_memstream(&text, &text_size);
    assert_non_null(out);
    return out;
}

static const char *told(FILE *out)
{
    assert_int_equal(fclose(out), 0);
    return text;
}

static int clear(void **state)
{
    (void)state;
    free(text);
    text = NULL;
    return 0;
}

/* ---- a report ---- */

static const struct onramp_ledger_entry created = {.record = 0,
                                                   .identity.email = "a@x.example",
                                                   .attempts = 2,
                                                   .has_outcome = true,
                                                   .outcome = ONRAMP_CREATED,
                                                   .at = NOON,
                                                   .ms = 240,
                                                   .status = 201,
                                                   .user_id = "auth0|1"};
static const struct onramp_ledger_entry refused = {.record = 1,
                                                   .identity.username = "=1+1",
                                                   .attempts = 1,
                                                   .has_outcome = true,
                                                   .outcome = ONRAMP_REJECTED,
                                                   .at = NOON + 1,
                                                   .ms = 50,
                                                   .status = 400,
                                                   .error_code = "invalid_body",
                                                   .message = "say \"please\",\nor\x1b[2J"};
static const struct onramp_ledger_entry killed = {
    .record = 2, .identity.phone_number = "+4930901820", .attempts = 1, .last_attempted_at = NOON + 2, .open = true};
static const struct onramp_ledger_entry *const entries[] = {&created, &refused, &killed};
static const int64_t lengths[] = {100, 200, 300, 4000};

static struct onramp_cause causes[] = {
    {.outcome = ONRAMP_REJECTED,
     .status = 400,
     .error_code = "invalid_body",
     .text = "say \x1b[2J",
     .advice = "do that",
     .count = 2,
     .example = &refused},
    {.open = true, .text = "lost", .advice = "again", .count = 1, .example = &killed}};
static struct onramp_ledger_past runs[] = {
    {.run = {.at = NOON, .run = "r1", .input_path = "users.json", .domain = "t.example", .connection = "Users"}},
    {.run = {.at = NOON + 5000,
             .run = "r2",
             .input_path = "users.json",
             .domain = "t.example",
             .connection = "Users",
             .command = "invite"},
     .ended = true,
     .end = {.reason = "finished",
             .requests = 7,
             .throttled = 1,
             .has_least = true,
             .least_remaining = 0,
             .seconds = 2.5,
             .has_limit = true,
             .limit_burst = 50,
             .limit_per_second = 16.5,
             .others = 3}}};

static struct onramp_report report(void)
{
    struct onramp_report r = {.entries = (const struct onramp_ledger_entry **)entries,
                              .entry_count = 3,
                              .counts = {[ONRAMP_CREATED] = 1, [ONRAMP_REJECTED] = 1},
                              .open = 1,
                              .causes = causes,
                              .cause_count = 2,
                              .attempts = 4,
                              .most_attempts = 2,
                              .times = {.count = 4, .ms = lengths},
                              .runs = runs,
                              .run_count = 2,
                              .unended = 1,
                              .requests = 7,
                              .throttled = 1,
                              .has_least = true,
                              .others = 3,
                              .seconds = 2.5};
    r.deeds[ONRAMP_DEED_INVITE][ONRAMP_DEED_DONE] = 3;
    return r;
}

static void tells_people_everything_on_one_page(void **state)
{
    (void)state;
    struct onramp_report r = report();
    FILE *out = begin();
    report_text(out, &r, "l.ndjson");
    assert_string_equal(told(out),
                        "3 records in l.ndjson: users.json to t.example, connection Users\n"
                        "\n"
                        "  created             1\n"
                        "  rejected            1\n"
                        "  open                1\n"
                        "\n"
                        "Causes\n"
                        "  rejected            2  400 invalid_body: say ?[2J\n"
                        "                         first: record 1\n"
                        "                         do that\n"
                        "  open                1  lost\n"
                        "                         record 2\n"
                        "                         again\n"
                        "\n"
                        "After the creates\n"
                        "  invite              3 done\n"
                        "\n"
                        "  attempts            4 sends of creates, at most 2 of one record\n"
                        "  a create          200 ms in the median, 90% within 4000, 95% within 4000, 99% within 4000, "
                        "longest 4000\n"
                        "  requests            7, 1 throttled, at least 0 tokens left at any time, at least 3 taken by "
                        "others\n"
                        "  time              2.5 s in 2 runs; 1 did not end by itself, and is missing from these sums\n"
                        "\n"
                        "Runs\n"
                        "  2026-01-31T12:00:00.000Z  upload: did not end by itself\n"
                        "  2026-01-31T12:00:05.000Z  invite: finished, 7 requests, 1 throttled, 2.5 s, limit 50 at "
                        "once, then about 16.5/s, at least 3 tokens taken by others\n");
}

static void tells_programs_the_same(void **state)
{
    (void)state;
    struct onramp_report r = report();
    struct onramp_error err;
    FILE *out = begin();
    assert_int_equal(report_json(out, &r, "l.ndjson", &err), ONRAMP_OK);
    json_t *object = json_loads(told(out), 0, NULL);
    assert_non_null(object);
    const char *reason;
    int records, open, done, p50, max, most, least, others, status, first, ended, run_others;
    double per_second;
    assert_int_equal(json_unpack(object,
                                 "{s:i, s:i, s:{s:{s:i}}, s:{s:i, s:i}, s:{s:i}, s:i, s:i, s:[{s:i, s:i}], s:[{s:b},"
                                 " {s:s, s:{s:f}, s:i}]}",
                                 "records", &records, "open", &open, "deeds", "invite", "done", &done, "ms", "p50",
                                 &p50, "max", &max, "attempts", "most", &most, "least_remaining", &least, "others",
                                 &others, "causes", "status", &status, "first_record", &first, "runs", "ended", &ended,
                                 "reason", &reason, "limit", "per_second", &per_second, "others", &run_others),
                     0);
    assert_true(records == 3 && open == 1 && done == 3 && p50 == 200 && max == 4000 && most == 2 && least == 0);
    assert_true(status == 400 && first == 1 && !ended && per_second == 16.5);
    assert_true(others == 3 && run_others == 3);
    assert_string_equal(reason, "finished");
    json_decref(object);
}

static void programs_get_null_for_what_nobody_knows(void **state)
{
    (void)state;
    struct onramp_report r = {.entry_count = 0};
    struct onramp_error err;
    FILE *out = begin();
    assert_int_equal(report_json(out, &r, "l\xff.ndjson", &err), ONRAMP_OK);
    json_t *object = json_loads(told(out), 0, NULL);
    assert_string_equal(json_string_value(json_object_get(object, "ledger")), "l\xef\xbf\xbd.ndjson");
    assert_true(json_is_null(json_object_get(object, "least_remaining")));
    assert_null(json_object_get(object, "input"));
    assert_int_equal(json_array_size(json_object_get(object, "causes")), 0);
    json_decref(object);
}

static void gives_spreadsheets_a_row_for_each_record_and_no_formula(void **state)
{
    (void)state;
    struct onramp_report r = report();
    FILE *out = begin();
    report_csv(out, &r);
    assert_string_equal(told(out), "record,identity,outcome,attempts,status,error_code,message,user_id,at,ms\n"
                                   "0,a@x.example,created,2,201,,,auth0|1,2026-01-31T12:00:00.000Z,240\n"
                                   "1,\"'=1+1\",rejected,1,400,invalid_body,\"say \"\"please\"\",\nor\x1b[2J\",,"
                                   "2026-01-31T12:00:00.001Z,50\n"
                                   "2,+4930901820,open,1,,,,,2026-01-31T12:00:00.002Z,\n");
}

static const char *page(const struct onramp_report *r, const char *path)
{
    struct onramp_error err;
    FILE *out = begin();
    assert_int_equal(report_html(out, r, path, &err), ONRAMP_OK);
    return told(out);
}

static void assert_needs_nothing_else(const char *html)
{
    static const char *const references[] = {"http:", "https:", "src=", "href=", "url(", "@import", "<script", "<link"};
    for (size_t i = 0; i < sizeof references / sizeof references[0]; i++)
        if (strstr(html, references[i]) != NULL)
            fail_msg("the page refers to something: %s", references[i]);
    assert_non_null(strstr(html, "default-src 'none'"));
}

static size_t occurrences(const char *html, const char *word)
{
    size_t count = 0;
    for (; (html = strstr(html, word)) != NULL; html++)
        count++;
    return count;
}

static void gives_browsers_a_page_that_needs_nothing_else(void **state)
{
    (void)state;
    struct onramp_report r = report();
    const char *html = page(&r, "l<&>\".ndjson");
    assert_needs_nothing_else(html);
    assert_non_null(strstr(html, "<title>onramp: l&lt;&amp;&gt;&quot;.ndjson</title>"));
    assert_int_equal(occurrences(html, "<svg"), 3);
    assert_int_equal(occurrences(html, "</svg>"), 3);
    assert_non_null(strstr(html, "400 say ?[2J<td>do that"));
    assert_non_null(strstr(html, "did not end by itself"));
    assert_non_null(strstr(html, "at least 0 tokens left at any time, at least 3 taken by others; 2.5 s."));
    assert_null(strstr(html, "a@x.example")); /* nobody is named */
    assert_null(strstr(html, "nan"));
}

static void the_histogram_has_every_create_once(void **state)
{
    (void)state;
    static int64_t many[1000];
    for (size_t i = 0; i < 1000; i++)
        many[i] = (int64_t)(i + 1);
    many[999] = 3600000; /* one that took an hour does not squeeze the others into one bar */
    struct onramp_report r = report();
    r.times = (struct onramp_times){.count = 1000, .ms = many};
    const char *html = page(&r, "l.ndjson");
    uint64_t sum = 0;
    int bars = 0;
    for (const char *at = html; (at = strstr(at, "<title>up to ")) != NULL; at++) {
        unsigned long count = strtoul(strstr(at, " ms: ") + 5, NULL, 10);
        sum += count;
        bars += count > 0;
    }
    sum += strtoul(strstr(strstr(html, "<title>from "), " ms: ") + 5, NULL, 10);
    assert_int_equal(sum, 1000);
    assert_true(bars >= 10);
}

static void a_page_without_creates_has_no_empty_charts(void **state)
{
    (void)state;
    struct onramp_report r = {.entry_count = 0};
    const char *html = page(&r, "l.ndjson");
    assert_needs_nothing_else(html);
    assert_int_equal(occurrences(html, "<svg"), 1);
    assert_null(strstr(html, "others"));
    assert_null(strstr(html, "nan"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(tells_people_everything_on_one_page, clear),
        cmocka_unit_test_teardown(tells_programs_the_same, clear),
        cmocka_unit_test_teardown(programs_get_null_for_what_nobody_knows, clear),
        cmocka_unit_test_teardown(gives_spreadsheets_a_row_for_each_record_and_no_formula, clear),
        cmocka_unit_test_teardown(gives_browsers_a_page_that_needs_nothing_else, clear),
        cmocka_unit_test_teardown(the_histogram_has_every_create_once, clear),
        cmocka_unit_test_teardown(a_page_without_creates_has_no_empty_charts, clear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
