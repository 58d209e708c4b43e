/*
 * user.c - from a record of the file to the body of POST /api/v2/users.
 *
 * One table says what each property is and which check it has to pass; what is in no table is refused, because
 * Auth0's schema for this call is closed.
 */
#include "auth0/user.h"

#include "auth0/address.h"
#include "auth0/suggest.h"
#include "auth0/text.h"
#include "onramp/transport.h"

#include <assert.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SUBJECT_MAX = 72 }; /* bytes of a quoted value in an error's text */

/* Owns what the identity, the profile and the body point into. */
struct memory {
    json_t *record; /* as read */
    json_t *sent;   /* as it will be sent */
    char *local_part;
};

struct parse {
    struct onramp_user *out;
    struct memory *memory;
    const struct onramp_user_rules *rules;
    struct onramp_error *err;
    enum onramp_problem problem; /* what a refusal that follows is about */
    bool told;                   /* its problem was told where it was found */
};

struct property;
typedef enum onramp_status check_function(struct parse *p, const struct property *property, json_t *value);

struct property {
    const char *name;
    const char *heading; /* in the import/export extension's files; NULL: none */
    json_type type;      /* JSON_TRUE stands for either boolean */
    check_function *check;
    size_t longest; /* UTF-16 code units; 0: the check knows */
};

static check_function check_email, check_username, check_phone, check_user_id, check_length, check_picture,
    check_metadata, check_connection, check_nothing;

static const struct property properties[] = {
    {"email", "Email", JSON_STRING, check_email, 0},
    {"email_verified", "Email Verified", JSON_TRUE, check_nothing, 0},
    {"username", NULL, JSON_STRING, check_username, 128},
    {"phone_number", NULL, JSON_STRING, check_phone, 0},
    {"phone_verified", NULL, JSON_TRUE, check_nothing, 0},
    {"user_id", "Id", JSON_STRING, check_user_id, 255},
    {"given_name", "Given Name", JSON_STRING, check_length, 150},
    {"family_name", "Family Name", JSON_STRING, check_length, 150},
    {"name", "Name", JSON_STRING, check_length, 300},
    {"nickname", "Nickname", JSON_STRING, check_length, 300},
    {"picture", "Picture", JSON_STRING, check_picture, 0},
    {"blocked", NULL, JSON_TRUE, check_nothing, 0},
    {"user_metadata", NULL, JSON_OBJECT, check_metadata, 0},
    {"app_metadata", NULL, JSON_OBJECT, check_metadata, 0},
    {"connection", NULL, JSON_STRING, check_connection, 0},
    {"verify_email", NULL, JSON_TRUE, check_nothing, 0},
};

/* Exported, but not accepted. The index is the bit in onramp_user.dropped. */
static const char *const dropped[] = {
    "identities",
    "created_at",
    "updated_at",
    "last_login",
    "last_ip",
    "logins_count",
    "last_password_reset",
    "multifactor",
    "multifactor_last_modified",
    "blocked_for",
    "tenant",
    "guardian_authenticators",
    "Connection",
    "Created At",
    "Updated At",
    "verify_email (--verification-mail counts)", /* not read-only, but overruled */
};
enum { DROPPED = sizeof dropped / sizeof dropped[0], DROPPED_VERIFY_EMAIL = DROPPED - 1 };

static const char *const import_only[] = {"password_hash", "custom_password_hash", "mfa_factors"};

/* Names in app_metadata that Auth0 keeps for itself (documentation: metadata field names and data types). */
static const char *const barred[] = {
    "__tenant",       "_id",
    "blocked",        "clientID",
    "email",          "created_at",
    "globalClientID", "global_client_id",
    "lastIP",         "email_verified",
    "lastLogin",      "identities",
    "metadata",       "loginsCount",
    "multifactor",    "multifactor_last_modified",
    "user_id",        "updated_at",
};

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static const char *quoted(char subject[SUBJECT_MAX], const char *text)
{
    onramp_text_clean(subject, SUBJECT_MAX, text, strlen(text));
    return subject;
}

static void tell(struct parse *p, enum onramp_problem problem, const char *subject, const char *text)
{
    char safe[160];
    onramp_text_clean(safe, sizeof safe, subject, strlen(subject));
    if (p->rules->problem != NULL)
        p->rules->problem(p->rules->context, problem, safe, text);
    p->told = true;
}

