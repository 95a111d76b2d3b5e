#include "ledger/exec/u256.h"

#include "base/assert.h"

int u256_cmp(struct u256 a, struct u256 b)
{
    for (size_t i = 4; i-- > 0;) {
        if (a.limb[i] != b.limb[i]) {
            return a.limb[i] < b.limb[i] ? -1 : 1;
        }
    }
    return 0;
}

bool u256_add(struct u256 *ret, struct u256 a, struct u256 b)
{
    struct u256 r;
    u64 carry = 0;
    for (size_t i = 0; i < 4; i++) {
        u128 sum = (u128)a.limb[i] + b.limb[i] + carry;
        r.limb[i] = (u64)sum;
        carry = (u64)(sum >> 64);
    }
    if (carry != 0) {
        return false;
    }
    *ret = r;
    return true;
}

bool u256_sub(struct u256 *ret, struct u256 a, struct u256 b)
{
    struct u256 r;
    u64 borrow = 0;
    for (size_t i = 0; i < 4; i++) {
        u128 difference = (u128)a.limb[i] - b.limb[i] - borrow;
        r.limb[i] = (u64)difference;
        borrow = (u64)(difference >> 64) & 1;
    }
    if (borrow != 0) {
        return false;
    }
    *ret = r;
    return true;
}

bool u256_mul(struct u256 *ret, struct u256 a, struct u256 b)
{
    u64 product[8] = {0};
    for (size_t i = 0; i < 4; i++) {
        u64 carry = 0;
        for (size_t j = 0; j < 4; j++) {
            u128 t = (u128)a.limb[i] * b.limb[j] + product[i + j] + carry;
            product[i + j] = (u64)t;
            carry = (u64)(t >> 64);
        }
        product[i + 4] = carry;
    }
    if ((product[4] | product[5] | product[6] | product[7]) != 0) {
        return false;
    }
    memcpy(ret->limb, product, sizeof ret->limb);
    return true;
}

bool u256_mul_u64(struct u256 *ret, struct u256 a, u64 b)
{
    return u256_mul(ret, a, u256_from_u64(b));
}

struct u256 u256_div_u64(struct u256 a, u64 d, u64 *ret_rest)
{
    assert_that(d > 0);
    struct u256 quotient;
    u64 rest = 0;
    for (size_t i = 4; i-- > 0;) {
        u128 part = ((u128)rest << 64) | a.limb[i];
        quotient.limb[i] = (u64)(part / d);
        rest = (u64)(part % d);
    }
    if (ret_rest != NULL) {
        *ret_rest = rest;
    }
    return quotient;
}

bool u256_to_u64(u64 *ret, struct u256 v)
{
    if ((v.limb[1] | v.limb[2] | v.limb[3]) != 0) {
        return false;
    }
    *ret = v.limb[0];
    return true;
}

void u256_decimal(char out[80], struct u256 v)
{
    char digits[80];
    size_t count = 0;
    do {
        u64 digit;
        v = u256_div_u64(v, 10, &digit);
        digits[count++] = (char)('0' + digit);
    } while (!u256_is_zero(v));
    for (size_t i = 0; i < count; i++) {
        out[i] = digits[count - 1 - i];
    }
    out[count] = 0;
}

bool u256_parse_decimal(struct u256 *ret, bytes digits)
{
    struct u256 v = {{0}};
    if (digits.len == 0) {
        return false;
    }
    for (size_t i = 0; i < digits.len; i++) {
        u8 c = digits.data[i];
        if (c < '0' || c > '9') {
            return false;
        }
        if (!u256_mul_u64(&v, v, 10) || !u256_add(&v, v, u256_from_u64((u64)(c - '0')))) {
            return false;
        }
    }
    *ret = v;
    return true;
}

/* --- long division --- */

/* floor((2^128 - 1) / d) - 2^64 for a normalized d (highest bit set). */
static u64 reciprocal(u64 d)
{
    u128 all = ((u128)(~d) << 64) | UINT64_MAX;
    return (u64)(all / d);
}

/* (high ‖ low) / d for high < d, normalized d and its reciprocal v (Möller and Granlund,
 * algorithm 4). */
static inline u64 divide_2by1(u64 high, u64 low, u64 d, u64 v, u64 *ret_rest)
{
    u128 q = (u128)v * high + (((u128)high << 64) | low);
    u64 q1 = (u64)(q >> 64) + 1;
    u64 rest = low - q1 * d;
    if (rest > (u64)q) {
        q1--;
        rest += d;
    }
    if (rest >= d) {
        q1++;
        rest -= d;
    }
    *ret_rest = rest;
    return q1;
}

#define ALWAYS_INLINE __attribute__((always_inline)) static inline

