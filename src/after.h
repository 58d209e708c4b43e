/*
 * after.h - what an upload does for its users once they are there: roles, organization, invitations.
 */
#ifndef ONRAMP_AFTER_H
#define ONRAMP_AFTER_H

#include "run.h"

/* Mails that the invitations will make Auth0 send, at most. */
uint64_t onramp_after_mails(const struct onramp_run *run);

/* Does the token carry the scopes for what follows? Before the first create. ONRAMP_EAUTH. */
ONRAMP_NODISCARD enum onramp_status onramp_after_check(struct onramp_run *run);

/* Behind the creates, unless the run was stopped. What stops a stage stops the run. */
void onramp_after_run(struct onramp_run *run);

/* The exit code of creates and stages together. */
int onramp_after_exit(const struct onramp_run *run, int exit);

#endif
