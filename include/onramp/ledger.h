/*
 * ledger.h - what became of each record, in an append-only file of NDJSON.
 *
 * Crash rule: a line counts once onramp_ledger_sync() has returned. A crash, of the process or of the
 * machine, can only damage what was written since the last sync, and open drops such damage: it
 * cuts the file after the last whole line in front of it. Whole lines of that last batch which reached the disk
 * are kept, synced or not: what they say was true when they were written.
 *
 * How a crash is told from other damage: each line carries a checksum ("crc"), and how many bytes of the
 * file were on disk when it was written ("synced"). After a power loss the blocks of the last
 * batch may be there in any mixture, with holes of zeros and whole lines behind them; but no line behind such
 * a hole can say that the hole had been on disk. If one does, the damage is not from a crash, and
 * open names the line and refuses. It also refuses lines that are complete but do not match their
 * checksum, wherever they stand, since no crash makes those. begin and end have syncs of
 * their own around them, so that in a ledger that was ended everything in front of the end line is guarded.
 *
 * A ledger written by hand needs neither member, but then no line of the run may have them.
 * One writer (flock). After a failed write or sync the ledger takes nothing more: every
 * later call fails too, and what the failure left is the torn end that the next open cuts.
 * A file whose first line is no run line is not a ledger and is never changed, unless
 * it is nothing but the beginning of our own first line, or zeros, as a crash leaves.
 *
 * Lines are of the types run, attempt, outcome, invite, role, member, undo and end, as docs/ledger.md describes. Texts
 * from outside are clipped, and bytes that are not UTF-8 replaced by '?'. No token, password or link is ever written to
 * it.
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

/*
 * How the ledger touches the disk: an interface, since tests make each call fail. NULL: the file system.
 * Lines are appended one a call.
 */
struct onramp_disk {
    void *self;
    /* Append all of `bytes`; 0 or an errno. A failed append may have written a part. */
    int (*append)(void *self, int fd, const char *bytes, size_t size);
    /* 0 or an errno. `fd` is the ledger, or the directory of a new one. */
    int (*sync)(void *self, int fd);
};

struct onramp_ledger; /* opaque; not thread-safe */

/*
 * Open or create `path` (mode 0600), lock it, replay it, repair its end, and make what was replayed durable.
 * A symbolic link is followed. On ONRAMP_OK *out is the caller's, to close. Otherwise *out is untouched:
 *   ONRAMP_ELOCKED   another run is writing it
 *   ONRAMP_ECORRUPT  damaged before its end (names the line), or not a ledger at all; the file is as it was
 *   ONRAMP_EIO       cannot be opened or written, is no regular file; ONRAMP_ENOMEM
 * `disk` is borrowed for the ledger's life; NULL for the real one.
 */
ONRAMP_API ONRAMP_NODISCARD enum onramp_status onramp_ledger_open(struct onramp_ledger **out, const char *path,
                                                                  const struct onramp_disk *disk,
                                                                  struct onramp_error *err);

/* The same without lock or writing, for reports: damage at the end is passed over, nothing is changed. A missing file
 * is ONRAMP_EIO. */
ONRAMP_API ONRAMP_NODISCARD enum onramp_status onramp_ledger_read(struct onramp_ledger **out, const char *path,
                                                                  struct onramp_error *err);

/* One that is in memory only, for rehearsals: everything is as with a file, and nothing is kept. ONRAMP_ENOMEM. */
ONRAMP_API ONRAMP_NODISCARD enum onramp_status onramp_ledger_in_memory(struct onramp_ledger **out,
                                                                       struct onramp_error *err);

ONRAMP_API void onramp_ledger_close(struct onramp_ledger *ledger); /* NULL is fine */

/* Bytes of a damaged end that open cut off, or read passed over; 0 if it was whole. */
ONRAMP_API size_t onramp_ledger_repaired(const struct onramp_ledger *ledger);

/* Others may read the file, and open could not take that from them (a file system without modes,
 * or another owner): worth a warning, since it holds names. */
ONRAMP_API bool onramp_ledger_exposed(const struct onramp_ledger *ledger);

struct onramp_ledger_run {
    int64_t at;      /* ms since 1970 */
    const char *run; /* unique id of this run */
    const char *input_path, *input_sha256;
    uint64_t input_records;
    const char *domain, *connection;
    const char *settings; /* a JSON object of the settings in force, without secrets */
    const char *command;  /* "invite" …; NULL for an upload, whose line says nothing of it */
};

