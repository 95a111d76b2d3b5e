#include "data/class.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const u8 class_numbers[] = {RS_4_8, RS_10_20, RS_8_4, RS_2_4};

static void names_and_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        u8 number, k, n, quorum;
    } table[] = {
        {"rs-4-8", 1, 4, 12, 8},
        {"rs-10-20", 2, 10, 30, 20},
        {"rs-8-4", 3, 8, 12, 10},
        {"rs-2-4", 4, 2, 6, 4},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        enum redundancy found;
        assert_true(redundancy_parse(&found, bytes_str(table[i].name)));
        assert_int_equal(found, table[i].number);
        const struct redundancy_info *r = redundancy_find(table[i].number);
        assert_non_null(r);
        assert_string_equal(r->name, table[i].name);
        assert_int_equal(r->k, table[i].k);
        assert_int_equal(redundancy_n(r), table[i].n);
        assert_int_equal(redundancy_quorum(r), table[i].quorum);
    }
    enum redundancy untouched = RS_8_4;
    static const char *const unknown[] = {"", "rs-4-", "rs-4-88", "RS-4-8", "rs-4-8 ", "rs"};
    for (size_t i = 0; i < COUNT_OF(unknown); i++) {
        assert_false(redundancy_parse(&untouched, bytes_str(unknown[i])));
    }
    assert_int_equal(untouched, RS_8_4);
    assert_null(redundancy_find(0));
    assert_null(redundancy_find(5));
    assert_null(redundancy_find(255));
}

static void defaults_by_network_size(void **state)
{
    (void)state;
    enum redundancy chosen = RS_8_4;
    assert_false(redundancy_default(&chosen, 0));
    assert_false(redundancy_default(&chosen, 5));
    assert_int_equal(chosen, RS_8_4);
    assert_true(redundancy_default(&chosen, 6));
    assert_int_equal(chosen, RS_2_4);
    assert_true(redundancy_default(&chosen, 11));
    assert_int_equal(chosen, RS_2_4);
    assert_true(redundancy_default(&chosen, 12));
    assert_int_equal(chosen, RS_4_8);
    assert_true(redundancy_default(&chosen, 29));
    assert_int_equal(chosen, RS_4_8);
    assert_true(redundancy_default(&chosen, 30));
    assert_int_equal(chosen, RS_10_20);
}

static void refused_lengths(void **state)
{
    (void)state;
    struct segment_shape shape = {.length = 77};
    const struct redundancy_info *r = redundancy_find(RS_4_8);
    assert_false(segment_shape_of(&shape, r, 0));
    assert_false(segment_shape_of(&shape, r, SEGMENT_BYTES_MAX + 1));
    assert_false(segment_shape_of(&shape, r, UINT64_MAX));
    assert_false(segment_shape_of(&shape, r, (u64)1 << 32));
    assert_int_equal(shape.length, 77);
}

/* check_shape: every byte of the segment has one place, units are multiples of 64, no fragment is
 * longer than length / k rounded up to 64. */
static void check_shape(const struct redundancy_info *r, u32 length)
{
    struct segment_shape shape;
    assert_true(segment_shape_of(&shape, r, length));
    assert_int_equal(shape.fragment_length, ceil_div(length, (u64)64 * r->k) * 64);
    assert_true(shape.fragment_length <= FRAGMENT_BYTES_MAX);
    assert_int_equal(shape.last_unit_bytes % 64, 0);
    assert_true(shape.last_unit_bytes <= UNIT_BYTES);
    u64 units = 0;
    for (u32 row = 0; row < segment_rows(&shape); row++) {
        units += segment_unit_bytes(&shape, row);
    }
    assert_int_equal(units, shape.fragment_length);
    u32 offset = 0;
    u32 runs = 0;
    u32 filled[FRAGMENTS_MAX] = {0};
    while (offset < length) {
        u8 fragment;
        u32 at;
        u32 run;
        segment_locate(&shape, offset, &fragment, &at, &run);
        assert_true(fragment < r->k);
        assert_true(run > 0 && run <= length - offset);
        assert_true(at + run <= shape.fragment_length);
        assert_int_equal(at, filled[fragment]); /* each fragment fills in order, without holes */
        filled[fragment] += run;
        offset += run;
        runs++;
    }
    assert_int_equal(offset, length);
    assert_true(runs <= segment_rows(&shape) * r->k);
}

static void edge_lengths(void **state)
{
    (void)state;
    for (size_t c = 0; c < COUNT_OF(class_numbers); c++) {
        const struct redundancy_info *r = redundancy_find(class_numbers[c]);
        u32 row = r->k * (u32)UNIT_BYTES;
        const u32 lengths[] = {1,
                               63,
                               64,
                               65,
                               (u32)r->k * 64 - 1,
                               (u32)r->k * 64,
                               (u32)r->k * 64 + 1,
                               (u32)UNIT_BYTES,
                               row - 1,
                               row,
                               row + 1,
                               2 * row + 12345,
                               (u32)SEGMENT_BYTES_MAX - 1,
                               (u32)SEGMENT_BYTES_MAX};
        for (size_t i = 0; i < COUNT_OF(lengths); i++) {
            check_shape(r, lengths[i]);
        }
        for (u32 length = 1; length < 3000; length += 7) {
            check_shape(r, length);
        }
    }
}

static void locate_inside_a_run(void **state)
{
    (void)state;
    struct segment_shape shape;
    u8 fragment;
    u32 at;
    u32 run;
    assert_true(segment_shape_of(&shape, redundancy_find(RS_4_8), MIB(1) + 1000));
    segment_locate(&shape, (u32)UNIT_BYTES + 10, &fragment, &at, &run);
    assert_int_equal(fragment, 1);
    assert_int_equal(at, 10);
    assert_int_equal(run, UNIT_BYTES - 10);
    assert_int_equal(shape.last_unit_bytes, 256);
    segment_locate(&shape, (u32)MIB(1) + 999, &fragment, &at, &run);
    assert_int_equal(fragment, 3);
    assert_int_equal(at, 4 * UNIT_BYTES + 231);
    assert_int_equal(run, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_numbers),   cmocka_unit_test(defaults_by_network_size),
        cmocka_unit_test(refused_lengths),     cmocka_unit_test(edge_lengths),
        cmocka_unit_test(locate_inside_a_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
