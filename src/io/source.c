/*
 * source.c - one user after the other, out of a JSON array, NDJSON or CSV.
 *
 * The elements are framed here and each is then parsed by jansson, so that memory does not grow with the file.
 * Framing follows brackets and strings, which is also where people's mistakes are (a comma too many, a quote
 * missing), so it names those itself, at the place where they are. All else about JSON is jansson's to judge; its
 * words are passed on, but not its "near '…'": that could quote a password. A table's rows come from csv.c, and become
 * objects in columns.c.
 */
#include "onramp/source.h"

#include "io/columns.h"
#include "io/csv.h"
#include "io/stream.h"

#include <assert.h>
#include <jansson.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ELEMENT_MAX ((size_t)1024 * 1024)
#define DEPTH_MAX   64

enum form {
    UNKNOWN, /* nothing read yet */
    ARRAY,
    LINES, /* NDJSON, or a single object */
    TABLE, /* CSV */
    OVER   /* the last record has been given out */
};

struct source {
    struct onramp_stream *stream;
    const unsigned char *piece; /* the unread rest of the stream's latest piece */
    size_t piece_size;
    struct onramp_place at; /* where the next byte stands */
    enum form form;
    uint64_t ordinal;
    struct onramp_csv *csv; /* of a table, else NULL */
    struct onramp_columns *columns;

    /* The element being framed, and what surrounds its next byte. */
    struct onramp_place begins_at;
    size_t size;
    size_t depth;
    char open[DEPTH_MAX]; /* the brackets not yet closed */
    unsigned char before; /* the last byte that was no white space */
    size_t used;          /* bytes of `text` that have held something */
    char text[ELEMENT_MAX + 1];
};

/* ---- places and errors ---- */

static void step(struct onramp_place *at, unsigned char byte)
{
    if (byte == '\n') {
        at->line++;
        at->column = 1;
    } else if ((byte & 0xc0) != 0x80) { /* the later bytes of a character do not count */
        at->column++;
    }
}

static enum onramp_status fail_at(const struct source *s, struct onramp_place at, struct onramp_error *err,
                                  const char *format, ...) ONRAMP_PRINTF(4, 5);

static enum onramp_status fail_at(const struct source *s, struct onramp_place at, struct onramp_error *err,
                                  const char *format, ...)
{
    char what[256];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(what, sizeof what, format, args);
    va_end(args);
    return onramp_fail(err, ONRAMP_EINPUT, "cannot read %s, line %llu, column %llu: %s", onramp_stream_name(s->stream),
                       (unsigned long long)at.line, (unsigned long long)at.column, what);
}

/* A byte for an error's text. */
struct shown {
    char text[24];
};
static struct shown show(unsigned char byte)
{
    struct shown out;
    if (byte > ' ' && byte < 0x7f)
        (void)snprintf(out.text, sizeof out.text, "'%c'", byte);
    else
        (void)snprintf(out.text, sizeof out.text, "byte 0x%02x", byte);
    return out;
}

/* ---- bytes ---- */

static bool is_space(unsigned char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r';
}

/* Make sure that s->piece holds a byte, unless the file is at its end. */
static enum onramp_status look(struct source *s, bool *end, struct onramp_error *err)
{
    if (s->piece_size == 0) {
        enum onramp_status st = onramp_stream_read(s->stream, &s->piece, &s->piece_size, err);
        if (st != ONRAMP_OK)
            return st;
    }
    *end = s->piece_size == 0;
    return ONRAMP_OK;
}

static void pass(struct source *s)
{
    assert(s->piece_size > 0);
    step(&s->at, *s->piece);
    s->piece++;
    s->piece_size--;
}

