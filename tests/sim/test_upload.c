/*
 * The shipped upload, scheduler, pacer and ledger against the model tenant in virtual time. Each run replays from its
 * seed: ONRAMP_SEED=N runs that one alone, ONRAMP_SEEDS=N so many (the soak does).
 */
#define _POSIX_C_SOURCE 200809L
#include "sim/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char ledger_path[] = "/tmp/onramp-sim-XXXXXX";

/* Sanitizers look for other faults than seeds do, at five times the price: a fifth of the seeds. */
#if defined(__SANITIZE_ADDRESS__)
#define PRICE 5
#else
#define PRICE 1
#endif

static struct world_setup ordinary(uint64_t seed, const char *tier_name)
{
    struct world_setup setup = {.seed = seed,
                                .network = {.way_min = 10 * ONRAMP_MILLISECOND, .way_max = 150 * ONRAMP_MILLISECOND}};
    onramp_tenant_defaults(&setup.tenant);
    const struct onramp_tier *tier = onramp_tier_find(tier_name);
    assert_non_null(tier);
    setup.tenant.api = tier->api;
    memcpy(setup.tenant.groups, tier->groups, sizeof tier->groups);
    setup.tenant.seed = seed;
    setup.tenant.epoch = INT64_C(1790000000123);
    return setup;
}

static char warning[400]; /* the latest of the latest run, unless its story is told */

static void note(void *context, enum onramp_level level, const char *line)
{
    (void)context;
    if (level == ONRAMP_LOG_WARN)
        (void)snprintf(warning, sizeof warning, "%s", line);
}

/* Whom the latest run told of, as "2:invalid 3:duplicate ", and without a message of whom it did. */
static char missed[200];

static void note_missed(void *context, uint64_t record, const struct onramp_identity *identity,
                        enum onramp_outcome outcome, const char *message)
{
    (void)context;
    assert_non_null(identity);
    char word[40];
    (void)snprintf(word, sizeof word, "%llu:%s%s ", (unsigned long long)record, onramp_outcome_name(outcome),
                   message != NULL ? "" : "!");
    assert_true(strlen(missed) + strlen(word) < sizeof missed);
    strcat(missed, word);
}

static struct onramp_rate ceiling; /* the user's own; {0, 0}: none */
static void (*progress)(void *context, const struct onramp_progress *p);

/* One run of the command. The ledger at ledger_path stays. */
static struct onramp_summary run_once(struct world *w, struct world_source *records, uint64_t seed)
{
    struct onramp_upload_settings settings;
    struct onramp_summary summary;
    struct onramp_ledger *ledger = NULL;
    struct onramp_error err = {0};
    struct onramp_observer observer = {.context = w, .progress = progress, .log = note};
    bool traced = world_trace(&observer);
    warning[0] = '\0';
    world_upload_settings(w, &settings, seed);
    settings.missed = records->count < 10 ? note_missed : NULL;
    missed[0] = '\0';
    settings.target.pacing.ceiling = ceiling;
    if (onramp_ledger_open(&ledger, ledger_path, &w->disk, &err) != ONRAMP_OK) {
        if (!w->dead && w->fail_at == 0)
            fail_msg("%s", err.text);
        world_upload_clear(&settings);
        return (struct onramp_summary){.exit = 5};
    }
    records->next = 0;
    enum onramp_status st =
        onramp_upload(&settings, &records->source, &w->transport, ledger, &observer, &summary, &err);
    if (st != ONRAMP_OK && traced)
        print_message("ended with %d: %s\n", (int)st, err.text);
    onramp_ledger_close(ledger);
    world_upload_clear(&settings);
    return summary;
}

static void start(struct world *w, struct world_source *records, const struct world_setup *setup, uint64_t count)
{
    (void)unlink(ledger_path);
    world_init(w, setup);
    world_source_init(records, count, NULL);
}

static uint64_t users(struct world *w)
{
    struct onramp_tenant_view view;
    onramp_tenant_view(w->tenant, w->now, &view);
    return view.users;
}

static void creates_everyone_on_every_plan(void **state)
{
    (void)state;
    for (size_t t = 0; onramp_tier_at(t) != NULL; t++) {
        const char *tier = onramp_tier_at(t)->name;
        struct seeds s = seeds(10 / PRICE);
        uint64_t refused = 0;
        for (uint64_t seed = s.first; seed <= s.last; seed++) {
            struct world w;
            struct world_source records;
            struct world_setup setup = ordinary(seed, tier);
            start(&w, &records, &setup, 300);
            struct onramp_summary summary = run_once(&w, &records, seed);
            if (summary.exit != 0 || summary.counts[ONRAMP_CREATED] != 300 || users(&w) != 300 || w.sent_unsynced ||
                w.creates_sent != 300 + summary.throttled || world_disagreements(&w, &records, ledger_path, NULL) > 0)
                FAIL(seed, "%s: exit %d, created %llu of 300, tenant has %llu: %s\n", tier, summary.exit,
                     (unsigned long long)summary.counts[ONRAMP_CREATED], (unsigned long long)users(&w), summary.reason);
            if (summary.others > 0)
                FAIL(seed, "%s: %llu tokens went to nobody else\n", tier, (unsigned long long)summary.others);
            refused += summary.throttled;
            world_clear(&w);
        }
        if (refused > 0)
            fail_msg("%s: %llu refusals", tier, (unsigned long long)refused);
    }
}

static onramp_time end_at; /* when it will be done, as progress has it halfway; 0: not halfway yet */

static void note_end(void *context, const struct onramp_progress *p)
{
    const struct world *w = context;
    if (end_at == 0 && p->settled >= p->records / 2)
        end_at = w->now + p->remaining;
}

static void foresees_the_end_under_any_ceiling_and_without_limits(void **state)
{
    (void)state;
    static const struct onramp_rate ceilings[] = {{0, 0}, {1, ONRAMP_SECOND}, {1000, ONRAMP_SECOND}, {0, 0}};
    for (size_t i = 0; i < sizeof ceilings / sizeof ceilings[0]; i++) {
        struct world w;
        struct world_source records;
        struct world_setup setup = ordinary(1, "enterprise");
        setup.tenant.no_headers = i == 3; /* then by what was done so far */
        start(&w, &records, &setup, 300);
        ceiling = ceilings[i];
        progress = note_end;
        end_at = 0;
        assert_int_equal(run_once(&w, &records, 1).exit, 0);
        ceiling = ceilings[0];
        progress = NULL;
        onramp_span off = w.now > end_at ? w.now - end_at : end_at - w.now;
        if (off > 5 * ONRAMP_SECOND)
            fail_msg("ceiling %llu: the end is %.1f s from where it was seen", (unsigned long long)ceilings[i].tokens,
                     (double)off / (double)ONRAMP_SECOND);
        world_clear(&w);
    }
}

