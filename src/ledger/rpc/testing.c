/* testing.c: testing_buildBlockV1: the block that would follow, for tests of other clients. Only
 * over imported chains: on our own the engine alone makes blocks. Nothing is kept. */
#include "ledger/app/external.h"
#include "ledger/ethereum/process.h"
#include "ledger/rpc/call_forms.h"
#include "ledger/rpc/methods.h"

#define GAS_LIMIT_WANTED 60000000u /* what builders of Ethereum vote for */
#define TXS_MAX 4096

struct building {
    struct rpc_request *r;
    struct app_dry dry;
    struct process process;
    struct block_header header;
    struct block_body body;
    struct u256 value; /* tips */
};

static err current_root(void *ctx, struct hash *ret_root)
{
    struct building *building = ctx;
    return app_dry_root(&building->dry, ret_root);
}

/* --- what is asked for --- */

static bool bad_attributes(struct rpc_request *r, const char *key)
{
    rpc_refuse(r, RPC_INVALID_PARAMS, "invalid argument 1: \"%s\" is wrong", key);
    return false;
}

static bool read_attributes(struct building *building, const struct block_header *parent)
{
    struct rpc_request *r = building->r;
    const json_t *object = rpc_param(r, 1);
    struct block_header *header = &building->header;
    const json_t *beacon = json_object_get(object, "parentBeaconBlockRoot");
    u64 time;
    if (!json_read_quantity(json_object_get(object, "timestamp"), &time) || time <= parent->time) {
        return bad_attributes(r, "timestamp");
    }
    rules_next_header(app_rules(r->app), parent, time, header);
    if (!json_read_fixed(json_object_get(object, "prevRandao"), header->prev_randao.b,
                         sizeof header->prev_randao.b)) {
        return bad_attributes(r, "prevRandao");
    }
    if (!json_read_fixed(json_object_get(object, "suggestedFeeRecipient"), header->coinbase.b,
                         sizeof header->coinbase.b)) {
        return bad_attributes(r, "suggestedFeeRecipient");
    }
    if (header->form >= BLOCK_CANCUN && !json_read_fixed(beacon, header->parent_beacon_root.b,
                                                         sizeof header->parent_beacon_root.b)) {
        return bad_attributes(r, "parentBeaconBlockRoot");
    }
    building->body.has_withdrawals = header->form >= BLOCK_SHANGHAI;
    return rpc_read_withdrawals(r, json_object_get(object, "withdrawals"),
                                &building->body.withdrawals, &building->body.withdrawal_count);
}

/* A step of less than a 1024th towards what is wanted. */
static u64 next_gas_limit(u64 limit)
{
    u64 step = limit / 1024 - 1;
    if (limit < GAS_LIMIT_WANTED) {
        return min_u64(limit + step, GAS_LIMIT_WANTED);
    }
    return max_u64(limit - step, GAS_LIMIT_WANTED);
}

static bool read_extra(struct building *building)
{
    struct rpc_request *r = building->r;
    bytes extra = {0};
    const json_t *value = rpc_param(r, 3);
    if (value != NULL &&
        (!json_read_data(value, &r->arena, &extra) || extra.len > BLOCK_EXTRA_BYTES_MAX)) {
        rpc_refuse(r, RPC_INVALID_PARAMS, "invalid argument 3: extra data of at most 32 bytes");
        return false;
    }
    if (extra.len > 0) {
        memcpy(building->header.extra, extra.data, extra.len);
    }
    building->header.extra_len = (u8)extra.len;
    return true;
}

/* --- transactions --- */

static bool add_value(struct building *building, const struct tx *tx,
                      const struct exec_result *result)
{
    struct u256 price;
    struct u256 tip;
    struct u256 part;
    return tx_price(tx, building->header.base_fee, &price, &tip) &&
           u256_mul_u64(&part, tip, result->gas_used) &&
           u256_add(&building->value, building->value, part);
}

