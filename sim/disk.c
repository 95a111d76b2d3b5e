/* disk.c: what a power cut leaves of what was not synced.
 *
 * The calls that change a disk are wrapped at link time (cmake/modules.cmake), LMDB's included.
 * Files really are in the host's folder, always as the kernel's page cache would have them; beside
 * them is noted how to take every unsynced change back:
 *
 *  - content: the former bytes of each 4 KiB block that was written since the last sync, and the
 *    former size. A sync forgets them; a write through O_DSYNC forgets its own range. At a power
 * cut each block is kept, lost, or torn at 512-byte sectors, and the size is one that it had or one
 *    between.
 *  - names: each change of a folder (file made, removed, renamed; folder made, removed) since that
 *    folder was synced. At a power cut a suffix of each folder's changes is undone. What was
 * removed waits in a graveyard until then. The sync of a file does not make its name durable.
 *
 * After a sync that failed the blocks of that moment stay at risk for ever unless written again, as
 * Linux has it. A process that is killed keeps everything that it wrote (a prefix of its last
 * write).
 */
#include "sim/sim.h"

#include "base/assert.h"
#include "os/file.h"
#include "sim/wrap.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#define BLOCK_BYTES 4096
#define SECTOR_BYTES 512
#define DESCRIPTORS_MAX 4096
#define DISK_BYTES GIB(64) /* what statvfs() says */
#define NAME_BYTES 512

/* A block that differs from what is durable. */
struct block {
    u64 number;
    u32 hash_next; /* index + 1 of the next in its chain */
    bool doomed;   /* a sync that should have written it failed */
    u8 before[BLOCK_BYTES];
};

struct disk_file {
    struct list node; /* in disk->files */
    ino_t inode;
    unsigned open_count;
    int shadow; /* a descriptor of our own */
    u64 durable_bytes;
    struct block *blocks;
    u32 block_count;
    u32 block_cap;
    u32 chains[256]; /* index + 1 */
};

enum name_change { NAME_MADE, NAME_REMOVED, NAME_RENAMED, NAME_DIR_MADE, NAME_DIR_REMOVED };

/* One change of a folder that is not durable. */
struct name_op {
    struct list node; /* in disk->ops, oldest first */
    enum name_change change;
    ino_t dir; /* the folder whose sync makes it durable */
    char path[NAME_BYTES];
    char former[NAME_BYTES]; /* of a rename: where it was */
    u64 grave;               /* 0: nothing was removed or replaced */
};

struct sim_disk {
    char dir[NAME_BYTES];
    struct list files;
    struct list ops;
    u64 graves;
    bool full;
};

struct descriptor {
    struct loop *process; /* NULL: not ours */
    struct disk_file *file;
    struct sim_disk *disk;
    bool is_durable; /* O_DSYNC */
};

struct mapping {
    struct list node;
    struct loop *process;
    void *address;
    size_t len;
};

static struct descriptor descriptors[DESCRIPTORS_MAX];
static struct list mappings = {&mappings, &mappings};

/* ---- blocks ---- */

static u32 *chain_of(struct disk_file *file, u64 number) { return &file->chains[number % 256]; }

static struct block *find_block(struct disk_file *file, u64 number)
{
    for (u32 i = *chain_of(file, number); i != 0; i = file->blocks[i - 1].hash_next) {
        if (file->blocks[i - 1].number == number) {
            return &file->blocks[i - 1];
        }
    }
    return NULL;
}

static size_t read_block(int fd, u64 number, u8 out[BLOCK_BYTES])
{
    memset(out, 0, BLOCK_BYTES);
    ssize_t n = pread(fd, out, BLOCK_BYTES, (off_t)(number * BLOCK_BYTES));
    assert_that(n >= 0);
    return (size_t)n;
}

