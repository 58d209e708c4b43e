/*
 * test_ticket.c - what is asked for when a link is wanted, and the link that is taken out of the answer.
 */
#include "auth0/ticket.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void expect_body(char *body, const char *want)
{
    assert_non_null(body);
    assert_string_equal(body, want);
    free(body);
}

static void requests_hold_what_was_wished_for_and_nothing_else(void **state)
{
    (void)state;
    expect_body(onramp_ticket_request(&(struct onramp_ticket_wish){.user_id = "auth0|a"}), "{\"user_id\":\"auth0|a\"}");
    expect_body(onramp_ticket_request(&(struct onramp_ticket_wish){.user_id = "auth0|a",
                                                                   .ttl_seconds = 3600,
                                                                   .result_url = "https://app.example.com/",
                                                                   .mark_verified = true}),
                "{\"user_id\":\"auth0|a\",\"result_url\":\"https://app.example.com/\",\"ttl_sec\":3600,"
                "\"mark_email_as_verified\":true}");
    expect_body(onramp_ticket_request(&(struct onramp_ticket_wish){.user_id = "auth0|a", .client_id = "app"}),
                "{\"user_id\":\"auth0|a\",\"client_id\":\"app\"}");
    expect_body(onramp_reset_request("Users", "ann@example.com", NULL),
                "{\"connection\":\"Users\",\"email\":\"ann@example.com\"}");
    expect_body(onramp_reset_request("Users", "ann@example.com", "app"),
                "{\"connection\":\"Users\",\"email\":\"ann@example.com\",\"client_id\":\"app\"}");
}

static void expect_link(const char *answer, const char *want)
{
    struct onramp_secret *body = NULL, *link = NULL;
    assert_int_equal(onramp_secret_copy(&body, answer, strlen(answer), NULL), ONRAMP_OK);
    enum onramp_status st = onramp_ticket_take(&link, body, NULL);
    if (want == NULL) {
        assert_int_equal(st, ONRAMP_EINPUT);
        assert_null(link);
    } else {
        assert_int_equal(st, ONRAMP_OK);
        assert_string_equal(link->text, want);
        assert_int_equal(link->size, strlen(want));
        assert_null(strstr(body->text, "http"));
    }
    onramp_secret_free(link);
    onramp_secret_free(body);
}

static void the_link_is_taken_out_and_blanks_are_left(void **state)
{
    (void)state;
    expect_link("{\"ticket\":\"https://t.eu.auth0.com/u/reset-password?ticket=xY1#\"}",
                "https://t.eu.auth0.com/u/reset-password?ticket=xY1#");
    expect_link("{ \"id\" : {\"ticket\":\"no\"}, \"ticket\" :\n\"https://t.example/lo/reset?ticket=1\"}",
                "https://t.example/lo/reset?ticket=1");
}

static void escapes_of_json_are_resolved(void **state)
{
    (void)state;
    expect_link("{\"ticket\":\"https:\\/\\/t.example\\/u?a=1\\u0026b=2\\u003D\"}", "https://t.example/u?a=1&b=2=");
}

static void what_cannot_be_a_link_is_refused(void **state)
{
    (void)state;
    expect_link("", NULL);
    expect_link("{}", NULL);
    expect_link("{\"ticket\":7}", NULL);
    expect_link("{\"ticket\":\"\"}", NULL);
    expect_link("{\"ticket\":\"https://t.example/u", NULL);
    expect_link("{\"ticket\":\"javascript:alert(1)\"}", NULL);
    expect_link("{\"ticket\":\"https://t.example/a b\"}", NULL);
    expect_link("{\"ticket\":\"https://t.example/\\n,evil\"}", NULL);
    expect_link("{\"ticket\":\"https://t.example/\\u000a\"}", NULL);
    expect_link("{\"ticket\":\"https://t.example/\\u00e9\"}", NULL);
    expect_link("{\"ticket\":\"https://t.example/\\u12\"}", NULL);
    expect_link("{\"ticket\":\"https://t.example/\\\"\"}", NULL);
    expect_link("{\"ticket\":\"https://t.example/\xc3\xa9\"}", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_hold_what_was_wished_for_and_nothing_else),
        cmocka_unit_test(the_link_is_taken_out_and_blanks_are_left),
        cmocka_unit_test(escapes_of_json_are_resolved),
        cmocka_unit_test(what_cannot_be_a_link_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
