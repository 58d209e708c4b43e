/*
 * pool.c - requests over libcurl's multi interface: the only part that knows libcurl.
 *
 * What is certain about a request matters more here than its speed. libcurl sends a request again by itself when a
 * reused connection dies before any byte of an answer, although the server may have acted on the first one (its
 * Curl_retry_request; no option turns that off). Its pre-request callback is called before every sending, so
 * before_sending() refuses the second one, unless it is certain that the first was never acted on.
 *
 * A request is UNSENT if libcurl failed before a connection was ready for it, or before its last byte was handed over;
 * otherwise, without the headers of an answer, it is LOST. So is a stream that the server refused (REFUSED_STREAM, or
 * GOAWAY with a lower number) on a connection used before: libcurl does not let the two cases be told apart.
 */
#include "onramp/transport.h"

#include <assert.h>
#include <curl/curl.h>
#include <errno.h>
#include <limits.h>
#include <sodium.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define CONNECT_TIMEOUT_MS 10000L
#define URL_MAX            4096
#define BUNDLE_MAX         ((size_t)16 * 1024 * 1024) /* a CA bundle has 200 KiB */
#define HEADERS_MAX        ((size_t)256 * 1024) /* bytes of an answer's headers, interim ones and trailers included */
#define POLL_MAX_MS        60000

/* A request on its way, and its answer; one place for each request that may be in flight. */
struct exchange {
    struct pool *pool;
    CURL *easy; /* kept for the next request of this place */
    enum { IDLE, IN_FLIGHT, ARRIVED, LENT } state;
    uint32_t id;
    onramp_time sent_at, received_at;

    /* What it carries. The list's nodes are ours, and libcurl only reads them: its own list functions would
     * leave copies of the token in freed memory. */
    struct curl_slist headers[4], *header_list;
    char content_type[128], correlation_id[128], custom_domain[300];
    struct onramp_secret *authorization;
    curl_off_t body_size;

    /* How far it came. */
    bool started;  /* a connection was ready and the request may have left */
    bool repeated; /* libcurl wanted to send it again, and was refused */
    bool fresh;    /* it opened the connection that it left on */
    long connects; /* connections it had opened when it left */
    long sent;     /* bytes of requests sent before it left */

    /* What came back. */
    bool complete; /* the headers of the final answer are all there */
    bool over;     /* the body is larger than ONRAMP_BODY_MAX */
    size_t headers_size;
    struct onramp_fields fields;
    char cf_ray[64];
    char *body; /* may hold a token: wiped */
    size_t size, capacity;
    char words[CURL_ERROR_SIZE]; /* libcurl's, about a failure */
    struct onramp_answer answer;
    struct exchange *next; /* of the arrived ones */
};

struct pool {
    CURLM *multi;
    bool global; /* curl_global_init has been called */
    char base[300];
    char *proxy, *ca_file;
    char user_agent[128], auth0_client[512];
    struct curl_slist common[3]; /* the headers of every request */
    struct curl_blob roots;      /* with a ca_file: its certificates and the system's */
    int wake_fd;
    uint32_t places;
    struct exchange *exchanges;
    struct exchange *arrived, **arrived_end;
    struct exchange *lent; /* whose body the caller may be reading */
    struct onramp_pool_view view;
};

/* ---- time ---- */

/*
 * CLOCK_MONOTONIC, which on Linux stands still while the machine sleeps: after a suspension the pacer knows of fewer
 * tokens than there are, never of more. libcurl's timeouts go by it too.
 */
static onramp_time now(void *self)
{
    (void)self;
    struct timespec t;
    int rc = clock_gettime(CLOCK_MONOTONIC, &t);
    assert(rc == 0);
    (void)rc;
    return (onramp_time)t.tv_sec * ONRAMP_SECOND + t.tv_nsec;
}

static int64_t wall(void *self)
{
    (void)self;
    struct timespec t;
    int rc = clock_gettime(CLOCK_REALTIME, &t);
    assert(rc == 0);
    (void)rc;
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / ONRAMP_MILLISECOND;
}

/* ---- what libcurl calls while it works ---- */