/* Before a block is written: keeps what is durable of it. */
static void note_block(struct disk_file *file, u64 number)
{
    struct block *known = find_block(file, number);
    if (known != NULL) {
        known->doomed = false;
        return;
    }
    if (file->block_count == file->block_cap) {
        file->block_cap = file->block_cap ? 2 * file->block_cap : 8;
        file->blocks = realloc(file->blocks, file->block_cap * sizeof *file->blocks);
        assert_that(file->blocks != NULL);
    }
    struct block *block = &file->blocks[file->block_count++];
    *block = (struct block){.number = number, .hash_next = *chain_of(file, number)};
    *chain_of(file, number) = file->block_count;
    read_block(file->shadow, number, block->before);
}

static void forget_blocks(struct disk_file *file, bool also_doomed)
{
    u32 kept = 0;
    memset(file->chains, 0, sizeof file->chains);
    for (u32 i = 0; i < file->block_count; i++) {
        if (file->blocks[i].doomed && !also_doomed) {
            struct block *block = &file->blocks[kept];
            memmove(block, &file->blocks[i], sizeof *block);
            block->hash_next = *chain_of(file, block->number);
            *chain_of(file, block->number) = ++kept;
        }
    }
    file->block_count = kept;
}

static u64 size_of(const struct disk_file *file)
{
    struct stat st;
    assert_that(fstat(file->shadow, &st) == 0);
    return (u64)st.st_size;
}

static void forget_if_unused(struct disk_file *file)
{
    if (file->open_count != 0 || file->block_count != 0 || size_of(file) != file->durable_bytes) {
        return;
    }
    __real_close(file->shadow);
    list_remove(&file->node);
    free(file->blocks);
    free(file);
}

static void sync_file(struct disk_file *file)
{
    forget_blocks(file, false);
    file->durable_bytes = size_of(file);
}

/* A range that went through O_DSYNC. */
static void sync_range(struct disk_file *file, u64 offset, bytes in)
{
    file->durable_bytes = max_u64(file->durable_bytes, offset + in.len);
    for (u64 at = offset; at < offset + in.len;) {
        u64 in_block = at % BLOCK_BYTES;
        u64 len = min_u64(BLOCK_BYTES - in_block, offset + in.len - at);
        struct block *block = find_block(file, at / BLOCK_BYTES);
        if (block != NULL) {
            memcpy(block->before + in_block, in.data + (at - offset), len);
        }
        at += len;
    }
}

/* ---- a power cut: content ---- */

enum fate { FATE_MIXED, FATE_ALL_LOST, FATE_ALL_KEPT };

static void take_back(const struct disk_file *file, const struct block *block, unsigned sector)
{
    size_t at = sector * SECTOR_BYTES;
    ssize_t n = __real_pwrite(file->shadow, block->before + at, SECTOR_BYTES,
                              (off_t)(block->number * BLOCK_BYTES + at));
    assert_that(n == SECTOR_BYTES);
}

static void cut_block(const struct disk_file *file, const struct block *block, enum fate fate)
{
    u64 draw = sim_below(100);
    bool torn = fate == FATE_MIXED && draw < 20;
    bool lost = fate == FATE_ALL_LOST || block->doomed || (fate == FATE_MIXED && draw < 60);
    if (!torn && !lost) {
        return;
    }
    sim->torn_writes += torn;
    sim->lost_writes += !torn;
    u64 kept = torn ? prng_u64(&sim->prng) : 0;
    for (unsigned i = 0; i < BLOCK_BYTES / SECTOR_BYTES; i++) {
        if ((kept >> i & 1) == 0) {
            take_back(file, block, i);
        }
    }
}

static u64 cut_size(const struct disk_file *file, enum fate fate)
{
    u64 now = size_of(file);
    u64 before = file->durable_bytes;
    if (fate == FATE_ALL_LOST) {
        return before;
    }
    if (fate == FATE_ALL_KEPT || now == before) {
        return now;
    }
    if (now < before) {
        return sim_chance(1, 2) ? now : before;
    }
    return before + sim_below(now - before + 1);
}

