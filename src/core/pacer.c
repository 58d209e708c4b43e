/*
 * pacer.c - may a request leave now, or when? The pool: what is on the wire, pauses, and what an answer means.
 */
#include "core/pacer_pool.h"

#include "core/pacer_likely.h"
#include "core/pacer_numbers.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

#define TOKEN       ONRAMP_TOKEN
#define FLIGHT_MAX  ONRAMP_FLIGHT_MAX
#define BUCKETS_MAX ONRAMP_BUCKETS_MAX
#define MISSED_MAX  8                   /* answers after which a bucket that is no longer shown is gone */
#define UPGRADE     4                   /* a limit is hardly changed to more than so many times as much */
#define SECONDS_MAX INT64_C(9000000000) /* later instants do not fit */
#define BLIND       (9 * TOKEN)         /* a second, to begin with where nothing is shown */
#define SOONER      2                   /* requests to come, for each token of the standing reserve, … */
#define SOONEST     8                   /* … up to */
#define PAUSE_LEAST ONRAMP_SECOND
#define PAUSE_MOST  (10 * ONRAMP_MINUTE)

/* ---- making one ---- */

enum onramp_status onramp_pacer_new(struct onramp_pacer **out, const struct onramp_pacer_settings *settings,
                                    onramp_time now, struct onramp_error *err)
{
    if (settings->concurrency < 1 || settings->concurrency > FLIGHT_MAX)
        return onramp_fail(err, ONRAMP_EUSAGE, "concurrency is %" PRIu32 ", not 1..%d", settings->concurrency,
                           FLIGHT_MAX);
    if (settings->reserve_percent > 90)
        return onramp_fail(err, ONRAMP_EUSAGE, "reserve is %" PRIu32 " %%, not 0..90", settings->reserve_percent);
    struct onramp_bucket ceiling = {.level = 0};
    if (settings->ceiling.tokens > 0 &&
        onramp_bucket_init(&ceiling, settings->ceiling, settings->ceiling_burst ? settings->ceiling_burst : 1, false,
                           now) != ONRAMP_OK)
        return onramp_fail(err, ONRAMP_EUSAGE, "the ceiling's rate or burst is out of range");

    struct onramp_pacer *pacer = calloc(1, sizeof *pacer);
    struct onramp_decision *last = calloc(1, sizeof *last);
    if (pacer == NULL || last == NULL) {
        free(pacer);
        free(last);
        return onramp_fail(err, ONRAMP_ENOMEM, "no memory for the pacer");
    }
    pacer->settings = *settings;
    pacer->ceiling = ceiling;
    pacer->paused_until = now;
    pacer->rtt.least = ONRAMP_NEVER;
    pacer->last = last;
    *out = pacer;
    return ONRAMP_OK;
}

void onramp_pacer_free(struct onramp_pacer *pacer)
{
    if (pacer == NULL)
        return;
    free(pacer->last);
    free(pacer);
}

/* ---- asking ---- */

/* What is left to others as given, in microtokens. Only whole tokens are of use to them. */
static int64_t reserve(const struct onramp_pacer *p, const struct onramp_belief *b)
{
    int64_t percent = (int64_t)b->size * p->settings.reserve_percent / 100;
    return min(max(p->settings.reserve_tokens, percent), b->size - 1) * TOKEN;
}

static onramp_time later(struct onramp_decision *d, onramp_time at, onramp_time other, enum onramp_why why,
                         const struct onramp_belief *b)
{
    if (other <= at)
        return at;
    d->why = why;
    d->bucket = b;
    return other;
}

/* Requests to come for each token of the standing reserve, so that it is spent by the last: the fewer can be sent
 * beyond what is refilled, the more. Of the most that can, three quarters: some answers take long. */
static int64_t soon_enough(const struct onramp_pacer *p, const struct onramp_belief *b, onramp_time now)
{
    int64_t most = (int64_t)p->settings.concurrency * TOKEN * 750 / max(1, p->rtt.mean / ONRAMP_MILLISECOND);
    int64_t spare = most - onramp_likely_rate(b, now);
    return spare > 0 ? min(max(SOONER, (most + spare - 1) / spare), SOONEST) : SOONEST;
}

