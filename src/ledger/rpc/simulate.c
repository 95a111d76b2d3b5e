/* simulate.c: eth_simulateV1: blocks that could follow, with calls as their transactions.
 *
 * All blocks run on one journal over the state of the base block. Numbers that a client leaves out
 * become empty blocks; every block gets a real header (state root, receipts, requests), so that
 * hashes, BLOCKHASH and what contracts see of the chain are what they would be. Without
 * "validation" nonces and base fee do not matter, and what is not paid for costs nothing.
 *
 * The form and the error codes: execution-apis, eth_simulateV1.
 */
#include "ledger/rpc/simulate.h"

#define CALLS_ALL_MAX 5000   /* in one request */
#define CHANGES_MAX 400000   /* accounts and slots, counted again in each block */
#define PAST_BLOCKS_MAX 1024 /* blocks simulated, times how far the base is below the head */

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
        const struct sim_log *entry = &call->logs[i];
        json_array_append_new(logs, rpc_json_log(&entry->log, place, &call->hash, entry->index));
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
        if (!rpc_sim_call(sim, process, json_array_get(block->calls, i), &calls[i])) {
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
    sim->logs->next_index = 0;
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
        !read_flag(r, options, "traceTransfers", &sim->logs->wants_transfers) ||
        !read_flag(r, options, "returnFullTransactions", &sim->full_txs) ||
        !rpc_sim_plan(sim, json_object_get(options, "blockStateCalls")) || !check_past(sim)) {
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
    sim.logs = arena_alloc(&r->arena, sizeof *sim.logs);
    if (sim.logs == NULL) {
        rpc_fault(r, ERR_LIMIT);
        return NULL;
    }
    sim.logs->arena = &r->arena;
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
