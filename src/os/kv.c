#include "os/kv.h"

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "os/file.h"
#include "os/kv_check.h"

#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define READERS_MAX 4096
#define PAGE_BYTES 4096
#define PROBE_PIECE_BYTES KIB(64)
#define PAGES_WRITE_BYTES                                                                          \
    KIB(256) /* LMDB writes so many neighbouring pages at once, or one value */
/* What a store has at most before its first transaction of a user. */
#define UNFINISHED_BYTES_MAX KIB(256)

static const char marker[] = "cairn store 1\n";

struct kv {
    MDB_env *env;
    char *dir;
    struct file *owner; /* its lock keeps a second opener out */
    unsigned table_count;
    MDB_dbi tables[KV_TABLES_MAX];
    u64 page_bytes;
    u64 write_bytes_max; /* LMDB's longest write so far; accessed atomically */
    int writer_thread;   /* 0: no write transaction; accessed atomically */
    struct kv_options options;
    pthread_mutex_t lock; /* of what follows */
    unsigned users;       /* transactions and syncs under way */
    bool is_broken;       /* LMDB had a fatal error: the environment is made anew */
};

struct kv_txn {
    struct kv *kv;
    MDB_txn *txn;
    bool is_write;
    u64 writes; /* so far; cursors find their place again after one */
    err fault;  /* the first one of a write, which commit repeats */
};

/* Where a cursor stands. LMDB's own position moves when others write through the transaction, so
 * in write transactions the key is kept and sought again. */
enum cursor_place { CURSOR_BEFORE_ALL, CURSOR_AT_KEY, CURSOR_AFTER_ALL };

struct kv_cursor {
    struct kv_txn *txn;
    MDB_cursor *cursor;
    enum cursor_place place;
    u64 writes; /* txn->writes when it was placed */
    size_t key_len;
    u8 key[KV_KEY_BYTES_MAX];
};

/* LMDB tells a short write, which is what is left of a write that meets the end of a disk, as EIO.
 * So the next write is tried here: it fails with ENOSPC (or EDQUOT) where that was the reason. A
 * crash meanwhile leaves a small file that nobody reads. */
static bool disk_is_full(const struct kv *kv)
{
    static const u8 zeros[PROBE_PIECE_BYTES];
    u64 len = __atomic_load_n(&kv->write_bytes_max, __ATOMIC_RELAXED);
    char path[PATH_BYTES_MAX];
    path_join(path, kv->dir, "probe");
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
    if (fd < 0) {
        return errno == ENOSPC || errno == EDQUOT;
    }
    const ssize_t whole = sizeof zeros;
    ssize_t n = whole;
    for (u64 at = 0; n == whole && at < len; at += PROBE_PIECE_BYTES) {
        n = pwrite(fd, zeros, sizeof zeros, (off_t)at);
    }
    bool full = n < 0 ? errno == ENOSPC || errno == EDQUOT : n < whole;
    close(fd);
    unlink(path);
    return full;
}

static err kv_fault(const char *what, const struct kv *kv, int code)
{
    code = code == EIO && disk_is_full(kv) ? ENOSPC : code;
    switch (code) {
    case 0:
        return ok();
    case MDB_NOTFOUND:
        return fail(ERR_NOT_FOUND);
    case MDB_KEYEXIST:
        return fail(ERR_EXISTS);
    case MDB_MAP_FULL:
    case ENOSPC:
    case EDQUOT:
        log_warn("os", "cannot %s the store %s: no space left", what, kv->dir);
        return fail(ERR_NO_SPACE);
    case MDB_READERS_FULL:
        return fail(ERR_BUSY);
    case MDB_TXN_FULL:
        return fail(ERR_LIMIT);
    case MDB_INVALID:
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_VERSION_MISMATCH:
    case MDB_INCOMPATIBLE:
        log_error("os", "cannot %s the store %s: %s", what, kv->dir, mdb_strerror(code));
        return fail(ERR_INTEGRITY);
    default:
        log_error("os", "cannot %s the store %s: %s", what, kv->dir, mdb_strerror(code));
        return fail(ERR_IO);
    }
}