static onramp_time bucket_when(struct onramp_pacer *p, struct onramp_belief *b, uint64_t left, onramp_time now)
{
    struct onramp_decision *d = p->last;
    if (b->flying == 0 && now >= b->probe_at)
        return now; /* quiet and past the announced reset: one may go, so nothing can stop for good */
    int64_t given = reserve(p, b);
    /* Who takes from a full bucket only never learns how fast it fills: there the last token of the reserve is kept by
     * estimate. So is the margin for others, who refute whatever is proven. */
    int64_t proven = max(0, min(given, (b->size - 2) * TOKEN));
    int64_t spare = max(given, onramp_likely_margin(b, now));
    onramp_time at = later(d, now, onramp_belief_proven(b, proven, &p->rtt, now), ONRAMP_WHY_PROOF, b);
    /* A standing reserve of half the bucket, so that a late answer never starves the pipe. */
    int64_t stand = max(onramp_likely_stand(b, now), spare);
    /* It falls over the last requests, so that nothing is left over; soon enough for what is refilled until then. Where
     * others draw, it is their protection as well. */
    int64_t each = now < b->shared_until ? 1 : soon_enough(p, b, now);
    stand = max(spare, min(stand, min((int64_t)left - 1, each * (int64_t)b->size) * TOKEN / each));
    at = later(d, at, onramp_likely_when(b, stand, now), ONRAMP_WHY_STAND, b);
    return b->flying > 0 ? at : min(at, min(b->probe_at, onramp_likely_due(b, stand, now)));
}

/* Requests still to be sent that draw from this bucket, up to the one that is asked about. */
static uint64_t left_in(const struct onramp_pacer *p, const struct onramp_belief *b, enum onramp_group group,
                        uint64_t left, const uint64_t *ahead)
{
    if (!p->heard[group])
        return 1;
    for (int g = 0; ahead != NULL && g < ONRAMP_GROUPS; g++)
        left += b->groups[g] ? ahead[g] : 0;
    return left > 0 ? left : 1;
}

/* It is not shown any more: an even pace stands for what the answers once proved. */
static bool is_paced(const struct onramp_pacer *p, const struct onramp_belief *b, enum onramp_group group)
{
    bool stale = onramp_pacer_is_bare(p, group) && b->unproven >= ONRAMP_BARE;
    return p->blind[group].on && (p->blind[group].hidden == b->size || stale);
}

onramp_time onramp_pacer_when_behind(struct onramp_pacer *p, enum onramp_group group, uint64_t left,
                                     const uint64_t ahead[ONRAMP_GROUPS], onramp_time now)
{
    struct onramp_decision *d = p->last;
    *d = (struct onramp_decision){.why = ONRAMP_WHY_GOES, .asked_at = now, .at = now};
    if (now < p->paused_until) {
        d->why = ONRAMP_WHY_PAUSE;
        return d->at = p->paused_until;
    }
    if (p->in_flight >= p->settings.concurrency) {
        d->why = ONRAMP_WHY_CONCURRENCY;
        return d->at = ONRAMP_NEVER;
    }
    if (!p->heard[group] && p->group_in_flight[group] > 0) {
        d->why = ONRAMP_WHY_FIRST;
        return d->at = ONRAMP_NEVER;
    }
    for (int g = 0; g < ONRAMP_GROUPS; g++)
        p->precede[group][g] = ahead != NULL && ahead[g] > 0;
    if (!p->heard[group] && !onramp_pacer_worth_asking(p, group, now))
        d->at = later(d, d->at, now + ONRAMP_SECOND, ONRAMP_WHY_FIRST, NULL); /* or as soon as more is known */
    if (p->settings.ceiling.tokens > 0)
        d->at = later(d, d->at, onramp_bucket_when(&p->ceiling, 1, now), ONRAMP_WHY_CEILING, NULL);
    d->blind = &p->blind[group];
    if (d->blind->on && p->group_in_flight[group] >= onramp_blind_most(d->blind, p->rtt.mean, now)) {
        d->why = ONRAMP_WHY_BLIND;
        return d->at = ONRAMP_NEVER;
    }
    if (d->blind->on)
        d->at = later(d, d->at, d->blind->next_at, ONRAMP_WHY_BLIND, NULL);
    for (int i = 0; i < BUCKETS_MAX; i++) {
        struct onramp_belief *b = &p->bucket[i];
        struct onramp_decision before = *d;
        if (!onramp_pacer_draws(p, group, b) || is_paced(p, b, group))
            continue;
        onramp_time at = bucket_when(p, b, left_in(p, b, group, left, ahead), now);
        if (at > before.at)
            d->at = at;
        else
            *d = before;
    }
    assert(d->at != ONRAMP_NEVER || p->in_flight > 0); /* only an answer can change this: one is awaited */
    return d->at;
}

onramp_time onramp_pacer_when(struct onramp_pacer *p, enum onramp_group group, uint64_t left, onramp_time now)
{
    return onramp_pacer_when_behind(p, group, left, NULL, now);
}

/* ---- sending and hearing ---- */

