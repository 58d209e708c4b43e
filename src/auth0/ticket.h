/*
 * ticket.h - links to set a password: what is asked for, and what comes back.
 */
#ifndef ONRAMP_AUTH0_TICKET_H
#define ONRAMP_AUTH0_TICKET_H

#include "onramp/base.h"
#include "onramp/secret.h"

struct onramp_ticket_wish {
    const char *user_id;
    int64_t ttl_seconds;    /* 0: Auth0's default, five days */
    const char *result_url; /* where the link leads to afterwards: this, or the application's; NULL for none */
    const char *client_id;
    bool mark_verified; /* who follows the link has a verified address */
};

/* Body of POST /api/v2/tickets/password-change; malloc'd, the caller's. NULL: no memory, or not UTF-8. */
char *onramp_ticket_request(const struct onramp_ticket_wish *wish);

/* Body of POST /dbconnections/change_password; the same. `client_id` may be NULL. */
char *onramp_reset_request(const char *connection, const char *email, const char *client_id);

/*
 * Take the link out of an answer to the former, and leave blanks there: the link is a credential, and a parser would
 * copy it into ordinary memory. *link is the caller's. ONRAMP_EINPUT: there is none, or not one that could be a link;
 * ONRAMP_ENOMEM.
 */
ONRAMP_NODISCARD enum onramp_status onramp_ticket_take(struct onramp_secret **link, struct onramp_secret *answer,
                                                       struct onramp_error *err);

#endif
