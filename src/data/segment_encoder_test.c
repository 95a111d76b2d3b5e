#include "data/segment_encoder.h"

#include "base/mem.h"
#include "base/prng.h"
#include "data/segment_reader.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const enum redundancy all_classes[] = {RS_4_8, RS_10_20, RS_8_4, RS_2_4};

/* A whole coded segment in memory, as its holders would keep it. */
struct coded {
    enum redundancy class_number;
    const struct redundancy_info *info;
    struct segment_shape shape;
    u8 *plain;
    u8 *fragments[FRAGMENTS_MAX];
    struct hash roots[FRAGMENTS_MAX];
    struct hash id;
};

static void keep_row(struct coded *coded, const struct segment_row *row)
{
    for (u8 i = 0; i < redundancy_n(coded->info); i++) {
        memcpy(coded->fragments[i] + row->fragment_offset, row->units[i], row->unit_bytes);
    }
}

/* code: `split` is the size of the pieces in which the bytes come; 0: random sizes. */
static void code(struct coded *coded, enum redundancy class_number, u32 length, size_t split)
{
    struct segment_encoder *encoder = MEM_NEW(struct segment_encoder);
    struct segment_row row;
    struct prng prng;
    coded->class_number = class_number;
    coded->info = redundancy_find((u8)class_number);
    assert_true(segment_shape_of(&coded->shape, coded->info, length));
    coded->plain = mem_alloc(length);
    prng_init(&prng, length);
    prng_fill(&prng, coded->plain, length);
    for (u8 i = 0; i < redundancy_n(coded->info); i++) {
        coded->fragments[i] = mem_alloc(coded->shape.fragment_length);
    }
    void *memory = mem_alloc(segment_row_footprint(coded->info));
    memset(memory, 0xee, segment_row_footprint(coded->info)); /* what an earlier row left */
    segment_encoder_init(encoder, class_number);
    segment_row_init(&row, memory);
    u32 done = 0;
    while (done < length) {
        size_t piece = split != 0 ? split : 1 + prng_below(&prng, 100000);
        bytes in = bytes_make(coded->plain + done, min_size(piece, length - done));
        done += (u32)segment_encoder_fill(encoder, &row, in);
        if (segment_encoder_row_ready(encoder, &row) || done == length) {
            segment_encoder_row(encoder, &row);
            keep_row(coded, &row);
            segment_row_init(&row, memory);
        }
    }
    struct segment_shape shape;
    segment_encoder_finish(encoder, coded->roots, &shape, &coded->id);
    assert_int_equal(shape.length, length);
    assert_int_equal(shape.full_rows, coded->shape.full_rows);
    assert_int_equal(shape.fragment_length, coded->shape.fragment_length);
    mem_free(memory);
    mem_free(encoder);
}

static void drop(struct coded *coded)
{
    mem_free(coded->plain);
    for (u8 i = 0; i < redundancy_n(coded->info); i++) {
        mem_free(coded->fragments[i]);
    }
}

/* check_codeword: roots are those of the fragments, data fragments hold the bytes where
 * segment_locate() says, padding is zero, and parity is the code of each row. */
static void check_codeword(const struct coded *coded)
{
    struct fragment_writer *writer = MEM_NEW(struct fragment_writer);
    struct hash root;
    for (u8 i = 0; i < redundancy_n(coded->info); i++) {
        fragment_writer_init(writer, NULL, 0);
        bytes all = bytes_make(coded->fragments[i], coded->shape.fragment_length);
        assert_true(is_ok(fragment_writer_add(writer, all)));
        assert_int_equal(fragment_writer_finish(writer, &root), fragment_leaves((u32)all.len));
        assert_memory_equal(&root, &coded->roots[i], sizeof root);
    }
    mem_free(writer);
    struct hash id;
    segment_id(&id, coded->class_number, coded->shape.length, coded->roots,
               redundancy_n(coded->info));
    assert_memory_equal(&id, &coded->id, sizeof id);
    u64 used[FRAGMENTS_MAX] = {0};
    for (u32 offset = 0; offset < coded->shape.length;) {
        u8 fragment;
        u32 at;
        u32 run;
        segment_locate(&coded->shape, offset, &fragment, &at, &run);
        assert_memory_equal(coded->fragments[fragment] + at, coded->plain + offset, run);
        used[fragment] = at + run;
        offset += run;
    }
    for (u8 i = 0; i < coded->info->k; i++) {
        for (u64 at = max_u64(used[i], coded->shape.full_rows * UNIT_BYTES);
             at < coded->shape.fragment_length; at++) {
            assert_int_equal(coded->fragments[i][at], 0);
        }
    }
}

