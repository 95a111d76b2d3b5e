#include "gateway/s3/reply.h"

#include "codec/xml.h"
#include "gateway/s3/date.h"

#define XMLNS "http://s3.amazonaws.com/doc/2006-03-01/"
#define XSI "http://www.w3.org/2001/XMLSchema-instance"
#define DECLARATION "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
#define EMPTY_DOCUMENT(root) DECLARATION "<" root " xmlns=\"" XMLNS "\"/>"

/* ---- fixed answers ---- */

#define NO_OBJECT_LOCK "Bucket is missing Object Lock Configuration"

struct fixed_row {
    enum s3_op op;
    struct s3_fixed fixed;
};

static const struct fixed_row fixed_rows[] = {
    {S3_OP_GET_BUCKET_VERSIONING, {S3_OK, 200, EMPTY_DOCUMENT("VersioningConfiguration"), NULL}},
    {S3_OP_GET_BUCKET_ACCELERATE, {S3_OK, 200, EMPTY_DOCUMENT("AccelerateConfiguration"), NULL}},
    {S3_OP_GET_BUCKET_LOGGING, {S3_OK, 200, EMPTY_DOCUMENT("BucketLoggingStatus"), NULL}},
    {S3_OP_GET_BUCKET_NOTIFICATION,
     {S3_OK, 200, EMPTY_DOCUMENT("NotificationConfiguration"), NULL}},
    {S3_OP_GET_BUCKET_REQUEST_PAYMENT,
     {S3_OK, 200,
      DECLARATION "<RequestPaymentConfiguration xmlns=\"" XMLNS "\"><Payer>BucketOwner</Payer>"
                  "</RequestPaymentConfiguration>",
      NULL}},
    {S3_OP_GET_OBJECT_TAGGING,
     {S3_OK, 200, DECLARATION "<Tagging xmlns=\"" XMLNS "\"><TagSet/></Tagging>", NULL}},
    {S3_OP_GET_BUCKET_CORS, {S3_ERR_NO_SUCH_CORS, 0, NULL, NULL}},
    {S3_OP_GET_BUCKET_ENCRYPTION, {S3_ERR_NO_SUCH_ENCRYPTION, 0, NULL, NULL}},
    {S3_OP_GET_BUCKET_LIFECYCLE, {S3_ERR_NO_SUCH_LIFECYCLE, 0, NULL, NULL}},
    {S3_OP_GET_BUCKET_OBJECT_LOCK, {S3_ERR_NO_SUCH_OBJECT_LOCK, 0, NULL, NULL}},
    {S3_OP_GET_BUCKET_OWNERSHIP, {S3_ERR_NO_SUCH_OWNERSHIP, 0, NULL, NULL}},
    {S3_OP_GET_BUCKET_POLICY, {S3_ERR_NO_SUCH_BUCKET_POLICY, 0, NULL, NULL}},
    {S3_OP_GET_BUCKET_POLICY_STATUS, {S3_ERR_NO_SUCH_BUCKET_POLICY, 0, NULL, NULL}},
    {S3_OP_GET_BUCKET_PUBLIC_ACCESS_BLOCK, {S3_ERR_NO_SUCH_PUBLIC_ACCESS_BLOCK, 0, NULL, NULL}},
    {S3_OP_GET_BUCKET_REPLICATION, {S3_ERR_NO_SUCH_REPLICATION, 0, NULL, NULL}},
    {S3_OP_GET_BUCKET_TAGGING, {S3_ERR_NO_SUCH_TAG_SET, 0, NULL, NULL}},
    {S3_OP_GET_BUCKET_WEBSITE, {S3_ERR_NO_SUCH_WEBSITE, 0, NULL, NULL}},
    {S3_OP_GET_OBJECT_LEGAL_HOLD, {S3_ERR_INVALID_REQUEST, 0, NULL, NO_OBJECT_LOCK}},
    {S3_OP_GET_OBJECT_RETENTION, {S3_ERR_INVALID_REQUEST, 0, NULL, NO_OBJECT_LOCK}},
    /* Deleting what no bucket has succeeds, as S3 answers it. */
    {S3_OP_DELETE_BUCKET_CORS, {S3_OK, 204, NULL, NULL}},
    {S3_OP_DELETE_BUCKET_ENCRYPTION, {S3_OK, 204, NULL, NULL}},
    {S3_OP_DELETE_BUCKET_LIFECYCLE, {S3_OK, 204, NULL, NULL}},
    {S3_OP_DELETE_BUCKET_OWNERSHIP, {S3_OK, 204, NULL, NULL}},
    {S3_OP_DELETE_BUCKET_POLICY, {S3_OK, 204, NULL, NULL}},
    {S3_OP_DELETE_BUCKET_PUBLIC_ACCESS_BLOCK, {S3_OK, 204, NULL, NULL}},
    {S3_OP_DELETE_BUCKET_REPLICATION, {S3_OK, 204, NULL, NULL}},
    {S3_OP_DELETE_BUCKET_TAGGING, {S3_OK, 204, NULL, NULL}},
    {S3_OP_DELETE_BUCKET_WEBSITE, {S3_OK, 204, NULL, NULL}},
    {S3_OP_DELETE_OBJECT_TAGGING, {S3_OK, 204, NULL, NULL}},
};

