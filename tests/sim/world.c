/*
 * world.c - events in order, faults by chance.
 */
#define _POSIX_C_SOURCE 200809L
#include "sim/world.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum event { ARRIVES, RETURNS, EXPIRES, EVENTS };

#define START (1000 * ONRAMP_SECOND)
#define HOST  "tenant.example"

static bool chance(struct world *w, uint32_t millionths)
{
    return millionths > 0 && onramp_rng_below(&w->rng, 1000000) < millionths;
}

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
    const struct world *w = self;
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

static enum onramp_status send_request(void *self, uint32_t id, const struct onramp_request *request,
                                       struct onramp_error *err)
{
    struct world *w = self;
    if (!deed(w))
        return onramp_fail(err, ONRAMP_EIO, "the process is dead");
    bool create = strcmp(request->method, "POST") == 0 && strcmp(request->path, "/api/v2/users") == 0;
    w->creates_sent += create ? 1 : 0;
    w->sent_unsynced |= create && w->unsynced > 0;

    size_t slot = free_slot(w);
    struct flight *f = &w->flights[slot];
    *f = (struct flight){.state = FLIGHT_OUT, .id = id, .sent_at = w->now, .due_at = w->now + request->timeout};
    fill(f, request);
    const struct world_network *net = &w->setup.network;
    w->in_flight++;
    if (w->in_flight > w->most_in_flight)
        w->most_in_flight = w->in_flight;
    if (chance(w, net->refuse)) {
        f->delivery = ONRAMP_UNSENT;
        f->problem = "connection refused";
        schedule(w, slot, RETURNS, w->now + w->way);
        return ONRAMP_OK;
    }
    schedule(w, slot, EXPIRES, f->due_at);
    onramp_span way = w->way + between(w, 0, w->way / 5);
    if (chance(w, net->stall))
        way += between(w, 0, net->stall_max);
    if (!chance(w, net->lose_request))
        schedule(w, slot, ARRIVES, w->now + way);
    return ONRAMP_OK;
}

static void arrives(struct world *w, size_t slot)
{
    struct flight *f = &w->flights[slot];
    const struct world_network *net = &w->setup.network;
    struct onramp_tenant_request request = {.method = f->method,
                                            .path = f->path,
                                            .authorization = f->authorization,
                                            .content_type = f->content_type,
                                            .correlation_id = f->correlation_id,
                                            .host = HOST,
                                            .body = f->body,
                                            .body_size = f->body_size};
    onramp_tenant_handle(w->tenant, &request, w->now, &f->response);
    onramp_span way = f->response.delay + w->way + between(w, 0, w->way / 5);
    if (chance(w, net->stall))
        way += between(w, 0, net->stall_max);
    f->torn = f->response.end == ONRAMP_TENANT_CUT || chance(w, net->tear);
    if (f->abandoned)
        clear_flight(f);
    else if (f->response.end == ONRAMP_TENANT_HANG || chance(w, net->lose_answer))
        f->state = FLIGHT_BACK; /* nothing comes: the timeout will tell */
    else {
        f->state = FLIGHT_BACK;
        if (f->response.end == ONRAMP_TENANT_CLOSE) {
            f->delivery = ONRAMP_LOST;
            f->problem = "connection closed";
        }
        schedule(w, slot, RETURNS, w->now + way);
    }
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

static enum onramp_status wait_until(void *self, onramp_time until, struct onramp_error *err)
{
    struct world *w = self;
    if (w->dead)
        return onramp_fail(err, ONRAMP_EIO, "the process is dead");
    while (w->landed.size == 0) {
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
    (void)err;
    struct world_source *s = self;
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

unsigned world_disagreements(struct world *w, struct world_source *source, const char *ledger_path)
{
    struct onramp_ledger *ledger = NULL;
    struct onramp_error err;
    if (onramp_ledger_read(&ledger, ledger_path, &err) != ONRAMP_OK) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    unsigned wrong = 0;
    for (uint64_t i = 0; i < source->count; i++) {
        json_t *record = json_loads(source->make(i), 0, NULL);
        const char *email = json_string_value(json_object_get(record, "email"));
        struct onramp_identity who = {.email = email};
        const struct onramp_ledger_entry *entry = onramp_ledger_find(ledger, &who);
        size_t there = onramp_tenant_count(w->tenant, email);
        bool told = entry != NULL && entry->has_outcome && !entry->open;
        bool unknown = told && entry->outcome == ONRAMP_UNKNOWN;
        bool says = told && (entry->outcome == ONRAMP_CREATED || entry->outcome == ONRAMP_EXISTS);
        if (there > 1 || (!unknown && says != (there == 1)) || !told) {
            fprintf(stderr, "%s: ledger says %s, the tenant has %zu\n", email,
                    told ? onramp_outcome_name(entry->outcome) : "nothing", there);
            wrong++;
        }
        json_decref(record);
    }
    onramp_ledger_close(ledger);
    return wrong;
}
