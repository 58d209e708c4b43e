/*
 * server.c - the model on a loopback port: the only includer of libmicrohttpd.
 *
 * One thread runs libmicrohttpd's loop. The model acts when a request has arrived whole; its answer is held
 * back by suspending the connection until the model's delay is over, so that the loop sleeps until the earliest of
 * them. Other threads touch the model under its lock only.
 */
#include "tenant/certificate.h"
#include "tenant/model.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* Longest sleep of the loop: how late it may notice that it is to stop. */
#define NAP (50 * ONRAMP_MILLISECOND)
/* A hanging exchange is closed after this, so that clients without a timeout cannot hold the tenant's sockets. */
#define HANG_MAX (5 * ONRAMP_MINUTE)
/* Bytes of a body that are read before the connection is closed; the model refuses above ONRAMP_TENANT_BODY_MAX. */
#define UPLOAD_MAX ((size_t)8 * 1024 * 1024)
/* Connections at once, and seconds after which an idle one is closed. */
#define CONNECTIONS_MAX 900u
#define IDLE_SECONDS    120u

/* One request and its answer. Belongs to its connection. */
struct exchange {
    struct onramp_tenant_server *server;
    struct MHD_Connection *connection;
    char *path; /* with query, still encoded */
    char *body; /* the first ONRAMP_TENANT_BODY_MAX + 1 bytes of it */
    size_t body_size, body_room, received;
    bool begun;     /* libmicrohttpd has announced its headers */
    bool acted;     /* the model has */
    bool suspended; /* in the server's list */
    onramp_time due;
    struct onramp_tenant_response response;
    struct exchange *previous, *next;
};

struct onramp_tenant_server {
    struct onramp_tenant *tenant;
    pthread_mutex_t lock; /* of the tenant */
    bool has_lock;
    pthread_t thread;
    bool has_thread;
    atomic_bool stopping;
    struct MHD_Daemon *daemon;
    uint16_t port;
    struct onramp_certificate certificate;
    FILE *users_out;
    char *users_path;
    void (*log)(void *context, const char *line);
    void *log_context;
    struct exchange *suspended; /* touched by the loop's thread only */
};

static onramp_time read_clock(clockid_t clock)
{
    struct timespec t = {0};
    (void)clock_gettime(clock, &t); /* POSIX requires both clocks that are read here */
    return (onramp_time)t.tv_sec * ONRAMP_SECOND + t.tv_nsec;
}

/* --- an exchange --- */

static void *open_exchange(void *context, const char *uri, struct MHD_Connection *connection)
{
    struct exchange *x = calloc(1, sizeof *x);
    if (x == NULL)
        return NULL;
    x->server = context;
    x->connection = connection;
    x->path = strdup(uri);
    return x;
}

static void unlink_exchange(struct exchange *x)
{
    if (x->previous != NULL)
        x->previous->next = x->next;
    else
        x->server->suspended = x->next;
    if (x->next != NULL)
        x->next->previous = x->previous;
    x->previous = x->next = NULL;
    x->suspended = false;
}

static void suspend(struct exchange *x)
{
    x->next = x->server->suspended;
    if (x->next != NULL)
        x->next->previous = x;
    x->server->suspended = x;
    x->suspended = true;
    MHD_suspend_connection(x->connection);
}

static void close_exchange(void *context, struct MHD_Connection *connection, void **state,
                           enum MHD_RequestTerminationCode code)
{
    (void)context;
    (void)connection;
    (void)code;
    struct exchange *x = *state;
    if (x == NULL)
        return;
    if (x->suspended)
        unlink_exchange(x);
    free(x->path);
    free(x->body);
    free(x->response.body);
    free(x);
    *state = NULL;
}

