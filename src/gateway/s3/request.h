/* request.h: what an HTTP request asks of S3.
 *
 * s3_request_parse() takes the raw method, target and headers and finds the operation, the bucket
 * and the key. Nothing is looked up and nobody is authenticated here; the result is what auth.h,
 * body.h, listing.h and the others work on.
 *
 * Addressing. A Host that ends in "." and one of the configured domains names the bucket
 * (virtual-host style; bucket names may hold dots, a port is ignored, the longest domain wins);
 * every other Host means path style: /BUCKET/KEY. Both come through the same listener.
 *
 * Decoding. The target is decoded once, strictly: a broken escape or bytes that are not UTF-8 give
 * InvalidURI. "+" is itself in the path and a space in the query. There is no normalisation: "..",
 * "." and "//" are parts of a key like any other bytes.
 *
 * Sub-resources. All names that S3 knows stand in one table. One that is unknown or not supported
 * with this method answers NotImplemented, never the plain operation: a `PUT /b/k?policy` must not
 * become an object. An unknown parameter that has a value is ignored on GET and HEAD, as S3 does;
 * on anything that writes it is NotImplemented too, unless its name starts with "x-".
 */
#ifndef GATEWAY_S3_REQUEST_H
#define GATEWAY_S3_REQUEST_H

#include "gateway/s3/error.h"

#define S3_QUERY_ITEMS_MAX 256
#define S3_BODY_XML_BYTES_MAX MIB(4)
#define S3_PART_NUMBER_MAX 10000

enum s3_level { S3_LEVEL_SERVICE, S3_LEVEL_BUCKET, S3_LEVEL_OBJECT };

enum s3_body_kind {
    S3_BODY_NONE,   /* a body is drained and ignored */
    S3_BODY_XML,    /* read whole, at most S3_BODY_XML_BYTES_MAX, then body.h */
    S3_BODY_STREAM, /* object data: chunked.h, checksum.h */
};

