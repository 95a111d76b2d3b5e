/* bls12_381_curve.h: the group law and multiplication on y² = x³ + b, written once for both groups.
 *
 * A template: bls12_381_g1.c and bls12_381_g2.c include it once each, after defining
 *
 *     FIELD, FIELD_(op)    the field's struct and its functions: struct fp, fp_##op
 *     POINT, POINT_(op)    struct g1, g1_##op
 *     AFFINE               struct g1_affine
 *     CURVE_B, FIELD_ONE   constants
 *
 * and get the functions of bls12_381_point.h except subgroup tests and cofactors. Formulas: the
 * Explicit-Formulas Database, short Weierstrass, Jacobian coordinates, a = 0: dbl-2009-l,
 * add-2007-bl and madd-2007-bl.
 */
#include "base/assert.h"
#include "base/mem.h"
#include "crypto/bls12_381_constants.h"

#define MUL_TABLE 16 /* multiples of a point for four bits of the scalar */
#define SCALAR_BITS 256
#define WINDOW_BITS_MAX 12

bool POINT_(is_infinite)(const POINT *a) { return FIELD_(is_zero)(&a->z); }

static void set_infinite(POINT *out) { memset(out, 0, sizeof *out); }

void POINT_(from_affine)(POINT *out, const AFFINE *a)
{
    if (a->infinite) {
        set_infinite(out);
        return;
    }
    out->x = a->x;
    out->y = a->y;
    out->z = FIELD_ONE;
}

void POINT_(to_affine)(AFFINE *out, const POINT *a)
{
    FIELD inverse;
    FIELD square;
    AFFINE r = {.infinite = POINT_(is_infinite)(a)};
    if (!r.infinite) {
        FIELD_(inv)(&inverse, &a->z);
        FIELD_(sqr)(&square, &inverse);
        FIELD_(mul)(&r.x, &a->x, &square);
        FIELD_(mul)(&square, &square, &inverse);
        FIELD_(mul)(&r.y, &a->y, &square);
    }
    *out = r;
}

bool POINT_(on_curve)(const AFFINE *a)
{
    FIELD left;
    FIELD right;
    FIELD_(sqr)(&left, &a->y);
    FIELD_(sqr)(&right, &a->x);
    FIELD_(mul)(&right, &right, &a->x);
    FIELD_(add)(&right, &right, &CURVE_B);
    return a->infinite || FIELD_(eq)(&left, &right);
}

void POINT_(negate)(POINT *out, const POINT *a)
{
    *out = *a;
    FIELD_(neg)(&out->y, &a->y);
}

void POINT_(double)(POINT *out, const POINT *p)
{
    FIELD a;
    FIELD b;
    FIELD c;
    FIELD d;
    FIELD e;
    FIELD z;
    FIELD_(sqr)(&a, &p->x);
    FIELD_(sqr)(&b, &p->y);
    FIELD_(sqr)(&c, &b);
    FIELD_(add)(&d, &p->x, &b);
    FIELD_(sqr)(&d, &d);
    FIELD_(sub)(&d, &d, &a);
    FIELD_(sub)(&d, &d, &c);
    FIELD_(double)(&d, &d);
    FIELD_(double)(&e, &a);
    FIELD_(add)(&e, &e, &a);
    FIELD_(mul)(&z, &p->y, &p->z);
    FIELD_(double)(&out->z, &z);
    FIELD_(sqr)(&a, &e);
    FIELD_(double)(&b, &d);
    FIELD_(sub)(&out->x, &a, &b);
    FIELD_(sub)(&d, &d, &out->x);
    FIELD_(mul)(&e, &e, &d);
    FIELD_(double)(&c, &c);
    FIELD_(double)(&c, &c);
    FIELD_(double)(&c, &c);
    FIELD_(sub)(&out->y, &e, &c);
}

/* The common end of both additions: u1, s1 are a's coordinates on the common denominator; h and r
 * the differences of both, h != 0; z is the product of the denominators. */
