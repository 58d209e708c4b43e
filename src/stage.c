/*
 * stage.c - from the ledger's users to errands, and from answers to the ledger's lines.
 */
#include "stage.h"

#include "grow.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *onramp_result_name(enum onramp_result result)
{
    static const char *const names[ONRAMP_RESULTS] = {"done",    "missing", "moved",  "kept",
                                                      "skipped", "refused", "failed", "unknown"};
    return names[result];
}

bool onramp_stage_owns(const struct onramp_ledger_entry *entry)
{
    return entry->has_outcome && entry->outcome == ONRAMP_CREATED && entry->user_id != NULL;
}

bool onramp_stage_user_path(char *path, size_t room, const struct onramp_ledger_entry *entry, const char *tail)
{
    (void)snprintf(path, room, "/api/v2/users/");
    if (!onramp_session_encode(path, room, entry->user_id) || strlen(path) + strlen(tail) >= room)
        return false;
    strcat(path, tail);
    return true;
}

static void forget(struct onramp_errand *errand)
{
    free(errand->body);
    onramp_secret_free(errand->link);
    onramp_secret_free(errand->rest);
    *errand = (struct onramp_errand){0};
}

/* ---- lines ---- */

/* One for each user and subject of the errand that is not done already. */
static void write_deeds(struct onramp_stage *s, const struct onramp_errand *errand, enum onramp_deed_state state,
                        const struct onramp_reply *reply)
{
    enum onramp_status st = ONRAMP_OK;
    struct onramp_ledger_deed deed = {.at = onramp_engine_wall(s->engine), .kind = s->kind->deed, .state = state};
    if (reply != NULL) {
        bool fine = state == ONRAMP_DEED_DONE;
        deed.status = reply->status;
        deed.error_code = !fine && reply->error_code[0] != '\0' ? reply->error_code : NULL;
        deed.message = !fine && reply->message[0] != '\0' ? reply->message : NULL;
    }
    for (uint32_t i = 0; i < errand->count; i++)
        for (size_t k = 0; k < s->subject_count && st == ONRAMP_OK; k++) {
            deed.subject = s->subjects[k];
            if (onramp_ledger_deed_state(errand->who[i], deed.kind, deed.subject) == ONRAMP_DEED_DONE)
                continue;
            st = onramp_ledger_deed(s->setup->ledger, errand->who[i], &deed, s->err);
        }
    if (st != ONRAMP_OK)
        onramp_engine_fail(s->engine, ONRAMP_STOP_DISK, st);
}

/* What the ledger says of a result; NONE: nothing. */
static enum onramp_deed_state state_of(const struct onramp_stage *s, const struct onramp_errand *errand,
                                       enum onramp_result result)
{
    bool undo = s->kind->deed == ONRAMP_DEED_UNDO;
    switch (result) {
    case ONRAMP_RESULT_DONE:
        return ONRAMP_DEED_DONE;
    case ONRAMP_RESULT_MISSING:
        return undo ? ONRAMP_DEED_DONE : ONRAMP_DEED_REFUSED;
    case ONRAMP_RESULT_REFUSED:
        return ONRAMP_DEED_REFUSED;
    case ONRAMP_RESULT_FAILED:
        return ONRAMP_DEED_FAILED;
    case ONRAMP_RESULT_UNKNOWN:
        return ONRAMP_DEED_UNKNOWN;
    case ONRAMP_RESULT_MOVED:
    case ONRAMP_RESULT_KEPT:
        /* An earlier run may have left it open, and now it is known to be there. */
        return undo && errand->who[0]->open ? ONRAMP_DEED_FAILED : ONRAMP_DEED_NONE;
    case ONRAMP_RESULT_SKIPPED:
    case ONRAMP_RESULTS:
        break;
    }
    return ONRAMP_DEED_NONE;
}

/* ---- the end of an errand ---- */

/* Whatever came of it here: nobody is kept from the next stage. */
static void pass_on(struct onramp_stage *s, const struct onramp_errand *errand)
{
    for (uint32_t i = 0; i < errand->count && s->next != NULL; i++)
        onramp_stage_admit(s->next, errand->who[i]);
}

