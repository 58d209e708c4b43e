/*
 * test_ledger_deeds.c - invitations, roles, memberships and undo: their lines, and what they make of an entry.
 */
#include "unit/io/test_ledger_support.h"

#define ANN "ann@example.com"

/* Her create was answered, or she was found. */
static void find_with_id(struct onramp_ledger *ledger, const char *email, const char *user_id)
{
    struct onramp_ledger_outcome line = {.at = NOON + 100,
                                         .identity.email = email,
                                         .outcome = ONRAMP_CREATED,
                                         .attempts = 1,
                                         .status = 201,
                                         .user_id = user_id};
    assert_int_equal(onramp_ledger_outcome(ledger, &line, NULL), ONRAMP_OK);
}

static void create_with_id(struct onramp_ledger *ledger, const char *email, const char *user_id)
{
    attempt(ledger, 0, email, 1);
    find_with_id(ledger, email, user_id);
}

static struct onramp_ledger *with_ann(void)
{
    struct onramp_ledger *ledger = open_ledger();
    begin(ledger, "r1");
    create_with_id(ledger, ANN, "auth0|a1");
    return ledger;
}

static void deed(struct onramp_ledger *ledger, enum onramp_deed kind, const char *subject, enum onramp_deed_state state)
{
    struct onramp_ledger_deed line = {.at = NOON + 200, .kind = kind, .subject = subject, .state = state};
    assert_int_equal(onramp_ledger_deed(ledger, entry(ledger, ANN), &line, NULL), ONRAMP_OK);
}

static struct onramp_ledger *again(struct onramp_ledger *ledger)
{
    onramp_ledger_close(ledger);
    return open_ledger();
}

static void a_line_has_the_documented_members(void **state)
{
    (void)state;
    struct onramp_ledger *ledger = with_ann();
    struct onramp_ledger_deed line = {.at = NOON + 7,
                                      .kind = ONRAMP_DEED_INVITE,
                                      .subject = "ticket",
                                      .state = ONRAMP_DEED_REFUSED,
                                      .status = 404,
                                      .error_code = "inexistent_user",
                                      .message = "The user does not exist."};
    assert_int_equal(onramp_ledger_deed(ledger, entry(ledger, ANN), &line, NULL), ONRAMP_OK);
    onramp_ledger_close(ledger);
    struct bytes file = read_bytes(ledger_path);
    assert_non_null(strstr(file.data, "{\"type\":\"invite\",\"run\":\"r1\",\"record\":0,\"email\":\"ann@example.com\","
                                      "\"user_id\":\"auth0|a1\",\"by\":\"ticket\",\"outcome\":\"refused\","
                                      "\"at\":\"2026-01-31T12:00:00.007Z\",\"status\":404,"
                                      "\"error_code\":\"inexistent_user\",\"message\":\"The user does not exist.\","));
    free(file.data);
}

static void the_latest_state_of_each_deed_counts_and_survives(void **state)
{
    (void)state;
    struct onramp_ledger *ledger = with_ann();
    deed(ledger, ONRAMP_DEED_INVITE, "email", ONRAMP_DEED_SENDING);
    deed(ledger, ONRAMP_DEED_ROLE, "rol_a", ONRAMP_DEED_FAILED);
    deed(ledger, ONRAMP_DEED_ROLE, "rol_b", ONRAMP_DEED_DONE);
    deed(ledger, ONRAMP_DEED_ROLE, "rol_a", ONRAMP_DEED_DONE);
    for (int round = 0; round < 2; round++) {
        const struct onramp_ledger_entry *ann = entry(ledger, ANN);
        assert_int_equal(ann->deed_count, 3);
        assert_int_equal(onramp_ledger_deed_state(ann, ONRAMP_DEED_INVITE, "email"), ONRAMP_DEED_SENDING);
        assert_int_equal(onramp_ledger_deed_state(ann, ONRAMP_DEED_INVITE, "ticket"), ONRAMP_DEED_NONE);
        assert_int_equal(onramp_ledger_deed_state(ann, ONRAMP_DEED_ROLE, "rol_a"), ONRAMP_DEED_DONE);
        assert_int_equal(onramp_ledger_deed_state(ann, ONRAMP_DEED_ROLE, "rol_b"), ONRAMP_DEED_DONE);
        assert_int_equal(onramp_ledger_deed_state(ann, ONRAMP_DEED_MEMBER, "rol_b"), ONRAMP_DEED_NONE);
        assert_true(ann->settled);
        ledger = again(ledger);
    }
    onramp_ledger_close(ledger);
}

