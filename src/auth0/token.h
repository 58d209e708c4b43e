/*
 * token.h - Management API tokens: what one says of itself, and the exchange that gets one.
 *
 * A token is a JWS; its middle part is read without checking the signature, which only the tenant can judge.
 */
#ifndef ONRAMP_AUTH0_TOKEN_H
#define ONRAMP_AUTH0_TOKEN_H

#include "onramp/base.h"
#include "onramp/secret.h"

struct onramp_claims {
    bool readable;       /* a JWS whose payload is a JSON object; else all below is empty */
    char client_id[128]; /* azp, else client_id, else sub without "@clients" */
    char issuer[300];
    bool has_expiry;
    int64_t issued_at, expires_at; /* Unix seconds */
    bool has_scopes;               /* a `scope` claim was there */
    char scopes[16384];            /* space separated; a token of the dashboard's API Explorer carries every scope */
    char audience[1024];           /* space separated */
};
void onramp_token_claims(struct onramp_claims *out, const struct onramp_secret *token);
bool onramp_claims_allow(const struct onramp_claims *claims, const char *scope); /* true where scopes are not known */
/* A token is pasted by people: one line, no spaces, three parts. ONRAMP_EUSAGE says what is odd, without quoting it. */
ONRAMP_NODISCARD enum onramp_status onramp_token_check(const struct onramp_secret *token, struct onramp_error *err);

/* Body (JSON, guarded, no other copy made) of POST /oauth/token by client credentials. The caller's. */
ONRAMP_NODISCARD enum onramp_status onramp_token_request(struct onramp_secret **out, const char *client_id,
                                                         const struct onramp_secret *client_secret,
                                                         const char *audience, struct onramp_error *err);
/*
 * Understand its answer. ONRAMP_OK: *token is the caller's, *lifetime its seconds, from expires_in, else from the
 * token's own claims, else an hour. No copy of the token is left behind; `body` is the caller's to wipe. ONRAMP_EAUTH:
 * refused; the text has Auth0's words and what helps. ONRAMP_ENET: not an answer of Auth0's, or 5xx, 429: worth another
 * try.
 */
ONRAMP_NODISCARD enum onramp_status onramp_token_answer(struct onramp_secret **token, int64_t *lifetime, int status,
                                                        const char *body, size_t size, struct onramp_error *err);

#endif
