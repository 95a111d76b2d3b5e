/* fragment_writer.h: the root of a fragment, computed while its bytes come in; and the check of a
 * part of a fragment against that root.
 *
 * A fragment's tree has leaves of 4 KiB (the last one may be shorter) in the shape of RFC 6962. The
 * writer takes bytes in any split, hashes full leaves straight from the caller's buffer and copies
 * only what crosses one. Leaf hashes can be kept in a caller's array, for proofs later.
 *
 * fragment_range_verify() is what a reader runs before it lets a byte go on: a run of whole leaves
 * with the hashes beside it (merkle_range_proof) must give the root. The root does not fix the
 * number of leaves by itself; the length comes from the segment's id, never from the holder.
 */
#ifndef DATA_FRAGMENT_WRITER_H
#define DATA_FRAGMENT_WRITER_H

#include "crypto/merkle.h"
#include "data/class.h"

#define FRAGMENT_LEAVES_MAX (FRAGMENT_BYTES_MAX / LEAF_BYTES)
#define FRAGMENT_RANGE_BYTES_MAX MIB(1) /* checked by one proof */
#define FRAGMENT_PATH_MAX (2 * MERKLE_LEVELS_MAX)

/* fragment_leaves: in a fragment of `length` bytes. */
static inline u32 fragment_leaves(u32 length) { return (u32)ceil_div(length, LEAF_BYTES); }

struct fragment_writer {
    struct merkle_builder tree;
    struct hash *leaves; /* borrowed until finish; may be NULL */
    u32 leaves_max;
    u32 length; /* bytes so far */
    u8 pending[LEAF_BYTES];
};

/* fragment_writer_init: leaves may be NULL, else has room for leaves_max hashes, which is a bug to
 * exceed. */
void fragment_writer_init(struct fragment_writer *writer, struct hash *leaves, u32 leaves_max);
/* fragment_writer_add: ERR_LIMIT if the fragment would grow over FRAGMENT_BYTES_MAX; nothing is
 * taken then. */
err fragment_writer_add(struct fragment_writer *writer, bytes in);
/* fragment_writer_finish: hashes the short last leaf, if any. Returns the number of leaves. Nothing
 * may be added afterwards. */
u32 fragment_writer_finish(struct fragment_writer *writer, struct hash *ret_root);

/* fragment_leaves_add: the leaves of `in`, which begins on a leaf's border, to a tree. Only the
 * last call for a tree may end inside a leaf. */
void fragment_leaves_add(struct merkle_builder *tree, bytes in);

/* fragment_range_verify: data are the bytes [offset, offset + data.len) of a fragment of `length`
 * bytes, path the hashes beside them from left to right. False if they do not give the root, or if
 * the range is empty, over FRAGMENT_RANGE_BYTES_MAX, outside the fragment, or not made of whole
 * leaves. */
MUST_USE bool fragment_range_verify(const struct hash *root, u32 length, u32 offset, bytes data,
                                    const struct hash *path, size_t path_len);

#endif
