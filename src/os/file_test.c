#include "base/mem.h"
#include "os/file.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char root[] = "/tmp/cairn-file-test-XXXXXX";

static void in_root(char out[PATH_BYTES_MAX], const char *name) { path_join(out, root, name); }

static bytes load(const char *name, struct arena *arena)
{
    char path[PATH_BYTES_MAX];
    bytes content;
    in_root(path, name);
    assert_true(is_ok(file_load(path, arena, &content)));
    return content;
}

static void read_and_write(void **state)
{
    (void)state;
    char path[PATH_BYTES_MAX];
    struct file *file;
    struct file *other;
    u8 data[16];
    size_t len;
    u64 size;
    in_root(path, "rw");
    assert_true(is_err(file_open(path, FILE_READ, &file), ERR_NOT_FOUND));
    assert_true(is_err(file_open(path, FILE_WRITE, &file), ERR_NOT_FOUND));
    assert_false(file_exists(path));
    assert_true(is_ok(file_open(path, FILE_CREATE_NEW, &file)));
    assert_true(file_exists(path));
    assert_true(is_err(file_open(path, FILE_CREATE_NEW, &other), ERR_EXISTS));
    assert_true(is_ok(file_write_at(file, 4, bytes_str("hello"))));
    assert_true(is_ok(file_write_at(file, 0, bytes_make(NULL, 0))));
    assert_true(is_ok(file_sync(file)));
    assert_true(is_ok(file_size(file, &size)));
    assert_int_equal(size, 9);
    assert_true(is_ok(file_read_at(file, 0, data, 9)));
    assert_memory_equal(data, "\0\0\0\0hello", 9);
    assert_true(is_err(file_read_at(file, 1, data, 9), ERR_MALFORMED));
    assert_true(is_ok(file_read_some(file, 6, data, sizeof data, &len)));
    assert_int_equal(len, 3);
    assert_true(is_ok(file_read_some(file, 100, data, sizeof data, &len)));
    assert_int_equal(len, 0);
    assert_true(is_ok(file_open(path, FILE_CREATE, &other))); /* kept */
    assert_true(is_ok(file_size(other, &size)));
    assert_int_equal(size, 9);
    assert_true(is_ok(file_truncate(other, 5)));
    file_close(other);
    assert_true(is_ok(file_open(path, FILE_READ, &other)));
    assert_true(is_ok(file_read_at(other, 0, data, 5)));
    assert_memory_equal(data, "\0\0\0\0h", 5);
    assert_true(is_err(file_write_at(other, 0, bytes_str("x")), ERR_IO));
    file_close(other);
    file_close(file);
    file_close(NULL);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_true(is_ok(file_remove(path)));
    assert_true(is_err(file_remove(path), ERR_NOT_FOUND));
}

static void sparse_files_are_counted_right(void **state)
{
    (void)state;
    char path[PATH_BYTES_MAX];
    struct file *file;
    u64 bytes_given;
    in_root(path, "sparse");
    assert_true(is_ok(file_open(path, FILE_CREATE, &file)));
    assert_true(is_ok(file_truncate(file, MIB(64))));
    assert_true(is_ok(file_allocated(file, &bytes_given)));
    assert_true(bytes_given < MIB(1));
    u8 page[8192];
    memset(page, 1, sizeof page);
    assert_true(is_ok(file_write_at(file, MIB(32), BYTES_OF(page))));
    assert_true(is_ok(file_sync(file)));
    assert_true(is_ok(file_allocated(file, &bytes_given)));
    assert_true(bytes_given >= sizeof page && bytes_given < MIB(1));
    file_close(file);
}

static void locks_exclude(void **state)
{
    (void)state;
    char path[PATH_BYTES_MAX];
    struct file *first;
    struct file *second;
    in_root(path, "lock");
    assert_true(is_ok(file_open(path, FILE_CREATE, &first)));
    assert_true(is_ok(file_open(path, FILE_CREATE, &second)));
    assert_true(is_ok(file_lock(first)));
    assert_true(is_ok(file_lock(first)));
    assert_true(is_err(file_lock(second), ERR_BUSY));
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct file *third;
        _exit(is_ok(file_open(path, FILE_WRITE, &third)) && is_err(file_lock(third), ERR_BUSY));
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(WEXITSTATUS(status), 1);
    file_close(first);
    assert_true(is_ok(file_lock(second)));
    file_close(second);
}

