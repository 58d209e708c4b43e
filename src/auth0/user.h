/*
 * user.h - from a record of the file to the body of POST /api/v2/users.
 *
 * Each property is passed on, renamed, dropped with a note, or refused, as Auth0's create-users schema (closed: unknown
 * keys are refused; limits of length and pattern), the export job's and the import/export extension's formats demand.
 */
#ifndef ONRAMP_AUTH0_USER_H
#define ONRAMP_AUTH0_USER_H

#include "onramp/identity.h"
#include "onramp/secret.h"
#include "onramp/upload.h"

struct onramp_user_rules {
    const char *connection;
    enum onramp_verification_mail mail;
};

struct onramp_user {
    struct onramp_identity identity; /* points into the user's own memory */
    char *body;                      /* the request's JSON object, complete but for the password */
    char *profile[12]; /* values a password must not contain: name, nickname, username, local part …; NULL-terminated */
    bool wants_mail;   /* creating it makes Auth0 send a verification mail */
    uint32_t dropped; /* bit set of read-only export properties left out; see onramp_user_dropped_name() */
    void *memory;     /* owns the strings above */
};

/*
 * Understand one record. On ONRAMP_OK clear *out when done. ONRAMP_EINPUT: the record is invalid; err's text says what
 * and what would be right, and *out still has the identity as far as it could be read, for the ledger: clear it too
 * ("password_hash cannot be sent through POST /users: use the bulk import job for this user").
 * ONRAMP_ENOMEM.
 */
ONRAMP_NODISCARD enum onramp_status onramp_user_parse(struct onramp_user *out, const char *json, size_t size,
                                                      const struct onramp_user_rules *rules, struct onramp_error *err);
void onramp_user_clear(struct onramp_user *user); /* a zeroed one is fine */

const char *onramp_user_dropped_name(unsigned bit); /* NULL past the last */

/*
 * The whole body, in guarded memory; the caller's. `chosen_id` is a user_id of onramp's own making, without prefix, for
 * a record that brought none: NULL to let the tenant choose. `password` NULL: none is sent.
 */
ONRAMP_NODISCARD enum onramp_status onramp_user_body(struct onramp_secret **out, const struct onramp_user *user,
                                                     const char *chosen_id, const struct onramp_secret *password,
                                                     struct onramp_error *err);

#endif
