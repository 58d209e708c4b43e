/*
 * compare.c - does a ledger tell the truth?
 */
#include "compare.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

struct comparison {
    json_t *addresses; /* user_id to address, of users whom the ledger has not named yet */
    enum onramp_status status;
    struct onramp_error *err;
};

static enum onramp_status add_user(json_t *addresses, json_t *user, struct onramp_error *err)
{
    const char *id = json_string_value(json_object_get(user, "user_id"));
    json_t *address = json_object_get(user, "email");
    if (id == NULL || !json_is_string(address))
        return onramp_fail(err, ONRAMP_EIO, "the tenant's list holds a user without user_id or email");
    if (json_object_get(addresses, id) != NULL)
        return onramp_fail(err, ONRAMP_EMISMATCH, "the tenant has '%s' twice", id);
    return json_object_set(addresses, id, address) == 0 ? ONRAMP_OK : onramp_fail(err, ONRAMP_ENOMEM, "out of memory");
}

static enum onramp_status read_users(json_t *addresses, const char *path, struct onramp_error *err)
{
    FILE *in = fopen(path, "r");
    if (in == NULL)
        return onramp_fail_sys(err, errno, "cannot read the tenant's list '%s'", path);
    enum onramp_status st = ONRAMP_OK;
    for (int next; st == ONRAMP_OK && (next = getc(in)) != EOF;) {
        if (next == '\n')
            continue;
        (void)ungetc(next, in);
        json_error_t why;
        json_t *user = json_loadf(in, JSON_DISABLE_EOF_CHECK, &why);
        st = user != NULL ? add_user(addresses, user, err)
                          : onramp_fail(err, ONRAMP_EIO, "the tenant's list is not JSON: %s", why.text);
        json_decref(user);
    }
    (void)fclose(in);
    return st;
}

/* The tenant keeps addresses in lower case; the ledger has them as the file does. */
static bool same_address(const char *a, const char *b)
{
    char key[2][ONRAMP_IDENTITY_KEY_MAX];
    return onramp_identity_key(&(struct onramp_identity){.email = a}, ONRAMP_ID_EMAIL, key[0]) &&
           onramp_identity_key(&(struct onramp_identity){.email = b}, ONRAMP_ID_EMAIL, key[1]) &&
           strcmp(key[0], key[1]) == 0;
}

static bool check_entry(void *context, const struct onramp_ledger_entry *entry)
{
    struct comparison *c = context;
    if (!entry->has_outcome || entry->outcome != ONRAMP_CREATED)
        return true;
    const char *email = entry->identity.email != NULL ? entry->identity.email : "";
    const char *id = entry->user_id;
    const char *address = id != NULL ? json_string_value(json_object_get(c->addresses, id)) : NULL;
    if (address == NULL || !same_address(address, email)) {
        c->status = onramp_fail(c->err, ONRAMP_EMISMATCH,
                                "the ledger says that '%s' was created, and the tenant does not have this user", email);
        return false;
    }
    (void)json_object_del(c->addresses, id);
    return true;
}

enum onramp_status compare_ledger(const char *ledger_path, const char *users_path, uint64_t *users,
                                  struct onramp_error *err)
{
    struct onramp_ledger *ledger = NULL;
    struct comparison c = {.addresses = json_object(), .status = ONRAMP_OK, .err = err};
    enum onramp_status st = c.addresses != NULL ? onramp_ledger_read(&ledger, ledger_path, err)
                                                : onramp_fail(err, ONRAMP_ENOMEM, "out of memory");
    if (st == ONRAMP_OK)
        st = read_users(c.addresses, users_path, err);
    if (st != ONRAMP_OK)
        goto out;

    *users = json_object_size(c.addresses);
    onramp_ledger_each(ledger, check_entry, &c);
    st = c.status;
    const char *id = json_object_iter_key(json_object_iter(c.addresses));
    if (st == ONRAMP_OK && id != NULL)
        st = onramp_fail(err, ONRAMP_EMISMATCH, "the tenant has '%s', and the ledger does not say so", id);
out:
    onramp_ledger_close(ledger);
    json_decref(c.addresses);
    return st;
}
