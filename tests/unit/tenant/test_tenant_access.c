/*
 * test_tenant_access.c - tokens and scopes, connections and clients, tickets and mails of the model.
 */
#include "bench.h"

#include "core/rng.h"
#include "tenant/wire.h"

static int with_authorization(struct bench *b, const char *authorization)
{
    return bench_send(
        b, &(struct onramp_tenant_request){
               .method = "GET", .path = "/api/v2/users/auth0%7Cx", .authorization = authorization, .host = HOST});
}

static void each_bad_token_gets_auth0s_answer(void **state)
{
    (void)state;
    struct bench b;
    bench_init(&b);
    assert_int_equal(with_authorization(&b, NULL), 401);
    assert_string_equal(bench_member(&b, "message"), "Missing authentication");
    assert_string_equal(bench_header(&b, "www-authenticate"), "Bearer");
    static const char *const malformed[] = {"Basic x", "Bearer opaque", "Bearer a.b", "Bearer a.b.c d",
                                            "Bearer a.b.c.d"};
    for (size_t i = 0; i < sizeof malformed / sizeof malformed[0]; i++) {
        assert_int_equal(with_authorization(&b, malformed[i]), 400);
        assert_string_equal(bench_member(&b, "message"), "Bad HTTP authentication header format");
        assert_string_equal(bench_member(&b, "errorCode"), "Bearer");
        assert_null(bench_header(&b, "www-authenticate"));
    }
    assert_int_equal(with_authorization(&b, "Bearer a.b.c"), 401);
    assert_string_equal(bench_member(&b, "message"), "Invalid signature received for JSON Web Token validation");

    char changed[sizeof b.bearer];
    memcpy(changed, b.bearer, sizeof changed);
    char *claim = strchr(changed, '.') + 40; /* in the middle part */
    *claim = *claim == 'A' ? 'B' : 'A';
    assert_int_equal(with_authorization(&b, changed), 401);
    assert_string_equal(bench_member(&b, "message"), "Invalid signature received for JSON Web Token validation");
    assert_int_equal(with_authorization(&b, b.bearer), 404);
    bench_clear(&b);
}

static void a_token_expires_on_the_second(void **state)
{
    (void)state;
    struct bench b;
    bench_settings(&b);
    b.settings.token_seconds = 10;
    bench_start(&b);
    b.now += 10 * ONRAMP_SECOND - 1;
    assert_int_equal(with_authorization(&b, b.bearer), 404);
    b.now += 1;
    assert_int_equal(with_authorization(&b, b.bearer), 401);
    assert_string_equal(bench_member(&b, "message"), "Expired token received for JSON Web Token validation");
    bench_clear(&b);
}

static void another_tenants_token_is_no_good_here(void **state)
{
    (void)state;
    struct bench b, other;
    bench_init(&b);
    bench_settings(&other);
    other.settings.seed = 2;
    bench_start(&other);
    assert_int_equal(with_authorization(&b, other.bearer), 401);
    bench_clear(&other);

    char *token = onramp_tenant_token(b.tenant, "custom.example.com", b.now);
    char bearer[2048];
    snprintf(bearer, sizeof bearer, "Bearer %s", token);
    free(token);
    assert_int_equal(with_authorization(&b, bearer), 401); /* issued on another host */
    bench_clear(&b);
}

static void loopbacks_names_and_ports_are_one_host(void **state)
{
    (void)state;
    struct bench b;
    bench_init(&b);
    char *token = onramp_tenant_token(b.tenant, "127.0.0.1:8443", b.now);
    char bearer[2048];
    snprintf(bearer, sizeof bearer, "Bearer %s", token);
    free(token);
    static const char *const hosts[] = {"localhost:9443", "[::1]:1", "127.0.0.1"};
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(bench_send(&b, &(struct onramp_tenant_request){.method = "GET",
                                                                        .path = "/api/v2/connections",
                                                                        .authorization = bearer,
                                                                        .host = hosts[i]}),
                         200);
    bench_clear(&b);
}

static void a_scope_that_is_missing_is_named(void **state)
{
    (void)state;
    struct bench b;
    bench_settings(&b);
    b.settings.scopes = "read:users create:users_app_metadata";
    bench_start(&b);
    assert_int_equal(bench_create(&b, "\"email\":\"a@example.com\""), 403);
    assert_string_equal(bench_member(&b, "message"), "Insufficient scope, expected any of: create:users");
    assert_string_equal(bench_member(&b, "errorCode"), "insufficient_scope");
    assert_int_equal(bench_call(&b, "GET", "/api/v2/users-by-email?email=a%40example.com", NULL), 200);
    bench_clear(&b);
}

