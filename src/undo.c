/*
 * undo.c - out with them again: first a question about each, then a delete.
 *
 * Whom the ledger does not prove to be of its own making is never touched. A delete may be repeated, since it succeeds
 * also for a user that is gone; so what an interrupted run left open is asked about and deleted by the next.
 */
#include "presence.h"

#include <stddef.h>

#define FIELDS "?fields=user_id,identities,logins_count,last_login&include_fields=true"

enum step { ASKS, DELETES };

static const char *const nothing[] = {NULL}; /* an undo has no subject */

static const struct onramp_undo_settings *settings_of(const struct onramp_stage *stage)
{
    return stage->self;
}

static bool wants(const struct onramp_stage *stage, const struct onramp_ledger_entry *entry)
{
    (void)stage;
    (void)entry;
    return true; /* one that is undone is not the ledger's any more */
}

static enum onramp_group group(const struct onramp_errand *errand)
{
    return errand->step == ASKS ? ONRAMP_GROUP_READ : ONRAMP_GROUP_DELETE;
}

static bool ahead(const struct onramp_errand *errand)
{
    return errand->step == DELETES;
}

static enum onramp_status request(struct onramp_stage *stage, struct onramp_errand *errand, char *path, size_t room,
                                  struct onramp_request *out)
{
    bool asks = errand->step == ASKS;
    out->method = asks ? "GET" : "DELETE";
    return onramp_presence_path(stage, errand, asks ? FIELDS : "", path, room);
}

static void asked(struct onramp_stage *stage, uint32_t id, const struct onramp_answer *answer,
                  const struct onramp_reply *reply)
{
    struct onramp_found user;
    const struct onramp_undo_settings *settings = settings_of(stage);
    if (!onramp_presence(stage, id, answer, reply, &user))
        return;
    if (user.used && !settings->even_if_used)
        onramp_stage_finish(stage, id, ONRAMP_RESULT_KEPT, reply, "has logged in");
    else if (!settings->deletes)
        onramp_stage_finish(stage, id, ONRAMP_RESULT_DONE, reply, NULL);
    else
        onramp_stage_proceed(stage, id);
}

static void answered(struct onramp_stage *stage, uint32_t id, const struct onramp_answer *answer,
                     const struct onramp_reply *reply)
{
    if (stage->errands[id].step == ASKS)
        asked(stage, id, answer, reply);
    else
        onramp_stage_finish(stage, id, ONRAMP_RESULT_DONE, reply, NULL);
}

static const char *const asking[] = {"read:users", NULL}, *const deleting[] = {"read:users", "delete:users", NULL};

enum onramp_status onramp_undo(const struct onramp_stage_setup *setup, const struct onramp_undo_settings *settings,
                               struct onramp_stage_summary *summary, struct onramp_error *err)
{
    const struct onramp_stage_kind kind = {
        .command = "undo",
        .scopes = settings->deletes ? deleting : asking,
        .deed = ONRAMP_DEED_UNDO,
        .open_too = true,
        .silent = !settings->deletes,
        .repeatable = true,
        .party = 1,
        .exits = {[ONRAMP_RESULT_MOVED] = 1,
                  [ONRAMP_RESULT_KEPT] = 1,
                  [ONRAMP_RESULT_SKIPPED] = 1,
                  [ONRAMP_RESULT_REFUSED] = 1,
                  [ONRAMP_RESULT_FAILED] = 5,
                  [ONRAMP_RESULT_UNKNOWN] = 5},
        .wants = wants,
        .group = group,
        .ahead = ahead,
        .request = request,
        .answered = answered,
    };
    struct onramp_stage stage = {
        .kind = &kind, .setup = setup, .self = settings, .subjects = nothing, .subject_count = 1};
    return onramp_stage_run(&stage, summary, err);
}