/* What the tenant knows, the summary tells a good part of, and the ledger remembers it. */
static void tells_what_others_took_and_never_more(void **state)
{
    (void)state;
    struct seeds s = seeds(20 / PRICE);
    uint64_t took = 0, told = 0;
    for (uint64_t seed = s.first; seed <= s.last; seed++) {
        struct world w;
        struct world_source records;
        struct world_setup setup = ordinary(seed, "essentials");
        setup.tenant.rivals = 0.25;
        start(&w, &records, &setup, 200);
        struct onramp_summary summary = run_once(&w, &records, seed);
        struct onramp_tenant_view view;
        onramp_tenant_view(w.tenant, w.now, &view);
        uint64_t theirs = view.rival_calls - view.rival_refused;
        if (summary.exit != 0 || summary.others > theirs)
            FAIL(seed, "exit %d, others took %llu tokens, not %llu or more\n", summary.exit, (unsigned long long)theirs,
                 (unsigned long long)summary.others);
        struct onramp_ledger *ledger = NULL;
        struct onramp_report report;
        assert_int_equal(onramp_ledger_open(&ledger, ledger_path, NULL, NULL), ONRAMP_OK);
        assert_int_equal(onramp_report_make(&report, ledger, NULL), ONRAMP_OK);
        assert_int_equal(report.others, summary.others);
        onramp_report_clear(&report);
        onramp_ledger_close(ledger);
        took += theirs;
        told += summary.others;
        world_clear(&w);
    }
    if (told * 3 < took)
        fail_msg("of %llu tokens that others took, %llu were told", (unsigned long long)took, (unsigned long long)told);
}

static void loses_and_doubles_nobody_on_a_bad_network(void **state)
{
    (void)state;
    struct seeds s = seeds(60 / PRICE);
    for (uint64_t seed = s.first; seed <= s.last; seed++) {
        struct world w;
        struct world_source records;
        struct world_setup setup = ordinary(seed, seed % 2 ? "enterprise" : "professional");
        setup.network.chance[WORLD_REFUSED] = 10000;
        setup.network.chance[WORLD_LOST] = 10000;
        setup.network.chance[WORLD_MUTE] = 20000;
        setup.network.chance[WORLD_TORN] = 20000;
        setup.network.chance[WORLD_LATE] = 20000;
        setup.network.chance[WORLD_ANSWER_LATE] = 20000;
        setup.network.stall_max = 60 * ONRAMP_SECOND; /* beyond the timeout: a late create may meet its own retry */
        setup.tenant.faults[ONRAMP_FAULT_BAD_GATEWAY] = 20000;
        setup.tenant.faults[ONRAMP_FAULT_UNAVAILABLE] = 20000;
        start(&w, &records, &setup, 100);
        struct onramp_summary summary = {.exit = 5};
        for (int round = 0; round < 20 && summary.exit == 5; round++)
            summary = run_once(&w, &records, seed + (uint64_t)round * 1000);
        world_settle(&w);
        if (summary.exit != 0 || summary.counts[ONRAMP_CREATED] != 100 || users(&w) != 100 || w.sent_unsynced ||
            world_disagreements(&w, &records, ledger_path, NULL) > 0)
            FAIL(seed, "exit %d, created %llu of 100, tenant has %llu: %s\n", summary.exit,
                 (unsigned long long)summary.counts[ONRAMP_CREATED], (unsigned long long)users(&w), summary.reason);
        world_clear(&w);
    }
}

static void survives_death_between_any_two_deeds(void **state)
{
    (void)state;
    struct seeds s = seeds(150 / PRICE);
    for (uint64_t seed = s.first; seed <= s.last; seed++) {
        struct world w;
        struct world_source records;
        struct world_setup setup = ordinary(seed, "enterprise");
        setup.network.chance[WORLD_MUTE] = 30000;
        setup.network.chance[WORLD_LATE] = 30000;
        setup.network.chance[WORLD_ANSWER_LATE] = 30000;
        setup.network.stall_max = 40 * ONRAMP_SECOND;
        start(&w, &records, &setup, 40);
        struct onramp_rng rng;
        onramp_rng_init(&rng, seed);
        struct onramp_summary summary = {.exit = 5};
        for (int deaths = 0; deaths < 6; deaths++) {
            w.die_after = 1 + onramp_rng_below(&rng, 150);
            summary = run_once(&w, &records, seed * 100 + (uint64_t)deaths);
            world_reboot(&w);
        }
        for (int round = 0; round < 20 && summary.exit != 0; round++)
            summary = run_once(&w, &records, seed * 100 + 50 + (uint64_t)round);
        world_settle(&w);
        uint64_t sent = w.creates_sent;
        struct onramp_summary again = run_once(&w, &records, seed * 100 + 99);
        if (summary.exit != 0 || summary.counts[ONRAMP_CREATED] != 40 || users(&w) != 40 || w.sent_unsynced ||
            world_disagreements(&w, &records, ledger_path, NULL) > 0)
            FAIL(seed, "exit %d, created %llu of 40, tenant has %llu: %s\n", summary.exit,
                 (unsigned long long)summary.counts[ONRAMP_CREATED], (unsigned long long)users(&w), summary.reason);
        if (w.creates_sent != sent || again.counts[ONRAMP_CREATED] != 40 || again.requests != 0)
            FAIL(seed, "a settled ledger sent %llu creates\n", (unsigned long long)(w.creates_sent - sent));
        world_clear(&w);
    }
}