/* The connection is ready. Let the request leave: once. */
static int before_sending(void *self, char *to, char *from, int to_port, int from_port)
{
    (void)to, (void)from, (void)to_port, (void)from_port;
    struct exchange *x = self;
    long connects = 0, sent = 0;
    (void)curl_easy_getinfo(x->easy, CURLINFO_NUM_CONNECTS, &connects);
    (void)curl_easy_getinfo(x->easy, CURLINFO_REQUEST_SIZE, &sent);

    /* A repetition is harmless if nothing was sent, or if the first left on a connection of its own: from there
     * libcurl repeats only what the server has refused to look at (HTTP/2's REFUSED_STREAM). */
    if (x->started && sent != x->sent && !x->fresh) {
        x->repeated = true;
        return CURL_PREREQFUNC_ABORT;
    }
    x->started = true;
    x->fresh = connects > x->connects;
    x->connects = connects;
    x->sent = sent;
    x->sent_at = now(NULL);
    return CURL_PREREQFUNC_OK;
}

/* The header fields that somebody reads. */
static const struct {
    const char *name;
    size_t offset, size;
} known_fields[] = {
#define FIELD(name, member)                                                                                            \
    {                                                                                                                  \
        name, offsetof(struct exchange, member), sizeof((struct exchange *)NULL)->member                               \
    }
    FIELD("x-ratelimit-limit", fields.limit),
    FIELD("x-ratelimit-remaining", fields.remaining),
    FIELD("x-ratelimit-reset", fields.reset),
    FIELD("retry-after", fields.retry_after),
    FIELD("date", fields.date),
    FIELD("content-type", fields.content_type),
    FIELD("location", fields.location),
    FIELD("ot-baggage-auth0-request-id", fields.request_id),
    FIELD("cf-ray", cf_ray),
#undef FIELD
};

static void keep_field(struct exchange *x, const char *line, size_t size)
{
    const char *colon = memchr(line, ':', size);
    if (colon == NULL)
        return;
    size_t name = (size_t)(colon - line);
    const char *value = colon + 1, *end = line + size;
    while (value < end && (*value == ' ' || *value == '\t'))
        value++;
    while (end > value && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\r' || end[-1] == '\n'))
        end--;
    size_t length = (size_t)(end - value);
    for (size_t i = 0; i < sizeof known_fields / sizeof *known_fields; i++) {
        if (strlen(known_fields[i].name) != name || strncasecmp(known_fields[i].name, line, name) != 0)
            continue;
        char *field = (char *)x + known_fields[i].offset;
        if (length >= known_fields[i].size)
            length = 0; /* half a value would be another value */
        memcpy(field, value, length);
        field[length] = '\0';
    }
}

static size_t take_header(char *line, size_t one, size_t size, void *self)
{
    struct exchange *x = self;
    size *= one;
    x->headers_size += size;
    if (x->headers_size > HEADERS_MAX)
        return 0;    /* ends the transfer */
    if (x->complete) /* trailers */
        return size;
    if (size >= 5 && memcmp(line, "HTTP/", 5) == 0) { /* the final answer, or another 1xx before it */
        memset(&x->fields, 0, sizeof x->fields);
        x->cf_ray[0] = '\0';
    } else if (size > 0 && (line[0] == '\r' || line[0] == '\n')) {
        long status = 0;
        (void)curl_easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &status);
        x->complete = status >= 200;
    } else {
        keep_field(x, line, size);
    }
    return size;
}

/* Room for `size` bytes of body and a NUL. Not realloc, which may leave a copy behind. */
static bool make_room(struct exchange *x, size_t size)
{
    if (size < x->capacity)
        return true;
    size_t capacity = x->capacity > 0 ? x->capacity : 4096;
    while (capacity <= size)
        capacity *= 2;
    char *body = malloc(capacity);
    if (body == NULL)
        return false;
    if (x->size > 0)
        memcpy(body, x->body, x->size);
    if (x->body != NULL)
        sodium_memzero(x->body, x->capacity);
    free(x->body);
    x->body = body;
    x->capacity = capacity;
    return true;
}

