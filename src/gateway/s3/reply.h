/* reply.h: the XML answers other than listings of keys (listing.h) and errors (error.h).
 *
 * Writers append a whole document to a buf; the caller checks buf_done(). Times are Unix
 * milliseconds. Operations whose answer is the same for every bucket or object of this gateway (no
 * policy, no tags, no CORS …) come from one table: s3_fixed_answer().
 */
#ifndef GATEWAY_S3_REPLY_H
#define GATEWAY_S3_REPLY_H

#include "gateway/s3/body.h"
#include "gateway/s3/listing.h"
#include "gateway/s3/multipart.h"

/* ---- fixed answers ---- */

struct s3_fixed {
    enum s3_code code;   /* refusal, or S3_OK */
    int status;          /* of S3_OK: 200 with a body, or 204 */
    const char *body;    /* whole XML document, or NULL */
    const char *message; /* of a refusal, or NULL: the code's own */
};

/* s3_fixed_answer: false if the operation has none. The caller has found the bucket (and the
 * object, for object-level operations) and checked the permission before. */
MUST_USE bool s3_fixed_answer(enum s3_op op, struct s3_fixed *ret_fixed);

/* ---- service and bucket ---- */

#define S3_BUCKETS_MAX 10000

struct s3_bucket_info {
    bytes name;
    u64 created_ms;
    const char *region;
};

/* Parameters of ListBuckets; names are in byte order. */
struct s3_buckets_params {
    bytes prefix;
    bytes after;  /* only names behind it; from the continuation token; empty: from the start */
    bytes region; /* bucket-region; empty: any */
    u32 max;      /* 1..10000 */
    bool paged;   /* max-buckets was given */
};
/* s3_buckets_parse: InvalidArgument (max-buckets, continuation-token). */
MUST_USE enum s3_code s3_buckets_parse(struct arena *arena, const struct s3_request *request,
                                       struct s3_buckets_params *ret_params,
                                       struct s3_error *error);
/* s3_reply_buckets: `buckets` is one page; `truncated`: more follow. */
void s3_reply_buckets(struct buf *out, const struct s3_buckets_params *params,
                      const struct s3_owner *owner, const struct s3_bucket_info *buckets,
                      size_t count, bool truncated);
/* s3_reply_location: an empty element for us-east-1. */
void s3_reply_location(struct buf *out, const char *region);
/* s3_reply_acl: FULL_CONTROL for the owner. */
void s3_reply_acl(struct buf *out, const struct s3_owner *owner);

/* ---- objects ---- */

/* s3_reply_copy: CopyObjectResult, or CopyPartResult if is_part. `etag` with quotes. */
void s3_reply_copy(struct buf *out, bool is_part, bytes etag, u64 modified_ms,
                   const struct s3_checksum *checksum);

struct s3_delete_outcome {
    bytes key;
    bytes version_id;    /* data NULL: none */
    enum s3_code code;   /* S3_OK: deleted (or absent) */
    const char *message; /* of a refusal */
};
/* s3_reply_delete: DeleteResult; `quiet` leaves out what was deleted. */
void s3_reply_delete(struct buf *out, const struct s3_delete_outcome *outcomes, size_t count,
                     bool quiet);

/* ---- multipart ---- */

void s3_reply_create_upload(struct buf *out, bytes bucket, bytes key, bytes upload_id);
/* s3_reply_complete: `location` is the object's URL; checksum may have algorithm NONE. */
void s3_reply_complete(struct buf *out, bytes location, bytes bucket, bytes key, bytes etag,
                       const struct s3_checksum *checksum);

struct s3_parts_params {
    u32 marker; /* only parts behind it */
    u32 max;    /* 0..1000 */
    bool url;
};
/* s3_parts_parse: InvalidArgument (max-parts, part-number-marker, encoding-type). */
MUST_USE enum s3_code s3_parts_parse(const struct s3_request *request,
                                     struct s3_parts_params *ret_params, struct s3_error *error);
/* s3_reply_parts: ListPartsResult of all stored parts of the upload, ascending; the page is cut
 * here. */
struct s3_parts_info {
    bytes bucket;
    bytes key;
    bytes upload_id;
    struct s3_owner owner;
    bytes storage_class;
    struct s3_checksum_plan plan;
    const struct s3_stored_part *parts;
    size_t count;
};
void s3_reply_parts(struct buf *out, const struct s3_parts_params *params,
                    const struct s3_parts_info *info);

#endif
