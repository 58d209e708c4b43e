/*
 * stage_run.c - a stage on its own: the run of a command, from the question whether the ledger is the tenant's to the
 * ledger's last line.
 */
#include "stage.h"

#include <stdio.h>

/* ---- the beginning ---- */

static enum onramp_status authorize(struct onramp_stage *s)
{
    bool needed = s->kind->scopes != NULL && s->todo_count > 0;
    return needed ? onramp_session_authorize(&s->engine->session, s->kind->scopes, s->err) : ONRAMP_OK;
}

/* How many there are for whom a request leaves. */
static uint64_t count_requests(const struct onramp_stage *s)
{
    uint64_t count = 0;
    enum onramp_result result;
    const char *message;
    for (size_t i = 0; i < s->todo_count; i++)
        count += s->kind->known == NULL || !s->kind->known(s, s->todo[i], &result, &message) ? 1 : 0;
    return count;
}

static bool count_doubt(void *context, const struct onramp_ledger_entry *entry)
{
    *(uint64_t *)context += onramp_ledger_in_doubt(entry) && !onramp_ledger_undoing(entry) ? 1 : 0;
    return true;
}

/* Whoever was sent and not heard of may be there, and no stage is for them. */
static void say_doubts(const struct onramp_stage *s)
{
    uint64_t count = 0;
    onramp_ledger_each(s->setup->ledger, count_doubt, &count);
    if (count > 0)
        onramp_session_log(&s->engine->session, ONRAMP_LOG_WARN,
                           "%llu more may be there, whose answers are not recorded: upload the file again first, it asks",
                           (unsigned long long)count);
}

/* The ledger is this tenant's, the token will do, and the run has its line. */
static enum onramp_status begin(struct onramp_stage *s)
{
    struct onramp_ledger_run line;
    struct onramp_ledger *ledger = s->setup->ledger;
    if (!onramp_ledger_last(ledger, &line))
        return onramp_fail(s->err, ONRAMP_EUSAGE, "the ledger has no run in it: there is nobody to %s",
                           s->kind->command);
    line.domain = s->setup->target->domain;
    line.connection = s->setup->target->connection;
    enum onramp_status st = onramp_ledger_match(ledger, &line, s->err);
    if (st == ONRAMP_OK)
        say_doubts(s);
    if (st == ONRAMP_OK && s->kind->confirm != NULL)
        st = s->kind->confirm(s, count_requests(s), s->err);
    if (st == ONRAMP_OK)
        st = authorize(s);
    if (st != ONRAMP_OK || s->kind->silent || s->todo_count == 0)
        return st;
    onramp_engine_name_run(s->engine, s->summary->run, sizeof s->summary->run);
    line.run = s->summary->run;
    line.at = onramp_engine_wall(s->engine);
    line.settings = s->setup->settings_json;
    line.command = s->kind->command;
    return onramp_ledger_begin(ledger, &line, s->err);
}

/* ---- the end ---- */

static bool count_outcome(void *context, const struct onramp_ledger_entry *entry)
{
    struct onramp_ledger_end *line = context;
    if (entry->has_outcome)
        line->counts[entry->outcome]++;
    return true;
}

/* The last line of the stage's own run: how the ledger stands now. */
static enum onramp_status end(struct onramp_stage *s)
{
    struct onramp_ledger_end line = {.at = onramp_engine_wall(s->engine),
                                     .reason = s->summary->reason,
                                     .requests = s->summary->requests,
                                     .throttled = s->summary->throttled,
                                     .seconds = s->summary->seconds};
    onramp_ledger_each(s->setup->ledger, count_outcome, &line);
    return onramp_ledger_end(s->setup->ledger, &line, s->err);
}

/* A question can be asked again; a write was refused before the first one. */
static int early_exit(const struct onramp_session *session, bool silent, enum onramp_status status)
{
    return status == ONRAMP_ENET && silent && !session->interrupted ? 5 : onramp_session_exit(session, status);
}

static enum onramp_status finish(struct onramp_stage *s)
{
    const struct onramp_transport *t = s->engine->transport;
    onramp_span taken = t->ops->now(t->self) - s->engine->started_at;
    s->summary->seconds = (double)taken / (double)ONRAMP_SECOND;
    if (s->summary->run[0] == '\0' || s->lane->stop == ONRAMP_STOP_DISK)
        return s->lane->status;
    struct onramp_error first = *s->err; /* what stopped the run says more than a ledger that fails at its end */
    enum onramp_status st = end(s);
    if (st != ONRAMP_OK)
        s->summary->exit = 5;
    else
        *s->err = first;
    return s->lane->status != ONRAMP_OK ? s->lane->status : st;
}

/* ---- the whole ---- */

enum onramp_status onramp_stage_run(struct onramp_stage *s, struct onramp_stage_summary *summary,
                                    struct onramp_error *err)
{
    struct onramp_engine engine;
    struct onramp_error own = {0};
    err = err != NULL ? err : &own;
    *summary = (struct onramp_stage_summary){0};
    enum onramp_status st = onramp_engine_init(&engine, s->setup->target, s->setup->transport, s->setup->observer, err);
    if (st == ONRAMP_OK)
        st = onramp_stage_open(s, &engine, NULL, summary, err);
    if (st == ONRAMP_OK)
        onramp_stage_admit_all(s);
    if (st == ONRAMP_OK)
        st = s->lane->status; /* there may have been no memory for all */
    if (st == ONRAMP_OK)
        st = begin(s);
    bool begun = st == ONRAMP_OK;
    if (begun)
        onramp_stage_complete(s);
    if (begun && s->todo_count > 0)
        onramp_engine_run(&engine);
    onramp_stage_close(s);
    if (begun) {
        st = finish(s);
    } else {
        summary->exit = early_exit(&engine.session, s->kind->silent, st);
        (void)snprintf(summary->reason, sizeof summary->reason, "%s", err->text);
    }
    onramp_engine_clear(&engine);
    return st;
}
