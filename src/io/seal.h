/*
 * seal.h - one line of a file of sealed passwords, read.
 */
#ifndef ONRAMP_IO_SEAL_H
#define ONRAMP_IO_SEAL_H

#include "onramp/seal.h"

#include <jansson.h>

struct onramp_seal_file; /* opaque: a file that is read line by line */

/* ONRAMP_EINPUT: no such file; ONRAMP_ENOMEM. */
ONRAMP_NODISCARD enum onramp_status onramp_seal_file_open(struct onramp_seal_file **out, const char *path,
                                                          struct onramp_error *err);
void onramp_seal_file_close(struct onramp_seal_file *file); /* NULL is fine */

/* The next line that is not blank: its number and its object, which is the caller's to decref, NULL if it is no line of
 * such a file. *line 0 at the end, and at half a line there, which a crash leaves. */
ONRAMP_NODISCARD enum onramp_status onramp_seal_file_next(struct onramp_seal_file *file, uint64_t *line,
                                                          json_t **object, struct onramp_error *err);
ONRAMP_NODISCARD enum onramp_status onramp_seal_file_rewind(struct onramp_seal_file *file, struct onramp_error *err);

/* What the line says of its password, as far as it stands outside of the box. Borrowed from the object. */
struct onramp_sealed onramp_seal_about(const json_t *object);

/*
 * Open the line's box. ONRAMP_UNSEALED: *inner is the object that was in it but for the password, and *password that;
 * both are the caller's.
 */
ONRAMP_NODISCARD enum onramp_status onramp_seal_open(const json_t *object, const struct onramp_seal_key *key,
                                                     enum onramp_unsealed *kind, json_t **inner,
                                                     struct onramp_secret **password, struct onramp_error *err);

#endif
