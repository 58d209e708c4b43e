/*
 * stage.h - a stage: users of the ledger instead of records of a file, and another request for each.
 *
 * The engine is the upload's. A kind says what the request is and what its answer means; everything that all kinds have
 * in common - throttling, tokens, failures, the ledger's lines, stopping - is here.
 */
#ifndef ONRAMP_STAGE_PARTS_H
#define ONRAMP_STAGE_PARTS_H

#include "engine.h"
#include "onramp/stage.h"

#define ONRAMP_PARTY_MAX 10 /* users that one request is about */

/* A stage's job. */
struct onramp_errand {
    bool held;
    const struct onramp_ledger_entry *who[ONRAMP_PARTY_MAX];
    uint32_t count;
    int step; /* of a series: the kind's to count */
    uint32_t failures;
    bool sent;
    bool open;                  /* the ledger has it as being sent */
    bool doubt;                 /* an answer was lost */
    char *body;                 /* of the request, malloc'd */
    struct onramp_secret *link; /* found in the answer … */
    struct onramp_secret *rest; /* … and what is left of that */
};

struct onramp_stage;

struct onramp_stage_kind {
    const char *command;       /* for run line and log */
    const char *const *scopes; /* NULL: needs no token */
    enum onramp_deed deed;
    bool open_too;             /* also users whose undo is in doubt */
    bool silent;               /* writes nothing to the ledger */
    bool repeatable;           /* an answer that was lost does no harm: the request may go again */
    bool harmless;             /* done, with its answer lost, is as good as not done */
    uint32_t party;            /* most users a request */
    int exits[ONRAMP_RESULTS]; /* exit code of each result */
    /* Is there something left to do for this user? */
    bool (*wants)(const struct onramp_stage *stage, const struct onramp_ledger_entry *entry);
    /* NULL allowed. Is its result known without a request? *message says why. */
    bool (*known)(const struct onramp_stage *stage, const struct onramp_ledger_entry *entry, enum onramp_result *result,
                  const char **message);
    /* NULL allowed. Asked once, before anything is written: shall `users` requests be made? */
    enum onramp_status (*confirm)(const struct onramp_stage *stage, uint64_t users, struct onramp_error *err);
    enum onramp_group (*group)(const struct onramp_errand *errand);
    /* Must the ledger have a line before this request leaves? */
    bool (*ahead)(const struct onramp_errand *errand);
    /* Method, path (into `path`) and body. The rest is filled in. */
    enum onramp_status (*request)(struct onramp_stage *stage, struct onramp_errand *errand, char *path, size_t room,
                                  struct onramp_request *request);
    /* NULL allowed. Take out of the answer what must not pass through ordinary memory, before anybody reads it. */
    void (*guard)(struct onramp_errand *errand, struct onramp_answer *answer);
    /* It was DONE or NOT_FOUND: finish the errand, or send it on. */
    void (*answered)(struct onramp_stage *stage, uint32_t id, const struct onramp_answer *answer,
                     const struct onramp_reply *reply);
};

struct onramp_stage {
    const struct onramp_stage_kind *kind;
    const struct onramp_stage_setup *setup;
    const void *self;            /* the kind's settings */
    const char *const *subjects; /* of its deeds; one NULL for an undo */
    size_t subject_count;
    struct onramp_stage_summary *summary;
    struct onramp_error *err;

    struct onramp_engine *engine;
    struct onramp_lane *lane;
    struct onramp_stage *next; /* whoever is through with this one goes on to that; NULL: it is the last */
    struct onramp_errand *errands;
    const struct onramp_ledger_entry **todo; /* grows as users come */
    size_t todo_count, todo_next, todo_room;
    size_t alone;  /* the next so many go each by itself: a request with others was refused, and they may not be why */
    bool complete; /* nobody comes any more */
};

/*
 * Run a stage on its own, for the users of the setup's ledger: kind, setup, self, subjects are set, the rest is zero.
 */
ONRAMP_NODISCARD enum onramp_status onramp_stage_run(struct onramp_stage *stage, struct onramp_stage_summary *summary,
                                                     struct onramp_error *err);

/*
 * Or beside others, in a lane behind those that `engine` has: set as above, and `next` perhaps. Users come by
 * onramp_stage_admit(), their results go into *summary. close() when the engine has run, whatever the status of open;
 * stages in the order of their lanes. ONRAMP_ENOMEM, ONRAMP_EUSAGE.
 */
ONRAMP_NODISCARD enum onramp_status onramp_stage_open(struct onramp_stage *stage, struct onramp_engine *engine,
                                                      const struct onramp_pacer_settings *own,
                                                      struct onramp_stage_summary *summary, struct onramp_error *err);
void onramp_stage_close(struct onramp_stage *stage);
/* A user for this stage, or, if nothing is left to do for it here, for the next. */
void onramp_stage_admit(struct onramp_stage *stage, const struct onramp_ledger_entry *entry);
/* All users of the setup's ledger that were created, in its order. */
void onramp_stage_admit_all(struct onramp_stage *stage);
/* Nobody comes any more: a party that is not full goes too. A stage says so to the next by itself. */
void onramp_stage_complete(struct onramp_stage *stage);

extern const struct onramp_stage_kind onramp_stage_roles, onramp_stage_members; /* assign.c */
/* Make ready to invite, against `target`, which *out gets the target of. */
void onramp_stage_invite(struct onramp_stage *stage, const struct onramp_invite_settings *settings,
                         const struct onramp_target *target, struct onramp_target *out);

/* Will an invitation by mail be sent to this user of the ledger? */
bool onramp_stage_mails(const struct onramp_invite_settings *settings, const struct onramp_ledger_entry *entry);

/* The errand is over for all its users. `message` for people, or NULL: the reply's. */
void onramp_stage_finish(struct onramp_stage *stage, uint32_t id, enum onramp_result result,
                         const struct onramp_reply *reply, const char *message);
/* Its next step goes at once. */
void onramp_stage_proceed(struct onramp_stage *stage, uint32_t id);
/* An answer that cannot be understood, or none: again, unless that could do the deed twice. */
void onramp_stage_doubt(struct onramp_stage *stage, uint32_t id, const struct onramp_reply *reply);

/* Was this user created by this ledger's runs, and not undone since? */
bool onramp_stage_owns(const struct onramp_ledger_entry *entry);
/* "/api/v2/users/ID" and `tail`, percent-encoded. False if it does not fit. */
bool onramp_stage_user_path(char *path, size_t room, const struct onramp_ledger_entry *entry, const char *tail);

#endif
