/* testing_store.h: an object service for tests: the real index, extents as plain files. Header
 * only; included by one test program.
 *
 * It keeps the promises of gateway.h that the front end relies on (conditions are held in the
 * moment of the commit, a change is whole or not at all, unfinished uploads leave nothing) and
 * counts what is stored, so that tests can say "and nothing was stored". Faults are set by fields.
 */
#ifndef GATEWAY_FRONT_TESTING_STORE_H
#define GATEWAY_FRONT_TESTING_STORE_H

#include "base/mem.h"
#include "gateway/front/s3_server.h"
#include "os/file.h"

#include <stdio.h>

#define STORE_USERS 2

struct store {
    struct loop *loop;
    struct index *index;
    char dir[PATH_BYTES_MAX];
    struct gateway_user users[STORE_USERS];
    struct gate commits;
    u64 numbers; /* of buckets, segments, records */
    size_t extents;
    size_t commit_count;
    enum service_verdict begin_verdict;
    enum service_verdict write_verdict; /* not OK: writes fail */
    enum service_verdict commit_verdict;
    err commit_fault;
    u64 commit_ms;  /* what a commit takes */
    u64 read_ms;    /* what a piece read of an object takes */
    err read_fault; /* once read_fault_at bytes have been read */
    u64 read_fault_at;
};

struct upload {
    struct store *store;
    struct file *file;
    struct extent_id id;
    u64 length;
    bool committed;
};

struct object_reader {
    struct store *store;
    const struct manifest *manifest;
    u64 offset;
    u64 end;
    u64 done;
};

static inline void store_path(const struct store *store, const struct extent_id *id,
                              char out[PATH_BYTES_MAX])
{
    char name[40] = "extent-";
    hex_encode(name + 7, sizeof name - 7, BYTES_OF(*id));
    path_join(out, store->dir, name);
}

static inline err store_user_find(void *ctx, bytes access_key, struct gateway_user *ret_user)
{
    struct store *store = ctx;
    for (size_t i = 0; i < STORE_USERS; i++) {
        if (bytes_eq_str(access_key, store->users[i].access_key)) {
            *ret_user = store->users[i];
            return ok();
        }
    }
    return fail(ERR_NOT_FOUND);
}

static inline struct index *store_index(void *ctx) { return ((struct store *)ctx)->index; }

/* ---- changes ---- */

struct store_apply {
    struct store *store;
    const struct index_update *update;
    err result;
};

static inline void store_apply_run(void *arg)
{
    struct store_apply *apply = arg;
    apply->result = index_apply(apply->store->index, apply->update, NULL);
}

static inline err store_apply(struct store *store, const struct index_update *update)
{
    struct store_apply apply = {store, update, ok()};
    worker_run(store->loop, store_apply_run, &apply);
    return apply.result;
}

static inline err store_find_bucket(struct store *store, bytes name, struct index_bucket *ret)
{
    struct index_view *view;
    TRY(index_view_open(store->index, &view));
    err e = index_bucket_by_name(view, name, ret);
    index_view_close(view);
    return e;
}

static inline err store_create_locked(struct store *store, const struct gateway_user *user,
                                      bytes name, enum service_verdict *ret_verdict)
{
    struct index_bucket bucket = {.owner = user->owner, .territory = 1, .label_version = 1};
    struct index_bucket former;
    err e = store_find_bucket(store, name, &former);
    if (is_ok(e)) {
        *ret_verdict =
            address_eq(&former.owner, &user->owner) ? SERVICE_BUCKET_OWNED : SERVICE_BUCKET_EXISTS;
        return ok();
    }
    store_be64(bucket.id.b, ++store->numbers);
    loop_random(store->loop, bucket.id.b + 8, 24);
    bucket.created_ms = loop_wall_ms(store->loop);
    memcpy(bucket.name, name.data, name.len);
    struct index_update update = {.put_bucket = &bucket};
    *ret_verdict = SERVICE_OK;
    return store_apply(store, &update);
}

static inline err store_bucket_create(void *ctx, const struct gateway_user *user, bytes name,
                                      bytes territory, u64 deadline_ms,
                                      enum service_verdict *ret_verdict)
{
    struct store *store = ctx;
    if (territory.len > 0 && !bytes_eq_str(territory, "far-away")) {
        return fail(ERR_NOT_FOUND);
    }
    TRY(gate_enter(store->loop, &store->commits, 1, deadline_ms));
    err e = store_create_locked(store, user, name, ret_verdict);
    gate_leave(&store->commits, 1);
    return e;
}

static inline err store_delete_locked(struct store *store, bytes name,
                                      enum service_verdict *ret_verdict)
{
    struct index_bucket bucket;
    TRY(store_find_bucket(store, name, &bucket));
    if (bucket.object_count > 0) {
        *ret_verdict = SERVICE_BUCKET_NOT_EMPTY;
        return ok();
    }
    struct index_update update = {.drop_bucket = &bucket.id};
    *ret_verdict = SERVICE_OK;
    return store_apply(store, &update);
}

