/* The pairing precompiles of Byzantium: EIP-196 and 197; prices of EIP-1108 from Istanbul on. */
#include "ledger/precompile/internal.h"

#include "crypto/bn254.h"

u64 gas_bn254_add(enum fork fork, bytes input)
{
    (void)input;
    return fork >= FORK_ISTANBUL ? 150 : 500;
}

err run_bn254_add(enum fork fork, bytes input, struct arena *arena,
                  enum precompile_verdict *ret_verdict, bytes *ret_output)
{
    (void)fork;
    u8 in[2 * BN254_G1_BYTES];
    u8 sum[BN254_G1_BYTES];
    precompile_read(in, sizeof in, input, 0);
    if (!bn254_add(sum, in, in + BN254_G1_BYTES)) {
        return precompile_refuse(ret_verdict, ret_output);
    }
    return precompile_answer(arena, BYTES_OF(sum), ret_verdict, ret_output);
}

u64 gas_bn254_mul(enum fork fork, bytes input)
{
    (void)input;
    return fork >= FORK_ISTANBUL ? 6000 : 40000;
}

err run_bn254_mul(enum fork fork, bytes input, struct arena *arena,
                  enum precompile_verdict *ret_verdict, bytes *ret_output)
{
    (void)fork;
    u8 in[BN254_G1_BYTES + 32];
    u8 product[BN254_G1_BYTES];
    precompile_read(in, sizeof in, input, 0);
    if (!bn254_mul(product, in, in + BN254_G1_BYTES)) {
        return precompile_refuse(ret_verdict, ret_output);
    }
    return precompile_answer(arena, BYTES_OF(product), ret_verdict, ret_output);
}

u64 gas_bn254_pairing(enum fork fork, bytes input)
{
    u64 pairs = input.len / BN254_PAIR_BYTES;
    return fork >= FORK_ISTANBUL ? gas_add(45000, gas_mul(34000, pairs))
                                 : gas_add(100000, gas_mul(80000, pairs));
}

err run_bn254_pairing(enum fork fork, bytes input, struct arena *arena,
                      enum precompile_verdict *ret_verdict, bytes *ret_output)
{
    (void)fork;
    u8 answer[32] = {0};
    bool is_one;
    if (input.len % BN254_PAIR_BYTES != 0 ||
        !bn254_pairing(&is_one, input.data, input.len / BN254_PAIR_BYTES)) {
        return precompile_refuse(ret_verdict, ret_output);
    }
    answer[31] = is_one;
    return precompile_answer(arena, BYTES_OF(answer), ret_verdict, ret_output);
}
