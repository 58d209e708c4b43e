/*
 * The summary, for people.
 */
#include "summary.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char *text;
static size_t text_size;

static const char *told(const struct onramp_summary *summary, const struct summary_names *names)
{
    free(text);
    text = NULL;
    FILE *out = open_memstream(&text, &text_size);
    assert_non_null(out);
    summary_text(out, summary, names);
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

static void says_what_there_is_and_leaves_out_what_is_not(void **state)
{
    (void)state;
    struct onramp_summary s = {.records = 300,
                               .counts = {[ONRAMP_CREATED] = 300},
                               .requests = 302,
                               .seconds = 15.94,
                               .has_least = true,
                               .least_remaining = 10,
                               .has_limit = true,
                               .limit_burst = 50,
                               .limit_per_second = 16.02};
    struct summary_names names = {.input = "users.json", .ledger = "l.ndjson"};
    assert_string_equal(told(&s, &names),
                        "300 records of users.json\n"
                        "\n"
                        "  created           300\n"
                        "\n"
                        "  requests          302, 0 throttled, at least 10 tokens left at any time\n"
                        "  limit              50 at once, then about 16/s, as far as the answers tell\n"
                        "  time             15.9 s\n"
                        "  ledger       l.ndjson\n"
                        "\n"
                        "Every record is there.\n");
}

static void tells_when_it_was_the_concurrency_that_held_it_back(void **state)
{
    (void)state;
    struct onramp_summary s = {.seconds = 6.9, .held_seconds = 5.7};
    struct summary_names names = {.input = "users.json", .ledger = "l.ndjson"};
    assert_non_null(strstr(told(&s, &names), " 6.9 s, 5.7 s of it held back by --concurrency, not by the tenant\n"));
    s.held_seconds = 0.6; /* the first burst always is */
    assert_null(strstr(told(&s, &names), "held back"));
}

static void tells_where_passwords_are_kept(void **state)
{
    (void)state;
    struct onramp_summary s = {.records = 1, .counts = {[ONRAMP_CREATED] = 1}};
    struct summary_names names = {.input = "users.json", .ledger = "l.ndjson", .sealed = "s.ndjson"};
    assert_non_null(strstr(told(&s, &names), "  ledger       l.ndjson\n  passwords    s.ndjson\n"));
}

static void tells_what_others_took_if_anything_is_proven(void **state)
{
    (void)state;
    struct onramp_summary s = {.requests = 302, .has_least = true, .least_remaining = 10, .others = 14};
    struct summary_names names = {.input = "users.json", .ledger = "l.ndjson"};
    assert_non_null(strstr(told(&s, &names),
                           "302, 0 throttled, at least 10 tokens left at any time, at least 14 taken by "
                           "others\n"));
}

static void tells_how_many_were_proven_by_asking(void **state)
{
    (void)state;
    struct onramp_summary s = {.records = 9, .counts = {[ONRAMP_CREATED] = 8, [ONRAMP_EXISTS] = 1}, .adopted = 2};
    struct summary_names names = {.input = "users.json", .ledger = "l.ndjson"};
    assert_non_null(strstr(told(&s, &names),
                           "  created             8\n"
                           "                      2 of them proven by asking, after their answers were lost\n"
                           "  exists              1\n"));
}

static void advises_by_exit_code(void **state)
{
    (void)state;
    static const struct {
        int exit;
        const char *words;
    } cases[] = {{0, "Every record is there."},
                 {1, "correct those records"},
                 {5, "Not finished: run the same command again"},
                 {130, "Interrupted: run the same command again"}};
    struct summary_names names = {.input = "-", .ledger = "l.ndjson"};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct onramp_summary s = {.records = 1, .exit = cases[i].exit};
        assert_non_null(strstr(told(&s, &names), cases[i].words));
        assert_non_null(strstr(text, "1 record of standard input"));
    }
    struct onramp_summary blind = {.records = 1, .exit = 5, .blind = true, .counts = {[ONRAMP_UNKNOWN] = 1}};
    assert_non_null(strstr(told(&blind, &names), "Grant the token read:users, then run the same command again."));
    blind.counts[ONRAMP_UNKNOWN] = 0;
    assert_non_null(strstr(told(&blind, &names), "it carries on from here"));
    struct onramp_summary s = {.records = 1, .exit = 130};
    names.ledger = NULL; /* nothing to carry on from */
    assert_null(strstr(told(&s, &names), "again"));
}

