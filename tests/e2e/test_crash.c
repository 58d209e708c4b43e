/*
 * The real process killed at any moment, its disk full, its ledger in other hands: the same command carries on, and in
 * the end ledger and tenant agree user by user.
 *
 * ONRAMP_KILLS=N kills so often, ONRAMP_SEED=N chooses other moments.
 */
#define _XOPEN_SOURCE 700

#include <onramp/ledger.h>

#include "core/rng.h"
#include "support/directory.h"
#include "support/process.h"

#include <fcntl.h>
#include <jansson.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define USERS 150
#if defined(__SANITIZE_ADDRESS__)
#define KILLS 60 /* each start takes several times as long */
#else
#define KILLS 200
#endif
#define LEDGER "users.ndjson.ledger.ndjson"
#define NOBODY 65534

static struct onramp_tenant_server *server;

/* ---- support ---- */

static int tidy(void **state)
{
    (void)state;
    static const char *const names[] = {"users.ndjson", LEDGER, "tenant.ndjson", "stdout", "stderr"};
    process_end();
    assert_int_equal(onramp_tenant_server_stop(server, NULL), ONRAMP_OK);
    server = NULL;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        (void)unlink(names[i]);
    return 0;
}

/* A fast tenant. */
static void start_tenant(void)
{
    struct onramp_tenant_settings model;
    onramp_tenant_defaults(&model);
    model.api = onramp_tier_find("private-500")->api;
    model.latency_min = 3 * ONRAMP_MILLISECOND;
    model.latency_median = 12 * ONRAMP_MILLISECOND;
    server = process_serve(&model, &(struct onramp_tenant_server_settings){.users_out = "tenant.ndjson"});
}

static void write_users(unsigned count, unsigned batch)
{
    FILE *out = fopen("users.ndjson", "w");
    assert_non_null(out);
    for (unsigned i = 0; i < count; i++)
        assert_true(fprintf(out, "{\"email\":\"User%u@batch%u.example\",\"name\":\"User %u\"}\n", i, batch, i) > 0);
    assert_int_equal(fclose(out), 0);
}

/* `prepare` is the child's last deed before it becomes onramp; NULL: none. */
static pid_t start_onramp(void (*prepare)(const void *))
{
    static const char *const arguments[] = {"upload", "--no-progress", "users.ndjson", NULL};
    return process_start(&(struct process){.arguments = arguments, .prepare = prepare});
}

static int run_onramp(void (*prepare)(const void *))
{
    return process_finish(start_onramp(prepare));
}

static const char *talk(void)
{
    return process_read("stderr");
}

static off_t size_of(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? st.st_size : 0;
}

/* ---- the comparison ---- */

/* Address → user_id, of everybody who is there. */
static json_t *users_of_tenant(void)
{
    char line[4096];
    json_t *users = json_object();
    FILE *in = fopen("tenant.ndjson", "r");
    assert_non_null(in);
    while (fgets(line, sizeof line, in) != NULL) {
        json_t *user = json_loads(line, 0, NULL);
        const char *email = json_string_value(json_object_get(user, "email"));
        assert_null(json_object_get(users, email)); /* nobody is there twice */
        assert_int_equal(json_object_set(users, email, json_object_get(user, "user_id")), 0);
        json_decref(user);
    }
    assert_int_equal(fclose(in), 0);
    return users;
}

struct comparison {
    json_t *users;
    unsigned created, adopted, wrong;
};

static bool compare(void *context, const struct onramp_ledger_entry *entry)
{
    struct comparison *c = context;
    char key[ONRAMP_IDENTITY_KEY_MAX];
    assert_true(onramp_identity_key(&entry->identity, ONRAMP_ID_EMAIL, key));
    const char *there = json_string_value(json_object_get(c->users, strchr(key, ':') + 1));
    bool created = entry->has_outcome && !entry->open && entry->outcome == ONRAMP_CREATED && entry->user_id != NULL;
    c->created += created;
    c->adopted += created && entry->adopted;
    c->wrong += !created || there == NULL || strcmp(there, entry->user_id) != 0;
    return true;
}

/* Is there an attempt behind an outcome that settled it? */
static void assert_nothing_settled_was_sent_again(void)
{
    char line[4096];
    json_t *settled = json_object();
    FILE *in = fopen(LEDGER, "r");
    assert_non_null(in);
    while (fgets(line, sizeof line, in) != NULL) {
        json_t *body = json_loads(line, 0, NULL);
        const char *email = json_string_value(json_object_get(body, "email"));
        const char *type = json_string_value(json_object_get(body, "type"));
        const char *outcome = json_string_value(json_object_get(body, "outcome"));
        if (email != NULL && strcmp(type, "attempt") == 0)
            assert_null(json_object_get(settled, email));
        if (outcome != NULL && strcmp(outcome, "created") == 0)
            json_object_set_new(settled, email, json_true());
        json_decref(body);
    }
    assert_int_equal(fclose(in), 0);
    json_decref(settled);
}

/* Stop the tenant, and hold its users against the ledger of the batch. */
static struct comparison settle_accounts(void)
{
    struct onramp_ledger *ledger = NULL;
    struct onramp_error err = {0};
    assert_int_equal(onramp_tenant_server_stop(server, NULL), ONRAMP_OK);
    server = NULL;
    struct comparison c = {.users = users_of_tenant()};
    if (onramp_ledger_read(&ledger, LEDGER, &err) != ONRAMP_OK)
        fail_msg("%s", err.text);
    onramp_ledger_each(ledger, compare, &c);
    assert_int_equal(c.created, json_object_size(c.users));
    assert_int_equal(c.wrong, 0);
    onramp_ledger_close(ledger);
    json_decref(c.users);
    assert_nothing_settled_was_sent_again();
    return c;
}

