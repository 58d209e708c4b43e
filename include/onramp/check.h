/*
 * check.h - a look before the leap: what would an upload meet? Nothing is written, neither to the tenant nor to disk.
 *
 * The token, the connection, what the answers say of limits, then each record of the file against all that. A finding
 * says what is so, whom it concerns and what to do about it; the exit code is the one that an upload of this file,
 * into this tenant, now, would come to as far as can be seen from here.
 */
#ifndef ONRAMP_CHECK_H
#define ONRAMP_CHECK_H

#include "onramp/base.h"
#include "onramp/source.h"
#include "onramp/transport.h"
#include "onramp/upload.h"

enum onramp_severity {
    ONRAMP_FINDING_GOOD,    /* as it should be */
    ONRAMP_FINDING_NOTICE,  /* worth knowing, hinders nothing */
    ONRAMP_FINDING_WARNING, /* hinders nothing now, may surprise later */
    ONRAMP_FINDING_REFUSED, /* these records would not become users */
    ONRAMP_FINDING_STOP     /* no record would */
};
ONRAMP_API const char *onramp_severity_name(enum onramp_severity severity); /* "ok", "notice", "warning" … */

enum onramp_part { ONRAMP_PART_TOKEN, ONRAMP_PART_CONNECTION, ONRAMP_PART_LIMITS, ONRAMP_PART_FILE, ONRAMP_PARTS };
ONRAMP_API const char *onramp_part_name(enum onramp_part part); /* "token", "connection", "limits", "file" */

#define ONRAMP_FINDING_FIRST 5 /* so many of the records that a finding is about are named */

struct onramp_finding {
    enum onramp_severity severity;
    enum onramp_part part;
    char subject[160];  /* what it is about: a scope, a property, a key in metadata */
    char text[512];     /* one line; of a finding about several records, the words for the first of them … */
    bool varied;        /* … which differ from the others' in a value, a name or a number */
    char remedy[400];   /* what to do; "" where nothing is */
    uint64_t count;     /* records that it concerns; 0: it is not about records */
    size_t first_count; /* the first of them: their ordinals from 0, and where they begin, lines from 1 */
    uint64_t first[ONRAMP_FINDING_FIRST], lines[ONRAMP_FINDING_FIRST];
};

/* Borrowed for the call. */
struct onramp_check_settings {
    struct onramp_target target;
    uint64_t max_users;
    enum onramp_verification_mail verification_mail;
};

struct onramp_check {
    struct onramp_finding *findings; /* in the order of the parts */
    size_t count;
    bool has_file; /* the file was read to its end; else the next five are 0 */
    uint64_t records, sendable, invalid, duplicate;
    uint64_t mails; /* verification mails that an upload would make Auth0 send */
    int exit;       /* 0 all well, 1 some records would be refused, 2, 3, 4, 130: as upload */
};

/*
 * `source` may be NULL: no file. At most a handful of GETs are sent, paced like any others; with client credentials a
 * token is fetched. On ONRAMP_OK clear *out when done; what is wrong with tenant or file is in it. Otherwise the
 * check itself could not be done: ONRAMP_EUSAGE (pacing), ONRAMP_EIO, ONRAMP_ENOMEM.
 */
ONRAMP_API ONRAMP_NODISCARD enum onramp_status onramp_check(const struct onramp_check_settings *settings,
                                                            const struct onramp_source *source,
                                                            const struct onramp_transport *transport,
                                                            const struct onramp_observer *observer,
                                                            struct onramp_check *out, struct onramp_error *err);
ONRAMP_API void onramp_check_clear(struct onramp_check *check);

#endif
