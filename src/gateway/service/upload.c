/* upload.c: plain bytes → chunks of an extent → lanes.
 *
 * Bytes are gathered into a batch of whole chunks, sealed on a worker, and wait as ciphertext. An
 * extent that turns out small goes as one piece into the shared lane when it ends; a longer one
 * gets a lane of its own as soon as that is known, and the next when it is full.
 */
#include "gateway/service/internal.h"

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "os/file.h"

#define BATCH_BYTES (8 * EXTENT_CHUNK_BYTES)
#define SMALL_BYTES_MAX MIB(1)     /* of known length */
#define UNKNOWN_BYTES_MAX KIB(256) /* of unknown length, before it counts as long */
#define WORKER_BYTES_MIN KIB(48)   /* less is sealed at once, without a hop to a worker */
#define SEALED_BYTES_MAX (SMALL_BYTES_MAX + 2 * BATCH_BYTES)
#define DISK_RESERVE_BYTES MIB(256)

struct upload {
    struct gateway *gateway;
    struct territory *territory;
    struct hash bucket;
    struct extent_id id;
    struct aead_key file_key;
    struct extent_cipher cipher;
    u8 *plain;
    size_t plain_len;
    size_t plain_cap;  /* whole chunks */
    struct buf sealed; /* not in a lane yet */
    u64 chunk;         /* the next one */
    u64 length;
    size_t small_max;
    bool streaming; /* has lanes to itself */
    bool finished;
    struct lane *lane;   /* of its own */
    struct lane **lanes; /* all that its bytes are in, while they are not logged */
    size_t lane_count;
    size_t lane_cap;
    struct locator *pieces;
    size_t piece_count;
    size_t piece_cap;
    u64 memory;
    enum service_verdict verdict;
};

/* ---- beginning ---- */

static bool disk_is_full(const struct gateway *gateway)
{
    u64 free_bytes;
    u64 total;
    err e = dir_space(gateway->spool_dir, &free_bytes, &total);
    return is_ok(e) && free_bytes < DISK_RESERVE_BYTES;
}

static bool over_quota(const struct territory *territory, u64 expected_bytes)
{
    u64 expected = expected_bytes == HTTP_UNKNOWN_LENGTH ? 0 : expected_bytes;
    u64 waiting = territory->gateway->settle.unfinal_bytes;
    return territory->room_bytes < expected || territory->room_bytes - expected < waiting;
}

static bool too_few_providers(const struct gateway *gateway, const struct territory *territory)
{
    const struct redundancy_info *info = redundancy_find((u8)territory->class_number);
    if (gateway->directory == NULL) {
        return false;
    }
    size_t eligible = directory_eligible(gateway->directory);
    if (eligible >= redundancy_quorum(info)) {
        return false;
    }
    log_warn("gateway", "%zu storage nodes may take fragments, class %s needs at least %u",
             eligible, info->name, redundancy_quorum(info));
    return true;
}

static enum service_verdict admit(const struct gateway *gateway, const struct territory *territory,
                                  u64 expected_bytes)
{
    if (territory == NULL || (territory->scope & SCOPE_WRITE) == 0) {
        return SERVICE_ACCESS_DENIED;
    }
    if (gateway->closing || gateway->draining || !territory->usable) {
        return SERVICE_UNAVAILABLE;
    }
    if (settle_overloaded(&gateway->settle, loop_now_ms(gateway->loop), gateway->spool_bytes_max)) {
        return SERVICE_SLOW_DOWN;
    }
    if (too_few_providers(gateway, territory)) {
        return SERVICE_NO_PROVIDERS;
    }
    if (over_quota(territory, expected_bytes)) {
        return SERVICE_QUOTA_EXCEEDED;
    }
    return disk_is_full(gateway) ? SERVICE_NO_SPACE : SERVICE_OK;
}

