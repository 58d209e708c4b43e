/*
 * certificate.c - GnuTLS makes a key and a certificate.
 */
#include "tenant/certificate.h"

#include <errno.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DAY      86400
#define PEM_MAX  ((size_t)64 * 1024)
#define BASIC_CA 1

static const unsigned char ipv4_loopback[4] = {127, 0, 0, 1};
static const unsigned char ipv6_loopback[16] = {[15] = 1};

/* The names it is for, and what it may be used for. A GnuTLS code. */
static int describe(gnutls_x509_crt_t crt, int64_t now)
{
    unsigned char serial[16];
    int rc = gnutls_rnd(GNUTLS_RND_NONCE, serial, sizeof serial);
    serial[0] &= 0x7f; /* a positive integer */
    static const char name[] = "onramp local tenant";
    const struct {
        gnutls_x509_subject_alt_name_t type;
        const void *data;
        unsigned size;
    } names[] = {{GNUTLS_SAN_DNSNAME, "localhost", 9},
                 {GNUTLS_SAN_IPADDRESS, ipv4_loopback, sizeof ipv4_loopback},
                 {GNUTLS_SAN_IPADDRESS, ipv6_loopback, sizeof ipv6_loopback}};

    if (rc >= 0)
        rc = gnutls_x509_crt_set_version(crt, 3);
    if (rc >= 0)
        rc = gnutls_x509_crt_set_serial(crt, serial, sizeof serial);
    if (rc >= 0)
        rc = gnutls_x509_crt_set_activation_time(crt, (time_t)(now - 3600));
    if (rc >= 0)
        rc = gnutls_x509_crt_set_expiration_time(crt, (time_t)(now + 30 * DAY));
    if (rc >= 0)
        rc = gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, name, sizeof name - 1);
    for (size_t i = 0; rc >= 0 && i < sizeof names / sizeof names[0]; i++)
        rc = gnutls_x509_crt_set_subject_alt_name(crt, names[i].type, names[i].data, names[i].size,
                                                  i == 0 ? GNUTLS_FSAN_SET : GNUTLS_FSAN_APPEND);
    if (rc >= 0)
        rc = gnutls_x509_crt_set_basic_constraints(crt, BASIC_CA, 0);
    if (rc >= 0)
        rc = gnutls_x509_crt_set_key_usage(crt, GNUTLS_KEY_DIGITAL_SIGNATURE | GNUTLS_KEY_KEY_CERT_SIGN);
    if (rc >= 0)
        rc = gnutls_x509_crt_set_key_purpose_oid(crt, GNUTLS_KP_TLS_WWW_SERVER, 0);
    return rc;
}

/* Newer clients (Python's among them) insist on key identifiers in what they are to trust. */
static int sign(gnutls_x509_crt_t crt, gnutls_x509_privkey_t key)
{
    unsigned char id[64];
    size_t size = sizeof id;
    int rc = gnutls_x509_crt_set_key(crt, key);
    if (rc >= 0)
        rc = gnutls_x509_crt_get_key_id(crt, 0, id, &size);
    if (rc >= 0)
        rc = gnutls_x509_crt_set_subject_key_id(crt, id, size);
    if (rc >= 0)
        rc = gnutls_x509_crt_set_authority_key_id(crt, id, size);
    if (rc >= 0)
        rc = gnutls_x509_crt_sign2(crt, crt, key, GNUTLS_DIG_SHA256, 0);
    return rc;
}

/* A datum of GnuTLS as a string of ours; NULL for want of memory. Wipes and frees the datum. */
static char *take_text(gnutls_datum_t *datum)
{
    char *text = datum->data != NULL ? strndup((const char *)datum->data, datum->size) : NULL;
    if (datum->data != NULL)
        gnutls_memset(datum->data, 0, datum->size);
    gnutls_free(datum->data);
    return text;
}

