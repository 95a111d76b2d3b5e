#include "crypto/vrf.h"

#include "base/assert.h"

#include <sodium.h>

#define SUITE 0x03u /* ECVRF-EDWARDS25519-SHA512-TAI */
#define DOMAIN_CURVE 0x01u
#define DOMAIN_CHALLENGE 0x02u
#define DOMAIN_OUTPUT 0x03u
#define DOMAIN_BACK 0x00u
#define POINT_BYTES 32
#define SCALAR_BYTES 32
#define CHALLENGE_BYTES 16
#define TRIES_MAX 256 /* the counter is one byte; the chance of needing them all is 2^-256 */

/* Secret scalar and nonce prefix of RFC 8032, from the seed. */
struct expanded {
    u8 scalar[SCALAR_BYTES];
    u8 prefix[32];
};

static void expand(struct expanded *out, const struct vrf_secret *secret)
{
    u8 digest[64];
    crypto_hash_sha512(digest, secret->seed, sizeof secret->seed);
    memcpy(out->scalar, digest, sizeof out->scalar);
    memcpy(out->prefix, digest + 32, sizeof out->prefix);
    out->scalar[0] &= 248;
    out->scalar[31] &= 127;
    out->scalar[31] |= 64;
    sodium_memzero(digest, sizeof digest);
}

void vrf_secret_wipe(struct vrf_secret *secret) { sodium_memzero(secret, sizeof *secret); }

void vrf_public_of(struct vrf_public *out, const struct vrf_secret *secret)
{
    struct expanded expanded;
    expand(&expanded, secret);
    int failed = crypto_scalarmult_ed25519_base_noclamp(out->b, expanded.scalar);
    assert_that(failed == 0);
    sodium_memzero(&expanded, sizeof expanded);
}

/* On the curve, canonical, of prime order, and not the identity. */
static bool point_valid(const u8 point[POINT_BYTES])
{
    return crypto_core_ed25519_is_valid_point(point) == 1;
}

bool vrf_public_valid(const struct vrf_public *key) { return point_valid(key->b); }

/* y < 2^255 - 19: libsodium's addition does not ask. */
static bool encoding_canonical(const u8 point[POINT_BYTES])
{
    static const u8 p[POINT_BYTES] = {0xed, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                      0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                      0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                      0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f};
    for (size_t i = POINT_BYTES; i-- > 0;) {
        u8 byte = i == POINT_BYTES - 1 ? point[i] & 0x7f : point[i];
        if (byte != p[i]) {
            return byte < p[i];
        }
    }
    return false;
}

/* 8 * point by doublings; false: not a point. */
static bool clear_cofactor(u8 out[POINT_BYTES], const u8 point[POINT_BYTES])
{
    u8 sum[POINT_BYTES];
    memcpy(sum, point, sizeof sum);
    for (int i = 0; i < 3; i++) {
        u8 doubled[POINT_BYTES];
        if (crypto_core_ed25519_add(doubled, sum, sum) != 0) {
            return false;
        }
        memcpy(sum, doubled, sizeof sum);
    }
    memcpy(out, sum, sizeof sum);
    return true;
}

/* RFC 9381 5.4.1.1, try and increment; the salt is the key. */
static void hash_to_curve(u8 out[POINT_BYTES], const struct vrf_public *key, bytes alpha)
{
    static const u8 head[2] = {SUITE, DOMAIN_CURVE};
    for (unsigned ctr = 0; ctr < TRIES_MAX; ctr++) {
        u8 digest[64];
        u8 tail[2] = {(u8)ctr, DOMAIN_BACK};
        crypto_hash_sha512_state state;
        crypto_hash_sha512_init(&state);
        crypto_hash_sha512_update(&state, head, sizeof head);
        crypto_hash_sha512_update(&state, key->b, sizeof key->b);
        crypto_hash_sha512_update(&state, alpha.data, alpha.len);
        crypto_hash_sha512_update(&state, tail, sizeof tail);
        crypto_hash_sha512_final(&state, digest);
        if (encoding_canonical(digest) && clear_cofactor(out, digest) && point_valid(out)) {
            return;
        }
    }
    assert_that(false);
}

/* RFC 9381 5.4.3: the first half of a hash over five points. */
static void challenge(u8 out[SCALAR_BYTES], const u8 *const points[5])
{
    static const u8 head[2] = {SUITE, DOMAIN_CHALLENGE};
    static const u8 tail[1] = {DOMAIN_BACK};
    u8 digest[64];
    crypto_hash_sha512_state state;
    crypto_hash_sha512_init(&state);
    crypto_hash_sha512_update(&state, head, sizeof head);
    for (size_t i = 0; i < 5; i++) {
        crypto_hash_sha512_update(&state, points[i], POINT_BYTES);
    }
    crypto_hash_sha512_update(&state, tail, sizeof tail);
    crypto_hash_sha512_final(&state, digest);
    memset(out, 0, SCALAR_BYTES);
    memcpy(out, digest, CHALLENGE_BYTES);
}

/* RFC 9381 5.4.2.2 (RFC 8032): k = SHA512(prefix ‖ H) mod q. */
static void nonce(u8 out[SCALAR_BYTES], const u8 prefix[32], const u8 point[POINT_BYTES])
{
    u8 digest[64];
    crypto_hash_sha512_state state;
    crypto_hash_sha512_init(&state);
    crypto_hash_sha512_update(&state, prefix, 32);
    crypto_hash_sha512_update(&state, point, POINT_BYTES);
    crypto_hash_sha512_final(&state, digest);
    crypto_core_ed25519_scalar_reduce(out, digest);
    sodium_memzero(digest, sizeof digest);
    sodium_memzero(&state, sizeof state);
}

