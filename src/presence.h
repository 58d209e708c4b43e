/*
 * presence.h - is a user of the ledger still there? What verify asks, and undo before it deletes.
 */
#ifndef ONRAMP_PRESENCE_H
#define ONRAMP_PRESENCE_H

#include "stage.h"

/* "/api/v2/users/ID" of the errand's user, and `tail`. ONRAMP_EIO: the id is too long to ask for. */
ONRAMP_NODISCARD enum onramp_status onramp_presence_path(struct onramp_stage *stage, const struct onramp_errand *errand,
                                                         const char *tail, char *path, size_t room);

/*
 * True: it is there and in the connection, and *user has what was asked for. Otherwise the errand has been told so:
 * it is missing, moved, or the answer cannot be understood.
 */
bool onramp_presence(struct onramp_stage *stage, uint32_t id, const struct onramp_answer *answer,
                     const struct onramp_reply *reply, struct onramp_found *user);

#endif
