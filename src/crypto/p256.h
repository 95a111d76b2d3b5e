/* p256.h: ECDSA verification over P-256 (secp256r1), for the P256VERIFY precompile (EIP-7951).
 *
 * Points and numbers are big endian, 32 bytes each. The arithmetic is OpenSSL's EC_POINT, the four
 * lines of ECDSA are composed here: that way every check of the EIP is in sight, and the deprecated
 * EC_KEY and the slow EVP_PKEY are not needed. Public data only.
 */
#ifndef CRYPTO_P256_H
#define CRYPTO_P256_H

#include "base/bytes.h"

/* p256_verify: key is x ‖ y, sig is r ‖ s, of which both halves of s are accepted (the EIP does
 * not ask for a low s). False if anything is out of range, off the curve, or does not hold. */
MUST_USE bool p256_verify(const u8 key[64], const u8 sig[64], const u8 digest[32]);

#endif