static void conclude(struct onramp_stage *s, const struct onramp_errand *errand, enum onramp_result result,
                     const struct onramp_reply *reply, const char *message)
{
    const char *words = message != NULL ? message : reply != NULL ? reply->message : "";
    s->summary->counts[result] += errand->count;
    for (uint32_t i = 0; i < errand->count && s->setup->found != NULL; i++)
        s->setup->found(s->setup->found_context, errand->who[i], result, words);
    enum onramp_deed_state state = state_of(s, errand, result);
    if (!s->kind->silent && state != ONRAMP_DEED_NONE && s->lane->stop != ONRAMP_STOP_DISK)
        write_deeds(s, errand, state, reply);
    pass_on(s, errand);
}

void onramp_stage_finish(struct onramp_stage *s, uint32_t id, enum onramp_result result,
                         const struct onramp_reply *reply, const char *message)
{
    struct onramp_errand *errand = &s->errands[id];
    conclude(s, errand, result, reply, message);
    if (result == ONRAMP_RESULT_FAILED || result == ONRAMP_RESULT_UNKNOWN) {
        onramp_scheduler_abandon(s->lane->scheduler, id, s->engine->now);
    } else {
        onramp_scheduler_settle(s->lane->scheduler, id);
        onramp_lane_progressed(s->lane);
    }
    forget(errand);
}

void onramp_stage_proceed(struct onramp_stage *s, uint32_t id)
{
    struct onramp_errand *errand = &s->errands[id];
    errand->step++;
    errand->failures = 0;
    onramp_scheduler_again(s->lane->scheduler, id, s->kind->group(errand), s->engine->now);
}

/* ---- admit and feed: those whom the ledger says were created ---- */

/* Parties go when they are full, or when nobody comes any more; who is to go alone, at once. */
static void announce(struct onramp_stage *s)
{
    size_t waiting = s->todo_count - s->todo_next - s->alone;
    size_t parties = waiting / s->kind->party + (s->complete && waiting % s->kind->party > 0 ? 1 : 0);
    onramp_scheduler_expect(s->lane->scheduler, s->alone + parties);
}

static void add_task(struct onramp_stage *s, const struct onramp_ledger_entry *entry)
{
    const struct onramp_ledger_entry **todo = onramp_grow(s->todo, s->todo_count, &s->todo_room, sizeof *todo);
    if (todo == NULL) {
        onramp_engine_fail(s->engine, ONRAMP_STOP_DISK, onramp_fail(s->err, ONRAMP_ENOMEM, "out of memory"));
        s->summary->unsent++;
        return;
    }
    s->todo = todo;
    s->todo[s->todo_count++] = entry;
}

void onramp_stage_admit(struct onramp_stage *s, const struct onramp_ledger_entry *entry)
{
    s->summary->users++;
    if (s->kind->wants(s, entry)) {
        add_task(s, entry);
        announce(s);
        return;
    }
    s->summary->before++;
    if (s->next != NULL)
        onramp_stage_admit(s->next, entry);
}

/* A ledger that was written by hand may not say under which id a user was created. */
static void skip_nameless(struct onramp_stage *s, const struct onramp_ledger_entry *entry)
{
    s->summary->users++;
    s->summary->counts[ONRAMP_RESULT_SKIPPED]++;
    if (s->setup->found != NULL)
        s->setup->found(s->setup->found_context, entry, ONRAMP_RESULT_SKIPPED, "the ledger has no user_id of it");
}

static bool admit(void *context, const struct onramp_ledger_entry *entry)
{
    struct onramp_stage *s = context;
    if (onramp_stage_owns(entry) && (entry->settled || s->kind->open_too))
        onramp_stage_admit(s, entry);
    else if (entry->settled && entry->outcome == ONRAMP_CREATED && entry->user_id == NULL)
        skip_nameless(s, entry);
    return true;
}

void onramp_stage_admit_all(struct onramp_stage *s)
{
    onramp_ledger_each(s->setup->ledger, admit, s);
}

void onramp_stage_complete(struct onramp_stage *s)
{
    s->complete = true;
    announce(s);
}

static void ended(void *self)
{
    struct onramp_stage *s = self;
    if (s->next != NULL)
        onramp_stage_complete(s->next);
}

static const struct onramp_ledger_entry *next_user(struct onramp_stage *s)
{
    s->alone -= s->alone > 0 ? 1 : 0;
    return s->todo[s->todo_next++];
}

/* Those whose result is known end here, without a request. */
static void pass_known(struct onramp_stage *s)
{
    enum onramp_result result;
    const char *message;
    while (s->kind->known != NULL && s->todo_next < s->todo_count && s->lane->stop == ONRAMP_STOP_NOT &&
           s->kind->known(s, s->todo[s->todo_next], &result, &message)) {
        struct onramp_errand errand = {.who = {next_user(s)}, .count = 1};
        conclude(s, &errand, result, NULL, message);
    }
}

