/*
 * load.c - fills a command's settings: defaults first, then flags, the environment and .env, in this order, each of
 * which leaves alone what one before it has set.
 */
#include "commands.h"
#include "dotenv.h"
#include "suggest.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern char **environ; /* POSIX has it in no header */

#define ROWS_MAX   96  /* rows of one table */
#define FIRST_LONG 256 /* getopt's value of a long flag is this and its row: no short flag is there */
#define HELP       (FIRST_LONG + ROWS_MAX)

struct load {
    const struct command *command;
    const struct setting_table *table;
    void *values;
    bool set[ROWS_MAX];
    struct onramp_error *err;
};

static bool belongs(const struct load *load, size_t row)
{
    return (load->table->rows[row].commands & load->command->bit) != 0;
}

static void *field(const struct load *load, size_t row)
{
    return (char *)load->values + load->table->rows[row].offset;
}

/* Set a row from `text`. On failure the error names `source`, then `name` where the source holds many. */
static enum onramp_status set(struct load *load, size_t row, const char *text, const char *source, const char *name)
{
    struct onramp_error why = {0};
    enum onramp_status st = setting_parse(&load->table->rows[row], text, field(load, row), &why);
    if (st != ONRAMP_OK)
        return onramp_fail(load->err, st, "%s%s%s: %s", source, name != NULL ? ": " : "", name != NULL ? name : "",
                           why.text);
    load->set[row] = true;
    return ONRAMP_OK;
}

/* "token" of AUTH0_MNG_TOKEN: does a flag's name end a secret's variable? */
static bool names_secret(const struct setting *setting, const char *flag)
{
    size_t size = strlen(flag);
    for (size_t v = 0; setting->kind == SETTING_SECRET && v < SETTING_VARIABLES && setting->variables[v] != NULL; v++) {
        const char *variable = setting->variables[v];
        size_t rest = strlen(variable);
        if (size == 0 || rest < size || (rest > size && variable[rest - size - 1] != '_'))
            continue;
        size_t same = 0;
        for (variable += rest - size; same < size; same++) {
            char c = flag[same] == '-' ? '_' : flag[same];
            if ((c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c) != variable[same])
                break;
        }
        if (same == size)
            return true;
    }
    return false;
}

/* A flag that is not there: say what was meant. The text after '=' is left out, since it may be a secret. */
static enum onramp_status unknown_flag(struct load *load, const char *given)
{
    if (strncmp(given, "--", 2) != 0)
        return onramp_fail(load->err, ONRAMP_EUSAGE, "there is no flag '-%c'; 'onramp %s --help' lists them", optopt,
                           load->command->name);
    char flag[64];
    (void)snprintf(flag, sizeof flag, "%.*s", (int)strcspn(given + 2, "="), given + 2);
    struct suggestion best;
    suggestion_begin(&best, flag);
    suggestion_offer(&best, "help");
    for (size_t row = 0; row < load->table->count; row++) {
        const struct setting *setting = &load->table->rows[row];
        if (!belongs(load, row))
            continue;
        if (names_secret(setting, flag))
            return onramp_fail(load->err, ONRAMP_EUSAGE,
                               "--%s: secrets are never flags, since flags show in process lists and shell history; "
                               "set %s in the environment or in .env",
                               flag, setting->variables[0]);
        suggestion_offer(&best, setting->flag);
    }
    if (best.word != NULL)
        return onramp_fail(load->err, ONRAMP_EUSAGE, "there is no flag '--%s'; did you mean '--%s'?", flag, best.word);
    return onramp_fail(load->err, ONRAMP_EUSAGE, "there is no flag '--%s'; 'onramp %s --help' lists them", flag,
                       load->command->name);
}

/* The rows as getopt_long wants them. */
static void describe(const struct load *load, struct option longs[ROWS_MAX + 2], char shorts[2 * ROWS_MAX + 4])
{
    size_t count = 0, at = 0;
    shorts[at++] = ':'; /* a missing argument is told apart from an unknown flag */
    shorts[at++] = 'h';
    for (size_t row = 0; row < load->table->count; row++) {
        const struct setting *setting = &load->table->rows[row];
        if (!belongs(load, row) || setting->flag == NULL)
            continue;
        bool bare = setting->kind == SETTING_FLAG;
        longs[count++] = (struct option){
            .name = setting->flag, .has_arg = bare ? no_argument : required_argument, .val = FIRST_LONG + (int)row};
        if (setting->letter != 0) {
            shorts[at++] = setting->letter;
            if (!bare)
                shorts[at++] = ':';
        }
    }
    longs[count++] = (struct option){.name = "help", .has_arg = no_argument, .val = HELP};
    longs[count] = (struct option){0};
    shorts[at] = '\0';
}

