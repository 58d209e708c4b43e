/*
 * schema.h - closed schemas for request bodies, with the messages that Auth0's validator gives.
 */
#ifndef ONRAMP_TENANT_SCHEMA_H
#define ONRAMP_TENANT_SCHEMA_H

#include "onramp/base.h"

#include <jansson.h>

enum onramp_format {
    ONRAMP_FORMAT_ANY,
    ONRAMP_FORMAT_EMAIL,
    ONRAMP_FORMAT_URI,
    ONRAMP_FORMAT_PHONE,   /* ^\+[0-9]{1,15}$ */
    ONRAMP_FORMAT_NO_SPACE /* ^\S*$ */
};

struct onramp_property {
    const char *name;
    json_type type;  /* JSON_TRUE stands for either boolean */
    size_t min, max; /* characters of a string, items of an array, value of an integer; max 0: no limit */
    enum onramp_format format;
    bool required;
    const char *about; /* what the validator says of it in parentheses; NULL: nothing */
};

/*
 * Does `body` (NULL: there was none) satisfy the schema? Otherwise `message` has the validator's words,
 * "'Missing required property: email'" and the like, without the prefix that names the part of the request.
 */
bool onramp_schema_check(const json_t *body, const struct onramp_property *properties, size_t count, char *message,
                         size_t size);

/* A deliverable-looking address: local part of at most 64 bytes, at most 254 in all, a domain with a dot. */
bool onramp_schema_email(const char *text);

/* Unicode characters of valid UTF-8, and UTF-16 code units, which is what JavaScript calls a string's length. */
size_t onramp_schema_length(const char *text);
size_t onramp_schema_utf16(const char *text);

#endif
