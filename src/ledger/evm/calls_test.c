/* Calls, creations and what ends with a transaction: what hostile contracts try with them. */
#include "crypto/sign.h"
#include "ledger/evm/testing_stage.h"
#include "ledger/evm/vm.h"

#include <stdio.h>

#define GAS 1000000u
#define EVENTS_MAX 4096

/* What a tracer saw. */
struct seen {
    struct evm_exit exits[EVENTS_MAX];
    struct evm_enter enters[EVENTS_MAX];
    size_t exit_count;
    size_t enter_count;
    unsigned deepest;
    size_t steps;
    size_t logs;
    bool gas_grew;
    u64 gas[2 * EVM_DEPTH_MAX]; /* of the last step, by depth */
    u64 given[2 * EVM_DEPTH_MAX];
};

static void saw_enter(void *ctx, const struct evm_enter *enter)
{
    struct seen *seen = ctx;
    assert_true(seen->enter_count < EVENTS_MAX);
    seen->enters[seen->enter_count++] = *enter;
    seen->deepest = enter->depth > seen->deepest ? enter->depth : seen->deepest;
    seen->given[enter->depth] = enter->gas;
    seen->gas[enter->depth] = enter->gas;
}

static void saw_exit(void *ctx, const struct evm_exit *ended)
{
    struct seen *seen = ctx;
    assert_true(seen->exit_count < EVENTS_MAX);
    seen->exits[seen->exit_count++] = *ended;
    seen->gas_grew |= ended->gas_used > seen->given[ended->depth];
}

static err saw_step(void *ctx, const struct evm_step *step)
{
    struct seen *seen = ctx;
    seen->steps++;
    seen->gas_grew |= step->gas > seen->gas[step->depth];
    seen->gas[step->depth] = step->gas;
    return ok();
}

static void saw_log(void *ctx, unsigned depth, const struct journal_log *log)
{
    struct seen *seen = ctx;
    (void)depth;
    (void)log;
    seen->logs++;
}

static struct evm_tracer tracer_of(struct seen *seen)
{
    return (struct evm_tracer){
        .ctx = seen, .enter = saw_enter, .exit = saw_exit, .step = saw_step, .log = saw_log};
}

static struct account account_of(struct stage *stage, struct address address)
{
    struct account account;
    assert_true(is_ok(journal_account(&stage->journal, &address, &account)));
    return account;
}

static u64 word_at(struct stage *stage, struct address address, u8 slot)
{
    struct hash key = {{[31] = slot}};
    struct word word;
    assert_true(is_ok(journal_load(&stage->journal, &address, &key, &word)));
    return load_be64(word.b + 24);
}

/* Code that calls stage_address(n) with all gas and returns what the call gave. */
static const char *calling(char out[256], const char *op, bool has_value, u8 n)
{
    snprintf(out, 256, "5f5f5f5f%s73ee%036x%02x5a%s5f5260205ff3", has_value ? "5f" : "", 0, n, op);
    return out;
}

/* --- depth --- */

static void calls_nest_to_1024_without_a_stack(void **state)
{
    (void)state;
    struct stage *stage = stage_new(FORK_OSAKA);
    struct seen *seen = mem_alloc(sizeof *seen);
    struct evm_tracer tracer = tracer_of(seen);
    struct address self = stage_contract(stage, 1, "5f5f5f5f5f305af1");
    stage->executor.tracer = &tracer;
    struct exec_result result = stage_run(stage, self, 0, (u64)1 << 50, bytes_str(""));
    assert_true(result.success);
    assert_int_equal(seen->deepest, EVM_DEPTH_MAX + 1);
    assert_int_equal(seen->exits[0].status, EVM_DEPTH);
    assert_int_equal(seen->exits[0].gas_used, 0);
    assert_int_equal(seen->exit_count, EVM_DEPTH_MAX + 2);
    assert_int_equal(seen->enter_count, seen->exit_count);
    assert_false(seen->gas_grew);
    mem_free(seen);
    stage_free(stage);
}

