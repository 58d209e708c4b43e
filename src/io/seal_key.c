/*
 * seal_key.c - key pairs for sealed passwords: their text, and the file of the secret one.
 *
 * The file is lines of text and not JSON: so it is read and written within guarded memory, and a key that no passphrase
 * protects is never in a library's heap.
 */
#include "io/seal_key.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/ledger_disk.h"

#define PREFIX      "onramp-seal-"
#define CHECK_SIZE  4
#define FILE_MAX    1024
#define VARIANT     sodium_base64_VARIANT_URLSAFE_NO_PADDING
#define MEMORY_MOST ((size_t)1024 * 1024 * 1024) /* of a key file that somebody else made */
#define TURNS_MOST  16

_Static_assert(sizeof((struct onramp_seal_public){{0}}).bytes == crypto_box_PUBLICKEYBYTES, "libsodium's keys");

enum { CIPHER_SIZE = crypto_secretbox_NONCEBYTES + crypto_secretbox_MACBYTES + crypto_box_SECRETKEYBYTES };

struct onramp_seal_key {
    struct onramp_seal_public public_key;
    struct onramp_secret *secret;
};

/* ---- the public key ---- */

static void check_of(const struct onramp_seal_public *key, unsigned char check[CHECK_SIZE])
{
    unsigned char hash[crypto_generichash_BYTES];
    (void)crypto_generichash(hash, sizeof hash, key->bytes, sizeof key->bytes, NULL, 0); /* fails on bad sizes only */
    memcpy(check, hash, CHECK_SIZE);
}

void onramp_seal_mark(const struct onramp_seal_public *key, char mark[ONRAMP_SEAL_MARK_MAX])
{
    unsigned char check[CHECK_SIZE];
    check_of(key, check);
    sodium_bin2hex(mark, ONRAMP_SEAL_MARK_MAX, check, sizeof check);
}

void onramp_seal_public_text(const struct onramp_seal_public *key, char text[ONRAMP_SEAL_PUBLIC_MAX])
{
    unsigned char bytes[sizeof key->bytes + CHECK_SIZE];
    memcpy(bytes, key->bytes, sizeof key->bytes);
    check_of(key, bytes + sizeof key->bytes);
    size_t used = (size_t)snprintf(text, ONRAMP_SEAL_PUBLIC_MAX, PREFIX);
    sodium_bin2base64(text + used, ONRAMP_SEAL_PUBLIC_MAX - used, bytes, sizeof bytes, VARIANT);
}

static bool parse_public(struct onramp_seal_public *out, const char *text, size_t size)
{
    unsigned char bytes[sizeof out->bytes + CHECK_SIZE], check[CHECK_SIZE];
    size_t prefix = sizeof PREFIX - 1, got;
    if (size < prefix || memcmp(text, PREFIX, prefix) != 0 ||
        sodium_base642bin(bytes, sizeof bytes, text + prefix, size - prefix, NULL, &got, NULL, VARIANT) != 0 ||
        got != sizeof bytes)
        return false;
    struct onramp_seal_public key;
    memcpy(key.bytes, bytes, sizeof key.bytes);
    check_of(&key, check);
    if (memcmp(check, bytes + sizeof key.bytes, CHECK_SIZE) != 0)
        return false;
    *out = key;
    return true;
}

/* Up to `room` bytes of a regular file, NUL-terminated. */
static enum onramp_status read_small(const char *path, const char *what, char *into, size_t room, size_t *size,
                                     struct onramp_error *err)
{
    int errnum;
    int fd = onramp_disk_open(path, false, &errnum);
    if (fd < 0)
        return onramp_fail(err, ONRAMP_EUSAGE, "cannot open %s '%.200s': %s", what, path, strerror(errnum));
    size_t used = 0;
    ssize_t got = 0;
    do {
        got = read(fd, into + used, room - 1 - used);
        used += got > 0 ? (size_t)got : 0;
    } while (used < room - 1 && (got > 0 || (got < 0 && errno == EINTR)));
    errnum = errno;
    (void)close(fd);
    if (got < 0)
        return onramp_fail(err, ONRAMP_EUSAGE, "cannot read %s '%.200s': %s", what, path, strerror(errnum));
    into[used] = '\0';
    *size = used;
    return ONRAMP_OK;
}

