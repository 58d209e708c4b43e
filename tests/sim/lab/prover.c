/*
 * prover.c - what no client can do better.
 *
 * How much of what onramp loses to the oracle is the price of not knowing the limits? Two clients answer. Like
 * onramp they know nothing of the limits at the start, admit the same refills, send when every explanation left
 * guarantees a token (or in quiet, when the announced reset has passed), and keep to the same pause after a
 * refusal. In all else they are better off: they are told when each of their requests arrives, before it is
 * sent and in which order, and follow every explanation exactly (hypotheses.h).
 *
 * The watcher also sees the bucket. With the first answer, which is the first that anybody hears of it, its eye
 * opens; from then on it knows every rise of the whole tokens, and that there was none, one lag later: the least
 * time that any answer takes to come back. It sends what is proven. So no client that keeps the promise is
 * quicker, for this reason:
 *   - An answer tells the whole tokens at one instant, and comes a lag after it or later. So whoever sees all
 *     instants, a lag later, can strike all that answers can.
 *   - Another client's takes make another bucket to look at. But supply, content and takes together, rises by
 *     the refill alone while the bucket is not full, whatever is taken, and a full one hides its refill. Who takes
 *     each token as soon as it is proven has a bucket that is full as little as can be, sees as much as can be
 *     seen, and loses the least.
 *   - So, take by take, whoever has proven a further token has proven it to the watcher too, no earlier.
 * It is no theorem. A proof would have to show the second point for every order of takes. Where the way out of
 * a request is long (a stall), another order may be luckier; who has been told an earlier reset may ask earlier
 * in quiet; and a refused request is answered quicker than the lag counts. That the rates have a grid leaves
 * fewer explanations than a real client must admit, which makes the watcher quicker, never slower; the same holds
 * for the true rate being on it, as all rates are that people choose. The check holds onramp and the prover to it.
 *
 * The prover hears answers only, as every client does. For it, sending what is proven at once is not the best: a
 * token is also a question, and who has spent the last one waits for what the slowest explanation guarantees. It
 * keeps half the bucket until rate and kind are settled, as onramp does, and spends from it when the likeliest
 * drip says that asking costs nothing: right after the bucket would have been full. The answer tells whether it
 * was, at the very rate that matters. It keeps nothing more once the announced reset stands still while tokens
 * are taken, as a window's does; that is a guess, and only what is proven is spent on it. So the prover is no
 * bound: it is what can be had by a client that knows when its requests arrive.
 *
 * Both know one bucket, undisturbed. With rivals, a hidden bucket, or a limit that changes they prove nothing.
 */
#include "hypotheses.h"
#include "lab.h"

#include <stdlib.h>

#define PAUSE   ONRAMP_SECOND /* after a refusal: part of the promise */
#define SETTLED 0.8           /* of the likeliest rate, guaranteed: nothing is held back any more */
#define AFTER   0.0005        /* tokens' time: asks so long after the bucket would have been full */
#define STANDS  5             /* tokens taken in one second of reset: more than a drip would hide */

struct prover {
    struct hypotheses hypotheses;
    struct onramp_bucket eye; /* the watcher's: the bucket as of what it has seen */
    bool watches, dated, stands_still;
    onramp_span lag, patience;
    uint32_t tickets, first_remaining;
    int64_t reset; /* as sent, and what remained when it was first seen */
    onramp_time looks_at, goes_at, paused_until, probe_at;
    onramp_span ahead;
};

static onramp_time max(onramp_time a, onramp_time b)
{
    return a > b ? a : b;
}

/* ---- watching ---- */

static onramp_time next_rise(struct onramp_bucket *eye)
{
    uint32_t whole = onramp_bucket_tokens(eye, eye->seen_at);
    return eye->level == eye->capacity ? ONRAMP_NEVER : onramp_bucket_when(eye, whole + 1, eye->seen_at);
}

