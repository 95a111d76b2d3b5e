#include "ledger/evm/execute.h"

#include "base/mem.h"
#include "ledger/exec/gas.h"
#include "tests/support/vault_module.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#undef fail /* cmocka's; err.h's is meant */

#define ARENA_BYTES MIB(64)
#define START_BALANCE 1000000000000000000u
#define BASE_FEE 1000u
#define PRICE 1500u /* max fee; the tip is capped to 100 */

static void assert_ok(err e) { assert_int_equal(e.code, ERR_OK); }

static struct address address_number(u8 n) { return (struct address){{[0] = 0xaa, [19] = n}}; }

/* Two rich accounts (1, 2), one with code (3); storage empty. */
static err source_account(void *ctx, const struct address *address, struct account *ret_account)
{
    (void)ctx;
    struct address vault = native_address(VAULT_NUMBER);
    *ret_account = account_none();
    if (address->b[0] == 0xaa && address->b[19] <= 3) {
        ret_account->balance = u256_from_u64(START_BALANCE);
    }
    if (address_eq(address, &vault) || (address->b[0] == 0xaa && address->b[19] == 3)) {
        ret_account->nonce = 1;
        ret_account->code_hash = (struct hash){{1}};
        ret_account->balance = u256_from_u64(500);
    }
    return ok();
}

static err source_slot(void *ctx, const struct address *address, const struct hash *slot,
                       struct word *ret_word)
{
    (void)ctx;
    (void)address;
    struct hash one = vault_slot(1);
    *ret_word = vault_word(hash_eq(slot, &one) ? 11 : 0); /* key 1 holds 11 */
    return ok();
}

static err source_code(void *ctx, const struct hash *code_hash, struct arena *arena,
                       bytes *ret_code)
{
    (void)ctx;
    (void)code_hash;
    (void)arena;
    *ret_code = bytes_str("\x60");
    return ok();
}

struct world {
    struct journal journal;
    struct block_env env;
    struct executor executor;
    struct arena arena;
    struct buf call;
};

static void world_init(struct world *world)
{
    struct state_source source = {
        .account = source_account, .slot = source_slot, .code = source_code};
    *world = (struct world){
        .env = {.fork = FORK_OSAKA,
                .chain_id = 7,
                .height = 5,
                .time = 1000,
                .gas_limit = 30000000,
                .coinbase = address_number(99),
                .base_fee = u256_from_u64(BASE_FEE)},
    };
    journal_init(&world->journal, &source, ARENA_BYTES);
    executor_init(&world->executor, &world->journal, &world->env);
    arena_init(&world->arena, ARENA_BYTES);
    buf_init(&world->call, KIB(4));
}

static void world_free(struct world *world)
{
    journal_free(&world->journal);
    arena_free(&world->arena);
    buf_free(&world->call);
}

static u64 balance(struct world *world, struct address address)
{
    struct account account;
    u64 wei;
    assert_ok(journal_account(&world->journal, &address, &account));
    assert_true(u256_to_u64(&wei, account.balance));
    return wei;
}

static struct tx plain_tx(u64 nonce, struct address to, u64 value, bytes input)
{
    return (struct tx){.type = TX_DYNAMIC_FEE,
                       .has_chain_id = true,
                       .chain_id = 7,
                       .nonce = nonce,
                       .max_fee = u256_from_u64(PRICE),
                       .max_priority = u256_from_u64(100),
                       .gas_limit = 100000,
                       .to = to,
                       .value = u256_from_u64(value),
                       .input = input};
}

static struct exec_result run(struct world *world, const struct tx *tx)
{
    struct exec_result result;
    struct address sender = address_number(1);
    assert_ok(execute_tx(&world->executor, tx, &sender, &world->arena, &result));
    return result;
}

/* --- fees and gas --- */

static void transfer_pays_exactly(void **state)
{
    (void)state;
    struct world world;
    world_init(&world);
    struct tx tx = plain_tx(0, address_number(2), 777, bytes_str(""));
    struct exec_result result = run(&world, &tx);
    assert_int_equal(result.verdict, TX_VALID);
    assert_true(result.success);
    assert_int_equal(result.gas_used, 21000);
    assert_int_equal(result.gas_price.limb[0], BASE_FEE + 100);
    assert_int_equal(balance(&world, address_number(1)),
                     START_BALANCE - 777 - 21000 * (BASE_FEE + 100));
    assert_int_equal(balance(&world, address_number(2)), START_BALANCE + 777);
    assert_int_equal(balance(&world, address_number(99)), 21000 * 100); /* base fee burned */
    assert_int_equal(world.executor.gas_used, 21000);
    world_free(&world);
}