static void an_undone_user_is_as_if_never_sent(void **state)
{
    (void)state;
    struct onramp_ledger *ledger = with_ann();
    deed(ledger, ONRAMP_DEED_INVITE, "ticket", ONRAMP_DEED_DONE);
    deed(ledger, ONRAMP_DEED_UNDO, NULL, ONRAMP_DEED_SENDING);
    deed(ledger, ONRAMP_DEED_UNDO, NULL, ONRAMP_DEED_DONE);
    for (int round = 0; round < 2; round++) {
        const struct onramp_ledger_entry *ann = entry(ledger, ANN);
        assert_true(ann->undone);
        assert_false(ann->settled || ann->open || ann->has_outcome);
        assert_null(ann->user_id);
        assert_int_equal(ann->attempts, 0);
        assert_int_equal(ann->deed_count, 0);
        ledger = again(ledger);
    }
    begin(ledger, "r2");
    create_with_id(ledger, ANN, "auth0|a2");
    assert_false(entry(ledger, ANN)->undone);
    assert_true(entry(ledger, ANN)->settled);
    onramp_ledger_close(ledger);
}

static void an_undo_whose_answer_is_not_known_leaves_the_user_open(void **state)
{
    (void)state;
    static const enum onramp_deed_state doubts[] = {ONRAMP_DEED_SENDING, ONRAMP_DEED_UNKNOWN};
    struct onramp_ledger *ledger = with_ann();
    for (size_t i = 0; i < 2; i++) {
        deed(ledger, ONRAMP_DEED_UNDO, NULL, doubts[i]);
        ledger = again(ledger);
        assert_true(entry(ledger, ANN)->open);
        assert_false(entry(ledger, ANN)->settled);
        assert_string_equal(entry(ledger, ANN)->user_id, "auth0|a1");
        begin(ledger, "r2");
    }
    deed(ledger, ONRAMP_DEED_UNDO, NULL, ONRAMP_DEED_FAILED);
    assert_true(entry(ledger, ANN)->settled);
    onramp_ledger_close(ledger);
}

static void a_user_found_again_keeps_its_deeds_and_another_one_does_not(void **state)
{
    (void)state;
    struct onramp_ledger *ledger = with_ann();
    deed(ledger, ONRAMP_DEED_ROLE, "rol_a", ONRAMP_DEED_DONE);
    deed(ledger, ONRAMP_DEED_UNDO, NULL, ONRAMP_DEED_SENDING);
    find_with_id(ledger, ANN, "auth0|a1");
    assert_int_equal(onramp_ledger_deed_state(entry(ledger, ANN), ONRAMP_DEED_ROLE, "rol_a"), ONRAMP_DEED_DONE);
    assert_int_equal(onramp_ledger_deed_state(entry(ledger, ANN), ONRAMP_DEED_UNDO, NULL), ONRAMP_DEED_NONE);
    create_with_id(ledger, ANN, "auth0|a2");
    assert_int_equal(entry(ledger, ANN)->deed_count, 0);
    onramp_ledger_close(ledger);
}

