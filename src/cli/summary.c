/*
 * summary.c - what a run came to.
 */
#include "summary.h"

#include "commands.h"
#include "print.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

void summary_missed(void *context, uint64_t record, const struct onramp_identity *identity, enum onramp_outcome outcome,
                    const char *message)
{
    struct summary_examples *examples = context;
    const char *name = print_who(identity), *colon = message != NULL ? ": " : "";
    const char *words = message != NULL ? message : "";
    name = name[0] != '\0' ? name : "without a name";
    size_t size = strlen(name) + strlen(words) + 80; /* the rest is an outcome, an ordinal and a few letters */
    char *line = examples->count < SUMMARY_EXAMPLES ? malloc(size) : NULL;
    examples->more = examples->more || line == NULL;
    if (line == NULL)
        return;
    (void)snprintf(line, size, "%s: record %" PRIu64 ", %s%s%s", onramp_outcome_name(outcome), record, name, colon,
                   words);
    examples->lines[examples->count++] = line;
}

void summary_examples_clear(struct summary_examples *examples)
{
    for (size_t i = 0; i < examples->count; i++)
        free(examples->lines[i]);
    *examples = (struct summary_examples){0};
}

/* In a dry run there is no ledger to look into. */
static void put_examples(FILE *out, const struct summary_examples *examples, bool dry_run)
{
    for (size_t i = 0; i < examples->count; i++) {
        fputs(i == 0 ? "\n  " : "  ", out);
        print_clean(out, examples->lines[i]);
        fputc('\n', out);
    }
    if (examples->more)
        fprintf(out, "  … %s\n",
                dry_run ? "'onramp plan' and 'onramp check' tell of all" : "the others are in the ledger");
}

/* Were all records fine, and something that followed them not? */
static bool only_followers_failed(const struct onramp_summary *summary)
{
    bool followed = false;
    for (int deed = 0; deed < ONRAMP_DEEDS; deed++)
        followed = followed || summary->ran[deed];
    return followed && summary->counts[ONRAMP_INVALID] == 0 && summary->counts[ONRAMP_DUPLICATE] == 0 &&
           summary->counts[ONRAMP_REJECTED] == 0;
}

static const char *advice(const struct onramp_summary *summary)
{
    switch (summary->exit) {
    case EXIT_ALL_WELL:
        return "Every record is there.";
    case 1:
        if (only_followers_failed(summary))
            return "Every record is there, but what was to follow could not be done for everybody.";
        return "What was refused will be refused again: correct those records, then run the same command.";
    case EXIT_AGAIN:
        if (summary->blind && summary->counts[ONRAMP_UNKNOWN] > 0)
            return "Not finished: the tenant cannot be asked who of the unknown is there. Grant the token read:users, "
                   "then run the same command again.";
        return "Not finished: run the same command again, it carries on from here.";
    case EXIT_INTERRUPTED:
        return "Interrupted: run the same command again, it carries on from here.";
    default:
        return NULL;
    }
}

static void put_counts(FILE *out, const struct onramp_summary *summary)
{
    for (int i = 0; i < ONRAMP_OUTCOMES; i++) {
        if (i == ONRAMP_CREATED || summary->counts[i] > 0)
            fprintf(out, "  %-12s %8" PRIu64 "\n", onramp_outcome_name((enum onramp_outcome)i), summary->counts[i]);
        if (i == ONRAMP_CREATED && summary->adopted > 0)
            fprintf(out, "  %-12s %8" PRIu64 " of them proven by asking, after their answers were lost\n", "",
                    summary->adopted);
    }
    if (summary->unsent > 0)
        fprintf(out, "  %-12s %8" PRIu64 "\n", "not sent", summary->unsent);
    if (summary->doubtful > 0)
        fprintf(out, "  %-12s %8" PRIu64 " of them were sent by an earlier run, and may be there\n", "",
                summary->doubtful);
}

static const char *const stage_names[ONRAMP_DEEDS] = {"invited", "roles", "members", "undone"};

/* "roles  300, 2 failed", for each stage that followed. */
static void put_stages(FILE *out, const struct onramp_summary *summary)
{
    for (int deed = 0; deed < ONRAMP_DEEDS; deed++) {
        const struct onramp_stage_summary *stage = &summary->after[deed];
        if (!summary->ran[deed])
            continue;
        fprintf(out, "  %-12s %8" PRIu64, stage_names[deed], stage->before + stage->counts[ONRAMP_RESULT_DONE]);
        for (int i = ONRAMP_RESULT_DONE + 1; i < ONRAMP_RESULTS; i++)
            if (stage->counts[i] > 0)
                fprintf(out, ", %" PRIu64 " %s", stage->counts[i], onramp_result_name((enum onramp_result)i));
        if (stage->unsent > 0)
            fprintf(out, ", %" PRIu64 " not sent", stage->unsent);
        fputc('\n', out);
    }
}

