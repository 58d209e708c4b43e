/*
 * test_user.c - from records to bodies: what is passed on, renamed, left out and refused.
 */
#include "auth0/user.h"
#include "onramp/transport.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct onramp_user_rules quiet = {.connection = "Users", .mail = ONRAMP_MAIL_NO};

static enum onramp_status parse(struct onramp_user *user, const char *json, enum onramp_verification_mail mail,
                                struct onramp_error *err)
{
    const struct onramp_user_rules rules = {.connection = "Users", .mail = mail};
    return onramp_user_parse(user, json, strlen(json), &rules, err);
}

static void expect_body(const char *json, enum onramp_verification_mail mail, const char *body)
{
    struct onramp_user user;
    struct onramp_error err = {0};
    if (parse(&user, json, mail, &err) != ONRAMP_OK)
        fail_msg("%s: refused: %s", json, err.text);
    assert_string_equal(user.body, body);
    onramp_user_clear(&user);
}

/* Refused, in one line that says `words`. */
static void expect_refusal(const char *json, const char *words)
{
    struct onramp_user user;
    struct onramp_error err = {0};
    if (parse(&user, json, ONRAMP_MAIL_NO, &err) != ONRAMP_EINPUT)
        fail_msg("%s: not refused", json);
    if (strstr(err.text, words) == NULL || strchr(err.text, '\n') != NULL)
        fail_msg("%s: refused with '%s', not '%s'", json, err.text, words);
    onramp_user_clear(&user);
}

static void expect_fine(const char *json)
{
    struct onramp_user user;
    struct onramp_error err = {0};
    if (parse(&user, json, ONRAMP_MAIL_NO, &err) != ONRAMP_OK)
        fail_msg("%s: refused: %s", json, err.text);
    onramp_user_clear(&user);
}

static void passes_on_what_auth0_takes(void **state)
{
    (void)state;
    expect_body("{\"email\":\"Ann@Example.com\",\"given_name\":\"Ann\",\"blocked\":true,\"phone_number\":\"+4930123\","
                "\"user_metadata\":{\"a\":[1,2.5,null]},\"app_metadata\":{}}",
                ONRAMP_MAIL_NO,
                "{\"connection\":\"Users\",\"email\":\"Ann@Example.com\",\"given_name\":\"Ann\",\"blocked\":true,"
                "\"phone_number\":\"+4930123\",\"user_metadata\":{\"a\":[1,2.5,null]},\"app_metadata\":{},"
                "\"verify_email\":false}");
}

static void keeps_the_value_of_every_number(void **state)
{
    (void)state;
    static const char *const numbers[] = {"0.721501", "1e300", "-0.1", "9007199254740993", "-9223372036854775808"};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        char json[160];
        (void)snprintf(json, sizeof json, "{\"email\":\"a@b.org\",\"user_metadata\":{\"n\":%s}}", numbers[i]);
        struct onramp_user user;
        assert_int_equal(parse(&user, json, ONRAMP_MAIL_NO, NULL), ONRAMP_OK);
        const char *sent = strstr(user.body, "\"n\":");
        assert_non_null(sent);
        if (strchr(numbers[i], '.') == NULL && strchr(numbers[i], 'e') == NULL)
            assert_int_equal(strtoll(sent + 4, NULL, 10), strtoll(numbers[i], NULL, 10));
        else
            assert_true(strtod(sent + 4, NULL) == strtod(numbers[i], NULL));
        onramp_user_clear(&user);
    }
    expect_refusal("{\"email\":\"a@b.org\",\"user_metadata\":{\"n\":18446744073709551616}}", "too large");
}

static void leaves_out_nulls_and_empty_strings(void **state)
{
    (void)state;
    expect_body("{\"email\":\"a@b.org\",\"name\":null,\"nickname\":\"\",\"blocked\":null,\"user_metadata\":null,"
                "\"email_verified\":\"\",\"password\":null,\"password_hash\":null,\"phone_number\":\"\"}",
                ONRAMP_MAIL_NO, "{\"connection\":\"Users\",\"email\":\"a@b.org\",\"verify_email\":false}");
}

