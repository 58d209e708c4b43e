/*
 * users_api.c - creating users, looking them up, deleting them, giving them roles and organizations.
 */
#include "tenant/model.h"
#include "tenant/schema.h"
#include "tenant/wire.h"

#include <gnutls/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* POST /users: the closed schema of the OpenAPI file. */
static const struct onramp_property create_schema[] = {
    {.name = "connection",
     .type = JSON_STRING,
     .min = 1,
     .required = true,
     .about = "Name of the connection this user should be created in"},
    {.name = "email", .type = JSON_STRING, .format = ONRAMP_FORMAT_EMAIL, .about = "The user's email"},
    {.name = "phone_number",
     .type = JSON_STRING,
     .format = ONRAMP_FORMAT_PHONE,
     .about = "The user's phone number (following the E.164 recommendation)"},
    {.name = "username", .type = JSON_STRING, .min = 1, .max = 128, .about = "The user's username"},
    {.name = "password", .type = JSON_STRING, .min = 1, .about = "Initial password for this user"},
    {.name = "user_id",
     .type = JSON_STRING,
     .max = 255,
     .format = ONRAMP_FORMAT_NO_SPACE,
     .about = "The external user's id provided by the identity provider"},
    {.name = "email_verified", .type = JSON_TRUE},
    {.name = "phone_verified", .type = JSON_TRUE},
    {.name = "verify_email", .type = JSON_TRUE},
    {.name = "blocked", .type = JSON_TRUE},
    {.name = "given_name", .type = JSON_STRING, .min = 1, .max = 150, .about = "The user's given name(s)"},
    {.name = "family_name", .type = JSON_STRING, .min = 1, .max = 150, .about = "The user's family name(s)"},
    {.name = "name", .type = JSON_STRING, .min = 1, .max = 300, .about = "The user's full name"},
    {.name = "nickname", .type = JSON_STRING, .min = 1, .max = 300, .about = "The user's nickname"},
    {.name = "picture",
     .type = JSON_STRING,
     .format = ONRAMP_FORMAT_URI,
     .about = "A URI pointing to the user's picture"},
    {.name = "user_metadata", .type = JSON_OBJECT},
    {.name = "app_metadata", .type = JSON_OBJECT},
};

static const char *text_of(const json_t *body, const char *name)
{
    return json_string_value(json_object_get(body, name));
}

/* A member of the body in lower case, as Auth0 stores it. False for want of memory. */
static bool fold(json_t *body, const char *name)
{
    const char *text = text_of(body, name);
    if (text == NULL)
        return true;
    char *lower = strdup(text);
    if (lower == NULL)
        return false;
    onramp_wire_lower(lower);
    int failed = json_object_set_new(body, name, json_string(lower));
    free(lower);
    return failed == 0;
}

/* The connection must exist, be a database or passwordless, and be enabled for the caller. */
static bool connection_serves(struct onramp_call *call)
{
    struct onramp_tenant *tenant = call->tenant;
    const char *name = text_of(call->body, "connection");
    if (strcmp(name, tenant->connections[0].name) != 0) {
        if (strcmp(name, tenant->connections[1].name) == 0)
            onramp_respond_error(call, 400, NULL, "The connection does not support user creation through the API.");
        else
            onramp_respond_error(call, 400, "inexistent_connection", "The connection does not exist.");
        return false;
    }
    const char *strategy = tenant->settings.strategy;
    if (strcmp(strategy, "auth0") != 0 && strcmp(strategy, "email") != 0 && strcmp(strategy, "sms") != 0) {
        onramp_respond_error(call, 400, NULL, "The connection does not support user creation through the API.");
        return false;
    }
    if (tenant->settings.client_disabled) {
        onramp_respond_error(call, 400, "auth0_idp_error",
                             "Connection must be enabled for this client to perform single user creation and signup "
                             "operations (client_id: %s - connection: %s)",
                             call->claims.client_id, name);
        return false;
    }
    return true;
}

static bool identifiers_suit(struct onramp_call *call)
{
    const struct onramp_rules *rules = &call->tenant->rules;
    const json_t *body = call->body;
    const struct {
        const char *name;
        bool needed, taken;
    } members[] = {{"email", rules->needs_email, rules->takes_email},
                   {"username", rules->needs_username, rules->takes_username},
                   {"phone_number", rules->needs_phone, rules->takes_phone},
                   {"password", rules->needs_password, rules->takes_password}};
    bool identified = false;
    for (size_t i = 0; i < COUNT(members); i++) {
        const char *value = text_of(body, members[i].name);
        if (value == NULL && members[i].needed) {
            onramp_respond_error(call, 400, "invalid_body",
                                 "Payload validation error: 'Missing required property: %s'.", members[i].name);
            return false;
        }
        if (value != NULL && !members[i].taken) {
            onramp_respond_error(call, 400, NULL,
                                 i == 1 ? "Cannot set %s for connection without requires_username"
                                        : "Cannot set %s for this connection",
                                 members[i].name);
            return false;
        }
        identified |= value != NULL && strcmp(members[i].name, "password") != 0;
    }
    if (!identified)
        onramp_respond_error(call, 400, "invalid_body",
                             "Payload validation error: 'Missing required property: email'.");
    return identified;
}

