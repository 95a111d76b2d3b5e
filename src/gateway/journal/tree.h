/* tree.h: ordered keys of up to 2 KiB on a store whose keys end at 511 bytes.
 *
 * A key is cut in chunks of TREE_CHUNK_BYTES. All keys of one root that share a full chunk and go
 * on behind it live below a node of their own; the node's number takes the place of the shared
 * bytes:
 *
 *   entry: node u64 ‖ last chunk (0..C bytes)          → value
 *   link:  node u64 ‖ full chunk (C bytes) ‖ 0x01      → number of the node below
 *
 * A link sorts right behind the entry with the same C bytes and before every longer-sorting chunk,
 * so walking the store in order and descending at links gives the keys in order. Usual keys are one
 * entry. Roots and nodes are numbers from one counter, kept by the caller.
 */
#ifndef GATEWAY_JOURNAL_TREE_H
#define GATEWAY_JOURNAL_TREE_H

#include "os/kv.h"

#define TREE_CHUNK_BYTES (KV_KEY_BYTES_MAX - 8 - 1)
#define TREE_DEPTH_MAX 5
#define TREE_KEY_BYTES_MAX 2100

struct tree {
    struct kv_txn *txn;
    unsigned table;
    u64 root;
};

/* tree_get: ERR_NOT_FOUND. The value is borrowed as kv_get()'s. */
err tree_get(const struct tree *tree, bytes key, bytes *ret_value);
/* tree_put: *counter is the next free node number; it grows when nodes are made. */
err tree_put(const struct tree *tree, bytes key, bytes value, u64 *counter);
/* tree_delete: no fault if absent. Nodes that become empty go, too. */
err tree_delete(const struct tree *tree, bytes key);
/* tree_clear: every key of the root. */
err tree_clear(const struct tree *tree);

/* A cursor lives inside its transaction; the tree must not be written meanwhile. Returned keys are
 * the cursor's until its next move. */
struct tree_cursor;
err tree_cursor_open(const struct tree *tree, struct tree_cursor **ret_cursor);
void tree_cursor_close(struct tree_cursor *cursor);
/* tree_seek: the first key >= key (an empty one: the first of all); ERR_NOT_FOUND. */
err tree_seek(struct tree_cursor *cursor, bytes key, bytes *ret_key, bytes *ret_value);
err tree_next(struct tree_cursor *cursor, bytes *ret_key, bytes *ret_value);

#endif
