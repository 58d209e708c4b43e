/*
 * suggest.h - which name was meant?
 */
#ifndef ONRAMP_AUTH0_SUGGEST_H
#define ONRAMP_AUTH0_SUGGEST_H

/*
 * The one of `known` (NULL-terminated, each shorter than 40 bytes) that `name` is a slip of the pen, another way of
 * writing, or another word for; NULL if it is like none of them.
 */
const char *onramp_suggest(const char *name, const char *const *known);

#endif
