/*
 * world.c - a tenant, a network, rivals and clients, event by event.
 */
#include "lab.h"

#include <assert.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum happening { ARRIVES, ANSWERED, TIMER, RIVAL_CALLS, LIMIT_CHANGES };

struct event {
    onramp_time at;
    uint64_t order; /* of events at one instant, the one planned first */
    enum happening what;
    uint32_t client, id;
};

struct client {
    const struct lab_policy *policy;
    void *memory;
    uint32_t left, sent, taken, created, in_flight; /* taken by the tenant, created once we hear of it */
    onramp_time finished_at;
    bool measured;
};

struct lab {
    const struct lab_scenario *scenario;
    struct lab_options options;
    uint64_t seed, orders;
    onramp_time now, suspended_at, resumed_at;
    double rtt, service, server_unix, wall_offset; /* seconds */
    struct onramp_bucket own, global;
    struct onramp_rng tenant_dice, policy_dice;
    onramp_time punished_until;
    int punishment;
    struct client client[LAB_CLIENTS_MAX];
    uint32_t clients;
    struct lab_request *request;
    uint32_t requests, request_room;
    struct event *event;
    uint32_t events, event_room;
    onramp_time *rival;
    uint32_t rivals, rivals_drawn;
    struct lab_result result;
};

/* ---- numbers ---- */

static double normal(struct onramp_rng *rng)
{
    return sqrt(-2 * log(1 - onramp_rng_unit(rng))) * cos(6.283185307179586 * onramp_rng_unit(rng));
}

static double exponential(struct onramp_rng *rng, double mean)
{
    return -mean * log(1 - onramp_rng_unit(rng));
}

static double log_uniform(struct onramp_rng *rng, double low, double high)
{
    return low * exp(onramp_rng_unit(rng) * log(high / low));
}

static onramp_span ns(double seconds)
{
    return (onramp_span)(seconds * 1e9);
}

static void *grown(void *array, uint32_t *room, size_t each)
{
    *room = *room ? *room * 2 : 1024;
    array = realloc(array, *room * each);
    if (array == NULL)
        abort();
    return array;
}

/* The k-th request of a client meets the same noise under every policy, and for the oracle. */
static void noise(const struct lab *lab, uint32_t client, uint32_t k, struct lab_request *r)
{
    const struct lab_scenario *s = lab->scenario;
    struct onramp_rng rng;
    onramp_rng_init(&rng, lab->seed * 1000003 + client * 7919 + k * UINT64_C(15485863));
    double half = lab->rtt / 2;
    r->up = ns(half * (1 + s->jitter * exp(0.8 * normal(&rng))));
    r->down = ns(half * (1 + s->jitter * exp(0.8 * normal(&rng))));
    r->service = ns(lab->service * exp(s->service_spread * normal(&rng)));
    if (onramp_rng_unit(&rng) < s->stall_chance) {
        onramp_span stall = ns(exponential(&rng, s->stall_mean));
        *(onramp_rng_unit(&rng) < 0.5 ? &r->up : &r->service) += stall;
    }
}

static onramp_span tail(const void *world, uint32_t k)
{
    const struct lab *lab = world;
    struct lab_request r;
    noise(lab, k % lab->clients, k / lab->clients, &r);
    return r.service + r.down;
}

/* ---- events: a binary heap ---- */

static bool before(const struct event *a, const struct event *b)
{
    return a->at < b->at || (a->at == b->at && a->order < b->order);
}

static void plan(struct lab *lab, onramp_time at, enum happening what, uint32_t client, uint32_t id)
{
    if (lab->events == lab->event_room)
        lab->event = grown(lab->event, &lab->event_room, sizeof *lab->event);
    /* A suspended process hears and does nothing until it is resumed. */
    if ((what == ANSWERED || what == TIMER) && at >= lab->suspended_at && at < lab->resumed_at)
        at = lab->resumed_at;
    struct event e = {at > lab->now ? at : lab->now, lab->orders++, what, client, id};
    uint32_t i = lab->events++;
    for (; i > 0 && before(&e, &lab->event[(i - 1) / 2]); i = (i - 1) / 2)
        lab->event[i] = lab->event[(i - 1) / 2];
    lab->event[i] = e;
}

