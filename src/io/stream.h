/*
 * stream.h - the bytes of a file, unpacked, twice the same.
 *
 * Reads a regular file where it lies. What cannot be read twice (standard input, a pipe) is first copied, as it is,
 * into an unlinked temporary file of mode 0600. Gzip is told by its first two bytes and unpacked on the way; the digest
 * is that of the bytes as stored. A file that changes between or during passes is an error.
 */
#ifndef ONRAMP_IO_STREAM_H
#define ONRAMP_IO_STREAM_H

#include "onramp/base.h"

struct onramp_stream; /* opaque; not thread-safe */

/* A path, or "-" for standard input. ONRAMP_EINPUT (cannot be opened, a directory), ONRAMP_EIO, ONRAMP_ENOMEM. */
ONRAMP_NODISCARD enum onramp_status onramp_stream_open(struct onramp_stream **out, const char *path,
                                                       struct onramp_error *err);

/*
 * The next piece, borrowed until the next call; *size 0 at the end of the file. ONRAMP_EINPUT: damaged gzip, or the
 * file changed. ONRAMP_EIO.
 */
ONRAMP_NODISCARD enum onramp_status onramp_stream_read(struct onramp_stream *stream, const unsigned char **bytes,
                                                       size_t *size, struct onramp_error *err);

/* Back to the first byte. ONRAMP_EINPUT if the file changed, ONRAMP_EIO. */
ONRAMP_NODISCARD enum onramp_status onramp_stream_rewind(struct onramp_stream *stream, struct onramp_error *err);

/* Hex SHA-256 of the stored bytes; NULL before a pass has reached the end. Borrowed. */
const char *onramp_stream_digest(const struct onramp_stream *stream);

/* What to call it in an error's text: "'users.json'" or "standard input", cut if very long. Borrowed. */
const char *onramp_stream_name(const struct onramp_stream *stream);

void onramp_stream_close(struct onramp_stream *stream); /* NULL is fine */

#endif
