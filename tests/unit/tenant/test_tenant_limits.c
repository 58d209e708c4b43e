/*
 * test_tenant_limits.c - buckets, headers, refusals, rivals, faults and latency of the model, in virtual time.
 */
#include "bench.h"

/* A cheap call of the group that creates draw from: refused by the schema, but it draws a token first. */
static int draw(struct bench *b)
{
    return bench_call(b, "POST", "/api/v2/users", "{}");
}

/* A call that succeeds, so that it carries headers. */
static int look(struct bench *b)
{
    return bench_call(b, "GET", "/api/v2/users-by-email?email=a%40example.com", NULL);
}

static void start(struct bench *b, struct onramp_limit api)
{
    bench_settings(b);
    b->settings.api = api;
    bench_start(b);
}

static void a_bucket_refuses_exactly_when_it_is_empty(void **state)
{
    (void)state;
    struct bench b;
    start(&b, (struct onramp_limit){.burst = 3, .rate = {2, ONRAMP_SECOND}});
    for (int i = 0; i < 3; i++)
        assert_int_equal(draw(&b), 400);
    assert_int_equal(draw(&b), 429);
    assert_string_equal(bench_member(&b, "message"), "Global limit has been reached");
    assert_string_equal(bench_member(&b, "errorCode"), "too_many_requests");
    assert_string_equal(bench_member(&b, "error"), "Too Many Requests");
    b.now += ONRAMP_SECOND / 2 - 1;
    assert_int_equal(draw(&b), 429); /* the refused ones took nothing */
    b.now += 1;
    assert_int_equal(draw(&b), 400);
    struct onramp_tenant_view view;
    onramp_tenant_view(b.tenant, b.now, &view);
    assert_int_equal(view.refused, 2);
    assert_true(view.least_level < 1e-6);
    bench_clear(&b);
}

static void limits_stand_on_every_2xx_and_on_nothing_else(void **state)
{
    (void)state;
    struct bench b;
    start(&b, (struct onramp_limit){.burst = 10, .rate = {2, ONRAMP_SECOND}});
    assert_int_equal(look(&b), 200);
    assert_string_equal(bench_header(&b, "x-ratelimit-limit"), "10");
    assert_string_equal(bench_header(&b, "x-ratelimit-remaining"), "9");
    assert_int_equal(bench_create(&b, "\"email\":\"a@example.com\""), 201);
    assert_string_equal(bench_header(&b, "x-ratelimit-remaining"), "8");
    assert_int_equal(bench_call(&b, "DELETE", "/api/v2/users/auth0%7Cnobody", NULL), 204);
    assert_string_equal(bench_header(&b, "x-ratelimit-remaining"), "7");
    assert_int_equal(bench_create(&b, "\"email\":\"a@example.com\""), 409);
    assert_null(bench_header(&b, "x-ratelimit-limit"));
    assert_int_equal(bench_call(&b, "GET", "/api/v2/users/auth0%7Cnobody", NULL), 404);
    assert_null(bench_header(&b, "x-ratelimit-limit"));
    assert_non_null(bench_header(&b, "date"));
    bench_clear(&b);
}

/* Recorded on a Free tenant of 2018: 10 at most, 2 a second; with 1, 4 and 10 tokens missing it said 1, 2 and 5 s. */
static void reset_is_when_the_bucket_is_full_as_recorded(void **state)
{
    (void)state;
    static const long expected[10] = {1, 1, 2, 2, 3, 3, 4, 4, 5, 5};
    struct bench b;
    start(&b, (struct onramp_limit){.burst = 10, .rate = {2, ONRAMP_SECOND}});
    for (int i = 0; i < 10; i++) {
        assert_int_equal(look(&b), 200);
        assert_int_equal(bench_number(&b, "x-ratelimit-reset") - b.settings.epoch / 1000, expected[i]);
    }
    bench_clear(&b);
}

