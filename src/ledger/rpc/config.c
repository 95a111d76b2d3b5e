/* config.c: what the node knows and by which rules: eth_config (EIP-7910), eth_capabilities. */
#include "ledger/ethereum/process.h"
#include "ledger/precompile/precompile.h"
#include "ledger/rpc/methods.h"

#include <stdio.h>

#define P256_ADDRESS 0x100u

/* The rules as they are from `time` on, at a block of `number`. */
struct config_at {
    const struct chain_rules *rules;
    struct hash genesis;
    u64 number;
    u64 time;
    u64 activation;
};

static json_t *json_blobs(const struct config_at *at)
{
    const struct rules_blobs *blobs = rules_blobs_at(at->rules, at->time);
    json_t *object = json_object();
    rpc_put(object, "target", json_integer(blobs != NULL ? (json_int_t)blobs->target : 0));
    rpc_put(object, "max", json_integer(blobs != NULL ? (json_int_t)blobs->max : 0));
    rpc_put(object, "baseFeeUpdateFraction",
            json_integer(blobs != NULL ? (json_int_t)blobs->fraction : 0));
    return object;
}

static void put_precompile(json_t *object, enum fork fork, u32 number)
{
    struct address address = {{0}};
    store_be32(address.b + 16, number);
    const struct precompile *precompile = precompile_find(fork, &address);
    if (precompile != NULL) {
        rpc_put(object, precompile_name(precompile), rpc_json_address(&address));
    }
}

static json_t *json_precompiles(const struct config_at *at)
{
    enum fork fork = rules_fork(at->rules, at->number, at->time);
    json_t *object = json_object();
    for (u32 number = 1; number <= precompile_last(fork); number++) {
        put_precompile(object, fork, number);
    }
    put_precompile(object, fork, P256_ADDRESS);
    return object;
}

/* Our own chain has no consensus layer of Ethereum: of these it keeps the block hashes. */
static json_t *json_system_contracts(const struct config_at *at)
{
    static const struct {
        enum fork since;
        enum process_contract contract;
        const char *name;
    } names[] = {
        {FORK_CANCUN, PROCESS_BEACON_ROOTS, "BEACON_ROOTS_ADDRESS"},
        {FORK_PRAGUE, PROCESS_BLOCK_HASHES, "HISTORY_STORAGE_ADDRESS"},
        {FORK_PRAGUE, PROCESS_WITHDRAWALS, "WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS"},
        {FORK_PRAGUE, PROCESS_CONSOLIDATIONS, "CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS"},
    };
    enum fork fork = rules_fork(at->rules, at->number, at->time);
    json_t *object = json_object();
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        bool is_ours = !at->rules->is_own || names[i].contract == PROCESS_BLOCK_HASHES;
        if (fork >= names[i].since && is_ours) {
            struct address address = process_contract_address(names[i].contract);
            rpc_put(object, names[i].name, rpc_json_address(&address));
        }
    }
    if (fork >= FORK_PRAGUE && at->rules->has_deposit_contract) {
        rpc_put(object, "DEPOSIT_CONTRACT_ADDRESS", rpc_json_address(&at->rules->deposit_contract));
    }
    return object;
}

static json_t *json_config(const struct config_at *at)
{
    char id[16];
    snprintf(id, sizeof id, "0x%08x", rules_fork_id(at->rules, &at->genesis, at->number, at->time));
    json_t *object = json_object();
    rpc_put(object, "activationTime", json_integer((json_int_t)at->activation));
    rpc_put(object, "blobSchedule", json_blobs(at));
    rpc_put(object, "chainId", json_quantity(at->rules->chain_id));
    rpc_put(object, "forkId", json_string(id));
    rpc_put(object, "precompiles", json_precompiles(at));
    rpc_put(object, "systemContracts", json_system_contracts(at));
    return object;
}

static json_t *json_config_at_step(const struct config_at *head, u64 step)
{
    struct config_at at = *head;
    at.time = step;
    at.activation = step;
    return json_config(&at);
}

json_t *rpc_config(struct rpc_request *r)
{
    struct state_view *view = rpc_chain_view(r);
    struct block_header header;
    struct config_at head = {.rules = app_rules(r->app)};
    if (view == NULL || !rpc_fine(r, app_header(r->app, rpc_head(r), &header)) ||
        !rpc_fine(r, state_view_block_hash(view, 0, &head.genesis))) {
        return NULL;
    }
    const struct chain_rules *rules = head.rules;
    head.number = header.number;
    head.time = header.time;
    size_t passed = 0;
    while (passed < rules->time_step_count && rules->time_steps[passed] <= header.time) {
        head.activation = rules->time_steps[passed++];
    }
    bool has_next = passed < rules->time_step_count;
    json_t *object = json_object();
    rpc_put(object, "current", json_config(&head));
    rpc_put(object, "next",
            has_next ? json_config_at_step(&head, rules->time_steps[passed]) : json_null());
    rpc_put(object, "last",
            has_next ? json_config_at_step(&head, rules->time_steps[rules->time_step_count - 1])
                     : json_null());
    return object;
}

/* --- eth_capabilities --- */

static json_t *json_range(u64 oldest)
{
    json_t *object = json_object();
    rpc_put(object, "disabled", json_false());
    rpc_put(object, "oldestBlock", json_quantity(oldest));
    return object;
}

/* States are kept for a while, unless the store is an archive; blocks and what is in them stay. */
json_t *rpc_capabilities(struct rpc_request *r)
{
    struct state_head head = state_head(app_state(r->app));
    u64 oldest = state_oldest(app_state(r->app));
    json_t *object = json_object();
    json_t *at = json_object();
    rpc_put(at, "number", json_quantity(head.height));
    rpc_put(at, "hash", rpc_json_hash(&head.block_hash));
    rpc_put(object, "head", at);
    rpc_put(object, "state", json_range(oldest));
    rpc_put(object, "tx", json_range(0));
    rpc_put(object, "logs", json_range(0));
    rpc_put(object, "receipts", json_range(0));
    rpc_put(object, "blocks", json_range(0));
    rpc_put(object, "stateproofs", json_range(oldest));
    return object;
}
