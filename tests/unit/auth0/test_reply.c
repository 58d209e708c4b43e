/*
 * test_reply.c - every known answer, and those of anybody else, mean what they should.
 */
#include "auth0/reply.h"

#include "auth0/date.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum call { CREATE, OTHER };

#define JSON(status, code, message)                                                                                    \
    "{\"statusCode\":" #status ",\"error\":\"Some Reason\",\"message\":\"" message "\",\"errorCode\":\"" code "\"}"
#define CODELESS(status, message) "{\"statusCode\":" #status ",\"error\":\"Some Reason\",\"message\":\"" message "\"}"
#define PAGE                      "<html><head><title>Oops</title></head></html>"
#define USER                      "{\"user_id\":\"auth0|x1\",\"email\":\"a@b.org\"}"

static struct onramp_answer answer_of(int status, const char *body)
{
    struct onramp_answer answer = {
        .delivery = ONRAMP_ANSWERED, .status = status, .body = body, .body_size = strlen(body)};
    (void)strcpy(answer.fields.content_type, body[0] == '<' ? "text/html" : "application/json; charset=utf-8");
    return answer;
}

static struct onramp_reply reply_to(int status, const char *body, enum call call)
{
    struct onramp_answer answer = answer_of(status, body);
    struct onramp_reply reply;
    onramp_reply_parse(&reply, &answer, call == CREATE);
    return reply;
}

