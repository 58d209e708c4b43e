/*
 * directory.h - a new directory that a test program works in: setup and teardown of its group of tests.
 */
#ifndef ONRAMP_TESTS_SUPPORT_DIRECTORY_H
#define ONRAMP_TESTS_SUPPORT_DIRECTORY_H

#include <stdlib.h>
#include <unistd.h>

static char directory[] = "/tmp/onramp-test-XXXXXX";

static inline int enter_directory(void **state)
{
    (void)state;
    return mkdtemp(directory) != NULL && chdir(directory) == 0 ? 0 : -1;
}

/* Fails if a file was left in it. */
static inline int leave_directory(void **state)
{
    (void)state;
    return chdir("/") == 0 && rmdir(directory) == 0 ? 0 : -1;
}

#endif
