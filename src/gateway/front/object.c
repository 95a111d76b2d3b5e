/* object.c: buckets and objects as the index has them; manifests and what S3 calls them. */
#include "gateway/front/front.h"

#include "gateway/s3/text.h"

/* ---- buckets ---- */

static enum s3_code check_bucket(struct front_call *call, err fault, bytes name,
                                 const struct index_bucket *bucket)
{
    if (is_err(fault, ERR_NOT_FOUND)) {
        s3_refuse(&call->error, S3_ERR_NO_SUCH_BUCKET);
        s3_error_add(&call->error, "BucketName", name);
        return S3_ERR_NO_SUCH_BUCKET;
    }
    if (!is_ok(fault)) {
        return front_fault(call, fault, "index");
    }
    return address_eq(&bucket->owner, &call->user.owner)
               ? S3_OK
               : s3_refuse(&call->error, S3_ERR_ACCESS_DENIED);
}

enum s3_code front_bucket_find(struct front_call *call, bytes name, struct index_bucket *ret_bucket)
{
    struct index_view *view;
    struct index_bucket bucket;
    const struct front_service *service = &call->front->service;
    err e = index_view_open(service->index(service->ctx), &view);
    if (!is_ok(e)) {
        return front_fault(call, e, "index");
    }
    e = index_bucket_by_name(view, name, &bucket);
    index_view_close(view);
    S3_TRY(check_bucket(call, e, name, &bucket));
    *ret_bucket = bucket;
    return S3_OK;
}

enum s3_code front_bucket(struct front_call *call, struct index_bucket *ret_bucket)
{
    return front_bucket_find(call, call->request.bucket, ret_bucket);
}

/* ---- checksums ---- */

enum manifest_checksum front_manifest_algorithm(enum s3_algorithm algorithm)
{
    switch (algorithm) {
    case S3_ALGORITHM_CRC32:
        return MANIFEST_CHECKSUM_CRC32;
    case S3_ALGORITHM_CRC32C:
        return MANIFEST_CHECKSUM_CRC32C;
    case S3_ALGORITHM_CRC64NVME:
        return MANIFEST_CHECKSUM_CRC64NVME;
    case S3_ALGORITHM_SHA1:
        return MANIFEST_CHECKSUM_SHA1;
    case S3_ALGORITHM_SHA256:
        return MANIFEST_CHECKSUM_SHA256;
    case S3_ALGORITHM_NONE:
    case S3_ALGORITHM_COUNT:
        break;
    }
    return MANIFEST_CHECKSUM_NONE;
}

enum s3_algorithm front_algorithm(enum manifest_checksum kind)
{
    switch (kind) {
    case MANIFEST_CHECKSUM_CRC32:
        return S3_ALGORITHM_CRC32;
    case MANIFEST_CHECKSUM_CRC32C:
        return S3_ALGORITHM_CRC32C;
    case MANIFEST_CHECKSUM_CRC64NVME:
        return S3_ALGORITHM_CRC64NVME;
    case MANIFEST_CHECKSUM_SHA1:
        return S3_ALGORITHM_SHA1;
    case MANIFEST_CHECKSUM_SHA256:
        return S3_ALGORITHM_SHA256;
    case MANIFEST_CHECKSUM_NONE:
        break;
    }
    return S3_ALGORITHM_NONE;
}

_Static_assert(S3_CHECKSUM_BYTES_MAX == MANIFEST_CHECKSUM_BYTES_MAX, "copied as one");

void front_manifest_sum(struct manifest *manifest, const struct s3_checksum *checksum)
{
    manifest->checksum_kind = front_manifest_algorithm(checksum->algorithm);
    manifest->checksum_composite =
        checksum->algorithm != S3_ALGORITHM_NONE && checksum->type == S3_CHECKSUM_COMPOSITE;
    memcpy(manifest->checksum, checksum->b, sizeof manifest->checksum);
}

