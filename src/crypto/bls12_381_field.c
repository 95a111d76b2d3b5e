#include "crypto/bls12_381_field.h"

#include "crypto/bls12_381_constants.h"

__extension__ typedef __int128 i128;

#define EXPONENT_BITS 380

static const struct fp modulus = {{FP_P0, FP_P1, FP_P2, FP_P3, FP_P4, FP_P5}};
/* (p + 1) / 4: the exponent of a square root, since p = 3 mod 4. */
static const u64 sqrt_exponent[FP_LIMBS] = {0xee7fbfffffffeaabu, 0x07aaffffac54ffffu,
                                            0xd9cc34a83dac3d89u, 0xd91dd2e13ce144afu,
                                            0x92c6e9ed90d2eb35u, 0x0680447a8e5ff9a6u};
/* (p - 1) / 2. */
static const u64 half_modulus[FP_LIMBS] = {0xdcff7fffffffd555u, 0x0f55ffff58a9ffffu,
                                           0xb39869507b587b12u, 0xb23ba5c279c2895fu,
                                           0x258dd3db21a5d66bu, 0x0d0088f51cbff34du};

/* One row of the product: t = (t + a · b + m p) / 2^64, with m chosen so that the division is
 * exact. t stays below 2p. */
static inline __attribute__((always_inline)) void mul_row(u64 t[FP_LIMBS], const u64 a[FP_LIMBS],
                                                          u64 b)
{
    u64 c = 0;
    u64 d = 0;
    u64 low = fp_limb_mac(t[0], a[0], b, &c);
    u64 m = low * FP_INV;
    fp_limb_mac(low, m, FP_P0, &d);
    t[0] = fp_limb_mac(fp_limb_mac(t[1], a[1], b, &c), m, FP_P1, &d);
    t[1] = fp_limb_mac(fp_limb_mac(t[2], a[2], b, &c), m, FP_P2, &d);
    t[2] = fp_limb_mac(fp_limb_mac(t[3], a[3], b, &c), m, FP_P3, &d);
    t[3] = fp_limb_mac(fp_limb_mac(t[4], a[4], b, &c), m, FP_P4, &d);
    t[4] = fp_limb_mac(fp_limb_mac(t[5], a[5], b, &c), m, FP_P5, &d);
    t[5] = c + d;
}

void fp_mul(struct fp *out, const struct fp *a, const struct fp *b)
{
    struct fp t = {{0}};
    mul_row(t.l, a->l, b->l[0]);
    mul_row(t.l, a->l, b->l[1]);
    mul_row(t.l, a->l, b->l[2]);
    mul_row(t.l, a->l, b->l[3]);
    mul_row(t.l, a->l, b->l[4]);
    mul_row(t.l, a->l, b->l[5]);
    fp_reduce_once(out, &t);
}

void fp_sqr(struct fp *out, const struct fp *a) { fp_mul(out, a, a); }

/* below: a < b as integers. */
static bool below(const u64 a[FP_LIMBS], const u64 b[FP_LIMBS])
{
    for (size_t i = FP_LIMBS; i-- > 0;) {
        if (a[i] != b[i]) {
            return a[i] < b[i];
        }
    }
    return false;
}

/* to_integer: leaves Montgomery form. */
static void to_integer(u64 out[FP_LIMBS], const struct fp *a)
{
    static const struct fp raw_one = {{1}};
    struct fp t;
    fp_mul(&t, a, &raw_one);
    memcpy(out, t.l, sizeof t.l);
}

bool fp_from_bytes(struct fp *out, const u8 in[FP_BYTES])
{
    struct fp raw;
    for (size_t i = 0; i < FP_LIMBS; i++) {
        raw.l[i] = load_be64(in + 8 * (FP_LIMBS - 1 - i));
    }
    if (!below(raw.l, modulus.l)) {
        return false;
    }
    fp_mul(out, &raw, &fp_r2);
    return true;
}

void fp_to_bytes(u8 out[FP_BYTES], const struct fp *a)
{
    u64 raw[FP_LIMBS];
    to_integer(raw, a);
    for (size_t i = 0; i < FP_LIMBS; i++) {
        store_be64(out + 8 * (FP_LIMBS - 1 - i), raw[i]);
    }
}

bool fp_sgn0(const struct fp *a)
{
    u64 raw[FP_LIMBS];
    to_integer(raw, a);
    return raw[0] & 1;
}

bool fp_is_larger(const struct fp *a)
{
    u64 raw[FP_LIMBS];
    to_integer(raw, a);
    return below(half_modulus, raw);
}

/* Four bits of the exponent at a time; the exponent has at most 380 bits. */
static void power(struct fp *out, const struct fp *a, const u64 exponent[FP_LIMBS])
{
    struct fp table[16];
    struct fp r = fp_one;
    table[0] = fp_one;
    for (size_t i = 1; i < COUNT_OF(table); i++) {
        fp_mul(&table[i], &table[i - 1], a);
    }
    for (unsigned bit = EXPONENT_BITS; bit > 0; bit -= 4) {
        unsigned at = bit - 4;
        for (unsigned i = 0; i < 4 && bit < EXPONENT_BITS; i++) {
            fp_sqr(&r, &r);
        }
        fp_mul(&r, &r, &table[exponent[at / 64] >> (at % 64) & 15]);
    }
    *out = r;
}

