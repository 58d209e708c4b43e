/*
 * The scheduler against a pacer that knows its limits from a hint, so that only the scheduler's own rules show.
 */
#include "core/backoff.h"
#include "core/heap.h"
#include "onramp/scheduler.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const struct onramp_signal well = {.kind = ONRAMP_SIGNAL_TAKEN,
                                          .has_limit = true,
                                          .limit = 1000,
                                          .remaining = 900,
                                          .has_reset = true,
                                          .reset = 101,
                                          .has_date = true,
                                          .date = 100};
static const struct onramp_signal unsure = {.kind = ONRAMP_SIGNAL_UNSURE};

struct fixture {
    struct onramp_pacer *pacer;
    struct onramp_scheduler *scheduler;
};

static void set_up(struct fixture *f, uint32_t jobs)
{
    struct onramp_pacer_settings pacing = {.concurrency = 4, .hint = {1000, ONRAMP_SECOND}, .hint_burst = 1000};
    struct onramp_scheduler_settings settings = {
        .jobs = jobs, .backoff_base = 100 * ONRAMP_MILLISECOND, .backoff_cap = 10 * ONRAMP_SECOND, .seed = 1};
    assert_int_equal(onramp_pacer_new(&f->pacer, &pacing, 0, NULL), ONRAMP_OK);
    assert_int_equal(onramp_scheduler_new(&f->scheduler, &settings, f->pacer, NULL), ONRAMP_OK);
}

static void tear_down(struct fixture *f)
{
    onramp_scheduler_free(f->scheduler);
    onramp_pacer_free(f->pacer);
}

static enum onramp_todo next(struct fixture *f, onramp_time now, struct onramp_step *step)
{
    return onramp_scheduler_next(f->scheduler, now, step);
}

/* Send what is ready and answer it well, so that the pacer knows the tenant. */
static void warm_up(struct fixture *f)
{
    struct onramp_step step;
    onramp_scheduler_add(f->scheduler, 0, ONRAMP_GROUP_CREATE, 0);
    assert_int_equal(next(f, 0, &step), ONRAMP_SEND);
    onramp_scheduler_answered(f->scheduler, step.job, &well, ONRAMP_MILLISECOND);
    onramp_scheduler_settle(f->scheduler, step.job);
}

static void is_done_when_there_is_nothing_to_do(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f, 4);
    struct onramp_step step;
    assert_int_equal(next(&f, 0, &step), ONRAMP_DONE);
    tear_down(&f);
}

static void asks_to_be_fed_until_a_job_is_ready(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f, 4);
    struct onramp_step step;
    onramp_scheduler_expect(f.scheduler, 2);
    assert_int_equal(next(&f, 0, &step), ONRAMP_FEED);
    assert_int_equal(next(&f, 0, &step), ONRAMP_FEED); /* feeding may end in a record that needs no request */
    onramp_scheduler_add(f.scheduler, 3, ONRAMP_GROUP_CREATE, 0);
    onramp_scheduler_expect(f.scheduler, 1);
    assert_int_equal(next(&f, 0, &step), ONRAMP_SEND);
    assert_int_equal(step.job, 3);
    tear_down(&f);
}

static void is_not_done_while_something_is_in_flight(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f, 4);
    struct onramp_step step;
    onramp_scheduler_add(f.scheduler, 0, ONRAMP_GROUP_CREATE, 0);
    assert_int_equal(next(&f, 0, &step), ONRAMP_SEND);
    assert_int_equal(next(&f, 0, &step), ONRAMP_WAIT);
    assert_int_equal(onramp_scheduler_in_flight(f.scheduler), 1);
    onramp_scheduler_answered(f.scheduler, 0, &well, 1);
    onramp_scheduler_settle(f.scheduler, 0);
    assert_int_equal(next(&f, 1, &step), ONRAMP_DONE);
    tear_down(&f);
}

static void sends_an_older_job_again_before_newer_ones(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f, 8);
    warm_up(&f);
    onramp_time now = 2 * ONRAMP_SECOND;
    struct onramp_step step;
    for (uint32_t id = 5; id < 8; id++)
        onramp_scheduler_add(f.scheduler, id, ONRAMP_GROUP_CREATE, now);
    assert_int_equal(next(&f, now, &step), ONRAMP_SEND);
    assert_int_equal(step.job, 5);
    onramp_scheduler_answered(f.scheduler, 5, &well, now);
    onramp_scheduler_again(f.scheduler, 5, ONRAMP_GROUP_CREATE, now);
    assert_int_equal(next(&f, now, &step), ONRAMP_SEND);
    assert_int_equal(step.job, 5);
    tear_down(&f);
}

static void asks_about_the_past_before_it_creates(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f, 4);
    warm_up(&f);
    onramp_time now = 2 * ONRAMP_SECOND;
    struct onramp_step step;
    onramp_scheduler_add(f.scheduler, 1, ONRAMP_GROUP_CREATE, now);
    onramp_scheduler_add(f.scheduler, 2, ONRAMP_GROUP_READ, now);
    assert_int_equal(next(&f, now, &step), ONRAMP_SEND);
    assert_int_equal(step.job, 2);
    tear_down(&f);
}

