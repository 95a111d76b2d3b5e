/* rlp.h: Recursive Length Prefix encoding (Ethereum yellow paper, appendix B), canonical only.
 *
 * The reader refuses non-minimal lengths, single bytes below 0x80 with a prefix, and trailing bytes.
 * It does not recurse: the caller walks lists item by item.
 */
#ifndef CODEC_RLP_H
#define CODEC_RLP_H

#include "base/buf.h"

struct rlp_item {
    bytes payload; /* of the string, or of the list's items */
    bytes raw;     /* with its prefix */
    bool is_list;
};

/* rlp_next: takes the first item off *in; ERR_MALFORMED. */
err rlp_next(bytes *in, struct rlp_item *ret_item);
/* rlp_single: exactly one item, nothing behind. Nested items of lists are checked too (iteratively,
 * depth <= 1024). */
err rlp_single(bytes in, struct rlp_item *ret_item);
/* Typed reads off a list's payload; integers without leading zeros. */
err rlp_next_bytes(bytes *in, size_t max, bytes *ret);
err rlp_next_fixed(bytes *in, void *out, size_t len);
err rlp_next_u64(bytes *in, u64 *ret);
/* rlp_next_uint256: big-endian into 32 bytes. */
err rlp_next_uint256(bytes *in, u8 out[32]);
err rlp_next_list(bytes *in, bytes *ret_payload);

void rlp_put_bytes(struct buf *out, bytes in);
void rlp_put_u64(struct buf *out, u64 v);
void rlp_put_uint256(struct buf *out, const u8 v[32]);
/* rlp_list_begin / rlp_list_end: everything appended in between becomes the list's payload. */
size_t rlp_list_begin(struct buf *out);
void rlp_list_end(struct buf *out, size_t begin);

#endif
