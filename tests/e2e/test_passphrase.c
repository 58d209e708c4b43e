/*
 * test_passphrase.c - 'onramp keygen' asks for a passphrase at a terminal, and does not show it.
 */
#define _XOPEN_SOURCE 700
#include <onramp/seal.h>

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <cmocka.h>

static char directory[] = "/tmp/onramp-test-phrase-XXXXXX";
static char key_path[64], public_path[64];

static int make_directory(void **state)
{
    (void)state;
    if (mkdtemp(directory) == NULL)
        return -1;
    (void)snprintf(key_path, sizeof key_path, "%s/key", directory);
    (void)snprintf(public_path, sizeof public_path, "%s/key.pub", directory);
    return 0;
}

static int remove_files(void **state)
{
    (void)state;
    (void)unlink(key_path);
    (void)unlink(public_path);
    return 0;
}

static int remove_directory(void **state)
{
    (void)state;
    return rmdir(directory);
}

/* ---- a terminal with somebody at it ---- */

struct seat {
    int master, terminal; /* the second stays open here, to look at its settings */
    pid_t child;
    char seen[1024];
    size_t seen_size;
};

static struct seat sit_down(void)
{
    struct seat seat = {.master = posix_openpt(O_RDWR | O_NOCTTY)};
    assert_true(seat.master >= 0);
    assert_int_equal(grantpt(seat.master), 0);
    assert_int_equal(unlockpt(seat.master), 0);
    const char *name = ptsname(seat.master), *binary = getenv("ONRAMP_BINARY");
    assert_non_null(binary);
    seat.terminal = open(name, O_RDWR | O_NOCTTY);
    assert_true(seat.terminal >= 0);
    seat.child = fork();
    assert_true(seat.child >= 0);
    if (seat.child == 0) {
        int null = open("/dev/null", O_RDWR);
        (void)setsid();
        int own = open(name, O_RDWR); /* the session's first terminal is its own */
        if (own < 0 || null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(own, 2) < 0)
            _exit(99);
        (void)execl(binary, binary, "keygen", "--out", key_path, (char *)NULL);
        _exit(99);
    }
    return seat;
}

/* Read until `prompt` has been shown once more. */
static void await(struct seat *seat, const char *prompt)
{
    size_t from = seat->seen_size;
    while (strstr(seat->seen + from, prompt) == NULL) {
        assert_true(seat->seen_size + 1 < sizeof seat->seen);
        ssize_t got = read(seat->master, seat->seen + seat->seen_size, sizeof seat->seen - 1 - seat->seen_size);
        if (got <= 0)
            fail_msg("no '%s' in: %s", prompt, seat->seen);
        seat->seen_size += (size_t)got;
        seat->seen[seat->seen_size] = '\0';
    }
}

static void type(struct seat *seat, const char *keys)
{
    assert_int_equal(write(seat->master, keys, strlen(keys)), (ssize_t)strlen(keys));
}

/* How it ends, with the terminal as it was found, and nothing of `secret` on the screen. */
static void leave(struct seat *seat, int exit_code, const char *secret)
{
    int status;
    pid_t gone;
    do
        gone = waitpid(seat->child, &status, 0);
    while (gone < 0 && errno == EINTR);
    assert_int_equal(gone, seat->child);
    struct termios now;
    assert_int_equal(tcgetattr(seat->terminal, &now), 0);
    assert_true((now.c_lflag & ECHO) && (now.c_lflag & ICANON) && (now.c_lflag & ISIG));
    int waiting = 0;
    assert_int_equal(ioctl(seat->master, FIONREAD, &waiting), 0);
    if (waiting > 0) {
        ssize_t got = read(seat->master, seat->seen + seat->seen_size, sizeof seat->seen - 1 - seat->seen_size);
        seat->seen_size += got > 0 ? (size_t)got : 0;
        seat->seen[seat->seen_size] = '\0';
    }
    (void)close(seat->terminal);
    (void)close(seat->master);
    assert_null(strstr(seat->seen, secret));
    if (!WIFEXITED(status) || WEXITSTATUS(status) != exit_code)
        fail_msg("status %d after: %s", status, seat->seen);
}

/* ---- what is promised ---- */

static void the_passphrase_is_what_was_typed_corrections_included(void **state)
{
    (void)state;
    struct seat seat = sit_down();
    await(&seat, "Passphrase: ");
    type(&seat, "rubbish\x15"
                "correct horsX\x7f"
                "e\r");
    await(&seat, "The same again: ");
    type(&seat, "correct hors\xc3\xa9\x7f"
                "e\r"); /* one character of two bytes, taken back at once */
    leave(&seat, 0, "horse");

    struct onramp_secret *passphrase = NULL;
    struct onramp_seal_key *key = NULL;
    bool locked;
    assert_int_equal(onramp_secret_copy(&passphrase, "correct horse", 13, NULL), ONRAMP_OK);
    assert_int_equal(onramp_seal_key_load(&key, key_path, passphrase, &locked, NULL), ONRAMP_OK);
    onramp_seal_key_free(key);
    onramp_secret_free(passphrase);
}

static void two_that_differ_make_no_key(void **state)
{
    (void)state;
    struct seat seat = sit_down();
    await(&seat, "Passphrase: ");
    type(&seat, "correct horse\r");
    await(&seat, "The same again: ");
    type(&seat, "correct house\r");
    await(&seat, "are not the same");
    leave(&seat, 2, "house");
    assert_int_equal(access(key_path, F_OK), -1);
}

static void an_empty_one_makes_no_key(void **state)
{
    (void)state;
    struct seat seat = sit_down();
    await(&seat, "Passphrase: ");
    type(&seat, "\r");
    await(&seat, "The same again: ");
    type(&seat, "\r");
    await(&seat, "the passphrase is empty");
    leave(&seat, 2, "horse");
    assert_int_equal(access(key_path, F_OK), -1);
}

static void ctrl_c_leaves_the_terminal_as_it_was(void **state)
{
    (void)state;
    struct seat seat = sit_down();
    await(&seat, "Passphrase: ");
    type(&seat, "correct\x03");
    await(&seat, "no passphrase was given");
    leave(&seat, 2, "correct");
    assert_int_equal(access(key_path, F_OK), -1);
}

static void a_signal_leaves_the_terminal_as_it_was(void **state)
{
    (void)state;
    static const int signals[] = {SIGTERM, SIGINT};
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
        struct seat seat = sit_down();
        await(&seat, "Passphrase: ");
        assert_int_equal(kill(seat.child, signals[i]), 0);
        type(&seat, "correct horse\r"); /* until then it waits */
        leave(&seat, 130, "horse");
        assert_int_equal(access(key_path, F_OK), -1);
    }
}

#define TEST(f) cmocka_unit_test_teardown(f, remove_files)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_passphrase_is_what_was_typed_corrections_included),
        TEST(two_that_differ_make_no_key),
        TEST(an_empty_one_makes_no_key),
        TEST(ctrl_c_leaves_the_terminal_as_it_was),
        TEST(a_signal_leaves_the_terminal_as_it_was),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