static inline err store_bucket_delete(void *ctx, const struct gateway_user *user, bytes name,
                                      u64 deadline_ms, enum service_verdict *ret_verdict)
{
    struct store *store = ctx;
    (void)user;
    TRY(gate_enter(store->loop, &store->commits, 1, deadline_ms));
    err e = store_delete_locked(store, name, ret_verdict);
    gate_leave(&store->commits, 1);
    return e;
}

static inline err store_condition(struct store *store, const struct change *change, bool *ret_holds)
{
    struct index_view *view;
    bytes current = {NULL, 0};
    TRY(index_view_open(store->index, &view));
    err e = index_object(view, &change->bucket->id, change->ops[0].key, &current);
    if (is_ok(e) || is_err(e, ERR_NOT_FOUND)) {
        *ret_holds = change->condition(change->condition_ctx, current);
        e = ok();
    }
    index_view_close(view);
    return e;
}

static inline err store_write_ops(struct store *store, const struct change *change)
{
    struct buf ops;
    buf_init(&ops, MIB(64));
    for (size_t i = 0; i < change->op_count; i++) {
        journal_op_write(&ops, &change->ops[i]);
    }
    err e = buf_done(&ops);
    if (is_ok(e)) {
        struct index_update_record record = {
            .bucket = change->bucket->id, .sequence = ++store->numbers, .ops = buf_bytes(&ops)};
        struct index_update update = {.records = &record, .record_count = 1};
        store_be64(record.head.hash.b, record.sequence);
        e = store_apply(store, &update);
    }
    buf_free(&ops);
    return e;
}

static inline err store_commit_locked(struct store *store, const struct change *change,
                                      enum service_verdict *ret_verdict)
{
    bool holds = true;
    if (change->condition != NULL) {
        TRY(store_condition(store, change, &holds));
    }
    if (!holds) {
        *ret_verdict = SERVICE_PRECONDITION_FAILED;
        return ok();
    }
    TRY(store_write_ops(store, change));
    for (size_t i = 0; i < change->upload_count; i++) {
        change->uploads[i]->committed = true;
        store->extents++;
    }
    store->commit_count++;
    *ret_verdict = SERVICE_OK;
    return ok();
}

static inline err store_change_commit(void *ctx, const struct change *change, u64 deadline_ms,
                                      enum service_verdict *ret_verdict)
{
    struct store *store = ctx;
    TRY(store->commit_fault);
    if (store->commit_verdict != SERVICE_OK) {
        *ret_verdict = store->commit_verdict;
        return ok();
    }
    if (store->commit_ms != 0) { /* as the real one: not later than the deadline */
        u64 end_ms = loop_now_ms(store->loop) + store->commit_ms;
        TRY(fiber_sleep(store->loop, min_u64(end_ms, deadline_ms)));
        TRY(end_ms > deadline_ms ? fail(ERR_TIMEOUT) : ok());
    }
    TRY(gate_enter(store->loop, &store->commits, 1, deadline_ms));
    err e = store_commit_locked(store, change, ret_verdict);
    gate_leave(&store->commits, 1);
    return e;
}

/* ---- extents ---- */

static inline err store_upload_begin(void *ctx, const struct index_bucket *bucket,
                                     u64 expected_bytes, u64 deadline_ms,
                                     struct upload **ret_upload, enum service_verdict *ret_verdict)
{
    struct store *store = ctx;
    char path[PATH_BYTES_MAX];
    struct upload *upload = MEM_NEW(struct upload);
    (void)bucket;
    (void)expected_bytes;
    (void)deadline_ms;
    upload->store = store;
    loop_random(store->loop, upload->id.b, sizeof upload->id.b);
    store_path(store, &upload->id, path);
    err e =
        store->begin_verdict == SERVICE_OK ? file_open(path, FILE_CREATE_NEW, &upload->file) : ok();
    *ret_verdict = store->begin_verdict;
    if (!is_ok(e) || store->begin_verdict != SERVICE_OK) {
        mem_free(upload);
        return e;
    }
    *ret_upload = upload;
    return ok();
}

static inline err store_upload_write(struct upload *upload, bytes in, u64 deadline_ms)
{
    (void)deadline_ms;
    if (upload->store->write_verdict != SERVICE_OK) {
        return fail(ERR_NETWORK);
    }
    TRY(file_write_at(upload->file, upload->length, in));
    upload->length += in.len;
    fiber_yield(upload->store->loop);
    return ok();
}

static inline err store_upload_finish(struct upload *upload, struct arena *arena, u64 deadline_ms,
                                      struct manifest_extent *ret_extent)
{
    u64 left = extent_sealed_length(upload->length);
    struct manifest_extent extent = {
        .id = upload->id, .plain_length = upload->length, .slice_length = upload->length};
    (void)deadline_ms;
    extent.piece_count = (u32)ceil_div(left, SEGMENT_BYTES_MAX);
    extent.pieces = ARENA_ARRAY(arena, struct locator, extent.piece_count);
    if (extent.pieces == NULL) {
        return fail(ERR_LIMIT);
    }
    for (u32 i = 0; i < extent.piece_count; i++) {
        extent.pieces[i] = (struct locator){.gateway = 1,
                                            .number = ++upload->store->numbers,
                                            .length = (u32)min_u64(left, SEGMENT_BYTES_MAX)};
        left -= extent.pieces[i].length;
    }
    *ret_extent = extent;
    return ok();
}

