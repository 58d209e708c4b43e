/*
 * pacer_blind.h - an even pace where nothing shows what is left: no headers, or a bucket that only refuses.
 *
 * Two refusals enclose an exact measure: the bucket was empty at both, so what was taken in between is what
 * was refilled. Until the second one the rate rises quickly; after it, hardly.
 */
#ifndef ONRAMP_CORE_PACER_BLIND_H
#define ONRAMP_CORE_PACER_BLIND_H

#include "onramp/pacer.h"

struct onramp_blind {
    bool on, measured;
    int64_t rate;        /* microtokens a second */
    onramp_time next_at; /* when the next one may leave */
    onramp_time grown_at;
    onramp_time empty_at; /* latest refusal that tells something */
    int64_t taken;        /* since then */
    uint32_t refusals;    /* that tell something */
    uint32_t hidden;      /* size of the bucket that only refuses; 0: there are no headers at all */
};

void onramp_blind_begin(struct onramp_blind *blind, int64_t rate, uint32_t hidden, onramp_time now);
void onramp_blind_sent(struct onramp_blind *blind, onramp_time now);
void onramp_blind_taken(struct onramp_blind *blind, onramp_time now);
void onramp_blind_refused(struct onramp_blind *blind, onramp_time sent_at, onramp_time now);

#endif
