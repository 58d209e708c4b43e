/*
 * columns.c - what the columns of a table of users are, and a row's cells as a JSON object.
 */
#include "io/columns.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEYS_MAX 32 /* how deep a heading may nest */

enum kind {
    NOTHING, /* no heading: no cell may be filled */
    TEXT,
    PROFILE, /* text of the profile, by which the export job's rows are known */
    BOOLEAN,
    NUMBER,
    JSON
};

struct column {
    char *name; /* the keys, each with its NUL */
    const char *keys[KEYS_MAX];
    size_t depth;
    enum kind kind;
};

struct onramp_columns {
    size_t count;
    struct column columns[ONRAMP_CSV_CELLS_MAX];
};

/* Headings that have a type or another spelling. `connection` is not among them: the extension's "Connection" is
 * another thing. */
static const struct {
    const char *heading; /* in lower case, with underscores */
    const char *name;
    enum kind kind;
} known[] = {
    {"email", "email", PROFILE},
    {"e_mail", "email", PROFILE},
    {"username", "username", PROFILE},
    {"phone_number", "phone_number", PROFILE},
    {"user_id", "user_id", PROFILE},
    {"id", "user_id", PROFILE},
    {"given_name", "given_name", PROFILE},
    {"family_name", "family_name", PROFILE},
    {"name", "name", PROFILE},
    {"nickname", "nickname", PROFILE},
    {"picture", "picture", PROFILE},
    {"email_verified", "email_verified", BOOLEAN},
    {"phone_verified", "phone_verified", BOOLEAN},
    {"blocked", "blocked", BOOLEAN},
    {"verify_email", "verify_email", BOOLEAN},
    {"user_metadata", "user_metadata", JSON},
    {"app_metadata", "app_metadata", JSON},
};
enum { KNOWN = sizeof known / sizeof known[0] };

static const struct {
    const char *name;
    enum kind kind;
} types[] = {{"string", TEXT}, {"number", NUMBER}, {"boolean", BOOLEAN}, {"json", JSON}};
enum { TYPES = sizeof types / sizeof types[0] };

static enum onramp_status fail(struct onramp_columns_problem *problem, size_t cell, const char *format, ...)
    ONRAMP_PRINTF(3, 4);

static enum onramp_status fail(struct onramp_columns_problem *problem, size_t cell, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(problem->words, sizeof problem->words, format, args);
    va_end(args);
    problem->cell = cell;
    return ONRAMP_EINPUT;
}

