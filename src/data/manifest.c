#include "data/manifest.h"

#include "base/assert.h"
#include "data/kinds.h"

#define MANIFEST_VERSION 1
#define FLAG_INLINE 1
#define PIECE_BYTES (4 + 8 + 4 + 4)
#define EXTENT_FIXED_BYTES (16 + 32 + 8 + 8 + 8 + 4)
#define PART_FIXED_BYTES (2 + 8 + 16)
#define HEADER_FIXED_BYTES (2 + 2)

size_t manifest_checksum_bytes(enum manifest_checksum kind)
{
    switch (kind) {
    case MANIFEST_CHECKSUM_NONE:
        return 0;
    case MANIFEST_CHECKSUM_CRC32:
    case MANIFEST_CHECKSUM_CRC32C:
        return 4;
    case MANIFEST_CHECKSUM_CRC64NVME:
        return 8;
    case MANIFEST_CHECKSUM_SHA1:
        return 20;
    case MANIFEST_CHECKSUM_SHA256:
        return 32;
    }
    unreachable_case();
}

static bool headers_valid(const struct manifest *manifest)
{
    u64 total = 0;
    for (u16 i = 0; i < manifest->header_count; i++) {
        const struct manifest_header *header = &manifest->headers[i];
        total += header->name.len + header->value.len;
        if (header->name.len == 0 || total > MANIFEST_HEADER_BYTES_MAX) {
            return false;
        }
    }
    return manifest->header_count <= MANIFEST_HEADERS_MAX;
}

static bool parts_valid(const struct manifest *manifest)
{
    u64 total = 0;
    u16 before = 0;
    for (u16 i = 0; i < manifest->part_count; i++) {
        const struct manifest_part *part = &manifest->parts[i];
        if (part->number <= before || part->number > MANIFEST_PARTS_MAX ||
            !add_u64(&total, total, part->size)) {
            return false;
        }
        before = part->number;
    }
    return manifest->part_count == 0 || total == manifest->size;
}

static bool pieces_valid(const struct manifest_extent *extent)
{
    u64 total = 0;
    for (u32 i = 0; i < extent->piece_count; i++) {
        const struct locator *piece = &extent->pieces[i];
        if (piece->gateway == 0 || piece->length == 0 || piece->offset >= SEGMENT_BYTES_MAX ||
            piece->length > SEGMENT_BYTES_MAX - piece->offset) {
            return false;
        }
        total += piece->length; /* at most 200,000 segments */
    }
    return total == extent_sealed_length(extent->plain_length);
}

static bool extent_valid(const struct manifest_extent *extent)
{
    return extent->piece_count <= MANIFEST_PIECES_MAX &&
           extent->plain_length <= EXTENT_PLAIN_BYTES_MAX &&
           extent->slice_offset <= extent->plain_length &&
           extent->slice_length <= extent->plain_length - extent->slice_offset &&
           pieces_valid(extent);
}

static bool extents_valid(const struct manifest *manifest)
{
    u64 total = 0;
    u64 pieces = 0;
    if (manifest->extent_count == 0 || manifest->extent_count > MANIFEST_EXTENTS_MAX) {
        return false;
    }
    for (u16 i = 0; i < manifest->extent_count; i++) {
        const struct manifest_extent *extent = &manifest->extents[i];
        pieces += extent->piece_count;
        if (!extent_valid(extent) || !add_u64(&total, total, extent->slice_length)) {
            return false;
        }
    }
    return total == manifest->size && pieces <= MANIFEST_PIECES_MAX;
}

static bool content_valid(const struct manifest *manifest)
{
    if (!manifest->is_inline) {
        return extents_valid(manifest);
    }
    return manifest->extent_count == 0 && manifest->inline_data.len == manifest->size &&
           manifest->size <= MANIFEST_INLINE_BYTES_MAX;
}

bool manifest_valid(const struct manifest *manifest)
{
    bool kind_known = (unsigned)manifest->checksum_kind <= MANIFEST_CHECKSUM_SHA256;
    bool composite_has_kind =
        !manifest->checksum_composite || manifest->checksum_kind != MANIFEST_CHECKSUM_NONE;
    return kind_known && composite_has_kind && manifest->etag.len <= MANIFEST_ETAG_BYTES_MAX &&
           headers_valid(manifest) && parts_valid(manifest) && content_valid(manifest);
}

