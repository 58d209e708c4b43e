/*
 * identity.c - the keys by which records, ledger lines and users are matched.
 */
#include "onramp/identity.h"

#include <string.h>

static const char *identifier(const struct onramp_identity *identity, enum onramp_identifier kind)
{
    switch (kind) {
    case ONRAMP_ID_EMAIL:
        return identity->email;
    case ONRAMP_ID_USERNAME:
        return identity->username;
    case ONRAMP_ID_PHONE_NUMBER:
        return identity->phone_number;
    case ONRAMP_ID_USER_ID:
        return identity->user_id;
    case ONRAMP_ID_KINDS:
        break;
    }
    return NULL;
}

/* ASCII only and free of the locale: what Auth0 does beyond ASCII is not established. */
static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool onramp_identity_key(const struct onramp_identity *identity, enum onramp_identifier kind,
                         char key[ONRAMP_IDENTITY_KEY_MAX])
{
    static const char *const names[ONRAMP_ID_KINDS] = {"email:", "username:", "phone_number:", "user_id:"};
    const char *value = identifier(identity, kind);
    if (value == NULL || value[0] == '\0')
        return false;

    size_t prefix = strlen(names[kind]);
    size_t size = strlen(value);
    if (prefix + size >= ONRAMP_IDENTITY_KEY_MAX)
        return false;
    memcpy(key, names[kind], prefix);
    bool folds = kind == ONRAMP_ID_EMAIL || kind == ONRAMP_ID_USERNAME;
    for (size_t i = 0; i < size; i++)
        key[prefix + i] = folds ? lower(value[i]) : value[i];
    key[prefix + size] = '\0';
    return true;
}

bool onramp_identity_primary(const struct onramp_identity *identity, char key[ONRAMP_IDENTITY_KEY_MAX])
{
    for (int kind = 0; kind < ONRAMP_ID_KINDS; kind++)
        if (onramp_identity_key(identity, (enum onramp_identifier)kind, key))
            return true;
    return false;
}
