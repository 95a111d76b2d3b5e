/* internal.h: what the files of this module share: the table's row and its functions. */
#ifndef LEDGER_PRECOMPILE_INTERNAL_H
#define LEDGER_PRECOMPILE_INTERNAL_H

#include "ledger/precompile/precompile.h"

struct precompile {
    u16 number; /* the address as a number */
    const char *name;
    enum fork since;
    u64 (*gas)(enum fork fork, bytes input);
    err (*run)(enum fork fork, bytes input, struct arena *arena,
               enum precompile_verdict *ret_verdict, bytes *ret_output);
};

/* A price is 64 bits and saturates: what overflows is beyond anyone's gas. */
static inline u64 gas_add(u64 a, u64 b)
{
    u64 sum;
    return add_u64(&sum, a, b) ? sum : UINT64_MAX;
}

static inline u64 gas_mul(u64 a, u64 b)
{
    u64 product;
    return mul_u64(&product, a, b) ? product : UINT64_MAX;
}

/* precompile_read: out takes input[offset, offset + len); what lies beyond the input is zero. */
static inline void precompile_read(u8 *out, size_t len, bytes input, size_t offset)
{
    size_t have = offset < input.len ? min_size(len, input.len - offset) : 0;
    if (have != 0) {
        memcpy(out, input.data + offset, have);
    }
    memset(out + have, 0, len - have);
}

/* precompile_answer: the output is a copy in the arena. */
static inline err precompile_answer(struct arena *arena, bytes answer,
                                    enum precompile_verdict *ret_verdict, bytes *ret_output)
{
    bytes copy = arena_copy(arena, answer);
    if (copy.data == NULL) {
        return fail(ERR_LIMIT);
    }
    *ret_verdict = PRECOMPILE_OK;
    *ret_output = copy;
    return ok();
}

static inline err precompile_refuse(enum precompile_verdict *ret_verdict, bytes *ret_output)
{
    *ret_verdict = PRECOMPILE_FAILED;
    *ret_output = bytes_make(NULL, 0);
    return ok();
}

/* Declares gas_NAME and run_NAME of the table. */
#define PRECOMPILE_DECLARE(name)                                                                   \
    u64 gas_##name(enum fork fork, bytes input);                                                   \
    err run_##name(enum fork fork, bytes input, struct arena *arena,                               \
                   enum precompile_verdict *ret_verdict, bytes *ret_output)

PRECOMPILE_DECLARE(ecrecover);
PRECOMPILE_DECLARE(sha256);
PRECOMPILE_DECLARE(ripemd160);
PRECOMPILE_DECLARE(identity);
PRECOMPILE_DECLARE(modexp);
PRECOMPILE_DECLARE(bn254_add);
PRECOMPILE_DECLARE(bn254_mul);
PRECOMPILE_DECLARE(bn254_pairing);
PRECOMPILE_DECLARE(blake2f);
PRECOMPILE_DECLARE(point_evaluation);
PRECOMPILE_DECLARE(bls_g1_add);
PRECOMPILE_DECLARE(bls_g1_msm);
PRECOMPILE_DECLARE(bls_g2_add);
PRECOMPILE_DECLARE(bls_g2_msm);
PRECOMPILE_DECLARE(bls_pairing);
PRECOMPILE_DECLARE(bls_map_g1);
PRECOMPILE_DECLARE(bls_map_g2);
PRECOMPILE_DECLARE(p256verify);

#endif
