/* cipher.h: authenticated encryption, password hashing, sealed boxes. */
#ifndef CRYPTO_CIPHER_H
#define CRYPTO_CIPHER_H

#include "crypto/sign.h"

#define AEAD_TAG_BYTES 16
#define SEAL_OVERHEAD_BYTES (32 + 24 + 16) /* ephemeral key, nonce, tag */

struct aead_key {
    u8 b[32];
};

/* aes_gcm: AES-256-GCM (NIST SP 800-38D), 12-byte nonce. The context caches the key schedule; one
 * context is used by one thread at a time. */
struct aes_gcm {
    void *seal;
    void *open;
};
void aes_gcm_init(struct aes_gcm *gcm, const struct aead_key *key);
void aes_gcm_free(struct aes_gcm *gcm); /* safe on a zeroed struct */
/* aes_gcm_seal: out gets in.len + 16 bytes; out may be in.data. */
void aes_gcm_seal(struct aes_gcm *gcm, u8 *out, const u8 nonce[12], bytes aad, bytes in);
/* aes_gcm_open: out gets in.len - 16 bytes, which are zeroed on failure; out may be in.data. */
MUST_USE bool aes_gcm_open(struct aes_gcm *gcm, u8 *out, const u8 nonce[12], bytes aad, bytes in);

/* xchacha: XChaCha20-Poly1305 (libsodium), 24-byte nonce; lengths as above. */
void xchacha_seal(u8 *out, const struct aead_key *key, const u8 nonce[24], bytes aad, bytes in);
MUST_USE bool xchacha_open(u8 *out, const struct aead_key *key, const u8 nonce[24], bytes aad,
                           bytes in);

/* argon2id: RFC 9106 version 0x13, one lane (libsodium). false: out of memory or parameters below
 * passes 1, memory 8 KiB. */
MUST_USE bool argon2id(u8 out[32], bytes password, const u8 salt[16], u32 passes, u64 memory_bytes);

/* box_seal: to an X25519 key: ephemeral public ‖ nonce ‖ XChaCha20-Poly1305 under
 * HKDF-SHA256(shared, salt = ephemeral ‖ recipient, info = "cairn sealed box v1" ‖ context).
 * `random` is 56 fresh bytes (ephemeral secret, nonce). out gets in.len + SEAL_OVERHEAD_BYTES. */
MUST_USE bool box_seal(u8 *out, const struct x_public *to, bytes context, bytes in,
                       const u8 random[56]);
/* box_open: out gets in.len - SEAL_OVERHEAD_BYTES. */
MUST_USE bool box_open(u8 *out, const struct x_secret *secret, bytes context, bytes in);

#endif
