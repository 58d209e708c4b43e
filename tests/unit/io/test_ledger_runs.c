/*
 * test_ledger_runs.c - what a ledger tells of its runs, and of the moment and length of each outcome.
 */
#include "unit/io/test_ledger_support.h"

struct told {
    size_t count;
    struct onramp_ledger_past pasts[4];
};

static bool collect(void *context, const struct onramp_ledger_past *past)
{
    struct told *told = context;
    told->pasts[told->count++] = *past;
    return told->count < 4;
}

static const struct onramp_ledger_end whole = {.at = NOON + 1000,
                                               .reason = "finished",
                                               .counts = {1, 2, 3, 4, 5, 6, 7},
                                               .requests = 8,
                                               .throttled = 9,
                                               .has_least = true,
                                               .least_remaining = 10,
                                               .seconds = 1.5,
                                               .has_limit = true,
                                               .limit_burst = 50,
                                               .limit_per_second = 16.25,
                                               .others = 14};

static void assert_whole(const struct onramp_ledger_past *past)
{
    assert_string_equal(past->run.run, "r1");
    assert_string_equal(past->run.input_path, "users.json");
    assert_string_equal(past->run.settings, "{\"concurrency\":16}");
    assert_string_equal(past->run.command, "invite");
    assert_true(past->run.at == NOON && past->run.input_records == 3);
    assert_true(past->ended);
    assert_string_equal(past->end.reason, "finished");
    assert_memory_equal(past->end.counts, whole.counts, sizeof whole.counts);
    assert_true(past->end.at == whole.at && past->end.requests == 8 && past->end.throttled == 9);
    assert_true(past->end.has_least && past->end.least_remaining == 10);
    assert_true(past->end.has_limit && past->end.limit_burst == 50);
    assert_true(past->end.limit_per_second == 16.25 && past->end.seconds == 1.5);
    assert_int_equal(past->end.others, 14);
}

static void tells_each_run_and_how_it_ended(void **state)
{
    (void)state;
    struct onramp_ledger *ledger = open_ledger();
    struct onramp_ledger_run run = run_named("r1");
    run.command = "invite";
    assert_int_equal(onramp_ledger_begin(ledger, &run, NULL), ONRAMP_OK);
    assert_int_equal(onramp_ledger_end(ledger, &whole, NULL), ONRAMP_OK);
    begin(ledger, "r2"); /* killed */
    begin(ledger, "r3");
    end(ledger);
    for (int again = 0; again < 2; again++) {
        struct told told = {.count = 0};
        onramp_ledger_runs(ledger, collect, &told);
        assert_int_equal(told.count, 3);
        assert_whole(&told.pasts[0]);
        assert_string_equal(told.pasts[1].run.run, "r2");
        assert_false(told.pasts[1].ended);
        assert_null(told.pasts[1].run.command);
        assert_true(told.pasts[2].ended && !told.pasts[2].end.has_limit && !told.pasts[2].end.has_least);
        assert_int_equal(told.pasts[2].end.others, 0); /* its line says nothing of them, like those of older ledgers */
        onramp_ledger_close(ledger);
        ledger = open_ledger(); /* the same once it is read again */
    }
    onramp_ledger_close(ledger);
}

static void stops_when_told_to(void **state)
{
    (void)state;
    struct onramp_ledger *ledger = open_ledger();
    for (int i = 0; i < 6; i++)
        begin(ledger, "r");
    struct told told = {.count = 0};
    onramp_ledger_runs(ledger, collect, &told);
    assert_int_equal(told.count, 4);
    onramp_ledger_close(ledger);
}

static void reads_an_end_line_that_says_little(void **state)
{
    (void)state;
    static const char lines[] = "{\"type\":\"run\",\"version\":1,\"run\":\"r\",\"at\":\"2026-01-31T12:00:00Z\","
                                "\"input\":{\"path\":\"a\",\"sha256\":\"b\"},\"domain\":\"d\",\"connection\":\"c\"}\n"
                                "{\"type\":\"end\",\"run\":\"other\"}\n"
                                "{\"type\":\"end\",\"run\":\"r\",\"seconds\":-3,\"requests\":\"many\"}\n";
    write_bytes(ledger_path, lines, sizeof lines - 1);
    struct onramp_ledger *ledger = open_ledger();
    struct told told = {.count = 0};
    onramp_ledger_runs(ledger, collect, &told);
    assert_int_equal(told.count, 1);
    assert_true(told.pasts[0].ended);
    assert_null(told.pasts[0].run.settings);
    assert_string_equal(told.pasts[0].end.reason, "");
    assert_true(told.pasts[0].end.seconds == 0 && told.pasts[0].end.requests == 0);
    onramp_ledger_close(ledger);
}

static void an_entry_knows_when_its_outcome_came_and_how_long_it_took(void **state)
{
    (void)state;
    struct onramp_ledger *ledger = open_ledger();
    begin(ledger, "r");
    attempt(ledger, 0, "a@x.example", 1);
    assert_int_equal(entry(ledger, "a@x.example")->at, 0);
    outcome(ledger, 0, "a@x.example", ONRAMP_CREATED);
    assert_true(entry(ledger, "a@x.example")->at == NOON + 100);
    assert_int_equal(entry(ledger, "a@x.example")->ms, 99);
    onramp_ledger_close(ledger);
}

static void one_in_memory_is_like_any_other_and_leaves_no_file(void **state)
{
    (void)state;
    struct onramp_ledger *ledger = NULL;
    assert_int_equal(onramp_ledger_in_memory(&ledger, NULL), ONRAMP_OK);
    begin(ledger, "r");
    attempt(ledger, 0, "a@x.example", 1);
    assert_true(entry(ledger, "a@x.example")->open);
    sync_ledger(ledger);
    outcome(ledger, 0, "a@x.example", ONRAMP_CREATED);
    end(ledger);
    assert_true(entry(ledger, "a@x.example")->settled);
    struct told told = {.count = 0};
    onramp_ledger_runs(ledger, collect, &told);
    assert_true(told.count == 1 && told.pasts[0].ended);
    onramp_ledger_close(ledger);
    assert_int_equal(access(ledger_path, F_OK), -1);
    assert_int_equal(access("in memory", F_OK), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(tells_each_run_and_how_it_ended, without_ledger),
        cmocka_unit_test_setup(stops_when_told_to, without_ledger),
        cmocka_unit_test_setup(reads_an_end_line_that_says_little, without_ledger),
        cmocka_unit_test_setup(an_entry_knows_when_its_outcome_came_and_how_long_it_took, without_ledger),
        cmocka_unit_test_setup(one_in_memory_is_like_any_other_and_leaves_no_file, without_ledger),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