uint32_t onramp_pacer_sent(struct onramp_pacer *p, enum onramp_group group, onramp_time now)
{
    assert(p->in_flight < p->settings.concurrency);
    uint32_t ticket = 0;
    while (p->flight[ticket].used)
        ticket++;
    p->flight[ticket] = (struct onramp_flight){.used = true, .group = group, .sent_at = now};
    p->in_flight++;
    p->group_in_flight[group]++;
    p->sent++;
    if (p->settings.ceiling.tokens > 0)
        (void)onramp_bucket_take(&p->ceiling, now);
    if (p->blind[group].on)
        onramp_blind_sent(&p->blind[group], now);
    for (int i = 0; i < BUCKETS_MAX; i++)
        if (onramp_pacer_draws(p, group, &p->bucket[i]))
            onramp_belief_sent(&p->bucket[i], ticket, now);
    return ticket;
}

static void time_trip(struct onramp_rtt *rtt, onramp_span latency)
{
    rtt->least = min(rtt->least, latency);
    if (rtt->count++ == 0) {
        rtt->mean = latency;
        rtt->deviation = latency / 4;
        return;
    }
    onramp_span off = latency > rtt->mean ? latency - rtt->mean : rtt->mean - latency;
    int64_t weight = min(rtt->count, 10);
    onramp_span mean = min(latency, rtt->mean + 4 * rtt->deviation);
    rtt->deviation += (min(off, 4 * rtt->deviation + 20 * ONRAMP_MILLISECOND) - rtt->deviation) / weight;
    rtt->mean += (mean - rtt->mean) / weight;
}

/* The server's clock is at least this far ahead of ours: the most that any Date showed. */
static void time_server(struct onramp_pacer *p, const struct onramp_signal *s, onramp_time now)
{
    if (s->has_date && s->date > 0 && s->date < SECONDS_MAX)
        p->ahead = p->dated ? max(p->ahead, s->date * ONRAMP_SECOND - now) : s->date * ONRAMP_SECOND - now;
    p->dated |= s->has_date;
}

/* When the announced reset has passed. Whatever it means, it is only a time to try again. */
static onramp_time reset_at(const struct onramp_pacer *p, const struct onramp_signal *s, onramp_time now,
                            onramp_span otherwise)
{
    int64_t reset = s->reset > INT64_C(100000000000) ? (s->reset + 999) / 1000 : s->reset;
    if (!s->has_reset || reset < 1 || reset >= SECONDS_MAX)
        return now + otherwise;
    if (reset < 10000000)
        return now + (reset <= 120 ? reset * ONRAMP_SECOND : otherwise);
    if (!p->dated)
        return now + otherwise;
    onramp_time at = reset * ONRAMP_SECOND - p->ahead;
    if (at > now + 2 * ONRAMP_MINUTE || at < now - 2 * ONRAMP_MINUTE)
        return now + otherwise;
    return max(at, now + ONRAMP_SECOND / 10);
}

static void unsure(struct onramp_pacer *p, uint32_t ticket, bool sure, onramp_time now)
{
    enum onramp_group group = p->flight[ticket].group;
    for (int i = 0; i < BUCKETS_MAX; i++)
        if (p->bucket[i].size > 0)
            onramp_belief_silent(&p->bucket[i], ticket, sure && p->bucket[i].groups[group], &p->rtt, now);
    if (sure && !p->heard[group]) {
        p->heard[group] = true;
        onramp_blind_begin(&p->blind[group], BLIND, 0, now);
    }
}

/* To be refilled, likely. */
static onramp_span token_takes(const struct onramp_belief *b, onramp_time now)
{
    return ONRAMP_SECOND * 1000 / max(1, onramp_likely_rate(b, now) / 1000);
}

/* The one that the answer speaks of. */
static void shown(struct onramp_pacer *p, struct onramp_belief *b, uint32_t ticket, const struct onramp_signal *s,
                  onramp_time now)
{
    b->missed = 0;
    onramp_likely_announced(b, reset_at(p, s, now, 0) - now, s->remaining);
    onramp_belief_spoke(b, ticket, s->remaining, &p->rtt, now);
    onramp_time again_at = reset_at(p, s, now, max(b->patience, 2 * token_takes(b, now)));
    b->probe_at = max(b->probe_at, again_at + 20 * ONRAMP_MILLISECOND);
}

