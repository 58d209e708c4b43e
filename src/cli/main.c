/*
 * main.c - which command is wanted; and nothing of it in a core file.
 */
#include "commands.h"
#include "completion.h"
#include "console.h"
#include "help.h"
#include "manual.h"
#include "signals.h"
#include "suggest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#if defined(__linux__)
#include <sys/prctl.h>
#endif

/* Tokens and passwords live in this process: no core file, and no debugger of the same user. */
static void keep_secrets_in(void)
{
    struct rlimit none = {0, 0};
    (void)setrlimit(RLIMIT_CORE, &none); /* lowering a limit cannot fail */
#if defined(__linux__)
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
}

/* Were standard error closed, the ledger could be opened as descriptor 2, and talk would be written into it. */
static bool standard_streams_open(void)
{
    int fd;
    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    return fd >= 0 && close(fd) == 0;
}

static int unknown_command(const char *name)
{
    struct suggestion best;
    suggestion_begin(&best, name);
    for (const struct command *c = commands; c->name != NULL; c++)
        suggestion_offer(&best, c->name);
    struct onramp_error err;
    if (best.word != NULL)
        (void)onramp_fail(&err, ONRAMP_EUSAGE, "there is no command '%s'; did you mean '%s'?", name, best.word);
    else
        (void)onramp_fail(&err, ONRAMP_EUSAGE, "there is no command '%s'; 'onramp --help' lists them", name);
    console_error(err.text);
    return EXIT_USAGE;
}

/* Where a command is expected: one of the two that need none, misspelt, or a command's own. */
static int unknown_flag(const char *flag)
{
    struct suggestion best;
    struct onramp_error err = {.text = "the command comes first, then its flags; 'onramp --help' lists the commands"};
    suggestion_begin(&best, flag);
    suggestion_offer(&best, "--version");
    suggestion_offer(&best, "--help");
    if (best.word != NULL)
        (void)onramp_fail(&err, ONRAMP_EUSAGE, "there is no flag '%s'; did you mean '%s'?", flag, best.word);
    console_error(err.text);
    return EXIT_USAGE;
}

static int run(const struct command *command, int argc, char **argv)
{
    struct onramp_error err = {0};
    bool help = false;
    int code = EXIT_USAGE;
    void *values = calloc(1, command->table->size);
    if (values == NULL) {
        console_error("out of memory");
        return code;
    }
    enum onramp_status st = settings_load(command, argc, argv, values, &help, &err);
    if (st == ONRAMP_OK && help) {
        help_command(stdout, command);
        code = EXIT_ALL_WELL;
    } else if (st == ONRAMP_OK) {
        st = signals_install(&err);
        if (st == ONRAMP_OK)
            code = command->run(values);
    }
    if (st != ONRAMP_OK)
        console_error(err.text);
    settings_clear(command->table, values);
    free(values);
    return code;
}

static int completion(const char *shell)
{
    if (shell == NULL || strcmp(shell, "bash") != 0) {
        console_error("--completion: the shell is 'bash'; its script serves zsh as well");
        return EXIT_USAGE;
    }
    completion_bash(stdout);
    return EXIT_ALL_WELL;
}

/* onramp help [[--man] COMMAND | --man | --completion bash] */
static int help(int argc, char **argv)
{
    if (argc > 0 && strcmp(argv[0], "--completion") == 0)
        return completion(argc > 1 ? argv[1] : NULL);
    bool man = argc > 0 && strcmp(argv[0], "--man") == 0;
    const char *name = argc > man ? argv[man] : NULL;
    const struct command *command = name != NULL ? command_find(name) : NULL;
    if (name != NULL && command == NULL)
        return unknown_command(name);
    if (man && command != NULL)
        manual_command(stdout, command);
    else if (man)
        manual_all(stdout);
    else if (command != NULL)
        help_command(stdout, command);
    else
        help_all(stdout);
    return EXIT_ALL_WELL;
}

static int dispatch(int argc, char **argv)
{
    if (argc < 2) {
        help_all(stderr);
        return EXIT_USAGE;
    }
    const char *word = argv[1];
    if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0) {
        printf("onramp %s\n", onramp_version());
        return EXIT_ALL_WELL;
    }
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
        return help(0, NULL);
    if (strcmp(word, "help") == 0)
        return help(argc - 2, argv + 2);
    const struct command *command = command_find(word);
    if (command == NULL && word[0] == '-')
        return unknown_flag(word);
    if (command == NULL)
        return unknown_command(word);
    return run(command, argc - 1, argv + 1);
}

/* Why standard output took no more, as an errno; 0: it has taken everything. */
static int output_problem(void)
{
    if (fflush(stdout) != 0)
        return errno;
    if (!ferror(stdout))
        return 0;
    /* It was a write of some time ago, and errno has been through other hands: one more line end meets the same. */
    return fputc('\n', stdout) == EOF || fflush(stdout) != 0 ? errno : EIO;
}

int main(int argc, char **argv)
{
    keep_secrets_in();
    if (!standard_streams_open())
        return EXIT_USAGE;
    int code = dispatch(argc, argv);
    /* A summary that nobody could read is not all well; running again is safe and prints it again. */
    int problem = output_problem();
    if (problem != 0) {
        struct onramp_error err;
        (void)onramp_fail_sys(&err, problem, "cannot write to standard output");
        console_error(err.text);
        return code == EXIT_ALL_WELL ? EXIT_AGAIN : code;
    }
    return code;
}
