/* index_apply.c: operations into tables. One write transaction, on a worker thread. */
#include "gateway/journal/index_internal.h"

#include "base/assert.h"
#include "base/mem.h"
#include "data/kinds.h"
#include "gateway/journal/kinds.h"

#define META_COUNTER "next number"
#define PENDING_VERSION 1
#define INLINE_BYTES_MIN 64 /* less is not worth a record that is read for it: tables copy it */
#define MANIFEST_SIZE_AT 5  /* docs/formats/manifest.md: kind, version, flags, size */

/* One write transaction with the counter that tree nodes, buckets and log entries are numbered by.
 */
struct index_txn {
    struct index *index;
    struct kv_txn *txn;
    u64 counter;
    struct buf sealed; /* a value as it is stored */
    struct buf plain;  /* one before it is sealed */
};

static err txn_begin(struct index *index, struct index_txn *ret)
{
    bytes value;
    struct index_txn it = {.index = index, .counter = 1};
    TRY(kv_begin_write(index->kv, &it.txn));
    err e = kv_get(it.txn, TABLE_META, bytes_str(META_COUNTER), &value);
    if (is_ok(e) && value.len == 8) {
        it.counter = load_be64(value.data);
    } else if (!is_err(e, ERR_NOT_FOUND)) {
        kv_abort(it.txn);
        return is_ok(e) ? fail(ERR_INTEGRITY) : e;
    }
    buf_init(&it.sealed, MANIFEST_BYTES_MAX + KIB(64));
    buf_init(&it.plain, MANIFEST_BYTES_MAX + KIB(32));
    *ret = it;
    return ok();
}

static err txn_end(struct index_txn *it, err e)
{
    u8 counter[8];
    buf_free(&it->sealed);
    buf_free(&it->plain);
    store_be64(counter, it->counter);
    if (is_ok(e)) {
        e = kv_put(it->txn, TABLE_META, bytes_str(META_COUNTER), BYTES_OF(counter));
    }
    if (!is_ok(e)) {
        kv_abort(it->txn);
        return e;
    }
    return kv_commit(it->txn);
}

/* seal: as it is stored, until the next call. */
static err seal(struct index_txn *it, bytes plain, bytes *ret)
{
    buf_clear(&it->sealed);
    value_seal(it->index, &it->sealed, plain);
    TRY(buf_done(&it->sealed));
    *ret = buf_bytes(&it->sealed);
    return ok();
}

/* ---- buckets ---- */

static err bucket_save(struct index_txn *it, const struct stored_bucket *bucket)
{
    struct buf out;
    buf_init(&out, 1024);
    stored_bucket_write(&out, bucket);
    err e = kv_put(it->txn, TABLE_BUCKETS, BYTES_OF(bucket->it.id), buf_bytes(&out));
    buf_free(&out);
    return e;
}

static err name_drop(struct index_txn *it, const struct index_bucket *bucket)
{
    u8 key[KV_KEY_BYTES_MAX];
    size_t len = index_name_key(key, bytes_str(bucket->name), bucket->created_ms, &bucket->id);
    return kv_delete(it->txn, TABLE_NAMES, bytes_make(key, len));
}

static err bucket_put(struct index_txn *it, const struct index_bucket *wanted)
{
    u8 key[KV_KEY_BYTES_MAX];
    struct stored_bucket bucket = {.it = *wanted};
    struct stored_bucket former;
    err e = stored_bucket_load(it->txn, &wanted->id, &former);
    if (is_ok(e)) {
        TRY(name_drop(it, &former.it));
        bucket = former;
        memcpy(bucket.it.name, wanted->name, sizeof bucket.it.name);
        bucket.it.owner = wanted->owner;
        bucket.it.territory = wanted->territory;
        bucket.it.label_version = wanted->label_version;
        bucket.it.created_ms = wanted->created_ms;
        bucket.it.policy = wanted->policy;
    } else if (is_err(e, ERR_NOT_FOUND)) {
        bucket.number = it->counter++;
        bucket.it.object_count = 0;
        bucket.it.byte_count = 0;
    } else {
        return e;
    }
    size_t len =
        index_name_key(key, bytes_str(bucket.it.name), bucket.it.created_ms, &bucket.it.id);
    TRY(kv_put(it->txn, TABLE_NAMES, bytes_make(key, len), bytes_make("", 0)));
    return bucket_save(it, &bucket);
}