/* See all that happened up to `to`. Returns when something happens next. */
static onramp_time watch(struct prover *p, onramp_time to)
{
    struct hypotheses *h = &p->hypotheses;
    for (;;) {
        onramp_time rise_at = next_rise(&p->eye), take_at = h->takes > 0 ? h->take[0].at : ONRAMP_NEVER;
        if (rise_at > to && take_at > to)
            return rise_at < take_at ? rise_at : take_at;
        if (take_at < rise_at) {
            bool taken = onramp_bucket_take(&p->eye, take_at);
            uint32_t left = onramp_bucket_tokens(&p->eye, take_at);
            hypotheses_told(h, h->take[0].ticket, taken ? TAKE_TOLD : TAKE_REFUSED, left);
            continue;
        }
        hypotheses_seen(h, rise_at - 1, onramp_bucket_tokens(&p->eye, rise_at - 1));
        uint32_t risen = onramp_bucket_tokens(&p->eye, rise_at);
        if (take_at > rise_at)
            hypotheses_seen(h, rise_at, risen);
    }
}

/* ---- deciding ---- */

/* `at` it is proven. Where the rate is not settled, half the bucket is worth more as questions. */
static onramp_time hold(const struct hypotheses *h, uint32_t left, onramp_time at)
{
    double size = h->size, rate = h->size < 4 || h->size >= 200 ? size : h->size < 15 ? size / 5 : size / 3;
    uint32_t kept = h->size / 2 < left - 1 ? h->size / 2 : left - 1;
    if (h->drips == 0 || hypotheses_drip_at_least(h, SETTLED * rate) || hypotheses_guarantee(h, kept + 1, at))
        return at;
    onramp_time likely = hypotheses_likely(h, rate, kept + 1, at);
    return likely > at ? likely + (onramp_span)(AFTER * 1e9 / rate) : at;
}

static onramp_time when(const struct lab *lab, uint32_t client, const struct prover *p)
{
    const struct hypotheses *h = &p->hypotheses;
    onramp_time now = lab_now(lab), from = max(now, p->paused_until);
    if (h->size == 0)
        return lab_in_flight(lab, client) > 0 ? ONRAMP_NEVER : from;
    onramp_span out = lab_way_out(lab, client);
    onramp_time at = hypotheses_safe(h, from + out);
    if (!p->watches && !p->stands_still)
        at = hold(h, lab_left(lab, client), at);
    at -= out;
    return lab_in_flight(lab, client) == 0 && p->probe_at < at ? max(p->probe_at, from) : at;
}

static void trace(const struct lab *lab, uint32_t client, const struct prover *p, onramp_time at)
{
    char text[120];
    hypotheses_print(&p->hypotheses, text, sizeof text);
    fprintf(lab_trace(lab), "%9.3f %s; %u in flight", lab_seconds(lab), text, lab_in_flight(lab, client));
    if (at <= lab_now(lab))
        fputs("; goes\n", lab_trace(lab));
    else if (at == ONRAMP_NEVER)
        fputs("; waits for an answer\n", lab_trace(lab));
    else
        fprintf(lab_trace(lab), "; waits %.3f s\n", (double)(at - lab_now(lab)) / 1e9);
}

static void arm(struct lab *lab, uint32_t client, onramp_time *armed_at, onramp_time at)
{
    if (at == ONRAMP_NEVER || (*armed_at > lab_now(lab) && *armed_at <= at))
        return;
    *armed_at = at;
    lab_timer(lab, client, at, 0);
}

static void pump(struct lab *lab, uint32_t client)
{
    struct prover *p = lab_memory(lab, client, sizeof *p);
    if (p->watches && p->hypotheses.size > 0) {
        onramp_time next = watch(p, lab_now(lab) - p->lag);
        arm(lab, client, &p->looks_at, next == ONRAMP_NEVER ? next : next + p->lag);
    }
    while (lab_left(lab, client) > 0 && lab_in_flight(lab, client) < lab_options(lab)->concurrency) {
        onramp_time at = when(lab, client, p);
        if (lab_trace(lab))
            trace(lab, client, p, at);
        if (at > lab_now(lab)) {
            arm(lab, client, &p->goes_at, at);
            return;
        }
        hypotheses_sent(&p->hypotheses, p->tickets, lab_now(lab) + lab_way_out(lab, client));
        lab_send(lab, client, p->tickets++);
    }
}

