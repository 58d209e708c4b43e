/*
 * element.c - frames one object and has it judged.
 *
 * Framing follows brackets and strings, which is also where people's mistakes are (a comma too many, a quote
 * missing), so it names those itself, at the place where they are. All else about JSON is jansson's to judge; its
 * words are passed on, but not its "near '…'": that could quote a password.
 */
#include "io/element.h"

#include <assert.h>
#include <jansson.h>
#include <string.h>

#define DEPTH_MAX 64

/* An element on its way into the text, and what surrounds its next byte. */
struct framing {
    struct onramp_cursor *in;
    struct onramp_element *out;
    size_t depth;
    char open[DEPTH_MAX]; /* the brackets not yet closed */
    unsigned char before; /* the last byte that was no white space */
};

static enum onramp_status keep(struct framing *f, struct onramp_error *err)
{
    if (f->out->size == ONRAMP_ELEMENT_MAX)
        return onramp_cursor_fail(f->in, f->out->begins_at, err,
                                  "the object that begins here is over 1 MiB; no user may be so large");
    f->out->text[f->out->size++] = (char)*f->in->piece;
    if (f->out->size > f->out->used)
        f->out->used = f->out->size;
    onramp_cursor_pass(f->in);
    return ONRAMP_OK;
}

static enum onramp_status fail_unfinished(const struct framing *f, struct onramp_error *err)
{
    return onramp_cursor_fail(f->in, f->in->at, err,
                              "the file ends inside the object that begins at line %llu, column %llu",
                              (unsigned long long)f->out->begins_at.line, (unsigned long long)f->out->begins_at.column);
}

