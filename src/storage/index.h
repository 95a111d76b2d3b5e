/* index.h: the node's index (LMDB) with group commit.
 *
 * Every change is a function that runs inside a write transaction on a worker thread. Changes that
 * are asked for while a transaction is being made durable share the next one: of the fibers that
 * wait, the first leads, runs everything that has queued up (INDEX_BATCH_MAX at most), and hands
 * the lead on. So n uploads that finish together cost one or two flushes of the disk, not n.
 *
 * A change that refuses (returns a fault before it has written anything) does not disturb the
 * others of its batch. When the transaction itself fails, nothing of the batch was written and all
 * get the fault.
 */
#ifndef STORAGE_INDEX_H
#define STORAGE_INDEX_H

#include "os/kv.h"
#include "os/loop.h"

#define INDEX_BATCH_MAX 64

enum index_table {
    INDEX_FRAGMENTS, /* fragment key → entry */
    INDEX_PIECES,    /* fragment key ‖ piece u8 → bytes of a fragment that lives in the index */
    INDEX_OPEN,      /* fragment key → (empty): OPEN and ABANDONED entries */
    INDEX_HELD,      /* position u32 → fragment key */
    INDEX_COPIES,    /* transaction hash → copy of a gateway's commit */
    INDEX_META,      /* name → record */
    INDEX_TABLES,
};

struct index;
typedef err index_fn(struct kv_txn *txn, void *arg);

err index_open(struct loop *loop, const char *dir, u64 size_max_bytes, struct index **ret_index);
/* index_close: no change may be under way. NULL is fine. */
void index_close(struct index *index);
/* index_write: runs fn in a write transaction and returns when it is durable: fn's own fault, or
 * that of the transaction. fn touches only txn and arg. Parks; not cut short by loop_stop(). */
err index_write(struct index *index, index_fn *fn, void *arg);
/* index_read: runs fn here and now over a stable view. For a few small values; whoever reads much
 * does it on a worker. */
err index_read(struct index *index, index_fn *fn, void *arg);
/* index_read_worker: the same on a worker; parks. */
err index_read_worker(struct index *index, index_fn *fn, void *arg);
/* index_commits: transactions so far. */
u64 index_commits(const struct index *index);

#endif
