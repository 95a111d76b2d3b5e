/* SHA-2, SHA-1 and MD5 over OpenSSL's block functions.
 *
 * The old SHA256_* interface is used on purpose: EVP in OpenSSL 3.0 costs half as much again on 32
 * bytes with a cached EVP_MD (67 ns against 44 ns), and six times as much through SHA256(). It
 * also keeps the running state in our memory: no hidden allocation, nothing to lock. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "crypto/hash.h"

#include "base/assert.h"
#include "base/mem.h"

#include <openssl/md5.h>
#include <openssl/ripemd.h>
#include <openssl/sha.h>

#define HMAC_BLOCK_BYTES_MAX 128
#define DIGEST_BYTES_MAX 64

union digest_state {
    MD5_CTX md5;
    SHA_CTX sha1;
    SHA256_CTX sha256;
    SHA512_CTX sha512;
};

static void state_init(union digest_state *state, enum digest_kind kind)
{
    int done = 0;
    switch (kind) {
    case DIGEST_MD5:
        done = MD5_Init(&state->md5);
        break;
    case DIGEST_SHA1:
        done = SHA1_Init(&state->sha1);
        break;
    case DIGEST_SHA256:
        done = SHA256_Init(&state->sha256);
        break;
    case DIGEST_SHA512:
        done = SHA512_Init(&state->sha512);
        break;
    }
    assert_that(done == 1);
}

static void state_update(union digest_state *state, enum digest_kind kind, bytes in)
{
    if (in.len == 0) {
        return;
    }
    int done = 0;
    switch (kind) {
    case DIGEST_MD5:
        done = MD5_Update(&state->md5, in.data, in.len);
        break;
    case DIGEST_SHA1:
        done = SHA1_Update(&state->sha1, in.data, in.len);
        break;
    case DIGEST_SHA256:
        done = SHA256_Update(&state->sha256, in.data, in.len);
        break;
    case DIGEST_SHA512:
        done = SHA512_Update(&state->sha512, in.data, in.len);
        break;
    }
    assert_that(done == 1);
}

static void state_final(union digest_state *state, enum digest_kind kind, u8 *out)
{
    int done = 0;
    switch (kind) {
    case DIGEST_MD5:
        done = MD5_Final(out, &state->md5);
        break;
    case DIGEST_SHA1:
        done = SHA1_Final(out, &state->sha1);
        break;
    case DIGEST_SHA256:
        done = SHA256_Final(out, &state->sha256);
        break;
    case DIGEST_SHA512:
        done = SHA512_Final(out, &state->sha512);
        break;
    }
    assert_that(done == 1);
}

static void state_hash(u8 *out, enum digest_kind kind, bytes in)
{
    union digest_state state;
    state_init(&state, kind);
    state_update(&state, kind, in);
    state_final(&state, kind, out);
}

static size_t digest_len(enum digest_kind kind)
{
    switch (kind) {
    case DIGEST_MD5:
        return 16;
    case DIGEST_SHA1:
        return 20;
    case DIGEST_SHA256:
        return 32;
    case DIGEST_SHA512:
        return 64;
    }
    unreachable_case();
}

void sha256(struct hash *out, bytes in) { sha256_parts(out, &in, 1); }

void sha256_parts(struct hash *out, const struct bytes *parts, size_t count)
{
    SHA256_CTX state;
    int done = SHA256_Init(&state);
    for (size_t i = 0; i < count; i++) {
        if (parts[i].len != 0) {
            done &= SHA256_Update(&state, parts[i].data, parts[i].len);
        }
    }
    done &= SHA256_Final(out->b, &state);
    assert_that(done == 1);
}

void sha512(u8 out[64], bytes in) { state_hash(out, DIGEST_SHA512, in); }
void md5(u8 out[16], bytes in) { state_hash(out, DIGEST_MD5, in); }
void sha1(u8 out[20], bytes in) { state_hash(out, DIGEST_SHA1, in); }

void ripemd160(u8 out[20], bytes in)
{
    RIPEMD160_CTX ctx;
    assert_that(RIPEMD160_Init(&ctx) == 1);
    assert_that(in.len == 0 || RIPEMD160_Update(&ctx, in.data, in.len) == 1);
    assert_that(RIPEMD160_Final(out, &ctx) == 1);
}

void digest_init(struct digest *digest, enum digest_kind kind)
{
    digest->ctx = MEM_NEW(union digest_state);
    digest->kind = kind;
    state_init(digest->ctx, kind);
}

void digest_update(struct digest *digest, bytes in)
{
    assert_that(digest->ctx != NULL);
    state_update(digest->ctx, digest->kind, in);
}

void digest_final(struct digest *digest, u8 *out)
{
    assert_that(digest->ctx != NULL);
    state_final(digest->ctx, digest->kind, out);
    digest_free(digest);
}

void digest_copy(struct digest *out, const struct digest *from)
{
    assert_that(from->ctx != NULL);
    union digest_state *copy = MEM_NEW(union digest_state);
    *copy = *(const union digest_state *)from->ctx;
    *out = (struct digest){copy, from->kind};
}

void digest_free(struct digest *digest)
{
    if (digest->ctx != NULL) {
        mem_wipe(digest->ctx, sizeof(union digest_state));
        mem_free(digest->ctx);
        digest->ctx = NULL;
    }
}

/* HMAC (RFC 2104) with the two padded-key states computed once: HKDF reuses them for each block. */
struct hmac {
    enum digest_kind kind;
    union digest_state inner;
    union digest_state outer;
};

