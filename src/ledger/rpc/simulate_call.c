/* simulate_call.c: one call of eth_simulateV1: what it leaves open, its checks, and its run. */
#include "ledger/rpc/simulate.h"

static bool sim_refuse(struct sim *sim, int code, enum tx_verdict verdict)
{
    rpc_refuse(sim->r, (enum rpc_code)code, "%s", tx_verdict_text(verdict));
    return false;
}

static int code_of(enum tx_verdict verdict)
{
    switch ((int)verdict) { /* few of many */
    case TX_NONCE_TOO_LOW:
        return SIM_NONCE_TOO_LOW;
    case TX_NONCE_TOO_HIGH:
        return SIM_NONCE_TOO_HIGH;
    case TX_FEE_BELOW_BASE:
        return SIM_FEE_BELOW_BASE;
    case TX_GAS_BELOW_INTRINSIC:
    case TX_GAS_BELOW_FLOOR:
        return SIM_INTRINSIC_GAS;
    case TX_INSUFFICIENT_FUNDS:
        return SIM_FUNDS;
    case TX_SENDER_HAS_CODE:
        return SIM_SENDER_CODE;
    case TX_INIT_CODE_TOO_LARGE:
        return SIM_INIT_CODE;
    case TX_TIP_ABOVE_FEE:
        return RPC_INVALID_PARAMS;
    }
    return RPC_INTERNAL;
}

/* Gas and nonce that the call leaves open. */
static bool complete_call(struct sim *sim, const struct process *process, struct rpc_call *call,
                          const struct account *sender)
{
    u64 room = process->env.gas_limit - min_u64(process->executor.gas_used, process->env.gas_limit);
    if (!call->has_gas) {
        call->tx.gas_limit = room;
    }
    if (call->tx.gas_limit > room) {
        rpc_refuse(sim->r, (enum rpc_code)SIM_BLOCK_GAS, "block gas limit reached: %llu >= %llu",
                   (unsigned long long)process->executor.gas_used,
                   (unsigned long long)process->env.gas_limit);
        return false;
    }
    call->tx.gas_limit = min_u64(call->tx.gas_limit, sim->gas_left);
    if (!call->has_nonce) {
        call->tx.nonce = sender->nonce;
    }
    return true;
}

static enum tx_verdict check_nonce(const struct tx *tx, const struct account *sender)
{
    if (tx->nonce != sender->nonce) {
        return tx->nonce < sender->nonce ? TX_NONCE_TOO_LOW : TX_NONCE_TOO_HIGH;
    }
    return tx->nonce == UINT64_MAX ? TX_NONCE_MAX : TX_VALID;
}

/* *ret_price: what a unit of gas costs. Without validation a call that names no fee pays none. */
static enum tx_verdict check_fees(const struct sim *sim, const struct process *process,
                                  const struct rpc_call *call, struct u256 *ret_price)
{
    const struct tx *tx = &call->tx;
    bool is_free = u256_is_zero(tx->max_fee) && u256_is_zero(tx->max_priority);
    *ret_price = u256_from_u64(0);
    if (process->env.fork < FORK_LONDON) {
        *ret_price = tx->max_fee;
        return TX_VALID;
    }
    if (is_free && !sim->validates) {
        return TX_VALID;
    }
    if (u256_cmp(tx->max_priority, tx->max_fee) > 0) {
        return TX_TIP_ABOVE_FEE;
    }
    if (!rpc_call_price(call, process->env.base_fee, ret_price)) {
        return TX_FEE_BELOW_BASE;
    }
    return TX_VALID;
}

static enum tx_verdict check_blobs(const struct sim *sim, const struct process *process,
                                   const struct tx *tx)
{
    if (tx->type != TX_BLOB) {
        return TX_VALID;
    }
    if (tx->is_create) {
        return TX_BLOB_CREATE;
    }
    if (tx->blob_count == 0) {
        return TX_BLOBS_MISSING;
    }
    if (tx_blob_gas(tx) > process->env.blob_gas_max - process->executor.blob_gas_used) {
        return TX_BLOBS_TOO_MANY;
    }
    bool is_free = u256_is_zero(tx->max_blob_fee) && !sim->validates;
    return is_free || u256_cmp(tx->max_blob_fee, process->env.blob_base_fee) >= 0
               ? TX_VALID
               : TX_BLOB_FEE_BELOW_BASE;
}

