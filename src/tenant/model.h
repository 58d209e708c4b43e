/*
 * model.h - the inside of the tenant: its state, a call while it is answered, and the parts that answer.
 *
 * tenant.c takes a request through the gate, the token check and the faults; each *_api.c answers endpoints;
 * respond.c writes answers.
 */
#ifndef ONRAMP_TENANT_MODEL_H
#define ONRAMP_TENANT_MODEL_H

#include "core/rng.h"
#include "onramp/tenant.h"
#include "tenant/bearer.h"
#include "tenant/directory.h"
#include "tenant/gate.h"
#include "tenant/rules.h"

#include <jansson.h>

#define ONRAMP_TENANT_BODY_MAX ((size_t)1024 * 1024) /* bytes: Auth0's documented limit of a request's body */
#define ONRAMP_TENANT_SPENT    256                   /* tokens remembered as having had their one spurious 401 */

#define ONRAMP_TENANT_FRESH 5 /* seconds: a younger token is never called expired */

/* One entry of GET /connections. */
struct onramp_tenant_connection {
    char id[24]; /* "con_" and 16 alphanumerics */
    const char *name, *strategy;
};

struct onramp_tenant {
    struct onramp_tenant_settings settings; /* its strings are copies, freed with the tenant */
    onramp_time start;
    unsigned char key[ONRAMP_BEARER_KEY];
    struct onramp_gate gate;
    struct onramp_rng faults, latency, names; /* streams of their own, so that one does not shift another */
    struct onramp_rules rules;
    struct onramp_directory directory;
    struct onramp_tenant_connection connections[2]; /* the database, and a social one as new tenants have */
    char other_client[33];                          /* enabled for the connection beside ours */
    struct onramp_bucket unknown_mails;             /* change_password for addresses that nobody has */
    uint64_t spent[ONRAMP_TENANT_SPENT];
    size_t spent_count;
    struct onramp_tenant_view counts;
};

/* A request on its way through the tenant. */
struct onramp_call {
    struct onramp_tenant *tenant;
    const struct onramp_tenant_request *request;
    onramp_time now;
    const char *query; /* still encoded, without '?'; NULL if there is none */
    char *id;          /* the decoded {id} of the path, or NULL */
    json_t *body;      /* parsed, or NULL */
    struct onramp_bearer_claims claims;
    struct onramp_tenant_response *out;
};

/* The tenant's clock: Unix milliseconds. */
int64_t onramp_tenant_wall(const struct onramp_tenant *tenant, onramp_time now);
/* The host that links and issuers name. */
const char *onramp_call_host(const struct onramp_call *call);
/* `count` characters of `alphabet` from the names' stream, and a NUL. */
void onramp_tenant_random(struct onramp_tenant *tenant, const char *alphabet, size_t count, char *out);

/* Answers. Each fills call->out; a want of memory closes the connection without an answer. */
void onramp_respond_header(struct onramp_tenant_response *out, const char *name, const char *format, ...)
    ONRAMP_PRINTF(3, 4);
void onramp_respond_json(struct onramp_call *call, int status, json_t *body); /* takes the reference; NULL: no memory */
void onramp_respond_text(struct onramp_call *call, int status, const char *content_type, const char *text);
void onramp_respond_empty(struct onramp_call *call, int status);
/* The Management API's error shape; `code` NULL: without errorCode. */
void onramp_respond_error(struct onramp_call *call, int status, const char *code, const char *format, ...)
    ONRAMP_PRINTF(4, 5);
/* The Authentication API's: {error, error_description}. */
void onramp_respond_oauth(struct onramp_call *call, int status, const char *error, const char *format, ...)
    ONRAMP_PRINTF(4, 5);
/* The x-ratelimit headers of an answer, if there is a bucket to tell of and the tenant tells. */
void onramp_respond_limits(struct onramp_call *call, const struct onramp_gate_verdict *verdict);
/* Take back an answer written so far. */
void onramp_respond_clear(struct onramp_tenant_response *out);

/* The profile without the fields that `fields` and `include_fields` of the query leave out. A new reference. */
json_t *onramp_call_select(const struct onramp_call *call, json_t *object);
/* An integer parameter of the query within [min, max]; `otherwise` if absent; -1 after answering 400. */
long onramp_call_number(struct onramp_call *call, const char *name, long min, long max, long otherwise);

/* Endpoints. */
void onramp_users_create(struct onramp_call *call);
void onramp_users_by_email(struct onramp_call *call);
void onramp_users_get(struct onramp_call *call);
void onramp_users_delete(struct onramp_call *call);
void onramp_users_roles(struct onramp_call *call);
void onramp_organization_members(struct onramp_call *call);
void onramp_connections_list(struct onramp_call *call);
void onramp_connections_get(struct onramp_call *call);
void onramp_connections_clients(struct onramp_call *call);
void onramp_tickets_password_change(struct onramp_call *call);
void onramp_jobs_verification_email(struct onramp_call *call);
void onramp_oauth_token(struct onramp_call *call);
void onramp_dbconnections_change_password(struct onramp_call *call);

#endif
