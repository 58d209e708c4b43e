/*
 * ledger_state.h - what the lines of a ledger come to: its runs, and an entry for each identity.
 *
 * Lines are applied in the order of the file, by replay and by writing alike, so that
 * a ledger that was read again cannot differ from the one that was written.
 */
#ifndef ONRAMP_IO_LEDGER_STATE_H
#define ONRAMP_IO_LEDGER_STATE_H

#include "onramp/ledger.h"

#include <jansson.h>

struct onramp_state; /* opaque */

ONRAMP_NODISCARD enum onramp_status onramp_state_new(struct onramp_state **out, struct onramp_error *err);
void onramp_state_free(struct onramp_state *state); /* NULL is fine */

/*
 * Take in one line. ONRAMP_ECORRUPT if it lacks a member that its type must have, or
 * comes before the first run line; err says what, but not where. ONRAMP_ENOMEM.
 * Types that are not known change nothing.
 */
ONRAMP_NODISCARD enum onramp_status onramp_state_apply(struct onramp_state *state, const json_t *body,
                                                       struct onramp_error *err);

/* The run that the latest run line began; NULL before the first. */
const char *onramp_state_run(const struct onramp_state *state);

/* Its input, domain and connection. False before the first. */
bool onramp_state_last(const struct onramp_state *state, struct onramp_ledger_run *out);

/* The `type` of a deed's line, and the member that names its subject; NULL if it has none. */
const char *onramp_deed_type(enum onramp_deed kind);
const char *onramp_deed_member(enum onramp_deed kind);

/* Do the earlier runs allow this one? ONRAMP_EMISMATCH; `path` is the ledger's, for the text. */
ONRAMP_NODISCARD enum onramp_status onramp_state_match(const struct onramp_state *state, const char *path,
                                                       const struct onramp_ledger_run *run, struct onramp_error *err);

const struct onramp_ledger_entry *onramp_state_find(const struct onramp_state *state,
                                                    const struct onramp_identity *identity);
void onramp_state_each(const struct onramp_state *state,
                       bool (*visit)(void *context, const struct onramp_ledger_entry *entry), void *context);
void onramp_state_runs(const struct onramp_state *state,
                       bool (*visit)(void *context, const struct onramp_ledger_past *past), void *context);

#endif
