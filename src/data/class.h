/* class.h: redundancy classes and the shape of a segment.
 *
 * A segment of `length` bytes (1 .. 32 MiB) in class (k, m) is written in rows of k units. A full
 * row's unit is 64 KiB; the last row's unit is ⌈rest / (64 k)⌉ · 64 bytes, zero-padded while
 * coding. Fragment i < k is the concatenation of unit i of every row (systematic), fragment k + j
 * the parity units. So a small range touches one holder, a large read all k, and no fragment is
 * padded to a fixed size.
 */
#ifndef DATA_CLASS_H
#define DATA_CLASS_H

#include "base/bytes.h"

#define SEGMENT_BYTES_MAX MIB(32)
#define UNIT_BYTES KIB(64)
#define LEAF_BYTES KIB(4)
#define FRAGMENTS_MAX 30
#define FRAGMENT_BYTES_MAX (MIB(16) + UNIT_BYTES) /* rs-2-4: half a segment */

enum redundancy {
    RS_4_8 = 1,
    RS_10_20 = 2,
    RS_8_4 = 3,
    RS_2_4 = 4,
};

struct redundancy_info {
    const char *name; /* "rs-4-8" */
    u8 k;
    u8 m;
};

/* redundancy_find: NULL for an unknown number. */
const struct redundancy_info *redundancy_find(u8 class_number);
MUST_USE bool redundancy_parse(enum redundancy *ret, bytes name);
static inline u8 redundancy_n(const struct redundancy_info *r) { return (u8)(r->k + r->m); }
/* redundancy_quorum: k + ⌈m/2⌉: receipts that make a segment durable, and the repair threshold. */
static inline u8 redundancy_quorum(const struct redundancy_info *r)
{
    return (u8)(r->k + (r->m + 1) / 2);
}
/* redundancy_default: the first of rs-10-20 (≥ 30 eligible providers), rs-4-8 (≥ 12), rs-2-4 (≥ 6);
 * false: fewer. */
MUST_USE bool redundancy_default(enum redundancy *ret, size_t eligible_providers);

struct segment_shape {
    u32 length; /* of the segment */
    u8 k;
    u8 m;
    u32 full_rows;
    u32 last_unit_bytes; /* 0 if the length is a multiple of k * 64 KiB */
    u32 fragment_length;
};

/* segment_shape_of: false if length is 0 or over SEGMENT_BYTES_MAX. */
MUST_USE bool segment_shape_of(struct segment_shape *ret, const struct redundancy_info *r,
                               u64 length);
static inline u32 segment_rows(const struct segment_shape *s)
{
    return s->full_rows + (s->last_unit_bytes != 0);
}
/* segment_unit_bytes: of one row. */
u32 segment_unit_bytes(const struct segment_shape *shape, u32 row);

/* segment_locate: where byte `offset` of the segment lives: fragment index < k, offset inside that
 * fragment, and how many bytes follow there without a break. */
void segment_locate(const struct segment_shape *shape, u32 offset, u8 *ret_fragment,
                    u32 *ret_fragment_offset, u32 *ret_run_bytes);

#endif
