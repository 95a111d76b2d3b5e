/* trie.h: the hexary Merkle-Patricia trie of Ethereum (yellow paper, appendix D), pure.
 *
 * A trie is opened at a root over a `struct trie_source` that loads nodes by their PATH (the
 * nibbles from the root to the node), is changed in memory, and is then committed: the root is
 * computed and every node that changed is handed to a `struct trie_sink`, by path again. So a store
 * that keeps one node per path holds exactly the current trie: no garbage, no reference counts.
 * Nodes whose encoding is shorter than 32 bytes live inside their parent, as the yellow paper has
 * it, except the root, which always has an entry of its own.
 *
 * Without a source it is a trie in memory, which transaction and receipt roots need.
 *
 * Loaded nodes are checked against the hash by which their parent knows them: ERR_INTEGRITY if they
 * differ. All loops are bounded by the key's length; nothing recurses. Memory comes from the
 * caller's arena and is not reused before it is freed.
 */
#ifndef LEDGER_EXEC_TRIE_H
#define LEDGER_EXEC_TRIE_H

#include "base/arena.h"
#include "base/buf.h"

#define TRIE_KEY_BYTES_MAX 64
#define TRIE_PATH_MAX (2 * TRIE_KEY_BYTES_MAX)

struct trie_path {
    u8 nibbles[TRIE_PATH_MAX]; /* one per byte, 0..15 */
    size_t len;
};

struct trie_source {
    void *ctx;
    /* The node's RLP, valid until the trie's arena is freed. ERR_INTEGRITY if there is none. */
    err (*load)(void *ctx, const struct trie_path *path, struct arena *arena, bytes *ret_node);
    /* The store keeps values, not leaves: load() makes a leaf from its value (trie_leaf_encode) and
     * the sink never hears of one. */
    bool makes_leaves;
};

struct trie_sink {
    void *ctx;
    err (*put)(void *ctx, const struct trie_path *path, bytes node);
    err (*remove)(void *ctx, const struct trie_path *path);
};

struct trie_node;

/* How a node is known to its parent: nothing, in memory, or by hash or embedded encoding. */
struct trie_ref {
    struct trie_node *node; /* NULL: not loaded */
    u8 len;                 /* of enc; 0 with no node: empty; 32: a hash; less: the RLP itself */
    u8 enc[32];
};

struct trie_stale;

struct trie {
    struct arena *arena;
    struct trie_source source; /* load NULL: in memory only */
    struct trie_ref root;
    struct trie_stale *stale; /* paths whose stored node is gone or has moved */
};

/* trie_init: at `root` (account_empty_root() for an empty one). source may be NULL. */
void trie_init(struct trie *trie, struct arena *arena, const struct trie_source *source,
               const struct hash *root);
/* trie_get: *ret_value.data NULL if absent; borrowed from the arena. key: 1..TRIE_KEY_BYTES_MAX. */
err trie_get(struct trie *trie, bytes key, bytes *ret_value);
/* trie_put: copies value, which must not be empty. ERR_LIMIT if the arena is full. */
err trie_put(struct trie *trie, bytes key, bytes value);
/* trie_remove: no fault if absent. */
err trie_remove(struct trie *trie, bytes key);
/* trie_neighbour: the nearest key behind (is_after) or before `key`, which need not be there and
 * may be empty, in the order of bytes; *ret_path: its nibbles. *ret_found false: none. */
err trie_neighbour(struct trie *trie, bytes key, bool is_after, struct trie_path *ret_path,
                   bool *ret_found);
/* trie_root: computes all hashes. */
err trie_root(struct trie *trie, struct hash *ret_root);
/* trie_commit: trie_root(), then removes and puts what changed since trie_init(). The trie must not
 * be used after that. */
err trie_commit(struct trie *trie, const struct trie_sink *sink, struct hash *ret_root);
/* trie_prove: the encodings of the nodes from the root to the key's value, or to the point where
 * its absence shows; embedded nodes are not repeated. ret_nodes: room for TRIE_PATH_MAX + 1. None
 * for an empty trie. Call it on a trie whose root has been computed since the last change. */
err trie_prove(struct trie *trie, bytes key, bytes *ret_nodes, size_t *ret_count);

/* trie_leaf_encode: appends the RLP of the leaf that holds `value` behind the key's nibbles from
 * `from` on (at most TRIE_KEY_BYTES_MAX bytes of key). */
void trie_leaf_encode(struct buf *out, bytes key, size_t from, bytes value);

/* trie_root_of_list: root of the trie rlp(i) → items[i] (transactions, receipts). */
err trie_root_of_list(const struct bytes *items, size_t count, struct hash *ret_root);

#endif
