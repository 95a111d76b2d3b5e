#include "gateway/front/s3_server.h"

static err find_user(void *ctx, bytes access_key, struct gateway_user *ret_user)
{
    return gateway_user_find(ctx, access_key, ret_user);
}

static err create_bucket(void *ctx, const struct gateway_user *user, bytes name, bytes territory,
                         u64 deadline_ms, enum service_verdict *ret_verdict)
{
    return bucket_create(ctx, user, name, territory, deadline_ms, ret_verdict);
}

static err delete_bucket(void *ctx, const struct gateway_user *user, bytes name, u64 deadline_ms,
                         enum service_verdict *ret_verdict)
{
    return bucket_delete(ctx, user, name, deadline_ms, ret_verdict);
}

static struct index *find_index(void *ctx) { return gateway_index(ctx); }

static err begin_upload(void *ctx, const struct index_bucket *bucket, u64 expected_bytes,
                        u64 deadline_ms, struct upload **ret_upload,
                        enum service_verdict *ret_verdict)
{
    return upload_begin(ctx, bucket, expected_bytes, deadline_ms, ret_upload, ret_verdict);
}

static err commit_change(void *ctx, const struct change *change, u64 deadline_ms,
                         enum service_verdict *ret_verdict)
{
    return change_commit(ctx, change, deadline_ms, ret_verdict);
}

static err open_object(void *ctx, const struct hash *bucket, const struct manifest *manifest,
                       u64 offset, u64 length, u64 deadline_ms, struct object_reader **ret_reader)
{
    return object_open(ctx, bucket, manifest, offset, length, deadline_ms, ret_reader);
}

static err stat_object(void *ctx, const struct hash *bucket, const struct manifest *manifest,
                       u64 deadline_ms, enum object_durability *ret_state, u32 *ret_missing_holders)
{
    return object_stat(ctx, bucket, manifest, deadline_ms, ret_state, ret_missing_holders);
}

void front_service_of_gateway(struct front_service *ret_service, struct gateway *gateway)
{
    *ret_service = (struct front_service){
        .ctx = gateway,
        .user_find = find_user,
        .bucket_create = create_bucket,
        .bucket_delete = delete_bucket,
        .index = find_index,
        .upload_begin = begin_upload,
        .upload_write = upload_write,
        .upload_finish = upload_finish,
        .upload_verdict = upload_verdict,
        .upload_free = upload_free,
        .change_commit = commit_change,
        .object_open = open_object,
        .object_read = object_read,
        .object_close = object_close,
        .object_stat = stat_object,
    };
}
