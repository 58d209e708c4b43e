/*
 * world.c - events in order, faults by chance.
 */
#define _POSIX_C_SOURCE 200809L
#include "sim/world.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum event { ARRIVES, RETURNS, EXPIRES, EVENTS };

#define START (1000 * ONRAMP_SECOND)
#define HOST  "tenant.example"

static onramp_span between(struct world *w, onramp_span low, onramp_span high)
{
    return low + (high > low ? (onramp_span)onramp_rng_below(&w->rng, (uint64_t)(high - low) + 1) : 0);
}

static char *copy(const char *text)
{
    return text != NULL ? strdup(text) : NULL;
}

static void clear_flight(struct flight *f)
{
    free(f->method);
    free(f->path);
    free(f->authorization);
    free(f->content_type);
    free(f->correlation_id);
    free(f->body);
    free(f->response.body);
    *f = (struct flight){0};
}

static void schedule(struct world *w, size_t slot, enum event event, onramp_time at)
{
    onramp_heap_push(&w->events, at, (uint32_t)(slot * EVENTS + event));
}

/* ---- the disk ---- */

/* One deed more. False: the process died before it. */
static bool deed(struct world *w)
{
    if (w->dead)
        return false;
    w->deeds++;
    if (w->die_after > 0 && w->deeds > w->die_after)
        w->dead = true;
    return !w->dead;
}

/* The key of a record, a ledger line or a user; NULL if it has no identity. */
static const char *key_of(const json_t *object)
{
    static char key[ONRAMP_IDENTITY_KEY_MAX];
    struct onramp_identity who = {.email = json_string_value(json_object_get(object, "email")),
                                  .username = json_string_value(json_object_get(object, "username")),
                                  .phone_number = json_string_value(json_object_get(object, "phone_number"))};
    return onramp_identity_primary(&who, key) ? key : NULL;
}

/* A whole line is in the file. */
static void note_line(struct world *w, const char *bytes, size_t size)
{
    json_t *line = json_loadb(bytes, size, 0, NULL);
    const char *outcome = json_string_value(json_object_get(line, "outcome")), *key = key_of(line);
    if (outcome != NULL && key != NULL &&
        (strcmp(outcome, "created") == 0 || strcmp(outcome, "exists") == 0 || strcmp(outcome, "rejected") == 0))
        json_object_set_new(w->settled, key, json_true());
    json_decref(line);
}

static int append(void *self, int fd, const char *bytes, size_t size)
{
    struct world *w = self;
    bool lives = deed(w);
    size_t part = size;
    if (!lives || w->deeds == w->fail_at) /* a dying process or a full disk leaves a part of the line, or nothing */
        part = w->deeds == w->die_after + 1 || w->deeds == w->fail_at ? (size_t)onramp_rng_below(&w->rng, size + 1) : 0;
    for (size_t done = 0; done < part;) {
        ssize_t n = write(fd, bytes + done, part - done);
        if (n < 0)
            return errno;
        done += (size_t)n;
    }
    if (!lives)
        return EIO;
    if (w->deeds == w->fail_at)
        return ENOSPC;
    w->unsynced++;
    note_line(w, bytes, size);
    return 0;
}

static int sync_file(void *self, int fd)
{
    struct world *w = self;
    (void)fd; /* virtual time has no power cuts of its own */
    if (!deed(w))
        return EIO;
    if (w->deeds == w->fail_at)
        return EIO;
    w->unsynced = 0;
    return 0;
}

/* ---- the network ---- */

static onramp_time now(void *self)
{
    const struct world *w = self;
    return w->now;
}

static int64_t wall(void *self)
{
    struct world *w = self;
    if (w->setup.wall_wild)
        return (int64_t)(onramp_rng_next(&w->rng) >> (onramp_rng_next(&w->rng) % 63)) *
               (onramp_rng_next(&w->rng) % 2 ? 1 : -1);
    return w->setup.tenant.epoch + w->setup.wall_skew + (w->now - START) / ONRAMP_MILLISECOND;
}