enum onramp_status onramp_certificate_make(struct onramp_certificate *out, int64_t now, struct onramp_error *err)
{
    struct onramp_certificate made = {0};
    gnutls_x509_privkey_t key = NULL;
    gnutls_x509_crt_t crt = NULL;
    gnutls_datum_t crt_pem = {0}, key_pem = {0};
    int rc = gnutls_x509_privkey_init(&key);
    if (rc >= 0)
        rc = gnutls_x509_crt_init(&crt);
    if (rc >= 0)
        rc = gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0);
    if (rc >= 0)
        rc = describe(crt, now);
    if (rc >= 0)
        rc = sign(crt, key);
    if (rc >= 0)
        rc = gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &crt_pem);
    if (rc >= 0)
        rc = gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_PEM, &key_pem);
    made.certificate = take_text(&crt_pem);
    made.key = take_text(&key_pem);
    gnutls_x509_crt_deinit(crt);
    gnutls_x509_privkey_deinit(key);

    if (rc < 0) {
        onramp_certificate_clear(&made);
        return onramp_fail(err, ONRAMP_EIO, "cannot make a certificate: %s", gnutls_strerror(rc));
    }
    if (made.certificate == NULL || made.key == NULL) {
        onramp_certificate_clear(&made);
        return onramp_fail(err, ONRAMP_ENOMEM, "no memory for a certificate");
    }
    *out = made;
    return ONRAMP_OK;
}

static enum onramp_status read_file(char **out, const char *path, struct onramp_error *err)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return onramp_fail(err, ONRAMP_EUSAGE, "cannot read '%s': %s", path, strerror(errno));
    enum onramp_status st = ONRAMP_OK;
    char *text = calloc(1, PEM_MAX + 1);
    size_t size = text != NULL ? fread(text, 1, PEM_MAX + 1, file) : 0;
    if (text == NULL)
        st = onramp_fail(err, ONRAMP_ENOMEM, "no memory for '%s'", path);
    else if (ferror(file))
        st = onramp_fail(err, ONRAMP_EUSAGE, "cannot read '%s'", path);
    else if (size > PEM_MAX || strstr(text, "-----BEGIN ") == NULL)
        st = onramp_fail(err, ONRAMP_EUSAGE, "'%s' is not a PEM file: expected -----BEGIN …", path);
    (void)fclose(file); /* read only: nothing can be lost */
    if (st == ONRAMP_OK)
        *out = text;
    else
        free(text);
    return st;
}

/* Do they belong together? Otherwise the server would only say that it cannot start. */
static enum onramp_status check_pair(const struct onramp_certificate *pair, const char *certificate, const char *key,
                                     struct onramp_error *err)
{
    gnutls_certificate_credentials_t credentials;
    int rc = gnutls_certificate_allocate_credentials(&credentials);
    if (rc < 0)
        return onramp_fail(err, ONRAMP_ENOMEM, "cannot check '%s': %s", certificate, gnutls_strerror(rc));
    gnutls_datum_t crt = {(unsigned char *)pair->certificate, (unsigned)strlen(pair->certificate)};
    gnutls_datum_t private = {(unsigned char *)pair->key, (unsigned)strlen(pair->key)};
    rc = gnutls_certificate_set_x509_key_mem(credentials, &crt, &private, GNUTLS_X509_FMT_PEM);
    gnutls_certificate_free_credentials(credentials);
    if (rc < 0)
        return onramp_fail(err, ONRAMP_EUSAGE, "cannot use certificate '%s' with key '%s': %s", certificate, key,
                           gnutls_strerror(rc));
    return ONRAMP_OK;
}

enum onramp_status onramp_certificate_read(struct onramp_certificate *out, const char *certificate, const char *key,
                                           struct onramp_error *err)
{
    struct onramp_certificate read = {0};
    enum onramp_status st = read_file(&read.certificate, certificate, err);
    if (st == ONRAMP_OK)
        st = read_file(&read.key, key, err);
    if (st == ONRAMP_OK)
        st = check_pair(&read, certificate, key, err);
    if (st == ONRAMP_OK)
        *out = read;
    else
        onramp_certificate_clear(&read);
    return st;
}

void onramp_certificate_clear(struct onramp_certificate *certificate)
{
    if (certificate->key != NULL)
        gnutls_memset(certificate->key, 0, strlen(certificate->key));
    free(certificate->certificate);
    free(certificate->key);
    *certificate = (struct onramp_certificate){0};
}
