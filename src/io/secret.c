/*
 * secret.c - guarded memory, by libsodium.
 */
#include "onramp/secret.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum onramp_status onramp_secret_new(struct onramp_secret **out, size_t size, struct onramp_error *err)
{
    if (sodium_init() < 0)
        return onramp_fail(err, ONRAMP_EIO, "cannot start libsodium");
    struct onramp_secret *secret = malloc(sizeof *secret); /* the address is no secret */
    char *text = size < SIZE_MAX ? sodium_malloc(size + 1) : NULL;
    if (secret == NULL || text == NULL) {
        free(secret);
        sodium_free(text);
        return onramp_fail(err, ONRAMP_ENOMEM, "out of guarded memory");
    }
    sodium_memzero(text, size + 1);
    *secret = (struct onramp_secret){.text = text, .size = size};
    *out = secret;
    return ONRAMP_OK;
}

enum onramp_status onramp_secret_copy(struct onramp_secret **out, const char *bytes, size_t size,
                                      struct onramp_error *err)
{
    enum onramp_status st = onramp_secret_new(out, size, err);
    if (st == ONRAMP_OK && size > 0)
        memcpy((*out)->text, bytes, size);
    return st;
}

void onramp_secret_free(struct onramp_secret *secret)
{
    if (secret == NULL)
        return;
    sodium_free(secret->text); /* wipes */
    free(secret);
}
