/* trie_node.h: the encoding of trie nodes, shared by trie.c and proof.c; not for other modules.
 *
 * A node is RLP: a branch is a list of 17 items (16 references and a value), an extension or leaf a
 * list of two (hex-prefix path, then reference or value). A reference is empty, 32 bytes of hash,
 * or the child's own encoding if that is shorter than 32 bytes.
 */
#ifndef LEDGER_EXEC_TRIE_NODE_H
#define LEDGER_EXEC_TRIE_NODE_H

#include "ledger/exec/trie.h"

#define TRIE_WIDTH 16
#define TRIE_HASH_BYTES 32

enum trie_kind { TRIE_BRANCH, TRIE_EXTENSION, TRIE_LEAF };

/* A decoded node; everything borrows from the encoding. */
struct node_view {
    enum trie_kind kind;
    u8 nibbles[TRIE_PATH_MAX]; /* extension, leaf */
    size_t nibble_count;
    bytes value;            /* leaf; branch: empty for none */
    bytes refs[TRIE_WIDTH]; /* branch; extension: the first. len 0, 32, or an embedded node's */
};

/* node_view_decode: strict; ERR_MALFORMED. Embedded nodes are not looked into. */
err node_view_decode(bytes rlp, struct node_view *ret_view);

struct trie_node {
    enum trie_kind kind;
    bool dirty;  /* differs from the store */
    bool hashed; /* the reference to it is up to date */
    bool stored; /* the store has an entry at its path */
    const u8 *nibbles;
    size_t nibble_count;
    bytes value;           /* len 0: none */
    struct trie_ref *refs; /* branch: 16, extension: 1 */
    bytes rlp;             /* if hashed */
};

struct trie_stale {
    struct trie_stale *next;
    struct trie_path path;
};

/* trie_nibbles: of a key. */
void trie_nibbles(struct trie_path *out, bytes key);
/* trie_resolve: the node behind a reference that is not empty, loaded if need be. */
err trie_resolve(struct trie *trie, struct trie_ref *ref, const struct trie_path *path,
                 struct trie_node **ret_node);

#endif
