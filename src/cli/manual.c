/*
 * manual.c - man pages in mdoc, from the tables that make --help.
 *
 * Words from the tables stand on text lines, or as one quoted argument: there no word can be taken for a macro.
 */
#include "manual.h"

#include "help.h"

#include <assert.h>
#include <ctype.h>
#include <string.h>

#define REVISED "November 24, 2026" /* when the pages last changed other than with the tables */

/* ---- words ---- */

static void put(FILE *out, char c)
{
    static const struct {
        char c;
        const char *escape;
    } special[] = {{'-', "\\-"},   {'\\', "\\e"},  {'\'', "\\(aq"}, {'"', "\\(dq"},
                   {'`', "\\(ga"}, {'~', "\\(ti"}, {'^', "\\(ha"}};
    for (size_t i = 0; i < sizeof special / sizeof special[0]; i++)
        if (special[i].c == c) {
            fputs(special[i].escape, out);
            return;
        }
    fputc(c, out);
}

static void words(FILE *out, const char *text)
{
    for (; *text != '\0'; text++)
        put(out, *text);
}

static bool ends_sentence(char c)
{
    return c == '.' || c == '!' || c == '?';
}

/* Text lines: a sentence begins a line, as mdoc wants it, and no line begins with what would make it a request. */
static void prose_n(FILE *out, const char *text, size_t size)
{
    bool begins = true;
    for (size_t i = 0; i < size; i++) {
        bool space = text[i] == ' ' || text[i] == '\n';
        if (space && (text[i] == '\n' || (i > 0 && ends_sentence(text[i - 1])))) {
            fputc('\n', out);
            begins = true;
            continue;
        }
        if (begins && text[i] == '.')
            fputs("\\&", out);
        begins = false;
        put(out, text[i]);
    }
    fputc('\n', out);
}

static void prose(FILE *out, const char *text)
{
    prose_n(out, text, strlen(text));
}

static void section(FILE *out, const char *name)
{
    fprintf(out, ".Sh %s\n", name);
}

static void item(FILE *out, const char *macro, const char *subject, const char *text)
{
    fprintf(out, ".It %s \"", macro);
    words(out, subject);
    fputs("\"\n", out);
    prose(out, text);
}

static void open_list(FILE *out, const char *width)
{
    fprintf(out, ".Bl -tag -width %s\n", width);
}

static void close_list(FILE *out)
{
    fputs(".El\n", out);
}

/* "onramp" and "upload", or "onramp" and NULL */
static void begin_page(FILE *out, const char *command, const char *summary)
{
    const char *joint = command != NULL ? "-" : "";
    const char *name = command != NULL ? command : "";
    fprintf(out, ".\\\" Made by 'onramp help --man'.\n.Dd %s\n.Dt ONRAMP%s", REVISED, joint);
    for (const char *c = name; *c != '\0'; c++)
        fputc(toupper((unsigned char)*c), out);
    fprintf(out, " 1\n.Os onramp %s\n.Sh NAME\n.Nm onramp%s%s\n.Nd \"", onramp_version(), joint, name);
    words(out, summary);
    fputs("\"\n", out);
}

/* ---- one command ---- */

static bool is_of(const struct setting *s, const struct command *command)
{
    return (s->commands & command->bit) != 0;
}

static void synopsis(FILE *out, const struct command *command)
{
    section(out, "SYNOPSIS");
    fprintf(out, ".Nm onramp Cm %s\n.Op Ar flags\n", command->name);
    for (size_t row = 0; row < command->table->count; row++)
        if (is_of(&command->table->rows[row], command) && command->table->rows[row].operand)
            fprintf(out, "%s %s\n", (command->table->rows[row].optional & command->bit) != 0 ? ".Op Ar" : ".Ar",
                    command->table->rows[row].argument);
}

static void flag(FILE *out, const struct setting *s, bool reads_env)
{
    char text[HELP_ROW_SIZE];
    help_row(text, sizeof text, s, reads_env);
    fputs(".It ", out);
    if (s->letter != 0)
        fprintf(out, "Fl %c , ", s->letter);
    if (s->operand) {
        fprintf(out, "Ar %s\n", s->argument);
    } else {
        fputs("Fl ", out);
        words(out, "-");
        words(out, s->flag);
        fprintf(out, "%s%s\n", s->argument != NULL ? " Ar " : "", s->argument != NULL ? s->argument : "");
    }
    prose(out, text);
}