static void cut_file(struct disk_file *file)
{
    enum fate fate = (enum fate)sim_below(3);
    u64 size = cut_size(file, fate);
    for (u32 i = 0; i < file->block_count; i++) {
        cut_block(file, &file->blocks[i], fate);
    }
    assert_that(__real_ftruncate(file->shadow, (off_t)size) == 0);
    sim_note(size);
    forget_blocks(file, true);
    file->durable_bytes = size;
}

/* ---- names ---- */

static ino_t inode_of(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0 ? st.st_ino : 0;
}

static ino_t parent_inode(const char *path)
{
    char parent[PATH_BYTES_MAX];
    path_parent(parent, path);
    return inode_of(parent);
}

static void grave_path(const struct sim_disk *disk, u64 grave, char out[NAME_BYTES])
{
    int len = snprintf(out, NAME_BYTES, "graves/%s.%llu", disk->dir, (unsigned long long)grave);
    assert_that(len > 0 && len < NAME_BYTES);
}

/* Whatever is at the path, if anything, goes to a new grave. */
static u64 bury(struct sim_disk *disk, const char *path)
{
    char grave[NAME_BYTES];
    grave_path(disk, disk->graves + 1, grave);
    return __real_rename(path, grave) == 0 ? ++disk->graves : 0;
}

/* Folders too, with all below; only for the simulator's own memory. */
static void remove_raw(const char *path)
{
    struct stat st;
    if (lstat(path, &st) != 0) {
        return;
    }
    if (!S_ISDIR(st.st_mode)) {
        assert_that(__real_unlink(path) == 0);
        return;
    }
    IGNORE(dir_remove_all(path)); /* asserted below */
    assert_that(inode_of(path) == 0);
}

static void note_name(struct sim_disk *disk, enum name_change change, const char *path,
                      const char *former, u64 grave)
{
    struct name_op *op = calloc(1, sizeof *op);
    assert_that(op != NULL && strlen(path) < NAME_BYTES && strlen(former) < NAME_BYTES);
    op->change = change;
    op->dir = parent_inode(path);
    op->grave = grave;
    snprintf(op->path, sizeof op->path, "%s", path);
    snprintf(op->former, sizeof op->former, "%s", former);
    list_push_back(&disk->ops, &op->node);
    sim_note((u64)change);
}

static void drop_op(const struct sim_disk *disk, struct name_op *op)
{
    char grave[NAME_BYTES];
    if (op->grave != 0) {
        grave_path(disk, op->grave, grave);
        remove_raw(grave);
    }
    list_remove(&op->node);
    free(op);
}

static void sync_dir(struct sim_disk *disk, ino_t dir)
{
    list_for_safe (node, &disk->ops) {
        struct name_op *op = list_entry(node, struct name_op, node);
        if (op->dir == dir) {
            drop_op(disk, op);
        }
    }
}

/* Best effort: what an earlier undoing took away is not there any more. */
static void undo(struct sim_disk *disk, const struct name_op *op)
{
    char grave[NAME_BYTES];
    grave_path(disk, op->grave, grave);
    switch (op->change) {
    case NAME_MADE:
    case NAME_DIR_MADE:
        (void)bury(disk, op->path);
        break;
    case NAME_DIR_REMOVED:
        (void)__real_mkdir(op->path, 0700);
        break;
    case NAME_RENAMED:
        (void)__real_rename(op->path, op->former);
        break;
    case NAME_REMOVED:
        break;
    }
    if (op->grave != 0) {
        (void)__real_rename(grave, op->path);
    }
}

/* How many of the folder's changes are still there. */
static size_t count_ops(const struct sim_disk *disk, ino_t dir)
{
    size_t count = 0;
    list_for (node, &disk->ops) {
        count += list_entry(node, struct name_op, node)->dir == dir;
    }
    return count;
}