static struct event next_event(struct lab *lab)
{
    struct event first = lab->event[0], last = lab->event[--lab->events];
    uint32_t i = 0;
    for (;;) {
        uint32_t child = 2 * i + 1;
        if (child >= lab->events)
            break;
        if (child + 1 < lab->events && before(&lab->event[child + 1], &lab->event[child]))
            child++;
        if (!before(&lab->event[child], &last))
            break;
        lab->event[i] = lab->event[child];
        i = child;
    }
    lab->event[i] = last;
    return first;
}

/* ---- the tenant ---- */

static int64_t reset_of(const struct lab *lab, struct onramp_bucket *b)
{
    enum lab_reset meaning = lab->scenario->reset;
    uint32_t size = (uint32_t)(b->capacity / (uint64_t)b->rate.per), whole = onramp_bucket_tokens(b, lab->now);
    onramp_time at =
        b->window && meaning != LAB_RESET_FULL ? b->seen_at + b->rate.per : onramp_bucket_when(b, size, lab->now);
    if (meaning == LAB_RESET_NEXT)
        at = onramp_bucket_when(b, whole < size ? whole + 1 : size, lab->now);
    double from_now = (double)(at - lab->now) / 1e9, unix_time = lab->server_unix + (double)at / 1e9;
    switch (meaning) {
    case LAB_RESET_ZERO:
        return 0;
    case LAB_RESET_DELTA:
        return (int64_t)ceil(from_now);
    case LAB_RESET_MILLIS:
        return (int64_t)ceil(unix_time * 1000);
    default:
        return (int64_t)ceil(unix_time);
    }
}

static void show(struct lab *lab, struct lab_request *r, struct onramp_bucket *b)
{
    if (lab->scenario->shown == LAB_SHOWN_NONE)
        return;
    r->signal.has_limit = r->signal.has_reset = true;
    r->signal.limit = (uint32_t)(b->capacity / (uint64_t)b->rate.per);
    r->signal.remaining = onramp_bucket_tokens(b, lab->now);
    r->signal.reset = reset_of(lab, b);
}

static void refuse(struct lab *lab, struct lab_request *r, struct onramp_bucket *empty)
{
    r->signal.kind = ONRAMP_SIGNAL_REFUSED;
    r->service = ns(0.005 + 0.01 * onramp_rng_unit(&lab->tenant_dice));
    if (lab->scenario->penalty) {
        lab->punishment = lab->punishment < 6 ? lab->punishment + 1 : 6;
        onramp_time until = lab->now + (ONRAMP_SECOND / 2 << lab->punishment);
        lab->punished_until = until > lab->punished_until ? until : lab->punished_until;
    }
    show(lab, r, empty);
    if (lab->scenario->retry_after) {
        onramp_time at = onramp_bucket_when(empty, 1, lab->now);
        at = at > lab->punished_until ? at : lab->punished_until;
        r->signal.has_retry_after = true;
        r->signal.retry_after = (at - lab->now + ONRAMP_SECOND - 1) / ONRAMP_SECOND * ONRAMP_SECOND;
    }
}

