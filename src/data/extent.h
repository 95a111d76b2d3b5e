/* extent.h: encryption of object data: C2SP chunked encryption, "Cobblestone-256".
 *
 * An extent is one encrypted stream: header (24-byte salt, 32-byte commitment), then chunks of
 * 16 KiB plaintext sealed by AES-256-GCM (16-byte tags); the last chunk is strictly shorter, maybe
 * empty, which makes truncation visible. key ‖ nonce_base ‖ commitment = HKDF-Expand-SHA512(file
 * key, "c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM" ‖ 0x00 ‖ salt ‖ context); nonce of chunk i
 * = nonce_base XOR i. context = bucket id ‖ extent id. Random access costs one chunk.
 * Source: C2SP chunked-encryption.md; facts in docs/formats/extent.md.
 *
 * A reader takes the plain length from the manifest: chunk i of the stream must then have exactly
 * extent_chunk_sealed_bytes() bytes, and opening the last, short one proves the length.
 */
#ifndef DATA_EXTENT_H
#define DATA_EXTENT_H

#include "crypto/cipher.h"

#define EXTENT_CHUNK_BYTES KIB(16)
#define EXTENT_SALT_BYTES 24
#define EXTENT_HEADER_BYTES 56
#define EXTENT_SEALED_CHUNK_BYTES (EXTENT_CHUNK_BYTES + AEAD_TAG_BYTES)
#define EXTENT_CHUNKS_MAX ((u64)1 << 38)
#define EXTENT_PLAIN_BYTES_MAX (EXTENT_CHUNKS_MAX * EXTENT_CHUNK_BYTES - 1) /* 4 PiB - 1 */

struct extent_id {
    u8 b[16];
};

/* extent_sealed_length: bytes of the stream for `plain` bytes (at most EXTENT_PLAIN_BYTES_MAX),
 * header included. */
u64 extent_sealed_length(u64 plain);
/* extent_chunk_offset: where chunk i < EXTENT_CHUNKS_MAX begins in the stream. */
u64 extent_chunk_offset(u64 chunk);
/* extent_plain_length: false if no stream has that length. */
MUST_USE bool extent_plain_length(u64 *ret_plain, u64 sealed);
/* extent_chunk_sealed_bytes: of chunk i <= plain / 16 KiB in a stream of `plain` bytes, tag
 * included. */
size_t extent_chunk_sealed_bytes(u64 plain, u64 chunk);

struct extent_cipher {
    struct aes_gcm gcm;
    u8 nonce_base[12];
    u8 header[EXTENT_HEADER_BYTES];
};

/* extent_cipher_init: for writing; salt is 24 fresh random bytes. */
void extent_cipher_init(struct extent_cipher *cipher, const struct aead_key *file_key,
                        const struct hash *bucket, const struct extent_id *extent,
                        const u8 salt[EXTENT_SALT_BYTES]);
/* extent_cipher_open: for reading; false if the commitment in `header` is not that of the key. */
MUST_USE bool extent_cipher_open(struct extent_cipher *cipher, const struct aead_key *file_key,
                                 const struct hash *bucket, const struct extent_id *extent,
                                 const u8 header[EXTENT_HEADER_BYTES]);
void extent_cipher_free(struct extent_cipher *cipher);
/* extent_seal_chunk: in.len <= 16 KiB (less only for the last); out gets in.len + 16. */
void extent_seal_chunk(struct extent_cipher *cipher, u8 *out, u64 chunk, bytes in);
/* extent_open_chunk: out gets in.len - 16; false: not authentic, or no chunk has that length. */
MUST_USE bool extent_open_chunk(struct extent_cipher *cipher, u8 *out, u64 chunk, bytes in);

#endif
