/*
 * date.h - the ways in which Auth0 and HTTP write instants.
 */
#ifndef ONRAMP_AUTH0_DATE_H
#define ONRAMP_AUTH0_DATE_H

#include "onramp/base.h"

/* "2026-08-24T17:16:17.161Z" (ISO 8601, with 'Z' or an offset) as Unix ms; false if it is none. */
bool onramp_date_iso(const char *text, int64_t *out);

#endif
