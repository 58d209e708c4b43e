/*
 * peer.h - an HTTP/1.1 server on loopback whose every byte a test decides: it can close, stall or lie where a real
 * server would not. One thread for each connection. Failures of the server itself are the test's failures.
 */
#ifndef ONRAMP_TESTS_SUPPORT_PEER_H
#define ONRAMP_TESTS_SUPPORT_PEER_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define PEER_CONNECTIONS_MAX 64

struct peer;

/* One request as it arrived. */
struct peer_request {
    int fd;
    unsigned connection; /* from 1 */
    unsigned ordinal;    /* on its connection, from 1 */
    char head[4096];     /* request line and fields, NUL-terminated */
    char body[4096];     /* its beginning */
    size_t body_size;
};

/* Answer on request->fd; true to keep the connection. */
typedef bool peer_answer(struct peer *peer, const struct peer_request *request);

struct peer {
    peer_answer *answer; /* NULL while it does not run */
    bool reads_nothing;  /* resets each connection without reading from it */
    unsigned gate;       /* with peer_wait_for_all(): how many requests have to be there */
    int listener;
    unsigned port;
    pthread_t acceptor;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned connections, requests;
    int fds[PEER_CONNECTIONS_MAX];
    pthread_t threads[PEER_CONNECTIONS_MAX];
    struct peer_request last; /* the latest request */
};

/* False once the other end has seen enough. */
static inline bool peer_write(int fd, const void *bytes, size_t size)
{
    const char *at = bytes;
    while (size > 0) {
        ssize_t done = send(fd, at, size, MSG_NOSIGNAL);
        if (done <= 0)
            return false;
        at += done;
        size -= (size_t)done;
    }
    return true;
}

static inline bool peer_say(int fd, const char *text)
{
    return peer_write(fd, text, strlen(text));
}

/* Close with a reset instead of an orderly end. */
static inline void peer_reset(int fd)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
}

/* Answer nothing before as many requests are there as the gate says. */
static inline void peer_wait_for_all(struct peer *peer)
{
    (void)pthread_mutex_lock(&peer->lock);
    while (peer->requests < peer->gate)
        (void)pthread_cond_wait(&peer->changed, &peer->lock);
    (void)pthread_mutex_unlock(&peer->lock);
}

static inline bool peer_read_head(struct peer_request *r)
{
    size_t size = 0;
    while (size + 1 < sizeof r->head) {
        ssize_t got = recv(r->fd, r->head + size, 1, 0);
        if (got <= 0)
            return false;
        r->head[++size] = '\0';
        if (size >= 4 && memcmp(r->head + size - 4, "\r\n\r\n", 4) == 0)
            return true;
    }
    return false;
}

/* A field's value up to the line's end in `out`; false if it is absent. */
static inline bool peer_field(const struct peer_request *r, const char *name, char *out, size_t room)
{
    for (const char *line = strstr(r->head, "\r\n"); line != NULL; line = strstr(line + 2, "\r\n")) {
        if (strncasecmp(line + 2, name, strlen(name)) != 0 || line[2 + strlen(name)] != ':')
            continue;
        const char *value = line + 2 + strlen(name) + 2;
        (void)snprintf(out, room, "%.*s", (int)strcspn(value, "\r\n"), value);
        return true;
    }
    return false;
}

static inline bool peer_read_body(struct peer_request *r)
{
    char length[32];
    size_t size = peer_field(r, "Content-Length", length, sizeof length) ? strtoul(length, NULL, 10) : 0;
    for (r->body_size = 0; r->body_size < size;) {
        char piece[4096];
        ssize_t got = recv(r->fd, piece, size - r->body_size < sizeof piece ? size - r->body_size : sizeof piece, 0);
        if (got <= 0)
            return false;
        if (r->body_size < sizeof r->body) {
            size_t room = sizeof r->body - r->body_size;
            memcpy(r->body + r->body_size, piece, (size_t)got < room ? (size_t)got : room);
        }
        r->body_size += (size_t)got;
    }
    return true;
}

