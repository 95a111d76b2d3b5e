/* G2 and the optimal ate pairing; see bn254.h. */
#include "crypto/bn254.h"
#include "crypto/bn254_curve.h"
#include "crypto/bn254_tower.h"

/* x and 6 x + 2 in non-adjacent form: the digits that are 1 and those that are -1. That of
 * 6 x + 2 has one more digit 1, at 65, where its loop begins. */
#define X_TOP 62u
#define X_PLUS 0x450a14044a890a01u
#define X_MINUS 0x0020815000200010u
#define LOOP_TOP 65u
#define LOOP_PLUS 0x2002004200804028u
#define LOOP_MINUS 0x82889008420a0480u

/* Pairs that share one run of the loop. */
#define BATCH_PAIRS 16u

/* Jacobian: x / z², y / z³; infinity has z = 0. */
struct g2_point {
    struct bn_fp2 x, y, z;
};
struct g2_affine {
    struct bn_fp2 x, y;
};

/* One pair of the loop; neither point is infinity and Q has order r. */
struct pair {
    struct bn_fp minus_px, py;
    struct g2_affine q, minus_q;
    struct g2_point t; /* the running multiple of Q */
};

static int digit(u64 plus, u64 minus, unsigned i)
{
    return i > 63 ? 0 : (int)(plus >> i & 1) - (int)(minus >> i & 1);
}

static void g2_from_affine(struct g2_point *out, const struct g2_affine *a)
{
    out->x = a->x;
    out->y = a->y;
    out->z = (struct bn_fp2){bn_fp_one, bn_fp_zero};
}

static void g2_neg(struct g2_affine *out, const struct g2_affine *a)
{
    out->x = a->x;
    bn_fp2_neg(&out->y, &a->y);
}

/* The tangent at a point, times 2 y z³ of it: at_0 y(P) - at_1 x(P) w + at_3 w³. It needs old x,
 * z², 2 y² and 3 x², and z of the double. */
static void g2_tangent(struct bn_line *tangent, const struct bn_fp2 *x, const struct bn_fp2 *zz,
                       const struct bn_fp2 *yy, const struct bn_fp2 *e, const struct bn_fp2 *new_z)
{
    bn_fp2_mul(&tangent->at_0, new_z, zz);
    bn_fp2_mul(&tangent->at_1, e, zz);
    bn_fp2_mul(&tangent->at_3, e, x);
    bn_fp2_sub(&tangent->at_3, &tangent->at_3, yy);
}

/* t doubles (infinity stays); tangent may be NULL. */
static void g2_double(struct g2_point *t, struct bn_line *tangent)
{
    struct bn_fp2 yy;
    struct bn_fp2 yyyy;
    struct bn_fp2 zz;
    struct bn_fp2 d; /* 4 x y² */
    struct bn_fp2 e; /* 3 x² */
    bn_fp2_square(&d, &t->x);
    bn_fp2_double(&e, &d);
    bn_fp2_add(&e, &e, &d);
    if (tangent != NULL) {
        bn_fp2_square(&zz, &t->z);
    }
    bn_fp2_square(&yy, &t->y);
    bn_fp2_double(&yy, &yy);
    bn_fp2_mul(&d, &t->x, &yy);
    bn_fp2_double(&d, &d);
    bn_fp2_square(&yyyy, &yy); /* 4 y⁴ */
    bn_fp2_double(&yyyy, &yyyy);
    bn_fp2_mul(&t->z, &t->y, &t->z);
    bn_fp2_double(&t->z, &t->z);
    if (tangent != NULL) {
        g2_tangent(tangent, &t->x, &zz, &yy, &e, &t->z);
    }
    bn_fp2_square(&t->x, &e);
    bn_fp2_sub(&t->x, &t->x, &d);
    bn_fp2_sub(&t->x, &t->x, &d);
    bn_fp2_sub(&d, &d, &t->x);
    bn_fp2_mul(&t->y, &e, &d);
    bn_fp2_sub(&t->y, &t->y, &yyyy);
}

/* h and r of the sum t + q: the differences of x and of y, times z² and z³. */
static void g2_differences(struct bn_fp2 *h, struct bn_fp2 *r, const struct g2_point *t,
                           const struct g2_affine *q)
{
    struct bn_fp2 zz;
    bn_fp2_square(&zz, &t->z);
    bn_fp2_mul(h, &q->x, &zz);
    bn_fp2_sub(h, h, &t->x);
    bn_fp2_mul(r, &zz, &t->z);
    bn_fp2_mul(r, r, &q->y);
    bn_fp2_sub(r, r, &t->y);
}

