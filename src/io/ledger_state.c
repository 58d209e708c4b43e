/*
 * ledger_state.c - what each line of the ledger makes of the entries.
 */
#include "io/ledger_state.h"

#include "io/ledger_disk.h"
#include "io/ledger_entries.h"
#include "io/ledger_line.h"

#include <inttypes.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct past_run {
    struct onramp_ledger_past past;
    char *strings, *reason; /* the run's, in one block, and the end's */
};

struct onramp_state {
    struct past_run *runs;
    size_t run_count, run_room;
    struct onramp_entries entries;
};

/* The longest key: an identity's behind the "duplicate:" and ordinal that set a record apart. */
#define KEY_MAX (ONRAMP_IDENTITY_KEY_MAX + 40)

enum onramp_status onramp_state_new(struct onramp_state **out, struct onramp_error *err)
{
    if (sodium_init() < 0)
        return onramp_fail(err, ONRAMP_EIO, "cannot start libsodium");
    struct onramp_state *state = calloc(1, sizeof *state);
    if (state == NULL)
        return onramp_fail(err, ONRAMP_ENOMEM, "out of memory for the ledger");
    onramp_entries_init(&state->entries);
    *out = state;
    return ONRAMP_OK;
}

void onramp_state_free(struct onramp_state *state)
{
    if (state == NULL)
        return;
    for (size_t i = 0; i < state->run_count; i++) {
        free(state->runs[i].strings);
        free(state->runs[i].reason);
    }
    onramp_entries_clear(&state->entries);
    free(state->runs);
    free(state);
}

/* Members of a line, and what is wrong with it. The first fault is the one that is told. */
struct reading {
    const json_t *body;
    const char *type;
    struct onramp_error *err;
    bool faulty;
};

static void fault(struct reading *r, const char *name, const char *want)
{
    if (!r->faulty)
        (void)onramp_fail(r->err, ONRAMP_ECORRUPT, "'%s' of the %s line is not %s", name, r->type, want);
    r->faulty = true;
}

static const char *read_text(struct reading *r, const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    if (text == NULL)
        fault(r, name, "a string");
    return text;
}

static const char *optional_text(const struct reading *r, const char *name)
{
    return json_string_value(json_object_get(r->body, name));
}

static int64_t read_number(struct reading *r, const char *name, int64_t low, int64_t high)
{
    const json_t *value = json_object_get(r->body, name);
    if (!json_is_integer(value) || json_integer_value(value) < low || json_integer_value(value) > high) {
        fault(r, name, "a number in its range");
        return low;
    }
    return json_integer_value(value);
}

static bool read_time(const struct reading *r, int64_t *at)
{
    const char *text = optional_text(r, "at");
    return text != NULL && onramp_line_parse_time(text, at);
}

static int64_t read_at(struct reading *r)
{
    int64_t at = 0;
    if (!read_time(r, &at))
        fault(r, "at", "a time such as 2026-01-31T12:00:00.000Z");
    return at;
}

static enum onramp_outcome read_outcome(struct reading *r)
{
    const char *name = optional_text(r, "outcome");
    for (int i = 0; name != NULL && i < ONRAMP_OUTCOMES; i++)
        if (strcmp(name, onramp_outcome_name((enum onramp_outcome)i)) == 0)
            return (enum onramp_outcome)i;
    fault(r, "outcome", "created, exists, rejected, invalid, duplicate, failed or unknown");
    return ONRAMP_UNKNOWN;
}

/*
 * Whom a line is about. Its `user_id` is the record's own only where nothing else identifies the record: else it is the
 * one that was chosen for it (attempts) or the tenant's (outcomes: "auth0|x").
 */
static struct onramp_identity read_identity(const struct reading *r)
{
    char key[ONRAMP_IDENTITY_KEY_MAX];
    struct onramp_identity identity = {.email = optional_text(r, "email"),
                                       .username = optional_text(r, "username"),
                                       .phone_number = optional_text(r, "phone_number")};
    if (!onramp_identity_primary(&identity, key)) {
        const char *user_id = optional_text(r, "user_id");
        const char *bar = user_id != NULL ? strchr(user_id, '|') : NULL;
        identity.user_id = bar != NULL ? bar + 1 : user_id;
    }
    return identity;
}