static void tells_of_what_followed_and_whose_fault_it_was(void **state)
{
    (void)state;
    struct onramp_summary s = {.records = 9, .exit = 1, .counts = {[ONRAMP_CREATED] = 9}};
    struct summary_names names = {.input = "users.json", .ledger = "l.ndjson"};
    s.ran[ONRAMP_DEED_ROLE] = true;
    s.after[ONRAMP_DEED_ROLE] = (struct onramp_stage_summary){
        .before = 2, .counts = {[ONRAMP_RESULT_DONE] = 5, [ONRAMP_RESULT_REFUSED] = 1}, .unsent = 1};
    assert_non_null(strstr(told(&s, &names), "  roles               7, 1 refused, 1 not sent\n"));
    assert_non_null(strstr(text, "what was to follow could not be done for everybody"));
    assert_null(strstr(text, "members"));
    s.counts[ONRAMP_REJECTED] = 1;
    assert_non_null(strstr(told(&s, &names), "correct those records"));
}

static void a_dry_run_has_no_figures_of_sending(void **state)
{
    (void)state;
    struct onramp_summary s = {.records = 7, .unsent = 7};
    struct summary_names names = {.input = "users.json", .dry_run = true};
    assert_string_equal(told(&s, &names),
                        "7 records of users.json\n\n  created             0\n  not sent            7\n\n"
                        "Dry run: nothing was sent.\n");
}

static void says_who_was_sent_by_an_earlier_run(void **state)
{
    (void)state;
    struct onramp_summary s = {.records = 7, .unsent = 7, .doubtful = 2, .exit = 130};
    struct summary_names names = {.input = "users.json", .ledger = "l"};
    assert_non_null(strstr(told(&s, &names),
                           "  not sent            7\n"
                           "                      2 of them were sent by an earlier run, and may be there\n"));
}

static void quotes_the_first_refusals_and_cleans_them(void **state)
{
    (void)state;
    struct summary_examples examples = {0};
    for (uint64_t i = 1; i < 7; i++) {
        char email[32];
        (void)snprintf(email, sizeof email, "u%u@example.com", (unsigned)i);
        struct onramp_identity identity = {.email = email};
        summary_missed(&examples, i, &identity, ONRAMP_REJECTED, i == 2 ? NULL : "no\nway \x1b[2J");
    }
    struct onramp_summary s = {.records = 7, .counts = {[ONRAMP_EXISTS] = 1, [ONRAMP_REJECTED] = 6}, .exit = 1};
    struct summary_names names = {.input = "u", .ledger = "l.ndjson", .examples = &examples};
    assert_non_null(strstr(told(&s, &names), "\n\n  rejected: record 1, u1@example.com: no?way ?[2J\n"));
    assert_non_null(strstr(text, "  rejected: record 2, u2@example.com\n"));
    assert_non_null(strstr(text, "u5@example.com"));
    assert_null(strstr(text, "u6@example.com"));
    assert_non_null(strstr(text, "the others are in the ledger"));

    /* A dry run has no ledger, and is asked for the reasons all the more. */
    names.ledger = NULL;
    names.dry_run = true;
    assert_non_null(strstr(told(&s, &names), "  rejected: record 1, u1@example.com: no?way ?[2J\n"));
    assert_null(strstr(text, "ledger"));
    assert_non_null(strstr(text, "'onramp check' tell of all\n\nDry run: nothing was sent.\n"));
    summary_examples_clear(&examples);
    assert_int_equal(examples.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(says_what_there_is_and_leaves_out_what_is_not, clear),
        cmocka_unit_test_teardown(tells_when_it_was_the_concurrency_that_held_it_back, clear),
        cmocka_unit_test_teardown(tells_where_passwords_are_kept, clear),
        cmocka_unit_test_teardown(tells_what_others_took_if_anything_is_proven, clear),
        cmocka_unit_test_teardown(tells_how_many_were_proven_by_asking, clear),
        cmocka_unit_test_teardown(advises_by_exit_code, clear),
        cmocka_unit_test_teardown(tells_of_what_followed_and_whose_fault_it_was, clear),
        cmocka_unit_test_teardown(a_dry_run_has_no_figures_of_sending, clear),
        cmocka_unit_test_teardown(says_who_was_sent_by_an_earlier_run, clear),
        cmocka_unit_test_teardown(quotes_the_first_refusals_and_cleans_them, clear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
