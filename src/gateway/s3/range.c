#include "gateway/s3/range.h"

#include "gateway/s3/checksum.h"
#include "gateway/s3/date.h"
#include "gateway/s3/text.h"

enum shape { SHAPE_NONE, SHAPE_BOUNDED, SHAPE_OPEN, SHAPE_SUFFIX };

static enum s3_code refuse_range(struct s3_error *error, bytes text, u64 size)
{
    s3_refuse(error, S3_ERR_INVALID_RANGE);
    s3_error_add(error, "RangeRequested", text);
    s3_error_add_u64(error, "ActualObjectSize", size);
    return S3_ERR_INVALID_RANGE;
}

/* read_number: digits, leading zeros allowed; past 2^64 it stays at the end of everything. */
static bool read_number(bytes text, u64 *ret)
{
    u64 v = 0;
    for (size_t i = 0; i < text.len; i++) {
        u8 c = text.data[i];
        if (c < '0' || c > '9') {
            return false;
        }
        if (!mul_u64(&v, v, 10) || !add_u64(&v, v, (u64)(c - '0'))) {
            v = UINT64_MAX;
        }
    }
    *ret = v;
    return text.len > 0;
}

/* read_shape: "bytes=A-B"; a and b as far as the shape has them. */
static enum shape read_shape(bytes text, u64 *a, u64 *b)
{
    bytes unit = bytes_str("bytes=");
    text = s3_trim(text);
    if (text.len < unit.len || !bytes_eq_nocase(bytes_slice(text, 0, unit.len), unit)) {
        return SHAPE_NONE;
    }
    text = s3_trim(s3_tail(text, unit.len));
    size_t dash = s3_find_byte(text, '-');
    if (dash == text.len) {
        return SHAPE_NONE;
    }
    bytes first = s3_trim(bytes_slice(text, 0, dash));
    bytes last = s3_trim(s3_tail(text, dash + 1));
    if (first.len == 0) {
        return read_number(last, b) ? SHAPE_SUFFIX : SHAPE_NONE;
    }
    if (!read_number(first, a)) {
        return SHAPE_NONE;
    }
    if (last.len == 0) {
        return SHAPE_OPEN;
    }
    return read_number(last, b) && *b >= *a ? SHAPE_BOUNDED : SHAPE_NONE;
}

/* if_range_holds: an entity tag must be the object's and strong, a date its Last-Modified. */
static bool if_range_holds(const struct s3_request *request, bytes etag, u64 modified_ms, i64 now_s)
{
    bytes text = s3_trim(s3_header_find(request, "If-Range"));
    if (text.len == 0) {
        return true;
    }
    i64 date;
    if (s3_date_read_http(&date, text, now_s)) {
        return date == (i64)(modified_ms / 1000);
    }
    return !bytes_starts_with(text, bytes_str("W/")) && s3_etag_eq(text, etag);
}

enum s3_code s3_range_parse(const struct s3_request *request, u64 size, bytes etag, u64 modified_ms,
                            i64 now_s, struct s3_range *ret_range, struct s3_error *error)
{
    *ret_range = (struct s3_range){S3_RANGE_WHOLE, 0, size};
    bytes text = s3_header_find(request, "Range");
    u64 a = 0;
    u64 b = 0;
    enum shape shape = text.data == NULL ? SHAPE_NONE : read_shape(text, &a, &b);
    if (shape == SHAPE_NONE || !if_range_holds(request, etag, modified_ms, now_s)) {
        return S3_OK;
    }
    if (shape == SHAPE_SUFFIX) {
        if (b == 0 || size == 0) {
            return refuse_range(error, text, size);
        }
        u64 len = min_u64(b, size);
        *ret_range = (struct s3_range){S3_RANGE_PART, size - len, len};
        return S3_OK;
    }
    if (a >= size) {
        return refuse_range(error, text, size);
    }
    u64 last = shape == SHAPE_OPEN ? size - 1 : min_u64(b, size - 1);
    *ret_range = (struct s3_range){S3_RANGE_PART, a, last - a + 1};
    return S3_OK;
}

enum s3_code s3_range_copy_parse(const struct s3_request *request, u64 source_size,
                                 struct s3_range *ret_range, struct s3_error *error)
{
    *ret_range = (struct s3_range){S3_RANGE_WHOLE, 0, source_size};
    bytes text = s3_header_find(request, "x-amz-copy-source-range");
    if (text.data == NULL) {
        return S3_OK;
    }
    u64 a = 0;
    u64 b = 0;
    if (read_shape(text, &a, &b) != SHAPE_BOUNDED) {
        return s3_refuse_argument(error,
                                  "The x-amz-copy-source-range value must be of the form "
                                  "bytes=first-last where first and last are the zero-based "
                                  "offsets of the first and last bytes to copy",
                                  "x-amz-copy-source-range", text);
    }
    if (b >= source_size) {
        return refuse_range(error, text, source_size);
    }
    *ret_range = (struct s3_range){S3_RANGE_PART, a, b - a + 1};
    return S3_OK;
}

void s3_range_header(char out[S3_CONTENT_RANGE_BYTES], const struct s3_range *range, u64 size)
{
    size_t used = s3_append(out, 0, "bytes ");
    used += s3_write_decimal(out + used, range->offset);
    used = s3_append(out, used, "-");
    used += s3_write_decimal(out + used, range->offset + range->len - 1);
    used = s3_append(out, used, "/");
    s3_write_decimal(out + used, size);
}
