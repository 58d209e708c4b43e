/*
 * retry.c - sorts a file's records by what became of them.
 */
#include "onramp/retry.h"

#include "census.h"

#include <string.h>

struct sorting {
    const struct onramp_ledger *ledger;
    struct onramp_user_rules rules;
    struct onramp_census census;
    struct onramp_retry_summary *summary;
    const char *digest; /* of the file */
};

static bool ended_well(const struct onramp_ledger_entry *entry)
{
    return entry != NULL && entry->has_outcome && !entry->open && !entry->undone &&
           (entry->outcome == ONRAMP_CREATED || entry->outcome == ONRAMP_EXISTS);
}

/* Count why a record that an upload would take has not ended well. */
static void count_listed(struct onramp_retry_summary *summary, const struct onramp_ledger_entry *entry)
{
    if (entry != NULL && entry->open)
        summary->open++;
    else if (entry != NULL && entry->undone)
        summary->undone++;
    else if (entry != NULL && entry->has_outcome)
        summary->counts[entry->outcome]++;
    else
        summary->unlisted++;
}

/* Is it about another record of this very file, whose identity is the same? Then this one was refused. (In a file that
 * was edited it may be this one, which stood elsewhere.) */
static bool is_anothers(const struct sorting *s, const struct onramp_ledger_entry *entry, uint64_t ordinal)
{
    return entry->record != ordinal && entry->input_sha256 != NULL && strcmp(entry->input_sha256, s->digest) == 0;
}

/* Decided as an upload decides when it admits a record. */
static enum onramp_status wants(struct sorting *s, const struct onramp_record *record, bool *out,
                                struct onramp_error *err)
{
    struct onramp_user user = {0};
    struct onramp_error why;
    const struct onramp_ledger_entry *entry;
    uint64_t other;
    enum onramp_identifier kind;
    *out = true;
    enum onramp_status st = onramp_census_judge(&user, &entry, record, &s->rules, s->ledger, &why);
    if (st == ONRAMP_EINPUT) {
        s->summary->counts[ONRAMP_INVALID]++;
        st = ONRAMP_OK;
    } else if (st != ONRAMP_OK) {
        st = onramp_fail(err, st, "%s", why.text);
    } else if (ended_well(entry) && entry->record == record->ordinal) {
        *out = false; /* even if it repeats another one, which the connection may have refused */
    } else if (onramp_census_duplicate(&s->census, &user.identity, record->ordinal, &other, &kind)) {
        s->summary->counts[ONRAMP_DUPLICATE]++;
    } else if (ended_well(entry) && is_anothers(s, entry, record->ordinal)) {
        s->summary->counts[ONRAMP_INVALID]++;
    } else if (ended_well(entry)) {
        *out = false;
    } else {
        count_listed(s->summary, entry);
    }
    onramp_user_clear(&user);
    return st;
}

enum onramp_status onramp_retry(const struct onramp_ledger *ledger, const struct onramp_source *source,
                                bool (*put)(void *context, const struct onramp_record *record), void *context,
                                struct onramp_retry_summary *summary, struct onramp_error *err)
{
    struct onramp_ledger_run last;
    *summary = (struct onramp_retry_summary){.records = 0};
    struct sorting s = {.ledger = ledger, .rules = {.connection = ""}, .summary = summary};
    if (onramp_ledger_last(ledger, &last))
        s.rules.connection = last.connection;
    enum onramp_status st = onramp_census_take(&s.census, source, &s.rules, UINT64_MAX, NULL, NULL, err);
    s.digest = st == ONRAMP_OK ? source->ops->digest(source->self) : "";
    for (bool end = false; st == ONRAMP_OK;) {
        struct onramp_record record;
        bool wanted = false;
        st = source->ops->next(source->self, &record, &end, err);
        if (st != ONRAMP_OK || end)
            break;
        summary->records++;
        st = wants(&s, &record, &wanted, err);
        if (st == ONRAMP_OK && wanted && !put(context, &record))
            st = onramp_fail(err, ONRAMP_EIO, "cannot write record %llu", (unsigned long long)record.ordinal);
        if (st == ONRAMP_OK && wanted)
            summary->written++;
    }
    onramp_census_clear(&s.census);
    return st;
}
