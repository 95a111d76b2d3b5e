/* receive.c: bodies from the client, and bytes of other objects, on their way into the service.
 *
 * One buffer of FRONT_PIECE_BYTES per body: filled from the socket, decoded in place and hashed (on
 * a worker, unless it is little), handed to the service, filled again. The service parks us when
 * it has enough; then we do not read, and TCP holds the client back.
 */
#include "base/mem.h"
#include "gateway/front/front.h"

/* ---- admission ---- */

enum s3_code front_admit(struct front_call *call)
{
    if (call->front->uploads >= call->front->uploads_max) {
        return s3_refuse(&call->error, S3_ERR_SLOW_DOWN);
    }
    call->front->uploads++;
    return S3_OK;
}

void front_release(struct front_call *call) { call->front->uploads--; }

/* ---- what becomes of the bytes ---- */

/* A body under way. Large: on the heap. */
struct intake {
    struct front_call *call;
    struct s3_verifier verifier;
    struct s3_chunked chunked;
    bool is_chunked;
    u8 *buffer; /* FRONT_PIECE_BYTES */
    size_t len;
    size_t plain_len; /* at the front of buffer, after decoding */
    enum s3_code code;
    struct upload *upload; /* NULL: plain bytes are kept in `kept`, or nowhere */
    u8 *kept;              /* MANIFEST_INLINE_BYTES_MAX, in the arena, or NULL */
    size_t kept_len;
};

static struct intake *intake_new(struct front_call *call)
{
    struct intake *intake = MEM_NEW(struct intake);
    intake->call = call;
    intake->buffer = mem_alloc(FRONT_PIECE_BYTES);
    return intake;
}

static void intake_free(struct intake *intake)
{
    s3_verifier_free(&intake->verifier);
    if (intake->is_chunked) {
        s3_chunked_free(&intake->chunked);
    }
    mem_free(intake->buffer);
    mem_free(intake);
}

/* decode: aws-chunked in the buffer becomes plain bytes at its front. */
static void decode(struct intake *intake)
{
    bytes in = bytes_make(intake->buffer, intake->len);
    intake->plain_len = 0;
    while (in.len > 0 && intake->code == S3_OK) {
        bytes data = {NULL, 0};
        intake->code = s3_chunked_next(&intake->chunked, &in, &data, &intake->call->error);
        if (intake->code == S3_OK && data.len > 0) {
            memmove(intake->buffer + intake->plain_len, data.data, data.len);
            intake->plain_len += data.len;
        }
    }
}

/* digest_piece: a worker_fn; the fiber waits, so everything of the request is ours. */
static void digest_piece(void *arg)
{
    struct intake *intake = arg;
    intake->plain_len = intake->len;
    if (intake->is_chunked) {
        decode(intake);
    }
    if (intake->code == S3_OK) {
        s3_verifier_update(&intake->verifier, bytes_make(intake->buffer, intake->plain_len));
    }
}

static enum s3_code keep_piece(struct intake *intake)
{
    if (intake->kept_len + intake->plain_len > MANIFEST_INLINE_BYTES_MAX) {
        return s3_refuse(&intake->call->error, S3_ERR_INCOMPLETE_BODY);
    }
    memcpy(intake->kept + intake->kept_len, intake->buffer, intake->plain_len);
    intake->kept_len += intake->plain_len;
    return S3_OK;
}

/* refuse_write: what the service says about an upload that failed. */
static enum s3_code refuse_write(struct front_call *call, const struct upload *upload, err fault,
                                 const char *step)
{
    enum s3_code code = front_fault(call, fault, step);
    enum service_verdict verdict = call->front->service.upload_verdict(upload);
    return verdict == SERVICE_OK ? code : front_verdict(call, verdict);
}

/* take_piece: what stands in the buffer. */
static enum s3_code take_piece(struct intake *intake)
{
    struct front_call *call = intake->call;
    if (intake->len <= FRONT_ON_LOOP_BYTES) {
        digest_piece(intake);
    } else {
        worker_run(call->front->loop, digest_piece, intake);
    }
    S3_TRY(intake->code);
    if (intake->kept != NULL) {
        return keep_piece(intake);
    }
    if (intake->upload == NULL || intake->plain_len == 0) {
        return S3_OK;
    }
    err e = call->front->service.upload_write(
        intake->upload, bytes_make(intake->buffer, intake->plain_len), front_deadline(call));
    return is_ok(e) ? S3_OK : refuse_write(call, intake->upload, e, "write");
}

