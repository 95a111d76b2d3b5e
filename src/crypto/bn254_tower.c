#include "crypto/bn254_tower.h"

#include <gmp.h>

#define LIMBS 4

/* From p and ξ = 9 + i, in Montgomery form. */
const struct bn_fp2 bn_xi_power[6] = {
    {{{0xd35d438dc58f0d9d, 0x0a78eb28f5c70b3d, 0x666ea36f7879462c, 0x0e0a77c19a07df2f}}, {{0}}},
    {{{0xaf9ba69633144907, 0xca6b1d7387afb78a, 0x11bded5ef08a2087, 0x02f34d751a1f3a7c}},
     {{0xa222ae234c492d72, 0xd00f02a4565de15b, 0xdc2ff3a253dfc926, 0x10a75716b3899551}}},
    {{{0xb5773b104563ab30, 0x347f91c8a9aa6454, 0x7a007127242e0991, 0x1956bcd8118214ec}},
     {{0x6e849f1ea0aa4757, 0xaa1c7b6d89f89141, 0xb6e713cdfae0ca3a, 0x26694fbb4e82ebc3}}},
    {{{0xe4bbdd0c2936b629, 0xbb30f162e133bacb, 0x31a9d1b6f9645366, 0x253570bea500f8dd}},
     {{0xa1d77ce45ffe77c7, 0x07affd117826d1db, 0x6d16bd27bb7edc6b, 0x2c87200285defecc}}},
    {{{0x7361d77f843abe92, 0xa5bb2bd3273411fb, 0x9c941f314b3e2399, 0x15df9cddbb9fd3ec}},
     {{0x5dddfd154bd8c949, 0x62cb29a5a4445b60, 0x37bc870a0c7dd2b9, 0x24830a9d3171f0fd}}},
    {{{0xc970692f41690fe7, 0xe240342127694b0b, 0x32bee66b83c459e8, 0x12aabced0ab08841}},
     {{0x0d485d2340aebfa9, 0x05193418ab2fcc57, 0xd3b0a40b8a4910f5, 0x2f21ebb535d2925a}}},
};
const struct bn_fp bn_xi_power_2[6] = {
    {{0xd35d438dc58f0d9d, 0x0a78eb28f5c70b3d, 0x666ea36f7879462c, 0x0e0a77c19a07df2f}},
    {{0xca8d800500fa1bf2, 0xf0c5d61468b39769, 0x0e201271ad0d4418, 0x04290f65bad856e6}},
    {{0x3350c88e13e80b9c, 0x7dce557cdb5e56b9, 0x6001b4b8b615564a, 0x2682e617020217e0}},
    {{0x68c3488912edefaa, 0x8d087f6872aabf4f, 0x51e1a24709081231, 0x2259d6b14729c0fa}},
    {{0x71930c11d782e155, 0xa6bb947cffbe3323, 0xaa303344d4741444, 0x2c3b3f0d26594943}},
    {{0x08cfc388c494f1ab, 0x19b315148d1373d4, 0x584e90fdcb6c0213, 0x09e1685bdf2f8849}},
};

/* Extended Euclid on limbs: no allocation, and a tenth of the time of Fermat's power. */
void bn_fp_inverse(struct bn_fp *out, const struct bn_fp *a)
{
    /* 2^768 mod p: takes 1 / (a 2^256) to (1 / a) 2^256. */
    static const struct bn_fp r3 = {
        {0xb1cd6dafda1530df, 0x62f210e6a7283db6, 0xef7f0b0c0ada0afb, 0x20fd6e902d592544}};
    _Static_assert(sizeof(mp_limb_t) == sizeof(u64), "GMP's limbs are ours");
    if (bn_fp_is_zero(a)) {
        *out = bn_fp_zero;
        return;
    }
    mp_limb_t u[LIMBS + 1] = {a->l[0], a->l[1], a->l[2], a->l[3]}; /* both are destroyed */
    mp_limb_t v[LIMBS + 1] = {BN_P0, BN_P1, BN_P2, BN_P3};
    mp_limb_t gcd[LIMBS + 1];
    mp_limb_t factor[LIMBS + 1]; /* of u: gcd = 1 = u * factor mod p; its sign is its size's */
    mp_size_t size;
    (void)mpn_gcdext(gcd, factor, &size, u, LIMBS, v, LIMBS);
    struct bn_fp inverse = {{0}};
    memcpy(inverse.l, factor, (size_t)(size < 0 ? -size : size) * sizeof factor[0]);
    if (size < 0) {
        bn_fp_neg(&inverse, &inverse);
    }
    bn_fp_mul(out, &inverse, &r3);
}

