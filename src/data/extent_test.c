#include "data/extent.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/prng.h"
#include "crypto/hash.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct fixture {
    struct aead_key key;
    struct hash bucket;
    struct extent_id extent;
    u8 salt[EXTENT_SALT_BYTES];
};

static void fixture_fill(struct fixture *fixture)
{
    struct prng prng;
    prng_init(&prng, 7);
    prng_fill(&prng, fixture, sizeof *fixture);
}

static void lengths(void **state)
{
    (void)state;
    static const struct {
        u64 plain, sealed;
    } table[] = {
        {0, 56 + 16},
        {1, 56 + 17},
        {1024, 56 + 1024 + 16},
        {16383, 56 + 16383 + 16},
        {16384, 56 + 16400 + 16},
        {16385, 56 + 16400 + 17},
        {20480, 56 + 16400 + 4096 + 16},
        {32768, 56 + 2 * 16400 + 16},
        {((u64)1 << 52) - 1, 56 + (((u64)1 << 52) - 1) + ((u64)16 << 38)},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        u64 plain = 99;
        assert_true(extent_sealed_length(table[i].plain) == table[i].sealed);
        assert_true(extent_plain_length(&plain, table[i].sealed));
        assert_true(plain == table[i].plain);
    }
}

/* The text's own list: no stream ends on a chunk boundary or less than a tag after one. */
static void impossible_lengths(void **state)
{
    (void)state;
    u64 plain = 99;
    for (u64 sealed = 0; sealed < 56 + 16; sealed++) {
        assert_false(extent_plain_length(&plain, sealed));
    }
    for (u64 over = 0; over < 16; over++) {
        assert_false(extent_plain_length(&plain, 56 + 16400 + over));
        assert_false(extent_plain_length(&plain, 56 + 5 * 16400 + over));
    }
    assert_false(extent_plain_length(&plain, UINT64_MAX));
    assert_false(extent_plain_length(&plain, 56 + ((u64)1 << 38) * 16400 + 16));
    assert_true(plain == 99);
}

static void chunk_lengths(void **state)
{
    (void)state;
    assert_int_equal(extent_chunk_sealed_bytes(0, 0), 16);
    assert_int_equal(extent_chunk_sealed_bytes(16384, 0), 16400);
    assert_int_equal(extent_chunk_sealed_bytes(16384, 1), 16);
    assert_int_equal(extent_chunk_sealed_bytes(40000, 1), 16400);
    assert_int_equal(extent_chunk_sealed_bytes(40000, 2), 40000 - 32768 + 16);
    assert_int_equal(extent_chunk_offset(0), 56);
    assert_int_equal(extent_chunk_offset(3), 56 + 3 * 16400);
}

/* derived: HKDF-Expand-SHA512 by the letter of the text, from a string built by hand. */
static void derivation_follows_the_text(void **state)
{
    (void)state;
    struct fixture fixture;
    struct extent_cipher cipher;
    struct buf info;
    u8 derived[76];
    fixture_fill(&fixture);
    buf_init(&info, 1000);
    buf_put_str(&info, "c2sp.org/chunked-encryption@v1+");
    buf_put_str(&info, "AEAD_AES_256_GCM");
    buf_put_u8(&info, 0);
    buf_put(&info, BYTES_OF(fixture.salt));
    buf_put(&info, BYTES_OF(fixture.bucket));
    buf_put(&info, BYTES_OF(fixture.extent));
    hkdf_expand_sha512(derived, sizeof derived, BYTES_OF(fixture.key), buf_bytes(&info));
    extent_cipher_init(&cipher, &fixture.key, &fixture.bucket, &fixture.extent, fixture.salt);
    assert_memory_equal(cipher.header, fixture.salt, 24);
    assert_memory_equal(cipher.header + 24, derived + 44, 32);

    u8 plain[3] = "abc";
    u8 sealed[19];
    u8 expected[19];
    u8 nonce[12];
    struct aes_gcm gcm;
    struct aead_key key;
    memcpy(key.b, derived, 32);
    memcpy(nonce, derived + 32, 12);
    nonce[11] ^= 0x34;
    nonce[10] ^= 0x12;
    nonce[7] ^= 0x3f;
    aes_gcm_init(&gcm, &key);
    aes_gcm_seal(&gcm, expected, nonce, (bytes){NULL, 0}, BYTES_OF(plain));
    extent_seal_chunk(&cipher, sealed, 0x3f00001234, BYTES_OF(plain));
    assert_memory_equal(sealed, expected, sizeof sealed);
    aes_gcm_free(&gcm);
    extent_cipher_free(&cipher);
    buf_free(&info);
}

