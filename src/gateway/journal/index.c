#include "gateway/journal/index.h"

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "gateway/journal/index_internal.h"
#include "gateway/journal/kinds.h"

#define BUCKET_VERSION 2
#define BUCKET_VERSION_FORMER 1 /* without snapshot_cost */
#define META_KEY "key check"
#define META_KEY_PLAIN "cairn index v1"
#define NONCE_BYTES 24
#define UPLOAD_ID_BYTES 16

_Static_assert(2 * JOURNAL_KEY_BYTES_MAX + 2 + UPLOAD_ID_BYTES <= TREE_KEY_BYTES_MAX,
               "order keys of the longest object key");
_Static_assert(INDEX_BUCKET_NAME_MAX + 1 + 8 + 32 <= KV_KEY_BYTES_MAX, "name keys");

/* ---- sealed values ---- */

/* The nonce is a MAC of the plaintext: equal values give equal nonces and equal ciphertext,
 * different ones never share a nonce, and nothing random is needed where values are written. */
void value_seal(const struct index *index, struct buf *out, bytes plain)
{
    struct hash mac;
    if (!index->sealed) {
        buf_put(out, plain);
        return;
    }
    u8 *at = buf_extend(out, plain.len + SEALED_OVERHEAD);
    if (at == NULL) {
        return;
    }
    hmac_sha256(&mac, BYTES_OF(index->nonce_key), plain);
    memcpy(at, mac.b, NONCE_BYTES);
    xchacha_seal(at + NONCE_BYTES, &index->seal_key, at, bytes_make(NULL, 0), plain);
}

err value_open(const struct index *index, u8 *room, bytes stored, bytes *ret)
{
    if (!index->sealed) {
        *ret = stored;
        return ok();
    }
    if (stored.len < SEALED_OVERHEAD ||
        !xchacha_open(room, &index->seal_key, stored.data, bytes_make(NULL, 0),
                      bytes_slice(stored, NONCE_BYTES, stored.len - NONCE_BYTES))) {
        return fail(ERR_INTEGRITY);
    }
    *ret = bytes_make(room, stored.len - SEALED_OVERHEAD);
    return ok();
}

/* view_value: opened into the view's own memory. */
static err view_value(struct index_view *view, bytes stored, bytes *ret)
{
    u8 *room = NULL;
    if (view->index->sealed) {
        room = arena_alloc(&view->opened, stored.len);
        if (room == NULL) {
            return fail(ERR_LIMIT);
        }
    }
    return value_open(view->index, room, stored, ret);
}

/* ---- keys and records ---- */

struct tree index_tree(struct kv_txn *txn, enum index_table table, u64 number)
{
    return (struct tree){.txn = txn, .table = table, .root = number};
}

size_t index_name_key(u8 out[KV_KEY_BYTES_MAX], bytes name, u64 created_ms, const struct hash *id)
{
    assert_that(name.len < INDEX_BUCKET_NAME_MAX);
    memcpy(out, name.data, name.len);
    out[name.len] = 0;
    store_be64(out + name.len + 1, created_ms);
    memcpy(out + name.len + 9, id->b, sizeof id->b);
    return name.len + 9 + sizeof id->b;
}

void index_upload_key(u8 out[24], u64 number, const u8 upload[16])
{
    store_be64(out, number);
    memcpy(out + 8, upload, UPLOAD_ID_BYTES);
}

void index_part_key(u8 out[28], u64 number, const u8 upload[16], u32 part)
{
    index_upload_key(out, number, upload);
    store_be32(out + 24, part);
}

size_t index_order_key(u8 out[TREE_KEY_BYTES_MAX], bytes key, const u8 upload[16])
{
    size_t len = 0;
    assert_that(key.len <= JOURNAL_KEY_BYTES_MAX);
    for (size_t i = 0; i < key.len; i++) {
        out[len++] = key.data[i];
        if (key.data[i] == 0) {
            out[len++] = 0xff;
        }
    }
    out[len++] = 0;
    out[len++] = 0;
    memcpy(out + len, upload, UPLOAD_ID_BYTES);
    return len + UPLOAD_ID_BYTES;
}

