/*
 * ledger_line.h - one line of the ledger: sealing it with a checksum, and judging one that was read.
 *
 * A sealed line ends with two members that are the ledger's own:
 *   "synced"  how many bytes of the file were known to be on disk when the line was written
 *   "crc"     CRC-32 (zlib's) of the line's bytes before ,"crc" in eight hex digits
 */
#ifndef ONRAMP_IO_LEDGER_LINE_H
#define ONRAMP_IO_LEDGER_LINE_H

#include "onramp/base.h"

#include <jansson.h>

/* Longest line with its newline. What is longer was not written by us. */
#define ONRAMP_LINE_MAX 65536

/* The line of `body` with its seal and newline; the caller's, to free. NULL if it is too long or memory is out. */
char *onramp_line_seal(const json_t *body, uint64_t synced, size_t *size);

enum onramp_line_kind {
    ONRAMP_LINE_SEALED,  /* as it was written */
    ONRAMP_LINE_PLAIN,   /* an object without seal: written by hand */
    ONRAMP_LINE_ALTERED, /* complete, but not what was written: no crash does that */
    ONRAMP_LINE_BROKEN   /* not an object: torn, zeros, garbage */
};

struct onramp_line {
    enum onramp_line_kind kind;
    json_t *body; /* SEALED and PLAIN: the caller's, to json_decref; else NULL */
    uint64_t synced;
};

/* Judge a line without its newline. */
struct onramp_line onramp_line_parse(const char *text, size_t size);

/*
 * Can these bytes, which have no newline, be the beginning of a run line that a crash
 * cut short? Zeros at the end are allowed: power loss leaves those.
 */
bool onramp_line_torn_run(const char *bytes, size_t size);

/* A JSON string of at most `max` bytes of `text`, with '?' for each byte that is not UTF-8. NULL: no memory. */
json_t *onramp_line_text(const char *text, size_t max);

/* The same replacement in place, for keys that are looked up. */
void onramp_line_clean(char *text);

#define ONRAMP_LINE_TIME_MAX 96 /* what the compiler can prove to be enough; 25 are used */
/* "2026-01-31T23:59:59.123Z". Clamped to the years 0 to 9999. */
void onramp_line_time(int64_t ms, char text[ONRAMP_LINE_TIME_MAX]);
/* False unless `text` is such a time; the fraction may have any number of digits or be missing. */
bool onramp_line_parse_time(const char *text, int64_t *ms);

#endif
