/*
 * domain.h - a tenant's address as people write it.
 */
#ifndef ONRAMP_CLI_DOMAIN_H
#define ONRAMP_CLI_DOMAIN_H

#include <onramp/base.h>

#define DOMAIN_MAX 262 /* longest host name, its port, a NUL */

struct domain {
    char name[DOMAIN_MAX];     /* "host" or "host:port", lower case; "" if unset */
    char base[DOMAIN_MAX + 8]; /* "https://host:port" */
    bool loopback;
};

/*
 * "host" or "host:port". An https:// in front and slashes behind are dropped, since that is how a browser's address
 * bar shows it. http:// is for loopback addresses only. On ONRAMP_EUSAGE the words have no source in
 * front and *out is untouched.
 */
ONRAMP_NODISCARD enum onramp_status domain_parse(struct domain *out, const char *text, struct onramp_error *err);

#endif
