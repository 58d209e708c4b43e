/*
 * census.c - count, and tell duplicates.
 */
#include "census.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

bool onramp_census_duplicate(const struct onramp_census *census, const struct onramp_identity *identity,
                             uint64_t ordinal, uint64_t *other, enum onramp_identifier *kind)
{
    char key[ONRAMP_IDENTITY_KEY_MAX];
    for (int k = 0; k < ONRAMP_ID_KINDS; k++) {
        if (!onramp_identity_key(identity, (enum onramp_identifier)k, key))
            continue;
        json_t *holder = json_object_get(census->seen, key);
        if (holder == NULL || (uint64_t)json_integer_value(holder) == ordinal)
            continue;
        *other = (uint64_t)json_integer_value(holder);
        *kind = (enum onramp_identifier)k;
        return true;
    }
    return false;
}

/* The record is the holder of all its identifiers. */
static enum onramp_status hold(struct onramp_census *census, const struct onramp_identity *identity, uint64_t ordinal,
                               struct onramp_error *err)
{
    char key[ONRAMP_IDENTITY_KEY_MAX];
    for (int k = 0; k < ONRAMP_ID_KINDS; k++)
        if (onramp_identity_key(identity, (enum onramp_identifier)k, key) &&
            json_object_set_new_nocheck(census->seen, key, json_integer((json_int_t)ordinal)) != 0)
            return onramp_fail(err, ONRAMP_ENOMEM, "out of memory");
    if (onramp_identity_primary(identity, key) && json_object_set_new_nocheck(census->names, key, json_true()) != 0)
        return onramp_fail(err, ONRAMP_ENOMEM, "out of memory");
    return ONRAMP_OK;
}

enum onramp_status onramp_census_judge(struct onramp_user *user, const struct onramp_ledger_entry **entry,
                                       const struct onramp_record *record, const struct onramp_user_rules *rules,
                                       const struct onramp_ledger *ledger, struct onramp_error *err)
{
    enum onramp_status st = onramp_user_parse(user, record->json, record->size, rules, err);
    *entry = ledger != NULL ? onramp_ledger_find(ledger, &user->identity) : NULL;
    /* Of what was sent before, the tenant's own word counts, whatever the connection says today. */
    bool untouched = *entry == NULL || (!(*entry)->settled && (*entry)->attempts == 0);
    if (st == ONRAMP_OK && rules->database != NULL && untouched)
        st = onramp_connection_admits(rules->database, &user->identity, err);
    return st;
}

bool onramp_census_stands(const struct onramp_ledger_entry *entry, const char *digest)
{
    if (entry == NULL || !entry->settled)
        return false;
    return entry->outcome != ONRAMP_REJECTED || digest == NULL || strcmp(entry->input_sha256, digest) == 0;
}

static enum onramp_status count(struct onramp_census *census, const struct onramp_record *record,
                                const struct onramp_user_rules *rules, const struct onramp_ledger *ledger,
                                const char *digest, struct onramp_error *err)
{
    struct onramp_user user = {0};
    const struct onramp_ledger_entry *entry;
    uint64_t other;
    enum onramp_identifier kind;
    enum onramp_status st = onramp_census_judge(&user, &entry, record, rules, ledger, err);
    if (st == ONRAMP_EINPUT) {
        census->invalid++;
        st = ONRAMP_OK;
    } else if (st == ONRAMP_OK && onramp_census_duplicate(census, &user.identity, record->ordinal, &other, &kind)) {
        census->duplicate++;
    } else if (st == ONRAMP_OK) {
        bool settled = onramp_census_stands(entry, digest);
        census->settled += settled ? 1 : 0;
        census->sendable += settled ? 0 : 1;
        census->doubtful += !settled && entry != NULL && onramp_ledger_in_doubt(entry) ? 1 : 0;
        census->mails += !settled && user.wants_mail ? 1 : 0;
        st = hold(census, &user.identity, record->ordinal, err);
    }
    census->dropped |= user.dropped;
    onramp_user_clear(&user);
    return st;
}

enum onramp_status onramp_census_take(struct onramp_census *out, const struct onramp_source *source,
                                      const struct onramp_user_rules *rules, uint64_t max_users,
                                      const struct onramp_ledger *ledger, const char *digest, struct onramp_error *err)
{
    *out = (struct onramp_census){.seen = json_object(), .names = json_object()};
    if (out->seen == NULL || out->names == NULL)
        return onramp_fail(err, ONRAMP_ENOMEM, "out of memory");
    for (;;) {
        struct onramp_record record;
        bool end = false;
        enum onramp_status st = source->ops->next(source->self, &record, &end, err);
        if (st == ONRAMP_OK && end)
            return source->ops->rewind(source->self, err);
        if (st == ONRAMP_OK && ++out->records > max_users)
            return onramp_fail(err, ONRAMP_EREFUSED,
                               "the file has more than %llu users: Auth0's bulk import job is made for files of that "
                               "size; --max-users raises the limit",
                               (unsigned long long)max_users);
        if (st == ONRAMP_OK)
            st = count(out, &record, rules, ledger, digest, err);
        if (st != ONRAMP_OK)
            return st;
    }
}

static bool count_doubt(void *context, const struct onramp_ledger_entry *entry)
{
    *(size_t *)context += onramp_ledger_in_doubt(entry) ? 1 : 0;
    return true;
}

static bool add_stray(void *context, const struct onramp_ledger_entry *entry)
{
    struct onramp_census *census = context;
    char key[ONRAMP_IDENTITY_KEY_MAX];
    if (onramp_ledger_in_doubt(entry) && onramp_identity_primary(&entry->identity, key) &&
        json_object_get(census->names, key) == NULL)
        census->strays[census->stray_count++] = entry;
    return true;
}

enum onramp_status onramp_census_find_strays(struct onramp_census *census, const struct onramp_ledger *ledger,
                                             struct onramp_error *err)
{
    size_t most = 0;
    onramp_ledger_each(ledger, count_doubt, &most);
    census->strays = calloc(most > 0 ? most : 1, sizeof *census->strays);
    if (census->strays == NULL)
        return onramp_fail(err, ONRAMP_ENOMEM, "out of memory");
    onramp_ledger_each(ledger, add_stray, census);
    return ONRAMP_OK;
}

void onramp_census_clear(struct onramp_census *census)
{
    free((void *)census->strays);
    census->strays = NULL;
    census->stray_count = 0;
    json_decref(census->seen);
    json_decref(census->names);
    census->seen = census->names = NULL;
}
