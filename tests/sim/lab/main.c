/*
 * main.c - onramp_lab: the table, its CSV, one run as a trace, the bounds, the check.
 */
#include "lab.h"

#include <stdlib.h>
#include <string.h>

#define SEEDS_MAX 10000

#define LUCK 0.001 /* seconds by which a client may be quicker than the bound */

static const char usage[] =
    "usage: onramp_lab [--seeds N] [--scenario TEXT] [--policy TEXT] [--csv FILE]   the table, or part of it\n"
    "       onramp_lab SCENARIO SEED [--policy NAME] [--csv FILE]                   one run, decision by decision\n"
    "       onramp_lab --bounds [--seeds N] [--scenario TEXT]                       what no client can do better\n"
    "       onramp_lab --check [--seeds N] [--scenario TEXT]                        every scenario within its bounds\n"
    "       onramp_lab --list | --help\n"
    "       [--reserve PERCENT] [--concurrency N] [--hint]                          settings of onramp's pacer\n";

static const char help[] =
    "\nClients create users in model tenants, in virtual time: a scenario and a seed make a run, and it replays.\n"
    "All seconds are those beyond a client that knows buckets, rivals and network in advance.\n\n"
    "  --seeds N            runs of each scenario, 1..10000 (200; with --check 4)\n"
    "  --scenario TEXT      those with TEXT in their name; --list shows all\n"
    "  --policy TEXT        those with TEXT in their name; in one run the one that is named (onramp)\n"
    "  --csv FILE           the table as CSV; of one run the content of the bucket over time\n"
    "  --bounds             two Markdown tables: watcher (no client that is never refused is quicker), prover and\n"
    "                       onramp; and what sparing rivals costs keeper (who sees the bucket), listener, onramp\n"
    "  --check              exits 1 where onramp misses the bounds that a scenario states, breaks an invariant,\n"
    "                       or is quicker than the watcher; or where a bound does not hold what it says\n"
    "  --reserve PERCENT    left to others, 0..90 (0), by onramp, keeper and listener\n"
    "  --concurrency N      most in flight, 1..256 (128); the bounds keep to it too\n"
    "  --hint               the limits are told in advance, as --tier does\n\n"
    "What the figures mean, and what they were: docs/pacing.md, docs/pacing-figures.md\n";

struct order {
    struct lab_options options;
    const char *scenario, *policy, *csv, *words[2];
    uint32_t seeds, count;
    bool check, list, bounds, help;
};

struct summary {
    const struct lab_scenario *scenario;
    const struct lab_policy *policy;
    uint32_t runs, refused, most_refused, most_lost, clean, harmless, in_flight, unfinished, least_remaining;
    double oracle, median, p95, ratio, rivals_refused, found;
    char why[200]; /* the first invariant that did not hold */
};

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void add_run(struct summary *s, const struct lab_result *r, uint32_t seed)
{
    s->refused += r->refused;
    s->most_refused = r->refused > s->most_refused ? r->refused : s->most_refused;
    s->most_lost = r->rivals_refused > s->most_lost ? r->rivals_refused : s->most_lost;
    s->clean += r->refused == 0;
    s->harmless += r->rivals_refused == 0;
    s->in_flight = r->most_in_flight > s->in_flight ? r->most_in_flight : s->in_flight;
    s->unfinished += r->unfinished;
    s->least_remaining = r->least_remaining < s->least_remaining ? r->least_remaining : s->least_remaining;
    if (r->broken && s->why[0] == '\0')
        (void)snprintf(s->why, sizeof s->why, "seed %u: %s", seed, r->why);
}

static void measure(struct summary *s, const struct order *order)
{
    static double over[SEEDS_MAX], ratio[SEEDS_MAX];
    double oracle = 0, rivals = 0, lost = 0, drawn = 0, found = 0;
    s->least_remaining = UINT32_MAX;
    for (uint32_t i = 0; i < order->seeds; i++) {
        struct lab_result r = lab_run(s->scenario, s->policy, i + 1, &order->options);
        add_run(s, &r, i + 1);
        over[i] = r.finish - r.oracle;
        ratio[i] = r.finish / r.oracle;
        oracle += r.oracle;
        rivals += r.rivals;
        lost += r.rivals_refused;
        drawn += (double)r.drawn;
        found += (double)r.others;
    }
    qsort(over, order->seeds, sizeof *over, by_size);
    qsort(ratio, order->seeds, sizeof *ratio, by_size);
    s->runs = order->seeds;
    s->oracle = oracle / order->seeds;
    s->median = over[(order->seeds - 1) / 2];
    s->ratio = ratio[(order->seeds - 1) / 2];
    s->p95 = over[(uint32_t)(0.95 * (order->seeds - 1) + 0.5)];
    s->rivals_refused = rivals > 0 ? 100 * lost / rivals : 0;
    s->found = drawn > 0 ? 100 * found / drawn : 0;
}