static void call_data_has_a_floor(void **state)
{
    (void)state;
    struct world world;
    u8 input[1000];
    memset(input, 1, sizeof input);
    world_init(&world);
    struct tx tx = plain_tx(0, address_number(2), 0, BYTES_OF(input));
    struct exec_result result = run(&world, &tx);
    assert_int_equal(result.gas_used, 21000 + 40 * sizeof input); /* EIP-7623: 4 tokens, 10 each */
    world_free(&world);
}

static void set_costs_what_the_schedule_says(void **state)
{
    (void)state;
    struct world world;
    struct address vault = native_address(VAULT_NUMBER);
    struct abi_value args[2] = {abi_u64(5), abi_u64(6)};
    world_init(&world);
    bytes call = vault_call(&world.call, VAULT_SET, args);
    u64 data = 0;
    for (size_t i = 0; i < call.len; i++) {
        data += call.data[i] == 0 ? GAS_TX_ZERO_BYTE : GAS_TX_BYTE;
    }
    u64 log = GAS_LOG + 2 * GAS_LOG_TOPIC + 32 * GAS_LOG_BYTE;
    u64 decode = 3 * GAS_COPY_WORD; /* 68 bytes */
    struct tx tx = plain_tx(0, vault, 0, call);
    struct exec_result result = run(&world, &tx);
    assert_true(result.success);
    assert_int_equal(result.gas_used,
                     GAS_TX + data + decode + VAULT_SET_GAS + GAS_COLD_SLOT + GAS_SSTORE_SET + log);
    assert_int_equal(world.journal.log_count, 1);
    /* The same slot again in another transaction: cold again, and the value is there now. */
    tx.nonce = 1;
    result = run(&world, &tx);
    assert_int_equal(result.gas_used,
                     GAS_TX + data + decode + VAULT_SET_GAS + GAS_COLD_SLOT + GAS_WARM + log);
    /* With an access list: paid for ahead, warm inside. */
    struct hash slot = vault_slot(5);
    struct tx_access access = {.address = vault, .slots = &slot, .slot_count = 1};
    tx.nonce = 2;
    tx.access = &access;
    tx.access_count = 1;
    result = run(&world, &tx);
    assert_int_equal(result.gas_used, GAS_TX + data + decode + VAULT_SET_GAS + GAS_WARM + log +
                                          GAS_TX_ACCESS_ADDRESS + GAS_TX_ACCESS_SLOT);
    world_free(&world);
}

static void clearing_refunds_at_most_a_fifth(void **state)
{
    (void)state;
    struct world world;
    struct address vault = native_address(VAULT_NUMBER);
    struct abi_value args[2] = {abi_u64(1), abi_u64(0)}; /* key 1 holds 11 */
    world_init(&world);
    struct tx tx = plain_tx(0, vault, 0, vault_call(&world.call, VAULT_SET, args));
    struct exec_result result = run(&world, &tx);
    assert_true(result.success);
    assert_true(result.gas_peak / 5 > GAS_SSTORE_CLEAR_REFUND);
    assert_int_equal(result.gas_used, result.gas_peak - GAS_SSTORE_CLEAR_REFUND);
    world_free(&world);
}

/* Every gas limit from the intrinsic one up to enough: out of gas takes everything and changes
 * nothing but nonce and fee; from some limit on it succeeds and the limit no longer matters. */
