/*
 * The pacer's promises, one by one, on answers made by hand. How fast it is, the laboratory shows.
 */
#include "core/bucket.h"
#include "core/pacer_blind.h"
#include "core/pacer_others.h"
#include "core/rng.h"
#include "onramp/pacer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MS ONRAMP_MILLISECOND

static const struct onramp_pacer_settings plain = {.concurrency = 64};

static struct onramp_pacer *made(struct onramp_pacer_settings settings)
{
    struct onramp_pacer *p = NULL;
    assert_int_equal(onramp_pacer_new(&p, &settings, 0, NULL), ONRAMP_OK);
    return p;
}

static struct onramp_signal taken(uint32_t limit, uint32_t remaining)
{
    return (struct onramp_signal){
        .kind = ONRAMP_SIGNAL_TAKEN, .has_limit = true, .limit = limit, .remaining = remaining};
}

static bool may(struct onramp_pacer *p, enum onramp_group group, onramp_time now)
{
    return onramp_pacer_when(p, group, 1, now) <= now;
}

static uint32_t send(struct onramp_pacer *p, enum onramp_group group, onramp_time now)
{
    assert_true(may(p, group, now));
    return onramp_pacer_sent(p, group, now);
}

/* One request, answered after 100 ms: `remaining` of `limit` are left. Returns the instant of the answer. */
static onramp_time ask(struct onramp_pacer *p, enum onramp_group group, uint32_t limit, uint32_t remaining,
                       onramp_time now)
{
    struct onramp_signal s = taken(limit, remaining);
    onramp_pacer_answered(p, send(p, group, now), &s, now + 100 * MS);
    return now + 100 * MS;
}

/* Sends as many as may leave at once; their tickets go to `tickets`. */
static uint32_t burst(struct onramp_pacer *p, onramp_time now, uint64_t left, uint32_t *tickets)
{
    uint32_t n = 0;
    while (onramp_pacer_when(p, ONRAMP_GROUP_CREATE, left - n, now) <= now)
        tickets[n++] = onramp_pacer_sent(p, ONRAMP_GROUP_CREATE, now);
    return n;
}

static void refuses_settings_out_of_range(void **state)
{
    (void)state;
    struct onramp_pacer *p = NULL;
    struct onramp_error err;
    struct onramp_pacer_settings none = {.concurrency = 0}, many = {.concurrency = 257},
                                 greedy = {.concurrency = 1, .reserve_percent = 91},
                                 odd = {.concurrency = 1, .ceiling = {1, 2 * 3600 * ONRAMP_SECOND}};
    assert_int_equal(onramp_pacer_new(&p, &none, 0, &err), ONRAMP_EUSAGE);
    assert_string_equal(err.text, "concurrency is 0, not 1..256");
    assert_int_equal(onramp_pacer_new(&p, &many, 0, &err), ONRAMP_EUSAGE);
    assert_int_equal(onramp_pacer_new(&p, &greedy, 0, &err), ONRAMP_EUSAGE);
    assert_int_equal(onramp_pacer_new(&p, &odd, 0, &err), ONRAMP_EUSAGE);
    assert_null(p);
    onramp_pacer_free(NULL);
}

static void sends_the_first_request_alone(void **state)
{
    (void)state;
    struct onramp_pacer *p = made(plain);
    send(p, ONRAMP_GROUP_CREATE, 0);
    assert_int_equal(onramp_pacer_when(p, ONRAMP_GROUP_CREATE, 10, 0), ONRAMP_NEVER);
    assert_string_equal(onramp_pacer_reason(p), "waits for an answer: the first answer is awaited");
    onramp_pacer_free(p);
}

static void counts_requests_on_the_wire_as_taken(void **state)
{
    (void)state;
    struct onramp_pacer *p = made(plain);
    onramp_time now = ask(p, ONRAMP_GROUP_CREATE, 50, 3, 0);
    uint32_t tickets[64];
    assert_int_equal(burst(p, now, 3, tickets), 3);
    assert_true(onramp_pacer_when(p, ONRAMP_GROUP_CREATE, 1, now) > now);
    onramp_pacer_free(p);
}

static void never_exceeds_the_concurrency(void **state)
{
    (void)state;
    struct onramp_pacer *p = made((struct onramp_pacer_settings){.concurrency = 5});
    onramp_time now = ask(p, ONRAMP_GROUP_CREATE, 5000, 4999, 0);
    uint32_t tickets[64];
    assert_int_equal(burst(p, now, 1000, tickets), 5);
    assert_int_equal(onramp_pacer_when(p, ONRAMP_GROUP_CREATE, 1000, now), ONRAMP_NEVER);
    onramp_pacer_free(p);
}

static void leaves_the_reserve(void **state)
{
    (void)state;
    struct onramp_pacer *p = made((struct onramp_pacer_settings){.concurrency = 64, .reserve_percent = 20});
    onramp_time now = ask(p, ONRAMP_GROUP_CREATE, 50, 13, 0);
    uint32_t tickets[64];
    assert_int_equal(burst(p, now, 3, tickets), 3); /* 13 - 3 = 20 % of 50 */
    onramp_pacer_free(p);

    p = made((struct onramp_pacer_settings){.concurrency = 64, .reserve_percent = 20, .reserve_tokens = 12});
    now = ask(p, ONRAMP_GROUP_CREATE, 50, 13, 0);
    assert_int_equal(burst(p, now, 3, tickets), 1); /* whichever is more */
    onramp_pacer_free(p);
}

static void keeps_a_working_reserve_until_the_last_requests(void **state)
{
    (void)state;
    uint32_t tickets[64];
    struct onramp_pacer *p = made(plain);
    onramp_time now = ask(p, ONRAMP_GROUP_CREATE, 50, 49, 0);
    uint32_t early = burst(p, now, 1000, tickets);
    assert_in_range(early, 20, 30); /* about half the bucket stays */
    onramp_pacer_free(p);

    p = made(plain);
    now = ask(p, ONRAMP_GROUP_CREATE, 50, 49, 0);
    assert_int_equal(burst(p, now, 49, tickets), 49); /* nothing to come: nothing to keep */
    onramp_pacer_free(p);
}

/* Others may have drawn from the first before any answer shows it. */
static void spares_a_small_bucket_as_if_others_drew_for_a_while(void **state)
{
    (void)state;
    uint32_t tickets[64];
    struct onramp_pacer *p = made(plain);
    onramp_time now = ask(p, ONRAMP_GROUP_CREATE, 10, 9, 0);
    assert_int_equal(burst(p, now, 1000, tickets), 2);
    onramp_pacer_free(p);
}

static void takes_the_smallest_remaining_that_may_be_the_latest(void **state)
{
    (void)state;
    struct onramp_pacer *p = made(plain);
    onramp_time now = ask(p, ONRAMP_GROUP_CREATE, 50, 10, 0);
    uint32_t first = send(p, ONRAMP_GROUP_CREATE, now), second = send(p, ONRAMP_GROUP_CREATE, now);
    struct onramp_signal s = taken(50, 8), late = taken(50, 9);
    onramp_pacer_answered(p, second, &s, now + 100 * MS);
    onramp_pacer_answered(p, first, &late, now + 105 * MS); /* it was the earlier one, whatever it says */
    uint32_t tickets[64];
    assert_int_equal(burst(p, now + 105 * MS, 8, tickets), 8);
    assert_true(onramp_pacer_when(p, ONRAMP_GROUP_CREATE, 1, now + 105 * MS) > now + 105 * MS);
    onramp_pacer_free(p);
}

