/*
 * fuzz_sealed.c - any bytes as a file of sealed passwords, as what is in its boxes, or as a key file.
 *
 * The first byte says which. No fuzzer guesses a box that opens, so the lines of the second kind are sealed first.
 * A file is refused as a whole or each line of it is told of once, twice the same. A password that is told is the one
 * that any JSON reader finds in the box.
 */
#include "io/seal.h"
#include "io/seal_key.h"
#include "onramp/ledger.h"

#include <assert.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHEAP   65536 /* bytes of memory for a passphrase's key */
#define INSIDES 64    /* contents of boxes that are remembered */

static char directory[] = "/tmp/onramp-fuzz-sealed-XXXXXX", key_path[64], ledger_path[64], file_path[64];
static struct onramp_seal_key *key;
static struct onramp_ledger *ledger;

/* ---- the world around ---- */

static void remove_files(void)
{
    onramp_ledger_close(ledger);
    onramp_seal_key_free(key);
    (void)unlink(key_path);
    (void)unlink(ledger_path);
    (void)unlink(file_path);
    (void)rmdir(directory);
}

static void write_file(const char *path, const void *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    assert(file != NULL);
    size_t written = fwrite(bytes, 1, size, file);
    int closed = fclose(file);
    assert(written == size && closed == 0);
}