static void variable(FILE *out, const struct setting *s)
{
    char text[HELP_ROW_SIZE];
    for (size_t v = 0; v < SETTING_VARIABLES && s->variables[v] != NULL; v++) {
        if (v > 0)
            (void)snprintf(text, sizeof text, "another name for %s", s->variables[0]);
        else if (s->flag != NULL)
            (void)snprintf(text, sizeof text, "as --%s: %s", s->flag, s->help);
        else if (s->operand)
            (void)snprintf(text, sizeof text, "as %s: %s", s->argument, s->help);
        else
            (void)snprintf(text, sizeof text, "%s", s->help);
        item(out, "Ev", s->variables[v], text);
    }
}

/* A comma before a number parts two codes. */
static bool parts_codes(const char *at)
{
    return at[0] == ',' && (at[1] == ' ' || at[1] == '\n') && isdigit((unsigned char)at[2]);
}

/* "Exit codes: 0 all there, 1 some refused" as a list. */
static void exit_codes(FILE *out, const char *text)
{
    const char *code = text + strcspn(text, ":") + 1;
    prose_n(out, text, (size_t)(code - text));
    open_list(out, "130");
    while (*code != '\0') {
        code += strspn(code, ", \n");
        size_t digits = strspn(code, "0123456789");
        assert(digits > 0 && code[digits] == ' ');
        const char *meaning = code + digits + 1;
        const char *end = meaning;
        while (*end != '\0' && !parts_codes(end))
            end++;
        fprintf(out, ".It %.*s\n", (int)digits, code);
        prose_n(out, meaning, (size_t)(end - meaning));
        code = end;
    }
    close_list(out);
}

void manual_command(FILE *out, const struct command *command)
{
    const struct setting_table *table = command->table;
    const char *codes = strstr(command->about, "\nExit codes");
    bool reads_env = help_reads_env(command);
    begin_page(out, command->name, command->summary);
    synopsis(out, command);
    section(out, "DESCRIPTION");
    prose_n(out, command->about, codes != NULL ? (size_t)(codes - command->about) : strlen(command->about));
    open_list(out, "Ds");
    for (size_t row = 0; row < table->count; row++)
        if (is_of(&table->rows[row], command) && !help_is_variable(&table->rows[row]))
            flag(out, &table->rows[row], reads_env);
    fputs(".It Fl h , Fl \\-help\nthe same in short\n", out);
    close_list(out);
    if (reads_env) {
        section(out, "ENVIRONMENT");
        prose(out, "A flag goes before the environment, the environment before .env, .env before the default. Secrets "
                   "are never flags.");
        open_list(out, "Ds");
        for (size_t row = 0; row < table->count; row++)
            if (is_of(&table->rows[row], command))
                variable(out, &table->rows[row]);
        close_list(out);
    }
    if (codes != NULL) {
        section(out, "EXIT STATUS");
        exit_codes(out, codes + 1);
    }
    section(out, "SEE ALSO");
    fputs(".Xr onramp 1\n", out);
}

/* ---- all of them ---- */

static bool listed_before(const struct setting_table *table, size_t row)
{
    for (size_t i = 0; i < row; i++)
        if (table->rows[i].variables[0] != NULL &&
            strcmp(table->rows[i].variables[0], table->rows[row].variables[0]) == 0)
            return true;
    return false;
}

static void environment(FILE *out)
{
    section(out, "ENVIRONMENT");
    prose(out, "Each command's page says which of these it reads. A flag goes before the environment, the environment "
               "before .env, .env before the default; an empty variable counts as unset.");
    open_list(out, "Ds");
    for (size_t row = 0; row < settings_table.count; row++)
        if (settings_table.rows[row].variables[0] != NULL && !listed_before(&settings_table, row))
            variable(out, &settings_table.rows[row]);
    close_list(out);
}

