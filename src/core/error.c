/*
 * error.c - the text of an error.
 */
#include "onramp/base.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum onramp_status onramp_fail(struct onramp_error *err, enum onramp_status status, const char *format, ...)
{
    if (err == NULL)
        return status;

    /* The text may quote the error's own former text, so it is written aside first. */
    char text[sizeof err->text];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    memcpy(err->text, text, sizeof text);
    err->status = status;
    return status;
}

enum onramp_status onramp_fail_sys(struct onramp_error *err, int errnum, const char *format, ...)
{
    enum onramp_status status = errnum == ENOMEM ? ONRAMP_ENOMEM : ONRAMP_EIO;
    char text[256];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return onramp_fail(err, status, "%s: %s", text, strerror(errnum));
}
