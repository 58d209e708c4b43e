/*
 * What is decided before the first create, and by what the tenant says of its connection: in virtual time.
 */
#include "sim/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char ledger_path[] = "/tmp/onramp-sim-XXXXXX";

static struct world world;
static uint64_t asked; /* how many mails were to be confirmed */
static bool consent;
static onramp_span taken; /* by the latest run */

static bool confirm(void *context, uint64_t mails)
{
    (void)context;
    asked = mails;
    return consent;
}

static bool on_its_way(void *context)
{
    (void)context;
    return world.setup.plan[0].request > 0 && world.requests >= world.setup.plan[0].request;
}

/* One run over `count` records against a tenant with these options. Clears the world's tenant, not the ledger. */
struct run {
    const char *options;
    uint64_t count;
    const char *(*make)(uint64_t ordinal);
    enum onramp_verification_mail mail;
    bool no_preflight;
    uint64_t unanswered; /* this request gets no answer, and the user wants to stop as soon as it has left; 0: none */
};

static struct onramp_summary run(const struct run *run)
{
    struct world_setup setup = {.seed = 1, .network = {.way_min = ONRAMP_MILLISECOND, .way_max = ONRAMP_MILLISECOND}};
    struct world_source records;
    struct onramp_upload_settings settings;
    struct onramp_ledger *ledger = NULL;
    struct onramp_summary summary;
    struct onramp_error err = {0};
    struct onramp_observer observer = {.confirm_mails = confirm, .stopping = on_its_way};
    onramp_tenant_defaults(&setup.tenant);
    setup.tenant.options = run->options;
    setup.tenant.epoch = INT64_C(1790000000123);
    setup.plan[0].request = run->unanswered;
    setup.plan[0].fault = WORLD_LOST;
    world_init(&world, &setup);
    world_source_init(&records, run->count, run->make);
    world_upload_settings(&world, &settings, 1);
    settings.verification_mail = run->mail;
    settings.no_preflight = run->no_preflight;
    asked = 0;
    onramp_time begun_at = world.now;
    if (onramp_ledger_open(&ledger, ledger_path, &world.disk, &err) != ONRAMP_OK)
        fail_msg("%s", err.text);
    enum onramp_status st =
        onramp_upload(&settings, &records.source, &world.transport, ledger, &observer, &summary, &err);
    assert_true((st == ONRAMP_OK) == (summary.exit < 2));
    taken = world.now - begun_at;
    onramp_ledger_close(ledger);
    world_upload_clear(&settings);
    return summary;
}

static int clear(void **state)
{
    (void)state;
    world_clear(&world);
    return unlink(ledger_path);
}

static const char *named(uint64_t ordinal)
{
    return ordinal == 1 ? "{\"email\":\"bob@example.com\",\"username\":\"bob\"}" : "{\"email\":\"ann@example.com\"}";
}

static void usernames_where_there_are_none_are_refused_here(void **state)
{
    (void)state;
    struct onramp_summary summary = run(&(struct run){.options = "{}", .count = 2, .make = named});
    assert_int_equal(summary.exit, 1);
    assert_int_equal(summary.counts[ONRAMP_CREATED], 1);
    assert_int_equal(summary.counts[ONRAMP_INVALID], 1);
    assert_int_equal(world.creates_sent, 1);
}

static const char *same_address(uint64_t ordinal)
{
    return ordinal == 0 ? "{\"email\":\"ann@example.com\"}" : "{\"email\":\"ann@example.com\",\"username\":\"ann\"}";
}

static void a_record_that_the_connection_refuses_takes_nobodys_place(void **state)
{
    (void)state;
    struct onramp_summary summary =
        run(&(struct run){.options = "{\"requires_username\":true}", .count = 2, .make = same_address});
    assert_int_equal(summary.counts[ONRAMP_INVALID], 1);
    assert_int_equal(summary.counts[ONRAMP_CREATED], 1);
    assert_int_equal(summary.counts[ONRAMP_DUPLICATE], 0);
}