static void heals_after_a_disk_that_fails_once(void **state)
{
    (void)state;
    struct seeds s = seeds(100 / PRICE);
    for (uint64_t seed = s.first; seed <= s.last; seed++) {
        struct world w;
        struct world_source records;
        struct world_setup setup = ordinary(seed, "enterprise");
        start(&w, &records, &setup, 40);
        struct onramp_rng rng;
        onramp_rng_init(&rng, seed);
        w.fail_at = 1 + onramp_rng_below(&rng, 130);
        struct onramp_summary summary = run_once(&w, &records, seed);
        bool failed = summary.exit != 0;
        if (failed && summary.exit != 5 && summary.exit != 2)
            FAIL(seed, "exit %d: %s\n", summary.exit, summary.reason);
        world_reboot(&w);
        summary = run_once(&w, &records, seed + 1000);
        if (summary.exit != 0 || users(&w) != 40 || world_disagreements(&w, &records, ledger_path, NULL) > 0)
            FAIL(seed, "exit %d, created %llu of 40, tenant has %llu: %s\n", summary.exit,
                 (unsigned long long)summary.counts[ONRAMP_CREATED], (unsigned long long)users(&w), summary.reason);
        world_clear(&w);
    }
}

/* Whoever is in the tenant left this machine: the run that the disk has stopped must not say otherwise. */
static void calls_nobody_unsent_whom_it_has_sent(void **state)
{
    (void)state;
    struct seeds s = seeds(100 / PRICE);
    for (uint64_t seed = s.first; seed <= s.last; seed++) {
        struct world w;
        struct world_source records;
        struct world_setup setup = ordinary(seed, "enterprise");
        setup.network.chance[WORLD_MUTE] = 200000;
        start(&w, &records, &setup, 40);
        struct onramp_rng rng;
        onramp_rng_init(&rng, seed);
        w.fail_at = 20 + onramp_rng_below(&rng, 110);
        struct onramp_summary summary = run_once(&w, &records, seed);
        world_settle(&w);
        uint64_t told = summary.unsent;
        for (int i = 0; i < ONRAMP_OUTCOMES; i++)
            told += summary.counts[i];
        if (told != 40 || users(&w) > 40 - summary.unsent)
            FAIL(seed, "exit %d, %llu of 40 counted, %llu not sent, and %llu are there: %s\n", summary.exit,
                 (unsigned long long)told, (unsigned long long)summary.unsent, (unsigned long long)users(&w),
                 summary.reason);
        world_clear(&w);
    }
}

static void tells_those_that_were_there_from_its_own(void **state)
{
    (void)state;
    struct seeds s = seeds(50 / PRICE);
    for (uint64_t seed = s.first; seed <= s.last; seed++) {
        struct world w;
        struct world_source records;
        struct world_setup setup = ordinary(seed, "enterprise");
        start(&w, &records, &setup, 20);
        struct onramp_summary summary = run_once(&w, &records, seed); /* somebody else's import */
        assert_int_equal(summary.exit, 0);
        (void)unlink(ledger_path);
        w.setup.network.chance[WORLD_MUTE] = 200000;
        world_source_init(&records, 40, NULL);
        for (int round = 0; round < 20 && (round == 0 || summary.exit == 5 || summary.exit == 3); round++)
            summary = run_once(&w, &records, seed + 500 + (uint64_t)round);
        if (summary.exit != 0 || summary.counts[ONRAMP_EXISTS] != 20 || summary.counts[ONRAMP_CREATED] != 20)
            FAIL(seed, "exit %d, exists %llu, created %llu\n", summary.exit,
                 (unsigned long long)summary.counts[ONRAMP_EXISTS], (unsigned long long)summary.counts[ONRAMP_CREATED]);
        world_clear(&w);
    }
}

/* ---- those who are there already: conflicts show no limits ---- */

static bool everybody(uint64_t record, uint64_t seed)
{
    (void)record;
    (void)seed;
    return true;
}

static bool the_first_five(uint64_t record, uint64_t seed)
{
    (void)seed;
    return record < 5;
}

static bool the_first_half(uint64_t record, uint64_t seed)
{
    (void)seed;
    return record < 100;
}

static bool one_in_two(uint64_t record, uint64_t seed)
{
    struct onramp_rng rng;
    onramp_rng_init(&rng, seed * 1000 + record);
    return onramp_rng_below(&rng, 2) == 0;
}

/* Somebody else creates a user with this address, and whatever else `identifiers` goes on to say. */
static void rival(struct world *w, const char *identifiers)
{
    char json[300];
    (void)snprintf(json, sizeof json,
                   "{\"connection\":\"Username-Password-Authentication\",\"password\":\"Xk7!mq2#Wz9$pL\","
                   "\"verify_email\":false,\"email\":\"%s\"}",
                   identifiers);
    world_rival(w, json);
}

/* Somebody else has imported some of 200. */
static uint64_t settle_in(struct world *w, bool (*is_there)(uint64_t record, uint64_t seed), uint64_t seed)
{
    uint64_t there = 0;
    for (uint64_t record = 0; record < 200; record++) {
        char address[40];
        (void)snprintf(address, sizeof address, "u%llu@example.com", (unsigned long long)record);
        if (!is_there(record, seed))
            continue;
        there++;
        rival(w, address);
        w->now += ONRAMP_SECOND;
    }
    return there;
}

/* Seconds that a run of 200 takes, of whom so many are there; and it tells the truth of all. */
static struct onramp_summary import(const struct world_setup *setup, bool (*is_there)(uint64_t, uint64_t))
{
    struct world w;
    struct world_source records;
    uint64_t seed = setup->seed;
    start(&w, &records, setup, 200);
    uint64_t there = is_there != NULL ? settle_in(&w, is_there, seed) : 0;
    struct onramp_summary summary = run_once(&w, &records, seed);
    if (summary.exit != 0 || summary.counts[ONRAMP_EXISTS] != there || summary.counts[ONRAMP_CREATED] != 200 - there ||
        summary.others > 0 || world_disagreements(&w, &records, ledger_path, NULL) > 0)
        FAIL(seed, "exit %d, %llu of %llu exist, %llu created: %s\n", summary.exit,
             (unsigned long long)summary.counts[ONRAMP_EXISTS], (unsigned long long)there,
             (unsigned long long)summary.counts[ONRAMP_CREATED], summary.reason);
    world_clear(&w);
    return summary;
}

static const char *const tiers[] = {"free",       "enterprise-nonprod", "essentials",
                                    "enterprise", "private-dev",        "private-100"};