/* X(name, AWS name of the operation, level, body) */
#define S3_OP_TABLE(X)                                                                             \
    X(LIST_BUCKETS, "ListBuckets", SERVICE, NONE)                                                  \
    X(PREFLIGHT, "Preflight", SERVICE, NONE)                                                       \
    X(CREATE_BUCKET, "CreateBucket", BUCKET, XML)                                                  \
    X(HEAD_BUCKET, "HeadBucket", BUCKET, NONE)                                                     \
    X(DELETE_BUCKET, "DeleteBucket", BUCKET, NONE)                                                 \
    X(GET_BUCKET_LOCATION, "GetBucketLocation", BUCKET, NONE)                                      \
    X(LIST_OBJECTS, "ListObjects", BUCKET, NONE)                                                   \
    X(LIST_OBJECTS_V2, "ListObjectsV2", BUCKET, NONE)                                              \
    X(LIST_OBJECT_VERSIONS, "ListObjectVersions", BUCKET, NONE)                                    \
    X(LIST_MULTIPART_UPLOADS, "ListMultipartUploads", BUCKET, NONE)                                \
    X(DELETE_OBJECTS, "DeleteObjects", BUCKET, XML)                                                \
    X(GET_BUCKET_ACL, "GetBucketAcl", BUCKET, NONE)                                                \
    X(PUT_BUCKET_ACL, "PutBucketAcl", BUCKET, XML)                                                 \
    X(GET_BUCKET_VERSIONING, "GetBucketVersioning", BUCKET, NONE)                                  \
    X(GET_BUCKET_ACCELERATE, "GetBucketAccelerateConfiguration", BUCKET, NONE)                     \
    X(GET_BUCKET_CORS, "GetBucketCors", BUCKET, NONE)                                              \
    X(GET_BUCKET_ENCRYPTION, "GetBucketEncryption", BUCKET, NONE)                                  \
    X(GET_BUCKET_LIFECYCLE, "GetBucketLifecycleConfiguration", BUCKET, NONE)                       \
    X(GET_BUCKET_LOGGING, "GetBucketLogging", BUCKET, NONE)                                        \
    X(GET_BUCKET_NOTIFICATION, "GetBucketNotificationConfiguration", BUCKET, NONE)                 \
    X(GET_BUCKET_OBJECT_LOCK, "GetObjectLockConfiguration", BUCKET, NONE)                          \
    X(GET_BUCKET_OWNERSHIP, "GetBucketOwnershipControls", BUCKET, NONE)                            \
    X(GET_BUCKET_POLICY, "GetBucketPolicy", BUCKET, NONE)                                          \
    X(GET_BUCKET_POLICY_STATUS, "GetBucketPolicyStatus", BUCKET, NONE)                             \
    X(GET_BUCKET_PUBLIC_ACCESS_BLOCK, "GetPublicAccessBlock", BUCKET, NONE)                        \
    X(GET_BUCKET_REPLICATION, "GetBucketReplication", BUCKET, NONE)                                \
    X(GET_BUCKET_REQUEST_PAYMENT, "GetBucketRequestPayment", BUCKET, NONE)                         \
    X(GET_BUCKET_TAGGING, "GetBucketTagging", BUCKET, NONE)                                        \
    X(GET_BUCKET_WEBSITE, "GetBucketWebsite", BUCKET, NONE)                                        \
    X(DELETE_BUCKET_CORS, "DeleteBucketCors", BUCKET, NONE)                                        \
    X(DELETE_BUCKET_ENCRYPTION, "DeleteBucketEncryption", BUCKET, NONE)                            \
    X(DELETE_BUCKET_LIFECYCLE, "DeleteBucketLifecycle", BUCKET, NONE)                              \
    X(DELETE_BUCKET_OWNERSHIP, "DeleteBucketOwnershipControls", BUCKET, NONE)                      \
    X(DELETE_BUCKET_POLICY, "DeleteBucketPolicy", BUCKET, NONE)                                    \
    X(DELETE_BUCKET_PUBLIC_ACCESS_BLOCK, "DeletePublicAccessBlock", BUCKET, NONE)                  \
    X(DELETE_BUCKET_REPLICATION, "DeleteBucketReplication", BUCKET, NONE)                          \
    X(DELETE_BUCKET_TAGGING, "DeleteBucketTagging", BUCKET, NONE)                                  \
    X(DELETE_BUCKET_WEBSITE, "DeleteBucketWebsite", BUCKET, NONE)                                  \
    X(PUT_OBJECT, "PutObject", OBJECT, STREAM)                                                     \
    X(GET_OBJECT, "GetObject", OBJECT, NONE)                                                       \
    X(HEAD_OBJECT, "HeadObject", OBJECT, NONE)                                                     \
    X(DELETE_OBJECT, "DeleteObject", OBJECT, NONE)                                                 \
    X(COPY_OBJECT, "CopyObject", OBJECT, NONE)                                                     \
    X(CREATE_MULTIPART_UPLOAD, "CreateMultipartUpload", OBJECT, NONE)                              \
    X(UPLOAD_PART, "UploadPart", OBJECT, STREAM)                                                   \
    X(UPLOAD_PART_COPY, "UploadPartCopy", OBJECT, NONE)                                            \
    X(COMPLETE_MULTIPART_UPLOAD, "CompleteMultipartUpload", OBJECT, XML)                           \
    X(ABORT_MULTIPART_UPLOAD, "AbortMultipartUpload", OBJECT, NONE)                                \
    X(LIST_PARTS, "ListParts", OBJECT, NONE)                                                       \
    X(GET_OBJECT_ACL, "GetObjectAcl", OBJECT, NONE)                                                \
    X(PUT_OBJECT_ACL, "PutObjectAcl", OBJECT, XML)                                                 \
    X(GET_OBJECT_TAGGING, "GetObjectTagging", OBJECT, NONE)                                        \
    X(DELETE_OBJECT_TAGGING, "DeleteObjectTagging", OBJECT, NONE)                                  \
    X(GET_OBJECT_LEGAL_HOLD, "GetObjectLegalHold", OBJECT, NONE)                                   \
    X(GET_OBJECT_RETENTION, "GetObjectRetention", OBJECT, NONE)

enum s3_op {
    S3_OP_NONE, /* not recognised: the request was refused */
#define S3_OP_ENUM(name, text, level, body) S3_OP_##name,
    S3_OP_TABLE(S3_OP_ENUM)
#undef S3_OP_ENUM
        S3_OP_COUNT
};