static void add_finish(POINT *out, const FIELD *u1, const FIELD *s1, const FIELD *h, const FIELD *r,
                       const FIELD *z)
{
    FIELD hh;
    FIELD hhh;
    FIELD v;
    FIELD y;
    FIELD_(sqr)(&hh, h);
    FIELD_(mul)(&hhh, &hh, h);
    FIELD_(mul)(&v, u1, &hh);
    FIELD_(mul)(&y, s1, &hhh);
    FIELD_(mul)(&out->z, z, h);
    FIELD_(sqr)(&out->x, r);
    FIELD_(sub)(&out->x, &out->x, &hhh);
    FIELD_(sub)(&out->x, &out->x, &v);
    FIELD_(sub)(&out->x, &out->x, &v);
    FIELD_(sub)(&v, &v, &out->x);
    FIELD_(mul)(&v, &v, r);
    FIELD_(sub)(&out->y, &v, &y);
}

void POINT_(add)(POINT *out, const POINT *a, const POINT *b)
{
    FIELD za;
    FIELD zb;
    FIELD u1;
    FIELD s1;
    FIELD h;
    FIELD r;
    if (POINT_(is_infinite)(a) || POINT_(is_infinite)(b)) {
        *out = POINT_(is_infinite)(a) ? *b : *a;
        return;
    }
    FIELD_(sqr)(&za, &a->z);
    FIELD_(sqr)(&zb, &b->z);
    FIELD_(mul)(&u1, &a->x, &zb);
    FIELD_(mul)(&h, &b->x, &za);
    FIELD_(mul)(&s1, &a->y, &b->z);
    FIELD_(mul)(&s1, &s1, &zb);
    FIELD_(mul)(&r, &b->y, &a->z);
    FIELD_(mul)(&r, &r, &za);
    FIELD_(sub)(&h, &h, &u1);
    FIELD_(sub)(&r, &r, &s1);
    if (FIELD_(is_zero)(&h)) {
        if (FIELD_(is_zero)(&r)) {
            POINT_(double)(out, a);
        } else {
            set_infinite(out);
        }
        return;
    }
    FIELD_(mul)(&za, &a->z, &b->z);
    add_finish(out, &u1, &s1, &h, &r, &za);
}

void POINT_(add_affine)(POINT *out, const POINT *a, const AFFINE *b)
{
    FIELD zz;
    FIELD h;
    FIELD r;
    POINT old = *a;
    if (b->infinite || POINT_(is_infinite)(a)) {
        if (b->infinite) {
            *out = old;
        } else {
            POINT_(from_affine)(out, b);
        }
        return;
    }
    FIELD_(sqr)(&zz, &a->z);
    FIELD_(mul)(&h, &b->x, &zz);
    FIELD_(mul)(&r, &b->y, &a->z);
    FIELD_(mul)(&r, &r, &zz);
    FIELD_(sub)(&h, &h, &a->x);
    FIELD_(sub)(&r, &r, &a->y);
    if (FIELD_(is_zero)(&h)) {
        if (FIELD_(is_zero)(&r)) {
            POINT_(double)(out, a);
        } else {
            set_infinite(out);
        }
        return;
    }
    add_finish(out, &old.x, &old.y, &h, &r, &old.z);
}

void POINT_(mul)(POINT *out, const POINT *a, const u8 scalar[BLS_SCALAR_BYTES])
{
    POINT table[MUL_TABLE];
    POINT r;
    set_infinite(&table[0]);
    for (size_t i = 1; i < MUL_TABLE; i++) {
        POINT_(add)(&table[i], &table[i - 1], a);
    }
    set_infinite(&r);
    for (size_t i = 0; i < (size_t)2 * BLS_SCALAR_BYTES; i++) {
        for (size_t k = 0; k < 4; k++) {
            POINT_(double)(&r, &r);
        }
        unsigned nibble = i % 2 == 0 ? scalar[i / 2] >> 4 : scalar[i / 2] & 15u;
        if (nibble != 0) {
            POINT_(add)(&r, &r, &table[nibble]);
        }
    }
    *out = r;
}

