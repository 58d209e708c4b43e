/*
 * test_source.c - records out of files good and bad.
 */
#include "onramp/source.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

/* ---- files to read ---- */

static char directory[256];
static char path[300];

static int make_directory(void **state)
{
    (void)state;
    (void)snprintf(directory, sizeof directory, "/tmp/onramp-test-source-XXXXXX");
    if (mkdtemp(directory) == NULL)
        return -1;
    (void)snprintf(path, sizeof path, "%s/users.json", directory);
    return 0;
}

static int remove_directory(void **state)
{
    (void)state;
    (void)unlink(path);
    return rmdir(directory);
}

static void write_file(const void *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static void append_file(const void *bytes, size_t size)
{
    FILE *file = fopen(path, "ab");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

/* A gzip member of `bytes`; its size. */
static size_t gzip(unsigned char *out, size_t room, const void *bytes, size_t size)
{
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (Bytef *)(uintptr_t)bytes;
    z.avail_in = (uInt)size;
    z.next_out = out;
    z.avail_out = (uInt)room;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    size_t written = room - z.avail_out;
    assert_int_equal(deflateEnd(&z), Z_OK);
    return written;
}

/* ---- reading them ---- */

struct reading {
    enum onramp_status status;
    struct onramp_error err;
    uint64_t records;
    char last[256];
    uint64_t last_line;
    char digest[80];
};

static void read_pass(const struct onramp_source *source, struct reading *r)
{
    bool end = false;
    struct onramp_record record;
    r->records = 0;
    r->err.text[0] = '\0';
    while ((r->status = source->ops->next(source->self, &record, &end, &r->err)) == ONRAMP_OK && !end) {
        assert_int_equal(record.ordinal, r->records);
        assert_int_equal(record.size, strlen(record.json));
        r->records++;
        r->last_line = record.line;
        (void)snprintf(r->last, sizeof r->last, "%s", record.json);
    }
    const char *digest = source->ops->digest(source->self);
    (void)snprintf(r->digest, sizeof r->digest, "%s", digest != NULL ? digest : "");
}

static struct reading read_path(const char *from)
{
    struct reading r = {0};
    struct onramp_source source;
    r.status = onramp_source_open(&source, from, &r.err);
    if (r.status != ONRAMP_OK)
        return r;
    read_pass(&source, &r);
    source.ops->close(source.self);
    return r;
}

static struct reading read_bytes(const void *bytes, size_t size)
{
    write_file(bytes, size);
    return read_path(path);
}

static struct reading read_text(const char *text)
{
    return read_bytes(text, strlen(text));
}

static void expect_records(const char *text, uint64_t records, const char *last, uint64_t last_line)
{
    struct reading r = read_text(text);
    if (r.status != ONRAMP_OK)
        fail_msg("%s\nin: %s", r.err.text, text);
    assert_int_equal(r.records, records);
    assert_string_equal(r.last, last);
    assert_int_equal(r.last_line, last_line);
}

/* ---- forms ---- */

static void reads_arrays_lines_and_single_objects(void **state)
{
    (void)state;
    expect_records("[]", 0, "", 0);
    expect_records(" [ \n ] \n", 0, "", 0);
    expect_records("[{}]", 1, "{}", 1);
    expect_records("[\n {\"a\": 1},\n {\"b\" : [1, 2]}\n]\n", 2, "{\"b\":[1,2]}", 3);
    expect_records("{\"a\":1}\n{\"b\":2}", 2, "{\"b\":2}", 2);
    expect_records("{\"a\":1}\r\n\r\n{\"b\":2}\r\n", 2, "{\"b\":2}", 3);
    expect_records("{\n\t\"a\": {\n\t\t\"b\": null\n\t}\n}\n", 1, "{\"a\":{\"b\":null}}", 1);
    expect_records("\xef\xbb\xbf[{\"a\":1}]", 1, "{\"a\":1}", 1);
    expect_records("\xef\xbb\xbf{\"a\":1}\n", 1, "{\"a\":1}", 1);
}

static void keeps_values_as_the_file_writes_them(void **state)
{
    (void)state;
    expect_records("[ { \"z\" : 0.1 , \"a\" : 1E2 , \"s\" : \"x \\\" \\u00e9 \\\\\" , \"\xc3\xa9\" : \" [ \" } ]", 1,
                   "{\"z\":0.1,\"a\":1E2,\"s\":\"x \\\" \\u00e9 \\\\\",\"\xc3\xa9\":\" [ \"}", 1);
}

static void reads_gzip_of_every_form(void **state)
{
    (void)state;
    unsigned char packed[1024];
    const char *array = "[{\"a\":1},{\"b\":2}]", *lines = "{\"a\":1}\n{\"b\":2}\n";
    struct reading r = read_bytes(packed, gzip(packed, sizeof packed, array, strlen(array)));
    assert_int_equal(r.status, ONRAMP_OK);
    assert_int_equal(r.records, 2);
    size_t size = gzip(packed, sizeof packed, lines, strlen(lines));
    r = read_bytes(packed, size);
    assert_int_equal(r.records, 2);

    /* Two members in one file, as `cat a.gz b.gz` makes them, and padding behind. */
    append_file(packed, size);
    append_file("\0\0\0", 3);
    r = read_path(path);
    assert_int_equal(r.status, ONRAMP_OK);
    assert_int_equal(r.records, 4);
}

static void digest_is_that_of_the_bytes_as_stored(void **state)
{
    (void)state;
    struct reading r = read_text("[]");
    assert_string_equal(r.digest, "4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945");

    unsigned char packed[256];
    size_t size = gzip(packed, sizeof packed, "[]", 2);
    r = read_bytes(packed, size);
    char of_gzip[80];
    memcpy(of_gzip, r.digest, sizeof of_gzip);
    assert_int_equal(strlen(of_gzip), 64);
    assert_string_not_equal(of_gzip, "4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945");
}

static void memory_does_not_grow_with_the_file(void **state)
{
    (void)state;
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    for (int i = 0; i < 20000; i++) /* many pieces, elements across their borders */
        assert_true(fprintf(file, "{\"email\":\"user.%d@example.com\",\"name\":\"Zo\xc3\xab %d\"}\n", i, i) > 0);
    assert_int_equal(fclose(file), 0);
    struct reading r = read_path(path);
    assert_int_equal(r.status, ONRAMP_OK);
    assert_int_equal(r.records, 20000);
    assert_string_equal(r.last, "{\"email\":\"user.19999@example.com\",\"name\":\"Zo\xc3\xab 19999\"}");
    assert_int_equal(r.last_line, 20000);
}

/* ---- mistakes ---- */

/* What stands in the file, and what the error must say after "cannot read 'users.json'". */
static const struct {
    const char *text, *says;
} mistakes[] = {
    /* between elements */
    {"[", ", line 1, column 2: the file ends inside the array"},
    {"[{\"a\":1}", ", line 1, column 9: the file ends inside the array"},
    {"[{\"a\":1},", ", line 1, column 10: the file ends inside the array"},
    {"[{\"a\":1},]", ", line 1, column 9: a comma too many before ']'"},
    {"[{\"a\":1}\n{\"b\":2}]", ", line 2, column 1: a comma is missing before '{'"},
    {"[{\"a\":1},,{}]", ", line 1, column 10: ',' where a user's '{' is expected"},
    {"[,{}]", ", line 1, column 2: ',' where a user's '{' is expected"},
    {"[{}] x", ", line 1, column 6: 'x' after the end of the array"},
    {"[{}]\n[{}]", ", line 2, column 1: '[' after the end of the array"},
    {"[{}]]", ", line 1, column 5: ']' after the end of the array"},
    {"[{}}", ", line 1, column 4: '}' where a user's '{' is expected"},
    {"[{},\n \"x\"]", ", line 2, column 2: element 2 is no object"},
    {"[1]", ", line 1, column 2: element 1 is no object"},
    {"[null]", ", line 1, column 2: element 1 is no object"},
    {"[[{}]]", ", line 1, column 2: element 1 is no object"},
    {"{}\n7\n", ", line 2, column 1: element 2 is no object"},
    {"{\"a\":1},\n{\"b\":2}", ", line 1, column 8: ',' between objects that are in no array"},
    {"{}\n]", ", line 2, column 1: ']' where a user's '{' is expected"},
    /* within an element */
    {"{\"a\":1", ", line 1, column 7: the file ends inside the object that begins at line 1, column 1"},
    {"[\n {\"a\":[1,2\n", ", line 3, column 1: the file ends inside the object that begins at line 2, column 2"},
    {"{\"a\":\"x", ", line 1, column 8: the file ends inside the object"},
    {"{\"a\":1\n{\"b\":2}", ", line 2, column 1: ',' or '}' is missing before '{'"},
    {"[{\"a\":1,}]", ", line 1, column 9: a comma too many before '}'"},
    {"[{\"a\":[1,]}]", ", line 1, column 10: a comma too many before ']'"},
    {"[{\"a\":}]", ", line 1, column 7: a value is missing before '}'"},
    {"[{\"a\":,\"b\":1}]", ", line 1, column 7: a value is missing before ','"},
    {"[{\"a\":1,,\"b\":1}]", ", line 1, column 9: a value is missing before ','"},
    {"[{\"a\":1 \"b\":2}]", ", line 1, column 9: ',' is missing before '\"'"},
    {"[{\"a\" \"b\"}]", ", line 1, column 7: ',' or ':' is missing before '\"'"},
    {"[{\"a\":{} [1]}]", ", line 1, column 10: ',' is missing before '['"},
    {"[{\"a\":[1}]", ", line 1, column 9: '}' where ']' is expected"},
    {"[{\"a\":1]", ", line 1, column 8: ']' where '}' is expected"},
    {"[{\"a\":\"x\n\"}]", ", line 1, column 7: the string that begins here does not end on its line"},
    {"[{\"a\":\"x\ty\"}]", ", line 1, column 9: byte 0x09 in a string; write it as \\u0009"},
    {"[{'a':1}]", ", line 1, column 3: ''' is not JSON here; strings stand in double quotes"},
    {"[{ // x\n}]", ", line 1, column 4: '/' is not JSON here"},
    {"[{\"a\":\xe2\x80\x9cx\xe2\x80\x9d}]", ", line 1, column 7: byte 0xe2 is not JSON here; strings "
                                            "stand in plain double quotes, not in typographic ones"},
    {"[{\"a\":\xc2\xa0"
     "1}]",
     ", line 1, column 7: byte 0xc2 is not JSON here; it is a no-break space"},
    {"{\"a\":\"b\"\n{\"c\":1}", ", line 2, column 1: '}', ',' or ':' is missing before '{'"},
    {"[{\"a\" 1}]", ", line 1, column 7: ':' expected"},
    {"[{1:2}]", ", line 1, column 3: string or '}' expected"},
    {"[{\"a\":1:2}]", ", line 1, column 8: '}' expected"},
    {"[{\"a\":True}]", ", line 1, column 7: invalid token: a value is a number, true, false, null, or text in"},
    {"[{\"a\":NaN}]", ", line 1, column 7: invalid token"},
    {"[{\"a\":01}]", ", line 1, column 7: invalid token"},
    {"[{\"a\":+1}]", ", line 1, column 7: invalid token"},
    {"[\n{\"a\":\"\\q\"}]", ", line 2, column 7: invalid escape"},
    {"[{\"a\":\"\\ud800\"}]", ", line 1, column 7: invalid Unicode"},
    {"[{\"a\":\"\\u0000\"}]", ", line 1, column 7: \\u0000 in a string"},
    {"[{\"a\":92233720368547758080}]", ", line 1, column 7: the number is too big"},
    {"[{\"a\":1e999}]", ", line 1, column 7: the number is too big"},
    {"[{\"a\":1,\n\"b\":2, \"a\":3}]", ", line 2, column 8: the key \"a\" stands twice in this object"},
    {"[{\"n\":\"\xc3\xa9\xe2\x82\xac\",\"a\":tru}]", ", line 1, column 16: invalid token"}, /* counted in characters */
    {"[{\"n\":\"caf\xe9\"}]", ", line 1, column 11: not UTF-8"},
    {"[{\"n\":\"\xc3\xa9\xed\xa0\x80\"}]", ", line 1, column 9: not UTF-8"},
    /* the wrong file */
    {"", " is empty"},
    {" \n\t", " holds nothing but white space"},
    {"\xef\xbb\xbf", " holds nothing but white space"},
    {"mail,first\nann@example.com,Ann\n", ", line 1, column 1: it looks like CSV, but its first row has no heading"},
    {"\n\"mail\";\"first\"\n", ", line 2, column 1: it looks like CSV, but"},
    {"mail,fi\"rst\n", ", line 1, column 1: 'm' is not JSON"},
    {"hello", ", line 1, column 1: 'h' is not JSON"},
    {"\n\n<html>", ", line 3, column 1: '<' is not JSON"},
    {"\xff\xfe[", ": it is UTF-16"},
    {"\xfe\xff", ": it is UTF-16"},
    {"PK\x03\x04zip", ": it is a zip archive"},
    {"BZh91AY", ": it is compressed with bzip2"},
};

static void names_every_mistake_with_its_place(void **state)
{
    (void)state;
    char name[320];
    for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
        struct reading r = read_text(mistakes[i].text);
        assert_int_equal(r.status, ONRAMP_EINPUT);
        assert_int_equal(r.err.status, ONRAMP_EINPUT);
        (void)snprintf(name, sizeof name, "'%s'%s", path, mistakes[i].says);
        if (strstr(r.err.text, name) == NULL || strchr(r.err.text, '\n') != NULL)
            fail_msg("\n  in:   %s\n  says: %s\n  not:  %s", mistakes[i].text, r.err.text, mistakes[i].says);
    }
}

static void expect_error(struct reading r, const char *says)
{
    if (r.status == ONRAMP_OK || strstr(r.err.text, says) == NULL)
        fail_msg("says: %s\nnot:  %s", r.status == ONRAMP_OK ? "nothing" : r.err.text, says);
}

static void names_nul_bytes_and_utf16_without_a_mark(void **state)
{
    (void)state;
    expect_error(read_bytes("[\0{\0}\0]\0", 8), "it is UTF-16");
    expect_error(read_bytes("\0[\0{", 4), "it is UTF-16");
    expect_error(read_bytes("[{\"a\":\0}]", 9), "line 1, column 7: byte 0x00 is not JSON here");
    expect_error(read_bytes("[{\"a\":\"\0\"}]", 11), "line 1, column 8: byte 0x00 in a string");
    expect_error(read_bytes("[\n\0]", 4), "line 2, column 1: byte 0x00 where a user's '{' is expected");
    expect_error(read_bytes("[]\0", 3), "line 1, column 3: byte 0x00 after the end of the array");
}

static void an_error_does_not_quote_values(void **state)
{
    (void)state;
    struct reading r = read_text("[{\"password\":\"Hunter2-is-it\" 5}]");
    assert_int_equal(r.status, ONRAMP_EINPUT);
    assert_null(strstr(r.err.text, "Hunter2"));
    r = read_text("[{\"password\":\"Hunter2\\q\"}]");
    assert_int_equal(r.status, ONRAMP_EINPUT);
    assert_null(strstr(r.err.text, "Hunter2"));
}

static void bounds_depth_and_size_of_an_element(void **state)
{
    (void)state;
    char text[200] = "[{\"a\":";
    size_t head = strlen(text);
    memset(text + head, '[', 63);
    memset(text + head + 63, ']', 63);
    memcpy(text + head + 126, "}]", 3);
    assert_int_equal(read_text(text).status, ONRAMP_OK); /* 64 deep */
    memset(text + head, '[', 64);
    expect_error(read_text(text), "line 1, column 70: nested more than 64 deep");

    size_t mebibyte = 1024 * 1024;
    char *large = malloc(mebibyte + 2);
    assert_non_null(large);
    memset(large, 'x', mebibyte + 1);
    memcpy(large, "{\"a\":\"", 6);
    memcpy(large + mebibyte - 2, "\"}\n", 3);
    assert_int_equal(read_bytes(large, mebibyte + 1).status, ONRAMP_OK);
    memcpy(large + mebibyte - 2, "x\"}", 3);
    expect_error(read_bytes(large, mebibyte + 1), "line 1, column 1: the object that begins here is over 1 MiB");
    free(large);
}

static void names_damaged_gzip(void **state)
{
    (void)state;
    char text[2000];
    size_t length = 0;
    for (int i = 0; i < 40; i++)
        length += (size_t)snprintf(text + length, sizeof text - length, "{\"n\":%d}\n", i * 7919);
    unsigned char packed[2100];
    size_t size = gzip(packed, sizeof packed, text, length);

    for (size_t cut = 2; cut < size; cut++) /* wherever it is cut */
        expect_error(read_bytes(packed, cut), "the gzip data ends early; is the file complete?");
    packed[size - 6] ^= 1; /* the checksum */
    expect_error(read_bytes(packed, size), "the gzip data is damaged (incorrect data check)");
    packed[size - 6] ^= 1;
    packed[12] ^= 0xff; /* the data itself: an error wherever it shows first */
    assert_int_equal(read_bytes(packed, size).status, ONRAMP_EINPUT);
    packed[12] ^= 0xff;
    write_file(packed, size);
    append_file("rubbish", 7);
    expect_error(read_path(path), "something other than gzip follows the gzip data");
    write_file(packed, size);
    append_file("\x1f", 1);
    expect_error(read_path(path), "the gzip data ends early");
}

static void names_gzip_of_gzip(void **state)
{
    (void)state;
    unsigned char once[256], twice[256];
    size_t size = gzip(once, sizeof once, "[]", 2);
    expect_error(read_bytes(twice, gzip(twice, sizeof twice, once, size)), "it is compressed twice");
}

/* ---- what is no plain file ---- */

static void names_files_that_cannot_be_opened(void **state)
{
    (void)state;
    struct reading r = read_path("/nonexistent/users.json");
    assert_int_equal(r.status, ONRAMP_EINPUT);
    assert_string_equal(r.err.text, "cannot open '/nonexistent/users.json': No such file or directory");
    r = read_path(directory);
    assert_int_equal(r.status, ONRAMP_EINPUT);
    expect_error(r, "it is a directory, not a file of users");
}

/* Put `text` where standard input is, through a pipe; returns what it was before. */
static int pipe_to_standard_input(const char *text)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], text, strlen(text)), strlen(text));
    close(ends[1]);
    int before = dup(STDIN_FILENO);
    assert_true(before >= 0);
    assert_int_equal(dup2(ends[0], STDIN_FILENO), STDIN_FILENO);
    close(ends[0]);
    return before;
}

