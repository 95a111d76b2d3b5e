/* forms.c: headers, transactions, receipts and logs as JSON. Member names: execution-apis. */
#include "ledger/rpc/internal.h"

#include "base/assert.h"
#include "codec/rlp.h"
#include "crypto/hash.h"

void rpc_put(json_t *object, const char *key, json_t *value)
{
    assert_that(json_object_set_new(object, key, value) == 0);
}

json_t *rpc_json_u256(struct u256 value)
{
    u8 word[32];
    u256_to_be(word, value);
    return json_quantity256(word);
}

json_t *rpc_json_hash(const struct hash *hash) { return json_data(BYTES_OF(*hash)); }

json_t *rpc_json_address(const struct address *address) { return json_data(BYTES_OF(*address)); }

/* --- headers --- */

static void put_pending_fields(json_t *block, const struct block_header *header,
                               const struct hash *hash, bool is_pending)
{
    rpc_put(block, "hash", is_pending ? json_null() : rpc_json_hash(hash));
    rpc_put(block, "nonce", is_pending ? json_null() : json_data(BYTES_OF(header->nonce)));
    rpc_put(block, "miner", is_pending ? json_null() : rpc_json_address(&header->coinbase));
}

/* What London and later forks added. */
static void put_later_fields(json_t *block, const struct block_header *header)
{
    if (header->form >= BLOCK_LONDON) {
        rpc_put(block, "baseFeePerGas", rpc_json_u256(header->base_fee));
    }
    if (header->form >= BLOCK_SHANGHAI) {
        rpc_put(block, "withdrawalsRoot", rpc_json_hash(&header->withdrawals_root));
    }
    if (header->form >= BLOCK_CANCUN) {
        rpc_put(block, "blobGasUsed", json_quantity(header->blob_gas_used));
        rpc_put(block, "excessBlobGas", json_quantity(header->excess_blob_gas));
        rpc_put(block, "parentBeaconBlockRoot", rpc_json_hash(&header->parent_beacon_root));
    }
    if (header->form >= BLOCK_PRAGUE) {
        rpc_put(block, "requestsHash", rpc_json_hash(&header->requests_hash));
    }
}

json_t *rpc_json_header(const struct block_header *header, const struct hash *hash, bool is_pending)
{
    json_t *block = json_object();
    rpc_put(block, "number", json_quantity(header->number));
    put_pending_fields(block, header, hash, is_pending);
    rpc_put(block, "parentHash", rpc_json_hash(&header->parent_hash));
    rpc_put(block, "sha3Uncles", rpc_json_hash(&header->ommers_hash));
    rpc_put(block, "stateRoot", rpc_json_hash(&header->state_root));
    rpc_put(block, "transactionsRoot", rpc_json_hash(&header->txs_root));
    rpc_put(block, "receiptsRoot", rpc_json_hash(&header->receipts_root));
    rpc_put(block, "logsBloom", json_data(BYTES_OF(header->bloom)));
    rpc_put(block, "difficulty", json_quantity(header->difficulty));
    rpc_put(block, "gasLimit", json_quantity(header->gas_limit));
    rpc_put(block, "gasUsed", json_quantity(header->gas_used));
    rpc_put(block, "timestamp", json_quantity(header->time));
    rpc_put(block, "extraData", json_data(bytes_make(header->extra, header->extra_len)));
    rpc_put(block, "mixHash", rpc_json_hash(&header->prev_randao));
    put_later_fields(block, header);
    return block;
}

static json_t *json_withdrawal(const struct block_withdrawal *withdrawal)
{
    json_t *object = json_object();
    rpc_put(object, "index", json_quantity(withdrawal->index));
    rpc_put(object, "validatorIndex", json_quantity(withdrawal->validator));
    rpc_put(object, "address", rpc_json_address(&withdrawal->address));
    rpc_put(object, "amount", json_quantity(withdrawal->amount_gwei));
    return object;
}

json_t *rpc_json_withdrawals(const struct block_body *body)
{
    json_t *list = json_array();
    for (size_t i = 0; i < body->withdrawal_count; i++) {
        json_array_append_new(list, json_withdrawal(&body->withdrawals[i]));
    }
    return list;
}

void rpc_put_body(json_t *block, const struct block_header *header, const struct block_body *body)
{
    json_t *uncles = json_array();
    for (size_t i = 0; i < body->ommer_count; i++) {
        struct hash hash;
        block_header_hash(&hash, &body->ommer_headers[i]);
        json_array_append_new(uncles, rpc_json_hash(&hash));
    }
    rpc_put(block, "uncles", uncles);
    if (header->form >= BLOCK_SHANGHAI) {
        rpc_put(block, "withdrawals", rpc_json_withdrawals(body));
    }
}

/* --- transactions --- */

static void put_place(json_t *object, const struct rpc_place *place)
{
    const struct rpc_block_data *block = place->block;
    rpc_put(object, "blockHash", block != NULL ? rpc_json_hash(&block->hash) : json_null());
    rpc_put(object, "blockNumber",
            block != NULL ? json_quantity(block->header.number) : json_null());
    rpc_put(object, "blockTimestamp",
            block != NULL ? json_quantity(block->header.time) : json_null());
    rpc_put(object, "transactionIndex", block != NULL ? json_quantity(place->index) : json_null());
}

