/*
 * Whole runs of the real binary against a local tenant: again, interrupted, quiet, on a terminal.
 */
#define _XOPEN_SOURCE 700 /* pseudo-terminals */

#include "support/directory.h"
#include "support/process.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define COLUMNS 60

static struct onramp_tenant_server *server;

/* ---- support ---- */

static int stop_tenant(void **state)
{
    (void)state;
    process_end();
    assert_int_equal(onramp_tenant_server_stop(server, NULL), ONRAMP_OK);
    server = NULL;
    static const char *const names[] = {"users.json", "users.json.ledger.ndjson", "other.ndjson", "stdout", "stderr"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        (void)unlink(names[i]);
    return 0;
}

/* A tenant of `burst` at `rate` a second that answers at once. */
static void start_tenant(uint32_t burst, uint64_t rate, uint32_t hang)
{
    struct onramp_tenant_settings model;
    onramp_tenant_defaults(&model);
    model.api = (struct onramp_limit){.burst = burst, .rate = {rate, ONRAMP_SECOND}};
    model.latency_min = model.latency_median = 0;
    model.faults[ONRAMP_FAULT_HANG] = hang;
    server = process_serve(&model, &(struct onramp_tenant_server_settings){.port = 0});
}

static uint64_t tenant_created(void)
{
    struct onramp_tenant_view view;
    onramp_tenant_server_view(server, &view);
    return view.created;
}

static uint64_t tenant_requests(void)
{
    struct onramp_tenant_view view;
    onramp_tenant_server_view(server, &view);
    return view.requests;
}

static void write_users(unsigned count)
{
    FILE *out = fopen("users.json", "w");
    assert_non_null(out);
    for (unsigned i = 0; i < count; i++)
        assert_true(fprintf(out, "{\"email\":\"user%u@example.com\"}\n", i) > 0);
    assert_int_equal(fclose(out), 0);
}

/* With standard input from `in`, and standard error on `talk`; 0: as process.h has it. */
static pid_t start_onramp(int in, int talk, const char *const *arguments)
{
    return process_start(&(struct process){.arguments = arguments, .in = in, .err = talk});
}

#define START(...) start_onramp(0, 0, (const char *const[]){__VA_ARGS__, NULL})
#define RUN(...)   process_finish(START(__VA_ARGS__))

static json_t *summary(void)
{
    json_error_t why;
    json_t *object = json_load_file("stdout", 0, &why);
    if (object == NULL)
        fail_msg("not JSON: %s: %s", why.text, process_read("stdout"));
    return object;
}

static json_int_t member(const char *name)
{
    json_t *object = summary();
    json_int_t value = json_integer_value(json_object_get(object, name));
    json_decref(object);
    return value;
}

/* Until something is so that has to become so. */
static void await(bool (*is_so)(uint64_t figure), uint64_t figure)
{
    for (int tries = 0; !is_so(figure); tries++) {
        assert_true(tries < PROCESS_PATIENCE * 100);
        process_nap(10 * 1000 * 1000);
    }
}

static bool has_created(uint64_t count)
{
    return tenant_created() >= count;
}

static bool has_been_asked(uint64_t count)
{
    return tenant_requests() >= count;
}

/* ---- runs ---- */

static void json_has_exactly_the_promised_members(void **state)
{
    (void)state;
    static const char *const names[] = {"run",     "ledger",    "records",         "created", "exists",   "rejected",
                                        "invalid", "duplicate", "failed",          "unknown", "requests", "throttled",
                                        "limit",   "seconds",   "least_remaining", "others",  "exit"};
    start_tenant(50, 500, 0);
    write_users(5);
    assert_int_equal(RUN("upload", "users.json", "--json"), 0);
    json_t *object = summary();
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (json_object_get(object, names[i]) == NULL)
            fail_msg("no member '%s'", names[i]);
    assert_int_equal(json_object_size(object), sizeof names / sizeof names[0]);
    assert_string_equal(json_string_value(json_object_get(object, "ledger")), "users.json.ledger.ndjson");
    assert_int_equal(json_integer_value(json_object_get(json_object_get(object, "limit"), "burst")), 50);
    json_decref(object);
}

static void the_same_command_again_sends_nothing_that_is_settled(void **state)
{
    (void)state;
    start_tenant(50, 500, 0);
    write_users(40);
    assert_int_equal(RUN("upload", "users.json", "--json"), 0);
    assert_int_equal(member("created"), 40);
    assert_int_equal(tenant_created(), 40);
    uint64_t before = tenant_requests();
    assert_int_equal(RUN("upload", "users.json", "--json"), 0);
    assert_int_equal(member("created"), 40);
    assert_int_equal(member("requests"), 0);
    assert_int_equal(tenant_requests(), before);
}

static void another_ledger_finds_that_they_exist(void **state)
{
    (void)state;
    start_tenant(50, 500, 0);
    write_users(10);
    assert_int_equal(RUN("upload", "users.json", "--json"), 0);
    assert_int_equal(RUN("upload", "users.json", "--json", "--ledger", "other.ndjson"), 0);
    assert_int_equal(member("exists"), 10);
    assert_int_equal(tenant_created(), 10);
}

static void standard_input_is_a_file_like_any_other(void **state)
{
    (void)state;
    start_tenant(50, 500, 0);
    write_users(10);
    int users = open("users.json", O_RDONLY);
    assert_true(users > 0);
    pid_t child = start_onramp(users, 0, (const char *const[]){"upload", "-", "--ledger=other.ndjson", NULL});
    assert_int_equal(process_finish(child), 0);
    (void)close(users);
    assert_non_null(strstr(process_read("stdout"), "10 records of standard input"));
    assert_int_equal(tenant_created(), 10);
}

static void a_dry_run_sends_nothing_and_leaves_no_ledger(void **state)
{
    (void)state;
    start_tenant(50, 500, 0);
    write_users(10);
    assert_int_equal(RUN("upload", "users.json", "--dry-run"), 0);
    assert_int_equal(tenant_requests(), 0);
    assert_int_equal(access("users.json.ledger.ndjson", F_OK), -1);
    assert_non_null(strstr(process_read("stdout"), "nothing was sent"));
}

static void quiet_means_that_standard_error_stays_empty(void **state)
{
    (void)state;
    start_tenant(50, 500, 0);
    write_users(10);
    assert_int_equal(RUN("upload", "users.json", "--quiet"), 0);
    assert_string_equal(process_read("stderr"), "");
    assert_non_null(strstr(process_read("stdout"), "10 records"));
}

static void an_interrupted_run_lands_what_is_in_flight_and_the_next_carries_on(void **state)
{
    (void)state;
    start_tenant(5, 20, 0);
    write_users(60);
    pid_t child = START("upload", "users.json", "--json");
    await(has_created, 10);
    assert_int_equal(kill(child, SIGINT), 0);
    assert_int_equal(process_finish(child), 130);
    uint64_t landed = tenant_created();
    assert_true(landed >= 10 && landed < 60);
    assert_int_equal(member("created"), landed);
    assert_int_equal(member("exit"), 130);

    /* A terminal that is closed interrupts as well, however often it says so. */
    child = START("upload", "users.json", "--json");
    await(has_created, landed + 10);
    for (int i = 0; i < 3; i++)
        assert_int_equal(kill(child, SIGHUP), 0);
    assert_int_equal(process_finish(child), 130);
    assert_int_equal(member("created"), tenant_created());

    assert_int_equal(RUN("upload", "users.json", "--json"), 0);
    assert_int_equal(member("created"), 60);
    assert_int_equal(tenant_created(), 60);
}

static void limit_files(const void *context)
{
    const struct rlimit *limit = context;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, limit), 0);
}