static void who_is_there_already_costs_one_request_and_no_refusal_on_any_plan(void **state)
{
    (void)state;
    for (size_t t = 0; t < sizeof tiers / sizeof tiers[0]; t++) {
        struct seeds s = seeds(5 / PRICE);
        for (uint64_t seed = s.first; seed <= s.last; seed++) {
            struct world_setup setup = ordinary(seed, tiers[t]);
            struct onramp_summary fresh = import(&setup, NULL), again = import(&setup, everybody);
            if (again.throttled > 0 || again.requests > 215 || again.seconds > fresh.seconds + 8)
                FAIL(seed, "%s: %llu requests, %llu refused, %.1f s instead of %.1f\n", tiers[t],
                     (unsigned long long)again.requests, (unsigned long long)again.throttled, again.seconds,
                     fresh.seconds);
        }
    }
}

/* One is asked about without need until it is seen that they are new, and is created without being asked about until it
 * is seen that they are not. */
static void a_few_who_are_there_already_do_not_mislead(void **state)
{
    (void)state;
    static const struct {
        bool (*is_there)(uint64_t record, uint64_t seed);
        uint64_t requests;
    } cases[] = {{the_first_five, 240}, {the_first_half, 240}, {one_in_two, 330}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct seeds s = seeds(12 / PRICE);
        for (uint64_t seed = s.first; seed <= s.last; seed++) {
            struct world_setup setup = ordinary(seed, tiers[seed % 6]);
            struct onramp_summary summary = import(&setup, cases[i].is_there);
            if (summary.throttled > 0 || summary.requests > cases[i].requests)
                FAIL(seed, "case %zu, %s: %llu requests, %llu refused\n", i, tiers[seed % 6],
                     (unsigned long long)summary.requests, (unsigned long long)summary.throttled);
        }
    }
}

/* A custom database may list people that it no longer has, and without read:users nobody can be asked: there is nothing
 * but conflicts then. So it is where the tenant refuses every record for what it is. */
static void answers_that_show_no_limits_are_as_good_as_no_headers_at_all(void **state)
{
    (void)state;
    static const struct {
        const char *options, *scopes;
        uint64_t exists;
    } cases[] = {
        {"{\"enabledDatabaseCustomization\":true,\"customScripts\":{},\"passwordPolicy\":\"good\"}", NULL, 200},
        {NULL, "create:users read:connections", 200},
        {"{\"requires_username\":true,\"validation\":{\"username\":{\"min\":3,\"max\":9}}}", "create:users", 0}};
    for (size_t t = 0; t < sizeof tiers / sizeof tiers[0]; t++) {
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
            struct world w;
            struct world_source records;
            struct world_setup setup = ordinary(t + 1, tiers[t]);
            struct onramp_summary fresh = import(&setup, NULL);
            setup.tenant.options = cases[i].options;
            setup.tenant.scopes = cases[i].scopes != NULL ? cases[i].scopes : setup.tenant.scopes;
            start(&w, &records, &setup, 200);
            if (cases[i].exists > 0)
                (void)settle_in(&w, everybody, t);
            struct onramp_summary summary = run_once(&w, &records, t);
            if (summary.counts[ONRAMP_EXISTS] != cases[i].exists ||
                summary.counts[ONRAMP_REJECTED] != 200 - cases[i].exists || summary.throttled > 12 ||
                summary.seconds > fresh.seconds + 20)
                FAIL(t + 1, "%s, case %zu: %llu exist, %llu rejected, %llu refused, %.1f s instead of %.1f\n", tiers[t],
                     i, (unsigned long long)summary.counts[ONRAMP_EXISTS],
                     (unsigned long long)summary.counts[ONRAMP_REJECTED], (unsigned long long)summary.throttled,
                     summary.seconds, fresh.seconds);
            world_clear(&w);
        }
    }
}

static void who_is_asked_about_beforehand_is_not_lost_on_a_bad_network(void **state)
{
    (void)state;
    struct seeds s = seeds(40 / PRICE);
    for (uint64_t seed = s.first; seed <= s.last; seed++) {
        struct world w;
        struct world_source records;
        struct world_setup setup = ordinary(seed, seed % 2 ? "enterprise" : "private-100");
        start(&w, &records, &setup, 200);
        uint64_t there = settle_in(&w, seed % 3 ? the_first_half : one_in_two, seed);
        world_make_bad(&w);
        w.setup.network.stall_max = 40 * ONRAMP_SECOND;
        struct onramp_rng rng;
        onramp_rng_init(&rng, seed);
        struct onramp_summary summary = {.exit = 5};
        for (int round = 0; round < 25 && (round < 5 || summary.exit != 0); round++) {
            w.die_after = round < 5 ? w.deeds + 1 + onramp_rng_below(&rng, 200) : 0;
            summary = run_once(&w, &records, seed * 100 + (uint64_t)round);
            world_reboot(&w);
            if (world_false_claims(&w, &records, ledger_path) > 0)
                FAIL(seed, "round %d: the ledger is wrong\n", round);
        }
        world_settle(&w);
        if (summary.exit != 0 || summary.counts[ONRAMP_EXISTS] != there || users(&w) != 200 ||
            world_disagreements(&w, &records, ledger_path, NULL) > 0)
            FAIL(seed, "exit %d, %llu of %llu exist, tenant has %llu: %s\n", summary.exit,
                 (unsigned long long)summary.counts[ONRAMP_EXISTS], (unsigned long long)there,
                 (unsigned long long)users(&w), summary.reason);
        world_clear(&w);
    }
}

static const char *with_one_in_front(uint64_t ordinal)
{
    static char json[60];
    (void)snprintf(json, sizeof json, "{\"email\":\"u%llu@example.com\"}", (unsigned long long)(ordinal + 200) % 201);
    return json;
}

static void a_run_that_stops_at_once_tells_all_the_same_what_earlier_ones_settled(void **state)
{
    (void)state;
    struct world w;
    struct world_source records;
    struct world_setup setup = ordinary(1, "enterprise");
    start(&w, &records, &setup, 200);
    assert_int_equal(run_once(&w, &records, 1).counts[ONRAMP_CREATED], 200);
    world_source_init(&records, 201, with_one_in_front);
    records.digest = "00000000000000000000000000000000000000000000000000000000000000bb";
    w.setup.plan[0].request = w.requests + 3; /* the create, behind two questions about the connection */
    w.setup.plan[0].fault = WORLD_EXPIRED;
    struct onramp_summary summary = run_once(&w, &records, 2);
    assert_int_equal(summary.exit, 4);
    assert_int_equal(summary.counts[ONRAMP_CREATED], 200);
    assert_int_equal(summary.counts[ONRAMP_FAILED], 1);
    assert_int_equal(summary.unsent, 0);
    assert_non_null(strstr(summary.reason, "Expired token"));
    world_clear(&w);
}

