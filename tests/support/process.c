/*
 * process.c - the real binary as a child, and the local tenant that it finds.
 */
#include "support/process.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define ARGUMENTS_MAX 10

static pid_t running; /* 0: none */

/* In the child: never returns. */
static void become_onramp(const struct process *process)
{
    static char storage[ARGUMENTS_MAX][256]; /* exec wants what is not const */
    char *argv[ARGUMENTS_MAX + 1] = {strcpy(storage[0], "onramp")};
    for (size_t i = 1; process->arguments[i - 1] != NULL; i++) {
        if (i == ARGUMENTS_MAX || strlen(process->arguments[i - 1]) >= sizeof storage[i])
            _exit(126);
        argv[i] = strcpy(storage[i], process->arguments[i - 1]);
    }
    int in = process->in > 0 ? process->in : open("/dev/null", O_RDONLY);
    int out = open("stdout", O_WRONLY | O_CREAT | O_TRUNC, 0600);
    int err = process->err > 0 ? process->err : open("stderr", O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (in < 0 || out < 0 || err < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0)
        _exit(126);
    (void)alarm(PROCESS_PATIENCE);
    if (process->prepare != NULL)
        process->prepare(process->context);
    (void)execv(getenv("ONRAMP_BINARY"), argv);
    _exit(127);
}

pid_t process_start(const struct process *process)
{
    assert_int_equal(running, 0);
    assert_non_null(getenv("ONRAMP_BINARY"));
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        become_onramp(process);
    running = child;
    return child;
}

static int code_of(int status)
{
    running = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

int process_finish(pid_t child)
{
    int status;
    while (waitpid(child, &status, 0) < 0)
        assert_int_equal(errno, EINTR);
    return code_of(status);
}

bool process_has_ended(pid_t child, int *code)
{
    int status;
    pid_t ended = waitpid(child, &status, WNOHANG);
    assert_true(ended >= 0);
    if (ended == child)
        *code = code_of(status);
    return ended == child;
}

void process_end(void)
{
    if (running == 0)
        return;
    (void)kill(running, SIGKILL);
    (void)process_finish(running);
}

struct onramp_tenant_server *process_serve(const struct onramp_tenant_settings *model,
                                           const struct onramp_tenant_server_settings *settings)
{
    struct onramp_tenant_server *server = NULL;
    struct onramp_error err = {0};
    if (onramp_tenant_server_start(&server, model, settings, &err) != ONRAMP_OK)
        fail_msg("%s", err.text);
    char domain[64], *token = onramp_tenant_server_token(server);
    assert_non_null(token);
    (void)snprintf(domain, sizeof domain, "http://127.0.0.1:%u", (unsigned)onramp_tenant_server_port(server));
    (void)setenv("AUTH0_DOMAIN", domain, 1);
    (void)setenv("AUTH0_DATABASE_NAME", "Username-Password-Authentication", 1);
    (void)setenv("AUTH0_MNG_TOKEN", token, 1);
    free(token);
    return server;
}

const char *process_read(const char *path)
{
    static char text[1 << 18];
    FILE *in = fopen(path, "r");
    assert_non_null(in);
    text[fread(text, 1, sizeof text - 1, in)] = '\0';
    (void)fclose(in);
    return text;
}

void process_nap(long ns)
{
    (void)nanosleep(&(struct timespec){.tv_nsec = ns}, NULL);
}
