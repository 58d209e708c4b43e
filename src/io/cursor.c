/*
 * cursor.c - the bytes of a stream, one by one.
 */
#include "io/cursor.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

void onramp_place_step(struct onramp_place *at, unsigned char byte)
{
    if (byte == '\n') {
        at->line++;
        at->column = 1;
    } else if ((byte & 0xc0) != 0x80) { /* the later bytes of a character do not count */
        at->column++;
    }
}

enum onramp_status onramp_cursor_fail(const struct onramp_cursor *c, struct onramp_place at, struct onramp_error *err,
                                      const char *format, ...)
{
    char what[256];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(what, sizeof what, format, args);
    va_end(args);
    return onramp_fail(err, ONRAMP_EINPUT, "cannot read %s, line %llu, column %llu: %s", onramp_stream_name(c->stream),
                       (unsigned long long)at.line, (unsigned long long)at.column, what);
}

struct onramp_shown_byte onramp_show_byte(unsigned char byte)
{
    struct onramp_shown_byte out;
    if (byte > ' ' && byte < 0x7f)
        (void)snprintf(out.text, sizeof out.text, "'%c'", byte);
    else
        (void)snprintf(out.text, sizeof out.text, "byte 0x%02x", byte);
    return out;
}

bool onramp_is_space(unsigned char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r';
}

enum onramp_status onramp_cursor_look(struct onramp_cursor *c, bool *end, struct onramp_error *err)
{
    if (c->piece_size == 0) {
        enum onramp_status st = onramp_stream_read(c->stream, &c->piece, &c->piece_size, err);
        if (st != ONRAMP_OK)
            return st;
    }
    *end = c->piece_size == 0;
    return ONRAMP_OK;
}

void onramp_cursor_pass(struct onramp_cursor *c)
{
    assert(c->piece_size > 0);
    onramp_place_step(&c->at, *c->piece);
    c->piece++;
    c->piece_size--;
}

enum onramp_status onramp_cursor_pass_space(struct onramp_cursor *c, bool *end, struct onramp_error *err)
{
    enum onramp_status st;
    while ((st = onramp_cursor_look(c, end, err)) == ONRAMP_OK && !*end && onramp_is_space(*c->piece))
        onramp_cursor_pass(c);
    return st;
}
