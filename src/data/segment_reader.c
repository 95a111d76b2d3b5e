#include "data/segment_reader.h"

#include "base/assert.h"

u32 segment_piece(const struct segment_shape *shape, u32 offset, u32 length, u32 rows)
{
    assert_that(rows > 0 && length <= shape->length && offset <= shape->length - length);
    u64 row_bytes = UNIT_BYTES * shape->k;
    u64 end = (offset / row_bytes + rows) * row_bytes;
    return (u32)min_u64(length, end - offset);
}

/* What a range touches of one data fragment: bytes [from, to), empty if to is 0. */
struct touched {
    u32 from;
    u32 to;
};

/* touch: the touched part of each data fragment; it has no holes, because between the first and the
 * last row of the range every row is touched whole. */
static void touch(struct touched *ret, const struct segment_shape *shape, u32 offset, u32 length)
{
    memset(ret, 0, shape->k * sizeof *ret);
    u32 end = offset + length;
    while (offset < end) {
        u8 fragment;
        u32 at;
        u32 run;
        segment_locate(shape, offset, &fragment, &at, &run);
        run = (u32)min_u64(run, end - offset);
        if (ret[fragment].to == 0) {
            ret[fragment].from = at;
        }
        ret[fragment].to = at + run;
        offset += run;
    }
}

/* widen: to whole leaves. */
static struct fragment_read widen(const struct segment_shape *shape, u8 fragment,
                                  struct touched part)
{
    u32 from = part.from / (u32)LEAF_BYTES * (u32)LEAF_BYTES;
    u64 to = ceil_div(part.to, LEAF_BYTES) * LEAF_BYTES;
    return (struct fragment_read){.fragment = fragment,
                                  .offset = from,
                                  .length = (u32)min_u64(to, shape->fragment_length) - from};
}

static struct touched hull_of(const struct touched *parts, u8 k)
{
    struct touched hull = {.from = UINT32_MAX, .to = 0};
    for (u8 i = 0; i < k; i++) {
        if (parts[i].to != 0) {
            hull.from = (u32)min_u64(hull.from, parts[i].from);
            hull.to = (u32)max_u64(hull.to, parts[i].to);
        }
    }
    return hull;
}

static u32 mask_of(const struct segment_shape *shape, const u8 *available, u8 available_count)
{
    u32 mask = 0;
    for (u8 i = 0; i < available_count; i++) {
        assert_that(available[i] < shape->k + shape->m);
        assert_that((mask & (u32)1 << available[i]) == 0);
        mask |= (u32)1 << available[i];
    }
    return mask;
}

/* read_available: appends reads of available fragments in order of preference, those of the mask
 * only, until k are planned. */
static void read_available(struct segment_plan *plan, const struct segment_shape *shape,
                           struct touched part, u32 mask, const u8 *available, u8 available_count)
{
    for (u8 i = 0; i < available_count && plan->read_count < shape->k; i++) {
        if ((mask & (u32)1 << available[i]) != 0) {
            plan->reads[plan->read_count++] = widen(shape, available[i], part);
        }
    }
}

bool segment_plan_make(struct segment_plan *ret, const struct segment_shape *shape, u32 offset,
                       u32 length, const u8 *available, u8 available_count)
{
    struct touched parts[SEGMENT_READS_MAX];
    struct segment_plan plan = {.offset = offset, .length = length};
    assert_that(length > 0 && length <= shape->length && offset <= shape->length - length);
    u32 usable = mask_of(shape, available, available_count);
    u32 touched_mask = 0;
    touch(parts, shape, offset, length);
    for (u8 i = 0; i < shape->k; i++) {
        if (parts[i].to == 0) {
            continue;
        }
        touched_mask |= (u32)1 << i;
        if ((usable & (u32)1 << i) == 0) {
            plan.missing[plan.missing_count++] = i;
        } else {
            plan.reads[plan.read_count++] = widen(shape, i, parts[i]);
        }
    }
    if (plan.missing_count > 0) {
        if (available_count < shape->k) {
            return false;
        }
        struct touched hull = hull_of(parts, shape->k);
        plan.read_count = 0;
        read_available(&plan, shape, hull, touched_mask, available, available_count);
        read_available(&plan, shape, hull, ~touched_mask, available, available_count);
    }
    *ret = plan;
    return true;
}

