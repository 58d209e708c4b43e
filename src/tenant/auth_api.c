/*
 * auth_api.c - the Authentication API: tokens for clients, and mails for forgotten passwords. Neither draws from the
 * Management API's buckets.
 */
#include "tenant/model.h"
#include "tenant/schema.h"
#include "tenant/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A form's pairs as a JSON object of strings. NULL for want of memory. */
static json_t *parse_form(const char *body, size_t size)
{
    char *text = strndup(body, size);
    json_t *form = text != NULL ? json_object() : NULL;
    const char *cursor = text;
    char *name, *value;
    while (form != NULL && onramp_wire_pair(&cursor, &name, &value)) {
        json_object_set_new(form, name, json_string(value)); /* what is not UTF-8 is no parameter of ours */
        free(name);
        free(value);
    }
    free(text);
    return form;
}

static const char *parameter(const json_t *form, const char *name)
{
    return json_string_value(json_object_get(form, name));
}

/* Exactly the Management API of this host, with the slash at its end. Over plain HTTP either scheme will do. */
static bool is_audience(const char *audience, const char *host)
{
    char https[300], http[300];
    snprintf(https, sizeof https, "https://%s/api/v2/", host);
    snprintf(http, sizeof http, "http://%s/api/v2/", host);
    return strcmp(audience, https) == 0 || strcmp(audience, http) == 0;
}

static void grant_token(struct onramp_call *call, const json_t *form)
{
    const struct onramp_tenant_settings *settings = &call->tenant->settings;
    const char *grant = parameter(form, "grant_type"), *audience = parameter(form, "audience");
    const char *id = parameter(form, "client_id"), *secret = parameter(form, "client_secret");
    if (grant == NULL || id == NULL) {
        onramp_respond_oauth(call, 400, "invalid_request", "Missing required parameter: %s",
                             grant == NULL ? "grant_type" : "client_id");
        return;
    }
    if (strcmp(grant, "client_credentials") != 0) {
        onramp_respond_oauth(call, 400, "unsupported_grant_type", "Unsupported grant type: %.100s", grant);
        return;
    }
    if (strcmp(id, settings->client_id) != 0 || secret == NULL || strcmp(secret, settings->client_secret) != 0) {
        onramp_respond_oauth(call, 401, "access_denied", "Unauthorized");
        return;
    }
    if (audience == NULL) {
        onramp_respond_oauth(call, 403, "access_denied",
                             "No audience parameter was provided, and no default audience has been configured");
        return;
    }
    if (!is_audience(audience, onramp_call_host(call))) {
        onramp_respond_oauth(call, 403, "access_denied", "Service not enabled within domain: %.200s", audience);
        return;
    }
    char *token = onramp_tenant_token(call->tenant, onramp_call_host(call), call->now);
    onramp_respond_json(call, 200,
                        token == NULL
                            ? NULL
                            : json_pack("{s:s, s:s, s:I, s:s}", "access_token", token, "scope", settings->scopes,
                                        "expires_in", (json_int_t)settings->token_seconds, "token_type", "Bearer"));
    free(token);
}

void onramp_oauth_token(struct onramp_call *call)
{
    const char *type = call->request->content_type;
    bool is_form = type == NULL || strncmp(type, "application/x-www-form-urlencoded", 33) == 0;
    json_t *form = is_form
                       ? parse_form(call->request->body_size > 0 ? call->request->body : "", call->request->body_size)
                       : json_incref(call->body);
    if (form == NULL && is_form)
        call->out->end = ONRAMP_TENANT_CLOSE;
    else
        grant_token(call, form);
    json_decref(form);
}

/* Says the same whether anybody has the address. */
void onramp_dbconnections_change_password(struct onramp_call *call)
{
    struct onramp_tenant *tenant = call->tenant;
    const char *connection = parameter(call->body, "connection"), *email = parameter(call->body, "email");
    if (connection == NULL || email == NULL) {
        onramp_respond_json(
            call, 400,
            json_pack("{s:s}", "error", connection == NULL ? "connection is required" : "email is required"));
        return;
    }
    if (strcmp(connection, tenant->settings.connection) != 0) {
        onramp_respond_json(call, 400, json_pack("{s:s}", "error", "connection does not exist"));
        return;
    }
    char *lower = strdup(email);
    if (lower == NULL) {
        call->out->end = ONRAMP_TENANT_CLOSE;
        return;
    }
    onramp_wire_lower(lower);
    struct onramp_account *account = onramp_directory_find(&tenant->directory, ONRAMP_ID_EMAIL, lower, NULL);
    free(lower);
    struct onramp_bucket *mails = account != NULL ? &account->mails : &tenant->unknown_mails;
    if (!onramp_bucket_take(mails, call->now)) {
        onramp_respond_oauth(call, 429, "too_many_requests", "Rate limit exceeded.");
        return;
    }
    tenant->counts.mails += account != NULL;
    onramp_respond_text(call, 200, "text/html; charset=utf-8", "We've just sent you an email to reset your password.");
    struct onramp_gate_verdict shown = {.passed = true};
    onramp_gate_describe(&tenant->gate, mails, call->now, &shown);
    onramp_respond_limits(call, &shown);
}