static void a_limit_of_file_sizes_is_like_a_full_disk(void **state)
{
    (void)state;
    const struct rlimit limit = {8192, 8192};
    start_tenant(50, 500, 0);
    write_users(60);
    pid_t child = process_start(&(struct process){
        .arguments = (const char *const[]){"upload", "users.json", NULL}, .prepare = limit_files, .context = &limit});
    assert_int_equal(process_finish(child), 5);
    assert_non_null(
        strstr(process_read("stderr"), "cannot write to ledger 'users.json.ledger.ndjson': File too large"));
    assert_int_equal(RUN("upload", "users.json", "--json"), 0);
    assert_int_equal(member("created"), 60);
    assert_int_equal(tenant_created(), 60);
}

/* Linux shows what others of the same user could read; elsewhere there is no such file to look into. */
static void assert_shows_no_secret(pid_t child)
{
    static const char *const names[] = {"environ", "cmdline", "limits"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[64], text[16384];
        (void)snprintf(path, sizeof path, "/proc/%ld/%s", (long)child, names[i]);
        int fd = open(path, O_RDONLY);
        if (fd < 0)
            continue;
        ssize_t size = read(fd, text, sizeof text - 1);
        (void)close(fd);
        for (ssize_t at = 0; at < size; at++)
            text[at] = text[at] == '\0' ? '\n' : text[at];
        text[size > 0 ? size : 0] = '\0';
        assert_null(strstr(text, getenv("AUTH0_MNG_TOKEN")));
        const char *core = strstr(text, "Max core file size");
        assert_true(core == NULL || strncmp(core + 26, "0 ", 2) == 0);
    }
}