static size_t free_slot(struct world *w)
{
    for (size_t i = 0; i < WORLD_FLIGHTS; i++)
        if (w->flights[i].state == FLIGHT_FREE)
            return i;
    fprintf(stderr, "world: more requests on the wire than it can hold\n");
    abort();
}

static enum world_fault draw_fault(struct world *w)
{
    for (size_t i = 0; i < WORLD_PLAN; i++)
        if (w->setup.plan[i].request == w->requests)
            return w->setup.plan[i].fault;
    uint64_t draw = onramp_rng_below(&w->rng, 1000000);
    for (int fault = WORLD_FINE + 1; fault < WORLD_FAULTS; fault++) {
        if (draw < w->setup.network.chance[fault])
            return (enum world_fault)fault;
        draw -= w->setup.network.chance[fault];
    }
    return WORLD_FINE;
}

static void fill(struct flight *f, const struct onramp_request *request)
{
    f->method = copy(request->method);
    f->path = copy(request->path);
    f->content_type = copy(request->content_type);
    f->correlation_id = copy(request->correlation_id);
    if (request->body != NULL) {
        f->body = malloc(request->body_size + 1);
        memcpy(f->body, request->body, request->body_size);
        f->body[request->body_size] = '\0';
        f->body_size = request->body_size;
    }
    if (request->bearer != NULL) {
        f->authorization = malloc(request->bearer->size + 8);
        sprintf(f->authorization, "Bearer %s", request->bearer->text);
    }
}

/* The same request once more, for nobody to hear of. */
static void arrive_again(struct world *w, const struct onramp_request *request, onramp_time at)
{
    size_t slot = free_slot(w);
    struct flight *f = &w->flights[slot];
    *f = (struct flight){.state = FLIGHT_OUT, .abandoned = true};
    fill(f, request);
    schedule(w, slot, ARRIVES, at);
}

static void note_create(struct world *w, const struct onramp_request *request)
{
    json_t *body = json_loadb(request->body, request->body_size, 0, NULL);
    const char *key = key_of(body);
    w->resent += key != NULL && json_object_get(w->settled, key) != NULL;
    json_decref(body);
    w->creates_sent++;
    w->sent_unsynced |= w->unsynced > 0;
}

static enum onramp_status send_request(void *self, uint32_t id, const struct onramp_request *request,
                                       struct onramp_error *err)
{
    struct world *w = self;
    if (!deed(w))
        return onramp_fail(err, ONRAMP_EIO, "the process is dead");
    if (strcmp(request->method, "POST") == 0 && strcmp(request->path, "/api/v2/users") == 0)
        note_create(w, request);
    w->requests++;
    if (++w->in_flight > w->most_in_flight)
        w->most_in_flight = w->in_flight;

    size_t slot = free_slot(w);
    struct flight *f = &w->flights[slot];
    *f = (struct flight){.state = FLIGHT_OUT, .id = id, .sent_at = w->now, .due_at = w->now + request->timeout};
    fill(f, request);
    f->fault = draw_fault(w);
    onramp_span way = w->way + between(w, 0, w->way / 5), stall = between(w, 0, w->setup.network.stall_max);
    if (f->fault == WORLD_REFUSED || f->fault == WORLD_RESET || f->fault == WORLD_RESET_BEHIND) {
        f->delivery = f->fault == WORLD_REFUSED ? ONRAMP_UNSENT : ONRAMP_LOST;
        f->problem = f->fault == WORLD_REFUSED ? "connection refused" : "connection reset by peer";
        f->state = FLIGHT_BACK;
        schedule(w, slot, RETURNS, w->now + way);
        if (f->fault == WORLD_RESET_BEHIND)
            arrive_again(w, request, w->now + way + stall);
        return ONRAMP_OK;
    }
    schedule(w, slot, EXPIRES, f->due_at);
    if (f->fault == WORLD_TWICE)
        arrive_again(w, request, w->now + way / 2);
    else if (f->fault == WORLD_TWICE_LATE)
        arrive_again(w, request, w->now + way + stall);
    else if (f->fault == WORLD_LATE)
        way += stall;
    if (f->fault != WORLD_LOST)
        schedule(w, slot, ARRIVES, w->now + way);
    return ONRAMP_OK;
}

