/* precompiles.c: millions of gas a second of each precompiled contract under Osaka's prices, on
 * inputs that cost much for their price. BLS12-381 and KZG are in bls.c. One thread, whose own
 * processor time is counted, because others share the machine. */
#include "base/mem.h"
#include "bench/bench.h"
#include "crypto/bn254.h"
#include "crypto/hash.h"
#include "crypto/sign.h"
#include "ledger/precompile/precompile.h"

#include <time.h>

#define INPUT_BYTES_MAX KIB(4)
#define SECONDS 0.3 /* of each measurement, at least */

/* go-ethereum core/vm/testdata/precompiles/p256Verify.json, the first: digest, r, s, x, y. */
static const char p256_input[] = "4cee90eb86eaa050036147a12d49004b6b9c72bd725d39d4785011fe190f0b4d"
                                 "a73bd4903f0ce3b639bbbf6e8e80d16931ff4bcf5993d58468e8fb19086e8cac"
                                 "36dbcd03009df8c59286b162af3bd7fcc0450c9aa81be5d10d312af6c66b1d60"
                                 "4aebd3099c618202fcfe16ae7770b0c49ab5eadf74b754204a3bb6060e44eff3"
                                 "7618b065f9832de4ca6ca971a7a1adc826d0f7c00181a5fb2ddf79ae00b4e10e";
/* The generator of G2, as EIP-197 writes them. */
static const char g2_generator[] =
    "198e9393920d483a7260bfb731fb5d25f1aa493335a9e71297e485b7aef312c2"
    "1800deef121f1e76426a00665e5c4479674322d4f75edadd46debd5cd992f6ed"
    "090689d0585ff075ec9e99ad690c3395bc4b313370b38ef355acdadcd122975b"
    "12c85ea5db8c6deb4aab71808dcb408fe3d1e7690c43d37b4ce6cc0166fa7daa";

struct input {
    u8 data[INPUT_BYTES_MAX];
    size_t len;
};

static bool put_digits(struct input *in, const char *digits)
{
    bytes text = bytes_str(digits);
    bool good = hex_decode(in->data + in->len, text.len / 2, text);
    in->len += text.len / 2;
    return good;
}

static bool make_ecrecover(struct input *in)
{
    struct secp_secret secret;
    struct secp_signature sig;
    struct hash digest;
    const u8 seed[32] = {[31] = 9};
    bool good = secp_secret_from(&secret, seed);
    keccak256(&digest, bytes_str("message"));
    secp_sign(&sig, &secret, &digest);
    memcpy(in->data, digest.b, 32);
    in->data[63] = (u8)(27 + sig.b[64]);
    memcpy(in->data + 64, sig.b, 64);
    in->len = 128;
    return good;
}

static bool make_zeros(struct input *in)
{
    in->len = KIB(1);
    return true;
}

static bool modexp(struct input *in, u16 base, u16 exponent, u16 modulus)
{
    store_be16(in->data + 30, base);
    store_be16(in->data + 62, exponent);
    store_be16(in->data + 94, modulus);
    in->len = 96u + base + exponent + modulus;
    memset(in->data + 96, 0xff, in->len - 96);
    return true;
}

static bool make_modexp_short(struct input *in) { return modexp(in, 32, 32, 32); }
static bool make_modexp_exponent(struct input *in) { return modexp(in, 32, 1024, 32); }
static bool make_modexp_long(struct input *in) { return modexp(in, 1024, 32, 1024); }

static bool make_bn254_add(struct input *in)
{
    const u8 two[32] = {[31] = 2};
    in->data[31] = 1;
    in->data[63] = 2;
    in->len = 2 * BN254_G1_BYTES;
    return bn254_mul(in->data + BN254_G1_BYTES, in->data, two);
}

static bool make_bn254_mul(struct input *in)
{
    bool good = make_bn254_add(in);
    memset(in->data + BN254_G1_BYTES, 0xa7, 32);
    in->len = BN254_G1_BYTES + 32;
    return good;
}

static bool make_bn254_pairing(struct input *in)
{
    bool good = true;
    for (size_t i = 0; i < 2; i++) {
        in->data[in->len + 31] = 1;
        in->data[in->len + 63] = 2;
        in->len += BN254_G1_BYTES;
        good = good && put_digits(in, g2_generator);
    }
    return good;
}

static bool make_blake2f(struct input *in)
{
    store_be32(in->data, 10000);
    in->len = 213;
    return true;
}

static bool make_p256(struct input *in) { return put_digits(in, p256_input); }

static const struct {
    const char *name;
    u16 number;
    bool (*make)(struct input *in);
} cases[] = {
    {"ECRECOVER", 1, make_ecrecover},
    {"SHA-256, 1 KiB", 2, make_zeros},
    {"RIPEMD-160, 1 KiB", 3, make_zeros},
    {"identity, 1 KiB", 4, make_zeros},
    {"MODEXP, 32-32-32 bytes", 5, make_modexp_short},
    {"MODEXP, 32-1024-32 bytes", 5, make_modexp_exponent},
    {"MODEXP, 1024-32-1024 bytes", 5, make_modexp_long},
    {"bn254 add", 6, make_bn254_add},
    {"bn254 multiplication", 7, make_bn254_mul},
    {"bn254 pairing check, 2 pairs", 8, make_bn254_pairing},
    {"BLAKE2F, 10,000 rounds", 9, make_blake2f},
    {"P256VERIFY", 0x100, make_p256},
};

static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Millions of gas a second; 0: it did not run. */
static double rate_of(const struct precompile *precompile, bytes input)
{
    double gas = (double)precompile_gas(precompile, FORK_OSAKA, input);
    double begin = cpu_seconds();
    double spent = 0;
    u64 times = 0;
    while (spent < SECONDS) {
        struct arena arena;
        enum precompile_verdict verdict;
        bytes output;
        arena_init(&arena, MIB(1));
        err e = precompile_run(precompile, FORK_OSAKA, input, &arena, &verdict, &output);
        bool good = is_ok(e) && verdict == PRECOMPILE_OK && output.len != 0;
        arena_free(&arena);
        if (!good) {
            return 0;
        }
        times++;
        spent = cpu_seconds() - begin;
    }
    return gas * (double)times / spent / 1e6;
}

bool bench_precompiles(struct bench *bench, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    bool good = true;
    struct input *in = MEM_NEW(struct input);
    for (size_t i = 0; good && i < COUNT_OF(cases); i++) {
        struct address address = {{0}};
        store_be16(address.b + 18, cases[i].number);
        memset(in, 0, sizeof *in);
        good = cases[i].make(in);
        double rate =
            good ? rate_of(precompile_find(FORK_OSAKA, &address), bytes_make(in->data, in->len))
                 : 0;
        good = rate > 0;
        bench_add(bench,
                  &(struct bench_result){.name = cases[i].name, .value = rate, .unit = "Mgas/s"});
    }
    mem_free(in);
    return good;
}
