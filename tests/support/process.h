/*
 * process.h - the real binary as a child, and the local tenant that it finds.
 *
 * A child writes to the files "stdout" and "stderr" in the working directory. One that hangs is ended by an alarm; one
 * that a failing test leaves behind, by process_end(), which belongs into every test's teardown. What goes wrong here
 * fails the test.
 */
#ifndef ONRAMP_TESTS_SUPPORT_PROCESS_H
#define ONRAMP_TESTS_SUPPORT_PROCESS_H

#include <onramp/tenant.h>

#include <stdbool.h>
#include <sys/types.h>

#define PROCESS_PATIENCE 120 /* seconds, after which a run counts as hung */

struct process {
    const char *const *arguments; /* behind the program's name, up to a NULL */
    int in, err;                  /* its standard input and error; 0: /dev/null, and the file "stderr" */
    /* The child's last deed before it becomes onramp; or NULL. */
    void (*prepare)(const void *context);
    const void *context;
};

/* Start $ONRAMP_BINARY. One at a time. */
pid_t process_start(const struct process *process);

/* Its exit code, or the signal that ended it, as a negative. */
int process_finish(pid_t child);
bool process_has_ended(pid_t child, int *code); /* the same, without waiting */

/* Kill the child that has not been waited for, if there is one. */
void process_end(void);

/* Start a tenant, and set the variables that lead to it. The caller's, to stop. */
struct onramp_tenant_server *process_serve(const struct onramp_tenant_settings *model,
                                           const struct onramp_tenant_server_settings *settings);

/* The beginning of a file; good until the next call. */
const char *process_read(const char *path);

void process_nap(long ns);

#endif
