/*
 * ledger.h - what became of each record, in an append-only file of NDJSON.
 *
 * Crash rule: a line counts once onramp_ledger_sync() has returned. A crash, of the process or of
 * the machine, can only damage what was written since the last sync, that is the end
 * of the file; open drops such damage (cuts the file after its last whole line) and says so.
 * Damage with whole lines behind it is not from a crash: open names the line and refuses.
 * Each line carries a checksum ("crc") so that this can be told. One writer (flock).
 * After a failed write or sync the ledger takes nothing more: every later call fails too.
 *
 * Lines are of the types run, attempt, outcome, invite and end, as docs/ledger.md describes.
 * No token, password or link is ever written to it.
 */
#ifndef ONRAMP_LEDGER_H
#define ONRAMP_LEDGER_H

#include "onramp/base.h"
#include "onramp/identity.h"

enum onramp_outcome {
    ONRAMP_CREATED,   /* the tenant has this user because of this ledger's runs */
    ONRAMP_EXISTS,    /* the tenant had this identity before */
    ONRAMP_REJECTED,  /* the tenant refused for good */
    ONRAMP_INVALID,   /* refused here, never sent */
    ONRAMP_DUPLICATE, /* a second record of the file with the same identity, never sent */
    ONRAMP_FAILED,    /* given up after transient failures; not created. Sent again by the next run */
    ONRAMP_UNKNOWN,   /* an answer was lost and the tenant could not be asked. Asked again by the next run */
    ONRAMP_OUTCOMES
};
ONRAMP_API const char *onramp_outcome_name(enum onramp_outcome outcome); /* "created" … */

/* How the ledger touches the disk: an interface, since tests make each call fail. NULL ops: the file system. */
struct onramp_disk {
    void *self;
    /* Append all of `bytes`; 0 or an errno. A failed append may have written a part. */
    int (*append)(void *self, int fd, const char *bytes, size_t size);
    int (*sync)(void *self, int fd); /* 0 or an errno */
};

struct onramp_ledger; /* opaque; not thread-safe */

/*
 * Open or create `path` (mode 0600), lock it, replay it. On ONRAMP_OK *out is the caller's, to close.
 * Otherwise *out is untouched:
 *   ONRAMP_ELOCKED   another run is writing it
 *   ONRAMP_ECORRUPT  damaged before its end, or not a ledger at all; names the line
 *   ONRAMP_EIO, ONRAMP_ENOMEM
 * `disk` is borrowed for the ledger's life; NULL for the real one.
 */
ONRAMP_API ONRAMP_NODISCARD enum onramp_status onramp_ledger_open(struct onramp_ledger **out, const char *path,
                                                                  const struct onramp_disk *disk,
                                                                  struct onramp_error *err);

/* The same without lock or writing, for reports: damage at the end is passed over, nothing is changed. A missing file
 * is ONRAMP_EIO. */
ONRAMP_API ONRAMP_NODISCARD enum onramp_status onramp_ledger_read(struct onramp_ledger **out, const char *path,
                                                                  struct onramp_error *err);

ONRAMP_API void onramp_ledger_close(struct onramp_ledger *ledger); /* NULL is fine */

/* Bytes cut from a damaged end by open; 0 if it was whole. */
ONRAMP_API size_t onramp_ledger_repaired(const struct onramp_ledger *ledger);

struct onramp_ledger_run {
    int64_t at;      /* ms since 1970 */
    const char *run; /* unique id of this run */
    const char *input_path, *input_sha256;
    uint64_t input_records;
    const char *domain, *connection;
    const char *settings; /* a JSON object of the settings in force, without secrets */
};

/*
 * Begin a run: its line is written and synced. ONRAMP_EMISMATCH if the ledger's earlier runs were for another
 * tenant or connection, or for another file (neither path nor digest the same: an edited
 * file and a moved one are fine). ONRAMP_EIO.
 */
ONRAMP_API ONRAMP_NODISCARD enum onramp_status onramp_ledger_begin(struct onramp_ledger *ledger,
                                                                   const struct onramp_ledger_run *run,
                                                                   struct onramp_error *err);