/* The key of a line's entry: the identity's, or the record's ordinal where there is none to go by. */
static void key_of(const struct onramp_identity *identity, uint64_t record, char key[KEY_MAX])
{
    if (!onramp_identity_primary(identity, key))
        (void)snprintf(key, KEY_MAX, "record:%" PRIu64, record);
}

static struct onramp_ledger_entry entry_of(const struct onramp_state *state, const char *key)
{
    const struct onramp_ledger_entry *entry = onramp_entries_find(&state->entries, key);
    return entry != NULL ? *entry : (struct onramp_ledger_entry){.record = 0};
}

static enum onramp_status out_of_memory(struct onramp_error *err)
{
    return onramp_fail(err, ONRAMP_ENOMEM, "out of memory for the ledger");
}

/* The input of the run that a line belongs to: it outlives the entries. */
static const char *present_input(const struct onramp_state *state)
{
    return state->runs[state->run_count - 1].past.run.input_sha256;
}

/* Was another record of this very file refused here under the same identity? (In a file that was edited it may be the
 * same record, corrected and moved.) What becomes of one says nothing of the other. */
static bool another_was_refused(const struct onramp_state *state, const struct onramp_ledger_entry *entry,
                                uint64_t record)
{
    return entry->has_outcome && entry->outcome == ONRAMP_INVALID && entry->attempts == 0 && entry->record != record &&
           entry->input_sha256 != NULL && strcmp(entry->input_sha256, present_input(state)) == 0;
}

/* The key of a record that stands for itself alone. */
static void set_apart(char apart[KEY_MAX], enum onramp_outcome outcome, uint64_t record, const char *key)
{
    (void)snprintf(apart, KEY_MAX, "%s:%" PRIu64 ":%.*s", onramp_outcome_name(outcome), record, ONRAMP_IDENTITY_KEY_MAX,
                   key);
}

/* The entry of `key` is about to become `record`'s: who was refused before keeps one of its own. False: no memory. */
static bool keep_refused(struct onramp_state *state, const char *key, uint64_t record)
{
    char apart[KEY_MAX];
    const struct onramp_ledger_entry *entry = onramp_entries_find(&state->entries, key);
    if (entry == NULL || !another_was_refused(state, entry, record))
        return true;
    set_apart(apart, ONRAMP_INVALID, entry->record, key);
    return onramp_entries_store(&state->entries, apart, *entry);
}

/* The user is gone, so what is known of it says nothing about the next one of this name. */
static bool forget_user(struct onramp_entries *entries, const char *key, const struct onramp_ledger_entry *entry)
{
    onramp_entries_forget_deeds(entries, key);
    struct onramp_ledger_entry rest = {.record = entry->record, .identity = entry->identity, .undone = true};
    return onramp_entries_store(entries, key, rest);
}

/* It was asked about before it is sent, and was not there: a delete that was under way has come to its end. */
static bool end_undo(struct onramp_entries *entries, const char *key)
{
    const struct onramp_ledger_entry *entry = onramp_entries_find(entries, key);
    return entry == NULL || !onramp_ledger_undoing(entry) || forget_user(entries, key, entry);
}

static enum onramp_status apply_attempt(struct onramp_state *state, struct reading *r)
{
    uint64_t record = (uint64_t)read_number(r, "record", 0, INT64_MAX);
    int64_t at = read_at(r);
    (void)read_number(r, "attempt", 1, UINT32_MAX);
    if (r->faulty)
        return ONRAMP_ECORRUPT;