static int ask_token(struct bench *b, const char *type, const char *body)
{
    return bench_send(b, &(struct onramp_tenant_request){.method = "POST",
                                                         .path = "/oauth/token",
                                                         .content_type = type,
                                                         .host = HOST,
                                                         .body = body,
                                                         .body_size = strlen(body)});
}

#define FORM "application/x-www-form-urlencoded"

static void client_credentials_get_a_token_by_form_and_by_json(void **state)
{
    (void)state;
    struct bench b;
    bench_init(&b);
    static const struct {
        const char *type, *body;
    } cases[] = {{FORM,
                  "grant_type=client_credentials&client_id=local-client&client_secret=local-secret&audience=https%3A%"
                  "2F%2F" HOST "%2Fapi%2Fv2%2F"},
                 {"application/json", "{\"grant_type\":\"client_credentials\",\"client_id\":\"local-client\",\"client_"
                                      "secret\":\"local-secret\",\"audience\":\"https://" HOST "/api/v2/\"}"}};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(ask_token(&b, cases[i].type, cases[i].body), 200);
        assert_string_equal(bench_member(&b, "token_type"), "Bearer");
        assert_int_equal(json_integer_value(json_object_get(b.json, "expires_in")), 86400);
        assert_non_null(strstr(bench_member(&b, "scope"), "create:users"));
        char bearer[2048];
        snprintf(bearer, sizeof bearer, "Bearer %s", bench_member(&b, "access_token"));
        assert_int_equal(with_authorization(&b, bearer), 404);
    }
    bench_clear(&b);
}

static void refused_grants_say_why(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        int status;
        const char *error, *description;
    } cases[] = {
        {"client_id=local-client", 400, "invalid_request", "Missing required parameter: grant_type"},
        {"grant_type=password&client_id=local-client", 400, "unsupported_grant_type",
         "Unsupported grant type: password"},
        {"grant_type=client_credentials&client_id=local-client&client_secret=wrong", 401, "access_denied",
         "Unauthorized"},
        {"grant_type=client_credentials&client_id=nobody&client_secret=local-secret", 401, "access_denied",
         "Unauthorized"},
        {"grant_type=client_credentials&client_id=local-client&client_secret=local-secret&audience=https://" HOST
         "/api/v2",
         403, "access_denied", "Service not enabled within domain: https://" HOST "/api/v2"},
        {"grant_type=client_credentials&client_id=local-client&client_secret=local-secret", 403, "access_denied",
         "No audience parameter was provided, and no default audience has been configured"},
    };
    struct bench b;
    bench_init(&b);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(ask_token(&b, FORM, cases[i].body), cases[i].status);
        assert_string_equal(bench_member(&b, "error"), cases[i].error);
        assert_string_equal(bench_member(&b, "error_description"), cases[i].description);
    }
    bench_clear(&b);
}

static void connections_are_listed_in_each_of_auth0s_shapes(void **state)
{
    (void)state;
    struct bench b;
    bench_settings(&b);
    b.settings.connection = "Staff & Co";
    b.settings.options = "{\"passwordPolicy\":\"excellent\",\"requires_username\":true}";
    bench_start(&b);
    assert_int_equal(bench_call(&b, "GET", "/api/v2/connections", NULL), 200);
    assert_int_equal(json_array_size(b.json), 2);
    assert_int_equal(bench_call(&b, "GET", "/api/v2/connections?name=Staff%20%26+Co", NULL), 200);
    assert_int_equal(json_array_size(b.json), 1);
    const json_t *c = json_array_get(b.json, 0);
    assert_string_equal(json_string_value(json_object_get(c, "strategy")), "auth0");
    const json_t *options = json_object_get(c, "options");
    assert_string_equal(json_string_value(json_object_get(options, "passwordPolicy")), "excellent");
    char path[128];
    snprintf(path, sizeof path, "/api/v2/connections/%s", json_string_value(json_object_get(c, "id")));

    assert_int_equal(bench_call(&b, "GET", path, NULL), 200);
    assert_string_equal(bench_member(&b, "name"), "Staff & Co");
    assert_int_equal(bench_call(&b, "GET", "/api/v2/connections?strategy=sms&strategy=auth0&include_totals=true", NULL),
                     200);
    assert_int_equal(json_integer_value(json_object_get(b.json, "total")), 1);
    assert_int_equal(json_array_size(json_object_get(b.json, "connections")), 1);
    assert_int_equal(bench_call(&b, "GET", "/api/v2/connections?take=1", NULL), 200);
    assert_int_equal(json_array_size(json_object_get(b.json, "connections")), 1);
    snprintf(path, sizeof path, "/api/v2/connections?take=1&from=%s", bench_member(&b, "next"));
    assert_int_equal(bench_call(&b, "GET", path, NULL), 200);
    assert_int_equal(json_array_size(json_object_get(b.json, "connections")), 1);
    assert_null(json_object_get(b.json, "next"));
    assert_int_equal(bench_call(&b, "GET", "/api/v2/connections?name=Nowhere", NULL), 200);
    assert_int_equal(json_array_size(b.json), 0);
    assert_int_equal(bench_call(&b, "GET", "/api/v2/connections?per_page=101", NULL), 400);
    assert_string_equal(bench_member(&b, "errorCode"), "invalid_query_string");
    assert_int_equal(bench_call(&b, "GET", "/api/v2/connections?fields=name,strategy", NULL), 200);
    assert_int_equal(json_object_size(json_array_get(b.json, 0)), 2);
    assert_int_equal(bench_call(&b, "GET", "/api/v2/connections/con_nowhere", NULL), 404);
    assert_string_equal(bench_member(&b, "errorCode"), "inexistent_connection");
    bench_clear(&b);
}

