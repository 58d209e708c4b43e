/*
 * The demo's sample, and whether its count can be trusted: a comparison that cannot fail would prove nothing.
 */
#include "compare.h"
#include "sample.h"
#include "support/directory.h"

#include <fcntl.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static int remove_files(void **state)
{
    (void)state;
    (void)unlink("ledger");
    (void)unlink("users");
    (void)unlink("again");
    return 0;
}

/* ---- the sample ---- */

static void the_sample_has_distinct_addresses_that_reach_nobody(void **state)
{
    (void)state;
    struct onramp_error err = {0};
    json_error_t why;
    assert_int_equal(sample_write("users", 500, 1, &err), ONRAMP_OK);
    json_t *users = json_load_file("users", JSON_REJECT_DUPLICATES, &why), *seen = json_object();
    assert_int_equal(json_array_size(users), 500);
    size_t index, beyond_ascii = 0;
    json_t *user;
    json_array_foreach(users, index, user)
    {
        const char *email = json_string_value(json_object_get(user, "email"));
        const char *domain = strchr(email, '@');
        assert_true(strcmp(domain, "@example.com") == 0 || strcmp(domain, "@example.org") == 0 ||
                    strcmp(domain, "@example.net") == 0);
        assert_null(json_object_get(seen, email));
        assert_int_equal(json_object_set_new(seen, email, json_true()), 0);
        beyond_ascii += (unsigned char)json_string_value(json_object_get(user, "name"))[0] >= 0x80;
    }
    assert_true(beyond_ascii > 100);
    json_decref(seen);
    json_decref(users);
}

static void the_same_seed_gives_the_same_sample_and_never_overwrites(void **state)
{
    (void)state;
    struct onramp_error err = {0};
    json_error_t why;
    assert_int_equal(sample_write("users", 50, 7, &err), ONRAMP_OK);
    assert_int_equal(sample_write("again", 50, 7, &err), ONRAMP_OK);
    json_t *a = json_load_file("users", 0, &why), *b = json_load_file("again", 0, &why);
    assert_int_equal(json_equal(a, b), 1);
    json_decref(a);
    json_decref(b);
    assert_int_equal(sample_write("users", 50, 8, &err), ONRAMP_EIO);
    assert_non_null(strstr(err.text, "cannot write 'users'"));
}

/* ---- the comparison ---- */

struct entry {
    const char *email, *id;
    enum onramp_outcome outcome;
};

static void write_ledger(const struct entry *entries, size_t count)
{
    struct onramp_ledger *ledger = NULL;
    struct onramp_error err = {0};
    struct onramp_ledger_run run = {
        .run = "r", .input_path = "u", .input_sha256 = "00", .domain = "d", .connection = "c", .settings = "{}"};
    assert_int_equal(onramp_ledger_open(&ledger, "ledger", NULL, &err), ONRAMP_OK);
    assert_int_equal(onramp_ledger_begin(ledger, &run, &err), ONRAMP_OK);
    for (size_t i = 0; i < count; i++) {
        struct onramp_ledger_outcome outcome = {.at = 1,
                                                .record = i,
                                                .identity = {.email = entries[i].email},
                                                .outcome = entries[i].outcome,
                                                .user_id = entries[i].id};
        assert_int_equal(onramp_ledger_outcome(ledger, &outcome, &err), ONRAMP_OK);
    }
    assert_int_equal(onramp_ledger_sync(ledger, &err), ONRAMP_OK);
    onramp_ledger_close(ledger);
}

static void write_users(const char *text)
{
    FILE *out = fopen("users", "w");
    assert_non_null(out);
    assert_true(fputs(text, out) >= 0);
    assert_int_equal(fclose(out), 0);
}

static void agrees_only_if_both_sides_name_the_same_users(void **state)
{
    (void)state;
    static const struct entry entries[] = {{"Ann@example.com", "auth0|1", ONRAMP_CREATED},
                                           {"bob@example.com", "auth0|2", ONRAMP_CREATED},
                                           {"eve@example.com", NULL, ONRAMP_INVALID}};
#define ANN "{\"user_id\":\"auth0|1\",\"email\":\"ann@example.com\"}\n"
#define BOB "{\"user_id\":\"auth0|2\",\"email\":\"bob@example.com\"}\n"
    static const struct {
        const char *users, *words; /* NULL: agrees */
    } cases[] = {
        {ANN BOB, NULL},
        {BOB "\n" ANN, NULL},
        {ANN, "'bob@example.com' was created, and the tenant does not have"},
        {"", "'Ann@example.com' was created, and the tenant does not have"},
        {ANN BOB BOB, "the tenant has 'auth0|2' twice"},
        {ANN BOB "{\"user_id\":\"auth0|3\",\"email\":\"eve@example.com\"}\n",
         "the tenant has 'auth0|3', and the ledger"},
        {ANN "{\"user_id\":\"auth0|2\",\"email\":\"rob@example.com\"}\n", "'bob@example.com' was created, and"},
        {ANN "{\"user_id\":\"auth0|9\",\"email\":\"bob@example.com\"}\n", "'bob@example.com' was created, and"},
        {ANN "{\"user_id\":7}\n", "without user_id or email"},
        {ANN "nonsense\n", "is not JSON"},
    };
    write_ledger(entries, sizeof entries / sizeof entries[0]);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct onramp_error err = {0};
        uint64_t users = 0;
        write_users(cases[i].users);
        enum onramp_status st = compare_ledger("ledger", "users", &users, &err);
        if (cases[i].words == NULL) {
            assert_int_equal(st, ONRAMP_OK);
            assert_int_equal(users, 2);
        } else {
            assert_int_not_equal(st, ONRAMP_OK);
            if (strstr(err.text, cases[i].words) == NULL)
                fail_msg("case %zu: %s", i, err.text);
        }
    }
}

static void a_missing_list_is_no_agreement(void **state)
{
    (void)state;
    struct onramp_error err = {0};
    uint64_t users;
    write_ledger(NULL, 0);
    assert_int_equal(compare_ledger("ledger", "users", &users, &err), ONRAMP_EIO);
    write_users("");
    assert_int_equal(compare_ledger("none", "users", &users, &err), ONRAMP_EIO);
    assert_int_equal(compare_ledger("ledger", "users", &users, &err), ONRAMP_OK);
    assert_int_equal(users, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, remove_files)
    const struct CMUnitTest tests[] = {
        TEST(the_sample_has_distinct_addresses_that_reach_nobody),
        TEST(the_same_seed_gives_the_same_sample_and_never_overwrites),
        TEST(agrees_only_if_both_sides_name_the_same_users),
        TEST(a_missing_list_is_no_agreement),
    };
    return cmocka_run_group_tests(tests, enter_directory, leave_directory);
}