static void check_parity(const struct coded *coded)
{
    struct erasure_encoder encoder;
    const u8 *data[FRAGMENTS_MAX];
    u8 *parity[FRAGMENTS_MAX];
    u32 len = coded->shape.fragment_length;
    for (u8 i = 0; i < coded->info->k; i++) {
        data[i] = coded->fragments[i];
    }
    for (u8 i = 0; i < coded->info->m; i++) {
        parity[i] = mem_alloc(len);
    }
    erasure_encoder_init(&encoder, coded->info);
    erasure_encode(&encoder, data, parity, len);
    for (u8 i = 0; i < coded->info->m; i++) {
        assert_memory_equal(parity[i], coded->fragments[coded->info->k + i], len);
        mem_free(parity[i]);
    }
}

static void every_length_edge(void **state)
{
    (void)state;
    for (size_t c = 0; c < COUNT_OF(all_classes); c++) {
        u32 k = redundancy_find((u8)all_classes[c])->k;
        u32 row = k * (u32)UNIT_BYTES;
        const u32 lengths[] = {1,          63,      64,  65,      k * 64 - 1,  k * 64,
                               k * 64 + 1, row - 1, row, row + 1, 3 * row + 77};
        for (size_t i = 0; i < COUNT_OF(lengths); i++) {
            struct coded coded;
            code(&coded, all_classes[c], lengths[i], lengths[i]);
            check_codeword(&coded);
            check_parity(&coded);
            drop(&coded);
        }
    }
}

static void splits_do_not_matter(void **state)
{
    (void)state;
    static const size_t splits[] = {1, 63, 4096, 65536, 65537, 0, 0};
    const u32 length = 2 * 4 * (u32)UNIT_BYTES + 100001;
    struct coded whole;
    code(&whole, RS_4_8, length, length);
    for (size_t i = 0; i < COUNT_OF(splits); i++) {
        struct coded coded;
        code(&coded, RS_4_8, length, splits[i]);
        assert_memory_equal(&coded.id, &whole.id, sizeof whole.id);
        drop(&coded);
    }
    drop(&whole);
}

static void greatest_segment(void **state)
{
    (void)state;
    for (size_t c = 0; c < 2; c++) { /* rs-10-20 ends 32 MiB inside a row */
        struct coded coded;
        code(&coded, all_classes[c], (u32)SEGMENT_BYTES_MAX, MIB(1));
        check_codeword(&coded);
        drop(&coded);
    }
}

static void takes_no_more_than_the_greatest_length(void **state)
{
    (void)state;
    struct segment_encoder *encoder = MEM_NEW(struct segment_encoder);
    const struct redundancy_info *r = redundancy_find(RS_10_20);
    struct segment_row row;
    u8 *memory = mem_alloc(segment_row_footprint(r));
    u8 *zeros = mem_alloc(MIB(1));
    u64 taken = 0;
    segment_encoder_init(encoder, RS_10_20);
    segment_row_init(&row, memory);
    for (;;) {
        taken += segment_encoder_fill(encoder, &row, bytes_make(zeros, MIB(1)));
        assert_true(segment_encoder_row_ready(encoder, &row));
        bool full = segment_encoder_full(encoder, &row);
        segment_encoder_row_begin(encoder, &row);
        if (full) {
            assert_true(segment_encoder_full(encoder, &row));
            break;
        }
        segment_row_init(&row, memory);
    }
    assert_int_equal(taken, SEGMENT_BYTES_MAX);
    segment_row_init(&row, memory);
    assert_int_equal(segment_encoder_fill(encoder, &row, bytes_make(zeros, 1)), 0);
    mem_free(zeros);
    mem_free(memory);
    mem_free(encoder);
}