/* Which row a value of getopt_long stands for. */
static size_t row_of(const struct load *load, int value)
{
    if (value >= FIRST_LONG)
        return (size_t)(value - FIRST_LONG);
    size_t row = 0;
    while (row < load->table->count && (!belongs(load, row) || load->table->rows[row].letter != value))
        row++;
    return row;
}

/* The argument that getopt_long has just taken a long flag from. */
static const char *taken_from(char **argv)
{
    return optarg != NULL && optarg == argv[optind - 1] ? argv[optind - 2] : argv[optind - 1];
}

/* The beginning of a flag is none: --password does not mean --password-length, and what follows it is not to be
 * repeated. The text after '=' is left out for the same reason. */
static enum onramp_status check_spelling(const struct load *load, const char *given, int value)
{
    const char *flag = value == HELP ? "help" : load->table->rows[row_of(load, value)].flag;
    size_t size = strcspn(given, "=");
    if (size == strlen(flag) + 2 && strncmp(given + 2, flag, size - 2) == 0)
        return ONRAMP_OK;
    return onramp_fail(load->err, ONRAMP_EUSAGE, "there is no flag '%.*s'; did you mean '--%s'?", (int)size, given,
                       flag);
}

static enum onramp_status load_flag(struct load *load, size_t row, const char *text)
{
    const struct setting *setting = &load->table->rows[row];
    char source[64];
    (void)snprintf(source, sizeof source, "--%s", setting->flag);
    if (setting->check_flag != NULL) {
        struct onramp_error why = {0};
        enum onramp_status st = setting->check_flag(text, &why);
        if (st != ONRAMP_OK)
            return onramp_fail(load->err, st, "%s: %s", source, why.text);
    }
    return set(load, row, text, source, NULL);
}

/* Arguments without a flag go to the operand rows, in order. */
static enum onramp_status load_operands(struct load *load, int argc, char **argv)
{
    size_t row = 0;
    for (int i = optind; i < argc; i++, row++) {
        while (row < load->table->count && !(belongs(load, row) && load->table->rows[row].operand))
            row++;
        if (row >= load->table->count)
            return onramp_fail(load->err, ONRAMP_EUSAGE, "'%s' is one argument too many; 'onramp %s --help' tells more",
                               argv[i], load->command->name);
        enum onramp_status st = set(load, row, argv[i], load->table->rows[row].argument, NULL);
        if (st != ONRAMP_OK)
            return st;
    }
    return ONRAMP_OK;
}

static bool is_given(const struct load *load, const char *flag)
{
    size_t row = 0;
    while (row < load->table->count &&
           !(load->set[row] && load->table->rows[row].flag != NULL && strcmp(load->table->rows[row].flag, flag) == 0))
        row++;
    return row < load->table->count;
}

/* As long as nothing but flags has been read. */
static enum onramp_status check_rivals(const struct load *load)
{
    for (size_t row = 0; row < load->table->count; row++) {
        const struct setting *setting = &load->table->rows[row];
        for (size_t i = 0; load->set[row] && i < SETTING_RIVALS && setting->rivals[i] != NULL; i++)
            if (is_given(load, setting->rivals[i]))
                return onramp_fail(load->err, ONRAMP_EUSAGE, "--%s and --%s are two questions: give one of them",
                                   setting->flag, setting->rivals[i]);
    }
    return ONRAMP_OK;
}

static enum onramp_status load_flags(struct load *load, int argc, char **argv, bool *help)
{
    struct option longs[ROWS_MAX + 2];
    char shorts[2 * ROWS_MAX + 4];
    describe(load, longs, shorts);
    opterr = 0;
    optind = 0; /* begin anew, and forget what an earlier scan left */
    for (int value; (value = getopt_long(argc, argv, shorts, longs, NULL)) != -1;) {
        if (value >= FIRST_LONG) {
            enum onramp_status st = check_spelling(load, taken_from(argv), value);
            if (st != ONRAMP_OK)
                return st;
        }
        if (value == 'h' || value == HELP) {
            *help = true;
            return ONRAMP_OK;
        }
        if (value == ':')
            return onramp_fail(load->err, ONRAMP_EUSAGE, "'%s' needs a value", argv[optind - 1]);
        if (value == '?' && optopt >= FIRST_LONG)
            return onramp_fail(load->err, ONRAMP_EUSAGE, "'--%s' takes no value",
                               optopt == HELP ? "help" : load->table->rows[row_of(load, optopt)].flag);
        if (value == '?')
            return unknown_flag(load, optopt != 0 ? "" : argv[optind - 1]);
        enum onramp_status st = load_flag(load, row_of(load, value), optarg);
        if (st != ONRAMP_OK)
            return st;
    }
    enum onramp_status st = check_rivals(load);
    return st == ONRAMP_OK ? load_operands(load, argc, argv) : st;
}