/* Creations, too; each runs its own code as init code. */
static void creations_nest(void **state)
{
    (void)state;
    struct stage *stage = stage_new(FORK_OSAKA);
    struct seen *seen = mem_alloc(sizeof *seen);
    struct evm_tracer tracer = tracer_of(seen);
    struct address self = stage_contract(stage, 1, "385f5f39385f5ff0");
    tracer.step = NULL;
    stage->executor.tracer = &tracer;
    struct exec_result result = stage_run(stage, self, 0, (u64)1 << 50, bytes_str(""));
    assert_true(result.success);
    assert_int_equal(seen->deepest, EVM_DEPTH_MAX + 1);
    assert_int_equal(seen->exits[0].status, EVM_DEPTH);
    mem_free(seen);
    stage_free(stage);
}

/* --- static calls --- */

static void nothing_changes_in_a_static_call(void **state)
{
    (void)state;
    static const char *const writers[] = {
        "5f5f55",         "5f5f5d",   "5f5fa0", "5f5f5fa1",   "5f5f5f5fa2",         "5f5f5f5f5fa3",
        "5f5f5f5f5f5fa4", "5f5f5ff0", "5fff",   "5f5f5f5ff5", "5f5f5f5f6001305af1",
    };
    for (size_t i = 0; i < COUNT_OF(writers); i++) {
        for (int nested = 0; nested < 4; nested++) {
            static const char *const ops[] = {"fa", "f1", "f4", "f2"};
            char outer[256];
            char middle[256];
            struct stage *stage = stage_new(FORK_OSAKA);
            struct seen *seen = mem_alloc(sizeof *seen);
            struct evm_tracer tracer = tracer_of(seen);
            bool has_value = nested == 1 || nested == 3;
            stage_contract(stage, 3, writers[i]);
            stage_contract(stage, 2, calling(middle, ops[nested], has_value, 3));
            struct address top = stage_contract(stage, 1, calling(outer, "fa", false, 2));
            stage->executor.tracer = &tracer;
            struct exec_result result = stage_run(stage, top, 0, GAS, bytes_str(""));
            assert_true(result.success);
            assert_int_equal(seen->exits[0].depth, 2);
            assert_int_equal(seen->exits[0].status, EVM_WRITE_PROTECTION);
            assert_int_equal(stage->journal.log_count, 0);
            mem_free(seen);
            stage_free(stage);
        }
    }
}

/* --- gas of calls --- */

static void calls_keep_a_64th_and_add_a_stipend(void **state)
{
    (void)state;
    struct stage *stage = stage_new(FORK_OSAKA);
    struct seen *seen = mem_alloc(sizeof *seen);
    struct evm_tracer tracer = tracer_of(seen);
    char code[256];
    stage_contract(stage, 2, "00");
    struct address plain = stage_contract(stage, 1, calling(code, "f1", true, 2));
    struct address paying = stage_contract(stage, 3,
                                           "5f5f5f5f600173ee0000000000000000000000000000000000000"
                                           "25ff1");
    stage->executor.tracer = &tracer;
    stage_run(stage, plain, 0, 100000, bytes_str(""));
    u64 left = 100000 - 5 * 2 - 3 - 2 - 2600; /* operands, GAS, a cold account */
    assert_int_equal(seen->enters[1].gas, left - left / 64);
    seen->enter_count = 0;
    stage_run(stage, paying, 5, 100000, bytes_str(""));
    assert_int_equal(seen->enters[1].gas, GAS_CALL_STIPEND);
    assert_int_equal(account_of(stage, stage_address(2)).balance.limb[0], 1);
    mem_free(seen);
    stage_free(stage);
}

