/*
 * The shipped check against the model tenant in virtual time: what it finds, what it says to do, and that it writes
 * nothing.
 */
#include "sim/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct world world;
static struct onramp_check found;

/* What a check meets; unset members are as they should be. */
struct scene {
    const char *options, *strategy, *scopes;
    bool client_disabled, no_headers;
    const char *connection, *token;
    uint32_t token_seconds;
    onramp_span wait; /* between token and check */
    uint64_t count;   /* records; 0: no file */
    const char *(*make)(uint64_t ordinal);
    uint64_t max_users;
    enum onramp_verification_mail mail;
    bool interrupted; /* the first question gets no answer, and the user wants to stop */
};

static bool on_its_way(void *context)
{
    (void)context;
    return world.requests > 0;
}

static void arrive(const struct scene *scene)
{
    struct world_setup setup = {.seed = 1, .network = {.way_min = ONRAMP_MILLISECOND, .way_max = ONRAMP_MILLISECOND}};
    onramp_tenant_defaults(&setup.tenant);
    setup.tenant.options = scene->options;
    setup.tenant.strategy = scene->strategy != NULL ? scene->strategy : setup.tenant.strategy;
    setup.tenant.scopes = scene->scopes != NULL ? scene->scopes : setup.tenant.scopes;
    setup.tenant.client_disabled = scene->client_disabled;
    setup.tenant.no_headers = scene->no_headers;
    setup.tenant.token_seconds = scene->token_seconds > 0 ? scene->token_seconds : setup.tenant.token_seconds;
    setup.tenant.epoch = INT64_C(1790000000123);
    setup.plan[0].request = scene->interrupted ? 1 : 0;
    setup.plan[0].fault = WORLD_LOST;
    world_init(&world, &setup);
}

static void look(const struct scene *scene)
{
    struct onramp_upload_settings upload;
    struct world_source records;
    struct onramp_secret *token = NULL;
    struct onramp_error err = {0};
    arrive(scene);
    world_upload_settings(&world, &upload, 1);
    world_source_init(&records, scene->count, scene->make);
    struct onramp_check_settings settings = {.target = upload.target,
                                             .max_users = scene->max_users > 0 ? scene->max_users : 1000,
                                             .verification_mail = scene->mail};
    if (scene->connection != NULL)
        settings.target.connection = scene->connection;
    if (scene->token != NULL) {
        assert_int_equal(onramp_secret_copy(&token, scene->token, strlen(scene->token), &err), ONRAMP_OK);
        settings.target.access.token = token;
    }
    struct onramp_observer observer = {.stopping = scene->interrupted ? on_its_way : NULL};
    world.now += scene->wait;
    enum onramp_status st =
        onramp_check(&settings, scene->count > 0 ? &records.source : NULL, &world.transport, &observer, &found, &err);
    if (st != ONRAMP_OK)
        fail_msg("%s", err.text);
    onramp_secret_free(token);
    world_upload_clear(&upload);
}

#define LOOK(...) look(&(const struct scene){__VA_ARGS__})

static int leave(void **state)
{
    (void)state;
    struct onramp_tenant_view view;
    onramp_tenant_view(world.tenant, world.now, &view);
    assert_int_equal(view.users + view.mails + view.tickets + view.deleted, 0); /* nothing was written, ever */
    world_clear(&world);
    onramp_check_clear(&found);
    return 0;
}

/* The finding of this part, severity and subject. */
static const struct onramp_finding *finding(enum onramp_part part, enum onramp_severity severity, const char *subject)
{
    for (size_t i = 0; i < found.count; i++) {
        const struct onramp_finding *f = &found.findings[i];
        if (f->part == part && f->severity == severity && strcmp(f->subject, subject) == 0)
            return f;
    }
    for (size_t i = 0; i < found.count; i++)
        print_message("%s %s '%s': %s\n", onramp_part_name(found.findings[i].part),
                      onramp_severity_name(found.findings[i].severity), found.findings[i].subject,
                      found.findings[i].text);
    fail_msg("nothing found of '%s' in %s", subject, onramp_part_name(part));
    return NULL;
}

