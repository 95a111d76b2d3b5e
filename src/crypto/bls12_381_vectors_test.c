/* go-ethereum's vectors for EIP-2537 and EIP-4844 (vectors/evm-precompiles), accepted and refused:
 * every case is run through the function behind its precompile. */
#include "base/mem.h"
#include "crypto/bls12_381.h"
#include "crypto/hash.h"
#include "crypto/kzg.h"
#include "tests/support/check.h"
#include "tests/support/vectors.h"

static struct vectors vectors;

static int setup(void **state)
{
    (void)state;
    vectors_open(&vectors, "evm-precompiles");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    vectors_close(&vectors);
    return 0;
}

/* operation: what a precompile does with its input; returns the length of the output, 0: refused.
 */
typedef size_t operation(u8 out[BLS_G2_BYTES], bytes in);

static size_t g1_add(u8 out[BLS_G2_BYTES], bytes in)
{
    bool good = in.len == (size_t)2 * BLS_G1_BYTES && bls_g1_add(out, in.data, in.data + 128);
    return good ? BLS_G1_BYTES : 0;
}

static size_t g2_add(u8 out[BLS_G2_BYTES], bytes in)
{
    bool good = in.len == (size_t)2 * BLS_G2_BYTES && bls_g2_add(out, in.data, in.data + 256);
    return good ? BLS_G2_BYTES : 0;
}

static size_t g1_msm(u8 out[BLS_G2_BYTES], bytes in)
{
    return bls_g1_msm(out, in) ? BLS_G1_BYTES : 0;
}

static size_t g2_msm(u8 out[BLS_G2_BYTES], bytes in)
{
    return bls_g2_msm(out, in) ? BLS_G2_BYTES : 0;
}

static size_t pairing(u8 out[BLS_G2_BYTES], bytes in)
{
    bool one = false;
    if (!bls_pairing(&one, in)) {
        return 0;
    }
    memset(out, 0, 32);
    out[31] = one;
    return 32;
}

static size_t map_g1(u8 out[BLS_G2_BYTES], bytes in)
{
    return in.len == BLS_FP_BYTES && bls_map_g1(out, in.data) ? BLS_G1_BYTES : 0;
}

static size_t map_g2(u8 out[BLS_G2_BYTES], bytes in)
{
    return in.len == (size_t)2 * BLS_FP_BYTES && bls_map_g2(out, in.data) ? BLS_G2_BYTES : 0;
}

static void accepts(const char *name, operation *run, size_t expected_count)
{
    char path[VECTORS_PATH_MAX];
    size_t i = 0;
    json_t *test = NULL;
    vectors_format(path, "evm-precompiles/precompiles/%s.json", name);
    json_t *root = vectors_json(&vectors, path);
    json_array_foreach(root, i, test)
    {
        u8 out[BLS_G2_BYTES];
        struct vectors_bytes in = vectors_hex(test, "Input");
        size_t len = run(out, vectors_view(&in));
        mem_free(in.data);
        if (len == 0) {
            fail_msg("%s: %s refused", name, vectors_text(test, "Name"));
        }
        check_hex(bytes_make(out, len), vectors_text(test, "Expected"));
    }
    assert_int_equal(json_array_size(root), expected_count);
    json_decref(root);
}

static void refuses(const char *name, operation *run, size_t expected_count)
{
    char path[VECTORS_PATH_MAX];
    size_t i = 0;
    json_t *test = NULL;
    vectors_format(path, "evm-precompiles/precompiles/fail-%s.json", name);
    json_t *root = vectors_json(&vectors, path);
    json_array_foreach(root, i, test)
    {
        u8 out[BLS_G2_BYTES];
        struct vectors_bytes in = vectors_hex(test, "Input");
        size_t len = run(out, vectors_view(&in));
        mem_free(in.data);
        if (len != 0) {
            fail_msg("%s: %s accepted", name, vectors_text(test, "Name"));
        }
    }
    assert_int_equal(json_array_size(root), expected_count);
    json_decref(root);
}

static void additions(void **state)
{
    (void)state;
    accepts("blsG1Add", g1_add, 112);
    accepts("blsG2Add", g2_add, 112);
    refuses("blsG1Add", g1_add, 6);
    refuses("blsG2Add", g2_add, 6);
}

static void multiplications(void **state)
{
    (void)state;
    accepts("blsG1Mul", g1_msm, 11);
    accepts("blsG2Mul", g2_msm, 11);
    accepts("blsG1MultiExp", g1_msm, 154);
    accepts("blsG2MultiExp", g2_msm, 153);
    refuses("blsG1Mul", g1_msm, 7);
    refuses("blsG2Mul", g2_msm, 7);
    refuses("blsG1MultiExp", g1_msm, 7);
    refuses("blsG2MultiExp", g2_msm, 7);
}

static void pairings(void **state)
{
    (void)state;
    accepts("blsPairing", pairing, 106);
    refuses("blsPairing", pairing, 9);
}

static void maps(void **state)
{
    (void)state;
    accepts("blsMapG1", map_g1, 105);
    accepts("blsMapG2", map_g2, 105);
    refuses("blsMapG1", map_g1, 5);
    refuses("blsMapG2", map_g2, 5);
}

/* The one KZG vector, and every way to spoil it: a byte of each part, unreduced scalars, points of
 * other forms. */
static void point_evaluation(void **state)
{
    (void)state;
    json_t *root = vectors_json(&vectors, "evm-precompiles/precompiles/pointEvaluation.json");
    u8 in[192];
    struct hash versioned;
    assert_int_equal(json_array_size(root), 1);
    vectors_hex_fixed(in, sizeof in, json_array_get(root, 0), "Input");
    json_decref(root);
    const u8 *z = in + 32;
    const u8 *y = in + 64;
    const u8 *commitment = in + 96;
    const u8 *proof = in + 144;
    sha256(&versioned, bytes_make(commitment, KZG_POINT_BYTES));
    assert_memory_equal(versioned.b + 1, in + 1, 31);
    assert_true(kzg_verify(commitment, z, y, proof));
    for (size_t i = 32; i < sizeof in; i++) {
        for (unsigned bit = 0; bit < 8; bit += 7) {
            in[i] ^= (u8)(1u << bit);
            assert_false(kzg_verify(commitment, z, y, proof));
            in[i] ^= (u8)(1u << bit);
        }
    }
    assert_true(kzg_verify(commitment, z, y, proof));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(additions), cmocka_unit_test(multiplications),  cmocka_unit_test(pairings),
        cmocka_unit_test(maps),      cmocka_unit_test(point_evaluation),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
