/*
 * certificate.h - a certificate for loopback, made for the occasion.
 */
#ifndef ONRAMP_TENANT_CERTIFICATE_H
#define ONRAMP_TENANT_CERTIFICATE_H

#include "onramp/base.h"

/* Certificate and private key as PEM, malloc'd. */
struct onramp_certificate {
    char *certificate, *key;
};

/*
 * A self-signed certificate with an EC key (P-256) for localhost, 127.0.0.1 and ::1, valid from an hour before
 * `now` (Unix seconds) for 30 days. It is its own CA, so that a client who is told to trust it needs no other file.
 * ONRAMP_EIO if GnuTLS fails, ONRAMP_ENOMEM. Clear *out when done.
 */
ONRAMP_NODISCARD enum onramp_status onramp_certificate_make(struct onramp_certificate *out, int64_t now,
                                                            struct onramp_error *err);

/* From files. ONRAMP_EUSAGE if one cannot be read. */
ONRAMP_NODISCARD enum onramp_status onramp_certificate_read(struct onramp_certificate *out, const char *certificate,
                                                            const char *key, struct onramp_error *err);

/* Wipes the key. A zeroed one is fine. */
void onramp_certificate_clear(struct onramp_certificate *certificate);

#endif