static const char *namesakes(uint64_t ordinal)
{
    static const char *const records[] = {
        "{\"email\":\"ann@example.org\",\"username\":\"ann\"}",  /* the name is another's */
        "{\"email\":\"ANN@example.com\",\"username\":\"anna\"}", /* the address is there */
        "{\"email\":\"bob@example.com\",\"username\":\"bob\"}",  /* both are */
        "{\"email\":\"cyd@example.com\",\"username\":\"cyd\"}",
        "{\"email\":\"dan@example.com\",\"username\":\"dan\",\"user_id\":\"d1\"}",  /* all three are */
        "{\"email\":\"eve@example.org\",\"username\":\"eve\",\"user_id\":\"e2\"}"}; /* the name is another's */
    return records[ordinal];
}

/* Somebody else has the username: whoever was to get it is not there, whatever else is. */
static void a_username_of_another_does_not_make_somebody_exist(void **state)
{
    (void)state;
    static const char *const theirs[] = {"ann@example.com\",\"username\":\"ann", "bob@example.com\",\"username\":\"bob",
                                         "dan@example.com\",\"username\":\"dan\",\"user_id\":\"d1",
                                         "eve@example.com\",\"username\":\"eve\",\"user_id\":\"e1"};
    struct world w;
    struct world_source records;
    struct world_setup setup = ordinary(1, "enterprise");
    setup.tenant.options = "{\"requires_username\":true}";
    start(&w, &records, &setup, 0);
    world_source_init(&records, 6, namesakes);
    for (size_t i = 0; i < sizeof theirs / sizeof theirs[0]; i++)
        rival(&w, theirs[i]);
    for (uint64_t round = 0; round < 2; round++) {
        struct onramp_summary summary = run_once(&w, &records, 1 + round);
        assert_int_equal(summary.exit, 1);
        assert_int_equal(summary.counts[ONRAMP_CREATED], 1);
        assert_int_equal(summary.counts[ONRAMP_EXISTS], 3);
        assert_string_equal(missed, "0:rejected 5:rejected ");
        assert_int_equal(users(&w), 5);
    }
    world_clear(&w);
}

static void says_unknown_where_it_may_not_ask(void **state)
{
    (void)state;
    struct world w;
    struct world_source records;
    struct world_setup setup = ordinary(1, "enterprise");
    setup.tenant.scopes = "create:users";
    setup.network.chance[WORLD_MUTE] = 300000;
    start(&w, &records, &setup, 30);
    struct onramp_summary summary = run_once(&w, &records, 1);
    assert_int_equal(summary.exit, 5);
    assert_true(summary.blind);
    assert_true(summary.counts[ONRAMP_UNKNOWN] > 0);
    assert_int_equal(summary.counts[ONRAMP_UNKNOWN] + summary.counts[ONRAMP_CREATED], 30);
    assert_int_equal(world_disagreements(&w, &records, ledger_path, NULL), 0);
    assert_int_equal(w.creates_sent, 30); /* none was sent twice on a guess */
    world_clear(&w);
}

static void says_what_stopped_it_while_it_asked(void **state)
{
    (void)state;
    struct world w;
    struct world_source records;
    struct world_setup setup = ordinary(1, "enterprise");
    setup.plan[0].request = 3; /* the create, behind two questions about the connection */
    setup.plan[0].fault = WORLD_MUTE;
    setup.plan[1].request = 4; /* what became of it */
    setup.plan[1].fault = WORLD_EXPIRED;
    start(&w, &records, &setup, 1);
    struct onramp_summary summary = run_once(&w, &records, 1);
    assert_int_equal(summary.exit, 4);
    assert_int_equal(summary.counts[ONRAMP_UNKNOWN], 1);
    assert_non_null(strstr(summary.reason, "' answered 401: Expired token"));
    assert_int_equal(run_once(&w, &records, 2).counts[ONRAMP_CREATED], 1);
    world_clear(&w);
}

static void says_once_with_what_status_somebody_else_answered(void **state)
{
    (void)state;
    struct world w;
    struct world_source records;
    struct world_setup setup = ordinary(1, "enterprise");
    setup.tenant.faults[ONRAMP_FAULT_UNAVAILABLE] = 1000000;
    start(&w, &records, &setup, 1);
    struct onramp_summary summary = run_once(&w, &records, 1);
    assert_int_equal(summary.exit, 3);
    assert_non_null(strstr(summary.reason, "' answered with status 503, not from the API"));
    world_clear(&w);
}

static void stops_at_once_when_all_would_be_refused_alike(void **state)
{
    (void)state;
    struct world w;
    struct world_source records;
    struct world_setup setup = ordinary(1, "enterprise");
    setup.tenant.client_disabled = true;
    setup.tenant.scopes = "create:users read:users"; /* may not look at connections: the first create tells */
    start(&w, &records, &setup, 300);
    struct onramp_summary summary = run_once(&w, &records, 1);
    assert_int_equal(summary.exit, 3);
    assert_int_equal(w.creates_sent, 1); /* the first goes alone */
    assert_non_null(strstr(summary.reason, "enabled for this client"));
    world_clear(&w);
}

static void carries_on_after_a_file_that_was_changed_on_the_way(void **state)
{
    (void)state;
    struct world w;
    struct world_source records;
    struct world_setup setup = ordinary(1, "free");
    start(&w, &records, &setup, 60);
    records.changes_at = 2 * 61 + 50; /* after two passes to the end, in the third, which feeds */
    struct onramp_summary summary = run_once(&w, &records, 1);
    assert_true(summary.counts[ONRAMP_CREATED] > 0 && summary.unsent > 0);
    assert_int_equal(summary.exit, 5);
    summary = run_once(&w, &records, 2);
    assert_int_equal(summary.exit, 0);
    assert_int_equal(summary.counts[ONRAMP_CREATED], 60);
    assert_int_equal(w.creates_sent, 60);

    records.reads = 0;
    records.changes_at = 1; /* before the first create it is refused */
    assert_int_equal(run_once(&w, &records, 3).exit, 3);
    world_clear(&w);
}

