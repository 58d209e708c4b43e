/*
 * What is said on standard error, and how often.
 */
#include "console.h"

#include <fcntl.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static int kept_stderr, talk; /* the real standard error, and the file that stands in for it */

static int redirect(void **state)
{
    (void)state;
    char path[] = "/tmp/onramp-test-XXXXXX";
    talk = mkstemp(path);
    kept_stderr = dup(STDERR_FILENO);
    return talk >= 0 && kept_stderr >= 0 && unlink(path) == 0 ? 0 : -1;
}

static int restore(void **state)
{
    (void)state;
    return dup2(kept_stderr, STDERR_FILENO) >= 0 && close(kept_stderr) == 0 && close(talk) == 0 ? 0 : -1;
}

/* Standard error is cmocka's too: it is taken only while the code under test speaks. */
static void listen_in(void)
{
    assert_true(dup2(talk, STDERR_FILENO) >= 0);
}

static const char *heard(void)
{
    static char text[8192];
    (void)dup2(kept_stderr, STDERR_FILENO);
    ssize_t size = pread(talk, text, sizeof text - 1, 0);
    text[size > 0 ? size : 0] = '\0';
    return text;
}

static struct console begin(struct console_settings settings)
{
    struct console console;
    listen_in();
    console_begin(&console, &settings);
    return console;
}

static size_t lines(const char *text)
{
    size_t count = 0;
    for (; *text != '\0'; text++)
        count += *text == '\n';
    return count;
}

static void an_error_is_one_line_whatever_is_in_it(void **state)
{
    (void)state;
    listen_in();
    console_error("cannot open 'a\nb\r\x1b[2J\x7f'");
    assert_string_equal(heard(), "onramp: cannot open 'a?b??[2J?'\n");
}

static void what_is_less_urgent_than_the_level_is_not_told(void **state)
{
    (void)state;
    struct console console = begin((struct console_settings){.level = ONRAMP_LOG_WARN});
    console_log(&console, ONRAMP_LOG_ERROR, "one");
    console_log(&console, ONRAMP_LOG_WARN, "two");
    console_log(&console, ONRAMP_LOG_INFO, "three");
    assert_string_equal(heard(), "onramp: one\nonramp: warning: two\n");
}

static void quiet_leaves_errors_only(void **state)
{
    (void)state;
    struct onramp_progress progress = {.records = 10, .remaining = ONRAMP_NEVER};
    struct console console = begin((struct console_settings){.level = ONRAMP_LOG_DEBUG, .quiet = true});
    console_log(&console, ONRAMP_LOG_WARN, "two");
    console_log(&console, ONRAMP_LOG_ERROR, "one");
    console_progress(&console, &progress, 0);
    console_progress(&console, &progress, ONRAMP_MINUTE);
    assert_string_equal(heard(), "onramp: one\n");
}

static void elsewhere_than_on_a_terminal_progress_is_a_line_every_five_seconds(void **state)
{
    (void)state;
    struct onramp_progress progress = {.records = 10, .remaining = ONRAMP_NEVER};
    struct console console = begin((struct console_settings){.level = ONRAMP_LOG_INFO});
    for (onramp_time now = ONRAMP_SECOND; now <= 21 * ONRAMP_SECOND; now += ONRAMP_SECOND / 10)
        console_progress(&console, &progress, now);
    console_end(&console);
    const char *text = heard();
    assert_int_equal(lines(text), 4);
    assert_null(strchr(text, '\x1b'));
}

static void on_a_terminal_it_is_redrawn_ten_times_a_second_at_most(void **state)
{
    (void)state;
    struct onramp_progress progress = {.records = 10, .remaining = ONRAMP_NEVER};
    struct console console = begin((struct console_settings){.level = ONRAMP_LOG_INFO});
    console.terminal = true;
    for (onramp_time now = 0; now < ONRAMP_SECOND; now += ONRAMP_MILLISECOND)
        console_progress(&console, &progress, now);
    const char *text = heard();
    size_t drawn = 0;
    for (const char *at = text; (at = strstr(at, "\r\x1b[K")) != NULL; at++)
        drawn++;
    assert_int_equal(drawn, 10);
    assert_int_equal(lines(text), 0);
}

static void a_log_line_takes_the_place_of_progress_which_comes_back_at_once(void **state)
{
    (void)state;
    struct onramp_progress progress = {.records = 10, .remaining = ONRAMP_NEVER};
    struct console console = begin((struct console_settings){.level = ONRAMP_LOG_INFO});
    console.terminal = true;
    console_progress(&console, &progress, 0);
    console_log(&console, ONRAMP_LOG_INFO, "hello");
    console_progress(&console, &progress, 1);
    console_end(&console);
    console_end(&console); /* nothing is left to wipe */
    assert_string_equal(heard(), "\r\x1b[K0/10   0%  0 in flight\r\x1b[Konramp: hello\n"
                                 "\r\x1b[K0/10   0%  0 in flight\r\x1b[K");
}

static void log_json_makes_every_line_an_object(void **state)
{
    (void)state;
    struct onramp_progress progress = {.records = 10, .settled = 3, .remaining = 2 * ONRAMP_SECOND};
    struct console console = begin((struct console_settings){.level = ONRAMP_LOG_INFO, .json = true});
    console_log(&console, ONRAMP_LOG_WARN, "with \"quotes\" and a\nbreak");
    console_log(&console, ONRAMP_LOG_ERROR, "not UTF-8: \xFF");
    console_progress(&console, &progress, 0);
    console_progress(&console, &progress, 5 * ONRAMP_SECOND);
    static const char *const messages[] = {"with \"quotes\" and a?break", "not UTF-8: ?", "progress"};
    static const char *const levels[] = {"warn", "error", "info"};
    const char *text = heard();
    assert_int_equal(lines(text), 3);
    for (size_t i = 0; i < 3; i++, text = strchr(text, '\n') + 1) {
        json_error_t why;
        json_t *line = json_loads(text, JSON_DISABLE_EOF_CHECK, &why);
        assert_non_null(line);
        assert_string_equal(json_string_value(json_object_get(line, "message")), messages[i]);
        assert_string_equal(json_string_value(json_object_get(line, "level")), levels[i]);
        assert_int_equal(strlen(json_string_value(json_object_get(line, "at"))), strlen("2026-01-01T00:00:00Z"));
        if (i == 2) {
            assert_int_equal(json_integer_value(json_object_get(line, "settled")), 3);
            assert_true(json_real_value(json_object_get(line, "seconds_left")) == 2.0);
        }
        json_decref(line);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, redirect, restore)
    const struct CMUnitTest tests[] = {
        TEST(an_error_is_one_line_whatever_is_in_it),
        TEST(what_is_less_urgent_than_the_level_is_not_told),
        TEST(quiet_leaves_errors_only),
        TEST(elsewhere_than_on_a_terminal_progress_is_a_line_every_five_seconds),
        TEST(on_a_terminal_it_is_redrawn_ten_times_a_second_at_most),
        TEST(a_log_line_takes_the_place_of_progress_which_comes_back_at_once),
        TEST(log_json_makes_every_line_an_object),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
