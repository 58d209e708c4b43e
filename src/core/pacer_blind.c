/*
 * pacer_blind.c - search the rate between two refusals, then stay just under it.
 */
#include "core/pacer_blind.h"

#define TOKEN   INT64_C(1000000)
#define SLOWEST (TOKEN / 20)
#define FASTEST (1000 * TOKEN)
/* By so many thousandths a second the pace rises: while nothing was refused, after the first refusal, and after a
 * measure over one token, which is the less sure the fewer they were. */
#define UNKNOWN 320
#define FOUND   50
#define MEASURE 40

static int64_t within(int64_t low, int64_t x, int64_t high)
{
    return x < low ? low : x > high ? high : x;
}

void onramp_blind_begin(struct onramp_blind *blind, int64_t rate, uint32_t hidden, onramp_time now)
{
    *blind =
        (struct onramp_blind){.on = true, .rate = within(SLOWEST, rate, FASTEST), .rise = UNKNOWN, .hidden = hidden};
    blind->next_at = blind->grown_at = now;
    blind->empty_at = blind->heard_at = now - ONRAMP_MINUTE;
}

/* The pace goes beyond the refill before a refusal tells, and whatever is on the wire by then is refused as well. The
 * more have been answered, the larger a bucket, and a flight, are likely. */
int64_t onramp_blind_most(const struct onramp_blind *blind)
{
    return blind->hidden > 0 ? INT64_MAX : 5 + blind->answered / 20;
}

void onramp_blind_sent(struct onramp_blind *blind, onramp_time now)
{
    onramp_time due = blind->next_at > now - ONRAMP_SECOND / 20 ? blind->next_at : now - ONRAMP_SECOND / 20;
    blind->next_at = due + ONRAMP_SECOND * 1000 / (blind->rate / 1000);
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

void onramp_blind_refused(struct onramp_blind *blind, onramp_time sent_at, int64_t flying, onramp_time now)
{
    int64_t taken = blind->taken + flying;
    onramp_span between = (sent_at - blind->empty_at) / ONRAMP_MILLISECOND;
    bool same = sent_at <= blind->heard_at; /* it left before the refusal that is known was heard */
    if (sent_at > blind->empty_at) {
        blind->empty_at = sent_at;
        blind->taken = 0;
    }
    if (same)
        return;
    if (blind->refusals > 0 && taken > 1) {
        int64_t refill = (taken * TOKEN - TOKEN / 2) * 1000 / between;
        /* One of unknown size may have been full for a while, ran over, and the measure is too low. */
        int64_t missing = blind->hidden > 0 ? 0 : (blind->rate - refill) / (2 + blind->refusals);
        blind->rate = within(SLOWEST, refill < blind->rate ? refill + missing : blind->rate, FASTEST);
        blind->rise = (MEASURE + taken - 1) / taken;
    } else {
        bool guessed = blind->hidden > 0 && blind->answered == 0 && blind->refusals == 0;
        blind->rate = within(SLOWEST, guessed ? blind->rate : blind->rate / 3, FASTEST);
        blind->rise = FOUND;
    }
    blind->refusals++;
    blind->heard_at = now;
}
