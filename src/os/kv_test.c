#include "base/mem.h"
#include "base/prng.h"
#include "os/file.h"
#include "os/kv.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char root[] = "/tmp/cairn-kv-test-XXXXXX";

static void in_root(char out[PATH_BYTES_MAX], const char *name) { path_join(out, root, name); }

static err try_open(const char *name, u64 size_max, struct kv **ret_kv)
{
    char path[PATH_BYTES_MAX];
    struct kv_options options = {.table_count = 3, .size_max_bytes = size_max};
    in_root(path, name);
    return kv_open(path, &options, ret_kv);
}

static struct kv *open_kv(const char *name)
{
    struct kv *kv;
    assert_true(is_ok(try_open(name, MIB(64), &kv)));
    return kv;
}

static struct kv_txn *begin_write(struct kv *kv)
{
    struct kv_txn *txn;
    assert_true(is_ok(kv_begin_write(kv, &txn)));
    return txn;
}

static struct kv_txn *begin_read(struct kv *kv)
{
    struct kv_txn *txn;
    assert_true(is_ok(kv_begin_read(kv, &txn)));
    return txn;
}

static void put(struct kv_txn *txn, unsigned table, const char *key, const char *value)
{
    assert_true(is_ok(kv_put(txn, table, bytes_str(key), bytes_str(value))));
}

static bool has(struct kv_txn *txn, unsigned table, const char *key, const char *value)
{
    bytes found;
    err e = kv_get(txn, table, bytes_str(key), &found);
    assert_true(is_ok(e) || is_err(e, ERR_NOT_FOUND));
    return is_ok(e) && bytes_eq_str(found, value);
}

static bool lacks(struct kv_txn *txn, unsigned table, const char *key)
{
    bytes found;
    return is_err(kv_get(txn, table, bytes_str(key), &found), ERR_NOT_FOUND);
}

static void put_get_delete(void **state)
{
    (void)state;
    struct kv *kv = open_kv("basic");
    struct kv_txn *txn = begin_write(kv);
    u64 count;
    put(txn, 0, "a", "1");
    put(txn, 1, "a", "2");
    put(txn, 0, "a", "3");
    put(txn, 0, "empty", "");
    assert_true(has(txn, 0, "a", "3") && has(txn, 1, "a", "2") && lacks(txn, 2, "a"));
    assert_true(has(txn, 0, "empty", ""));
    assert_true(is_ok(kv_delete(txn, 0, bytes_str("none"))));
    assert_true(is_ok(kv_delete(txn, 1, bytes_str("a"))));
    assert_true(lacks(txn, 1, "a"));
    assert_true(is_ok(kv_count(txn, 0, &count)));
    assert_int_equal(count, 2);
    assert_true(is_ok(kv_clear(txn, 0)));
    assert_true(is_ok(kv_count(txn, 0, &count)));
    assert_int_equal(count, 0);
    put(txn, 2, "kept", "yes");
    assert_true(is_ok(kv_commit(txn)));
    txn = begin_read(kv);
    assert_true(lacks(txn, 0, "a") && has(txn, 2, "kept", "yes"));
    kv_abort(txn);
    kv_abort(NULL);
    kv_close(kv);
    kv_close(NULL);
}

static void an_abort_leaves_nothing(void **state)
{
    (void)state;
    struct kv *kv = open_kv("abort");
    struct kv_txn *txn = begin_write(kv);
    put(txn, 0, "x", "1");
    kv_abort(txn);
    txn = begin_write(kv);
    assert_true(lacks(txn, 0, "x"));
    put(txn, 0, "x", "2");
    assert_true(is_ok(kv_commit(txn)));
    /* A reader's view stays what it was. */
    struct kv_txn *reader = begin_read(kv);
    txn = begin_write(kv);
    put(txn, 0, "x", "3");
    assert_true(has(reader, 0, "x", "2"));
    assert_true(is_ok(kv_commit(txn)));
    assert_true(has(reader, 0, "x", "2"));
    kv_abort(reader);
    reader = begin_read(kv);
    assert_true(has(reader, 0, "x", "3"));
    assert_true(is_ok(kv_commit(reader))); /* of a read transaction: just its end */
    kv_close(kv);
}

