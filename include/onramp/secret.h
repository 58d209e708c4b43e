/*
 * secret.h - bytes that must not leak: tokens, client secrets, passwords, and
 * request bodies that hold one.
 *
 * Kept in guarded pages (libsodium's sodium_malloc): locked against swapping
 * where the system allows it, left out of core files, wiped when freed. The text is
 * always followed by a NUL that `size` does not count. Not for concurrent use.
 */
#ifndef ONRAMP_SECRET_H
#define ONRAMP_SECRET_H

#include "onramp/base.h"

struct onramp_secret {
    char *text;  /* guarded; NUL-terminated */
    size_t size; /* bytes before the NUL */
};

/* An empty, writable secret of `size` zero bytes. *out is the caller's, to free. ONRAMP_ENOMEM. */
ONRAMP_API ONRAMP_NODISCARD enum onramp_status onramp_secret_new(struct onramp_secret **out, size_t size,
                                                                 struct onramp_error *err);

/* A copy of `size` bytes. The source stays the caller's, to wipe. ONRAMP_ENOMEM. */
ONRAMP_API ONRAMP_NODISCARD enum onramp_status onramp_secret_copy(struct onramp_secret **out, const char *bytes,
                                                                  size_t size, struct onramp_error *err);

/* Wipe and free. NULL is fine. */
ONRAMP_API void onramp_secret_free(struct onramp_secret *secret);

#endif
