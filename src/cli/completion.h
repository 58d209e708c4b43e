/*
 * completion.h - a completion script for shells, from the tables that make --help.
 */
#ifndef ONRAMP_CLI_COMPLETION_H
#define ONRAMP_CLI_COMPLETION_H

#include <stdio.h>

/* For bash 3.2 or newer, and for zsh with bashcompinit. */
void completion_bash(FILE *out);

#endif