/* An answer that is not the tenant's own. */
static void answer_with(struct onramp_tenant_response *out, int status, bool from_api, const char *code,
                        const char *message)
{
    free(out->body);
    *out = (struct onramp_tenant_response){.status = status, .header_count = 1};
    char body[300];
    int size = from_api ? snprintf(body, sizeof body,
                                   "{\"statusCode\":%d,\"error\":\"%s\",\"message\":\"%s\",\"errorCode\":\"%s\"}",
                                   status, message, message, code)
                        : snprintf(body, sizeof body, "<html><title>%d %s</title></html>", status, message);
    out->body = strdup(body);
    out->body_size = (size_t)size;
    strcpy(out->headers[0][0], "content-type");
    strcpy(out->headers[0][1], from_api ? "application/json; charset=utf-8" : "text/html");
}

/* Turned away before the tenant acts on it? */
static bool turned_away(struct flight *f)
{
    switch (f->fault) {
    case WORLD_UNAVAILABLE:
        answer_with(&f->response, 503, false, "", "Service Temporarily Unavailable");
        return true;
    case WORLD_PAGE:
        answer_with(&f->response, 200, false, "", "Please log in");
        return true;
    case WORLD_ERROR:
        answer_with(&f->response, 500, true, "internal_error", "An internal server error occurred");
        return true;
    case WORLD_THROTTLED:
        answer_with(&f->response, 429, true, "too_many_requests", "Global limit has been reached");
        return true;
    case WORLD_EDGE:
        answer_with(&f->response, 429, false, "", "Too Many Requests");
        return true;
    case WORLD_EXPIRED:
        answer_with(&f->response, 401, true, "", "Expired token received for JSON Web Token validation");
        return true;
    default:
        return false;
    }
}

/* A connection that gives ids of its own does not see the one that was sent. */
static void drop_id(struct flight *f)
{
    json_t *body = json_loadb(f->body, f->body_size, 0, NULL);
    if (body == NULL)
        return;
    (void)json_object_del(body, "user_id");
    free(f->body);
    f->body = json_dumps(body, JSON_COMPACT);
    f->body_size = strlen(f->body);
    json_decref(body);
}

static void act(struct world *w, struct flight *f)
{
    if (w->setup.replaces_ids && f->body != NULL)
        drop_id(f);
    struct onramp_tenant_request request = {.method = f->method,
                                            .path = f->path,
                                            .authorization = f->authorization,
                                            .content_type = f->content_type,
                                            .correlation_id = f->correlation_id,
                                            .host = HOST,
                                            .body = f->body,
                                            .body_size = f->body_size};
    if (w->watch != NULL)
        w->watch(w->watch_context, &request);
    onramp_tenant_handle(w->tenant, &request, w->now, &f->response);
    const char *password = f->body != NULL ? strstr(f->body, "\"password\":\"") : NULL;
    if (w->setup.parrots && password != NULL) {
        char message[200];
        (void)snprintf(message, sizeof message, "not a good one: %.32s", password + strlen("\"password\":\""));
        answer_with(&f->response, 400, true, "invalid_body", message);
    } else if (w->setup.all_parrots) {
        static const char key[] = "\"client_secret\":\"";
        const char *secret = f->body != NULL ? strstr(f->body, key) : NULL;
        char message[120];
        (void)snprintf(message, sizeof message, "not for %.*s", secret != NULL ? 12 : 90,
                       secret != NULL ? secret + strlen(key) : f->authorization);
        answer_with(&f->response, 403, true, "access_denied", message);
    } else if (w->setup.parrots && f->authorization != NULL && strcmp(f->method, "POST") == 0) {
        char message[120];
        (void)snprintf(message, sizeof message, "not for %.90s", f->authorization);
        answer_with(&f->response, 400, true, "invalid_body", message);
    }
    if (f->fault == WORLD_BAD_GATEWAY)
        answer_with(&f->response, 502, false, "", "Bad Gateway");
}

