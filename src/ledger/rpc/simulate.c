/* simulate.c: eth_simulateV1: blocks that could follow, with calls as their transactions.
 *
 * All blocks run on one journal over the state of the base block. Numbers that a client leaves out
 * become empty blocks; every block gets a real header (state root, receipts, requests), so that
 * hashes, BLOCKHASH and what contracts see of the chain are what they would be. Without
 * "validation" nonces and base fee do not matter, and what is not paid for costs nothing.
 *
 * The form and the error codes: execution-apis, eth_simulateV1.
 */
#include "crypto/hash.h"
#include "ledger/ethereum/process.h"
#include "ledger/rpc/call_forms.h"
#include "ledger/rpc/methods.h"

#define BLOCKS_MAX 256
#define CALLS_MAX 1000       /* in one block */
#define CALLS_ALL_MAX 5000   /* in one request */
#define CHANGES_MAX 400000   /* accounts and slots, counted again in each block */
#define PAST_BLOCKS_MAX 1024 /* blocks simulated, times how far the base is below the head */
#define BLOCK_SECONDS 12
#define LOGS_MAX 8192 /* of one call */
#define EVM_DEPTH_MAX 1024

enum simulate_code {
    SIM_NONCE_TOO_LOW = -38010,
    SIM_NONCE_TOO_HIGH = -38011,
    SIM_FEE_BELOW_BASE = -38012,
    SIM_INTRINSIC_GAS = -38013,
    SIM_FUNDS = -38014,
    SIM_BLOCK_GAS = -38015,
    SIM_NUMBER_ORDER = -38020,
    SIM_TIME_ORDER = -38021,
    SIM_SENDER_CODE = -38024,
    SIM_INIT_CODE = -38025,
    SIM_TOO_MANY = -38026,
    SIM_VM = -32015,
};

/* A log of the call that runs, or a transfer of value as a log (the shape of EIP-7708). */
struct seen_log {
    struct journal_log log;
    u64 index; /* in the block, counting those of frames that failed */
};

/* A frame that fails takes its logs with it. */
struct seen_logs {
    struct arena *arena;
    bool wants_transfers;
    struct seen_log items[LOGS_MAX];
    size_t count;
    u64 next_index;
    size_t starts[EVM_DEPTH_MAX + 1]; /* count when the frame of a depth began */
    bool is_full;
};

struct sim_call {
    struct rpc_call call;
    bytes raw;
    struct hash hash;
    struct exec_result result;
    struct seen_log *logs;
    size_t log_count;
};

struct sim_block {
    struct rpc_block_overrides block;
    struct rpc_overrides state;
    const json_t *calls; /* NULL: none */
    struct block_header header;
    struct hash hash;
};

struct sim {
    struct rpc_request *r;
    struct app_dry dry;
    bool validates;
    bool full_txs;
    struct block_header base;
    struct sim_block *blocks;
    size_t count;
    size_t done;  /* blocks with a hash */
    u64 gas_left; /* of the whole request */
    size_t calls_left;
    size_t changes_left;
    struct seen_logs *seen;
    json_t *result;
};

/* --- logs --- */

static struct hash word_of(const struct address *address)
{
    struct hash word = {{0}};
    memcpy(word.b + 12, address->b, sizeof address->b);
    return word;
}

static void see(struct seen_logs *seen, const struct journal_log *log)
{
    if (seen->count == LOGS_MAX) {
        seen->is_full = true;
        return;
    }
    seen->items[seen->count++] = (struct seen_log){.log = *log, .index = seen->next_index++};
}

static void on_log(void *ctx, unsigned depth, const struct journal_log *log)
{
    (void)depth;
    see(ctx, log); /* the data stays in the journal's arena, whatever is undone */
}

static void see_transfer(struct seen_logs *seen, const struct evm_enter *enter)
{
    static const struct hash topic = {{0xdd, 0xf2, 0x52, 0xad, 0x1b, 0xe2, 0xc8, 0x9b,
                                       0x69, 0xc2, 0xb0, 0x68, 0xfc, 0x37, 0x8d, 0xaa,
                                       0x95, 0x2b, 0xa7, 0xf1, 0x63, 0xc4, 0xa1, 0x16,
                                       0x28, 0xf5, 0x5a, 0x4d, 0xf5, 0x23, 0xb3, 0xef}};
    u8 *amount = arena_alloc(seen->arena, 32);
    if (amount == NULL) {
        seen->is_full = true;
        return;
    }
    u256_to_be(amount, enter->value);
    struct journal_log log = {.topic_count = 3, .data = bytes_make(amount, 32)};
    memset(log.address.b, 0xee, sizeof log.address.b);
    log.topics[0] = topic;
    log.topics[1] = word_of(&enter->from);
    log.topics[2] = word_of(&enter->to);
    see(seen, &log);
}