static enum onramp_status pass_space(struct source *s, bool *end, struct onramp_error *err)
{
    enum onramp_status st;
    while ((st = look(s, end, err)) == ONRAMP_OK && !*end && is_space(*s->piece))
        pass(s);
    return st;
}

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
        if (s->piece_size >= strangers[i].size && memcmp(s->piece, strangers[i].magic, strangers[i].size) == 0)
            return onramp_fail(err, ONRAMP_EINPUT, "cannot read %s: %s", onramp_stream_name(s->stream),
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
        enum onramp_status st = look(s, &end, err);
        if (st != ONRAMP_OK)
            return st;
        event = end ? onramp_csv_end(s->csv) : onramp_csv_feed(s->csv, *s->piece, s->at);
        if (!end)
            pass(s);
    }
    *row = event == ONRAMP_CSV_ROW;
    if (event != ONRAMP_CSV_BROKEN)
        return ONRAMP_OK;
    const char *words;
    struct onramp_place at;
    if (onramp_csv_problem(s->csv, &words, &at) == ONRAMP_ENOMEM)
        return onramp_fail(err, ONRAMP_ENOMEM, "out of memory");
    return fail_at(s, at, err, "%s", words);
}

static enum onramp_status fail_cell(const struct source *s, const struct onramp_csv_cell *cells, enum onramp_status st,
                                    const struct onramp_columns_problem *problem, struct onramp_error *err)
{
    return st == ONRAMP_EINPUT ? fail_at(s, cells[problem->cell].at, err, "%s", problem->words)
                               : onramp_fail(err, st, "out of memory");
}

/* Neither '[' nor '{', nor a known heading: say what it may be. */
static enum onramp_status refuse_other(const struct source *s, unsigned char first, struct onramp_place at, bool table,
                                       struct onramp_error *err)
{
    if (table)
        return fail_at(s, at, err,
                       "it looks like CSV, but its first row has no heading like email or user_metadata.plan; it must "
                       "have one, or be JSON: an array of user objects, or one object a line");
    return fail_at(s, at, err,
                   "%s is not JSON; it must be an array of user objects, or one object a line, or CSV with a row of "
                   "headings",
                   show(first).text);
}

/* The row of headings. What fails before a heading is known is no table of ours. */
static enum onramp_status begin_table(struct source *s, struct onramp_error *err)
{
    unsigned char first = *s->piece;
    struct onramp_place at = s->at;
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
    size_t size = json_dumpb(object, s->text, ELEMENT_MAX, JSON_COMPACT);
    if (size == 0)
        return onramp_fail(err, ONRAMP_ENOMEM, "out of memory");
    s->used = size < ELEMENT_MAX ? (size > s->used ? size : s->used) : ELEMENT_MAX;
    if (size > ELEMENT_MAX)
        return fail_at(s, s->begins_at, err, "the row that begins here is over 1 MiB as JSON; no user may be so large");
    s->size = size;
    s->text[size] = '\0';
    return ONRAMP_OK;
}

/* The next row that has anything in it, as an object in s->text. */
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
        s->begins_at = onramp_csv_row_at(s->csv);
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
    enum onramp_status st = look(s, &end, err);
    if (st != ONRAMP_OK)
        return st;
    if (end)
        return onramp_fail(err, ONRAMP_EINPUT, "%s is empty; for no users at all write []",
                           onramp_stream_name(s->stream));
    st = refuse_strangers(s, err);
    if (st != ONRAMP_OK)
        return st;
    if (s->piece_size >= 3 && memcmp(s->piece, "\xef\xbb\xbf", 3) == 0) { /* a byte order mark takes no column */
        s->piece += 3;
        s->piece_size -= 3;
    }
    st = pass_space(s, &end, err);
    if (st != ONRAMP_OK)
        return st;
    if (end)
        return onramp_fail(err, ONRAMP_EINPUT, "%s holds nothing but white space; for no users at all write []",
                           onramp_stream_name(s->stream));
    if (*s->piece != '[' && *s->piece != '{')
        return begin_table(s, err);
    s->form = *s->piece == '[' ? ARRAY : LINES;
    if (s->form == ARRAY)
        pass(s);
    return ONRAMP_OK;
}

/* ---- between elements ---- */

