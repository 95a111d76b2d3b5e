#include "data/bucket_name.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static const struct territory_key territory = {{1, 2, 3}};
static const struct hash bucket = {{7}};
static const u8 nonce[24] = {9};

static void names_come_back(void **state)
{
    (void)state;
    u8 sealed[SEALED_BUCKET_NAME_BYTES];
    char name[BUCKET_NAME_CHARS_MAX + 1];
    char longest[BUCKET_NAME_CHARS_MAX + 1];
    memset(longest, 'x', BUCKET_NAME_CHARS_MAX);
    longest[BUCKET_NAME_CHARS_MAX] = '\0';
    bucket_name_seal(sealed, &territory, &bucket, bytes_str("photos"), nonce);
    assert_true(bucket_name_open(name, &territory, &bucket, BYTES_OF(sealed)));
    assert_string_equal(name, "photos");
    bucket_name_seal(sealed, &territory, &bucket, bytes_str(longest), nonce);
    assert_true(bucket_name_open(name, &territory, &bucket, BYTES_OF(sealed)));
    assert_string_equal(name, longest);
}

static void other_keys_buckets_and_bytes_are_refused(void **state)
{
    (void)state;
    struct territory_key other_key = territory;
    struct hash other_bucket = bucket;
    u8 sealed[SEALED_BUCKET_NAME_BYTES];
    char name[BUCKET_NAME_CHARS_MAX + 1];
    other_key.b[31] ^= 1;
    other_bucket.b[31] ^= 1;
    bucket_name_seal(sealed, &territory, &bucket, bytes_str("photos"), nonce);
    assert_false(bucket_name_open(name, &other_key, &bucket, BYTES_OF(sealed)));
    assert_false(bucket_name_open(name, &territory, &other_bucket, BYTES_OF(sealed)));
    assert_false(bucket_name_open(name, &territory, &bucket, bytes_make(sealed, 103)));
    assert_false(bucket_name_open(name, &territory, &bucket, bytes_make(NULL, 0)));
    for (size_t i = 0; i < sizeof sealed; i++) {
        sealed[i] ^= 1;
        assert_false(bucket_name_open(name, &territory, &bucket, BYTES_OF(sealed)));
        sealed[i] ^= 1;
    }
}

static void the_system_salt_is_fixed(void **state)
{
    (void)state;
    struct hash salt;
    char hex[65];
    system_bucket_salt(&salt);
    hex_encode(hex, sizeof hex, BYTES_OF(salt));
    /* printf 'cairn system bucket v1' | sha256sum */
    assert_string_equal(hex, "2239c48ccf820e42b11970614ee0e1f883cb3d0b12502540c2ce0a2b7e469fd9");
}

static void salts_differ_by_key_name_and_round(void **state)
{
    (void)state;
    struct territory_key key = {{1}};
    struct territory_key other = {{2}};
    struct hash salts[5];
    char hex[65];
    bucket_salt(&salts[0], &key, bytes_str("photos"), 0);
    bucket_salt(&salts[1], &key, bytes_str("photos"), 1);
    bucket_salt(&salts[2], &key, bytes_str("photo"), 0);
    bucket_salt(&salts[3], &other, bytes_str("photos"), 0);
    bucket_salt(&salts[4], &key, bytes_str("photos"), 0);
    assert_true(hash_eq(&salts[0], &salts[4]));
    for (size_t i = 0; i < 4; i++) {
        for (size_t j = 0; j < i; j++) {
            assert_false(hash_eq(&salts[i], &salts[j]));
        }
    }
    hex_encode(hex, sizeof hex, BYTES_OF(salts[0]));
    /* RFC 5869 with info "cairn bucket salt v1" ‖ 0 as u32 ‖ "photos", by Python's hmac */
    assert_string_equal(hex, "9bbd161bae00d926047a6976de1bead9b2304b31896f5850745168b93adb51ef");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_come_back),
        cmocka_unit_test(other_keys_buckets_and_bytes_are_refused),
        cmocka_unit_test(the_system_salt_is_fixed),
        cmocka_unit_test(salts_differ_by_key_name_and_round),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