static void on_enter(void *ctx, const struct evm_enter *enter)
{
    struct seen_logs *seen = ctx;
    if (enter->depth < COUNT_OF(seen->starts)) {
        seen->starts[enter->depth] = seen->count;
    }
    if (seen->wants_transfers && enter->kind != EVM_DELEGATECALL && !u256_is_zero(enter->value)) {
        see_transfer(seen, enter);
    }
}

static void on_leave(void *ctx, const struct evm_exit *exit)
{
    struct seen_logs *seen = ctx;
    if (exit->status != EVM_SUCCESS && exit->depth < COUNT_OF(seen->starts)) {
        seen->count = seen->starts[exit->depth];
    }
}

static bool keep_logs(struct sim *sim, struct sim_call *call)
{
    const struct seen_logs *seen = sim->seen;
    call->logs = ARENA_ARRAY(&sim->r->arena, struct seen_log, seen->count + 1);
    if (call->logs == NULL || seen->is_full) {
        return rpc_fault(sim->r, ERR_LIMIT);
    }
    memcpy(call->logs, seen->items, seen->count * sizeof seen->items[0]);
    call->log_count = seen->count;
    return true;
}

/* --- the plan: which blocks there are --- */

static bool add_block(struct sim *sim, const struct sim_block *block)
{
    if (sim->count == BLOCKS_MAX) {
        rpc_refuse(sim->r, (enum rpc_code)SIM_TOO_MANY, "too many blocks");
        return false;
    }
    sim->blocks[sim->count++] = *block;
    return true;
}

/* Empty blocks up to the number that the client named. */
static bool fill_gap(struct sim *sim, u64 until, u64 *number, u64 *time)
{
    if (until - *number > BLOCKS_MAX) {
        rpc_refuse(sim->r, (enum rpc_code)SIM_TOO_MANY, "too many blocks");
        return false;
    }
    while (*number + 1 < until) {
        *number += 1;
        *time += BLOCK_SECONDS;
        struct sim_block empty = {.block = {.number = *number, .time = *time}};
        if (!add_block(sim, &empty)) {
            return false;
        }
    }
    return true;
}

static bool place_block(struct sim *sim, struct sim_block *block, u64 *number, u64 *time)
{
    struct rpc_block_overrides *own = &block->block;
    u64 at = own->has_number ? own->number : *number + 1;
    if (at <= *number) {
        rpc_refuse(sim->r, (enum rpc_code)SIM_NUMBER_ORDER,
                   "block numbers must be in order: %llu <= %llu", (unsigned long long)at,
                   (unsigned long long)*number);
        return false;
    }
    if (!fill_gap(sim, at, number, time)) {
        return false;
    }
    if (own->has_time && own->time <= *time) {
        rpc_refuse(sim->r, (enum rpc_code)SIM_TIME_ORDER,
                   "block timestamps must be in order: %llu <= %llu", (unsigned long long)own->time,
                   (unsigned long long)*time);
        return false;
    }
    own->number = at;
    if (!own->has_time && !add_u64(&own->time, *time, BLOCK_SECONDS)) {
        rpc_refuse(sim->r, RPC_INVALID_PARAMS, "a block's time is too large");
        return false;
    }
    *number = own->number;
    *time = own->time;
    return add_block(sim, block);
}

static bool read_block(struct sim *sim, const json_t *object, struct sim_block *ret)
{
    struct rpc_request *r = sim->r;
    const json_t *overrides = json_object_get(object, "blockOverrides");
    const json_t *state = json_object_get(object, "stateOverrides");
    const json_t *calls = json_object_get(object, "calls");
    *ret = (struct sim_block){0};
    if (!json_is_object(object) ||
        (calls != NULL && !json_is_null(calls) &&
         (!json_is_array(calls) || json_array_size(calls) > CALLS_MAX))) {
        rpc_refuse(r, RPC_INVALID_PARAMS, "a block of calls is an object with at most %d \"calls\"",
                   CALLS_MAX);
        return false;
    }
    ret->calls = json_is_array(calls) ? calls : NULL;
    return rpc_read_block_overrides(r, json_is_null(overrides) ? NULL : overrides, &ret->block) &&
           rpc_read_overrides(r, json_is_null(state) ? NULL : state, &ret->state);
}

