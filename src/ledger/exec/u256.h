/* u256.h: 256-bit unsigned integers, four 64-bit limbs, least significant first.
 *
 * Balances, amounts and EVM words. The checked operations return false on overflow and leave *ret
 * untouched: money is never truncated.
 */
#ifndef LEDGER_EXEC_U256_H
#define LEDGER_EXEC_U256_H

#include "base/bytes.h"

struct u256 {
    u64 limb[4];
};

static inline struct u256 u256_from_u64(u64 v) { return (struct u256){{v, 0, 0, 0}}; }
struct u256 u256_from_be(const u8 in[32]);
void u256_to_be(u8 out[32], struct u256 v);
bool u256_is_zero(struct u256 v);
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

#endif
