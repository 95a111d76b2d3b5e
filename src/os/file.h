/* file.h: files and folders with explicit durability.
 *
 * Nothing is durable before file_sync() (content) and dir_sync() (names) have returned. Calls
 * block; from a fiber, run syncs and large transfers through worker_run(). ENOSPC and EDQUOT are
 * ERR_NO_SPACE, a missing file ERR_NOT_FOUND, everything else ERR_IO (logged here, once).
 */
#ifndef OS_FILE_H
#define OS_FILE_H

#include "base/arena.h"
#include "base/bytes.h"

#define PATH_BYTES_MAX 4096

struct file;

enum file_mode {
    FILE_READ,
    FILE_WRITE,      /* must exist */
    FILE_CREATE,     /* created if absent, kept if there */
    FILE_CREATE_NEW, /* ERR_EXISTS if there */
};

/* path_join: "dir/name" into out; asserts that it fits PATH_BYTES_MAX. */
void path_join(char out[PATH_BYTES_MAX], const char *dir, const char *name);
/* path_parent: the folder that holds `path` (not empty): "/a" of "/a/b/", "." of "a". */
void path_parent(char out[PATH_BYTES_MAX], const char *path);

/* file_open: permissions 0600 for new files. */
err file_open(const char *path, enum file_mode mode, struct file **ret_file);
void file_close(struct file *file);
/* file_read_at: exactly len bytes; ERR_MALFORMED if the file ends before. */
err file_read_at(struct file *file, u64 offset, void *out, size_t len);
/* file_read_some: up to len bytes, 0 at the end. */
err file_read_some(struct file *file, u64 offset, void *out, size_t len, size_t *ret_len);
err file_write_at(struct file *file, u64 offset, bytes in);
/* file_sync: after a fault nobody knows what is on the disk; trying again proves nothing. */
err file_sync(struct file *file);
err file_truncate(struct file *file, u64 size);
err file_size(struct file *file, u64 *ret_size);
/* file_allocated: bytes that the file system has really given to it. */
err file_allocated(struct file *file, u64 *ret_bytes);
/* file_lock: an exclusive lock for the life of `file`; ERR_BUSY if another process has it. */
err file_lock(struct file *file);

/* file_load: a whole file of at most arena-limit bytes. */
err file_load(const char *path, struct arena *arena, bytes *ret_content);
/* file_replace: content appears whole or not at all, durably (temporary, sync, rename, dir sync).
 * The temporary is path with ".tmp" behind it: one replacer of a path at a time. */
err file_replace(const char *path, bytes content);
err file_remove(const char *path);
err file_rename(const char *from, const char *to);
bool file_exists(const char *path);

/* dir_make: with parents, permissions 0700; durable. No fault if it is there. */
err dir_make(const char *path);
err dir_sync(const char *path);
/* dir_remove_all: a folder and all below it (links are not followed); no fault if absent. */
err dir_remove_all(const char *root);
/* dir_each: calls fn for each entry but "." and "..", in byte order of the names; stops at a fault.
 */
err dir_each(const char *path, err (*fn)(void *ctx, const char *name), void *ctx);
/* dir_space: free and total bytes of the file system that holds path. */
err dir_space(const char *path, u64 *ret_free, u64 *ret_total);

#endif
