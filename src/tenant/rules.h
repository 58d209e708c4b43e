/*
 * rules.h - what the tenant's connection demands of a user: identifiers, username, password.
 *
 * Read from the connection's `options` in both shapes that Auth0 has: classic (requires_username, passwordPolicy and
 * companions) and flexible (attributes, password_options), the latter replacing the former.
 */
#ifndef ONRAMP_TENANT_RULES_H
#define ONRAMP_TENANT_RULES_H

#include "onramp/base.h"

#include <jansson.h>

struct onramp_rules {
    json_t *options; /* the object, owned; the dictionary's words are read from it */
    bool needs_email, needs_username, needs_phone;
    bool takes_email, takes_username, takes_phone;
    bool takes_password, needs_password;
    bool unique_email;
    bool username_may_be_email;
    size_t username_min, username_max;

    size_t password_min;               /* UTF-16 code units */
    bool lower, upper, digit, special; /* classes that count … */
    unsigned classes;                  /* … of which so many must occur */
    bool no_repeats, no_sequences, no_profile, bounded;
    json_t *words; /* custom dictionary, or NULL; borrowed from options */
};

/* Read `options` (JSON text; NULL: {"passwordPolicy":"good"}) of a connection of `strategy`. ONRAMP_EUSAGE: not a JSON
 * object, or an unknown policy; ONRAMP_ENOMEM. Clear when done. */
ONRAMP_NODISCARD enum onramp_status onramp_rules_parse(struct onramp_rules *out, const char *strategy,
                                                       const char *options, struct onramp_error *err);
void onramp_rules_clear(struct onramp_rules *rules);

/* NULL if `password` of the user in `body` satisfies the rules, else Auth0's message. */
const char *onramp_rules_password(const struct onramp_rules *rules, const char *password, const json_t *body);

/* NULL if `username` (lower case) is acceptable, else a message. */
const char *onramp_rules_username(const struct onramp_rules *rules, const char *username);

#endif
