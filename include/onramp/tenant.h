/*
 * tenant.h - a local, Auth0-like tenant: for demos, rehearsals and tests.
 *
 * Two parts. The model is pure: state, request, now and seed in, response out; tests run it in virtual time.
 * The server puts the model on a loopback port over HTTP or HTTPS. What it answers follows recorded and documented
 * Auth0 behaviour (docs/tenant.md lists each endpoint, error body and header, and what is a guess).
 */
#ifndef ONRAMP_TENANT_H
#define ONRAMP_TENANT_H

#include "onramp/base.h"
#include "onramp/limits.h"

/* What can go wrong, each with a probability in millionths per request. */
enum onramp_fault {
    ONRAMP_FAULT_DROP,         /* connection closed before the request is acted on */
    ONRAMP_FAULT_LOSE,         /* acted on, then the connection is closed without an answer */
    ONRAMP_FAULT_TRUNCATE,     /* acted on, answer cut in the middle of its body */
    ONRAMP_FAULT_HANG,         /* acted on, answer never comes (until the client gives up) */
    ONRAMP_FAULT_BAD_GATEWAY,  /* acted on, then 502 with an HTML body */
    ONRAMP_FAULT_UNAVAILABLE,  /* not acted on: 503, HTML */
    ONRAMP_FAULT_ERROR,        /* not acted on: 500, JSON */
    ONRAMP_FAULT_EDGE,         /* a 429 from the edge: HTML, no rate-limit headers, with Retry-After */
    ONRAMP_FAULT_UNAUTHORIZED, /* 401 expired token: once per token, not in its first 5 seconds */
    ONRAMP_FAULTS
};
ONRAMP_API const char *onramp_fault_name(
    enum onramp_fault fault); /* "drop", "lose", "truncate", "hang", "bad-gateway", … */

enum onramp_reset {                     /* what x-ratelimit-reset means; unknown for today's tenants */
                    ONRAMP_RESET_FULL,  /* Unix second when the bucket is full (drip) or the window ends: limitd,
                                           recorded */
                    ONRAMP_RESET_NEXT,  /* Unix second when one more token is there */
                    ONRAMP_RESET_ZERO,  /* always 0 */
                    ONRAMP_RESET_DELTA, /* seconds from now */
                    ONRAMP_RESET_MILLIS /* as FULL, in milliseconds */
};
enum onramp_refusal {                             /* what a 429 carries beside its JSON body */
                      ONRAMP_REFUSAL_LIMITS,      /* x-ratelimit-… headers */
                      ONRAMP_REFUSAL_RETRY_AFTER, /* Retry-After in seconds */
                      ONRAMP_REFUSAL_RETRY_DATE,  /* Retry-After as an HTTP date */
                      ONRAMP_REFUSAL_BOTH,        /* limits and Retry-After in seconds */
                      ONRAMP_REFUSAL_BARE         /* neither: as recorded in 2022 */
};

struct onramp_tenant_settings {
    struct onramp_limit api;
    struct onramp_limit groups[ONRAMP_GROUPS];
    double initial;  /* content at the start as a fraction of burst, 0..1 */
    bool no_headers; /* no x-ratelimit headers at all */
    bool no_date;
    bool headers_global; /* headers speak of the API-wide bucket even where a group has its own */
    enum onramp_reset reset;
    enum onramp_refusal refusal;
    onramp_span latency_min, latency_median; /* of an answer, log-normal above the minimum; 0, 0: none */
    double rivals; /* competing traffic, as a fraction of the refill of the bucket that creates draw from */
    uint32_t faults[ONRAMP_FAULTS]; /* probability in millionths; at most one of them befalls a request */
    uint64_t seed;
    int64_t epoch; /* its clock at the first instant: Unix milliseconds */

    const char *connection; /* name of its database connection; default "Username-Password-Authentication" */
    const char *strategy;   /* "auth0" */
    const char
        *options; /* JSON of the connection's `options`; NULL: {"passwordPolicy":"good"} as a new connection has */
    bool client_disabled;                  /* the connection is not enabled for the calling client */
    const char *client_id, *client_secret; /* the one M2M client; defaults "local-client", "local-secret" */
    const char *scopes;                    /* granted to it; default all that onramp can use */
    uint32_t token_seconds;                /* life of an issued token; default 86400 */
};
/* Enterprise limits, full buckets, bare 429s, the latency of recorded answers (199 and 237 ms), no rivals, no faults.
 */
ONRAMP_API void onramp_tenant_defaults(struct onramp_tenant_settings *settings);

/* One request as the model sees it. Borrowed for the call. */
struct onramp_tenant_request {
    const char *method, *path;                                 /* path with query, still percent-encoded */
    const char *authorization, *content_type, *correlation_id; /* header values, or NULL */
    const char *host;                                          /* for issuer and links: "127.0.0.1:8443" */
    const char *body;
    size_t body_size;
};

