#include "crypto/bls12_381_pairing.h"

/* A line through points of the twist, untwisted, evaluated at (xP, yP) and scaled by w³ and by a
 * factor of Fp2 (the final exponentiation removes both): l0 + l2 xP w² + l3 yP w³. */
struct line {
    struct fp2 l0, l2, l3;
};

void pairing_init(struct pairing *pairing)
{
    fp12_set_one(&pairing->product);
    pairing->waiting = 0;
}

/* line_double: t = 2 t, and the tangent at the old t. With E = 3 X², B = Y²:
 * l0 = E X - 2 B, l2 = -E Z², l3 = Z' Z² (Z' = 2 Y Z). */
static void line_double(struct line *line, struct g2 *t)
{
    struct fp2 zz;
    struct fp2 e;
    struct fp2 b;
    fp2_sqr(&zz, &t->z);
    fp2_sqr(&b, &t->x);
    fp2_double(&e, &b);
    fp2_add(&e, &e, &b);
    fp2_sqr(&b, &t->y);
    fp2_double(&b, &b);
    fp2_mul(&line->l0, &e, &t->x);
    fp2_sub(&line->l0, &line->l0, &b);
    fp2_mul(&line->l2, &e, &zz);
    fp2_neg(&line->l2, &line->l2);
    g2_double(t, t);
    fp2_mul(&line->l3, &t->z, &zz);
}

/* line_add: t = t + q, and the chord. With R the difference of the y, Z' the new Z:
 * l0 = R xQ - yQ Z', l2 = -R, l3 = Z'. t and q differ and are not opposite: t = k q, 1 < k < r. */
static void line_add(struct line *line, struct g2 *t, const struct g2_affine *q)
{
    struct fp2 r;
    struct fp2 s;
    fp2_sqr(&s, &t->z);
    fp2_mul(&s, &s, &t->z);
    fp2_mul(&r, &q->y, &s);
    fp2_sub(&r, &r, &t->y);
    g2_add_affine(t, t, q);
    fp2_mul(&line->l0, &r, &q->x);
    fp2_mul(&s, &q->y, &t->z);
    fp2_sub(&line->l0, &line->l0, &s);
    fp2_neg(&line->l2, &r);
    line->l3 = t->z;
}

static void take_line(struct fp12 *f, struct line *line, const struct g1_affine *p)
{
    fp2_scale(&line->l2, &line->l2, &p->x);
    fp2_scale(&line->l3, &line->l3, &p->y);
    fp12_mul_line(f, f, &line->l0, &line->l2, &line->l3);
}

/* The Miller loop of all waiting pairs. The parameter is negative, so f is conjugated at the end.
 */
static void run_waiting(struct pairing *pairing)
{
    struct g2 t[PAIRING_GROUP];
    struct fp12 f;
    struct line line;
    fp12_set_one(&f);
    for (size_t i = 0; i < pairing->waiting; i++) {
        g2_from_affine(&t[i], &pairing->q[i]);
    }
    for (unsigned bit = 63; bit-- > 0;) {
        fp12_sqr(&f, &f);
        for (size_t i = 0; i < pairing->waiting; i++) {
            line_double(&line, &t[i]);
            take_line(&f, &line, &pairing->p[i]);
            if (BLS_X >> bit & 1) {
                line_add(&line, &t[i], &pairing->q[i]);
                take_line(&f, &line, &pairing->p[i]);
            }
        }
    }
    fp12_conjugate(&f, &f);
    fp12_mul(&pairing->product, &pairing->product, &f);
    pairing->waiting = 0;
}

void pairing_add(struct pairing *pairing, const struct g1_affine *p, const struct g2_affine *q)
{
    if (p->infinite || q->infinite) {
        return;
    }
    if (pairing->waiting == PAIRING_GROUP) {
        run_waiting(pairing);
    }
    pairing->p[pairing->waiting] = *p;
    pairing->q[pairing->waiting] = *q;
    pairing->waiting++;
}

/* power_x: a^x for a in the cyclotomic subgroup; x is negative. */
static void power_x(struct fp12 *out, const struct fp12 *a)
{
    struct fp12 r = *a;
    for (unsigned bit = 63; bit-- > 0;) {
        fp12_cyclotomic_sqr(&r, &r);
        if (BLS_X >> bit & 1) {
            fp12_mul(&r, &r, a);
        }
    }
    fp12_conjugate(out, &r);
}

/* power_x_minus_1: a^(x - 1). */
static void power_x_minus_1(struct fp12 *out, const struct fp12 *a)
{
    struct fp12 inverse;
    fp12_conjugate(&inverse, a);
    power_x(out, a);
    fp12_mul(out, out, &inverse);
}

/* f^((p^12 - 1) / r · 3): easy part (p^6 - 1)(p² + 1), then (x - 1)² (x + p)(x² + p² - 1) + 3. */
static void final_exponentiation(struct fp12 *out, const struct fp12 *f)
{
    struct fp12 easy;
    struct fp12 a;
    struct fp12 b;
    struct fp12 t;
    fp12_inv(&t, f);
    fp12_conjugate(&easy, f);
    fp12_mul(&easy, &easy, &t);
    fp12_frobenius(&t, &easy);
    fp12_frobenius(&t, &t);
    fp12_mul(&easy, &easy, &t);

    power_x_minus_1(&a, &easy);
    power_x_minus_1(&b, &a);
    power_x(&a, &b);
    fp12_frobenius(&b, &b);
    fp12_mul(&a, &a, &b); /* the power x + p */
    power_x(&b, &a);
    power_x(&b, &b);
    fp12_frobenius(&t, &a);
    fp12_frobenius(&t, &t);
    fp12_mul(&b, &b, &t);
    fp12_conjugate(&a, &a);
    fp12_mul(&b, &b, &a); /* the power x² + p² - 1 */
    fp12_cyclotomic_sqr(&t, &easy);
    fp12_mul(&t, &t, &easy);
    fp12_mul(out, &b, &t);
}

void pairing_finish(struct fp12 *out, struct pairing *pairing)
{
    if (pairing->waiting > 0) {
        run_waiting(pairing);
    }
    final_exponentiation(out, &pairing->product);
}
