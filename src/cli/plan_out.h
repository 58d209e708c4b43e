/*
 * plan_out.h - a plan for people and for programs.
 */
#ifndef ONRAMP_CLI_PLAN_OUT_H
#define ONRAMP_CLI_PLAN_OUT_H

#include <onramp/plan.h>

#include <jansson.h>
#include <stdio.h>

/* What a plan is for. Borrowed. */
struct plan_case {
    const char *name;          /* of the tier; "seen" for a ledger's limits, "ceiling" where only --rate counts */
    struct onramp_limit limit; /* that creates meet first */
};

/* What all cases of one call have in common. */
struct plan_about {
    const char *file;
    onramp_span latency_min, latency_median, round_trip;
};

/* One case: counts, causes, figures, and how the bucket fares. ONRAMP_ENOMEM. */
ONRAMP_NODISCARD enum onramp_status plan_text(FILE *out, const struct plan_about *about, const struct plan_case *of,
                                              const struct onramp_plan *plan, struct onramp_error *err);

/* Many: heading, a row for each, end. The heading needs any one of the plans; `held`: one of them was, see summary.h.
 */
ONRAMP_NODISCARD enum onramp_status plan_table_begin(FILE *out, const struct plan_about *about,
                                                     const struct onramp_plan *plan, struct onramp_error *err);
void plan_table_row(FILE *out, const struct plan_case *of, const struct onramp_plan *plan);
void plan_table_end(FILE *out, const struct plan_about *about, bool held);

/* {"file":…,"assumed":{…},"plans":[…]}: the head, to whose "plans" the others are appended. NULL: no memory. */
json_t *plan_json_head(const struct plan_about *about, const struct onramp_plan *plan);
json_t *plan_json(const struct plan_case *of, const struct onramp_plan *plan);

#endif
