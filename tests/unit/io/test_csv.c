/*
 * test_csv.c - records out of tables, good and bad, through the source that all files come through.
 */
#include "io/csv.h"
#include "onramp/source.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char path[] = "/tmp/onramp-test-csv-XXXXXX";

static int make_file(void **state)
{
    (void)state;
    int fd = mkstemp(path);
    return fd >= 0 ? close(fd) : -1;
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

struct reading {
    enum onramp_status status;
    struct onramp_error err;
    char records[1024]; /* each with its line in front, one a line */
};

static struct reading read_pass(const struct onramp_source *source)
{
    struct reading r = {0};
    struct onramp_record record;
    bool end = false;
    size_t used = 0;
    uint64_t count = 0;
    while ((r.status = source->ops->next(source->self, &record, &end, &r.err)) == ONRAMP_OK && !end) {
        assert_int_equal(record.ordinal, count++);
        assert_int_equal(record.size, strlen(record.json));
        used += (size_t)snprintf(r.records + used, sizeof r.records - used, "%llu %s\n",
                                 (unsigned long long)record.line, record.json);
        assert_true(used < sizeof r.records);
    }
    return r;
}

static struct reading read_bytes(const char *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);

    struct onramp_source source;
    assert_int_equal(onramp_source_open(&source, path, NULL), ONRAMP_OK);
    struct reading first = read_pass(&source);
    assert_int_equal(source.ops->rewind(source.self, NULL), ONRAMP_OK);
    struct reading second = read_pass(&source);
    source.ops->close(source.self);
    assert_int_equal(first.status, second.status); /* both passes agree, whatever the file */
    assert_string_equal(first.records, second.records);
    assert_string_equal(first.err.text, second.err.text);
    return first;
}

static void expect(const char *text, const char *records)
{
    struct reading r = read_bytes(text, strlen(text));
    if (r.status != ONRAMP_OK)
        fail_msg("%s\nin: %s", r.err.text, text);
    assert_string_equal(r.records, records);
}

static void expect_failure_of(const char *bytes, size_t size, const char *says)
{
    struct reading r = read_bytes(bytes, size);
    assert_int_equal(r.status, ONRAMP_EINPUT);
    assert_int_equal(r.err.status, ONRAMP_EINPUT);
    if (strstr(r.err.text, says) == NULL || strchr(r.err.text, '\n') != NULL)
        fail_msg("\n  in:   %s\n  says: %s\n  not:  %s", bytes, r.err.text, says);
}

static void expect_failure(const char *text, const char *says)
{
    expect_failure_of(text, strlen(text), says);
}

/* ---- the form ---- */

static void takes_commas_semicolons_and_tabs_as_the_headings_have_them(void **state)
{
    (void)state;
    expect("email,name\nann@example.com,Ann; Lee\n", "2 {\"email\":\"ann@example.com\",\"name\":\"Ann; Lee\"}\n");
    expect("email;name\nann@example.com;Lee, Ann\n", "2 {\"email\":\"ann@example.com\",\"name\":\"Lee, Ann\"}\n");
    expect("email\tname\nann@example.com\tLee, Ann\n", "2 {\"email\":\"ann@example.com\",\"name\":\"Lee, Ann\"}\n");
    expect("\"email\";\"user_metadata.a,b\"\nann@example.com;x\n",
           "2 {\"email\":\"ann@example.com\",\"user_metadata\":{\"a,b\":\"x\"}}\n");
    expect("username\nann;lee\n", "2 {\"username\":\"ann;lee\"}\n"); /* one column: a comma would separate */
}

static void takes_a_mark_and_every_kind_of_line_end(void **state)
{
    (void)state;
    expect("\xef\xbb\xbf"
           "email,name\r\nann@example.com,Ann\r\nbob@example.com,Bob",
           "2 {\"email\":\"ann@example.com\",\"name\":\"Ann\"}\n3 {\"email\":\"bob@example.com\",\"name\":\"Bob\"}\n");
    expect("\n\nemail\n\n \t\r\nann@example.com\n\n", "6 {\"email\":\"ann@example.com\"}\n");
    expect("email\n", "");
    expect("email", "");
}

static void counts_lines_within_cells(void **state)
{
    (void)state;
    expect("email,name\nann@example.com,\"Ann\nLee\"\r\nbob@example.com,\"B\r\n\r\nob\"\ncy@example.com,Cy\n",
           "2 {\"email\":\"ann@example.com\",\"name\":\"Ann\\nLee\"}\n"
           "4 {\"email\":\"bob@example.com\",\"name\":\"B\\r\\n\\r\\nob\"}\n"
           "7 {\"email\":\"cy@example.com\",\"name\":\"Cy\"}\n");
}

