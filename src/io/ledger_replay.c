/*
 * ledger_replay.c - reads the lines of a ledger, and judges damage.
 *
 * A crash leaves, behind the bytes that were synced, any mixture of torn lines, zeros, garbage
 * and whole lines, since blocks reach the disk in any order. Each line says how
 * many bytes were on disk before it was written. So damage at byte x is a crash's unless a
 * whole line behind it says that more than x was on disk. A line that is
 * complete JSON but does not match its checksum, or is out of its place, is nobody's crash.
 */
#include "io/ledger_replay.h"

#include "io/ledger_line.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct reader {
    int fd;
    uint64_t offset; /* in the file, of bytes[begin] */
    uint64_t number; /* of the line last read, from 1 */
    size_t begin, end;
    bool drained; /* the file has no more */
    char bytes[ONRAMP_LINE_MAX];
};

struct piece {
    const char *text; /* without the newline; valid until the next one is read */
    size_t size;
    uint64_t offset;
    bool newline;
};

/* Fill the buffer behind what is unread. 0 or an errno. */
static int refill(struct reader *reader)
{
    memmove(reader->bytes, reader->bytes + reader->begin, reader->end - reader->begin);
    reader->end -= reader->begin;
    reader->begin = 0;
    while (!reader->drained && reader->end < sizeof reader->bytes) {
        ssize_t got = read(reader->fd, reader->bytes + reader->end, sizeof reader->bytes - reader->end);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return errno;
        reader->end += (size_t)got;
        reader->drained = got == 0;
    }
    return 0;
}

static struct piece unread(const struct reader *reader)
{
    const char *text = reader->bytes + reader->begin;
    size_t size = reader->end - reader->begin;
    const char *newline = memchr(text, '\n', size);
    return (struct piece){.text = text,
                          .size = newline != NULL ? (size_t)(newline - text) : size,
                          .offset = reader->offset,
                          .newline = newline != NULL};
}

/* The next line, or a bufferful of a longer one; nothing at the end. 0 or an errno. */
static int next_piece(struct reader *reader, struct piece *out)
{
    *out = unread(reader);
    if (!out->newline && !reader->drained) {
        int failed = refill(reader);
        if (failed != 0)
            return failed;
        *out = unread(reader);
    }
    size_t step = out->size + out->newline;
    reader->begin += step;
    reader->offset += step;
    reader->number++;
    return 0;
}

static bool at_end(const struct piece *piece)
{
    return piece->size == 0 && !piece->newline;
}

struct replay {
    struct reader *reader;
    const char *path;
    struct onramp_state *state;
    struct onramp_error *err;
    uint64_t synced; /* as the latest sealed line says */
    bool sealed;     /* the lines of the current run are */
};

static enum onramp_status corrupt(const struct replay *replay, uint64_t number, const char *what)
{
    return onramp_fail(replay->err, ONRAMP_ECORRUPT, "ledger '%s' is damaged at line %" PRIu64 ": %s", replay->path,
                       number, what);
}

static enum onramp_status cannot_read(const struct replay *replay, int errnum)
{
    return onramp_fail_sys(replay->err, errnum, "cannot read ledger '%s'", replay->path);
}

static bool is_run_line(const struct onramp_line *line)
{
    const char *type = json_string_value(json_object_get(line->body, "type"));
    return type != NULL && strcmp(type, "run") == 0;
}

/* NULL if a whole line may stand at this place, else what is wrong with that. */
static const char *misplaced(const struct replay *replay, const struct piece *piece, const struct onramp_line *line)
{
    const char *current = onramp_state_run(replay->state);
    const char *run = json_string_value(json_object_get(line->body, "run"));
    bool sealed = line->kind == ONRAMP_LINE_SEALED;

    if (sealed && (line->synced > piece->offset || line->synced < replay->synced))
        return "it was written to another place or file: restore it from a copy";
    if (is_run_line(line))
        return NULL;
    if (sealed != replay->sealed)
        return sealed ? "it has a checksum, and its run line has none"
                      : "its checksum is missing: only whole runs can do without";
    if (sealed && (run == NULL || current == NULL || strcmp(run, current) != 0))
        return "it belongs to another run: restore it from a copy";
    return NULL;
}

/*
 * Line `number` at byte `offset` is broken: read on, to see whether a crash can have done it.
 * ONRAMP_OK if so, and everything from there on is to be cut.
 */