/* One errand further; false when all have one. */
static bool feed(void *self)
{
    struct onramp_stage *s = self;
    pass_known(s);
    if (s->todo_next == s->todo_count)
        return false;
    uint32_t id = 0;
    while (s->errands[id].held)
        id++;
    assert(id < s->engine->job_count); /* the scheduler asks for food only while it has room */
    struct onramp_errand *errand = &s->errands[id];
    *errand = (struct onramp_errand){.held = true};
    uint32_t party = s->alone > 0 ? 1 : s->kind->party;
    while (errand->count < party && s->todo_next < s->todo_count)
        errand->who[errand->count++] = next_user(s);
    announce(s);
    onramp_scheduler_add(s->lane->scheduler, id, s->kind->group(errand), s->engine->now);
    return true;
}

/* A request about several users was refused, maybe for one of them: each on its own, before all who wait. They were
 * taken from the front of the list, so that there is room for them. */
static void split(struct onramp_stage *s, uint32_t id)
{
    struct onramp_errand *errand = &s->errands[id];
    for (; errand->count > 1; errand->count--, s->alone++)
        s->todo[--s->todo_next] = errand->who[errand->count - 1];
    announce(s);
    onramp_scheduler_again(s->lane->scheduler, id, s->kind->group(errand), s->engine->now);
}

/* ---- depart: out to the tenant ---- */

static enum onramp_status send_errand(struct onramp_stage *s, uint32_t id)
{
    struct onramp_errand *errand = &s->errands[id];
    const struct onramp_target *target = s->setup->target;
    char path[1100];
    struct onramp_request request = {.bearer =
                                         s->kind->scopes != NULL ? onramp_session_token(&s->engine->session) : NULL,
                                     .timeout = target->timeout,
                                     .custom_domain = s->kind->scopes != NULL ? target->custom_domain : NULL};
    free(errand->body);
    errand->body = NULL;
    enum onramp_status st = s->kind->request(s, errand, path, sizeof path, &request);
    if (st != ONRAMP_OK)
        return st;
    request.path = path;
    request.content_type = errand->body != NULL ? "application/json" : NULL;
    request.body = errand->body;
    request.body_size = errand->body != NULL ? strlen(errand->body) : 0;
    errand->sent = true;
    return onramp_lane_send(s->lane, id, &request);
}

static void write_ahead(struct onramp_stage *s, struct onramp_errand *errand)
{
    if (s->kind->silent || errand->open || !s->kind->ahead(errand))
        return;
    write_deeds(s, errand, ONRAMP_DEED_SENDING, NULL);
    errand->open = true;
}

/* It stays undone: the run has stopped. */
static void leave(struct onramp_stage *s, struct onramp_errand *errand)
{
    s->summary->unsent += errand->count;
    pass_on(s, errand);
    forget(errand);
}

static void depart(void *self, const uint32_t *ids, uint32_t count)
{
    struct onramp_stage *s = self;
    enum onramp_status st = ONRAMP_OK;
    for (uint32_t i = 0; i < count; i++)
        write_ahead(s, &s->errands[ids[i]]);
    if (!s->kind->silent)
        st = onramp_ledger_sync(s->setup->ledger, s->err);
    for (uint32_t i = 0; i < count; i++) {
        if (st == ONRAMP_OK)
            st = send_errand(s, ids[i]);
        if (st == ONRAMP_OK)
            continue;
        /* It was to leave and did not. */
        onramp_engine_fail(s->engine, ONRAMP_STOP_DISK, st);
        onramp_lane_turn_back(s->lane, ids[i]);
        leave(s, &s->errands[ids[i]]);
    }
}

/* ---- land: what an answer means ---- */

/* What an errand is that ends without a last word from the tenant. */
static enum onramp_result given_up(const struct onramp_stage *s, const struct onramp_errand *errand)
{
    return errand->doubt && errand->open && !s->kind->harmless ? ONRAMP_RESULT_UNKNOWN : ONRAMP_RESULT_FAILED;
}

