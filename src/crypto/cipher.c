#include "crypto/cipher.h"

#include "base/assert.h"
#include "base/mem.h"
#include "crypto/hash.h"

#include <openssl/evp.h>
#include <sodium.h>

#define EVP_PIECE_BYTES MIB(512) /* EVP takes lengths as int */

static EVP_CIPHER_CTX *gcm_context(const struct aead_key *key, int seals)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    assert_that(ctx != NULL);
    assert_that(EVP_CipherInit_ex(ctx, EVP_aes_256_gcm(), NULL, key->b, NULL, seals) == 1);
    return ctx;
}

void aes_gcm_init(struct aes_gcm *gcm, const struct aead_key *key)
{
    gcm->seal = gcm_context(key, 1);
    gcm->open = gcm_context(key, 0);
}

void aes_gcm_free(struct aes_gcm *gcm)
{
    EVP_CIPHER_CTX_free(gcm->seal); /* wipes the key schedule; NULL is fine */
    EVP_CIPHER_CTX_free(gcm->open);
    *gcm = (struct aes_gcm){NULL, NULL};
}

/* gcm_start: keeps the key, takes a nonce and the associated data. */
static void gcm_start(EVP_CIPHER_CTX *ctx, const u8 nonce[12], bytes aad)
{
    assert_that(ctx != NULL);
    assert_that(EVP_CipherInit_ex(ctx, NULL, NULL, NULL, nonce, -1) == 1);
    for (size_t pos = 0; pos < aad.len;) {
        int len = (int)min_size(aad.len - pos, EVP_PIECE_BYTES);
        int written = 0;
        assert_that(EVP_CipherUpdate(ctx, NULL, &written, aad.data + pos, len) == 1);
        pos += (size_t)len;
    }
}

static void gcm_update(EVP_CIPHER_CTX *ctx, u8 *out, bytes in)
{
    for (size_t pos = 0; pos < in.len;) {
        int len = (int)min_size(in.len - pos, EVP_PIECE_BYTES);
        int written = 0;
        assert_that(EVP_CipherUpdate(ctx, out + pos, &written, in.data + pos, len) == 1);
        assert_that(written == len);
        pos += (size_t)len;
    }
}

void aes_gcm_seal(struct aes_gcm *gcm, u8 *out, const u8 nonce[12], bytes aad, bytes in)
{
    int written = 0;
    gcm_start(gcm->seal, nonce, aad);
    gcm_update(gcm->seal, out, in);
    assert_that(EVP_CipherFinal_ex(gcm->seal, out + in.len, &written) == 1 && written == 0);
    assert_that(
        EVP_CIPHER_CTX_ctrl(gcm->seal, EVP_CTRL_AEAD_GET_TAG, AEAD_TAG_BYTES, out + in.len) == 1);
}

bool aes_gcm_open(struct aes_gcm *gcm, u8 *out, const u8 nonce[12], bytes aad, bytes in)
{
    if (in.len < AEAD_TAG_BYTES) {
        return false;
    }
    size_t len = in.len - AEAD_TAG_BYTES;
    u8 tag[AEAD_TAG_BYTES];
    u8 none[AEAD_TAG_BYTES];
    int written = 0;
    memcpy(tag, in.data + len, sizeof tag);
    gcm_start(gcm->open, nonce, aad);
    gcm_update(gcm->open, out, bytes_make(in.data, len));
    assert_that(EVP_CIPHER_CTX_ctrl(gcm->open, EVP_CTRL_AEAD_SET_TAG, AEAD_TAG_BYTES, tag) == 1);
    if (EVP_CipherFinal_ex(gcm->open, none, &written) != 1) {
        mem_wipe(out, len);
        return false;
    }
    return true;
}

void xchacha_seal(u8 *out, const struct aead_key *key, const u8 nonce[24], bytes aad, bytes in)
{
    assert_that(crypto_aead_xchacha20poly1305_ietf_encrypt(out, NULL, in.data, in.len, aad.data,
                                                           aad.len, NULL, nonce, key->b) == 0);
}

bool xchacha_open(u8 *out, const struct aead_key *key, const u8 nonce[24], bytes aad, bytes in)
{
    if (in.len < AEAD_TAG_BYTES) {
        return false;
    }
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(out, NULL, NULL, in.data, in.len, aad.data,
                                                   aad.len, nonce, key->b) != 0) {
        mem_wipe(out, in.len - AEAD_TAG_BYTES);
        return false;
    }
    return true;
}

bool argon2id(u8 out[32], bytes password, const u8 salt[16], u32 passes, u64 memory_bytes)
{
    _Static_assert(crypto_pwhash_SALTBYTES == 16, "salt of argon2id()");
    if (passes < 1 || memory_bytes < KIB(8) || memory_bytes > crypto_pwhash_MEMLIMIT_MAX) {
        return false;
    }
    const char *text = password.len == 0 ? "" : (const char *)password.data;
    return crypto_pwhash(out, 32, text, password.len, salt, passes, memory_bytes,
                         crypto_pwhash_ALG_ARGON2ID13) == 0;
}

/* box_key: what the two ends of a sealed box agree on. */
static void box_key(struct aead_key *ret_key, const u8 shared[32], const struct x_public *ephemeral,
                    const struct x_public *recipient, bytes context)
{
    static const char label[] = "cairn sealed box v1";
    size_t label_len = sizeof label - 1;
    u8 salt[64];
    memcpy(salt, ephemeral->b, 32);
    memcpy(salt + 32, recipient->b, 32);
    u8 *info = mem_alloc(label_len + context.len);
    memcpy(info, label, label_len);
    if (context.len != 0) {
        memcpy(info + label_len, context.data, context.len);
    }
    hkdf_sha256(ret_key->b, sizeof ret_key->b, bytes_make(shared, 32), BYTES_OF(salt),
                bytes_make(info, label_len + context.len));
    mem_free(info);
}

bool box_seal(u8 *out, const struct x_public *to, bytes context, bytes in, const u8 random[56])
{
    struct x_secret ephemeral;
    struct x_public ephemeral_public;
    struct aead_key key;
    u8 shared[32];
    memcpy(ephemeral.b, random, sizeof ephemeral.b);
    x_public_of(&ephemeral_public, &ephemeral);
    bool agreed = x_shared(shared, &ephemeral, to);
    if (agreed) {
        box_key(&key, shared, &ephemeral_public, to, context);
        memcpy(out, ephemeral_public.b, 32);
        memcpy(out + 32, random + 32, 24);
        xchacha_seal(out + 56, &key, random + 32, bytes_make(NULL, 0), in);
    }
    mem_wipe(&ephemeral, sizeof ephemeral);
    mem_wipe(shared, sizeof shared);
    mem_wipe(&key, sizeof key);
    return agreed;
}

bool box_open(u8 *out, const struct x_secret *secret, bytes context, bytes in)
{
    if (in.len < SEAL_OVERHEAD_BYTES) {
        return false;
    }
    struct x_public ephemeral;
    struct x_public recipient;
    struct aead_key key;
    u8 shared[32];
    memcpy(ephemeral.b, in.data, 32);
    x_public_of(&recipient, secret);
    bool opened = x_shared(shared, secret, &ephemeral);
    if (opened) {
        box_key(&key, shared, &ephemeral, &recipient, context);
        opened = xchacha_open(out, &key, in.data + 32, bytes_make(NULL, 0),
                              bytes_slice(in, 56, in.len - 56));
    } else {
        mem_wipe(out, in.len - SEAL_OVERHEAD_BYTES);
    }
    mem_wipe(shared, sizeof shared);
    mem_wipe(&key, sizeof key);
    return opened;
}