bool bn_fp_read(struct bn_fp *out, const u8 in[32])
{
    static const struct bn_fp r2 = {
        /* 2^512 mod p */
        {0xf32cfc5b538afa89, 0xb5e71911d44501fb, 0x47ab1eff0a417ff6, 0x06d89f71cab8351f}};
    struct bn_fp raw = {{load_be64(in + 24), load_be64(in + 16), load_be64(in + 8), load_be64(in)}};
    u64 borrow = 0;
    (void)bn_sbb(raw.l[0], BN_P0, &borrow);
    (void)bn_sbb(raw.l[1], BN_P1, &borrow);
    (void)bn_sbb(raw.l[2], BN_P2, &borrow);
    (void)bn_sbb(raw.l[3], BN_P3, &borrow);
    if (borrow == 0) {
        return false;
    }
    bn_fp_mul(out, &raw, &r2);
    return true;
}

void bn_fp_write(u8 out[32], const struct bn_fp *a)
{
    static const struct bn_fp raw_one = {{1}};
    struct bn_fp raw;
    bn_fp_mul(&raw, a, &raw_one);
    for (size_t i = 0; i < LIMBS; i++) {
        store_be64(out + 24 - 8 * i, raw.l[i]);
    }
}

/* Karatsuba: three products instead of four. */
void bn_fp2_mul(struct bn_fp2 *out, const struct bn_fp2 *a, const struct bn_fp2 *b)
{
    struct bn_fp re;
    struct bn_fp im;
    struct bn_fp cross;
    struct bn_fp sum;
    bn_fp_add(&sum, &a->re, &a->im);
    bn_fp_add(&cross, &b->re, &b->im);
    bn_fp_mul(&cross, &sum, &cross);
    bn_fp_mul(&re, &a->re, &b->re);
    bn_fp_mul(&im, &a->im, &b->im);
    bn_fp_sub(&cross, &cross, &re);
    bn_fp_sub(&out->im, &cross, &im);
    bn_fp_sub(&out->re, &re, &im);
}

/* (re + im)(re - im) + 2 re im i. */
void bn_fp2_square(struct bn_fp2 *out, const struct bn_fp2 *a)
{
    struct bn_fp sum;
    struct bn_fp difference;
    struct bn_fp product;
    bn_fp_add(&sum, &a->re, &a->im);
    bn_fp_sub(&difference, &a->re, &a->im);
    bn_fp_mul(&product, &a->re, &a->im);
    bn_fp_mul(&out->re, &sum, &difference);
    bn_fp_double(&out->im, &product);
}

/* conjugate / norm. */
void bn_fp2_inverse(struct bn_fp2 *out, const struct bn_fp2 *a)
{
    struct bn_fp norm;
    struct bn_fp square;
    bn_fp_square(&norm, &a->re);
    bn_fp_square(&square, &a->im);
    bn_fp_add(&norm, &norm, &square);
    bn_fp_inverse(&norm, &norm);
    struct bn_fp2 conjugate;
    bn_fp2_conjugate(&conjugate, a);
    bn_fp2_scale(out, &conjugate, &norm);
}

/* Times ξ = 9 + i: (9 re - im) + (9 im + re) i. */
static void mul_by_xi(struct bn_fp2 *out, const struct bn_fp2 *a)
{
    struct bn_fp2 nine;
    struct bn_fp2 in = *a;
    bn_fp2_double(&nine, &in);
    bn_fp2_double(&nine, &nine);
    bn_fp2_double(&nine, &nine);
    bn_fp2_add(&nine, &nine, &in);
    bn_fp_sub(&out->re, &nine.re, &in.im);
    bn_fp_add(&out->im, &nine.im, &in.re);
}

static void fp6_add(struct bn_fp6 *out, const struct bn_fp6 *a, const struct bn_fp6 *b)
{
    bn_fp2_add(&out->c0, &a->c0, &b->c0);
    bn_fp2_add(&out->c1, &a->c1, &b->c1);
    bn_fp2_add(&out->c2, &a->c2, &b->c2);
}

static void fp6_sub(struct bn_fp6 *out, const struct bn_fp6 *a, const struct bn_fp6 *b)
{
    bn_fp2_sub(&out->c0, &a->c0, &b->c0);
    bn_fp2_sub(&out->c1, &a->c1, &b->c1);
    bn_fp2_sub(&out->c2, &a->c2, &b->c2);
}

