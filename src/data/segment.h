/* segment.h: identity of a segment and the promises made about it.
 *
 * segment id = SHA-256("cairn segment v1" ‖ class u8 ‖ length u32 ‖ n fragment roots). A fragment
 * root is the RFC 6962 tree of its 4 KiB leaves (crypto/merkle.h). On chain a segment is keyed by
 * (territory, gateway, number).
 *
 * A receipt is a holder's signature (secp256k1, the provider's operator key) over the keccak256 of
 * "cairn receipt v1" ‖ chain u64 ‖ territory u64 ‖ gateway u32 ‖ number u64 ‖ segment id ‖ index u8
 * ‖ root ‖ length u32 ‖ deadline u64. Layouts: docs/formats/segment.md.
 */
#ifndef DATA_SEGMENT_H
#define DATA_SEGMENT_H

#include "codec/record.h"
#include "crypto/sign.h"
#include "data/class.h"

#define RECEIPT_TTL_SECONDS 3600

struct segment_key {
    u64 territory;
    u32 gateway; /* index in the gateway registry, from 1 */
    u64 number;  /* from 0, per (territory, gateway) */
};

/* segment_id: roots has n entries. */
void segment_id(struct hash *ret_id, enum redundancy class_number, u32 length,
                const struct hash *roots, u8 n);

struct receipt_terms {
    u64 chain_id;
    struct segment_key key;
    struct hash segment;
    u8 index; /* fragment 0..n-1 */
    struct hash root;
    u32 length;   /* of the fragment */
    u64 deadline; /* unix seconds; past it the holder may drop the bytes */
};

void receipt_digest(struct hash *ret_digest, const struct receipt_terms *terms);

/* One holder in a commit: 80 bytes packed. */
struct holder_receipt {
    u8 index;     /* fragment */
    u32 provider; /* index in the provider registry, from 1 */
    u16 draw;     /* which draw of the ticket named it */
    u64 deadline;
    struct secp_signature signature;
};

/* One segment in a commit: kind-less packed record, see docs/formats/commit.md. */
struct segment_entry {
    u64 number;
    u64 epoch; /* whose seed the ticket was drawn from */
    enum redundancy class_number;
    u32 length;
    struct hash roots[FRAGMENTS_MAX];
    u8 receipt_count;
    struct holder_receipt receipts[FRAGMENTS_MAX];
};

void segment_entry_write(struct buf *out, const struct segment_entry *entry);
/* segment_entry_read: latches the reader's failure for unknown classes, zero or oversize lengths,
 * indexes out of range or not strictly ascending. */
void segment_entry_read(struct reader *in, struct segment_entry *ret_entry);

/* Where a journal record lives. 20 bytes on chain. */
struct locator {
    u32 gateway;
    u64 number;
    u32 offset;
    u32 length;
};
void locator_write(struct buf *out, const struct locator *locator);
struct locator locator_read(struct reader *in);

#endif