    char key[KEY_MAX];
    struct onramp_identity identity = read_identity(r);
    key_of(&identity, record, key);
    if (!end_undo(&state->entries, key) || !keep_refused(state, key, record))
        return out_of_memory(r->err);
    struct onramp_ledger_entry entry = entry_of(state, key);
    entry.record = record;
    entry.identity = identity;
    /* The evidence of the latest attempt counts: before it left, all earlier ones were found not to have happened. */
    entry.chosen_id = identity.user_id == NULL ? optional_text(r, "user_id") : NULL;
    entry.tenant_date = json_integer_value(json_object_get(r->body, "tenant_date"));
    entry.undone = false;
    entry.attempts++;
    entry.attempted_at = entry.open ? entry.attempted_at : at;
    entry.last_attempted_at = at;
    entry.open = true;
    entry.settled = false;
    entry.correlation_id = optional_text(r, "correlation_id");
    entry.attempt_run = state->runs[state->run_count - 1].past.run.run; /* as below */
    return onramp_entries_store(&state->entries, key, entry) ? ONRAMP_OK : out_of_memory(r->err);
}

/*
 * What was refused here was never sent, so it says nothing about the tenant: it must not hide that
 * a user was created, exists, or may be there, nor that another record was refused. Such a line stands for its record
 * alone.
 */
static bool stands_apart(const struct onramp_state *state, const struct onramp_ledger_entry *entry, uint64_t record,
                         enum onramp_outcome outcome)
{
    if (outcome == ONRAMP_DUPLICATE)
        return true;
    if (outcome == ONRAMP_INVALID && another_was_refused(state, entry, record))
        return true;
    bool may_be_there =
        entry->open || (entry->has_outcome && (entry->outcome == ONRAMP_CREATED || entry->outcome == ONRAMP_EXISTS ||
                                               entry->outcome == ONRAMP_UNKNOWN));
    return outcome == ONRAMP_INVALID && may_be_there;
}

/* An outcome ends an undo that was under way, and what was done for a user is not done for another one. */
static void review_deeds(struct onramp_entries *entries, const char *key, enum onramp_outcome outcome,
                         const char *user_id)
{
    const struct onramp_ledger_entry *entry = onramp_entries_find(entries, key);
    const char *before = entry != NULL ? entry->user_id : NULL;
    if (outcome == ONRAMP_CREATED && (before == NULL || user_id == NULL || strcmp(before, user_id) != 0))
        onramp_entries_forget_deeds(entries, key);
    onramp_entries_forget_kind(entries, key, ONRAMP_DEED_UNDO);
}

static enum onramp_status apply_outcome(struct onramp_state *state, struct reading *r)
{
    uint64_t record = (uint64_t)read_number(r, "record", 0, INT64_MAX);
    enum onramp_outcome outcome = read_outcome(r);
    int64_t at = read_at(r);
    if (r->faulty)
        return ONRAMP_ECORRUPT;

    char key[KEY_MAX], apart[KEY_MAX];
    struct onramp_identity identity = read_identity(r);
    key_of(&identity, record, key);
    struct onramp_ledger_entry entry = entry_of(state, key);
    if (stands_apart(state, &entry, record, outcome)) {
        set_apart(apart, outcome, record, key);
        memcpy(key, apart, sizeof key);
    } else if (!keep_refused(state, key, record)) {
        return out_of_memory(r->err);
    }

    const char *user_id = optional_text(r, "user_id");
    if (user_id != NULL && strchr(user_id, '|') == NULL)
        user_id = NULL;
    review_deeds(&state->entries, key, outcome, user_id);
    entry = entry_of(state, key);
    entry.record = record;
    entry.identity = identity;
    entry.undone = false;
    entry.attempted_at = 0;
    entry.last_attempted_at = 0;
    if (outcome != ONRAMP_UNKNOWN)
        entry.tenant_date = 0;
    entry.open = false;
    entry.has_outcome = true;
    entry.outcome = outcome;
    entry.at = at;
    entry.ms = json_integer_value(json_object_get(r->body, "ms"));
    entry.input_sha256 = present_input(state);
    entry.settled = outcome != ONRAMP_FAILED && outcome != ONRAMP_UNKNOWN && outcome != ONRAMP_INVALID;
    entry.adopted = json_is_true(json_object_get(r->body, "adopted"));
    json_int_t status = json_integer_value(json_object_get(r->body, "status"));
    entry.status = status > 0 && status <= INT_MAX ? (int)status : 0;
    entry.user_id = user_id;
    entry.error_code = optional_text(r, "error_code");
    entry.message = optional_text(r, "message");
    if (optional_text(r, "correlation_id") != NULL)
        entry.correlation_id = optional_text(r, "correlation_id");
    return onramp_entries_store(&state->entries, key, entry) ? ONRAMP_OK : out_of_memory(r->err);
}