static void write_extent(struct buf *out, const struct manifest_extent *extent)
{
    buf_put(out, BYTES_OF(extent->id));
    buf_put(out, BYTES_OF(extent->file_key));
    buf_put_be64(out, extent->plain_length);
    buf_put_be64(out, extent->slice_offset);
    buf_put_be64(out, extent->slice_length);
    buf_put_be32(out, extent->piece_count);
    for (u32 i = 0; i < extent->piece_count; i++) {
        locator_write(out, &extent->pieces[i]);
    }
}

static void write_headers(struct buf *out, const struct manifest *manifest)
{
    buf_put_be16(out, manifest->header_count);
    for (u16 i = 0; i < manifest->header_count; i++) {
        write_str16(out, manifest->headers[i].name);
        write_str16(out, manifest->headers[i].value);
    }
}

static void write_parts(struct buf *out, const struct manifest *manifest)
{
    size_t checksum_bytes = manifest_checksum_bytes(manifest->checksum_kind);
    buf_put_be16(out, manifest->part_count);
    for (u16 i = 0; i < manifest->part_count; i++) {
        const struct manifest_part *part = &manifest->parts[i];
        buf_put_be16(out, part->number);
        buf_put_be64(out, part->size);
        buf_put(out, BYTES_OF(part->md5));
        buf_put(out, bytes_make(part->checksum, checksum_bytes));
    }
}

void manifest_write(struct buf *out, const struct manifest *manifest)
{
    assert_that(manifest_valid(manifest));
    write_head(out, KIND_MANIFEST, MANIFEST_VERSION);
    buf_put_u8(out, manifest->is_inline ? FLAG_INLINE : 0);
    buf_put_be64(out, manifest->size);
    buf_put_be64(out, manifest->mtime_ms);
    write_str16(out, manifest->etag);
    buf_put_u8(out, (u8)manifest->checksum_kind);
    buf_put_u8(out, manifest->checksum_composite);
    buf_put(out, bytes_make(manifest->checksum, manifest_checksum_bytes(manifest->checksum_kind)));
    write_headers(out, manifest);
    write_parts(out, manifest);
    if (manifest->is_inline) {
        write_str16(out, manifest->inline_data);
        return;
    }
    buf_put_be16(out, manifest->extent_count);
    for (u16 i = 0; i < manifest->extent_count; i++) {
        write_extent(out, &manifest->extents[i]);
    }
}

/* take_array: room for `count` items, each of which takes at least min_bytes of the input that is
 * left, so that a small input cannot ask for much memory. */
static err take_array(void **ret, struct arena *arena, struct reader *in, size_t count,
                      size_t min_bytes, size_t item_bytes)
{
    if (in->failed || count > in->left / min_bytes) {
        in->failed = true;
        return fail(ERR_MALFORMED);
    }
    *ret = count > 0 ? arena_alloc(arena, count * item_bytes) : NULL;
    return count > 0 && *ret == NULL ? fail(ERR_LIMIT) : ok();
}

static err read_headers(struct manifest *manifest, struct arena *arena, struct reader *in)
{
    void *array;
    u16 count = read_be16(in);
    TRY(take_array(&array, arena, in, count, HEADER_FIXED_BYTES, sizeof *manifest->headers));
    manifest->headers = array;
    manifest->header_count = count;
    for (u16 i = 0; i < count; i++) {
        manifest->headers[i].name = read_str16(in, UINT16_MAX);
        manifest->headers[i].value = read_str16(in, UINT16_MAX);
    }
    return ok();
}

static err read_parts(struct manifest *manifest, struct arena *arena, struct reader *in)
{
    void *array;
    size_t checksum_bytes = manifest_checksum_bytes(manifest->checksum_kind);
    u16 count = read_be16(in);
    TRY(take_array(&array, arena, in, count, PART_FIXED_BYTES, sizeof *manifest->parts));
    manifest->parts = array;
    manifest->part_count = count;
    for (u16 i = 0; i < count; i++) {
        struct manifest_part *part = &manifest->parts[i];
        part->number = read_be16(in);
        part->size = read_be64(in);
        read_fixed(in, part->md5, sizeof part->md5);
        read_fixed(in, part->checksum, checksum_bytes);
    }
    return ok();
}

