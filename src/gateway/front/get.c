/* get.c: GetObject and HeadObject. */
#include "base/mem.h"
#include "gateway/front/front.h"
#include "gateway/s3/date.h"
#include "gateway/s3/text.h"

#define STAT_SEGMENTS_MAX 256 /* named in x-cairn-segments */

/* What is to be sent. */
struct selection {
    struct s3_range range;
    u32 part_count; /* of a partNumber request for a multipart object; else 0 */
    bool is_one_part;
};

static enum s3_code select_part(struct front_call *call, const struct front_object *object,
                                struct selection *selection)
{
    const struct manifest *manifest = &object->manifest;
    u64 *sizes = ARENA_ARRAY(call->arena, u64, manifest->part_count + 1U);
    if (sizes == NULL) {
        return s3_refuse(&call->error, S3_ERR_SLOW_DOWN);
    }
    for (u16 i = 0; i < manifest->part_count; i++) {
        sizes[i] = manifest->parts[i].size;
    }
    S3_TRY(s3_part_range(&call->request, sizes, manifest->part_count, manifest->size,
                         &selection->range.offset, &selection->range.len, &call->error));
    selection->range.kind = selection->range.len > 0 ? S3_RANGE_PART : S3_RANGE_WHOLE;
    selection->part_count = manifest->part_count;
    selection->is_one_part = true;
    return S3_OK;
}

static enum s3_code select_bytes(struct front_call *call, const struct front_object *object,
                                 struct selection *selection)
{
    memset(selection, 0, sizeof *selection);
    if (call->request.part_number != 0) {
        return select_part(call, object, selection);
    }
    S3_TRY(s3_range_parse(&call->request, object->manifest.size, object->etag,
                          object->manifest.mtime_ms, call->now_s, &selection->range, &call->error));
    if (selection->range.kind == S3_RANGE_WHOLE) {
        selection->range.offset = 0;
        selection->range.len = object->manifest.size;
    }
    return S3_OK;
}

/* ---- headers ---- */

static void set_stored(struct front_call *call, const struct s3_stored_headers *headers)
{
    for (size_t i = 0; i < headers->count; i++) {
        char *name = arena_str(call->arena, headers->items[i].name);
        if (name != NULL) {
            front_header(call, name, headers->items[i].value);
        }
    }
}

static void set_validators(struct front_call *call, const struct front_object *object)
{
    char date[S3_HTTP_DATE_BYTES];
    s3_date_write_http(date, (i64)(object->manifest.mtime_ms / 1000));
    front_header_str(call, "Last-Modified", date);
    front_header(call, "ETag", object->etag);
}

/* set_checksum: only when asked for, and only where the client sees what it covers. */
static void set_checksum(struct front_call *call, const struct front_object *object,
                         const struct selection *selection)
{
    bytes mode = s3_header_find(&call->request, "x-amz-checksum-mode");
    bool covered = selection->range.len == object->manifest.size && !selection->is_one_part;
    if (covered && bytes_eq_nocase(mode, bytes_str("ENABLED"))) {
        front_header_checksum(call, &object->checksum);
    }
}

static void set_headers(struct front_call *call, const struct front_object *object,
                        const struct selection *selection, const struct s3_stored_headers *headers)
{
    set_validators(call, object);
    set_stored(call, headers);
    set_checksum(call, object, selection);
    if (selection->part_count > 0) {
        front_header_u64(call, "x-amz-mp-parts-count", selection->part_count);
    }
    if (selection->range.kind == S3_RANGE_PART) {
        char text[S3_CONTENT_RANGE_BYTES];
        s3_range_header(text, &selection->range, object->manifest.size);
        front_header_str(call, "Content-Range", text);
    }
}

/* ---- durability, for `cairn stat` ---- */

static void set_segments(struct front_call *call, const struct manifest *manifest)
{
    struct buf list;
    size_t count = 0;
    buf_init(&list, KIB(16));
    for (u16 i = 0; i < manifest->extent_count; i++) {
        const struct manifest_extent *extent = &manifest->extents[i];
        for (u32 k = 0; k < extent->piece_count && count < STAT_SEGMENTS_MAX; k++, count++) {
            buf_format(&list, "%s%u:%llu", count > 0 ? "," : "", extent->pieces[k].gateway,
                       (unsigned long long)extent->pieces[k].number);
        }
    }
    if (is_ok(buf_done(&list)) && list.len > 0) {
        front_header(call, "x-cairn-segments", buf_bytes(&list));
    }
    buf_free(&list);
}