static void is_not_fed_while_there_is_something_to_ask(void **state)
{
    (void)state;
    struct fixture f;
    struct onramp_step step;
    set_up(&f, 10);
    onramp_scheduler_expect(f.scheduler, 5);
    onramp_scheduler_add(f.scheduler, 0, ONRAMP_GROUP_READ, 0);
    assert_int_equal(next(&f, 0, &step), ONRAMP_SEND); /* what it tells may be of use to those behind it */
    assert_int_equal(next(&f, 0, &step), ONRAMP_FEED);
    tear_down(&f);
}

static void holds_a_failed_job_back_for_its_backoff_only(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f, 4);
    warm_up(&f);
    onramp_time now = 2 * ONRAMP_SECOND;
    struct onramp_step step;
    onramp_scheduler_add(f.scheduler, 1, ONRAMP_GROUP_CREATE, now);
    assert_int_equal(next(&f, now, &step), ONRAMP_SEND);
    onramp_scheduler_answered(f.scheduler, 1, &unsure, now);
    onramp_scheduler_later(f.scheduler, 1, ONRAMP_GROUP_CREATE, 1, now);
    assert_int_equal(next(&f, now, &step), ONRAMP_WAIT);
    assert_true(step.at >= now + 50 * ONRAMP_MILLISECOND && step.at <= now + 100 * ONRAMP_MILLISECOND);

    onramp_scheduler_add(f.scheduler, 2, ONRAMP_GROUP_CREATE, now); /* another is not held by it */
    assert_int_equal(next(&f, now, &step), ONRAMP_SEND);
    assert_int_equal(step.job, 2);
    tear_down(&f);
}

static void holds_the_whole_pool_when_failures_follow_each_other(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f, 8);
    warm_up(&f);
    onramp_time now = 2 * ONRAMP_SECOND;
    struct onramp_step step;
    for (uint32_t id = 1; id <= 2; id++) {
        onramp_scheduler_add(f.scheduler, id, ONRAMP_GROUP_CREATE, now);
        assert_int_equal(next(&f, now, &step), ONRAMP_SEND);
        onramp_scheduler_answered(f.scheduler, id, &unsure, now);
        onramp_scheduler_later(f.scheduler, id, ONRAMP_GROUP_CREATE, 6, now);
        now += 200 * ONRAMP_MILLISECOND; /* after the first hold: not a sibling of it */
    }
    now -= 200 * ONRAMP_MILLISECOND;
    onramp_scheduler_add(f.scheduler, 3, ONRAMP_GROUP_CREATE, now);
    onramp_scheduler_add(f.scheduler, 4, ONRAMP_GROUP_CREATE, now);
    assert_int_equal(next(&f, now, &step), ONRAMP_WAIT);
    assert_true(step.at > now && step.at <= now + 200 * ONRAMP_MILLISECOND);

    assert_int_equal(next(&f, step.at, &step), ONRAMP_SEND); /* then with one at a time … */
    assert_int_equal(step.job, 3);
    now = step.at;
    assert_int_equal(next(&f, now, &step), ONRAMP_WAIT);
    assert_int_equal(step.at, ONRAMP_NEVER);
    onramp_scheduler_answered(f.scheduler, 3, &well, now);
    onramp_scheduler_settle(f.scheduler, 3); /* … until one succeeds */
    assert_int_equal(next(&f, now, &step), ONRAMP_SEND);
    assert_int_equal(step.job, 4);
    tear_down(&f);
}

static void failures_of_one_broken_connection_count_once(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f, 8);
    warm_up(&f);
    onramp_time now = 2 * ONRAMP_SECOND;
    struct onramp_step step;
    for (uint32_t id = 1; id <= 4; id++) {
        onramp_scheduler_add(f.scheduler, id, ONRAMP_GROUP_CREATE, now);
        assert_int_equal(next(&f, now, &step), ONRAMP_SEND);
    }
    for (uint32_t id = 1; id <= 4; id++) {
        onramp_scheduler_answered(f.scheduler, id, &unsure, now);
        onramp_scheduler_later(f.scheduler, id, ONRAMP_GROUP_CREATE, 1, now);
    }
    onramp_scheduler_add(f.scheduler, 5, ONRAMP_GROUP_CREATE, now);
    assert_int_equal(next(&f, now, &step), ONRAMP_SEND);
    tear_down(&f);
}