static err lock_dir(struct kv *kv)
{
    char path[PATH_BYTES_MAX];
    path_join(path, kv->dir, "owner");
    TRY(file_open(path, FILE_CREATE, &kv->owner));
    return file_lock(kv->owner);
}

/* What a power cut can leave of a marker that was being written: a prefix, or zeros of any length.
 */
static bool is_unfinished(bytes text)
{
    static const u8 zeros[sizeof marker];
    return bytes_starts_with(bytes_str(marker), text) ||
           bytes_eq(text, bytes_make(zeros, text.len));
}

/* The owner file says whether the store was ever finished. A crash while it is made may leave any
 * part of the first pages; later no crash does. */
static err read_marker(struct kv *kv, bool *ret_finished)
{
    u8 text[sizeof marker];
    size_t len;
    TRY(file_read_some(kv->owner, 0, text, sizeof text, &len));
    *ret_finished = bytes_eq_str(bytes_make(text, len), marker);
    if (!*ret_finished && !is_unfinished(bytes_make(text, len))) {
        log_error("os", "%s is a store of another kind or version", kv->dir);
        return fail(ERR_INTEGRITY);
    }
    return ok();
}

static err remove_unfinished(struct kv *kv, const char *path, u64 size)
{
    if (size > UNFINISHED_BYTES_MAX) {
        log_error("os", "%s has no readable meta page", path);
        return fail(ERR_INTEGRITY);
    }
    log_warn("os", "making the store %s again: it was never finished", kv->dir);
    return file_remove(path);
}

/* What LMDB would crash on or silently replace is found before it maps the file. */
static err look_at_file(struct kv *kv, bool finished)
{
    char path[PATH_BYTES_MAX];
    enum kv_file_state state;
    u64 size;
    path_join(path, kv->dir, "data.mdb");
    TRY(kv_file_look(path, &state, &size));
    switch (state) {
    case KV_FILE_ABSENT:
        if (finished) {
            log_error("os", "%s is gone or empty", path);
        }
        return finished ? fail(ERR_INTEGRITY) : ok();
    case KV_FILE_NO_META:
        if (finished) {
            log_error("os", "%s has no readable meta page", path);
        }
        return finished ? fail(ERR_INTEGRITY) : remove_unfinished(kv, path, size);
    case KV_FILE_SHORT:
        return kv_file_walk(path);
    case KV_FILE_WHOLE:
        return ok();
    }
    unreachable_case();
}

static err sync_env(const struct kv *kv) { return kv_fault("sync", kv, mdb_env_sync(kv->env, 1)); }

/* Everything durable first, then the word that it is. */
static err finish(struct kv *kv)
{
    char parent[PATH_BYTES_MAX];
    path_parent(parent, kv->dir);
    TRY(sync_env(kv));
    TRY(dir_sync(kv->dir));
    TRY(dir_sync(parent));
    TRY(file_write_at(kv->owner, 0, bytes_str(marker)));
    return file_sync(kv->owner);
}

static err open_env(struct kv *kv, const struct kv_options *options)
{
    /* Read transactions belong to whoever holds them, not to a thread: NOTLS. Without the flush of
     * the meta page a crash undoes at most the last commit and never mixes two: NOMETASYNC. */
    unsigned flags = MDB_NOTLS | MDB_NORDAHEAD | (options->no_sync ? MDB_NOMETASYNC : 0);
    u64 size = ceil_div(options->size_max_bytes, PAGE_BYTES) * PAGE_BYTES;
    int code = mdb_env_create(&kv->env);
    if (code == 0) {
        code = mdb_env_set_maxdbs(kv->env, options->table_count);
    }
    if (code == 0) {
        code = mdb_env_set_maxreaders(kv->env, READERS_MAX);
    }
    if (code == 0) {
        code = mdb_env_set_mapsize(kv->env, size);
    }
    if (code == 0) {
        code = mdb_env_open(kv->env, kv->dir, flags, 0600);
    }
    return kv_fault("open", kv, code);
}

