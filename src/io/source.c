/*
 * source.c - one user after the other, out of a JSON array, NDJSON or CSV.
 *
 * What lies between the users is here: how the file begins, commas and line ends, a table's rows, which csv.c takes
 * apart and columns.c makes objects of. A user's object itself is element.c's.
 */
#include "onramp/source.h"

#include "io/columns.h"
#include "io/csv.h"
#include "io/cursor.h"
#include "io/element.h"

#include <jansson.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum form {
    UNKNOWN, /* nothing read yet */
    ARRAY,
    LINES, /* NDJSON, or a single object */
    TABLE, /* CSV */
    OVER   /* the last record has been given out */
};

struct source {
    struct onramp_cursor in;
    enum form form;
    uint64_t ordinal;
    struct onramp_csv *csv; /* of a table, else NULL */
    struct onramp_columns *columns;
    struct onramp_element element;
};

/* ---- the beginning of the file ---- */

/* What people feed by mistake, by its first bytes. */
static const struct {
    const char *magic;
    size_t size;
    const char *what;
} strangers[] = {
    {"\xff\xfe", 2, "it is UTF-16; save it as UTF-8 (iconv -f UTF-16 -t UTF-8)"},
    {"\xfe\xff", 2, "it is UTF-16; save it as UTF-8 (iconv -f UTF-16 -t UTF-8)"},
    {"[\0", 2, "it is UTF-16; save it as UTF-8 (iconv -f UTF-16LE -t UTF-8)"},
    {"{\0", 2, "it is UTF-16; save it as UTF-8 (iconv -f UTF-16LE -t UTF-8)"},
    {"\0", 1, "it is UTF-16 or not text at all; it must be JSON or CSV in UTF-8"},
    {"PK\x03\x04", 4, "it is a zip archive or a spreadsheet; it must be JSON or CSV, plain or gzip"},
    {"\x28\xb5\x2f\xfd", 4, "it is compressed with zstd; it must be JSON or CSV, plain or gzip"},
    {"\xfd"
     "7zXZ",
     5, "it is compressed with xz; it must be JSON or CSV, plain or gzip"},
    {"BZh", 3, "it is compressed with bzip2; it must be JSON or CSV, plain or gzip"},
    {"\x1f\x8b", 2, "it is compressed twice; unpack it once"},
};

static enum onramp_status refuse_strangers(const struct source *s, struct onramp_error *err)
{
    for (size_t i = 0; i < sizeof strangers / sizeof *strangers; i++)
        if (s->in.piece_size >= strangers[i].size && memcmp(s->in.piece, strangers[i].magic, strangers[i].size) == 0)
            return onramp_fail(err, ONRAMP_EINPUT, "cannot read %s: %s", onramp_stream_name(s->in.stream),
                               strangers[i].what);
    return ONRAMP_OK;
}

/* ---- tables ---- */

/* The next row, or *row = false at the end of the file. */
static enum onramp_status read_row(struct source *s, bool *row, struct onramp_error *err)
{
    enum onramp_csv_event event = ONRAMP_CSV_MORE;
    bool end = false;
    while (event == ONRAMP_CSV_MORE && !end) {
        enum onramp_status st = onramp_cursor_look(&s->in, &end, err);
        if (st != ONRAMP_OK)
            return st;
        event = end ? onramp_csv_end(s->csv) : onramp_csv_feed(s->csv, *s->in.piece, s->in.at);
        if (!end)
            onramp_cursor_pass(&s->in);
    }
    *row = event == ONRAMP_CSV_ROW;
    if (event != ONRAMP_CSV_BROKEN)
        return ONRAMP_OK;
    const char *words;
    struct onramp_place at;
    if (onramp_csv_problem(s->csv, &words, &at) == ONRAMP_ENOMEM)
        return onramp_fail(err, ONRAMP_ENOMEM, "out of memory");
    return onramp_cursor_fail(&s->in, at, err, "%s", words);
}

static enum onramp_status fail_cell(const struct source *s, const struct onramp_csv_cell *cells, enum onramp_status st,
                                    const struct onramp_columns_problem *problem, struct onramp_error *err)
{
    return st == ONRAMP_EINPUT ? onramp_cursor_fail(&s->in, cells[problem->cell].at, err, "%s", problem->words)
                               : onramp_fail(err, st, "out of memory");
}

/* Neither '[' nor '{', nor a known heading: say what it may be. */
static enum onramp_status refuse_other(const struct source *s, unsigned char first, struct onramp_place at, bool table,
                                       struct onramp_error *err)
{
    if (table)
        return onramp_cursor_fail(
            &s->in, at, err,
            "it looks like CSV, but its first row has no heading like email or user_metadata.plan; it must have one, "
            "or be JSON: an array of user objects, or one object a line");
    return onramp_cursor_fail(
        &s->in, at, err,
        "%s is not JSON; it must be an array of user objects, or one object a line, or CSV with a row of headings",
        onramp_show_byte(first).text);
}