static void reopening_keeps_all(void **state)
{
    (void)state;
    struct kv *kv = open_kv("reopen");
    struct kv_txn *txn = begin_write(kv);
    put(txn, 0, "x", "1");
    assert_true(is_ok(kv_commit(txn)));
    struct kv *second;
    assert_true(is_err(try_open("reopen", MIB(64), &second), ERR_BUSY));
    kv_close(kv);
    assert_true(is_ok(try_open("reopen", MIB(128), &kv))); /* it may grow */
    txn = begin_read(kv);
    assert_true(has(txn, 0, "x", "1"));
    kv_abort(txn);
    kv_close(kv);
    assert_true(is_ok(try_open("reopen", 1, &kv))); /* never less than what it has */
    txn = begin_read(kv);
    assert_true(has(txn, 0, "x", "1"));
    kv_abort(txn);
    kv_close(kv);
}

static void many_stores_and_readers(void **state)
{
    (void)state;
    enum { STORES = 20, READERS = 500 };
    struct kv *stores[STORES];
    struct kv_txn *readers[READERS];
    for (unsigned i = 0; i < STORES; i++) {
        char name[32];
        snprintf(name, sizeof name, "many/%u", i);
        assert_true(is_ok(try_open(name, GIB(64), &stores[i])));
        struct kv_txn *txn = begin_write(stores[i]);
        put(txn, 0, "name", name);
        assert_true(is_ok(kv_commit(txn)));
    }
    for (unsigned i = 0; i < READERS; i++) { /* all on one thread, as fibers are */
        readers[i] = begin_read(stores[i % STORES]);
    }
    for (unsigned i = 0; i < READERS; i++) {
        char name[32];
        snprintf(name, sizeof name, "many/%u", i % STORES);
        assert_true(has(readers[i], 0, "name", name));
        kv_abort(readers[i]);
    }
    for (unsigned i = 0; i < STORES; i++) {
        kv_close(stores[i]);
    }
}

/* --- cursors --- */

static void expect(err e, bytes key, const char *wanted)
{
    if (wanted == NULL) {
        assert_true(is_err(e, ERR_NOT_FOUND));
    } else {
        assert_true(is_ok(e));
        assert_true(bytes_eq_str(key, wanted));
    }
}

static void expect_next(struct kv_cursor *c, const char *wanted)
{
    bytes key = {0};
    bytes value;
    err e = kv_next(c, &key, &value);
    expect(e, key, wanted);
}

static void expect_prev(struct kv_cursor *c, const char *wanted)
{
    bytes key = {0};
    bytes value;
    err e = kv_prev(c, &key, &value);
    expect(e, key, wanted);
}

static void expect_seek(struct kv_cursor *c, const char *at, const char *wanted)
{
    bytes key = {0};
    bytes value;
    err e = kv_seek(c, bytes_str(at), &key, &value);
    expect(e, key, wanted);
}

static void check_walk(struct kv_txn *txn)
{
    struct kv_cursor *c;
    assert_true(is_ok(kv_cursor_open(txn, 0, &c)));
    expect_prev(c, NULL);
    expect_next(c, "a");
    expect_next(c, "ab");
    expect_next(c, "b");
    expect_next(c, "\x80");
    expect_next(c, "\xff");
    expect_next(c, NULL);
    expect_next(c, NULL);
    expect_prev(c, "\xff");
    expect_prev(c, "\x80");
    expect_seek(c, "aa", "ab");
    expect_prev(c, "a");
    expect_prev(c, NULL);
    expect_prev(c, NULL);
    expect_next(c, "a");
    expect_seek(c, "\xff\x01", NULL);
    expect_prev(c, "\xff");
    expect_seek(c, "\xff\x01", NULL);
    expect_next(c, NULL);
    expect_seek(c, "", "a");
    expect_seek(c, "b", "b");
    expect_next(c, "\x80");
    kv_cursor_close(c);
    assert_true(is_ok(kv_cursor_open(txn, 1, &c))); /* an empty table */
    expect_next(c, NULL);
    expect_prev(c, NULL);
    expect_seek(c, "", NULL);
    expect_prev(c, NULL);
    kv_cursor_close(c);
    kv_cursor_close(NULL);
}

