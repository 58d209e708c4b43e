/*
 * test_tenant_users.c - creating users in the model, looking them up, deleting them.
 */
#include "bench.h"

static void a_created_user_is_answered_as_recorded(void **state)
{
    (void)state;
    struct bench b;
    bench_init(&b);
    assert_int_equal(bench_create(&b, "\"email\":\"Ann@Example.com\",\"given_name\":\"Ann\",\"verify_email\":false"),
                     201);
    assert_string_equal(bench_member(&b, "email"), "ann@example.com");
    assert_string_equal(bench_member(&b, "name"), "ann@example.com");
    assert_string_equal(bench_member(&b, "nickname"), "ann");
    assert_string_equal(bench_member(&b, "given_name"), "Ann");
    assert_string_equal(bench_member(&b, "created_at"), "2026-01-01T00:00:00.000Z");
    assert_true(json_is_false(json_object_get(b.json, "email_verified")));
    assert_non_null(strstr(bench_member(&b, "picture"), "gravatar.com/avatar/"));
    assert_null(json_object_get(b.json, "password"));
    assert_null(json_object_get(b.json, "verify_email"));

    const char *user_id = bench_member(&b, "user_id");
    char hex[25] = "";
    assert_int_equal(sscanf(user_id, "auth0|%24[0-9a-f]", hex), 1);
    assert_int_equal(strlen(hex), 24);
    assert_int_equal(strlen(user_id), strlen("auth0|") + 24);
    const json_t *identity = json_array_get(json_object_get(b.json, "identities"), 0);
    assert_string_equal(json_string_value(json_object_get(identity, "user_id")), hex);
    assert_string_equal(json_string_value(json_object_get(identity, "provider")), "auth0");
    assert_string_equal(json_string_value(json_object_get(identity, "connection")), b.settings.connection);
    assert_string_equal(bench_header(&b, "content-type"), "application/json; charset=utf-8");
    bench_clear(&b);
}

static void a_given_user_id_gets_the_prefix(void **state)
{
    (void)state;
    struct bench b;
    bench_init(&b);
    assert_int_equal(bench_create(&b, "\"email\":\"a@example.com\",\"user_id\":\"testaccuser\""), 201);
    assert_string_equal(bench_member(&b, "user_id"), "auth0|testaccuser");
    assert_int_equal(bench_call(&b, "GET", "/api/v2/users/auth0%7Ctestaccuser", NULL), 200);
    assert_string_equal(bench_member(&b, "email"), "a@example.com");
    bench_clear(&b);
}

static void identities_are_unique_without_regard_to_case(void **state)
{
    (void)state;
    struct bench b;
    bench_settings(&b);
    b.settings.options = "{\"requires_username\":true}";
    bench_start(&b);
    assert_int_equal(bench_create(&b, "\"email\":\"a@example.com\",\"username\":\"anna\",\"user_id\":\"one\""), 201);
    assert_int_equal(bench_create(&b, "\"email\":\"A@EXAMPLE.com\",\"username\":\"bert\""), 409);
    assert_string_equal(bench_member(&b, "message"), "The user already exists.");
    assert_string_equal(bench_member(&b, "errorCode"), "auth0_idp_error");
    assert_string_equal(bench_member(&b, "error"), "Conflict");
    assert_int_equal(bench_create(&b, "\"email\":\"b@example.com\",\"username\":\"ANNA\""), 400);
    assert_string_equal(bench_member(&b, "message"), "The username provided is in use already.");
    assert_string_equal(bench_member(&b, "errorCode"), "auth0_idp_error");
    assert_int_equal(bench_create(&b, "\"email\":\"c@example.com\",\"username\":\"carl\",\"user_id\":\"one\""), 409);
    assert_int_equal(onramp_tenant_count(b.tenant, "a@example.com"), 1);
    assert_int_equal(onramp_tenant_count(b.tenant, "anna"), 1);
    bench_clear(&b);
}