static int open_tables(struct kv *kv, MDB_txn *txn)
{
    for (unsigned i = 0; i < kv->table_count; i++) {
        char name[16];
        snprintf(name, sizeof name, "%u", i);
        int code = mdb_dbi_open(txn, name, MDB_CREATE, &kv->tables[i]);
        if (code != 0) {
            return code;
        }
    }
    return 0;
}

static err prepare_tables(struct kv *kv)
{
    MDB_txn *txn;
    int code = mdb_txn_begin(kv->env, NULL, 0, &txn);
    if (code != 0) {
        return kv_fault("open", kv, code);
    }
    code = open_tables(kv, txn);
    if (code != 0) {
        mdb_txn_abort(txn);
    } else {
        code = mdb_txn_commit(txn);
    }
    return kv_fault("open", kv, code);
}

static err learn_page_size(struct kv *kv)
{
    MDB_stat stat;
    TRY(kv_fault("open", kv, mdb_env_stat(kv->env, &stat)));
    kv->page_bytes = stat.ms_psize;
    return ok();
}

static err open_steps(struct kv *kv, const struct kv_options *options)
{
    bool finished;
    int dead_readers;
    TRY(dir_make(kv->dir));
    TRY(lock_dir(kv));
    TRY(read_marker(kv, &finished));
    TRY(look_at_file(kv, finished));
    TRY(open_env(kv, options));
    TRY(kv_fault("open", kv, mdb_reader_check(kv->env, &dead_readers)));
    TRY(prepare_tables(kv));
    /* A process that was killed may have left a commit that is only in the kernel's memory. What is
     * seen from here on must not vanish with the power. */
    TRY(finished ? sync_env(kv) : finish(kv));
    return learn_page_size(kv);
}

err kv_open(const char *dir, const struct kv_options *options, struct kv **ret_kv)
{
    assert_that(options->table_count >= 1 && options->table_count <= KV_TABLES_MAX);
    struct kv *kv = MEM_NEW(struct kv);
    kv->dir = mem_strdup(dir);
    kv->table_count = options->table_count;
    kv->options = *options;
    kv->write_bytes_max = PAGES_WRITE_BYTES;
    assert_that(pthread_mutex_init(&kv->lock, NULL) == 0);
    err e = open_steps(kv, options);
    if (!is_ok(e)) {
        kv_close(kv);
        return e;
    }
    *ret_kv = kv;
    return ok();
}

/* LMDB does not write pages that it used and freed in one transaction, so its file may end before
 * its last page, like one that was cut. Extending it keeps kv_open() from having to read it all to
 * tell the two apart. Only for who has the writer lock. A failure costs that reading, no more. */
static void extend_file(struct kv *kv)
{
    MDB_envinfo info;
    struct stat st;
    int fd;
    if (mdb_env_info(kv->env, &info) != 0 || mdb_env_get_fd(kv->env, &fd) != 0 ||
        fstat(fd, &st) != 0) {
        return;
    }
    u64 wanted = (info.me_last_pgno + 1) * kv->page_bytes;
    if ((u64)st.st_size < wanted && ftruncate(fd, (off_t)wanted) != 0) {
        log_debug("os", "cannot extend the store %s: %s", kv->dir, strerror(errno));
    }
}

static void close_env(struct kv *kv)
{
    if (kv->page_bytes != 0) {
        extend_file(kv);
    }
    mdb_env_close(kv->env);
}

void kv_close(struct kv *kv)
{
    if (kv == NULL) {
        return;
    }
    if (kv->env != NULL) {
        close_env(kv);
    }
    file_close(kv->owner);
    assert_that(pthread_mutex_destroy(&kv->lock) == 0);
    mem_free(kv->dir);
    mem_free(kv);
}

