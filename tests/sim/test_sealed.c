/*
 * Sealed passwords through lost answers and crashes, against the model tenant in virtual time: what 'open' calls
 * certain is the password the user was created with, and the right one is always among those it gives. Replays from its
 * seed: ONRAMP_SEED=N runs that one alone, ONRAMP_SEEDS=N so many.
 */
#define _POSIX_C_SOURCE 200809L
#include "sim/world.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define PEOPLE 8
#define RUNS   12

static char ledger_path[] = "/tmp/onramp-sim-sealed-XXXXXX";
static char sealed_path[sizeof ledger_path + 8];

#if defined(__SANITIZE_ADDRESS__)
#define SEEDS 60
#else
#define SEEDS 300
#endif

/* ---- which request created whom ---- */

struct person {
    char password[200]; /* of the request that created the user; "" if none has */
    bool sealed;        /* by a run that sealed */
    bool given, certain;
};

struct trial {
    struct world w;
    struct world_source records;
    struct onramp_seal_key *key;
    struct person people[PEOPLE];
    uint64_t runs, users;
    bool sealing;                     /* this run */
    struct person arrived, *arriving; /* the latest create, which may have made a user; NULL: none */
    char run_of[RUNS][9];             /* first digits of the runs that sealed */
    size_t sealing_runs;
};

static uint64_t users(struct trial *t)
{
    struct onramp_tenant_view view;
    onramp_tenant_view(t->w.tenant, t->w.now, &view);
    return view.users;
}

/* Has the create that arrived before made a user? Then it was the one. */
static void look_back(struct trial *t)
{
    uint64_t now = users(t);
    if (now > t->users && t->arriving != NULL)
        *t->arriving = t->arrived;
    t->users = now;
    t->arriving = NULL;
}

static void watch(void *context, const struct onramp_tenant_request *request)
{
    struct trial *t = context;
    unsigned who;
    look_back(t);
    if (strcmp(request->method, "POST") != 0 || strcmp(request->path, "/api/v2/users") != 0)
        return;
    json_t *body = json_loadb(request->body, request->body_size, 0, NULL);
    const char *email = json_string_value(json_object_get(body, "email"));
    const char *password = json_string_value(json_object_get(body, "password"));
    if (email != NULL && password != NULL && sscanf(email, "u%u@", &who) == 1 && who < PEOPLE) {
        t->arriving = &t->people[who];
        t->arrived = (struct person){.sealed = false};
        (void)snprintf(t->arrived.password, sizeof t->arrived.password, "%s", password);
        for (size_t i = 0; request->correlation_id != NULL && i < t->sealing_runs; i++)
            t->arrived.sealed = t->arrived.sealed || strstr(request->correlation_id, t->run_of[i]) != NULL;
    }
    json_decref(body);
}

/* ---- runs ---- */

static struct onramp_summary run(struct trial *t, bool sealing, uint64_t die_after)
{
    struct onramp_upload_settings settings;
    struct onramp_summary summary = {.exit = 5};
    struct onramp_ledger *ledger = NULL;
    struct onramp_sealer *sealer = NULL;
    struct onramp_observer observer = {.context = t};
    struct onramp_error err = {0};
    (void)world_trace(&observer);
    world_upload_settings(&t->w, &settings, t->w.setup.seed * 1000 + t->runs++);
    t->w.die_after = die_after;
    enum onramp_status st = onramp_ledger_open(&ledger, ledger_path, &t->w.disk, &err);
    if (st == ONRAMP_OK && sealing)
        st = onramp_sealer_open(&sealer, sealed_path, onramp_seal_key_public(t->key), &t->w.disk, &err);
    if (st == ONRAMP_OK) {
        settings.sealer = sealer;
        t->records.next = 0;
        st = onramp_upload(&settings, &t->records.source, &t->w.transport, ledger, &observer, &summary, &err);
    } else if (die_after == 0) {
        fail_msg("%s", err.text);
    }
    onramp_sealer_close(sealer);
    onramp_ledger_close(ledger);
    world_upload_clear(&settings);
    if (t->w.dead)
        world_reboot(&t->w);
    return summary;
}

/* The run's name is made of its seed, before it starts: what it sends is told by it. */
static void foretell(struct trial *t)
{
    struct onramp_rng rng;
    onramp_rng_init(&rng, t->w.setup.seed * 1000 + t->runs);
    (void)snprintf(t->run_of[t->sealing_runs++], sizeof t->run_of[0], "%08x", (unsigned)(onramp_rng_next(&rng) >> 32));
}