static void restore_standard_input(int before)
{
    assert_int_equal(dup2(before, STDIN_FILENO), STDIN_FILENO);
    close(before);
}

static void reads_standard_input_twice(void **state)
{
    (void)state;
    int before = pipe_to_standard_input("[{\"a\":1},{\"a\":2}]");
    struct onramp_source source;
    struct onramp_error err;
    struct reading first = {0}, second = {0};
    assert_int_equal(onramp_source_open(&source, "-", &err), ONRAMP_OK);
    read_pass(&source, &first);
    assert_int_equal(source.ops->rewind(source.self, &err), ONRAMP_OK);
    read_pass(&source, &second);
    source.ops->close(source.self);
    restore_standard_input(before);
    assert_int_equal(first.records, 2);
    assert_int_equal(second.records, 2);
    assert_string_equal(first.digest, second.digest);

    before = pipe_to_standard_input("[}");
    struct reading r = read_path("-");
    restore_standard_input(before);
    assert_string_equal(r.err.text, "cannot read standard input, line 1, column 2: '}' where a user's '{' is expected");
}

static void reads_a_named_pipe_twice(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "{\"a\":1}\n", 8), 8);
    close(ends[1]);
    char name[40];
    (void)snprintf(name, sizeof name, "/dev/fd/%d", ends[0]); /* what a shell's <( ) passes */
    struct onramp_source source;
    struct onramp_error err;
    struct reading r = {0};
    assert_int_equal(onramp_source_open(&source, name, &err), ONRAMP_OK);
    close(ends[0]);
    read_pass(&source, &r);
    assert_int_equal(r.records, 1);
    assert_int_equal(source.ops->rewind(source.self, &err), ONRAMP_OK);
    read_pass(&source, &r);
    assert_int_equal(r.records, 1);
    source.ops->close(source.self);
}

