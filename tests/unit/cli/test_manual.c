/*
 * Man pages: all that the tables have, in pages that a formatter takes.
 */
#include "commands.h"
#include "help.h"
#include "manual.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* The page of `command`, or of all if NULL; to be freed. */
static char *page_of(const struct command *command)
{
    char *page = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&page, &size);
    assert_non_null(out);
    if (command != NULL)
        manual_command(out, command);
    else
        manual_all(out);
    assert_int_equal(fclose(out), 0);
    return page;
}

static void assert_holds(const char *page, const char *text)
{
    if (strstr(page, text) == NULL)
        fail_msg("'%s' is not in\n%.200s", text, page);
}

/* "max-users" as a page has it: "Fl \-max\-users" */
static void assert_has_flag(const char *page, const char *flag)
{
    char text[80] = "Fl \\-";
    size_t at = strlen(text);
    for (; *flag != '\0' && at + 3 < sizeof text; flag++) {
        if (*flag == '-')
            text[at++] = '\\';
        text[at++] = *flag;
    }
    text[at] = '\0';
    for (const char *found = page; (found = strstr(found, text)) != NULL; found++)
        if (found[at] == ' ' || found[at] == '\n')
            return;
    fail_msg("no '%s' in\n%.200s", text, page);
}

static void every_flag_and_operand_stands_in_the_page_of_its_command(void **state)
{
    (void)state;
    for (const struct command *c = commands; c->name != NULL; c++) {
        char *page = page_of(c), text[80];
        for (size_t row = 0; row < c->table->count; row++) {
            const struct setting *s = &c->table->rows[row];
            if ((s->commands & c->bit) == 0)
                continue;
            if (s->flag != NULL)
                assert_has_flag(page, s->flag);
            if (s->operand) {
                (void)snprintf(text, sizeof text, ".It Ar %s\n", s->argument);
                assert_holds(page, text);
            }
            for (size_t v = 0; help_reads_env(c) && v < SETTING_VARIABLES && s->variables[v] != NULL; v++) {
                (void)snprintf(text, sizeof text, ".It Ev \"%s\"\n", s->variables[v]);
                assert_holds(page, text);
            }
        }
        assert_has_flag(page, "help");
        free(page);
    }
}

static void exit_codes_are_a_list(void **state)
{
    (void)state;
    char *page = page_of(command_find("check"));
    assert_holds(page, ".Sh EXIT STATUS\nExit codes, of what an upload would come to:\n.Bl");
    assert_holds(page, ".It 0\nall well\n.It 1\nsome records would be refused\n");
    assert_holds(page, ".It 130\ninterrupted.\n.El\n");
    free(page);
    page = page_of(command_find("invite")); /* a meaning with a comma of its own, a code on a new line */
    assert_holds(page, ".It 1\nsome refused, skipped or in doubt\n.It 2\n");
    assert_holds(page, ".It 4\ncredentials\n");
    free(page);
}

static void the_first_page_has_every_command_and_variable(void **state)
{
    (void)state;
    char *page = page_of(NULL), text[80];
    for (const struct command *c = commands; c->name != NULL; c++) {
        (void)snprintf(text, sizeof text, ".It Cm \"%s\"\n", c->name);
        assert_holds(page, text);
        (void)snprintf(text, sizeof text, ".Xr onramp-%s 1", c->name);
        assert_holds(page, text);
    }
    for (size_t row = 0; row < settings_table.count; row++)
        for (size_t v = 0; v < SETTING_VARIABLES && settings_table.rows[row].variables[v] != NULL; v++) {
            (void)snprintf(text, sizeof text, ".It Ev \"%s\"\n", settings_table.rows[row].variables[v]);
            size_t times = 0;
            for (const char *at = page; (at = strstr(at, text)) != NULL; at++)
                times++;
            assert_int_equal(times, 1);
        }
    free(page);
}

static bool has(const char *program)
{
    char line[80];
    (void)snprintf(line, sizeof line, "command -v %s >/dev/null 2>&1", program);
    return system(line) == 0;
}

static void a_formatter_has_nothing_to_object_to(void **state)
{
    (void)state;
    bool mandoc = has("mandoc");
    if (!mandoc && !has("man"))
        skip();
    for (const struct command *c = commands;; c++) {
        char path[] = "/tmp/onramp-test-XXXXXX", line[160];
        int fd = mkstemp(path);
        assert_true(fd >= 0);
        char *page = page_of(c->name != NULL ? c : NULL);
        ssize_t size = (ssize_t)strlen(page);
        assert_int_equal(write(fd, page, (size_t)size), size);
        (void)close(fd);
        free(page);
        if (mandoc)
            (void)snprintf(line, sizeof line, "mandoc -Tlint -W warning %s", path);
        else
            (void)snprintf(line, sizeof line, "test -z \"$(man --warnings -l %s 2>&1 >/dev/null)\"", path);
        int objected = system(line);
        (void)unlink(path);
        assert_int_equal(objected, 0);
        if (c->name == NULL)
            break;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_flag_and_operand_stands_in_the_page_of_its_command),
        cmocka_unit_test(exit_codes_are_a_list),
        cmocka_unit_test(the_first_page_has_every_command_and_variable),
        cmocka_unit_test(a_formatter_has_nothing_to_object_to),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
