/*
 * stream.c - the bytes of a file, unpacked, twice the same.
 *
 * zlib's inflate instead of its gzFile: so one reading serves parser and digest alike, and a file that ends early, a
 * wrong checksum and rubbish behind the data can be told apart.
 */
#include "io/stream.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#define CHUNK      ((size_t)64 * 1024)
#define SPOOL_MAX  ((off_t)1024 * 1024 * 1024) /* far beyond what POST /users is for; less than a disk */
#define NAME_SHOWN 200

enum packing {
    UNDECIDED,
    PLAIN,
    GZIP,        /* within a member */
    GZIP_BETWEEN /* a member has ended: another, padding with zeros, or the end may follow */
};

struct onramp_stream {
    char name[NAME_SHOWN + 8];
    int fd;
    bool owns_fd; /* all but standard input's */
    struct stat as_opened;

    crypto_hash_sha256_state hash;
    bool hashed; /* the digest of this pass is final */
    char digest[2 * crypto_hash_sha256_BYTES + 1];

    enum packing packing;
    bool inflating; /* `inflate` is initialised */
    z_stream inflate;
    size_t raw_size;
    bool raw_ended;
    unsigned char raw[CHUNK];
    unsigned char unpacked[CHUNK];
};

/* ---- opening ---- */

static enum onramp_status fail_changed(const struct onramp_stream *s, struct onramp_error *err)
{
    return onramp_fail(err, ONRAMP_EINPUT, "%s changed while it was being read; run again when it is complete",
                       s->name);
}

/* A file that cannot be read to its end is refused, whatever the reason; the disk that must not fail is the ledger's.
 */
static enum onramp_status fail_read(const struct onramp_stream *s, struct onramp_error *err)
{
    return onramp_fail(err, ONRAMP_EINPUT, "cannot read %s: %s", s->name, strerror(errno));
}

/* An unlinked file that only we can read: it holds what the user piped in. */
static enum onramp_status open_spool(int *out, struct onramp_error *err)
{
    const char *directory = getenv("TMPDIR");
    if (directory == NULL || directory[0] == '\0')
        directory = "/tmp";
    char path[4096];
    int length = snprintf(path, sizeof path, "%s/onramp-XXXXXX", directory);
    if (length < 0 || (size_t)length >= sizeof path)
        return onramp_fail(err, ONRAMP_EIO, "TMPDIR is too long a path");
    int fd = mkstemp(path); /* mode 0600 */
    if (fd < 0)
        return onramp_fail_sys(err, errno, "cannot create a temporary file in '%.200s'", directory);
    if (unlink(path) != 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) {
        int errnum = errno;
        close(fd);
        return onramp_fail_sys(err, errnum, "cannot prepare a temporary file in '%.200s'", directory);
    }
    *out = fd;
    return ONRAMP_OK;
}

static enum onramp_status write_all(int fd, const unsigned char *bytes, size_t size, struct onramp_error *err)
{
    while (size > 0) {
        ssize_t done = write(fd, bytes, size);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return onramp_fail_sys(err, errno, "cannot write the temporary copy of the input");
        bytes += done;
        size -= (size_t)done;
    }
    return ONRAMP_OK;
}

/* Copy what `from` yields until its end. An interruption ends it: the user may be waiting at a terminal. */
static enum onramp_status spool(struct onramp_stream *s, int from, int to, struct onramp_error *err)
{
    off_t total = 0;
    for (;;) {
        ssize_t got = read(from, s->raw, sizeof s->raw);
        if (got < 0)
            return errno == EINTR ? onramp_fail_sys(err, errno, "cannot read %s", s->name) : fail_read(s, err);
        if (got == 0)
            return ONRAMP_OK;
        total += got;
        if (total > SPOOL_MAX)
            return onramp_fail(err, ONRAMP_EINPUT, "%s is over 1 GiB; the bulk import job is made for such files",
                               s->name);
        enum onramp_status st = write_all(to, s->raw, (size_t)got, err);
        if (st != ONRAMP_OK)
            return st;
    }
}

/* Replace the descriptor by one that can be read twice. */
static enum onramp_status make_seekable(struct onramp_stream *s, struct onramp_error *err)
{
    int copy = -1;
    enum onramp_status st = open_spool(&copy, err);
    if (st != ONRAMP_OK)
        return st;
    st = spool(s, s->fd, copy, err);
    if (st == ONRAMP_OK && lseek(copy, 0, SEEK_SET) != 0)
        st = onramp_fail_sys(err, errno, "cannot rewind the temporary copy of the input");
    if (st == ONRAMP_OK && fstat(copy, &s->as_opened) != 0)
        st = onramp_fail_sys(err, errno, "cannot examine the temporary copy of the input");
    if (st != ONRAMP_OK) {
        close(copy);
        return st;
    }
    if (s->owns_fd)
        (void)close(s->fd);
    s->fd = copy;
    s->owns_fd = true;
    return ONRAMP_OK;
}