/* Keep what the model will look at, count the rest. False to close the connection. */
static bool receive(struct exchange *x, const char *bytes, size_t size)
{
    x->received += size;
    if (x->received > UPLOAD_MAX)
        return false;
    size_t room = ONRAMP_TENANT_BODY_MAX + 1 - x->body_size;
    size_t kept = size < room ? size : room;
    if (kept == 0)
        return true;
    if (x->body_size + kept > x->body_room) {
        size_t wanted = 2 * (x->body_size + kept);
        char *larger = realloc(x->body, wanted);
        if (larger == NULL)
            return false;
        x->body = larger;
        x->body_room = wanted;
    }
    memcpy(x->body + x->body_size, bytes, kept);
    x->body_size += kept;
    return true;
}

/* "POST /api/v2/users 201 remaining 42": without the query, which names people. */
static void log_exchange(const struct exchange *x, const char *method)
{
    const struct onramp_tenant_response *r = &x->response;
    static const char *const ends[] = {"", ", cut", "closed without an answer", "left hanging"};
    char line[320], status[8] = "", remaining[40] = "";
    if (r->status != 0)
        snprintf(status, sizeof status, "%d", r->status);
    for (size_t i = 0; i < r->header_count; i++)
        if (strcmp(r->headers[i][0], "x-ratelimit-remaining") == 0)
            snprintf(remaining, sizeof remaining, " remaining %.20s", r->headers[i][1]);
    snprintf(line, sizeof line, "%.10s %.*s %s%s%s", method, (int)strcspn(x->path, "?") % 200, x->path, status,
             remaining, ends[r->end]);
    x->server->log(x->server->log_context, line);
}

static const char *header(const struct exchange *x, const char *name)
{
    return MHD_lookup_connection_value(x->connection, MHD_HEADER_KIND, name);
}

/* The request has arrived: let the model act, and note when its answer is due. */
static void act(struct exchange *x, const char *method)
{
    struct onramp_tenant_server *server = x->server;
    struct onramp_tenant_request request = {.method = method,
                                            .path = x->path,
                                            .authorization = header(x, "Authorization"),
                                            .content_type = header(x, "Content-Type"),
                                            .correlation_id = header(x, "X-Correlation-ID"),
                                            .host = header(x, "Host"),
                                            .body = x->body,
                                            .body_size = x->body_size};
    pthread_mutex_lock(&server->lock);
    onramp_time now = read_clock(CLOCK_MONOTONIC);
    onramp_tenant_handle(server->tenant, &request, now, &x->response);
    pthread_mutex_unlock(&server->lock);
    x->acted = true;
    x->due = now + (x->response.end == ONRAMP_TENANT_HANG ? HANG_MAX : x->response.delay);
    if (server->log != NULL)
        log_exchange(x, method);
}

/* Recorded HTTP/1.1 answers have names like X-Ratelimit-Limit. */
static void capitalize(char *name)
{
    for (bool first = true; *name != '\0'; first = *name++ == '-')
        if (first && *name >= 'a' && *name <= 'z')
            *name = (char)(*name - 'a' + 'A');
}

/* Half of the body, then an error, upon which libmicrohttpd closes the connection. */
static ssize_t read_half(void *context, uint64_t position, char *buffer, size_t size)
{
    const struct exchange *x = context;
    uint64_t half = x->response.body_size / 2;
    if (position >= half)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    size_t part = half - position < size ? (size_t)(half - position) : size;
    memcpy(buffer, x->response.body + position, part);
    return (ssize_t)part;
}

static struct MHD_Response *make_response(struct exchange *x)
{
    struct onramp_tenant_response *r = &x->response;
    struct MHD_Response *response;
    if (r->end == ONRAMP_TENANT_CUT)
        response = MHD_create_response_from_callback(r->body_size, 4096, read_half, x, NULL);
    else
        response = MHD_create_response_from_buffer(r->body_size, r->body, MHD_RESPMEM_MUST_COPY);
    for (size_t i = 0; response != NULL && i < r->header_count; i++) {
        char name[sizeof r->headers[i][0]];
        memcpy(name, r->headers[i][0], sizeof name);
        capitalize(name);
        if (MHD_add_response_header(response, name, r->headers[i][1]) != MHD_YES) {
            MHD_destroy_response(response);
            response = NULL;
        }
    }
    return response;
}