static size_t take_body(char *bytes, size_t one, size_t size, void *self)
{
    struct exchange *x = self;
    size *= one;
    size_t room = ONRAMP_BODY_MAX - x->size;
    size_t kept = size < room ? size : room;
    x->over = size > room;
    if (!make_room(x, x->size + kept))
        return 0;
    memcpy(x->body + x->size, bytes, kept);
    x->size += kept;
    return x->over ? 0 : size; /* 0 ends the transfer */
}

/* ---- sending ---- */

#define SET(option, value) (rc = rc == CURLE_OK ? curl_easy_setopt(easy, option, value) : rc)

/*
 * The additional CAs beside the system's. A libcurl that takes no roots from memory (GnuTLS before 8.18) is given the
 * user's file: its default directory of roots stays in force beside that.
 */
static CURLcode set_roots(const struct pool *pool, CURL *easy)
{
    if (pool->ca_file == NULL)
        return CURLE_OK;
    CURLcode rc = CURLE_OK;
    SET(CURLOPT_CAINFO_BLOB, &pool->roots);
    SET(CURLOPT_PROXY_CAINFO_BLOB, &pool->roots);
    if (rc == CURLE_NOT_BUILT_IN) {
        rc = CURLE_OK;
        SET(CURLOPT_CAINFO, pool->ca_file);
        SET(CURLOPT_PROXY_CAINFO, pool->ca_file);
    }
    return rc;
}

