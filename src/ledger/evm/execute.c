#include "ledger/evm/execute.h"

#include "base/assert.h"
#include "ledger/evm/vm.h"
#include "ledger/precompile/precompile.h"

#define SYSTEM_GAS 30000000u
#define PRECOMPILE_P256 0x100u
#define AUTHORIZATION_REFUND 12500u /* EIP-7702: of an authority that existed */
#define DELEGATION_BYTES 23

/* One message to run: a transaction's or a dry run's. */
struct message {
    struct address from;
    struct address to;
    bool is_create;
    u64 nonce; /* of a creation */
    struct u256 value;
    u64 gas_limit;
    u64 intrinsic;
    u64 floor;
    struct u256 price;
    bytes input;
    const struct tx_access *access;
    size_t access_count;
    const struct hash *blob_hashes;
    size_t blob_count;
    const struct tx_authorization *authorizations;
    size_t authorization_count;
};

void executor_init(struct executor *executor, struct journal *journal, const struct block_env *env)
{
    *executor = (struct executor){.journal = journal, .env = env};
    evm_ops_fill(executor->ops, env->fork);
}

static bool has(const struct executor *executor, enum fork fork)
{
    return executor->env->fork >= fork;
}

/* --- before the code runs --- */

static err warm(struct journal *journal, const struct address *address)
{
    bool was_warm;
    return journal_warm_account(journal, address, &was_warm);
}

static err warm_small(struct journal *journal, u32 number)
{
    struct address address = {{0}};
    store_be32(address.b + 16, number);
    return warm(journal, &address);
}

