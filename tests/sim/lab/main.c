/*
 * main.c - onramp_lab: the table, its CSV, one run as a trace, the check.
 */
#include "lab.h"

#include <stdlib.h>
#include <string.h>

struct summary {
    const struct lab_scenario *scenario;
    const struct lab_policy *policy;
    uint32_t runs, refused, clean, most_in_flight, unfinished, broken, harmless;
    double oracle, median, p95, rivals_refused, ratio;
    const char *why;
};

struct order {
    struct lab_options options;
    const char *scenario, *policy, *csv;
    uint32_t seeds;
    bool check;
};

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void measure(struct summary *sum, const struct order *order)
{
    static double over[10000], ratio[10000];
    static char why[200];
    double oracle = 0, rivals = 0, lost = 0;
    for (uint32_t i = 0; i < order->seeds; i++) {
        struct lab_result r = lab_run(sum->scenario, sum->policy, i + 1, &order->options);
        over[i] = r.finish - r.oracle;
        ratio[i] = r.finish / r.oracle;
        oracle += r.oracle;
        rivals += r.rivals;
        lost += r.rivals_refused;
        sum->harmless += r.rivals_refused == 0;
        sum->refused += r.refused;
        sum->clean += r.refused == 0;
        sum->unfinished += r.unfinished;
        sum->most_in_flight = r.most_in_flight > sum->most_in_flight ? r.most_in_flight : sum->most_in_flight;
        if (r.broken && sum->broken++ == 0) {
            (void)snprintf(why, sizeof why, "seed %u: %s", i + 1, r.why);
            sum->why = why;
        }
    }
    qsort(over, order->seeds, sizeof *over, by_size);
    qsort(ratio, order->seeds, sizeof *ratio, by_size);
    sum->runs = order->seeds;
    sum->oracle = oracle / order->seeds;
    sum->median = over[(order->seeds - 1) / 2];
    sum->ratio = ratio[(order->seeds - 1) / 2];
    sum->p95 = over[(uint32_t)(0.95 * (order->seeds - 1) + 0.5)];
    sum->rivals_refused = rivals > 0 ? 100 * lost / rivals : 0;
}

static void print_row(const struct summary *s)
{
    uint32_t users = s->scenario->users * s->scenario->onramps;
    printf("%-34s %-13s %7.2f %8.2f %8.2f %6.3f %8.1f %6.1f %6.2f %6.1f %4u %3u\n", s->scenario->name, s->policy->name,
           s->oracle, s->median, s->p95, s->ratio, 1000.0 * s->refused / s->runs / users, 100.0 * s->clean / s->runs,
           s->rivals_refused, 100.0 * s->harmless / s->runs, s->most_in_flight, s->unfinished);
    (void)fflush(stdout);
}

static void print_csv(FILE *csv, const struct summary *s)
{
    uint32_t users = s->scenario->users * s->scenario->onramps;
    fprintf(csv, "%s,%s,%u,%.3f,%.3f,%.3f,%.4f,%.3f,%.2f,%.3f,%.2f,%u,%u\n", s->scenario->name, s->policy->name,
            s->runs, s->oracle, s->median, s->p95, s->ratio, 1000.0 * s->refused / s->runs / users,
            100.0 * s->clean / s->runs, s->rivals_refused, 100.0 * s->harmless / s->runs, s->most_in_flight,
            s->unfinished);
}

static bool wanted(const char *filter, const char *name)
{
    return filter == NULL || strstr(name, filter) != NULL;
}

static int table(const struct order *order)
{
    FILE *csv = order->csv ? fopen(order->csv, "w") : NULL;
    if (order->csv && csv == NULL) {
        fprintf(stderr, "cannot write '%s'\n", order->csv);
        return 1;
    }
    if (csv)
        fputs("scenario,policy,runs,oracle_s,over_median_s,over_p95_s,ratio_median,refused_per_1000,clean_percent,"
              "rivals_refused_percent,harmless_percent,most_in_flight,unfinished\n",
              csv);
    printf("%-34s %-13s %7s %8s %8s %6s %8s %6s %6s %6s %4s %3s\n", "scenario", "policy", "oracle", "over50", "over95",
           "ratio", "429/1000", "clean%", "rival%", "harml%", "fly", "dnf");
    bool broken = false;
    for (size_t i = 0; lab_scenario_at(i) != NULL; i++)
        for (size_t k = 0; lab_policy_at(k) != NULL; k++) {
            struct summary s = {.scenario = lab_scenario_at(i), .policy = lab_policy_at(k)};
            if (!wanted(order->scenario, s.scenario->name) || !wanted(order->policy, s.policy->name))
                continue;
            measure(&s, order);
            print_row(&s);
            if (csv)
                print_csv(csv, &s);
            if (s.broken > 0)
                printf("BROKEN: %s\n", s.why);
            broken |= s.broken > 0;
        }
    return (csv && fclose(csv) != 0) || broken;
}

int main(int argc, char **argv)
{
    struct order order = {.options = {.concurrency = 128}, .seeds = 200};
    const char *words[2] = {NULL, NULL};
    int count = 0;
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--hint") == 0)
            order.options.hint = true;
        else if (strcmp(argv[i], "--seeds") == 0)
            order.seeds = (uint32_t)atoi(argv[++i] ? value : "0");
        else if (strcmp(argv[i], "--policy") == 0)
            i++, order.policy = value;
        else if (strcmp(argv[i], "--scenario") == 0)
            i++, order.scenario = value;
        else if (strcmp(argv[i], "--reserve") == 0)
            i++, order.options.reserve_percent = (uint32_t)atoi(value);
        else if (strcmp(argv[i], "--concurrency") == 0)
            i++, order.options.concurrency = (uint32_t)atoi(value);
        else if (strcmp(argv[i], "--csv") == 0)
            i++, order.csv = value;
        else if (count < 2)
            words[count++] = argv[i];
    }
    if (count == 2) {
        order.options.trace = stdout;
        for (size_t i = 0; lab_scenario_at(i) != NULL; i++)
            if (strcmp(lab_scenario_at(i)->name, words[0]) == 0) {
                struct lab_result r =
                    lab_run(lab_scenario_at(i), &lab_onramp, (uint64_t)atoll(words[1]), &order.options);
                printf("finished after %.3f s, the oracle after %.3f s; %u refused\n", r.finish, r.oracle, r.refused);
                return 0;
            }
        return 2;
    }
    return table(&order);
}