static void every_meaning_of_reset_can_be_had(void **state)
{
    (void)state;
    static const struct {
        enum onramp_reset reset;
        bool window;
        long expected; /* after the epoch */
        bool absolute;
    } cases[] = {
        {ONRAMP_RESET_FULL, false, 2, true},  {ONRAMP_RESET_NEXT, false, 1, true},
        {ONRAMP_RESET_ZERO, false, 0, false}, {ONRAMP_RESET_DELTA, false, 2, false},
        {ONRAMP_RESET_FULL, true, 60, true},  {ONRAMP_RESET_DELTA, true, 60, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct bench b;
        bench_settings(&b);
        b.settings.reset = cases[i].reset;
        b.settings.api = (struct onramp_limit){.burst = 10, .rate = {2, ONRAMP_SECOND}};
        if (cases[i].window)
            b.settings.api = (struct onramp_limit){.burst = 10, .rate = {10, ONRAMP_MINUTE}, .window = true};
        bench_start(&b);
        for (int n = 0; n < 4; n++)
            assert_int_equal(look(&b), 200);
        long base = cases[i].absolute ? (long)(b.settings.epoch / 1000) : 0;
        assert_int_equal(bench_number(&b, "x-ratelimit-reset") - base, cases[i].expected);
        bench_clear(&b);
    }
    struct bench b;
    bench_settings(&b);
    b.settings.reset = ONRAMP_RESET_MILLIS;
    b.settings.api = (struct onramp_limit){.burst = 10, .rate = {4, ONRAMP_SECOND}};
    bench_start(&b);
    assert_int_equal(look(&b), 200);
    assert_int_equal(bench_number(&b, "x-ratelimit-reset"), b.settings.epoch + 250);
    bench_clear(&b);
}

static void windows_refill_at_whole_minutes_of_the_tenants_clock(void **state)
{
    (void)state;
    struct bench b;
    bench_settings(&b);
    b.settings.epoch += 45500; /* 14.5 s before the minute */
    b.settings.api = (struct onramp_limit){.burst = 2, .rate = {2, ONRAMP_MINUTE}, .window = true};
    bench_start(&b);
    assert_int_equal(look(&b), 200);
    assert_int_equal(bench_number(&b, "x-ratelimit-reset") % 60, 0);
    assert_int_equal(look(&b), 200);
    b.now += 14 * ONRAMP_SECOND + ONRAMP_SECOND / 2 - 1;
    assert_int_equal(look(&b), 429);
    b.now += 1;
    assert_int_equal(look(&b), 200);
    assert_int_equal(bench_number(&b, "x-ratelimit-remaining"), 1);
    bench_clear(&b);
}

static void a_group_has_its_own_bucket_behind_the_wide_one(void **state)
{
    (void)state;
    struct bench b;
    bench_settings(&b);
    b.settings.api = (struct onramp_limit){.burst = 5, .rate = {1, ONRAMP_SECOND}};
    b.settings.groups[ONRAMP_GROUP_CREATE] = (struct onramp_limit){.burst = 2, .rate = {60, ONRAMP_MINUTE}};
    bench_start(&b);
    assert_int_equal(bench_create(&b, "\"email\":\"a@example.com\""), 201);
    assert_string_equal(bench_header(&b, "x-ratelimit-limit"), "2"); /* the one that is nearer */
    assert_int_equal(look(&b), 200);
    assert_string_equal(bench_header(&b, "x-ratelimit-limit"), "5");
    assert_string_equal(bench_header(&b, "x-ratelimit-remaining"), "3");
    assert_int_equal(draw(&b), 400);
    assert_int_equal(draw(&b), 429);
    assert_string_equal(bench_member(&b, "message"), "Global per minute users_write group limit has been reached");
    assert_int_equal(look(&b), 200); /* the refused one drew from the wide bucket all the same */
    assert_string_equal(bench_header(&b, "x-ratelimit-remaining"), "0");
    assert_int_equal(draw(&b), 429);
    assert_string_equal(bench_member(&b, "message"), "Global limit has been reached");
    bench_clear(&b);
}

static void headers_may_tell_of_the_wide_bucket_only(void **state)
{
    (void)state;
    struct bench b;
    bench_settings(&b);
    b.settings.headers_global = true;
    b.settings.refusal = ONRAMP_REFUSAL_LIMITS;
    b.settings.api = (struct onramp_limit){.burst = 50, .rate = {1, ONRAMP_SECOND}};
    b.settings.groups[ONRAMP_GROUP_CREATE] = (struct onramp_limit){.burst = 1, .rate = {1, ONRAMP_SECOND}};
    bench_start(&b);
    assert_int_equal(bench_create(&b, "\"email\":\"a@example.com\""), 201);
    assert_string_equal(bench_header(&b, "x-ratelimit-limit"), "50");
    assert_int_equal(draw(&b), 429);
    assert_string_equal(bench_header(&b, "x-ratelimit-remaining"), "48"); /* a hidden bucket refused it */
    bench_clear(&b);
}

static void headers_can_be_left_out(void **state)
{
    (void)state;
    struct bench b;
    bench_settings(&b);
    b.settings.no_headers = b.settings.no_date = true;
    b.settings.refusal = ONRAMP_REFUSAL_BOTH;
    b.settings.api = (struct onramp_limit){.burst = 1, .rate = {1, ONRAMP_SECOND}};
    bench_start(&b);
    assert_int_equal(look(&b), 200);
    assert_null(bench_header(&b, "x-ratelimit-limit"));
    assert_null(bench_header(&b, "date"));
    assert_int_equal(look(&b), 429);
    assert_null(bench_header(&b, "x-ratelimit-limit"));
    assert_string_equal(bench_header(&b, "retry-after"), "1");
    bench_clear(&b);
}

static void a_refusal_carries_what_it_was_told_to(void **state)
{
    (void)state;
    static const struct {
        enum onramp_refusal refusal;
        bool limits;
        const char *retry_after;
    } cases[] = {{ONRAMP_REFUSAL_LIMITS, true, NULL},
                 {ONRAMP_REFUSAL_RETRY_AFTER, false, "4"},
                 {ONRAMP_REFUSAL_RETRY_DATE, false, "Thu, 01 Jan 2026 00:00:04 GMT"},
                 {ONRAMP_REFUSAL_BOTH, true, "4"},
                 {ONRAMP_REFUSAL_BARE, false, NULL}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct bench b;
        bench_settings(&b);
        b.settings.refusal = cases[i].refusal;
        b.settings.api = (struct onramp_limit){.burst = 1, .rate = {17, ONRAMP_MINUTE}}; /* a token in 3.53 s */
        bench_start(&b);
        assert_int_equal(look(&b), 200);
        assert_int_equal(look(&b), 429);
        assert_int_equal(bench_header(&b, "x-ratelimit-remaining") != NULL, cases[i].limits);
        if (cases[i].retry_after == NULL)
            assert_null(bench_header(&b, "retry-after"));
        else
            assert_string_equal(bench_header(&b, "retry-after"), cases[i].retry_after);
        bench_clear(&b);
    }
}

static void buckets_may_start_as_empty_as_one_likes(void **state)
{
    (void)state;
    struct bench b;
    bench_settings(&b);
    b.settings.initial = 0.5;
    b.settings.api = (struct onramp_limit){.burst = 4, .rate = {1, ONRAMP_SECOND}};
    bench_start(&b);
    assert_int_equal(look(&b), 200);
    assert_int_equal(look(&b), 200);
    assert_int_equal(look(&b), 429);
    bench_clear(&b);
}

static void without_a_bucket_nothing_is_refused_and_no_limit_told(void **state)
{
    (void)state;
    struct bench b;
    start(&b, (struct onramp_limit){0});
    for (int i = 0; i < 1000; i++)
        assert_int_equal(look(&b), 200);
    assert_null(bench_header(&b, "x-ratelimit-limit"));
    bench_clear(&b);
}

static void tokens_and_resets_do_not_draw_from_the_buckets(void **state)
{
    (void)state;
    struct bench b;
    start(&b, (struct onramp_limit){.burst = 1, .rate = {1, ONRAMP_MINUTE}});
    for (int i = 0; i < 5; i++) {
        assert_int_equal(bench_call(&b, "POST", "/oauth/token", "{}"), 400);
        assert_int_equal(bench_call(&b, "POST", "/dbconnections/change_password", "{}"), 400);
    }
    assert_int_equal(look(&b), 200);
    bench_clear(&b);
}

static void rivals_draw_their_share_and_are_counted(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct bench b;
        bench_settings(&b);
        b.settings.seed = seed;
        b.settings.rivals = 0.5;
        b.settings.api = (struct onramp_limit){.burst = 50, .rate = {16, ONRAMP_SECOND}};
        bench_start(&b);
        b.now += 1000 * ONRAMP_SECOND;
        struct onramp_tenant_view view;
        onramp_tenant_view(b.tenant, b.now, &view);
        /* 8000 expected, deviation 89 */
        assert_in_range(view.rival_calls, 8000 - 450, 8000 + 450);
        assert_int_equal(view.rival_refused, 0);
        assert_true(view.level <= 50);
        bench_clear(&b);
    }
}

