/*
 * test_ledger_faults.c - disks that fail and power that goes, at every moment.
 */
#include "core/rng.h"
#include "unit/io/test_ledger_support.h"

#include <signal.h>
#include <sys/resource.h>

/* A disk that fails one of its calls, and knows what is safe on it. */
struct disk {
    int calls, fail_at; /* counted from 1; 0: never */
    int errnum;
    int eighths; /* of a line that a failing append still writes: less than 8 */
    size_t synced;
    size_t partial; /* what the failed append wrote */
};

static bool fails(struct disk *disk)
{
    return ++disk->calls == disk->fail_at;
}

static int disk_append(void *self, int fd, const char *bytes, size_t size)
{
    struct disk *disk = self;
    bool failing = fails(disk);
    size_t part = failing ? size * (size_t)disk->eighths / 8 : size;
    assert_int_equal(write(fd, bytes, part), part);
    disk->partial = failing ? part : 0;
    return failing ? disk->errnum : 0;
}

static int disk_sync(void *self, int fd)
{
    struct disk *disk = self;
    struct stat st;
    if (fails(disk))
        return disk->errnum;
    assert_int_equal(fstat(fd, &st), 0);
    if (S_ISREG(st.st_mode))
        disk->synced = (size_t)st.st_size;
    return 0;
}

/* One thing that a run does, chosen by `rng`. */
static enum onramp_status do_something(struct onramp_ledger *ledger, struct onramp_rng *rng, struct onramp_error *err)
{
    static const char *const texts[] = {NULL, "x", "\xc3\xa9 \" \n", "a much longer text, to move what is behind it"};
    char email[32], username[32];
    uint64_t record = onramp_rng_below(rng, 6);
    (void)snprintf(email, sizeof email, "User%d@x.example", (int)record);
    (void)snprintf(username, sizeof username, "user%d", (int)record);
    struct onramp_identity identity = {.email = record < 4 ? email : NULL, .username = record > 2 ? username : NULL};
    const char *text = texts[onramp_rng_below(rng, 4)];
    int64_t at = NOON + (int64_t)onramp_rng_below(rng, 100000);

    switch (onramp_rng_below(rng, 10)) {
    case 0: {
        struct onramp_ledger_end line = {.at = at, .reason = "interrupted"};
        enum onramp_status st = onramp_ledger_end(ledger, &line, err);
        struct onramp_ledger_run run = run_named(onramp_rng_below(rng, 2) ? "r1" : "r2");
        return st == ONRAMP_OK ? onramp_ledger_begin(ledger, &run, err) : st;
    }
    case 1:
    case 2:
        return onramp_ledger_sync(ledger, err);
    case 3:
    case 4:
    case 5: {
        struct onramp_ledger_attempt line = {.at = at,
                                             .record = record,
                                             .identity = identity,
                                             .attempt = 1 + (uint32_t)onramp_rng_below(rng, 5),
                                             .correlation_id = text,
                                             .chosen_id = text != NULL ? "5eed" : NULL,
                                             .tenant_date = (int64_t)onramp_rng_below(rng, 3)};
        return onramp_ledger_attempt(ledger, &line, err);
    }
    default: {
        struct onramp_ledger_outcome line = {.at = at,
                                             .record = record,
                                             .identity = identity,
                                             .outcome = (enum onramp_outcome)onramp_rng_below(rng, ONRAMP_OUTCOMES),
                                             .attempts = 1,
                                             .status = (int)onramp_rng_below(rng, 500),
                                             .user_id = text != NULL ? "auth0|5eed" : NULL,
                                             .message = text,
                                             .adopted = onramp_rng_below(rng, 2) == 0};
        return onramp_ledger_outcome(ledger, &line, err);
    }
    }
}

static enum onramp_status begin_run(struct onramp_ledger *ledger, struct onramp_error *err)
{
    struct onramp_ledger_run run = run_named("r1");
    return onramp_ledger_begin(ledger, &run, err);
}

static size_t ledger_size(void)
{
    struct stat st;
    assert_int_equal(stat(ledger_path, &st), 0);
    return (size_t)st.st_size;
}

/* Nothing more may be written, and each call tells the first failure. */
static void assert_broken(struct onramp_ledger *ledger, const char *text)
{
    size_t size = ledger_size();
    struct onramp_rng rng;
    onramp_rng_init(&rng, 1);
    for (int i = 0; i < 40; i++) {
        struct onramp_error err = {.status = ONRAMP_OK};
        assert_int_equal(do_something(ledger, &rng, &err), ONRAMP_EIO);
        assert_string_equal(err.text, text);
    }
    struct onramp_error err = {.status = ONRAMP_OK};
    assert_int_equal(begin_run(ledger, &err), ONRAMP_EIO);
    assert_int_equal(ledger_size(), size);
}

