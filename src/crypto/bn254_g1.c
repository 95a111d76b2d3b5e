/* G1: sums and multiples; see bn254.h. */
#include "crypto/bn254.h"
#include "crypto/bn254_curve.h"

/* Multiples by signed digits of five bits: odd ones of -15 to 15, at most one in five places. */
#define WINDOW_BITS 5u
#define TABLE_POINTS 8u
#define DIGITS_MAX 256u

/* Jacobian: x / z², y / z³; infinity has z = 0. */
struct g1_point {
    struct bn_fp x, y, z;
};

bool bn_g1_read(struct bn_g1_affine *out, const u8 in[64])
{
    static const struct bn_fp three = {
        {0x7a17caa950ad28d7, 0x1f6ac17ae15521b9, 0x334bea4e696bd284, 0x2a1f6744ce179d8e}};
    struct bn_fp left;
    struct bn_fp right;
    if (!bn_fp_read(&out->x, in) || !bn_fp_read(&out->y, in + 32)) {
        return false;
    }
    bn_fp_square(&right, &out->x);
    bn_fp_mul(&right, &right, &out->x);
    bn_fp_add(&right, &right, &three);
    bn_fp_square(&left, &out->y);
    return bn_fp_eq(&left, &right) || bn_g1_is_infinity(out);
}

static void g1_write(u8 out[64], const struct bn_g1_affine *a)
{
    bn_fp_write(out, &a->x);
    bn_fp_write(out + 32, &a->y);
}

static void g1_double(struct g1_point *t)
{
    struct bn_fp yy;
    struct bn_fp yyyy;
    struct bn_fp d; /* 4 x y² */
    struct bn_fp e; /* 3 x² */
    bn_fp_square(&d, &t->x);
    bn_fp_double(&e, &d);
    bn_fp_add(&e, &e, &d);
    bn_fp_square(&yy, &t->y);
    bn_fp_double(&yy, &yy);
    bn_fp_mul(&d, &t->x, &yy);
    bn_fp_double(&d, &d);
    bn_fp_square(&yyyy, &yy); /* 4 y⁴ */
    bn_fp_double(&yyyy, &yyyy);
    bn_fp_mul(&t->z, &t->y, &t->z);
    bn_fp_double(&t->z, &t->z);
    bn_fp_square(&t->x, &e);
    bn_fp_sub(&t->x, &t->x, &d);
    bn_fp_sub(&t->x, &t->x, &d);
    bn_fp_sub(&d, &d, &t->x);
    bn_fp_mul(&t->y, &e, &d);
    bn_fp_sub(&t->y, &t->y, &yyyy);
}

/* The sum by the differences of x and of y of both on common denominators; u and s are x and y of
 * t on them, z the product of both z. h is not 0. */
static void g1_sum(struct g1_point *t, const struct bn_fp *u, const struct bn_fp *s,
                   const struct bn_fp *h, const struct bn_fp *r, const struct bn_fp *z)
{
    struct bn_fp hh;
    struct bn_fp hhh;
    struct bn_fp sum;
    bn_fp_square(&hh, h);
    bn_fp_mul(&hhh, &hh, h);
    bn_fp_mul(&hh, &hh, u);
    bn_fp_square(&sum, r);
    bn_fp_sub(&sum, &sum, &hhh);
    bn_fp_sub(&sum, &sum, &hh);
    bn_fp_sub(&sum, &sum, &hh);
    bn_fp_sub(&hh, &hh, &sum);
    bn_fp_mul(&hh, &hh, r);
    bn_fp_mul(&hhh, &hhh, s);
    t->x = sum;
    bn_fp_sub(&t->y, &hh, &hhh);
    bn_fp_mul(&t->z, z, h);
}

/* t + a for any two points. */
static void g1_add(struct g1_point *t, const struct g1_point *a)
{
    struct bn_fp zz_t;
    struct bn_fp zz_a;
    struct bn_fp u;
    struct bn_fp s;
    struct bn_fp h;
    struct bn_fp r;
    if (bn_fp_is_zero(&a->z)) {
        return;
    }
    if (bn_fp_is_zero(&t->z)) {
        *t = *a;
        return;
    }
    bn_fp_square(&zz_t, &t->z);
    bn_fp_square(&zz_a, &a->z);
    bn_fp_mul(&u, &t->x, &zz_a);
    bn_fp_mul(&h, &a->x, &zz_t);
    bn_fp_sub(&h, &h, &u);
    bn_fp_mul(&s, &t->y, &zz_a);
    bn_fp_mul(&s, &s, &a->z);
    bn_fp_mul(&r, &a->y, &zz_t);
    bn_fp_mul(&r, &r, &t->z);
    bn_fp_sub(&r, &r, &s);
    if (!bn_fp_is_zero(&h)) {
        struct bn_fp z;
        bn_fp_mul(&z, &t->z, &a->z);
        g1_sum(t, &u, &s, &h, &r, &z);
    } else if (bn_fp_is_zero(&r)) {
        g1_double(t);
    } else {
        memset(t, 0, sizeof *t);
    }
}

