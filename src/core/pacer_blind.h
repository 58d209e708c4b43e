/*
 * pacer_blind.h - an even pace where nothing shows what is left: no headers, or a bucket that only refuses.
 *
 * Two refusals enclose a measure: the bucket was empty at both, so what was taken in between is what was refilled.
 * Until the first one the pace rises quickly, with few on the wire, since these are what finding the refill costs;
 * after it more slowly, and after a measure the less the more tokens this spans.
 */
#ifndef ONRAMP_CORE_PACER_BLIND_H
#define ONRAMP_CORE_PACER_BLIND_H

#include "onramp/pacer.h"

struct onramp_blind {
    bool on;
    int64_t rate; /* microtokens a second … */
    int64_t rise; /* … rising by so many thousandths a second */
    onramp_time begun_at;
    onramp_time next_at; /* when the next one may leave */
    onramp_span late;    /* what should have left within so long is made up for */
    onramp_time grown_at;
    onramp_time empty_at; /* nothing was left: for a request of then, or one that was held up until then */
    onramp_time heard_at; /* latest refusal that told of another emptiness */
    int64_t taken;        /* of those that left after empty_at */
    int64_t answered;     /* of all */
    int64_t doubt;        /* tokens: so much the pace weighs against a measure */
    uint32_t refusals;    /* that told of another emptiness */
    uint32_t hidden;      /* size of the bucket that only refuses; 0: there are no headers at all */
};

void onramp_blind_begin(struct onramp_blind *blind, int64_t rate, uint32_t hidden, onramp_time now);
/* In flight at once; `rtt` is the mean time to an answer. */
int64_t onramp_blind_most(const struct onramp_blind *blind, onramp_span rtt, onramp_time now);
void onramp_blind_sent(struct onramp_blind *blind, onramp_time now);
void onramp_blind_taken(struct onramp_blind *blind, onramp_time sent_at, onramp_time now);
/* `flying` others left before it and after empty_at, and are on the wire. */
void onramp_blind_refused(struct onramp_blind *blind, onramp_time sent_at, int64_t flying, onramp_span rtt,
                          onramp_time now);

#endif