/* fill_from_client: a full buffer, or what comes before the end. */
static enum s3_code fill_from_client(struct intake *intake, bool *ret_end)
{
    struct front_call *call = intake->call;
    size_t len = 1;
    intake->len = 0;
    while (intake->len < FRONT_PIECE_BYTES && len > 0) {
        err e = http_read_body(call->exchange, intake->buffer + intake->len,
                               FRONT_PIECE_BYTES - intake->len, &len);
        if (!is_ok(e)) {
            return front_body_fault(call, e);
        }
        intake->len += len;
    }
    *call->front->counters.bytes_in += intake->len;
    *ret_end = len == 0;
    return S3_OK;
}

static enum s3_code pump_client(struct intake *intake)
{
    bool end = false;
    while (!end) {
        S3_TRY(fill_from_client(intake, &end));
        S3_TRY(take_piece(intake));
    }
    return intake->is_chunked ? s3_chunked_finish(&intake->chunked, &intake->call->error) : S3_OK;
}

/* promised_trailer: the checksum behind the body; data NULL: none. */
static bytes promised_trailer(const struct intake *intake, const struct s3_integrity *declared)
{
    if (!declared->in_trailer || declared->expected.algorithm == S3_ALGORITHM_NONE) {
        return (bytes){NULL, 0};
    }
    const char *name = s3_algorithm_header(declared->expected.algorithm);
    return intake->is_chunked ? s3_chunked_trailer(&intake->chunked, name)
                              : http_find_trailer(intake->call->exchange, name);
}

static enum s3_code check_length(struct intake *intake, u64 length)
{
    return intake->verifier.size == length
               ? S3_OK
               : s3_refuse(&intake->call->error, S3_ERR_INCOMPLETE_BODY);
}

static void start_decoding(struct intake *intake, u64 length)
{
    struct front_call *call = intake->call;
    if (s3_payload_chunked(call->auth.payload)) {
        intake->is_chunked = true;
        s3_chunked_init(&intake->chunked, &call->request, &call->auth, length);
    }
}

/* finish_upload: the extent, when everything has been found right. */
static enum s3_code finish_upload(struct intake *intake, struct front_content *content)
{
    struct front_call *call = intake->call;
    if (intake->upload == NULL) {
        content->is_inline = intake->kept != NULL;
        content->inline_data = bytes_make(intake->kept, intake->kept_len);
        return S3_OK;
    }
    err e = call->front->service.upload_finish(intake->upload, call->arena, front_deadline(call),
                                               &content->extent);
    if (!is_ok(e)) {
        return refuse_write(call, intake->upload, e, "finish");
    }
    content->upload = intake->upload;
    intake->upload = NULL;
    return S3_OK;
}

static enum s3_code begin_upload(struct intake *intake, const struct index_bucket *bucket,
                                 u64 length)
{
    struct front_call *call = intake->call;
    const struct front_service *service = &call->front->service;
    enum service_verdict verdict = SERVICE_OK;
    err e = service->upload_begin(service->ctx, bucket, length, front_deadline(call),
                                  &intake->upload, &verdict);
    if (!is_ok(e) || verdict != SERVICE_OK) {
        intake->upload = NULL;
    }
    return front_step(call, e, verdict, "begin");
}

static enum s3_code begin_inline(struct intake *intake)
{
    intake->kept = arena_alloc(intake->call->arena, MANIFEST_INLINE_BYTES_MAX);
    return intake->kept != NULL ? S3_OK : s3_refuse(&intake->call->error, S3_ERR_SLOW_DOWN);
}

void front_content_free(struct front_call *call, struct front_content *content)
{
    if (content->upload != NULL) {
        call->front->service.upload_free(content->upload);
        content->upload = NULL;
    }
}

/* ---- object bodies ---- */

static enum s3_code receive(struct intake *intake, const struct front_receive_options *options,
                            u64 length, struct front_content *content)
{
    struct front_call *call = intake->call;
    s3_verifier_init(&intake->verifier, options->declared, options->algorithm);
    start_decoding(intake, length);
    S3_TRY(options->may_inline && length <= MANIFEST_INLINE_BYTES_MAX
               ? begin_inline(intake)
               : begin_upload(intake, options->bucket, length));
    S3_TRY(pump_client(intake));
    S3_TRY(check_length(intake, length));
    S3_TRY(s3_verifier_finish(&intake->verifier, promised_trailer(intake, options->declared),
                              &content->verified, &call->error));
    return finish_upload(intake, content);
}

