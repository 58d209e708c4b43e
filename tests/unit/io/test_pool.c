/*
 * test_pool.c - the pool against servers that behave, and servers that do not.
 */
#include "support/one_pool.h"
#include "support/peer.h"

#include <sodium.h>
#include <zlib.h>

/* ---- a pool at hand, and whom it asks ---- */

static struct peer peer, other; /* not a test's own: they go on when an assertion has left it */

static void open_pool(unsigned port, uint32_t concurrency, int wake_fd)
{
    char base[64];
    (void)snprintf(base, sizeof base, "http://127.0.0.1:%u", port);
    open_pool_at(&(struct onramp_pool_settings){
        .base = base, .client_name = "onramp/1.2.3", .concurrency = concurrency, .wake_fd = wake_fd});
}

static void end(void)
{
    close_pool();
    peer_stop(&peer);
    peer_stop(&other);
}

/* The peer, and a pool for it. One that has served before begins anew. */
static void meet(peer_answer *answer, uint32_t concurrency)
{
    if (peer.port != 0) {
        end();
        peer = (struct peer){0};
    }
    peer_start(&peer, answer);
    open_pool(peer.port, concurrency, -1);
}

static int clean_up(void **state)
{
    (void)state;
    end();
    peer = other = (struct peer){0};
    return 0;
}

static struct onramp_request get_request(void)
{
    return (struct onramp_request){.method = "GET", .path = "/api/v2/users", .timeout = LONG_ENOUGH};
}

static struct onramp_answer exchange(const struct onramp_request *request)
{
    send_as(7, request);
    struct onramp_answer answer = await();
    assert_int_equal(answer.id, 7);
    return answer;
}

/* ---- how a peer may answer ---- */

