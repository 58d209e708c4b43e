/*
 * What the ledger says is true: histories that try to make it lie, every single fault at every request and a death at
 * any deed, and seeded runs in which everything goes wrong at once. Each replays from its seed: ONRAMP_SEED=N runs that
 * one alone, ONRAMP_SEEDS=N so many (the soak does), ONRAMP_TRACE=1 tells the story.
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

#define CUSTOM "{\"enabledDatabaseCustomization\":true,\"customScripts\":{},\"passwordPolicy\":\"good\"}"
#define NAMED                                                                                                          \
    "{\"passwordPolicy\":\"good\",\"attributes\":{\"email\":{\"identifier\":{\"active\":true}},"                       \
    "\"username\":{\"identifier\":{\"active\":true}},\"phone_number\":{\"identifier\":{\"active\":true}}}}"
#define BLIND "create:users read:users" /* may not read connections */

static char ledger_path[64];

/* ---- a world and the runs in it ---- */

struct trial {
    struct world w;
    struct world_source records;
    uint64_t runs;
    bool credentials; /* fetches its own tokens, so that a 401 can be cured */
    onramp_span give_up_after;
    struct onramp_rate ceiling; /* of its own; tokens 0: none */
    uint32_t ceiling_burst;
    bool (*stopping)(void *context);
};

/* A fast tenant, so that few events make a run. */
static struct world_setup ordinary(uint64_t seed)
{
    struct world_setup setup = {.seed = seed,
                                .network = {.way_min = 5 * ONRAMP_MILLISECOND,
                                            .way_max = 150 * ONRAMP_MILLISECOND,
                                            .stall_max = 60 * ONRAMP_SECOND}};
    onramp_tenant_defaults(&setup.tenant);
    setup.tenant.api = onramp_tier_find("private-100")->api;
    memset(setup.tenant.groups, 0, sizeof setup.tenant.groups);
    setup.tenant.seed = seed;
    setup.tenant.epoch = INT64_C(1790000000123);
    return setup;
}

static void begin(struct trial *t, const struct world_setup *setup, uint64_t count, const char *(*make)(uint64_t))
{
    *t = (struct trial){.give_up_after = 600 * ONRAMP_SECOND};
    (void)unlink(ledger_path);
    world_init(&t->w, setup);
    world_source_init(&t->records, count, make);
}

static void end(struct trial *t)
{
    assert_int_equal(t->w.resent, 0); /* nothing that was settled has been sent again */
    assert_false(t->w.sent_unsynced); /* each attempt was on disk before its request left */
    world_clear(&t->w);
}

/* One run of the command. */
static struct onramp_summary run(struct trial *t)
{
    struct onramp_upload_settings settings;
    struct onramp_summary summary = {.exit = 5};
    struct onramp_secret *secret = NULL;
    struct onramp_error err = {0};
    struct onramp_observer observer = {.context = t, .stopping = t->stopping};
    if (world_trace(&observer))
        print_message("---- run %llu\n", (unsigned long long)t->runs);
    world_upload_settings(&t->w, &settings, t->w.setup.seed * 1000 + t->runs++);
    settings.target.give_up_after = t->give_up_after;
    settings.target.pacing.ceiling = t->ceiling;
    settings.target.pacing.ceiling_burst = t->ceiling_burst;
    const struct onramp_secret *token = settings.target.access.token;
    if (t->credentials) {
        assert_int_equal(onramp_secret_copy(&secret, "local-secret", 12, NULL), ONRAMP_OK);
        settings.target.access = (struct onramp_access_settings){.client_id = "local-client", .client_secret = secret};
    }
    struct onramp_ledger *ledger = world_ledger(&t->w, ledger_path);
    enum onramp_status st = ONRAMP_EIO;
    t->records.next = 0;
    if (ledger != NULL)
        st = onramp_upload(&settings, &t->records.source, &t->w.transport, ledger, &observer, &summary, &err);
    if (st != ONRAMP_OK && observer.log != NULL)
        print_message("ended with %d: %s\n", (int)st, err.text);
    onramp_ledger_close(ledger);
    onramp_secret_free(secret);
    settings.target.access.token = token;
    world_upload_clear(&settings);
    return summary;
}

/* The process is killed as its `deed`th deed is done; what it sent goes on without it. */
static void run_and_die(struct trial *t, uint64_t deed)
{
    t->w.die_after = deed;
    (void)run(t);
    world_reboot(&t->w);
}

static unsigned disagreements(struct trial *t)
{
    return world_disagreements(&t->w, &t->records, ledger_path, NULL);
}

static int outcome_of(const char *email)
{
    struct onramp_ledger *ledger = NULL;
    assert_int_equal(onramp_ledger_read(&ledger, ledger_path, NULL), ONRAMP_OK);
    const struct onramp_ledger_entry *entry = onramp_ledger_find(ledger, &(struct onramp_identity){.email = email});
    int outcome = entry != NULL && entry->has_outcome && !entry->open ? (int)entry->outcome : -1;
    onramp_ledger_close(ledger);
    return outcome;
}

