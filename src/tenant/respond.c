/*
 * respond.c - writing answers, and reading what queries ask of them.
 */
#include "tenant/model.h"
#include "tenant/wire.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void onramp_respond_header(struct onramp_tenant_response *out, const char *name, const char *format, ...)
{
    assert(out->header_count < sizeof out->headers / sizeof out->headers[0]);
    char(*header)[96] = out->headers[out->header_count++];
    snprintf(header[0], sizeof header[0], "%s", name);
    va_list args;
    va_start(args, format);
    vsnprintf(header[1], sizeof header[1], format, args);
    va_end(args);
}

void onramp_respond_limits(struct onramp_call *call, const struct onramp_gate_verdict *verdict)
{
    if (!verdict->has_limits || call->tenant->settings.no_headers)
        return;
    onramp_respond_header(call->out, "x-ratelimit-limit", "%u", (unsigned)verdict->limit);
    onramp_respond_header(call->out, "x-ratelimit-remaining", "%u", (unsigned)verdict->tokens);
    onramp_respond_header(call->out, "x-ratelimit-reset", "%lld", (long long)verdict->reset);
}

void onramp_respond_clear(struct onramp_tenant_response *out)
{
    free(out->body);
    onramp_span delay = out->delay;
    *out = (struct onramp_tenant_response){.delay = delay};
}

/* Takes the malloc'd `text`; NULL: there was no memory for it. */
static void respond(struct onramp_call *call, int status, const char *content_type, char *text)
{
    onramp_respond_clear(call->out);
    if (text == NULL) {
        call->out->end = ONRAMP_TENANT_CLOSE;
        return;
    }
    call->out->status = status;
    call->out->body = text;
    call->out->body_size = strlen(text);
    onramp_respond_header(call->out, "content-type", "%s", content_type);
}

void onramp_respond_json(struct onramp_call *call, int status, json_t *body)
{
    char *text = body != NULL ? json_dumps(body, JSON_COMPACT) : NULL;
    json_decref(body);
    respond(call, status, "application/json; charset=utf-8", text);
}

void onramp_respond_text(struct onramp_call *call, int status, const char *content_type, const char *text)
{
    respond(call, status, content_type, strdup(text));
}

void onramp_respond_empty(struct onramp_call *call, int status)
{
    onramp_respond_clear(call->out);
    call->out->status = status;
}

static const char *reason(int status)
{
    switch (status) {
    case 400:
        return "Bad Request";
    case 401:
        return "Unauthorized";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 409:
        return "Conflict";
    case 413:
        return "Request Entity Too Large";
    case 429:
        return "Too Many Requests";
    default:
        return "Internal Server Error";
    }
}

/* A JSON string of text that may quote a path's bytes or be cut within a character: then beyond ASCII all is '?'. */
static json_t *safe_string(char *text)
{
    json_t *string = json_string(text);
    if (string != NULL)
        return string;
    for (char *c = text; *c != '\0'; c++)
        if ((unsigned char)*c >= 0x80)
            *c = '?';
    return json_string(text);
}

void onramp_respond_error(struct onramp_call *call, int status, const char *code, const char *format, ...)
{
    char message[400];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    onramp_respond_json(call, status,
                        json_pack("{s:i, s:s, s:o, s:s*}", "statusCode", status, "error", reason(status), "message",
                                  safe_string(message), "errorCode", code));
}

void onramp_respond_oauth(struct onramp_call *call, int status, const char *error, const char *format, ...)
{
    char description[400];
    va_list args;
    va_start(args, format);
    vsnprintf(description, sizeof description, format, args);
    va_end(args);
    onramp_respond_json(call, status,
                        json_pack("{s:s, s:o}", "error", error, "error_description", safe_string(description)));
}

/* Is `name` in the comma-separated `list`? */
static bool listed(const char *list, const char *name)
{
    size_t wanted = strlen(name);
    while (*list != '\0') {
        size_t size = strcspn(list, ",");
        if (size == wanted && strncmp(list, name, size) == 0)
            return true;
        list += size + (list[size] == ',');
    }
    return false;
}

json_t *onramp_call_select(const struct onramp_call *call, json_t *object)
{
    char *fields = onramp_wire_parameter(call->query, "fields");
    if (fields == NULL || fields[0] == '\0') {
        free(fields);
        return json_incref(object);
    }
    char *include = onramp_wire_parameter(call->query, "include_fields");
    bool keep = include == NULL || strcmp(include, "false") != 0;
    json_t *chosen = json_object();
    const char *name;
    json_t *value;
    json_object_foreach(object, name, value)
    {
        if (listed(fields, name) == keep && json_object_set(chosen, name, value) != 0) {
            json_decref(chosen);
            chosen = NULL;
            break;
        }
    }
    free(include);
    free(fields);
    return chosen;
}

long onramp_call_number(struct onramp_call *call, const char *name, long min, long max, long otherwise)
{
    char *text = onramp_wire_parameter(call->query, name);
    if (text == NULL)
        return otherwise;
    char *end;
    long value = strtol(text, &end, 10);
    bool is_number = end != text && *end == '\0';
    free(text);
    if (!is_number)
        onramp_respond_error(call, 400, "invalid_query_string",
                             "Query validation error: 'Expected type integer but found type string' on property %s.",
                             name);
    else if (value < min)
        onramp_respond_error(call, 400, "invalid_query_string",
                             "Query validation error: 'Value %ld is less than minimum %ld' on property %s.", value, min,
                             name);
    else if (value > max)
        onramp_respond_error(call, 400, "invalid_query_string",
                             "Query validation error: 'Value %ld is greater than maximum %ld' on property %s.", value,
                             max, name);
    else
        return value;
    return -1;
}