static void cursors_walk_in_byte_order(void **state)
{
    (void)state;
    struct kv *kv = open_kv("order");
    struct kv_txn *txn = begin_write(kv);
    static const char *const keys[] = {"b", "\xff", "ab", "\x80", "a"};
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        put(txn, 0, keys[i], "v");
    }
    check_walk(txn);
    assert_true(is_ok(kv_commit(txn)));
    txn = begin_read(kv);
    check_walk(txn);
    kv_abort(txn);
    kv_close(kv);
}

static void put_number(struct kv_txn *txn, u32 number)
{
    u8 key[4];
    store_be32(key, number);
    assert_true(is_ok(kv_put(txn, 0, BYTES_OF(key), bytes_str("some value of some length"))));
}

static void delete_number(struct kv_txn *txn, u32 number)
{
    u8 key[4];
    store_be32(key, number);
    assert_true(is_ok(kv_delete(txn, 0, BYTES_OF(key))));
}

/* Every write moves LMDB's pages about; the cursor must go on from its key all the same. */
static void cursors_survive_writes(void **state)
{
    (void)state;
    enum { COUNT = 3000 };
    struct kv *kv = open_kv("moving");
    struct kv_txn *txn = begin_write(kv);
    struct kv_cursor *c;
    bytes key;
    bytes value;
    for (u32 i = 0; i < COUNT; i++) {
        put_number(txn, 2 * i);
    }
    assert_true(is_ok(kv_cursor_open(txn, 0, &c)));
    for (u32 i = 0; i < COUNT; i++) { /* deletes what it is at, and puts new ones behind it */
        assert_true(is_ok(kv_next(c, &key, &value)));
        assert_int_equal(load_be32(key.data), 2 * i);
        delete_number(txn, 2 * i);
        if (i > 0) {
            put_number(txn, 2 * i - 1);
        }
    }
    assert_true(is_err(kv_next(c, &key, &value), ERR_NOT_FOUND));
    for (u32 i = COUNT - 1; i > 0; i--) { /* and back */
        assert_true(is_ok(kv_prev(c, &key, &value)));
        assert_int_equal(load_be32(key.data), 2 * i - 1);
        delete_number(txn, 2 * i - 1);
    }
    assert_true(is_err(kv_prev(c, &key, &value), ERR_NOT_FOUND));
    /* An entry that appears before the cursor is met, one behind it is not. */
    put_number(txn, 10);
    assert_true(is_ok(kv_next(c, &key, &value)));
    put_number(txn, 11);
    put_number(txn, 9);
    assert_true(is_ok(kv_next(c, &key, &value)));
    assert_int_equal(load_be32(key.data), 11);
    assert_true(is_err(kv_next(c, &key, &value), ERR_NOT_FOUND));
    kv_cursor_close(c);
    kv_abort(txn);
    kv_close(kv);
}

