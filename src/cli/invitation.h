/*
 * invitation.h - how users are to be invited, from settings: for the command, and for an upload that invites.
 */
#ifndef ONRAMP_CLI_INVITATION_H
#define ONRAMP_CLI_INVITATION_H

#include "settings.h"

enum { INVITE_BY_TICKET, INVITE_BY_MAIL }; /* as --by names them */

/* Do the settings go together? ONRAMP_EUSAGE. Touches nothing. */
ONRAMP_NODISCARD enum onramp_status invitation_check(const struct settings *settings, struct onramp_error *err);

/* Open the file of links, if there is one. Close it whatever the status. */
ONRAMP_NODISCARD enum onramp_status invitation_open(struct onramp_invite_settings *out, const struct settings *settings,
                                                    struct onramp_error *err);
void invitation_close(struct onramp_invite_settings *invitation);

#endif
