/*
 * test_secret.c - guarded memory: what it holds, and what it keeps from others.
 */
#include "onramp/secret.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void a_new_secret_is_zero_and_writable(void **state)
{
    (void)state;
    struct onramp_secret *secret = NULL;
    assert_int_equal(onramp_secret_new(&secret, 100, NULL), ONRAMP_OK);
    assert_int_equal(secret->size, 100);
    for (size_t i = 0; i <= secret->size; i++)
        assert_int_equal(secret->text[i], 0);
    memset(secret->text, 'x', secret->size);
    assert_int_equal(strlen(secret->text), 100);
    onramp_secret_free(secret);
}

static void a_copy_ends_in_a_nul_that_its_size_leaves_out(void **state)
{
    (void)state;
    struct onramp_secret *secret = NULL;
    assert_int_equal(onramp_secret_copy(&secret, "tokenXXX", 5, NULL), ONRAMP_OK);
    assert_int_equal(secret->size, 5);
    assert_string_equal(secret->text, "token");
    onramp_secret_free(secret);

    assert_int_equal(onramp_secret_copy(&secret, "", 0, NULL), ONRAMP_OK);
    assert_int_equal(secret->size, 0);
    assert_string_equal(secret->text, "");
    onramp_secret_free(secret);
    onramp_secret_free(NULL);
}

static void says_when_there_is_no_memory_and_leaves_the_result_alone(void **state)
{
    (void)state;
    struct onramp_secret *secret = NULL;
    struct onramp_error err = {0};
    assert_int_equal(onramp_secret_new(&secret, SIZE_MAX, &err), ONRAMP_ENOMEM);
    assert_int_equal(onramp_secret_new(&secret, SIZE_MAX / 2, &err), ONRAMP_ENOMEM);
    assert_null(secret);
    assert_string_equal(err.text, "out of guarded memory");
}

static void reading_past_the_end_is_not_survived(void **state)
{
    (void)state;
    struct onramp_secret *secret = NULL;
    assert_int_equal(onramp_secret_copy(&secret, "token", 5, NULL), ONRAMP_OK);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)setrlimit(RLIMIT_CORE, &(struct rlimit){0});
        (void)signal(SIGSEGV, SIG_DFL); /* the test's framework and sanitizers catch it */
        (void)signal(SIGBUS, SIG_DFL);
        volatile char *past = secret->text + secret->size + 1;
        _exit(*past);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    onramp_secret_free(secret);
    assert_true(WIFSIGNALED(status));
}

/* Does /proc say that the pages around `address` are left out of core files? -1 where there is no such file. */
static int left_out_of_core_files(uintptr_t address)
{
    FILE *file = fopen("/proc/self/smaps", "r");
    if (file == NULL)
        return -1;
    char line[1024];
    bool here = false;
    int found = -1;
    while (fgets(line, sizeof line, file) != NULL) {
        unsigned long long from = 0, to = 0;
        if (sscanf(line, "%llx-%llx ", &from, &to) == 2)
            here = address >= from && address < to;
        else if (here && strncmp(line, "VmFlags:", 8) == 0)
            found = strstr(line, " dd") != NULL;
    }
    (void)fclose(file);
    return found;
}

static void secrets_are_left_out_of_core_files(void **state)
{
    (void)state;
    struct onramp_secret *secret = NULL;
    assert_int_equal(onramp_secret_copy(&secret, "token", 5, NULL), ONRAMP_OK);
    int left_out = left_out_of_core_files((uintptr_t)secret->text);
    onramp_secret_free(secret);
    if (left_out < 0)
        skip();
    assert_int_equal(left_out, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_secret_is_zero_and_writable),
        cmocka_unit_test(a_copy_ends_in_a_nul_that_its_size_leaves_out),
        cmocka_unit_test(says_when_there_is_no_memory_and_leaves_the_result_alone),
        cmocka_unit_test(reading_past_the_end_is_not_survived),
        cmocka_unit_test(secrets_are_left_out_of_core_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
