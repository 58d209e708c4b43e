/*
 * suggest.c - did you mean …?
 */
#include "suggest.h"

#include <string.h>

#define LONGEST 48 /* no word of ours is longer */

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Letters to insert, delete, replace or swap with their neighbour (optimal string alignment). */
static size_t distance(const char *a, size_t a_size, const char *b, size_t b_size)
{
    size_t d[3][LONGEST + 1]; /* the last three rows */
    for (size_t j = 0; j <= b_size; j++)
        d[0][j] = j;
    for (size_t i = 1; i <= a_size; i++) {
        size_t *row = d[i % 3], *above = d[(i - 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= b_size; j++) {
            row[j] = least(above[j - 1] + (a[i - 1] != b[j - 1]), least(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = least(row[j], d[(i - 2) % 3][j - 2] + 1);
        }
    }
    return d[a_size % 3][b_size];
}

void suggestion_begin(struct suggestion *best, const char *given)
{
    /* A third of the letters may be wrong; more, and it is another word. */
    *best = (struct suggestion){.given = given, .distance = strlen(given) / 3 + 1};
}

void suggestion_offer(struct suggestion *best, const char *word)
{
    if (word == NULL || strlen(word) > LONGEST || strlen(best->given) > LONGEST)
        return;
    size_t d = distance(best->given, strlen(best->given), word, strlen(word));
    if (d < best->distance) {
        best->word = word;
        best->distance = d;
    }
}