static void arrives(struct world *w, size_t slot)
{
    struct flight *f = &w->flights[slot];
    if (!turned_away(f))
        act(w, f);
    onramp_span way = f->response.delay + w->way + between(w, 0, w->way / 5);
    if (f->fault == WORLD_ANSWER_LATE)
        way += between(w, 0, w->setup.network.stall_max);
    f->torn = f->response.end == ONRAMP_TENANT_CUT || f->fault == WORLD_TORN;
    if (f->abandoned) {
        clear_flight(f);
        return;
    }
    f->state = FLIGHT_BACK;
    if (f->response.end == ONRAMP_TENANT_HANG || f->fault == WORLD_MUTE)
        return; /* nothing comes: the timeout will tell */
    if (f->response.end == ONRAMP_TENANT_CLOSE || f->fault == WORLD_ANSWER_RESET) {
        f->delivery = ONRAMP_LOST;
        f->problem = "connection closed";
    }
    schedule(w, slot, RETURNS, w->now + way);
}

static void lands(struct world *w, size_t slot)
{
    struct flight *f = &w->flights[slot];
    if (f->abandoned) {
        clear_flight(f);
        return;
    }
    f->state = FLIGHT_LANDED;
    onramp_heap_remove(&w->events, (uint32_t)(slot * EVENTS + EXPIRES));
    onramp_heap_push(&w->landed, w->now, (uint32_t)slot);
}

/* The client gives up; the request itself may still be on its way to the tenant. */
static void expires(struct world *w, size_t slot)
{
    struct flight *f = &w->flights[slot];
    if (f->abandoned) {
        if (f->state == FLIGHT_BACK)
            clear_flight(f);
        return;
    }
    size_t ghost_slot = free_slot(w);
    if (f->state == FLIGHT_OUT) { /* a ghost carries on with what the client has forgotten */
        struct flight *ghost = &w->flights[ghost_slot];
        *ghost = *f;
        ghost->abandoned = true;
        *f = (struct flight){.id = f->id, .sent_at = f->sent_at};
        onramp_time at = w->now + 1;
        for (size_t i = 0; i < w->events.size; i++)
            if (w->events.items[i].id == slot * EVENTS + ARRIVES)
                at = w->events.items[i].key;
        onramp_heap_remove(&w->events, (uint32_t)(slot * EVENTS + ARRIVES));
        if (at > w->now + 1)
            schedule(w, ghost_slot, ARRIVES, at);
        else
            clear_flight(ghost);
    }
    onramp_heap_remove(&w->events, (uint32_t)(slot * EVENTS + RETURNS));
    f->delivery = ONRAMP_LOST;
    f->problem = "timed out";
    f->state = FLIGHT_LANDED;
    onramp_heap_push(&w->landed, w->now, (uint32_t)slot);
}

static void happen(struct world *w)
{
    struct onramp_heap_item item = onramp_heap_pop(&w->events);
    if (item.key > w->now)
        w->now = item.key;
    size_t slot = item.id / EVENTS;
    switch ((enum event)(item.id % EVENTS)) {
    case ARRIVES:
        arrives(w, slot);
        break;
    case RETURNS:
        lands(w, slot);
        break;
    case EXPIRES:
        expires(w, slot);
        break;
    case EVENTS:
        break;
    }
}

/* The process stands still; the world goes on, and what arrives for it waits. */
static void sleep_through(struct world *w)
{
    onramp_time wakes_at = w->suspend_at + w->suspend_for;
    while (w->events.size > 0 && w->events.items[0].key <= wakes_at)
        happen(w);
    if (wakes_at > w->now)
        w->now = wakes_at;
    w->suspend_for = 0;
}