static void every_known_answer_means_what_it_should(void **state)
{
    (void)state;
    static const struct {
        int status;
        enum call call;
        const char *body;
        enum onramp_meaning meaning;
        const char *cure; /* a part of it; "" where there must be none */
    } cases[] = {
        {201, CREATE, USER, ONRAMP_REPLY_DONE, ""},
        {200, CREATE, USER, ONRAMP_REPLY_DONE, ""},
        {400, CREATE, JSON(400, "invalid_body", "Payload validation error: 'Missing required property: email'."),
         ONRAMP_REPLY_REJECTED, ""},
        {400, CREATE, JSON(400, "invalid_body", "Payload validation error: 'Additional properties not allowed: a,b'"),
         ONRAMP_REPLY_REJECTED, ""},
        {400, CREATE, CODELESS(400, "PasswordStrengthError: Password is too weak"), ONRAMP_REPLY_REJECTED, ""},
        {400, CREATE, CODELESS(400, "PasswordDictionaryError: Password is too common"), ONRAMP_REPLY_REJECTED, ""},
        {400, CREATE, JSON(400, "auth0_idp_error", "The username provided is in use already."), ONRAMP_REPLY_EXISTS,
         ""},
        {400, CREATE, JSON(400, "auth0_idp_error", "The user already exists (username: ann)."), ONRAMP_REPLY_EXISTS,
         ""},
        {400, CREATE, JSON(400, "inexistent_connection", "The connection does not exist."), ONRAMP_REPLY_STOP,
         "AUTH0_DATABASE_NAME"},
        {400, CREATE, CODELESS(400, "The connection does not exist"), ONRAMP_REPLY_STOP, "AUTH0_DATABASE_NAME"},
        {400, CREATE, CODELESS(400, "The connection is disabled"), ONRAMP_REPLY_STOP, "Applications"},
        {400, CREATE, CODELESS(400, "connection is disabled"), ONRAMP_REPLY_STOP, "Applications"},
        {400, CREATE,
         JSON(400, "auth0_idp_error",
              "Connection must be enabled for this client to perform single user creation and signup operations "
              "(client_id: aBc123 - connection: Customers)"),
         ONRAMP_REPLY_STOP, "Authentication > Database > Customers > Applications, client_id aBc123"},
        {400, CREATE, JSON(400, "auth0_idp_error", "Connection must be enabled for this client"), ONRAMP_REPLY_STOP,
         "enable the application for the connection"},
        {400, CREATE, CODELESS(400, "Cannot set username for connection without requires_username"), ONRAMP_REPLY_STOP,
         "'username'"},
        {400, CREATE, CODELESS(400, "Connection does not support user creation through the API."), ONRAMP_REPLY_STOP,
         "database connections only"},
        {400, CREATE, JSON(400, "Bearer", "Bad HTTP authentication header format"), ONRAMP_REPLY_UNAUTHORIZED,
         "AUTH0_MNG_TOKEN"},
        {400, CREATE, CODELESS(400, "The custom domain does not exist for the tenant."), ONRAMP_REPLY_STOP,
         "Branding > Custom Domains"},
        {400, CREATE, CODELESS(400, "Sandbox error."), ONRAMP_REPLY_REJECTED, ""},
        {403, CREATE, CODELESS(403, "Sandbox error."), ONRAMP_REPLY_REJECTED, ""},
        {401, CREATE, CODELESS(401, "Missing authentication"), ONRAMP_REPLY_UNAUTHORIZED, "no token arrived"},
        {401, CREATE, CODELESS(401, "Expired token received for JSON Web Token validation"), ONRAMP_REPLY_UNAUTHORIZED,
         "get a fresh token"},
        {401, CREATE,
         "{\"statusCode\":401,\"error\":\"Unauthorized\",\"message\":\"Invalid token\",\"attributes\":{\"error\":"
         "\"Expired token received for JSON Web Token validation\"}}",
         ONRAMP_REPLY_UNAUTHORIZED, "get a fresh token"},
        {401, CREATE, CODELESS(401, "Invalid signature received for JSON Web Token validation"),
         ONRAMP_REPLY_UNAUTHORIZED, "the very tenant"},
        {403, CREATE, JSON(403, "insufficient_scope", "Insufficient scope, expected any of: create:users"),
         ONRAMP_REPLY_FORBIDDEN, "grant the application one of create:users: Applications > APIs"},
        {403, CREATE, JSON(403, "insufficient_scope", "?"), ONRAMP_REPLY_FORBIDDEN, "grant the application the scope"},
        {403, CREATE, JSON(403, "insufficient_entitlement", "Please upgrade"), ONRAMP_REPLY_STOP, "plan"},
        {400, CREATE, JSON(400, "operation_not_supported", "Please upgrade"), ONRAMP_REPLY_STOP, "plan"},
        {403, CREATE, JSON(403, "unheard_of", "No."), ONRAMP_REPLY_FORBIDDEN, "refuses this to the token"},
        {409, CREATE, JSON(409, "auth0_idp_error", "The user already exists."), ONRAMP_REPLY_EXISTS, ""},
        {409, CREATE, CODELESS(409, "The user already exists."), ONRAMP_REPLY_EXISTS, ""},
        {409, CREATE, JSON(409, "custom_domain_conflict", "The tenant has multiple verified custom domains."),
         ONRAMP_REPLY_STOP, "choose a default"},
        {409, CREATE, JSON(409, "unheard_of", "Something else is in the way."), ONRAMP_REPLY_REJECTED, ""},
        {413, CREATE, JSON(413, "x", "too large"), ONRAMP_REPLY_REJECTED, ""},
        {413, CREATE, PAGE, ONRAMP_REPLY_REJECTED, ""},
        {404, CREATE, CODELESS(404, "Not Found"), ONRAMP_REPLY_STOP, "AUTH0_DOMAIN"},
        {404, CREATE, PAGE, ONRAMP_REPLY_STOP, "AUTH0_DOMAIN"},
        {422, CREATE, CODELESS(422, "no"), ONRAMP_REPLY_REJECTED, ""},

        {200, OTHER, "[]", ONRAMP_REPLY_DONE, ""},
        {204, OTHER, "", ONRAMP_REPLY_DONE, ""},
        {400, OTHER, JSON(400, "invalid_uri", "Path validation error: x"), ONRAMP_REPLY_REJECTED, ""},
        {404, OTHER, JSON(404, "inexistent_user", "The user does not exist."), ONRAMP_REPLY_NOT_FOUND, ""},
        {404, OTHER, CODELESS(404, "The user does not exist."), ONRAMP_REPLY_NOT_FOUND, ""},
        {404, OTHER, JSON(404, "inexistent_connection", "The connection does not exist"), ONRAMP_REPLY_NOT_FOUND, ""},
        {404, OTHER, CODELESS(404, "Not Found"), ONRAMP_REPLY_STOP, "AUTH0_DOMAIN"},
        {404, OTHER, PAGE, ONRAMP_REPLY_STOP, "AUTH0_DOMAIN"},
        {403, OTHER, JSON(403, "insufficient_scope", "Insufficient scope, expected any of: read:users"),
         ONRAMP_REPLY_FORBIDDEN, "read:users"},
        {409, OTHER, JSON(409, "auth0_idp_error", "x"), ONRAMP_REPLY_REJECTED, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct onramp_reply reply = reply_to(cases[i].status, cases[i].body, cases[i].call);
        if (reply.meaning != cases[i].meaning)
            fail_msg("%d %s: means %d, not %d", cases[i].status, cases[i].body, (int)reply.meaning,
                     (int)cases[i].meaning);
        if (strstr(reply.cure, cases[i].cure) == NULL || (cases[i].cure[0] == '\0' && reply.cure[0] != '\0'))
            fail_msg("%d %s: cure is '%s'", cases[i].status, cases[i].body, reply.cure);
        assert_int_equal(reply.status, cases[i].status);
        assert_int_equal(reply.message[0] == '\0', cases[i].meaning == ONRAMP_REPLY_DONE);
    }
}

static void transient_statuses_are_uncertain_whoever_sends_them(void **state)
{
    (void)state;
    static const int statuses[] = {408, 500, 501, 502, 503, 504, 520, 522, 524, 530, 599};
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++)
        for (int call = CREATE; call <= OTHER; call++) {
            assert_int_equal(reply_to(statuses[i], PAGE, (enum call)call).meaning, ONRAMP_REPLY_UNCERTAIN);
            assert_int_equal(reply_to(statuses[i], JSON(500, "x", "y"), (enum call)call).meaning,
                             ONRAMP_REPLY_UNCERTAIN);
            assert_int_equal(reply_to(statuses[i], "", (enum call)call).meaning, ONRAMP_REPLY_UNCERTAIN);
        }
    assert_int_equal(reply_to(425, "", CREATE).meaning, ONRAMP_REPLY_TRANSIENT);
    assert_int_equal(reply_to(100, "", CREATE).meaning, ONRAMP_REPLY_UNCERTAIN);
}

