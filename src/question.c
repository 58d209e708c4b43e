/*
 * question.c - whom to ask for, and what the answer says.
 */
#include "question.h"

#include <stdio.h>
#include <string.h>

#define FOUND_MAX 16 /* users of one address that are considered */

enum onramp_ids onramp_question_ids(const struct onramp_run *r)
{
    const struct onramp_session *session = &r->engine.session;
    if (!session->connection_known)
        return ONRAMP_IDS_UNSURE;
    return session->connection.custom_database ? ONRAMP_IDS_REPLACED : ONRAMP_IDS_KEPT;
}

/* The user_id that a look-up can go by: the one we chose, else the record's own; NULL if there is none. */
static const char *known_id(const struct onramp_run *r, const struct onramp_job *job)
{
    if (onramp_question_ids(r) == ONRAMP_IDS_REPLACED)
        return NULL;
    return job->chosen_id[0] != '\0' ? job->chosen_id : job->user.identity.user_id;
}

/* By id where ids are kept: one exact answer. Else by address, which also shows a user whom a custom database named. */
static bool by_id(const struct onramp_run *r, const struct onramp_job *job)
{
    return known_id(r, job) != NULL && (onramp_question_ids(r) == ONRAMP_IDS_KEPT || job->user.identity.email == NULL);
}

/* It can be asked about by address as well as by id. */
static bool two_ways(const struct onramp_run *r, const struct onramp_job *job)
{
    return onramp_question_ids(r) == ONRAMP_IDS_KEPT && by_id(r, job) && job->user.identity.email != NULL;
}

/* Where several identifiers have to be free, a conflict is about one of them: somebody else may have that one alone,
 * and then this user is not there. Only a tenant that keeps its own list of them can be asked. */
static bool may_lack_one(const struct onramp_run *r, const struct onramp_job *job)
{
    const struct onramp_identity *identity = &job->user.identity;
    return onramp_question_ids(r) == ONRAMP_IDS_KEPT && identity->email != NULL &&
           (identity->username != NULL || identity->phone_number != NULL);
}

bool onramp_question_possible(const struct onramp_run *r, const struct onramp_job *job)
{
    return r->engine.session.may_ask && (job->user.identity.email != NULL || by_id(r, job));
}

bool onramp_question_helps(const struct onramp_run *r, const struct onramp_job *job)
{
    return (job->chosen_id[0] != '\0' || may_lack_one(r, job)) && onramp_question_possible(r, job);
}

/* ---- asking ---- */

void onramp_question_begin(const struct onramp_run *r, struct onramp_job *job, bool conflicted)
{
    job->asking = true;
    job->conflicted = conflicted;
    job->neither = false;
    /* Mostly somebody has the address, and is either ours or not. What is in doubt goes by its id first: the address
     * may have been changed since. */
    job->by_address = conflicted && !job->doubtful && two_ways(r, job);
}

bool onramp_question_path(const struct onramp_run *r, const struct onramp_job *job, char *path, size_t room)
{
    static const char fields[] = "fields=user_id,created_at,email,username,phone_number,identities&include_fields=true";
    char key[ONRAMP_IDENTITY_KEY_MAX];
    if (by_id(r, job) && !job->by_address && !job->beforehand) {
        (void)snprintf(path, room, "/api/v2/users/auth0%%7C");
        if (!onramp_session_encode(path, room, known_id(r, job)) || strlen(path) + sizeof fields + 1 > room)
            return false;
        strcat(strcat(path, "?"), fields);
        return true;
    }
    (void)snprintf(path, room, "/api/v2/users-by-email?%s&email=", fields);
    /* in lower case, as Auth0 stores it and looks it up */
    return onramp_identity_key(&job->user.identity, ONRAMP_ID_EMAIL, key) &&
           onramp_session_encode(path, room, strchr(key, ':') + 1);
}

/* ---- the answer ---- */

/* Nobody is there, or nobody that can be ours. */
static enum onramp_told_what nobody(const struct onramp_run *r, struct onramp_job *job)
{
    /* Read after a long sleep, in which an attempt of ours may have arrived, too long ago to be known by its date as
     * ours once the next has left. */
    if (r->engine.now - job->asked_at > ONRAMP_EVIDENCE_DELIVERY * ONRAMP_SECOND)
        return ONRAMP_TOLD_LITTLE;
    if (!job->conflicted)
        return ONRAMP_TOLD_NOBODY;
    if (two_ways(r, job) && !job->neither) {
        job->neither = true;
        job->by_address = !job->by_address;
        return ONRAMP_TOLD_LITTLE;
    }
    if (may_lack_one(r, job))
        return ONRAMP_TOLD_TAKEN; /* the username or the phone number */
    /* The identity is somebody else's, unless it is ours under an id that we do not know of. */
    bool ours_perhaps = job->doubtful && by_id(r, job) && onramp_question_ids(r) == ONRAMP_IDS_UNSURE;
    return ours_perhaps ? ONRAMP_TOLD_UNDECIDED : ONRAMP_TOLD_THEIRS;
}

/* Whose is the user that was found? `all`: no others were. */
static enum onramp_verdict judge(const struct onramp_run *r, const struct onramp_job *job,
                                 const struct onramp_found *found, size_t count, bool all, const char **user_id)
{
    const struct onramp_evidence evidence = {.chosen_id = job->chosen_id,
                                             .given_id = job->user.identity.user_id,
                                             .ids = onramp_question_ids(r),
                                             .tenant_date = job->tenant_date};
    enum onramp_verdict verdict = onramp_evidence_judge(&evidence, found, count, user_id);
    if (!all && verdict != ONRAMP_OURS)
        verdict = ONRAMP_UNDECIDED; /* ours may be among the others */
    bool by_date = verdict == ONRAMP_UNDECIDED || (verdict == ONRAMP_OURS && job->chosen_id[0] == '\0');
    return by_date && !job->doubtful ? ONRAMP_THEIRS /* no attempt was lost, and the tenant says "exists" */ : verdict;
}

static enum onramp_told_what what_of(const struct onramp_run *r, struct onramp_job *job, enum onramp_verdict verdict)
{
    switch (verdict) {
    case ONRAMP_OURS:
        return ONRAMP_TOLD_OURS;
    case ONRAMP_THEIRS:
        return ONRAMP_TOLD_THEIRS;
    case ONRAMP_UNDECIDED:
        return ONRAMP_TOLD_UNDECIDED;
    case ONRAMP_NOBODY:
        break;
    }
    return nobody(r, job);
}

bool onramp_question_tells(struct onramp_told *told, const struct onramp_run *r, struct onramp_job *job,
                           const char *body)
{
    struct onramp_found found[FOUND_MAX];
    size_t count = 0;
    if (body != NULL &&
        onramp_reply_found(body, r->settings->target.connection, found, FOUND_MAX, &count, NULL) != ONRAMP_OK)
        return false;
    size_t some = count < FOUND_MAX ? count : FOUND_MAX;
    const char *user_id = "";
    const struct onramp_found *resident = job->beforehand ? onramp_evidence_resident(found, some) : NULL;
    if (resident != NULL)
        user_id = resident->user_id;
    if (job->beforehand)
        told->what = resident != NULL ? ONRAMP_TOLD_THEIRS : ONRAMP_TOLD_NOBODY;
    else
        told->what = what_of(r, job, judge(r, job, found, some, some == count, &user_id));
    (void)snprintf(told->user_id, sizeof told->user_id, "%s", user_id);
    return true;
}
