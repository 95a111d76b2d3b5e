#include "os/file.h"

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define FILE_MODE 0600
#define DIR_MODE 0700
/* The kernel moves at most 2 GiB less a page in one call. */
#define TRANSFER_BYTES_MAX GIB(1)

struct file {
    int fd;
    char *path; /* for the log */
};

/* Says once what went wrong, and turns errno into a fault. */
static err file_fault(const char *what, const char *path)
{
    int fault = errno;
    switch (fault) {
    case ENOENT:
    case ENOTDIR:
        return fail(ERR_NOT_FOUND);
    case EEXIST:
        return fail(ERR_EXISTS);
    case ENOSPC:
    case EDQUOT:
        log_warn("os", "cannot %s %s: no space left", what, path);
        return fail(ERR_NO_SPACE);
    default:
        log_error("os", "cannot %s %s: %s", what, path, strerror(fault));
        return fail(ERR_IO);
    }
}

void path_join(char out[PATH_BYTES_MAX], const char *dir, const char *name)
{
    size_t dir_len = strlen(dir);
    bool slash = dir_len > 0 && dir[dir_len - 1] == '/';
    int len = snprintf(out, PATH_BYTES_MAX, slash ? "%s%s" : "%s/%s", dir, name);
    assert_that(len >= 0 && len < PATH_BYTES_MAX);
}

static int open_flags(enum file_mode mode)
{
    switch (mode) {
    case FILE_READ:
        return O_RDONLY;
    case FILE_WRITE:
        return O_RDWR;
    case FILE_CREATE:
        return O_RDWR | O_CREAT;
    case FILE_CREATE_NEW:
        return O_RDWR | O_CREAT | O_EXCL;
    }
    unreachable_case();
}

static int open_path(const char *path, int flags)
{
    int fd;
    do {
        fd = open(path, flags | O_CLOEXEC, FILE_MODE);
    } while (fd < 0 && errno == EINTR);
    return fd;
}

static struct file *file_new(const char *path, int fd)
{
    struct file *file = MEM_NEW(struct file);
    *file = (struct file){.fd = fd, .path = mem_strdup(path)};
    return file;
}

err file_open(const char *path, enum file_mode mode, struct file **ret_file)
{
    int fd = open_path(path, open_flags(mode));
    if (fd < 0) {
        return file_fault("open", path);
    }
    *ret_file = file_new(path, fd);
    return ok();
}

void file_close(struct file *file)
{
    if (file == NULL) {
        return;
    }
    close(file->fd); /* what matters was told by file_sync() */
    mem_free(file->path);
    mem_free(file);
}

err file_read_some(struct file *file, u64 offset, void *out, size_t len, size_t *ret_len)
{
    size_t done = 0;
    while (done < len) {
        size_t want = min_size(len - done, TRANSFER_BYTES_MAX);
        ssize_t n = pread(file->fd, (u8 *)out + done, want, (off_t)(offset + done));
        if (n == 0) {
            break;
        }
        if (n < 0 && errno != EINTR) {
            return file_fault("read", file->path);
        }
        done += n > 0 ? (size_t)n : 0;
    }
    *ret_len = done;
    return ok();
}

err file_read_at(struct file *file, u64 offset, void *out, size_t len)
{
    size_t got;
    TRY(file_read_some(file, offset, out, len, &got));
    return got == len ? ok() : fail(ERR_MALFORMED);
}

err file_write_at(struct file *file, u64 offset, bytes in)
{
    for (size_t done = 0; done < in.len;) {
        size_t want = min_size(in.len - done, TRANSFER_BYTES_MAX);
        ssize_t n = pwrite(file->fd, in.data + done, want, (off_t)(offset + done));
        if (n < 0 && errno != EINTR) {
            return file_fault("write", file->path);
        }
        done += n > 0 ? (size_t)n : 0;
    }
    return ok();
}

err file_sync(struct file *file)
{
    return fdatasync(file->fd) == 0 ? ok() : file_fault("sync", file->path);
}

err file_truncate(struct file *file, u64 size)
{
    return ftruncate(file->fd, (off_t)size) == 0 ? ok() : file_fault("truncate", file->path);
}

static err file_stat(const struct file *file, struct stat *ret)
{
    return fstat(file->fd, ret) == 0 ? ok() : file_fault("stat", file->path);
}

err file_size(struct file *file, u64 *ret_size)
{
    struct stat st;
    TRY(file_stat(file, &st));
    *ret_size = (u64)st.st_size;
    return ok();
}

err file_allocated(struct file *file, u64 *ret_bytes)
{
    struct stat st;
    TRY(file_stat(file, &st));
    *ret_bytes = (u64)st.st_blocks * 512;
    return ok();
}

