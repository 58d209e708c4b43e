/*
 * lab.h - the pacing laboratory: tenants, networks, rivals and clients in virtual time.
 *
 * A scenario and a seed make a run; everything in it replays. The k-th request of a client
 * meets the same network and the same server under every policy, so policies compare pairwise,
 * and the oracle, which knows all of it in advance, with them.
 */
#ifndef ONRAMP_LAB_H
#define ONRAMP_LAB_H

#include "core/bucket.h"
#include "core/rng.h"
#include "onramp/pacer.h"

#include <stdio.h>

#define LAB_CLIENTS_MAX 2
#define LAB_WORKERS     10

/* What x-ratelimit-reset says. */
enum lab_reset {
    LAB_RESET_PLAIN, /* drip: when full; window: its end (limitd-redis) */
    LAB_RESET_FULL,  /* when full, under windows too */
    LAB_RESET_NEXT,  /* when the next token comes */
    LAB_RESET_ZERO,
    LAB_RESET_DELTA, /* plain, as seconds from now */
    LAB_RESET_MILLIS /* plain, in milliseconds since 1970 */
};

enum lab_shown { LAB_SHOWN_OWN, LAB_SHOWN_TIGHTER, LAB_SHOWN_GLOBAL, LAB_SHOWN_NONE };

struct lab_limit {
    uint32_t size; /* 0: no such bucket */
    struct onramp_rate rate;
    bool window;
};

/* Spans of time are seconds here: scenarios are written and read by people. */
struct lab_scenario {
    const char *name;
    uint32_t users;                                      /* of each client */
    struct lab_limit own, global;                        /* the endpoint's bucket; another in front of it */
    enum lab_shown shown;                                /* which bucket the headers speak of */
    double start_low, start_high;                        /* content at the start, as a part of the size */
    double rtt_low, rtt_high, service_low, service_high; /* log-uniform per run */
    double jitter, service_spread;
    double stall_chance, stall_mean;
    double skew;        /* standard deviation of the client's wall clock */
    double rivals;      /* their calls, as a part of the refill of the bucket they draw from */
    double rival_batch; /* calls at once, on average; more than 1: on and off as well */
    bool rivals_global; /* they draw from the global bucket alone */
    double change_at;   /* as a part of the oracle's time; 0: never */
    struct lab_limit changed;
    bool retry_after;   /* 429s carry Retry-After */
    bool penalty;       /* asking while refused doubles the wait */
    double edge_chance; /* a 429 from an edge, without a reason in the bucket */
    double rejected;    /* of the users, refused for what they are: takes a token and shows no limits */
    bool no_date;
    enum lab_reset reset;
    uint32_t onramps;               /* clients at once, 1 or 2 */
    bool rude;                      /* the second client is ten workers that never wait for anybody */
    uint32_t refused_bound;         /* the check: at most so many refusals in any run, … */
    uint32_t lost_bound;            /* … so many of the rivals' calls lost to us … */
    double over_bound;              /* … and a median of so many seconds over the oracle */
    double suspend_at, suspend_for; /* the process stops, its clock does not */
};

/* What a run shows. */
struct lab_result {
    double oracle, finish; /* seconds; finish of the slowest client that is measured */
    uint32_t refused, most_in_flight;
    uint32_t rivals, rivals_refused; /* because of us: more than without us, also by what we left behind */
    uint64_t drawn, others;          /* tokens that went to others; at least so many, says onramp's pacer */
    uint32_t least_remaining;        /* smallest content of the own bucket right after a take of ours */
    bool unfinished, broken;         /* broken: an invariant did not hold, see `why` */
    char why[160];
};

struct lab_request {
    uint32_t client, mark; /* mark: the policy's own */
    onramp_time sent_at;
    onramp_span up, service, down;
    struct onramp_signal signal;
    bool created;
};

struct lab;

struct lab_policy {
    const char *name;
    void (*start)(struct lab *, uint32_t client);
    void (*answered)(struct lab *, uint32_t client, const struct lab_request *);
    void (*timer)(struct lab *, uint32_t client, uint32_t mark);
    void (*end)(struct lab *, uint32_t client); /* NULL: nothing to clear */
};

/* What policies may see and do. */
onramp_time lab_now(const struct lab *lab);
double lab_wall(const struct lab *lab);                    /* the client's wall clock, Unix seconds, skewed */
double lab_dice(struct lab *lab);                          /* uniform in [0, 1) */
uint32_t lab_left(const struct lab *lab, uint32_t client); /* users not sent */
uint32_t lab_in_flight(const struct lab *lab, uint32_t client);
bool lab_finished(const struct lab *lab, uint32_t client);
uint64_t lab_drawn(const struct lab *lab, uint32_t client); /* by others, from the bucket that the headers speak of */
void lab_others(struct lab *lab, uint32_t client, uint64_t tokens); /* the policy's own count of these */
void lab_send(struct lab *lab, uint32_t client, uint32_t mark);
void lab_timer(struct lab *lab, uint32_t client, onramp_time at, uint32_t mark);
void *lab_memory(struct lab *lab, uint32_t client, size_t size); /* zeroed at the start, freed at the end */
FILE *lab_trace(const struct lab *lab);                          /* NULL: nobody reads it */
double lab_seconds(const struct lab *lab);                       /* since the start, for the trace */
void lab_broken(struct lab *lab, const char *format, ...) ONRAMP_PRINTF(2, 3);

/* Knobs for a whole laboratory. */
struct lab_options {
    uint32_t reserve_percent, concurrency;
    bool hint;    /* give the pacer the limits in advance, as --tier does */
    FILE *trace;  /* one line a decision */
    FILE *series; /* CSV of the content and the sends over time */
};
const struct lab_options *lab_options(const struct lab *lab);
const struct lab_scenario *lab_scenario(const struct lab *lab);

/* What only the bounds may know: when the next request will arrive after it is sent; the least time from any
 * arrival to its answer; the bucket itself. */
onramp_span lab_way_out(const struct lab *lab, uint32_t client);
onramp_span lab_least_back(const struct lab *lab, uint32_t client);
struct onramp_bucket lab_own(const struct lab *lab);

struct lab_result lab_run(const struct lab_scenario *scenario, const struct lab_policy *policy, uint64_t seed,
                          const struct lab_options *options);

/* oracle.c: seconds after which a client that knows everything has all answers, without costing a rival one. */
struct lab_truth {
    const struct lab_scenario *scenario;
    struct onramp_bucket own, global;
    onramp_time out;        /* how long a request takes to arrive */
    onramp_time changed_at; /* ONRAMP_NEVER: not */
    onramp_time suspended_at, resumed_at;
    const onramp_time *rivals;
    uint32_t rival_count;
    onramp_span (*tail)(const void *, uint32_t k); /* from the k-th take to its answer */
    const void *world;
};
double lab_oracle(const struct lab_truth *truth);
void lab_bucket_start(struct onramp_bucket *bucket, const struct lab_limit *limit, double part, double phase);
void lab_bucket_change(struct onramp_bucket *bucket, const struct lab_limit *limit, onramp_time now);

/* policies.c, prover.c, keeper.c, scenarios.c; NULL past the last */
extern const struct lab_policy lab_onramp, lab_workers, lab_prover, lab_watcher, lab_keeper, lab_listener;
const struct lab_policy *lab_policy_at(size_t index);
const struct lab_scenario *lab_scenario_at(size_t index);

#endif
