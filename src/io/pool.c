/*
 * pool.c - requests over libcurl's multi interface: many exchanges at once, on as few connections as the server allows.
 *
 * pool_exchange.c says what one of them is, and what is certain about it. The two are all that knows libcurl.
 */
#include "io/pool_exchange.h"

#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define BUNDLE_MAX  ((size_t)16 * 1024 * 1024) /* a CA bundle has 200 KiB */
#define POLL_MAX_MS 60000

struct pool {
    CURLM *multi;
    bool global; /* curl_global_init has been called */
    int wake_fd;
    struct onramp_exchange_common common;
    uint32_t places;
    struct onramp_exchange *exchanges; /* one for each place */
    struct onramp_exchange *arrived, **arrived_end;
    struct onramp_exchange *lent; /* whose body the caller may be reading */
    struct onramp_pool_view view;
};

static onramp_time now(void *self)
{
    (void)self;
    return onramp_exchange_now();
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

/* ---- leaving and landing ---- */

static enum onramp_status start(struct pool *pool, struct onramp_exchange *x, const struct onramp_request *request,
                                struct onramp_error *err)
{
    /* One connection for all where the server speaks HTTP/2. Where the first answer says that it does not, nobody
     * waits: some versions of libcurl would keep a request back until another one's answer has arrived. */
    bool share = pool->view.http_version != 1;
    enum onramp_status st = onramp_exchange_prepare(x, request, share, err);
    if (st != ONRAMP_OK)
        return st;
    CURLMcode mc = curl_multi_add_handle(pool->multi, x->easy);
    if (mc != CURLM_OK)
        return onramp_fail(err, mc == CURLM_OUT_OF_MEMORY ? ONRAMP_ENOMEM : ONRAMP_EIO, "cannot start a request: %s",
                           curl_multi_strerror(mc));
    return ONRAMP_OK;
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

static void land(struct pool *pool, struct onramp_exchange *x, CURLcode result)
{
    onramp_exchange_judge(x, result, onramp_exchange_now());
    count(pool, x->easy);
    (void)curl_multi_remove_handle(pool->multi, x->easy);
    if (result != CURLE_OK) {
        /* libcurl keeps the memory of a refused stream in the handle, and a later request would be repeated for it. */
        curl_easy_cleanup(x->easy);
        x->easy = NULL;
    }
    onramp_secret_free(x->authorization);
    x->authorization = NULL;
    x->state = ONRAMP_ARRIVED;
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
            land(pool, (struct onramp_exchange *)(void *)x, result);
    }
    return mc;
}

/* ---- the interface ---- */

/* The caller is done with the answer it took last. */
static void take_back(struct pool *pool)
{
    if (pool->lent == NULL)
        return;
    onramp_exchange_clear(pool->lent);
    pool->lent = NULL;
}

static enum onramp_status send_request(void *self, uint32_t id, const struct onramp_request *request,
                                       struct onramp_error *err)
{
    struct pool *pool = self;
    assert(request->timeout > 0 && request->path[0] == '/');
    take_back(pool);
    struct onramp_exchange *x = pool->exchanges;
    while (x < pool->exchanges + pool->places && x->state != ONRAMP_IDLE)
        x++;
    if (x == pool->exchanges + pool->places)
        return onramp_fail(err, ONRAMP_EIO, "more than %u requests at once", pool->places);

    enum onramp_status st = start(pool, x, request, err);
    if (st != ONRAMP_OK) {
        onramp_exchange_clear(x);
        return st;
    }
    x->id = id;
    x->state = ONRAMP_IN_FLIGHT;
    x->sent_at = onramp_exchange_now();
    pool->view.requests++;
    (void)turn(pool); /* it is on its way now; should libcurl fail, wait() will say so */
    return ONRAMP_OK;
}

static enum onramp_status wait_until(void *self, onramp_time until, struct onramp_error *err)
{
    struct pool *pool = self;
    take_back(pool);
    CURLMcode mc = turn(pool);
    onramp_span left = until - onramp_exchange_now();
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
    struct onramp_exchange *x = pool->arrived;
    if (x == NULL)
        return false;
    pool->arrived = x->next;
    if (pool->arrived == NULL)
        pool->arrived_end = &pool->arrived;
    x->state = ONRAMP_LENT;
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
        struct onramp_exchange *x = &pool->exchanges[i];
        if (x->state == ONRAMP_IN_FLIGHT)
            (void)curl_multi_remove_handle(pool->multi, x->easy);
        curl_easy_cleanup(x->easy);
        onramp_exchange_clear(x);
        free(x->body);
    }
    free(pool->exchanges);
    (void)curl_multi_cleanup(pool->multi);
    free(pool->common.roots.data);
    free(pool->common.proxy);
    free(pool->common.ca_file);
    if (pool->global)
        curl_global_cleanup();
    free(pool);
}

