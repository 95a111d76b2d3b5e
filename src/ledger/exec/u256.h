/* u256.h: 256-bit unsigned integers, four 64-bit limbs, least significant first.
 *
 * Balances, amounts and EVM words. Two families:
 *
 * - Checked (u256_add, u256_sub, u256_mul …): false on overflow, and *ret untouched. Money uses
 *   nothing else, so it is never truncated.
 * - Of a word (word_add, word_div …): what the EVM's instructions do: modulo 2^256, division by
 *   zero is zero, signed ones read two's complement. Shifts and byte indexes take the whole word as
 *   operand, as the instructions do.
 *
 * Long division is Knuth's algorithm D (TAOCP 4.3.1) with the reciprocal of Möller and Granlund
 * ("Improved division by invariant integers", 2011).
 */
#ifndef LEDGER_EXEC_U256_H
#define LEDGER_EXEC_U256_H

#include "base/bytes.h"

struct u256 {
    u64 limb[4];
};

static inline struct u256 u256_from_u64(u64 v) { return (struct u256){{v, 0, 0, 0}}; }

static inline struct u256 u256_from_be(const u8 in[32])
{
    return (struct u256){
        {load_be64(in + 24), load_be64(in + 16), load_be64(in + 8), load_be64(in)}};
}

static inline void u256_to_be(u8 out[32], struct u256 v)
{
    store_be64(out, v.limb[3]);
    store_be64(out + 8, v.limb[2]);
    store_be64(out + 16, v.limb[1]);
    store_be64(out + 24, v.limb[0]);
}

static inline bool u256_is_zero(struct u256 v)
{
    return (v.limb[0] | v.limb[1] | v.limb[2] | v.limb[3]) == 0;
}

static inline bool u256_eq(struct u256 a, struct u256 b)
{
    return ((a.limb[0] ^ b.limb[0]) | (a.limb[1] ^ b.limb[1]) | (a.limb[2] ^ b.limb[2]) |
            (a.limb[3] ^ b.limb[3])) == 0;
}

int u256_cmp(struct u256 a, struct u256 b);
MUST_USE bool u256_add(struct u256 *ret, struct u256 a, struct u256 b);
MUST_USE bool u256_sub(struct u256 *ret, struct u256 a, struct u256 b);
MUST_USE bool u256_mul(struct u256 *ret, struct u256 a, struct u256 b);
/* u256_mul_u64: checked; u256_div_u64: d > 0, *ret_rest may be NULL. */
MUST_USE bool u256_mul_u64(struct u256 *ret, struct u256 a, u64 b);
struct u256 u256_div_u64(struct u256 a, u64 d, u64 *ret_rest);
MUST_USE bool u256_to_u64(u64 *ret, struct u256 v);
/* u256_decimal: at most 78 digits and a zero. u256_parse_decimal: digits only. */
void u256_decimal(char out[80], struct u256 v);
MUST_USE bool u256_parse_decimal(struct u256 *ret, bytes digits);

/* --- words --- */

static inline struct u256 word_add(struct u256 a, struct u256 b)
{
    struct u256 r;
    u128 sum = (u128)a.limb[0] + b.limb[0];
    r.limb[0] = (u64)sum;
    sum = (u128)a.limb[1] + b.limb[1] + (u64)(sum >> 64);
    r.limb[1] = (u64)sum;
    sum = (u128)a.limb[2] + b.limb[2] + (u64)(sum >> 64);
    r.limb[2] = (u64)sum;
    r.limb[3] = a.limb[3] + b.limb[3] + (u64)(sum >> 64);
    return r;
}

