/* segment_reader.h: which fragments to read for a range of a segment, and how to put it together.
 *
 * A plan covers one range [offset, offset + length) of the segment's bytes. If every data fragment
 * the range touches is available, exactly these are read, each over its own part. If not, k
 * fragments are read over the same part (the hull of what is touched) and the missing ones are
 * computed. Parts begin and end on leaves, so that each read can be verified by itself
 * (fragment_range_verify, data/fragment_writer.h); verify before assembling.
 *
 * The planner takes the available fragments in the caller's order of preference (fastest first), so
 * hedging is planning again without the slow one. A long range is read in pieces of a few rows
 * (segment_piece), which bounds memory: k * rows * 64 KiB.
 */
#ifndef DATA_SEGMENT_READER_H
#define DATA_SEGMENT_READER_H

#include "data/erasure.h"
#include "data/segment.h"

#define SEGMENT_READS_MAX 10

/* Bytes [offset, offset + length) of a fragment: whole leaves. */
struct fragment_read {
    u8 fragment;
    u32 offset;
    u32 length;
};

struct segment_plan {
    u32 offset; /* wanted, in the segment */
    u32 length;
    u8 read_count;
    struct fragment_read reads[SEGMENT_READS_MAX];
    u8 missing_count; /* touched data fragments that have to be computed from the reads */
    u8 missing[SEGMENT_READS_MAX];
};

/* segment_piece: how many of the `length` bytes from `offset` end within the next `rows` (> 0)
 * rows: the range of the next plan of a streaming read. */
u32 segment_piece(const struct segment_shape *shape, u32 offset, u32 length, u32 rows);

/* segment_plan_make: available holds distinct fragment indexes, preferred ones first. The range is
 * not empty and inside the segment. False: a touched data fragment is unavailable and fewer than k
 * others are. */
MUST_USE bool segment_plan_make(struct segment_plan *ret, const struct segment_shape *shape,
                                u32 offset, u32 length, const u8 *available, u8 available_count);

/* segment_plan_rebuild: reads for rows [first_row, first_row + rows) of k fragments, to rebuild
 * others with erasure_decode(). */
MUST_USE bool segment_plan_rebuild(struct segment_plan *ret, const struct segment_shape *shape,
                                   u32 first_row, u32 rows, const u8 *available,
                                   u8 available_count);

/* 26 KiB of caller's memory. The decoder is kept while the same fragments are known and missing. */
struct segment_assembler {
    const struct redundancy_info *info;
    bool decoder_ready;
    u8 known[SEGMENT_READS_MAX];
    u8 missing[SEGMENT_READS_MAX];
    u8 missing_count;
    struct erasure_decoder decoder;
    u8 column[ERASURE_COLUMN_BYTES];
};

void segment_assembler_init(struct segment_assembler *assembler, const struct redundancy_info *r);
/* segment_assemble: data[i] holds the verified bytes of plan->reads[i]; out gets plan->length
 * bytes of the segment. */
void segment_assemble(struct segment_assembler *assembler, const struct segment_shape *shape,
                      const struct segment_plan *plan, const u8 *const *data, u8 *out);

#endif
