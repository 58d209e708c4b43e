/*
 * ledger_disk.h - the file system, as the ledger needs it.
 */
#ifndef ONRAMP_IO_LEDGER_DISK_H
#define ONRAMP_IO_LEDGER_DISK_H

#include "onramp/ledger.h"

extern const struct onramp_disk onramp_real_disk;

/* Open `path` without waiting for anybody: for appending, created with mode 0600, or only for reading.
 * The descriptor, or -1 with *errnum set.. */
int onramp_disk_open(const char *path, bool writing, int *errnum);

/* 0, or an errno: EWOULDBLOCK if another holds the lock. */
int onramp_disk_lock(int fd);

/* Does `path` still lead to the file of `fd`? */
bool onramp_disk_is_at(int fd, const char *path);

/* Do both paths lead to one file? False if either leads nowhere. */
bool onramp_disk_same(const char *a, const char *b);

/* Take reading and writing by others from the file. False if that cannot be done. */
bool onramp_disk_close_to_others(int fd);

/* Make the entry of `path` in its directory durable. 0 or an errno. */
int onramp_disk_sync_entry(const struct onramp_disk *disk, const char *path);

#endif