static bool answer_ok(struct peer *self, const struct peer_request *request)
{
    (void)self;
    peer_say(request->fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
    return true;
}

static bool answer_when_all_are_there(struct peer *self, const struct peer_request *request)
{
    peer_wait_for_all(self);
    return answer_ok(self, request);
}

static bool answer_nothing(struct peer *self, const struct peer_request *request)
{
    (void)self;
    (void)request;
    return false;
}

static bool answer_never(struct peer *self, const struct peer_request *request)
{
    (void)self;
    char byte;
    (void)recv(request->fd, &byte, 1, 0); /* until the other end gives up */
    return false;
}

static bool answer_once(struct peer *self, const struct peer_request *request)
{
    return request->ordinal == 1 && answer_ok(self, request);
}

static bool reset_the_second(struct peer *self, const struct peer_request *request)
{
    if (request->ordinal == 1)
        return answer_ok(self, request);
    peer_reset(request->fd);
    return false;
}

static const char *canned; /* for answer_canned() */

static bool answer_canned(struct peer *self, const struct peer_request *request)
{
    (void)self;
    peer_say(request->fd, canned);
    return false;
}

static struct onramp_answer exchange_canned(const char *text)
{
    canned = text;
    meet(answer_canned, 1);
    struct onramp_request request = post_request("{}");
    return exchange(&request);
}

/* ---- requests ---- */

static void expect_field(const char *name, const char *value)
{
    char found[1024] = "(absent)";
    (void)peer_field(&peer.last, name, found, sizeof found);
    assert_string_equal(found, value);
}

static void sends_all_that_a_request_carries(void **state)
{
    (void)state;
    struct onramp_secret *token = NULL;
    meet(answer_ok, 1);
    assert_int_equal(onramp_secret_copy(&token, "a.token", 7, NULL), ONRAMP_OK);
    struct onramp_request request = post_request("{\"email\":\"ann@example.com\"}");
    request.path = "/api/v2/users?q=a%2Fb&x=%2e%2e";
    request.bearer = token;
    request.correlation_id = "run-1-record-2";
    request.custom_domain = "login.example.com";
    struct onramp_answer answer = exchange(&request);
    onramp_secret_free(token);
    expect_status(&answer, 200);
    assert_string_equal(answer.body, "{}");
    assert_string_equal(answer.problem, "");

    const char *line = "POST /api/v2/users?q=a%2Fb&x=%2e%2e HTTP/1.1\r\n"; /* not a byte of it changed */
    assert_memory_equal(peer.last.head, line, strlen(line));
    expect_field("Authorization", "Bearer a.token");
    expect_field("Content-Type", "application/json");
    expect_field("X-Correlation-ID", "run-1-record-2");
    expect_field("auth0-custom-domain", "login.example.com");
    expect_field("Accept", "application/json");
    expect_field("Accept-Encoding", "gzip");
    expect_field("User-Agent", "onramp/1.2.3");
    assert_int_equal(peer.last.body_size, request.body_size);
    assert_memory_equal(peer.last.body, request.body, request.body_size);

    char coded[512] = "", text[400] = "";
    size_t size = 0;
    assert_true(peer_field(&peer.last, "Auth0-Client", coded, sizeof coded));
    assert_int_equal(sodium_base642bin((unsigned char *)text, sizeof text - 1, coded, strlen(coded), NULL, &size, NULL,
                                       sodium_base64_VARIANT_ORIGINAL),
                     0);
    assert_non_null(strstr(text, "{\"name\":\"onramp\",\"version\":\"1.2.3\",\"env\":{\"libcurl\":\""));
}

static void sends_no_header_without_a_value(void **state)
{
    (void)state;
    meet(answer_ok, 1);
    struct onramp_request request = get_request();
    (void)exchange(&request);
    static const char *const absent[] = {
        "Authorization",  "Content-Type", "X-Correlation-ID", "auth0-custom-domain", "Expect",
        "Content-Length", "Cookie"};
    for (size_t i = 0; i < sizeof absent / sizeof *absent; i++)
        expect_field(absent[i], "(absent)");
    assert_null(strstr(strstr(peer.last.head, "Accept: ") + 1, "Accept: ")); /* and none twice */
}

static void sends_every_method_over_one_handle(void **state)
{
    (void)state;
    meet(answer_ok, 1);
    static const struct {
        const char *method, *body, *line;
    } cases[] = {
        {"POST", "{\"a\":1}", "POST /api/v2/users HTTP/1.1\r\n"},
        {"GET", NULL, "GET /api/v2/users HTTP/1.1\r\n"},
        {"PATCH", "{\"b\":2}", "PATCH /api/v2/users HTTP/1.1\r\n"},
        {"DELETE", NULL, "DELETE /api/v2/users HTTP/1.1\r\n"},
        {"POST", NULL, "POST /api/v2/users HTTP/1.1\r\n"},
        {"GET", NULL, "GET /api/v2/users HTTP/1.1\r\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct onramp_request request = get_request();
        request.method = cases[i].method;
        request.body = cases[i].body;
        request.body_size = cases[i].body != NULL ? strlen(cases[i].body) : 0;
        struct onramp_answer answer = exchange(&request);
        expect_status(&answer, 200);
        assert_memory_equal(peer.last.head, cases[i].line, strlen(cases[i].line));
        assert_int_equal(peer.last.body_size, request.body_size);
    }
}

static void refuses_values_that_would_become_other_headers(void **state)
{
    (void)state;
    meet(answer_ok, 1);
    struct onramp_secret *token = NULL;
    struct onramp_error err = {0};
    assert_int_equal(onramp_secret_copy(&token, "hush\r\nX: y", 10, NULL), ONRAMP_OK);
    struct onramp_request request = get_request();
    request.bearer = token;
    assert_int_equal(pool.ops->send(pool.self, 1, &request, &err), ONRAMP_EUSAGE);
    assert_null(strstr(err.text, "hush"));
    onramp_secret_free(token);
    request = get_request();
    request.custom_domain = "a\nb";
    assert_int_equal(pool.ops->send(pool.self, 1, &request, &err), ONRAMP_EUSAGE);
    request = get_request();
    struct onramp_answer answer = exchange(&request); /* and the place is free again */
    expect_status(&answer, 200);
    assert_int_equal(peer.requests, 1);
}

/* ---- connections ---- */

static void one_connection_serves_one_request_after_the_other(void **state)
{
    (void)state;
    meet(answer_ok, 4);
    struct onramp_request request = post_request("{}");
    for (int i = 0; i < 20; i++) {
        struct onramp_answer answer = exchange(&request);
        expect_status(&answer, 200);
    }
    struct onramp_pool_view view;
    onramp_pool_view(&pool, &view);
    assert_int_equal(view.requests, 20);
    assert_int_equal(view.connections, 1);
    assert_int_equal(view.http_version, 1);
    assert_int_equal(peer.connections, 1);
    assert_int_equal(peer.requests, 20);
}

static void requests_at_once_do_not_queue_behind_each_other(void **state)
{
    (void)state;
    peer.gate = 8; /* answers none before eight are there */
    meet(answer_when_all_are_there, 8);
    struct onramp_request request = post_request("{}");
    for (int round = 0; round < 3; round++) {
        bool seen[8] = {false};
        for (uint32_t id = 0; id < 8; id++)
            send_as(id, &request);
        for (int i = 0; i < 8; i++) {
            struct onramp_answer answer = await();
            expect_status(&answer, 200);
            assert_true(answer.id < 8 && !seen[answer.id]);
            seen[answer.id] = true;
        }
        (void)pthread_mutex_lock(&peer.lock);
        peer.gate += 8;
        (void)pthread_mutex_unlock(&peer.lock);
    }
    assert_int_equal(peer.connections, 8); /* kept for the later rounds */
}

static void says_so_when_there_are_more_requests_than_places(void **state)
{
    (void)state;
    peer.gate = 2;
    meet(answer_when_all_are_there, 2);
    struct onramp_request request = get_request();
    struct onramp_error err = {0};
    send_as(0, &request);
    send_as(1, &request);
    assert_int_equal(pool.ops->send(pool.self, 2, &request, &err), ONRAMP_EIO);
    assert_string_equal(err.text, "more than 2 requests at once");
    (void)await();
    send_as(3, &request); /* a place is free as soon as its answer has been taken */
    (void)await();
    (void)await();
}

static void closing_aborts_what_is_in_flight(void **state)
{
    (void)state;
    meet(answer_never, 2);
    struct onramp_request request = post_request("{}");
    send_as(0, &request);
    send_as(1, &request);
    end();
}

/* ---- answers ---- */

static void keeps_the_fields_that_matter(void **state)
{
    (void)state;
    struct onramp_answer answer =
        exchange_canned("HTTP/1.1 429 Too Many Requests\r\nX-RateLimit-Limit: 10\r\nx-ratelimit-remaining:0\r\n"
                        "X-RATELIMIT-RESET: \t1700000000 \r\nRetry-After: 3\r\nDate: Sun, 06 Nov 1994 08:49:37 "
                        "GMT\r\nContent-Type: application/json; charset=utf-8\r\n"
                        "ot-baggage-auth0-request-id: abc\r\nCF-Ray: ray\r\nContent-Length: 2\r\n\r\n{}");
    expect_status(&answer, 429);
    assert_false(answer.truncated);
    assert_string_equal(answer.fields.limit, "10");
    assert_string_equal(answer.fields.remaining, "0");
    assert_string_equal(answer.fields.reset, "1700000000");
    assert_string_equal(answer.fields.retry_after, "3");
    assert_string_equal(answer.fields.date, "Sun, 06 Nov 1994 08:49:37 GMT");
    assert_string_equal(answer.fields.content_type, "application/json; charset=utf-8");
    assert_string_equal(answer.fields.request_id, "abc");
    assert_string_equal(answer.fields.location, "");
}

static void a_ray_stands_in_for_a_request_id_and_half_a_value_for_nothing(void **state)
{
    (void)state;
    struct onramp_answer answer = exchange_canned("HTTP/1.1 200 OK\r\nCF-Ray: 8f1-FRA\r\nX-RateLimit-Limit: "
                                                  "1000000000000000000000000000000000\r\nContent-Length: 0\r\n\r\n");
    expect_status(&answer, 200);
    assert_string_equal(answer.fields.request_id, "8f1-FRA");
    assert_string_equal(answer.fields.limit, "");
    assert_int_equal(answer.body_size, 0);
}

static void an_interim_answer_is_not_the_answer(void **state)
{
    (void)state;
    struct onramp_answer answer =
        exchange_canned("HTTP/1.1 103 Early Hints\r\nX-RateLimit-Limit: 1\r\n\r\n"
                        "HTTP/1.1 201 Created\r\nX-RateLimit-Remaining: 2\r\nContent-Length: 2\r\n\r\n{}");
    expect_status(&answer, 201);
    assert_string_equal(answer.fields.limit, "");
    assert_string_equal(answer.fields.remaining, "2");

    answer = exchange_canned("HTTP/1.1 103 Early Hints\r\nX-RateLimit-Limit: 1\r\n\r\n");
    assert_int_equal(answer.delivery, ONRAMP_LOST);
    assert_int_equal(answer.status, 0);
}

static void a_redirect_is_an_answer_and_goes_nowhere(void **state)
{
    (void)state;
    peer_start(&other, answer_ok);
    char text[200];
    (void)snprintf(text, sizeof text,
                   "HTTP/1.1 307 Temporary Redirect\r\nLocation: http://127.0.0.1:%u/api/v2/users\r\n"
                   "Content-Length: 0\r\n\r\n",
                   other.port);
    struct onramp_answer answer = exchange_canned(text);
    expect_status(&answer, 307);
    (void)snprintf(text, sizeof text, "http://127.0.0.1:%u/api/v2/users", other.port);
    assert_string_equal(answer.fields.location, text);
    end();
    assert_int_equal(other.connections, 0);
}

static void a_body_cut_short_is_said_to_be(void **state)
{
    (void)state;
    static const char *const cut[] = {
        "HTTP/1.1 201 Created\r\nContent-Length: 100\r\n\r\n{\"user_id\":",
        "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n{\"user_id\":\r\n",
        "HTTP/1.1 201 Created\r\nContent-Encoding: gzip\r\nContent-Length: 11\r\n\r\n{\"user_id\":",
    };
    for (size_t i = 0; i < sizeof cut / sizeof *cut; i++) {
        struct onramp_answer answer = exchange_canned(cut[i]);
        expect_status(&answer, 201);
        assert_true(answer.truncated);
        assert_true(strlen(answer.problem) > 0);
        assert_string_equal(answer.body, i < 2 ? "{\"user_id\":" : "");
    }
}

static bool answer_two_mebibytes(struct peer *self, const struct peer_request *request)
{
    (void)self;
    static char zeros[64 * 1024];
    peer_say(request->fd, "HTTP/1.1 200 OK\r\nContent-Length: 2097152\r\n\r\n");
    for (int i = 0; i < 32; i++)
        peer_write(request->fd, zeros, sizeof zeros);
    return true;
}

/* Two mebibytes of zeros in two kibibytes. */
static bool answer_gzip_bomb(struct peer *self, const struct peer_request *request)
{
    (void)self;
    unsigned char packed[8192];
    unsigned char *zeros = calloc(2, ONRAMP_BODY_MAX);
    z_stream z = {0};
    if (zeros == NULL || deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        abort();
    z.next_in = zeros;
    z.avail_in = 2 * ONRAMP_BODY_MAX;
    z.next_out = packed;
    z.avail_out = sizeof packed;
    if (deflate(&z, Z_FINISH) != Z_STREAM_END)
        abort();
    char head[128];
    (void)snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %lu\r\n\r\n",
                   z.total_out);
    peer_say(request->fd, head);
    peer_write(request->fd, packed, z.total_out);
    (void)deflateEnd(&z);
    free(zeros);
    return true;
}

static void a_body_is_bounded(void **state)
{
    (void)state;
    peer_answer *const answers[] = {answer_two_mebibytes, answer_gzip_bomb};
    for (size_t i = 0; i < 2; i++) {
        meet(answers[i], 1);
        struct onramp_request request = get_request();
        struct onramp_answer answer = exchange(&request);
        expect_status(&answer, 200);
        assert_true(answer.truncated);
        assert_int_equal(answer.body_size, ONRAMP_BODY_MAX);
        assert_string_equal(answer.problem, "the answer is over 1 MiB");
    }
}

static bool answer_one_mebibyte(struct peer *self, const struct peer_request *request)
{
    (void)self;
    static char zeros[64 * 1024];
    peer_say(request->fd, "HTTP/1.1 200 OK\r\nContent-Length: 1048576\r\n\r\n");
    for (int i = 0; i < 16; i++)
        peer_write(request->fd, zeros, sizeof zeros);
    return true;
}

static bool answer_headers_without_end(struct peer *self, const struct peer_request *request)
{
    (void)self;
    peer_say(request->fd, "HTTP/1.1 200 OK\r\n");
    while (peer_say(request->fd, "X-RateLimit-Limit: 1000000\r\n"))
        continue;
    return false;
}

static void headers_are_bounded(void **state)
{
    (void)state;
    meet(answer_headers_without_end, 1);
    struct onramp_request request = get_request();
    struct onramp_answer answer = exchange(&request);
    assert_int_equal(answer.delivery, ONRAMP_LOST);
    assert_null(strstr(answer.problem, "timed out")); /* but refused: by the pool, or by newer libcurls themselves */
}

static void a_body_of_just_the_bound_is_whole(void **state)
{
    (void)state;
    meet(answer_one_mebibyte, 1);
    struct onramp_request request = get_request();
    for (int i = 0; i < 2; i++) {
        struct onramp_answer answer = exchange(&request);
        expect_status(&answer, 200);
        assert_false(answer.truncated);
        assert_int_equal(answer.body_size, ONRAMP_BODY_MAX);
    }
    assert_int_equal(peer.connections, 1);
}

/* ---- what is certain about a request ---- */

static void refused_connections_leave_requests_unsent(void **state)
{
    (void)state;
    peer_start(&peer, answer_ok);
    peer_stop(&peer); /* nobody listens there now */
    open_pool(peer.port, 1, -1);
    struct onramp_request request = post_request("{}");
    struct onramp_answer answer = exchange(&request);
    assert_int_equal(answer.delivery, ONRAMP_UNSENT);
    assert_false(answer.certificate);
    assert_true(strlen(answer.problem) > 0);
}

static void a_server_without_tls_leaves_requests_unsent(void **state)
{
    (void)state;
    canned = "HTTP/1.1 400 Bad Request\r\n\r\n";
    peer_start(&peer, answer_canned);
    char base[64];
    (void)snprintf(base, sizeof base, "https://127.0.0.1:%u", peer.port);
    struct onramp_pool_settings settings = {.base = base, .client_name = "onramp", .concurrency = 1, .wake_fd = -1};
    assert_int_equal(onramp_pool_open(&pool, &settings, NULL), ONRAMP_OK);
    struct onramp_request request = post_request("{}");
    request.timeout = 100 * ONRAMP_MILLISECOND;
    struct onramp_answer answer = exchange(&request);
    assert_int_equal(answer.delivery, ONRAMP_UNSENT);
    assert_false(answer.certificate);
}

static void a_timeout_after_sending_loses_the_answer(void **state)
{
    (void)state;
    meet(answer_never, 1);
    struct onramp_request request = post_request("{}");
    request.timeout = 50 * ONRAMP_MILLISECOND;
    struct onramp_answer answer = exchange(&request);
    assert_true(answer.delivery == ONRAMP_LOST || answer.delivery == ONRAMP_UNSENT); /* a slow machine sends nothing */
    assert_int_equal(answer.status, 0);
    assert_true(answer.received_at - answer.sent_at >= 0);
    assert_non_null(strstr(answer.problem, "timed out"));
}

static void a_connection_closed_without_an_answer_loses_it(void **state)
{
    (void)state;
    meet(answer_nothing, 1);
    struct onramp_request request = post_request("{}");
    struct onramp_answer answer = exchange(&request);
    assert_int_equal(answer.delivery, ONRAMP_LOST);
    assert_true(strlen(answer.problem) > 0);
    end();
    assert_int_equal(peer.requests, 1);
}

static void headers_cut_short_lose_the_answer(void **state)
{
    (void)state;
    static const char *const cut[] = {"HTTP/1.1 2", "HTTP/1.1 201 Created\r\n", "HTTP/1.1 201 Created\r\nDate: x\r\n",
                                      "garbage\r\n\r\n"};
    for (size_t i = 0; i < sizeof cut / sizeof *cut; i++) {
        struct onramp_answer answer = exchange_canned(cut[i]);
        assert_int_equal(answer.delivery, ONRAMP_LOST);
        assert_int_equal(answer.status, 0);
        end();
        assert_int_equal(peer.requests, 1);
    }
}

/* The server acts on the second request of a kept connection and closes: libcurl would send it again. */
static void a_request_is_never_sent_twice_behind_our_back(void **state)
{
    (void)state;
    peer_answer *const answers[] = {answer_once, reset_the_second};
    static const char *const methods[] = {"POST", "PATCH", "DELETE", "GET"};
    for (size_t i = 0; i < 2; i++) {
        for (size_t m = 0; m < sizeof methods / sizeof *methods; m++) {
            meet(answers[i], 1);
            struct onramp_request request = post_request("{\"email\":\"ann@example.com\"}");
            request.method = methods[m];
            if (m >= 2)
                request.body = NULL;
            struct onramp_answer answer = exchange(&request);
            expect_status(&answer, 200);
            answer = exchange(&request);
            assert_int_equal(answer.delivery, ONRAMP_LOST);
            assert_string_equal(answer.problem, "the connection was closed before an answer came");
            answer = exchange(&request); /* and the pool goes on */
            expect_status(&answer, 200);
            end();
            assert_int_equal(peer.requests, 3);
        }
    }
}

/* As before, but nobody listens any more when libcurl turns to a new connection: its error is that of the second try.
 */
static bool stop_listening_at_the_second(struct peer *self, const struct peer_request *request)
{
    if (request->ordinal == 1)
        return answer_ok(self, request);
    (void)shutdown(self->listener, SHUT_RDWR);
    return false;
}

static void a_failed_second_try_does_not_hide_the_first(void **state)
{
    (void)state;
    meet(stop_listening_at_the_second, 1);
    struct onramp_request request = post_request("{\"email\":\"ann@example.com\"}");
    struct onramp_answer answer = exchange(&request);
    expect_status(&answer, 200);
    answer = exchange(&request);
    assert_int_equal(answer.delivery, ONRAMP_LOST);
    end();
    assert_int_equal(peer.requests, 2);
}

static void a_request_the_server_cannot_have_read_is_unsent(void **state)
{
    (void)state;
    peer.reads_nothing = true;
    meet(answer_ok, 1);
    char *body = calloc(1, 16 * ONRAMP_BODY_MAX); /* more than a socket takes */
    assert_non_null(body);
    struct onramp_request request = post_request("");
    request.body = body;
    request.body_size = 16 * ONRAMP_BODY_MAX;
    struct onramp_answer answer = exchange(&request);
    assert_int_equal(answer.delivery, ONRAMP_UNSENT);
    end();
    free(body);
}

/* ---- waiting ---- */

static void waits_until_it_is_time_without_spinning(void **state)
{
    (void)state;
    meet(answer_never, 1);
    struct onramp_request request = get_request();
    for (int in_flight = 0; in_flight < 2; in_flight++) {
        if (in_flight)
            send_as(1, &request);
        struct onramp_error err;
        onramp_time until = pool.ops->now(pool.self) + 20 * ONRAMP_MILLISECOND + 300 * ONRAMP_MICROSECOND;
        int turns = 0;
        for (; pool.ops->now(pool.self) < until; turns++)
            assert_int_equal(pool.ops->wait(pool.self, until, &err), ONRAMP_OK);
        assert_in_range(turns, 1, 20);
        assert_int_equal(pool.ops->wait(pool.self, until, &err), ONRAMP_OK); /* what is past does not block */
    }
}

static void a_readable_wake_fd_ends_waiting(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "x", 1), 1);
    open_pool(1, 1, ends[0]);
    struct onramp_error err;
    onramp_time until = pool.ops->now(pool.self) + 60 * ONRAMP_SECOND;
    assert_int_equal(pool.ops->wait(pool.self, until, &err), ONRAMP_OK);
    assert_true(pool.ops->now(pool.self) < until);
    assert_int_equal(pool.ops->wait(pool.self, ONRAMP_NEVER, &err), ONRAMP_OK);
    char byte;
    assert_int_equal(read(ends[0], &byte, 1), 1); /* it was not read */
    close_pool();
    close(ends[0]);
    close(ends[1]);
}

