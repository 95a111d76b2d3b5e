#include "crypto/cipher.h"

#include "base/mem.h"
#include "base/prng.h"
#include "tests/support/check.h"

static int init(void **state)
{
    (void)state;
    const struct hash seed = {{7}};
    crypto_init(&seed);
    return 0;
}

/* The two ciphers behind one face. */
struct cipher {
    size_t nonce_len;
    void (*seal)(u8 *out, const struct aead_key *key, const u8 *nonce, bytes aad, bytes in);
    bool (*open)(u8 *out, const struct aead_key *key, const u8 *nonce, bytes aad, bytes in);
};

static void gcm_seal(u8 *out, const struct aead_key *key, const u8 *nonce, bytes aad, bytes in)
{
    struct aes_gcm gcm;
    aes_gcm_init(&gcm, key);
    aes_gcm_seal(&gcm, out, nonce, aad, in);
    aes_gcm_free(&gcm);
}

static bool gcm_open(u8 *out, const struct aead_key *key, const u8 *nonce, bytes aad, bytes in)
{
    struct aes_gcm gcm;
    aes_gcm_init(&gcm, key);
    bool opened = aes_gcm_open(&gcm, out, nonce, aad, in);
    aes_gcm_free(&gcm);
    return opened;
}

static const struct cipher ciphers[] = {{12, gcm_seal, gcm_open}, {24, xchacha_seal, xchacha_open}};

static bool is_zero(const u8 *data, size_t len)
{
    u8 any = 0;
    for (size_t i = 0; i < len; i++) {
        any |= data[i];
    }
    return any == 0;
}

/* NIST GCM specification, test cases 13, 14 and 16 (256-bit keys). */
static void gcm_known_answers(void **state)
{
    (void)state;
    struct aead_key key = {{0}};
    u8 nonce[12] = {0};
    u8 in[60] = {0};
    u8 aad[20];
    u8 out[76];
    gcm_seal(out, &key, nonce, bytes_make(NULL, 0), bytes_make(NULL, 0));
    check_hex(bytes_make(out, 16), "530f8afbc74536b9a963b4f1c4cb738b");
    gcm_seal(out, &key, nonce, bytes_make(NULL, 0), bytes_make(in, 16));
    check_hex(bytes_make(out, 32), "cea7403d4d606b6e074ec5d3baf39d18"
                                   "d0d1c8a799996bf0265b98b5d48ab919");
    unhex(key.b, 32, "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308");
    unhex(nonce, 12, "cafebabefacedbaddecaf888");
    unhex(aad, 20, "feedfacedeadbeeffeedfacedeadbeefabaddad2");
    unhex(in, 60,
          "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
          "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39");
    gcm_seal(out, &key, nonce, BYTES_OF(aad), BYTES_OF(in));
    check_hex(BYTES_OF(out), "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
                             "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
                             "76fc6ece0f4e1768cddf8853bb2d551b");
}

static void round_trips_in_place(void **state)
{
    (void)state;
    struct prng prng;
    u8 plain[600];
    u8 work[600 + AEAD_TAG_BYTES];
    prng_init(&prng, 5);
    prng_fill(&prng, plain, sizeof plain);
    for (size_t round = 0; round < 200; round++) {
        const struct cipher *cipher = &ciphers[round % 2];
        struct aead_key key;
        u8 nonce[24];
        prng_fill(&prng, &key, sizeof key);
        prng_fill(&prng, nonce, sizeof nonce);
        size_t len = prng_below(&prng, sizeof plain + 1);
        bytes aad = bytes_make(plain, prng_below(&prng, 40));
        memcpy(work, plain, len);
        cipher->seal(work, &key, nonce, aad, bytes_make(work, len));
        assert_true(cipher->open(work, &key, nonce, aad, bytes_make(work, len + AEAD_TAG_BYTES)));
        assert_memory_equal(work, plain, len);
    }
}

