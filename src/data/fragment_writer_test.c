#include "data/fragment_writer.h"

#include "base/mem.h"
#include "base/prng.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define LENGTH (40 * (u32)LEAF_BYTES + 700)

struct sample {
    u8 data[LENGTH];
    struct hash leaves[41];
    struct hash root;
    struct fragment_writer writer;
};

static int make_sample(void **state)
{
    struct sample *sample = MEM_NEW(struct sample);
    struct prng prng;
    prng_init(&prng, 5);
    prng_fill(&prng, sample->data, LENGTH);
    fragment_writer_init(&sample->writer, sample->leaves, 41);
    assert_true(is_ok(fragment_writer_add(&sample->writer, BYTES_OF(sample->data))));
    assert_int_equal(fragment_writer_finish(&sample->writer, &sample->root), 41);
    *state = sample;
    return 0;
}

static int drop_sample(void **state)
{
    mem_free(*state);
    return 0;
}

static void leaves_and_root(void **state)
{
    struct sample *sample = *state;
    struct hash leaf;
    struct hash root;
    merkle_leaf(&leaf, bytes_make(sample->data + LEAF_BYTES, LEAF_BYTES));
    assert_memory_equal(&leaf, &sample->leaves[1], sizeof leaf);
    merkle_leaf(&leaf, bytes_make(sample->data + 40 * LEAF_BYTES, 700));
    assert_memory_equal(&leaf, &sample->leaves[40], sizeof leaf);
    merkle_root(&root, sample->leaves, 41);
    assert_memory_equal(&root, &sample->root, sizeof root);
}

static void any_split_gives_the_same_root(void **state)
{
    struct sample *sample = *state;
    static const size_t steps[] = {1, 7, 4095, 4096, 4097, 10000, 65536};
    for (size_t s = 0; s < COUNT_OF(steps); s++) {
        struct hash root;
        fragment_writer_init(&sample->writer, NULL, 0);
        for (size_t at = 0; at < LENGTH; at += steps[s]) {
            bytes in = bytes_make(sample->data + at, min_size(steps[s], LENGTH - at));
            assert_true(is_ok(fragment_writer_add(&sample->writer, in)));
            assert_true(is_ok(fragment_writer_add(&sample->writer, bytes_make(NULL, 0))));
        }
        assert_int_equal(fragment_writer_finish(&sample->writer, &root), 41);
        assert_memory_equal(&root, &sample->root, sizeof root);
    }
}

static void small_fragments(void **state)
{
    struct sample *sample = *state;
    struct hash root;
    struct hash leaf;
    fragment_writer_init(&sample->writer, NULL, 0);
    assert_int_equal(fragment_writer_finish(&sample->writer, &root), 0);
    fragment_writer_init(&sample->writer, NULL, 0);
    assert_true(is_ok(fragment_writer_add(&sample->writer, bytes_make(sample->data, 64))));
    assert_int_equal(fragment_writer_finish(&sample->writer, &root), 1);
    merkle_leaf(&leaf, bytes_make(sample->data, 64));
    assert_memory_equal(&root, &leaf, sizeof root);
}

static void grows_no_further_than_the_limit(void **state)
{
    struct sample *sample = *state;
    u8 *block = mem_alloc(MIB(1));
    fragment_writer_init(&sample->writer, NULL, 0);
    for (u32 i = 0; i < 16; i++) {
        assert_true(is_ok(fragment_writer_add(&sample->writer, bytes_make(block, MIB(1)))));
    }
    bytes too_much = bytes_make(block, UNIT_BYTES + 1);
    assert_true(is_err(fragment_writer_add(&sample->writer, too_much), ERR_LIMIT));
    assert_true(is_ok(fragment_writer_add(&sample->writer, bytes_make(block, UNIT_BYTES))));
    assert_true(is_err(fragment_writer_add(&sample->writer, bytes_make(block, 1)), ERR_LIMIT));
    mem_free(block);
}

struct range {
    u32 offset;
    u32 length;
};

