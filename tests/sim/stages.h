/*
 * stages.h - a tenant in virtual time with users of a ledger's making, and what is done with them.
 */
#ifndef ONRAMP_SIM_STAGES_H
#define ONRAMP_SIM_STAGES_H

#include "sim/world.h"
#include "tenant/model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

extern char ledger_path[], links_path[];
/* cmocka's group fixtures: files under these paths, and away with them. */
int stages_make_paths(void **state);
int stages_remove_paths(void **state);

/* Enterprise or Professional by turns, on a network without faults. */
struct world_setup ordinary(uint64_t seed);

extern uint64_t asked; /* for so many mails */
extern bool refuse;    /* to have them sent */

extern char warned[400]; /* the latest warning */

extern const struct onramp_after *after; /* the uploads; NULL: nothing */
extern uint32_t concurrency;             /* of uploads; 0: as usual */
extern uint32_t reserve;                 /* of uploads, per cent, plus one; 0: as usual */
extern uint32_t attempts;                /* of uploads, at most; 0: as usual */
extern uint64_t stop_after;              /* so many deeds of the world the user wants uploads to stop; 0: never */
extern bool renewing;                    /* uploads fetch their tokens */
struct onramp_summary upload(struct world *w, uint64_t users, uint64_t seed);
/* A world in which there is no ledger yet, nor a file of links. */
void begin(struct world *w, const struct world_setup *setup);
/* A world whose tenant has `users` users of this ledger's making. */
void populate(struct world *w, const struct world_setup *setup, uint64_t users);

/* The ledger of a world that is populated, with one more run begun in it: for lines by hand. The caller closes it. */
struct onramp_ledger *another_run(struct world *w);

typedef enum onramp_status stage_call(const struct onramp_stage_setup *setup, struct onramp_stage_summary *summary,
                                      struct onramp_error *err);
/* One run of a stage's command. */
struct onramp_stage_summary run(struct world *w, stage_call *call, uint64_t seed);

struct onramp_tenant_view view_of(struct world *w);
struct onramp_account *account(struct world *w, uint64_t record);
long ledger_size(void);

/* Rows for `users` users, one each. */
bool links_are_complete(struct world *w, uint64_t users);

struct post {

    uint64_t mails[100]; /* requests for one that arrived, by record */
    onramp_time last_at;
    onramp_span closest;
    const struct world *world;
};
extern struct post post;

/* Watch for mails from now on. */
void open_post(struct world *w);
uint64_t most_mails(void); /* that anybody got */

#endif