enum onramp_tenant_end {                       /* how the exchange ends */
                         ONRAMP_TENANT_ANSWER, /* the whole response */
                         ONRAMP_TENANT_CUT,    /* headers and half of the body, then closed */
                         ONRAMP_TENANT_CLOSE,  /* closed without a byte */
                         ONRAMP_TENANT_HANG    /* nothing, ever */
};

struct onramp_tenant_response {
    enum onramp_tenant_end end;
    int status;
    char headers[12][2][96]; /* name, value */
    size_t header_count;
    char *body; /* malloc'd, the caller's; NULL for none */
    size_t body_size;
    onramp_span delay; /* after which it is to leave the server */
};

struct onramp_tenant; /* opaque; not thread-safe */

/*
 * `now` is the model's first instant, which is `settings->epoch` on its own clock. The settings are copied. *out is
 * the caller's, to free. ONRAMP_EUSAGE for values out of range or options that are not a connection's; ONRAMP_ENOMEM.
 */
ONRAMP_API ONRAMP_NODISCARD enum onramp_status onramp_tenant_new(struct onramp_tenant **out,
                                                                 const struct onramp_tenant_settings *settings,
                                                                 onramp_time now, struct onramp_error *err);
ONRAMP_API void onramp_tenant_free(struct onramp_tenant *tenant);

/* Act on a request that arrives `now` (never before an earlier one). Free out->body. */
ONRAMP_API void onramp_tenant_handle(struct onramp_tenant *tenant, const struct onramp_tenant_request *request,
                                     onramp_time now, struct onramp_tenant_response *out);

/* A Management API token for the tenant's client, as /oauth/token issues it: for demos and tests. Caller frees. */
ONRAMP_API char *onramp_tenant_token(struct onramp_tenant *tenant, const char *host, onramp_time now);

/* Figures, for tests and the demo. */
struct onramp_tenant_view {
    uint64_t users, created, deleted;
    uint64_t requests; /* calls that arrived, of either API */
    uint64_t refused;  /* our 429s for an empty bucket of the Management API */
    uint64_t mails;    /* it would have sent: verification at creation or by job, password resets */
    uint64_t tickets;
    uint64_t rival_calls, rival_refused;
    uint64_t creates_answered_201;
    double level, least_level; /* content of the bucket that creates draw from; smallest ever after a take of ours */
};
ONRAMP_API void onramp_tenant_view(struct onramp_tenant *tenant, onramp_time now, struct onramp_tenant_view *out);

/* How many users of its connection have this address (lower case), or username. */
ONRAMP_API size_t onramp_tenant_count(const struct onramp_tenant *tenant, const char *email_or_username);
/* Every user as a JSON object, in the order of creation. Stop by returning false. False: these were not all, because of
 * that or for want of memory. */
ONRAMP_API bool onramp_tenant_each(const struct onramp_tenant *tenant, bool (*visit)(void *context, const char *json),
                                   void *context);

struct onramp_tenant_server; /* a thread that serves a model on loopback */

struct onramp_tenant_server_settings {
    uint16_t port; /* 0: a free one */
    bool tls;      /* HTTPS; with cert_file and key_file (PEM), or a self-signed certificate made for the occasion, for
                      localhost, 127.0.0.1 and ::1 */
    const char *cert_file, *key_file;
    const char *ca_out;    /* where to write the made certificate for --cacert; or NULL */
    const char *users_out; /* where to write all users as NDJSON on stop (0600); or NULL */
    /* One line a request, without its query; or NULL. Called on the server's thread. */
    void (*log)(void *context, const char *line);
    void *log_context;
};
/*
 * Serve `model` on 127.0.0.1 until stopped. Its clock is the machine's, whatever `model->epoch` says. What is given is
 * borrowed for the call, but for the log. On ONRAMP_OK *out is the caller's, to stop. Otherwise it is untouched:
 *   ONRAMP_EUSAGE  settings that do not go together, or a certificate, key or option that cannot be used
 *   ONRAMP_EIO     the port is taken, a file cannot be written, a library failed
 *   ONRAMP_ENOMEM
 */
ONRAMP_API ONRAMP_NODISCARD enum onramp_status onramp_tenant_server_start(
    struct onramp_tenant_server **out, const struct onramp_tenant_settings *model,
    const struct onramp_tenant_server_settings *settings, struct onramp_error *err);
ONRAMP_API uint16_t onramp_tenant_server_port(const struct onramp_tenant_server *server);
ONRAMP_API char *onramp_tenant_server_token(struct onramp_tenant_server *server); /* as onramp_tenant_token() */
ONRAMP_API void onramp_tenant_server_view(struct onramp_tenant_server *server, struct onramp_tenant_view *out);
/* Answers that are held back go at once, or are lost. It is stopped whatever the status. NULL is fine.
 * ONRAMP_EIO, ONRAMP_ENOMEM: users_out does not have all users. */
ONRAMP_API enum onramp_status onramp_tenant_server_stop(struct onramp_tenant_server *server, struct onramp_error *err);

#endif
