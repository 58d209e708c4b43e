/*
 * after.c - stages in an upload's own run.
 *
 * Roles and organization first: who follows a link finds them in place. The stages go on with the upload's session and
 * with what its pacer has learned; mails are of another API, and have a pacer of their own.
 */
#include "after.h"

#include "stage.h"

#include <string.h>

static const struct onramp_after *after_of(const struct onramp_run *r)
{
    static const struct onramp_after nothing = {0};
    return r->settings->after != NULL ? r->settings->after : &nothing;
}

static bool count_pending(void *context, const struct onramp_ledger_entry *entry)
{
    bool pending = onramp_stage_owns(entry) && entry->settled && entry->identity.email != NULL &&
                   onramp_ledger_deed_state(entry, ONRAMP_DEED_INVITE, "email") != ONRAMP_DEED_DONE;
    *(uint64_t *)context += pending ? 1 : 0;
    return true;
}

uint64_t onramp_after_mails(const struct onramp_run *r)
{
    const struct onramp_after *after = after_of(r);
    uint64_t mails = 0;
    if (after->invite == NULL || !after->invite->by_mail || r->ledger == NULL)
        return 0;
    onramp_ledger_each(r->ledger, count_pending, &mails);
    return mails + r->census.sendable;
}

enum onramp_status onramp_after_check(struct onramp_run *r)
{
    const struct onramp_after *after = after_of(r);
    const char *needed[6], *const *scopes;
    size_t count = 0;
    if (after->role_count > 0)
        for (scopes = onramp_stage_roles.scopes; *scopes != NULL; scopes++)
            needed[count++] = *scopes;
    if (after->organization != NULL)
        for (scopes = onramp_stage_members.scopes; *scopes != NULL; scopes++)
            needed[count++] = *scopes;
    if (after->invite != NULL && !after->invite->by_mail)
        needed[count++] = "create:user_tickets";
    needed[count] = NULL;
    return count > 0 ? onramp_session_authorize(&r->engine.session, needed, r->err) : ONRAMP_OK;
}

/* The run's own stop, if a stage with an engine of its own was stopped. */
static void heed(struct onramp_run *r, const struct onramp_stage *stage, enum onramp_status status)
{
    if (stage->stopped != ONRAMP_STOP_NOT)
        onramp_engine_stop(&r->engine, stage->stopped, status, stage->summary->reason);
    else if (status != ONRAMP_OK)
        onramp_engine_fail(&r->engine,
                           status == ONRAMP_EAUTH  ? ONRAMP_STOP_UNAUTHORIZED
                           : status == ONRAMP_ENET ? ONRAMP_STOP_GAVE_UP
                                                   : ONRAMP_STOP_DISK,
                           status);
}

static void follow(struct onramp_run *r, struct onramp_stage *stage, bool shares)
{
    struct onramp_stage_setup setup = {.target = stage->setup != NULL ? stage->setup->target : &r->settings->target,
                                       .transport = r->engine.transport,
                                       .ledger = r->ledger,
                                       .observer = r->engine.observer,
                                       .found = after_of(r)->found,
                                       .found_context = after_of(r)->found_context};
    enum onramp_deed deed = stage->kind->deed;
    stage->setup = &setup;
    stage->follows = true;
    r->summary->ran[deed] = true;
    enum onramp_status st = onramp_stage_run(stage, shares ? &r->engine : NULL, &r->summary->after[deed], r->err);
    heed(r, stage, st);
}

static bool goes_on(const struct onramp_run *r)
{
    return r->engine.stop == ONRAMP_STOP_NOT && r->ledger != NULL;
}

void onramp_after_run(struct onramp_run *r)
{
    const struct onramp_after *after = after_of(r);
    if (goes_on(r) && after->role_count > 0) {
        struct onramp_stage stage = {
            .kind = &onramp_stage_roles, .subjects = after->roles, .subject_count = after->role_count};
        follow(r, &stage, true);
    }
    if (goes_on(r) && after->organization != NULL) {
        const char *const subjects[] = {after->organization};
        struct onramp_stage stage = {.kind = &onramp_stage_members, .subjects = subjects, .subject_count = 1};
        follow(r, &stage, true);
    }
    if (goes_on(r) && after->invite != NULL) {
        struct onramp_target target;
        struct onramp_stage_setup setup = {.target = &target};
        struct onramp_stage stage;
        onramp_stage_invite(&stage, after->invite, &r->settings->target, &target);
        stage.setup = &setup;
        follow(r, &stage, !after->invite->by_mail);
    }
}

int onramp_after_exit(const struct onramp_run *r, int exit)
{
    for (int i = 0; i < ONRAMP_DEEDS; i++) {
        int other = r->summary->ran[i] ? r->summary->after[i].exit : 0;
        if (exit <= 1 && (other == 5 || other > exit))
            exit = other;
    }
    return exit;
}