/* Answer, or (MHD_NO) close the connection without a byte. */
static enum MHD_Result answer(struct exchange *x)
{
    if (x->response.end == ONRAMP_TENANT_CLOSE || x->response.end == ONRAMP_TENANT_HANG)
        return MHD_NO;
    struct MHD_Response *response = make_response(x);
    if (response == NULL)
        return MHD_NO;
    enum MHD_Result queued = MHD_queue_response(x->connection, (unsigned)x->response.status, response);
    MHD_destroy_response(response);
    return queued;
}

/* Called for the headers, for each part of the body, at its end, and again once a suspended connection is resumed. */
static enum MHD_Result handle(void *context, struct MHD_Connection *connection, const char *url, const char *method,
                              const char *version, const char *upload, size_t *upload_size, void **state)
{
    (void)connection;
    (void)url;
    (void)version;
    struct onramp_tenant_server *server = context;
    struct exchange *x = *state;
    if (x == NULL || x->path == NULL)
        return MHD_NO;
    if (!x->begun) {
        x->begun = true;
        return MHD_YES;
    }
    if (*upload_size > 0) {
        bool kept = receive(x, upload, *upload_size);
        *upload_size = 0;
        return kept ? MHD_YES : MHD_NO;
    }
    if (!x->acted) {
        act(x, method);
        if (x->due > read_clock(CLOCK_MONOTONIC) && !atomic_load(&server->stopping)) {
            suspend(x);
            return MHD_YES;
        }
    }
    return answer(x);
}

/* --- the thread --- */

/* Resume what is due (all: everything); the time until the next is, at most a nap. */
static onramp_span release(struct onramp_tenant_server *server, bool all)
{
    onramp_time now = read_clock(CLOCK_MONOTONIC);
    onramp_span sleep = NAP;
    struct exchange *next;
    for (struct exchange *x = server->suspended; x != NULL; x = next) {
        next = x->next;
        if (all || x->due <= now) {
            unlink_exchange(x);
            MHD_resume_connection(x->connection);
        } else if (x->due - now < sleep) {
            sleep = x->due - now;
        }
    }
    return sleep;
}

static void *serve(void *context)
{
    struct onramp_tenant_server *server = context;
    while (!atomic_load(&server->stopping)) {
        onramp_span sleep = release(server, false);
        if (MHD_run_wait(server->daemon, (int32_t)((sleep + ONRAMP_MILLISECOND - 1) / ONRAMP_MILLISECOND)) != MHD_YES)
            (void)nanosleep(&(struct timespec){.tv_nsec = NAP}, NULL); /* do not spin over a broken poll */
    }
    release(server, true);
    (void)MHD_run_wait(server->daemon, 0); /* lets those go; MHD_stop_daemon() demands that none is suspended */
    return NULL;
}

/* --- starting and stopping --- */

static enum onramp_status check_settings(const struct onramp_tenant_server_settings *s, struct onramp_error *err)
{
    if ((s->cert_file != NULL) != (s->key_file != NULL))
        return onramp_fail(err, ONRAMP_EUSAGE, "a certificate needs its key and a key its certificate: expected both");
    if (!s->tls && (s->cert_file != NULL || s->ca_out != NULL))
        return onramp_fail(err, ONRAMP_EUSAGE, "a certificate is of use with TLS only: expected tls as well");
    if (s->cert_file != NULL && s->ca_out != NULL)
        return onramp_fail(err, ONRAMP_EUSAGE,
                           "a certificate that was given is not written again: expected either it or '%s'", s->ca_out);
    return ONRAMP_OK;
}

