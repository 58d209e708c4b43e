/*
 * cmd_check.c - onramp check [FILE].
 */
#include "commands.h"
#include "print.h"
#include "reach.h"

#include <onramp/check.h>

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum onramp_status check_settings(const struct settings *s, struct onramp_error *err)
{
    enum onramp_status st = reach_check_target(s, err);
    if (st == ONRAMP_OK)
        st = reach_check(s, true, err);
    if (st != ONRAMP_OK)
        return st;
    st = s->file != NULL ? settings_check_file(s->file, err) : ONRAMP_OK;
    if (st != ONRAMP_OK)
        return st;
    return reach_export_proxies(s) ? ONRAMP_OK : onramp_fail(err, ONRAMP_ENOMEM, "out of memory");
}

/* ---- for people ---- */

/* By line, or where all of the file is on one, by ordinal. */
static void put_places(const struct onramp_finding *f, bool by_line)
{
    if (f->count == 0)
        return;
    const char *what = by_line ? "line" : "record";
    if (f->count > 1)
        printf(" (%s%" PRIu64 "%s records: %ss", f->varied ? "the first of " : "", f->count, f->varied ? " such" : "",
               what);
    else
        printf(" (%s", what);
    for (size_t i = 0; i < f->first_count; i++)
        printf("%s %" PRIu64, i > 0 ? "," : "", by_line ? f->lines[i] : f->first[i]);
    fputs(f->count > f->first_count ? ", …)" : ")", stdout);
}

static bool has_lines(const struct onramp_check *check)
{
    bool has = check->records <= 1;
    for (size_t i = 0; i < check->count; i++)
        for (size_t k = 0; k < check->findings[i].first_count; k++)
            has |= check->findings[i].lines[k] > 1;
    return has;
}

static void put_finding(const struct onramp_finding *f, bool by_line)
{
    printf("  %-8s ", onramp_severity_name(f->severity));
    print_clean(stdout, f->text);
    put_places(f, by_line);
    putchar('\n');
    if (f->remedy[0] != '\0') {
        printf("           → ");
        print_clean(stdout, f->remedy);
        putchar('\n');
    }
}

static const char *verdict(const struct onramp_check *check)
{
    switch (check->exit) {
    case EXIT_ALL_WELL:
        for (size_t i = 0; i < check->count; i++)
            if (check->findings[i].severity == ONRAMP_FINDING_WARNING)
                return "Nothing would stop an upload; see the warnings.";
        return "All well.";
    case 1:
        return check->sendable > 0 ? "An upload would create the others; the records above would be refused."
                                   : "An upload would create nobody: all records would be refused.";
    case EXIT_CREDENTIALS:
        return "An upload would stop at its credentials.";
    case EXIT_INTERRUPTED:
        return "Interrupted: not all was looked at.";
    default:
        return "An upload would stop before its first write.";
    }
}

static void write_text(const struct onramp_check *check, const char *file)
{
    bool by_line = has_lines(check);
    for (int part = 0; part < ONRAMP_PARTS; part++) {
        bool begun = false;
        for (size_t i = 0; i < check->count; i++) {
            if (check->findings[i].part != (enum onramp_part)part)
                continue;
            if (!begun) {
                fputs(onramp_part_name((enum onramp_part)part), stdout);
                if (part == ONRAMP_PART_FILE) {
                    putchar(' ');
                    print_clean(stdout, strcmp(file, "-") == 0 ? "standard input" : file);
                }
                putchar('\n');
            }
            begun = true;
            put_finding(&check->findings[i], by_line);
        }
        if (begun)
            putchar('\n');
    }
    if (check->has_file)
        printf("%" PRIu64 " record%s: %" PRIu64 " can be created, %" PRIu64 " invalid, %" PRIu64 " duplicate; %" PRIu64
               " verification mail%s.\n",
               check->records, print_plural(check->records), check->sendable, check->invalid, check->duplicate,
               check->mails, print_plural(check->mails));
    puts(verdict(check));
}

/* ---- for programs ---- */

static json_t *numbers(const uint64_t *values, size_t count)
{
    json_t *array = json_array();
    for (size_t i = 0; i < count; i++)
        if (json_array_append_new(array, json_integer((json_int_t)values[i])) != 0) {
            json_decref(array);
            return NULL;
        }
    return array;
}

static json_t *finding_json(const struct onramp_finding *f)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:o, s:o}", "severity", onramp_severity_name(f->severity), "part",
                     onramp_part_name(f->part), "subject", f->subject, "text", f->text, "remedy", f->remedy, "count",
                     (json_int_t)f->count, "records", numbers(f->first, f->first_count), "lines",
                     numbers(f->lines, f->first_count));
}

static enum onramp_status write_json(const struct onramp_check *check, const char *file, struct onramp_error *err)
{
    json_t *findings = json_array();
    size_t written = 0;
    while (written < check->count && json_array_append_new(findings, finding_json(&check->findings[written])) == 0)
        written++;
    json_t *object = NULL;
    if (written == check->count)
        object =
            json_pack("{s:o, s:I, s:I, s:I, s:I, s:I, s:O, s:i}", "file", file != NULL ? print_name(file) : json_null(),
                      "records", (json_int_t)check->records, "sendable", (json_int_t)check->sendable, "invalid",
                      (json_int_t)check->invalid, "duplicate", (json_int_t)check->duplicate, "mails",
                      (json_int_t)check->mails, "findings", findings, "exit", check->exit);
    json_decref(findings);
    return print_json(stdout, object, "findings", err);
}

/* ---- the command ---- */

static enum onramp_status look(const struct settings *s, struct console *console, int *code, struct onramp_error *err)
{
    struct onramp_source source = {0};
    struct onramp_transport pool = {0};
    struct onramp_check check = {0};
    struct reach_talk talk = {.console = console};
    struct onramp_observer observer = reach_observer(&talk);
    struct reach_network network = {
        .domain = &s->domain, .cacert = s->cacert, .proxy = s->proxy, .concurrency = (uint32_t)s->concurrency};
    struct onramp_check_settings settings = {.target = reach_target(s, &s->domain, s->connection),
                                             .max_users = s->max_users,
                                             .verification_mail = (enum onramp_verification_mail)s->verification_mail};
    enum onramp_status st = s->file != NULL ? onramp_source_open(&source, s->file, err) : ONRAMP_OK;
    if (st == ONRAMP_OK)
        st = reach_open(&pool, &network, err);
    if (st == ONRAMP_OK)
        st = onramp_check(&settings, s->file != NULL ? &source : NULL, &pool, &observer, &check, err);
    if (st == ONRAMP_OK) {
        *code = check.exit;
        if (s->json)
            st = write_json(&check, s->file, err);
        else
            write_text(&check, s->file);
    }
    onramp_check_clear(&check);
    if (pool.ops != NULL)
        pool.ops->close(pool.self);
    if (source.ops != NULL)
        source.ops->close(source.self);
    return st;
}

int cmd_check(void *values)
{
    const struct settings *s = values;
    struct onramp_error err = {0};
    struct console console;
    struct console_settings talk = reach_console(s);
    int code = EXIT_USAGE;
    console_begin(&console, &talk);
    enum onramp_status st = check_settings(s, &err);
    if (st == ONRAMP_OK)
        st = look(s, &console, &code, &err);
    console_end(&console);
    if (st == ONRAMP_OK)
        return code;
    console_log(&console, ONRAMP_LOG_ERROR, err.text);
    return reach_exit(st, false);
}
