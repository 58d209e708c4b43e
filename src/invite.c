/*
 * invite.c - links, or mails, by which people set their password.
 */
#include "auth0/ticket.h"
#include "onramp/links.h"
#include "stage.h"

#include <stdio.h>

#define DEFAULT_TTL (5 * 24 * 3600) /* Auth0's, seconds */

static const char *const ticket_subject[] = {"ticket"};
static const char *const mail_subject[] = {"email"};

static const struct onramp_invite_settings *settings_of(const struct onramp_stage *stage)
{
    return stage->self;
}

static enum onramp_deed_state state_of(const struct onramp_stage *stage, const struct onramp_ledger_entry *entry)
{
    return onramp_ledger_deed_state(entry, ONRAMP_DEED_INVITE, stage->subjects[0]);
}

static bool wants(const struct onramp_stage *stage, const struct onramp_ledger_entry *entry)
{
    return state_of(stage, entry) != ONRAMP_DEED_DONE;
}

static enum onramp_group group(const struct onramp_errand *errand)
{
    (void)errand;
    return ONRAMP_GROUP_OTHER;
}

static bool ahead(const struct onramp_errand *errand)
{
    (void)errand;
    return true;
}

/* ---- by ticket ---- */

/* A run that died between the link and the ledger's line has left the link in the file. */
static bool has_link(const struct onramp_stage *stage, const struct onramp_ledger_entry *entry,
                     enum onramp_result *result, const char **message)
{
    *result = ONRAMP_RESULT_DONE;
    *message = "its link is in the file already";
    return onramp_links_has(settings_of(stage)->links, entry->user_id);
}

static enum onramp_status request_ticket(struct onramp_stage *stage, struct onramp_errand *errand, char *path,
                                         size_t room, struct onramp_request *out)
{
    const struct onramp_invite_settings *settings = settings_of(stage);
    struct onramp_ticket_wish wish = {.user_id = errand->who[0]->user_id,
                                      .ttl_seconds = settings->ttl_seconds,
                                      .result_url = settings->result_url,
                                      .client_id = settings->app,
                                      .mark_verified = settings->mark_verified};
    (void)snprintf(path, room, "/api/v2/tickets/password-change");
    out->method = "POST";
    errand->body = onramp_ticket_request(&wish);
    return errand->body != NULL ? ONRAMP_OK : onramp_fail(stage->err, ONRAMP_ENOMEM, "out of memory");
}

/* The link goes into guarded memory before anybody parses the answer, and what is parsed has blanks in its place. */
static void guard(struct onramp_errand *errand, struct onramp_answer *answer)
{
    onramp_secret_free(errand->link);
    onramp_secret_free(errand->rest);
    errand->link = errand->rest = NULL;
    if (answer->delivery != ONRAMP_ANSWERED || answer->status != 201 || answer->body == NULL)
        return;
    bool copied = onramp_secret_copy(&errand->rest, answer->body, answer->body_size, NULL) == ONRAMP_OK;
    if (copied && onramp_ticket_take(&errand->link, errand->rest, NULL) != ONRAMP_OK)
        errand->link = NULL; /* an answer without a link in it is no answer */
    answer->body = copied ? errand->rest->text : "";
    answer->body_size = copied ? errand->rest->size : 0;
}

static void ticket_answered(struct onramp_stage *stage, uint32_t id, const struct onramp_answer *answer,
                            const struct onramp_reply *reply)
{
    (void)answer;
    const struct onramp_invite_settings *settings = settings_of(stage);
    const struct onramp_errand *errand = &stage->errands[id];
    if (reply->meaning == ONRAMP_REPLY_NOT_FOUND) {
        onramp_stage_finish(stage, id, ONRAMP_RESULT_MISSING, reply, NULL);
        return;
    }
    if (errand->link == NULL) {
        onramp_stage_doubt(stage, id, reply);
        return;
    }
    const struct onramp_ledger_entry *entry = errand->who[0];
    int64_t now = reply->date > 0 ? reply->date * 1000 : onramp_engine_wall(stage->engine);
    int64_t ttl = settings->ttl_seconds > 0 ? settings->ttl_seconds : DEFAULT_TTL;
    struct onramp_link link = {.email = entry->identity.email != NULL ? entry->identity.email : "",
                               .user_id = entry->user_id,
                               .url = errand->link,
                               .expires_at = now + ttl * 1000};
    enum onramp_status st = onramp_links_add(settings->links, &link, stage->err);
    if (st != ONRAMP_OK)
        onramp_engine_fail(stage->engine, ONRAMP_STOP_DISK, st);
    onramp_stage_finish(stage, id, st == ONRAMP_OK ? ONRAMP_RESULT_DONE : ONRAMP_RESULT_FAILED, reply, NULL);
}

/* ---- by mail ---- */

bool onramp_stage_mails(const struct onramp_invite_settings *settings, const struct onramp_ledger_entry *entry)
{
    enum onramp_deed_state state = onramp_ledger_deed_state(entry, ONRAMP_DEED_INVITE, mail_subject[0]);
    bool doubtful = state == ONRAMP_DEED_SENDING || state == ONRAMP_DEED_UNKNOWN;
    return entry->identity.email != NULL && state != ONRAMP_DEED_DONE && (!doubtful || settings->again);
}

