/*
 * summary.h - what a run came to, for people and for scripts.
 */
#ifndef ONRAMP_CLI_SUMMARY_H
#define ONRAMP_CLI_SUMMARY_H

#include <onramp/upload.h>

#include <stdio.h>

#define SUMMARY_EXAMPLES 5

/* The first records of the file that this run found wanting. A ledger tells of earlier runs too, and of records that
 * were corrected since. Zeroed is empty; clear it when done. */
struct summary_examples {
    char *lines[SUMMARY_EXAMPLES];
    size_t count;
    bool more;
};
/* As struct onramp_upload_settings wants it; the context is the examples. */
void summary_missed(void *context, uint64_t record, const struct onramp_identity *identity, enum onramp_outcome outcome,
                    const char *message);
void summary_examples_clear(struct summary_examples *examples);

/* What people are told beside the figures. */
struct summary_names {
    const char *input;  /* "users.json" */
    const char *ledger; /* its path; NULL for a dry run, or where it does not outlive the command */
    const char *sealed; /* where passwords are kept; NULL: nowhere */
    const struct summary_examples *examples; /* or NULL */
    bool dry_run;
};
void summary_text(FILE *out, const struct onramp_summary *summary, const struct summary_names *names);

/* Was it --concurrency that kept it from being quicker, rather than the tenant? Of half a second and of a tenth on. */
bool summary_is_held(const struct onramp_summary *summary);
/* The rest of the line that tells the time: how much of it, if it was; and the line's end. */
void summary_held(FILE *out, const struct onramp_summary *summary);

/*
 * One object and a line end: run, ledger, records, one member an outcome, requests, throttled, least_remaining,
 * limit {burst, per_second}, others, seconds, exit. null where not known.
 */
ONRAMP_NODISCARD enum onramp_status summary_json(FILE *out, const struct onramp_summary *summary,
                                                 const char *ledger_path, struct onramp_error *err);

#endif
