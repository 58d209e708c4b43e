/*
 * cmd_report.c - onramp report LEDGER.
 */
#include "commands.h"
#include "console.h"
#include "report_out.h"
#include "rows.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

struct report_values {
    char *ledger, *html, *env_file;
    bool json, csv;
};

#define AT(field) .offset = offsetof(struct report_values, field), .commands = ~0U

static const struct setting rows[] = {
    {ROW_LEDGER, AT(ledger)},
    {.flag = "json", .kind = SETTING_FLAG, .help = "all of it as one JSON object", AT(json)},
    {.flag = "csv", .kind = SETTING_FLAG, .help = "a row for each record, for a spreadsheet", AT(csv)},
    {.flag = "html",
     .kind = SETTING_PATH,
     .argument = "PATH",
     .help = "a page with charts, to this file instead of text to standard output",
     AT(html)},
    {ROW_ENV_FILE, AT(env_file)},
};
const struct setting_table report_table = {rows, sizeof rows / sizeof rows[0], sizeof(struct report_values)};

static enum onramp_status print(const struct report_values *values, const struct onramp_report *report,
                                struct onramp_error *err)
{
    if (values->json)
        return report_json(stdout, report, values->ledger, err);
    if (values->csv)
        report_csv(stdout, report);
    else if (values->html == NULL)
        report_text(stdout, report, values->ledger);
    return ONRAMP_OK;
}

/* What is half written is of no use, and is taken away. */
static enum onramp_status write_page(const struct report_values *values, const struct onramp_report *report,
                                     struct onramp_error *err)
{
    FILE *out = fopen(values->html, "w");
    if (out == NULL)
        return onramp_fail_sys(err, errno, "cannot open '%s'", values->html);
    enum onramp_status st = report_html(out, report, values->ledger, err);
    bool good = fflush(out) == 0 && ferror(out) == 0;
    int errnum = errno;
    if (fclose(out) != 0 && good) {
        good = false;
        errnum = errno;
    }
    if (st == ONRAMP_OK && !good)
        st = onramp_fail_sys(err, errnum, "cannot write '%s'", values->html);
    struct stat status;
    if (st != ONRAMP_OK && stat(values->html, &status) == 0 && S_ISREG(status.st_mode))
        (void)unlink(values->html);
    return st;
}

static bool is_same_file(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static enum onramp_status check(const struct report_values *values, struct onramp_error *err)
{
    if (values->ledger == NULL)
        return onramp_fail(err, ONRAMP_EUSAGE, "no ledger: give one as an argument, or set ONRAMP_LEDGER");
    if (values->json && values->csv)
        return onramp_fail(err, ONRAMP_EUSAGE, "--json and --csv both want standard output: give one of them");
    if (values->html != NULL && is_same_file(values->html, values->ledger))
        return onramp_fail(err, ONRAMP_EUSAGE, "--html: '%s' is the ledger itself", values->html);
    return ONRAMP_OK;
}

int cmd_report(void *self)
{
    const struct report_values *values = self;
    struct onramp_ledger *ledger = NULL;
    struct onramp_report report = {.entry_count = 0};
    struct onramp_error err = {.status = ONRAMP_OK};
    enum onramp_status st = check(values, &err);
    if (st == ONRAMP_OK)
        st = onramp_ledger_read(&ledger, values->ledger, &err);
    if (st == ONRAMP_OK && onramp_ledger_repaired(ledger) > 0)
        console_error("the ledger ends in half a line: a run is writing it, was killed, or met a full disk");
    if (st == ONRAMP_OK)
        st = onramp_report_make(&report, ledger, &err);
    if (st == ONRAMP_OK && values->html != NULL)
        st = write_page(values, &report, &err);
    if (st == ONRAMP_OK)
        st = print(values, &report, &err);
    if (st != ONRAMP_OK)
        console_error(err.text);
    onramp_report_clear(&report);
    onramp_ledger_close(ledger);
    return st == ONRAMP_OK ? EXIT_ALL_WELL : EXIT_USAGE;
}
