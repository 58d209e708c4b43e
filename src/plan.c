/*
 * plan.c - an upload into the model of a tenant, in virtual time.
 */
#include "onramp/plan.h"

#include "rehearsal.h"

#include <stdlib.h>
#include <string.h>

#define HOST  "tenant.example"
#define EPOCH INT64_C(1767225600000) /* 2026-01-01: a plan says the same whenever it is made */
#define SEED  1

/* Takes every identifier and wants none: whether the real one does is for `onramp check` to find out. */
static const char options[] = "{\"passwordPolicy\":\"good\",\"attributes\":{\"email\":{},\"phone_number\":{},"
                              "\"username\":{\"validation\":{\"min_length\":1,\"max_length\":128,"
                              "\"allowed_types\":{\"email\":true}}}}}";

void onramp_plan_defaults(struct onramp_plan_settings *settings)
{
    struct onramp_tenant_settings recorded;
    onramp_tenant_defaults(&recorded);
    *settings =
        (struct onramp_plan_settings){.latency_min = recorded.latency_min, .latency_median = recorded.latency_median};
}

static struct onramp_tenant_settings tenant_of(const struct onramp_plan_settings *settings)
{
    struct onramp_tenant_settings tenant;
    onramp_tenant_defaults(&tenant);
    tenant.api = settings->api;
    memcpy(tenant.groups, settings->groups, sizeof tenant.groups);
    tenant.latency_min = settings->latency_min;
    tenant.latency_median = settings->latency_median;
    tenant.seed = SEED;
    tenant.epoch = EPOCH;
    tenant.options = options;
    tenant.token_seconds = UINT32_MAX; /* a token's renewal is a request among hundreds */
    if (settings->upload.target.connection != NULL)
        tenant.connection = settings->upload.target.connection;
    return tenant;
}

static enum onramp_status run(struct onramp_plan *out, const struct onramp_plan_settings *settings,
                              const struct onramp_tenant_settings *tenant, struct onramp_rehearsal *rehearsal,
                              const struct onramp_source *source, struct onramp_error *err)
{
    struct onramp_secret *token = NULL;
    enum onramp_status st = onramp_rehearsal_token(rehearsal, HOST, &token, err);
    if (st == ONRAMP_OK)
        st = onramp_ledger_in_memory(&out->ledger, err);
    if (st == ONRAMP_OK) {
        struct onramp_upload_settings upload = settings->upload;
        upload.target.domain = HOST;
        upload.target.connection = tenant->connection;
        upload.target.access = (struct onramp_access_settings){.token = token};
        upload.target.seed = SEED;
        upload.settings_json = "{}";
        st = onramp_upload(&upload, source, onramp_rehearsal_transport(rehearsal), out->ledger, NULL, &out->summary,
                           err);
    }
    onramp_secret_free(token);
    return st == ONRAMP_OK ? source->ops->rewind(source->self, err) : st;
}

enum onramp_status onramp_plan(struct onramp_plan *out, const struct onramp_plan_settings *settings,
                               const struct onramp_source *source, struct onramp_error *err)
{
    struct onramp_tenant_settings tenant = tenant_of(settings);
    struct onramp_rehearsal *rehearsal = NULL;
    *out = (struct onramp_plan){.point_count = 0};
    enum onramp_status st = onramp_rehearsal_new(&rehearsal, &tenant, settings->round_trip, err);
    if (st == ONRAMP_OK)
        st = run(out, settings, &tenant, rehearsal, source, err);
    if (st == ONRAMP_OK) {
        struct onramp_tenant_view view;
        onramp_rehearsal_view(rehearsal, &view);
        out->mails = view.mails;
        out->point_count = onramp_rehearsal_points(rehearsal, out->points);
    } else {
        onramp_plan_clear(out);
    }
    onramp_rehearsal_free(rehearsal);
    return st;
}

void onramp_plan_clear(struct onramp_plan *plan)
{
    onramp_ledger_close(plan->ledger);
    plan->ledger = NULL;
}
