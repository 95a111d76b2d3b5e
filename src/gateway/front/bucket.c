/* bucket.c: CreateBucket, HeadBucket, DeleteBucket. */
#include "gateway/front/front.h"

/* territory_name: LocationConstraint names a territory of the owner; none, our own region and
 * "us-east-1" (what clients send that know nothing else) mean the default one. */
static bytes territory_name(const struct front_call *call, bytes location)
{
    bool is_default = location.data == NULL || bytes_eq_str(location, call->front->region) ||
                      bytes_eq_str(location, "us-east-1");
    return is_default ? bytes_str("") : location;
}

static enum s3_code refuse_location(struct front_call *call, bytes location)
{
    s3_refuse(&call->error, S3_ERR_INVALID_LOCATION);
    s3_error_add(&call->error, "LocationConstraint", location);
    return S3_ERR_INVALID_LOCATION;
}

enum s3_code front_create_bucket(struct front_call *call)
{
    const struct front_service *service = &call->front->service;
    struct s3_integrity declared;
    bytes body;
    bytes location;
    enum service_verdict verdict = SERVICE_OK;
    S3_TRY(s3_object_headers_check(&call->request, &call->error));
    S3_TRY(front_read_xml(call, &body, &declared));
    S3_TRY(s3_body_create_bucket(call->arena, body, &location, &call->error));
    bytes name = call->request.bucket;
    bytes territory = territory_name(call, location);
    err e = service->bucket_create(service->ctx, &call->user, name, territory, front_deadline(call),
                                   &verdict);
    if (is_err(e, ERR_NOT_FOUND) && territory.len > 0) {
        return refuse_location(call, location);
    }
    enum s3_code code = front_step(call, e, verdict, "create bucket");
    if (code != S3_OK) {
        s3_error_add(&call->error, "BucketName", name);
        return code;
    }
    const char *path = arena_format(call->arena, "/%.*s", (int)name.len, (const char *)name.data);
    front_header_str(call, "Location", path != NULL ? path : "/");
    return front_reply_empty(call, 200);
}

enum s3_code front_head_bucket(struct front_call *call)
{
    struct index_bucket bucket;
    S3_TRY(front_bucket(call, &bucket));
    front_header_str(call, "x-amz-bucket-region", call->front->region);
    return front_reply_empty(call, 200);
}

enum s3_code front_delete_bucket(struct front_call *call)
{
    const struct front_service *service = &call->front->service;
    struct index_bucket bucket;
    enum service_verdict verdict = SERVICE_OK;
    S3_TRY(front_bucket(call, &bucket));
    err e = service->bucket_delete(service->ctx, &call->user, call->request.bucket,
                                   front_deadline(call), &verdict);
    enum s3_code code = front_step(call, e, verdict, "delete bucket");
    if (code != S3_OK) {
        s3_error_add(&call->error, "BucketName", call->request.bucket);
        return code;
    }
    return front_reply_empty(call, 204);
}