static bool check_line(void *context, const struct onramp_unsealed_line *line)
{
    struct trial *t = context;
    unsigned who;
    assert_int_equal(line->kind, ONRAMP_UNSEALED);
    assert_int_equal(sscanf(line->about.identity.email, "u%u@", &who), 1);
    struct person *person = &t->people[who];
    bool right = strcmp(line->password->text, person->password) == 0;
    if (line->certain && !right)
        fail_msg("u%u has another password than the one that is called certain: ONRAMP_SEED=%llu", who,
                 (unsigned long long)t->w.setup.seed);
    person->given = person->given || right;
    person->certain = person->certain || line->certain;
    return true;
}

static void check_all(struct trial *t, uint64_t *certain, uint64_t *doubtful)
{
    struct onramp_ledger *ledger = NULL;
    struct onramp_unsealed_tally tally;
    struct onramp_error err = {0};
    world_settle(&t->w);
    look_back(t);
    assert_int_equal(onramp_ledger_read(&ledger, ledger_path, NULL), ONRAMP_OK);
    if (access(sealed_path, F_OK) == 0 &&
        onramp_unseal(sealed_path, t->key, ledger, check_line, t, &tally, &err) != ONRAMP_OK)
        fail_msg("%s", err.text);
    onramp_ledger_close(ledger);
    for (unsigned i = 0; i < PEOPLE; i++) {
        assert_true(t->people[i].password[0] != '\0');
        if (t->people[i].sealed != t->people[i].given)
            fail_msg("u%u was created by a run that %s, and its password is %s: ONRAMP_SEED=%llu", i,
                     t->people[i].sealed ? "sealed" : "did not seal", t->people[i].given ? "given" : "not given",
                     (unsigned long long)t->w.setup.seed);
        *certain += t->people[i].certain ? 1 : 0;
        *doubtful += t->people[i].given && !t->people[i].certain ? 1 : 0;
    }
}

/* Runs that die at any deed, under a bad network, some of which seal, until one comes to its end. */
static void live(struct trial *t, uint64_t seed, bool always)
{
    struct onramp_rng rng;
    struct world_setup setup = {.seed = seed,
                                .network = {.way_min = 10 * ONRAMP_MILLISECOND,
                                            .way_max = 150 * ONRAMP_MILLISECOND,
                                            .stall_max = 40 * ONRAMP_SECOND}};
    static const enum world_fault faults[] = {WORLD_RESET_BEHIND, WORLD_LATE,        WORLD_TWICE,
                                              WORLD_BAD_GATEWAY,  WORLD_MUTE,        WORLD_ANSWER_RESET,
                                              WORLD_TORN,         WORLD_UNAVAILABLE, WORLD_LOST};
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++)
        setup.network.chance[faults[i]] = 40000;
    onramp_tenant_defaults(&setup.tenant);
    setup.tenant.seed = seed;
    setup.tenant.epoch = INT64_C(1790000000123);
    (void)unlink(ledger_path);
    (void)unlink(sealed_path);
    world_init(&t->w, &setup);
    world_source_init(&t->records, PEOPLE, NULL);
    t->w.watch = watch;
    t->w.watch_context = t;
    assert_int_equal(onramp_seal_key_new(&t->key, NULL), ONRAMP_OK);
    onramp_rng_init(&rng, seed);
    for (int exit_code = 5; exit_code != 0 && t->runs < RUNS;) {
        bool sealing = always || onramp_rng_below(&rng, 3) > 0;
        if (sealing)
            foretell(t);
        exit_code = run(t, sealing, t->runs < 4 ? 1 + onramp_rng_below(&rng, 60) : 0).exit;
    }
}

static void the_right_password_is_given_and_certain_ones_are_right(void **state)
{
    (void)state;
    struct seeds s = seeds(SEEDS);
    uint64_t certain = 0, doubtful = 0, count = s.last - s.first + 1;
    for (uint64_t seed = s.first; seed <= s.last; seed++) {
        static struct trial t;
        t = (struct trial){.runs = 0};
        live(&t, seed, seed % 2 == 0);
        check_all(&t, &certain, &doubtful);
        assert_false(t.w.sent_unsynced);
        onramp_seal_key_free(t.key);
        world_clear(&t.w);
    }
    if (count >= SEEDS) {
        assert_true(certain > count * PEOPLE / 2); /* doubt is for what is in doubt */
        assert_true(doubtful > 0);
    }
}