/* ---- the table ---- */

static const int widths[] = {7, 7, 7, 7, 7, 6, 6, 6, 4, 5, 3, 6}, places[] = {2, 2, 2, 3, 1, 1, 2, 1, 0, 0, 0, 1};

static void print_row(FILE *out, const struct summary *s, bool csv)
{
    double users = (double)s->scenario->users * s->scenario->onramps * s->runs;
    double values[] = {s->oracle,
                       s->median,
                       s->p95,
                       s->ratio,
                       1000.0 * s->refused / users,
                       100.0 * s->clean / s->runs,
                       s->rivals_refused,
                       100.0 * s->harmless / s->runs,
                       s->in_flight,
                       s->least_remaining,
                       s->unfinished,
                       s->found};
    fprintf(out, csv ? "%s,%s" : "%-36s %-12s", s->scenario->name, s->policy->name);
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
        if (csv)
            fprintf(out, ",%.*f", i < 8 || i == 11 ? 3 : 0, values[i]);
        else
            fprintf(out, " %*.*f", widths[i], places[i], values[i]);
    fputc('\n', out);
}

static bool wanted(const char *filter, const char *name)
{
    return filter == NULL || strstr(name, filter) != NULL;
}

static const struct lab_scenario *scenario_named(const char *name)
{
    size_t i = 0;
    while (lab_scenario_at(i) != NULL && strcmp(lab_scenario_at(i)->name, name) != 0)
        i++;
    return lab_scenario_at(i);
}

static const struct lab_policy *policy_named(const char *name)
{
    size_t i = 0;
    while (lab_policy_at(i) != NULL && strcmp(lab_policy_at(i)->name, name) != 0)
        i++;
    return lab_policy_at(i);
}

/* The bounds of prover.c hold where one bucket is shown, unchanged, to one client that nobody disturbs; and it takes
 * more than a full bucket to be of interest. */
static bool has_bound(const struct lab_scenario *s)
{
    return s->rivals <= 0 && s->change_at <= 0 && s->edge_chance <= 0 && s->rejected <= 0 && s->shown == LAB_SHOWN_OWN &&
           s->global.size == 0 && s->users > s->own.size && s->onramps == 1 && !s->rude && !s->penalty &&
           s->suspend_for <= 0;
}

/* Others call one by one, at a bucket that drips. */
static bool has_rivals(const struct lab_scenario *s)
{
    return s->rivals > 0 && s->rival_batch <= 1 && !s->own.window && s->global.size == 0 && !s->penalty;
}

static bool compares(const struct lab_scenario *s, const struct lab_policy *policy)
{
    if (policy == &lab_keeper || policy == &lab_listener)
        return has_rivals(s);
    return has_bound(s) || (policy != &lab_prover && policy != &lab_watcher);
}

static int table(const struct order *order, FILE *csv)
{
    bool broken = false;
    if (csv)
        fputs("scenario,policy,oracle_s,over_median_s,over_p95_s,ratio_median,refused_per_1000,clean_percent,"
              "rivals_refused_percent,harmless_percent,most_in_flight,least_remaining,unfinished,"
              "others_found_percent\n",
              csv);
    printf("Seconds over the client that knows everything; refusals per 1000 users; runs without any; rivals' calls\n"
           "refused because of us, and runs in which none was; most in flight; least left; runs not finished; part of "
           "what others\n"
           "drew that onramp counts as theirs.\n\n"
           "%-36s %-12s %7s %7s %7s %7s %7s %6s %6s %6s %4s %5s %3s %6s\n",
           "scenario", "policy", "oracle", "median", "p95", "ratio", "refused", "clean", "rivals", "none", "fly",
           "least", "dnf", "found");
    for (size_t i = 0; lab_scenario_at(i) != NULL; i++)
        for (size_t k = 0; lab_policy_at(k) != NULL; k++) {
            struct summary s = {.scenario = lab_scenario_at(i), .policy = lab_policy_at(k)};
            if (!wanted(order->scenario, s.scenario->name) || !wanted(order->policy, s.policy->name) ||
                !compares(s.scenario, s.policy))
                continue;
            measure(&s, order);
            print_row(stdout, &s, false);
            (void)fflush(stdout);
            if (csv)
                print_row(csv, &s, true);
            if (s.why[0] != '\0')
                printf("BROKEN: %s\n", s.why);
            broken |= s.why[0] != '\0';
        }
    return broken;
}

