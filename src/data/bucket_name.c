#include "data/bucket_name.h"

#include "base/assert.h"
#include "base/mem.h"
#include "crypto/hash.h"

#define NAME_DOMAIN "cairn bucket name v1"
#define SYSTEM_DOMAIN "cairn system bucket v1"
#define SALT_DOMAIN "cairn bucket salt v1"
#define NONCE_BYTES 24

static void name_key(struct aead_key *ret, const struct territory_key *territory)
{
    hkdf_sha256(ret->b, sizeof ret->b, BYTES_OF(*territory), bytes_make(NULL, 0),
                bytes_str(NAME_DOMAIN));
}

void bucket_name_seal(u8 out[SEALED_BUCKET_NAME_BYTES], const struct territory_key *territory,
                      const struct hash *bucket, bytes name, const u8 nonce[24])
{
    u8 padded[BUCKET_NAME_PADDED_BYTES] = {0};
    struct aead_key key;
    assert_that(name.len >= 1 && name.len <= BUCKET_NAME_CHARS_MAX);
    memcpy(padded, name.data, name.len);
    memcpy(out, nonce, NONCE_BYTES);
    name_key(&key, territory);
    xchacha_seal(out + NONCE_BYTES, &key, nonce, BYTES_OF(*bucket), BYTES_OF(padded));
    mem_wipe(&key, sizeof key);
}

bool bucket_name_open(char out[BUCKET_NAME_CHARS_MAX + 1], const struct territory_key *territory,
                      const struct hash *bucket, bytes sealed)
{
    u8 padded[BUCKET_NAME_PADDED_BYTES];
    struct aead_key key;
    if (sealed.len != SEALED_BUCKET_NAME_BYTES) {
        return false;
    }
    name_key(&key, territory);
    bool authentic = xchacha_open(padded, &key, sealed.data, BYTES_OF(*bucket),
                                  bytes_slice(sealed, NONCE_BYTES, sealed.len - NONCE_BYTES));
    mem_wipe(&key, sizeof key);
    if (!authentic || padded[0] == 0 || padded[BUCKET_NAME_CHARS_MAX] != 0) {
        return false;
    }
    memcpy(out, padded, BUCKET_NAME_CHARS_MAX + 1);
    return true;
}

void bucket_salt(struct hash *ret_salt, const struct territory_key *territory, bytes name,
                 u32 round)
{
    u8 info[sizeof SALT_DOMAIN - 1 + 4 + BUCKET_NAME_CHARS_MAX];
    size_t domain_len = sizeof SALT_DOMAIN - 1;
    assert_that(name.len >= 1 && name.len <= BUCKET_NAME_CHARS_MAX);
    memcpy(info, SALT_DOMAIN, domain_len);
    store_be32(info + domain_len, round);
    memcpy(info + domain_len + 4, name.data, name.len);
    hkdf_sha256(ret_salt->b, sizeof ret_salt->b, BYTES_OF(*territory), bytes_make(NULL, 0),
                bytes_make(info, domain_len + 4 + name.len));
}

void system_bucket_salt(struct hash *ret_salt) { sha256(ret_salt, bytes_str(SYSTEM_DOMAIN)); }
