/*
 * report.h - what happened, from a ledger alone: counts, causes, attempts, times, and the runs' own figures.
 */
#ifndef ONRAMP_REPORT_H
#define ONRAMP_REPORT_H

#include "onramp/base.h"
#include "onramp/ledger.h"

/* Records that ended badly for the same reason. */
struct onramp_cause {
    enum onramp_outcome outcome;
    bool open;              /* no outcome: the answer was lost with a crash */
    int status;             /* HTTP; 0 where not known */
    const char *error_code; /* NULL where not known */
    /* The message without its variable parts: quoted values, addresses, ids, numbers. Nobody's name is in it. */
    const char *text;
    const char *advice; /* one line: what to do about it */
    uint64_t count;
    const struct onramp_ledger_entry *example; /* the first of them */
};

/* Lengths of the creates that were answered, in ms, each from the first send of its run to the answer. */
struct onramp_times {
    size_t count;
    const int64_t *ms; /* in ascending order */
};

/* Everything belongs to the report and, what it borrows, to the ledger: close that later. */
struct onramp_report {
    /* Records, by record number: one for each identity, and one for each line that stands apart (see ledger.h). */
    const struct onramp_ledger_entry **entries;
    size_t entry_count;
    uint64_t counts[ONRAMP_OUTCOMES]; /* by the outcome that stands */
    uint64_t open;                    /* sent, and no outcome */
    uint64_t undone;                  /* created, and deleted by an undo since */
    uint64_t adopted;                 /* of the created: proven by asking, nobody has the password, unless sealed */
    uint64_t deeds[ONRAMP_DEEDS][ONRAMP_DEED_STATES]; /* what was done for users once they were there */

    struct onramp_cause *causes; /* the most frequent first */
    size_t cause_count;

    uint64_t attempts; /* sends of creates */
    uint32_t most_attempts;
    struct onramp_times times;

    struct onramp_ledger_past *runs; /* in the order of the file */
    size_t run_count;
    size_t unended;               /* of these: killed, or still at it; their figures are in no sum */
    uint64_t requests, throttled; /* of the runs that ended, like the next */
    bool has_least;
    uint32_t least_remaining; /* smallest x-ratelimit-remaining seen */
    uint64_t others;          /* tokens that others drew from the bucket of creates during these runs, at least */
    double seconds;
};

/* ONRAMP_OK or ONRAMP_ENOMEM; clear it either way. */
ONRAMP_API ONRAMP_NODISCARD enum onramp_status onramp_report_make(struct onramp_report *out,
                                                                  const struct onramp_ledger *ledger,
                                                                  struct onramp_error *err);
ONRAMP_API void onramp_report_clear(struct onramp_report *report); /* a zeroed one is fine */

/* Does this entry count as an outcome, rather than as open or undone? */
ONRAMP_API bool onramp_report_stands(const struct onramp_ledger_entry *entry);

/* The smallest of the times that `percent` per cent of them do not exceed (nearest rank); 0 if there are none. */
ONRAMP_API int64_t onramp_times_percentile(const struct onramp_times *times, unsigned percent);

/* "2026-01-31T23:59:59.123Z", as the ledger writes times. */
#define ONRAMP_TIME_TEXT 96
ONRAMP_API void onramp_time_text(int64_t ms, char text[ONRAMP_TIME_TEXT]);

#endif