static void limits_of_keys_and_values(void **state)
{
    (void)state;
    struct kv *kv = open_kv("limits");
    struct kv_txn *txn = begin_write(kv);
    static u8 key[KV_KEY_BYTES_MAX];
    u8 *value = mem_alloc(MIB(8));
    bytes found;
    memset(key, 0xff, sizeof key);
    memset(value, 7, MIB(8));
    assert_true(is_ok(kv_put(txn, 0, BYTES_OF(key), bytes_make(value, MIB(8)))));
    assert_true(is_ok(kv_put(txn, 0, bytes_make(key, 1), bytes_make(key, 0))));
    assert_true(is_ok(kv_commit(txn)));
    txn = begin_read(kv);
    assert_true(is_ok(kv_get(txn, 0, BYTES_OF(key), &found)));
    assert_true(bytes_eq(found, bytes_make(value, MIB(8))));
    assert_true(is_ok(kv_get(txn, 0, bytes_make(key, 1), &found)));
    assert_int_equal(found.len, 0);
    kv_abort(txn);
    kv_close(kv);
    mem_free(value);
}

/* A full store refuses, says so, keeps what it had, and works again after a deletion. */
static void a_full_store_is_no_space(void **state)
{
    (void)state;
    struct kv *kv;
    u8 value[3000] = {1};
    u64 count;
    assert_true(is_ok(try_open("full", KIB(512), &kv)));
    u32 kept = 0;
    err e;
    do {
        struct kv_txn *txn = begin_write(kv);
        u8 key[4];
        store_be32(key, kept);
        e = kv_put(txn, 0, BYTES_OF(key), BYTES_OF(value));
        err after = kv_commit(txn); /* after a failed put: the same fault, nothing written */
        assert_true(is_ok(e) || is_err(after, e.code));
        e = after;
        kept += is_ok(e);
    } while (is_ok(e) && kept < 1000);
    assert_true(is_err(e, ERR_NO_SPACE));
    assert_true(kept > 50);
    struct kv_txn *txn = begin_read(kv);
    assert_true(is_ok(kv_count(txn, 0, &count)));
    assert_int_equal(count, kept);
    kv_abort(txn);
    kv_close(kv);
    assert_true(is_ok(try_open("full", MIB(1), &kv))); /* more room: on it goes */
    txn = begin_write(kv);
    put_number(txn, 5000);
    delete_number(txn, 0);
    assert_true(is_ok(kv_commit(txn)));
    kv_close(kv);
}

/* --- threads and crashes --- */

struct counter {
    struct kv *kv;
    unsigned rounds;
};

static void *count_up(void *arg)
{
    struct counter *c = arg;
    for (unsigned i = 0; i < c->rounds; i++) {
        struct kv_txn *txn;
        bytes value;
        u64 number = 0;
        if (!is_ok(kv_begin_write(c->kv, &txn))) {
            return arg;
        }
        if (is_ok(kv_get(txn, 0, bytes_str("n"), &value))) {
            number = load_le64(value.data);
        }
        number++;
        IGNORE(kv_put(txn, 0, bytes_str("n"), BYTES_OF(number))); /* the commit repeats it */
        if (!is_ok(kv_commit(txn))) {
            return arg;
        }
    }
    return NULL;
}

static void writers_take_turns(void **state)
{
    (void)state;
    enum { THREADS = 4, ROUNDS = 50 };
    struct counter c = {.kv = open_kv("threads"), .rounds = ROUNDS};
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, count_up, &c), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        void *result;
        pthread_join(threads[i], &result);
        assert_null(result);
    }
    struct kv_txn *txn = begin_read(c.kv);
    bytes value;
    assert_true(is_ok(kv_get(txn, 0, bytes_str("n"), &value)));
    assert_int_equal(load_le64(value.data), THREADS * ROUNDS);
    kv_abort(txn);
    kv_close(c.kv);
}

/* Two numbers that every transaction changes together, written until the kill. */
static void write_pairs_for_ever(const char *name)
{
    struct kv *kv;
    if (!is_ok(try_open(name, MIB(64), &kv))) {
        _exit(1);
    }
    for (u64 n = 1;; n++) {
        struct kv_txn *txn;
        if (!is_ok(kv_begin_write(kv, &txn))) {
            _exit(1);
        }
        IGNORE(kv_put(txn, 0, bytes_str("left"), BYTES_OF(n))); /* the commit repeats it */
        IGNORE(kv_put(txn, 1, bytes_str("right"), BYTES_OF(n)));
        if (!is_ok(kv_commit(txn))) {
            _exit(1);
        }
    }
}