bool index_order_split(bytes in, u8 *out, size_t *ret_len, const u8 **ret_upload)
{
    size_t len = 0;
    size_t at = 0;
    while (at + 1 < in.len && len < JOURNAL_KEY_BYTES_MAX + 1) {
        u8 c = in.data[at++];
        if (c == 0) {
            u8 mark = in.data[at++];
            if (mark == 0) {
                *ret_len = len;
                *ret_upload = in.data + at;
                return in.len - at == UPLOAD_ID_BYTES;
            }
        }
        if (len == JOURNAL_KEY_BYTES_MAX) {
            return false;
        }
        out[len++] = c;
    }
    return false;
}

void stored_bucket_write(struct buf *out, const struct stored_bucket *bucket)
{
    const struct index_bucket *it = &bucket->it;
    write_head(out, KIND_INDEX_BUCKET, BUCKET_VERSION);
    buf_put_be64(out, bucket->number);
    write_str16(out, bytes_str(it->name));
    write_address(out, &it->owner);
    buf_put_be64(out, it->territory);
    buf_put_be32(out, it->label_version);
    buf_put_be64(out, it->created_ms);
    buf_put_be64(out, it->policy);
    journal_head_write(out, &it->head);
    buf_put_be64(out, it->sequence);
    locator_write(out, &it->snapshot);
    buf_put_be64(out, it->records_since_snapshot);
    buf_put_be64(out, it->object_count);
    buf_put_be64(out, it->byte_count);
    buf_put_be64(out, it->journal_bytes_since_snapshot);
    buf_put_be64(out, it->snapshot_cost);
}

static err stored_bucket_read(struct stored_bucket *ret, const struct hash *id, bytes in)
{
    struct reader reader;
    struct stored_bucket bucket = {.it = {.id = *id}};
    struct index_bucket *it = &bucket.it;
    bool former = in.len >= 4 && load_be16(in.data + 2) == BUCKET_VERSION_FORMER;
    reader_init(&reader, in);
    read_head(&reader, KIND_INDEX_BUCKET, former ? BUCKET_VERSION_FORMER : BUCKET_VERSION);
    bucket.number = read_be64(&reader);
    bytes name = read_str16(&reader, INDEX_BUCKET_NAME_MAX - 1);
    it->owner = read_address(&reader);
    it->territory = read_be64(&reader);
    it->label_version = read_be32(&reader);
    it->created_ms = read_be64(&reader);
    it->policy = read_be64(&reader);
    it->head = journal_head_read(&reader);
    it->sequence = read_be64(&reader);
    it->snapshot = locator_read(&reader);
    it->records_since_snapshot = read_be64(&reader);
    it->object_count = read_be64(&reader);
    it->byte_count = read_be64(&reader);
    it->journal_bytes_since_snapshot = read_be64(&reader);
    it->snapshot_cost = former ? 0 : read_be64(&reader);
    if (!is_ok(reader_done(&reader))) {
        return fail(ERR_INTEGRITY); /* our own writing */
    }
    memcpy(it->name, name.data, name.len);
    *ret = bucket;
    return ok();
}

err stored_bucket_load(struct kv_txn *txn, const struct hash *id, struct stored_bucket *ret)
{
    bytes value;
    TRY(kv_get(txn, TABLE_BUCKETS, BYTES_OF(*id), &value));
    return stored_bucket_read(ret, id, value);
}

/* ---- opening ---- */

/* check_key: the first opener leaves a sealed text, which the others must be able to open. */
static err check_key(struct index *index)
{
    struct kv_txn *txn;
    struct buf sealed;
    bytes found;
    TRY(kv_begin_write(index->kv, &txn));
    err e = kv_get(txn, TABLE_META, bytes_str(META_KEY), &found);
    buf_init(&sealed, 256);
    value_seal(index, &sealed, bytes_str(META_KEY_PLAIN));
    if (is_err(e, ERR_NOT_FOUND)) {
        e = kv_put(txn, TABLE_META, bytes_str(META_KEY), buf_bytes(&sealed));
    } else if (is_ok(e) && !bytes_eq(found, buf_bytes(&sealed))) {
        log_error("index", "the index was made with another key");
        e = fail(ERR_INTEGRITY);
    }
    buf_free(&sealed);
    if (!is_ok(e)) {
        kv_abort(txn);
        return e;
    }
    return kv_commit(txn);
}

static void derive_keys(struct index *index, const struct aead_key *key)
{
    index->sealed = true;
    hkdf_sha256(index->seal_key.b, sizeof index->seal_key.b, BYTES_OF(*key), bytes_make(NULL, 0),
                bytes_str("cairn index values v1"));
    hkdf_sha256(index->nonce_key.b, sizeof index->nonce_key.b, BYTES_OF(*key), bytes_make(NULL, 0),
                bytes_str("cairn index nonces v1"));
}

