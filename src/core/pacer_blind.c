/*
 * pacer_blind.c - search the rate between two refusals, then stay just under it.
 */
#include "core/pacer_blind.h"

#include "core/pacer_numbers.h"

#define TOKEN   INT64_C(1000000)
#define SLOWEST (TOKEN / 20)
#define FASTEST (1000 * TOKEN)
/* By so many thousandths a second the pace rises: while nothing was refused, after the first refusal where a bucket's
 * size is known and where it is not, and after a measure over one token, which is the less sure the fewer they were. */
#define UNKNOWN    320
#define FOUND      50
#define FOUND_BARE 120
#define MEASURE    40
/* Where a bucket's size is not known: so many at once besides those that are refilled meanwhile, or one for so many
 * answers. So long an empty bucket takes to fill, going by the plans; a small one so long for each token. */
#define FLIGHT     6
#define EACH       25
#define FILLS      (4 * ONRAMP_SECOND)
#define FILLS_EACH (ONRAMP_SECOND / 2)
/* What should have left within so long is made up for; after a refusal within longer, since the pause has refilled it,
 * unless it holds so few tokens that it ran over. */
#define LATE       (50 * ONRAMP_MILLISECOND)
#define LATE_PAUSE (450 * ONRAMP_MILLISECOND)
#define TINY       8
#define PAUSE      ONRAMP_SECOND /* at least, after a refusal */

static int64_t within(int64_t low, int64_t x, int64_t high)
{
    return x < low ? low : x > high ? high : x;
}

void onramp_blind_begin(struct onramp_blind *blind, int64_t rate, uint32_t hidden, onramp_time now)
{
    *blind = (struct onramp_blind){
        .on = true, .rate = within(SLOWEST, rate, FASTEST), .rise = UNKNOWN, .late = LATE, .hidden = hidden};
    blind->next_at = blind->grown_at = blind->begun_at = now;
    blind->empty_at = blind->heard_at = now - ONRAMP_MINUTE;
}

/* What is refilled a second, if a full bucket was empty after so many. */
static int64_t likely(const struct onramp_blind *blind, int64_t taken, onramp_time at)
{
    onramp_span fills = min(FILLS, taken * FILLS_EACH) + max(0, at - blind->begun_at);
    return within(SLOWEST, taken * TOKEN * 1000 / (fills / ONRAMP_MILLISECOND), FASTEST);
}

/* The pace goes beyond the refill before a refusal tells, and whatever is on the wire by then is refused as well, but
 * for what is refilled meanwhile. */
int64_t onramp_blind_most(const struct onramp_blind *blind, onramp_span rtt, onramp_time now)
{
    if (blind->hidden > 0)
        return INT64_MAX;
    int64_t refilled = likely(blind, blind->answered + 1, now) / 1000 * (rtt / ONRAMP_MILLISECOND) / TOKEN;
    return FLIGHT + max(blind->answered / EACH, refilled);
}

void onramp_blind_sent(struct onramp_blind *blind, onramp_time now)
{
    blind->next_at = max(blind->next_at, now - blind->late) + ONRAMP_SECOND * 1000 / (blind->rate / 1000);
}

void onramp_blind_taken(struct onramp_blind *blind, onramp_time sent_at, onramp_time now)
{
    blind->answered++;
    blind->taken += sent_at > blind->empty_at;
    onramp_span since = within(0, now - blind->grown_at, ONRAMP_SECOND) / ONRAMP_MILLISECOND;
    blind->rate = within(SLOWEST, blind->rate + blind->rate / 1000 * blind->rise * since / 1000, FASTEST);
    blind->grown_at = now;
    if (blind->hidden > 0 && blind->rate / 4 > blind->hidden * TOKEN)
        blind->on = false; /* it would be full within a quarter of a second: none is there */
}

/* The first refusal tells little. */
static void guess(struct onramp_blind *blind, int64_t flying, onramp_time sent_at)
{
    int64_t taken = blind->answered + 1 + flying;
    bool tiny = (blind->hidden > 0 ? blind->hidden : taken) < TINY;
    if (blind->hidden == 0)
        blind->rate = likely(blind, taken, sent_at);
    else if (blind->answered > 0)
        blind->rate = within(SLOWEST, blind->rate / 3, FASTEST); /* what was begun with was no measure of it */
    blind->rise = blind->hidden > 0 ? FOUND : FOUND_BARE;
    blind->late = tiny ? LATE : LATE_PAUSE;
    blind->doubt = blind->hidden > 0 ? 0 : tiny ? 2 : 1;
}

/* So many were taken between two refusals: what was refilled, to within a token. A bucket of unknown size may have been
 * full for a while and run over, so the measure is too low; the fewer it spans, the more of the pace is kept. */
static void measure(struct onramp_blind *blind, int64_t taken, onramp_span between)
{
    int64_t refill = (taken * TOKEN - TOKEN / 2) * 1000 / (between / ONRAMP_MILLISECOND);
    int64_t missing = (blind->rate - refill) * blind->doubt / (blind->doubt + taken);
    blind->rate = within(SLOWEST, refill < blind->rate ? refill + missing : blind->rate, FASTEST);
    blind->rise = (MEASURE + taken - 1) / taken;
}

void onramp_blind_refused(struct onramp_blind *blind, onramp_time sent_at, int64_t flying, onramp_span rtt,
                          onramp_time now)
{
    int64_t taken = blind->taken + flying;
    onramp_time came_at = max(sent_at, now - rtt); /* it may have been held up on its way */
    onramp_span between = came_at - blind->empty_at;
    bool same = sent_at <= blind->heard_at; /* it left before the refusal that is known was heard */
    if (came_at > blind->empty_at) {
        blind->empty_at = came_at;
        blind->taken = 0;
    }
    if (same)
        return;
    if (blind->refusals++ == 0)
        guess(blind, flying, sent_at);
    else if (taken > 0 && between >= PAUSE) /* less only where one was held up */
        measure(blind, taken, between);
    blind->heard_at = now;
}
