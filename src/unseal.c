/*
 * unseal.c - which of the sealed passwords count, by the ledger.
 *
 * Two passes over the file. The first reads what stands in the clear and decides which lines may hold a
 * password in force; the second opens the boxes, one at a time, so that no more than one password is in memory.
 */
#include "grow.h"
#include "io/seal.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* A line that may count, of one identity. */
struct candidate {
    uint64_t line;
    uint32_t attempt;
    const char *run; /* the ledger's */
};

/* The lines of one identity, oldest first; their attempts ascend. */
struct candidates {
    const struct onramp_ledger_entry *entry; /* NULL: the ledger has none */
    struct candidate *list;
    size_t count, room;
};

enum mark { UNUSED, FOREIGN, PERHAPS, CERTAIN };

struct unseal {
    const struct onramp_ledger *ledger;
    json_t *index; /* key of the identity → place in `users` */
    struct candidates *users;
    size_t user_count, user_room;
    enum mark *marks; /* by line */
    size_t mark_count, mark_room;
    struct onramp_unsealed_tally *tally;
    struct onramp_error *err;
};

static enum onramp_status no_memory(struct onramp_error *err)
{
    return onramp_fail(err, ONRAMP_ENOMEM, "out of memory");
}

/* ---- the first pass ---- */

struct search {
    const char *run;
    const char *found;
};

static bool is_other_run(void *context, const struct onramp_ledger_past *past)
{
    struct search *search = context;
    if (strcmp(past->run.run, search->run) == 0)
        search->found = past->run.run;
    return search->found == NULL;
}

/* The ledger's own string of a run; NULL if it has no such run. */
static const char *ledger_run(const struct onramp_ledger *ledger, const char *run)
{
    struct search search = {.run = run};
    onramp_ledger_runs(ledger, is_other_run, &search);
    return search.found;
}

static struct candidates *of_identity(struct unseal *u, const struct onramp_identity *identity)
{
    char key[ONRAMP_IDENTITY_KEY_MAX];
    if (!onramp_identity_primary(identity, key))
        memcpy(key, "", 1);
    json_t *place = json_object_get(u->index, key);
    if (place != NULL)
        return &u->users[json_integer_value(place)];
    struct candidates *users = onramp_grow(u->users, u->user_count, &u->user_room, sizeof *users);
    if (users == NULL)
        return NULL;
    u->users = users;
    if (json_object_set_new(u->index, key, json_integer((json_int_t)u->user_count)) != 0)
        return NULL;
    users[u->user_count] = (struct candidates){.entry = onramp_ledger_find(u->ledger, identity)};
    return &users[u->user_count++];
}

/* A line with this attempt takes the place of earlier ones with this or a later one: those never left, or were for a
 * user that was deleted since. */
static void supersede(struct candidates *c, uint32_t attempt)
{
    while (c->count > 0 && c->list[c->count - 1].attempt >= attempt)
        c->count--;
}

static enum onramp_status remember(struct unseal *u, uint64_t line, const struct onramp_sealed *about, const char *run)
{
    struct candidates *c = of_identity(u, &about->identity);
    if (c == NULL)
        return no_memory(u->err);
    supersede(c, about->attempt);
    struct candidate *list = onramp_grow(c->list, c->count, &c->room, sizeof *list);
    if (list == NULL)
        return no_memory(u->err);
    c->list = list;
    list[c->count++] = (struct candidate){.line = line, .attempt = about->attempt, .run = run};
    return ONRAMP_OK;
}

static enum onramp_status mark(struct unseal *u, uint64_t line, enum mark value)
{
    while (u->mark_count <= line) {
        enum mark *marks = onramp_grow(u->marks, u->mark_count, &u->mark_room, sizeof *marks);
        if (marks == NULL)
            return no_memory(u->err);
        u->marks = marks;
        marks[u->mark_count++] = UNUSED;
    }
    u->marks[line] = value;
    return ONRAMP_OK;
}

/* A line that is in order outside of its box. */
static enum onramp_status read_clear(struct unseal *u, uint64_t line, const struct onramp_sealed *about)
{
    if (u->ledger == NULL)
        return mark(u, line, PERHAPS);
    const char *run = ledger_run(u->ledger, about->run);
    enum onramp_status st = mark(u, line, run != NULL ? UNUSED : FOREIGN);
    return st == ONRAMP_OK && run != NULL ? remember(u, line, about, run) : st;
}

/* ---- what the ledger says ---- */

/* Lines of attempts that the ledger does not have never left: it is written behind them. */
static void drop_unsent(struct candidates *c)
{
    uint32_t attempts = c->entry != NULL ? c->entry->attempts : 0;
    while (c->count > 0 && c->list[c->count - 1].attempt > attempts)
        c->count--;
}