/* number[0..count] -= factor * d[0..count - 1]; whether that went below zero. */
ALWAYS_INLINE bool subtract_multiple(u64 *number, const u64 *d, size_t count, u64 factor)
{
    u64 borrow = 0;
    for (size_t i = 0; i < count; i++) {
        u128 t = (u128)factor * d[i] + borrow;
        u64 low = (u64)t;
        borrow = (u64)(t >> 64) + (number[i] < low);
        number[i] -= low;
    }
    bool below = number[count] < borrow;
    number[count] -= borrow;
    return below;
}

ALWAYS_INLINE void add_back(u64 *number, const u64 *d, size_t count)
{
    u64 carry = 0;
    for (size_t i = 0; i < count; i++) {
        u128 sum = (u128)number[i] + d[i] + carry;
        number[i] = (u64)sum;
        carry = (u64)(sum >> 64);
    }
    number[count] += carry;
}

/* A digit of the quotient from the three highest limbs of the number (at[0..d_len]) and the two of
 * d: right or one too large. */
ALWAYS_INLINE u64 guess_digit(const u64 *at, const u64 *d, size_t d_len, u64 v)
{
    u64 top = d[d_len - 1];
    u64 guess;
    u64 rest;
    if (at[d_len] >= top) {
        guess = UINT64_MAX;
        if (__builtin_add_overflow(at[d_len - 1], top, &rest)) {
            return guess;
        }
    } else {
        guess = divide_2by1(at[d_len], at[d_len - 1], top, v, &rest);
    }
    while ((u128)guess * d[d_len - 2] > (((u128)rest << 64) | at[d_len - 2])) {
        guess--;
        if (__builtin_add_overflow(rest, top, &rest)) {
            break;
        }
    }
    return guess;
}

/* Knuth's D: a[0..a_len] (one limb more than the number, normalized like d) by d[0..d_len), whose
 * highest bit is set, d_len >= 2. The remainder stays in a, the quotient goes to
 * q[0..a_len - d_len]. */
ALWAYS_INLINE void divide_by(u64 *a, size_t a_len, const u64 *d, size_t d_len, u64 *q)
{
    u64 v = reciprocal(d[d_len - 1]);
    for (size_t j = a_len - d_len + 1; j-- > 0;) {
        if (a[j + d_len] == 0 && a[j + d_len - 1] < d[d_len - 1]) {
            q[j] = 0;
            continue;
        }
        q[j] = guess_digit(a + j, d, d_len, v);
        if (subtract_multiple(a + j, d, d_len, q[j])) {
            q[j]--;
            add_back(a + j, d, d_len);
        }
    }
}

/* The lengths as constants, so that the loops over limbs unroll. */
static void divide_long(u64 *a, size_t a_len, const u64 *d, size_t d_len, u64 *q)
{
    if (d_len == 4) {
        divide_by(a, a_len, d, 4, q);
    } else if (d_len == 3) {
        divide_by(a, a_len, d, 3, q);
    } else {
        divide_by(a, a_len, d, 2, q);
    }
}

static void divide_short(const u64 *a, size_t len, u64 d, u64 *q, u64 *ret_rest)
{
    unsigned shift = (unsigned)__builtin_clzll(d);
    u64 normal = d << shift;
    u64 v = reciprocal(normal);
    u64 rest = shift == 0 ? 0 : a[len - 1] >> (64 - shift);
    for (size_t i = len; i-- > 0;) {
        u64 below = i > 0 && shift > 0 ? a[i - 1] >> (64 - shift) : 0;
        q[i] = divide_2by1(rest, a[i] << shift | below, normal, v, &rest);
    }
    *ret_rest = rest >> shift;
}

static size_t limbs_used(const u64 *a, size_t len)
{
    while (len > 0 && a[len - 1] == 0) {
        len--;
    }
    return len;
}

#define DIVIDEND_LIMBS_MAX 8

/* out[0..len] = a[0..len) * 2^shift, shift below 64. */
static void shift_up(u64 *out, const u64 *a, size_t len, unsigned shift)
{
    u64 carry = 0;
    for (size_t i = 0; i < len; i++) {
        u128 wide = (u128)a[i] << shift;
        out[i] = (u64)wide | carry;
        carry = (u64)(wide >> 64);
    }
    out[len] = carry;
}

/* a[0..a_len) by d, which is not zero; a_len <= 8. The quotient (if not NULL) has a_len limbs. *ret
 * may be what d points to. */
static void divide(struct u256 *ret, const u64 *a, size_t a_len, const struct u256 *d,
                   u64 *quotient)
{
    u64 q[DIVIDEND_LIMBS_MAX + 1] = {0};
    u64 rest[4] = {0};
    size_t used = limbs_used(a, a_len);
    size_t d_len = limbs_used(d->limb, 4);
    assert_that(d_len > 0 && a_len <= DIVIDEND_LIMBS_MAX);
    if (used < d_len) {
        memcpy(rest, a, used * sizeof a[0]);
    } else if (d_len == 1) {
        divide_short(a, used, d->limb[0], q, &rest[0]);
    } else {
        u64 number[DIVIDEND_LIMBS_MAX + 1];
        u64 divisor[5];
        unsigned shift = (unsigned)__builtin_clzll(d->limb[d_len - 1]);
        shift_up(divisor, d->limb, d_len, shift);
        shift_up(number, a, used, shift);
        divide_long(number, used, divisor, d_len, q);
        number[d_len] = 0; /* the remainder is shorter than d */
        for (size_t i = 0; i < d_len; i++) {
            rest[i] = (u64)((((u128)number[i + 1] << 64) | number[i]) >> shift);
        }
    }
    if (quotient != NULL) {
        memcpy(quotient, q, a_len * sizeof q[0]);
    }
    for (size_t i = 0; i < 4; i++) {
        ret->limb[i] = rest[i];
    }
}