err index_store_open(const char *dir, u64 size_max_bytes, const struct aead_key *key,
                     struct index **ret_index)
{
    struct kv_options options = {.table_count = TABLE_COUNT, .size_max_bytes = size_max_bytes};
    struct index *index = MEM_NEW(struct index);
    if (key != NULL) {
        derive_keys(index, key);
    }
    err e = kv_open(dir, &options, &index->kv);
    if (is_ok(e)) {
        e = check_key(index);
    }
    if (!is_ok(e)) {
        index_store_close(index);
        return e;
    }
    *ret_index = index;
    return ok();
}

void index_store_close(struct index *index)
{
    if (index != NULL) {
        kv_close(index->kv);
        mem_wipe(index, sizeof *index);
        mem_free(index);
    }
}

/* ---- reading ---- */

err index_view_open(struct index *index, struct index_view **ret_view)
{
    struct kv_txn *txn;
    TRY(kv_begin_read(index->kv, &txn));
    struct index_view *view = MEM_NEW(struct index_view);
    view->index = index;
    view->txn = txn;
    arena_init(&view->opened, INDEX_VIEW_BYTES_MAX);
    *ret_view = view;
    return ok();
}

void index_view_close(struct index_view *view)
{
    if (view != NULL) {
        kv_abort(view->txn);
        arena_free(&view->opened);
        mem_free(view);
    }
}

err index_bucket_by_id(struct index_view *view, const struct hash *id, struct index_bucket *ret)
{
    struct stored_bucket bucket;
    TRY(stored_bucket_load(view->txn, id, &bucket));
    *ret = bucket.it;
    return ok();
}

/* id_of: the last 32 bytes of a name key. */
static err id_of(bytes name_key, struct hash *ret_id)
{
    if (name_key.len < 1 + 8 + sizeof ret_id->b) {
        return fail(ERR_INTEGRITY);
    }
    memcpy(ret_id->b, name_key.data + name_key.len - sizeof ret_id->b, sizeof ret_id->b);
    return ok();
}

err index_bucket_by_name(struct index_view *view, bytes name, struct index_bucket *ret)
{
    u8 prefix[INDEX_BUCKET_NAME_MAX];
    struct kv_cursor *cursor;
    struct hash id;
    bytes key;
    bytes value;
    if (name.len == 0 || name.len >= INDEX_BUCKET_NAME_MAX) {
        return fail(ERR_NOT_FOUND);
    }
    memcpy(prefix, name.data, name.len);
    prefix[name.len] = 0;
    bytes wanted = bytes_make(prefix, name.len + 1);
    TRY(kv_cursor_open(view->txn, TABLE_NAMES, &cursor));
    err e = kv_seek(cursor, wanted, &key, &value);
    if (is_ok(e) && !bytes_starts_with(key, wanted)) {
        e = fail(ERR_NOT_FOUND);
    }
    if (is_ok(e)) {
        e = id_of(key, &id);
    }
    kv_cursor_close(cursor);
    TRY(e);
    return index_bucket_by_id(view, &id, ret);
}

static err each_name(struct index_view *view, bool system,
                     err (*fn)(void *ctx, const struct index_bucket *b), void *ctx)
{
    struct kv_cursor *cursor;
    bytes key;
    bytes value;
    TRY(kv_cursor_open(view->txn, TABLE_NAMES, &cursor));
    err e = kv_seek(cursor, bytes_make(NULL, 0), &key, &value);
    while (is_ok(e)) {
        if ((key.data[0] == '.') == system) {
            struct hash id;
            struct index_bucket bucket;
            TRY_GOTO(e, id_of(key, &id), done);
            TRY_GOTO(e, index_bucket_by_id(view, &id, &bucket), done);
            TRY_GOTO(e, fn(ctx, &bucket), done);
        }
        e = kv_next(cursor, &key, &value);
    }
    if (is_err(e, ERR_NOT_FOUND)) {
        e = ok();
    }
done:
    kv_cursor_close(cursor);
    return e;
}

err index_bucket_each(struct index_view *view, err (*fn)(void *ctx, const struct index_bucket *b),
                      void *ctx)
{
    return each_name(view, false, fn, ctx);
}