/* Two rows in flight, hashed fragment by fragment in another order than they were coded. */
static void rows_overlap(void **state)
{
    (void)state;
    struct segment_encoder *encoder = MEM_NEW(struct segment_encoder);
    struct segment_row rows[2];
    struct hash roots[FRAGMENTS_MAX];
    struct hash id;
    struct segment_shape shape;
    struct coded coded;
    const u32 length = 8 * (u32)UNIT_BYTES + 5000;
    code(&coded, RS_8_4, length, length);
    u8 *memory = mem_alloc(2 * segment_row_footprint(coded.info));
    segment_encoder_init(encoder, RS_8_4);
    u32 done = 0;
    for (u8 i = 0; i < 2; i++) {
        segment_row_init(&rows[i], memory + i * segment_row_footprint(coded.info));
        bytes rest = bytes_make(coded.plain + done, length - done);
        done += (u32)segment_encoder_fill(encoder, &rows[i], rest);
        segment_encoder_row_begin(encoder, &rows[i]);
    }
    segment_encoder_row_encode(encoder, &rows[1]);
    segment_encoder_row_encode(encoder, &rows[0]);
    for (u8 i = 0; i < 12; i++) {
        segment_encoder_row_hash(encoder, &rows[0], (u8)(11 - i));
        segment_encoder_row_hash(encoder, &rows[1], (u8)(11 - i));
    }
    segment_encoder_finish(encoder, roots, &shape, &id);
    assert_memory_equal(&id, &coded.id, sizeof id);
    drop(&coded);
    mem_free(memory);
    mem_free(encoder);
}

/* read_range: plans with the available fragments, cuts the reads out of the stored fragments, and
 * compares what is assembled. False: the planner refused. */
static bool read_range(const struct coded *coded, struct segment_assembler *assembler, u32 offset,
                       u32 length, const u8 *available, u8 count)
{
    struct segment_plan plan;
    const u8 *data[SEGMENT_READS_MAX];
    if (!segment_plan_make(&plan, &coded->shape, offset, length, available, count)) {
        return false;
    }
    assert_true(plan.read_count <= coded->info->k);
    for (u8 i = 0; i < plan.read_count; i++) {
        const struct fragment_read *read = &plan.reads[i];
        u8 *copy = mem_alloc(read->length); /* so that ASan sees a read outside the plan */
        u32 end = read->offset + read->length;
        assert_true(read->length > 0 && end <= coded->shape.fragment_length);
        assert_int_equal(read->offset % LEAF_BYTES, 0);
        assert_true(end % LEAF_BYTES == 0 || end == coded->shape.fragment_length);
        memcpy(copy, coded->fragments[read->fragment] + read->offset, read->length);
        data[i] = copy;
    }
    u8 *out = mem_alloc(length);
    segment_assemble(assembler, &coded->shape, &plan, data, out);
    assert_memory_equal(out, coded->plain + offset, length);
    mem_free(out);
    for (u8 i = 0; i < plan.read_count; i++) {
        mem_free((void *)(uintptr_t)data[i]);
    }
    return true;
}

static u8 random_order(struct prng *prng, u8 *ret, u8 n, u8 count)
{
    for (u8 i = 0; i < n; i++) {
        ret[i] = i;
    }
    for (u8 i = 0; i < count; i++) {
        u8 other = (u8)(i + prng_below(prng, (u64)n - i));
        u8 swap = ret[i];
        ret[i] = ret[other];
        ret[other] = swap;
    }
    return count;
}

