/*
 * run.h - one run of an upload: its state, its beginning and its end. What happens to a record between is upload.c's.
 */
#ifndef ONRAMP_RUN_H
#define ONRAMP_RUN_H

#include "auth0/reply.h"
#include "auth0/user.h"
#include "census.h"
#include "onramp/scheduler.h"
#include "onramp/upload.h"
#include "session.h"

enum onramp_stop {
    ONRAMP_STOP_NOT,
    ONRAMP_STOP_INTERRUPTED,
    ONRAMP_STOP_GAVE_UP,
    ONRAMP_STOP_REFUSED,
    ONRAMP_STOP_UNAUTHORIZED,
    ONRAMP_STOP_DISK,
    ONRAMP_STOP_INPUT
};

struct onramp_job {
    bool held;
    uint64_t ordinal;
    struct onramp_user user;
    struct onramp_secret *body; /* made at the first departure, the same for each, wiped when settled */
    char chosen_id[25];         /* the user_id that we gave it; "" if none */
    char correlation[65];
    uint32_t attempts;         /* sends of this record, over all runs of the ledger */
    uint32_t failures;         /* of this run: creates that failed in passing */
    uint32_t ask_failures;     /* the same of look-ups */
    bool sent;                 /* in this run */
    bool asking;               /* its next or present request is a look-up */
    bool lost;                 /* an attempt may have been acted on: ask before anything else */
    bool doubtful;             /* one was, at some time: "exists" may be our own doing */
    bool conflicted;           /* we ask because the tenant said "exists" */
    int64_t tenant_date;       /* the tenant's clock before the first attempt in doubt; 0: not known */
    onramp_time sent_at;       /* first departure of this run */
    struct onramp_reply reply; /* the latest answer to a create */
};

struct onramp_run {
    const struct onramp_upload_settings *settings;
    const struct onramp_source *source;
    const struct onramp_transport *transport;
    struct onramp_ledger *ledger;
    const struct onramp_observer *observer;
    struct onramp_summary *summary;
    struct onramp_error *err;

    struct onramp_census census;
    struct onramp_session session;
    struct onramp_pacer *pacer;
    struct onramp_scheduler *scheduler;
    struct onramp_user_rules rules;

    struct onramp_job *jobs;
    uint32_t job_count;
    uint32_t *departing; /* jobs that leave this turn */
    uint32_t departing_count;
    uint64_t to_feed; /* sendable records not yet read in the second pass */
    uint64_t before;  /* settled by earlier runs */

    onramp_time now, started_at, progress_at;
    uint64_t setbacks; /* failures and refusals since there was progress */
    enum onramp_stop stop;
    enum onramp_status status;
};

/* Make what a run needs. Clear it whatever the status. */
ONRAMP_NODISCARD enum onramp_status onramp_run_init(struct onramp_run *run);
void onramp_run_clear(struct onramp_run *run);

/*
 * All that comes before the first create: the whole file is read, the ledger fits it, the tenant has been asked about
 * the connection, the ledger has the run's line.
 */
ONRAMP_NODISCARD enum onramp_status onramp_run_prepare(struct onramp_run *run);
int onramp_run_early_exit(const struct onramp_run *run, enum onramp_status status); /* exit code if that failed */

/* The first reason counts. What is in flight lands, nothing more leaves. */
void onramp_run_stop(struct onramp_run *run, enum onramp_stop stop, enum onramp_status status, const char *reason);
/* The same for a failure that run->err has the text of. */
void onramp_run_fail(struct onramp_run *run, enum onramp_stop stop, enum onramp_status status);

void onramp_run_report(struct onramp_run *run); /* progress, to the observer */

/* Counts, figures and exit code into the summary, and the ledger's last line. */
ONRAMP_NODISCARD enum onramp_status onramp_run_end(struct onramp_run *run);

int64_t onramp_run_wall(const struct onramp_run *run); /* for the ledger's `at` */
void onramp_job_forget(struct onramp_job *job);        /* wipe and free what it holds */

#endif