/* Run until the disk fails, and see that the next open heals. False once the disk no longer failed. */
static bool run_with_failure(struct disk *disk)
{
    const struct onramp_disk ops = {.self = disk, .append = disk_append, .sync = disk_sync};
    struct onramp_ledger *ledger = NULL;
    struct onramp_error err = {.status = ONRAMP_OK};
    (void)unlink(ledger_path);
    if (onramp_ledger_open(&ledger, ledger_path, &ops, &err) != ONRAMP_OK) {
        assert_int_equal(err.status, ONRAMP_EIO);
        assert_true(disk->calls == disk->fail_at);
        onramp_ledger_close(open_ledger());
        return true;
    }
    struct onramp_rng rng;
    onramp_rng_init(&rng, 7);
    enum onramp_status st = begin_run(ledger, &err);
    for (int i = 0; i < 60 && st == ONRAMP_OK; i++)
        st = do_something(ledger, &rng, &err);
    bool failed = st != ONRAMP_OK;
    if (failed) {
        assert_int_equal(st, ONRAMP_EIO);
        assert_true(disk->calls == disk->fail_at);
        assert_non_null(strstr(err.text, strerror(disk->errnum)));
        assert_broken(ledger, err.text);
    }
    ledger = opened_again(ledger, &quick_disk);
    assert_int_equal(onramp_ledger_repaired(ledger), disk->partial);
    assert_int_equal(begin_run(ledger, &err), ONRAMP_OK);
    onramp_ledger_close(ledger);
    return failed;
}

static void each_append_and_each_sync_can_fail(void **state)
{
    (void)state;
    for (int eighths = 0; eighths < 8; eighths++) {
        bool failed = true;
        int fail_at = 1;
        for (; failed; fail_at++) {
            struct disk disk = {.fail_at = fail_at, .errnum = eighths % 2 ? ENOSPC : EIO, .eighths = eighths};
            failed = run_with_failure(&disk);
        }
        assert_true(fail_at > 60);
    }
}

static void a_newline_that_cannot_be_added_fails_the_open(void **state)
{
    (void)state;
    struct onramp_ledger *ledger = open_ledger();
    begin(ledger, "r1");
    onramp_ledger_close(ledger);
    assert_int_equal(truncate(ledger_path, (off_t)ledger_size() - 1), 0);
    struct disk disk = {.fail_at = 1, .errnum = ENOSPC};
    const struct onramp_disk ops = {.self = &disk, .append = disk_append, .sync = disk_sync};
    struct onramp_error err;
    ledger = NULL;
    assert_int_equal(onramp_ledger_open(&ledger, ledger_path, &ops, &err), ONRAMP_EIO);
    assert_non_null(strstr(err.text, "cannot repair the end of ledger"));
    assert_null(ledger);
}

static void nothing_is_synced_when_nothing_was_written(void **state)
{
    (void)state;
    struct disk disk = {.fail_at = 0};
    const struct onramp_disk ops = {.self = &disk, .append = disk_append, .sync = disk_sync};
    struct onramp_ledger *ledger = open_disk(&ops);
    assert_int_equal(disk.calls, 1); /* the directory, since the file is new */
    begin(ledger, "r1");
    assert_int_equal(disk.calls, 3);
    for (int i = 0; i < 3; i++)
        sync_ledger(ledger);
    assert_int_equal(disk.calls, 3);
    attempt(ledger, 0, "a@x.example", 1);
    attempt(ledger, 1, "b@x.example", 1);
    sync_ledger(ledger); /* one for both */
    assert_int_equal(disk.calls, 6);
    onramp_ledger_close(ledger);
    disk.calls = 0;
    onramp_ledger_close(open_disk(&ops));
    assert_int_equal(disk.calls, 1);
}

static void the_real_disk_keeps_what_was_written_and_says_when_it_is_full(void **state)
{
    (void)state;
    struct rlimit before, little;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    little = before;
    little.rlim_cur = 1000; /* a disk that is full after a thousand bytes */
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &little), 0);

    struct onramp_ledger *ledger = open_disk(NULL);
    struct onramp_error err = {.status = ONRAMP_OK};
    enum onramp_status st = begin_run(ledger, &err);
    int lines = 1;
    for (; st == ONRAMP_OK && lines < 100; lines++) {
        struct onramp_ledger_attempt line = {.at = NOON, .identity.email = "a@x.example", .attempt = 1};
        st = onramp_ledger_attempt(ledger, &line, &err);
        if (st == ONRAMP_OK)
            st = onramp_ledger_sync(ledger, &err);
    }
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(st, ONRAMP_EIO);
    assert_non_null(strstr(err.text, "cannot write to ledger"));
    assert_int_equal(ledger_size(), 1000); /* the line was written in part */
    assert_broken(ledger, err.text);
    ledger = opened_again(ledger, NULL);
    assert_true(onramp_ledger_repaired(ledger) > 0);
    onramp_ledger_close(ledger);
}