err file_lock(struct file *file)
{
    int r;
    do {
        r = flock(file->fd, LOCK_EX | LOCK_NB);
    } while (r != 0 && errno == EINTR);
    if (r != 0 && errno == EWOULDBLOCK) {
        return fail(ERR_BUSY);
    }
    return r == 0 ? ok() : file_fault("lock", file->path);
}

static err load_all(struct file *file, struct arena *arena, bytes *ret_content)
{
    u64 size;
    size_t got;
    TRY(file_size(file, &size));
    if (size > arena->limit_bytes) {
        return fail(ERR_LIMIT);
    }
    u8 *data = arena_alloc(arena, max_size(1, (size_t)size));
    if (data == NULL) {
        return fail(ERR_LIMIT);
    }
    TRY(file_read_some(file, 0, data, (size_t)size, &got)); /* it may have shrunk meanwhile */
    *ret_content = bytes_make(data, got);
    return ok();
}

err file_load(const char *path, struct arena *arena, bytes *ret_content)
{
    struct file *file;
    TRY(file_open(path, FILE_READ, &file));
    err e = load_all(file, arena, ret_content);
    file_close(file);
    return e;
}

void path_parent(char out[PATH_BYTES_MAX], const char *path)
{
    size_t len = strlen(path);
    assert_that(len > 0 && len < PATH_BYTES_MAX);
    while (len > 1 && path[len - 1] == '/') {
        len--;
    }
    while (len > 0 && path[len - 1] != '/') {
        len--;
    }
    while (len > 1 && path[len - 1] == '/') {
        len--;
    }
    snprintf(out, PATH_BYTES_MAX, "%.*s", (int)(len == 0 ? 1 : len), len == 0 ? "." : path);
}

static err write_new(const char *path, bytes content)
{
    int fd = open_path(path, O_WRONLY | O_CREAT | O_TRUNC);
    if (fd < 0) {
        return file_fault("create", path);
    }
    struct file *file = file_new(path, fd);
    err e = file_write_at(file, 0, content);
    if (is_ok(e)) {
        e = file_sync(file);
    }
    file_close(file);
    return e;
}

err file_replace(const char *path, bytes content)
{
    char temporary[PATH_BYTES_MAX];
    char parent[PATH_BYTES_MAX];
    int len = snprintf(temporary, sizeof temporary, "%s.tmp", path);
    assert_that(len >= 0 && len < PATH_BYTES_MAX);
    path_parent(parent, path);
    err e = write_new(temporary, content);
    if (is_ok(e)) {
        e = file_rename(temporary, path);
    }
    if (!is_ok(e)) {
        (void)unlink(temporary);
        return e;
    }
    return dir_sync(parent);
}

err file_remove(const char *path) { return unlink(path) == 0 ? ok() : file_fault("remove", path); }

err file_rename(const char *from, const char *to)
{
    return rename(from, to) == 0 ? ok() : file_fault("rename", from);
}

bool file_exists(const char *path)
{
    int fd = open_path(path, O_PATH);
    if (fd < 0) {
        return false;
    }
    close(fd);
    return true;
}

/* The name of a folder that is there already may have been left undurable by who made it and was
 * killed. Folders above ours may be closed to us: then there is nothing to be done about it. */
static void sync_parent_if_allowed(const char *path)
{
    char parent[PATH_BYTES_MAX];
    path_parent(parent, path);
    int fd = open_path(parent, O_RDONLY | O_DIRECTORY);
    if (fd >= 0) {
        (void)fsync(fd);
        close(fd);
    }
}

static err check_is_dir(const char *path)
{
    int fd = open_path(path, O_PATH | O_DIRECTORY);
    if (fd < 0) {
        log_error("os", "%s is there and is no folder", path);
        return fail(ERR_IO);
    }
    close(fd);
    sync_parent_if_allowed(path);
    return ok();
}

/* What is synced inside a folder is worth nothing without the folder's own name. */
static err make_one(const char *path)
{
    char parent[PATH_BYTES_MAX];
    if (mkdir(path, DIR_MODE) != 0) {
        return errno == EEXIST ? check_is_dir(path) : file_fault("make the folder", path);
    }
    path_parent(parent, path);
    err e = dir_sync(parent);
    if (!is_ok(e)) {
        (void)rmdir(path); /* whoever finds it would take it for durable */
    }
    return e;
}

err dir_make(const char *path)
{
    char part[PATH_BYTES_MAX];
    size_t len = strlen(path);
    assert_that(len > 0 && len < PATH_BYTES_MAX);
    for (size_t i = 1; i < len; i++) {
        if (path[i] == '/' && path[i - 1] != '/') {
            memcpy(part, path, i);
            part[i] = 0;
            TRY(make_one(part));
        }
    }
    return make_one(path);
}

