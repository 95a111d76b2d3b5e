/* The four of Frontier (yellow paper appendix E), BLAKE2F (EIP-152) and P256VERIFY (EIP-7951). */
#include "ledger/precompile/internal.h"

#include "crypto/blake2f.h"
#include "crypto/hash.h"
#include "crypto/p256.h"
#include "crypto/sign.h"

#define ECRECOVER_GAS 3000u
#define SHA256_GAS 60u
#define SHA256_WORD_GAS 12u
#define RIPEMD160_GAS 600u
#define RIPEMD160_WORD_GAS 120u
#define IDENTITY_GAS 15u
#define IDENTITY_WORD_GAS 3u
#define P256VERIFY_GAS 6900u
#define P256VERIFY_BYTES 160u
#define BLAKE2F_BYTES 213u

static u64 gas_by_words(u64 base, u64 per_word, bytes input)
{
    return gas_add(base, gas_mul(per_word, ceil_div(input.len, 32)));
}

u64 gas_ecrecover(enum fork fork, bytes input)
{
    (void)fork;
    (void)input;
    return ECRECOVER_GAS;
}

err run_ecrecover(enum fork fork, bytes input, struct arena *arena,
                  enum precompile_verdict *ret_verdict, bytes *ret_output)
{
    (void)fork;
    u8 in[128]; /* digest, v as a word, r, s */
    precompile_read(in, sizeof in, input, 0);
    u8 answer[32] = {0};
    struct hash digest;
    struct secp_signature sig;
    struct address address;
    static const u8 zero[31];
    memcpy(digest.b, in, 32);
    memcpy(sig.b, in + 64, 64);
    sig.b[64] = (u8)(in[63] - 27);
    if (memcmp(in + 32, zero, sizeof zero) != 0 || sig.b[64] > 1 ||
        !secp_recover_address_any_s(&address, &sig, &digest)) {
        return precompile_answer(arena, bytes_make(NULL, 0), ret_verdict, ret_output);
    }
    memcpy(answer + 12, address.b, sizeof address.b);
    return precompile_answer(arena, BYTES_OF(answer), ret_verdict, ret_output);
}

u64 gas_sha256(enum fork fork, bytes input)
{
    (void)fork;
    return gas_by_words(SHA256_GAS, SHA256_WORD_GAS, input);
}

err run_sha256(enum fork fork, bytes input, struct arena *arena,
               enum precompile_verdict *ret_verdict, bytes *ret_output)
{
    (void)fork;
    struct hash digest;
    sha256(&digest, input);
    return precompile_answer(arena, BYTES_OF(digest), ret_verdict, ret_output);
}

u64 gas_ripemd160(enum fork fork, bytes input)
{
    (void)fork;
    return gas_by_words(RIPEMD160_GAS, RIPEMD160_WORD_GAS, input);
}

err run_ripemd160(enum fork fork, bytes input, struct arena *arena,
                  enum precompile_verdict *ret_verdict, bytes *ret_output)
{
    (void)fork;
    u8 answer[32] = {0};
    ripemd160(answer + 12, input);
    return precompile_answer(arena, BYTES_OF(answer), ret_verdict, ret_output);
}

u64 gas_identity(enum fork fork, bytes input)
{
    (void)fork;
    return gas_by_words(IDENTITY_GAS, IDENTITY_WORD_GAS, input);
}

err run_identity(enum fork fork, bytes input, struct arena *arena,
                 enum precompile_verdict *ret_verdict, bytes *ret_output)
{
    (void)fork;
    return precompile_answer(arena, input, ret_verdict, ret_output);
}

/* An input of another length costs nothing and fails, which costs all there is. */
u64 gas_blake2f(enum fork fork, bytes input)
{
    (void)fork;
    return input.len == BLAKE2F_BYTES ? load_be32(input.data) : 0;
}

/* rounds (4, big endian), h (64), m (128), t (16; all little endian), final flag (1). */
err run_blake2f(enum fork fork, bytes input, struct arena *arena,
                enum precompile_verdict *ret_verdict, bytes *ret_output)
{
    (void)fork;
    if (input.len != BLAKE2F_BYTES || input.data[212] > 1) {
        return precompile_refuse(ret_verdict, ret_output);
    }
    u64 h[8];
    u64 m[16];
    u8 answer[64];
    for (size_t i = 0; i < 8; i++) {
        h[i] = load_le64(input.data + 4 + 8 * i);
    }
    for (size_t i = 0; i < 16; i++) {
        m[i] = load_le64(input.data + 68 + 8 * i);
    }
    const u64 t[2] = {load_le64(input.data + 196), load_le64(input.data + 204)};
    blake2f(h, m, t, input.data[212] == 1, load_be32(input.data));
    for (size_t i = 0; i < 8; i++) {
        store_le64(answer + 8 * i, h[i]);
    }
    return precompile_answer(arena, BYTES_OF(answer), ret_verdict, ret_output);
}

u64 gas_p256verify(enum fork fork, bytes input)
{
    (void)fork;
    (void)input;
    return P256VERIFY_GAS;
}

/* digest, r, s, x, y; 32 bytes each. A signature that does not hold is answered by nothing. */
err run_p256verify(enum fork fork, bytes input, struct arena *arena,
                   enum precompile_verdict *ret_verdict, bytes *ret_output)
{
    (void)fork;
    static const u8 one[32] = {[31] = 1};
    bool good =
        input.len == P256VERIFY_BYTES && p256_verify(input.data + 96, input.data + 32, input.data);
    return precompile_answer(arena, bytes_make(one, good ? sizeof one : 0), ret_verdict,
                             ret_output);
}