static const char *message_of(const char *email)
{
    static char message[100];
    struct onramp_ledger *ledger = NULL;
    assert_int_equal(onramp_ledger_read(&ledger, ledger_path, NULL), ONRAMP_OK);
    const struct onramp_ledger_entry *entry = onramp_ledger_find(ledger, &(struct onramp_identity){.email = email});
    (void)snprintf(message, sizeof message, "%s", entry->message != NULL ? entry->message : "");
    onramp_ledger_close(ledger);
    return message;
}

static uint64_t users(struct trial *t)
{
    struct onramp_tenant_view view;
    onramp_tenant_view(t->w.tenant, t->w.now, &view);
    return view.users;
}

/* ---- records ---- */

static const char *ann(uint64_t ordinal)
{
    (void)ordinal;
    return "{\"email\":\"ann@example.com\"}";
}

static const char *ann_in_capitals(uint64_t ordinal)
{
    (void)ordinal;
    return "{\"email\":\"ANN@Example.com\",\"name\":\"Ann\"}";
}

static const char *ann_with_id(uint64_t ordinal)
{
    (void)ordinal;
    return "{\"email\":\"ann@example.com\",\"user_id\":\"auth0|ann-1\"}";
}

static const char *nameless(uint64_t ordinal)
{
    (void)ordinal;
    return "{\"username\":\"ann\"}";
}

static const char *called(uint64_t ordinal)
{
    (void)ordinal;
    return "{\"phone_number\":\"+4930123456\"}";
}

static const char *of_many_kinds(uint64_t ordinal)
{
    static char json[160];
    unsigned long long n = ordinal;
    switch (ordinal % 4) {
    case 1:
        (void)snprintf(json, sizeof json, "{\"email\":\"U%llu@Example.com\",\"username\":\"name%llu\"}", n, n);
        break;
    case 2:
        (void)snprintf(json, sizeof json, "{\"username\":\"name%llu\"}", n);
        break;
    case 3:
        (void)snprintf(json, sizeof json, "{\"phone_number\":\"+4930%llu\"}", n);
        break;
    default:
        (void)snprintf(json, sizeof json, "{\"email\":\"u%llu@example.com\"}", n);
        break;
    }
    return json;
}

static const char *of_all_kinds(uint64_t ordinal)
{
    static char json[160];
    if (ordinal % 5 != 4)
        return of_many_kinds(ordinal);
    (void)snprintf(json, sizeof json, "{\"email\":\"u%llu@example.com\",\"user_id\":\"own-%llu\"}",
                   (unsigned long long)ordinal, (unsigned long long)ordinal);
    return json;
}

/* ---- histories ---- */

/* Two requests, token given: the first asks for the connection, the second for its clients. */
#define FIRST_CREATE 3

/* Dies with the first create on its way: two syncs of a new ledger, two requests, the run line and its sync, the
 * attempt and its sync, the create. */
#define CREATE_SENT 9

static void a_409_to_a_request_that_was_delivered_twice_is_our_own_doing(void **state)
{
    (void)state;
    struct trial t;
    struct world_setup setup = ordinary(1);
    setup.plan[0].request = FIRST_CREATE;
    setup.plan[0].fault = WORLD_TWICE;
    begin(&t, &setup, 1, ann);
    struct onramp_summary summary = run(&t);
    assert_int_equal(summary.exit, 0);
    assert_int_equal(summary.adopted, 1);
    assert_int_equal(disagreements(&t), 0);
    end(&t);
}

static void a_409_without_a_doubt_is_asked_about_only_where_that_is_allowed(void **state)
{
    (void)state;
    for (int may = 0; may <= 1; may++) {
        struct trial t;
        struct world_setup setup = ordinary(1);
        setup.tenant.scopes = may ? BLIND : "create:users";
        begin(&t, &setup, 1, ann);
        world_rival(&t.w, "{\"connection\":\"Username-Password-Authentication\",\"email\":\"ann@example.com\","
                          "\"password\":\"Some-Pa55word\"}");
        struct onramp_summary summary = run(&t);
        assert_int_equal(summary.exit, 0);
        assert_int_equal(summary.counts[ONRAMP_EXISTS], 1);
        assert_int_equal(t.w.requests, 1 + may);
        assert_int_equal(disagreements(&t), 0);
        end(&t);
    }
}

/* The file says something else about the user when its first attempt is in doubt. */
static void an_edited_file_finds_what_its_former_self_has_created(void **state)
{
    (void)state;
    const char *(*const before[])(uint64_t) = {ann, ann_with_id, ann, ann_with_id};
    const char *(*const after[])(uint64_t) = {ann_with_id, ann, ann_in_capitals, ann_with_id};
    for (int edit = 0; edit < 4; edit++)
        for (int arrived = 0; arrived <= 1; arrived++) {
            struct trial t;
            struct world_setup setup = ordinary(1);
            setup.plan[0].request = FIRST_CREATE;
            setup.plan[0].fault = arrived ? WORLD_MUTE : WORLD_LOST;
            begin(&t, &setup, 1, before[edit]);
            run_and_die(&t, CREATE_SENT);
            world_settle(&t.w);
            assert_int_equal(users(&t), arrived);
            world_source_init(&t.records, 1, after[edit]);
            struct onramp_summary summary = run(&t);
            assert_int_equal(summary.exit, 0);
            assert_int_equal(summary.counts[ONRAMP_CREATED], 1);
            assert_int_equal(summary.adopted, arrived);
            assert_int_equal(t.w.creates_sent, arrived ? 1 : 2);
            assert_int_equal(disagreements(&t), 0);
            end(&t);
        }
}