static bool metadata_suits(struct onramp_call *call)
{
    static const char *const barred[] = {
        "__tenant",       "_id",        "blocked",        "clientID",         "created_at",
        "email_verified", "email",      "globalClientID", "global_client_id", "identities",
        "lastIP",         "lastLogin",  "loginsCount",    "metadata",         "multifactor_last_modified",
        "multifactor",    "updated_at", "user_id"};
    static const char *const objects[] = {"user_metadata", "app_metadata"};
    for (size_t i = 0; i < COUNT(objects); i++) {
        const char *name;
        json_t *value;
        json_object_foreach(json_object_get(call->body, objects[i]), name, value)
        {
            bool bad = strpbrk(name, ".$") != NULL;
            for (size_t b = 0; i == 1 && b < COUNT(barred); b++)
                bad |= strcmp(name, barred[b]) == 0;
            if (!bad)
                continue;
            onramp_respond_error(call, 400, "invalid_body", "Payload validation error: '%.100s' is not allowed in %s.",
                                 name, objects[i]);
            return false;
        }
    }
    return true;
}

/* The prefixed user_id of a new user: as asked for, or 24 hex digits that begin with the time. */
static void make_user_id(struct onramp_call *call, char *out, size_t size)
{
    const char *wanted = text_of(call->body, "user_id");
    char id[32];
    if (wanted == NULL || wanted[0] == '\0') {
        snprintf(id, sizeof id, "%08x%016llx", (unsigned)(onramp_tenant_wall(call->tenant, call->now) / 1000),
                 (unsigned long long)onramp_rng_next(&call->tenant->names));
        wanted = id;
    }
    snprintf(out, size, "%s|%s", call->tenant->settings.strategy, wanted);
}

static bool is_free(struct onramp_call *call, const char *user_id)
{
    const struct onramp_directory *users = &call->tenant->directory;
    const char *username = text_of(call->body, "username"), *email = text_of(call->body, "email");
    const char *phone = text_of(call->body, "phone_number");
    if ((email != NULL && call->tenant->rules.unique_email &&
         onramp_directory_find(users, ONRAMP_ID_EMAIL, email, NULL) != NULL) ||
        (phone != NULL && onramp_directory_find(users, ONRAMP_ID_PHONE_NUMBER, phone, NULL) != NULL) ||
        onramp_directory_find(users, ONRAMP_ID_USER_ID, user_id, NULL) != NULL) {
        onramp_respond_error(call, 409, "auth0_idp_error", "The user already exists.");
        return false;
    }
    if (username != NULL && onramp_directory_find(users, ONRAMP_ID_USERNAME, username, NULL) != NULL) {
        onramp_respond_error(call, 400, "auth0_idp_error", "The username provided is in use already.");
        return false;
    }
    return true;
}

/* A gravatar's address is a digest of the e-mail address; the default picture shows two initials. */
static json_t *default_picture(const char *name)
{
    unsigned char digest[32] = {0};
    char hex[65] = "", initials[3] = "xx";
    if (gnutls_hash_fast(GNUTLS_DIG_SHA256, name, strlen(name), digest) >= 0)
        for (size_t i = 0; i < sizeof digest; i++)
            snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    for (size_t i = 0; i < 2 && ((name[i] >= 'a' && name[i] <= 'z') || (name[i] >= '0' && name[i] <= '9')); i++)
        initials[i] = name[i];
    return json_sprintf(
        "https://s.gravatar.com/avatar/%s?s=480&r=pg&d=https%%3A%%2F%%2Fcdn.auth0.com%%2Favatars%%2F%s.png", hex,
        initials);
}