/* Is the calling client among those that all pages of the connection's clients list? */
static bool is_enabled(struct bench *b)
{
    char path[160], id[64];
    assert_int_equal(bench_call(b, "GET", "/api/v2/connections?name=Username-Password-Authentication", NULL), 200);
    snprintf(id, sizeof id, "%s", json_string_value(json_object_get(json_array_get(b->json, 0), "id")));
    snprintf(path, sizeof path, "/api/v2/connections/%s/clients?take=1", id);
    for (bool found = false;;) {
        assert_int_equal(bench_call(b, "GET", path, NULL), 200);
        const json_t *client = json_array_get(json_object_get(b->json, "clients"), 0);
        found = found || strcmp(json_string_value(json_object_get(client, "client_id")), "local-client") == 0;
        if (json_object_get(b->json, "next") == NULL)
            return found;
        snprintf(path, sizeof path, "/api/v2/connections/%s/clients?take=1&from=%s", id, bench_member(b, "next"));
    }
}

static void clients_of_a_connection_come_in_pages(void **state)
{
    (void)state;
    struct bench b;
    bench_init(&b);
    assert_true(is_enabled(&b));
    bench_clear(&b);
    bench_settings(&b);
    b.settings.client_disabled = true;
    bench_start(&b);
    assert_false(is_enabled(&b));
    bench_clear(&b);
}

