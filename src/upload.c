/*
 * upload.c - the life of a record: admit → depart → land → settle.
 *
 * Read it downwards. A record is admitted from the file and becomes a job; the scheduler says when it may depart; its
 * answer lands and either settles it, sends it again, or, if the answer was lost, makes it ask the tenant what
 * happened. The ledger is written on the way: the attempt before the request leaves, the outcome when it is known.
 */
#include "onramp/upload.h"

#include "after.h"
#include "auth0/evidence.h"
#include "question.h"
#include "run.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* From so many residents on the next record is likely to be one; at most so many are counted, to change one's mind. */
#define RESIDENTS_LIKELY 4
#define RESIDENTS_MOST   7

/* ---- settle: the end of a record ---- */

static void ledger_result(struct onramp_run *r, enum onramp_status status)
{
    if (status != ONRAMP_OK)
        onramp_engine_fail(&r->engine, ONRAMP_STOP_DISK, status);
}

/* A record of the file has come to its end, for this run at least. */
static void count(struct onramp_run *r, uint64_t record, const struct onramp_identity *identity,
                  enum onramp_outcome outcome, const char *message)
{
    r->summary->counts[outcome]++;
    if (r->settings->missed != NULL && outcome != ONRAMP_CREATED && outcome != ONRAMP_EXISTS)
        r->settings->missed(r->settings->missed_context, record, identity, outcome, message);
}

/* Write what became of a record that has a job. */
static void record_outcome(struct onramp_run *r, const struct onramp_job *job, enum onramp_outcome outcome,
                           const char *user_id, bool adopted)
{
    const struct onramp_reply *reply = &job->reply;
    bool fine = outcome == ONRAMP_CREATED;
    struct onramp_ledger_outcome line = {
        .at = onramp_engine_wall(&r->engine),
        .record = job->ordinal,
        .identity = job->user.identity,
        .outcome = outcome,
        .attempts = job->attempts,
        .ms = job->sent ? (r->engine.now - job->sent_at) / ONRAMP_MILLISECOND : 0,
        .status = reply->status,
        .user_id = user_id != NULL && user_id[0] != '\0' ? user_id : NULL,
        .error_code = !fine && reply->error_code[0] != '\0' ? reply->error_code : NULL,
        .message = !fine && reply->message[0] != '\0' ? reply->message : NULL,
        .correlation_id = job->correlation[0] != '\0' ? job->correlation : NULL,
        .adopted = adopted,
    };
    if (job->stray) {
        r->strays[outcome]++;
    } else {
        count(r, job->ordinal, &job->user.identity, outcome, line.message);
        r->doubts_met += job->inherited ? 1 : 0;
        r->summary->adopted += adopted ? 1 : 0;
    }
    ledger_result(r, onramp_ledger_outcome(r->ledger, &line, r->err));
    if (fine)
        onramp_after_created(r, &job->user.identity);
}

/* A new record was there already, as it seems, or was not. */
static void note_resident(struct onramp_run *r, const struct onramp_job *job, bool there)
{
    if (job->doubtful)
        return;
    if (there && r->residents < RESIDENTS_MOST)
        r->residents++;
    if (!there && r->residents > 0)
        r->residents--;
}

/* The record is finished, the tenant being well. */
static void settle(struct onramp_run *r, uint32_t id, enum onramp_outcome outcome, const char *user_id, bool adopted)
{
    struct onramp_job *job = &r->jobs[id];
    record_outcome(r, job, outcome, user_id, adopted);
    onramp_scheduler_settle(r->lane->scheduler, id);
    onramp_job_forget(job);
    onramp_lane_progressed(r->lane);
}

/* The record is given up for this run. */
static void abandon(struct onramp_run *r, uint32_t id, enum onramp_outcome outcome)
{
    struct onramp_job *job = &r->jobs[id];
    record_outcome(r, job, outcome, NULL, false);
    onramp_scheduler_abandon(r->lane->scheduler, id, r->engine.now);
    onramp_job_forget(job);
}

/* Its user may be there, and be ours. */
static bool in_doubt(const struct onramp_job *job)
{
    return job->lost || (job->asking && !job->beforehand);
}

/* ---- admit: from the file ---- */

