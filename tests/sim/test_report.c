/*
 * test_report.c - what a report makes of a ledger, and what two refusals have in common.
 */
#include "cause.h"
#include "onramp/report.h"
#include "unit/io/test_ledger_support.h"

static void assert_text(const char *message, const char *want)
{
    char *text = onramp_cause_text(message);
    assert_non_null(text);
    assert_string_equal(text, want);
    free(text);
}

static void takes_values_out_of_messages(void **state)
{
    (void)state;
    assert_text("", "");
    assert_text("unknown property 'shoe_size': Auth0 takes it only inside 'user_metadata' or 'app_metadata'",
                "unknown property '…': Auth0 takes it only inside 'user_metadata' or 'app_metadata'");
    assert_text("'email' is not an address like name@example.com: 'x y' has a space",
                "'email' is not an address like name@example.com: '…' has a space");
    assert_text("phone_number '0171 5' must be '+', country code and 1 to 15 digits",
                "phone_number '…' must be '+', country code and N to N digits");
    assert_text("username 'o'neil' has a character", "username '…' has a character");
    assert_text("'password' is not taken from a file: 'onramp invite' is there",
                "'password' is not taken from a file: 'onramp invite' is there");
    assert_text("same email as record 17", "same email as record N");
    assert_text("an empty '' too", "an empty '…' too");
    assert_text("\"Ann\" was refused", "\"…\" was refused");
}

static void takes_addresses_ids_and_numbers_out_of_messages(void **state)
{
    (void)state;
    assert_text("ann@x.example is taken (ann+1@x.example).", "ADDRESS is taken (ADDRESS).");
    assert_text("user auth0|5eed and con_AbCdEfGh and org_abcdefgh", "user ID and ID and ID");
    assert_text("id 9849652f-f2d9-4571-969d-e0af89f3ebde, onramp-9849652f-0-1", "id ID, ID");
    assert_text("took 12.5 s, 1,000 bytes, -3", "took N s, N bytes, -N");
    assert_text("status 502, not from the API: text/html", "status N, not from the API: text/html");
}

static void leaves_words_as_they_are(void **state)
{
    (void)state;
    assert_text("The user already exists.", "The user already exists.");
    assert_text("Auth0 didn't answer; it's UTF-8, auth0_idp_error1",
                "Auth0 didn't answer; it's UTF-8, auth0_idp_error1");
    assert_text("a quote ' that nothing closes", "a quote ' that nothing closes");
    assert_text("@ alone, and a trailing quote '", "@ alone, and a trailing quote '");
}

static void keeps_what_a_schema_says(void **state)
{
    (void)state;
    assert_text("Payload validation error: 'Object didn't pass validation for format email: foo' on property email "
                "(The user's email).",
                "Payload validation error: 'Object didn't pass validation for format email: …' on property email "
                "(The user's email).");
    assert_text("Payload validation error: 'Missing required property: email'.",
                "Payload validation error: 'Missing required property: email'.");
    assert_text("Payload validation error: 'String is too long (300 chars), maximum 255' on property name.",
                "Payload validation error: 'String is too long (N chars), maximum N' on property name.");
    assert_text("Payload validation error: 'shoe.size' is not allowed in user_metadata.",
                "Payload validation error: '…' is not allowed in user_metadata.");
}

/* No message, however odd, makes the text longer than its room: the sanitizers watch. */
static void survives_any_message(void **state)
{
    (void)state;
    static const char alphabet[] = "'\"@a1 .:|-_,x\xc3\xa9";
    uint32_t seed = 1;
    for (int round = 0; round < 20000; round++) {
        char message[24];
        size_t size = (seed >> 8) % sizeof message;
        for (size_t i = 0; i < size; i++) {
            seed = seed * 1664525 + 1013904223;
            message[i] = alphabet[(seed >> 16) % (sizeof alphabet - 1)];
        }
        message[size] = '\0';
        char *text = onramp_cause_text(message);
        assert_non_null(text);
        assert_true(strlen(text) <= 8 * size);
        free(text);
        seed = seed * 1664525 + 1013904223;
    }
}

static const char *advice(enum onramp_outcome outcome, int status, const char *message)
{
    struct onramp_ledger_entry entry = {.has_outcome = true, .outcome = outcome, .status = status, .message = message};
    return onramp_cause_advice(&entry);
}

static void has_advice_for_every_outcome(void **state)
{
    (void)state;
    for (int outcome = ONRAMP_REJECTED; outcome < ONRAMP_OUTCOMES; outcome++)
        assert_null(strstr(advice((enum onramp_outcome)outcome, 0, NULL), "nothing is to be done"));
    assert_non_null(strstr(advice(ONRAMP_REJECTED, 400, "Sandbox error."), "Action"));
    assert_non_null(strstr(advice(ONRAMP_UNKNOWN, 0, "timed out"), "asks the tenant first"));
    assert_non_null(strstr(advice(ONRAMP_FAILED, 401, "Expired token"), "fresh token"));
    assert_non_null(strstr(advice(ONRAMP_FAILED, 0, "not there, and not in the file any more"), "put them back"));
    struct onramp_ledger_entry open = {.open = true, .outcome = ONRAMP_INVALID};
    assert_non_null(strstr(onramp_cause_advice(&open), "before it was written down"));
    const struct onramp_ledger_deed undo = {.kind = ONRAMP_DEED_UNDO, .state = ONRAMP_DEED_SENDING};
    open.deeds = &undo;
    open.deed_count = 1;
    assert_non_null(strstr(onramp_cause_advice(&open), "'onramp undo' again")); /* an upload would create it anew */
}

