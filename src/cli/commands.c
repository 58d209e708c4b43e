/*
 * commands.c - the table of commands.
 */
#include "commands.h"

#include <string.h>

const struct command commands[] = {{0}};

const struct command *command_find(const char *name)
{
    for (const struct command *c = commands; c->name != NULL; c++)
        if (strcmp(c->name, name) == 0)
            return c;
    return NULL;
}