static enum onramp_status no_memory(struct onramp_error *err)
{
    return onramp_fail(err, ONRAMP_ENOMEM, "out of memory");
}

/* ---- the text of the record ---- */

static enum onramp_status load(struct parse *p, const char *json, size_t size)
{
    json_error_t problem;
    p->memory->record = json_loadb(json, size, JSON_REJECT_DUPLICATES, &problem);
    if (p->memory->record == NULL) {
        switch (json_error_code(&problem)) {
        case json_error_out_of_memory:
            return no_memory(p->err);
        case json_error_numeric_overflow:
            return onramp_fail(p->err, ONRAMP_EINPUT,
                               "a number is too large to be passed on exactly: write it as a string");
        case json_error_null_character:
        case json_error_null_byte_in_key:
            return onramp_fail(p->err, ONRAMP_EINPUT, "a string has a NUL character (\\u0000): remove it");
        case json_error_duplicate_key:
            return onramp_fail(p->err, ONRAMP_EINPUT, "a property is given twice: keep one of the two");
        default: {
            char subject[160];
            onramp_text_clean(subject, sizeof subject, problem.text, strlen(problem.text));
            return onramp_fail(p->err, ONRAMP_EINPUT, "not JSON: %s", subject);
        }
        }
    }
    if (!json_is_object(p->memory->record))
        return onramp_fail(p->err, ONRAMP_EINPUT, "a user must be a JSON object: {\"email\": …}");
    return ONRAMP_OK;
}

/* ---- who it is ---- */

static bool is_absent(const json_t *value)
{
    return json_is_null(value) || (json_is_string(value) && json_string_length(value) == 0);
}

static const char *without_prefix(const char *user_id)
{
    return strncmp(user_id, "auth0|", 6) == 0 ? user_id + 6 : user_id;
}

static const char *text_of(const json_t *record, const char *name, const char *heading)
{
    const json_t *value = json_object_get(record, name);
    if ((value == NULL || is_absent(value)) && heading != NULL)
        value = json_object_get(record, heading);
    return value != NULL && !is_absent(value) ? json_string_value(value) : NULL;
}

/* Before any check, so that an invalid record too can be told from others. */
static void read_identity(struct parse *p)
{
    const json_t *record = p->memory->record;
    struct onramp_identity *identity = &p->out->identity;
    identity->email = text_of(record, "email", "Email");
    identity->username = text_of(record, "username", NULL);
    identity->phone_number = text_of(record, "phone_number", NULL);
    identity->user_id = text_of(record, "user_id", "Id");
    if (identity->user_id != NULL)
        identity->user_id = without_prefix(identity->user_id);
}

/* ---- checks, one a kind of value ---- */

static enum onramp_status check_email(struct parse *p, const struct property *property, json_t *value)
{
    const char *email = json_string_value(value);
    free(p->memory->local_part); /* of the same property under its other name */
    p->memory->local_part = malloc(strlen(email) + 1);
    if (p->memory->local_part == NULL)
        return no_memory(p->err);
    const char *problem = onramp_address_problem(email, p->memory->local_part);
    char subject[SUBJECT_MAX];
    if (problem != NULL)
        return onramp_fail(p->err, ONRAMP_EINPUT, "'%s' is not an address like name@example.com: '%s' %s",
                           property->name, quoted(subject, email), problem);
    return ONRAMP_OK;
}

static enum onramp_status check_length(struct parse *p, const struct property *property, json_t *value)
{
    size_t units = onramp_text_units(json_string_value(value));
    if (units > property->longest)
        return onramp_fail(p->err, ONRAMP_EINPUT, "'%s' has %zu characters: Auth0 takes at most %zu", property->name,
                           units, property->longest);
    return ONRAMP_OK;
}

static enum onramp_status check_username(struct parse *p, const struct property *property, json_t *value)
{
    const char *username = json_string_value(value);
    char subject[SUBJECT_MAX];
    for (const char *c = username; *c != '\0'; c++)
        if (!onramp_text_is_alphanumeric(*c) && strchr("@`^$!-#.+'~_;", *c) == NULL)
            return onramp_fail(p->err, ONRAMP_EINPUT,
                               "username '%s' has a character that Auth0 does not take: letters a-z, digits and "
                               "@ ` ^ $ ! - # . + ' ~ _ ; are right",
                               quoted(subject, username));
    return check_length(p, property, value);
}

