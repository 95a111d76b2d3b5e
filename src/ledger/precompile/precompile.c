#include "ledger/precompile/precompile.h"

#include "ledger/precompile/internal.h"

#define P256_NUMBER 0x100u

/* In order of number; those up to 0x11 have no gaps. */
static const struct precompile table[] = {
    {0x01, "ECREC", FORK_FRONTIER, gas_ecrecover, run_ecrecover},
    {0x02, "SHA256", FORK_FRONTIER, gas_sha256, run_sha256},
    {0x03, "RIPEMD160", FORK_FRONTIER, gas_ripemd160, run_ripemd160},
    {0x04, "ID", FORK_FRONTIER, gas_identity, run_identity},
    {0x05, "MODEXP", FORK_BYZANTIUM, gas_modexp, run_modexp},
    {0x06, "BN254_ADD", FORK_BYZANTIUM, gas_bn254_add, run_bn254_add},
    {0x07, "BN254_MUL", FORK_BYZANTIUM, gas_bn254_mul, run_bn254_mul},
    {0x08, "BN254_PAIRING", FORK_BYZANTIUM, gas_bn254_pairing, run_bn254_pairing},
    {0x09, "BLAKE2F", FORK_ISTANBUL, gas_blake2f, run_blake2f},
    {0x0a, "KZG_POINT_EVALUATION", FORK_CANCUN, gas_point_evaluation, run_point_evaluation},
    {0x0b, "BLS12_G1ADD", FORK_PRAGUE, gas_bls_g1_add, run_bls_g1_add},
    {0x0c, "BLS12_G1MSM", FORK_PRAGUE, gas_bls_g1_msm, run_bls_g1_msm},
    {0x0d, "BLS12_G2ADD", FORK_PRAGUE, gas_bls_g2_add, run_bls_g2_add},
    {0x0e, "BLS12_G2MSM", FORK_PRAGUE, gas_bls_g2_msm, run_bls_g2_msm},
    {0x0f, "BLS12_PAIRING_CHECK", FORK_PRAGUE, gas_bls_pairing, run_bls_pairing},
    {0x10, "BLS12_MAP_FP_TO_G1", FORK_PRAGUE, gas_bls_map_g1, run_bls_map_g1},
    {0x11, "BLS12_MAP_FP2_TO_G2", FORK_PRAGUE, gas_bls_map_g2, run_bls_map_g2},
    {P256_NUMBER, "P256VERIFY", FORK_OSAKA, gas_p256verify, run_p256verify},
};

#define LOW_COUNT (COUNT_OF(table) - 1)

const struct precompile *precompile_find(enum fork fork, const struct address *address)
{
    static const u8 zero[18];
    if (memcmp(address->b, zero, sizeof zero) != 0) {
        return NULL;
    }
    size_t number = load_be16(address->b + 18);
    const struct precompile *row = NULL;
    if (number >= 1 && number <= LOW_COUNT) {
        row = &table[number - 1];
    } else if (number == P256_NUMBER) {
        row = &table[LOW_COUNT];
    }
    return row != NULL && fork >= row->since ? row : NULL;
}

unsigned precompile_last(enum fork fork)
{
    unsigned last = 0;
    while (last < LOW_COUNT && fork >= table[last].since) {
        last++;
    }
    return last;
}

bool precompile_has_p256(enum fork fork) { return fork >= table[LOW_COUNT].since; }

const char *precompile_name(const struct precompile *precompile) { return precompile->name; }

u64 precompile_gas(const struct precompile *precompile, enum fork fork, bytes input)
{
    return precompile->gas(fork, input);
}

err precompile_run(const struct precompile *precompile, enum fork fork, bytes input,
                   struct arena *arena, enum precompile_verdict *ret_verdict, bytes *ret_output)
{
    return precompile->run(fork, input, arena, ret_verdict, ret_output);
}
