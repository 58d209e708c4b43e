/*
 * test_policy.c - what connections demand of passwords, read, said and checked.
 */
#include "auth0/policy.h"
#include "support/accepts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct onramp_policy parsed(const char *options)
{
    struct onramp_policy policy;
    struct onramp_error err = {0};
    if (onramp_policy_parse(&policy, options, &err) != ONRAMP_OK)
        fail_msg("%s: %s", options, err.text);
    return policy;
}

static void expect(const char *options, const char *password, bool accepted)
{
    struct onramp_policy policy = parsed(options);
    if (accepts(&policy, password, NULL) != accepted)
        fail_msg("%s with '%s'", options, password);
    onramp_policy_clear(&policy);
}

static void each_level_demands_what_auth0s_source_says(void **state)
{
    (void)state;
    static const struct {
        const char *level, *password;
        bool accepted;
    } cases[] = {
        {"none", "", false},
        {"none", "x", true},
        {"low", "xxxxx", false},
        {"low", "xxxxxx", true},
        {"fair", "abcdEF1", false},
        {"fair", "abcdEF12", true},
        {"fair", "abcdef12", false},
        {"fair", "ABCDEF12", false},
        {"fair", "abcdEFGH", false},
        {"fair", "abcdEF!!", false}, /* a special is no digit */
        {"good", "abcdEF1", false},
        {"good", "abcdEF12", true},
        {"good", "abcdEF!!", true},
        {"good", "abcd12!!", true},
        {"good", "ABCD12!!", true},
        {"good", "abcdefGH", false},
        {"good", "aaaaAA11", true},
        {"good",
         "\xc3\xa4\xc3\x96"
         "cdefg1",
         false},                    /* ASCII only */
        {"good", "abc def1", true}, /* a space is special */
        {"excellent", "abcdEF123", false},
        {"excellent", "abcdEF1234", true},
        {"excellent", "aaabcdEF12", false},
        {"excellent", "aabbcdEF12", true},
        {"excellent", "aaAbcdEF12", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char options[80];
        (void)snprintf(options, sizeof options, "{\"passwordPolicy\":\"%s\"}", cases[i].level);
        expect(options, cases[i].password, cases[i].accepted);
    }
}

static void no_level_is_the_weakest_and_an_unknown_one_the_strictest(void **state)
{
    (void)state;
    expect("{}", "x", true);
    expect("{\"passwordPolicy\":null}", "x", true);
    expect("{\"passwordPolicy\":\"superb\"}", "aabbcdEF12!?", false);
    expect("{\"passwordPolicy\":7}", "x", false);
    expect("{\"passwordPolicy\":\"superb\"}", "acegBDFH1357!?", true);
}

static void a_minimum_of_its_own_replaces_the_levels(void **state)
{
    (void)state;
    expect("{\"passwordPolicy\":\"good\",\"password_complexity_options\":{\"min_length\":4}}", "aB1!", true);
    expect("{\"passwordPolicy\":\"low\",\"password_complexity_options\":{\"min_length\":9}}", "aB1!aB1!", false);
    expect("{\"passwordPolicy\":\"low\",\"password_complexity_options\":{\"min_length\":null}}", "xxxxxx", true);
    struct onramp_policy policy = parsed("{\"password_complexity_options\":{\"min_length\":100000}}");
    assert_int_equal(policy.min_length, 128);
}

static void length_counts_utf16_units_and_ends_at_72_bytes(void **state)
{
    (void)state;
    expect("{\"passwordPolicy\":\"low\"}", "\xf0\x9f\x98\x80\xf0\x9f\x98\x81\xf0\x9f\x98\x82",
           true);                                                              /* 3 emoji: 6 units */
    expect("{\"passwordPolicy\":\"low\"}", "\xc3\xa4\xc3\xb6\xc3\xbc", false); /* 3 units */
    char longest[74];
    memset(longest, 'x', 73);
    longest[73] = '\0';
    expect("{}", longest, false);
    longest[72] = '\0';
    expect("{}", longest, true);
    longest[72] = 'x';
    expect("{\"password_complexity_options\":{\"min_length\":73}}", longest, true);
}

static void companions_add_the_dictionary_and_the_profile(void **state)
{
    (void)state;
    struct onramp_policy policy =
        parsed("{\"passwordPolicy\":\"low\",\"password_no_personal_info\":{\"enable\":true},"
               "\"password_dictionary\":{\"enable\":true,\"dictionary\":[\"Motorway\",\"\",7,\"ramp\"]}}");
    char ann[] = "Ann", none[] = "";
    char *profile[] = {none, ann, NULL};
    assert_false(accepts(&policy, "motorWAY", NULL));
    assert_true(accepts(&policy, "motorway1", NULL)); /* compared whole */
    assert_false(accepts(&policy, "xxANNxx", profile));
    assert_true(accepts(&policy, "xxAnxnx", profile));
    assert_string_equal(policy.dictionary[1], "ramp");
    assert_null(policy.dictionary[2]);
    onramp_policy_clear(&policy);
    assert_null(policy.dictionary);

    expect("{\"password_dictionary\":{\"enable\":false,\"dictionary\":[\"x\"]}}", "x", true);
    policy = parsed("{\"password_no_personal_info\":{\"enable\":false}}");
    assert_true(accepts(&policy, "Ann", profile));
}

#define FLEXIBLE(text) "{\"passwordPolicy\":\"excellent\",\"password_options\":{" text "}}"

static void the_flexible_policy_replaces_all_of_that(void **state)
{
    (void)state;
    expect(FLEXIBLE(""), "x", true);
    expect(FLEXIBLE("\"complexity\":{\"min_length\":3}"), "xx", false);
    expect(FLEXIBLE("\"complexity\":{\"min_length\":3}"), "xxx", true);
    expect(FLEXIBLE("\"complexity\":{\"character_types\":[\"lowercase\",\"special\"]}"), "x", false);
    expect(FLEXIBLE("\"complexity\":{\"character_types\":[\"lowercase\",\"special\"]}"), "x?", true);
    expect(FLEXIBLE("\"complexity\":{\"character_types\":[\"uppercase\",\"number\"]}"), "x?", false);
    expect(FLEXIBLE("\"complexity\":{\"character_types\":[\"uppercase\",\"number\"]}"), "A1", true);
    expect(FLEXIBLE("\"complexity\":{\"character_types\":[\"uppercase\",\"number\",\"lowercase\",\"special\"],"
                    "\"character_type_rule\":\"three_of_four\"}"),
           "aA1", true);
    expect(FLEXIBLE("\"complexity\":{\"character_types\":[\"uppercase\",\"number\",\"lowercase\",\"special\"],"
                    "\"character_type_rule\":\"all\"}"),
           "aA1", false);
    expect(FLEXIBLE("\"complexity\":{\"identical_characters\":\"block\"}"), "aaa", false);
    expect(FLEXIBLE("\"complexity\":{\"identical_characters\":\"allow\"}"), "aaa", true);
    expect(FLEXIBLE("\"dictionary\":{\"active\":true,\"custom\":[\"abc\"]}"), "ABC", false);
    expect(FLEXIBLE("\"dictionary\":{\"active\":false,\"custom\":[\"abc\"]}"), "ABC", true);
    struct onramp_policy policy = parsed(FLEXIBLE("\"profile_data\":{\"active\":true,\"blocked_fields\":[\"name\"]}"));
    assert_true(policy.no_profile);
}

static void three_in_sequence_are_too_many_where_blocked(void **state)
{
    (void)state;
    static const char options[] = FLEXIBLE("\"complexity\":{\"sequential_characters\":\"block\"}");
    static const char *const good[] = {"ab", "abd", "aBc", "abBc", "121", "901", "yz{", "@AB", "!\"#", "ab1bc"};
    static const char *const bad[] = {"abc", "xcba", "123", "x321", "XYZ", "ab1234"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        expect(options, good[i], true);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        expect(options, bad[i], false);
}

static void options_that_are_no_object_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "[]", "null", "{\"a\":", "\"x\""};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct onramp_policy policy;
        assert_int_equal(onramp_policy_parse(&policy, bad[i], NULL), ONRAMP_EINPUT);
    }
}