/* A record that ends here, without a request. */
static void refuse_here(struct onramp_run *r, const struct onramp_record *record, const struct onramp_user *user,
                        enum onramp_outcome outcome, const char *message)
{
    count(r, record->ordinal, &user->identity, outcome, message);
    if (r->ledger == NULL || r->lane->stop == ONRAMP_STOP_DISK)
        return;
    const struct onramp_ledger_entry *entry =
        outcome == ONRAMP_INVALID ? onramp_ledger_find(r->ledger, &user->identity) : NULL;
    if (entry != NULL && entry->has_outcome && entry->outcome == ONRAMP_INVALID && entry->record == record->ordinal &&
        entry->message != NULL && strcmp(entry->message, message) == 0 &&
        strcmp(entry->input_sha256, r->source->ops->digest(r->source->self)) == 0)
        return; /* an earlier run said the same of the same file */
    struct onramp_ledger_outcome line = {.at = onramp_engine_wall(&r->engine),
                                         .record = record->ordinal,
                                         .identity = user->identity,
                                         .outcome = outcome,
                                         .message = message};
    ledger_result(r, onramp_ledger_outcome(r->ledger, &line, r->err));
}

/* What earlier runs left of this record: an answer to look for, an id that it was given. */
static void inherit(struct onramp_job *job, const struct onramp_ledger_entry *entry)
{
    if (entry == NULL || entry->attempts == 0)
        return;
    job->attempts = entry->attempts;
    job->tenant_date = entry->tenant_date;
    job->doubtful = true;
    job->undoing = onramp_ledger_undoing(entry);
    job->lost = job->inherited = onramp_ledger_in_doubt(entry);
    if (entry->chosen_id != NULL && strlen(entry->chosen_id) < sizeof job->chosen_id)
        strcpy(job->chosen_id, entry->chosen_id);
}

/*
 * A random user_id makes a create provable and repeatable: a user that has it is ours, and there can be only
 * one. Custom databases give ids of their own; a record may bring one. Chosen once, before the first attempt: a later
 * one would speak against what an earlier attempt has created.
 */
static void choose_id(struct onramp_run *r, struct onramp_job *job)
{
    if (job->attempts > 0 || job->user.identity.user_id != NULL || onramp_question_ids(r) == ONRAMP_IDS_REPLACED)
        return;
    (void)snprintf(job->chosen_id, sizeof job->chosen_id, "%016llx%08llx",
                   (unsigned long long)onramp_rng_next(&r->engine.session.rng),
                   (unsigned long long)(onramp_rng_next(&r->engine.session.rng) >> 32));
}

/* The user was deleted, so that no attempt has anything to prove any more. Its id is not used again: what still refers
 * to that, a link or a delete that is late, is not the next user's. */
static void begin_anew(struct onramp_run *r, struct onramp_job *job)
{
    job->undoing = job->doubtful = false;
    job->attempts = 0;
    job->tenant_date = 0;
    job->chosen_id[0] = '\0';
    choose_id(r, job);
}

/* The file was edited and gives an id now. It rules, once the id that we chose has nothing to prove any more. */
static void prefer_given_id(struct onramp_job *job)
{
    if (job->user.identity.user_id != NULL)
        job->chosen_id[0] = '\0';
}

static uint32_t free_job(const struct onramp_run *r)
{
    uint32_t id = 0;
    while (r->jobs[id].held)
        id++;
    assert(id < r->engine.job_count); /* the scheduler asks for food only while it has room */
    return id;
}

/*
 * Most of late were there already, so this one is likely to be there too: a question tells so with one request, where a
 * create would be refused, which shows no limits, counts as a failure in the tenant's log, and asks afterwards anyway.
 * Only of a database of Auth0's own, where whoever is listed is there.
 */
static bool asks_beforehand(const struct onramp_run *r, const struct onramp_job *job)
{
    return r->residents >= RESIDENTS_LIKELY && job->attempts == 0 && onramp_question_ids(r) == ONRAMP_IDS_KEPT &&
           onramp_question_possible(r, job) && job->user.identity.email != NULL;
}