static enum onramp_status check_phone(struct parse *p, const struct property *property, json_t *value)
{
    const char *phone = json_string_value(value);
    size_t digits = phone[0] == '+' ? strspn(phone + 1, "0123456789") : 0;
    char subject[SUBJECT_MAX];
    if (digits < 1 || digits > 15 || phone[1 + digits] != '\0')
        return onramp_fail(p->err, ONRAMP_EINPUT,
                           "%s '%s' must be '+', country code and number, at most fifteen digits without spaces",
                           property->name, quoted(subject, phone));
    return ONRAMP_OK;
}

static enum onramp_status check_user_id(struct parse *p, const struct property *property, json_t *value)
{
    const char *given = json_string_value(value);
    const char *bare = without_prefix(given);
    char subject[SUBJECT_MAX];
    if (bare == given && strchr(given, '|') != NULL)
        return onramp_fail(p->err, ONRAMP_EINPUT,
                           "user_id '%s' is of another strategy: only users of a database connection (auth0|…) can be "
                           "created",
                           quoted(subject, given));
    if (bare[0] == '\0')
        return onramp_fail(p->err, ONRAMP_EINPUT, "user_id 'auth0|' has nothing behind the prefix");
    for (const char *c = bare; *c != '\0'; c++)
        if (onramp_text_is_blank(*c))
            return onramp_fail(p->err, ONRAMP_EINPUT, "user_id '%s' has a space: Auth0 takes none",
                               quoted(subject, given));
    /* In bytes, which for the plain ids of this world are characters: answers and ledger have room for so many. */
    if (strlen(bare) > property->longest)
        return onramp_fail(p->err, ONRAMP_EINPUT, "'user_id' has more than %zu characters", property->longest);
    return ONRAMP_OK;
}

static enum onramp_status check_picture(struct parse *p, const struct property *property, json_t *value)
{
    const char *uri = json_string_value(value);
    const char *host = onramp_text_begins(uri, "https://")  ? uri + 8
                       : onramp_text_begins(uri, "http://") ? uri + 7
                                                            : "";
    bool sound = onramp_text_is_alphanumeric(host[0]) || (unsigned char)host[0] >= 0x80 || host[0] == '[';
    for (const char *c = uri; *c != '\0'; c++)
        if (onramp_text_is_blank(*c) || strchr("\"<>\\^`{|}", *c) != NULL)
            sound = false;
    char subject[SUBJECT_MAX];
    if (!sound)
        return onramp_fail(p->err, ONRAMP_EINPUT, "%s '%s' must be a web address: https://host/path, percent-encoded",
                           property->name, quoted(subject, uri));
    return ONRAMP_OK;
}

static enum onramp_status check_key(const struct property *property, const char *key, struct onramp_error *err)
{
    char subject[SUBJECT_MAX];
    if (strpbrk(key, ".$") != NULL)
        return onramp_fail(err, ONRAMP_EINPUT,
                           "key '%s' in '%s' has a '.' or '$', which Auth0 does not take: rename or nest it",
                           quoted(subject, key), property->name);
    for (size_t i = 0; strcmp(property->name, "app_metadata") == 0 && i < COUNT(barred); i++)
        if (strcmp(key, barred[i]) == 0)
            return onramp_fail(err, ONRAMP_EINPUT,
                               "key '%s' in 'app_metadata' is a name that Auth0 keeps for itself: rename it",
                               barred[i]);
    return ONRAMP_OK;
}

/* Only the outermost keys: of deeper ones Auth0's documentation says nothing, and Auth0 may judge itself. */
static enum onramp_status check_metadata(struct parse *p, const struct property *property, json_t *value)
{
    enum onramp_status st = ONRAMP_OK;
    const char *key;
    json_t *ignored;
    json_object_foreach(value, key, ignored)
    {
        struct onramp_error why;
        char subject[160];
        if (check_key(property, key, &why) == ONRAMP_OK)
            continue;
        if (st == ONRAMP_OK)
            st = onramp_fail(p->err, ONRAMP_EINPUT, "%s", why.text);
        (void)snprintf(subject, sizeof subject, "%s.%s", property->name, key);
        tell(p, ONRAMP_PROBLEM_KEY, subject, why.text);
    }
    return st;
}

