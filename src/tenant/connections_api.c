/*
 * connections_api.c - the tenant's connections, and the clients that may use them.
 */
#include "tenant/model.h"
#include "tenant/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONNECTIONS 2

/* `enabled_clients` has come to its end of life: it is not shown. */
static json_t *describe(const struct onramp_tenant *tenant, size_t index)
{
    const struct onramp_tenant_connection *c = &tenant->connections[index];
    json_t *options = index == 0
                          ? json_incref(tenant->rules.options)
                          : json_pack("{s:b, s:b, s:[s, s]}", "email", 1, "profile", 1, "scope", "email", "profile");
    return json_pack("{s:s, s:s, s:s, s:o, s:[s], s:b}", "id", c->id, "name", c->name, "strategy", c->strategy,
                     "options", options, "realms", c->name, "is_domain_connection", 0);
}

/* Does the query ask for this strategy, or for none? `strategy` may be repeated. */
static bool strategy_wanted(const char *query, const char *strategy)
{
    bool asked = false, wanted = false;
    char *name, *value;
    while (query != NULL && onramp_wire_pair(&query, &name, &value)) {
        bool about = strcmp(name, "strategy") == 0;
        asked |= about;
        wanted |= about && strcmp(value, strategy) == 0;
        free(name);
        free(value);
    }
    return wanted || !asked;
}

static bool is_true(const char *query, const char *name)
{
    char *value = onramp_wire_parameter(query, name);
    bool yes = value != NULL && strcmp(value, "true") == 0;
    free(value);
    return yes;
}

/* Those that the query selects, all pages. NULL for want of memory. */
static json_t *matching(const struct onramp_call *call)
{
    char *name = onramp_wire_parameter(call->query, "name");
    json_t *list = json_array();
    for (size_t i = 0; i < CONNECTIONS; i++) {
        const struct onramp_tenant_connection *c = &call->tenant->connections[i];
        if ((name != NULL && strcmp(name, c->name) != 0) || !strategy_wanted(call->query, c->strategy))
            continue;
        json_t *whole = describe(call->tenant, i);
        json_t *chosen = whole != NULL ? onramp_call_select(call, whole) : NULL;
        json_decref(whole);
        if (json_array_append_new(list, chosen) != 0) {
            json_decref(list);
            list = NULL;
            break;
        }
    }
    free(name);
    return list;
}

/* `count` items of `list` from `start`; a new reference. */
static json_t *slice(const json_t *list, size_t start, size_t count)
{
    json_t *part = json_array();
    for (size_t i = start; i < json_array_size(list) && i - start < count; i++)
        if (json_array_append(part, json_array_get(list, i)) != 0) {
            json_decref(part);
            return NULL;
        }
    return part;
}

void onramp_connections_list(struct onramp_call *call)
{
    long take = onramp_call_number(call, "take", 1, 100, 0);
    long from = take >= 0 ? onramp_call_number(call, "from", 0, 1000, 0) : -1;
    long per_page = from >= 0 ? onramp_call_number(call, "per_page", 0, 100, 50) : -1;
    long page = per_page >= 0 ? onramp_call_number(call, "page", 0, 1000, 0) : -1;
    if (page < 0)
        return; /* answered */
    json_t *all = matching(call);
    if (all == NULL) {
        call->out->end = ONRAMP_TENANT_CLOSE;
        return;
    }
    size_t total = json_array_size(all);
    if (take > 0) {
        json_t *body = json_pack("{s:o}", "connections", slice(all, (size_t)from, (size_t)take));
        if (body != NULL && (size_t)(from + take) < total &&
            json_object_set_new(body, "next", json_sprintf("%ld", from + take)) != 0) {
            json_decref(body);
            body = NULL;
        }
        onramp_respond_json(call, 200, body);
    } else if (is_true(call->query, "include_totals")) {
        onramp_respond_json(call, 200,
                            json_pack("{s:I, s:I, s:I, s:o}", "total", (json_int_t)total, "start",
                                      (json_int_t)(page * per_page), "limit", (json_int_t)per_page, "connections",
                                      slice(all, (size_t)(page * per_page), (size_t)per_page)));
    } else {
        onramp_respond_json(call, 200, slice(all, (size_t)(page * per_page), (size_t)per_page));
    }
    json_decref(all);
}

/* Index of the connection in the path; CONNECTIONS after answering 404. */
static size_t addressed(struct onramp_call *call)
{
    for (size_t i = 0; i < CONNECTIONS; i++)
        if (strcmp(call->tenant->connections[i].id, call->id) == 0)
            return i;
    onramp_respond_error(call, 404, "inexistent_connection", "The connection does not exist");
    return CONNECTIONS;
}

void onramp_connections_get(struct onramp_call *call)
{
    size_t index = addressed(call);
    if (index == CONNECTIONS)
        return;
    json_t *whole = describe(call->tenant, index);
    onramp_respond_json(call, 200, whole != NULL ? onramp_call_select(call, whole) : NULL);
    json_decref(whole);
}

void onramp_connections_clients(struct onramp_call *call)
{
    long take = onramp_call_number(call, "take", 1, 1000, 50);
    long from = take >= 0 ? onramp_call_number(call, "from", 0, 1000, 0) : -1;
    if (from < 0)
        return; /* answered */
    size_t index = addressed(call);
    if (index == CONNECTIONS)
        return;

    const char *clients[2] = {call->tenant->other_client, call->tenant->settings.client_id};
    size_t count = call->tenant->settings.client_disabled && index == 0 ? 1 : 2;
    json_t *page = json_array();
    for (size_t i = (size_t)from; i < count && i - (size_t)from < (size_t)take; i++)
        if (json_array_append_new(page, json_pack("{s:s}", "client_id", clients[i])) != 0) {
            json_decref(page);
            page = NULL;
        }
    json_t *body = json_pack("{s:o}", "clients", page);
    if (body != NULL && (size_t)(from + take) < count &&
        json_object_set_new(body, "next", json_sprintf("%ld", from + take)) != 0) {
        json_decref(body);
        body = NULL;
    }
    onramp_respond_json(call, 200, body);
}
