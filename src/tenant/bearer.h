/*
 * bearer.h - the tenant's access tokens: JWS with the claims that Auth0's have.
 *
 * Signed with HMAC-SHA256 under a key that the seed decides, so that a tenant needs to remember nothing and one
 * started again with the same seed still knows its tokens. Auth0 signs with RS256; clients only read the middle part.
 */
#ifndef ONRAMP_TENANT_BEARER_H
#define ONRAMP_TENANT_BEARER_H

#include "onramp/base.h"

#define ONRAMP_BEARER_KEY 32

enum onramp_bearer {
    ONRAMP_BEARER_VALID,
    ONRAMP_BEARER_MISSING,
    ONRAMP_BEARER_MALFORMED, /* no Bearer scheme, or not three parts */
    ONRAMP_BEARER_FORGED,    /* not signed by this tenant, or for another host or audience */
    ONRAMP_BEARER_EXPIRED
};

struct onramp_bearer_claims {
    char client_id[128];
    char scopes[2048]; /* space separated */
    int64_t issued_at; /* Unix seconds; filled when judged, not read when issued */
};

/* A token for `host`, valid for `lifetime` seconds from `at` (Unix seconds). The caller's; NULL for want of memory. */
char *onramp_bearer_issue(const unsigned char key[ONRAMP_BEARER_KEY], const char *host,
                          const struct onramp_bearer_claims *claims, int64_t at, uint32_t lifetime);

/*
 * Judge an Authorization header (NULL: none) of a request to `host` (NULL: any). Loopback's names and ports count as
 * one host, so that a TLS terminator may stand in front. Fills `out` if it is valid.
 */
enum onramp_bearer onramp_bearer_check(const unsigned char key[ONRAMP_BEARER_KEY], const char *authorization,
                                       const char *host, int64_t at, struct onramp_bearer_claims *out);

/* Is `scope` one of the words of `scopes`? */
bool onramp_scopes_hold(const char *scopes, const char *scope);

#endif