static void renames_the_headings_of_the_extension(void **state)
{
    (void)state;
    struct onramp_user user;
    assert_int_equal(parse(&user,
                           "{\"Id\":\"auth0|5f\",\"Given Name\":\"Ann\",\"Family Name\":\"Lee\",\"Nickname\":\"al\","
                           "\"Name\":\"Ann Lee\",\"Email\":\"a@b.org\",\"Email Verified\":\"true\","
                           "\"Picture\":\"https://b.org/p.png\",\"Connection\":\"Old\",\"Created At\":\"2026-01-01\","
                           "\"Updated At\":\"2026-01-01\"}",
                           ONRAMP_MAIL_NO, NULL),
                     ONRAMP_OK);
    assert_string_equal(user.body, "{\"connection\":\"Users\",\"user_id\":\"5f\",\"given_name\":\"Ann\","
                                   "\"family_name\":\"Lee\",\"nickname\":\"al\",\"name\":\"Ann Lee\","
                                   "\"email\":\"a@b.org\",\"email_verified\":true,\"picture\":\"https://b.org/p.png\","
                                   "\"verify_email\":false}");
    assert_string_equal(user.identity.email, "a@b.org");
    assert_string_equal(user.identity.user_id, "5f");
    assert_int_equal(__builtin_popcount(user.dropped), 3);
    onramp_user_clear(&user);
    expect_refusal("{\"email\":\"a@b.org\",\"Email\":\"c@d.org\"}", "'email' and 'Email' are both given");
    expect_refusal("{\"Email\":\"a@b.org\",\"email\":\"c@d.org\"}", "'email' and 'Email' are both given");
}

static void takes_booleans_in_quotes_under_the_extensions_headings_only(void **state)
{
    (void)state;
    expect_fine("{\"Email\":\"a@b.org\",\"Email Verified\":\"FALSE\"}");
    expect_refusal("{\"Email\":\"a@b.org\",\"Email Verified\":\"yes\"}", "must be true or false, without quotes");
    expect_refusal("{\"email\":\"a@b.org\",\"email_verified\":\"true\"}",
                   "'email_verified' must be true or false, without quotes, not a string");
}

static void tells_which_read_only_properties_it_left_out(void **state)
{
    (void)state;
    struct onramp_user user;
    assert_int_equal(parse(&user,
                           "{\"email\":\"a@b.org\",\"identities\":[],\"created_at\":\"x\",\"updated_at\":1,"
                           "\"last_login\":1,\"last_ip\":1,\"logins_count\":1,\"last_password_reset\":1,"
                           "\"multifactor\":[],\"multifactor_last_modified\":1,\"blocked_for\":[],"
                           "\"guardian_authenticators\":[],\"tenant\":\"t\"}",
                           ONRAMP_MAIL_NO, NULL),
                     ONRAMP_OK);
    assert_string_equal(user.body, "{\"connection\":\"Users\",\"email\":\"a@b.org\",\"verify_email\":false}");
    unsigned told = 0, known = 0;
    for (; onramp_user_dropped_name(known) != NULL; known++)
        told += (user.dropped >> known) & 1;
    assert_int_equal(told, 12);
    assert_true(known <= 32);
    assert_string_equal(onramp_user_dropped_name(0), "identities");
    onramp_user_clear(&user);
}

static void takes_the_prefix_off_an_id_and_refuses_those_of_others(void **state)
{
    (void)state;
    expect_body("{\"email\":\"a@b.org\",\"user_id\":\"auth0|x1\"}", ONRAMP_MAIL_NO,
                "{\"connection\":\"Users\",\"email\":\"a@b.org\",\"user_id\":\"x1\",\"verify_email\":false}");
    expect_fine("{\"email\":\"a@b.org\",\"user_id\":\"x1\"}");
    expect_fine("{\"email\":\"a@b.org\",\"user_id\":\"auth0|custom|7\"}");
    expect_refusal("{\"email\":\"a@b.org\",\"user_id\":\"google-oauth2|1\"}",
                   "'google-oauth2|1' is of another strategy");
    expect_refusal("{\"email\":\"a@b.org\",\"user_id\":\"auth0|\"}", "nothing behind the prefix");
    expect_refusal("{\"email\":\"a@b.org\",\"user_id\":\"a b\"}", "has a space");
    expect_refusal("{\"email\":\"a@b.org\",\"user_id\":7}", "'user_id' must be a string, not a number");
}