static enum s3_code set_durability(struct front_call *call, const struct index_bucket *bucket,
                                   const struct manifest *manifest)
{
    static const char *const names[] = {
        [OBJECT_PENDING] = "pending", [OBJECT_DURABLE] = "durable", [OBJECT_COMPLETE] = "complete"};
    const struct front_service *service = &call->front->service;
    enum object_durability state = OBJECT_PENDING;
    u32 missing = 0;
    err e = service->object_stat(service->ctx, &bucket->id, manifest, front_deadline(call), &state,
                                 &missing);
    if (!is_ok(e)) {
        return front_fault(call, e, "stat");
    }
    front_header_str(call, "x-cairn-durability", names[state]);
    front_header_u64(call, "x-cairn-missing-holders", missing);
    front_header_u64(call, "x-cairn-territory", bucket->territory);
    set_segments(call, manifest);
    return S3_OK;
}

/* ---- body ---- */

/* send_rest: the first piece is in `buffer`. Faults after the head end the connection short of the
 * declared length, so that no client takes a part for the whole. */
static void send_pieces(struct front_call *call, struct object_reader *reader, u8 *buffer,
                        size_t first_len)
{
    size_t len = first_len;
    while (len > 0) {
        if (!is_ok(http_write(call->exchange, bytes_make(buffer, len)))) {
            return;
        }
        *call->front->counters.bytes_out += len;
        err e = call->front->service.object_read(reader, buffer, FRONT_PIECE_BYTES,
                                                 front_deadline(call), &len);
        if (!is_ok(e)) {
            (void)front_fault(call, e, "read"); /* for the log: the answer has begun */
            return;
        }
    }
    IGNORE(http_respond_end(call->exchange)); /* the client may be gone */
}

static enum s3_code send_opened(struct front_call *call, struct object_reader *reader, u8 *buffer,
                                int status, u64 length)
{
    size_t len = 0;
    /* The first bytes come before the head: as long as nothing was said, a fault can be named. */
    err e = call->front->service.object_read(reader, buffer, FRONT_PIECE_BYTES,
                                             front_deadline(call), &len);
    if (!is_ok(e)) {
        return front_fault(call, e, "read");
    }
    call->status = status;
    if (is_ok(http_respond_begin(call->exchange, status, length))) {
        send_pieces(call, reader, buffer, len);
    }
    return S3_OK;
}

static enum s3_code send_stored(struct front_call *call, const struct index_bucket *bucket,
                                const struct front_object *object, const struct s3_range *range,
                                int status)
{
    const struct front_service *service = &call->front->service;
    struct object_reader *reader;
    err e = service->object_open(service->ctx, &bucket->id, &object->manifest, range->offset,
                                 range->len, front_deadline(call), &reader);
    if (!is_ok(e)) {
        return front_fault(call, e, "open");
    }
    u8 *buffer = mem_alloc(FRONT_PIECE_BYTES);
    enum s3_code code = send_opened(call, reader, buffer, status, range->len);
    mem_free(buffer);
    service->object_close(reader);
    return code;
}

static enum s3_code answer(struct front_call *call, const struct index_bucket *bucket,
                           const struct front_object *object, const struct s3_range *range)
{
    int status = range->kind == S3_RANGE_PART ? 206 : 200;
    call->status = status;
    if (call->request.op == S3_OP_HEAD_OBJECT) {
        if (is_ok(http_respond_begin(call->exchange, status, range->len))) {
            IGNORE(http_respond_end(call->exchange)); /* the client may be gone */
        }
        return S3_OK;
    }
    if (object->manifest.is_inline) {
        bytes body =
            bytes_slice(object->manifest.inline_data, (size_t)range->offset, (size_t)range->len);
        *call->front->counters.bytes_out += body.len;
        IGNORE(http_respond(call->exchange, status, body)); /* the client may be gone */
        return S3_OK;
    }
    if (range->len == 0) {
        return front_reply_empty(call, status);
    }
    return send_stored(call, bucket, object, range, status);
}

static enum s3_code check_conditions(struct front_call *call, const struct front_object *object)
{
    struct s3_conditions conditions;
    S3_TRY(s3_conditions_parse(&call->request, call->now_s, &conditions, &call->error));
    struct s3_current current = front_current(object, true);
    return s3_conditions_read(&conditions, &current, &call->error);
}

enum s3_code front_get_object(struct front_call *call)
{
    struct index_bucket bucket;
    struct front_object object;
    struct selection selection;
    struct s3_stored_headers headers;
    S3_TRY(front_bucket(call, &bucket));
    S3_TRY(front_version_check(call, call->request.version_id));
    S3_TRY(front_object_find(call, &bucket.id, call->request.key, &object, NULL));
    S3_TRY(check_conditions(call, &object));
    S3_TRY(select_bytes(call, &object, &selection));
    S3_TRY(s3_reply_headers(call->arena, &call->request, call->auth.kind, &object.headers, &headers,
                            &call->error));
    if (s3_header_find(&call->request, "x-cairn-stat").data != NULL) {
        S3_TRY(set_durability(call, &bucket, &object.manifest));
    }
    set_headers(call, &object, &selection, &headers);
    return answer(call, &bucket, &object, &selection.range);
}