static void a_ticket_is_a_link_and_sends_no_mail(void **state)
{
    (void)state;
    struct bench b;
    bench_init(&b);
    assert_int_equal(bench_create(&b, "\"email\":\"a@example.com\",\"user_id\":\"one\",\"verify_email\":false"), 201);
    assert_int_equal(bench_call(&b, "POST", "/api/v2/tickets/password-change",
                                "{\"user_id\":\"auth0|one\",\"ttl_sec\":0,\"mark_email_as_verified\":true}"),
                     201);
    assert_memory_equal(bench_member(&b, "ticket"), "https://" HOST "/u/reset-password?ticket=",
                        strlen("https://" HOST "/u/reset-password?ticket="));
    static const struct {
        const char *body;
        int status;
    } cases[] = {{"{\"user_id\":\"auth0|nobody\"}", 404},
                 {"{\"email\":\"a@example.com\",\"connection_id\":\"con_nowhere\"}", 404},
                 {"{\"email\":\"a@example.com\"}", 400},
                 {"{\"user_id\":\"auth0|one\",\"result_url\":\"https://a.example\",\"client_id\":\"x\"}", 400},
                 {"{\"user_id\":\"auth0|one\",\"ttl\":1}", 400}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(bench_call(&b, "POST", "/api/v2/tickets/password-change", cases[i].body), cases[i].status);
    struct onramp_tenant_view view;
    onramp_tenant_view(b.tenant, b.now, &view);
    assert_int_equal(view.tickets, 1);
    assert_int_equal(view.mails, 0);
    bench_clear(&b);
}

static void a_verification_job_is_pending_and_mails(void **state)
{
    (void)state;
    struct bench b;
    bench_init(&b);
    assert_int_equal(bench_create(&b, "\"email\":\"a@example.com\",\"user_id\":\"one\",\"verify_email\":false"), 201);
    assert_int_equal(bench_call(&b, "POST", "/api/v2/jobs/verification-email", "{\"user_id\":\"auth0|one\"}"), 201);
    assert_string_equal(bench_member(&b, "type"), "verification_email");
    assert_string_equal(bench_member(&b, "status"), "pending");
    assert_memory_equal(bench_member(&b, "id"), "job_", 4);
    assert_int_equal(bench_call(&b, "POST", "/api/v2/jobs/verification-email", "{\"user_id\":\"auth0|two\"}"), 404);
    struct onramp_tenant_view view;
    onramp_tenant_view(b.tenant, b.now, &view);
    assert_int_equal(view.mails, 1);
    bench_clear(&b);
}

#define CHANGE "{\"connection\":\"Username-Password-Authentication\",\"email\":\"%s@example.com\"}"

static int change_password(struct bench *b, const char *name)
{
    char body[200];
    snprintf(body, sizeof body, CHANGE, name);
    return bench_call(b, "POST", "/dbconnections/change_password", body);
}

static void a_reset_mail_tells_nothing_and_is_limited_by_address(void **state)
{
    (void)state;
    struct bench b;
    bench_init(&b);
    assert_int_equal(bench_create(&b, "\"email\":\"ann@example.com\",\"verify_email\":false"), 201);
    assert_int_equal(bench_create(&b, "\"email\":\"bob@example.com\",\"verify_email\":false"), 201);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(change_password(&b, "Ann"), 200);
        assert_int_equal(bench_number(&b, "x-ratelimit-limit"), 10);
        assert_int_equal(bench_number(&b, "x-ratelimit-remaining"), 9 - i);
    }
    char said[100];
    snprintf(said, sizeof said, "%.*s", (int)b.answer.body_size, b.answer.body);
    assert_int_equal(change_password(&b, "ann"), 429);
    assert_int_equal(change_password(&b, "bob"), 200);
    assert_int_equal(bench_number(&b, "x-ratelimit-remaining"), 9);
    assert_int_equal(change_password(&b, "nobody"), 200);
    assert_memory_equal(b.answer.body, said, b.answer.body_size);
    b.now += ONRAMP_MINUTE;
    assert_int_equal(change_password(&b, "ann"), 200);
    struct onramp_tenant_view view;
    onramp_tenant_view(b.tenant, b.now, &view);
    assert_int_equal(view.mails, 12);
    bench_clear(&b);
}

struct password_case {
    const char *options, *password;
    const char *message; /* NULL: accepted */
};

