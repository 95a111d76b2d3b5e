/* kv.h: an ordered, crash-safe key-value store (LMDB).
 *
 * One environment has a fixed number of tables, numbered from 0. One write transaction at a time,
 * any number of readers with a stable view. kv_commit() returns after the data is durable. Keys are
 * 1..511 bytes, ordered as unsigned bytes; values up to 2 GiB. Returned values are borrowed until
 * the transaction ends (for a write transaction: until the next write).
 *
 * A write transaction must begin, write and commit on one thread: put the whole of it into one
 * worker_run() if it should not block the loop. Read transactions may be used by any fiber or
 * thread, one at a time. An old one keeps the pages of its view from being used again: end it soon.
 *
 * A store is a folder with LMDB's two files and "owner", whose lock makes one process the only
 * opener. A process may have many stores. Deleting needs room like writing (pages are copied):
 * leave slack below size_max_bytes.
 */
#ifndef OS_KV_H
#define OS_KV_H

#include "base/bytes.h"

#define KV_TABLES_MAX 32
#define KV_KEY_BYTES_MAX 511

struct kv;
struct kv_txn;
struct kv_cursor;

struct kv_options {
    unsigned table_count; /* 1..KV_TABLES_MAX */
    u64 size_max_bytes;   /* address space reserved; ERR_NO_SPACE beyond it */
    bool no_sync; /* a crash may undo the last commit, never mix two: saves half the syncs */
};

/* kv_open: `dir` is made if absent. ERR_BUSY (open already, here or in another process), ERR_IO,
 * ERR_NO_SPACE, ERR_INTEGRITY (not a store, or damaged where that is seen without reading all). */
err kv_open(const char *dir, const struct kv_options *options, struct kv **ret_kv);
void kv_close(struct kv *kv);
/* kv_sync: makes earlier commits of a no_sync store durable. */
err kv_sync(struct kv *kv);
/* kv_check: reads the whole structure of a store that is not open, without LMDB. ERR_INTEGRITY
 * (logged: what and where), ERR_NOT_FOUND, ERR_IO. Damaged values are not seen, only damaged
 * structure. */
err kv_check(const char *dir);

err kv_begin_read(struct kv *kv, struct kv_txn **ret_txn);
err kv_begin_write(struct kv *kv, struct kv_txn **ret_txn);
/* kv_commit: ends the transaction whatever happens; a fault means nothing was written. After a
 * failed write (kv_put and so on) it returns that write's fault. ERR_NO_SPACE: the disk is full, or
 * the store. ERR_IO: the commit may still turn
 * out to be there after a crash, whole. */
err kv_commit(struct kv_txn *txn);
/* kv_abort: ends it; NULL is fine. */
void kv_abort(struct kv_txn *txn);

/* kv_get: ERR_NOT_FOUND. */
err kv_get(struct kv_txn *txn, unsigned table, bytes key, bytes *ret_value);
err kv_put(struct kv_txn *txn, unsigned table, bytes key, bytes value);
/* kv_delete: no fault if absent. */
err kv_delete(struct kv_txn *txn, unsigned table, bytes key);
err kv_count(struct kv_txn *txn, unsigned table, u64 *ret_count);
err kv_clear(struct kv_txn *txn, unsigned table);

/* A cursor lives inside its transaction and must be closed before it ends. Writes through the same
 * transaction may go on meanwhile: the cursor continues from its key, whether or not it is still
 * there. A new cursor stands before the first entry. */
err kv_cursor_open(struct kv_txn *txn, unsigned table, struct kv_cursor **ret_cursor);
void kv_cursor_close(struct kv_cursor *cursor);
/* kv_seek: the first entry with key >= `key` (an empty key: the first of all). ERR_NOT_FOUND. */
err kv_seek(struct kv_cursor *cursor, bytes key, bytes *ret_key, bytes *ret_value);
/* kv_next: the entry after the current one. ERR_NOT_FOUND at the end, as often as it is called. */
err kv_next(struct kv_cursor *cursor, bytes *ret_key, bytes *ret_value);
/* kv_prev: the entry before the current one; after kv_seek() gave ERR_NOT_FOUND: the last of all.
 */
err kv_prev(struct kv_cursor *cursor, bytes *ret_key, bytes *ret_value);

#endif