/* ---- which lines count, case by case ---- */

/*
 * A history of one user. R: a run begins. 1 to 9: a line is sealed, of that attempt. a: the attempt is in the ledger.
 * c created, d adopted, f failed, u unknown, e exists, x undone. Expected: the lines that are given, '!' certain, '?'
 * not.
 */
static const struct {
    const char *history, *given;
} histories[] = {
    {"R1ac", "1!"},
    {"R1aac", "1!"},   /* sent twice, one password */
    {"R1a", "1?"},     /* killed on the way */
    {"R1au", "1?"},    /* nobody could be asked */
    {"R1af", ""},      /* not created */
    {"R1ae", ""},      /* somebody else's */
    {"R1", ""},        /* sealed, and killed before the attempt was written */
    {"R1aRd", "1!"},   /* lost, and found by the next run */
    {"R1aadR", "1!"},  /* the same within a run */
    {"R1aR2ac", "2!"}, /* not found by the next, which created it */
    {"R1afR2ac", "2!"},
    {"R1aR2ad", "1?2?"}, /* the next one's was lost too: either */
    {"R1aaR3ad", "1?2?"},
    {"R1R1ac", "2!"}, /* the first never left */
    {"R1R1ad", "2!"},
    {"R1aR2Rd", "1!"}, /* the second never left, and the first one's user was found */
    {"R1aR2R2ad", "1?3?"},
    {"RaR2ac", "1!"}, /* the first run sealed nothing */
    {"RaR2ad", "1?"}, /* … and may be the one */
    {"R1aRac", ""},   /* created by a run that sealed nothing */
    {"R1aRad", "1?"},
    {"R1acxR1ac", "2!"}, /* deleted, and created anew */
    {"R1afR2acxR1aac", "3!"},
    {"R1acxR1ad", "2!"},
    {"R1acx", ""},
    {"R1acxRac", ""},
};

struct hand {
    struct onramp_ledger *ledger;
    struct onramp_sealer *sealer;
    char run[40];
    unsigned runs;
};

static const struct onramp_identity ann = {.email = "ann@example.com"};

static void begin_run(struct hand *h)
{
    struct onramp_ledger_run run = {.at = 1,
                                    .run = h->run,
                                    .input_path = "u.json",
                                    .input_sha256 = "00",
                                    .input_records = 1,
                                    .domain = "d",
                                    .connection = "c",
                                    .settings = "{}"};
    (void)snprintf(h->run, sizeof h->run, "run-%u", ++h->runs);
    assert_int_equal(onramp_ledger_begin(h->ledger, &run, NULL), ONRAMP_OK);
}

static void seal(struct hand *h, unsigned attempt)
{
    struct onramp_secret *password = NULL;
    struct onramp_sealed about = {.run = h->run, .attempt = attempt, .identity = ann, .domain = "d", .connection = "c"};
    assert_int_equal(onramp_secret_copy(&password, "x", 1, NULL), ONRAMP_OK);
    assert_int_equal(onramp_sealer_add(h->sealer, &about, password, NULL), ONRAMP_OK);
    onramp_secret_free(password);
}

static void step(struct hand *h, char what)
{
    static const char outcomes[] = "cdfue";
    static const enum onramp_outcome meant[] = {ONRAMP_CREATED, ONRAMP_CREATED, ONRAMP_FAILED, ONRAMP_UNKNOWN,
                                                ONRAMP_EXISTS};
    const char *outcome = strchr(outcomes, what);
    const struct onramp_ledger_entry *entry = onramp_ledger_find(h->ledger, &ann);
    if (what == 'R') {
        begin_run(h);
    } else if (what >= '1' && what <= '9') {
        seal(h, (unsigned)(what - '0'));
    } else if (what == 'a') {
        struct onramp_ledger_attempt line = {
            .at = 1, .identity = ann, .attempt = entry != NULL ? entry->attempts + 1 : 1, .correlation_id = "c"};
        assert_int_equal(onramp_ledger_attempt(h->ledger, &line, NULL), ONRAMP_OK);
    } else if (what == 'x') {
        struct onramp_ledger_deed deed = {.at = 1, .kind = ONRAMP_DEED_UNDO, .state = ONRAMP_DEED_DONE};
        assert_int_equal(onramp_ledger_deed(h->ledger, entry, &deed, NULL), ONRAMP_OK);
    } else {
        struct onramp_ledger_outcome line = {.at = 1,
                                             .identity = ann,
                                             .outcome = meant[outcome - outcomes],
                                             .attempts = 1,
                                             .user_id = "auth0|1",
                                             .adopted = what == 'd'};
        assert_int_equal(onramp_ledger_outcome(h->ledger, &line, NULL), ONRAMP_OK);
    }
}

