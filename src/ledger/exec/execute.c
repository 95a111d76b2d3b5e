#include "ledger/exec/execute.h"

#include "base/assert.h"
#include "base/log.h"
#include "ledger/exec/gas.h"
#include "ledger/exec/native.h"

#define BEGIN_BLOCK_GAS (UINT64_MAX / 2)
#define PRECOMPILE_LAST 0x11u  /* BLS12-381 maps to G2 (EIP-2537) */
#define PRECOMPILE_P256 0x100u /* EIP-7951 */

/* What a native module's address holds, so that callers that look for code find some: PUSH1 0 PUSH1
 * 0 REVERT. */
static const u8 native_code[5] = {0x60, 0x00, 0x60, 0x00, 0xfd};

/* One message to run: a transaction's or a dry run's. */
struct message {
    struct address from;
    struct address to;
    struct u256 value;
    u64 gas_limit;
    bytes input;
    const struct tx_access *access;
    size_t access_count;
};

void executor_init(struct executor *executor, struct journal *journal, const struct block_env *env)
{
    *executor = (struct executor){.journal = journal, .env = env};
}

static struct address small_address(u32 number)
{
    struct address address = {{0}};
    store_be32(address.b + 16, number);
    return address;
}

bool address_is_precompile(const struct address *address)
{
    static const u8 zeros[16];
    u32 low = load_be32(address->b + 16);
    return memcmp(address->b, zeros, sizeof zeros) == 0 &&
           ((low >= 1 && low <= PRECOMPILE_LAST) || low == PRECOMPILE_P256);
}

/* Whether running `to` would need the EVM. */
static err needs_evm(struct journal *journal, const struct address *to, bool *ret_needs)
{
    struct account account;
    TRY(journal_account(journal, to, &account));
    *ret_needs =
        native_find(to) == NULL && (address_is_precompile(to) || account_has_code(&account));
    return ok();
}

static err warm(struct journal *journal, const struct address *address)
{
    bool was_warm;
    return journal_warm_account(journal, address, &was_warm);
}

/* The warm set at the start: sender, receiver, coinbase (EIP-3651), precompiles, access list. */
static err warm_start(struct executor *executor, const struct message *message)
{
    struct journal *journal = executor->journal;
    TRY(warm(journal, &message->from));
    TRY(warm(journal, &message->to));
    TRY(warm(journal, &executor->env->coinbase));
    for (u32 i = 1; i <= PRECOMPILE_LAST; i++) {
        struct address address = small_address(i);
        TRY(warm(journal, &address));
    }
    struct address p256 = small_address(PRECOMPILE_P256);
    TRY(warm(journal, &p256));
    for (size_t i = 0; i < message->access_count; i++) {
        const struct tx_access *access = &message->access[i];
        TRY(warm(journal, &access->address));
        for (size_t j = 0; j < access->slot_count; j++) {
            bool was_warm;
            TRY(journal_warm_slot(journal, &access->address, &access->slots[j], &was_warm));
        }
    }
    return ok();
}

static err run_frame(struct frame *frame)
{
    size_t snapshot = journal_snapshot(frame->journal);
    bool enough;
    TRY(journal_debit(frame->journal, &frame->caller, frame->value, &enough));
    if (!enough) {
        frame_revert(frame, "insufficient balance for transfer");
        return ok();
    }
    TRY(journal_credit(frame->journal, &frame->self, frame->value));
    if (native_find(&frame->self) != NULL) {
        TRY(native_call(frame));
        TRY(journal_fault(frame->journal));
    }
    if (!frame_running(frame)) {
        journal_revert(frame->journal, snapshot);
    }
    return ok();
}

static u64 message_intrinsic(const struct message *message, u64 *ret_floor)
{
    struct tx shape = {.input = message->input,
                       .access = (struct tx_access *)message->access,
                       .access_count = message->access_count};
    *ret_floor = tx_floor_gas(&shape, FORK_OSAKA);
    return tx_intrinsic_gas(&shape, FORK_OSAKA);
}

