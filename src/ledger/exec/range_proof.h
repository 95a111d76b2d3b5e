/* range_proof.h: proofs that a list of entries is everything a secure trie holds between two keys.
 *
 * A part of a snapshot is a range of a trie: all entries with from <= key <= to, with the nodes on
 * the way to `from` and to `to` (trie_prove of both, whether or not they are there). Those nodes
 * give a trie in which everything but the two edges is a hash. What lies between the edges is taken
 * out of it, the entries are put in, and the root must be the known one: then the range holds these
 * entries, all of them and no other. A range over all keys needs no nodes.
 *
 * Pure. Entries come from outside: anything may be wrong with them but the shape of this struct.
 */
#ifndef LEDGER_EXEC_RANGE_PROOF_H
#define LEDGER_EXEC_RANGE_PROOF_H

#include "ledger/exec/trie.h"

struct range_proof {
    struct hash root;
    struct hash from;
    struct hash to;
    const struct hash *keys; /* ascending */
    const struct bytes *values;
    size_t count;
    const struct bytes *from_nodes; /* from the root on */
    size_t from_count;
    const struct bytes *to_nodes;
    size_t to_count;
};

/* range_proof_verify: *ret_valid whether the range proves its entries. Memory from arena; ERR_LIMIT
 * if it is full. */
err range_proof_verify(struct arena *arena, const struct range_proof *range, bool *ret_valid);

#endif