static err warm_access_list(struct journal *journal, const struct message *message)
{
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

/* The warm set at the start (EIP-2929, 2930, 3651). */
static err warm_start(struct executor *executor, const struct message *message)
{
    struct journal *journal = executor->journal;
    if (!has(executor, FORK_BERLIN)) {
        return ok();
    }
    TRY(warm(journal, &message->from));
    TRY(warm(journal, &message->to));
    if (has(executor, FORK_SHANGHAI)) {
        TRY(warm(journal, &executor->env->coinbase));
    }
    for (u32 i = 1; i <= precompile_last(executor->env->fork); i++) {
        TRY(warm_small(journal, i));
    }
    if (precompile_has_p256(executor->env->fork)) {
        TRY(warm_small(journal, PRECOMPILE_P256));
    }
    return warm_access_list(journal, message);
}

static err delegate(struct journal *journal, const struct address *authority,
                    const struct address *target)
{
    u8 code[DELEGATION_BYTES] = {0xef, 0x01, 0x00};
    memcpy(code + 3, target->b, sizeof target->b);
    return journal_set_code(journal, authority,
                            bytes_make(code, address_is_zero(target) ? 0 : sizeof code));
}

/* EIP-7702: one that is not right has no effect. */
static err authorize(struct executor *executor, const struct tx_authorization *authorization)
{
    struct journal *journal = executor->journal;
    struct address authority;
    struct address former;
    struct account account;
    bytes code;
    struct u256 chain_id = u256_from_u64(executor->env->chain_id);
    if ((!u256_is_zero(authorization->chain_id) && !u256_eq(authorization->chain_id, chain_id)) ||
        authorization->nonce == UINT64_MAX || !tx_authority(authorization, &authority)) {
        return ok();
    }
    if (executor->tracer != NULL && executor->tracer->account != NULL) {
        executor->tracer->account(executor->tracer->ctx, &authority);
    }
    TRY(warm(journal, &authority));
    TRY(journal_account(journal, &authority, &account));
    TRY(journal_code(journal, &authority, &code));
    if ((code.len > 0 && !code_delegation(code, &former)) ||
        account.nonce != authorization->nonce) {
        return ok();
    }
    if (account.exists) {
        journal_refund_add(journal, AUTHORIZATION_REFUND);
    }
    TRY(delegate(journal, &authority, &authorization->address));
    return journal_set_nonce(journal, &authority, account.nonce + 1);
}

/* Whose code runs: the receiver's, or what it delegates to, which becomes warm for nothing. */
static err find_target(struct executor *executor, struct evm_message *message)
{
    bytes code;
    message->runs_precompiles = true;
    message->target = message->code_of;
    if (!has(executor, FORK_PRAGUE)) {
        return ok();
    }
    TRY(journal_code(executor->journal, &message->code_of, &code));
    if (!code_delegation(code, &message->target)) {
        return ok();
    }
    message->runs_precompiles = false;
    if (executor->tracer != NULL && executor->tracer->account != NULL) {
        executor->tracer->account(executor->tracer->ctx, &message->target);
    }
    return warm(executor->journal, &message->target);
}

/* --- running --- */

static err run_on(struct evm *vm, const struct evm_message *message, struct arena *arena,
                  struct exec_result *result)
{
    TRY(evm_run(vm, message));
    TRY(journal_fault(vm->journal));
    result->status = vm->status;
    result->success = vm->status == EVM_SUCCESS;
    result->output = arena_copy(arena, evm_returned(vm));
    return result->output.data != NULL ? ok() : fail(ERR_LIMIT);
}

/* Runs a message in a machine of its own; *ret_gas_left of its gas. */
static err run_evm(struct executor *executor, const struct message *message,
                   const struct evm_message *first, struct arena *arena, struct exec_result *result,
                   u64 *ret_gas_left)
{
    struct evm_codes codes;
    struct evm vm = {
        .journal = executor->journal,
        .env = executor->env,
        .ops = executor->ops,
        .codes = executor->codes,
        .tracer = executor->tracer,
        .moves = executor->moves,
        .origin = message->from,
        .gas_price = message->price,
        .blob_hashes = message->blob_hashes,
        .blob_count = message->blob_count,
    };
    evm_codes_init(&codes, EVM_CODES_BYTES);
    if (vm.codes == NULL) {
        vm.codes = &codes;
    }
    evm_init(&vm);
    err e = run_on(&vm, first, arena, result);
    *ret_gas_left = vm.gas_left;
    evm_free(&vm);
    evm_codes_free(&codes);
    return e;
}

static u64 refund_of(const struct executor *executor, u64 spent)
{
    u64 quotient = has(executor, FORK_LONDON) ? GAS_REFUND_QUOTIENT : 2;
    return min_u64(executor->journal->refund, spent / quotient);
}

/* Runs a message whose gas limit covers intrinsic gas and floor, and fills the result. */
static err run_message(struct executor *executor, struct message *message, struct arena *arena,
                       struct exec_result *result)
{
    u64 gas_left;
    assert_that(message->gas_limit >= message->intrinsic && message->gas_limit >= message->floor);
    if (message->is_create) {
        message->to = evm_create_address(&message->from, message->nonce);
    }
    result->is_create = message->is_create;
    result->created = message->is_create ? message->to : (struct address){{0}};
    TRY(warm_start(executor, message));
    for (size_t i = 0; i < message->authorization_count; i++) {
        TRY(authorize(executor, &message->authorizations[i]));
    }
    struct evm_message first = {
        .kind = message->is_create ? EVM_CREATE : EVM_CALL,
        .moves_value = true,
        .from = message->from,
        .self = message->to,
        .code_of = message->to,
        .target = message->to,
        .value = message->value,
        .gas = message->gas_limit - message->intrinsic,
        .input = message->input,
    };
    if (!message->is_create) {
        TRY(find_target(executor, &first));
    }
    TRY(run_evm(executor, message, &first, arena, result, &gas_left));
    u64 spent = message->gas_limit - gas_left;
    result->gas_refunded = refund_of(executor, spent);
    result->gas_peak = max_u64(spent, message->floor);
    result->gas_used = max_u64(spent - result->gas_refunded, message->floor);
    return ok();
}

/* --- what it costs --- */

/* gas * price, or false if it does not fit. */
static bool gas_cost(struct u256 *ret, u64 gas, struct u256 price)
{
    return u256_mul_u64(ret, price, gas);
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
    struct journal *journal = executor->journal;
    u64 unused = message->gas_limit - result->gas_used;
    TRY(give_gas(journal, &message->from, unused, message->price));
    TRY(journal_touch(journal, &executor->env->coinbase));
    return give_gas(journal, &executor->env->coinbase, result->gas_used, tip);
}

/* --- transactions --- */

static enum tx_verdict check_sender(const struct tx *tx, const struct account *sender, bytes code,
                                    enum fork fork)
{
    struct address delegated;
    struct u256 cost;
    if (tx->nonce < sender->nonce) {
        return TX_NONCE_TOO_LOW;
    }
    if (tx->nonce > sender->nonce) {
        return TX_NONCE_TOO_HIGH;
    }
    if (code.len > 0 && (fork < FORK_PRAGUE || !code_delegation(code, &delegated))) {
        return TX_SENDER_HAS_CODE; /* EIP-3607, 7702 */
    }
    if (!tx_cost(tx, &cost) || u256_cmp(cost, sender->balance) > 0) {
        return TX_INSUFFICIENT_FUNDS;
    }
    return TX_VALID;
}

/* What can be said without looking at accounts. */
static enum tx_verdict check_block(const struct executor *executor, const struct tx *tx,
                                   struct u256 *ret_price, struct u256 *ret_tip)
{
    const struct block_env *env = executor->env;
    struct tx_rules rules = {
        .fork = env->fork,
        .chain_id = env->chain_id,
        .block_gas_limit = env->gas_limit,
        .blob_gas_max = env->blob_gas_max,
        .blobs_per_tx_max = env->blobs_per_tx_max,
    };
    enum tx_verdict verdict = tx_check(tx, &rules);
    if (verdict != TX_VALID) {
        return verdict;
    }
    if (tx->gas_limit > env->gas_limit - executor->gas_used) {
        return TX_GAS_ABOVE_BLOCK;
    }
    if (tx->type == TX_BLOB && tx_blob_gas(tx) > env->blob_gas_max - executor->blob_gas_used) {
        return TX_BLOBS_TOO_MANY;
    }
    if (!tx_price(tx, env->base_fee, ret_price, ret_tip)) {
        return TX_FEE_BELOW_BASE;
    }
    if (tx->type == TX_BLOB && u256_cmp(tx->max_blob_fee, env->blob_base_fee) < 0) {
        return TX_BLOB_FEE_BELOW_BASE;
    }
    return TX_VALID;
}

static err check_tx(const struct executor *executor, const struct tx *tx,
                    const struct address *sender, struct exec_result *result, struct u256 *ret_tip)
{
    struct account account;
    bytes code;
    result->verdict = check_block(executor, tx, &result->gas_price, ret_tip);
    if (result->verdict != TX_VALID) {
        return ok();
    }
    TRY(journal_account(executor->journal, sender, &account));
    TRY(journal_code(executor->journal, sender, &code));
    result->verdict = check_sender(tx, &account, code, executor->env->fork);
    return ok();
}

static struct message message_of_tx(const struct tx *tx, const struct address *sender,
                                    enum fork fork, struct u256 price)
{
    return (struct message){
        .from = *sender,
        .to = tx->to,
        .is_create = tx->is_create,
        .nonce = tx->nonce,
        .value = tx->value,
        .gas_limit = tx->gas_limit,
        .intrinsic = tx_intrinsic_gas(tx, fork),
        .floor = tx_floor_gas(tx, fork),
        .price = price,
        .input = tx->input,
        .access = tx->access,
        .access_count = tx->access_count,
        .blob_hashes = tx->blob_hashes,
        .blob_count = tx->blob_count,
        .authorizations = tx->authorizations,
        .authorization_count = tx->authorization_count,
    };
}

err execute_tx(struct executor *executor, const struct tx *tx, const struct address *sender,
               struct arena *arena, struct exec_result *ret_result)
{
    struct exec_result result = {0};
    struct journal *journal = executor->journal;
    struct u256 tip;
    TRY(check_tx(executor, tx, sender, &result, &tip));
    if (result.verdict != TX_VALID) {
        *ret_result = result;
        return ok();
    }
    struct message message = message_of_tx(tx, sender, executor->env->fork, result.gas_price);
    journal_begin_tx(journal);
    TRY(take_gas(journal, sender, tx->gas_limit, message.price));
    TRY(take_gas(journal, sender, tx_blob_gas(tx), executor->env->blob_base_fee));
    TRY(journal_set_nonce(journal, sender, tx->nonce + 1));
    TRY(run_message(executor, &message, arena, &result));
    TRY(settle(executor, &message, tip, &result));
    TRY(journal_end_tx(journal, has(executor, FORK_SPURIOUS)));
    executor->gas_used += result.gas_used;
    executor->blob_gas_used += tx_blob_gas(tx);
    *ret_result = result;
    return ok();
}

/* --- calls without a transaction --- */

static struct message message_of_call(const struct call_request *request, enum fork fork)
{
    struct tx shape = {
        .is_create = request->is_create,
        .input = request->input,
        .access = (struct tx_access *)request->access,
        .access_count = request->access_count,
        .authorizations = (struct tx_authorization *)request->authorizations,
        .authorization_count = request->authorization_count,
    };
    return (struct message){
        .from = request->from,
        .to = request->to,
        .is_create = request->is_create,
        .value = request->value,
        .gas_limit = request->gas_limit,
        .intrinsic = tx_intrinsic_gas(&shape, fork),
        .floor = tx_floor_gas(&shape, fork),
        .price = request->max_fee,
        .input = request->input,
        .access = request->access,
        .access_count = request->access_count,
        .blob_hashes = request->blob_hashes,
        .blob_count = request->blob_count,
        .authorizations = request->authorizations,
        .authorization_count = request->authorization_count,
    };
}

static enum tx_verdict check_call(const struct executor *executor, const struct message *message,
                                  const struct account *sender)
{
    struct u256 cost;
    if (message->is_create && has(executor, FORK_SHANGHAI) &&
        message->input.len > EVM_INIT_CODE_BYTES_MAX) {
        return TX_INIT_CODE_TOO_LARGE;
    }
    if (message->intrinsic > message->gas_limit) {
        return TX_GAS_BELOW_INTRINSIC;
    }
    if (message->floor > message->gas_limit) {
        return TX_GAS_BELOW_FLOOR;
    }
    bool fits = gas_cost(&cost, message->gas_limit, message->price) &&
                u256_add(&cost, cost, message->value);
    return fits && u256_cmp(cost, sender->balance) <= 0 ? TX_VALID : TX_INSUFFICIENT_FUNDS;
}

/* What the coinbase gets of a unit of gas. */
static struct u256 tip_of(const struct executor *executor, struct u256 price)
{
    struct u256 tip;
    return u256_sub(&tip, price, executor->env->base_fee) ? tip : u256_from_u64(0);
}

static err run_call(struct executor *executor, const struct call_request *request,
                    struct message *message, struct arena *arena, struct exec_result *result)
{
    struct journal *journal = executor->journal;
    journal_begin_tx(journal);
    if (request->takes_fees) {
        TRY(take_gas(journal, &message->from, message->gas_limit, message->price));
    }
    if (message->nonce != UINT64_MAX) {
        TRY(journal_set_nonce(journal, &message->from, message->nonce + 1));
    }
    TRY(run_message(executor, message, arena, result));
    if (request->takes_fees) {
        TRY(settle(executor, message, tip_of(executor, message->price), result));
    }
    executor->gas_used += result->gas_used;
    return journal_end_tx(journal, has(executor, FORK_SPURIOUS));
}

err execute_call(struct executor *executor, const struct call_request *request, struct arena *arena,
                 struct exec_result *ret_result)
{
    struct exec_result result = {.gas_price = request->max_fee};
    struct message message = message_of_call(request, executor->env->fork);
    struct account sender;
    TRY(journal_account(executor->journal, &request->from, &sender));
    message.nonce = sender.nonce;
    result.verdict = check_call(executor, &message, &sender);
    if (result.verdict == TX_VALID) {
        TRY(run_call(executor, request, &message, arena, &result));
    }
    *ret_result = result;
    return ok();
}

err execute_system_call(struct executor *executor, const struct address *to, bytes input,
                        struct arena *arena, struct exec_result *ret_result)
{
    struct exec_result result = {.verdict = TX_VALID};
    struct message message = {.to = *to, .gas_limit = SYSTEM_GAS, .input = input};
    memset(message.from.b, 0xff, sizeof message.from.b);
    message.from.b[sizeof message.from.b - 1] = 0xfe;
    journal_begin_tx(executor->journal);
    TRY(run_message(executor, &message, arena, &result));
    TRY(journal_end_tx(executor->journal, has(executor, FORK_SPURIOUS)));
    *ret_result = result;
    return ok();
}
