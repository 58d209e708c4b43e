/*
 * cmd_plan.c - onramp plan FILE.
 */
#include "commands.h"
#include "plan_out.h"
#include "print.h"
#include "reach.h"
#include "summary.h"

#include <stdlib.h>
#include <string.h>

struct planning {
    const struct settings *settings;
    struct onramp_source source;
    struct plan_about about;
    struct onramp_plan plan; /* the latest */
    struct onramp_error *err;
    bool held; /* a row was, by --concurrency */
};

static enum onramp_status check(const struct settings *s, struct onramp_error *err)
{
    if (s->file == NULL)
        return onramp_fail(err, ONRAMP_EUSAGE, "no file of users: give one as an argument, or set BULK_USER_FILE");
    if (s->burst > 0 && s->rate.tokens == 0)
        return onramp_fail(err, ONRAMP_EUSAGE, "--burst goes with --rate: how many at once under that ceiling");
    return settings_check_file(s->file, err);
}

static struct onramp_plan_settings plan_settings(const struct settings *s)
{
    struct onramp_plan_settings plan;
    onramp_plan_defaults(&plan);
    plan.round_trip = (onramp_span)s->round_trip * ONRAMP_MILLISECOND;
    plan.upload =
        (struct onramp_upload_settings){.target = {.connection = s->connection,
                                                   .pacing = reach_pacing(s),
                                                   .timeout = s->timeout,
                                                   .max_attempts = (uint32_t)s->max_attempts,
                                                   .give_up_after = s->give_up_after},
                                        .input_path = s->file,
                                        .max_users = s->max_users,
                                        .verification_mail = (enum onramp_verification_mail)s->verification_mail,
                                        .password_length = (uint32_t)s->password_length};
    return plan;
}

/* As an upload with this --tier has it. */
static void take_tier(struct onramp_plan_settings *plan, const struct onramp_tier *tier, struct plan_case *of)
{
    *of = (struct plan_case){.name = tier->name, .limit = onramp_tier_create_limit(tier)};
    plan->api = tier->api;
    memcpy(plan->groups, tier->groups, sizeof plan->groups);
    plan->upload.target.pacing.hint = of->limit.rate;
    plan->upload.target.pacing.hint_burst = of->limit.burst;
}

/* Nobody has stated the tenant's limits: the widest there are. */
static void take_widest(struct onramp_plan_settings *plan, struct plan_case *of)
{
    const struct onramp_tier *tier = onramp_tier_find("private-10000");
    *of = (struct plan_case){.name = "ceiling", .limit = onramp_tier_create_limit(tier)};
    plan->api = tier->api;
}

/* The latest upload that learned a limit, else any other command. */
static bool find_limit(void *context, const struct onramp_ledger_past *past)
{
    struct onramp_ledger_past *best = context;
    bool upload = past->run.command == NULL;
    if (past->end.has_limit && (upload || best->run.command != NULL || !best->end.has_limit))
        *best = *past;
    return true;
}

static enum onramp_status take_seen(struct onramp_plan_settings *plan, const char *path, struct plan_case *of,
                                    struct onramp_error *err)
{
    struct onramp_ledger *ledger = NULL;
    struct onramp_ledger_past past = {.ended = false};
    enum onramp_status st = onramp_ledger_read(&ledger, path, err);
    if (st != ONRAMP_OK)
        return st == ONRAMP_ENOMEM ? st : ONRAMP_EUSAGE;
    onramp_ledger_runs(ledger, find_limit, &past);
    const struct onramp_ledger_end *end = &past.end;
    if (end->has_limit) {
        const onramp_span per = 1000 * ONRAMP_SECOND;
        const double most = 10000000; /* 10,000 a second: twice what any plan has */
        double tokens = end->limit_per_second * 1000 + 0.5;
        of->name = "seen";
        of->limit.burst = end->limit_burst;
        of->limit.rate = (struct onramp_rate){(uint64_t)(tokens < 1 ? 1 : tokens < most ? tokens : most), per};
        plan->api = of->limit;
    } else {
        st = onramp_fail(err, ONRAMP_EUSAGE,
                         "ledger '%s' tells of no limit: no run of it ended by itself after learning one; give --tier",
                         path);
    }
    onramp_ledger_close(ledger);
    return st;
}

/* ---- one case, or all plans ---- */