static void an_answer_ends_waiting(void **state)
{
    (void)state;
    meet(answer_ok, 1);
    struct onramp_request request = get_request();
    struct onramp_answer answer;
    struct onramp_error err;
    assert_false(pool.ops->take(pool.self, &answer));
    send_as(1, &request);
    int turns = 0;
    for (; !pool.ops->take(pool.self, &answer); turns++)
        assert_int_equal(pool.ops->wait(pool.self, ONRAMP_NEVER, &err), ONRAMP_OK);
    assert_in_range(turns, 0, 20);
}

static void tells_the_wall_clock_in_milliseconds(void **state)
{
    (void)state;
    open_pool(1, 1, -1);
    int64_t ms = pool.ops->wall(pool.self);
    assert_true(ms / 1000 >= (int64_t)time(NULL) - 60 && ms / 1000 <= (int64_t)time(NULL) + 60);
}

/* ---- settings ---- */

static void names_what_is_wrong_with_a_ca_file(void **state)
{
    (void)state;
    struct onramp_error err = {0};
    struct onramp_pool_settings settings = {.base = "https://127.0.0.1:1",
                                            .client_name = "onramp/1.2.3",
                                            .ca_file = "/nonexistent/ca.pem",
                                            .concurrency = 1,
                                            .wake_fd = -1};
    assert_int_equal(onramp_pool_open(&pool, &settings, &err), ONRAMP_EUSAGE);
    assert_string_equal(err.text, "cannot read CA file '/nonexistent/ca.pem': No such file or directory");
    settings.ca_file = "/";
    assert_int_equal(onramp_pool_open(&pool, &settings, &err), ONRAMP_EUSAGE);
    assert_string_equal(err.text, "cannot read CA file '/': Is a directory");
    settings.ca_file = "/dev/null";
    assert_int_equal(onramp_pool_open(&pool, &settings, &err), ONRAMP_EUSAGE);
    assert_string_equal(err.text, "no certificate in CA file '/dev/null'; it must be PEM");
}

