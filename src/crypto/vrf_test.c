#include "crypto/vrf.h"

#include "base/prng.h"
#include "crypto/sign.h"
#include "tests/support/check.h"

static int setup(void **state)
{
    (void)state;
    const struct hash seed = {{7}};
    crypto_init(&seed);
    return 0;
}

static struct vrf_secret secret_of(u8 i) { return (struct vrf_secret){{i, 1, 2}}; }

/* RFC 9381, appendix B.3, examples 16 to 18. */
static const struct {
    const char *secret;
    const char *key;
    const char *alpha;
    const char *proof;
    const char *output;
} examples[] = {
    {.secret = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
     .key = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
     .alpha = "",
     .proof = "8657106690b5526245a92b003bb079ccd1a92130477671f6fc01ad16f26f723f26f8a57ccaed74ee1b19"
              "0bed1f479d9727d2d0f9b005a6e456a35d4fb0daab1268a1b0db10836d9826a528ca76567805",
     .output =
         "90cf1df3b703cce59e2a35b925d411164068269d7b2d29f3301c03dd757876ff66b71dda49d2de59d034"
         "50451af026798e8f81cd2e333de5cdf4f3e140fdd8ae"},
    {.secret = "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
     .key = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
     .alpha = "72",
     .proof = "f3141cd382dc42909d19ec5110469e4feae18300e94f304590abdced48aed5933bf0864a62558b3ed7f2"
              "fea45c92a465301b3bbf5e3e54ddf2d935be3b67926da3ef39226bbc355bdc9850112c8f4b02",
     .output =
         "eb4440665d3891d668e7e0fcaf587f1b4bd7fbfe99d0eb2211ccec90496310eb5e33821bc613efb94db5"
         "e5b54c70a848a0bef4553a41befc57663b56373a5031"},
    {.secret = "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
     .key = "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
     .alpha = "af82",
     .proof = "9bc0f79119cc5604bf02d23b4caede71393cedfbb191434dd016d30177ccbf8096bb474e53895c362d86"
              "28ee9f9ea3c0e52c7a5c691b6c18c9979866568add7a2d41b00b05081ed0f58ee5e31b3a970e",
     .output =
         "645427e5d00c62a23fb703732fa5d892940935942101e456ecca7bb217c61c452118fec1219202a0edcf"
         "038bb6373241578be7217ba85a2687f7a0310b2df19f"},
};

static void the_examples_of_the_standard(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(examples); i++) {
        struct vrf_secret secret;
        struct vrf_public key;
        struct vrf_proof proof;
        struct vrf_output output;
        u8 alpha[8];
        bytes input = bytes_make(alpha, strlen(examples[i].alpha) / 2);
        unhex(secret.seed, sizeof secret.seed, examples[i].secret);
        unhex(alpha, input.len, examples[i].alpha);
        vrf_public_of(&key, &secret);
        check_hex(BYTES_OF(key), examples[i].key);
        vrf_prove(&proof, &secret, input);
        check_hex(BYTES_OF(proof), examples[i].proof);
        assert_true(vrf_verify(&output, &key, &proof, input));
        check_hex(BYTES_OF(output), examples[i].output);
    }
}

static void any_changed_bit_is_refused(void **state)
{
    (void)state;
    struct vrf_secret secret = secret_of(1);
    struct vrf_secret other = secret_of(2);
    struct vrf_public key;
    struct vrf_public wrong;
    struct vrf_proof proof;
    struct vrf_output output = {{9}};
    vrf_public_of(&key, &secret);
    vrf_public_of(&wrong, &other);
    vrf_prove(&proof, &secret, bytes_str("era 7"));
    for (size_t i = 0; i < 8 * sizeof proof.b; i++) {
        struct vrf_proof bad = proof;
        bad.b[i / 8] ^= (u8)(1u << i % 8);
        assert_false(vrf_verify(&output, &key, &bad, bytes_str("era 7")));
    }
    assert_false(vrf_verify(&output, &key, &proof, bytes_str("era 8")));
    assert_false(vrf_verify(&output, &wrong, &proof, bytes_str("era 7")));
    assert_int_equal(output.b[0], 9); /* untouched */
    assert_true(vrf_verify(&output, &key, &proof, bytes_str("era 7")));
}