static void out_of_gas_at_every_step(void **state)
{
    (void)state;
    struct address vault = native_address(VAULT_NUMBER);
    struct abi_value args[2] = {abi_u64(5), abi_u64(6)};
    struct hash slot = vault_slot(5);
    bool succeeded = false;
    for (u64 gas = 21700; gas < 52000; gas += succeeded ? 977 : 61) {
        struct world world;
        struct word word;
        world_init(&world);
        struct tx tx = plain_tx(0, vault, 0, vault_call(&world.call, VAULT_SET, args));
        tx.gas_limit = gas;
        struct exec_result result = run(&world, &tx);
        if (result.verdict == TX_GAS_BELOW_INTRINSIC || result.verdict == TX_GAS_BELOW_FLOOR) {
            assert_false(succeeded);
            world_free(&world);
            continue;
        }
        assert_int_equal(result.verdict, TX_VALID);
        assert_true(result.success || !succeeded);
        succeeded = result.success;
        assert_ok(journal_load(&world.journal, &vault, &slot, &word));
        assert_int_equal(word.b[31], result.success ? 6 : 0);
        assert_int_equal(world.journal.log_count, result.success ? 1 : 0);
        if (!result.success) {
            assert_int_equal(result.status, EVM_OUT_OF_GAS);
            assert_int_equal(result.gas_used, gas);
            assert_int_equal(result.output.len, 0);
        }
        assert_int_equal(balance(&world, address_number(1)),
                         START_BALANCE - result.gas_used * (BASE_FEE + 100));
        world_free(&world);
    }
    assert_true(succeeded);
}

/* --- verdicts --- */

static void invalid_transactions_change_nothing(void **state)
{
    (void)state;
    static const enum tx_verdict expected[] = {
        TX_NONCE_TOO_HIGH,  TX_FEE_BELOW_BASE,      TX_INSUFFICIENT_FUNDS, TX_CHAIN_ID_WRONG,
        TX_GAS_ABOVE_BLOCK, TX_GAS_BELOW_INTRINSIC, TX_TIP_ABOVE_FEE,      TX_GAS_ABOVE_CAP,
    };
    for (size_t i = 0; i < COUNT_OF(expected); i++) {
        struct world world;
        struct arena arena;
        struct state_changes changes;
        world_init(&world);
        struct tx tx = plain_tx(0, address_number(2), 1, bytes_str(""));
        tx.nonce = i == 0 ? 1 : 0;
        tx.max_fee = u256_from_u64(i == 1 ? BASE_FEE - 1 : PRICE);
        tx.max_priority = u256_from_u64(i == 6 ? PRICE + 1 : 1);
        tx.value = u256_from_u64(i == 2 ? START_BALANCE : 0);
        tx.chain_id = i == 3 ? 8 : 7;
        tx.gas_limit = i == 4 ? 30000001 : i == 5 ? 20999 : i == 7 ? GAS_TX_MAX + 1 : 100000;
        assert_int_equal(run(&world, &tx).verdict, expected[i]);
        arena_init(&arena, ARENA_BYTES);
        assert_ok(journal_changes(&world.journal, &arena, &changes));
        assert_int_equal(changes.account_count + changes.slot_count, 0);
        assert_int_equal(world.executor.gas_used, 0);
        arena_free(&arena);
        world_free(&world);
    }
}

static void senders_with_code_are_refused(void **state)
{
    (void)state;
    struct world world;
    struct exec_result result;
    struct address sender = address_number(3);
    world_init(&world);
    struct tx tx = plain_tx(1, address_number(2), 0, bytes_str(""));
    assert_ok(execute_tx(&world.executor, &tx, &sender, &world.arena, &result));
    assert_int_equal(result.verdict, TX_SENDER_HAS_CODE);
    world_free(&world);
}

static void block_gas_is_shared(void **state)
{
    (void)state;
    struct world world;
    world_init(&world);
    world.env.gas_limit = 130000;
    struct tx tx = plain_tx(0, address_number(2), 0, bytes_str(""));
    assert_int_equal(run(&world, &tx).verdict, TX_VALID);
    tx.nonce = 1;
    assert_int_equal(run(&world, &tx).verdict, TX_VALID);
    tx.nonce = 2;
    assert_int_equal(run(&world, &tx).verdict, TX_GAS_ABOVE_BLOCK); /* 88,000 are left */
    tx.gas_limit = 88000;
    assert_int_equal(run(&world, &tx).verdict, TX_VALID);
    world_free(&world);
}

/* --- the matrix of call kinds --- */

struct call_case {
    enum call_kind kind;
    bool is_static;
    u64 value;
    enum vault_function function;
};

