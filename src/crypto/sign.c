#include "crypto/sign.h"

#include "base/assert.h"
#include "base/mem.h"
#include "crypto/hash.h"

#include <secp256k1.h>
#include <secp256k1_recovery.h>
#include <sodium.h>

/* The context with precomputed blinding: set once by crypto_init(), read only from then on. */
static secp256k1_context *signing;

static const secp256k1_context *signing_context(void)
{
    const secp256k1_context *ctx = __atomic_load_n(&signing, __ATOMIC_ACQUIRE);
    assert_that(ctx != NULL); /* crypto_init() was not called */
    return ctx;
}

void crypto_init(const struct hash *seed)
{
    assert_that(sodium_init() >= 0);
    if (__atomic_load_n(&signing, __ATOMIC_ACQUIRE) != NULL) {
        return;
    }
    secp256k1_context *ctx = secp256k1_context_create(SECP256K1_CONTEXT_NONE);
    assert_that(ctx != NULL && secp256k1_context_randomize(ctx, seed->b) == 1);
    secp256k1_context *none = NULL;
    if (!__atomic_compare_exchange_n(&signing, &none, ctx, false, __ATOMIC_ACQ_REL,
                                     __ATOMIC_ACQUIRE)) {
        secp256k1_context_destroy(ctx); /* another thread was first */
    }
}

bool secp_secret_from(struct secp_secret *out, const u8 in[32])
{
    if (secp256k1_ec_seckey_verify(secp256k1_context_static, in) != 1) {
        return false;
    }
    memcpy(out->b, in, sizeof out->b);
    return true;
}

void secp_secret_wipe(struct secp_secret *secret) { mem_wipe(secret, sizeof *secret); }

static void point_compress(struct secp_public *out, const secp256k1_pubkey *point)
{
    size_t len = sizeof out->b;
    int done = secp256k1_ec_pubkey_serialize(secp256k1_context_static, out->b, &len, point,
                                             SECP256K1_EC_COMPRESSED);
    assert_that(done == 1 && len == sizeof out->b);
}

static void point_coordinates(u8 out[64], const secp256k1_pubkey *point)
{
    u8 full[65];
    size_t len = sizeof full;
    int done = secp256k1_ec_pubkey_serialize(secp256k1_context_static, full, &len, point,
                                             SECP256K1_EC_UNCOMPRESSED);
    assert_that(done == 1 && len == sizeof full);
    memcpy(out, full + 1, 64);
}

static void point_address(struct address *out, const secp256k1_pubkey *point)
{
    u8 coordinates[64];
    struct hash digest;
    point_coordinates(coordinates, point);
    keccak256(&digest, BYTES_OF(coordinates));
    memcpy(out->b, digest.b + 12, sizeof out->b);
}

static bool point_parse(secp256k1_pubkey *out, const struct secp_public *key)
{
    return secp256k1_ec_pubkey_parse(secp256k1_context_static, out, key->b, sizeof key->b) == 1;
}

void secp_public_of(struct secp_public *out, const struct secp_secret *secret)
{
    secp256k1_pubkey point;
    assert_that(secp256k1_ec_pubkey_create(signing_context(), &point, secret->b) == 1);
    point_compress(out, &point);
}

bool secp_public_uncompressed(u8 out[64], const struct secp_public *key)
{
    secp256k1_pubkey point;
    if (!point_parse(&point, key)) {
        return false;
    }
    point_coordinates(out, &point);
    return true;
}

bool secp_address(struct address *out, const struct secp_public *key)
{
    secp256k1_pubkey point;
    if (!point_parse(&point, key)) {
        return false;
    }
    point_address(out, &point);
    return true;
}

void secp_address_of_secret(struct address *out, const struct secp_secret *secret)
{
    secp256k1_pubkey point;
    assert_that(secp256k1_ec_pubkey_create(signing_context(), &point, secret->b) == 1);
    point_address(out, &point);
}