/* ---- whole reports ---- */

static int status_of_created = 201; /* 0: by hand */

static void settle(struct onramp_ledger *ledger, uint64_t record, enum onramp_outcome what, int64_t ms,
                   const char *message)
{
    char email[40];
    (void)snprintf(email, sizeof email, "u%u@x.example", (unsigned)record);
    struct onramp_ledger_outcome line = {.at = NOON + (int64_t)record,
                                         .record = record,
                                         .identity.email = email,
                                         .outcome = what,
                                         .attempts = 1,
                                         .ms = ms,
                                         .status = what == ONRAMP_REJECTED  ? 400
                                                   : what == ONRAMP_CREATED ? status_of_created
                                                                            : 0,
                                         .message = message};
    assert_int_equal(onramp_ledger_outcome(ledger, &line, NULL), ONRAMP_OK);
}

static void end_with(struct onramp_ledger *ledger, uint64_t requests, uint64_t throttled, uint32_t least,
                     uint64_t others)
{
    struct onramp_ledger_end line = {.at = NOON + 1000,
                                     .reason = "finished",
                                     .requests = requests,
                                     .throttled = throttled,
                                     .has_least = true,
                                     .least_remaining = least,
                                     .others = others,
                                     .seconds = 2.5};
    assert_int_equal(onramp_ledger_end(ledger, &line, NULL), ONRAMP_OK);
}

static void reports(struct onramp_report *report, const struct onramp_ledger *ledger)
{
    struct onramp_error err;
    if (onramp_report_make(report, ledger, &err) != ONRAMP_OK)
        fail_msg("%s", err.text);
}

static void counts_each_record_once_by_the_outcome_that_stands(void **state)
{
    (void)state;
    struct onramp_ledger *ledger = open_ledger();
    begin(ledger, "r1");
    attempt(ledger, 1, "u1@x.example", 1);
    settle(ledger, 1, ONRAMP_FAILED, 10, "connection refused");
    attempt(ledger, 1, "u1@x.example", 2);
    settle(ledger, 1, ONRAMP_CREATED, 20, NULL);
    attempt(ledger, 0, "u0@x.example", 1); /* open */
    settle(ledger, 2, ONRAMP_EXISTS, 5, NULL);
    settle(ledger, 3, ONRAMP_CREATED, 7, NULL);
    struct onramp_ledger_deed deed = {.at = NOON, .kind = ONRAMP_DEED_UNDO, .state = ONRAMP_DEED_DONE};
    assert_int_equal(onramp_ledger_deed(ledger, entry(ledger, "u3@x.example"), &deed, NULL), ONRAMP_OK);
    deed = (struct onramp_ledger_deed){
        .at = NOON, .kind = ONRAMP_DEED_INVITE, .subject = "email", .state = ONRAMP_DEED_SENDING};
    assert_int_equal(onramp_ledger_deed(ledger, entry(ledger, "u1@x.example"), &deed, NULL), ONRAMP_OK);

    settle(ledger, 4, ONRAMP_CREATED, 7, NULL);
    deed = (struct onramp_ledger_deed){.at = NOON, .kind = ONRAMP_DEED_UNDO, .state = ONRAMP_DEED_SENDING};
    assert_int_equal(onramp_ledger_deed(ledger, entry(ledger, "u4@x.example"), &deed, NULL), ONRAMP_OK);

    struct onramp_report report;
    reports(&report, ledger);
    assert_int_equal(report.entry_count, 5);
    for (uint64_t i = 0; i < 5; i++)
        assert_int_equal(report.entries[i]->record, i);
    assert_int_equal(report.counts[ONRAMP_CREATED], 1);
    assert_int_equal(report.counts[ONRAMP_EXISTS], 1);
    assert_int_equal(report.counts[ONRAMP_FAILED], 0);
    assert_int_equal(report.open, 2);
    assert_int_equal(report.undone, 1);
    assert_int_equal(report.attempts, 3);
    assert_int_equal(report.most_attempts, 2);
    assert_int_equal(report.deeds[ONRAMP_DEED_INVITE][ONRAMP_DEED_SENDING], 1);
    assert_int_equal(report.cause_count, 2);
    assert_true(report.causes[0].open && report.causes[1].open);
    assert_string_equal(report.causes[1].text, "to be deleted, and no answer is recorded");
    onramp_report_clear(&report);
    onramp_ledger_close(ledger);
}