err kv_check(const char *dir)
{
    char path[PATH_BYTES_MAX];
    path_join(path, dir, "data.mdb");
    return kv_file_walk(path);
}

static void lock(struct kv *kv) { assert_that(pthread_mutex_lock(&kv->lock) == 0); }
static void unlock(struct kv *kv) { assert_that(pthread_mutex_unlock(&kv->lock) == 0); }

static err open_again(struct kv *kv)
{
    log_warn("os", "opening the store %s again after a fatal error", kv->dir);
    if (kv->env != NULL) {
        mdb_env_close(kv->env);
    }
    kv->env = NULL;
    TRY(open_env(kv, &kv->options));
    TRY(prepare_tables(kv));
    TRY(sync_env(kv));
    kv->is_broken = false;
    return ok();
}

/* After a failed write of its meta page LMDB refuses everything. Its files are as good as ever:
 * when nobody uses the environment any more it is made anew. */
static err enter(struct kv *kv)
{
    err e = ok();
    lock(kv);
    if (kv->is_broken) {
        e = kv->users == 0 ? open_again(kv) : fail(ERR_IO);
    }
    kv->users += is_ok(e);
    unlock(kv);
    return e;
}

static void leave(struct kv *kv, int code)
{
    lock(kv);
    kv->users--;
    kv->is_broken = kv->is_broken || code == MDB_PANIC;
    unlock(kv);
}

err kv_sync(struct kv *kv)
{
    TRY(enter(kv));
    int code = mdb_env_sync(kv->env, 1);
    leave(kv, code);
    return kv_fault("sync", kv, code);
}

static int begin_in(struct kv *kv, bool is_write, MDB_txn **ret_txn)
{
    int code = mdb_txn_begin(kv->env, NULL, is_write ? 0 : MDB_RDONLY, ret_txn);
    if (code != 0) {
        leave(kv, code);
    }
    return code;
}

static err begin(struct kv *kv, bool is_write, struct kv_txn **ret_txn)
{
    MDB_txn *txn;
    TRY(enter(kv));
    int code = begin_in(kv, is_write, &txn);
    if (code == MDB_PANIC) {
        TRY(enter(kv));
        code = begin_in(kv, is_write, &txn);
    }
    if (code != 0) {
        return kv_fault("begin in", kv, code);
    }
    *ret_txn = MEM_NEW(struct kv_txn);
    **ret_txn = (struct kv_txn){.kv = kv, .txn = txn, .is_write = is_write};
    return ok();
}

err kv_begin_read(struct kv *kv, struct kv_txn **ret_txn) { return begin(kv, false, ret_txn); }

err kv_begin_write(struct kv *kv, struct kv_txn **ret_txn)
{
    int self = gettid();
    /* A thread that waits for itself would wait for ever. */
    assert_that(__atomic_load_n(&kv->writer_thread, __ATOMIC_RELAXED) != self);
    TRY(begin(kv, true, ret_txn));
    extend_file(kv);
    __atomic_store_n(&kv->writer_thread, self, __ATOMIC_RELAXED);
    return ok();
}

/* Before LMDB releases its writer lock. */
static void end_write(struct kv_txn *txn)
{
    if (txn->is_write) {
        assert_that(__atomic_load_n(&txn->kv->writer_thread, __ATOMIC_RELAXED) == gettid());
        __atomic_store_n(&txn->kv->writer_thread, 0, __ATOMIC_RELAXED);
    }
}

err kv_commit(struct kv_txn *txn)
{
    struct kv *kv = txn->kv;
    err e = txn->fault;
    if (!is_ok(e)) {
        kv_abort(txn);
        return e;
    }
    end_write(txn);
    int code = mdb_txn_commit(txn->txn);
    mem_free(txn);
    leave(kv, code);
    return kv_fault("commit to", kv, code);
}

void kv_abort(struct kv_txn *txn)
{
    if (txn == NULL) {
        return;
    }
    struct kv *kv = txn->kv;
    end_write(txn);
    mdb_txn_abort(txn->txn);
    mem_free(txn);
    leave(kv, 0);
}