static enum onramp_status check_connection(struct parse *p, const struct property *property, json_t *value)
{
    char subject[SUBJECT_MAX];
    p->problem = ONRAMP_PROBLEM_CONNECTION;
    if (strcmp(json_string_value(value), p->rules->connection) != 0)
        return onramp_fail(p->err, ONRAMP_EINPUT, "'%s' is '%s', but this run creates users in '%s'", property->name,
                           quoted(subject, json_string_value(value)), p->rules->connection);
    return ONRAMP_OK;
}

static enum onramp_status check_nothing(struct parse *p, const struct property *property, json_t *value)
{
    (void)p;
    (void)property;
    (void)value;
    return ONRAMP_OK;
}

/* ---- names that Auth0 does not know ---- */

static enum onramp_status refuse_unknown(struct parse *p, const char *key, const json_t *value)
{
    char subject[SUBJECT_MAX];
    p->problem = ONRAMP_PROBLEM_UNKNOWN;
    quoted(subject, key);
    if (json_is_object(json_array_get(value, 0))) /* what an API answers with is often {"users": [...], ...} */
        return onramp_fail(p->err, ONRAMP_EINPUT,
                           "unknown property '%s': if these are the users, the file must hold that array alone",
                           subject);
    const char *known[COUNT(properties) + 1] = {0};
    for (size_t i = 0; i < COUNT(properties); i++)
        known[i] = properties[i].name;
    const char *suggestion = onramp_suggest(key, known);
    if (suggestion != NULL)
        return onramp_fail(p->err, ONRAMP_EINPUT, "unknown property '%s': did you mean '%s'?", subject, suggestion);
    return onramp_fail(p->err, ONRAMP_EINPUT,
                       "unknown property '%s': Auth0 takes it only inside 'user_metadata' or 'app_metadata'", subject);
}

/* ---- one property after the other ---- */

static const char *type_name(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "an array";
    case JSON_STRING:
        return "a string";
    case JSON_INTEGER:
    case JSON_REAL:
        return "a number";
    case JSON_TRUE:
    case JSON_FALSE:
        return "a boolean";
    case JSON_NULL:
        break;
    }
    return "null";
}

static bool has_type(const json_t *value, json_type type)
{
    return type == JSON_TRUE ? json_is_boolean(value) : json_typeof(value) == type;
}

/* The extension's files go through spreadsheets, which put quotes around everything. */
static json_t *unquoted(json_t *value)
{
    const char *text = json_string_value(value);
    if (text != NULL && onramp_text_equal(text, "true"))
        return json_true();
    if (text != NULL && onramp_text_equal(text, "false"))
        return json_false();
    return value;
}

static enum onramp_status pass_on(struct parse *p, const struct property *property, const char *key, json_t *value)
{
    bool under_heading = strcmp(key, property->name) != 0;
    if (is_absent(value))
        return ONRAMP_OK;
    if (under_heading && property->type == JSON_TRUE)
        value = unquoted(value);
    p->problem = ONRAMP_PROBLEM_TYPE;
    if (!has_type(value, property->type))
        return onramp_fail(p->err, ONRAMP_EINPUT, "'%s' must be %s, not %s", key,
                           property->type == JSON_TRUE     ? "true or false, without quotes"
                           : property->type == JSON_OBJECT ? "an object"
                                                           : "a string",
                           type_name(value));
    p->problem = ONRAMP_PROBLEM_VALUE;
    /* Both spellings of one name: the parser has seen to it that no key stands twice. */
    if (property->heading != NULL && json_object_get(p->memory->sent, property->name) != NULL)
        return onramp_fail(p->err, ONRAMP_EINPUT, "'%s' and '%s' are both given: keep one of the two", property->name,
                           property->heading);
    enum onramp_status st = property->check(p, property, value);
    if (st != ONRAMP_OK)
        return st;
    if (property->check == check_user_id)
        return json_object_set_new(p->memory->sent, property->name,
                                   json_string(without_prefix(json_string_value(value)))) == 0
                   ? ONRAMP_OK
                   : no_memory(p->err);
    return json_object_set(p->memory->sent, property->name, value) == 0 ? ONRAMP_OK : no_memory(p->err);
}

static enum onramp_status admit(struct parse *p, const char *key, json_t *value)
{
    for (size_t i = 0; i < COUNT(properties); i++)
        if (strcmp(key, properties[i].name) == 0 ||
            (properties[i].heading != NULL && strcmp(key, properties[i].heading) == 0))
            return pass_on(p, &properties[i], key, value);