static enum onramp_status fail_early_end(const struct source *s, struct onramp_error *err)
{
    return fail_at(s, s->at, err, "the file ends inside the array: ']' is missing; is the file complete?");
}

static enum onramp_status finish(struct source *s, struct onramp_error *err)
{
    bool end;
    enum onramp_status st = pass_space(s, &end, err);
    if (st != ONRAMP_OK)
        return st;
    if (!end)
        return fail_at(s, s->at, err, "%s after the end of the array", show(*s->piece).text);
    s->form = OVER;
    return ONRAMP_OK;
}

/* To the '{' of the array's next element, or past its ']'. */
static enum onramp_status seek_in_array(struct source *s, struct onramp_error *err)
{
    bool end, comma = false;
    struct onramp_place comma_at = s->at;
    enum onramp_status st = pass_space(s, &end, err);
    if (st == ONRAMP_OK && !end && s->ordinal > 0 && *s->piece == ',') {
        comma = true;
        comma_at = s->at;
        pass(s);
        st = pass_space(s, &end, err);
    }
    if (st != ONRAMP_OK)
        return st;
    if (end)
        return fail_early_end(s, err);
    if (*s->piece == ']' && comma)
        return fail_at(s, comma_at, err, "a comma too many before ']'");
    if (*s->piece == ']') {
        pass(s);
        return finish(s, err);
    }
    if (*s->piece == '{' && s->ordinal > 0 && !comma)
        return fail_at(s, s->at, err, "a comma is missing before '{'");
    return ONRAMP_OK;
}

static enum onramp_status seek_in_lines(struct source *s, struct onramp_error *err)
{
    bool end;
    enum onramp_status st = pass_space(s, &end, err);
    if (st != ONRAMP_OK)
        return st;
    if (end)
        s->form = OVER;
    else if (*s->piece == ',')
        return fail_at(s, s->at, err, "',' between objects that are in no array; put all in [ ], or one object a line");
    return ONRAMP_OK;
}

static enum onramp_status expect_object(const struct source *s, struct onramp_error *err)
{
    if (*s->piece == '{')
        return ONRAMP_OK;
    if (*s->piece == '[' || *s->piece == '"' || *s->piece == '-' || (*s->piece >= '0' && *s->piece <= '9') ||
        (*s->piece >= 'a' && *s->piece <= 'z'))
        return fail_at(s, s->at, err, "element %llu is no object; every user is an object in { }",
                       (unsigned long long)s->ordinal + 1);
    return fail_at(s, s->at, err, "%s where a user's '{' is expected", show(*s->piece).text);
}

/* ---- one element ---- */

static enum onramp_status keep(struct source *s, struct onramp_error *err)
{
    if (s->size == ELEMENT_MAX)
        return fail_at(s, s->begins_at, err, "the object that begins here is over 1 MiB; no user may be so large");
    s->text[s->size++] = (char)*s->piece;
    if (s->size > s->used)
        s->used = s->size;
    pass(s);
    return ONRAMP_OK;
}

static enum onramp_status fail_unfinished(const struct source *s, struct onramp_error *err)
{
    return fail_at(s, s->at, err, "the file ends inside the object that begins at line %llu, column %llu",
                   (unsigned long long)s->begins_at.line, (unsigned long long)s->begins_at.column);
}

/* From the opening quote past the closing one. */
static enum onramp_status frame_string(struct source *s, struct onramp_error *err)
{
    struct onramp_place quote_at = s->at;
    bool end, escaped = false;
    enum onramp_status st = keep(s, err);
    while (st == ONRAMP_OK && (st = look(s, &end, err)) == ONRAMP_OK) {
        if (end)
            return fail_unfinished(s, err);
        unsigned char byte = *s->piece;
        if (byte == '\n' || byte == '\r')
            return fail_at(s, quote_at, err, "the string that begins here does not end on its line");
        if (byte < ' ')
            return fail_at(s, s->at, err, "byte 0x%02x in a string; write it as \\u%04x", byte, byte);
        st = keep(s, err);
        if (byte == '"' && !escaped)
            return st;
        escaped = byte == '\\' && !escaped;
    }
    return st;
}

