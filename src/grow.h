/*
 * grow.h - lists that grow as they are filled.
 */
#ifndef ONRAMP_GROW_H
#define ONRAMP_GROW_H

#include <stddef.h>

/* Room for one element more of `size` bytes behind `count`: the list, perhaps elsewhere, to be freed with free(). NULL:
 * no memory, and `list` is as it was. */
void *onramp_grow(void *list, size_t count, size_t *room, size_t size);

#endif
