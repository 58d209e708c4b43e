/*
 * test_tenant_server.c - the local tenant on real sockets, asked by libcurl.
 */
#include "onramp/tenant.h"
#include "tenant/certificate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct world {
    struct onramp_tenant_settings model;
    struct onramp_tenant_server_settings settings;
    struct onramp_tenant_server *server;
    char directory[64], ca[96], users[96];
    char base[64], authorization[2200];
    CURL *curl;
    char body[65536]; /* of the latest answer */
    size_t body_size;
    char headers[8192];
    size_t headers_size;
    long status;
};

static void world_init(struct world *w)
{
    *w = (struct world){0};
    onramp_tenant_defaults(&w->model);
    w->model.latency_min = w->model.latency_median = 0;
    snprintf(w->directory, sizeof w->directory, "/tmp/onramp-tenant-XXXXXX");
    assert_non_null(mkdtemp(w->directory));
    snprintf(w->ca, sizeof w->ca, "%s/ca.pem", w->directory);
    snprintf(w->users, sizeof w->users, "%s/users.ndjson", w->directory);
    w->curl = curl_easy_init();
    assert_non_null(w->curl);
}

static void world_start(struct world *w)
{
    struct onramp_error err = {0};
    if (onramp_tenant_server_start(&w->server, &w->model, &w->settings, &err) != ONRAMP_OK)
        fail_msg("%s", err.text);
    snprintf(w->base, sizeof w->base, "%s://127.0.0.1:%u", w->settings.tls ? "https" : "http",
             (unsigned)onramp_tenant_server_port(w->server));
    char *token = onramp_tenant_server_token(w->server);
    assert_non_null(token);
    snprintf(w->authorization, sizeof w->authorization, "Authorization: Bearer %s", token);
    free(token);
}

static void world_clear(struct world *w)
{
    assert_int_equal(onramp_tenant_server_stop(w->server, NULL), ONRAMP_OK);
    curl_easy_cleanup(w->curl);
    (void)unlink(w->ca);
    (void)unlink(w->users);
    assert_int_equal(rmdir(w->directory), 0);
}

static size_t keep(char *buffer, size_t room, size_t *used, const char *bytes, size_t size)
{
    if (*used + size >= room)
        return 0;
    memcpy(buffer + *used, bytes, size);
    *used += size;
    buffer[*used] = '\0';
    return size;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *context)
{
    struct world *w = context;
    return keep(w->body, sizeof w->body, &w->body_size, bytes, size * count);
}

static size_t on_header(char *bytes, size_t size, size_t count, void *context)
{
    struct world *w = context;
    return keep(w->headers, sizeof w->headers, &w->headers_size, bytes, size * count);
}