static MDB_val to_val(bytes b) { return (MDB_val){b.len, (void *)(uintptr_t)b.data}; }
static bytes from_val(MDB_val v) { return bytes_make(v.mv_data, v.mv_size); }

static MDB_dbi table_of(const struct kv_txn *txn, unsigned table)
{
    assert_that(table < txn->kv->table_count);
    return txn->kv->tables[table];
}

static MDB_val key_of(bytes key)
{
    assert_that(key.len >= 1 && key.len <= KV_KEY_BYTES_MAX);
    return to_val(key);
}

err kv_get(struct kv_txn *txn, unsigned table, bytes key, bytes *ret_value)
{
    MDB_val k = key_of(key);
    MDB_val v;
    int code = mdb_get(txn->txn, table_of(txn, table), &k, &v);
    if (code == 0) {
        *ret_value = from_val(v);
    }
    return kv_fault("read", txn->kv, code);
}

/* Notes the first fault: the transaction may be half done and must not be committed. */
static err wrote(struct kv_txn *txn, int code)
{
    err e = kv_fault("write to", txn->kv, code);
    txn->writes++;
    if (is_ok(txn->fault)) {
        txn->fault = e;
    }
    return e;
}

static void check_write(const struct kv_txn *txn) { assert_that(txn->is_write); }

/* Only writers call it, one at a time. */
static void note_write(struct kv *kv, u64 len)
{
    if (len > __atomic_load_n(&kv->write_bytes_max, __ATOMIC_RELAXED)) {
        __atomic_store_n(&kv->write_bytes_max, len, __ATOMIC_RELAXED);
    }
}

err kv_put(struct kv_txn *txn, unsigned table, bytes key, bytes value)
{
    check_write(txn);
    if (!is_ok(txn->fault)) {
        return txn->fault;
    }
    MDB_val k = key_of(key);
    MDB_val v = to_val(value);
    note_write(txn->kv, value.len + PAGE_BYTES);
    return wrote(txn, mdb_put(txn->txn, table_of(txn, table), &k, &v, 0));
}

err kv_delete(struct kv_txn *txn, unsigned table, bytes key)
{
    check_write(txn);
    if (!is_ok(txn->fault)) {
        return txn->fault;
    }
    MDB_val k = key_of(key);
    int code = mdb_del(txn->txn, table_of(txn, table), &k, NULL);
    return code == MDB_NOTFOUND ? ok() : wrote(txn, code);
}

err kv_count(struct kv_txn *txn, unsigned table, u64 *ret_count)
{
    MDB_stat stat;
    int code = mdb_stat(txn->txn, table_of(txn, table), &stat);
    if (code == 0) {
        *ret_count = stat.ms_entries;
    }
    return kv_fault("read", txn->kv, code);
}

err kv_clear(struct kv_txn *txn, unsigned table)
{
    check_write(txn);
    if (!is_ok(txn->fault)) {
        return txn->fault;
    }
    return wrote(txn, mdb_drop(txn->txn, table_of(txn, table), 0));
}

err kv_cursor_open(struct kv_txn *txn, unsigned table, struct kv_cursor **ret_cursor)
{
    MDB_cursor *cursor;
    int code = mdb_cursor_open(txn->txn, table_of(txn, table), &cursor);
    if (code != 0) {
        return kv_fault("read", txn->kv, code);
    }
    *ret_cursor = MEM_NEW(struct kv_cursor);
    **ret_cursor = (struct kv_cursor){.txn = txn, .cursor = cursor};
    return ok();
}

void kv_cursor_close(struct kv_cursor *cursor)
{
    if (cursor == NULL) {
        return;
    }
    mdb_cursor_close(cursor->cursor);
    mem_free(cursor);
}