static void must_multiply(u8 out[POINT_BYTES], const u8 scalar[SCALAR_BYTES],
                          const u8 point[POINT_BYTES])
{
    int failed = crypto_scalarmult_ed25519_noclamp(out, scalar, point);
    assert_that(failed == 0); /* a valid point, a scalar that is not 0 mod q */
}

void vrf_prove(struct vrf_proof *out, const struct vrf_secret *secret, bytes alpha)
{
    struct expanded expanded;
    struct vrf_public key;
    u8 h[POINT_BYTES];
    u8 gamma[POINT_BYTES];
    u8 k[SCALAR_BYTES];
    u8 u[POINT_BYTES];
    u8 v[POINT_BYTES];
    u8 c[SCALAR_BYTES];
    u8 cx[SCALAR_BYTES];
    u8 s[SCALAR_BYTES];
    u8 wide[64] = {0};
    u8 x[SCALAR_BYTES];
    expand(&expanded, secret);
    vrf_public_of(&key, secret);
    hash_to_curve(h, &key, alpha);
    must_multiply(gamma, expanded.scalar, h);
    nonce(k, expanded.prefix, h);
    int failed = crypto_scalarmult_ed25519_base_noclamp(u, k);
    assert_that(failed == 0);
    must_multiply(v, k, h);
    challenge(c, (const u8 *const[5]){key.b, h, gamma, u, v});
    memcpy(wide, expanded.scalar, sizeof expanded.scalar);
    crypto_core_ed25519_scalar_reduce(x, wide);
    crypto_core_ed25519_scalar_mul(cx, c, x);
    crypto_core_ed25519_scalar_add(s, k, cx);
    memcpy(out->b, gamma, POINT_BYTES);
    memcpy(out->b + POINT_BYTES, c, CHALLENGE_BYTES);
    memcpy(out->b + POINT_BYTES + CHALLENGE_BYTES, s, SCALAR_BYTES);
    sodium_memzero(&expanded, sizeof expanded);
    sodium_memzero(k, sizeof k);
    sodium_memzero(x, sizeof x);
    sodium_memzero(cx, sizeof cx);
    sodium_memzero(wide, sizeof wide);
}

/* s < q, the order of the group. */
static bool scalar_canonical(const u8 s[SCALAR_BYTES])
{
    u8 wide[64] = {0};
    u8 reduced[SCALAR_BYTES];
    memcpy(wide, s, SCALAR_BYTES);
    crypto_core_ed25519_scalar_reduce(reduced, wide);
    return memcmp(reduced, s, SCALAR_BYTES) == 0;
}

/* out = s * a - c * b, with a NULL for the base point; false: a product or the difference is not
 * what a proof can have. */
static bool difference(u8 out[POINT_BYTES], const u8 s[SCALAR_BYTES], const u8 *a,
                       const u8 c[SCALAR_BYTES], const u8 b[POINT_BYTES])
{
    u8 left[POINT_BYTES];
    u8 right[POINT_BYTES];
    int failed = a == NULL ? crypto_scalarmult_ed25519_base_noclamp(left, s)
                           : crypto_scalarmult_ed25519_noclamp(left, s, a);
    return failed == 0 && crypto_scalarmult_ed25519_noclamp(right, c, b) == 0 &&
           crypto_core_ed25519_sub(out, left, right) == 0;
}

bool vrf_verify(struct vrf_output *ret_output, const struct vrf_public *key,
                const struct vrf_proof *proof, bytes alpha)
{
    const u8 *gamma = proof->b;
    const u8 *s = proof->b + POINT_BYTES + CHALLENGE_BYTES;
    u8 c[SCALAR_BYTES] = {0};
    u8 h[POINT_BYTES];
    u8 u[POINT_BYTES];
    u8 v[POINT_BYTES];
    u8 expected[SCALAR_BYTES];
    memcpy(c, proof->b + POINT_BYTES, CHALLENGE_BYTES);
    if (!point_valid(key->b) || !point_valid(gamma) || !scalar_canonical(s)) {
        return false;
    }
    hash_to_curve(h, key, alpha);
    if (!difference(u, s, NULL, c, key->b) || !difference(v, s, h, c, gamma)) {
        return false;
    }
    challenge(expected, (const u8 *const[5]){key->b, h, gamma, u, v});
    if (memcmp(expected, c, CHALLENGE_BYTES) != 0) {
        return false;
    }
    vrf_output_of(ret_output, proof);
    return true;
}

void vrf_output_of(struct vrf_output *out, const struct vrf_proof *proof)
{
    static const u8 head[2] = {SUITE, DOMAIN_OUTPUT};
    static const u8 tail[1] = {DOMAIN_BACK};
    u8 point[POINT_BYTES];
    bool is_point = clear_cofactor(point, proof->b);
    assert_that(is_point);
    crypto_hash_sha512_state state;
    crypto_hash_sha512_init(&state);
    crypto_hash_sha512_update(&state, head, sizeof head);
    crypto_hash_sha512_update(&state, point, sizeof point);
    crypto_hash_sha512_update(&state, tail, sizeof tail);
    crypto_hash_sha512_final(&state, out->b);
}