/* The stages that followed, each an object under its name; nothing if there were none. */
static bool set_stages(json_t *object, const struct onramp_summary *summary)
{
    for (int deed = 0; deed < ONRAMP_DEEDS; deed++) {
        const struct onramp_stage_summary *stage = &summary->after[deed];
        if (!summary->ran[deed])
            continue;
        json_t *part =
            json_pack("{s:I, s:I}", "before", (json_int_t)stage->before, "unsent", (json_int_t)stage->unsent);
        bool good = part != NULL;
        for (int i = 0; i < ONRAMP_RESULTS && good; i++)
            good = json_object_set_new(part, onramp_result_name((enum onramp_result)i),
                                       json_integer((json_int_t)stage->counts[i])) == 0;
        if (!good || json_object_set(object, stage_names[deed], part) != 0)
            good = false;
        json_decref(part);
        if (!good)
            return false;
    }
    return true;
}

bool summary_is_held(const struct onramp_summary *summary)
{
    return summary->held_seconds >= 0.5 && summary->held_seconds >= summary->seconds / 10;
}

void summary_held(FILE *out, const struct onramp_summary *summary)
{
    if (summary_is_held(summary))
        fprintf(out, ", %.1f s of it held back by --concurrency, not by the tenant", summary->held_seconds);
    fputc('\n', out);
}

static void put_figures(FILE *out, const struct onramp_summary *summary)
{
    fprintf(out, "\n  %-12s %8" PRIu64 ", %" PRIu64 " throttled", "requests", summary->requests, summary->throttled);
    if (summary->has_least)
        fprintf(out, ", at least %" PRIu32 " tokens left at any time", summary->least_remaining);
    if (summary->others > 0)
        fprintf(out, ", at least %" PRIu64 " taken by others", summary->others);
    if (summary->has_limit)
        fprintf(out, "\n  %-12s %8" PRIu32 " at once, then about %.3g/s, as far as the answers tell", "limit",
                summary->limit_burst, summary->limit_per_second);
    fprintf(out, "\n  %-12s %8.1f s", "time", summary->seconds);
    summary_held(out, summary);
}

static void put_path(FILE *out, const char *what, const char *path)
{
    if (path == NULL)
        return;
    fprintf(out, "  %-12s ", what);
    print_clean(out, path);
    fputc('\n', out);
}

void summary_text(FILE *out, const struct onramp_summary *summary, const struct summary_names *names)
{
    fprintf(out, "%" PRIu64 " record%s of ", summary->records, print_plural(summary->records));
    print_clean(out, strcmp(names->input, "-") == 0 ? "standard input" : names->input);
    fputs("\n\n", out);
    put_counts(out, summary);
    if (names->dry_run) {
        if (names->examples != NULL)
            put_examples(out, names->examples, true);
        fputs("\nDry run: nothing was sent.\n", out);
        return;
    }
    put_stages(out, summary);
    put_figures(out, summary);
    put_path(out, "ledger", names->ledger);
    put_path(out, "passwords", names->sealed);
    if (names->examples != NULL)
        put_examples(out, names->examples, false);
    /* Nothing carries on from a ledger that goes with the command. */
    if (advice(summary) != NULL && (names->ledger != NULL || summary->exit == EXIT_ALL_WELL))
        fprintf(out, "\n%s\n", advice(summary));
}

enum onramp_status summary_json(FILE *out, const struct onramp_summary *summary, const char *ledger_path,
                                struct onramp_error *err)
{
    json_t *limit = summary->has_limit ? json_pack("{s:I, s:f}", "burst", (json_int_t)summary->limit_burst,
                                                   "per_second", summary->limit_per_second)
                                       : json_null();
    json_t *least = summary->has_least ? json_integer((json_int_t)summary->least_remaining) : json_null();
    json_t *object =
        json_pack("{s:s, s:o, s:I}", "run", summary->run, "ledger",
                  ledger_path != NULL ? print_name(ledger_path) : json_null(), "records", (json_int_t)summary->records);
    bool good = object != NULL;
    for (int i = 0; i < ONRAMP_OUTCOMES && good; i++)
        good = json_object_set_new(object, onramp_outcome_name((enum onramp_outcome)i),
                                   json_integer((json_int_t)summary->counts[i])) == 0;
    good = good && json_object_set_new(object, "requests", json_integer((json_int_t)summary->requests)) == 0 &&
           json_object_set_new(object, "throttled", json_integer((json_int_t)summary->throttled)) == 0 &&
           json_object_set(object, "least_remaining", least) == 0 && json_object_set(object, "limit", limit) == 0 &&
           json_object_set_new(object, "others", json_integer((json_int_t)summary->others)) == 0 &&
           json_object_set_new(object, "seconds", json_real(summary->seconds)) == 0 &&
           json_object_set_new(object, "exit", json_integer(summary->exit)) == 0 && set_stages(object, summary);
    json_decref(limit);
    json_decref(least);
    if (!good) {
        json_decref(object);
        object = NULL;
    }
    return print_json(out, object, "summary", err);
}