bool segment_plan_rebuild(struct segment_plan *ret, const struct segment_shape *shape,
                          u32 first_row, u32 rows, const u8 *available, u8 available_count)
{
    assert_that(rows > 0 && rows <= segment_rows(shape));
    assert_that(first_row <= segment_rows(shape) - rows);
    u32 row_bytes = (u32)UNIT_BYTES * shape->k;
    struct segment_plan plan = {.offset = first_row * row_bytes};
    u64 end = min_u64((u64)(first_row + rows) * row_bytes, shape->length);
    plan.length = (u32)(end - plan.offset);
    (void)mask_of(shape, available, available_count);
    if (available_count < shape->k) {
        return false;
    }
    struct touched part = {.from = first_row * (u32)UNIT_BYTES,
                           .to = (first_row + rows - 1) * (u32)UNIT_BYTES +
                                 segment_unit_bytes(shape, first_row + rows - 1)};
    read_available(&plan, shape, part, UINT32_MAX, available, available_count);
    *ret = plan;
    return true;
}

void segment_assembler_init(struct segment_assembler *assembler, const struct redundancy_info *r)
{
    assembler->info = r;
    assembler->decoder_ready = false;
}

static bool decoder_fits(const struct segment_assembler *assembler, const struct segment_plan *plan,
                         const u8 *known)
{
    return assembler->decoder_ready && assembler->missing_count == plan->missing_count &&
           memcmp(assembler->missing, plan->missing, plan->missing_count) == 0 &&
           memcmp(assembler->known, known, assembler->info->k) == 0;
}

static void prepare_decoder(struct segment_assembler *assembler, const struct segment_plan *plan)
{
    u8 known[SEGMENT_READS_MAX];
    assert_that(plan->read_count == assembler->info->k);
    for (u8 i = 0; i < plan->read_count; i++) {
        known[i] = plan->reads[i].fragment;
    }
    if (decoder_fits(assembler, plan, known)) {
        return;
    }
    erasure_decoder_init(&assembler->decoder, assembler->info, known, plan->missing,
                         plan->missing_count);
    memcpy(assembler->known, known, plan->read_count);
    memcpy(assembler->missing, plan->missing, plan->missing_count);
    assembler->missing_count = plan->missing_count;
    assembler->decoder_ready = true;
}

/* compute: bytes [at, at + len) of the missing-th missing fragment. Columns begin and end on 64
 * bytes, which a leaf's border and the fragment's end are too. */
static void compute(struct segment_assembler *assembler, const struct segment_plan *plan,
                    const u8 *const *data, u8 missing, u32 at, u32 len, u8 *out)
{
    const u8 *known[SEGMENT_READS_MAX];
    while (len > 0) {
        u32 skip = at % 64;
        u32 column = (u32)min_u64(ERASURE_COLUMN_BYTES, ceil_div(skip + len, 64) * 64);
        u32 copied = (u32)min_u64(len, column - skip);
        for (u8 i = 0; i < plan->read_count; i++) {
            known[i] = data[i] + (at - skip - plan->reads[i].offset);
        }
        erasure_decode_one(&assembler->decoder, known, missing, assembler->column, column);
        memcpy(out, assembler->column + skip, copied);
        at += copied;
        len -= copied;
        out += copied;
    }
}

static u8 position_of_missing(const struct segment_plan *plan, u8 fragment)
{
    for (u8 i = 0; i < plan->missing_count; i++) {
        if (plan->missing[i] == fragment) {
            return i;
        }
    }
    unreachable_case();
}

/* place_run: one unbroken run of a data fragment. */
static void place_run(struct segment_assembler *assembler, const struct segment_plan *plan,
                      const u8 *const *data, u8 fragment, u32 at, u32 len, u8 *out)
{
    for (u8 i = 0; i < plan->read_count; i++) {
        const struct fragment_read *read = &plan->reads[i];
        if (read->fragment == fragment) {
            assert_that(at >= read->offset && len <= read->length - (at - read->offset));
            memcpy(out, data[i] + (at - read->offset), len);
            return;
        }
    }
    compute(assembler, plan, data, position_of_missing(plan, fragment), at, len, out);
}

void segment_assemble(struct segment_assembler *assembler, const struct segment_shape *shape,
                      const struct segment_plan *plan, const u8 *const *data, u8 *out)
{
    if (plan->missing_count > 0) {
        prepare_decoder(assembler, plan);
    }
    u32 done = 0;
    while (done < plan->length) {
        u8 fragment;
        u32 at;
        u32 run;
        segment_locate(shape, plan->offset + done, &fragment, &at, &run);
        run = (u32)min_u64(run, plan->length - done);
        place_run(assembler, plan, data, fragment, at, run, out + done);
        done += run;
    }
}