static void a_success_counts_only_with_the_user_in_it(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "", PAGE, "{\"user_id\":\"auth0|", "[]", "{}", "{\"user_id\":7}", "{\"user_id\":\"\"}", "\"x\"", "[" USER "]"};
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        struct onramp_reply reply = reply_to(201, bodies[i], CREATE);
        assert_int_equal(reply.meaning, ONRAMP_REPLY_UNCERTAIN);
        assert_string_equal(reply.user_id, "");
        assert_int_equal(reply.signal.kind, ONRAMP_SIGNAL_TAKEN);
    }
    struct onramp_answer answer = answer_of(201, USER);
    struct onramp_reply reply;
    answer.truncated = true;
    onramp_reply_parse(&reply, &answer, true);
    assert_int_equal(reply.meaning, ONRAMP_REPLY_UNCERTAIN);
    assert_string_equal(reply.message, "status 201 with a body cut short");
    answer.truncated = false;
    onramp_reply_parse(&reply, &answer, true);
    assert_string_equal(reply.user_id, "auth0|x1");
}

static void a_detail_that_repeats_the_message_is_told_once(void **state)
{
    (void)state;
    static const char twice[] = "{\"statusCode\":401,\"error\":\"Unauthorized\",\"message\":\"Expired token\","
                                "\"attributes\":{\"error\":\"Expired token\"}}";
    static const char more[] = "{\"statusCode\":401,\"error\":\"Unauthorized\",\"message\":\"Invalid token\","
                               "\"attributes\":{\"error\":\"Expired token\"}}";
    assert_string_equal(reply_to(401, twice, CREATE).message, "Expired token");
    assert_string_equal(reply_to(401, more, CREATE).message, "Invalid token: Expired token");
}

