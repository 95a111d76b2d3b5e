/* multipart.c: CreateMultipartUpload, UploadPart, CompleteMultipartUpload, AbortMultipartUpload,
 * ListParts.
 *
 * An upload is a journal entry of its own: an inline, empty manifest with the object's headers and
 * the checksum that was asked for. A part is a manifest of its own, durable before its 200.
 * Complete names the parts' extents in one manifest: no byte is read or written again.
 */
#include "codec/percent.h"
#include "gateway/front/front.h"

/* Stored with an upload, not with the object: the client named the algorithm itself. */
#define ASKED_HEADER "x-amz-checksum-algorithm"

/* ---- ends: one at a time ---- */

/* A Complete or Abort under way. Two of them for one upload would not see each other's change. */
struct front_ending {
    struct list node;
    struct s3_upload_id id;
};

static bool is_ending(const struct front *front, const struct s3_upload_id *id)
{
    list_for (it, &front->ending) {
        const struct front_ending *ending = list_entry(it, struct front_ending, node);
        if (memcmp(ending->id.b, id->b, sizeof id->b) == 0) {
            return true;
        }
    }
    return false;
}

static enum s3_code begin_ending(struct front_call *call, struct front_ending *ending)
{
    struct front *front = call->front;
    u64 deadline_ms = front_deadline(call);
    while (is_ending(front, &ending->id)) {
        if (!is_ok(event_wait(front->loop, &front->ended, deadline_ms))) {
            return s3_refuse(&call->error, S3_ERR_OPERATION_ABORTED);
        }
    }
    list_push_back(&front->ending, &ending->node);
    return S3_OK;
}

static void finish_ending(struct front_call *call, struct front_ending *ending)
{
    list_remove(&ending->node);
    event_wake_all(&call->front->ended);
}

/* ---- uploads ---- */

static err load_upload(struct front_call *call, const struct hash *bucket,
                       struct front_upload *upload, bytes *ret_encoded)
{
    const struct front_service *service = &call->front->service;
    struct index_view *view;
    bytes key;
    bytes encoded;
    TRY(index_view_open(service->index(service->ctx), &view));
    err e = index_upload(view, bucket, upload->id.b, &key, &encoded, &upload->created_ms);
    if (is_ok(e)) {
        upload->key = arena_copy(call->arena, key);
        *ret_encoded = arena_copy(call->arena, encoded);
        e = upload->key.data != NULL && ret_encoded->data != NULL ? ok() : fail(ERR_LIMIT);
    }
    index_view_close(view);
    return e;
}

/* split_headers: the object's own stay, ours say how checksums were asked for. */
static void split_headers(struct front_upload *upload, const struct front_object *stored)
{
    upload->headers = stored->headers;
    upload->headers.count = 0;
    for (size_t i = 0; i < stored->headers.count; i++) {
        if (bytes_eq_str(stored->headers.items[i].name, ASKED_HEADER)) {
            upload->plan.asked = true;
        } else {
            upload->headers.items[upload->headers.count++] = stored->headers.items[i];
        }
    }
}

enum s3_code front_upload_find(struct front_call *call, const struct hash *bucket,
                               struct front_upload *ret_upload)
{
    struct front_upload upload = {0};
    struct front_object stored;
    bytes encoded;
    S3_TRY(s3_upload_id_read(&upload.id, call->request.upload_id, &call->error));
    err e = load_upload(call, bucket, &upload, &encoded);
    if (is_err(e, ERR_NOT_FOUND) || (is_ok(e) && !bytes_eq(upload.key, call->request.key))) {
        return s3_refuse_upload(&call->error, call->request.upload_id);
    }
    if (is_ok(e)) {
        e = front_object_read(call->arena, encoded, &stored);
    }
    if (!is_ok(e)) {
        return front_fault(call, e, "upload");
    }
    upload.plan.algorithm = stored.checksum.algorithm;
    upload.plan.type = stored.checksum.type;
    split_headers(&upload, &stored);
    *ret_upload = upload;
    return S3_OK;
}