/* Runs a message whose gas limit covers intrinsic gas and floor, and fills the result. */
static err run_message(struct executor *executor, const struct message *message,
                       struct arena *arena, struct exec_result *ret_result)
{
    u64 floor;
    u64 intrinsic = message_intrinsic(message, &floor);
    assert_that(message->gas_limit >= intrinsic && message->gas_limit >= floor);
    TRY(warm_start(executor, message));
    struct frame frame = {
        .journal = executor->journal,
        .block = executor->env,
        .arena = arena,
        .kind = CALL_PLAIN,
        .caller = message->from,
        .self = message->to,
        .value = message->value,
        .input = message->input,
        .gas_left = message->gas_limit - intrinsic,
    };
    TRY(run_frame(&frame));
    u64 spent = message->gas_limit - frame.gas_left;
    u64 refund = min_u64(executor->journal->refund, spent / GAS_REFUND_QUOTIENT);
    ret_result->status = frame.status;
    ret_result->success = frame_running(&frame);
    ret_result->gas_peak = max_u64(spent, floor);
    ret_result->gas_used = max_u64(spent - refund, floor);
    ret_result->output = frame.output;
    return ok();
}

/* gas * price, or false if it does not fit. */
static bool gas_cost(struct u256 *ret, u64 gas, struct u256 price)
{
    return u256_mul_u64(ret, price, gas);
}

static bool funds_suffice(const struct account *account, u64 gas, struct u256 price,
                          struct u256 value)
{
    struct u256 cost;
    return gas_cost(&cost, gas, price) && u256_add(&cost, cost, value) &&
           u256_cmp(cost, account->balance) <= 0;
}

static enum tx_verdict check_sender(const struct tx *tx, const struct account *sender)
{
    if (tx->nonce < sender->nonce) {
        return TX_NONCE_TOO_LOW;
    }
    if (tx->nonce > sender->nonce) {
        return TX_NONCE_TOO_HIGH;
    }
    if (account_has_code(sender)) {
        return TX_SENDER_HAS_CODE;
    }
    if (!funds_suffice(sender, tx->gas_limit, tx->max_fee, tx->value)) {
        return TX_INSUFFICIENT_FUNDS;
    }
    return TX_VALID;
}

static err check_tx(const struct executor *executor, const struct tx *tx,
                    const struct address *sender, struct exec_result *result, struct u256 *ret_tip)
{
    const struct block_env *env = executor->env;
    struct tx_rules rules = {
        .fork = env->fork,
        .chain_id = env->chain_id,
        .block_gas_limit = env->gas_limit,
        .blob_gas_max = env->blob_gas_max,
        .blobs_per_tx_max = env->blobs_per_tx_max,
    };
    result->verdict = tx_check(tx, &rules);
    if (result->verdict != TX_VALID) {
        return ok();
    }
    if (tx->gas_limit > env->gas_limit - executor->gas_used) {
        result->verdict = TX_GAS_ABOVE_BLOCK;
        return ok();
    }
    if (!tx_price(tx, env->base_fee, &result->gas_price, ret_tip)) {
        result->verdict = TX_FEE_BELOW_BASE;
        return ok();
    }
    struct account account;
    TRY(journal_account(executor->journal, sender, &account));
    result->verdict = check_sender(tx, &account);
    if (result->verdict != TX_VALID) {
        return ok();
    }
    bool needs;
    TRY(needs_evm(executor->journal, &tx->to, &needs));
    needs = needs || tx->is_create || tx->type >= TX_BLOB;
    result->verdict = needs ? TX_CODE_UNSUPPORTED : TX_VALID;
    return ok();
}

static err take_gas(struct journal *journal, const struct address *from, u64 gas, struct u256 price)
{
    struct u256 cost;
    bool enough;
    bool fits = gas_cost(&cost, gas, price);
    assert_that(fits);
    TRY(journal_debit(journal, from, cost, &enough));
    assert_that(enough);
    return ok();
}

static err give_gas(struct journal *journal, const struct address *to, u64 gas, struct u256 price)
{
    struct u256 amount;
    bool fits = gas_cost(&amount, gas, price);
    assert_that(fits);
    return u256_is_zero(amount) ? ok() : journal_credit(journal, to, amount);
}

/* Unused gas back to the sender, the tip to the coinbase; the base fee is gone. */
static err settle(struct executor *executor, const struct message *message, struct u256 tip,
                  const struct exec_result *result)
{
    u64 unused = message->gas_limit - result->gas_used;
    TRY(give_gas(executor->journal, &message->from, unused, result->gas_price));
    return give_gas(executor->journal, &executor->env->coinbase, result->gas_used, tip);
}

