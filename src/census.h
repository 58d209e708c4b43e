/*
 * census.h - the first pass over the file: how many records there are, and which of them share an identity.
 *
 * Nothing is sent before the whole file has been read once. What is kept of it is one key an identifier, no record.
 */
#ifndef ONRAMP_CENSUS_H
#define ONRAMP_CENSUS_H

#include "auth0/user.h"
#include "onramp/ledger.h"
#include "onramp/source.h"

struct onramp_census {
    uint64_t records;
    uint64_t invalid, duplicate;
    uint64_t settled;  /* by earlier runs of this ledger */
    uint64_t sendable; /* the rest */
    uint64_t doubtful; /* of the sendable: in doubt since an earlier run */
    uint64_t mails;    /* of the sendable: so many make Auth0 send a verification mail */
    uint32_t dropped;  /* read-only properties that some record had; see onramp_user_dropped_name() */
    const struct onramp_ledger_entry **strays; /* left in doubt by earlier runs, and no longer in the file */
    size_t stray_count;
    void *seen;  /* identifier's key → ordinal of the record that holds it */
    void *names; /* of these, the keys by which the ledger knows the records */
};

/*
 * Read the source to its end and rewind it. `ledger` may be NULL. `digest` is the file's, or NULL before it was read
 * to its end once: then whatever is settled counts as standing. Clear *out when done, whatever the status:
 * ONRAMP_EINPUT, ONRAMP_EREFUSED (more than max_users records), ONRAMP_EIO, ONRAMP_ENOMEM.
 */
ONRAMP_NODISCARD enum onramp_status onramp_census_take(struct onramp_census *out, const struct onramp_source *source,
                                                       const struct onramp_user_rules *rules, uint64_t max_users,
                                                       const struct onramp_ledger *ledger, const char *digest,
                                                       struct onramp_error *err);
/* Fill in the strays, once the file has been counted. ONRAMP_ENOMEM. */
ONRAMP_NODISCARD enum onramp_status onramp_census_find_strays(struct onramp_census *census,
                                                              const struct onramp_ledger *ledger,
                                                              struct onramp_error *err);
void onramp_census_clear(struct onramp_census *census);

/* Is it settled, and still so? What was rejected is judged anew once the file was edited. `entry` may be NULL. */
bool onramp_census_stands(const struct onramp_ledger_entry *entry, const char *digest);

/*
 * Understand a record, as upload's first and second pass both do: onramp_user_parse(), and for one that nothing was
 * ever sent of, whether the connection can have such a user. *entry is what the ledger has of it, or NULL.
 */
ONRAMP_NODISCARD enum onramp_status onramp_census_judge(struct onramp_user *user,
                                                        const struct onramp_ledger_entry **entry,
                                                        const struct onramp_record *record,
                                                        const struct onramp_user_rules *rules,
                                                        const struct onramp_ledger *ledger, struct onramp_error *err);

/* Does another record than `ordinal` hold one of these identifiers? Then *other is its ordinal and *kind says which. */
bool onramp_census_duplicate(const struct onramp_census *census, const struct onramp_identity *identity,
                             uint64_t ordinal, uint64_t *other, enum onramp_identifier *kind);

#endif