static bool ends_value(unsigned char byte)
{
    return byte == '"' || byte == '}' || byte == ']' || (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z');
}

static bool stands_outside_strings(unsigned char byte)
{
    return byte == '{' || byte == '}' || byte == '[' || byte == ']' || byte == ':' || byte == ',' || byte == '"' ||
           byte == '-' || byte == '+' || byte == '.' || (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') ||
           (byte >= 'A' && byte <= 'Z');
}

/* Mistakes that show by two neighbours, at the second of them. */
static enum onramp_status check_neighbours(const struct source *s, unsigned char byte, struct onramp_error *err)
{
    bool opens = byte == '{' || byte == '[', closes = byte == '}' || byte == ']';
    if (closes && s->before == ',')
        return fail_at(s, s->at, err, "a comma too many before '%c'", byte);
    if (closes && s->before == ':')
        return fail_at(s, s->at, err, "a value is missing before '%c'", byte);
    if (byte == ',' && (s->before == ',' || s->before == ':' || s->before == '{' || s->before == '['))
        return fail_at(s, s->at, err, "a value is missing before ','");
    if ((opens || byte == '"') && ends_value(s->before))
        return fail_at(s, s->at, err, "%s is missing before '%c'",
                       s->before == '"' ? "',' or ':'"
                       : byte == '{'    ? "',' or '}'"
                                        : "','",
                       byte);
    if (!stands_outside_strings(byte))
        return fail_at(s, s->at, err, "%s is not JSON here%s", show(byte).text,
                       byte == '\'' ? "; strings stand in double quotes" : "");
    return ONRAMP_OK;
}

static enum onramp_status nest(struct source *s, unsigned char byte, struct onramp_error *err)
{
    if (byte == '{' || byte == '[') {
        if (s->depth == DEPTH_MAX)
            return fail_at(s, s->at, err, "nested more than %d deep", DEPTH_MAX);
        s->open[s->depth++] = byte == '{' ? '}' : ']';
    } else if (byte == '}' || byte == ']') {
        assert(s->depth > 0); /* an element ends when none is left */
        if (s->open[s->depth - 1] != (char)byte)
            return fail_at(s, s->at, err, "'%c' where '%c' is expected", byte, s->open[s->depth - 1]);
        s->depth--;
    }
    return ONRAMP_OK;
}

/* From '{' past its '}', into s->text. */
static enum onramp_status frame(struct source *s, struct onramp_error *err)
{
    s->begins_at = s->at;
    s->size = 0;
    s->depth = 0;
    s->before = ':'; /* as if behind a key: a value is expected */
    do {
        bool end;
        enum onramp_status st = look(s, &end, err);
        if (st == ONRAMP_OK && end)
            st = fail_unfinished(s, err);
        if (st != ONRAMP_OK)
            return st;
        unsigned char byte = *s->piece;
        if (!is_space(byte)) {
            st = check_neighbours(s, byte, err);
            if (st == ONRAMP_OK)
                st = nest(s, byte, err);
            s->before = byte;
        }
        if (st == ONRAMP_OK)
            st = byte == '"' ? frame_string(s, err) : keep(s, err);
        if (st != ONRAMP_OK)
            return st;
    } while (s->depth > 0);
    s->text[s->size] = '\0';
    return ONRAMP_OK;
}

/* The place in the file of a byte of the element. */
static struct onramp_place place_of(const struct source *s, size_t offset)
{
    struct onramp_place at = s->begins_at;
    for (size_t i = 0; i < offset && i < s->size; i++)
        step(&at, (unsigned char)s->text[i]);
    return at;
}

static bool delimits(char c)
{
    return c == '{' || c == '}' || c == '[' || c == ']' || c == ':' || c == ',' || c == '"' ||
           is_space((unsigned char)c);
}

/* Where the token begins that ends before `end`: jansson points behind what it dislikes. */
static size_t token_start(const char *text, size_t end)
{
    size_t i = end > 0 ? end - 1 : 0;
    if (text[i] == '"')
        do
            i = i > 0 ? i - 1 : 0;
        while (i > 0 && (text[i] != '"' || text[i - 1] == '\\'));
    else if (!delimits(text[i]))
        while (i > 0 && !delimits(text[i - 1]))
            i--;
    return i;
}

static enum onramp_status explain(const struct source *s, const json_error_t *problem, struct onramp_error *err)
{
    size_t end = problem->position > 0 ? (size_t)problem->position : 0;
    if (end > s->size)
        end = s->size;
    size_t start = token_start(s->text, end);
    struct onramp_place at = place_of(s, start);
    const char *near = strstr(problem->text, " near "); /* what follows would quote the file */
    int words = near != NULL ? (int)(near - problem->text) : (int)strlen(problem->text);
    switch (json_error_code(problem)) {
    case json_error_duplicate_key:
        return fail_at(s, at, err, "the key %.*s stands twice in this object",
                       end - start > 80 ? 80 : (int)(end - start), s->text + start);
    case json_error_invalid_utf8:
        return fail_at(s, place_of(s, end), err, "not UTF-8; save the file as UTF-8");
    case json_error_null_character:
        return fail_at(s, at, err, "\\u0000 in a string; it cannot be stored");
    case json_error_numeric_overflow:
        return fail_at(s, at, err, "the number is too big; write it as a string");
    case json_error_out_of_memory:
        return onramp_fail(err, ONRAMP_ENOMEM, "out of memory");
    default:
        return fail_at(s, at, err, "%.*s", words, problem->text);
    }
}

/* Take the white space between tokens out, in place: numbers and escapes stay as the file writes them. */
static void compact(struct source *s)
{
    bool in_string = false, escaped = false;
    size_t kept = 0;
    for (size_t i = 0; i < s->size; i++) {
        char c = s->text[i];
        if (!in_string && is_space((unsigned char)c))
            continue;
        if (c == '"' && !escaped)
            in_string = !in_string;
        escaped = c == '\\' && !escaped;
        s->text[kept++] = c;
    }
    s->size = kept;
    s->text[kept] = '\0';
}

static enum onramp_status check(struct source *s, struct onramp_error *err)
{
    json_error_t problem;
    json_t *value = json_loadb(s->text, s->size, JSON_REJECT_DUPLICATES, &problem);
    if (value == NULL)
        return explain(s, &problem, err);
    json_decref(value);
    compact(s);
    return ONRAMP_OK;
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
            st = frame(s, err);
        if (st == ONRAMP_OK)
            st = check(s, err);
    }
    if (st != ONRAMP_OK)
        return st;
    *out = (struct onramp_record){.ordinal = s->ordinal, .line = s->begins_at.line, .json = s->text, .size = s->size};
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
    s->piece_size = 0;
    s->at = (struct onramp_place){1, 1};
    s->form = UNKNOWN;
    s->ordinal = 0;
}

static enum onramp_status rewind_source(void *self, struct onramp_error *err)
{
    struct source *s = self;
    begin_pass(s);
    return onramp_stream_rewind(s->stream, err);
}

static const char *digest(void *self)
{
    const struct source *s = self;
    return onramp_stream_digest(s->stream);
}

static void close_source(void *self)
{
    struct source *s = self;
    if (s == NULL)
        return;
    onramp_stream_close(s->stream);
    forget_table(s);
    sodium_memzero(s->text, s->used); /* it held people's data */
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
    enum onramp_status st = onramp_stream_open(&s->stream, path, err);
    if (st != ONRAMP_OK) {
        close_source(s);
        return st;
    }
    *out = (struct onramp_source){.ops = &source_ops, .self = s};
    return ONRAMP_OK;
}
