/*
 * world.h - a tenant, a network and a clock in virtual time, behind the transport that the shipped upload drives.
 *
 * Every event has its instant; waiting jumps to the next one. All chance comes from the seed, so a run replays. The
 * tenant is the model under `onramp tenant`; the network delays, loses and tears; the disk can fail and the process
 * can die between any two of its deeds.
 */
#ifndef ONRAMP_SIM_WORLD_H
#define ONRAMP_SIM_WORLD_H

#include "core/heap.h"
#include "core/rng.h"
#include "onramp/onramp.h"

#define WORLD_FLIGHTS 1024 /* requests on the wire, those included whose client has given up */

/* What can befall a request: at most one of these, by chance or by plan. */
enum world_fault {
    WORLD_FINE,
    WORLD_REFUSED,      /* no connection: it never leaves */
    WORLD_LOST,         /* it leaves and never arrives; the client hears of it when it times out */
    WORLD_RESET,        /* the connection breaks before it has arrived … */
    WORLD_RESET_BEHIND, /* … or it arrives nevertheless, later */
    WORLD_LATE,         /* on its way for up to `stall_max`, perhaps beyond the timeout */
    WORLD_TWICE,        /* delivered twice, and the answer is the second one's … */
    WORLD_TWICE_LATE,   /* … or the first one's, and the second is late */
    WORLD_UNAVAILABLE,  /* not acted on: 503, not from the API */
    WORLD_ERROR,        /* not acted on: 500 */
    WORLD_THROTTLED,    /* not acted on: 429 */
    WORLD_EDGE,         /* not acted on: 429 of the edge */
    WORLD_EXPIRED,      /* not acted on: 401 */
    WORLD_BAD_GATEWAY,  /* acted on, then 502 */
    WORLD_MUTE,         /* acted on, the answer never comes back */
    WORLD_ANSWER_RESET, /* acted on, and the connection breaks under the answer */
    WORLD_ANSWER_LATE,  /* acted on, the answer on its way for up to `stall_max` */
    WORLD_TORN,         /* acted on, half of the answer's body arrives */
    WORLD_PAGE,         /* not acted on: 200 and a page of HTML, as a proxy that wants a login has it */
    WORLD_FAULTS
};

struct world_network {
    onramp_span way_min, way_max; /* one way, log-uniform per run */
    onramp_span stall_max;
    uint32_t chance[WORLD_FAULTS]; /* in millionths for each request */
};

#define WORLD_PLAN 3

struct world_setup {
    uint64_t seed;
    struct world_network network;
    struct {
        uint64_t request; /* which, from 1; 0: none */
        enum world_fault fault;
    } plan[WORLD_PLAN];
    struct onramp_tenant_settings tenant;
    bool parrots;      /* the tenant refuses each POST and repeats the password, or the token, in doing so … */
    bool all_parrots;  /* … or any call, and repeats the token, or the client's secret */
    bool replaces_ids; /* the connection gives ids of its own, whatever it is sent */
    int64_t wall_skew; /* of the client's wall clock, ms */
    bool wall_wild;    /* it says something else each time */
};

enum flight_state { FLIGHT_FREE, FLIGHT_OUT, FLIGHT_BACK, FLIGHT_LANDED };

struct flight {
    enum flight_state state;
    uint32_t id;    /* the client's */
    bool abandoned; /* the client has its answer (a timeout); what arrives is for nobody */
    enum world_fault fault;
    onramp_time sent_at, due_at;
    char *method, *path, *authorization, *content_type, *correlation_id, *body;
    size_t body_size;
    enum onramp_delivery delivery;
    struct onramp_tenant_response response;
    bool torn;
    const char *problem;
};

struct world {
    struct world_setup setup;
    struct onramp_rng rng;
    onramp_time now;
    struct onramp_tenant *tenant;
    struct onramp_transport transport;
    struct onramp_disk disk;

    struct flight flights[WORLD_FLIGHTS];
    struct onramp_heap events; /* by time: slot and kind */
    struct onramp_heap landed; /* by time: slot */
    char *handed_out;          /* body of the answer last taken */
    uint32_t in_flight, most_in_flight;
    onramp_span way;

    uint64_t requests, creates_sent;

    /* Sees each request as it arrives at the tenant; or NULL. */
    void (*watch)(void *context, const struct onramp_tenant_request *request);
    void *watch_context;

    uint64_t deeds;     /* appends, syncs and sends so far */
    uint64_t die_after; /* after so many deeds the process is dead: nothing more leaves or is written; 0: never */
    uint64_t fail_at;   /* this deed fails, if it is one of the disk's; 0: never */
    bool dead;
    onramp_time suspend_at;  /* the process stands still from here on … */
    onramp_span suspend_for; /* … for so long; 0: it does not */
    void *theirs;            /* identities that somebody else has created */
    void *settled;           /* identities that its ledger has settled */
    uint64_t resent;         /* creates of those: must stay 0 */
    uint64_t unsynced;       /* lines appended since the last sync … */
    bool sent_unsynced;      /* … when a create left: the write-ahead promise is broken */
};

void world_init(struct world *world, const struct world_setup *setup);
void world_clear(struct world *world);

/* A new process in the same world: what it had in flight goes on without it. */
void world_reboot(struct world *world);

/* Whatever can befall a request, but for a network that delivers twice, against which nothing helps, and tokens. */
void world_make_bad(struct world *world);

/* Somebody else creates a user, now. */
void world_rival(struct world *world, const char *json);

/* Let everything on the wire arrive, whoever waits for it. */
void world_settle(struct world *world);

/* Open a ledger on this world's disk. NULL: the process is dead, or the disk failed, as early as that. */
struct onramp_ledger *world_ledger(struct world *world, const char *path);

/* A source of `count` records in memory, u0@example.com …; `made` returns the record's JSON in a static buffer. */
struct world_source {
    uint64_t count, next;
    const char *digest; /* another for a file that was edited */
    const char *(*make)(uint64_t ordinal);
    uint64_t reads, changes_at; /* of all passes; somebody saves the file before this one, and it fails; 0: never */
    struct onramp_source source;
};
void world_source_init(struct world_source *source, uint64_t count, const char *(*make)(uint64_t ordinal));

/* Usable defaults for an upload into this world's tenant, whose token it gets. Clear with world_upload_clear(). */
void world_upload_settings(struct world *world, struct onramp_upload_settings *settings, uint64_t seed);
void world_upload_clear(struct onramp_upload_settings *settings);

/*
 * Do ledger and tenant agree, user by user, for the records of `source`? What the ledger says was created is there
 * once, and our requests have created it; what exists is there, and they have not; nobody else is there. Prints what
 * disagrees; returns how many do. A record that is unknown may be either way; *unknown, if not NULL, is their number.
 */
unsigned world_disagreements(struct world *world, struct world_source *source, const char *ledger_path,
                             unsigned *unknown);

/* The same of what is said to be created or to exist alone: that holds at any moment. */
unsigned world_false_claims(struct world *world, struct world_source *source, const char *ledger_path);

/* With ONRAMP_TRACE=1 a run tells its story, and this is true. The observer's context is, or begins with, the world. */
bool world_trace(struct onramp_observer *observer);

struct seeds {
    uint64_t first, last;
};

/* As many as usual, or as ONRAMP_SEED and ONRAMP_SEEDS want. */
struct seeds seeds(uint64_t usual);

#define FAIL(seed, ...)                                                                                                \
    do {                                                                                                               \
        print_error(__VA_ARGS__);                                                                                      \
        fail_msg("replay with ONRAMP_SEED=%llu", (unsigned long long)(seed));                                          \
    } while (0)

#endif
