/* copy.c: CopyObject and UploadPartCopy.
 *
 * Extents are encrypted for one bucket. Inside it a copy is another manifest that names the same
 * extents; between buckets the bytes are read, and written again for the other bucket.
 */
#include "gateway/front/front.h"

struct source {
    struct index_bucket bucket;
    struct s3_copy_source name;
    struct front_object object;
};

static enum s3_code find_source(struct front_call *call, struct source *source)
{
    struct s3_conditions conditions;
    S3_TRY(s3_copy_source_parse(call->arena, &call->request, &source->name, &call->error));
    S3_TRY(front_bucket_find(call, source->name.bucket, &source->bucket));
    S3_TRY(front_version_check(call, source->name.version_id));
    S3_TRY(front_object_find(call, &source->bucket.id, source->name.key, &source->object, NULL));
    s3_conditions_parse_source(&call->request, call->now_s, &conditions);
    struct s3_current current = front_current(&source->object, true);
    return s3_conditions_source(&conditions, &current, &call->error);
}

static bool same_bucket(const struct source *source, const struct index_bucket *bucket)
{
    return hash_eq(&source->bucket.id, &bucket->id);
}

/* ---- CopyObject ---- */

struct copy {
    struct front_call *call;
    struct source source;
    struct index_bucket bucket;
    struct s3_stored_headers headers;
    struct s3_checksum_plan plan;
    struct s3_conditions conditions;
    struct manifest manifest;
    struct front_content content; /* of bytes that were written again */
};

/* another_sum: the client wants a checksum that the source does not have. */
static bool another_sum(const struct copy *copy)
{
    const struct s3_checksum *sum = &copy->source.object.checksum;
    return copy->plan.asked &&
           (sum->algorithm != copy->plan.algorithm || sum->type == S3_CHECKSUM_COMPOSITE);
}

static enum s3_code transfer_source(struct copy *copy, const struct index_bucket *target)
{
    const struct manifest *source = &copy->source.object.manifest;
    struct front_transfer transfer = {
        .source_bucket = &copy->source.bucket.id,
        .source = source,
        .length = source->size,
        .algorithm = copy->plan.asked ? copy->plan.algorithm : S3_ALGORITHM_NONE,
        .bucket = target,
    };
    return front_transfer(copy->call, &transfer, &copy->content);
}

/* share: the same content under another manifest. */
static enum s3_code share(struct copy *copy)
{
    copy->manifest = copy->source.object.manifest;
    if (!another_sum(copy)) {
        return S3_OK;
    }
    S3_TRY(transfer_source(copy, NULL));
    front_manifest_sum(&copy->manifest, &copy->content.verified.checksum);
    if (copy->manifest.part_count > 0) {
        copy->manifest.part_count = 0; /* their checksums are of the other kind */
    }
    return S3_OK;
}

static enum s3_code rewrite(struct copy *copy)
{
    struct front_call *call = copy->call;
    S3_TRY(s3_size_check(copy->source.object.manifest.size, S3_COPY_BYTES_MAX, &call->error));
    S3_TRY(transfer_source(copy, &copy->bucket));
    return front_content_manifest(call, &copy->content, &copy->manifest);
}

static enum s3_code commit_copy(struct copy *copy)
{
    struct front_call *call = copy->call;
    bytes encoded;
    copy->manifest.mtime_ms = front_now_ms(call);
    if (!is_ok(front_manifest_headers(call, &copy->manifest, &copy->headers))) {
        return s3_refuse(&call->error, S3_ERR_METADATA_TOO_LARGE);
    }
    S3_TRY(front_manifest_encode(call, &copy->manifest, &encoded));
    struct journal_op op = {.kind = JOURNAL_PUT,
                            .key = call->request.key,
                            .time_ms = copy->manifest.mtime_ms,
                            .value = encoded};
    struct front_change change = {.bucket = &copy->bucket,
                                  .ops = &op,
                                  .op_count = 1,
                                  .conditions = &copy->conditions,
                                  .upload = copy->content.upload};
    return front_commit(call, &change);
}

static enum s3_code answer_copy(struct copy *copy)
{
    struct front_object made;
    struct buf xml;
    bytes encoded;
    S3_TRY(front_manifest_encode(copy->call, &copy->manifest, &encoded));
    err e = front_object_read(copy->call->arena, encoded, &made);
    if (!is_ok(e)) {
        return front_fault(copy->call, e, "copy");
    }
    front_xml_init(&xml);
    s3_reply_copy(&xml, false, made.etag, made.manifest.mtime_ms, &made.checksum);
    return front_reply_xml(copy->call, &xml);
}

static enum s3_code prepare_copy(struct copy *copy)
{
    struct front_call *call = copy->call;
    struct front_object target;
    bool exists;
    S3_TRY(front_bucket(call, &copy->bucket));
    S3_TRY(s3_object_headers_check(&call->request, &call->error));
    S3_TRY(s3_checksum_plan_parse(&call->request, &copy->plan, &call->error));
    S3_TRY(s3_conditions_parse(&call->request, call->now_s, &copy->conditions, &call->error));
    S3_TRY(find_source(call, &copy->source));
    bool same_object = same_bucket(&copy->source, &copy->bucket) &&
                       bytes_eq(copy->source.name.key, call->request.key);
    S3_TRY(s3_copy_headers(call->arena, &call->request, &copy->source.object.headers, same_object,
                           &copy->headers, &call->error));
    if (!front_conditions_any(&copy->conditions)) {
        return S3_OK;
    }
    S3_TRY(front_object_find(call, &copy->bucket.id, call->request.key, &target, &exists));
    struct s3_current current = front_current(&target, exists);
    return s3_conditions_write(&copy->conditions, &current, &call->error);
}