bool s3_fixed_answer(enum s3_op op, struct s3_fixed *ret_fixed)
{
    for (size_t i = 0; i < COUNT_OF(fixed_rows); i++) {
        if (fixed_rows[i].op == op) {
            *ret_fixed = fixed_rows[i].fixed;
            return true;
        }
    }
    return false;
}

/* ---- pieces ---- */

static void begin(struct buf *out, const char *root)
{
    xml_put_declaration(out);
    xml_open_ns(out, root, XMLNS);
}

static void put_str(struct buf *out, const char *element, const char *text)
{
    xml_element(out, element, bytes_str(text));
}

static void put_time(struct buf *out, const char *element, u64 ms)
{
    char text[S3_ISO_DATE_BYTES];
    s3_date_write_iso(text, ms);
    put_str(out, element, text);
}

static void put_checksum(struct buf *out, const struct s3_checksum *checksum)
{
    if (checksum->algorithm == S3_ALGORITHM_NONE) {
        return;
    }
    char text[S3_CHECKSUM_TEXT_BYTES];
    s3_checksum_write(text, checksum);
    put_str(out, s3_algorithm_element(checksum->algorithm), text);
}

/* ---- service and bucket ---- */

enum s3_code s3_buckets_parse(struct arena *arena, const struct s3_request *request,
                              struct s3_buckets_params *ret_params, struct s3_error *error)
{
    struct s3_buckets_params params = {.max = S3_BUCKETS_MAX, .after = bytes_str("")};
    params.prefix = s3_query_find(request, "prefix");
    params.region = s3_query_find(request, "bucket-region");
    bytes max = s3_query_find(request, "max-buckets");
    if (max.len > 0) {
        u64 value;
        if (!parse_u64(&value, max) || value < 1 || value > S3_BUCKETS_MAX) {
            return s3_refuse_argument(
                error, "Argument max-buckets must be an integer between 1 and 10000.",
                "max-buckets", max);
        }
        params.max = (u32)value;
        params.paged = true;
    }
    bytes token = s3_query_find(request, "continuation-token");
    if (token.len > 0 && !s3_list_token_read(arena, token, &params.after)) {
        return s3_refuse_argument(error, "The continuation token provided is incorrect",
                                  "continuation-token", token);
    }
    *ret_params = params;
    return S3_OK;
}