static enum s3_code upload_manifest(struct front_call *call, const struct s3_checksum_plan *plan,
                                    struct s3_stored_headers *headers, bytes *ret_encoded)
{
    struct s3_checksum none = {.algorithm = plan->algorithm, .type = plan->type};
    struct manifest manifest = {.is_inline = true, .mtime_ms = front_now_ms(call)};
    struct s3_stored_headers with_plan = {.count = headers->count};
    with_plan.items = ARENA_ARRAY(call->arena, struct s3_header, headers->count + 1);
    if (with_plan.items == NULL) {
        return s3_refuse(&call->error, S3_ERR_SLOW_DOWN);
    }
    if (headers->count > 0) {
        memcpy(with_plan.items, headers->items, headers->count * sizeof *headers->items);
    }
    if (plan->asked) {
        with_plan.items[with_plan.count++] = (struct s3_header){
            bytes_str(ASKED_HEADER), bytes_str(s3_algorithm_text(plan->algorithm))};
    }
    if (!is_ok(front_manifest_headers(call, &manifest, &with_plan))) {
        return s3_refuse(&call->error, S3_ERR_METADATA_TOO_LARGE);
    }
    front_manifest_sum(&manifest, &none);
    return front_manifest_encode(call, &manifest, ret_encoded);
}

static enum s3_code answer_create(struct front_call *call, const struct s3_checksum_plan *plan,
                                  const struct s3_upload_id *id)
{
    char text[S3_UPLOAD_ID_TEXT_BYTES];
    struct buf xml;
    s3_upload_id_write(text, id);
    if (plan->asked) {
        front_header_str(call, ASKED_HEADER, s3_algorithm_text(plan->algorithm));
        front_header_str(call, "x-amz-checksum-type", s3_checksum_type_text(plan->type));
    }
    front_xml_init(&xml);
    s3_reply_create_upload(&xml, call->request.bucket, call->request.key, bytes_str(text));
    return front_reply_xml(call, &xml);
}

enum s3_code front_create_upload(struct front_call *call)
{
    struct index_bucket bucket;
    struct s3_stored_headers headers;
    struct s3_checksum_plan plan;
    struct s3_upload_id id;
    bytes encoded;
    S3_TRY(front_bucket(call, &bucket));
    S3_TRY(s3_object_headers_check(&call->request, &call->error));
    S3_TRY(s3_stored_headers_parse(call->arena, &call->request, &headers, &call->error));
    S3_TRY(s3_checksum_plan_parse(&call->request, &plan, &call->error));
    S3_TRY(upload_manifest(call, &plan, &headers, &encoded));
    loop_random(call->front->loop, id.b, sizeof id.b);
    struct journal_op op = {.kind = JOURNAL_UPLOAD,
                            .key = call->request.key,
                            .time_ms = front_now_ms(call),
                            .value = encoded};
    memcpy(op.upload, id.b, sizeof op.upload);
    struct front_change change = {.bucket = &bucket, .ops = &op, .op_count = 1};
    S3_TRY(front_commit(call, &change));
    return answer_create(call, &plan, &id);
}

/* ---- parts ---- */

enum s3_code front_part_commit(struct front_call *call, const struct index_bucket *bucket,
                               const struct front_upload *upload, const struct manifest *manifest,
                               struct upload *content)
{
    bytes encoded;
    S3_TRY(front_manifest_encode(call, manifest, &encoded));
    struct journal_op op = {.kind = JOURNAL_PART,
                            .part = call->request.part_number,
                            .time_ms = manifest->mtime_ms,
                            .value = encoded};
    memcpy(op.upload, upload->id.b, sizeof op.upload);
    struct front_change change = {.bucket = bucket, .ops = &op, .op_count = 1, .upload = content};
    S3_TRY(front_commit(call, &change));
    /* The journal drops a part whose upload has ended meanwhile: then it was not stored. */
    struct front_upload still;
    return front_upload_find(call, &bucket->id, &still);
}

static enum s3_code commit_part(struct front_call *call, const struct index_bucket *bucket,
                                const struct front_upload *upload,
                                const struct front_content *content)
{
    struct manifest manifest;
    S3_TRY(front_content_manifest(call, content, &manifest));
    manifest.mtime_ms = front_now_ms(call);
    return front_part_commit(call, bucket, upload, &manifest, content->upload);
}

static enum s3_code answer_part(struct front_call *call, const struct front_upload *upload,
                                const struct s3_verified *verified)
{
    char etag[S3_ETAG_TEXT_BYTES];
    s3_etag_single(etag, verified->md5);
    front_header_str(call, "ETag", etag);
    const struct s3_checksum *shown =
        upload->plan.asked ? &verified->checksum : &verified->declared;
    if (shown->algorithm != S3_ALGORITHM_NONE) {
        char text[S3_CHECKSUM_TEXT_BYTES];
        s3_checksum_write(text, shown);
        front_header_str(call, s3_algorithm_header(shown->algorithm), text);
    }
    return front_reply_empty(call, 200);
}

