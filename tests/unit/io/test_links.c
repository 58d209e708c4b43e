/*
 * test_links.c - the file of links: its rows, its mode, what a crash leaves, and what is not one.
 */
#include "onramp/links.h"
#include "support/directory.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define NOON   INT64_C(1769860800000) /* 2026-01-31T12:00:00Z */
#define HEADER "email,user_id,url,expires\n"

static int tidy(void **state)
{
    (void)state;
    (void)unlink("links.csv");
    return 0;
}

static struct onramp_links *open_links(const struct onramp_disk *disk)
{
    struct onramp_links *links = NULL;
    struct onramp_error err = {0};
    if (onramp_links_open(&links, "links.csv", disk, &err) != ONRAMP_OK)
        fail_msg("%s", err.text);
    return links;
}

static struct onramp_error why; /* of the latest add() */

static enum onramp_status add(struct onramp_links *links, const char *email, const char *user_id, const char *url)
{
    struct onramp_secret *secret = NULL;
    assert_int_equal(onramp_secret_copy(&secret, url, strlen(url), NULL), ONRAMP_OK);
    struct onramp_link link = {.email = email, .user_id = user_id, .url = secret, .expires_at = NOON};
    enum onramp_status st = onramp_links_add(links, &link, &why);
    onramp_secret_free(secret);
    return st;
}