enum onramp_status onramp_seal_public_read(struct onramp_seal_public *out, const char *text_or_path,
                                           struct onramp_error *err)
{
    char text[FILE_MAX];
    size_t size = strlen(text_or_path);
    if (sodium_init() < 0)
        return onramp_fail(err, ONRAMP_EIO, "cannot start libsodium");
    if (strncmp(text_or_path, PREFIX, sizeof PREFIX - 1) == 0) {
        if (parse_public(out, text_or_path, size))
            return ONRAMP_OK;
        return onramp_fail(err, ONRAMP_EUSAGE, "'%.80s' is no public key: a character is wrong or missing",
                           text_or_path);
    }
    enum onramp_status st = read_small(text_or_path, "the public key", text, sizeof text, &size, err);
    if (st != ONRAMP_OK)
        return st;
    while (size > 0 && strchr(" \t\r\n", text[size - 1]) != NULL)
        size--;
    bool sound = parse_public(out, text, size);
    sodium_memzero(text, sizeof text); /* it may be the secret key by mistake */
    if (sound)
        return ONRAMP_OK;
    return onramp_fail(err, ONRAMP_EUSAGE, "'%.200s' holds no public key; 'onramp keygen' writes one to FILE.pub",
                       text_or_path);
}

/* ---- pairs ---- */

static enum onramp_status new_key(struct onramp_seal_key **out, struct onramp_error *err)
{
    struct onramp_seal_key *key = calloc(1, sizeof *key);
    if (key == NULL)
        return onramp_fail(err, ONRAMP_ENOMEM, "out of memory");
    enum onramp_status st = onramp_secret_new(&key->secret, crypto_box_SECRETKEYBYTES, err);
    if (st != ONRAMP_OK) {
        free(key);
        return st;
    }
    *out = key;
    return ONRAMP_OK;
}

enum onramp_status onramp_seal_key_new(struct onramp_seal_key **out, struct onramp_error *err)
{
    struct onramp_seal_key *key = NULL;
    enum onramp_status st = new_key(&key, err);
    if (st != ONRAMP_OK)
        return st;
    (void)crypto_box_keypair(key->public_key.bytes, (unsigned char *)key->secret->text); /* cannot fail */
    *out = key;
    return ONRAMP_OK;
}

void onramp_seal_key_free(struct onramp_seal_key *key)
{
    if (key == NULL)
        return;
    onramp_secret_free(key->secret);
    free(key);
}

const struct onramp_seal_public *onramp_seal_key_public(const struct onramp_seal_key *key)
{
    return &key->public_key;
}

const struct onramp_secret *onramp_seal_key_secret(const struct onramp_seal_key *key)
{
    return key->secret;
}

/* ---- the secret key's file ---- */

/* What protects it. */
struct lock {
    unsigned long long turns; /* 0: nothing */
    size_t memory;
    unsigned char salt[crypto_pwhash_SALTBYTES];
};

/* The passphrase's key, in guarded memory. */
static enum onramp_status stretch(struct onramp_secret **out, const struct lock *lock,
                                  const struct onramp_secret *passphrase, struct onramp_error *err)
{
    struct onramp_secret *key = NULL;
    enum onramp_status st = onramp_secret_new(&key, crypto_secretbox_KEYBYTES, err);
    if (st != ONRAMP_OK)
        return st;
    if (crypto_pwhash((unsigned char *)key->text, key->size, passphrase->text, passphrase->size, lock->salt,
                      lock->turns, lock->memory, crypto_pwhash_ALG_ARGON2ID13) != 0) {
        onramp_secret_free(key);
        return onramp_fail(err, ONRAMP_ENOMEM, "out of memory: the passphrase's key takes %zu MiB",
                           lock->memory / 1024 / 1024);
    }
    *out = key;
    return ONRAMP_OK;
}

