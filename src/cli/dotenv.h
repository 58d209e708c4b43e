/*
 * dotenv.h - reads NAME=value lines. Nothing is executed or expanded.
 *
 *   NAME=value            spaces around name and value are dropped; " #" begins a comment
 *   export NAME=value     the same
 *   NAME='a $literal'     as it stands, may span lines
 *   NAME="two\nlines"     \n \r \t \" \\ \$ are understood, may span lines
 *   # a comment
 * CRLF line ends and a byte order mark are fine. Errors never quote the file: a pasted token may stand anywhere.
 */
#ifndef ONRAMP_CLI_DOTENV_H
#define ONRAMP_CLI_DOTENV_H

#include <onramp/secret.h>

#define DOTENV_NAME_MAX 128
#define DOTENV_FILE_MAX ((size_t)128 * 1024)

struct dotenv {
    const char *at, *end;
    unsigned line; /* of the last pair: the one it begins on */
    unsigned next; /* of what comes */
    char name[DOTENV_NAME_MAX];
    char *value; /* NUL-terminated, until the next call */
};

/* Read `text`; `scratch` (size + 1 bytes, guarded if the text is) takes the values. */
void dotenv_begin(struct dotenv *env, const char *text, size_t size, char *scratch);
/* The next pair, or *end. ONRAMP_EUSAGE: "line 3 is not NAME=value". */
ONRAMP_NODISCARD enum onramp_status dotenv_next(struct dotenv *env, bool *end, struct onramp_error *err);

/*
 * The whole of a file, in guarded memory. *out is the caller's. ONRAMP_EUSAGE if it cannot be read, is too large or
 * holds a NUL; a missing file is ONRAMP_OK and *out stays NULL if `optional`.
 */
ONRAMP_NODISCARD enum onramp_status dotenv_read(struct onramp_secret **out, const char *path, bool optional,
                                                struct onramp_error *err);

#endif
