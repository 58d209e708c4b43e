/*
 * ledger_entries.c - a hash table that keeps its entries' order, and where they lie.
 */
#include "io/ledger_entries.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct onramp_entry_node {
    struct onramp_ledger_entry entry;
    char *strings; /* the entry's, in one block */
    struct onramp_ledger_deed *deeds;
    size_t deed_room;
    char key[];
};

#define FIRST_SLOTS 64

void onramp_entries_init(struct onramp_entries *entries)
{
    *entries = (struct onramp_entries){.count = 0};
    randombytes_buf(entries->hash_key, sizeof entries->hash_key);
}

static void forget_deeds(struct onramp_entry_node *node)
{
    for (size_t i = 0; i < node->entry.deed_count; i++)
        free((char *)node->deeds[i].subject);
    node->entry.deed_count = 0;
}

void onramp_entries_clear(struct onramp_entries *entries)
{
    for (size_t i = 0; i < entries->count; i++) {
        forget_deeds(entries->order[i]);
        free(entries->order[i]->deeds);
        free(entries->order[i]->strings);
        free(entries->order[i]);
    }
    free((void *)entries->order);
    free((void *)entries->slots);
}

char *onramp_pack_strings(const char **strings[], size_t count)
{
    size_t size = 1;
    for (size_t i = 0; i < count; i++)
        size += *strings[i] != NULL ? strlen(*strings[i]) + 1 : 0;
    char *block = malloc(size);
    if (block == NULL)
        return NULL;
    char *end = block;
    for (size_t i = 0; i < count; i++) {
        if (*strings[i] == NULL)
            continue;
        size_t length = strlen(*strings[i]) + 1;
        memcpy(end, *strings[i], length);
        *strings[i] = end;
        end += length;
    }
    return block;
}

/* The slot of a key: its node's, or the free one where it belongs. */
static struct onramp_entry_node **slot_of(const struct onramp_entries *entries, const char *key)
{
    uint64_t hash;
    unsigned char digest[crypto_shorthash_BYTES];
    (void)crypto_shorthash(digest, (const unsigned char *)key, strlen(key), entries->hash_key);
    memcpy(&hash, digest, sizeof hash);
    size_t mask = entries->slot_count - 1;
    size_t at = (size_t)hash & mask;
    while (entries->slots[at] != NULL && strcmp(entries->slots[at]->key, key) != 0)
        at = (at + 1) & mask;
    return &entries->slots[at];
}

static struct onramp_entry_node *lookup(const struct onramp_entries *entries, const char *key)
{
    return entries->slot_count > 0 ? *slot_of(entries, key) : NULL;
}

struct onramp_ledger_entry *onramp_entries_find(const struct onramp_entries *entries, const char *key)
{
    struct onramp_entry_node *node = lookup(entries, key);
    return node != NULL ? &node->entry : NULL;
}

const struct onramp_ledger_entry *onramp_entries_at(const struct onramp_entries *entries, size_t index)
{
    assert(index < entries->count);
    return &entries->order[index]->entry;
}

/* Make room for one more entry. */
static bool reserve(struct onramp_entries *entries)
{
    if (entries->count < entries->slot_count / 2)
        return true;
    size_t slot_count = entries->slot_count > 0 ? entries->slot_count * 2 : FIRST_SLOTS;
    struct onramp_entry_node **slots = calloc(slot_count, sizeof *slots);
    struct onramp_entry_node **order = realloc(entries->order, slot_count / 2 * sizeof *order);
    if (order != NULL)
        entries->order = order;
    if (slots == NULL || order == NULL) {
        free((void *)slots);
        return false;
    }
    free((void *)entries->slots);
    entries->slots = slots;
    entries->slot_count = slot_count;
    for (size_t i = 0; i < entries->count; i++)
        *slot_of(entries, order[i]->key) = order[i];
    return true;
}

