/*
 * seal.c - a file of sealed passwords: written line by line, and read again.
 *
 * A line is an object in the clear, for finding it, and a box. What is in the clear stands in the box too, with
 * the password behind it, so that a box cannot be put under another user's name. A password is only ever in guarded
 * memory: jansson sees what stands in front of it.
 */
#include "io/seal.h"

#include "io/ledger_disk.h"
#include "io/ledger_line.h"
#include "io/seal_key.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TYPE     "sealed"
#define BEGINS   "{\"type\":\"" TYPE "\",\"version\":1," /* each line */
#define PASSWORD ",\"password\":\"" /* cannot stand within a JSON string: its quotes would be escaped */
#define VARIANT  sodium_base64_VARIANT_ORIGINAL

/* The members that stand both in the clear and in the box. */
static const char *const common[] = {"run", "record", "attempt", "email", "username", "phone_number", "user_id"};

struct onramp_sealer {
    char *path;
    const struct onramp_disk *disk;
    int fd;
    bool unsynced, failed;
    struct onramp_seal_public key;
};

static enum onramp_status no_memory(struct onramp_error *err)
{
    return onramp_fail(err, ONRAMP_ENOMEM, "out of memory to seal a password");
}

/* ---- opening the file to append ---- */

static bool may_begin(const char *bytes, size_t size)
{
    size_t begin = sizeof BEGINS - 1;
    while (size > 0 && bytes[size - 1] == '\0') /* power loss leaves zeros */
        size--;
    return memcmp(bytes, BEGINS, size < begin ? size : begin) == 0;
}

