/*
 * console.c - talk on standard error.
 */
#include "console.h"

#include "progress.h"

#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define REDRAW_EVERY (ONRAMP_SECOND / 10)
#define PLAIN_EVERY  (5 * ONRAMP_SECOND)
#define TALK_MAX     1024
#define WIPE         "\r\x1b[K" /* back to the first column, erase to the end of the line */

onramp_time console_now(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail: POSIX.1-2008 systems of today all have it */
    return (onramp_time)now.tv_sec * ONRAMP_SECOND + now.tv_nsec;
}

/* One write, so that lines of two processes do not mix. Nobody to tell if standard error is gone. */
static void put(const char *text)
{
    ssize_t written = write(STDERR_FILENO, text, strlen(text));
    (void)written;
}

/* What a user or a tenant wrote must not move the cursor or begin another line. */
static void clean(char *out, size_t size, const char *text)
{
    size_t at = 0;
    for (; *text != '\0' && at + 1 < size; text++)
        out[at++] = (unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text;
    out[at] = '\0';
}

void console_error(const char *text)
{
    char safe[TALK_MAX], line[TALK_MAX + 16];
    clean(safe, sizeof safe, text);
    (void)snprintf(line, sizeof line, "onramp: %s\n", safe);
    put(line);
}

void console_begin(struct console *console, const struct console_settings *settings)
{
    const char *term = getenv("TERM");
    *console = (struct console){.level = settings->quiet ? ONRAMP_LOG_ERROR : settings->level,
                                .progress = !settings->quiet && !settings->no_progress,
                                .json = settings->json};
    console->terminal = !console->json && isatty(STDERR_FILENO) == 1 && term != NULL && strcmp(term, "dumb") != 0;
}

void console_end(struct console *console)
{
    if (console->drawn)
        put(WIPE);
    console->drawn = false;
}

static const char *level_name(enum onramp_level level)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};
    return names[level];
}

/* Takes `object`. */
static void put_json(json_t *object, const char *level)
{
    struct timespec now;
    struct tm utc;
    char at[32] = "";
    if (clock_gettime(CLOCK_REALTIME, &now) == 0 && gmtime_r(&now.tv_sec, &utc) != NULL)
        (void)strftime(at, sizeof at, "%Y-%m-%dT%H:%M:%SZ", &utc);
    char *text = NULL;
    if (object != NULL && json_object_set_new(object, "at", json_string(at)) == 0 &&
        json_object_set_new(object, "level", json_string(level)) == 0)
        text = json_dumps(object, JSON_COMPACT);
    char *line = text != NULL ? malloc(strlen(text) + 2) : NULL;
    if (line != NULL) {
        memcpy(line, text, strlen(text));
        memcpy(line + strlen(text), "\n", 2);
        put(line);
    }
    free(line);
    free(text);
    json_decref(object);
}

void console_log(struct console *console, enum onramp_level level, const char *text)
{
    if (level > console->level)
        return;
    char safe[TALK_MAX], line[TALK_MAX + 32];
    clean(safe, sizeof safe, text);
    if (console->json) {
        json_t *object = json_pack("{s:s}", "message", safe);
        if (object == NULL) { /* not UTF-8: a name of a file, or a character cut in two */
            for (char *c = safe; *c != '\0'; c++)
                *c = (unsigned char)*c >= 0x80 ? '?' : *c;
            object = json_pack("{s:s}", "message", safe);
        }
        put_json(object, level_name(level));
        return;
    }
    const char *mark = level == ONRAMP_LOG_ERROR ? "" : level == ONRAMP_LOG_WARN ? "warning: " : "";
    (void)snprintf(line, sizeof line, "%sonramp: %s%s\n", console->drawn ? WIPE : "", mark, safe);
    put(line);
    console->drawn = false;
    console->begun = console->begun && !console->terminal; /* the progress line comes back at once */
}

bool console_ask(const struct console *console, const char *question, int wake_fd)
{
    char line[TALK_MAX], answer[64];
    if (console->json || isatty(STDIN_FILENO) != 1 || isatty(STDERR_FILENO) != 1)
        return false;
    (void)snprintf(line, sizeof line, "onramp: %s ", question);
    put(line);
    struct pollfd fds[] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = wake_fd, .events = POLLIN}};
    while (poll(fds, 2, -1) < 0 && errno == EINTR)
        continue;
    if (fds[1].revents != 0) {
        put("\n"); /* nobody has ended the line */
        return false;
    }
    ssize_t size = (fds[0].revents & POLLIN) != 0 ? read(STDIN_FILENO, answer, sizeof answer) : 0;
    return (size == 2 && strncasecmp(answer, "y\n", 2) == 0) || (size == 4 && strncasecmp(answer, "yes\n", 4) == 0);
}

static unsigned width_of_terminal(void)
{
    struct winsize size;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    return 80;
}

static void put_progress_json(const struct onramp_progress *p)
{
    json_t *object = json_pack("{s:s, s:I, s:I, s:I}", "message", "progress", "settled", (json_int_t)p->settled,
                               "records", (json_int_t)p->records, "in_flight", (json_int_t)p->pacer.in_flight);
    if (object != NULL && p->stage != NULL)
        (void)json_object_set_new(object, "stage", json_string(p->stage)); /* or left out, as the next */
    if (object != NULL && p->remaining != ONRAMP_NEVER)
        (void)json_object_set_new(object, "seconds_left", json_real((double)p->remaining / (double)ONRAMP_SECOND));
    put_json(object, level_name(ONRAMP_LOG_INFO));
}

void console_progress(struct console *console, const struct onramp_progress *progress, onramp_time now)
{
    onramp_span every = console->terminal ? REDRAW_EVERY : PLAIN_EVERY;
    if (!console->progress)
        return;
    if (!console->begun && !console->terminal) { /* the first plain line comes after five seconds */
        console->begun = true;
        console->drawn_at = now;
        return;
    }
    if (console->begun && now - console->drawn_at < every)
        return;
    console->begun = true;
    console->drawn_at = now;

    char text[512], safe[512], line[TALK_MAX];
    if (console->json) {
        put_progress_json(progress);
    } else if (console->terminal) {
        progress_live(text, sizeof text, progress, width_of_terminal());
        clean(safe, sizeof safe, text);
        (void)snprintf(line, sizeof line, WIPE "%s", safe);
        put(line);
        console->drawn = true;
    } else {
        progress_plain(text, sizeof text, progress);
        clean(safe, sizeof safe, text);
        (void)snprintf(line, sizeof line, "onramp: %s\n", safe);
        put(line);
    }
}