static void start_job(struct onramp_run *r, uint64_t ordinal, struct onramp_user *user,
                      const struct onramp_ledger_entry *entry)
{
    uint32_t id = free_job(r);
    struct onramp_job *job = &r->jobs[id];
    *job = (struct onramp_job){.held = true, .ordinal = ordinal, .user = *user};
    *user = (struct onramp_user){0}; /* it is the job's now */
    inherit(job, entry);
    onramp_scheduler_expect(r->lane->scheduler, --r->to_feed);
    job->asking = job->lost && onramp_question_possible(r, job);
    if (job->lost && !job->asking) {
        record_outcome(r, job, ONRAMP_UNKNOWN, NULL, false);
        onramp_job_forget(job);
        return;
    }
    choose_id(r, job);
    if (!job->asking)
        prefer_given_id(job);
    job->beforehand = !job->asking && asks_beforehand(r, job);
    job->asking = job->asking || job->beforehand;
    onramp_scheduler_add(r->lane->scheduler, id, job->asking ? ONRAMP_GROUP_READ : ONRAMP_GROUP_CREATE, r->engine.now);
}

/* A user whom earlier runs left in doubt, and whose record was taken out of the file, or spoiled. Where nothing can be
 * asked it stays as it is. */
static void start_stray(struct onramp_run *r)
{
    const struct onramp_ledger_entry *entry = r->census.strays[r->strays_fed++];
    onramp_scheduler_expect(r->lane->scheduler, --r->to_feed);
    uint32_t id = free_job(r);
    struct onramp_job *job = &r->jobs[id];
    *job = (struct onramp_job){.held = true, .stray = true, .ordinal = entry->record};
    job->user.identity = entry->identity; /* the ledger's strings, until the outcome is written */
    inherit(job, entry);
    job->asking = onramp_question_possible(r, job);
    if (job->asking)
        onramp_scheduler_add(r->lane->scheduler, id, ONRAMP_GROUP_READ, r->engine.now);
    else
        onramp_job_forget(job);
}

static void count_settled(struct onramp_run *r, uint64_t record, const struct onramp_ledger_entry *entry)
{
    count(r, record, &entry->identity, entry->outcome, entry->message);
    r->summary->adopted += entry->adopted ? 1 : 0;
    r->before++;
}

/* Nothing more is sent: what is left of the file is counted. */
static bool is_only_counting(const struct onramp_run *r)
{
    return r->settings->dry_run || r->lane->stop != ONRAMP_STOP_NOT;
}

/* Decide what a record is: settled before, refused here, or a job. */
static enum onramp_status admit_record(struct onramp_run *r, const struct onramp_record *record)
{
    struct onramp_user user = {0};
    struct onramp_error why;
    const struct onramp_ledger_entry *entry;
    enum onramp_status st = onramp_census_judge(&user, &entry, record, &r->rules, r->ledger, &why);
    uint64_t other;
    enum onramp_identifier kind;
    if (st == ONRAMP_EINPUT) {
        refuse_here(r, record, &user, ONRAMP_INVALID, why.text);
        st = ONRAMP_OK;
    } else if (st == ONRAMP_OK && onramp_census_duplicate(&r->census, &user.identity, record->ordinal, &other, &kind)) {
        static const char *const names[ONRAMP_ID_KINDS] = {"email", "username", "phone_number", "user_id"};
        char message[80];
        (void)snprintf(message, sizeof message, "same %s as record %llu", names[kind], (unsigned long long)other);
        refuse_here(r, record, &user, ONRAMP_DUPLICATE, message);
    } else if (st == ONRAMP_OK && onramp_run_stands(r, entry)) {
        count_settled(r, record->ordinal, entry);
    } else if (st == ONRAMP_OK && is_only_counting(r)) {
        r->to_feed--;
    } else if (st == ONRAMP_OK) {
        start_job(r, record->ordinal, &user, entry);
    } else {
        *r->err = why;
    }
    onramp_user_clear(&user);
    return st;
}

/* Strays first, then one record further; false at the end of the file. */
static bool admit(void *self)
{
    struct onramp_run *r = self;
    if (r->strays_fed < r->census.stray_count && !is_only_counting(r)) {
        start_stray(r);
        return true;
    }
    struct onramp_record record;
    bool end = false;
    enum onramp_status st = r->source->ops->next(r->source->self, &record, &end, r->err);
    if (st == ONRAMP_OK && !end)
        st = admit_record(r, &record);
    if (st != ONRAMP_OK)
        onramp_engine_fail(&r->engine, ONRAMP_STOP_INPUT, st);
    return st == ONRAMP_OK && !end;
}