/* drop_prefixed: every entry of a plain table whose key begins so. */
static err drop_prefixed(struct index_txn *it, enum index_table table, bytes prefix)
{
    u8 found[KV_KEY_BYTES_MAX];
    for (;;) {
        struct kv_cursor *cursor;
        bytes key = {NULL, 0};
        bytes value;
        TRY(kv_cursor_open(it->txn, table, &cursor));
        err e = kv_seek(cursor, prefix, &key, &value);
        bool is_one = is_ok(e) && bytes_starts_with(key, prefix);
        if (is_one) {
            memcpy(found, key.data, key.len);
        }
        kv_cursor_close(cursor);
        if (is_err(e, ERR_NOT_FOUND) || (is_ok(e) && !is_one)) {
            return ok();
        }
        TRY(e);
        TRY(kv_delete(it->txn, table, bytes_make(found, key.len)));
    }
}

static err bucket_clear(struct index_txn *it, struct stored_bucket *bucket)
{
    static const enum index_table trees[] = {TABLE_OBJECTS, TABLE_UPLOAD_ORDER, TABLE_CONFIG};
    u8 prefix[8];
    store_be64(prefix, bucket->number);
    for (size_t i = 0; i < COUNT_OF(trees); i++) {
        struct tree tree = index_tree(it->txn, trees[i], bucket->number);
        TRY(tree_clear(&tree));
    }
    TRY(drop_prefixed(it, TABLE_UPLOADS, BYTES_OF(prefix)));
    TRY(drop_prefixed(it, TABLE_PARTS, BYTES_OF(prefix)));
    TRY(drop_prefixed(it, TABLE_INLINE, BYTES_OF(prefix)));
    bucket->it.object_count = 0;
    bucket->it.byte_count = 0;
    return ok();
}

static err bucket_drop(struct index_txn *it, const struct hash *id)
{
    struct stored_bucket bucket;
    err e = stored_bucket_load(it->txn, id, &bucket);
    if (is_err(e, ERR_NOT_FOUND)) {
        return ok();
    }
    TRY(e);
    TRY(bucket_clear(it, &bucket));
    TRY(name_drop(it, &bucket.it));
    return kv_delete(it->txn, TABLE_BUCKETS, BYTES_OF(*id));
}

/* ---- operations ---- */

/* An operation's record and its place in there. */
struct place {
    struct origin origin;
    const struct journal_head *head;
};

/* object_size: 0 for what is no manifest. */
static u64 object_size(bytes manifest)
{
    bool fits = manifest.len >= MANIFEST_SIZE_AT + 8 && load_be16(manifest.data) == KIND_MANIFEST;
    return fits ? load_be64(manifest.data + MANIFEST_SIZE_AT) : 0;
}

/* uncount: the object that is about to be replaced or deleted. */
static err uncount(struct index_txn *it, struct stored_bucket *bucket, bytes key)
{
    bytes stored;
    bytes manifest;
    struct tree tree = index_tree(it->txn, TABLE_OBJECTS, bucket->number);
    err e = tree_get(&tree, key, &stored);
    if (is_err(e, ERR_NOT_FOUND)) {
        return ok();
    }
    TRY(e);
    struct origin origin = {0};
    u8 *room = mem_alloc(stored.len);
    e = value_open(it->index, room, stored, &manifest);
    if (is_ok(e)) {
        e = object_value_read(manifest, &origin, &manifest);
    }
    if (is_ok(e)) {
        bucket->it.object_count--;
        bucket->it.byte_count -= min_u64(bucket->it.byte_count, object_size(manifest));
    }
    mem_free(room);
    if (is_ok(e) && origin.sequence != 0) {
        e = inline_remove(it->txn, bucket->number, &origin);
    }
    return e;
}