enum s3_code front_upload_part(struct front_call *call)
{
    struct index_bucket bucket;
    struct front_upload upload;
    struct s3_integrity declared;
    struct front_content content;
    S3_TRY(front_bucket(call, &bucket));
    S3_TRY(front_upload_find(call, &bucket.id, &upload));
    S3_TRY(s3_integrity_parse(&call->request, &call->auth, &declared, &call->error));
    S3_TRY(s3_checksum_part_check(&upload.plan, &declared, &call->error));
    struct front_receive_options options = {
        .bucket = &bucket, .declared = &declared, .algorithm = upload.plan.algorithm};
    S3_TRY(front_receive(call, &options, &content));
    enum s3_code code = commit_part(call, &bucket, &upload, &content);
    front_content_free(call, &content);
    return code == S3_OK ? answer_part(call, &upload, &content.verified) : code;
}

/* ---- the parts that are there ---- */

struct part_table {
    struct arena *arena;
    struct s3_stored_part *parts; /* room for S3_PART_NUMBER_MAX */
    bytes *encoded;               /* as many, or NULL if manifests are not kept */
    size_t count;
};

static err note_part(struct part_table *table, u32 number, u64 time_ms,
                     const struct manifest *manifest)
{
    struct s3_stored_part *part = &table->parts[table->count];
    *part =
        (struct s3_stored_part){.number = number, .size = manifest->size, .modified_ms = time_ms};
    part->checksum.algorithm = front_algorithm(manifest->checksum_kind);
    memcpy(part->checksum.b, manifest->checksum, sizeof part->checksum.b);
    return hex_decode(part->md5, sizeof part->md5, manifest->etag) ? ok() : fail(ERR_INTEGRITY);
}

static err add_part(void *ctx, u32 number, u64 time_ms, bytes encoded)
{
    struct part_table *table = ctx;
    struct manifest manifest;
    struct arena scratch;
    if (table->count == S3_PART_NUMBER_MAX) {
        return fail(ERR_LIMIT);
    }
    arena_init(&scratch, MIB(32));
    err e = manifest_read(&manifest, &scratch, encoded);
    if (is_ok(e)) {
        e = note_part(table, number, time_ms, &manifest);
    }
    arena_free(&scratch);
    TRY(e);
    if (table->encoded != NULL) {
        table->encoded[table->count] = arena_copy(table->arena, encoded);
        if (table->encoded[table->count].data == NULL) {
            return fail(ERR_LIMIT);
        }
    }
    table->count++;
    return ok();
}

static err walk_parts(struct front_call *call, const struct hash *bucket,
                      const struct front_upload *upload, struct part_table *table)
{
    const struct front_service *service = &call->front->service;
    struct index_view *view;
    TRY(index_view_open(service->index(service->ctx), &view));
    err e = index_part_each(view, bucket, upload->id.b, add_part, table);
    index_view_close(view);
    return e;
}

static enum s3_code load_parts(struct front_call *call, const struct hash *bucket,
                               const struct front_upload *upload, bool with_manifests,
                               struct part_table *ret_table)
{
    struct part_table table = {.arena = call->arena};
    table.parts = ARENA_ARRAY(call->arena, struct s3_stored_part, S3_PART_NUMBER_MAX);
    table.encoded =
        with_manifests ? ARENA_ARRAY(call->arena, struct bytes, S3_PART_NUMBER_MAX) : NULL;
    if (table.parts == NULL || (with_manifests && table.encoded == NULL)) {
        return s3_refuse(&call->error, S3_ERR_SLOW_DOWN);
    }
    err e = walk_parts(call, bucket, upload, &table);
    if (!is_ok(e)) {
        return front_fault(call, e, "parts");
    }
    *ret_table = table;
    return S3_OK;
}

enum s3_code front_list_parts(struct front_call *call)
{
    struct index_bucket bucket;
    struct front_upload upload;
    struct s3_parts_params params;
    struct part_table table;
    struct buf xml;
    S3_TRY(front_bucket(call, &bucket));
    S3_TRY(s3_parts_parse(&call->request, &params, &call->error));
    S3_TRY(front_upload_find(call, &bucket.id, &upload));
    S3_TRY(load_parts(call, &bucket.id, &upload, false, &table));
    struct s3_parts_info info = {
        .bucket = call->request.bucket,
        .key = call->request.key,
        .upload_id = call->request.upload_id,
        .owner = front_owner(call),
        .storage_class = s3_storage_class(&upload.headers),
        .plan = upload.plan,
        .parts = table.parts,
        .count = table.count,
    };
    front_xml_init(&xml);
    s3_reply_parts(&xml, &params, &info);
    return front_reply_xml(call, &xml);
}