static const char *content(void)
{
    static char text[4096];
    FILE *file = fopen("links.csv", "r");
    assert_non_null(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    (void)fclose(file);
    return text;
}

static void write_file(const char *text, mode_t mode)
{
    FILE *file = fopen("links.csv", "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod("links.csv", mode), 0);
}

static void rows_are_as_documented_and_for_nobody_else_to_read(void **state)
{
    (void)state;
    struct onramp_links *links = open_links(NULL);
    assert_int_equal(add(links, "ann@example.com", "auth0|a", "https://t.example/u?ticket=x#"), ONRAMP_OK);
    onramp_links_close(links);
    assert_string_equal(content(), HEADER "ann@example.com,auth0|a,https://t.example/u?ticket=x#,"
                                          "2026-01-31T12:00:00.000Z\n");
    struct stat st;
    assert_int_equal(stat("links.csv", &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void fields_are_quoted_where_csv_wants_it_and_read_back(void **state)
{
    (void)state;
    struct onramp_links *links = open_links(NULL);
    assert_int_equal(add(links, "\"a,b\"@example.com", "auth0|c,\"d\"", "https://t.example/"), ONRAMP_OK);
    assert_int_equal(add(links, "new\nline@example.com", "auth0|e", "https://t.example/"), ONRAMP_OK);
    assert_int_equal(add(links, "", "auth0|nobody", "https://t.example/"), ONRAMP_OK);
    onramp_links_close(links);
    assert_non_null(strstr(content(), "\n\"\"\"a,b\"\"@example.com\",\"auth0|c,\"\"d\"\"\",https"));
    assert_non_null(strstr(content(), "\nnew?line@example.com,"));
    assert_non_null(strstr(content(), "\n,auth0|nobody,"));
    links = open_links(NULL);
    assert_true(onramp_links_has(links, "auth0|c,\"d\""));
    assert_true(onramp_links_has(links, "auth0|e"));
    assert_true(onramp_links_has(links, "auth0|nobody"));
    assert_false(onramp_links_has(links, "auth0|f"));
    onramp_links_close(links);
}

static void a_row_that_a_crash_cut_is_dropped(void **state)
{
    (void)state;
    write_file(HEADER "a@example.com,auth0|a,https://t.example/,2026-01-31T12:00:00.000Z\nb@example.com,auth0|b,htt",
               0600);
    struct onramp_links *links = open_links(NULL);
    assert_true(onramp_links_has(links, "auth0|a"));
    assert_false(onramp_links_has(links, "auth0|b"));
    assert_int_equal(add(links, "b@example.com", "auth0|b", "https://t.example/2"), ONRAMP_OK);
    onramp_links_close(links);
    assert_non_null(strstr(content(), "000Z\nb@example.com,auth0|b,https://t.example/2,"));
}

static void a_heading_that_a_crash_cut_is_written_anew(void **state)
{
    (void)state;
    write_file("email,us", 0600);
    onramp_links_close(open_links(NULL));
    assert_string_equal(content(), HEADER);
}

static void another_file_is_refused_and_left_alone(void **state)
{
    (void)state;
    static const char *const others[] = {"email,name\nann@example.com,Ann\n", "[{\"email\":\"ann@example.com\"}]", "x"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        struct onramp_links *links = NULL;
        struct onramp_error err;
        write_file(others[i], 0644);
        assert_int_equal(onramp_links_open(&links, "links.csv", NULL, &err), ONRAMP_EUSAGE);
        assert_string_equal(err.text, "'links.csv' is no file of links: name another with --links");
        assert_string_equal(content(), others[i]);
    }
}

static void a_file_that_others_may_read_is_closed_to_them(void **state)
{
    (void)state;
    write_file(HEADER, 0644);
    onramp_links_close(open_links(NULL));
    struct stat st;
    assert_int_equal(stat("links.csv", &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void one_run_writes_at_a_time(void **state)
{
    (void)state;
    struct onramp_links *links = open_links(NULL), *other = NULL;
    struct onramp_error err;
    assert_int_equal(onramp_links_open(&other, "links.csv", NULL, &err), ONRAMP_ELOCKED);
    assert_null(other);
    onramp_links_close(links);
}

static bool disk_fails;
static int append(void *self, int fd, const char *bytes, size_t size)
{
    (void)self;
    size = disk_fails ? size / 2 : size;
    return write(fd, bytes, size) == (ssize_t)size && !disk_fails ? 0 : ENOSPC;
}
static int sync_nothing(void *self, int fd)
{
    (void)self;
    (void)fd;
    return 0;
}

static void after_a_disk_that_failed_nothing_is_taken_until_it_is_opened_again(void **state)
{
    (void)state;
    const struct onramp_disk disk = {.append = append, .sync = sync_nothing};
    struct onramp_links *links = open_links(&disk);
    disk_fails = true;
    assert_int_equal(add(links, "a@example.com", "auth0|a", "https://t.example/"), ONRAMP_EIO);
    disk_fails = false;
    assert_int_equal(add(links, "a@example.com", "auth0|a", "https://t.example/"), ONRAMP_EIO);
    assert_non_null(strstr(why.text, strerror(ENOSPC))); /* what happened first is told ever after */
    assert_false(onramp_links_has(links, "auth0|a"));
    onramp_links_close(links);
    onramp_links_close(open_links(&disk));
    assert_string_equal(content(), HEADER);
}

/* A mail merge that saves the file anew, or somebody who takes it away: rows that follow would reach nobody. */
static void a_file_that_was_replaced_takes_nothing_more(void **state)
{
    (void)state;
    struct onramp_links *links = open_links(NULL);
    assert_int_equal(add(links, "a@example.com", "auth0|a", "https://t.example/"), ONRAMP_OK);
    assert_int_equal(unlink("links.csv"), 0);
    write_file(HEADER, 0600);
    assert_int_equal(add(links, "b@example.com", "auth0|b", "https://t.example/"), ONRAMP_EIO);
    assert_non_null(strstr(why.text, "replaced"));
    assert_false(onramp_links_has(links, "auth0|b"));
    onramp_links_close(links);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(rows_are_as_documented_and_for_nobody_else_to_read, tidy),
        cmocka_unit_test_teardown(fields_are_quoted_where_csv_wants_it_and_read_back, tidy),
        cmocka_unit_test_teardown(a_row_that_a_crash_cut_is_dropped, tidy),
        cmocka_unit_test_teardown(a_heading_that_a_crash_cut_is_written_anew, tidy),
        cmocka_unit_test_teardown(another_file_is_refused_and_left_alone, tidy),
        cmocka_unit_test_teardown(a_file_that_others_may_read_is_closed_to_them, tidy),
        cmocka_unit_test_teardown(one_run_writes_at_a_time, tidy),
        cmocka_unit_test_teardown(after_a_disk_that_failed_nothing_is_taken_until_it_is_opened_again, tidy),
        cmocka_unit_test_teardown(a_file_that_was_replaced_takes_nothing_more, tidy),
    };
    return cmocka_run_group_tests(tests, enter_directory, leave_directory);
}
