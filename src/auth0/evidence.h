/*
 * evidence.h - whose is the user that a look-up found, after an answer of ours was lost?
 *
 * Two kinds of evidence are sound. A user_id of our own choosing, random and on disk before the request left: who has
 * it is ours, and there can be only one. Where the tenant chooses the id (custom databases), or the file gives it:
 * when the user was created, by the tenant's own clock, against that clock when our attempt left. Such a user is ours
 * if it appeared between that moment and the latest at which a belated request can still have arrived; before, it is
 * somebody else's; after, nobody can tell. docs/truth.md says why that is sound, and what it leaves open. The
 * correlation id is no evidence: it appears in the tenant's logs, not on the user.
 */
#ifndef ONRAMP_AUTH0_EVIDENCE_H
#define ONRAMP_AUTH0_EVIDENCE_H

#include "auth0/reply.h"

enum onramp_verdict {
    ONRAMP_NOBODY,   /* no such user in the connection: the create did not happen */
    ONRAMP_OURS,     /* created by our attempt */
    ONRAMP_THEIRS,   /* was there before, or is somebody else's */
    ONRAMP_UNDECIDED /* cannot be told */
};

/* What the connection does with a user_id that is sent to it. */
enum onramp_ids {
    ONRAMP_IDS_KEPT,     /* a database of Auth0's own */
    ONRAMP_IDS_REPLACED, /* a custom database, which gives its own */
    ONRAMP_IDS_UNSURE    /* the token may not read the connection */
};

struct onramp_evidence {
    const char *chosen_id; /* without prefix, as in attempts; "" if we chose none */
    const char *given_id;  /* the record's own, without prefix; NULL if it has none */
    enum onramp_ids ids;
    int64_t tenant_date; /* Unix seconds by the tenant's clock, not after our attempt left; 0: not known */
};

/* Seconds by which the clocks of a tenant's machines may differ: one stamps the answers, another the users. */
#define ONRAMP_EVIDENCE_SKEW 5
/* Seconds within which an attempt, whatever a network made of it, has arrived, or never will. */
#define ONRAMP_EVIDENCE_DELIVERY 900
/* Seconds for which "nobody is there" may be acted on; the next attempt leaves within them, or asks anew. */
#define ONRAMP_EVIDENCE_FRESH 60
/* Seconds after tenant_date in which a user of ours can appear. tenant_date is at most one delivery before the latest
 * "nobody", the next attempt leaves while that is fresh, and arrives at most one delivery later. */
#define ONRAMP_EVIDENCE_LATEST (2 * ONRAMP_EVIDENCE_DELIVERY + ONRAMP_EVIDENCE_FRESH)

/* *user_id is the id of the user that the verdict speaks of, borrowed from `found`; untouched for NOBODY. */
enum onramp_verdict onramp_evidence_judge(const struct onramp_evidence *evidence, const struct onramp_found *found,
                                          size_t count, const char **user_id);

/*
 * Of the users with an address, the one that is in the connection under that address, so that a create would conflict
 * with it; NULL: none surely is. An account's address is its main identity's: one that is linked to it may have
 * another.
 */
const struct onramp_found *onramp_evidence_resident(const struct onramp_found *found, size_t count);

#endif