/* An id is given late, and the process dies once more with that attempt on its way. */
static void each_attempt_in_doubt_is_asked_about_by_its_own_id(void **state)
{
    (void)state;
    struct trial t;
    struct world_setup setup = ordinary(1);
    setup.plan[0].request = FIRST_CREATE;
    setup.plan[0].fault = WORLD_LOST;
    begin(&t, &setup, 1, ann);
    run_and_die(&t, CREATE_SENT);
    world_source_init(&t.records, 1, ann_with_id);
    run_and_die(&t, CREATE_SENT); /* a sync less, since the ledger is there, and a look-up more */
    world_settle(&t.w);
    assert_int_equal(users(&t), 1);
    struct onramp_summary summary = run(&t);
    assert_int_equal(summary.exit, 0);
    assert_int_equal(summary.adopted, 1);
    assert_int_equal(disagreements(&t), 0);
    end(&t);
}

static const char *ann_spoiled(uint64_t ordinal)
{
    (void)ordinal;
    return "{\"email\":\"ann@example.com\",\"nickname\":7}";
}

/* Taken out of the file, or not a user any more: what an earlier run left open is asked about all the same. */
static void who_left_the_file_is_asked_about_and_never_sent(void **state)
{
    (void)state;
    for (int spoiled = 0; spoiled <= 1; spoiled++)
        for (int arrived = 0; arrived <= 1; arrived++) {
            struct trial t;
            struct world_setup setup = ordinary(1);
            setup.plan[0].request = FIRST_CREATE;
            setup.plan[0].fault = arrived ? WORLD_MUTE : WORLD_LOST;
            begin(&t, &setup, 1, ann);
            run_and_die(&t, CREATE_SENT);
            world_source_init(&t.records, (uint64_t)spoiled, ann_spoiled);
            struct onramp_summary summary = run(&t);
            assert_int_equal(summary.exit, spoiled);
            assert_int_equal(summary.counts[ONRAMP_INVALID], spoiled);
            assert_int_equal(summary.counts[ONRAMP_CREATED] + summary.counts[ONRAMP_FAILED], 0);
            assert_int_equal(t.w.creates_sent, 1);
            assert_int_equal(outcome_of("ann@example.com"), arrived   ? ONRAMP_CREATED
                                                            : spoiled ? ONRAMP_INVALID
                                                                      : ONRAMP_FAILED);
            if (!arrived && !spoiled)
                assert_string_equal(message_of("ann@example.com"), "not there, and not in the file any more");
            world_source_init(&t.records, 1, ann);
            summary = run(&t); /* back in the file */
            assert_int_equal(summary.exit, 0);
            assert_int_equal(t.w.creates_sent, arrived ? 1 : 2);
            assert_int_equal(disagreements(&t), 0);
            end(&t);
        }
}

static const char *just_ann(uint64_t ordinal)
{
    (void)ordinal;
    return "{\"username\":\"ann\"}";
}

static const char *ann_with_address(uint64_t ordinal)
{
    (void)ordinal;
    return "{\"email\":\"ann@example.com\",\"username\":\"ann\"}";
}

/* Her address comes first now, so the ledger takes her for somebody else; what was in doubt about her name is not. */
static void who_is_known_by_another_identifier_now_is_asked_about_by_the_former(void **state)
{
    (void)state;
    for (int arrived = 0; arrived <= 1; arrived++) {
        struct trial t;
        struct world_setup setup = ordinary(1);
        setup.tenant.options = NAMED;
        setup.plan[0].request = FIRST_CREATE;
        setup.plan[0].fault = arrived ? WORLD_MUTE : WORLD_LOST;
        begin(&t, &setup, 1, just_ann);
        run_and_die(&t, CREATE_SENT);
        world_source_init(&t.records, 1, ann_with_address);
        struct onramp_summary summary = run(&t);
        assert_int_equal(summary.exit, arrived); /* the name is taken, by herself */
        struct onramp_ledger *ledger = NULL;
        assert_int_equal(onramp_ledger_read(&ledger, ledger_path, NULL), ONRAMP_OK);
        const struct onramp_ledger_entry *ann =
            onramp_ledger_find(ledger, &(struct onramp_identity){.username = "ann"});
        assert_false(ann->open);
        assert_int_equal(ann->outcome, arrived ? ONRAMP_CREATED : ONRAMP_FAILED);
        onramp_ledger_close(ledger);
        assert_int_equal(users(&t), 1);
        end(&t);
    }
}