/* The environment stays readable to others of the same user (ps e, /proc): take the secret out of it. */
static void wipe(char *text)
{
    for (volatile char *at = text; *at != '\0'; at++)
        *at = '\0';
}

static enum onramp_status load_environment(struct load *load)
{
    for (size_t row = 0; row < load->table->count; row++) {
        const struct setting *setting = &load->table->rows[row];
        for (size_t v = 0; belongs(load, row) && v < SETTING_VARIABLES && setting->variables[v] != NULL; v++) {
            char *text = getenv(setting->variables[v]);
            if (text == NULL || *text == '\0')
                continue;
            enum onramp_status st = ONRAMP_OK;
            if (!load->set[row])
                st = set(load, row, text, setting->variables[v], NULL);
            if (setting->kind == SETTING_SECRET)
                wipe(text);
            if (st != ONRAMP_OK)
                return st;
        }
    }
    return ONRAMP_OK;
}

/* Does some command read this variable? If not, *best is the nearest that one does. */
static bool is_variable(const char *name, struct suggestion *best)
{
    suggestion_begin(best, name);
    for (const struct command *c = commands; c->name != NULL; c++)
        for (size_t row = 0; row < c->table->count; row++)
            for (size_t v = 0; v < SETTING_VARIABLES && c->table->rows[row].variables[v] != NULL; v++) {
                if (strcmp(c->table->rows[row].variables[v], name) == 0)
                    return true;
                suggestion_offer(best, c->table->rows[row].variables[v]);
            }
    return false;
}

/*
 * A misspelt variable would be a limit that silently does not hold. In .env every ONRAMP_ name is meant for us; other
 * names, and those of the environment, may be other programs', unless a single letter keeps them from being ours.
 */
static enum onramp_status check_name(const struct load *load, const char *where, const char *name, bool dotenv)
{
    struct suggestion best;
    bool ours = strncmp(name, "ONRAMP_", 7) == 0;
    if (!ours && strncmp(name, "AUTH0_", 6) != 0 && strncmp(name, "BULK_", 5) != 0)
        return ONRAMP_OK;
    if (is_variable(name, &best) || (!(ours && dotenv) && (best.word == NULL || best.distance > 1)))
        return ONRAMP_OK;
    return onramp_fail(load->err, ONRAMP_EUSAGE, "%s: there is no setting '%s'%s%s%s", where, name,
                       best.word != NULL ? "; did you mean '" : "", best.word != NULL ? best.word : "",
                       best.word != NULL ? "'?" : "");
}

static enum onramp_status check_environment(const struct load *load)
{
    for (char **at = environ; *at != NULL; at++) {
        char name[64];
        size_t size = strcspn(*at, "=");
        if (size >= sizeof name || (*at)[size] == '\0' || (*at)[size + 1] == '\0')
            continue;
        memcpy(name, *at, size);
        name[size] = '\0';
        enum onramp_status st = check_name(load, "the environment", name, false);
        if (st != ONRAMP_OK)
            return st;
    }
    return ONRAMP_OK;
}

/* Does the pair at hand set this row, under the variable of rank `v`? */
static enum onramp_status load_pair(struct load *load, size_t v, const char *path, const struct dotenv *env,
                                    const bool *before)
{
    for (size_t row = 0; row < load->table->count; row++) {
        const char *variable = load->table->rows[row].variables[v];
        if (before[row] || !belongs(load, row) || variable == NULL || strcmp(variable, env->name) != 0 ||
            *env->value == '\0')
            continue;
        char source[256];
        (void)snprintf(source, sizeof source, "%.200s line %u", path, env->line);
        enum onramp_status st = set(load, row, env->value, source, variable);
        if (st != ONRAMP_OK)
            return st;
    }
    return ONRAMP_OK;
}

