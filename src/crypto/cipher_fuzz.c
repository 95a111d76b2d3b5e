/* Sealed boxes and sealed messages from outside. All of the input is opened under a fixed key, then
 * sealed, opened again and compared. */
#include "crypto/cipher.h"

#include "base/assert.h"
#include "base/mem.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static void open_as_given(const u8 *data, size_t size, u8 *out)
{
    static const u8 nonce[24] = {3};
    const struct x_secret secret = {{1}};
    const struct aead_key key = {{2}};
    struct aes_gcm gcm;
    aes_gcm_init(&gcm, &key);
    (void)!box_open(out, &secret, bytes_str("fuzz"), bytes_make(data, size));
    (void)!xchacha_open(out, &key, nonce, bytes_make(NULL, 0), bytes_make(data, size));
    (void)!aes_gcm_open(&gcm, out, nonce, bytes_make(NULL, 0), bytes_make(data, size));
    aes_gcm_free(&gcm);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    const struct hash seed = {{1}};
    const struct x_secret secret = {{1}};
    struct x_public recipient;
    u8 random[56] = {0};
    crypto_init(&seed);
    u8 *plain = mem_alloc(size + SEAL_OVERHEAD_BYTES);
    u8 *box = mem_alloc(size + SEAL_OVERHEAD_BYTES);
    open_as_given(data, size, plain);

    memcpy(random, data, min_size(size, sizeof random));
    x_public_of(&recipient, &secret);
    bytes context = bytes_make(data, size / 2);
    assert_that(box_seal(box, &recipient, context, bytes_make(data, size), random));
    assert_that(box_open(plain, &secret, context, bytes_make(box, size + SEAL_OVERHEAD_BYTES)));
    assert_that(memcmp(plain, data, size) == 0);
    box[size / 2] ^= 1;
    assert_that(!box_open(plain, &secret, context, bytes_make(box, size + SEAL_OVERHEAD_BYTES)));
    mem_free(box);
    mem_free(plain);
    return 0;
}
