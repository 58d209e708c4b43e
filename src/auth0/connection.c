/*
 * connection.c - what the tenant says of the connection that users are created in.
 */
#include "auth0/connection.h"

#include "auth0/member.h"
#include "auth0/text.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* Auth0's default for usernames, until a connection says otherwise. */
enum { USERNAME_MIN = 1, USERNAME_MAX = 15, USERNAME_LIMIT = 128 };

static void read_bound(uint32_t *out, const json_t *object, const char *key)
{
    const json_t *number = json_object_get(object, key);
    if (json_is_integer(number) && json_integer_value(number) >= 1 && json_integer_value(number) <= USERNAME_LIMIT)
        *out = (uint32_t)json_integer_value(number);
}

/* Flexible identifiers: an attribute can be there without being needed. */
static void read_attributes(struct onramp_connection *out, const json_t *attributes)
{
    const json_t *username = json_object_get(attributes, "username");
    const json_t *validation = json_object_get(username, "validation");
    out->takes_username = json_is_object(username);
    out->needs_email = onramp_member_is_on(json_object_get(attributes, "email"), "profile_required");
    out->needs_phone = onramp_member_is_on(json_object_get(attributes, "phone_number"), "profile_required");
    out->needs_username = onramp_member_is_on(username, "profile_required");
    read_bound(&out->username_min, validation, "min_length");
    read_bound(&out->username_max, validation, "max_length");
}

static void read_identifiers(struct onramp_connection *out, const json_t *options)
{
    const json_t *attributes = json_object_get(options, "attributes");
    out->identifiers_unknown = !json_is_object(options);
    out->username_min = USERNAME_MIN;
    out->username_max = USERNAME_MAX;
    if (strcmp(out->strategy, "sms") == 0) {
        out->needs_phone = true;
    } else if (json_is_object(attributes)) {
        read_attributes(out, attributes);
    } else {
        const json_t *bounds = json_object_get(json_object_get(options, "validation"), "username");
        out->needs_email = true;
        out->requires_username = onramp_member_is_on(options, "requires_username");
        out->takes_username = out->requires_username;
        out->needs_username = out->requires_username;
        read_bound(&out->username_min, bounds, "min");
        read_bound(&out->username_max, bounds, "max");
    }
    if (out->username_min > out->username_max)
        out->username_min = USERNAME_MIN;
}

static enum onramp_status read_policy(struct onramp_connection *out, const json_t *options, struct onramp_error *err)
{
    if (!json_is_object(options)) { /* left out of the answer, or not ours to see */
        onramp_policy_strictest(&out->policy);
        return ONRAMP_OK;
    }
    char *text = json_dumps(options, JSON_COMPACT);
    if (text == NULL)
        return onramp_fail(err, ONRAMP_ENOMEM, "out of memory");
    enum onramp_status st = onramp_policy_parse(&out->policy, text, err);
    free(text);
    return st;
}

static enum onramp_status read_connection(struct onramp_connection *out, const json_t *json, struct onramp_error *err)
{
    struct onramp_connection connection = {0};
    const json_t *options = json_object_get(json, "options");
    if (!onramp_member_copy(connection.id, sizeof connection.id, json, "id") ||
        !onramp_member_copy(connection.name, sizeof connection.name, json, "name") ||
        !onramp_member_copy(connection.strategy, sizeof connection.strategy, json, "strategy"))
        return onramp_fail(err, ONRAMP_EINPUT, "the tenant's answer has a connection without id, name or strategy");
    read_identifiers(&connection, options);
    const json_t *password = json_object_get(json_object_get(options, "authentication_methods"), "password");
    connection.password_optional = onramp_member_says(password, "api_behavior", "optional");
    connection.custom_database = onramp_member_is_on(options, "enabledDatabaseCustomization");
    enum onramp_status st = read_policy(&connection, options, err);
    if (st == ONRAMP_OK)
        *out = connection;
    return st;
}

/* One connection, a list of them, or a page with a list in it. */
static const json_t *find(const json_t *json, const char *name)
{
    const json_t *list = json_is_array(json) ? json : json_object_get(json, "connections");
    size_t i;
    json_t *connection;
    if (list == NULL)
        return onramp_member_says(json, "name", name) ? json : NULL;
    json_array_foreach(list, i, connection)
    {
        if (onramp_member_says(connection, "name", name))
            return connection;
    }
    return NULL;
}