/* ---- what no client can do better ---- */

static void print_bound(const struct lab_scenario *scenario, const struct lab_policy *policy, const struct order *order)
{
    struct summary s = {.scenario = scenario, .policy = policy};
    measure(&s, order);
    if (policy == &lab_watcher)
        printf("| %s | %.1f |", scenario->name, s.oracle);
    printf(" %.2f | %.2f |", s.median, s.p95);
    if (s.refused > 0 || s.unfinished > 0)
        fprintf(stderr, "%s, %s: %u refused, %u of %u runs not finished\n", scenario->name, policy->name, s.refused,
                s.unfinished, s.runs);
}

static void print_bounds(const struct order *order)
{
    static const char *const names[] = {"free",
                                        "nonprod",
                                        "essentials",
                                        "enterprise",
                                        "private-dev",
                                        "private-100",
                                        "private-500",
                                        "private-1500",
                                        "free-w1",
                                        "nonprod-w1",
                                        "enterprise-w1",
                                        "private-dev-w1",
                                        "private-100-w1",
                                        "essentials-w60",
                                        "free-slow-net",
                                        "free-stalls",
                                        "enterprise-slow-net",
                                        "enterprise-stalls",
                                        "essentials-empty",
                                        "enterprise-empty"};
    const char *head =
        "| scenario | oracle, s | watcher, median | p95 | prover, median | p95 | onramp, median | p95 |\n"
        "| --- | --- | --- | --- | --- | --- | --- | --- |\n";
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (!wanted(order->scenario, names[i]))
            continue;
        fputs(head, stdout);
        head = "";
        const struct lab_scenario *s = scenario_named(names[i]);
        print_bound(s, &lab_watcher, order);
        print_bound(s, &lab_prover, order);
        print_bound(s, &lab_onramp, order);
        puts("");
        (void)fflush(stdout);
    }
}

/* ---- what sparing rivals costs ---- */

static struct summary leaving(const struct lab_scenario *scenario, const struct lab_policy *policy,
                              const struct order *order, uint32_t percent)
{
    struct order with = *order;
    struct summary s = {.scenario = scenario, .policy = policy};
    with.options.reserve_percent = percent;
    measure(&s, &with);
    return s;
}

/* With the fewest tokens left at the end that spare rivals in 99 of 100 runs; or else in most of them. */
static void print_price(const struct lab_scenario *scenario, const struct lab_policy *policy, const struct order *order)
{
    struct summary best = {.runs = 0};
    uint32_t size = scenario->own.size, left = 0;
    for (uint32_t k = 0; k < size && (best.runs == 0 || best.harmless * 100 < best.runs * 99); k++) {
        struct summary s = leaving(scenario, policy, order, (100 * k + size - 1) / size);
        if (best.runs > 0 && s.harmless <= best.harmless)
            continue;
        best = s;
        left = k;
    }
    printf(" %u: %.1f %%, %.2f, %.2f |", left, 100.0 * best.harmless / best.runs, best.median, best.p95);
}

static void print_prices(const struct order *order)
{
    const char *head = "\n| scenario | oracle, s | keeper | listener | onramp | with 20 % | with 50 % |\n"
                       "| --- | --- | --- | --- | --- | --- | --- |\n";
    for (size_t i = 0; lab_scenario_at(i) != NULL; i++) {
        const struct lab_scenario *s = lab_scenario_at(i);
        if (!has_rivals(s) || !wanted(order->scenario, s->name))
            continue;
        struct summary ours[] = {leaving(s, &lab_onramp, order, 0), leaving(s, &lab_onramp, order, 20),
                                 leaving(s, &lab_onramp, order, 50)};
        printf("%s| %s | %.1f |", head, s->name, ours[0].oracle);
        head = "";
        print_price(s, &lab_keeper, order);
        print_price(s, &lab_listener, order);
        for (size_t k = 0; k < sizeof ours / sizeof ours[0]; k++)
            printf(" %.1f %%, %.2f, %.2f |", 100.0 * ours[k].harmless / ours[k].runs, ours[k].median, ours[k].p95);
        puts("");
        (void)fflush(stdout);
    }
}

static int bounds(const struct order *order)
{
    print_bounds(order);
    print_prices(order);
    return 0;
}

