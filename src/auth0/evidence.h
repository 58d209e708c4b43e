/*
 * evidence.h - whose is the user that a look-up found, after an answer of ours was lost?
 *
 * Two kinds of evidence are sound. A user_id of our own choosing, random and on disk before the request left: who has
 * it is ours, and there can be only one. Where the tenant chooses the id (custom databases, ids given in the file):
 * when the user was created, against the tenant's own clock as it stood before our first attempt in doubt. The
 * correlation id is none: it appears in the tenant's logs, not on the user.
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

struct onramp_evidence {
    const char *chosen_id; /* without prefix; "" if we chose none */
    bool keeps_ids;        /* the connection is known to be no custom database, so that a chosen id is kept */
    int64_t tenant_date;   /* Unix seconds, before the first attempt in doubt; 0: not known */
};

/* *user_id is the id of the user that the verdict speaks of, borrowed from `found`; untouched for NOBODY. */
enum onramp_verdict onramp_evidence_judge(const struct onramp_evidence *evidence, const struct onramp_found *found,
                                          size_t count, const char **user_id);

#endif
