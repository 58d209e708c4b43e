/*
 * suggest.h - did you mean …?
 */
#ifndef ONRAMP_CLI_SUGGEST_H
#define ONRAMP_CLI_SUGGEST_H

#include <stddef.h>

struct suggestion {
    const char *given;
    const char *word; /* the nearest so far, or NULL if none is near */
    size_t distance;
};

void suggestion_begin(struct suggestion *best, const char *given);
void suggestion_offer(struct suggestion *best, const char *word); /* NULL is passed over */

#endif