/* Surely not done: again, as often as is allowed. */
static void try_again(struct onramp_stage *s, uint32_t id, const struct onramp_reply *reply)
{
    struct onramp_errand *errand = &s->errands[id];
    if (errand->failures >= s->setup->target->max_attempts)
        onramp_stage_finish(s, id, given_up(s, errand), reply, NULL);
    else
        onramp_scheduler_later(s->lane->scheduler, id, s->kind->group(errand),
                               errand->failures > 0 ? errand->failures : 1, s->engine->now);
}

void onramp_stage_doubt(struct onramp_stage *s, uint32_t id, const struct onramp_reply *reply)
{
    struct onramp_errand *errand = &s->errands[id];
    errand->failures++;
    errand->doubt = true;
    if (s->kind->repeatable)
        try_again(s, id, reply);
    else
        onramp_stage_finish(s, id, ONRAMP_RESULT_UNKNOWN, reply, NULL);
}

/* Refused in a way that every other request would be refused too. */
static void land_stop(struct onramp_stage *s, uint32_t id, const struct onramp_reply *reply, enum onramp_stop stop,
                      enum onramp_status status)
{
    const struct onramp_errand *errand = &s->errands[id];
    (void)onramp_session_explain(&s->engine->session, reply, status, s->err);
    onramp_lane_fail(s->lane, stop, status);
    onramp_stage_finish(s, id, given_up(s, errand), reply, NULL);
}

/* What an answer means that is about all users of the errand. */
static void land_reply(struct onramp_stage *s, uint32_t id, const struct onramp_answer *answer,
                       const struct onramp_reply *reply)
{
    struct onramp_errand *errand = &s->errands[id];
    switch (reply->meaning) {
    case ONRAMP_REPLY_DONE:
    case ONRAMP_REPLY_NOT_FOUND:
        s->kind->answered(s, id, answer, reply);
        break;
    case ONRAMP_REPLY_EXISTS:
    case ONRAMP_REPLY_REJECTED:
        onramp_stage_finish(s, id, ONRAMP_RESULT_REFUSED, reply, NULL);
        break;
    case ONRAMP_REPLY_THROTTLED:
        onramp_scheduler_again(s->lane->scheduler, id, s->kind->group(errand), s->engine->now);
        break;
    case ONRAMP_REPLY_UNAUTHORIZED:
        if (s->kind->scopes != NULL && onramp_session_unauthorized(&s->engine->session))
            onramp_scheduler_again(s->lane->scheduler, id, s->kind->group(errand), s->engine->now);
        else
            land_stop(s, id, reply, ONRAMP_STOP_UNAUTHORIZED, ONRAMP_EAUTH);
        break;
    case ONRAMP_REPLY_FORBIDDEN:
        land_stop(s, id, reply, ONRAMP_STOP_UNAUTHORIZED, ONRAMP_EAUTH);
        break;
    case ONRAMP_REPLY_STOP:
        land_stop(s, id, reply, ONRAMP_STOP_REFUSED, ONRAMP_EREFUSED);
        break;
    case ONRAMP_REPLY_TRANSIENT:
        errand->failures += answer->delivery != ONRAMP_UNSENT ? 1 : 0;
        try_again(s, id, reply);
        break;
    case ONRAMP_REPLY_UNCERTAIN:
        onramp_stage_doubt(s, id, reply);
        break;
    }
}

static void land(void *self, const struct onramp_answer *given)
{
    struct onramp_stage *s = self;
    uint32_t id = given->id;
    struct onramp_errand *errand = &s->errands[id];
    assert(id < s->engine->job_count && errand->held);
    struct onramp_answer answer = *given;
    struct onramp_reply reply;
    if (s->kind->guard != NULL)
        s->kind->guard(errand, &answer);
    onramp_reply_parse(&reply, &answer, false);
    onramp_session_withhold(&s->engine->session, NULL, &reply);
    onramp_lane_landed(s->lane, id, &reply);
    onramp_session_log(&s->engine->session, ONRAMP_LOG_DEBUG, "%s, record %llu: %d %s (%.3f s)", s->kind->command,
                       (unsigned long long)errand->who[0]->record, reply.status, reply.message,
                       (double)(answer.received_at - answer.sent_at) / (double)ONRAMP_SECOND);
    bool refused = reply.meaning == ONRAMP_REPLY_NOT_FOUND || reply.meaning == ONRAMP_REPLY_EXISTS ||
                   reply.meaning == ONRAMP_REPLY_REJECTED;
    if (refused && errand->count > 1)
        split(s, id);
    else
        land_reply(s, id, &answer, &reply);
}