static bool plan_blocks(struct sim *sim, const json_t *list)
{
    u64 number = sim->base.number;
    u64 time = sim->base.time;
    size_t count = json_array_size(list);
    if (!json_is_array(list) || count == 0) {
        rpc_refuse(sim->r, RPC_INVALID_PARAMS, "blockStateCalls is a list of at least one block");
        return false;
    }
    if (count > BLOCKS_MAX) {
        rpc_refuse(sim->r, (enum rpc_code)SIM_TOO_MANY, "too many blocks");
        return false;
    }
    sim->blocks = ARENA_ARRAY(&sim->r->arena, struct sim_block, BLOCKS_MAX);
    if (sim->blocks == NULL) {
        return rpc_fault(sim->r, ERR_LIMIT);
    }
    for (size_t i = 0; i < count; i++) {
        struct sim_block block;
        if (!read_block(sim, json_array_get(list, i), &block) ||
            !place_block(sim, &block, &number, &time)) {
            return false;
        }
    }
    return true;
}

/* --- headers and environment --- */

static err hash_at(void *ctx, u64 height, struct hash *ret_hash)
{
    const struct sim *sim = ctx;
    if (height <= sim->base.number) {
        struct block_hashes stored = app_hashes(sim->dry.view);
        return stored.hash(stored.ctx, height, ret_hash);
    }
    size_t i = (size_t)(height - sim->base.number - 1);
    *ret_hash = i < sim->done ? sim->blocks[i].hash : (struct hash){{0}};
    return ok();
}

/* Beneficiary and gas limit go on from block to block; fees only if they count. */
static void make_header(struct sim *sim, const struct block_header *parent, struct sim_block *block)
{
    const struct rpc_block_overrides *own = &block->block;
    struct block_header *header = &block->header;
    rules_next_header(app_rules(sim->r->app), parent, own->time, header);
    header->gas_limit = own->has_gas_limit ? own->gas_limit : parent->gas_limit;
    header->coinbase = own->has_coinbase ? own->coinbase : parent->coinbase;
    header->prev_randao = own->has_randao ? own->randao : (struct hash){{0}};
    if (header->difficulty != 0) {
        header->difficulty = parent->difficulty;
    }
    if (own->has_base_fee) {
        header->base_fee = own->base_fee;
    } else if (!sim->validates) {
        header->base_fee = u256_from_u64(0);
    }
    if (own->has_beacon_root && header->form >= BLOCK_CANCUN) {
        header->parent_beacon_root = own->beacon_root;
    }
}

/* --- one call --- */

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
    const struct evm_tracer tracer = {
        .ctx = sim->seen, .enter = on_enter, .exit = on_leave, .log = on_log};
    struct call_request request = rpc_call_request(&call->call, price);
    request.takes_fees = true;
    sim->seen->count = 0;
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

static bool simulate_call(struct sim *sim, struct process *process, const json_t *object,
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
           keep_logs(sim, call) && rpc_fine(r, wrap_nonce(process, call, &sender));
}

/* --- results --- */

static json_t *json_call_error(struct sim *sim, const struct exec_result *result)
{
    json_t *object = json_object();
    if (result->status == EVM_REVERTED) {
        const char *reason = rpc_revert_reason(sim->r, result->output);
        char *text = arena_format(&sim->r->arena, "execution reverted%s%s",
                                  reason != NULL ? ": " : "", reason != NULL ? reason : "");
        rpc_put(object, "message", json_string(text != NULL ? text : "execution reverted"));
        rpc_put(object, "code", json_integer(RPC_REVERTED));
        rpc_put(object, "data", json_data(result->output));
    } else {
        rpc_put(object, "message", json_string(evm_status_text(result->status)));
        rpc_put(object, "code", json_integer(SIM_VM));
    }
    return object;
}

