/* bls12_381_field.h: the base field of BLS12-381 and its quadratic extension.
 *
 * Internal to the curve's own files; users include bls12_381.h or kzg.h.
 *
 * An element of Fp is six 64-bit limbs, least significant first, in Montgomery form (a is kept as
 * a · 2^384 mod p) and always fully reduced: two elements are equal exactly if their limbs are.
 * Multiplication is the interleaved (CIOS) Montgomery product; the top bit of p's highest limb is
 * clear, so the accumulator never needs a seventh limb. Fp2 = Fp[u] / (u² + 1).
 *
 * Everything here works on public data (proofs, signatures, commitments of others), so time may
 * depend on values: branches and early exits are fine. Do not use it with secret scalars.
 *
 * Outputs may be inputs in every function. Sources: P. Montgomery 1985; Koç, Acar, Kaliski 1996;
 * RFC 9380 (sgn0, square roots); T. Pornin, "Optimized binary GCD for modular inversion", 2020.
 */
#ifndef CRYPTO_BLS12_381_FIELD_H
#define CRYPTO_BLS12_381_FIELD_H

#include "base/int.h"

#ifdef __x86_64__
#include <immintrin.h>
#endif

#define FP_LIMBS 6
#define FP_BYTES 48

/* p, least significant limb first, and -1/p mod 2^64. */
#define FP_P0 0xb9feffffffffaaabu
#define FP_P1 0x1eabfffeb153ffffu
#define FP_P2 0x6730d2a0f6b0f624u
#define FP_P3 0x64774b84f38512bfu
#define FP_P4 0x4b1ba7b6434bacd7u
#define FP_P5 0x1a0111ea397fe69au
#define FP_INV 0x89f3fffcfffcfffdu

struct fp {
    u64 l[FP_LIMBS];
};

struct fp2 {
    struct fp c0, c1; /* c0 + c1 u */
};

/* fp_limb_sub: a - b - *borrow of one limb; *borrow becomes 0 or 1. fp_limb_add likewise. Compilers
 * do not find the processor's carry in 128-bit sums, which costs a quarter of a pairing. */
static inline u64 fp_limb_sub(u64 a, u64 b, u64 *borrow)
{
#ifdef __x86_64__
    unsigned long long r;
    *borrow = _subborrow_u64((unsigned char)*borrow, a, b, &r);
    return r;
#else
    u128 t = (u128)a - b - *borrow;
    *borrow = (u64)(t >> 64) & 1;
    return (u64)t;
#endif
}

static inline u64 fp_limb_add(u64 a, u64 b, u64 *carry)
{
#ifdef __x86_64__
    unsigned long long r;
    *carry = _addcarry_u64((unsigned char)*carry, a, b, &r);
    return r;
#else
    u128 t = (u128)a + b + *carry;
    *carry = (u64)(t >> 64);
    return (u64)t;
#endif
}

/* fp_limb_mac: acc + a * b + *carry, which fits 128 bits; the high half becomes *carry. */
static inline u64 fp_limb_mac(u64 acc, u64 a, u64 b, u64 *carry)
{
    u128 t = (u128)a * b + acc + *carry;
    *carry = (u64)(t >> 64);
    return (u64)t;
}

/* fp_reduce_once: brings a value below 2p below p. */
static inline void fp_reduce_once(struct fp *out, const struct fp *a)
{
    u64 borrow = 0;
    u64 d0 = fp_limb_sub(a->l[0], FP_P0, &borrow);
    u64 d1 = fp_limb_sub(a->l[1], FP_P1, &borrow);
    u64 d2 = fp_limb_sub(a->l[2], FP_P2, &borrow);
    u64 d3 = fp_limb_sub(a->l[3], FP_P3, &borrow);
    u64 d4 = fp_limb_sub(a->l[4], FP_P4, &borrow);
    u64 d5 = fp_limb_sub(a->l[5], FP_P5, &borrow);
    u64 keep = 0 - borrow; /* all ones: a was below p */
    out->l[0] = d0 ^ ((d0 ^ a->l[0]) & keep);
    out->l[1] = d1 ^ ((d1 ^ a->l[1]) & keep);
    out->l[2] = d2 ^ ((d2 ^ a->l[2]) & keep);
    out->l[3] = d3 ^ ((d3 ^ a->l[3]) & keep);
    out->l[4] = d4 ^ ((d4 ^ a->l[4]) & keep);
    out->l[5] = d5 ^ ((d5 ^ a->l[5]) & keep);
}

static inline void fp_add(struct fp *out, const struct fp *a, const struct fp *b)
{
    struct fp sum;
    u64 carry = 0;
    sum.l[0] = fp_limb_add(a->l[0], b->l[0], &carry);
    sum.l[1] = fp_limb_add(a->l[1], b->l[1], &carry);
    sum.l[2] = fp_limb_add(a->l[2], b->l[2], &carry);
    sum.l[3] = fp_limb_add(a->l[3], b->l[3], &carry);
    sum.l[4] = fp_limb_add(a->l[4], b->l[4], &carry);
    sum.l[5] = fp_limb_add(a->l[5], b->l[5], &carry);
    fp_reduce_once(out, &sum);
}

static inline void fp_double(struct fp *out, const struct fp *a) { fp_add(out, a, a); }

