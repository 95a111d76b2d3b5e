/* The interpreter: public vectors of the operators, and what hostile code tries. */
#include "ledger/evm/testing_stage.h"
#include "ledger/evm/vm.h"
#include "tests/support/vectors.h"

#include <stdio.h>

#define GAS 1000000u

static struct exec_result run_hex(enum fork fork, const char *code, u64 gas)
{
    struct stage *stage = stage_new(fork);
    struct address contract = stage_contract(stage, 1, code);
    struct exec_result result = stage_run(stage, contract, 0, gas, bytes_str(""));
    result.output = bytes_str("");
    stage_free(stage);
    return result;
}

/* The status that code ends with under Osaka. */
static void expect(const char *code, enum evm_status status)
{
    struct exec_result result = run_hex(FORK_OSAKA, code, GAS);
    if (result.status != status) {
        print_error("%s: %s\n", code, evm_status_text(result.status));
    }
    assert_int_equal(result.status, status);
    if (status > EVM_NONCE) {
        assert_int_equal(result.gas_used, GAS + GAS_TX); /* a failure takes everything */
    }
}

/* Code that leaves a word on the stack, and that word. */
static void expect_word(enum fork fork, const char *code, const char *word)
{
    struct stage *stage = stage_new(fork);
    char whole[2 * KIB(2)];
    snprintf(whole, sizeof whole, "%s60005260206000f3", code);
    struct address contract = stage_contract(stage, 1, whole);
    struct exec_result result = stage_run(stage, contract, 0, GAS, bytes_str(""));
    if (!result.success) {
        print_error("%s: %s\n", code, evm_status_text(result.status));
    }
    assert_true(result.success);
    check_hex(result.output, word);
    stage_free(stage);
}

/* --- public vectors --- */

struct operator_vectors {
    const char *file;
    u8 op;
};

static void check_operator(const struct operator_vectors *operator, const json_t * test)
{
    char code[256];
    snprintf(code, sizeof code, "7f%s7f%s%02x", json_string_value(json_object_get(test, "X")),
             json_string_value(json_object_get(test, "Y")), operator->op);
    expect_word(FORK_OSAKA, code, json_string_value(json_object_get(test, "Expected")));
}

static void operators(void **state)
{
    (void)state;
    static const struct operator_vectors all[] = {
        {"add", OP_ADD},
        {"and", OP_AND},
        {"byte", OP_BYTE},
        {"div", OP_DIV},
        {"eq", OP_EQ},
        {"exp", OP_EXP},
        {"gt", OP_GT},
        {"lt", OP_LT},
        {"mod", OP_MOD},
        {"mul", OP_MUL},
        {"or", OP_OR},
        {"sar", OP_SAR},
        {"sdiv", OP_SDIV},
        {"sgt", OP_SGT},
        {"shl", OP_SHL},
        {"shr", OP_SHR},
        {"slt", OP_SLT},
        {"smod", OP_SMOD},
        {"signext", OP_SIGNEXTEND},
        {"sub", OP_SUB},
        {"xor", OP_XOR},
    };
    struct vectors vectors;
    size_t count = 0;
    VECTORS_NEED("evm-precompiles");
    vectors_open(&vectors, "evm-precompiles");
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        char path[VECTORS_PATH_MAX];
        size_t index;
        json_t *test;
        vectors_format(path, "evm-precompiles/testcases_%s.json", all[i].file);
        json_t *root = vectors_json(&vectors, path);
        json_array_foreach(root, index, test)
        {
            check_operator(&all[i], test);
            count++;
        }
        json_decref(root);
    }
    vectors_close(&vectors);
    assert_int_equal(count, 1701);
}

#define ONES "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
#define ZEROS "0000000000000000000000000000000000000000000000000000000000000000"
#define MIN "8000000000000000000000000000000000000000000000000000000000000000"
#define LOW(two) "00000000000000000000000000000000000000000000000000000000000000" two

static void corners_of_operators(void **state)
{
    (void)state;
    expect_word(FORK_OSAKA, "5f7f" ONES "7f" ONES "08", ZEROS);       /* ADDMOD by zero */
    expect_word(FORK_OSAKA, "60087f" ONES "7f" ONES "08", LOW("06")); /* 257 bits */
    expect_word(FORK_OSAKA, "600c7f" ONES "7f" ONES "09", LOW("09")); /* 512 bits */
    expect_word(FORK_OSAKA, "7f" ONES "7f" MIN "05", MIN);            /* MIN / -1 */
    expect_word(FORK_OSAKA, "5f1e",
                "0000000000000000000000000000000000000000000000000000000000000100");
    expect_word(FORK_OSAKA, "60011e", LOW("ff"));
    expect_word(FORK_OSAKA, "7f" MIN "1e", ZEROS);
    expect_word(FORK_OSAKA,
                "7f" MIN "610100"
                "1d",
                ONES);                                       /* SAR by 256 */
    expect_word(FORK_OSAKA, "7f" MIN "7f" ONES "1c", ZEROS); /* SHR by a lot */
    expect_word(FORK_OSAKA, "60ff601f0b", LOW("ff"));        /* SIGNEXTEND of byte 31 */
    expect_word(FORK_OSAKA, "60ff5f0b", ONES);
}

