/*
 * ledger_disk.c - the system calls under the ledger.
 */
#define _XOPEN_SOURCE 700 /* realpath is of the X/Open part of POSIX */

#include "io/ledger_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static int append(void *self, int fd, const char *bytes, size_t size)
{
    (void)self;
    while (size > 0) {
        ssize_t wrote = write(fd, bytes, size);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0)
            return errno;
        bytes += wrote;
        size -= (size_t)wrote;
    }
    return 0;
}

static int sync_once(int fd, bool is_directory)
{
#ifdef F_FULLFSYNC
    (void)is_directory;
    /* On macOS fsync leaves the data in the drive's cache. Some file systems know no F_FULLFSYNC. */
    if (fcntl(fd, F_FULLFSYNC) == 0)
        return 0;
    return fsync(fd);
#else
    /* fdatasync of a directory may leave out a new entry that did not change its size. */
    return is_directory ? fsync(fd) : fdatasync(fd);
#endif
}

static int sync_fd(void *self, int fd)
{
    (void)self;
    struct stat st;
    if (fstat(fd, &st) != 0)
        return errno;
    bool is_directory = S_ISDIR(st.st_mode);
    while (sync_once(fd, is_directory) != 0) {
        if (is_directory && errno == EINVAL)
            return 0; /* this file system has no such thing */
        if (errno != EINTR)
            return errno;
    }
    return 0;
}

const struct onramp_disk onramp_real_disk = {.append = append, .sync = sync_fd};

int onramp_disk_open(const char *path, bool writing, int *errnum)
{
    int how = writing ? O_RDWR | O_APPEND | O_CREAT : O_RDONLY;
    int fd;
    do {
        fd = open(path, how | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, S_IRUSR | S_IWUSR);
    } while (fd < 0 && errno == EINTR);
    *errnum = errno;
    return fd;
}

int onramp_disk_lock(int fd)
{
    while (flock(fd, LOCK_EX | LOCK_NB) != 0)
        if (errno != EINTR)
            return errno;
    return 0;
}

bool onramp_disk_is_at(int fd, const char *path)
{
    struct stat ours, there;
    return fstat(fd, &ours) == 0 && stat(path, &there) == 0 && ours.st_dev == there.st_dev &&
           ours.st_ino == there.st_ino;
}

bool onramp_disk_same(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

bool onramp_disk_close_to_others(int fd)
{
    struct stat st;
    const mode_t own = S_IRUSR | S_IWUSR;
    if (fstat(fd, &st) != 0)
        return false;
    if ((st.st_mode & (S_IRWXG | S_IRWXO)) == 0 && (st.st_mode & own) == own)
        return true;
    /* A file system without modes may accept the call and do nothing. */
    return fchmod(fd, own) == 0 && fstat(fd, &st) == 0 && (st.st_mode & (S_IRWXG | S_IRWXO)) == 0;
}

int onramp_disk_sync_entry(const struct onramp_disk *disk, const char *path)
{
    char *real = realpath(path, NULL); /* behind a symbolic link lies another directory */
    if (real == NULL)
        return errno;
    char *slash = strrchr(real, '/');
    slash[slash == real ? 1 : 0] = '\0'; /* "/" keeps its slash */
    int fd = open(real, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int failed = fd < 0 ? errno : disk->sync(disk->self, fd);
    if (fd >= 0)
        (void)close(fd);
    free(real);
    return failed;
}