static void finds_a_disabled_connection_before_the_first_write(void **state)
{
    (void)state;
    struct world w;
    struct world_source records;
    struct world_setup setup = ordinary(1, "enterprise");
    setup.tenant.client_disabled = true;
    start(&w, &records, &setup, 300);
    struct onramp_summary summary = run_once(&w, &records, 1);
    assert_int_equal(summary.exit, 3);
    assert_int_equal(w.creates_sent, 0);
    world_clear(&w);
}

static void gives_up_on_a_tenant_that_only_fails_and_loses_nothing(void **state)
{
    (void)state;
    for (int which = 0; which < 2; which++) {
        struct world w;
        struct world_source records;
        struct world_setup setup = ordinary(1, "enterprise");
        setup.tenant.faults[which ? ONRAMP_FAULT_UNAVAILABLE : ONRAMP_FAULT_EDGE] = 1000000;
        setup.tenant.scopes = "create:users read:users";
        start(&w, &records, &setup, 50);
        onramp_time began = w.now;
        struct onramp_summary summary = run_once(&w, &records, 1);
        assert_int_equal(summary.exit, 5);
        assert_int_equal(summary.counts[ONRAMP_CREATED], 0);
        assert_true(w.now - began < 30 * ONRAMP_MINUTE);
        assert_int_equal(users(&w), 0);
        const char *why = which ? ": status 503, not from the API" : ": status 429, not from the API";
        bool told = strstr(warning, "no progress for ") != NULL && strstr(warning, why) != NULL;
        if (!told && getenv("ONRAMP_TRACE") == NULL)
            fail_msg("the user is told: %s", warning);
        if (strstr(summary.reason, "without progress: ") == NULL && summary.counts[ONRAMP_FAILED] != 50)
            fail_msg("it ended with: %s", summary.reason);
        world_clear(&w);
    }
}

static onramp_span give_up_after; /* 0: as usual */

/* One upload with client credentials instead of a token. */
static struct onramp_summary run_with_credentials(struct world *w, struct world_source *records, uint64_t seed)
{
    struct onramp_upload_settings settings;
    world_upload_settings(w, &settings, seed);
    world_upload_clear(&settings);
    struct onramp_secret *secret = NULL;
    struct onramp_ledger *ledger = NULL;
    struct onramp_summary summary;
    struct onramp_error err = {0};
    assert_int_equal(onramp_secret_copy(&secret, "local-secret", 12, NULL), ONRAMP_OK);
    settings.target.access = (struct onramp_access_settings){.client_id = "local-client", .client_secret = secret};
    if (give_up_after > 0)
        settings.target.give_up_after = give_up_after;
    assert_int_equal(onramp_ledger_open(&ledger, ledger_path, &w->disk, &err), ONRAMP_OK);
    records->next = 0;
    enum onramp_status st = onramp_upload(&settings, &records->source, &w->transport, ledger, NULL, &summary, &err);
    assert_true(st == ONRAMP_OK || st == ONRAMP_EAUTH);
    onramp_ledger_close(ledger);
    onramp_secret_free(secret);
    return summary;
}

static void renews_its_token_before_it_expires(void **state)
{
    (void)state;
    struct world w;
    struct world_source records;
    struct world_setup setup = ordinary(1, "free");
    setup.tenant.token_seconds = 20; /* the run takes some 150 s */
    start(&w, &records, &setup, 300);
    struct onramp_summary summary = run_with_credentials(&w, &records, 1);
    assert_int_equal(summary.exit, 0);
    assert_int_equal(summary.counts[ONRAMP_CREATED], 300);
    assert_int_equal(w.creates_sent, 300); /* none had to be sent again for a 401 */
    world_clear(&w);
}

static struct onramp_transport_ops through_outage; /* of the token endpoint alone … */
static const struct onramp_transport_ops *without;
static onramp_time outage_at; /* … for a minute */

static enum onramp_status send_through_outage(void *self, uint32_t id, const struct onramp_request *request,
                                              struct onramp_error *err)
{
    struct world *w = self;
    bool out = strcmp(request->path, "/oauth/token") == 0 && w->now >= outage_at && w->now < outage_at + ONRAMP_MINUTE;
    w->setup.network.chance[WORLD_UNAVAILABLE] = out ? 1000000 : 0;
    return without->send(self, id, request, err);
}

/* Its patience is what was given, and the run that ends with it is carried on by the next. */
static void waits_for_a_token_in_the_middle_of_a_run(void **state)
{
    (void)state;
    static const onramp_span patience[] = {10 * ONRAMP_MINUTE, 20 * ONRAMP_SECOND};
    for (size_t i = 0; i < 2; i++) {
        struct world w;
        struct world_source records;
        struct world_setup setup = ordinary(1, "free");
        setup.tenant.token_seconds = 20; /* the run takes some 150 s */
        start(&w, &records, &setup, 300);
        without = w.transport.ops;
        through_outage = *without;
        through_outage.send = send_through_outage;
        w.transport.ops = &through_outage;
        outage_at = w.now + 30 * ONRAMP_SECOND;
        give_up_after = patience[i];
        struct onramp_summary summary = run_with_credentials(&w, &records, 1);
        assert_int_equal(summary.exit, i == 0 ? 0 : 5);
        assert_true(summary.counts[ONRAMP_CREATED] > 50);
        assert_int_equal(users(&w), summary.counts[ONRAMP_CREATED]);
        outage_at = 0; /* is long over */
        assert_int_equal(run_with_credentials(&w, &records, 2).exit, 0);
        give_up_after = 0;
        assert_int_equal(world_disagreements(&w, &records, ledger_path, NULL), 0);
        assert_int_equal(w.creates_sent, 300);
        world_clear(&w);
    }
}

