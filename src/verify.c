/*
 * verify.c - is everybody there? Asks by id, which is exact and immediately consistent.
 */
#include "stage.h"

#include <stddef.h>

#define FIELDS "?fields=user_id,identities&include_fields=true"

static bool wants(const struct onramp_stage *stage, const struct onramp_ledger_entry *entry)
{
    (void)stage;
    (void)entry;
    return true;
}

static enum onramp_group group(const struct onramp_errand *errand)
{
    (void)errand;
    return ONRAMP_GROUP_READ;
}

static enum onramp_status request(struct onramp_stage *stage, struct onramp_errand *errand, char *path, size_t room,
                                  struct onramp_request *out)
{
    if (!onramp_stage_user_path(path, room, errand->who[0], FIELDS))
        return onramp_fail(stage->err, ONRAMP_EIO, "the user_id of record %llu is too long to ask for",
                           (unsigned long long)errand->who[0]->record);
    out->method = "GET";
    return ONRAMP_OK;
}

static void answered(struct onramp_stage *stage, uint32_t id, const struct onramp_answer *answer,
                     const struct onramp_reply *reply)
{
    struct onramp_found user;
    size_t count;
    if (reply->meaning == ONRAMP_REPLY_NOT_FOUND)
        onramp_stage_finish(stage, id, ONRAMP_RESULT_MISSING, reply, NULL);
    else if (onramp_reply_found(answer->body, stage->setup->target->connection, &user, 1, &count, NULL) != ONRAMP_OK ||
             count != 1)
        onramp_stage_doubt(stage, id, reply); /* an answer that is none */
    else if (!user.in_connection)
        onramp_stage_finish(stage, id, ONRAMP_RESULT_MOVED, reply, "it has no identity in the connection");
    else
        onramp_stage_finish(stage, id, ONRAMP_RESULT_DONE, reply, NULL);
}

enum onramp_status onramp_verify(const struct onramp_stage_setup *setup, struct onramp_stage_summary *summary,
                                 struct onramp_error *err)
{
    static const char *const scopes[] = {"read:users", NULL};
    static const struct onramp_stage_kind kind = {
        .command = "verify",
        .scopes = scopes,
        .open_too = true,
        .silent = true,
        .repeatable = true,
        .party = 1,
        .exits = {[ONRAMP_RESULT_MISSING] = 1,
                  [ONRAMP_RESULT_MOVED] = 1,
                  [ONRAMP_RESULT_REFUSED] = 5,
                  [ONRAMP_RESULT_FAILED] = 5},
        .wants = wants,
        .group = group,
        .request = request,
        .answered = answered,
    };
    struct onramp_stage stage = {.kind = &kind, .setup = setup};
    return onramp_stage_run(&stage, NULL, summary, err);
}
