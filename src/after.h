/*
 * after.h - what an upload does for its users as soon as they are there: roles, organization, invitations.
 */
#ifndef ONRAMP_AFTER_H
#define ONRAMP_AFTER_H

#include "run.h"

/* Mails that the invitations will make Auth0 send, at most. */
uint64_t onramp_after_mails(const struct onramp_run *run);

/* Does the token carry the scopes for what follows? Before the first create. ONRAMP_EAUTH. */
ONRAMP_NODISCARD enum onramp_status onramp_after_check(struct onramp_run *run);

/*
 * Make the stages' lanes, and give them the users of earlier runs. close() when the engine has run, or will not, whatever
 * the status of open. ONRAMP_ENOMEM, ONRAMP_EUSAGE.
 */
ONRAMP_NODISCARD enum onramp_status onramp_after_open(struct onramp_run *run);
void onramp_after_close(struct onramp_run *run);

/* Is there something to do for users of earlier runs? */
bool onramp_after_waits(const struct onramp_run *run);

/* This user was created: the ledger has it. And: nobody else is. */
void onramp_after_created(struct onramp_run *run, const struct onramp_identity *identity);
void onramp_after_complete(struct onramp_run *run);

/* The exit code of creates and stages together. */
int onramp_after_exit(const struct onramp_run *run, int exit);

#endif