bool onramp_entries_store(struct onramp_entries *entries, const char *key, struct onramp_ledger_entry next)
{
    const char **strings[] = {&next.identity.email,   &next.identity.username, &next.identity.phone_number,
                              &next.identity.user_id, &next.user_id,           &next.error_code,
                              &next.message,          &next.correlation_id,    &next.chosen_id};
    struct onramp_entry_node *node = lookup(entries, key);
    bool is_new = node == NULL;
    if (is_new) {
        if (!reserve(entries))
            return false;
        size_t size = strlen(key) + 1;
        node = calloc(1, sizeof *node + size);
        if (node == NULL)
            return false;
        memcpy(node->key, key, size);
    }
    char *block = onramp_pack_strings(strings, sizeof strings / sizeof strings[0]);
    if (block == NULL) {
        if (is_new)
            free(node);
        return false;
    }
    free(node->strings);
    node->strings = block;
    next.deeds = node->deeds; /* these stay */
    next.deed_count = node->entry.deed_count;
    node->entry = next;
    if (is_new) {
        *slot_of(entries, key) = node;
        entries->order[entries->count++] = node;
    }
    return true;
}

/* ---- deeds ---- */

static bool same_subject(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

enum onramp_deed_state onramp_ledger_deed_state(const struct onramp_ledger_entry *entry, enum onramp_deed kind,
                                                const char *subject)
{
    for (size_t i = 0; i < entry->deed_count; i++)
        if (entry->deeds[i].kind == kind && same_subject(entry->deeds[i].subject, subject))
            return entry->deeds[i].state;
    return ONRAMP_DEED_NONE;
}

bool onramp_ledger_in_doubt(const struct onramp_ledger_entry *entry)
{
    return entry->open || (entry->has_outcome && entry->outcome == ONRAMP_UNKNOWN);
}

bool onramp_ledger_undoing(const struct onramp_ledger_entry *entry)
{
    enum onramp_deed_state undo = onramp_ledger_deed_state(entry, ONRAMP_DEED_UNDO, NULL);
    return undo == ONRAMP_DEED_SENDING || undo == ONRAMP_DEED_UNKNOWN;
}

bool onramp_entries_keep_deed(struct onramp_entries *entries, const char *key, const struct onramp_ledger_deed *deed)
{
    struct onramp_entry_node *node = lookup(entries, key);
    assert(node != NULL);
    size_t at = 0, count = node->entry.deed_count;
    while (at < count && !(node->deeds[at].kind == deed->kind && same_subject(node->deeds[at].subject, deed->subject)))
        at++;
    if (at == node->deed_room) {
        size_t room = at > 0 ? at * 2 : 2;
        struct onramp_ledger_deed *deeds = realloc(node->deeds, room * sizeof *deeds);
        if (deeds == NULL)
            return false;
        node->entry.deeds = node->deeds = deeds;
        node->deed_room = room;
    }
    const char *subject = at < count ? node->deeds[at].subject : NULL;
    if (at == count && deed->subject != NULL && (subject = strdup(deed->subject)) == NULL)
        return false;
    node->deeds[at] = *deed;
    node->deeds[at].subject = subject;
    node->entry.deed_count = at == count ? count + 1 : count;
    return true;
}

void onramp_entries_forget_deeds(struct onramp_entries *entries, const char *key)
{
    struct onramp_entry_node *node = lookup(entries, key);
    if (node != NULL)
        forget_deeds(node);
}

void onramp_entries_forget_kind(struct onramp_entries *entries, const char *key, enum onramp_deed kind)
{
    struct onramp_entry_node *node = lookup(entries, key);
    if (node == NULL)
        return;
    size_t kept = 0;
    for (size_t i = 0; i < node->entry.deed_count; i++) {
        if (node->deeds[i].kind == kind)
            free((char *)node->deeds[i].subject);
        else
            node->deeds[kept++] = node->deeds[i];
    }
    node->entry.deed_count = kept;
}