struct peer_connection {
    struct peer *peer;
    int fd;
    unsigned number;
};

static inline void *peer_serve(void *self)
{
    struct peer_connection c = *(struct peer_connection *)self;
    free(self);
    struct peer_request *r = calloc(1, sizeof *r);
    if (r == NULL)
        abort();
    r->fd = c.fd;
    r->connection = c.number;
    if (c.peer->reads_nothing)
        peer_reset(c.fd);
    bool keep = !c.peer->reads_nothing;
    while (keep && peer_read_head(r) && peer_read_body(r)) {
        r->ordinal++;
        (void)pthread_mutex_lock(&c.peer->lock);
        c.peer->requests++;
        c.peer->last = *r;
        (void)pthread_cond_broadcast(&c.peer->changed);
        (void)pthread_mutex_unlock(&c.peer->lock);
        keep = c.peer->answer(c.peer, r);
    }
    (void)pthread_mutex_lock(&c.peer->lock);
    c.peer->fds[c.number - 1] = -1;
    (void)close(c.fd);
    (void)pthread_mutex_unlock(&c.peer->lock);
    free(r);
    return NULL;
}

static inline void *peer_accept(void *self)
{
    struct peer *peer = self;
    int fd;
    while ((fd = accept(peer->listener, NULL, NULL)) >= 0) {
        struct peer_connection *c = malloc(sizeof *c);
        (void)pthread_mutex_lock(&peer->lock);
        if (c == NULL || peer->connections == PEER_CONNECTIONS_MAX)
            abort();
        unsigned number = ++peer->connections;
        *c = (struct peer_connection){.peer = peer, .fd = fd, .number = number};
        peer->fds[number - 1] = fd;
        if (pthread_create(&peer->threads[number - 1], NULL, peer_serve, c) != 0)
            abort();
        (void)pthread_mutex_unlock(&peer->lock);
    }
    return NULL;
}

/* Listen on a free port of 127.0.0.1. Other members than those set here may be set before. */
static inline void peer_start(struct peer *peer, peer_answer *answer)
{
    peer->answer = answer;
    (void)pthread_mutex_init(&peer->lock, NULL);
    (void)pthread_cond_init(&peer->changed, NULL);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    peer->listener = socket(AF_INET, SOCK_STREAM, 0);
    int small = 4096; /* so that a large request does not fit unread */
    if (peer->reads_nothing)
        (void)setsockopt(peer->listener, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    if (peer->listener < 0 || bind(peer->listener, (struct sockaddr *)&address, size) != 0 ||
        listen(peer->listener, PEER_CONNECTIONS_MAX) != 0 ||
        getsockname(peer->listener, (struct sockaddr *)&address, &size) != 0 ||
        pthread_create(&peer->acceptor, NULL, peer_accept, peer) != 0)
        abort();
    peer->port = ntohs(address.sin_port);
}

/* End every connection and wait for the threads; what was counted stays. Nothing if it does not run. */
static inline void peer_stop(struct peer *peer)
{
    if (peer->answer == NULL)
        return;
    (void)shutdown(peer->listener, SHUT_RDWR);
    (void)close(peer->listener);
    (void)pthread_join(peer->acceptor, NULL);
    (void)pthread_mutex_lock(&peer->lock);
    for (unsigned i = 0; i < peer->connections; i++)
        if (peer->fds[i] >= 0)
            (void)shutdown(peer->fds[i], SHUT_RDWR);
    peer->requests = peer->gate > peer->requests ? peer->gate : peer->requests;
    (void)pthread_cond_broadcast(&peer->changed);
    (void)pthread_mutex_unlock(&peer->lock);
    for (unsigned i = 0; i < peer->connections; i++)
        (void)pthread_join(peer->threads[i], NULL);
    (void)pthread_mutex_destroy(&peer->lock);
    (void)pthread_cond_destroy(&peer->changed);
    peer->answer = NULL;
}

#endif