static void hmac_init(struct hmac *hmac, enum digest_kind kind, bytes key)
{
    size_t block = kind == DIGEST_SHA512 ? 128 : 64;
    u8 pad[HMAC_BLOCK_BYTES_MAX] = {0};
    if (key.len > block) {
        state_hash(pad, kind, key);
    } else if (key.len != 0) {
        memcpy(pad, key.data, key.len);
    }
    hmac->kind = kind;
    for (size_t i = 0; i < block; i++) {
        pad[i] ^= 0x36;
    }
    state_init(&hmac->inner, kind);
    state_update(&hmac->inner, kind, bytes_make(pad, block));
    for (size_t i = 0; i < block; i++) {
        pad[i] ^= 0x36 ^ 0x5c;
    }
    state_init(&hmac->outer, kind);
    state_update(&hmac->outer, kind, bytes_make(pad, block));
    mem_wipe(pad, sizeof pad);
}

static void hmac_parts(const struct hmac *hmac, u8 *out, const struct bytes *parts, size_t count)
{
    u8 digest[DIGEST_BYTES_MAX];
    union digest_state state = hmac->inner;
    for (size_t i = 0; i < count; i++) {
        state_update(&state, hmac->kind, parts[i]);
    }
    state_final(&state, hmac->kind, digest);
    state = hmac->outer;
    state_update(&state, hmac->kind, bytes_make(digest, digest_len(hmac->kind)));
    state_final(&state, hmac->kind, out);
    mem_wipe(digest, sizeof digest);
    mem_wipe(&state, sizeof state);
}

void hmac_sha256(struct hash *out, bytes key, bytes in)
{
    struct hmac hmac;
    hmac_init(&hmac, DIGEST_SHA256, key);
    hmac_parts(&hmac, out->b, &in, 1);
    mem_wipe(&hmac, sizeof hmac);
}

/* RFC 5869 2.3: T(i) = HMAC(prk, T(i - 1) ‖ info ‖ i). */
static void hkdf_expand(u8 *out, size_t out_len, enum digest_kind kind, bytes prk, bytes info)
{
    size_t step = digest_len(kind);
    assert_that(out_len <= 255 * step);
    struct hmac hmac;
    hmac_init(&hmac, kind, prk);
    u8 block[DIGEST_BYTES_MAX];
    size_t block_len = 0;
    u8 counter = 1;
    for (size_t done = 0; done < out_len; done += step, counter++) {
        const bytes parts[] = {bytes_make(block, block_len), info, bytes_make(&counter, 1)};
        hmac_parts(&hmac, block, parts, COUNT_OF(parts));
        block_len = step;
        memcpy(out + done, block, min_size(step, out_len - done));
    }
    mem_wipe(block, sizeof block);
    mem_wipe(&hmac, sizeof hmac);
}

void hkdf_sha256(u8 *out, size_t out_len, bytes ikm, bytes salt, bytes info)
{
    struct hash prk;
    hmac_sha256(&prk, salt, ikm);
    hkdf_expand(out, out_len, DIGEST_SHA256, BYTES_OF(prk), info);
    mem_wipe(&prk, sizeof prk);
}

void hkdf_expand_sha512(u8 *out, size_t out_len, bytes prk, bytes info)
{
    hkdf_expand(out, out_len, DIGEST_SHA512, prk, info);
}

bool bytes_eq_secret(bytes a, bytes b)
{
    if (a.len != b.len) {
        return false;
    }
    u8 difference = 0;
    for (size_t i = 0; i < a.len; i++) {
        difference |= a.data[i] ^ b.data[i];
        /* Keeps the compiler from leaving the loop early. */
        __asm__ volatile("" : "+r"(difference));
    }
    return difference == 0;
}
