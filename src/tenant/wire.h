/*
 * wire.h - percent-encoding, queries, dates: the small change of HTTP.
 */
#ifndef ONRAMP_TENANT_WIRE_H
#define ONRAMP_TENANT_WIRE_H

#include "onramp/base.h"

/* Percent-decoded copy of `size` bytes; '+' is a space if `form`. What is no escape, and %00, stays as it is.
 * NULL for want of memory. */
char *onramp_wire_decode(const char *text, size_t size, bool form);

/*
 * The next name=value pair of a query or form; false at the end or for want of memory. Both strings are the caller's.
 * Begin with *cursor at the text.
 */
bool onramp_wire_pair(const char **cursor, char **name, char **value);

/* The decoded value of the first parameter `name`, the caller's; NULL if there is none. NULL `query` is fine. */
char *onramp_wire_parameter(const char *query, const char *name);

/* ASCII lower case, in place. */
void onramp_wire_lower(char *text);

uint64_t onramp_wire_hash(const char *text);

/* "Tue, 24 Nov 2026 11:00:00 GMT" and "2026-11-24T11:00:00.123Z" of a Unix time. */
void onramp_wire_http_date(int64_t seconds, char out[32]);
void onramp_wire_iso_date(int64_t milliseconds, char out[32]);

#endif
