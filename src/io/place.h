/*
 * place.h - where something stands in a file, as an editor counts: from 1, columns in characters.
 */
#ifndef ONRAMP_IO_PLACE_H
#define ONRAMP_IO_PLACE_H

#include <stdint.h>

struct onramp_place {
    uint64_t line, column;
};

#endif
