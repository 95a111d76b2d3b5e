/* index.h: the gateway's local, ordered picture of every bucket it serves (LMDB).
 *
 * Built from journals, thrown away and rebuilt at will, except for one table: the write-ahead log
 * of answered commits (signed transactions that the chain may not show yet, and the journal
 * operations they carry). A commit applies its operations and appends to the log in one durable
 * transaction: what was answered 200 is in both, or in neither.
 *
 * Objects are ordered by key bytes inside a bucket, so listing is a range scan. Reads take a
 * snapshot (index_view) that stays stable while a page is written; a view must not be kept for
 * long, since the store cannot reuse pages that it sees.
 *
 * Values (manifests with their file keys and inline data, configuration, user records) are sealed
 * under a local key if one is given: what lies on the gateway's disk opens nothing without it.
 * Names are in clear, because they are what is ordered.
 */
#ifndef GATEWAY_JOURNAL_INDEX_H
#define GATEWAY_JOURNAL_INDEX_H

#include "gateway/journal/record.h"
#include "os/kv.h"
#include "os/loop.h"

#define INDEX_BUCKET_NAME_MAX 64
#define INDEX_VIEW_BYTES_MAX MIB(32) /* of values that one view has opened */

struct index;
struct index_view; /* a read transaction */

struct index_bucket {
    struct hash id;
    char name[INDEX_BUCKET_NAME_MAX];
    struct address owner;
    u64 territory;
    u32 label_version;
    u64 created_ms;
    u64 policy;
    struct journal_head head; /* newest local head: answered, maybe not yet on chain */
    u64 sequence;
    struct locator snapshot;
    u64 records_since_snapshot;
    u64 object_count;
    u64 byte_count;
    u64 journal_bytes_since_snapshot;
    u64 snapshot_cost; /* of reading the newest snapshot: its table, and journal_record_cost() of
                          each record kept */
};

struct index_pending { /* one entry of the write-ahead log */
    u64 id;            /* ascending */
    struct hash tx;
    bytes raw_tx;
    u64 submitted_ms;
    bytes segments; /* packed (key, have-receipts bitmap) of what must become complete */
    bytes heads;    /* packed (bucket, old hash, new head) */
};

/* index_store_open: values are sealed under `key`; NULL: they are in clear (tests). ERR_INTEGRITY:
 * made with another key. ERR_IO, ERR_NO_SPACE. */
err index_store_open(const char *dir, u64 size_max_bytes, const struct aead_key *key,
                     struct index **ret_index);
void index_store_close(struct index *index);

err index_view_open(struct index *index, struct index_view **ret_view);
void index_view_close(struct index_view *view);
/* index_bucket_by_name: of several (two owners who came with the same name from other gateways) the
 * oldest. */
err index_bucket_by_name(struct index_view *view, bytes name, struct index_bucket *ret);
err index_bucket_by_id(struct index_view *view, const struct hash *id, struct index_bucket *ret);
/* index_bucket_each: in name order; without system buckets (names that begin with a dot). */
err index_bucket_each(struct index_view *view, err (*fn)(void *ctx, const struct index_bucket *b),
                      void *ctx);
/* index_system_each: the owners' system buckets alone. */
err index_system_each(struct index_view *view, err (*fn)(void *ctx, const struct index_bucket *b),
                      void *ctx);
/* index_object: the encoded manifest, borrowed until the view is closed; ERR_NOT_FOUND; ERR_LIMIT:
 * this view has opened INDEX_VIEW_BYTES_MAX. */
err index_object(struct index_view *view, const struct hash *bucket, bytes key,
                 bytes *ret_manifest);
/* Ordered scan: index_scan_seek goes to the first key >= key; index_scan_next to the one after;
 * both ERR_NOT_FOUND at the end. Key and manifest are borrowed until the next move. */