static void sends_people_with_hashes_to_the_import_job(void **state)
{
    (void)state;
    expect_refusal("{\"email\":\"a@b.org\",\"password_hash\":\"$2b$10$x\"}",
                   "'password_hash' cannot be sent through POST /users: use the bulk import job");
    expect_refusal("{\"email\":\"a@b.org\",\"custom_password_hash\":{}}", "import job");
    expect_refusal("{\"email\":\"a@b.org\",\"mfa_factors\":[]}", "import job");
}

static void takes_no_password_from_a_file_and_does_not_repeat_it(void **state)
{
    (void)state;
    struct onramp_user user;
    struct onramp_error err;
    assert_int_equal(parse(&user, "{\"email\":\"a@b.org\",\"password\":\"hunter2!\"}", ONRAMP_MAIL_NO, &err),
                     ONRAMP_EINPUT);
    assert_non_null(strstr(err.text, "'password' is not taken from a file"));
    assert_null(strstr(err.text, "hunter2"));
    onramp_user_clear(&user);
}

static void wants_the_connection_of_the_run(void **state)
{
    (void)state;
    expect_fine("{\"email\":\"a@b.org\",\"connection\":\"Users\"}");
    expect_refusal("{\"email\":\"a@b.org\",\"connection\":\"users\"}", "'connection' is 'users', but this run");
}

static void names_unknown_properties_and_guesses_what_was_meant(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"emial", "did you mean 'email'"},
        {"Emails", "did you mean 'email'"},
        {"emailVerified", "'email_verified'"},
        {"email-verified", "'email_verified'"},
        {"given_nmae", "'given_name'"},
        {"firstName", "'given_name'"},
        {"last_name", "'family_name'"},
        {"user_metdata", "'user_metadata'"},
        {"appMetadata", "'app_metadata'"},
        {"phone", "'phone_number'"},
        {"user_name", "'username'"},
        {"mane", "inside 'user_metadata' or"},
        {"nick", "inside 'user_metadata' or 'app_metadata'"},
        {"department", "unknown property 'department': Auth0 takes it only inside"},
        {"", "unknown property ''"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        char json[160];
        (void)snprintf(json, sizeof json, "{\"email\":\"a@b.org\",\"%s\":\"x\"}", pairs[i][0]);
        expect_refusal(json, pairs[i][1]);
    }
}

static void says_so_where_the_users_are_wrapped(void **state)
{
    (void)state;
    expect_refusal("{\"users\":[{\"email\":\"a@b.org\"}],\"total\":1}", "the file must hold that array alone");
    expect_refusal("{\"emails\":[\"a@b.org\"]}", "did you mean 'email'");
}