static inline struct u256 word_sub(struct u256 a, struct u256 b)
{
    struct u256 r;
    u128 rest = (u128)a.limb[0] - b.limb[0];
    r.limb[0] = (u64)rest;
    rest = (u128)a.limb[1] - b.limb[1] - ((u64)(rest >> 64) & 1);
    r.limb[1] = (u64)rest;
    rest = (u128)a.limb[2] - b.limb[2] - ((u64)(rest >> 64) & 1);
    r.limb[2] = (u64)rest;
    r.limb[3] = a.limb[3] - b.limb[3] - ((u64)(rest >> 64) & 1);
    return r;
}

static inline struct u256 word_neg(struct u256 a) { return word_sub(u256_from_u64(0), a); }

static inline struct u256 word_mul(struct u256 a, struct u256 b)
{
    struct u256 r;
    u128 t = (u128)a.limb[0] * b.limb[0];
    r.limb[0] = (u64)t;
    t = (u128)a.limb[0] * b.limb[1] + (u64)(t >> 64);
    u64 r1 = (u64)t;
    t = (u128)a.limb[0] * b.limb[2] + (u64)(t >> 64);
    u64 r2 = (u64)t;
    u64 r3 = a.limb[0] * b.limb[3] + (u64)(t >> 64);
    t = (u128)a.limb[1] * b.limb[0] + r1;
    r.limb[1] = (u64)t;
    t = (u128)a.limb[1] * b.limb[1] + r2 + (u64)(t >> 64);
    r2 = (u64)t;
    r3 += a.limb[1] * b.limb[2] + (u64)(t >> 64);
    t = (u128)a.limb[2] * b.limb[0] + r2;
    r.limb[2] = (u64)t;
    r.limb[3] = r3 + a.limb[2] * b.limb[1] + a.limb[3] * b.limb[0] + (u64)(t >> 64);
    return r;
}

static inline bool word_lt(struct u256 a, struct u256 b)
{
    u128 rest = (u128)a.limb[0] - b.limb[0];
    rest = (u128)a.limb[1] - b.limb[1] - ((u64)(rest >> 64) & 1);
    rest = (u128)a.limb[2] - b.limb[2] - ((u64)(rest >> 64) & 1);
    rest = (u128)a.limb[3] - b.limb[3] - ((u64)(rest >> 64) & 1);
    return ((u64)(rest >> 64) & 1) != 0;
}

static inline bool word_is_negative(struct u256 a) { return a.limb[3] >> 63 != 0; }

static inline bool word_slt(struct u256 a, struct u256 b)
{
    bool negative = word_is_negative(a);
    return negative != word_is_negative(b) ? negative : word_lt(a, b);
}

static inline struct u256 word_and(struct u256 a, struct u256 b)
{
    return (struct u256){{a.limb[0] & b.limb[0], a.limb[1] & b.limb[1], a.limb[2] & b.limb[2],
                          a.limb[3] & b.limb[3]}};
}

static inline struct u256 word_or(struct u256 a, struct u256 b)
{
    return (struct u256){{a.limb[0] | b.limb[0], a.limb[1] | b.limb[1], a.limb[2] | b.limb[2],
                          a.limb[3] | b.limb[3]}};
}

static inline struct u256 word_xor(struct u256 a, struct u256 b)
{
    return (struct u256){{a.limb[0] ^ b.limb[0], a.limb[1] ^ b.limb[1], a.limb[2] ^ b.limb[2],
                          a.limb[3] ^ b.limb[3]}};
}

static inline struct u256 word_not(struct u256 a)
{
    return (struct u256){{~a.limb[0], ~a.limb[1], ~a.limb[2], ~a.limb[3]}};
}

/* Whether an operand is a number below `limit`. */
static inline bool word_below(struct u256 a, u64 limit)
{
    return (a.limb[1] | a.limb[2] | a.limb[3]) == 0 && a.limb[0] < limit;
}