static const struct range ranges[] = {
    {0, 16 * 4096},
    {16 * 4096, 16 * 4096},
    {32 * 4096, LENGTH - 32 * 4096},
    {0, LENGTH},
    {4096, 4096},
    {40 * 4096, 700},
    {3 * 4096, 9 * 4096},
    {39 * 4096, 4096 + 700},
};

static size_t prove(struct hash *path, const struct sample *sample, struct range range)
{
    return merkle_range_proof(path, sample->leaves, 41, range.offset / LEAF_BYTES,
                              fragment_leaves(range.length));
}

static bool verify(const struct sample *sample, struct range range, const u8 *data,
                   const struct hash *path, size_t path_len)
{
    return fragment_range_verify(&sample->root, LENGTH, range.offset,
                                 bytes_make(data, range.length), path, path_len);
}

static void ranges_verify(void **state)
{
    struct sample *sample = *state;
    struct hash path[FRAGMENT_PATH_MAX];
    for (size_t i = 0; i < COUNT_OF(ranges); i++) {
        size_t len = prove(path, sample, ranges[i]);
        assert_true(verify(sample, ranges[i], sample->data + ranges[i].offset, path, len));
    }
}

static void tampered_ranges(void **state)
{
    struct sample *sample = *state;
    struct hash path[FRAGMENT_PATH_MAX];
    for (size_t i = 0; i < COUNT_OF(ranges); i++) {
        size_t len = prove(path, sample, ranges[i]);
        u8 *data = sample->data + ranges[i].offset;
        const u32 places[] = {0, ranges[i].length / 2, ranges[i].length - 1};
        for (size_t p = 0; p < COUNT_OF(places); p++) {
            data[places[p]] ^= 1;
            assert_false(verify(sample, ranges[i], data, path, len));
            data[places[p]] ^= 1;
        }
        for (size_t p = 0; p < len; p++) {
            path[p].b[31] ^= 1;
            assert_false(verify(sample, ranges[i], data, path, len));
            path[p].b[31] ^= 1;
        }
        if (len > 0) {
            assert_false(verify(sample, ranges[i], data, path, len - 1));
        }
        path[len] = path[0];
        assert_false(verify(sample, ranges[i], data, path, len + 1));
    }
}

static void misplaced_ranges(void **state)
{
    struct sample *sample = *state;
    struct hash path[FRAGMENT_PATH_MAX];
    const struct range good = ranges[0];
    size_t len = prove(path, sample, good);
    static const struct range bad[] = {
        {4096, 16 * 4096},      /* elsewhere */
        {0, 0},                 /* empty */
        {0, 16 * 4096 - 1},     /* part of a leaf */
        {1, 16 * 4096},         /* off a border */
        {36 * 4096, 16 * 4096}, /* past the end */
        {UINT32_MAX, 4096},     /* far past it */
        {40 * 4096, 699},       /* cut end */
        {40 * 4096, 701},
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_false(verify(sample, bad[i], sample->data, path, len));
    }
    /* a length with a tree of another shape */
    assert_false(fragment_range_verify(&sample->root, 20 * (u32)LEAF_BYTES, 0,
                                       bytes_make(sample->data, good.length), path, len));
    u8 *large = mem_alloc(FRAGMENT_RANGE_BYTES_MAX + LEAF_BYTES);
    assert_false(fragment_range_verify(&sample->root, (u32)MIB(4), 0,
                                       bytes_make(large, FRAGMENT_RANGE_BYTES_MAX + LEAF_BYTES),
                                       path, len));
    mem_free(large);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(leaves_and_root, make_sample, drop_sample),
        cmocka_unit_test_setup_teardown(any_split_gives_the_same_root, make_sample, drop_sample),
        cmocka_unit_test_setup_teardown(small_fragments, make_sample, drop_sample),
        cmocka_unit_test_setup_teardown(grows_no_further_than_the_limit, make_sample, drop_sample),
        cmocka_unit_test_setup_teardown(ranges_verify, make_sample, drop_sample),
        cmocka_unit_test_setup_teardown(tampered_ranges, make_sample, drop_sample),
        cmocka_unit_test_setup_teardown(misplaced_ranges, make_sample, drop_sample),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