/* Records behind the last one that was sent are read too, and after a stop those that were not: what earlier runs, or
 * the record itself, say of them is as true as ever. */
static void admit_rest(struct onramp_run *r)
{
    struct onramp_error why = *r->err; /* the reason for a stop is worth more than one for not counting */
    bool stopped = r->lane->stop != ONRAMP_STOP_NOT;
    while (r->lane->stop != ONRAMP_STOP_INPUT && admit(r))
        continue;
    if (stopped)
        *r->err = why;
}

/* ---- depart: out to the tenant ---- */

/* Made once a run, so one line a run tells which password the attempt from here on has. */
static enum onramp_status seal(struct onramp_run *r, const struct onramp_job *job, const struct onramp_secret *password)
{
    if (r->settings->sealer == NULL)
        return ONRAMP_OK;
    const struct onramp_identity *identity = &job->user.identity;
    struct onramp_sealed about = {.run = r->summary->run,
                                  .record = job->ordinal,
                                  .attempt = job->attempts + 1,
                                  .identity = *identity,
                                  .user_id = job->chosen_id[0] != '\0' ? job->chosen_id : identity->user_id,
                                  .domain = r->settings->target.domain,
                                  .connection = r->settings->target.connection};
    return onramp_sealer_add(r->settings->sealer, &about, password, r->err);
}

static enum onramp_status make_body(struct onramp_run *r, struct onramp_job *job)
{
    struct onramp_policy strictest;
    onramp_policy_strictest(&strictest);
    const struct onramp_policy *policy =
        r->engine.session.connection_known ? &r->engine.session.connection.policy : &strictest;
    enum onramp_status st =
        onramp_password_make(&job->password, policy, r->settings->password_length, job->user.profile, r->err);
    if (st == ONRAMP_OK)
        st = onramp_user_body(&job->body, &job->user, job->chosen_id[0] != '\0' ? job->chosen_id : NULL, job->password,
                              r->err);
    if (st == ONRAMP_OK)
        st = seal(r, job, job->password);
    onramp_policy_clear(&strictest);
    return st;
}

/* Before a create leaves, the ledger has its attempt. */
static enum onramp_status write_attempt(struct onramp_run *r, struct onramp_job *job)
{
    enum onramp_status st = job->body == NULL ? make_body(r, job) : ONRAMP_OK;
    if (st != ONRAMP_OK)
        return st;
    job->attempts++;
    (void)snprintf(job->correlation, sizeof job->correlation, "onramp-%.8s-%llu-%u", r->summary->run,
                   (unsigned long long)job->ordinal, job->attempts);
    /* The date of an earlier attempt stands; what a look-up would have seen of it has moved it on. */
    if (!job->doubtful || job->tenant_date == 0)
        job->tenant_date = onramp_session_clock(&r->engine.session, r->engine.now);
    struct onramp_ledger_attempt line = {.at = onramp_engine_wall(&r->engine),
                                         .record = job->ordinal,
                                         .identity = job->user.identity,
                                         .attempt = job->attempts,
                                         .correlation_id = job->correlation,
                                         .chosen_id = job->chosen_id[0] != '\0' ? job->chosen_id : NULL,
                                         .tenant_date = job->tenant_date};
    return onramp_ledger_attempt(r->ledger, &line, r->err);
}

static enum onramp_status send_job(struct onramp_run *r, uint32_t id)
{
    struct onramp_job *job = &r->jobs[id];
    char path[1400];
    struct onramp_request request = {.bearer = onramp_session_token(&r->engine.session),
                                     .timeout = r->settings->target.timeout};
    if (job->asking) {
        if (!onramp_question_path(r, job, path, sizeof path))
            return onramp_fail(r->err, ONRAMP_EIO, "cannot put record %llu into a look-up",
                               (unsigned long long)job->ordinal);
        job->asked_at = r->engine.now;
        job->asked_date = onramp_session_clock(&r->engine.session, r->engine.now);
        request.method = "GET";
        request.path = path;
    } else {
        request.method = "POST";
        request.path = "/api/v2/users";
        request.content_type = "application/json";
        request.body = job->body->text;
        request.body_size = job->body->size;
        request.correlation_id = job->correlation;
        request.custom_domain = r->settings->target.custom_domain;
    }
    enum onramp_status st = onramp_lane_send(r->lane, id, &request);
    if (st == ONRAMP_OK && !job->sent) {
        job->sent = true;
        job->sent_at = r->engine.now;
    }
    return st;
}

