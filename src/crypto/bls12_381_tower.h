/* bls12_381_tower.h: the extension of degree 12 in which pairings take their values.
 *
 * Internal to the curve's own files. Fp6 = Fp2[v] / (v³ - ξ) with ξ = 1 + u, and
 * Fp12 = Fp6[w] / (w² - v). So 1, w, w², … w⁵ are a basis over Fp2, with w² = v; the coefficient of
 * wᵏ is c0.c(k/2) for even and c1.c((k-1)/2) for odd k. Karatsuba everywhere; lines of the Miller
 * loop have three coefficients and a product of their own.
 *
 * The cyclotomic subgroup is where the easy part of the final exponentiation leads: there the
 * conjugate is the inverse, and squares are cheap (Granger and Scott, 2009).
 *
 * Outputs may be inputs in every function.
 */
#ifndef CRYPTO_BLS12_381_TOWER_H
#define CRYPTO_BLS12_381_TOWER_H

#include "crypto/bls12_381_field.h"

struct fp6 {
    struct fp2 c0, c1, c2;
};

struct fp12 {
    struct fp6 c0, c1;
};

void fp12_set_one(struct fp12 *out);
bool fp12_is_one(const struct fp12 *a);
void fp12_mul(struct fp12 *out, const struct fp12 *a, const struct fp12 *b);
void fp12_sqr(struct fp12 *out, const struct fp12 *a);
void fp12_inv(struct fp12 *out, const struct fp12 *a);
/* fp12_conjugate: c0 - c1 w, which is a^(p^6). */
void fp12_conjugate(struct fp12 *out, const struct fp12 *a);
/* fp12_frobenius: a^p. */
void fp12_frobenius(struct fp12 *out, const struct fp12 *a);
/* fp12_mul_line: a · (l0 + l2 w² + l3 w³). */
void fp12_mul_line(struct fp12 *out, const struct fp12 *a, const struct fp2 *l0,
                   const struct fp2 *l2, const struct fp2 *l3);
/* fp12_cyclotomic_sqr: a², for a in the cyclotomic subgroup only. */
void fp12_cyclotomic_sqr(struct fp12 *out, const struct fp12 *a);

#endif