static int keyboard[2]; /* a pipe: nobody types */

static bool is_read(uint64_t unused)
{
    int left = 1;
    (void)unused;
    assert_int_equal(ioctl(keyboard[0], FIONREAD, &left), 0);
    return left == 0;
}

static void while_it_still_reads_the_first_signal_leaves_at_once(void **state)
{
    (void)state;
    start_tenant(50, 500, 0);
    assert_int_equal(pipe(keyboard), 0);
    assert_int_equal(write(keyboard[1], "[", 1), 1);
    pid_t child = start_onramp(keyboard[0], 0, (const char *const[]){"upload", "-", "--ledger=other.ndjson", NULL});
    await(is_read, 0);
    assert_int_equal(kill(child, SIGINT), 0);
    assert_int_equal(process_finish(child), 130);
    (void)close(keyboard[0]);
    (void)close(keyboard[1]);
    assert_int_equal(tenant_requests(), 0);
    assert_int_equal(access("other.ndjson", F_OK), -1);
}

static void a_second_signal_leaves_at_once(void **state)
{
    (void)state;
    start_tenant(50, 500, 1000000); /* every answer fails to come: the first signal would wait for it */
    write_users(10);
    pid_t child = START("upload", "users.json", "--timeout=3600");
    await(has_been_asked, 1);
    assert_shows_no_secret(child);
    assert_int_equal(kill(child, SIGTERM), 0);
    int code;
    while (!process_has_ended(child, &code)) {
        process_nap(1000 * 1000);
        (void)kill(child, SIGTERM); /* until the first one has been seen, a second is the same one to the system */
    }
    assert_int_equal(code, 130);
}

/* ---- on a terminal ---- */

/* Everything that is written to a new pseudo-terminal's other end until `child` closes it. */
static void read_terminal(int master, char *into, size_t size)
{
    size_t at = 0;
    for (ssize_t got; at + 1 < size && (got = read(master, into + at, size - 1 - at)) != 0;) {
        if (got < 0 && errno != EINTR)
            break; /* Linux says EIO when the last writer is gone */
        at += got > 0 ? (size_t)got : 0;
    }
    into[at] = '\0';
}

