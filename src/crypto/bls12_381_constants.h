/* bls12_381_constants.h: numbers of BLS12-381, of RFC 9380's maps to it and of the KZG ceremony.
 *
 * The values are generated (tests/models/bls12_381_constants.py, which names where each comes
 * from); all field elements are in Montgomery form. Isogeny rows hold coefficients from the lowest
 * power up; the leading 1 of the two denominators is left out, as in the RFC.
 */
#ifndef CRYPTO_BLS12_381_CONSTANTS_H
#define CRYPTO_BLS12_381_CONSTANTS_H

#include "crypto/bls12_381_point.h"

extern const struct fp fp_one, fp_half;
extern const struct fp2 fp2_one;
extern const struct fp fp_r2; /* 2^768 mod p, without Montgomery factor: 2^384 in it */
extern const struct fp bls_g1_b;
extern const struct fp2 bls_g2_b;
extern const struct g1_affine bls_g1_generator;
extern const struct g2_affine bls_g2_generator, bls_g2_generator_negative;
extern const struct g2_affine kzg_tau_g2;

extern const struct fp bls_g1_beta;           /* (β x, y) = -x² · (x, y) in G1 */
extern const struct fp2 bls_psi_x, bls_psi_y; /* untwist, Frobenius, twist */
extern const struct fp2 bls_frobenius[6];     /* (1 + u)^(k (p - 1) / 6) */

extern const struct fp sswu_g1_a, sswu_g1_b, sswu_g1_z;
extern const struct fp2 sswu_g2_a, sswu_g2_b, sswu_g2_z;
extern const struct fp iso_g1_x_num[12], iso_g1_x_den[10], iso_g1_y_num[16], iso_g1_y_den[15];
extern const struct fp2 iso_g2_x_num[4], iso_g2_x_den[2], iso_g2_y_num[4], iso_g2_y_den[3];

#endif
