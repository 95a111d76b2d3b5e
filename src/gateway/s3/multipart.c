#include "gateway/s3/multipart.h"

void s3_upload_id_write(char out[S3_UPLOAD_ID_TEXT_BYTES], const struct s3_upload_id *id)
{
    hex_encode(out, S3_UPLOAD_ID_TEXT_BYTES, BYTES_OF(*id));
}

enum s3_code s3_refuse_upload(struct s3_error *error, bytes upload_id)
{
    s3_refuse(error, S3_ERR_NO_SUCH_UPLOAD);
    s3_error_add(error, "UploadId", upload_id);
    return S3_ERR_NO_SUCH_UPLOAD;
}

enum s3_code s3_upload_id_read(struct s3_upload_id *ret_id, bytes text, struct s3_error *error)
{
    return hex_decode(ret_id->b, sizeof ret_id->b, text) ? S3_OK : s3_refuse_upload(error, text);
}

enum s3_code s3_size_check(u64 size, u64 max, struct s3_error *error)
{
    if (size <= max) {
        return S3_OK;
    }
    s3_refuse(error, S3_ERR_ENTITY_TOO_LARGE);
    s3_error_add_u64(error, "ProposedSize", size);
    s3_error_add_u64(error, "MaxSizeAllowed", max);
    return S3_ERR_ENTITY_TOO_LARGE;
}

enum s3_code s3_copy_size_check(u64 size, struct s3_error *error)
{
    if (size <= S3_COPY_BYTES_MAX) {
        return S3_OK;
    }
    return s3_refuse_text(error, S3_ERR_INVALID_REQUEST,
                          "The specified copy source is larger than the maximum allowable size for "
                          "a copy source: %llu",
                          (unsigned long long)S3_COPY_BYTES_MAX);
}

/* find_part: binary search by number; NULL if absent. */
static const struct s3_stored_part *find_part(const struct s3_stored_part *stored, size_t count,
                                              u32 number)
{
    size_t low = 0;
    size_t high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (stored[middle].number < number) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < count && stored[low].number == number ? &stored[low] : NULL;
}

static enum s3_code refuse_part(const struct s3_complete_input *input,
                                const struct s3_complete_part *part, struct s3_error *error)
{
    s3_refuse(error, S3_ERR_INVALID_PART);
    s3_error_add(error, "UploadId", input->request->upload_id);
    s3_error_add_u64(error, "PartNumber", part->number);
    s3_error_add(error, "ETag", part->etag);
    return S3_ERR_INVALID_PART;
}

static bool etag_is_md5(bytes etag, const u8 md5_bytes[16])
{
    u8 decoded[16];
    return hex_decode(decoded, sizeof decoded, etag) &&
           memcmp(decoded, md5_bytes, sizeof decoded) == 0;
}

static enum s3_code check_part(const struct s3_complete_input *input, size_t i,
                               const struct s3_stored_part **ret_part, struct s3_error *error)
{
    const struct s3_complete_part *part = &input->complete->parts[i];
    if (i > 0 && part->number <= input->complete->parts[i - 1].number) {
        return s3_refuse(error, S3_ERR_INVALID_PART_ORDER);
    }
    const struct s3_stored_part *stored =
        find_part(input->stored, input->stored_count, part->number);
    if (stored == NULL || !etag_is_md5(part->etag, stored->md5)) {
        return refuse_part(input, part, error);
    }
    if (part->checksum.algorithm == stored->checksum.algorithm &&
        !s3_checksum_eq(&part->checksum, &stored->checksum)) {
        return refuse_part(input, part, error);
    }
    if (input->plan->asked && part->checksum.algorithm != S3_ALGORITHM_NONE &&
        part->checksum.algorithm != input->plan->algorithm) {
        return refuse_part(input, part, error);
    }
    if (i + 1 < input->complete->count && stored->size < input->min_bytes) {
        s3_refuse(error, S3_ERR_ENTITY_TOO_SMALL);
        s3_error_add_u64(error, "ProposedSize", stored->size);
        s3_error_add_u64(error, "MinSizeAllowed", input->min_bytes);
        s3_error_add_u64(error, "PartNumber", part->number);
        s3_error_add(error, "ETag", part->etag);
        return S3_ERR_ENTITY_TOO_SMALL;
    }
    *ret_part = stored;
    return S3_OK;
}

static enum s3_code check_object_size(const struct s3_request *request, u64 size,
                                      struct s3_error *error)
{
    bytes text = s3_header_find(request, "x-amz-mp-object-size");
    u64 expected;
    if (text.data == NULL) {
        return s3_size_check(size, S3_OBJECT_BYTES_MAX, error);
    }
    if (!parse_u64(&expected, text)) {
        return s3_refuse_text(error, S3_ERR_INVALID_REQUEST,
                              "Value for x-amz-mp-object-size header is invalid: '%.*s'",
                              (int)min_size(text.len, 64), (const char *)text.data);
    }
    if (expected != size) {
        return s3_refuse_text(error, S3_ERR_INVALID_REQUEST,
                              "The provided 'x-amz-mp-object-size' header value %llu does not "
                              "match what was computed: %llu",
                              (unsigned long long)expected, (unsigned long long)size);
    }
    return s3_size_check(size, S3_OBJECT_BYTES_MAX, error);
}

