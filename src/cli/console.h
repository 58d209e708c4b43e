/*
 * console.h - talk on standard error: log lines, and progress that stays out of their way.
 *
 * On a terminal progress is one line, redrawn in place at most ten times a second. Elsewhere it is a plain line
 * every five seconds. With --log-json everything is one JSON object a line.
 */
#ifndef ONRAMP_CLI_CONSOLE_H
#define ONRAMP_CLI_CONSOLE_H

#include <onramp/upload.h>

struct console {
    enum onramp_level level; /* what is less urgent is not told */
    bool progress, json;
    bool terminal;
    bool drawn; /* the line at the cursor is ours to wipe */
    bool begun; /* drawn_at means something */
    onramp_time drawn_at;
};

struct console_settings {
    enum onramp_level level;
    bool quiet, no_progress, json;
};

void console_begin(struct console *console, const struct console_settings *settings);
void console_log(struct console *console, enum onramp_level level, const char *line);
void console_progress(struct console *console, const struct onramp_progress *progress, onramp_time now);
void console_end(struct console *console); /* wipes the progress line */

/*
 * A question for the person at the terminal; true only for "y" or "yes". False where nobody can be asked, and once
 * `wake_fd` becomes readable. Asked even when quiet.
 */
bool console_ask(const struct console *console, const char *question, int wake_fd);

/* "onramp: …" on standard error, for errors before there is a console. Control characters become '?'. */
void console_error(const char *text);

onramp_time console_now(void); /* the monotonic clock: when to redraw */

#endif