static enum onramp_status wait_until(void *self, onramp_time until, struct onramp_error *err)
{
    struct world *w = self;
    if (w->dead)
        return onramp_fail(err, ONRAMP_EIO, "the process is dead");
    while (w->landed.size == 0) {
        onramp_time next = w->events.size > 0 && w->events.items[0].key < until ? w->events.items[0].key : until;
        if (w->suspend_for > 0 && next >= w->suspend_at) {
            sleep_through(w);
            return ONRAMP_OK;
        }
        if (w->events.size == 0 || w->events.items[0].key > until) {
            if (until == ONRAMP_NEVER) {
                fprintf(stderr, "world: the client waits for something that will never happen\n");
                abort();
            }
            if (until > w->now)
                w->now = until;
            return ONRAMP_OK;
        }
        happen(w);
    }
    return ONRAMP_OK;
}

static void put_field(char *field, size_t room, const char *value)
{
    if (strlen(value) < room)
        strcpy(field, value);
}

static void put_headers(struct onramp_fields *fields, const struct onramp_tenant_response *response)
{
    for (size_t i = 0; i < response->header_count; i++) {
        const char *name = response->headers[i][0], *value = response->headers[i][1];
        if (strcmp(name, "x-ratelimit-limit") == 0)
            put_field(fields->limit, sizeof fields->limit, value);
        else if (strcmp(name, "x-ratelimit-remaining") == 0)
            put_field(fields->remaining, sizeof fields->remaining, value);
        else if (strcmp(name, "x-ratelimit-reset") == 0)
            put_field(fields->reset, sizeof fields->reset, value);
        else if (strcmp(name, "retry-after") == 0)
            put_field(fields->retry_after, sizeof fields->retry_after, value);
        else if (strcmp(name, "date") == 0)
            put_field(fields->date, sizeof fields->date, value);
        else if (strcmp(name, "content-type") == 0)
            put_field(fields->content_type, sizeof fields->content_type, value);
    }
}

static bool take(void *self, struct onramp_answer *out)
{
    struct world *w = self;
    free(w->handed_out);
    w->handed_out = NULL;
    if (w->landed.size == 0 || w->dead)
        return false;
    size_t slot = onramp_heap_pop(&w->landed).id;
    struct flight *f = &w->flights[slot];
    *out = (struct onramp_answer){
        .id = f->id, .delivery = f->delivery, .sent_at = f->sent_at, .received_at = w->now, .body = ""};
    if (f->delivery == ONRAMP_ANSWERED) {
        out->status = f->response.status;
        put_headers(&out->fields, &f->response);
        w->handed_out = f->response.body;
        f->response.body = NULL;
        out->body_size = f->response.body_size;
        out->truncated = f->torn;
        if (f->torn && w->handed_out != NULL)
            w->handed_out[out->body_size /= 2] = '\0';
        out->body = w->handed_out != NULL ? w->handed_out : "";
    } else {
        put_field(out->problem, sizeof out->problem, f->problem);
    }
    w->in_flight--;
    clear_flight(f);
    return true;
}

static void close_transport(void *self)
{
    (void)self;
}

/* ---- randomness ---- */

/* A system call for each character of each password is most of such a test's time; and from a seed, it replays. */
static struct onramp_rng passwords;

static const char *seeded_name(void)
{
    return "seeded, for simulations";
}

static uint32_t seeded_random(void)
{
    return (uint32_t)(onramp_rng_next(&passwords) >> 32);
}

static void seeded_buf(void *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        ((unsigned char *)bytes)[i] = (unsigned char)(onramp_rng_next(&passwords) >> 56);
}

static void seed_passwords(uint64_t seed)
{
    static struct randombytes_implementation seeded = {
        .implementation_name = seeded_name, .random = seeded_random, .buf = seeded_buf};
    onramp_rng_init(&passwords, seed);
    if (randombytes_set_implementation(&seeded) != 0)
        abort();
}

/* ---- the world ---- */