static void says_when_the_temporary_copy_cannot_be_made(void **state)
{
    (void)state;
    const char *set = getenv("TMPDIR");
    char kept[PATH_MAX] = "";
    if (set != NULL)
        (void)snprintf(kept, sizeof kept, "%s", set);
    assert_int_equal(setenv("TMPDIR", "/nonexistent", 1), 0);
    int before = pipe_to_standard_input("[]");
    struct reading r = read_path("-");
    restore_standard_input(before);
    assert_int_equal(set != NULL ? setenv("TMPDIR", kept, 1) : unsetenv("TMPDIR"), 0);
    assert_int_equal(r.status, ONRAMP_EIO);
    expect_error(r, "cannot create a temporary file in '/nonexistent'");
}

/* ---- two passes ---- */

static void yields_the_same_records_again(void **state)
{
    (void)state;
    write_file("[{\"a\":1},{\"a\":2},{\"a\":3}]", 25);
    struct onramp_source source;
    struct onramp_error err;
    struct onramp_record record;
    bool end = true;
    assert_int_equal(onramp_source_open(&source, path, &err), ONRAMP_OK);
    assert_null(source.ops->digest(source.self));
    assert_int_equal(source.ops->next(source.self, &record, &end, &err), ONRAMP_OK);
    assert_false(end);
    assert_int_equal(source.ops->rewind(source.self, &err), ONRAMP_OK); /* from the middle */
    for (int i = 0; i < 3; i++) {
        struct reading r = {0};
        read_pass(&source, &r);
        assert_int_equal(r.status, ONRAMP_OK);
        assert_int_equal(r.records, 3);
        assert_int_equal(source.ops->next(source.self, &record, &end, &err), ONRAMP_OK);
        assert_true(end); /* and stays there */
        assert_int_equal(source.ops->rewind(source.self, &err), ONRAMP_OK);
    }
    source.ops->close(source.self);
}