/* A heading for an error's text: cut, and without what would break the line. */
struct shown {
    char text[64];
};
static struct shown show(const char *text)
{
    struct shown out;
    (void)snprintf(out.text, sizeof out.text, "%s", text);
    for (char *c = out.text; *c != '\0'; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?';
    return out;
}

/* ---- headings ---- */

static char folded(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (char)(c - 'A' + 'a');
    return c == ' ' || c == '-' ? '_' : c;
}

/* Do the first `size` bytes of the heading spell this name? */
static bool spells(const char *heading, size_t size, const char *name)
{
    for (size_t i = 0; i < size; i++)
        if (name[i] == '\0' || folded(heading[i]) != name[i])
            return false;
    return name[size] == '\0';
}

/* The export job puts an apostrophe in front of all text, perhaps of headings too; none begins with one. */
static const char *bare(const char *text)
{
    return text[0] == '\'' ? text + 1 : text;
}

/* The row of `known` that the heading, up to its first dot or colon, spells; KNOWN if none. Only metadata may go on. */
static size_t find(const char *heading)
{
    size_t size = strcspn(heading, ".:");
    for (size_t i = 0; i < KNOWN; i++)
        if (spells(heading, size, known[i].heading) && (heading[size] == '\0' || known[i].kind == JSON))
            return i;
    return KNOWN;
}

bool onramp_columns_known(const struct onramp_csv_cell *cells, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (find(bare(cells[i].text)) < KNOWN)
            return true;
    return false;
}

/* Cut ":type" off the end of the column's name. */
static enum onramp_status take_type(struct column *column, size_t cell, struct onramp_columns_problem *problem)
{
    char *colon = strrchr(column->name, ':');
    if (colon == NULL)
        return ONRAMP_OK;
    for (size_t i = 0; i < TYPES; i++)
        if (strcmp(colon + 1, types[i].name) == 0) {
            column->kind = types[i].kind;
            *colon = '\0';
            return ONRAMP_OK;
        }
    return fail(problem, cell, "':%s' is no type; ':string', ':number', ':boolean' and ':json' are",
                show(colon + 1).text);
}

/* Cut the column's name into keys at its dots. */
static enum onramp_status take_keys(struct column *column, size_t cell, struct onramp_columns_problem *problem)
{
    struct shown heading = show(column->name);
    for (char *key = column->name; key != NULL;) {
        char *dot = strchr(key, '.');
        if (dot != NULL)
            *dot = '\0';
        if (*key == '\0')
            return fail(problem, cell, "heading '%s' has an empty name between its dots", heading.text);
        if (column->depth == KEYS_MAX)
            return fail(problem, cell, "heading '%s' nests more than %d deep", heading.text, KEYS_MAX);
        column->keys[column->depth++] = key;
        key = dot != NULL ? dot + 1 : NULL;
    }
    return ONRAMP_OK;
}

static enum onramp_status read_heading(struct column *column, const struct onramp_csv_cell *heading, size_t cell,
                                       struct onramp_columns_problem *problem)
{
    const char *text = bare(heading->text);
    if (memchr(heading->text, '\0', heading->size) != NULL)
        return fail(problem, cell, "a NUL byte in a heading; the file is damaged, or UTF-16");
    if (*text == '\0')
        return ONRAMP_OK;
    size_t row = find(text);
    size_t rest = row < KNOWN ? strcspn(text, ".:") : 0;
    const char *name = row < KNOWN ? known[row].name : "";
    size_t room = strlen(name) + strlen(text + rest) + 1;
    column->name = malloc(room);
    if (column->name == NULL)
        return ONRAMP_ENOMEM;
    (void)snprintf(column->name, room, "%s%s", name, text + rest);
    column->kind = row < KNOWN ? known[row].kind : TEXT;
    if (column->kind != JSON) { /* an unknown heading is one name, whatever is in it */
        column->keys[column->depth++] = column->name;
        return ONRAMP_OK;
    }
    if (text[rest] == '.')
        column->kind = TEXT;
    enum onramp_status st = take_type(column, cell, problem);
    if (st == ONRAMP_OK && column->kind != JSON && strchr(column->name, '.') == NULL)
        st = fail(problem, cell, "column '%s' as a whole can be JSON only", column->name);
    return st == ONRAMP_OK ? take_keys(column, cell, problem) : st;
}

/* ---- values in their places ---- */

/* The text as a JSON string; NULL with *sound = false if it is not UTF-8, else for want of memory. */
static json_t *string(const char *text, size_t size, bool *sound)
{
    json_t *value = json_stringn(text, size);
    json_t *unchecked = value == NULL ? json_stringn_nocheck(text, size) : NULL;
    *sound = value != NULL || unchecked == NULL;
    json_decref(unchecked);
    return value;
}

/* Put `value`, which is taken over, under the column's keys. False for want of memory or of a place: another
 * value stands there, or stands where an object is needed. *taken says which. */
static bool place(json_t *object, const struct column *column, json_t *value, bool *taken)
{
    *taken = false;
    for (size_t i = 0; i + 1 < column->depth && value != NULL; i++) {
        json_t *inner = json_object_get(object, column->keys[i]);
        if (inner == NULL && json_object_set_new(object, column->keys[i], json_object()) == 0)
            inner = json_object_get(object, column->keys[i]);
        *taken = inner != NULL && !json_is_object(inner);
        if (!json_is_object(inner)) {
            json_decref(value);
            return false;
        }
        object = inner;
    }
    const char *last = column->keys[column->depth - 1];
    *taken = json_object_get(object, last) != NULL;
    if (*taken) {
        json_decref(value);
        return false;
    }
    return json_object_set_new(object, last, value) == 0;
}

/* Put the heading's place into `taken_places`, where those of the columns before it are. */
static enum onramp_status claim(json_t *taken_places, const struct column *column,
                                const struct onramp_csv_cell *heading, size_t cell,
                                struct onramp_columns_problem *problem)
{
    bool sound, taken;
    json_t *name = string(heading->text, heading->size, &sound);
    if (!sound)
        return fail(problem, cell, "a heading that is not UTF-8; save the file as UTF-8");
    if (name == NULL)
        return ONRAMP_ENOMEM;
    if (place(taken_places, column, name, &taken))
        return ONRAMP_OK;
    return taken ? fail(problem, cell, "heading '%s' stands twice, or is a part of another", show(heading->text).text)
                 : ONRAMP_ENOMEM;
}

enum onramp_status onramp_columns_new(struct onramp_columns **out, const struct onramp_csv_cell *cells, size_t count,
                                      struct onramp_columns_problem *problem)
{
    assert(count <= ONRAMP_CSV_CELLS_MAX);
    struct onramp_columns *columns = calloc(1, sizeof *columns);
    json_t *taken_places = json_object();
    enum onramp_status st = columns != NULL && taken_places != NULL ? ONRAMP_OK : ONRAMP_ENOMEM;
    for (size_t i = 0; i < count && st == ONRAMP_OK; i++) {
        struct column *column = &columns->columns[i];
        columns->count = i + 1;
        st = read_heading(column, &cells[i], i, problem);
        if (st == ONRAMP_OK && column->kind != NOTHING)
            st = claim(taken_places, column, &cells[i], i, problem);
    }
    json_decref(taken_places);
    if (st == ONRAMP_OK)
        *out = columns;
    else
        onramp_columns_free(columns);
    return st;
}

void onramp_columns_free(struct onramp_columns *columns)
{
    for (size_t i = 0; columns != NULL && i < columns->count; i++)
        free(columns->columns[i].name);
    free(columns);
}

/* ---- rows ---- */

/*
 * The export job writes all text with an apostrophe in front. A row is taken for one of its if every filled text cell
 * of the profile has one: so the name 't Hooft keeps its own beside an address without.
 */
static bool is_exported(const struct onramp_columns *columns, const struct onramp_csv_cell *cells)
{
    bool any = false;
    for (size_t i = 0; i < columns->count; i++)
        if (columns->columns[i].kind == PROFILE && cells[i].size > 0) {
            if (cells[i].text[0] != '\'')
                return false;
            any = true;
        }
    return any;
}

static bool equals(const char *text, const char *lower)
{
    return spells(text, strlen(text), lower);
}

static enum onramp_status read_json(json_t **out, enum kind kind, const char *text, size_t size, size_t cell,
                                    struct onramp_columns_problem *problem)
{
    json_error_t why;
    json_t *value = json_loadb(text, size, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &why);
    if (value == NULL && json_error_code(&why) == json_error_out_of_memory)
        return ONRAMP_ENOMEM;
    if (value == NULL && json_error_code(&why) == json_error_numeric_overflow)
        return fail(problem, cell, "the number is too big; declare the column as ':string'");
    if (kind == NUMBER && !json_is_number(value)) {
        json_decref(value);
        return fail(problem, cell, "the column is declared a number: 7 or -0.5, with a point and no leading zeros");
    }
    if (value == NULL)
        return fail(problem, cell, "the column is JSON, and this cell is not");
    *out = value;
    return ONRAMP_OK;
}

static enum onramp_status read_cell(json_t **out, enum kind kind, const char *text, size_t size, size_t cell,
                                    struct onramp_columns_problem *problem)
{
    if (memchr(text, '\0', size) != NULL)
        return fail(problem, cell, "a NUL byte; the file is damaged, or UTF-16");
    if (kind == NOTHING)
        return fail(problem, cell, "a filled cell in a column without a heading");
    if (kind == NUMBER || kind == JSON)
        return read_json(out, kind, text, size, cell, problem);
    if (kind == BOOLEAN && !equals(text, "true") && !equals(text, "false"))
        return fail(problem, cell, "the column takes TRUE or FALSE, or an empty cell");
    bool sound = true;
    *out = kind == BOOLEAN ? json_boolean(equals(text, "true")) : string(text, size, &sound);
    if (!sound)
        return fail(problem, cell, "not UTF-8; save the file as UTF-8 (spreadsheets call it 'CSV UTF-8')");
    return *out != NULL ? ONRAMP_OK : ONRAMP_ENOMEM;
}

enum onramp_status onramp_columns_row(const struct onramp_columns *columns, json_t **out,
                                      const struct onramp_csv_cell *cells, size_t count,
                                      struct onramp_columns_problem *problem)
{
    if (count != columns->count)
        return fail(problem, 0, "the row that begins here has %zu cell%s, and there are %zu headings", count,
                    count == 1 ? "" : "s", columns->count);
    bool exported = is_exported(columns, cells);
    json_t *object = json_object();
    enum onramp_status st = object != NULL ? ONRAMP_OK : ONRAMP_ENOMEM;
    for (size_t i = 0; i < count && st == ONRAMP_OK; i++) {
        const struct column *column = &columns->columns[i];
        bool guarded = cells[i].text[0] == '\'' && (exported || column->kind == BOOLEAN);
        size_t size = cells[i].size - (guarded ? 1 : 0);
        json_t *value = NULL;
        bool taken;
        if (size == 0)
            continue;
        st = read_cell(&value, column->kind, cells[i].text + (guarded ? 1 : 0), size, i, problem);
        if (st == ONRAMP_OK && !place(object, column, value, &taken))
            st = ONRAMP_ENOMEM; /* headings have places of their own */
    }
    if (st == ONRAMP_OK)
        *out = object;
    else
        json_decref(object);
    return st;
}
