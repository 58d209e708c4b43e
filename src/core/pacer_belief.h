/*
 * pacer_belief.h - what the answers prove about one bucket.
 *
 * Everything is counted in supply: content plus our takes so far. Refilling raises it, other applications lower
 * it, our own takes leave it alone. Instants are those of sending: the way out takes what it takes, and a
 * request arrives when it was sent, or later by at most what its latency exceeded the least one seen.
 *
 * A hypothesis is a kind of refill (steady drip, or whole helpings at the edges of windows of a second or a
 * minute) and a narrow range of rates. It holds an interval of supply, which grows by its own rates and is
 * cut by each answer; when nothing is left of it, it is refuted. A request is safe when every hypothesis
 * alive guarantees its token.
 */
#ifndef ONRAMP_CORE_PACER_BELIEF_H
#define ONRAMP_CORE_PACER_BELIEF_H

#include "core/pacer_others.h"
#include "onramp/pacer.h"

#define ONRAMP_TOKEN       INT64_C(1000000) /* supplies are kept in millionths of a token */
#define ONRAMP_TAKES_MAX   2048
#define ONRAMP_GUESSES_MAX 512
#define ONRAMP_SLOWEST     (ONRAMP_TOKEN / 50) /* a token in fifty seconds is the slowest refill there is */
#define ONRAMP_TINY        4  /* tokens; smaller buckets show too little while they are neither full nor empty */
#define ONRAMP_PLACES      64 /* in which the edge of a window may lie */

enum onramp_take_state {
    ONRAMP_TAKE_FLYING,
    ONRAMP_TAKE_SPOKE, /* its answer told what was left */
    ONRAMP_TAKE_SILENT /* its answer told nothing of this bucket */
};

/* A take that may still matter: on the wire, or possibly later than what the intervals speak of. */
struct onramp_take {
    onramp_time sent_at, arrived_by; /* arrived_by: ONRAMP_NEVER while it is overdue on the wire */
    uint32_t ticket, remaining;
    enum onramp_take_state state;
    bool late; /* it is believed to have come as late as it may have */
};

enum onramp_side { ONRAMP_LOW, ONRAMP_HIGH };

struct onramp_guess {
    onramp_span window; /* 0: drip */
    int32_t place;      /* of windows: edge n lies in [place, place + 1) / ONRAMP_PLACES of the n-th, on our clock */
    int64_t slow, fast; /* microtokens a second, or a window */
    int64_t low, high;  /* supply; of windows, right after … */
    int64_t edge[2];    /* … these edges */
};

/* At `until` supply was at least `low`, at `since` at most `high`, or `whole` if only whole tokens are refilled. */
struct onramp_proof {
    onramp_time since, until;
    onramp_time by; /* what happened before it was sighted happened before this, for certain */
    int64_t low, high, whole;
    bool brim; /* the bucket may have been full when the take came */
};

struct onramp_belief {
    uint32_t size; /* tokens the bucket holds; 0: unused */
    bool groups[ONRAMP_GROUPS];
    uint32_t missed;   /* answers since it was last shown */
    uint32_t unproven; /* takes since then that may not have been */
    int64_t gone;      /* takes that no longer matter one by one */
    struct onramp_take take[ONRAMP_TAKES_MAX];
    uint32_t takes, flying;
    struct onramp_guess guess[ONRAMP_GUESSES_MAX];
    uint32_t guesses;
    onramp_time begun_at; /* when everything was possible */
    onramp_time sent_at;  /* the latest */
    onramp_time at;       /* what the intervals speak of … */
    onramp_time by;       /* … of windows: the latest of what they know */
    struct onramp_proof proof;
    int64_t floor;            /* supply was at least so much … */
    onramp_time floor_by;     /* … by then, at the latest: without others it is so ever after */
    onramp_time opened_at;    /* the first answer came; 0: not yet */
    onramp_time shared_until; /* others have been seen drawing */
    int64_t mark;             /* supply proven at … */
    onramp_time mark_at;      /* … for the net refill */
    int64_t net;              /* microtokens a second; 0: not measured */
    bool far;                 /* the announced reset: further away than a drip of a documented plan takes to fill */
    onramp_time refused_at;
    onramp_span patience; /* how long a quiet bucket is left alone if no reset tells; doubled by each refusal */
    struct onramp_others others;
    onramp_time probe_at; /* quiet and past this, one may go */
};

