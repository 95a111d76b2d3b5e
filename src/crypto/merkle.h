/* merkle.h: binary Merkle trees with the prefixes and shape of RFC 6962 (SHA-256).
 *
 * leaf = SHA-256(0x00 ‖ data), node = SHA-256(0x01 ‖ left ‖ right); a tree of n leaves splits at
 * the largest power of two below n. The root of no leaves is SHA-256 of the empty string.
 *
 * A root does not bind n: one proof may verify under several counts. `count` given to a verifier
 * must come from where the root comes from, or be hashed together with it.
 */
#ifndef CRYPTO_MERKLE_H
#define CRYPTO_MERKLE_H

#include "base/bytes.h"

#define MERKLE_LEVELS_MAX 64

void merkle_leaf(struct hash *out, bytes data);
void merkle_node(struct hash *out, const struct hash *left, const struct hash *right);

/* A tree built leaf by leaf in O(log n) memory. */
struct merkle_builder {
    struct hash stack[MERKLE_LEVELS_MAX];
    u64 leaf_count;
};
void merkle_builder_init(struct merkle_builder *builder);
void merkle_builder_add(struct merkle_builder *builder, const struct hash *leaf);
void merkle_builder_root(const struct merkle_builder *builder, struct hash *ret_root);

/* merkle_root: of `count` leaf hashes. */
void merkle_root(struct hash *ret_root, const struct hash *leaves, u64 count);
/* merkle_proof: audit path of leaf `index` (RFC 6962 2.1.1), bottom first; ret_path has room for
 * MERKLE_LEVELS_MAX; returns its length. index < count. */
size_t merkle_proof(struct hash *ret_path, const struct hash *leaves, u64 count, u64 index);
/* merkle_verify: leaf `index` of `count` has this hash; any index, count and path are fine to pass.
 * All of the path must be used. */
MUST_USE bool merkle_verify(const struct hash *root, const struct hash *leaf, u64 index, u64 count,
                            const struct hash *path, size_t path_len);
/* merkle_range_proof: for the run of leaves [first, first + n), n > 0: the roots of the largest
 * subtrees beside it, from left to right. Ranges are what a reader of 64 KiB checks (16 leaves of
 * 4 KiB); aligned ones have the shortest proofs. ret_path: room for 2 * MERKLE_LEVELS_MAX. */
size_t merkle_range_proof(struct hash *ret_path, const struct hash *leaves, u64 count, u64 first,
                          u64 n);
/* merkle_range_verify: range_leaves has n hashes. Costs at most n + 128 hashes, whatever count
 * says. */
MUST_USE bool merkle_range_verify(const struct hash *root, const struct hash *range_leaves,
                                  u64 first, u64 n, u64 count, const struct hash *path,
                                  size_t path_len);

#endif