static void knows_an_address_when_it_sees_one(void **state)
{
    (void)state;
    static const char *const good[] = {
        "a@b.org",
        "first.last+tag@sub.example.co.uk",
        "o'hara@example.com",
        "x_y-z@example.museum",
        "jürgen@exämple.de",
        "用户@例子.广告",
        "a@xn--e1aybc.xn--p1ai",
        "a@人人人人人人人人人人人人人人人人人人人人人人人人人人人人人人.org",
        "!#$%&'*+-/=?^_`{|}~@b.org",
        "\\\"a.,b\\\"@b.org",
    };
    static const char *const bad[][2] = {
        {"", "no 'email', 'username' or 'phone_number'"},
        {"ann", "has no '@'"},
        {"@b.org", "nothing before the '@'"},
        {"a@", "behind the '@'"},
        {"a@b", "no dot behind the '@'"},
        {"a@@b.org", "more than one '@'"},
        {"a b@c.org", "has a space"},
        {"a@b.org ", "has a space"},
        {"a@b.org\xc2\xa0", "invisible"}, /* no-break space */
        {"\xe2\x80\x8b"
         "a@b.org",
         "invisible"},                        /* zero width space */
        {"a\xe2\x80\x8e@b.org", "invisible"}, /* left-to-right mark */
        {"a@b\xe2\x80\xaf.org", "invisible"}, /* narrow no-break space */
        {"a\xe3\x80\x80@b.org", "invisible"}, /* ideographic space */
        {"\xef\xbb\xbf"
         "a@b.org",
         "invisible"},                    /* a byte order mark that went astray */
        {"a\xc2\xad@b.org", "invisible"}, /* soft hyphen */
        {".a@b.org", "a dot too many before"},
        {"a.@b.org", "a dot too many before"},
        {"a..b@c.org", "a dot too many before"},
        {"a@b..org", "a dot too many behind"},
        {"a@b.org.", "a dot too many behind"},
        {"a@-b.org", "domain that cannot exist"},
        {"a@dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd.org", "domain that cannot exist"},
        {"a@b_c.org", "no domain has"},
        {"a@[127.0.0.1]", "no domain has"},
        {"a@10.0.0.1", "no top-level domain"},
        {"a@b.c", "no top-level domain"},
        {"a,b@c.org", "before the '@' that no address has"},
        {"Ann <a@b.org>", "has a space"},
        {"<a@b.org>", "no address has"},
    };
    char json[200];
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        (void)snprintf(json, sizeof json, "{\"email\":\"%s\"}", good[i]);
        expect_fine(json);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        (void)snprintf(json, sizeof json, "{\"email\":\"%s\"}", bad[i][0]);
        expect_refusal(json, bad[i][1]);
    }
}

/* A record whose string `name` is `count` times `unit`, with `before` and `after` around. */
static char *long_record(const char *name, const char *before, const char *unit, size_t count, const char *after)
{
    size_t room = 128 + strlen(before) + strlen(after) + strlen(unit) * count;
    char *json = malloc(room);
    assert_non_null(json);
    size_t used = (size_t)snprintf(json, room, "{%s\"%s\":\"%s",
                                   strcmp(name, "email") == 0 ? "" : "\"email\":\"a@b.org\",", name, before);
    for (size_t i = 0; i < count; i++) {
        memcpy(json + used, unit, strlen(unit));
        used += strlen(unit);
    }
    (void)snprintf(json + used, room - used, "%s\"}", after);
    return json;
}

static void expect_longest(const char *name, const char *before, const char *unit, size_t count, const char *after,
                           const char *words)
{
    char *fine = long_record(name, before, unit, count, after),
         *long_ = long_record(name, before, unit, count + 1, after);
    expect_fine(fine);
    expect_refusal(long_, words);
    free(fine);
    free(long_);
}

static void counts_lengths_as_auth0_does(void **state)
{
    (void)state;
    expect_longest("given_name", "", "x", 150, "", "'given_name' has 151 characters: Auth0 takes at most 150");
    expect_longest("family_name", "", "\xc3\xbc", 150, "", "151 characters");      /* two bytes, one unit */
    expect_longest("name", "", "\xe4\xba\xba", 300, "", "301 characters");         /* three bytes, one unit */
    expect_longest("nickname", "", "\xf0\x9f\x98\x80", 150, "", "302 characters"); /* four bytes, two units */
    expect_longest("username", "", "u", 128, "", "129 characters");
    expect_longest("user_id", "", "i", 255, "", "more than 255 characters");
    expect_longest("user_id", "auth0|", "i", 255, "", "more than 255 characters");
    expect_longest("email", "", "l", 64, "@b.org", "more than 64 characters before");
}

static void holds_whole_addresses_to_254_characters(void **state)
{
    (void)state;
    char json[400] = "{\"email\":\"a@";
    for (int i = 0; i < 124; i++)
        strcat(json, "d.");
    char *end = json + strlen(json);
    strcpy(end, "orgs\"}"); /* 2 + 248 + 4 */
    expect_fine(json);
    strcpy(end, "orgss\"}");
    expect_refusal(json, "more than 254 characters");
}