static void odd_numbers_in_a_created_user_do_not_hide_it(void **state)
{
    (void)state;
    assert_int_equal(
        reply_to(201, "{\"user_id\":\"auth0|x\",\"n\":123456789012345678901234567890,\"s\":\"a\\u0000b\"}", CREATE)
            .meaning,
        ONRAMP_REPLY_DONE);
}

static void other_calls_succeed_with_whatever_is_not_a_web_page(void **state)
{
    (void)state;
    struct onramp_answer answer = answer_of(200, "We've just sent you an email to reset your password.");
    struct onramp_reply reply;
    (void)strcpy(answer.fields.content_type, "text/html; charset=utf-8");
    onramp_reply_parse(&reply, &answer, false);
    assert_int_equal(reply.meaning, ONRAMP_REPLY_DONE);
    assert_int_equal(reply_to(200, "\n " PAGE, OTHER).meaning, ONRAMP_REPLY_UNCERTAIN);
    assert_non_null(strstr(reply_to(200, PAGE, OTHER).cure, "something between here and Auth0")); /* a login page */
    assert_int_equal(reply_to(200, "[{\"user_id\":", OTHER).meaning, ONRAMP_REPLY_UNCERTAIN);
    answer = answer_of(200, "[]");
    answer.truncated = true;
    onramp_reply_parse(&reply, &answer, false);
    assert_int_equal(reply.meaning, ONRAMP_REPLY_UNCERTAIN);
    answer = (struct onramp_answer){.delivery = ONRAMP_ANSWERED, .status = 204};
    onramp_reply_parse(&reply, &answer, false);
    assert_int_equal(reply.meaning, ONRAMP_REPLY_DONE);
}

static void a_redirect_is_a_wrong_host(void **state)
{
    (void)state;
    struct onramp_answer answer = answer_of(302, "");
    struct onramp_reply reply;
    (void)strcpy(answer.fields.location, "https://elsewhere.example/");
    onramp_reply_parse(&reply, &answer, true);
    assert_int_equal(reply.meaning, ONRAMP_REPLY_STOP);
    assert_string_equal(reply.message, "status 302, a redirect to https://elsewhere.example/");
    assert_non_null(strstr(reply.cure, "AUTH0_DOMAIN"));
    assert_int_equal(reply.signal.kind, ONRAMP_SIGNAL_UNSURE);
}

static void a_refusal_by_somebody_between_stops_the_run(void **state)
{
    (void)state;
    struct onramp_reply reply = reply_to(403, PAGE, CREATE);
    assert_int_equal(reply.meaning, ONRAMP_REPLY_STOP);
    assert_string_equal(reply.message, "status 403, not from the API: text/html");
    assert_non_null(strstr(reply.cure, "something between here and Auth0"));
    assert_int_equal(reply_to(400, "{\"oops\":1}", CREATE).meaning, ONRAMP_REPLY_STOP);
    assert_int_equal(reply_to(409, "", CREATE).meaning, ONRAMP_REPLY_STOP);
    assert_non_null(strstr(reply_to(407, PAGE, CREATE).cure, "HTTPS_PROXY"));
    assert_int_equal(reply_to(401, PAGE, CREATE).meaning, ONRAMP_REPLY_UNAUTHORIZED);
}

static void a_refusal_cut_short_is_asked_for_again(void **state)
{
    (void)state;
    struct onramp_answer answer = answer_of(400, "{\"statusCode\":400,\"mess");
    struct onramp_reply reply;
    answer.truncated = true;
    onramp_reply_parse(&reply, &answer, true);
    assert_int_equal(reply.meaning, ONRAMP_REPLY_UNCERTAIN);
    answer.status = 401;
    onramp_reply_parse(&reply, &answer, true);
    assert_int_equal(reply.meaning, ONRAMP_REPLY_UNAUTHORIZED);
    answer.status = 429;
    onramp_reply_parse(&reply, &answer, true);
    assert_int_equal(reply.meaning, ONRAMP_REPLY_THROTTLED);
}