static inline void fp_sub(struct fp *out, const struct fp *a, const struct fp *b)
{
    u64 borrow = 0;
    u64 d0 = fp_limb_sub(a->l[0], b->l[0], &borrow);
    u64 d1 = fp_limb_sub(a->l[1], b->l[1], &borrow);
    u64 d2 = fp_limb_sub(a->l[2], b->l[2], &borrow);
    u64 d3 = fp_limb_sub(a->l[3], b->l[3], &borrow);
    u64 d4 = fp_limb_sub(a->l[4], b->l[4], &borrow);
    u64 d5 = fp_limb_sub(a->l[5], b->l[5], &borrow);
    u64 mask = 0 - borrow;
    u64 carry = 0;
    out->l[0] = fp_limb_add(d0, FP_P0 & mask, &carry);
    out->l[1] = fp_limb_add(d1, FP_P1 & mask, &carry);
    out->l[2] = fp_limb_add(d2, FP_P2 & mask, &carry);
    out->l[3] = fp_limb_add(d3, FP_P3 & mask, &carry);
    out->l[4] = fp_limb_add(d4, FP_P4 & mask, &carry);
    out->l[5] = fp_limb_add(d5, FP_P5 & mask, &carry);
}

static inline bool fp_eq(const struct fp *a, const struct fp *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

static inline bool fp_is_zero(const struct fp *a)
{
    return (a->l[0] | a->l[1] | a->l[2] | a->l[3] | a->l[4] | a->l[5]) == 0;
}

static inline void fp_set_zero(struct fp *out) { memset(out, 0, sizeof *out); }
static inline void fp_neg(struct fp *out, const struct fp *a)
{
    static const struct fp zero;
    fp_sub(out, &zero, a);
}

/* fp_mul, fp_sqr: Montgomery product and square. */
void fp_mul(struct fp *out, const struct fp *a, const struct fp *b);
void fp_sqr(struct fp *out, const struct fp *a);
/* fp_inv: 1/a; zero for zero. */
void fp_inv(struct fp *out, const struct fp *a);
/* fp_sqrt: a root of a; false (out untouched) if a is no square. */
MUST_USE bool fp_sqrt(struct fp *out, const struct fp *a);
/* fp_from_bytes: 48 bytes, big endian; false if it is not below p. */
MUST_USE bool fp_from_bytes(struct fp *out, const u8 in[FP_BYTES]);
void fp_to_bytes(u8 out[FP_BYTES], const struct fp *a);
/* fp_sgn0: the parity of a as an integer (RFC 9380, 4.1). */
bool fp_sgn0(const struct fp *a);
/* fp_is_larger: a, as an integer, is above (p - 1) / 2: the sign in compressed points. */
bool fp_is_larger(const struct fp *a);

static inline void fp2_add(struct fp2 *out, const struct fp2 *a, const struct fp2 *b)
{
    fp_add(&out->c0, &a->c0, &b->c0);
    fp_add(&out->c1, &a->c1, &b->c1);
}

static inline void fp2_sub(struct fp2 *out, const struct fp2 *a, const struct fp2 *b)
{
    fp_sub(&out->c0, &a->c0, &b->c0);
    fp_sub(&out->c1, &a->c1, &b->c1);
}

static inline void fp2_double(struct fp2 *out, const struct fp2 *a) { fp2_add(out, a, a); }

static inline void fp2_neg(struct fp2 *out, const struct fp2 *a)
{
    fp_neg(&out->c0, &a->c0);
    fp_neg(&out->c1, &a->c1);
}

/* fp2_conjugate: c0 - c1 u, which is also a^p. */
static inline void fp2_conjugate(struct fp2 *out, const struct fp2 *a)
{
    out->c0 = a->c0;
    fp_neg(&out->c1, &a->c1);
}

/* fp2_mul_xi: a · (1 + u), the constant that the higher extensions are built with. */
static inline void fp2_mul_xi(struct fp2 *out, const struct fp2 *a)
{
    struct fp c0;
    fp_sub(&c0, &a->c0, &a->c1);
    fp_add(&out->c1, &a->c0, &a->c1);
    out->c0 = c0;
}

static inline bool fp2_eq(const struct fp2 *a, const struct fp2 *b)
{
    return fp_eq(&a->c0, &b->c0) && fp_eq(&a->c1, &b->c1);
}

static inline bool fp2_is_zero(const struct fp2 *a)
{
    return fp_is_zero(&a->c0) && fp_is_zero(&a->c1);
}

static inline void fp2_set_zero(struct fp2 *out) { memset(out, 0, sizeof *out); }

void fp2_mul(struct fp2 *out, const struct fp2 *a, const struct fp2 *b);
void fp2_sqr(struct fp2 *out, const struct fp2 *a);
/* fp2_scale: both coordinates times k. */
void fp2_scale(struct fp2 *out, const struct fp2 *a, const struct fp *k);
/* fp2_inv, fp2_sqrt, fp2_sgn0: as in Fp. */
void fp2_inv(struct fp2 *out, const struct fp2 *a);
MUST_USE bool fp2_sqrt(struct fp2 *out, const struct fp2 *a);
bool fp2_sgn0(const struct fp2 *a);

#endif
