/*
 * tickets_api.c - links to set a password, and jobs that send verification mails.
 */
#include "tenant/model.h"
#include "tenant/schema.h"
#include "tenant/wire.h"

#include <stdlib.h>
#include <string.h>

#define COUNT(array)  (sizeof(array) / sizeof(array)[0])
#define ALPHANUMERICS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

static const char *text_of(const struct onramp_call *call, const char *name)
{
    return json_string_value(json_object_get(call->body, name));
}

static bool body_suits(struct onramp_call *call, const struct onramp_property *schema, size_t count)
{
    char problem[300];
    if (onramp_schema_check(call->body, schema, count, problem, sizeof problem))
        return true;
    onramp_respond_error(call, 400, "invalid_body", "Payload validation error: %s", problem);
    return false;
}

/* By user_id, or by connection_id and email; NULL after answering. */
static const struct onramp_account *ticket_user(struct onramp_call *call)
{
    const struct onramp_tenant *tenant = call->tenant;
    const char *user_id = text_of(call, "user_id"), *email = text_of(call, "email");
    const char *connection_id = text_of(call, "connection_id");
    const struct onramp_account *account = NULL;
    if (user_id != NULL) {
        account = onramp_directory_find(&tenant->directory, ONRAMP_ID_USER_ID, user_id, NULL);
    } else if (email != NULL && connection_id != NULL) {
        if (strcmp(connection_id, tenant->connections[0].id) != 0) {
            onramp_respond_error(call, 404, "inexistent_connection", "The connection does not exist");
            return NULL;
        }
        char *lower = strdup(email);
        if (lower == NULL) {
            call->out->end = ONRAMP_TENANT_CLOSE;
            return NULL;
        }
        onramp_wire_lower(lower);
        account = onramp_directory_find(&tenant->directory, ONRAMP_ID_EMAIL, lower, NULL);
        free(lower);
    } else {
        onramp_respond_error(call, 400, "invalid_body",
                             "Payload validation error: 'Missing required property: user_id'.");
        return NULL;
    }
    if (account == NULL)
        onramp_respond_error(call, 404, "inexistent_user", "The user does not exist.");
    return account;
}

void onramp_tickets_password_change(struct onramp_call *call)
{
    static const struct onramp_property schema[] = {
        {.name = "user_id", .type = JSON_STRING, .min = 1},
        {.name = "connection_id", .type = JSON_STRING, .min = 1},
        {.name = "email",
         .type = JSON_STRING,
         .format = ONRAMP_FORMAT_EMAIL,
         .about = "Email address of the user for "
                  "whom the tickets should be created"},
        {.name = "result_url", .type = JSON_STRING, .format = ONRAMP_FORMAT_URI},
        {.name = "client_id", .type = JSON_STRING},
        {.name = "organization_id", .type = JSON_STRING},
        {.name = "ttl_sec",
         .type = JSON_INTEGER,
         .about = "Number of seconds for which the ticket is valid before "
                  "expiration"},
        {.name = "mark_email_as_verified", .type = JSON_TRUE},
        {.name = "includeEmailInRedirect", .type = JSON_TRUE},
    };
    if (!body_suits(call, schema, COUNT(schema)))
        return;
    if (text_of(call, "result_url") != NULL && text_of(call, "client_id") != NULL) {
        onramp_respond_error(call, 400, "invalid_body",
                             "Payload validation error: 'Only one of result_url and client_id is allowed'.");
        return;
    }
    if (ticket_user(call) == NULL)
        return;
    char secret[33];
    onramp_tenant_random(call->tenant, ALPHANUMERICS, 32, secret);
    call->tenant->counts.tickets++;
    onramp_respond_json(
        call, 201,
        json_pack("{s:o}", "ticket",
                  json_sprintf("https://%s/u/reset-password?ticket=%s#", onramp_call_host(call), secret)));
}

void onramp_jobs_verification_email(struct onramp_call *call)
{
    static const struct onramp_property schema[] = {
        {.name = "user_id", .type = JSON_STRING, .min = 1, .required = true},
        {.name = "client_id", .type = JSON_STRING},
        {.name = "identity", .type = JSON_OBJECT},
        {.name = "organization_id", .type = JSON_STRING},
    };
    if (!body_suits(call, schema, COUNT(schema)))
        return;
    const char *user_id = text_of(call, "user_id");
    if (onramp_directory_find(&call->tenant->directory, ONRAMP_ID_USER_ID, user_id, NULL) == NULL) {
        onramp_respond_error(call, 404, "inexistent_user", "The user does not exist.");
        return;
    }
    char id[17], at[32];
    onramp_tenant_random(call->tenant, ALPHANUMERICS, 16, id);
    onramp_wire_iso_date(onramp_tenant_wall(call->tenant, call->now), at);
    call->tenant->counts.mails++;
    onramp_respond_json(call, 201,
                        json_pack("{s:s, s:s, s:s, s:s+}", "type", "verification_email", "status", "pending",
                                  "created_at", at, "id", "job_", id));
}