/* As the 201 shows it: what was sent but for the password and the instructions, and what Auth0 adds. */
static json_t *make_profile(struct onramp_call *call, const char *user_id)
{
    static const char *const kept[] = {"email",      "username",    "phone_number",  "phone_verified",
                                       "given_name", "family_name", "name",          "nickname",
                                       "picture",    "blocked",     "user_metadata", "app_metadata"};
    const char *strategy = call->tenant->settings.strategy;
    const char *label = text_of(call->body, "email");
    if (label == NULL)
        label = text_of(call->body, "username");
    if (label == NULL)
        label = text_of(call->body, "phone_number");
    char at[32];
    onramp_wire_iso_date(onramp_tenant_wall(call->tenant, call->now), at);

    json_t *profile =
        json_pack("{s:s, s:s, s:s, s:b, s:[{s:s, s:s, s:s, s:b}], s:s, s:s#, s:o}", "created_at", at, "updated_at", at,
                  "user_id", user_id, "email_verified", json_is_true(json_object_get(call->body, "email_verified")),
                  "identities", "connection", text_of(call->body, "connection"), "user_id",
                  user_id + strlen(strategy) + 1, "provider", strategy, "isSocial", 0, "name", label, "nickname", label,
                  (int)strcspn(label, "@"), "picture", default_picture(label));
    for (size_t i = 0; profile != NULL && i < COUNT(kept); i++) {
        json_t *value = json_object_get(call->body, kept[i]);
        if (value != NULL && json_object_set(profile, kept[i], value) != 0) {
            json_decref(profile);
            profile = NULL;
        }
    }
    return profile;
}

static bool wants_mail(const json_t *body)
{
    const json_t *said = json_object_get(body, "verify_email");
    if (json_object_get(body, "email") == NULL)
        return false;
    return said != NULL ? json_is_true(said) : !json_is_true(json_object_get(body, "email_verified"));
}

void onramp_users_create(struct onramp_call *call)
{
    struct onramp_tenant *tenant = call->tenant;
    char problem[300];
    if (!onramp_schema_check(call->body, create_schema, COUNT(create_schema), problem, sizeof problem)) {
        onramp_respond_error(call, 400, "invalid_body", "Payload validation error: %s", problem);
        return;
    }
    if (!fold(call->body, "email") || !fold(call->body, "username")) {
        call->out->end = ONRAMP_TENANT_CLOSE;
        return;
    }
    if (!connection_serves(call) || !identifiers_suit(call) || !metadata_suits(call))
        return;
    const char *password = text_of(call->body, "password"), *username = text_of(call->body, "username");
    const char *words = username != NULL ? onramp_rules_username(&tenant->rules, username) : NULL;
    if (words == NULL && password != NULL)
        words = onramp_rules_password(&tenant->rules, password, call->body);
    if (words != NULL) {
        onramp_respond_error(call, 400, NULL, "%s", words);
        return;
    }
    char user_id[300];
    make_user_id(call, user_id, sizeof user_id);
    if (!is_free(call, user_id))
        return;

    json_t *profile = make_profile(call, user_id);
    if (profile == NULL || onramp_directory_add(&tenant->directory, profile, call->now) == NULL) {
        call->out->end = ONRAMP_TENANT_CLOSE;
        return;
    }
    tenant->counts.created++;
    tenant->counts.mails += wants_mail(call->body);
    onramp_respond_json(call, 201, json_incref(profile));
}

void onramp_users_by_email(struct onramp_call *call)
{
    char *email = onramp_wire_parameter(call->query, "email");
    if (email == NULL) {
        onramp_respond_error(call, 400, "invalid_query_string",
                             "Query validation error: 'Missing required property: email'.");
        return;
    }
    if (!onramp_schema_email(email)) {
        onramp_respond_error(call, 400, "invalid_query_string",
                             "Query validation error: 'Object didn't pass validation for format email: %.100s' on "
                             "property email (Email address to search for (case-sensitive)).",
                             email);
        free(email);
        return;
    }
    json_t *found = json_array();
    const struct onramp_account *account = NULL;
    while ((account = onramp_directory_find(&call->tenant->directory, ONRAMP_ID_EMAIL, email, account)) != NULL)
        if (json_array_append_new(found, onramp_call_select(call, account->profile)) != 0) {
            json_decref(found);
            found = NULL;
            break;
        }
    free(email);
    onramp_respond_json(call, 200, found);
}

/* The user that the path names; NULL after answering what is wrong with it. */
static struct onramp_account *addressed(struct onramp_call *call)
{
    if (strchr(call->id, '|') == NULL) {
        onramp_respond_error(call, 400, "invalid_uri",
                             "Path validation error: 'Object didn't pass validation for format user-id: %.100s' on "
                             "property id.",
                             call->id);
        return NULL;
    }
    struct onramp_account *account = onramp_directory_find(&call->tenant->directory, ONRAMP_ID_USER_ID, call->id, NULL);
    if (account == NULL)
        onramp_respond_error(call, 404, "inexistent_user", "The user does not exist.");
    return account;
}