static void holds_the_whole_pool_after_a_429(void **state)
{
    (void)state;
    struct onramp_pacer *p = made(plain);
    onramp_time now = ask(p, ONRAMP_GROUP_READ, 40, 30, ask(p, ONRAMP_GROUP_CREATE, 50, 40, 0));
    struct onramp_signal refusal = {.kind = ONRAMP_SIGNAL_REFUSED};
    onramp_pacer_answered(p, send(p, ONRAMP_GROUP_CREATE, now), &refusal, now + 50 * MS);
    now += 50 * MS;
    assert_true(onramp_pacer_when(p, ONRAMP_GROUP_READ, 1, now) >= now + ONRAMP_SECOND);
    assert_true(onramp_pacer_when(p, ONRAMP_GROUP_CREATE, 1, now) >= now + ONRAMP_SECOND);
    struct onramp_pacer_view v;
    onramp_pacer_view(p, now, &v);
    assert_int_equal(v.throttled, 1);
    assert_true(v.paused_until >= now + ONRAMP_SECOND);
    onramp_pacer_free(p);
}

static void waits_as_long_as_retry_after_says(void **state)
{
    (void)state;
    struct onramp_pacer *p = made(plain);
    struct onramp_signal refusal = {
        .kind = ONRAMP_SIGNAL_REFUSED, .has_retry_after = true, .retry_after = 7 * ONRAMP_SECOND};
    onramp_pacer_answered(p, send(p, ONRAMP_GROUP_CREATE, 0), &refusal, 0);
    assert_int_equal(onramp_pacer_when(p, ONRAMP_GROUP_CREATE, 1, 1), 7 * ONRAMP_SECOND);
    assert_string_equal(onramp_pacer_reason(p), "waits 7.00 s: a 429 holds all");
    onramp_pacer_free(p);
}

static void learns_nothing_of_a_bucket_from_an_edge(void **state)
{
    (void)state;
    struct onramp_pacer *p = made(plain);
    onramp_time now = ask(p, ONRAMP_GROUP_CREATE, 50, 40, 0);
    struct onramp_signal refusal = {.kind = ONRAMP_SIGNAL_REFUSED, .edge = true};
    onramp_pacer_answered(p, send(p, ONRAMP_GROUP_CREATE, now), &refusal, now);
    uint32_t tickets[64];
    assert_int_equal(burst(p, now, 40, tickets), 0);                  /* a pause … */
    assert_int_equal(burst(p, now + ONRAMP_SECOND, 40, tickets), 40); /* … after which all is as it was */
    onramp_pacer_free(p);
}

static void gives_a_token_back_that_was_not_taken(void **state)
{
    (void)state;
    struct onramp_pacer *p = made(plain);
    onramp_time now = ask(p, ONRAMP_GROUP_CREATE, 50, 1, 0);
    uint32_t ticket = send(p, ONRAMP_GROUP_CREATE, now);
    assert_false(may(p, ONRAMP_GROUP_CREATE, now));
    struct onramp_signal unsent = {.kind = ONRAMP_SIGNAL_UNSENT};
    onramp_pacer_answered(p, ticket, &unsent, now);
    assert_true(onramp_pacer_when(p, ONRAMP_GROUP_CREATE, 1, now) <= now);
    onramp_pacer_free(p);
}

static void keeps_counting_a_token_that_may_have_been_taken(void **state)
{
    (void)state;
    struct onramp_pacer *p = made(plain);
    onramp_time now = ask(p, ONRAMP_GROUP_CREATE, 50, 1, 0);
    uint32_t ticket = send(p, ONRAMP_GROUP_CREATE, now);
    struct onramp_signal lost = {.kind = ONRAMP_SIGNAL_UNSURE};
    onramp_pacer_answered(p, ticket, &lost, now);
    assert_true(onramp_pacer_when(p, ONRAMP_GROUP_CREATE, 1, now) > now);
    onramp_pacer_free(p);
}

static void draws_each_group_from_the_bucket_it_has_shown(void **state)
{
    (void)state;
    struct onramp_pacer *p = made(plain);
    onramp_time now = ask(p, ONRAMP_GROUP_CREATE, 20, 0, ask(p, ONRAMP_GROUP_READ, 40, 39, 0));
    assert_true(onramp_pacer_when(p, ONRAMP_GROUP_CREATE, 1, now) > now);
    assert_true(may(p, ONRAMP_GROUP_READ, now));
    onramp_pacer_free(p);
}

static void counts_groups_with_the_same_limit_as_one_bucket(void **state)
{
    (void)state;
    struct onramp_pacer *p = made(plain);
    onramp_time now = ask(p, ONRAMP_GROUP_READ, 50, 2, ask(p, ONRAMP_GROUP_CREATE, 50, 3, 0));
    (void)onramp_pacer_sent(p, ONRAMP_GROUP_READ, now);
    assert_true(onramp_pacer_when(p, ONRAMP_GROUP_CREATE, 1, now) <= now);
    (void)onramp_pacer_sent(p, ONRAMP_GROUP_READ, now);
    assert_true(onramp_pacer_when(p, ONRAMP_GROUP_CREATE, 1, now) > now);
    onramp_pacer_free(p);
}

static void counts_a_group_that_has_shown_nothing_against_all(void **state)
{
    (void)state;
    struct onramp_pacer *p = made(plain);
    onramp_time now = ask(p, ONRAMP_GROUP_CREATE, 50, 1, 0);
    assert_true(onramp_pacer_when(p, ONRAMP_GROUP_READ, 1, now) <= now);
    (void)onramp_pacer_sent(p, ONRAMP_GROUP_READ, now);
    assert_true(onramp_pacer_when(p, ONRAMP_GROUP_CREATE, 1, now) > now);
    onramp_pacer_free(p);
}

static void tells_two_buckets_of_one_size_apart_by_what_is_left_in_them(void **state)
{
    (void)state;
    const uint64_t ahead[ONRAMP_GROUPS] = {[ONRAMP_GROUP_CREATE] = 100};
    for (int apart = 0; apart <= 1; apart++) {
        struct onramp_pacer *p = made(plain);
        /* Before creates have shown their bucket nothing could be told. */
        assert_true(onramp_pacer_when_behind(p, ONRAMP_GROUP_MEMBERS, 10, ahead, 0) > 0);
        onramp_time now = 0;
        double level = 20;
        for (int i = 0; i < 40; i++) { /* 20 @ 200/min: drawn down, then at its own pace */
            onramp_span idle = i < 20 ? 0 : 200 * MS;
            now = ask(p, ONRAMP_GROUP_CREATE, 20, (uint32_t)(level - 1), now + idle);
            level += -1 + (double)(100 * MS + (i < 19 ? 0 : 200 * MS)) / (double)(300 * MS);
        }
        uint32_t left = (uint32_t)(level - 1);
        assert_true(onramp_pacer_when_behind(p, ONRAMP_GROUP_MEMBERS, 10, ahead, now) <= now);
        uint32_t ticket = onramp_pacer_sent(p, ONRAMP_GROUP_MEMBERS, now), creates = 0;
        struct onramp_signal s = taken(20, apart ? 19 : left);
        onramp_pacer_answered(p, ticket, &s, now += 100 * MS);
        onramp_time when = onramp_pacer_when_behind(p, ONRAMP_GROUP_MEMBERS, 10, ahead, now);
        assert_int_equal(apart, when <= now); /* in one bucket creates go first */
        for (; may(p, ONRAMP_GROUP_CREATE, now); creates++)
            (void)onramp_pacer_sent(p, ONRAMP_GROUP_CREATE, now);
        assert_in_range(creates, left - 1, left + 1);
        onramp_pacer_free(p);
    }
}

/* How many of the 19 that are left leave at once, if the reset is announced for so many seconds later? */
static int go_at_once(int64_t reset)
{
    struct onramp_pacer *p = made(plain);
    struct onramp_signal s = taken(20, 19);
    s.has_reset = s.has_date = true;
    s.date = 1700000000;
    s.reset = s.date + reset;
    onramp_time now = 100 * MS;
    onramp_pacer_answered(p, send(p, ONRAMP_GROUP_CREATE, 0), &s, now);
    int gone = 0;
    for (; onramp_pacer_when(p, ONRAMP_GROUP_CREATE, 1000, now) <= now; gone++)
        (void)onramp_pacer_sent(p, ONRAMP_GROUP_CREATE, now);
    onramp_pacer_free(p);
    return gone;
}

