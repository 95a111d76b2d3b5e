/* bls12_381.h: the pairing-friendly curve BLS12-381, as Ethereum's contracts use it.
 *
 * Two groups of the same prime order r: G1 on y² = x³ + 4 over Fp, G2 on a twist over Fp2, and a
 * bilinear map from them to a third. Contracts verify BLS signatures and zero-knowledge proofs with
 * it; KZG commitments (kzg.h) are points of G1.
 *
 * The functions work on bytes in the forms of EIP-2537: a field element is 64 bytes big endian, of
 * which the first 16 are zero and the value is below p; an element of Fp2 is c0 before c1; a point
 * is x before y, 128 bytes in G1 and 256 in G2, and infinity is all zeros; a scalar is 32 bytes big
 * endian, any value. Each returns false, its output untouched, for bytes that are no field element
 * or no point of the curve, and, where the EIP asks for it (MSM and pairing, not addition), for a
 * point outside the subgroup of order r. Outputs may overlap inputs.
 *
 * Nothing is secret here: time depends on values, and no signing or key generation may be built
 * upon it. No globals, no generator; multi-scalar multiplication allocates what its input's length
 * bounds, the rest works on the stack (a pairing needs about 20 KiB).
 *
 * How it is made: bls12_381_field.h (Montgomery arithmetic), _point.h and _curve.h (groups, MSM),
 * _map.h (RFC 9380), _tower.h and _pairing.h. All of it is our own code from the papers and
 * standards that those headers name; constants come from tests/models/bls12_381_constants.py.
 */
#ifndef CRYPTO_BLS12_381_H
#define CRYPTO_BLS12_381_H

#include "base/bytes.h"

#define BLS_FP_BYTES 64
#define BLS_G1_BYTES 128
#define BLS_G2_BYTES 256
#define BLS_G1_MSM_PAIR_BYTES (BLS_G1_BYTES + 32)
#define BLS_G2_MSM_PAIR_BYTES (BLS_G2_BYTES + 32)
#define BLS_PAIRING_PAIR_BYTES (BLS_G1_BYTES + BLS_G2_BYTES)

/* bls_g1_add, bls_g2_add: a + b for any points of the curve, also outside the subgroup. */
MUST_USE bool bls_g1_add(u8 out[BLS_G1_BYTES], const u8 a[BLS_G1_BYTES], const u8 b[BLS_G1_BYTES]);
MUST_USE bool bls_g2_add(u8 out[BLS_G2_BYTES], const u8 a[BLS_G2_BYTES], const u8 b[BLS_G2_BYTES]);
/* bls_g1_msm, bls_g2_msm: Σ scalar · point over one or more pairs (point, scalar), back to back;
 * false also for no pair and for a length that is no multiple of a pair's. */
MUST_USE bool bls_g1_msm(u8 out[BLS_G1_BYTES], bytes pairs);
MUST_USE bool bls_g2_msm(u8 out[BLS_G2_BYTES], bytes pairs);
/* bls_pairing: is the product of the pairings of all pairs (G1 point, G2 point) one? Lengths as
 * above. */
MUST_USE bool bls_pairing(bool *ret_is_one, bytes pairs);
/* bls_map_g1, bls_map_g2: a field element to a point of the subgroup (RFC 9380: map_to_curve and
 * clear_cofactor of the suites BLS12381G1 and BLS12381G2). */
MUST_USE bool bls_map_g1(u8 out[BLS_G1_BYTES], const u8 fp[BLS_FP_BYTES]);
MUST_USE bool bls_map_g2(u8 out[BLS_G2_BYTES], const u8 fp2[2 * BLS_FP_BYTES]);

#endif