/* The row of headings. What fails before a heading is known is no table of ours. */
static enum onramp_status begin_table(struct source *s, struct onramp_error *err)
{
    unsigned char first = *s->in.piece;
    struct onramp_place at = s->in.at;
    bool row = false;
    size_t count;
    enum onramp_status st = onramp_csv_new(&s->csv, err);
    if (st != ONRAMP_OK)
        return st;
    st = read_row(s, &row, err);
    const struct onramp_csv_cell *cells = onramp_csv_cells(s->csv, &count);
    if (st != ONRAMP_OK && st != ONRAMP_EINPUT)
        return st;
    if (!onramp_columns_known(cells, count <= ONRAMP_CSV_CELLS_MAX ? count : ONRAMP_CSV_CELLS_MAX))
        return refuse_other(s, first, at, count > 1, err);
    if (st != ONRAMP_OK)
        return st;
    struct onramp_columns_problem problem;
    st = onramp_columns_new(&s->columns, cells, count, &problem);
    if (st != ONRAMP_OK)
        return fail_cell(s, cells, st, &problem, err);
    s->form = TABLE;
    return ONRAMP_OK;
}

static enum onramp_status keep_object(struct source *s, json_t *object, struct onramp_error *err)
{
    size_t size = json_dumpb(object, s->element.text, ONRAMP_ELEMENT_MAX, JSON_COMPACT);
    if (size == 0)
        return onramp_fail(err, ONRAMP_ENOMEM, "out of memory");
    s->element.used =
        size < ONRAMP_ELEMENT_MAX ? (size > s->element.used ? size : s->element.used) : ONRAMP_ELEMENT_MAX;
    if (size > ONRAMP_ELEMENT_MAX)
        return onramp_cursor_fail(&s->in, s->element.begins_at, err,
                                  "the row that begins here is over 1 MiB as JSON; no user may be so large");
    s->element.size = size;
    s->element.text[size] = '\0';
    return ONRAMP_OK;
}

/* The next row that has anything in it, as an object in the element's text. */
static enum onramp_status next_row(struct source *s, struct onramp_error *err)
{
    for (;;) {
        bool row;
        enum onramp_status st = read_row(s, &row, err);
        if (st != ONRAMP_OK)
            return st;
        if (!row) {
            s->form = OVER;
            return ONRAMP_OK;
        }
        size_t count;
        const struct onramp_csv_cell *cells = onramp_csv_cells(s->csv, &count);
        struct onramp_columns_problem problem;
        json_t *object = NULL;
        s->element.begins_at = onramp_csv_row_at(s->csv);
        st = onramp_columns_row(s->columns, &object, cells, count, &problem);
        if (st != ONRAMP_OK)
            return fail_cell(s, cells, st, &problem, err);
        bool filled = json_object_size(object) > 0;
        st = filled ? keep_object(s, object, err) : ONRAMP_OK;
        json_decref(object);
        if (st != ONRAMP_OK || filled)
            return st;
    }
}

/* ---- the beginning of the content ---- */

static enum onramp_status begin(struct source *s, struct onramp_error *err)
{
    bool end;
    enum onramp_status st = onramp_cursor_look(&s->in, &end, err);
    if (st != ONRAMP_OK)
        return st;
    if (end)
        return onramp_fail(err, ONRAMP_EINPUT, "%s is empty; for no users at all write []",
                           onramp_stream_name(s->in.stream));
    st = refuse_strangers(s, err);
    if (st != ONRAMP_OK)
        return st;
    if (s->in.piece_size >= 3 && memcmp(s->in.piece, "\xef\xbb\xbf", 3) == 0) { /* a byte order mark takes no column */
        s->in.piece += 3;
        s->in.piece_size -= 3;
    }
    st = onramp_cursor_pass_space(&s->in, &end, err);
    if (st != ONRAMP_OK)
        return st;
    if (end)
        return onramp_fail(err, ONRAMP_EINPUT, "%s holds nothing but white space; for no users at all write []",
                           onramp_stream_name(s->in.stream));
    if (*s->in.piece != '[' && *s->in.piece != '{')
        return begin_table(s, err);
    s->form = *s->in.piece == '[' ? ARRAY : LINES;
    if (s->form == ARRAY)
        onramp_cursor_pass(&s->in);
    return ONRAMP_OK;
}

/* ---- between elements ---- */

static enum onramp_status fail_early_end(const struct source *s, struct onramp_error *err)
{
    return onramp_cursor_fail(&s->in, s->in.at, err,
                              "the file ends inside the array: ']' is missing; is the file complete?");
}

static enum onramp_status finish(struct source *s, struct onramp_error *err)
{
    bool end;
    enum onramp_status st = onramp_cursor_pass_space(&s->in, &end, err);
    if (st != ONRAMP_OK)
        return st;
    if (!end)
        return onramp_cursor_fail(&s->in, s->in.at, err, "%s after the end of the array",
                                  onramp_show_byte(*s->in.piece).text);
    s->form = OVER;
    return ONRAMP_OK;
}