static void keeps_nothing_back_if_the_reset_is_further_away_than_a_drip_needs(void **state)
{
    (void)state;
    assert_int_equal(go_at_once(3), 19); /* what is left at the edge of a minute is lost */
    assert_int_equal(go_at_once(60), 19);
    assert_in_range(go_at_once(2), 9, 12); /* both in whole seconds: one token may need as little as any */
    assert_in_range(go_at_once(-1000), 9, 12);
    assert_in_range(go_at_once(1000000), 9, 12); /* hardly a time */
}

/* Twenty tokens each second, at 0.95 s and so on, of which each answer comes back after 100 ms. When does the first one
 * arrive that finds what the second edge has brought? */
static onramp_time finds_the_second_edge(void)
{
    struct onramp_pacer *p = made(plain);
    onramp_time now = 0, arrives = 0;
    uint32_t left = 20, found = 0;
    for (onramp_time edge = 950 * MS; found < 2; now += 100 * MS) {
        onramp_time at = onramp_pacer_when(p, ONRAMP_GROUP_CREATE, 1000, now);
        now = at > now ? at : now;
        arrives = now + 50 * MS;
        for (; arrives >= edge; edge += ONRAMP_SECOND, found++)
            left = 20;
        uint32_t ticket[20], gone = 0;
        for (; onramp_pacer_when(p, ONRAMP_GROUP_CREATE, 1000, now) <= now; gone++)
            ticket[gone] = onramp_pacer_sent(p, ONRAMP_GROUP_CREATE, now);
        for (uint32_t i = 0; i < gone; i++) {
            assert_true(left > 0);
            struct onramp_signal s = taken(20, --left);
            onramp_pacer_answered(p, ticket[i], &s, now + 100 * MS);
        }
    }
    onramp_pacer_free(p);
    return arrives;
}

static void keeps_one_to_ask_whether_windows_are_of_a_second(void **state)
{
    (void)state;
    assert_in_range(finds_the_second_edge(), 1950 * MS, 2100 * MS);
}

/* 25 of 50 are left, and then one is refused. Nothing that explains the first guarantees anything any more, windows
 * whose edge may have come in between no more than others. */
static void believes_in_nothing_that_was_there_before_a_refusal(void **state)
{
    (void)state;
    struct onramp_pacer *p = made(plain);
    onramp_time now = ask(p, ONRAMP_GROUP_CREATE, 50, 49, 0);
    uint32_t ticket[24];
    for (int i = 0; i < 24; i++)
        ticket[i] = send(p, ONRAMP_GROUP_CREATE, now);
    for (uint32_t i = 0; i < 24; i++) {
        struct onramp_signal s = taken(50, 48 - i);
        onramp_pacer_answered(p, ticket[i], &s, now + 100 * MS);
    }
    now += 200 * MS;
    uint32_t last = send(p, ONRAMP_GROUP_CREATE, now);
    struct onramp_signal refused = taken(50, 0);
    refused.kind = ONRAMP_SIGNAL_REFUSED;
    onramp_pacer_answered(p, last, &refused, now += 100 * MS);
    struct onramp_pacer_view view;
    onramp_pacer_view(p, now, &view);
    assert_true(view.level_low <= 1);
    onramp_pacer_free(p);
}

/* What leaves at once upon the first answer leaves the half, and no estimate takes of that before these are answered:
 * somebody else may have begun at the same time. */
static void takes_no_more_than_the_half_before_it_is_answered(void **state)
{
    (void)state;
    struct onramp_pacer *p = made(plain);
    onramp_time now = ask(p, ONRAMP_GROUP_CREATE, 50, 49, 0);
    uint32_t ticket[50], gone = 0;
    for (; onramp_pacer_when(p, ONRAMP_GROUP_CREATE, 1000, now) <= now; gone++)
        ticket[gone] = onramp_pacer_sent(p, ONRAMP_GROUP_CREATE, now);
    assert_in_range(gone, 20, 26);
    assert_true(onramp_pacer_when(p, ONRAMP_GROUP_CREATE, 1000, now + 90 * MS) > now + ONRAMP_SECOND);
    now += 100 * MS;
    for (uint32_t i = 0; i < gone; i++) {
        struct onramp_signal s = taken(50, 48 - i);
        onramp_pacer_answered(p, ticket[i], &s, now);
    }
    assert_true(onramp_pacer_when(p, ONRAMP_GROUP_CREATE, 1000, now) < now + 500 * MS);
    onramp_pacer_free(p);
}

/* One refill that changed may leave the answers unexplained twice at once. That is no sign of others. */
static void takes_two_surprises_at_once_for_one(void **state)
{
    (void)state;
    struct onramp_others others;
    onramp_others_start(&others);
    onramp_others_unexplained(&others, ONRAMP_SECOND);
    onramp_others_unexplained(&others, 2 * ONRAMP_SECOND);
    assert_int_equal(others.unexplained, 1);
    onramp_others_unexplained(&others, 5 * ONRAMP_SECOND);
    assert_int_equal(others.unexplained, 2);
}

/* Supply rises by two, and then not for a second. That is no drip; windows would explain it, and so do others who draw
 * from one: the half is kept for as long as no edge has shown a larger helping. */
static void keeps_half_while_windows_have_shown_little(void **state)
{
    (void)state;
    static const uint32_t remaining[] = {19, 18, 19, 18, 17, 16, 15, 14, 13, 12, 11, 10};
    struct onramp_pacer *p = made(plain);
    onramp_time now = 0;
    for (size_t i = 0; i < sizeof remaining / sizeof remaining[0]; i++)
        now = ask(p, ONRAMP_GROUP_CREATE, 20, remaining[i], now);
    assert_true(onramp_pacer_when(p, ONRAMP_GROUP_CREATE, 1000, now) > now);
    assert_non_null(strstr(onramp_pacer_reason(p), "windows"));
    assert_non_null(strstr(onramp_pacer_reason(p), "keeping a reserve"));
    onramp_pacer_free(p);
}

/* Others take six tokens, and again six. What is there is kept for them, though it is proven; and the bucket is asked
 * when it is likely to hold more, not when it is announced to be full, in seven seconds. */
static void keeps_a_margin_for_others_by_estimate(void **state)
{
    (void)state;
    static const uint32_t remaining[] = {19, 18, 18, 18, 11, 11, 11, 11, 11, 11, 11, 10, 4, 4, 4, 3};
    struct onramp_pacer *p = made(plain);
    onramp_time now = 0;
    for (size_t i = 0; i < sizeof remaining / sizeof remaining[0]; i++) {
        struct onramp_signal s = taken(20, remaining[i]);
        s.has_reset = s.has_date = true;
        s.date = 1000 + now / ONRAMP_SECOND;
        s.reset = s.date + 7;
        uint32_t ticket = onramp_pacer_sent(p, ONRAMP_GROUP_CREATE, now);
        onramp_pacer_answered(p, ticket, &s, now + 100 * MS);
        now += 400 * MS;
    }
    onramp_time at = onramp_pacer_when(p, ONRAMP_GROUP_CREATE, 1, now);
    assert_non_null(strstr(onramp_pacer_reason(p), "others draw"));
    assert_true(at > now);
    assert_true(at < now + 3 * ONRAMP_SECOND);
    onramp_pacer_free(p);
}