static void refuses_usernames_and_numbers_that_auth0_refuses(void **state)
{
    (void)state;
    expect_fine("{\"username\":\"Ann.Lee-99_@`^$!#+'~;\"}");
    expect_refusal("{\"username\":\"ann lee\"}", "username 'ann lee' has a character that Auth0 does not take");
    expect_refusal("{\"username\":\"j\xc3\xbcrgen\"}", "has a character");
    expect_fine("{\"phone_number\":\"+1\"}");
    expect_fine("{\"phone_number\":\"+123456789012345\"}");
    expect_refusal("{\"phone_number\":\"+1234567890123456\"}", "'+', country code and number, at most fifteen digits");
    expect_refusal("{\"phone_number\":\"0301234\"}", "'+', country code and number, at most fifteen digits");
    expect_refusal("{\"phone_number\":\"+49 30 1\"}", "'+', country code and number, at most fifteen digits");
    expect_refusal("{\"phone_number\":\"+\"}", "'+', country code and number, at most fifteen digits");
}

static void wants_pictures_to_be_web_addresses(void **state)
{
    (void)state;
    expect_fine("{\"email\":\"a@b.org\",\"picture\":\"https://b.org/%C3%BC.png?s=1&d=2#x\"}");
    expect_fine("{\"email\":\"a@b.org\",\"picture\":\"http://[::1]/p\"}");
    static const char *const bad[] = {"p.png",      "//b.org/p",         "data:image/png;base64,xx", "https://",
                                      "https:///p", "https://b.org/a b", "https://b.org/<>",         "ftp://b.org/p"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char json[160];
        (void)snprintf(json, sizeof json, "{\"email\":\"a@b.org\",\"picture\":\"%s\"}", bad[i]);
        expect_refusal(json, "must be a web address");
    }
}

static void refuses_barred_keys_in_metadata(void **state)
{
    (void)state;
    expect_refusal("{\"email\":\"a@b.org\",\"app_metadata\":{\"email\":1}}", "'email' in 'app_metadata' is a name");
    expect_refusal("{\"email\":\"a@b.org\",\"app_metadata\":{\"lastLogin\":1}}", "keeps for itself");
    expect_fine("{\"email\":\"a@b.org\",\"user_metadata\":{\"email\":1}}");
    expect_refusal("{\"email\":\"a@b.org\",\"user_metadata\":{\"a.b\":1}}", "'a.b' in 'user_metadata' has a '.'");
    expect_refusal("{\"email\":\"a@b.org\",\"app_metadata\":{\"$x\":1}}", "has a '.' or '$'");
    expect_fine("{\"email\":\"a@b.org\",\"user_metadata\":{\"deep\":{\"a.b\":1}}}");
    expect_refusal("{\"email\":\"a@b.org\",\"user_metadata\":[]}", "'user_metadata' must be an object, not an array");
}

