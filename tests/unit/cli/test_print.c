/*
 * What every command prints alike: nothing from outside moves the cursor, and every name fits into JSON.
 */
#include "print.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void words_from_outside_move_no_cursor(void **state)
{
    (void)state;
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    print_clean(out, "caf\xc3\xa9\r\n\x1b[2J\x7f");
    assert_int_equal(fclose(out), 0);
    assert_string_equal(text, "caf\xc3\xa9???[2J?");
    free(text);
}

static void a_name_that_is_no_utf8_is_told_in_json_all_the_same(void **state)
{
    (void)state;
    static const struct {
        const char *name, *want;
    } names[] = {
        {"", ""},
        {"J\xc3\xbcrgen \xe2\x82\xac \xf0\x9f\x98\x80.json", "J\xc3\xbcrgen \xe2\x82\xac \xf0\x9f\x98\x80.json"},
        {"J\xfcrgen.json", "J\xef\xbf\xbdrgen.json"},
        {"\xc3\xbc\xfc\xe2\x82", "\xc3\xbc\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"}, /* the last is half a character */
        {"\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd"},
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        json_t *string = print_name(names[i].name);
        assert_string_equal(json_string_value(string), names[i].want);
        json_decref(string);
    }
}

static void an_object_is_one_line_and_none_is_an_error(void **state)
{
    (void)state;
    char *text = NULL;
    size_t size = 0;
    struct onramp_error err = {0};
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    assert_int_equal(print_json(out, json_pack("{s:f, s:s}", "seconds", 1.1, "a", "b\n"), "plan", &err), ONRAMP_OK);
    assert_int_equal(print_json(out, NULL, "plan", &err), ONRAMP_ENOMEM);
    assert_int_equal(fclose(out), 0);
    assert_string_equal(text, "{\"seconds\":1.1,\"a\":\"b\\n\"}\n");
    assert_string_equal(err.text, "cannot write the plan as JSON: out of memory");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_from_outside_move_no_cursor),
        cmocka_unit_test(a_name_that_is_no_utf8_is_told_in_json_all_the_same),
        cmocka_unit_test(an_object_is_one_line_and_none_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