static void members_wait_for_the_bucket_in_front_of_their_own(void **state)
{
    (void)state;
    struct onramp_pacer *p = made(plain);
    onramp_time now = ask(p, ONRAMP_GROUP_CREATE, 50, 6, 0);
    now = ask(p, ONRAMP_GROUP_MEMBERS, 20, 19, now);
    uint32_t calls = 0;
    for (; may(p, ONRAMP_GROUP_MEMBERS, now); calls++)
        (void)onramp_pacer_sent(p, ONRAMP_GROUP_MEMBERS, now);
    assert_in_range(calls, 4, 6);
    onramp_pacer_free(p);
}

static void keeps_the_working_reserve_for_requests_ahead_of_it_in_the_same_bucket(void **state)
{
    (void)state;
    struct onramp_pacer *p = made(plain);
    onramp_time now = ask(p, ONRAMP_GROUP_CREATE, 20, 8, 0);
    now = ask(p, ONRAMP_GROUP_READ, 40, 30, now);
    const uint64_t ahead[ONRAMP_GROUPS] = {[ONRAMP_GROUP_CREATE] = 100};
    assert_true(onramp_pacer_when_behind(p, ONRAMP_GROUP_READ, 1, ahead, now) <= now); /* a bucket of its own */
    /* The first of a group, which draws from one of them, is worth a token of any. */
    assert_true(onramp_pacer_when_behind(p, ONRAMP_GROUP_OTHER, 50, ahead, now) <= now);
    now = ask(p, ONRAMP_GROUP_OTHER, 20, 7, now);
    assert_true(onramp_pacer_when_behind(p, ONRAMP_GROUP_OTHER, 1, NULL, now) <= now);
    assert_true(onramp_pacer_when_behind(p, ONRAMP_GROUP_OTHER, 1, ahead, now) > now);
    onramp_pacer_free(p);
}

static void never_exceeds_the_ceiling_given(void **state)
{
    (void)state;
    struct onramp_pacer *p = made((struct onramp_pacer_settings){.concurrency = 64, .ceiling = {2, ONRAMP_SECOND}});
    onramp_time now = 0;
    for (int i = 0; i < 10; i++) {
        onramp_time at = onramp_pacer_when(p, ONRAMP_GROUP_CREATE, 1000, now);
        now = at > now ? at : now;
        struct onramp_signal s = taken(5000, (uint32_t)(4999 - i));
        onramp_pacer_answered(p, send(p, ONRAMP_GROUP_CREATE, now), &s, now);
    }
    assert_true(now >= 9 * ONRAMP_SECOND / 2);
    onramp_pacer_free(p);
}

static void goes_at_an_even_pace_without_headers(void **state)
{
    (void)state;
    struct onramp_pacer *p = made(plain);
    onramp_time now = 0, last = -ONRAMP_SECOND;
    struct onramp_signal bare = {.kind = ONRAMP_SIGNAL_TAKEN};
    for (int i = 0; i < 20; i++) {
        onramp_time at = onramp_pacer_when(p, ONRAMP_GROUP_CREATE, 1000, now);
        now = at > now ? at : now;
        if (i > 1)
            assert_true(now - last >= 10 * MS);
        last = now;
        uint32_t ticket = onramp_pacer_sent(p, ONRAMP_GROUP_CREATE, now);
        onramp_pacer_answered(p, ticket, &bare, now);
    }
    assert_in_range(now, ONRAMP_SECOND, 5 * ONRAMP_SECOND);
    onramp_pacer_free(p);
}

static const struct onramp_signal refused_for_what_it_is = {.kind = ONRAMP_SIGNAL_BARE};

/* 409s, 400s, 404s: Auth0 shows no limits with them. */
static void does_not_wait_for_limits_that_answers_like_these_never_show(void **state)
{
    (void)state;
    struct onramp_pacer *p = made(plain);
    uint32_t tickets[64];
    onramp_time now = 0;
    for (int i = 0; i < 4; i++, now += 100 * MS) {
        assert_int_equal(burst(p, now, 1000, tickets), 1);
        onramp_pacer_answered(p, tickets[0], &refused_for_what_it_is, now + 50 * MS);
    }
    uint32_t sent = 0;
    for (; now < 2 * ONRAMP_SECOND; now += 10 * MS)
        sent += burst(p, now, 1000, tickets + sent);
    assert_in_range(sent, 3, 8);
    onramp_pacer_answered(
        p, tickets[0],
        &(struct onramp_signal){.kind = ONRAMP_SIGNAL_TAKEN, .has_limit = true, .limit = 50, .remaining = 40}, now);
    assert_in_range(burst(p, now, 1000, tickets), 1, 40); /* shown after all: now it goes by proof */
    onramp_pacer_free(p);
}

/* What another group shows of a bucket that this one may draw from as well is not forgotten for an even pace. */
static void keeps_to_what_others_have_just_shown_where_nothing_is_shown(void **state)
{
    (void)state;
    struct onramp_pacer *p = made(plain);
    uint32_t tickets[64];
    onramp_time now = 0;
    struct onramp_signal last = {.kind = ONRAMP_SIGNAL_TAKEN, .has_limit = true, .limit = 10, .remaining = 0};
    for (int i = 0; i < 6; i++) {
        onramp_time at = onramp_pacer_when(p, ONRAMP_GROUP_CREATE, 1000, now);
        now = at > now ? at : now;
        onramp_pacer_answered(p, send(p, ONRAMP_GROUP_CREATE, now), &refused_for_what_it_is, now + MS);
        now += MS;
    }
    now += ONRAMP_MINUTE;
    onramp_pacer_answered(p, send(p, ONRAMP_GROUP_READ, now), &last, now + MS);
    assert_int_equal(burst(p, now + MS, 1000, tickets), 0);
    onramp_pacer_free(p);
}

static void an_answer_without_limits_ends_a_row_of_refusals(void **state)
{
    (void)state;
    struct onramp_pacer *p = made(plain);
    struct onramp_signal refusal = {.kind = ONRAMP_SIGNAL_REFUSED};
    onramp_time now = 0;
    for (int i = 0; i < 5; i++) {
        onramp_pacer_answered(p, send(p, ONRAMP_GROUP_CREATE, now), &refusal, now);
        struct onramp_pacer_view view;
        onramp_pacer_view(p, now, &view);
        assert_int_equal(view.paused_until - now, ONRAMP_SECOND);
        now += ONRAMP_MINUTE;
        onramp_pacer_answered(p, send(p, ONRAMP_GROUP_CREATE, now), &refused_for_what_it_is, now);
        now += ONRAMP_MINUTE;
    }
    onramp_pacer_free(p);
}

static void keeps_few_on_the_wire_while_nothing_is_shown(void **state)
{
    (void)state;
    struct onramp_pacer *p = made(plain);
    struct onramp_signal bare = {.kind = ONRAMP_SIGNAL_TAKEN};
    uint32_t tickets[64], sent = 0;
    onramp_time now = 100 * MS;
    onramp_pacer_answered(p, send(p, ONRAMP_GROUP_CREATE, 0), &bare, now);
    for (; now < ONRAMP_MINUTE; now += 100 * MS) /* no answer in a minute */
        sent += burst(p, now, 1000, tickets);
    assert_in_range(sent, 3, 8);
    assert_string_equal(onramp_pacer_reason(p),
                        "waits for an answer: no limits are shown, so few at once and at an even pace");
    onramp_pacer_free(p);
}

/* Each is answered after a second. */
static void keeps_more_on_the_wire_the_more_is_likely_refilled_meanwhile(void **state)
{
    (void)state;
    struct onramp_pacer *p = made(plain);
    struct onramp_signal bare = {.kind = ONRAMP_SIGNAL_TAKEN};
    uint32_t tickets[512], sent = 0, answered = 0;
    onramp_time sent_at[512];
    for (onramp_time now = 0; now < 20 * ONRAMP_SECOND; now += 10 * MS) {
        while (answered < sent && sent_at[answered] + ONRAMP_SECOND <= now)
            onramp_pacer_answered(p, tickets[answered++], &bare, now);
        for (uint32_t n = burst(p, now, 1000, tickets + sent); n > 0; n--)
            sent_at[sent++] = now;
    }
    assert_in_range(sent - answered, 14, 20); /* about 200 in 20 s, a second after which ten more may have come */
    onramp_pacer_free(p);
}

