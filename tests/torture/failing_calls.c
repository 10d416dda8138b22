/* Makes system calls fail on files below one folder: a disk that returns EIO, one that locks nothing.

   FAIL_BELOW  the folder; FAIL_CALLS  which calls, such as "write fsync"; FAIL_AT  the how manieth of them in a process
   is the first to fail (from 1); FAIL_ERRNO  with what. From that one on every one fails, as on a disk that has died.
   Programs that are linked statically, such as ffmpeg, are not reached. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

static atomic_long seen;

static int is_below(const char *path) {
    const char *below = getenv("FAIL_BELOW");
    return below && path && strncmp(path, below, strlen(below)) == 0;
}

static int fails(const char *call, const char *path) {
    const char *calls = getenv("FAIL_CALLS"), *at = getenv("FAIL_AT"), *number = getenv("FAIL_ERRNO");
    if (!calls || !at || !number || !is_below(path)) return 0;
    const char *found = strstr(calls, call);
    if (!found || atomic_fetch_add(&seen, 1) + 1 < atol(at)) return 0;
    errno = atoi(number);
    return 1;
}

static int fails_at(const char *call, int descriptor) {
    char link[64], path[PATH_MAX];
    int before = errno;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    errno = before;
    if (length < 0) return 0;
    path[length] = 0;
    return fails(call, path);
}

#define REAL(result, name, ...) ((result (*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name))

#define ON_DESCRIPTOR(result, name, call, parameters, arguments, ...)    \
    result name parameters {                                             \
        if (fails_at(call, descriptor)) return -1;                       \
        return REAL(result, name, __VA_ARGS__) arguments;                \
    }

ON_DESCRIPTOR(ssize_t, write, "write", (int descriptor, const void *data, size_t size), (descriptor, data, size),
              int, const void *, size_t)
ON_DESCRIPTOR(ssize_t, pwrite, "write", (int descriptor, const void *data, size_t size, off_t at),
              (descriptor, data, size, at), int, const void *, size_t, off_t)
ON_DESCRIPTOR(ssize_t, pwrite64, "write", (int descriptor, const void *data, size_t size, off64_t at),
              (descriptor, data, size, at), int, const void *, size_t, off64_t)
ON_DESCRIPTOR(ssize_t, read, "read", (int descriptor, void *data, size_t size), (descriptor, data, size), int, void *,
              size_t)
ON_DESCRIPTOR(int, fsync, "fsync", (int descriptor), (descriptor), int)
ON_DESCRIPTOR(int, ftruncate, "truncate", (int descriptor, off_t size), (descriptor, size), int, off_t)
ON_DESCRIPTOR(int, ftruncate64, "truncate", (int descriptor, off64_t size), (descriptor, size), int, off64_t)
ON_DESCRIPTOR(int, flock, "flock", (int descriptor, int operation), (descriptor, operation), int, int)

#define OPENING(name)                                                               \
    int name(const char *path, int flags, ...) {                                    \
        va_list rest;                                                               \
        va_start(rest, flags);                                                      \
        mode_t mode = va_arg(rest, mode_t);                                         \
        va_end(rest);                                                               \
        if ((flags & O_CREAT) && fails("create", path)) return -1;                  \
        return REAL(int, name, const char *, int, ...)(path, flags, mode);          \
    }

OPENING(open)
OPENING(open64)

int rename(const char *from, const char *to) {
    return fails("rename", to) ? -1 : REAL(int, rename, const char *, const char *)(from, to);
}

int mkdir(const char *path, mode_t mode) {
    return fails("mkdir", path) ? -1 : REAL(int, mkdir, const char *, mode_t)(path, mode);
}

int unlink(const char *path) {
    return fails("unlink", path) ? -1 : REAL(int, unlink, const char *)(path);
}
