/* list.c: the listings: buckets, objects, versions, uploads; adapters from the index to s3/listing.
 */
#include "gateway/front/front.h"

#define UPLOADS_BATCH 256

static enum s3_code open_view(struct front_call *call, struct index_view **ret_view)
{
    const struct front_service *service = &call->front->service;
    err e = index_view_open(service->index(service->ctx), ret_view);
    return is_ok(e) ? S3_OK : front_fault(call, e, "index");
}

/* ---- ListBuckets ---- */

struct bucket_page {
    struct front_call *call;
    const struct s3_buckets_params *params;
    struct s3_bucket_info *items; /* params->max of them at most */
    size_t count;
    size_t cap;
    bool truncated;
};

static err grow_page(struct bucket_page *page)
{
    size_t cap = page->cap == 0 ? 64 : page->cap * 2;
    struct s3_bucket_info *items = ARENA_ARRAY(page->call->arena, struct s3_bucket_info, cap);
    if (items == NULL) {
        return fail(ERR_LIMIT);
    }
    if (page->count > 0) {
        memcpy(items, page->items, page->count * sizeof *items);
    }
    page->items = items;
    page->cap = cap;
    return ok();
}

static err add_bucket(void *ctx, const struct index_bucket *bucket)
{
    struct bucket_page *page = ctx;
    bytes name = bytes_str(bucket->name);
    if (page->truncated || !address_eq(&bucket->owner, &page->call->user.owner) ||
        !bytes_starts_with(name, page->params->prefix) ||
        (page->params->after.len > 0 && bytes_cmp(name, page->params->after) <= 0)) {
        return ok();
    }
    if (page->count == page->params->max) {
        page->truncated = true;
        return ok();
    }
    if (page->count == page->cap) {
        TRY(grow_page(page));
    }
    bytes copy = arena_copy(page->call->arena, name);
    if (copy.data == NULL) {
        return fail(ERR_LIMIT);
    }
    page->items[page->count++] =
        (struct s3_bucket_info){copy, bucket->created_ms, page->call->front->region};
    return ok();
}

enum s3_code front_list_buckets(struct front_call *call)
{
    struct s3_buckets_params params;
    struct index_view *view;
    struct buf xml;
    S3_TRY(s3_buckets_parse(call->arena, &call->request, &params, &call->error));
    struct bucket_page page = {.call = call, .params = &params};
    bool elsewhere = params.region.len > 0 && !bytes_eq_str(params.region, call->front->region);
    S3_TRY(open_view(call, &view));
    err e = elsewhere ? ok() : index_bucket_each(view, add_bucket, &page);
    index_view_close(view);
    if (!is_ok(e)) {
        return front_fault(call, e, "buckets");
    }
    struct s3_owner owner = front_owner(call);
    front_xml_init(&xml);
    s3_reply_buckets(&xml, &params, &owner, page.items, page.count, page.truncated);
    return front_reply_xml(call, &xml);
}

/* ---- objects ---- */

struct object_walk {
    struct front_call *call;
    struct index_scan *scan;
    struct arena scratch; /* of the entry handed out last */
    bool versions;
    bool has_next; /* key and manifest are the next entry */
    bool ended;
    bytes key;
    bytes manifest;
};

static err note_move(struct object_walk *walk, err e)
{
    walk->has_next = is_ok(e);
    walk->ended = is_err(e, ERR_NOT_FOUND);
    return walk->ended ? ok() : e;
}

static err seek_object(void *ctx, bytes from, bytes after_id)
{
    struct object_walk *walk = ctx;
    TRY(note_move(walk, index_scan_seek(walk->scan, from, &walk->key, &walk->manifest)));
    if (after_id.data != NULL && walk->has_next && bytes_eq(walk->key, from)) {
        TRY(note_move(walk, index_scan_next(walk->scan, &walk->key, &walk->manifest)));
    }
    return ok();
}

static err object_entry(struct object_walk *walk, struct s3_list_entry *ret_entry)
{
    struct front_object object;
    arena_free(&walk->scratch);
    TRY(front_object_read(&walk->scratch, walk->manifest, &object));
    *ret_entry = (struct s3_list_entry){
        .key = walk->key,
        .id = bytes_str(walk->versions ? "null" : ""),
        .is_latest = walk->versions,
        .size = object.manifest.size,
        .modified_ms = object.manifest.mtime_ms,
        .etag = object.etag,
        .storage_class = s3_storage_class(&object.headers),
        .algorithm = object.checksum.algorithm,
        .checksum_type = object.checksum.type,
        .owner = front_owner(walk->call),
    };
    return ok();
}

static err next_object(void *ctx, struct s3_list_entry *ret_entry, bool *ret_found)
{
    struct object_walk *walk = ctx;
    if (!walk->has_next && !walk->ended) {
        TRY(note_move(walk, index_scan_next(walk->scan, &walk->key, &walk->manifest)));
    }
    *ret_found = walk->has_next;
    if (!walk->has_next) {
        return ok();
    }
    walk->has_next = false;
    return object_entry(walk, ret_entry);
}

