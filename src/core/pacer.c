/*
 * pacer.c - a request leaves only when a token for it is proven to exist.
 */
#include "onramp/pacer.h"

#include "core/bucket.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MICRO       INT64_C(1000000) /* one token, in the unit contents are kept in */
#define FLIGHT_MAX  256
#define BUCKETS_MAX 4
#define ECHOES_MAX  64

struct flight {
    bool used;
    enum onramp_group group;
    onramp_time sent_at;
};

/* An answered request that may have been the latest take from its bucket. */
struct echo {
    onramp_time sent_at, arrived_by;
    uint32_t remaining;
};

struct bucket {
    uint32_t size; /* 0: unused */
    uint64_t taken;
    uint32_t missed; /* answers since it was last shown */
    uint32_t echoes;
    struct echo echo[ECHOES_MAX];
    int64_t proven; /* content plus takes, in whole tokens */
    onramp_time proven_at, quiet_until;
    int64_t rate;        /* microtokens a second: an estimate that only paces */
    int64_t mark;        /* an older value of `proven` … */
    onramp_time mark_at; /* … and when it held; 0 if there is none */
    bool groups[ONRAMP_GROUPS];
};

struct onramp_pacer {
    struct onramp_pacer_settings settings;
    struct onramp_bucket ceiling;
    struct flight flight[FLIGHT_MAX];
    uint32_t in_flight, group_in_flight[ONRAMP_GROUPS];
    bool answered[ONRAMP_GROUPS]; /* the group has had an answer that proves something, or is blind */
    struct bucket bucket[BUCKETS_MAX];
    onramp_time paused_until, next_blind_at, cut_at;
    int64_t blind_rate; /* microtokens a second while no headers are seen */
    bool blind;
    onramp_span least_latency;
    uint64_t sent, throttled;
    bool has_least;
    uint32_t least;
    const char *reason;
    char reason_text[96];
};