static void renews_its_token_once_on_a_401(void **state)
{
    (void)state;
    struct seeds s = seeds(20 / PRICE);
    unsigned at_once = 0;
    for (uint64_t seed = s.first; seed <= s.last; seed++) {
        struct world w;
        struct world_source records;
        struct world_setup setup = ordinary(seed, "enterprise");
        setup.tenant.faults[ONRAMP_FAULT_UNAUTHORIZED] = 10000;
        start(&w, &records, &setup, 300);
        struct onramp_summary summary = run_with_credentials(&w, &records, seed);
        at_once += summary.exit == 0;
        /* Two in a row, the second on a fresh token, rightly end a run; the next one carries on. */
        for (int round = 1; round < 10 && summary.exit == 4; round++)
            summary = run_with_credentials(&w, &records, seed + 1000 * (uint64_t)round);
        if (summary.exit != 0 || summary.counts[ONRAMP_CREATED] != 300 || users(&w) != 300)
            FAIL(seed, "exit %d: %s\n", summary.exit, summary.reason);
        world_clear(&w);
    }
    assert_true(at_once > (s.last - s.first) / 2);
}

static const char *mixed(uint64_t ordinal)
{
    static const char *const records[] = {
        "{\"email\":\"a@example.com\"}",
        "{\"email\":\"A@Example.com\"}",                                /* the same */
        "{\"name\":\"nobody\"}",                                        /* no identity */
        "{\"email\":\"b@example.com\",\"password_hash\":\"$2b$10$x\"}", /* import job */
        "{\"email\":\"c@example.com\"}",
    };
    return records[ordinal];
}

static void gives_every_record_one_outcome_and_skips_what_is_settled(void **state)
{
    (void)state;
    struct world w;
    struct world_source records;
    struct world_setup setup = ordinary(1, "free");
    start(&w, &records, &setup, 0);
    world_source_init(&records, 5, mixed);
    for (int round = 0; round < 2; round++) {
        struct onramp_summary summary = run_once(&w, &records, 1 + (uint64_t)round);
        assert_int_equal(summary.exit, 1);
        assert_int_equal(summary.counts[ONRAMP_CREATED], 2);
        assert_int_equal(summary.counts[ONRAMP_DUPLICATE], 1);
        assert_int_equal(summary.counts[ONRAMP_INVALID], 2);
        assert_int_equal(summary.unsent, 0);
        assert_int_equal(w.creates_sent, 2);
        assert_string_equal(missed, "1:duplicate 2:invalid 3:invalid ");
    }
    world_clear(&w);
}

static const char *all_corrected(uint64_t ordinal)
{
    static const char *const records[] = {"{\"email\":\"a@example.com\"}", "{\"email\":\"d@example.com\"}",
                                          "{\"email\":\"e@example.com\"}", "{\"email\":\"b@example.com\"}",
                                          "{\"email\":\"c@example.com\"}"};
    return records[ordinal];
}

static void tells_of_nobody_who_was_corrected_since(void **state)
{
    (void)state;
    struct world w;
    struct world_source records;
    struct world_setup setup = ordinary(1, "enterprise");
    start(&w, &records, &setup, 0);
    world_source_init(&records, 5, mixed);
    assert_int_equal(run_once(&w, &records, 1).exit, 1);
    assert_string_equal(missed, "1:duplicate 2:invalid 3:invalid ");
    world_source_init(&records, 5, all_corrected);
    records.digest = "00000000000000000000000000000000000000000000000000000000000000bb";
    assert_int_equal(run_once(&w, &records, 2).exit, 0);
    assert_string_equal(missed, "");
    world_clear(&w);
}

static const char *of_no_address(uint64_t ordinal)
{
    static const char *const records[] = {"{\"email\":\"n/a\"}", "{\"email\":\"n/a\"}",
                                          "{\"email\":\"a@example.com\",\"name\":7}", "{\"email\":\"a@example.com\"}",
                                          "{\"email\":\"n/a\"}"};
    return records[ordinal];
}

static bool count_outcome(void *context, const struct onramp_ledger_entry *entry)
{
    ((unsigned *)context)[entry->outcome]++;
    return true;
}

static void writes_an_outcome_for_each_record_though_they_share_an_identity(void **state)
{
    (void)state;
    struct world w;
    struct world_source records;
    struct world_setup setup = ordinary(1, "enterprise");
    start(&w, &records, &setup, 0);
    for (uint64_t round = 0; round < 3; round++) {
        world_source_init(&records, 5, of_no_address);
        if (round == 2) /* edited, though not there */
            records.digest = "00000000000000000000000000000000000000000000000000000000000000bb";
        struct onramp_summary summary = run_once(&w, &records, 1 + round);
        assert_int_equal(summary.counts[ONRAMP_INVALID], 4);
        assert_int_equal(summary.counts[ONRAMP_CREATED], 1);
        struct onramp_ledger *ledger = NULL;
        unsigned counts[ONRAMP_OUTCOMES] = {0};
        assert_int_equal(onramp_ledger_read(&ledger, ledger_path, NULL), ONRAMP_OK);
        onramp_ledger_each(ledger, count_outcome, counts);
        onramp_ledger_close(ledger);
        assert_int_equal(counts[ONRAMP_INVALID], 4);
        assert_int_equal(counts[ONRAMP_CREATED], 1);
    }
    world_clear(&w);
}

static const char *second_is_weak(uint64_t ordinal)
{
    static const char *const records[] = {"{\"email\":\"a@example.com\"}",
                                          "{\"email\":\"b@example.com\",\"username\":\"b\"}"};
    return records[ordinal];
}

static const char *second_is_corrected(uint64_t ordinal)
{
    return ordinal == 1 ? "{\"email\":\"b@example.com\"}" : second_is_weak(ordinal);
}

static void sends_a_rejected_record_again_only_when_the_file_was_edited(void **state)
{
    (void)state;
    struct world w;
    struct world_source records;
    struct world_setup setup = ordinary(1, "enterprise");
    setup.tenant.options = "{\"requires_username\":true,\"validation\":{\"username\":{\"min\":3,\"max\":9}}}";
    setup.tenant.scopes = "create:users read:users"; /* so that only the tenant knows its rule */
    start(&w, &records, &setup, 0);
    world_source_init(&records, 2, second_is_weak);
    struct onramp_summary summary = run_once(&w, &records, 1);
    assert_int_equal(summary.counts[ONRAMP_REJECTED], 2);
    uint64_t sent = w.creates_sent;
    assert_int_equal(run_once(&w, &records, 2).counts[ONRAMP_REJECTED], 2);
    assert_string_equal(missed, "0:rejected 1:rejected "); /* it still stands, and with its reason */
    assert_int_equal(w.creates_sent, sent);
    world_source_init(&records, 2, second_is_corrected);
    records.digest = "00000000000000000000000000000000000000000000000000000000000000bb";
    summary = run_once(&w, &records, 3);
    assert_int_equal(w.creates_sent, sent + 2);
    world_clear(&w);
}