static void undoubles_quotes_and_trims_blanks_outside_of_them(void **state)
{
    (void)state;
    expect("email , name\n ann@example.com ,\"Ann \"\"A\"\" Lee\"\nbob@example.com, \" Bob \" \n",
           "2 {\"email\":\"ann@example.com\",\"name\":\"Ann \\\"A\\\" Lee\"}\n"
           "3 {\"email\":\"bob@example.com\",\"name\":\" Bob \"}\n");
}

static void drops_empty_cells_and_empty_rows(void **state)
{
    (void)state;
    expect("email,name,,\nann@example.com,,,\n,\"\",, \nbob@example.com,Bob,,\n,,,\n",
           "2 {\"email\":\"ann@example.com\"}\n4 {\"email\":\"bob@example.com\",\"name\":\"Bob\"}\n");
}

/* ---- headings ---- */

static void knows_headings_as_people_and_the_extension_write_them(void **state)
{
    (void)state;
    expect("Id,Given Name,FAMILY_NAME,Nickname,E-Mail,Email Verified,Phone Number,Connection,Created At\n"
           "auth0|1,Ann,Lee,al,ann@example.com,true,+4930123456,Users,2024-01-01T00:00:00.000Z\n",
           "2 {\"user_id\":\"auth0|1\",\"given_name\":\"Ann\",\"family_name\":\"Lee\",\"nickname\":\"al\","
           "\"email\":\"ann@example.com\",\"email_verified\":true,\"phone_number\":\"+4930123456\","
           "\"Connection\":\"Users\",\"Created At\":\"2024-01-01T00:00:00.000Z\"}\n");
}

static void passes_unknown_headings_on_for_validation_to_refuse(void **state)
{
    (void)state;
    expect("email,Department,name.first\nann@example.com,Sales,Ann\n",
           "2 {\"email\":\"ann@example.com\",\"Department\":\"Sales\",\"name.first\":\"Ann\"}\n");
}

static void nests_metadata_by_dots(void **state)
{
    (void)state;
    expect("email,user_metadata.address.city,User "
           "Metadata.address.Zip,app_metadata.plan\nann@example.com,Ulm,01067,gold\n",
           "2 {\"email\":\"ann@example.com\",\"user_metadata\":{\"address\":{\"city\":\"Ulm\",\"Zip\":\"01067\"}},"
           "\"app_metadata\":{\"plan\":\"gold\"}}\n");
}

/* ---- types ---- */

static void types_come_from_the_heading_never_from_the_cell(void **state)
{
    (void)state;
    expect("username,blocked,app_metadata.a,app_metadata.b:number,app_metadata.c:boolean,app_metadata.d:json,"
           "app_metadata.e:string,user_metadata\n"
           "007,FALSE,true,7,True,\"[1,null]\",null,\"{\"\"x\"\":1}\"\n",
           "2 {\"username\":\"007\",\"blocked\":false,\"app_metadata\":{\"a\":\"true\",\"b\":7,\"c\":true,"
           "\"d\":[1,null],\"e\":\"null\"},\"user_metadata\":{\"x\":1}}\n");
}

static void takes_the_export_jobs_apostrophes_off_and_leaves_other_peoples_on(void **state)
{
    (void)state;
    expect("user_id,email,email_verified,family_name,created_at,app_metadata.code\n"
           "\"'auth0|1\",\"'ann@example.com\",true,\"''t Hooft\",2024-01-01T00:00:00.000Z,\"'007\"\n"
           "auth0|2,bob@example.com,'true,'t Hooft,2024-01-01T00:00:00.000Z,'x\n",
           "2 {\"user_id\":\"auth0|1\",\"email\":\"ann@example.com\",\"email_verified\":true,\"family_name\":\"'t "
           "Hooft\",\"created_at\":\"2024-01-01T00:00:00.000Z\",\"app_metadata\":{\"code\":\"007\"}}\n"
           "3 {\"user_id\":\"auth0|2\",\"email\":\"bob@example.com\",\"email_verified\":true,\"family_name\":\"'t "
           "Hooft\",\"created_at\":\"2024-01-01T00:00:00.000Z\",\"app_metadata\":{\"code\":\"'x\"}}\n");
}

/* ---- mistakes ---- */

static void names_mistakes_in_headings(void **state)
{
    (void)state;
    expect_failure("email,name,Email\n", ", line 1, column 12: heading 'Email' stands twice");
    expect_failure("email,user_metadata.a,user_metadata.a.b\n", ", line 1, column 23: heading 'user_metadata.a.b'");
    expect_failure("email,user_metadata.a.b,user_metadata.a\n", ", line 1, column 25: heading 'user_metadata.a'");
    expect_failure("email,user_metadata,user_metadata.a\n", ", line 1, column 21: heading 'user_metadata.a'");
    expect_failure("email,user_metadata..a\n", ", line 1, column 7: heading 'user_metadata..a' has an empty name");
    expect_failure("email,app_metadata.n:int\n", ", line 1, column 7: ':int' is no type");
    expect_failure("email,app_metadata:number\n", ", line 1, column 7: column 'app_metadata' as a whole");
    expect_failure("email,na\"me\n", ", line 1, column 9: a quote inside a cell");
    expect_failure("email,M\xfcller\n", ", line 1, column 7: a heading that is not UTF-8");
    expect_failure_of("email,n\0\n", 9, ", line 1, column 7: a NUL byte in a heading");
}