/* *ret_verdict: TX_VALID if it is in the block now. */
static bool run_tx(struct building *building, bytes raw, enum tx_verdict *ret_verdict)
{
    struct rpc_request *r = building->r;
    struct tx tx;
    struct address sender;
    struct exec_result result;
    *ret_verdict = tx_decode(&r->arena, raw, &tx);
    if (*ret_verdict == TX_VALID && !tx_sender(&tx, &sender)) {
        *ret_verdict = TX_SIGNATURE_INVALID;
    }
    if (*ret_verdict != TX_VALID) {
        return true;
    }
    if (!rpc_fine(r, process_tx(&building->process, &tx, raw, &sender, &r->arena, &result))) {
        return false;
    }
    *ret_verdict = result.verdict;
    if (result.verdict == TX_VALID) {
        building->body.txs.items[building->body.txs.count++] = raw;
        return add_value(building, &tx, &result) || rpc_fault(r, ERR_LIMIT);
    }
    return true;
}

/* All that were named, or none. */
static bool run_given(struct building *building, const json_t *list)
{
    struct rpc_request *r = building->r;
    for (size_t i = 0; i < json_array_size(list); i++) {
        enum tx_verdict verdict;
        bytes raw;
        if (!json_read_data(json_array_get(list, i), &r->arena, &raw)) {
            rpc_refuse(r, RPC_INVALID_PARAMS, "invalid argument 2: transactions are data");
            return false;
        }
        if (!run_tx(building, raw, &verdict)) {
            return false;
        }
        if (verdict != TX_VALID) {
            rpc_refuse(r, RPC_SERVER, "transaction %zu: %s", i, tx_verdict_text(verdict));
            return false;
        }
    }
    return true;
}

/* What the pool has and the block can take. */
static bool run_pool(struct building *building)
{
    struct rpc_request *r = building->r;
    const struct pool_tx **taken = ARENA_ARRAY(&r->arena, const struct pool_tx *, TXS_MAX);
    if (taken == NULL) {
        return rpc_fault(r, ERR_LIMIT);
    }
    size_t count = pool_take(app_pool(r->app), taken, TXS_MAX, building->header.gas_limit,
                             BLOCK_BODY_BYTES_MAX);
    for (size_t i = 0; i < count; i++) {
        enum tx_verdict verdict;
        if (!run_tx(building, taken[i]->raw, &verdict)) {
            return false;
        }
    }
    return true;
}

/* --- the answer --- */

static json_t *json_payload(const struct building *building, const struct hash *hash)
{
    const struct block_header *header = &building->header;
    json_t *object = json_object();
    json_t *txs = json_array();
    for (size_t i = 0; i < building->body.txs.count; i++) {
        json_array_append_new(txs, json_data(building->body.txs.items[i]));
    }
    rpc_put(object, "parentHash", rpc_json_hash(&header->parent_hash));
    rpc_put(object, "feeRecipient", rpc_json_address(&header->coinbase));
    rpc_put(object, "stateRoot", rpc_json_hash(&header->state_root));
    rpc_put(object, "receiptsRoot", rpc_json_hash(&header->receipts_root));
    rpc_put(object, "logsBloom", json_data(BYTES_OF(header->bloom)));
    rpc_put(object, "prevRandao", rpc_json_hash(&header->prev_randao));
    rpc_put(object, "blockNumber", json_quantity(header->number));
    rpc_put(object, "gasLimit", json_quantity(header->gas_limit));
    rpc_put(object, "gasUsed", json_quantity(header->gas_used));
    rpc_put(object, "timestamp", json_quantity(header->time));
    rpc_put(object, "extraData", json_data(bytes_make(header->extra, header->extra_len)));
    rpc_put(object, "baseFeePerGas", rpc_json_u256(header->base_fee));
    rpc_put(object, "blockHash", rpc_json_hash(hash));
    rpc_put(object, "transactions", txs);
    if (header->form >= BLOCK_SHANGHAI) {
        rpc_put(object, "withdrawals", rpc_json_withdrawals(&building->body));
    }
    if (header->form >= BLOCK_CANCUN) {
        rpc_put(object, "blobGasUsed", json_quantity(header->blob_gas_used));
        rpc_put(object, "excessBlobGas", json_quantity(header->excess_blob_gas));
    }
    return object;
}

