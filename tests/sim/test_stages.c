/*
 * What comes after the creates - verify, undo, invitations, roles and organizations - against the model tenant in
 * virtual time, on bad networks and through deaths. Each run replays from its seed: ONRAMP_SEED=N runs that one alone,
 * ONRAMP_SEEDS=N so many.
 */
#define _POSIX_C_SOURCE 200809L
#include "sim/world.h"
#include "tenant/model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char ledger_path[] = "/tmp/onramp-stages-XXXXXX";

/* ---- support ---- */

struct seeds {
    uint64_t first, last;
};

static struct seeds seeds(uint64_t usual)
{
    const char *one = getenv("ONRAMP_SEED"), *many = getenv("ONRAMP_SEEDS");
    if (one != NULL) {
        uint64_t seed = strtoull(one, NULL, 10);
        return (struct seeds){seed, seed};
    }
    return (struct seeds){1, many != NULL ? strtoull(many, NULL, 10) : usual};
}

#define FAIL(seed, ...)                                                                                                \
    do {                                                                                                               \
        print_error(__VA_ARGS__);                                                                                      \
        fail_msg("replay with ONRAMP_SEED=%llu", (unsigned long long)(seed));                                          \
    } while (0)

static struct world_setup ordinary(uint64_t seed)
{
    struct world_setup setup = {.seed = seed,
                                .network = {.way_min = 10 * ONRAMP_MILLISECOND, .way_max = 150 * ONRAMP_MILLISECOND}};
    onramp_tenant_defaults(&setup.tenant);
    const struct onramp_tier *tier = onramp_tier_find(seed % 2 ? "enterprise" : "professional");
    setup.tenant.api = tier->api;
    memcpy(setup.tenant.groups, tier->groups, sizeof tier->groups);
    setup.tenant.seed = seed;
    setup.tenant.epoch = INT64_C(1790000000123);
    return setup;
}

static void make_bad(struct world *w)
{
    struct world_network *net = &w->setup.network;
    net->chance[WORLD_REFUSED] = 10000;
    net->chance[WORLD_LOST] = 10000;
    net->chance[WORLD_MUTE] = 20000;
    net->chance[WORLD_TORN] = 20000;
    net->chance[WORLD_LATE] = net->chance[WORLD_ANSWER_LATE] = 20000;
    net->stall_max = 60 * ONRAMP_SECOND;
}

static void show(void *context, enum onramp_level level, const char *line)
{
    const struct world *w = context;
    print_message("%10.3f %d %s\n", (double)(w->now % (10000 * ONRAMP_SECOND)) / (double)ONRAMP_SECOND, (int)level,
                  line);
}

static struct onramp_observer observer_of(struct world *w)
{
    struct onramp_observer observer = {.context = w};
    if (getenv("ONRAMP_TRACE") != NULL) {
        observer.log = show;
        observer.debug = true;
    }
    return observer;
}

static struct onramp_ledger *open_ledger(struct world *w)
{
    struct onramp_ledger *ledger = NULL;
    struct onramp_error err = {0};
    if (onramp_ledger_open(&ledger, ledger_path, &w->disk, &err) != ONRAMP_OK)
        fail_msg("%s", err.text);
    return ledger;
}

static struct onramp_summary upload(struct world *w, uint64_t users, uint64_t seed)
{
    struct onramp_upload_settings settings;
    struct onramp_summary summary;
    struct onramp_error err = {0};
    struct world_source records;
    struct onramp_observer observer = observer_of(w);
    world_source_init(&records, users, NULL);
    world_upload_settings(w, &settings, seed);
    struct onramp_ledger *ledger = open_ledger(w);
    enum onramp_status st =
        onramp_upload(&settings, &records.source, &w->transport, ledger, &observer, &summary, &err);
    if (st != ONRAMP_OK && getenv("ONRAMP_TRACE") != NULL)
        print_message("ended with %d: %s\n", (int)st, err.text);
    onramp_ledger_close(ledger);
    world_upload_clear(&settings);
    return summary;
}

/* A world whose tenant has `users` users of this ledger's making. */
static void populate(struct world *w, const struct world_setup *setup, uint64_t users)
{
    (void)unlink(ledger_path);
    world_init(w, setup);
    if (upload(w, users, setup->seed).counts[ONRAMP_CREATED] != users)
        FAIL(setup->seed, "the upload before the stage did not create everybody\n");
}

typedef enum onramp_status stage_call(const struct onramp_stage_setup *setup, struct onramp_stage_summary *summary,
                                      struct onramp_error *err);