/* So many are taken a second, one after the other, then one is refused. How many leave within so long after the pause?
 */
static uint32_t leave_after_a_refusal(uint32_t each, onramp_span within)
{
    struct onramp_pacer *p = made(plain);
    struct onramp_signal took = {.kind = ONRAMP_SIGNAL_TAKEN}, refusal = {.kind = ONRAMP_SIGNAL_REFUSED};
    uint32_t tickets[64], sent = 0;
    onramp_time now = 0;
    for (uint32_t i = 0; i < 3 * each; i++) {
        onramp_time at = onramp_pacer_when(p, ONRAMP_GROUP_CREATE, 1000, now);
        now = at > (onramp_time)i * ONRAMP_SECOND / each ? at : (onramp_time)i * ONRAMP_SECOND / each;
        onramp_pacer_answered(p, onramp_pacer_sent(p, ONRAMP_GROUP_CREATE, now), &took, now);
    }
    now = onramp_pacer_when(p, ONRAMP_GROUP_CREATE, 1000, now);
    onramp_pacer_answered(p, onramp_pacer_sent(p, ONRAMP_GROUP_CREATE, now), &refusal, now);
    for (onramp_time end = now + ONRAMP_SECOND + within; now <= end; now += 10 * MS)
        for (uint32_t n = burst(p, now, 1000, tickets); n > 0; n--, sent++)
            onramp_pacer_answered(p, tickets[n - 1], &took, now);
    onramp_pacer_free(p);
    return sent;
}

static void guesses_at_the_first_refusal_by_what_was_taken(void **state)
{
    (void)state;
    /* 24 in three seconds, of which a full bucket was a part: 24 in seven are refilled, and those of the pause wait. */
    assert_in_range(leave_after_a_refusal(8, 0), 2, 3);
    assert_in_range(leave_after_a_refusal(8, 3 * ONRAMP_SECOND), 12, 16);
    /* Two tokens may run over in the pause, so none is made up for. */
    assert_in_range(leave_after_a_refusal(2, 0), 1, 1);
}

/* Ten tokens, two a second: at `now` one is taken, or none is there. */
static struct onramp_signal unshown(struct onramp_bucket *bucket, onramp_time now)
{
    return (struct onramp_signal){.kind =
                                      onramp_bucket_take(bucket, now) ? ONRAMP_SIGNAL_TAKEN : ONRAMP_SIGNAL_REFUSED};
}

static void measures_between_refusals_what_is_not_shown(void **state)
{
    (void)state;
    struct onramp_pacer *p = made(plain);
    struct onramp_bucket bucket;
    uint32_t taken_so_far = 0, refusals = 0;
    onramp_time now = 0, settled_at = 0;
    assert_int_equal(onramp_bucket_init(&bucket, (struct onramp_rate){2, ONRAMP_SECOND}, 10, false, 0), ONRAMP_OK);
    while (taken_so_far < 200) {
        onramp_time at = onramp_pacer_when(p, ONRAMP_GROUP_CREATE, 1000, now);
        now = at > now ? at : now;
        uint32_t ticket = onramp_pacer_sent(p, ONRAMP_GROUP_CREATE, now);
        struct onramp_signal s = unshown(&bucket, now);
        onramp_pacer_answered(p, ticket, &s, now += 50 * MS);
        taken_so_far += s.kind == ONRAMP_SIGNAL_TAKEN;
        refusals += s.kind == ONRAMP_SIGNAL_REFUSED;
        if (taken_so_far == 40)
            settled_at = now;
    }
    assert_in_range(refusals, 2, 6);
    assert_in_range(now - settled_at, 79 * ONRAMP_SECOND, 83 * ONRAMP_SECOND); /* 160 of them: 80 s of its refill */
    onramp_pacer_free(p);
}

static void measures_from_when_a_late_refusal_came(void **state)
{
    (void)state;
    struct onramp_blind blind;
    onramp_span rtt = 100 * MS;
    onramp_blind_begin(&blind, 2000000, 0, 0);
    for (int i = 0; i < 20; i++)
        onramp_blind_taken(&blind, ONRAMP_SECOND, ONRAMP_SECOND);
    onramp_blind_refused(&blind, ONRAMP_SECOND, 0, rtt, ONRAMP_SECOND + rtt);
    onramp_blind_refused(&blind, 10 * ONRAMP_SECOND, 24, rtt, 13 * ONRAMP_SECOND); /* three seconds on its way */
    for (int i = 0; i < 10; i++)
        onramp_blind_taken(&blind, 15 * ONRAMP_SECOND, 15 * ONRAMP_SECOND);
    onramp_blind_refused(&blind, 18 * ONRAMP_SECOND, 0, rtt, 18 * ONRAMP_SECOND + rtt);
    assert_in_range(blind.rate, 1750000, 2050000); /* ten in five seconds, not in eight */
}

/* Asks ten times, and is shown `limit`; so many may leave at once afterwards. */
static uint32_t leave_once_shown(struct onramp_pacer *p, uint32_t limit, onramp_time now)
{
    uint32_t tickets[64];
    for (uint32_t i = 0; i < 10; i++) {
        onramp_time at = onramp_pacer_when(p, ONRAMP_GROUP_CREATE, 1000, now);
        now = ask(p, ONRAMP_GROUP_CREATE, limit, limit - 1 - i, at > now ? at : now);
    }
    return burst(p, now, 1000, tickets);
}

static void keeps_to_a_bucket_that_a_much_larger_one_hides(void **state)
{
    (void)state;
    uint32_t tickets[64];
    struct onramp_pacer *p = made(plain);
    onramp_time now = ask(p, ONRAMP_GROUP_CREATE, 20, 19, 0);
    assert_in_range(leave_once_shown(p, 1000, now), 0, 2);
    assert_non_null(strstr(onramp_pacer_reason(p), "a bucket of 20 is not shown, so at an even pace"));
    for (int i = 0; i < 400; i++) { /* it would be full at once by now, so there is none */
        onramp_time at = onramp_pacer_when(p, ONRAMP_GROUP_CREATE, 1000, now);
        now = ask(p, ONRAMP_GROUP_CREATE, 1000, 980, at > now ? at : now);
    }
    assert_int_equal(burst(p, now, 1000, tickets), 64);
    onramp_pacer_free(p);

    p = made(plain);
    now = ask(p, ONRAMP_GROUP_CREATE, 20, 19, 0);
    assert_true(leave_once_shown(p, 40, now) > 8); /* a limit that was raised */
    onramp_pacer_free(p);
}

static void paces_a_hidden_bucket_by_what_its_refusal_shows(void **state)
{
    (void)state;
    struct onramp_pacer *p = made(plain);
    onramp_time now = ask(p, ONRAMP_GROUP_CREATE, 50, 49, 0), begun;
    struct onramp_signal refusal = {.kind = ONRAMP_SIGNAL_REFUSED, .has_limit = true, .limit = 20, .has_reset = true};
    refusal.reset = 7; /* seconds: twenty in six, at the most */
    onramp_pacer_answered(p, send(p, ONRAMP_GROUP_CREATE, now), &refusal, now);
    begun = onramp_pacer_when(p, ONRAMP_GROUP_CREATE, 1000, now);
    now = begun;
    for (uint32_t i = 0; i < 10; i++) {
        onramp_time at = onramp_pacer_when(p, ONRAMP_GROUP_CREATE, 1000, now);
        now = ask(p, ONRAMP_GROUP_CREATE, 50, 48 - i, at > now ? at : now);
    }
    assert_in_range(now - begun, 3 * ONRAMP_SECOND, 4 * ONRAMP_SECOND);
    onramp_pacer_free(p);
}

