/* Signatures and keys from outside: 65 bytes of signature, 32 of digest, 33 of key, the rest a
 * message. What recovery accepts, verification accepts too. */
#include "crypto/sign.h"

#include "base/assert.h"

#define FIXED_BYTES (65 + 32 + 33)

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static void check_recovery(const struct secp_signature *sig, const struct hash *digest)
{
    struct secp_public key;
    struct address address;
    struct address any;
    bool recovered = secp_recover(&key, sig, digest);
    assert_that(secp_recover_address(&address, sig, digest) == recovered);
    if (recovered) {
        assert_that(secp_verify(&key, sig, digest));
        assert_that(secp_recover_address_any_s(&any, sig, digest) && address_eq(&any, &address));
        assert_that(secp_address(&any, &key) && address_eq(&any, &address));
    }
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    const struct hash seed = {{1}};
    crypto_init(&seed);
    if (size < FIXED_BYTES) {
        return 0;
    }
    struct secp_signature sig;
    struct hash digest;
    struct secp_public key;
    struct ed_public ed;
    struct x_public peer;
    struct address address;
    u8 full[64];
    memcpy(sig.b, data, sizeof sig.b);
    memcpy(digest.b, data + 65, sizeof digest.b);
    memcpy(key.b, data + 97, sizeof key.b);
    memcpy(ed.b, data + 97, sizeof ed.b);
    memcpy(peer.b, data + 97, sizeof peer.b);

    check_recovery(&sig, &digest);
    bool is_point = secp_public_uncompressed(full, &key);
    assert_that(secp_address(&address, &key) == is_point);
    assert_that(is_point || !secp_verify(&key, &sig, &digest));
    (void)!ed_verify(&ed, sig.b, bytes_make(data + FIXED_BYTES, size - FIXED_BYTES));
    const struct x_secret secret = {{1}};
    (void)!x_shared(full, &secret, &peer);
    return 0;
}