static void puts_like_causes_together_the_most_frequent_first(void **state)
{
    (void)state;
    struct onramp_ledger *ledger = open_ledger();
    begin(ledger, "r1");
    settle(ledger, 0, ONRAMP_REJECTED, 1, "PasswordStrengthError: Password is too weak");
    for (uint64_t i = 1; i < 200; i++) {
        char message[80];
        (void)snprintf(message, sizeof message, "phone_number '%u 5' must be right", (unsigned)i);
        settle(ledger, i, ONRAMP_INVALID, 0, message);
    }
    settle(ledger, 200, ONRAMP_REJECTED, 1, "phone_number '1 5' must be right"); /* another outcome: another cause */
    settle(ledger, 201, ONRAMP_CREATED, 1, "phone_number '1 5' must be right");

    struct onramp_report report;
    reports(&report, ledger);
    assert_int_equal(report.cause_count, 3);
    assert_int_equal(report.causes[0].count, 199);
    assert_string_equal(report.causes[0].text, "phone_number '…' must be right");
    assert_int_equal(report.causes[0].example->record, 1);
    assert_int_equal(report.causes[1].example->record, 0);
    assert_int_equal(report.causes[2].example->record, 200);
    assert_int_equal(report.causes[1].status, 400);
    onramp_report_clear(&report);
    onramp_ledger_close(ledger);
}

static void percentiles_are_of_answered_creates_by_nearest_rank(void **state)
{
    (void)state;
    struct onramp_ledger *ledger = open_ledger();
    begin(ledger, "r1");
    for (uint64_t i = 0; i < 200; i++)
        settle(ledger, i, ONRAMP_CREATED, (int64_t)(200 - i), NULL);
    settle(ledger, 200, ONRAMP_REJECTED, 100000, "x");
    struct onramp_report report;
    reports(&report, ledger);
    assert_int_equal(report.times.count, 200);
    assert_int_equal(onramp_times_percentile(&report.times, 50), 100);
    assert_int_equal(onramp_times_percentile(&report.times, 99), 198);
    assert_int_equal(onramp_times_percentile(&report.times, 100), 200);
    assert_int_equal(onramp_times_percentile(&report.times, 0), 1);
    onramp_report_clear(&report);

    /* One that took no whole millisecond was answered as well; one written by hand may never have been. */
    settle(ledger, 201, ONRAMP_CREATED, 0, NULL);
    status_of_created = 0;
    settle(ledger, 202, ONRAMP_CREATED, 0, NULL);
    status_of_created = 201;
    reports(&report, ledger);
    assert_int_equal(report.times.count, 201);
    assert_int_equal(onramp_times_percentile(&report.times, 0), 0);
    struct onramp_times none = {.count = 0};
    assert_int_equal(onramp_times_percentile(&none, 50), 0);
    onramp_report_clear(&report);
    onramp_ledger_close(ledger);
}

static void sums_the_runs_that_ended_and_counts_the_others(void **state)
{
    (void)state;
    struct onramp_ledger *ledger = open_ledger();
    begin(ledger, "r1");
    end_with(ledger, 10, 1, 7, 14);
    begin(ledger, "r2"); /* killed */
    begin(ledger, "r3");
    end_with(ledger, 5, 0, 12, 3);
    struct onramp_report report;
    reports(&report, ledger);
    assert_int_equal(report.run_count, 3);
    assert_int_equal(report.unended, 1);
    assert_int_equal(report.requests, 15);
    assert_int_equal(report.throttled, 1);
    assert_true(report.has_least && report.least_remaining == 7);
    assert_int_equal(report.others, 17);
    assert_true(report.seconds == 5.0);
    onramp_report_clear(&report);
    onramp_ledger_close(ledger);
}

static void an_empty_ledger_has_an_empty_report(void **state)
{
    (void)state;
    struct onramp_ledger *ledger = open_ledger();
    struct onramp_report report;
    reports(&report, ledger);
    assert_int_equal(report.entry_count + report.run_count + report.cause_count, 0);
    assert_false(report.has_least);
    onramp_report_clear(&report);
    onramp_ledger_close(ledger);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_values_out_of_messages),
        cmocka_unit_test(takes_addresses_ids_and_numbers_out_of_messages),
        cmocka_unit_test(leaves_words_as_they_are),
        cmocka_unit_test(keeps_what_a_schema_says),
        cmocka_unit_test(survives_any_message),
        cmocka_unit_test(has_advice_for_every_outcome),
        cmocka_unit_test_setup(counts_each_record_once_by_the_outcome_that_stands, without_ledger),
        cmocka_unit_test_setup(puts_like_causes_together_the_most_frequent_first, without_ledger),
        cmocka_unit_test_setup(percentiles_are_of_answered_creates_by_nearest_rank, without_ledger),
        cmocka_unit_test_setup(sums_the_runs_that_ended_and_counts_the_others, without_ledger),
        cmocka_unit_test_setup(an_empty_ledger_has_an_empty_report, without_ledger),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
