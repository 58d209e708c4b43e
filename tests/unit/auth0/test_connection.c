/*
 * test_connection.c - what a connection wants, out of every shape in which the tenant tells it.
 */
#include "auth0/connection.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define CONNECTION(options)                                                                                            \
    "{\"id\":\"con_abcdefgh12345678\",\"name\":\"Users\",\"strategy\":\"auth0\",\"options\":{" options "}}"

static struct onramp_connection parsed(const char *body)
{
    struct onramp_connection connection;
    struct onramp_error err = {0};
    bool found = false;
    if (onramp_connection_parse(&connection, &found, body, "Users", &err) != ONRAMP_OK || !found)
        fail_msg("%s: %s", body, err.text);
    return connection;
}

static void finds_it_in_every_shape_of_a_list(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        CONNECTION(""),
        "[" CONNECTION("") "]",
        "[{\"id\":\"con_1\",\"name\":\"users\",\"strategy\":\"auth0\"}," CONNECTION("") "]",
        "{\"total\":1,\"start\":0,\"limit\":50,\"connections\":[" CONNECTION("") "]}",
        "{\"connections\":[" CONNECTION("") "],\"next\":\"x\"}",
    };
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        struct onramp_connection connection = parsed(bodies[i]);
        assert_string_equal(connection.id, "con_abcdefgh12345678");
        assert_string_equal(connection.name, "Users");
        assert_string_equal(connection.strategy, "auth0");
        onramp_connection_clear(&connection);
        assert_string_equal(connection.name, "");
    }
}

static void says_when_it_is_not_there(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "[]", "{\"connections\":[]}", "[{\"id\":\"c\",\"name\":\"Other\",\"strategy\":\"x\"}]", "{\"name\":\"Other\"}"};
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        struct onramp_connection connection;
        bool found = true;
        assert_int_equal(onramp_connection_parse(&connection, &found, bodies[i], "Users", NULL), ONRAMP_OK);
        assert_false(found);
    }
}

static void refuses_what_is_no_such_answer(void **state)
{
    (void)state;
    static const char *const bodies[] = {"",
                                         "<html>",
                                         "{}",
                                         "7",
                                         "{\"connections\":7}",
                                         "[{\"name\":\"Users\"}]",
                                         "{\"id\":7,\"name\":\"Users\",\"strategy\":\"auth0\"}"};
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        struct onramp_connection connection;
        bool found = false;
        assert_int_equal(onramp_connection_parse(&connection, &found, bodies[i], "Users", NULL), ONRAMP_EINPUT);
        assert_false(found);
    }
}

static void a_classic_database_needs_addresses_and_maybe_usernames(void **state)
{
    (void)state;
    struct onramp_connection connection = parsed(CONNECTION("\"passwordPolicy\":\"good\""));
    assert_true(connection.needs_email);
    assert_false(connection.takes_username || connection.needs_username || connection.needs_phone);
    assert_false(connection.requires_username || connection.custom_database || connection.password_optional);
    assert_int_equal(connection.username_max, 15);
    assert_int_equal(connection.policy.min_length, 8);
    onramp_connection_clear(&connection);

    connection = parsed(CONNECTION("\"requires_username\":true,\"validation\":{\"username\":{\"min\":3,\"max\":40}},"
                                   "\"enabledDatabaseCustomization\":true"));
    assert_true(connection.needs_email && connection.needs_username && connection.takes_username);
    assert_true(connection.requires_username && connection.custom_database);
    assert_int_equal(connection.username_min, 3);
    assert_int_equal(connection.username_max, 40);
    onramp_connection_clear(&connection);
}

static void flexible_identifiers_say_themselves_what_is_needed(void **state)
{
    (void)state;
    struct onramp_connection connection = parsed(CONNECTION(
        "\"attributes\":{\"email\":{\"profile_required\":false},\"phone_number\":{\"profile_required\":true},"
        "\"username\":{\"validation\":{\"min_length\":2,\"max_length\":9}}},"
        "\"authentication_methods\":{\"password\":{\"enabled\":true,\"api_behavior\":\"optional\"}}"));
    assert_false(connection.needs_email || connection.needs_username || connection.requires_username);
    assert_true(connection.needs_phone && connection.takes_username && connection.password_optional);
    assert_int_equal(connection.username_min, 2);
    assert_int_equal(connection.username_max, 9);
    onramp_connection_clear(&connection);
}

static void passwordless_connections_need_what_they_are_named_after(void **state)
{
    (void)state;
    struct onramp_connection connection =
        parsed("[{\"id\":\"con_1\",\"name\":\"Users\",\"strategy\":\"sms\",\"options\":{}}]");
    assert_true(connection.needs_phone && !connection.needs_email);
    onramp_connection_clear(&connection);
    connection = parsed("[{\"id\":\"con_1\",\"name\":\"Users\",\"strategy\":\"email\",\"options\":{}}]");
    assert_true(connection.needs_email && !connection.needs_phone);
    onramp_connection_clear(&connection);
}

static void without_options_the_policy_is_the_strictest(void **state)
{
    (void)state;
    struct onramp_connection connection = parsed("{\"id\":\"con_1\",\"name\":\"Users\",\"strategy\":\"auth0\"}");
    assert_int_equal(connection.policy.min_length, 14);
    assert_true(connection.policy.no_sequences);
    onramp_connection_clear(&connection);
}