static inline struct u256 word_shl(struct u256 by, struct u256 a)
{
    if (!word_below(by, 256)) {
        return u256_from_u64(0);
    }
    u64 low[8] = {0, 0, 0, 0, a.limb[0], a.limb[1], a.limb[2], a.limb[3]};
    const u64 *at = low + 4 - by.limb[0] / 64;
    unsigned bits = by.limb[0] % 64;
    if (bits == 0) {
        return (struct u256){{at[0], at[1], at[2], at[3]}};
    }
    unsigned rest = 64 - bits;
    u64 below = by.limb[0] / 64 == 4 ? 0 : at[-1];
    return (struct u256){{at[0] << bits | below >> rest, at[1] << bits | at[0] >> rest,
                          at[2] << bits | at[1] >> rest, at[3] << bits | at[2] >> rest}};
}

/* A right shift by less than 256 that fills with `fill` (zeros or ones). */
static inline struct u256 word_shift_right(u64 by, struct u256 a, u64 fill)
{
    u64 high[9] = {a.limb[0], a.limb[1], a.limb[2], a.limb[3], fill, fill, fill, fill, fill};
    const u64 *at = high + by / 64;
    unsigned bits = by % 64;
    if (bits == 0) {
        return (struct u256){{at[0], at[1], at[2], at[3]}};
    }
    unsigned rest = 64 - bits;
    return (struct u256){{at[0] >> bits | at[1] << rest, at[1] >> bits | at[2] << rest,
                          at[2] >> bits | at[3] << rest, at[3] >> bits | at[4] << rest}};
}

static inline struct u256 word_shr(struct u256 by, struct u256 a)
{
    return word_below(by, 256) ? word_shift_right(by.limb[0], a, 0) : u256_from_u64(0);
}

static inline struct u256 word_sar(struct u256 by, struct u256 a)
{
    u64 fill = word_is_negative(a) ? UINT64_MAX : 0;
    return word_below(by, 256) ? word_shift_right(by.limb[0], a, fill)
                               : (struct u256){{fill, fill, fill, fill}};
}

/* word_byte: byte `index` from the most significant end. */
static inline struct u256 word_byte(struct u256 index, struct u256 a)
{
    if (!word_below(index, 32)) {
        return u256_from_u64(0);
    }
    u64 from_low = 31 - index.limb[0];
    return u256_from_u64(a.limb[from_low / 8] >> (8 * (from_low % 8)) & 0xff);
}

/* word_clz: how many leading bits are zero, 256 for zero (EIP-7939). */
static inline struct u256 word_clz(struct u256 a)
{
    for (unsigned i = 0; i < 4; i++) {
        if (a.limb[3 - i] != 0) {
            return u256_from_u64(64 * i + (unsigned)__builtin_clzll(a.limb[3 - i]));
        }
    }
    return u256_from_u64(256);
}

/* word_signextend: `a` as a number of `size` + 1 bytes in two's complement. */
struct u256 word_signextend(struct u256 size, struct u256 a);
/* Those that divide take pointers, because words that were just written are read much faster limb
 * by limb than as the blocks by which structs are passed. *ret may be one of the operands. */
void word_div(struct u256 *ret, const struct u256 *a, const struct u256 *b);
void word_mod(struct u256 *ret, const struct u256 *a, const struct u256 *b);
void word_sdiv(struct u256 *ret, const struct u256 *a, const struct u256 *b);
/* word_smod: the sign is the dividend's. */
void word_smod(struct u256 *ret, const struct u256 *a, const struct u256 *b);
/* word_addmod / word_mulmod: sum and product are not cut to 256 bits. */
void word_addmod(struct u256 *ret, const struct u256 *a, const struct u256 *b,
                 const struct u256 *modulus);
void word_mulmod(struct u256 *ret, const struct u256 *a, const struct u256 *b,
                 const struct u256 *modulus);
struct u256 word_exp(struct u256 base, struct u256 exponent);
/* word_bytes: how many bytes a number has without its leading zeros; 0 for zero. */
static inline unsigned word_bytes(struct u256 a)
{
    return (unsigned)(256 - word_clz(a).limb[0] + 7) / 8;
}

#endif
