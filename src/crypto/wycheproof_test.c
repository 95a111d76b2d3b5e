/* The edge cases and attacks collected by Wycheproof (C2SP/wycheproof), as far as our fixed formats
 * can express them. Each test ends by counting its cases, so that a renamed field cannot turn it
 * into a loop over nothing. */
#include "base/mem.h"
#include "crypto/cipher.h"
#include "crypto/hash.h"
#include "tests/support/check.h"
#include "tests/support/vectors.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <secp256k1.h>

static struct vectors vectors;

static int setup(void **state)
{
    (void)state;
    const struct hash seed = {{7}};
    crypto_init(&seed);
    vectors_open(&vectors, "wycheproof");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    vectors_close(&vectors);
    return 0;
}

/* run_case: checks one case; returns 1, or 0 if it is outside what we implement. */
typedef size_t run_case(const json_t *group, const json_t *test);

static void run_file(const char *name, run_case *run, size_t expected_count)
{
    char path[VECTORS_PATH_MAX];
    vectors_format(path, "wycheproof/testvectors_v1/%s_test.json", name);
    json_t *root = vectors_json(&vectors, path);
    size_t count = 0;
    size_t g = 0;
    size_t t = 0;
    json_t *group = NULL;
    json_t *test = NULL;
    json_array_foreach(json_object_get(root, "testGroups"), g, group)
    {
        json_array_foreach(json_object_get(group, "tests"), t, test) { count += run(group, test); }
    }
    json_decref(root);
    assert_int_equal(count, expected_count);
}

static bool expects(const json_t *test, const char *result)
{
    return strcmp(vectors_text(test, "result"), result) == 0;
}

static bool has_flag(const json_t *test, const char *flag)
{
    size_t i = 0;
    json_t *item = NULL;
    json_array_foreach(json_object_get(test, "flags"), i, item)
    {
        if (strcmp(json_string_value(item), flag) == 0) {
            return true;
        }
    }
    return false;
}

static void fail_case(const json_t *test, const char *what)
{
    fail_msg("case %lld (%s): %s", (long long)json_integer_value(json_object_get(test, "tcId")),
             vectors_text(test, "comment"), what);
}

static void require(const json_t *test, bool holds, const char *what)
{
    if (!holds) {
        fail_case(test, what);
    }
}

typedef void seal_fn(u8 *out, const struct aead_key *key, const u8 *nonce, bytes aad, bytes in);
typedef bool open_fn(u8 *out, const struct aead_key *key, const u8 *nonce, bytes aad, bytes in);

static void aead_case(const json_t *test, size_t nonce_len, seal_fn *seal, open_fn *open)
{
    struct aead_key key;
    u8 nonce[24];
    vectors_hex_fixed(key.b, sizeof key.b, test, "key");
    vectors_hex_fixed(nonce, nonce_len, test, "iv");
    struct vectors_bytes aad = vectors_hex(test, "aad");
    struct vectors_bytes plain = vectors_hex(test, "msg");
    struct vectors_bytes text = vectors_hex(test, "ct");
    struct vectors_bytes tag = vectors_hex(test, "tag");
    size_t len = text.len + tag.len;
    u8 *expected = mem_alloc(len);
    u8 *got = mem_alloc(len);
    memcpy(expected, text.data, text.len);
    memcpy(expected + text.len, tag.data, tag.len);

    seal(got, &key, nonce, vectors_view(&aad), vectors_view(&plain));
    require(test, (memcmp(got, expected, len) == 0) == expects(test, "valid"), "seal");
    bool opened = open(got, &key, nonce, vectors_view(&aad), bytes_make(expected, len));
    require(test, opened == expects(test, "valid"), "open");
    require(test, !opened || memcmp(got, plain.data, plain.len) == 0, "plaintext");

    mem_free(got);
    mem_free(expected);
    mem_free(tag.data);
    mem_free(text.data);
    mem_free(plain.data);
    mem_free(aad.data);
}

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

static bool sizes_are(const json_t *group, json_int_t key_bits, json_int_t nonce_bits)
{
    return json_integer_value(json_object_get(group, "keySize")) == key_bits &&
           json_integer_value(json_object_get(group, "ivSize")) == nonce_bits;
}

static size_t aes_gcm_case(const json_t *group, const json_t *test)
{
    if (!sizes_are(group, 256, 96)) {
        return 0;
    }
    aead_case(test, 12, gcm_seal, gcm_open);
    return 1;
}

static size_t xchacha_case(const json_t *group, const json_t *test)
{
    if (!sizes_are(group, 256, 192)) {
        return 0;
    }
    aead_case(test, 24, xchacha_seal, xchacha_open);
    return 1;
}

