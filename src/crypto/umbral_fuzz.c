/* Capsules from outside, and encapsulation with hostile labels and randomness: 98 bytes of capsule,
 * 33 of label, 64 of randomness. A capsule that passes the check opens, and what we make passes. */
#include "crypto/umbral.h"

#include "base/assert.h"

#define FIXED_BYTES (UMBRAL_CAPSULE_BYTES + 33 + 64)

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    const struct hash seed = {{1}};
    crypto_init(&seed);
    if (size < FIXED_BYTES) {
        return 0;
    }
    static const u8 material[32] = {1};
    struct umbral_capsule capsule;
    struct secp_public label;
    struct secp_secret secret;
    u8 key[32];
    u8 opened[32];
    memcpy(capsule.b, data, sizeof capsule.b);
    memcpy(label.b, data + sizeof capsule.b, sizeof label.b);
    umbral_secret_derive(&secret, material, bytes_make(data, size));

    /* Only E + V = 0 passes the check and does not open. */
    bool checked = umbral_check(&capsule);
    bool cancels = memcmp(capsule.b + 1, capsule.b + 34, 32) == 0;
    assert_that(umbral_decapsulate(key, &secret, &capsule) == checked || (checked && cancels));
    if (umbral_encapsulate(&capsule, key, &label, data + size - 64)) {
        assert_that(umbral_check(&capsule));
    }
    secp_public_of(&label, &secret);
    if (umbral_encapsulate(&capsule, key, &label, data + size - 64)) {
        assert_that(umbral_decapsulate(opened, &secret, &capsule));
        assert_that(memcmp(key, opened, sizeof key) == 0);
    }
    return 0;
}