static void a_call_without_money_fails_softly(void **state)
{
    (void)state;
    struct stage *stage = stage_new(FORK_OSAKA);
    stage_contract(stage, 2, "00");
    /* CALL with 1 wei it does not have; store 1 + result. */
    struct address poor = stage_contract(
        stage, 1, "5f5f5f5f600173ee000000000000000000000000000000000000025af16001015f55");
    struct exec_result result = stage_run(stage, poor, 0, GAS, bytes_str(""));
    assert_true(result.success);
    assert_int_equal(word_at(stage, poor, 0), 1);
    stage_free(stage);
}

static void reverts_undo_everything(void **state)
{
    (void)state;
    struct stage *stage = stage_new(FORK_OSAKA);
    /* Stores, logs, keeps transient words, pays, creates, and then reverts with a word. */
    stage_contract(stage, 2,
                   "60016007555f5fa060015f5d5f5f5f5f600161beef5af15f5f5ff0602a5f5260205ffd");
    char code[256];
    struct address top = stage_contract(stage, 1, calling(code, "f1", true, 2));
    stage_find(stage, &(struct address){{[0] = 0xee, [19] = 2}})->account.balance =
        u256_from_u64(9);
    struct exec_result result = stage_run(stage, top, 0, GAS, bytes_str(""));
    assert_true(result.success);
    assert_int_equal(word_at(stage, stage_address(2), STAGE_SLOT), STAGE_WORD);
    assert_int_equal(account_of(stage, stage_address(2)).balance.limb[0], 9);
    assert_int_equal(account_of(stage, stage_address(2)).nonce, 1);
    assert_int_equal(stage->journal.log_count, 0);
    assert_int_equal(stage->journal.refund, 0);
    struct arena arena;
    struct state_changes changes;
    arena_init(&arena, MIB(1));
    assert_true(is_ok(journal_changes(&stage->journal, &arena, &changes)));
    assert_int_equal(changes.account_count, 1); /* the sender's nonce */
    assert_int_equal(changes.slot_count, 0);
    arena_free(&arena);
    stage_free(stage);
}

/* --- creations --- */

static struct exec_result create(struct stage *stage, const char *init, u64 gas)
{
    u8 code[STAGE_CODE_BYTES_MAX];
    struct exec_result result;
    size_t len = unhex(code, sizeof code, init);
    struct call_request request = {
        .from = stage->user, .is_create = true, .gas_limit = gas, .input = bytes_make(code, len)};
    assert_true(is_ok(execute_call(&stage->executor, &request, &stage->arena, &result)));
    assert_int_equal(result.verdict, TX_VALID);
    return result;
}

static void creations(void **state)
{
    (void)state;
    static const struct {
        const char *init;
        u64 gas;
        enum evm_status status;
    } cases[] = {
        {"602a5f5360015ff3", GAS, EVM_SUCCESS},
        {"60ef5f5360015ff3", GAS, EVM_CODE_PREFIX},
        {"6160005ff3", 10 * GAS, EVM_SUCCESS}, /* 24,576 bytes */
        {"6160015ff3", 10 * GAS, EVM_CODE_SIZE},
        {"6103e85ff3", 100000, EVM_CODE_GAS}, /* 1,000 bytes cost 200,000 */
        {"5f5ffd", GAS, EVM_REVERTED},
        {"fe", GAS, EVM_INVALID_OPCODE},
        {"", GAS, EVM_SUCCESS},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct stage *stage = stage_new(FORK_OSAKA);
        struct exec_result result = create(stage, cases[i].init, cases[i].gas);
        assert_int_equal(result.status, cases[i].status);
        struct address expected = evm_create_address(&stage->user, 1);
        assert_true(address_eq(&result.created, &expected));
        struct account made = account_of(stage, result.created);
        assert_int_equal(made.nonce, result.success ? 1 : 0);
        assert_int_equal(account_has_code(&made), result.success && result.output.len > 0);
        stage_free(stage);
    }
}