err index_system_each(struct index_view *view, err (*fn)(void *ctx, const struct index_bucket *b),
                      void *ctx)
{
    return each_name(view, true, fn, ctx);
}

static err tree_value(struct index_view *view, enum index_table table, const struct hash *bucket,
                      bytes key, bytes *ret_value)
{
    struct stored_bucket stored;
    bytes value;
    TRY(stored_bucket_load(view->txn, bucket, &stored));
    struct tree tree = index_tree(view->txn, table, stored.number);
    TRY(tree_get(&tree, key, &value));
    return view_value(view, value, ret_value);
}

err index_object(struct index_view *view, const struct hash *bucket, bytes key, bytes *ret_manifest)
{
    if (key.len == 0 || key.len > JOURNAL_KEY_BYTES_MAX) {
        return fail(ERR_NOT_FOUND);
    }
    struct origin origin;
    bytes value;
    TRY(tree_value(view, TABLE_OBJECTS, bucket, key, &value));
    return object_value_read(value, &origin, ret_manifest);
}

err index_config(struct index_view *view, const struct hash *bucket, bytes name, bytes *ret_value)
{
    if (name.len == 0 || name.len > JOURNAL_CONFIG_NAME_BYTES_MAX) {
        return fail(ERR_NOT_FOUND);
    }
    return tree_value(view, TABLE_CONFIG, bucket, name, ret_value);
}

struct index_scan {
    struct index_view *view;
    struct tree_cursor *cursor;
    u8 *room; /* of the opened value */
    size_t room_bytes;
    struct origin origin;
};

const struct origin *index_scan_origin(const struct index_scan *scan) { return &scan->origin; }

static err scan_open(struct index_view *view, enum index_table table, u64 number,
                     struct index_scan **ret)
{
    struct tree_cursor *cursor;
    struct tree tree = index_tree(view->txn, table, number);
    TRY(tree_cursor_open(&tree, &cursor));
    struct index_scan *scan = MEM_NEW(struct index_scan);
    scan->view = view;
    scan->cursor = cursor;
    *ret = scan;
    return ok();
}

err index_scan_open(struct index_view *view, const struct hash *bucket, struct index_scan **ret)
{
    struct stored_bucket stored;
    TRY(stored_bucket_load(view->txn, bucket, &stored));
    return scan_open(view, TABLE_OBJECTS, stored.number, ret);
}

static err scan_value(struct index_scan *scan, bytes stored, bytes *ret)
{
    if (scan->room_bytes < stored.len && scan->view->index->sealed) {
        scan->room = mem_resize(scan->room, stored.len * 2);
        scan->room_bytes = stored.len * 2;
    }
    bytes value;
    TRY(value_open(scan->view->index, scan->room, stored, &value));
    return object_value_read(value, &scan->origin, ret);
}

err index_scan_seek(struct index_scan *scan, bytes key, bytes *ret_key, bytes *ret_manifest)
{
    bytes stored;
    TRY(tree_seek(scan->cursor, bytes_slice(key, 0, min_size(key.len, TREE_KEY_BYTES_MAX)), ret_key,
                  &stored));
    return scan_value(scan, stored, ret_manifest);
}

err index_scan_next(struct index_scan *scan, bytes *ret_key, bytes *ret_manifest)
{
    bytes stored;
    TRY(tree_next(scan->cursor, ret_key, &stored));
    return scan_value(scan, stored, ret_manifest);
}

void index_scan_close(struct index_scan *scan)
{
    if (scan != NULL) {
        tree_cursor_close(scan->cursor);
        mem_free(scan->room);
        mem_free(scan);
    }
}

/* ---- uploads and parts ---- */

err index_upload(struct index_view *view, const struct hash *bucket, const u8 upload[16],
                 bytes *ret_key, bytes *ret_manifest, u64 *ret_time_ms)
{
    struct stored_bucket stored;
    struct reader reader;
    u8 key[24];
    bytes value;
    TRY(stored_bucket_load(view->txn, bucket, &stored));
    index_upload_key(key, stored.number, upload);
    TRY(kv_get(view->txn, TABLE_UPLOADS, BYTES_OF(key), &value));
    TRY(view_value(view, value, &value));
    reader_init(&reader, value);
    u64 time_ms = read_be64(&reader);
    bytes object_key = read_str16(&reader, JOURNAL_KEY_BYTES_MAX);
    bytes manifest = read_bytes(&reader, reader.left);
    if (reader.failed) {
        return fail(ERR_INTEGRITY);
    }
    *ret_key = object_key;
    *ret_manifest = manifest;
    *ret_time_ms = time_ms;
    return ok();
}