/* What the connection does with ids, and what the token may see of that. */
static const struct {
    const char *options, *scopes;
    bool replaces;
    int lost, theirs; /* the outcome after a lost answer, of ours and of somebody else's user */
} dealings[] = {
    {NULL, NULL, false, ONRAMP_CREATED, ONRAMP_EXISTS},
    {CUSTOM, NULL, true, ONRAMP_CREATED, ONRAMP_EXISTS},
    {NULL, BLIND, false, ONRAMP_CREATED, ONRAMP_EXISTS},
    {CUSTOM, BLIND, true, ONRAMP_UNKNOWN, ONRAMP_EXISTS}, /* another id than ours: ours renamed, or somebody else's */
};

static void lose_an_answer(size_t dealing, bool theirs, enum world_fault fault)
{
    struct trial t;
    struct world_setup setup = ordinary(1);
    const char *scopes = dealings[dealing].scopes;
    setup.tenant.options = dealings[dealing].options;
    setup.tenant.scopes = scopes != NULL ? scopes : setup.tenant.scopes;
    setup.replaces_ids = dealings[dealing].replaces;
    setup.plan[0].request = scopes != NULL ? 2 : FIRST_CREATE + 1; /* the second: a first answer has told the date */
    setup.plan[0].fault = fault;
    begin(&t, &setup, 2, NULL);
    if (theirs) {
        world_rival(&t.w, "{\"connection\":\"Username-Password-Authentication\",\"email\":\"u1@example.com\","
                          "\"password\":\"Some-Pa55word\"}");
        t.w.now += 10 * ONRAMP_SECOND; /* older than our attempt */
    }
    struct onramp_summary summary = run(&t);
    int expected = theirs ? dealings[dealing].theirs : dealings[dealing].lost;
    assert_int_equal(outcome_of("u0@example.com"), ONRAMP_CREATED);
    assert_int_equal(outcome_of("u1@example.com"), expected);
    assert_int_equal(summary.exit, expected == ONRAMP_UNKNOWN ? 5 : 0);
    assert_int_equal(disagreements(&t), 0);
    end(&t);
}

static void a_lost_answer_is_settled_by_the_evidence_that_the_connection_allows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof dealings / sizeof dealings[0]; i++)
        for (int fault = WORLD_BAD_GATEWAY; fault <= WORLD_TORN; fault++)
            if (fault != WORLD_ANSWER_LATE) {
                lose_an_answer(i, false, (enum world_fault)fault);
                lose_an_answer(i, true, (enum world_fault)fault);
            }
}

/* Only the date can tell, and it tells nothing of whoever came long after. */
static void who_appears_days_after_a_crash_is_not_taken_for_ours(void **state)
{
    (void)state;
    struct trial t;
    struct world_setup setup = ordinary(1);
    setup.tenant.options = CUSTOM;
    setup.replaces_ids = true;
    setup.plan[0].request = FIRST_CREATE;
    setup.plan[0].fault = WORLD_LOST;
    begin(&t, &setup, 1, ann);
    run_and_die(&t, CREATE_SENT);
    t.w.now += 48 * 60 * ONRAMP_MINUTE;
    world_rival(&t.w, "{\"connection\":\"Username-Password-Authentication\",\"email\":\"ann@example.com\","
                      "\"password\":\"Some-Pa55word\"}");
    struct onramp_summary summary = run(&t);
    assert_int_equal(summary.exit, 5);
    assert_int_equal(summary.counts[ONRAMP_UNKNOWN], 1);
    assert_int_equal(disagreements(&t), 0);
    end(&t);
}

static void users_without_an_address_are_asked_about_by_id(void **state)
{
    (void)state;
    const char *(*const makers[])(uint64_t) = {nameless, called};
    for (int i = 0; i < 2; i++)
        for (int fault = WORLD_LOST; fault < WORLD_FAULTS; fault++) {
            if (fault == WORLD_EXPIRED)
                continue;
            struct trial t;
            struct world_setup setup = ordinary((uint64_t)fault);
            setup.tenant.options = NAMED;
            setup.plan[0].request = FIRST_CREATE;
            setup.plan[0].fault = (enum world_fault)fault;
            begin(&t, &setup, 1, makers[i]);
            struct onramp_summary summary = run(&t);
            assert_int_equal(summary.exit, 0);
            assert_int_equal(summary.counts[ONRAMP_CREATED], 1);
            world_settle(&t.w);
            assert_int_equal(disagreements(&t), 0);
            end(&t);
        }
}

/* A custom database behind a token that may not see so, and a user whom only an id of ours could show. */
static void says_unknown_where_neither_id_nor_address_can_show_the_user(void **state)
{
    (void)state;
    struct trial t;
    struct world_setup setup = ordinary(1);
    setup.tenant.options = NAMED;
    setup.tenant.scopes = BLIND;
    setup.replaces_ids = true;
    setup.plan[0].request = 1;
    setup.plan[0].fault = WORLD_MUTE;
    begin(&t, &setup, 1, nameless);
    struct onramp_summary summary = run(&t);
    assert_int_equal(summary.exit, 5);
    assert_int_equal(summary.counts[ONRAMP_UNKNOWN], 1);
    assert_int_equal(users(&t), 1);
    end(&t);
}

