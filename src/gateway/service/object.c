/* object.c: manifest → pieces of segments → chunks → plain bytes.
 *
 * A reader walks the slices of a manifest. Of each it reads the stream's header, then the chunks
 * that the slice touches, in batches: sealed bytes from the segments, opened on a worker. Nothing
 * leaves that was not authentic; a chunk that is not is ERR_INTEGRITY.
 */
#include "gateway/service/internal.h"

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"

#define BATCH_CHUNKS 16
#define WORKER_BYTES_MIN KIB(48)

struct object_reader {
    struct gateway *gateway;
    struct hash bucket;
    u64 territory;
    const struct manifest *manifest;
    u64 at; /* next byte of the object */
    u64 end;
    u64 memory;
    /* The slice that `at` is in. */
    const struct manifest_extent *extent;
    struct extent_cipher cipher;
    bool cipher_open;
    u64 chunk;     /* next one to be read */
    u64 chunk_end; /* of the slice and the range */
    struct segment_get *get;
    u64 sealed_at; /* next byte of the stream that `get` gives */
    u64 get_left;
    size_t batch_chunks;
    u8 *sealed;
    u8 *plain;
    size_t plain_at;
    size_t plain_len;
};

/* ---- bytes of the sealed stream ---- */

static err open_piece(struct object_reader *reader, u64 offset, u64 end, u64 deadline_ms)
{
    struct locator piece = manifest_piece_find(reader->extent, offset);
    struct segment_key key = {
        .territory = reader->territory, .gateway = piece.gateway, .number = piece.number};
    u32 length = (u32)min_u64(piece.length, end - offset);
    segment_get_close(reader->get);
    reader->get = NULL;
    TRY(segment_get_open(reader->gateway->source, &key, piece.offset, length, deadline_ms,
                         &reader->get));
    reader->sealed_at = offset;
    reader->get_left = length;
    return ok();
}

/* read_sealed: exactly len bytes of the stream from `offset`; `end` is how far reading will go. */
static err read_sealed(struct object_reader *reader, u64 offset, u8 *out, size_t len, u64 end,
                       u64 deadline_ms)
{
    while (len > 0) {
        size_t got;
        if (reader->get == NULL || reader->sealed_at != offset || reader->get_left == 0) {
            TRY(open_piece(reader, offset, end, deadline_ms));
        }
        TRY(segment_get_next(reader->get, out, len, deadline_ms, &got));
        if (got == 0) {
            return fail(ERR_INTEGRITY); /* less than the locator says */
        }
        out += got;
        len -= got;
        offset += got;
        reader->sealed_at += got;
        reader->get_left -= got;
    }
    return ok();
}

/* ---- slices ---- */

static u64 sealed_end(const struct object_reader *reader)
{
    u64 stream = extent_sealed_length(reader->extent->plain_length);
    return reader->chunk_end > reader->extent->plain_length / EXTENT_CHUNK_BYTES
               ? stream
               : min_u64(stream, extent_chunk_offset(reader->chunk_end));
}

/* enter_slice: the one with byte `at`: its header, and the chunks that are wanted. */
static err enter_slice(struct object_reader *reader, u64 deadline_ms)
{
    u8 header[EXTENT_HEADER_BYTES];
    u64 plain_offset;
    u64 run;
    reader->extent = manifest_find(reader->manifest, reader->at, &plain_offset, &run);
    run = min_u64(run, reader->end - reader->at);
    reader->chunk = plain_offset / EXTENT_CHUNK_BYTES;
    reader->chunk_end = (plain_offset + run - 1) / EXTENT_CHUNK_BYTES + 1;
    u64 header_end = reader->chunk == 0 ? sealed_end(reader) : EXTENT_HEADER_BYTES;
    segment_get_close(reader->get);
    reader->get = NULL;
    TRY(read_sealed(reader, 0, header, sizeof header, header_end, deadline_ms));
    if (reader->cipher_open) {
        extent_cipher_free(&reader->cipher);
        reader->cipher_open = false;
    }
    if (!extent_cipher_open(&reader->cipher, &reader->extent->file_key, &reader->bucket,
                            &reader->extent->id, header)) {
        log_error("gateway", "an extent does not open with its key");
        return fail(ERR_INTEGRITY);
    }
    reader->cipher_open = true;
    return ok();
}

