/*
 * compare.h - does a ledger tell the truth? For the demo, which can look into its tenant.
 */
#ifndef ONRAMP_CLI_COMPARE_H
#define ONRAMP_CLI_COMPARE_H

#include <onramp/ledger.h>

/*
 * Every user that the ledger calls created is in `users_path` (NDJSON of user objects) under this user_id and
 * address, once, and nobody else is. *users is how many there are. ONRAMP_EMISMATCH names the first who
 * is not; ONRAMP_EIO, ONRAMP_ENOMEM.
 */
ONRAMP_NODISCARD enum onramp_status compare_ledger(const char *ledger_path, const char *users_path, uint64_t *users,
                                                   struct onramp_error *err);

#endif
