/*
 * What an upload does for its users as soon as they are there - roles, organization, invitations - beside the creates,
 * against the model tenant in virtual time, on bad networks and through deaths. Each run replays from its seed:
 * ONRAMP_SEED=N runs that one alone, ONRAMP_SEEDS=N so many.
 */
#define _POSIX_C_SOURCE 200809L
#include "sim/stages.h"

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
    begin(&w, &setup);
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

/* When calls for one member, and for several, reached the tenant last. */
static struct {
    onramp_time one, several;
} asked_for;

static void watch_parties(void *context, const struct onramp_tenant_request *request)
{
    const struct world *w = context;
    const char *first = request->body != NULL ? strstr(request->body, "\"members\":[\"") : NULL;
    if (first != NULL && strchr(first, ',') == NULL)
        asked_for.one = w->now;
    else if (first != NULL)
        asked_for.several = w->now;
}

/* Ten wait for their organization when the upload begins, and one of its two creates is lost: so long nobody comes. */
static void who_was_in_a_refused_party_waits_for_nobody(void **state)
{
    (void)state;
    struct world w;
    struct world_setup setup = ordinary(2);
    populate(&w, &setup, 10);
    onramp_directory_remove(&w.tenant->directory, account(&w, 4));
    w.setup.plan[0].request = w.requests + 4; /* two questions and a create are ahead of it */
    w.setup.plan[0].fault = WORLD_LOST;
    w.watch = watch_parties;
    w.watch_context = &w;
    after = &(struct onramp_after){.organization = everything.organization};
    struct onramp_summary summary = upload(&w, 12, 3);
    after = NULL;
    assert_int_equal(summary.counts[ONRAMP_CREATED], 12);
    assert_int_equal(summary.after[ONRAMP_DEED_MEMBER].counts[ONRAMP_RESULT_DONE], 11);
    assert_int_equal(summary.after[ONRAMP_DEED_MEMBER].requests, 12);
    assert_true(asked_for.one + 10 * ONRAMP_SECOND < asked_for.several);
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
    setup.tenant.scopes = "create:users read:users read:connections update:users";
    begin(&w, &setup);
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
        begin(&w, &setup);
        world_make_bad(&w);
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

static enum onramp_status undo(const struct onramp_stage_setup *setup, struct onramp_stage_summary *summary,
                               struct onramp_error *err)
{
    return onramp_undo(setup, &(struct onramp_undo_settings){.deletes = true}, summary, err);
}

/* What was done for somebody who is gone was not done for who comes after. */
static void who_is_created_anew_after_an_undo_that_died_gets_its_roles_anew(void **state)
{
    (void)state;
    struct seeds s = seeds(40);
    for (uint64_t seed = s.first; seed <= s.last; seed++) {
        struct world w;
        struct world_setup setup = ordinary(seed);
        after = &everything;
        populate(&w, &setup, 25);
        struct onramp_rng rng;
        onramp_rng_init(&rng, seed);
        w.die_after = w.deeds + 1 + onramp_rng_below(&rng, 100);
        (void)run(&w, undo, seed * 100);
        world_reboot(&w);
        world_settle(&w);
        struct onramp_summary summary = upload(&w, 25, seed * 100 + 1);
        after = NULL;
        if (summary.exit != 0 || equipped(&w, 25) != 25 || view_of(&w).users != 25)
            FAIL(seed, "exit %d, %llu of 25 have all: %s\n", summary.exit, (unsigned long long)equipped(&w, 25),
                 summary.reason);
        world_clear(&w);
    }
}

/* ---- invitations, beside the creates ---- */

/* When requests of each kind reached the tenant. */
static struct {
    onramp_time first_create, last_create, first_ticket, last_ticket;
    bool early; /* a ticket for somebody whose role or membership was not there yet */
    struct world *world;
} seen;

static void watch_order(void *context, const struct onramp_tenant_request *request)
{
    (void)context;
    onramp_time now = seen.world->now;
    if (strcmp(request->path, "/api/v2/users") == 0) {
        seen.first_create = seen.first_create == 0 ? now : seen.first_create;
        seen.last_create = now;
    }
    if (strcmp(request->path, "/api/v2/tickets/password-change") != 0)
        return;
    seen.first_ticket = seen.first_ticket == 0 ? now : seen.first_ticket;
    seen.last_ticket = now;
    for (uint64_t record = 0; record < 40; record++) {
        const struct onramp_account *a = account(seen.world, record);
        const char *id = a != NULL ? json_string_value(json_object_get(a->profile, "user_id")) : NULL;
        if (id != NULL && strstr(request->body, id) != NULL)
            seen.early = seen.early || !has(a->roles, two_roles[0]) || !has(a->organizations, everything.organization);
    }
}

static void watch(struct world *w)
{
    memset(&seen, 0, sizeof seen);
    seen.world = w;
    w->watch = watch_order;
}

static struct world_setup tier(const char *name)
{
    struct world_setup setup = ordinary(1);
    const struct onramp_tier *tier = onramp_tier_find(name);
    setup.tenant.api = tier->api;
    memcpy(setup.tenant.groups, tier->groups, sizeof tier->groups);
    return setup;
}

/* An upload from an empty ledger, with links if `invites`. */
static struct onramp_summary fresh(struct world *w, const struct world_setup *setup, uint64_t users, bool invites,
                                   struct onramp_after wanted)
{
    struct onramp_invite_settings invitation = {.by_mail = false};
    begin(w, setup);
    watch(w);
    if (invites) {
        assert_int_equal(onramp_links_open(&invitation.links, links_path, &w->disk, NULL), ONRAMP_OK);
        wanted.invite = &invitation;
    }
    after = &wanted;
    struct onramp_summary summary = upload(w, users, 1);
    after = NULL;
    onramp_links_close(invitation.links);
    return summary;
}

/* Seconds from the first create to the last. */
static double creating(void)
{
    return (double)(seen.last_create - seen.first_create) / (double)ONRAMP_SECOND;
}

static void links_cost_the_creates_nothing_where_they_have_a_bucket_of_their_own(void **state)
{
    (void)state;
    struct world w;
    struct world_setup setup = tier("professional");
    (void)fresh(&w, &setup, 100, false, (struct onramp_after){0});
    double alone = creating();
    world_clear(&w);
    struct onramp_summary summary = fresh(&w, &setup, 100, true, (struct onramp_after){0});
    assert_int_equal(summary.exit, 0);
    assert_int_equal(summary.throttled, 0);
    assert_true(links_are_complete(&w, 100));
    assert_true(creating() < alone + 0.3); /* the time of one token */
    assert_true(seen.first_ticket < seen.first_create + ONRAMP_SECOND);
    assert_true(summary.seconds < (100 - 10) * 60.0 / 150 + 4); /* the slower of the two buckets alone */
    world_clear(&w);
}

/* The average of many: on a bucket of two tokens what is learned of the rate in time is a matter of luck. */
static void creates_go_before_links_in_a_bucket_that_they_share(void **state)
{
    (void)state;
    static const char *const tiers[] = {"free", "enterprise", "enterprise-nonprod", "private-dev", "private-100"};
    for (size_t i = 0; i < sizeof tiers / sizeof tiers[0]; i++) {
        const uint64_t trials = 12;
        struct onramp_limit limit = onramp_tier_find(tiers[i])->api;
        double token = (double)limit.rate.per / (double)ONRAMP_SECOND / (double)limit.rate.tokens;
        double alone = 0, beside = 0, whole = 0;
        for (uint64_t seed = 1; seed <= trials; seed++) {
            struct world w;
            struct world_setup setup = tier(tiers[i]);
            setup.seed = setup.tenant.seed = seed;
            (void)fresh(&w, &setup, 100, false, (struct onramp_after){0});
            alone += creating() / (double)trials;
            world_clear(&w);
            struct onramp_summary summary = fresh(&w, &setup, 100, true, (struct onramp_after){0});
            assert_int_equal(summary.exit, 0);
            assert_int_equal(summary.throttled, 0);
            assert_true(links_are_complete(&w, 100));
            beside += creating() / (double)trials;
            whole += summary.seconds / (double)trials;
            world_clear(&w);
        }
        /* The first few go early, to learn which bucket links draw from. */
        if (beside > alone + 4 * token)
            fail_msg("%s: creates take %.2f s instead of %.2f s", tiers[i], beside, alone);
        if (whole > (200 - limit.burst) * token + 0.04 * 200 * token + 3)
            fail_msg("%s: the whole takes %.2f s", tiers[i], whole);
    }
}

static void members_that_have_a_bucket_of_the_same_size_are_told_apart_from_creates(void **state)
{
    (void)state;
    static const char *const tiers[] = {"professional", "enterprise", "private-100", "private-500"};
    for (size_t i = 0; i < sizeof tiers / sizeof tiers[0]; i++)
        for (int again = 0; again <= 1; again++) {
            struct world w;
            struct world_setup setup = tier(tiers[i]);
            struct onramp_after wanted = {.organization = everything.organization};
            reserve = 1;
            struct onramp_summary summary = fresh(&w, &setup, again ? 60 : 200, false, (struct onramp_after){0});
            if (!again)
                world_clear(&w);
            if (!again)
                summary = fresh(&w, &setup, 200, false, wanted);
            after = &wanted;
            if (again) /* those of the run before are waiting: both begin at once */
                summary = upload(&w, 200, 2);
            after = NULL;
            reserve = 0;
            if (summary.exit != 0 || summary.throttled > 0 ||
                summary.after[ONRAMP_DEED_MEMBER].counts[ONRAMP_RESULT_DONE] != 200)
                fail_msg("%s: exit %d, %llu refused", tiers[i], summary.exit, (unsigned long long)summary.throttled);
            world_clear(&w);
        }
}

static void one_place_is_kept_for_creates_even_if_there_is_no_other(void **state)
{
    (void)state;
    for (uint32_t places = 1; places <= 8; places += 7) {
        struct world w;
        struct world_setup setup = tier("professional");
        concurrency = places;
        struct onramp_summary summary = fresh(&w, &setup, 40, true, (struct onramp_after){0});
        concurrency = 0;
        assert_int_equal(summary.exit, 0);
        assert_int_equal(summary.throttled, 0);
        assert_true(links_are_complete(&w, 40));
        assert_int_equal(w.most_in_flight, places);
        assert_int_equal(places == 1, seen.first_ticket > seen.last_create);
        world_clear(&w);
    }
}

static void who_follows_a_link_finds_roles_and_organization_in_place(void **state)
{
    (void)state;
    struct world w;
    struct world_setup setup = tier("professional");
    struct onramp_summary summary = fresh(&w, &setup, 40, true, everything);
    assert_int_equal(summary.exit, 0);
    assert_int_equal(equipped(&w, 40), 40);
    assert_true(links_are_complete(&w, 40));
    assert_false(seen.early);
    world_clear(&w);
}

static void a_stage_that_the_tenant_refuses_stops_those_behind_it_and_not_the_creates(void **state)
{
    (void)state;
    struct world w;
    struct world_setup setup = tier("professional");
    struct onramp_summary summary = fresh(&w, &setup, 40, true, (struct onramp_after){.organization = "acme"});
    assert_int_equal(summary.exit, 3);
    assert_non_null(strstr(summary.reason, "No organization found by that id or name"));
    assert_int_equal(summary.counts[ONRAMP_CREATED], 40);
    assert_int_equal(view_of(&w).users, 40);
    assert_int_equal(view_of(&w).tickets, 0);
    const struct onramp_stage_summary *members = &summary.after[ONRAMP_DEED_MEMBER];
    assert_int_equal(members->counts[ONRAMP_RESULT_FAILED] + members->unsent, 40);
    assert_int_equal(summary.after[ONRAMP_DEED_INVITE].unsent, 40);
    summary = upload(&w, 40, 2); /* and without it all is well */
    assert_int_equal(summary.exit, 0);
    world_clear(&w);
}

static void everything_is_complete_after_deaths_on_a_bad_network(void **state)
{
    (void)state;
    struct seeds s = seeds(30);
    for (uint64_t seed = s.first; seed <= s.last; seed++) {
        struct world w;
        struct world_setup setup = ordinary(seed);
        begin(&w, &setup);
        world_make_bad(&w);
        struct onramp_rng rng;
        onramp_rng_init(&rng, seed);
        struct onramp_summary summary = {.exit = 5};
        for (int round = 0; round < 25 && (round < 5 || summary.exit != 0); round++) {
            struct onramp_invite_settings invitation = {.by_mail = false};
            struct onramp_after wanted = everything;
            world_reboot(&w);
            w.die_after = round < 5 ? 1 + onramp_rng_below(&rng, 250) : 0;
            wanted.invite = &invitation;
            if (onramp_links_open(&invitation.links, links_path, &w.disk, NULL) != ONRAMP_OK)
                continue; /* it died as early as that */
            after = &wanted;
            summary = upload(&w, 25, seed * 100 + (uint64_t)round);
            after = NULL;
            onramp_links_close(invitation.links);
        }
        world_reboot(&w);
        if (summary.exit != 0 || equipped(&w, 25) != 25 || view_of(&w).users != 25 || !links_are_complete(&w, 25))
            FAIL(seed, "exit %d, %llu of 25 have all: %s\n", summary.exit, (unsigned long long)equipped(&w, 25),
                 summary.reason);
        world_clear(&w);
    }
}

static uint64_t tokens;

static void watch_tokens(void *context, const struct onramp_tenant_request *request)
{
    (void)context;
    tokens += strcmp(request->path, "/oauth/token") == 0 ? 1 : 0;
}

static void no_token_is_fetched_for_mails_that_need_none(void **state)
{
    (void)state;
    struct world w;
    struct world_setup setup = ordinary(1);
    const struct onramp_invite_settings mail = {.by_mail = true, .mails_per_minute = 10};
    setup.tenant.token_seconds = 100; /* the creates take two seconds, the mails two minutes */
    begin(&w, &setup);
    w.watch = watch_tokens;
    tokens = 0;
    renewing = true;
    after = &(struct onramp_after){.invite = &mail};
    struct onramp_summary summary = upload(&w, 20, 1);
    after = NULL;
    renewing = false;
    assert_int_equal(summary.exit, 0);
    assert_int_equal(summary.after[ONRAMP_DEED_INVITE].counts[ONRAMP_RESULT_DONE], 20);
    assert_true(summary.seconds > 100);
    assert_int_equal(tokens, 1);
    world_clear(&w);
}

static void nobody_is_mailed_twice_beside_creates_that_die(void **state)
{
    (void)state;
    struct seeds s = seeds(30);
    const struct onramp_invite_settings mail = {.by_mail = true, .mails_per_minute = 60};
    for (uint64_t seed = s.first; seed <= s.last; seed++) {
        struct world w;
        struct world_setup setup = ordinary(seed);
        begin(&w, &setup);
        open_post(&w);
        world_make_bad(&w);
        struct onramp_rng rng;
        onramp_rng_init(&rng, seed);
        struct onramp_summary summary = {.exit = 5};
        after = &(struct onramp_after){.invite = &mail};
        for (int round = 0; round < 25 && (round < 4 || summary.exit > 1); round++) {
            world_reboot(&w);
            w.die_after = round < 4 ? 1 + onramp_rng_below(&rng, 150) : 0;
            summary = upload(&w, 25, seed * 100 + (uint64_t)round);
        }
        after = NULL;
        world_settle(&w);
        const struct onramp_stage_summary *invited = &summary.after[ONRAMP_DEED_INVITE];
        uint64_t doubtful = invited->counts[ONRAMP_RESULT_SKIPPED] + invited->counts[ONRAMP_RESULT_UNKNOWN];
        uint64_t done = invited->before + invited->counts[ONRAMP_RESULT_DONE];
        if (most_mails() != 1 || done + doubtful != 25 || view_of(&w).users != 25 ||
            summary.exit != (doubtful > 0 ? 1 : 0))
            FAIL(seed, "exit %d, %llu done, %llu in doubt, at most %llu mails: %s\n", summary.exit,
                 (unsigned long long)done, (unsigned long long)doubtful, (unsigned long long)most_mails(),
                 summary.reason);
        world_clear(&w);
    }
}

static void mails_go_at_their_own_pace_beside_the_creates(void **state)
{
    (void)state;
    struct world w;
    struct world_setup setup = tier("professional");
    begin(&w, &setup);
    open_post(&w);
    after = &(struct onramp_after){.invite = &(struct onramp_invite_settings){.by_mail = true, .mails_per_minute = 10}};
    struct onramp_summary summary = upload(&w, 40, 2);
    after = NULL;
    assert_int_equal(asked, 40);
    assert_int_equal(summary.exit, 0);
    assert_int_equal(summary.throttled, 0);
    assert_int_equal(summary.after[ONRAMP_DEED_INVITE].counts[ONRAMP_RESULT_DONE], 40);
    assert_int_equal(view_of(&w).mails, 40);
    assert_int_equal(most_mails(), 1);
    assert_true(post.closest > 5500 * ONRAMP_MILLISECOND);
    assert_true(summary.seconds < 39 * 6 + 4); /* the first goes with the first creates */
    world_clear(&w);
}

static void only_mails_that_will_be_sent_are_asked_for(void **state)
{
    (void)state;
    struct world w;
    struct world_setup setup = ordinary(1);
    populate(&w, &setup, 3);
    struct onramp_ledger *ledger = another_run(&w);
    const struct onramp_ledger_deed doubt = {
        .kind = ONRAMP_DEED_INVITE, .subject = "email", .state = ONRAMP_DEED_UNKNOWN};
    const struct onramp_identity u0 = {.email = "u0@example.com"};
    assert_int_equal(onramp_ledger_deed(ledger, onramp_ledger_find(ledger, &u0), &doubt, NULL), ONRAMP_OK);
    onramp_ledger_close(ledger);
    for (int again = 0; again <= 1; again++) {
        struct onramp_invite_settings mail = {.by_mail = true, .mails_per_minute = 10, .again = again};
        after = &(struct onramp_after){.invite = &mail};
        refuse = true;
        asked = 0;
        (void)upload(&w, 3, 2);
        assert_int_equal(asked, 2 + again); /* to u0 one may have gone already */
    }
    after = NULL;
    refuse = false;
    world_clear(&w);
}

static void a_lane_that_is_through_is_not_impatient_while_others_go_on(void **state)
{
    (void)state;
    struct world w;
    struct world_setup setup = tier("professional");
    populate(&w, &setup, 60);
    w.setup.plan[0].request = w.requests + 3; /* behind two questions about the connection: the one create */
    w.setup.plan[0].fault = WORLD_UNAVAILABLE;
    after = &(struct onramp_after){.invite = &(struct onramp_invite_settings){.by_mail = true, .mails_per_minute = 4}};
    attempts = 1;
    struct onramp_summary summary = upload(&w, 61, 2);
    after = NULL;
    attempts = 0;
    assert_int_equal(summary.counts[ONRAMP_FAILED], 1);
    assert_string_equal(summary.reason, "finished");
    assert_int_equal(summary.after[ONRAMP_DEED_INVITE].counts[ONRAMP_RESULT_DONE], 60); /* in a quarter of an hour */
    assert_int_equal(summary.exit, 5);
    world_clear(&w);
}

/* ---- a run that stops ---- */

/* Is everybody told of once: the records of the file, and in each stage whoever came to it? */
static bool adds_up(const struct onramp_summary *summary, uint64_t users, bool full)
{
    uint64_t told = summary->unsent;
    for (int i = 0; i < ONRAMP_OUTCOMES; i++)
        told += summary->counts[i];
    bool fine = told == users;
    for (int deed = 0; deed < ONRAMP_DEEDS; deed++) {
        const struct onramp_stage_summary *stage = &summary->after[deed];
        told = stage->before + stage->unsent;
        for (int i = 0; i < ONRAMP_RESULTS; i++)
            told += stage->counts[i];
        /* Whoever was created comes to each stage, also if the run has stopped; but for a disk that is full, when the
         * ledger does not have the last of them. */
        if (summary->ran[deed])
            fine = fine && told == stage->users && stage->users <= summary->counts[ONRAMP_CREATED] &&
                   (full || stage->users == summary->counts[ONRAMP_CREATED]);
    }
    return fine;
}

/* The user wants to stop, the disk is full, or the token is good no more and another is not to be had. */
static void let_it_stop(struct world *w, struct onramp_rng *rng)
{
    uint64_t deed = w->deeds + 20 + onramp_rng_below(rng, 250);
    uint64_t fate = onramp_rng_below(rng, 3);
    stop_after = fate == 0 ? deed : 0;
    w->fail_at = fate == 1 ? deed : 0;
    w->setup.network.chance[WORLD_EXPIRED] = fate == 2 ? 20000 : 0;
    renewing = onramp_rng_below(rng, 2) > 0;
}

static void who_was_created_is_told_of_once_in_each_stage_however_the_run_stops(void **state)
{
    (void)state;
    struct seeds s = seeds(60);
    for (uint64_t seed = s.first; seed <= s.last; seed++) {
        struct world w;
        struct world_setup setup = ordinary(seed);
        begin(&w, &setup);
        open_post(&w);
        if (seed % 4 == 0)
            world_make_bad(&w);
        struct onramp_rng rng;
        onramp_rng_init(&rng, seed);
        const struct onramp_invite_settings mail = {.by_mail = true, .mails_per_minute = 120};
        struct onramp_after wanted = everything;
        wanted.invite = &mail;
        struct onramp_summary summary = {.exit = 5};
        after = &wanted;
        for (int round = 0; round < 25 && (round < 4 || summary.exit > 1); round++) {
            world_reboot(&w);
            stop_after = w.fail_at = w.setup.network.chance[WORLD_EXPIRED] = 0;
            renewing = false;
            if (round < 4)
                let_it_stop(&w, &rng);
            summary = upload(&w, 25, seed * 100 + (uint64_t)round);
            if (summary.requests > 0 && !adds_up(&summary, 25, w.fail_at > 0))
                FAIL(seed, "round %d, exit %d, somebody is told of twice or never: %s\n", round, summary.exit,
                     summary.reason);
        }
        after = NULL;
        world_settle(&w);
        const struct onramp_stage_summary *invited = &summary.after[ONRAMP_DEED_INVITE];
        uint64_t doubtful = invited->counts[ONRAMP_RESULT_SKIPPED] + invited->counts[ONRAMP_RESULT_UNKNOWN];
        if (summary.exit != (doubtful > 0 ? 1 : 0) || equipped(&w, 25) != 25 || view_of(&w).users != 25 ||
            most_mails() > 1)
            FAIL(seed, "exit %d, %llu of 25 have all, at most %llu mails: %s\n", summary.exit,
                 (unsigned long long)equipped(&w, 25), (unsigned long long)most_mails(), summary.reason);
        world_clear(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_mails_that_will_be_sent_are_asked_for),
        cmocka_unit_test(every_created_user_gets_its_roles_and_its_organization),
        cmocka_unit_test(a_member_that_is_gone_does_not_keep_the_others_out),
        cmocka_unit_test(who_was_in_a_refused_party_waits_for_nobody),
        cmocka_unit_test(an_organization_that_is_not_there_stops_the_run_and_says_so),
        cmocka_unit_test(a_token_without_the_scope_is_refused_before_the_first_create),
        cmocka_unit_test(roles_and_members_are_complete_after_deaths_on_a_bad_network),
        cmocka_unit_test(who_is_created_anew_after_an_undo_that_died_gets_its_roles_anew),
        cmocka_unit_test(links_cost_the_creates_nothing_where_they_have_a_bucket_of_their_own),
        cmocka_unit_test(creates_go_before_links_in_a_bucket_that_they_share),
        cmocka_unit_test(members_that_have_a_bucket_of_the_same_size_are_told_apart_from_creates),
        cmocka_unit_test(one_place_is_kept_for_creates_even_if_there_is_no_other),
        cmocka_unit_test(who_follows_a_link_finds_roles_and_organization_in_place),
        cmocka_unit_test(a_stage_that_the_tenant_refuses_stops_those_behind_it_and_not_the_creates),
        cmocka_unit_test(everything_is_complete_after_deaths_on_a_bad_network),
        cmocka_unit_test(mails_go_at_their_own_pace_beside_the_creates),
        cmocka_unit_test(no_token_is_fetched_for_mails_that_need_none),
        cmocka_unit_test(nobody_is_mailed_twice_beside_creates_that_die),
        cmocka_unit_test(a_lane_that_is_through_is_not_impatient_while_others_go_on),
        cmocka_unit_test(who_was_created_is_told_of_once_in_each_stage_however_the_run_stops),
    };
    return cmocka_run_group_tests(tests, stages_make_paths, stages_remove_paths);
}