/* t becomes t + q, with their differences; h is not 0. */
static void g2_add_by(struct g2_point *t, const struct bn_fp2 *h, const struct bn_fp2 *r)
{
    struct bn_fp2 hh;
    struct bn_fp2 hhh;
    bn_fp2_mul(&t->z, &t->z, h);
    bn_fp2_square(&hh, h);
    bn_fp2_mul(&hhh, &hh, h);
    bn_fp2_mul(&hh, &hh, &t->x);
    bn_fp2_square(&t->x, r);
    bn_fp2_sub(&t->x, &t->x, &hhh);
    bn_fp2_sub(&t->x, &t->x, &hh);
    bn_fp2_sub(&t->x, &t->x, &hh);
    bn_fp2_mul(&hhh, &hhh, &t->y);
    bn_fp2_sub(&hh, &hh, &t->x);
    bn_fp2_mul(&t->y, r, &hh);
    bn_fp2_sub(&t->y, &t->y, &hhh);
}

/* As g2_double for the chord through t and q, times z of the sum. In the loop t is a multiple of q
 * other than 0, q and -q, because q has order r. */
static void g2_add_line(struct g2_point *t, const struct g2_affine *q, struct bn_line *chord)
{
    struct bn_fp2 h;
    struct bn_fp2 r;
    g2_differences(&h, &r, t, q);
    g2_add_by(t, &h, &r);
    struct bn_fp2 zy;
    chord->at_0 = t->z;
    chord->at_1 = r;
    bn_fp2_mul(&chord->at_3, &r, &q->x);
    bn_fp2_mul(&zy, &t->z, &q->y);
    bn_fp2_sub(&chord->at_3, &chord->at_3, &zy);
}

/* For any t: before the order of q is known, t may be 0, q or -q. */
static void g2_add_any(struct g2_point *t, const struct g2_affine *q)
{
    struct bn_fp2 h;
    struct bn_fp2 r;
    if (bn_fp2_is_zero(&t->z)) {
        g2_from_affine(t, q);
        return;
    }
    g2_differences(&h, &r, t, q);
    if (!bn_fp2_is_zero(&h)) {
        g2_add_by(t, &h, &r);
    } else if (bn_fp2_is_zero(&r)) {
        g2_double(t, NULL);
    } else {
        memset(t, 0, sizeof *t);
    }
}

/* False: infinity. */
static bool g2_to_affine(struct g2_affine *out, const struct g2_point *a)
{
    struct bn_fp2 inverse;
    struct bn_fp2 square;
    if (bn_fp2_is_zero(&a->z)) {
        return false;
    }
    bn_fp2_inverse(&inverse, &a->z);
    bn_fp2_square(&square, &inverse);
    bn_fp2_mul(&out->x, &a->x, &square);
    bn_fp2_mul(&square, &square, &inverse);
    bn_fp2_mul(&out->y, &a->y, &square);
    return true;
}

static void g2_mul_x(struct g2_point *out, const struct g2_affine *q)
{
    struct g2_affine minus_q;
    g2_neg(&minus_q, q);
    g2_from_affine(out, q);
    for (unsigned i = X_TOP; i-- > 0;) {
        int d = digit(X_PLUS, X_MINUS, i);
        g2_double(out, NULL);
        if (d != 0) {
            g2_add_any(out, d > 0 ? q : &minus_q);
        }
    }
}

/* The Frobenius map of the curve, seen on its twist. */
static void g2_frobenius(struct g2_affine *out, const struct g2_affine *q)
{
    bn_fp2_conjugate(&out->x, &q->x);
    bn_fp2_mul(&out->x, &out->x, &bn_xi_power[2]);
    bn_fp2_conjugate(&out->y, &q->y);
    bn_fp2_mul(&out->y, &out->y, &bn_xi_power[3]);
}

static bool g2_eq(const struct g2_point *a, const struct g2_point *b)
{
    struct bn_fp2 zz_a;
    struct bn_fp2 zz_b;
    struct bn_fp2 left;
    struct bn_fp2 right;
    if (bn_fp2_is_zero(&a->z) || bn_fp2_is_zero(&b->z)) {
        return bn_fp2_is_zero(&a->z) && bn_fp2_is_zero(&b->z);
    }
    bn_fp2_square(&zz_a, &a->z);
    bn_fp2_square(&zz_b, &b->z);
    bn_fp2_mul(&left, &a->x, &zz_b);
    bn_fp2_mul(&right, &b->x, &zz_a);
    bool same = bn_fp2_eq(&left, &right);
    bn_fp2_mul(&zz_a, &zz_a, &a->z);
    bn_fp2_mul(&zz_b, &zz_b, &b->z);
    bn_fp2_mul(&left, &a->y, &zz_b);
    bn_fp2_mul(&right, &b->y, &zz_a);
    return same && bn_fp2_eq(&left, &right);
}