/* Another one, which the answer does not speak of. */
static void not_shown(struct onramp_pacer *p, struct onramp_belief *b, const struct onramp_belief *shown,
                      uint32_t ticket, onramp_time now)
{
    enum onramp_group group = p->flight[ticket].group;
    if (onramp_pacer_is_in_front(p, b, group)) {
        onramp_belief_silent(b, ticket, false, &p->rtt, now);
    } else if (!b->groups[group]) {
        onramp_belief_void(b, ticket);
        b->others.charged++; /* an API-wide bucket is charged although another one is shown: that was us */
    } else {
        onramp_belief_silent(b, ticket, true, &p->rtt, now);
    }
    if (!b->groups[group] || ++b->missed < MISSED_MAX || is_paced(p, b, group))
        return;
    /* The limit was changed. But if what is shown is so much larger that it hardly replaced this one, that may be there
     * still, and is kept to. */
    if (b->missed == MISSED_MAX && shown->size > UPGRADE * b->size) {
        for (int g = 0; g < ONRAMP_GROUPS; g++)
            if (b->groups[g] && !p->blind[g].on)
                onramp_blind_begin(&p->blind[g], onramp_likely_rate(b, now), b->size, now);
        return;
    }
    p->dropped = b->size;
    p->dropped_at = now;
    onramp_pacer_leave(p, b);
}

/* Whoever draws at the likeliest rate of what others have shown is hardly far off. */
static int64_t bare_rate(const struct onramp_pacer *p, onramp_time now)
{
    int64_t rate = INT64_MAX;
    for (int i = 0; i < BUCKETS_MAX; i++)
        if (p->bucket[i].size > 0)
            rate = min(rate, onramp_likely_rate(&p->bucket[i], now));
    return rate < INT64_MAX ? rate : BLIND;
}

/* The refill of the group's bucket is known to within a half: what was proven lasts. */
static bool knows_refill(const struct onramp_pacer *p, enum onramp_group group)
{
    bool knows = false;
    for (int i = 0; i < BUCKETS_MAX; i++) {
        const struct onramp_belief *b = &p->bucket[i];
        int64_t slow, fast;
        knows |= b->size > 0 && b->groups[group] && onramp_belief_rates(b, 0, &slow, &fast) && fast <= slow + slow / 2;
    }
    return knows;
}

/* Auth0 shows no limits with a 4xx. One is an accident; where there are nothing but such, waiting for what shows them
 * would be in vain. */
static void bare(struct onramp_pacer *p, uint32_t ticket, onramp_time now)
{
    enum onramp_group group = p->flight[ticket].group;
    unsure(p, ticket, false, now);
    for (int i = 0; i < BUCKETS_MAX; i++) /* quiet or not, the next one wants a token too */
        if (onramp_pacer_draws(p, group, &p->bucket[i])) {
            struct onramp_belief *b = &p->bucket[i];
            b->probe_at = max(b->probe_at, p->flight[ticket].sent_at + token_takes(b, now));
        }
    if (++p->bare[group] != ONRAMP_BARE)
        return;
    p->heard[group] = true;
    if (!p->blind[group].on && !knows_refill(p, group))
        onramp_blind_begin(&p->blind[group], bare_rate(p, now), 0, now);
}

static void took(struct onramp_pacer *p, uint32_t ticket, const struct onramp_signal *s, onramp_time now)
{
    enum onramp_group group = p->flight[ticket].group;
    struct onramp_blind *blind = &p->blind[group];
    if (s->limit == p->dropped && p->flight[ticket].sent_at <= p->dropped_at) {
        unsure(p, ticket, true, now); /* overtaken by answers from after the change */
        return;
    }
    struct onramp_belief *b = onramp_pacer_shown_by(p, ticket, s, now);
    if (b == NULL) {
        unsure(p, ticket, false, now); /* the next one, which goes alone again, may tell */
        return;
    }
    p->heard[group] = true;
    p->bare[group] = 0;
    if (blind->on && (blind->hidden == 0 || blind->hidden == s->limit))
        blind->on = false;
    shown(p, b, ticket, s, now);
    for (int i = 0; i < BUCKETS_MAX; i++)
        if (&p->bucket[i] != b && p->bucket[i].size > 0)
            not_shown(p, &p->bucket[i], b, ticket, now);
    if (group == ONRAMP_GROUP_CREATE && (!p->has_least || s->remaining < p->least)) {
        p->has_least = true;
        p->least = s->remaining;
    }
}

