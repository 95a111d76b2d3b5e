/* index.h: the gateway's local, ordered picture of every bucket it serves (LMDB).
 *
 * Built from journals, thrown away and rebuilt at will, except for one table: the write-ahead log of
 * answered commits (signed transactions that the chain may not show yet, and the journal operations
 * they carry). A commit applies its operations and appends to the log in one durable transaction:
 * what was answered 200 is in both, or in neither.
 *
 * Objects are ordered by key bytes inside a bucket, so listing is a range scan. Reads take a snapshot
 * (index_view) that stays stable while a page is written.
 */
#ifndef GATEWAY_JOURNAL_INDEX_H
#define GATEWAY_JOURNAL_INDEX_H

#include "gateway/journal/record.h"
#include "os/kv.h"
#include "os/loop.h"

#define INDEX_BUCKET_NAME_MAX 64

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
    struct journal_head head;   /* newest local head: answered, maybe not yet on chain */
    u64 sequence;
    struct locator snapshot;
    u64 records_since_snapshot;
    u64 object_count;
    u64 byte_count;
};

struct index_pending {      /* one entry of the write-ahead log */
    u64 id;                 /* ascending */
    struct hash tx;
    bytes raw_tx;
    u64 submitted_ms;
    bytes segments;         /* packed (key, have-receipts bitmap) of what must become complete */
    bytes heads;            /* packed (bucket, old hash, new head) */
};

err index_open(const char *dir, u64 size_max_bytes, struct index **ret_index);
void index_close(struct index *index);

err index_view_open(struct index *index, struct index_view **ret_view);
void index_view_close(struct index_view *view);
err index_bucket_by_name(struct index_view *view, bytes name, struct index_bucket *ret);
err index_bucket_by_id(struct index_view *view, const struct hash *id, struct index_bucket *ret);
/* index_bucket_each: in name order. */
err index_bucket_each(struct index_view *view, err (*fn)(void *ctx, const struct index_bucket *b),
                      void *ctx);
/* index_object: the encoded manifest, borrowed until the view is closed; ERR_NOT_FOUND. */
err index_object(struct index_view *view, const struct hash *bucket, bytes key, bytes *ret_manifest);
/* Ordered scan: index_scan_seek goes to the first key >= key; index_scan_next to the one after. */
struct index_scan;
err index_scan_open(struct index_view *view, const struct hash *bucket, struct index_scan **ret);
err index_scan_seek(struct index_scan *scan, bytes key, bytes *ret_key, bytes *ret_manifest);
err index_scan_next(struct index_scan *scan, bytes *ret_key, bytes *ret_manifest);
void index_scan_close(struct index_scan *scan);
/* Multipart uploads and their parts, ordered by (key, upload id) and by part number. */
err index_upload(struct index_view *view, const struct hash *bucket, const u8 upload[16],
                 bytes *ret_key, bytes *ret_manifest, u64 *ret_time_ms);
err index_upload_each(struct index_view *view, const struct hash *bucket,
                      err (*fn)(void *ctx, bytes key, const u8 upload[16], u64 time_ms), void *ctx);
err index_part_each(struct index_view *view, const struct hash *bucket, const u8 upload[16],
                    err (*fn)(void *ctx, u32 part, u64 time_ms, bytes manifest), void *ctx);
err index_config(struct index_view *view, const struct hash *bucket, bytes name, bytes *ret_value);

/* index_update: one durable write transaction. */
struct index_update {
    /* Each record: the operations of one journal record of one bucket, and its new head. */
    struct index_update_record {
        struct hash bucket;
        struct journal_head head;
        u64 sequence;
        struct locator snapshot; /* zero: unchanged */
        bytes ops;
    } *records;
    size_t record_count;
    const struct index_pending *pending; /* NULL: none */
    const struct index_bucket *put_bucket; /* created or replaced; NULL: none */
    const struct hash *drop_bucket;        /* with everything in it; NULL: none */
};
/* index_apply: blocks on fsync: call it through worker_run(). ret_pending_id may be NULL. */
err index_apply(struct index *index, const struct index_update *update, u64 *ret_pending_id);

/* The write-ahead log. */
err index_pending_each(struct index_view *view,
                       err (*fn)(void *ctx, const struct index_pending *pending), void *ctx);
err index_pending_update(struct index *index, u64 id, bytes segments);
err index_pending_remove(struct index *index, u64 id);
/* index_number_reserve: the next `count` segment numbers of a territory are this process's; durable
 * before it returns, so a number is never used twice. `at_least` comes from the chain. */
err index_number_reserve(struct index *index, u64 territory, u64 at_least, u32 count, u64 *ret_first);

#endif
