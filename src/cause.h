/*
 * cause.h - what two refusals have in common, and what to do about it.
 */
#ifndef ONRAMP_CAUSE_H
#define ONRAMP_CAUSE_H

#include "onramp/ledger.h"

/*
 * A message without what varies from record to record: values in quotes become '…', addresses ADDRESS, ids ID, numbers
 * N. Names of properties stay, since they are what the message is about. malloc'd, the caller's; NULL: no memory.
 */
char *onramp_cause_text(const char *message);

/* One line, static. `message` may be "". */
const char *onramp_cause_advice(const struct onramp_ledger_entry *entry);

#endif