static int64_t max(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t min(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

enum onramp_status onramp_pacer_new(struct onramp_pacer **out, const struct onramp_pacer_settings *settings,
                                    onramp_time now, struct onramp_error *err)
{
    if (settings->concurrency < 1 || settings->concurrency > FLIGHT_MAX)
        return onramp_fail(err, ONRAMP_EUSAGE, "concurrency is %" PRIu32 ", not 1..%d", settings->concurrency,
                           FLIGHT_MAX);
    if (settings->reserve_percent > 90)
        return onramp_fail(err, ONRAMP_EUSAGE, "reserve is %" PRIu32 " %%, not 0..90", settings->reserve_percent);
    struct onramp_pacer *pacer = calloc(1, sizeof *pacer);
    if (pacer == NULL)
        return onramp_fail(err, ONRAMP_ENOMEM, "no memory for the pacer");
    pacer->settings = *settings;
    if (settings->ceiling.tokens > 0 &&
        onramp_bucket_init(&pacer->ceiling, settings->ceiling, settings->ceiling_burst ? settings->ceiling_burst : 1,
                           false, now) != ONRAMP_OK) {
        free(pacer);
        return onramp_fail(err, ONRAMP_EUSAGE, "the rate or burst is out of range");
    }
    pacer->least_latency = ONRAMP_NEVER;
    pacer->blind_rate = 2 * MICRO;
    pacer->cut_at = now - ONRAMP_MINUTE;
    pacer->paused_until = now;
    pacer->reason = "nothing asked yet";
    *out = pacer;
    return ONRAMP_OK;
}

void onramp_pacer_free(struct onramp_pacer *pacer)
{
    free(pacer);
}

/* A group that has not shown its bucket counts against all. */
static uint32_t flying(const struct onramp_pacer *p, const struct bucket *b)
{
    uint32_t n = 0;
    for (int g = 0; g < ONRAMP_GROUPS; g++)
        if (b->groups[g] || !p->answered[g])
            n += p->group_in_flight[g];
    return n;
}

static int64_t reserve(const struct onramp_pacer *p, const struct bucket *b)
{
    int64_t percent = ((int64_t)b->size * p->settings.reserve_percent + 99) / 100;
    return min(max(p->settings.reserve_tokens, percent), b->size - 1);
}

static onramp_time bucket_when(const struct onramp_pacer *p, const struct bucket *b, uint64_t left, onramp_time now)
{
    uint32_t fly = flying(p, b);
    int64_t proven = b->proven - (int64_t)b->taken - fly, floor = reserve(p, b);
    onramp_time probe_at = max(b->quiet_until, now + ONRAMP_MILLISECOND);

    if (fly == 0 && now >= b->quiet_until)
        return now; /* quiet and past the announced reset */
    if (proven < 1 + floor)
        return fly > 0 ? ONRAMP_NEVER : probe_at;

    /* A standing reserve of half the bucket, so that a late answer never starves the pipe. */
    int64_t stand = max(floor, min((b->size - 1) / 2, left > 0 ? (int64_t)min((int64_t)left, b->size) - 1 : 0)) * MICRO;
    onramp_span since = min(now - b->proven_at, ONRAMP_MINUTE) / 1000;
    int64_t likely = min(proven * MICRO + MICRO / 2 + b->rate * since / MICRO, b->size * MICRO);
    if (likely - MICRO >= stand)
        return now;
    onramp_time at = now + (stand + MICRO - likely) * 1000 / max(1, b->rate / 1000) * 1000 + 100000;
    return fly > 0 ? at : min(at, probe_at);
}

onramp_time onramp_pacer_when(struct onramp_pacer *p, enum onramp_group group, uint64_t left, onramp_time now)
{
    if (now < p->paused_until) {
        p->reason = "waits: the tenant said 429";
        return p->paused_until;
    }
    if (p->in_flight >= p->settings.concurrency) {
        p->reason = "waits: the limit of concurrent requests is reached";
        return ONRAMP_NEVER;
    }
    if (!p->answered[group] && p->group_in_flight[group] > 0) {
        p->reason = "waits: the first answer of its kind is awaited";
        return ONRAMP_NEVER;
    }
    onramp_time at = now;
    p->reason = "goes";
    if (p->settings.ceiling.tokens > 0)
        at = onramp_bucket_when(&p->ceiling, 1, now);
    if (at > now)
        p->reason = "waits: the ceiling given";
    if (p->blind && at < p->next_blind_at) {
        p->reason = "waits: no limits are shown, so the pace is even";
        at = p->next_blind_at;
    }
    for (int i = 0; i < BUCKETS_MAX; i++) {
        const struct bucket *b = &p->bucket[i];
        if (b->size == 0 || !(b->groups[group] || !p->answered[group]))
            continue;
        onramp_time t = bucket_when(p, b, left, now);
        if (t > at) {
            p->reason = "waits: no token is proven";
            at = t;
        }
    }
    return at;
}

const char *onramp_pacer_reason(const struct onramp_pacer *p)
{
    return p->reason;
}

uint32_t onramp_pacer_sent(struct onramp_pacer *p, enum onramp_group group, onramp_time now)
{
    assert(p->in_flight < p->settings.concurrency);
    uint32_t ticket = 0;
    while (p->flight[ticket].used)
        ticket++;
    p->flight[ticket] = (struct flight){.used = true, .group = group, .sent_at = now};
    p->in_flight++;
    p->group_in_flight[group]++;
    p->sent++;
    if (p->settings.ceiling.tokens > 0)
        (void)onramp_bucket_take(&p->ceiling, now);
    if (p->blind)
        p->next_blind_at =
            max(p->next_blind_at, now - ONRAMP_SECOND / 20) + ONRAMP_SECOND * 1000 / (p->blind_rate / 1000);
    return ticket;
}

static struct bucket *bucket_of(struct onramp_pacer *p, uint32_t size, onramp_time now)
{
    struct bucket *oldest = &p->bucket[0];
    for (int i = 0; i < BUCKETS_MAX; i++) {
        struct bucket *b = &p->bucket[i];
        if (b->size == size)
            return b;
        if (b->size == 0 || (oldest->size != 0 && b->proven_at < oldest->proven_at))
            oldest = b;
    }
    *oldest = (struct bucket){.size = size, .proven_at = now, .quiet_until = now};
    oldest->rate = size < 4 ? size * MICRO : size * MICRO / 3;
    return oldest;
}

/* The latest take among the answered ones is one that none certainly follows; whichever it was, it left the least. */
static void prove(struct bucket *b, struct echo echo)
{
    onramp_time newest = echo.sent_at;
    for (uint32_t i = 0; i < b->echoes; i++)
        newest = max(newest, b->echo[i].sent_at);
    if (b->echoes == ECHOES_MAX) {
        b->echo[1].remaining = (uint32_t)min(b->echo[0].remaining, b->echo[1].remaining);
        b->echo[1].arrived_by = max(b->echo[0].arrived_by, b->echo[1].arrived_by);
        memmove(&b->echo[0], &b->echo[1], (ECHOES_MAX - 1) * sizeof *b->echo);
        b->echoes--;
    }
    b->echo[b->echoes++] = echo;
    uint32_t kept = 0;
    int64_t least = INT64_MAX;
    onramp_time at = 0;
    for (uint32_t i = 0; i < b->echoes; i++) {
        if (b->echo[i].arrived_by < newest)
            continue;
        least = min(least, b->echo[i].remaining);
        at = max(at, b->echo[i].sent_at);
        b->echo[kept++] = b->echo[i];
    }
    b->echoes = kept;
    b->proven = (int64_t)b->taken + least;
    b->proven_at = at;
}

static void measure(struct bucket *b)
{
    if (b->mark_at == 0 || b->proven_at - b->mark_at > 12 * ONRAMP_SECOND) {
        b->mark = b->proven;
        b->mark_at = b->proven_at;
    } else if (b->proven_at - b->mark_at > ONRAMP_SECOND / 3) {
        int64_t slope = max(MICRO / 50, (b->proven - b->mark) * MICRO * 1000 / ((b->proven_at - b->mark_at) / 1000000));
        b->rate += (slope - b->rate) / 8;
    }
}

/* Seconds from the answer to the announced reset, whatever reset means, kept within reason. */
static onramp_span until_reset(const struct onramp_signal *s)
{
    if (!s->has_reset)
        return ONRAMP_SECOND;
    int64_t reset = s->reset > INT64_C(100000000000) ? s->reset / 1000 : s->reset;
    int64_t span = reset < 10000000 ? reset : s->has_date ? reset - s->date : 1;
    return span < 1 || span > 120 ? ONRAMP_SECOND : span * ONRAMP_SECOND;
}

static void refused(struct onramp_pacer *p, const struct flight *f, const struct onramp_signal *s, onramp_time now)
{
    onramp_span wait = max(s->has_retry_after ? s->retry_after : s->has_reset ? until_reset(s) : 0, ONRAMP_SECOND);
    p->throttled++;
    p->paused_until = max(p->paused_until, now + min(wait, 10 * ONRAMP_MINUTE));
    if (s->has_limit && s->limit > 0) {
        struct bucket *b = bucket_of(p, s->limit, now);
        b->proven = min(b->proven, (int64_t)b->taken);
        b->proven_at = now;
        b->quiet_until = p->paused_until;
        b->groups[f->group] = p->answered[f->group] = true;
    } else if (!p->answered[f->group]) {
        p->blind = p->answered[f->group] = true;
    }
    if (p->blind && f->sent_at > p->cut_at) {
        p->blind_rate = max(p->blind_rate * 6 / 10, MICRO / 20);
        p->cut_at = now;
    }
}

static void took(struct onramp_pacer *p, const struct flight *f, const struct onramp_signal *s, onramp_time now)
{
    onramp_span latency = now - f->sent_at;
    p->least_latency = min(p->least_latency, latency);
    struct bucket *b = bucket_of(p, s->limit, now);
    for (int i = 0; i < BUCKETS_MAX; i++) {
        struct bucket *other = &p->bucket[i];
        if (other == b || other->groups[f->group] || !p->answered[f->group])
            other->taken++;
        /* Not shown for a while: the limit was changed, and this bucket is gone. */
        if (other != b && other->groups[f->group] && ++other->missed >= 8)
            other->groups[f->group] = false;
    }
    b->missed = 0;
    p->blind = false;
    b->groups[f->group] = p->answered[f->group] = true;
    onramp_span excess = latency - p->least_latency + p->least_latency / 5 + 3 * ONRAMP_MILLISECOND;
    prove(b, (struct echo){f->sent_at, f->sent_at + excess, s->remaining});
    b->quiet_until = max(b->quiet_until, now + until_reset(s));
    measure(b);
    if (f->group == ONRAMP_GROUP_CREATE && (!p->has_least || s->remaining < p->least)) {
        p->has_least = true;
        p->least = s->remaining;
    }
}

void onramp_pacer_answered(struct onramp_pacer *p, uint32_t ticket, const struct onramp_signal *s, onramp_time now)
{
    assert(ticket < FLIGHT_MAX && p->flight[ticket].used);
    struct flight f = p->flight[ticket];
    p->flight[ticket].used = false;
    p->in_flight--;
    p->group_in_flight[f.group]--;

    if (s->kind == ONRAMP_SIGNAL_REFUSED) {
        refused(p, &f, s, now);
    } else if (s->kind == ONRAMP_SIGNAL_TAKEN && s->has_limit && s->limit > 0) {
        took(p, &f, s, now);
    } else if (s->kind != ONRAMP_SIGNAL_UNSENT) {
        for (int i = 0; i < BUCKETS_MAX; i++)
            if (p->bucket[i].groups[f.group] || !p->answered[f.group])
                p->bucket[i].taken++;
        if (s->kind == ONRAMP_SIGNAL_TAKEN && !p->answered[f.group])
            p->blind = p->answered[f.group] = true;
        if (p->blind)
            p->blind_rate = min(p->blind_rate + p->blind_rate / 30, 1000 * MICRO);
    }
}

void onramp_pacer_view(const struct onramp_pacer *p, onramp_time now, struct onramp_pacer_view *out)
{
    (void)now;
    *out = (struct onramp_pacer_view){.in_flight = p->in_flight,
                                      .has_least = p->has_least,
                                      .least_remaining = p->least,
                                      .sent = p->sent,
                                      .throttled = p->throttled,
                                      .paused_until = p->paused_until};
    for (int i = 0; i < BUCKETS_MAX; i++) {
        const struct bucket *b = &p->bucket[i];
        if (b->size == 0 || !b->groups[ONRAMP_GROUP_CREATE])
            continue;
        out->known = true;
        out->burst = b->size;
        out->per_second = (double)b->rate / MICRO;
        out->level_low = (double)(b->proven - (int64_t)b->taken - flying(p, b));
        out->level_high = b->size;
    }
}
