/*
 * transport.h - requests out, answers in, and the passing of time between.
 *
 * An interface, because the tests' second implementation is a model tenant in
 * virtual time. The shipped one is a libcurl multi-handle pool: HTTP/2 streams
 * on as few connections as the server allows, HTTP/1.1 keep-alive otherwise, TLS
 * always verified, redirects never followed, the token sent to one host only.
 */
#ifndef ONRAMP_TRANSPORT_H
#define ONRAMP_TRANSPORT_H

#include "onramp/base.h"
#include "onramp/secret.h"

#define ONRAMP_BODY_MAX (1024 * 1024) /* bytes of a request or an answer */

/*
 * One request. Everything is borrowed for the call to send(), except `body`,
 * which must stay until the answer has been taken.
 */
struct onramp_request {
    const char *method;       /* "GET", "POST", "DELETE", "PATCH" */
    const char *path;         /* "/api/v2/users?…": begins with '/', already percent-encoded */
    const char *content_type; /* NULL without a body */
    const char *body;         /* NULL without; in guarded memory if it holds a secret */
    size_t body_size;
    const struct onramp_secret *bearer; /* NULL: no Authorization header */
    const char *correlation_id;         /* X-Correlation-ID, at most 64 characters are kept by Auth0; or NULL */
    const char *custom_domain;          /* auth0-custom-domain, or NULL */
    onramp_span timeout;                /* for the whole exchange, > 0 */
};

/* What is certain about a request. */
enum onramp_delivery {
    ONRAMP_ANSWERED, /* status and headers arrived; see `truncated` for the body */
    ONRAMP_UNSENT,   /* provably never acted on: no connection, refused stream, GOAWAY below it */
    ONRAMP_LOST      /* the server may have acted on it, and its answer is gone */
};

/* Header fields as received, trimmed; "" where absent or too long. Meaning is auth0/reply.h's. */
struct onramp_fields {
    char limit[32], remaining[32], reset[32]; /* x-ratelimit-… */
    char retry_after[64], date[64], content_type[64];
    char request_id[64]; /* ot-baggage-auth0-request-id, else cf-ray: what Auth0's support asks for */
    char location[256];
};

struct onramp_answer {
    uint32_t id; /* as given to send() */
    enum onramp_delivery delivery;
    int status; /* HTTP status; 0 unless ANSWERED */
    struct onramp_fields fields;
    const char *body; /* NUL-terminated; borrowed until the next call on the transport */
    size_t body_size;
    bool truncated;          /* the body ended early or was over ONRAMP_BODY_MAX */
    bool certificate;        /* UNSENT because the server's certificate was not accepted */
    int proxy_status;        /* UNSENT because a proxy answered so, and let nothing through; else 0 */
    onramp_time sent_at;     /* handed to the network */
    onramp_time received_at; /* its end arrived, or its failure was known */
    char problem[160];       /* words for UNSENT and LOST: "connection reset by peer"; no secret */
};

struct onramp_transport_ops {
    onramp_time (*now)(void *self);
    /* Milliseconds since 1970 by the local clock: for the ledger's `at` only, never for pacing. */
    int64_t (*wall)(void *self);
    /* Start a request. ONRAMP_EUSAGE: a header's value (token, custom domain) that is too long or has a control
     * character in it. Else fails only for want of memory or a broken library: ONRAMP_ENOMEM, ONRAMP_EIO. */
    enum onramp_status (*send)(void *self, uint32_t id, const struct onramp_request *request, struct onramp_error *err);
    /* Sleep until `until`, an answer, or a wake-up; may return early. ONRAMP_EIO. */
    enum onramp_status (*wait)(void *self, onramp_time until, struct onramp_error *err);
    /* The next answer, if one has arrived. */
    bool (*take)(void *self, struct onramp_answer *out);
    void (*close)(void *self); /* aborts what is in flight */
};

struct onramp_transport {
    const struct onramp_transport_ops *ops;
    void *self;
};

struct onramp_pool_settings {
    const char *base;        /* "https://host[:port]"; "http://" for loopback only: the caller has checked */
    const char *ca_file;     /* additional CA bundle, or NULL */
    const char *proxy;       /* as CURLOPT_PROXY, or NULL: from the environment as curl does */
    const char *client_name; /* "onramp/1.0.0": User-Agent, and name and version of Auth0-Client */
    uint32_t concurrency;    /* most requests at once, 1..256 */
    int wake_fd;             /* wait() returns when this becomes readable; -1 for none. Not read, not closed. */
};

/*
 * The libcurl pool. On ONRAMP_OK close *out with out->ops->close(out->self).
 * ONRAMP_EUSAGE (a CA file that cannot be read), ONRAMP_ENOMEM, ONRAMP_EIO.
 */
ONRAMP_API ONRAMP_NODISCARD enum onramp_status onramp_pool_open(struct onramp_transport *out,
                                                                const struct onramp_pool_settings *settings,
                                                                struct onramp_error *err);

/* Figures about an open pool, for tests and --log-level debug. */
struct onramp_pool_view {
    uint64_t requests, connections; /* connections ever opened */
    int http_version;               /* 2 or 1: of the latest answer; 0 before */
};
ONRAMP_API void onramp_pool_view(const struct onramp_transport *pool, struct onramp_pool_view *out);

#endif