static void refused_rivals_are_counted_and_take_nothing(void **state)
{
    (void)state;
    struct bench b;
    bench_settings(&b);
    b.settings.rivals = 2;
    b.settings.api = (struct onramp_limit){.burst = 5, .rate = {1, ONRAMP_SECOND}};
    bench_start(&b);
    b.now += 10000 * ONRAMP_SECOND;
    struct onramp_tenant_view view;
    onramp_tenant_view(b.tenant, b.now, &view);
    uint64_t served = view.rival_calls - view.rival_refused;
    assert_in_range(served, 9900, 10005); /* all that the bucket gave, and no more */
    assert_true(view.rival_refused > 8000);
    bench_clear(&b);
}

/* How many of `n` creates were answered with `status`. */
static unsigned tally(struct bench *b, enum onramp_fault fault, uint32_t millionths, int n, int status)
{
    bench_settings(b);
    b->settings.faults[fault] = millionths;
    bench_start(b);
    unsigned count = 0;
    for (int i = 0; i < n; i++) {
        char members[64];
        snprintf(members, sizeof members, "\"email\":\"u%d@example.com\"", i);
        count += bench_create(b, members) == status;
    }
    return count;
}

static void a_fault_befalls_the_share_it_was_given(void **state)
{
    (void)state;
    struct bench b;
    unsigned refused = tally(&b, ONRAMP_FAULT_UNAVAILABLE, 250000, 2000, 503);
    assert_in_range(refused, 500 - 100, 500 + 100); /* deviation 19 */
    struct onramp_tenant_view view;
    onramp_tenant_view(b.tenant, b.now, &view);
    assert_int_equal(view.users, 2000 - refused);
    assert_int_equal(view.creates_answered_201, 2000 - refused);
    bench_clear(&b);
}