static void odd_types_inside_the_options_do_no_harm(void **state)
{
    (void)state;
    expect("{\"password_options\":[],\"password_dictionary\":7,\"password_complexity_options\":\"x\"}", "x", true);
    expect(FLEXIBLE("\"complexity\":[],\"dictionary\":\"x\",\"profile_data\":1"), "x", true);
    expect(FLEXIBLE("\"complexity\":{\"min_length\":-5,\"character_types\":[7,\"odd\"]}"), "x", true);
}

static void a_policy_reads_as_a_sentence(void **state)
{
    (void)state;
    char words[200];
    struct onramp_policy policy = parsed("{}");
    onramp_policy_words(&policy, words, sizeof words);
    assert_string_equal(words, "at least 1 character");

    policy = parsed("{\"passwordPolicy\":\"good\"}");
    onramp_policy_words(&policy, words, sizeof words);
    assert_string_equal(words, "at least 8 characters, three of lower, upper, digit and special");

    onramp_policy_strictest(&policy);
    onramp_policy_words(&policy, words, sizeof words);
    assert_string_equal(words,
                        "at least 14 characters, all of lower, upper, digit and special, no more than 2 identical "
                        "in a row, no more than 2 in sequence, no values of the profile");

    policy = parsed(FLEXIBLE("\"complexity\":{\"min_length\":9,\"character_types\":[\"number\"]},\"dictionary\":{"
                             "\"active\":true,\"custom\":[\"abc\"]}"));
    onramp_policy_words(&policy, words, sizeof words);
    assert_string_equal(words, "at least 9 characters, one digit, no word of the connection's dictionary");

    onramp_policy_words(&policy, words, 12); /* cut, never beyond its end */
    assert_string_equal(words, "at least 9 ");
    onramp_policy_clear(&policy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_level_demands_what_auth0s_source_says),
        cmocka_unit_test(no_level_is_the_weakest_and_an_unknown_one_the_strictest),
        cmocka_unit_test(a_minimum_of_its_own_replaces_the_levels),
        cmocka_unit_test(length_counts_utf16_units_and_ends_at_72_bytes),
        cmocka_unit_test(companions_add_the_dictionary_and_the_profile),
        cmocka_unit_test(the_flexible_policy_replaces_all_of_that),
        cmocka_unit_test(three_in_sequence_are_too_many_where_blocked),
        cmocka_unit_test(options_that_are_no_object_are_refused),
        cmocka_unit_test(odd_types_inside_the_options_do_no_harm),
        cmocka_unit_test(a_policy_reads_as_a_sentence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