static void admit(struct lab *lab, struct lab_request *r)
{
    const struct lab_scenario *s = lab->scenario;
    if (onramp_rng_unit(&lab->tenant_dice) < s->edge_chance) {
        r->signal = (struct onramp_signal){.kind = ONRAMP_SIGNAL_REFUSED, .edge = true};
        r->service = 5 * ONRAMP_MILLISECOND;
        return;
    }
    struct onramp_bucket *empty = s->penalty && lab->now < lab->punished_until ? &lab->own : NULL;
    if (empty == NULL && s->global.size > 0 && onramp_bucket_tokens(&lab->global, lab->now) == 0)
        empty = &lab->global;
    if (empty == NULL && onramp_bucket_tokens(&lab->own, lab->now) == 0)
        empty = &lab->own; /* the one in front has been charged: as Auth0 orders them */
    if (s->global.size > 0 && empty != &lab->global)
        (void)onramp_bucket_take(&lab->global, lab->now);
    if (empty != NULL) {
        refuse(lab, r, empty);
        return;
    }
    (void)onramp_bucket_take(&lab->own, lab->now);
    lab->client[r->client].taken++;
    lab->punishment = 0;
    r->created = true;
    r->signal.kind = ONRAMP_SIGNAL_TAKEN;
    double own = onramp_bucket_level(&lab->own, lab->now);
    if (own < lab->result.least_remaining)
        lab->result.least_remaining = (uint32_t)own;
    bool tighter =
        s->global.size > 0 && onramp_bucket_level(&lab->global, lab->now) / s->global.size < own / s->own.size;
    bool global = s->shown == LAB_SHOWN_GLOBAL || (s->shown == LAB_SHOWN_TIGHTER && tighter);
    if (s->rejected > 0 && onramp_rng_unit(&lab->tenant_dice) < s->rejected)
        r->signal.kind = ONRAMP_SIGNAL_BARE;
    else
        show(lab, r, global ? &lab->global : &lab->own);
}

static void arrives(struct lab *lab, uint32_t id)
{
    struct lab_request *r = &lab->request[id];
    admit(lab, r);
    onramp_time answered_at = lab->now + r->service + r->down;
    r->signal.has_date = !lab->scenario->no_date;
    r->signal.date = (int64_t)floor(lab->server_unix + (double)(lab->now + r->service) / 1e9);
    if (lab->options.series)
        fprintf(lab->options.series, "%.4f,%s,%.3f\n", lab_seconds(lab), r->created ? "created" : "refused",
                onramp_bucket_level(&lab->own, lab->now));
    if (lab->options.trace)
        fprintf(lab->options.trace, "%9.3f           %s, %.2f left\n", lab_seconds(lab),
                r->created       ? "taken"
                : r->signal.edge ? "REFUSED by an edge"
                                 : "REFUSED",
                onramp_bucket_level(&lab->own, lab->now));
    plan(lab, answered_at, ANSWERED, r->client, id);
}

static void answered(struct lab *lab, uint32_t id)
{
    struct lab_request r = lab->request[id];
    struct client *c = &lab->client[r.client];
    c->in_flight--;
    if (r.created)
        c->created++;
    else if (c->measured)
        lab->result.refused++;
    if (!r.created)
        c->left++;
    if (c->created == lab->scenario->users && c->measured)
        c->finished_at = lab->now;
    c->policy->answered(lab, r.client, &r);
}

static void rival_calls(struct lab *lab, uint32_t i)
{
    struct onramp_bucket *b = lab->scenario->rivals_global ? &lab->global : &lab->own;
    lab->result.rivals++;
    bool drew = onramp_bucket_take(b, lab->now);
    lab->rivals_drawn += drew;
    lab->result.rivals_refused += !drew;
    if (lab->options.trace)
        fprintf(lab->options.trace, "%9.3f           a rival calls%s\n", lab_seconds(lab),
                drew ? "" : ", and is refused");
    if (i + 1 < lab->rivals)
        plan(lab, lab->rival[i + 1], RIVAL_CALLS, 0, i + 1);
}

/* ---- what policies may do ---- */

onramp_time lab_now(const struct lab *lab)
{
    return lab->now;
}

double lab_seconds(const struct lab *lab)
{
    return (double)lab->now / 1e9;
}

double lab_wall(const struct lab *lab)
{
    return lab->server_unix + (double)lab->now / 1e9 + lab->wall_offset;
}