struct fault_case {
    enum onramp_fault fault;
    enum onramp_tenant_end end;
    int status;
    uint64_t users, drawn;
};

static void each_fault_acts_or_not_as_it_says(void **state)
{
    (void)state;
    static const struct fault_case cases[] = {
        {ONRAMP_FAULT_DROP, ONRAMP_TENANT_CLOSE, 0, 0, 0},
        {ONRAMP_FAULT_LOSE, ONRAMP_TENANT_CLOSE, 0, 1, 1},
        {ONRAMP_FAULT_TRUNCATE, ONRAMP_TENANT_CUT, 201, 1, 1},
        {ONRAMP_FAULT_HANG, ONRAMP_TENANT_HANG, 0, 1, 1},
        {ONRAMP_FAULT_BAD_GATEWAY, ONRAMP_TENANT_ANSWER, 502, 1, 1},
        {ONRAMP_FAULT_UNAVAILABLE, ONRAMP_TENANT_ANSWER, 503, 0, 0},
        {ONRAMP_FAULT_ERROR, ONRAMP_TENANT_ANSWER, 500, 0, 1},
        {ONRAMP_FAULT_EDGE, ONRAMP_TENANT_ANSWER, 429, 0, 0},
        {ONRAMP_FAULT_UNAUTHORIZED, ONRAMP_TENANT_ANSWER, 401, 0, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct bench b;
        bench_settings(&b);
        b.settings.faults[cases[i].fault] = 1000000;
        bench_start(&b);
        b.now += 5 * ONRAMP_SECOND; /* the token is no longer fresh */
        (void)bench_create(&b, "\"email\":\"a@example.com\"");
        assert_int_equal(b.answer.end, cases[i].end);
        assert_int_equal(b.answer.status, cases[i].status);
        struct onramp_tenant_view view;
        onramp_tenant_view(b.tenant, b.now, &view);
        assert_int_equal(view.users, cases[i].users);
        assert_int_equal(10000 - (uint64_t)view.level, cases[i].drawn);
        assert_int_equal(view.creates_answered_201, 0);
        assert_null(cases[i].status == 201 ? NULL : bench_header(&b, "x-ratelimit-limit"));
        bench_clear(&b);
    }
}

static void the_edges_429_is_a_page_with_retry_after(void **state)
{
    (void)state;
    struct bench b;
    tally(&b, ONRAMP_FAULT_EDGE, 1000000, 1, 0);
    assert_null(b.json);
    assert_string_equal(bench_header(&b, "content-type"), "text/html");
    assert_string_equal(bench_header(&b, "retry-after"), "1");
    struct onramp_tenant_view view;
    onramp_tenant_view(b.tenant, b.now, &view);
    assert_int_equal(view.refused, 0); /* not the bucket's */
    bench_clear(&b);
}

static void a_spurious_401_comes_once_for_a_token_and_not_when_it_is_fresh(void **state)
{
    (void)state;
    struct bench b;
    bench_settings(&b);
    b.settings.faults[ONRAMP_FAULT_UNAUTHORIZED] = 1000000;
    bench_start(&b);
    for (int tokens = 0; tokens < 3; tokens++) {
        assert_int_equal(look(&b), 200);
        b.now += 5 * ONRAMP_SECOND;
        assert_int_equal(look(&b), 401);
        assert_string_equal(bench_member(&b, "message"), "Expired token received for JSON Web Token validation");
        assert_int_equal(look(&b), 200);
        bench_token(&b);
    }
    bench_clear(&b);
}

static void latency_has_its_minimum_and_its_median(void **state)
{
    (void)state;
    struct bench b;
    bench_settings(&b);
    b.settings.latency_min = 199 * ONRAMP_MILLISECOND;
    b.settings.latency_median = 237 * ONRAMP_MILLISECOND;
    bench_start(&b);
    int below = 0, slow = 0;
    for (int i = 0; i < 2000; i++) {
        assert_int_equal(look(&b), 200);
        assert_true(b.answer.delay >= b.settings.latency_min);
        below += b.answer.delay < b.settings.latency_median;
        slow += b.answer.delay > 2 * b.settings.latency_median;
    }
    assert_in_range(below, 1000 - 120, 1000 + 120);
    assert_true(slow > 5); /* a tail */
    bench_clear(&b);
}

static void the_date_is_when_the_answer_leaves(void **state)
{
    (void)state;
    struct bench b;
    bench_settings(&b);
    b.settings.latency_min = b.settings.latency_median = 2 * ONRAMP_SECOND;
    bench_start(&b);
    assert_int_equal(look(&b), 200);
    assert_string_equal(bench_header(&b, "date"), "Thu, 01 Jan 2026 00:00:02 GMT");
    bench_clear(&b);
}

static void the_same_seed_gives_the_same_answers(void **state)
{
    (void)state;
    struct bench b[2];
    for (int k = 0; k < 2; k++) {
        bench_settings(&b[k]);
        b[k].settings.seed = 7;
        b[k].settings.rivals = 0.3;
        b[k].settings.latency_median = 50 * ONRAMP_MILLISECOND;
        b[k].settings.faults[ONRAMP_FAULT_LOSE] = 300000;
        b[k].settings.api = (struct onramp_limit){.burst = 10, .rate = {10, ONRAMP_SECOND}};
        bench_start(&b[k]);
    }
    assert_string_equal(b[0].bearer, b[1].bearer);
    for (int i = 0; i < 200; i++) {
        char members[64];
        snprintf(members, sizeof members, "\"email\":\"u%d@example.com\"", i);
        for (int k = 0; k < 2; k++) {
            b[k].now += 73 * ONRAMP_MILLISECOND;
            (void)bench_create(&b[k], members);
        }
        assert_int_equal(b[0].answer.status, b[1].answer.status);
        assert_int_equal(b[0].answer.end, b[1].answer.end);
        assert_int_equal(b[0].answer.delay, b[1].answer.delay);
        assert_int_equal(b[0].answer.body_size, b[1].answer.body_size);
        if (b[0].answer.body_size > 0)
            assert_memory_equal(b[0].answer.body, b[1].answer.body, b[0].answer.body_size);
    }
    bench_clear(&b[0]);
    bench_clear(&b[1]);
}

static void settings_out_of_range_are_refused(void **state)
{
    (void)state;
    struct onramp_tenant_settings good;
    onramp_tenant_defaults(&good);
    struct onramp_tenant_settings bad[9];
    for (size_t i = 0; i < 9; i++)
        bad[i] = good;
    bad[0].initial = 1.5;
    bad[1].rivals = -1;
    bad[2].latency_min = bad[2].latency_median + 1;
    bad[3].faults[ONRAMP_FAULT_LOSE] = bad[3].faults[ONRAMP_FAULT_DROP] = 600000;
    bad[4].options = "[]";
    bad[5].options = "{\"passwordPolicy\":\"strong\"}";
    bad[6].connection = NULL;
    bad[7].api.rate.tokens = 0;
    bad[8].token_seconds = 0;
    for (size_t i = 0; i < 9; i++) {
        struct onramp_tenant *tenant = NULL;
        struct onramp_error err = {0};
        assert_int_equal(onramp_tenant_new(&tenant, &bad[i], 0, &err), ONRAMP_EUSAGE);
        assert_null(tenant);
        assert_true(strlen(err.text) > 10);
    }
}

static void every_fault_has_a_name(void **state)
{
    (void)state;
    assert_string_equal(onramp_fault_name(ONRAMP_FAULT_DROP), "drop");
    assert_string_equal(onramp_fault_name(ONRAMP_FAULT_UNAUTHORIZED), "unauthorized");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bucket_refuses_exactly_when_it_is_empty),
        cmocka_unit_test(limits_stand_on_every_2xx_and_on_nothing_else),
        cmocka_unit_test(reset_is_when_the_bucket_is_full_as_recorded),
        cmocka_unit_test(every_meaning_of_reset_can_be_had),
        cmocka_unit_test(windows_refill_at_whole_minutes_of_the_tenants_clock),
        cmocka_unit_test(a_group_has_its_own_bucket_behind_the_wide_one),
        cmocka_unit_test(headers_may_tell_of_the_wide_bucket_only),
        cmocka_unit_test(headers_can_be_left_out),
        cmocka_unit_test(a_refusal_carries_what_it_was_told_to),
        cmocka_unit_test(buckets_may_start_as_empty_as_one_likes),
        cmocka_unit_test(without_a_bucket_nothing_is_refused_and_no_limit_told),
        cmocka_unit_test(tokens_and_resets_do_not_draw_from_the_buckets),
        cmocka_unit_test(rivals_draw_their_share_and_are_counted),
        cmocka_unit_test(refused_rivals_are_counted_and_take_nothing),
        cmocka_unit_test(a_fault_befalls_the_share_it_was_given),
        cmocka_unit_test(each_fault_acts_or_not_as_it_says),
        cmocka_unit_test(the_edges_429_is_a_page_with_retry_after),
        cmocka_unit_test(a_spurious_401_comes_once_for_a_token_and_not_when_it_is_fresh),
        cmocka_unit_test(latency_has_its_minimum_and_its_median),
        cmocka_unit_test(the_date_is_when_the_answer_leaves),
        cmocka_unit_test(the_same_seed_gives_the_same_answers),
        cmocka_unit_test(settings_out_of_range_are_refused),
        cmocka_unit_test(every_fault_has_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
