/*
 * manual.h - man pages, from the tables that make --help.
 */
#ifndef ONRAMP_CLI_MANUAL_H
#define ONRAMP_CLI_MANUAL_H

#include "commands.h"

#include <stdio.h>

/* onramp.1: all commands, and what holds for each of them. In mdoc. */
void manual_all(FILE *out);

/* onramp-NAME.1 */
void manual_command(FILE *out, const struct command *command);

#endif