static enum onramp_status open_file(struct onramp_stream *s, const char *path, struct onramp_error *err)
{
    bool standard_input = strcmp(path, "-") == 0;
    if (standard_input) {
        (void)snprintf(s->name, sizeof s->name, "standard input");
        s->fd = STDIN_FILENO;
    } else {
        (void)snprintf(s->name, sizeof s->name, "'%.*s'", NAME_SHOWN, path);
        s->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        if (s->fd < 0)
            return onramp_fail(err, ONRAMP_EINPUT, "cannot open %s: %s", s->name, strerror(errno));
        s->owns_fd = true;
    }
    if (fstat(s->fd, &s->as_opened) != 0)
        return onramp_fail_sys(err, errno, "cannot examine %s", s->name);
    if (S_ISDIR(s->as_opened.st_mode))
        return onramp_fail(err, ONRAMP_EINPUT, "cannot read %s: it is a directory, not a file of users", s->name);
    if (standard_input || !S_ISREG(s->as_opened.st_mode))
        return make_seekable(s, err);
    return ONRAMP_OK;
}

static void begin_pass(struct onramp_stream *s)
{
    (void)crypto_hash_sha256_init(&s->hash); /* cannot fail, nor can update and final */
    s->hashed = false;
    s->packing = UNDECIDED;
    s->raw_size = 0;
    s->raw_ended = false;
    if (s->inflating)
        (void)inflateEnd(&s->inflate);
    s->inflating = false;
}

/* ---- reading ---- */

static bool same_time(const struct stat *a, const struct stat *b)
{
#ifdef __APPLE__
    return a->st_mtimespec.tv_sec == b->st_mtimespec.tv_sec && a->st_mtimespec.tv_nsec == b->st_mtimespec.tv_nsec;
#else
    return a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
#endif
}

static enum onramp_status check_unchanged(const struct onramp_stream *s, struct onramp_error *err)
{
    struct stat now;
    if (fstat(s->fd, &now) != 0)
        return onramp_fail_sys(err, errno, "cannot examine %s", s->name);
    if (now.st_size != s->as_opened.st_size || !same_time(&now, &s->as_opened))
        return fail_changed(s, err);
    return ONRAMP_OK;
}

/* The digest of this pass; the first one stands, and later ones have to agree. */
static enum onramp_status finish_digest(struct onramp_stream *s, struct onramp_error *err)
{
    unsigned char bytes[crypto_hash_sha256_BYTES];
    char hex[sizeof s->digest];
    (void)crypto_hash_sha256_final(&s->hash, bytes);
    sodium_bin2hex(hex, sizeof hex, bytes, sizeof bytes);
    s->hashed = true;
    if (s->digest[0] == '\0')
        memcpy(s->digest, hex, sizeof hex);
    return strcmp(s->digest, hex) == 0 ? ONRAMP_OK : fail_changed(s, err);
}

/* Fill `raw` from the file: full, unless the file ends in it. */
static enum onramp_status read_raw(struct onramp_stream *s, struct onramp_error *err)
{
    s->raw_size = 0;
    while (s->raw_size < sizeof s->raw && !s->raw_ended) {
        ssize_t got = read(s->fd, s->raw + s->raw_size, sizeof s->raw - s->raw_size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fail_read(s, err);
        s->raw_ended = got == 0;
        s->raw_size += (size_t)got;
    }
    if (s->raw_size > 0)
        (void)crypto_hash_sha256_update(&s->hash, s->raw, s->raw_size);
    enum onramp_status st = check_unchanged(s, err);
    if (st == ONRAMP_OK && s->raw_ended && !s->hashed)
        st = finish_digest(s, err);
    return st;
}

static enum onramp_status begin_inflate(struct onramp_stream *s, struct onramp_error *err)
{
    memset(&s->inflate, 0, sizeof s->inflate);
    if (inflateInit2(&s->inflate, 15 + 16) != Z_OK) /* the largest window; a gzip header, not zlib's */
        return onramp_fail(err, ONRAMP_ENOMEM, "out of memory to unpack %s", s->name);
    s->inflating = true;
    s->packing = GZIP;
    s->inflate.next_in = s->raw;
    s->inflate.avail_in = (uInt)s->raw_size;
    return ONRAMP_OK;
}

/* After a member's end: pass over zeros (tapes pad with them), begin the next member. */
static enum onramp_status next_member(struct onramp_stream *s, struct onramp_error *err)
{
    while (s->inflate.avail_in > 0 && *s->inflate.next_in == 0) {
        s->inflate.next_in++;
        s->inflate.avail_in--;
    }
    if (s->inflate.avail_in == 0)
        return ONRAMP_OK;
    if (*s->inflate.next_in != 0x1f)
        return onramp_fail(err, ONRAMP_EINPUT, "cannot unpack %s: something other than gzip follows the gzip data",
                           s->name);
    if (inflateReset(&s->inflate) != Z_OK)
        return onramp_fail(err, ONRAMP_EIO, "cannot unpack %s: zlib refuses to start again", s->name);
    s->packing = GZIP;
    return ONRAMP_OK;
}

/* One step: take in more if there is none, and unpack into `unpacked`, which may stay empty. */
static enum onramp_status unpack(struct onramp_stream *s, size_t *size, bool *end, struct onramp_error *err)
{
    *size = 0;
    if (s->inflate.avail_in == 0) {
        enum onramp_status st = read_raw(s, err);
        if (st != ONRAMP_OK)
            return st;
        s->inflate.next_in = s->raw;
        s->inflate.avail_in = (uInt)s->raw_size;
    }
    if (s->inflate.avail_in == 0) {
        *end = true;
        if (s->packing == GZIP)
            return onramp_fail(err, ONRAMP_EINPUT, "cannot unpack %s: the gzip data ends early; is the file complete?",
                               s->name);
        return ONRAMP_OK;
    }
    if (s->packing == GZIP_BETWEEN)
        return next_member(s, err);