static void addresses_may_repeat_where_they_need_not_be_unique(void **state)
{
    (void)state;
    struct bench b;
    bench_settings(&b);
    b.settings.options = "{\"attributes\":{\"email\":{\"unique\":false},\"username\":{\"profile_required\":true}}}";
    bench_start(&b);
    assert_int_equal(bench_create(&b, "\"email\":\"a@example.com\",\"username\":\"anna\""), 201);
    assert_int_equal(bench_create(&b, "\"email\":\"a@example.com\",\"username\":\"arne\""), 201);
    assert_int_equal(bench_call(&b, "GET", "/api/v2/users-by-email?email=a%40example.com", NULL), 200);
    assert_int_equal(json_array_size(b.json), 2);
    bench_clear(&b);
}

struct refusal {
    const char *members; /* beside connection and password */
    const char *message;
};

static void unfit_bodies_are_refused_in_the_validators_words(void **state)
{
    (void)state;
    static const struct refusal cases[] = {
        {"\"nickname\":\"x\"", "Payload validation error: 'Missing required property: email'."},
        {"\"email\":\"a@example.com\",\"password_hash\":\"x\",\"b\":1",
         "Payload validation error: 'Additional properties not allowed: password_hash,b'."},
        {"\"email\":\"nobody\"",
         "Payload validation error: 'Object didn't pass validation for format email: nobody' on "
         "property email (The user's email)."},
        {"\"email\":\"a@example.com\",\"given_name\":\"\"", "Payload validation error: 'String is too short (0 chars), "
                                                            "minimum 1' on property given_name (The user's given "
                                                            "name(s))."},
        {"\"email\":\"a@example.com\",\"blocked\":\"yes\"",
         "Payload validation error: 'Expected type boolean but found type string' on property blocked."},
        {"\"email\":null",
         "Payload validation error: 'Expected type string but found type null' on property email (The "
         "user's email)."},
        {"\"email\":\"a@example.com\",\"user_id\":\"a b\"", "Payload validation error: 'String does not match pattern "
                                                            "^\\S*$: a b' on property user_id (The external user's "
                                                            "id provided by the identity provider)."},
        {"\"email\":\"a@example.com\",\"picture\":\"no uri\"",
         "Payload validation error: 'Object didn't pass validation for format uri: no uri' on property picture (A URI "
         "pointing to the user's picture)."},
        {"\"email\":\"a@example.com\",\"app_metadata\":{\"email\":1}",
         "Payload validation error: 'email' is not allowed in app_metadata."},
        {"\"email\":\"a@example.com\",\"user_metadata\":{\"a.b\":1}",
         "Payload validation error: 'a.b' is not allowed in user_metadata."},
    };
    struct bench b;
    bench_init(&b);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(bench_create(&b, cases[i].members), 400);
        assert_string_equal(bench_member(&b, "message"), cases[i].message);
        assert_string_equal(bench_member(&b, "errorCode"), "invalid_body");
    }
    assert_int_equal(onramp_tenant_count(b.tenant, "a@example.com"), 0);
    bench_clear(&b);
}

static void lengths_count_characters_not_bytes(void **state)
{
    (void)state;
    struct bench b;
    bench_init(&b);
    char name[2 * 150 + 1], members[400];
    for (size_t i = 0; i < 150; i++)
        memcpy(name + 2 * i, "\xc3\xa9", 2); /* e acute: 150 characters, 300 bytes */
    name[sizeof name - 1] = '\0';
    snprintf(members, sizeof members, "\"email\":\"a@example.com\",\"given_name\":\"%s\"", name);
    assert_int_equal(bench_create(&b, members), 201);
    snprintf(members, sizeof members, "\"email\":\"b@example.com\",\"given_name\":\"x%s\"", name);
    assert_int_equal(bench_create(&b, members), 400);
    bench_clear(&b);
}

static void a_label_of_a_domain_has_at_most_63_characters(void **state)
{
    (void)state;
    struct bench b;
    bench_init(&b);
    char members[120];
    for (int size = 63; size <= 64; size++) {
        char label[65];
        memset(label, 'b', sizeof label);
        snprintf(members, sizeof members, "\"email\":\"a@%.*s.co\"", size, label);
        assert_int_equal(bench_create(&b, members), size == 63 ? 201 : 400);
    }
    bench_clear(&b);
}

