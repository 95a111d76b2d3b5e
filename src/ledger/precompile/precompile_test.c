#include "ledger/precompile/precompile.h"

#include "base/mem.h"
#include "crypto/hash.h"
#include "crypto/sign.h"
#include "tests/support/check.h"

#define SCRATCH_BYTES 2048
#define ORDER_N "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"

static const struct precompile *find(enum fork fork, u16 number)
{
    struct address address = {{0}};
    store_be16(address.b + 18, number);
    return precompile_find(fork, &address);
}

struct answer {
    enum precompile_verdict verdict;
    size_t len;
    u8 data[SCRATCH_BYTES];
};

static struct answer run(enum fork fork, u16 number, bytes input)
{
    struct answer answer = {.len = 0};
    struct arena arena;
    bytes output;
    arena_init(&arena, MIB(1));
    err e = precompile_run(find(fork, number), fork, input, &arena, &answer.verdict, &output);
    assert_true(is_ok(e));
    assert_true(output.len <= sizeof answer.data);
    answer.len = output.len;
    if (output.len != 0) {
        memcpy(answer.data, output.data, output.len);
    }
    arena_free(&arena);
    return answer;
}

static u64 gas(enum fork fork, u16 number, bytes input)
{
    return precompile_gas(find(fork, number), fork, input);
}

static void forks_bring_them(void **state)
{
    (void)state;
    static const unsigned last[FORK_COUNT] = {4, 4, 4, 4, 8, 8, 8, 9, 9, 9, 9, 9, 10, 17, 17};
    for (unsigned i = 0; i < FORK_COUNT; i++) {
        enum fork fork = (enum fork)i;
        assert_int_equal(precompile_last(fork), last[i]);
        assert_int_equal(precompile_has_p256(fork), fork >= FORK_OSAKA);
        for (u16 number = 0; number < 0x300; number++) {
            bool there =
                (number >= 1 && number <= last[i]) || (number == 0x100 && fork >= FORK_OSAKA);
            assert_int_equal(find(fork, number) != NULL, there);
            if (there) {
                assert_true(strlen(precompile_name(find(fork, number))) > 1);
            }
        }
    }
}

static void other_addresses_are_none(void **state)
{
    (void)state;
    for (size_t bit = 0; bit < 144; bit++) {
        struct address address = {{[19] = 1}};
        address.b[bit / 8] ^= (u8)(1u << bit % 8);
        assert_null(precompile_find(FORK_OSAKA, &address));
    }
}

static void prices_by_length(void **state)
{
    (void)state;
    static const struct {
        u16 number;
        size_t len;
        u64 gas;
    } cases[] = {
        {1, 0, 3000},    {1, 500, 3000},   {2, 0, 60},       {2, 1, 72},   {2, 32, 72},
        {2, 33, 84},     {3, 0, 600},      {3, 32, 720},     {3, 33, 840}, {4, 0, 15},
        {4, 32, 18},     {4, 1024, 111},   {6, 0, 150},      {7, 9, 6000}, {8, 0, 45000},
        {8, 191, 45000}, {8, 384, 113000}, {0x100, 0, 6900},
    };
    static const u8 input[1024];
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        bytes in = bytes_make(input, cases[i].len);
        assert_int_equal(gas(FORK_OSAKA, cases[i].number, in), cases[i].gas);
    }
    assert_int_equal(gas(FORK_BYZANTIUM, 6, bytes_make(input, 0)), 500);
    assert_int_equal(gas(FORK_PETERSBURG, 7, bytes_make(input, 0)), 40000);
    assert_int_equal(gas(FORK_PETERSBURG, 8, bytes_make(input, 384)), 260000);
    assert_int_equal(gas(FORK_ISTANBUL, 9, bytes_make(input, 212)), 0);
    /* A price is arithmetic: no byte is read. */
    assert_int_equal(gas(FORK_OSAKA, 3, bytes_make(input, SIZE_MAX)), UINT64_MAX);
}

