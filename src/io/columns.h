/*
 * columns.h - what the columns of a table of users are, and a row's cells as a JSON object.
 *
 * A heading is a property's name as the API has it, or as people and the import/export extension write it: case does
 * not count, and a blank or hyphen is as good as an underscore. `user_metadata.a.b` and `app_metadata.a.b`
 * nest. Which type a cell has is its column's to say, never its text's: booleans are the four that the
 * API knows, the two metadata columns as a whole are JSON, and below them `:number`, `:boolean` or `:json` behind the
 * heading declares a type. All else is text. Other headings pass as they are: the validation of records judges them.
 */
#ifndef ONRAMP_IO_COLUMNS_H
#define ONRAMP_IO_COLUMNS_H

#include "io/csv.h"
#include "onramp/base.h"

#include <jansson.h>

struct onramp_columns; /* opaque */

/* What is wrong with which cell. */
struct onramp_columns_problem {
    size_t cell;
    char words[240];
};

/* Is one of these the heading of a property? Then it is a table of users. */
bool onramp_columns_known(const struct onramp_csv_cell *cells, size_t count);

/* From the first row. ONRAMP_EINPUT fills *problem; ONRAMP_ENOMEM. */
ONRAMP_NODISCARD enum onramp_status onramp_columns_new(struct onramp_columns **out, const struct onramp_csv_cell *cells,
                                                       size_t count, struct onramp_columns_problem *problem);
void onramp_columns_free(struct onramp_columns *columns); /* NULL is fine */

/*
 * A row as an object, without its empty cells; an empty object if all are. The caller's, to decref. ONRAMP_EINPUT: more
 * or fewer cells than headings, or one that is not what its column says. ONRAMP_ENOMEM.
 */
ONRAMP_NODISCARD enum onramp_status onramp_columns_row(const struct onramp_columns *columns, json_t **out,
                                                       const struct onramp_csv_cell *cells, size_t count,
                                                       struct onramp_columns_problem *problem);

#endif