json_t *rpc_json_access(const struct tx *tx)
{
    json_t *list = json_array();
    for (size_t i = 0; i < tx->access_count; i++) {
        json_t *keys = json_array();
        for (size_t j = 0; j < tx->access[i].slot_count; j++) {
            json_array_append_new(keys, rpc_json_hash(&tx->access[i].slots[j]));
        }
        json_t *item = json_object();
        rpc_put(item, "address", rpc_json_address(&tx->access[i].address));
        rpc_put(item, "storageKeys", keys);
        json_array_append_new(list, item);
    }
    return list;
}

static json_t *json_authorizations(const struct tx *tx)
{
    json_t *list = json_array();
    for (size_t i = 0; i < tx->authorization_count; i++) {
        const struct tx_authorization *authorization = &tx->authorizations[i];
        json_t *item = json_object();
        rpc_put(item, "chainId", rpc_json_u256(authorization->chain_id));
        rpc_put(item, "address", rpc_json_address(&authorization->address));
        rpc_put(item, "nonce", json_quantity(authorization->nonce));
        rpc_put(item, "yParity", json_quantity(authorization->parity));
        rpc_put(item, "r", json_quantity256(authorization->r));
        rpc_put(item, "s", json_quantity256(authorization->s));
        json_array_append_new(list, item);
    }
    return list;
}

/* What only some types have. */
static void put_lists(json_t *object, const struct tx *tx)
{
    if (tx->type != TX_LEGACY) {
        rpc_put(object, "accessList", rpc_json_access(tx));
    }
    if (tx->type == TX_BLOB) {
        json_t *hashes = json_array();
        for (size_t i = 0; i < tx->blob_count; i++) {
            json_array_append_new(hashes, rpc_json_hash(&tx->blob_hashes[i]));
        }
        rpc_put(object, "maxFeePerBlobGas", rpc_json_u256(tx->max_blob_fee));
        rpc_put(object, "blobVersionedHashes", hashes);
    }
    if (tx->type == TX_SET_CODE) {
        rpc_put(object, "authorizationList", json_authorizations(tx));
    }
}

static void put_signature(json_t *object, const struct tx *tx)
{
    u64 parity = tx->signature.b[64];
    u64 v = parity;
    if (tx->type == TX_LEGACY) {
        v = tx->has_chain_id ? 35 + 2 * tx->chain_id + parity : 27 + parity; /* EIP-155 */
    } else {
        rpc_put(object, "yParity", json_quantity(parity));
    }
    if (tx->has_chain_id) {
        rpc_put(object, "chainId", json_quantity(tx->chain_id));
    }
    rpc_put(object, "v", json_quantity(v));
    rpc_put(object, "r", json_quantity256(tx->signature.b));
    rpc_put(object, "s", json_quantity256(tx->signature.b + 32));
}

/* What a unit of gas costs; for a waiting transaction: at most. */
static struct u256 gas_price(const struct tx *tx, const struct rpc_place *place)
{
    struct u256 price = tx->max_fee;
    struct u256 tip;
    if (place->block != NULL && tx_price(tx, place->block->header.base_fee, &price, &tip)) {
        return price;
    }
    return tx->max_fee;
}

static void put_fees(json_t *object, const struct tx *tx, const struct rpc_place *place)
{
    rpc_put(object, "gasPrice", rpc_json_u256(gas_price(tx, place)));
    if (tx->type >= TX_DYNAMIC_FEE) {
        rpc_put(object, "maxFeePerGas", rpc_json_u256(tx->max_fee));
        rpc_put(object, "maxPriorityFeePerGas", rpc_json_u256(tx->max_priority));
    }
}

/* The sender of a transaction that was accepted once. */
static bool sender_of(struct rpc_request *r, const struct tx *tx, struct address *ret)
{
    return tx_sender(tx, ret) || rpc_fault(r, ERR_INTEGRITY);
}

json_t *rpc_json_decoded_tx(const struct tx *tx, const struct hash *hash,
                            const struct address *from, const struct rpc_place *place)
{
    json_t *object = json_object();
    put_place(object, place);
    rpc_put(object, "hash", rpc_json_hash(hash));
    rpc_put(object, "type", json_quantity((u64)tx->type));
    rpc_put(object, "from", rpc_json_address(from));
    rpc_put(object, "to", tx->is_create ? json_null() : rpc_json_address(&tx->to));
    rpc_put(object, "nonce", json_quantity(tx->nonce));
    rpc_put(object, "value", rpc_json_u256(tx->value));
    rpc_put(object, "gas", json_quantity(tx->gas_limit));
    put_fees(object, tx, place);
    rpc_put(object, "input", json_data(tx->input));
    put_lists(object, tx);
    put_signature(object, tx);
    return object;
}

