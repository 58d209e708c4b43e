/*
 * ledger.c - the ledger's public face: opens, writes lines, answers questions.
 */
#include "onramp/ledger.h"

#include "io/ledger_disk.h"
#include "io/ledger_line.h"
#include "io/ledger_replay.h"
#include "io/ledger_state.h"
#include "onramp/onramp.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct onramp_ledger {
    int fd; /* -1 once replayed, for one that is only read, and for one in memory */
    bool in_memory;
    char *path;
    struct onramp_disk disk;
    struct onramp_state *state;
    uint64_t size;   /* of the file */
    uint64_t synced; /* of that, on disk */
    size_t repaired;
    bool exposed;
    bool running;               /* begin was called: lines may follow */
    struct onramp_error broken; /* the first failed write or sync; ONRAMP_OK while there was none */
};

/* What is kept of texts from outside, in bytes: a line must have a bound. Identifiers that are longer than a key
 * can be are left out whole, for half of one is another one. */
#define MESSAGE_MAX    1024
#define CODE_MAX       256
#define USER_ID_MAX    512
#define NAME_MAX_BYTES 512
#define PATH_MAX_BYTES 4096
#define SETTINGS_MAX   16384

const char *onramp_outcome_name(enum onramp_outcome outcome)
{
    switch (outcome) {
    case ONRAMP_CREATED:
        return "created";
    case ONRAMP_EXISTS:
        return "exists";
    case ONRAMP_REJECTED:
        return "rejected";
    case ONRAMP_INVALID:
        return "invalid";
    case ONRAMP_DUPLICATE:
        return "duplicate";
    case ONRAMP_FAILED:
        return "failed";
    case ONRAMP_UNKNOWN:
        return "unknown";
    case ONRAMP_OUTCOMES:
        break;
    }
    return "?";
}

const char *onramp_deed_state_name(enum onramp_deed_state state)
{
    static const char *const names[ONRAMP_DEED_STATES] = {"none", "sending", "done", "refused", "failed", "unknown"};
    return names[state];
}

/* Opening */

/* A ledger with its file open, locked if it is to be written, and nothing read yet. */
static enum onramp_status open_file(struct onramp_ledger *ledger, bool writing, struct onramp_error *err)
{
    int errnum;
    ledger->fd = onramp_disk_open(ledger->path, writing, &errnum);
    if (ledger->fd < 0)
        return onramp_fail_sys(err, errnum, "cannot open ledger '%s'", ledger->path);

    struct stat st;
    if (fstat(ledger->fd, &st) != 0)
        return onramp_fail_sys(err, errno, "cannot examine ledger '%s'", ledger->path);
    if (!S_ISREG(st.st_mode))
        return onramp_fail(err, ONRAMP_EIO, "cannot use '%s' as a ledger: it is not a regular file", ledger->path);
    if (!writing)
        return ONRAMP_OK;

    int failed = onramp_disk_lock(ledger->fd);
    if (failed == EWOULDBLOCK)
        return onramp_fail(err, ONRAMP_ELOCKED, "ledger '%s' is in use: wait for the other run to end, or stop it",
                           ledger->path);
    if (failed != 0)
        return onramp_fail_sys(err, failed, "cannot lock ledger '%s'", ledger->path);
    if (!onramp_disk_is_at(ledger->fd, ledger->path)) /* between open and lock */
        return onramp_fail(err, ONRAMP_EIO, "ledger '%s' was replaced while it was being opened", ledger->path);
    return ONRAMP_OK;
}

/* Bring the file to the state that was replayed, durably. */
static enum onramp_status repair(struct onramp_ledger *ledger, const struct onramp_replayed *replayed,
                                 struct onramp_error *err)
{
    ledger->exposed = !onramp_disk_close_to_others(ledger->fd);
    if (replayed->damaged > 0 && ftruncate(ledger->fd, (off_t)replayed->whole) != 0)
        return onramp_fail_sys(err, errno, "cannot repair the end of ledger '%s'", ledger->path);
    int failed = replayed->needs_newline ? ledger->disk.append(ledger->disk.self, ledger->fd, "\n", 1) : 0;
    if (failed != 0)
        return onramp_fail_sys(err, failed, "cannot repair the end of ledger '%s'", ledger->path);

