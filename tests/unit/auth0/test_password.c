/*
 * test_password.c - passwords keep every rule, whatever the profile, and lean towards nothing.
 *
 * They come from the system's randomness, so the statistical test has bounds that a fair generator misses about
 * as often as memory flips a bit.
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

#define SPECIALS "!@#$%^&*"

static struct onramp_secret *made(const struct onramp_policy *policy, uint32_t length, char *const *profile)
{
    struct onramp_secret *password = NULL;
    struct onramp_error err = {0};
    if (onramp_password_make(&password, policy, length, profile, &err) != ONRAMP_OK)
        fail_msg("%s", err.text);
    return password;
}

static void satisfies_every_level_in_both_shapes(void **state)
{
    (void)state;
    static const char *const shapes[] = {
        "{}",
        "{\"passwordPolicy\":\"none\"}",
        "{\"passwordPolicy\":\"low\"}",
        "{\"passwordPolicy\":\"fair\"}",
        "{\"passwordPolicy\":\"good\"}",
        "{\"passwordPolicy\":\"excellent\"}",
        "{\"passwordPolicy\":\"excellent\",\"password_complexity_options\":{\"min_length\":40},"
        "\"password_no_personal_info\":{\"enable\":true},"
        "\"password_dictionary\":{\"enable\":true,\"dictionary\":[\"a\",\"xy\",\"Pass\"]}}",
        "{\"passwordPolicy\":\"low\",\"password_complexity_options\":{\"min_length\":128}}",
        ("{\"password_options\":{\"complexity\":{\"min_length\":72,\"character_types\":[\"uppercase\",\"lowercase\","
         "\"number\",\"special\"],\"character_type_rule\":\"all\",\"identical_characters\":\"block\","
         "\"sequential_characters\":\"block\"},\"profile_data\":{\"active\":true}}}"),
        ("{\"password_options\":{\"complexity\":{\"min_length\":1,\"character_types\":[\"uppercase\",\"lowercase\","
         "\"number\",\"special\"],\"character_type_rule\":\"three_of_four\"}}}"),
        "superb",
    };
    char name[] = "Ann Lee", local[] = "al", letter[] = "x";
    char *profile[] = {name, local, letter, NULL};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        struct onramp_policy policy;
        onramp_policy_strictest(&policy);
        if (shapes[i][0] == '{')
            assert_int_equal(onramp_policy_parse(&policy, shapes[i], NULL), ONRAMP_OK);
        for (uint32_t n = 0; n < 100; n++) {
            struct onramp_secret *password = made(&policy, n, profile);
            if (!accepts(&policy, password->text, profile))
                fail_msg("%s refuses a password of %zu characters", shapes[i], password->size);
            onramp_secret_free(password);
        }
        onramp_policy_clear(&policy);
    }
}

static void is_as_long_as_asked_for_within_what_is_sound(void **state)
{
    (void)state;
    static const struct {
        uint32_t asked, minimum, got;
    } cases[] = {{0, 1, 14},  {13, 1, 14}, {14, 1, 14},   {32, 8, 32},  {32, 40, 40},
                 {72, 1, 72}, {73, 1, 72}, {9999, 8, 72}, {32, 72, 72}, {32, 128, 128}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct onramp_policy policy = {.min_length = cases[i].minimum};
        struct onramp_secret *password = made(&policy, cases[i].asked, NULL);
        assert_int_equal(password->size, cases[i].got);
        assert_int_equal(strlen(password->text), cases[i].got);
        onramp_secret_free(password);
    }
}

static void has_all_four_types_and_no_neighbours_even_where_nothing_is_demanded(void **state)
{
    (void)state;
    const struct onramp_policy lax = {.min_length = 1};
    struct onramp_policy strictest;
    onramp_policy_strictest(&strictest);
    for (int n = 0; n < 1000; n++) {
        struct onramp_secret *password = made(&lax, 14, NULL);
        assert_true(accepts(&strictest, password->text, NULL));
        assert_int_equal(
            strspn(password->text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789" SPECIALS),
            password->size);
        for (size_t i = 1; i < password->size; i++)
            assert_true(password->text[i] != password->text[i - 1]);
        onramp_secret_free(password);
    }
}

/* Every character alone, every digit and special after a letter, and prefixes of one another. */
static void survives_profiles_made_to_corner_it(void **state)
{
    (void)state;
    static const char *const nasty[][16] = {
        {"0", "1", "2", "3", "4", "5"},
        {"!", "@", "#", "$", "%", "^", "&"},
        {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"},
        {"a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8", "a9"},
        {"9!", "9@", "9#", "9$", "9%", "9^", "9&", "9*", "8!", "8@", "8#", "8$", "8%", "8^", "8&"},
        {"x", "xy", "xyz", "yx", "zyx", "zz", "q!", "!q", "5"},
        {"\xc3\xbc", "\xe4\xba\xba", "M\xc3\xbcller", ""},
        {"0", "1", "2", "3", "4", "5", "6", "7", "8"}, /* one digit is left: its neighbours are no digits */
    };
    struct onramp_policy policy;
    onramp_policy_strictest(&policy);
    for (size_t i = 0; i < sizeof nasty / sizeof nasty[0]; i++) {
        char store[16][16], *profile[17] = {0};
        for (size_t k = 0; nasty[i][k] != NULL; k++) {
            (void)snprintf(store[k], sizeof store[k], "%s", nasty[i][k]);
            profile[k] = store[k];
        }
        for (uint32_t n = 0; n < 250; n++) {
            struct onramp_secret *password = made(&policy, 14 + n % 30, profile);
            if (!accepts(&policy, password->text, profile))
                fail_msg("profile %zu: a password has a value of it", i);
            onramp_secret_free(password);
        }
    }
}

static void gives_way_last_of_all_in_what_a_policy_always_checks(void **state)
{
    (void)state;
    /* Nothing is left for digits: the profile has to give way, types and neighbours do not. */
    char *profile[] = {(char[]){"0"}, (char[]){"1"}, (char[]){"2"}, (char[]){"3"}, (char[]){"4"}, (char[]){"5"},
                       (char[]){"6"}, (char[]){"7"}, (char[]){"8"}, (char[]){"9"}, NULL};
    struct onramp_policy policy;
    onramp_policy_strictest(&policy);
    policy.no_profile = false;
    for (int n = 0; n < 200; n++) {
        struct onramp_secret *password = made(&policy, 20, profile);
        assert_true(accepts(&policy, password->text, profile));
        size_t digits = 0;
        for (size_t i = 0; i < password->size; i++)
            digits += password->text[i] >= '0' && password->text[i] <= '9';
        assert_int_equal(digits, 1); /* where one must stand, and nowhere else */
        onramp_secret_free(password);
    }
}

/* The largest dictionary that Auth0 takes, made of the shortest words: it must give way to the profile. */
static void a_dictionary_of_every_letter_gives_way_to_the_profile(void **state)
{
    (void)state;
    char words[70][2], *dictionary[71] = {0}, ann[] = "q", *profile[] = {ann, NULL};
    static const char all[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789" SPECIALS;
    for (size_t i = 0; i < 70; i++) {
        words[i][0] = all[i];
        words[i][1] = '\0';
        dictionary[i] = words[i];
    }
    struct onramp_policy policy;
    onramp_policy_strictest(&policy);
    policy.dictionary = dictionary;
    for (int n = 0; n < 200; n++) {
        struct onramp_secret *password = made(&policy, 20, profile);
        assert_true(accepts(&policy, password->text, profile));
        onramp_secret_free(password);
    }
}

static void contains_no_word_of_the_dictionary(void **state)
{
    (void)state;
    char pairs[200][3], *dictionary[201] = {0};
    for (size_t i = 0; i < 200; i++) { /* a third of all pairs of lower case letters */
        pairs[i][0] = (char)('a' + i / 20);
        pairs[i][1] = (char)('a' + i % 20);
        pairs[i][2] = '\0';
        dictionary[i] = pairs[i];
    }
    struct onramp_policy policy = {.min_length = 8, .dictionary = dictionary, .no_profile = true};
    for (int n = 0; n < 30; n++) {
        struct onramp_secret *password = made(&policy, 32, NULL);
        assert_true(accepts(&policy, password->text, dictionary)); /* as a profile: not even inside */
        onramp_secret_free(password);
    }
}

static void expect_about(unsigned count, unsigned expected, unsigned tolerance)
{
    assert_in_range(count, expected - tolerance, expected + tolerance);
}

/*
 * 6000 passwords of 20: each character counted, and at each place the digits and specials. Expected is what many
 * more draws give; the tolerance is eight standard deviations of a fair generator. A shuffle that leaves no type where
 * it began misses it by two more.
 */
static void leans_towards_no_character_and_no_place(void **state)
{
    (void)state;
    enum { DRAWS = 6000, LENGTH = 20 };
    const struct onramp_policy policy = {.min_length = 1};
    unsigned seen[128] = {0}, digits[LENGTH] = {0}, specials[LENGTH] = {0};
    for (int n = 0; n < DRAWS; n++) {
        struct onramp_secret *password = made(&policy, LENGTH, NULL);
        for (size_t i = 0; i < LENGTH; i++) {
            char c = password->text[i];
            seen[(unsigned char)c]++;
            digits[i] += c >= '0' && c <= '9';
            specials[i] += strchr(SPECIALS, c) != NULL;
        }
        onramp_secret_free(password);
    }
    for (const char *c = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"; *c != '\0'; c++)
        expect_about(seen[(unsigned char)*c], 1590, 320);
    for (const char *c = "0123456789"; *c != '\0'; c++)
        expect_about(seen[(unsigned char)*c], 2004, 360);
    for (const char *c = SPECIALS; *c != '\0'; c++)
        expect_about(seen[(unsigned char)*c], 2190, 370);
    for (size_t i = 0; i < LENGTH; i++) {
        expect_about(digits[i], 1002, 240);
        expect_about(specials[i], 876, 220);
    }
}

static void never_comes_twice(void **state)
{
    (void)state;
    enum { DRAWS = 400 };
    const struct onramp_policy policy = {.min_length = 1};
    static char texts[DRAWS][20];
    for (int n = 0; n < DRAWS; n++) {
        struct onramp_secret *password = made(&policy, 14, NULL);
        memcpy(texts[n], password->text, password->size + 1);
        onramp_secret_free(password);
        for (int k = 0; k < n; k++)
            assert_string_not_equal(texts[n], texts[k]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(satisfies_every_level_in_both_shapes),
        cmocka_unit_test(is_as_long_as_asked_for_within_what_is_sound),
        cmocka_unit_test(has_all_four_types_and_no_neighbours_even_where_nothing_is_demanded),
        cmocka_unit_test(survives_profiles_made_to_corner_it),
        cmocka_unit_test(gives_way_last_of_all_in_what_a_policy_always_checks),
        cmocka_unit_test(a_dictionary_of_every_letter_gives_way_to_the_profile),
        cmocka_unit_test(contains_no_word_of_the_dictionary),
        cmocka_unit_test(leans_towards_no_character_and_no_place),
        cmocka_unit_test(never_comes_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
