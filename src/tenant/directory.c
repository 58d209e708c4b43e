/*
 * directory.c - a list of users, searched from end to end: a tenant on loopback has thousands at most.
 */
#include "tenant/directory.h"
#include "tenant/wire.h"

#include <stdlib.h>
#include <string.h>

static const char *const member_names[ONRAMP_ID_KINDS] = {"email", "username", "phone_number", "user_id"};

static const char *member(const struct onramp_account *account, enum onramp_identifier kind)
{
    return json_string_value(json_object_get(account->profile, member_names[kind]));
}

struct onramp_account *onramp_directory_add(struct onramp_directory *directory, json_t *profile, onramp_time now)
{
    if (directory->count == directory->room) {
        size_t room = directory->room > 0 ? 2 * directory->room : 64;
        struct onramp_account *larger = realloc(directory->accounts, room * sizeof *larger);
        if (larger == NULL) {
            json_decref(profile);
            return NULL;
        }
        directory->accounts = larger;
        directory->room = room;
    }
    struct onramp_account *account = &directory->accounts[directory->count];
    *account = (struct onramp_account){.profile = profile};
    for (int kind = 0; kind < ONRAMP_ID_KINDS; kind++) {
        const char *value = member(account, (enum onramp_identifier)kind);
        account->hashes[kind] = value != NULL ? onramp_wire_hash(value) : 0;
    }
    /* Auth0 documents it for every plan: 10 at once for one address, then one a minute. */
    if (onramp_bucket_init(&account->mails, (struct onramp_rate){1, ONRAMP_MINUTE}, 10, false, now) != ONRAMP_OK) {
        json_decref(profile);
        return NULL;
    }
    directory->count++;
    return account;
}

struct onramp_account *onramp_directory_find(const struct onramp_directory *directory, enum onramp_identifier kind,
                                             const char *value, const struct onramp_account *after)
{
    uint64_t hash = onramp_wire_hash(value);
    size_t i = after != NULL ? (size_t)(after - directory->accounts) + 1 : 0;
    for (; i < directory->count; i++) {
        struct onramp_account *account = &directory->accounts[i];
        if (account->hashes[kind] != hash)
            continue;
        const char *theirs = member(account, kind);
        if (theirs != NULL && strcmp(theirs, value) == 0)
            return account;
    }
    return NULL;
}

static void clear_account(struct onramp_account *account)
{
    json_decref(account->profile);
    json_decref(account->roles);
    json_decref(account->organizations);
}

void onramp_directory_remove(struct onramp_directory *directory, struct onramp_account *account)
{
    clear_account(account);
    size_t behind = directory->count - (size_t)(account - directory->accounts) - 1;
    memmove(account, account + 1, behind * sizeof *account);
    directory->count--;
}

void onramp_directory_clear(struct onramp_directory *directory)
{
    for (size_t i = 0; i < directory->count; i++)
        clear_account(&directory->accounts[i]);
    free(directory->accounts);
    *directory = (struct onramp_directory){0};
}