enum s3_code front_copy_object(struct front_call *call)
{
    struct copy copy = {.call = call};
    S3_TRY(prepare_copy(&copy));
    struct front_patience patience;
    bool shares = copy.source.object.manifest.is_inline || same_bucket(&copy.source, &copy.bucket);
    front_patience_begin(&patience, call);
    enum s3_code code = shares ? share(&copy) : rewrite(&copy);
    if (code == S3_OK) {
        code = commit_copy(&copy);
        front_content_free(call, &copy.content);
    }
    front_patience_end(&patience);
    return code == S3_OK ? answer_copy(&copy) : code;
}

/* ---- UploadPartCopy ---- */

struct part_copy {
    struct front_call *call;
    struct source source;
    struct index_bucket bucket;
    struct front_upload upload;
    struct s3_range range;
    struct front_content content;
    struct manifest manifest;
};

/* slice: the source's extents that hold the range; false: too many, or there are none. */
static bool slice(struct part_copy *copy, struct manifest_extent *slices, u16 *ret_count)
{
    const struct manifest *source = &copy->source.object.manifest;
    u64 offset = copy->range.offset;
    u64 left = copy->range.len;
    u16 count = 0;
    if (source->is_inline || !same_bucket(&copy->source, &copy->bucket) || left == 0) {
        return false;
    }
    while (left > 0) {
        u64 plain_offset;
        u64 run;
        if (count == FRONT_SHARED_SLICES_MAX) {
            return false;
        }
        slices[count] = *manifest_find(source, offset, &plain_offset, &run);
        run = min_u64(run, left);
        slices[count].slice_offset = plain_offset;
        slices[count].slice_length = run;
        count++;
        offset += run;
        left -= run;
    }
    *ret_count = count;
    return true;
}

static enum s3_code transfer_range(struct part_copy *copy, const struct index_bucket *target)
{
    struct front_transfer transfer = {
        .source_bucket = &copy->source.bucket.id,
        .source = &copy->source.object.manifest,
        .offset = copy->range.offset,
        .length = copy->range.len,
        .algorithm = copy->upload.plan.algorithm,
        .bucket = target,
    };
    return front_transfer(copy->call, &transfer, &copy->content);
}

/* fill_part: the bytes are read for the part's MD5 in any case, written only if they must be. */
static enum s3_code fill_part(struct part_copy *copy)
{
    struct front_call *call = copy->call;
    u16 count = 0;
    struct manifest_extent *slices =
        ARENA_ARRAY(call->arena, struct manifest_extent, FRONT_SHARED_SLICES_MAX);
    if (slices == NULL) {
        return s3_refuse(&call->error, S3_ERR_SLOW_DOWN);
    }
    bool shares = slice(copy, slices, &count);
    S3_TRY(s3_size_check(copy->range.len, S3_PART_BYTES_MAX, &call->error));
    S3_TRY(transfer_range(copy, shares ? NULL : &copy->bucket));
    S3_TRY(front_content_manifest(call, &copy->content, &copy->manifest));
    if (shares) {
        copy->manifest.extents = slices;
        copy->manifest.extent_count = count;
    }
    return S3_OK;
}

static enum s3_code answer_part_copy(struct part_copy *copy)
{
    char etag[S3_ETAG_TEXT_BYTES];
    struct s3_checksum none = {0};
    struct buf xml;
    s3_etag_single(etag, copy->content.verified.md5);
    front_xml_init(&xml);
    s3_reply_copy(&xml, true, bytes_str(etag), copy->manifest.mtime_ms,
                  copy->upload.plan.asked ? &copy->content.verified.checksum : &none);
    return front_reply_xml(copy->call, &xml);
}

static enum s3_code copy_part(struct part_copy *copy)
{
    S3_TRY(fill_part(copy));
    copy->manifest.mtime_ms = front_now_ms(copy->call);
    return front_part_commit(copy->call, &copy->bucket, &copy->upload, &copy->manifest,
                             copy->content.upload);
}

enum s3_code front_copy_part(struct front_call *call)
{
    struct part_copy copy = {.call = call};
    S3_TRY(front_bucket(call, &copy.bucket));
    S3_TRY(front_upload_find(call, &copy.bucket.id, &copy.upload));
    S3_TRY(find_source(call, &copy.source));
    S3_TRY(s3_range_copy_parse(&call->request, copy.source.object.manifest.size, &copy.range,
                               &call->error));
    if (copy.range.kind == S3_RANGE_WHOLE) {
        copy.range.offset = 0;
        copy.range.len = copy.source.object.manifest.size;
    }
    struct front_patience patience;
    front_patience_begin(&patience, call);
    enum s3_code code = copy_part(&copy);
    front_content_free(call, &copy.content);
    front_patience_end(&patience);
    return code == S3_OK ? answer_part_copy(&copy) : code;
}
