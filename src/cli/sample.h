/*
 * sample.h - users to try with: the same ones from the same seed.
 */
#ifndef ONRAMP_CLI_SAMPLE_H
#define ONRAMP_CLI_SAMPLE_H

#include <onramp/base.h>

/*
 * Write a JSON array of `users` records to a new file `path`: names in several scripts, distinct addresses under
 * example.com, .org and .net (RFC 2606: they reach nobody). ONRAMP_EIO.
 */
ONRAMP_NODISCARD enum onramp_status sample_write(const char *path, uint64_t users, uint64_t seed,
                                                 struct onramp_error *err);

#endif