static void any_change_is_refused(void **state)
{
    (void)state;
    static const u8 plain[20] = "twenty bytes of text";
    static const u8 aad[5] = "assoc";
    for (size_t c = 0; c < COUNT_OF(ciphers); c++) {
        struct aead_key key = {{1}};
        u8 nonce[24] = {2};
        u8 sealed[36];
        u8 out[36];
        ciphers[c].seal(sealed, &key, nonce, BYTES_OF(aad), BYTES_OF(plain));
        for (size_t bit = 0; bit < 8 * sizeof sealed; bit++) {
            u8 bad[36];
            memcpy(bad, sealed, sizeof bad);
            bad[bit / 8] ^= (u8)(1U << bit % 8);
            memset(out, 0xee, sizeof out);
            assert_false(ciphers[c].open(out, &key, nonce, BYTES_OF(aad), BYTES_OF(bad)));
            assert_true(is_zero(out, sizeof plain));
            assert_int_equal(out[sizeof plain], 0xee);
        }
        for (size_t len = 0; len < sizeof sealed; len++) { /* every truncation */
            assert_false(ciphers[c].open(out, &key, nonce, BYTES_OF(aad), bytes_make(sealed, len)));
        }
        assert_false(ciphers[c].open(out, &key, nonce, bytes_make(aad, 4), BYTES_OF(sealed)));
        nonce[ciphers[c].nonce_len - 1] ^= 1;
        assert_false(ciphers[c].open(out, &key, nonce, BYTES_OF(aad), BYTES_OF(sealed)));
        nonce[ciphers[c].nonce_len - 1] ^= 1;
        key.b[31] ^= 1;
        assert_false(ciphers[c].open(out, &key, nonce, BYTES_OF(aad), BYTES_OF(sealed)));
    }
}

/* One context, many messages: a refused one leaves nothing behind. */
static void gcm_context_is_reusable(void **state)
{
    (void)state;
    const struct aead_key key = {{3}};
    struct aes_gcm gcm;
    u8 sealed[48];
    u8 fresh[48];
    u8 out[32];
    static const u8 plain[32] = {9};
    aes_gcm_init(&gcm, &key);
    for (u8 i = 0; i < 20; i++) {
        const u8 nonce[12] = {i};
        aes_gcm_seal(&gcm, sealed, nonce, bytes_str("aad"), BYTES_OF(plain));
        gcm_seal(fresh, &key, nonce, bytes_str("aad"), BYTES_OF(plain));
        assert_memory_equal(sealed, fresh, sizeof sealed);
        sealed[i] ^= 1;
        assert_false(aes_gcm_open(&gcm, out, nonce, bytes_str("aad"), BYTES_OF(sealed)));
        sealed[i] ^= 1;
        assert_true(aes_gcm_open(&gcm, out, nonce, bytes_str("aad"), BYTES_OF(sealed)));
        assert_memory_equal(out, plain, sizeof plain);
    }
    aes_gcm_free(&gcm);
    aes_gcm_free(&gcm);
}

/* Computed with OpenSSL 3.5 (one lane, version 0x13). */
static void argon2id_known_answers(void **state)
{
    (void)state;
    u8 out[32];
    u8 counting[16];
    for (u8 i = 0; i < 16; i++) {
        counting[i] = i;
    }
    const u8 *salt = (const u8 *)"somesaltsomesalt";
    assert_true(argon2id(out, bytes_str("password"), salt, 1, KIB(8)));
    check_hex(BYTES_OF(out), "05b6ca8f8038b683887ad4916533858b49cb52040126c134f4c6e9d8711b8c09");
    assert_true(argon2id(out, bytes_str("password"), salt, 2, KIB(64)));
    check_hex(BYTES_OF(out), "1a98fba8e6394425c9bdc333a9c750aaf811df070f5fb4a5788e1cf4db5793a1");
    assert_true(argon2id(out, bytes_make(NULL, 0), counting, 3, MIB(1)));
    check_hex(BYTES_OF(out), "55cbc0bb08083e133dac010f5480bd2aa3c96d2811000b9629e9895f1fa0ef1e");
    assert_true(argon2id(out, bytes_str("correct horse battery staple"), counting, 2, MIB(19)));
    check_hex(BYTES_OF(out), "818259b6310026a8e0dbac5d2e6927abcfdb07b32258fac4f61b18b80f929085");
}

static void argon2id_limits(void **state)
{
    (void)state;
    u8 out[32];
    const u8 salt[16] = {0};
    assert_false(argon2id(out, bytes_str("x"), salt, 0, KIB(8)));
    assert_false(argon2id(out, bytes_str("x"), salt, 1, KIB(8) - 1));
    assert_false(argon2id(out, bytes_str("x"), salt, 1, 0));
    assert_false(argon2id(out, bytes_str("x"), salt, 1, UINT64_MAX));
}