static void timer(struct lab *lab, uint32_t client, uint32_t mark)
{
    (void)mark;
    pump(lab, client);
}

/* ---- hearing ---- */

/* As onramp: whatever the reset means, when it has passed one may ask. */
static onramp_time reset_at(struct prover *p, const struct onramp_signal *s, onramp_time now)
{
    if (s->has_date) {
        onramp_span ahead = s->date * ONRAMP_SECOND - now;
        p->ahead = p->dated ? max(p->ahead, ahead) : ahead;
        p->dated = true;
    }
    int64_t reset = s->reset > INT64_C(100000000000) ? (s->reset + 999) / 1000 : s->reset;
    bool relative = reset < 10000000;
    onramp_time at = relative ? now + reset * ONRAMP_SECOND : reset * ONRAMP_SECOND - p->ahead;
    if (!s->has_reset || reset < 1 || (!relative && !p->dated) || at > now + 2 * ONRAMP_MINUTE ||
        at < now - 2 * ONRAMP_MINUTE)
        return now + p->patience;
    return max(at, now + ONRAMP_SECOND / 10);
}

static void time_probe(struct prover *p, const struct lab_request *r, onramp_time now)
{
    const struct onramp_signal *s = &r->signal;
    if (!r->created) {
        p->paused_until = max(p->paused_until, now + (s->has_retry_after ? max(s->retry_after, PAUSE) : PAUSE));
        p->patience = p->patience < ONRAMP_MINUTE ? 2 * p->patience : p->patience;
    } else if (s->reset == p->reset) {
        p->stands_still |= s->remaining + STANDS <= p->first_remaining;
    } else {
        p->stands_still = false;
        p->reset = s->reset;
        p->first_remaining = s->remaining;
    }
    p->probe_at = max(p->probe_at, reset_at(p, s, now) + 20 * ONRAMP_MILLISECOND);
}

static void answered(struct lab *lab, uint32_t client, const struct lab_request *r)
{
    struct prover *p = lab_memory(lab, client, sizeof *p);
    struct hypotheses *h = &p->hypotheses;
    const struct onramp_signal *s = &r->signal;
    if (lab_trace(lab))
        fprintf(lab_trace(lab), "%9.3f answer to %.3f: %s, %u of %u\n", lab_seconds(lab), (double)r->sent_at / 1e9,
                r->created ? "created" : "429", s->remaining, s->limit);
    if (!s->has_limit) {
        hypotheses_void(h, r->mark);
    } else if (s->limit != h->size) { /* the first, or the limit was changed */
        hypotheses_void(h, r->mark);
        hypotheses_begin(h, s->limit, s->remaining, r->sent_at + r->up);
    } else if (!p->watches) {
        hypotheses_told(h, r->mark, r->created ? TAKE_TOLD : TAKE_REFUSED, s->remaining);
    }
    time_probe(p, r, lab_now(lab));
    pump(lab, client);
}

static void start(struct lab *lab, uint32_t client)
{
    struct prover *p = lab_memory(lab, client, sizeof *p);
    p->patience = ONRAMP_SECOND;
    p->looks_at = p->goes_at = -1;
    pump(lab, client);
}

/* What the first request does is known with its answer, and that answer is heard like everybody's. */
static void watcher_start(struct lab *lab, uint32_t client)
{
    struct prover *p = lab_memory(lab, client, sizeof *p);
    p->watches = true;
    p->lag = lab_least_back(lab, client);
    p->eye = lab_own(lab);
    (void)onramp_bucket_take(&p->eye, lab_now(lab) + lab_way_out(lab, client));
    start(lab, client);
}

static void end(struct lab *lab, uint32_t client)
{
    struct prover *p = lab_memory(lab, client, sizeof *p);
    hypotheses_end(&p->hypotheses);
}

const struct lab_policy lab_prover = {"prover", start, answered, timer, end};
const struct lab_policy lab_watcher = {"watcher", watcher_start, answered, timer, end};
