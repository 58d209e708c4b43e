/*
 * bench.h - a tenant on the bench: settings with what tests want by default, and calls in one line.
 */
#ifndef ONRAMP_TEST_TENANT_BENCH_H
#define ONRAMP_TEST_TENANT_BENCH_H

#include "onramp/tenant.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOST "tenant.example.com"

struct bench {
    struct onramp_tenant_settings settings;
    struct onramp_tenant *tenant;
    char bearer[2048];
    onramp_time now;
    struct onramp_tenant_response answer; /* the latest */
    json_t *json;                         /* its body, if it is JSON */
};

/* Defaults, but no latency and no API-wide bucket in the way. */
static inline void bench_settings(struct bench *b)
{
    *b = (struct bench){0};
    onramp_tenant_defaults(&b->settings);
    b->settings.latency_min = b->settings.latency_median = 0;
    b->settings.api = (struct onramp_limit){.burst = 10000, .rate = {10000, ONRAMP_SECOND}};
}

static inline void bench_token(struct bench *b)
{
    char *token = onramp_tenant_token(b->tenant, HOST, b->now);
    assert_non_null(token);
    snprintf(b->bearer, sizeof b->bearer, "Bearer %s", token);
    free(token);
}

static inline void bench_start(struct bench *b)
{
    struct onramp_error err = {0};
    if (onramp_tenant_new(&b->tenant, &b->settings, b->now, &err) != ONRAMP_OK)
        fail_msg("%s", err.text);
    bench_token(b);
}

static inline void bench_init(struct bench *b)
{
    bench_settings(b);
    bench_start(b);
}

static inline void bench_clear(struct bench *b)
{
    free(b->answer.body);
    json_decref(b->json);
    onramp_tenant_free(b->tenant);
}

/* Send any request as it is; the status. */
static inline int bench_send(struct bench *b, const struct onramp_tenant_request *request)
{
    free(b->answer.body);
    json_decref(b->json);
    onramp_tenant_handle(b->tenant, request, b->now, &b->answer);
    b->json = b->answer.body_size > 0 ? json_loadb(b->answer.body, b->answer.body_size, 0, NULL) : NULL;
    return b->answer.status;
}

/* A call with the tenant's token and a JSON body (NULL: none); the status. */
static inline int bench_call(struct bench *b, const char *method, const char *path, const char *body)
{
    return bench_send(b, &(struct onramp_tenant_request){.method = method,
                                                         .path = path,
                                                         .authorization = b->bearer,
                                                         .content_type = body != NULL ? "application/json" : NULL,
                                                         .host = HOST,
                                                         .body = body,
                                                         .body_size = body != NULL ? strlen(body) : 0});
}

/* POST /users with these members and a password that satisfies every level. */
static inline int bench_create(struct bench *b, const char *members)
{
    char body[2048];
    snprintf(body, sizeof body, "{\"connection\":\"%s\",\"password\":\"Xk7!mq2#Wz9$pL\",%s}", b->settings.connection,
             members);
    return bench_call(b, "POST", "/api/v2/users", body);
}

/* Header of the latest answer; NULL if it is not there. */
static inline const char *bench_header(const struct bench *b, const char *name)
{
    for (size_t i = 0; i < b->answer.header_count; i++)
        if (strcmp(b->answer.headers[i][0], name) == 0)
            return b->answer.headers[i][1];
    return NULL;
}

static inline long bench_number(const struct bench *b, const char *name)
{
    const char *text = bench_header(b, name);
    if (text == NULL)
        fail_msg("no %s in the answer", name);
    return text != NULL ? atol(text) : -1;
}

/* Member of the latest answer's body; "" if it is not a string. */
static inline const char *bench_member(const struct bench *b, const char *name)
{
    const char *text = json_string_value(json_object_get(b->json, name));
    return text != NULL ? text : "";
}

#endif
