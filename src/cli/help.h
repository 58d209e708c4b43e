/*
 * help.h - what --help prints.
 */
#ifndef ONRAMP_CLI_HELP_H
#define ONRAMP_CLI_HELP_H

#include "commands.h"

#include <stdio.h>

void help_all(FILE *out);
void help_command(FILE *out, const struct command *command);

#define HELP_ROW_SIZE 600

/* The help of a row, its choices, its variables (if the command reads them) and its default. */
void help_row(char *text, size_t size, const struct setting *setting, bool reads_env);
/* A variable that has no flag. */
bool help_is_variable(const struct setting *setting);
/* Whether the environment and .env count for `command`. */
bool help_reads_env(const struct command *command);

#endif