/* Which folders' changes survive is drawn folder by folder, then undone from the newest on. */
static void cut_names(struct sim_disk *disk)
{
    while (!list_empty(&disk->ops)) {
        struct name_op *newest = list_entry(disk->ops.prev, struct name_op, node);
        ino_t dir = newest->dir;
        u64 lost = 0;
        if (!sim_chance(1, 3)) {
            lost = sim_below(count_ops(disk, dir) + 1);
        }
        for (struct list *node = disk->ops.prev, *before; node != &disk->ops; node = before) {
            struct name_op *op = list_entry(node, struct name_op, node);
            before = node->prev;
            if (op->dir != dir) {
                continue;
            }
            if (lost > 0) {
                lost--;
                sim->lost_writes++;
                undo(disk, op);
            }
            drop_op(disk, op);
        }
    }
}

/* ---- disks ---- */

struct sim_disk *sim_disk_new(const char *dir)
{
    struct sim_disk *disk = calloc(1, sizeof *disk);
    assert_that(disk != NULL);
    int len = snprintf(disk->dir, sizeof disk->dir, "%s", dir);
    assert_that(len > 0 && len < 64);
    list_init(&disk->files);
    list_init(&disk->ops);
    assert_that(__real_mkdir("graves", 0700) == 0 || errno == EEXIST);
    assert_that(__real_mkdir(dir, 0700) == 0);
    return disk;
}

/* All that is there is durable from now on. */
static void settle(struct sim_disk *disk)
{
    list_for_safe (node, &disk->ops) {
        drop_op(disk, list_entry(node, struct name_op, node));
    }
    list_for_safe (node, &disk->files) {
        struct disk_file *file = list_entry(node, struct disk_file, node);
        forget_blocks(file, true);
        file->durable_bytes = size_of(file);
        forget_if_unused(file);
    }
}

void sim_disk_free(struct sim_disk *disk)
{
    settle(disk);
    assert_that(list_empty(&disk->files));
    free(disk);
}

void sim_disk_power_cut(struct sim_disk *disk)
{
    list_for (node, &disk->files) {
        cut_file(list_entry(node, struct disk_file, node));
    }
    cut_names(disk);
    settle(disk);
}

void sim_disk_wipe(struct sim_disk *disk)
{
    settle(disk);
    assert_that(list_empty(&disk->files));
    remove_raw(disk->dir);
    assert_that(__real_mkdir(disk->dir, 0700) == 0);
}

void sim_disk_set_full(struct sim_disk *disk, bool full) { disk->full = full; }

/* ---- descriptors ---- */

/* The disk that a path is on, for the process that runs; NULL: none of ours. */
static struct sim_disk *disk_at(const char *path)
{
    if (sim == NULL || sim->owner == NULL) {
        return NULL;
    }
    struct sim_disk *disk = sim_process_host(sim->owner)->disk;
    size_t len = strlen(disk->dir);
    return strncmp(path, disk->dir, len) == 0 && (path[len] == '/' || path[len] == '\0') ? disk
                                                                                         : NULL;
}

static struct descriptor *descriptor_of(int fd)
{
    return fd >= 0 && fd < DESCRIPTORS_MAX && descriptors[fd].process != NULL ? &descriptors[fd]
                                                                              : NULL;
}

static struct disk_file *track(struct sim_disk *disk, int fd)
{
    struct stat st;
    char self[64];
    assert_that(fstat(fd, &st) == 0);
    list_for (node, &disk->files) {
        struct disk_file *file = list_entry(node, struct disk_file, node);
        if (file->inode == st.st_ino) {
            return file;
        }
    }
    struct disk_file *file = calloc(1, sizeof *file);
    assert_that(file != NULL);
    snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
    file->inode = st.st_ino;
    file->durable_bytes = (u64)st.st_size;
    file->shadow = __real_open(self, O_RDWR | O_CLOEXEC);
    assert_that(file->shadow >= 0);
    list_push_back(&disk->files, &file->node);
    return file;
}

static void adopt(struct sim_disk *disk, int fd, int flags)
{
    struct stat st;
    assert_that(fd < DESCRIPTORS_MAX && fstat(fd, &st) == 0);
    bool writes = (flags & O_ACCMODE) != O_RDONLY && S_ISREG(st.st_mode);
    descriptors[fd] = (struct descriptor){.process = sim->owner,
                                          .disk = disk,
                                          .file = writes ? track(disk, fd) : NULL,
                                          .is_durable = (flags & O_DSYNC) != 0};
    if (writes) {
        descriptors[fd].file->open_count++;
    }
}

