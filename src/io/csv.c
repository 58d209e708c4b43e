/*
 * csv.c - rows and their cells, out of CSV that comes byte by byte.
 *
 * libcsv takes the bytes apart. It gets them one at a time: so what it finds can be given a place in the file, and a
 * cell without an end cannot take all memory.
 */
#include "io/csv.h"

#include <assert.h>
#include <csv.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

/* libcsv's buffer for a cell grows by so much; its 128 bytes would copy a large cell thousands of times. */
#define GROWTH ((size_t)64 * 1024)

struct onramp_csv {
    struct csv_parser parser;
    bool separator_known;
    bool in_quotes;
    bool begun;     /* the row has a byte */
    bool cell_over; /* the next byte begins a cell */
    bool row_over;
    size_t row_bytes;
    struct onramp_place row_at, cell_at, broken_at;
    const char *problem; /* NULL: none, or no memory */
    struct onramp_csv_cell cells[ONRAMP_CSV_CELLS_MAX];
    size_t count;
    size_t used, most_used;                               /* of `text` */
    char text[ONRAMP_CSV_ROW_MAX + ONRAMP_CSV_CELLS_MAX]; /* the row's cells, each with a NUL behind it */
};

enum onramp_status onramp_csv_new(struct onramp_csv **out, struct onramp_error *err)
{
    struct onramp_csv *csv = calloc(1, sizeof *csv);
    if (csv == NULL || csv_init(&csv->parser, CSV_STRICT | CSV_STRICT_FINI) != 0) {
        free(csv);
        return onramp_fail(err, ONRAMP_ENOMEM, "out of memory");
    }
    csv_set_blk_size(&csv->parser, GROWTH);
    *out = csv;
    return ONRAMP_OK;
}

void onramp_csv_free(struct onramp_csv *csv)
{
    if (csv == NULL)
        return;
    if (csv->parser.entry_buf != NULL)
        sodium_memzero(csv->parser.entry_buf, csv->parser.entry_size); /* it held people's data */
    csv_free(&csv->parser);
    sodium_memzero(csv->text, csv->most_used);
    free(csv);
}

static enum onramp_csv_event break_off(struct onramp_csv *csv, struct onramp_place at, const char *problem)
{
    csv->broken_at = at;
    csv->problem = problem;
    return ONRAMP_CSV_BROKEN;
}

/* ---- what libcsv calls ---- */

static void take_cell(void *bytes, size_t size, void *self)
{
    struct onramp_csv *csv = self;
    csv->cell_over = true;
    if (csv->count < ONRAMP_CSV_CELLS_MAX) {
        char *text = csv->text + csv->used;
        assert(size < sizeof csv->text - csv->used); /* no more than the row's bytes, and a NUL for each cell */
        if (size > 0)
            memcpy(text, bytes, size);
        text[size] = '\0';
        csv->used += size + 1;
        if (csv->used > csv->most_used)
            csv->most_used = csv->used;
        csv->cells[csv->count] = (struct onramp_csv_cell){.text = text, .size = size, .at = csv->cell_at};
    }
    csv->count++;
}

static void take_row(int terminator, void *self)
{
    (void)terminator;
    struct onramp_csv *csv = self;
    csv->row_over = true;
}

/* ---- feeding it ---- */

static void begin_row(struct onramp_csv *csv)
{
    csv->begun = csv->row_over = csv->in_quotes = false;
    csv->cell_over = true;
    csv->count = csv->used = csv->row_bytes = 0;
}

/* After libcsv has seen a byte or the end. */
static enum onramp_csv_event judge(struct onramp_csv *csv, bool took, struct onramp_place at)
{
    if (!took && csv_error(&csv->parser) != CSV_EPARSE)
        return break_off(csv, at, NULL);
    if (!took)
        return break_off(
            csv, at, "a quote inside a cell; a cell with quotes in it stands in quotes, and each quote in it twice");
    if (csv->count > ONRAMP_CSV_CELLS_MAX)
        return break_off(csv, csv->row_at, "the row that begins here has more than 256 cells");
    return csv->row_over ? ONRAMP_CSV_ROW : ONRAMP_CSV_MORE;
}

enum onramp_csv_event onramp_csv_feed(struct onramp_csv *csv, unsigned char byte, struct onramp_place at)
{
    bool ends_line = byte == '\n' || byte == '\r';
    if (csv->row_over || !csv->begun)
        begin_row(csv);
    if (!csv->begun && ends_line)
        return ONRAMP_CSV_MORE; /* a blank row, or the LF of a CRLF */
    if (!csv->begun)
        csv->row_at = at;
    csv->begun = true;
    if (csv->cell_over)
        csv->cell_at = at;
    csv->cell_over = false;
    if (++csv->row_bytes > ONRAMP_CSV_ROW_MAX)
        return break_off(csv, csv->row_at,
                         csv->in_quotes ? "the row that begins here is over 1 MiB; is a quote missing?"
                                        : "the row that begins here is over 1 MiB");
    if (byte == '"')
        csv->in_quotes = !csv->in_quotes; /* a doubled one closes and opens again */
    if (!csv->separator_known && !csv->in_quotes && (byte == ',' || byte == ';' || byte == '\t')) {
        csv_set_delim(&csv->parser, byte);
        csv->separator_known = true;
    }
    bool took = csv_parse(&csv->parser, &byte, 1, take_cell, take_row, csv) == 1;
    enum onramp_csv_event event = judge(csv, took, at);
    if (event == ONRAMP_CSV_ROW)
        csv->separator_known = true; /* one column; the first row decides */
    if (event == ONRAMP_CSV_MORE && ends_line && !csv->in_quotes)
        begin_row(csv); /* nothing but blanks: no row for libcsv */
    return event;
}

enum onramp_csv_event onramp_csv_end(struct onramp_csv *csv)
{
    if (csv->row_over || !csv->begun)
        begin_row(csv);
    if (csv->in_quotes)
        return break_off(csv, csv->cell_at, "the cell that begins here has no closing quote");
    if (csv->cell_over && csv->begun)
        csv->cell_at = csv->cells[csv->count > 0 ? csv->count - 1 : 0].at; /* an empty last cell: near enough */
    bool took = csv_fini(&csv->parser, take_cell, take_row, csv) == 0;
    return judge(csv, took, csv->cell_at);
}

const struct onramp_csv_cell *onramp_csv_cells(const struct onramp_csv *csv, size_t *count)
{
    *count = csv->count;
    return csv->cells;
}

struct onramp_place onramp_csv_row_at(const struct onramp_csv *csv)
{
    return csv->row_at;
}

enum onramp_status onramp_csv_problem(const struct onramp_csv *csv, const char **words, struct onramp_place *at)
{
    *words = csv->problem;
    *at = csv->broken_at;
    return csv->problem != NULL ? ONRAMP_EINPUT : ONRAMP_ENOMEM;
}
