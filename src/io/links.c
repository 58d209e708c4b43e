/*
 * links.c - rows of CSV, one a link.
 */
#include "onramp/links.h"

#include "io/ledger_disk.h"
#include "io/ledger_line.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEADER   "email,user_id,url,expires\n"
#define FILE_MAX ((off_t)256 * 1024 * 1024)

struct onramp_links {
    int fd;
    char *path;
    struct onramp_disk disk;
    json_t *known;              /* user_ids as keys */
    struct onramp_error broken; /* the first write that failed; ONRAMP_OK while there was none */
};

/* ---- reading ---- */

/* Read the whole file, which holds credentials. */
static enum onramp_status slurp(const struct onramp_links *links, struct onramp_secret **out, struct onramp_error *err)
{
    struct stat st;
    if (fstat(links->fd, &st) != 0)
        return onramp_fail_sys(err, errno, "cannot examine '%s'", links->path);
    if (!S_ISREG(st.st_mode) || st.st_size > FILE_MAX)
        return onramp_fail(err, ONRAMP_EUSAGE, "'%s' is no file of links: name another with --links", links->path);
    enum onramp_status status = onramp_secret_new(out, (size_t)st.st_size, err);
    for (size_t done = 0; status == ONRAMP_OK && done < (*out)->size;) {
        ssize_t got = pread(links->fd, (*out)->text + done, (*out)->size - done, (off_t)done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            status = onramp_fail_sys(err, got < 0 ? errno : EIO, "cannot read '%s'", links->path);
        else
            done += (size_t)got;
    }
    return status;
}

/* One field at *at, unquoted in place; *at ends behind its comma. */
static char *take_field(char **at)
{
    char *field = *at, *to = *at;
    const char *from = *at;
    bool quoted = *from == '"';
    if (quoted)
        from++;
    while (*from != '\0' && (quoted || *from != ',')) {
        if (quoted && *from == '"' && *++from != '"')
            break;
        *to++ = *from++;
    }
    *at = field + (from - field) + (*from == ',' ? 1 : 0);
    *to = '\0';
    return field;
}

/* Who has a link; `text` is cut up. */
static bool learn(struct onramp_links *links, char *text)
{
    for (char *line = text; *line != '\0';) {
        char *end = strchr(line, '\n'), *at = line;
        *end = '\0';
        (void)take_field(&at);
        if (json_object_set_new_nocheck(links->known, take_field(&at), json_true()) != 0)
            return false;
        line = end + 1;
    }
    return true;
}

/* Whole rows only: the last one ends with a newline, or a crash has cut it. */
static enum onramp_status read_rows(struct onramp_links *links, struct onramp_error *err)
{
    struct onramp_secret *text = NULL;
    const size_t header = sizeof HEADER - 1;
    enum onramp_status st = slurp(links, &text, err);
    if (st != ONRAMP_OK) {
        onramp_secret_free(text);
        return st;
    }
    size_t whole = text->size;
    while (whole > 0 && text->text[whole - 1] != '\n')
        whole--;
    bool ours = memchr(text->text, '\0', text->size) == NULL &&
                strncmp(text->text, HEADER, whole > 0 ? header : text->size) == 0;
    bool cut = whole < text->size;
    if (ours && whole > 0) {
        text->text[whole] = '\0';
        if (!learn(links, text->text + header))
            st = onramp_fail(err, ONRAMP_ENOMEM, "out of memory");
    }
    onramp_secret_free(text);
    if (!ours)
        return onramp_fail(err, ONRAMP_EUSAGE, "'%s' is no file of links: name another with --links", links->path);
    if (st == ONRAMP_OK && cut && ftruncate(links->fd, (off_t)whole) != 0)
        st = onramp_fail_sys(err, errno, "cannot repair the end of '%s'", links->path);
    int failed = st == ONRAMP_OK && whole == 0 ? links->disk.append(links->disk.self, links->fd, HEADER, header) : 0;
    return failed != 0 ? onramp_fail_sys(err, failed, "cannot write to '%s'", links->path) : st;
}

enum onramp_status onramp_links_open(struct onramp_links **out, const char *path, const struct onramp_disk *disk,
                                     struct onramp_error *err)
{
    int errnum;
    struct onramp_links *links = calloc(1, sizeof *links);
    if (links == NULL)
        return onramp_fail(err, ONRAMP_ENOMEM, "out of memory");
    links->disk = disk != NULL ? *disk : onramp_real_disk;
    links->path = strdup(path);
    links->known = json_object();
    links->fd = onramp_disk_open(path, true, &errnum);
    enum onramp_status st = ONRAMP_OK;
    if (links->path == NULL || links->known == NULL)
        st = onramp_fail(err, ONRAMP_ENOMEM, "out of memory");
    else if (links->fd < 0)
        st = onramp_fail_sys(err, errnum, "cannot open '%s' for the links", path);
    else if ((errnum = onramp_disk_lock(links->fd)) != 0)
        st = errnum == EWOULDBLOCK
                 ? onramp_fail(err, ONRAMP_ELOCKED, "'%s' is in use: wait for the other run to end, or stop it", path)
                 : onramp_fail_sys(err, errnum, "cannot lock '%s'", path);
    if (st == ONRAMP_OK)
        st = read_rows(links, err);
    if (st == ONRAMP_OK && !onramp_disk_close_to_others(links->fd))
        st = onramp_fail(err, ONRAMP_EIO, "cannot keep others from reading '%s': put it on a file system with modes",
                         path);
    if (st == ONRAMP_OK && (errnum = onramp_disk_sync_entry(&links->disk, path)) != 0)
        st = onramp_fail_sys(err, errnum, "cannot sync '%s'", path);
    if (st == ONRAMP_OK)
        *out = links;
    else
        onramp_links_close(links);
    return st;
}

void onramp_links_close(struct onramp_links *links)
{
    if (links == NULL)
        return;
    if (links->fd >= 0)
        (void)close(links->fd); /* lets go of the lock; what counts was synced before */
    json_decref(links->known);
    free(links->path);
    free(links);
}

bool onramp_links_has(const struct onramp_links *links, const char *user_id)
{
    return json_object_get(links->known, user_id) != NULL;
}

/* ---- writing ---- */

/* Append a field, quoted where CSV wants that. Control characters, which would end the row, become '?'. NULL `out`
 * only measures. */
static size_t put_field(char *out, const char *text, char behind)
{
    size_t used = 0;
    bool quoted = text[strcspn(text, ",\" ")] != '\0';
    char sink;
#define PUT(c) (*(out != NULL ? out + used : &sink) = (c), used++)
    if (quoted)
        PUT('"');
    for (; *text != '\0'; text++) {
        if (*text == '"')
            PUT('"');
        PUT((unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text);
    }
    if (quoted)
        PUT('"');
    PUT(behind);
#undef PUT
    return used;
}

static size_t put_row(char *out, const struct onramp_link *link)
{
    char expires[ONRAMP_LINE_TIME_MAX];
    onramp_line_time(link->expires_at, expires);
    const char *fields[] = {link->email, link->user_id, link->url->text, expires};
    size_t used = 0, count = sizeof fields / sizeof fields[0];
    for (size_t i = 0; i < count; i++)
        used += put_field(out != NULL ? out + used : NULL, fields[i], i + 1 < count ? ',' : '\n');
    return used;
}

enum onramp_status onramp_links_add(struct onramp_links *links, const struct onramp_link *link,
                                    struct onramp_error *err)
{
    if (links->broken.status != ONRAMP_OK)
        return onramp_fail(err, links->broken.status, "%s", links->broken.text);
    struct onramp_secret *row = NULL;
    enum onramp_status st = onramp_secret_new(&row, put_row(NULL, link), err);
    if (st != ONRAMP_OK)
        return st;
    (void)put_row(row->text, link);
    int failed = links->disk.append(links->disk.self, links->fd, row->text, row->size);
    if (failed == 0)
        failed = links->disk.sync(links->disk.self, links->fd);
    onramp_secret_free(row);
    if (failed != 0) /* the end of the file is not known, so nothing may follow it */
        (void)onramp_fail_sys(&links->broken, failed, "cannot write to '%s'", links->path);
    else if (!onramp_disk_is_at(links->fd, links->path))
        (void)onramp_fail(&links->broken, ONRAMP_EIO, "'%s' was removed or replaced while links were added to it",
                          links->path);
    if (links->broken.status != ONRAMP_OK)
        return onramp_fail(err, links->broken.status, "%s", links->broken.text);
    if (json_object_set_new_nocheck(links->known, link->user_id, json_true()) != 0)
        return onramp_fail(err, ONRAMP_ENOMEM, "out of memory");
    return ONRAMP_OK;
}
