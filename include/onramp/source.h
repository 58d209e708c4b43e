/*
 * source.h - where the records come from.
 *
 * A source is read twice: once to validate everything before the first request,
 * once to send. Both passes yield the same records in the same order, one at a
 * time; memory does not grow with the file. An interface, since tests generate
 * records in memory.
 */
#ifndef ONRAMP_SOURCE_H
#define ONRAMP_SOURCE_H

#include "onramp/base.h"

/* One element of the file. `json` is borrowed until the next call on the source. */
struct onramp_record {
    uint64_t ordinal; /* from 0, in the order of the file */
    uint64_t line;    /* where the element begins, from 1 */
    const char *json; /* one JSON object, compact, NUL-terminated */
    size_t size;
};

struct onramp_source_ops {
    /* The next record, or *end = true. ONRAMP_EINPUT names line and column, or why no more can be read; ONRAMP_EIO. */
    enum onramp_status (*next)(void *self, struct onramp_record *out, bool *end, struct onramp_error *err);
    /* Back to the first record. ONRAMP_EINPUT if the file changed since it was opened. */
    enum onramp_status (*rewind)(void *self, struct onramp_error *err);
    /* Hex SHA-256 of the bytes as stored; valid once a pass has reached the end. Borrowed. */
    const char *(*digest)(void *self);
    void (*close)(void *self);
};

struct onramp_source {
    const struct onramp_source_ops *ops;
    void *self;
};

/*
 * A file, or "-" for standard input (kept in an unlinked temporary file, since it is
 * read twice). A JSON array of objects, NDJSON, CSV with a row of headings, or gzip of these, told apart by
 * content; a UTF-8 byte order mark is skipped. docs/input.md has the rules. On ONRAMP_OK close *out with
 * out->ops->close(out->self). ONRAMP_EINPUT (cannot be opened, a directory), ONRAMP_EIO, ONRAMP_ENOMEM.
 *
 * Bounds: one element may be 1 MiB of text (the API takes no larger body) and nest 64 deep.
 * A key that stands twice in one object is a syntax error. A row of CSV comes as the object that its headings make of
 * it, without its empty cells; rows that are empty altogether do not count.
 */
ONRAMP_API ONRAMP_NODISCARD enum onramp_status onramp_source_open(struct onramp_source *out, const char *path,
                                                                  struct onramp_error *err);

#endif