    ledger->size = replayed->whole + replayed->needs_newline;
    /* Only an empty file can have an entry that was never synced: the entry comes before the first line. */
    failed = ledger->size == 0 ? onramp_disk_sync_entry(&ledger->disk, ledger->path)
                               : ledger->disk.sync(ledger->disk.self, ledger->fd);
    if (failed != 0)
        return onramp_fail_sys(err, failed, "cannot sync ledger '%s'", ledger->path);
    ledger->synced = ledger->size;
    return ONRAMP_OK;
}

static enum onramp_status open_ledger(struct onramp_ledger **out, const char *path, bool writing,
                                      const struct onramp_disk *disk, struct onramp_error *err)
{
    enum onramp_status st;
    struct onramp_replayed replayed;
    struct onramp_ledger *ledger = calloc(1, sizeof *ledger);
    if (ledger == NULL)
        return onramp_fail(err, ONRAMP_ENOMEM, "out of memory for the ledger");
    ledger->fd = -1;
    ledger->disk = disk != NULL ? *disk : onramp_real_disk;
    ledger->path = strdup(path);
    if (ledger->path == NULL) {
        st = onramp_fail(err, ONRAMP_ENOMEM, "out of memory for the ledger");
        goto out;
    }
    st = onramp_state_new(&ledger->state, err);
    if (st == ONRAMP_OK)
        st = open_file(ledger, writing, err);
    if (st == ONRAMP_OK)
        st = onramp_replay(ledger->fd, path, ledger->state, &replayed, err);
    if (st != ONRAMP_OK)
        goto out;

    ledger->repaired = (size_t)replayed.damaged;
    if (writing) {
        st = repair(ledger, &replayed, err);
        if (st != ONRAMP_OK)
            goto out;
    } else {
        (void)close(ledger->fd);
        ledger->fd = -1;
    }
    *out = ledger;
    ledger = NULL; /* it is the caller's now */
out:
    onramp_ledger_close(ledger);
    return st;
}

enum onramp_status onramp_ledger_open(struct onramp_ledger **out, const char *path, const struct onramp_disk *disk,
                                      struct onramp_error *err)
{
    return open_ledger(out, path, true, disk, err);
}

enum onramp_status onramp_ledger_read(struct onramp_ledger **out, const char *path, struct onramp_error *err)
{
    return open_ledger(out, path, false, NULL, err);
}

static int append_nowhere(void *self, int fd, const char *bytes, size_t size)
{
    (void)self;
    (void)fd;
    (void)bytes;
    (void)size;
    return 0;
}

static int sync_nowhere(void *self, int fd)
{
    (void)self;
    (void)fd;
    return 0;
}

enum onramp_status onramp_ledger_in_memory(struct onramp_ledger **out, struct onramp_error *err)
{
    struct onramp_ledger *ledger = calloc(1, sizeof *ledger);
    if (ledger == NULL)
        return onramp_fail(err, ONRAMP_ENOMEM, "out of memory for the ledger");
    ledger->fd = -1;
    ledger->in_memory = true;
    ledger->disk = (struct onramp_disk){.append = append_nowhere, .sync = sync_nowhere};
    ledger->path = strdup("in memory");
    enum onramp_status st = ledger->path != NULL ? onramp_state_new(&ledger->state, err)
                                                 : onramp_fail(err, ONRAMP_ENOMEM, "out of memory for the ledger");
    if (st == ONRAMP_OK)
        *out = ledger;
    else
        onramp_ledger_close(ledger);
    return st;
}

void onramp_ledger_close(struct onramp_ledger *ledger)
{
    if (ledger == NULL)
        return;
    if (ledger->fd >= 0)
        (void)close(ledger->fd); /* lets go of the lock; what counts was synced before */
    onramp_state_free(ledger->state);
    free(ledger->path);
    free(ledger);
}

size_t onramp_ledger_repaired(const struct onramp_ledger *ledger)
{
    return ledger->repaired;
}

bool onramp_ledger_exposed(const struct onramp_ledger *ledger)
{
    return ledger->exposed;
}

/* Building a line: a member that cannot be made (no memory) makes the whole body NULL in the end. */

