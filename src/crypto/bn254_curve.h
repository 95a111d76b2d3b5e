/* bn254_curve.h: points of G1 as bn254.h's files share them. */
#ifndef CRYPTO_BN254_CURVE_H
#define CRYPTO_BN254_CURVE_H

#include "crypto/bn254_field.h"

/* Infinity is (0, 0), which is not on the curve. */
struct bn_g1_affine {
    struct bn_fp x, y;
};

static inline bool bn_g1_is_infinity(const struct bn_g1_affine *a)
{
    return bn_fp_is_zero(&a->x) && bn_fp_is_zero(&a->y);
}

/* bn_g1_read: 64 bytes; false if malformed or off the curve. */
MUST_USE bool bn_g1_read(struct bn_g1_affine *out, const u8 in[64]);

#endif