static void passwords_are_judged_as_the_policy_says(void **state)
{
    (void)state;
    static const char weak[] = "PasswordStrengthError: Password is too weak";
    static const char common[] = "PasswordDictionaryError: Password is too common";
    static const char personal[] = "PasswordNoUserInfoError: Password contains user information";
    static const char flexible[] =
        "{\"passwordPolicy\":\"none\",\"password_options\":{\"complexity\":{\"min_length\":6,\"character_types\":["
        "\"uppercase\",\"lowercase\",\"number\",\"special\"],\"character_type_rule\":\"three_of_four\",\"identical_"
        "characters\":\"block\",\"sequential_characters\":\"block\"},\"dictionary\":{\"active\":true,\"custom\":["
        "\"Wordy7!\"]},\"profile_data\":{\"active\":true}}}";
    static const struct password_case cases[] = {
        {"{\"passwordPolicy\":null}", "x", NULL},
        {"{\"passwordPolicy\":\"low\"}", "abcdef", NULL},
        {"{\"passwordPolicy\":\"low\"}", "abcde", weak},
        {"{\"passwordPolicy\":\"fair\"}", "Abcdefg1", NULL},
        {"{\"passwordPolicy\":\"fair\"}", "abcdefg1!", weak}, /* no upper */
        {"{\"passwordPolicy\":\"good\"}", "abcdefg1!", NULL},
        {"{\"passwordPolicy\":\"good\"}", "abcdefgh1", weak},
        {"{\"passwordPolicy\":\"excellent\"}", "Abcdefgh12", NULL},
        {"{\"passwordPolicy\":\"excellent\"}", "Abcdefgggh1", weak}, /* three in a row */
        {"{\"passwordPolicy\":\"excellent\"}", "Abcdefg12", weak},   /* nine */
        {"{\"passwordPolicy\":\"low\",\"password_complexity_options\":{\"min_length\":3}}", "abc", NULL},
        /* four UTF-16 units in two characters */
        {"{\"passwordPolicy\":\"none\",\"password_complexity_options\":{\"min_length\":4}}",
         "\xf0\x9f\x98\x80\xf0\x9f\x98\x80", NULL},
        {"{\"passwordPolicy\":\"low\",\"password_dictionary\":{\"enable\":true,\"dictionary\":[\"Secret\"]}}", "sECRET",
         common},
        {"{\"passwordPolicy\":\"low\",\"password_no_personal_info\":{\"enable\":true}}", "xxANNAxx", personal},
        {"{\"passwordPolicy\":\"low\",\"password_no_personal_info\":{\"enable\":false}}", "xxANNAxx", NULL},
        {flexible, "Ab1!xy", NULL},
        {flexible, "abxyzz", weak}, /* one class */
        {flexible, "Abc1!x", NULL}, /* A is no neighbour of b */
        {flexible, "Axabc1", weak}, /* abc */
        {flexible, "Ax9871", weak}, /* 987 */
        {flexible, "Axxx1!", weak}, /* xxx */
        {flexible, "wordy7!", common},
        {flexible, "Anna1!x", personal},
        {flexible, "Ab1!xyAb1!xyAb1!xyAb1!xyAb1!xyAb1!xyAb1!xyAb1!xyAb1!xyAb1!xyAb1!xyAb1!xyQ", weak}, /* 73 bytes */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct bench b;
        bench_settings(&b);
        b.settings.options = cases[i].options;
        bench_start(&b);
        char body[600];
        snprintf(
            body, sizeof body,
            "{\"connection\":\"Username-Password-Authentication\",\"email\":\"anna@example.com\",\"password\":\"%s\"}",
            cases[i].password);
        int status = bench_call(&b, "POST", "/api/v2/users", body);
        if (status != (cases[i].message == NULL ? 201 : 400))
            fail_msg("'%s' under %s: %d", cases[i].password, cases[i].options, status);
        if (cases[i].message != NULL)
            assert_string_equal(bench_member(&b, "message"), cases[i].message);
        assert_null(json_object_get(b.json, "errorCode"));
        bench_clear(&b);
    }
}

static void dates_are_written_as_http_and_iso_want_them(void **state)
{
    (void)state;
    char text[32];
    onramp_wire_http_date(784111777, text);
    assert_string_equal(text, "Sun, 06 Nov 1994 08:49:37 GMT");
    onramp_wire_http_date(951782400, text);
    assert_string_equal(text, "Tue, 29 Feb 2000 00:00:00 GMT");
    onramp_wire_http_date(4102444799, text);
    assert_string_equal(text, "Thu, 31 Dec 2099 23:59:59 GMT");
    onramp_wire_iso_date(1767225600007, text);
    assert_string_equal(text, "2026-01-01T00:00:00.007Z");
}

