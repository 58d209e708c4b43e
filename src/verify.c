/*
 * verify.c - is everybody there? Asks by id, which is exact and immediately consistent.
 */
#include "presence.h"

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
    out->method = "GET";
    return onramp_presence_path(stage, errand, FIELDS, path, room);
}

static void answered(struct onramp_stage *stage, uint32_t id, const struct onramp_answer *answer,
                     const struct onramp_reply *reply)
{
    struct onramp_found user;
    if (onramp_presence(stage, id, answer, reply, &user))
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
                  [ONRAMP_RESULT_SKIPPED] = 1,
                  [ONRAMP_RESULT_REFUSED] = 5,
                  [ONRAMP_RESULT_FAILED] = 5},
        .wants = wants,
        .group = group,
        .request = request,
        .answered = answered,
    };
    struct onramp_stage stage = {.kind = &kind, .setup = setup};
    return onramp_stage_run(&stage, summary, err);
}
