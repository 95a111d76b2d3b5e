/* umbral.h: the key encapsulation of Umbral (proxy re-encryption over secp256k1).
 *
 * Profile of rust-umbral 0.11: points are 33-byte compressed; hash to scalar is
 * SHA-256(be32(len dst) ‖ dst ‖ inputs) mod (n - 1) + 1; KDF is HKDF-SHA256 without salt and info
 * over the compressed point. A capsule is E ‖ V ‖ s (98 bytes). Re-encryption (kfrags, cfrags)
 * joins this header with sharing; the key and capsule formats are final.
 */
#ifndef CRYPTO_UMBRAL_H
#define CRYPTO_UMBRAL_H

#include "crypto/sign.h"

#define UMBRAL_CAPSULE_BYTES 98

struct umbral_capsule {
    u8 b[UMBRAL_CAPSULE_BYTES];
};

/* umbral_secret_derive: a label key from 32 bytes of key material and a context, never zero:
 * HKDF-SHA256(ikm = material, no salt, info = context) to 48 bytes, big-endian, mod (n - 1),
 * plus 1. The context must tell this use of the material from every other one. */
void umbral_secret_derive(struct secp_secret *out, const u8 material[32], bytes context);
/* umbral_encapsulate: random is 64 fresh bytes (two scalars; false in the negligible case that one
 * is not a scalar: draw again; also false if `label` is no point: check it when it is read).
 * ret_key is the shared 32-byte key. */
MUST_USE bool umbral_encapsulate(struct umbral_capsule *ret_capsule, u8 ret_key[32],
                                 const struct secp_public *label, const u8 random[64]);
/* umbral_check: s·G == V + h·E. */
MUST_USE bool umbral_check(const struct umbral_capsule *capsule);
/* umbral_decapsulate: false if the capsule fails umbral_check(). */
MUST_USE bool umbral_decapsulate(u8 ret_key[32], const struct secp_secret *label,
                                 const struct umbral_capsule *capsule);

#endif
