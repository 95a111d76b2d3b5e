/* manifest.h: what one version of an object is, as its journal record says.
 *
 * The content is either inline (at most 4 KiB of plaintext; the record itself is sealed) or a list
 * of slices of extents. An extent is one encrypted stream (data/extent.h) that lies in one or more
 * pieces of segments, back to back; a slice is a range of its plaintext. So a copy, whole or of a
 * range, is another manifest that names the same extents: nothing is read or written again, and the
 * extent lives as long as any manifest of the bucket names it (the journal counts by extent id).
 *
 * The object's key, version id and bucket are not in here: they belong to the journal entry. Parts
 * are what a completed multipart upload was made of; one that is still in progress is a manifest of
 * its own; one that has only begun is inline and empty, with its headers. Headers are lower-case
 * names with their values as S3 returns them (content-type, cache-control, x-amz-meta-*, …).
 *
 * The encoding is canonical: one manifest, one byte string. Reading borrows from the input and
 * takes arrays from an arena, never more than a small multiple of the input.
 * docs/formats/manifest.md.
 */
#ifndef DATA_MANIFEST_H
#define DATA_MANIFEST_H

#include "base/arena.h"
#include "data/extent.h"
#include "data/segment.h"

#define MANIFEST_BYTES_MAX MIB(8)
#define MANIFEST_INLINE_BYTES_MAX KIB(4)
#define MANIFEST_EXTENTS_MAX 10000
#define MANIFEST_PARTS_MAX 10000   /* also the greatest part number */
#define MANIFEST_PIECES_MAX 200000 /* of all extents; 5 TiB in whole segments are 164,000 */
#define MANIFEST_HEADERS_MAX 256
#define MANIFEST_HEADER_BYTES_MAX KIB(32) /* names and values together */
#define MANIFEST_ETAG_BYTES_MAX 128
#define MANIFEST_CHECKSUM_BYTES_MAX 32

enum manifest_checksum {
    MANIFEST_CHECKSUM_NONE,
    MANIFEST_CHECKSUM_CRC32,
    MANIFEST_CHECKSUM_CRC32C,
    MANIFEST_CHECKSUM_CRC64NVME,
    MANIFEST_CHECKSUM_SHA1,
    MANIFEST_CHECKSUM_SHA256,
};

struct manifest_header {
    bytes name; /* not empty */
    bytes value;
};

struct manifest_part {
    u16 number; /* from 1, ascending */
    u64 size;
    u8 md5[16];
    u8 checksum[MANIFEST_CHECKSUM_BYTES_MAX]; /* of the object's kind */
};

struct manifest_extent {
    struct extent_id id;
    struct aead_key file_key;
    u64 plain_length; /* of the extent */
    u64 slice_offset; /* the part of it that the object has here */
    u64 slice_length;
    struct locator *pieces; /* of the sealed stream, in order; lengths add up to all of it */
    u32 piece_count;
};

struct manifest {
    u64 size;
    u64 mtime_ms; /* unix time */
    bytes etag;   /* without quotes */
    enum manifest_checksum checksum_kind;
    bool checksum_composite; /* a checksum of the parts' checksums */
    u8 checksum[MANIFEST_CHECKSUM_BYTES_MAX];
    struct manifest_header *headers;
    u16 header_count;
    struct manifest_part *parts; /* sizes add up to size; none if not multipart */
    u16 part_count;
    bool is_inline;
    bytes inline_data;               /* size bytes */
    struct manifest_extent *extents; /* slices add up to size */
    u16 extent_count;
};

/* manifest_checksum_bytes: 0, 4, 4, 8, 20, 32. */
size_t manifest_checksum_bytes(enum manifest_checksum kind);

/* manifest_valid: everything manifest_read() checks. */
MUST_USE bool manifest_valid(const struct manifest *manifest);
/* manifest_write: the manifest is valid (a bug otherwise). */
void manifest_write(struct buf *out, const struct manifest *manifest);
/* manifest_read: strings borrow from `in`. ERR_MALFORMED; ERR_LIMIT: the arena is full. */
err manifest_read(struct manifest *ret, struct arena *arena, bytes in);

/* manifest_find: the extent with byte `offset` (< size) of an object that is not inline; the byte's
 * place in the extent's plaintext, and how many bytes of the object follow there. */
const struct manifest_extent *manifest_find(const struct manifest *manifest, u64 offset,
                                            u64 *ret_plain_offset, u64 *ret_run);
/* manifest_piece_find: where byte `offset` of the extent's sealed stream lies: gateway, number and
 * offset of the byte; length is what follows in that piece. */
struct locator manifest_piece_find(const struct manifest_extent *extent, u64 offset);
/* manifest_part_find: range of a part in the object; false: no such part. */
MUST_USE bool manifest_part_find(const struct manifest *manifest, u16 number, u64 *ret_offset,
                                 u64 *ret_size);

#endif