/* What a run wrote, line by line, until the power went. */
#define LINES_MAX 64
struct past {
    size_t size[LINES_MAX];
    char *state[LINES_MAX];
    size_t count;
};

static void remember(struct past *past, const struct onramp_ledger *ledger)
{
    size_t size = ledger_size();
    if (past->count > 0 && past->size[past->count - 1] == size)
        return; /* a sync */
    assert_true(past->count < LINES_MAX);
    past->size[past->count] = size;
    past->state[past->count++] = portrait_of(ledger);
}

static void forget(struct past *past)
{
    for (size_t i = 0; i < past->count; i++)
        free(past->state[i]);
    past->count = 0;
}

/* The power goes: behind what was synced, each block is there, or zero, or garbage, and the file may be shorter. */
static void lose_power(size_t synced, struct onramp_rng *rng)
{
    static const size_t blocks[] = {16, 64, 512}; /* sectors are larger; these are harder */
    size_t block = blocks[onramp_rng_below(rng, 3)];
    struct bytes file = read_bytes(ledger_path);
    uint64_t fate = 0;
    for (size_t i = synced; i < file.size; i++) {
        if (i == synced || i % block == 0)
            fate = onramp_rng_below(rng, 4);
        if (fate == 0)
            file.data[i] = '\0';
        else if (fate == 1)
            file.data[i] = (char)onramp_rng_below(rng, 256);
    }
    size_t size = onramp_rng_below(rng, 2) ? file.size : synced + (size_t)onramp_rng_below(rng, file.size - synced + 1);
    write_bytes(ledger_path, file.data, size);
    free(file.data);
}

/* What was replayed must be what the run had written at one moment, not before its last sync. */
static bool is_past(const struct past *past, size_t synced, const struct onramp_ledger *ledger)
{
    char *state = portrait_of(ledger);
    size_t size = ledger_size();
    bool found = false;
    for (size_t i = 0; i < past->count && !found; i++)
        found = past->size[i] == size && size >= synced && strcmp(past->state[i], state) == 0;
    free(state);
    return found;
}

static void a_loss_of_power_at_any_moment_heals(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct onramp_rng rng;
        onramp_rng_init(&rng, seed);
        (void)unlink(ledger_path);
        struct past past = {.count = 0};
        struct disk disk = {.fail_at = 0};
        const struct onramp_disk ops = {.self = &disk, .append = disk_append, .sync = disk_sync};
        struct onramp_ledger *ledger = open_disk(&ops);
        for (int crash = 0; crash < 6; crash++) {
            remember(&past, ledger);
            assert_int_equal(begin_run(ledger, NULL), ONRAMP_OK);
            remember(&past, ledger);
            for (uint64_t i = onramp_rng_below(&rng, 30); i > 0; i--) {
                assert_int_equal(do_something(ledger, &rng, NULL), ONRAMP_OK);
                remember(&past, ledger);
            }
            onramp_ledger_close(ledger);
            lose_power(disk.synced, &rng);
            size_t synced = disk.synced;
            ledger = open_disk(&ops);
            if (!is_past(&past, synced, ledger))
                fail_msg("seed %llu, crash %d", (unsigned long long)seed, crash);
            forget(&past);
        }
        onramp_ledger_close(ledger);
    }
}

static void a_first_line_lost_with_the_power_heals(void **state)
{
    (void)state;
    struct onramp_ledger *ledger = open_ledger();
    begin(ledger, "r1");
    onramp_ledger_close(ledger);
    struct bytes file = read_bytes(ledger_path);
    memset(file.data, 0, file.size); /* its size was written, its bytes were not */
    write_bytes(ledger_path, file.data, file.size);
    ledger = open_ledger();
    assert_int_equal(onramp_ledger_repaired(ledger), file.size);
    begin(ledger, "r1");
    onramp_ledger_close(ledger);
    free(file.data);
}

#define LEDGER_TEST(name) cmocka_unit_test_setup(name, without_ledger)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LEDGER_TEST(each_append_and_each_sync_can_fail),
        LEDGER_TEST(a_newline_that_cannot_be_added_fails_the_open),
        LEDGER_TEST(nothing_is_synced_when_nothing_was_written),
        LEDGER_TEST(the_real_disk_keeps_what_was_written_and_says_when_it_is_full),
        LEDGER_TEST(a_loss_of_power_at_any_moment_heals),
        LEDGER_TEST(a_first_line_lost_with_the_power_heals),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
