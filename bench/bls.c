/* bls.c: BLS12-381 and KZG as the precompiles call them: bytes in, checks, bytes out. One thread,
 * and its processor time: nothing here waits, so what else the machine does shall not count.
 *
 * The limit of a further pair in a pairing check is that of its field multiplications: a doubling
 * step of the Miller loop has 74 (15 for the line, 16 for the point, 43 for the product), an
 * addition step 87, and there are 63 and 5 of them. Whatever else a pair costs (subgroup checks of
 * both points, additions) keeps the ratio below one.
 */
#include "base/mem.h"
#include "base/prng.h"
#include "bench/bench.h"
#include "crypto/bls12_381.h"
#include "crypto/bls12_381_field.h"
#include "crypto/kzg.h"

#include <time.h>

#define FIELD_MULTIPLICATIONS 2000000
#define PAIR_MULTIPLICATIONS (63 * 74 + 5 * 87)
#define PAIRS 17
#define MSM_PAIRS 128
#define SECONDS 0.4 /* of each measurement, at least */

struct inputs {
    u8 pairs[PAIRS * BLS_PAIRING_PAIR_BYTES];
    u8 g1[MSM_PAIRS * BLS_G1_MSM_PAIR_BYTES];
    u8 g2[MSM_PAIRS * BLS_G2_MSM_PAIR_BYTES];
    u8 field[2 * BLS_FP_BYTES];
    u8 out[BLS_G2_BYTES];
};

static double cpu_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void random_field(struct prng *prng, u8 out[BLS_FP_BYTES])
{
    memset(out, 0, BLS_FP_BYTES);
    prng_fill(prng, out + 17, BLS_FP_BYTES - 17);
}

static bool prepare(struct inputs *in)
{
    struct prng prng;
    bool good = true;
    prng_init(&prng, 12381);
    for (size_t i = 0; i < MSM_PAIRS; i++) {
        u8 *g1 = in->g1 + i * BLS_G1_MSM_PAIR_BYTES;
        u8 *g2 = in->g2 + i * BLS_G2_MSM_PAIR_BYTES;
        random_field(&prng, in->field);
        random_field(&prng, in->field + BLS_FP_BYTES);
        good = good && bls_map_g1(g1, in->field) && bls_map_g2(g2, in->field);
        prng_fill(&prng, g1 + BLS_G1_BYTES, 32);
        prng_fill(&prng, g2 + BLS_G2_BYTES, 32);
        if (i < PAIRS) {
            memcpy(in->pairs + i * BLS_PAIRING_PAIR_BYTES, g1, BLS_G1_BYTES);
            memcpy(in->pairs + i * BLS_PAIRING_PAIR_BYTES + BLS_G1_BYTES, g2, BLS_G2_BYTES);
        }
    }
    return good;
}

static bool run_g1_add(struct inputs *in)
{
    return bls_g1_add(in->out, in->g1, in->g1 + BLS_G1_MSM_PAIR_BYTES);
}

static bool run_g2_add(struct inputs *in)
{
    return bls_g2_add(in->out, in->g2, in->g2 + BLS_G2_MSM_PAIR_BYTES);
}

static bool run_g1_mul(struct inputs *in)
{
    return bls_g1_msm(in->out, bytes_make(in->g1, BLS_G1_MSM_PAIR_BYTES));
}

static bool run_g2_mul(struct inputs *in)
{
    return bls_g2_msm(in->out, bytes_make(in->g2, BLS_G2_MSM_PAIR_BYTES));
}

static bool run_g1_msm(struct inputs *in) { return bls_g1_msm(in->out, BYTES_OF(in->g1)); }
static bool run_g2_msm(struct inputs *in) { return bls_g2_msm(in->out, BYTES_OF(in->g2)); }
static bool run_map_g1(struct inputs *in) { return bls_map_g1(in->out, in->field); }
static bool run_map_g2(struct inputs *in) { return bls_map_g2(in->out, in->field); }

static bool run_one_pair(struct inputs *in)
{
    bool one;
    return bls_pairing(&one, bytes_make(in->pairs, BLS_PAIRING_PAIR_BYTES));
}