/* The eight points of small order, and encodings of them that are not canonical (the list of
 * libsodium's own blocklist, from the curve's arithmetic). */
static const char *const small_order[] = {
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0100000000000000000000000000000000000000000000000000000000000080",
};

static void points_of_small_order_are_refused(void **state)
{
    (void)state;
    struct vrf_secret secret = secret_of(1);
    struct vrf_public key;
    struct vrf_proof proof;
    struct vrf_output output;
    vrf_public_of(&key, &secret);
    assert_true(vrf_public_valid(&key));
    vrf_prove(&proof, &secret, bytes_str("x"));
    for (size_t i = 0; i < COUNT_OF(small_order); i++) {
        struct vrf_public small;
        struct vrf_proof bad = proof;
        unhex(small.b, sizeof small.b, small_order[i]);
        assert_false(vrf_public_valid(&small));
        assert_false(vrf_verify(&output, &small, &proof, bytes_str("x")));
        memcpy(bad.b, small.b, sizeof small.b); /* as Gamma */
        assert_false(vrf_verify(&output, &key, &bad, bytes_str("x")));
        memset(bad.b + 32, 0, sizeof bad.b - 32); /* c = s = 0 */
        assert_false(vrf_verify(&output, &small, &bad, bytes_str("x")));
    }
}

/* s and s + q are the same number; only one of them is a proof. */
static void scalars_are_canonical(void **state)
{
    (void)state;
    static const u8 q[32] = {0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7,
                             0xa2, 0xde, 0xf9, 0xde, 0x14, 0,    0,    0,    0,    0,    0,
                             0,    0,    0,    0,    0,    0,    0,    0,    0,    0x10};
    struct vrf_secret secret = secret_of(3);
    struct vrf_public key;
    struct vrf_proof proof;
    struct vrf_output output;
    unsigned carry = 0;
    vrf_public_of(&key, &secret);
    vrf_prove(&proof, &secret, bytes_str("x"));
    for (size_t i = 0; i < 32; i++) {
        carry += (unsigned)proof.b[48 + i] + q[i];
        proof.b[48 + i] = (u8)carry;
        carry >>= 8;
    }
    assert_int_equal(carry, 0);
    assert_false(vrf_verify(&output, &key, &proof, bytes_str("x")));
}

static void outputs_are_the_proofs(void **state)
{
    (void)state;
    struct prng prng;
    prng_init(&prng, 1);
    for (u8 i = 0; i < 20; i++) {
        struct vrf_secret secret = secret_of(i);
        struct vrf_public key;
        struct vrf_proof proof;
        struct vrf_proof again;
        struct vrf_output verified;
        struct vrf_output output;
        u8 alpha[100];
        size_t len = prng_below(&prng, sizeof alpha);
        memset(alpha, i, sizeof alpha);
        vrf_public_of(&key, &secret);
        vrf_prove(&proof, &secret, bytes_make(alpha, len));
        vrf_prove(&again, &secret, bytes_make(alpha, len));
        assert_memory_equal(&proof, &again, sizeof proof);
        assert_true(vrf_verify(&verified, &key, &proof, bytes_make(alpha, len)));
        vrf_output_of(&output, &proof);
        assert_memory_equal(&verified, &output, sizeof output);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_examples_of_the_standard),
        cmocka_unit_test(any_changed_bit_is_refused),
        cmocka_unit_test(points_of_small_order_are_refused),
        cmocka_unit_test(scalars_are_canonical),
        cmocka_unit_test(outputs_are_the_proofs),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
