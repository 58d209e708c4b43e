/*
 * retry.h - which records of a file did not end as created or exists, by a ledger.
 */
#ifndef ONRAMP_RETRY_H
#define ONRAMP_RETRY_H

#include "onramp/ledger.h"
#include "onramp/source.h"

struct onramp_retry_summary {
    uint64_t records;                 /* of the file */
    uint64_t written;                 /* of these: not ended well; the rest of the members say why */
    uint64_t counts[ONRAMP_OUTCOMES]; /* created and exists stay 0; invalid and duplicate as the file is now */
    uint64_t open;                    /* sent, and no outcome: killed on the way */
    uint64_t undone;                  /* created, and deleted since */
    uint64_t unlisted;                /* the ledger has nothing about them */
};

/*
 * Hand each such record to `put`, in the order of the file: its own text, white space between values aside. Records are
 * matched by identity, as an upload matches them; `ledger` may be one that is only read. `put` returns
 * false to stop: ONRAMP_EIO then. *summary is filled whatever the status.
 * ONRAMP_EINPUT (the file cannot be read or is no JSON), ONRAMP_EIO, ONRAMP_ENOMEM.
 */
ONRAMP_API ONRAMP_NODISCARD enum onramp_status onramp_retry(
    const struct onramp_ledger *ledger, const struct onramp_source *source,
    bool (*put)(void *context, const struct onramp_record *record), void *context, struct onramp_retry_summary *summary,
    struct onramp_error *err);

#endif
