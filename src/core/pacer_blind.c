/*
 * pacer_blind.c - search the rate between two refusals, then stay just under it.
 */
#include "core/pacer_blind.h"

#define TOKEN   INT64_C(1000000)
#define SLOWEST (TOKEN / 20)
#define FASTEST (1000 * TOKEN)

static int64_t within(int64_t low, int64_t x, int64_t high)
{
    return x < low ? low : x > high ? high : x;
}

void onramp_blind_begin(struct onramp_blind *blind, int64_t rate, uint32_t hidden, onramp_time now)
{
    *blind = (struct onramp_blind){.on = true, .rate = within(SLOWEST, rate, FASTEST), .hidden = hidden};
    blind->next_at = blind->grown_at = now;
    blind->empty_at = now - ONRAMP_MINUTE;
}

void onramp_blind_sent(struct onramp_blind *blind, onramp_time now)
{
    onramp_time due = blind->next_at > now - ONRAMP_SECOND / 20 ? blind->next_at : now - ONRAMP_SECOND / 20;
    blind->next_at = due + ONRAMP_SECOND * 1000 / (blind->rate / 1000);
}

void onramp_blind_taken(struct onramp_blind *blind, onramp_time now)
{
    blind->taken++;
    onramp_span since = within(0, now - blind->grown_at, ONRAMP_SECOND) / ONRAMP_MILLISECOND;
    int64_t per_mille = blind->measured ? 2 : blind->refusals > 0 ? 30 : 320; /* a second */
    blind->rate = within(SLOWEST, blind->rate + blind->rate * per_mille / 1000 * since / 1000, FASTEST);
    blind->grown_at = now;
}

void onramp_blind_refused(struct onramp_blind *blind, onramp_time sent_at, onramp_time now)
{
    if (sent_at <= blind->empty_at)
        return; /* it left before the refusal that is known was heard: the same emptiness */
    onramp_span between = (now - blind->empty_at) / ONRAMP_MILLISECOND;
    if (blind->refusals > 0 && blind->taken >= 3) {
        int64_t refill = blind->taken * TOKEN * 1000 / between;
        blind->rate = within(SLOWEST, (refill < blind->rate ? refill : blind->rate) * 95 / 100, FASTEST);
        blind->measured = true;
    } else if (blind->refusals > 0 ||
               blind->hidden == 0) { /* the refusal that shows a hidden bucket came with a guess */
        blind->rate = within(SLOWEST, blind->rate / 2, FASTEST);
    }
    blind->refusals++;
    blind->empty_at = now;
    blind->taken = 0;
}