/*
 * Begin a run: its line is written and synced. ONRAMP_EMISMATCH if the ledger's earlier runs were for another
 * tenant or connection, or for another file (neither path nor digest the same as in any of them: an edited
 * file and a moved one are fine). ONRAMP_EIO. ONRAMP_EUSAGE: settings are no JSON object, or too long.
 */
ONRAMP_API ONRAMP_NODISCARD enum onramp_status onramp_ledger_begin(struct onramp_ledger *ledger,
                                                                   const struct onramp_ledger_run *run,
                                                                   struct onramp_error *err);

/* Would begin() refuse? The same check without writing, to be made before the first request. */
ONRAMP_API ONRAMP_NODISCARD enum onramp_status onramp_ledger_match(const struct onramp_ledger *ledger,
                                                                   const struct onramp_ledger_run *run,
                                                                   struct onramp_error *err);

/* Of the latest run: what another command takes over from it. Borrowed strings; without at, settings and command. False
 * if there was none. */
ONRAMP_API bool onramp_ledger_last(const struct onramp_ledger *ledger, struct onramp_ledger_run *out);

/* Lines may be written between begin and close, to a ledger that was opened for writing. All may fail with ONRAMP_EIO
 * or ONRAMP_ENOMEM. */

/* An attempt: write before the request leaves, sync before it leaves. */
struct onramp_ledger_attempt {
    int64_t at;
    uint64_t record;
    struct onramp_identity identity;
    uint32_t attempt;           /* from 1, counted over all runs of this ledger */
    const char *correlation_id; /* as sent */
    const char *chosen_id; /* the user_id that onramp chose for this user, without prefix: proof that a user found later
                              is ours; NULL if none. Written as "user_id" */
    int64_t tenant_date;   /* Unix seconds by the tenant's clock: no attempt in doubt left before; 0 if not known.
                              Written as "tenant_date" */
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
    bool adopted; /* created, but proven by asking: nobody has its password, unless it was sealed. Written as
                     "adopted":true */
};
ONRAMP_API ONRAMP_NODISCARD enum onramp_status onramp_ledger_outcome(struct onramp_ledger *ledger,
                                                                     const struct onramp_ledger_outcome *outcome,
                                                                     struct onramp_error *err);

/*
 * What is done for a user once it is there. Each deed has a line type of its own.
 */
enum onramp_deed {
    ONRAMP_DEED_INVITE, /* subject: "ticket" or "email" */
    ONRAMP_DEED_ROLE,   /* subject: the role's id */
    ONRAMP_DEED_MEMBER, /* subject: the organization's id */
    ONRAMP_DEED_UNDO,   /* the user is deleted; subject: NULL */
    ONRAMP_DEEDS
};

enum onramp_deed_state {
    ONRAMP_DEED_NONE,    /* no line */
    ONRAMP_DEED_SENDING, /* on disk before its request leaves; nothing more is known if this is the last line */
    ONRAMP_DEED_DONE,
    ONRAMP_DEED_REFUSED, /* for good */
    ONRAMP_DEED_FAILED,  /* given up after transient failures, surely not done */
    ONRAMP_DEED_UNKNOWN, /* its answer was lost */
    ONRAMP_DEED_STATES
};
/* "sending", "done" …, as `outcome` says it. */
ONRAMP_API const char *onramp_deed_state_name(enum onramp_deed_state state);

struct onramp_ledger_deed {
    int64_t at;
    enum onramp_deed kind;
    const char *subject; /* borrowed; NULL for an undo */
    enum onramp_deed_state state;
    int status;                       /* HTTP; 0 where not known */
    const char *error_code, *message; /* NULL where not known */
};

struct onramp_ledger_entry;

/*
 * Write a deed for the user of `entry`, which is one of this ledger's. An undo that is done takes the user out of the
 * ledger's mind: the entry is left as if nothing had ever been sent, but for `undone`. One that is being sent, or whose
 * answer was lost, leaves it open: the next upload asks whether the user is there.
 */
ONRAMP_API ONRAMP_NODISCARD enum onramp_status onramp_ledger_deed(struct onramp_ledger *ledger,
                                                                  const struct onramp_ledger_entry *entry,
                                                                  const struct onramp_ledger_deed *deed,
                                                                  struct onramp_error *err);