/*
 * The next attempt goes on the word that nobody is there, which may have been long ago: an earlier attempt may have
 * arrived since, and dates would not tell any more whose user that is. An id that we chose tells for ever.
 */
static bool is_outdated(const struct onramp_run *r, const struct onramp_job *job)
{
    bool by_date = job->doubtful && job->tenant_date != 0 &&
                   (job->chosen_id[0] == '\0' || onramp_question_ids(r) != ONRAMP_IDS_KEPT);
    return !job->asking && by_date && onramp_question_possible(r, job) &&
           r->engine.now - job->asked_at > ONRAMP_EVIDENCE_FRESH * ONRAMP_SECOND;
}

/* The run has stopped, and it is not settled. Whom this run has sent is told of, even if the ledger takes no line any
 * more; whom it has not stays as it was. `out`: it may be on its way. */
static void leave(struct onramp_run *r, struct onramp_job *job, bool out)
{
    if (job->sent && !job->beforehand)
        record_outcome(r, job, in_doubt(job) || out ? ONRAMP_UNKNOWN : ONRAMP_FAILED, NULL, false);
    onramp_job_forget(job);
}

static void ask_anew(struct onramp_run *r, uint32_t id)
{
    onramp_question_begin(r, &r->jobs[id], false);
    onramp_lane_hand_back(r->lane, id);
    onramp_scheduler_again(r->lane->scheduler, id, ONRAMP_GROUP_READ, r->engine.now);
}

/* All that leave in a turn: their attempts and sealed passwords are written, made durable at once, then they go. */
static void depart(void *self, const uint32_t *ids, uint32_t count)
{
    struct onramp_run *r = self;
    enum onramp_status st = ONRAMP_OK;
    for (uint32_t i = 0; i < count && st == ONRAMP_OK; i++) {
        struct onramp_job *job = &r->jobs[ids[i]];
        job->outdated = is_outdated(r, job);
        if (!job->asking && !job->outdated)
            st = write_attempt(r, job);
    }
    if (st == ONRAMP_OK && r->settings->sealer != NULL)
        st = onramp_sealer_sync(r->settings->sealer, r->err);
    if (st == ONRAMP_OK)
        st = onramp_ledger_sync(r->ledger, r->err);
    for (uint32_t i = 0; i < count; i++) {
        if (st == ONRAMP_OK && r->jobs[ids[i]].outdated) {
            ask_anew(r, ids[i]);
            continue;
        }
        if (st == ONRAMP_OK)
            st = send_job(r, ids[i]);
        if (st == ONRAMP_OK)
            continue;
        /* It was to leave and did not. Its attempt may be on disk, so the next run asks about it. */
        onramp_engine_fail(&r->engine, ONRAMP_STOP_DISK, st);
        onramp_lane_turn_back(r->lane, ids[i]);
        leave(r, &r->jobs[ids[i]], false);
    }
}

/* ---- land: what an answer means for the record ---- */

static void ask(struct onramp_run *r, uint32_t id, bool conflicted, bool at_once)
{
    struct onramp_job *job = &r->jobs[id];
    if (!onramp_question_possible(r, job)) {
        abandon(r, id, ONRAMP_UNKNOWN);
        return;
    }
    onramp_question_begin(r, job, conflicted);
    if (at_once)
        onramp_scheduler_again(r->lane->scheduler, id, ONRAMP_GROUP_READ, r->engine.now);
    else
        onramp_scheduler_later(r->lane->scheduler, id, ONRAMP_GROUP_READ, job->failures + job->ask_failures,
                               r->engine.now);
}