struct onramp_rtt {
    onramp_span least, mean, deviation;
    uint32_t count;
};

/* What has been on the wire since `since` may draw from it: to be told of by onramp_belief_sent() next. */
void onramp_belief_start(struct onramp_belief *b, uint32_t size, uint32_t flying, const struct onramp_rate *hint,
                         onramp_time since);
bool onramp_belief_has(const struct onramp_belief *b, uint32_t ticket); /* on the wire */
void onramp_belief_sent(struct onramp_belief *b, uint32_t ticket, onramp_time now);
/* It took nothing, or not from here. */
void onramp_belief_void(struct onramp_belief *b, uint32_t ticket);
/* It took a token, or may have. */
void onramp_belief_silent(struct onramp_belief *b, uint32_t ticket, bool sure, const struct onramp_rtt *rtt,
                          onramp_time now);
void onramp_belief_spoke(struct onramp_belief *b, uint32_t ticket, uint32_t remaining, const struct onramp_rtt *rtt,
                         onramp_time now);
/* Refused: nothing was there for a request sent at `sent_at`. */
void onramp_belief_empty(struct onramp_belief *b, onramp_time sent_at, onramp_time now);

/* When does every hypothesis guarantee `spare` microtokens beyond one token for the next request? ONRAMP_NEVER: not
 * without another answer. */
onramp_time onramp_belief_proven(struct onramp_belief *b, int64_t spare, const struct onramp_rtt *rtt, onramp_time now);

int64_t onramp_belief_takes(const struct onramp_belief *b); /* microtokens, with those on the wire */
/* Range of the refill, microtokens a second; false if nothing is known. */
bool onramp_belief_rates(const struct onramp_belief *b, onramp_span window, int64_t *slow, int64_t *fast);
/* How long it may take until it is certain that an edge has passed. */
onramp_span onramp_belief_place(const struct onramp_belief *b);
/* What a guess says of supply at an instant, at least or at most, if it is right and nobody else draws. */
int64_t onramp_belief_supply(const struct onramp_belief *b, const struct onramp_guess *g, enum onramp_side side,
                             onramp_time now);
void onramp_belief_bounds(const struct onramp_belief *b, onramp_time now, int64_t *low, int64_t *high);

/* Between pacer_takes.c and pacer_belief.c: cut the guesses by what was proven; grow them although nothing was;
 * mark what is overdue on the wire and may not have arrived. */
void onramp_belief_observe(struct onramp_belief *b, const struct onramp_proof *proof, onramp_time now);
void onramp_belief_roll(struct onramp_belief *b, onramp_time to);
void onramp_belief_mark_overdue(struct onramp_belief *b, const struct onramp_rtt *rtt, onramp_time now);

/* Between pacer_windows.c and pacer_belief.c. A guess from the latest proof on; its supply at an instant; cut by a
 * proof, of what happened before `by`, false if it is refuted; when is supply at least `need`? */
void onramp_window_start(const struct onramp_proof *proof, struct onramp_guess *g);
int64_t onramp_window_grown(const struct onramp_belief *b, const struct onramp_guess *g, enum onramp_side side,
                            onramp_time to);
void onramp_window_roll(const struct onramp_belief *b, struct onramp_guess *g, onramp_time to);
bool onramp_window_cut(const struct onramp_belief *b, struct onramp_guess *g, const struct onramp_proof *proof,
                       onramp_time by);
onramp_time onramp_window_when(const struct onramp_belief *b, const struct onramp_guess *g, int64_t need);

#endif