static void makes_up_for_a_pause_where_a_hidden_bucket_was_refilled(void **state)
{
    (void)state;
    struct onramp_pacer *p = made(plain);
    uint32_t tickets[64];
    onramp_time now = ask(p, ONRAMP_GROUP_CREATE, 200, 199, 0);
    struct onramp_signal refusal = {.kind = ONRAMP_SIGNAL_REFUSED, .has_limit = true, .limit = 60, .has_reset = true};
    refusal.reset = 4; /* seconds: sixty in three, at the most; two thirds of that are begun with */
    onramp_pacer_answered(p, send(p, ONRAMP_GROUP_CREATE, now), &refusal, now);
    assert_in_range(burst(p, now + ONRAMP_SECOND, 1000, tickets), 6, 8); /* not one alone */
    onramp_pacer_free(p);
}

static void asks_again_when_the_announced_reset_has_passed(void **state)
{
    (void)state;
    struct onramp_pacer *p = made(plain);
    struct onramp_signal s = taken(50, 0);
    s.has_reset = s.has_date = true;
    s.date = 1700000000;
    s.reset = 1700000005;
    onramp_pacer_answered(p, send(p, ONRAMP_GROUP_CREATE, 0), &s, 100 * MS);
    onramp_time at = onramp_pacer_when(p, ONRAMP_GROUP_CREATE, 1000, 100 * MS);
    assert_in_range(at, 5 * ONRAMP_SECOND, 6 * ONRAMP_SECOND);
    assert_true(may(p, ONRAMP_GROUP_CREATE, at));
    onramp_pacer_free(p);
}

static void takes_the_limit_that_answers_show_over_the_hint(void **state)
{
    (void)state;
    struct onramp_pacer *p =
        made((struct onramp_pacer_settings){.concurrency = 64, .hint = {16, ONRAMP_SECOND}, .hint_burst = 50});
    onramp_time now = ask(p, ONRAMP_GROUP_CREATE, 10, 2, 0);
    uint32_t tickets[64];
    assert_int_equal(burst(p, now, 2, tickets), 2);
    struct onramp_pacer_view v;
    onramp_pacer_view(p, now, &v);
    assert_int_equal(v.burst, 10);
    onramp_pacer_free(p);
}

static void shows_the_least_that_was_left(void **state)
{
    (void)state;
    struct onramp_pacer *p = made(plain);
    onramp_time now = ask(p, ONRAMP_GROUP_CREATE, 50, 12, 0);
    now = ask(p, ONRAMP_GROUP_CREATE, 50, 30, now + 5 * ONRAMP_SECOND);
    struct onramp_pacer_view v;
    onramp_pacer_view(p, now, &v);
    assert_true(v.known && v.has_least);
    assert_int_equal(v.least_remaining, 12);
    assert_int_equal(v.sent, 2);
    assert_int_equal(v.in_flight, 0);
    onramp_pacer_free(p);
}

static void counts_what_supply_fell_for_others(void **state)
{
    (void)state;
    struct onramp_pacer *p = made(plain);
    onramp_time now = ask(p, ONRAMP_GROUP_CREATE, 50, 40, 0);
    assert_int_equal(onramp_pacer_others(p), 0);
    now = ask(p, ONRAMP_GROUP_CREATE, 50, 29,
              now); /* from at least 40 to less than 31 before the take, and one in doubt */
    assert_int_equal(onramp_pacer_others(p), 7);
    (void)ask(p, ONRAMP_GROUP_CREATE, 50, 28, now);
    assert_int_equal(onramp_pacer_others(p), 7);
    onramp_pacer_free(p);
}

static void counts_nothing_for_others_that_our_own_groups_may_have_drawn(void **state)
{
    (void)state;
    struct onramp_pacer *p = made(plain);
    onramp_time now = ask(p, ONRAMP_GROUP_CREATE, 50, 40, 0);
    for (uint32_t i = 0; i < 10; i++) /* they show a bucket of their own, and draw from the other as well */
        now = ask(p, ONRAMP_GROUP_MEMBERS, 20, 19 - i, now);
    (void)ask(p, ONRAMP_GROUP_CREATE, 50, 29, now);
    assert_int_equal(onramp_pacer_others(p), 0);
    onramp_pacer_free(p);
}

static void keeps_what_others_drew_from_a_bucket_that_changed(void **state)
{
    (void)state;
    struct onramp_pacer *p = made(plain);
    onramp_time now = ask(p, ONRAMP_GROUP_CREATE, 50, 29, ask(p, ONRAMP_GROUP_CREATE, 50, 40, 0));
    for (uint32_t i = 0; i < 10; i++)
        now = ask(p, ONRAMP_GROUP_CREATE, 100, 90 - i, now);
    assert_int_equal(onramp_pacer_others(p), 7);
    onramp_pacer_free(p);
}

struct course {
    onramp_time slower_at, rivals_at;
    bool loses; /* each tenth request, on its way */
};

/* 300 requests, one after another, from 20 tokens that are refilled by 10 a second until `slower_at`, then by 5; from
 * `rivals_at`, others draw two each second. Returns how many tokens these got. */
static uint64_t share(struct onramp_pacer *p, struct course course)
{
    struct onramp_bucket bucket;
    assert_int_equal(onramp_bucket_init(&bucket, (struct onramp_rate){10, ONRAMP_SECOND}, 20, false, 0), ONRAMP_OK);
    bool slower = false;
    uint64_t theirs = 0;
    onramp_time now = 0, they_at = course.rivals_at;
    for (int i = 0; i < 300; i++) {
        onramp_time at = onramp_pacer_when(p, ONRAMP_GROUP_CREATE, 1000, now);
        now = at > now ? at : now;
        for (; they_at <= now; they_at += ONRAMP_SECOND / 2)
            theirs += onramp_bucket_take(&bucket, they_at);
        if (now >= course.slower_at && !slower) {
            uint32_t left = onramp_bucket_tokens(&bucket, now);
            assert_int_equal(onramp_bucket_init(&bucket, (struct onramp_rate){5, ONRAMP_SECOND}, 20, false, now),
                             ONRAMP_OK);
            onramp_bucket_fill(&bucket, left * UINT64_C(1000000), now);
            slower = true;
        }
        uint32_t ticket = send(p, ONRAMP_GROUP_CREATE, now);
        struct onramp_signal s = {.kind = ONRAMP_SIGNAL_UNSURE};
        if (!course.loses || i % 10 < 9) {
            assert_true(onramp_bucket_take(&bucket, now));
            s = taken(20, onramp_bucket_tokens(&bucket, now));
        }
        onramp_pacer_answered(p, ticket, &s, now + 50 * MS);
        now += 50 * MS;
    }
    return theirs;
}

static void counts_for_others_what_was_refilled_and_does_not_show(void **state)
{
    (void)state;
    struct onramp_pacer *p = made(plain);
    uint64_t theirs = share(p, (struct course){.slower_at = ONRAMP_NEVER, .rivals_at = 10 * ONRAMP_SECOND}),
             counted = onramp_pacer_others(p);
    assert_true(counted >= theirs / 2 && counted <= theirs);
    onramp_pacer_free(p);
}

static void counts_nothing_for_others_when_there_are_none(void **state)
{
    (void)state;
    struct onramp_pacer *p = made(plain);
    (void)share(p, (struct course){.slower_at = ONRAMP_NEVER, .rivals_at = ONRAMP_NEVER});
    assert_int_equal(onramp_pacer_others(p), 0);
    onramp_pacer_free(p);

    p = made(plain);
    (void)share(p, (struct course){.slower_at = 10 * ONRAMP_SECOND,
                                   .rivals_at = ONRAMP_NEVER}); /* a refill that was lowered is no one's draw */
    assert_int_equal(onramp_pacer_others(p), 0);
    onramp_pacer_free(p);
}