static enum s3_code receive_admitted(struct front_call *call,
                                     const struct front_receive_options *options, u64 length,
                                     struct front_content *ret_content)
{
    struct front_content content = {0};
    struct intake *intake = intake_new(call);
    enum s3_code code = receive(intake, options, length, &content);
    if (intake->upload != NULL) {
        call->front->service.upload_free(intake->upload);
    }
    intake_free(intake);
    if (code == S3_OK) {
        *ret_content = content;
    }
    return code;
}

enum s3_code front_receive(struct front_call *call, const struct front_receive_options *options,
                           struct front_content *ret_content)
{
    u64 length;
    S3_TRY(s3_body_length(&call->request, call->auth.payload, call->http->has_body_length,
                          call->http->body_length, &length, &call->error));
    S3_TRY(s3_size_check(length, S3_PUT_BYTES_MAX, &call->error));
    S3_TRY(front_admit(call));
    enum s3_code code = receive_admitted(call, options, length, ret_content);
    front_release(call);
    return code;
}

enum s3_code front_content_manifest(struct front_call *call, const struct front_content *content,
                                    struct manifest *ret_manifest)
{
    struct manifest manifest = {.size = content->verified.size};
    char *etag = arena_alloc(call->arena, 33);
    struct manifest_extent *extent = ARENA_NEW(call->arena, struct manifest_extent);
    if (etag == NULL || extent == NULL) {
        return s3_refuse(&call->error, S3_ERR_SLOW_DOWN);
    }
    hex_encode(etag, 33, bytes_make(content->verified.md5, 16));
    manifest.etag = bytes_make(etag, 32);
    manifest.is_inline = content->is_inline;
    if (content->is_inline) {
        manifest.inline_data = content->inline_data;
    } else {
        *extent = content->extent;
        extent->slice_offset = 0;
        extent->slice_length = extent->plain_length;
        manifest.extents = extent;
        manifest.extent_count = 1;
    }
    front_manifest_sum(&manifest, &content->verified.checksum);
    *ret_manifest = manifest;
    return S3_OK;
}

/* ---- bodies of XML ---- */

static enum s3_code read_whole(struct front_call *call, bytes *ret_body)
{
    err e = http_read_body_all(call->exchange, S3_BODY_XML_BYTES_MAX, ret_body);
    return is_ok(e) ? S3_OK : front_body_fault(call, e);
}

/* decode_whole: an aws-chunked body that is in memory. */
static enum s3_code decode_whole(struct intake *intake, bytes in, bytes *ret_body)
{
    u8 *out = arena_alloc(intake->call->arena, in.len + 1);
    size_t len = 0;
    if (out == NULL) {
        return s3_refuse(&intake->call->error, S3_ERR_SLOW_DOWN);
    }
    while (in.len > 0) {
        bytes data = {NULL, 0};
        S3_TRY(s3_chunked_next(&intake->chunked, &in, &data, &intake->call->error));
        if (data.len > 0) {
            memcpy(out + len, data.data, data.len);
            len += data.len;
        }
    }
    S3_TRY(s3_chunked_finish(&intake->chunked, &intake->call->error));
    *ret_body = bytes_make(out, len);
    return S3_OK;
}

/* A body in memory being checked. */
struct whole {
    struct intake *intake;
    const struct s3_integrity *declared;
    bytes raw;
    bytes body;
    enum s3_code code;
};

static enum s3_code decode_and_verify(struct whole *whole)
{
    struct intake *intake = whole->intake;
    whole->body = whole->raw;
    if (intake->is_chunked) {
        S3_TRY(decode_whole(intake, whole->raw, &whole->body));
    }
    bytes trailer = promised_trailer(intake, whole->declared);
    return s3_verify_whole(whole->declared, whole->body, trailer, &intake->call->error);
}

/* check_run: a worker_fn, as digest_piece. */
static void check_run(void *arg)
{
    struct whole *whole = arg;
    whole->code = decode_and_verify(whole);
}

static enum s3_code check_whole(struct intake *intake, struct whole *whole)
{
    struct front_call *call = intake->call;
    u64 length;
    if (s3_payload_chunked(call->auth.payload)) {
        S3_TRY(s3_body_length(&call->request, call->auth.payload, call->http->has_body_length,
                              call->http->body_length, &length, &call->error));
        start_decoding(intake, length);
    }
    if (whole->raw.len <= FRONT_ON_LOOP_BYTES) {
        check_run(whole);
    } else {
        worker_run(call->front->loop, check_run, whole);
    }
    return whole->code;
}

