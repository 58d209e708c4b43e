/*
 * run.h - one run of an upload: its state, its beginning and its end. What happens to a record between is upload.c's.
 */
#ifndef ONRAMP_RUN_H
#define ONRAMP_RUN_H

#include "auth0/user.h"
#include "census.h"
#include "engine.h"
#include "onramp/upload.h"

struct onramp_job {
    bool held;
    uint64_t ordinal;
    struct onramp_user user;
    struct onramp_secret *password, *body; /* made at the first departure, the same for each, wiped when settled */
    char chosen_id[25];                    /* the user_id that we gave it; "" if none */
    char correlation[65];
    uint32_t attempts;         /* sends of this record, over all runs of the ledger */
    uint32_t failures;         /* of this run: creates that failed in passing */
    uint32_t ask_failures;     /* the same of look-ups */
    bool sent;                 /* in this run */
    bool stray;                /* the file no longer has it: it is asked about, and never sent */
    bool asking;               /* its next or present request is a look-up */
    bool inherited;            /* an earlier run left it in doubt */
    bool lost;                 /* an attempt may have been acted on: ask before anything else */
    bool doubtful;             /* one was, at some time: "exists" may be our own doing */
    bool undoing;              /* we ask because a delete was on its way: if nobody is there, it begins anew */
    bool beforehand;           /* it asks before its first attempt, since most of late were there already */
    bool conflicted;           /* we ask because the tenant said "exists" … */
    bool by_address;           /* it asks who has the address, not who has the id … */
    bool neither;              /* … or the reverse, and nobody has the other one */
    onramp_time asked_at;      /* departure of its latest look-up … */
    int64_t asked_date;        /* … by the tenant's clock; 0: not known */
    bool outdated;             /* it was to leave on a "nobody" that is not fresh any more: it asks anew */
    int64_t tenant_date;       /* by the tenant's clock: none of our attempts in doubt is older; 0: not known */
    onramp_time sent_at;       /* first departure of this run */
    struct onramp_reply reply; /* the latest answer to a create */
};

struct onramp_run {
    const struct onramp_upload_settings *settings;
    const struct onramp_source *source;
    struct onramp_ledger *ledger;
    struct onramp_summary *summary;
    struct onramp_error *err;

    struct onramp_engine engine;
    struct onramp_lane *lane;           /* of the creates, the first */
    struct onramp_following *following; /* after.c's: what is done for those created; NULL before */
    struct onramp_census census;
    struct onramp_user_rules rules;
    struct onramp_job *jobs; /* as many as the engine has numbers for */
    uint64_t to_feed;        /* strays, and sendable records not yet read in the second pass */
    size_t strays_fed;
    uint64_t strays[ONRAMP_OUTCOMES]; /* what became of them; the summary counts records of the file alone */
    uint64_t before;                  /* settled by earlier runs */
    uint64_t doubts_met;              /* of the census' doubtful, those of whom this run has said something */
    uint32_t residents;               /* of the latest new records: how many more were there already than not */
};

/* Make what a run needs. `ops` are upload.c's. Clear it whatever the status. */
ONRAMP_NODISCARD enum onramp_status onramp_run_init(struct onramp_run *run, const struct onramp_lane_ops *ops,
                                                    const struct onramp_transport *transport,
                                                    const struct onramp_observer *observer);
void onramp_run_clear(struct onramp_run *run);

/*
 * All that comes before the first create: the whole file is read, the ledger fits it, the tenant has been asked about
 * the connection, the ledger has the run's line.
 */
ONRAMP_NODISCARD enum onramp_status onramp_run_prepare(struct onramp_run *run);

/*
 * Does what the ledger says of a record still stand, so that it is not sent again? A refusal for good was one of the
 * record as it was: in a file that was edited since, the record may have been corrected and is sent once more.
 */
bool onramp_run_stands(const struct onramp_run *run, const struct onramp_ledger_entry *entry);

void onramp_run_report(struct onramp_run *run); /* progress, to the observer */

/* Counts, figures and exit code into the summary, and the ledger's last line. */
ONRAMP_NODISCARD enum onramp_status onramp_run_end(struct onramp_run *run);

void onramp_job_forget(struct onramp_job *job); /* wipe and free what it holds */

#endif
