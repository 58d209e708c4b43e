/*
 * signals.h - Ctrl-C, SIGTERM, and the terminal that goes away: the first asks the command to stop, the second leaves
 * at once. As long as the command has never asked (it still reads its input, perhaps from a keyboard) the first one
 * leaves at once too.
 */
#ifndef ONRAMP_CLI_SIGNALS_H
#define ONRAMP_CLI_SIGNALS_H

#include <onramp/base.h>

/*
 * Take SIGINT, SIGTERM and SIGHUP over, the last unless it is ignored, as under nohup. SIGPIPE and SIGXFSZ are ignored:
 * the write that meets them says what is wrong.
 */
ONRAMP_NODISCARD enum onramp_status signals_install(struct onramp_error *err);

/* Readable once a signal has come: for poll(), and for a pool's wake_fd. */
int signals_fd(void);

/* Whether one has come. Empties signals_fd(), so that a loop which asks does not spin. */
bool signals_stopping(void);

/* Sleep until one has come. */
void signals_wait(void);

#endif