    for (unsigned bit = 0; bit < DROPPED; bit++)
        if (strcmp(key, dropped[bit]) == 0) {
            p->out->dropped |= UINT32_C(1) << bit;
            return ONRAMP_OK;
        }

    p->problem = ONRAMP_PROBLEM_IMPORT_ONLY;
    for (size_t i = 0; i < COUNT(import_only); i++)
        if (strcmp(key, import_only[i]) == 0)
            return is_absent(value)
                       ? ONRAMP_OK
                       : onramp_fail(p->err, ONRAMP_EINPUT,
                                     "'%s' cannot be sent through POST /users: use the bulk import job for "
                                     "this user",
                                     key);
    p->problem = ONRAMP_PROBLEM_PASSWORD;
    if (strcmp(key, "password") == 0)
        return is_absent(value) ? ONRAMP_OK
                                : onramp_fail(p->err, ONRAMP_EINPUT,
                                              "'password' is not taken from a file: remove it; each user gets a fresh "
                                              "one, and a link or mail to set another with 'onramp invite'");
    return refuse_unknown(p, key, value);
}

/* To the first problem, or to the last where each is told. */
static enum onramp_status admit_each(struct parse *p)
{
    struct onramp_error *const err = p->err;
    enum onramp_status first = ONRAMP_OK;
    const char *key;
    json_t *value;
    json_object_foreach(p->memory->record, key, value)
    {
        struct onramp_error why;
        p->err = &why;
        p->told = false;
        enum onramp_status st = admit(p, key, value);
        if (st == ONRAMP_EINPUT && !p->told)
            tell(p, p->problem, key, why.text);
        if (st != ONRAMP_OK && (first == ONRAMP_OK || st != ONRAMP_EINPUT))
            first = onramp_fail(err, st, "%s", why.text);
        if (st != ONRAMP_OK && (st != ONRAMP_EINPUT || p->rules->problem == NULL))
            break;
    }
    p->err = err;
    p->told = first != ONRAMP_OK;
    return first;
}

static enum onramp_status admit_all(struct parse *p)
{
    enum onramp_status st = admit_each(p);
    const struct onramp_identity *identity = &p->out->identity;
    bool nobody = identity->email == NULL && identity->username == NULL && identity->phone_number == NULL;
    if (st != ONRAMP_OK || !nobody)
        return st;
    p->problem = ONRAMP_PROBLEM_NOBODY;
    p->told = false;
    return onramp_fail(p->err, ONRAMP_EINPUT, "no 'email', 'username' or 'phone_number': Auth0 cannot tell who it is");
}

/* Leaving verify_email out makes Auth0 mail every unverified user, so it is always said. */
static enum onramp_status decide_mail(struct parse *p)
{
    json_t *sent = p->memory->sent;
    json_t *given = json_object_get(sent, "verify_email");
    bool mail = false;
    switch (p->rules->mail) {
    case ONRAMP_MAIL_NO:
        break;
    case ONRAMP_MAIL_YES:
        mail = !json_is_true(json_object_get(sent, "email_verified"));
        break;
    case ONRAMP_MAIL_RECORD:
        mail = json_is_true(given);
        break;
    }
    if (given != NULL && json_is_true(given) != mail)
        p->out->dropped |= UINT32_C(1) << DROPPED_VERIFY_EMAIL;
    if (json_object_get(sent, "email") == NULL) { /* nowhere to send one */
        (void)json_object_del(sent, "verify_email");
        return ONRAMP_OK;
    }
    p->out->wants_mail = mail;
    return json_object_set_new(sent, "verify_email", json_boolean(mail)) == 0 ? ONRAMP_OK : no_memory(p->err);
}

static enum onramp_status write_body(struct parse *p)
{
    p->out->body = json_dumps(p->memory->sent, JSON_COMPACT);
    if (p->out->body == NULL)
        return no_memory(p->err);
    /* A password of 128 characters, each escaped, and a chosen user_id are still to come. */
    enum { ROOM = 2048 };
    size_t size = strlen(p->out->body);
    p->problem = ONRAMP_PROBLEM_RECORD;
    p->told = false;
    if (size > ONRAMP_BODY_MAX - ROOM)
        return onramp_fail(p->err, ONRAMP_EINPUT, "the record makes a request of %zu bytes: Auth0 takes at most 1 MB",
                           size);
    return ONRAMP_OK;
}