static void notices_a_file_that_changes_between_passes(void **state)
{
    (void)state;
    write_file("[{\"a\":1}]", 9);
    struct onramp_source source;
    struct reading r = {0};
    assert_int_equal(onramp_source_open(&source, path, &r.err), ONRAMP_OK);
    read_pass(&source, &r);
    assert_int_equal(r.status, ONRAMP_OK);
    append_file("\n", 1);
    r.status = source.ops->rewind(source.self, &r.err);
    assert_int_equal(r.status, ONRAMP_EINPUT);
    expect_error(r, "changed while it was being read");
    source.ops->close(source.self);
}

static void notices_other_bytes_under_the_same_size_and_time(void **state)
{
    (void)state;
    write_file("[{\"a\":1}]", 9);
    struct stat before;
    assert_int_equal(stat(path, &before), 0);
    struct onramp_source source;
    struct reading r = {0};
    assert_int_equal(onramp_source_open(&source, path, &r.err), ONRAMP_OK);
    read_pass(&source, &r);
    int fd = open(path, O_WRONLY);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, "2", 1, 6), 1);
    struct timespec times[2] = {before.st_atim, before.st_mtim};
    assert_int_equal(futimens(fd, times), 0);
    close(fd);
    assert_int_equal(source.ops->rewind(source.self, &r.err), ONRAMP_OK);
    read_pass(&source, &r);
    assert_int_equal(r.status, ONRAMP_EINPUT);
    expect_error(r, "changed while it was being read");
    source.ops->close(source.self);
}