/* Nobody is quicker than the watcher, and neither bound is refused more than onramp may be. */
static bool within_bound(const struct lab_scenario *s, const struct order *order)
{
    const struct lab_policy *const policies[] = {&lab_prover, &lab_onramp};
    bool ok = true;
    for (uint32_t seed = 1; seed <= order->seeds; seed++) {
        struct lab_result watcher = lab_run(s, &lab_watcher, seed, &order->options);
        ok &= !watcher.unfinished && watcher.refused <= s->refused_bound;
        for (size_t i = 0; i < sizeof policies / sizeof policies[0]; i++) {
            struct lab_result r = lab_run(s, policies[i], seed, &order->options);
            if (!r.unfinished && r.refused <= s->refused_bound && r.finish >= watcher.finish - LUCK)
                continue;
            ok = false;
            printf("%s, seed %u: %s finished after %.3f s with %u refused, the watcher after %.3f s\n", s->name, seed,
                   policies[i]->name, r.finish, r.refused, watcher.finish);
        }
    }
    return ok;
}

/* Whoever leaves half of the bucket to others does so at every take … */
static bool leaves_half(const struct lab_scenario *s, const struct lab_policy *policy, uint32_t seed,
                        const struct lab_options *half)
{
    struct lab_scenario alone = *s;
    alone.rivals = 0;
    struct lab_result r = lab_run(&alone, policy, seed, half);
    if (!r.unfinished && r.refused == 0 && r.least_remaining >= s->own.size / 2 && r.finish >= r.oracle - LUCK)
        return true;
    printf("%s without rivals, seed %u: %s left %u, and finished after %.3f s, not %.3f, with %u refused\n", s->name,
           seed, policy->name, r.least_remaining, r.finish, r.oracle, r.refused);
    return false;
}

/* … so rivals hardly lose a call, unless half is one token. */
static bool spares_rivals(const struct lab_scenario *s, const struct lab_policy *policy, uint32_t seed,
                          const struct lab_options *half)
{
    uint32_t bound = s->own.size < 4 || policy == &lab_listener ? s->lost_bound : 1;
    struct lab_result r = lab_run(s, policy, seed, half);
    if (!r.unfinished && r.rivals_refused <= bound)
        return true;
    printf("%s, seed %u: %s cost rivals %u calls, not %u\n", s->name, seed, policy->name, r.rivals_refused, bound);
    return false;
}

/* Whoever empties the bucket at once, and is gone, costs rivals a call now and then. */
static bool costs_rivals(const struct lab_scenario *s, const struct lab_options *options)
{
    struct lab_scenario burst = *s;
    burst.users = s->own.size;
    burst.rtt_low = burst.rtt_high = burst.service_low = burst.service_high = 0.001;
    burst.stall_chance = 0;
    for (uint32_t seed = 1; seed <= 100; seed++)
        if (lab_run(&burst, &lab_workers, seed, options).rivals_refused > 0)
            return true;
    printf("%s: an emptied bucket costs rivals nothing\n", s->name);
    return false;
}

static bool within_price(const struct lab_scenario *s, const struct order *order)
{
    static const struct lab_policy *const policies[] = {&lab_keeper, &lab_listener};
    struct lab_options half = order->options;
    half.reserve_percent = 50;
    bool ok = costs_rivals(s, &order->options);
    for (uint32_t seed = 1; seed <= order->seeds; seed++)
        for (size_t i = 0; i < sizeof policies / sizeof policies[0]; i++) {
            ok &= leaves_half(s, policies[i], seed, &half);
            ok &= spares_rivals(s, policies[i], seed, &half);
        }
    return ok;
}

/* ---- the check ---- */

/* Every scenario with onramp's pacer: finished, no invariant broken, and within the bounds that it states. */
static int check(struct order *order)
{
    uint32_t failed = 0, count = 0;
    for (size_t i = 0; lab_scenario_at(i) != NULL; i++) {
        struct summary s = {.scenario = lab_scenario_at(i), .policy = &lab_onramp};
        if (!wanted(order->scenario, s.scenario->name))
            continue;
        measure(&s, order);
        count++;
        bool told = order->options.hint; /* more than the bounds are */
        bool bounded = (told || !has_bound(s.scenario) || within_bound(s.scenario, order)) &&
                       (!has_rivals(s.scenario) || within_price(s.scenario, order));
        bool ok = bounded && s.why[0] == '\0' && (s.unfinished == 0 || s.scenario->rude) &&
                  s.most_refused <= s.scenario->refused_bound && s.most_lost <= s.scenario->lost_bound &&
                  s.median <= s.scenario->over_bound;
        if (ok)
            continue;
        failed++;
        printf("%s: %u of %u runs unfinished; at most %u refused, not %u, and %u lost to others, not %u; median %.2f s "
               "over, not %.2f %s\n",
               s.scenario->name, s.unfinished, s.runs, s.most_refused, s.scenario->refused_bound, s.most_lost,
               s.scenario->lost_bound, s.median, s.scenario->over_bound, s.why);
    }
    printf("%u scenarios, %u seeds each, %u outside their bounds\n", count, order->seeds, failed);
    return failed > 0;
}