static json_t *json_call(struct sim *sim, const struct sim_call *call,
                         const struct rpc_place *place)
{
    const struct exec_result *result = &call->result;
    json_t *object = json_object();
    json_t *logs = json_array();
    for (size_t i = 0; i < call->log_count; i++) {
        const struct seen_log *seen = &call->logs[i];
        json_array_append_new(logs, rpc_json_log(&seen->log, place, &call->hash, seen->index));
    }
    rpc_put(object, "returnData", json_data(result->success ? result->output : bytes_make("", 0)));
    rpc_put(object, "logs", logs);
    rpc_put(object, "gasUsed", json_quantity(result->gas_used));
    rpc_put(object, "maxUsedGas", json_quantity(result->gas_peak));
    rpc_put(object, "status", json_quantity(result->success));
    if (!result->success) {
        rpc_put(object, "error", json_call_error(sim, result));
    }
    return object;
}

static json_t *json_block(struct sim *sim, const struct rpc_block_data *block,
                          const struct sim_call *calls)
{
    json_t *object = rpc_json_header(&block->header, &block->hash, false);
    json_t *txs = json_array();
    json_t *results = json_array();
    for (size_t i = 0; i < block->body.txs.count; i++) {
        const struct rpc_place place = {block, i};
        json_array_append_new(txs, sim->full_txs
                                       ? rpc_json_decoded_tx(&calls[i].call.tx, &calls[i].hash,
                                                             &calls[i].call.from, &place)
                                       : rpc_json_hash(&calls[i].hash));
        json_array_append_new(results, json_call(sim, &calls[i], &place));
    }
    rpc_put(object, "size", json_quantity(rpc_block_size(&block->header, &block->body)));
    rpc_put(object, "transactions", txs);
    rpc_put_body(object, &block->header, &block->body);
    rpc_put(object, "calls", results);
    return object;
}

/* --- blocks --- */

static err current_root(void *ctx, struct hash *ret_root)
{
    struct sim *sim = ctx;
    return app_dry_root(&sim->dry, ret_root);
}

static bool run_calls(struct sim *sim, struct process *process, const struct sim_block *block,
                      struct sim_call *calls, struct block_body *body)
{
    size_t count = json_array_size(block->calls);
    for (size_t i = 0; i < count; i++) {
        if (!simulate_call(sim, process, json_array_get(block->calls, i), &calls[i])) {
            return false;
        }
        body->txs.items[body->txs.count++] = calls[i].raw;
    }
    return true;
}

/* A state root costs what has changed since the base block, and below the head what the chain has
 * changed since. */
static bool count_changes(struct sim *sim)
{
    const struct journal *journal = &sim->dry.journal;
    size_t count = journal->slots.count + journal->accounts.count;
    if (count > sim->changes_left) {
        rpc_refuse(sim->r, RPC_LIMIT, "too much changes in too many blocks");
        return false;
    }
    sim->changes_left -= count;
    return true;
}

static bool check_past(struct sim *sim)
{
    u64 behind = rpc_head(sim->r) - sim->base.number;
    if (behind * sim->count > PAST_BLOCKS_MAX) {
        rpc_refuse(sim->r, RPC_LIMIT, "too many blocks on a base this far below the head");
        return false;
    }
    return true;
}

static bool seal_block(struct sim *sim, struct process *process, struct sim_block *block,
                       const struct block_body *body)
{
    struct rpc_request *r = sim->r;
    if (!rpc_fine(r, process_end(process, body))) {
        return false;
    }
    if (process->wrong != NULL) {
        rpc_refuse(r, RPC_INTERNAL, "%s", process->wrong);
        return false;
    }
    if (!count_changes(sim) || !rpc_fine(r, process_seal(process, body, &block->header)) ||
        !rpc_fine(r, app_dry_root(&sim->dry, &block->header.state_root))) {
        return false;
    }
    block_header_hash(&block->hash, &block->header);
    return true;
}