/* apply_put: `place` is where the operation stands. */
static err apply_put(struct index_txn *it, struct stored_bucket *bucket,
                     const struct journal_op *op, const struct place *place)
{
    bytes value;
    struct tree tree = index_tree(it->txn, TABLE_OBJECTS, bucket->number);
    struct origin origin = {0};
    TRY(uncount(it, bucket, op->key));
    if (place->origin.sequence != 0 && journal_op_inline(op) >= INLINE_BYTES_MIN) {
        origin = place->origin;
        TRY(inline_add(it->txn, bucket->number, &origin, place->head, op));
    }
    buf_clear(&it->plain);
    object_value_write(&it->plain, &origin, op->value);
    TRY(buf_done(&it->plain));
    TRY(seal(it, buf_bytes(&it->plain), &value));
    TRY(tree_put(&tree, op->key, value, &it->counter));
    bucket->it.object_count++;
    bucket->it.byte_count += object_size(op->value);
    return ok();
}

static err apply_delete(struct index_txn *it, struct stored_bucket *bucket,
                        const struct journal_op *op)
{
    struct tree tree = index_tree(it->txn, TABLE_OBJECTS, bucket->number);
    TRY(uncount(it, bucket, op->key));
    return tree_delete(&tree, op->key);
}

static err apply_upload(struct index_txn *it, struct stored_bucket *bucket,
                        const struct journal_op *op)
{
    u8 key[24];
    u8 order[TREE_KEY_BYTES_MAX];
    u8 time[8];
    bytes value;
    struct tree tree = index_tree(it->txn, TABLE_UPLOAD_ORDER, bucket->number);
    buf_clear(&it->plain);
    buf_put_be64(&it->plain, op->time_ms);
    write_str16(&it->plain, op->key);
    buf_put(&it->plain, op->value);
    TRY(buf_done(&it->plain));
    TRY(seal(it, buf_bytes(&it->plain), &value));
    index_upload_key(key, bucket->number, op->upload);
    TRY(kv_put(it->txn, TABLE_UPLOADS, BYTES_OF(key), value));
    store_be64(time, op->time_ms);
    size_t len = index_order_key(order, op->key, op->upload);
    return tree_put(&tree, bytes_make(order, len), BYTES_OF(time), &it->counter);
}

/* upload_key_of: the object key of an upload; ERR_NOT_FOUND. */
static err upload_key_of(struct index_txn *it, const struct stored_bucket *bucket,
                         const u8 upload[16], u8 ret_key[JOURNAL_KEY_BYTES_MAX], size_t *ret_len)
{
    u8 key[24];
    bytes stored;
    bytes value;
    struct reader reader;
    index_upload_key(key, bucket->number, upload);
    TRY(kv_get(it->txn, TABLE_UPLOADS, BYTES_OF(key), &stored));
    u8 *room = mem_alloc(stored.len);
    err e = value_open(it->index, room, stored, &value);
    if (is_ok(e)) {
        reader_init(&reader, value);
        (void)read_be64(&reader);
        bytes object_key = read_str16(&reader, JOURNAL_KEY_BYTES_MAX);
        memcpy(ret_key, object_key.data, object_key.len);
        *ret_len = object_key.len;
        e = reader.failed ? fail(ERR_INTEGRITY) : ok();
    }
    mem_free(room);
    return e;
}

/* A part of an upload that is not (or no longer) there is dropped: the end came first. */
static err apply_part(struct index_txn *it, struct stored_bucket *bucket,
                      const struct journal_op *op)
{
    u8 upload[24];
    u8 key[28];
    bytes value;
    index_upload_key(upload, bucket->number, op->upload);
    err e = kv_get(it->txn, TABLE_UPLOADS, BYTES_OF(upload), &value);
    if (is_err(e, ERR_NOT_FOUND)) {
        return ok();
    }
    TRY(e);
    buf_clear(&it->plain);
    buf_put_be64(&it->plain, op->time_ms);
    buf_put(&it->plain, op->value);
    TRY(buf_done(&it->plain));
    TRY(seal(it, buf_bytes(&it->plain), &value));
    index_part_key(key, bucket->number, op->upload, op->part);
    return kv_put(it->txn, TABLE_PARTS, BYTES_OF(key), value);
}