json_t *rpc_json_tx(struct rpc_request *r, bytes raw, const struct address *sender,
                    const struct rpc_place *place)
{
    struct tx tx;
    struct hash hash;
    struct address from;
    if (!rpc_decode_tx(r, raw, &tx)) {
        return NULL;
    }
    if (sender != NULL) {
        from = *sender;
    } else if (!sender_of(r, &tx, &from)) {
        return NULL;
    }
    tx_hash(&hash, raw);
    return rpc_json_decoded_tx(&tx, &hash, &from, place);
}

/* --- receipts and logs --- */

json_t *rpc_json_log(const struct journal_log *log, const struct rpc_place *place,
                     const struct hash *tx_hash, u64 log_index)
{
    json_t *object = json_object();
    json_t *topics = json_array();
    for (size_t i = 0; i < log->topic_count; i++) {
        json_array_append_new(topics, rpc_json_hash(&log->topics[i]));
    }
    rpc_put(object, "address", rpc_json_address(&log->address));
    rpc_put(object, "topics", topics);
    rpc_put(object, "data", json_data(log->data));
    put_place(object, place);
    rpc_put(object, "transactionHash", rpc_json_hash(tx_hash));
    rpc_put(object, "logIndex", json_quantity(log_index));
    rpc_put(object, "removed", json_false());
    return object;
}

static json_t *json_logs(const struct rpc_place *place, const struct hash *hash)
{
    const struct receipt *receipts = place->block->receipts;
    const struct receipt *receipt = &receipts[place->index];
    json_t *logs = json_array();
    u64 log_index = 0;
    for (size_t i = 0; i < place->index; i++) {
        log_index += receipts[i].log_count;
    }
    for (size_t i = 0; i < receipt->log_count; i++) {
        json_array_append_new(logs, rpc_json_log(&receipt->logs[i], place, hash, log_index + i));
    }
    return logs;
}

/* The address of the contract that a creation made (yellow paper 7). */
static struct address created_address(const struct address *sender, u64 nonce)
{
    struct buf text;
    struct hash hash;
    struct address address;
    buf_init(&text, 64);
    size_t list = rlp_list_begin(&text);
    rlp_put_bytes(&text, BYTES_OF(*sender));
    rlp_put_u64(&text, nonce);
    rlp_list_end(&text, list);
    keccak256(&hash, buf_bytes(&text));
    buf_free(&text);
    memcpy(address.b, hash.b + 12, sizeof address.b);
    return address;
}

static void put_blob_gas(struct rpc_request *r, json_t *object, const struct tx *tx,
                         const struct block_header *header)
{
    if (tx->type == TX_BLOB) {
        const struct rules_blobs *blobs = rules_blobs_at(app_rules(r->app), header->time);
        struct u256 price = rules_blob_base_fee(blobs, header->excess_blob_gas);
        rpc_put(object, "blobGasUsed", json_quantity(tx_blob_gas(tx)));
        rpc_put(object, "blobGasPrice", rpc_json_u256(price));
    }
}

static void put_outcome(json_t *object, const struct receipt *receipt)
{
    if (receipt->has_root) {
        rpc_put(object, "root", rpc_json_hash(&receipt->root));
    } else {
        rpc_put(object, "status", json_quantity(receipt->success));
    }
}

json_t *rpc_json_receipt(struct rpc_request *r, const struct rpc_place *place)
{
    const struct rpc_block_data *block = place->block;
    const struct receipt *receipt = &block->receipts[place->index];
    bytes raw = block->body.txs.items[place->index];
    u64 before = place->index > 0 ? receipt[-1].cumulative_gas : 0;
    struct tx tx;
    struct hash hash;
    struct address from;
    if (!rpc_decode_tx(r, raw, &tx) || !sender_of(r, &tx, &from)) {
        return NULL;
    }
    struct address created = created_address(&from, tx.nonce);
    tx_hash(&hash, raw);
    json_t *object = json_object();
    rpc_put(object, "transactionHash", rpc_json_hash(&hash));
    rpc_put(object, "transactionIndex", json_quantity(place->index));
    rpc_put(object, "blockHash", rpc_json_hash(&block->hash));
    rpc_put(object, "blockNumber", json_quantity(block->header.number));
    rpc_put(object, "from", rpc_json_address(&from));
    rpc_put(object, "to", tx.is_create ? json_null() : rpc_json_address(&tx.to));
    rpc_put(object, "cumulativeGasUsed", json_quantity(receipt->cumulative_gas));
    rpc_put(object, "gasUsed", json_quantity(receipt->cumulative_gas - before));
    rpc_put(object, "effectiveGasPrice", rpc_json_u256(gas_price(&tx, place)));
    rpc_put(object, "contractAddress", tx.is_create ? rpc_json_address(&created) : json_null());
    rpc_put(object, "logs", json_logs(place, &hash));
    rpc_put(object, "logsBloom", json_data(BYTES_OF(receipt->bloom)));
    rpc_put(object, "type", json_quantity(receipt->type));
    put_blob_gas(r, object, &tx, &block->header);
    put_outcome(object, receipt);
    return object;
}
