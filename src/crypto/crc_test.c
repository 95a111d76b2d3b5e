#include "base/mem.h"
#include "base/prng.h"
#include "crypto/hash.h"
#include "tests/support/check.h"

/* The three checksums behind one face, with the definition bit by bit. */
struct crc {
    u64 poly; /* reflected */
    unsigned width;
    u64 check; /* of "123456789", from the catalogue of parametrised CRC algorithms */
    u64 (*update)(u64 crc, bytes in);
    u64 (*combine)(u64 a, u64 b, u64 len_b);
};

static u64 update_32(u64 crc, bytes in) { return crc32_update((u32)crc, in); }
static u64 update_32c(u64 crc, bytes in) { return crc32c_update((u32)crc, in); }
static u64 combine_32(u64 a, u64 b, u64 len) { return crc32_combine((u32)a, (u32)b, len); }
static u64 combine_32c(u64 a, u64 b, u64 len) { return crc32c_combine((u32)a, (u32)b, len); }

static const struct crc crcs[] = {
    {0xEDB88320, 32, 0xCBF43926, update_32, combine_32},
    {0x82F63B78, 32, 0xE3069283, update_32c, combine_32c},
    {0x9A6C9329AC4BC9B5, 64, 0xAE8B14860A799888, crc64nvme_update, crc64nvme_combine},
};

static u64 bitwise(const struct crc *crc, bytes in)
{
    u64 ones = crc->width == 64 ? UINT64_MAX : UINT32_MAX;
    u64 state = ones;
    for (size_t i = 0; i < in.len; i++) {
        state ^= in.data[i];
        for (size_t bit = 0; bit < 8; bit++) {
            state = state >> 1 ^ ((state & 1) != 0 ? crc->poly : 0);
        }
    }
    return state ^ ones;
}

static void check_values(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(crcs); i++) {
        assert_true(crcs[i].update(0, bytes_str("123456789")) == crcs[i].check);
        assert_true(crcs[i].update(0, bytes_make(NULL, 0)) == 0);
        assert_true(crcs[i].update(crcs[i].check, bytes_make(NULL, 0)) == crcs[i].check);
    }
}

/* Every length past the block sizes of the fast paths, at every alignment that matters. */
static void every_length(void **state)
{
    (void)state;
    struct prng prng;
    u8 data[700];
    prng_init(&prng, 2);
    prng_fill(&prng, data, sizeof data);
    for (size_t i = 0; i < COUNT_OF(crcs); i++) {
        for (size_t len = 0; len <= 600; len++) {
            bytes in = bytes_make(data + len % 17, len);
            assert_true(crcs[i].update(0, in) == bitwise(&crcs[i], in));
        }
    }
}

static void pieces_and_combination(void **state)
{
    (void)state;
    struct prng prng;
    u8 data[2000];
    prng_init(&prng, 3);
    prng_fill(&prng, data, sizeof data);
    for (size_t round = 0; round < 300; round++) {
        size_t len = prng_below(&prng, sizeof data + 1);
        size_t cut = prng_below(&prng, len + 1);
        bytes head = bytes_make(data, cut);
        bytes tail = bytes_make(data + cut, len - cut);
        for (size_t i = 0; i < COUNT_OF(crcs); i++) {
            const struct crc *crc = &crcs[i];
            u64 whole = crc->update(0, bytes_make(data, len));
            assert_true(crc->update(crc->update(0, head), tail) == whole);
            assert_true(crc->combine(crc->update(0, head), crc->update(0, tail), tail.len) ==
                        whole);
        }
    }
}

/* Doubling runs of zeros: combination at lengths that nobody reads, up to 2^62 bytes. */
static void combination_of_long_runs(void **state)
{
    (void)state;
    static const u8 zeros[1 << 16];
    for (size_t i = 0; i < COUNT_OF(crcs); i++) {
        const struct crc *crc = &crcs[i];
        u64 run = crc->update(0, bytes_make(zeros, 1));
        for (unsigned log = 0; log < 62; log++) {
            if (((u64)1 << log) <= sizeof zeros) {
                assert_true(run == crc->update(0, bytes_make(zeros, (size_t)1 << log)));
            }
            u64 len = (u64)1 << log;
            /* (run ‖ run) ‖ "x" and run ‖ (run ‖ "x") are the same bytes. */
            u64 x = crc->update(0, bytes_str("x"));
            u64 left = crc->combine(crc->combine(run, run, len), x, 1);
            u64 right = crc->combine(run, crc->combine(run, x, 1), len + 1);
            assert_true(left == right);
            run = crc->combine(run, run, len);
        }
        assert_true(crc->combine(run, 0, 0) == run);
        assert_true(crc->combine(0, run, UINT64_MAX) == run);
    }
}

static void differs_after_any_flip(void **state)
{
    (void)state;
    u8 data[100] = {0};
    for (size_t i = 0; i < COUNT_OF(crcs); i++) {
        u64 before = crcs[i].update(0, BYTES_OF(data));
        for (size_t bit = 0; bit < 8 * sizeof data; bit++) {
            data[bit / 8] ^= (u8)(1U << bit % 8);
            assert_true(crcs[i].update(0, BYTES_OF(data)) != before);
            data[bit / 8] ^= (u8)(1U << bit % 8);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(check_values),           cmocka_unit_test(every_length),
        cmocka_unit_test(pieces_and_combination), cmocka_unit_test(combination_of_long_runs),
        cmocka_unit_test(differs_after_any_flip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
