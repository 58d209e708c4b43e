/*
 * test_plan.c - a plan against what an upload then does.
 *
 * The witness is the world of the other simulations: another transport, another network, a real ledger on disk, and
 * other seeds; only the model of the tenant is the same, which is `onramp tenant`.
 */
#include "onramp/plan.h"
#include "sim/world.h"
#include "unit/io/test_ledger_support.h"

#include <math.h>

#define WAY (20 * ONRAMP_MILLISECOND)

static struct onramp_plan_settings plan_settings(const struct onramp_tier *tier)
{
    struct onramp_plan_settings settings;
    onramp_plan_defaults(&settings);
    settings.api = tier->api;
    memcpy(settings.groups, tier->groups, sizeof settings.groups);
    /* The world adds up to a fifth to each way, by chance. */
    settings.round_trip = 2 * WAY + WAY / 5;
    settings.upload = (struct onramp_upload_settings){.target = {.pacing = {.concurrency = 16, .reserve_percent = 20},
                                                                 .timeout = 30 * ONRAMP_SECOND,
                                                                 .max_attempts = 5,
                                                                 .give_up_after = 600 * ONRAMP_SECOND},
                                                      .input_path = "users.json",
                                                      .max_users = 1000,
                                                      .password_length = 32};
    return settings;
}

static void hint(struct onramp_pacer_settings *pacing, const struct onramp_tier *tier)
{
    struct onramp_limit limit = onramp_tier_create_limit(tier);
    pacing->hint = limit.rate;
    pacing->hint_burst = limit.burst;
}

/* The plan's summary; the rest of it too if `out` is not NULL, to be cleared. */
static struct onramp_summary planned(const struct onramp_plan_settings *settings, uint64_t records,
                                     struct onramp_plan *out)
{
    struct world_source source;
    world_source_init(&source, records, NULL);
    static struct onramp_plan plan;
    struct onramp_error err;
    if (onramp_plan(&plan, settings, &source.source, &err) != ONRAMP_OK)
        fail_msg("%s", err.text);
    assert_int_equal(source.next, 0); /* at its beginning again */
    if (out != NULL)
        *out = plan;
    else
        onramp_plan_clear(&plan);
    return plan.summary;
}

static struct onramp_summary uploaded(const struct onramp_plan_settings *plan, uint64_t records, uint64_t seed)
{
    static struct world world;
    struct world_setup setup = {.seed = seed, .network = {.way_min = WAY, .way_max = WAY}};
    onramp_tenant_defaults(&setup.tenant);
    setup.tenant.api = plan->api;
    memcpy(setup.tenant.groups, plan->groups, sizeof setup.tenant.groups);
    setup.tenant.seed = seed + 1000;
    setup.tenant.epoch = NOON;
    world_init(&world, &setup);
    struct onramp_upload_settings settings;
    world_upload_settings(&world, &settings, seed);
    settings.target.pacing = plan->upload.target.pacing;
    struct world_source source;
    world_source_init(&source, records, NULL);
    (void)unlink(ledger_path);
    struct onramp_ledger *ledger = open_disk(&world.disk);
    struct onramp_summary summary;
    struct onramp_error err;
    if (onramp_upload(&settings, &source.source, &world.transport, ledger, NULL, &summary, &err) != ONRAMP_OK)
        fail_msg("%s", err.text);
    onramp_ledger_close(ledger);
    world_upload_clear(&settings);
    world_clear(&world);
    return summary;
}

/* Within 2 % of the mean of several uploads, each of which has its own chance latencies. */
static void assert_agrees(const char *name, const struct onramp_plan_settings *settings, uint64_t records)
{
    enum { UPLOADS = 3 };
    struct onramp_summary plan = planned(settings, records, NULL);
    double seconds = 0;
    for (uint64_t seed = 1; seed <= UPLOADS; seed++) {
        struct onramp_summary upload = uploaded(settings, records, seed);
        assert_int_equal(upload.counts[ONRAMP_CREATED], records);
        assert_int_equal(plan.requests, upload.requests);
        assert_int_equal(plan.throttled, upload.throttled);
        seconds += upload.seconds / UPLOADS;
    }
    printf("%-20s planned %8.3f s, uploaded %8.3f s: %+.2f %%\n", name, plan.seconds, seconds,
           100 * (plan.seconds / seconds - 1));
    assert_int_equal(plan.counts[ONRAMP_CREATED], records);
    if (fabs(plan.seconds / seconds - 1) > 0.02)
        fail_msg("%s: planned %.3f s, uploaded %.3f s", name, plan.seconds, seconds);
}

static void agrees_with_the_upload_under_every_documented_plan(void **state)
{
    (void)state;
    const struct onramp_tier *tier;
    for (size_t i = 0; (tier = onramp_tier_at(i)) != NULL; i++) {
        struct onramp_plan_settings settings = plan_settings(tier);
        hint(&settings.upload.target.pacing, tier);
        assert_agrees(tier->name, &settings, 300);
    }
}

static void agrees_where_the_upload_has_to_learn_the_limit(void **state)
{
    (void)state;
    struct onramp_plan_settings settings = plan_settings(onramp_tier_find("enterprise"));
    assert_agrees("unknown limit", &settings, 300);
}

