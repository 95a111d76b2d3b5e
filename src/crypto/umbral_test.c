#include "crypto/umbral.h"

#include "base/mem.h"
#include "base/prng.h"
#include "crypto/group.h"
#include "tests/support/check.h"

static const char order_hex[] = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";

static int init(void **state)
{
    (void)state;
    const struct hash seed = {{7}};
    crypto_init(&seed);
    return 0;
}

/* Pairs from tests/models/crypto.py. */
static void scalar_reduction(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
#define FILL_128 "ffffffffffffffffffffffffffffffff"
#define ZERO_128 "00000000000000000000000000000000"
        {ZERO_128 ZERO_128 ZERO_128, ZERO_128 "00000000000000000000000000000001"},
        {ZERO_128 ZERO_128 "00000000000000000000000000000001",
         ZERO_128 "00000000000000000000000000000002"},
        {ZERO_128 "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd036413f",
         "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364140"},
        {ZERO_128 "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364140",
         ZERO_128 "00000000000000000000000000000001"},
        {ZERO_128 "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141",
         ZERO_128 "00000000000000000000000000000002"},
        {"00000000000000000000000000000001"
         "fffffffffffffffffffffffffffffffd755db9cd5e9140777fa4bd19a06c8280",
         ZERO_128 "00000000000000000000000000000001"},
        {"00000000000000000000000000000001"
         "fffffffffffffffffffffffffffffffd755db9cd5e9140777fa4bd19a06c827f",
         "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364140"},
        {ZERO_128 FILL_128 FILL_128,
         "000000000000000000000000000000014551231950b75fc4402da1732fc9bec0"},
        {FILL_128 FILL_128 FILL_128,
         "4551231950b75fc4402da1732fc9bec14551231950b75fc4402da1732fc9bec0"},
        {FILL_128 "baaedce6af48a03bbfd25e8cd036413ebaaedce6af48a03bbfd25e8cd0364140",
         ZERO_128 "00000000000000000000000000000001"},
        {FILL_128 "baaedce6af48a03bbfd25e8cd036413ebaaedce6af48a03bbfd25e8cd036413f",
         "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364140"},
        {FILL_128 ZERO_128 ZERO_128,
         "4551231950b75fc4402da1732fc9bec000000000000000000000000000000001"},
        {FILL_128 "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd036413f",
         "4551231950b75fc4402da1732fc9bec000000000000000000000000000000000"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        u8 wide[48];
        struct secp_secret out;
        unhex(wide, sizeof wide, cases[i][0]);
        scalar_reduce(&out, wide);
        check_hex(BYTES_OF(out), cases[i][1]);
    }
}

/* The whole encapsulation with fixed randomness, from tests/models/crypto.py. */
static void model_answers(void **state)
{
    (void)state;
    u8 material[32];
    u8 random[64];
    u8 key[32];
    struct secp_secret secret;
    struct secp_public label;
    struct umbral_capsule capsule;
    for (u8 i = 0; i < 32; i++) {
        material[i] = i;
        random[i] = (u8)(1 + i);
        random[32 + i] = (u8)(0x41 + i);
    }
    umbral_secret_derive(&secret, material, bytes_str("bucket 7, version 1"));
    check_hex(BYTES_OF(secret), "8e428491e51609778fc6c75084b94597ab3c9ceab65b83c41b33c721a561656c");
    secp_public_of(&label, &secret);
    check_hex(BYTES_OF(label),
              "02062280223b433285d27e5000f4ca408804784edd9ee732eae56f4350b40099c3");
    assert_true(umbral_encapsulate(&capsule, key, &label, random));
    check_hex(BYTES_OF(capsule), "0284bf7562262bbd6940085748f3be6afa52ae317155181ece31b66351ccffa4"
                                 "b0037c3f0429768437a942f1818ef1616c609b7a6d8a8dd245e179c8c0838e7d"
                                 "169dd82fff9793dc9a9f939c1316615e29b759044e541559f5229b2928b2a991"
                                 "3550");
    check_hex(BYTES_OF(key), "ac593cc6e92aee64cd4118950d4d7bc865bf2e1ae92fe9c6cbb13e11c5c9d6b8");
    memset(key, 0, sizeof key);
    assert_true(umbral_decapsulate(key, &secret, &capsule));
    check_hex(BYTES_OF(key), "ac593cc6e92aee64cd4118950d4d7bc865bf2e1ae92fe9c6cbb13e11c5c9d6b8");
}

