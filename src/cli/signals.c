/*
 * signals.c - Ctrl-C, SIGTERM and SIGHUP.
 */
#include "signals.h"

#include "commands.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

static volatile sig_atomic_t stopping;  /* a handler has nothing but globals */
static volatile sig_atomic_t listening; /* somebody asks whether to stop; until then nothing is at stake */
static int self_pipe[2] = {-1, -1};

static void on_signal(int number)
{
    if (stopping && number == SIGHUP)
        return; /* a terminal that goes away says so more than once: to the shell, which passes it on, and to us */
    if (stopping || !listening)
        _exit(EXIT_INTERRUPTED); /* the ledger is written so that this is safe */
    stopping = 1;
    int saved = errno;
    ssize_t written = write(self_pipe[1], "", 1); /* a full pipe is readable already */
    (void)written;
    errno = saved;
}

enum onramp_status signals_install(struct onramp_error *err)
{
    if (pipe(self_pipe) != 0)
        return onramp_fail_sys(err, errno, "cannot make a pipe");
    for (int i = 0; i < 2; i++)
        if (fcntl(self_pipe[i], F_SETFD, FD_CLOEXEC) != 0 || fcntl(self_pipe[i], F_SETFL, O_NONBLOCK) != 0)
            return onramp_fail_sys(err, errno, "cannot set up a pipe");
    struct sigaction stop = {.sa_handler = on_signal, .sa_flags = SA_RESTART}, hangup;
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    if (sigaction(SIGINT, &stop, NULL) != 0 || sigaction(SIGTERM, &stop, NULL) != 0 ||
        sigaction(SIGPIPE, &ignore, NULL) != 0 || sigaction(SIGXFSZ, &ignore, NULL) != 0 ||
        sigaction(SIGHUP, NULL, &hangup) != 0 || (hangup.sa_handler != SIG_IGN && sigaction(SIGHUP, &stop, NULL) != 0))
        return onramp_fail_sys(err, errno, "cannot handle signals");
    return ONRAMP_OK;
}

int signals_fd(void)
{
    return self_pipe[0];
}

bool signals_stopping(void)
{
    char byte;
    listening = 1;
    if (stopping)
        while (read(self_pipe[0], &byte, 1) == 1)
            continue;
    return stopping;
}

void signals_wait(void)
{
    struct pollfd fd = {.fd = self_pipe[0], .events = POLLIN};
    listening = 1;
    while (!stopping)
        (void)poll(&fd, 1, -1); /* an interrupted poll asks again */
}
