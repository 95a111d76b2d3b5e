#include "ledger/exec/u256.h"

#include "base/prng.h"
#include "ledger/exec/slots.h"
#include "tests/support/check.h"

#include <gmp.h>

#define ROUNDS 20000

static struct u256 random_u256(struct prng *prng)
{
    struct u256 v;
    for (size_t i = 0; i < 4; i++) {
        static const u64 edges[] = {0, 1, UINT64_MAX, (u64)1 << 63};
        v.limb[i] = prng_chance(prng, 1, 3) ? edges[prng_below(prng, COUNT_OF(edges))]
                                            : prng_u64(prng) >> prng_below(prng, 64);
    }
    return v;
}

static void to_mpz(mpz_t out, struct u256 v) { mpz_import(out, 4, -1, sizeof(u64), 0, 0, v.limb); }

static void assert_mpz(mpz_t expected, struct u256 v)
{
    mpz_t got;
    mpz_init(got);
    to_mpz(got, v);
    assert_int_equal(mpz_cmp(got, expected), 0);
    mpz_clear(got);
}

/* The same sum, difference, product or quotient as GMP's; refused where it does not fit. */
static void arithmetic_is_gmps(void **state)
{
    (void)state;
    struct prng prng;
    mpz_t a, b, r;
    mpz_inits(a, b, r, NULL);
    prng_init(&prng, 3);
    for (int i = 0; i < ROUNDS; i++) {
        struct u256 x = random_u256(&prng);
        struct u256 y = random_u256(&prng);
        struct u256 out = u256_from_u64(77);
        u64 d = y.limb[0] | 1;
        u64 rest;
        to_mpz(a, x);
        to_mpz(b, y);
        mpz_add(r, a, b);
        assert_int_equal(u256_add(&out, x, y), mpz_sizeinbase(r, 2) <= 256);
        if (mpz_sizeinbase(r, 2) <= 256) {
            assert_mpz(r, out);
        } else {
            assert_int_equal(out.limb[0], 77); /* untouched */
        }
        mpz_sub(r, a, b);
        assert_int_equal(u256_sub(&out, x, y), mpz_sgn(r) >= 0);
        if (mpz_sgn(r) >= 0) {
            assert_mpz(r, out);
        }
        mpz_mul(r, a, b);
        assert_int_equal(u256_mul(&out, x, y), mpz_sizeinbase(r, 2) <= 256);
        if (mpz_sizeinbase(r, 2) <= 256) {
            assert_mpz(r, out);
        }
        assert_int_equal(u256_cmp(x, y) < 0, mpz_cmp(a, b) < 0);
        assert_int_equal(u256_cmp(x, y) == 0, mpz_cmp(a, b) == 0);
        rest = mpz_tdiv_q_ui(r, a, d);
        u64 own_rest;
        assert_mpz(r, u256_div_u64(x, d, &own_rest));
        assert_int_equal(rest, own_rest);
    }
    mpz_clears(a, b, r, NULL);
}

static void text_and_bytes(void **state)
{
    (void)state;
    struct prng prng;
    struct u256 v;
    struct u256 back;
    char text[80];
    u8 be[32];
    u64 small = 1;
    prng_init(&prng, 4);
    for (int i = 0; i < 1000; i++) {
        v = random_u256(&prng);
        u256_decimal(text, v);
        assert_true(u256_parse_decimal(&back, bytes_str(text)));
        assert_int_equal(u256_cmp(v, back), 0);
        u256_to_be(be, v);
        assert_int_equal(u256_cmp(v, u256_from_be(be)), 0);
    }
    memset(&v, 0xff, sizeof v);
    u256_decimal(text, v);
    assert_string_equal(text, "11579208923731619542357098500868790785326998466564056403945758400791"
                              "3129639935");
    back = u256_from_u64(5);
    assert_false(u256_parse_decimal(
        &back, bytes_str("115792089237316195423570985008687907853269984665640564039457584007913129"
                         "639936")));
    assert_false(u256_parse_decimal(&back, bytes_str("")));
    assert_false(u256_parse_decimal(&back, bytes_str("-1")));
    assert_false(u256_parse_decimal(&back, bytes_str("1 ")));
    assert_int_equal(back.limb[0], 5);
    assert_false(u256_to_u64(&small, v));
    assert_int_equal(small, 1);
    assert_true(u256_is_zero(u256_from_u64(0)));
    assert_false(u256_is_zero(v));
}

/* Slots as Solidity lays them out: keccak256 of 64 zero bytes is the well-known slot of mapping
 * key 0 at base 0. */
static void slots(void **state)
{
    (void)state;
    u8 key = 0;
    struct hash slot = slot_of_map(0, BYTES_OF(key));
    check_hex(BYTES_OF(slot), "ad3228b676f7d3cd4284a5443f17f1962b36e491b30a40b2405849e597ba5fb5");
    struct hash n = slot_number(255);
    struct hash sum = slot_add(&n, 1);
    check_hex(BYTES_OF(sum), "0000000000000000000000000000000000000000000000000000000000000100");
    memset(n.b, 0xff, sizeof n.b);
    sum = slot_add(&n, 3);
    check_hex(BYTES_OF(sum), "0000000000000000000000000000000000000000000000000000000000000002");
    memset(n.b, 0, 16);
    sum = slot_add(&n, 1);
    check_hex(BYTES_OF(sum), "0000000000000000000000000000000100000000000000000000000000000000");
}