/* --- the machine's limits --- */

static void stack_limits(void **state)
{
    (void)state;
    char code[2 * 1100 + 1];
    memset(code, 0, sizeof code);
    expect("01", EVM_STACK_UNDERFLOW);
    expect("5f01", EVM_STACK_UNDERFLOW);
    expect("5f8100", EVM_STACK_UNDERFLOW); /* DUP2 of one */
    expect("5f9000", EVM_STACK_UNDERFLOW);
    expect("50", EVM_STACK_UNDERFLOW);
    for (size_t i = 0; i < 1024; i++) {
        memcpy(code + 2 * i, "5f", 2);
    }
    expect(code, EVM_SUCCESS); /* 1,024 words */
    memcpy(code + 2048, "5f", 2);
    expect(code, EVM_STACK_OVERFLOW);
    memcpy(code + 2048, "80", 2);
    expect(code, EVM_STACK_OVERFLOW);
    memcpy(code + 2048, "9f", 2);
    expect(code, EVM_SUCCESS);
}

static void jumps(void **state)
{
    (void)state;
    expect("6003565b", EVM_SUCCESS);
    expect("6004565b00", EVM_BAD_JUMP);
    expect("6005566060605b", EVM_BAD_JUMP); /* inside PUSH1 */
    expect("60ff56", EVM_BAD_JUMP);
    expect("7f" ONES "56", EVM_BAD_JUMP);
    expect("6801000000000000000b565b", EVM_BAD_JUMP); /* 2^64 + 11 */
    expect("5f6000575b", EVM_SUCCESS);                /* JUMPI not taken needs no target */
    expect("60016000575b", EVM_BAD_JUMP);
    expect("7f", EVM_SUCCESS); /* PUSH32 without operand */
    expect("60", EVM_SUCCESS);
    expect("5b600056", EVM_OUT_OF_GAS); /* forever */
}

static void memory_bounds(void **state)
{
    (void)state;
    expect("5f7f" ONES "20", EVM_SUCCESS); /* nothing, at the end of the world */
    expect("60017f" ONES "20", EVM_OUT_OF_GAS);
    expect("7f" ONES "51", EVM_OUT_OF_GAS);
    expect("67ffffffffffffffff51", EVM_OUT_OF_GAS);
    expect("67ffffffffffffffe051", EVM_OUT_OF_GAS); /* + 32 would wrap */
    expect("5f7f" ONES "52", EVM_OUT_OF_GAS);
    expect("7f" ONES "5f5f37", EVM_OUT_OF_GAS); /* a length beyond everything */
    expect("5f7f" ONES "7f" ONES "5e", EVM_SUCCESS);
    expect("60017f" ONES "5f5e", EVM_OUT_OF_GAS);
    expect("7f" ONES "5ff3", EVM_OUT_OF_GAS);
    expect("5f7f" ONES "f3", EVM_SUCCESS);
    expect("7f" ONES "5fa0", EVM_OUT_OF_GAS);
    expect("60015f5f3e", EVM_RETURN_DATA); /* one byte of no return data */
    expect("5f60015f3e", EVM_RETURN_DATA);
    expect("5f5f5f3e", EVM_SUCCESS);
    expect_word(FORK_OSAKA, "60ff60405359", LOW("60")); /* MSIZE counts words */
    /* Overlapping MCOPY: 0..31 to 1. */
    expect_word(FORK_OSAKA, "7f" MIN "5f5260205f60015e600151",
                "8000000000000000000000000000000000000000000000000000000000000000");
}