static err apply_upload_end(struct index_txn *it, struct stored_bucket *bucket,
                            const struct journal_op *op)
{
    u8 key[24];
    u8 order[TREE_KEY_BYTES_MAX];
    u8 object_key[JOURNAL_KEY_BYTES_MAX];
    size_t object_key_len;
    struct tree tree = index_tree(it->txn, TABLE_UPLOAD_ORDER, bucket->number);
    err e = upload_key_of(it, bucket, op->upload, object_key, &object_key_len);
    if (is_err(e, ERR_NOT_FOUND)) {
        return ok();
    }
    TRY(e);
    size_t len = index_order_key(order, bytes_make(object_key, object_key_len), op->upload);
    TRY(tree_delete(&tree, bytes_make(order, len)));
    index_upload_key(key, bucket->number, op->upload);
    TRY(kv_delete(it->txn, TABLE_UPLOADS, BYTES_OF(key)));
    return drop_prefixed(it, TABLE_PARTS, BYTES_OF(key));
}

static err apply_config(struct index_txn *it, struct stored_bucket *bucket,
                        const struct journal_op *op)
{
    bytes value;
    struct tree tree = index_tree(it->txn, TABLE_CONFIG, bucket->number);
    if (op->value.len == 0) {
        return tree_delete(&tree, op->key);
    }
    TRY(seal(it, op->value, &value));
    return tree_put(&tree, op->key, value, &it->counter);
}

static err apply_op(struct index_txn *it, struct stored_bucket *bucket, const struct journal_op *op,
                    const struct place *place)
{
    switch (op->kind) {
    case JOURNAL_PUT:
        return apply_put(it, bucket, op, place);
    case JOURNAL_DELETE:
        return apply_delete(it, bucket, op);
    case JOURNAL_UPLOAD:
        return apply_upload(it, bucket, op);
    case JOURNAL_PART:
        return apply_part(it, bucket, op);
    case JOURNAL_UPLOAD_END:
        return apply_upload_end(it, bucket, op);
    case JOURNAL_CONFIG:
        return apply_config(it, bucket, op);
    case JOURNAL_KEPT:
        return fail(ERR_MALFORMED); /* names another record: nothing to apply by itself */
    }
    unreachable_case(); /* journal_op_next() lets nothing else pass */
}

static bool locator_is_zero(const struct locator *locator)
{
    return locator->gateway == 0 && locator->number == 0 && locator->length == 0;
}

static err apply_ops(struct index_txn *it, struct stored_bucket *bucket,
                     const struct index_update_record *record)
{
    bytes ops = record->ops;
    struct place place = {.origin = {.sequence = record->sequence}, .head = &record->head};
    for (; ops.len > 0; place.origin.ordinal++) {
        struct journal_op op;
        TRY(journal_op_next(&ops, &op));
        TRY(apply_op(it, bucket, &op, &place));
    }
    return ok();
}

static err apply_kept(struct index_txn *it, struct stored_bucket *bucket,
                      const struct index_update_record *record)
{
    const struct journal_kept *kept = record->kept;
    bytes ops = record->ops;
    size_t at = 0;
    u32 next = 0;
    struct journal_op op;
    err e = journal_kept_next(kept, &ops, &at, &next, &op);
    while (is_ok(e)) {
        struct place place = {.origin = {.sequence = kept->sequence, .ordinal = next - 1},
                              .head = &kept->head};
        TRY(apply_op(it, bucket, &op, &place));
        e = journal_kept_next(kept, &ops, &at, &next, &op);
    }
    return is_err(e, ERR_NOT_FOUND) ? ok() : e;
}

