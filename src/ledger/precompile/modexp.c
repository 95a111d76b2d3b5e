/* MODEXP, address 5: base to the power exponent modulo modulus, of any length.
 *
 * Input: three lengths of 32 bytes, then the three numbers; bytes beyond the input are zero. Price:
 * EIP-198 (Byzantium), EIP-2565 (Berlin), EIP-7883 (Osaka); the latter bounds each length to 1,024
 * bytes (EIP-7823). Before Osaka the price is the bound: at 100 million gas no number that has to
 * be held is longer than MODEXP_BYTES_MAX, and beyond it the call is a fault, not a verdict.
 */
#include "ledger/precompile/internal.h"

#include <gmp.h>

#define HEADER_BYTES 96u
#define LENGTH_BYTES_MAX_OSAKA 1024u
#define MODEXP_BYTES_MAX MIB(256)

struct lengths {
    u64 base;
    u64 exponent;
    u64 modulus;
};

/* A length beyond 64 bits counts as UINT64_MAX. */
static u64 read_length(bytes input, size_t offset)
{
    u8 word[32];
    static const u8 zero[24];
    precompile_read(word, sizeof word, input, offset);
    return memcmp(word, zero, sizeof zero) == 0 ? load_be64(word + 24) : UINT64_MAX;
}

static struct lengths read_lengths(bytes input)
{
    return (struct lengths){read_length(input, 0), read_length(input, 32), read_length(input, 64)};
}

static bool within_osaka(const struct lengths *lengths)
{
    return lengths->base <= LENGTH_BYTES_MAX_OSAKA && lengths->exponent <= LENGTH_BYTES_MAX_OSAKA &&
           lengths->modulus <= LENGTH_BYTES_MAX_OSAKA;
}

/* Bits of the first 32 bytes of the exponent (fewer if it is shorter), leading zeros left out. */
static unsigned head_bits(bytes input, const struct lengths *lengths)
{
    u8 head[32];
    size_t len = (size_t)min_u64(lengths->exponent, sizeof head);
    size_t offset = (size_t)gas_add(HEADER_BYTES, lengths->base);
    precompile_read(head, len, input, offset);
    for (size_t i = 0; i < len; i++) {
        if (head[i] != 0) {
            unsigned top = 32 - (unsigned)__builtin_clz(head[i]);
            return (unsigned)(8 * (len - 1 - i)) + top;
        }
    }
    return 0;
}

/* At least 1. `per_byte`: what each byte of the exponent beyond 32 counts for. */
static u64 iterations(bytes input, const struct lengths *lengths, u64 per_byte)
{
    unsigned bits = head_bits(input, lengths);
    u64 count = bits > 0 ? bits - 1 : 0;
    if (lengths->exponent > 32) {
        count = gas_add(count, gas_mul(per_byte, lengths->exponent - 32));
    }
    return max_u64(count, 1);
}

/* EIP-198; the terms of the difference are far from overflow where it matters. */
static u128 complexity_198(u64 x)
{
    u128 wide = x;
    if (x <= 64) {
        return wide * wide;
    }
    if (x <= 1024) {
        return wide * wide / 4 + 96 * wide - 3072;
    }
    return wide * wide / 16 + 480 * wide - 199680;
}

/* complexity * iterations / divisor; what saturated before stays beyond everything. */
static u64 gas_product(u128 complexity, u64 iteration_count, u64 divisor)
{
    if (complexity == 0) {
        return 0;
    }
    if (complexity > UINT64_MAX || iteration_count == UINT64_MAX) {
        return UINT64_MAX;
    }
    u128 gas = complexity * iteration_count / divisor;
    return gas > UINT64_MAX ? UINT64_MAX : (u64)gas;
}

static u64 gas_198(bytes input, const struct lengths *lengths)
{
    u64 longest = max_u64(lengths->base, lengths->modulus);
    return gas_product(complexity_198(longest), iterations(input, lengths, 8), 20);
}

static u64 gas_2565(bytes input, const struct lengths *lengths)
{
    u64 words = ceil_div(max_u64(lengths->base, lengths->modulus), 8);
    return max_u64(gas_product((u128)words * words, iterations(input, lengths, 8), 3), 200);
}

static u64 gas_7883(bytes input, const struct lengths *lengths)
{
    if (!within_osaka(lengths)) {
        return UINT64_MAX;
    }
    u64 longest = max_u64(lengths->base, lengths->modulus);
    u64 words = ceil_div(longest, 8);
    u64 complexity = longest <= 32 ? 16 : 2 * words * words;
    return max_u64(complexity * iterations(input, lengths, 16), 500);
}

u64 gas_modexp(enum fork fork, bytes input)
{
    struct lengths lengths = read_lengths(input);
    if (fork >= FORK_OSAKA) {
        return gas_7883(input, &lengths);
    }
    return fork >= FORK_BERLIN ? gas_2565(input, &lengths) : gas_198(input, &lengths);
}

/* The number at [offset, offset + len) of the input continued by zeros. */
static void read_number(mpz_t ret, bytes input, u64 offset, u64 len)
{
    u64 have = offset < input.len ? min_u64(len, input.len - offset) : 0;
    mpz_set_ui(ret, 0);
    if (have != 0) {
        mpz_import(ret, (size_t)have, 1, 1, 1, 0, input.data + offset);
        mpz_mul_2exp(ret, ret, (mp_bitcnt_t)(8 * (len - have)));
    }
}

/* out has length modulus and is zero; stays so if the modulus is 0 or 1. */
static void power(u8 *out, bytes input, const struct lengths *lengths)
{
    mpz_t base;
    mpz_t exponent;
    mpz_t modulus;
    mpz_inits(base, exponent, modulus, NULL);
    u64 offset = HEADER_BYTES;
    read_number(base, input, offset, lengths->base);
    offset += lengths->base;
    read_number(exponent, input, offset, lengths->exponent);
    offset += lengths->exponent;
    read_number(modulus, input, offset, lengths->modulus);
    if (mpz_cmp_ui(modulus, 1) > 0) {
        mpz_powm(base, base, exponent, modulus);
        if (mpz_sgn(base) != 0) {
            size_t len = (mpz_sizeinbase(base, 2) + 7) / 8;
            mpz_export(out + lengths->modulus - len, NULL, 1, 1, 1, 0, base);
        }
    }
    mpz_clears(base, exponent, modulus, NULL);
}

err run_modexp(enum fork fork, bytes input, struct arena *arena,
               enum precompile_verdict *ret_verdict, bytes *ret_output)
{
    struct lengths lengths = read_lengths(input);
    if (fork >= FORK_OSAKA && !within_osaka(&lengths)) {
        return precompile_refuse(ret_verdict, ret_output);
    }
    if (lengths.modulus == 0) { /* whatever the exponent's length: with no base, it is free */
        return precompile_answer(arena, bytes_make(NULL, 0), ret_verdict, ret_output);
    }
    if (lengths.base > MODEXP_BYTES_MAX || lengths.exponent > MODEXP_BYTES_MAX ||
        lengths.modulus > MODEXP_BYTES_MAX) {
        return fail(ERR_LIMIT);
    }
    u8 *out = arena_alloc(arena, (size_t)lengths.modulus);
    if (out == NULL) {
        return fail(ERR_LIMIT);
    }
    power(out, input, &lengths);
    *ret_verdict = PRECOMPILE_OK;
    *ret_output = bytes_make(out, (size_t)lengths.modulus);
    return ok();
}