enum onramp_status onramp_connection_parse(struct onramp_connection *out, bool *found, const char *body,
                                           const char *name, struct onramp_error *err)
{
    json_t *json = json_loads(body, 0, NULL);
    bool sound = json_is_array(json) || json_is_array(json_object_get(json, "connections")) ||
                 json_is_string(json_object_get(json, "name"));
    enum onramp_status st = ONRAMP_OK;
    if (sound) {
        const json_t *connection = find(json, name);
        if (connection != NULL)
            st = read_connection(out, connection, err);
        if (st == ONRAMP_OK)
            *found = connection != NULL;
    } else {
        st = onramp_fail(err, ONRAMP_EINPUT, "the tenant's answer is not a list of connections");
    }
    json_decref(json);
    return st;
}

void onramp_connection_clear(struct onramp_connection *connection)
{
    onramp_policy_clear(&connection->policy);
    *connection = (struct onramp_connection){0};
}

enum onramp_admission onramp_connection_judge(const struct onramp_connection *connection,
                                              const struct onramp_identity *identity)
{
    if (connection->identifiers_unknown)
        return ONRAMP_ADMITTED;
    if (connection->needs_email && identity->email == NULL)
        return ONRAMP_LACKS_EMAIL;
    if (connection->needs_username && identity->username == NULL)
        return ONRAMP_LACKS_USERNAME;
    if (connection->needs_phone && identity->phone_number == NULL)
        return ONRAMP_LACKS_PHONE_NUMBER;
    if (identity->username == NULL)
        return ONRAMP_ADMITTED;
    if (!connection->takes_username)
        return ONRAMP_TAKES_NO_USERNAME;
    size_t units = onramp_text_units(identity->username);
    bool fits = units >= connection->username_min && units <= connection->username_max;
    return fits ? ONRAMP_ADMITTED : ONRAMP_USERNAME_OUT_OF_BOUNDS;
}

static enum onramp_status lacks(const struct onramp_connection *connection, const char *property,
                                struct onramp_error *err)
{
    return onramp_fail(err, ONRAMP_EINPUT, "no '%s', which connection '%s' needs", property, connection->name);
}

enum onramp_status onramp_connection_admits(const struct onramp_connection *connection,
                                            const struct onramp_identity *identity, struct onramp_error *err)
{
    switch (onramp_connection_judge(connection, identity)) {
    case ONRAMP_ADMITTED:
        break;
    case ONRAMP_LACKS_EMAIL:
        return lacks(connection, "email", err);
    case ONRAMP_LACKS_USERNAME:
        return lacks(connection, "username", err);
    case ONRAMP_LACKS_PHONE_NUMBER:
        return lacks(connection, "phone_number", err);
    case ONRAMP_TAKES_NO_USERNAME:
        return onramp_fail(err, ONRAMP_EINPUT,
                           "'username' is given, but connection '%s' takes none: allow usernames there "
                           "or take it out",
                           connection->name);
    case ONRAMP_USERNAME_OUT_OF_BOUNDS:
        return onramp_fail(err, ONRAMP_EINPUT, "'username' has %zu characters: connection '%s' takes %u to %u",
                           onramp_text_units(identity->username), connection->name, (unsigned)connection->username_min,
                           (unsigned)connection->username_max);
    }
    return ONRAMP_OK;
}

enum onramp_status onramp_connection_enables(bool *enabled, char next[256], const char *body, const char *client_id,
                                             struct onramp_error *err)
{
    enum { NEXT_MAX = 256 };
    json_t *json = json_loads(body, 0, NULL);
    const json_t *clients = json_object_get(json, "clients");
    const json_t *more = json_object_get(json, "next");
    size_t i;
    json_t *client;
    enum onramp_status st = ONRAMP_OK;
    bool is_there = false;

    json_array_foreach(clients, i, client)
    {
        is_there |= onramp_member_says(client, "client_id", client_id);
    }
    if (!json_is_array(clients) || json_string_length(more) >= NEXT_MAX) {
        st = onramp_fail(err, ONRAMP_EINPUT, "the tenant's answer is not a list of a connection's applications");
    } else {
        const char *token = json_string_value(more);
        size_t size = json_string_length(more);
        memcpy(next, token != NULL ? token : "", size + 1);
        *enabled = is_there;
    }
    json_decref(json);
    return st;
}
