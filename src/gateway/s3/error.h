/* error.h: what the gateway refuses, in S3's own words.
 *
 * A refusal is a verdict, not a fault: functions of this folder return an `enum s3_code`, S3_OK or
 * the row of the table below, and leave the details that belong to that code (which argument, which
 * sizes, which string was signed) in a `struct s3_error`. The front end turns it into an XML body
 * with s3_error_write() and a status with s3_code_status().
 *
 * One table holds every code with its HTTP status and default message. Two rows may share a code
 * when S3 (or the public test suites) answer it with different statuses. Names and statuses follow
 * the "Error responses" page of the Amazon S3 API reference.
 *
 * A refused request may have come from anybody: messages never hold secrets, and field values are
 * copied into the request's arena, so they live as long as the request. When the arena is full a
 * field is left out; the code never is.
 */
#ifndef GATEWAY_S3_ERROR_H
#define GATEWAY_S3_ERROR_H

#include "base/arena.h"
#include "base/buf.h"

/* X(name, code on the wire, HTTP status, default message) */
#define S3_ERROR_TABLE(X)                                                                          \
    X(ACCESS_DENIED, "AccessDenied", 403, "Access Denied")                                         \
    X(ACCESS_FORBIDDEN, "AccessForbidden", 403,                                                    \
      "CORSResponse: CORS is not enabled for this "                                                \
      "bucket.")                                                                                   \
    X(ACL_NOT_SUPPORTED, "AccessControlListNotSupported", 400, "The bucket does not allow ACLs")   \
    X(AUTH_HEADER_MALFORMED, "AuthorizationHeaderMalformed", 400,                                  \
      "The authorization header is malformed")                                                     \
    X(AUTH_QUERY_PARAMETERS, "AuthorizationQueryParametersError", 400,                             \
      "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, "     \
      "X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.")           \
    X(AUTH_QUERY_EXPIRES, "AuthorizationQueryParametersError", 403,                                \
      "X-Amz-Expires must be between 1 and 604800 seconds")                                        \
    X(BAD_DIGEST, "BadDigest", 400,                                                                \
      "The Content-MD5 or checksum value that you specified did not match what the server "        \
      "received.")                                                                                 \
    X(BAD_REQUEST, "BadRequest", 400, "An error occurred when parsing the HTTP request.")          \
    X(BUCKET_ALREADY_EXISTS, "BucketAlreadyExists", 409,                                           \
      "The requested bucket name is not available. The bucket namespace is shared by all users "   \
      "of the system. Please select a different name and try again.")                              \
    X(BUCKET_ALREADY_OWNED, "BucketAlreadyOwnedByYou", 409,                                        \
      "Your previous request to create the named bucket succeeded and you already own it.")        \
    X(BUCKET_NOT_EMPTY, "BucketNotEmpty", 409, "The bucket you tried to delete is not empty.")     \
    X(CONDITIONAL_CONFLICT, "ConditionalRequestConflict", 409,                                     \
      "A conflicting conditional operation occurred during the request. Please retry.")            \
    X(ENTITY_TOO_LARGE, "EntityTooLarge", 400,                                                     \
      "Your proposed upload exceeds the maximum allowed object size.")                             \
    X(ENTITY_TOO_SMALL, "EntityTooSmall", 400,                                                     \
      "Your proposed upload is smaller than the minimum allowed object size.")                     \
    X(INCOMPLETE_BODY, "IncompleteBody", 400, "The request body terminated unexpectedly")          \
    X(INSUFFICIENT_STORAGE, "InsufficientStorage", 507,                                            \
      "The storage behind this gateway has no space left.")                                        \
    X(INTERNAL, "InternalError", 500, "We encountered an internal error. Please try again.")       \
    X(INVALID_ACCESS_KEY, "InvalidAccessKeyId", 403,                                               \
      "The access key ID you provided does not exist in our records.")                             \
    X(INVALID_ARGUMENT, "InvalidArgument", 400, "Invalid Argument")                                \
    X(INVALID_BUCKET_NAME, "InvalidBucketName", 400, "The specified bucket is not valid.")         \
    X(INVALID_BUCKET_STATE, "InvalidBucketState", 409,                                             \
      "The request is not valid for the current state of the bucket.")                             \
    X(INVALID_CHUNK_SIZE, "InvalidChunkSizeError", 400,                                            \
      "Only the last chunk is allowed to have a size less than 8192 bytes")                        \
    X(INVALID_DIGEST, "InvalidDigest", 400, "The Content-MD5 you specified is not valid.")         \
    X(INVALID_ENCRYPTION, "InvalidEncryptionAlgorithmError", 400,                                  \
      "The encryption request you specified is not valid. The valid value is AES256.")             \
    X(INVALID_LOCATION, "InvalidLocationConstraint", 400,                                          \
      "The specified location constraint is not valid.")                                           \
    X(INVALID_OBJECT_STATE, "InvalidObjectState", 403,                                             \
      "The operation is not valid for the current state of the object.")                           \
    X(INVALID_PART, "InvalidPart", 400,                                                            \
      "One or more of the specified parts could not be found. The part may not have been "         \
      "uploaded, or the specified entity tag may not match the part's entity tag.")                \
    X(INVALID_PART_NUMBER, "InvalidPartNumber", 416,                                               \
      "The requested partnumber is not satisfiable")                                               \
    X(INVALID_PART_ORDER, "InvalidPartOrder", 400,                                                 \
      "The list of parts was not in ascending order. Parts must be ordered by part number.")       \
    X(INVALID_RANGE, "InvalidRange", 416, "The requested range is not satisfiable")                \
    X(INVALID_REQUEST, "InvalidRequest", 400, "Invalid Request")                                   \
    X(INVALID_STORAGE_CLASS, "InvalidStorageClass", 400,                                           \
      "The storage class you specified is not valid")                                              \
    X(INVALID_TAG, "InvalidTag", 400, "The tag provided was not a valid tag.")                     \
    X(INVALID_TOKEN, "InvalidToken", 400,                                                          \
      "The provided token is malformed or otherwise not valid.")                                   \
    X(INVALID_URI, "InvalidURI", 400, "Couldn't parse the specified URI.")                         \
    X(KEY_TOO_LONG, "KeyTooLongError", 400, "Your key is too long")                                \
    X(MALFORMED_POST, "MalformedPOSTRequest", 400,                                                 \
      "The body of your POST request is not well-formed multipart/form-data.")                     \
    X(MALFORMED_TRAILER, "MalformedTrailerError", 400,                                             \
      "The request contained trailing data that was not well-formed or did not conform to our "    \
      "published schema.")                                                                         \
    X(MALFORMED_XML, "MalformedXML", 400,                                                          \
      "The XML you provided was not well-formed or did not validate against our published "        \
      "schema")                                                                                    \
    X(MAX_MESSAGE_LENGTH, "MaxMessageLengthExceeded", 400, "Your request was too big.")            \
    X(METADATA_TOO_LARGE, "MetadataTooLarge", 400,                                                 \
      "Your metadata headers exceed the maximum allowed metadata size")                            \
    X(METHOD_NOT_ALLOWED, "MethodNotAllowed", 405,                                                 \
      "The specified method is not allowed against this resource.")                                \
    X(MISSING_CONTENT_LENGTH, "MissingContentLength", 411,                                         \
      "You must provide the Content-Length HTTP header.")                                          \
    X(MISSING_REQUEST_BODY, "MissingRequestBodyError", 400, "Request body is empty.")              \
    X(NO_SUCH_BUCKET, "NoSuchBucket", 404, "The specified bucket does not exist")                  \
    X(NO_SUCH_BUCKET_POLICY, "NoSuchBucketPolicy", 404, "The bucket policy does not exist")        \
    X(NO_SUCH_CORS, "NoSuchCORSConfiguration", 404, "The CORS configuration does not exist")       \
    X(NO_SUCH_ENCRYPTION, "ServerSideEncryptionConfigurationNotFoundError", 404,                   \
      "The server side encryption configuration was not found")                                    \
    X(NO_SUCH_KEY, "NoSuchKey", 404, "The specified key does not exist.")                          \
    X(NO_SUCH_LIFECYCLE, "NoSuchLifecycleConfiguration", 404,                                      \
      "The lifecycle configuration does not exist")                                                \
    X(NO_SUCH_OBJECT_LOCK, "ObjectLockConfigurationNotFoundError", 404,                            \
      "Object Lock configuration does not exist for this bucket")                                  \
    X(NO_SUCH_OWNERSHIP, "OwnershipControlsNotFoundError", 404,                                    \
      "The bucket ownership controls were not found")                                              \
    X(NO_SUCH_PUBLIC_ACCESS_BLOCK, "NoSuchPublicAccessBlockConfiguration", 404,                    \
      "The public access block configuration was not found")                                       \
    X(NO_SUCH_REPLICATION, "ReplicationConfigurationNotFoundError", 404,                           \
      "The replication configuration was not found")                                               \
    X(NO_SUCH_TAG_SET, "NoSuchTagSet", 404, "The TagSet does not exist")                           \
    X(NO_SUCH_UPLOAD, "NoSuchUpload", 404,                                                         \
      "The specified multipart upload does not exist. The upload ID may be invalid, or the "       \
      "upload may have been aborted or completed.")                                                \
    X(NO_SUCH_VERSION, "NoSuchVersion", 404, "The specified version does not exist.")              \
    X(NO_SUCH_WEBSITE, "NoSuchWebsiteConfiguration", 404,                                          \
      "The specified bucket does not have a website configuration")                                \
    X(NOT_IMPLEMENTED, "NotImplemented", 501,                                                      \
      "A header or parameter you provided implies functionality that is not implemented")          \
    X(NOT_MODIFIED, "NotModified", 304, "Not Modified")                                            \
    X(OPERATION_ABORTED, "OperationAborted", 409,                                                  \
      "A conflicting operation is currently in progress against this resource. Try again.")        \
    X(PRECONDITION_FAILED, "PreconditionFailed", 412,                                              \
      "At least one of the pre-conditions you specified did not hold")                             \
    X(QUOTA_EXCEEDED, "QuotaExceeded", 403,                                                        \
      "The quota of the owner's authorisation for this gateway is used up.")                       \
    X(REQUEST_HEADER_TOO_LARGE, "RequestHeaderSectionTooLarge", 400,                               \
      "Your request header section exceeds the maximum allowed size.")                             \
    X(REQUEST_TIMEOUT, "RequestTimeout", 400,                                                      \
      "Your socket connection to the server was not read from or written to within the timeout "   \
      "period.")                                                                                   \
    X(REQUEST_TIME_SKEWED, "RequestTimeTooSkewed", 403,                                            \
      "The difference between the request time and the server's time is too large.")               \
    X(SERVICE_UNAVAILABLE, "ServiceUnavailable", 503, "Service is unable to handle request.")      \
    X(SHA256_MISMATCH, "XAmzContentSHA256Mismatch", 400,                                           \
      "The provided 'x-amz-content-sha256' header does not match what was computed.")              \
    X(SIGNATURE_MISMATCH, "SignatureDoesNotMatch", 403,                                            \
      "The request signature we calculated does not match the signature you provided. Check "      \
      "your key and signing method.")                                                              \
    X(SLOW_DOWN, "SlowDown", 503, "Please reduce your request rate.")                              \
    X(TOO_MANY_BUCKETS, "TooManyBuckets", 400,                                                     \
      "You have attempted to create more buckets than allowed.")                                   \
    X(UNRESOLVABLE_GRANT, "UnresolvableGrantByEmailAddress", 400,                                  \
      "The email address you provided does not match any account on record.")                      \
    X(USER_KEY_MISSING, "UserKeyMustBeSpecified", 400,                                             \
      "The bucket POST must contain the specified field name. If it is specified, check the "      \
      "order of the fields.")