static enum onramp_status encrypt(unsigned char cipher[CIPHER_SIZE], const struct onramp_seal_key *key,
                                  const struct lock *lock, const struct onramp_secret *passphrase,
                                  struct onramp_error *err)
{
    struct onramp_secret *wrapping = NULL;
    enum onramp_status st = stretch(&wrapping, lock, passphrase, err);
    if (st != ONRAMP_OK)
        return st;
    randombytes_buf(cipher, crypto_secretbox_NONCEBYTES);
    (void)crypto_secretbox_easy(cipher + crypto_secretbox_NONCEBYTES, (const unsigned char *)key->secret->text,
                                key->secret->size, cipher, (const unsigned char *)wrapping->text); /* cannot fail */
    onramp_secret_free(wrapping);
    return ONRAMP_OK;
}

/* The file's text, into guarded memory. */
static enum onramp_status compose(struct onramp_secret *text, const struct onramp_seal_key *key,
                                  const struct onramp_secret *passphrase, struct onramp_error *err)
{
    char public_text[ONRAMP_SEAL_PUBLIC_MAX], salt[32] = "";
    unsigned char cipher[CIPHER_SIZE];
    struct lock lock = {0};
    onramp_seal_public_text(&key->public_key, public_text);
    const unsigned char *content = (const unsigned char *)key->secret->text;
    size_t content_size = key->secret->size;
    if (passphrase != NULL) {
        lock.turns = crypto_pwhash_OPSLIMIT_MODERATE;
        lock.memory = crypto_pwhash_MEMLIMIT_MODERATE;
        randombytes_buf(lock.salt, sizeof lock.salt);
        sodium_bin2base64(salt, sizeof salt, lock.salt, sizeof lock.salt, VARIANT);
        enum onramp_status st = encrypt(cipher, key, &lock, passphrase, err);
        if (st != ONRAMP_OK)
            return st;
        content = cipher;
        content_size = sizeof cipher;
    }
    int used = snprintf(text->text, text->size, "onramp-secret-key 1\npublic %s\n", public_text);
    if (passphrase != NULL)
        used += snprintf(text->text + used, text->size - (size_t)used, "kdf argon2id13 %llu %zu %s\nsecret ",
                         lock.turns, lock.memory, salt);
    else
        used += snprintf(text->text + used, text->size - (size_t)used, "kdf none\nsecret ");
    sodium_bin2base64(text->text + used, text->size - (size_t)used, content, content_size, VARIANT);
    strcat(text->text, "\n");
    return ONRAMP_OK;
}

static enum onramp_status write_new(const char *path, const struct onramp_secret *text, struct onramp_error *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (fd < 0 && errno == EEXIST)
        return onramp_fail(err, ONRAMP_EUSAGE,
                           "'%.200s' is there already, and is not overwritten: passwords may be sealed to it", path);
    if (fd < 0)
        return onramp_fail_sys(err, errno, "cannot create '%.200s'", path);
    int errnum = onramp_real_disk.append(onramp_real_disk.self, fd, text->text, strlen(text->text));
    if (errnum == 0)
        errnum = onramp_real_disk.sync(onramp_real_disk.self, fd);
    if (close(fd) != 0 && errnum == 0)
        errnum = errno;
    if (errnum == 0)
        errnum = onramp_disk_sync_entry(&onramp_real_disk, path);
    if (errnum == 0)
        return ONRAMP_OK;
    (void)unlink(path); /* half a key is none */
    return onramp_fail_sys(err, errnum, "cannot write '%.200s'", path);
}

enum onramp_status onramp_seal_key_save(const struct onramp_seal_key *key, const char *path,
                                        const struct onramp_secret *passphrase, struct onramp_error *err)
{
    struct onramp_secret *text = NULL;
    enum onramp_status st = onramp_secret_new(&text, FILE_MAX, err);
    if (st == ONRAMP_OK)
        st = compose(text, key, passphrase, err);
    if (st == ONRAMP_OK)
        st = write_new(path, text, err);
    onramp_secret_free(text);
    return st;
}