static enum onramp_status no_memory(struct onramp_error *err)
{
    return onramp_fail(err, ONRAMP_ENOMEM, "cannot write the plan as JSON: out of memory");
}

static bool append(json_t *head, const struct plan_case *of, const struct onramp_plan *plan)
{
    return json_array_append_new(json_object_get(head, "plans"), plan_json(of, plan)) == 0;
}

static enum onramp_status plan_one(struct planning *p, const struct onramp_plan_settings *settings,
                                   const struct plan_case *of)
{
    enum onramp_status st = onramp_plan(&p->plan, settings, &p->source, p->err);
    if (st != ONRAMP_OK)
        return st;
    if (!p->settings->json)
        return plan_text(stdout, &p->about, of, &p->plan, p->err);
    json_t *head = plan_json_head(&p->about, &p->plan);
    if (head == NULL || !append(head, of, &p->plan)) {
        json_decref(head);
        return no_memory(p->err);
    }
    return print_json(stdout, head, "plan", p->err);
}

/* The first plan brings the head with it. */
static enum onramp_status show(struct planning *p, const struct plan_case *of, json_t **head)
{
    bool first = *head == NULL;
    if (first && (*head = plan_json_head(&p->about, &p->plan)) == NULL)
        return no_memory(p->err);
    if (p->settings->json)
        return append(*head, of, &p->plan) ? ONRAMP_OK : no_memory(p->err);
    enum onramp_status st = first ? plan_table_begin(stdout, &p->about, &p->plan, p->err) : ONRAMP_OK;
    plan_table_row(stdout, of, &p->plan);
    p->held |= summary_is_held(&p->plan.summary);
    return st;
}

static enum onramp_status plan_all(struct planning *p)
{
    const struct onramp_tier *tier;
    enum onramp_status st = ONRAMP_OK;
    json_t *head = NULL;
    for (size_t i = 0; st == ONRAMP_OK && (tier = onramp_tier_at(i)) != NULL; i++) {
        struct onramp_plan_settings settings = plan_settings(p->settings);
        struct plan_case of;
        take_tier(&settings, tier, &of);
        onramp_plan_clear(&p->plan);
        st = onramp_plan(&p->plan, &settings, &p->source, p->err);
        if (st == ONRAMP_OK)
            st = show(p, &of, &head);
    }
    if (st == ONRAMP_OK && p->settings->json)
        return print_json(stdout, head, "plan", p->err);
    json_decref(head);
    if (st == ONRAMP_OK)
        plan_table_end(stdout, &p->about, p->held);
    return st;
}

static enum onramp_status plan(struct planning *p)
{
    const struct settings *s = p->settings;
    struct onramp_plan_settings settings = plan_settings(s);
    struct plan_case of = {.name = "ceiling"};
    p->about = (struct plan_about){.file = s->file,
                                   .latency_min = settings.latency_min,
                                   .latency_median = settings.latency_median,
                                   .round_trip = settings.round_trip};
    enum onramp_status st = ONRAMP_OK;
    if (s->all_tiers || (s->ledger == NULL && s->tier < 0 && s->rate.tokens == 0))
        return plan_all(p);
    if (s->ledger != NULL)
        st = take_seen(&settings, s->ledger, &of, p->err);
    else if (s->tier >= 0)
        take_tier(&settings, onramp_tier_at((size_t)s->tier), &of);
    else
        take_widest(&settings, &of);
    return st == ONRAMP_OK ? plan_one(p, &settings, &of) : st;
}

int cmd_plan(void *values)
{
    struct onramp_error err = {.status = ONRAMP_OK};
    struct planning *p = calloc(1, sizeof *p);
    if (p == NULL) {
        console_error("out of memory");
        return EXIT_USAGE;
    }
    p->settings = values;
    p->err = &err;
    enum onramp_status st = check(p->settings, &err);
    if (st == ONRAMP_OK)
        st = onramp_source_open(&p->source, p->settings->file, &err);
    if (st == ONRAMP_OK)
        st = plan(p);
    int code = st == ONRAMP_OK                                ? p->plan.summary.exit
               : st == ONRAMP_EINPUT || st == ONRAMP_EREFUSED ? EXIT_REFUSED
                                                              : EXIT_USAGE;
    if (st != ONRAMP_OK)
        console_error(err.text);
    onramp_plan_clear(&p->plan);
    if (p->source.ops != NULL)
        p->source.ops->close(p->source.self);
    free(p);
    return code;
}
