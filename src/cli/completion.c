/*
 * completion.c - a completion script for shells, from the tables that make --help.
 *
 * Words are chosen by the command and by the flag before the cursor. Where the script knows no words, the shell
 * completes file names; and nothing where a value cannot be guessed.
 */
#include "completion.h"

#include "commands.h"

#include <string.h>

static const char head[] =
    "# bash completion for onramp, made by 'onramp help --completion bash'\n"
    "# zsh: autoload -U +X bashcompinit && bashcompinit && source THIS_FILE\n"
    "_onramp() {\n"
    "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command=${COMP_WORDS[1]} words=\n"
    "    # bash takes --flag=value apart at the =\n"
    "    if [ \"$word\" = '=' ]; then\n"
    "        word=\n"
    "    elif [ \"$before\" = '=' ]; then\n"
    "        before=${COMP_WORDS[COMP_CWORD-2]}\n"
    "    fi\n"
    "    COMPREPLY=()\n"
    "    [ \"$COMP_CWORD\" -gt 1 ] || command=\n"
    "    case \"$command $before\" in\n";

static const char tail[] = "    esac\n"
                           "    COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
                           "}\n"
                           "complete -o bashdefault -o default -F _onramp onramp\n";

static bool is_of(const struct setting *s, const struct command *command)
{
    return (s->commands & command->bit) != 0;
}

static void command_names(FILE *out)
{
    for (const struct command *c = commands; c->name != NULL; c++)
        fprintf(out, "%s ", c->name);
}

/* "|'upload --rate'|'upload -r'": patterns of the case; `joint` is empty for the first one. */
static void pattern(FILE *out, const char *joint, const struct command *command, const struct setting *s)
{
    fprintf(out, "%s'%s --%s'", joint, command->name, s->flag);
    if (s->letter != 0)
        fprintf(out, "|'%s -%c'", command->name, s->letter);
}

static void choices(FILE *out, const struct command *command)
{
    for (size_t row = 0; row < command->table->count; row++) {
        const struct setting *s = &command->table->rows[row];
        if (!is_of(s, command) || s->flag == NULL || s->kind != SETTING_CHOICE)
            continue;
        pattern(out, "    ", command, s);
        fputs(") words='", out);
        for (size_t i = 0; s->choice(i) != NULL; i++)
            fprintf(out, "%s%s", i > 0 ? " " : "", s->choice(i));
        fputs("' ;;\n", out);
    }
}

/* A path is completed; a text may be one ('--seal-to' takes either). */
static bool cannot_be_guessed(const struct setting *s)
{
    return s->flag != NULL && s->kind != SETTING_FLAG && s->kind != SETTING_CHOICE && s->kind != SETTING_PATH &&
           s->kind != SETTING_TEXT;
}

static void unknown_values(FILE *out, const struct command *command)
{
    const char *joint = "    ";
    for (size_t row = 0; row < command->table->count; row++)
        if (is_of(&command->table->rows[row], command) && cannot_be_guessed(&command->table->rows[row])) {
            pattern(out, joint, command, &command->table->rows[row]);
            joint = "|";
        }
    if (joint[0] == '|')
        fputs(")\n        compopt +o bashdefault +o default 2>/dev/null ;;\n", out);
}

static void flags(FILE *out, const struct command *command)
{
    fprintf(out, "    '%s '*) [[ $word != -* ]] || words='", command->name);
    for (size_t row = 0; row < command->table->count; row++)
        if (is_of(&command->table->rows[row], command) && command->table->rows[row].flag != NULL)
            fprintf(out, "--%s ", command->table->rows[row].flag);
    fputs("--help' ;;\n", out);
}

void completion_bash(FILE *out)
{
    fputs(head, out);
    fputs("    ' '*) words='", out);
    command_names(out);
    fputs("help --help --version' ;;\n    'help --completion') words=bash ;;\n    'help --man') words='", out);
    command_names(out);
    fputs("' ;;\n    'help help') words='", out);
    command_names(out);
    fputs("--man --completion' ;;\n", out);
    for (const struct command *c = commands; c->name != NULL; c++) {
        choices(out, c);
        unknown_values(out, c);
        flags(out, c);
    }
    fputs(tail, out);
}
