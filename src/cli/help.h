/*
 * help.h - what --help prints.
 */
#ifndef ONRAMP_CLI_HELP_H
#define ONRAMP_CLI_HELP_H

#include "commands.h"

#include <stdio.h>

void help_all(FILE *out);
void help_command(FILE *out, const struct command *command);

#endif