/* What is the same for every request. */
static CURLcode set_common(struct exchange *x)
{
    struct pool *pool = x->pool;
    CURL *easy = x->easy;
    bool https = strncmp(pool->base, "https:", 6) == 0;
    CURLcode rc = CURLE_OK;

    SET(CURLOPT_PRIVATE, x);
    SET(CURLOPT_ERRORBUFFER, x->words);
    SET(CURLOPT_PREREQFUNCTION, before_sending);
    SET(CURLOPT_PREREQDATA, x);
    SET(CURLOPT_HEADERFUNCTION, take_header);
    SET(CURLOPT_HEADERDATA, x);
    SET(CURLOPT_WRITEFUNCTION, take_body);
    SET(CURLOPT_WRITEDATA, x);

    /* Where to, and no further. */
    SET(CURLOPT_PROTOCOLS_STR, https ? "https" : "http");
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_HEADEROPT, (long)CURLHEADER_SEPARATE); /* a proxy sees none of our headers */
    SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    SET(CURLOPT_PATH_AS_IS, 1L);
    if (pool->proxy != NULL)
        SET(CURLOPT_PROXY, pool->proxy);

    /* Whom to trust. */
    SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_SSL_VERIFYHOST, 2L);
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (rc == CURLE_OK)
        rc = set_roots(pool, easy);

    SET(CURLOPT_HTTP_VERSION, https ? (long)CURL_HTTP_VERSION_2TLS : (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_USERAGENT, pool->user_agent);
    SET(CURLOPT_ACCEPT_ENCODING, "gzip");
    SET(CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
    SET(CURLOPT_TCP_NODELAY, 1L);
    SET(CURLOPT_TCP_KEEPALIVE, 1L);
    SET(CURLOPT_NOSIGNAL, 1L);
    return rc;
}

/* What differs from request to request. */
static CURLcode set_request(struct exchange *x, const struct onramp_request *request, const char *url)
{
    CURL *easy = x->easy;
    CURLcode rc = CURLE_OK;
    bool get = strcmp(request->method, "GET") == 0, post = strcmp(request->method, "POST") == 0;

    if (request->body != NULL || post) {
        SET(CURLOPT_POST, 1L);
        SET(CURLOPT_POSTFIELDSIZE_LARGE, x->body_size);
        SET(CURLOPT_POSTFIELDS, request->body != NULL ? request->body : ""); /* borrowed, not copied */
    } else {
        SET(CURLOPT_HTTPGET, 1L);
    }
    SET(CURLOPT_CUSTOMREQUEST, get || post ? NULL : request->method);
    SET(CURLOPT_URL, url);
    SET(CURLOPT_HTTPHEADER, x->header_list);

    /* One connection for all where the server speaks HTTP/2. Where the first answer says that it does not, nobody
     * waits: some versions of libcurl would keep a request back until another one's answer has arrived. */
    SET(CURLOPT_PIPEWAIT, x->pool->view.http_version == 1 ? 0L : 1L);

    onramp_span ms = (request->timeout + ONRAMP_MILLISECOND - 1) / ONRAMP_MILLISECOND;
    SET(CURLOPT_TIMEOUT_MS, ms < LONG_MAX ? (long)ms : LONG_MAX);
    return rc;
}

#undef SET

/* A header's value on one line, so that it cannot become two headers. */
static bool is_plain(const char *value)
{
    for (; *value != '\0'; value++)
        if ((unsigned char)*value < ' ' || *value == 0x7f)
            return false;
    return true;
}

/* Put "name: value" in front of the list, if there is a value. */
static bool add_header(struct exchange *x, size_t *count, char *line, size_t room, const char *name, const char *value)
{
    if (value == NULL)
        return true;
    int length = snprintf(line, room, "%s: %s", name, value);
    if (length < 0 || (size_t)length >= room || !is_plain(value))
        return false;
    x->headers[(*count)++].data = line;
    return true;
}

static enum onramp_status build_headers(struct exchange *x, const struct onramp_request *request,
                                        struct onramp_error *err)
{
    size_t count = 0;
    static const char bearer[] = "Authorization: Bearer ";
    if (request->bearer != NULL) {
        if (!is_plain(request->bearer->text))
            return onramp_fail(err, ONRAMP_EUSAGE, "the token has a line break or another control character in it");
        size_t size = sizeof bearer - 1 + request->bearer->size;
        enum onramp_status st = onramp_secret_new(&x->authorization, size, err);
        if (st != ONRAMP_OK)
            return st;
        memcpy(x->authorization->text, bearer, sizeof bearer - 1);
        memcpy(x->authorization->text + sizeof bearer - 1, request->bearer->text, request->bearer->size);
        x->headers[count++].data = x->authorization->text;
    }
    if (!add_header(x, &count, x->content_type, sizeof x->content_type, "Content-Type", request->content_type) ||
        !add_header(x, &count, x->correlation_id, sizeof x->correlation_id, "X-Correlation-ID",
                    request->correlation_id) ||
        !add_header(x, &count, x->custom_domain, sizeof x->custom_domain, "auth0-custom-domain",
                    request->custom_domain))
        return onramp_fail(err, ONRAMP_EUSAGE, "a header's value is too long, or has a control character in it");

    x->header_list = &x->pool->common[0];
    while (count-- > 0) { /* in front of the common ones */
        x->headers[count].next = x->header_list;
        x->header_list = &x->headers[count];
    }
    return ONRAMP_OK;
}

/* Make the place as if new, but for its handle and its buffer. */
static void clear(struct exchange *x)
{
    onramp_secret_free(x->authorization);
    if (x->body != NULL)
        sodium_memzero(x->body, x->size);
    *x = (struct exchange){.pool = x->pool, .easy = x->easy, .body = x->body, .capacity = x->capacity};
}

static enum onramp_status begin(struct exchange *x, const struct onramp_request *request, struct onramp_error *err)
{
    char url[URL_MAX];
    int length = snprintf(url, sizeof url, "%s%s", x->pool->base, request->path);
    if (length < 0 || (size_t)length >= sizeof url)
        return onramp_fail(err, ONRAMP_EUSAGE, "a request's path is over %d characters", URL_MAX);
    enum onramp_status st = build_headers(x, request, err);
    if (st != ONRAMP_OK)
        return st;
    x->body_size = (curl_off_t)request->body_size;

    CURLcode rc = CURLE_OK;
    if (x->easy == NULL) {
        x->easy = curl_easy_init();
        rc = x->easy != NULL ? set_common(x) : CURLE_OUT_OF_MEMORY;
    }
    if (rc == CURLE_OK)
        rc = set_request(x, request, url);
    if (rc != CURLE_OK)
        return onramp_fail(err, rc == CURLE_OUT_OF_MEMORY ? ONRAMP_ENOMEM : ONRAMP_EIO, "cannot prepare a request: %s",
                           curl_easy_strerror(rc));
    CURLMcode mc = curl_multi_add_handle(x->pool->multi, x->easy);
    if (mc != CURLM_OK)
        return onramp_fail(err, mc == CURLM_OUT_OF_MEMORY ? ONRAMP_ENOMEM : ONRAMP_EIO, "cannot start a request: %s",
                           curl_multi_strerror(mc));
    return ONRAMP_OK;
}

/* ---- arriving ---- */

/*
 * May the server have read the whole request? If not, it cannot have acted on it. The count of the body's bytes
 * begins anew when libcurl repeats a request, so it proves something only where that does not happen; the count of
 * all bytes goes on.
 */
static bool may_have_acted(const struct exchange *x)
{
    if (!x->started)
        return false;
    long sent = 0;
    curl_off_t uploaded = 0;
    (void)curl_easy_getinfo(x->easy, CURLINFO_REQUEST_SIZE, &sent);
    (void)curl_easy_getinfo(x->easy, CURLINFO_SIZE_UPLOAD_T, &uploaded);
    bool cut_short = x->fresh && uploaded < x->body_size;
    return sent > x->sent && !cut_short;
}

static bool is_certificate(CURLcode result)
{
    return result == CURLE_PEER_FAILED_VERIFICATION || result == CURLE_SSL_CACERT_BADFILE ||
           result == CURLE_SSL_ISSUER_ERROR || result == CURLE_SSL_INVALIDCERTSTATUS;
}

/* One line of words; a proxy or server may have had a say in them. */
static void describe(char *out, size_t room, const struct exchange *x, CURLcode result)
{
    const char *words = x->words[0] != '\0' ? x->words : curl_easy_strerror(result);
    if (x->repeated)
        words = "the connection was closed before an answer came";
    else if (result == CURLE_WRITE_ERROR && x->over)
        words = "the answer is over 1 MiB";
    else if (result == CURLE_WRITE_ERROR && x->headers_size > HEADERS_MAX)
        words = "the answer's headers are over 256 KiB";
    size_t i = 0;
    for (; words[i] != '\0' && i + 1 < room; i++)
        out[i] = (unsigned char)words[i] < ' ' || words[i] == 0x7f ? ' ' : words[i];
    while (i > 0 && out[i - 1] == ' ')
        i--;
    out[i] = '\0';
}

static void judge(struct exchange *x, CURLcode result)
{
    struct onramp_answer *answer = &x->answer;
    *answer = (struct onramp_answer){
        .id = x->id, .body = x->body, .body_size = x->size, .sent_at = x->sent_at, .received_at = x->received_at};
    x->body[x->size] = '\0';
    if (result != CURLE_OK)
        describe(answer->problem, sizeof answer->problem, x, result);
    if (x->complete) {
        long status = 0;
        (void)curl_easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &status);
        answer->delivery = ONRAMP_ANSWERED;
        answer->status = (int)status;
        answer->truncated = result != CURLE_OK;
        answer->fields = x->fields;
        if (answer->fields.request_id[0] == '\0')
            memcpy(answer->fields.request_id, x->cf_ray, sizeof x->cf_ray);
    } else if (may_have_acted(x)) {
        answer->delivery = ONRAMP_LOST;
    } else {
        answer->delivery = ONRAMP_UNSENT;
        answer->certificate = is_certificate(result);
    }
}