static void keeps_a_password_to_itself_that_the_tenant_repeats(void **state)
{
    (void)state;
    struct world w;
    struct world_source records;
    struct world_setup setup = ordinary(1, "enterprise");
    setup.parrots = true;
    start(&w, &records, &setup, 1);
    assert_int_equal(run_once(&w, &records, 1).counts[ONRAMP_REJECTED], 1);
    struct onramp_ledger *ledger = NULL;
    assert_int_equal(onramp_ledger_read(&ledger, ledger_path, NULL), ONRAMP_OK);
    struct onramp_identity who = {.email = "u0@example.com"};
    const struct onramp_ledger_entry *entry = onramp_ledger_find(ledger, &who);
    assert_non_null(entry);
    assert_string_equal(entry->message, "(withheld: the answer repeats a secret)");
    onramp_ledger_close(ledger);
    world_clear(&w);
}

/* Before the first create too: in what the preflight is told, and in why there is no token. */
static void keeps_token_and_secret_to_itself_that_a_server_repeats(void **state)
{
    (void)state;
    struct world w;
    struct world_source records;
    struct world_setup setup = ordinary(1, "enterprise");
    setup.all_parrots = true;
    start(&w, &records, &setup, 1);
    struct onramp_summary summary = run_once(&w, &records, 1);
    assert_int_equal(summary.exit, 4);
    assert_null(strstr(summary.reason, "Bearer"));
    assert_non_null(strstr(summary.reason, "withheld"));
    summary = run_with_credentials(&w, &records, 2);
    assert_int_equal(summary.exit, 4);
    assert_null(strstr(summary.reason, "local-secret"));
    assert_non_null(strstr(summary.reason, "withheld"));
    world_clear(&w);
}

static bool after_ten(void *context)
{
    struct onramp_tenant_view view;
    struct world *w = context;
    onramp_tenant_view(w->tenant, w->now, &view);
    return view.users >= 10;
}

static void lands_what_is_in_flight_when_interrupted(void **state)
{
    (void)state;
    struct world w;
    struct world_source records;
    struct world_setup setup = ordinary(1, "enterprise");
    start(&w, &records, &setup, 100);
    struct onramp_upload_settings settings;
    world_upload_settings(&w, &settings, 1);
    struct onramp_observer observer = {.context = &w, .stopping = after_ten};
    struct onramp_ledger *ledger = NULL;
    struct onramp_summary summary;
    struct onramp_error err = {0};
    assert_int_equal(onramp_ledger_open(&ledger, ledger_path, &w.disk, &err), ONRAMP_OK);
    assert_int_equal(onramp_upload(&settings, &records.source, &w.transport, ledger, &observer, &summary, &err),
                     ONRAMP_OK);
    onramp_ledger_close(ledger);
    world_upload_clear(&settings);
    assert_int_equal(summary.exit, 130);
    assert_int_equal(summary.counts[ONRAMP_CREATED], users(&w)); /* each that is there is recorded */
    assert_int_equal(summary.counts[ONRAMP_CREATED] + summary.unsent, 100);
    summary = run_once(&w, &records, 2);
    assert_int_equal(summary.exit, 0);
    assert_int_equal(w.creates_sent, 100); /* and none was sent again */
    world_clear(&w);
}

static int tidy(void **state)
{
    (void)state;
    return unlink(ledger_path);
}

static int set_up(void **state)
{
    (void)state;
    int fd = mkstemp(ledger_path);
    return fd < 0 ? -1 : close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(creates_everyone_on_every_plan),
        cmocka_unit_test(gives_every_record_one_outcome_and_skips_what_is_settled),
        cmocka_unit_test(writes_an_outcome_for_each_record_though_they_share_an_identity),
        cmocka_unit_test(tells_of_nobody_who_was_corrected_since),
        cmocka_unit_test(sends_a_rejected_record_again_only_when_the_file_was_edited),
        cmocka_unit_test(keeps_a_password_to_itself_that_the_tenant_repeats),
        cmocka_unit_test(keeps_token_and_secret_to_itself_that_a_server_repeats),
        cmocka_unit_test(lands_what_is_in_flight_when_interrupted),
        cmocka_unit_test(foresees_the_end_under_any_ceiling_and_without_limits),
        cmocka_unit_test(tells_what_others_took_and_never_more),
        cmocka_unit_test(loses_and_doubles_nobody_on_a_bad_network),
        cmocka_unit_test(survives_death_between_any_two_deeds),
        cmocka_unit_test(heals_after_a_disk_that_fails_once),
        cmocka_unit_test(calls_nobody_unsent_whom_it_has_sent),
        cmocka_unit_test(tells_those_that_were_there_from_its_own),
        cmocka_unit_test(who_is_there_already_costs_one_request_and_no_refusal_on_any_plan),
        cmocka_unit_test(a_few_who_are_there_already_do_not_mislead),
        cmocka_unit_test(answers_that_show_no_limits_are_as_good_as_no_headers_at_all),
        cmocka_unit_test(who_is_asked_about_beforehand_is_not_lost_on_a_bad_network),
        cmocka_unit_test(a_run_that_stops_at_once_tells_all_the_same_what_earlier_ones_settled),
        cmocka_unit_test(a_username_of_another_does_not_make_somebody_exist),
        cmocka_unit_test(says_unknown_where_it_may_not_ask),
        cmocka_unit_test(says_what_stopped_it_while_it_asked),
        cmocka_unit_test(says_once_with_what_status_somebody_else_answered),
        cmocka_unit_test(stops_at_once_when_all_would_be_refused_alike),
        cmocka_unit_test(carries_on_after_a_file_that_was_changed_on_the_way),
        cmocka_unit_test(finds_a_disabled_connection_before_the_first_write),
        cmocka_unit_test(gives_up_on_a_tenant_that_only_fails_and_loses_nothing),
        cmocka_unit_test(renews_its_token_before_it_expires),
        cmocka_unit_test(waits_for_a_token_in_the_middle_of_a_run),
        cmocka_unit_test(renews_its_token_once_on_a_401),
    };
    return cmocka_run_group_tests(tests, set_up, tidy);
}