struct body {
    json_t *object;
    bool failed;
};

static void add(struct body *body, const char *name, json_t *value)
{
    if (json_object_set_new(body->object, name, value) != 0)
        body->failed = true;
}

static void add_text(struct body *body, const char *name, const char *text, size_t max)
{
    if (text != NULL)
        add(body, name, onramp_line_text(text, max));
}

static void add_number(struct body *body, const char *name, uint64_t number)
{
    add(body, name, json_integer(number < INT64_MAX ? (json_int_t)number : INT64_MAX));
}

static void add_at(struct body *body, int64_t at)
{
    char text[ONRAMP_LINE_TIME_MAX];
    onramp_line_time(at, text);
    add(body, "at", json_string(text));
}

static struct body body_of(const char *type)
{
    struct body body = {.object = json_object()};
    add(&body, "type", json_string(type));
    return body;
}

/* Of a line between begin and close. A ledger that broke, in begin maybe, must be able to say so. */
static struct body body_of_run(const struct onramp_ledger *ledger, const char *type)
{
    assert(ledger->fd >= 0 || ledger->in_memory);
    assert(ledger->running || ledger->broken.status != ONRAMP_OK);
    struct body body = body_of(type);
    add(&body, "run", json_string(onramp_state_run(ledger->state)));
    return body;
}

static bool add_identifier(struct body *body, const char *name, const char *value,
                           const struct onramp_identity *identity, enum onramp_identifier kind)
{
    char key[ONRAMP_IDENTITY_KEY_MAX];
    if (!onramp_identity_key(identity, kind, key)) /* absent, or too long to be one */
        return false;
    add_text(body, name, value, ONRAMP_IDENTITY_KEY_MAX);
    return true;
}

/* The record's own user_id only where nothing else identifies it: the member has other uses. */
static void add_identity(struct body *body, const struct onramp_identity *identity)
{
    bool has_email = add_identifier(body, "email", identity->email, identity, ONRAMP_ID_EMAIL);
    bool has_username = add_identifier(body, "username", identity->username, identity, ONRAMP_ID_USERNAME);
    bool has_phone = add_identifier(body, "phone_number", identity->phone_number, identity, ONRAMP_ID_PHONE_NUMBER);
    if (!has_email && !has_username && !has_phone)
        (void)add_identifier(body, "user_id", identity->user_id, identity, ONRAMP_ID_USER_ID);
}

/* Writing */

/* After a failure the end of the file is not known, so nothing may follow it. The first failure is the one that is
 * told ever after. */
static enum onramp_status break_off(struct onramp_ledger *ledger, struct onramp_error *err)
{
    return onramp_fail(err, ledger->broken.status, "%s", ledger->broken.text);
}

static enum onramp_status break_with(struct onramp_ledger *ledger, int errnum, const char *what,
                                     struct onramp_error *err)
{
    (void)onramp_fail_sys(&ledger->broken, errnum, "cannot %s ledger '%s'", what, ledger->path);
    return break_off(ledger, err);
}

static enum onramp_status append_line(struct onramp_ledger *ledger, const json_t *body, struct onramp_error *err)
{
    size_t size;
    char *line = onramp_line_seal(body, ledger->synced, &size);
    if (line == NULL)
        return break_with(ledger, ENOMEM, "make a line of", err); /* too long it cannot be: every text has a bound */
    int failed = ledger->disk.append(ledger->disk.self, ledger->fd, line, size);
    free(line);
    if (failed != 0)
        return break_with(ledger, failed, "write to", err);
    ledger->size += size;
    return ONRAMP_OK;
}

/* Append a body as a line and take it in. The body is gone afterwards. */
static enum onramp_status write_line(struct onramp_ledger *ledger, struct body *body, struct onramp_error *err)
{
    enum onramp_status st;
    if (ledger->broken.status != ONRAMP_OK)
        st = break_off(ledger, err);
    else if (body->failed)
        st = break_with(ledger, ENOMEM, "make a line of", err);
    else
        st = append_line(ledger, body->object, err);
    if (st == ONRAMP_OK && onramp_state_apply(ledger->state, body->object, &ledger->broken) != ONRAMP_OK)
        st = break_off(ledger, err);
    json_decref(body->object);
    return st;
}