static bool should_succeed(const struct call_case *call)
{
    bool is_view = call->function == VAULT_GET || call->function == VAULT_BURN;
    if (call->kind == CALL_DELEGATE || call->kind == CALL_CODE) {
        return false;
    }
    if ((call->is_static || call->kind == CALL_STATIC) && !is_view) {
        return false;
    }
    if (call->value > 0 && call->function != VAULT_DEPOSIT) {
        return false;
    }
    return call->function != VAULT_FAIL;
}

static bytes encoded_call(struct world *world, enum vault_function function)
{
    struct address to = address_number(2);
    struct abi_value set[2] = {abi_u64(5), abi_u64(6)};
    struct abi_value pay[2] = {abi_address(&to), abi_u64(3)};
    struct abi_value text = abi_bytes(bytes_str("no"));
    switch (function) {
    case VAULT_SET:
    case VAULT_GET:
    case VAULT_BURN:
    case VAULT_DEPOSIT:
        return vault_call(&world->call, function, set);
    case VAULT_PAY:
        return vault_call(&world->call, function, pay);
    case VAULT_FAIL:
        return vault_call(&world->call, function, &text);
    }
    return bytes_str("");
}

static void run_case(const struct call_case *call, u64 gas)
{
    struct world world;
    world_init(&world);
    journal_begin_tx(&world.journal);
    size_t snapshot = journal_snapshot(&world.journal);
    struct frame frame = {.journal = &world.journal,
                          .block = &world.env,
                          .arena = &world.arena,
                          .kind = call->kind,
                          .is_static = call->is_static,
                          .caller = address_number(1),
                          .self = native_address(VAULT_NUMBER),
                          .value = u256_from_u64(call->value),
                          .input = encoded_call(&world, call->function),
                          .gas_left = gas};
    assert_ok(native_call(&frame));
    bool enough_gas = gas >= 100000;
    if (enough_gas) {
        assert_int_equal(frame_running(&frame), should_succeed(call));
        assert_true(frame_running(&frame) || frame.status == FRAME_REVERTED);
    }
    if (!frame_running(&frame)) {
        struct arena arena;
        struct state_changes changes;
        arena_init(&arena, ARENA_BYTES);
        journal_revert(&world.journal, snapshot);
        assert_ok(journal_changes(&world.journal, &arena, &changes));
        assert_int_equal(changes.account_count + changes.slot_count, 0);
        assert_int_equal(world.journal.log_count + world.journal.refund, 0);
        assert_true(frame.status != FRAME_OUT_OF_GAS || frame.gas_left == 0);
        arena_free(&arena);
    }
    assert_true(frame.gas_left <= gas);
    world_free(&world);
}

static void call_matrix(void **state)
{
    (void)state;
    static const enum call_kind kinds[] = {CALL_PLAIN, CALL_STATIC, CALL_DELEGATE, CALL_CODE};
    static const u64 gases[] = {0, 5, 20, 110, 1000, 2400, 5000, 25000, 100000};
    for (size_t k = 0; k < COUNT_OF(kinds); k++) {
        for (int is_static = 0; is_static < 2; is_static++) {
            for (u64 value = 0; value < 2; value++) {
                for (int function = VAULT_SET; function <= VAULT_BURN; function++) {
                    for (size_t g = 0; g < COUNT_OF(gases); g++) {
                        struct call_case call = {.kind = kinds[k],
                                                 .is_static = is_static == 1,
                                                 .value = value,
                                                 .function = (enum vault_function)function};
                        run_case(&call, gases[g]);
                    }
                }
            }
        }
    }
}

static void bad_input_is_a_revert(void **state)
{
    (void)state;
    static const u8 unknown[36] = {1, 2, 3, 4};
    struct world world;
    struct address vault = native_address(VAULT_NUMBER);
    struct abi_value args[2] = {abi_u64(5), abi_u64(6)};
    world_init(&world);
    bytes call = vault_call(&world.call, VAULT_SET, args);
    u8 dirty[68];
    u8 trailing[69] = {0};
    memcpy(dirty, call.data, sizeof dirty);
    memcpy(trailing, call.data, call.len);
    dirty[4] = 1; /* above 64 bits */
    bytes inputs[] = {bytes_str(""),           bytes_make(call.data, 3),
                      bytes_make(unknown, 36), bytes_make(call.data, 67),
                      BYTES_OF(dirty),         BYTES_OF(trailing)};
    for (u64 i = 0; i < COUNT_OF(inputs); i++) {
        struct tx tx = plain_tx(i, vault, 0, inputs[i]);
        struct exec_result result = run(&world, &tx);
        assert_int_equal(result.verdict, TX_VALID);
        assert_int_equal(result.status, EVM_REVERTED);
        assert_true(result.output.len > 4);
        assert_memory_equal(result.output.data, "\x08\xc3\x79\xa0", 4); /* Error(string) */
        assert_true(result.gas_used < 100000);
    }
    world_free(&world);
}

