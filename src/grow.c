/*
 * grow.c - lists that grow as they are filled.
 */
#include "grow.h"

#include <stdlib.h>

void *onramp_grow(void *list, size_t count, size_t *room, size_t size)
{
    if (count < *room)
        return list;
    size_t more = *room > 0 ? *room * 2 : 16;
    void *larger = realloc(list, more * size);
    if (larger != NULL)
        *room = more;
    return larger;
}
