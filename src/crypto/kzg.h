/* kzg.h: opening proofs of KZG polynomial commitments (EIP-4844).
 *
 * A commitment to a polynomial f is [f(τ)] in G1 for a τ that nobody knows. A proof that f(z) = y
 * is [q(τ)] with q = (f - y) / (X - z), and it holds if e(C - [y], [1]) = e(proof, [τ - z]).
 * Checking needs one point of the ceremony only, [τ] in G2 (kzg_tau_g2 in bls12_381_constants.h:
 * its value and its source).
 *
 * Rollups check points of the data in blobs with it, through the point evaluation precompile, which
 * also compares the versioned hash of the commitment; that is not done here. Time depends on
 * values; all of them are public.
 */
#ifndef CRYPTO_KZG_H
#define CRYPTO_KZG_H

#include "base/bytes.h"

#define KZG_POINT_BYTES 48
#define KZG_SCALAR_BYTES 32

/* The order of the groups, big endian: z and y are below it. */
extern const u8 kzg_modulus[KZG_SCALAR_BYTES];

/* kzg_verify: does `proof` show that the polynomial behind `commitment` has the value y at z?
 * Points are compressed (48 bytes, flags in the first three bits); scalars are big endian. False:
 * it does not, or a point is malformed or outside the subgroup, or a scalar is not reduced. */
MUST_USE bool kzg_verify(const u8 commitment[KZG_POINT_BYTES], const u8 z[KZG_SCALAR_BYTES],
                         const u8 y[KZG_SCALAR_BYTES], const u8 proof[KZG_POINT_BYTES]);

#endif