enum onramp_status onramp_ledger_sync(struct onramp_ledger *ledger, struct onramp_error *err)
{
    assert(ledger->fd >= 0 || ledger->in_memory); /* not one that is only read */
    if (ledger->broken.status != ONRAMP_OK)
        return break_off(ledger, err);
    if (ledger->synced == ledger->size)
        return ONRAMP_OK;
    if (!ledger->in_memory && !onramp_disk_is_at(ledger->fd, ledger->path)) {
        (void)onramp_fail(&ledger->broken, ONRAMP_EIO, "ledger '%s' was removed or replaced while in use",
                          ledger->path);
        return break_off(ledger, err);
    }
    int failed = ledger->disk.sync(ledger->disk.self, ledger->fd);
    if (failed != 0)
        return break_with(ledger, failed, "sync", err);
    ledger->synced = ledger->size;
    return ONRAMP_OK;
}

enum onramp_status onramp_ledger_match(const struct onramp_ledger *ledger, const struct onramp_ledger_run *run,
                                       struct onramp_error *err)
{
    return onramp_state_match(ledger->state, ledger->path, run, err);
}

enum onramp_status onramp_ledger_begin(struct onramp_ledger *ledger, const struct onramp_ledger_run *run,
                                       struct onramp_error *err)
{
    assert(ledger->fd >= 0 || ledger->in_memory); /* not one that is only read */
    assert(run->run != NULL && run->input_path != NULL && run->input_sha256 != NULL);
    assert(run->domain != NULL && run->connection != NULL);
    enum onramp_status st = onramp_ledger_match(ledger, run, err);
    if (st != ONRAMP_OK)
        return st;
    json_t *settings = json_loads(run->settings != NULL ? run->settings : "{}", JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(settings) || json_dumpb(settings, NULL, 0, JSON_COMPACT) > SETTINGS_MAX) {
        json_decref(settings);
        return onramp_fail(err, ONRAMP_EUSAGE, "settings for ledger '%s' are not a JSON object of at most %d bytes",
                           ledger->path, SETTINGS_MAX);
    }

    struct body input = {.object = json_object()};
    add_text(&input, "path", run->input_path, PATH_MAX_BYTES);
    add_text(&input, "sha256", run->input_sha256, CODE_MAX);
    add_number(&input, "records", run->input_records);

    struct body body = body_of("run"); /* onramp_line_torn_run() knows how it begins */
    add_number(&body, "version", 1);
    add_text(&body, "run", run->run, CODE_MAX);
    add_at(&body, run->at);
    add(&body, "onramp", json_string(ONRAMP_VERSION));
    add(&body, "input", input.object);
    add_text(&body, "domain", run->domain, NAME_MAX_BYTES);
    add_text(&body, "connection", run->connection, NAME_MAX_BYTES);
    add(&body, "settings", settings);
    add_text(&body, "command", run->command, CODE_MAX);
    body.failed = body.failed || input.failed;
    st = write_line(ledger, &body, err);
    ledger->running = ledger->running || st == ONRAMP_OK;
    return st == ONRAMP_OK ? onramp_ledger_sync(ledger, err) : st;
}

enum onramp_status onramp_ledger_attempt(struct onramp_ledger *ledger, const struct onramp_ledger_attempt *attempt,
                                         struct onramp_error *err)
{
    assert(attempt->attempt >= 1);
    struct body body = body_of_run(ledger, "attempt");
    add_number(&body, "record", attempt->record);
    add_identity(&body, &attempt->identity);
    add_number(&body, "attempt", attempt->attempt);
    add_at(&body, attempt->at);
    add_text(&body, "correlation_id", attempt->correlation_id, CODE_MAX);
    add_text(&body, "user_id", attempt->chosen_id, USER_ID_MAX);
    if (attempt->tenant_date != 0)
        add(&body, "tenant_date", json_integer(attempt->tenant_date));
    return write_line(ledger, &body, err);
}

