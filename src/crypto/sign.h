/* sign.h: signatures and key agreement.
 *
 * secp256k1 (libsecp256k1) carries accounts, transactions, receipts and votes: a signature is 65
 * bytes r‖s‖v, v in {0, 1}, low s only, over a 32-byte digest. Ed25519 and X25519 (libsodium) carry
 * peer identity and sealed boxes. Secret keys have types of their own; wipe them with *_wipe().
 * All functions are thread safe after crypto_init().
 */
#ifndef CRYPTO_SIGN_H
#define CRYPTO_SIGN_H

#include "base/bytes.h"

/* crypto_init: before anything in crypto/; 32 random bytes of seed blind the secp256k1 context
 * against side channels (they change no result). Later calls do nothing; threads may race. */
void crypto_init(const struct hash *seed);

struct secp_secret {
    u8 b[32];
};
struct secp_public {
    u8 b[33]; /* compressed point */
};
struct secp_signature {
    u8 b[65]; /* r ‖ s ‖ v */
};

/* secp_secret_from: false if the 32 bytes are zero or not below the group order. */
MUST_USE bool secp_secret_from(struct secp_secret *out, const u8 in[32]);
void secp_secret_wipe(struct secp_secret *secret);
void secp_public_of(struct secp_public *out, const struct secp_secret *secret);
/* secp_public_uncompressed: x ‖ y; false if `key` is no point. */
MUST_USE bool secp_public_uncompressed(u8 out[64], const struct secp_public *key);
/* secp_address: last 20 bytes of keccak256(x ‖ y). */
MUST_USE bool secp_address(struct address *out, const struct secp_public *key);
void secp_address_of_secret(struct address *out, const struct secp_secret *secret);
/* secp_sign: deterministic (RFC 6979), low s. */
void secp_sign(struct secp_signature *out, const struct secp_secret *secret,
               const struct hash *digest);
/* secp_recover: the key whose signature this is; false if malformed, high s or unrecoverable. */
MUST_USE bool secp_recover(struct secp_public *out, const struct secp_signature *sig,
                           const struct hash *digest);
MUST_USE bool secp_recover_address(struct address *out, const struct secp_signature *sig,
                                   const struct hash *digest);
/* secp_recover_address_any_s: as above, but a high s is fine; only for the ECRECOVER precompile,
 * which predates EIP-2. */
MUST_USE bool secp_recover_address_any_s(struct address *out, const struct secp_signature *sig,
                                         const struct hash *digest);
/* secp_verify: r ‖ s of sig (v ignored, high s refused). */
MUST_USE bool secp_verify(const struct secp_public *key, const struct secp_signature *sig,
                          const struct hash *digest);

struct ed_secret {
    u8 b[64]; /* seed ‖ public */
};
struct ed_public {
    u8 b[32];
};
void ed_from_seed(struct ed_secret *secret, struct ed_public *key, const u8 seed[32]);
void ed_sign(u8 sig[64], const struct ed_secret *secret, bytes message);
MUST_USE bool ed_verify(const struct ed_public *key, const u8 sig[64], bytes message);

struct x_secret {
    u8 b[32];
};
struct x_public {
    u8 b[32];
};
void x_public_of(struct x_public *out, const struct x_secret *secret);
/* x_shared: false for points of small order (all-zero result). */
MUST_USE bool x_shared(u8 out[32], const struct x_secret *secret, const struct x_public *peer);

#endif