/* ---- Complete ---- */

struct completion {
    struct front_call *call;
    struct index_bucket bucket;
    struct s3_complete wanted;
    struct s3_conditions conditions;
    struct front_upload upload;
    struct part_table table;
    struct s3_completed completed;
    struct manifest manifest;
    bytes etag; /* of the answer */
    struct s3_checksum checksum;
};

static enum s3_code answer_complete(struct completion *it)
{
    struct front_call *call = it->call;
    struct buf xml;
    struct buf path;
    const struct s3_request *request = &call->request;
    buf_init(&path, KIB(8));
    buf_format(&path, "%s://%.*s", request->encrypted ? "https" : "http", (int)request->host.len,
               (const char *)request->host.data);
    if (!request->virtual_host) {
        buf_put_str(&path, "/");
        buf_put(&path, request->bucket);
    }
    buf_put_str(&path, "/");
    percent_encode(&path, request->key, true);
    front_xml_init(&xml);
    s3_reply_complete(&xml, buf_bytes(&path), request->bucket, request->key, it->etag,
                      &it->checksum);
    buf_free(&path);
    return front_reply_xml(call, &xml);
}

/* find_repeated: the upload is not there, but perhaps it is because this very request has
 * succeeded before and its answer was lost. */
static enum s3_code find_repeated(struct completion *it)
{
    struct front_call *call = it->call;
    char etag[S3_ETAG_TEXT_BYTES];
    struct front_object object;
    bool exists;
    S3_TRY(front_object_find(call, &it->bucket.id, call->request.key, &object, &exists));
    if (!exists || !s3_complete_etag(call->arena, &it->wanted, etag) ||
        !s3_etag_eq(object.etag, bytes_str(etag))) {
        return s3_refuse_upload(&call->error, call->request.upload_id);
    }
    s3_error_init(&call->error, call->arena);
    it->etag = object.etag;
    it->checksum = object.checksum;
    return S3_OK;
}

static void fill_parts(struct completion *it, struct manifest_part *parts)
{
    for (size_t i = 0; i < it->completed.count; i++) {
        const struct s3_stored_part *stored = it->completed.parts[i];
        parts[i].number = (u16)stored->number;
        parts[i].size = stored->size;
        memcpy(parts[i].md5, stored->md5, sizeof parts[i].md5);
        memcpy(parts[i].checksum, stored->checksum.b, sizeof parts[i].checksum);
    }
}

static enum s3_code refuse_pieces(struct completion *it)
{
    return s3_refuse_text(&it->call->error, S3_ERR_INVALID_REQUEST,
                          "The parts consist of more than %d pieces. Copied ranges of many small "
                          "parts must be uploaded instead.",
                          MANIFEST_EXTENTS_MAX);
}

/* append_part: its slices, without empty ones. */
static enum s3_code append_part(struct completion *it, bytes encoded)
{
    struct manifest part;
    err e = manifest_read(&part, it->call->arena, encoded);
    if (!is_ok(e)) {
        return front_fault(it->call, e, "part");
    }
    for (u16 i = 0; i < part.extent_count; i++) {
        if (part.extents[i].slice_length == 0) {
            continue;
        }
        if (it->manifest.extent_count == MANIFEST_EXTENTS_MAX) {
            return refuse_pieces(it);
        }
        it->manifest.extents[it->manifest.extent_count++] = part.extents[i];
    }
    return S3_OK;
}

static enum s3_code append_parts(struct completion *it)
{
    for (size_t i = 0; i < it->completed.count; i++) {
        size_t at = (size_t)(it->completed.parts[i] - it->table.parts);
        S3_TRY(append_part(it, it->table.encoded[at]));
    }
    it->manifest.is_inline = it->manifest.extent_count == 0;
    return S3_OK;
}