static void release(int fd)
{
    struct descriptor *d = descriptor_of(fd);
    if (d == NULL) {
        return;
    }
    struct disk_file *file = d->file;
    *d = (struct descriptor){0};
    if (file != NULL) {
        file->open_count--;
        forget_if_unused(file);
    }
}

void sim_disk_close(struct loop *process)
{
    list_for_safe (node, &mappings) {
        struct mapping *mapping = list_entry(node, struct mapping, node);
        if (mapping->process == process) {
            (void)__real_munmap(mapping->address, mapping->len);
            list_remove(node);
            free(mapping);
        }
    }
    for (int fd = 0; fd < DESCRIPTORS_MAX; fd++) {
        if (descriptors[fd].process == process) {
            release(fd);
            (void)__real_close(fd);
        }
    }
}

/* ---- the calls ---- */

/* What becomes of a change: done, failed (errno), or the last thing that the process does. */
enum course { COURSE_DONE, COURSE_FAILED, COURSE_DIES, COURSE_DIES_BEFORE };

static enum course draw_course(bool *ret_power)
{
    *ret_power = false;
    if (sim->owner == NULL) {
        return COURSE_DONE;
    }
    if (sim_crash_due(sim->owner, ret_power)) {
        return sim_chance(1, 2) ? COURSE_DIES : COURSE_DIES_BEFORE;
    }
    if (sim->faults.io_error_per_million != 0 &&
        sim_chance(sim->faults.io_error_per_million, 1000000)) {
        sim_note_text("io error");
        errno = EIO;
        return COURSE_FAILED;
    }
    return COURSE_DONE;
}

/* True: do it. */
static bool begin(enum course *ret_course, bool *ret_power)
{
    *ret_course = draw_course(ret_power);
    if (*ret_course == COURSE_DIES_BEFORE) {
        sim_die(sim->owner, *ret_power);
    }
    return *ret_course != COURSE_FAILED;
}

static void end(enum course course, bool power)
{
    if (course == COURSE_DIES) {
        sim_die(sim->owner, power);
    }
}

int __wrap_open(const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    mode_t mode = (flags & O_CREAT) != 0 ? va_arg(args, mode_t) : 0;
    va_end(args);
    struct sim_disk *disk = disk_at(path);
    if (disk == NULL) {
        return __real_open(path, flags, mode);
    }
    bool makes = (flags & O_CREAT) != 0 && inode_of(path) == 0;
    enum course course = COURSE_DONE;
    bool power = false;
    if (makes && disk->full) {
        errno = ENOSPC;
        return -1;
    }
    if (makes && !begin(&course, &power)) {
        return -1;
    }
    int fd = __real_open(path, flags & ~O_TRUNC, mode);
    if (fd < 0) {
        return fd;
    }
    adopt(disk, fd, flags);
    if (makes) {
        note_name(disk, NAME_MADE, path, "", 0);
    }
    end(course, power);
    if ((flags & O_TRUNC) != 0 && __wrap_ftruncate(fd, 0) != 0) {
        int fault = errno;
        __wrap_close(fd);
        errno = fault;
        return -1;
    }
    return fd;
}

int __wrap_close(int fd)
{
    release(fd);
    return __real_close(fd);
}

int __wrap_closedir(DIR *dir)
{
    release(dirfd(dir));
    return __real_closedir(dir);
}

/* The former content of what [offset, offset + len) covers. */
static void note_range(struct disk_file *file, u64 offset, u64 len)
{
    for (u64 number = offset / BLOCK_BYTES; len > 0 && number * BLOCK_BYTES < offset + len;
         number++) {
        note_block(file, number);
    }
}

static bool lacks_room(const struct descriptor *d, u64 end_offset)
{
    return d->disk->full && end_offset > size_of(d->file);
}