static enum onramp_status judge_damage(struct replay *replay, uint64_t offset, uint64_t number)
{
    struct piece piece;
    int failed;
    while ((failed = next_piece(replay->reader, &piece)) == 0 && !at_end(&piece)) {
        struct onramp_line line = onramp_line_parse(piece.text, piece.size);
        bool proof =
            line.kind == ONRAMP_LINE_ALTERED || line.kind == ONRAMP_LINE_PLAIN ||
            (line.kind == ONRAMP_LINE_SEALED && (line.synced > offset || misplaced(replay, &piece, &line) != NULL));
        json_decref(line.body);
        if (proof)
            return onramp_fail(replay->err, ONRAMP_ECORRUPT,
                               "ledger '%s' is damaged at line %" PRIu64 ", and line %" PRIu64
                               " behind it shows that no crash did this: restore it from a copy",
                               replay->path, number, replay->reader->number);
    }
    return failed == 0 ? ONRAMP_OK : cannot_read(replay, failed);
}

static enum onramp_status not_a_ledger(const struct replay *replay)
{
    return onramp_fail(replay->err, ONRAMP_ECORRUPT,
                       "'%s' is not an onramp ledger: its first line is no run line. Nothing was changed; name the "
                       "ledger (upload: --ledger)",
                       replay->path);
}

/* Take in one whole line. */
static enum onramp_status admit(struct replay *replay, const struct piece *piece, const struct onramp_line *line)
{
    uint64_t number = replay->reader->number;
    bool is_run = is_run_line(line);
    if (number == 1 && !is_run)
        return not_a_ledger(replay);
    const char *wrong = misplaced(replay, piece, line);
    if (wrong != NULL)
        return corrupt(replay, number, wrong);

    struct onramp_error why = {.status = ONRAMP_OK};
    enum onramp_status st = onramp_state_apply(replay->state, line->body, &why);
    if (st == ONRAMP_ECORRUPT)
        return corrupt(replay, number, why.text);
    if (st != ONRAMP_OK)
        return onramp_fail(replay->err, st, "%s", why.text);
    if (is_run)
        replay->sealed = line->kind == ONRAMP_LINE_SEALED;
    if (line->kind == ONRAMP_LINE_SEALED)
        replay->synced = line->synced;
    return ONRAMP_OK;
}

/* A line that is no object. ONRAMP_OK if a crash can have left it. */
static enum onramp_status reject(struct replay *replay, const struct piece *piece)
{
    uint64_t number = replay->reader->number;
    /* Before the first run line nothing shows that the file is ours, and lines written by hand
     * are not ours either: there only what our own first write can leave is cut. */
    if (replay->sealed)
        return judge_damage(replay, piece->offset, number);
    if (!piece->newline && onramp_line_torn_run(piece->text, piece->size))
        return ONRAMP_OK;
    return number == 1 ? not_a_ledger(replay) : corrupt(replay, number, "it is not a JSON object");
}

static enum onramp_status replay_lines(struct replay *replay, struct onramp_replayed *out)
{
    struct piece piece;
    int failed;
    while ((failed = next_piece(replay->reader, &piece)) == 0 && !at_end(&piece)) {
        struct onramp_line line = onramp_line_parse(piece.text, piece.size);
        enum onramp_status st;
        switch (line.kind) {
        case ONRAMP_LINE_SEALED:
        case ONRAMP_LINE_PLAIN:
            st = admit(replay, &piece, &line);
            json_decref(line.body);
            if (st != ONRAMP_OK)
                return st;
            out->whole = replay->reader->offset;
            out->needs_newline = !piece.newline;
            break;
        case ONRAMP_LINE_ALTERED:
            return corrupt(replay, replay->reader->number, "its checksum does not match: restore it from a copy");
        case ONRAMP_LINE_BROKEN:
            st = reject(replay, &piece);
            if (st == ONRAMP_OK)
                out->damaged = replay->reader->offset - out->whole;
            return st;
        }
    }
    return failed == 0 ? ONRAMP_OK : cannot_read(replay, failed);
}

enum onramp_status onramp_replay(int fd, const char *path, struct onramp_state *state, struct onramp_replayed *out,
                                 struct onramp_error *err)
{
    struct reader *reader = calloc(1, sizeof *reader); /* too large for the stack */
    if (reader == NULL)
        return onramp_fail(err, ONRAMP_ENOMEM, "out of memory for the ledger");
    reader->fd = fd;
    struct replay replay = {.reader = reader, .path = path, .state = state, .err = err};
    *out = (struct onramp_replayed){.whole = 0};
    enum onramp_status st = replay_lines(&replay, out);
    free(reader);
    return st;
}