static void a_proxy_of_the_environment_does_not_come_between_loopback(void **state)
{
    (void)state;
    peer_start(&peer, answer_ok);
    assert_int_equal(setenv("http_proxy", "http://127.0.0.1:1", 1), 0);
    open_pool(peer.port, 1, -1);
    struct onramp_request request = get_request();
    struct onramp_answer answer = exchange(&request);
    assert_int_equal(unsetenv("http_proxy"), 0);
    expect_status(&answer, 200);
}

static void a_proxy_that_cannot_be_reached_leaves_requests_unsent(void **state)
{
    (void)state;
    struct onramp_pool_settings settings = {.base = "https://tenant.invalid",
                                            .client_name = "onramp/1.2.3",
                                            .proxy = "http://127.0.0.1:1",
                                            .concurrency = 1,
                                            .wake_fd = -1};
    assert_int_equal(onramp_pool_open(&pool, &settings, NULL), ONRAMP_OK);
    struct onramp_request request = post_request("{}");
    struct onramp_answer answer = exchange(&request);
    assert_int_equal(answer.delivery, ONRAMP_UNSENT);
    assert_int_equal(answer.proxy_status, 0);
}

static void a_proxy_that_refuses_sees_no_token_and_leaves_requests_unsent(void **state)
{
    (void)state;
    char base[64];
    canned = "HTTP/1.1 403 Forbidden\r\nX-RateLimit-Limit: 1\r\nContent-Length: 2\r\n\r\nno";
    peer_start(&peer, answer_canned);
    (void)snprintf(base, sizeof base, "http://127.0.0.1:%u", peer.port);
    struct onramp_pool_settings settings = {.base = "https://tenant.invalid",
                                            .client_name = "onramp/1.2.3",
                                            .proxy = base,
                                            .concurrency = 1,
                                            .wake_fd = -1};
    assert_int_equal(onramp_pool_open(&pool, &settings, NULL), ONRAMP_OK);
    struct onramp_secret *token = NULL;
    assert_int_equal(onramp_secret_copy(&token, "hush", 4, NULL), ONRAMP_OK);
    struct onramp_request request = post_request("{}");
    request.bearer = token;
    struct onramp_answer answer = exchange(&request);
    onramp_secret_free(token);
    assert_int_equal(answer.delivery, ONRAMP_UNSENT);
    assert_int_equal(answer.proxy_status, 403);
    assert_string_equal(answer.fields.limit, "");
    assert_memory_equal(peer.last.head, "CONNECT tenant.invalid:443 ", 27);
    assert_null(strstr(peer.last.head, "hush"));
}