static void what_never_left_and_what_got_lost_are_told_apart(void **state)
{
    (void)state;
    struct onramp_answer answer = {.delivery = ONRAMP_UNSENT, .problem = "connection refused"};
    struct onramp_reply reply;
    onramp_reply_parse(&reply, &answer, true);
    assert_int_equal(reply.meaning, ONRAMP_REPLY_TRANSIENT);
    assert_int_equal(reply.signal.kind, ONRAMP_SIGNAL_UNSENT);
    assert_string_equal(reply.message, "connection refused");

    answer.certificate = true;
    onramp_reply_parse(&reply, &answer, true);
    assert_int_equal(reply.meaning, ONRAMP_REPLY_STOP);
    assert_non_null(strstr(reply.cure, "--cacert"));

    answer = (struct onramp_answer){.delivery = ONRAMP_UNSENT, .proxy_status = 407, .problem = "CONNECT failed"};
    onramp_reply_parse(&reply, &answer, true);
    assert_int_equal(reply.meaning, ONRAMP_REPLY_TRANSIENT);
    assert_non_null(strstr(reply.cure, "HTTPS_PROXY")); /* a login */
    answer.proxy_status = 503;
    onramp_reply_parse(&reply, &answer, true);
    assert_non_null(strstr(reply.cure, "what the proxy allows"));

    answer = (struct onramp_answer){.delivery = ONRAMP_LOST};
    onramp_reply_parse(&reply, &answer, true);
    assert_int_equal(reply.meaning, ONRAMP_REPLY_UNCERTAIN);
    assert_int_equal(reply.signal.kind, ONRAMP_SIGNAL_UNSURE);
    assert_string_equal(reply.message, "the answer was lost");
}

static void throttling_is_the_apis_or_an_edges(void **state)
{
    (void)state;
    struct onramp_reply reply = reply_to(429, JSON(429, "too_many_requests", "Global limit has been reached"), CREATE);
    assert_int_equal(reply.meaning, ONRAMP_REPLY_THROTTLED);
    assert_int_equal(reply.signal.kind, ONRAMP_SIGNAL_REFUSED);
    assert_false(reply.signal.edge);
    assert_string_equal(reply.error_code, "too_many_requests");
    assert_string_equal(reply.message, "Global limit has been reached");
    assert_string_equal(reply.cure, "");
    assert_false(reply_to(429, "{\"statusCode\":429,\"error\":\"Too Many Requests\"}", CREATE).signal.edge);

    static const char *const edges[] = {"", PAGE, "error code: 1015", "{\"cloudflare_error\":true,\"status\":429}",
                                        "[]"};
    for (size_t i = 0; i < sizeof edges / sizeof edges[0]; i++) {
        reply = reply_to(429, edges[i], CREATE);
        assert_int_equal(reply.meaning, ONRAMP_REPLY_THROTTLED);
        assert_true(reply.signal.edge);
    }
}

static void set_limits(struct onramp_answer *answer, const char *limit, const char *remaining, const char *reset)
{
    (void)snprintf(answer->fields.limit, sizeof answer->fields.limit, "%s", limit);
    (void)snprintf(answer->fields.remaining, sizeof answer->fields.remaining, "%s", remaining);
    (void)snprintf(answer->fields.reset, sizeof answer->fields.reset, "%s", reset);
}

