/*
 * question.h - what is asked of the tenant about a record: is somebody there, and is that our doing?
 *
 * By id, or by address. It is for upload.c to say when, and to act on what is told. docs/truth.md explains the
 * evidence.
 */
#ifndef ONRAMP_QUESTION_H
#define ONRAMP_QUESTION_H

#include "auth0/evidence.h"
#include "run.h"

enum onramp_told_what {
    ONRAMP_TOLD_OURS,      /* one of our attempts has created it */
    ONRAMP_TOLD_THEIRS,    /* it is there, and they have not */
    ONRAMP_TOLD_TAKEN,     /* it is not there: somebody else has one of its identifiers */
    ONRAMP_TOLD_NOBODY,    /* nobody is there */
    ONRAMP_TOLD_UNDECIDED, /* somebody is, and whose that is cannot be told */
    ONRAMP_TOLD_LITTLE     /* it takes another question, for which the job is prepared */
};

struct onramp_told {
    enum onramp_told_what what;
    char user_id[288]; /* of whom it is told; "" if of nobody */
};

/* What the run's connection does with a user_id that is sent to it. */
enum onramp_ids onramp_question_ids(const struct onramp_run *run);

/* The token may read users, and there is an id or an address to go by. */
bool onramp_question_possible(const struct onramp_run *run, const struct onramp_job *job);

/*
 * The tenant says that the user exists, and no attempt is in doubt: can a question tell more? Whatever lies between may
 * have sent the create twice, and this is the second one's answer; or somebody else has one of several identifiers.
 */
bool onramp_question_helps(const struct onramp_run *run, const struct onramp_job *job);

/* The job's next requests are questions. `conflicted`: because the tenant said "exists". */
void onramp_question_begin(const struct onramp_run *run, struct onramp_job *job, bool conflicted);

/* The path of the next one, with its query. False: an identifier is too long for it. */
ONRAMP_NODISCARD bool onramp_question_path(const struct onramp_run *run, const struct onramp_job *job, char *path,
                                           size_t room);

/* What the answer tells; `body` is NULL for a 404. False: it cannot be understood. */
ONRAMP_NODISCARD bool onramp_question_tells(struct onramp_told *told, const struct onramp_run *run,
                                            struct onramp_job *job, const char *body);

#endif
