#include "data/extent.h"

#include "base/assert.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "data/pack.h"

/* The AEAD's name as in the IANA registry, and the zero byte that ends it: 47 bytes with it. */
#define INFO_PREFIX "c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM"
#define CONTEXT_BYTES (32 + 16)
#define INFO_BYTES (sizeof INFO_PREFIX + EXTENT_SALT_BYTES + CONTEXT_BYTES)
#define DERIVED_BYTES (32 + 12 + 32)

_Static_assert(EXTENT_HEADER_BYTES == EXTENT_SALT_BYTES + 32, "salt and commitment");

u64 extent_sealed_length(u64 plain)
{
    assert_that(plain <= EXTENT_PLAIN_BYTES_MAX);
    return EXTENT_HEADER_BYTES + plain + AEAD_TAG_BYTES * (plain / EXTENT_CHUNK_BYTES + 1);
}

u64 extent_chunk_offset(u64 chunk)
{
    assert_that(chunk < EXTENT_CHUNKS_MAX);
    return EXTENT_HEADER_BYTES + chunk * EXTENT_SEALED_CHUNK_BYTES;
}

bool extent_plain_length(u64 *ret_plain, u64 sealed)
{
    if (sealed < EXTENT_HEADER_BYTES) {
        return false;
    }
    u64 chunks = (sealed - EXTENT_HEADER_BYTES) / EXTENT_SEALED_CHUNK_BYTES;
    u64 last = (sealed - EXTENT_HEADER_BYTES) % EXTENT_SEALED_CHUNK_BYTES;
    if (last < AEAD_TAG_BYTES || chunks >= EXTENT_CHUNKS_MAX) {
        return false;
    }
    *ret_plain = chunks * EXTENT_CHUNK_BYTES + last - AEAD_TAG_BYTES;
    return true;
}

size_t extent_chunk_sealed_bytes(u64 plain, u64 chunk)
{
    assert_that(plain <= EXTENT_PLAIN_BYTES_MAX && chunk <= plain / EXTENT_CHUNK_BYTES);
    u64 rest = plain - chunk * EXTENT_CHUNK_BYTES;
    return (size_t)min_u64(rest, EXTENT_CHUNK_BYTES) + AEAD_TAG_BYTES;
}

/* derive: AES key, nonce base and commitment of (file key, salt, bucket, extent). */
static void derive(u8 ret[DERIVED_BYTES], const struct aead_key *file_key,
                   const struct hash *bucket, const struct extent_id *extent, const u8 *salt)
{
    u8 info[INFO_BYTES];
    struct packer packer = packer_make(info, sizeof info);
    pack_bytes(&packer, bytes_make(INFO_PREFIX, sizeof INFO_PREFIX));
    pack_bytes(&packer, bytes_make(salt, EXTENT_SALT_BYTES));
    pack_bytes(&packer, BYTES_OF(*bucket));
    pack_bytes(&packer, BYTES_OF(*extent));
    pack_done(&packer);
    hkdf_expand_sha512(ret, DERIVED_BYTES, BYTES_OF(*file_key), BYTES_OF(info));
}

static void load_keys(struct extent_cipher *cipher, u8 derived[DERIVED_BYTES])
{
    struct aead_key key;
    memcpy(key.b, derived, sizeof key.b);
    aes_gcm_init(&cipher->gcm, &key);
    memcpy(cipher->nonce_base, derived + 32, sizeof cipher->nonce_base);
    mem_wipe(&key, sizeof key);
    mem_wipe(derived, DERIVED_BYTES);
}

void extent_cipher_init(struct extent_cipher *cipher, const struct aead_key *file_key,
                        const struct hash *bucket, const struct extent_id *extent,
                        const u8 salt[EXTENT_SALT_BYTES])
{
    u8 derived[DERIVED_BYTES];
    memset(cipher, 0, sizeof *cipher);
    derive(derived, file_key, bucket, extent, salt);
    memcpy(cipher->header, salt, EXTENT_SALT_BYTES);
    memcpy(cipher->header + EXTENT_SALT_BYTES, derived + 44, 32);
    load_keys(cipher, derived);
}

bool extent_cipher_open(struct extent_cipher *cipher, const struct aead_key *file_key,
                        const struct hash *bucket, const struct extent_id *extent,
                        const u8 header[EXTENT_HEADER_BYTES])
{
    u8 derived[DERIVED_BYTES];
    memset(cipher, 0, sizeof *cipher);
    derive(derived, file_key, bucket, extent, header);
    bytes expected = bytes_make(derived + 44, 32);
    if (!bytes_eq_secret(expected, bytes_make(header + EXTENT_SALT_BYTES, 32))) {
        mem_wipe(derived, sizeof derived);
        return false;
    }
    memcpy(cipher->header, header, EXTENT_HEADER_BYTES);
    load_keys(cipher, derived);
    return true;
}

void extent_cipher_free(struct extent_cipher *cipher)
{
    aes_gcm_free(&cipher->gcm);
    mem_wipe(cipher, sizeof *cipher);
}

/* chunk_nonce: the base XOR the chunk number as a 96-bit big-endian integer. */
static void chunk_nonce(u8 ret[12], const struct extent_cipher *cipher, u64 chunk)
{
    memcpy(ret, cipher->nonce_base, 12);
    store_be64(ret + 4, load_be64(ret + 4) ^ chunk);
}

void extent_seal_chunk(struct extent_cipher *cipher, u8 *out, u64 chunk, bytes in)
{
    u8 nonce[12];
    assert_that(in.len <= EXTENT_CHUNK_BYTES && chunk < EXTENT_CHUNKS_MAX);
    chunk_nonce(nonce, cipher, chunk);
    aes_gcm_seal(&cipher->gcm, out, nonce, (bytes){NULL, 0}, in);
}

bool extent_open_chunk(struct extent_cipher *cipher, u8 *out, u64 chunk, bytes in)
{
    u8 nonce[12];
    bool length_fits = in.len >= AEAD_TAG_BYTES && in.len <= EXTENT_SEALED_CHUNK_BYTES;
    if (!length_fits || chunk >= EXTENT_CHUNKS_MAX) {
        return false;
    }
    chunk_nonce(nonce, cipher, chunk);
    return aes_gcm_open(&cipher->gcm, out, nonce, (bytes){NULL, 0}, in);
}
