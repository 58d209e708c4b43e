/*
 * rehearsal.c - requests and answers as events; waiting jumps to the next one.
 */
#include "rehearsal.h"

#include "core/heap.h"

#include <stdlib.h>
#include <string.h>

#define FLIGHTS 512 /* more than a pacer lets out at once */
#define START   (1000 * ONRAMP_SECOND)

enum event { ARRIVES, RETURNS, EVENTS };

struct flight {
    bool used;
    uint32_t id; /* the client's */
    onramp_time sent_at, due_at;
    char *method, *path, *authorization, *content_type, *body;
    size_t body_size;
    struct onramp_tenant_response response;
};

struct onramp_rehearsal {
    struct onramp_tenant *tenant;
    struct onramp_transport transport;
    int64_t epoch;
    onramp_time now;
    onramp_span way;
    char host[256];
    struct flight flights[FLIGHTS];
    struct onramp_heap events; /* by time: slot * EVENTS + event */
    struct onramp_heap landed; /* by time: slot */
    char *handed_out;          /* body of the answer last taken */
    bool begun;
    onramp_time begun_at;
    struct onramp_plan_point points[ONRAMP_PLAN_POINTS];
    size_t point_count;
    uint64_t requests, every; /* each so manieth request is a point */
};

static void clear_flight(struct flight *f)
{
    free(f->method);
    free(f->path);
    free(f->authorization);
    free(f->content_type);
    free(f->body);
    free(f->response.body);
    *f = (struct flight){.used = false};
}

static void schedule(struct onramp_rehearsal *r, size_t slot, enum event event, onramp_time at)
{
    onramp_heap_push(&r->events, at, (uint32_t)(slot * EVENTS + event));
}

/* ---- out ---- */

/* "Bearer " and the token, for this tenant's eyes only; malloc'd. */
static char *authorization_of(const struct onramp_secret *bearer)
{
    static const char scheme[] = "Bearer ";
    char *text = malloc(sizeof scheme + bearer->size);
    if (text != NULL) {
        memcpy(text, scheme, sizeof scheme - 1);
        memcpy(text + sizeof scheme - 1, bearer->text, bearer->size);
        text[sizeof scheme - 1 + bearer->size] = '\0';
    }
    return text;
}

static bool copy(char **out, const char *text, size_t size)
{
    if (text == NULL)
        return true;
    *out = malloc(size + 1);
    if (*out == NULL)
        return false;
    memcpy(*out, text, size);
    (*out)[size] = '\0';
    return true;
}

static bool copy_text(char **out, const char *text)
{
    return copy(out, text, text != NULL ? strlen(text) : 0);
}

static bool fill(struct flight *f, const struct onramp_request *request)
{
    if (request->bearer != NULL && (f->authorization = authorization_of(request->bearer)) == NULL)
        return false;
    f->body_size = request->body_size;
    return copy_text(&f->method, request->method) && copy_text(&f->path, request->path) &&
           copy_text(&f->content_type, request->content_type) && copy(&f->body, request->body, request->body_size);
}

static enum onramp_status send_request(void *self, uint32_t id, const struct onramp_request *request,
                                       struct onramp_error *err)
{
    struct onramp_rehearsal *r = self;
    size_t slot = 0;
    while (slot < FLIGHTS && r->flights[slot].used)
        slot++;
    if (slot == FLIGHTS)
        return onramp_fail(err, ONRAMP_EIO, "more than %d requests at once", FLIGHTS);
    struct flight *f = &r->flights[slot];
    *f = (struct flight){.used = true, .id = id, .sent_at = r->now, .due_at = r->now + request->timeout};
    if (!fill(f, request)) {
        clear_flight(f);
        return onramp_fail(err, ONRAMP_ENOMEM, "out of memory");
    }
    if (!r->begun)
        r->begun_at = r->now;
    r->begun = true;
    schedule(r, slot, ARRIVES, r->now + r->way);
    return ONRAMP_OK;
}

/* ---- at the tenant, and back ---- */

/* When there are too many points, every other one goes, and from then on half as many come. */
static void add_point(struct onramp_rehearsal *r)
{
    if (r->requests++ % r->every != 0)
        return;
    if (r->point_count == ONRAMP_PLAN_POINTS) {
        for (size_t i = 0; 2 * i < ONRAMP_PLAN_POINTS; i++)
            r->points[i] = r->points[2 * i];
        r->point_count = (ONRAMP_PLAN_POINTS + 1) / 2;
        r->every *= 2;
    }
    struct onramp_tenant_view view;
    onramp_tenant_view(r->tenant, r->now, &view);
    r->points[r->point_count++] =
        (struct onramp_plan_point){.at = r->now - r->begun_at, .created = view.created, .tokens = view.level};
}

static void arrives(struct onramp_rehearsal *r, size_t slot)
{
    struct flight *f = &r->flights[slot];
    struct onramp_tenant_request request = {.method = f->method,
                                            .path = f->path,
                                            .authorization = f->authorization,
                                            .content_type = f->content_type,
                                            .host = r->host,
                                            .body = f->body,
                                            .body_size = f->body_size};
    onramp_tenant_handle(r->tenant, &request, r->now, &f->response);
    add_point(r);
    onramp_time back_at = r->now + f->response.delay + r->way;
    schedule(r, slot, RETURNS, back_at < f->due_at ? back_at : f->due_at);
    if (back_at >= f->due_at) /* the client no longer waits for it */
        f->response.end = ONRAMP_TENANT_HANG;
}

static void happen(struct onramp_rehearsal *r)
{
    struct onramp_heap_item item = onramp_heap_pop(&r->events);
    r->now = item.key;
    size_t slot = item.id / EVENTS;
    if (item.id % EVENTS == ARRIVES)
        arrives(r, slot);
    else
        onramp_heap_push(&r->landed, r->now, (uint32_t)slot);
}