/* With the Frobenius map π: (x + 1) Q + π(x Q) + π²(x Q) = 2 π³(x Q), as Dai, Lin, Zhao and Zhou
 * found (eprint 2022/348). On points of order r π multiplies by 6 x², a root of that polynomial
 * modulo r. Other points fail: where f(π) Q = 0, the norm of f(π) in Z[π], π² - t π + p = 0 with
 * t = 6 x² + 1, is 0 on Q, too; that norm is prime to the cofactor 2 p - r of the curve, so the
 * order of Q is r. */
static bool g2_has_order_r(const struct g2_affine *q)
{
    struct g2_point left;
    struct g2_point right;
    struct g2_affine multiple; /* x Q, then its images */
    g2_mul_x(&left, q);
    if (!g2_to_affine(&multiple, &left)) {
        return false;
    }
    g2_add_any(&left, q);
    g2_frobenius(&multiple, &multiple);
    g2_add_any(&left, &multiple);
    g2_frobenius(&multiple, &multiple);
    g2_add_any(&left, &multiple);
    g2_frobenius(&multiple, &multiple);
    g2_from_affine(&right, &multiple);
    g2_double(&right, NULL);
    return g2_eq(&left, &right);
}

static bool g2_on_curve(const struct g2_affine *q)
{
    static const struct bn_fp2 b = {
        /* 3 / (9 + i) */
        {{0x3bf938e377b802a8, 0x020b1b273633535d, 0x26b7edf049755260, 0x2514c6324384a86d}},
        {{0x38e7ecccd1dcff67, 0x65f0b37d93ce0d3e, 0xd749d0dd22ac00aa, 0x0141b9ce4a688d4d}}};
    struct bn_fp2 right;
    struct bn_fp2 left;
    bn_fp2_square(&right, &q->x);
    bn_fp2_mul(&right, &right, &q->x);
    bn_fp2_add(&right, &right, &b);
    bn_fp2_square(&left, &q->y);
    return bn_fp2_eq(&left, &right);
}

/* False: malformed, off the curve or of another order. */
static bool g2_read(struct g2_affine *out, bool *ret_infinity, const u8 in[BN254_G2_BYTES])
{
    if (!bn_fp_read(&out->x.im, in) || !bn_fp_read(&out->x.re, in + 32) ||
        !bn_fp_read(&out->y.im, in + 64) || !bn_fp_read(&out->y.re, in + 96)) {
        return false;
    }
    *ret_infinity = bn_fp2_is_zero(&out->x) && bn_fp2_is_zero(&out->y);
    return *ret_infinity || (g2_on_curve(out) && g2_has_order_r(out));
}

static void mul_line_at(struct bn_fp12 *f, const struct pair *pair, struct bn_line *line)
{
    bn_fp2_scale(&line->at_0, &line->at_0, &pair->py);
    bn_fp2_scale(&line->at_1, &line->at_1, &pair->minus_px);
    bn_fp12_mul_line(f, line);
}

static void add_step(struct bn_fp12 *f, struct pair *pair, const struct g2_affine *q)
{
    struct bn_line line;
    g2_add_line(&pair->t, q, &line);
    mul_line_at(f, pair, &line);
}

/* The last two lines: through π(Q) and -π²(Q); ξ to (p² - 1) / 2 is -1, so y keeps its sign. */
static void frobenius_steps(struct bn_fp12 *f, struct pair *pair)
{
    struct g2_affine image;
    g2_frobenius(&image, &pair->q);
    add_step(f, pair, &image);
    bn_fp2_scale(&image.x, &pair->q.x, &bn_xi_power_2[2]);
    image.y = pair->q.y;
    add_step(f, pair, &image);
}

/* The loop of Miller for all pairs at once: they share the squarings. */
static void miller(struct bn_fp12 *f, struct pair *pairs, size_t count)
{
    bn_fp12_set_one(f);
    for (unsigned i = LOOP_TOP; i-- > 0;) {
        int d = digit(LOOP_PLUS, LOOP_MINUS, i);
        bn_fp12_square(f, f);
        for (size_t k = 0; k < count; k++) {
            struct bn_line line;
            g2_double(&pairs[k].t, &line);
            mul_line_at(f, &pairs[k], &line);
            if (d != 0) {
                add_step(f, &pairs[k], d > 0 ? &pairs[k].q : &pairs[k].minus_q);
            }
        }
    }
    for (size_t k = 0; k < count; k++) {
        frobenius_steps(f, &pairs[k]);
    }
}

