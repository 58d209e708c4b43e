/*
 * one_pool.h - the pool that a test program has open, and what its tests do with it.
 */
#ifndef ONRAMP_TESTS_SUPPORT_ONE_POOL_H
#define ONRAMP_TESTS_SUPPORT_ONE_POOL_H

#include "onramp/transport.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define LONG_ENOUGH (20 * ONRAMP_SECOND) /* a timeout that no test wants to see */

static struct onramp_transport pool; /* its ops are NULL while it is closed */

static inline void open_pool_at(const struct onramp_pool_settings *settings)
{
    struct onramp_error err = {0};
    if (onramp_pool_open(&pool, settings, &err) != ONRAMP_OK)
        fail_msg("%s", err.text);
}

static inline void close_pool(void)
{
    if (pool.ops != NULL)
        pool.ops->close(pool.self);
    pool = (struct onramp_transport){0};
}

static inline struct onramp_request post_request(const char *body)
{
    return (struct onramp_request){.method = "POST",
                                   .path = "/api/v2/users",
                                   .content_type = "application/json",
                                   .body = body,
                                   .body_size = strlen(body),
                                   .timeout = LONG_ENOUGH};
}

static inline void send_as(uint32_t id, const struct onramp_request *request)
{
    struct onramp_error err = {0};
    if (pool.ops->send(pool.self, id, request, &err) != ONRAMP_OK)
        fail_msg("%s", err.text);
}

/* The next answer. Its body is good until the next call on the pool. */
static inline struct onramp_answer await(void)
{
    struct onramp_answer answer;
    struct onramp_error err = {0};
    while (!pool.ops->take(pool.self, &answer))
        if (pool.ops->wait(pool.self, pool.ops->now(pool.self) + ONRAMP_SECOND, &err) != ONRAMP_OK)
            fail_msg("%s", err.text);
    assert_true(answer.sent_at > 0);
    assert_true(answer.received_at >= answer.sent_at);
    assert_int_equal(answer.body[answer.body_size], '\0');
    return answer;
}

static inline void expect_status(const struct onramp_answer *answer, int status)
{
    if (answer->delivery != ONRAMP_ANSWERED)
        fail_msg("not answered: %s", answer->problem);
    assert_int_equal(answer->status, status);
}

#endif