struct onramp_ledger_end {
    int64_t at;
    const char *reason; /* "finished", "interrupted", "gave up", "stopped: …" */
    uint64_t counts[ONRAMP_OUTCOMES];
    uint64_t requests, throttled;
    bool has_least;
    uint32_t least_remaining;
    double seconds;
    bool has_limit; /* what the answers taught about the bucket that creates draw from: plan --ledger goes by it */
    uint32_t limit_burst;
    double limit_per_second;
    uint64_t others; /* tokens that others drew from that bucket meanwhile, at least; 0 where nothing is proven */
};
/* Syncs, writes the line, syncs again. */
ONRAMP_API ONRAMP_NODISCARD enum onramp_status onramp_ledger_end(struct onramp_ledger *ledger,
                                                                 const struct onramp_ledger_end *end,
                                                                 struct onramp_error *err);

/* Make every line written so far durable (fdatasync). Does nothing if there is none. ONRAMP_EIO, also if the file was
 * removed or replaced under its path: the next run would not find these lines. */
ONRAMP_API ONRAMP_NODISCARD enum onramp_status onramp_ledger_sync(struct onramp_ledger *ledger,
                                                                  struct onramp_error *err);

/*
 * What the ledger says of one identity, replayed and as written since. Strings live as long as the ledger or until the
 * identity's next line; the entry itself as long as the ledger.
 *
 * What was refused here says nothing about the tenant and must not hide what is known of it: a `duplicate`
 * line, and an `invalid` one about an identity that was created, exists or may be there (open, unknown), or that
 * another record of the same file has, make an entry of their own, which each() shows and find() does not. So do
 * records without any identity.
 */
struct onramp_ledger_entry {
    uint64_t record;                 /* as of its latest line */
    struct onramp_identity identity; /* user_id only where there is no other identifier */
    uint32_t attempts;               /* attempt lines, since an undo if there was one */
    int64_t attempted_at;            /* wall clock, ms, of the first attempt line with no outcome after it; 0 if none */
    int64_t last_attempted_at;       /* of the latest such line */
    bool open; /* an attempt, or an undo, has no outcome after it: its answer was lost, with a crash maybe */
    /* Has an outcome that stands, so the record is not sent again: not failed, not unknown, not open; and not invalid,
     * since the file may have been corrected, and is judged anew by each run. */
    bool settled;
    bool has_outcome;
    enum onramp_outcome outcome; /* the latest, and when it was written and how long it took, as its line says */
    int64_t at, ms;
    const char *input_sha256; /* of the file that this outcome is about; NULL without one */
    bool adopted;
    int status;
    /* NULL where not known; user_id from outcomes only; correlation_id of the latest attempt. */
    const char *user_id, *error_code, *message, *correlation_id;
    const char *chosen_id;   /* of the latest attempt; NULL if it had none */
    const char *attempt_run; /* the run of the latest attempt; NULL if there was none */
    int64_t tenant_date;     /* of the latest attempt; 0 after an outcome other than unknown, and if not known */
    bool undone;             /* was created, and deleted by an undo since */
    /* The latest line of each deed for this user, without its texts; for a user that was created anew, its own. */
    const struct onramp_ledger_deed *deeds;
    size_t deed_count;
};

/* `subject` NULL for an undo. */
ONRAMP_API enum onramp_deed_state onramp_ledger_deed_state(const struct onramp_ledger_entry *entry,
                                                           enum onramp_deed kind, const char *subject);

/* Is it not known whether this user is there? The next upload asks. */
ONRAMP_API bool onramp_ledger_in_doubt(const struct onramp_ledger_entry *entry);

/* Is a delete of this user on its way, or its answer lost? Then nobody knows whether it is there: the entry is open. */
ONRAMP_API bool onramp_ledger_undoing(const struct onramp_ledger_entry *entry);

/* NULL if the ledger has no line about it, or only such ones as make entries of their own. Matched by
 * onramp_identity_primary(). */
ONRAMP_API const struct onramp_ledger_entry *onramp_ledger_find(const struct onramp_ledger *ledger,
                                                                const struct onramp_identity *identity);

/* Every identity, in the order of its first line. Stop by returning false. */
ONRAMP_API void onramp_ledger_each(const struct onramp_ledger *ledger,
                                   bool (*visit)(void *context, const struct onramp_ledger_entry *entry),
                                   void *context);

/* A run that the ledger tells of. */
struct onramp_ledger_past {
    struct onramp_ledger_run run; /* borrowed strings */
    bool ended;                   /* by itself; if not, it was killed or is still at it */
    struct onramp_ledger_end end; /* if so */
};

/* Every run, in the order of the file. Stop by returning false. */
ONRAMP_API void onramp_ledger_runs(const struct onramp_ledger *ledger,
                                   bool (*visit)(void *context, const struct onramp_ledger_past *past), void *context);

#endif
