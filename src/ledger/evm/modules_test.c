/* Every function of every native module, called by contracts in every way: kind of call, static
 * frame or not, value or none, selectors that exist or not, clean or dirty arguments. What is
 * refused must be refused for the first reason in the order of native.h, and leave no trace. */
#include "codec/abi.h"
#include "crypto/sign.h"
#include "ledger/evm/testing_stage.h"
#include "ledger/evm/vm.h"
#include "ledger/modules/modules.h"

#include <stdio.h>

#define GAS 5000000u
#define INPUT_BYTES_MAX KIB(4)

enum input_kind { INPUT_CLEAN, INPUT_UNKNOWN, INPUT_DIRTY };

struct matrix_case {
    const struct native_module *module;
    size_t function;
    enum evm_kind kind;
    bool is_static; /* the contract that calls runs in a static call */
    u64 value;
    enum input_kind input;
};

static struct {
    size_t cases;
    size_t refused;
    size_t answered;
} totals;

/* --- what is sent --- */

/* The value of a type with nothing in it. */
static struct abi_value empty_value(struct arena *arena, const struct abi_type *type)
{
    struct abi_value value = {.data = bytes_str("")};
    if (type->kind == ABI_TUPLE) {
        value.parts = ARENA_ARRAY(arena, struct abi_value, type->part_count);
        for (size_t i = 0; i < type->part_count; i++) {
            value.parts[i] = empty_value(arena, &type->parts[i]);
        }
    }
    return value;
}

/* Where the ABI has zeros, in a word that holds such a value; false: it uses every bit. */
static bool dirty_byte(const struct abi_type *type, size_t *ret_at)
{
    switch (type->kind) {
    case ABI_UINT:
    case ABI_INT:
        *ret_at = 0;
        return type->size < 256;
    case ABI_ADDRESS:
    case ABI_BOOL:
        *ret_at = 0;
        return true;
    case ABI_FIXED_BYTES:
        *ret_at = 31;
        return type->size < 32;
    case ABI_BYTES:
    case ABI_STRING:
    case ABI_ARRAY: /* an offset that leads nowhere */
        *ret_at = 0;
        return true;
    case ABI_TUPLE:
        break;
    }
    return false;
}

/* The call data of a case; false: there is nothing that could be dirty. */
static bool make_input(const struct matrix_case *c, struct arena *arena, struct buf *out)
{
    const struct abi_entry *abi = native_function_abi(c->module, c->function);
    struct abi_value *values = ARENA_ARRAY(arena, struct abi_value, abi->input_count + 1);
    for (size_t i = 0; i < abi->input_count; i++) {
        values[i] = empty_value(arena, &abi->inputs[i]);
    }
    buf_put(out, BYTES_OF(abi->selector));
    abi_encode(out, abi->inputs, abi->input_count, values);
    assert_true(is_ok(buf_done(out)));
    if (c->input == INPUT_UNKNOWN) {
        memset(out->data, 0xee, 4);
    }
    size_t at;
    if (c->input != INPUT_DIRTY) {
        return true;
    }
    for (size_t i = 0; i < abi->input_count && abi->inputs[i].kind != ABI_TUPLE; i++) {
        if (dirty_byte(&abi->inputs[i], &at)) {
            out->data[4 + 32 * i + at] = 0x40;
            return true;
        }
    }
    return false;
}

/* Code that passes its call data on and hands back what comes. */
static struct address forwarder(struct stage *stage, u8 n, enum evm_kind kind, u64 value,
                                const struct address *to)
{
    static const char *const ops[] = {[EVM_CALL] = "f1",
                                      [EVM_CALLCODE] = "f2",
                                      [EVM_DELEGATECALL] = "f4",
                                      [EVM_STATICCALL] = "fa"};
    bool has_value = kind == EVM_CALL || kind == EVM_CALLCODE;
    char code[512];
    char hex[41];
    char wei[8] = "";
    hex_encode(hex, sizeof hex, BYTES_OF(*to));
    if (has_value) {
        snprintf(wei, sizeof wei, "60%02x", (unsigned)value);
    }
    int prefix =
        snprintf(code, sizeof code, "365f5f375f5f365f%s73%s5a%s3d5f5f3e", wei, hex, ops[kind]);
    snprintf(code + prefix, sizeof code - (size_t)prefix, "60%02x573d5ffd5b3d5ff3",
             (unsigned)prefix / 2 + 6);
    struct address address = stage_contract(stage, n, code);
    stage_find(stage, &address)->account.balance = u256_from_u64(1000);
    return address;
}

/* --- what comes back --- */

/* The text of Error(string), or an empty one. */
static void reason_of(bytes output, char out[128])
{
    out[0] = 0;
    if (output.len >= 68 && memcmp(output.data, "\x08\xc3\x79\xa0", 4) == 0) {
        size_t len = min_size(load_be64(output.data + 60), min_size(output.len - 68, 127));
        memcpy(out, output.data + 68, len);
        out[len] = 0;
    }
}

