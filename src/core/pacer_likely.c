/*
 * pacer_likely.c - the best guess about one bucket: what it likely holds, and how much of that is worth keeping.
 */
#include "core/pacer_likely.h"

#include "core/pacer_numbers.h"

#define TOKEN   ONRAMP_TOKEN
#define TINY    ONRAMP_TINY
#define ENOUGH  (3 * ONRAMP_SECOND) /* Auth0's slowest documented refill is a token in 1.2 s */
#define ASKING  (150 * ONRAMP_MILLISECOND)
#define IDLE    7 /* seconds; all of Auth0's documented plans fill their bucket in less, if it drips */
#define SETTLED (6 * ONRAMP_SECOND)
#define UNSEEN  (20 * ONRAMP_SECOND) /* others may have drawn for so long before any answer shows it */
#define SPARED  7 /* tokens: steady rivals at half the refill need more at once in one of ten thousand times */

/* As documented plans are, until the answers know better: 10 tokens fill at 2 a second, 50 at 16, 250 within one. */
int64_t onramp_likely_rate(const struct onramp_belief *b, onramp_time now)
{
    int64_t slow, fast, rate, guess = b->size * TOKEN;
    if (!onramp_belief_rates(b, 0, &slow, &fast)) {
        onramp_span window = onramp_belief_rates(b, ONRAMP_SECOND, &slow, &fast) ? ONRAMP_SECOND : ONRAMP_MINUTE;
        (void)onramp_belief_rates(b, window, &slow, &fast);
        slow = slow / (window / ONRAMP_SECOND);
        fast = fast / (window / ONRAMP_SECOND);
    }
    if (b->size >= TINY && b->size < 200)
        guess = b->size < 15 ? guess / 5 : guess / 3;
    rate = fast > slow + slow / 2 ? min(max(guess, slow + slow / 20), fast - fast / 20) : (slow + fast) / 2;
    if (now < b->shared_until && b->net > 0 && b->size >= TINY)
        rate = min(rate, max(b->net, rate / 10));
    return max(rate, ONRAMP_SLOWEST / 2);
}

int64_t onramp_likely_margin(const struct onramp_belief *b, onramp_time now)
{
    if (now >= b->shared_until || b->size < TINY)
        return 0;
    int part = b->others.unexplained > 1 ? 6 : 16; /* a limit that was changed looks like others, but only once */
    return TOKEN + b->size * TOKEN / part;
}

void onramp_likely_announced(struct onramp_belief *b, onramp_span away, uint32_t remaining)
{
    int64_t missing = (int64_t)b->size - remaining;
    b->far = (away - 2 * ONRAMP_SECOND) * b->size > missing * IDLE * ONRAMP_SECOND; /* Date and reset: whole seconds */
}

int64_t onramp_likely_stand(const struct onramp_belief *b, onramp_time now)
{
    int64_t half = (b->size - 1) * TOKEN / 2, slow, fast, helping;
    int64_t most = max(half, min(b->size - 3, SPARED) * TOKEN);
    bool minutes = onramp_belief_rates(b, ONRAMP_MINUTE, &helping, &fast);
    bool dripping = onramp_belief_rates(b, 0, &slow, &fast);
    bool seconds = onramp_belief_rates(b, ONRAMP_SECOND, &slow, &fast);
    if (now < b->shared_until)
        return b->size < TINY ? 2 * half : most;
    if (minutes && b->far && b->size >= TINY)
        return 0; /* likely a helping a minute: what is left at its edge costs a part of one */
    if (dripping && b->size < TINY) /* while its kind is not known, take from a full one only */
        return seconds ? 2 * half : half;
    if (dripping)
        return now - b->opened_at < UNSEEN ? most : half;
    /* Room for the next helping, and for one twice as large as was seen to be shown. Not for all that are possible:
     * where others draw from a drip, windows often explain the answers for a while, and there the half is theirs. */
    int64_t room = max(0, min(half, (b->size - 1) * TOKEN - 2 * (seconds ? slow : helping)));
    /* One is left to ask after the next second's edge, or else it would take a minute to know that it was one. */
    return seconds && minutes && b->size >= TINY ? max(room, TOKEN) : room;
}

