/* shelf_copies.c: copies of gateways' signed commits. */
#include "storage/shelf_internal.h"

#include "base/assert.h"
#include "storage/kinds.h"

#define COPY_HEAD_BYTES (4 + 8)

struct copy_job {
    const struct shelf_copy *copy;
    bytes raw;
};

static err run_copy_put(struct kv_txn *txn, void *arg)
{
    const struct copy_job *job = arg;
    struct buf record;
    buf_init(&record, COPY_HEAD_BYTES + COPY_BYTES_MAX);
    write_head(&record, KIND_STORE_COPY, 1);
    buf_put_be64(&record, job->copy->added_ms);
    buf_put(&record, job->raw);
    err e = buf_done(&record);
    if (is_ok(e)) {
        e = kv_put(txn, INDEX_COPIES, BYTES_OF(job->copy->hash), buf_bytes(&record));
    }
    buf_free(&record);
    return e;
}

static struct shelf_copy *find_copy(struct shelf *shelf, const struct hash *hash)
{
    for (size_t i = 0; i < shelf->copy_count; i++) {
        if (hash_eq(&shelf->copies[i].hash, hash)) {
            return &shelf->copies[i];
        }
    }
    return NULL;
}

static void forget_copy(struct shelf *shelf, const struct hash *hash)
{
    struct shelf_copy *copy = find_copy(shelf, hash);
    if (copy != NULL) {
        shelf->copy_bytes -= copy->bytes;
        *copy = shelf->copies[--shelf->copy_count];
    }
}

err shelf_copy_put(struct shelf *shelf, const struct hash *hash, u64 added_ms, bytes raw)
{
    assert_that(raw.len <= COPY_BYTES_MAX);
    const struct shelf_copy copy = {.hash = *hash, .added_ms = added_ms, .bytes = (u32)raw.len};
    struct copy_job job = {.copy = &copy, .raw = raw};
    if (find_copy(shelf, hash) == NULL) {
        if (shelf->copy_count == COPIES_MAX || shelf->copy_bytes + raw.len > COPIES_BYTES_MAX) {
            return fail(ERR_LIMIT);
        }
        /* Counted before it is durable, so that a burst stays within the bounds. */
        shelf->copies[shelf->copy_count++] = copy;
        shelf->copy_bytes += raw.len;
    }
    err e = shelf_write(shelf, run_copy_put, &job);
    if (!is_ok(e)) {
        forget_copy(shelf, hash);
    }
    return e;
}

size_t shelf_copy_count(const struct shelf *shelf) { return shelf->copy_count; }

size_t shelf_copies(const struct shelf *shelf, struct shelf_copy *ret, size_t cap)
{
    size_t count = min_size(cap, shelf->copy_count);
    if (count > 0) {
        memcpy(ret, shelf->copies, count * sizeof *ret);
    }
    return count;
}

struct copy_query {
    struct hash hash;
    struct arena *arena;
    bytes raw;
};

static err read_copy(bytes value, u64 *ret_added_ms, bytes *ret_raw)
{
    struct reader reader;
    reader_init(&reader, value);
    read_head(&reader, KIND_STORE_COPY, 1);
    *ret_added_ms = read_be64(&reader);
    *ret_raw = read_bytes(&reader, reader.left);
    return is_ok(reader_done(&reader)) ? ok() : fail(ERR_INTEGRITY);
}

static err run_copy_get(struct kv_txn *txn, void *arg)
{
    struct copy_query *query = arg;
    bytes value;
    bytes raw;
    u64 added_ms;
    TRY(kv_get(txn, INDEX_COPIES, BYTES_OF(query->hash), &value));
    TRY(read_copy(value, &added_ms, &raw));
    query->raw = arena_copy(query->arena, raw);
    return query->raw.data != NULL ? ok() : fail(ERR_LIMIT);
}

err shelf_copy_get(struct shelf *shelf, const struct hash *hash, struct arena *arena,
                   bytes *ret_raw)
{
    struct copy_query query = {.hash = *hash, .arena = arena};
    TRY(index_read(shelf->index, run_copy_get, &query));
    *ret_raw = query.raw;
    return ok();
}

struct copy_drop {
    const struct hash *hashes;
    size_t count;
};

static err run_copy_drop(struct kv_txn *txn, void *arg)
{
    const struct copy_drop *drop = arg;
    for (size_t i = 0; i < drop->count; i++) {
        TRY(kv_delete(txn, INDEX_COPIES, BYTES_OF(drop->hashes[i])));
    }
    return ok();
}

err shelf_copy_drop(struct shelf *shelf, const struct hash *hashes, size_t count)
{
    struct copy_drop drop = {.hashes = hashes, .count = count};
    TRY(shelf_write(shelf, run_copy_drop, &drop));
    for (size_t i = 0; i < count; i++) {
        forget_copy(shelf, &hashes[i]);
    }
    return ok();
}

static err load_copy(struct shelf *shelf, bytes key, bytes value)
{
    struct shelf_copy copy = {0};
    bytes raw;
    if (key.len != sizeof copy.hash) {
        return fail(ERR_INTEGRITY);
    }
    memcpy(&copy.hash, key.data, sizeof copy.hash);
    TRY(read_copy(value, &copy.added_ms, &raw));
    copy.bytes = (u32)raw.len;
    shelf->copies[shelf->copy_count++] = copy;
    shelf->copy_bytes += raw.len;
    return ok();
}

static err run_copies_load(struct kv_txn *txn, void *arg)
{
    struct shelf *shelf = arg;
    struct kv_cursor *cursor;
    bytes key;
    bytes value;
    TRY(kv_cursor_open(txn, INDEX_COPIES, &cursor));
    err e = kv_seek(cursor, bytes_make(NULL, 0), &key, &value);
    while (is_ok(e) && shelf->copy_count < COPIES_MAX) {
        e = load_copy(shelf, key, value);
        if (is_ok(e)) {
            e = kv_next(cursor, &key, &value);
        }
    }
    kv_cursor_close(cursor);
    return is_err(e, ERR_NOT_FOUND) ? ok() : e;
}

err shelf_copies_load(struct shelf *shelf)
{
    return index_read(shelf->index, run_copies_load, shelf);
}