static void whole_files(void **state)
{
    (void)state;
    char path[PATH_BYTES_MAX];
    struct arena arena;
    bytes content;
    arena_init(&arena, 100);
    in_root(path, "whole");
    assert_true(is_err(file_load(path, &arena, &content), ERR_NOT_FOUND));
    assert_true(is_ok(file_replace(path, bytes_str("one"))));
    assert_true(bytes_eq_str(load("whole", &arena), "one"));
    assert_true(is_ok(file_replace(path, bytes_str(""))));
    assert_int_equal(load("whole", &arena).len, 0);
    char large[101];
    memset(large, 'x', sizeof large);
    assert_true(is_ok(file_replace(path, BYTES_OF(large))));
    assert_true(is_err(file_load(path, &arena, &content), ERR_LIMIT));
    arena_free(&arena);
    char missing[PATH_BYTES_MAX];
    in_root(missing, "no/such/folder");
    assert_true(is_err(file_replace(missing, bytes_str("x")), ERR_NOT_FOUND));
    in_root(missing, "whole/below-a-file");
    assert_true(is_err(file_load(missing, &arena, &content), ERR_NOT_FOUND));
}

/* A process that replaces a file for ever is killed at some moment: the file must be one of the
 * versions, whole. */
static void replace_in_child(const char *path)
{
    static u8 content[50000];
    for (u8 version = 1;; version = (u8)(version % 200 + 1)) {
        memset(content, version, sizeof content);
        if (!is_ok(file_replace(path, BYTES_OF(content)))) {
            _exit(1);
        }
    }
}

static void replacing_is_atomic(void **state)
{
    (void)state;
    char path[PATH_BYTES_MAX];
    in_root(path, "atomic");
    for (unsigned round = 0; round < 12; round++) {
        struct arena arena;
        arena_init(&arena, MIB(1));
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            replace_in_child(path);
        }
        for (int waited = 0; !file_exists(path) && waited < 10000; waited++) {
            usleep(1000);
        }
        usleep(1000 + round * 1777);
        for (int reads = 0; reads < 20; reads++) { /* readers never see a part */
            bytes content = load("atomic", &arena);
            assert_int_equal(content.len, 50000);
            assert_true(content.data[0] == content.data[49999]);
            arena_free(&arena);
        }
        kill(child, SIGKILL);
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        bytes content = load("atomic", &arena);
        assert_int_equal(content.len, 50000);
        for (size_t i = 0; i < content.len; i++) {
            assert_true(content.data[i] == content.data[0] && content.data[i] != 0);
        }
        arena_free(&arena);
    }
    /* The temporary that a killed process left does not matter. */
    assert_true(is_ok(file_replace(path, bytes_str("end"))));
    in_root(path, "atomic.tmp");
    assert_false(file_exists(path));
}

struct collected {
    char text[200];
    unsigned stop_after;
};

static err collect(void *ctx, const char *name)
{
    struct collected *c = ctx;
    size_t len = strlen(c->text);
    snprintf(c->text + len, sizeof c->text - len, "%s ", name);
    return --c->stop_after == 0 ? (err){ERR_REFUSED} : ok();
}

static void make_file(const char *name)
{
    char path[PATH_BYTES_MAX];
    struct file *file;
    in_root(path, name);
    assert_true(is_ok(file_open(path, FILE_CREATE, &file)));
    file_close(file);
}

