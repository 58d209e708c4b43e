/*
 * stage_job.h - one stage from settings to summary: what the commands about a ledger's users have in common.
 */
#ifndef ONRAMP_CLI_STAGE_JOB_H
#define ONRAMP_CLI_STAGE_JOB_H

#include "reach.h"

#include <jansson.h>

/* A result's name for people and in --json, and whether its users are listed. NULL: it cannot come up. */
struct stage_word {
    const char *name;
    bool listed;
};

struct stage_job {
    const struct settings *settings;
    enum command_bit command; /* whose settings the ledger records */
    const char *name;
    bool writes; /* to the ledger */
    bool token;  /* needs one */
    struct stage_word words[ONRAMP_RESULTS];
    const char *note; /* for people, under the figures; NULL for none */
    /* Run it. Everything is open, and `self` is its own. */
    enum onramp_status (*run)(void *self, const struct onramp_stage_setup *setup, struct onramp_stage_summary *summary,
                              struct onramp_error *err);
    void *self;

    /* Filled by stage_job_run(). */
    struct console console;
    struct reach_talk talk;
    struct domain domain;
    struct onramp_ledger *ledger;
    struct onramp_transport pool;
    char *settings_json;
    json_t *findings; /* of listed results */
};

/* Returns the exit code. */
int stage_job_run(struct stage_job *job);

/* The summary as people read it, and as --json. */
void stage_job_text(const struct stage_job *job, const struct onramp_stage_summary *summary);
json_t *stage_job_json(const struct stage_job *job, const struct onramp_stage_summary *summary); /* NULL: no memory */

#endif