static void round_trips(void **state)
{
    (void)state;
    struct prng prng;
    prng_init(&prng, 6);
    for (u64 round = 0; round < 20; round++) {
        u8 material[32];
        u8 random[64];
        u8 sealed[32];
        u8 opened[32];
        struct secp_secret secret;
        struct secp_secret other;
        struct secp_public label;
        struct umbral_capsule capsule;
        prng_fill(&prng, material, sizeof material);
        prng_fill(&prng, random, sizeof random);
        umbral_secret_derive(&secret, material, BYTES_OF(round));
        umbral_secret_derive(&other, material, bytes_str("another label"));
        secp_public_of(&label, &secret);
        assert_true(umbral_encapsulate(&capsule, sealed, &label, random));
        assert_true(umbral_check(&capsule));
        assert_true(umbral_decapsulate(opened, &secret, &capsule));
        assert_memory_equal(sealed, opened, sizeof sealed);
        assert_true(umbral_decapsulate(opened, &other, &capsule));
        assert_memory_not_equal(sealed, opened, sizeof sealed);
    }
}

static void any_change_of_a_capsule_is_refused(void **state)
{
    (void)state;
    u8 random[64] = {1, [32] = 2};
    u8 key[32];
    const struct secp_secret secret = {{3}};
    struct secp_public label;
    struct umbral_capsule capsule;
    secp_public_of(&label, &secret);
    assert_true(umbral_encapsulate(&capsule, key, &label, random));
    for (size_t i = 0; i < sizeof capsule.b; i++) {
        for (u8 bit = 1; bit != 0; bit = (u8)(bit << 1)) {
            capsule.b[i] ^= bit;
            assert_false(umbral_check(&capsule));
            capsule.b[i] ^= bit;
        }
    }
    capsule.b[0] ^= 4;
    assert_false(umbral_decapsulate(key, &secret, &capsule));
    capsule.b[0] ^= 4;
    unhex(capsule.b + 66, 32, order_hex);
    assert_false(umbral_check(&capsule));
    memset(capsule.b + 66, 0, 32);
    assert_false(umbral_check(&capsule));
    memset(&capsule, 0, sizeof capsule);
    assert_false(umbral_check(&capsule));
    assert_false(umbral_decapsulate(key, &secret, &capsule));
}

static void bad_randomness_and_labels(void **state)
{
    (void)state;
    u8 random[64] = {0};
    u8 key[32];
    const struct secp_secret secret = {{3}};
    struct secp_public label;
    struct umbral_capsule capsule;
    secp_public_of(&label, &secret);
    assert_false(umbral_encapsulate(&capsule, key, &label, random));
    random[0] = 1; /* u is still zero */
    assert_false(umbral_encapsulate(&capsule, key, &label, random));
    unhex(random + 32, 32, order_hex);
    assert_false(umbral_encapsulate(&capsule, key, &label, random));
    /* r + u = n: the shared point would be the neutral element */
    memset(random, 0, 32);
    random[31] = 1;
    random[63] -= 1;
    assert_false(umbral_encapsulate(&capsule, key, &label, random));
    random[31] = 2;
    assert_true(umbral_encapsulate(&capsule, key, &label, random));
    memset(label.b, 0, sizeof label.b);
    assert_false(umbral_encapsulate(&capsule, key, &label, random));
}

static void group_edges(void **state)
{
    (void)state;
    const struct secp_secret three = {{[31] = 3}};
    struct secp_secret minus;
    struct secp_secret zero = {{0}};
    struct secp_secret out = {{8}};
    struct secp_public point;
    struct secp_public other;
    struct secp_public sum;
    scalar_negate(&minus, &three);
    assert_false(scalar_add(&out, &three, &minus));
    assert_false(scalar_mul(&out, &three, &zero));
    assert_int_equal(out.b[0], 8); /* untouched on failure */
    assert_true(scalar_mul(&out, &minus, &minus));
    check_hex(BYTES_OF(out), "0000000000000000000000000000000000000000000000000000000000000009");

    secp_public_of(&point, &three);
    secp_public_of(&other, &minus);
    assert_false(group_add(&sum, &point, &other));
    assert_false(group_mul(&sum, &point, &zero));
    assert_false(group_mul_public(&sum, &point, &zero));
    unhex(zero.b, 32, order_hex);
    assert_false(group_mul(&sum, &point, &zero));
    assert_false(group_mul_public(&sum, &point, &zero));
    assert_true(group_mul(&sum, &point, &three));
    assert_true(group_mul_public(&other, &point, &three));
    assert_memory_equal(sum.b, other.b, sizeof sum.b);
    secp_public_of(&other, &out);
    assert_memory_equal(sum.b, other.b, sizeof sum.b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scalar_reduction),
        cmocka_unit_test(model_answers),
        cmocka_unit_test(round_trips),
        cmocka_unit_test(any_change_of_a_capsule_is_refused),
        cmocka_unit_test(bad_randomness_and_labels),
        cmocka_unit_test(group_edges),
    };
    return cmocka_run_group_tests(tests, init, NULL);
}
