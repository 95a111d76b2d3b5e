/* row_reader.h: the rows of a segment, unit by unit, from whichever holders work.
 *
 * A row's unit of fragment i is one frame of that fragment (64 KiB, shorter in the last row). One
 * fiber per used fragment (a lane) reads ahead by LANE_AHEAD verified units. For each row the
 * caller says which units it needs; those come from their own lanes, or are decoded from any k
 * lanes when a holder failed, lied, or was slower than the hedge time. Internal to
 * src/transfer. */
#ifndef TRANSFER_ROW_READER_H
#define TRANSFER_ROW_READER_H

#include "transfer/source.h"

struct row_reader;

struct row_reader_options {
    struct segment_source *source;
    struct segment_facts facts;
    u32 first_row;
    u32 end_row;
    /* Rows of fragment i that will be needed end here (0: not needed for itself). */
    u32 end_rows[FRAGMENTS_MAX];
};

struct row_reader *row_reader_new(const struct row_reader_options *options);
/* row_reader_next: the next row. need is a bit per fragment; ret_units[i] is set for each needed
 * one and stays valid until the next call. ERR_NETWORK: fewer than k holders serve. */
err row_reader_next(struct row_reader *reader, u32 need, u64 deadline_ms,
                    const u8 *ret_units[FRAGMENTS_MAX]);
u64 row_reader_bytes(const struct row_reader *reader); /* fetched so far */
void row_reader_free(struct row_reader *reader);

#endif
