/*
 * print.h - what every command prints alike.
 */
#ifndef ONRAMP_CLI_PRINT_H
#define ONRAMP_CLI_PRINT_H

#include <onramp/identity.h>

#include <jansson.h>
#include <stdio.h>

/* Words from outside, a tenant's or a file's: no line ends, no cursor movements. */
void print_clean(FILE *out, const char *text);

/* Whom a record is about: the first there is of e-mail address, username, phone number and user id; "" if none. */
const char *print_who(const struct onramp_identity *identity);

/* "s" behind a noun of which there is not just one. */
const char *print_plural(uint64_t count);

/* A name from outside as a JSON string: a file's may be of bytes that are no UTF-8; these become U+FFFD. NULL: no
 * memory. */
json_t *print_name(const char *name);

/*
 * An object as one line; it is taken. ONRAMP_ENOMEM, also if it is NULL: "cannot write the plan as JSON" where `what`
 * is "plan".
 */
ONRAMP_NODISCARD enum onramp_status print_json(FILE *out, json_t *object, const char *what, struct onramp_error *err);

#endif