/* Once for each rank of variables, so that a row's first name wins; within a rank the last line wins, as in a shell. */
static enum onramp_status load_dotenv(struct load *load, const char *path, bool optional)
{
    struct onramp_secret *text = NULL, *scratch = NULL;
    enum onramp_status st = dotenv_read(&text, path, optional, load->err);
    if (st != ONRAMP_OK || text == NULL)
        return st;
    st = onramp_secret_new(&scratch, text->size, load->err);
    for (size_t v = 0; v < SETTING_VARIABLES && st == ONRAMP_OK; v++) {
        bool before[ROWS_MAX];
        memcpy(before, load->set, sizeof before);
        struct dotenv env;
        dotenv_begin(&env, text->text, text->size, scratch->text);
        for (bool end = false; st == ONRAMP_OK;) {
            struct onramp_error why = {0};
            st = dotenv_next(&env, &end, &why);
            if (st != ONRAMP_OK)
                (void)onramp_fail(load->err, st, "%s %s", path, why.text);
            if (end || st != ONRAMP_OK)
                break;
            char where[256];
            (void)snprintf(where, sizeof where, "%.200s line %u", path, env.line);
            st = check_name(load, where, env.name, true);
            if (st == ONRAMP_OK)
                st = load_pair(load, v, path, &env, before);
        }
    }
    onramp_secret_free(scratch);
    onramp_secret_free(text);
    return st;
}

/* Of the command's own rows, or of all others: a command that shares a struct finds every field of it filled. */
static enum onramp_status load_defaults(struct load *load, bool own)
{
    for (size_t row = 0; row < load->table->count; row++) {
        const struct setting *setting = &load->table->rows[row];
        if (belongs(load, row) != own)
            continue;
        if (setting->kind == SETTING_CHOICE)
            *(int *)field(load, row) = -1;
        if (setting->fallback == NULL)
            continue;
        enum onramp_status st = set(load, row, setting->fallback, "default", setting->flag);
        load->set[row] = false;
        if (st != ONRAMP_OK)
            return st;
    }
    return ONRAMP_OK;
}

/* The row of --env-file: a command without it reads neither the environment nor .env. */
static size_t env_file_row(const struct load *load)
{
    size_t row = 0;
    while (row < load->table->count && !(belongs(load, row) && load->table->rows[row].flag != NULL &&
                                         strcmp(load->table->rows[row].flag, "env-file") == 0))
        row++;
    return row;
}

enum onramp_status settings_load(const struct command *command, int argc, char **argv, void *values, bool *help,
                                 struct onramp_error *err)
{
    struct load load = {.command = command, .table = command->table, .values = values, .err = err};
    if (load.table->count > ROWS_MAX)
        return onramp_fail(err, ONRAMP_EUSAGE, "the table of settings has more than %d rows", ROWS_MAX);
    *help = false;
    enum onramp_status st = load_defaults(&load, false);
    if (st == ONRAMP_OK)
        st = load_defaults(&load, true);
    if (st == ONRAMP_OK)
        st = load_flags(&load, argc, argv, help);
    if (st != ONRAMP_OK || *help)
        return st;
    size_t row = env_file_row(&load);
    if (row < load.table->count) {
        const char *path = *(char **)field(&load, row);
        st = check_environment(&load);
        if (st == ONRAMP_OK)
            st = load_environment(&load);
        if (st == ONRAMP_OK)
            st = load_dotenv(&load, path != NULL ? path : ".env", path == NULL);
    }
    return st;
}

enum onramp_status settings_check_file(const char *file, struct onramp_error *err)
{
    if (strcmp(file, "-") != 0 && access(file, F_OK) != 0 && errno == ENOENT)
        return onramp_fail(err, ONRAMP_EUSAGE, "there is no file '%s'", file);
    return ONRAMP_OK;
}

void settings_clear(const struct setting_table *table, void *values)
{
    for (size_t row = 0; row < table->count; row++) {
        char *at = (char *)values + table->rows[row].offset;
        switch (table->rows[row].kind) {
        case SETTING_TEXT:
        case SETTING_PATH:
            free(*(char **)at);
            *(char **)at = NULL; /* rows of two commands may share a field */
            break;
        case SETTING_SECRET:
            onramp_secret_free(*(struct onramp_secret **)at);
            *(struct onramp_secret **)at = NULL;
            break;
        default:
            break;
        }
    }
}