/* A create that was surely not acted on, or whose user is surely not there: again, as often as is allowed. */
static void try_again(struct onramp_run *r, uint32_t id)
{
    struct onramp_job *job = &r->jobs[id];
    job->asking = false;
    if (job->failures >= r->settings->target.max_attempts)
        abandon(r, id, ONRAMP_FAILED);
    else
        onramp_scheduler_later(r->lane->scheduler, id, ONRAMP_GROUP_CREATE, job->failures > 0 ? job->failures : 1,
                               r->engine.now);
}

/* Refused in a way that every other record would be refused too. */
static void land_stop(struct onramp_run *r, uint32_t id, const struct onramp_reply *reply, enum onramp_stop stop,
                      enum onramp_status status)
{
    (void)onramp_session_explain(&r->engine.session, reply, status, r->err);
    onramp_engine_fail(&r->engine, stop, status);
    if (r->jobs[id].beforehand) {
        onramp_scheduler_abandon(r->lane->scheduler, id, r->engine.now); /* nothing was sent of it */
        onramp_job_forget(&r->jobs[id]);
        return;
    }
    abandon(r, id, in_doubt(&r->jobs[id]) ? ONRAMP_UNKNOWN : ONRAMP_FAILED);
}

/* A 401: the same again with a fresh token, if there is a way to one. */
static void land_unauthorized(struct onramp_run *r, uint32_t id, const struct onramp_reply *reply)
{
    if (!onramp_session_unauthorized(&r->engine.session)) {
        land_stop(r, id, reply, ONRAMP_STOP_UNAUTHORIZED, ONRAMP_EAUTH);
        return;
    }
    onramp_scheduler_again(r->lane->scheduler, id, r->jobs[id].asking ? ONRAMP_GROUP_READ : ONRAMP_GROUP_CREATE,
                           r->engine.now);
}

static void land_create(struct onramp_run *r, uint32_t id, bool reached)
{
    struct onramp_job *job = &r->jobs[id];
    switch (job->reply.meaning) {
    case ONRAMP_REPLY_DONE:
        note_resident(r, job, false);
        settle(r, id, ONRAMP_CREATED, job->reply.user_id, false);
        break;
    case ONRAMP_REPLY_EXISTS:
        note_resident(r, job, true);
        if (job->doubtful || onramp_question_helps(r, job))
            ask(r, id, true, true);
        else
            settle(r, id, ONRAMP_EXISTS, NULL, false);
        break;
    case ONRAMP_REPLY_REJECTED:
        settle(r, id, ONRAMP_REJECTED, NULL, false);
        break;
    case ONRAMP_REPLY_THROTTLED:
        onramp_scheduler_again(r->lane->scheduler, id, ONRAMP_GROUP_CREATE, r->engine.now);
        break;
    case ONRAMP_REPLY_UNAUTHORIZED:
        land_unauthorized(r, id, &job->reply);
        break;
    case ONRAMP_REPLY_FORBIDDEN:
        land_stop(r, id, &job->reply, ONRAMP_STOP_UNAUTHORIZED, ONRAMP_EAUTH);
        break;
    case ONRAMP_REPLY_STOP:
    case ONRAMP_REPLY_NOT_FOUND:
        land_stop(r, id, &job->reply, ONRAMP_STOP_REFUSED, ONRAMP_EREFUSED);
        break;
    case ONRAMP_REPLY_TRANSIENT:
        /* What never reached the tenant was no send; how long that may go on is --give-up-after's to say. */
        job->failures += reached ? 1 : 0;
        try_again(r, id);
        break;
    case ONRAMP_REPLY_UNCERTAIN:
        job->failures++;
        job->lost = job->doubtful = true;
        ask(r, id, false, false);
        break;
    }
}

/* Asked before its first attempt, and whatever the answer was, a create will tell. */
static void send_all_the_same(struct onramp_run *r, uint32_t id, bool passing)
{
    struct onramp_job *job = &r->jobs[id];
    job->beforehand = job->asking = job->sent = false;
    if (passing)
        onramp_scheduler_later(r->lane->scheduler, id, ONRAMP_GROUP_CREATE, 1, r->engine.now);
    else
        onramp_scheduler_again(r->lane->scheduler, id, ONRAMP_GROUP_CREATE, r->engine.now);
}