/* product = a * b, 512 bits. */
static void multiply_wide(u64 product[8], const struct u256 *a, const struct u256 *b)
{
    u64 r[8] = {0};
    for (size_t i = 0; i < 4; i++) {
        u64 carry = 0;
        for (size_t j = 0; j < 4; j++) {
            u128 t = (u128)a->limb[i] * b->limb[j] + r[i + j] + carry;
            r[i + j] = (u64)t;
            carry = (u64)(t >> 64);
        }
        r[i + 4] = carry;
    }
    memcpy(product, r, sizeof r);
}

/* --- words --- */

static bool both_short(const struct u256 *a, const struct u256 *b)
{
    return (a->limb[1] | a->limb[2] | a->limb[3] | b->limb[1] | b->limb[2] | b->limb[3]) == 0;
}

void word_div(struct u256 *ret, const struct u256 *a, const struct u256 *b)
{
    struct u256 rest;
    if (u256_is_zero(*b)) {
        *ret = u256_from_u64(0);
    } else if (both_short(a, b)) {
        *ret = u256_from_u64(a->limb[0] / b->limb[0]);
    } else {
        u64 quotient[4];
        divide(&rest, a->limb, 4, b, quotient);
        memcpy(ret->limb, quotient, sizeof quotient);
    }
}

void word_mod(struct u256 *ret, const struct u256 *a, const struct u256 *b)
{
    if (u256_is_zero(*b)) {
        *ret = u256_from_u64(0);
    } else if (both_short(a, b)) {
        *ret = u256_from_u64(a->limb[0] % b->limb[0]);
    } else {
        divide(ret, a->limb, 4, b, NULL);
    }
}

static struct u256 magnitude(struct u256 a) { return word_is_negative(a) ? word_neg(a) : a; }

void word_sdiv(struct u256 *ret, const struct u256 *a, const struct u256 *b)
{
    struct u256 dividend = magnitude(*a);
    struct u256 divisor = magnitude(*b);
    bool is_negative = word_is_negative(*a) != word_is_negative(*b);
    word_div(ret, &dividend, &divisor);
    *ret = is_negative ? word_neg(*ret) : *ret;
}

void word_smod(struct u256 *ret, const struct u256 *a, const struct u256 *b)
{
    struct u256 dividend = magnitude(*a);
    struct u256 divisor = magnitude(*b);
    bool is_negative = word_is_negative(*a);
    word_mod(ret, &dividend, &divisor);
    *ret = is_negative ? word_neg(*ret) : *ret;
}

void word_addmod(struct u256 *ret, const struct u256 *a, const struct u256 *b,
                 const struct u256 *modulus)
{
    struct u256 sum = word_add(*a, *b);
    bool carries = word_lt(sum, *a);
    if (word_lt(*a, *modulus) && word_lt(*b, *modulus)) { /* below twice the modulus */
        *ret = carries || !word_lt(sum, *modulus) ? word_sub(sum, *modulus) : sum;
        return;
    }
    u64 wide[5] = {sum.limb[0], sum.limb[1], sum.limb[2], sum.limb[3], carries};
    if (u256_is_zero(*modulus)) {
        *ret = u256_from_u64(0);
    } else {
        divide(ret, wide, 5, modulus, NULL);
    }
}

void word_mulmod(struct u256 *ret, const struct u256 *a, const struct u256 *b,
                 const struct u256 *modulus)
{
    u64 product[8];
    if (u256_is_zero(*modulus)) {
        *ret = u256_from_u64(0);
        return;
    }
    multiply_wide(product, a, b);
    divide(ret, product, 8, modulus, NULL);
}

struct u256 word_exp(struct u256 base, struct u256 exponent)
{
    struct u256 result = u256_from_u64(1);
    u64 bits = 256 - word_clz(exponent).limb[0];
    for (u64 i = 0; i < bits; i++) {
        if ((exponent.limb[i / 64] >> (i % 64) & 1) != 0) {
            result = word_mul(result, base);
        }
        base = word_mul(base, base);
    }
    return result;
}

struct u256 word_signextend(struct u256 size, struct u256 a)
{
    if (!word_below(size, 31)) {
        return a;
    }
    struct u256 by = u256_from_u64(255 - (8 * size.limb[0] + 7));
    return word_sar(by, word_shl(by, a));
}
