#include "crypto/hash.h"

#include "base/mem.h"
#include "base/prng.h"
#include "tests/support/check.h"

/* FIPS 180-4 examples (abc, the two-block message, a million "a"), RFC 1321 A.5. */
static const char two_blocks[] = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
static const char long_blocks[] = "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmno"
                                  "ijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu";

static void fips_180_examples(void **state)
{
    (void)state;
    struct hash h;
    u8 wide[64];
    u8 short_digest[20];
    sha256(&h, bytes_make(NULL, 0));
    check_hex(BYTES_OF(h), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    sha256(&h, bytes_str("abc"));
    check_hex(BYTES_OF(h), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    sha256(&h, bytes_str(two_blocks));
    check_hex(BYTES_OF(h), "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    sha512(wide, bytes_str("abc"));
    check_hex(BYTES_OF(wide), "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
                              "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f");
    sha512(wide, bytes_str(long_blocks));
    check_hex(BYTES_OF(wide), "8e959b75dae313da8cf4f72814fc143f8f7779c6eb9f7fa17299aeadb6889018"
                              "501d289e4900f7e4331b99dec4b5433ac7d329eeb6dd26545e96e55b874be909");
    sha1(short_digest, bytes_str("abc"));
    check_hex(BYTES_OF(short_digest), "a9993e364706816aba3e25717850c26c9cd0d89d");
    md5(wide, bytes_str("message digest"));
    check_hex(bytes_make(wide, 16), "f96b697d7cb7938d525a2f31aaf161d0");
    md5(wide, bytes_str(""));
    check_hex(bytes_make(wide, 16), "d41d8cd98f00b204e9800998ecf8427e");
}

static void million_a(void **state)
{
    (void)state;
    static const char *const expected[] = {
        [DIGEST_MD5] = "7707d6ae4e027c70eea2a935c2296f21",
        [DIGEST_SHA1] = "34aa973cd4c4daa4f61eeb2bdbad27316534016f",
        [DIGEST_SHA256] = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0",
        [DIGEST_SHA512] = ("e718483d0ce769644e2e42c7bc15b4638e1f98b13b2044285632a803afa973eb"
                           "de0ff244877ea60a4cb0432ce577c31beb009c5c2c49aa2e4eadb217ad8cc09b")};
    static const size_t lengths[] = {16, 20, 32, 64};
    u8 piece[1000];
    memset(piece, 'a', sizeof piece);
    for (size_t kind = 0; kind < COUNT_OF(expected); kind++) {
        struct digest digest;
        u8 out[64];
        digest_init(&digest, (enum digest_kind)kind);
        for (size_t i = 0; i < 1000; i++) {
            digest_update(&digest, BYTES_OF(piece));
        }
        digest_final(&digest, out);
        check_hex(bytes_make(out, lengths[kind]), expected[kind]);
        assert_null(digest.ctx);
    }
}

static void streaming_equals_one_shot(void **state)
{
    (void)state;
    struct prng prng;
    u8 data[700];
    prng_init(&prng, 1);
    prng_fill(&prng, data, sizeof data);
    for (size_t round = 0; round < 200; round++) {
        size_t len = prng_below(&prng, sizeof data + 1);
        size_t cut = prng_below(&prng, len + 1);
        const bytes parts[] = {bytes_make(data, cut), bytes_make(NULL, 0),
                               bytes_make(data + cut, len - cut)};
        struct hash whole;
        struct hash got;
        sha256(&whole, bytes_make(data, len));
        sha256_parts(&got, parts, COUNT_OF(parts));
        assert_true(hash_eq(&whole, &got));

        struct digest digest;
        struct digest copy;
        digest_init(&digest, DIGEST_SHA256);
        digest_update(&digest, parts[0]);
        digest_copy(&copy, &digest);
        digest_update(&digest, bytes_str("does not reach the copy"));
        digest_update(&copy, parts[2]);
        digest_final(&copy, got.b);
        assert_true(hash_eq(&whole, &got));
        digest_free(&digest);
        digest_free(&digest);

        keccak256(&whole, bytes_make(data, len));
        keccak256_parts(&got, parts, COUNT_OF(parts));
        assert_true(hash_eq(&whole, &got));
    }
    struct digest never = {0};
    digest_free(&never);
}

static void keccak_known_answers(void **state)
{
    (void)state;
    struct hash h;
    keccak256(&h, bytes_make(NULL, 0)); /* the code hash of an account without code */
    check_hex(BYTES_OF(h), "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470");
    keccak256(&h, bytes_str("abc"));
    check_hex(BYTES_OF(h), "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45");
    keccak256(&h, bytes_str("Transfer(address,address,uint256)"));
    check_hex(BYTES_OF(h), "ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef");
}

/* All lengths around one, two and three blocks; expected value from tests/models/crypto.py. */
static void keccak_every_length(void **state)
{
    (void)state;
    u8 data[412];
    u8 digests[412][32];
    struct hash h;
    for (size_t i = 0; i < sizeof data; i++) {
        data[i] = (u8)(i * 7);
    }
    for (size_t len = 0; len < COUNT_OF(digests); len++) {
        keccak256(&h, bytes_make(data, len));
        memcpy(digests[len], h.b, 32);
    }
    keccak256(&h, BYTES_OF(digests));
    check_hex(BYTES_OF(h), "d0f675e676392aaa4a40b442cffe1af77e2e3290cfcba6971c8a56e2f4a1037d");
}

/* RFC 4231 test cases 1, 2, 6 (a key longer than the block). */
static void hmac_rfc_4231(void **state)
{
    (void)state;
    struct hash h;
    u8 key[131];
    memset(key, 0x0b, 20);
    hmac_sha256(&h, bytes_make(key, 20), bytes_str("Hi There"));
    check_hex(BYTES_OF(h), "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    hmac_sha256(&h, bytes_str("Jefe"), bytes_str("what do ya want for nothing?"));
    check_hex(BYTES_OF(h), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    memset(key, 0xaa, sizeof key);
    hmac_sha256(&h, BYTES_OF(key),
                bytes_str("Test Using Larger Than Block-Size Key - Hash Key First"));
    check_hex(BYTES_OF(h), "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

/* RFC 5869 A.1 and A.3 (neither salt nor info). */
static void hkdf_rfc_5869(void **state)
{
    (void)state;
    u8 ikm[22];
    u8 salt[13];
    u8 info[10];
    u8 out[42];
    memset(ikm, 0x0b, sizeof ikm);
    unhex(salt, sizeof salt, "000102030405060708090a0b0c");
    unhex(info, sizeof info, "f0f1f2f3f4f5f6f7f8f9");
    hkdf_sha256(out, sizeof out, BYTES_OF(ikm), BYTES_OF(salt), BYTES_OF(info));
    check_hex(BYTES_OF(out), "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf"
                             "34007208d5b887185865");
    hkdf_sha256(out, sizeof out, BYTES_OF(ikm), bytes_make(NULL, 0), bytes_make(NULL, 0));
    check_hex(BYTES_OF(out), "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"
                             "9d201395faa4b61a96c8");
}

static void hkdf_longest(void **state)
{
    (void)state;
    static u8 out[255 * 64];
    static u8 shorter[255 * 64];
    u8 prk[64] = {1};
    hkdf_sha256(out, 255 * 32, BYTES_OF(prk), bytes_str("salt"), bytes_str("info"));
    hkdf_sha256(shorter, 100, BYTES_OF(prk), bytes_str("salt"), bytes_str("info"));
    assert_memory_equal(out, shorter, 100);
    hkdf_expand_sha512(out, sizeof out, BYTES_OF(prk), bytes_str("info"));
    hkdf_expand_sha512(shorter, 65, BYTES_OF(prk), bytes_str("info"));
    assert_memory_equal(out, shorter, 65);
    hkdf_expand_sha512(shorter, 0, BYTES_OF(prk), bytes_str("info"));
}

static void secret_comparison(void **state)
{
    (void)state;
    u8 a[33] = {0};
    u8 b[33] = {0};
    assert_true(bytes_eq_secret(BYTES_OF(a), BYTES_OF(b)));
    assert_true(bytes_eq_secret(bytes_make(NULL, 0), bytes_make(a, 0)));
    assert_false(bytes_eq_secret(bytes_make(a, 32), BYTES_OF(b)));
    for (size_t bit = 0; bit < 8 * sizeof a; bit++) {
        b[bit / 8] ^= (u8)(1U << bit % 8);
        assert_false(bytes_eq_secret(BYTES_OF(a), BYTES_OF(b)));
        b[bit / 8] ^= (u8)(1U << bit % 8);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fips_180_examples),
        cmocka_unit_test(million_a),
        cmocka_unit_test(streaming_equals_one_shot),
        cmocka_unit_test(keccak_known_answers),
        cmocka_unit_test(keccak_every_length),
        cmocka_unit_test(hmac_rfc_4231),
        cmocka_unit_test(hkdf_rfc_5869),
        cmocka_unit_test(hkdf_longest),
        cmocka_unit_test(secret_comparison),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