static void assert_says(const struct onramp_finding *f, const char *words)
{
    if (strstr(f->text, words) == NULL)
        fail_msg("'%s' does not say: %s", f->text, words);
}

static void assert_advises(const struct onramp_finding *f, const char *words)
{
    if (strstr(f->remedy, words) == NULL)
        fail_msg("'%s' does not say: %s", f->remedy, words);
}

/* ---- the token ---- */

static void all_well_is_exit_0_and_every_finding_good(void **state)
{
    (void)state;
    LOOK(.count = 5);
    assert_int_equal(found.exit, 0);
    for (size_t i = 0; i < found.count; i++)
        if (found.findings[i].severity != ONRAMP_FINDING_GOOD)
            fail_msg("%s", found.findings[i].text);
    assert_int_equal(found.records, 5);
    assert_int_equal(found.sendable, 5);
}

static void what_is_not_good_comes_with_a_remedy(void **state)
{
    (void)state;
    static const struct scene scenes[] = {{.scopes = "read:connections"},
                                          {.client_disabled = true},
                                          {.strategy = "google-oauth2"},
                                          {.connection = "none"},
                                          {.token_seconds = 60, .wait = 100 * ONRAMP_SECOND},
                                          {.token = "not a token"}};
    for (size_t i = 0; i < sizeof scenes / sizeof scenes[0]; i++) {
        look(&scenes[i]);
        for (size_t k = 0; k < found.count; k++)
            if (found.findings[k].severity != ONRAMP_FINDING_GOOD && found.findings[k].remedy[0] == '\0')
                fail_msg("%s", found.findings[k].text);
        if (i + 1 < sizeof scenes / sizeof scenes[0])
            leave(NULL);
    }
}

static void missing_scopes_are_told_with_the_commands_that_need_them(void **state)
{
    (void)state;
    static const struct {
        const char *scope, *command;
        enum onramp_severity severity;
    } scopes[] = {
        {"create:users", "upload", ONRAMP_FINDING_STOP},
        {"read:users", "verify", ONRAMP_FINDING_WARNING},
        {"create:user_tickets", "invite --by ticket", ONRAMP_FINDING_NOTICE},
        {"delete:users", "undo", ONRAMP_FINDING_NOTICE},
        {"update:users", "--role", ONRAMP_FINDING_NOTICE},
        {"create:role_members", "--role", ONRAMP_FINDING_NOTICE},
        {"create:organization_members", "--organization", ONRAMP_FINDING_NOTICE},
    };
    LOOK(.scopes = "read:connections");
    assert_int_equal(found.exit, 4);
    for (size_t i = 0; i < sizeof scopes / sizeof scopes[0]; i++)
        assert_says(finding(ONRAMP_PART_TOKEN, scopes[i].severity, scopes[i].scope), scopes[i].command);
    assert_says(finding(ONRAMP_PART_TOKEN, ONRAMP_FINDING_GOOD, "scope"), "carries read:connections");
}

static void a_token_expires_by_the_tenants_clock(void **state)
{
    (void)state;
    LOOK(.token_seconds = 7200, .wait = 70 * ONRAMP_SECOND);
    assert_says(finding(ONRAMP_PART_TOKEN, ONRAMP_FINDING_GOOD, "expiry"), "expires in 1 h 58 min");
    leave(NULL);
    LOOK(.token_seconds = 300, .wait = 30 * ONRAMP_SECOND);
    assert_says(finding(ONRAMP_PART_TOKEN, ONRAMP_FINDING_WARNING, "expiry"), "expires in 4 min");
    assert_int_equal(found.exit, 0);
    leave(NULL);
    LOOK(.token_seconds = 300, .wait = 500 * ONRAMP_SECOND);
    assert_says(finding(ONRAMP_PART_TOKEN, ONRAMP_FINDING_WARNING, "expiry"), "expired 3 min ago");
    assert_says(finding(ONRAMP_PART_TOKEN, ONRAMP_FINDING_STOP, ""), "answered 401");
    assert_int_equal(found.exit, 4);
}

