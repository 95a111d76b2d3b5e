/* rlp.h: Recursive Length Prefix encoding (Ethereum yellow paper, appendix B), canonical only.
 *
 * An item is a byte string or a list of items. Each has exactly one encoding that is accepted: the
 * reader refuses non-minimal lengths, lengths in the long form below 56, single bytes below 0x80
 * with a prefix, and trailing bytes. So equal values have equal bytes, and hashes of them are
 * meaningful; encoding what was decoded gives the input again.
 *
 * Nothing recurses: the caller walks lists item by item, and what it gets borrows from the input.
 * All readers leave *in and their outputs untouched on failure; the only fault is ERR_MALFORMED.
 */
#ifndef CODEC_RLP_H
#define CODEC_RLP_H

#include "base/buf.h"

#define RLP_DEPTH_MAX 1024 /* lists inside each other, for rlp_single() */

struct rlp_item {
    bytes payload; /* of the string, or of the list's items */
    bytes raw;     /* with its prefix */
    bool is_list;
};

/* rlp_next: takes the first item off *in. The items inside a list are not looked at. */
err rlp_next(bytes *in, struct rlp_item *ret_item);
/* rlp_single: exactly one item, nothing behind. Nested items of lists are checked too (iteratively,
 * depth <= RLP_DEPTH_MAX). */
err rlp_single(bytes in, struct rlp_item *ret_item);
/* rlp_next_bytes: a string of at most max bytes, borrowed. */
err rlp_next_bytes(bytes *in, size_t max, bytes *ret);
/* rlp_next_fixed: a string of exactly len bytes, copied. */
err rlp_next_fixed(bytes *in, void *out, size_t len);
/* rlp_next_u64: an integer without leading zeros; zero is the empty string. */
err rlp_next_u64(bytes *in, u64 *ret);
/* rlp_next_uint256: as rlp_next_u64, big-endian into 32 bytes. */
err rlp_next_uint256(bytes *in, u8 out[32]);
/* rlp_next_list: a list; walk its payload with the readers above until it is empty. */
err rlp_next_list(bytes *in, bytes *ret_payload);

void rlp_put_bytes(struct buf *out, bytes in);
void rlp_put_u64(struct buf *out, u64 v);
void rlp_put_uint256(struct buf *out, const u8 v[32]);
/* rlp_list_begin / rlp_list_end: everything appended in between becomes the list's payload. Pairs
 * may nest; ending moves the payload by the prefix. */
size_t rlp_list_begin(struct buf *out);
void rlp_list_end(struct buf *out, size_t begin);

#endif