/* A signature r ‖ s that the vectors call valid or invalid, low or high s. */
struct ecdsa_case {
    struct secp_public key;
    struct secp_signature sig;
    struct hash digest;
    bool valid;
};

static void read_key(struct secp_public *out, const json_t *group)
{
    u8 full[65];
    vectors_hex_fixed(full, sizeof full, json_object_get(group, "publicKey"), "uncompressed");
    out->b[0] = (u8)(2 | (full[64] & 1));
    memcpy(out->b + 1, full + 1, 32);
}

/* normalize: makes s low; true if it was high. */
static bool normalize(struct secp_signature *sig)
{
    secp256k1_ecdsa_signature parsed;
    if (secp256k1_ecdsa_signature_parse_compact(secp256k1_context_static, &parsed, sig->b) != 1) {
        return false;
    }
    int was_high = secp256k1_ecdsa_signature_normalize(secp256k1_context_static, &parsed, &parsed);
    secp256k1_ecdsa_signature_serialize_compact(secp256k1_context_static, sig->b, &parsed);
    return was_high == 1;
}

static bool recovers_key(const struct ecdsa_case *c)
{
    for (u8 v = 0; v < 2; v++) {
        struct secp_public got;
        struct secp_signature sig = c->sig;
        sig.b[64] = v;
        if (secp_recover(&got, &sig, &c->digest) && memcmp(got.b, c->key.b, sizeof got.b) == 0) {
            return true;
        }
    }
    return false;
}

/* An x-coordinate at or above the group order, which one signature in 2^127 has: r is x - n, and
 * recovery would need v = 2 or 3, which we refuse. Such r are below p - n < 2^129. */
static bool needs_v_above_1(const struct secp_signature *sig)
{
    static const u8 zero[15];
    return memcmp(sig->b, zero, sizeof zero) == 0;
}

/* check_low: of a signature whose s is low by now. */
static void check_low(const json_t *test, const struct ecdsa_case *c)
{
    require(test, secp_verify(&c->key, &c->sig, &c->digest) == c->valid, "verify");
    if (!c->valid) {
        require(test, !recovers_key(c), "recovered from an invalid signature");
    } else if (!needs_v_above_1(&c->sig)) {
        require(test, recovers_key(c), "not recovered");
    }
}

static void digest_message(struct hash *out, const json_t *group, const json_t *test)
{
    struct vectors_bytes message = vectors_hex(test, "msg");
    if (strcmp(vectors_text(group, "sha"), "SHA-512") == 0) {
        u8 wide[64];
        sha512(wide, vectors_view(&message));
        memcpy(out->b, wide, sizeof out->b); /* ECDSA takes the leftmost bits */
    } else {
        assert_string_equal(vectors_text(group, "sha"), "SHA-256");
        sha256(out, vectors_view(&message));
    }
    mem_free(message.data);
}

/* r ‖ s as it is: cases of another length cannot be expressed in our format. */
static size_t p1363_case(const json_t *group, const json_t *test)
{
    struct vectors_bytes sig = vectors_hex(test, "sig");
    size_t counted = 0;
    if (sig.len == 64) {
        struct ecdsa_case c = {.valid = expects(test, "valid")};
        read_key(&c.key, group);
        memcpy(c.sig.b, sig.data, 64);
        digest_message(&c.digest, group, test);
        struct secp_signature low = c.sig;
        if (normalize(&low)) {
            require(test, !secp_verify(&c.key, &c.sig, &c.digest), "high s verified");
            require(test, !recovers_key(&c), "high s recovered");
        }
        c.sig = low;
        check_low(test, &c);
        counted = 1;
    } else {
        require(test, expects(test, "invalid"), "a valid signature of another length");
    }
    mem_free(sig.data);
    return counted;
}

/* DER with the low-s rule. What libsecp256k1's strict parser refuses has no form of ours. */
static size_t bitcoin_case(const json_t *group, const json_t *test)
{
    secp256k1_ecdsa_signature parsed;
    struct vectors_bytes der = vectors_hex(test, "sig");
    int is_der =
        secp256k1_ecdsa_signature_parse_der(secp256k1_context_static, &parsed, der.data, der.len);
    mem_free(der.data);
    if (is_der != 1) {
        require(test, expects(test, "invalid"), "valid but unparsable");
        return 0;
    }
    struct ecdsa_case c = {.valid = expects(test, "valid")};
    read_key(&c.key, group);
    secp256k1_ecdsa_signature_serialize_compact(secp256k1_context_static, c.sig.b, &parsed);
    digest_message(&c.digest, group, test);
    require(test, secp_verify(&c.key, &c.sig, &c.digest) == c.valid, "verify");
    require(test, c.valid || !recovers_key(&c), "recovered from an invalid signature");
    return 1;
}