enum s3_method {
    S3_METHOD_GET,
    S3_METHOD_HEAD,
    S3_METHOD_PUT,
    S3_METHOD_POST,
    S3_METHOD_DELETE,
    S3_METHOD_OPTIONS,
    S3_METHOD_OTHER,
};

struct s3_header {
    bytes name;  /* as received */
    bytes value; /* outer white space removed */
};

struct s3_query_item {
    bytes raw_name; /* as received */
    bytes raw_value;
    bytes name; /* decoded, UTF-8 */
    bytes value;
    bool has_value; /* there was a "=" */
};

/* What the HTTP server hands in; everything is borrowed for the life of the request. */
struct s3_request_input {
    bytes method;
    bytes target; /* raw: path and query, or an absolute URI */
    bytes host;   /* value of the Host header */
    const struct s3_header *headers;
    size_t header_count;
    bool encrypted;              /* came over TLS */
    const struct bytes *domains; /* for virtual-host style: "s3.example.org"; lower case */
    size_t domain_count;
};

struct s3_request {
    enum s3_op op;
    enum s3_method method;
    enum s3_level level;
    bytes method_text;
    bytes path;   /* decoded path of the target: what is signed */
    bytes bucket; /* empty on service level */
    bytes key;    /* empty unless on object level */
    bool virtual_host;
    bool encrypted;
    bytes host;
    const struct s3_header *headers;
    size_t header_count;
    const struct s3_query_item *query; /* in arrival order, empty pieces left out */
    size_t query_count;
    bytes version_id;        /* data NULL: not given */
    bytes upload_id;         /* data NULL: not given */
    u32 part_number;         /* 1..10000; 0: not given */
    const char *subresource; /* name of the one that chose the operation, or NULL */
};

/* s3_request_parse: fills *ret_request even when it refuses (method, path, bucket and key as far as
 * they are known, for the answer and the log). Refusals: InvalidURI, InvalidBucketName,
 * KeyTooLongError, InvalidArgument, MethodNotAllowed, NotImplemented. */
MUST_USE enum s3_code s3_request_parse(struct arena *arena, const struct s3_request_input *input,
                                       struct s3_request *ret_request, struct s3_error *error);

const char *s3_op_name(enum s3_op op);
enum s3_level s3_op_level(enum s3_op op);
enum s3_body_kind s3_op_body(enum s3_op op);

/* s3_header_find: value of the first header of that name, any case; data NULL if absent. */
bytes s3_header_find(const struct s3_request *request, const char *name);
/* s3_query_find: decoded value of the first parameter of exactly that name; data NULL if absent,
 * empty if it has no value. */
bytes s3_query_find(const struct s3_request *request, const char *name);
/* s3_method_list: "GET, HEAD, PUT, POST, DELETE, OPTIONS", for Allow on 405. */
const char *s3_method_list(void);

/* s3_preflight_refuse: the answer to every OPTIONS while buckets have no CORS configuration:
 * BadRequest without an Origin header, else AccessForbidden. */
enum s3_code s3_preflight_refuse(const struct s3_request *request, struct s3_error *error);
/* s3_version_check: of an object in a bucket that was never versioned: none or "null" is the
 * object. InvalidArgument for an empty id, NoSuchVersion for any other. */
MUST_USE enum s3_code s3_version_check(bytes key, bytes version_id, struct s3_error *error);
/* s3_put_object_url: "http://host/bucket/key" as this request addressed it, percent-encoded. */
void s3_put_object_url(struct buf *out, const struct s3_request *request);

/* The source of a copy, from x-amz-copy-source. */
struct s3_copy_source {
    bytes bucket;
    bytes key;
    bytes version_id; /* data NULL: not given */
};

/* s3_copy_source_parse: "[/]bucket/key[?versionId=id]", percent-encoded, also accepted when only
 * the characters that need it are encoded. InvalidArgument names the header. */
MUST_USE enum s3_code s3_copy_source_parse(struct arena *arena, const struct s3_request *request,
                                           struct s3_copy_source *ret_source,
                                           struct s3_error *error);

#endif