static void a_token_that_is_none_is_not_sent(void **state)
{
    (void)state;
    struct onramp_tenant_view view;
    LOOK(.token = "opaque");
    onramp_tenant_view(world.tenant, world.now, &view);
    assert_says(finding(ONRAMP_PART_TOKEN, ONRAMP_FINDING_STOP, ""), "three parts");
    assert_int_equal(found.exit, 2);
    assert_int_equal(view.requests, 0);
}

static void another_tenants_token_is_known_by_its_issuer(void **state)
{
    (void)state;
    /* {"iss":"https://other.eu.auth0.com/","aud":"https://other.eu.auth0.com/userinfo","azp":"me"} */
    LOOK(.token = "eyJhbGciOiJSUzI1NiJ9."
                  "eyJpc3MiOiJodHRwczovL290aGVyLmV1LmF1dGgwLmNvbS8iLCJhdWQiOiJodHRwczovL290aGVyLmV1LmF1dGgwLmNvbS91c2Vy"
                  "aW5mbyIsImF6cCI6Im1lIn0."
                  "AAAA");
    assert_int_equal(found.exit, 4);
    assert_says(finding(ONRAMP_PART_TOKEN, ONRAMP_FINDING_WARNING, "issuer"), "https://other.eu.auth0.com/");
    assert_says(finding(ONRAMP_PART_TOKEN, ONRAMP_FINDING_WARNING, "audience"), "is not the Management API");
}

/* ---- the connection ---- */

static void a_connection_that_cannot_take_users_is_exit_3(void **state)
{
    (void)state;
    LOOK(.connection = "none");
    assert_int_equal(found.exit, 3);
    assert_says(finding(ONRAMP_PART_CONNECTION, ONRAMP_FINDING_STOP, "none"), "does not exist");
    leave(NULL);
    LOOK(.strategy = "google-oauth2");
    assert_int_equal(found.exit, 3);
    assert_says(finding(ONRAMP_PART_CONNECTION, ONRAMP_FINDING_STOP, "Username-Password-Authentication"),
                "is no database");
    leave(NULL);
    LOOK(.client_disabled = true);
    assert_int_equal(found.exit, 3);
    assert_advises(finding(ONRAMP_PART_CONNECTION, ONRAMP_FINDING_STOP, "applications"), "switch it on");
}

static void what_the_connection_wants_is_told_in_words(void **state)
{
    (void)state;
    LOOK(.options = "{\"requires_username\":true,\"validation\":{\"username\":{\"min\":3,\"max\":20}},"
                    "\"passwordPolicy\":\"excellent\",\"enabledDatabaseCustomization\":true,"
                    "\"password_dictionary\":{\"enable\":true,\"dictionary\":[\"acme\",\"onramp\"]}}");
    assert_int_equal(found.exit, 0);
    const struct onramp_finding *f = finding(ONRAMP_PART_CONNECTION, ONRAMP_FINDING_GOOD, "identifiers");
    assert_says(f, "every user needs email, username; takes usernames of 3 to 20 characters");
    assert_says(finding(ONRAMP_PART_CONNECTION, ONRAMP_FINDING_GOOD, "passwords"), "at least 10 characters");
    assert_says(finding(ONRAMP_PART_CONNECTION, ONRAMP_FINDING_GOOD, "dictionary"), "2 words");
    assert_says(finding(ONRAMP_PART_CONNECTION, ONRAMP_FINDING_NOTICE, "custom database"), "run at every create");
}

static void what_cannot_be_seen_is_a_warning(void **state)
{
    (void)state;
    LOOK(.scopes = "create:users read:users");
    assert_int_equal(found.exit, 0);
    assert_says(finding(ONRAMP_PART_CONNECTION, ONRAMP_FINDING_WARNING, "Username-Password-Authentication"),
                "cannot be seen");
}