/* Why it must be refused; NULL: the dispatcher has no reason to; "": without any text. */
static const char *expected_reason(const struct matrix_case *c)
{
    unsigned flags = c->module->functions[c->function].flags;
    if (c->kind == EVM_CALL && c->is_static && c->value > 0) {
        return ""; /* the EVM's own rule */
    }
    if (c->kind == EVM_DELEGATECALL || c->kind == EVM_CALLCODE) {
        return "native modules take no delegate calls";
    }
    if (c->input == INPUT_UNKNOWN) {
        return "no such function";
    }
    if ((c->is_static || c->kind == EVM_STATICCALL) && (flags & NATIVE_VIEW) == 0) {
        return "state change in a static call";
    }
    if (c->kind == EVM_CALL && c->value > 0 && (flags & NATIVE_PAYABLE) == 0) {
        return "function is not payable";
    }
    return c->input == INPUT_DIRTY ? "malformed arguments" : NULL;
}

static void check_no_trace(struct stage *stage)
{
    struct arena arena;
    struct state_changes changes;
    arena_init(&arena, MIB(1));
    assert_true(is_ok(journal_changes(&stage->journal, &arena, &changes)));
    assert_int_equal(changes.account_count, 1); /* the sender's nonce */
    assert_int_equal(changes.slot_count, 0);
    assert_int_equal(stage->journal.log_count, 0);
    assert_int_equal(stage->journal.refund, 0);
    arena_free(&arena);
}

static void run_case(const struct matrix_case *c, bytes input)
{
    struct stage *stage = stage_new(FORK_OSAKA);
    struct address module = native_address(c->module->number);
    char reason[128];
    stage_add(stage, &module, bytes_str(""));
    struct address top = forwarder(stage, 1, c->kind, c->value, &module);
    if (c->is_static) {
        top = forwarder(stage, 2, EVM_STATICCALL, 0, &top);
    }
    struct exec_result result = stage_run(stage, top, 0, GAS, input);
    const char *expected = expected_reason(c);
    reason_of(result.output, reason);
    totals.cases++;
    if (expected != NULL) {
        assert_int_equal(result.status, EVM_REVERTED);
        assert_string_equal(reason, expected);
        totals.refused++;
    } else {
        assert_string_not_equal(reason, "malformed arguments");
        assert_string_not_equal(reason, "no such function");
        totals.answered += result.success;
    }
    if (!result.success || c->is_static || c->kind == EVM_STATICCALL) {
        check_no_trace(stage);
    }
    stage_free(stage);
}

static void run_function(const struct native_module *module, size_t function)
{
    static const enum evm_kind kinds[] = {EVM_CALL, EVM_CALLCODE, EVM_DELEGATECALL, EVM_STATICCALL};
    for (size_t i = 0; i < COUNT_OF(kinds) * 2 * 2 * 3; i++) {
        struct matrix_case c = {.module = module,
                                .function = function,
                                .kind = kinds[i % 4],
                                .is_static = i / 4 % 2 == 1,
                                .value = i / 8 % 2,
                                .input = (enum input_kind)(i / 16)};
        struct arena arena;
        struct buf input;
        arena_init(&arena, MIB(1));
        buf_init(&input, INPUT_BYTES_MAX);
        if (make_input(&c, &arena, &input)) {
            run_case(&c, buf_bytes(&input));
        }
        buf_free(&input);
        arena_free(&arena);
    }
}

static void the_whole_matrix(void **state)
{
    (void)state;
    for (size_t i = 0; i < native_count(); i++) {
        for (size_t j = 0; j < native_at(i)->function_count; j++) {
            run_function(native_at(i), j);
        }
    }
    print_message("%zu calls of modules by contracts: %zu refused, %zu answered\n", totals.cases,
                  totals.refused, totals.answered);
    assert_true(totals.refused > 1000 && totals.answered > 20);
}

/* A delegation to a module runs the code at its address, which reverts; not the module. */
static void delegations_reach_no_module(void **state)
{
    (void)state;
    static const u8 dummy[] = {0x60, 0x00, 0x60, 0x00, 0xfd};
    struct stage *stage = stage_new(FORK_OSAKA);
    struct address module = native_address(native_at(0)->number);
    struct address account = stage_address(9);
    u8 delegation[23] = {0xef, 0x01, 0x00};
    memcpy(delegation + 3, module.b, sizeof module.b);
    stage_add(stage, &module, BYTES_OF(dummy));
    stage_add(stage, &account, BYTES_OF(delegation));
    struct exec_result result = stage_run(stage, account, 0, GAS, bytes_str("abcd"));
    assert_int_equal(result.status, EVM_REVERTED);
    assert_int_equal(result.output.len, 0);
    stage_free(stage);
}

/* Before Osaka the addresses of modules are nothing special. */
static void older_forks_have_no_modules(void **state)
{
    (void)state;
    struct stage *stage = stage_new(FORK_PRAGUE);
    struct address module = native_address(native_at(0)->number);
    assert_true(stage_run(stage, module, 0, GAS, bytes_str("abcd")).success);
    stage_free(stage);
}

static int setup(void **state)
{
    (void)state;
    struct hash seed = {{1}};
    crypto_init(&seed);
    native_tables_init(native_modules_all, native_modules_count);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_whole_matrix),
        cmocka_unit_test(delegations_reach_no_module),
        cmocka_unit_test(older_forks_have_no_modules),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
