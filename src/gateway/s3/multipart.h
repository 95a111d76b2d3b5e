/* multipart.h: the rules of multipart uploads.
 *
 * Part numbers are 1 to 10,000; a part may be sent again and the last one counts. Complete names
 * parts in ascending order with their ETags (gaps are fine, parts that are not named are dropped);
 * all but the last must have 5 MiB. A Complete that is sent again after it succeeded answers the
 * same: s3_complete_etag() gives, from the request alone, the ETag that the object must have.
 *
 * Upload ids are opaque to clients: 16 random bytes from the caller as 32 hexadecimal digits.
 */
#ifndef GATEWAY_S3_MULTIPART_H
#define GATEWAY_S3_MULTIPART_H

#include "gateway/s3/body.h"

#define S3_PART_BYTES_MIN MIB(5)
#define S3_PART_BYTES_MAX GIB(5)
#define S3_OBJECT_BYTES_MAX (GIB(1024) * 5) /* 5 TiB */
#define S3_PUT_BYTES_MAX GIB(5)
#define S3_COPY_BYTES_MAX GIB(5)
#define S3_UPLOAD_ID_BYTES 16

struct s3_upload_id {
    u8 b[S3_UPLOAD_ID_BYTES];
};

#define S3_UPLOAD_ID_TEXT_BYTES (S3_UPLOAD_ID_BYTES * 2 + 1)
void s3_upload_id_write(char out[S3_UPLOAD_ID_TEXT_BYTES], const struct s3_upload_id *id);
/* s3_upload_id_read: NoSuchUpload (UploadId) for anything that is not one of ours. */
MUST_USE enum s3_code s3_upload_id_read(struct s3_upload_id *ret_id, bytes text,
                                        struct s3_error *error);
/* s3_refuse_upload: NoSuchUpload with UploadId. */
enum s3_code s3_refuse_upload(struct s3_error *error, bytes upload_id);

/* s3_size_check: EntityTooLarge with ProposedSize and MaxSizeAllowed past `max`. */
MUST_USE enum s3_code s3_size_check(u64 size, u64 max, struct s3_error *error);

/* s3_copy_size_check: InvalidRequest past S3_COPY_BYTES_MAX, for CopyObject. */
MUST_USE enum s3_code s3_copy_size_check(u64 size, struct s3_error *error);

/* A part as it is stored. */
struct s3_stored_part {
    u32 number;
    u64 size;
    u64 modified_ms;
    u8 md5[16];
    struct s3_checksum checksum; /* of the upload's algorithm */
};

struct s3_completed {
    u64 size;
    char etag[S3_ETAG_TEXT_BYTES];
    struct s3_checksum checksum;
    const struct s3_stored_part **parts; /* those named, in order; in the arena */
    size_t count;
};

/* s3_complete_check: `stored` is in ascending order of number. `min_bytes` is S3_PART_BYTES_MIN but
 * for tests. Headers looked at: x-amz-mp-object-size and the x-amz-checksum-* of the whole object.
 * Refusals: InvalidPartOrder, InvalidPart (UploadId, PartNumber, ETag), EntityTooSmall
 * (ProposedSize, MinSizeAllowed, PartNumber, ETag), EntityTooLarge, InvalidRequest, BadDigest. */
struct s3_complete_input {
    const struct s3_request *request;
    const struct s3_complete *complete;
    const struct s3_checksum_plan *plan;
    const struct s3_stored_part *stored;
    size_t stored_count;
    u64 min_bytes;
};
MUST_USE enum s3_code s3_complete_check(struct arena *arena, const struct s3_complete_input *input,
                                        struct s3_completed *ret_completed, struct s3_error *error);

/* s3_complete_etag: false if an ETag of the request is no MD5. */
MUST_USE bool s3_complete_etag(struct arena *arena, const struct s3_complete *complete,
                               char out[S3_ETAG_TEXT_BYTES]);

/* s3_part_range: where part `number` (1…) of an object lies whose parts have these sizes; `count`
 * is 0 for objects that were put whole, which have one part. InvalidPart if there is no such part,
 * InvalidRequest if the request also has a Range. */
MUST_USE enum s3_code s3_part_range(const struct s3_request *request, const u64 *sizes,
                                    size_t count, u64 object_size, u64 *ret_offset, u64 *ret_len,
                                    struct s3_error *error);

#endif