/* ---- ends that come early ---- */

static bool stop_at_once_lost(void *context)
{
    struct trial *t = context;
    return t->w.creates_sent >= 1 && t->w.now > 1000 * ONRAMP_SECOND + 35 * ONRAMP_SECOND;
}

/* Interrupted while a look-up waits: it is not known, so it is not said to have failed. */
static void an_interrupt_leaves_what_is_in_doubt_as_unknown(void **state)
{
    (void)state;
    const enum world_fault doubts[] = {WORLD_MUTE, WORLD_TWICE, WORLD_LOST};
    for (int i = 0; i < 3; i++) {
        struct trial t;
        struct world_setup setup = ordinary(1);
        setup.plan[0].request = FIRST_CREATE;
        setup.plan[0].fault = doubts[i];
        for (int k = 1; k < WORLD_PLAN; k++) { /* and the look-ups go unanswered */
            setup.plan[k].request = FIRST_CREATE + (uint64_t)k;
            setup.plan[k].fault = WORLD_LOST;
        }
        begin(&t, &setup, 1, ann);
        t.stopping = stop_at_once_lost;
        struct onramp_summary summary = run(&t);
        assert_int_equal(summary.exit, 130);
        assert_int_equal(summary.counts[ONRAMP_UNKNOWN], 1);
        assert_int_equal(disagreements(&t), 0);
        t.stopping = NULL;
        summary = run(&t);
        assert_int_equal(summary.exit, 0);
        assert_int_equal(summary.counts[ONRAMP_CREATED], 1);
        assert_int_equal(disagreements(&t), 0);
        end(&t);
    }
}

static bool stop_before_the_first_look_up(void *context)
{
    const struct trial *t = context;
    return t->w.deeds >= 5; /* the ledger's repair, two questions about the connection, the run's line */
}

/* By this run it was not sent; that is no word about the run before. */
static void an_interrupt_says_who_was_sent_before(void **state)
{
    (void)state;
    struct trial t;
    struct world_setup setup = ordinary(1);
    setup.plan[0].request = FIRST_CREATE;
    setup.plan[0].fault = WORLD_MUTE;
    begin(&t, &setup, 1, ann);
    run_and_die(&t, CREATE_SENT);
    t.stopping = stop_before_the_first_look_up;
    struct onramp_summary summary = run(&t);
    assert_int_equal(summary.exit, 130);
    assert_int_equal(summary.unsent, 1);
    assert_int_equal(summary.doubtful, 1);
    t.stopping = NULL;
    summary = run(&t);
    assert_int_equal(summary.exit, 0);
    assert_int_equal(summary.counts[ONRAMP_CREATED], 1);
    assert_int_equal(summary.doubtful, 0);
    end(&t);
}

/* All goes well for a while, then nothing does. */
static void giving_up_loses_nothing(void **state)
{
    (void)state;
    const enum world_fault ends[] = {WORLD_LOST,  WORLD_MUTE,    WORLD_UNAVAILABLE, WORLD_THROTTLED, WORLD_EDGE,
                                     WORLD_ERROR, WORLD_REFUSED, WORLD_BAD_GATEWAY, WORLD_TORN,      WORLD_PAGE};
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        struct trial t;
        struct world_setup setup = ordinary(i + 1);
        begin(&t, &setup, 20, NULL);
        t.give_up_after = 60 * ONRAMP_SECOND;
        t.w.die_after = 40; /* some are created */
        (void)run(&t);
        world_reboot(&t.w);
        t.w.setup.network.chance[ends[i]] = 1000000;
        t.w.setup.plan[0].request = t.w.requests + 1; /* the connection's two calls go through */
        t.w.setup.plan[1].request = t.w.requests + 2;
        onramp_time began = t.w.now;
        struct onramp_summary summary = run(&t);
        assert_int_equal(summary.exit, 5);
        assert_true(t.w.now - began < 10 * ONRAMP_MINUTE);
        if (ends[i] == WORLD_PAGE)
            assert_non_null(strstr(summary.reason, "; something between here and Auth0 answered"));
        world_settle(&t.w);
        assert_int_equal(world_false_claims(&t.w, &t.records, ledger_path), 0);
        t.w.setup.network.chance[ends[i]] = 0;
        summary = run(&t);
        assert_int_equal(summary.exit, 0);
        assert_int_equal(summary.counts[ONRAMP_CREATED], 20);
        assert_int_equal(disagreements(&t), 0);
        end(&t);
    }
}

/* ---- clocks ---- */

static void a_wall_clock_gone_wild_changes_nothing_but_the_dates_in_the_ledger(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct trial t;
        struct world_setup setup = ordinary(seed);
        setup.wall_wild = true;
        setup.tenant.options = seed % 2 ? CUSTOM : NULL; /* where dates decide, and where they do not */
        setup.replaces_ids = seed % 2;
        setup.network.chance[WORLD_MUTE] = 200000;
        begin(&t, &setup, 15, NULL);
        for (uint64_t death = 12; death < 40; death += 9)
            run_and_die(&t, death);
        struct onramp_summary summary = run(&t);
        for (int round = 0; round < 5 && summary.exit == 5; round++)
            summary = run(&t);
        assert_int_equal(summary.exit, 0);
        assert_int_equal(summary.counts[ONRAMP_CREATED], 15);
        assert_int_equal(disagreements(&t), 0);
        end(&t);
    }
}