/* Mails go by the ceiling alone. Of other stages no honest estimate is known: their bucket may be any. */
static onramp_span remaining(const struct onramp_stage *s, uint64_t users)
{
    bool mails = s->kind->scopes == NULL;
    return mails ? onramp_engine_under(&s->setup->target->pacing.ceiling, users) : ONRAMP_NEVER;
}

static void report(void *self)
{
    const struct onramp_stage *s = self;
    const struct onramp_engine *e = s->engine;
    if (e->observer->progress == NULL)
        return;
    struct onramp_progress p = {.stage = s->kind->command,
                                .records = s->summary->users,
                                .before = s->summary->before,
                                .settled = s->summary->before,
                                .elapsed = s->lane->requests > 0 ? e->now - s->lane->first_at : 0,
                                .reason = s->lane->waits};
    for (int i = 0; i < ONRAMP_RESULTS; i++)
        p.settled += s->summary->counts[i];
    p.remaining = remaining(s, p.records - p.settled);
    onramp_pacer_view(s->lane->pacer, e->now, &p.pacer);
    e->observer->progress(e->observer->context, &p);
}

/* ---- the beginning ---- */

enum onramp_status onramp_stage_open(struct onramp_stage *s, struct onramp_engine *engine,
                                     const struct onramp_pacer_settings *own, struct onramp_stage_summary *summary,
                                     struct onramp_error *err)
{
    static const struct onramp_lane_ops ops = {
        .feed = feed, .depart = depart, .land = land, .report = report, .ended = ended};
    const struct onramp_errand beginning = {.step = 0};
    *summary = (struct onramp_stage_summary){0};
    s->summary = summary;
    s->err = err;
    s->engine = engine;
    s->errands = calloc(engine->job_count, sizeof *s->errands);
    if (s->errands == NULL)
        return onramp_fail(err, ONRAMP_ENOMEM, "out of memory");
    enum onramp_status st = onramp_engine_add(&s->lane, engine, &ops, s, s->kind->group(&beginning), own);
    if (st == ONRAMP_OK)
        s->lane->bare = s->kind->scopes == NULL;
    return st;
}

/* ---- the end ---- */

/* Errands that were waiting when the run stopped. */
static void settle_rest(struct onramp_stage *s)
{
    for (uint32_t id = 0; id < s->engine->job_count; id++) {
        struct onramp_errand *errand = &s->errands[id];
        if (errand->held && errand->sent)
            conclude(s, errand, given_up(s, errand), NULL, s->lane->reason);
        else if (errand->held)
            leave(s, errand);
        forget(errand);
    }
    for (; s->todo_next < s->todo_count; s->todo_next++) {
        struct onramp_errand errand = {.who = {s->todo[s->todo_next]}, .count = 1};
        leave(s, &errand);
    }
}

static int exit_code(const struct onramp_stage *s)
{
    int code = s->summary->unsent > 0 ? 5 : 0;
    switch (s->lane->stop) {
    case ONRAMP_STOP_INTERRUPTED:
        return 130;
    case ONRAMP_STOP_UNAUTHORIZED:
        return 4;
    case ONRAMP_STOP_REFUSED:
    case ONRAMP_STOP_INPUT:
        return 3;
    case ONRAMP_STOP_GAVE_UP:
    case ONRAMP_STOP_DISK:
        return 5;
    case ONRAMP_STOP_NOT:
        break;
    }
    for (int i = 0; i < ONRAMP_RESULTS; i++)
        if (s->summary->counts[i] > 0 && s->kind->exits[i] > code)
            code = s->kind->exits[i];
    return code;
}

static void sum_up(struct onramp_stage *s)
{
    struct onramp_stage_summary *sum = s->summary;
    sum->requests = s->lane->requests;
    sum->throttled = s->lane->throttled;
    onramp_span taken = s->lane->last_at - s->lane->first_at;
    sum->seconds = taken > 0 ? (double)taken / (double)ONRAMP_SECOND : 0;
    sum->exit = exit_code(s);
    (void)snprintf(sum->reason, sizeof sum->reason, "%s",
                   s->lane->stop == ONRAMP_STOP_NOT ? "finished" : s->lane->reason);
}

void onramp_stage_close(struct onramp_stage *s)
{
    if (s->lane != NULL && s->lane->scheduler != NULL) {
        settle_rest(s);
        sum_up(s);
    }
    free(s->errands);
    free((void *)s->todo);
    s->errands = NULL;
    s->todo = NULL;
}