static err read_extent(struct manifest_extent *extent, struct arena *arena, struct reader *in)
{
    void *array;
    read_fixed(in, extent->id.b, sizeof extent->id.b);
    read_fixed(in, extent->file_key.b, sizeof extent->file_key.b);
    extent->plain_length = read_be64(in);
    extent->slice_offset = read_be64(in);
    extent->slice_length = read_be64(in);
    u32 count = read_be32(in);
    TRY(take_array(&array, arena, in, count, PIECE_BYTES, sizeof *extent->pieces));
    extent->pieces = array;
    extent->piece_count = count;
    for (u32 i = 0; i < count; i++) {
        extent->pieces[i] = locator_read(in);
    }
    return ok();
}

static err read_extents(struct manifest *manifest, struct arena *arena, struct reader *in)
{
    void *array;
    u16 count = read_be16(in);
    TRY(take_array(&array, arena, in, count, EXTENT_FIXED_BYTES, sizeof *manifest->extents));
    manifest->extents = array;
    manifest->extent_count = count;
    for (u16 i = 0; i < count; i++) {
        TRY(read_extent(&manifest->extents[i], arena, in));
    }
    return ok();
}

static err read_checksum(struct manifest *manifest, struct reader *in)
{
    u8 kind = read_u8(in);
    u8 composite = read_u8(in);
    if (in->failed || kind > MANIFEST_CHECKSUM_SHA256 || composite > 1) {
        return fail(ERR_MALFORMED);
    }
    manifest->checksum_kind = (enum manifest_checksum)kind;
    manifest->checksum_composite = composite == 1;
    read_fixed(in, manifest->checksum, manifest_checksum_bytes(manifest->checksum_kind));
    return ok();
}

err manifest_read(struct manifest *ret, struct arena *arena, bytes in)
{
    struct reader reader;
    struct manifest it = {0};
    if (in.len > MANIFEST_BYTES_MAX) {
        return fail(ERR_MALFORMED);
    }
    reader_init(&reader, in);
    read_head(&reader, KIND_MANIFEST, MANIFEST_VERSION);
    u8 flags = read_u8(&reader);
    it.is_inline = flags == FLAG_INLINE;
    it.size = read_be64(&reader);
    it.mtime_ms = read_be64(&reader);
    it.etag = read_str16(&reader, MANIFEST_ETAG_BYTES_MAX);
    if (flags > FLAG_INLINE) {
        return fail(ERR_MALFORMED);
    }
    TRY(read_checksum(&it, &reader));
    TRY(read_headers(&it, arena, &reader));
    TRY(read_parts(&it, arena, &reader));
    if (it.is_inline) {
        it.inline_data = read_str16(&reader, MANIFEST_INLINE_BYTES_MAX);
    } else {
        TRY(read_extents(&it, arena, &reader));
    }
    TRY(reader_done(&reader));
    if (!manifest_valid(&it)) {
        return fail(ERR_MALFORMED);
    }
    *ret = it;
    return ok();
}

const struct manifest_extent *manifest_find(const struct manifest *manifest, u64 offset,
                                            u64 *ret_plain_offset, u64 *ret_run)
{
    assert_that(!manifest->is_inline && offset < manifest->size);
    for (u16 i = 0; i < manifest->extent_count; i++) {
        const struct manifest_extent *extent = &manifest->extents[i];
        if (offset < extent->slice_length) {
            *ret_plain_offset = extent->slice_offset + offset;
            *ret_run = extent->slice_length - offset;
            return extent;
        }
        offset -= extent->slice_length;
    }
    unreachable_case(); /* slices add up to size */
}

struct locator manifest_piece_find(const struct manifest_extent *extent, u64 offset)
{
    for (u32 i = 0; i < extent->piece_count; i++) {
        struct locator piece = extent->pieces[i];
        if (offset < piece.length) {
            piece.offset += (u32)offset;
            piece.length -= (u32)offset;
            return piece;
        }
        offset -= piece.length;
    }
    unreachable_case(); /* pieces add up to the sealed length */
}

bool manifest_part_find(const struct manifest *manifest, u16 number, u64 *ret_offset, u64 *ret_size)
{
    u64 offset = 0;
    for (u16 i = 0; i < manifest->part_count; i++) {
        if (manifest->parts[i].number == number) {
            *ret_offset = offset;
            *ret_size = manifest->parts[i].size;
            return true;
        }
        offset += manifest->parts[i].size;
    }
    return false;
}
