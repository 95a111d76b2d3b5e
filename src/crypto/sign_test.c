#include "crypto/sign.h"

#include "base/mem.h"
#include "base/prng.h"
#include "crypto/hash.h"
#include "tests/support/check.h"

static const char order_hex[] = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";

static int init(void **state)
{
    (void)state;
    const struct hash seed = {{7}};
    crypto_init(&seed);
    crypto_init(&seed); /* harmless */
    return 0;
}

static struct secp_secret secret_of(const char *digits)
{
    u8 raw[32];
    struct secp_secret secret;
    unhex(raw, sizeof raw, digits);
    assert_true(secp_secret_from(&secret, raw));
    return secret;
}

static void secret_range(void **state)
{
    (void)state;
    struct secp_secret out = {{9}};
    u8 raw[32] = {0};
    assert_false(secp_secret_from(&out, raw));
    unhex(raw, sizeof raw, order_hex);
    assert_false(secp_secret_from(&out, raw));
    memset(raw, 0xff, sizeof raw);
    assert_false(secp_secret_from(&out, raw));
    assert_int_equal(out.b[0], 9); /* untouched on failure */
    unhex(raw, sizeof raw, order_hex);
    raw[31] -= 1;
    assert_true(secp_secret_from(&out, raw));
    secp_secret_wipe(&out);
    memset(raw, 0, sizeof raw);
    assert_memory_equal(out.b, raw, sizeof raw);
}

static void addresses(void **state)
{
    (void)state;
    struct secp_secret one =
        secret_of("0000000000000000000000000000000000000000000000000000000000000001");
    struct secp_public key;
    struct address address;
    u8 full[64];
    secp_public_of(&key, &one);
    check_hex(BYTES_OF(key), "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798");
    assert_true(secp_public_uncompressed(full, &key));
    check_hex(BYTES_OF(full), "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"
                              "483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8");
    secp_address_of_secret(&address, &one);
    check_hex(BYTES_OF(address), "7e5f4552091a69125d5dfcb7b8c2659029395bdf");
    memset(&address, 0, sizeof address);
    assert_true(secp_address(&address, &key));
    check_hex(BYTES_OF(address), "7e5f4552091a69125d5dfcb7b8c2659029395bdf");
}

static void bad_public_keys(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "000000000000000000000000000000000000000000000000000000000000000000",
        /* x = 5: no point has it */
        "020000000000000000000000000000000000000000000000000000000000000005",
        /* x = p */
        "02fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f",
        /* the generator under prefixes of other encodings */
        "0479be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798",
        "0679be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798",
        "0079be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798",
    };
    const struct secp_signature sig = {{1}};
    const struct hash digest = {{2}};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct secp_public key;
        struct address address;
        u8 full[64];
        unhex(key.b, sizeof key.b, bad[i]);
        assert_false(secp_public_uncompressed(full, &key));
        assert_false(secp_address(&address, &key));
        assert_false(secp_verify(&key, &sig, &digest));
    }
}

/* The deterministic signature of "Satoshi Nakamoto" under key 1, known from many implementations
 * of RFC 6979 for this curve. */
static void deterministic_signature(void **state)
{
    (void)state;
    struct secp_secret one =
        secret_of("0000000000000000000000000000000000000000000000000000000000000001");
    struct secp_signature sig;
    struct hash digest;
    sha256(&digest, bytes_str("Satoshi Nakamoto"));
    secp_sign(&sig, &one, &digest);
    check_hex(bytes_make(sig.b, 64),
              "934b1ea10a4b3c1757e2b0c017d0b6143ce3c9a7e6a4a49860d7a6ab210ee3d8"
              "2442ce9d2b916064108014783e923ec36b49743e2ffa1c4496f01a512aafd9e5");
}

static void sign_verify_recover(void **state)
{
    (void)state;
    struct prng prng;
    prng_init(&prng, 4);
    for (size_t round = 0; round < 50; round++) {
        u8 raw[32];
        struct secp_secret secret;
        struct secp_public key;
        struct secp_public got;
        struct secp_signature sig;
        struct address address;
        struct address expected;
        struct hash digest;
        prng_fill(&prng, raw, sizeof raw);
        prng_fill(&prng, &digest, sizeof digest);
        assert_true(secp_secret_from(&secret, raw));
        secp_public_of(&key, &secret);
        secp_sign(&sig, &secret, &digest);
        assert_true(secp_verify(&key, &sig, &digest));
        assert_true(secp_recover(&got, &sig, &digest));
        assert_memory_equal(got.b, key.b, sizeof key.b);
        secp_address_of_secret(&expected, &secret);
        assert_true(secp_recover_address(&address, &sig, &digest));
        assert_true(address_eq(&address, &expected));

        struct secp_signature bad = sig;
        bad.b[64] ^= 1;
        assert_true(!secp_recover(&got, &bad, &digest) || memcmp(got.b, key.b, sizeof key.b) != 0);
        assert_true(secp_verify(&key, &bad, &digest)); /* v is not part of verification */
        bad = sig;
        bad.b[prng_below(&prng, 64)] ^= (u8)(1 << prng_below(&prng, 8));
        assert_false(secp_verify(&key, &bad, &digest));
        digest.b[prng_below(&prng, 32)] ^= 0x10;
        assert_false(secp_verify(&key, &sig, &digest));
    }
}