static enum s3_code build_manifest(struct completion *it)
{
    struct front_call *call = it->call;
    struct manifest *manifest = &it->manifest;
    struct manifest_part *parts =
        ARENA_ARRAY(call->arena, struct manifest_part, it->completed.count);
    manifest->extents = ARENA_ARRAY(call->arena, struct manifest_extent, MANIFEST_EXTENTS_MAX);
    if (parts == NULL || manifest->extents == NULL) {
        return s3_refuse(&call->error, S3_ERR_SLOW_DOWN);
    }
    manifest->size = it->completed.size;
    manifest->mtime_ms = front_now_ms(call);
    manifest->etag = s3_etag_strip(bytes_str(it->completed.etag));
    front_manifest_sum(manifest, &it->completed.checksum);
    fill_parts(it, parts);
    manifest->parts = parts;
    manifest->part_count = (u16)it->completed.count;
    if (!is_ok(front_manifest_headers(call, manifest, &it->upload.headers))) {
        return s3_refuse(&call->error, S3_ERR_METADATA_TOO_LARGE);
    }
    return append_parts(it);
}

static enum s3_code commit_complete(struct completion *it)
{
    struct front_call *call = it->call;
    struct journal_op ops[2] = {
        {.kind = JOURNAL_PUT, .key = call->request.key, .time_ms = it->manifest.mtime_ms},
        {.kind = JOURNAL_UPLOAD_END, .time_ms = it->manifest.mtime_ms},
    };
    S3_TRY(front_manifest_encode(call, &it->manifest, &ops[0].value));
    memcpy(ops[1].upload, it->upload.id.b, sizeof ops[1].upload);
    struct front_change change = {
        .bucket = &it->bucket, .ops = ops, .op_count = 2, .conditions = &it->conditions};
    return front_commit(call, &change);
}

static enum s3_code complete_parts(struct completion *it)
{
    struct front_call *call = it->call;
    S3_TRY(load_parts(call, &it->bucket.id, &it->upload, true, &it->table));
    struct s3_complete_input input = {
        .request = &call->request,
        .complete = &it->wanted,
        .plan = &it->upload.plan,
        .stored = it->table.parts,
        .stored_count = it->table.count,
        .min_bytes = call->front->part_bytes_min,
    };
    S3_TRY(s3_complete_check(call->arena, &input, &it->completed, &call->error));
    S3_TRY(build_manifest(it));
    S3_TRY(commit_complete(it));
    it->etag = bytes_str(it->completed.etag);
    it->checksum = it->completed.checksum;
    return S3_OK;
}

static enum s3_code complete_alone(struct completion *it)
{
    enum s3_code code = front_upload_find(it->call, &it->bucket.id, &it->upload);
    if (code == S3_ERR_NO_SUCH_UPLOAD) {
        return find_repeated(it);
    }
    S3_TRY(code);
    return complete_parts(it);
}

enum s3_code front_complete_upload(struct front_call *call)
{
    struct completion it = {.call = call};
    struct front_ending ending;
    struct s3_integrity declared;
    bytes body;
    S3_TRY(front_bucket(call, &it.bucket));
    S3_TRY(s3_upload_id_read(&ending.id, call->request.upload_id, &call->error));
    S3_TRY(s3_conditions_parse(&call->request, call->now_s, &it.conditions, &call->error));
    S3_TRY(front_read_xml(call, &body, &declared));
    S3_TRY(s3_body_complete(call->arena, body, &it.wanted, &call->error));
    struct front_patience patience;
    front_patience_begin(&patience, call);
    enum s3_code code = begin_ending(call, &ending);
    if (code == S3_OK) {
        code = complete_alone(&it);
        finish_ending(call, &ending);
    }
    front_patience_end(&patience);
    return code == S3_OK ? answer_complete(&it) : code;
}

/* ---- Abort ---- */

static enum s3_code abort_alone(struct front_call *call, const struct index_bucket *bucket)
{
    struct front_upload upload;
    S3_TRY(front_upload_find(call, &bucket->id, &upload));
    struct journal_op op = {.kind = JOURNAL_UPLOAD_END, .time_ms = front_now_ms(call)};
    memcpy(op.upload, upload.id.b, sizeof op.upload);
    struct front_change change = {.bucket = bucket, .ops = &op, .op_count = 1};
    S3_TRY(front_commit(call, &change));
    return front_reply_empty(call, 204);
}

enum s3_code front_abort_upload(struct front_call *call)
{
    struct index_bucket bucket;
    struct front_ending ending;
    S3_TRY(front_bucket(call, &bucket));
    S3_TRY(s3_upload_id_read(&ending.id, call->request.upload_id, &call->error));
    S3_TRY(begin_ending(call, &ending));
    enum s3_code code = abort_alone(call, &bucket);
    finish_ending(call, &ending);
    return code;
}