/* Nobody was there any more, else it would not have been sent. */
static void an_attempt_behind_an_open_undo_is_anothers(void **state)
{
    (void)state;
    struct onramp_ledger *ledger = with_ann();
    deed(ledger, ONRAMP_DEED_ROLE, "rol_a", ONRAMP_DEED_DONE);
    deed(ledger, ONRAMP_DEED_UNDO, NULL, ONRAMP_DEED_SENDING);
    assert_true(onramp_ledger_undoing(entry(ledger, ANN)));
    begin(ledger, "r2");
    attempt(ledger, 0, "ann@example.com", 1);
    for (int round = 0; round < 2; round++) {
        const struct onramp_ledger_entry *ann = entry(ledger, ANN);
        assert_true(ann->open);
        assert_false(onramp_ledger_undoing(ann));
        assert_int_equal(ann->attempts, 1);
        assert_int_equal(ann->deed_count, 0);
        assert_null(ann->user_id);
        ledger = again(ledger);
    }
    onramp_ledger_close(ledger);
}

static void the_last_run_tells_what_it_was_about(void **state)
{
    (void)state;
    struct onramp_ledger_run last;
    struct onramp_ledger *ledger = open_ledger();
    assert_false(onramp_ledger_last(ledger, &last));
    begin(ledger, "r1");
    ledger = again(ledger);
    assert_true(onramp_ledger_last(ledger, &last));
    assert_string_equal(last.run, "r1");
    assert_string_equal(last.input_path, "users.json");
    assert_string_equal(last.input_sha256, "0123");
    assert_int_equal(last.input_records, 3);
    assert_string_equal(last.domain, "tenant.example");
    assert_string_equal(last.connection, "Users");
    assert_null(last.command);
    last.run = "r2";
    last.command = "invite";
    assert_int_equal(onramp_ledger_begin(ledger, &last, NULL), ONRAMP_OK);
    onramp_ledger_close(ledger);
    struct bytes file = read_bytes(ledger_path);
    assert_non_null(strstr(file.data, ",\"command\":\"invite\","));
    free(file.data);
}

static void lines_about_people_that_the_ledger_does_not_know_change_nothing(void **state)
{
    (void)state;
    static const char text[] =
        "{\"type\":\"run\",\"version\":1,\"run\":\"r\",\"input\":{\"path\":\"a\",\"sha256\":\"b\"},\"domain\":\"d\","
        "\"connection\":\"c\"}\n"
        "{\"type\":\"invite\",\"record\":0,\"email\":\"eve@example.com\",\"by\":\"email\",\"outcome\":\"done\","
        "\"at\":\"2026-01-31T12:00:00Z\"}\n";
    write_bytes(ledger_path, text, sizeof text - 1);
    struct onramp_ledger *ledger = open_ledger();
    assert_null(entry(ledger, "eve@example.com"));
    onramp_ledger_close(ledger);
}

static void a_line_without_its_subject_is_named(void **state)
{
    (void)state;
    static const char text[] =
        "{\"type\":\"run\",\"version\":1,\"run\":\"r\",\"input\":{\"path\":\"a\",\"sha256\":\"b\"},\"domain\":\"d\","
        "\"connection\":\"c\"}\n"
        "{\"type\":\"role\",\"record\":0,\"email\":\"eve@example.com\",\"outcome\":\"done\","
        "\"at\":\"2026-01-31T12:00:00Z\"}\n";
    write_bytes(ledger_path, text, sizeof text - 1);
    assert_refused(ONRAMP_ECORRUPT, "damaged at line 2: 'role' of the role line is not a string");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_line_has_the_documented_members, without_ledger),
        cmocka_unit_test_setup(the_latest_state_of_each_deed_counts_and_survives, without_ledger),
        cmocka_unit_test_setup(an_undone_user_is_as_if_never_sent, without_ledger),
        cmocka_unit_test_setup(an_undo_whose_answer_is_not_known_leaves_the_user_open, without_ledger),
        cmocka_unit_test_setup(a_user_found_again_keeps_its_deeds_and_another_one_does_not, without_ledger),
        cmocka_unit_test_setup(an_attempt_behind_an_open_undo_is_anothers, without_ledger),
        cmocka_unit_test_setup(the_last_run_tells_what_it_was_about, without_ledger),
        cmocka_unit_test_setup(lines_about_people_that_the_ledger_does_not_know_change_nothing, without_ledger),
        cmocka_unit_test_setup(a_line_without_its_subject_is_named, without_ledger),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