err dir_sync(const char *path)
{
    int fd = open_path(path, O_RDONLY | O_DIRECTORY);
    if (fd < 0) {
        return file_fault("open", path);
    }
    err e = fsync(fd) == 0 ? ok() : file_fault("sync", path);
    close(fd);
    return e;
}

static bool is_dot(const char *name) { return strcmp(name, ".") == 0 || strcmp(name, "..") == 0; }

/* The next entry that is not a dot, or NULL at the end and for faults (with errno). */
static const char *next_name(DIR *dir)
{
    struct dirent *entry;
    do {
        errno = 0;
        entry = readdir(dir);
    } while (entry != NULL && is_dot(entry->d_name));
    return entry == NULL ? NULL : entry->d_name;
}

static DIR *open_dir(const char *path)
{
    int fd = open_path(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (dir == NULL && fd >= 0) {
        close(fd);
    }
    return dir;
}

/* Removes the entries of a folder that are not folders. `path` grows by the first one that is, and
 * *ret_deeper is set. */
static err empty_dir(DIR *dir, char path[PATH_BYTES_MAX], bool *ret_deeper)
{
    char entry[PATH_BYTES_MAX];
    const char *name;
    while ((name = next_name(dir)) != NULL) {
        if (strlen(path) + 1 + strlen(name) >= PATH_BYTES_MAX) {
            return fail(ERR_LIMIT);
        }
        path_join(entry, path, name);
        if (unlink(entry) == 0 || errno == ENOENT) {
            continue;
        }
        if (errno != EISDIR && errno != EPERM) { /* EPERM is what POSIX says for folders */
            return file_fault("remove", entry);
        }
        memcpy(path, entry, sizeof entry);
        *ret_deeper = true;
        return ok();
    }
    return errno == 0 ? ok() : file_fault("read", path);
}

/* One step down or up: empties the folder at `path`, or goes to a folder in it. */
static err remove_step(char path[PATH_BYTES_MAX], bool *ret_deeper)
{
    DIR *dir = open_dir(path);
    if (dir == NULL) {
        return file_fault("open", path);
    }
    err e = empty_dir(dir, path, ret_deeper);
    closedir(dir);
    return e;
}

err dir_remove_all(const char *root)
{
    char path[PATH_BYTES_MAX];
    char parent[PATH_BYTES_MAX];
    assert_that(strlen(root) < PATH_BYTES_MAX);
    snprintf(path, sizeof path, "%s", root);
    if (!file_exists(root)) {
        return ok();
    }
    for (;;) {
        bool deeper = false;
        TRY(remove_step(path, &deeper));
        if (deeper) {
            continue;
        }
        if (rmdir(path) != 0) {
            return file_fault("remove", path);
        }
        if (strcmp(path, root) == 0) {
            return ok();
        }
        path_parent(parent, path);
        memcpy(path, parent, sizeof parent);
    }
}

struct names {
    char **items;
    size_t count;
    size_t cap;
};

static void names_free(struct names *names)
{
    for (size_t i = 0; i < names->count; i++) {
        mem_free(names->items[i]);
    }
    mem_free(names->items);
}

static err names_read(struct names *names, const char *path)
{
    DIR *dir = open_dir(path);
    if (dir == NULL) {
        return file_fault("open", path);
    }
    const char *name;
    while ((name = next_name(dir)) != NULL) {
        if (names->count == names->cap) {
            names->cap = max_size(64, names->cap * 2);
            names->items = mem_resize(names->items, names->cap * sizeof(char *));
        }
        names->items[names->count++] = mem_strdup(name);
    }
    err e = errno == 0 ? ok() : file_fault("read", path);
    closedir(dir);
    return e;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

err dir_each(const char *path, err (*fn)(void *ctx, const char *name), void *ctx)
{
    struct names names = {0};
    err e = names_read(&names, path);
    if (is_ok(e) && names.count > 0) {
        qsort(names.items, names.count, sizeof(char *), compare_names);
    }
    for (size_t i = 0; is_ok(e) && i < names.count; i++) {
        e = fn(ctx, names.items[i]);
    }
    names_free(&names);
    return e;
}

err dir_space(const char *path, u64 *ret_free, u64 *ret_total)
{
    struct statvfs st;
    if (statvfs(path, &st) != 0) {
        return file_fault("ask for the space of", path);
    }
    *ret_free = (u64)st.f_bavail * st.f_frsize;
    *ret_total = (u64)st.f_blocks * st.f_frsize;
    return ok();
}