static void limits_count_only_as_whole_numbers_and_both(void **state)
{
    (void)state;
    static const struct {
        const char *limit, *remaining;
        bool has;
    } cases[] = {
        {"50", "49", true},
        {"0", "0", true},
        {"4294967295", "4294967295", true},
        {"4294967296", "1", false},
        {"50", "", false},
        {"", "49", false},
        {"50", "-1", false},
        {"50.0", "49", false},
        {"50", "+4", false},
        {"5 0", "4", false},
        {"50, 50;w=1", "49", false},
        {"fifty", "49", false},
        {"0x32", "1", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct onramp_answer answer = answer_of(201, USER);
        struct onramp_reply reply;
        set_limits(&answer, cases[i].limit, cases[i].remaining, "");
        onramp_reply_parse(&reply, &answer, true);
        assert_int_equal(reply.signal.has_limit, cases[i].has);
        assert_int_equal(reply.signal.kind, ONRAMP_SIGNAL_TAKEN);
        assert_false(reply.signal.has_reset);
    }
}

static void the_signal_has_what_the_headers_say(void **state)
{
    (void)state;
    struct onramp_answer answer = answer_of(201, USER);
    struct onramp_reply reply;
    set_limits(&answer, "50", "7", "1790000003");
    (void)strcpy(answer.fields.date, "Mon, 21 Sep 2026 13:33:20 GMT");
    (void)strcpy(answer.fields.retry_after, "Mon, 21 Sep 2026 13:33:25 GMT");
    onramp_reply_parse(&reply, &answer, true);
    assert_int_equal(reply.signal.limit, 50);
    assert_int_equal(reply.signal.remaining, 7);
    assert_true(reply.signal.has_reset);
    assert_int_equal(reply.signal.reset, 1790000003);
    assert_true(reply.signal.has_date);
    assert_int_equal(reply.signal.date, 1789997600);
    assert_int_equal(reply.date, 1789997600);
    assert_true(reply.signal.has_retry_after);
    assert_int_equal(reply.signal.retry_after, 5 * ONRAMP_SECOND);

    set_limits(&answer, "50", "7", "9223372036854775808");
    onramp_reply_parse(&reply, &answer, true);
    assert_false(reply.signal.has_reset);
}

static void an_error_without_limits_may_have_taken_a_token(void **state)
{
    (void)state;
    static const int statuses[] = {400, 401, 404, 409, 500, 503};
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
        struct onramp_answer answer = answer_of(statuses[i], CODELESS(400, "x"));
        struct onramp_reply reply;
        onramp_reply_parse(&reply, &answer, true);
        assert_int_equal(reply.signal.kind, statuses[i] < 500 ? ONRAMP_SIGNAL_BARE : ONRAMP_SIGNAL_UNSURE);
        set_limits(&answer, "50", "7", "");
        onramp_reply_parse(&reply, &answer, true);
        assert_int_equal(reply.signal.kind, ONRAMP_SIGNAL_TAKEN);
    }
}

static void messages_are_one_line_that_is_safe_to_print(void **state)
{
    (void)state;
    struct onramp_reply reply = reply_to(400, CODELESS(400, "a\\nb\\u001b[31mc\\u0085d\\u202ee\\u2028f"), CREATE);
    assert_string_equal(reply.message, "a b [31mc d\xef\xbf\xbd"
                                       "e f");
    reply = reply_to(400, "{\"statusCode\":400,\"message\":{\"odd\":1}}", CREATE);
    assert_string_equal(reply.message, "status 400 without a message");
    reply = reply_to(400, "{\"statusCode\":400,\"error\":\"Bad Request\"}", CREATE);
    assert_string_equal(reply.message, "Bad Request");

    char body[1200] = "{\"statusCode\":400,\"message\":\"";
    for (int i = 0; i < 300; i++)
        strcat(body, "\xc3\xbc");
    strcat(body, "\"}");
    reply = reply_to(400, body, CREATE);
    assert_int_equal(strlen(reply.message), 399); /* 198 times two bytes, and the ellipsis */
    assert_string_equal(reply.message + 396, "\xe2\x80\xa6");
}

static void the_authentication_apis_errors_are_understood_too(void **state)
{
    (void)state;
    struct onramp_reply reply =
        reply_to(429, "{\"error\":\"too_many_requests\",\"error_description\":\"Client quota exceeded\"}", OTHER);
    assert_string_equal(reply.error_code, "too_many_requests");
    assert_string_equal(reply.message, "Client quota exceeded");
    assert_false(reply.signal.edge);
}