static void what_others_have_still_to_send_goes_first_in_the_bucket_that_they_share(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f, 4);
    struct onramp_step step;
    struct onramp_scheduler *behind = NULL;
    const struct onramp_scheduler_settings settings = {
        .jobs = 4, .backoff_base = 1, .backoff_cap = 1, .feeds = ONRAMP_GROUP_OTHER};
    assert_int_equal(onramp_scheduler_new(&behind, &settings, f.pacer, NULL), ONRAMP_OK);
    onramp_scheduler_expect(f.scheduler, 100);
    onramp_scheduler_expect(behind, 7);
    assert_int_equal(onramp_scheduler_next(behind, 0, &step), ONRAMP_FEED);
    onramp_scheduler_add(behind, 0, ONRAMP_GROUP_OTHER, 0);
    uint64_t left[ONRAMP_GROUPS] = {0};
    onramp_scheduler_left(f.scheduler, left);
    onramp_scheduler_left(behind, left);
    assert_int_equal(left[ONRAMP_GROUP_CREATE], 100);
    assert_int_equal(left[ONRAMP_GROUP_OTHER], 8);
    /* Both groups show a bucket of 20 with 5 tokens in it. */
    const struct onramp_signal five = {.kind = ONRAMP_SIGNAL_TAKEN, .has_limit = true, .limit = 20, .remaining = 5};
    for (int group = ONRAMP_GROUP_CREATE; group < ONRAMP_GROUPS; group += ONRAMP_GROUP_OTHER)
        onramp_pacer_answered(f.pacer, onramp_pacer_sent(f.pacer, (enum onramp_group)group, 0), &five, 1);
    onramp_scheduler_behind(behind, (const uint64_t[ONRAMP_GROUPS]){[ONRAMP_GROUP_CREATE] = 100});
    assert_int_equal(onramp_scheduler_next(behind, 1, &step), ONRAMP_WAIT);
    onramp_scheduler_expect(behind, 0);
    onramp_scheduler_behind(behind, (const uint64_t[ONRAMP_GROUPS]){0});
    assert_int_equal(onramp_scheduler_next(behind, 1, &step), ONRAMP_SEND);
    onramp_scheduler_free(behind);
    tear_down(&f);
}

static void sends_nothing_more_once_it_drains(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f, 4);
    struct onramp_step step;
    onramp_scheduler_expect(f.scheduler, 5);
    onramp_scheduler_add(f.scheduler, 0, ONRAMP_GROUP_CREATE, 0);
    onramp_scheduler_add(f.scheduler, 1, ONRAMP_GROUP_CREATE, 0);
    assert_int_equal(next(&f, 0, &step), ONRAMP_SEND);
    onramp_scheduler_drain(f.scheduler);
    assert_int_equal(next(&f, 0, &step), ONRAMP_WAIT);
    onramp_scheduler_answered(f.scheduler, 0, &well, 1);
    onramp_scheduler_settle(f.scheduler, 0);
    assert_int_equal(next(&f, 1, &step), ONRAMP_DONE);
    onramp_scheduler_abandon(f.scheduler, 1, 1); /* a waiting job can still be given up */
    tear_down(&f);
}

static void backoff_doubles_within_its_jitter_and_stops_at_the_cap(void **state)
{
    (void)state;
    struct onramp_rng rng;
    onramp_rng_init(&rng, 7);
    for (uint32_t failures = 1; failures < 80; failures++) {
        int64_t full = failures > 10 ? 1000 : INT64_C(1) << (failures - 1);
        if (full > 1000)
            full = 1000;
        for (int i = 0; i < 50; i++) {
            onramp_span wait = onramp_backoff(1, 1000, failures, &rng);
            assert_true(wait >= full - full / 2 && wait <= full);
        }
    }
}

static void heap_gives_back_in_order_whatever_was_removed(void **state)
{
    (void)state;
    struct onramp_rng rng;
    onramp_rng_init(&rng, 3);
    struct onramp_heap heap;
    assert_true(onramp_heap_init(&heap, 200));
    for (uint32_t id = 0; id < 200; id++)
        onramp_heap_push(&heap, (int64_t)onramp_rng_below(&rng, 50), id);
    for (uint32_t id = 0; id < 200; id += 3)
        onramp_heap_remove(&heap, id);
    struct onramp_heap_item last = {INT64_MIN, 0};
    for (int n = 0; n < 133; n++) {
        struct onramp_heap_item item = onramp_heap_pop(&heap);
        assert_true(item.key > last.key || (item.key == last.key && item.id > last.id));
        assert_int_not_equal(item.id % 3, 0);
        last = item;
    }
    assert_int_equal(heap.size, 0);
    onramp_heap_clear(&heap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_done_when_there_is_nothing_to_do),
        cmocka_unit_test(asks_to_be_fed_until_a_job_is_ready),
        cmocka_unit_test(is_not_done_while_something_is_in_flight),
        cmocka_unit_test(sends_an_older_job_again_before_newer_ones),
        cmocka_unit_test(asks_about_the_past_before_it_creates),
        cmocka_unit_test(is_not_fed_while_there_is_something_to_ask),
        cmocka_unit_test(holds_a_failed_job_back_for_its_backoff_only),
        cmocka_unit_test(holds_the_whole_pool_when_failures_follow_each_other),
        cmocka_unit_test(failures_of_one_broken_connection_count_once),
        cmocka_unit_test(what_others_have_still_to_send_goes_first_in_the_bucket_that_they_share),
        cmocka_unit_test(sends_nothing_more_once_it_drains),
        cmocka_unit_test(backoff_doubles_within_its_jitter_and_stops_at_the_cap),
        cmocka_unit_test(heap_gives_back_in_order_whatever_was_removed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