/* ---- kill ---- */

/* When the ledger has grown by so many bytes, and then a little later. True: killed; false: it had finished before. */
static bool kill_at(pid_t child, struct onramp_rng *rng, int *code)
{
    off_t target = size_of(LEDGER) + (off_t)onramp_rng_below(rng, 6000);
    long later = (long)onramp_rng_below(rng, 8 * 1000000);
    for (; size_of(LEDGER) < target; process_nap(1000000))
        if (process_has_ended(child, code))
            return false;
    process_nap(later);
    (void)kill(child, SIGKILL);
    *code = process_finish(child);
    return *code == -SIGKILL;
}

static void killed_at_any_moment_the_same_command_carries_on(void **state)
{
    (void)state;
    const char *many = getenv("ONRAMP_KILLS"), *seed = getenv("ONRAMP_SEED");
    unsigned long kills = 0, wanted = many != NULL ? strtoul(many, NULL, 10) : KILLS;
    unsigned batches = 0, users = 0, adopted = 0;
    struct onramp_rng rng;
    onramp_rng_init(&rng, seed != NULL ? strtoull(seed, NULL, 10) : 1);
    while (kills < wanted) {
        start_tenant();
        write_users(USERS, batches++);
        (void)unlink(LEDGER);
        int code = -1;
        do {
            pid_t child = start_onramp(NULL);
            if (kills < wanted)
                kills += kill_at(child, &rng, &code);
            else
                code = process_finish(child);
            if (code != 0 && code != -SIGKILL)
                fail_msg("after %lu kills a run ended with %d: %s", kills, code, talk());
        } while (code != 0);
        struct comparison c = settle_accounts();
        assert_int_equal(c.created, USERS);
        users += c.created;
        adopted += c.adopted;
    }
    print_message("%lu kills, %u files, %u users, %u of them proven by asking\n", kills, batches, users, adopted);
}

/* ---- disks and locks ---- */

static void limit_files(const void *context)
{
    (void)context;
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    const struct rlimit limit = {.rlim_cur = 12000, .rlim_max = 12000};
    if (sigaction(SIGXFSZ, &ignore, NULL) != 0 || setrlimit(RLIMIT_FSIZE, &limit) != 0)
        _exit(126);
}

static void a_full_disk_ends_the_run_with_5_and_the_next_one_heals(void **state)
{
    (void)state;
    start_tenant();
    write_users(USERS, 0);
    assert_int_equal(run_onramp(limit_files), 5);
    assert_non_null(strstr(talk(), "cannot write to ledger"));
    assert_true(size_of(LEDGER) <= 12000);
    struct onramp_tenant_view view;
    onramp_tenant_server_view(server, &view);
    assert_true(view.created > 0 && view.created < USERS);
    assert_int_equal(run_onramp(NULL), 0);
    struct comparison c = settle_accounts();
    assert_int_equal(c.created, USERS);
}

static void a_ledger_in_use_is_left_alone(void **state)
{
    (void)state;
    start_tenant();
    write_users(USERS, 0);
    int fd = open(LEDGER, O_RDWR | O_CREAT, 0600);
    assert_true(fd >= 0);
    assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
    assert_int_equal(run_onramp(NULL), 2);
    assert_non_null(strstr(talk(), "is in use"));
    assert_int_equal(size_of(LEDGER), 0);
    assert_int_equal(close(fd), 0);
    assert_int_equal(run_onramp(NULL), 0);
    (void)settle_accounts();
}

static void become_a_guest(const void *context)
{
    (void)context;
    if (chmod(".", 0555) != 0)
        _exit(126);
    if (geteuid() == 0 && (setgid(NOBODY) != 0 || setuid(NOBODY) != 0))
        _exit(126);
}

static void where_nothing_can_be_written_nothing_is_sent(void **state)
{
    (void)state;
    start_tenant();
    write_users(USERS, 0);
    assert_int_equal(chmod("users.ndjson", 0644), 0);
    int code = run_onramp(become_a_guest);
    assert_int_equal(chmod(".", 0700), 0);
    if (code == 127)
        skip(); /* root's build tree, which a guest may not enter */
    assert_int_equal(code, 2);
    assert_non_null(strstr(talk(), "cannot open ledger '" LEDGER "': Permission denied"));
    struct onramp_tenant_view view;
    onramp_tenant_server_view(server, &view);
    assert_int_equal(view.requests, 0);
}

/* The ledger is taken away under a run: what it says could not be found again, so the run stops. */
static void a_ledger_that_vanishes_stops_the_run(void **state)
{
    (void)state;
    start_tenant();
    write_users(USERS, 0);
    pid_t child = start_onramp(NULL);
    int code;
    for (; size_of(LEDGER) < 3000; process_nap(1000000))
        assert_false(process_has_ended(child, &code));
    assert_int_equal(rename(LEDGER, "kept"), 0);
    assert_int_equal(process_finish(child), 5);
    assert_non_null(strstr(talk(), "was removed or replaced while in use"));
    assert_int_equal(rename("kept", LEDGER), 0);
    assert_int_equal(run_onramp(NULL), 0);
    struct comparison c = settle_accounts();
    assert_int_equal(c.created, USERS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(killed_at_any_moment_the_same_command_carries_on, tidy),
        cmocka_unit_test_teardown(a_full_disk_ends_the_run_with_5_and_the_next_one_heals, tidy),
        cmocka_unit_test_teardown(a_ledger_in_use_is_left_alone, tidy),
        cmocka_unit_test_teardown(where_nothing_can_be_written_nothing_is_sent, tidy),
        cmocka_unit_test_teardown(a_ledger_that_vanishes_stops_the_run, tidy),
    };
    return cmocka_run_group_tests(tests, enter_directory, leave_directory);
}
