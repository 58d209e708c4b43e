/*
 * What comes after the creates - verify, undo, invitations - against the model tenant in virtual time, on bad networks
 * and through deaths. Each run replays from its seed: ONRAMP_SEED=N runs that one alone, ONRAMP_SEEDS=N so many.
 */
#define _POSIX_C_SOURCE 200809L
#include "sim/stages.h"

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

/* A 404 shows no limits. */
static void verify_is_as_quick_where_nobody_is_there(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 2; seed++) {
        struct world w;
        struct world_setup setup = ordinary(seed);
        populate(&w, &setup, 200);
        struct onramp_stage_summary there = run(&w, onramp_verify, seed);
        for (uint64_t record = 0; record < 200; record++)
            onramp_directory_remove(&w.tenant->directory, account(&w, record));
        w.now += ONRAMP_MINUTE;
        struct onramp_stage_summary gone = run(&w, onramp_verify, seed);
        assert_int_equal(gone.counts[ONRAMP_RESULT_MISSING], 200);
        assert_in_range(gone.throttled, 0, 10);
        assert_true(gone.seconds < there.seconds + 5);
        world_clear(&w);
    }
}

static void verify_finds_everybody_on_a_bad_network(void **state)
{
    (void)state;
    struct seeds s = seeds(40);
    for (uint64_t seed = s.first; seed <= s.last; seed++) {
        struct world w;
        struct world_setup setup = ordinary(seed);
        populate(&w, &setup, 60);
        world_make_bad(&w);
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
        world_make_bad(&w);
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

static enum onramp_status mail_quickly(const struct onramp_stage_setup *setup, struct onramp_stage_summary *summary,
                                       struct onramp_error *err)
{
    const struct onramp_invite_settings settings = {.by_mail = true, .mails_per_minute = 600};
    return onramp_invite(setup, &settings, summary, err);
}

/* Each answer tells of ten mails at once and one a minute: to the address that it was about. */
static void the_limit_of_one_address_hardly_slows_the_others_down(void **state)
{
    (void)state;
    struct seeds s = seeds(10);
    for (uint64_t seed = s.first; seed <= s.last; seed++) {
        struct world w;
        struct world_setup setup = ordinary(seed);
        populate(&w, &setup, 90);
        open_post(&w);
        struct onramp_stage_summary summary = run(&w, mail_quickly, seed + 1);
        if (summary.exit != 0 || summary.throttled > 0 || most_mails() != 1 || summary.seconds > 89 * 0.1 + 2)
            FAIL(seed, "exit %d, %.2f s\n", summary.exit, summary.seconds);
        world_clear(&w);
    }
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
        world_make_bad(&w);
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
    begin(&w, &setup);
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
        world_make_bad(&w);
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

/* An upload was killed: nobody can undo, or look for, who may be there and is not proven to be. */
static void whoever_is_in_doubt_is_told_of(void **state)
{
    (void)state;
    static stage_call *const calls[] = {onramp_verify, undo, invite_by_ticket};
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        struct world w;
        struct world_setup setup = ordinary(1);
        begin(&w, &setup);
        w.die_after = 60;
        (void)upload(&w, 40, 1);
        world_reboot(&w);
        world_settle(&w);
        warned[0] = '\0';
        struct onramp_stage_summary summary = run(&w, calls[i], 2);
        assert_int_equal(summary.exit, 0);
        assert_true(summary.users < 40);
        assert_non_null(strstr(warned, "upload the file again"));
        assert_int_equal(upload(&w, 40, 3).exit, 0);
        warned[0] = '\0';
        assert_int_equal(run(&w, calls[i], 4).exit, 0);
        assert_string_equal(warned, "");
        world_clear(&w);
    }
}

/* A ledger that was written by hand may not say under which id. */
static void whoever_has_no_id_in_the_ledger_is_told_of(void **state)
{
    (void)state;
    static stage_call *const calls[] = {onramp_verify, show_undo, invite_by_ticket};
    struct world w;
    struct world_setup setup = ordinary(1);
    populate(&w, &setup, 2);
    struct onramp_ledger *ledger = another_run(&w);
    const struct onramp_ledger_outcome outcome = {
        .record = 7, .identity.email = "ann@example.com", .outcome = ONRAMP_CREATED, .attempts = 1};
    assert_int_equal(onramp_ledger_outcome(ledger, &outcome, NULL), ONRAMP_OK);
    onramp_ledger_close(ledger);
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        struct onramp_stage_summary summary = run(&w, calls[i], 2 + i);
        assert_int_equal(summary.exit, 1);
        assert_int_equal(summary.users, 3);
        assert_int_equal(summary.counts[ONRAMP_RESULT_DONE], 2);
        assert_int_equal(summary.counts[ONRAMP_RESULT_SKIPPED], 1);
    }
    world_clear(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whoever_is_in_doubt_is_told_of),
        cmocka_unit_test(whoever_has_no_id_in_the_ledger_is_told_of),
        cmocka_unit_test(verify_tells_who_is_missing_and_who_has_left_the_connection),
        cmocka_unit_test(verify_is_as_quick_where_nobody_is_there),
        cmocka_unit_test(verify_finds_everybody_on_a_bad_network),
        cmocka_unit_test(verify_says_that_it_could_not_ask),
        cmocka_unit_test(a_link_for_each_user_and_no_mail),
        cmocka_unit_test(no_link_is_in_the_ledger),
        cmocka_unit_test(a_token_that_the_tenant_repeats_stays_out_of_the_ledger),
        cmocka_unit_test(every_user_has_one_link_whatever_the_network_does),
        cmocka_unit_test(every_user_has_one_link_whenever_the_process_dies),
        cmocka_unit_test(a_mail_for_each_user_at_the_providers_pace),
        cmocka_unit_test(the_limit_of_one_address_hardly_slows_the_others_down),
        cmocka_unit_test(nothing_is_mailed_unless_that_is_wanted),
        cmocka_unit_test(nobody_is_mailed_twice_whatever_happens),
        cmocka_unit_test(undo_shows_what_it_would_do_and_changes_nothing),
        cmocka_unit_test(undo_deletes_only_its_own_and_only_the_unused),
        cmocka_unit_test(an_upload_after_undo_creates_them_again),
        cmocka_unit_test(undo_carries_on_after_deaths_on_a_bad_network),
        cmocka_unit_test(an_upload_after_an_undo_that_died_agrees_with_the_tenant),
    };
    return cmocka_run_group_tests(tests, stages_make_paths, stages_remove_paths);
}