/* Take the file's text apart; `content` points into it. False if it is no key file. */
static bool dissect(const char *text, struct onramp_seal_public *public_key, struct lock *lock, const char **content)
{
    char public_text[ONRAMP_SEAL_PUBLIC_MAX], salt[32];
    int end = 0;
    size_t got;
    *lock = (struct lock){0};
    if (sscanf(text, "onramp-secret-key 1\npublic %63s\nkdf none\nsecret %n", public_text, &end) < 1 || end == 0) {
        if (sscanf(text, "onramp-secret-key 1\npublic %63s\nkdf argon2id13 %4llu %12zu %31s\nsecret %n", public_text,
                   &lock->turns, &lock->memory, salt, &end) < 4 ||
            end == 0)
            return false;
        if (sodium_base642bin(lock->salt, sizeof lock->salt, salt, strlen(salt), NULL, &got, NULL, VARIANT) != 0 ||
            got != sizeof lock->salt || lock->turns < crypto_pwhash_OPSLIMIT_MIN || lock->turns > TURNS_MOST ||
            lock->memory < crypto_pwhash_MEMLIMIT_MIN || lock->memory > MEMORY_MOST)
            return false;
    }
    *content = text + end;
    return parse_public(public_key, public_text, strlen(public_text));
}

/* The secret key out of its place in the file, into `key`. */
static enum onramp_status unlock(struct onramp_seal_key *key, const char *path, const struct lock *lock,
                                 const char *content, const struct onramp_secret *passphrase, struct onramp_error *err)
{
    unsigned char cipher[CIPHER_SIZE];
    unsigned char *into = lock->turns > 0 ? cipher : (unsigned char *)key->secret->text;
    size_t room = lock->turns > 0 ? sizeof cipher : key->secret->size, got;
    if (sodium_base642bin(into, room, content, strcspn(content, "\r\n"), NULL, &got, NULL, VARIANT) != 0 || got != room)
        return onramp_fail(err, ONRAMP_EUSAGE, "key file '%.200s' is damaged", path);
    if (lock->turns > 0) {
        struct onramp_secret *wrapping = NULL;
        enum onramp_status st = stretch(&wrapping, lock, passphrase, err);
        if (st != ONRAMP_OK)
            return st;
        bool opened =
            crypto_secretbox_open_easy((unsigned char *)key->secret->text, cipher + crypto_secretbox_NONCEBYTES,
                                       sizeof cipher - crypto_secretbox_NONCEBYTES, cipher,
                                       (const unsigned char *)wrapping->text) == 0;
        onramp_secret_free(wrapping);
        if (!opened)
            return onramp_fail(err, ONRAMP_EUSAGE, "wrong passphrase for '%.200s', or the file was altered", path);
    }
    unsigned char derived[crypto_box_PUBLICKEYBYTES];
    if (crypto_scalarmult_base(derived, (const unsigned char *)key->secret->text) != 0 ||
        memcmp(derived, key->public_key.bytes, sizeof derived) != 0)
        return onramp_fail(err, ONRAMP_EUSAGE, "key file '%.200s' is damaged: its two keys are no pair", path);
    return ONRAMP_OK;
}

/* Both keys out of the file's text. */
static enum onramp_status read_key(struct onramp_seal_key *key, const char *path, const struct onramp_secret *text,
                                   const struct onramp_secret *passphrase, bool *locked, struct onramp_error *err)
{
    struct lock lock;
    const char *content;
    if (!dissect(text->text, &key->public_key, &lock, &content))
        return onramp_fail(err, ONRAMP_EUSAGE, "'%.200s' is no key file of 'onramp keygen'", path);
    if (lock.turns > 0 && passphrase == NULL) {
        *locked = true;
        return onramp_fail(err, ONRAMP_EUSAGE, "key file '%.200s' needs its passphrase", path);
    }
    return unlock(key, path, &lock, content, passphrase, err);
}

enum onramp_status onramp_seal_key_load(struct onramp_seal_key **out, const char *path,
                                        const struct onramp_secret *passphrase, bool *locked, struct onramp_error *err)
{
    struct onramp_secret *text = NULL;
    struct onramp_seal_key *key = NULL;
    size_t size;
    *locked = false;
    enum onramp_status st = onramp_secret_new(&text, FILE_MAX, err);
    if (st == ONRAMP_OK)
        st = new_key(&key, err);
    if (st == ONRAMP_OK)
        st = read_small(path, "key file", text->text, text->size, &size, err);
    if (st == ONRAMP_OK)
        st = read_key(key, path, text, passphrase, locked, err);
    if (st == ONRAMP_OK) {
        *out = key;
        key = NULL;
    }
    onramp_seal_key_free(key);
    onramp_secret_free(text);
    return st;
}