static bool run_all_pairs(struct inputs *in)
{
    bool one;
    return bls_pairing(&one, BYTES_OF(in->pairs));
}

/* The zero polynomial is zero everywhere; all points are infinite, so a real one is added: the
 * commitment to 0 with a proof that is a point costs what any proof costs, and fails. */
static bool run_kzg(struct inputs *in)
{
    /* The generator of G1, compressed. */
    static const u8 point[KZG_POINT_BYTES] = {
        0x97, 0xf1, 0xd3, 0xa7, 0x31, 0x97, 0xd7, 0x94, 0x26, 0x95, 0x63, 0x8c,
        0x4f, 0xa9, 0xac, 0x0f, 0xc3, 0x68, 0x8c, 0x4f, 0x97, 0x74, 0xb9, 0x05,
        0xa1, 0x4e, 0x3a, 0x3f, 0x17, 0x1b, 0xac, 0x58, 0x6c, 0x55, 0xe8, 0x3f,
        0xf9, 0x7a, 0x1a, 0xef, 0xfb, 0x3a, 0xf0, 0x0a, 0xdb, 0x22, 0xc6, 0xbb};
    u8 z[KZG_SCALAR_BYTES];
    memcpy(z, in->g1 + BLS_G1_BYTES, sizeof z);
    z[0] = 0;
    return !kzg_verify(point, z, z, point);
}

/* per_second: how often `run` goes in a second; 0: it refused its input. */
static double per_second(struct inputs *in, bool (*run)(struct inputs *in))
{
    u64 times = 0;
    double begin = cpu_seconds();
    double spent = 0;
    while (spent < SECONDS) {
        if (!run(in)) {
            return 0;
        }
        times++;
        spent = cpu_seconds() - begin;
    }
    return (double)times / spent;
}

static double multiplications_per_second(void)
{
    struct fp a;
    u8 raw[FP_BYTES] = {1, 2, 3};
    bool good = fp_from_bytes(&a, raw);
    double begin = cpu_seconds();
    for (u64 i = 0; good && i < FIELD_MULTIPLICATIONS; i++) {
        fp_mul(&a, &a, &a);
    }
    double spent = cpu_seconds() - begin;
    return fp_is_zero(&a) ? 0 : FIELD_MULTIPLICATIONS / spent;
}

static const struct {
    const char *name;
    bool (*run)(struct inputs *in);
    double count; /* what one run does, in the figure's unit */
} plain[] = {
    {"G1 add", run_g1_add, 1},
    {"G2 add", run_g2_add, 1},
    {"G1 multiplication", run_g1_mul, 1},
    {"G2 multiplication", run_g2_mul, 1},
    {"G1 MSM, of 128 points", run_g1_msm, MSM_PAIRS},
    {"G2 MSM, of 128 points", run_g2_msm, MSM_PAIRS},
    {"map to G1", run_map_g1, 1},
    {"map to G2", run_map_g2, 1},
    {"pairing check of one pair", run_one_pair, 1},
    {"KZG opening proof", run_kzg, 1},
};

bool bench_bls(struct bench *bench, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    struct inputs *in = MEM_NEW(struct inputs);
    bool good = prepare(in);
    double field = multiplications_per_second();
    for (size_t i = 0; good && i < COUNT_OF(plain); i++) {
        double rate = per_second(in, plain[i].run);
        good = rate > 0;
        bench_add(bench, &(struct bench_result){
                             .name = plain[i].name, .value = rate * plain[i].count, .unit = "/s"});
    }
    double one = per_second(in, run_one_pair);
    double all = per_second(in, run_all_pairs);
    good = good && one > 0 && all > 0;
    if (good) {
        bench_add(bench, &(struct bench_result){.name = "further pair of a check",
                                                .value = (PAIRS - 1) / (1 / all - 1 / one),
                                                .unit = "/s",
                                                .limit = field / PAIR_MULTIPLICATIONS,
                                                .limit_name = "field multiplications",
                                                .bar = 0.3});
    }
    mem_free(in);
    return good;
}