static void creations_collide(void **state)
{
    (void)state;
    for (int what = 0; what < 2; what++) {
        struct stage *stage = stage_new(FORK_OSAKA);
        struct address taken = evm_create_address(&stage->user, 1);
        struct stage_account *account = stage_add(stage, &taken, bytes_str(what == 0 ? "x" : ""));
        account->account.nonce = what == 0 ? 0 : 1;
        struct exec_result result = create(stage, "602a5f5360015ff3", GAS);
        assert_int_equal(result.status, EVM_COLLISION);
        assert_int_equal(result.gas_used, GAS);
        stage_free(stage);
    }
}

static void a_full_nonce_creates_nothing(void **state)
{
    (void)state;
    struct stage *stage = stage_new(FORK_OSAKA);
    struct seen *seen = mem_alloc(sizeof *seen);
    struct evm_tracer tracer = tracer_of(seen);
    struct address self = stage_contract(stage, 1, "5f5f5ff06001015f55");
    stage_find(stage, &self)->account.nonce = UINT64_MAX;
    stage->executor.tracer = &tracer;
    struct exec_result result = stage_run(stage, self, 0, GAS, bytes_str(""));
    assert_true(result.success);
    assert_int_equal(seen->exits[0].status, EVM_NONCE);
    assert_int_equal(seen->exits[0].gas_used, 0);
    stage->executor.tracer = NULL;
    mem_free(seen);
    assert_int_equal(word_at(stage, self, 0), 1);
    assert_true(account_of(stage, self).nonce == UINT64_MAX);
    /* Init code that is too long takes the frame with it (EIP-3860). */
    struct address large = stage_contract(stage, 2, "61c0015f5ff0");
    result = stage_run(stage, large, 0, GAS, bytes_str(""));
    assert_int_equal(result.status, EVM_INIT_CODE_SIZE);
    stage_free(stage);
}

/* EIP-1014's first and second example. */
static void create2_addresses(void **state)
{
    (void)state;
    static const u8 salt[32];
    static const u8 zero;
    struct address creator = {{0}};
    struct address address = evm_create2_address(&creator, salt, BYTES_OF(zero));
    check_hex(BYTES_OF(address), "4d1a2e2bb4f88f0250f26ffff098b0b30b26bf38");
    creator = (struct address){{0xde, 0xad, 0xbe, 0xef}};
    address = evm_create2_address(&creator, salt, BYTES_OF(zero));
    check_hex(BYTES_OF(address), "b928f69bb1d91cd65274e3c79d8986362984fda3");
}

/* --- the end of a transaction --- */

static void self_destruction(void **state)
{
    (void)state;
    struct stage *stage = stage_new(FORK_OSAKA);
    struct address old = stage_contract(stage, 1, "61beefff");
    struct exec_result result = stage_run(stage, old, 77, GAS, bytes_str(""));
    struct address heir = {{[18] = 0xbe, [19] = 0xef}};
    assert_true(result.success);
    assert_int_equal(account_of(stage, heir).balance.limb[0], 77);
    assert_true(account_of(stage, old).exists); /* EIP-6780 */
    /* Init code that destroys itself in favour of itself: nothing is left, the wei neither. */
    u8 init[] = {0x30, 0xff};
    struct call_request request = {.from = stage->user,
                                   .is_create = true,
                                   .value = u256_from_u64(5),
                                   .gas_limit = GAS,
                                   .input = BYTES_OF(init)};
    assert_true(is_ok(execute_call(&stage->executor, &request, &stage->arena, &result)));
    assert_true(result.success);
    assert_false(account_of(stage, result.created).exists);
    assert_true(u256_is_zero(account_of(stage, result.created).balance));
    stage_free(stage);
    /* Before Cancun the old one goes, with its storage. */
    stage = stage_new(FORK_LONDON);
    old = stage_contract(stage, 1, "60016001556001ff");
    result = stage_run(stage, old, 0, GAS, bytes_str(""));
    assert_true(result.success);
    assert_false(account_of(stage, old).exists);
    assert_int_equal(word_at(stage, old, 1), 0);
    stage_free(stage);
}

