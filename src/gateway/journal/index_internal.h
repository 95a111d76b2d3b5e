/* index_internal.h: what the files of the index share: tables, keys, bucket records, sealed values.
 */
#ifndef GATEWAY_JOURNAL_INDEX_INTERNAL_H
#define GATEWAY_JOURNAL_INDEX_INTERNAL_H

#include "gateway/journal/index.h"
#include "gateway/journal/tree.h"

/* Objects, upload order and configuration are trees whose roots are the bucket's number. */
enum index_table {
    TABLE_META,         /* name → value */
    TABLE_BUCKETS,      /* id → bucket record */
    TABLE_NAMES,        /* name ‖ 0 ‖ created u64 ‖ id → nothing */
    TABLE_OBJECTS,      /* tree: object key → manifest */
    TABLE_UPLOADS,      /* bucket number ‖ upload id → time, key, manifest */
    TABLE_UPLOAD_ORDER, /* tree: escaped key ‖ upload id → time */
    TABLE_PARTS,        /* bucket number ‖ upload id ‖ part u32 → time, manifest */
    TABLE_CONFIG,       /* tree: name → document */
    TABLE_PENDING,      /* id u64 → entry of the write-ahead log */
    TABLE_NUMBERS,      /* territory u64 → next segment number u64 */
    TABLE_INLINE, /* bucket number ‖ sequence → a record with live inline objects (inline.c);
                   * bucket number ‖ sequence ‖ ordinal u32 → one of them */
    TABLE_COUNT,
};

#define SEALED_OVERHEAD (24 + AEAD_TAG_BYTES)

struct index {
    struct kv *kv;
    bool sealed;
    struct aead_key seal_key;
    struct hash nonce_key;
};

struct index_view {
    struct index *index;
    struct kv_txn *txn;
    struct arena opened; /* values that were sealed */
};

/* A bucket record with the number that its trees hang at. */
struct stored_bucket {
    struct index_bucket it;
    u64 number;
};

err stored_bucket_load(struct kv_txn *txn, const struct hash *id, struct stored_bucket *ret);
void stored_bucket_write(struct buf *out, const struct stored_bucket *bucket);

struct tree index_tree(struct kv_txn *txn, enum index_table table, u64 number);
/* index_name_key: returns its length. */
size_t index_name_key(u8 out[KV_KEY_BYTES_MAX], bytes name, u64 created_ms, const struct hash *id);
/* Keys of uploads and parts, 24 and 28 bytes. */
void index_upload_key(u8 out[24], u64 number, const u8 upload[16]);
void index_part_key(u8 out[28], u64 number, const u8 upload[16], u32 part);
/* index_order_key: key bytes with 00 → 00 ff, then 00 00, then the upload id. */
size_t index_order_key(u8 out[TREE_KEY_BYTES_MAX], bytes key, const u8 upload[16]);
/* index_order_split: the reverse; key goes to out (JOURNAL_KEY_BYTES_MAX). False: damaged. */
MUST_USE bool index_order_split(bytes in, u8 *out, size_t *ret_len, const u8 **ret_upload);

/* ---- inline.c: which records hold live inline objects ---- */

/* Where an object's put stands in the journal; sequence 0: nowhere, or it does not matter. */
struct origin {
    u64 sequence;
    u32 ordinal;
};

struct inline_record {
    struct journal_head head;
    u64 live_bytes; /* of operations */
    u32 live_count;
};

/* object_value_write: an object as it is stored, before it is sealed. object_value_read: manifest
 * borrows from `in`. */
void object_value_write(struct buf *out, const struct origin *origin, bytes manifest);
err object_value_read(bytes in, struct origin *ret_origin, bytes *ret_manifest);
/* index_scan_origin: of the object that the scan is at. */
const struct origin *index_scan_origin(const struct index_scan *scan);
/* inline_add, inline_remove: in a write transaction: a put of the record `head` is live, or is no
 * longer. */
err inline_add(struct kv_txn *txn, u64 number, const struct origin *origin,
               const struct journal_head *head, const struct journal_op *op);
err inline_remove(struct kv_txn *txn, u64 number, const struct origin *origin);
/* inline_kept: whether a table leaves the record's objects where they are. */
err inline_kept(struct kv_txn *txn, u64 number, u64 sequence, bool *ret_kept);
/* inline_each: a JOURNAL_KEPT for each record that is left where it is. */
err inline_each(struct kv_txn *txn, u64 number, err (*fn)(void *ctx, const struct journal_op *op),
                void *ctx);

/* value_seal: appends `plain` as it is stored. value_open: *ret is `stored` itself or lives in
 * `room` (stored.len bytes). */
void value_seal(const struct index *index, struct buf *out, bytes plain);
err value_open(const struct index *index, u8 *room, bytes stored, bytes *ret);

#endif
