/*
 * reply.h - what an answer of the Management API means.
 *
 * Decides on the status first, then errorCode, then a prefix of the message; never on a whole message. A body
 * that is not JSON is an edge's or a proxy's.
 */
#ifndef ONRAMP_AUTH0_REPLY_H
#define ONRAMP_AUTH0_REPLY_H

#include "onramp/pacer.h"
#include "onramp/transport.h"

enum onramp_meaning {
    ONRAMP_REPLY_DONE,         /* 2xx, its body whole and as expected */
    ONRAMP_REPLY_EXISTS,       /* this identity is taken: 409, or 400 "in use already" / "already exists" */
    ONRAMP_REPLY_REJECTED,     /* this record is refused for good */
    ONRAMP_REPLY_STOP,         /* every further record would be refused alike: stop the run; `cure` says what helps */
    ONRAMP_REPLY_UNAUTHORIZED, /* 401: once more with a fresh token, else stop (exit 4) */
    ONRAMP_REPLY_FORBIDDEN,    /* 403 scope: stop (exit 4) */
    ONRAMP_REPLY_THROTTLED,    /* 429: costs no attempt */
    ONRAMP_REPLY_TRANSIENT,    /* proven not acted on: unsent, or 503 … only where that is certain */
    ONRAMP_REPLY_UNCERTAIN,    /* the tenant may have acted: lost, 5xx, 408, a 2xx whose body is cut or not JSON */
    ONRAMP_REPLY_NOT_FOUND     /* 404 */
};

struct onramp_reply {
    enum onramp_meaning meaning;
    struct onramp_signal signal; /* for the pacer */
    int status;
    char error_code[64];
    char message[400]; /* the tenant's words, or ours where it had none; one line, no control characters … */
    bool wordless;     /* … so they are ours, and begin with the status */
    char cure[300];    /* what the user can do; "" where nothing is known, or nothing is to be done */
    char user_id[288]; /* DONE on a create: prefix and all, so longer than the 255 that Auth0 allows without it */
    int64_t date;      /* Date of the answer, Unix seconds; 0 if absent */
};

/*
 * Meaning of an answer to POST /api/v2/users, or (create false) to any other call.
 *
 * Create: DONE only for a whole JSON object that has the user's id; any 5xx, 408, cut or unreadable 2xx is UNCERTAIN.
 * Other calls: DONE for any 2xx whose body is whole and, where it claims to be JSON, is JSON (a delete's is empty, the
 * reset mail's is a sentence); a page of HTML is not an API's, so UNCERTAIN. NOT_FOUND only where the API itself says
 * so: a 404 of anybody else is a wrong host or path, hence STOP.
 * Any call: a redirect is a wrong host, and 4xx that are not the API's JSON are a proxy's or an edge's: STOP. A server
 * whose certificate is not accepted: STOP.
 *
 * The signal: TAKEN for 2xx, and for others with limit headers; without them UNSURE. Retry-After is cut to a day.
 */
void onramp_reply_parse(struct onramp_reply *out, const struct onramp_answer *answer, bool create);

/* Retry-After in either form, relative to `date` (Unix seconds; 0 unknown: a date form then counts as absent). */
bool onramp_reply_retry_after(const char *text, int64_t date, onramp_span *out);
/* An HTTP date in any of the three forms of RFC 9110, as Unix seconds; false if it is none or before 1970. */
bool onramp_reply_date(const char *text, int64_t *out);

/* One user of a look-up's answer. */
struct onramp_found {
    char user_id[288];
    int64_t created_at;    /* Unix ms; 0 if absent or unreadable */
    bool in_connection;    /* has an identity in the connection asked about … */
    char identity_id[260]; /* … and this is that identity's user_id, without prefix */
    bool used;             /* has logged in: logins_count above 0, or a last_login */
    char email[260], username[140], phone_number[32];
};
/*
 * The users of an answer to GET /users-by-email (an array) or GET /users/{id} (an object); at most `max`
 * are stored, *count is how many there were. What is too long for its place is left empty. ONRAMP_EINPUT if the body is
 * neither.
 */
ONRAMP_NODISCARD enum onramp_status onramp_reply_found(const char *body, const char *connection,
                                                       struct onramp_found *out, size_t max, size_t *count,
                                                       struct onramp_error *err);

#endif
