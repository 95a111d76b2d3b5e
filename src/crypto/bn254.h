/* bn254.h: the pairing-friendly curve of Ethereum's precompiles 6, 7 and 8 ("alt_bn128").
 *
 * G1: y² = x³ + 3 over the field of p elements; G2: y² = x³ + 3 / (9 + i) over its quadratic
 * extension by i² = -1; both have a subgroup of the prime order r (G1 is all of it). p and r come
 * from x = 4965661367192848881 by the Barreto-Naehrig polynomials. Encodings are those of EIP-196
 * and EIP-197: coordinates of 32 bytes, big endian, below p; the point at infinity is all zeros; a
 * coordinate of G2 is its part at i first, then the real part.
 *
 * Everything here is own code: Montgomery arithmetic on four limbs (bn254_field.h), a tower of
 * extensions (bn254_tower.h), Jacobian points, the optimal ate pairing of Vercauteren with a
 * shared final exponentiation. Data is public, so time may depend on it. Memory is constant.
 *
 * Sources: EIP-196, EIP-197; Beuchat et al. 2010 (eprint 2010/354) for the loop, Granger and Scott
 * 2010 (2009/565) for squaring, Fuentes-Castañeda et al. 2011 for the hard part of the exponent.
 */
#ifndef CRYPTO_BN254_H
#define CRYPTO_BN254_H

#include "base/bytes.h"

#define BN254_G1_BYTES 64
#define BN254_G2_BYTES 128
#define BN254_PAIR_BYTES (BN254_G1_BYTES + BN254_G2_BYTES)

/* bn254_add: a + b; false if a coordinate is not below p or a point is not on the curve. */
MUST_USE bool bn254_add(u8 out[BN254_G1_BYTES], const u8 a[BN254_G1_BYTES],
                        const u8 b[BN254_G1_BYTES]);
/* bn254_mul: scalar times point; any 256-bit scalar, big endian. False as for bn254_add. */
MUST_USE bool bn254_mul(u8 out[BN254_G1_BYTES], const u8 point[BN254_G1_BYTES],
                        const u8 scalar[32]);
/* bn254_pairing: whether the product of e(P, Q) over `count` pairs (P in G1 then Q in G2, one
 * after another) is 1; true for none. False if a point is malformed, off its curve, or, in G2, not
 * of order r. */
MUST_USE bool bn254_pairing(bool *ret_is_one, const u8 *pairs, size_t count);

#endif
