/*
 * upload.h - create the users of a source in a tenant, and record what became of each.
 *
 * One loop, one thread. Both interfaces it drives (source, transport) have second
 * implementations in the tests, so that whole runs replay in virtual time from a seed.
 */
#ifndef ONRAMP_UPLOAD_H
#define ONRAMP_UPLOAD_H

#include "onramp/base.h"
#include "onramp/ledger.h"
#include "onramp/pacer.h"
#include "onramp/seal.h"
#include "onramp/secret.h"
#include "onramp/source.h"
#include "onramp/stage.h"
#include "onramp/transport.h"

enum onramp_verification_mail {
    ONRAMP_MAIL_NO,    /* verify_email:false is sent: leaving it out makes Auth0 mail every unverified user */
    ONRAMP_MAIL_YES,   /* verify_email:true, for users whose address is not verified yet */
    ONRAMP_MAIL_RECORD /* as the record says; no mail if it says nothing */
};

/* How to get at the Management API. Borrowed for the run. */
struct onramp_access_settings {
    const struct onramp_secret *token; /* a Management API token; NULL: client credentials */
    const char *client_id; /* with a secret: tokens are fetched, and renewed before expiry and once on a 401 */
    const struct onramp_secret *client_secret;
    const char *audience; /* NULL: https://DOMAIN/api/v2/ */
};

/* Where requests go, and how hard to try. Borrowed for the run. */
struct onramp_target {
    const char *domain;     /* host or host:port, as the user gave it, without scheme */
    const char *connection; /* name of the database connection */
    struct onramp_access_settings access;
    const char *custom_domain; /* auth0-custom-domain header, or NULL */
    struct onramp_pacer_settings pacing;
    onramp_span timeout;       /* of one request */
    uint32_t max_attempts;     /* sends of one job that may end in a transient failure; a 429 does not count */
    onramp_span give_up_after; /* without any progress */
    uint64_t seed;             /* of backoff jitter, correlation ids and chosen user_ids; not of passwords */
};

/*
 * What is done beside the creates in the same run, for every user that the ledger says was created, by this run or an
 * earlier one, as soon as it is: roles, then the organization, then invitations. Creates go first where they draw from
 * the same bucket, and one place of the concurrency is kept for them. If the tenant refuses one of these stages, it
 * ends, with those behind it, and the creates go on. Borrowed for the run.
 */
struct onramp_after {
    const char *const *roles; /* ids, at most 50 */
    size_t role_count;
    const char *organization;                    /* its id, or NULL */
    const struct onramp_invite_settings *invite; /* NULL: nobody is invited */
    /* As in struct onramp_stage_setup. */
    void (*found)(void *context, const struct onramp_ledger_entry *entry, enum onramp_result result,
                  const char *message);
    void *found_context;
};

struct onramp_upload_settings {
    struct onramp_target target;
    const char *input_path;    /* for the ledger */
    const char *settings_json; /* for the ledger's run line: no secrets */
    uint64_t max_users;        /* larger files are refused */
    enum onramp_verification_mail verification_mail;
    uint32_t password_length;         /* raised or lowered to what the connection's policy wants */
    struct onramp_sealer *sealer;     /* keeps each password; NULL: they are forgotten */
    bool dry_run;                     /* everything but the sending */
    const struct onramp_after *after; /* NULL: nothing follows. Not of a dry run */
    bool no_preflight; /* the connection is not asked about: the first create tells whether it is right */
    /* Each record that the summary counts as something else than created or exists, once, as it is counted; of a
     * dry run too. `message` may be NULL. NULL: the counts are enough. */
    void (*missed)(void *context, uint64_t record, const struct onramp_identity *identity, enum onramp_outcome outcome,
                   const char *message);
    void *missed_context;
};

/* Where a run stands; passed to the observer once a turn at the most. */
struct onramp_progress {
    const char *stage; /* NULL: records are counted. Else users, and this is done with them: "role", "invite" … */
    uint64_t records, settled, counts[ONRAMP_OUTCOMES];
    uint64_t before; /* of the settled: by earlier runs */
    struct onramp_pacer_view pacer;
    onramp_span elapsed;   /* since the first request */
    onramp_span remaining; /* estimate; ONRAMP_NEVER while unknown */
    const char *reason;    /* why the pacer waits; borrowed for the call */
};

enum onramp_level { ONRAMP_LOG_ERROR, ONRAMP_LOG_WARN, ONRAMP_LOG_INFO, ONRAMP_LOG_DEBUG };

/* Callbacks, each may be NULL. Called on the caller's thread. */
struct onramp_observer {
    void *context;
    void (*progress)(void *context, const struct onramp_progress *progress);
    void (*log)(void *context, enum onramp_level level, const char *line); /* one line, no secret in it */
    bool (*stopping)(
        void *context); /* true once the user wants to stop: what is in flight lands, nothing more is sent */
    /* The run will make the tenant send so many mails, more than none; asked before the first write. False: it ends
     * with ONRAMP_EUSAGE. NULL: the settings that cause them are consent enough. */
    bool (*confirm_mails)(void *context, uint64_t mails);
    bool debug; /* whether ONRAMP_LOG_DEBUG lines are wanted: they cost formatting */
};

/* What the run came to; the members of `--json`. */
struct onramp_summary {
    char run[40];
    uint64_t records, counts[ONRAMP_OUTCOMES]; /* every record of the file, once, by its final outcome */
    bool blind;        /* the token may not read users: who is unknown stays so, however often the run is repeated */
    uint64_t unsent;   /* records left alone because the run stopped early: none of the above … */
    uint64_t doubtful; /* … though an earlier run has sent so many of them, and they may be there */
    uint64_t adopted;  /* of created: proven by asking: nobody has the password, unless it was sealed */
    bool ran[ONRAMP_DEEDS];                          /* which stages there were … */
    struct onramp_stage_summary after[ONRAMP_DEEDS]; /* … and what they came to */
    uint64_t requests, throttled;                    /* with those of the stages */
    bool has_least;
    uint32_t least_remaining;
    bool has_limit;
    uint32_t limit_burst;
    double limit_per_second;
    uint64_t others; /* tokens that others drew from the bucket of creates, at least; see onramp_pacer_others() */
    double seconds;
    double held_seconds; /* of these: as many were in flight as may be, while the tenant would have taken more */
    int exit;            /* the exit code of the command: 0, 1, 2, 3, 4, 5 or 130 */
    char reason[512];    /* why it ended: "finished", "interrupted", or what stopped it */
};

/*
 * Run to the end. `ledger` is open for writing (NULL only with dry_run). *summary is filled whatever the status.
 * ONRAMP_OK: the run came to its end, be it good or bad; see summary->exit. Otherwise nothing or no
 * more could be done, and err says why: ONRAMP_EINPUT, ONRAMP_EREFUSED, ONRAMP_EAUTH, ONRAMP_ENET,
 * ONRAMP_EMISMATCH, ONRAMP_EIO (the disk failed: what was in flight has landed), ONRAMP_ENOMEM.
 */
ONRAMP_API ONRAMP_NODISCARD enum onramp_status onramp_upload(const struct onramp_upload_settings *settings,
                                                             const struct onramp_source *source,
                                                             const struct onramp_transport *transport,
                                                             struct onramp_ledger *ledger,
                                                             const struct onramp_observer *observer,
                                                             struct onramp_summary *summary, struct onramp_error *err);

#endif
