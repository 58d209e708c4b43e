/*
 * pacer_numbers.h - the few sums that all of the pacer does: tokens and instants are int64_t alike.
 */
#ifndef ONRAMP_CORE_PACER_NUMBERS_H
#define ONRAMP_CORE_PACER_NUMBERS_H

#include <stdint.h>

static inline int64_t max(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static inline int64_t min(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Rounded down, of a negative `a` too; `b` is positive. */
static inline int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

#endif