static void escapes_are_decoded_and_oddities_left_alone(void **state)
{
    (void)state;
    static const char *const cases[][2] = {{"a%40b", "a@b"}, {"a+b", "a b"},   {"100%", "100%"},
                                           {"%zz", "%zz"},   {"%00x", "%00x"}, {"%C3%A9", "\xc3\xa9"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *text = onramp_wire_decode(cases[i][0], strlen(cases[i][0]), true);
        assert_string_equal(text, cases[i][1]);
        free(text);
    }
    char *path = onramp_wire_decode("a+b", 3, false);
    assert_string_equal(path, "a+b");
    free(path);
    char *value = onramp_wire_parameter("x=1&&y=2&z&y=3", "y");
    assert_string_equal(value, "2");
    free(value);
    value = onramp_wire_parameter("x=1&&y=2&z&y=3", "z");
    assert_string_equal(value, "");
    free(value);
    assert_null(onramp_wire_parameter("x=1", "y"));
    assert_null(onramp_wire_parameter(NULL, "y"));
}

/* Bytes that are no UTF-8 may come in a path: the error that quotes them is still JSON. */
static void an_error_is_json_whatever_it_quotes(void **state)
{
    (void)state;
    struct bench b;
    bench_init(&b);
    assert_int_equal(bench_call(&b, "GET", "/api/v2/users/%FF%FE%22", NULL), 400);
    assert_non_null(b.json);
    assert_non_null(strstr(bench_member(&b, "message"), "??\""));
    assert_int_equal(bench_call(&b, "POST", "/api/v2/users", "{\"connection\":"), 400);
    assert_string_equal(bench_member(&b, "message"), "Invalid request payload JSON format");
    assert_int_equal(bench_call(&b, "POST", "/api/v2/users", "[]"), 400);
    assert_string_equal(bench_member(&b, "message"),
                        "Payload validation error: 'Expected type object but found type array'.");
    bench_clear(&b);
}

/* A text made of one to four of these, now and then with a byte changed. */
static void stitch(struct onramp_rng *rng, const char *const *pieces, size_t count, char *out, size_t size)
{
    out[0] = '\0';
    for (uint64_t n = 1 + onramp_rng_below(rng, 4); n > 0; n--) {
        size_t used = strlen(out);
        snprintf(out + used, size - used, "%s", pieces[onramp_rng_below(rng, count)]);
    }
    if (onramp_rng_below(rng, 3) == 0 && out[0] != '\0')
        out[onramp_rng_below(rng, strlen(out))] = (char)(1 + onramp_rng_below(rng, 255));
}

static void any_request_gets_an_answer_that_is_well_formed(void **state)
{
    (void)state;
    static const char *const methods[] = {"GET", "POST", "DELETE", "PATCH", ""};
    static const char *const paths[] = {"/api/v2/",
                                        "users",
                                        "users-by-email",
                                        "/",
                                        "connections",
                                        "?email=a%40example.com",
                                        "auth0%7Cone",
                                        "&take=1&from=",
                                        "clients",
                                        "/oauth/token",
                                        "roles",
                                        "%FF%",
                                        "?strategy=x&fields=a,,b&include_fields=false"};
    static const char *const bodies[] = {"{\"connection\":\"Username-Password-Authentication\",",
                                         "\"email\":\"",
                                         "a@example.com\"",
                                         ",\"password\":\"Xk7!mq2#Wz9$pL\"}",
                                         "[",
                                         "null",
                                         "}",
                                         "\xff\xfe",
                                         "grant_type=client_credentials&client_id=",
                                         "\\u0000",
                                         "{\"user_metadata\":{\"a\":{\"b\":[1,2.5]}}}"};
    static const char *const types[] = {"application/json", FORM, "text/plain"};
    struct onramp_rng rng;
    onramp_rng_init(&rng, 1);
    struct bench b;
    bench_init(&b);
    for (int i = 0; i < 30000; i++) {
        char path[256], body[512];
        stitch(&rng, paths, sizeof paths / sizeof paths[0], path, sizeof path);
        stitch(&rng, bodies, sizeof bodies / sizeof bodies[0], body, sizeof body);
        b.now += ONRAMP_MILLISECOND;
        int status = bench_send(
            &b, &(struct onramp_tenant_request){.method = methods[onramp_rng_below(&rng, 5)],
                                                .path = path,
                                                .authorization = onramp_rng_below(&rng, 9) > 0 ? b.bearer : NULL,
                                                .content_type = types[onramp_rng_below(&rng, 3)],
                                                .host = HOST,
                                                .body = body,
                                                .body_size = strlen(body)});
        assert_in_range(status, 200, 429);
        assert_true(status == 204 || b.json != NULL);
        assert_non_null(bench_header(&b, "date"));
    }
    bench_clear(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_bad_token_gets_auth0s_answer),
        cmocka_unit_test(a_token_expires_on_the_second),
        cmocka_unit_test(another_tenants_token_is_no_good_here),
        cmocka_unit_test(loopbacks_names_and_ports_are_one_host),
        cmocka_unit_test(a_scope_that_is_missing_is_named),
        cmocka_unit_test(client_credentials_get_a_token_by_form_and_by_json),
        cmocka_unit_test(refused_grants_say_why),
        cmocka_unit_test(connections_are_listed_in_each_of_auth0s_shapes),
        cmocka_unit_test(clients_of_a_connection_come_in_pages),
        cmocka_unit_test(a_ticket_is_a_link_and_sends_no_mail),
        cmocka_unit_test(a_verification_job_is_pending_and_mails),
        cmocka_unit_test(a_reset_mail_tells_nothing_and_is_limited_by_address),
        cmocka_unit_test(passwords_are_judged_as_the_policy_says),
        cmocka_unit_test(dates_are_written_as_http_and_iso_want_them),
        cmocka_unit_test(escapes_are_decoded_and_oddities_left_alone),
        cmocka_unit_test(an_error_is_json_whatever_it_quotes),
        cmocka_unit_test(any_request_gets_an_answer_that_is_well_formed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
