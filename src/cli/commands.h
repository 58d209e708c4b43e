/*
 * commands.h - what onramp can be told to do. A new command is one line in commands.c.
 */
#ifndef ONRAMP_CLI_COMMANDS_H
#define ONRAMP_CLI_COMMANDS_H

#include "settings.h"

/* Exit codes that do not come from a run: interface of every command. */
enum exit_code {
    EXIT_ALL_WELL = 0,
    EXIT_USAGE = 2,       /* usage or configuration; nothing was sent */
    EXIT_REFUSED = 3,     /* refused before the first write */
    EXIT_CREDENTIALS = 4, /* the tenant refused the credentials */
    EXIT_AGAIN = 5,       /* run the same command again */
    EXIT_INTERRUPTED = 130
};

struct command {
    const char *name;
    const char *summary; /* one line of `onramp --help`, no full stop */
    const char *about;   /* what its own help says beyond the flags */
    const struct setting_table *table;
    unsigned bit;             /* which rows of the table are its own */
    int (*run)(void *values); /* the table's struct, filled; returns the exit code. May change and take from it */
};

/* Ends with a nameless one. */
extern const struct command commands[];
const struct command *command_find(const char *name);

int cmd_upload(void *values);
int cmd_demo(void *values);
int cmd_check(void *values);
int cmd_keygen(void *values);
int cmd_open(void *values);
int cmd_tenant(void *values);
int cmd_verify(void *values);
int cmd_invite(void *values);
int cmd_undo(void *values);
int cmd_plan(void *values);
int cmd_report(void *values);
int cmd_retry(void *values);
/* Rows of commands that have a table of their own, in cmd_NAME.c. */
extern const struct setting_table keygen_table;
extern const struct setting_table open_table;
extern const struct setting_table report_table;
extern const struct setting_table retry_table;
extern const struct setting_table tenant_table;

#endif