/* --- words --- */

/* A word read in two's complement. */
static void to_signed(mpz_t out, struct u256 v)
{
    to_mpz(out, v);
    if (word_is_negative(v)) {
        mpz_t all;
        mpz_init_set_ui(all, 1);
        mpz_mul_2exp(all, all, 256);
        mpz_sub(out, out, all);
        mpz_clear(all);
    }
}

/* Modulo 2^256, whatever the sign. */
static void assert_word(mpz_t value, struct u256 v)
{
    mpz_t cut;
    mpz_init(cut);
    mpz_fdiv_r_2exp(cut, value, 256);
    assert_mpz(cut, v);
    mpz_clear(cut);
}

struct numbers {
    mpz_t a;
    mpz_t b;
    mpz_t m;
    mpz_t r;
};

static void check_sums(struct numbers *n, struct u256 a, struct u256 b)
{
    mpz_add(n->r, n->a, n->b);
    assert_word(n->r, word_add(a, b));
    mpz_sub(n->r, n->a, n->b);
    assert_word(n->r, word_sub(a, b));
    mpz_mul(n->r, n->a, n->b);
    assert_word(n->r, word_mul(a, b));
    assert_int_equal(word_lt(a, b), mpz_cmp(n->a, n->b) < 0);
    mpz_set_ui(n->r, 1);
    mpz_mul_2exp(n->r, n->r, 256);
    mpz_powm(n->r, n->a, n->b, n->r);
    assert_word(n->r, word_exp(a, b));
}

static void check_division(struct numbers *n, struct u256 a, struct u256 b, struct u256 m)
{
    struct u256 got;
    mpz_set_ui(n->r, 0);
    if (!u256_is_zero(b)) {
        mpz_tdiv_q(n->r, n->a, n->b);
    }
    word_div(&got, &a, &b);
    assert_word(n->r, got);
    if (!u256_is_zero(b)) {
        mpz_tdiv_r(n->r, n->a, n->b);
    }
    word_mod(&got, &a, &b);
    assert_word(n->r, got);
    mpz_set_ui(n->r, 0);
    if (!u256_is_zero(m)) {
        mpz_add(n->r, n->a, n->b);
        mpz_tdiv_r(n->r, n->r, n->m);
    }
    word_addmod(&got, &a, &b, &m);
    assert_word(n->r, got);
    if (!u256_is_zero(m)) {
        mpz_mul(n->r, n->a, n->b);
        mpz_tdiv_r(n->r, n->r, n->m);
    }
    word_mulmod(&got, &a, &b, &m);
    assert_word(n->r, got);
}

static void check_signed(struct numbers *n, struct u256 a, struct u256 b, u64 by)
{
    struct u256 got;
    to_signed(n->a, a);
    to_signed(n->b, b);
    assert_int_equal(word_slt(a, b), mpz_cmp(n->a, n->b) < 0);
    mpz_set_ui(n->r, 0);
    if (!u256_is_zero(b)) {
        mpz_tdiv_q(n->r, n->a, n->b);
    }
    word_sdiv(&got, &a, &b);
    assert_word(n->r, got);
    if (!u256_is_zero(b)) {
        mpz_tdiv_r(n->r, n->a, n->b);
    }
    word_smod(&got, &a, &b);
    assert_word(n->r, got);
    mpz_fdiv_q_2exp(n->r, n->a, by);
    assert_word(n->r, word_sar(u256_from_u64(by), a));
}

static void check_shifts(struct numbers *n, struct u256 a, u64 by)
{
    mpz_mul_2exp(n->r, n->a, by);
    assert_word(n->r, word_shl(u256_from_u64(by), a));
    mpz_fdiv_q_2exp(n->r, n->a, by);
    assert_word(n->r, word_shr(u256_from_u64(by), a));
    size_t bits = u256_is_zero(a) ? 0 : mpz_sizeinbase(n->a, 2);
    assert_int_equal(word_clz(a).limb[0], 256 - bits);
    assert_int_equal(word_bytes(a), (bits + 7) / 8);
    u8 be[32];
    u256_to_be(be, a);
    assert_int_equal(word_byte(u256_from_u64(by % 32), a).limb[0], be[by % 32]);
}

static void words_are_gmps(void **state)
{
    (void)state;
    struct prng prng;
    struct numbers n;
    prng_init(&prng, 77);
    mpz_inits(n.a, n.b, n.m, n.r, NULL);
    for (int i = 0; i < ROUNDS / 4; i++) {
        struct u256 a = random_u256(&prng);
        struct u256 b = word_shr(u256_from_u64(64 * prng_below(&prng, 5)), random_u256(&prng));
        struct u256 m = word_shr(u256_from_u64(64 * prng_below(&prng, 5)), random_u256(&prng));
        u64 by = prng_below(&prng, 300);
        to_mpz(n.a, a);
        to_mpz(n.b, b);
        to_mpz(n.m, m);
        check_sums(&n, a, b);
        check_division(&n, a, b, m);
        check_shifts(&n, a, by);
        check_signed(&n, a, b, by);
    }
    mpz_clears(n.a, n.b, n.m, n.r, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arithmetic_is_gmps),
        cmocka_unit_test(words_are_gmps),
        cmocka_unit_test(text_and_bytes),
        cmocka_unit_test(slots),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
