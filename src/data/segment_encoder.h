/* segment_encoder.h: a segment is coded row by row while its bytes arrive.
 *
 * The length need not be known: bytes in any split fill a row of k * 64 KiB; when it is full (or
 * the segment ends) the row is begun, coded, hashed, and its n units go to their holders. Only the
 * last row may be short; its unit is then smaller, and because a row's data lie back to back in
 * memory, nothing has to be moved for that. So an upload holds as many rows as the caller gives it
 * memory for, never a segment.
 *
 *   while bytes come:   fill(row) … until row_ready()
 *                       row_begin(row)       on the owner's thread, in row order
 *                       row_encode(row)      any thread; rows are independent
 *                       row_hash(row, i)     any thread, once for each fragment i, after encode if
 *                                            i is parity; for one i in row order
 *                       send row->units[i] to holder i at row->fragment_offset; reuse the row
 *   finish()            the roots and the length, after the last row was hashed
 *
 * Between row_begin() of one row and its last row_hash() other rows may be filled and begun: rows
 * are objects of their own, the encoder itself only holds the trees. An encoder is 62 KiB, a row's
 * memory n * 64 KiB.
 */
#ifndef DATA_SEGMENT_ENCODER_H
#define DATA_SEGMENT_ENCODER_H

#include "data/erasure.h"
#include "data/fragment_writer.h"
#include "data/segment.h"

struct segment_row {
    u8 *memory; /* k data units, then m parity units; borrowed */
    u32 filled; /* data bytes so far */
    u32 number; /* from row_begin on: */
    u32 unit_bytes;
    u32 fragment_offset; /* of the row's unit in every fragment */
    u8 *units[FRAGMENTS_MAX];
};

struct segment_encoder {
    enum redundancy class_number;
    const struct redundancy_info *info;
    struct erasure_encoder coder;
    u32 length; /* bytes in begun rows */
    u32 rows;   /* begun */
    bool ended; /* a short row was begun */
    u32 hashed_rows[FRAGMENTS_MAX];
    struct merkle_builder trees[FRAGMENTS_MAX];
};

void segment_encoder_init(struct segment_encoder *encoder, enum redundancy class_number);

/* segment_row_footprint: bytes of memory for one row of a class, to be aligned to 64. */
size_t segment_row_footprint(const struct redundancy_info *r);
/* segment_row_init: an empty row. Also to reuse one whose units have been sent. */
void segment_row_init(struct segment_row *row, void *memory);

/* segment_encoder_room: how many bytes the row can still take: up to the end of the row, or of the
 * largest segment. */
u32 segment_encoder_room(const struct segment_encoder *encoder, const struct segment_row *row);
/* segment_encoder_fill: takes as much of `in` as there is room for; returns how much. All earlier
 * rows have been begun. */
size_t segment_encoder_fill(const struct segment_encoder *encoder, struct segment_row *row,
                            bytes in);
/* segment_encoder_row_ready: no room left; begin the row. */
static inline bool segment_encoder_row_ready(const struct segment_encoder *encoder,
                                             const struct segment_row *row)
{
    return segment_encoder_room(encoder, row) == 0;
}
/* segment_encoder_full: the segment has its greatest length with this row. */
bool segment_encoder_full(const struct segment_encoder *encoder, const struct segment_row *row);

/* segment_encoder_row_begin: gives the row its place and its unit. A row that is not empty but
 * short ends the segment. */
void segment_encoder_row_begin(struct segment_encoder *encoder, struct segment_row *row);
void segment_encoder_row_encode(const struct segment_encoder *encoder, struct segment_row *row);
void segment_encoder_row_hash(struct segment_encoder *encoder, const struct segment_row *row,
                              u8 fragment);
/* segment_encoder_row: begin, encode and hash all, on one thread. */
void segment_encoder_row(struct segment_encoder *encoder, struct segment_row *row);

/* segment_encoder_finish: ret_roots has room for n. At least one row; all rows hashed. */
void segment_encoder_finish(const struct segment_encoder *encoder, struct hash *ret_roots,
                            struct segment_shape *ret_shape, struct hash *ret_id);

#endif
