/*
 * job.h - one upload from settings to summary: what the commands upload and demo have in common.
 */
#ifndef ONRAMP_CLI_JOB_H
#define ONRAMP_CLI_JOB_H

#include "console.h"
#include "settings.h"

/* What is not the settings' to say. All borrowed. */
struct job {
    const struct settings *settings;
    enum command_bit command;  /* whose settings the ledger records */
    const char *file, *ledger; /* ledger NULL: a dry run */
    const char *sealed;        /* where to keep passwords, sealed to `seal_to`; NULL: nowhere */
    const struct onramp_seal_public *seal_to;
    const struct domain *domain; /* of the tenant */
    const char *connection;
    struct onramp_access_settings access;
    const char *cacert, *proxy; /* proxy "" for none, NULL for the environment's */
    int tier;                   /* starting knowledge, -1 for none */
    uint64_t max_users;
    const struct onramp_after *after; /* what follows the creates, or NULL */
    const char *title;                /* what the summary calls the file */
    bool fleeting;                    /* the ledger does not outlive the command: no use in telling where it is */
};

/* Run it: talk to `console`, the summary to standard output. Returns the exit code. */
int job_run(const struct job *job, struct console *console);

#endif
