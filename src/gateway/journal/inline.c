/* inline.c: which records of a journal hold live inline objects.
 *
 * An inline object lies in the record that put it. So that a snapshot need not copy it, the index
 * knows for each such object where its put stands, and for each record how much of it is live.
 */
#include "gateway/journal/index_internal.h"

#include "base/assert.h"
#include "gateway/journal/kinds.h"

#define OBJECT_VERSION 1
#define RECORD_KEY_BYTES 16
#define OP_KEY_BYTES 20
#define RECORD_BYTES (52 + 8 + 4)
#define OP_BYTES 8           /* mark, size */
#define OP_OVERHEAD_BYTES 15 /* of a put: kind, time, lengths */

/* ---- values of objects ---- */

void object_value_write(struct buf *out, const struct origin *origin, bytes manifest)
{
    if (origin->sequence != 0) {
        write_head(out, KIND_INDEX_OBJECT, OBJECT_VERSION);
        buf_put_be64(out, origin->sequence);
        buf_put_be32(out, origin->ordinal);
    }
    buf_put(out, manifest);
}

err object_value_read(bytes in, struct origin *ret_origin, bytes *ret_manifest)
{
    struct reader reader;
    *ret_origin = (struct origin){0};
    *ret_manifest = in;
    if (in.len < 2 || load_be16(in.data) != KIND_INDEX_OBJECT) {
        return ok();
    }
    reader_init(&reader, in);
    read_head(&reader, KIND_INDEX_OBJECT, OBJECT_VERSION);
    ret_origin->sequence = read_be64(&reader);
    ret_origin->ordinal = read_be32(&reader);
    *ret_manifest = read_bytes(&reader, reader.left);
    return reader.failed ? fail(ERR_INTEGRITY) : ok();
}

/* ---- records ---- */

static bytes record_key(u8 out[OP_KEY_BYTES], u64 number, u64 sequence)
{
    store_be64(out, number);
    store_be64(out + 8, sequence);
    return bytes_make(out, RECORD_KEY_BYTES);
}

static bytes op_key(u8 out[OP_KEY_BYTES], u64 number, const struct origin *origin)
{
    (void)record_key(out, number, origin->sequence);
    store_be32(out + RECORD_KEY_BYTES, origin->ordinal);
    return bytes_make(out, OP_KEY_BYTES);
}

static err record_read(bytes in, struct inline_record *ret)
{
    struct reader reader;
    struct inline_record record;
    reader_init(&reader, in);
    record.head = journal_head_read(&reader);
    record.live_bytes = read_be64(&reader);
    record.live_count = read_be32(&reader);
    if (!is_ok(reader_done(&reader))) {
        return fail(ERR_INTEGRITY); /* our own writing */
    }
    *ret = record;
    return ok();
}

static err record_load(struct kv_txn *txn, u64 number, u64 sequence, struct inline_record *ret)
{
    u8 key[OP_KEY_BYTES];
    bytes value;
    TRY(kv_get(txn, TABLE_INLINE, record_key(key, number, sequence), &value));
    return record_read(value, ret);
}

static err record_save(struct kv_txn *txn, u64 number, u64 sequence,
                       const struct inline_record *record)
{
    u8 key[OP_KEY_BYTES];
    struct buf out;
    if (record->live_count == 0) {
        return kv_delete(txn, TABLE_INLINE, record_key(key, number, sequence));
    }
    buf_init(&out, RECORD_BYTES);
    journal_head_write(&out, &record->head);
    buf_put_be64(&out, record->live_bytes);
    buf_put_be32(&out, record->live_count);
    err e = buf_done(&out);
    if (is_ok(e)) {
        e = kv_put(txn, TABLE_INLINE, record_key(key, number, sequence), buf_bytes(&out));
    }
    buf_free(&out);
    return e;
}

err inline_add(struct kv_txn *txn, u64 number, const struct origin *origin,
               const struct journal_head *head, const struct journal_op *op)
{
    u8 key[OP_KEY_BYTES];
    u8 value[OP_BYTES];
    struct inline_record record = {.head = *head};
    u32 size = (u32)(op->key.len + op->value.len + OP_OVERHEAD_BYTES);
    err e = record_load(txn, number, origin->sequence, &record);
    if (!is_ok(e) && !is_err(e, ERR_NOT_FOUND)) {
        return e;
    }
    record.live_bytes += size;
    record.live_count++;
    TRY(record_save(txn, number, origin->sequence, &record));
    store_be32(value, journal_key_mark(op->key));
    store_be32(value + 4, size);
    return kv_put(txn, TABLE_INLINE, op_key(key, number, origin), BYTES_OF(value));
}