static void limits_are_those_of_the_answers(void **state)
{
    (void)state;
    LOOK(.count = 0);
    assert_says(finding(ONRAMP_PART_LIMITS, ONRAMP_FINDING_GOOD, "connections"), "50 at once, 49 left");
    leave(NULL);
    LOOK(.no_headers = true);
    assert_says(finding(ONRAMP_PART_LIMITS, ONRAMP_FINDING_NOTICE, "connections"), "show none");
}

/* ---- the file ---- */

static const char *troubled(uint64_t ordinal)
{
    static const char *const records[] = {
        "{\"email\":\"ann@example.com\",\"app_metadata\":{\"email\":1,\"a.b\":2},\"nmae\":\"Ann\"}",
        "{\"email\":\"bob\"}",
        "{\"email\":\"carl\",\"email_verified\":\"yes\"}",
        "{\"email\":\"dora@example.com\",\"username\":\"dora\"}",
        "{\"phone_number\":\"+4930\"}",
        "{\"email\":\"emil@example.com\",\"created_at\":\"2020\"}",
        "{\"email\":\"EMIL@example.com\"}",
        "{\"email\":\"fay@example.com\",\"password_hash\":\"x\"}",
        "{\"name\":\"Gus\"}",
        "{\"email\":7}",
        "{\"email\":\"x@y\"}",
    };
    return records[ordinal];
}

static void each_problem_of_each_record_is_found_and_counted(void **state)
{
    (void)state;
    LOOK(.count = 11, .make = troubled);
    assert_int_equal(found.exit, 1);
    assert_int_equal(found.sendable, 1);
    assert_int_equal(found.invalid, 9);
    assert_int_equal(found.duplicate, 1);
    static const char *const subjects[] = {
        "app_metadata.email", "app_metadata.a.b", "nmae", "email_verified", "username", "", "password_hash"};
    for (size_t i = 0; i < sizeof subjects / sizeof subjects[0]; i++)
        assert_int_equal(finding(ONRAMP_PART_FILE, ONRAMP_FINDING_REFUSED, subjects[i])->count, 1);
    const struct onramp_finding *f = finding(ONRAMP_PART_FILE, ONRAMP_FINDING_REFUSED, "email");
    assert_says(f, "'bob' has no '@'");
    assert_int_equal(f->count, 2);
    assert_int_equal(f->first_count, 2);
    assert_true(f->varied);
    assert_int_equal(f->first[0], 1);
    assert_int_equal(f->first[1], 2);
    assert_int_equal(finding(ONRAMP_PART_FILE, ONRAMP_FINDING_NOTICE, "created_at")->first[0], 5);
}

/* Whatever is said of several records is true of each: no finding mixes two faults of one property. */
static void each_fault_of_a_property_is_a_finding_of_its_own(void **state)
{
    (void)state;
    LOOK(.count = 11, .make = troubled);
    static const struct {
        const char *words;
        uint64_t count, first;
    } faults[] = {{"'bob' has no '@'", 2, 1},
                  {"'x@y' has no dot", 1, 10},
                  {"must be a string, not a number", 1, 9},
                  {"the same email as record 5", 1, 6}};
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        const struct onramp_finding *f = NULL;
        for (size_t k = 0; k < found.count; k++)
            if (strstr(found.findings[k].text, faults[i].words) != NULL)
                f = &found.findings[k];
        assert_non_null(f);
        assert_string_equal(f->subject, "email");
        assert_int_equal(f->count, faults[i].count);
        assert_int_equal(f->first[0], faults[i].first);
    }
}

static const char *all_alike(uint64_t ordinal)
{
    static char text[80];
    (void)snprintf(text, sizeof text, "{\"email\":\"u%llu@example.com\",\"username\":\"u%llu\"}",
                   (unsigned long long)ordinal, (unsigned long long)ordinal);
    return text;
}

static void usernames_where_there_are_none_are_one_finding(void **state)
{
    (void)state;
    LOOK(.count = 300, .make = all_alike);
    const struct onramp_finding *f = finding(ONRAMP_PART_FILE, ONRAMP_FINDING_REFUSED, "username");
    assert_int_equal(f->count, 300);
    assert_int_equal(f->first_count, ONRAMP_FINDING_FIRST);
    assert_advises(f, "allow usernames");
    assert_int_equal(found.invalid, 300);
    assert_int_equal(found.exit, 1);
}

