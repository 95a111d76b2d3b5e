#include "data/class.h"

#include "base/assert.h"

static const struct {
    enum redundancy class_number;
    struct redundancy_info info;
} classes[] = {
    {RS_4_8, {"rs-4-8", 4, 8}},
    {RS_10_20, {"rs-10-20", 10, 20}},
    {RS_8_4, {"rs-8-4", 8, 4}},
    {RS_2_4, {"rs-2-4", 2, 4}},
};

const struct redundancy_info *redundancy_find(u8 class_number)
{
    for (size_t i = 0; i < COUNT_OF(classes); i++) {
        if ((u8)classes[i].class_number == class_number) {
            return &classes[i].info;
        }
    }
    return NULL;
}

bool redundancy_parse(enum redundancy *ret, bytes name)
{
    for (size_t i = 0; i < COUNT_OF(classes); i++) {
        if (bytes_eq_str(name, classes[i].info.name)) {
            *ret = classes[i].class_number;
            return true;
        }
    }
    return false;
}

bool redundancy_default(enum redundancy *ret, size_t eligible_providers)
{
    static const enum redundancy preferred[] = {RS_10_20, RS_4_8, RS_2_4};
    for (size_t i = 0; i < COUNT_OF(preferred); i++) {
        if (eligible_providers >= redundancy_n(redundancy_find((u8)preferred[i]))) {
            *ret = preferred[i];
            return true;
        }
    }
    return false;
}

bool segment_shape_of(struct segment_shape *ret, const struct redundancy_info *r, u64 length)
{
    if (length == 0 || length > SEGMENT_BYTES_MAX) {
        return false;
    }
    u64 row_bytes = UNIT_BYTES * r->k;
    u64 full_rows = length / row_bytes;
    u64 last_unit = ceil_div(length % row_bytes, (u64)64 * r->k) * 64;
    *ret = (struct segment_shape){
        .length = (u32)length,
        .k = r->k,
        .m = r->m,
        .full_rows = (u32)full_rows,
        .last_unit_bytes = (u32)last_unit,
        .fragment_length = (u32)(full_rows * UNIT_BYTES + last_unit),
    };
    return true;
}

u32 segment_unit_bytes(const struct segment_shape *shape, u32 row)
{
    assert_that(row < segment_rows(shape));
    return row < shape->full_rows ? (u32)UNIT_BYTES : shape->last_unit_bytes;
}

void segment_locate(const struct segment_shape *shape, u32 offset, u8 *ret_fragment,
                    u32 *ret_fragment_offset, u32 *ret_run_bytes)
{
    assert_that(offset < shape->length);
    u32 row_bytes = (u32)UNIT_BYTES * shape->k;
    u32 row = offset / row_bytes;
    u32 unit = segment_unit_bytes(shape, row);
    u32 in_row = offset % row_bytes;
    u32 in_unit = in_row % unit;
    *ret_fragment = (u8)(in_row / unit);
    *ret_fragment_offset = row * (u32)UNIT_BYTES + in_unit;
    *ret_run_bytes = (u32)min_u64(unit - in_unit, shape->length - offset);
}
