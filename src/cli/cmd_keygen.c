/*
 * cmd_keygen.c - onramp keygen: a key pair for sealed passwords.
 */
#include "commands.h"
#include "console.h"
#include "passphrase.h"
#include "rows.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct keygen_values {
    char *out, *passphrase_file;
    bool no_passphrase;
};

#define AT(field) .offset = offsetof(struct keygen_values, field), .commands = ~0U

static const struct setting rows[] = {
    {.flag = "out",
     .letter = 'o',
     .kind = SETTING_PATH,
     .argument = "FILE",
     .fallback = "onramp.key",
     .help = "where to write the secret key (mode 0600); the public one goes to FILE.pub. Never overwritten",
     AT(out)},
    {ROW_PASSPHRASE_FILE, AT(passphrase_file)},
    {.flag = "no-passphrase",
     .kind = SETTING_FLAG,
     .help = "do not encrypt the secret key: who has the file can open everything",
     AT(no_passphrase)},
};
const struct setting_table keygen_table = {rows, sizeof rows / sizeof rows[0], sizeof(struct keygen_values)};

static enum onramp_status refuse_existing(const char *path, struct onramp_error *err)
{
    struct stat st;
    bool there = lstat(path, &st) == 0;
    if (!there && errno == ENOENT)
        return ONRAMP_OK;
    if (!there)
        return onramp_fail_sys(err, errno, "cannot create '%.200s'", path);
    return onramp_fail(err, ONRAMP_EUSAGE, "'%.200s' is there already, and is not overwritten: give another --out",
                       path);
}

static enum onramp_status write_public(const char *path, const char *text, struct onramp_error *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (file == NULL)
        return onramp_fail_sys(err, errno, "cannot create '%.200s'", path);
    bool good = fprintf(file, "%s\n", text) > 0;
    good = fclose(file) == 0 && good;
    if (good)
        return ONRAMP_OK;
    enum onramp_status st = onramp_fail_sys(err, errno, "cannot write '%.200s'", path);
    (void)unlink(path);
    return st;
}

/* The public key to its file, then to standard output: at once, so that whoever was not told of the pair has none. */
static enum onramp_status publish(const struct onramp_seal_key *key, const char *path, struct onramp_error *err)
{
    char text[ONRAMP_SEAL_PUBLIC_MAX];
    onramp_seal_public_text(onramp_seal_key_public(key), text);
    enum onramp_status st = write_public(path, text, err);
    if (st != ONRAMP_OK || dprintf(STDOUT_FILENO, "%s\n", text) > 0)
        return st;
    st = onramp_fail_sys(err, errno, "no key pair was made: cannot write to standard output");
    (void)unlink(path);
    return st;
}

static enum onramp_status make_pair(const struct keygen_values *values, const char *public_path,
                                    struct onramp_error *err)
{
    struct onramp_secret *passphrase = NULL;
    struct onramp_seal_key *key = NULL;
    enum onramp_status st = ONRAMP_OK;
    if (!values->no_passphrase)
        st = passphrase_read(&passphrase, values->passphrase_file, true, err);
    if (st == ONRAMP_OK)
        st = onramp_seal_key_new(&key, err);
    if (st == ONRAMP_OK)
        st = onramp_seal_key_save(key, values->out, passphrase, err);
    if (st == ONRAMP_OK) {
        st = publish(key, public_path, err);
        if (st != ONRAMP_OK)
            (void)unlink(values->out); /* half a pair is none */
    }
    onramp_seal_key_free(key);
    onramp_secret_free(passphrase);
    return st;
}

int cmd_keygen(void *self)
{
    const struct keygen_values *values = self;
    struct onramp_error err = {.status = ONRAMP_OK};
    size_t size = strlen(values->out) + sizeof ".pub";
    char *public_path = malloc(size);
    enum onramp_status st = ONRAMP_OK;
    if (public_path == NULL)
        st = onramp_fail(&err, ONRAMP_ENOMEM, "out of memory");
    else
        (void)snprintf(public_path, size, "%s.pub", values->out);
    if (st == ONRAMP_OK && values->no_passphrase && values->passphrase_file != NULL)
        st = onramp_fail(&err, ONRAMP_EUSAGE, "--no-passphrase and --passphrase-file exclude each other");
    if (st == ONRAMP_OK)
        st = refuse_existing(values->out, &err);
    if (st == ONRAMP_OK)
        st = refuse_existing(public_path, &err);
    if (st == ONRAMP_OK)
        st = make_pair(values, public_path, &err);
    if (st != ONRAMP_OK)
        console_error(err.text);
    free(public_path);
    return st == ONRAMP_OK ? EXIT_ALL_WELL : EXIT_USAGE;
}