static err visit_upload(bytes order_key, bytes value,
                        err (*fn)(void *ctx, bytes key, const u8 upload[16], u64 time_ms),
                        void *ctx)
{
    u8 key[JOURNAL_KEY_BYTES_MAX];
    size_t len;
    const u8 *upload;
    if (!index_order_split(order_key, key, &len, &upload) || value.len != 8) {
        return fail(ERR_INTEGRITY);
    }
    return fn(ctx, bytes_make(key, len), upload, load_be64(value.data));
}

static err each_upload(struct index_view *view, const struct hash *bucket, bytes after,
                       err (*fn)(void *ctx, bytes key, const u8 upload[16], u64 time_ms), void *ctx)
{
    struct stored_bucket stored;
    struct tree_cursor *cursor;
    bytes key;
    bytes value;
    TRY(stored_bucket_load(view->txn, bucket, &stored));
    struct tree tree = index_tree(view->txn, TABLE_UPLOAD_ORDER, stored.number);
    TRY(tree_cursor_open(&tree, &cursor));
    err e = tree_seek(cursor, after, &key, &value);
    if (is_ok(e) && bytes_eq(key, after)) {
        e = tree_next(cursor, &key, &value);
    }
    while (is_ok(e)) {
        TRY_GOTO(e, visit_upload(key, value, fn, ctx), done);
        e = tree_next(cursor, &key, &value);
    }
    if (is_err(e, ERR_NOT_FOUND)) {
        e = ok();
    }
done:
    tree_cursor_close(cursor);
    return e;
}

err index_upload_each(struct index_view *view, const struct hash *bucket,
                      err (*fn)(void *ctx, bytes key, const u8 upload[16], u64 time_ms), void *ctx)
{
    return each_upload(view, bucket, bytes_make(NULL, 0), fn, ctx);
}

err index_upload_from(struct index_view *view, const struct hash *bucket, bytes key,
                      const u8 upload[16],
                      err (*fn)(void *ctx, bytes key, const u8 upload[16], u64 time_ms), void *ctx)
{
    u8 after[TREE_KEY_BYTES_MAX];
    size_t len = 0;
    if (key.len != 0) {
        bytes cut = bytes_slice(key, 0, min_size(key.len, JOURNAL_KEY_BYTES_MAX));
        len = index_order_key(after, cut, upload);
    }
    return each_upload(view, bucket, bytes_make(after, len), fn, ctx);
}

static err visit_part(struct index_view *view, bytes key, bytes stored,
                      err (*fn)(void *ctx, u32 part, u64 time_ms, bytes manifest), void *ctx)
{
    bytes value;
    u8 *room = view->index->sealed ? mem_alloc(stored.len) : NULL;
    err e = value_open(view->index, room, stored, &value);
    if (is_ok(e) && (key.len != 28 || value.len < 8)) {
        e = fail(ERR_INTEGRITY);
    }
    if (is_ok(e)) {
        e = fn(ctx, load_be32(key.data + 24), load_be64(value.data),
               bytes_slice(value, 8, value.len - 8));
    }
    mem_free(room);
    return e;
}

err index_part_each(struct index_view *view, const struct hash *bucket, const u8 upload[16],
                    err (*fn)(void *ctx, u32 part, u64 time_ms, bytes manifest), void *ctx)
{
    struct stored_bucket stored;
    struct kv_cursor *cursor;
    u8 prefix[24];
    bytes key;
    bytes value;
    TRY(stored_bucket_load(view->txn, bucket, &stored));
    index_upload_key(prefix, stored.number, upload);
    TRY(kv_cursor_open(view->txn, TABLE_PARTS, &cursor));
    err e = kv_seek(cursor, BYTES_OF(prefix), &key, &value);
    while (is_ok(e) && bytes_starts_with(key, BYTES_OF(prefix))) {
        TRY_GOTO(e, visit_part(view, key, value, fn, ctx), done);
        e = kv_next(cursor, &key, &value);
    }
    if (is_err(e, ERR_NOT_FOUND)) {
        e = ok();
    }
done:
    kv_cursor_close(cursor);
    return e;
}
