/*
 * test_text.c - strings are counted, cut and escaped without ever leaving a broken one.
 */
#include "auth0/text.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char *cleaned(const char *text, size_t length, size_t size)
{
    static char out[64];
    memset(out, '#', sizeof out);
    onramp_text_clean(out, size, text, length);
    assert_true(strlen(out) < size);
    for (size_t i = size; i < sizeof out; i++)
        assert_int_equal(out[i], '#');
    return out;
}

static void counts_utf16_units(void **state)
{
    (void)state;
    assert_int_equal(onramp_text_units(""), 0);
    assert_int_equal(onramp_text_units("abc"), 3);
    assert_int_equal(onramp_text_units("\xc3\xbc\xe4\xba\xba\xf0\x9f\x98\x80"), 4);
}

static void replaces_what_is_not_utf8(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "\x80", "\xc3", "\xc0\xaf", "\xe0\x80\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xff", "\xf0\x9f\x98"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const char *out = cleaned(bad[i], strlen(bad[i]), 64);
        assert_memory_equal(out, "\xef\xbf\xbd", 3);
        json_t *json = json_string(out); /* fails for what is not UTF-8 */
        assert_non_null(json);
        json_decref(json);
    }
    assert_string_equal(cleaned("a\xc3", 2, 64), "a\xef\xbf\xbd");
    assert_string_equal(cleaned("a\0b", 3, 64), "a b");
    assert_string_equal(cleaned("\xf4\x8f\xbf\xbf", 4, 64), "\xf4\x8f\xbf\xbf");
}

static void cuts_between_characters_and_says_so(void **state)
{
    (void)state;
    assert_string_equal(cleaned("1234567", 7, 8), "1234567");
    assert_string_equal(cleaned("12345678", 8, 8), "1234\xe2\x80\xa6");
    assert_string_equal(cleaned("\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc", 8, 8), "\xc3\xbc\xc3\xbc\xe2\x80\xa6");
    assert_string_equal(cleaned("123\xf0\x9f\x98\x80"
                                "89",
                                9, 8),
                        "123\xe2\x80\xa6");
}

static void reads_whole_numbers_up_to_a_bound(void **state)
{
    (void)state;
    uint64_t value = 7;
    assert_true(onramp_text_number("18446744073709551615", UINT64_MAX, &value));
    assert_true(value == UINT64_MAX);
    assert_false(onramp_text_number("18446744073709551616", UINT64_MAX, &value));
    assert_true(onramp_text_number("0010", 10, &value));
    assert_int_equal(value, 10);
    assert_false(onramp_text_number("11", 10, &value));
    assert_false(onramp_text_number("5", 4, &value));
    assert_false(onramp_text_number("", 10, &value));
    assert_false(onramp_text_number(" 1", 10, &value));
    assert_int_equal(value, 10);
}

static void escapes_so_that_a_parser_gets_back_every_byte(void **state)
{
    (void)state;
    char text[128], escaped[128 * 6 + 3] = "\"";
    for (int i = 0; i < 127; i++)
        text[i] = (char)(i + 1);
    text[127] = '\0';
    size_t size = onramp_text_escape(NULL, text, 127);
    assert_int_equal(onramp_text_escape(escaped + 1, text, 127), size);
    escaped[1 + size] = '"';
    json_t *json = json_loadb(escaped, size + 2, JSON_DECODE_ANY, NULL);
    assert_string_equal(json_string_value(json), text);
    json_decref(json);
}

static void compares_without_regard_to_ascii_case(void **state)
{
    (void)state;
    assert_true(onramp_text_equal("AbC@[", "aBc@["));
    assert_false(onramp_text_equal("@", "`"));
    assert_false(onramp_text_equal("abc", "ab"));
    assert_true(onramp_text_begins("The user", "the "));
    assert_false(onramp_text_begins("th", "the "));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_utf16_units),
        cmocka_unit_test(replaces_what_is_not_utf8),
        cmocka_unit_test(cuts_between_characters_and_says_so),
        cmocka_unit_test(reads_whole_numbers_up_to_a_bound),
        cmocka_unit_test(escapes_so_that_a_parser_gets_back_every_byte),
        cmocka_unit_test(compares_without_regard_to_ascii_case),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