static enum onramp_status wait_until(void *self, onramp_time until, struct onramp_error *err)
{
    struct onramp_rehearsal *r = self;
    while (r->landed.size == 0) {
        if (r->events.size > 0 && r->events.items[0].key <= until) {
            happen(r);
        } else if (until == ONRAMP_NEVER) {
            return onramp_fail(err, ONRAMP_EIO, "the rehearsal waits for something that will not happen");
        } else {
            r->now = until > r->now ? until : r->now;
            break;
        }
    }
    return ONRAMP_OK;
}

static void put_field(char *field, size_t room, const char *value)
{
    size_t size = strlen(value);
    if (size < room)
        memcpy(field, value, size + 1);
}

static void put_headers(struct onramp_fields *fields, const struct onramp_tenant_response *response)
{
    const struct {
        const char *name;
        char *field;
        size_t room;
    } known[] = {{"x-ratelimit-limit", fields->limit, sizeof fields->limit},
                 {"x-ratelimit-remaining", fields->remaining, sizeof fields->remaining},
                 {"x-ratelimit-reset", fields->reset, sizeof fields->reset},
                 {"retry-after", fields->retry_after, sizeof fields->retry_after},
                 {"date", fields->date, sizeof fields->date},
                 {"content-type", fields->content_type, sizeof fields->content_type}};
    for (size_t i = 0; i < response->header_count; i++)
        for (size_t k = 0; k < sizeof known / sizeof known[0]; k++)
            if (strcmp(known[k].name, response->headers[i][0]) == 0)
                put_field(known[k].field, known[k].room, response->headers[i][1]);
}

static bool take(void *self, struct onramp_answer *out)
{
    struct onramp_rehearsal *r = self;
    free(r->handed_out);
    r->handed_out = NULL;
    if (r->landed.size == 0)
        return false;
    struct flight *f = &r->flights[onramp_heap_pop(&r->landed).id];
    *out = (struct onramp_answer){.id = f->id, .sent_at = f->sent_at, .received_at = r->now, .body = ""};
    if (f->response.end == ONRAMP_TENANT_ANSWER) {
        out->delivery = ONRAMP_ANSWERED;
        out->status = f->response.status;
        put_headers(&out->fields, &f->response);
        out->body_size = f->response.body_size;
        r->handed_out = f->response.body;
        f->response.body = NULL;
        if (r->handed_out != NULL)
            out->body = r->handed_out;
    } else {
        out->delivery = ONRAMP_LOST;
        put_field(out->problem, sizeof out->problem, "timed out");
    }
    clear_flight(f);
    return true;
}

static onramp_time now(void *self)
{
    const struct onramp_rehearsal *r = self;
    return r->now;
}

static int64_t wall(void *self)
{
    const struct onramp_rehearsal *r = self;
    return r->epoch + (r->now - START) / ONRAMP_MILLISECOND;
}

static void close_transport(void *self)
{
    (void)self;
}

/* ---- the whole ---- */

enum onramp_status onramp_rehearsal_new(struct onramp_rehearsal **out, const struct onramp_tenant_settings *tenant,
                                        onramp_span round_trip, struct onramp_error *err)
{
    static const struct onramp_transport_ops ops = {
        .now = now, .wall = wall, .send = send_request, .wait = wait_until, .take = take, .close = close_transport};
    struct onramp_rehearsal *r = calloc(1, sizeof *r);
    if (r == NULL)
        return onramp_fail(err, ONRAMP_ENOMEM, "out of memory");
    r->transport = (struct onramp_transport){.ops = &ops, .self = r};
    r->epoch = tenant->epoch;
    r->now = START;
    r->way = round_trip / 2;
    r->every = 1;
    enum onramp_status st = onramp_tenant_new(&r->tenant, tenant, START, err);
    if (st == ONRAMP_OK && (!onramp_heap_init(&r->events, (size_t)FLIGHTS) || !onramp_heap_init(&r->landed, FLIGHTS)))
        st = onramp_fail(err, ONRAMP_ENOMEM, "out of memory");
    if (st == ONRAMP_OK)
        *out = r;
    else
        onramp_rehearsal_free(r);
    return st;
}

void onramp_rehearsal_free(struct onramp_rehearsal *r)
{
    if (r == NULL)
        return;
    for (size_t i = 0; i < FLIGHTS; i++)
        clear_flight(&r->flights[i]);
    free(r->handed_out);
    onramp_heap_clear(&r->events);
    onramp_heap_clear(&r->landed);
    onramp_tenant_free(r->tenant);
    free(r);
}

const struct onramp_transport *onramp_rehearsal_transport(const struct onramp_rehearsal *r)
{
    return &r->transport;
}

enum onramp_status onramp_rehearsal_token(struct onramp_rehearsal *r, const char *host, struct onramp_secret **out,
                                          struct onramp_error *err)
{
    put_field(r->host, sizeof r->host, host);
    char *text = onramp_tenant_token(r->tenant, r->host, r->now);
    if (text == NULL)
        return onramp_fail(err, ONRAMP_ENOMEM, "out of memory");
    enum onramp_status st = onramp_secret_copy(out, text, strlen(text), err);
    free(text);
    return st;
}

void onramp_rehearsal_view(struct onramp_rehearsal *r, struct onramp_tenant_view *out)
{
    onramp_tenant_view(r->tenant, r->now, out);
}

size_t onramp_rehearsal_points(const struct onramp_rehearsal *r, struct onramp_plan_point points[ONRAMP_PLAN_POINTS])
{
    memcpy(points, r->points, r->point_count * sizeof *points);
    return r->point_count;
}