    s->inflate.next_out = s->unpacked;
    s->inflate.avail_out = sizeof s->unpacked;
    int rc = inflate(&s->inflate, Z_NO_FLUSH);
    if (rc == Z_MEM_ERROR)
        return onramp_fail(err, ONRAMP_ENOMEM, "out of memory to unpack %s", s->name);
    if (rc != Z_OK && rc != Z_STREAM_END) /* Z_BUF_ERROR cannot be: there is input, and room */
        return onramp_fail(err, ONRAMP_EINPUT, "cannot unpack %s: the gzip data is damaged (%s)", s->name,
                           s->inflate.msg != NULL ? s->inflate.msg : zError(rc));
    if (rc == Z_STREAM_END)
        s->packing = GZIP_BETWEEN;
    *size = sizeof s->unpacked - s->inflate.avail_out;
    return ONRAMP_OK;
}

static enum onramp_status read_unpacked(struct onramp_stream *s, const unsigned char **bytes, size_t *size,
                                        struct onramp_error *err)
{
    bool end = false;
    *bytes = s->unpacked;
    do {
        enum onramp_status st = unpack(s, size, &end, err);
        if (st != ONRAMP_OK)
            return st;
    } while (*size == 0 && !end);
    return ONRAMP_OK;
}

/* ---- the interface ---- */

enum onramp_status onramp_stream_read(struct onramp_stream *s, const unsigned char **bytes, size_t *size,
                                      struct onramp_error *err)
{
    if (s->packing == GZIP || s->packing == GZIP_BETWEEN)
        return read_unpacked(s, bytes, size, err);

    enum onramp_status st = read_raw(s, err);
    if (st != ONRAMP_OK)
        return st;
    if (s->packing == UNDECIDED && s->raw_size >= 2 && s->raw[0] == 0x1f && s->raw[1] == 0x8b) {
        st = begin_inflate(s, err);
        return st == ONRAMP_OK ? read_unpacked(s, bytes, size, err) : st;
    }
    s->packing = PLAIN;
    *bytes = s->raw;
    *size = s->raw_size;
    return ONRAMP_OK;
}

enum onramp_status onramp_stream_rewind(struct onramp_stream *s, struct onramp_error *err)
{
    if (lseek(s->fd, 0, SEEK_SET) != 0)
        return onramp_fail_sys(err, errno, "cannot rewind %s", s->name);
    begin_pass(s);
    return check_unchanged(s, err);
}

const char *onramp_stream_digest(const struct onramp_stream *s)
{
    return s->digest[0] != '\0' ? s->digest : NULL;
}

const char *onramp_stream_name(const struct onramp_stream *s)
{
    return s->name;
}

enum onramp_status onramp_stream_open(struct onramp_stream **out, const char *path, struct onramp_error *err)
{
    assert(path != NULL);
    if (sodium_init() < 0)
        return onramp_fail(err, ONRAMP_EIO, "cannot start libsodium");
    struct onramp_stream *s = calloc(1, sizeof *s);
    if (s == NULL)
        return onramp_fail(err, ONRAMP_ENOMEM, "out of memory");
    s->fd = -1;
    begin_pass(s);
    enum onramp_status st = open_file(s, path, err);
    if (st == ONRAMP_OK) {
        *out = s;
        return ONRAMP_OK;
    }
    onramp_stream_close(s);
    return st;
}

void onramp_stream_close(struct onramp_stream *s)
{
    if (s == NULL)
        return;
    if (s->inflating)
        (void)inflateEnd(&s->inflate);
    if (s->owns_fd)
        (void)close(s->fd);
    sodium_memzero(s, sizeof *s); /* it held people's data */
    free(s);
}