static void value_moves_and_comes_back(void **state)
{
    (void)state;
    struct world world;
    struct address vault = native_address(VAULT_NUMBER);
    struct address poor = address_number(50);
    world_init(&world);
    struct tx tx = plain_tx(0, vault, 40, encoded_call(&world, VAULT_DEPOSIT));
    assert_true(run(&world, &tx).success);
    assert_int_equal(balance(&world, vault), 540);
    tx = plain_tx(1, vault, 40, encoded_call(&world, VAULT_SET));
    assert_false(run(&world, &tx).success); /* not payable: the value goes back */
    assert_int_equal(balance(&world, vault), 540);
    struct abi_value pay[2] = {abi_address(&poor), abi_u64(540)};
    tx = plain_tx(2, vault, 0, vault_call(&world.call, VAULT_PAY, pay));
    assert_true(run(&world, &tx).success);
    assert_int_equal(balance(&world, poor), 540);
    assert_int_equal(balance(&world, vault), 0);
    tx.nonce = 3;
    struct exec_result result = run(&world, &tx);
    assert_int_equal(result.status, EVM_REVERTED);
    assert_int_equal(balance(&world, poor), 540);
    world_free(&world);
}

/* --- dry runs, blocks --- */

static void dry_runs_need_no_nonce(void **state)
{
    (void)state;
    struct world world;
    struct exec_result result;
    world_init(&world);
    struct call_request request = {.from = address_number(77),
                                   .to = native_address(VAULT_NUMBER),
                                   .gas_limit = 100000,
                                   .input = encoded_call(&world, VAULT_SET)};
    assert_ok(execute_call(&world.executor, &request, &world.arena, &result));
    assert_int_equal(result.verdict, TX_VALID);
    assert_true(result.success);
    request.value = u256_from_u64(1); /* it owns nothing */
    assert_ok(execute_call(&world.executor, &request, &world.arena, &result));
    assert_int_equal(result.verdict, TX_INSUFFICIENT_FUNDS);
    request.value = u256_from_u64(0);
    request.max_fee = u256_from_u64(1);
    assert_ok(execute_call(&world.executor, &request, &world.arena, &result));
    assert_int_equal(result.verdict, TX_INSUFFICIENT_FUNDS);
    request.max_fee = u256_from_u64(0);
    request.gas_limit = 21000;
    assert_ok(execute_call(&world.executor, &request, &world.arena, &result));
    assert_int_equal(result.verdict, TX_GAS_BELOW_INTRINSIC);
    world_free(&world);
}

static void modules_begin_blocks(void **state)
{
    (void)state;
    struct world world;
    struct address vault = native_address(VAULT_NUMBER);
    struct hash slot = slot_number(VAULT_SLOT_BLOCKS);
    struct word word;
    world_init(&world);
    for (u8 i = 1; i < 4; i++) {
        assert_ok(execute_begin_block(&world.executor));
        assert_ok(journal_load(&world.journal, &vault, &slot, &word));
        assert_int_equal(word.b[31], i);
    }
    world_free(&world);
}

static int setup(void **state)
{
    (void)state;
    vault_init();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(transfer_pays_exactly),
        cmocka_unit_test(call_data_has_a_floor),
        cmocka_unit_test(set_costs_what_the_schedule_says),
        cmocka_unit_test(clearing_refunds_at_most_a_fifth),
        cmocka_unit_test(out_of_gas_at_every_step),
        cmocka_unit_test(invalid_transactions_change_nothing),
        cmocka_unit_test(senders_with_code_are_refused),
        cmocka_unit_test(block_gas_is_shared),
        cmocka_unit_test(call_matrix),
        cmocka_unit_test(bad_input_is_a_revert),
        cmocka_unit_test(value_moves_and_comes_back),
        cmocka_unit_test(dry_runs_need_no_nonce),
        cmocka_unit_test(modules_begin_blocks),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
