/*
 * text.h - small questions about strings that every part of this layer asks. Free of the locale.
 */
#ifndef ONRAMP_AUTH0_TEXT_H
#define ONRAMP_AUTH0_TEXT_H

#include "onramp/base.h"

/* Length as JavaScript, and so Auth0, counts it: UTF-16 code units. `text` is UTF-8. */
size_t onramp_text_units(const char *text);

char onramp_text_lower(char c);
bool onramp_text_is_blank(char c);                             /* a space or a control character */
bool onramp_text_is_alphanumeric(char c);                      /* ASCII letters and digits */
bool onramp_text_begins(const char *text, const char *prefix); /* ASCII case aside */
bool onramp_text_equal(const char *a, const char *b);          /* ASCII case aside */

/* A whole number without sign, spaces or anything else; false above `max`. */
bool onramp_text_number(const char *text, uint64_t max, uint64_t *out);

/*
 * Copy as one line that is safe to print: control characters become spaces, and what is not UTF-8, or would
 * turn the direction of writing, becomes U+FFFD. Longer text ends in an ellipsis. `size` is at least 8.
 */
void onramp_text_clean(char *out, size_t size, const char *text, size_t length);

/* The inside of a JSON string, without quotes or NUL. Returns the bytes it takes; NULL `out` only measures. */
size_t onramp_text_escape(char *out, const char *text, size_t length);

/*
 * The string that is the value of `name` in the outermost object of a JSON text: where it begins, behind its quote, and
 * its size, escapes as they stand. NULL if there is none. For secrets, which a parser would copy.
 */
char *onramp_text_member(char *text, const char *name, size_t *size);

#endif