/* FIPS 180-4; the examples of RIPEMD-160's authors. */
static void digests(void **state)
{
    (void)state;
    struct answer got = run(FORK_FRONTIER, 2, bytes_str("abc"));
    check_hex(bytes_make(got.data, got.len),
              "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    got = run(FORK_FRONTIER, 3, bytes_str("abc"));
    check_hex(bytes_make(got.data, got.len),
              "0000000000000000000000008eb208f7e05d987a9b044a8e98c6b087f15a0bfc");
    got = run(FORK_FRONTIER, 3, bytes_make(NULL, 0));
    check_hex(bytes_make(got.data, got.len),
              "0000000000000000000000009c1185a5c5e9fc54612808977ee8f548b2258d31");
    got = run(FORK_FRONTIER, 4, bytes_str("the same"));
    assert_true(bytes_eq_str(bytes_make(got.data, got.len), "the same"));
    got = run(FORK_FRONTIER, 4, bytes_make(NULL, 0));
    assert_int_equal(got.verdict, PRECOMPILE_OK);
    assert_int_equal(got.len, 0);
}

/* A signature of the test's own: digest, v, r, s as the precompile takes them. */
static void signed_input(u8 in[128], struct address *signer)
{
    struct secp_secret secret;
    struct secp_signature sig;
    struct hash digest;
    const u8 seed[32] = {[31] = 9};
    assert_true(secp_secret_from(&secret, seed));
    secp_address_of_secret(signer, &secret);
    keccak256(&digest, bytes_str("message"));
    secp_sign(&sig, &secret, &digest);
    memset(in, 0, 128);
    memcpy(in, digest.b, 32);
    in[63] = (u8)(27 + sig.b[64]);
    memcpy(in + 64, sig.b, 64);
}

static void recovered(void **state)
{
    (void)state;
    u8 in[200] = {0};
    struct address signer;
    signed_input(in, &signer);
    struct answer got = run(FORK_OSAKA, 1, bytes_make(in, 128));
    assert_int_equal(got.len, 32);
    assert_memory_equal(got.data + 12, signer.b, 20);
    got = run(FORK_OSAKA, 1, bytes_make(in, sizeof in)); /* a tail is ignored */
    assert_memory_equal(got.data + 12, signer.b, 20);
}

static void check_unrecovered(const u8 in[128])
{
    struct answer got = run(FORK_OSAKA, 1, bytes_make(in, 128));
    assert_int_equal(got.verdict, PRECOMPILE_OK);
    assert_int_equal(got.len, 0);
}

static void not_recovered(void **state)
{
    (void)state;
    u8 good[128];
    u8 in[128];
    struct address signer;
    signed_input(good, &signer);
    for (unsigned v = 0; v < 256; v++) {
        memcpy(in, good, sizeof in);
        in[63] = (u8)v;
        if (v != 27 && v != 28) {
            check_unrecovered(in);
        }
    }
    for (size_t bit = 0; bit < 248; bit++) { /* v is a word */
        memcpy(in, good, sizeof in);
        in[32 + bit / 8] ^= (u8)(1u << bit % 8);
        check_unrecovered(in);
    }
    for (size_t at = 64; at < 128; at += 32) {
        memcpy(in, good, sizeof in);
        memset(in + at, 0, 32);
        check_unrecovered(in);
        unhex(in + at, 32, ORDER_N);
        check_unrecovered(in);
        memset(in + at, 0xff, 32);
        check_unrecovered(in);
    }
    struct answer got = run(FORK_OSAKA, 1, bytes_make(good, 95)); /* s is cut to zero */
    assert_int_equal(got.len, 0);
}

/* Numbers and powers from Python's pow(). */
static void powers(void **state)
{
    (void)state;
    static const struct {
        unsigned base, exponent, modulus;
        const char *numbers;
        const char *power;
    } cases[] = {
        {3, 2, 5, "c4069563b2c328dbd25e", "41aaf664af"},
        {1, 64, 32,
         "f7960d5a8f9a656aafd14125844d25deb354f46a6910acff0043892dfc254cb864ef901b932a7c18806a3753"
         "915c76f18a0585a01c4c7d6df0621aef57e4cc41325af84e6b4f59672710e6d8e6568068b9b52a43abad8d19"
         "4a9892139600ddb74c",
         "0f611ac5d1d988fe3bdfdd08a4c3ceb2638a0a519ef60b084e83ccc9f741a715"},
        {0, 5, 4, "4fb06dbee0ff297d0e", "00000000"},
        {5, 0, 4, "4297bd9e8a1b85a5cd", "00000001"},
        {1, 1, 1, "030201", "00"}, /* modulo 1 */
        {1, 0, 1, "0301", "00"},
        {1, 1, 2, "03020000", "0000"}, /* modulo 0 */
        {1, 1, 1, "030007", "01"},     /* to the power 0 */
        {1, 1, 1, "000007", "01"},
        {1, 1, 4, "0203", "00000000"}, /* the modulus is beyond the input */
        {1, 2, 1, "0200", "00"},
        {2, 1, 0, "ffff05", ""},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        u8 in[512] = {0};
        store_be32(in + 28, cases[i].base);
        store_be32(in + 60, cases[i].exponent);
        store_be32(in + 92, cases[i].modulus);
        size_t len = 96 + unhex(in + 96, sizeof in - 96, cases[i].numbers);
        struct answer got = run(FORK_OSAKA, 5, bytes_make(in, len));
        assert_int_equal(got.verdict, PRECOMPILE_OK);
        check_hex(bytes_make(got.data, got.len), cases[i].power);
    }
}

/* 3 to every exponent below 400 modulo every modulus below 40, against repeated products. */
static void small_powers(void **state)
{
    (void)state;
    for (unsigned modulus = 1; modulus < 40; modulus++) {
        unsigned expected = 1 % modulus;
        for (unsigned exponent = 0; exponent < 400; exponent++) {
            u8 in[96 + 4] = {[31] = 1, [63] = 2, [95] = 1, [96] = 3};
            store_be16(in + 97, (u16)exponent);
            in[99] = (u8)modulus;
            struct answer got = run(FORK_BYZANTIUM, 5, BYTES_OF(in));
            assert_int_equal(got.len, 1);
            assert_int_equal(got.data[0], expected);
            expected = expected * 3 % modulus;
        }
    }
}

static void huge_lengths(void **state)
{
    (void)state;
    u8 in[96];
    memset(in, 0xff, sizeof in);
    static const enum fork forks[] = {FORK_BYZANTIUM, FORK_BERLIN, FORK_OSAKA};
    for (size_t i = 0; i < COUNT_OF(forks); i++) {
        assert_true(gas(forks[i], 5, BYTES_OF(in)) == UINT64_MAX);
    }
    assert_int_equal(run(FORK_OSAKA, 5, BYTES_OF(in)).verdict, PRECOMPILE_FAILED);

    /* Nothing to the power of anything modulo nothing: free (198), the least price (2565), refused
     * (7823). */
    memset(in, 0, 32);
    memset(in + 64, 0, 32);
    assert_int_equal(gas(FORK_BYZANTIUM, 5, BYTES_OF(in)), 0);
    assert_int_equal(gas(FORK_BERLIN, 5, BYTES_OF(in)), 200);
    assert_true(gas(FORK_OSAKA, 5, BYTES_OF(in)) == UINT64_MAX);
    struct answer got = run(FORK_BERLIN, 5, BYTES_OF(in));
    assert_int_equal(got.verdict, PRECOMPILE_OK);
    assert_int_equal(got.len, 0);
    in[95] = 1; /* modulo one byte: beyond anyone's gas */
    assert_true(gas(FORK_BYZANTIUM, 5, BYTES_OF(in)) == UINT64_MAX);
    assert_true(gas(FORK_BERLIN, 5, BYTES_OF(in)) == UINT64_MAX);
}

static void lengths_are_bounded_from_osaka_on(void **state)
{
    (void)state;
    for (size_t at = 30; at < 96; at += 32) {
        u8 in[96] = {0};
        store_be16(in + at, 1024);
        assert_int_equal(run(FORK_OSAKA, 5, BYTES_OF(in)).verdict, PRECOMPILE_OK);
        assert_true(gas(FORK_OSAKA, 5, BYTES_OF(in)) < UINT64_MAX);
        store_be16(in + at, 1025);
        assert_int_equal(run(FORK_OSAKA, 5, BYTES_OF(in)).verdict, PRECOMPILE_FAILED);
        assert_true(gas(FORK_OSAKA, 5, BYTES_OF(in)) == UINT64_MAX);
        assert_int_equal(run(FORK_PRAGUE, 5, BYTES_OF(in)).verdict, PRECOMPILE_OK);
    }
}

/* EIP-198, 2565 and 7883 computed by hand at the seams of their formulas. */
static void modexp_prices(void **state)
{
    (void)state;
    static const struct {
        unsigned base, exponent, modulus;
        u8 head; /* first byte of the exponent */
        u64 eip198, eip2565, eip7883;
    } cases[] = {
        {64, 1, 64, 0, 204, 200, 500},         {64, 1, 64, 0x80, 1433, 200, 896},
        {65, 1, 1, 1, 211, 200, 500},          {1024, 1, 1, 2, 17868, 5461, 32768},
        {1025, 1, 1, 2, 17899, 5547, 0},       {1, 33, 32, 1, 13107, 1365, 4224},
        {32, 1, 32, 0x80, 358, 200, 500},      {8, 32, 8, 0x80, 816, 200, 4080},
        {33, 32, 8, 0x80, 13884, 2125, 12750},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        u8 in[96 + 1025 + 1] = {0};
        store_be32(in + 28, cases[i].base);
        store_be32(in + 60, cases[i].exponent);
        store_be32(in + 92, cases[i].modulus);
        in[96 + cases[i].base] = cases[i].head;
        assert_int_equal(gas(FORK_PETERSBURG, 5, BYTES_OF(in)), cases[i].eip198);
        assert_int_equal(gas(FORK_PRAGUE, 5, BYTES_OF(in)), cases[i].eip2565);
        if (cases[i].eip7883 != 0) {
            assert_int_equal(gas(FORK_OSAKA, 5, BYTES_OF(in)), cases[i].eip7883);
        }
    }
}

static void full_arena_is_a_fault(void **state)
{
    (void)state;
    u8 in[512] = {0};
    struct arena arena;
    enum precompile_verdict verdict;
    bytes output;
    store_be32(in + 92, 512);
    arena_init(&arena, 100);
    err e =
        precompile_run(find(FORK_OSAKA, 5), FORK_OSAKA, BYTES_OF(in), &arena, &verdict, &output);
    assert_true(is_err(e, ERR_LIMIT));
    e = precompile_run(find(FORK_OSAKA, 4), FORK_OSAKA, BYTES_OF(in), &arena, &verdict, &output);
    assert_true(is_err(e, ERR_LIMIT));
    arena_free(&arena);
}

static void malformed_inputs_fail(void **state)
{
    (void)state;
    u8 in[385] = {[3] = 1};
    struct answer got = run(FORK_OSAKA, 9, bytes_make(in, 213));
    assert_int_equal(got.verdict, PRECOMPILE_OK);
    assert_int_equal(got.len, 64);
    assert_int_equal(run(FORK_OSAKA, 9, bytes_make(in, 212)).verdict, PRECOMPILE_FAILED);
    assert_int_equal(run(FORK_OSAKA, 9, bytes_make(in, 214)).verdict, PRECOMPILE_FAILED);
    in[212] = 2;
    assert_int_equal(run(FORK_OSAKA, 9, bytes_make(in, 213)).verdict, PRECOMPILE_FAILED);

    memset(in, 0, sizeof in);
    got = run(FORK_OSAKA, 8, bytes_make(NULL, 0));
    assert_int_equal(got.verdict, PRECOMPILE_OK);
    assert_int_equal(got.data[31], 1);
    assert_int_equal(run(FORK_OSAKA, 8, bytes_make(in, 384)).data[31], 1);
    assert_int_equal(run(FORK_OSAKA, 8, bytes_make(in, 383)).verdict, PRECOMPILE_FAILED);
    assert_int_equal(run(FORK_OSAKA, 8, bytes_make(in, 385)).verdict, PRECOMPILE_FAILED);

    got = run(FORK_OSAKA, 6, bytes_make(NULL, 0)); /* 0 + 0 */
    assert_int_equal(got.verdict, PRECOMPILE_OK);
    assert_int_equal(got.len, 64);
    in[31] = 1;
    in[63] = 2;
    got = run(FORK_OSAKA, 6, bytes_make(in, 64)); /* G + 0 */
    assert_memory_equal(got.data, in, 64);
    in[63] = 3;
    assert_int_equal(run(FORK_OSAKA, 6, bytes_make(in, 64)).verdict, PRECOMPILE_FAILED);
    assert_int_equal(run(FORK_OSAKA, 7, bytes_make(in, 96)).verdict, PRECOMPILE_FAILED);

    got = run(FORK_OSAKA, 0x100, bytes_make(in, 159));
    assert_int_equal(got.verdict, PRECOMPILE_OK);
    assert_int_equal(got.len, 0);
    assert_int_equal(run(FORK_OSAKA, 0x100, bytes_make(in, 161)).len, 0);
    assert_int_equal(run(FORK_OSAKA, 0x100, bytes_make(in, 160)).len, 0);
}

int main(void)
{
    const struct hash seed = {{1}};
    crypto_init(&seed);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forks_bring_them),
        cmocka_unit_test(other_addresses_are_none),
        cmocka_unit_test(prices_by_length),
        cmocka_unit_test(digests),
        cmocka_unit_test(recovered),
        cmocka_unit_test(not_recovered),
        cmocka_unit_test(powers),
        cmocka_unit_test(small_powers),
        cmocka_unit_test(huge_lengths),
        cmocka_unit_test(lengths_are_bounded_from_osaka_on),
        cmocka_unit_test(modexp_prices),
        cmocka_unit_test(full_arena_is_a_fault),
        cmocka_unit_test(malformed_inputs_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