void world_init(struct world *w, const struct world_setup *setup)
{
    static const struct onramp_transport_ops ops = {
        .now = now, .wall = wall, .send = send_request, .wait = wait_until, .take = take, .close = close_transport};
    memset(w, 0, sizeof *w);
    w->setup = *setup;
    w->now = START;
    onramp_rng_init(&w->rng, setup->seed);
    seed_passwords(setup->seed);
    w->transport = (struct onramp_transport){.ops = &ops, .self = w};
    w->disk = (struct onramp_disk){.self = w, .append = append, .sync = sync_file};
    double low = (double)setup->network.way_min, high = (double)setup->network.way_max;
    w->way = (onramp_span)(high > low ? low * pow(high / low, onramp_rng_unit(&w->rng)) : low);
    w->theirs = json_object();
    w->settled = json_object();
    struct onramp_error err;
    if (!onramp_heap_init(&w->events, (size_t)WORLD_FLIGHTS * EVENTS) || !onramp_heap_init(&w->landed, WORLD_FLIGHTS) ||
        onramp_tenant_new(&w->tenant, &setup->tenant, START, &err) != ONRAMP_OK)
        abort();
}

void world_clear(struct world *w)
{
    for (size_t i = 0; i < WORLD_FLIGHTS; i++)
        clear_flight(&w->flights[i]);
    free(w->handed_out);
    onramp_heap_clear(&w->events);
    onramp_heap_clear(&w->landed);
    json_decref(w->theirs);
    json_decref(w->settled);
    onramp_tenant_free(w->tenant);
}

void world_reboot(struct world *w)
{
    for (size_t i = 0; i < WORLD_FLIGHTS; i++) {
        struct flight *f = &w->flights[i];
        if (f->state == FLIGHT_FREE)
            continue;
        if (f->state == FLIGHT_OUT) {
            f->abandoned = true; /* may still arrive */
            onramp_heap_remove(&w->events, (uint32_t)(i * EVENTS + EXPIRES));
            bool arriving = false;
            for (size_t e = 0; e < w->events.size; e++)
                arriving |= w->events.items[e].id == i * EVENTS + ARRIVES;
            if (arriving)
                continue;
        }
        for (int e = 0; e < EVENTS; e++)
            onramp_heap_remove(&w->events, (uint32_t)(i * EVENTS + (size_t)e));
        clear_flight(f);
    }
    onramp_heap_clear(&w->landed);
    if (!onramp_heap_init(&w->landed, WORLD_FLIGHTS))
        abort();
    w->in_flight = 0;
    w->unsynced = 0;
    w->deeds = 0;
    w->die_after = w->fail_at = 0;
    w->dead = false;
    w->now += 5 * ONRAMP_SECOND;
}

void world_make_bad(struct world *w)
{
    struct world_network *net = &w->setup.network;
    for (int fault = WORLD_FINE + 1; fault < WORLD_FAULTS; fault++)
        net->chance[fault] = 8000;
    net->chance[WORLD_TWICE] = net->chance[WORLD_TWICE_LATE] = net->chance[WORLD_EXPIRED] = 0;
    net->stall_max = 60 * ONRAMP_SECOND;
}

void world_rival(struct world *w, const char *json)
{
    char *token = onramp_tenant_token(w->tenant, HOST, w->now), authorization[2100];
    (void)snprintf(authorization, sizeof authorization, "Bearer %s", token);
    free(token);
    const struct onramp_tenant_request request = {.method = "POST",
                                                  .path = "/api/v2/users",
                                                  .authorization = authorization,
                                                  .content_type = "application/json",
                                                  .host = HOST,
                                                  .body = json,
                                                  .body_size = strlen(json)};
    struct onramp_tenant_response response;
    onramp_tenant_handle(w->tenant, &request, w->now, &response);
    if (response.status != 201) {
        fprintf(stderr, "world: the rival's create was answered %d: %s\n", response.status, response.body);
        abort();
    }
    json_t *user = json_loads(json, 0, NULL);
    json_object_set_new(w->theirs, key_of(user), json_true());
    json_decref(user);
    free(response.body);
}