static void folders(void **state)
{
    (void)state;
    char path[PATH_BYTES_MAX];
    in_root(path, "d/e//f/");
    assert_true(is_ok(dir_make(path)));
    assert_true(is_ok(dir_make(path)));
    assert_true(is_ok(dir_sync(path)));
    make_file("d/b");
    make_file("d/B");
    make_file("d/\xc3\xa9");
    make_file("d/.hidden");
    make_file("d/e/f/deep");
    in_root(path, "d");
    struct collected c = {.stop_after = 100};
    assert_true(is_ok(dir_each(path, collect, &c)));
    assert_string_equal(c.text, ".hidden B b e \xc3\xa9 ");
    c = (struct collected){.stop_after = 2};
    assert_true(is_err(dir_each(path, collect, &c), ERR_REFUSED));
    assert_string_equal(c.text, ".hidden B ");
    in_root(path, "d/b");
    assert_true(is_err(dir_make(path), ERR_IO));
    in_root(path, "d/b/c");
    assert_false(is_ok(dir_make(path)));
    in_root(path, "none");
    assert_true(is_err(dir_each(path, collect, &c), ERR_NOT_FOUND));
    assert_true(is_err(dir_sync(path), ERR_NOT_FOUND));
    char to[PATH_BYTES_MAX];
    in_root(path, "d/b");
    in_root(to, "d/renamed");
    assert_true(is_ok(file_rename(path, to)));
    assert_true(is_err(file_rename(path, to), ERR_NOT_FOUND));
    assert_true(file_exists(to));
}

static void removing_folders(void **state)
{
    (void)state;
    char path[PATH_BYTES_MAX];
    char outside[PATH_BYTES_MAX];
    in_root(path, "tree");
    assert_true(is_ok(dir_remove_all(path))); /* absent */
    make_file("outside");
    in_root(outside, "outside");
    for (unsigned i = 0; i < 30; i++) {
        char name[64];
        snprintf(name, sizeof name, "tree/%u/x/y/z", i);
        in_root(path, name);
        assert_true(is_ok(dir_make(path)));
        snprintf(name, sizeof name, "tree/%u/x/file", i);
        make_file(name);
    }
    in_root(path, "tree/link-out");
    assert_int_equal(symlink(root, path), 0); /* must be removed, not followed */
    in_root(path, "tree/1/dangling");
    assert_int_equal(symlink("nowhere", path), 0);
    in_root(path, "tree");
    assert_true(is_ok(dir_remove_all(path)));
    assert_false(file_exists(path));
    assert_true(file_exists(outside));
}

static void space(void **state)
{
    (void)state;
    u64 free_bytes;
    u64 total;
    assert_true(is_ok(dir_space(root, &free_bytes, &total)));
    assert_true(total > 0 && free_bytes <= total);
    assert_true(is_err(dir_space("/no/such/folder", &free_bytes, &total), ERR_NOT_FOUND));
}

/* /dev/full refuses every write for lack of space. */
static void a_full_disk_is_no_space(void **state)
{
    (void)state;
    struct file *file;
    assert_true(is_ok(file_open("/dev/full", FILE_WRITE, &file)));
    assert_true(is_err(file_write_at(file, 0, bytes_str("x")), ERR_NO_SPACE));
    file_close(file);
}

static void paths(void **state)
{
    (void)state;
    char out[PATH_BYTES_MAX];
    path_join(out, "a", "b");
    assert_string_equal(out, "a/b");
    path_join(out, "/", "b");
    assert_string_equal(out, "/b");
    path_join(out, "a/", "b/c");
    assert_string_equal(out, "a/b/c");
}

static int make_root(void **state)
{
    (void)state;
    return mkdtemp(root) == NULL;
}

static int remove_root(void **state)
{
    (void)state;
    return !is_ok(dir_remove_all(root));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(read_and_write),          cmocka_unit_test(sparse_files_are_counted_right),
        cmocka_unit_test(locks_exclude),           cmocka_unit_test(whole_files),
        cmocka_unit_test(replacing_is_atomic),     cmocka_unit_test(folders),
        cmocka_unit_test(removing_folders),        cmocka_unit_test(space),
        cmocka_unit_test(a_full_disk_is_no_space), cmocka_unit_test(paths),
    };
    return cmocka_run_group_tests(tests, make_root, remove_root);
}
