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

/* Chances in millionths for each request. */
struct world_network {
    onramp_span way_min, way_max; /* one way, log-uniform per run */
    uint32_t refuse;              /* no connection: the request never leaves */
    uint32_t lose_request;        /* it leaves and never arrives; the client hears of it late */
    uint32_t lose_answer;         /* acted on, the answer never comes back */
    uint32_t tear;                /* acted on, half of the answer's body arrives */
    uint32_t stall; /* the request, or its answer, is late by up to `stall_max`, perhaps beyond the timeout */
    onramp_span stall_max;
};

struct world_setup {
    uint64_t seed;
    struct world_network network;
    struct onramp_tenant_settings tenant;
    int64_t wall_skew; /* of the client's wall clock, ms */
};

enum flight_state { FLIGHT_FREE, FLIGHT_OUT, FLIGHT_BACK, FLIGHT_LANDED };

struct flight {
    enum flight_state state;
    uint32_t id;    /* the client's */
    bool abandoned; /* the client has its answer (a timeout); what arrives is for nobody */
    bool head_of_line;
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
    struct onramp_heap events; /* by time: slot * 4 + kind */
    struct onramp_heap landed; /* by time: slot */
    char *handed_out;          /* body of the answer last taken */
    uint32_t in_flight, most_in_flight;
    onramp_span way;

    uint64_t creates_sent;
    uint64_t deeds;     /* appends, syncs and sends so far */
    uint64_t die_after; /* after so many deeds the process is dead: nothing more leaves or is written; 0: never */
    uint64_t fail_at;   /* this deed fails, if it is one of the disk's; 0: never */
    bool dead;
    uint64_t unsynced;  /* lines appended since the last sync … */
    bool sent_unsynced; /* … when a create left: the write-ahead promise is broken */
};

void world_init(struct world *world, const struct world_setup *setup);
void world_clear(struct world *world);

/* A new process in the same world: what it had in flight goes on without it. */
void world_reboot(struct world *world);

/* Let everything on the wire arrive, whoever waits for it. */
void world_settle(struct world *world);

/* A source of `count` records in memory, u0@example.com …; `made` returns the record's JSON in a static buffer. */
struct world_source {
    uint64_t count, next;
    const char *digest; /* another for a file that was edited */
    const char *(*make)(uint64_t ordinal);
    struct onramp_source source;
};
void world_source_init(struct world_source *source, uint64_t count, const char *(*make)(uint64_t ordinal));

/* Usable defaults for an upload into this world's tenant, whose token it gets. Clear with world_upload_clear(). */
void world_upload_settings(struct world *world, struct onramp_upload_settings *settings, uint64_t seed);
void world_upload_clear(struct onramp_upload_settings *settings);

/*
 * Do ledger and tenant agree, user by user, for the records of `source`? Prints what does not; returns the number of
 * disagreements. A record that is unknown may be either way.
 */
unsigned world_disagreements(struct world *world, struct world_source *source, const char *ledger_path);

#endif
