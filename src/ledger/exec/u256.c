#include "ledger/exec/u256.h"

#include "base/assert.h"

struct u256 u256_from_be(const u8 in[32])
{
    struct u256 v;
    for (size_t i = 0; i < 4; i++) {
        v.limb[i] = load_be64(in + 8 * (3 - i));
    }
    return v;
}

void u256_to_be(u8 out[32], struct u256 v)
{
    for (size_t i = 0; i < 4; i++) {
        store_be64(out + 8 * (3 - i), v.limb[i]);
    }
}

bool u256_is_zero(struct u256 v) { return (v.limb[0] | v.limb[1] | v.limb[2] | v.limb[3]) == 0; }

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
