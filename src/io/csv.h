/*
 * csv.h - rows and their cells, out of CSV that comes byte by byte.
 *
 * RFC 4180, strictly as to quotes: a cell with separators, line ends or quotes in it stands in quotes, and each
 * quote in it twice. Rows end with LF or CRLF; blank rows are passed over; blanks around a cell that is not in quotes
 * are no part of it. The separator is the first comma, semicolon or tab of the first row that is not in quotes.
 */
#ifndef ONRAMP_IO_CSV_H
#define ONRAMP_IO_CSV_H

#include "io/place.h"
#include "onramp/base.h"

#define ONRAMP_CSV_ROW_MAX   ((size_t)1024 * 1024) /* bytes */
#define ONRAMP_CSV_CELLS_MAX 256                   /* of one row */

struct onramp_csv; /* opaque; not thread-safe */

struct onramp_csv_cell {
    const char *text; /* followed by a NUL that size does not count; may hold others */
    size_t size;
    struct onramp_place at;
};

enum onramp_csv_event {
    ONRAMP_CSV_MORE,  /* the row goes on */
    ONRAMP_CSV_ROW,   /* its cells are there, until the next byte */
    ONRAMP_CSV_BROKEN /* not CSV; see onramp_csv_problem(). Nothing more may be fed */
};

ONRAMP_NODISCARD enum onramp_status onramp_csv_new(struct onramp_csv **out, struct onramp_error *err);
void onramp_csv_free(struct onramp_csv *csv); /* NULL is fine; wipes what it held */

/* The next byte, which stands at `at`. */
ONRAMP_NODISCARD enum onramp_csv_event onramp_csv_feed(struct onramp_csv *csv, unsigned char byte,
                                                       struct onramp_place at);
/* The file is over: its last row may lack its line end. */
ONRAMP_NODISCARD enum onramp_csv_event onramp_csv_end(struct onramp_csv *csv);

/* Of the latest row, also of a broken one as far as it came. Borrowed. */
const struct onramp_csv_cell *onramp_csv_cells(const struct onramp_csv *csv, size_t *count);
struct onramp_place onramp_csv_row_at(const struct onramp_csv *csv);

/* What is wrong, and where. ONRAMP_ENOMEM if it is memory, else ONRAMP_EINPUT. */
enum onramp_status onramp_csv_problem(const struct onramp_csv *csv, const char **words, struct onramp_place *at);

#endif
