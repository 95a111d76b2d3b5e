/* The public precompile vectors (go-ethereum core/vm/testdata/precompiles): output, gas, failures.
 */
#include "ledger/precompile/precompile.h"

#include "base/mem.h"
#include "crypto/sign.h"
#include "tests/support/check.h"
#include "tests/support/vectors.h"

struct suite {
    const char *file;
    unsigned number;
    enum fork fork;
    size_t count; /* so that a file that shrinks is noticed */
};

static const struct suite suites[] = {
    {"ecRecover", 0x01, FORK_FRONTIER, 5},        {"modexp", 0x05, FORK_BYZANTIUM, 17},
    {"modexp_eip2565", 0x05, FORK_BERLIN, 47},    {"modexp_eip7883", 0x05, FORK_OSAKA, 45},
    {"bn256Add", 0x06, FORK_ISTANBUL, 16},        {"bn256ScalarMul", 0x07, FORK_ISTANBUL, 19},
    {"bn256Pairing", 0x08, FORK_ISTANBUL, 14},    {"blake2F", 0x09, FORK_ISTANBUL, 5},
    {"fail-blake2f", 0x09, FORK_ISTANBUL, 4},     {"p256Verify", 0x100, FORK_OSAKA, 782},
    {"pointEvaluation", 0x0a, FORK_CANCUN, 1},    {"blsG1Add", 0x0b, FORK_PRAGUE, 112},
    {"fail-blsG1Add", 0x0b, FORK_PRAGUE, 6},      {"blsG1Mul", 0x0c, FORK_PRAGUE, 11},
    {"fail-blsG1Mul", 0x0c, FORK_PRAGUE, 7},      {"blsG1MultiExp", 0x0c, FORK_PRAGUE, 154},
    {"fail-blsG1MultiExp", 0x0c, FORK_PRAGUE, 7}, {"blsG2Add", 0x0d, FORK_PRAGUE, 112},
    {"fail-blsG2Add", 0x0d, FORK_PRAGUE, 6},      {"blsG2Mul", 0x0e, FORK_PRAGUE, 11},
    {"fail-blsG2Mul", 0x0e, FORK_PRAGUE, 7},      {"blsG2MultiExp", 0x0e, FORK_PRAGUE, 153},
    {"fail-blsG2MultiExp", 0x0e, FORK_PRAGUE, 7}, {"blsPairing", 0x0f, FORK_PRAGUE, 106},
    {"fail-blsPairing", 0x0f, FORK_PRAGUE, 9},    {"blsMapG1", 0x10, FORK_PRAGUE, 105},
    {"fail-blsMapG1", 0x10, FORK_PRAGUE, 5},      {"blsMapG2", 0x11, FORK_PRAGUE, 105},
    {"fail-blsMapG2", 0x11, FORK_PRAGUE, 5},
};

static const struct precompile *find(enum fork fork, unsigned number)
{
    struct address address = {{0}};
    store_be16(address.b + 18, (u16)number);
    return precompile_find(fork, &address);
}

static void check_case(const struct suite *suite, const json_t *test)
{
    const struct precompile *precompile = find(suite->fork, suite->number);
    struct vectors_bytes input = vectors_hex(test, "Input");
    struct arena arena;
    enum precompile_verdict verdict;
    bytes output;
    arena_init(&arena, MIB(1));
    assert_non_null(precompile);
    err e =
        precompile_run(precompile, suite->fork, vectors_view(&input), &arena, &verdict, &output);
    assert_true(is_ok(e));
    if (json_object_get(test, "ExpectedError") != NULL) {
        assert_int_equal(verdict, PRECOMPILE_FAILED);
    } else {
        struct vectors_bytes expected = vectors_hex(test, "Expected");
        u64 gas = (u64)json_integer_value(json_object_get(test, "Gas"));
        bool same = verdict == PRECOMPILE_OK && bytes_eq(output, vectors_view(&expected));
        u64 got = precompile_gas(precompile, suite->fork, vectors_view(&input));
        if (!same || got != gas) {
            fail_msg("%s: %s: output %s, gas %llu, expected %llu", suite->file,
                     vectors_text(test, "Name"), same ? "right" : "wrong", (unsigned long long)got,
                     (unsigned long long)gas);
        }
        mem_free(expected.data);
    }
    arena_free(&arena);
    mem_free(input.data);
}

static void check_suite(const struct vectors *vectors, const struct suite *suite)
{
    char path[VECTORS_PATH_MAX];
    size_t i;
    json_t *test;
    vectors_format(path, "evm-precompiles/precompiles/%s.json", suite->file);
    json_t *root = vectors_json(vectors, path);
    assert_int_equal(json_array_size(root), suite->count);
    json_array_foreach(root, i, test) { check_case(suite, test); }
    json_decref(root);
}

static void public_vectors(void **state)
{
    (void)state;
    struct vectors vectors;
    VECTORS_NEED("evm-precompiles");
    vectors_open(&vectors, "evm-precompiles");
    for (size_t i = 0; i < COUNT_OF(suites); i++) {
        check_suite(&vectors, &suites[i]);
    }
    vectors_close(&vectors);
}

int main(void)
{
    const struct hash seed = {{1}};
    crypto_init(&seed);
    const struct CMUnitTest tests[] = {cmocka_unit_test(public_vectors)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
