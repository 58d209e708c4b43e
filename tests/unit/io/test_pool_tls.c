/*
 * test_pool_tls.c - the pool over TLS and HTTP/2, through a real terminator (nghttpx), with certificates made for the
 * occasion (openssl). Skipped where one of them is missing.
 */
#include "support/one_pool.h"
#include "support/peer.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <time.h>

extern char **environ;

static char directory[] = "/tmp/onramp-test-tls-XXXXXX";
static char key[64], certificate[64];
static bool ready; /* the tools are there and a certificate is made */

/* ---- other programs ---- */

/* Start a program quietly; -1 if it is not there. */
static pid_t start(const char *const *argv)
{
    posix_spawn_file_actions_t actions;
    pid_t pid = -1;
    assert_int_equal(posix_spawn_file_actions_init(&actions), 0);
    assert_int_equal(posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0), 0);
    assert_int_equal(posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0), 0);
    if (posix_spawnp(&pid, argv[0], &actions, NULL, (char *const *)(uintptr_t)argv, environ) != 0)
        pid = -1;
    assert_int_equal(posix_spawn_file_actions_destroy(&actions), 0);
    return pid;
}

static bool run(const char *const *argv)
{
    int status = -1;
    pid_t pid = start(argv);
    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static int make_certificate(void **state)
{
    (void)state;
    if (mkdtemp(directory) == NULL)
        return -1;
    (void)snprintf(key, sizeof key, "%s/key.pem", directory);
    (void)snprintf(certificate, sizeof certificate, "%s/cert.pem", directory);
    const char *const request[] = {"openssl",
                                   "req",
                                   "-x509",
                                   "-newkey",
                                   "ec",
                                   "-pkeyopt",
                                   "ec_paramgen_curve:prime256v1",
                                   "-nodes",
                                   "-keyout",
                                   key,
                                   "-out",
                                   certificate,
                                   "-days",
                                   "2",
                                   "-subj",
                                   "/CN=onramp test",
                                   "-addext",
                                   "subjectAltName=IP:127.0.0.1",
                                   NULL};
    const char *const probe[] = {"nghttpx", "--version", NULL};
    ready = run(probe) && run(request);
    return 0;
}

static int remove_certificate(void **state)
{
    (void)state;
    (void)unlink(key);
    (void)unlink(certificate);
    return rmdir(directory);
}

/* ---- a terminator in front of a peer ---- */

static struct peer peer;
static pid_t terminator;
static unsigned port;

static unsigned free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    close(fd);
    return ntohs(address.sin_port);
}

static void wait_until_it_listens(void)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)port)};
    for (int i = 0; i < 2000; i++) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        assert_true(fd >= 0);
        int rc = connect(fd, (struct sockaddr *)&address, sizeof address);
        close(fd);
        if (rc == 0)
            return;
        assert_int_equal(waitpid(terminator, NULL, WNOHANG), 0); /* it has not given up */
        (void)nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    fail_msg("nghttpx does not listen");
}

static void start_terminator(peer_answer *answer, const char *protocols)
{
    peer_start(&peer, answer);
    port = free_port();
    char front[64], back[64], alpn[64];
    (void)snprintf(front, sizeof front, "--frontend=127.0.0.1,%u", port);
    (void)snprintf(back, sizeof back, "--backend=127.0.0.1,%u", peer.port);
    (void)snprintf(alpn, sizeof alpn, "--npn-list=%s", protocols);
    const char *const argv[] = {"nghttpx",
                                "--conf=/dev/null",
                                "--single-process",
                                "--workers=1",
                                front,
                                back,
                                alpn,
                                "--no-ocsp",
                                key,
                                certificate,
                                NULL};
    terminator = start(argv);
    assert_true(terminator > 0);
    wait_until_it_listens();
}

static void kill_terminator(void)
{
    assert_int_equal(kill(terminator, SIGKILL), 0);
    assert_int_equal(waitpid(terminator, NULL, 0), terminator);
    terminator = 0;
}

static int clean_up(void **state)
{
    (void)state;
    close_pool();
    if (terminator > 0)
        kill_terminator();
    peer_stop(&peer);
    peer = (struct peer){0};
    return 0;
}

/* ---- a pool ---- */

static void open_pool(const char *host, const char *ca_file)
{
    char base[64];
    (void)snprintf(base, sizeof base, "https://%s:%u", host, port);
    open_pool_at(&(struct onramp_pool_settings){
        .base = base, .ca_file = ca_file, .client_name = "onramp/1.2.3", .concurrency = 40, .wake_fd = -1});
}

static void send_post(uint32_t id)
{
    struct onramp_request request = post_request("{\"email\":\"ann@example.com\"}");
    send_as(id, &request);
}

static void expect_created(unsigned count)
{
    while (count-- > 0) {
        struct onramp_answer answer = await();
        expect_status(&answer, 201);
        assert_string_equal(answer.body, "{}");
    }
}

static void expect_view(int version, uint64_t connections)
{
    struct onramp_pool_view view;
    onramp_pool_view(&pool, &view);
    assert_int_equal(view.http_version, version);
    assert_int_equal(view.connections, connections);
}

/* ---- the tests ---- */

static bool created(struct peer *self, const struct peer_request *request)
{
    peer_wait_for_all(self);
    peer_say(request->fd, "HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}");
    return true;
}