static void a_connection_that_cannot_serve_refuses_every_create(void **state)
{
    (void)state;
    struct bench b;
    bench_settings(&b);
    b.settings.client_disabled = true;
    bench_start(&b);
    assert_int_equal(bench_create(&b, "\"email\":\"a@example.com\""), 400);
    assert_string_equal(bench_member(&b, "message"),
                        "Connection must be enabled for this client to perform single user creation and signup "
                        "operations (client_id: local-client - connection: Username-Password-Authentication)");
    assert_string_equal(bench_member(&b, "errorCode"), "auth0_idp_error");

    assert_int_equal(
        bench_call(&b, "POST", "/api/v2/users", "{\"connection\":\"Nowhere\",\"email\":\"a@example.com\"}"), 400);
    assert_string_equal(bench_member(&b, "message"), "The connection does not exist.");
    assert_string_equal(bench_member(&b, "errorCode"), "inexistent_connection");
    assert_int_equal(
        bench_call(&b, "POST", "/api/v2/users", "{\"connection\":\"google-oauth2\",\"email\":\"a@example.com\"}"), 400);
    assert_string_equal(bench_member(&b, "message"), "The connection does not support user creation through the API.");
    bench_clear(&b);
}

struct identifiers {
    const char *strategy, *options, *body;
    int status;
    const char *message;
};

static void each_kind_of_connection_demands_its_identifiers(void **state)
{
    (void)state;
    static const char flexible[] = "{\"attributes\":{\"phone_number\":{\"profile_required\":true},\"username\":{"
                                   "\"validation\":{\"min_length\":3,\"max_length\":30}}}}";
    static const struct identifiers cases[] = {
        {"auth0", "{}", "{\"connection\":\"c\",\"email\":\"a@example.com\"}", 400,
         "Payload validation error: 'Missing required property: password'."},
        {"auth0", "{}", "{\"connection\":\"c\",\"email\":\"a@example.com\",\"password\":\"x\",\"username\":\"u\"}", 400,
         "Cannot set username for connection without requires_username"},
        {"auth0", "{\"requires_username\":true}",
         "{\"connection\":\"c\",\"email\":\"a@example.com\",\"password\":\"x\"}", 400,
         "Payload validation error: 'Missing required property: username'."},
        {"auth0", "{\"authentication_methods\":{\"password\":{\"api_behavior\":\"optional\"}}}",
         "{\"connection\":\"c\",\"email\":\"a@example.com\"}", 201, ""},
        {"auth0", flexible, "{\"connection\":\"c\",\"phone_number\":\"+491711\",\"password\":\"x\"}", 201, ""},
        {"auth0", flexible, "{\"connection\":\"c\",\"username\":\"anna\",\"password\":\"x\"}", 400,
         "Payload validation error: 'Missing required property: phone_number'."},
        {"auth0", flexible,
         "{\"connection\":\"c\",\"phone_number\":\"+491711\",\"password\":\"x\",\"username\":\"an\"}", 400,
         "The username has an invalid length for this connection."},
        {"auth0", flexible, "{\"connection\":\"c\",\"phone_number\":\"0171\",\"password\":\"x\"}", 400,
         "Payload validation error: 'String does not match pattern ^\\+[0-9]{1,15}$: 0171' on property phone_number "
         "(The "
         "user's phone number (following the E.164 recommendation))."},
        {"auth0", "{\"requires_username\":true}",
         "{\"connection\":\"c\",\"email\":\"a@example.com\",\"password\":\"x\",\"username\":\"a@b.example\"}", 400,
         "The username may not be an email address on this connection."},
        {"email", "{}", "{\"connection\":\"c\",\"email\":\"a@example.com\"}", 201, ""},
        {"email", "{}", "{\"connection\":\"c\",\"email\":\"a@example.com\",\"password\":\"x\"}", 400,
         "Cannot set password for this connection"},
        {"sms", "{}", "{\"connection\":\"c\",\"phone_number\":\"+4917112345\"}", 201, ""},
        {"samlp", "{}", "{\"connection\":\"c\",\"email\":\"a@example.com\",\"password\":\"x\"}", 400,
         "The connection does not support user creation through the API."},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct bench b;
        bench_settings(&b);
        b.settings.connection = "c";
        b.settings.strategy = cases[i].strategy;
        b.settings.options = cases[i].options;
        bench_start(&b);
        assert_int_equal(bench_call(&b, "POST", "/api/v2/users", cases[i].body), cases[i].status);
        assert_string_equal(bench_member(&b, "message"), cases[i].message);
        bench_clear(&b);
    }
}