static void keeps_the_words_of_the_dictionary(void **state)
{
    (void)state;
    struct onramp_connection connection =
        parsed(CONNECTION("\"password_dictionary\":{\"enable\":true,\"dictionary\":[\"motorway\"]}"));
    assert_string_equal(connection.policy.dictionary[0], "motorway");
    onramp_connection_clear(&connection);
}

static void senseless_bounds_of_usernames_are_not_believed(void **state)
{
    (void)state;
    struct onramp_connection connection = parsed(CONNECTION("\"validation\":{\"username\":{\"min\":-1,\"max\":9999}}"));
    assert_int_equal(connection.username_min, 1);
    assert_int_equal(connection.username_max, 15);
    onramp_connection_clear(&connection);
    connection = parsed(CONNECTION("\"validation\":{\"username\":{\"min\":20}}"));
    assert_true(connection.username_min <= connection.username_max);
    onramp_connection_clear(&connection);
}

static void admits_only_identities_it_can_have(void **state)
{
    (void)state;
    const struct onramp_connection plain = {.name = "Users", .needs_email = true, .username_max = 15};
    const struct onramp_connection named = {
        .name = "Users", .needs_username = true, .takes_username = true, .username_min = 3, .username_max = 5};
    const struct onramp_connection phones = {.name = "Users", .needs_phone = true};
    static const struct onramp_identity ann = {.email = "a@b.org"}, bob = {.username = "bob"}, al = {.username = "al"},
                                        roberta = {.username = "roberta"},
                                        both = {.email = "a@b.org", .username = "ann"},
                                        phone = {.phone_number = "+4930"};
    const struct {
        const struct onramp_connection *connection;
        const struct onramp_identity *identity;
        const char *words; /* NULL: fine */
    } cases[] = {
        {&plain, &ann, NULL},
        {&plain, &bob, "no 'email', which connection 'Users' needs"},
        {&plain, &both, "connection 'Users' takes none"},
        {&named, &bob, NULL},
        {&named, &ann, "no 'username'"},
        {&named, &al, "'username' has 2 characters: connection 'Users' takes 3 to 5"},
        {&named, &roberta, "has 7 characters"},
        {&phones, &phone, NULL},
        {&phones, &ann, "no 'phone_number'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct onramp_error err = {.text = ""};
        enum onramp_status st = onramp_connection_admits(cases[i].connection, cases[i].identity, &err);
        assert_int_equal(st, cases[i].words == NULL ? ONRAMP_OK : ONRAMP_EINPUT);
        if (cases[i].words != NULL && strstr(err.text, cases[i].words) == NULL)
            fail_msg("case %zu: %s", i, err.text);
    }
}

static void without_options_the_tenant_is_left_to_judge(void **state)
{
    (void)state;
    struct onramp_connection connection = parsed("[{\"id\":\"con_1\",\"name\":\"Users\",\"strategy\":\"auth0\"}]");
    static const struct onramp_identity bob = {.username = "bob"};
    assert_int_equal(onramp_connection_judge(&connection, &bob), ONRAMP_ADMITTED);
    onramp_connection_clear(&connection);
}

static void pages_of_applications_tell_whether_one_is_enabled(void **state)
{
    (void)state;
    bool enabled = false;
    char next[256];
    assert_int_equal(
        onramp_connection_enables(
            &enabled, next, "{\"clients\":[{\"client_id\":\"a\"},{\"client_id\":\"b\"}],\"next\":\"tok\"}", "b", NULL),
        ONRAMP_OK);
    assert_true(enabled);
    assert_string_equal(next, "tok");
    assert_int_equal(onramp_connection_enables(&enabled, next, "{\"clients\":[{\"client_id\":\"ab\"}]}", "a", NULL),
                     ONRAMP_OK);
    assert_false(enabled);
    assert_string_equal(next, "");
    assert_int_equal(onramp_connection_enables(&enabled, next, "{\"clients\":[],\"next\":null}", "a", NULL), ONRAMP_OK);
    assert_string_equal(next, "");
}

static void a_page_that_is_none_is_refused(void **state)
{
    (void)state;
    static const char *const bodies[] = {"", "[]", "{}", "{\"clients\":7}", "<html>"};
    bool enabled = true;
    char next[256] = "kept", body[400];
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++)
        assert_int_equal(onramp_connection_enables(&enabled, next, bodies[i], "a", NULL), ONRAMP_EINPUT);
    (void)snprintf(body, sizeof body, "{\"clients\":[],\"next\":\"%0256d\"}", 0);
    assert_int_equal(onramp_connection_enables(&enabled, next, body, "a", NULL), ONRAMP_EINPUT);
    assert_string_equal(next, "kept");
    assert_true(enabled);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_it_in_every_shape_of_a_list),
        cmocka_unit_test(says_when_it_is_not_there),
        cmocka_unit_test(refuses_what_is_no_such_answer),
        cmocka_unit_test(a_classic_database_needs_addresses_and_maybe_usernames),
        cmocka_unit_test(flexible_identifiers_say_themselves_what_is_needed),
        cmocka_unit_test(passwordless_connections_need_what_they_are_named_after),
        cmocka_unit_test(without_options_the_policy_is_the_strictest),
        cmocka_unit_test(keeps_the_words_of_the_dictionary),
        cmocka_unit_test(senseless_bounds_of_usernames_are_not_believed),
        cmocka_unit_test(admits_only_identities_it_can_have),
        cmocka_unit_test(without_options_the_tenant_is_left_to_judge),
        cmocka_unit_test(pages_of_applications_tell_whether_one_is_enabled),
        cmocka_unit_test(a_page_that_is_none_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