void world_settle(struct world *w)
{
    while (w->events.size > 0)
        happen(w);
}

/* ---- records in memory ---- */

static const char *ordinary(uint64_t ordinal)
{
    static char json[200];
    (void)snprintf(json, sizeof json, "{\"email\":\"u%llu@example.com\",\"name\":\"User %llu\"}",
                   (unsigned long long)ordinal, (unsigned long long)ordinal);
    return json;
}

static enum onramp_status source_next(void *self, struct onramp_record *out, bool *end, struct onramp_error *err)
{
    struct world_source *s = self;
    if (++s->reads == s->changes_at)
        return onramp_fail(err, ONRAMP_EINPUT, "'users.json' changed while it was being read");
    *end = s->next >= s->count;
    if (*end)
        return ONRAMP_OK;
    const char *json = s->make(s->next);
    *out = (struct onramp_record){.ordinal = s->next, .line = s->next + 1, .json = json, .size = strlen(json)};
    s->next++;
    return ONRAMP_OK;
}

static enum onramp_status source_rewind(void *self, struct onramp_error *err)
{
    (void)err;
    struct world_source *s = self;
    s->next = 0;
    return ONRAMP_OK;
}

static const char *source_digest(void *self)
{
    const struct world_source *s = self;
    return s->digest;
}

static void source_close(void *self)
{
    (void)self;
}

void world_source_init(struct world_source *s, uint64_t count, const char *(*make)(uint64_t ordinal))
{
    static const struct onramp_source_ops ops = {
        .next = source_next, .rewind = source_rewind, .digest = source_digest, .close = source_close};
    *s = (struct world_source){.count = count,
                               .make = make != NULL ? make : ordinary,
                               .digest = "00000000000000000000000000000000000000000000000000000000000000aa"};
    s->source = (struct onramp_source){.ops = &ops, .self = s};
}

/* ---- an upload into it ---- */

void world_upload_settings(struct world *w, struct onramp_upload_settings *settings, uint64_t seed)
{
    char *text = onramp_tenant_token(w->tenant, HOST, w->now);
    struct onramp_secret *token = NULL;
    if (text == NULL || onramp_secret_copy(&token, text, strlen(text), NULL) != ONRAMP_OK)
        abort();
    free(text);
    *settings = (struct onramp_upload_settings){
        .target = {.domain = HOST,
                   .connection = "Username-Password-Authentication",
                   .access = {.token = token},
                   .pacing = {.concurrency = 16, .reserve_percent = 20},
                   .timeout = 30 * ONRAMP_SECOND,
                   .max_attempts = 5,
                   .give_up_after = 600 * ONRAMP_SECOND,
                   .seed = seed},
        .input_path = "users.json",
        .settings_json = "{}",
        .max_users = 1000,
        .password_length = 32,
    };
}

void world_upload_clear(struct onramp_upload_settings *settings)
{
    onramp_secret_free((struct onramp_secret *)settings->target.access.token);
    settings->target.access.token = NULL;
}

static bool collect(void *users, const char *json)
{
    json_t *user = json_loads(json, 0, NULL);
    const char *key = key_of(user);
    json_t *same = json_object_get(users, key);
    if (same == NULL)
        json_object_set_new(users, key, same = json_array());
    json_array_append_new(same, user);
    return true;
}

/* What is wrong with what the ledger says of a record, given the users that have its identity; NULL: nothing. */
static const char *wrong_about(const struct onramp_ledger_entry *entry, const json_t *users, bool theirs)
{
    size_t there = json_array_size(users);
    const char *user_id = json_string_value(json_object_get(json_array_get(users, 0), "user_id"));
    if (there > 1)
        return "the tenant has it more than once";
    if (entry == NULL || !entry->has_outcome || entry->open)
        return "the ledger says nothing final";
    switch (entry->outcome) {
    case ONRAMP_CREATED:
        if (entry->user_id == NULL || there == 0 || strcmp(entry->user_id, user_id) != 0)
            return "created, but it is not there under that id";
        return theirs ? "created, but by somebody else" : NULL;
    case ONRAMP_EXISTS:
        return there == 0 ? "exists, but it is not there" : theirs ? NULL : "exists, but we have created it";
    case ONRAMP_UNKNOWN:
        return NULL;
    case ONRAMP_REJECTED:
    case ONRAMP_INVALID:
    case ONRAMP_DUPLICATE:
    case ONRAMP_FAILED:
    case ONRAMP_OUTCOMES:
        break;
    }
    return there > 0 && !theirs ? "it is there, and we have created it" : NULL;
}

