/*
 * pool_exchange.c - one request of the pool: what libcurl is told, and what is certain about the request afterwards.
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
#include "io/pool_exchange.h"

#include <assert.h>
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
#define HEADERS_MAX        ((size_t)256 * 1024) /* bytes of an answer's headers, interim ones and trailers included */

/*
 * CLOCK_MONOTONIC, which on Linux stands still while the machine sleeps: after a suspension the pacer knows of fewer
 * tokens than there are, never of more. libcurl's timeouts go by it too.
 */
onramp_time onramp_exchange_now(void)
{
    struct timespec t;
    int rc = clock_gettime(CLOCK_MONOTONIC, &t);
    assert(rc == 0);
    (void)rc;
    return (onramp_time)t.tv_sec * ONRAMP_SECOND + t.tv_nsec;
}

/* ---- what libcurl calls while it works ---- */

/* The connection is ready. Let the request leave: once. */
static int before_sending(void *self, char *to, char *from, int to_port, int from_port)
{
    (void)to, (void)from, (void)to_port, (void)from_port;
    struct onramp_exchange *x = self;
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
    x->sent_at = onramp_exchange_now();
    return CURL_PREREQFUNC_OK;
}

/* The header fields that somebody reads. */
static const struct {
    const char *name;
    size_t offset, size;
} known_fields[] = {
#define FIELD(name, member)                                                                                            \
    {                                                                                                                  \
        name, offsetof(struct onramp_exchange, member), sizeof((struct onramp_exchange *)NULL)->member                 \
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

static void keep_field(struct onramp_exchange *x, const char *line, size_t size)
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
    struct onramp_exchange *x = self;
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
static bool make_room(struct onramp_exchange *x, size_t size)
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
    struct onramp_exchange *x = self;
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
static CURLcode set_roots(const struct onramp_exchange_common *common, CURL *easy)
{
    if (common->ca_file == NULL)
        return CURLE_OK;
    CURLcode rc = CURLE_OK;
    SET(CURLOPT_CAINFO_BLOB, &common->roots);
    SET(CURLOPT_PROXY_CAINFO_BLOB, &common->roots);
    if (rc == CURLE_NOT_BUILT_IN) {
        rc = CURLE_OK;
        SET(CURLOPT_CAINFO, common->ca_file);
        SET(CURLOPT_PROXY_CAINFO, common->ca_file);
    }
    return rc;
}

/* What is the same for every request. */
static CURLcode set_common(struct onramp_exchange *x)
{
    const struct onramp_exchange_common *common = x->common;
    CURL *easy = x->easy;
    bool https = strncmp(common->base, "https:", 6) == 0;
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
    if (common->proxy != NULL)
        SET(CURLOPT_PROXY, common->proxy);

    /* Whom to trust. */
    SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_SSL_VERIFYHOST, 2L);
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (rc == CURLE_OK)
        rc = set_roots(common, easy);

    SET(CURLOPT_HTTP_VERSION, https ? (long)CURL_HTTP_VERSION_2TLS : (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_USERAGENT, common->user_agent);
    SET(CURLOPT_ACCEPT_ENCODING, "gzip");
    SET(CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
    SET(CURLOPT_TCP_NODELAY, 1L);
    SET(CURLOPT_TCP_KEEPALIVE, 1L);
    SET(CURLOPT_NOSIGNAL, 1L);
    return rc;
}

/* What differs from request to request. */
static CURLcode set_request(struct onramp_exchange *x, const struct onramp_request *request, const char *url,
                            bool share)
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
    SET(CURLOPT_PIPEWAIT, share ? 1L : 0L);

    onramp_span ms = (request->timeout + ONRAMP_MILLISECOND - 1) / ONRAMP_MILLISECOND;
    SET(CURLOPT_TIMEOUT_MS, ms < LONG_MAX ? (long)ms : LONG_MAX);
    return rc;
}

#undef SET

bool onramp_exchange_is_plain(const char *value)
{
    for (; *value != '\0'; value++)
        if ((unsigned char)*value < ' ' || *value == 0x7f)
            return false;
    return true;
}

/* Put "name: value" in front of the list, if there is a value. */
static bool add_header(struct onramp_exchange *x, size_t *count, char *line, size_t room, const char *name,
                       const char *value)
{
    if (value == NULL)
        return true;
    int length = snprintf(line, room, "%s: %s", name, value);
    if (length < 0 || (size_t)length >= room || !onramp_exchange_is_plain(value))
        return false;
    x->headers[(*count)++].data = line;
    return true;
}

static enum onramp_status build_headers(struct onramp_exchange *x, const struct onramp_request *request,
                                        struct onramp_error *err)
{
    size_t count = 0;
    static const char bearer[] = "Authorization: Bearer ";
    if (request->bearer != NULL) {
        if (!onramp_exchange_is_plain(request->bearer->text))
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

    x->header_list = x->common->headers;
    while (count-- > 0) { /* in front of the common ones */
        x->headers[count].next = x->header_list;
        x->header_list = &x->headers[count];
    }
    return ONRAMP_OK;
}

void onramp_exchange_clear(struct onramp_exchange *x)
{
    onramp_secret_free(x->authorization);
    if (x->body != NULL)
        sodium_memzero(x->body, x->size);
    *x = (struct onramp_exchange){.common = x->common, .easy = x->easy, .body = x->body, .capacity = x->capacity};
}

enum onramp_status onramp_exchange_prepare(struct onramp_exchange *x, const struct onramp_request *request, bool share,
                                           struct onramp_error *err)
{
    char url[URL_MAX];
    int length = snprintf(url, sizeof url, "%s%s", x->common->base, request->path);
    if (length < 0 || (size_t)length >= sizeof url)
        return onramp_fail(err, ONRAMP_EUSAGE, "a request's path is over %d characters", URL_MAX);
    if (!make_room(x, 0))
        return onramp_fail(err, ONRAMP_ENOMEM, "out of memory for an answer");
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
        rc = set_request(x, request, url, share);
    if (rc != CURLE_OK)
        return onramp_fail(err, rc == CURLE_OUT_OF_MEMORY ? ONRAMP_ENOMEM : ONRAMP_EIO, "cannot prepare a request: %s",
                           curl_easy_strerror(rc));
    return ONRAMP_OK;
}

/* ---- arriving ---- */

/*
 * May the server have read the whole request? If not, it cannot have acted on it. The count of the body's bytes
 * begins anew when libcurl repeats a request, so it proves something only where that does not happen; the count of
 * all bytes goes on.
 */
static bool may_have_acted(const struct onramp_exchange *x)
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

/* What a proxy answered that let nothing through; 0 if there is none, or it did. */
static int proxy_status(const struct onramp_exchange *x)
{
    long status = 0;
    (void)curl_easy_getinfo(x->easy, CURLINFO_HTTP_CONNECTCODE, &status);
    return status >= 200 && status <= 299 ? 0 : (int)status;
}

/* One line of words; a proxy or server may have had a say in them. */
static void describe(char *out, size_t room, const struct onramp_exchange *x, CURLcode result)
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

void onramp_exchange_judge(struct onramp_exchange *x, CURLcode result, onramp_time received_at)
{
    struct onramp_answer *answer = &x->answer;
    *answer = (struct onramp_answer){
        .id = x->id, .body = x->body, .body_size = x->size, .sent_at = x->sent_at, .received_at = received_at};
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
        answer->proxy_status = proxy_status(x);
    }
}