/* Nobody is there, or nobody that can be ours. */
static void land_nobody(struct onramp_run *r, uint32_t id)
{
    struct onramp_job *job = &r->jobs[id];
    /* What left a delivery before this question had arrived, or never will. */
    if (job->tenant_date != 0 && job->asked_date > job->tenant_date + ONRAMP_EVIDENCE_DELIVERY)
        job->tenant_date = job->asked_date - ONRAMP_EVIDENCE_DELIVERY;
    job->lost = job->asking = false;
    if (job->undoing)
        begin_anew(r, job);
    prefer_given_id(job);
    if (job->stray) {
        (void)snprintf(job->reply.message, sizeof job->reply.message, "not there, and not in the file any more");
        settle(r, id, ONRAMP_FAILED, NULL, false);
    } else if (job->failures >= r->settings->target.max_attempts) {
        abandon(r, id, ONRAMP_FAILED);
    } else {
        onramp_scheduler_again(r->lane->scheduler, id, ONRAMP_GROUP_CREATE, r->engine.now);
    }
}

/* The tenant has told who is there. */
static void land_told(struct onramp_run *r, uint32_t id, const struct onramp_told *told)
{
    struct onramp_job *job = &r->jobs[id];
    switch (told->what) {
    case ONRAMP_TOLD_OURS:
        settle(r, id, ONRAMP_CREATED, told->user_id, true);
        break;
    case ONRAMP_TOLD_THEIRS:
        if (job->beforehand)
            note_resident(r, job, true);
        settle(r, id, ONRAMP_EXISTS, told->user_id, false);
        break;
    case ONRAMP_TOLD_TAKEN:
        settle(r, id, ONRAMP_REJECTED, NULL, false);
        break;
    case ONRAMP_TOLD_UNDECIDED:
        settle(r, id, ONRAMP_UNKNOWN, told->user_id, false);
        break;
    case ONRAMP_TOLD_NOBODY:
        if (job->beforehand)
            send_all_the_same(r, id, false);
        else
            land_nobody(r, id);
        break;
    case ONRAMP_TOLD_LITTLE:
        onramp_scheduler_again(r->lane->scheduler, id, ONRAMP_GROUP_READ, r->engine.now);
        break;
    }
}

/* The tenant does not tell. */
static void land_refused_question(struct onramp_run *r, uint32_t id, const struct onramp_reply *reply)
{
    struct onramp_session *session = &r->engine.session;
    if (reply->meaning == ONRAMP_REPLY_FORBIDDEN && session->may_ask)
        onramp_session_log(session, ONRAMP_LOG_WARN,
                           "the token may not read users (read:users): users whose answer is lost end as unknown");
    session->may_ask = session->may_ask && reply->meaning != ONRAMP_REPLY_FORBIDDEN;
    if (r->jobs[id].beforehand)
        send_all_the_same(r, id, false);
    else if (r->jobs[id].doubtful)
        abandon(r, id, ONRAMP_UNKNOWN);
    else
        settle(r, id, ONRAMP_EXISTS, NULL, false);
}

static void land_question(struct onramp_run *r, uint32_t id, const struct onramp_answer *answer,
                          const struct onramp_reply *reply)
{
    struct onramp_job *job = &r->jobs[id];
    struct onramp_told told;
    switch (reply->meaning) {
    case ONRAMP_REPLY_DONE:
    case ONRAMP_REPLY_NOT_FOUND:
        if (onramp_question_tells(&told, r, job, reply->meaning == ONRAMP_REPLY_DONE ? answer->body : NULL)) {
            land_told(r, id, &told);
            return;
        }
        break; /* an answer that is none */
    case ONRAMP_REPLY_THROTTLED:
        onramp_scheduler_again(r->lane->scheduler, id, ONRAMP_GROUP_READ, r->engine.now);
        return;
    case ONRAMP_REPLY_UNAUTHORIZED:
        land_unauthorized(r, id, reply);
        return;
    case ONRAMP_REPLY_FORBIDDEN:
    case ONRAMP_REPLY_REJECTED:
    case ONRAMP_REPLY_STOP:
    case ONRAMP_REPLY_EXISTS:
        land_refused_question(r, id, reply);
        return;
    case ONRAMP_REPLY_TRANSIENT:
    case ONRAMP_REPLY_UNCERTAIN:
        break;
    }
    if (job->beforehand) {
        send_all_the_same(r, id, true);
        return;
    }
    job->ask_failures += answer->delivery != ONRAMP_UNSENT ? 1 : 0;
    if (job->ask_failures >= r->settings->target.max_attempts)
        abandon(r, id, ONRAMP_UNKNOWN);
    else
        onramp_scheduler_later(r->lane->scheduler, id, ONRAMP_GROUP_READ, job->ask_failures > 0 ? job->ask_failures : 1,
                               r->engine.now);
}