struct open_job {
    struct object_reader *reader;
    size_t chunks;
    bool authentic;
};

static void open_chunks(void *arg)
{
    struct open_job *job = arg;
    struct object_reader *reader = job->reader;
    const u8 *in = reader->sealed;
    u8 *out = reader->plain;
    job->authentic = true;
    for (size_t i = 0; i < job->chunks && job->authentic; i++) {
        u64 chunk = reader->chunk + i;
        size_t len = extent_chunk_sealed_bytes(reader->extent->plain_length, chunk);
        job->authentic = extent_open_chunk(&reader->cipher, out, chunk, bytes_make(in, len));
        in += len;
        out += len - AEAD_TAG_BYTES;
    }
}

static size_t sealed_bytes(const struct object_reader *reader, size_t chunks)
{
    size_t total = 0;
    for (size_t i = 0; i < chunks; i++) {
        total += extent_chunk_sealed_bytes(reader->extent->plain_length, reader->chunk + i);
    }
    return total;
}

/* next_batch: the next chunks of the slice, in clear; `plain` then begins at byte `at`. */
static err next_batch(struct object_reader *reader, u64 deadline_ms)
{
    if (reader->extent == NULL || reader->chunk == reader->chunk_end) {
        TRY(enter_slice(reader, deadline_ms));
    }
    u64 plain_offset;
    u64 run;
    (void)manifest_find(reader->manifest, reader->at, &plain_offset, &run);
    struct open_job job = {.reader = reader};
    job.chunks = (size_t)min_u64(reader->batch_chunks, reader->chunk_end - reader->chunk);
    size_t len = sealed_bytes(reader, job.chunks);
    TRY(read_sealed(reader, extent_chunk_offset(reader->chunk), reader->sealed, len,
                    sealed_end(reader), deadline_ms));
    if (len >= WORKER_BYTES_MIN) {
        worker_run(reader->gateway->loop, open_chunks, &job);
    } else {
        open_chunks(&job);
    }
    if (!job.authentic) {
        log_error("gateway", "a chunk of an extent is not authentic");
        return fail(ERR_INTEGRITY);
    }
    u64 begin = reader->chunk * EXTENT_CHUNK_BYTES;
    u64 have = len - job.chunks * AEAD_TAG_BYTES;
    u64 wanted = min_u64(run, reader->end - reader->at);
    reader->plain_at = (size_t)(plain_offset - begin);
    reader->plain_len = (size_t)min_u64(have, plain_offset - begin + wanted);
    reader->chunk += job.chunks;
    return reader->plain_len > reader->plain_at ? ok() : fail(ERR_INTEGRITY);
}

/* ---- the calls ---- */

static err take_memory(struct object_reader *reader, u64 deadline_ms)
{
    struct gateway *gateway = reader->gateway;
    u64 chunks = (reader->end - reader->at) / EXTENT_CHUNK_BYTES + 2;
    reader->batch_chunks = (size_t)min_u64(chunks, BATCH_CHUNKS);
    size_t sealed = reader->batch_chunks * EXTENT_SEALED_CHUNK_BYTES;
    size_t plain = reader->batch_chunks * EXTENT_CHUNK_BYTES;
    u64 memory = min_u64(sealed + plain, gateway->buffers.total);
    TRY(gate_enter(gateway->loop, &gateway->buffers, memory, deadline_ms));
    reader->memory = memory;
    reader->sealed = mem_alloc(sealed);
    reader->plain = mem_alloc(plain);
    return ok();
}

static err territory_of(struct gateway *gateway, const struct hash *bucket, u64 *ret_territory)
{
    struct index_view *view;
    struct index_bucket found;
    TRY(index_view_open(gateway->index, &view));
    err e = index_bucket_by_id(view, bucket, &found);
    index_view_close(view);
    TRY(e);
    *ret_territory = found.territory;
    return ok();
}

