#include "gateway/s3/conditions.h"

#include "gateway/s3/checksum.h"
#include "gateway/s3/date.h"
#include "gateway/s3/text.h"

static bool read_date(const struct s3_request *request, const char *name, i64 now_s, i64 *ret_s)
{
    bytes text = s3_header_find(request, name);
    return text.data != NULL && s3_date_read_http(ret_s, text, now_s);
}

static void parse_named(const struct s3_request *request, const char *const names[4], i64 now_s,
                        struct s3_conditions *ret)
{
    *ret = (struct s3_conditions){
        .if_match = s3_header_find(request, names[0]),
        .if_none_match = s3_header_find(request, names[1]),
    };
    ret->has_modified_since = read_date(request, names[2], now_s, &ret->modified_since_s) &&
                              ret->modified_since_s <= now_s;
    ret->has_unmodified_since = read_date(request, names[3], now_s, &ret->unmodified_since_s);
}

enum s3_code s3_conditions_parse(const struct s3_request *request, i64 now_s,
                                 struct s3_conditions *ret_conditions, struct s3_error *error)
{
    static const char *const names[4] = {"If-Match", "If-None-Match", "If-Modified-Since",
                                         "If-Unmodified-Since"};
    parse_named(request, names, now_s, ret_conditions);
    bytes size = s3_header_find(request, "x-amz-if-match-size");
    if (size.data != NULL) {
        if (!parse_u64(&ret_conditions->size, size)) {
            return s3_refuse_argument(error, "x-amz-if-match-size is not a valid size",
                                      "x-amz-if-match-size", size);
        }
        ret_conditions->has_size = true;
    }
    bytes time = s3_header_find(request, "x-amz-if-match-last-modified-time");
    if (time.data != NULL) {
        if (!s3_date_read_http(&ret_conditions->modified_time_s, time, now_s) &&
            !s3_date_read_iso(&ret_conditions->modified_time_s, time)) {
            return s3_refuse_argument(error,
                                      "x-amz-if-match-last-modified-time is not a valid date",
                                      "x-amz-if-match-last-modified-time", time);
        }
        ret_conditions->has_modified_time = true;
    }
    return S3_OK;
}

void s3_conditions_parse_source(const struct s3_request *request, i64 now_s,
                                struct s3_conditions *ret_conditions)
{
    static const char *const names[4] = {
        "x-amz-copy-source-if-match",
        "x-amz-copy-source-if-none-match",
        "x-amz-copy-source-if-modified-since",
        "x-amz-copy-source-if-unmodified-since",
    };
    parse_named(request, names, now_s, ret_conditions);
}

/* list_matches: "*", or one of the ETags of a list with commas between. */
static bool list_matches(bytes list, bytes etag)
{
    if (bytes_eq_str(s3_trim(list), "*")) {
        return true;
    }
    while (list.len > 0) {
        if (s3_etag_eq(s3_cut(&list, ','), etag)) {
            return true;
        }
    }
    return false;
}

static enum s3_code refuse(struct s3_error *error, const char *condition)
{
    s3_refuse(error, S3_ERR_PRECONDITION_FAILED);
    s3_error_add_str(error, "Condition", condition);
    return S3_ERR_PRECONDITION_FAILED;
}

static i64 modified_s(const struct s3_current *current)
{
    return (i64)(current->modified_ms / 1000);
}

enum s3_code s3_conditions_read(const struct s3_conditions *conditions,
                                const struct s3_current *current, struct s3_error *error)
{
    if (conditions->if_match.data != NULL) {
        if (!list_matches(conditions->if_match, current->etag)) {
            return refuse(error, "If-Match");
        }
    } else if (conditions->has_unmodified_since &&
               modified_s(current) > conditions->unmodified_since_s) {
        return refuse(error, "If-Unmodified-Since");
    }
    if (conditions->if_none_match.data != NULL) {
        return list_matches(conditions->if_none_match, current->etag)
                   ? s3_refuse(error, S3_ERR_NOT_MODIFIED)
                   : S3_OK;
    }
    if (conditions->has_modified_since && modified_s(current) <= conditions->modified_since_s) {
        return s3_refuse(error, S3_ERR_NOT_MODIFIED);
    }
    return S3_OK;
}

enum s3_code s3_conditions_source(const struct s3_conditions *conditions,
                                  const struct s3_current *current, struct s3_error *error)
{
    enum s3_code code = s3_conditions_read(conditions, current, error);
    if (code != S3_ERR_NOT_MODIFIED) {
        return code;
    }
    return refuse(error, conditions->if_none_match.data != NULL
                             ? "x-amz-copy-source-if-none-match"
                             : "x-amz-copy-source-if-modified-since");
}

enum s3_code s3_conditions_write(const struct s3_conditions *conditions,
                                 const struct s3_current *current, struct s3_error *error)
{
    if (conditions->if_match.data != NULL) {
        if (!current->exists) {
            return s3_refuse(error, S3_ERR_NO_SUCH_KEY);
        }
        if (!list_matches(conditions->if_match, current->etag)) {
            return refuse(error, "If-Match");
        }
    }
    if (conditions->if_none_match.data != NULL && current->exists &&
        list_matches(conditions->if_none_match, current->etag)) {
        return refuse(error, "If-None-Match");
    }
    return S3_OK;
}

enum s3_code s3_conditions_delete(const struct s3_conditions *conditions,
                                  const struct s3_current *current, struct s3_error *error)
{
    if (!current->exists) {
        return S3_OK;
    }
    if (conditions->if_match.data != NULL && !list_matches(conditions->if_match, current->etag)) {
        return refuse(error, "If-Match");
    }
    if (conditions->has_size && conditions->size != current->size) {
        return refuse(error, "If-Match-Size");
    }
    if (conditions->has_modified_time && conditions->modified_time_s != modified_s(current)) {
        return refuse(error, "If-Match-Last-Modified-Time");
    }
    return S3_OK;
}