/* Read exactly, or fail: the file is locked and does not change. */
static bool read_at(int fd, char *into, size_t size, off_t at)
{
    while (size > 0) {
        ssize_t got = pread(fd, into, size, at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        into += got;
        at += got;
        size -= (size_t)got;
    }
    return true;
}

/* Where the last whole line ends. -1: cannot be read. */
static off_t whole_lines(int fd, off_t size)
{
    char piece[4096];
    for (off_t end = size; end > 0;) {
        off_t begin = end > (off_t)sizeof piece ? end - (off_t)sizeof piece : 0;
        if (!read_at(fd, piece, (size_t)(end - begin), begin))
            return -1;
        for (off_t i = end - begin; i > 0; i--)
            if (piece[i - 1] == '\n')
                return begin + i;
        end = begin;
    }
    return 0;
}

static enum onramp_status mend(struct onramp_sealer *s, struct onramp_error *err)
{
    struct stat st;
    char first[sizeof BEGINS];
    if (fstat(s->fd, &st) != 0)
        return onramp_fail_sys(err, errno, "cannot examine '%s'", s->path);
    size_t shown = st.st_size < (off_t)sizeof first ? (size_t)st.st_size : sizeof first;
    if (!S_ISREG(st.st_mode) || !read_at(s->fd, first, shown, 0) || !may_begin(first, shown))
        return onramp_fail(err, ONRAMP_EIO, "'%.200s' holds something else than sealed passwords; it is left alone",
                           s->path);
    off_t whole = whole_lines(s->fd, st.st_size);
    if (whole < 0)
        return onramp_fail_sys(err, errno, "cannot read '%.200s'", s->path);
    if (whole < st.st_size && ftruncate(s->fd, whole) != 0)
        return onramp_fail_sys(err, errno, "cannot cut half a line off '%.200s'", s->path);
    return ONRAMP_OK;
}

static enum onramp_status open_locked(struct onramp_sealer *s, struct onramp_error *err)
{
    int errnum;
    s->fd = onramp_disk_open(s->path, true, &errnum);
    if (s->fd < 0)
        return onramp_fail_sys(err, errnum, "cannot open '%.200s'", s->path);
    errnum = onramp_disk_lock(s->fd);
    if (errnum == EWOULDBLOCK)
        return onramp_fail(err, ONRAMP_ELOCKED, "'%.200s' is in use by another run, or for another purpose", s->path);
    if (errnum != 0)
        return onramp_fail_sys(err, errnum, "cannot lock '%.200s'", s->path);
    enum onramp_status st = mend(s, err);
    if (st != ONRAMP_OK)
        return st;
    (void)onramp_disk_close_to_others(s->fd); /* what is in it is sealed in any case */
    errnum = onramp_disk_sync_entry(s->disk, s->path);
    return errnum == 0 ? ONRAMP_OK : onramp_fail_sys(err, errnum, "cannot make '%.200s' durable", s->path);
}

enum onramp_status onramp_sealer_open(struct onramp_sealer **out, const char *path,
                                      const struct onramp_seal_public *key, const struct onramp_disk *disk,
                                      struct onramp_error *err)
{
    if (sodium_init() < 0)
        return onramp_fail(err, ONRAMP_EIO, "cannot start libsodium");
    struct onramp_sealer *s = calloc(1, sizeof *s);
    if (s == NULL)
        return no_memory(err);
    s->fd = -1;
    s->key = *key;
    s->disk = disk != NULL ? disk : &onramp_real_disk;
    s->path = strdup(path);
    enum onramp_status st = s->path != NULL ? open_locked(s, err) : no_memory(err);
    if (st == ONRAMP_OK)
        *out = s;
    else
        onramp_sealer_close(s);
    return st;
}

void onramp_sealer_close(struct onramp_sealer *s)
{
    if (s == NULL)
        return;
    if (s->fd >= 0)
        (void)close(s->fd);
    free(s->path);
    free(s);
}

/* ---- a line ---- */

static bool set_text(json_t *object, const char *name, const char *text)
{
    return text == NULL || json_object_set_new(object, name, json_string(text)) == 0;
}

/* What stands in the clear. NULL: no memory, or a text that is not UTF-8. */
static json_t *in_the_clear(const struct onramp_sealed *about)
{
    json_t *object = json_pack("{s:s, s:i}", "type", TYPE, "version", 1);
    if (object != NULL && set_text(object, "run", about->run) &&
        json_object_set_new(object, "record", json_integer((json_int_t)about->record)) == 0 &&
        json_object_set_new(object, "attempt", json_integer((json_int_t)about->attempt)) == 0 &&
        set_text(object, "email", about->identity.email) && set_text(object, "username", about->identity.username) &&
        set_text(object, "phone_number", about->identity.phone_number) && set_text(object, "user_id", about->user_id))
        return object;
    json_decref(object);
    return NULL;
}

/* The password as the inside of a JSON string; NULL `out` only measures. */
static size_t escape(char *out, const struct onramp_secret *password)
{
    size_t used = 0;
    for (size_t i = 0; i < password->size; i++) {
        char c = password->text[i];
        assert((unsigned char)c >= ' '); /* passwords are made of printable characters */
        if (c == '"' || c == '\\') {
            if (out != NULL)
                out[used] = '\\';
            used++;
        }
        if (out != NULL)
            out[used] = c;
        used++;
    }
    return used;
}

/* What goes into the box: the object in the clear, domain and connection, and the password behind them. */
static enum onramp_status compose(struct onramp_secret **out, const json_t *clear, const struct onramp_sealed *about,
                                  const struct onramp_secret *password, struct onramp_error *err)
{
    json_t *inner = json_copy((json_t *)(uintptr_t)clear); /* jansson's copying takes no const */
    char *head = NULL;
    if (inner != NULL && set_text(inner, "domain", about->domain) && set_text(inner, "connection", about->connection))
        head = json_dumps(inner, JSON_COMPACT);
    json_decref(inner);
    if (head == NULL)
        return no_memory(err);
    struct onramp_secret *text = NULL;
    size_t open = strlen(head) - 1; /* without its closing brace */
    size_t size = open + sizeof PASSWORD - 1 + escape(NULL, password) + 2;
    enum onramp_status st = onramp_secret_new(&text, size, err);
    if (st == ONRAMP_OK) {
        memcpy(text->text, head, open);
        memcpy(text->text + open, PASSWORD, sizeof PASSWORD - 1);
        (void)escape(text->text + open + sizeof PASSWORD - 1, password);
        memcpy(text->text + size - 2, "\"}", 2);
        *out = text;
    }
    free(head);
    return st;
}

/* The box in base64, the caller's; NULL: no memory. */
static char *seal(const struct onramp_seal_public *key, const struct onramp_secret *text)
{
    size_t size = text->size + crypto_box_SEALBYTES;
    size_t room = sodium_base64_encoded_len(size, VARIANT);
    unsigned char *box = malloc(size);
    char *base64 = malloc(room);
    if (box != NULL && base64 != NULL &&
        crypto_box_seal(box, (const unsigned char *)text->text, text->size, key->bytes) == 0) {
        sodium_bin2base64(base64, room, box, size, VARIANT);
    } else {
        free(base64);
        base64 = NULL;
    }
    free(box);
    return base64;
}

/* The whole line with its newline, the caller's. */
static enum onramp_status make_line(char **out, const struct onramp_sealer *s, const struct onramp_sealed *about,
                                    const struct onramp_secret *password, struct onramp_error *err)
{
    char mark[ONRAMP_SEAL_MARK_MAX];
    struct onramp_secret *text = NULL;
    char *box = NULL, *line = NULL;
    json_t *clear = in_the_clear(about);
    if (clear == NULL)
        return no_memory(err);
    enum onramp_status st = compose(&text, clear, about, password, err);
    if (st == ONRAMP_OK) {
        onramp_seal_mark(&s->key, mark);
        box = seal(&s->key, text);
        if (box != NULL && set_text(clear, "key", mark) && set_text(clear, "box", box))
            line = json_dumps(clear, JSON_COMPACT);
        st = line != NULL && strlen(line) < ONRAMP_LINE_MAX ? ONRAMP_OK : no_memory(err);
    }
    if (st == ONRAMP_OK)
        *out = line;
    else
        free(line);
    free(box);
    onramp_secret_free(text);
    json_decref(clear);
    return st;
}

static enum onramp_status fail_disk(struct onramp_sealer *s, int errnum, struct onramp_error *err)
{
    s->failed = true;
    return onramp_fail_sys(err, errnum, "cannot write sealed passwords to '%.200s'", s->path);
}

enum onramp_status onramp_sealer_add(struct onramp_sealer *s, const struct onramp_sealed *about,
                                     const struct onramp_secret *password, struct onramp_error *err)
{
    if (s->failed)
        return fail_disk(s, EIO, err); /* behind half a line nothing may follow */
    char *line = NULL;
    enum onramp_status st = make_line(&line, s, about, password, err);
    if (st != ONRAMP_OK)
        return st;
    size_t size = strlen(line);
    line[size] = '\n'; /* in place of its NUL */
    int errnum = s->disk->append(s->disk->self, s->fd, line, size + 1);
    free(line);
    s->unsynced = true;
    return errnum == 0 ? ONRAMP_OK : fail_disk(s, errnum, err);
}

enum onramp_status onramp_sealer_sync(struct onramp_sealer *s, struct onramp_error *err)
{
    if (s->failed)
        return fail_disk(s, EIO, err);
    if (!s->unsynced)
        return ONRAMP_OK;
    int errnum = s->disk->sync(s->disk->self, s->fd);
    if (errnum != 0)
        return fail_disk(s, errnum, err);
    if (!onramp_disk_is_at(s->fd, s->path)) {
        s->failed = true;
        return onramp_fail(err, ONRAMP_EIO, "'%.200s' was removed or replaced while passwords were sealed to it",
                           s->path);
    }
    s->unsynced = false;
    return ONRAMP_OK;
}

/* ---- reading ---- */

struct onramp_seal_file {
    char *path;
    FILE *stream;
    uint64_t line;
    char text[ONRAMP_LINE_MAX + 2];
};

enum onramp_status onramp_seal_file_open(struct onramp_seal_file **out, const char *path, struct onramp_error *err)
{
    struct onramp_seal_file *file = calloc(1, sizeof *file);
    if (file == NULL)
        return onramp_fail(err, ONRAMP_ENOMEM, "out of memory");
    file->path = strdup(path);
    file->stream = fopen(path, "re");
    struct stat st;
    if (file->path == NULL || file->stream == NULL || fstat(fileno(file->stream), &st) != 0 || S_ISDIR(st.st_mode)) {
        int errnum = file->stream != NULL ? EISDIR : errno;
        onramp_seal_file_close(file);
        return onramp_fail(err, ONRAMP_EINPUT, "cannot open '%.200s': %s", path, strerror(errnum));
    }
    *out = file;
    return ONRAMP_OK;
}

void onramp_seal_file_close(struct onramp_seal_file *file)
{
    if (file == NULL)
        return;
    if (file->stream != NULL)
        (void)fclose(file->stream);
    free(file->path);
    free(file);
}

/* The next line without its newline, which *ended tells of; *whole = false if it is too long or holds a NUL. False at
 * the end. */
static bool read_line(struct onramp_seal_file *file, size_t *size, bool *whole, bool *ended)
{
    int c;
    *size = 0;
    *whole = true;
    *ended = false;
    bool any = false;
    while ((c = getc(file->stream)) != EOF) {
        any = true;
        *ended = c == '\n';
        if (*ended)
            break;
        *whole = *whole && c != '\0' && *size <= ONRAMP_LINE_MAX;
        if (*whole)
            file->text[(*size)++] = (char)c;
    }
    file->text[*size] = '\0';
    file->line += any ? 1 : 0;
    return any;
}

/* Has it all that a line of ours has? */
static bool is_sealed(const json_t *object)
{
    const char *type = json_string_value(json_object_get(object, "type"));
    json_int_t attempt = json_integer_value(json_object_get(object, "attempt"));
    return type != NULL && strcmp(type, TYPE) == 0 && json_integer_value(json_object_get(object, "version")) == 1 &&
           json_is_string(json_object_get(object, "run")) && json_is_integer(json_object_get(object, "record")) &&
           json_integer_value(json_object_get(object, "record")) >= 0 && attempt >= 1 && attempt <= UINT32_MAX &&
           json_is_string(json_object_get(object, "key")) && json_is_string(json_object_get(object, "box"));
}

enum onramp_status onramp_seal_file_next(struct onramp_seal_file *file, uint64_t *line, json_t **object,
                                         struct onramp_error *err)
{
    size_t size;
    bool whole, ended;
    *object = NULL;
    do
        if (!read_line(file, &size, &whole, &ended)) {
            *line = 0;
            return ferror(file->stream) ? onramp_fail_sys(err, errno, "cannot read '%.200s'", file->path) : ONRAMP_OK;
        }
    while (whole && strspn(file->text, " \t\r") == size);
    *line = file->line;
    json_error_t why = {0};
    json_t *value = whole ? json_loadb(file->text, size, JSON_REJECT_DUPLICATES, &why) : NULL;
    if (whole && value == NULL && json_error_code(&why) == json_error_out_of_memory)
        return onramp_fail(err, ONRAMP_ENOMEM, "out of memory");
    if (is_sealed(value))
        *object = value;
    else
        json_decref(value);
    if (*object == NULL && !ended && (file->line > 1 || may_begin(file->text, size)))
        *line = 0; /* half a line at the end, as a crash leaves: its request never left */
    return ONRAMP_OK;
}

enum onramp_status onramp_seal_file_rewind(struct onramp_seal_file *file, struct onramp_error *err)
{
    file->line = 0;
    return fseek(file->stream, 0, SEEK_SET) == 0 ? ONRAMP_OK
                                                 : onramp_fail_sys(err, errno, "cannot rewind '%.200s'", file->path);
}

static const char *text_of(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

struct onramp_sealed onramp_seal_about(const json_t *object)
{
    return (struct onramp_sealed){
        .run = text_of(object, "run"),
        .record = (uint64_t)json_integer_value(json_object_get(object, "record")),
        .attempt = (uint32_t)json_integer_value(json_object_get(object, "attempt")),
        .identity = {.email = text_of(object, "email"),
                     .username = text_of(object, "username"),
                     .phone_number = text_of(object, "phone_number")},
        .user_id = text_of(object, "user_id"),
        .domain = text_of(object, "domain"),
        .connection = text_of(object, "connection"),
    };
}

/* The content of the box, in guarded memory; NULL with ONRAMP_OK if it does not open. */
static enum onramp_status open_box(struct onramp_secret **out, const char *base64, const struct onramp_seal_key *key,
                                   struct onramp_error *err)
{
    size_t room = strlen(base64), size;
    unsigned char *box = malloc(room + 1);
    if (box == NULL)
        return onramp_fail(err, ONRAMP_ENOMEM, "out of memory");
    enum onramp_status st = ONRAMP_OK;
    struct onramp_secret *text = NULL;
    if (sodium_base642bin(box, room, base64, room, NULL, &size, NULL, VARIANT) == 0 && size > crypto_box_SEALBYTES)
        st = onramp_secret_new(&text, size - crypto_box_SEALBYTES, err);
    if (text != NULL && crypto_box_seal_open((unsigned char *)text->text, box, size, onramp_seal_key_public(key)->bytes,
                                             (const unsigned char *)onramp_seal_key_secret(key)->text) != 0) {
        onramp_secret_free(text);
        text = NULL;
    }
    free(box);
    *out = text;
    return st;
}

/* Undo escape(); false if what is there did not come from it: others may have put something else into the box. */
static bool unescape(struct onramp_secret *out, const char *from, const char *end)
{
    size_t used = 0;
    for (; from < end; from++) {
        bool escaped = *from == '\\';
        from += escaped ? 1 : 0;
        bool special = from < end && (*from == '"' || *from == '\\');
        if (from == end || escaped != special || (unsigned char)*from < ' ')
            return false;
        out->text[used++] = *from;
    }
    out->text[used] = '\0';
    out->size = used;
    return true;
}

/* Take the password out of the content: unescaped, in guarded memory of its own. False if there is none. */
static bool take_password(const struct onramp_secret *text, size_t *head, struct onramp_secret **out)
{
    const char *at = strstr(text->text, PASSWORD);
    if (at == NULL || text->size < sizeof PASSWORD + 2 || strcmp(text->text + text->size - 2, "\"}") != 0)
        return false;
    *head = (size_t)(at - text->text);
    const char *from = at + sizeof PASSWORD - 1, *end = text->text + text->size - 2;
    struct onramp_secret *password = NULL;
    if (from > end || onramp_secret_new(&password, (size_t)(end - from), NULL) != ONRAMP_OK)
        return false;
    if (!unescape(password, from, end)) {
        onramp_secret_free(password);
        return false;
    }
    *out = password;
    return true;
}

/* The content but for the password, as an object; NULL if it is none. */
static json_t *take_head(const struct onramp_secret *text, size_t head)
{
    char *copy = malloc(head + 2); /* what stands in front of the password is no secret */
    if (copy == NULL)
        return NULL;
    memcpy(copy, text->text, head);
    memcpy(copy + head, "}", 2);
    json_t *object = json_loads(copy, JSON_REJECT_DUPLICATES, NULL);
    free(copy);
    if (json_object_get(object, "password") == NULL)
        return object;
    json_decref(object); /* two passwords are none */
    return NULL;
}

static bool agree(const json_t *outer, const json_t *inner)
{
    for (size_t i = 0; i < sizeof common / sizeof common[0]; i++) {
        const json_t *a = json_object_get(outer, common[i]), *b = json_object_get(inner, common[i]);
        if (a != b && !json_equal(a, b)) /* both may be absent */
            return false;
    }
    return true;
}

enum onramp_status onramp_seal_open(const json_t *object, const struct onramp_seal_key *key, enum onramp_unsealed *kind,
                                    json_t **inner, struct onramp_secret **password, struct onramp_error *err)
{
    char mark[ONRAMP_SEAL_MARK_MAX];
    struct onramp_secret *text = NULL;
    size_t head;
    onramp_seal_mark(onramp_seal_key_public(key), mark);
    if (strcmp(text_of(object, "key"), mark) != 0) {
        *kind = ONRAMP_UNSEALED_OTHER;
        return ONRAMP_OK;
    }
    *kind = ONRAMP_UNSEALED_ALTERED;
    enum onramp_status st = open_box(&text, text_of(object, "box"), key, err);
    if (text == NULL)
        return st;
    struct onramp_secret *own_password = NULL;
    json_t *own_inner = take_password(text, &head, &own_password) ? take_head(text, head) : NULL;
    onramp_secret_free(text);
    if (own_inner != NULL && agree(object, own_inner)) {
        *kind = ONRAMP_UNSEALED;
        *inner = own_inner;
        *password = own_password;
        return ONRAMP_OK;
    }
    json_decref(own_inner);
    onramp_secret_free(own_password);
    return ONRAMP_OK;
}
