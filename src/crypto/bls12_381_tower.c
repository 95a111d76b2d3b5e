#include "crypto/bls12_381_tower.h"

#include "crypto/bls12_381_constants.h"

static void fp6_add(struct fp6 *out, const struct fp6 *a, const struct fp6 *b)
{
    fp2_add(&out->c0, &a->c0, &b->c0);
    fp2_add(&out->c1, &a->c1, &b->c1);
    fp2_add(&out->c2, &a->c2, &b->c2);
}

static void fp6_sub(struct fp6 *out, const struct fp6 *a, const struct fp6 *b)
{
    fp2_sub(&out->c0, &a->c0, &b->c0);
    fp2_sub(&out->c1, &a->c1, &b->c1);
    fp2_sub(&out->c2, &a->c2, &b->c2);
}

static void fp6_neg(struct fp6 *out, const struct fp6 *a)
{
    fp2_neg(&out->c0, &a->c0);
    fp2_neg(&out->c1, &a->c1);
    fp2_neg(&out->c2, &a->c2);
}

/* fp6_mul_v: a · v. */
static void fp6_mul_v(struct fp6 *out, const struct fp6 *a)
{
    struct fp2 c0;
    fp2_mul_xi(&c0, &a->c2);
    out->c2 = a->c1;
    out->c1 = a->c0;
    out->c0 = c0;
}

/* cross: (a + b)(c + d) - ac - bd = ad + bc. */
static void cross(struct fp2 *out, const struct fp2 *a, const struct fp2 *b, const struct fp2 *c,
                  const struct fp2 *d, const struct fp2 *ac, const struct fp2 *bd)
{
    struct fp2 left;
    struct fp2 right;
    fp2_add(&left, a, b);
    fp2_add(&right, c, d);
    fp2_mul(&left, &left, &right);
    fp2_sub(&left, &left, ac);
    fp2_sub(out, &left, bd);
}

static void fp6_mul(struct fp6 *out, const struct fp6 *a, const struct fp6 *b)
{
    struct fp2 v0;
    struct fp2 v1;
    struct fp2 v2;
    struct fp6 r;
    fp2_mul(&v0, &a->c0, &b->c0);
    fp2_mul(&v1, &a->c1, &b->c1);
    fp2_mul(&v2, &a->c2, &b->c2);
    cross(&r.c0, &a->c1, &a->c2, &b->c1, &b->c2, &v1, &v2);
    cross(&r.c1, &a->c0, &a->c1, &b->c0, &b->c1, &v0, &v1);
    cross(&r.c2, &a->c0, &a->c2, &b->c0, &b->c2, &v0, &v2);
    fp2_mul_xi(&r.c0, &r.c0);
    fp2_add(&r.c0, &r.c0, &v0);
    fp2_mul_xi(&v2, &v2);
    fp2_add(&r.c1, &r.c1, &v2);
    fp2_add(&r.c2, &r.c2, &v1);
    *out = r;
}

/* fp6_mul_01: a · (b0 + b1 v). */
static void fp6_mul_01(struct fp6 *out, const struct fp6 *a, const struct fp2 *b0,
                       const struct fp2 *b1)
{
    struct fp2 v0;
    struct fp2 v1;
    struct fp2 t;
    struct fp6 r;
    fp2_mul(&v0, &a->c0, b0);
    fp2_mul(&v1, &a->c1, b1);
    cross(&r.c1, &a->c0, &a->c1, b0, b1, &v0, &v1);
    fp2_mul(&t, &a->c2, b1);
    fp2_mul_xi(&t, &t);
    fp2_add(&r.c0, &v0, &t);
    fp2_mul(&t, &a->c2, b0);
    fp2_add(&r.c2, &v1, &t);
    *out = r;
}

/* fp6_mul_1: a · b1 v. */
static void fp6_mul_1(struct fp6 *out, const struct fp6 *a, const struct fp2 *b1)
{
    struct fp2 t;
    fp2_mul(&t, &a->c2, b1);
    fp2_mul(&out->c2, &a->c1, b1);
    fp2_mul(&out->c1, &a->c0, b1);
    fp2_mul_xi(&out->c0, &t);
}