/* A killed process may have got through a part of its write. */
static void write_part(int fd, u64 offset, bytes in, bool power)
{
    u64 len = power ? in.len : sim_below(in.len + 1);
    assert_that(__real_pwrite(fd, in.data, len, (off_t)offset) == (ssize_t)len);
}

ssize_t __wrap_pwrite(int fd, const void *data, size_t len, off_t offset)
{
    struct descriptor *d = descriptor_of(fd);
    if (d == NULL || d->file == NULL) {
        return __real_pwrite(fd, data, len, offset);
    }
    bytes in = bytes_make(data, len);
    bool power;
    enum course course = draw_course(&power);
    if (course == COURSE_FAILED) {
        return -1;
    }
    if (lacks_room(d, (u64)offset + len)) {
        errno = ENOSPC;
        return -1;
    }
    sim_note(len);
    note_range(d->file, (u64)offset, len);
    if (course != COURSE_DONE) {
        write_part(fd, (u64)offset, in, power);
        sim_die(sim->owner, power);
    }
    ssize_t n = __real_pwrite(fd, data, len, offset);
    if (n == (ssize_t)len && d->is_durable) {
        sync_range(d->file, (u64)offset, in);
    }
    return n;
}

/* At the descriptor's own position, as LMDB does after lseek(). */
static ssize_t write_here(int fd, const void *data, size_t len)
{
    off_t offset = lseek(fd, 0, SEEK_CUR);
    ssize_t n = __wrap_pwrite(fd, data, len, offset);
    if (n > 0) {
        assert_that(lseek(fd, offset + n, SEEK_SET) == offset + n);
    }
    return n;
}

ssize_t __wrap_write(int fd, const void *data, size_t len)
{
    struct descriptor *d = descriptor_of(fd);
    return d == NULL || d->file == NULL ? __real_write(fd, data, len) : write_here(fd, data, len);
}

ssize_t __wrap_writev(int fd, const struct iovec *parts, int count)
{
    struct descriptor *d = descriptor_of(fd);
    if (d == NULL || d->file == NULL) {
        return __real_writev(fd, parts, count);
    }
    ssize_t total = 0;
    for (int i = 0; i < count; i++) {
        ssize_t n = write_here(fd, parts[i].iov_base, parts[i].iov_len);
        if (n < 0) {
            return total > 0 ? total : -1;
        }
        total += n;
    }
    return total;
}

int __wrap_ftruncate(int fd, off_t size)
{
    struct descriptor *d = descriptor_of(fd);
    if (d == NULL || d->file == NULL) {
        return __real_ftruncate(fd, size);
    }
    enum course course;
    bool power;
    if (!begin(&course, &power)) {
        return -1;
    }
    u64 now = size_of(d->file);
    if ((u64)size < now) {
        u64 from = (u64)size / BLOCK_BYTES * BLOCK_BYTES;
        note_range(d->file, from, now - from);
    }
    int result = __real_ftruncate(fd, size);
    end(course, power);
    return result;
}

static void doom_blocks(struct disk_file *file)
{
    for (u32 i = 0; i < file->block_count; i++) {
        file->blocks[i].doomed |= sim_chance(1, 2);
    }
}

static int sync_descriptor(struct descriptor *d, int fd)
{
    enum course course;
    bool power;
    struct stat st;
    assert_that(fstat(fd, &st) == 0);
    if (!begin(&course, &power)) {
        if (d->file != NULL) {
            doom_blocks(d->file);
        }
        return -1;
    }
    if (d->file != NULL) {
        sync_file(d->file);
    } else if (S_ISDIR(st.st_mode)) {
        sync_dir(d->disk, st.st_ino);
    }
    end(course, power);
    return 0;
}

int __wrap_fsync(int fd)
{
    struct descriptor *d = descriptor_of(fd);
    return d == NULL ? 0 : sync_descriptor(d, fd);
}

int __wrap_fdatasync(int fd) { return __wrap_fsync(fd); }