static void look_ups_find_by_the_stored_address_only(void **state)
{
    (void)state;
    struct bench b;
    bench_init(&b);
    assert_int_equal(bench_create(&b, "\"email\":\"Ann+tag@Example.com\""), 201);
    assert_int_equal(bench_call(&b, "GET", "/api/v2/users-by-email?email=ann%2Btag%40example.com", NULL), 200);
    assert_int_equal(json_array_size(b.json), 1);
    assert_int_equal(bench_call(&b, "GET", "/api/v2/users-by-email?email=Ann%2Btag%40Example.com", NULL), 200);
    assert_int_equal(json_array_size(b.json), 0);
    assert_int_equal(
        bench_call(&b, "GET", "/api/v2/users-by-email?email=ann%2Btag%40example.com&fields=user_id,email", NULL), 200);
    assert_int_equal(json_object_size(json_array_get(b.json, 0)), 2);
    assert_int_equal(bench_call(&b, "GET", "/api/v2/users-by-email", NULL), 400);
    assert_string_equal(bench_member(&b, "errorCode"), "invalid_query_string");
    bench_clear(&b);
}

static void missing_users_and_bad_ids_are_told_apart(void **state)
{
    (void)state;
    struct bench b;
    bench_init(&b);
    assert_int_equal(bench_call(&b, "GET", "/api/v2/users/auth0%7Cnobody", NULL), 404);
    assert_string_equal(bench_member(&b, "errorCode"), "inexistent_user");
    assert_string_equal(bench_member(&b, "message"), "The user does not exist.");
    assert_int_equal(bench_call(&b, "GET", "/api/v2/users/nobody", NULL), 400);
    assert_string_equal(bench_member(&b, "errorCode"), "invalid_uri");
    assert_int_equal(bench_call(&b, "GET", "/api/v2/nothing", NULL), 404);
    bench_clear(&b);
}

static void a_deleted_user_is_gone_and_may_be_created_again(void **state)
{
    (void)state;
    struct bench b;
    bench_init(&b);
    assert_int_equal(bench_create(&b, "\"email\":\"a@example.com\",\"user_id\":\"one\""), 201);
    assert_int_equal(bench_create(&b, "\"email\":\"b@example.com\",\"user_id\":\"two\""), 201);
    assert_int_equal(bench_call(&b, "DELETE", "/api/v2/users/auth0%7Cone", NULL), 204);
    assert_int_equal(b.answer.body_size, 0);
    assert_int_equal(bench_call(&b, "DELETE", "/api/v2/users/auth0%7Cone", NULL), 204);
    assert_int_equal(bench_call(&b, "GET", "/api/v2/users/auth0%7Cone", NULL), 404);
    assert_int_equal(bench_call(&b, "GET", "/api/v2/users/auth0%7Ctwo", NULL), 200);
    assert_int_equal(bench_create(&b, "\"email\":\"a@example.com\",\"user_id\":\"one\""), 201);
    struct onramp_tenant_view view;
    onramp_tenant_view(b.tenant, b.now, &view);
    assert_int_equal(view.users, 2);
    assert_int_equal(view.created, 3);
    assert_int_equal(view.deleted, 1);
    bench_clear(&b);
}

