/* seal.h: the records that a fragment upload ends with: the segment's seal, the holder's receipt.
 *
 * The seal names a segment completely: key, class, length and the roots of all n fragments, whose
 * hash is the segment id. Holders keep it beside the bytes, so that any of them can tell a reader
 * the roots, and the reader checks them against the id on chain. Layouts:
 * docs/formats/transfer.md. */
#ifndef TRANSFER_SEAL_H
#define TRANSFER_SEAL_H

#include "data/segment.h"

#define SEAL_BYTES_MAX (4 + 20 + 1 + 4 + 1 + 32 * FRAGMENTS_MAX)
#define RECEIPT_BYTES (4 + 1 + 4 + 8 + 65)

struct segment_seal {
    struct segment_key key;
    enum redundancy class_number;
    u32 length;
    struct hash roots[FRAGMENTS_MAX]; /* n of the class */
};

void segment_seal_write(struct buf *out, const struct segment_seal *seal);
/* segment_seal_read: latches the reader's failure for an unknown class, a bad length or another
 * number of roots than the class has. */
void segment_seal_read(struct reader *in, struct segment_seal *ret_seal);
/* segment_seal_id: SHA-256 of segment_id(). */
void segment_seal_id(const struct segment_seal *seal, struct hash *ret_id);
/* segment_seal_shape: of a seal that was read or made right. */
struct segment_shape segment_seal_shape(const struct segment_seal *seal);
/* segment_seal_terms: what a holder of fragment `index` signs. */
struct receipt_terms segment_seal_terms(const struct segment_seal *seal, u64 chain_id, u8 index,
                                        u64 deadline);

/* receipt_write / receipt_read: the answer to an upload; draw is not part of it. */
void receipt_write(struct buf *out, const struct holder_receipt *receipt);
void receipt_read(struct reader *in, struct holder_receipt *ret_receipt);

#endif
