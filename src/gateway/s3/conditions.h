/* conditions.h: If-Match and its relatives.
 *
 * Reads follow RFC 9110 §13 as S3 does: If-Match beats If-Unmodified-Since, If-None-Match beats
 * If-Modified-Since; a failed If-None-Match or If-Modified-Since is 304, the others are 412. Copy
 * sources have the same four under x-amz-copy-source-if-*, and every failure is 412.
 *
 * Writes (PutObject, CopyObject, CompleteMultipartUpload) know If-None-Match and If-Match, each "*"
 * or an ETag, against the current object; a delete marker counts as absent. If-Match on an absent
 * key is NoSuchKey. Deletes know If-Match, x-amz-if-match-size and
 * x-amz-if-match-last-modified-time; deleting what is absent succeeds whatever they say.
 *
 * The verdict is only as good as the moment it is made: writers must evaluate it in the transaction
 * that commits and answer ConditionalRequestConflict if another writer won in between.
 *
 * Dates that cannot be parsed are ignored, as RFC 9110 says, and so are dates in the future in
 * If-Modified-Since. Times are compared in whole seconds.
 */
#ifndef GATEWAY_S3_CONDITIONS_H
#define GATEWAY_S3_CONDITIONS_H

#include "gateway/s3/request.h"

struct s3_conditions {
    bytes if_match;      /* data NULL: not given */
    bytes if_none_match; /* data NULL: not given */
    bool has_modified_since;
    i64 modified_since_s;
    bool has_unmodified_since;
    i64 unmodified_since_s;
    bool has_size; /* deletes */
    u64 size;
    bool has_modified_time; /* deletes */
    i64 modified_time_s;
};

/* What the conditions are held against. */
struct s3_current {
    bool exists; /* a current version that is no delete marker */
    bytes etag;  /* quoted or not */
    u64 modified_ms;
    u64 size;
};

/* s3_conditions_parse: the If-* headers of a request itself. Borrows the headers.
 * InvalidArgument for a size that is no number. */
MUST_USE enum s3_code s3_conditions_parse(const struct s3_request *request, i64 now_s,
                                          struct s3_conditions *ret_conditions,
                                          struct s3_error *error);
/* s3_conditions_parse_source: the x-amz-copy-source-if-* headers. */
void s3_conditions_parse_source(const struct s3_request *request, i64 now_s,
                                struct s3_conditions *ret_conditions);

/* s3_conditions_read: current->exists. S3_OK, NotModified, PreconditionFailed (with Condition). */
MUST_USE enum s3_code s3_conditions_read(const struct s3_conditions *conditions,
                                         const struct s3_current *current, struct s3_error *error);
/* s3_conditions_source: as read, but what would be NotModified is PreconditionFailed. */
MUST_USE enum s3_code s3_conditions_source(const struct s3_conditions *conditions,
                                           const struct s3_current *current,
                                           struct s3_error *error);
/* s3_conditions_write: S3_OK, PreconditionFailed, NoSuchKey. */
MUST_USE enum s3_code s3_conditions_write(const struct s3_conditions *conditions,
                                          const struct s3_current *current, struct s3_error *error);
/* s3_conditions_delete: S3_OK or PreconditionFailed. */
MUST_USE enum s3_code s3_conditions_delete(const struct s3_conditions *conditions,
                                           const struct s3_current *current,
                                           struct s3_error *error);

#endif