enum s3_code {
    S3_OK,
#define S3_ERROR_ENUM(name, code, status, message) S3_ERR_##name,
    S3_ERROR_TABLE(S3_ERROR_ENUM)
#undef S3_ERROR_ENUM
        S3_CODE_COUNT
};

#define S3_ERROR_FIELDS_MAX 8
#define S3_ERROR_FIELD_BYTES_MAX 16384 /* longer values are left out */

struct s3_error_field {
    const char *name; /* static: an XML element name */
    bytes value;      /* in the arena */
};

struct s3_error {
    struct arena *arena; /* of the request, borrowed */
    enum s3_code code;   /* S3_OK: nothing was refused */
    const char *message; /* NULL: the table's */
    struct s3_error_field fields[S3_ERROR_FIELDS_MAX];
    size_t field_count;
};

/* S3_TRY: return the refusal of expr from the enclosing function, if there is one. */
#define S3_TRY(expr)                                                                               \
    do {                                                                                           \
        enum s3_code s3_try_code_ = (expr);                                                        \
        if (s3_try_code_ != S3_OK) {                                                               \
            return s3_try_code_;                                                                   \
        }                                                                                          \
    } while (0)

/* s3_code_name: "NoSuchKey"; s3_code_status: 404; s3_code_message: the default text. S3_OK is
 * "OK", 200. */