static const struct onramp_transport_ops pool_ops = {
    .now = now, .wall = wall, .send = send_request, .wait = wait_until, .take = take, .close = close_pool};

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
static enum onramp_status load_roots(struct onramp_exchange_common *common, const char *ca_file,
                                     struct onramp_error *err)
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
    common->roots = (struct curl_blob){.data = text, .len = size, .flags = CURL_BLOB_NOCOPY};
    common->ca_file = strdup(ca_file);
    return common->ca_file != NULL ? ONRAMP_OK : onramp_fail(err, ONRAMP_ENOMEM, "out of memory");
}

static bool is_loopback(const char *base)
{
    const char *host = strstr(base, "://");
    host = host != NULL ? host + 3 : base;
    return strncmp(host, "127.", 4) == 0 || strncmp(host, "[::1]", 5) == 0 ||
           (strncasecmp(host, "localhost", 9) == 0 && (host[9] == ':' || host[9] == '\0' || host[9] == '/'));
}

/* Auth0-Client: who is asking, as Auth0's own libraries say it: base64 of JSON. */
static bool name_client(struct onramp_exchange_common *common, const char *client)
{
    const char *slash = strchr(client, '/');
    int name = slash != NULL ? (int)(slash - client) : (int)strlen(client);
    char json[300];
    int length = snprintf(json, sizeof json, "{\"name\":\"%.*s\",\"version\":\"%s\",\"env\":{\"libcurl\":\"%s\"}}",
                          name, client, slash != NULL ? slash + 1 : "", curl_version_info(CURLVERSION_NOW)->version);
    if (length < 0 || (size_t)length >= sizeof json || !onramp_exchange_is_plain(client))
        return false;
    static const char header[] = "Auth0-Client: ";
    memcpy(common->auth0_client, header, sizeof header - 1);
    (void)sodium_bin2base64(common->auth0_client + sizeof header - 1, sizeof common->auth0_client - (sizeof header - 1),
                            (const unsigned char *)json, (size_t)length, sodium_base64_VARIANT_ORIGINAL);
    return snprintf(common->user_agent, sizeof common->user_agent, "%s", client) < (int)sizeof common->user_agent;
}

static enum onramp_status fill_common(struct onramp_exchange_common *common,
                                      const struct onramp_pool_settings *settings, struct onramp_error *err)
{
    if (settings->ca_file != NULL) {
        enum onramp_status st = load_roots(common, settings->ca_file, err);
        if (st != ONRAMP_OK)
            return st;
    }
    if (snprintf(common->base, sizeof common->base, "%s", settings->base) >= (int)sizeof common->base)
        return onramp_fail(err, ONRAMP_EUSAGE, "the tenant's domain is too long");
    if (!name_client(common, settings->client_name))
        return onramp_fail(err, ONRAMP_EUSAGE, "the client's name is too long, or has a control character in it");

    /* libcurl never writes to a list it is given. */
    struct curl_slist *headers = common->headers;
    headers[0] = (struct curl_slist){.data = (char *)"Accept: application/json", .next = &headers[1]};
    headers[1] = (struct curl_slist){.data = (char *)"Expect:", .next = &headers[2]}; /* not sent */
    headers[2] = (struct curl_slist){.data = common->auth0_client, .next = NULL};

    /* A proxy of the environment is for the world outside, never for this machine. */
    const char *proxy = settings->proxy == NULL && is_loopback(settings->base) ? "" : settings->proxy;
    common->proxy = proxy != NULL ? strdup(proxy) : NULL;
    return proxy == NULL || common->proxy != NULL ? ONRAMP_OK : onramp_fail(err, ONRAMP_ENOMEM, "out of memory");
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
    if (st == ONRAMP_OK)
        st = fill_common(&pool->common, settings, err);
    if (st != ONRAMP_OK)
        return st;
    pool->exchanges = calloc(pool->places, sizeof *pool->exchanges);
    if (pool->exchanges == NULL)
        return onramp_fail(err, ONRAMP_ENOMEM, "out of memory");
    for (uint32_t i = 0; i < pool->places; i++)
        pool->exchanges[i].common = &pool->common;
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
