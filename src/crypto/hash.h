/* hash.h: message digests, MACs and key derivation.
 *
 * SHA-2, SHA-1 and MD5 are OpenSSL's block functions; HMAC and HKDF are composed from them here.
 * Keccak-256 (the pre-NIST padding that Ethereum uses) and CRC-64/NVME are ours, because no
 * packaged library has them. MD5 and SHA-1 exist for S3 (ETag, x-amz-checksum-sha1) and secure
 * nothing. One-shot functions allocate nothing and take no lock. Inputs may be empty with a NULL
 * pointer.
 */
#ifndef CRYPTO_HASH_H
#define CRYPTO_HASH_H

#include "base/bytes.h"

void sha256(struct hash *out, bytes in);
/* sha256_parts: digest of the concatenation. */
void sha256_parts(struct hash *out, const struct bytes *parts, size_t count);
void sha512(u8 out[64], bytes in);
void keccak256(struct hash *out, bytes in);
void keccak256_parts(struct hash *out, const struct bytes *parts, size_t count);
void md5(u8 out[16], bytes in);
void sha1(u8 out[20], bytes in);
/* ripemd160: for Ethereum's precompile 3. */
void ripemd160(u8 out[20], bytes in);

enum digest_kind { DIGEST_MD5, DIGEST_SHA1, DIGEST_SHA256, DIGEST_SHA512 };

/* digest: streaming. digest_init allocates the state, digest_free (or digest_final) releases it;
 * digest_free is safe on a zeroed struct and after digest_final. */
struct digest {
    void *ctx;
    enum digest_kind kind;
};
void digest_init(struct digest *digest, enum digest_kind kind);
void digest_update(struct digest *digest, bytes in);
/* digest_final: writes 16, 20, 32 or 64 bytes and releases. */
void digest_final(struct digest *digest, u8 *out);
/* digest_copy: `out` becomes an independent copy of a running digest. */
void digest_copy(struct digest *out, const struct digest *from);
void digest_free(struct digest *digest);

/* CRCs of S3 checksums (ISA-L for the 32-bit ones, own carry-less folding with a table as fallback
 * for CRC-64/NVME). crc is that of what came before, 0 at the start; the result is final. */
u32 crc32_update(u32 crc, bytes in);
u32 crc32c_update(u32 crc, bytes in);
u64 crc64nvme_update(u64 crc, bytes in);
/* crc*_combine: checksum of A‖B from those of A and B and the length of B in bytes. */
u32 crc32_combine(u32 a, u32 b, u64 len_b);
u32 crc32c_combine(u32 a, u32 b, u64 len_b);
u64 crc64nvme_combine(u64 a, u64 b, u64 len_b);

void hmac_sha256(struct hash *out, bytes key, bytes in);
/* hkdf_sha256: RFC 5869 extract and expand; out_len <= 8160. */
void hkdf_sha256(u8 *out, size_t out_len, bytes ikm, bytes salt, bytes info);
/* hkdf_expand_sha512: expand only (RFC 5869 2.3); out_len <= 16320. */
void hkdf_expand_sha512(u8 *out, size_t out_len, bytes prk, bytes info);

/* bytes_eq_secret: constant time for equal lengths. */
bool bytes_eq_secret(bytes a, bytes b);

#endif
