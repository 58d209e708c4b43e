/*
 * ledger_entries.h - a ledger's entries by key, in the order of their first lines, with all that they own.
 *
 * A table and nothing else: which line makes what of an entry is ledger_state.c's to say.
 */
#ifndef ONRAMP_IO_LEDGER_ENTRIES_H
#define ONRAMP_IO_LEDGER_ENTRIES_H

#include "onramp/ledger.h"

#include <sodium.h>

struct onramp_entry_node; /* opaque */

struct onramp_entries {
    struct onramp_entry_node **order; /* by first line */
    size_t count;
    struct onramp_entry_node **slots; /* open addressing; a power of two, at most half full */
    size_t slot_count;
    unsigned char hash_key[crypto_shorthash_KEYBYTES];
};

/* libsodium has been started. */
void onramp_entries_init(struct onramp_entries *entries);
void onramp_entries_clear(struct onramp_entries *entries);

/* The entry of a key; NULL if there is none. Stays where it is. What it points to is the table's to change. */
struct onramp_ledger_entry *onramp_entries_find(const struct onramp_entries *entries, const char *key);
const struct onramp_ledger_entry *onramp_entries_at(const struct onramp_entries *entries, size_t index);

/* The entry of `key` becomes `next`, whose strings are copied; its deeds stay. False: no memory, nothing changed. */
ONRAMP_NODISCARD bool onramp_entries_store(struct onramp_entries *entries, const char *key,
                                           struct onramp_ledger_entry next);

/* The latest deed of a kind and subject takes the place of an earlier one. There is an entry. False: no memory. */
ONRAMP_NODISCARD bool onramp_entries_keep_deed(struct onramp_entries *entries, const char *key,
                                               const struct onramp_ledger_deed *deed);
/* Without an entry, nothing. */
void onramp_entries_forget_deeds(struct onramp_entries *entries, const char *key);
void onramp_entries_forget_kind(struct onramp_entries *entries, const char *key, enum onramp_deed kind);

/* Copy `count` strings into one new block and point them there. NULL strings stay NULL. NULL: no memory. */
char *onramp_pack_strings(const char **strings[], size_t count);

#endif