/* One run of a stage's command. */
static struct onramp_stage_summary run(struct world *w, stage_call *call, uint64_t seed)
{
    struct onramp_upload_settings settings;
    struct onramp_stage_summary summary;
    struct onramp_error err = {0};
    struct onramp_observer observer = observer_of(w);
    world_upload_settings(w, &settings, seed);
    struct onramp_stage_setup setup = {.target = &settings.target,
                                       .transport = &w->transport,
                                       .ledger = open_ledger(w),
                                       .settings_json = "{}",
                                       .observer = &observer};
    enum onramp_status st = call(&setup, &summary, &err);
    if (st != ONRAMP_OK && getenv("ONRAMP_TRACE") != NULL)
        print_message("ended with %d: %s\n", (int)st, err.text);
    onramp_ledger_close(setup.ledger);
    world_upload_clear(&settings);
    return summary;
}

static struct onramp_tenant_view view_of(struct world *w)
{
    struct onramp_tenant_view view;
    onramp_tenant_view(w->tenant, w->now, &view);
    return view;
}

static struct onramp_account *account(struct world *w, uint64_t record)
{
    char email[64];
    (void)snprintf(email, sizeof email, "u%llu@example.com", (unsigned long long)record);
    return onramp_directory_find(&w->tenant->directory, ONRAMP_ID_EMAIL, email, NULL);
}

static long ledger_size(void)
{
    FILE *file = fopen(ledger_path, "r");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    long size = ftell(file);
    (void)fclose(file);
    return size;
}

/* ---- verify ---- */

static void verify_tells_who_is_missing_and_who_has_left_the_connection(void **state)
{
    (void)state;
    struct world w;
    struct world_setup setup = ordinary(1);
    populate(&w, &setup, 60);
    for (uint64_t record = 7; record < 10; record++)
        onramp_directory_remove(&w.tenant->directory, account(&w, record));
    json_t *identity = json_array_get(json_object_get(account(&w, 20)->profile, "identities"), 0);
    (void)json_object_set_new(identity, "connection", json_string("elsewhere"));
    long size = ledger_size();
    struct onramp_stage_summary summary = run(&w, onramp_verify, 2);
    assert_int_equal(summary.exit, 1);
    assert_int_equal(summary.users, 60);
    assert_int_equal(summary.counts[ONRAMP_RESULT_DONE], 56);
    assert_int_equal(summary.counts[ONRAMP_RESULT_MISSING], 3);
    assert_int_equal(summary.counts[ONRAMP_RESULT_MOVED], 1);
    assert_int_equal(summary.requests, 60);
    assert_int_equal(summary.throttled, 0);
    assert_string_equal(summary.run, "");
    assert_int_equal(ledger_size(), size);
    assert_int_equal(view_of(&w).users, 57);
    world_clear(&w);
}

static void verify_finds_everybody_on_a_bad_network(void **state)
{
    (void)state;
    struct seeds s = seeds(40);
    for (uint64_t seed = s.first; seed <= s.last; seed++) {
        struct world w;
        struct world_setup setup = ordinary(seed);
        populate(&w, &setup, 60);
        make_bad(&w);
        struct onramp_stage_summary summary = run(&w, onramp_verify, seed + 1);
        uint64_t told = summary.counts[ONRAMP_RESULT_DONE] + summary.counts[ONRAMP_RESULT_FAILED];
        if (told != 60 || summary.exit != (summary.counts[ONRAMP_RESULT_FAILED] > 0 ? 5 : 0) ||
            summary.counts[ONRAMP_RESULT_FAILED] > 2)
            FAIL(seed, "exit %d, %llu of 60 there: %s\n", summary.exit,
                 (unsigned long long)summary.counts[ONRAMP_RESULT_DONE], summary.reason);
        world_clear(&w);
    }
}

static void verify_says_that_it_could_not_ask(void **state)
{
    (void)state;
    struct world w;
    struct world_setup setup = ordinary(1);
    populate(&w, &setup, 60);
    w.setup.network.chance[WORLD_REFUSED] = 1000000;
    struct onramp_stage_summary summary = run(&w, onramp_verify, 2);
    assert_int_equal(summary.exit, 5);
    assert_int_equal(summary.counts[ONRAMP_RESULT_DONE], 0);
    assert_int_equal(summary.counts[ONRAMP_RESULT_FAILED] + summary.unsent, 60);
    world_clear(&w);
}

static int make_path(void **state)
{
    (void)state;
    int fd = mkstemp(ledger_path);
    return fd >= 0 ? close(fd) : -1;
}

static int remove_path(void **state)
{
    (void)state;
    return unlink(ledger_path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verify_tells_who_is_missing_and_who_has_left_the_connection),
        cmocka_unit_test(verify_finds_everybody_on_a_bad_network),
        cmocka_unit_test(verify_says_that_it_could_not_ask),
    };
    return cmocka_run_group_tests(tests, make_path, remove_path);
}