static err run_objects(struct front_call *call, struct index_view *view,
                       const struct index_bucket *bucket, const struct s3_list_params *params,
                       struct s3_list_page *ret_page)
{
    struct object_walk walk = {.call = call, .versions = params->op == S3_OP_LIST_OBJECT_VERSIONS};
    struct s3_list_source source = {&walk, seek_object, next_object};
    TRY(index_scan_open(view, &bucket->id, &walk.scan));
    arena_init(&walk.scratch, MIB(32));
    err e = s3_list_run(call->arena, params, &source, ret_page);
    arena_free(&walk.scratch);
    index_scan_close(walk.scan);
    return e;
}

/* ---- uploads ---- */

struct upload_entry {
    bytes key;
    char id[S3_UPLOAD_ID_TEXT_BYTES];
    u8 upload[S3_UPLOAD_ID_BYTES];
    u64 time_ms;
};

/* The index calls back for each upload: they are taken in batches. */
struct upload_walk {
    struct front_call *call;
    struct index_view *view;
    const struct index_bucket *bucket;
    struct arena arena; /* keys of the batch */
    struct upload_entry *items;
    size_t count;
    size_t at;
    bool full;
    bytes storage_class;
};

static err add_upload(void *ctx, bytes key, const u8 upload[16], u64 time_ms)
{
    struct upload_walk *walk = ctx;
    struct upload_entry *entry = &walk->items[walk->count];
    struct s3_upload_id id;
    memcpy(id.b, upload, sizeof id.b);
    memcpy(entry->upload, upload, sizeof entry->upload);
    s3_upload_id_write(entry->id, &id);
    entry->time_ms = time_ms;
    entry->key = arena_copy(&walk->arena, key);
    if (entry->key.data == NULL) {
        return fail(ERR_LIMIT);
    }
    walk->count++;
    walk->full = walk->count == UPLOADS_BATCH;
    return walk->full ? fail(ERR_CANCELLED) : ok(); /* enough: ends the walk, below */
}

static err load_uploads(struct upload_walk *walk, bytes key, const u8 upload[16])
{
    u8 from[S3_KEY_BYTES_MAX];
    size_t len = min_size(key.len, sizeof from);
    u8 behind[S3_UPLOAD_ID_BYTES];
    if (len > 0) {
        memcpy(from, key.data, len); /* key may lie in the arena that is freed here */
    }
    memcpy(behind, upload, sizeof behind);
    arena_free(&walk->arena);
    walk->count = walk->at = 0;
    walk->full = false;
    err e = index_upload_from(walk->view, &walk->bucket->id, bytes_make(from, len), behind,
                              add_upload, walk);
    return walk->full && is_err(e, ERR_CANCELLED) ? ok() : e;
}

static err seek_upload(void *ctx, bytes from, bytes after_id)
{
    static const u8 first[S3_UPLOAD_ID_BYTES];
    u8 upload[S3_UPLOAD_ID_BYTES];
    bool known = after_id.data != NULL && hex_decode(upload, sizeof upload, after_id);
    return load_uploads(ctx, from, known ? upload : first);
}

static err next_upload(void *ctx, struct s3_list_entry *ret_entry, bool *ret_found)
{
    struct upload_walk *walk = ctx;
    if (walk->at == walk->count && walk->full) {
        const struct upload_entry *last = &walk->items[walk->count - 1];
        TRY(load_uploads(walk, last->key, last->upload));
    }
    *ret_found = walk->at < walk->count;
    if (*ret_found) {
        const struct upload_entry *entry = &walk->items[walk->at++];
        *ret_entry = (struct s3_list_entry){
            .key = entry->key,
            .id = bytes_str(entry->id),
            .modified_ms = entry->time_ms,
            .etag = bytes_str(""),
            .storage_class = bytes_str("STANDARD"),
            .owner = front_owner(walk->call),
        };
    }
    return ok();
}

static err run_uploads(struct front_call *call, struct index_view *view,
                       const struct index_bucket *bucket, const struct s3_list_params *params,
                       struct s3_list_page *ret_page)
{
    struct upload_walk walk = {.call = call, .view = view, .bucket = bucket};
    struct s3_list_source source = {&walk, seek_upload, next_upload};
    walk.items = ARENA_ARRAY(call->arena, struct upload_entry, UPLOADS_BATCH);
    if (walk.items == NULL) {
        return fail(ERR_LIMIT);
    }
    arena_init(&walk.arena, MIB(1));
    err e = s3_list_run(call->arena, params, &source, ret_page);
    arena_free(&walk.arena);
    return e;
}

/* ---- both ---- */

typedef err list_run(struct front_call *call, struct index_view *view,
                     const struct index_bucket *bucket, const struct s3_list_params *params,
                     struct s3_list_page *ret_page);

static enum s3_code list(struct front_call *call, list_run *run)
{
    struct index_bucket bucket;
    struct s3_list_params params;
    struct s3_list_page page;
    struct index_view *view;
    struct buf xml;
    S3_TRY(front_bucket(call, &bucket));
    S3_TRY(s3_list_parse(call->arena, &call->request, &params, &call->error));
    S3_TRY(open_view(call, &view));
    err e = run(call, view, &bucket, &params, &page);
    index_view_close(view);
    if (!is_ok(e)) {
        return front_fault(call, e, "list");
    }
    front_xml_init(&xml);
    s3_list_write(&xml, &params, &page, call->request.bucket);
    return front_reply_xml(call, &xml);
}

enum s3_code front_list_objects(struct front_call *call) { return list(call, run_objects); }

enum s3_code front_list_uploads(struct front_call *call) { return list(call, run_uploads); }