static bool no_mail(const struct onramp_stage *stage, const struct onramp_ledger_entry *entry,
                    enum onramp_result *result, const char **message)
{
    *result = ONRAMP_RESULT_SKIPPED;
    *message = entry->identity.email == NULL
                   ? "it has no e-mail address: invite it by ticket"
                   : "a mail may have gone to it already, for its answer was lost: --again sends one more";
    return !onramp_stage_mails(settings_of(stage), entry);
}

static enum onramp_status confirm(const struct onramp_stage *stage, uint64_t users, struct onramp_error *err)
{
    const struct onramp_observer *observer = stage->engine->observer;
    if (users == 0 || observer->confirm_mails == NULL || observer->confirm_mails(observer->context, users))
        return ONRAMP_OK;
    return onramp_fail(err, ONRAMP_EUSAGE, "%llu mails were not confirmed, nothing was sent: --yes confirms them",
                       (unsigned long long)users);
}

static enum onramp_status request_mail(struct onramp_stage *stage, struct onramp_errand *errand, char *path,
                                       size_t room, struct onramp_request *out)
{
    (void)snprintf(path, room, "/dbconnections/change_password");
    out->method = "POST";
    errand->body =
        onramp_reset_request(stage->setup->target->connection, errand->who[0]->identity.email, settings_of(stage)->app);
    return errand->body != NULL ? ONRAMP_OK : onramp_fail(stage->err, ONRAMP_ENOMEM, "out of memory");
}

static void mail_answered(struct onramp_stage *stage, uint32_t id, const struct onramp_answer *answer,
                          const struct onramp_reply *reply)
{
    (void)answer;
    bool done = reply->meaning == ONRAMP_REPLY_DONE;
    onramp_stage_finish(stage, id, done ? ONRAMP_RESULT_DONE : ONRAMP_RESULT_REFUSED, reply, done ? "" : NULL);
}

/* ---- both ---- */

static const char *const ticket_scopes[] = {"create:user_tickets", NULL};

static const struct onramp_stage_kind by_ticket = {
    .command = "invite",
    .scopes = ticket_scopes,
    .deed = ONRAMP_DEED_INVITE,
    .repeatable = true,
    .harmless = true,
    .party = 1,
    .exits = {[ONRAMP_RESULT_MISSING] = 1,
              [ONRAMP_RESULT_SKIPPED] = 1,
              [ONRAMP_RESULT_REFUSED] = 1,
              [ONRAMP_RESULT_FAILED] = 5},
    .wants = wants,
    .known = has_link,
    .group = group,
    .ahead = ahead,
    .request = request_ticket,
    .guard = guard,
    .answered = ticket_answered,
};

static const struct onramp_stage_kind by_mail = {
    .command = "invite",
    .deed = ONRAMP_DEED_INVITE,
    .party = 1,
    .exits = {[ONRAMP_RESULT_SKIPPED] = 1,
              [ONRAMP_RESULT_REFUSED] = 1,
              [ONRAMP_RESULT_UNKNOWN] = 1,
              [ONRAMP_RESULT_FAILED] = 5},
    .wants = wants,
    .known = no_mail,
    .confirm = confirm,
    .group = group,
    .ahead = ahead,
    .request = request_mail,
    .answered = mail_answered,
};

/* Mails are of another API with limits of its own: nothing learned elsewhere holds there, and no plan's rate helps a
 * mail provider. The user's own ceiling stays if it is the lower one. */
static struct onramp_target mail_target(const struct onramp_target *target, uint32_t mails_per_minute)
{
    struct onramp_target out = *target;
    const struct onramp_rate mails = {mails_per_minute, ONRAMP_MINUTE};
    struct onramp_rate *ceiling = &out.pacing.ceiling;
    if (ceiling->tokens == 0 || mails.per / (onramp_span)mails.tokens > ceiling->per / (onramp_span)ceiling->tokens)
        *ceiling = mails;
    out.pacing.ceiling_burst = 1;
    out.pacing.hint = (struct onramp_rate){0, 0};
    return out;
}

void onramp_stage_invite(struct onramp_stage *stage, const struct onramp_invite_settings *settings,
                         const struct onramp_target *target, struct onramp_target *out)
{
    *out = settings->by_mail ? mail_target(target, settings->mails_per_minute) : *target;
    *stage = (struct onramp_stage){.kind = settings->by_mail ? &by_mail : &by_ticket,
                                   .self = settings,
                                   .subjects = settings->by_mail ? mail_subject : ticket_subject,
                                   .subject_count = 1};
}

enum onramp_status onramp_invite(const struct onramp_stage_setup *setup, const struct onramp_invite_settings *settings,
                                 struct onramp_stage_summary *summary, struct onramp_error *err)
{
    struct onramp_target target;
    struct onramp_stage_setup own = *setup;
    struct onramp_stage stage;
    onramp_stage_invite(&stage, settings, setup->target, &target);
    own.target = &target;
    stage.setup = &own;
    return onramp_stage_run(&stage, summary, err);
}
