/*
 * dotenv.c - reads NAME=value lines.
 */
#include "dotenv.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

void dotenv_begin(struct dotenv *env, const char *text, size_t size, char *scratch)
{
    *env = (struct dotenv){.at = text, .end = text + size, .next = 1, .value = scratch};
    if (size >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0)
        env->at += 3;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool is_name(char c, bool first)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' || (!first && c >= '0' && c <= '9');
}

static void skip_blanks(struct dotenv *env)
{
    while (env->at < env->end && is_blank(*env->at))
        env->at++;
}

static bool at_line_end(const struct dotenv *env)
{
    return env->at == env->end || *env->at == '\n' || *env->at == '\r';
}

/* Past the end of the line, whichever of LF, CRLF, CR it is. */
static void skip_line_end(struct dotenv *env)
{
    if (env->at < env->end && *env->at == '\r')
        env->at++;
    if (env->at < env->end && *env->at == '\n')
        env->at++;
    env->next++;
}

static void skip_comment(struct dotenv *env)
{
    while (!at_line_end(env))
        env->at++;
}

static bool read_name(struct dotenv *env)
{
    size_t size = 0;
    while (env->at < env->end && is_name(*env->at, size == 0)) {
        if (size + 1 == sizeof env->name)
            return false;
        env->name[size++] = *env->at++;
    }
    env->name[size] = '\0';
    return size > 0;
}

/* Without quotes: up to a comment or the end of the line. */
static void read_bare(struct dotenv *env)
{
    size_t size = 0;
    while (!at_line_end(env)) {
        if (*env->at == '#' && (size == 0 || is_blank(env->value[size - 1])))
            break;
        env->value[size++] = *env->at++;
    }
    while (size > 0 && is_blank(env->value[size - 1]))
        size--;
    env->value[size] = '\0';
    skip_comment(env);
}

static char unescape(char c)
{
    return c == 'n' ? '\n' : c == 'r' ? '\r' : c == 't' ? '\t' : c;
}

static bool read_quoted(struct dotenv *env)
{
    char quote = *env->at++;
    size_t size = 0;
    while (env->at < env->end && *env->at != quote) {
        char c = *env->at++;
        if (c == '\\' && quote == '"' && env->at < env->end && strchr("nrt\"\\$", *env->at) != NULL)
            c = unescape(*env->at++);
        else if (c == '\n' || (c == '\r' && (env->at == env->end || *env->at != '\n')))
            env->next++;
        env->value[size++] = c;
    }
    env->value[size] = '\0';
    if (env->at == env->end)
        return false;
    env->at++;
    return true;
}

enum onramp_status dotenv_next(struct dotenv *env, bool *end, struct onramp_error *err)
{
    for (skip_blanks(env); env->at < env->end && (at_line_end(env) || *env->at == '#'); skip_blanks(env)) {
        skip_comment(env);
        skip_line_end(env);
    }
    *end = env->at == env->end;
    if (*end)
        return ONRAMP_OK;

    env->line = env->next;
    bool named = read_name(env);
    if (named && strcmp(env->name, "export") == 0 && env->at < env->end && is_blank(*env->at)) {
        skip_blanks(env);
        if (env->at < env->end && *env->at != '=')
            named = read_name(env);
    }
    skip_blanks(env);
    if (!named || env->at == env->end || *env->at != '=')
        return onramp_fail(err, ONRAMP_EUSAGE, "line %u is not NAME=value", env->line);
    env->at++;
    skip_blanks(env);

    if (env->at == env->end || (*env->at != '"' && *env->at != '\'')) {
        read_bare(env);
    } else {
        char quote = *env->at;
        if (!read_quoted(env))
            return onramp_fail(err, ONRAMP_EUSAGE, "line %u: the quote %c is never closed", env->line, quote);
        skip_blanks(env);
        if (!at_line_end(env) && *env->at != '#')
            return onramp_fail(err, ONRAMP_EUSAGE, "line %u: something follows the closing quote %c", env->line, quote);
        skip_comment(env);
    }
    if (env->at < env->end)
        skip_line_end(env);
    return ONRAMP_OK;
}

/* Read to the end; a pipe is fine. Returns the size, or -1 with errno. */
static ssize_t read_all(int fd, char *into, size_t most)
{
    size_t size = 0;
    while (size < most) {
        ssize_t got = read(fd, into + size, most - size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        size += (size_t)got;
    }
    return (ssize_t)size;
}

enum onramp_status dotenv_read(struct onramp_secret **out, const char *path, bool optional, struct onramp_error *err)
{
    struct onramp_secret *text = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && optional && (errno == ENOENT || errno == ENOTDIR))
        return ONRAMP_OK;
    if (fd < 0)
        return onramp_fail(err, ONRAMP_EUSAGE, "cannot read '%s': %s", path, strerror(errno));

    enum onramp_status st = onramp_secret_new(&text, DOTENV_FILE_MAX + 1, err);
    if (st != ONRAMP_OK)
        goto out;
    ssize_t size = read_all(fd, text->text, DOTENV_FILE_MAX + 1);
    if (size < 0)
        st = onramp_fail(err, ONRAMP_EUSAGE, "cannot read '%s': %s", path, strerror(errno));
    else if ((size_t)size > DOTENV_FILE_MAX)
        st = onramp_fail(err, ONRAMP_EUSAGE, "'%s' is larger than %zu KiB", path, DOTENV_FILE_MAX / 1024);
    else if (memchr(text->text, '\0', (size_t)size) != NULL)
        st = onramp_fail(err, ONRAMP_EUSAGE, "'%s' is not text: it holds a NUL byte", path);
    if (st != ONRAMP_OK)
        goto out;

    text->size = (size_t)size;
    *out = text;
    text = NULL;
out:
    onramp_secret_free(text);
    (void)close(fd);
    return st;
}