static void refunds_are_capped(void **state)
{
    (void)state;
    struct stage *stage = stage_new(FORK_OSAKA);
    struct address self = stage_contract(stage, 1, "5f600755");
    struct exec_result result = stage_run(stage, self, 0, GAS, bytes_str(""));
    u64 spent = GAS_TX + 2 + 3 + 2100 + 2900;
    assert_int_equal(result.gas_peak, spent);
    assert_int_equal(result.gas_refunded, 4800);
    assert_int_equal(result.gas_used, spent - 4800);
    stage_free(stage);
    stage = stage_new(FORK_ISTANBUL);
    self = stage_contract(stage, 1, "6000600755");
    result = stage_run(stage, self, 0, GAS, bytes_str(""));
    assert_int_equal(result.gas_refunded, (GAS_TX + 6 + 5000) / 2); /* of 15,000 */
    stage_free(stage);
}

static void empty_accounts(void **state)
{
    (void)state;
    for (int is_new = 0; is_new < 2; is_new++) {
        struct stage *stage = stage_new(is_new == 1 ? FORK_SPURIOUS : FORK_TANGERINE);
        struct address nobody = stage_address(99);
        stage_run(stage, nobody, 0, GAS, bytes_str(""));
        assert_int_equal(account_of(stage, nobody).exists, is_new == 0);
        stage_free(stage);
    }
}

static void transient_words_end_with_the_transaction(void **state)
{
    (void)state;
    struct stage *stage = stage_new(FORK_OSAKA);
    /* slot 0 = transient[0]; transient[0] = 5 */
    struct address self = stage_contract(stage, 1, "5f5c60010160005560055f5d");
    for (int i = 0; i < 2; i++) {
        assert_true(stage_run(stage, self, 0, GAS, bytes_str("")).success);
        assert_int_equal(word_at(stage, self, 0), 1);
    }
    stage_free(stage);
}

/* --- delegations --- */

static void delegated_accounts_run_code(void **state)
{
    (void)state;
    struct stage *stage = stage_new(FORK_OSAKA);
    struct secp_secret secret = {{[31] = 9}};
    struct address authority;
    struct tx_authorization authorization = {.chain_id = u256_from_u64(7)};
    struct exec_result result;
    /* Stores the size of its own code as others see it. */
    authorization.address = stage_contract(stage, 1, "303b5f55");
    tx_authorization_sign(&authorization, &secret);
    assert_true(tx_authority(&authorization, &authority));
    struct call_request request = {.from = stage->user,
                                   .to = authority,
                                   .gas_limit = GAS,
                                   .authorizations = &authorization,
                                   .authorization_count = 1};
    assert_true(is_ok(execute_call(&stage->executor, &request, &stage->arena, &result)));
    assert_true(result.success);
    assert_int_equal(word_at(stage, authority, 0), 23);
    assert_int_equal(account_of(stage, authority).nonce, 1);
    /* The same again: the nonce has moved on, so it has no effect, and the code still runs. */
    assert_true(is_ok(execute_call(&stage->executor, &request, &stage->arena, &result)));
    assert_true(result.success);
    assert_int_equal(account_of(stage, authority).nonce, 1);
    /* To itself: a delegation is followed once; its marker is no code. */
    authorization.address = authority;
    authorization.nonce = 1;
    tx_authorization_sign(&authorization, &secret);
    assert_true(is_ok(execute_call(&stage->executor, &request, &stage->arena, &result)));
    assert_int_equal(result.status, EVM_INVALID_OPCODE);
    assert_int_equal(account_of(stage, authority).nonce, 2); /* survives the failure */
    /* To a precompiled contract: there is no code. To nobody: the delegation ends. */
    authorization.address = (struct address){{[19] = 4}};
    authorization.nonce = 2;
    tx_authorization_sign(&authorization, &secret);
    assert_true(is_ok(execute_call(&stage->executor, &request, &stage->arena, &result)));
    assert_true(result.success && result.output.len == 0);
    authorization.address = (struct address){{0}};
    authorization.nonce = 3;
    tx_authorization_sign(&authorization, &secret);
    assert_true(is_ok(execute_call(&stage->executor, &request, &stage->arena, &result)));
    struct account account = account_of(stage, authority);
    assert_false(account_has_code(&account));
    stage_free(stage);
}

