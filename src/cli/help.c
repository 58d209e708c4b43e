/*
 * help.c - what --help prints, from the tables.
 */
#include "help.h"

#include <string.h>

#define WIDTH  100
#define COLUMN 28 /* where explanations begin */

/* Words from column COLUMN on, wrapped at WIDTH. `at` is the column reached so far. */
static void explain(FILE *out, size_t at, const char *words)
{
    if (at + 1 >= COLUMN) {
        fputc('\n', out);
        at = 0;
    }
    for (; at < COLUMN; at++)
        fputc(' ', out);
    for (bool first = true; *words != '\0'; first = false) {
        size_t size = strcspn(words, " ");
        if (!first && at + 1 + size > WIDTH) {
            fprintf(out, "\n%*s", COLUMN, "");
            at = COLUMN;
        } else if (!first) {
            fputc(' ', out);
            at++;
        }
        fwrite(words, 1, size, out);
        at += size;
        words += size + (words[size] == ' ');
    }
    fputc('\n', out);
}

bool help_is_variable(const struct setting *s)
{
    return s->flag == NULL && !s->operand;
}

bool help_reads_env(const struct command *command)
{
    const struct setting_table *table = command->table;
    for (size_t row = 0; row < table->count; row++)
        if ((table->rows[row].commands & command->bit) != 0 && table->rows[row].flag != NULL &&
            strcmp(table->rows[row].flag, "env-file") == 0)
            return true;
    return false;
}

void help_row(char *text, size_t size, const struct setting *s, bool reads_env)
{
    bool variables = reads_env && s->variables[0] != NULL;
    size_t at = (size_t)snprintf(text, size, "%s", s->help);
    for (size_t i = 0;
         s->kind == SETTING_CHOICE && s->choice(i) != NULL && at < size && strchr(s->argument, '|') == NULL; i++)
        at += (size_t)snprintf(text + at, size - at, "%s%s", i == 0 ? ": " : ", ", s->choice(i));
    const char *open = " [";
    for (size_t v = 0; variables && v < SETTING_VARIABLES && s->variables[v] != NULL && at < size; v++, open = ", ")
        at += (size_t)snprintf(text + at, size - at, "%s%s", open, s->variables[v]);
    if (s->fallback != NULL && at < size)
        at += (size_t)snprintf(text + at, size - at, "%sdefault %s", open, s->fallback);
    if ((variables || s->fallback != NULL) && at < size)
        (void)snprintf(text + at, size - at, "]");
}

static void print_row(FILE *out, const struct setting *s, bool reads_env)
{
    char text[HELP_ROW_SIZE];
    int at;
    if (help_is_variable(s)) {
        at = fprintf(out, "  %s", s->variables[0]);
        (void)snprintf(text, sizeof text, "%s%s%s%s", s->help, s->variables[1] != NULL ? " [also " : "",
                       s->variables[1] != NULL ? s->variables[1] : "", s->variables[1] != NULL ? "]" : "");
    } else {
        help_row(text, sizeof text, s, reads_env);
        if (s->operand)
            at = fprintf(out, "  %s", s->argument);
        else
            at = fprintf(out, "  %c%c%c --%s%s%s", s->letter != 0 ? '-' : ' ', s->letter != 0 ? s->letter : ' ',
                         s->letter != 0 ? ',' : ' ', s->flag, s->argument != NULL ? " " : "",
                         s->argument != NULL ? s->argument : "");
    }
    explain(out, at > 0 ? (size_t)at : 0, text);
}

void help_command(FILE *out, const struct command *command)
{
    const struct setting_table *table = command->table;
    bool reads_env = help_reads_env(command), has_variables = false;
    fprintf(out, "onramp %s: %s\n\nUsage: onramp %s [flags]", command->name, command->summary, command->name);
    for (size_t row = 0; row < table->count; row++) {
        const struct setting *s = &table->rows[row];
        if ((s->commands & command->bit) == 0)
            continue;
        if (s->operand)
            fprintf(out, (s->optional & command->bit) != 0 ? " [%s]" : " %s", s->argument);
        has_variables = has_variables || help_is_variable(s);
    }
    fprintf(out, "\n\n%s\n\n", command->about);
    for (size_t row = 0; row < table->count; row++)
        if ((table->rows[row].commands & command->bit) != 0 && !help_is_variable(&table->rows[row]))
            print_row(out, &table->rows[row], reads_env);
    fprintf(out, "  -h, --help");
    explain(out, strlen("  -h, --help"), "this text");
    if (has_variables)
        fputs("\nVariables without a flag (secrets are never flags):\n", out);
    for (size_t row = 0; row < table->count; row++)
        if ((table->rows[row].commands & command->bit) != 0 && help_is_variable(&table->rows[row]))
            print_row(out, &table->rows[row], reads_env);
    if (reads_env)
        fputs("\nA flag goes before the environment, the environment before .env, .env before the default.\n", out);
}

void help_all(FILE *out)
{
    fputs("onramp: creates users in an Auth0 tenant, as fast as the tenant allows and no faster\n\n"
          "Usage: onramp COMMAND [flags]\n\n",
          out);
    for (const struct command *c = commands; c->name != NULL; c++)
        fprintf(out, "  %-10s %s\n", c->name, c->summary);
    fputs("\n'onramp COMMAND --help' tells more; 'onramp --version' says which this is.\n"
          "'onramp help --man [COMMAND]' prints a man page, 'onramp help --completion bash' a script for the shell.\n"
          "New here? 'onramp demo' needs no account.\n",
          out);
}