static pid_t start_on_terminal(int *master, const char *const *arguments)
{
    *master = posix_openpt(O_RDWR | O_NOCTTY);
    assert_true(*master >= 0);
    assert_int_equal(grantpt(*master), 0);
    assert_int_equal(unlockpt(*master), 0);
    int terminal = open(ptsname(*master), O_RDWR | O_NOCTTY);
    assert_true(terminal >= 0);
    struct winsize size = {.ws_col = COLUMNS, .ws_row = 24};
    assert_int_equal(ioctl(terminal, TIOCSWINSZ, &size), 0);
    assert_int_equal(fcntl(*master, F_SETFD, FD_CLOEXEC), 0);
    (void)setenv("TERM", "xterm", 1);
    pid_t child = start_onramp(terminal, terminal, arguments);
    (void)close(terminal);
    return child;
}

static void progress_on_a_terminal_is_one_line_redrawn_in_place(void **state)
{
    (void)state;
    static char text[1 << 16];
    int master;
    start_tenant(5, 20, 0);
    write_users(40);
    pid_t child = start_on_terminal(&master, (const char *const[]){"upload", "users.json", NULL});
    read_terminal(master, text, sizeof text);
    (void)close(master);
    assert_int_equal(process_finish(child), 0);

    size_t redrawn = 0;
    for (const char *at = text; (at = strstr(at, "\r\x1b[K")) != NULL; redrawn++) {
        at += 4;
        if (strcspn(at, "\r\n") > COLUMNS - 1 && strncmp(at, "onramp: ", 8) != 0)
            fail_msg("wider than the terminal: %.100s", at);
    }
    assert_true(redrawn >= 2);
    assert_non_null(strstr(text, "/40"));
    const char *last = strrchr(text, '\r');
    assert_string_equal(last, "\r\x1b[K"); /* wiped at the end */
}

static void no_progress_leaves_the_terminal_alone(void **state)
{
    (void)state;
    char text[4096];
    int master;
    start_tenant(50, 500, 0);
    write_users(10);
    pid_t child = start_on_terminal(&master, (const char *const[]){"upload", "users.json", "--no-progress", NULL});
    read_terminal(master, text, sizeof text);
    (void)close(master);
    assert_int_equal(process_finish(child), 0);
    assert_null(strchr(text, '\x1b'));
}

/* Everything up to `words`. */
static void await_words(int master, const char *words)
{
    char text[4096];
    for (size_t at = 0;;) {
        ssize_t got = read(master, text + at, sizeof text - 1 - at);
        assert_true(got > 0);
        at += (size_t)got;
        text[at] = '\0';
        if (strstr(text, words) != NULL)
            return;
    }
}

/* NULL: a signal is the answer. */
static int answer_the_question(const char *answer)
{
    char rest[4096];
    int master;
    pid_t child = start_on_terminal(
        &master, (const char *const[]){"upload", "users.json", "--verification-mail=yes", "--no-progress", NULL});
    await_words(master, "this run makes Auth0 send 3 mails. Go on? [y/N]");
    assert_int_equal(tenant_created(), 0);
    if (answer == NULL)
        assert_int_equal(kill(child, SIGINT), 0);
    else
        assert_int_equal(write(master, answer, strlen(answer)), (ssize_t)strlen(answer));
    read_terminal(master, rest, sizeof rest);
    (void)close(master);
    return process_finish(child);
}

static void mails_are_asked_about_before_anybody_gets_one(void **state)
{
    (void)state;
    start_tenant(50, 500, 0);
    write_users(3);
    assert_int_equal(answer_the_question("\n"), 2);
    assert_int_equal(answer_the_question("no\n"), 2);
    assert_int_equal(answer_the_question(NULL), 130);
    assert_int_equal(tenant_created(), 0);
    assert_int_equal(answer_the_question("yes\n"), 0);
    assert_int_equal(tenant_created(), 3);
}

