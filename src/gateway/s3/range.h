/* range.h: byte ranges of reads and of copied parts.
 *
 * A read takes one "bytes=" range (first-last, first-, -suffix); it becomes 206, or 416 if nothing
 * of it lies in the object. What is malformed or names several ranges is ignored, as RFC 9110 §14.2
 * allows and S3 does: the whole object with 200. If-Range that does not hold: the whole object.
 *
 * x-amz-copy-source-range is strict: "bytes=first-last" inside the source, anything else is
 * refused.
 */
#ifndef GATEWAY_S3_RANGE_H
#define GATEWAY_S3_RANGE_H

#include "gateway/s3/request.h"

enum s3_range_kind {
    S3_RANGE_WHOLE, /* 200 */
    S3_RANGE_PART,  /* 206 with Content-Range */
};

struct s3_range {
    enum s3_range_kind kind;
    u64 offset;
    u64 len;
};

#define S3_CONTENT_RANGE_BYTES 72

/* s3_range_parse: of the request's Range header against an object of `size` bytes. `etag` and
 * `modified_ms` are the object's, for If-Range. InvalidRange with RangeRequested and
 * ActualObjectSize. */
MUST_USE enum s3_code s3_range_parse(const struct s3_request *request, u64 size, bytes etag,
                                     u64 modified_ms, i64 now_s, struct s3_range *ret_range,
                                     struct s3_error *error);
/* s3_range_copy_parse: of x-amz-copy-source-range; WHOLE if the header is absent. InvalidArgument
 * if malformed, InvalidRange if not inside the source. */
MUST_USE enum s3_code s3_range_copy_parse(const struct s3_request *request, u64 source_size,
                                          struct s3_range *ret_range, struct s3_error *error);
/* s3_range_header: "bytes 0-9/100" for Content-Range; range->len > 0. */
void s3_range_header(char out[S3_CONTENT_RANGE_BYTES], const struct s3_range *range, u64 size);

#endif