const char *onramp_deed_type(enum onramp_deed kind)
{
    static const char *const types[ONRAMP_DEEDS] = {"invite", "role", "member", "undo"};
    return types[kind];
}

const char *onramp_deed_member(enum onramp_deed kind)
{
    static const char *const members[ONRAMP_DEEDS] = {"by", "role", "organization", NULL};
    return members[kind];
}

static enum onramp_deed_state read_deed_state(struct reading *r)
{
    const char *name = optional_text(r, "outcome");
    for (int i = ONRAMP_DEED_NONE + 1; name != NULL && i < ONRAMP_DEED_STATES; i++)
        if (strcmp(name, onramp_deed_state_name((enum onramp_deed_state)i)) == 0)
            return (enum onramp_deed_state)i;
    fault(r, "outcome", "sending, done, refused, failed or unknown");
    return ONRAMP_DEED_UNKNOWN;
}

static enum onramp_status apply_deed(struct onramp_state *state, struct reading *r, enum onramp_deed kind)
{
    uint64_t record = (uint64_t)read_number(r, "record", 0, INT64_MAX);
    const char *member = onramp_deed_member(kind);
    struct onramp_ledger_deed deed = {.at = read_at(r),
                                      .kind = kind,
                                      .state = read_deed_state(r),
                                      .subject = member != NULL ? read_text(r, r->body, member) : NULL};
    if (r->faulty)
        return ONRAMP_ECORRUPT;
    char key[KEY_MAX];
    struct onramp_identity identity = read_identity(r);
    key_of(&identity, record, key);
    struct onramp_ledger_entry *entry = onramp_entries_find(&state->entries, key);
    if (entry == NULL)
        return ONRAMP_OK; /* about a user that this ledger knows nothing of */
    if (kind == ONRAMP_DEED_UNDO && deed.state == ONRAMP_DEED_DONE)
        return forget_user(&state->entries, key, entry) ? ONRAMP_OK : out_of_memory(r->err);
    if (!onramp_entries_keep_deed(&state->entries, key, &deed))
        return out_of_memory(r->err);
    if (kind == ONRAMP_DEED_UNDO) {
        entry->open = onramp_ledger_undoing(entry);
        entry->attempted_at = entry->last_attempted_at = entry->open ? deed.at : 0;
        entry->settled =
            !entry->open && entry->has_outcome && entry->outcome != ONRAMP_FAILED && entry->outcome != ONRAMP_UNKNOWN;
    }
    return ONRAMP_OK;
}

/* Copy a run's strings and settings (NULL: none) into the state. False: no memory. */
static bool keep_run(struct onramp_state *state, struct onramp_ledger_run run, const json_t *settings)
{
    if (state->run_count == state->run_room) {
        size_t room = state->run_room > 0 ? state->run_room * 2 : 4;
        struct past_run *runs = realloc(state->runs, room * sizeof *runs);
        if (runs == NULL)
            return false;
        state->runs = runs;
        state->run_room = room;
    }
    char *text = json_is_object(settings) ? json_dumps(settings, JSON_COMPACT | JSON_REAL_PRECISION(15)) : NULL;
    if (text == NULL && json_is_object(settings))
        return false;
    run.settings = text;
    const char **strings[] = {&run.run,        &run.input_path, &run.input_sha256, &run.domain,
                              &run.connection, &run.settings,   &run.command};
    char *block = onramp_pack_strings(strings, sizeof strings / sizeof strings[0]);
    free(text);
    if (block == NULL)
        return false;
    state->runs[state->run_count++] = (struct past_run){.past = {.run = run}, .strings = block};
    return true;
}