static void files(FILE *out)
{
    section(out, "FILES");
    open_list(out, "Ds");
    item(out, "Pa", ".env", "settings, as VARIABLE=value, in the working directory or where --env-file says");
    item(out, "Pa", "FILE.ledger.ndjson",
         "what became of each record of FILE: append-only, mode 0600, never a password or token in it");
    item(out, "Pa", "FILE.sealed.ndjson", "passwords, encrypted to the key that --seal-to names");
    close_list(out);
}

static void exit_status(FILE *out)
{
    section(out, "EXIT STATUS");
    prose(out,
          "Of upload; the other commands follow it, and their pages say how. Any of them ends with 5 instead of 0 if "
          "standard output takes no more; keygen ends with 2 then, and has made nothing.");
    open_list(out, "130");
    item(out, "", "0", "every record is created or exists");
    item(out, "", "1", "finished, but some are invalid, duplicate or rejected");
    item(out, "", "2", "usage or configuration; nothing was sent");
    item(out, "", "3",
         "refused before the first write: an unreadable or malformed file, too many users, a connection "
         "that is missing, disabled or not a database");
    item(out, "", "4", "the tenant refused the credentials");
    item(out, "", "5", "some are failed or unknown: run the same command again");
    item(out, "", "130", "interrupted: what was in flight is recorded; run the same command again");
    close_list(out);
}

static void example(FILE *out, const char *text, const char *line)
{
    prose(out, text);
    fputs(".Pp\n.Dl \"", out);
    words(out, line);
    fputs("\"\n", out);
}

static void examples(FILE *out)
{
    static const char *const lines[][2] = {
        {"See it work on this machine, without an account:", "onramp demo"},
        {"Look before the leap, then go:", "onramp check users.json && onramp upload users.json"},
        {"Carry on until nothing is left to do:",
         "until onramp upload users.json; do [ $? -eq 5 ] || break; sleep 5; done"},
        {"Take out the records that were refused, to be corrected and uploaded:",
         "onramp retry users.json.ledger.ndjson users.json >rest.ndjson"},
        {"What happened, as a page to pass on:", "onramp report users.json.ledger.ndjson --html report.html"}};
    section(out, "EXAMPLES");
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        if (i > 0)
            fputs(".Pp\n", out);
        example(out, lines[i][0], lines[i][1]);
    }
}

static const char *name_after(const char *last)
{
    const char *next = NULL;
    for (const struct command *c = commands; c->name != NULL; c++)
        if (strcmp(c->name, last) > 0 && (next == NULL || strcmp(c->name, next) < 0))
            next = c->name;
    return next;
}

/* In the order of the alphabet, as mdoc wants it. */
static void see_also(FILE *out)
{
    section(out, "SEE ALSO");
    const char *last = "";
    for (const char *next; (next = name_after(last)) != NULL; last = next)
        fprintf(out, ".Xr onramp-%s 1%s\n", next, name_after(next) != NULL ? " ," : "");
}

void manual_all(FILE *out)
{
    begin_page(out, NULL, "creates users in an Auth0 tenant, as fast as the tenant allows and no faster");
    section(out, "SYNOPSIS");
    fputs(".Nm\n.Ar command\n.Op Ar flags\n.Nm\n.Cm help\n.Op Ar command\n.Nm\n.Cm help Fl \\-man\n.Op Ar command\n"
          ".Nm\n.Cm help Fl \\-completion Cm bash\n.Nm\n.Fl \\-version\n",
          out);
    section(out, "DESCRIPTION");
    prose(out, "onramp creates users through POST /api/v2/users. It learns the tenant's limits from its answers and "
               "keeps within them. Each attempt is on disk before its request leaves, so that after any interruption "
               "the same command carries on where it stopped.");
    fputs(".Pp\nThe commands are:\n", out);
    open_list(out, "Ds");
    for (const struct command *c = commands; c->name != NULL; c++)
        item(out, "Cm", c->name, c->summary);
    item(out, "Cm", "help",
         "what a command's --help prints; with --man, its man page in mdoc; with --completion bash, a completion "
         "script for bash, and for zsh with bashcompinit");
    close_list(out);
    environment(out);
    files(out);
    exit_status(out);
    examples(out);
    see_also(out);
}