static size_t ed25519_case(const json_t *group, const json_t *test)
{
    struct ed_public key;
    vectors_hex_fixed(key.b, sizeof key.b, json_object_get(group, "publicKey"), "pk");
    struct vectors_bytes sig = vectors_hex(test, "sig");
    struct vectors_bytes message = vectors_hex(test, "msg");
    size_t counted = 0;
    if (sig.len == 64) {
        bool verified = ed_verify(&key, sig.data, vectors_view(&message));
        require(test, verified == expects(test, "valid"), "verify");
        counted = 1;
    } else {
        require(test, expects(test, "invalid"), "a valid signature of another length");
    }
    mem_free(message.data);
    mem_free(sig.data);
    return counted;
}

/* "Acceptable" leaves a choice; ours is RFC 7748 with the all-zero result refused. */
static size_t x25519_case(const json_t *group, const json_t *test)
{
    (void)group;
    struct x_secret secret;
    struct x_public peer;
    u8 expected[32];
    u8 got[32];
    vectors_hex_fixed(secret.b, sizeof secret.b, test, "private");
    vectors_hex_fixed(peer.b, sizeof peer.b, test, "public");
    vectors_hex_fixed(expected, sizeof expected, test, "shared");
    bool agreed = x_shared(got, &secret, &peer);
    require(test, agreed == !has_flag(test, "ZeroSharedSecret"), "refusal of small order");
    require(test, memcmp(got, expected, sizeof got) == 0, "shared secret");
    return 1;
}

/* Both HKDFs; ours with SHA-512 is the expanding half only. */
static size_t hkdf_case(const json_t *test, bool is_512)
{
    size_t size = (size_t)json_integer_value(json_object_get(test, "size"));
    if (size > (size_t)255 * (is_512 ? 64 : 32)) {
        require(test, expects(test, "invalid"), "too long but valid");
        return 0;
    }
    struct vectors_bytes ikm = vectors_hex(test, "ikm");
    struct vectors_bytes salt = vectors_hex(test, "salt");
    struct vectors_bytes info = vectors_hex(test, "info");
    struct vectors_bytes okm = vectors_hex(test, "okm");
    u8 *out = mem_alloc(size);
    if (is_512) {
        u8 prk[64];
        assert_non_null(HMAC(EVP_sha512(), salt.data, (int)salt.len, ikm.data, ikm.len, prk, NULL));
        hkdf_expand_sha512(out, size, BYTES_OF(prk), vectors_view(&info));
    } else {
        hkdf_sha256(out, size, vectors_view(&ikm), vectors_view(&salt), vectors_view(&info));
    }
    require(test, expects(test, "valid") && okm.len == size && memcmp(out, okm.data, size) == 0,
            "output");
    mem_free(out);
    mem_free(okm.data);
    mem_free(info.data);
    mem_free(salt.data);
    mem_free(ikm.data);
    return 1;
}

static size_t hkdf_256_case(const json_t *group, const json_t *test)
{
    (void)group;
    return hkdf_case(test, false);
}

static size_t hkdf_512_case(const json_t *group, const json_t *test)
{
    (void)group;
    return hkdf_case(test, true);
}

static void aes_gcm(void **state)
{
    (void)state;
    run_file("aes_gcm", aes_gcm_case, 66);
}

static void xchacha20_poly1305(void **state)
{
    (void)state;
    run_file("xchacha20_poly1305", xchacha_case, 306);
}

static void ecdsa(void **state)
{
    (void)state;
    run_file("ecdsa_secp256k1_sha256_p1363", p1363_case, 234);
    run_file("ecdsa_secp256k1_sha512_p1363", p1363_case, 304);
    run_file("ecdsa_secp256k1_sha256_bitcoin", bitcoin_case, 273);
}

static void ed25519(void **state)
{
    (void)state;
    run_file("ed25519", ed25519_case, 139);
}

static void x25519(void **state)
{
    (void)state;
    run_file("x25519", x25519_case, 518);
}

static void hkdf(void **state)
{
    (void)state;
    run_file("hkdf_sha256", hkdf_256_case, 83);
    run_file("hkdf_sha512", hkdf_512_case, 80);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(aes_gcm), cmocka_unit_test(xchacha20_poly1305),
        cmocka_unit_test(ecdsa),   cmocka_unit_test(ed25519),
        cmocka_unit_test(x25519),  cmocka_unit_test(hkdf),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