static enum onramp_status apply_run(struct onramp_state *state, struct reading *r)
{
    const json_t *version = json_object_get(r->body, "version");
    if (json_is_integer(version) && json_integer_value(version) > 1)
        return onramp_fail(r->err, ONRAMP_ECORRUPT,
                           "it is of version %" JSON_INTEGER_FORMAT ", and this onramp reads version 1",
                           json_integer_value(version));
    (void)read_number(r, "version", 1, 1);
    const json_t *input = json_object_get(r->body, "input");
    struct onramp_ledger_run run = {.run = read_text(r, r->body, "run"),
                                    .input_path = read_text(r, input, "path"),
                                    .input_sha256 = read_text(r, input, "sha256"),
                                    .domain = read_text(r, r->body, "domain"),
                                    .connection = read_text(r, r->body, "connection"),
                                    .command = optional_text(r, "command")};
    json_int_t records = json_integer_value(json_object_get(input, "records"));
    run.input_records = records > 0 ? (uint64_t)records : 0;
    if (r->faulty)
        return ONRAMP_ECORRUPT;
    (void)read_time(r, &run.at);
    return keep_run(state, run, json_object_get(r->body, "settings")) ? ONRAMP_OK : out_of_memory(r->err);
}

static double optional_real(const struct reading *r, const char *name)
{
    double value = json_number_value(json_object_get(r->body, name));
    return value > 0 ? value : 0;
}

static uint64_t optional_number(const struct reading *r, const char *name, uint64_t most)
{
    json_int_t value = json_integer_value(json_object_get(r->body, name));
    return value <= 0 ? 0 : (uint64_t)value < most ? (uint64_t)value : most;
}

/* An end line decides nothing, so that whatever it lacks is left at 0. */
static enum onramp_status apply_end(struct onramp_state *state, struct reading *r)
{
    const char *name = optional_text(r, "run"), *reason = optional_text(r, "reason");
    struct past_run *run = NULL;
    for (size_t i = state->run_count; i > 0 && run == NULL && name != NULL; i--)
        if (strcmp(state->runs[i - 1].past.run.run, name) == 0)
            run = &state->runs[i - 1];
    if (run == NULL)
        return ONRAMP_OK;
    char *copy = strdup(reason != NULL ? reason : "");
    if (copy == NULL)
        return out_of_memory(r->err);
    free(run->reason);
    run->reason = copy;
    run->past.ended = true;
    struct onramp_ledger_end *end = &run->past.end;
    *end = (struct onramp_ledger_end){.reason = copy,
                                      .requests = optional_number(r, "requests", INT64_MAX),
                                      .throttled = optional_number(r, "throttled", INT64_MAX),
                                      .has_least = json_object_get(r->body, "least_remaining") != NULL,
                                      .least_remaining = (uint32_t)optional_number(r, "least_remaining", UINT32_MAX),
                                      .seconds = optional_real(r, "seconds"),
                                      .limit_burst = (uint32_t)optional_number(r, "limit_burst", UINT32_MAX),
                                      .limit_per_second = optional_real(r, "limit_per_second"),
                                      .others = optional_number(r, "others", INT64_MAX)};
    end->has_limit = end->limit_burst > 0 && end->limit_per_second > 0;
    (void)read_time(r, &end->at);
    for (int i = 0; i < ONRAMP_OUTCOMES; i++)
        end->counts[i] = optional_number(r, onramp_outcome_name((enum onramp_outcome)i), INT64_MAX);
    return ONRAMP_OK;
}