static err apply_record(struct index_txn *it, const struct index_update_record *record)
{
    struct stored_bucket bucket;
    TRY(stored_bucket_load(it->txn, &record->bucket, &bucket));
    if (record->clear) {
        TRY(bucket_clear(it, &bucket));
    }
    TRY(record->kept != NULL ? apply_kept(it, &bucket, record) : apply_ops(it, &bucket, record));
    bucket.it.head = record->head;
    bucket.it.sequence = record->sequence;
    if (!locator_is_zero(&record->snapshot)) {
        bucket.it.snapshot = record->snapshot;
        bucket.it.snapshot_cost = record->snapshot_cost;
        bucket.it.records_since_snapshot = 0;
        bucket.it.journal_bytes_since_snapshot = 0;
    } else {
        bucket.it.records_since_snapshot++;
        bucket.it.journal_bytes_since_snapshot += record->head.locator.length;
    }
    return bucket_save(it, &bucket);
}

/* ---- the write-ahead log ---- */

static err pending_put(struct index_txn *it, const struct index_pending *pending)
{
    u8 key[8];
    bytes value;
    store_be64(key, pending->id);
    buf_clear(&it->plain);
    write_head(&it->plain, KIND_INDEX_PENDING, PENDING_VERSION);
    write_hash(&it->plain, &pending->tx);
    buf_put_be64(&it->plain, pending->submitted_ms);
    write_str32(&it->plain, pending->raw_tx);
    write_str32(&it->plain, pending->segments);
    write_str32(&it->plain, pending->heads);
    TRY(buf_done(&it->plain));
    TRY(seal(it, buf_bytes(&it->plain), &value));
    return kv_put(it->txn, TABLE_PENDING, BYTES_OF(key), value);
}

static err pending_read(struct index_pending *ret, u64 id, bytes in)
{
    struct reader reader;
    struct index_pending pending = {.id = id};
    reader_init(&reader, in);
    read_head(&reader, KIND_INDEX_PENDING, PENDING_VERSION);
    pending.tx = read_hash(&reader);
    pending.submitted_ms = read_be64(&reader);
    pending.raw_tx = read_str32(&reader, UINT32_MAX);
    pending.segments = read_str32(&reader, UINT32_MAX);
    pending.heads = read_str32(&reader, UINT32_MAX);
    if (!is_ok(reader_done(&reader))) {
        return fail(ERR_INTEGRITY);
    }
    *ret = pending;
    return ok();
}

static err visit_pending(const struct index *index, bytes key, bytes stored,
                         err (*fn)(void *ctx, const struct index_pending *pending), void *ctx)
{
    struct index_pending pending;
    bytes value;
    u8 *room = mem_alloc(stored.len);
    err e = key.len == 8 ? value_open(index, room, stored, &value) : fail(ERR_INTEGRITY);
    if (is_ok(e)) {
        e = pending_read(&pending, load_be64(key.data), value);
    }
    if (is_ok(e)) {
        e = fn(ctx, &pending);
    }
    mem_free(room);
    return e;
}

err index_pending_each(struct index_view *view,
                       err (*fn)(void *ctx, const struct index_pending *pending), void *ctx)
{
    struct kv_cursor *cursor;
    bytes key;
    bytes value;
    TRY(kv_cursor_open(view->txn, TABLE_PENDING, &cursor));
    err e = kv_seek(cursor, bytes_make(NULL, 0), &key, &value);
    while (is_ok(e)) {
        TRY_GOTO(e, visit_pending(view->index, key, value, fn, ctx), done);
        e = kv_next(cursor, &key, &value);
    }
    if (is_err(e, ERR_NOT_FOUND)) {
        e = ok();
    }
done:
    kv_cursor_close(cursor);
    return e;
}

static err pending_check(struct index_txn *it, u64 id)
{
    u8 key[8];
    bytes value;
    store_be64(key, id);
    return kv_get(it->txn, TABLE_PENDING, BYTES_OF(key), &value);
}

err index_pending_replace(struct index *index, const struct index_pending *pending)
{
    struct index_txn it;
    TRY(txn_begin(index, &it));
    err e = pending_check(&it, pending->id);
    if (is_ok(e)) {
        e = pending_put(&it, pending);
    }
    return txn_end(&it, e);
}

