#include "gateway/s3/chunked.h"

#include "base/assert.h"
#include "base/mem.h"
#include "gateway/s3/text.h"

#define EMPTY_SHA256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define SIGNATURE_TRAILER "x-amz-trailer-signature"

static bool is_signed(const struct s3_chunked *chunked)
{
    return chunked->payload != S3_PAYLOAD_CHUNKED_UNSIGNED;
}

static bool may_have_trailer(const struct s3_chunked *chunked)
{
    return chunked->payload != S3_PAYLOAD_CHUNKED;
}

enum s3_code s3_body_length(const struct s3_request *request, enum s3_payload payload,
                            bool has_content_length, u64 content_length, u64 *ret_length,
                            struct s3_error *error)
{
    bool chunked = s3_payload_chunked(payload);
    bytes text = s3_header_find(request, "x-amz-decoded-content-length");
    if (chunked ? text.data == NULL : !has_content_length) {
        return s3_refuse(error, S3_ERR_MISSING_CONTENT_LENGTH);
    }
    if (!chunked) {
        *ret_length = content_length;
        return S3_OK;
    }
    u64 length;
    if (!parse_u64(&length, text)) {
        return s3_refuse_argument(error, "x-amz-decoded-content-length is not a valid length",
                                  "x-amz-decoded-content-length", text);
    }
    *ret_length = length;
    return S3_OK;
}

static void start_hash(struct s3_chunked *chunked)
{
    if (is_signed(chunked)) {
        digest_init(&chunked->hash, DIGEST_SHA256);
        chunked->hash_running = true;
    }
}

void s3_chunked_init(struct s3_chunked *chunked, const struct s3_request *request,
                     const struct s3_auth *auth, u64 length)
{
    assert_that(s3_payload_chunked(auth->payload));
    memset(chunked, 0, sizeof *chunked);
    chunked->payload = auth->payload;
    chunked->signing = auth->signing;
    chunked->length = length;
    chunked->announced = s3_header_find(request, "x-amz-trailer");
}

void s3_chunked_free(struct s3_chunked *chunked)
{
    if (chunked->hash_running) {
        digest_free(&chunked->hash);
    }
    mem_wipe(chunked, sizeof *chunked);
    chunked->state = S3_CHUNKED_FAILED;
}

/* ---- signatures ---- */

static enum s3_code check_signature(struct s3_chunked *chunked, bytes text, const char *provided,
                                    struct s3_error *error)
{
    char computed[S3_SIGNATURE_CHARS + 1];
    s3_sign(computed, &chunked->signing.key, text);
    if (!bytes_eq_secret(bytes_make(computed, S3_SIGNATURE_CHARS),
                         bytes_make(provided, S3_SIGNATURE_CHARS))) {
        s3_refuse(error, S3_ERR_SIGNATURE_MISMATCH);
        s3_error_add(error, "StringToSign", text);
        s3_error_add(error, "SignatureProvided", bytes_make(provided, S3_SIGNATURE_CHARS));
        return S3_ERR_SIGNATURE_MISMATCH;
    }
    memcpy(chunked->signing.signature, computed, sizeof computed);
    return S3_OK;
}

static void put_chain(const struct s3_chunked *chunked, const char *algorithm, struct buf *out)
{
    buf_format(out, "%s\n%s\n", algorithm, chunked->signing.date);
    buf_put(out, chunked->signing.scope);
    buf_format(out, "\n%s\n", chunked->signing.signature);
}

/* check_chunk: the chunk whose data has been seen in full. */
static enum s3_code check_chunk(struct s3_chunked *chunked, struct s3_error *error)
{
    if (!is_signed(chunked)) {
        return S3_OK;
    }
    struct hash hash;
    digest_final(&chunked->hash, hash.b);
    chunked->hash_running = false;
    struct buf text;
    buf_init(&text, KIB(4));
    put_chain(chunked, "AWS4-HMAC-SHA256-PAYLOAD", &text);
    buf_put_str(&text, EMPTY_SHA256 "\n");
    buf_put_hex(&text, BYTES_OF(hash));
    enum s3_code code = check_signature(chunked, buf_bytes(&text), chunked->chunk_signature, error);
    buf_free(&text);
    return code;
}