static struct upload *make_upload(struct gateway *gateway, struct territory *territory,
                                  const struct index_bucket *bucket, u64 expected_bytes)
{
    u8 salt[EXTENT_SALT_BYTES];
    struct upload *upload = MEM_NEW(struct upload);
    bool known = expected_bytes != HTTP_UNKNOWN_LENGTH;
    u64 whole =
        known ? (expected_bytes / EXTENT_CHUNK_BYTES + 1) * EXTENT_CHUNK_BYTES : BATCH_BYTES;
    upload->gateway = gateway;
    upload->territory = territory;
    upload->bucket = bucket->id;
    upload->plain_cap = (size_t)min_u64(whole, BATCH_BYTES);
    upload->plain = mem_alloc(upload->plain_cap);
    upload->small_max = known ? SMALL_BYTES_MAX : UNKNOWN_BYTES_MAX;
    upload->streaming = known && expected_bytes > SMALL_BYTES_MAX;
    buf_init(&upload->sealed, SEALED_BYTES_MAX);
    loop_random(gateway->loop, &upload->id, sizeof upload->id);
    loop_random(gateway->loop, &upload->file_key, sizeof upload->file_key);
    loop_random(gateway->loop, salt, sizeof salt);
    extent_cipher_init(&upload->cipher, &upload->file_key, &upload->bucket, &upload->id, salt);
    return upload;
}

/* memory_of: buffers at their largest. */
static u64 memory_of(u64 expected_bytes)
{
    if (expected_bytes == HTTP_UNKNOWN_LENGTH || expected_bytes > SMALL_BYTES_MAX) {
        return UNKNOWN_BYTES_MAX + 2 * BATCH_BYTES;
    }
    return expected_bytes + min_u64(expected_bytes, BATCH_BYTES) + 2 * EXTENT_CHUNK_BYTES;
}

err upload_begin(struct gateway *gateway, const struct index_bucket *bucket, u64 expected_bytes,
                 u64 deadline_ms, struct upload **ret_upload, enum service_verdict *ret_verdict)
{
    struct territory *territory = territory_get(gateway, bucket->territory);
    enum service_verdict verdict = admit(gateway, territory, expected_bytes);
    if (verdict != SERVICE_OK) {
        *ret_verdict = verdict;
        return ok();
    }
    u64 memory = min_u64(memory_of(expected_bytes), gateway->buffers.total);
    err e = gate_enter(gateway->loop, &gateway->buffers, memory, deadline_ms);
    if (is_err(e, ERR_TIMEOUT)) {
        *ret_verdict = SERVICE_SLOW_DOWN;
        return ok();
    }
    TRY(e);
    struct upload *upload = make_upload(gateway, territory, bucket, expected_bytes);
    upload->memory = memory;
    *ret_upload = upload;
    *ret_verdict = SERVICE_OK;
    return ok();
}

/* ---- chunks ---- */

struct seal_job {
    struct upload *upload;
    bool last;
    u8 *out;
};

static void seal_chunks(void *arg)
{
    struct seal_job *job = arg;
    struct upload *upload = job->upload;
    size_t at = 0;
    u8 *out = job->out;
    while (upload->plain_len - at >= EXTENT_CHUNK_BYTES) {
        extent_seal_chunk(&upload->cipher, out, upload->chunk++,
                          bytes_make(upload->plain + at, EXTENT_CHUNK_BYTES));
        at += EXTENT_CHUNK_BYTES;
        out += EXTENT_SEALED_CHUNK_BYTES;
    }
    if (job->last) {
        extent_seal_chunk(&upload->cipher, out, upload->chunk++,
                          bytes_make(upload->plain + at, upload->plain_len - at));
    }
}