static enum s3_code check_whole_checksum(const struct s3_request *request,
                                         const struct s3_checksum_plan *plan,
                                         const struct s3_checksum *whole, struct s3_error *error)
{
    bytes type = s3_header_find(request, "x-amz-checksum-type");
    if (type.data != NULL && plan->asked &&
        !bytes_eq_nocase(type, bytes_str(s3_checksum_type_text(plan->type)))) {
        return s3_refuse_text(error, S3_ERR_INVALID_REQUEST,
                              "The upload was created using the %s checksum mode. The complete "
                              "request must use the same checksum mode.",
                              s3_checksum_type_text(plan->type));
    }
    bytes text = s3_header_find(request, s3_algorithm_header(plan->algorithm));
    if (text.data == NULL) {
        return S3_OK;
    }
    struct s3_checksum expected;
    bool same = s3_checksum_read(&expected, plan->algorithm, text) &&
                memcmp(expected.b, whole->b, s3_algorithm_bytes(plan->algorithm)) == 0 &&
                (expected.part_count == 0 || expected.part_count == whole->part_count);
    return same ? S3_OK
                : s3_refuse_text(error, S3_ERR_BAD_DIGEST,
                                 "The %s you specified did not match the calculated checksum.",
                                 s3_algorithm_text(plan->algorithm));
}

/* summarise: size, ETag and checksum of the named parts. */
static enum s3_code summarise(struct arena *arena, const struct s3_complete_input *input,
                              struct s3_completed *completed, struct s3_error *error)
{
    u8 *md5s = ARENA_ARRAY(arena, u8, completed->count * 16);
    struct s3_part_checksum *sums = ARENA_ARRAY(arena, struct s3_part_checksum, completed->count);
    if (md5s == NULL || sums == NULL) {
        return s3_refuse(error, S3_ERR_INTERNAL);
    }
    for (size_t i = 0; i < completed->count; i++) {
        const struct s3_stored_part *part = completed->parts[i];
        memcpy(md5s + i * 16, part->md5, 16);
        sums[i] = (struct s3_part_checksum){part->checksum, part->size};
        if (!add_u64(&completed->size, completed->size, part->size)) {
            return s3_refuse(error, S3_ERR_ENTITY_TOO_LARGE);
        }
    }
    s3_etag_multipart(completed->etag, md5s, completed->count);
    s3_checksum_combine(input->plan, sums, completed->count, &completed->checksum);
    return S3_OK;
}

enum s3_code s3_complete_check(struct arena *arena, const struct s3_complete_input *input,
                               struct s3_completed *ret_completed, struct s3_error *error)
{
    size_t count = input->complete->count;
    struct s3_completed completed = {.parts =
                                         ARENA_ARRAY(arena, const struct s3_stored_part *, count)};
    if (completed.parts == NULL) {
        return s3_refuse(error, S3_ERR_INTERNAL);
    }
    for (size_t i = 0; i < count; i++) {
        S3_TRY(check_part(input, i, &completed.parts[i], error));
    }
    completed.count = count;
    S3_TRY(summarise(arena, input, &completed, error));
    S3_TRY(check_object_size(input->request, completed.size, error));
    S3_TRY(check_whole_checksum(input->request, input->plan, &completed.checksum, error));
    *ret_completed = completed;
    return S3_OK;
}

bool s3_complete_etag(struct arena *arena, const struct s3_complete *complete,
                      char out[S3_ETAG_TEXT_BYTES])
{
    u8 *md5s = ARENA_ARRAY(arena, u8, complete->count * 16);
    for (size_t i = 0; md5s != NULL && i < complete->count; i++) {
        if (!hex_decode(md5s + i * 16, 16, complete->parts[i].etag)) {
            return false;
        }
    }
    if (md5s == NULL) {
        return false;
    }
    s3_etag_multipart(out, md5s, complete->count);
    return true;
}

enum s3_code s3_part_range(const struct s3_request *request, const u64 *sizes, size_t count,
                           u64 object_size, u64 *ret_offset, u64 *ret_len, struct s3_error *error)
{
    if (s3_header_find(request, "Range").data != NULL) {
        return s3_refuse_text(error, S3_ERR_INVALID_REQUEST,
                              "Cannot specify both Range header and partNumber query parameter");
    }
    u32 number = request->part_number;
    if (number == 0 || number > (count == 0 ? 1 : count)) {
        s3_refuse_text(error, S3_ERR_INVALID_PART, "The requested partnumber is not satisfiable");
        s3_error_add_u64(error, "PartNumberRequested", number);
        s3_error_add_u64(error, "ActualPartCount", count == 0 ? 1 : count);
        return S3_ERR_INVALID_PART;
    }
    u64 offset = 0;
    for (size_t i = 0; i + 1 < number; i++) {
        offset += sizes[i];
    }
    *ret_offset = offset;
    *ret_len = count == 0 ? object_size : sizes[number - 1];
    return S3_OK;
}