/* ---- chunk lines ---- */

static enum s3_code refuse_frame(struct s3_error *error)
{
    return s3_refuse_text(error, S3_ERR_INCOMPLETE_BODY, "The aws-chunked body is malformed");
}

static int hex_value(u8 c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    u8 lower = c | 0x20;
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* read_size: takes hex digits off *line. */
static bool read_size(bytes *line, u64 *ret_size)
{
    u64 size = 0;
    size_t digits = 0;
    while (digits < line->len && hex_value(line->data[digits]) >= 0) {
        if (digits == 16) {
            return false;
        }
        size = size << 4 | (u64)hex_value(line->data[digits]);
        digits++;
    }
    *line = bytes_slice(*line, digits, line->len - digits);
    *ret_size = size;
    return digits > 0;
}

static enum s3_code read_signature(struct s3_chunked *chunked, bytes extension,
                                   struct s3_error *error)
{
    bytes name = bytes_str(";chunk-signature=");
    if (!is_signed(chunked)) {
        return extension.len == 0 ? S3_OK : refuse_frame(error);
    }
    if (!bytes_starts_with(extension, name) || extension.len != name.len + S3_SIGNATURE_CHARS) {
        return s3_refuse_text(error, S3_ERR_SIGNATURE_MISMATCH,
                              "A chunk of the body has no valid chunk-signature");
    }
    memcpy(chunked->chunk_signature, extension.data + name.len, S3_SIGNATURE_CHARS);
    return S3_OK;
}

static enum s3_code refuse_small_chunk(const struct s3_chunked *chunked, struct s3_error *error)
{
    s3_refuse(error, S3_ERR_INVALID_CHUNK_SIZE);
    s3_error_add_u64(error, "Chunk", chunked->chunk_number);
    s3_error_add_u64(error, "BadChunkSize", chunked->chunk_bytes);
    return S3_ERR_INVALID_CHUNK_SIZE;
}

static enum s3_code begin_chunk(struct s3_chunked *chunked, bytes line, struct s3_error *error)
{
    u64 size;
    if (!read_size(&line, &size)) {
        return refuse_frame(error);
    }
    S3_TRY(read_signature(chunked, line, error));
    if (size > chunked->length - chunked->decoded ||
        (size == 0 && chunked->decoded != chunked->length)) {
        return s3_refuse_text(error, S3_ERR_INCOMPLETE_BODY,
                              "You did not provide the number of bytes specified by the "
                              "x-amz-decoded-content-length HTTP header");
    }
    if (size > 0 && chunked->chunk_number > 0 && chunked->chunk_bytes < S3_CHUNK_BYTES_MIN) {
        return refuse_small_chunk(chunked, error);
    }
    chunked->chunk_number++;
    chunked->chunk_bytes = size;
    chunked->chunk_left = size;
    start_hash(chunked);
    if (size > 0) {
        chunked->state = S3_CHUNKED_DATA;
        return S3_OK;
    }
    chunked->state = S3_CHUNKED_TRAILER;
    return check_chunk(chunked, error);
}

/* ---- trailers ---- */

static bytes trailer_name(const struct s3_chunked *chunked, const struct s3_trailer *trailer)
{
    return bytes_make(chunked->trailer_bytes + trailer->name_at, trailer->name_len);
}

static bytes trailer_value(const struct s3_chunked *chunked, const struct s3_trailer *trailer)
{
    return bytes_make(chunked->trailer_bytes + trailer->value_at, trailer->value_len);
}

bytes s3_chunked_trailer(const struct s3_chunked *chunked, const char *name)
{
    for (size_t i = 0; i < chunked->trailer_count; i++) {
        if (bytes_eq_str(trailer_name(chunked, &chunked->trailers[i]), name)) {
            return trailer_value(chunked, &chunked->trailers[i]);
        }
    }
    return (bytes){NULL, 0};
}

static size_t announced_count(bytes list)
{
    size_t count = s3_trim(list).len > 0;
    for (size_t i = 0; i < list.len; i++) {
        count += list.data[i] == ',';
    }
    return count;
}

static enum s3_code check_trailer_signature(struct s3_chunked *chunked, bytes provided,
                                            struct s3_error *error)
{
    if (!is_signed(chunked) || chunked->trailer_signed || provided.len != S3_SIGNATURE_CHARS) {
        return s3_refuse(error, S3_ERR_MALFORMED_TRAILER);
    }
    struct buf lines;
    struct buf text;
    buf_init(&lines, S3_TRAILER_BYTES_MAX * 2);
    buf_init(&text, KIB(4));
    for (size_t i = 0; i < chunked->trailer_count; i++) {
        buf_put(&lines, trailer_name(chunked, &chunked->trailers[i]));
        buf_put_u8(&lines, ':');
        buf_put(&lines, trailer_value(chunked, &chunked->trailers[i]));
        buf_put_u8(&lines, '\n');
    }
    struct hash hash;
    sha256(&hash, buf_bytes(&lines));
    put_chain(chunked, "AWS4-HMAC-SHA256-TRAILER", &text);
    buf_put_hex(&text, BYTES_OF(hash));
    enum s3_code code =
        check_signature(chunked, buf_bytes(&text), (const char *)provided.data, error);
    buf_free(&lines);
    buf_free(&text);
    chunked->trailer_signed = code == S3_OK;
    return code;
}

static enum s3_code add_trailer(struct s3_chunked *chunked, bytes name, bytes value,
                                struct s3_error *error)
{
    bool known = s3_in_list(chunked->announced, name);
    if (!known || chunked->trailer_count == S3_TRAILERS_MAX || chunked->trailer_signed ||
        name.len + value.len > S3_TRAILER_BYTES_MAX - chunked->trailer_len) {
        return s3_refuse(error, S3_ERR_MALFORMED_TRAILER);
    }
    struct s3_trailer *trailer = &chunked->trailers[chunked->trailer_count];
    trailer->name_at = (u16)chunked->trailer_len;
    trailer->name_len = (u16)name.len;
    for (size_t i = 0; i < name.len; i++) {
        chunked->trailer_bytes[chunked->trailer_len++] = s3_lower(name.data[i]);
    }
    trailer->value_at = (u16)chunked->trailer_len;
    trailer->value_len = (u16)value.len;
    for (size_t i = 0; i < value.len; i++) {
        chunked->trailer_bytes[chunked->trailer_len++] = value.data[i];
    }
    for (size_t i = 0; i < chunked->trailer_count; i++) {
        if (bytes_eq(trailer_name(chunked, &chunked->trailers[i]),
                     trailer_name(chunked, trailer))) {
            return s3_refuse(error, S3_ERR_MALFORMED_TRAILER);
        }
    }
    chunked->trailer_count++;
    return S3_OK;
}

/* end_of_trailer: an empty line. */
static enum s3_code end_of_trailer(struct s3_chunked *chunked, struct s3_error *error)
{
    bool wants_signature = chunked->payload == S3_PAYLOAD_CHUNKED_TRAILER;
    if (wants_signature && !chunked->trailer_signed) {
        if (chunked->blank_seen || chunked->trailer_count == 0) {
            return s3_refuse(error, S3_ERR_MALFORMED_TRAILER);
        }
        chunked->blank_seen = true;
        return S3_OK;
    }
    if (may_have_trailer(chunked) &&
        chunked->trailer_count != announced_count(chunked->announced)) {
        return s3_refuse(error, S3_ERR_MALFORMED_TRAILER);
    }
    chunked->state = S3_CHUNKED_DONE;
    return S3_OK;
}

static enum s3_code trailer_line(struct s3_chunked *chunked, bytes line, struct s3_error *error)
{
    if (line.len == 0) {
        return end_of_trailer(chunked, error);
    }
    size_t colon = bytes_find(line, bytes_str(":"));
    if (colon == SIZE_MAX || colon == 0 || !may_have_trailer(chunked)) {
        return s3_refuse(error, S3_ERR_MALFORMED_TRAILER);
    }
    bytes name = bytes_slice(line, 0, colon);
    bytes value = s3_trim(bytes_slice(line, colon + 1, line.len - colon - 1));
    if (bytes_eq_nocase(name, bytes_str(SIGNATURE_TRAILER))) {
        return check_trailer_signature(chunked, value, error);
    }
    return add_trailer(chunked, name, value, error);
}

/* ---- bytes ---- */

/* take_line: moves bytes up to and with LF into the line buffer; *ret_whole says if LF came. */
static enum s3_code take_line(struct s3_chunked *chunked, bytes *in, bool *ret_whole,
                              struct s3_error *error)
{
    *ret_whole = false;
    while (in->len > 0) {
        u8 c = in->data[0];
        *in = bytes_slice(*in, 1, in->len - 1);
        if (c == '\n') {
            *ret_whole = true;
            return S3_OK;
        }
        if (chunked->line_len == S3_CHUNK_LINE_BYTES_MAX) {
            return refuse_frame(error);
        }
        chunked->line[chunked->line_len++] = c;
    }
    return S3_OK;
}

/* step_line: both kinds of line; a chunk line must end in CRLF. */
static enum s3_code step_line(struct s3_chunked *chunked, bytes *in, struct s3_error *error)
{
    bool whole;
    S3_TRY(take_line(chunked, in, &whole, error));
    if (!whole) {
        return S3_OK;
    }
    bytes line = bytes_make(chunked->line, chunked->line_len);
    bool has_cr = line.len > 0 && line.data[line.len - 1] == '\r';
    line.len -= has_cr;
    chunked->line_len = 0;
    if (chunked->state == S3_CHUNKED_TRAILER) {
        return trailer_line(chunked, line, error);
    }
    return has_cr ? begin_chunk(chunked, line, error) : refuse_frame(error);
}

static void step_data(struct s3_chunked *chunked, bytes *in, bytes *ret_data)
{
    size_t len = (size_t)min_u64(chunked->chunk_left, in->len);
    *ret_data = bytes_slice(*in, 0, len);
    *in = bytes_slice(*in, len, in->len - len);
    chunked->chunk_left -= len;
    chunked->decoded += len;
    if (is_signed(chunked)) {
        digest_update(&chunked->hash, *ret_data);
    }
    if (chunked->chunk_left == 0) {
        chunked->state = S3_CHUNKED_END;
        chunked->end_seen = 0;
    }
}

static enum s3_code step_end(struct s3_chunked *chunked, bytes *in, struct s3_error *error)
{
    static const u8 crlf[2] = {'\r', '\n'};
    if (in->data[0] != crlf[chunked->end_seen]) {
        return refuse_frame(error);
    }
    *in = bytes_slice(*in, 1, in->len - 1);
    if (++chunked->end_seen < sizeof crlf) {
        return S3_OK;
    }
    chunked->state = S3_CHUNKED_LINE;
    return check_chunk(chunked, error);
}

static enum s3_code step(struct s3_chunked *chunked, bytes *in, bytes *ret_data,
                         struct s3_error *error)
{
    switch (chunked->state) {
    case S3_CHUNKED_LINE:
    case S3_CHUNKED_TRAILER:
        return step_line(chunked, in, error);
    case S3_CHUNKED_DATA:
        step_data(chunked, in, ret_data);
        return S3_OK;
    case S3_CHUNKED_END:
        return step_end(chunked, in, error);
    case S3_CHUNKED_DONE:
    case S3_CHUNKED_FAILED:
        return refuse_frame(error);
    }
    return refuse_frame(error);
}

enum s3_code s3_chunked_next(struct s3_chunked *chunked, bytes *in, bytes *ret_data,
                             struct s3_error *error)
{
    *ret_data = bytes_make(in->data, 0);
    while (in->len > 0 && ret_data->len == 0) {
        enum s3_code code = step(chunked, in, ret_data, error);
        if (code != S3_OK) {
            chunked->state = S3_CHUNKED_FAILED;
            return code;
        }
    }
    return S3_OK;
}

enum s3_code s3_chunked_finish(struct s3_chunked *chunked, struct s3_error *error)
{
    if (chunked->state == S3_CHUNKED_DONE) {
        return S3_OK;
    }
    /* A trailer that was promised and never came is named as that. */
    if (chunked->state == S3_CHUNKED_TRAILER && chunked->payload == S3_PAYLOAD_CHUNKED_TRAILER &&
        chunked->blank_seen) {
        return s3_refuse(error, S3_ERR_MALFORMED_TRAILER);
    }
    return s3_refuse(error, S3_ERR_INCOMPLETE_BODY);
}