static void random_ranges_and_holders(void **state)
{
    (void)state;
    struct prng prng;
    prng_init(&prng, 11);
    for (size_t c = 0; c < COUNT_OF(all_classes); c++) {
        const struct redundancy_info *r = redundancy_find((u8)all_classes[c]);
        const u32 lengths[] = {1, 65, 5000, r->k * (u32)UNIT_BYTES * 3 + 70000};
        for (size_t l = 0; l < COUNT_OF(lengths); l++) {
            struct coded coded;
            struct segment_assembler *assembler = MEM_NEW(struct segment_assembler);
            u8 order[FRAGMENTS_MAX] = {0};
            code(&coded, all_classes[c], lengths[l], lengths[l]);
            segment_assembler_init(assembler, r);
            for (u32 round = 0; round < 60; round++) {
                u32 offset = (u32)prng_below(&prng, lengths[l]);
                u32 length = 1 + (u32)prng_below(&prng, lengths[l] - offset);
                u8 spare = (u8)prng_below(&prng, r->m + 1u);
                u8 count = random_order(&prng, order, redundancy_n(r), (u8)(r->k + spare));
                assert_true(read_range(&coded, assembler, offset, length, order, count));
            }
            mem_free(assembler);
            drop(&coded);
        }
    }
}

/* Any 4 of 12 give every byte back. */
static void every_subset_reads(void **state)
{
    (void)state;
    struct coded coded;
    struct segment_assembler *assembler = MEM_NEW(struct segment_assembler);
    const u32 length = 4 * (u32)UNIT_BYTES + 3333;
    u32 subsets = 0;
    code(&coded, RS_4_8, length, length);
    segment_assembler_init(assembler, coded.info);
    for (u32 mask = 0; mask < 1u << 12; mask++) {
        u8 available[12];
        u8 count = 0;
        for (u8 i = 0; i < 12; i++) {
            if ((mask >> i & 1) != 0) {
                available[count++] = i;
            }
        }
        if (count == 4) {
            assert_true(read_range(&coded, assembler, 0, length, available, count));
            subsets++;
        } else if (count == 3) {
            assert_int_equal(read_range(&coded, assembler, 0, length, available, count), false);
        }
    }
    assert_int_equal(subsets, 495);
    mem_free(assembler);
    drop(&coded);
}

