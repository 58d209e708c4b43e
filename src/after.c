/*
 * after.c - stages in an upload's own run.
 *
 * Each is a lane beside the creates, and behind them: whoever is created goes through the stages in their order. Roles
 * and organization first: who follows a link finds them in place. Session and pacer are the upload's; mails are of
 * another API, and have a pacer of their own.
 */
#include "after.h"

#include "stage.h"

#include <stdlib.h>
#include <string.h>

struct onramp_following {
    struct onramp_stage stages[3];
    size_t count;
    struct onramp_stage_setup setup, mail_setup;
    struct onramp_target mail_target;
};

static const struct onramp_after *after_of(const struct onramp_run *r)
{
    static const struct onramp_after nothing = {0};
    return r->settings->after != NULL ? r->settings->after : &nothing;
}

struct pending {
    const struct onramp_invite_settings *invite;
    uint64_t mails;
};

static bool count_pending(void *context, const struct onramp_ledger_entry *entry)
{
    struct pending *pending = context;
    bool mails = onramp_stage_owns(entry) && entry->settled && onramp_stage_mails(pending->invite, entry);
    pending->mails += mails ? 1 : 0;
    return true;
}

uint64_t onramp_after_mails(const struct onramp_run *r)
{
    const struct onramp_after *after = after_of(r);
    struct pending pending = {.invite = after->invite};
    if (after->invite == NULL || !after->invite->by_mail || r->ledger == NULL)
        return 0;
    onramp_ledger_each(r->ledger, count_pending, &pending);
    return pending.mails + r->census.sendable;
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

static void add_stage(struct onramp_following *f, struct onramp_stage stage)
{
    stage.setup = &f->setup;
    f->stages[f->count++] = stage;
}

static void choose_stages(struct onramp_run *r, struct onramp_following *f)
{
    const struct onramp_after *after = after_of(r);
    f->setup = (struct onramp_stage_setup){.target = &r->settings->target,
                                           .transport = r->engine.transport,
                                           .ledger = r->ledger,
                                           .observer = r->engine.observer,
                                           .found = after->found,
                                           .found_context = after->found_context};
    if (after->role_count > 0)
        add_stage(f, (struct onramp_stage){.kind = &onramp_stage_roles,
                                           .subjects = after->roles,
                                           .subject_count = after->role_count});
    if (after->organization != NULL)
        add_stage(f, (struct onramp_stage){.kind = &onramp_stage_members,
                                           .subjects = &after->organization,
                                           .subject_count = 1});
    if (after->invite == NULL)
        return;
    struct onramp_stage invite;
    onramp_stage_invite(&invite, after->invite, &r->settings->target, &f->mail_target);
    add_stage(f, invite);
    f->mail_setup = f->setup;
    f->mail_setup.target = &f->mail_target;
    f->stages[f->count - 1].setup = &f->mail_setup;
}

enum onramp_status onramp_after_open(struct onramp_run *r)
{
    enum onramp_status st = ONRAMP_OK;
    struct onramp_following *f = r->following = calloc(1, sizeof *f);
    if (f == NULL)
        return onramp_fail(r->err, ONRAMP_ENOMEM, "out of memory");
    choose_stages(r, f);
    for (size_t i = 0; i < f->count && st == ONRAMP_OK; i++) {
        struct onramp_stage *stage = &f->stages[i];
        bool mails = stage->kind->scopes == NULL;
        enum onramp_deed deed = stage->kind->deed;
        stage->next = i + 1 < f->count ? stage + 1 : NULL;
        r->summary->ran[deed] = true;
        st = onramp_stage_open(stage, &r->engine, mails ? &f->mail_target.pacing : NULL, &r->summary->after[deed],
                               r->err);
    }
    if (st == ONRAMP_OK && f->count > 0)
        onramp_stage_admit_all(&f->stages[0]);
    return st != ONRAMP_OK ? st : r->lane->status; /* there may have been no memory for all */
}

bool onramp_after_waits(const struct onramp_run *r)
{
    bool waits = false;
    for (size_t i = 0; i < r->following->count; i++)
        waits = waits || r->following->stages[i].todo_count > 0;
    return waits;
}

void onramp_after_created(struct onramp_run *r, const struct onramp_identity *identity)
{
    if (r->following == NULL || r->following->count == 0)
        return;
    const struct onramp_ledger_entry *entry = onramp_ledger_find(r->ledger, identity);
    if (entry != NULL && onramp_stage_owns(entry) && entry->settled) /* else the ledger could not be written */
        onramp_stage_admit(&r->following->stages[0], entry);
}

void onramp_after_complete(struct onramp_run *r)
{
    if (r->following != NULL && r->following->count > 0)
        onramp_stage_complete(&r->following->stages[0]);
}

void onramp_after_close(struct onramp_run *r)
{
    for (size_t i = 0; r->following != NULL && i < r->following->count; i++)
        onramp_stage_close(&r->following->stages[i]);
    free(r->following);
    r->following = NULL;
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