err execute_tx(struct executor *executor, const struct tx *tx, const struct address *sender,
               struct arena *arena, struct exec_result *ret_result)
{
    struct exec_result result = {0};
    struct u256 tip;
    TRY(check_tx(executor, tx, sender, &result, &tip));
    if (result.verdict != TX_VALID) {
        *ret_result = result;
        return ok();
    }
    struct message message = {
        .from = *sender,
        .to = tx->to,
        .value = tx->value,
        .gas_limit = tx->gas_limit,
        .input = tx->input,
        .access = tx->access,
        .access_count = tx->access_count,
    };
    journal_begin_tx(executor->journal);
    TRY(take_gas(executor->journal, sender, tx->gas_limit, result.gas_price));
    TRY(journal_set_nonce(executor->journal, sender, tx->nonce + 1));
    TRY(run_message(executor, &message, arena, &result));
    TRY(settle(executor, &message, tip, &result));
    executor->gas_used += result.gas_used;
    *ret_result = result;
    return ok();
}

static err check_call(struct executor *executor, const struct call_request *request,
                      const struct message *message, struct exec_result *result)
{
    u64 floor;
    if (request->is_create) {
        result->verdict = TX_CODE_UNSUPPORTED;
        return ok();
    }
    if (message_intrinsic(message, &floor) > message->gas_limit) {
        result->verdict = TX_GAS_BELOW_INTRINSIC;
        return ok();
    }
    if (floor > message->gas_limit) {
        result->verdict = TX_GAS_BELOW_FLOOR;
        return ok();
    }
    bool needs;
    TRY(needs_evm(executor->journal, &message->to, &needs));
    if (needs) {
        result->verdict = TX_CODE_UNSUPPORTED;
        return ok();
    }
    struct account account;
    TRY(journal_account(executor->journal, &message->from, &account));
    if (!funds_suffice(&account, message->gas_limit, request->max_fee, message->value)) {
        result->verdict = TX_INSUFFICIENT_FUNDS;
    }
    return ok();
}

err execute_call(struct executor *executor, const struct call_request *request, struct arena *arena,
                 struct exec_result *ret_result)
{
    struct exec_result result = {.verdict = TX_VALID, .gas_price = request->max_fee};
    struct message message = {
        .from = request->from,
        .to = request->to,
        .value = request->value,
        .gas_limit = request->gas_limit,
        .input = request->input,
        .access = request->access,
        .access_count = request->access_count,
    };
    TRY(check_call(executor, request, &message, &result));
    if (result.verdict == TX_VALID) {
        journal_begin_tx(executor->journal);
        TRY(run_message(executor, &message, arena, &result));
    }
    *ret_result = result;
    return ok();
}

/* A frame that the ledger itself opens in a module: no caller, no value, gas without limit. */
static struct frame system_frame(struct executor *executor, const struct native_module *module,
                                 struct arena *arena)
{
    journal_begin_tx(executor->journal);
    return (struct frame){
        .journal = executor->journal,
        .block = executor->env,
        .arena = arena,
        .kind = CALL_PLAIN,
        .self = native_address(module->number),
        .gas_left = BEGIN_BLOCK_GAS,
    };
}

static err begin_module(struct executor *executor, const struct native_module *module,
                        struct arena *arena)
{
    struct frame frame = system_frame(executor, module, arena);
    size_t snapshot = journal_snapshot(executor->journal);
    TRY(module->begin_block(&frame));
    TRY(journal_fault(executor->journal));
    if (!frame_running(&frame)) {
        log_warn("exec", "begin_block of module %s reverted at height %llu", module->name,
                 (unsigned long long)executor->env->height);
        journal_revert(executor->journal, snapshot);
    }
    return ok();
}

err execute_begin_block(struct executor *executor)
{
    for (size_t i = 0; i < native_count(); i++) {
        const struct native_module *module = native_at(i);
        if (module->begin_block == NULL) {
            continue;
        }
        struct arena arena;
        arena_init(&arena, EXEC_TX_BYTES_MAX);
        err e = begin_module(executor, module, &arena);
        arena_free(&arena);
        TRY(e);
    }
    return ok();
}

static err genesis_module(struct executor *executor, const struct native_module *module,
                          const void *config, struct arena *arena)
{
    struct frame frame = system_frame(executor, module, arena);
    TRY(journal_set_nonce(executor->journal, &frame.self, 1));
    TRY(journal_set_code(executor->journal, &frame.self,
                         bytes_make(native_code, sizeof native_code)));
    if (module->genesis == NULL) {
        return ok();
    }
    TRY(module->genesis(&frame, config));
    TRY(journal_fault(executor->journal));
    return frame_running(&frame) ? ok() : fail(ERR_USAGE);
}

err execute_genesis(struct executor *executor, const struct native_module *module,
                    const void *config)
{
    struct arena arena;
    arena_init(&arena, EXEC_TX_BYTES_MAX);
    err e = genesis_module(executor, module, config, &arena);
    arena_free(&arena);
    return e;
}