/* Expected value from tests/models/crypto.py. */
static void box_known_answer(void **state)
{
    (void)state;
    static const char message[] = "a file key of thirty-two bytes!!";
    struct x_secret secret;
    struct x_public recipient;
    u8 random[56];
    u8 box[32 + SEAL_OVERHEAD_BYTES];
    u8 out[32];
    for (u8 i = 0; i < 32; i++) {
        secret.b[i] = i;
    }
    for (u8 i = 0; i < sizeof random; i++) {
        random[i] = (u8)(32 + i);
    }
    x_public_of(&recipient, &secret);
    check_hex(BYTES_OF(recipient),
              "8f40c5adb68f25624ae5b214ea767a6ec94d829d3d7b5e1ad1ba6f3e2138285f");
    assert_true(box_seal(box, &recipient, bytes_str("model"), bytes_str(message), random));
    check_hex(BYTES_OF(box), "358072d6365880d1aeea329adf9121383851ed21a28e3b75e965d0d2cd166254"
                             "404142434445464748494a4b4c4d4e4f5051525354555657c33857d0ba6457f7"
                             "a6791c5c65bee48bdecad47c74a5294a294c64214c69f6a70a29d7243a526842"
                             "1f71356985b33fb8");
    assert_true(box_open(out, &secret, bytes_str("model"), BYTES_OF(box)));
    assert_memory_equal(out, message, 32);
}

static void box_refuses(void **state)
{
    (void)state;
    const struct x_secret secret = {{1}};
    const struct x_secret stranger = {{2, 2}};
    struct x_public recipient;
    const u8 random[56] = {77, 1};
    u8 box[4 + SEAL_OVERHEAD_BYTES];
    u8 out[4];
    x_public_of(&recipient, &secret);
    assert_true(box_seal(box, &recipient, bytes_str("c"), bytes_str("text"), random));
    assert_false(box_open(out, &stranger, bytes_str("c"), BYTES_OF(box)));
    assert_false(box_open(out, &secret, bytes_str("d"), BYTES_OF(box)));
    assert_false(box_open(out, &secret, bytes_make(NULL, 0), BYTES_OF(box)));
    for (size_t len = 0; len < sizeof box; len++) {
        assert_false(box_open(out, &secret, bytes_str("c"), bytes_make(box, len)));
    }
    for (size_t i = 0; i < sizeof box; i++) {
        box[i] ^= 4;
        memset(out, 0xee, sizeof out);
        assert_false(box_open(out, &secret, bytes_str("c"), BYTES_OF(box)));
        assert_true(is_zero(out, sizeof out));
        box[i] ^= 4;
    }
    memset(box, 0, 32); /* an ephemeral key of small order */
    assert_false(box_open(out, &secret, bytes_str("c"), BYTES_OF(box)));
    const struct x_public small_order = {{1}};
    assert_false(box_seal(box, &small_order, bytes_str("c"), bytes_str("text"), random));
}

static void box_of_nothing(void **state)
{
    (void)state;
    const struct x_secret secret = {{1}};
    struct x_public recipient;
    const u8 random[56] = {5};
    u8 box[SEAL_OVERHEAD_BYTES];
    u8 out[1];
    x_public_of(&recipient, &secret);
    assert_true(box_seal(box, &recipient, bytes_make(NULL, 0), bytes_make(NULL, 0), random));
    assert_true(box_open(out, &secret, bytes_make(NULL, 0), BYTES_OF(box)));
    box[SEAL_OVERHEAD_BYTES - 1] ^= 1;
    assert_false(box_open(out, &secret, bytes_make(NULL, 0), BYTES_OF(box)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gcm_known_answers),      cmocka_unit_test(round_trips_in_place),
        cmocka_unit_test(any_change_is_refused),  cmocka_unit_test(gcm_context_is_reusable),
        cmocka_unit_test(argon2id_known_answers), cmocka_unit_test(argon2id_limits),
        cmocka_unit_test(box_known_answer),       cmocka_unit_test(box_refuses),
        cmocka_unit_test(box_of_nothing),
    };
    return cmocka_run_group_tests(tests, init, NULL);
}
