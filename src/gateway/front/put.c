/* put.c: PutObject. */
#include "gateway/front/front.h"

/* check_early: what can be refused before the body is asked for. The conditions are held again when
 * the change is committed. */
static enum s3_code check_early(struct front_call *call, const struct index_bucket *bucket,
                                struct s3_conditions *conditions)
{
    struct front_object object;
    bool exists;
    S3_TRY(s3_conditions_parse(&call->request, call->now_s, conditions, &call->error));
    if (!front_conditions_any(conditions)) {
        return S3_OK;
    }
    S3_TRY(front_object_find(call, &bucket->id, call->request.key, &object, &exists));
    struct s3_current current = front_current(&object, exists);
    return s3_conditions_write(conditions, &current, &call->error);
}

static enum s3_code commit_put(struct front_call *call, const struct index_bucket *bucket,
                               const struct s3_stored_headers *headers,
                               const struct s3_conditions *conditions,
                               const struct front_content *content)
{
    struct manifest manifest;
    bytes encoded;
    S3_TRY(front_content_manifest(call, content, &manifest));
    if (!is_ok(front_manifest_headers(call, &manifest, headers))) {
        return s3_refuse(&call->error, S3_ERR_METADATA_TOO_LARGE);
    }
    manifest.mtime_ms = front_now_ms(call);
    S3_TRY(front_manifest_encode(call, &manifest, &encoded));
    struct journal_op op = {
        .kind = JOURNAL_PUT,
        .key = call->request.key,
        .time_ms = manifest.mtime_ms,
        .value = encoded,
    };
    struct front_change change = {.bucket = bucket,
                                  .ops = &op,
                                  .op_count = 1,
                                  .conditions = conditions,
                                  .upload = content->upload};
    return front_commit(call, &change);
}

static enum s3_code answer_put(struct front_call *call, const struct s3_verified *verified)
{
    char etag[S3_ETAG_TEXT_BYTES];
    s3_etag_single(etag, verified->md5);
    front_header_str(call, "ETag", etag);
    front_header_checksum(call, &verified->checksum);
    return front_reply_empty(call, 200);
}

enum s3_code front_put_object(struct front_call *call)
{
    struct index_bucket bucket;
    struct s3_stored_headers headers;
    struct s3_conditions conditions;
    struct s3_integrity declared;
    struct front_content content;
    S3_TRY(front_bucket(call, &bucket));
    S3_TRY(s3_object_headers_check(&call->request, &call->error));
    S3_TRY(s3_stored_headers_parse(call->arena, &call->request, &headers, &call->error));
    S3_TRY(s3_integrity_parse(&call->request, &call->auth, &declared, &call->error));
    S3_TRY(check_early(call, &bucket, &conditions));
    struct front_receive_options options = {
        .bucket = &bucket, .declared = &declared, .may_inline = true};
    S3_TRY(front_receive(call, &options, &content));
    enum s3_code code = commit_put(call, &bucket, &headers, &conditions, &content);
    front_content_free(call, &content);
    return code == S3_OK ? answer_put(call, &content.verified) : code;
}
