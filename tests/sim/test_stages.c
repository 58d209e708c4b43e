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

static char ledger_path[] = "/tmp/onramp-stages-XXXXXX", links_path[] = "/tmp/onramp-stages-XXXXXX";

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

/* Whatever can befall a request, but for a network that delivers twice, against which nothing helps, and tokens. */
static void make_bad(struct world *w)
{
    struct world_network *net = &w->setup.network;
    for (int fault = WORLD_FINE + 1; fault < WORLD_FAULTS; fault++)
        net->chance[fault] = 8000;
    net->chance[WORLD_TWICE] = net->chance[WORLD_TWICE_LATE] = net->chance[WORLD_EXPIRED] = 0;
    net->stall_max = 60 * ONRAMP_SECOND;
}

static void show(void *context, enum onramp_level level, const char *line)
{
    const struct world *w = context;
    print_message("%10.3f %d %s\n", (double)(w->now % (10000 * ONRAMP_SECOND)) / (double)ONRAMP_SECOND, (int)level,
                  line);
}

static uint64_t asked; /* for so many mails */
static bool refuse;    /* to have them sent */

static bool on_confirm(void *context, uint64_t mails)
{
    (void)context;
    asked = mails;
    return !refuse;
}

static struct onramp_observer observer_of(struct world *w)
{
    struct onramp_observer observer = {.context = w, .confirm_mails = on_confirm};
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

static const struct onramp_after *after; /* the uploads */

static struct onramp_summary upload(struct world *w, uint64_t users, uint64_t seed)
{
    struct onramp_upload_settings settings;
    struct onramp_summary summary;
    struct onramp_error err = {0};
    struct world_source records;
    struct onramp_observer observer = observer_of(w);
    world_source_init(&records, users, NULL);
    world_upload_settings(w, &settings, seed);
    settings.after = after;
    struct onramp_ledger *ledger = open_ledger(w);
    enum onramp_status st = onramp_upload(&settings, &records.source, &w->transport, ledger, &observer, &summary, &err);
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
    (void)unlink(links_path);
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

/* ---- invite by ticket ---- */

static uint64_t row_count(void)
{
    char line[1000];
    uint64_t rows = 0;
    FILE *file = fopen(links_path, "r");
    assert_non_null(file);
    assert_non_null(fgets(line, sizeof line, file));
    assert_string_equal(line, "email,user_id,url,expires\n");
    for (; fgets(line, sizeof line, file) != NULL; rows++) {
        assert_non_null(strstr(line, "@example.com,auth0|"));
        assert_non_null(strstr(line, ",https://tenant.example/u/reset-password?ticket="));
    }
    (void)fclose(file);
    return rows;
}

/* Rows for `users` users, one each. */
static bool links_are_complete(struct world *w, uint64_t users)
{
    struct onramp_links *links = NULL;
    assert_int_equal(onramp_links_open(&links, links_path, NULL, NULL), ONRAMP_OK);
    bool complete = row_count() == users;
    for (uint64_t record = 0; record < users; record++) {
        const char *user_id = json_string_value(json_object_get(account(w, record)->profile, "user_id"));
        complete = complete && onramp_links_has(links, user_id);
    }
    onramp_links_close(links);
    return complete;
}

static enum onramp_status invite_by_ticket(const struct onramp_stage_setup *setup, struct onramp_stage_summary *summary,
                                           struct onramp_error *err)
{
    struct onramp_invite_settings settings = {.ttl_seconds = 3600};
    const struct world *w = setup->transport->self;
    enum onramp_status st = onramp_links_open(&settings.links, links_path, &w->disk, err);
    *summary = (struct onramp_stage_summary){.exit = 5};
    if (st == ONRAMP_OK)
        st = onramp_invite(setup, &settings, summary, err);
    onramp_links_close(settings.links);
    return st;
}

static void a_link_for_each_user_and_no_mail(void **state)
{
    (void)state;
    struct world w;
    struct world_setup setup = ordinary(1);
    populate(&w, &setup, 60);
    struct onramp_stage_summary summary = run(&w, invite_by_ticket, 2);
    assert_int_equal(summary.exit, 0);
    assert_int_equal(summary.counts[ONRAMP_RESULT_DONE], 60);
    assert_int_equal(summary.throttled, 0);
    assert_int_equal(view_of(&w).tickets, 60);
    assert_int_equal(view_of(&w).mails, 0);
    assert_true(links_are_complete(&w, 60));
    summary = run(&w, invite_by_ticket, 3);
    assert_int_equal(summary.exit, 0);
    assert_int_equal(summary.before, 60);
    assert_int_equal(summary.requests, 0);
    assert_int_equal(view_of(&w).tickets, 60);
    world_clear(&w);
}

static void no_link_is_in_the_ledger(void **state)
{
    (void)state;
    struct world w;
    struct world_setup setup = ordinary(1);
    populate(&w, &setup, 10);
    (void)run(&w, invite_by_ticket, 2);
    FILE *file = fopen(ledger_path, "r");
    assert_non_null(file);
    static char text[1 << 16];
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    (void)fclose(file);
    assert_non_null(strstr(text, "\"type\":\"invite\""));
    assert_null(strstr(text, "reset-password"));
    world_clear(&w);
}

static void a_token_that_the_tenant_repeats_stays_out_of_the_ledger(void **state)
{
    (void)state;
    struct world w;
    struct world_setup setup = ordinary(1);
    populate(&w, &setup, 3);
    w.setup.parrots = true;
    struct onramp_stage_summary summary = run(&w, invite_by_ticket, 2);
    assert_int_equal(summary.counts[ONRAMP_RESULT_REFUSED], 3);
    FILE *file = fopen(ledger_path, "r");
    assert_non_null(file);
    static char text[1 << 16];
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    (void)fclose(file);
    assert_non_null(strstr(text, "(withheld: the answer repeats a secret)"));
    assert_null(strstr(text, "eyJ")); /* as a token begins */
    world_clear(&w);
}

static void every_user_has_one_link_whatever_the_network_does(void **state)
{
    (void)state;
    struct seeds s = seeds(40);
    for (uint64_t seed = s.first; seed <= s.last; seed++) {
        struct world w;
        struct world_setup setup = ordinary(seed);
        populate(&w, &setup, 50);
        make_bad(&w);
        struct onramp_stage_summary summary = {.exit = 5};
        for (int round = 0; round < 20 && summary.exit == 5; round++)
            summary = run(&w, invite_by_ticket, seed + (uint64_t)round * 1000);
        if (summary.exit != 0 || !links_are_complete(&w, 50))
            FAIL(seed, "exit %d: %s\n", summary.exit, summary.reason);
        world_clear(&w);
    }
}

static void every_user_has_one_link_whenever_the_process_dies(void **state)
{
    (void)state;
    struct seeds s = seeds(60);
    for (uint64_t seed = s.first; seed <= s.last; seed++) {
        struct world w;
        struct world_setup setup = ordinary(seed);
        populate(&w, &setup, 30);
        struct onramp_rng rng;
        onramp_rng_init(&rng, seed);
        w.setup.network.chance[WORLD_MUTE] = 30000;
        for (int deaths = 0; deaths < 6; deaths++) {
            world_reboot(&w);
            w.die_after = 1 + onramp_rng_below(&rng, 120);
            (void)run(&w, invite_by_ticket, seed * 100 + (uint64_t)deaths);
        }
        world_reboot(&w);
        struct onramp_stage_summary summary = {.exit = 5};
        for (int round = 0; round < 20 && summary.exit == 5; round++)
            summary = run(&w, invite_by_ticket, seed * 100 + 50 + (uint64_t)round);
        if (summary.exit != 0 || !links_are_complete(&w, 30))
            FAIL(seed, "exit %d: %s\n", summary.exit, summary.reason);
        world_clear(&w);
    }
}

/* ---- invite by mail ---- */

static struct {
    uint64_t mails[100]; /* requests for one that arrived, by record */
    onramp_time last_at;
    onramp_span closest;
    const struct world *world;
} post;

static void watch_post(void *context, const struct onramp_tenant_request *request)
{
    (void)context;
    const char *email = request->body != NULL ? strstr(request->body, "\"email\":\"u") : NULL;
    if (strcmp(request->path, "/dbconnections/change_password") != 0 || email == NULL)
        return;
    post.mails[strtoull(email + strlen("\"email\":\"u"), NULL, 10)]++;
    if (post.last_at > 0 && post.world->now - post.last_at < post.closest)
        post.closest = post.world->now - post.last_at;
    post.last_at = post.world->now;
}

static void open_post(struct world *w)
{
    memset(&post, 0, sizeof post);
    post.world = w;
    post.closest = ONRAMP_NEVER;
    w->watch = watch_post;
}

static uint64_t most_mails(void)
{
    uint64_t most = 0;
    for (size_t i = 0; i < sizeof post.mails / sizeof post.mails[0]; i++)
        most = post.mails[i] > most ? post.mails[i] : most;
    return most;
}

static enum onramp_status invite_by_mail(const struct onramp_stage_setup *setup, struct onramp_stage_summary *summary,
                                         struct onramp_error *err)
{
    const struct onramp_invite_settings settings = {.by_mail = true, .mails_per_minute = 10};
    return onramp_invite(setup, &settings, summary, err);
}

static enum onramp_status mail_again(const struct onramp_stage_setup *setup, struct onramp_stage_summary *summary,
                                     struct onramp_error *err)
{
    const struct onramp_invite_settings settings = {.by_mail = true, .mails_per_minute = 10, .again = true};
    return onramp_invite(setup, &settings, summary, err);
}

static void a_mail_for_each_user_at_the_providers_pace(void **state)
{
    (void)state;
    struct world w;
    struct world_setup setup = ordinary(1);
    populate(&w, &setup, 40);
    open_post(&w);
    struct onramp_stage_summary summary = run(&w, invite_by_mail, 2);
    assert_int_equal(summary.exit, 0);
    assert_int_equal(summary.counts[ONRAMP_RESULT_DONE], 40);
    assert_int_equal(view_of(&w).mails, 40);
    assert_int_equal(most_mails(), 1);
    assert_true(post.closest > 5500 * ONRAMP_MILLISECOND);
    assert_true(summary.seconds < 39 * 6 + 10);
    summary = run(&w, invite_by_mail, 3);
    assert_int_equal(summary.before, 40);
    assert_int_equal(view_of(&w).mails, 40);
    world_clear(&w);
}

static void nothing_is_mailed_unless_that_is_wanted(void **state)
{
    (void)state;
    struct world w;
    struct world_setup setup = ordinary(1);
    populate(&w, &setup, 40);
    long size = ledger_size();
    refuse = true;
    struct onramp_stage_summary summary = run(&w, invite_by_mail, 2);
    refuse = false;
    assert_int_equal(summary.exit, 2);
    assert_int_equal(asked, 40);
    assert_int_equal(view_of(&w).mails, 0);
    assert_int_equal(ledger_size(), size);
    world_clear(&w);
}

static void nobody_is_mailed_twice_whatever_happens(void **state)
{
    (void)state;
    struct seeds s = seeds(40);
    for (uint64_t seed = s.first; seed <= s.last; seed++) {
        struct world w;
        struct world_setup setup = ordinary(seed);
        populate(&w, &setup, 30);
        open_post(&w);
        make_bad(&w);
        struct onramp_rng rng;
        onramp_rng_init(&rng, seed);
        for (int deaths = 0; deaths < 4; deaths++) {
            world_reboot(&w);
            w.die_after = 1 + onramp_rng_below(&rng, 60);
            (void)run(&w, invite_by_mail, seed * 100 + (uint64_t)deaths);
        }
        world_reboot(&w);
        struct onramp_stage_summary summary = {.exit = 5};
        for (int round = 0; round < 20 && summary.exit == 5; round++)
            summary = run(&w, invite_by_mail, seed * 100 + 50 + (uint64_t)round);
        world_settle(&w);
        uint64_t doubtful = summary.counts[ONRAMP_RESULT_SKIPPED] + summary.counts[ONRAMP_RESULT_UNKNOWN];
        uint64_t done = summary.before + summary.counts[ONRAMP_RESULT_DONE], none = 0;
        for (size_t i = 0; i < 30; i++)
            none += post.mails[i] == 0 ? 1 : 0;
        if (most_mails() != 1 || done + doubtful != 30 || none > doubtful || summary.exit != (doubtful > 0 ? 1 : 0))
            FAIL(seed, "exit %d, %llu done, %llu in doubt, %llu never arrived: %s\n", summary.exit,
                 (unsigned long long)done, (unsigned long long)doubtful, (unsigned long long)none, summary.reason);
        w.setup.network = setup.network;
        summary = run(&w, mail_again, seed * 100 + 99);
        if (summary.exit != 0 || summary.counts[ONRAMP_RESULT_DONE] != doubtful || most_mails() > 2)
            FAIL(seed, "again: exit %d: %s\n", summary.exit, summary.reason);
        world_clear(&w);
    }
}

/* ---- undo ---- */

static enum onramp_status show_undo(const struct onramp_stage_setup *setup, struct onramp_stage_summary *summary,
                                    struct onramp_error *err)
{
    return onramp_undo(setup, &(struct onramp_undo_settings){.deletes = false}, summary, err);
}

static enum onramp_status undo(const struct onramp_stage_setup *setup, struct onramp_stage_summary *summary,
                               struct onramp_error *err)
{
    return onramp_undo(setup, &(struct onramp_undo_settings){.deletes = true}, summary, err);
}

static enum onramp_status undo_even_if_used(const struct onramp_stage_setup *setup,
                                            struct onramp_stage_summary *summary, struct onramp_error *err)
{
    return onramp_undo(setup, &(struct onramp_undo_settings){.deletes = true, .even_if_used = true}, summary, err);
}

/* Somebody logs in. */
static void log_in(struct world *w, uint64_t record)
{
    (void)json_object_set_new(account(w, record)->profile, "logins_count", json_integer(1));
    (void)json_object_set_new(account(w, record)->profile, "last_login", json_string("2026-09-21T12:00:00.000Z"));
}

static void undo_shows_what_it_would_do_and_changes_nothing(void **state)
{
    (void)state;
    struct world w;
    struct world_setup setup = ordinary(1);
    populate(&w, &setup, 40);
    log_in(&w, 3);
    onramp_directory_remove(&w.tenant->directory, account(&w, 9));
    long size = ledger_size();
    struct onramp_stage_summary summary = run(&w, show_undo, 2);
    assert_int_equal(summary.exit, 1);
    assert_int_equal(summary.counts[ONRAMP_RESULT_DONE], 38);
    assert_int_equal(summary.counts[ONRAMP_RESULT_KEPT], 1);
    assert_int_equal(summary.counts[ONRAMP_RESULT_MISSING], 1);
    assert_int_equal(view_of(&w).deleted, 0);
    assert_int_equal(ledger_size(), size);
    world_clear(&w);
}

/* The first five addresses are somebody else's users. */
static void take_addresses(struct world *w)
{
    (void)upload(w, 5, 77);
    (void)unlink(ledger_path);
}

static void undo_deletes_only_its_own_and_only_the_unused(void **state)
{
    (void)state;
    struct world w;
    struct world_setup setup = ordinary(1);
    (void)unlink(ledger_path);
    world_init(&w, &setup);
    take_addresses(&w);
    assert_int_equal(upload(&w, 40, 1).counts[ONRAMP_EXISTS], 5);
    log_in(&w, 10);
    log_in(&w, 11);
    struct onramp_stage_summary summary = run(&w, undo, 2);
    assert_int_equal(summary.exit, 1);
    assert_int_equal(summary.users, 35);
    assert_int_equal(summary.counts[ONRAMP_RESULT_DONE], 33);
    assert_int_equal(summary.counts[ONRAMP_RESULT_KEPT], 2);
    assert_int_equal(summary.throttled, 0);
    assert_int_equal(view_of(&w).users, 7);
    assert_non_null(account(&w, 4));
    assert_non_null(account(&w, 10));
    summary = run(&w, undo_even_if_used, 3);
    assert_int_equal(summary.exit, 0);
    assert_int_equal(summary.counts[ONRAMP_RESULT_DONE], 2);
    assert_int_equal(view_of(&w).users, 5);
    world_clear(&w);
}

static void an_upload_after_undo_creates_them_again(void **state)
{
    (void)state;
    struct world w;
    struct world_source records;
    struct world_setup setup = ordinary(1);
    populate(&w, &setup, 40);
    log_in(&w, 10);
    (void)run(&w, undo, 2);
    assert_int_equal(view_of(&w).users, 1);
    struct onramp_summary summary = upload(&w, 40, 3);
    assert_int_equal(summary.exit, 0);
    assert_int_equal(summary.counts[ONRAMP_CREATED], 40);
    assert_int_equal(view_of(&w).users, 40);
    assert_int_equal(view_of(&w).created, 79);
    world_source_init(&records, 40, NULL);
    assert_int_equal(world_disagreements(&w, &records, ledger_path, NULL), 0);
    world_clear(&w);
}

static void undo_carries_on_after_deaths_on_a_bad_network(void **state)
{
    (void)state;
    struct seeds s = seeds(40);
    for (uint64_t seed = s.first; seed <= s.last; seed++) {
        struct world w;
        struct world_setup setup = ordinary(seed);
        populate(&w, &setup, 30);
        make_bad(&w);
        struct onramp_rng rng;
        onramp_rng_init(&rng, seed);
        for (int deaths = 0; deaths < 4; deaths++) {
            world_reboot(&w);
            w.die_after = 1 + onramp_rng_below(&rng, 100);
            (void)run(&w, undo, seed * 100 + (uint64_t)deaths);
        }
        world_reboot(&w);
        struct onramp_stage_summary summary = {.exit = 5};
        for (int round = 0; round < 20 && summary.exit == 5; round++)
            summary = run(&w, undo, seed * 100 + 50 + (uint64_t)round);
        if (summary.exit != 0 || view_of(&w).users != 0)
            FAIL(seed, "exit %d, %llu users left: %s\n", summary.exit, (unsigned long long)view_of(&w).users,
                 summary.reason);
        world_clear(&w);
    }
}

static void an_upload_after_an_undo_that_died_agrees_with_the_tenant(void **state)
{
    (void)state;
    struct seeds s = seeds(60);
    for (uint64_t seed = s.first; seed <= s.last; seed++) {
        struct world w;
        struct world_source records;
        struct world_setup setup = ordinary(seed);
        populate(&w, &setup, 30);
        w.setup.network.chance[WORLD_MUTE] = 30000;
        struct onramp_rng rng;
        onramp_rng_init(&rng, seed);
        w.die_after = w.deeds + 1 + onramp_rng_below(&rng, 150);
        (void)run(&w, undo, seed * 100);
        world_reboot(&w);
        world_settle(&w);
        struct onramp_summary summary = {.exit = 5};
        for (int round = 0; round < 20 && summary.exit == 5; round++)
            summary = upload(&w, 30, seed * 100 + 50 + (uint64_t)round);
        world_source_init(&records, 30, NULL);
        if (summary.exit != 0 || summary.counts[ONRAMP_CREATED] != 30 || view_of(&w).users != 30 ||
            world_disagreements(&w, &records, ledger_path, NULL) > 0)
            FAIL(seed, "exit %d, created %llu of 30, the tenant has %llu: %s\n", summary.exit,
                 (unsigned long long)summary.counts[ONRAMP_CREATED], (unsigned long long)view_of(&w).users,
                 summary.reason);
        world_clear(&w);
    }
}

/* ---- with an upload: roles, organization, invitations ---- */

static const char *const two_roles[] = {"rol_aaaaaaaaaaaaaaaa", "rol_bbbbbbbbbbbbbbbb"};
static const struct onramp_after everything = {
    .roles = two_roles, .role_count = 2, .organization = "org_cccccccccccccccc"};

static bool has(const json_t *list, const char *id)
{
    bool found = false;
    for (size_t i = 0; i < json_array_size(list); i++)
        found = found || strcmp(json_string_value(json_array_get(list, i)), id) == 0;
    return found;
}

/* How many users have both roles and are members. */
static uint64_t equipped(struct world *w, uint64_t users)
{
    uint64_t count = 0;
    for (uint64_t record = 0; record < users; record++) {
        const struct onramp_account *a = account(w, record);
        count += a != NULL && has(a->roles, two_roles[0]) && has(a->roles, two_roles[1]) &&
                         has(a->organizations, everything.organization)
                     ? 1
                     : 0;
    }
    return count;
}

static uint64_t calls[3]; /* roles, members, creates */

static void watch_calls(void *context, const struct onramp_tenant_request *request)
{
    (void)context;
    size_t size = strlen(request->path);
    calls[0] += size > 6 && strcmp(request->path + size - 6, "/roles") == 0 ? 1 : 0;
    calls[1] += size > 8 && strcmp(request->path + size - 8, "/members") == 0 ? 1 : 0;
    calls[2] += strcmp(request->path, "/api/v2/users") == 0 ? 1 : 0;
}

static void every_created_user_gets_its_roles_and_its_organization(void **state)
{
    (void)state;
    struct world w;
    struct world_setup setup = ordinary(1);
    (void)unlink(ledger_path);
    world_init(&w, &setup);
    memset(calls, 0, sizeof calls);
    w.watch = watch_calls;
    after = &everything;
    struct onramp_summary summary = upload(&w, 45, 1);
    assert_int_equal(summary.exit, 0);
    assert_int_equal(summary.throttled, 0);
    assert_int_equal(summary.after[ONRAMP_DEED_ROLE].counts[ONRAMP_RESULT_DONE], 45);
    assert_int_equal(summary.after[ONRAMP_DEED_MEMBER].counts[ONRAMP_RESULT_DONE], 45);
    assert_false(summary.ran[ONRAMP_DEED_INVITE]);
    assert_int_equal(equipped(&w, 45), 45);
    assert_int_equal(calls[0], 45);
    assert_int_equal(calls[1], 5);
    summary = upload(&w, 45, 2);
    assert_int_equal(summary.exit, 0);
    assert_int_equal(summary.requests, 0);
    assert_int_equal(summary.after[ONRAMP_DEED_ROLE].before, 45);
    assert_int_equal(calls[0] + calls[1], 50);
    after = NULL;
    world_clear(&w);
}

static void a_member_that_is_gone_does_not_keep_the_others_out(void **state)
{
    (void)state;
    struct world w;
    struct world_setup setup = ordinary(1);
    populate(&w, &setup, 30);
    onramp_directory_remove(&w.tenant->directory, account(&w, 4));
    onramp_directory_remove(&w.tenant->directory, account(&w, 22));
    after = &(struct onramp_after){.organization = "org_cccccccccccccccc"};
    struct onramp_summary summary = upload(&w, 30, 2);
    after = NULL;
    assert_int_equal(summary.exit, 1);
    assert_int_equal(summary.after[ONRAMP_DEED_MEMBER].counts[ONRAMP_RESULT_DONE], 28);
    assert_int_equal(summary.after[ONRAMP_DEED_MEMBER].counts[ONRAMP_RESULT_REFUSED], 2);
    world_clear(&w);
}

static void an_organization_that_is_not_there_stops_the_run_and_says_so(void **state)
{
    (void)state;
    struct world w;
    struct world_setup setup = ordinary(1);
    populate(&w, &setup, 30);
    after = &(struct onramp_after){.organization = "acme"};
    struct onramp_summary summary = upload(&w, 30, 2);
    after = NULL;
    assert_int_equal(summary.exit, 3);
    assert_non_null(strstr(summary.reason, "No organization found by that id or name; check the id that was given"));
    world_clear(&w);
}

static void a_token_without_the_scope_is_refused_before_the_first_create(void **state)
{
    (void)state;
    struct world w;
    struct world_setup setup = ordinary(1);
    (void)unlink(ledger_path);
    setup.tenant.scopes = "create:users read:users read:connections update:users";
    world_init(&w, &setup);
    after = &everything;
    struct onramp_summary summary = upload(&w, 30, 2);
    after = NULL;
    assert_int_equal(summary.exit, 4);
    assert_int_equal(view_of(&w).users, 0);
    assert_non_null(strstr(summary.reason, "create:role_members"));
    world_clear(&w);
}

static void roles_and_members_are_complete_after_deaths_on_a_bad_network(void **state)
{
    (void)state;
    struct seeds s = seeds(40);
    for (uint64_t seed = s.first; seed <= s.last; seed++) {
        struct world w;
        struct world_setup setup = ordinary(seed);
        (void)unlink(ledger_path);
        world_init(&w, &setup);
        make_bad(&w);
        after = &everything;
        struct onramp_rng rng;
        onramp_rng_init(&rng, seed);
        for (int deaths = 0; deaths < 4; deaths++) {
            world_reboot(&w);
            w.die_after = 1 + onramp_rng_below(&rng, 200);
            (void)upload(&w, 25, seed * 100 + (uint64_t)deaths);
        }
        world_reboot(&w);
        struct onramp_summary summary = {.exit = 5};
        for (int round = 0; round < 20 && summary.exit == 5; round++)
            summary = upload(&w, 25, seed * 100 + 50 + (uint64_t)round);
        after = NULL;
        if (summary.exit != 0 || equipped(&w, 25) != 25 || view_of(&w).users != 25)
            FAIL(seed, "exit %d, %llu of 25 have all: %s\n", summary.exit, (unsigned long long)equipped(&w, 25),
                 summary.reason);
        world_clear(&w);
    }
}

static void an_upload_invites_behind_its_creates(void **state)
{
    (void)state;
    struct world w;
    struct world_setup setup = ordinary(1);
    struct onramp_invite_settings invitation = {.by_mail = false};
    (void)unlink(ledger_path);
    (void)unlink(links_path);
    world_init(&w, &setup);
    assert_int_equal(onramp_links_open(&invitation.links, links_path, &w.disk, NULL), ONRAMP_OK);
    after = &(struct onramp_after){.invite = &invitation};
    struct onramp_summary summary = upload(&w, 30, 1);
    onramp_links_close(invitation.links);
    assert_int_equal(summary.exit, 0);
    assert_int_equal(summary.throttled, 0);
    assert_true(links_are_complete(&w, 30));
    assert_int_equal(view_of(&w).mails, 0);

    open_post(&w);
    after = &(struct onramp_after){.invite = &(struct onramp_invite_settings){.by_mail = true, .mails_per_minute = 10}};
    summary = upload(&w, 40, 2);
    after = NULL;
    assert_int_equal(asked, 40);
    assert_int_equal(summary.exit, 0);
    assert_int_equal(summary.after[ONRAMP_DEED_INVITE].counts[ONRAMP_RESULT_DONE], 40);
    assert_int_equal(view_of(&w).mails, 40);
    assert_int_equal(most_mails(), 1);
    assert_true(post.closest > 5500 * ONRAMP_MILLISECOND);
    world_clear(&w);
}

static int make_path(void **state)
{
    (void)state;
    int ledger = mkstemp(ledger_path), links = mkstemp(links_path);
    return ledger >= 0 && links >= 0 && close(ledger) == 0 ? close(links) : -1;
}

static int remove_path(void **state)
{
    (void)state;
    (void)unlink(links_path);
    return unlink(ledger_path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verify_tells_who_is_missing_and_who_has_left_the_connection),
        cmocka_unit_test(verify_finds_everybody_on_a_bad_network),
        cmocka_unit_test(verify_says_that_it_could_not_ask),
        cmocka_unit_test(a_link_for_each_user_and_no_mail),
        cmocka_unit_test(no_link_is_in_the_ledger),
        cmocka_unit_test(a_token_that_the_tenant_repeats_stays_out_of_the_ledger),
        cmocka_unit_test(every_user_has_one_link_whatever_the_network_does),
        cmocka_unit_test(every_user_has_one_link_whenever_the_process_dies),
        cmocka_unit_test(a_mail_for_each_user_at_the_providers_pace),
        cmocka_unit_test(nothing_is_mailed_unless_that_is_wanted),
        cmocka_unit_test(nobody_is_mailed_twice_whatever_happens),
        cmocka_unit_test(undo_shows_what_it_would_do_and_changes_nothing),
        cmocka_unit_test(undo_deletes_only_its_own_and_only_the_unused),
        cmocka_unit_test(an_upload_after_undo_creates_them_again),
        cmocka_unit_test(undo_carries_on_after_deaths_on_a_bad_network),
        cmocka_unit_test(an_upload_after_an_undo_that_died_agrees_with_the_tenant),
        cmocka_unit_test(every_created_user_gets_its_roles_and_its_organization),
        cmocka_unit_test(a_member_that_is_gone_does_not_keep_the_others_out),
        cmocka_unit_test(an_organization_that_is_not_there_stops_the_run_and_says_so),
        cmocka_unit_test(a_token_without_the_scope_is_refused_before_the_first_create),
        cmocka_unit_test(roles_and_members_are_complete_after_deaths_on_a_bad_network),
        cmocka_unit_test(an_upload_invites_behind_its_creates),
    };
    return cmocka_run_group_tests(tests, make_path, remove_path);
}