/* seal_batch: all of the plain buffer becomes ciphertext. */
static err seal_batch(struct upload *upload, bool last)
{
    struct seal_job job = {.upload = upload, .last = last};
    size_t whole = upload->plain_len / EXTENT_CHUNK_BYTES;
    size_t len = upload->plain_len + (whole + last) * AEAD_TAG_BYTES;
    if (upload->chunk == 0) {
        buf_put(&upload->sealed, BYTES_OF(upload->cipher.header));
    }
    job.out = buf_extend(&upload->sealed, len);
    TRY(buf_done(&upload->sealed));
    if (upload->plain_len >= WORKER_BYTES_MIN) {
        worker_run(upload->gateway->loop, seal_chunks, &job);
    } else {
        seal_chunks(&job);
    }
    upload->plain_len = 0;
    return ok();
}

/* ---- lanes ---- */

static void forget_logged(struct upload *upload)
{
    size_t kept = 0;
    for (size_t i = 0; i < upload->lane_count; i++) {
        if (upload->lanes[i]->state == LANE_LOGGED) {
            lane_unref(upload->lanes[i]);
        } else {
            upload->lanes[kept++] = upload->lanes[i];
        }
    }
    upload->lane_count = kept;
}

/* note_lane: takes over a reference. */
static void note_lane(struct upload *upload, struct lane *lane)
{
    forget_logged(upload);
    if (upload->lane_count == upload->lane_cap) {
        upload->lane_cap = max_size(4, upload->lane_cap * 2);
        upload->lanes = mem_resize(upload->lanes, upload->lane_cap * sizeof *upload->lanes);
    }
    upload->lanes[upload->lane_count++] = lane;
}

static err note_piece(struct upload *upload, const struct locator *piece)
{
    struct locator *last =
        upload->piece_count > 0 ? &upload->pieces[upload->piece_count - 1] : NULL;
    if (last != NULL && last->number == piece->number &&
        last->offset + last->length == piece->offset) {
        last->length += piece->length;
        return ok();
    }
    if (upload->piece_count == MANIFEST_PIECES_MAX) {
        return fail(ERR_LIMIT);
    }
    if (upload->piece_count == upload->piece_cap) {
        upload->piece_cap = max_size(4, upload->piece_cap * 2);
        upload->pieces = mem_resize(upload->pieces, upload->piece_cap * sizeof *upload->pieces);
    }
    upload->pieces[upload->piece_count++] = *piece;
    return ok();
}

static enum service_verdict verdict_of(err e)
{
    return is_err(e, ERR_REFUSED)    ? SERVICE_NO_PROVIDERS
           : is_err(e, ERR_NO_SPACE) ? SERVICE_NO_SPACE
                                     : SERVICE_UNAVAILABLE;
}

static void end_lane(struct upload *upload)
{
    if (upload->lane != NULL) {
        lane_seal_later(upload->lane);
        upload->lane = NULL; /* the reference stays among `lanes` */
    }
}

static err own_lane(struct upload *upload, u64 deadline_ms)
{
    const struct lane *lane_now = upload->lane;
    if (lane_now != NULL && lane_now->length > 0 &&
        (lane_room(lane_now) == 0 || lane_passed(lane_now))) {
        end_lane(upload);
    }
    if (upload->lane == NULL) {
        struct lane *lane;
        TRY(lane_new(upload->territory, NULL, deadline_ms, &lane));
        note_lane(upload, lane);
        upload->lane = lane;
    }
    return ok();
}

/* flush: the ciphertext so far into lanes of its own. */
static err flush(struct upload *upload, u64 deadline_ms)
{
    bytes rest = buf_bytes(&upload->sealed);
    while (rest.len > 0) {
        TRY(own_lane(upload, deadline_ms));
        struct lane *lane = upload->lane;
        bytes part = bytes_slice(rest, 0, min_size(rest.len, lane_room(lane)));
        struct locator piece = {.gateway = lane->key.gateway,
                                .number = lane->key.number,
                                .offset = lane->length,
                                .length = (u32)part.len};
        TRY(lane_write(lane, part, deadline_ms));
        TRY(note_piece(upload, &piece));
        rest = bytes_slice(rest, part.len, rest.len - part.len);
    }
    buf_clear(&upload->sealed);
    return ok();
}

