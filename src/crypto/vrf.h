/* vrf.h: verifiable random functions: ECVRF-EDWARDS25519-SHA512-TAI of RFC 9381.
 *
 * Whoever holds a secret key maps any input `alpha` to 64 bytes `beta` that nobody can foretell
 * without the key, and to a proof `pi` that beta is the only output of this key for this input. The
 * proof is deterministic: there is exactly one pi that the holder makes, and no choice in beta.
 *
 * Stricter than the RFC in one point, which is a rule of our consensus: Gamma must lie in the group
 * of prime order and must not be the identity (the RFC lets points with a small part through, whose
 * beta is the same); keys likewise, which is its "validate_key". All encodings are canonical.
 *
 * alpha is public, so that hashing to the curve may take a varying time. Costs about 0.2 ms to
 * prove and to verify.
 */
#ifndef CRYPTO_VRF_H
#define CRYPTO_VRF_H

#include "base/bytes.h"

#define VRF_PROOF_BYTES 80
#define VRF_OUTPUT_BYTES 64

struct vrf_secret {
    u8 seed[32]; /* any 32 random bytes */
};
struct vrf_public {
    u8 b[32];
};
struct vrf_proof {
    u8 b[VRF_PROOF_BYTES]; /* Gamma ‖ c ‖ s */
};
struct vrf_output {
    u8 b[VRF_OUTPUT_BYTES];
};

void vrf_secret_wipe(struct vrf_secret *secret);
void vrf_public_of(struct vrf_public *out, const struct vrf_secret *secret);
/* vrf_public_valid: a point of prime order, canonical. Check it when a key is registered. */
MUST_USE bool vrf_public_valid(const struct vrf_public *key);
/* vrf_prove: pi; alpha of any length. The output follows from the proof. */
void vrf_prove(struct vrf_proof *out, const struct vrf_secret *secret, bytes alpha);
/* vrf_verify: whether pi is the proof of this key for alpha; then *ret_output is beta. */
MUST_USE bool vrf_verify(struct vrf_output *ret_output, const struct vrf_public *key,
                         const struct vrf_proof *proof, bytes alpha);
/* vrf_output_of: beta of a proof that has been verified, or that one has made oneself. */
void vrf_output_of(struct vrf_output *out, const struct vrf_proof *proof);

#endif