static inline enum service_verdict store_upload_verdict(const struct upload *upload)
{
    return upload->store->write_verdict;
}

static inline void store_upload_free(struct upload *upload)
{
    char path[PATH_BYTES_MAX];
    file_close(upload->file);
    if (!upload->committed) {
        store_path(upload->store, &upload->id, path);
        IGNORE(file_remove(path)); /* seen by the next count of files, if anything */
    }
    mem_free(upload);
}

static inline err store_object_open(void *ctx, const struct hash *bucket,
                                    const struct manifest *manifest, u64 offset, u64 length,
                                    u64 deadline_ms, struct object_reader **ret_reader)
{
    struct object_reader *reader = MEM_NEW(struct object_reader);
    (void)bucket;
    (void)deadline_ms;
    *reader = (struct object_reader){
        .store = ctx, .manifest = manifest, .offset = offset, .end = offset + length};
    *ret_reader = reader;
    return ok();
}

static inline err store_object_read(struct object_reader *reader, void *out, size_t cap,
                                    u64 deadline_ms, size_t *ret_len)
{
    struct store *store = reader->store;
    char path[PATH_BYTES_MAX];
    struct file *file;
    u64 at;
    u64 run;
    if (store->read_ms != 0) {
        TRY(fiber_sleep(store->loop,
                        min_u64(loop_now_ms(store->loop) + store->read_ms, deadline_ms)));
    }
    if (!is_ok(store->read_fault) && reader->done >= store->read_fault_at) {
        return store->read_fault;
    }
    if (reader->offset == reader->end) {
        *ret_len = 0;
        return ok();
    }
    const struct manifest_extent *extent =
        manifest_find(reader->manifest, reader->offset, &at, &run);
    size_t len = (size_t)min_u64(min_u64(run, reader->end - reader->offset), cap);
    store_path(store, &extent->id, path);
    TRY(file_open(path, FILE_READ, &file));
    err e = file_read_at(file, at, out, len);
    file_close(file);
    TRY(e);
    reader->offset += len;
    reader->done += len;
    *ret_len = len;
    return ok();
}

static inline void store_object_close(struct object_reader *reader) { mem_free(reader); }

static inline err store_object_stat(void *ctx, const struct hash *bucket,
                                    const struct manifest *manifest, u64 deadline_ms,
                                    enum object_durability *ret_state, u32 *ret_missing_holders)
{
    (void)bucket;
    (void)ctx;
    (void)manifest;
    (void)deadline_ms;
    *ret_state = OBJECT_DURABLE;
    *ret_missing_holders = 2;
    return ok();
}

/* ---- the whole ---- */

static inline void store_set_user(struct gateway_user *user, u8 owner, const char *id,
                                  const char *access_key, const char *secret_key)
{
    memset(user, 0, sizeof *user);
    memset(user->owner.b, owner, sizeof user->owner.b);
    snprintf(user->id, sizeof user->id, "%s", id);
    snprintf(user->display_name, sizeof user->display_name, "%s", id);
    snprintf(user->access_key, sizeof user->access_key, "%s", access_key);
    snprintf(user->secret_key, sizeof user->secret_key, "%s", secret_key);
}

static inline err store_open(struct store *store, struct loop *loop, const char *dir)
{
    char path[PATH_BYTES_MAX];
    memset(store, 0, sizeof *store);
    store->loop = loop;
    snprintf(store->dir, sizeof store->dir, "%s", dir);
    gate_init(&store->commits, 1);
    store_set_user(&store->users[0], 0x11, "alice", "ALICEKEY", "alice/secret+key");
    store_set_user(&store->users[1], 0x22, "bob", "BOBKEY", "bob's secret");
    path_join(path, dir, "index");
    return index_store_open(path, GIB(1), NULL, &store->index);
}

static inline void store_close(struct store *store) { index_store_close(store->index); }

static inline struct front_service store_service(struct store *store)
{
    return (struct front_service){
        .ctx = store,
        .user_find = store_user_find,
        .bucket_create = store_bucket_create,
        .bucket_delete = store_bucket_delete,
        .index = store_index,
        .upload_begin = store_upload_begin,
        .upload_write = store_upload_write,
        .upload_finish = store_upload_finish,
        .upload_verdict = store_upload_verdict,
        .upload_free = store_upload_free,
        .change_commit = store_change_commit,
        .object_open = store_object_open,
        .object_read = store_object_read,
        .object_close = store_object_close,
        .object_stat = store_object_stat,
    };
}

#endif