static void fp6_neg(struct bn_fp6 *out, const struct bn_fp6 *a)
{
    bn_fp2_neg(&out->c0, &a->c0);
    bn_fp2_neg(&out->c1, &a->c1);
    bn_fp2_neg(&out->c2, &a->c2);
}

/* Times v: v³ = ξ. */
static void fp6_mul_by_v(struct bn_fp6 *out, const struct bn_fp6 *a)
{
    struct bn_fp2 top = a->c2;
    out->c2 = a->c1;
    out->c1 = a->c0;
    mul_by_xi(&out->c0, &top);
}

/* (a1 + a2)(b1 + b2) - x - y: the cross terms, given the products x = a1 b1 and y = a2 b2. */
static void cross_terms(struct bn_fp2 *out, const struct bn_fp2 *a1, const struct bn_fp2 *a2,
                        const struct bn_fp2 *b1, const struct bn_fp2 *b2, const struct bn_fp2 *x,
                        const struct bn_fp2 *y)
{
    struct bn_fp2 a;
    struct bn_fp2 b;
    bn_fp2_add(&a, a1, a2);
    bn_fp2_add(&b, b1, b2);
    bn_fp2_mul(&a, &a, &b);
    bn_fp2_sub(&a, &a, x);
    bn_fp2_sub(out, &a, y);
}

static void fp6_mul(struct bn_fp6 *out, const struct bn_fp6 *a, const struct bn_fp6 *b)
{
    struct bn_fp2 p0;
    struct bn_fp2 p1;
    struct bn_fp2 p2;
    struct bn_fp6 r;
    bn_fp2_mul(&p0, &a->c0, &b->c0);
    bn_fp2_mul(&p1, &a->c1, &b->c1);
    bn_fp2_mul(&p2, &a->c2, &b->c2);
    cross_terms(&r.c0, &a->c1, &a->c2, &b->c1, &b->c2, &p1, &p2);
    mul_by_xi(&r.c0, &r.c0);
    bn_fp2_add(&r.c0, &r.c0, &p0);
    cross_terms(&r.c1, &a->c0, &a->c1, &b->c0, &b->c1, &p0, &p1);
    cross_terms(&r.c2, &a->c0, &a->c2, &b->c0, &b->c2, &p0, &p2);
    bn_fp2_add(&r.c2, &r.c2, &p1);
    mul_by_xi(&p2, &p2);
    bn_fp2_add(&r.c1, &r.c1, &p2);
    *out = r;
}

/* a times (b0 + b1 v). */
static void fp6_mul_sparse(struct bn_fp6 *out, const struct bn_fp6 *a, const struct bn_fp2 *b0,
                           const struct bn_fp2 *b1)
{
    struct bn_fp2 p0;
    struct bn_fp2 p1;
    struct bn_fp6 r;
    bn_fp2_mul(&p0, &a->c0, b0);
    bn_fp2_mul(&p1, &a->c1, b1);
    bn_fp2_mul(&r.c0, &a->c2, b1);
    mul_by_xi(&r.c0, &r.c0);
    bn_fp2_add(&r.c0, &r.c0, &p0);
    cross_terms(&r.c1, &a->c0, &a->c1, b0, b1, &p0, &p1);
    bn_fp2_mul(&r.c2, &a->c2, b0);
    bn_fp2_add(&r.c2, &r.c2, &p1);
    *out = r;
}

static void fp6_scale(struct bn_fp6 *out, const struct bn_fp6 *a, const struct bn_fp2 *k)
{
    bn_fp2_mul(&out->c0, &a->c0, k);
    bn_fp2_mul(&out->c1, &a->c1, k);
    bn_fp2_mul(&out->c2, &a->c2, k);
}