static void names_mistakes_in_rows(void **state)
{
    (void)state;
    expect_failure("email,name\nann@example.com\n", ", line 2, column 1: the row that begins here has 1 cell, and");
    expect_failure("email,name\na,b\n\n c@example.com,C,x\n",
                   ", line 4, column 1: the row that begins here has 3 cells, and there are 2 headings");
    expect_failure("email,name\nann@example.com,Ann \"A\" Lee\n", ", line 2, column 21: a quote inside a cell");
    expect_failure("email,name\nann@example.com,\"Ann\" Lee\n", ", line 2, column 23: a quote inside a cell");
    expect_failure("email,name\nann@example.com,\"Ann\nbob@example.com,Bob\n",
                   ", line 2, column 17: the cell that begins here has no closing quote");
    expect_failure("email,name\n\xc3\xa9@example.com,J\xfcrgen\n", ", line 2, column 15: not UTF-8");
    expect_failure("email,blocked\nann@example.com,WAHR\n", ", line 2, column 17: the column takes TRUE or FALSE");
    expect_failure("email,\nann@example.com,x\n", ", line 2, column 17: a filled cell in a column without a heading");
    expect_failure("email,app_metadata.n:number\na,007\n", ", line 2, column 3: the column is declared a number");
    expect_failure("email,app_metadata.n:number\na,\"1\"\"\"\n", ", line 2, column 3: the column is declared a number");
    expect_failure("email,app_metadata.n:number\na,99999999999999999999\n",
                   ", line 2, column 3: the number is too big");
    expect_failure("email,app_metadata\na,gold\n", ", line 2, column 3: the column is JSON, and this cell is not");
    expect_failure_of("email\na\0b\n", 10, ", line 2, column 1: a NUL byte");
}

static void an_error_does_not_quote_cells(void **state)
{
    (void)state;
    struct reading r = read_bytes("email,blocked\nann@example.com,hunter2\n", 38);
    assert_int_equal(r.status, ONRAMP_EINPUT);
    assert_null(strstr(r.err.text, "hunter2"));
}

static void bounds_rows_cells_and_nesting(void **state)
{
    (void)state;
    size_t room = 2 * ONRAMP_CSV_ROW_MAX;
    char *text = malloc(room);
    assert_non_null(text);
    memset(text, 'x', room);
    memcpy(text, "email,name\na,\"", 14);
    expect_failure_of(text, room, ", line 2, column 1: the row that begins here is over 1 MiB; is a quote missing?");
    memcpy(text, "email,name\na,x", 14);
    memset(text + 14, '\x01', ONRAMP_CSV_ROW_MAX / 2); /* six characters each in JSON */
    expect_failure_of(text, ONRAMP_CSV_ROW_MAX / 2,
                      ", line 2, column 1: the row that begins here is over 1 MiB as JSON");

    size_t size = (size_t)snprintf(text, room, "email");
    for (size_t i = 1; i < ONRAMP_CSV_CELLS_MAX; i++)
        size += (size_t)snprintf(text + size, room - size, ",user_metadata.k%zu", i);
    struct reading r = read_bytes(text, size);
    assert_int_equal(r.status, ONRAMP_OK);
    size += (size_t)snprintf(text + size, room - size, ",x");
    expect_failure_of(text, size, ", line 1, column 1: the row that begins here has more than 256 cells");

    size = (size_t)snprintf(text, room, "email,user_metadata");
    for (size_t i = 0; i < 32; i++)
        size += (size_t)snprintf(text + size, room - size, ".k");
    expect_failure_of(text, size, ", line 1, column 7: heading 'user_metadata.k.k");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_commas_semicolons_and_tabs_as_the_headings_have_them),
        cmocka_unit_test(takes_a_mark_and_every_kind_of_line_end),
        cmocka_unit_test(counts_lines_within_cells),
        cmocka_unit_test(undoubles_quotes_and_trims_blanks_outside_of_them),
        cmocka_unit_test(drops_empty_cells_and_empty_rows),
        cmocka_unit_test(knows_headings_as_people_and_the_extension_write_them),
        cmocka_unit_test(passes_unknown_headings_on_for_validation_to_refuse),
        cmocka_unit_test(nests_metadata_by_dots),
        cmocka_unit_test(types_come_from_the_heading_never_from_the_cell),
        cmocka_unit_test(takes_the_export_jobs_apostrophes_off_and_leaves_other_peoples_on),
        cmocka_unit_test(names_mistakes_in_headings),
        cmocka_unit_test(names_mistakes_in_rows),
        cmocka_unit_test(an_error_does_not_quote_cells),
        cmocka_unit_test(bounds_rows_cells_and_nesting),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