/* Counted, but it took nothing: supply seems to rise by a token that nobody refilled. */
static void takes_a_lost_answer_for_no_refill(void **state)
{
    (void)state;
    struct onramp_pacer *p = made(plain);
    uint64_t theirs = share(p, (struct course){.slower_at = ONRAMP_NEVER, .loses = true}),
             counted = onramp_pacer_others(p);
    assert_true(counted > 0 && counted <= theirs);
    onramp_pacer_free(p);
}

/* ---- how long a run takes ---- */

/* A tenant that shows no reset. */
struct tenant {
    uint32_t size, users, refused;
    struct onramp_rate rate;
    bool window;
    onramp_span out, late, service;
    uint32_t rarely; /* one request in so many takes `late` longer on its way */
    uint64_t seed;
};

struct travelling {
    onramp_time arrives_at, answered_at;
    uint32_t ticket;
    struct onramp_signal signal;
};

/* Virtual seconds until all users are created. Counts what was refused and is sent again. */
static double seconds_for(struct onramp_pacer *p, struct tenant *t)
{
    struct onramp_bucket bucket;
    struct onramp_rng rng;
    struct travelling wire[64];
    uint32_t flying = 0, left = t->users;
    onramp_time now = 0;
    onramp_rng_init(&rng, t->seed);
    onramp_time edge = t->window ? -(onramp_time)onramp_rng_below(&rng, (uint64_t)t->rate.per) : 0;
    assert_int_equal(onramp_bucket_init(&bucket, t->rate, t->size, t->window, edge), ONRAMP_OK);
    while (left > 0 || flying > 0) {
        onramp_time next = left > 0 ? onramp_pacer_when(p, ONRAMP_GROUP_CREATE, left, now) : ONRAMP_NEVER;
        uint32_t first = flying;
        for (uint32_t i = 0; i < flying; i++)
            if ((wire[i].arrives_at < next ? wire[i].arrives_at : wire[i].answered_at) < next) {
                next = wire[i].arrives_at < next ? wire[i].arrives_at : wire[i].answered_at;
                first = i;
            }
        now = next > now ? next : now;
        if (first == flying) {
            onramp_span late = onramp_rng_below(&rng, t->rarely) == 0 ? t->late : 0;
            onramp_span service = t->service + (onramp_span)onramp_rng_below(&rng, (uint64_t)t->service);
            wire[flying++] = (struct travelling){.arrives_at = now + late + t->out,
                                                 .answered_at = now + late + 2 * t->out + service,
                                                 .ticket = onramp_pacer_sent(p, ONRAMP_GROUP_CREATE, now)};
            left--;
        } else if (wire[first].arrives_at <= now && wire[first].arrives_at != ONRAMP_NEVER) {
            bool took = onramp_bucket_take(&bucket, now);
            wire[first].signal = taken(t->size, onramp_bucket_tokens(&bucket, now));
            wire[first].signal.kind = took ? ONRAMP_SIGNAL_TAKEN : ONRAMP_SIGNAL_REFUSED;
            wire[first].arrives_at = ONRAMP_NEVER;
            t->refused += !took;
            left += !took;
        } else {
            onramp_pacer_answered(p, wire[first].ticket, &wire[first].signal, now);
            wire[first] = wire[--flying];
        }
    }
    return (double)now / ONRAMP_SECOND;
}

struct outcome {
    double mean, slowest;
    uint32_t refused;
};

/* A hundred runs. */
static struct outcome runs_of(struct tenant t)
{
    struct outcome o = {0};
    for (t.seed = 1; t.seed <= 100; t.seed++) {
        struct onramp_pacer *p = made(plain);
        double seconds = seconds_for(p, &t);
        o.mean += seconds / 100;
        o.slowest = seconds > o.slowest ? seconds : o.slowest;
        onramp_pacer_free(p);
    }
    o.refused = t.refused;
    return o;
}

static const struct tenant two_tokens = {.size = 2,
                                         .users = 150,
                                         .rate = {2, ONRAMP_SECOND},
                                         .out = 100 * MS,
                                         .late = 60 * MS,
                                         .rarely = 8,
                                         .service = 100 * MS};

/* Some come a little later than others, and a bucket that was full did not fill up in between: were it thought it did,
 * the true rate would be refuted, and the next slower one taken for it. 74 seconds are the least possible. */
static void keeps_the_true_rate_of_two_tokens(void **state)
{
    (void)state;
    struct outcome o = runs_of(two_tokens);
    assert_int_equal(o.refused, 0);
    assert_true(o.slowest < 78);
}

/* One in eight takes as long on its way as the bucket needs to fill, and what is refilled meanwhile runs over. */
static void trusts_no_growth_while_a_request_is_late(void **state)
{
    (void)state;
    struct tenant t = two_tokens;
    t.late = 700 * MS;
    struct outcome o = runs_of(t);
    assert_true(o.refused <= 8); /* in 15,000; nobody can know that it is late before it is */
    assert_true(o.slowest < 95);
}

/* Its answer is the only one so far: that it took long is not to be seen from it. */
static void learns_no_rate_from_a_first_request_that_was_late(void **state)
{
    (void)state;
    struct tenant t = two_tokens;
    t.users = 60;
    t.late = 1500 * MS;
    t.rarely = 30;
    assert_true(runs_of(t).slowest < 45);
}

/* Both look alike while one is taken at a time, and whoever takes them for a drip gets three quarters. */
static void tells_windows_of_two_tokens_from_a_drip(void **state)
{
    (void)state;
    struct tenant t = two_tokens;
    t.window = true;
    t.out = 200 * MS;
    t.late = 100 * MS;
    t.rarely = 4;
    t.service = 150 * MS;
    struct outcome o = runs_of(t);
    assert_int_equal(o.refused, 0);
    assert_true(o.slowest < 81);
}

/* 50 tokens a second, of which 16 in flight can hardly take more than are refilled: what is kept for the last requests
 * has to be spent long before. */
static void spends_the_reserve_sooner_where_few_are_in_flight(void **state)
{
    (void)state;
    struct tenant t = {.size = 50,
                       .users = 200,
                       .rate = {50, ONRAMP_SECOND},
                       .out = 80 * MS,
                       .rarely = 1,
                       .service = 60 * MS,
                       .seed = 1};
    struct onramp_pacer *p = made((struct onramp_pacer_settings){.concurrency = 16});
    double seconds = seconds_for(p, &t);
    assert_int_equal(t.refused, 0);
    assert_true(seconds < 3.6);
    onramp_pacer_free(p);
}

/* Where the edge lies is asked for while there are tokens, not after they are gone. */
/* One request in two is 50 ms later on its way than the others: at 50 tokens a second that is two and a half of them.
 */
static void keeps_the_true_rate_of_a_quick_bucket(void **state)
{
    (void)state;
    struct outcome o = runs_of((struct tenant){.size = 50,
                                               .users = 200,
                                               .rate = {50, ONRAMP_SECOND},
                                               .out = 120 * MS,
                                               .late = 50 * MS,
                                               .rarely = 2,
                                               .service = 60 * MS});
    assert_int_equal(o.refused, 0);
}

static void looks_for_the_edge_of_windows(void **state)
{
    (void)state;
    struct outcome o = runs_of((struct tenant){.size = 20,
                                               .users = 100,
                                               .rate = {20, ONRAMP_SECOND},
                                               .window = true,
                                               .out = 50 * MS,
                                               .late = 40 * MS,
                                               .rarely = 8,
                                               .service = 60 * MS});
    assert_int_equal(o.refused, 0);
    assert_true(o.mean < 6.15);
}