/* By the adjugate of multiplication with a: (t0 + t1 v + t2 v²) / norm. */
static void fp6_inverse(struct bn_fp6 *out, const struct bn_fp6 *a)
{
    struct bn_fp6 t;
    struct bn_fp2 product;
    struct bn_fp2 norm;
    bn_fp2_square(&t.c0, &a->c0); /* a0² - ξ a1 a2 */
    bn_fp2_mul(&product, &a->c1, &a->c2);
    mul_by_xi(&product, &product);
    bn_fp2_sub(&t.c0, &t.c0, &product);
    bn_fp2_square(&t.c1, &a->c2); /* ξ a2² - a0 a1 */
    mul_by_xi(&t.c1, &t.c1);
    bn_fp2_mul(&product, &a->c0, &a->c1);
    bn_fp2_sub(&t.c1, &t.c1, &product);
    bn_fp2_square(&t.c2, &a->c1); /* a1² - a0 a2 */
    bn_fp2_mul(&product, &a->c0, &a->c2);
    bn_fp2_sub(&t.c2, &t.c2, &product);
    bn_fp2_mul(&norm, &a->c2, &t.c1); /* a0 t0 + ξ (a2 t1 + a1 t2) */
    bn_fp2_mul(&product, &a->c1, &t.c2);
    bn_fp2_add(&norm, &norm, &product);
    mul_by_xi(&norm, &norm);
    bn_fp2_mul(&product, &a->c0, &t.c0);
    bn_fp2_add(&norm, &norm, &product);
    bn_fp2_inverse(&norm, &norm);
    fp6_scale(out, &t, &norm);
}

void bn_fp12_set_one(struct bn_fp12 *out)
{
    memset(out, 0, sizeof *out);
    out->c0.c0.re = bn_fp_one;
}

bool bn_fp12_is_one(const struct bn_fp12 *a)
{
    struct bn_fp12 one;
    bn_fp12_set_one(&one);
    return memcmp(a, &one, sizeof one) == 0;
}

void bn_fp12_mul(struct bn_fp12 *out, const struct bn_fp12 *a, const struct bn_fp12 *b)
{
    struct bn_fp6 low;
    struct bn_fp6 high;
    struct bn_fp6 cross;
    struct bn_fp6 sum;
    fp6_add(&sum, &a->c0, &a->c1);
    fp6_add(&cross, &b->c0, &b->c1);
    fp6_mul(&cross, &sum, &cross);
    fp6_mul(&low, &a->c0, &b->c0);
    fp6_mul(&high, &a->c1, &b->c1);
    fp6_sub(&cross, &cross, &low);
    fp6_sub(&out->c1, &cross, &high);
    fp6_mul_by_v(&high, &high);
    fp6_add(&out->c0, &low, &high);
}

/* The line is at_0 + (at_1 + at_3 v) w. */
void bn_fp12_mul_line(struct bn_fp12 *f, const struct bn_line *line)
{
    struct bn_fp6 low;
    struct bn_fp6 high;
    struct bn_fp6 cross;
    struct bn_fp2 sum;
    fp6_scale(&low, &f->c0, &line->at_0);
    fp6_mul_sparse(&high, &f->c1, &line->at_1, &line->at_3);
    fp6_add(&cross, &f->c0, &f->c1);
    bn_fp2_add(&sum, &line->at_0, &line->at_1);
    fp6_mul_sparse(&cross, &cross, &sum, &line->at_3);
    fp6_sub(&cross, &cross, &low);
    fp6_sub(&f->c1, &cross, &high);
    fp6_mul_by_v(&high, &high);
    fp6_add(&f->c0, &low, &high);
}

/* (c0 + c1)(c0 + v c1) - p - v p + 2 p w with p = c0 c1. */
void bn_fp12_square(struct bn_fp12 *out, const struct bn_fp12 *a)
{
    struct bn_fp6 product;
    struct bn_fp6 sum;
    struct bn_fp6 other;
    fp6_mul(&product, &a->c0, &a->c1);
    fp6_add(&sum, &a->c0, &a->c1);
    fp6_mul_by_v(&other, &a->c1);
    fp6_add(&other, &other, &a->c0);
    fp6_mul(&sum, &sum, &other);
    fp6_sub(&sum, &sum, &product);
    fp6_mul_by_v(&other, &product);
    fp6_sub(&out->c0, &sum, &other);
    fp6_add(&out->c1, &product, &product);
}

/* (a + b s)² = even + odd s in Fp4 = Fp2[s] / (s² - ξ). */
static void square_fp4(struct bn_fp2 *even, struct bn_fp2 *odd, const struct bn_fp2 *a,
                       const struct bn_fp2 *b)
{
    struct bn_fp2 aa;
    struct bn_fp2 bb;
    struct bn_fp2 sum;
    bn_fp2_square(&aa, a);
    bn_fp2_square(&bb, b);
    bn_fp2_add(&sum, a, b);
    bn_fp2_square(&sum, &sum);
    bn_fp2_sub(&sum, &sum, &aa);
    bn_fp2_sub(odd, &sum, &bb);
    mul_by_xi(&bb, &bb);
    bn_fp2_add(even, &aa, &bb);
}