err inline_remove(struct kv_txn *txn, u64 number, const struct origin *origin)
{
    u8 key[OP_KEY_BYTES];
    bytes value;
    struct inline_record record;
    TRY(kv_get(txn, TABLE_INLINE, op_key(key, number, origin), &value));
    u32 size = value.len == OP_BYTES ? load_be32(value.data + 4) : 0;
    TRY(record_load(txn, number, origin->sequence, &record));
    if (size == 0 || record.live_count == 0 || record.live_bytes < size) {
        return fail(ERR_INTEGRITY);
    }
    record.live_bytes -= size;
    record.live_count--;
    TRY(record_save(txn, number, origin->sequence, &record));
    return kv_delete(txn, TABLE_INLINE, op_key(key, number, origin));
}

/* ---- for a table ---- */

/* is_kept: what is live is at least half of what must be read for it. */
static bool is_kept(const struct inline_record *record)
{
    return record->live_bytes >= record->head.locator.length / 2;
}

err inline_kept(struct kv_txn *txn, u64 number, u64 sequence, bool *ret_kept)
{
    struct inline_record record;
    TRY(record_load(txn, number, sequence, &record));
    *ret_kept = is_kept(&record);
    return ok();
}

/* What is gathered of one record while its operations are walked. */
struct gathering {
    struct inline_record record;
    u64 sequence;
    bool wanted;
    struct buf live;
    struct buf body;
    err (*fn)(void *ctx, const struct journal_op *op);
    void *ctx;
};

/* flush: the record that was gathered, if it is one. */
static err flush(struct gathering *it)
{
    struct journal_op op = {.kind = JOURNAL_KEPT};
    struct journal_kept kept = {.head = it->record.head, .sequence = it->sequence};
    if (!it->wanted) {
        return ok();
    }
    TRY(buf_done(&it->live));
    kept.live = buf_bytes(&it->live);
    if (kept.live.len != it->record.live_count * (size_t)JOURNAL_LIVE_BYTES) {
        return fail(ERR_INTEGRITY);
    }
    journal_kept_write(&it->body, &kept);
    TRY(buf_done(&it->body));
    op.value = buf_bytes(&it->body);
    TRY(it->fn(it->ctx, &op));
    buf_clear(&it->body);
    buf_clear(&it->live);
    it->wanted = false;
    return ok();
}

static err gather(struct gathering *it, bytes key, bytes value)
{
    if (key.len == RECORD_KEY_BYTES) {
        TRY(flush(it));
        TRY(record_read(value, &it->record));
        it->sequence = load_be64(key.data + 8);
        it->wanted = is_kept(&it->record);
        return ok();
    }
    if (key.len != OP_KEY_BYTES || value.len != OP_BYTES) {
        return fail(ERR_INTEGRITY);
    }
    struct journal_live live = {.ordinal = (u16)load_be32(key.data + RECORD_KEY_BYTES),
                                .mark = load_be32(value.data)};
    if (it->wanted) {
        journal_live_write(&it->live, &live);
    }
    return ok();
}

static err gather_all(struct gathering *it, struct kv_txn *txn, u64 number)
{
    struct kv_cursor *cursor;
    u8 prefix[8];
    bytes key;
    bytes value;
    store_be64(prefix, number);
    TRY(kv_cursor_open(txn, TABLE_INLINE, &cursor));
    err e = kv_seek(cursor, BYTES_OF(prefix), &key, &value);
    while (is_ok(e) && bytes_starts_with(key, BYTES_OF(prefix))) {
        TRY_GOTO(e, gather(it, key, value), done);
        e = kv_next(cursor, &key, &value);
    }
    e = is_err(e, ERR_NOT_FOUND) ? ok() : e;
done:
    kv_cursor_close(cursor);
    return is_ok(e) ? flush(it) : e;
}

err inline_each(struct kv_txn *txn, u64 number, err (*fn)(void *ctx, const struct journal_op *op),
                void *ctx)
{
    struct gathering it = {.fn = fn, .ctx = ctx};
    buf_init(&it.live, JOURNAL_OPS_MAX * (size_t)JOURNAL_LIVE_BYTES);
    buf_init(&it.body, JOURNAL_OPS_MAX * (size_t)JOURNAL_LIVE_BYTES + 128);
    err e = gather_all(&it, txn, number);
    buf_free(&it.live);
    buf_free(&it.body);
    return e;
}