static void gas_is_exact(void **state)
{
    (void)state;
    struct exec_result result = run_hex(FORK_OSAKA, "60016002015000", GAS);
    assert_int_equal(result.gas_used, GAS_TX + 3 + 3 + 3 + 2);
    result = run_hex(FORK_OSAKA, "6001600201", 9);
    assert_true(result.success);
    result = run_hex(FORK_OSAKA, "6001600201", 8);
    assert_int_equal(result.status, EVM_OUT_OF_GAS);
    /* 32 words of memory: 96 + 2; EXP with an exponent of two bytes: 10 + 100. */
    result = run_hex(FORK_OSAKA, "6103e051", GAS);
    assert_int_equal(result.gas_used, GAS_TX + 3 + 3 + 98);
    result = run_hex(FORK_OSAKA, "61010060020a", GAS);
    assert_int_equal(result.gas_used, GAS_TX + 3 + 3 + 10 + 100);
    result = run_hex(FORK_HOMESTEAD, "61010060020a", GAS);
    assert_int_equal(result.gas_used, GAS_TX + 3 + 3 + 10 + 20);
    /* SLOAD cold, then warm; what it was before Berlin. */
    result = run_hex(FORK_OSAKA, "600754600754", GAS);
    assert_int_equal(result.gas_used, GAS_TX + 3 + 2100 + 3 + 100);
    static const struct {
        enum fork fork;
        u64 gas;
    } loads[] = {
        {FORK_FRONTIER, 50}, {FORK_TANGERINE, 200}, {FORK_ISTANBUL, 800}, {FORK_BERLIN, 2100}};
    for (size_t i = 0; i < COUNT_OF(loads); i++) {
        result = run_hex(loads[i].fork, "600754", GAS);
        assert_int_equal(result.gas_used, GAS_TX + 3 + loads[i].gas);
    }
}

/* Every instruction is unknown to the fork before its own. */
static void instructions_have_a_first_fork(void **state)
{
    (void)state;
    struct evm_op ops[EVM_OP_COUNT];
    static const struct {
        u8 op;
        enum fork since;
    } known[] = {{OP_DELEGATECALL, FORK_HOMESTEAD},
                 {OP_REVERT, FORK_BYZANTIUM},
                 {OP_RETURNDATACOPY, FORK_BYZANTIUM},
                 {OP_STATICCALL, FORK_BYZANTIUM},
                 {OP_SHL, FORK_CONSTANTINOPLE},
                 {OP_CREATE2, FORK_CONSTANTINOPLE},
                 {OP_EXTCODEHASH, FORK_CONSTANTINOPLE},
                 {OP_CHAINID, FORK_ISTANBUL},
                 {OP_BASEFEE, FORK_LONDON},
                 {OP_PUSH0, FORK_SHANGHAI},
                 {OP_TSTORE, FORK_CANCUN},
                 {OP_MCOPY, FORK_CANCUN},
                 {OP_BLOBHASH, FORK_CANCUN},
                 {OP_CLZ, FORK_OSAKA}};
    for (size_t i = 0; i < COUNT_OF(known); i++) {
        for (unsigned fork = 0; fork < FORK_COUNT; fork++) {
            evm_ops_fill(ops, (enum fork)fork);
            assert_int_equal(ops[known[i].op].is_defined, fork >= known[i].since);
        }
    }
    /* What no fork has fails whatever is on the stack. */
    static const u8 never[] = {0x0c, 0x1f, 0x21, 0x2f, 0x4b, 0xa5, 0xb0, 0xd0, 0xe0,
                               0xef, 0xf6, 0xf7, 0xf8, 0xf9, 0xfb, 0xfc, 0xfe};
    for (size_t i = 0; i < COUNT_OF(never); i++) {
        char code[64];
        snprintf(code, sizeof code, "5f5f5f5f5f5f5f5f%02x", never[i]);
        expect(code, EVM_INVALID_OPCODE);
        assert_string_equal(evm_op_name(never[i]), "INVALID");
    }
    assert_string_equal(evm_op_name(OP_PUSH32), "PUSH32");
    assert_string_equal(evm_op_name(OP_SWAP16), "SWAP16");
}

static void the_block_is_visible(void **state)
{
    (void)state;
    expect_word(FORK_OSAKA, "46", LOW("07"));
    expect_word(FORK_OSAKA, "48", LOW("0b"));
    expect_word(FORK_OSAKA, "4a", LOW("03"));
    expect_word(FORK_OSAKA, "44", LOW("99"));
    expect_word(FORK_LONDON, "44", LOW("77")); /* difficulty */
    expect_word(FORK_OSAKA, "41", LOW("cb"));
    expect_word(FORK_OSAKA, "6103e740",
                "fa00000000000000000000000000000000000000000000000000000000000000");
    expect_word(FORK_OSAKA, "6103e840", ZEROS); /* itself */
    expect_word(FORK_OSAKA, "6102e740", ZEROS); /* 257 before */
    expect_word(FORK_OSAKA, "7f" ONES "40", ZEROS);
    expect_word(FORK_OSAKA, "5f49", ZEROS); /* no blobs */
    expect_word(FORK_OSAKA, "600754", LOW("46"));
    expect_word(FORK_OSAKA, "601f35", ZEROS); /* call data beyond its end */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(corners_of_operators),
        cmocka_unit_test(stack_limits),
        cmocka_unit_test(jumps),
        cmocka_unit_test(memory_bounds),
        cmocka_unit_test(gas_is_exact),
        cmocka_unit_test(instructions_have_a_first_fork),
        cmocka_unit_test(the_block_is_visible),
        cmocka_unit_test(operators),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
