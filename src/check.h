/*
 * check.h - a check in the making: its findings, and what they are drawn from.
 */
#ifndef ONRAMP_CHECK_INTERNAL_H
#define ONRAMP_CHECK_INTERNAL_H

#include "onramp/check.h"
#include "session.h"

struct onramp_checker {
    const struct onramp_check_settings *settings;
    struct onramp_session session;
    struct onramp_check *out;
    struct onramp_error *err;
    enum onramp_status status;          /* other than OK: the check cannot go on */
    int file_exit, tenant_exit;         /* of what would stop an upload; the file is what it looks at first */
    const struct onramp_record *record; /* at hand */
};

/*
 * One more finding; NULL once memory is short. Name what it is about, what to do ("" for nothing), and say it. Borrowed
 * until the next one.
 */
struct onramp_finding *onramp_check_find(struct onramp_checker *checker, enum onramp_part part,
                                         enum onramp_severity severity, const char *subject, const char *remedy,
                                         const char *format, ...) ONRAMP_PRINTF(6, 7);

/* The record at hand joins those of which the same was found, or is the first of them. */
void onramp_check_find_record(struct onramp_checker *checker, enum onramp_severity severity, const char *subject,
                              const char *remedy, const char *text);

/* Read the file: check_file.c. */
void onramp_check_file(struct onramp_checker *checker, const struct onramp_source *source);

#endif