bool fp_sqrt(struct fp *out, const struct fp *a)
{
    struct fp root;
    struct fp square;
    power(&root, a, sqrt_exponent);
    fp_sqr(&square, &root);
    if (!fp_eq(&square, a)) {
        return false;
    }
    *out = root;
    return true;
}

/* Inversion is Pornin's binary GCD: 31 steps at a time on the top 33 and low 31 bits of a and b,
 * gathered in a 2 × 2 matrix that is then applied to the whole numbers. Invariants, with y the
 * element and R² = fp_r2: a · R² = y · u and b · R² = y · v (mod p). When a is 0, b is 1. */
#define GCD_STEPS 31
#define GCD_STEPS_MASK 0x7fffffffu
#define GCD_INV 0x7ffcfffdu /* -1/p mod 2^31 */

struct gcd_matrix {
    i64 f0, g0; /* the new a is (a f0 + b g0) / 2^31 */
    i64 f1, g1; /* the new b is (a f1 + b g1) / 2^31 */
};

/* window: the low 31 bits of a, and above them the 33 bits that end at bit `len` (len >= 64). */
static u64 window(const struct fp *a, unsigned len)
{
    unsigned at = len - 33;
    u64 top = a->l[at / 64] >> (at % 64);
    if (at % 64 != 0 && at / 64 + 1 < FP_LIMBS) {
        top |= a->l[at / 64 + 1] << (64 - at % 64);
    }
    return top << GCD_STEPS | (a->l[0] & GCD_STEPS_MASK);
}

static unsigned bit_length(const struct fp *a, const struct fp *b)
{
    for (size_t i = FP_LIMBS; i-- > 1;) {
        u64 both = a->l[i] | b->l[i];
        if (both != 0) {
            return (unsigned)(64 * i) + 64 - (unsigned)__builtin_clzll(both);
        }
    }
    return 64;
}

static void gcd_steps(struct gcd_matrix *m, u64 a, u64 b)
{
    i64 f0 = 1;
    i64 g0 = 0;
    i64 f1 = 0;
    i64 g1 = 1;
    for (unsigned i = 0; i < GCD_STEPS; i++) {
        /* Masks instead of branches: these conditions cannot be predicted. */
        u64 odd = 0 - (a & 1);
        u64 swap = odd & (0 - (u64)(a < b));
        u64 t = (a ^ b) & swap;
        a ^= t;
        b ^= t;
        i64 s = (f0 ^ f1) & (i64)swap;
        f0 ^= s;
        f1 ^= s;
        s = (g0 ^ g1) & (i64)swap;
        g0 ^= s;
        g1 ^= s;
        a -= b & odd;
        f0 -= f1 & (i64)odd;
        g0 -= g1 & (i64)odd;
        a >>= 1;
        f1 *= 2;
        g1 *= 2;
    }
    *m = (struct gcd_matrix){f0, g0, f1, g1};
}

/* combine: a f + b g as seven limbs, the last one signed. */
static i64 combine(u64 out[FP_LIMBS], const struct fp *a, const struct fp *b, i64 f, i64 g)
{
    i128 t = 0;
    for (size_t i = 0; i < FP_LIMBS; i++) {
        t += (i128)a->l[i] * f + (i128)b->l[i] * g;
        out[i] = (u64)t;
        t >>= 64;
    }
    return (i64)t;
}

static void shift_31(u64 t[FP_LIMBS], i64 top)
{
    for (size_t i = 0; i + 1 < FP_LIMBS; i++) {
        t[i] = t[i] >> GCD_STEPS | t[i + 1] << (64 - GCD_STEPS);
    }
    t[FP_LIMBS - 1] = t[FP_LIMBS - 1] >> GCD_STEPS | (u64)top << (64 - GCD_STEPS);
}

/* step_value: |a f + b g| / 2^31, exact; true: it was negative. */
static bool step_value(struct fp *out, const struct fp *a, const struct fp *b, i64 f, i64 g)
{
    u64 t[FP_LIMBS];
    i64 top = combine(t, a, b, f, g);
    shift_31(t, top);
    if (top < 0) {
        u64 borrow = 0;
        for (size_t i = 0; i < FP_LIMBS; i++) {
            t[i] = fp_limb_sub(0, t[i], &borrow);
        }
    }
    memcpy(out->l, t, sizeof t);
    return top < 0;
}