static void land(void *self, const struct onramp_answer *answer)
{
    struct onramp_run *r = self;
    uint32_t id = answer->id;
    struct onramp_job *job = &r->jobs[id];
    assert(id < r->engine.job_count && job->held);
    struct onramp_reply reply;
    onramp_reply_parse(&reply, answer, !job->asking);
    onramp_session_withhold(&r->engine.session, job->password, &reply);
    onramp_lane_landed(r->lane, id, &reply);
    bool fine = reply.meaning == ONRAMP_REPLY_DONE;
    onramp_session_log(&r->engine.session, ONRAMP_LOG_DEBUG, "record %llu: %s %d %s (%.3f s)",
                       (unsigned long long)job->ordinal, job->asking ? "asked:" : "create:", reply.status,
                       fine ? "" : reply.message,
                       (double)(answer->received_at - answer->sent_at) / (double)ONRAMP_SECOND);
    if (job->asking) {
        land_question(r, id, answer, &reply);
    } else {
        job->reply = reply;
        land_create(r, id, answer->delivery != ONRAMP_UNSENT);
    }
}

/* ---- the whole ---- */

/* Jobs that were waiting when the run stopped: what is known of them is written down. */
static void settle_rest(struct onramp_run *r)
{
    bool out = !onramp_engine_quiet(&r->engine); /* waiting for answers has failed */
    for (uint32_t id = 0; id < r->engine.job_count; id++)
        if (r->jobs[id].held)
            leave(r, &r->jobs[id], out);
}

static void tell_strays(const struct onramp_run *r)
{
    if (r->strays_fed > 0)
        onramp_session_log(&r->engine.session, ONRAMP_LOG_WARN,
                           "%zu users whom earlier runs left in doubt are not in the file any more: %llu are there and "
                           "ours, %llu are somebody else's, %llu are not there",
                           r->strays_fed, (unsigned long long)r->strays[ONRAMP_CREATED],
                           (unsigned long long)r->strays[ONRAMP_EXISTS], (unsigned long long)r->strays[ONRAMP_FAILED]);
}

/* Before whatever follows the creates has come to its end. */
static void ended(void *self)
{
    struct onramp_run *r = self;
    admit_rest(r);
    onramp_after_complete(r);
}

static void report(void *self)
{
    onramp_run_report(self);
}

enum onramp_status onramp_upload(const struct onramp_upload_settings *settings, const struct onramp_source *source,
                                 const struct onramp_transport *transport, struct onramp_ledger *ledger,
                                 const struct onramp_observer *observer, struct onramp_summary *summary,
                                 struct onramp_error *err)
{
    static const struct onramp_lane_ops ops = {
        .feed = admit, .depart = depart, .land = land, .report = report, .ended = ended};
    struct onramp_error own = {0};
    *summary = (struct onramp_summary){0};
    struct onramp_run r = {
        .settings = settings, .source = source, .ledger = ledger, .summary = summary, .err = err != NULL ? err : &own};
    enum onramp_status st = onramp_run_init(&r, &ops, transport, observer);
    if (st == ONRAMP_OK)
        st = onramp_run_prepare(&r);
    if (st != ONRAMP_OK) {
        summary->exit = onramp_session_exit(&r.engine.session, st);
        (void)snprintf(summary->reason, sizeof summary->reason, "%s", r.err->text);
        onramp_after_close(&r);
        onramp_run_clear(&r);
        return st;
    }
    onramp_scheduler_expect(r.lane->scheduler, settings->dry_run ? 0 : r.to_feed);
    onramp_engine_run(&r.engine);
    settle_rest(&r);
    tell_strays(&r);
    onramp_after_close(&r);
    st = onramp_run_end(&r);
    onramp_run_clear(&r);
    return st;
}
