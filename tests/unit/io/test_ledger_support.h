/*
 * test_ledger_support.h - what the tests of the ledger share: a directory of their own, files as bytes, lines
 * with little to say, and a ledger's whole state as text, so that two can be compared.
 */
#ifndef ONRAMP_TEST_LEDGER_SUPPORT_H
#define ONRAMP_TEST_LEDGER_SUPPORT_H

#include "onramp/ledger.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define NOON INT64_C(1769860800000) /* 2026-01-31T12:00:00Z */

static char test_directory[64];
static char ledger_path[128]; /* of the file that each test begins without */

static inline int make_directory(void **state)
{
    (void)state;
    (void)snprintf(test_directory, sizeof test_directory, "/tmp/onramp-ledger-XXXXXX");
    if (mkdtemp(test_directory) == NULL)
        return -1;
    (void)snprintf(ledger_path, sizeof ledger_path, "%s/ledger.ndjson", test_directory);
    return 0;
}

static inline int remove_directory(void **state)
{
    (void)state;
    (void)unlink(ledger_path);
    return rmdir(test_directory);
}

static inline int without_ledger(void **state)
{
    (void)state;
    (void)unlink(ledger_path);
    return 0;
}

struct bytes {
    char *data; /* with a NUL behind */
    size_t size;
};

static inline struct bytes read_bytes(const char *path)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    long size = ftell(file);
    assert_true(size >= 0);
    rewind(file);
    struct bytes bytes = {.data = malloc((size_t)size + 1), .size = (size_t)size};
    assert_non_null(bytes.data);
    assert_int_equal(fread(bytes.data, 1, bytes.size, file), bytes.size);
    bytes.data[size] = '\0';
    assert_int_equal(fclose(file), 0);
    return bytes;
}

static inline void write_bytes(const char *path, const char *data, size_t size)
{
    (void)unlink(path); /* some file systems flush what is truncated and written again */
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

/* Print an entry with all its fields. */
static inline bool portray(void *context, const struct onramp_ledger_entry *e)
{
    FILE *out = context;
    const char *texts[] = {e->chosen_id,        e->identity.email, e->identity.username, e->identity.phone_number,
                           e->identity.user_id, e->user_id,        e->error_code,        e->message,
                           e->correlation_id};
    (void)fprintf(out, "%llu a%u %lld %lld open%d settled%d has%d %s adopted%d %d %lld", (unsigned long long)e->record,
                  e->attempts, (long long)e->attempted_at, (long long)e->last_attempted_at, e->open, e->settled,
                  e->has_outcome, onramp_outcome_name(e->outcome), e->adopted, e->status, (long long)e->tenant_date);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        (void)fprintf(out, " [%s]", texts[i] != NULL ? texts[i] : "-");
    (void)fputc('\n', out);
    return true;
}

/* The whole state as text; the caller frees it. */
static inline char *portrait_of(const struct onramp_ledger *ledger)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    onramp_ledger_each(ledger, portray, out);
    assert_int_equal(fclose(out), 0);
    return text;
}

static inline int append_bytes(void *self, int fd, const char *bytes, size_t size)
{
    (void)self;
    return write(fd, bytes, size) == (ssize_t)size ? 0 : EIO;
}

static inline int sync_nothing(void *self, int fd)
{
    (void)self;
    (void)fd;
    return 0;
}

/* The file system without waiting for the disk, which takes most of the time where thousands of files are tried. */
static const struct onramp_disk quick_disk = {.append = append_bytes, .sync = sync_nothing};

static inline struct onramp_ledger *open_disk(const struct onramp_disk *disk)
{
    struct onramp_ledger *ledger = NULL;
    struct onramp_error err = {.status = ONRAMP_OK};
    if (onramp_ledger_open(&ledger, ledger_path, disk, &err) != ONRAMP_OK)
        fail_msg("%s", err.text);
    return ledger;
}

static inline struct onramp_ledger *open_ledger(void)
{
    return open_disk(&quick_disk);
}

/* Close it, and open it again: it must tell the same. */
static inline struct onramp_ledger *opened_again(struct onramp_ledger *ledger, const struct onramp_disk *disk)
{
    char *before = portrait_of(ledger);
    onramp_ledger_close(ledger);
    ledger = open_disk(disk);
    char *after = portrait_of(ledger);
    assert_string_equal(after, before);
    free(before);
    free(after);
    return ledger;
}

/* Open must refuse, with `want` in the text, and leave the file alone. */
static inline void assert_refused(enum onramp_status status, const char *want)
{
    struct bytes before = read_bytes(ledger_path);
    struct onramp_ledger *ledger = NULL;
    struct onramp_error err = {.status = ONRAMP_OK};
    assert_int_equal(onramp_ledger_open(&ledger, ledger_path, NULL, &err), status);
    assert_null(ledger);
    assert_int_equal(err.status, status);
    if (strstr(err.text, want) == NULL)
        fail_msg("'%s' does not say '%s'", err.text, want);
    struct bytes after = read_bytes(ledger_path);
    assert_int_equal(after.size, before.size);
    assert_memory_equal(after.data, before.data, before.size);
    free(before.data);
    free(after.data);
}

static inline struct onramp_ledger_run run_named(const char *name)
{
    return (struct onramp_ledger_run){.at = NOON,
                                      .run = name,
                                      .input_path = "users.json",
                                      .input_sha256 = "0123",
                                      .input_records = 3,
                                      .domain = "tenant.example",
                                      .connection = "Users",
                                      .settings = "{\"concurrency\":16}"};
}

static inline void begin(struct onramp_ledger *ledger, const char *name)
{
    struct onramp_ledger_run run = run_named(name);
    assert_int_equal(onramp_ledger_begin(ledger, &run, NULL), ONRAMP_OK);
}

static inline void attempt(struct onramp_ledger *ledger, uint64_t record, const char *email, uint32_t number)
{
    struct onramp_ledger_attempt line = {
        .at = NOON + number, .record = record, .identity.email = email, .attempt = number};
    assert_int_equal(onramp_ledger_attempt(ledger, &line, NULL), ONRAMP_OK);
}

static inline void outcome(struct onramp_ledger *ledger, uint64_t record, const char *email, enum onramp_outcome what)
{
    struct onramp_ledger_outcome line = {
        .at = NOON + 100, .record = record, .identity.email = email, .outcome = what, .attempts = 1, .ms = 99};
    assert_int_equal(onramp_ledger_outcome(ledger, &line, NULL), ONRAMP_OK);
}

static inline void sync_ledger(struct onramp_ledger *ledger)
{
    assert_int_equal(onramp_ledger_sync(ledger, NULL), ONRAMP_OK);
}

static inline void end(struct onramp_ledger *ledger)
{
    struct onramp_ledger_end line = {.at = NOON + 1000, .reason = "finished", .seconds = 1};
    assert_int_equal(onramp_ledger_end(ledger, &line, NULL), ONRAMP_OK);
}

static inline const struct onramp_ledger_entry *entry(const struct onramp_ledger *ledger, const char *email)
{
    struct onramp_identity identity = {.email = email};
    return onramp_ledger_find(ledger, &identity);
}

#endif