/* From the opening quote past the closing one. */
static enum onramp_status frame_string(struct framing *f, struct onramp_error *err)
{
    struct onramp_place quote_at = f->in->at;
    bool end, escaped = false;
    enum onramp_status st = keep(f, err);
    while (st == ONRAMP_OK && (st = onramp_cursor_look(f->in, &end, err)) == ONRAMP_OK) {
        if (end)
            return fail_unfinished(f, err);
        unsigned char byte = *f->in->piece;
        if (byte == '\n' || byte == '\r')
            return onramp_cursor_fail(f->in, quote_at, err, "the string that begins here does not end on its line");
        if (byte < ' ')
            return onramp_cursor_fail(f->in, f->in->at, err, "byte 0x%02x in a string; write it as \\u%04x", byte,
                                      byte);
        st = keep(f, err);
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

/* What editors and web pages make of a plain quote or a plain space. */
static const char *remedy_of(const struct onramp_cursor *in)
{
    const unsigned char *at = in->piece;
    if (*at == '\'')
        return "; strings stand in double quotes";
    if (in->piece_size >= 3 && at[0] == 0xe2 && at[1] == 0x80 && at[2] >= 0x98 && at[2] <= 0x9f)
        return "; strings stand in plain double quotes, not in typographic ones";
    if (in->piece_size >= 2 && at[0] == 0xc2 && at[1] == 0xa0)
        return "; it is a no-break space, where a plain one must be";
    return "";
}

/* Mistakes that show by two neighbours, at the second of them. */
static enum onramp_status check_neighbours(const struct framing *f, unsigned char byte, struct onramp_error *err)
{
    bool opens = byte == '{' || byte == '[', closes = byte == '}' || byte == ']';
    if (closes && f->before == ',')
        return onramp_cursor_fail(f->in, f->in->at, err, "a comma too many before '%c'", byte);
    if (closes && f->before == ':')
        return onramp_cursor_fail(f->in, f->in->at, err, "a value is missing before '%c'", byte);
    if (byte == ',' && (f->before == ',' || f->before == ':' || f->before == '{' || f->before == '['))
        return onramp_cursor_fail(f->in, f->in->at, err, "a value is missing before ','");
    if (byte == '{' && f->before == '"') /* the last line of the object before, and no '}' behind it */
        return onramp_cursor_fail(f->in, f->in->at, err, "'}', ',' or ':' is missing before '{'");
    if ((opens || byte == '"') && ends_value(f->before))
        return onramp_cursor_fail(f->in, f->in->at, err, "%s is missing before '%c'",
                                  f->before == '"' ? "',' or ':'"
                                  : byte == '{'    ? "',' or '}'"
                                                   : "','",
                                  byte);
    if (!stands_outside_strings(byte))
        return onramp_cursor_fail(f->in, f->in->at, err, "%s is not JSON here%s", onramp_show_byte(byte).text,
                                  remedy_of(f->in));
    return ONRAMP_OK;
}

static enum onramp_status nest(struct framing *f, unsigned char byte, struct onramp_error *err)
{
    if (byte == '{' || byte == '[') {
        if (f->depth == DEPTH_MAX)
            return onramp_cursor_fail(f->in, f->in->at, err, "nested more than %d deep", DEPTH_MAX);
        f->open[f->depth++] = byte == '{' ? '}' : ']';
    } else if (byte == '}' || byte == ']') {
        assert(f->depth > 0); /* an element ends when none is left */
        if (f->open[f->depth - 1] != (char)byte)
            return onramp_cursor_fail(f->in, f->in->at, err, "'%c' where '%c' is expected", byte,
                                      f->open[f->depth - 1]);
        f->depth--;
    }
    return ONRAMP_OK;
}

/* From '{' past its '}', into the text. */
static enum onramp_status frame(struct framing *f, struct onramp_error *err)
{
    f->out->begins_at = f->in->at;
    f->out->size = 0;
    f->before = ':'; /* as if behind a key: a value is expected */
    do {
        bool end;
        enum onramp_status st = onramp_cursor_look(f->in, &end, err);
        if (st == ONRAMP_OK && end)
            st = fail_unfinished(f, err);
        if (st != ONRAMP_OK)
            return st;
        unsigned char byte = *f->in->piece;
        if (!onramp_is_space(byte)) {
            st = check_neighbours(f, byte, err);
            if (st == ONRAMP_OK)
                st = nest(f, byte, err);
            f->before = byte;
        }
        if (st == ONRAMP_OK)
            st = byte == '"' ? frame_string(f, err) : keep(f, err);
        if (st != ONRAMP_OK)
            return st;
    } while (f->depth > 0);
    f->out->text[f->out->size] = '\0';
    return ONRAMP_OK;
}

/* The place in the file of a byte of the element. */
static struct onramp_place place_of(const struct onramp_element *e, size_t offset)
{
    struct onramp_place at = e->begins_at;
    for (size_t i = 0; i < offset && i < e->size; i++)
        onramp_place_step(&at, (unsigned char)e->text[i]);
    return at;
}

static bool delimits(char c)
{
    return c == '{' || c == '}' || c == '[' || c == ']' || c == ':' || c == ',' || c == '"' ||
           onramp_is_space((unsigned char)c);
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

static enum onramp_status explain(const struct onramp_element *e, const struct onramp_cursor *cursor,
                                  const json_error_t *problem, struct onramp_error *err)
{
    size_t end = problem->position > 0 ? (size_t)problem->position : 0;
    if (end > e->size)
        end = e->size;
    size_t start = token_start(e->text, end);
    struct onramp_place at = place_of(e, start);
    const char *near = strstr(problem->text, " near "); /* what follows would quote the file */
    int words = near != NULL ? (int)(near - problem->text) : (int)strlen(problem->text);
    switch (json_error_code(problem)) {
    case json_error_duplicate_key:
        return onramp_cursor_fail(cursor, at, err, "the key %.*s stands twice in this object",
                                  end - start > 80 ? 80 : (int)(end - start), e->text + start);
    case json_error_invalid_utf8:
        return onramp_cursor_fail(cursor, place_of(e, end), err, "not UTF-8; save the file as UTF-8");
    case json_error_null_character:
        return onramp_cursor_fail(cursor, at, err, "\\u0000 in a string; it cannot be stored");
    case json_error_numeric_overflow:
        return onramp_cursor_fail(cursor, at, err, "the number is too big; write it as a string");
    case json_error_out_of_memory:
        return onramp_fail(err, ONRAMP_ENOMEM, "out of memory");
    default:
        return onramp_cursor_fail(cursor, at, err, "%.*s%s", words, problem->text,
                                  strncmp(problem->text, "invalid token", 13) == 0
                                      ? ": a value is a number, true, false, null, or text in double quotes"
                                      : "");
    }
}

/* Take the white space between tokens out, in place: numbers and escapes stay as the file writes them. */
static void compact(struct onramp_element *e)
{
    bool in_string = false, escaped = false;
    size_t kept = 0;
    for (size_t i = 0; i < e->size; i++) {
        char c = e->text[i];
        if (!in_string && onramp_is_space((unsigned char)c))
            continue;
        if (c == '"' && !escaped)
            in_string = !in_string;
        escaped = c == '\\' && !escaped;
        e->text[kept++] = c;
    }
    e->size = kept;
    e->text[kept] = '\0';
}

static enum onramp_status check(struct onramp_element *e, const struct onramp_cursor *cursor, struct onramp_error *err)
{
    json_error_t problem;
    json_t *value = json_loadb(e->text, e->size, JSON_REJECT_DUPLICATES, &problem);
    if (value == NULL)
        return explain(e, cursor, &problem, err);
    json_decref(value);
    compact(e);
    return ONRAMP_OK;
}

enum onramp_status onramp_element_read(struct onramp_element *e, struct onramp_cursor *cursor, struct onramp_error *err)
{
    struct framing framing = {.in = cursor, .out = e};
    enum onramp_status st = frame(&framing, err);
    return st == ONRAMP_OK ? check(e, cursor, err) : st;
}
