/*
 * cmd_invite.c - onramp invite LEDGER --by ticket|email.
 */
#include "commands.h"
#include "invitation.h"
#include "stage_job.h"

static enum onramp_status invite(void *self, const struct onramp_stage_setup *setup,
                                 struct onramp_stage_summary *summary, struct onramp_error *err)
{
    struct onramp_invite_settings invitation;
    enum onramp_status st = invitation_open(&invitation, self, err);
    if (st == ONRAMP_OK)
        st = onramp_invite(setup, &invitation, summary, err);
    invitation_close(&invitation);
    return st;
}

int cmd_invite(void *values)
{
    const struct settings *s = values;
    struct onramp_error err = {0};
    enum onramp_status st = s->invite >= 0 ? invitation_check(s, &err)
                                           : onramp_fail(&err, ONRAMP_EUSAGE, "say how: --by ticket, or --by email");
    if (st != ONRAMP_OK) {
        console_error(err.text);
        return EXIT_USAGE;
    }
    bool by_mail = s->invite == INVITE_BY_MAIL;
    struct stage_job job = {.settings = s,
                            .command = COMMAND_INVITE,
                            .name = "invite",
                            .writes = true,
                            .token = !by_mail,
                            .words = {[ONRAMP_RESULT_DONE] = {by_mail ? "mailed" : "linked", false},
                                      [ONRAMP_RESULT_MISSING] = {"missing", true},
                                      [ONRAMP_RESULT_SKIPPED] = {"skipped", true},
                                      [ONRAMP_RESULT_REFUSED] = {"refused", true},
                                      [ONRAMP_RESULT_UNKNOWN] = {"unknown", true},
                                      [ONRAMP_RESULT_FAILED] = {"failed", true}},
                            .note = by_mail ? NULL
                                            : "Each link is a credential: send it to its user, then delete the file.",
                            .run = invite,
                            .self = values};
    return stage_job_run(&job);
}