static void decides_about_verification_mails(void **state)
{
    (void)state;
    static const struct {
        enum onramp_verification_mail mail;
        const char *record; /* members beside the address */
        bool wants;
        bool overruled;
    } cases[] = {
        {ONRAMP_MAIL_NO, "", false, false},
        {ONRAMP_MAIL_NO, ",\"verify_email\":true", false, true},
        {ONRAMP_MAIL_NO, ",\"verify_email\":false", false, false},
        {ONRAMP_MAIL_YES, "", true, false},
        {ONRAMP_MAIL_YES, ",\"email_verified\":false", true, false},
        {ONRAMP_MAIL_YES, ",\"email_verified\":true", false, false},
        {ONRAMP_MAIL_YES, ",\"verify_email\":false", true, true},
        {ONRAMP_MAIL_RECORD, "", false, false},
        {ONRAMP_MAIL_RECORD, ",\"verify_email\":true", true, false},
        {ONRAMP_MAIL_RECORD, ",\"verify_email\":true,\"email_verified\":true", true, false},
        {ONRAMP_MAIL_RECORD, ",\"verify_email\":false", false, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char json[160];
        struct onramp_user user;
        (void)snprintf(json, sizeof json, "{\"email\":\"a@b.org\"%s}", cases[i].record);
        assert_int_equal(parse(&user, json, cases[i].mail, NULL), ONRAMP_OK);
        assert_int_equal(user.wants_mail, cases[i].wants);
        assert_non_null(strstr(user.body, cases[i].wants ? "\"verify_email\":true" : "\"verify_email\":false"));
        assert_int_equal(user.dropped != 0, cases[i].overruled);
        onramp_user_clear(&user);
    }
}

static void sends_no_verify_email_where_there_is_no_address(void **state)
{
    (void)state;
    expect_body("{\"username\":\"ann\",\"verify_email\":true}", ONRAMP_MAIL_RECORD,
                "{\"connection\":\"Users\",\"username\":\"ann\"}");
    struct onramp_user user;
    assert_int_equal(parse(&user, "{\"phone_number\":\"+49301\"}", ONRAMP_MAIL_YES, NULL), ONRAMP_OK);
    assert_false(user.wants_mail);
    onramp_user_clear(&user);
}

static void says_what_is_wrong_with_text_that_is_no_user(void **state)
{
    (void)state;
    expect_refusal("", "not JSON");
    expect_refusal("{\"email\":", "not JSON");
    expect_refusal("[]", "must be a JSON object");
    expect_refusal("{}", "no 'email', 'username' or 'phone_number'");
    expect_refusal("{\"user_id\":\"x\"}", "no 'email', 'username' or 'phone_number'");
    expect_refusal("{\"email\":\"a@b.org\",\"email\":\"c@d.org\"}", "given twice");
    expect_refusal("{\"email\":\"a@b.org\",\"name\":\"a\\u0000b\"}", "NUL character");
    expect_refusal("{\"email\":{\"a\":1}}", "'email' must be a string, not an object");
}

static void knows_who_an_invalid_record_is(void **state)
{
    (void)state;
    struct onramp_user user;
    assert_int_equal(parse(&user,
                           "{\"mistake\":1,\"email\":\"not an address\",\"username\":\"ann\",\"user_id\":\"auth0|7\","
                           "\"phone_number\":\"030\"}",
                           ONRAMP_MAIL_NO, NULL),
                     ONRAMP_EINPUT);
    assert_string_equal(user.identity.email, "not an address");
    assert_string_equal(user.identity.username, "ann");
    assert_string_equal(user.identity.user_id, "7");
    assert_string_equal(user.identity.phone_number, "030");
    onramp_user_clear(&user);
    assert_null(user.identity.email);
}

static void makes_every_quoted_value_fit_to_print(void **state)
{
    (void)state;
    expect_refusal("{\"email\":\"a@b.org\",\"x\\ny\\u001b[31m\":1}", "unknown property 'x y [31m'");
    char *json = long_record("email", "", "long", 200, "");
    expect_refusal(json, "\xe2\x80\xa6' has more than 254 characters");
    free(json);
}

static void refuses_more_than_a_megabyte(void **state)
{
    (void)state;
    size_t size = ONRAMP_BODY_MAX + 100;
    char *json = malloc(size + 1);
    assert_non_null(json);
    int used = snprintf(json, size, "{\"email\":\"a@b.org\",\"user_metadata\":{\"k\":\"");
    memset(json + used, 'x', size - (size_t)used - 3);
    memcpy(json + size - 3, "\"}}", 4);
    expect_refusal(json, "Auth0 takes at most 1 MB");
    free(json);
}

static void collects_what_a_password_must_not_contain(void **state)
{
    (void)state;
    struct onramp_user user;
    assert_int_equal(parse(&user,
                           "{\"email\":\"local@b.org\",\"name\":\"Ann Lee\",\"nickname\":\"al\",\"username\":\"annl\","
                           "\"given_name\":\"Ann\",\"family_name\":\"Lee\",\"phone_number\":\"+49301\","
                           "\"user_metadata\":{\"name\":\"n\",\"first\":\"f\",\"last\":\"l\",\"other\":\"o\"}}",
                           ONRAMP_MAIL_NO, NULL),
                     ONRAMP_OK);
    static const char *const expected[] = {"local", "Ann Lee", "al", "annl", "Ann", "Lee", "+49301", "n", "f", "l"};
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++)
        assert_string_equal(user.profile[i], expected[i]);
    assert_null(user.profile[10]);
    onramp_user_clear(&user);
}