static void agrees_under_a_ceiling_of_the_users_own(void **state)
{
    (void)state;
    struct onramp_plan_settings settings = plan_settings(onramp_tier_find("private-10000"));
    settings.upload.target.pacing.ceiling = (struct onramp_rate){120, ONRAMP_MINUTE};
    settings.upload.target.pacing.ceiling_burst = 4;
    assert_agrees("ceiling of 2/s", &settings, 60);
}

static void shows_how_the_bucket_fares(void **state)
{
    (void)state;
    static struct onramp_plan plan;
    const struct onramp_tier *tier = onramp_tier_find("enterprise");
    struct onramp_plan_settings settings = plan_settings(tier);
    (void)planned(&settings, 300, &plan);
    assert_true(plan.point_count > 100 && plan.point_count <= ONRAMP_PLAN_POINTS);
    double least = tier->api.burst;
    for (size_t i = 0; i < plan.point_count; i++) {
        const struct onramp_plan_point *point = &plan.points[i];
        assert_true(point->tokens >= 0 && point->tokens <= tier->api.burst);
        assert_true(i == 0 || (point->at >= plan.points[i - 1].at && point->created >= plan.points[i - 1].created));
        least = point->tokens < least ? point->tokens : least;
    }
    assert_true(plan.points[0].at > 0 && plan.points[0].created == 0);
    assert_true(least < 0.5 * tier->api.burst);
    assert_true((double)plan.points[plan.point_count - 1].at / 1e9 <= plan.summary.seconds);
    onramp_plan_clear(&plan);
}

static void thins_the_points_of_a_long_run(void **state)
{
    (void)state;
    static struct onramp_plan plan;
    struct onramp_plan_settings settings = plan_settings(onramp_tier_find("private-10000"));
    (void)planned(&settings, 1000, &plan);
    assert_true(plan.point_count > ONRAMP_PLAN_POINTS / 2 && plan.point_count <= ONRAMP_PLAN_POINTS);
    assert_true(plan.points[plan.point_count - 1].created > 900);
    onramp_plan_clear(&plan);
}

static const char *mixed(uint64_t ordinal)
{
    static const char *const records[] = {
        "{\"email\":\"a@x.example\"}",
        "{\"email\":\"b@x.example\",\"email_verified\":true}",
        "{\"username\":\"c\",\"phone_number\":\"+4930901820\"}",
        "{\"email\":\"no address\"}",
        "{\"email\":\"A@x.example\"}",
        "{\"email\":\"d@x.example\",\"username\":\"d@x.example\"}",
        "{\"email\":\"e@x.example\",\"verify_email\":false}",
    };
    return records[ordinal];
}

static void counts_mails_and_what_is_wrong_with_the_file(void **state)
{
    (void)state;
    static struct onramp_plan plan;
    struct onramp_plan_settings settings = plan_settings(onramp_tier_find("enterprise"));
    struct world_source source;
    struct onramp_error err;
    world_source_init(&source, 7, mixed);
    settings.upload.verification_mail = ONRAMP_MAIL_YES;
    assert_int_equal(onramp_plan(&plan, &settings, &source.source, &err), ONRAMP_OK);
    assert_int_equal(plan.summary.counts[ONRAMP_CREATED], 5);
    assert_int_equal(plan.summary.counts[ONRAMP_INVALID], 1);
    assert_int_equal(plan.summary.counts[ONRAMP_DUPLICATE], 1);
    assert_int_equal(plan.summary.exit, 1);
    assert_int_equal(plan.mails, 3); /* nobody is mailed without an address, or with a verified one */
    assert_int_equal(entry(plan.ledger, "no address")->outcome, ONRAMP_INVALID);
    onramp_plan_clear(&plan);
}

static void says_the_same_each_time(void **state)
{
    (void)state;
    struct onramp_plan_settings settings = plan_settings(onramp_tier_find("essentials"));
    double first = planned(&settings, 100, NULL).seconds, second = planned(&settings, 100, NULL).seconds;
    assert_true(first == second);
}

static void refuses_what_the_upload_would_refuse(void **state)
{
    (void)state;
    static struct onramp_plan plan;
    struct onramp_plan_settings settings = plan_settings(onramp_tier_find("enterprise"));
    struct world_source source;
    struct onramp_error err;
    world_source_init(&source, 1001, NULL);
    assert_int_equal(onramp_plan(&plan, &settings, &source.source, &err), ONRAMP_EREFUSED);
    assert_non_null(strstr(err.text, "more than 1000 users"));
    settings.upload.target.pacing.concurrency = 0;
    assert_int_equal(onramp_plan(&plan, &settings, &source.source, &err), ONRAMP_EUSAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_the_upload_under_every_documented_plan),
        cmocka_unit_test(agrees_where_the_upload_has_to_learn_the_limit),
        cmocka_unit_test(agrees_under_a_ceiling_of_the_users_own),
        cmocka_unit_test(shows_how_the_bucket_fares),
        cmocka_unit_test(thins_the_points_of_a_long_run),
        cmocka_unit_test(counts_mails_and_what_is_wrong_with_the_file),
        cmocka_unit_test(says_the_same_each_time),
        cmocka_unit_test(refuses_what_the_upload_would_refuse),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