static void a_process_that_stood_still_for_an_hour_carries_on_without_a_flood(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct trial t;
        struct world_setup setup = ordinary(seed);
        setup.tenant.api = onramp_tier_find("enterprise")->api;
        setup.network.chance[WORLD_UNAVAILABLE] = seed % 2 ? 20000 : 0; /* it may have had setbacks before */
        begin(&t, &setup, 120, NULL);
        t.w.suspend_at = t.w.now + (onramp_span)(seed % 10) * 700 * ONRAMP_MILLISECOND;
        t.w.suspend_for = 60 * ONRAMP_MINUTE;
        struct onramp_summary summary = run(&t);
        assert_int_equal(summary.exit, 0);
        assert_int_equal(summary.throttled, 0);
        assert_int_equal(summary.counts[ONRAMP_CREATED], 120);
        assert_int_equal(disagreements(&t), 0);
        end(&t);
    }
}

/* A setback, then an answer lost in an hour that the process did not see: its patience is not at an end. */
static void an_hour_that_was_slept_through_is_no_hour_without_progress(void **state)
{
    (void)state;
    for (int setback = 0; setback <= 1; setback++) {
        struct trial t;
        struct world_setup setup = ordinary(1);
        setup.plan[0].request = setback ? FIRST_CREATE : 0;
        setup.plan[0].fault = WORLD_UNAVAILABLE;
        setup.plan[1].request = FIRST_CREATE + (uint64_t)setback;
        setup.plan[1].fault = WORLD_MUTE;
        begin(&t, &setup, 1, ann);
        t.w.suspend_at = t.w.now + 20 * ONRAMP_SECOND;
        t.w.suspend_for = 60 * ONRAMP_MINUTE;
        struct onramp_summary summary = run(&t);
        assert_int_equal(summary.exit, 0);
        assert_true(t.w.now > 1000 * ONRAMP_SECOND + 60 * ONRAMP_MINUTE);
        assert_int_equal(disagreements(&t), 0);
        end(&t);
    }
}

/* The process sleeps for an hour while an answer is on its way to it. Dates decide: the hour must not be missing. */
static void the_tenants_clock_goes_on_while_the_process_sleeps(void **state)
{
    (void)state;
    const struct {
        uint64_t records;
        enum world_fault first, second;
        onramp_span sleeps_at;
    } cases[] = {
        {2, WORLD_FINE, WORLD_MUTE, 700 * ONRAMP_MILLISECOND}, /* the first create's, before the second is lost */
        {1, WORLD_LOST, WORLD_FINE,
         31100 * ONRAMP_MILLISECOND}, /* a look-up's that finds nobody, and is asked anew; then it is lost again */
    };
    for (int i = 0; i < 2; i++) {
        struct trial t;
        struct world_setup setup = ordinary(1);
        setup.tenant.options = CUSTOM;
        setup.replaces_ids = true;
        setup.plan[0].request = FIRST_CREATE;
        setup.plan[0].fault = cases[i].first;
        setup.plan[1].request = FIRST_CREATE + 1;
        setup.plan[1].fault = cases[i].second;
        setup.plan[2].request = i == 1 ? FIRST_CREATE + 3 : 0; /* behind the question that is asked anew */
        setup.plan[2].fault = WORLD_MUTE;
        begin(&t, &setup, cases[i].records, NULL);
        t.w.suspend_at = t.w.now + cases[i].sleeps_at;
        t.w.suspend_for = 60 * ONRAMP_MINUTE;
        struct onramp_summary summary = run(&t);
        assert_int_equal(summary.exit, 0);
        assert_int_equal(summary.adopted, 1);
        assert_int_equal(disagreements(&t), 0);
        end(&t);
    }
}

/* The lost attempt arrives behind the look-up that found nobody, and the next one waits for its turn for so long that
 * its date alone would call the user somebody else's. */
static void nobody_of_long_ago_is_asked_about_anew(void **state)
{
    (void)state;
    struct trial t;
    struct world_setup setup = ordinary(1);
    setup.tenant.options = CUSTOM;
    setup.replaces_ids = true;
    setup.network.stall_max = 800 * ONRAMP_SECOND;
    setup.plan[0].request = FIRST_CREATE;
    setup.plan[0].fault = WORLD_LATE;
    begin(&t, &setup, 1, NULL);
    t.give_up_after = 2 * 3600 * ONRAMP_SECOND;
    t.ceiling = (struct onramp_rate){1, 950 * ONRAMP_SECOND};
    t.ceiling_burst = FIRST_CREATE + 1; /* up to the look-up */
    struct onramp_summary summary = run(&t);
    assert_true(t.w.now > 900 * ONRAMP_SECOND);
    assert_int_equal(summary.exit, 0);
    assert_int_equal(summary.adopted, 1);
    assert_int_equal(t.w.creates_sent, 1);
    assert_int_equal(disagreements(&t), 0);
    end(&t);
}