err object_open(struct gateway *gateway, const struct hash *bucket, const struct manifest *manifest,
                u64 offset, u64 length, u64 deadline_ms, struct object_reader **ret_reader)
{
    if (offset > manifest->size || length > manifest->size - offset) {
        return fail(ERR_MALFORMED);
    }
    struct object_reader *reader = MEM_NEW(struct object_reader);
    reader->gateway = gateway;
    reader->bucket = *bucket;
    reader->manifest = manifest;
    reader->at = offset;
    reader->end = offset + length;
    err e = ok();
    if (!manifest->is_inline && length > 0) {
        e = territory_of(gateway, bucket, &reader->territory);
        if (is_ok(e)) {
            e = take_memory(reader, deadline_ms);
        }
    }
    if (!is_ok(e)) {
        object_close(reader);
        return e;
    }
    *ret_reader = reader;
    return ok();
}

err object_read(struct object_reader *reader, void *out, size_t cap, u64 deadline_ms,
                size_t *ret_len)
{
    *ret_len = 0;
    if (reader->at == reader->end || cap == 0) {
        return ok();
    }
    if (reader->manifest->is_inline) {
        size_t len = (size_t)min_u64(cap, reader->end - reader->at);
        memcpy(out, reader->manifest->inline_data.data + reader->at, len);
        reader->at += len;
        *ret_len = len;
        return ok();
    }
    if (reader->plain_at == reader->plain_len) {
        TRY(next_batch(reader, deadline_ms));
    }
    size_t len = min_size(cap, reader->plain_len - reader->plain_at);
    memcpy(out, reader->plain + reader->plain_at, len);
    reader->plain_at += len;
    reader->at += len;
    *ret_len = len;
    return ok();
}

void object_close(struct object_reader *reader)
{
    if (reader == NULL) {
        return;
    }
    segment_get_close(reader->get);
    if (reader->cipher_open) {
        extent_cipher_free(&reader->cipher);
    }
    if (reader->memory > 0) {
        gate_leave(&reader->gateway->buffers, reader->memory);
        mem_wipe(reader->plain, reader->batch_chunks * EXTENT_CHUNK_BYTES);
    }
    mem_free(reader->sealed);
    mem_free(reader->plain);
    mem_free(reader);
}

/* ---- stat ---- */

static err stat_segment(struct gateway *gateway, const struct segment_key *key, u64 deadline_ms,
                        enum object_durability *state, u32 *missing)
{
    struct segment_record *record = MEM_NEW(struct segment_record);
    bool found = false;
    err e = gateway->ports.segment(gateway->ports.ctx, key, deadline_ms, record, &found);
    u32 absent = found ? (u32)(record->n - segment_holder_count(record)) : 0;
    mem_free(record);
    TRY(e);
    if (!found) {
        *state = OBJECT_PENDING;
    } else if (absent > 0 && *state == OBJECT_COMPLETE) {
        *state = OBJECT_DURABLE;
    }
    *missing += absent;
    return ok();
}

static err stat_extent(struct gateway *gateway, u64 territory, const struct manifest_extent *extent,
                       u64 deadline_ms, enum object_durability *state, u32 *missing)
{
    for (u32 i = 0; i < extent->piece_count; i++) {
        const struct locator *piece = &extent->pieces[i];
        bool again = i > 0 && extent->pieces[i - 1].number == piece->number;
        struct segment_key key = {
            .territory = territory, .gateway = piece->gateway, .number = piece->number};
        if (!again) {
            TRY(stat_segment(gateway, &key, deadline_ms, state, missing));
        }
    }
    return ok();
}

err object_stat(struct gateway *gateway, const struct hash *bucket, const struct manifest *manifest,
                u64 deadline_ms, enum object_durability *ret_state, u32 *ret_missing_holders)
{
    enum object_durability state = OBJECT_COMPLETE;
    u32 missing = 0;
    u64 territory;
    TRY(territory_of(gateway, bucket, &territory));
    for (u16 i = 0; i < manifest->extent_count; i++) {
        TRY(stat_extent(gateway, territory, &manifest->extents[i], deadline_ms, &state, &missing));
    }
    *ret_state = state;
    if (ret_missing_holders != NULL) {
        *ret_missing_holders = missing;
    }
    return ok();
}
