/*
 * rehearsal.h - the local tenant's model behind a transport in virtual time: an upload that takes minutes runs in a
 * moment, and nothing is sent.
 *
 * Each request is half a round trip on its way, the model answers after its own delay, and the answer takes
 * the other half. Nothing is lost: what a network can do to a run is the tests' matter.
 */
#ifndef ONRAMP_REHEARSAL_H
#define ONRAMP_REHEARSAL_H

#include "onramp/plan.h"
#include "onramp/tenant.h"
#include "onramp/transport.h"

struct onramp_rehearsal; /* opaque */

/* ONRAMP_EUSAGE for settings that the model refuses, ONRAMP_ENOMEM. */
ONRAMP_NODISCARD enum onramp_status onramp_rehearsal_new(struct onramp_rehearsal **out,
                                                         const struct onramp_tenant_settings *tenant,
                                                         onramp_span round_trip, struct onramp_error *err);
void onramp_rehearsal_free(struct onramp_rehearsal *rehearsal); /* NULL is fine */

/* Valid as long as the rehearsal; closing it does nothing. */
const struct onramp_transport *onramp_rehearsal_transport(const struct onramp_rehearsal *rehearsal);

/* A token for its tenant under this host name; the caller's. ONRAMP_ENOMEM. */
ONRAMP_NODISCARD enum onramp_status onramp_rehearsal_token(struct onramp_rehearsal *rehearsal, const char *host,
                                                           struct onramp_secret **out, struct onramp_error *err);

void onramp_rehearsal_view(struct onramp_rehearsal *rehearsal, struct onramp_tenant_view *out);

/* How it went, from the first request on, at most ONRAMP_PLAN_POINTS points evenly thinned. */
size_t onramp_rehearsal_points(const struct onramp_rehearsal *rehearsal,
                               struct onramp_plan_point points[ONRAMP_PLAN_POINTS]);

#endif