/* Before its end a run has said nothing of some, or that they failed; a belated request may still make them. */
static bool is_settled(const struct onramp_ledger_entry *entry)
{
    return entry != NULL && entry->has_outcome && !entry->open &&
           (entry->outcome == ONRAMP_CREATED || entry->outcome == ONRAMP_EXISTS);
}

static unsigned disagreements(struct world *w, struct world_source *source, const char *ledger_path, bool only_settled,
                              unsigned *unknown)
{
    struct onramp_ledger *ledger = NULL;
    struct onramp_error err;
    if (onramp_ledger_read(&ledger, ledger_path, &err) != ONRAMP_OK) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    json_t *users = json_object();
    onramp_tenant_each(w->tenant, collect, users);
    unsigned wrong = 0, doubts = 0;
    for (uint64_t i = 0; i < source->count; i++) {
        json_t *record = json_loads(source->make(i), 0, NULL);
        struct onramp_identity who = {.email = json_string_value(json_object_get(record, "email")),
                                      .username = json_string_value(json_object_get(record, "username")),
                                      .phone_number = json_string_value(json_object_get(record, "phone_number"))};
        const struct onramp_ledger_entry *entry = onramp_ledger_find(ledger, &who);
        const char *key = key_of(record);
        const char *what = wrong_about(entry, json_object_get(users, key), json_object_get(w->theirs, key) != NULL);
        doubts += entry != NULL && entry->has_outcome && entry->outcome == ONRAMP_UNKNOWN;
        if (only_settled && !is_settled(entry))
            what = NULL;
        if (what != NULL)
            fprintf(stderr, "%s: %s\n", key, what);
        wrong += what != NULL;
        json_decref(record);
    }
    json_decref(users);
    onramp_ledger_close(ledger);
    if (unknown != NULL)
        *unknown = doubts;
    return wrong;
}

unsigned world_disagreements(struct world *w, struct world_source *source, const char *ledger_path, unsigned *unknown)
{
    return disagreements(w, source, ledger_path, false, unknown);
}

unsigned world_false_claims(struct world *w, struct world_source *source, const char *ledger_path)
{
    return disagreements(w, source, ledger_path, true, NULL);
}

struct onramp_ledger *world_ledger(struct world *w, const char *path)
{
    struct onramp_ledger *ledger = NULL;
    struct onramp_error err = {0};
    enum onramp_status st = onramp_ledger_open(&ledger, path, &w->disk, &err);
    if (st != ONRAMP_OK && !w->dead && w->fail_at == 0)
        fail_msg("%s", err.text);
    return ledger;
}

static void tell(void *context, enum onramp_level level, const char *line)
{
    const struct world *w = context;
    print_message("%10.3f %d %s\n", (double)(w->now % (10000 * ONRAMP_SECOND)) / (double)ONRAMP_SECOND, (int)level,
                  line);
}

bool world_trace(struct onramp_observer *observer)
{
    if (getenv("ONRAMP_TRACE") == NULL)
        return false;
    observer->log = tell;
    observer->debug = true;
    return true;
}

struct seeds seeds(uint64_t usual)
{
    const char *one = getenv("ONRAMP_SEED"), *many = getenv("ONRAMP_SEEDS");
    if (one != NULL) {
        uint64_t seed = strtoull(one, NULL, 10);
        return (struct seeds){seed, seed};
    }
    return (struct seeds){1, many != NULL ? strtoull(many, NULL, 10) : usual};
}