static void count(struct pool *pool, CURL *easy)
{
    long version = 0, connects = 0;
    (void)curl_easy_getinfo(easy, CURLINFO_HTTP_VERSION, &version);
    (void)curl_easy_getinfo(easy, CURLINFO_NUM_CONNECTS, &connects);
    pool->view.connections += connects > 0 ? (uint64_t)connects : 0;
    if (version != 0)
        pool->view.http_version = version >= CURL_HTTP_VERSION_2_0 ? 2 : 1;
}

static void land(struct exchange *x, CURLcode result)
{
    struct pool *pool = x->pool;
    x->received_at = now(NULL);
    judge(x, result);
    count(pool, x->easy);
    (void)curl_multi_remove_handle(pool->multi, x->easy);
    if (result != CURLE_OK) {
        /* libcurl keeps the memory of a refused stream in the handle, and a later request would be repeated for it. */
        curl_easy_cleanup(x->easy);
        x->easy = NULL;
    }
    onramp_secret_free(x->authorization);
    x->authorization = NULL;
    x->state = ARRIVED;
    *pool->arrived_end = x;
    pool->arrived_end = &x->next;
}

/* Let libcurl do what it can without waiting, and gather what has ended. */
static CURLMcode turn(struct pool *pool)
{
    int running = 0;
    CURLMcode mc = curl_multi_perform(pool->multi, &running);
    int left;
    for (CURLMsg *message; (message = curl_multi_info_read(pool->multi, &left)) != NULL;) {
        char *x = NULL;
        CURLcode result = message->data.result; /* the message dies with the handle's removal */
        if (message->msg == CURLMSG_DONE && curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &x) == CURLE_OK)
            land((struct exchange *)(void *)x, result);
    }
    return mc;
}