/* One LMDB step. `missed` is where the cursor then stands if there is no such entry. */
static err step(struct kv_cursor *cursor, MDB_cursor_op op, bytes key, enum cursor_place missed,
                bytes *ret_key, bytes *ret_value)
{
    MDB_val k = to_val(key);
    MDB_val v;
    int code = mdb_cursor_get(cursor->cursor, &k, &v, op);
    if (code != 0) {
        cursor->place = missed;
        return kv_fault("read", cursor->txn->kv, code);
    }
    cursor->place = CURSOR_AT_KEY;
    cursor->writes = cursor->txn->writes;
    if (cursor->txn->is_write) {
        assert_that(k.mv_size <= sizeof cursor->key);
        cursor->key_len = k.mv_size;
        memcpy(cursor->key, k.mv_data, k.mv_size);
    }
    *ret_key = from_val(k);
    *ret_value = from_val(v);
    return ok();
}

err kv_seek(struct kv_cursor *cursor, bytes key, bytes *ret_key, bytes *ret_value)
{
    assert_that(key.len <= KV_KEY_BYTES_MAX);
    MDB_cursor_op op = key.len == 0 ? MDB_FIRST : MDB_SET_RANGE;
    return step(cursor, op, key, CURSOR_AFTER_ALL, ret_key, ret_value);
}

static const bytes no_key = {NULL, 0};

/* The place of the kept key after others wrote. True: the key itself is gone and LMDB's cursor is
 * at its successor, whose key and value are returned; or nothing is behind it: *ret_end. */
static err find_again(struct kv_cursor *cursor, bool *ret_exact, bool *ret_end, bytes *ret_key,
                      bytes *ret_value)
{
    u8 kept[KV_KEY_BYTES_MAX];
    bytes old = bytes_make(kept, cursor->key_len);
    memcpy(kept, cursor->key, cursor->key_len);
    err e = step(cursor, MDB_SET_RANGE, old, CURSOR_AFTER_ALL, ret_key, ret_value);
    *ret_end = is_err(e, ERR_NOT_FOUND);
    *ret_exact = is_ok(e) && bytes_eq(*ret_key, old);
    return *ret_end ? ok() : e;
}

err kv_next(struct kv_cursor *cursor, bytes *ret_key, bytes *ret_value)
{
    switch (cursor->place) {
    case CURSOR_BEFORE_ALL:
        return step(cursor, MDB_FIRST, no_key, CURSOR_AFTER_ALL, ret_key, ret_value);
    case CURSOR_AFTER_ALL:
        return fail(ERR_NOT_FOUND);
    case CURSOR_AT_KEY:
        break;
    }
    if (cursor->writes != cursor->txn->writes) {
        bool exact;
        bool end;
        bytes key;
        bytes value;
        TRY(find_again(cursor, &exact, &end, &key, &value));
        if (end) {
            return fail(ERR_NOT_FOUND);
        }
        if (!exact) {
            *ret_key = key;
            *ret_value = value;
            return ok();
        }
    }
    return step(cursor, MDB_NEXT, no_key, CURSOR_AFTER_ALL, ret_key, ret_value);
}

err kv_prev(struct kv_cursor *cursor, bytes *ret_key, bytes *ret_value)
{
    switch (cursor->place) {
    case CURSOR_BEFORE_ALL:
        return fail(ERR_NOT_FOUND);
    case CURSOR_AFTER_ALL:
        return step(cursor, MDB_LAST, no_key, CURSOR_BEFORE_ALL, ret_key, ret_value);
    case CURSOR_AT_KEY:
        break;
    }
    if (cursor->writes != cursor->txn->writes) {
        bool exact;
        bool end;
        bytes key;
        bytes value;
        TRY(find_again(cursor, &exact, &end, &key, &value));
        if (end) {
            return step(cursor, MDB_LAST, no_key, CURSOR_BEFORE_ALL, ret_key, ret_value);
        }
    }
    return step(cursor, MDB_PREV, no_key, CURSOR_BEFORE_ALL, ret_key, ret_value);
}