static void yes_said_beforehand_needs_no_terminal(void **state)
{
    (void)state;
    start_tenant(50, 500, 0);
    write_users(3);
    assert_int_equal(RUN("upload", "users.json", "--verification-mail=yes"), 2);
    assert_int_equal(tenant_created(), 0);
    assert_int_equal(RUN("upload", "users.json", "--verification-mail=yes", "--yes"), 0);
    assert_int_equal(tenant_created(), 3);
    assert_non_null(strstr(process_read("stderr"), "this run makes Auth0 send 3 mails, 3 of them for verification"));
}

/* ---- the demo ---- */

static void the_demo_needs_nothing_leaves_nothing_and_counts(void **state)
{
    (void)state;
    (void)setenv("AUTH0_DOMAIN", "not a host", 1); /* is not looked at */
    (void)setenv("TMPDIR", ".", 1);
    assert_int_equal(RUN("demo", "--users=30", "--tier=private-1500"), 0);
    (void)unsetenv("TMPDIR");
    const char *out = process_read("stdout");
    assert_non_null(strstr(out, "30 records of a generated sample"));
    assert_non_null(strstr(out, ", 0 throttled"));
    assert_non_null(strstr(out, "The tenant holds 30 users, and its list agrees with the ledger user by user."));

    (void)setenv("TMPDIR", ".", 1);
    assert_int_equal(RUN("demo", "--users=3", "--tier=private-1500", "--json"), 0);
    (void)unsetenv("TMPDIR");
    assert_non_null(strstr(process_read("stdout"), "\"ledger\":null,")); /* it is gone, as the rest is */
}

/* Another user, who may write the ledger but does not own it. */
static void become_another(const void *context)
{
    (void)context;
    if (setuid(65534) != 0)
        _exit(126);
}

static void a_ledger_that_others_can_read_is_told_of(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip(); /* only root can become another user */
    static const char *const arguments[] = {"upload", "users.json", "--ledger", "other.ndjson", NULL};
    start_tenant(50, 500, 0);
    write_users(1);
    int ledger = open("other.ndjson", O_WRONLY | O_CREAT, 0666);
    assert_true(ledger >= 0);
    assert_int_equal(fchmod(ledger, 0666), 0);
    assert_int_equal(close(ledger), 0);
    assert_int_equal(chmod("users.json", 0644), 0);
    assert_int_equal(chmod(".", 0755), 0);
    int code = process_finish(process_start(&(struct process){.arguments = arguments, .prepare = become_another}));
    assert_int_equal(chmod(".", 0700), 0);
    if (code == 127)
        skip(); /* to whom the program itself is out of reach */
    assert_int_equal(code, 0);
    assert_non_null(strstr(process_read("stderr"), "others can read the ledger"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, stop_tenant)
    const struct CMUnitTest tests[] = {
        TEST(json_has_exactly_the_promised_members),
        TEST(the_same_command_again_sends_nothing_that_is_settled),
        TEST(another_ledger_finds_that_they_exist),
        TEST(standard_input_is_a_file_like_any_other),
        TEST(a_dry_run_sends_nothing_and_leaves_no_ledger),
        TEST(quiet_means_that_standard_error_stays_empty),
        TEST(an_interrupted_run_lands_what_is_in_flight_and_the_next_carries_on),
        TEST(a_limit_of_file_sizes_is_like_a_full_disk),
        TEST(while_it_still_reads_the_first_signal_leaves_at_once),
        TEST(a_second_signal_leaves_at_once),
        TEST(progress_on_a_terminal_is_one_line_redrawn_in_place),
        TEST(no_progress_leaves_the_terminal_alone),
        TEST(mails_are_asked_about_before_anybody_gets_one),
        TEST(yes_said_beforehand_needs_no_terminal),
        TEST(the_demo_needs_nothing_leaves_nothing_and_counts),
        TEST(a_ledger_that_others_can_read_is_told_of),
    };
    return cmocka_run_group_tests(tests, enter_directory, leave_directory);
}
