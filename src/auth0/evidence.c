/*
 * evidence.c - the rules of evidence.
 */
#include "auth0/evidence.h"

#include <string.h>

/* Of its main identity, which is a database's. */
static bool has_main_id(const struct onramp_found *found, const char *id)
{
    static const char prefix[] = "auth0|";
    size_t size = sizeof prefix - 1;
    return strncmp(found->user_id, prefix, size) == 0 && strcmp(found->user_id + size, id) == 0;
}

/* Its own, or of the identity that an account linked to it later has brought along. */
static bool has_id(const struct onramp_found *found, const char *id)
{
    return strcmp(found->identity_id, id) == 0 || has_main_id(found, id);
}

static enum onramp_verdict judge_by_date(const struct onramp_evidence *evidence, const struct onramp_found *found)
{
    int64_t created = found->created_at / 1000;
    if (evidence->tenant_date == 0 || found->created_at == 0)
        return ONRAMP_UNDECIDED;
    if (created + ONRAMP_EVIDENCE_SKEW < evidence->tenant_date)
        return ONRAMP_THEIRS;
    return created <= evidence->tenant_date + ONRAMP_EVIDENCE_LATEST ? ONRAMP_OURS : ONRAMP_UNDECIDED;
}

static enum onramp_verdict judge_one(const struct onramp_evidence *evidence, const struct onramp_found *found)
{
    bool chosen = evidence->chosen_id[0] != '\0';
    const char *id = chosen ? evidence->chosen_id : evidence->given_id;
    bool matches = id != NULL && has_id(found, id);
    if (chosen && matches)
        return ONRAMP_OURS;
    if (id == NULL || matches || evidence->ids == ONRAMP_IDS_REPLACED)
        return judge_by_date(evidence, found);
    if (evidence->ids == ONRAMP_IDS_KEPT)
        return ONRAMP_THEIRS;
    /* Another id than the one we sent: somebody else's, unless the connection is one that gives its own. */
    return judge_by_date(evidence, found) == ONRAMP_THEIRS ? ONRAMP_THEIRS : ONRAMP_UNDECIDED;
}

/* Which of two verdicts says more about whether the user of this record is there. */
static int weight(enum onramp_verdict verdict)
{
    switch (verdict) {
    case ONRAMP_NOBODY:
        return 0;
    case ONRAMP_THEIRS:
        return 1;
    case ONRAMP_UNDECIDED:
        return 2;
    case ONRAMP_OURS:
        return 3;
    }
    return 0;
}

enum onramp_verdict onramp_evidence_judge(const struct onramp_evidence *evidence, const struct onramp_found *found,
                                          size_t count, const char **user_id)
{
    enum onramp_verdict best = ONRAMP_NOBODY;
    for (size_t i = 0; i < count; i++) {
        enum onramp_verdict verdict = found[i].in_connection ? judge_one(evidence, &found[i]) : ONRAMP_NOBODY;
        if (weight(verdict) <= weight(best))
            continue;
        best = verdict;
        *user_id = found[i].user_id;
    }
    return best;
}

const struct onramp_found *onramp_evidence_resident(const struct onramp_found *found, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (found[i].in_connection && has_main_id(&found[i], found[i].identity_id))
            return &found[i];
    return NULL;
}
