/* A store on a disk that is full: every commit that does not fit is ERR_NO_SPACE, wherever in LMDB
 * the disk ended, nothing of it is there, and all goes on when there is room.
 *
 * The disk is a tmpfs of this process alone. Without the right to make one the program says so and
 * counts as skipped. */
#include "base/mem.h"
#include "os/file.h"
#include "os/kv.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cmocka.h>

#define EXIT_SKIPPED 77
#define DISK_SIZE "4m"
#define LEFT_MAX KIB(640)

static char root[64];

static bool write_text(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool fine = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    if (fd >= 0) {
        close(fd);
    }
    return fine;
}

/* become_root: of a user namespace, unless it is one already. */
static bool become_root(void)
{
    char users[64];
    char groups[64];
    snprintf(users, sizeof users, "0 %u 1", (unsigned)geteuid());
    snprintf(groups, sizeof groups, "0 %u 1", (unsigned)getegid());
    return geteuid() == 0 ||
           (unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 &&
            write_text("/proc/self/setgroups", "deny") &&
            write_text("/proc/self/gid_map", groups) && write_text("/proc/self/uid_map", users));
}

/* open_disk: a tmpfs that is mounted nowhere, so nobody else sees it and it ends with the process;
 * its files are below /proc/self/fd. */
static bool open_disk(void)
{
    int fs = fsopen("tmpfs", FSOPEN_CLOEXEC);
    bool fine = fs >= 0 && fsconfig(fs, FSCONFIG_SET_STRING, "size", DISK_SIZE, 0) == 0 &&
                fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0;
    int disk = fine ? fsmount(fs, FSMOUNT_CLOEXEC, 0) : -1;
    if (fs >= 0) {
        close(fs);
    }
    snprintf(root, sizeof root, "/proc/self/fd/%d", disk);
    return disk >= 0;
}

static void in_root(char out[PATH_BYTES_MAX], const char *name) { path_join(out, root, name); }

static struct kv *open_kv(void)
{
    struct kv *kv;
    char path[PATH_BYTES_MAX];
    struct kv_options options = {.table_count = 2, .size_max_bytes = MIB(64)};
    in_root(path, "store");
    assert_true(is_ok(kv_open(path, &options, &kv)));
    return kv;
}

/* fill: leaves `left` bytes free, in pages of 4 KiB. */
static void fill(u64 left)
{
    static const u8 zeros[4096];
    char path[PATH_BYTES_MAX];
    u64 free_bytes = 0;
    u64 total = 0;
    in_root(path, "filler");
    int fd = open(path, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
    assert_true(fd >= 0 && is_ok(dir_space(root, &free_bytes, &total)));
    for (; free_bytes >= left + sizeof zeros; free_bytes -= sizeof zeros) {
        assert_int_equal(write(fd, zeros, sizeof zeros), sizeof zeros);
    }
    close(fd);
}

static void make_room(void)
{
    char path[PATH_BYTES_MAX];
    in_root(path, "filler");
    assert_true(is_ok(file_remove(path)));
}

/* Some small entries over many pages, and one value of `large` bytes. */
static err commit(struct kv *kv, u32 round, size_t large)
{
    static u8 value[KIB(512)];
    struct kv_txn *txn;
    u8 key[8];
    TRY(kv_begin_write(kv, &txn));
    memset(value, (int)(round & 0xff), sizeof value);
    err e = ok();
    for (u32 i = 0; is_ok(e) && i < 40; i++) {
        store_be32(key, i * 7919 % 64);
        store_be32(key + 4, 1);
        e = kv_put(txn, 0, BYTES_OF(key), bytes_make(value, 1500));
    }
    if (is_ok(e)) {
        e = kv_put(txn, 1, bytes_str("large"), bytes_make(value, large));
    }
    err committed = kv_commit(txn);
    return is_ok(e) ? committed : e;
}

/* Both tables say the same round, so no part of a commit is there. */
static void check_whole(struct kv *kv, u32 round)
{
    struct kv_txn *txn;
    bytes large;
    bytes small;
    u8 key[8] = {0, 0, 0, 0, 0, 0, 0, 1};
    assert_true(is_ok(kv_begin_read(kv, &txn)));
    assert_true(is_ok(kv_get(txn, 1, bytes_str("large"), &large)));
    assert_true(is_ok(kv_get(txn, 0, BYTES_OF(key), &small)));
    assert_int_equal(large.data[large.len - 1], round & 0xff);
    assert_int_equal(small.data[small.len - 1], round & 0xff);
    kv_abort(txn);
}

/* Commits until one does not fit; the disk ends at another place each time. */
static u32 rounds_with(size_t large)
{
    u32 refused = 0;
    u32 round = 1;
    struct kv *kv = open_kv();
    assert_true(is_ok(commit(kv, round, large)));
    for (u64 left = 0; left <= LEFT_MAX; left += KIB(12)) {
        fill(left);
        for (int i = 0; i < 3; i++) {
            err e = commit(kv, round + 1, large);
            assert_true(is_ok(e) || is_err(e, ERR_NO_SPACE));
            round += is_ok(e);
            refused += !is_ok(e);
            check_whole(kv, round);
        }
        make_room();
        assert_true(is_ok(commit(kv, ++round, large)));
        check_whole(kv, round);
    }
    kv_close(kv);
    kv = open_kv();
    check_whole(kv, round);
    kv_close(kv);
    return refused;
}

static void a_full_disk_is_no_space(void **state)
{
    static const size_t larges[] = {10, 5000, 100000, 400000};
    char path[PATH_BYTES_MAX];
    (void)state;
    in_root(path, "store");
    for (size_t i = 0; i < COUNT_OF(larges); i++) {
        assert_true(rounds_with(larges[i]) > 0);
        assert_true(is_ok(kv_check(path)));
        assert_true(is_ok(dir_remove_all(path)));
    }
}

int main(void)
{
    if (!become_root() || !open_disk()) {
        fprintf(stderr, "SKIPPED: cannot make a tmpfs here: %s\n", strerror(errno));
        return EXIT_SKIPPED;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_full_disk_is_no_space)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