/* An edge may pass while a request is on its way, so it came before the edge or after. */
static void finds_no_edge_before_a_request_has_come(void **state)
{
    (void)state;
    struct outcome o = runs_of((struct tenant){.size = 50,
                                               .users = 150,
                                               .rate = {16, ONRAMP_SECOND},
                                               .window = true,
                                               .out = 100 * MS,
                                               .late = 80 * MS,
                                               .rarely = 4,
                                               .service = 30 * MS});
    assert_int_equal(o.refused, 0);
}

static struct onramp_signal anything(struct onramp_rng *rng)
{
    struct onramp_signal s = {.kind = (enum onramp_signal_kind)onramp_rng_below(rng, 4)};
    uint64_t bits = onramp_rng_next(rng);
    s.has_limit = bits & 1;
    s.has_reset = bits & 2;
    s.has_date = bits & 4;
    s.has_retry_after = bits & 8;
    s.edge = (bits & 0x30) == 0x30;
    s.limit = (uint32_t)onramp_rng_below(rng, bits & 0x40 ? 8 : UINT32_MAX);
    s.remaining = (uint32_t)onramp_rng_below(rng, bits & 0x80 ? 8 : UINT32_MAX);
    s.reset = (int64_t)onramp_rng_next(rng) >> onramp_rng_below(rng, 64);
    s.date = (int64_t)onramp_rng_next(rng) >> onramp_rng_below(rng, 64);
    s.retry_after = (onramp_span)onramp_rng_below(rng, INT64_MAX);
    return s;
}

/* Whatever is answered: with nothing on the wire, a request leaves within eleven minutes. */
static void makes_progress_whatever_the_answers(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        struct onramp_rng rng;
        onramp_rng_init(&rng, seed);
        struct onramp_pacer *p = made((struct onramp_pacer_settings){
            .concurrency = 1 + (uint32_t)onramp_rng_below(&rng, 20),
            .reserve_percent = (uint32_t)onramp_rng_below(&rng, 91),
            .reserve_tokens = onramp_rng_below(&rng, 2) ? 0 : (uint32_t)onramp_rng_below(&rng, 100)});
        uint32_t wire[20], flying = 0;
        onramp_time now = 0;
        for (int step = 0; step < 400; step++) {
            enum onramp_group group = (enum onramp_group)onramp_rng_below(&rng, ONRAMP_GROUPS);
            onramp_time at = onramp_pacer_when(p, group, 1 + onramp_rng_below(&rng, 50), now);
            assert_non_null(onramp_pacer_reason(p));
            if (flying == 0 && at > now + 11 * ONRAMP_MINUTE)
                fail_msg("stuck with seed %llu at step %d", (unsigned long long)seed, step);
            if (at <= now) {
                wire[flying++] = onramp_pacer_sent(p, group, now);
            } else if (flying == 0) {
                now = at;
            } else {
                uint32_t i = (uint32_t)onramp_rng_below(&rng, flying);
                struct onramp_signal s = anything(&rng);
                now += (onramp_span)onramp_rng_below(&rng, 2 * ONRAMP_SECOND);
                onramp_pacer_answered(p, wire[i], &s, now);
                wire[i] = wire[--flying];
            }
        }
        onramp_pacer_free(p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_settings_out_of_range),
        cmocka_unit_test(sends_the_first_request_alone),
        cmocka_unit_test(counts_requests_on_the_wire_as_taken),
        cmocka_unit_test(never_exceeds_the_concurrency),
        cmocka_unit_test(leaves_the_reserve),
        cmocka_unit_test(keeps_a_working_reserve_until_the_last_requests),
        cmocka_unit_test(spares_a_small_bucket_as_if_others_drew_for_a_while),
        cmocka_unit_test(takes_the_smallest_remaining_that_may_be_the_latest),
        cmocka_unit_test(holds_the_whole_pool_after_a_429),
        cmocka_unit_test(waits_as_long_as_retry_after_says),
        cmocka_unit_test(learns_nothing_of_a_bucket_from_an_edge),
        cmocka_unit_test(gives_a_token_back_that_was_not_taken),
        cmocka_unit_test(keeps_counting_a_token_that_may_have_been_taken),
        cmocka_unit_test(draws_each_group_from_the_bucket_it_has_shown),
        cmocka_unit_test(counts_groups_with_the_same_limit_as_one_bucket),
        cmocka_unit_test(counts_a_group_that_has_shown_nothing_against_all),
        cmocka_unit_test(tells_two_buckets_of_one_size_apart_by_what_is_left_in_them),
        cmocka_unit_test(spends_the_reserve_sooner_where_few_are_in_flight),
        cmocka_unit_test(keeps_nothing_back_if_the_reset_is_further_away_than_a_drip_needs),
        cmocka_unit_test(keeps_one_to_ask_whether_windows_are_of_a_second),
        cmocka_unit_test(believes_in_nothing_that_was_there_before_a_refusal),
        cmocka_unit_test(takes_no_more_than_the_half_before_it_is_answered),
        cmocka_unit_test(takes_two_surprises_at_once_for_one),
        cmocka_unit_test(keeps_half_while_windows_have_shown_little),
        cmocka_unit_test(keeps_a_margin_for_others_by_estimate),
        cmocka_unit_test(members_wait_for_the_bucket_in_front_of_their_own),
        cmocka_unit_test(keeps_the_working_reserve_for_requests_ahead_of_it_in_the_same_bucket),
        cmocka_unit_test(never_exceeds_the_ceiling_given),
        cmocka_unit_test(goes_at_an_even_pace_without_headers),
        cmocka_unit_test(does_not_wait_for_limits_that_answers_like_these_never_show),
        cmocka_unit_test(keeps_to_what_others_have_just_shown_where_nothing_is_shown),
        cmocka_unit_test(an_answer_without_limits_ends_a_row_of_refusals),
        cmocka_unit_test(keeps_few_on_the_wire_while_nothing_is_shown),
        cmocka_unit_test(keeps_more_on_the_wire_the_more_is_likely_refilled_meanwhile),
        cmocka_unit_test(guesses_at_the_first_refusal_by_what_was_taken),
        cmocka_unit_test(measures_between_refusals_what_is_not_shown),
        cmocka_unit_test(measures_from_when_a_late_refusal_came),
        cmocka_unit_test(keeps_to_a_bucket_that_a_much_larger_one_hides),
        cmocka_unit_test(paces_a_hidden_bucket_by_what_its_refusal_shows),
        cmocka_unit_test(makes_up_for_a_pause_where_a_hidden_bucket_was_refilled),
        cmocka_unit_test(asks_again_when_the_announced_reset_has_passed),
        cmocka_unit_test(takes_the_limit_that_answers_show_over_the_hint),
        cmocka_unit_test(shows_the_least_that_was_left),
        cmocka_unit_test(counts_what_supply_fell_for_others),
        cmocka_unit_test(counts_nothing_for_others_that_our_own_groups_may_have_drawn),
        cmocka_unit_test(keeps_what_others_drew_from_a_bucket_that_changed),
        cmocka_unit_test(counts_for_others_what_was_refilled_and_does_not_show),
        cmocka_unit_test(counts_nothing_for_others_when_there_are_none),
        cmocka_unit_test(takes_a_lost_answer_for_no_refill),
        cmocka_unit_test(keeps_the_true_rate_of_two_tokens),
        cmocka_unit_test(trusts_no_growth_while_a_request_is_late),
        cmocka_unit_test(learns_no_rate_from_a_first_request_that_was_late),
        cmocka_unit_test(tells_windows_of_two_tokens_from_a_drip),
        cmocka_unit_test(keeps_the_true_rate_of_a_quick_bucket),
        cmocka_unit_test(looks_for_the_edge_of_windows),
        cmocka_unit_test(finds_no_edge_before_a_request_has_come),
        cmocka_unit_test(makes_progress_whatever_the_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
