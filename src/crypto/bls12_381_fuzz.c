/* Points, scalars, field elements and openings from outside. The first byte chooses the operation,
 * the rest is its input. What is accepted gives points that are accepted again, and the laws of the
 * group hold. */
#include "crypto/bls12_381.h"

#include "base/assert.h"
#include "crypto/kzg.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

enum operation { G1_ADD, G2_ADD, G1_MSM, G2_MSM, PAIRING, MAP_G1, MAP_G2, KZG, OPERATIONS };

#define INPUT_BYTES_MAX 1600 /* five pairs of G2 MSM: a bound on time */

/* A multiple of one is the point itself, and only for points of the subgroup. */
static void check_in_subgroup(const u8 *point, size_t len)
{
    u8 pair[BLS_G2_MSM_PAIR_BYTES] = {0};
    u8 out[BLS_G2_BYTES];
    memcpy(pair, point, len);
    pair[len + 31] = 1;
    bytes in = bytes_make(pair, len + 32);
    bool good = len == BLS_G1_BYTES ? bls_g1_msm(out, in) : bls_g2_msm(out, in);
    assert_that(good && memcmp(out, point, len) == 0);
}

static void add_g1(const u8 *in)
{
    static const u8 infinity[BLS_G1_BYTES];
    u8 sum[BLS_G1_BYTES];
    u8 other[BLS_G1_BYTES];
    bool good = bls_g1_add(sum, in, in + BLS_G1_BYTES);
    assert_that(bls_g1_add(other, in + BLS_G1_BYTES, in) == good);
    if (good) {
        assert_that(memcmp(sum, other, sizeof sum) == 0);
        assert_that(bls_g1_add(other, sum, infinity) && memcmp(sum, other, sizeof sum) == 0);
    }
}

static void add_g2(const u8 *in)
{
    static const u8 infinity[BLS_G2_BYTES];
    u8 sum[BLS_G2_BYTES];
    u8 other[BLS_G2_BYTES];
    bool good = bls_g2_add(sum, in, in + BLS_G2_BYTES);
    assert_that(bls_g2_add(other, in + BLS_G2_BYTES, in) == good);
    if (good) {
        assert_that(memcmp(sum, other, sizeof sum) == 0);
        assert_that(bls_g2_add(other, sum, infinity) && memcmp(sum, other, sizeof sum) == 0);
    }
}

static void run(enum operation operation, bytes in)
{
    u8 out[BLS_G2_BYTES];
    bool one = false;
    switch (operation) {
    case G1_ADD:
        if (in.len >= (size_t)2 * BLS_G1_BYTES) {
            add_g1(in.data);
        }
        break;
    case G2_ADD:
        if (in.len >= (size_t)2 * BLS_G2_BYTES) {
            add_g2(in.data);
        }
        break;
    case G1_MSM:
        if (bls_g1_msm(out, in)) {
            check_in_subgroup(out, BLS_G1_BYTES);
        }
        break;
    case G2_MSM:
        if (bls_g2_msm(out, in)) {
            check_in_subgroup(out, BLS_G2_BYTES);
        }
        break;
    case PAIRING:
        assert_that(bls_pairing(&one, in) || !one);
        break;
    case MAP_G1:
        if (in.len >= BLS_FP_BYTES && bls_map_g1(out, in.data)) {
            check_in_subgroup(out, BLS_G1_BYTES);
        }
        break;
    case MAP_G2:
        if (in.len >= (size_t)2 * BLS_FP_BYTES && bls_map_g2(out, in.data)) {
            check_in_subgroup(out, BLS_G2_BYTES);
        }
        break;
    case KZG:
        /* A second value at the same place cannot be right, too. */
        if (in.len >= 160 && kzg_verify(in.data, in.data + 48, in.data + 80, in.data + 112)) {
            memcpy(out, in.data + 80, 32);
            out[31] ^= 1;
            assert_that(!kzg_verify(in.data, in.data + 48, out, in.data + 112));
        }
        break;
    case OPERATIONS:
        break;
    }
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    if (size > 0 && size <= INPUT_BYTES_MAX) {
        run((enum operation)(data[0] % OPERATIONS), bytes_make(data + 1, size - 1));
    }
    return 0;
}