struct segments_update {
    struct index_txn *it;
    bytes segments;
};

static err write_segments(void *ctx, const struct index_pending *found)
{
    struct segments_update *update = ctx;
    struct index_pending pending = *found;
    pending.segments = update->segments;
    return pending_put(update->it, &pending);
}

static err update_segments(struct index_txn *it, u64 id, bytes segments)
{
    struct segments_update update = {.it = it, .segments = segments};
    u8 key[8];
    bytes stored;
    store_be64(key, id);
    TRY(kv_get(it->txn, TABLE_PENDING, BYTES_OF(key), &stored));
    /* pending_put() writes while the old fields are borrowed: out of the store first. */
    u8 *copy = mem_alloc(stored.len);
    memcpy(copy, stored.data, stored.len);
    err e = visit_pending(it->index, BYTES_OF(key), bytes_make(copy, stored.len), write_segments,
                          &update);
    mem_free(copy);
    return e;
}

err index_pending_update(struct index *index, u64 id, bytes segments)
{
    struct index_txn it;
    TRY(txn_begin(index, &it));
    return txn_end(&it, update_segments(&it, id, segments));
}

err index_pending_remove(struct index *index, u64 id)
{
    struct index_txn it;
    u8 key[8];
    store_be64(key, id);
    TRY(txn_begin(index, &it));
    return txn_end(&it, kv_delete(it.txn, TABLE_PENDING, BYTES_OF(key)));
}

/* ---- the whole update ---- */

static err apply(struct index_txn *it, const struct index_update *update, u64 *ret_pending_id)
{
    if (update->put_bucket != NULL) {
        TRY(bucket_put(it, update->put_bucket));
    }
    for (size_t i = 0; i < update->record_count; i++) {
        TRY(apply_record(it, &update->records[i]));
    }
    if (update->pending != NULL) {
        struct index_pending pending = *update->pending;
        pending.id = it->counter++;
        TRY(pending_put(it, &pending));
        *ret_pending_id = pending.id;
    }
    if (update->drop_bucket != NULL) {
        TRY(bucket_drop(it, update->drop_bucket));
    }
    return ok();
}

err index_apply(struct index *index, const struct index_update *update, u64 *ret_pending_id)
{
    struct index_txn it;
    u64 pending_id = 0;
    TRY(txn_begin(index, &it));
    TRY(txn_end(&it, apply(&it, update, &pending_id)));
    if (ret_pending_id != NULL) {
        *ret_pending_id = pending_id;
    }
    return ok();
}

/* ---- segment numbers ---- */

static err number_next(struct kv_txn *txn, u64 territory, u64 *ret_next)
{
    u8 key[8];
    bytes value;
    store_be64(key, territory);
    *ret_next = 0;
    err e = kv_get(txn, TABLE_NUMBERS, BYTES_OF(key), &value);
    if (is_err(e, ERR_NOT_FOUND)) {
        return ok();
    }
    TRY(e);
    if (value.len != 8) {
        return fail(ERR_INTEGRITY);
    }
    *ret_next = load_be64(value.data);
    return ok();
}

static err reserve(struct index_txn *it, u64 territory, u64 at_least, u32 count, u64 *ret_first)
{
    u8 key[8];
    u8 value[8];
    u64 next;
    TRY(number_next(it->txn, territory, &next));
    u64 first = max_u64(next, at_least);
    store_be64(key, territory);
    store_be64(value, first + count);
    TRY(kv_put(it->txn, TABLE_NUMBERS, BYTES_OF(key), BYTES_OF(value)));
    *ret_first = first;
    return ok();
}

err index_number_reserve(struct index *index, u64 territory, u64 at_least, u32 count,
                         u64 *ret_first)
{
    struct index_txn it;
    u64 first = 0;
    TRY(txn_begin(index, &it));
    TRY(txn_end(&it, reserve(&it, territory, at_least, count, &first)));
    *ret_first = first;
    return ok();
}

err index_number_next(struct index_view *view, u64 territory, u64 *ret_next)
{
    return number_next(view->txn, territory, ret_next);
}