static enum onramp_status write_file(const char *path, const char *text, struct onramp_error *err)
{
    FILE *file = fopen(path, "w");
    if (file == NULL)
        return onramp_fail_sys(err, errno, "cannot write '%s'", path);
    bool whole = fputs(text, file) >= 0;
    if (fclose(file) != 0 || !whole)
        return onramp_fail_sys(err, errno, "cannot write '%s'", path);
    return ONRAMP_OK;
}

static enum onramp_status open_users_out(struct onramp_tenant_server *server, const char *path,
                                         struct onramp_error *err)
{
    server->users_path = strdup(path);
    if (server->users_path == NULL)
        return onramp_fail(err, ONRAMP_ENOMEM, "no memory for the local tenant");
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600); /* users are people */
    server->users_out = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (server->users_out != NULL)
        return ONRAMP_OK;
    int problem = errno;
    if (fd >= 0)
        (void)close(fd);
    return onramp_fail_sys(err, problem, "cannot write '%s'", path);
}

static enum onramp_status prepare_tls(struct onramp_tenant_server *server,
                                      const struct onramp_tenant_server_settings *settings, struct onramp_error *err)
{
    if (settings->cert_file != NULL)
        return onramp_certificate_read(&server->certificate, settings->cert_file, settings->key_file, err);
    enum onramp_status st =
        onramp_certificate_make(&server->certificate, read_clock(CLOCK_REALTIME) / ONRAMP_SECOND, err);
    if (st == ONRAMP_OK && settings->ca_out != NULL)
        st = write_file(settings->ca_out, server->certificate.certificate, err);
    return st;
}

static enum onramp_status listen_on(struct onramp_tenant_server *server, uint16_t port, struct onramp_error *err)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    bool tls = server->certificate.key != NULL;
    static char priorities[] = "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"; /* what Auth0 still speaks */
    struct MHD_OptionItem options[] = {
        {MHD_OPTION_SOCK_ADDR, 0, &address},
        {MHD_OPTION_URI_LOG_CALLBACK, (intptr_t)open_exchange, server},
        {MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)close_exchange, NULL},
        {MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX, NULL},
        {MHD_OPTION_CONNECTION_TIMEOUT, IDLE_SECONDS, NULL},
        {tls ? MHD_OPTION_HTTPS_MEM_CERT : MHD_OPTION_END, 0, server->certificate.certificate},
        {MHD_OPTION_HTTPS_MEM_KEY, 0, server->certificate.key},
        {MHD_OPTION_HTTPS_PRIORITIES, 0, priorities},
        {MHD_OPTION_END, 0, NULL},
    };
    errno = 0;
    server->daemon = MHD_start_daemon(MHD_USE_AUTO | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_SUPPRESS_DATE_NO_CLOCK |
                                          (tls ? MHD_USE_TLS : 0u),
                                      port, NULL, NULL, handle, server, MHD_OPTION_ARRAY, options, MHD_OPTION_END);
    if (server->daemon == NULL)
        return onramp_fail(err, ONRAMP_EIO, "cannot serve on 127.0.0.1 port %u: %s", (unsigned)port,
                           errno != 0 ? strerror(errno) : "libmicrohttpd refuses");
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_BIND_PORT);
    if (info == NULL)
        return onramp_fail(err, ONRAMP_EIO, "cannot tell the port that the local tenant got");
    server->port = info->port;
    return ONRAMP_OK;
}