/* negate_s: the other signature of the pair, (r, n - s) with the other v. */
static void negate_s(struct secp_signature *sig)
{
    u8 order[32];
    unhex(order, sizeof order, order_hex);
    int borrow = 0;
    for (size_t i = 32; i-- > 0;) {
        int difference = order[i] - sig->b[32 + i] - borrow;
        borrow = difference < 0;
        sig->b[32 + i] = (u8)(difference + 256 * borrow);
    }
    sig->b[64] ^= 1;
}

static void high_s_is_refused(void **state)
{
    (void)state;
    struct secp_secret secret =
        secret_of("00000000000000000000000000000000000000000000000000000000cafebabe");
    struct secp_public key;
    struct secp_signature sig;
    struct address address;
    struct address expected;
    const struct hash digest = {{1, 2, 3}};
    secp_public_of(&key, &secret);
    secp_address_of_secret(&expected, &secret);
    secp_sign(&sig, &secret, &digest);
    negate_s(&sig);
    assert_false(secp_verify(&key, &sig, &digest));
    assert_false(secp_recover(&key, &sig, &digest));
    assert_false(secp_recover_address(&address, &sig, &digest));
    assert_true(secp_recover_address_any_s(&address, &sig, &digest));
    assert_true(address_eq(&address, &expected));
    negate_s(&sig);
    assert_true(secp_recover_address(&address, &sig, &digest));
}

static void malformed_signatures(void **state)
{
    (void)state;
    struct secp_secret secret =
        secret_of("00000000000000000000000000000000000000000000000000000000deadbeef");
    struct secp_public key;
    struct secp_signature good;
    struct address address;
    const struct hash digest = {{5}};
    secp_public_of(&key, &secret);
    secp_sign(&good, &secret, &digest);
    for (unsigned v = 2; v < 256; v++) {
        struct secp_signature sig = good;
        sig.b[64] = (u8)v;
        assert_false(secp_recover_address(&address, &sig, &digest));
        assert_false(secp_recover_address_any_s(&address, &sig, &digest));
    }
    for (size_t half = 0; half < 64; half += 32) {
        struct secp_signature sig = good;
        memset(sig.b + half, 0, 32);
        assert_false(secp_recover_address_any_s(&address, &sig, &digest));
        assert_false(secp_verify(&key, &sig, &digest));
        unhex(sig.b + half, 32, order_hex);
        assert_false(secp_recover_address_any_s(&address, &sig, &digest));
        assert_false(secp_verify(&key, &sig, &digest));
        memset(sig.b + half, 0xff, 32);
        assert_false(secp_recover_address_any_s(&address, &sig, &digest));
        assert_false(secp_verify(&key, &sig, &digest));
    }
}

/* RFC 8032 7.1, test 2. */
static void ed25519_rfc_8032(void **state)
{
    (void)state;
    u8 seed[32];
    u8 sig[64];
    struct ed_secret secret;
    struct ed_public key;
    unhex(seed, sizeof seed, "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb");
    ed_from_seed(&secret, &key, seed);
    check_hex(BYTES_OF(key), "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
    ed_sign(sig, &secret, bytes_str("\x72"));
    check_hex(BYTES_OF(sig), "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
                             "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00");
    assert_true(ed_verify(&key, sig, bytes_str("\x72")));
    assert_false(ed_verify(&key, sig, bytes_str("\x73")));
    assert_false(ed_verify(&key, sig, bytes_make(NULL, 0)));
    ed_sign(sig, &secret, bytes_make(NULL, 0));
    assert_true(ed_verify(&key, sig, bytes_make(NULL, 0)));
    const struct ed_public small_order = {{1}};
    assert_false(ed_verify(&small_order, sig, bytes_make(NULL, 0)));
}

/* RFC 7748 5.2, first vector. */
static void x25519_rfc_7748(void **state)
{
    (void)state;
    struct x_secret secret;
    struct x_public peer;
    u8 shared[32];
    unhex(secret.b, 32, "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4");
    unhex(peer.b, 32, "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c");
    assert_true(x_shared(shared, &secret, &peer));
    check_hex(BYTES_OF(shared), "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552");

    const struct x_secret alice = {{1, 2, 3}};
    const struct x_secret bob = {{4, 5, 6}};
    struct x_public alice_public;
    struct x_public bob_public;
    u8 other[32];
    x_public_of(&alice_public, &alice);
    x_public_of(&bob_public, &bob);
    assert_true(x_shared(shared, &alice, &bob_public));
    assert_true(x_shared(other, &bob, &alice_public));
    assert_memory_equal(shared, other, 32);

    static const u8 zero[32];
    const struct x_public small_order[] = {{{0}}, {{1}}};
    for (size_t i = 0; i < COUNT_OF(small_order); i++) {
        assert_false(x_shared(shared, &alice, &small_order[i]));
        assert_memory_equal(shared, zero, 32);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(secret_range),         cmocka_unit_test(addresses),
        cmocka_unit_test(bad_public_keys),      cmocka_unit_test(deterministic_signature),
        cmocka_unit_test(sign_verify_recover),  cmocka_unit_test(high_s_is_refused),
        cmocka_unit_test(malformed_signatures), cmocka_unit_test(ed25519_rfc_8032),
        cmocka_unit_test(x25519_rfc_7748),
    };
    return cmocka_run_group_tests(tests, init, NULL);
}