/* --- the protocol's own calls --- */

static void system_calls(void **state)
{
    (void)state;
    struct stage *stage = stage_new(FORK_OSAKA);
    struct exec_result result;
    struct address nobody = stage_address(55);
    assert_true(is_ok(
        execute_system_call(&stage->executor, &nobody, bytes_str("x"), &stage->arena, &result)));
    assert_true(result.success && result.output.len == 0);
    assert_false(account_of(stage, nobody).exists);
    struct address self = stage_contract(stage, 1, "335f5260205ff3");
    assert_true(
        is_ok(execute_system_call(&stage->executor, &self, bytes_str(""), &stage->arena, &result)));
    check_hex(result.output, "000000000000000000000000fffffffffffffffffffffffffffffffffffffffe");
    assert_int_equal(stage->executor.gas_used, 0);
    struct arena arena;
    struct state_changes changes;
    arena_init(&arena, MIB(1));
    assert_true(is_ok(journal_changes(&stage->journal, &arena, &changes)));
    assert_int_equal(changes.account_count, 0);
    arena_free(&arena);
    stage_free(stage);
}

static void tracers_see_frames_in_order(void **state)
{
    (void)state;
    struct stage *stage = stage_new(FORK_OSAKA);
    struct seen *seen = mem_alloc(sizeof *seen);
    struct evm_tracer tracer = tracer_of(seen);
    char code[256];
    stage_contract(stage, 2, "5f5fa061beefff");
    struct address top = stage_contract(stage, 1, calling(code, "f4", false, 2));
    stage->executor.tracer = &tracer;
    struct exec_result result = stage_run(stage, top, 3, GAS, bytes_str(""));
    assert_true(result.success);
    assert_int_equal(seen->enter_count, 3);
    assert_int_equal(seen->enters[1].kind, EVM_DELEGATECALL);
    struct address library = stage_address(2);
    assert_true(address_eq(&seen->enters[1].to, &library));
    assert_true(address_eq(&seen->enters[1].from, &top) && address_eq(&seen->enters[1].self, &top));
    assert_int_equal(seen->enters[1].value.limb[0], 3);
    assert_int_equal(seen->enters[2].kind, EVM_SELFDESTRUCT);
    assert_int_equal(seen->enters[2].depth, 2);
    assert_int_equal(seen->exits[0].depth, 2);
    assert_int_equal(seen->exits[1].depth, 1);
    assert_int_equal(seen->exits[2].depth, 0);
    assert_int_equal(seen->logs, 1);
    assert_int_equal(seen->steps, 12 + 5);
    assert_int_equal(seen->exits[2].gas_used, stage_gas(stage, &result, bytes_str("")));
    mem_free(seen);
    stage_free(stage);
}

static int setup(void **state)
{
    (void)state;
    struct hash seed = {{1}};
    crypto_init(&seed);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_nest_to_1024_without_a_stack),
        cmocka_unit_test(creations_nest),
        cmocka_unit_test(nothing_changes_in_a_static_call),
        cmocka_unit_test(calls_keep_a_64th_and_add_a_stipend),
        cmocka_unit_test(a_call_without_money_fails_softly),
        cmocka_unit_test(reverts_undo_everything),
        cmocka_unit_test(creations),
        cmocka_unit_test(creations_collide),
        cmocka_unit_test(a_full_nonce_creates_nothing),
        cmocka_unit_test(create2_addresses),
        cmocka_unit_test(self_destruction),
        cmocka_unit_test(refunds_are_capped),
        cmocka_unit_test(empty_accounts),
        cmocka_unit_test(transient_words_end_with_the_transaction),
        cmocka_unit_test(delegated_accounts_run_code),
        cmocka_unit_test(system_calls),
        cmocka_unit_test(tracers_see_frames_in_order),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
