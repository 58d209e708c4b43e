/*
 * ledger_replay.h - reads a ledger from its file, and tells what a crash did from other damage.
 */
#ifndef ONRAMP_IO_LEDGER_REPLAY_H
#define ONRAMP_IO_LEDGER_REPLAY_H

#include "io/ledger_state.h"

struct onramp_replayed {
    uint64_t whole;     /* bytes up to the end of the last whole line */
    uint64_t damaged;   /* bytes behind that, left by a crash */
    bool needs_newline; /* the last whole line lacks its newline */
};

/*
 * Read `fd` from its beginning and apply every whole line to `state`. Changes nothing in the file.
 * ONRAMP_ECORRUPT names the line that no crash can have left so; ONRAMP_EIO, ONRAMP_ENOMEM.
 * `path` is for the texts.
 */
ONRAMP_NODISCARD enum onramp_status onramp_replay(int fd, const char *path, struct onramp_state *state,
                                                  struct onramp_replayed *out, struct onramp_error *err);

#endif
