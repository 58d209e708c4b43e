/*
 * cmd_verify.c - onramp verify LEDGER.
 */
#include "commands.h"
#include "stage_job.h"

static enum onramp_status verify(void *self, const struct onramp_stage_setup *setup,
                                 struct onramp_stage_summary *summary, struct onramp_error *err)
{
    (void)self;
    return onramp_verify(setup, summary, err);
}

int cmd_verify(void *values)
{
    struct stage_job job = {.settings = values,
                            .command = COMMAND_VERIFY,
                            .name = "verify",
                            .token = true,
                            .words = {[ONRAMP_RESULT_DONE] = {"there", false},
                                      [ONRAMP_RESULT_MISSING] = {"missing", true},
                                      [ONRAMP_RESULT_MOVED] = {"moved", true},
                                      [ONRAMP_RESULT_SKIPPED] = {"skipped", true},
                                      [ONRAMP_RESULT_REFUSED] = {"refused", true},
                                      [ONRAMP_RESULT_FAILED] = {"failed", true}},
                            .run = verify};
    return stage_job_run(&job);
}
