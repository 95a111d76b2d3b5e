#include "base/mem.h"
#include "base/prng.h"
#include "os/file.h"
#include "os/kv.h"
#include "os/kv_check.h"

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
    assert_true(is_ok(file_truncate(file, 0))); /* never taken for a new store */
    expect_damaged("garbage");
    file_close(file);
    char path[PATH_BYTES_MAX];
    in_root(path, "garbage/data.mdb");
    assert_true(is_ok(file_remove(path)));
    expect_damaged("garbage");
    in_root(path, "garbage/owner");
    assert_true(is_ok(file_replace(path, bytes_str("cairn store 2\n"))));
    expect_damaged("garbage");
}

static void check(const char *name, enum err_code expected)
{
    char path[PATH_BYTES_MAX];
    in_root(path, name);
    assert_int_equal(kv_check(path).code, expected);
}

/* Without the check LMDB would map what is not there and die of SIGBUS. */
static void a_file_that_lost_its_end(void **state)
{
    (void)state;
    make_store("cut");
    check("cut", ERR_OK);
    struct file *file = data_file("cut");
    u64 size;
    assert_true(is_ok(file_size(file, &size)));
    u64 cuts[] = {size - 1, size - 4096, size / 2, 3 * 4096, 2 * 4096, 4096};
    for (size_t i = 0; i < COUNT_OF(cuts); i++) {
        assert_true(is_ok(file_truncate(file, cuts[i])));
        check("cut", ERR_INTEGRITY);
        expect_damaged("cut");
    }
    assert_true(is_ok(file_truncate(file, size))); /* the length is right, the pages are zero */
    check("cut", ERR_INTEGRITY);
    file_close(file);
    check("no-such-store", ERR_NOT_FOUND);
}

static enum kv_file_state look(const char *name)
{
    char path[PATH_BYTES_MAX];
    char inner[PATH_BYTES_MAX];
    enum kv_file_state result;
    u64 size;
    in_root(path, name);
    path_join(inner, path, "data.mdb");
    assert_true(is_ok(kv_file_look(inner, &result, &size)));
    return result;
}

/* LMDB does not write pages that were used and freed in one transaction, so a good file may be
 * shorter than its last page. */
static void a_short_file_may_be_whole(void **state)
{
    (void)state;
    static u8 value[60000];
    struct kv *kv = open_kv("short");
    struct prng prng;
    unsigned shorts = 0;
    prng_init(&prng, 1);
    for (unsigned round = 0; round < 20; round++) {
        struct kv_txn *txn = begin_write(kv);
        for (u32 i = 0; i < 100; i++) {
            u64 len = prng_below(&prng, sizeof value);
            assert_true(is_ok(kv_put(txn, 0, BYTES_OF(i), bytes_make(value, len))));
        }
        for (u32 i = 99; i >= 10; i--) {
            assert_true(is_ok(kv_delete(txn, 0, BYTES_OF(i))));
        }
        assert_true(is_ok(kv_commit(txn)));
        if (look("short") == KV_FILE_SHORT) {
            shorts++;
            check("short", ERR_OK);
        }
    }
    assert_true(shorts > 0);
    kv_close(kv);
    assert_int_equal(look("short"), KV_FILE_WHOLE); /* so that opening need not read it */
    kv = open_kv("short");
    struct kv_txn *txn = begin_read(kv);
    u64 count;
    assert_true(is_ok(kv_count(txn, 0, &count)));
    assert_int_equal(count, 10);
    kv_abort(txn);
    kv_close(kv);
    check("short", ERR_OK);
}

static void random_work(struct kv *kv, struct prng *prng)
{
    static u8 value[30000];
    struct kv_txn *txn = begin_write(kv);
    for (int i = 0; i < 300; i++) {
        u8 key[12] = {0};
        store_be32(key, (u32)prng_below(prng, 2000));
        bytes k = bytes_make(key, 4 + prng_below(prng, 8));
        unsigned table = (unsigned)prng_below(prng, 3);
        if (prng_chance(prng, 1, 3)) {
            assert_true(is_ok(kv_delete(txn, table, k)));
        } else {
            u64 len =
                prng_chance(prng, 1, 10) ? prng_below(prng, sizeof value) : prng_below(prng, 200);
            assert_true(is_ok(kv_put(txn, table, k, bytes_make(value, len))));
        }
    }
    if (prng_chance(prng, 1, 10)) {
        assert_true(is_ok(kv_clear(txn, (unsigned)prng_below(prng, 3))));
    }
    if (prng_chance(prng, 1, 5)) {
        kv_abort(txn);
    } else {
        assert_true(is_ok(kv_commit(txn)));
    }
}