struct index_scan;
err index_scan_open(struct index_view *view, const struct hash *bucket, struct index_scan **ret);
err index_scan_seek(struct index_scan *scan, bytes key, bytes *ret_key, bytes *ret_manifest);
err index_scan_next(struct index_scan *scan, bytes *ret_key, bytes *ret_manifest);
void index_scan_close(struct index_scan *scan);
/* Multipart uploads and their parts, ordered by (key, upload id) and by part number. Bytes given to
 * fn are borrowed during the call. */
err index_upload(struct index_view *view, const struct hash *bucket, const u8 upload[16],
                 bytes *ret_key, bytes *ret_manifest, u64 *ret_time_ms);
err index_upload_each(struct index_view *view, const struct hash *bucket,
                      err (*fn)(void *ctx, bytes key, const u8 upload[16], u64 time_ms), void *ctx);
/* index_upload_from: the same from the first upload behind (key, upload id) on; an empty key: from
 * the first of all. */
err index_upload_from(struct index_view *view, const struct hash *bucket, bytes key,
                      const u8 upload[16],
                      err (*fn)(void *ctx, bytes key, const u8 upload[16], u64 time_ms), void *ctx);
err index_part_each(struct index_view *view, const struct hash *bucket, const u8 upload[16],
                    err (*fn)(void *ctx, u32 part, u64 time_ms, bytes manifest), void *ctx);
/* index_config: borrowed until the view is closed; ERR_NOT_FOUND. */
err index_config(struct index_view *view, const struct hash *bucket, bytes name, bytes *ret_value);

/* index_dump: everything of a bucket as journal operations in order (objects, uploads with their
 * parts, configuration): the table of a snapshot. Inline objects stay where they are if at least
 * half of their record is live: at the end one JOURNAL_KEPT for each such record stands for them.
 * op is borrowed during the call. */
err index_dump(struct index_view *view, const struct hash *bucket,
               err (*fn)(void *ctx, const struct journal_op *op), void *ctx);

/* index_update: one durable write transaction, applied in the order of the fields. */
struct index_update {
    /* created or replaced; NULL: none. Of a bucket that is there already, the counts, head,
     * sequence and snapshot stay what they are. */
    const struct index_bucket *put_bucket;
    /* Each record: the operations of one journal record of one bucket, and its new head. */
    struct index_update_record {
        struct hash bucket;
        struct journal_head head;
        u64 sequence;
        struct locator snapshot; /* zero: unchanged */
        u64 snapshot_cost;       /* of reading it, if there is one */
        bool clear;              /* everything in the bucket goes before the operations come */
        bytes ops;
        /* `ops` are the body of an older record, of which only what this names counts; NULL: all */
        const struct journal_kept *kept;
    } * records;
    size_t record_count;
    const struct index_pending *pending; /* NULL: none */
    const struct hash *drop_bucket;      /* with everything in it; NULL: none */
};
/* index_apply: blocks on fsync: call it through worker_run(). ret_pending_id may be NULL.
 * ERR_NOT_FOUND: a record of an unknown bucket; ERR_MALFORMED: bad operations; ERR_NO_SPACE,
 * ERR_IO. On any fault nothing is changed. */
err index_apply(struct index *index, const struct index_update *update, u64 *ret_pending_id);

/* The write-ahead log. The writing calls are durable when they return, and block as index_apply. */
err index_pending_each(struct index_view *view,
                       err (*fn)(void *ctx, const struct index_pending *pending), void *ctx);
err index_pending_update(struct index *index, u64 id, bytes segments);
/* index_pending_replace: all of entry pending->id, for a commit that was signed again. */
err index_pending_replace(struct index *index, const struct index_pending *pending);
err index_pending_remove(struct index *index, u64 id);
/* index_number_reserve: the next `count` segment numbers of a territory are this process's; durable
 * before it returns, so a number is never used twice. `at_least` comes from the chain. */
err index_number_reserve(struct index *index, u64 territory, u64 at_least, u32 count,
                         u64 *ret_first);
/* index_number_next: what the next reservation would give; 0: none was made here. */
err index_number_next(struct index_view *view, u64 territory, u64 *ret_next);

#endif