void secp_sign(struct secp_signature *out, const struct secp_secret *secret,
               const struct hash *digest)
{
    secp256k1_ecdsa_recoverable_signature sig;
    int recovery = 0;
    int done = secp256k1_ecdsa_sign_recoverable(signing_context(), &sig, digest->b, secret->b,
                                                secp256k1_nonce_function_rfc6979, NULL);
    assert_that(done == 1);
    secp256k1_ecdsa_recoverable_signature_serialize_compact(secp256k1_context_static, out->b,
                                                            &recovery, &sig);
    /* 2 and 3 mean r was at least the group order: one nonce in 2^127. */
    assert_that(recovery == 0 || recovery == 1);
    out->b[64] = (u8)recovery;
}

/* s_is_low: at most half the group order. */
static bool s_is_low(const struct secp_signature *sig)
{
    static const u8 half_order[32] = {0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                      0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                      0x5d, 0x57, 0x6e, 0x73, 0x57, 0xa4, 0x50, 0x1d,
                                      0xdf, 0xe9, 0x2f, 0x46, 0x68, 0x1b, 0x20, 0xa0};
    return memcmp(sig->b + 32, half_order, sizeof half_order) <= 0;
}

static bool recover_point(secp256k1_pubkey *out, const struct secp_signature *sig,
                          const struct hash *digest)
{
    secp256k1_ecdsa_recoverable_signature parsed;
    return sig->b[64] <= 1 &&
           secp256k1_ecdsa_recoverable_signature_parse_compact(secp256k1_context_static, &parsed,
                                                               sig->b, sig->b[64]) == 1 &&
           secp256k1_ecdsa_recover(secp256k1_context_static, out, &parsed, digest->b) == 1;
}

bool secp_recover(struct secp_public *out, const struct secp_signature *sig,
                  const struct hash *digest)
{
    secp256k1_pubkey point;
    if (!s_is_low(sig) || !recover_point(&point, sig, digest)) {
        return false;
    }
    point_compress(out, &point);
    return true;
}

bool secp_recover_address(struct address *out, const struct secp_signature *sig,
                          const struct hash *digest)
{
    return s_is_low(sig) && secp_recover_address_any_s(out, sig, digest);
}

bool secp_recover_address_any_s(struct address *out, const struct secp_signature *sig,
                                const struct hash *digest)
{
    secp256k1_pubkey point;
    if (!recover_point(&point, sig, digest)) {
        return false;
    }
    point_address(out, &point);
    return true;
}

bool secp_verify(const struct secp_public *key, const struct secp_signature *sig,
                 const struct hash *digest)
{
    secp256k1_pubkey point;
    secp256k1_ecdsa_signature parsed;
    /* libsecp256k1 itself refuses a high s here. */
    return point_parse(&point, key) &&
           secp256k1_ecdsa_signature_parse_compact(secp256k1_context_static, &parsed, sig->b) ==
               1 &&
           secp256k1_ecdsa_verify(secp256k1_context_static, &parsed, digest->b, &point) == 1;
}

void ed_from_seed(struct ed_secret *secret, struct ed_public *key, const u8 seed[32])
{
    assert_that(crypto_sign_seed_keypair(key->b, secret->b, seed) == 0);
}

void ed_sign(u8 sig[64], const struct ed_secret *secret, bytes message)
{
    assert_that(crypto_sign_detached(sig, NULL, message.data, message.len, secret->b) == 0);
}

bool ed_verify(const struct ed_public *key, const u8 sig[64], bytes message)
{
    return crypto_sign_verify_detached(sig, message.data, message.len, key->b) == 0;
}

void x_public_of(struct x_public *out, const struct x_secret *secret)
{
    assert_that(crypto_scalarmult_base(out->b, secret->b) == 0);
}

bool x_shared(u8 out[32], const struct x_secret *secret, const struct x_public *peer)
{
    if (crypto_scalarmult(out, secret->b, peer->b) != 0) {
        mem_wipe(out, 32);
        return false;
    }
    return true;
}