void s3_reply_buckets(struct buf *out, const struct s3_buckets_params *params,
                      const struct s3_owner *owner, const struct s3_bucket_info *buckets,
                      size_t count, bool truncated)
{
    begin(out, "ListAllMyBucketsResult");
    s3_put_owner(out, "Owner", owner);
    xml_open(out, "Buckets");
    for (size_t i = 0; i < count; i++) {
        xml_open(out, "Bucket");
        xml_element(out, "Name", buckets[i].name);
        put_time(out, "CreationDate", buckets[i].created_ms);
        if (params->paged) {
            put_str(out, "BucketRegion", buckets[i].region);
        }
        xml_close(out, "Bucket");
    }
    xml_close(out, "Buckets");
    if (truncated && count > 0) {
        struct arena arena;
        arena_init(&arena, KIB(8));
        xml_element(out, "ContinuationToken", s3_list_token(&arena, buckets[count - 1].name));
        arena_free(&arena);
    }
    if (params->prefix.len > 0) {
        xml_element(out, "Prefix", params->prefix);
    }
    xml_close(out, "ListAllMyBucketsResult");
}

void s3_reply_location(struct buf *out, const char *region)
{
    begin(out, "LocationConstraint");
    if (strcmp(region, "us-east-1") != 0) {
        xml_put_text(out, bytes_str(region));
    }
    xml_close(out, "LocationConstraint");
}

void s3_reply_acl(struct buf *out, const struct s3_owner *owner)
{
    begin(out, "AccessControlPolicy");
    s3_put_owner(out, "Owner", owner);
    xml_open(out, "AccessControlList");
    xml_open(out, "Grant");
    buf_put_str(out, "<Grantee xmlns:xsi=\"" XSI "\" xsi:type=\"CanonicalUser\">");
    xml_element(out, "ID", owner->id);
    xml_element(out, "DisplayName", owner->display_name);
    buf_put_str(out, "</Grantee>");
    put_str(out, "Permission", "FULL_CONTROL");
    xml_close(out, "Grant");
    xml_close(out, "AccessControlList");
    xml_close(out, "AccessControlPolicy");
}

/* ---- objects ---- */

void s3_reply_copy(struct buf *out, bool is_part, bytes etag, u64 modified_ms,
                   const struct s3_checksum *checksum)
{
    const char *root = is_part ? "CopyPartResult" : "CopyObjectResult";
    begin(out, root);
    put_time(out, "LastModified", modified_ms);
    xml_element(out, "ETag", etag);
    if (checksum->algorithm != S3_ALGORITHM_NONE && !is_part) {
        put_str(out, "ChecksumType", s3_checksum_type_text(checksum->type));
    }
    put_checksum(out, checksum);
    xml_close(out, root);
}

static void put_deleted(struct buf *out, const struct s3_delete_outcome *outcome)
{
    xml_open(out, "Deleted");
    xml_element(out, "Key", outcome->key);
    if (outcome->version_id.data != NULL) {
        xml_element(out, "VersionId", outcome->version_id);
    }
    xml_close(out, "Deleted");
}

static void put_delete_error(struct buf *out, const struct s3_delete_outcome *outcome)
{
    xml_open(out, "Error");
    xml_element(out, "Key", outcome->key);
    if (outcome->version_id.data != NULL) {
        xml_element(out, "VersionId", outcome->version_id);
    }
    put_str(out, "Code", s3_code_name(outcome->code));
    put_str(out, "Message",
            outcome->message != NULL ? outcome->message : s3_code_message(outcome->code));
    xml_close(out, "Error");
}

void s3_reply_delete(struct buf *out, const struct s3_delete_outcome *outcomes, size_t count,
                     bool quiet)
{
    begin(out, "DeleteResult");
    for (size_t i = 0; i < count; i++) {
        if (outcomes[i].code != S3_OK) {
            put_delete_error(out, &outcomes[i]);
        } else if (!quiet) {
            put_deleted(out, &outcomes[i]);
        }
    }
    xml_close(out, "DeleteResult");
}

/* ---- multipart ---- */

