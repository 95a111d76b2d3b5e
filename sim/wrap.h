/* wrap.h: the calls that the linker redirects to disk.c (-Wl,--wrap). __real_X is the C library's.
 */
#ifndef SIM_WRAP_H
#define SIM_WRAP_H

#include <dirent.h>
#include <pthread.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#define WRAP(type, name, ...)                                                                      \
    type __real_##name(__VA_ARGS__);                                                               \
    type __wrap_##name(__VA_ARGS__)

WRAP(int, open, const char *path, int flags, ...);
WRAP(int, close, int fd);
WRAP(int, closedir, DIR *dir);
WRAP(ssize_t, pwrite, int fd, const void *data, size_t len, off_t offset);
WRAP(ssize_t, write, int fd, const void *data, size_t len);
WRAP(ssize_t, writev, int fd, const struct iovec *parts, int count);
WRAP(int, ftruncate, int fd, off_t size);
WRAP(int, fsync, int fd);
WRAP(int, fdatasync, int fd);
WRAP(int, msync, void *address, size_t len, int flags);
WRAP(int, rename, const char *from, const char *to);
WRAP(int, unlink, const char *path);
WRAP(int, mkdir, const char *path, mode_t mode);
WRAP(int, rmdir, const char *path);
WRAP(int, statvfs, const char *path, struct statvfs *out);
WRAP(void *, mmap, void *address, size_t len, int protection, int flags, int fd, off_t offset);
WRAP(int, munmap, void *address, size_t len);
WRAP(int, pthread_mutex_lock, pthread_mutex_t *mutex);
WRAP(int, pthread_mutex_unlock, pthread_mutex_t *mutex);

#endif
