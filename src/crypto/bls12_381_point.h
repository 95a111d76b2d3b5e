/* bls12_381_point.h: points of BLS12-381 in both groups.
 *
 * Internal to the curve's own files. G1 is on y² = x³ + 4 over Fp, G2 on its twist
 * y² = x³ + 4 (1 + u) over Fp2. Both have the same set of functions, which come from one text,
 * bls12_381_curve.h: struct g1_affine and struct g1 with g1_*, struct g2_affine and struct g2 with
 * g2_*. Working points are Jacobian, (X / Z², Y / Z³), infinity is Z = 0.
 *
 * Functions take any points of the curve, equal, opposite or infinite: the special cases of the
 * addition law are looked at (time is not secret here). Whether a point lies in the subgroup of
 * order r is a question of its own, g1_in_subgroup(), answered with an endomorphism that multiplies
 * the subgroup, and only it, by a known number (M. Scott, "A note on group membership tests for G1,
 * G2 and GT on BLS pairing-friendly curves", 2021). Cofactors are cleared as RFC 9380 8.8 and
 * appendix G.4 do, so that maps give the same points as everybody's.
 *
 * Outputs may be inputs in every function.
 */
#ifndef CRYPTO_BLS12_381_POINT_H
#define CRYPTO_BLS12_381_POINT_H

#include "crypto/bls12_381_field.h"

#define BLS_X 0xd201000000010000u /* the curve's parameter is -BLS_X */
#define BLS_SCALAR_BYTES 32

struct g1_affine {
    struct fp x, y;
    bool infinite; /* then x and y mean nothing */
};

struct g1 {
    struct fp x, y, z;
};

struct g2_affine {
    struct fp2 x, y;
    bool infinite;
};

struct g2 {
    struct fp2 x, y, z;
};

/* POINT_FUNCTIONS declares, for G in g1, g2:
 * G_is_infinite; G_from_affine, G_to_affine (one inversion); G_on_curve (infinity is);
 * G_add, G_add_affine, G_double, G_negate;
 * G_mul: a 256-bit big-endian scalar, not reduced; G_mul_x: BLS_X times a point;
 * G_msm: Σ scalar_i · point_i for count >= 1 points, scalars 32 bytes each, `stride` bytes apart,
 * the first at `scalars`; Pippenger's buckets in memory of its own, a few hundred KiB at most;
 * G_in_subgroup; G_clear_cofactor. */
#define POINT_FUNCTIONS(G)                                                                         \
    bool G##_is_infinite(const struct G *a);                                                       \
    void G##_from_affine(struct G *out, const struct G##_affine *a);                               \
    void G##_to_affine(struct G##_affine *out, const struct G *a);                                 \
    MUST_USE bool G##_on_curve(const struct G##_affine *a);                                        \
    void G##_add(struct G *out, const struct G *a, const struct G *b);                             \
    void G##_add_affine(struct G *out, const struct G *a, const struct G##_affine *b);             \
    void G##_double(struct G *out, const struct G *a);                                             \
    void G##_negate(struct G *out, const struct G *a);                                             \
    void G##_mul(struct G *out, const struct G *a, const u8 scalar[BLS_SCALAR_BYTES]);             \
    void G##_mul_x(struct G *out, const struct G *a);                                              \
    void G##_msm(struct G *out, const struct G##_affine *points, size_t count, const u8 *scalars,  \
                 size_t stride);                                                                   \
    MUST_USE bool G##_in_subgroup(const struct G##_affine *a);                                     \
    void G##_clear_cofactor(struct G *out, const struct G *a);

POINT_FUNCTIONS(g1)
POINT_FUNCTIONS(g2)

/* g1_map, g2_map: RFC 9380's map_to_curve with the isogeny; the cofactor is not cleared. */
void g1_map(struct g1 *out, const struct fp *u);
void g2_map(struct g2 *out, const struct fp2 *u);

#endif