static void g1_from_affine(struct g1_point *out, const struct bn_g1_affine *a)
{
    *out = (struct g1_point){a->x, a->y, bn_g1_is_infinity(a) ? bn_fp_zero : bn_fp_one};
}

static void g1_to_affine(struct bn_g1_affine *out, const struct g1_point *a)
{
    struct bn_fp inverse; /* 0 for infinity, which makes both coordinates 0 */
    struct bn_fp square;
    bn_fp_inverse(&inverse, &a->z);
    bn_fp_square(&square, &inverse);
    bn_fp_mul(&out->x, &a->x, &square);
    bn_fp_mul(&square, &square, &inverse);
    bn_fp_mul(&out->y, &a->y, &square);
}

/* The group's order r; G1 has no other points, so scalars count modulo r. */
static const u64 order[4] = {0x43e1f593f0000001, 0x2833e84879b97091, 0xb85045b68181585d,
                             0x30644e72e131a029};

/* k -= r if k is not below r. */
static bool reduce_once(u64 k[4])
{
    u64 difference[4];
    u64 borrow = 0;
    for (size_t i = 0; i < 4; i++) {
        difference[i] = bn_sbb(k[i], order[i], &borrow);
    }
    if (borrow != 0) {
        return false;
    }
    memcpy(k, difference, sizeof difference);
    return true;
}

/* k - d, for a digit d that makes the low bits zero; then half of it. k stays below 2^255. */
static void take_digit(u64 k[4], int d)
{
    u64 flag = 0;
    u64 magnitude = (u64)(d < 0 ? -d : d);
    for (size_t i = 0; i < 4; i++) {
        u64 word = i == 0 ? magnitude : 0;
        k[i] = d < 0 ? bn_adc(k[i], word, &flag) : bn_sbb(k[i], word, &flag);
    }
    for (size_t i = 0; i < 4; i++) {
        k[i] = k[i] >> 1 | (i < 3 ? k[i + 1] << 63 : 0);
    }
}

/* Signed digits of the scalar modulo r, least significant first; returns their number. */
static size_t recode(signed char digits[DIGITS_MAX], const u8 scalar[32])
{
    u64 k[4] = {load_be64(scalar + 24), load_be64(scalar + 16), load_be64(scalar + 8),
                load_be64(scalar)};
    size_t count = 0;
    while (reduce_once(k)) { /* at most five times: 2^256 is below 6 r */
    }
    while ((k[0] | k[1] | k[2] | k[3]) != 0) {
        int d = 0;
        if ((k[0] & 1) != 0) {
            d = (int)(k[0] & ((1u << WINDOW_BITS) - 1));
            d = d >= 1 << (WINDOW_BITS - 1) ? d - (1 << WINDOW_BITS) : d;
        }
        take_digit(k, d);
        digits[count++] = (signed char)d;
    }
    return count;
}

static void g1_mul(struct g1_point *out, const struct g1_point *point, const u8 scalar[32])
{
    signed char digits[DIGITS_MAX];
    struct g1_point odd[TABLE_POINTS]; /* 1, 3, 5 … 15 times the point */
    struct g1_point twice = *point;
    g1_double(&twice);
    odd[0] = *point;
    for (size_t i = 1; i < TABLE_POINTS; i++) {
        odd[i] = odd[i - 1];
        g1_add(&odd[i], &twice);
    }
    memset(out, 0, sizeof *out);
    for (size_t i = recode(digits, scalar); i-- > 0;) {
        g1_double(out);
        if (digits[i] != 0) {
            struct g1_point term = odd[(digits[i] < 0 ? -digits[i] : digits[i]) / 2];
            if (digits[i] < 0) {
                bn_fp_neg(&term.y, &term.y);
            }
            g1_add(out, &term);
        }
    }
}

bool bn254_add(u8 out[64], const u8 a[64], const u8 b[64])
{
    struct bn_g1_affine p;
    struct bn_g1_affine q;
    struct g1_point sum;
    struct g1_point other;
    if (!bn_g1_read(&p, a) || !bn_g1_read(&q, b)) {
        return false;
    }
    g1_from_affine(&sum, &p);
    g1_from_affine(&other, &q);
    g1_add(&sum, &other);
    g1_to_affine(&p, &sum);
    g1_write(out, &p);
    return true;
}

bool bn254_mul(u8 out[64], const u8 point[64], const u8 scalar[32])
{
    struct bn_g1_affine p;
    struct g1_point base;
    struct g1_point product;
    if (!bn_g1_read(&p, point)) {
        return false;
    }
    g1_from_affine(&base, &p);
    g1_mul(&product, &base, scalar);
    g1_to_affine(&p, &product);
    g1_write(out, &p);
    return true;
}
