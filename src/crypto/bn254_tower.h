/* bn254_tower.h: the extensions of bn254_field.h; for the files of bn254.h only.
 *
 * Fp2 = Fp[i] / (i² + 1), Fp6 = Fp2[v] / (v³ - ξ) with ξ = 9 + i, Fp12 = Fp6[w] / (w² - v). An
 * element of Fp12 is thus a polynomial in w of degree 5 over Fp2 with w⁶ = ξ: c0 holds the
 * coefficients of 1, w², w⁴, c1 those of w, w³, w⁵. Outputs may be inputs.
 */
#ifndef CRYPTO_BN254_TOWER_H
#define CRYPTO_BN254_TOWER_H

#include "crypto/bn254_field.h"

struct bn_fp2 {
    struct bn_fp re, im;
};
struct bn_fp6 {
    struct bn_fp2 c0, c1, c2;
};
struct bn_fp12 {
    struct bn_fp6 c0, c1;
};
/* A line of the pairing: at_0 + at_1 w + at_3 w³. */
struct bn_line {
    struct bn_fp2 at_0, at_1, at_3;
};

/* bn_xi_power[k]: ξ to the power k (p - 1) / 6, for the Frobenius map. */
extern const struct bn_fp2 bn_xi_power[6];
/* bn_xi_power_2[k]: ξ to the power k (p² - 1) / 6, which is in Fp. */
extern const struct bn_fp bn_xi_power_2[6];

static inline void bn_fp2_add(struct bn_fp2 *out, const struct bn_fp2 *a, const struct bn_fp2 *b)
{
    bn_fp_add(&out->re, &a->re, &b->re);
    bn_fp_add(&out->im, &a->im, &b->im);
}

static inline void bn_fp2_sub(struct bn_fp2 *out, const struct bn_fp2 *a, const struct bn_fp2 *b)
{
    bn_fp_sub(&out->re, &a->re, &b->re);
    bn_fp_sub(&out->im, &a->im, &b->im);
}

static inline void bn_fp2_double(struct bn_fp2 *out, const struct bn_fp2 *a)
{
    bn_fp2_add(out, a, a);
}

static inline void bn_fp2_neg(struct bn_fp2 *out, const struct bn_fp2 *a)
{
    bn_fp_neg(&out->re, &a->re);
    bn_fp_neg(&out->im, &a->im);
}

static inline void bn_fp2_conjugate(struct bn_fp2 *out, const struct bn_fp2 *a)
{
    out->re = a->re;
    bn_fp_neg(&out->im, &a->im);
}

static inline bool bn_fp2_is_zero(const struct bn_fp2 *a)
{
    return bn_fp_is_zero(&a->re) && bn_fp_is_zero(&a->im);
}

static inline bool bn_fp2_eq(const struct bn_fp2 *a, const struct bn_fp2 *b)
{
    return bn_fp_eq(&a->re, &b->re) && bn_fp_eq(&a->im, &b->im);
}

/* bn_fp2_scale: a times an element of Fp. */
static inline void bn_fp2_scale(struct bn_fp2 *out, const struct bn_fp2 *a, const struct bn_fp *k)
{
    bn_fp_mul(&out->re, &a->re, k);
    bn_fp_mul(&out->im, &a->im, k);
}

void bn_fp2_mul(struct bn_fp2 *out, const struct bn_fp2 *a, const struct bn_fp2 *b);
void bn_fp2_square(struct bn_fp2 *out, const struct bn_fp2 *a);
void bn_fp2_inverse(struct bn_fp2 *out, const struct bn_fp2 *a);

void bn_fp12_set_one(struct bn_fp12 *out);
bool bn_fp12_is_one(const struct bn_fp12 *a);
void bn_fp12_mul(struct bn_fp12 *out, const struct bn_fp12 *a, const struct bn_fp12 *b);
void bn_fp12_mul_line(struct bn_fp12 *f, const struct bn_line *line);
void bn_fp12_square(struct bn_fp12 *out, const struct bn_fp12 *a);
/* bn_fp12_square_cyclotomic: for elements of the cyclotomic subgroup (order p⁴ - p² + 1). */
void bn_fp12_square_cyclotomic(struct bn_fp12 *out, const struct bn_fp12 *a);
/* bn_fp12_conjugate: the power p⁶, which inverts elements of the cyclotomic subgroup. */
void bn_fp12_conjugate(struct bn_fp12 *out, const struct bn_fp12 *a);
void bn_fp12_inverse(struct bn_fp12 *out, const struct bn_fp12 *a);
/* bn_fp12_frobenius, bn_fp12_frobenius_2: the powers p and p². */
void bn_fp12_frobenius(struct bn_fp12 *out, const struct bn_fp12 *a);
void bn_fp12_frobenius_2(struct bn_fp12 *out, const struct bn_fp12 *a);

#endif