/* The interval of the hypothesis next to the best estimate of the rate, halved. */
static int64_t likely_content(const struct onramp_belief *b, int64_t rate, onramp_time now)
{
    struct onramp_guess g = {.slow = rate, .fast = rate, .low = b->proof.low, .high = b->proof.high};
    int64_t best = INT64_MAX;
    for (uint32_t i = 0; i < b->guesses && now >= b->shared_until; i++) {
        const struct onramp_guess *o = &b->guess[i];
        int64_t distance = o->slow > rate ? o->slow - rate : o->fast < rate ? rate - o->fast : 0;
        if (o->window > 0 || distance >= best)
            continue;
        best = distance;
        g.low = o->low;
        g.high = o->high;
    }
    /* Where others draw, what is not proven is rather theirs. */
    g.low = g.high = now < b->shared_until ? min(g.low + TOKEN / 2, g.high) : (g.low + g.high) / 2;
    return min(onramp_belief_supply(b, &g, ONRAMP_HIGH, now) - onramp_belief_takes(b), b->size * TOKEN);
}

/* When better to ask than to keep a reserve: whoever waits much longer than a token takes does not know the refill. */
static onramp_time ask_at(const struct onramp_belief *b, int64_t rate, onramp_time now)
{
    int64_t slow, fast;
    bool seconds = onramp_belief_rates(b, ONRAMP_SECOND, &slow, &fast);
    bool dripping = onramp_belief_rates(b, 0, &slow, &fast) && fast * IDLE >= b->size * TOKEN;
    /* Hardly a drip, so windows: where their edge lies is worth a token each time, while there are some for others. */
    if (seconds && !dripping && now >= b->shared_until && b->proof.low >= onramp_belief_takes(b) + 5 * TOKEN)
        return b->sent_at + ASKING;
    return b->sent_at + min(max(2 * ONRAMP_SECOND, 1500 * ONRAMP_SECOND / max(1, rate / 1000)), ENOUGH);
}

/* When windows of a second, if they are what is true, will have brought it. */
static onramp_time brings(const struct onramp_belief *b, int64_t need, onramp_time now)
{
    onramp_time at = now;
    for (uint32_t i = 0; i < b->guesses; i++) {
        const struct onramp_guess *g = &b->guess[i];
        if (g->window == ONRAMP_SECOND && onramp_window_grown(b, g, ONRAMP_LOW, now) < need)
            at = max(at, onramp_window_when(b, g, need));
    }
    return at;
}

/* Most of what left at once upon the first answer is still on the wire. Somebody else may have begun at the same time,
 * and only these answers will show it. */
static bool is_opening(const struct onramp_belief *b)
{
    uint32_t flying = 0;
    for (uint32_t i = 0; i < b->takes && b->take[i].sent_at <= b->opened_at; i++)
        flying += b->take[i].state == ONRAMP_TAKE_FLYING;
    return flying > b->size / 8 && b->size >= TINY;
}

static onramp_time reaches(const struct onramp_belief *b, int64_t stand, onramp_time now)
{
    int64_t slow, fast;
    bool dripping = onramp_belief_rates(b, 0, &slow, &fast);
    if (!dripping && onramp_belief_rates(b, ONRAMP_SECOND, &slow, &fast) && now >= b->shared_until)
        return brings(b, onramp_belief_takes(b) + TOKEN + stand, now);
    if (is_opening(b))
        return b->proof.low - onramp_belief_takes(b) - TOKEN >= stand ? now : ONRAMP_NEVER;
    int64_t rate = onramp_likely_rate(b, now), content = likely_content(b, rate, now);
    if (content - TOKEN >= stand)
        return now;
    return now + (stand + TOKEN - content) * 1000 / max(1, rate / 1000) * 1000 + 100 * ONRAMP_MICROSECOND;
}

onramp_time onramp_likely_when(const struct onramp_belief *b, int64_t stand, onramp_time now)
{
    /* Windows that could not be refuted by now are likely, and what is left at an edge is wasted. From an empty bucket
     * on, a drip and a window differ at the next edge, while both would have filled one from which was taken rarely. */
    int64_t slow, fast;
    bool drain = b->size < TINY && now - b->begun_at > SETTLED && onramp_belief_rates(b, ONRAMP_SECOND, &slow, &fast);
    onramp_time at = reaches(b, stand, now);
    return at <= now || drain ? now : min(ask_at(b, onramp_likely_rate(b, now), now), at);
}

onramp_time onramp_likely_due(const struct onramp_belief *b, int64_t stand, onramp_time now)
{
    return now < b->shared_until && b->size >= TINY && b->others.unexplained > 1 ? reaches(b, stand, now)
                                                                                 : ONRAMP_NEVER;
}
