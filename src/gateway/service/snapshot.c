/* snapshot.c: the sorted table of a bucket, now and then, so that opening it costs table + tail. */
#include "gateway/service/internal.h"

#include "base/log.h"
#include "base/mem.h"

#define WRITE_BYTES KIB(64)
#define SNAPSHOT_TIMEOUT_MS 1800000
#define YIELD_OPS 256

struct writing {
    struct gateway *gateway;
    struct index_bucket bucket;
    struct upload *upload;
    struct buf ops; /* not written yet */
    u64 entries;
    u64 inline_bytes;
    u64 cost; /* of reading the records that it keeps */
    u64 deadline_ms;
};

static err write_ops(struct writing *writing)
{
    TRY(buf_done(&writing->ops));
    err e = upload_write(writing->upload, buf_bytes(&writing->ops), writing->deadline_ms);
    buf_clear(&writing->ops);
    return e;
}

static err write_op(void *ctx, const struct journal_op *op)
{
    struct writing *writing = ctx;
    struct journal_kept kept;
    if (op->kind == JOURNAL_KEPT && is_ok(journal_kept_read(&kept, op->value))) {
        writing->cost += journal_record_cost(kept.head.locator.length);
    }
    writing->inline_bytes += journal_op_inline(op);
    journal_op_write(&writing->ops, op);
    if (++writing->entries % YIELD_OPS == 0) {
        fiber_yield(writing->gateway->loop);
    }
    if (writing->gateway->closing) {
        return fail(ERR_CANCELLED);
    }
    return writing->ops.len >= WRITE_BYTES ? write_ops(writing) : ok();
}

/* write_table: the state of this moment, whose last record is the base. */
static err write_table(struct writing *writing, struct journal_snapshot *ret_snapshot)
{
    struct index_view *view;
    struct index_bucket now;
    TRY(index_view_open(writing->gateway->index, &view));
    err e = index_bucket_by_id(view, &writing->bucket.id, &now);
    if (is_ok(e) && now.sequence == 0) {
        e = fail(ERR_NOT_FOUND); /* emptied meanwhile */
    }
    if (is_ok(e)) {
        ret_snapshot->base = now.head;
        ret_snapshot->base_sequence = now.sequence;
        e = index_dump(view, &writing->bucket.id, write_op, writing);
    }
    index_view_close(view);
    TRY(e);
    ret_snapshot->entries = writing->entries;
    return write_ops(writing);
}

static err table_manifest(struct writing *writing, struct arena *arena, struct buf *out)
{
    struct manifest_extent extent;
    TRY(upload_finish(writing->upload, arena, writing->deadline_ms, &extent));
    gateway_count_journal(writing->gateway, extent_sealed_length(extent.plain_length),
                          writing->inline_bytes);
    struct manifest manifest = {.size = extent.plain_length,
                                .mtime_ms = loop_wall_ms(writing->gateway->loop),
                                .extents = &extent,
                                .extent_count = 1};
    manifest_write(out, &manifest);
    return buf_done(out);
}

static err commit_record(struct writing *writing, struct territory *territory, bytes body)
{
    struct upload *const uploads[] = {writing->upload};
    struct change change = {.bucket = &writing->bucket, .uploads = uploads, .upload_count = 1};
    struct commit_request *request = commit_request_new();
    enum service_verdict verdict;
    request->bucket = writing->bucket.id;
    request->change = &change;
    request->snapshot = body;
    request->snapshot_cost = upload_length(writing->upload) + writing->cost;
    TRY(commit_run(territory, request, writing->deadline_ms, &verdict));
    return verdict == SERVICE_OK ? ok() : fail(ERR_BUSY);
}

static err write_all(struct writing *writing, struct territory *territory)
{
    struct journal_snapshot snapshot;
    struct arena arena;
    struct buf manifest;
    struct buf body;
    arena_init(&arena, MIB(8));
    buf_init(&manifest, MANIFEST_BYTES_MAX);
    buf_init(&body, JOURNAL_RECORD_BYTES_MAX - JOURNAL_RECORD_OVERHEAD);
    err e = write_table(writing, &snapshot);
    if (is_ok(e)) {
        e = table_manifest(writing, &arena, &manifest);
    }
    if (is_ok(e)) {
        snapshot.table = buf_bytes(&manifest);
        journal_snapshot_write(&body, &snapshot);
        e = buf_done(&body);
    }
    if (is_ok(e)) {
        e = commit_record(writing, territory, buf_bytes(&body));
    }
    buf_free(&manifest);
    buf_free(&body);
    arena_free(&arena);
    return e;
}

static err write_snapshot(struct writing *writing)
{
    struct gateway *gateway = writing->gateway;
    struct territory *territory = territory_get(gateway, writing->bucket.territory);
    enum service_verdict verdict;
    if (territory == NULL) {
        return fail(ERR_NOT_FOUND);
    }
    TRY(upload_begin(gateway, &writing->bucket, HTTP_UNKNOWN_LENGTH, writing->deadline_ms,
                     &writing->upload, &verdict));
    if (verdict != SERVICE_OK) {
        return fail(ERR_BUSY);
    }
    err e = write_all(writing, territory);
    upload_free(writing->upload);
    return e;
}

static void snapshot_run(void *arg)
{
    struct writing *writing = arg;
    struct gateway *gateway = writing->gateway;
    err e = write_snapshot(writing);
    if (is_ok(e)) {
        log_info("gateway", "bucket %s: snapshot of %llu entries", writing->bucket.name,
                 (unsigned long long)writing->entries);
    } else if (!is_err(e, ERR_CANCELLED)) {
        log_warn("gateway", "bucket %s: no snapshot: %s", writing->bucket.name, err_text(e));
        (void)gateway_pause(gateway, 5000); /* not again with every commit */
    }
    (void)map_remove(&gateway->snapshotting, BYTES_OF(writing->bucket.id));
    buf_free(&writing->ops);
    mem_free(writing);
}

/* is_due: what came since the last snapshot costs as much to read as `snapshot_cost_min`, and as
 * much as that snapshot with the records that it keeps. So tables double, all of them together are
 * no longer than the journal, and opening a bucket takes at most twice what it must. */
static bool is_due(const struct gateway *gateway, const struct index_bucket *bucket)
{
    u64 tail_cost = bucket->journal_bytes_since_snapshot +
                    bucket->records_since_snapshot * journal_record_cost(0);
    return tail_cost >= max_u64(gateway->snapshot_cost_min, bucket->snapshot_cost);
}

void snapshot_consider(struct gateway *gateway, const struct index_bucket *bucket)
{
    if (!is_due(gateway, bucket) || gateway->closing || gateway->draining ||
        map_get(&gateway->snapshotting, BYTES_OF(bucket->id)) != NULL) {
        return;
    }
    struct writing *writing = MEM_NEW(struct writing);
    writing->gateway = gateway;
    writing->bucket = *bucket;
    writing->deadline_ms = gateway_in(gateway, SNAPSHOT_TIMEOUT_MS);
    buf_init(&writing->ops, MANIFEST_BYTES_MAX + 2 * WRITE_BYTES);
    (void)map_put(&gateway->snapshotting, BYTES_OF(bucket->id), gateway);
    if (!is_ok(group_start(gateway->loop, &gateway->fibers, "snapshot", snapshot_run, writing))) {
        (void)map_remove(&gateway->snapshotting, BYTES_OF(bucket->id));
        mem_free(writing);
    }
}
