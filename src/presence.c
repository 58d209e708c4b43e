/*
 * presence.c - is a user of the ledger still there?
 */
#include "presence.h"

enum onramp_status onramp_presence_path(struct onramp_stage *stage, const struct onramp_errand *errand,
                                        const char *tail, char *path, size_t room)
{
    if (onramp_stage_user_path(path, room, errand->who[0], tail))
        return ONRAMP_OK;
    return onramp_fail(stage->err, ONRAMP_EIO, "the user_id of record %llu is too long to ask for",
                       (unsigned long long)errand->who[0]->record);
}

bool onramp_presence(struct onramp_stage *stage, uint32_t id, const struct onramp_answer *answer,
                     const struct onramp_reply *reply, struct onramp_found *user)
{
    size_t count;
    if (reply->meaning == ONRAMP_REPLY_NOT_FOUND)
        onramp_stage_finish(stage, id, ONRAMP_RESULT_MISSING, reply, NULL);
    else if (onramp_reply_found(answer->body, stage->setup->target->connection, user, 1, &count, NULL) != ONRAMP_OK ||
             count != 1)
        onramp_stage_doubt(stage, id, reply); /* an answer that is none */
    else if (!user->in_connection)
        onramp_stage_finish(stage, id, ONRAMP_RESULT_MOVED, reply, "it has no identity in the connection");
    else
        return true;
    return false;
}
