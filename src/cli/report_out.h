/*
 * report_out.h - a report for people, for programs, for spreadsheets and for browsers.
 */
#ifndef ONRAMP_CLI_REPORT_OUT_H
#define ONRAMP_CLI_REPORT_OUT_H

#include <onramp/report.h>

#include <stdio.h>

void report_text(FILE *out, const struct onramp_report *report, const char *ledger_path);

/* One JSON object. ONRAMP_ENOMEM. */
ONRAMP_NODISCARD enum onramp_status report_json(FILE *out, const struct onramp_report *report, const char *ledger_path,
                                                struct onramp_error *err);

/*
 * A heading and a row for each record, as RFC 4180 has it, but with LF. A text that a spreadsheet would take for a
 * formula gets an apostrophe in front.
 */
void report_csv(FILE *out, const struct onramp_report *report);

/* One page with charts, that loads nothing; nobody is named in it. ONRAMP_ENOMEM. */
ONRAMP_NODISCARD enum onramp_status report_html(FILE *out, const struct onramp_report *report, const char *ledger_path,
                                                struct onramp_error *err);

/* Its outcome, or "open" or "undone". */
const char *report_outcome(const struct onramp_ledger_entry *entry);

#endif
