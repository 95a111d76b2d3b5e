#include "crypto/group.h"

#include "base/assert.h"
#include "base/mem.h"
#include "crypto/hash.h"

#include <secp256k1.h>
#include <secp256k1_ecdh.h>

#define DST_BYTES_MAX 255

bool scalar_add(struct secp_secret *out, const struct secp_secret *a, const struct secp_secret *b)
{
    struct secp_secret sum = *a;
    bool done = secp256k1_ec_seckey_tweak_add(secp256k1_context_static, sum.b, b->b) == 1;
    if (done) {
        *out = sum;
    }
    secp_secret_wipe(&sum);
    return done;
}

bool scalar_mul(struct secp_secret *out, const struct secp_secret *a, const struct secp_secret *b)
{
    struct secp_secret product = *a;
    bool done = secp256k1_ec_seckey_tweak_mul(secp256k1_context_static, product.b, b->b) == 1;
    if (done) {
        *out = product;
    }
    secp_secret_wipe(&product);
    return done;
}

void scalar_negate(struct secp_secret *out, const struct secp_secret *a)
{
    *out = *a;
    assert_that(secp256k1_ec_seckey_negate(secp256k1_context_static, out->b) == 1);
}

/* Numbers of 64-bit limbs, lowest first. modulus = n - 1 = 2^256 - fold. */
static const u64 modulus[4] = {0xbfd25e8cd0364140, 0xbaaedce6af48a03b, 0xfffffffffffffffe,
                               0xffffffffffffffff};
static const u64 fold[3] = {0x402da1732fc9bec0, 0x4551231950b75fc4, 0x0000000000000001};

/* subtract_once: a -= modulus if a >= modulus, without branching; a has five limbs, the result is
 * left in the low four and the fifth. */
static void subtract_once(u64 a[5])
{
    u64 less[5];
    u64 borrow = 0;
    for (size_t i = 0; i < 5; i++) {
        u128 difference = (u128)a[i] - (i < 4 ? modulus[i] : 0) - borrow;
        less[i] = (u64)difference;
        borrow = (u64)(difference >> 64) & 1;
    }
    u64 keep = 0 - borrow; /* all ones: a was below the modulus */
    for (size_t i = 0; i < 5; i++) {
        a[i] = (a[i] & keep) | (less[i] & ~keep);
    }
}

/* fold_high: low + high·(2^256 mod modulus) for a number of four low and two high limbs; the result
 * has five limbs, so high must be such that it fits. */
static void fold_high(u64 out[5], const u64 low[4], const u64 high[2])
{
    u64 sum[6] = {low[0], low[1], low[2], low[3], 0, 0};
    for (size_t i = 0; i < 2; i++) {
        u64 carry = 0;
        for (size_t j = 0; i + j < 6; j++) {
            u128 term = (u128)high[i] * (j < 3 ? fold[j] : 0) + sum[i + j] + carry;
            sum[i + j] = (u64)term;
            carry = (u64)(term >> 64);
        }
    }
    assert_that(sum[5] == 0);
    memcpy(out, sum, 5 * sizeof out[0]);
    mem_wipe(sum, sizeof sum);
}

void scalar_reduce(struct secp_secret *out, const u8 wide[48])
{
    u64 limbs[6];
    u64 r[5];
    for (size_t i = 0; i < 6; i++) {
        limbs[i] = load_be64(wide + 8 * (5 - i));
    }
    fold_high(r, limbs, limbs + 4); /* below 2^258 */
    const u64 top[2] = {r[4], 0};
    fold_high(r, r, top); /* below 2^256 + 2^131: at most one subtraction, and one to be sure */
    subtract_once(r);
    subtract_once(r);
    assert_that(r[4] == 0);
    u64 carry = 1;
    for (size_t i = 0; i < 4; i++) {
        r[i] += carry;
        carry &= (u64)(r[i] == 0);
        store_be64(out->b + 8 * (3 - i), r[i]);
    }
    mem_wipe(limbs, sizeof limbs);
    mem_wipe(r, sizeof r);
}

void scalar_hash(struct secp_secret *out, const char *dst, const struct bytes *parts, size_t count)
{
    struct digest digest;
    u8 dst_len[4];
    u8 wide[48] = {0};
    size_t len = strlen(dst);
    assert_that(len <= DST_BYTES_MAX);
    store_be32(dst_len, (u32)len);
    digest_init(&digest, DIGEST_SHA256);
    digest_update(&digest, BYTES_OF(dst_len));
    digest_update(&digest, bytes_str(dst));
    for (size_t i = 0; i < count; i++) {
        digest_update(&digest, parts[i]);
    }
    digest_final(&digest, wide + 16);
    scalar_reduce(out, wide);
    mem_wipe(wide, sizeof wide);
}

static bool parse(secp256k1_pubkey *out, const struct secp_public *point)
{
    return secp256k1_ec_pubkey_parse(secp256k1_context_static, out, point->b, sizeof point->b) == 1;
}

static void serialize(struct secp_public *out, const secp256k1_pubkey *point)
{
    size_t len = sizeof out->b;
    int done = secp256k1_ec_pubkey_serialize(secp256k1_context_static, out->b, &len, point,
                                             SECP256K1_EC_COMPRESSED);
    assert_that(done == 1 && len == sizeof out->b);
}

bool group_add(struct secp_public *out, const struct secp_public *a, const struct secp_public *b)
{
    secp256k1_pubkey left;
    secp256k1_pubkey right;
    secp256k1_pubkey sum;
    if (!parse(&left, a) || !parse(&right, b)) {
        return false;
    }
    const secp256k1_pubkey *terms[] = {&left, &right};
    if (secp256k1_ec_pubkey_combine(secp256k1_context_static, &sum, terms, 2) != 1) {
        return false;
    }
    serialize(out, &sum);
    return true;
}

/* compress: as the "hash" of an ECDH, gives the product itself. */
static int compress(unsigned char *output, const unsigned char *x32, const unsigned char *y32,
                    void *data)
{
    (void)data;
    output[0] = (unsigned char)(2 | (y32[31] & 1));
    memcpy(output + 1, x32, 32);
    return 1;
}

bool group_mul(struct secp_public *out, const struct secp_public *point,
               const struct secp_secret *scalar)
{
    secp256k1_pubkey base;
    u8 product[33];
    bool done = parse(&base, point) && secp256k1_ecdh(secp256k1_context_static, product, &base,
                                                      scalar->b, compress, NULL) == 1;
    if (done) {
        memcpy(out->b, product, sizeof product);
    }
    mem_wipe(product, sizeof product);
    return done;
}

bool group_mul_public(struct secp_public *out, const struct secp_public *point,
                      const struct secp_secret *scalar)
{
    secp256k1_pubkey base;
    if (!parse(&base, point) ||
        secp256k1_ec_pubkey_tweak_mul(secp256k1_context_static, &base, scalar->b) != 1) {
        return false;
    }
    serialize(out, &base);
    return true;
}