/* step_factor: (u f + v g) / 2^31 mod p. */
static void step_factor(struct fp *out, const struct fp *u, const struct fp *v, i64 f, i64 g)
{
    u64 t[FP_LIMBS];
    i64 top = combine(t, u, v, f, g);
    u64 m = (t[0] * GCD_INV) & GCD_STEPS_MASK;
    u64 carry = 0;
    for (size_t i = 0; i < FP_LIMBS; i++) {
        t[i] = fp_limb_mac(t[i], m, modulus.l[i], &carry);
    }
    top += (i64)carry;
    shift_31(t, top);
    struct fp r;
    memcpy(r.l, t, sizeof t);
    if (top < 0) { /* above -p */
        carry = 0;
        for (size_t i = 0; i < FP_LIMBS; i++) {
            r.l[i] = fp_limb_add(r.l[i], modulus.l[i], &carry);
        }
    }
    fp_reduce_once(out, &r);
}

void fp_inv(struct fp *out, const struct fp *y)
{
    struct fp a = *y;
    struct fp b = modulus;
    struct fp u = fp_r2;
    struct fp v = {{0}};
    while (!fp_is_zero(&a)) {
        struct gcd_matrix m;
        struct fp old = a;
        unsigned len = bit_length(&a, &b);
        gcd_steps(&m, window(&a, len), window(&b, len));
        if (step_value(&a, &old, &b, m.f0, m.g0)) {
            m.f0 = -m.f0;
            m.g0 = -m.g0;
        }
        if (step_value(&b, &old, &b, m.f1, m.g1)) {
            m.f1 = -m.f1;
            m.g1 = -m.g1;
        }
        old = u;
        step_factor(&u, &old, &v, m.f0, m.g0);
        step_factor(&v, &old, &v, m.f1, m.g1);
    }
    *out = v;
}

void fp2_mul(struct fp2 *out, const struct fp2 *a, const struct fp2 *b)
{
    struct fp aa;
    struct fp bb;
    struct fp sum_a;
    struct fp sum_b;
    fp_mul(&aa, &a->c0, &b->c0);
    fp_mul(&bb, &a->c1, &b->c1);
    fp_add(&sum_a, &a->c0, &a->c1);
    fp_add(&sum_b, &b->c0, &b->c1);
    fp_mul(&sum_a, &sum_a, &sum_b);
    fp_sub(&out->c0, &aa, &bb);
    fp_sub(&sum_a, &sum_a, &aa);
    fp_sub(&out->c1, &sum_a, &bb);
}

void fp2_sqr(struct fp2 *out, const struct fp2 *a)
{
    struct fp sum;
    struct fp difference;
    struct fp twice;
    fp_add(&sum, &a->c0, &a->c1);
    fp_sub(&difference, &a->c0, &a->c1);
    fp_double(&twice, &a->c0);
    fp_mul(&out->c1, &twice, &a->c1);
    fp_mul(&out->c0, &sum, &difference);
}

void fp2_scale(struct fp2 *out, const struct fp2 *a, const struct fp *k)
{
    fp_mul(&out->c0, &a->c0, k);
    fp_mul(&out->c1, &a->c1, k);
}

/* norm: c0² + c1², in Fp. */
static void norm(struct fp *out, const struct fp2 *a)
{
    struct fp squared;
    fp_sqr(&squared, &a->c0);
    fp_sqr(out, &a->c1);
    fp_add(out, out, &squared);
}

void fp2_inv(struct fp2 *out, const struct fp2 *a)
{
    struct fp n;
    norm(&n, a);
    fp_inv(&n, &n);
    fp2_conjugate(out, a);
    fp2_scale(out, out, &n);
}

/* A root of c0 alone: in Fp, or u times the root of -c0 (one of the two is a square). */
static bool sqrt_of_real(struct fp2 *out, const struct fp *c0)
{
    struct fp2 root = {{{0}}, {{0}}};
    struct fp minus;
    if (!fp_sqrt(&root.c0, c0)) {
        fp_neg(&minus, c0);
        if (!fp_sqrt(&root.c1, &minus)) {
            return false;
        }
    }
    *out = root;
    return true;
}

/* The complex method: if a = (x0 + x1 u)², then x0² = (c0 ± √norm) / 2 and x1 = c1 / (2 x0). a is a
 * square exactly if its norm is one in Fp, and then exactly one of the two signs fits. */
bool fp2_sqrt(struct fp2 *out, const struct fp2 *a)
{
    struct fp n;
    struct fp half_sum;
    struct fp2 root;
    if (fp_is_zero(&a->c1)) {
        return sqrt_of_real(out, &a->c0);
    }
    norm(&n, a);
    if (!fp_sqrt(&n, &n)) {
        return false;
    }
    fp_add(&half_sum, &a->c0, &n);
    fp_mul(&half_sum, &half_sum, &fp_half);
    if (!fp_sqrt(&root.c0, &half_sum)) {
        fp_sub(&half_sum, &half_sum, &n);
        if (!fp_sqrt(&root.c0, &half_sum)) {
            return false;
        }
    }
    fp_double(&n, &root.c0);
    fp_inv(&n, &n);
    fp_mul(&root.c1, &a->c1, &n);
    *out = root;
    return true;
}

bool fp2_sgn0(const struct fp2 *a)
{
    return fp_is_zero(&a->c0) ? fp_sgn0(&a->c1) : fp_sgn0(&a->c0);
}