/* ---- the interface ---- */

/* The caller is done with the answer it took last. */
static void take_back(struct pool *pool)
{
    if (pool->lent == NULL)
        return;
    clear(pool->lent);
    pool->lent = NULL;
}

static enum onramp_status send_request(void *self, uint32_t id, const struct onramp_request *request,
                                       struct onramp_error *err)
{
    struct pool *pool = self;
    assert(request->timeout > 0 && request->path[0] == '/');
    take_back(pool);
    struct exchange *x = pool->exchanges;
    while (x < pool->exchanges + pool->places && x->state != IDLE)
        x++;
    if (x == pool->exchanges + pool->places)
        return onramp_fail(err, ONRAMP_EIO, "more than %u requests at once", pool->places);

    if (!make_room(x, 0))
        return onramp_fail(err, ONRAMP_ENOMEM, "out of memory for an answer");
    enum onramp_status st = begin(x, request, err);
    if (st != ONRAMP_OK) {
        clear(x);
        return st;
    }
    x->id = id;
    x->state = IN_FLIGHT;
    x->sent_at = now(NULL);
    pool->view.requests++;
    (void)turn(pool); /* it is on its way now; should libcurl fail, wait() will say so */
    return ONRAMP_OK;
}

static enum onramp_status wait_until(void *self, onramp_time until, struct onramp_error *err)
{
    struct pool *pool = self;
    take_back(pool);
    CURLMcode mc = turn(pool);
    onramp_span left = until - now(NULL);
    if (mc == CURLM_OK && pool->arrived == NULL && left > 0) {
        /* libcurl waits in whole milliseconds, so the last part of one is slept. */
        if (left >= ONRAMP_MILLISECOND) {
            onramp_span ms = left / ONRAMP_MILLISECOND;
            struct curl_waitfd wake = {.fd = pool->wake_fd, .events = CURL_WAIT_POLLIN};
            mc = curl_multi_poll(pool->multi, &wake, pool->wake_fd >= 0 ? 1 : 0,
                                 ms < POLL_MAX_MS ? (int)ms : POLL_MAX_MS, NULL);
        } else {
            (void)nanosleep(&(struct timespec){.tv_nsec = (long)left}, NULL);
        }
        if (mc == CURLM_OK)
            mc = turn(pool);
    }
    if (mc == CURLM_OUT_OF_MEMORY)
        return onramp_fail(err, ONRAMP_ENOMEM, "out of memory in libcurl");
    if (mc != CURLM_OK)
        return onramp_fail(err, ONRAMP_EIO, "libcurl failed: %s", curl_multi_strerror(mc));
    return ONRAMP_OK;
}

static bool take(void *self, struct onramp_answer *out)
{
    struct pool *pool = self;
    take_back(pool);
    struct exchange *x = pool->arrived;
    if (x == NULL)
        return false;
    pool->arrived = x->next;
    if (pool->arrived == NULL)
        pool->arrived_end = &pool->arrived;
    x->state = LENT;
    pool->lent = x;
    *out = x->answer;
    return true;
}

static void close_pool(void *self)
{
    struct pool *pool = self;
    if (pool == NULL)
        return;
    for (uint32_t i = 0; pool->exchanges != NULL && i < pool->places; i++) {
        struct exchange *x = &pool->exchanges[i];
        if (x->state == IN_FLIGHT)
            (void)curl_multi_remove_handle(pool->multi, x->easy);
        curl_easy_cleanup(x->easy);
        clear(x);
        free(x->body);
    }
    free(pool->exchanges);
    (void)curl_multi_cleanup(pool->multi);
    free(pool->roots.data);
    free(pool->proxy);
    free(pool->ca_file);
    if (pool->global)
        curl_global_cleanup();
    free(pool);
}