void onramp_users_get(struct onramp_call *call)
{
    const struct onramp_account *account = addressed(call);
    if (account != NULL)
        onramp_respond_json(call, 200, onramp_call_select(call, account->profile));
}

/* No 404 is documented: deleting whom nobody knows is a success. */
void onramp_users_delete(struct onramp_call *call)
{
    struct onramp_account *account = addressed(call);
    if (account == NULL && call->out->status != 404)
        return;
    if (account != NULL) {
        onramp_directory_remove(&call->tenant->directory, account);
        call->tenant->counts.deleted++;
    }
    onramp_respond_empty(call, 204);
}

/* Add the strings of `ids` to *list, each once. False for want of memory. */
static bool add_ids(json_t **list, const json_t *ids)
{
    if (*list == NULL)
        *list = json_array();
    size_t i, k;
    json_t *id, *have;
    json_array_foreach(ids, i, id)
    {
        bool known = false;
        json_array_foreach(*list, k, have) known |= json_equal(id, have);
        if (!known && json_array_append(*list, id) != 0)
            return false;
    }
    return *list != NULL;
}

/* An array of strings with a prefix; answers 400 otherwise. */
static bool are_ids(struct onramp_call *call, const char *name, const char *prefix)
{
    size_t i;
    const json_t *id;
    json_array_foreach(json_object_get(call->body, name), i, id)
    {
        const char *text = json_string_value(id);
        if (text != NULL && strncmp(text, prefix, strlen(prefix)) == 0 && text[strlen(prefix)] != '\0')
            continue;
        onramp_respond_error(call, 400, "invalid_body",
                             "Payload validation error: 'Object didn't pass validation for format %s-id: %.100s' on "
                             "property %s.",
                             strcmp(name, "roles") == 0 ? "role" : "user", text != NULL ? text : "(not a string)",
                             name);
        return false;
    }
    return true;
}

void onramp_users_roles(struct onramp_call *call)
{
    static const struct onramp_property schema[] = {{.name = "roles",
                                                     .type = JSON_ARRAY,
                                                     .min = 1,
                                                     .max = 50,
                                                     .required = true,
                                                     .about = "List of roles IDs to "
                                                              "associated with the user"}};
    struct onramp_account *account = addressed(call);
    if (account == NULL)
        return;
    char problem[300];
    if (!onramp_schema_check(call->body, schema, COUNT(schema), problem, sizeof problem)) {
        onramp_respond_error(call, 400, "invalid_body", "Payload validation error: %s", problem);
        return;
    }
    if (!are_ids(call, "roles", "rol_"))
        return;
    if (add_ids(&account->roles, json_object_get(call->body, "roles")))
        onramp_respond_empty(call, 204);
    else
        call->out->end = ONRAMP_TENANT_CLOSE;
}

void onramp_organization_members(struct onramp_call *call)
{
    static const struct onramp_property schema[] = {
        {.name = "members",
         .type = JSON_ARRAY,
         .min = 1,
         .max = 10,
         .required = true,
         .about = "List of user IDs to add to the organization as members"}};
    char problem[300];
    if (strncmp(call->id, "org_", 4) != 0) {
        onramp_respond_error(call, 404, "inexistent_organization", "No organization found by that id or name");
        return;
    }
    if (!onramp_schema_check(call->body, schema, COUNT(schema), problem, sizeof problem)) {
        onramp_respond_error(call, 400, "invalid_body", "Payload validation error: %s", problem);
        return;
    }
    if (!are_ids(call, "members", call->tenant->settings.strategy))
        return;
    const json_t *members = json_object_get(call->body, "members");
    size_t i;
    const json_t *member;
    json_array_foreach(members, i, member)
    {
        if (onramp_directory_find(&call->tenant->directory, ONRAMP_ID_USER_ID, json_string_value(member), NULL) != NULL)
            continue;
        onramp_respond_error(call, 400, "inexistent_user", "One or more of the users do not exist.");
        return;
    }
    json_t *organization = json_pack("[s]", call->id);
    bool added = organization != NULL;
    json_array_foreach(members, i, member)
    {
        struct onramp_account *account =
            onramp_directory_find(&call->tenant->directory, ONRAMP_ID_USER_ID, json_string_value(member), NULL);
        added = added && add_ids(&account->organizations, organization);
    }
    json_decref(organization);
    if (added)
        onramp_respond_empty(call, 204);
    else
        call->out->end = ONRAMP_TENANT_CLOSE;
}
