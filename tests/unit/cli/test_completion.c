/*
 * The completion script, in a bash: what it offers after a line that is being typed.
 */
#include "commands.h"
#include "completion.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char script[] = "/tmp/onramp-test-XXXXXX";

static int begin_group(void **state)
{
    (void)state;
    int fd = mkstemp(script);
    FILE *out = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (out == NULL)
        return -1;
    completion_bash(out);
    return fclose(out);
}

static int end_group(void **state)
{
    (void)state;
    return unlink(script);
}

static void need_bash(void)
{
    if (system("bash -c true 2>/dev/null") != 0)
        skip();
}

/* What is offered for the last of `words` (as bash parts them), between spaces: " free essentials ". "no files " goes
 * before if the shell is told not to complete file names. */
static void offered(char *text, size_t size, const char *words)
{
    char line[512];
    (void)snprintf(line, sizeof line,
                   "bash -c 'compopt() { printf \"no files\"; }; . %s; COMP_WORDS=(%s); "
                   "COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _onramp; printf \" %%s\" \"${COMPREPLY[@]}\"; echo \" \"'",
                   script, words);
    FILE *in = popen(line, "r");
    assert_non_null(in);
    size_t got = fread(text, 1, size - 1, in);
    text[got] = '\0';
    text[strcspn(text, "\n")] = '\0';
    assert_int_equal(pclose(in), 0);
}

static void assert_offers(const char *words, const char *wanted)
{
    char text[2048];
    offered(text, sizeof text, words);
    assert_string_equal(text, wanted);
}

static void commands_come_first(void **state)
{
    (void)state;
    need_bash();
    char text[2048], word[40];
    offered(text, sizeof text, "onramp \"\"");
    for (const struct command *c = commands; c->name != NULL; c++) {
        (void)snprintf(word, sizeof word, " %s ", c->name);
        assert_non_null(strstr(text, word));
    }
    assert_offers("onramp up", " upload ");
    assert_offers("onramp --v", " --version ");
    assert_offers("onramp help --man up", " upload ");
    assert_offers("onramp help --completion \"\"", " bash ");
}

static void each_command_has_its_own_flags(void **state)
{
    (void)state;
    need_bash();
    for (const struct command *c = commands; c->name != NULL; c++) {
        char text[2048], line[40], word[40];
        (void)snprintf(line, sizeof line, "onramp %s --", c->name);
        offered(text, sizeof text, line);
        for (size_t row = 0; row < c->table->count; row++) {
            const struct setting *s = &c->table->rows[row];
            if (s->flag == NULL || (s->commands & c->bit) == 0)
                continue;
            (void)snprintf(word, sizeof word, " --%s ", s->flag);
            if (strstr(text, word) == NULL)
                fail_msg("%s: no %s in %s", c->name, word, text);
        }
    }
    assert_offers("onramp undo --ev", " --even-if-used ");
    assert_offers("onramp upload --ev", "  ");
}

static void values_are_those_of_the_flag(void **state)
{
    (void)state;
    need_bash();
    assert_offers("onramp upload --verification-mail \"\"", " no yes record ");
    assert_offers("onramp upload --verification-mail =", " no yes record "); /* --verification-mail= */
    assert_offers("onramp upload --verification-mail = r", " record ");
    assert_offers("onramp invite --by e", " email ");
    assert_offers("onramp demo --tier ess", " essentials ");
    assert_offers("onramp upload x.json --rate \"\"", "no files  ");
    assert_offers("onramp upload x.json -r \"\"", "no files  ");
}

static void where_no_words_are_known_the_shell_completes_files(void **state)
{
    (void)state;
    need_bash();
    assert_offers("onramp upload us", "  ");
    assert_offers("onramp upload --ledger \"\"", "  ");
    char line[160];
    (void)snprintf(line, sizeof line, "bash -c '. %s; complete -p onramp | grep -q -- \"-o default\"'", script);
    assert_int_equal(system(line), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands_come_first),
        cmocka_unit_test(each_command_has_its_own_flags),
        cmocka_unit_test(values_are_those_of_the_flag),
        cmocka_unit_test(where_no_words_are_known_the_shell_completes_files),
    };
    return cmocka_run_group_tests(tests, begin_group, end_group);
}
