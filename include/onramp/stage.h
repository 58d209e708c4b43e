/*
 * stage.h - what comes after the creates, or beside them: is everybody there, out with them again, links and mails to
 * set a password, roles and organizations.
 *
 * A stage sends a request, or a short series, for each user that a ledger says was created (adopted ones too), through
 * the same loop, scheduler and pacer as an upload. What it does is recorded in that ledger, so that it can
 * be interrupted at any moment and run again: what is done is not done twice.
 */
#ifndef ONRAMP_STAGE_H
#define ONRAMP_STAGE_H

#include "onramp/base.h"
#include "onramp/ledger.h"
#include "onramp/transport.h"

struct onramp_target;   /* upload.h, like the next */
struct onramp_observer; /* its progress counts users, not records */
struct onramp_links;    /* links.h */

/* What a stage came to for one user. */
enum onramp_result {
    ONRAMP_RESULT_DONE,    /* verify: there */
    ONRAMP_RESULT_MISSING, /* the tenant has no such user */
    ONRAMP_RESULT_MOVED,   /* there, but without an identity in the connection */
    ONRAMP_RESULT_KEPT,    /* undo: has logged in since */
    ONRAMP_RESULT_SKIPPED, /* nothing was sent: no id or address to go by, or a mail may have gone already */
    ONRAMP_RESULT_REFUSED, /* the tenant refuses */
    ONRAMP_RESULT_FAILED,  /* given up after transient failures, or stopped before it was done */
    ONRAMP_RESULT_UNKNOWN, /* the answer was lost, and the tenant cannot be asked */
    ONRAMP_RESULTS
};
ONRAMP_API const char *onramp_result_name(enum onramp_result result); /* "done", "missing" … */

/* All borrowed for the call. */
struct onramp_stage_setup {
    const struct onramp_target *target;
    const struct onramp_transport *transport;
    struct onramp_ledger *ledger; /* one that is only read will do for those that write nothing */
    const char *settings_json;    /* for the ledger's run line: no secrets */
    const struct onramp_observer *observer;
    /* Each user's result, as it comes; `message` is the tenant's words, or ours; "" if there is nothing to say. NULL:
     * not wanted. The entry is as it was before. */
    void (*found)(void *context, const struct onramp_ledger_entry *entry, enum onramp_result result,
                  const char *message);
    void *found_context;
};

struct onramp_stage_summary {
    char run[40];                    /* "" if the ledger was not written */
    uint64_t users;                  /* whom the ledger says were created */
    uint64_t before;                 /* of these, done by earlier runs */
    uint64_t counts[ONRAMP_RESULTS]; /* of this run, each user once */
    uint64_t unsent;                 /* left alone because the run stopped early */
    uint64_t requests, throttled;
    double seconds;
    int exit;         /* the exit code of the command */
    char reason[512]; /* why it ended: "finished", "interrupted", or what stopped it */
};

/*
 * All of these: *summary is filled whatever the status. ONRAMP_OK: the run came to its end, be it good or bad;
 * see summary->exit. Otherwise nothing or no more could be done, and err says why: ONRAMP_EAUTH, ONRAMP_ENET,
 * ONRAMP_EREFUSED, ONRAMP_EMISMATCH, ONRAMP_EIO, ONRAMP_EUSAGE, ONRAMP_ENOMEM.
 */

/* Ask about each user by id. Writes nothing, neither to the tenant nor to the ledger. */
ONRAMP_API ONRAMP_NODISCARD enum onramp_status onramp_verify(const struct onramp_stage_setup *setup,
                                                             struct onramp_stage_summary *summary,
                                                             struct onramp_error *err);

/*
 * How people get to set their password. By ticket: a link for each user, appended to a file; no mail is sent. By mail:
 * Auth0 sends each of them a link; needs no token. The observer's confirm_mails is asked before the first.
 */
struct onramp_invite_settings {
    bool by_mail;

    struct onramp_links *links; /* by ticket: where they go */
    int64_t ttl_seconds;        /* by ticket: how long a link is good for; 0: Auth0's default, five days */
    const char *result_url;     /* by ticket: where the link leads to afterwards, or NULL */
    bool mark_verified;         /* by ticket: who follows the link has a verified address */

    const char *app; /* client_id of the application that links lead back to, or NULL */

    uint32_t mails_per_minute; /* by mail: at most, > 0 */
    bool again; /* by mail: also to those to whom a mail may have gone already, since an answer was lost */
};

/*
 * Invite each user once, one way. A lost answer to the request for a link does no harm: the link reached nobody, and
 * another is made. A lost answer to the request for a mail is recorded as unknown, told, and not asked
 * for again unless `again` is set.
 */
ONRAMP_API ONRAMP_NODISCARD enum onramp_status onramp_invite(const struct onramp_stage_setup *setup,
                                                             const struct onramp_invite_settings *settings,
                                                             struct onramp_stage_summary *summary,
                                                             struct onramp_error *err);

struct onramp_undo_settings {
    bool deletes;      /* false: only ask, and tell what would be done; nothing is written */
    bool even_if_used; /* also users that have logged in */
};

/*
 * Delete the users that the ledger proves to be of its own making, unless they have logged in since or have left the
 * connection. A user that is deleted, or found to be gone (MISSING), counts as never sent: the next upload creates it
 * again.
 */
ONRAMP_API ONRAMP_NODISCARD enum onramp_status onramp_undo(const struct onramp_stage_setup *setup,
                                                           const struct onramp_undo_settings *settings,
                                                           struct onramp_stage_summary *summary,
                                                           struct onramp_error *err);

#endif