static const struct onramp_transport_ops pool_ops = {
    .now = now, .wall = wall, .send = send_request, .wait = wait_until, .take = take, .close = close_pool};
/* No warm(): libcurl cannot open a connection for requests to come without making one. */

/* ---- opening ---- */

/* Append a file's bytes to *text. An errno, EFBIG if it is no bundle by its size. */
static int read_bundle(const char *path, char **text, size_t *size)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return errno;
    int errnum = 0;
    for (size_t got = 1; got > 0 && errnum == 0;) {
        enum { PIECE = 64 * 1024 };
        char *more = realloc(*text, *size + PIECE + 1);
        if (more == NULL) {
            errnum = ENOMEM;
            break;
        }
        *text = more;
        got = fread(*text + *size, 1, PIECE, file);
        *size += got;
        (*text)[*size] = '\0';
        if (ferror(file))
            errnum = errno;
        else if (*size > BUNDLE_MAX)
            errnum = EFBIG;
    }
    (void)fclose(file);
    return errnum;
}

/*
 * The system's roots and the user's: CURLOPT_CAINFO takes one file, and would put the user's in the system's place.
 * A directory of roots (CURLOPT_CAPATH), where libcurl has one by default, stays in force beside the blob.
 */
static enum onramp_status load_roots(struct pool *pool, const char *ca_file, struct onramp_error *err)
{
    char *text = NULL;
    size_t size = 0;
    int errnum = read_bundle(ca_file, &text, &size);
    if (errnum == 0 && (text == NULL || strstr(text, "-----BEGIN ") == NULL)) {
        free(text);
        return onramp_fail(err, ONRAMP_EUSAGE, "no certificate in CA file '%.200s'; it must be PEM", ca_file);
    }
    if (errnum != 0) {
        free(text);
        return onramp_fail(err, errnum == ENOMEM ? ONRAMP_ENOMEM : ONRAMP_EUSAGE, "cannot read CA file '%.200s': %s",
                           ca_file, strerror(errnum));
    }

    text[size++] = '\n'; /* there is room for the NUL, and what follows begins a line of its own */
    size_t own = size;
    const curl_version_info_data *info = curl_version_info(CURLVERSION_NOW);
    if (info->cainfo != NULL && read_bundle(info->cainfo, &text, &size) != 0)
        size = own; /* no system bundle: the user's alone */
    pool->roots = (struct curl_blob){.data = text, .len = size, .flags = CURL_BLOB_NOCOPY};
    pool->ca_file = strdup(ca_file);
    return pool->ca_file != NULL ? ONRAMP_OK : onramp_fail(err, ONRAMP_ENOMEM, "out of memory");
}

static bool is_loopback(const char *base)
{
    const char *host = strstr(base, "://");
    host = host != NULL ? host + 3 : base;
    return strncmp(host, "127.", 4) == 0 || strncmp(host, "[::1]", 5) == 0 ||
           (strncasecmp(host, "localhost", 9) == 0 && (host[9] == ':' || host[9] == '\0' || host[9] == '/'));
}

/* Auth0-Client: who is asking, as Auth0's own libraries say it: base64 of JSON. */
static bool name_client(struct pool *pool, const char *client)
{
    const char *slash = strchr(client, '/');
    int name = slash != NULL ? (int)(slash - client) : (int)strlen(client);
    char json[300];
    int length = snprintf(json, sizeof json, "{\"name\":\"%.*s\",\"version\":\"%s\",\"env\":{\"libcurl\":\"%s\"}}",
                          name, client, slash != NULL ? slash + 1 : "", curl_version_info(CURLVERSION_NOW)->version);
    if (length < 0 || (size_t)length >= sizeof json || !is_plain(client))
        return false;
    static const char header[] = "Auth0-Client: ";
    memcpy(pool->auth0_client, header, sizeof header - 1);
    (void)sodium_bin2base64(pool->auth0_client + sizeof header - 1, sizeof pool->auth0_client - (sizeof header - 1),
                            (const unsigned char *)json, (size_t)length, sodium_base64_VARIANT_ORIGINAL);
    return snprintf(pool->user_agent, sizeof pool->user_agent, "%s", client) < (int)sizeof pool->user_agent;
}

