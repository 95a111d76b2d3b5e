/* bn254_field.h: the base field of bn254.h; for the files of that header only.
 *
 * A number is four 64-bit limbs, least significant first, always below p, in Montgomery form: what
 * is stored is value * 2^256 mod p. p has 254 bits, so that the sum of two fits four limbs, and
 * Montgomery multiplication needs no fifth limb between its rounds (Acar's CIOS with the carry
 * bound of a modulus whose top limb is below 2^62).
 */
#ifndef CRYPTO_BN254_FIELD_H
#define CRYPTO_BN254_FIELD_H

#include "base/bytes.h"

struct bn_fp {
    u64 l[4];
};

#define BN_P0 0x3c208c16d87cfd47u
#define BN_P1 0x97816a916871ca8du
#define BN_P2 0xb85045b68181585du
#define BN_P3 0x30644e72e131a029u
#define BN_P_INVERSE 0x87d20782e4866389u /* -1 / p mod 2^64 */

static const struct bn_fp bn_fp_zero = {{0}};
/* 2^256 mod p: the number 1. */
static const struct bn_fp bn_fp_one = {
    {0xd35d438dc58f0d9d, 0x0a78eb28f5c70b3d, 0x666ea36f7879462c, 0x0e0a77c19a07df2f}};

static inline bool bn_fp_is_zero(const struct bn_fp *a)
{
    return (a->l[0] | a->l[1] | a->l[2] | a->l[3]) == 0;
}

static inline bool bn_fp_eq(const struct bn_fp *a, const struct bn_fp *b)
{
    return ((a->l[0] ^ b->l[0]) | (a->l[1] ^ b->l[1]) | (a->l[2] ^ b->l[2]) |
            (a->l[3] ^ b->l[3])) == 0;
}

/* bn_adc: a + b + *carry; bn_sbb: a - b - *borrow; both leave 0 or 1 in the flag. */
static inline u64 bn_adc(u64 a, u64 b, u64 *carry)
{
    u128 sum = (u128)a + b + *carry;
    *carry = (u64)(sum >> 64);
    return (u64)sum;
}

static inline u64 bn_sbb(u64 a, u64 b, u64 *borrow)
{
    u128 difference = (u128)a - b - *borrow;
    *borrow = (u64)(difference >> 64) & 1;
    return (u64)difference;
}

/* bn_mac: low word of sum + a * b + *carry; the high word goes to *carry. Cannot overflow. */
static inline u64 bn_mac(u64 sum, u64 a, u64 b, u64 *carry)
{
    u128 wide = (u128)a * b + sum + *carry;
    *carry = (u64)(wide >> 64);
    return (u64)wide;
}

/* bn_fp_reduce: a minus p if a is not below p; a is below 2 p. */
static inline void bn_fp_reduce(struct bn_fp *a)
{
    u64 borrow = 0;
    u64 l0 = bn_sbb(a->l[0], BN_P0, &borrow);
    u64 l1 = bn_sbb(a->l[1], BN_P1, &borrow);
    u64 l2 = bn_sbb(a->l[2], BN_P2, &borrow);
    u64 l3 = bn_sbb(a->l[3], BN_P3, &borrow);
    u64 keep = 0 - borrow;
    a->l[0] = (a->l[0] & keep) | (l0 & ~keep);
    a->l[1] = (a->l[1] & keep) | (l1 & ~keep);
    a->l[2] = (a->l[2] & keep) | (l2 & ~keep);
    a->l[3] = (a->l[3] & keep) | (l3 & ~keep);
}

static inline void bn_fp_add(struct bn_fp *out, const struct bn_fp *a, const struct bn_fp *b)
{
    u64 carry = 0;
    struct bn_fp sum;
    sum.l[0] = bn_adc(a->l[0], b->l[0], &carry);
    sum.l[1] = bn_adc(a->l[1], b->l[1], &carry);
    sum.l[2] = bn_adc(a->l[2], b->l[2], &carry);
    sum.l[3] = bn_adc(a->l[3], b->l[3], &carry);
    bn_fp_reduce(&sum);
    *out = sum;
}

static inline void bn_fp_sub(struct bn_fp *out, const struct bn_fp *a, const struct bn_fp *b)
{
    u64 borrow = 0;
    u64 l0 = bn_sbb(a->l[0], b->l[0], &borrow);
    u64 l1 = bn_sbb(a->l[1], b->l[1], &borrow);
    u64 l2 = bn_sbb(a->l[2], b->l[2], &borrow);
    u64 l3 = bn_sbb(a->l[3], b->l[3], &borrow);
    u64 mask = 0 - borrow;
    u64 carry = 0;
    out->l[0] = bn_adc(l0, BN_P0 & mask, &carry);
    out->l[1] = bn_adc(l1, BN_P1 & mask, &carry);
    out->l[2] = bn_adc(l2, BN_P2 & mask, &carry);
    out->l[3] = bn_adc(l3, BN_P3 & mask, &carry);
}

static inline void bn_fp_neg(struct bn_fp *out, const struct bn_fp *a)
{
    bn_fp_sub(out, &bn_fp_zero, a);
}

static inline void bn_fp_double(struct bn_fp *out, const struct bn_fp *a) { bn_fp_add(out, a, a); }

/* bn_fp_mul_round: t becomes (t + a * b + m * p) / 2^64 with the m that makes it whole. */
static inline __attribute__((always_inline)) void bn_fp_mul_round(u64 t[4], const struct bn_fp *a,
                                                                  u64 b)
{
    u64 high = 0;
    u64 carry = 0;
    u64 low = bn_mac(t[0], a->l[0], b, &high);
    u64 m = low * BN_P_INVERSE;
    (void)bn_mac(low, m, BN_P0, &carry);
    low = bn_mac(t[1], a->l[1], b, &high);
    t[0] = bn_mac(low, m, BN_P1, &carry);
    low = bn_mac(t[2], a->l[2], b, &high);
    t[1] = bn_mac(low, m, BN_P2, &carry);
    low = bn_mac(t[3], a->l[3], b, &high);
    t[2] = bn_mac(low, m, BN_P3, &carry);
    t[3] = carry + high;
}

static inline void bn_fp_mul(struct bn_fp *out, const struct bn_fp *a, const struct bn_fp *b)
{
    struct bn_fp t = {{0}};
    bn_fp_mul_round(t.l, a, b->l[0]);
    bn_fp_mul_round(t.l, a, b->l[1]);
    bn_fp_mul_round(t.l, a, b->l[2]);
    bn_fp_mul_round(t.l, a, b->l[3]);
    bn_fp_reduce(&t);
    *out = t;
}

static inline void bn_fp_square(struct bn_fp *out, const struct bn_fp *a) { bn_fp_mul(out, a, a); }

/* bn_fp_inverse: 1 / a; 0 for 0. */
void bn_fp_inverse(struct bn_fp *out, const struct bn_fp *a);
/* bn_fp_read: 32 bytes, big endian; false if not below p. */
MUST_USE bool bn_fp_read(struct bn_fp *out, const u8 in[32]);
void bn_fp_write(u8 out[32], const struct bn_fp *a);

#endif
