/*
 * identity.h - who a record is: the names by which a tenant knows a user.
 *
 * A connection keeps e-mail addresses, usernames and phone numbers unique, and
 * stores the first two in lower case (Auth0 documentation: create users, user
 * profile structure), so two spellings that differ in ASCII case are one identity.
 */
#ifndef ONRAMP_IDENTITY_H
#define ONRAMP_IDENTITY_H

#include "onramp/base.h"

/* As given in the file; NULL where absent. Borrowed strings. */
struct onramp_identity {
    const char *email;
    const char *username;
    const char *phone_number;
    const char *user_id; /* without the strategy's prefix */
};

enum onramp_identifier {
    ONRAMP_ID_EMAIL,
    ONRAMP_ID_USERNAME,
    ONRAMP_ID_PHONE_NUMBER,
    ONRAMP_ID_USER_ID,
    ONRAMP_ID_KINDS
};

#define ONRAMP_IDENTITY_KEY_MAX 600 /* longest key with its NUL */

/*
 * The key of one identifier, "email:ann@example.com": lower case for e-mail and
 * username, kind in front so that kinds never collide. Written to `key`; false
 * if the identity lacks this identifier or it is too long to be a real one.
 */
ONRAMP_API bool onramp_identity_key(const struct onramp_identity *identity, enum onramp_identifier kind,
                                    char key[ONRAMP_IDENTITY_KEY_MAX]);

/*
 * The key by which ledger and file are matched: that of the first identifier
 * present, in the order of the enum. False if there is none.
 */
ONRAMP_API bool onramp_identity_primary(const struct onramp_identity *identity, char key[ONRAMP_IDENTITY_KEY_MAX]);

#endif