static const char *all_different(uint64_t ordinal)
{
    static char text[80];
    (void)snprintf(text, sizeof text, "{\"email\":\"u%llu@example.com\",\"x%llu\":1}", (unsigned long long)ordinal,
                   (unsigned long long)ordinal);
    return text;
}

static void endless_kinds_of_trouble_have_an_end(void **state)
{
    (void)state;
    LOOK(.count = 1000, .make = all_different);
    assert_true(found.count <= 210);
    const struct onramp_finding *f = finding(ONRAMP_PART_FILE, ONRAMP_FINDING_REFUSED, "others");
    assert_true(f->count > 700);
    assert_advises(f, "then check again");
}

static const char *large(uint64_t ordinal)
{
    static char text[12000];
    (void)ordinal;
    (void)snprintf(text, sizeof text, "{\"email\":\"ann@example.com\",\"user_metadata\":{\"notes\":\"%010999d\"}}", 0);
    return text;
}

static void a_large_profile_is_a_warning(void **state)
{
    (void)state;
    LOOK(.count = 1, .make = large);
    assert_int_equal(found.exit, 0);
    assert_int_equal(finding(ONRAMP_PART_FILE, ONRAMP_FINDING_WARNING, "size")->count, 1);
}

static void a_file_that_would_not_start_is_exit_3_whatever_the_tenant_says(void **state)
{
    (void)state;
    LOOK(.count = 5, .max_users = 4, .scopes = "read:connections");
    assert_int_equal(found.exit, 3);
    assert_says(finding(ONRAMP_PART_FILE, ONRAMP_FINDING_STOP, ""), "more than 4 users");
    assert_false(found.has_file);
}

static void mails_are_counted_before_anybody_gets_one(void **state)
{
    (void)state;
    LOOK(.count = 5, .mail = ONRAMP_MAIL_YES);
    assert_int_equal(found.mails, 5);
    assert_advises(finding(ONRAMP_PART_FILE, ONRAMP_FINDING_WARNING, "mails"), "--verification-mail no");
    leave(NULL);
    LOOK(.count = 5);
    assert_int_equal(found.mails, 0);
    assert_says(finding(ONRAMP_PART_FILE, ONRAMP_FINDING_GOOD, "mails"), "nobody gets");
}

static void an_interrupt_is_no_fault_of_the_tenant(void **state)
{
    (void)state;
    LOOK(.count = 5, .interrupted = true);
    assert_int_equal(found.exit, 130);
    for (size_t i = 0; i < found.count; i++)
        assert_int_not_equal(found.findings[i].severity, ONRAMP_FINDING_STOP);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, leave)
    const struct CMUnitTest tests[] = {
        TEST(all_well_is_exit_0_and_every_finding_good),
        TEST(what_is_not_good_comes_with_a_remedy),
        TEST(missing_scopes_are_told_with_the_commands_that_need_them),
        TEST(a_token_expires_by_the_tenants_clock),
        TEST(a_token_that_is_none_is_not_sent),
        TEST(another_tenants_token_is_known_by_its_issuer),
        TEST(a_connection_that_cannot_take_users_is_exit_3),
        TEST(what_the_connection_wants_is_told_in_words),
        TEST(what_cannot_be_seen_is_a_warning),
        TEST(limits_are_those_of_the_answers),
        TEST(each_problem_of_each_record_is_found_and_counted),
        TEST(each_fault_of_a_property_is_a_finding_of_its_own),
        TEST(usernames_where_there_are_none_are_one_finding),
        TEST(endless_kinds_of_trouble_have_an_end),
        TEST(a_large_profile_is_a_warning),
        TEST(a_file_that_would_not_start_is_exit_3_whatever_the_tenant_says),
        TEST(mails_are_counted_before_anybody_gets_one),
        TEST(an_interrupt_is_no_fault_of_the_tenant),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