static void puts_password_and_chosen_id_into_the_body(void **state)
{
    (void)state;
    struct onramp_user user;
    struct onramp_secret *password, *body;
    const char nasty[] = "q\"b\\s\x01\x7f\xc3\xbc";
    assert_int_equal(onramp_secret_copy(&password, nasty, sizeof nasty - 1, NULL), ONRAMP_OK);
    assert_int_equal(parse(&user, "{\"email\":\"a@b.org\"}", ONRAMP_MAIL_NO, NULL), ONRAMP_OK);

    assert_int_equal(onramp_user_body(&body, &user, "c0ffee", password, NULL), ONRAMP_OK);
    json_t *json = json_loadb(body->text, body->size, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(json, "password")), nasty);
    assert_string_equal(json_string_value(json_object_get(json, "user_id")), "c0ffee");
    assert_string_equal(json_string_value(json_object_get(json, "email")), "a@b.org");
    json_decref(json);
    onramp_secret_free(body);

    assert_int_equal(onramp_user_body(&body, &user, NULL, NULL, NULL), ONRAMP_OK);
    assert_string_equal(body->text, user.body);
    assert_int_equal(body->size, strlen(user.body));
    onramp_secret_free(body);
    onramp_secret_free(password);
    onramp_user_clear(&user);
}

/* The memory functions are jansson's own for one record: the n-th call fails, for every n. */
static size_t calls_left;
static void *failing_malloc(size_t size)
{
    if (calls_left == 0)
        return NULL;
    calls_left--;
    return malloc(size);
}

static void survives_want_of_memory_at_any_point(void **state)
{
    (void)state;
    static const char json[] = "{\"Email\":\"a@b.org\",\"Id\":\"auth0|x\",\"user_metadata\":{\"a\":[1,\"b\",2.5]},"
                               "\"name\":\"Ann\",\"identities\":[]}";
    json_set_alloc_funcs(failing_malloc, free);
    enum onramp_status st = ONRAMP_ENOMEM;
    size_t allowed = 0;
    for (; st != ONRAMP_OK && allowed < 500; allowed++) {
        struct onramp_user user;
        calls_left = allowed;
        st = onramp_user_parse(&user, json, sizeof json - 1, &quiet, NULL);
        /* jansson tells want of memory while reading in its own, not always exact way */
        assert_true(st == ONRAMP_OK || st == ONRAMP_ENOMEM || st == ONRAMP_EINPUT);
        if (st == ONRAMP_OK)
            assert_string_equal(user.body, "{\"connection\":\"Users\",\"email\":\"a@b.org\",\"user_id\":\"x\","
                                           "\"user_metadata\":{\"a\":[1,\"b\",2.5]},\"name\":\"Ann\","
                                           "\"verify_email\":false}");
        onramp_user_clear(&user);
    }
    json_set_alloc_funcs(malloc, free);
    assert_int_equal(st, ONRAMP_OK);
    assert_true(allowed > 10);
}

struct told {
    size_t count;
    enum onramp_problem problem[16];
    char subject[16][160];
};

static void tell(void *context, enum onramp_problem problem, const char *subject, const char *text)
{
    struct told *told = context;
    assert_true(told->count < 16 && text[0] != '\0');
    told->problem[told->count] = problem;
    (void)snprintf(told->subject[told->count++], sizeof told->subject[0], "%s", subject);
}

static void tells_every_problem_of_a_record_where_asked(void **state)
{
    (void)state;
    static const char record[] = "{\"email\":\"ann\",\"given_name\":7,\"user_metadata\":{\"a.b\":1,\"ok\":1,\"c$\":1},"
                                 "\"nmae\":\"x\",\"password_hash\":\"x\",\"password\":\"x\",\"connection\":\"Other\","
                                 "\"name\":\"Ann\"}";
    static const struct {
        enum onramp_problem problem;
        const char *subject;
    } expected[] = {
        {ONRAMP_PROBLEM_VALUE, "email"},           {ONRAMP_PROBLEM_TYPE, "given_name"},
        {ONRAMP_PROBLEM_KEY, "user_metadata.a.b"}, {ONRAMP_PROBLEM_KEY, "user_metadata.c$"},
        {ONRAMP_PROBLEM_UNKNOWN, "nmae"},          {ONRAMP_PROBLEM_IMPORT_ONLY, "password_hash"},
        {ONRAMP_PROBLEM_PASSWORD, "password"},     {ONRAMP_PROBLEM_CONNECTION, "connection"},
    };
    struct told told = {0};
    const struct onramp_user_rules rules = {.connection = "Users", .problem = tell, .context = &told};
    struct onramp_user user;
    struct onramp_error err, first;
    assert_int_equal(onramp_user_parse(&user, record, strlen(record), &rules, &err), ONRAMP_EINPUT);
    onramp_user_clear(&user);
    assert_int_equal(told.count, sizeof expected / sizeof expected[0]);
    for (size_t i = 0; i < told.count; i++) {
        assert_int_equal(told.problem[i], expected[i].problem);
        assert_string_equal(told.subject[i], expected[i].subject);
    }
    /* The record is judged alike, and by the same words, whoever listens. */
    assert_int_equal(onramp_user_parse(&user, record, strlen(record), &quiet, &first), ONRAMP_EINPUT);
    onramp_user_clear(&user);
    assert_string_equal(err.text, first.text);
}