static struct s3_checksum sum_of(const struct manifest *manifest)
{
    struct s3_checksum checksum = {.algorithm = front_algorithm(manifest->checksum_kind)};
    if (manifest->checksum_composite) {
        checksum.type = S3_CHECKSUM_COMPOSITE;
        checksum.part_count = manifest->part_count;
    }
    memcpy(checksum.b, manifest->checksum, sizeof checksum.b);
    return checksum;
}

/* ---- manifests ---- */

static err read_headers(struct arena *arena, const struct manifest *manifest,
                        struct s3_stored_headers *ret_headers)
{
    struct s3_stored_headers headers = {.count = manifest->header_count};
    headers.items = ARENA_ARRAY(arena, struct s3_header, headers.count + 1);
    if (headers.items == NULL) {
        return fail(ERR_LIMIT);
    }
    for (size_t i = 0; i < headers.count; i++) {
        headers.items[i] =
            (struct s3_header){manifest->headers[i].name, manifest->headers[i].value};
    }
    *ret_headers = headers;
    return ok();
}

err front_manifest_headers(struct front_call *call, struct manifest *manifest,
                           const struct s3_stored_headers *headers)
{
    struct manifest_header *items =
        ARENA_ARRAY(call->arena, struct manifest_header, headers->count + 1);
    if (items == NULL || headers->count > MANIFEST_HEADERS_MAX) {
        return fail(ERR_LIMIT);
    }
    for (size_t i = 0; i < headers->count; i++) {
        items[i] = (struct manifest_header){headers->items[i].name, headers->items[i].value};
    }
    manifest->headers = items;
    manifest->header_count = (u16)headers->count;
    return ok();
}

err front_object_read(struct arena *arena, bytes encoded, struct front_object *ret_object)
{
    struct front_object object;
    TRY(manifest_read(&object.manifest, arena, encoded));
    TRY(read_headers(arena, &object.manifest, &object.headers));
    const struct manifest *manifest = &object.manifest;
    const char *etag =
        arena_format(arena, "\"%.*s\"", (int)manifest->etag.len,
                     manifest->etag.len > 0 ? (const char *)manifest->etag.data : "");
    if (etag == NULL) {
        return fail(ERR_LIMIT);
    }
    object.etag = bytes_str(etag);
    object.checksum = sum_of(manifest);
    *ret_object = object;
    return ok();
}

/* load_object: a copy of what the index has. */
static err load_object(struct front_call *call, const struct hash *bucket, bytes key,
                       bytes *ret_encoded)
{
    struct index_view *view;
    bytes encoded;
    const struct front_service *service = &call->front->service;
    TRY(index_view_open(service->index(service->ctx), &view));
    err e = index_object(view, bucket, key, &encoded);
    if (is_ok(e)) {
        *ret_encoded = arena_copy(call->arena, encoded);
        e = ret_encoded->data != NULL ? ok() : fail(ERR_LIMIT);
    }
    index_view_close(view);
    return e;
}

enum s3_code front_object_find(struct front_call *call, const struct hash *bucket, bytes key,
                               struct front_object *ret_object, bool *ret_exists)
{
    bytes encoded;
    err e = load_object(call, bucket, key, &encoded);
    if (is_err(e, ERR_NOT_FOUND) && ret_exists != NULL) {
        *ret_exists = false;
        memset(ret_object, 0, sizeof *ret_object);
        return S3_OK;
    }
    if (is_err(e, ERR_NOT_FOUND)) {
        s3_refuse(&call->error, S3_ERR_NO_SUCH_KEY);
        s3_error_add(&call->error, "Key", key);
        return S3_ERR_NO_SUCH_KEY;
    }
    if (is_ok(e)) {
        e = front_object_read(call->arena, encoded, ret_object);
    }
    if (!is_ok(e)) {
        return front_fault(call, e, "object");
    }
    if (ret_exists != NULL) {
        *ret_exists = true;
    }
    return S3_OK;
}

