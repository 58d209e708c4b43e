/*
 * passphrase.h - a passphrase from the terminal, without showing it, or from a file.
 */
#ifndef ONRAMP_CLI_PASSPHRASE_H
#define ONRAMP_CLI_PASSPHRASE_H

#include <onramp/secret.h>

/*
 * `file` NULL: ask at the terminal, `twice` for a new one. Else the first line of that file: "-" for standard input,
 * /dev/fd/N for a descriptor. Never empty. ONRAMP_EUSAGE: no terminal, not the same twice, empty, too long, unreadable,
 * or cancelled with Ctrl-C.
 */
ONRAMP_NODISCARD enum onramp_status passphrase_read(struct onramp_secret **out, const char *file, bool twice,
                                                    struct onramp_error *err);

#endif
