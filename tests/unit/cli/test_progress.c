/*
 * The progress line.
 */
#include "progress.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct onramp_progress half_way(void)
{
    return (struct onramp_progress){.records = 300,
                                    .settled = 150,
                                    .before = 50,
                                    .elapsed = 10 * ONRAMP_SECOND,
                                    .remaining = 9 * ONRAMP_SECOND,
                                    .pacer = {.known = true, .burst = 50, .level_low = 12.4, .in_flight = 8},
                                    .reason = "waits 0.31 s"};
}

static void says_everything_where_there_is_room(void **state)
{
    (void)state;
    struct onramp_progress p = half_way();
    char out[300];
    progress_live(out, sizeof out, &p, 120);
    assert_string_equal(out, "150/300  50%  0:09 left  10.0/s  bucket 12/50  8 in flight  waits 0.31 s");
}

static void names_the_stage_whose_users_are_counted(void **state)
{
    (void)state;
    struct onramp_progress p = half_way();
    p.stage = "invite";
    char out[300];
    progress_live(out, sizeof out, &p, 40);
    assert_string_equal(out, "invite 150/300  50%  0:09 left  10.0/s");
}

static void never_reaches_the_last_column(void **state)
{
    (void)state;
    struct onramp_progress p = half_way();
    char out[300];
    for (unsigned width = 1; width <= 120; width++) {
        progress_live(out, sizeof out, &p, width);
        if (strlen(out) > width - 1)
            fail_msg("%zu characters on %u columns", strlen(out), width);
    }
}

static void leaves_out_first_what_matters_least(void **state)
{
    (void)state;
    struct onramp_progress p = half_way();
    char out[300];
    progress_live(out, sizeof out, &p, 62);
    assert_string_equal(out, "150/300  50%  0:09 left  10.0/s  bucket 12/50  8 in flight");
    progress_live(out, sizeof out, &p, 26);
    assert_string_equal(out, "150/300  50%  0:09 left");
    progress_live(out, sizeof out, &p, 8);
    assert_string_equal(out, "150/300");
}

static void says_nothing_it_does_not_know(void **state)
{
    (void)state;
    struct onramp_progress p = {.records = 300, .remaining = ONRAMP_NEVER};
    char out[300];
    progress_plain(out, sizeof out, &p);
    assert_string_equal(out, "0/300   0%  0 in flight");
    p.pacer.known = true;
    p.pacer.burst = 50;
    p.pacer.level_low = -0.5; /* below nothing is nothing */
    progress_plain(out, sizeof out, &p);
    assert_string_equal(out, "0/300   0%  bucket 0/50  0 in flight");
}

static void an_empty_file_is_wholly_done(void **state)
{
    (void)state;
    struct onramp_progress p = {.remaining = 0};
    char out[300];
    progress_plain(out, sizeof out, &p);
    assert_string_equal(out, "0/0 100%  0:00 left  0 in flight");
}

static void a_clock_rounds_and_carries(void **state)
{
    (void)state;
    static const struct {
        onramp_span span;
        const char *words;
    } cases[] = {{0, "0:00"},
                 {499 * ONRAMP_MILLISECOND, "0:00"},
                 {500 * ONRAMP_MILLISECOND, "0:01"},
                 {59600 * ONRAMP_MILLISECOND, "1:00"},
                 {3599 * ONRAMP_SECOND, "59:59"},
                 {3600 * ONRAMP_SECOND, "1:00:00"},
                 {ONRAMP_NEVER - 1, "2562047:47:17"},
                 {ONRAMP_NEVER, "?"},
                 {-1, "?"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char out[32];
        progress_clock(out, sizeof out, cases[i].span);
        assert_string_equal(out, cases[i].words);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_everything_where_there_is_room),
        cmocka_unit_test(names_the_stage_whose_users_are_counted), cmocka_unit_test(never_reaches_the_last_column),
        cmocka_unit_test(leaves_out_first_what_matters_least), cmocka_unit_test(says_nothing_it_does_not_know),
        cmocka_unit_test(an_empty_file_is_wholly_done),        cmocka_unit_test(a_clock_rounds_and_carries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
