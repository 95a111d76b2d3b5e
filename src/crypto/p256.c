#include "crypto/p256.h"

#include "base/assert.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/obj_mac.h>

struct verification {
    EC_GROUP *group;
    BN_CTX *ctx;
    const BIGNUM *order;
    EC_POINT *key;
    EC_POINT *sum;
    BIGNUM *x;
    BIGNUM *y;
    BIGNUM *r;
    BIGNUM *s;
    BIGNUM *digest;
};

static void open_verification(struct verification *v)
{
    v->group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
    v->ctx = BN_CTX_new();
    assert_that(v->group != NULL && v->ctx != NULL);
    v->order = EC_GROUP_get0_order(v->group);
    v->key = EC_POINT_new(v->group);
    v->sum = EC_POINT_new(v->group);
    BN_CTX_start(v->ctx);
    v->x = BN_CTX_get(v->ctx);
    v->y = BN_CTX_get(v->ctx);
    v->r = BN_CTX_get(v->ctx);
    v->s = BN_CTX_get(v->ctx);
    v->digest = BN_CTX_get(v->ctx);
    assert_that(v->key != NULL && v->sum != NULL && v->digest != NULL);
}

static void close_verification(struct verification *v)
{
    BN_CTX_end(v->ctx);
    BN_CTX_free(v->ctx);
    EC_POINT_free(v->key);
    EC_POINT_free(v->sum);
    EC_GROUP_free(v->group);
    ERR_clear_error(); /* a point off the curve leaves a note for this thread */
}

static bool read_number(BIGNUM *out, const u8 in[32]) { return BN_bin2bn(in, 32, out) != NULL; }

static bool is_scalar(const struct verification *v, const BIGNUM *number)
{
    return !BN_is_zero(number) && BN_cmp(number, v->order) < 0;
}

/* Coordinates must be reduced; OpenSSL checks the equation. */
static bool read_key(struct verification *v)
{
    const BIGNUM *field = EC_GROUP_get0_field(v->group);
    return BN_cmp(v->x, field) < 0 && BN_cmp(v->y, field) < 0 &&
           EC_POINT_set_affine_coordinates(v->group, v->key, v->x, v->y, v->ctx) == 1;
}

/* (digest / s) G + (r / s) key has r as its x, modulo the order. */
static bool holds(struct verification *v)
{
    assert_that(BN_mod_inverse(v->s, v->s, v->order, v->ctx) != NULL);
    assert_that(BN_mod_mul(v->digest, v->digest, v->s, v->order, v->ctx) == 1);
    assert_that(BN_mod_mul(v->y, v->r, v->s, v->order, v->ctx) == 1);
    assert_that(EC_POINT_mul(v->group, v->sum, v->digest, v->key, v->y, v->ctx) == 1);
    if (EC_POINT_is_at_infinity(v->group, v->sum)) {
        return false;
    }
    assert_that(EC_POINT_get_affine_coordinates(v->group, v->sum, v->x, NULL, v->ctx) == 1);
    assert_that(BN_nnmod(v->x, v->x, v->order, v->ctx) == 1);
    return BN_cmp(v->x, v->r) == 0;
}

bool p256_verify(const u8 key[64], const u8 sig[64], const u8 digest[32])
{
    struct verification v;
    open_verification(&v);
    assert_that(read_number(v.x, key) && read_number(v.y, key + 32) && read_number(v.r, sig) &&
                read_number(v.s, sig + 32) && read_number(v.digest, digest));
    bool good = is_scalar(&v, v.r) && is_scalar(&v, v.s) && read_key(&v) && holds(&v);
    close_verification(&v);
    return good;
}
