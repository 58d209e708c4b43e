/*
 * suggest.c - near misses, by edit distance, and words that others use.
 */
#include "auth0/suggest.h"

#include "auth0/text.h"

#include <string.h>

enum { FOLDED_MAX = 40 };

/* What people call things elsewhere. Near misses of the names themselves are found by their spelling. */
static const struct {
    const char *theirs, *ours;
} synonyms[] = {
    {"firstname", "given_name"}, {"forename", "given_name"},    {"lastname", "family_name"}, {"surname", "family_name"},
    {"fullname", "name"},        {"displayname", "name"},       {"mail", "email"},           {"emailaddress", "email"},
    {"phone", "phone_number"},   {"mobile", "phone_number"},    {"avatar", "picture"},       {"photo", "picture"},
    {"login", "username"},       {"metadata", "user_metadata"}, {"id", "user_id"},
};

/* Lower case, without what separates words. */
static void fold(char out[FOLDED_MAX], const char *name)
{
    size_t used = 0;
    for (; *name != '\0' && used < FOLDED_MAX - 1; name++)
        if (strchr("_- .", *name) == NULL)
            out[used++] = onramp_text_lower(*name);
    out[used] = '\0';
}

/* Edit distance, where two neighbours that changed places count once. Both are folded. */
static size_t distance(const char *a, const char *b)
{
    size_t rows[3][FOLDED_MAX];
    size_t *before = rows[0], *last = rows[1], *row = rows[2];
    size_t width = strlen(b);
    for (size_t j = 0; j <= width; j++)
        last[j] = j;
    for (size_t i = 1; a[i - 1] != '\0'; i++) {
        row[0] = i;
        for (size_t j = 1; j <= width; j++) {
            size_t best = last[j - 1] + (a[i - 1] != b[j - 1]);
            if (last[j] + 1 < best)
                best = last[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            row[j] = best;
        }
        size_t *spare = before;
        before = last;
        last = row;
        row = spare;
    }
    return last[width];
}

const char *onramp_suggest(const char *name, const char *const *known)
{
    char folded[FOLDED_MAX], candidate[FOLDED_MAX];
    fold(folded, name);
    for (size_t i = 0; i < sizeof synonyms / sizeof synonyms[0]; i++)
        if (strcmp(folded, synonyms[i].theirs) == 0)
            return synonyms[i].ours;

    const char *nearest = NULL;
    size_t best = 3; /* more than two slips are another word, and more than a third of it too */
    for (; *known != NULL; known++) {
        fold(candidate, *known);
        size_t slips = distance(folded, candidate);
        if (slips < best && slips <= strlen(candidate) / 3) {
            best = slips;
            nearest = *known;
        }
    }
    return nearest;
}
