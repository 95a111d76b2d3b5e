/* index_dump.c: a bucket as a list of operations: the table of a snapshot. */
#include "gateway/journal/index_internal.h"

#include "base/mem.h"

struct dump {
    struct index_view *view;
    const struct hash *bucket;
    u64 number;
    err (*fn)(void *ctx, const struct journal_op *op);
    void *ctx;
    u8 upload[16]; /* whose parts are visited */
};

static err dump_object(struct dump *dump, const struct origin *origin, const struct journal_op *op)
{
    bool kept = false;
    if (origin->sequence != 0) {
        TRY(inline_kept(dump->view->txn, dump->number, origin->sequence, &kept));
    }
    return kept ? ok() : dump->fn(dump->ctx, op);
}

static err dump_objects(struct dump *dump)
{
    struct index_scan *scan;
    struct journal_op op = {.kind = JOURNAL_PUT};
    TRY(index_scan_open(dump->view, dump->bucket, &scan));
    err e = index_scan_seek(scan, bytes_make(NULL, 0), &op.key, &op.value);
    while (is_ok(e)) {
        TRY_GOTO(e, dump_object(dump, index_scan_origin(scan), &op), done);
        e = index_scan_next(scan, &op.key, &op.value);
    }
    if (is_err(e, ERR_NOT_FOUND)) {
        e = ok();
    }
done:
    index_scan_close(scan);
    return e;
}

static err dump_part(void *ctx, u32 part, u64 time_ms, bytes manifest)
{
    struct dump *dump = ctx;
    struct journal_op op = {
        .kind = JOURNAL_PART, .part = part, .time_ms = time_ms, .value = manifest};
    memcpy(op.upload, dump->upload, sizeof op.upload);
    return dump->fn(dump->ctx, &op);
}

/* A table may be larger than what one view opens (INDEX_VIEW_BYTES_MAX): each value is let go. */
static err dump_upload_itself(struct dump *dump, struct journal_op *op)
{
    struct arena outer = dump->view->opened;
    arena_init(&dump->view->opened, INDEX_VIEW_BYTES_MAX);
    err e = index_upload(dump->view, dump->bucket, op->upload, &op->key, &op->value, &op->time_ms);
    if (is_ok(e)) {
        e = dump->fn(dump->ctx, op);
    }
    arena_free(&dump->view->opened);
    dump->view->opened = outer;
    return e;
}

static err dump_upload(void *ctx, bytes key, const u8 upload[16], u64 time_ms)
{
    struct dump *dump = ctx;
    struct journal_op op = {.kind = JOURNAL_UPLOAD};
    (void)key;
    (void)time_ms;
    memcpy(dump->upload, upload, sizeof dump->upload);
    memcpy(op.upload, upload, sizeof op.upload);
    TRY(dump_upload_itself(dump, &op));
    return index_part_each(dump->view, dump->bucket, op.upload, dump_part, dump);
}

static err dump_documents(struct dump *dump, const struct stored_bucket *stored)
{
    struct tree tree = index_tree(dump->view->txn, TABLE_CONFIG, stored->number);
    struct tree_cursor *cursor;
    struct journal_op op = {.kind = JOURNAL_CONFIG};
    bytes value;
    TRY(tree_cursor_open(&tree, &cursor));
    err e = tree_seek(cursor, bytes_make(NULL, 0), &op.key, &value);
    while (is_ok(e)) {
        u8 *room = mem_alloc(value.len);
        e = value_open(dump->view->index, room, value, &op.value);
        if (is_ok(e)) {
            e = dump->fn(dump->ctx, &op);
        }
        mem_free(room);
        if (!is_ok(e)) {
            break;
        }
        e = tree_next(cursor, &op.key, &value);
        if (is_err(e, ERR_NOT_FOUND)) {
            tree_cursor_close(cursor);
            return ok();
        }
    }
    tree_cursor_close(cursor);
    return is_err(e, ERR_NOT_FOUND) ? ok() : e;
}

err index_dump(struct index_view *view, const struct hash *bucket,
               err (*fn)(void *ctx, const struct journal_op *op), void *ctx)
{
    struct dump dump = {.view = view, .bucket = bucket, .fn = fn, .ctx = ctx};
    struct stored_bucket stored;
    TRY(stored_bucket_load(view->txn, bucket, &stored));
    dump.number = stored.number;
    TRY(dump_objects(&dump));
    TRY(index_upload_each(view, bucket, dump_upload, &dump));
    TRY(dump_documents(&dump, &stored));
    return inline_each(view->txn, stored.number, fn, ctx);
}
