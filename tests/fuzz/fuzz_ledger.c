/*
 * fuzz_ledger.c - whatever bytes a ledger's file has: it is refused and left alone, or readers and the writer
 * find the same in it, and what the writer adds is found again.
 *
 * The first byte says whether the rest is the file, or lines to be sealed first, since no fuzzer guesses a checksum.
 */
#include "io/ledger_line.h"
#include "onramp/ledger.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int append_bytes(void *self, int fd, const char *bytes, size_t size)
{
    (void)self;
    return write(fd, bytes, size) == (ssize_t)size ? 0 : EIO;
}

static int sync_nothing(void *self, int fd)
{
    (void)self;
    (void)fd;
    return 0;
}

static const struct onramp_disk disk = {.append = append_bytes, .sync = sync_nothing};

/* Each line that is an object is sealed, the others stay as they are. */
static void write_sealed(FILE *file, const char *text, size_t size)
{
    uint64_t offset = 0, synced = 0;
    while (size > 0) {
        const char *newline = memchr(text, '\n', size);
        size_t length = newline != NULL ? (size_t)(newline - text) + 1 : size;
        struct onramp_line line = onramp_line_parse(text, length - (newline != NULL));
        size_t sealed_size = 0;
        char *sealed = line.body != NULL ? onramp_line_seal(line.body, synced, &sealed_size) : NULL;
        if (sealed != NULL)
            synced = offset; /* one line behind, as after a sync */
        offset += fwrite(sealed != NULL ? sealed : text, 1, sealed != NULL ? sealed_size : length, file);
        free(sealed);
        json_decref(line.body);
        text += length;
        size -= length;
    }
}

static void write_file(const char *path, const uint8_t *data, size_t size)
{
    FILE *file = fopen(path, "wb");
    assert(file != NULL);
    if (size > 0 && data[0] % 2 == 1)
        write_sealed(file, (const char *)data + 1, size - 1);
    else if (size > 0)
        (void)fwrite(data + 1, 1, size - 1, file);
    int closed = fclose(file);
    assert(closed == 0);
}

struct sum {
    uint64_t value;
    const struct onramp_ledger *ledger;
};

static void add_text(struct sum *sum, const char *text)
{
    for (const char *c = text != NULL ? text : "\x01"; *c != '\0'; c++)
        sum->value = (sum->value ^ (unsigned char)*c) * UINT64_C(0x100000001b3);
}

static bool add_entry(void *context, const struct onramp_ledger_entry *e)
{
    struct sum *sum = context;
    char numbers[200];
    (void)snprintf(numbers, sizeof numbers, "%llu %u %lld %lld %d%d%d%d%d %d %lld", (unsigned long long)e->record,
                   e->attempts, (long long)e->attempted_at, (long long)e->last_attempted_at, e->open, e->settled,
                   e->has_outcome, e->adopted, (int)e->outcome, e->status, (long long)e->tenant_date);
    add_text(sum, numbers);
    add_text(sum, e->identity.email);
    add_text(sum, e->user_id);
    add_text(sum, e->chosen_id);
    add_text(sum, e->message);
    add_text(sum, e->correlation_id);
    assert(!(e->open && e->settled));
    assert(e->outcome < ONRAMP_OUTCOMES);
    const struct onramp_ledger_entry *found = onramp_ledger_find(sum->ledger, &e->identity);
    assert(found == e || e->outcome == ONRAMP_DUPLICATE || e->outcome == ONRAMP_INVALID || found == NULL);
    return true;
}

static uint64_t sum_of(const struct onramp_ledger *ledger)
{
    struct sum sum = {.value = UINT64_C(0xcbf29ce484222325), .ledger = ledger};
    onramp_ledger_each(ledger, add_entry, &sum);
    return sum.value;
}

/* Of the file's bytes, to see that a refusal changes none. */
static uint64_t sum_of_file(const char *path)
{
    struct sum sum = {.value = 0};
    FILE *file = fopen(path, "rb");
    assert(file != NULL);
    for (int c = getc(file); c != EOF; c = getc(file))
        sum.value = (sum.value + (unsigned)c + 1) * UINT64_C(0x100000001b3);
    (void)fclose(file);
    return sum.value;
}

/* Go on with a ledger that opened, and find it all again. */
static void write_and_reopen(struct onramp_ledger *ledger, const char *path)
{
    const struct onramp_ledger_run run = {
        .run = "r", .input_path = "users.json", .input_sha256 = "0", .domain = "t", .connection = "c"};
    const struct onramp_ledger_attempt attempt = {.identity.email = "a@x.example", .attempt = 1};
    enum onramp_status st = onramp_ledger_begin(ledger, &run, NULL);
    assert(st == ONRAMP_OK || st == ONRAMP_EMISMATCH);
    if (st == ONRAMP_OK) {
        st = onramp_ledger_attempt(ledger, &attempt, NULL);
        assert(st == ONRAMP_OK);
    }
    uint64_t sum = sum_of(ledger);
    onramp_ledger_close(ledger);
    st = onramp_ledger_open(&ledger, path, &disk, NULL);
    assert(st == ONRAMP_OK);
    assert(onramp_ledger_repaired(ledger) == 0);
    assert(sum_of(ledger) == sum);
    onramp_ledger_close(ledger);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];
    (void)snprintf(path, sizeof path, "/tmp/onramp-fuzz-ledger-%ld", (long)getpid());
    write_file(path, data, size);
    uint64_t before = sum_of_file(path);

    struct onramp_ledger *reader = NULL, *writer = NULL;
    enum onramp_status read = onramp_ledger_read(&reader, path, NULL);
    assert(read == ONRAMP_OK || read == ONRAMP_ECORRUPT);
    assert(sum_of_file(path) == before);
    enum onramp_status opened = onramp_ledger_open(&writer, path, &disk, NULL);
    assert(opened == read);
    if (opened == ONRAMP_OK) {
        assert(sum_of(writer) == sum_of(reader));
        assert(onramp_ledger_repaired(writer) == onramp_ledger_repaired(reader));
        write_and_reopen(writer, path);
    } else {
        assert(sum_of_file(path) == before);
    }
    onramp_ledger_close(reader);
    (void)unlink(path);
    return 0;
}