static enum s3_code read_checked(struct front_call *call, bytes *ret_body,
                                 struct s3_integrity *declared)
{
    bytes raw;
    S3_TRY(read_whole(call, &raw));
    struct intake *intake = MEM_NEW(struct intake);
    intake->call = call;
    struct whole whole = {.intake = intake, .declared = declared, .raw = raw};
    enum s3_code code = check_whole(intake, &whole);
    intake_free(intake);
    *ret_body = whole.body;
    return code;
}

enum s3_code front_read_xml(struct front_call *call, bytes *ret_body,
                            struct s3_integrity *ret_declared)
{
    const struct http_request *http = call->http;
    bool large = http->has_body_length ? http->body_length > KIB(64) : http->chunked;
    S3_TRY(s3_integrity_parse(&call->request, &call->auth, ret_declared, &call->error));
    if (!large) {
        return read_checked(call, ret_body, ret_declared);
    }
    err e = gate_enter(call->front->loop, &call->front->large_bodies, 1, front_deadline(call));
    if (!is_ok(e)) {
        return s3_refuse(&call->error, S3_ERR_SLOW_DOWN);
    }
    enum s3_code code = read_checked(call, ret_body, ret_declared);
    gate_leave(&call->front->large_bodies, 1);
    return code;
}

/* ---- bytes of other objects ---- */

static enum s3_code pump_reader(struct intake *intake, struct object_reader *reader)
{
    struct front_call *call = intake->call;
    size_t len = 1;
    while (len > 0) {
        intake->len = 0;
        do {
            err e = call->front->service.object_read(reader, intake->buffer + intake->len,
                                                     FRONT_PIECE_BYTES - intake->len,
                                                     front_deadline(call), &len);
            if (!is_ok(e)) {
                return front_fault(call, e, "read");
            }
            intake->len += len;
        } while (len > 0 && intake->len < FRONT_PIECE_BYTES);
        S3_TRY(take_piece(intake));
    }
    return S3_OK;
}

/* pump_inline: at most MANIFEST_INLINE_BYTES_MAX, in one piece. */
static enum s3_code pump_inline(struct intake *intake, const struct front_transfer *transfer)
{
    bytes all = transfer->source->inline_data;
    intake->len = (size_t)transfer->length;
    if (intake->len > 0) {
        memcpy(intake->buffer,
               bytes_slice(all, (size_t)transfer->offset, (size_t)transfer->length).data,
               intake->len);
    }
    return take_piece(intake);
}

/* transfer_opened: reader is NULL for inline sources and empty ranges. */
static enum s3_code transfer_opened(struct intake *intake, const struct front_transfer *transfer,
                                    struct object_reader *reader, struct front_content *content)
{
    struct front_call *call = intake->call;
    struct s3_integrity nothing = {0};
    s3_verifier_init(&intake->verifier, &nothing, transfer->algorithm);
    if (transfer->bucket != NULL) {
        S3_TRY(begin_upload(intake, transfer->bucket, transfer->length));
    }
    if (reader != NULL) {
        S3_TRY(pump_reader(intake, reader));
    } else if (transfer->length > 0) {
        S3_TRY(pump_inline(intake, transfer));
    }
    if (intake->verifier.size != transfer->length) {
        return front_fault(call, fail(ERR_INTEGRITY), "source ends early");
    }
    bytes none = {NULL, 0};
    S3_TRY(s3_verifier_finish(&intake->verifier, none, &content->verified, &call->error));
    return finish_upload(intake, content);
}

static enum s3_code transfer_admitted(struct front_call *call,
                                      const struct front_transfer *transfer,
                                      struct front_content *ret_content)
{
    const struct front_service *service = &call->front->service;
    struct front_content content = {0};
    struct object_reader *reader = NULL;
    if (!transfer->source->is_inline && transfer->length > 0) {
        err e =
            service->object_open(service->ctx, transfer->source_bucket, transfer->source,
                                 transfer->offset, transfer->length, front_deadline(call), &reader);
        if (!is_ok(e)) {
            return front_fault(call, e, "open");
        }
    }
    struct intake *intake = intake_new(call);
    enum s3_code code = transfer_opened(intake, transfer, reader, &content);
    if (reader != NULL) {
        service->object_close(reader);
    }
    if (intake->upload != NULL) {
        service->upload_free(intake->upload);
    }
    intake_free(intake);
    if (code == S3_OK) {
        *ret_content = content;
    }
    return code;
}

enum s3_code front_transfer(struct front_call *call, const struct front_transfer *transfer,
                            struct front_content *ret_content)
{
    S3_TRY(front_admit(call));
    enum s3_code code = transfer_admitted(call, transfer, ret_content);
    front_release(call);
    return code;
}