static void one_problem_is_told_once(void **state)
{
    (void)state;
    static const struct {
        const char *record;
        enum onramp_problem problem;
    } cases[] = {{"[]", ONRAMP_PROBLEM_RECORD},
                 {"{", ONRAMP_PROBLEM_RECORD},
                 {"{\"email\":\"ann\",\"Email\":\"ann@example.com\"}", ONRAMP_PROBLEM_VALUE},
                 {"{}", ONRAMP_PROBLEM_NOBODY},
                 {"{\"name\":\"Ann\"}", ONRAMP_PROBLEM_NOBODY}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct told told = {0};
        const struct onramp_user_rules rules = {.connection = "Users", .problem = tell, .context = &told};
        struct onramp_user user;
        assert_int_equal(onramp_user_parse(&user, cases[i].record, strlen(cases[i].record), &rules, NULL),
                         ONRAMP_EINPUT);
        onramp_user_clear(&user);
        assert_int_equal(told.count, 1);
        assert_int_equal(told.problem[0], cases[i].problem);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(passes_on_what_auth0_takes),
        cmocka_unit_test(keeps_the_value_of_every_number),
        cmocka_unit_test(leaves_out_nulls_and_empty_strings),
        cmocka_unit_test(renames_the_headings_of_the_extension),
        cmocka_unit_test(takes_booleans_in_quotes_under_the_extensions_headings_only),
        cmocka_unit_test(tells_which_read_only_properties_it_left_out),
        cmocka_unit_test(takes_the_prefix_off_an_id_and_refuses_those_of_others),
        cmocka_unit_test(sends_people_with_hashes_to_the_import_job),
        cmocka_unit_test(takes_no_password_from_a_file_and_does_not_repeat_it),
        cmocka_unit_test(wants_the_connection_of_the_run),
        cmocka_unit_test(names_unknown_properties_and_guesses_what_was_meant),
        cmocka_unit_test(says_so_where_the_users_are_wrapped),
        cmocka_unit_test(knows_an_address_when_it_sees_one),
        cmocka_unit_test(counts_lengths_as_auth0_does),
        cmocka_unit_test(holds_whole_addresses_to_254_characters),
        cmocka_unit_test(refuses_usernames_and_numbers_that_auth0_refuses),
        cmocka_unit_test(wants_pictures_to_be_web_addresses),
        cmocka_unit_test(refuses_barred_keys_in_metadata),
        cmocka_unit_test(decides_about_verification_mails),
        cmocka_unit_test(sends_no_verify_email_where_there_is_no_address),
        cmocka_unit_test(says_what_is_wrong_with_text_that_is_no_user),
        cmocka_unit_test(knows_who_an_invalid_record_is),
        cmocka_unit_test(makes_every_quoted_value_fit_to_print),
        cmocka_unit_test(refuses_more_than_a_megabyte),
        cmocka_unit_test(collects_what_a_password_must_not_contain),
        cmocka_unit_test(puts_password_and_chosen_id_into_the_body),
        cmocka_unit_test(tells_every_problem_of_a_record_where_asked),
        cmocka_unit_test(one_problem_is_told_once),
        cmocka_unit_test(survives_want_of_memory_at_any_point),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