int __wrap_msync(void *address, size_t len, int flags)
{
    (void)address;
    (void)len;
    (void)flags;
    assert_failed("nobody writes through mappings", __FILE__, __LINE__);
}

int __wrap_rename(const char *from, const char *to)
{
    struct sim_disk *disk = disk_at(from);
    if (disk == NULL) {
        return __real_rename(from, to);
    }
    enum course course;
    bool power;
    assert_that(disk_at(to) == disk);
    if (inode_of(from) == 0) {
        errno = ENOENT;
        return -1;
    }
    if (!begin(&course, &power)) {
        return -1;
    }
    u64 grave = bury(disk, to);
    assert_that(__real_rename(from, to) == 0);
    note_name(disk, NAME_RENAMED, to, from, grave);
    end(course, power);
    return 0;
}

int __wrap_unlink(const char *path)
{
    struct sim_disk *disk = disk_at(path);
    struct stat st;
    if (disk == NULL || lstat(path, &st) != 0 || S_ISDIR(st.st_mode)) {
        return __real_unlink(path); /* which tells the errno */
    }
    enum course course;
    bool power;
    if (!begin(&course, &power)) {
        return -1;
    }
    note_name(disk, NAME_REMOVED, path, "", bury(disk, path));
    end(course, power);
    return 0;
}

int __wrap_mkdir(const char *path, mode_t mode)
{
    struct sim_disk *disk = disk_at(path);
    if (disk == NULL || inode_of(path) != 0) {
        return __real_mkdir(path, mode);
    }
    enum course course;
    bool power;
    if (disk->full) {
        errno = ENOSPC;
        return -1;
    }
    if (!begin(&course, &power)) {
        return -1;
    }
    int result = __real_mkdir(path, mode);
    if (result == 0) {
        note_name(disk, NAME_DIR_MADE, path, "", 0);
    }
    end(course, power);
    return result;
}

int __wrap_rmdir(const char *path)
{
    struct sim_disk *disk = disk_at(path);
    if (disk == NULL) {
        return __real_rmdir(path);
    }
    enum course course;
    bool power;
    if (!begin(&course, &power)) {
        return -1;
    }
    int result = __real_rmdir(path);
    if (result == 0) {
        note_name(disk, NAME_DIR_REMOVED, path, "", 0);
    }
    end(course, power);
    return result;
}

/* ---- the rest of what LMDB and the roles ask ---- */

int __wrap_statvfs(const char *path, struct statvfs *out)
{
    const struct sim_disk *disk = disk_at(path);
    if (disk == NULL) {
        return __real_statvfs(path, out);
    }
    *out = (struct statvfs){.f_bsize = BLOCK_BYTES, .f_frsize = BLOCK_BYTES};
    out->f_blocks = DISK_BYTES / BLOCK_BYTES;
    out->f_bfree = disk->full ? 0 : out->f_blocks / 2;
    out->f_bavail = out->f_bfree;
    return 0;
}

void *__wrap_mmap(void *address, size_t len, int protection, int flags, int fd, off_t offset)
{
    void *at = __real_mmap(address, len, protection, flags, fd, offset);
    if (at != MAP_FAILED && descriptor_of(fd) != NULL) {
        struct mapping *mapping = calloc(1, sizeof *mapping);
        assert_that(mapping != NULL);
        *mapping = (struct mapping){.process = sim->owner, .address = at, .len = len};
        list_push_back(&mappings, &mapping->node);
    }
    return at;
}

int __wrap_munmap(void *address, size_t len)
{
    list_for_safe (node, &mappings) {
        struct mapping *mapping = list_entry(node, struct mapping, node);
        if (mapping->address == address) {
            list_remove(node);
            free(mapping);
        }
    }
    return __real_munmap(address, len);
}

/* LMDB's locks between threads and processes: here only one thing ever runs, and a lock of a killed
 * process must not be left in a thread's list of robust locks. */
int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex)
{
    (void)mutex;
    return 0;
}

int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex)
{
    (void)mutex;
    return 0;
}
