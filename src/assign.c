/*
 * assign.c - roles and an organization for each created user. Both calls may be repeated: who has the role, or is a
 * member, still is.
 */
#include "stage.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

static bool wants(const struct onramp_stage *stage, const struct onramp_ledger_entry *entry)
{
    for (size_t i = 0; i < stage->subject_count; i++)
        if (onramp_ledger_deed_state(entry, stage->kind->deed, stage->subjects[i]) != ONRAMP_DEED_DONE)
            return true;
    return false;
}

static bool ahead(const struct onramp_errand *errand)
{
    (void)errand;
    return false;
}

/* {"NAME": list}; takes `list`. */
static enum onramp_status set_body(struct onramp_stage *stage, struct onramp_errand *errand, const char *name,
                                   json_t *list, bool good)
{
    json_t *object = good ? json_pack("{s:O}", name, list) : NULL;
    errand->body = object != NULL ? json_dumps(object, JSON_COMPACT) : NULL;
    json_decref(object);
    json_decref(list);
    return errand->body != NULL ? ONRAMP_OK : onramp_fail(stage->err, ONRAMP_ENOMEM, "out of memory");
}

static void answered(struct onramp_stage *stage, uint32_t id, const struct onramp_answer *answer,
                     const struct onramp_reply *reply)
{
    (void)answer;
    bool done = reply->meaning == ONRAMP_REPLY_DONE;
    onramp_stage_finish(stage, id, done ? ONRAMP_RESULT_DONE : ONRAMP_RESULT_MISSING, reply, NULL);
}

/* ---- roles: one call a user, with those that it does not have from us yet ---- */

static enum onramp_group group_of_roles(const struct onramp_errand *errand)
{
    (void)errand;
    return ONRAMP_GROUP_OTHER;
}

static enum onramp_status request_roles(struct onramp_stage *stage, struct onramp_errand *errand, char *path,
                                        size_t room, struct onramp_request *out)
{
    const struct onramp_ledger_entry *entry = errand->who[0];
    if (!onramp_stage_user_path(path, room, entry, "/roles"))
        return onramp_fail(stage->err, ONRAMP_EIO, "the user_id of record %llu is too long to ask for",
                           (unsigned long long)entry->record);
    out->method = "POST";
    json_t *roles = json_array();
    bool good = roles != NULL;
    for (size_t i = 0; i < stage->subject_count; i++)
        if (onramp_ledger_deed_state(entry, ONRAMP_DEED_ROLE, stage->subjects[i]) != ONRAMP_DEED_DONE)
            good = good && json_array_append_new(roles, json_string(stage->subjects[i])) == 0;
    return set_body(stage, errand, "roles", roles, good);
}

static const char *const role_scopes[] = {"update:users", "create:role_members", NULL};

const struct onramp_stage_kind onramp_stage_roles = {
    .command = "role",
    .scopes = role_scopes,
    .deed = ONRAMP_DEED_ROLE,
    .repeatable = true,
    .harmless = true,
    .party = 1,
    .exits = {[ONRAMP_RESULT_MISSING] = 1,
              [ONRAMP_RESULT_SKIPPED] = 1,
              [ONRAMP_RESULT_REFUSED] = 1,
              [ONRAMP_RESULT_FAILED] = 5},
    .wants = wants,
    .group = group_of_roles,
    .ahead = ahead,
    .request = request_roles,
    .answered = answered,
};

/* ---- members: ten users a call ---- */

static enum onramp_group group_of_members(const struct onramp_errand *errand)
{
    (void)errand;
    return ONRAMP_GROUP_MEMBERS;
}

static enum onramp_status request_members(struct onramp_stage *stage, struct onramp_errand *errand, char *path,
                                          size_t room, struct onramp_request *out)
{
    static const char tail[] = "/members";
    (void)snprintf(path, room, "/api/v2/organizations/");
    if (!onramp_session_encode(path, room, stage->subjects[0]) || strlen(path) + sizeof tail > room)
        return onramp_fail(stage->err, ONRAMP_EUSAGE, "the organization's id is too long");
    strcat(path, tail);
    out->method = "POST";
    json_t *members = json_array();
    bool good = members != NULL;
    for (uint32_t i = 0; i < errand->count; i++)
        good = good && json_array_append_new(members, json_string(errand->who[i]->user_id)) == 0;
    return set_body(stage, errand, "members", members, good);
}

static const char *const member_scopes[] = {"create:organization_members", NULL};

const struct onramp_stage_kind onramp_stage_members = {
    .command = "member",
    .scopes = member_scopes,
    .deed = ONRAMP_DEED_MEMBER,
    .repeatable = true,
    .harmless = true,
    .party = ONRAMP_PARTY_MAX,
    .exits = {[ONRAMP_RESULT_MISSING] = 1,
              [ONRAMP_RESULT_SKIPPED] = 1,
              [ONRAMP_RESULT_REFUSED] = 1,
              [ONRAMP_RESULT_FAILED] = 5},
    .wants = wants,
    .group = group_of_members,
    .ahead = ahead,
    .request = request_members,
    .answered = answered,
};