/* 3 square - 2 a, and 3 square + 2 a. */
static void triple_minus(struct bn_fp2 *out, const struct bn_fp2 *square, const struct bn_fp2 *a)
{
    struct bn_fp2 t;
    bn_fp2_sub(&t, square, a);
    bn_fp2_double(&t, &t);
    bn_fp2_add(out, &t, square);
}

static void triple_plus(struct bn_fp2 *out, const struct bn_fp2 *square, const struct bn_fp2 *a)
{
    struct bn_fp2 t;
    bn_fp2_add(&t, square, a);
    bn_fp2_double(&t, &t);
    bn_fp2_add(out, &t, square);
}

/* Granger and Scott 2010, section 3.2: three squarings in Fp4. */
void bn_fp12_square_cyclotomic(struct bn_fp12 *out, const struct bn_fp12 *a)
{
    struct bn_fp2 even[3];
    struct bn_fp2 odd[3];
    square_fp4(&even[0], &odd[0], &a->c0.c0, &a->c1.c1);
    square_fp4(&even[1], &odd[1], &a->c1.c0, &a->c0.c2);
    square_fp4(&even[2], &odd[2], &a->c0.c1, &a->c1.c2);
    mul_by_xi(&odd[2], &odd[2]);
    triple_minus(&out->c0.c0, &even[0], &a->c0.c0);
    triple_minus(&out->c0.c1, &even[1], &a->c0.c1);
    triple_minus(&out->c0.c2, &even[2], &a->c0.c2);
    triple_plus(&out->c1.c0, &odd[2], &a->c1.c0);
    triple_plus(&out->c1.c1, &odd[0], &a->c1.c1);
    triple_plus(&out->c1.c2, &odd[1], &a->c1.c2);
}

void bn_fp12_conjugate(struct bn_fp12 *out, const struct bn_fp12 *a)
{
    out->c0 = a->c0;
    fp6_neg(&out->c1, &a->c1);
}

/* (c0 - c1 w) / (c0² - v c1²). */
void bn_fp12_inverse(struct bn_fp12 *out, const struct bn_fp12 *a)
{
    struct bn_fp6 norm;
    struct bn_fp6 square;
    fp6_mul(&norm, &a->c0, &a->c0);
    fp6_mul(&square, &a->c1, &a->c1);
    fp6_mul_by_v(&square, &square);
    fp6_sub(&norm, &norm, &square);
    fp6_inverse(&norm, &norm);
    fp6_mul(&out->c0, &a->c0, &norm);
    fp6_neg(&norm, &norm);
    fp6_mul(&out->c1, &a->c1, &norm);
}

static void frobenius_at(struct bn_fp2 *out, const struct bn_fp2 *a, size_t power_of_w)
{
    struct bn_fp2 conjugate;
    bn_fp2_conjugate(&conjugate, a);
    bn_fp2_mul(out, &conjugate, &bn_xi_power[power_of_w]);
}

void bn_fp12_frobenius(struct bn_fp12 *out, const struct bn_fp12 *a)
{
    bn_fp2_conjugate(&out->c0.c0, &a->c0.c0);
    frobenius_at(&out->c1.c0, &a->c1.c0, 1);
    frobenius_at(&out->c0.c1, &a->c0.c1, 2);
    frobenius_at(&out->c1.c1, &a->c1.c1, 3);
    frobenius_at(&out->c0.c2, &a->c0.c2, 4);
    frobenius_at(&out->c1.c2, &a->c1.c2, 5);
}

void bn_fp12_frobenius_2(struct bn_fp12 *out, const struct bn_fp12 *a)
{
    out->c0.c0 = a->c0.c0;
    bn_fp2_scale(&out->c1.c0, &a->c1.c0, &bn_xi_power_2[1]);
    bn_fp2_scale(&out->c0.c1, &a->c0.c1, &bn_xi_power_2[2]);
    bn_fp2_scale(&out->c1.c1, &a->c1.c1, &bn_xi_power_2[3]);
    bn_fp2_scale(&out->c0.c2, &a->c0.c2, &bn_xi_power_2[4]);
    bn_fp2_scale(&out->c1.c2, &a->c1.c2, &bn_xi_power_2[5]);
}