static size_t seal_stream(u8 *out, const struct fixture *fixture, bytes plain)
{
    struct extent_cipher cipher;
    size_t at = EXTENT_HEADER_BYTES;
    extent_cipher_init(&cipher, &fixture->key, &fixture->bucket, &fixture->extent, fixture->salt);
    memcpy(out, cipher.header, EXTENT_HEADER_BYTES);
    for (u64 chunk = 0; chunk <= plain.len / EXTENT_CHUNK_BYTES; chunk++) {
        size_t from = (size_t)(chunk * EXTENT_CHUNK_BYTES);
        size_t len = min_size(plain.len - from, EXTENT_CHUNK_BYTES);
        assert_int_equal(at, extent_chunk_offset(chunk));
        extent_seal_chunk(&cipher, out + at, chunk, bytes_slice(plain, from, len));
        at += len + AEAD_TAG_BYTES;
    }
    extent_cipher_free(&cipher);
    return at;
}

static void round_trips(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 16383, 16384, 16385, 40000, 49152};
    struct fixture fixture;
    struct prng prng;
    u8 *plain = mem_alloc(50000);
    u8 *stream = mem_alloc(51000);
    u8 out[EXTENT_CHUNK_BYTES];
    fixture_fill(&fixture);
    prng_init(&prng, 3);
    prng_fill(&prng, plain, 50000);
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        size_t len = seal_stream(stream, &fixture, bytes_make(plain, sizes[i]));
        assert_int_equal(len, extent_sealed_length(sizes[i]));
        struct extent_cipher cipher;
        assert_true(
            extent_cipher_open(&cipher, &fixture.key, &fixture.bucket, &fixture.extent, stream));
        u64 chunks = sizes[i] / EXTENT_CHUNK_BYTES + 1;
        for (u64 chunk = chunks; chunk-- > 0;) { /* random access: backwards */
            size_t sealed = extent_chunk_sealed_bytes(sizes[i], chunk);
            u64 at = extent_chunk_offset(chunk);
            assert_true(extent_open_chunk(&cipher, out, chunk, bytes_make(stream + at, sealed)));
            assert_memory_equal(out, plain + chunk * EXTENT_CHUNK_BYTES, sealed - 16);
        }
        extent_cipher_free(&cipher);
    }
    mem_free(plain);
    mem_free(stream);
}

static void wrong_keys_are_seen_at_once(void **state)
{
    (void)state;
    struct fixture fixture;
    struct extent_cipher cipher;
    u8 stream[100];
    fixture_fill(&fixture);
    seal_stream(stream, &fixture, bytes_str("hello"));
    const size_t parts[] = {offsetof(struct fixture, key), offsetof(struct fixture, bucket),
                            offsetof(struct fixture, extent)};
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        struct fixture wrong = fixture;
        ((u8 *)&wrong)[parts[i] + 5] ^= 0x80;
        assert_false(extent_cipher_open(&cipher, &wrong.key, &wrong.bucket, &wrong.extent, stream));
        extent_cipher_free(&cipher); /* safe after a refusal */
    }
    for (size_t at = 0; at < EXTENT_HEADER_BYTES; at++) {
        stream[at] ^= 1;
        assert_false(
            extent_cipher_open(&cipher, &fixture.key, &fixture.bucket, &fixture.extent, stream));
        stream[at] ^= 1;
    }
}

static void tampered_chunks(void **state)
{
    (void)state;
    struct fixture fixture;
    struct extent_cipher cipher;
    u8 plain[EXTENT_CHUNK_BYTES] = {1, 2, 3};
    u8 first[EXTENT_SEALED_CHUNK_BYTES];
    u8 last[16 + 5];
    u8 out[EXTENT_CHUNK_BYTES];
    fixture_fill(&fixture);
    extent_cipher_init(&cipher, &fixture.key, &fixture.bucket, &fixture.extent, fixture.salt);
    extent_seal_chunk(&cipher, first, 0, BYTES_OF(plain));
    extent_seal_chunk(&cipher, last, 1, bytes_make(plain, 5));
    assert_true(extent_open_chunk(&cipher, out, 0, BYTES_OF(first)));
    assert_false(extent_open_chunk(&cipher, out, 1, BYTES_OF(first))); /* moved */
    assert_false(extent_open_chunk(&cipher, out, 0, BYTES_OF(last)));
    assert_false(extent_open_chunk(&cipher, out, 1, bytes_make(last, 20))); /* cut */
    assert_false(extent_open_chunk(&cipher, out, 1, bytes_make(last, 15)));
    assert_false(extent_open_chunk(&cipher, out, 1, bytes_make(last, 0)));
    assert_false(extent_open_chunk(&cipher, out, EXTENT_CHUNKS_MAX, BYTES_OF(last)));
    for (size_t at = 0; at < sizeof last; at++) {
        last[at] ^= 4;
        assert_false(extent_open_chunk(&cipher, out, 1, BYTES_OF(last)));
        last[at] ^= 4;
    }
    assert_true(extent_open_chunk(&cipher, out, 1, BYTES_OF(last)));
    extent_cipher_free(&cipher);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lengths),         cmocka_unit_test(impossible_lengths),
        cmocka_unit_test(chunk_lengths),   cmocka_unit_test(derivation_follows_the_text),
        cmocka_unit_test(round_trips),     cmocka_unit_test(wrong_keys_are_seen_at_once),
        cmocka_unit_test(tampered_chunks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
