#include "data/segment_encoder.h"

#include "base/assert.h"

void segment_encoder_init(struct segment_encoder *encoder, enum redundancy class_number)
{
    const struct redundancy_info *info = redundancy_find((u8)class_number);
    assert_that(info != NULL);
    encoder->class_number = class_number;
    encoder->info = info;
    encoder->length = 0;
    encoder->rows = 0;
    encoder->ended = false;
    erasure_encoder_init(&encoder->coder, info);
    for (u8 i = 0; i < redundancy_n(info); i++) {
        encoder->hashed_rows[i] = 0;
        merkle_builder_init(&encoder->trees[i]);
    }
}

size_t segment_row_footprint(const struct redundancy_info *r)
{
    return redundancy_n(r) * (size_t)UNIT_BYTES;
}

void segment_row_init(struct segment_row *row, void *memory)
{
    *row = (struct segment_row){.memory = memory};
}

/* row_data_bytes: of a full row. */
static u32 row_data_bytes(const struct segment_encoder *encoder)
{
    return encoder->info->k * (u32)UNIT_BYTES;
}

u32 segment_encoder_room(const struct segment_encoder *encoder, const struct segment_row *row)
{
    if (encoder->ended) {
        return 0;
    }
    u32 row_end = (u32)min_u64(row_data_bytes(encoder), SEGMENT_BYTES_MAX - encoder->length);
    return row_end - row->filled;
}

size_t segment_encoder_fill(const struct segment_encoder *encoder, struct segment_row *row,
                            bytes in)
{
    assert_that(row->unit_bytes == 0);
    size_t taken = min_size(in.len, segment_encoder_room(encoder, row));
    if (taken > 0) {
        memcpy(row->memory + row->filled, in.data, taken);
        row->filled += (u32)taken;
    }
    return taken;
}

bool segment_encoder_full(const struct segment_encoder *encoder, const struct segment_row *row)
{
    u32 not_begun = row->unit_bytes == 0 ? row->filled : 0;
    return encoder->length + not_begun == SEGMENT_BYTES_MAX;
}

void segment_encoder_row_begin(struct segment_encoder *encoder, struct segment_row *row)
{
    const struct redundancy_info *info = encoder->info;
    assert_that(row->filled > 0 && row->unit_bytes == 0 && !encoder->ended);
    row->number = encoder->rows++;
    row->unit_bytes = (u32)ceil_div(row->filled, (u64)64 * info->k) * 64;
    row->fragment_offset = row->number * (u32)UNIT_BYTES;
    encoder->ended = row->filled < row_data_bytes(encoder);
    encoder->length += row->filled;
    u32 coded = row->unit_bytes * info->k;
    memset(row->memory + row->filled, 0, coded - row->filled);
    u8 *parity = row->memory + row_data_bytes(encoder);
    for (u8 i = 0; i < info->k; i++) {
        row->units[i] = row->memory + (size_t)i * row->unit_bytes;
    }
    for (u8 i = 0; i < info->m; i++) {
        row->units[info->k + i] = parity + (size_t)i * row->unit_bytes;
    }
}

void segment_encoder_row_encode(const struct segment_encoder *encoder, struct segment_row *row)
{
    const u8 *data[FRAGMENTS_MAX];
    assert_that(row->unit_bytes > 0);
    for (u8 i = 0; i < encoder->info->k; i++) {
        data[i] = row->units[i];
    }
    erasure_encode(&encoder->coder, data, &row->units[encoder->info->k], row->unit_bytes);
}

void segment_encoder_row_hash(struct segment_encoder *encoder, const struct segment_row *row,
                              u8 fragment)
{
    assert_that(fragment < redundancy_n(encoder->info) && row->unit_bytes > 0);
    assert_that(encoder->hashed_rows[fragment] == row->number);
    fragment_leaves_add(&encoder->trees[fragment],
                        bytes_make(row->units[fragment], row->unit_bytes));
    encoder->hashed_rows[fragment]++;
}

void segment_encoder_row(struct segment_encoder *encoder, struct segment_row *row)
{
    segment_encoder_row_begin(encoder, row);
    segment_encoder_row_encode(encoder, row);
    for (u8 i = 0; i < redundancy_n(encoder->info); i++) {
        segment_encoder_row_hash(encoder, row, i);
    }
}

void segment_encoder_finish(const struct segment_encoder *encoder, struct hash *ret_roots,
                            struct segment_shape *ret_shape, struct hash *ret_id)
{
    u8 n = redundancy_n(encoder->info);
    bool shaped = segment_shape_of(ret_shape, encoder->info, encoder->length);
    assert_that(shaped && encoder->rows == segment_rows(ret_shape));
    for (u8 i = 0; i < n; i++) {
        assert_that(encoder->hashed_rows[i] == encoder->rows);
        merkle_builder_root(&encoder->trees[i], &ret_roots[i]);
    }
    segment_id(ret_id, encoder->class_number, encoder->length, ret_roots, n);
}