/* To the '{' of the array's next element, or past its ']'. */
static enum onramp_status seek_in_array(struct source *s, struct onramp_error *err)
{
    bool end, comma = false;
    struct onramp_place comma_at = s->in.at;
    enum onramp_status st = onramp_cursor_pass_space(&s->in, &end, err);
    if (st == ONRAMP_OK && !end && s->ordinal > 0 && *s->in.piece == ',') {
        comma = true;
        comma_at = s->in.at;
        onramp_cursor_pass(&s->in);
        st = onramp_cursor_pass_space(&s->in, &end, err);
    }
    if (st != ONRAMP_OK)
        return st;
    if (end)
        return fail_early_end(s, err);
    if (*s->in.piece == ']' && comma)
        return onramp_cursor_fail(&s->in, comma_at, err, "a comma too many before ']'");
    if (*s->in.piece == ']') {
        onramp_cursor_pass(&s->in);
        return finish(s, err);
    }
    if (*s->in.piece == '{' && s->ordinal > 0 && !comma)
        return onramp_cursor_fail(&s->in, s->in.at, err, "a comma is missing before '{'");
    return ONRAMP_OK;
}

static enum onramp_status seek_in_lines(struct source *s, struct onramp_error *err)
{
    bool end;
    enum onramp_status st = onramp_cursor_pass_space(&s->in, &end, err);
    if (st != ONRAMP_OK)
        return st;
    if (end)
        s->form = OVER;
    else if (*s->in.piece == ',')
        return onramp_cursor_fail(&s->in, s->in.at, err,
                                  "',' between objects that are in no array; put all in [ ], or one object a line");
    return ONRAMP_OK;
}

static enum onramp_status expect_object(const struct source *s, struct onramp_error *err)
{
    if (*s->in.piece == '{')
        return ONRAMP_OK;
    if (*s->in.piece == '[' || *s->in.piece == '"' || *s->in.piece == '-' ||
        (*s->in.piece >= '0' && *s->in.piece <= '9') || (*s->in.piece >= 'a' && *s->in.piece <= 'z'))
        return onramp_cursor_fail(&s->in, s->in.at, err, "element %llu is no object; every user is an object in { }",
                                  (unsigned long long)s->ordinal + 1);
    return onramp_cursor_fail(&s->in, s->in.at, err, "%s where a user's '{' is expected",
                              onramp_show_byte(*s->in.piece).text);
}

/* ---- the interface ---- */

static enum onramp_status next(void *self, struct onramp_record *out, bool *end, struct onramp_error *err)
{
    struct source *s = self;
    enum onramp_status st = s->form == UNKNOWN ? begin(s, err) : ONRAMP_OK;
    if (st == ONRAMP_OK && s->form == ARRAY)
        st = seek_in_array(s, err);
    else if (st == ONRAMP_OK && s->form == LINES)
        st = seek_in_lines(s, err);
    else if (st == ONRAMP_OK && s->form == TABLE)
        st = next_row(s, err);
    if (st != ONRAMP_OK)
        return st;
    *end = s->form == OVER;
    if (*end)
        return ONRAMP_OK;

    if (s->form != TABLE) {
        st = expect_object(s, err);
        if (st == ONRAMP_OK)
            st = onramp_element_read(&s->element, &s->in, err);
    }
    if (st != ONRAMP_OK)
        return st;
    *out = (struct onramp_record){
        .ordinal = s->ordinal, .line = s->element.begins_at.line, .json = s->element.text, .size = s->element.size};
    s->ordinal++;
    return ONRAMP_OK;
}

static void forget_table(struct source *s)
{
    onramp_csv_free(s->csv);
    onramp_columns_free(s->columns);
    s->csv = NULL;
    s->columns = NULL;
}

static void begin_pass(struct source *s)
{
    forget_table(s);
    s->in.piece_size = 0;
    s->in.at = (struct onramp_place){1, 1};
    s->form = UNKNOWN;
    s->ordinal = 0;
}

static enum onramp_status rewind_source(void *self, struct onramp_error *err)
{
    struct source *s = self;
    begin_pass(s);
    return onramp_stream_rewind(s->in.stream, err);
}

static const char *digest(void *self)
{
    const struct source *s = self;
    return onramp_stream_digest(s->in.stream);
}

static void close_source(void *self)
{
    struct source *s = self;
    if (s == NULL)
        return;
    onramp_stream_close(s->in.stream);
    forget_table(s);
    sodium_memzero(s->element.text, s->element.used); /* it held people's data */
    free(s);
}

static const struct onramp_source_ops source_ops = {
    .next = next, .rewind = rewind_source, .digest = digest, .close = close_source};

enum onramp_status onramp_source_open(struct onramp_source *out, const char *path, struct onramp_error *err)
{
    struct source *s = calloc(1, sizeof *s);
    if (s == NULL)
        return onramp_fail(err, ONRAMP_ENOMEM, "out of memory");
    begin_pass(s);
    enum onramp_status st = onramp_stream_open(&s->in.stream, path, err);
    if (st != ONRAMP_OK) {
        close_source(s);
        return st;
    }
    *out = (struct onramp_source){.ops = &source_ops, .self = s};
    return ONRAMP_OK;
}
