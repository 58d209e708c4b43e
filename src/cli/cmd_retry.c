/*
 * cmd_retry.c - onramp retry LEDGER FILE: what did not end well, to standard output.
 */
#include "commands.h"
#include "console.h"
#include "print.h"
#include "rows.h"

#include <onramp/retry.h>

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct retry_values {
    char *ledger, *file, *env_file;
    bool quiet;
};

#define AT(field) .offset = offsetof(struct retry_values, field), .commands = ~0U

static const struct setting rows[] = {
    {ROW_LEDGER, AT(ledger)},
    {.operand = true,
     .kind = SETTING_PATH,
     .argument = "FILE",
     .variables = {"BULK_USER_FILE"},
     .help = "the users that were uploaded; '-' for standard input",
     AT(file)},
    {.flag = "quiet", .letter = 'q', .kind = SETTING_FLAG, .help = "errors only on standard error", AT(quiet)},
    {ROW_ENV_FILE, AT(env_file)},
};
const struct setting_table retry_table = {rows, sizeof rows / sizeof rows[0], sizeof(struct retry_values)};

static enum onramp_status check(const struct retry_values *values, struct onramp_error *err)
{
    if (values->ledger == NULL)
        return onramp_fail(err, ONRAMP_EUSAGE, "no ledger: give it as the first argument, or set ONRAMP_LEDGER");
    if (values->file == NULL)
        return onramp_fail(err, ONRAMP_EUSAGE,
                           "no file of users: give the one that was uploaded behind the ledger, or set BULK_USER_FILE");
    return settings_check_file(values->file, err);
}

/* False if standard output takes no more: main() says why. */
static bool put_record(void *context, const struct onramp_record *record)
{
    (void)context;
    return fwrite(record->json, 1, record->size, stdout) == record->size && fputc('\n', stdout) != EOF;
}

struct tally {
    char text[400];
    size_t size;
};

static void count(struct tally *tally, uint64_t number, const char *name)
{
    if (number > 0 && tally->size < sizeof tally->text)
        tally->size += (size_t)snprintf(tally->text + tally->size, sizeof tally->text - tally->size, "%s%" PRIu64 " %s",
                                        tally->size > 0 ? ", " : "", number, name);
}

static void say(const char *format, ...) ONRAMP_PRINTF(1, 2);

static void say(const char *format, ...)
{
    char text[600];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    console_error(text);
}

static void tell(const struct retry_values *values, const struct onramp_ledger *ledger,
                 const struct onramp_retry_summary *summary)
{
    struct tally tally = {.text = ""};
    for (int i = 0; i < ONRAMP_OUTCOMES; i++)
        count(&tally, summary->counts[i], onramp_outcome_name((enum onramp_outcome)i));
    count(&tally, summary->open, "open");
    count(&tally, summary->undone, "undone");
    count(&tally, summary->unlisted, "not in the ledger");
    say("%" PRIu64 " of %" PRIu64 " record%s%s%s", summary->written, summary->records, print_plural(summary->records),
        tally.size > 0 ? ": " : "", tally.text);
    struct onramp_ledger_run last = {.input_path = "?"};
    (void)onramp_ledger_last(ledger, &last);
    if (summary->records > 0 && summary->unlisted == summary->records)
        say("the ledger has none of these records: is '%s' the file that it is about, '%s'?", values->file,
            last.input_path);
    uint64_t doubtful = summary->open + summary->counts[ONRAMP_UNKNOWN];
    if (doubtful > 0)
        say("%" PRIu64 " of these may be in the tenant already: upload '%s' again first, since only its ledger can "
            "tell whether they are yours",
            doubtful, last.input_path);
}

int cmd_retry(void *self)
{
    const struct retry_values *values = self;
    struct onramp_ledger *ledger = NULL;
    struct onramp_source source = {.ops = NULL};
    struct onramp_retry_summary summary;
    struct onramp_error err = {.status = ONRAMP_OK};
    enum onramp_status st = check(values, &err);
    if (st == ONRAMP_OK)
        st = onramp_ledger_read(&ledger, values->ledger, &err);
    int code = EXIT_USAGE;
    if (st == ONRAMP_OK) {
        st = onramp_source_open(&source, values->file, &err);
        code = EXIT_REFUSED;
    }
    if (st == ONRAMP_OK)
        st = onramp_retry(ledger, &source, put_record, NULL, &summary, &err);
    bool taken = fflush(stdout) == 0 && !ferror(stdout); /* before it is said that they are written */
    if (!taken) {
        code = EXIT_AGAIN; /* main() says why */
    } else if (st != ONRAMP_OK) {
        console_error(err.text);
    } else {
        code = EXIT_ALL_WELL;
        if (!values->quiet)
            tell(values, ledger, &summary);
    }
    if (source.ops != NULL)
        source.ops->close(source.self);
    onramp_ledger_close(ledger);
    return code;
}
