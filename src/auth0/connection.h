/*
 * connection.h - what the tenant says of the connection that users are created in.
 */
#ifndef ONRAMP_AUTH0_CONNECTION_H
#define ONRAMP_AUTH0_CONNECTION_H

#include "auth0/policy.h"
#include "onramp/identity.h"

struct onramp_connection {
    char id[64], name[140], strategy[64];
    bool identifiers_unknown;                      /* the answer had no options: what it needs cannot be told */
    bool requires_username;                        /* classic */
    bool takes_username;                           /* classic requires_username, or attributes.username */
    bool needs_email, needs_username, needs_phone; /* every record must have one */
    bool password_optional;                        /* authentication_methods.password.api_behavior "optional" */
    bool custom_database;
    uint32_t username_min, username_max;
    struct onramp_policy policy;
};

/*
 * Pick the connection named `name` out of an answer to GET /connections (an array, or an object that holds one).
 * *found is false if it is not there. Clear *out when found. ONRAMP_EINPUT: not such an answer.
 */
ONRAMP_NODISCARD enum onramp_status onramp_connection_parse(struct onramp_connection *out, bool *found,
                                                            const char *body, const char *name,
                                                            struct onramp_error *err);
void onramp_connection_clear(struct onramp_connection *connection);

/* Can a user of this identity be created in it? What the documentation leaves open is left to the tenant. */
enum onramp_admission {
    ONRAMP_ADMITTED,
    ONRAMP_LACKS_EMAIL,
    ONRAMP_LACKS_USERNAME,
    ONRAMP_LACKS_PHONE_NUMBER,
    ONRAMP_TAKES_NO_USERNAME,
    ONRAMP_USERNAME_OUT_OF_BOUNDS /* its length */
};
enum onramp_admission onramp_connection_judge(const struct onramp_connection *connection,
                                              const struct onramp_identity *identity);

/* The same as a status: ONRAMP_EINPUT says what is missing or too much. */
ONRAMP_NODISCARD enum onramp_status onramp_connection_admits(const struct onramp_connection *connection,
                                                             const struct onramp_identity *identity,
                                                             struct onramp_error *err);

/*
 * Does a page of GET /connections/{id}/clients list `client_id`? *next is the token of the next page ("" if last).
 */
ONRAMP_NODISCARD enum onramp_status onramp_connection_enables(bool *enabled, char next[256], const char *body,
                                                              const char *client_id, struct onramp_error *err);

#endif