/* With every signal blocked in it: signals are the application's. */
static enum onramp_status start_thread(struct onramp_tenant_server *server, struct onramp_error *err)
{
    sigset_t all, before;
    sigfillset(&all);
    int rc = pthread_sigmask(SIG_SETMASK, &all, &before);
    if (rc == 0) {
        rc = pthread_create(&server->thread, NULL, serve, server);
        server->has_thread = rc == 0;
        (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    return rc == 0 ? ONRAMP_OK : onramp_fail_sys(err, rc, "cannot start the local tenant's thread");
}

enum onramp_status onramp_tenant_server_start(struct onramp_tenant_server **out,
                                              const struct onramp_tenant_settings *model,
                                              const struct onramp_tenant_server_settings *settings,
                                              struct onramp_error *err)
{
    enum onramp_status st = check_settings(settings, err);
    if (st != ONRAMP_OK)
        return st;
    struct onramp_tenant_server *server = calloc(1, sizeof *server);
    if (server == NULL)
        return onramp_fail(err, ONRAMP_ENOMEM, "no memory for the local tenant");
    server->log = settings->log;
    server->log_context = settings->log_context;
    atomic_init(&server->stopping, false);
    int rc = pthread_mutex_init(&server->lock, NULL);
    server->has_lock = rc == 0;
    if (rc != 0) {
        st = onramp_fail_sys(err, rc, "cannot start the local tenant");
        goto out;
    }
    /* The model's clock is the machine's, so that tokens expire when their readers think they do. */
    struct onramp_tenant_settings now_settings = *model;
    now_settings.epoch = read_clock(CLOCK_REALTIME) / ONRAMP_MILLISECOND;
    st = onramp_tenant_new(&server->tenant, &now_settings, read_clock(CLOCK_MONOTONIC), err);
    if (st == ONRAMP_OK && settings->tls)
        st = prepare_tls(server, settings, err);
    if (st == ONRAMP_OK && settings->users_out != NULL)
        st = open_users_out(server, settings->users_out, err);
    if (st == ONRAMP_OK)
        st = listen_on(server, settings->port, err);
    if (st == ONRAMP_OK)
        st = start_thread(server, err);
    if (st != ONRAMP_OK)
        goto out;
    *out = server;
    server = NULL; /* it is the caller's now */
out:
    (void)onramp_tenant_server_stop(server, NULL);
    return st;
}

uint16_t onramp_tenant_server_port(const struct onramp_tenant_server *server)
{
    return server->port;
}

char *onramp_tenant_server_token(struct onramp_tenant_server *server)
{
    char host[32];
    snprintf(host, sizeof host, "127.0.0.1:%u", (unsigned)server->port);
    pthread_mutex_lock(&server->lock);
    char *token = onramp_tenant_token(server->tenant, host, read_clock(CLOCK_MONOTONIC));
    pthread_mutex_unlock(&server->lock);
    return token;
}

void onramp_tenant_server_view(struct onramp_tenant_server *server, struct onramp_tenant_view *out)
{
    pthread_mutex_lock(&server->lock);
    onramp_tenant_view(server->tenant, read_clock(CLOCK_MONOTONIC), out);
    pthread_mutex_unlock(&server->lock);
}

static bool write_user(void *context, const char *json)
{
    FILE *file = context;
    return fprintf(file, "%s\n", json) >= 0;
}

static enum onramp_status write_users(struct onramp_tenant_server *server, struct onramp_error *err)
{
    errno = 0;
    bool whole = onramp_tenant_each(server->tenant, write_user, server->users_out);
    int problem = whole ? 0 : errno;
    if (fclose(server->users_out) != 0 && whole)
        problem = errno;
    else if (whole)
        return ONRAMP_OK;
    return onramp_fail_sys(err, problem != 0 ? problem : ENOMEM, "cannot write all users to '%s'", server->users_path);
}

enum onramp_status onramp_tenant_server_stop(struct onramp_tenant_server *server, struct onramp_error *err)
{
    enum onramp_status st = ONRAMP_OK;
    if (server == NULL)
        return st;
    if (server->has_thread) {
        atomic_store(&server->stopping, true);
        (void)pthread_join(server->thread, NULL);
    }
    if (server->daemon != NULL)
        MHD_stop_daemon(server->daemon);
    if (server->users_out != NULL)
        st = write_users(server, err);
    free(server->users_path);
    onramp_tenant_free(server->tenant);
    onramp_certificate_clear(&server->certificate);
    if (server->has_lock)
        pthread_mutex_destroy(&server->lock);
    free(server);
    return st;
}