static void choose(struct unseal *u, struct candidates *c)
{
    drop_unsent(c);
    if (c->count == 0)
        return;
    const struct onramp_ledger_entry *entry = c->entry;
    const struct candidate *last = &c->list[c->count - 1];
    bool of_latest = entry->attempt_run != NULL && strcmp(last->run, entry->attempt_run) == 0;
    bool created = entry->has_outcome && entry->outcome == ONRAMP_CREATED && !entry->open;
    bool in_doubt = onramp_ledger_in_doubt(entry);
    if (created && !entry->adopted) {
        u->marks[last->line] = of_latest ? CERTAIN : UNUSED; /* if not, the run that created it sealed nothing */
        return;
    }
    for (size_t i = 0; (created || in_doubt) && i < c->count; i++)
        u->marks[c->list[i].line] = PERHAPS;
    if (created && c->count == 1 && last->attempt == 1 && of_latest)
        u->marks[last->line] = CERTAIN; /* no other run has sent any */
}

/* ---- the second pass ---- */

typedef bool visitor(void *context, const struct onramp_unsealed_line *line);

static void count(struct onramp_unsealed_tally *tally, enum onramp_unsealed kind, enum mark mark)
{
    tally->lines++;
    if (kind != ONRAMP_UNSEALED)
        tally->troubled++;
    else if (mark == FOREIGN)
        tally->foreign++;
    else if (mark == UNUSED)
        tally->unused++;
    else
        tally->given++;
    if (kind == ONRAMP_UNSEALED && mark == PERHAPS)
        tally->uncertain++;
}

/* Open one line, whether it counts or not: what was tampered with is to be found. */
static enum onramp_status open_line(struct unseal *u, const struct onramp_seal_key *key, uint64_t number,
                                    const json_t *object, visitor *visit, void *context, bool *go_on)
{
    struct onramp_unsealed_line line = {.kind = ONRAMP_UNSEALED_BROKEN, .line = number};
    struct onramp_secret *password = NULL;
    json_t *inner = NULL;
    if (object != NULL) {
        enum onramp_status st = onramp_seal_open(object, key, &line.kind, &inner, &password, u->err);
        if (st != ONRAMP_OK)
            return st;
    }
    enum mark mark = number < u->mark_count ? u->marks[number] : UNUSED;
    count(u->tally, line.kind, mark);
    if (line.kind == ONRAMP_UNSEALED) {
        line.about = onramp_seal_about(inner);
        line.password = password;
        line.certain = mark == CERTAIN;
    }
    if (line.kind != ONRAMP_UNSEALED || mark == PERHAPS || mark == CERTAIN)
        *go_on = visit(context, &line);
    json_decref(inner);
    onramp_secret_free(password);
    return ONRAMP_OK;
}

/* ---- the whole ---- */

static enum onramp_status first_pass(struct unseal *u, struct onramp_seal_file *file, const char *path)
{
    bool any = false, sound = false;
    for (;;) {
        uint64_t line;
        json_t *object;
        enum onramp_status st = onramp_seal_file_next(file, &line, &object, u->err);
        if (st != ONRAMP_OK)
            return st;
        if (line == 0)
            break;
        any = true;
        sound = sound || object != NULL;
        if (object != NULL) {
            struct onramp_sealed about = onramp_seal_about(object);
            st = read_clear(u, line, &about);
        }
        json_decref(object);
        if (st != ONRAMP_OK)
            return st;
    }
    if (any && !sound)
        return onramp_fail(u->err, ONRAMP_EINPUT, "'%.200s' is no file of sealed passwords", path);
    for (size_t i = 0; i < u->user_count; i++)
        choose(u, &u->users[i]);
    return onramp_seal_file_rewind(file, u->err);
}

static enum onramp_status second_pass(struct unseal *u, struct onramp_seal_file *file,
                                      const struct onramp_seal_key *key, visitor *visit, void *context)
{
    for (bool go_on = true; go_on;) {
        uint64_t line;
        json_t *object;
        enum onramp_status st = onramp_seal_file_next(file, &line, &object, u->err);
        if (st != ONRAMP_OK || line == 0)
            return st;
        st = open_line(u, key, line, object, visit, context, &go_on);
        json_decref(object);
        if (st != ONRAMP_OK)
            return st;
    }
    return ONRAMP_OK;
}

static void clear(struct unseal *u)
{
    for (size_t i = 0; i < u->user_count; i++)
        free(u->users[i].list);
    free(u->users);
    free(u->marks);
    json_decref(u->index);
}

enum onramp_status onramp_unseal(const char *path, const struct onramp_seal_key *key,
                                 const struct onramp_ledger *ledger, visitor *visit, void *context,
                                 struct onramp_unsealed_tally *tally, struct onramp_error *err)
{
    *tally = (struct onramp_unsealed_tally){0};
    struct unseal u = {.ledger = ledger, .index = json_object(), .tally = tally, .err = err};
    struct onramp_seal_file *file = NULL;
    enum onramp_status st = u.index != NULL ? onramp_seal_file_open(&file, path, err) : no_memory(err);
    if (st == ONRAMP_OK)
        st = first_pass(&u, file, path);
    if (st == ONRAMP_OK)
        st = second_pass(&u, file, key, visit, context);
    onramp_seal_file_close(file);
    clear(&u);
    return st;
}