static enum onramp_status start_curl(struct pool *pool, struct onramp_error *err)
{
    if (sodium_init() < 0)
        return onramp_fail(err, ONRAMP_EIO, "cannot start libsodium");
    CURLcode rc = curl_global_init(CURL_GLOBAL_DEFAULT);
    if (rc != CURLE_OK)
        return onramp_fail(err, ONRAMP_EIO, "cannot start libcurl: %s", curl_easy_strerror(rc));
    pool->global = true;
    pool->multi = curl_multi_init();
    if (pool->multi == NULL)
        return onramp_fail(err, ONRAMP_ENOMEM, "out of memory in libcurl");
    long places = (long)pool->places;
    if (curl_multi_setopt(pool->multi, CURLMOPT_MAXCONNECTS, places) != CURLM_OK ||
        curl_multi_setopt(pool->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_MULTIPLEX) != CURLM_OK ||
        curl_multi_setopt(pool->multi, CURLMOPT_MAX_CONCURRENT_STREAMS, places) != CURLM_OK)
        return onramp_fail(err, ONRAMP_EIO, "this libcurl lacks an option of the multi interface");
    return ONRAMP_OK;
}

static enum onramp_status set_up(struct pool *pool, const struct onramp_pool_settings *settings,
                                 struct onramp_error *err)
{
    pool->places = settings->concurrency;
    pool->wake_fd = settings->wake_fd;
    pool->arrived_end = &pool->arrived;
    enum onramp_status st = start_curl(pool, err);
    if (st == ONRAMP_OK && settings->ca_file != NULL)
        st = load_roots(pool, settings->ca_file, err);
    if (st != ONRAMP_OK)
        return st;
    if (snprintf(pool->base, sizeof pool->base, "%s", settings->base) >= (int)sizeof pool->base)
        return onramp_fail(err, ONRAMP_EUSAGE, "the tenant's domain is too long");
    if (!name_client(pool, settings->client_name))
        return onramp_fail(err, ONRAMP_EUSAGE, "the client's name is too long, or has a control character in it");

    /* libcurl never writes to a list it is given. */
    pool->common[0] = (struct curl_slist){.data = (char *)"Accept: application/json", .next = &pool->common[1]};
    pool->common[1] = (struct curl_slist){.data = (char *)"Expect:", .next = &pool->common[2]}; /* not sent */
    pool->common[2] = (struct curl_slist){.data = pool->auth0_client, .next = NULL};

    /* A proxy of the environment is for the world outside, never for this machine. */
    const char *proxy = settings->proxy == NULL && is_loopback(settings->base) ? "" : settings->proxy;
    pool->proxy = proxy != NULL ? strdup(proxy) : NULL;
    pool->exchanges = calloc(pool->places, sizeof *pool->exchanges);
    if (pool->exchanges == NULL || (proxy != NULL && pool->proxy == NULL))
        return onramp_fail(err, ONRAMP_ENOMEM, "out of memory");
    for (uint32_t i = 0; i < pool->places; i++)
        pool->exchanges[i].pool = pool;
    return ONRAMP_OK;
}

enum onramp_status onramp_pool_open(struct onramp_transport *out, const struct onramp_pool_settings *settings,
                                    struct onramp_error *err)
{
    assert(settings->concurrency >= 1 && settings->concurrency <= 256);
    struct pool *pool = calloc(1, sizeof *pool);
    if (pool == NULL)
        return onramp_fail(err, ONRAMP_ENOMEM, "out of memory");
    enum onramp_status st = set_up(pool, settings, err);
    if (st != ONRAMP_OK) {
        close_pool(pool);
        return st;
    }
    *out = (struct onramp_transport){.ops = &pool_ops, .self = pool};
    return ONRAMP_OK;
}

void onramp_pool_view(const struct onramp_transport *transport, struct onramp_pool_view *out)
{
    assert(transport->ops == &pool_ops);
    const struct pool *pool = transport->self;
    *out = pool->view;
}
