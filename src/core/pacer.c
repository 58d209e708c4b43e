/*
 * pacer.c - may a request leave now, or when? The pool: what is on the wire, which buckets it draws from, pauses.
 */
#include "onramp/pacer.h"

#include "core/bucket.h"
#include "core/pacer_belief.h"
#include "core/pacer_blind.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOKEN       ONRAMP_TOKEN
#define FLIGHT_MAX  256
#define BUCKETS_MAX 4
#define TELLING     4                   /* tokens: of smaller buckets no answer tells which of two it speaks of */
#define LIMIT_MAX   10000000            /* tokens; two thousand times the largest plan */
#define MISSED_MAX  8                   /* answers after which a bucket that is no longer shown is gone */
#define SECONDS_MAX INT64_C(9000000000) /* later instants do not fit */
#define PAUSE_LEAST ONRAMP_SECOND
#define PAUSE_MOST  (10 * ONRAMP_MINUTE)

struct flight {
    bool used;
    enum onramp_group group;
    onramp_time sent_at;
};

enum why {
    WHY_NOT_ASKED,
    WHY_GOES,
    WHY_PAUSE,
    WHY_CONCURRENCY,
    WHY_FIRST,
    WHY_CEILING,
    WHY_BLIND,
    WHY_PROOF,
    WHY_STAND
};

/* What the last decision rested on; put into words only when somebody asks. */
struct decision {
    enum why why;
    onramp_time asked_at, at;
    const struct onramp_belief *bucket;
    const struct onramp_blind *blind;
    char text[192];
};

struct onramp_pacer {
    struct onramp_pacer_settings settings;
    struct onramp_bucket ceiling;
    struct flight flight[FLIGHT_MAX];
    uint32_t in_flight, group_in_flight[ONRAMP_GROUPS];
    bool heard[ONRAMP_GROUPS];                  /* the group has shown its bucket, or that it shows none */
    bool precede[ONRAMP_GROUPS][ONRAMP_GROUPS]; /* before the first one's requests go the second one's: as last asked */
    uint32_t undecided[ONRAMP_GROUPS];          /* answers that may have spoken of another bucket of the same size */
    struct onramp_belief bucket[BUCKETS_MAX];
    uint32_t dropped; /* size of the bucket that was last taken for changed */
    onramp_time dropped_at;
    bool stacked; /* one came back: the headers speak of one of several buckets */
    struct onramp_blind blind[ONRAMP_GROUPS];
    struct onramp_rtt rtt;
    onramp_time paused_until;
    bool dated;
    onramp_span ahead; /* the server's clock, of ours */
    uint32_t refused_in_a_row;
    uint64_t sent, throttled;
    uint64_t others; /* drew from buckets of creates that are no longer shown */
    bool has_least;
    uint32_t least;
    struct decision *last;
};