/* a to the power x, in the cyclotomic subgroup. */
static void power_x(struct bn_fp12 *out, const struct bn_fp12 *a)
{
    struct bn_fp12 inverse;
    struct bn_fp12 r = *a;
    bn_fp12_conjugate(&inverse, a);
    for (unsigned i = X_TOP; i-- > 0;) {
        int d = digit(X_PLUS, X_MINUS, i);
        bn_fp12_square_cyclotomic(&r, &r);
        if (d != 0) {
            bn_fp12_mul(&r, &r, d > 0 ? a : &inverse);
        }
    }
    *out = r;
}

/* f to (p⁶ - 1)(p² + 1): into the cyclotomic subgroup. */
static void easy_part(struct bn_fp12 *f)
{
    struct bn_fp12 t;
    bn_fp12_inverse(&t, f);
    bn_fp12_conjugate(f, f);
    bn_fp12_mul(&t, &t, f);
    bn_fp12_frobenius_2(f, &t);
    bn_fp12_mul(f, f, &t);
}

/* f to 2 x (6 x² + 3 x + 1) times (p⁴ - p² + 1) / r, written in base p (Fuentes-Castañeda et al.):
 * (1 + 6x + 12x² + 12x³) + (4x + 6x² + 12x³) p + (6x + 6x² + 12x³) p² + (-1 + 4x + 6x² + 12x³) p³.
 * The factor in front is prime to r, so the result is 1 for the same f. */
static void hard_part(struct bn_fp12 *f)
{
    struct bn_fp12 f_2x;
    struct bn_fp12 f_6xx;
    struct bn_fp12 a; /* to 6x + 6x² + 12x³ */
    struct bn_fp12 b; /* to 4x + 6x² + 12x³ */
    struct bn_fp12 t;
    power_x(&f_2x, f);
    bn_fp12_square_cyclotomic(&f_2x, &f_2x);
    bn_fp12_square_cyclotomic(&a, &f_2x);
    bn_fp12_mul(&a, &a, &f_2x); /* 6x */
    power_x(&f_6xx, &a);
    bn_fp12_square_cyclotomic(&t, &f_6xx);
    power_x(&t, &t); /* 12x³ */
    bn_fp12_mul(&a, &a, &f_6xx);
    bn_fp12_mul(&a, &a, &t);
    bn_fp12_conjugate(&t, &f_2x);
    bn_fp12_mul(&b, &a, &t);

    bn_fp12_conjugate(&t, f); /* the part of p³, then of p², p and 1 */
    bn_fp12_mul(&t, &t, &b);
    bn_fp12_frobenius(&t, &t);
    bn_fp12_mul(&t, &t, &a);
    bn_fp12_frobenius(&t, &t);
    bn_fp12_mul(&t, &t, &b);
    bn_fp12_frobenius(&t, &t);
    bn_fp12_mul(&a, &a, &f_6xx);
    bn_fp12_mul(&a, &a, f);
    bn_fp12_mul(f, &t, &a);
}

/* Adds the pair to the batch unless one of its points is infinity. */
static bool read_pair(struct pair *batch, size_t *count, const u8 in[BN254_PAIR_BYTES])
{
    struct bn_g1_affine p;
    struct pair *pair = &batch[*count];
    bool q_infinity;
    if (!bn_g1_read(&p, in) || !g2_read(&pair->q, &q_infinity, in + BN254_G1_BYTES)) {
        return false;
    }
    if (bn_g1_is_infinity(&p) || q_infinity) {
        return true;
    }
    bn_fp_neg(&pair->minus_px, &p.x);
    pair->py = p.y;
    g2_neg(&pair->minus_q, &pair->q);
    g2_from_affine(&pair->t, &pair->q);
    *count += 1;
    return true;
}

bool bn254_pairing(bool *ret_is_one, const u8 *pairs, size_t count)
{
    struct pair batch[BATCH_PAIRS];
    size_t batched = 0;
    struct bn_fp12 product;
    struct bn_fp12 f;
    bn_fp12_set_one(&product);
    for (size_t i = 0; i < count; i++) {
        if (!read_pair(batch, &batched, pairs + i * BN254_PAIR_BYTES)) {
            return false;
        }
        if (batched == BATCH_PAIRS || (i + 1 == count && batched != 0)) {
            miller(&f, batch, batched);
            bn_fp12_mul(&product, &product, &f);
            batched = 0;
        }
    }
    easy_part(&product);
    hard_part(&product);
    *ret_is_one = bn_fp12_is_one(&product);
    return true;
}