/* One request on the world's handle, so that its connection is kept. */
static CURLcode ask(struct world *w, const char *method, const char *path, const char *body)
{
    char url[512];
    snprintf(url, sizeof url, "%s%s", w->base, path);
    struct curl_slist *headers = curl_slist_append(NULL, w->authorization);
    headers = curl_slist_append(headers, "Content-Type: application/json");
    w->body_size = w->headers_size = 0;
    w->body[0] = w->headers[0] = '\0';
    curl_easy_reset(w->curl);
    curl_easy_setopt(w->curl, CURLOPT_URL, url);
    curl_easy_setopt(w->curl, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(w->curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(w->curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(w->curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(w->curl, CURLOPT_WRITEDATA, w);
    curl_easy_setopt(w->curl, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(w->curl, CURLOPT_HEADERDATA, w);
    curl_easy_setopt(w->curl, CURLOPT_TIMEOUT_MS, 20000L);
    if (body != NULL)
        curl_easy_setopt(w->curl, CURLOPT_POSTFIELDS, body);
    if (w->settings.tls)
        curl_easy_setopt(w->curl, CURLOPT_CAINFO, w->ca);
    CURLcode rc = curl_easy_perform(w->curl);
    w->status = 0;
    curl_easy_getinfo(w->curl, CURLINFO_RESPONSE_CODE, &w->status);
    curl_slist_free_all(headers);
    return rc;
}

#define ANN                                                                                                            \
    "{\"connection\":\"Username-Password-Authentication\",\"email\":\"ann@example.com\",\"password\":\"Xk7!mq2#Wz9$"   \
    "\"}"

static void create_ann(struct world *w)
{
    assert_int_equal(ask(w, "POST", "/api/v2/users", ANN), CURLE_OK);
    assert_int_equal(w->status, 201);
    assert_non_null(strstr(w->body, "\"email\":\"ann@example.com\""));
}

static void serves_over_http(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    world_start(&w);
    create_ann(&w);
    assert_non_null(strstr(w.headers, "X-Ratelimit-Limit: 50\r\n"));
    assert_non_null(strstr(w.headers, "X-Ratelimit-Remaining: 49\r\n"));
    const char *date = strstr(w.headers, "Date: ");
    assert_non_null(date);
    assert_null(strstr(date + 1, "Date: ")); /* the model's, and none of libmicrohttpd's */
    assert_int_equal(ask(&w, "GET", "/api/v2/users-by-email?email=ann%40example.com", NULL), CURLE_OK);
    assert_int_equal(w.status, 200);
    assert_int_equal(w.body[0], '[');
    assert_int_equal(ask(&w, "POST", "/api/v2/users", ANN), CURLE_OK);
    assert_int_equal(w.status, 409);
    assert_null(strstr(w.headers, "X-Ratelimit"));
    long connections = 0;
    curl_easy_getinfo(w.curl, CURLINFO_NUM_CONNECTS, &connections);
    assert_int_equal(connections, 0); /* kept alive since the first */
    struct onramp_tenant_view view;
    onramp_tenant_server_view(w.server, &view);
    assert_int_equal(view.users, 1);
    assert_int_equal(view.requests, 3);
    world_clear(&w);
}

static void serves_over_https_with_the_certificate_it_made(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    w.settings.tls = true;
    w.settings.ca_out = w.ca;
    world_start(&w);
    create_ann(&w);
    snprintf(w.base, sizeof w.base, "https://localhost:%u", (unsigned)onramp_tenant_server_port(w.server));
    assert_int_equal(ask(&w, "GET", "/api/v2/users-by-email?email=ann%40example.com", NULL), CURLE_OK);
    assert_int_equal(w.status, 200);
    world_clear(&w);
}

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void serves_over_https_with_a_certificate_that_was_given(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    struct onramp_certificate pair, other;
    assert_int_equal(onramp_certificate_make(&pair, (int64_t)time(NULL), NULL), ONRAMP_OK);
    assert_int_equal(onramp_certificate_make(&other, (int64_t)time(NULL), NULL), ONRAMP_OK);
    write_text(w.ca, pair.certificate);
    write_text(w.users, pair.key);
    w.settings = (struct onramp_tenant_server_settings){.tls = true, .cert_file = w.ca, .key_file = w.users};
    world_start(&w);
    create_ann(&w);

    write_text(w.users, other.key);
    struct onramp_tenant_server *second = NULL;
    struct onramp_error err = {0};
    assert_int_equal(onramp_tenant_server_start(&second, &w.model, &w.settings, &err), ONRAMP_EUSAGE);
    assert_non_null(strstr(err.text, "cannot use certificate"));
    write_text(w.users, "not a key");
    assert_int_equal(onramp_tenant_server_start(&second, &w.model, &w.settings, &err), ONRAMP_EUSAGE);
    assert_non_null(strstr(err.text, "is not a PEM file"));
    onramp_certificate_clear(&pair);
    onramp_certificate_clear(&other);
    world_clear(&w);
}

static void a_client_that_does_not_know_the_certificate_refuses_it(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    w.settings.tls = true;
    world_start(&w);
    w.settings.tls = false; /* so that ask() names no CA */
    assert_int_equal(ask(&w, "GET", "/api/v2/connections", NULL), CURLE_PEER_FAILED_VERIFICATION);
    world_clear(&w);
}

static void an_answer_is_held_back_for_its_latency(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    w.model.latency_min = w.model.latency_median = 120 * ONRAMP_MILLISECOND;
    world_start(&w);
    create_ann(&w);
    curl_off_t micros = 0;
    curl_easy_getinfo(w.curl, CURLINFO_TOTAL_TIME_T, &micros);
    assert_true(micros >= 120000);
    world_clear(&w);
}

struct fault_case {
    enum onramp_fault fault;
    CURLcode code;
    long status;
    size_t users; /* created all the same */
};

static void faults_look_to_a_client_as_they_are_named(void **state)
{
    (void)state;
    static const struct fault_case cases[] = {
        {ONRAMP_FAULT_DROP, CURLE_GOT_NOTHING, 0, 0},
        {ONRAMP_FAULT_LOSE, CURLE_GOT_NOTHING, 0, 1},
        {ONRAMP_FAULT_TRUNCATE, CURLE_PARTIAL_FILE, 201, 1},
        {ONRAMP_FAULT_BAD_GATEWAY, CURLE_OK, 502, 1},
        {ONRAMP_FAULT_UNAVAILABLE, CURLE_OK, 503, 0},
        {ONRAMP_FAULT_ERROR, CURLE_OK, 500, 0},
        {ONRAMP_FAULT_EDGE, CURLE_OK, 429, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct world w;
        world_init(&w);
        w.model.faults[cases[i].fault] = 1000000;
        world_start(&w);
        assert_int_equal(ask(&w, "POST", "/api/v2/users", ANN), cases[i].code);
        assert_int_equal(w.status, cases[i].status);
        struct onramp_tenant_view view;
        onramp_tenant_server_view(w.server, &view);
        assert_int_equal(view.users, cases[i].users);
        world_clear(&w);
    }
}

static void hangs_until_the_client_gives_up_and_stops_all_the_same(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    w.model.faults[ONRAMP_FAULT_HANG] = 1000000;
    world_start(&w);
    char url[128];
    snprintf(url, sizeof url, "%s/api/v2/connections", w.base);
    curl_easy_setopt(w.curl, CURLOPT_URL, url);
    curl_easy_setopt(w.curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(w.curl, CURLOPT_TIMEOUT_MS, 150L);
    assert_int_equal(curl_easy_perform(w.curl), CURLE_OPERATION_TIMEDOUT);
    world_clear(&w);
}

static void *ask_in_a_thread(void *context)
{
    (void)ask(context, "GET", "/api/v2/connections", NULL);
    return NULL;
}

static void answers_that_are_held_back_do_not_hold_up_others(void **state)
{
    (void)state;
    enum { CLIENTS = 8 };
    static struct world clients[CLIENTS];
    struct world w;
    world_init(&w);
    w.model.latency_min = w.model.latency_median = ONRAMP_MINUTE;
    world_start(&w);
    pthread_t threads[CLIENTS];
    for (size_t i = 0; i < CLIENTS; i++) {
        memcpy(clients[i].base, w.base, sizeof w.base);
        memcpy(clients[i].authorization, w.authorization, sizeof w.authorization);
        clients[i].curl = curl_easy_init();
        assert_int_equal(pthread_create(&threads[i], NULL, ask_in_a_thread, &clients[i]), 0);
    }
    /* The first answer is a minute away: that all have arrived means that they wait side by side. */
    struct onramp_tenant_view view = {0};
    for (int i = 0; i < 2000 && view.requests < CLIENTS; i++) {
        (void)nanosleep(&(struct timespec){.tv_nsec = 10 * ONRAMP_MILLISECOND}, NULL);
        onramp_tenant_server_view(w.server, &view);
    }
    assert_int_equal(view.requests, CLIENTS);
    assert_int_equal(onramp_tenant_server_stop(w.server, NULL), ONRAMP_OK); /* lets them go */
    w.server = NULL;
    for (size_t i = 0; i < CLIENTS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        curl_easy_cleanup(clients[i].curl);
    }
    world_clear(&w);
}

static void too_large_a_body_is_refused(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    world_start(&w);
    size_t size = 2 * 1024 * 1024;
    char *body = malloc(size + 1);
    assert_non_null(body);
    memset(body, 'x', size);
    body[size] = '\0';
    assert_int_equal(ask(&w, "POST", "/api/v2/users", body), CURLE_OK);
    assert_int_equal(w.status, 413);
    free(body);
    world_clear(&w);
}

static void users_are_written_when_it_stops(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    w.settings.users_out = w.users;
    world_start(&w);
    create_ann(&w);
    assert_int_equal(onramp_tenant_server_stop(w.server, NULL), ONRAMP_OK);
    w.server = NULL;
    FILE *file = fopen(w.users, "r");
    assert_non_null(file);
    char line[2048] = "";
    assert_non_null(fgets(line, sizeof line, file));
    assert_non_null(strstr(line, "ann@example.com"));
    assert_null(strstr(line, "Xk7!mq2#Wz9$"));
    assert_null(fgets(line, sizeof line, file));
    (void)fclose(file);
    struct stat st;
    assert_int_equal(stat(w.users, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    world_clear(&w);
}

static void note(void *context, const char *line)
{
    char *seen = context;
    snprintf(seen, 400, "%s", line);
}

static void the_log_has_a_line_a_request_and_no_names(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    char seen[400] = "";
    w.settings.log = note;
    w.settings.log_context = seen;
    world_start(&w);
    assert_int_equal(ask(&w, "GET", "/api/v2/users-by-email?email=ann%40example.com", NULL), CURLE_OK);
    assert_int_equal(onramp_tenant_server_stop(w.server, NULL), ONRAMP_OK);
    w.server = NULL;
    assert_string_equal(seen, "GET /api/v2/users-by-email 200 remaining 49");
    world_clear(&w);
}

static void what_cannot_be_served_is_said_at_the_start(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    world_start(&w);
    struct onramp_tenant_server *other = NULL;
    struct onramp_error err = {0};
    struct onramp_tenant_server_settings s = {.port = onramp_tenant_server_port(w.server)};
    assert_int_equal(onramp_tenant_server_start(&other, &w.model, &s, &err), ONRAMP_EIO);
    assert_non_null(strstr(err.text, "Address already in use"));
    s = (struct onramp_tenant_server_settings){.tls = true, .cert_file = "/nonexistent", .key_file = "/nonexistent"};
    assert_int_equal(onramp_tenant_server_start(&other, &w.model, &s, &err), ONRAMP_EUSAGE);
    assert_string_equal(err.text, "cannot read '/nonexistent': No such file or directory");
    s = (struct onramp_tenant_server_settings){.tls = true, .cert_file = "x"};
    assert_int_equal(onramp_tenant_server_start(&other, &w.model, &s, &err), ONRAMP_EUSAGE);
    s = (struct onramp_tenant_server_settings){.ca_out = "x"};
    assert_int_equal(onramp_tenant_server_start(&other, &w.model, &s, &err), ONRAMP_EUSAGE);
    s = (struct onramp_tenant_server_settings){.tls = true, .ca_out = "/nonexistent/ca.pem"};
    assert_int_equal(onramp_tenant_server_start(&other, &w.model, &s, &err), ONRAMP_EIO);
    s = (struct onramp_tenant_server_settings){.users_out = "/nonexistent/users"};
    assert_int_equal(onramp_tenant_server_start(&other, &w.model, &s, &err), ONRAMP_EIO);
    assert_null(other);
    world_clear(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(serves_over_http),
        cmocka_unit_test(serves_over_https_with_the_certificate_it_made),
        cmocka_unit_test(serves_over_https_with_a_certificate_that_was_given),
        cmocka_unit_test(a_client_that_does_not_know_the_certificate_refuses_it),
        cmocka_unit_test(an_answer_is_held_back_for_its_latency),
        cmocka_unit_test(faults_look_to_a_client_as_they_are_named),
        cmocka_unit_test(hangs_until_the_client_gives_up_and_stops_all_the_same),
        cmocka_unit_test(answers_that_are_held_back_do_not_hold_up_others),
        cmocka_unit_test(too_large_a_body_is_refused),
        cmocka_unit_test(users_are_written_when_it_stops),
        cmocka_unit_test(the_log_has_a_line_a_request_and_no_names),
        cmocka_unit_test(what_cannot_be_served_is_said_at_the_start),
    };
    curl_global_init(CURL_GLOBAL_DEFAULT);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    curl_global_cleanup();
    return failed;
}