enum onramp_status onramp_state_apply(struct onramp_state *state, const json_t *body, struct onramp_error *err)
{
    struct reading r = {.body = body, .type = json_string_value(json_object_get(body, "type")), .err = err};
    if (r.type == NULL)
        return onramp_fail(err, ONRAMP_ECORRUPT, "it has no 'type'");
    if (strcmp(r.type, "run") == 0)
        return apply_run(state, &r);
    if (state->run_count == 0)
        return onramp_fail(err, ONRAMP_ECORRUPT, "it comes before the first run line");
    if (strcmp(r.type, "attempt") == 0)
        return apply_attempt(state, &r);
    if (strcmp(r.type, "outcome") == 0)
        return apply_outcome(state, &r);
    if (strcmp(r.type, "end") == 0)
        return apply_end(state, &r);
    for (int kind = 0; kind < ONRAMP_DEEDS; kind++)
        if (strcmp(r.type, onramp_deed_type((enum onramp_deed)kind)) == 0)
            return apply_deed(state, &r, (enum onramp_deed)kind);
    return ONRAMP_OK;
}

const char *onramp_state_run(const struct onramp_state *state)
{
    return state->run_count > 0 ? state->runs[state->run_count - 1].past.run.run : NULL;
}

bool onramp_state_last(const struct onramp_state *state, struct onramp_ledger_run *out)
{
    if (state->run_count == 0)
        return false;
    *out = state->runs[state->run_count - 1].past.run;
    out->at = 0;
    out->settings = out->command = NULL;
    return true;
}

/* Host names know no case. */
static bool same_domain(const char *a, const char *b)
{
    for (; *a != '\0' || *b != '\0'; a++, b++) {
        int x = *a >= 'A' && *a <= 'Z' ? *a - 'A' + 'a' : *a;
        int y = *b >= 'A' && *b <= 'Z' ? *b - 'A' + 'a' : *b;
        if (x != y)
            return false;
    }
    return true;
}

static bool same_file(const struct onramp_ledger_run *past, const struct onramp_ledger_run *run)
{
    return strcmp(past->input_path, run->input_path) == 0 || strcmp(past->input_sha256, run->input_sha256) == 0 ||
           onramp_disk_same(past->input_path, run->input_path);
}

enum onramp_status onramp_state_match(const struct onramp_state *state, const char *path,
                                      const struct onramp_ledger_run *run, struct onramp_error *err)
{
    if (state->run_count == 0)
        return ONRAMP_OK;
    const struct onramp_ledger_run *last = &state->runs[state->run_count - 1].past.run;
    if (!same_domain(last->domain, run->domain))
        return onramp_fail(
            err, ONRAMP_EMISMATCH,
            "ledger '%s' is of tenant '%s', not '%s': name another ledger (upload: --ledger), or set the domain", path,
            last->domain, run->domain);
    if (strcmp(last->connection, run->connection) != 0)
        return onramp_fail(err, ONRAMP_EMISMATCH,
                           "ledger '%s' is of connection '%s', not '%s': name another ledger (upload: --ledger), or "
                           "set the connection",
                           path, last->connection, run->connection);

    bool same = false;
    for (size_t i = state->run_count; i > 0 && !same; i--) /* the latest is the likeliest */
        same = same_file(&state->runs[i - 1].past.run, run);
    if (!same)
        return onramp_fail(
            err, ONRAMP_EMISMATCH,
            "ledger '%s' is of file '%s', not '%s': name another ledger (upload: --ledger), or give that file", path,
            last->input_path, run->input_path);
    return ONRAMP_OK;
}

const struct onramp_ledger_entry *onramp_state_find(const struct onramp_state *state,
                                                    const struct onramp_identity *identity)
{
    char key[ONRAMP_IDENTITY_KEY_MAX];
    if (!onramp_identity_primary(identity, key))
        return NULL;
    onramp_line_clean(key);
    return onramp_entries_find(&state->entries, key);
}

void onramp_state_each(const struct onramp_state *state,
                       bool (*visit)(void *context, const struct onramp_ledger_entry *entry), void *context)
{
    for (size_t i = 0; i < state->entries.count; i++)
        if (!visit(context, onramp_entries_at(&state->entries, i)))
            return;
}

void onramp_state_runs(const struct onramp_state *state,
                       bool (*visit)(void *context, const struct onramp_ledger_past *past), void *context)
{
    for (size_t i = 0; i < state->run_count; i++)
        if (!visit(context, &state->runs[i].past))
            return;
}
