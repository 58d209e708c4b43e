/*
 * session.h - a run's dealings with its tenant beside the records: the token, the connection, what the answers have
 * said so far.
 *
 * A call made here has the line to itself: it is sent when nothing else is in flight, and waited for.
 */
#ifndef ONRAMP_SESSION_H
#define ONRAMP_SESSION_H

#include "auth0/connection.h"
#include "auth0/reply.h"
#include "auth0/token.h"
#include "core/rng.h"
#include "onramp/upload.h"

struct onramp_session {
    const struct onramp_target *target; /* borrowed, like the next three */
    const struct onramp_transport *transport;
    const struct onramp_observer *observer;
    struct onramp_pacer *pacer;
    struct onramp_rng rng; /* backoff, ids */

    struct onramp_secret *fetched; /* the token, if client credentials got it; ours */
    struct onramp_claims claims;
    onramp_time renew_at; /* ONRAMP_NEVER for a token that was given */
    bool stale;           /* a 401 says that the token is no longer good */
    bool renewed;         /* because of a 401, and nothing has succeeded since: another 401 is final */

    bool connection_known;
    struct onramp_connection connection;
    bool may_ask;               /* look-ups of users are allowed, as far as known */
    int64_t tenant_date;        /* Date of the freshest success, Unix seconds; 0: none yet … */
    onramp_time tenant_date_at; /* … and when it was seen */
    /* Of the latest answers of any kind that had them, for people: no evidence. Date 0: none yet. */
    int64_t heard_date;
    struct onramp_signal heard_limits;
    bool interrupted; /* a call here ended because the user wants to stop */
    bool underway;    /* a run has begun: a call that fails in passing is tried as long as the run may wait */
};

void onramp_session_init(struct onramp_session *session, const struct onramp_target *target,
                         const struct onramp_transport *transport, const struct onramp_observer *observer,
                         struct onramp_pacer *pacer);
void onramp_session_clear(struct onramp_session *session);

/*
 * Get a token, or look at the one that was given; then (`preflight`) ask about the connection, as far as the token may.
 * Returns ONRAMP_EAUTH, ONRAMP_EREFUSED (connection missing, disabled, no database), ONRAMP_ENET, ONRAMP_EUSAGE,
 * ONRAMP_ENOMEM.
 */
ONRAMP_NODISCARD enum onramp_status onramp_session_open(struct onramp_session *session, bool preflight,
                                                        struct onramp_error *err);

/*
 * The first half of that: get a token, or look at the one that was given, and see that it carries each of `scopes`
 * (ends with NULL). ONRAMP_EAUTH, ONRAMP_ENET, ONRAMP_EUSAGE, ONRAMP_ENOMEM.
 */
ONRAMP_NODISCARD enum onramp_status onramp_session_authorize(struct onramp_session *session, const char *const *scopes,
                                                             struct onramp_error *err);

/*
 * The halves of the second half: fill session->connection, if the token may see it (connection_known); and see that it
 * is enabled for the token's client (*known false: that could not be seen). Statuses as above.
 */
ONRAMP_NODISCARD enum onramp_status onramp_session_find_connection(struct onramp_session *session,
                                                                   struct onramp_error *err);
ONRAMP_NODISCARD enum onramp_status onramp_session_check_enabled(struct onramp_session *session, bool *known,
                                                                 struct onramp_error *err);

const struct onramp_secret *onramp_session_token(const struct onramp_session *session);

/* Is it time for a fresh token? Then let what is in flight land, and call renew. */
bool onramp_session_must_renew(const struct onramp_session *session, onramp_time now);
ONRAMP_NODISCARD enum onramp_status onramp_session_renew(struct onramp_session *session, struct onramp_error *err);

/* A 401 came in. True: the token is renewed next, the record goes again. False: nothing more can be done. */
bool onramp_session_unauthorized(struct onramp_session *session);

/* Every answer passes here: its Date, and that the token is good. Only a success is surely the tenant's own word. */
void onramp_session_learn(struct onramp_session *session, const struct onramp_reply *reply);

/* The tenant's clock: Unix seconds, never ahead of it, behind by the age of the freshest answer. 0: not known. */
int64_t onramp_session_clock(const struct onramp_session *session, onramp_time now);

/* The exit code of a command that ended with this status before its first write. */
int onramp_session_exit(const struct onramp_session *session, enum onramp_status status);

/* A server that repeats what it was sent must not bring a secret into ledger or log: a message that holds the token, or
 * `password` (NULL: there is none), is replaced. */
void onramp_session_withhold(const struct onramp_session *session, const struct onramp_secret *password,
                             struct onramp_reply *reply);

/* Why it cannot go on: "'host' answered 403: its words; what to do", or that it could not be reached. Returns `status`.
 */
enum onramp_status onramp_session_explain(const struct onramp_session *session, const struct onramp_reply *reply,
                                          enum onramp_status status, struct onramp_error *err);

bool onramp_session_stopping(const struct onramp_session *session);
void onramp_session_log(const struct onramp_session *session, enum onramp_level level, const char *format, ...)
    ONRAMP_PRINTF(3, 4);

/* Append `text` to `path`, percent-encoded, all but letters, digits and "-._~". False if there is no room. */
bool onramp_session_encode(char *path, size_t room, const char *text);

#endif
