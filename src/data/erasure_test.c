#include "data/erasure.h"

#include "base/mem.h"
#include "base/prng.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define LEN_MAX (2 * ERASURE_COLUMN_BYTES + 64)

struct stripe {
    u8 units[FRAGMENTS_MAX][LEN_MAX];
    u8 rebuilt[FRAGMENTS_MAX][LEN_MAX];
};

static void encode_random(struct stripe *stripe, const struct redundancy_info *r, size_t len)
{
    struct prng prng;
    struct erasure_encoder encoder;
    const u8 *data[FRAGMENTS_MAX];
    u8 *parity[FRAGMENTS_MAX];
    prng_init(&prng, r->k * 1000u + len);
    for (u8 i = 0; i < r->k; i++) {
        prng_fill(&prng, stripe->units[i], len);
        data[i] = stripe->units[i];
    }
    for (u8 i = 0; i < r->m; i++) {
        parity[i] = stripe->units[r->k + i];
    }
    erasure_encoder_init(&encoder, r);
    erasure_encode(&encoder, data, parity, len);
}

/* rebuild: all fragments outside the mask of known ones, and compares them. */
static void rebuild(struct stripe *stripe, const struct redundancy_info *r, u32 mask, size_t len)
{
    struct erasure_decoder decoder;
    u8 known[FRAGMENTS_MAX];
    u8 wanted[FRAGMENTS_MAX];
    const u8 *from[FRAGMENTS_MAX];
    u8 *to[FRAGMENTS_MAX];
    u8 known_count = 0;
    u8 wanted_count = 0;
    for (u8 i = 0; i < redundancy_n(r); i++) {
        if ((mask >> i & 1) != 0) {
            from[known_count] = stripe->units[i];
            known[known_count++] = i;
        } else {
            to[wanted_count] = stripe->rebuilt[i];
            wanted[wanted_count++] = i;
        }
    }
    assert_int_equal(known_count, r->k);
    erasure_decoder_init(&decoder, r, known, wanted, wanted_count);
    erasure_decode(&decoder, from, to, len);
    for (u8 i = 0; i < wanted_count; i++) {
        assert_memory_equal(stripe->rebuilt[wanted[i]], stripe->units[wanted[i]], len);
    }
}

static void all_subsets(struct stripe *stripe, u8 class_number, u32 expected)
{
    const struct redundancy_info *r = redundancy_find(class_number);
    encode_random(stripe, r, 128);
    u32 subsets = 0;
    for (u32 mask = 0; mask < (u32)1 << redundancy_n(r); mask++) {
        if (__builtin_popcount(mask) == r->k) {
            rebuild(stripe, r, mask, 128);
            subsets++;
        }
    }
    assert_int_equal(subsets, expected);
}

static void every_subset_of_small_classes(void **state)
{
    struct stripe *stripe = *state;
    all_subsets(stripe, RS_4_8, 495);
    all_subsets(stripe, RS_8_4, 495);
    all_subsets(stripe, RS_2_4, 15);
}

static u32 random_subset(struct prng *prng, u8 n, u8 k)
{
    u32 mask = 0;
    while (__builtin_popcount(mask) < k) {
        mask |= (u32)1 << prng_below(prng, n);
    }
    return mask;
}

static void sampled_subsets_of_the_wide_class(void **state)
{
    struct stripe *stripe = *state;
    const struct redundancy_info *r = redundancy_find(RS_10_20);
    struct prng prng;
    prng_init(&prng, 20);
    encode_random(stripe, r, 64);
    for (u32 i = 0; i < 3000; i++) {
        rebuild(stripe, r, random_subset(&prng, redundancy_n(r), r->k), 64);
    }
    rebuild(stripe, r, 0x3ff, 64);        /* all data known */
    rebuild(stripe, r, 0x3ffu << 10, 64); /* parity only */
    rebuild(stripe, r, 0x3ffu << 20, 64);
}

static void lengths_around_columns(void **state)
{
    struct stripe *stripe = *state;
    static const size_t lengths[] = {64, ERASURE_COLUMN_BYTES - 64, ERASURE_COLUMN_BYTES,
                                     ERASURE_COLUMN_BYTES + 64, LEN_MAX};
    const struct redundancy_info *r = redundancy_find(RS_4_8);
    for (size_t i = 0; i < COUNT_OF(lengths); i++) {
        encode_random(stripe, r, lengths[i]);
        rebuild(stripe, r, 0x5a0, lengths[i]); /* 5, 7, 8, 10 */
    }
}

/* The order in which known fragments are named is the caller's. */
static void known_in_any_order(void **state)
{
    struct stripe *stripe = *state;
    const struct redundancy_info *r = redundancy_find(RS_4_8);
    static const u8 known[] = {11, 2, 7, 0};
    static const u8 wanted[] = {3};
    struct erasure_decoder decoder;
    u8 *to[] = {stripe->rebuilt[3]};
    encode_random(stripe, r, 128);
    const u8 *from[] = {stripe->units[11], stripe->units[2], stripe->units[7], stripe->units[0]};
    erasure_decoder_init(&decoder, r, known, wanted, 1);
    erasure_decode(&decoder, from, to, 128);
    assert_memory_equal(stripe->rebuilt[3], stripe->units[3], 128);
    erasure_decoder_init(&decoder, r, known, NULL, 0);
    erasure_decode(&decoder, from, NULL, 128);
}

/* A changed byte changes exactly its own column of every parity unit. */
static void parity_depends_on_every_byte(void **state)
{
    struct stripe *stripe = *state;
    struct erasure_encoder encoder;
    const struct redundancy_info *r = redundancy_find(RS_8_4);
    const u8 *data[FRAGMENTS_MAX];
    u8 *parity[FRAGMENTS_MAX];
    encode_random(stripe, r, 64);
    for (u8 i = 0; i < r->k; i++) {
        data[i] = stripe->units[i];
    }
    for (u8 i = 0; i < r->m; i++) {
        parity[i] = stripe->rebuilt[i];
    }
    erasure_encoder_init(&encoder, r);
    for (u8 fragment = 0; fragment < r->k; fragment++) {
        stripe->units[fragment][17] ^= 1;
        erasure_encode(&encoder, data, parity, 64);
        for (u8 i = 0; i < r->m; i++) {
            for (u8 at = 0; at < 64; at++) {
                bool differs = parity[i][at] != stripe->units[r->k + i][at];
                assert_int_equal(differs, at == 17);
            }
        }
        stripe->units[fragment][17] ^= 1;
    }
}

static int make_stripe(void **state)
{
    *state = MEM_NEW(struct stripe);
    return 0;
}

static int drop_stripe(void **state)
{
    mem_free(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_subset_of_small_classes),
        cmocka_unit_test(sampled_subsets_of_the_wide_class),
        cmocka_unit_test(lengths_around_columns),
        cmocka_unit_test(known_in_any_order),
        cmocka_unit_test(parity_depends_on_every_byte),
    };
    return cmocka_run_group_tests(tests, make_stripe, drop_stripe);
}
