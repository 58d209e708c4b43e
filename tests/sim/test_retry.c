/*
 * test_retry.c - which records of a file are written out again.
 */
#include "onramp/retry.h"
#include "sim/world.h"
#include "unit/io/test_ledger_support.h"

static const char *const records[] = {
    "{\"email\":\"a@x.example\"}",
    "{\"email\":\"b@x.example\",\"username\":\"bob\"}",
    "{\"email\":\"c@x.example\",\"username\":\"BOB\"}", /* of the same username */
    "{\"email\":\"no address\"}",
    "{\"email\":\"d@x.example\"}",
    "{\"email\":\"e@x.example\",\"connection\":\"Users\"}",
    "{\"email\":\"f@x.example\",\"connection\":\"Others\"}",
    "{\"email\":\"g@x.example\"}",
};
#define RECORDS (sizeof records / sizeof records[0])

static const char *make(uint64_t ordinal)
{
    return records[ordinal];
}

struct written {
    size_t count, most;
    uint64_t ordinals[RECORDS];
};

static bool put(void *context, const struct onramp_record *record)
{
    struct written *written = context;
    if (written->count == written->most)
        return false;
    assert_string_equal(record->json, records[record->ordinal]);
    written->ordinals[written->count++] = record->ordinal;
    return true;
}

static enum onramp_status retry(const struct onramp_ledger *ledger, struct written *written,
                                struct onramp_retry_summary *summary)
{
    struct world_source source;
    struct onramp_error err;
    world_source_init(&source, RECORDS, make);
    return onramp_retry(ledger, &source.source, put, written, summary, &err);
}

static void assert_written(const struct onramp_ledger *ledger, size_t count, const uint64_t *ordinals,
                           struct onramp_retry_summary *summary)
{
    struct written written = {.most = RECORDS};
    assert_int_equal(retry(ledger, &written, summary), ONRAMP_OK);
    assert_int_equal(summary->records, RECORDS);
    assert_int_equal(summary->written, count);
    assert_int_equal(written.count, count);
    assert_memory_equal(written.ordinals, ordinals, count * sizeof *ordinals);
}

static void writes_what_is_neither_created_nor_exists_in_order(void **state)
{
    (void)state;
    struct onramp_ledger *ledger = open_ledger();
    begin(ledger, "r1");
    outcome(ledger, 0, "A@x.example", ONRAMP_CREATED); /* matched without regard to case */
    outcome(ledger, 1, "b@x.example", ONRAMP_EXISTS);
    outcome(ledger, 4, "d@x.example", ONRAMP_REJECTED);
    outcome(ledger, 17, "e@x.example", ONRAMP_CREATED); /* and to place */
    outcome(ledger, 6, "f@x.example", ONRAMP_CREATED);  /* that was then; now it is of another connection */
    attempt(ledger, 7, "g@x.example", 1);
    struct onramp_retry_summary summary;
    assert_written(ledger, 5, (const uint64_t[]){2, 3, 4, 6, 7}, &summary);
    assert_int_equal(summary.counts[ONRAMP_DUPLICATE], 1);
    assert_int_equal(summary.counts[ONRAMP_INVALID], 2);
    assert_int_equal(summary.counts[ONRAMP_REJECTED], 1);
    assert_int_equal(summary.open, 1);
    assert_int_equal(summary.unlisted, 0);

    outcome(ledger, 7, "g@x.example", ONRAMP_UNKNOWN);
    struct onramp_ledger_deed undo = {.at = NOON, .kind = ONRAMP_DEED_UNDO, .state = ONRAMP_DEED_DONE};
    assert_int_equal(onramp_ledger_deed(ledger, entry(ledger, "a@x.example"), &undo, NULL), ONRAMP_OK);
    assert_written(ledger, 6, (const uint64_t[]){0, 2, 3, 4, 6, 7}, &summary);
    assert_int_equal(summary.undone, 1);
    assert_int_equal(summary.counts[ONRAMP_UNKNOWN], 1);
    onramp_ledger_close(ledger);
}

static void a_ledger_that_knows_nobody_ended_nothing_well(void **state)
{
    (void)state;
    struct onramp_ledger *ledger = open_ledger();
    begin(ledger, "r1");
    struct onramp_retry_summary summary;
    assert_written(ledger, RECORDS, (const uint64_t[]){0, 1, 2, 3, 4, 5, 6, 7}, &summary);
    assert_int_equal(summary.unlisted, 5);
    onramp_ledger_close(ledger);
}

/* Both rows are bob's, and the connection refused the first for its username: that is written, and what he has stays.
 */
static void a_record_that_was_refused_is_not_taken_for_another_of_the_same_file(void **state)
{
    (void)state;
    static const char *const others[RECORDS] = {"a@x.example", NULL,          "c@x.example", "no address",
                                                "d@x.example", "e@x.example", "f@x.example", "g@x.example"};
    struct onramp_ledger *ledger = open_ledger();
    struct onramp_ledger_run run = run_named("r1");
    run.input_sha256 = "00000000000000000000000000000000000000000000000000000000000000aa"; /* the world's file */
    assert_int_equal(onramp_ledger_begin(ledger, &run, NULL), ONRAMP_OK);
    for (uint64_t i = 0; i < RECORDS; i++)
        if (others[i] != NULL)
            outcome(ledger, i, others[i], ONRAMP_EXISTS);
    outcome(ledger, 1, "b@x.example", ONRAMP_INVALID);
    outcome(ledger, 8, "b@x.example", ONRAMP_CREATED); /* of a record behind these */
    struct onramp_retry_summary summary;
    assert_written(ledger, 3, (const uint64_t[]){1, 3, 6}, &summary);
    assert_int_equal(summary.counts[ONRAMP_INVALID], 3);
    onramp_ledger_close(ledger);
}

static void stops_when_no_more_is_taken(void **state)
{
    (void)state;
    struct onramp_ledger *ledger = open_ledger();
    begin(ledger, "r1");
    struct onramp_retry_summary summary;
    struct written written = {.most = 2};
    assert_int_equal(retry(ledger, &written, &summary), ONRAMP_EIO);
    assert_int_equal(summary.written, 2);
    onramp_ledger_close(ledger);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(writes_what_is_neither_created_nor_exists_in_order, without_ledger),
        cmocka_unit_test_setup(a_ledger_that_knows_nobody_ended_nothing_well, without_ledger),
        cmocka_unit_test_setup(a_record_that_was_refused_is_not_taken_for_another_of_the_same_file, without_ledger),
        cmocka_unit_test_setup(stops_when_no_more_is_taken, without_ledger),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
