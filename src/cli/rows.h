/*
 * rows.h - settings that stand in several tables, and mean the same in each.
 *
 * One row without its field and its commands: {ROW_LEDGER, AT(ledger)}.
 */
#ifndef ONRAMP_CLI_ROWS_H
#define ONRAMP_CLI_ROWS_H

#include "settings.h"

#define ROW_LEDGER                                                                                                     \
    .operand = true, .kind = SETTING_PATH, .argument = "LEDGER", .variables = {"ONRAMP_LEDGER"},                       \
    .help = "the ledger of the upload, FILE.ledger.ndjson"

#define ROW_ENV_FILE                                                                                                   \
    .flag = "env-file", .kind = SETTING_PATH, .argument = "PATH",                                                      \
    .help = "read settings from here, not from .env in the working directory"

#define ROW_PASSPHRASE_FILE                                                                                            \
    .flag = "passphrase-file", .kind = SETTING_PATH, .argument = "FILE",                                               \
    .help = "take the passphrase from its first line, not from the terminal; '-' for standard input, /dev/fd/3 for a " \
            "descriptor"

#endif