void s3_reply_create_upload(struct buf *out, bytes bucket, bytes key, bytes upload_id)
{
    begin(out, "InitiateMultipartUploadResult");
    xml_element(out, "Bucket", bucket);
    xml_element(out, "Key", key);
    xml_element(out, "UploadId", upload_id);
    xml_close(out, "InitiateMultipartUploadResult");
}

void s3_reply_complete(struct buf *out, bytes location, bytes bucket, bytes key, bytes etag,
                       const struct s3_checksum *checksum)
{
    begin(out, "CompleteMultipartUploadResult");
    xml_element(out, "Location", location);
    xml_element(out, "Bucket", bucket);
    xml_element(out, "Key", key);
    xml_element(out, "ETag", etag);
    put_checksum(out, checksum);
    if (checksum->algorithm != S3_ALGORITHM_NONE) {
        put_str(out, "ChecksumType", s3_checksum_type_text(checksum->type));
    }
    xml_close(out, "CompleteMultipartUploadResult");
}

enum s3_code s3_parts_parse(const struct s3_request *request, struct s3_parts_params *ret_params,
                            struct s3_error *error)
{
    struct s3_parts_params params = {0};
    S3_TRY(s3_number_parameter(request, "max-parts", 1000, 1000, &params.max, error));
    S3_TRY(s3_number_parameter(request, "part-number-marker", 0, INT32_MAX, &params.marker, error));
    bytes encoding = s3_query_find(request, "encoding-type");
    params.url = bytes_eq_nocase(encoding, bytes_str("url"));
    if (encoding.len > 0 && !params.url) {
        return s3_refuse_argument(error, "Invalid Encoding Method specified in Request",
                                  "encoding-type", encoding);
    }
    *ret_params = params;
    return S3_OK;
}

static void put_part(struct buf *out, const struct s3_parts_info *info,
                     const struct s3_stored_part *part)
{
    char etag[S3_ETAG_TEXT_BYTES];
    s3_etag_single(etag, part->md5);
    xml_open(out, "Part");
    xml_element_u64(out, "PartNumber", part->number);
    put_time(out, "LastModified", part->modified_ms);
    put_str(out, "ETag", etag);
    xml_element_u64(out, "Size", part->size);
    if (info->plan.asked) {
        put_checksum(out, &part->checksum);
    }
    xml_close(out, "Part");
}

static void put_parts_head(struct buf *out, const struct s3_parts_params *params,
                           const struct s3_parts_info *info)
{
    xml_element(out, "Bucket", info->bucket);
    s3_put_name(out, "Key", info->key, params->url);
    xml_element(out, "UploadId", info->upload_id);
    s3_put_owner(out, "Initiator", &info->owner);
    s3_put_owner(out, "Owner", &info->owner);
    xml_element(out, "StorageClass", info->storage_class);
    if (info->plan.asked) {
        put_str(out, "ChecksumAlgorithm", s3_algorithm_text(info->plan.algorithm));
        put_str(out, "ChecksumType", s3_checksum_type_text(info->plan.type));
    }
    if (params->url) {
        put_str(out, "EncodingType", "url");
    }
    xml_element_u64(out, "PartNumberMarker", params->marker);
}

void s3_reply_parts(struct buf *out, const struct s3_parts_params *params,
                    const struct s3_parts_info *info)
{
    size_t from = 0;
    while (from < info->count && info->parts[from].number <= params->marker) {
        from++;
    }
    size_t to = from + min_size(params->max, info->count - from);
    bool truncated = to < info->count && params->max > 0;
    begin(out, "ListPartsResult");
    put_parts_head(out, params, info);
    xml_element_u64(out, "NextPartNumberMarker", to > from ? info->parts[to - 1].number : 0);
    xml_element_u64(out, "MaxParts", params->max);
    put_str(out, "IsTruncated", truncated ? "true" : "false");
    for (size_t i = from; i < to; i++) {
        put_part(out, info, &info->parts[i]);
    }
    xml_close(out, "ListPartsResult");
}
