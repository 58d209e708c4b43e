/*
 * pacer_buckets.c - which buckets there are, and which group draws from which: learned from the limits shown.
 */
#include "core/pacer_pool.h"

#include "core/pacer_numbers.h"

#include <string.h>

#define TOKEN       ONRAMP_TOKEN
#define FLIGHT_MAX  ONRAMP_FLIGHT_MAX
#define BUCKETS_MAX ONRAMP_BUCKETS_MAX
#define TELLING     4        /* tokens: of smaller buckets no answer tells which of two it speaks of */
#define LIMIT_MAX   10000000 /* tokens; two thousand times the largest plan */

bool onramp_pacer_shows_limit(const struct onramp_signal *s)
{
    return s->has_limit && s->limit > 0 && s->limit <= LIMIT_MAX && s->remaining <= s->limit;
}

bool onramp_pacer_is_in_front(const struct onramp_pacer *p, const struct onramp_belief *b, enum onramp_group group)
{
    bool smaller = false;
    for (int i = 0; i < BUCKETS_MAX && group == ONRAMP_GROUP_MEMBERS; i++)
        smaller = smaller || (p->bucket[i].groups[group] && p->bucket[i].size > 0 && p->bucket[i].size < b->size);
    return smaller;
}

bool onramp_pacer_is_bare(const struct onramp_pacer *p, enum onramp_group group)
{
    return p->bare[group] >= ONRAMP_BARE;
}

bool onramp_pacer_draws(const struct onramp_pacer *p, enum onramp_group group, const struct onramp_belief *b)
{
    bool shows = p->heard[group] && !onramp_pacer_is_bare(p, group);
    return b->size > 0 && (b->groups[group] || !shows || onramp_pacer_is_in_front(p, b, group));
}

struct onramp_belief *onramp_pacer_find(struct onramp_pacer *p, uint32_t size, enum onramp_group group)
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

void onramp_pacer_leave(struct onramp_pacer *p, struct onramp_belief *b)
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
        if ((p->flight[i].used || i == ticket) && onramp_pacer_draws(p, p->flight[i].group, b) &&
            !onramp_belief_has(b, i)) {
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

struct onramp_belief *onramp_pacer_join(struct onramp_pacer *p, struct onramp_belief *b, uint32_t size,
                                        enum onramp_group group, uint32_t ticket, onramp_time now)
{
    if (b != NULL && b->groups[group])
        return b;
    bool fresh = b == NULL;
    if (fresh) {
        b = stalest(p);
        onramp_pacer_leave(p, b);
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

bool onramp_pacer_worth_asking(const struct onramp_pacer *p, enum onramp_group group, onramp_time now)
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

struct onramp_belief *onramp_pacer_shown_by(struct onramp_pacer *p, uint32_t ticket, const struct onramp_signal *s,
                                            onramp_time now)
{
    enum onramp_group group = p->flight[ticket].group;
    struct onramp_belief *b = onramp_pacer_find(p, s->limit, group);
    enum whose which = b != NULL ? whose(p, b, group, s->remaining, now) : SAME;
    if (which == UNDECIDED && !p->heard[group]) {
        p->undecided[group]++;
        return NULL;
    }
    if (which == ANOTHER)
        split(p, b, group, now);
    return onramp_pacer_join(p, which == ANOTHER ? NULL : b, s->limit, group, ticket, now);
}