static void mails_are_counted_as_auth0_would_send_them(void **state)
{
    (void)state;
    struct bench b;
    bench_init(&b);
    static const struct {
        const char *members;
        uint64_t mails; /* after it */
    } cases[] = {{"\"email\":\"a@example.com\"", 1},
                 {"\"email\":\"b@example.com\",\"email_verified\":true", 1},
                 {"\"email\":\"c@example.com\",\"verify_email\":false", 1},
                 {"\"email\":\"d@example.com\",\"verify_email\":true,\"email_verified\":true", 2}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(bench_create(&b, cases[i].members), 201);
        struct onramp_tenant_view view;
        onramp_tenant_view(b.tenant, b.now, &view);
        assert_int_equal(view.mails, cases[i].mails);
    }
    bench_clear(&b);
}

static bool note(void *context, const char *json)
{
    char *seen = context;
    json_t *user = json_loads(json, 0, NULL);
    strncat(seen, json_string_value(json_object_get(user, "nickname")), 10);
    strncat(seen, json_object_get(user, "roles") != NULL ? "+ " : " ", 3);
    json_decref(user);
    return true;
}

static void roles_and_organizations_are_remembered(void **state)
{
    (void)state;
    struct bench b;
    bench_init(&b);
    assert_int_equal(bench_create(&b, "\"email\":\"ann@example.com\",\"user_id\":\"one\""), 201);
    assert_int_equal(bench_create(&b, "\"email\":\"bob@example.com\",\"user_id\":\"two\""), 201);
    assert_int_equal(bench_call(&b, "POST", "/api/v2/users/auth0%7Cone/roles", "{\"roles\":[\"rol_abc\"]}"), 204);
    assert_int_equal(bench_call(&b, "POST", "/api/v2/users/auth0%7Cone/roles", "{\"roles\":[\"abc\"]}"), 400);
    assert_int_equal(bench_call(&b, "POST", "/api/v2/users/auth0%7Cnobody/roles", "{\"roles\":[\"rol_abc\"]}"), 404);
    assert_int_equal(bench_call(&b, "POST", "/api/v2/organizations/org_x/members", "{\"members\":[\"auth0|two\"]}"),
                     204);
    assert_int_equal(bench_call(&b, "POST", "/api/v2/organizations/org_x/members", "{\"members\":[\"auth0|nix\"]}"),
                     400);
    assert_int_equal(bench_call(&b, "POST", "/api/v2/organizations/org_x/members", "{\"members\":[]}"), 400);
    char seen[64] = "";
    onramp_tenant_each(b.tenant, note, seen);
    assert_string_equal(seen, "ann+ bob ");
    bench_clear(&b);
}

static void a_body_over_a_megabyte_is_too_large(void **state)
{
    (void)state;
    struct bench b;
    bench_init(&b);
    size_t size = 1024 * 1024 + 1;
    char *body = malloc(size + 1);
    assert_non_null(body);
    memset(body, ' ', size);
    body[size] = '\0';
    assert_int_equal(bench_call(&b, "POST", "/api/v2/users", body), 413);
    body[size - 1] = '\0';
    assert_int_equal(bench_call(&b, "POST", "/api/v2/users", body), 400); /* only not JSON */
    free(body);
    bench_clear(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_created_user_is_answered_as_recorded),
        cmocka_unit_test(a_given_user_id_gets_the_prefix),
        cmocka_unit_test(identities_are_unique_without_regard_to_case),
        cmocka_unit_test(addresses_may_repeat_where_they_need_not_be_unique),
        cmocka_unit_test(unfit_bodies_are_refused_in_the_validators_words),
        cmocka_unit_test(lengths_count_characters_not_bytes),
        cmocka_unit_test(a_label_of_a_domain_has_at_most_63_characters),
        cmocka_unit_test(a_connection_that_cannot_serve_refuses_every_create),
        cmocka_unit_test(each_kind_of_connection_demands_its_identifiers),
        cmocka_unit_test(look_ups_find_by_the_stored_address_only),
        cmocka_unit_test(missing_users_and_bad_ids_are_told_apart),
        cmocka_unit_test(a_deleted_user_is_gone_and_may_be_created_again),
        cmocka_unit_test(mails_are_counted_as_auth0_would_send_them),
        cmocka_unit_test(roles_and_organizations_are_remembered),
        cmocka_unit_test(a_body_over_a_megabyte_is_too_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