enum onramp_status onramp_ledger_outcome(struct onramp_ledger *ledger, const struct onramp_ledger_outcome *outcome,
                                         struct onramp_error *err)
{
    struct body body = body_of_run(ledger, "outcome");
    add_number(&body, "record", outcome->record);
    add_identity(&body, &outcome->identity);
    add(&body, "outcome", json_string(onramp_outcome_name(outcome->outcome)));
    add_number(&body, "attempts", outcome->attempts);
    add_at(&body, outcome->at);
    add(&body, "ms", json_integer(outcome->ms));
    add_text(&body, "user_id", outcome->user_id, USER_ID_MAX); /* in place of the record's own */
    if (outcome->status != 0)
        add(&body, "status", json_integer(outcome->status));
    add_text(&body, "error_code", outcome->error_code, CODE_MAX);
    add_text(&body, "message", outcome->message, MESSAGE_MAX);
    add_text(&body, "correlation_id", outcome->correlation_id, CODE_MAX);
    if (outcome->adopted)
        add(&body, "adopted", json_true());
    return write_line(ledger, &body, err);
}

enum onramp_status onramp_ledger_deed(struct onramp_ledger *ledger, const struct onramp_ledger_entry *entry,
                                      const struct onramp_ledger_deed *deed, struct onramp_error *err)
{
    assert(deed->state > ONRAMP_DEED_NONE && deed->state < ONRAMP_DEED_STATES);
    assert((deed->subject != NULL) == (onramp_deed_member(deed->kind) != NULL));
    struct body body = body_of_run(ledger, onramp_deed_type(deed->kind));
    add_number(&body, "record", entry->record);
    add_identity(&body, &entry->identity);
    add_text(&body, "user_id", entry->user_id, USER_ID_MAX); /* in place of the record's own */
    if (deed->subject != NULL)
        add_text(&body, onramp_deed_member(deed->kind), deed->subject, CODE_MAX);
    add(&body, "outcome", json_string(onramp_deed_state_name(deed->state)));
    add_at(&body, deed->at);
    if (deed->status != 0)
        add(&body, "status", json_integer(deed->status));
    add_text(&body, "error_code", deed->error_code, CODE_MAX);
    add_text(&body, "message", deed->message, MESSAGE_MAX);
    return write_line(ledger, &body, err);
}

enum onramp_status onramp_ledger_end(struct onramp_ledger *ledger, const struct onramp_ledger_end *end,
                                     struct onramp_error *err)
{
    assert(end->seconds >= 0 && end->seconds < 1e12);
    enum onramp_status st = onramp_ledger_sync(ledger, err);
    if (st != ONRAMP_OK)
        return st;
    struct body body = body_of_run(ledger, "end");
    add_at(&body, end->at);
    add_text(&body, "reason", end->reason, MESSAGE_MAX);
    for (int i = 0; i < ONRAMP_OUTCOMES; i++)
        add_number(&body, onramp_outcome_name((enum onramp_outcome)i), end->counts[i]);
    add_number(&body, "requests", end->requests);
    add_number(&body, "throttled", end->throttled);
    if (end->has_least)
        add_number(&body, "least_remaining", end->least_remaining);
    add(&body, "seconds", json_real((double)(int64_t)(end->seconds * 1000 + 0.5) / 1000));
    if (end->has_limit) {
        add_number(&body, "limit_burst", end->limit_burst);
        add(&body, "limit_per_second", json_real(end->limit_per_second));
    }
    if (end->others > 0)
        add_number(&body, "others", end->others);
    st = write_line(ledger, &body, err);
    return st == ONRAMP_OK ? onramp_ledger_sync(ledger, err) : st;
}

/* Asking */

bool onramp_ledger_last(const struct onramp_ledger *ledger, struct onramp_ledger_run *out)
{
    return onramp_state_last(ledger->state, out);
}

const struct onramp_ledger_entry *onramp_ledger_find(const struct onramp_ledger *ledger,
                                                     const struct onramp_identity *identity)
{
    return onramp_state_find(ledger->state, identity);
}

void onramp_ledger_each(const struct onramp_ledger *ledger,
                        bool (*visit)(void *context, const struct onramp_ledger_entry *entry), void *context)
{
    onramp_state_each(ledger->state, visit, context);
}

void onramp_ledger_runs(const struct onramp_ledger *ledger,
                        bool (*visit)(void *context, const struct onramp_ledger_past *past), void *context)
{
    onramp_state_runs(ledger->state, visit, context);
}