/* ---- one run ---- */

static int replay(struct order *order, FILE *csv)
{
    const struct lab_scenario *s = scenario_named(order->words[0]);
    const struct lab_policy *policy = order->policy ? policy_named(order->policy) : &lab_onramp;
    if (s == NULL || policy == NULL) {
        fprintf(stderr, "no %s '%s'; --list shows them\n", s == NULL ? "scenario" : "policy",
                s == NULL ? order->words[0] : order->policy);
        return 2;
    }
    order->options.trace = stdout;
    order->options.series = csv;
    if (csv)
        fputs("seconds,event,content\n", csv);
    struct lab_result r = lab_run(s, policy, strtoull(order->words[1], NULL, 10), &order->options);
    printf("finished after %.3f s, the oracle after %.3f s; %u refused; at least %u left%s%s\n", r.finish, r.oracle,
           r.refused, r.least_remaining, r.broken ? "; BROKEN: " : "", r.why);
    return r.broken || r.unfinished;
}

/* ---- the command line ---- */

static bool number(const char *text, uint32_t low, uint32_t high, uint32_t *out)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);
    if (*text == '\0' || *end != '\0' || value < low || value > high)
        return false;
    *out = (uint32_t)value;
    return true;
}

static bool parse_value(struct order *order, const char *flag, const char *value)
{
    if (value == NULL)
        return false;
    if (strcmp(flag, "--seeds") == 0)
        return number(value, 1, SEEDS_MAX, &order->seeds);
    if (strcmp(flag, "--reserve") == 0)
        return number(value, 0, 90, &order->options.reserve_percent);
    if (strcmp(flag, "--concurrency") == 0)
        return number(value, 1, 256, &order->options.concurrency);
    const char **text = strcmp(flag, "--policy") == 0     ? &order->policy
                        : strcmp(flag, "--scenario") == 0 ? &order->scenario
                        : strcmp(flag, "--csv") == 0      ? &order->csv
                                                          : NULL;
    if (text != NULL)
        *text = value;
    return text != NULL;
}

static bool parse(struct order *order, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--check") == 0)
            order->check = true;
        else if (strcmp(argv[i], "--bounds") == 0)
            order->bounds = true;
        else if (strcmp(argv[i], "--help") == 0)
            order->help = true;
        else if (strcmp(argv[i], "--list") == 0)
            order->list = true;
        else if (strcmp(argv[i], "--hint") == 0)
            order->options.hint = true;
        else if (argv[i][0] != '-' && order->count < 2)
            order->words[order->count++] = argv[i];
        else if (argv[i][0] != '-' || !parse_value(order, argv[i], argv[i + 1]))
            return false;
        else
            i++;
    }
    return order->count != 1;
}

static int list(void)
{
    puts("Policies:");
    for (size_t i = 0; lab_policy_at(i) != NULL; i++)
        printf("    %s\n", lab_policy_at(i)->name);
    puts("Scenarios:");
    for (size_t i = 0; lab_scenario_at(i) != NULL; i++)
        printf("    %s\n", lab_scenario_at(i)->name);
    return 0;
}

static int run_or_table(struct order *order)
{
    FILE *csv = order->csv ? fopen(order->csv, "w") : NULL;
    if (order->csv && csv == NULL) {
        fprintf(stderr, "cannot write '%s'\n", order->csv);
        return 1;
    }
    int failed = order->count == 2 ? replay(order, csv) : table(order, csv);
    if (csv != NULL && fclose(csv) != 0) {
        fprintf(stderr, "cannot write '%s'\n", order->csv);
        failed = 1;
    }
    return failed;
}

int main(int argc, char **argv)
{
    struct order order = {.options = {.concurrency = 128}};
    if (!parse(&order, argc, argv)) {
        fputs(usage, stderr);
        return 2;
    }
    if (order.seeds == 0)
        order.seeds = order.check ? 4 : 200;
    if (order.help)
        return printf("%s%s", usage, help) < 0;
    if (order.list)
        return list();
    if (order.check)
        return check(&order);
    return order.bounds ? bounds(&order) : run_or_table(&order);
}
