/*
 * tenant.c - the model of a tenant: state, request, now and seed in, response out.
 */
#include "onramp/tenant.h"

const char *onramp_fault_name(enum onramp_fault fault)
{
    static const char *const names[ONRAMP_FAULTS] = {"drop",        "lose",  "truncate", "hang",        "bad-gateway",
                                                     "unavailable", "error", "edge",     "unauthorized"};
    return names[fault];
}