double lab_dice(struct lab *lab)
{
    return onramp_rng_unit(&lab->policy_dice);
}

uint32_t lab_left(const struct lab *lab, uint32_t client)
{
    return lab->client[client].left;
}

uint32_t lab_in_flight(const struct lab *lab, uint32_t client)
{
    return lab->client[client].in_flight;
}

bool lab_finished(const struct lab *lab, uint32_t client)
{
    return lab->client[client].created >= lab->scenario->users;
}

uint64_t lab_drawn(const struct lab *lab, uint32_t client)
{
    bool apart = lab->scenario->rivals_global && lab->scenario->shown == LAB_SHOWN_OWN;
    uint64_t drawn = apart ? 0 : lab->rivals_drawn;
    for (uint32_t i = 0; i < lab->clients; i++)
        drawn += i == client ? 0 : lab->client[i].taken;
    return drawn;
}

void lab_others(struct lab *lab, uint32_t client, uint64_t tokens)
{
    if (tokens > lab_drawn(lab, client))
        lab_broken(lab, "others drew %llu tokens, not %llu or more", (unsigned long long)lab_drawn(lab, client),
                   (unsigned long long)tokens);
    lab->result.drawn += lab_drawn(lab, client);
    lab->result.others += tokens;
}

FILE *lab_trace(const struct lab *lab)
{
    return lab->options.trace;
}

const struct lab_options *lab_options(const struct lab *lab)
{
    return &lab->options;
}

const struct lab_scenario *lab_scenario(const struct lab *lab)
{
    return lab->scenario;
}

void *lab_memory(struct lab *lab, uint32_t client, size_t size)
{
    struct client *c = &lab->client[client];
    if (c->memory == NULL)
        c->memory = calloc(1, size);
    if (c->memory == NULL)
        abort();
    return c->memory;
}

void lab_send(struct lab *lab, uint32_t client, uint32_t mark)
{
    struct client *c = &lab->client[client];
    assert(c->left > 0);
    if (lab->requests == lab->request_room)
        lab->request = grown(lab->request, &lab->request_room, sizeof *lab->request);
    uint32_t id = lab->requests++;
    struct lab_request *r = &lab->request[id];
    *r = (struct lab_request){.client = client, .mark = mark, .sent_at = lab->now};
    noise(lab, client, c->sent++, r);
    c->left--;
    c->in_flight++;
    if (c->measured && c->in_flight > lab->result.most_in_flight)
        lab->result.most_in_flight = c->in_flight;
    plan(lab, lab->now + r->up, ARRIVES, client, id);
}

onramp_span lab_way_out(const struct lab *lab, uint32_t client)
{
    struct lab_request r;
    noise(lab, client, lab->client[client].sent, &r);
    return r.up;
}

onramp_span lab_least_back(const struct lab *lab, uint32_t client)
{
    onramp_span least = INT64_MAX;
    for (uint32_t k = 0; k < lab->scenario->users; k++) {
        struct lab_request r;
        noise(lab, client, k, &r);
        least = r.service + r.down < least ? r.service + r.down : least;
    }
    return least;
}

struct onramp_bucket lab_own(const struct lab *lab)
{
    return lab->own;
}

void lab_timer(struct lab *lab, uint32_t client, onramp_time at, uint32_t mark)
{
    plan(lab, at, TIMER, client, mark);
}

void lab_broken(struct lab *lab, const char *format, ...)
{
    if (lab->result.broken)
        return; /* the first one tells most */
    lab->result.broken = true;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(lab->result.why, sizeof lab->result.why, format, args);
    va_end(args);
}

/* ---- a run ---- */

