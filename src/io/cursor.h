/*
 * cursor.h - the bytes of a stream, one by one, where each stands, and errors that name the place.
 */
#ifndef ONRAMP_IO_CURSOR_H
#define ONRAMP_IO_CURSOR_H

#include "io/place.h"
#include "io/stream.h"

struct onramp_cursor {
    struct onramp_stream *stream;
    const unsigned char *piece; /* the unread rest of the stream's latest piece; its first byte is the next one */
    size_t piece_size;
    struct onramp_place at; /* where the next byte stands */
};

/* Make sure that `piece` holds a byte, unless the file is at its end. Errors are the stream's. */
ONRAMP_NODISCARD enum onramp_status onramp_cursor_look(struct onramp_cursor *cursor, bool *end,
                                                       struct onramp_error *err);
void onramp_cursor_pass(struct onramp_cursor *cursor); /* there is a byte */
ONRAMP_NODISCARD enum onramp_status onramp_cursor_pass_space(struct onramp_cursor *cursor, bool *end,
                                                             struct onramp_error *err);

/* ONRAMP_EINPUT: "cannot read 'users.json', line 3, column 7: …". */
enum onramp_status onramp_cursor_fail(const struct onramp_cursor *cursor, struct onramp_place at,
                                      struct onramp_error *err, const char *format, ...) ONRAMP_PRINTF(4, 5);

void onramp_place_step(struct onramp_place *at, unsigned char byte);
bool onramp_is_space(unsigned char byte); /* as JSON has it */

/* A byte for an error's text. */
struct onramp_shown_byte {
    char text[24];
};
struct onramp_shown_byte onramp_show_byte(unsigned char byte);

#endif
