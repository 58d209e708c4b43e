/*
 * pacer_tell.c - what the pool knows, and why it waits: for people, progress and summaries.
 */
#include "core/pacer_likely.h"
#include "core/pacer_numbers.h"
#include "core/pacer_pool.h"

#include <inttypes.h>
#include <stdio.h>

#define TOKEN       ONRAMP_TOKEN
#define BUCKETS_MAX ONRAMP_BUCKETS_MAX

static void tell_bucket(struct onramp_decision *d, const char *wait)
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
                   (double)slow / TOKEN, (double)fast / TOKEN, window ? "" : "/s", (double)max(low, 0) / TOKEN, b->size,
                   d->asked_at < b->shared_until ? ", others draw" : "",
                   d->why == ONRAMP_WHY_STAND ? ", keeping a reserve" : "");
}

const char *onramp_pacer_reason(const struct onramp_pacer *p)
{
    static const char *const words[] = {"nothing asked yet",
                                        "goes",
                                        "a 429 holds all",
                                        "enough are in flight",
                                        "the first answer is awaited",
                                        "the ceiling given",
                                        "no limits are shown, so few at once and at an even pace",
                                        "",
                                        ""};
    struct onramp_decision *d = p->last;
    char wait[48];
    if (d->why == ONRAMP_WHY_NOT_ASKED || d->why == ONRAMP_WHY_GOES)
        return words[d->why];
    if (d->at == ONRAMP_NEVER)
        (void)snprintf(wait, sizeof wait, "waits for an answer");
    else
        (void)snprintf(wait, sizeof wait, "waits %.2f s", (double)(d->at - d->asked_at) / ONRAMP_SECOND);
    if (d->bucket != NULL)
        tell_bucket(d, wait);
    else if (d->why == ONRAMP_WHY_BLIND && d->blind->hidden > 0)
        (void)snprintf(d->text, sizeof d->text, "%s: a bucket of %" PRIu32 " is not shown, so at an even pace", wait,
                       d->blind->hidden);
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
        out->per_second = (double)onramp_likely_rate(b, now) / TOKEN;
        out->level_low = (double)max(low, 0) / TOKEN;
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