/* Would begin() refuse? The same check without writing, to be made before the first request. */
ONRAMP_API ONRAMP_NODISCARD enum onramp_status onramp_ledger_match(const struct onramp_ledger *ledger,
                                                                   const struct onramp_ledger_run *run,
                                                                   struct onramp_error *err);

/* An attempt: write before the request leaves, sync before it leaves. */
struct onramp_ledger_attempt {
    int64_t at;
    uint64_t record;
    struct onramp_identity identity;
    uint32_t attempt;           /* from 1, counted over all runs of this ledger */
    const char *correlation_id; /* as sent */
    const char *chosen_id; /* the user_id that onramp chose for this user, without prefix: proof that a user found later
                              is ours; NULL if none. Written as "user_id" */
    int64_t tenant_date;   /* latest Date seen from the tenant before this attempt, Unix seconds; 0 if none. Written as
                              "tenant_date" */
};
ONRAMP_API ONRAMP_NODISCARD enum onramp_status onramp_ledger_attempt(struct onramp_ledger *ledger,
                                                                     const struct onramp_ledger_attempt *attempt,
                                                                     struct onramp_error *err);

struct onramp_ledger_outcome {
    int64_t at;
    uint64_t record;
    struct onramp_identity identity;
    enum onramp_outcome outcome;
    uint32_t attempts;
    int64_t ms; /* from the first send of this run to the answer; 0 if never sent */
    int status; /* HTTP; 0 where not known */
    const char *user_id, *error_code, *message, *correlation_id; /* NULL where not known */
    bool adopted; /* created, but proven by asking: nobody has its password. Written as "adopted":true */
};
ONRAMP_API ONRAMP_NODISCARD enum onramp_status onramp_ledger_outcome(struct onramp_ledger *ledger,
                                                                     const struct onramp_ledger_outcome *outcome,
                                                                     struct onramp_error *err);

struct onramp_ledger_end {
    int64_t at;
    const char *reason; /* "finished", "interrupted", "gave up", "stopped: …" */
    uint64_t counts[ONRAMP_OUTCOMES];
    uint64_t requests, throttled;
    bool has_least;
    uint32_t least_remaining;
    double seconds;
};
ONRAMP_API ONRAMP_NODISCARD enum onramp_status onramp_ledger_end(struct onramp_ledger *ledger,
                                                                 const struct onramp_ledger_end *end,
                                                                 struct onramp_error *err);

/* Make every line written so far durable (fdatasync). Does nothing if there is none. ONRAMP_EIO. */
ONRAMP_API ONRAMP_NODISCARD enum onramp_status onramp_ledger_sync(struct onramp_ledger *ledger,
                                                                  struct onramp_error *err);

/* What the ledger says of one identity, replayed and as written since. Strings live as long as the ledger or until the
 * identity's next line. */
struct onramp_ledger_entry {
    uint64_t record; /* as of its latest line */
    struct onramp_identity identity;
    uint32_t attempts;         /* attempt lines */
    int64_t attempted_at;      /* wall clock, ms, of the first attempt line with no outcome after it; 0 if none */
    int64_t last_attempted_at; /* of the latest such line */
    bool open;                 /* an attempt has no outcome after it: its answer was lost with a crash */
    bool settled;              /* has an outcome that stands: not failed, not unknown, not open */
    bool has_outcome;
    enum onramp_outcome outcome; /* the latest */
    bool adopted;
    int status;
    const char *user_id, *error_code, *message,
        *correlation_id; /* NULL where not known; correlation_id of the latest attempt */
};

/*
 * NULL if the ledger has no line about it. Matched by onramp_identity_primary(). A `duplicate` line speaks of a
 * second record with an identity that is another record's too, so it never makes or changes an entry; nor does an
 * `invalid` line change an entry that is settled as created or exists.
 */
ONRAMP_API const struct onramp_ledger_entry *onramp_ledger_find(const struct onramp_ledger *ledger,
                                                                const struct onramp_identity *identity);

/* Every identity, in the order of its first line. Stop by returning false. */
ONRAMP_API void onramp_ledger_each(const struct onramp_ledger *ledger,
                                   bool (*visit)(void *context, const struct onramp_ledger_entry *entry),
                                   void *context);

#endif
