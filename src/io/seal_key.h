/*
 * seal_key.h - what the two files of sealing share about keys.
 */
#ifndef ONRAMP_IO_SEAL_KEY_H
#define ONRAMP_IO_SEAL_KEY_H

#include "onramp/seal.h"

#include <sodium.h>

#define ONRAMP_SEAL_MARK_MAX (2 * 4 + 1)
/* Eight hex digits by which a line tells its key. */
void onramp_seal_mark(const struct onramp_seal_public *key, char mark[ONRAMP_SEAL_MARK_MAX]);

const struct onramp_secret *onramp_seal_key_secret(const struct onramp_seal_key *key); /* raw bytes */

#endif