static enum tx_verdict check_call(const struct sim *sim, const struct process *process,
                                  const struct rpc_call *call, const struct account *sender,
                                  struct u256 *ret_price)
{
    struct u256 cost;
    enum tx_verdict verdict = sim->validates ? check_nonce(&call->tx, sender) : TX_VALID;
    if (verdict == TX_VALID) {
        verdict = check_fees(sim, process, call, ret_price);
    }
    if (verdict == TX_VALID) {
        verdict = check_blobs(sim, process, &call->tx);
    }
    if (verdict == TX_VALID &&
        (!tx_cost(&call->tx, &cost) || u256_cmp(cost, sender->balance) > 0)) {
        verdict = TX_INSUFFICIENT_FUNDS;
    }
    return verdict;
}

static err pay_blobs(struct process *process, const struct rpc_call *call)
{
    struct u256 cost;
    bool enough;
    u64 gas = tx_blob_gas(&call->tx);
    if (gas == 0 || u256_is_zero(call->tx.max_blob_fee)) {
        process->executor.blob_gas_used += gas;
        return ok();
    }
    if (!u256_mul_u64(&cost, process->env.blob_base_fee, gas)) {
        return fail(ERR_LIMIT);
    }
    journal_begin_tx(process->options.journal);
    process->executor.blob_gas_used += gas;
    return journal_debit(process->options.journal, &call->from, cost, &enough);
}

static err run_call(struct sim *sim, struct process *process, struct sim_call *call,
                    struct u256 price)
{
    const struct evm_tracer tracer = rpc_sim_tracer(sim->logs);
    struct call_request request = rpc_call_request(&call->call, price);
    request.takes_fees = true;
    TRY(pay_blobs(process, &call->call));
    process->executor.tracer = &tracer;
    err e = execute_call(&process->executor, &request, &sim->r->arena, &call->result);
    process->executor.tracer = NULL;
    return e;
}

/* The transaction that the call would be, without a signature. */
static bool seal_call(struct sim *sim, struct sim_call *call)
{
    struct buf text;
    buf_init(&text, RPC_BODY_BYTES_MAX);
    tx_encode(&text, &call->call.tx);
    call->raw = arena_copy(&sim->r->arena, buf_bytes(&text));
    buf_free(&text);
    if (call->raw.data == NULL) {
        return rpc_fault(sim->r, ERR_LIMIT);
    }
    tx_hash(&call->hash, call->raw);
    return true;
}

/* The nonce after the last one is the first: only a simulation gets there. */
static err wrap_nonce(struct process *process, const struct sim_call *call,
                      const struct account *sender)
{
    if (sender->nonce != UINT64_MAX) {
        return ok();
    }
    journal_begin_tx(process->options.journal);
    return journal_set_nonce(process->options.journal, &call->call.from, 0);
}

bool rpc_sim_call(struct sim *sim, struct process *process, const json_t *object,
                  struct sim_call *call)
{
    struct rpc_request *r = sim->r;
    struct account sender;
    struct u256 price;
    if (sim->calls_left-- == 0) {
        sim->calls_left = 0;
        return rpc_fault(r, ERR_LIMIT);
    }
    if (!rpc_read_call_object(r, object, &call->call) ||
        !rpc_fine(r, journal_account(process->options.journal, &call->call.from, &sender)) ||
        !complete_call(sim, process, &call->call, &sender)) {
        return false;
    }
    enum tx_verdict verdict = check_call(sim, process, &call->call, &sender, &price);
    if (verdict != TX_VALID) {
        return sim_refuse(sim, code_of(verdict), verdict);
    }
    if (!rpc_fine(r, run_call(sim, process, call, price))) {
        return false;
    }
    if (call->result.verdict != TX_VALID) {
        return sim_refuse(sim, code_of(call->result.verdict), call->result.verdict);
    }
    sim->gas_left -= min_u64(sim->gas_left, call->result.gas_used);
    return seal_call(sim, call) &&
           rpc_fine(r, process_note(process, &call->call.tx, &call->hash, &call->result)) &&
           rpc_sim_keep_logs(sim, call) && rpc_fine(r, wrap_nonce(process, call, &sender));
}