/* The same key each time, so that the corpus can have boxes for it: its secret is 1, 2, 3 … */
static void make_key(void)
{
    unsigned char secret[crypto_box_SECRETKEYBYTES];
    struct onramp_seal_public public_key;
    char text[256], public_text[ONRAMP_SEAL_PUBLIC_MAX], base64[64];
    for (size_t i = 0; i < sizeof secret; i++)
        secret[i] = (unsigned char)(i + 1);
    (void)crypto_scalarmult_base(public_key.bytes, secret);
    onramp_seal_public_text(&public_key, public_text);
    sodium_bin2base64(base64, sizeof base64, secret, sizeof secret, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    int length =
        snprintf(text, sizeof text, "onramp-secret-key 1\npublic %s\nkdf none\nsecret %s\n", public_text, base64);
    write_file(key_path, text, (size_t)length);
    bool locked;
    enum onramp_status st = onramp_seal_key_load(&key, key_path, NULL, &locked, NULL);
    assert(st == ONRAMP_OK && !locked);
}

static void attempt(uint64_t record, const char *email, const enum onramp_outcome *outcome)
{
    struct onramp_ledger_attempt sent = {.at = 1, .record = record, .identity = {.email = email}, .attempt = 1};
    enum onramp_status st = onramp_ledger_attempt(ledger, &sent, NULL);
    assert(st == ONRAMP_OK);
    if (outcome == NULL)
        return;
    struct onramp_ledger_outcome line = {
        .at = 2, .record = record, .identity = {.email = email}, .outcome = *outcome, .attempts = 1};
    st = onramp_ledger_outcome(ledger, &line, NULL);
    assert(st == ONRAMP_OK);
}

/* A run in which one user was created, one is unknown, and the answer to one was lost. */
static void make_ledger(void)
{
    static const enum onramp_outcome created = ONRAMP_CREATED, unknown = ONRAMP_UNKNOWN;
    struct onramp_ledger_run run = {
        .run = "r1", .input_path = "u", .input_sha256 = "00", .domain = "d", .connection = "c", .settings = "{}"};
    enum onramp_status st = onramp_ledger_open(&ledger, ledger_path, NULL, NULL);
    assert(st == ONRAMP_OK);
    st = onramp_ledger_begin(ledger, &run, NULL);
    assert(st == ONRAMP_OK);
    attempt(0, "a@x.example", &created);
    attempt(1, "b@x.example", &unknown);
    attempt(2, "c@x.example", NULL);
}

static void prepare(void)
{
    if (key != NULL)
        return;
    int started = sodium_init();
    assert(started >= 0);
    char *made = mkdtemp(directory);
    assert(made != NULL);
    (void)snprintf(key_path, sizeof key_path, "%s/key", directory);
    (void)snprintf(ledger_path, sizeof ledger_path, "%s/ledger", directory);
    (void)snprintf(file_path, sizeof file_path, "%s/file", directory);
    (void)atexit(remove_files);
    make_key();
    make_ledger();
}

/* ---- boxes ---- */

struct insides {
    struct {
        const char *text;
        size_t size;
    } box[INSIDES];
    size_t count;
};

/* What stands in the clear beside a box with this content: the same, as far as it can be read. */
static json_t *clear_of(const char *content, size_t size)
{
    json_t *object = NULL;
    for (size_t i = 0; i + 12 < size && object == NULL; i++)
        if (memcmp(content + i, ",\"password\":", 12) == 0) {
            char *head = malloc(i + 1);
            assert(head != NULL);
            memcpy(head, content, i);
            head[i] = '}';
            object = json_loadb(head, i + 1, JSON_REJECT_DUPLICATES, NULL);
            free(head);
        }
    if (!json_is_object(object)) {
        json_decref(object);
        object = json_object();
    }
    (void)json_object_del(object, "domain");
    (void)json_object_del(object, "connection");
    return object;
}

static void seal_content(FILE *file, const char *content, size_t size)
{
    char mark[ONRAMP_SEAL_MARK_MAX];
    size_t box_size = size + crypto_box_SEALBYTES;
    size_t room = sodium_base64_encoded_len(box_size, sodium_base64_VARIANT_ORIGINAL);
    unsigned char *box = malloc(box_size);
    char *base64 = malloc(room);
    assert(box != NULL && base64 != NULL);
    int sealed = crypto_box_seal(box, (const unsigned char *)content, size, onramp_seal_key_public(key)->bytes);
    assert(sealed == 0);
    sodium_bin2base64(base64, room, box, box_size, sodium_base64_VARIANT_ORIGINAL);
    onramp_seal_mark(onramp_seal_key_public(key), mark);
    json_t *line = clear_of(content, size);
    int set = json_object_set_new(line, "key", json_string(mark)) +
              json_object_set_new(line, "box", json_string(base64)) +
              json_object_set_new(line, "type", json_string("sealed"));
    assert(set == 0);
    int dumped = json_dumpf(line, file, JSON_COMPACT);
    assert(dumped == 0);
    (void)fputc('\n', file);
    json_decref(line);
    free(box);
    free(base64);
}

/* Each line is what is in a box. */
static void write_boxes(struct insides *insides, const char *text, size_t size)
{
    FILE *file = fopen(file_path, "wb");
    assert(file != NULL);
    while (size > 0 && insides->count < INSIDES) {
        const char *newline = memchr(text, '\n', size);
        size_t length = newline != NULL ? (size_t)(newline - text) : size;
        seal_content(file, text, length);
        insides->box[insides->count].text = text;
        insides->box[insides->count++].size = length;
        length += newline != NULL ? 1 : 0;
        text += length;
        size -= length;
    }
    int closed = fclose(file);
    assert(closed == 0);
}

/* ---- reading ---- */

struct reading {
    const struct insides *insides; /* NULL: not known */
    bool ledger;
    uint64_t line, told, troubled;
};

static bool is_utf8(const struct onramp_secret *password)
{
    json_t *text = json_stringn(password->text, password->size);
    json_decref(text);
    return text != NULL;
}

/* Passwords are not proven to be UTF-8: with one that is not, no JSON reader takes the box. */
static void compare(const struct reading *r, const struct onramp_unsealed_line *line)
{
    assert(line->line <= r->insides->count);
    json_t *object = json_loadb(r->insides->box[line->line - 1].text, r->insides->box[line->line - 1].size,
                                JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
    const char *password = json_string_value(json_object_get(object, "password"));
    assert(is_utf8(line->password) == (object != NULL));
    assert(object == NULL || (password != NULL && strcmp(password, line->password->text) == 0));
    json_decref(object);
}

static bool visit(void *context, const struct onramp_unsealed_line *line)
{
    struct reading *r = context;
    assert(line->line > r->line);
    r->line = line->line;
    if (line->kind != ONRAMP_UNSEALED) {
        assert(line->password == NULL && !line->certain);
        r->troubled++;
        return true;
    }
    r->told++;
    assert(strlen(line->password->text) == line->password->size);
    assert(line->about.run != NULL && line->about.attempt > 0 && line->about.record <= INT64_MAX);
    assert(r->ledger || !line->certain);
    if (r->insides != NULL)
        compare(r, line);
    return true;
}

static void read_sealed(const struct insides *insides, bool by_ledger)
{
    struct onramp_unsealed_tally first = {0}, second = {0};
    struct reading r = {.insides = insides, .ledger = by_ledger};
    struct onramp_error err = {.text = ""};
    const struct onramp_ledger *known = by_ledger ? ledger : NULL;
    enum onramp_status st = onramp_unseal(file_path, key, known, visit, &r, &first, &err);
    assert(st == ONRAMP_OK || st == ONRAMP_EINPUT);
    if (st != ONRAMP_OK) {
        assert(err.text[0] != '\0' && strchr(err.text, '\n') == NULL && r.line == 0);
        return;
    }
    assert(r.told == first.given && r.troubled == first.troubled && first.uncertain <= first.given);
    assert(first.lines == first.given + first.troubled + first.unused + first.foreign);
    r.line = 0;
    st = onramp_unseal(file_path, key, known, visit, &r, &second, &err);
    assert(st == ONRAMP_OK && memcmp(&first, &second, sizeof first) == 0);
}

/* ---- key files ---- */

/* How much memory the passphrase's key takes, as the file says. */
static bool is_cheap(const char *text)
{
    unsigned long long turns = 0, memory = 0;
    const char *kdf = strstr(text, "kdf argon2id13 ");
    return kdf != NULL && sscanf(kdf, "kdf argon2id13 %llu %llu", &turns, &memory) == 2 && memory <= CHEAP;
}

static void read_key(const char *text)
{
    static char word_text[] = "word";
    static struct onramp_secret word = {.text = word_text, .size = sizeof word_text - 1};
    struct onramp_seal_key *read = NULL;
    struct onramp_seal_public public_key;
    struct onramp_error err = {.text = ""};
    bool locked = false;
    enum onramp_status st = onramp_seal_key_load(&read, file_path, NULL, &locked, &err);
    assert(st == ONRAMP_OK || (st == ONRAMP_EUSAGE && read == NULL && strchr(err.text, '\n') == NULL));
    assert(!locked || st != ONRAMP_OK);
    if (locked && is_cheap(text))
        st = onramp_seal_key_load(&read, file_path, &word, &locked, &err);
    assert((st == ONRAMP_OK) == (read != NULL));
    if (read != NULL) {
        unsigned char derived[crypto_box_PUBLICKEYBYTES];
        (void)crypto_scalarmult_base(derived, (const unsigned char *)onramp_seal_key_secret(read)->text);
        assert(memcmp(derived, onramp_seal_key_public(read)->bytes, sizeof derived) == 0);
    }
    onramp_seal_key_free(read);
    st = onramp_seal_public_read(&public_key, file_path, &err);
    assert(st == ONRAMP_OK || st == ONRAMP_EUSAGE);
    if (st != ONRAMP_OK)
        return;
    char again[ONRAMP_SEAL_PUBLIC_MAX];
    onramp_seal_public_text(&public_key, again);
    assert(strncmp(text, again, strlen(again)) == 0); /* one key has one text */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    prepare();
    struct insides insides = {.count = 0};
    uint8_t what = data[0] % 4;
    char *text = malloc(size);
    assert(text != NULL);
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    if (what % 2 == 1)
        write_boxes(&insides, text, size - 1);
    else
        write_file(file_path, text, size - 1);
    if (what == 0) {
        read_sealed(NULL, false);
        read_sealed(NULL, true);
    } else if (what == 2) {
        read_key(text);
    } else {
        read_sealed(&insides, what == 3);
    }
    free(text);
    return 0;
}