static void plan_rivals(struct lab *lab, struct onramp_rng *rng, double horizon)
{
    const struct lab_scenario *s = lab->scenario;
    const struct lab_limit *limit = s->rivals_global ? &s->global : &s->own;
    double calls = s->rivals * (double)limit->rate.tokens * 1e9 / (double)limit->rate.per; /* a second */
    double batch = s->rival_batch > 1 ? s->rival_batch : 1, at = 0, turns_at = exponential(rng, 10);
    bool on = true;
    uint32_t room = 0;
    while (s->rivals > 0 && at < horizon) {
        at += exponential(rng, batch / (calls * (batch > 1 ? (on ? 2 : 0.02) : 1)));
        for (; batch > 1 && at > turns_at; turns_at += exponential(rng, 10))
            on = !on;
        uint32_t n = batch > 1 ? (uint32_t)ceil(exponential(rng, batch)) : 1;
        for (uint32_t i = 0; i < n; i++) {
            if (lab->rivals == room)
                lab->rival = grown(lab->rival, &room, sizeof *lab->rival);
            lab->rival[lab->rivals++] = ns(at) + i * (ONRAMP_MILLISECOND / 10);
        }
    }
}

/* Seconds that the tenant needs to hand out all tokens when nobody else draws. */
static double alone(const struct lab *lab)
{
    const struct lab_scenario *s = lab->scenario;
    double users = (double)s->users * lab->clients, slowest = 0;
    for (int i = 0; i < 2; i++) {
        const struct lab_limit *l = i ? &s->global : &s->own;
        if (l->size == 0)
            continue;
        double helping = (double)(l->window && l->rate.tokens > l->size ? l->size : l->rate.tokens);
        double content = i ? l->size : (double)lab->own.level / (double)lab->own.rate.per;
        slowest = fmax(slowest, (users - content) / (helping * 1e9 / (double)l->rate.per));
    }
    return slowest;
}

static void set_up(struct lab *lab, const struct lab_policy *policy, struct lab_truth *truth)
{
    const struct lab_scenario *s = lab->scenario;
    struct onramp_rng rng;
    onramp_rng_init(&rng, lab->seed * 7919 + 17);
    onramp_rng_init(&lab->tenant_dice, lab->seed * 104729 + 3);
    onramp_rng_init(&lab->policy_dice, lab->seed * 1299709 + 5);
    lab->rtt = log_uniform(&rng, s->rtt_low, s->rtt_high);
    lab->service = log_uniform(&rng, s->service_low, s->service_high);
    lab->server_unix = 1.7e9 + onramp_rng_unit(&rng) * 1000;
    lab->wall_offset = s->skew * normal(&rng);
    double part = s->start_low + onramp_rng_unit(&rng) * (s->start_high - s->start_low);
    lab_bucket_start(&lab->own, &s->own, part, onramp_rng_unit(&rng));
    if (s->global.size > 0)
        lab_bucket_start(&lab->global, &s->global, 1, onramp_rng_unit(&rng));
    lab->clients = s->onramps == 2 || s->rude ? 2 : 1;
    double all = fmax(alone(lab), 1);
    plan_rivals(lab, &rng, all * 8 + 300);
    onramp_time out = ns(lab->rtt / 2 * (1 + s->jitter));
    lab->suspended_at = s->suspend_for > 0 ? ns(s->suspend_at * all) : ONRAMP_NEVER;
    lab->resumed_at = s->suspend_for > 0 ? lab->suspended_at + ns(s->suspend_for) : 0;
    *truth = (struct lab_truth){.scenario = s,
                                .own = lab->own,
                                .global = lab->global,
                                .out = out,
                                .changed_at = s->change_at > 0 ? out + ns(s->change_at * all) : ONRAMP_NEVER,
                                .suspended_at = lab->suspended_at,
                                .resumed_at = lab->resumed_at,
                                .rivals = lab->rival,
                                .rival_count = lab->rivals,
                                .tail = tail,
                                .world = lab};
    for (uint32_t i = 0; i < lab->clients; i++) {
        bool rude = i == 1 && s->rude;
        lab->client[i] = (struct client){
            .policy = rude ? &lab_workers : policy, .measured = !rude, .left = rude ? 1000000 : s->users};
    }
    lab->result.least_remaining = UINT32_MAX;
}

