/*
 * user.h - from a record of the file to the body of POST /api/v2/users.
 *
 * Each property is passed on, renamed, dropped with a note, or refused, as Auth0's create-users schema (closed: unknown
 * keys are refused; limits of length and pattern), the export job's and the import/export extension's formats demand.
 */
#ifndef ONRAMP_AUTH0_USER_H
#define ONRAMP_AUTH0_USER_H

#include "auth0/connection.h"
#include "onramp/identity.h"
#include "onramp/secret.h"
#include "onramp/upload.h"

/* What is wrong with a record, by what helps. */
enum onramp_problem {
    ONRAMP_PROBLEM_VALUE,       /* a property breaks Auth0's rules for it */
    ONRAMP_PROBLEM_TYPE,        /* … is no string, boolean or object where it has to be one */
    ONRAMP_PROBLEM_KEY,         /* a key in metadata is ill-formed or Auth0's own */
    ONRAMP_PROBLEM_UNKNOWN,     /* a property that Auth0 does not know */
    ONRAMP_PROBLEM_IMPORT_ONLY, /* one that only the import job takes */
    ONRAMP_PROBLEM_PASSWORD,
    ONRAMP_PROBLEM_CONNECTION, /* another connection's user */
    ONRAMP_PROBLEM_NOBODY,     /* no identifier */
    ONRAMP_PROBLEM_RECORD      /* the record as a whole: no JSON object, too large */
};

struct onramp_user_rules {
    const char *connection;
    enum onramp_verification_mail mail;
    const struct onramp_connection *database; /* what the tenant says of it; NULL while that is not known */
    /* Called with each problem of a record, `subject` being the property or key; NULL: the first one is enough. */
    void (*problem)(void *context, enum onramp_problem problem, const char *subject, const char *text);
    void *context;
};

struct onramp_user {
    struct onramp_identity identity; /* points into the user's own memory */
    char *body;                      /* the request's JSON object, complete but for the password and a chosen id */
    char *profile[12]; /* values a password must not contain: name, nickname, username, local part …; NULL-terminated */
    bool wants_mail;   /* creating it makes Auth0 send a verification mail */
    uint32_t dropped; /* bit set of properties left out, read-only or overruled; see onramp_user_dropped_name() */
    void *memory;     /* owns the strings above */
};

/*
 * Understand one record. On ONRAMP_OK clear *out when done. ONRAMP_EINPUT: the record is invalid; err's text is the
 * first thing wrong with it and what would be right ("'password_hash' cannot be sent through POST /users: use the
 * bulk import job for this user"), and *out still has the identity as far as it could be read, for the ledger: clear
 * it too. ONRAMP_ENOMEM.
 *
 * What becomes of each property (null and the empty string count as absent):
 *   email, username, phone_number, names, picture, booleans   checked against Auth0's limits and passed on
 *   Email, Given Name, … (headings of the extension's export) renamed, then as above; "true" and "false" in quotes
 *                                                             are understood under these headings only
 *   user_id, Id                                               without "auth0|"; one of another strategy is refused
 *   user_metadata, app_metadata                               passed on; barred keys are refused
 *   connection                                                must be that of the run, if given
 *   verify_email                                              heeded with ONRAMP_MAIL_RECORD, else overruled
 *   password                                                  refused: a file is no place for one, and onramp makes
 *                                                             each user a fresh one
 *   password_hash, custom_password_hash, mfa_factors          refused: only the import job takes them
 *   identities, created_at, last_login, …                     read-only: left out, and told in `dropped`
 *   anything else                                             refused by Auth0's closed schema, so refused here
 *
 * `verify_email` is always sent with an e-mail address, for leaving it out makes Auth0 mail every unverified user.
 * With ONRAMP_MAIL_YES a user whose address is verified already gets no mail: there is nothing to verify.
 */
ONRAMP_NODISCARD enum onramp_status onramp_user_parse(struct onramp_user *out, const char *json, size_t size,
                                                      const struct onramp_user_rules *rules, struct onramp_error *err);
void onramp_user_clear(struct onramp_user *user); /* a zeroed one is fine */

const char *onramp_user_dropped_name(unsigned bit); /* for people; NULL past the last */

/*
 * The whole body, in guarded memory; the caller's. `chosen_id` is a user_id of onramp's own making, without prefix, for
 * a record that brought none: NULL to let the tenant choose. `password` NULL: none is sent; no other copy is made of
 * it.
 */
ONRAMP_NODISCARD enum onramp_status onramp_user_body(struct onramp_secret **out, const struct onramp_user *user,
                                                     const char *chosen_id, const struct onramp_secret *password,
                                                     struct onramp_error *err);

#endif