static void fp6_inv(struct fp6 *out, const struct fp6 *a)
{
    struct fp2 t;
    struct fp2 norm;
    struct fp6 r;
    fp2_sqr(&r.c0, &a->c0);
    fp2_mul(&t, &a->c1, &a->c2);
    fp2_mul_xi(&t, &t);
    fp2_sub(&r.c0, &r.c0, &t);
    fp2_sqr(&r.c1, &a->c2);
    fp2_mul_xi(&r.c1, &r.c1);
    fp2_mul(&t, &a->c0, &a->c1);
    fp2_sub(&r.c1, &r.c1, &t);
    fp2_sqr(&r.c2, &a->c1);
    fp2_mul(&t, &a->c0, &a->c2);
    fp2_sub(&r.c2, &r.c2, &t);
    fp2_mul(&norm, &a->c2, &r.c1);
    fp2_mul(&t, &a->c1, &r.c2);
    fp2_add(&norm, &norm, &t);
    fp2_mul_xi(&norm, &norm);
    fp2_mul(&t, &a->c0, &r.c0);
    fp2_add(&norm, &norm, &t);
    fp2_inv(&norm, &norm);
    fp2_mul(&out->c0, &r.c0, &norm);
    fp2_mul(&out->c1, &r.c1, &norm);
    fp2_mul(&out->c2, &r.c2, &norm);
}

void fp12_set_one(struct fp12 *out)
{
    memset(out, 0, sizeof *out);
    out->c0.c0.c0 = fp_one;
}

bool fp12_is_one(const struct fp12 *a)
{
    struct fp12 one;
    fp12_set_one(&one);
    return memcmp(a, &one, sizeof one) == 0;
}

void fp12_mul(struct fp12 *out, const struct fp12 *a, const struct fp12 *b)
{
    struct fp6 aa;
    struct fp6 bb;
    struct fp6 left;
    struct fp6 right;
    fp6_mul(&aa, &a->c0, &b->c0);
    fp6_mul(&bb, &a->c1, &b->c1);
    fp6_add(&left, &a->c0, &a->c1);
    fp6_add(&right, &b->c0, &b->c1);
    fp6_mul(&left, &left, &right);
    fp6_sub(&left, &left, &aa);
    fp6_sub(&out->c1, &left, &bb);
    fp6_mul_v(&bb, &bb);
    fp6_add(&out->c0, &aa, &bb);
}

/* (c0 + c1)(c0 + c1 v) - c0 c1 - c0 c1 v = c0² + c1² v. */
void fp12_sqr(struct fp12 *out, const struct fp12 *a)
{
    struct fp6 product;
    struct fp6 sum;
    struct fp6 t;
    fp6_mul(&product, &a->c0, &a->c1);
    fp6_add(&sum, &a->c0, &a->c1);
    fp6_mul_v(&t, &a->c1);
    fp6_add(&t, &t, &a->c0);
    fp6_mul(&sum, &sum, &t);
    fp6_sub(&sum, &sum, &product);
    fp6_add(&out->c1, &product, &product);
    fp6_mul_v(&product, &product);
    fp6_sub(&out->c0, &sum, &product);
}

void fp12_inv(struct fp12 *out, const struct fp12 *a)
{
    struct fp6 norm;
    struct fp6 t;
    fp6_mul(&norm, &a->c0, &a->c0);
    fp6_mul(&t, &a->c1, &a->c1);
    fp6_mul_v(&t, &t);
    fp6_sub(&norm, &norm, &t);
    fp6_inv(&norm, &norm);
    fp6_neg(&t, &a->c1);
    fp6_mul(&out->c0, &a->c0, &norm);
    fp6_mul(&out->c1, &t, &norm);
}

void fp12_conjugate(struct fp12 *out, const struct fp12 *a)
{
    out->c0 = a->c0;
    fp6_neg(&out->c1, &a->c1);
}