static void plans_are_small(void **state)
{
    (void)state;
    static const u8 all[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
    static const u8 without_one[] = {11, 0, 10, 2, 3};
    struct segment_shape shape;
    struct segment_plan plan;
    assert_true(segment_shape_of(&shape, redundancy_find(RS_4_8), MIB(8)));
    /* 1 KiB inside fragment 1: one leaf from one holder */
    assert_true(segment_plan_make(&plan, &shape, (u32)UNIT_BYTES + 5000, 1024, all, 12));
    assert_int_equal(plan.read_count, 1);
    assert_int_equal(plan.missing_count, 0);
    assert_int_equal(plan.reads[0].fragment, 1);
    assert_int_equal(plan.reads[0].offset, 4096);
    assert_int_equal(plan.reads[0].length, 4096);
    /* the same without its holder: one leaf from each of k, in order of preference */
    assert_true(segment_plan_make(&plan, &shape, (u32)UNIT_BYTES + 5000, 1024, without_one, 5));
    assert_int_equal(plan.read_count, 4);
    assert_int_equal(plan.missing_count, 1);
    assert_int_equal(plan.missing[0], 1);
    for (u8 i = 0; i < 4; i++) {
        assert_int_equal(plan.reads[i].fragment, without_one[i]);
        assert_int_equal(plan.reads[i].offset, 4096);
        assert_int_equal(plan.reads[i].length, 4096);
    }
    /* an untouched fragment may be missing; k holders are not needed then */
    assert_true(segment_plan_make(&plan, &shape, 0, 100, without_one + 1, 1));
    assert_int_equal(plan.read_count, 1);
    assert_false(segment_plan_make(&plan, &shape, (u32)UNIT_BYTES, 1, without_one, 3));
    /* two rows: each fragment's part is contiguous */
    assert_true(
        segment_plan_make(&plan, &shape, 3 * (u32)UNIT_BYTES, 2 * (u32)UNIT_BYTES, all, 12));
    assert_int_equal(plan.read_count, 2);
    assert_int_equal(plan.reads[0].fragment, 0);
    assert_int_equal(plan.reads[0].offset, UNIT_BYTES);
    assert_int_equal(plan.reads[1].fragment, 3);
    assert_int_equal(plan.reads[1].offset, 0);
}

static void pieces_end_on_rows(void **state)
{
    (void)state;
    struct segment_shape shape;
    const u32 row = 4 * (u32)UNIT_BYTES;
    const u32 length = 10 * row + 9;
    assert_true(segment_shape_of(&shape, redundancy_find(RS_4_8), length));
    assert_int_equal(segment_piece(&shape, 0, length, 4), 4 * row);
    assert_int_equal(segment_piece(&shape, 5, length - 5, 1), row - 5);
    assert_int_equal(segment_piece(&shape, 5, 10, 1), 10);
    assert_int_equal(segment_piece(&shape, 9 * row, row + 9, 4), row + 9);
    u32 offset = 3;
    u32 pieces = 0;
    while (offset < length) {
        offset += segment_piece(&shape, offset, length - offset, 4);
        pieces++;
    }
    assert_int_equal(pieces, 3);
}

/* rebuild: fragments 0 and 7 from four others, two rows at a time, to the right root. */
static void rebuild_by_rows(void **state)
{
    (void)state;
    static const u8 available[] = {9, 1, 4, 11, 2};
    static const u8 wanted[] = {0, 7};
    struct coded coded;
    struct erasure_decoder decoder;
    const u32 length = 4 * (u32)UNIT_BYTES * 3 + 40000;
    code(&coded, RS_4_8, length, length);
    erasure_decoder_init(&decoder, coded.info, available, wanted, 2);
    u8 *rebuilt[] = {mem_alloc(coded.shape.fragment_length),
                     mem_alloc(coded.shape.fragment_length)};
    for (u32 row = 0; row < segment_rows(&coded.shape); row += 2) {
        struct segment_plan plan;
        const u8 *known[4];
        assert_true(segment_plan_rebuild(&plan, &coded.shape, row, 2, available, 5));
        assert_int_equal(plan.read_count, 4);
        for (u8 i = 0; i < 4; i++) {
            assert_int_equal(plan.reads[i].fragment, available[i]);
            known[i] = coded.fragments[available[i]] + plan.reads[i].offset;
        }
        u8 *out[] = {rebuilt[0] + plan.reads[0].offset, rebuilt[1] + plan.reads[0].offset};
        erasure_decode(&decoder, known, out, plan.reads[0].length);
    }
    for (u8 i = 0; i < 2; i++) {
        assert_memory_equal(rebuilt[i], coded.fragments[wanted[i]], coded.shape.fragment_length);
        mem_free(rebuilt[i]);
    }
    struct segment_plan plan;
    assert_false(segment_plan_rebuild(&plan, &coded.shape, 0, 1, available, 3));
    drop(&coded);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_length_edge),
        cmocka_unit_test(splits_do_not_matter),
        cmocka_unit_test(greatest_segment),
        cmocka_unit_test(takes_no_more_than_the_greatest_length),
        cmocka_unit_test(rows_overlap),
        cmocka_unit_test(random_ranges_and_holders),
        cmocka_unit_test(every_subset_reads),
        cmocka_unit_test(plans_are_small),
        cmocka_unit_test(pieces_end_on_rows),
        cmocka_unit_test(rebuild_by_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