#define TEST(name) cmocka_unit_test_teardown(name, clean_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(sends_all_that_a_request_carries),
        TEST(sends_no_header_without_a_value),
        TEST(sends_every_method_over_one_handle),
        TEST(refuses_values_that_would_become_other_headers),
        TEST(one_connection_serves_one_request_after_the_other),
        TEST(requests_at_once_do_not_queue_behind_each_other),
        TEST(says_so_when_there_are_more_requests_than_places),
        TEST(closing_aborts_what_is_in_flight),
        TEST(keeps_the_fields_that_matter),
        TEST(a_ray_stands_in_for_a_request_id_and_half_a_value_for_nothing),
        TEST(an_interim_answer_is_not_the_answer),
        TEST(a_redirect_is_an_answer_and_goes_nowhere),
        TEST(a_body_cut_short_is_said_to_be),
        TEST(a_body_is_bounded),
        TEST(headers_are_bounded),
        TEST(a_body_of_just_the_bound_is_whole),
        TEST(refused_connections_leave_requests_unsent),
        TEST(a_server_without_tls_leaves_requests_unsent),
        TEST(a_timeout_after_sending_loses_the_answer),
        TEST(a_connection_closed_without_an_answer_loses_it),
        TEST(headers_cut_short_lose_the_answer),
        TEST(a_request_is_never_sent_twice_behind_our_back),
        TEST(a_failed_second_try_does_not_hide_the_first),
        TEST(a_request_the_server_cannot_have_read_is_unsent),
        TEST(waits_until_it_is_time_without_spinning),
        TEST(a_readable_wake_fd_ends_waiting),
        TEST(an_answer_ends_waiting),
        TEST(tells_the_wall_clock_in_milliseconds),
        TEST(names_what_is_wrong_with_a_ca_file),
        TEST(a_proxy_of_the_environment_does_not_come_between_loopback),
        TEST(a_proxy_that_cannot_be_reached_leaves_requests_unsent),
        TEST(a_proxy_that_refuses_sees_no_token_and_leaves_requests_unsent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