/* The independent reader agrees with LMDB about everything LMDB does. */
static void every_good_store_passes_the_check(void **state)
{
    (void)state;
    struct kv *kv = open_kv("good");
    struct prng prng;
    prng_init(&prng, 11);
    for (int round = 0; round < 60; round++) {
        random_work(kv, &prng);
        check("good", ERR_OK); /* while nobody writes, reading beside the owner is fine */
    }
    kv_close(kv);
    check("good", ERR_OK);
}

static void noise_is_found_or_harmless(void **state)
{
    (void)state;
    make_store("noise");
    struct file *file = data_file("noise");
    struct prng prng;
    u64 size;
    unsigned found = 0;
    prng_init(&prng, 5);
    assert_true(is_ok(file_size(file, &size)));
    for (int round = 0; round < 300; round++) {
        u8 old[64];
        u8 noise[64];
        u64 offset = prng_below(&prng, size / 64) * 64;
        prng_fill(&prng, noise, sizeof noise);
        assert_true(is_ok(file_read_at(file, offset, old, sizeof old)));
        assert_true(is_ok(file_write_at(file, offset, BYTES_OF(noise))));
        char path[PATH_BYTES_MAX];
        in_root(path, "noise");
        err e = kv_check(path);
        assert_true(is_ok(e) || is_err(e, ERR_INTEGRITY));
        found += is_err(e, ERR_INTEGRITY);
        assert_true(is_ok(file_write_at(file, offset, BYTES_OF(old))));
    }
    assert_true(found > 30);
    check("noise", ERR_OK);
    file_close(file);
}

/* A crash while a store is made leaves it unfinished: the next open makes it again. */
static void an_unfinished_store_is_made_again(void **state)
{
    (void)state;
    static const u64 sizes[] = {0, 1, 4095, 4096, 8191, 8192, 100000};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        char name[32];
        char path[PATH_BYTES_MAX];
        struct file *file;
        snprintf(name, sizeof name, "unfinished-%zu", i);
        in_root(path, name);
        assert_true(is_ok(dir_make(path)));
        snprintf(name, sizeof name, "unfinished-%zu/data.mdb", i);
        in_root(path, name);
        assert_true(is_ok(file_open(path, FILE_CREATE, &file)));
        assert_true(is_ok(file_truncate(file, sizes[i])));
        file_close(file);
        snprintf(name, sizeof name, "unfinished-%zu/owner", i);
        in_root(path, name);
        assert_true(is_ok(file_replace(path, bytes_slice(bytes_str("cairn store"), 0, i))));
        snprintf(name, sizeof name, "unfinished-%zu", i);
        struct kv *kv = open_kv(name);
        struct kv_txn *txn = begin_write(kv);
        put(txn, 0, "x", "1");
        assert_true(is_ok(kv_commit(txn)));
        kv_close(kv);
        kv = open_kv(name);
        txn = begin_read(kv);
        assert_true(has(txn, 0, "x", "1"));
        kv_abort(txn);
        kv_close(kv);
    }
    /* But never one that may hold something. */
    make_store("marker-lost");
    char path[PATH_BYTES_MAX];
    in_root(path, "marker-lost/owner");
    assert_true(is_ok(file_remove(path)));
    struct kv *kv = open_kv("marker-lost");
    struct kv_txn *txn = begin_read(kv);
    u64 count;
    assert_true(is_ok(kv_count(txn, 0, &count)));
    assert_int_equal(count, 2000);
    kv_abort(txn);
    kv_close(kv);
    make_store("all-lost");
    in_root(path, "all-lost/owner");
    assert_true(is_ok(file_remove(path)));
    struct file *file = data_file("all-lost");
    u8 zero[8192] = {0};
    assert_true(is_ok(file_truncate(file, MIB(1))));
    assert_true(is_ok(file_write_at(file, 0, BYTES_OF(zero))));
    file_close(file);
    expect_damaged("all-lost");
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
        cmocka_unit_test(a_file_that_lost_its_end),
        cmocka_unit_test(a_short_file_may_be_whole),
        cmocka_unit_test(every_good_store_passes_the_check),
        cmocka_unit_test(noise_is_found_or_harmless),
        cmocka_unit_test(an_unfinished_store_is_made_again),
    };
    return cmocka_run_group_tests(tests, make_root, remove_root);
}
