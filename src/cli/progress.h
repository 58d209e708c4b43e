/*
 * progress.h - where a run stands, in words. Pure: text out.
 */
#ifndef ONRAMP_CLI_PROGRESS_H
#define ONRAMP_CLI_PROGRESS_H

#include <onramp/upload.h>

/*
 * For a terminal of `width` columns: never wider than that less one, since writing the last column wraps on some.
 * What matters less is left out first: "123/300 created  16.0/s  bucket 12/50  8 in flight  0:11 left  waits 0.3 s".
 */
void progress_live(char *out, size_t size, const struct onramp_progress *progress, unsigned width);

/* The same for a log: everything, whatever the width. */
void progress_plain(char *out, size_t size, const struct onramp_progress *progress);

/* "0:11", "1:02:03"; "?" for ONRAMP_NEVER. */
void progress_clock(char *out, size_t size, onramp_span span);

#endif
