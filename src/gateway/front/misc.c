/* misc.c: what is the same for every bucket or object: location, ACLs, the fixed answers. */
#include "gateway/front/front.h"

static enum s3_code location(struct front_call *call)
{
    struct buf xml;
    front_xml_init(&xml);
    s3_reply_location(&xml, call->front->region);
    return front_reply_xml(call, &xml);
}

static enum s3_code get_acl(struct front_call *call)
{
    struct buf xml;
    struct s3_owner owner = front_owner(call);
    front_xml_init(&xml);
    s3_reply_acl(&xml, &owner);
    return front_reply_xml(call, &xml);
}

static enum s3_code put_acl(struct front_call *call)
{
    struct s3_integrity declared;
    bytes body;
    S3_TRY(s3_object_headers_check(&call->request, &call->error));
    S3_TRY(front_read_xml(call, &body, &declared));
    S3_TRY(s3_body_acl(call->arena, body, bytes_str(call->user.id), &call->error));
    return front_reply_empty(call, 200);
}

static enum s3_code answer_fixed(struct front_call *call, const struct s3_fixed *fixed)
{
    if (fixed->code != S3_OK) {
        s3_refuse_message(&call->error, fixed->code, fixed->message);
        s3_error_add(&call->error, "BucketName", call->request.bucket);
        return fixed->code;
    }
    if (fixed->body == NULL) {
        return front_reply_empty(call, fixed->status);
    }
    struct buf xml;
    front_xml_init(&xml);
    buf_put_str(&xml, fixed->body);
    return front_reply_xml(call, &xml);
}

static enum s3_code check_target(struct front_call *call)
{
    struct index_bucket bucket;
    struct front_object object;
    S3_TRY(front_bucket(call, &bucket));
    if (call->request.level != S3_LEVEL_OBJECT) {
        return S3_OK;
    }
    S3_TRY(front_version_check(call, call->request.version_id));
    return front_object_find(call, &bucket.id, call->request.key, &object, NULL);
}

enum s3_code front_misc(struct front_call *call)
{
    enum s3_op op = call->request.op;
    struct s3_fixed fixed;
    S3_TRY(check_target(call));
    if (op == S3_OP_GET_BUCKET_LOCATION) {
        return location(call);
    }
    if (op == S3_OP_GET_BUCKET_ACL || op == S3_OP_GET_OBJECT_ACL) {
        return get_acl(call);
    }
    if (op == S3_OP_PUT_BUCKET_ACL || op == S3_OP_PUT_OBJECT_ACL) {
        return put_acl(call);
    }
    if (s3_fixed_answer(op, &fixed)) {
        return answer_fixed(call, &fixed);
    }
    return s3_refuse(&call->error, S3_ERR_NOT_IMPLEMENTED);
}