/* Sends are further apart than half of the patience, and one of them is turned away. */
static void waiting_for_ones_turn_is_no_failure(void **state)
{
    (void)state;
    struct trial t;
    struct world_setup setup = ordinary(1);
    setup.tenant.scopes = BLIND;
    setup.plan[0].request = 2;
    setup.plan[0].fault = WORLD_THROTTLED;
    begin(&t, &setup, 3, NULL);
    t.give_up_after = 90 * ONRAMP_SECOND;
    t.ceiling = (struct onramp_rate){1, ONRAMP_MINUTE};
    struct onramp_summary summary = run(&t);
    assert_int_equal(summary.exit, 0);
    assert_int_equal(summary.counts[ONRAMP_CREATED], 3);
    end(&t);
}

/* ---- the planner ---- */

/* Once the network is well again, the same command brings everything to its end, and then sends nothing more. */
static const char *heal_and_compare(struct trial *t, uint64_t rivals)
{
    memset(t->w.setup.network.chance, 0, sizeof t->w.setup.network.chance);
    memset(t->w.setup.plan, 0, sizeof t->w.setup.plan);
    memset(t->w.setup.tenant.faults, 0, sizeof t->w.setup.tenant.faults);
    world_settle(&t->w);
    struct onramp_summary summary = run(t);
    if (summary.exit != 0)
        return "it does not end well";
    unsigned unknown = 0;
    if (world_disagreements(&t->w, &t->records, ledger_path, &unknown) > 0 || unknown > 0)
        return "ledger and tenant disagree";
    if (users(t) != t->records.count || summary.counts[ONRAMP_EXISTS] != rivals)
        return "users are missing, or too many";
    uint64_t sent = t->w.requests;
    summary = run(t);
    if (t->w.requests != sent || summary.exit != 0)
        return "a settled ledger sends requests";
    return t->w.resent > 0      ? "a settled record was sent again"
           : t->w.sent_unsynced ? "a create left before its attempt was on disk"
                                : NULL;
}

static void three(struct trial *t, uint64_t request, enum world_fault fault, uint64_t seed)
{
    struct world_setup setup = ordinary(seed);
    setup.plan[0].request = request;
    setup.plan[0].fault = fault;
    begin(t, &setup, 3, NULL);
    t->credentials = true;
    world_rival(&t->w, "{\"connection\":\"Username-Password-Authentication\",\"email\":\"u1@example.com\","
                       "\"password\":\"Some-Pa55word\"}");
}

/* Three records, one of them somebody else's: token, connection, its clients, three creates, look-ups. */
static void any_fault_at_any_request_and_a_death_at_any_deed_leave_the_truth(void **state)
{
    (void)state;
    bool all = getenv("ONRAMP_SEEDS") != NULL;
    uint64_t runs = 0;
    for (int fault = WORLD_FINE; fault < WORLD_FAULTS; fault++)
        for (uint64_t request = 1; request <= (fault == WORLD_FINE ? 1 : 9); request++)
            for (uint64_t death = 0; death <= 30; death++) {
                if (!all && fault != WORLD_FINE && (death + request * 7 + (uint64_t)fault) % 10 != 0)
                    continue;
                struct trial t;
                three(&t, request, (enum world_fault)fault, ++runs);
                if (death > 0)
                    run_and_die(&t, death);
                (void)run(&t);
                const char *wrong =
                    world_false_claims(&t.w, &t.records, ledger_path) > 0 ? "a false claim" : heal_and_compare(&t, 1);
                world_clear(&t.w);
                if (wrong != NULL)
                    fail_msg("fault %d at request %llu, death at deed %llu: %s", fault, (unsigned long long)request,
                             (unsigned long long)death, wrong);
            }
    print_message("%llu histories of one fault and one death\n", (unsigned long long)runs);
}

/* Everything at once, as the seed has it. */
static void set_trouble(struct world_setup *setup, struct onramp_rng *rng)
{
    for (int fault = WORLD_FINE + 1; fault < WORLD_FAULTS; fault++)
        if (onramp_rng_below(rng, 3) == 0)
            setup->network.chance[fault] = (uint32_t)onramp_rng_below(rng, 40000);
    setup->network.chance[WORLD_EXPIRED] /= 4;
    if (onramp_rng_below(rng, 4) == 0)
        setup->tenant.api = onramp_tier_find(onramp_rng_below(rng, 2) ? "enterprise" : "free")->api;
    setup->wall_skew = (int64_t)onramp_rng_below(rng, 1000000000) - 500000000;
    setup->wall_wild = onramp_rng_below(rng, 4) == 0;
    setup->tenant.options = NAMED;
}

