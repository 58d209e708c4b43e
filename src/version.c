/*
 * version.c - the version that was linked, which need not be the one that was compiled against.
 */
#include "onramp/onramp.h"

const char *onramp_version(void)
{
    return ONRAMP_VERSION;
}