/* Refused by a bucket that is not shown while it has tokens, or nothing is ever shown. */
static void unshown(struct onramp_pacer *p, uint32_t ticket, const struct onramp_signal *s, onramp_time now)
{
    const struct onramp_flight *f = &p->flight[ticket];
    struct onramp_blind *blind = &p->blind[f->group];
    p->heard[f->group] = true;
    if (!blind->on) {
        int64_t size = onramp_pacer_shows_limit(s) ? s->limit : 0;
        /* The reset is rounded up, and the server's clock known to a second: somewhat less than the quickest refill. */
        onramp_span fills = max(reset_at(p, s, now, 7 * ONRAMP_SECOND) - now - ONRAMP_SECOND, ONRAMP_SECOND);
        int64_t guess = size * TOKEN / (fills / ONRAMP_MILLISECOND) * 700;
        onramp_blind_begin(blind, size > 0 ? guess : BLIND, (uint32_t)size, now);
    }
    int64_t flying = 0;
    for (uint32_t i = 0; i < FLIGHT_MAX; i++) {
        const struct onramp_flight *o = &p->flight[i];
        bool between = o->sent_at > blind->empty_at && o->sent_at < f->sent_at;
        flying += o->used && o->group == f->group && between;
    }
    onramp_blind_refused(blind, f->sent_at, flying, p->rtt.mean, now);
}

static void refused(struct onramp_pacer *p, uint32_t ticket, const struct onramp_signal *s, onramp_time now)
{
    const struct onramp_flight *f = &p->flight[ticket];
    bool shows = false;
    for (int i = 0; i < BUCKETS_MAX; i++) {
        shows |= p->bucket[i].size > 0 && p->bucket[i].groups[f->group];
        onramp_belief_void(&p->bucket[i], ticket);
    }
    if (s->edge)
        return; /* a pause, but no knowledge of any bucket */
    struct onramp_belief *b = onramp_pacer_shows_limit(s) ? onramp_pacer_find(p, s->limit, f->group) : NULL;
    for (int i = 0; i < BUCKETS_MAX; i++) /* one in front of that which refused may have been charged */
        p->bucket[i].others.charged += &p->bucket[i] != b;
    if (b == NULL && onramp_pacer_shows_limit(s) && !shows && !onramp_pacer_is_bare(p, f->group)) {
        b = onramp_pacer_join(p, NULL, s->limit, f->group, FLIGHT_MAX, now);
        p->heard[f->group] = true;
    }
    if (b != NULL) {
        onramp_belief_empty(b, f->sent_at, now);
        if (f->sent_at > b->refused_at) /* else it left before the refusal that is known was heard */
            b->patience = min(2 * b->patience, ONRAMP_MINUTE);
        b->refused_at = now;
        b->probe_at = max(b->probe_at, reset_at(p, s, now, b->patience));
        if (!is_paced(p, b, f->group) && !onramp_pacer_is_bare(p, f->group))
            return;
    }
    unshown(p, ticket, s, now);
}

/* Answered by the API, and not with a 429. */
static void passed(struct onramp_pacer *p, const struct onramp_flight *f, onramp_time now)
{
    p->refused_in_a_row = 0;
    time_trip(&p->rtt, now - f->sent_at);
    if (p->blind[f->group].on)
        onramp_blind_taken(&p->blind[f->group], f->sent_at, now);
}

void onramp_pacer_answered(struct onramp_pacer *p, uint32_t ticket, const struct onramp_signal *s, onramp_time now)
{
    assert(ticket < FLIGHT_MAX && p->flight[ticket].used);
    struct onramp_flight *f = &p->flight[ticket];
    time_server(p, s, now);
    f->used = false;
    p->in_flight--;
    p->group_in_flight[f->group]--;

    switch (s->kind) {
    case ONRAMP_SIGNAL_REFUSED:
        p->throttled++;
        p->refused_in_a_row += f->sent_at >= p->paused_until;
        onramp_span wait = max(s->has_retry_after ? s->retry_after : 0, PAUSE_LEAST);
        if (!onramp_pacer_shows_limit(s) && !s->has_retry_after)
            wait = PAUSE_LEAST << min(p->refused_in_a_row > 0 ? p->refused_in_a_row - 1 : 0, 6);
        p->paused_until = max(p->paused_until, now + min(wait, PAUSE_MOST));
        refused(p, ticket, s, now);
        break;
    case ONRAMP_SIGNAL_UNSENT:
        for (int i = 0; i < BUCKETS_MAX; i++)
            onramp_belief_void(&p->bucket[i], ticket);
        break;
    case ONRAMP_SIGNAL_TAKEN:
        passed(p, f, now);
        if (onramp_pacer_shows_limit(s))
            took(p, ticket, s, now);
        else
            unsure(p, ticket, true, now);
        break;
    case ONRAMP_SIGNAL_BARE:
        passed(p, f, now);
        bare(p, ticket, now);
        break;
    case ONRAMP_SIGNAL_UNSURE:
        unsure(p, ticket, false, now);
        break;
    }
}