static int64_t max(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t min(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

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
    struct decision *last = calloc(1, sizeof *last);
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

/* ---- which buckets ---- */

/* Anything else in these headers is no limit, and counts as none given. */
static bool shows_limit(const struct onramp_signal *s)
{
    return s->has_limit && s->limit > 0 && s->limit <= LIMIT_MAX && s->remaining <= s->limit;
}

/* Where a plan has an API-wide bucket, adding members draws from that too, and shows its own, smaller one (Auth0's
 * tables of limits). */
static bool is_in_front(const struct onramp_pacer *p, const struct onramp_belief *b, enum onramp_group group)
{
    bool smaller = false;
    for (int i = 0; i < BUCKETS_MAX && group == ONRAMP_GROUP_MEMBERS; i++)
        smaller = smaller || (p->bucket[i].groups[group] && p->bucket[i].size > 0 && p->bucket[i].size < b->size);
    return smaller;
}

/* A group that has not shown its bucket counts against all. */
static bool draws(const struct onramp_pacer *p, enum onramp_group group, const struct onramp_belief *b)
{
    return b->size > 0 && (b->groups[group] || !p->heard[group] || is_in_front(p, b, group));
}

/* The bucket of that size from which the group draws, or else might draw. */
static struct onramp_belief *find(struct onramp_pacer *p, uint32_t size, enum onramp_group group)
{
    struct onramp_belief *found = NULL;
    for (int i = 0; i < BUCKETS_MAX; i++)
        if (p->bucket[i].size == size && (found == NULL || p->bucket[i].groups[group]))
            found = &p->bucket[i];
    return found;
}

/* Where a new bucket stands: where none is, or where the longest unseen one was. */
static struct onramp_belief *stalest(struct onramp_pacer *p)
{
    struct onramp_belief *b = &p->bucket[0];
    for (int i = 1; i < BUCKETS_MAX && b->size > 0; i++)
        if (p->bucket[i].size == 0 || p->bucket[i].at < b->at)
            b = &p->bucket[i];
    return b;
}

static void leave(struct onramp_pacer *p, struct onramp_belief *b)
{
    if (b->size > 0 && b->groups[ONRAMP_GROUP_CREATE])
        p->others += onramp_others_drawn(&b->others);
    b->size = 0;
}

/* What is on the wire may draw from it too, and so did `ticket`, which was just answered. */
static void tell_flights(struct onramp_pacer *p, struct onramp_belief *b, bool fresh, uint32_t ticket, onramp_time now)
{
    uint32_t wire[FLIGHT_MAX], flying = 0;
    onramp_time since = now;
    for (uint32_t i = 0; i < FLIGHT_MAX; i++)
        if ((p->flight[i].used || i == ticket) && draws(p, p->flight[i].group, b) && !onramp_belief_has(b, i)) {
            wire[flying++] = i;
            since = min(since, p->flight[i].sent_at);
        }
    if (fresh) {
        bool groups[ONRAMP_GROUPS];
        bool hinted = p->settings.hint.tokens > 0 && (p->settings.hint_burst == 0 || p->settings.hint_burst == b->size);
        memcpy(groups, b->groups, sizeof groups);
        onramp_belief_start(b, b->size, flying, hinted ? &p->settings.hint : NULL, since);
        memcpy(b->groups, groups, sizeof groups);
    }
    for (uint32_t i = 0; i < flying; i++)
        onramp_belief_sent(b, wire[i], p->flight[wire[i]].sent_at);
}

/* The bucket that `group` draws from: `b`, or a new one if that is NULL. `ticket` was just answered. */
static struct onramp_belief *join(struct onramp_pacer *p, struct onramp_belief *b, uint32_t size,
                                  enum onramp_group group, uint32_t ticket, onramp_time now)
{
    if (b != NULL && b->groups[group])
        return b;
    bool fresh = b == NULL;
    if (fresh) {
        p->stacked |= size == p->dropped;
        b = stalest(p);
        leave(p, b);
        *b = (struct onramp_belief){.size = size};
    }
    b->groups[group] = true;
    tell_flights(p, b, fresh, ticket, now);
    return b;
}

/* It was taken for one with the bucket that others draw from, and is not. What that has shown is of no use. */
static void split(struct onramp_pacer *p, struct onramp_belief *b, enum onramp_group group, onramp_time now)
{
    if (!b->groups[group])
        return;
    b->groups[group] = false;
    b->takes = b->flying = 0;
    tell_flights(p, b, true, FLIGHT_MAX, now);
}

enum whose { SAME, ANOTHER, UNDECIDED };

/*
 * Two buckets may be of one size. While those ahead of this group draw from the one that is known: does this answer
 * speak of it? Surely not if it shows much more than that can hold; surely if it shows much less than one that only
 * this group draws from would.
 */
static enum whose whose(const struct onramp_pacer *p, const struct onramp_belief *b, enum onramp_group group,
                        uint32_t remaining, onramp_time now)
{
    bool others = false;
    for (int g = 0; g < ONRAMP_GROUPS; g++)
        others = others || (g != (int)group && b->groups[g] && p->precede[group][g]);
    if (!others)
        return SAME;
    int64_t low, most, much = max(2, b->size / 4) * TOKEN;
    onramp_belief_bounds(b, now, &low, &most);
    most += b->flying * TOKEN; /* what is on the wire may not have arrived */
    if (remaining * TOKEN > most + much)
        return ANOTHER;
    int64_t own = ((int64_t)b->size - 1 - p->undecided[group]) * TOKEN;
    bool told = remaining * TOKEN <= most && remaining * TOKEN + much < own;
    return told ? SAME : UNDECIDED;
}

/* Is it worth a token to ask? Not before those ahead have shown their bucket; not if that is so small that no answer
 * tells; and again only when one would. */
static bool worth_asking(const struct onramp_pacer *p, enum onramp_group group, onramp_time now)
{
    bool all = true;
    for (int g = 0; g < ONRAMP_GROUPS; g++)
        all = all && (p->heard[g] || !p->precede[group][g]);
    for (int i = 0; i < BUCKETS_MAX; i++) {
        const struct onramp_belief *b = &p->bucket[i];
        bool again = p->undecided[group] > 0 || b->size < TELLING;
        all = all && (b->size == 0 || !again || whose(p, b, group, b->size - 1, now) != UNDECIDED);
    }
    return all;
}

/* ---- asking ---- */

/* What is left to others, in microtokens. Only whole tokens are of use to them. */
static int64_t reserve(const struct onramp_pacer *p, const struct onramp_belief *b, onramp_time now)
{
    int64_t percent = (int64_t)b->size * p->settings.reserve_percent / 100;
    int64_t given = max(p->settings.reserve_tokens, percent) * TOKEN;
    return min(max(given, onramp_belief_margin(b, &p->rtt, now)), (b->size - 1) * TOKEN);
}

static onramp_time later(struct decision *d, onramp_time at, onramp_time other, enum why why,
                         const struct onramp_belief *b)
{
    if (other <= at)
        return at;
    d->why = why;
    d->bucket = b;
    return other;
}

static onramp_time bucket_when(struct onramp_pacer *p, struct onramp_belief *b, uint64_t left, onramp_time now)
{
    struct decision *d = p->last;
    if (b->flying == 0 && now >= b->probe_at)
        return now; /* quiet and past the announced reset: one may go, so nothing can stop for good */
    int64_t spare = reserve(p, b, now);
    /* Who takes from a full bucket only never learns how fast it fills: there the last token of the reserve is kept by
     * estimate. */
    int64_t proven = max(0, min(spare, (b->size - 2) * TOKEN));
    onramp_time at = later(d, now, onramp_belief_proven(b, proven, &p->rtt, now), WHY_PROOF, b);
    /* A standing reserve of half the bucket, so that a late answer never starves the pipe. */
    int64_t stand = max(onramp_belief_stand(b, now), spare);
    stand = max(spare, min(stand, (int64_t)min((int64_t)left - 1, b->size) * TOKEN));
    at = later(d, at, onramp_belief_likely(b, stand, now), WHY_STAND, b);
    return b->flying > 0 ? at : min(at, b->probe_at);
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

onramp_time onramp_pacer_when_behind(struct onramp_pacer *p, enum onramp_group group, uint64_t left,
                                     const uint64_t ahead[ONRAMP_GROUPS], onramp_time now)
{
    struct decision *d = p->last;
    *d = (struct decision){.why = WHY_GOES, .asked_at = now, .at = now};
    if (now < p->paused_until) {
        d->why = WHY_PAUSE;
        return d->at = p->paused_until;
    }
    if (p->in_flight >= p->settings.concurrency) {
        d->why = WHY_CONCURRENCY;
        return d->at = ONRAMP_NEVER;
    }
    if (!p->heard[group] && p->group_in_flight[group] > 0) {
        d->why = WHY_FIRST;
        return d->at = ONRAMP_NEVER;
    }
    for (int g = 0; g < ONRAMP_GROUPS; g++)
        p->precede[group][g] = ahead != NULL && ahead[g] > 0;
    if (!p->heard[group] && !worth_asking(p, group, now))
        d->at = later(d, d->at, now + ONRAMP_SECOND, WHY_FIRST, NULL); /* or as soon as more is known */
    if (p->settings.ceiling.tokens > 0)
        d->at = later(d, d->at, onramp_bucket_when(&p->ceiling, 1, now), WHY_CEILING, NULL);
    d->blind = &p->blind[group];
    if (d->blind->on)
        d->at = later(d, d->at, d->blind->next_at, WHY_BLIND, NULL);
    for (int i = 0; i < BUCKETS_MAX; i++) {
        struct onramp_belief *b = &p->bucket[i];
        struct decision before = *d;
        if (!draws(p, group, b))
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
    p->flight[ticket] = (struct flight){.used = true, .group = group, .sent_at = now};
    p->in_flight++;
    p->group_in_flight[group]++;
    p->sent++;
    if (p->settings.ceiling.tokens > 0)
        (void)onramp_bucket_take(&p->ceiling, now);
    if (p->blind[group].on)
        onramp_blind_sent(&p->blind[group], now);
    for (int i = 0; i < BUCKETS_MAX; i++)
        if (draws(p, group, &p->bucket[i]))
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
        onramp_blind_begin(&p->blind[group], 2 * TOKEN, 0, now);
    }
}

/* The bucket that this answer speaks of. NULL: it cannot be told from another one yet. */
static struct onramp_belief *shown_by(struct onramp_pacer *p, uint32_t ticket, const struct onramp_signal *s,
                                      onramp_time now)
{
    enum onramp_group group = p->flight[ticket].group;
    struct onramp_belief *b = find(p, s->limit, group);
    enum whose which = b != NULL ? whose(p, b, group, s->remaining, now) : SAME;
    if (which == UNDECIDED && !p->heard[group]) {
        p->undecided[group]++;
        return NULL;
    }
    if (which == ANOTHER)
        split(p, b, group, now);
    return join(p, which == ANOTHER ? NULL : b, s->limit, group, ticket, now);
}

static void took(struct onramp_pacer *p, uint32_t ticket, const struct onramp_signal *s, onramp_time now)
{
    enum onramp_group group = p->flight[ticket].group;
    struct onramp_blind *blind = &p->blind[group];
    if (s->limit == p->dropped && p->flight[ticket].sent_at <= p->dropped_at) {
        unsure(p, ticket, true, now); /* overtaken by answers from after the change */
        return;
    }
    struct onramp_belief *shown = shown_by(p, ticket, s, now);
    if (shown == NULL) {
        unsure(p, ticket, false, now); /* the next one, which goes alone again, may tell */
        return;
    }
    p->heard[group] = true;
    if (blind->on && (blind->hidden == 0 || blind->hidden == s->limit))
        blind->on = false;
    shown->missed = 0;
    if (s->has_reset)
        onramp_belief_announced(shown, s->reset, now);
    onramp_belief_spoke(shown, ticket, s->remaining, &p->rtt, now);
    onramp_span token = ONRAMP_SECOND * 1000 / max(1, onramp_belief_rate(shown, now) / 1000);
    onramp_time again_at = reset_at(p, s, now, max(shown->patience, 2 * token));
    shown->probe_at = max(shown->probe_at, again_at + 20 * ONRAMP_MILLISECOND);
    for (int i = 0; i < BUCKETS_MAX; i++) {
        struct onramp_belief *b = &p->bucket[i];
        if (b == shown || b->size == 0)
            continue;
        if (is_in_front(p, b, group)) {
            onramp_belief_silent(b, ticket, false, &p->rtt, now);
        } else if (!b->groups[group]) {
            onramp_belief_void(b, ticket);
            b->others.charged++; /* an API-wide bucket is charged although another one is shown: that was us */
        } else {
            onramp_belief_silent(b, ticket, true, &p->rtt, now);
        }
        if (b->groups[group] && ++b->missed >= MISSED_MAX && !p->stacked) {
            p->dropped = b->size; /* not shown any more: the limit was changed */
            p->dropped_at = now;
            leave(p, b);
        }
    }
    if (group == ONRAMP_GROUP_CREATE && (!p->has_least || s->remaining < p->least)) {
        p->has_least = true;
        p->least = s->remaining;
    }
}

static void refused(struct onramp_pacer *p, uint32_t ticket, const struct onramp_signal *s, onramp_time now)
{
    const struct flight *f = &p->flight[ticket];
    struct onramp_blind *blind = &p->blind[f->group];
    bool shows = false;
    for (int i = 0; i < BUCKETS_MAX; i++) {
        shows |= p->bucket[i].size > 0 && p->bucket[i].groups[f->group];
        onramp_belief_void(&p->bucket[i], ticket);
    }
    if (s->edge)
        return; /* a pause, but no knowledge of any bucket */
    struct onramp_belief *b = shows_limit(s) ? find(p, s->limit, f->group) : NULL;
    for (int i = 0; i < BUCKETS_MAX; i++) /* one in front of that which refused may have been charged */
        p->bucket[i].others.charged += &p->bucket[i] != b;
    if (b == NULL && shows_limit(s) && !shows) {
        b = join(p, NULL, s->limit, f->group, FLIGHT_MAX, now);
        p->heard[f->group] = true;
    }
    if (b != NULL) {
        onramp_belief_empty(b, f->sent_at, now);
        if (f->sent_at > b->refused_at) /* else it left before the refusal that is known was heard */
            b->patience = min(2 * b->patience, ONRAMP_MINUTE);
        b->refused_at = now;
        b->probe_at = max(b->probe_at, reset_at(p, s, now, b->patience));
        return;
    }
    /* A bucket that is never shown when it has tokens, or nothing is ever shown. */
    p->heard[f->group] = true;
    if (!blind->on) {
        uint32_t size = shows_limit(s) ? s->limit : 0;
        onramp_span fills = max(reset_at(p, s, now, 6 * ONRAMP_SECOND) - now, ONRAMP_SECOND);
        int64_t guess = size * TOKEN / (fills / ONRAMP_MILLISECOND) * 700;
        onramp_blind_begin(blind, size ? guess : 2 * TOKEN, size, now);
    }
    onramp_blind_refused(blind, f->sent_at, now);
}

void onramp_pacer_answered(struct onramp_pacer *p, uint32_t ticket, const struct onramp_signal *s, onramp_time now)
{
    assert(ticket < FLIGHT_MAX && p->flight[ticket].used);
    struct flight *f = &p->flight[ticket];
    time_server(p, s, now);
    f->used = false;
    p->in_flight--;
    p->group_in_flight[f->group]--;

    switch (s->kind) {
    case ONRAMP_SIGNAL_REFUSED:
        p->throttled++;
        p->refused_in_a_row += f->sent_at >= p->paused_until;
        onramp_span wait = max(s->has_retry_after ? s->retry_after : 0, PAUSE_LEAST);
        if (!shows_limit(s) && !s->has_retry_after)
            wait = PAUSE_LEAST << min(p->refused_in_a_row > 0 ? p->refused_in_a_row - 1 : 0, 6);
        p->paused_until = max(p->paused_until, now + min(wait, PAUSE_MOST));
        refused(p, ticket, s, now);
        break;
    case ONRAMP_SIGNAL_UNSENT:
        for (int i = 0; i < BUCKETS_MAX; i++)
            onramp_belief_void(&p->bucket[i], ticket);
        break;
    case ONRAMP_SIGNAL_TAKEN:
        p->refused_in_a_row = 0;
        time_trip(&p->rtt, now - f->sent_at);
        if (p->blind[f->group].on)
            onramp_blind_taken(&p->blind[f->group], now);
        if (shows_limit(s))
            took(p, ticket, s, now);
        else
            unsure(p, ticket, true, now);
        break;
    case ONRAMP_SIGNAL_UNSURE:
        unsure(p, ticket, false, now);
        break;
    }
}

/* ---- telling ---- */

static void tell_bucket(struct decision *d, const char *wait)
{
    const struct onramp_belief *b = d->bucket;
    int64_t low, high, slow, fast;
    const char *kind = "drip";
    onramp_span window = 0;
    onramp_belief_bounds(b, d->asked_at, &low, &high);
    if (!onramp_belief_rates(b, 0, &slow, &fast)) {
        window = onramp_belief_rates(b, ONRAMP_SECOND, &slow, &fast) ? ONRAMP_SECOND : ONRAMP_MINUTE;
        (void)onramp_belief_rates(b, window, &slow, &fast);
        kind = window == ONRAMP_SECOND ? "windows of 1 s" : "windows of 60 s";
    }
    (void)snprintf(d->text, sizeof d->text, "%s: %s %.2f..%.2f%s guarantees %.2f of %" PRIu32 " tokens%s%s", wait, kind,
                   (double)slow / TOKEN, (double)fast / TOKEN, window ? "" : "/s", (double)low / TOKEN, b->size,
                   d->asked_at < b->shared_until ? ", others draw" : "",
                   d->why == WHY_STAND ? ", keeping a reserve" : "");
}

const char *onramp_pacer_reason(const struct onramp_pacer *p)
{
    static const char *const words[] = {"nothing asked yet",
                                        "goes",
                                        "a 429 holds all",
                                        "enough are in flight",
                                        "the first answer is awaited",
                                        "the ceiling given",
                                        "no limits are shown, so at an even pace",
                                        "",
                                        ""};
    struct decision *d = p->last;
    char wait[48];
    if (d->why == WHY_NOT_ASKED || d->why == WHY_GOES)
        return words[d->why];
    if (d->at == ONRAMP_NEVER)
        (void)snprintf(wait, sizeof wait, "waits for an answer");
    else
        (void)snprintf(wait, sizeof wait, "waits %.2f s", (double)(d->at - d->asked_at) / ONRAMP_SECOND);
    if (d->bucket != NULL)
        tell_bucket(d, wait);
    else
        (void)snprintf(d->text, sizeof d->text, "%s: %s", wait, words[d->why]);
    return d->text;
}

void onramp_pacer_view(const struct onramp_pacer *p, onramp_time now, struct onramp_pacer_view *out)
{
    *out = (struct onramp_pacer_view){.in_flight = p->in_flight,
                                      .has_least = p->has_least,
                                      .least_remaining = p->least,
                                      .sent = p->sent,
                                      .throttled = p->throttled,
                                      .paused_until = p->paused_until};
    for (int i = 0; i < BUCKETS_MAX; i++) {
        const struct onramp_belief *b = &p->bucket[i];
        if (b->size == 0 || !b->groups[ONRAMP_GROUP_CREATE] || (out->known && out->burst < b->size))
            continue;
        int64_t low, high;
        onramp_belief_bounds(b, now, &low, &high);
        out->known = true;
        out->burst = b->size;
        out->per_second = (double)onramp_belief_rate(b, now) / TOKEN;
        out->level_low = (double)low / TOKEN;
        out->level_high = (double)high / TOKEN;
        out->shared = now < b->shared_until;
    }
}

uint64_t onramp_pacer_others(const struct onramp_pacer *p)
{
    const struct onramp_belief *tightest = NULL;
    for (int i = 0; i < BUCKETS_MAX; i++) {
        const struct onramp_belief *b = &p->bucket[i];
        if (b->size > 0 && b->groups[ONRAMP_GROUP_CREATE] && (tightest == NULL || b->size < tightest->size))
            tightest = b;
    }
    return p->others + (tightest != NULL ? onramp_others_drawn(&tightest->others) : 0);
}