static void who_was_created_stays_created_whatever_the_connection_wants_later(void **state)
{
    (void)state;
    struct onramp_summary summary = run(&(struct run){.options = "{}", .count = 1, .make = named});
    assert_int_equal(summary.counts[ONRAMP_CREATED], 1);
    world_clear(&world);
    summary = run(&(struct run){.options = "{\"requires_username\":true}", .count = 2, .make = named});
    assert_int_equal(summary.counts[ONRAMP_CREATED], 2);
    assert_int_equal(summary.exit, 0);
    assert_int_equal(world.creates_sent, 1);
}

static void without_preflight_the_connection_is_not_asked_about(void **state)
{
    (void)state;
    struct onramp_tenant_view view;
    struct onramp_summary summary =
        run(&(struct run){.options = "{}", .count = 2, .make = named, .no_preflight = true});
    onramp_tenant_view(world.tenant, world.now, &view);
    assert_int_equal(view.requests, world.creates_sent);
    assert_int_equal(summary.exit, 3); /* the create of bob tells that there are no usernames */
    assert_int_equal(summary.counts[ONRAMP_INVALID], 0);
}

static const char *verified_or_not(uint64_t ordinal)
{
    return ordinal == 0 ? "{\"email\":\"ann@example.com\",\"email_verified\":true}" : "{\"email\":\"bob@example.com\"}";
}

static void no_mail_goes_out_that_was_not_confirmed(void **state)
{
    (void)state;
    struct onramp_tenant_view view;
    struct run once = {.count = 2, .make = verified_or_not, .mail = ONRAMP_MAIL_YES};
    consent = false;
    struct onramp_summary summary = run(&once);
    onramp_tenant_view(world.tenant, world.now, &view);
    assert_int_equal(asked, 1);
    assert_int_equal(summary.exit, 2);
    assert_int_equal(world.creates_sent, 0);
    assert_int_equal(view.mails, 0);
    world_clear(&world);

    consent = true;
    summary = run(&once);
    onramp_tenant_view(world.tenant, world.now, &view);
    assert_int_equal(summary.exit, 0);
    assert_int_equal(view.mails, asked);
}

static void nobody_is_asked_about_no_mails(void **state)
{
    (void)state;
    consent = false;
    struct onramp_summary summary = run(&(struct run){.count = 2, .make = verified_or_not});
    assert_int_equal(asked, 0);
    assert_int_equal(summary.exit, 0);
}

static void an_interrupt_does_not_wait_for_what_is_asked_beforehand(void **state)
{
    (void)state;
    for (uint64_t request = 1; request <= 2; request++) { /* where the connection is, and whether it is enabled */
        struct onramp_summary summary = run(&(struct run){.count = 2, .make = named, .unanswered = request});
        assert_int_equal(summary.exit, 130);
        assert_int_equal(world.requests, request);
        assert_true(taken < 10 * ONRAMP_SECOND);
        if (request == 1)
            world_clear(&world);
    }
}

static int make_path(void **state)
{
    (void)state;
    int fd = mkstemp(ledger_path);
    return fd >= 0 && close(fd) == 0 ? 0 : -1;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, clear)
    const struct CMUnitTest tests[] = {
        TEST(usernames_where_there_are_none_are_refused_here),
        TEST(a_record_that_the_connection_refuses_takes_nobodys_place),
        TEST(who_was_created_stays_created_whatever_the_connection_wants_later),
        TEST(without_preflight_the_connection_is_not_asked_about),
        TEST(no_mail_goes_out_that_was_not_confirmed),
        TEST(nobody_is_asked_about_no_mails),
        TEST(an_interrupt_does_not_wait_for_what_is_asked_beforehand),
    };
    return cmocka_run_group_tests(tests, make_path, NULL);
}