/* ---- standing before a pipe that says nothing ---- */

static void do_nothing(int signal_number)
{
    (void)signal_number;
}

/* Signal the parent again and again: the first may come before it waits. */
static void knock(void)
{
    const struct timespec pause = {.tv_nsec = 10000000};
    while (kill(getppid(), SIGALRM) == 0)
        (void)nanosleep(&pause, NULL);
    _exit(0);
}

static void a_signal_ends_waiting_for_standard_input(void **state)
{
    (void)state;
    struct sigaction action = {.sa_handler = do_nothing}, kept;
    assert_int_equal(sigaction(SIGALRM, &action, &kept), 0);
    int ends[2];
    assert_int_equal(pipe(ends), 0); /* never written, never closed */
    int before = dup(STDIN_FILENO);
    assert_int_equal(dup2(ends[0], STDIN_FILENO), STDIN_FILENO);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        knock();
    struct reading r = read_path("-");
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    restore_standard_input(before);
    close(ends[0]);
    close(ends[1]);
    assert_int_equal(sigaction(SIGALRM, &kept, NULL), 0);
    assert_int_equal(r.status, ONRAMP_EIO);
    expect_error(r, "cannot read standard input: Interrupted system call");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_arrays_lines_and_single_objects),
        cmocka_unit_test(keeps_values_as_the_file_writes_them),
        cmocka_unit_test(reads_gzip_of_every_form),
        cmocka_unit_test(digest_is_that_of_the_bytes_as_stored),
        cmocka_unit_test(memory_does_not_grow_with_the_file),
        cmocka_unit_test(names_every_mistake_with_its_place),
        cmocka_unit_test(names_nul_bytes_and_utf16_without_a_mark),
        cmocka_unit_test(an_error_does_not_quote_values),
        cmocka_unit_test(bounds_depth_and_size_of_an_element),
        cmocka_unit_test(names_damaged_gzip),
        cmocka_unit_test(names_gzip_of_gzip),
        cmocka_unit_test(names_files_that_cannot_be_opened),
        cmocka_unit_test(reads_standard_input_twice),
        cmocka_unit_test(reads_a_named_pipe_twice),
        cmocka_unit_test(says_when_the_temporary_copy_cannot_be_made),
        cmocka_unit_test(yields_the_same_records_again),
        cmocka_unit_test(notices_a_file_that_changes_between_passes),
        cmocka_unit_test(notices_other_bytes_under_the_same_size_and_time),
        cmocka_unit_test(a_signal_ends_waiting_for_standard_input),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