static bool begin_block(struct sim *sim, struct sim_block *block, struct process *process)
{
    struct rpc_request *r = sim->r;
    const struct chain_rules *rules = app_rules(r->app);
    enum fork fork = rules_fork(rules, block->header.number, block->header.time);
    const struct evm_moves *moves;
    struct process_options options = {
        .rules = rules,
        .header = &block->header,
        .journal = &sim->dry.journal,
        .hashes = {.ctx = sim, .hash = hash_at},
        .codes = sim->dry.executor.codes,
        .arena = &r->arena,
        .tx_cap = json_array_size(block->calls),
        .root = current_root,
        .root_ctx = sim,
    };
    if (!rpc_override_moves(r, &block->state, fork, &moves) ||
        !rpc_fine(r, rpc_override_apply(&block->state, &sim->dry.journal)) ||
        !rpc_fine(r, process_begin(process, &options))) {
        return false;
    }
    process->executor.moves = moves;
    if (block->block.has_blob_base_fee) {
        process->env.blob_base_fee = block->block.blob_base_fee;
    }
    return true;
}

static bool simulate_block(struct sim *sim, struct sim_block *block)
{
    struct rpc_request *r = sim->r;
    const struct block_header *parent =
        sim->done == 0 ? &sim->base : &sim->blocks[sim->done - 1].header;
    size_t count = json_array_size(block->calls);
    struct process process;
    struct rpc_block_data data = {0};
    struct sim_call *calls = ARENA_ARRAY(&r->arena, struct sim_call, count + 1);
    data.body.txs.items = ARENA_ARRAY(&r->arena, bytes, count + 1);
    if (calls == NULL || data.body.txs.items == NULL) {
        return rpc_fault(r, ERR_LIMIT);
    }
    make_header(sim, parent, block);
    sim->seen->next_index = 0;
    data.body.has_withdrawals = block->header.form >= BLOCK_SHANGHAI;
    data.body.withdrawals = block->block.withdrawals;
    data.body.withdrawal_count = data.body.has_withdrawals ? block->block.withdrawal_count : 0;
    if (!begin_block(sim, block, &process) || !run_calls(sim, &process, block, calls, &data.body) ||
        !seal_block(sim, &process, block, &data.body)) {
        return false;
    }
    sim->done++;
    data.header = block->header;
    data.hash = block->hash;
    json_array_append_new(sim->result, json_block(sim, &data, calls));
    return true;
}

static bool read_flag(struct rpc_request *r, const json_t *object, const char *key, bool *ret)
{
    const json_t *value = json_object_get(object, key);
    *ret = json_is_true(value);
    if (value != NULL && !json_is_null(value) && !json_is_boolean(value)) {
        rpc_refuse(r, RPC_INVALID_PARAMS, "\"%s\" is true or false", key);
        return false;
    }
    return true;
}

static bool simulate(struct sim *sim, const json_t *options)
{
    struct rpc_request *r = sim->r;
    if (!read_flag(r, options, "validation", &sim->validates) ||
        !read_flag(r, options, "traceTransfers", &sim->seen->wants_transfers) ||
        !read_flag(r, options, "returnFullTransactions", &sim->full_txs) ||
        !plan_blocks(sim, json_object_get(options, "blockStateCalls")) || !check_past(sim)) {
        return false;
    }
    for (size_t i = 0; i < sim->count; i++) {
        if (!simulate_block(sim, &sim->blocks[i])) {
            return false;
        }
    }
    return true;
}

json_t *rpc_simulate(struct rpc_request *r)
{
    struct rpc_block block;
    const json_t *options = rpc_param(r, 0);
    struct sim sim = {.r = r,
                      .gas_left = APP_CALL_GAS_MAX,
                      .calls_left = CALLS_ALL_MAX,
                      .changes_left = CHANGES_MAX};
    if (!json_is_object(options)) {
        return rpc_refuse(r, RPC_INVALID_PARAMS, "invalid argument 0: options are an object");
    }
    sim.seen = arena_alloc(&r->arena, sizeof *sim.seen);
    if (sim.seen == NULL) {
        rpc_fault(r, ERR_LIMIT);
        return NULL;
    }
    sim.seen->arena = &r->arena;
    if (!rpc_read_block(r, 1, &block) || rpc_view(r, block.height) == NULL ||
        !rpc_fine(r, app_header(r->app, block.height, &sim.base)) ||
        !rpc_fine(r, app_dry_after(r->app, block.height, &sim.dry))) {
        return NULL;
    }
    sim.result = json_array();
    bool fine = simulate(&sim, options);
    app_dry_close(&sim.dry);
    if (!fine) {
        json_decref(sim.result);
        return NULL;
    }
    return sim.result;
}
