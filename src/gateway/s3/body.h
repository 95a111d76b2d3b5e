/* body.h: the XML that clients send.
 *
 * Bodies are read whole (at most S3_BODY_XML_BYTES_MAX), checked against what was declared about
 * them (checksum.h), then parsed here. Anything that is not well-formed, has another root element,
 * lacks what it must have or breaks a limit is MalformedXML. Elements that are not known are
 * ignored, as S3 does; the XML namespace is not looked at. Results live in the arena.
 */
#ifndef GATEWAY_S3_BODY_H
#define GATEWAY_S3_BODY_H

#include "gateway/s3/checksum.h"
#include "gateway/s3/conditions.h"

#define S3_DELETE_KEYS_MAX 1000
#define S3_COMPLETE_PARTS_MAX S3_PART_NUMBER_MAX

/* s3_body_create_bucket: CreateBucketConfiguration; an empty body is an empty configuration.
 * *ret_location is LocationConstraint, data NULL if there is none. Buckets with tags or of a type
 * other than general purpose are NotImplemented. */
MUST_USE enum s3_code s3_body_create_bucket(struct arena *arena, bytes body, bytes *ret_location,
                                            struct s3_error *error);

struct s3_delete_item {
    bytes key;        /* any bytes: s3_key_check() each and report per key */
    bytes version_id; /* data NULL: not given */
    struct s3_conditions conditions;
};

struct s3_delete {
    struct s3_delete_item *items;
    size_t count; /* 1..S3_DELETE_KEYS_MAX */
    bool quiet;
};

/* s3_body_delete: Delete. */
MUST_USE enum s3_code s3_body_delete(struct arena *arena, bytes body, i64 now_s,
                                     struct s3_delete *ret_delete, struct s3_error *error);

struct s3_complete_part {
    u32 number;                  /* 1..S3_PART_NUMBER_MAX */
    bytes etag;                  /* without quotes */
    struct s3_checksum checksum; /* algorithm NONE: not given */
};

struct s3_complete {
    struct s3_complete_part *parts; /* in the order of the body */
    size_t count;                   /* 1..S3_COMPLETE_PARTS_MAX */
};

/* s3_body_complete: CompleteMultipartUpload. InvalidArgument for part numbers out of range,
 * InvalidPart for a checksum that is not one. */
MUST_USE enum s3_code s3_body_complete(struct arena *arena, bytes body,
                                       struct s3_complete *ret_complete, struct s3_error *error);

/* s3_body_acl: AccessControlPolicy of a PUT ?acl; an empty body means that the x-amz-acl header
 * says it all. Accepted is what is true of every bucket and object here: FULL_CONTROL for the owner
 * and nobody else. AccessControlListNotSupported for anything more, InvalidArgument for an unknown
 * permission. */
MUST_USE enum s3_code s3_body_acl(struct arena *arena, bytes body, bytes owner_id,
                                  struct s3_error *error);

#endif
