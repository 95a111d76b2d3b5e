/* Keys and proofs of others: verifying never crashes, and accepts for a key and an input at most
 * the proof that its holder makes. */
#include "base/assert.h"
#include "crypto/sign.h"
#include "crypto/vrf.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    const struct vrf_secret secret = {{1, 2, 3}};
    const struct hash seed = {{7}};
    struct vrf_public key;
    struct vrf_public own;
    struct vrf_proof proof;
    struct vrf_proof made;
    struct vrf_output output;
    if (size < sizeof key + sizeof proof) {
        return 0;
    }
    crypto_init(&seed);
    memcpy(&key, data, sizeof key);
    memcpy(&proof, data + sizeof key, sizeof proof);
    bytes alpha = bytes_make(data + sizeof key + sizeof proof, size - sizeof key - sizeof proof);
    bool good = vrf_verify(&output, &key, &proof, alpha);
    assert_that(!good || vrf_public_valid(&key));
    vrf_public_of(&own, &secret);
    vrf_prove(&made, &secret, alpha);
    good = vrf_verify(&output, &own, &proof, alpha);
    assert_that(good == (memcmp(&made, &proof, sizeof made) == 0));
    return 0;
}