struct s3_current front_current(const struct front_object *object, bool exists)
{
    struct s3_current current = {.exists = exists, .etag = bytes_str("")};
    if (exists) {
        current.etag = object->etag;
        current.modified_ms = object->manifest.mtime_ms;
        current.size = object->manifest.size;
    }
    return current;
}

enum s3_code front_version_check(struct front_call *call, bytes version_id)
{
    if (version_id.data == NULL || bytes_eq_str(version_id, "null")) {
        return S3_OK;
    }
    s3_refuse(&call->error, S3_ERR_NO_SUCH_VERSION);
    s3_error_add(&call->error, "Key", call->request.key);
    s3_error_add(&call->error, "VersionId", version_id);
    return S3_ERR_NO_SUCH_VERSION;
}

enum s3_code front_manifest_encode(struct front_call *call, const struct manifest *manifest,
                                   bytes *ret_encoded)
{
    struct buf out;
    if (!manifest_valid(manifest)) {
        return s3_refuse(&call->error, S3_ERR_ENTITY_TOO_LARGE);
    }
    buf_init(&out, MANIFEST_BYTES_MAX);
    manifest_write(&out, manifest);
    err e = buf_done(&out);
    bytes encoded = {NULL, 0};
    if (is_ok(e)) {
        encoded = arena_copy(call->arena, buf_bytes(&out));
    }
    buf_free(&out);
    if (encoded.data == NULL) {
        return s3_refuse(&call->error, S3_ERR_ENTITY_TOO_LARGE);
    }
    *ret_encoded = encoded;
    return S3_OK;
}

/* ---- commits ---- */

bool front_conditions_any(const struct s3_conditions *conditions)
{
    return conditions->if_match.data != NULL || conditions->if_none_match.data != NULL ||
           conditions->has_size || conditions->has_modified_time;
}

/* The condition as the service calls it, in the moment of the commit. */
struct guard {
    struct front_call *call;
    const struct s3_conditions *conditions;
    bool is_delete;
    enum s3_code code;
};

static enum s3_code guard_check(struct guard *guard, const struct s3_current *current)
{
    struct s3_error *error = &guard->call->error;
    return guard->is_delete ? s3_conditions_delete(guard->conditions, current, error)
                            : s3_conditions_write(guard->conditions, current, error);
}

static bool guard_holds(void *ctx, bytes current_manifest)
{
    struct guard *guard = ctx;
    struct arena arena;
    struct front_object object;
    bool exists = current_manifest.data != NULL;
    arena_init(&arena, MIB(32));
    if (exists && !is_ok(front_object_read(&arena, current_manifest, &object))) {
        guard->code = s3_refuse(&guard->call->error, S3_ERR_INTERNAL);
    } else {
        struct s3_current current = front_current(&object, exists);
        guard->code = guard_check(guard, &current);
    }
    arena_free(&arena);
    return guard->code == S3_OK;
}

enum s3_code front_commit(struct front_call *call, const struct front_change *request)
{
    const struct front_service *service = &call->front->service;
    struct guard guard = {call, request->conditions, request->is_delete, S3_OK};
    bool guarded = request->conditions != NULL && front_conditions_any(request->conditions);
    struct change change = {
        .bucket = request->bucket,
        .ops = request->ops,
        .op_count = request->op_count,
        .condition = guarded ? guard_holds : NULL,
        .condition_ctx = &guard,
        .uploads = &request->upload,
        .upload_count = request->upload != NULL,
        .wait_final = guarded, /* another gateway may be writing, too: the ledger decides */
    };
    enum service_verdict verdict = SERVICE_OK;
    err e = service->change_commit(service->ctx, &change, front_deadline(call), &verdict);
    if (is_ok(e) && verdict == SERVICE_PRECONDITION_FAILED && guard.code != S3_OK) {
        return guard.code; /* with its details in call->error */
    }
    return front_step(call, e, verdict, "commit");
}