static const char *trouble(uint64_t seed)
{
    struct trial t;
    struct onramp_rng rng;
    onramp_rng_init(&rng, seed);
    struct world_setup setup = ordinary(seed);
    set_trouble(&setup, &rng);
    /* Of a record that brings its id, only an answer can tell a repeated request of ours from somebody else's. */
    bool own_ids = setup.network.chance[WORLD_TWICE] == 0;
    begin(&t, &setup, 6 + onramp_rng_below(&rng, 10), own_ids ? of_all_kinds : of_many_kinds);
    t.credentials = onramp_rng_below(&rng, 4) > 0;
    t.give_up_after = (onramp_span)(30 + onramp_rng_below(&rng, 600)) * ONRAMP_SECOND;
    world_rival(&t.w, "{\"connection\":\"Username-Password-Authentication\",\"email\":\"u0@example.com\","
                      "\"password\":\"Some-Pa55word\"}");
    struct onramp_summary summary = {.exit = 5};
    for (int round = 0; round < 12 && summary.exit != 0; round++) {
        uint64_t fate = onramp_rng_below(&rng, 4);
        t.w.die_after = fate < 2 ? 1 + onramp_rng_below(&rng, 120) : 0;
        t.w.fail_at = fate == 2 ? 1 + onramp_rng_below(&rng, 120) : 0;
        t.w.suspend_at = t.w.now + (onramp_span)onramp_rng_below(&rng, 20000) * ONRAMP_MILLISECOND;
        t.w.suspend_for = onramp_rng_below(&rng, 8) == 0 ? 60 * ONRAMP_MINUTE : 0;
        summary = run(&t);
        if (world_false_claims(&t.w, &t.records, ledger_path) > 0) {
            world_clear(&t.w);
            return "a false claim";
        }
        if (fate < 3)
            world_reboot(&t.w);
        t.w.suspend_for = 0;
    }
    const char *wrong = heal_and_compare(&t, 1);
    world_clear(&t.w);
    return wrong;
}

static void seeded_trouble_of_every_kind_leaves_the_truth(void **state)
{
    (void)state;
    struct seeds s = seeds(150);
    /* 4550: an answer "nobody" was read after an hour's sleep, in which the attempt that it was about had arrived. */
    const char *once_wrong = trouble(4550);
    if (once_wrong != NULL)
        FAIL(4550, "%s\n", once_wrong);
    for (uint64_t seed = s.first; seed <= s.last; seed++) {
        const char *wrong = trouble(seed);
        if (wrong != NULL)
            FAIL(seed, "%s\n", wrong);
    }
    print_message("%llu histories of everything at once\n", (unsigned long long)(s.last - s.first + 1));
}

/* ---- */

static int set_up(void **state)
{
    (void)state;
    bool memory = access("/dev/shm", W_OK) == 0; /* syncs of a real disk would be most of the time */
    (void)snprintf(ledger_path, sizeof ledger_path, "%s/onramp-truth-XXXXXX", memory ? "/dev/shm" : "/tmp");
    int fd = mkstemp(ledger_path);
    return fd < 0 ? -1 : close(fd);
}

static int tidy(void **state)
{
    (void)state;
    return unlink(ledger_path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_409_to_a_request_that_was_delivered_twice_is_our_own_doing),
        cmocka_unit_test(a_409_without_a_doubt_is_asked_about_only_where_that_is_allowed),
        cmocka_unit_test(an_edited_file_finds_what_its_former_self_has_created),
        cmocka_unit_test(each_attempt_in_doubt_is_asked_about_by_its_own_id),
        cmocka_unit_test(who_left_the_file_is_asked_about_and_never_sent),
        cmocka_unit_test(who_is_known_by_another_identifier_now_is_asked_about_by_the_former),
        cmocka_unit_test(a_lost_answer_is_settled_by_the_evidence_that_the_connection_allows),
        cmocka_unit_test(who_appears_days_after_a_crash_is_not_taken_for_ours),
        cmocka_unit_test(users_without_an_address_are_asked_about_by_id),
        cmocka_unit_test(says_unknown_where_neither_id_nor_address_can_show_the_user),
        cmocka_unit_test(an_interrupt_leaves_what_is_in_doubt_as_unknown),
        cmocka_unit_test(an_interrupt_says_who_was_sent_before),
        cmocka_unit_test(giving_up_loses_nothing),
        cmocka_unit_test(a_wall_clock_gone_wild_changes_nothing_but_the_dates_in_the_ledger),
        cmocka_unit_test(a_process_that_stood_still_for_an_hour_carries_on_without_a_flood),
        cmocka_unit_test(an_hour_that_was_slept_through_is_no_hour_without_progress),
        cmocka_unit_test(the_tenants_clock_goes_on_while_the_process_sleeps),
        cmocka_unit_test(nobody_of_long_ago_is_asked_about_anew),
        cmocka_unit_test(waiting_for_ones_turn_is_no_failure),
        cmocka_unit_test(any_fault_at_any_request_and_a_death_at_any_deed_leave_the_truth),
        cmocka_unit_test(seeded_trouble_of_every_kind_leaves_the_truth),
    };
    return cmocka_run_group_tests(tests, set_up, tidy);
}