static void a_killed_writer_leaves_whole_transactions(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 10; round++) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            write_pairs_for_ever("killed");
        }
        usleep(5000 + round * 3333);
        kill(child, SIGKILL);
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        struct kv *kv = open_kv("killed");
        struct kv_txn *txn = begin_read(kv);
        bytes left = {0};
        bytes right = {0};
        err e = kv_get(txn, 0, bytes_str("left"), &left);
        err f = kv_get(txn, 1, bytes_str("right"), &right);
        assert_int_equal(e.code, f.code);
        assert_true(!is_ok(e) || bytes_eq(left, right));
        kv_abort(txn);
        kv_close(kv);
    }
}

static void ordered_but_not_durable(void **state)
{
    (void)state;
    char path[PATH_BYTES_MAX];
    struct kv *kv;
    struct kv_options options = {.table_count = 1, .size_max_bytes = MIB(1), .no_sync = true};
    in_root(path, "nosync");
    assert_true(is_ok(kv_open(path, &options, &kv)));
    struct kv_txn *txn = begin_write(kv);
    put(txn, 0, "x", "1");
    assert_true(is_ok(kv_commit(txn)));
    assert_true(is_ok(kv_sync(kv)));
    kv_close(kv);
}

/* --- damage --- */

static void make_store(const char *name)
{
    struct kv *kv = open_kv(name);
    struct kv_txn *txn = begin_write(kv);
    static u8 value[20000];
    for (u32 i = 0; i < 2000; i++) {
        put_number(txn, i);
    }
    assert_true(is_ok(kv_put(txn, 1, bytes_str("large"), BYTES_OF(value))));
    assert_true(is_ok(kv_commit(txn)));
    kv_close(kv);
}

static struct file *data_file(const char *name)
{
    char path[PATH_BYTES_MAX];
    char inner[PATH_BYTES_MAX];
    struct file *file;
    in_root(path, name);
    path_join(inner, path, "data.mdb");
    assert_true(is_ok(file_open(inner, FILE_WRITE, &file)));
    return file;
}

static void expect_damaged(const char *name)
{
    struct kv *kv;
    assert_true(is_err(try_open(name, MIB(64), &kv), ERR_INTEGRITY));
}

static void no_store_at_all(void **state)
{
    (void)state;
    make_store("garbage");
    struct file *file = data_file("garbage");
    u8 noise[8192];
    struct prng prng;
    prng_init(&prng, 3);
    prng_fill(&prng, noise, sizeof noise);
    assert_true(is_ok(file_write_at(file, 0, BYTES_OF(noise))));
    expect_damaged("garbage");
    memset(noise, 0, sizeof noise);
    assert_true(is_ok(file_write_at(file, 0, BYTES_OF(noise))));
    expect_damaged("garbage");
    assert_true(is_ok(file_truncate(file, 100)));
    expect_damaged("garbage");
    file_close(file);
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
        cmocka_unit_test(put_get_delete),
        cmocka_unit_test(an_abort_leaves_nothing),
        cmocka_unit_test(reopening_keeps_all),
        cmocka_unit_test(many_stores_and_readers),
        cmocka_unit_test(cursors_walk_in_byte_order),
        cmocka_unit_test(cursors_survive_writes),
        cmocka_unit_test(limits_of_keys_and_values),
        cmocka_unit_test(a_full_store_is_no_space),
        cmocka_unit_test(writers_take_turns),
        cmocka_unit_test(a_killed_writer_leaves_whole_transactions),
        cmocka_unit_test(ordered_but_not_durable),
        cmocka_unit_test(no_store_at_all),
    };
    return cmocka_run_group_tests(tests, make_root, remove_root);
}