static void frobenius_one(struct fp2 *out, const struct fp2 *a, size_t power_of_w)
{
    fp2_conjugate(out, a);
    fp2_mul(out, out, &bls_frobenius[power_of_w]);
}

void fp12_frobenius(struct fp12 *out, const struct fp12 *a)
{
    fp2_conjugate(&out->c0.c0, &a->c0.c0);
    frobenius_one(&out->c1.c0, &a->c1.c0, 1);
    frobenius_one(&out->c0.c1, &a->c0.c1, 2);
    frobenius_one(&out->c1.c1, &a->c1.c1, 3);
    frobenius_one(&out->c0.c2, &a->c0.c2, 4);
    frobenius_one(&out->c1.c2, &a->c1.c2, 5);
}

/* The line is l0 + l2 v in the first half and l3 v in the second. */
void fp12_mul_line(struct fp12 *out, const struct fp12 *a, const struct fp2 *l0,
                   const struct fp2 *l2, const struct fp2 *l3)
{
    struct fp6 aa;
    struct fp6 bb;
    struct fp6 sum;
    struct fp2 l23;
    fp6_mul_01(&aa, &a->c0, l0, l2);
    fp6_mul_1(&bb, &a->c1, l3);
    fp6_add(&sum, &a->c0, &a->c1);
    fp2_add(&l23, l2, l3);
    fp6_mul_01(&sum, &sum, l0, &l23);
    fp6_sub(&sum, &sum, &aa);
    fp6_sub(&out->c1, &sum, &bb);
    fp6_mul_v(&bb, &bb);
    fp6_add(&out->c0, &aa, &bb);
}

/* fp4_sqr: (a + b s)² with s² = ξ. */
static void fp4_sqr(struct fp2 *ret_c0, struct fp2 *ret_c1, const struct fp2 *a,
                    const struct fp2 *b)
{
    struct fp2 aa;
    struct fp2 bb;
    struct fp2 sum;
    fp2_sqr(&aa, a);
    fp2_sqr(&bb, b);
    fp2_add(&sum, a, b);
    fp2_sqr(&sum, &sum);
    fp2_sub(&sum, &sum, &aa);
    fp2_sub(ret_c1, &sum, &bb);
    fp2_mul_xi(&bb, &bb);
    fp2_add(ret_c0, &aa, &bb);
}

/* triple_minus: 3 t - 2 z; triple_plus: 3 t + 2 z. */
static void triple_minus(struct fp2 *out, const struct fp2 *t, const struct fp2 *z)
{
    struct fp2 d;
    fp2_sub(&d, t, z);
    fp2_double(&d, &d);
    fp2_add(out, &d, t);
}

static void triple_plus(struct fp2 *out, const struct fp2 *t, const struct fp2 *z)
{
    struct fp2 d;
    fp2_add(&d, t, z);
    fp2_double(&d, &d);
    fp2_add(out, &d, t);
}

void fp12_cyclotomic_sqr(struct fp12 *out, const struct fp12 *a)
{
    struct fp2 a0;
    struct fp2 a1;
    struct fp2 b0;
    struct fp2 b1;
    struct fp2 c0;
    struct fp2 c1;
    fp4_sqr(&a0, &a1, &a->c0.c0, &a->c1.c1);
    fp4_sqr(&b0, &b1, &a->c1.c0, &a->c0.c2);
    fp4_sqr(&c0, &c1, &a->c0.c1, &a->c1.c2);
    fp2_mul_xi(&c1, &c1);
    triple_minus(&out->c0.c0, &a0, &a->c0.c0);
    triple_minus(&out->c0.c1, &b0, &a->c0.c1);
    triple_minus(&out->c0.c2, &c0, &a->c0.c2);
    triple_plus(&out->c1.c0, &c1, &a->c1.c0);
    triple_plus(&out->c1.c1, &a1, &a->c1.c1);
    triple_plus(&out->c1.c2, &b1, &a->c1.c2);
}