void POINT_(mul_x)(POINT *out, const POINT *a)
{
    POINT r = *a;
    POINT base = *a;
    for (unsigned bit = 63; bit-- > 0;) {
        POINT_(double)(&r, &r);
        if (BLS_X >> bit & 1) {
            POINT_(add)(&r, &r, &base);
        }
    }
    *out = r;
}

/* scalar_bits: `count` bits of a big-endian scalar from bit `from` up, where bits below 0 and above
 * 255 are zero. */
static unsigned scalar_bits(const u8 scalar[BLS_SCALAR_BYTES], int from, unsigned count)
{
    unsigned out = 0;
    for (unsigned i = 0; i < count; i++) {
        int bit = from + (int)i;
        if (bit >= 0 && bit < SCALAR_BITS) {
            unsigned at = (unsigned)bit;
            out |= (unsigned)(scalar[BLS_SCALAR_BYTES - 1 - at / 8] >> (at % 8) & 1) << i;
        }
    }
    return out;
}

/* window_digit: Booth's digit of window w: the scalar is Σ digit(w) 2^(bits w), and every digit is
 * in [-2^(bits-1), 2^(bits-1)], which halves the number of buckets. */
static int window_digit(const u8 scalar[BLS_SCALAR_BYTES], unsigned w, unsigned bits)
{
    unsigned raw = scalar_bits(scalar, (int)(w * bits) - 1, bits + 1);
    int digit = (int)((raw + 1) >> 1);
    return raw >> bits & 1 ? digit - (1 << bits) : digit;
}

/* window_bits: the width with the least additions for so many points. */
static unsigned window_bits(size_t count)
{
    unsigned best = 2;
    u64 least = UINT64_MAX;
    for (unsigned bits = 2; bits <= WINDOW_BITS_MAX; bits++) {
        /* An addition to a bucket is three quarters of one between buckets. */
        u64 cost = (SCALAR_BITS / bits + 1) * (3 * (u64)count + 4 * ((u64)1 << bits));
        if (cost < least) {
            least = cost;
            best = bits;
        }
    }
    return best;
}

/* One window: every point goes to the bucket of its digit, then Σ i · bucket[i] by running sums. */
static void msm_window(POINT *out, POINT *buckets, size_t bucket_count, const AFFINE *points,
                       const int *digits, size_t count)
{
    POINT running;
    for (size_t i = 0; i < bucket_count; i++) {
        set_infinite(&buckets[i]);
    }
    for (size_t i = 0; i < count; i++) {
        AFFINE point = points[i];
        if (digits[i] == 0) {
            continue;
        }
        if (digits[i] < 0) {
            FIELD_(neg)(&point.y, &point.y);
        }
        size_t index = (size_t)(digits[i] < 0 ? -digits[i] : digits[i]) - 1;
        assert_that(index < bucket_count);
        POINT_(add_affine)(&buckets[index], &buckets[index], &point);
    }
    set_infinite(&running);
    set_infinite(out);
    for (size_t i = bucket_count; i-- > 0;) {
        POINT_(add)(&running, &running, &buckets[i]);
        POINT_(add)(out, out, &running);
    }
}

void POINT_(msm)(POINT *out, const AFFINE *points, size_t count, const u8 *scalars, size_t stride)
{
    POINT r;
    assert_that(count > 0);
    if (count == 1) {
        POINT_(from_affine)(&r, &points[0]);
        POINT_(mul)(out, &r, scalars);
        return;
    }
    unsigned bits = window_bits(count);
    size_t bucket_count = (size_t)1 << (bits - 1);
    POINT *buckets = mem_alloc_array(bucket_count, sizeof *buckets);
    int *digits = mem_alloc_array(count, sizeof *digits);
    set_infinite(&r);
    for (unsigned w = SCALAR_BITS / bits + 1; w-- > 0;) {
        POINT sum;
        for (unsigned i = 0; i < bits; i++) {
            POINT_(double)(&r, &r);
        }
        for (size_t i = 0; i < count; i++) {
            digits[i] = window_digit(scalars + i * stride, w, bits);
        }
        msm_window(&sum, buckets, bucket_count, points, digits, count);
        POINT_(add)(&r, &r, &sum);
    }
    mem_free(digits);
    mem_free(buckets);
    *out = r;
}