static bool note(void *context, const struct onramp_unsealed_line *line)
{
    char *given = context;
    size_t used = strlen(given);
    (void)snprintf(given + used, 64 - used, "%llu%c", (unsigned long long)line->line, line->certain ? '!' : '?');
    return true;
}

static void the_ledger_tells_which_of_several_passwords_counts(void **state)
{
    (void)state;
    struct onramp_seal_key *key = NULL;
    assert_int_equal(onramp_seal_key_new(&key, NULL), ONRAMP_OK);
    for (size_t i = 0; i < sizeof histories / sizeof histories[0]; i++) {
        struct hand h = {.runs = 0};
        struct onramp_unsealed_tally tally;
        char given[64] = "";
        (void)unlink(ledger_path);
        (void)unlink(sealed_path);
        assert_int_equal(onramp_ledger_open(&h.ledger, ledger_path, NULL, NULL), ONRAMP_OK);
        assert_int_equal(onramp_sealer_open(&h.sealer, sealed_path, onramp_seal_key_public(key), NULL, NULL),
                         ONRAMP_OK);
        for (const char *what = histories[i].history; *what != '\0'; what++)
            step(&h, *what);
        assert_int_equal(onramp_unseal(sealed_path, key, h.ledger, note, given, &tally, NULL), ONRAMP_OK);
        if (strcmp(given, histories[i].given) != 0)
            fail_msg("'%s' gives '%s', not '%s'", histories[i].history, given, histories[i].given);
        assert_int_equal(tally.given + tally.unused, tally.lines);
        onramp_sealer_close(h.sealer);
        onramp_ledger_close(h.ledger);
    }
    onramp_seal_key_free(key);
}

static void lines_of_other_ledgers_are_left_out_and_without_one_nothing_is_certain(void **state)
{
    (void)state;
    struct onramp_seal_key *key = NULL;
    struct hand h = {.runs = 0};
    struct onramp_unsealed_tally tally;
    char given[64] = "";
    (void)unlink(ledger_path);
    (void)unlink(sealed_path);
    assert_int_equal(onramp_seal_key_new(&key, NULL), ONRAMP_OK);
    assert_int_equal(onramp_ledger_open(&h.ledger, ledger_path, NULL, NULL), ONRAMP_OK);
    assert_int_equal(onramp_sealer_open(&h.sealer, sealed_path, onramp_seal_key_public(key), NULL, NULL), ONRAMP_OK);
    (void)snprintf(h.run, sizeof h.run, "elsewhere");
    seal(&h, 1);
    step(&h, 'R');
    seal(&h, 1);
    step(&h, 'a');
    step(&h, 'c');
    assert_int_equal(onramp_unseal(sealed_path, key, h.ledger, note, given, &tally, NULL), ONRAMP_OK);
    assert_string_equal(given, "2!");
    assert_int_equal(tally.foreign, 1);
    given[0] = '\0';
    assert_int_equal(onramp_unseal(sealed_path, key, NULL, note, given, &tally, NULL), ONRAMP_OK);
    assert_string_equal(given, "1?2?");
    onramp_sealer_close(h.sealer);
    onramp_ledger_close(h.ledger);
    onramp_seal_key_free(key);
}

static int make_files(void **state)
{
    (void)state;
    int fd = mkstemp(ledger_path);
    (void)snprintf(sealed_path, sizeof sealed_path, "%s.sealed", ledger_path);
    return fd >= 0 ? close(fd) : -1;
}

static int remove_files(void **state)
{
    (void)state;
    (void)unlink(sealed_path);
    return unlink(ledger_path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_ledger_tells_which_of_several_passwords_counts),
        cmocka_unit_test(lines_of_other_ledgers_are_left_out_and_without_one_nothing_is_certain),
        cmocka_unit_test(the_right_password_is_given_and_certain_ones_are_right),
    };
    return cmocka_run_group_tests(tests, make_files, remove_files);
}