const char *s3_code_name(enum s3_code code);
int s3_code_status(enum s3_code code);
const char *s3_code_message(enum s3_code code);
/* s3_code_of_fault: the code that answers a fault of a lower layer; never S3_OK for a fault.
 * Integrity failures and everything unexpected become InternalError. */
enum s3_code s3_code_of_fault(err fault);

void s3_error_init(struct s3_error *error, struct arena *arena);
/* s3_refuse: notes the code with the table's message and no fields, and returns it. */
enum s3_code s3_refuse(struct s3_error *error, enum s3_code code);
/* s3_refuse_message: with a message of its own, static or in the arena; NULL: the table's. */
enum s3_code s3_refuse_message(struct s3_error *error, enum s3_code code, const char *message);
/* s3_refuse_text: the same with the message printed into the arena. */
#define s3_refuse_text(error, code, ...)                                                           \
    s3_refuse_message((error), (code), arena_format((error)->arena, __VA_ARGS__))
/* s3_refuse_argument: InvalidArgument with ArgumentName and ArgumentValue. `message` and `name` are
 * static. */
enum s3_code s3_refuse_argument(struct s3_error *error, const char *message, const char *name,
                                bytes value);
/* s3_error_add: a field of the refusal noted last; the value is copied. */
void s3_error_add(struct s3_error *error, const char *name, bytes value);
void s3_error_add_str(struct s3_error *error, const char *name, const char *value);
void s3_error_add_u64(struct s3_error *error, const char *name, u64 value);
/* s3_error_find: value of the first field of that name; data NULL if there is none. */
bytes s3_error_find(const struct s3_error *error, const char *name);
/* s3_error_message: what is written as <Message>. */
const char *s3_error_message(const struct s3_error *error);
/* s3_error_write: the whole XML document. Not for HEAD and 304, which have no body. */
void s3_error_write(struct buf *out, const struct s3_error *error, bytes resource, bytes request_id,
                    bytes host_id);

#endif