static err batch_out(struct upload *upload, bool last, u64 deadline_ms)
{
    TRY(seal_batch(upload, last));
    upload->streaming = upload->streaming || upload->sealed.len > upload->small_max;
    return upload->streaming ? flush(upload, deadline_ms) : ok();
}

/* ---- the calls ---- */

static err write_some(struct upload *upload, bytes in, u64 deadline_ms)
{
    while (in.len > 0) {
        size_t len = min_size(in.len, upload->plain_cap - upload->plain_len);
        memcpy(upload->plain + upload->plain_len, in.data, len);
        upload->plain_len += len;
        upload->length += len;
        in = bytes_slice(in, len, in.len - len);
        if (upload->plain_len == upload->plain_cap) {
            TRY(batch_out(upload, false, deadline_ms));
        }
    }
    return ok();
}

err upload_write(struct upload *upload, bytes in, u64 deadline_ms)
{
    assert_that(!upload->finished);
    if (in.len > EXTENT_PLAIN_BYTES_MAX - upload->length) {
        return fail(ERR_LIMIT);
    }
    err e = write_some(upload, in, deadline_ms);
    if (!is_ok(e)) {
        upload->verdict = verdict_of(e);
    }
    return e;
}

u64 upload_length(const struct upload *upload) { return upload->length; }

enum service_verdict upload_verdict(const struct upload *upload) { return upload->verdict; }

static err append_small(struct upload *upload, u64 deadline_ms)
{
    struct locator piece;
    struct lane *lane;
    TRY(packer_append(upload->territory, buf_bytes(&upload->sealed), deadline_ms, &piece, &lane));
    note_lane(upload, lane);
    buf_clear(&upload->sealed);
    return note_piece(upload, &piece);
}

static err finish(struct upload *upload, u64 deadline_ms)
{
    TRY(batch_out(upload, true, deadline_ms));
    if (!upload->streaming) {
        return append_small(upload, deadline_ms);
    }
    if (upload->lane != NULL) {
        lane_ref(upload->lane);
        packer_retire(upload->territory, upload->lane);
        upload->lane = NULL;
    }
    return ok();
}

err upload_finish(struct upload *upload, struct arena *arena, u64 deadline_ms,
                  struct manifest_extent *ret_extent)
{
    assert_that(!upload->finished);
    err e = finish(upload, deadline_ms);
    if (!is_ok(e)) {
        upload->verdict = verdict_of(e);
        return e;
    }
    upload->finished = true;
    struct locator *pieces = ARENA_ARRAY(arena, struct locator, upload->piece_count);
    if (pieces == NULL) {
        return fail(ERR_LIMIT);
    }
    memcpy(pieces, upload->pieces, upload->piece_count * sizeof *pieces);
    *ret_extent = (struct manifest_extent){
        .id = upload->id,
        .file_key = upload->file_key,
        .plain_length = upload->length,
        .slice_length = upload->length,
        .pieces = pieces,
        .piece_count = (u32)upload->piece_count,
    };
    return ok();
}

struct lane *const *upload_lanes(const struct upload *upload, size_t *ret_count)
{
    *ret_count = upload->lane_count;
    return upload->lanes;
}

void upload_free(struct upload *upload)
{
    if (upload == NULL) {
        return;
    }
    for (size_t i = 0; i < upload->lane_count; i++) {
        lane_unref(upload->lanes[i]);
    }
    gate_leave(&upload->gateway->buffers, upload->memory);
    extent_cipher_free(&upload->cipher);
    mem_wipe(upload->plain, upload->plain_cap);
    mem_free(upload->plain);
    buf_free(&upload->sealed);
    mem_free(upload->lanes);
    mem_free(upload->pieces);
    mem_wipe(upload, sizeof *upload);
    mem_free(upload);
}