static void many_requests_at_once_share_one_connection(void **state)
{
    (void)state;
    if (!ready)
        skip();
    peer.gate = 40;
    start_terminator(created, "h2,http/1.1");
    open_pool("127.0.0.1", certificate);
    for (uint32_t id = 0; id < 40; id++)
        send_post(id);
    expect_created(40);
    expect_view(2, 1);
    close_pool();
    assert_int_equal(peer.requests, 40);
}

static void without_http2_each_request_at_once_has_its_connection(void **state)
{
    (void)state;
    if (!ready)
        skip();
    start_terminator(created, "http/1.1");
    open_pool("127.0.0.1", certificate);
    send_post(0); /* its answer tells which protocol is spoken */
    expect_created(1);
    peer.gate = 1;
    for (int round = 0; round < 2; round++) {
        (void)pthread_mutex_lock(&peer.lock);
        peer.gate += 8;
        (void)pthread_mutex_unlock(&peer.lock);
        for (uint32_t id = 0; id < 8; id++)
            send_post(id);
        expect_created(8);
    }
    expect_view(1, 8);
}

static void a_certificate_of_nobody_we_trust_is_refused(void **state)
{
    (void)state;
    if (!ready)
        skip();
    start_terminator(created, "h2,http/1.1");
    open_pool("127.0.0.1", NULL);
    send_post(1);
    struct onramp_answer answer = await();
    assert_int_equal(answer.delivery, ONRAMP_UNSENT);
    assert_true(answer.certificate);
    assert_true(strlen(answer.problem) > 0);
    close_pool();
    assert_int_equal(peer.requests, 0);
}

static void a_certificate_for_another_name_is_refused(void **state)
{
    (void)state;
    if (!ready)
        skip();
    start_terminator(created, "h2,http/1.1");
    open_pool("localhost", certificate); /* it is made out to 127.0.0.1 */
    send_post(1);
    struct onramp_answer answer = await();
    assert_int_equal(answer.delivery, ONRAMP_UNSENT);
    assert_true(answer.certificate);
    close_pool();
    assert_int_equal(peer.requests, 0);
}

static bool create_the_first(struct peer *self, const struct peer_request *request)
{
    (void)pthread_mutex_lock(&self->lock);
    bool first = self->requests == 1;
    (void)pthread_mutex_unlock(&self->lock);
    if (first)
        return created(self, request);
    char byte;
    (void)recv(request->fd, &byte, 1, 0); /* until the other end gives up */
    return false;
}

static bool create_none(struct peer *self, const struct peer_request *request)
{
    (void)self;
    char byte;
    (void)recv(request->fd, &byte, 1, 0);
    return false;
}

static void wait_for_arrivals(unsigned requests)
{
    struct onramp_error err;
    for (unsigned arrived = 0; arrived < requests;) {
        onramp_time until = pool.ops->now(pool.self) + 10 * ONRAMP_MILLISECOND;
        assert_int_equal(pool.ops->wait(pool.self, until, &err), ONRAMP_OK);
        (void)pthread_mutex_lock(&peer.lock);
        arrived = peer.requests;
        (void)pthread_mutex_unlock(&peer.lock);
    }
}

static void expect_lost(unsigned count)
{
    while (count-- > 0) {
        struct onramp_answer answer = await();
        assert_int_equal(answer.delivery, ONRAMP_LOST);
        assert_true(strlen(answer.problem) > 0);
    }
}

static void a_connection_that_dies_under_streams_loses_their_answers(void **state)
{
    (void)state;
    if (!ready)
        skip();
    start_terminator(create_the_first, "h2,http/1.1");
    open_pool("127.0.0.1", certificate);
    send_post(0);
    expect_created(1);
    send_post(1);
    send_post(2);
    wait_for_arrivals(3);
    kill_terminator();
    expect_lost(2);
    send_post(3); /* nobody is there now */
    struct onramp_answer answer = await();
    assert_int_equal(answer.delivery, ONRAMP_UNSENT);
    close_pool();
    assert_int_equal(peer.requests, 3);
}

static void so_does_one_that_dies_under_its_first(void **state)
{
    (void)state;
    static const char *const protocols[] = {"h2,http/1.1", "http/1.1"};
    if (!ready)
        skip();
    for (size_t i = 0; i < 2; i++) {
        start_terminator(create_none, protocols[i]);
        open_pool("127.0.0.1", certificate);
        send_post(0);
        wait_for_arrivals(1);
        kill_terminator();
        expect_lost(1);
        close_pool();
        assert_int_equal(peer.requests, 1);
        (void)clean_up(NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(many_requests_at_once_share_one_connection, clean_up),
        cmocka_unit_test_teardown(without_http2_each_request_at_once_has_its_connection, clean_up),
        cmocka_unit_test_teardown(a_certificate_of_nobody_we_trust_is_refused, clean_up),
        cmocka_unit_test_teardown(a_certificate_for_another_name_is_refused, clean_up),
        cmocka_unit_test_teardown(a_connection_that_dies_under_streams_loses_their_answers, clean_up),
        cmocka_unit_test_teardown(so_does_one_that_dies_under_its_first, clean_up),
    };
    return cmocka_run_group_tests(tests, make_certificate, remove_certificate);
}