static void retry_after_is_seconds_or_a_date(void **state)
{
    (void)state;
    const int64_t date = 784111777;
    static const struct {
        const char *text;
        bool valid;
        int64_t seconds;
    } cases[] = {
        {"0", true, 0},
        {"120", true, 120},
        {"86400", true, 86400},
        {"86401", true, 86400},
        {"18446744073709551615", true, 86400},
        {"Sun, 06 Nov 1994 08:49:47 GMT", true, 10},
        {"Sun, 06 Nov 1994 08:49:27 GMT", true, 0},
        {"Sun, 06 Nov 2094 08:49:27 GMT", true, 86400},
        {"", false, 0},
        {"-1", false, 0},
        {"1.5", false, 0},
        {"soon", false, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        onramp_span span = -1;
        assert_int_equal(onramp_reply_retry_after(cases[i].text, date, &span), cases[i].valid);
        assert_int_equal(span, cases[i].valid ? cases[i].seconds * ONRAMP_SECOND : -1);
    }
    onramp_span span;
    assert_false(onramp_reply_retry_after("Sun, 06 Nov 1994 08:49:47 GMT", 0, &span));
    assert_true(onramp_reply_retry_after("7", 0, &span));
}

static void dates_are_read_in_all_three_forms(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t seconds; /* -1: none */
    } cases[] = {
        {"Sun, 06 Nov 1994 08:49:37 GMT", 784111777},
        {"Sunday, 06-Nov-94 08:49:37 GMT", 784111777},
        {"Sun Nov  6 08:49:37 1994", 784111777},
        {"Wed Nov 16 08:49:37 1994", 784975777},
        {"Thu, 01 Jan 1970 00:00:00 GMT", 0},
        {"Thu, 29 Feb 2024 23:59:59 GMT", 1709251199},
        {"Fri, 01 Mar 2024 00:00:00 GMT", 1709251200},
        {"Tue, 29 Feb 2000 00:00:00 GMT", 951782400},
        {"Saturday, 01-Mar-25 00:00:00 GMT", 1740787200},
        {"Sat, 31 Dec 2016 23:59:60 GMT", 1483228800},
        {"Fri, 31 Dec 9999 23:59:59 GMT", INT64_C(253402300799)},
        {"Wed, 29 Feb 2023 00:00:00 GMT", -1},
        {"Wed, 29 Feb 2100 00:00:00 GMT", -1},
        {"Wed, 31 Dec 1969 23:59:59 GMT", -1},
        {"Sun, 06 Nov 1994 08:49:37 CET", -1},
        {"Sun, 06 Nov 1994 08:49:37", -1},
        {"Sun, 6 Nov 1994 08:49:37 GMT", -1},
        {"Sun, 06 Nov 1994 24:49:37 GMT", -1},
        {"Sun, 06 Nov 1994 08:60:37 GMT", -1},
        {"Sun, 06 Nov 1994 08:49:61 GMT", -1},
        {"Sun, 00 Nov 1994 08:49:37 GMT", -1},
        {"Sun, 06 nov 1994 08:49:37 GMT", -1},
        {"Sun, 06 Nov 1994 08:49:37 GMT ", -1},
        {"1994-11-06T08:49:37Z", -1},
        {"", -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t seconds = -1;
        if (onramp_reply_date(cases[i].text, &seconds) != (cases[i].seconds >= 0) || seconds != cases[i].seconds)
            fail_msg("'%s' is %lld", cases[i].text, (long long)seconds);
    }
}

static void iso_dates_are_milliseconds(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms; /* -1: none */
    } cases[] = {
        {"1994-11-06T08:49:37Z", INT64_C(784111777000)},
        {"1994-11-06T08:49:37.161Z", INT64_C(784111777161)},
        {"1994-11-06T08:49:37.1Z", INT64_C(784111777100)},
        {"1994-11-06T08:49:37.1619999Z", INT64_C(784111777161)},
        {"1994-11-06T10:49:37+02:00", INT64_C(784111777000)},
        {"1994-11-06T03:19:37-05:30", INT64_C(784111777000)},
        {"1994-11-06T08:49:37", -1},
        {"1994-11-06 08:49:37Z", -1},
        {"1994-13-06T08:49:37Z", -1},
        {"1994-11-31T08:49:37Z", -1},
        {"1994-11-06T08:49:37.Z", -1},
        {"1994-11-06T08:49:37+2:00", -1},
        {"1994-11-06T08:49:37Zx", -1},
        {"", -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t ms = -1;
        assert_int_equal(onramp_date_iso(cases[i].text, &ms), cases[i].ms >= 0);
        assert_int_equal(ms, cases[i].ms);
    }
}

static void finds_the_users_of_a_look_up(void **state)
{
    (void)state;
    struct onramp_found found[2] = {0};
    size_t count = 9;
    static const char body[] =
        "[{\"user_id\":\"auth0|1\",\"email\":\"a@b.org\",\"username\":\"ann\",\"phone_number\":\"+49301\","
        "\"created_at\":\"1994-11-06T08:49:37.161Z\",\"identities\":[{\"connection\":\"Old\"},{\"connection\":"
        "\"Users\"}]},"
        "{\"user_id\":\"google-oauth2|2\",\"identities\":[{\"connection\":\"google-oauth2\"}],\"created_at\":7},"
        "{\"user_id\":\"auth0|3\"}]";
    assert_int_equal(onramp_reply_found(body, "Users", found, 2, &count, NULL), ONRAMP_OK);
    assert_int_equal(count, 3);
    assert_string_equal(found[0].user_id, "auth0|1");
    assert_string_equal(found[0].email, "a@b.org");
    assert_string_equal(found[0].username, "ann");
    assert_string_equal(found[0].phone_number, "+49301");
    assert_int_equal(found[0].created_at, INT64_C(784111777161));
    assert_true(found[0].in_connection);
    assert_string_equal(found[1].user_id, "google-oauth2|2");
    assert_string_equal(found[1].email, "");
    assert_int_equal(found[1].created_at, 0);
    assert_false(found[1].in_connection);

    assert_int_equal(onramp_reply_found("[]", "Users", found, 2, &count, NULL), ONRAMP_OK);
    assert_int_equal(count, 0);
    assert_int_equal(onramp_reply_found("{\"user_id\":\"auth0|4\"}", "Users", found, 2, &count, NULL), ONRAMP_OK);
    assert_int_equal(count, 1);
    assert_string_equal(found[0].user_id, "auth0|4");
}

static void an_answer_that_is_no_look_up_is_no_proof_that_nobody_is_there(void **state)
{
    (void)state;
    static const char *const bodies[] = {"",        PAGE, "{}", "7", "[7]", "[{}]", ("[" USER ",{\"user_id\":7}]"),
                                         ("[" USER)};
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        struct onramp_found found;
        size_t count = 9;
        assert_int_equal(onramp_reply_found(bodies[i], "Users", &found, 1, &count, NULL), ONRAMP_EINPUT);
        assert_int_equal(count, 9);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_known_answer_means_what_it_should),
        cmocka_unit_test(transient_statuses_are_uncertain_whoever_sends_them),
        cmocka_unit_test(a_success_counts_only_with_the_user_in_it),
        cmocka_unit_test(a_detail_that_repeats_the_message_is_told_once),
        cmocka_unit_test(odd_numbers_in_a_created_user_do_not_hide_it),
        cmocka_unit_test(other_calls_succeed_with_whatever_is_not_a_web_page),
        cmocka_unit_test(a_redirect_is_a_wrong_host),
        cmocka_unit_test(a_refusal_by_somebody_between_stops_the_run),
        cmocka_unit_test(a_refusal_cut_short_is_asked_for_again),
        cmocka_unit_test(what_never_left_and_what_got_lost_are_told_apart),
        cmocka_unit_test(throttling_is_the_apis_or_an_edges),
        cmocka_unit_test(limits_count_only_as_whole_numbers_and_both),
        cmocka_unit_test(the_signal_has_what_the_headers_say),
        cmocka_unit_test(an_error_without_limits_may_have_taken_a_token),
        cmocka_unit_test(messages_are_one_line_that_is_safe_to_print),
        cmocka_unit_test(the_authentication_apis_errors_are_understood_too),
        cmocka_unit_test(retry_after_is_seconds_or_a_date),
        cmocka_unit_test(dates_are_read_in_all_three_forms),
        cmocka_unit_test(iso_dates_are_milliseconds),
        cmocka_unit_test(finds_the_users_of_a_look_up),
        cmocka_unit_test(an_answer_that_is_no_look_up_is_no_proof_that_nobody_is_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
