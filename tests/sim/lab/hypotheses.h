/*
 * hypotheses.h - every explanation of what a bucket has shown, each followed exactly.
 *
 * A drip has a rate of a fine grid, in the range that onramp's pacer admits, and an interval of content. A
 * window, of a second or a minute, has a whole helping and a place of its edge; its content is a whole number
 * and therefore known. Places are kept in cells, intervals that nothing tells apart so far: whatever arrives
 * splits the cell that it falls in. The instants of arrival are given, so only the rates' grid is not exact.
 *
 * Aborts where memory fails: this is part of a laboratory.
 */
#ifndef ONRAMP_LAB_HYPOTHESES_H
#define ONRAMP_LAB_HYPOTHESES_H

#include "onramp/pacer.h"

enum take_state {
    TAKE_FLYING,
    TAKE_TOLD, /* its answer told what was left */
    TAKE_REFUSED,
    TAKE_SEEN /* nothing was taken: the content was seen */
};

struct take {
    onramp_time at; /* arrives, arrived */
    uint32_t ticket, remaining;
    enum take_state state;
};

struct drip {
    double rate;                /* tokens a nanosecond */
    double low, high;           /* content at base_at; low -1: refuted */
    double told_low, told_high; /* at told_at */
};

/* Windows whose edges lie in [from, to) of each. Content by helping, from 1 on; -1: refuted. */
struct cell {
    onramp_time from, to;
    int32_t *content, *told_content; /* at base_at, at told_at */
};

struct hypotheses {
    uint32_t size; /* 0: nothing is known yet */
    struct drip *drip;
    uint32_t drips;
    struct cell *cell[2]; /* of windows of a second, of a minute */
    uint32_t cells[2], room[2];
    struct take *take; /* after base_at, by arrival; what is left of each hypothesis explains the first `told` */
    uint32_t takes, take_room, told;
    onramp_time base_at, told_at;
};

/* Everything is possible that leaves `remaining` tokens at `at`. Takes on the wire that arrive later stay. */
void hypotheses_begin(struct hypotheses *h, uint32_t size, uint32_t remaining, onramp_time at);
void hypotheses_end(struct hypotheses *h);

void hypotheses_sent(struct hypotheses *h, uint32_t ticket, onramp_time arrives_at);
/* The take's answer is here. Begins anew where nothing is left that explains it. */
void hypotheses_told(struct hypotheses *h, uint32_t ticket, enum take_state state, uint32_t remaining);
/* It never came to this bucket. */
void hypotheses_void(struct hypotheses *h, uint32_t ticket);
/* There were `content` whole tokens at `at`. */
void hypotheses_seen(struct hypotheses *h, onramp_time at, uint32_t content);

/* From `at` on, when can a further take arrive such that it and all on the wire find a token, whichever is true? */
onramp_time hypotheses_safe(const struct hypotheses *h, onramp_time at);
/* Can so many at `at`? */
bool hypotheses_guarantee(const struct hypotheses *h, uint32_t tokens, onramp_time at);
/* When can they if the drip is true that is left next to `rate` (tokens a second)? `at`, if none is left. */
onramp_time hypotheses_likely(const struct hypotheses *h, double rate, uint32_t tokens, onramp_time at);
/* Is every drip that is left at least as fast, and no window? */
bool hypotheses_drip_at_least(const struct hypotheses *h, double rate);

/* For the trace: how many are left. */
void hypotheses_print(const struct hypotheses *h, char *text, size_t size);

#endif
