/*
 * directory.h - the users of the tenant's connection, in the order of creation.
 */
#ifndef ONRAMP_TENANT_DIRECTORY_H
#define ONRAMP_TENANT_DIRECTORY_H

#include "core/bucket.h"
#include "onramp/base.h"
#include "onramp/identity.h"

#include <jansson.h>

struct onramp_account {
    json_t *profile;                  /* as GET /users/{id} answers it */
    json_t *roles, *organizations;    /* arrays of ids, or NULL */
    uint64_t hashes[ONRAMP_ID_KINDS]; /* of the identifiers, 0 where there is none: most comparisons end here */
    struct onramp_bucket mails;       /* change_password requests for this address */
};

struct onramp_directory {
    struct onramp_account *accounts;
    size_t count, room;
};

/*
 * Enter a user; takes the reference to `profile`, whose members email, username, phone_number and user_id (with
 * prefix) are its identifiers. NULL for want of memory; `profile` is gone either way. The pointer is good until the
 * next call that adds or removes.
 */
struct onramp_account *onramp_directory_add(struct onramp_directory *directory, json_t *profile, onramp_time now);

/* The first user with this identifier, or the next after `after` (NULL: from the start); NULL if there is none. */
struct onramp_account *onramp_directory_find(const struct onramp_directory *directory, enum onramp_identifier kind,
                                             const char *value, const struct onramp_account *after);

void onramp_directory_remove(struct onramp_directory *directory, struct onramp_account *account);
void onramp_directory_clear(struct onramp_directory *directory);

#endif
