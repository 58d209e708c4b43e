/*
 * evidence.c - the rules of evidence.
 */
#include "auth0/evidence.h"

#include <string.h>

static bool has_id(const struct onramp_found *found, const char *id)
{
    static const char prefix[] = "auth0|";
    size_t size = sizeof prefix - 1;
    return strncmp(found->user_id, prefix, size) == 0 && strcmp(found->user_id + size, id) == 0;
}

static enum onramp_verdict judge_one(const struct onramp_evidence *evidence, const struct onramp_found *found)
{
    bool chosen = evidence->chosen_id[0] != '\0';
    if (chosen && has_id(found, evidence->chosen_id))
        return ONRAMP_OURS;
    if (chosen && evidence->keeps_ids)
        return ONRAMP_THEIRS;
    if (evidence->tenant_date == 0 || found->created_at == 0)
        return ONRAMP_UNDECIDED;
    if (found->created_at / 1000 < evidence->tenant_date)
        return ONRAMP_THEIRS;
    /* We chose an id and this is another, but the connection may be one that gives its own. */
    return chosen ? ONRAMP_UNDECIDED : ONRAMP_OURS;
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