static json_t *json_requests(struct building *building)
{
    json_t *list = json_array();
    for (u8 type = 0; type < COUNT_OF(building->process.requests); type++) {
        bytes data = building->process.requests[type];
        if (data.len > 0) {
            struct buf text;
            buf_init(&text, RPC_REPLY_BYTES_MAX);
            buf_put_u8(&text, type);
            buf_put(&text, data);
            json_array_append_new(list, json_data(buf_bytes(&text)));
            buf_free(&text);
        }
    }
    return list;
}

static json_t *json_envelope(struct building *building)
{
    struct hash hash;
    json_t *object = json_object();
    json_t *blobs = json_object();
    block_header_hash(&hash, &building->header);
    rpc_put(blobs, "commitments", json_array()); /* the pool takes no blobs, and none were given */
    rpc_put(blobs, "proofs", json_array());
    rpc_put(blobs, "blobs", json_array());
    rpc_put(object, "executionPayload", json_payload(building, &hash));
    rpc_put(object, "blockValue", rpc_json_u256(building->value));
    rpc_put(object, "blobsBundle", blobs);
    rpc_put(object, "executionRequests", json_requests(building));
    rpc_put(object, "shouldOverrideBuilder", json_false());
    return object;
}

static bool execute(struct building *building)
{
    struct rpc_request *r = building->r;
    const json_t *given = rpc_param(r, 2);
    const struct process_options options = {
        .rules = app_rules(r->app),
        .header = &building->header,
        .journal = &building->dry.journal,
        .hashes = app_hashes(building->dry.view),
        .codes = building->dry.executor.codes,
        .arena = &r->arena,
        .tx_cap = TXS_MAX,
        .root = current_root,
        .root_ctx = building,
    };
    if (given != NULL && (!json_is_array(given) || json_array_size(given) > TXS_MAX)) {
        rpc_refuse(r, RPC_INVALID_PARAMS, "invalid argument 2: transactions are a list, or null");
        return false;
    }
    building->body.txs.items = ARENA_ARRAY(&r->arena, bytes, TXS_MAX);
    if (building->body.txs.items == NULL) {
        return rpc_fault(r, ERR_LIMIT);
    }
    if (!rpc_fine(r, process_begin(&building->process, &options)) ||
        !(given != NULL ? run_given(building, given) : run_pool(building)) ||
        !rpc_fine(r, process_end(&building->process, &building->body))) {
        return false;
    }
    if (building->process.wrong != NULL) {
        rpc_refuse(r, RPC_SERVER, "%s", building->process.wrong);
        return false;
    }
    return rpc_fine(r, process_seal(&building->process, &building->body, &building->header)) &&
           rpc_fine(r, app_dry_root(&building->dry, &building->header.state_root));
}

json_t *rpc_build_block(struct rpc_request *r)
{
    struct building building = {.r = r};
    struct rpc_block at;
    struct block_header parent;
    if (app_rules(r->app)->is_own) {
        return rpc_refuse(r, RPC_METHOD_NOT_FOUND, "only over an imported chain");
    }
    if (!rpc_read_block_hash(r, 0, &at)) {
        return NULL;
    }
    if (!at.is_found) {
        return rpc_refuse(r, RPC_SERVER, "unknown parent block");
    }
    if (rpc_view(r, at.height) == NULL || !rpc_fine(r, app_header(r->app, at.height, &parent)) ||
        !read_attributes(&building, &parent) || !read_extra(&building) ||
        !rpc_fine(r, app_dry_after(r->app, at.height, &building.dry))) {
        return NULL;
    }
    building.header.gas_limit = next_gas_limit(parent.gas_limit);
    bool fine = execute(&building);
    app_dry_close(&building.dry);
    return fine ? json_envelope(&building) : NULL;
}