/* The rivals' calls that are lost because of us: more than without us. What our last takes left may still cost them
 * one when we have long finished, so they call on until these have left no trace. */
static void count_lost(struct lab *lab, const struct lab_truth *truth)
{
    bool global = lab->scenario->rivals_global, changed = false;
    struct onramp_bucket with = global ? lab->global : lab->own, without = global ? truth->global : truth->own;
    uint32_t lost = lab->result.rivals_refused, anyway = 0, i = 0;
    for (; i < lab->rivals && lab->rival[i] <= lab->now; i++) {
        if (!changed && lab->rival[i] >= truth->changed_at) {
            lab_bucket_change(&without, &lab->scenario->changed, truth->changed_at);
            changed = true;
        }
        anyway += !onramp_bucket_take(&without, lab->rival[i]);
    }
    (void)onramp_bucket_level(&with, lab->now); /* refills both to now */
    (void)onramp_bucket_level(&without, lab->now);
    for (; i < lab->rivals && with.level < without.level; i++) {
        lost += !onramp_bucket_take(&with, lab->rival[i]);
        anyway += !onramp_bucket_take(&without, lab->rival[i]);
    }
    lab->result.rivals_refused = lost > anyway ? lost - anyway : 0;
}

static bool all_finished(const struct lab *lab)
{
    for (uint32_t i = 0; i < lab->clients; i++)
        if (lab->client[i].measured && lab->client[i].created < lab->scenario->users)
            return false;
    return true;
}

static void step(struct lab *lab, const struct event *e)
{
    lab->now = e->at;
    switch (e->what) {
    case ARRIVES:
        arrives(lab, e->id);
        break;
    case ANSWERED:
        answered(lab, e->id);
        break;
    case TIMER:
        lab->client[e->client].policy->timer(lab, e->client, e->id);
        break;
    case RIVAL_CALLS:
        rival_calls(lab, e->id);
        break;
    case LIMIT_CHANGES:
        lab_bucket_change(&lab->own, &lab->scenario->changed, lab->now);
        break;
    }
}

struct lab_result lab_run(const struct lab_scenario *scenario, const struct lab_policy *policy, uint64_t seed,
                          const struct lab_options *options)
{
    struct lab lab = {.scenario = scenario, .options = *options, .seed = seed};
    struct lab_truth truth;
    set_up(&lab, policy, &truth);
    lab.result.oracle = lab_oracle(&truth);
    onramp_time give_up_at = ns(lab.result.oracle * 40 + 900);
    if (lab.rivals > 0)
        plan(&lab, lab.rival[0], RIVAL_CALLS, 0, 0);
    if (truth.changed_at != ONRAMP_NEVER)
        plan(&lab, truth.changed_at, LIMIT_CHANGES, 0, 0);
    for (uint32_t i = 0; i < lab.clients; i++)
        lab.client[i].policy->start(&lab, i);

    while (lab.events > 0 && !all_finished(&lab)) {
        struct event e = next_event(&lab);
        if (e.at > give_up_at)
            break;
        step(&lab, &e);
    }

    lab.result.unfinished = !all_finished(&lab);
    for (uint32_t i = 0; i < lab.clients; i++)
        lab.result.finish = fmax(lab.result.finish, (double)lab.client[i].finished_at / 1e9);
    if (lab.result.unfinished)
        lab.result.finish = (double)give_up_at / 1e9;
    count_lost(&lab, &truth);
    for (uint32_t i = 0; i < lab.clients; i++) {
        if (lab.client[i].policy->end != NULL)
            lab.client[i].policy->end(&lab, i);
        free(lab.client[i].memory);
    }
    free(lab.request);
    free(lab.event);
    free(lab.rival);
    return lab.result;
}
