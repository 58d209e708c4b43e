/*
 * cmd_undo.c - onramp undo LEDGER.
 */
#include "commands.h"
#include "stage_job.h"

static enum onramp_status undo(void *self, const struct onramp_stage_setup *setup, struct onramp_stage_summary *summary,
                               struct onramp_error *err)
{
    const struct settings *s = self;
    const struct onramp_undo_settings settings = {.deletes = s->yes, .even_if_used = s->even_if_used};
    return onramp_undo(setup, &settings, summary, err);
}

int cmd_undo(void *values)
{
    const struct settings *s = values;
    struct stage_job job = {.settings = s,
                            .command = COMMAND_UNDO,
                            .name = "undo",
                            .writes = s->yes,
                            .token = true,
                            .words = {[ONRAMP_RESULT_DONE] = {s->yes ? "deleted" : "deletable", !s->yes},
                                      [ONRAMP_RESULT_MISSING] = {"gone", false},
                                      [ONRAMP_RESULT_MOVED] = {"moved", true},
                                      [ONRAMP_RESULT_KEPT] = {"kept", true},
                                      [ONRAMP_RESULT_SKIPPED] = {"skipped", true},
                                      [ONRAMP_RESULT_REFUSED] = {"refused", true},
                                      [ONRAMP_RESULT_UNKNOWN] = {"unknown", true},
                                      [ONRAMP_RESULT_FAILED] = {"failed", true}},
                            .note = s->yes ? NULL : "Nothing was deleted: --yes deletes them.",
                            .run = undo,
                            .self = values};
    return stage_job_run(&job);
}
