/*
 * pool_exchange.h - one request of the pool and its answer: what libcurl's easy interface does for it.
 *
 * Private to pool.c, which runs many of them at once.
 */
#ifndef ONRAMP_IO_POOL_EXCHANGE_H
#define ONRAMP_IO_POOL_EXCHANGE_H

#include "onramp/transport.h"

#include <curl/curl.h>

/* What the requests of a pool have in common. */
struct onramp_exchange_common {
    char base[300];
    char *proxy, *ca_file;
    char user_agent[128], auth0_client[512];
    struct curl_slist headers[3]; /* of every request */
    struct curl_blob roots;       /* with a ca_file: its certificates and the system's */
};

/* A request on its way, and its answer; one place for each request that may be in flight. */
struct onramp_exchange {
    struct onramp_exchange_common *common;
    CURL *easy; /* kept for the next request of this place */

    /* Where it is in the pool, which alone reads and sets this. */
    enum { ONRAMP_IDLE, ONRAMP_IN_FLIGHT, ONRAMP_ARRIVED, ONRAMP_LENT } state;
    uint32_t id;
    struct onramp_exchange *next; /* of the arrived ones */

    /* What it carries. The list's nodes are ours, and libcurl only reads them: its own list functions would
     * leave copies of the token in freed memory. */
    struct curl_slist headers[4], *header_list;
    char content_type[128], correlation_id[128], custom_domain[300];
    struct onramp_secret *authorization;
    curl_off_t body_size;

    /* How far it came. */
    onramp_time sent_at;
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
};

/*
 * Make x->easy ready to be sent as `request`: borrowed, and its body until the answer has been taken. `share` waits for
 * a connection that can be shared, where one is being opened. ONRAMP_EUSAGE as for a transport's send(); ONRAMP_ENOMEM,
 * ONRAMP_EIO. In any case clear it afterwards.
 */
ONRAMP_NODISCARD enum onramp_status onramp_exchange_prepare(struct onramp_exchange *x,
                                                            const struct onramp_request *request, bool share,
                                                            struct onramp_error *err);

/* libcurl has ended it with `result`: fill x->answer. */
void onramp_exchange_judge(struct onramp_exchange *x, CURLcode result, onramp_time received_at);

/* Make the place as if new, but for its handle and its buffer, which the pool frees when it closes. */
void onramp_exchange_clear(struct onramp_exchange *x);

/* The clock that times them: the pool's. */
onramp_time onramp_exchange_now(void);

/* Is it a header's value on one line, so that it cannot become two headers? */
bool onramp_exchange_is_plain(const char *value);

#endif