/* What Auth0 looks for in passwords, and what a flexible policy can add to it. */
static void collect_profile(struct parse *p)
{
    static const char *const names[] = {"name", "nickname", "username", "given_name", "family_name", "phone_number"};
    static const char *const in_metadata[] = {"name", "first", "last"};
    size_t used = 0;
    if (p->memory->local_part != NULL)
        p->out->profile[used++] = p->memory->local_part;
    for (size_t i = 0; i < COUNT(names); i++) {
        const char *text = text_of(p->memory->sent, names[i], NULL);
        if (text != NULL)
            p->out->profile[used++] = (char *)text;
    }
    const json_t *metadata = json_object_get(p->memory->sent, "user_metadata");
    for (size_t i = 0; i < COUNT(in_metadata); i++) {
        const char *text = metadata != NULL ? text_of(metadata, in_metadata[i], NULL) : NULL;
        if (text != NULL)
            p->out->profile[used++] = (char *)text;
    }
    assert(used < COUNT(p->out->profile));
}

enum onramp_status onramp_user_parse(struct onramp_user *out, const char *json, size_t size,
                                     const struct onramp_user_rules *rules, struct onramp_error *err)
{
    struct onramp_error own;
    *out = (struct onramp_user){0};
    struct parse p = {.out = out,
                      .memory = calloc(1, sizeof *p.memory),
                      .rules = rules,
                      .err = err != NULL ? err : &own,
                      .problem = ONRAMP_PROBLEM_RECORD};
    if (p.memory == NULL)
        return no_memory(err);
    out->memory = p.memory;

    enum onramp_status st = load(&p, json, size);
    if (st == ONRAMP_OK) {
        read_identity(&p);
        p.memory->sent = json_pack("{s:s}", "connection", rules->connection);
        st = p.memory->sent != NULL ? admit_all(&p) : no_memory(err);
    }
    if (st == ONRAMP_OK)
        st = decide_mail(&p);
    if (st == ONRAMP_OK)
        st = write_body(&p);
    if (st == ONRAMP_EINPUT && !p.told)
        tell(&p, p.problem, "", p.err->text);
    if (st == ONRAMP_OK)
        collect_profile(&p);
    else if (st != ONRAMP_EINPUT)
        onramp_user_clear(out);
    return st;
}

void onramp_user_clear(struct onramp_user *user)
{
    struct memory *memory = user->memory;
    if (memory != NULL) {
        json_decref(memory->record);
        json_decref(memory->sent);
        free(memory->local_part);
        free(memory);
    }
    free(user->body);
    *user = (struct onramp_user){0};
}

const char *onramp_user_dropped_name(unsigned bit)
{
    return bit < DROPPED ? dropped[bit] : NULL;
}

/* ---- with the password ---- */

/* Append `,"name":"text"`; NULL `out` only measures. */
static size_t append(char *out, const char *name, const char *text, size_t size)
{
    size_t used = 0;
    const char *const before[] = {",\"", name, "\":\""};
    for (size_t i = 0; i < COUNT(before); i++) {
        if (out != NULL)
            memcpy(out + used, before[i], strlen(before[i]));
        used += strlen(before[i]);
    }
    used += onramp_text_escape(out != NULL ? out + used : NULL, text, size);
    if (out != NULL)
        out[used] = '"';
    return used + 1;
}

enum onramp_status onramp_user_body(struct onramp_secret **out, const struct onramp_user *user, const char *chosen_id,
                                    const struct onramp_secret *password, struct onramp_error *err)
{
    assert(chosen_id == NULL || user->identity.user_id == NULL);
    size_t open = strlen(user->body) - 1; /* without the brace that closes; never empty: it has the connection */
    size_t size = open + 1;
    if (chosen_id != NULL)
        size += append(NULL, "user_id", chosen_id, strlen(chosen_id));
    if (password != NULL)
        size += append(NULL, "password", password->text, password->size);

    struct onramp_secret *body = NULL;
    enum onramp_status st = onramp_secret_new(&body, size, err);
    if (st != ONRAMP_OK)
        return st;
    memcpy(body->text, user->body, open);
    size_t used = open;
    if (chosen_id != NULL)
        used += append(body->text + used, "user_id", chosen_id, strlen(chosen_id));
    if (password != NULL)
        used += append(body->text + used, "password", password->text, password->size);
    body->text[used] = '}';
    assert(used + 1 == size);
    *out = body;
    return ONRAMP_OK;
}
