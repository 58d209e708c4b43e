/*
 * base.h - time, status and error text: what every part of onramp shares.
 *
 * Time is a parameter everywhere. Instants (`..._at`, `now`) are nanoseconds on
 * a monotonic clock whose zero means nothing; spans are nanoseconds too. Only
 * the loop in upload.c reads a clock, once a turn.
 */
#ifndef ONRAMP_BASE_H
#define ONRAMP_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define ONRAMP_API               __attribute__((visibility("default")))
#define ONRAMP_NODISCARD         __attribute__((warn_unused_result))
#define ONRAMP_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define ONRAMP_API
#define ONRAMP_NODISCARD
#define ONRAMP_PRINTF(fmt, args)
#endif

typedef int64_t onramp_time; /* an instant, ns on a monotonic clock */
typedef int64_t onramp_span; /* a length of time, ns */

#define ONRAMP_MICROSECOND INT64_C(1000)
#define ONRAMP_MILLISECOND INT64_C(1000000)
#define ONRAMP_SECOND      INT64_C(1000000000)
#define ONRAMP_MINUTE      (INT64_C(60) * ONRAMP_SECOND)
#define ONRAMP_NEVER       INT64_MAX /* an instant that does not come by itself */

/* What went wrong, as far as a caller can act on it. The text is in the error. */
enum onramp_status {
    ONRAMP_OK = 0,
    ONRAMP_EUSAGE,   /* settings or arguments; nothing was sent */
    ONRAMP_EINPUT,   /* the users' file is unreadable or malformed */
    ONRAMP_EREFUSED, /* refused before the first write: connection, size of the file */
    ONRAMP_EAUTH,    /* the tenant refused the credentials */
    ONRAMP_ENET,     /* the tenant cannot be reached */
    ONRAMP_EIO,      /* disk, descriptor, or a library that failed */
    ONRAMP_ENOMEM,
    ONRAMP_ELOCKED,  /* another run is writing this ledger */
    ONRAMP_ECORRUPT, /* the ledger is damaged where a crash cannot damage it */
    ONRAMP_EMISMATCH /* the ledger belongs to another file, tenant or connection */
};

/*
 * An error's text: one line, the error first, its subject quoted, no full stop:
 * "cannot open ledger 'x': No space left on device". Never a secret.
 * Belongs to the caller; functions only fill it. A NULL error is allowed.
 */
struct onramp_error {
    enum onramp_status status;
    char text[512];
};

/* Fill `err` (may be NULL) and return `status`, so that callers can `return onramp_fail(...)`. */
ONRAMP_API enum onramp_status onramp_fail(struct onramp_error *err, enum onramp_status status, const char *format, ...)
    ONRAMP_PRINTF(3, 4);

/* The same with ONRAMP_EIO (ONRAMP_ENOMEM for ENOMEM) and ": " and the words for `errnum` appended. */
ONRAMP_API enum onramp_status onramp_fail_sys(struct onramp_error *err, int errnum, const char *format, ...)
    ONRAMP_PRINTF(3, 4);

#endif
