/*
 * passphrase.c - a passphrase from the terminal, without showing it, or from a file.
 *
 * The terminal gives single keys meanwhile, Ctrl-C among them, and signals wait: however it ends, echo is on again.
 */
#include "passphrase.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define LONGEST 1024

enum { CTRL_C = 0x03, CTRL_D = 0x04, CTRL_U = 0x15, BACKSPACE = 0x08, DELETE = 0x7f };

static enum onramp_status check(const struct onramp_secret *text, struct onramp_error *err)
{
    if (text->size == 0)
        return onramp_fail(err, ONRAMP_EUSAGE, "the passphrase is empty; --no-passphrase makes a key without one");
    if (text->size >= LONGEST)
        return onramp_fail(err, ONRAMP_EUSAGE, "the passphrase is over %d bytes long", LONGEST - 1);
    return ONRAMP_OK;
}

/* One byte, or 0 at the end; -1 with errno. */
static ssize_t read_byte(int fd, char *byte)
{
    ssize_t got;
    do
        got = read(fd, byte, 1);
    while (got < 0 && errno == EINTR);
    return got;
}

/* ---- from a file ---- */

static enum onramp_status read_file(struct onramp_secret *into, const char *file, struct onramp_error *err)
{
    bool standard = strcmp(file, "-") == 0;
    int fd = standard ? STDIN_FILENO : open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return onramp_fail(err, ONRAMP_EUSAGE, "cannot open passphrase file '%.200s': %s", file, strerror(errno));
    char byte = 0;
    ssize_t got;
    into->size = 0;
    while ((got = read_byte(fd, &byte)) > 0 && byte != '\n' && into->size < LONGEST)
        into->text[into->size++] = byte;
    int errnum = errno;
    if (!standard)
        (void)close(fd);
    byte = 0;
    if (got < 0)
        return onramp_fail(err, ONRAMP_EUSAGE, "cannot read passphrase file '%.200s': %s", file, strerror(errnum));
    if (into->size > 0 && into->text[into->size - 1] == '\r')
        into->size--;
    return check(into, err);
}

/* ---- from the terminal ---- */

static void say(int fd, const char *text)
{
    ssize_t written = write(fd, text, strlen(text)); /* a prompt that cannot be seen is no reason to stop */
    (void)written;
}

/* Take the last character back: its later bytes, then its first. */
static void take_back(struct onramp_secret *text)
{
    while (text->size > 0 && ((unsigned char)text->text[--text->size] & 0xc0) == 0x80)
        continue;
}

/* Keys until Enter. False: cancelled, or the terminal has gone. */
static bool read_keys(int fd, struct onramp_secret *into)
{
    char key;
    into->size = 0;
    while (read_byte(fd, &key) == 1) {
        if (key == '\n' || key == '\r' || key == CTRL_D)
            return true;
        if (key == CTRL_C)
            return false;
        if (key == BACKSPACE || key == DELETE)
            take_back(into);
        else if (key == CTRL_U)
            into->size = 0;
        else if (into->size < LONGEST)
            into->text[into->size++] = key;
    }
    return false;
}

static bool ask(int fd, const char *prompt, struct onramp_secret *into)
{
    struct termios before, quiet;
    sigset_t later, mask;
    if (tcgetattr(fd, &before) != 0)
        return false;
    quiet = before;
    quiet.c_lflag &= ~(tcflag_t)(ECHO | ECHONL | ICANON | ISIG);
    quiet.c_cc[VMIN] = 1;
    quiet.c_cc[VTIME] = 0;
    (void)sigemptyset(&later);
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
        (void)sigaddset(&later, signals[i]);
    (void)sigprocmask(SIG_BLOCK, &later, &mask);
    bool good = tcsetattr(fd, TCSAFLUSH, &quiet) == 0;
    if (good) {
        say(fd, prompt);
        good = read_keys(fd, into);
        say(fd, "\n");
        (void)tcsetattr(fd, TCSAFLUSH, &before);
    }
    (void)sigprocmask(SIG_SETMASK, &mask, NULL);
    return good;
}

static enum onramp_status read_terminal(struct onramp_secret *into, bool twice, struct onramp_error *err)
{
    int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return onramp_fail(
            err, ONRAMP_EUSAGE,
            "no terminal to ask for the passphrase: give --passphrase-file (/dev/fd/3 for a descriptor)");
    struct onramp_secret *again = NULL;
    enum onramp_status st = twice ? onramp_secret_new(&again, LONGEST, err) : ONRAMP_OK;
    if (st == ONRAMP_OK && (!ask(fd, "Passphrase: ", into) || (twice && !ask(fd, "The same again: ", again))))
        st = onramp_fail(err, ONRAMP_EUSAGE, "no passphrase was given");
    if (st == ONRAMP_OK && twice && (again->size != into->size || memcmp(again->text, into->text, into->size) != 0))
        st = onramp_fail(err, ONRAMP_EUSAGE, "the two passphrases are not the same");
    onramp_secret_free(again);
    (void)close(fd);
    return st == ONRAMP_OK ? check(into, err) : st;
}

enum onramp_status passphrase_read(struct onramp_secret **out, const char *file, bool twice, struct onramp_error *err)
{
    struct onramp_secret *text = NULL;
    enum onramp_status st = onramp_secret_new(&text, LONGEST, err);
    if (st == ONRAMP_OK)
        st = file != NULL ? read_file(text, file, err) : read_terminal(text, twice, err);
    if (st == ONRAMP_OK)
        *out = text;
    else
        onramp_secret_free(text);
    return st;
}
