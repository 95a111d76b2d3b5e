/* blocks.c: blocks, their transactions and receipts. */
#include "ledger/rpc/methods.h"

#include "crypto/hash.h"
#include "ledger/app/external.h"

#define BLOCK_BYTES_MAX (EXTERNAL_BLOCK_BYTES_MAX + KIB(64))

/* --- loading --- */

static bool load_part(struct rpc_request *r, enum state_part part, u64 height, bytes *ret)
{
    struct state_view *view = rpc_chain_view(r);
    return view != NULL && rpc_fine(r, state_view_block(view, part, height, &r->arena, ret));
}

/* What is stored was made by this node: if it does not decode the disk is at fault. */
static bool decoded(struct rpc_request *r, err e)
{
    return rpc_fine(r, is_err(e, ERR_MALFORMED) ? fail(ERR_INTEGRITY) : e);
}

bool rpc_load_header(struct rpc_request *r, u64 height, struct rpc_block_data *ret)
{
    bytes encoded;
    if (!load_part(r, STATE_HEADER, height, &encoded) ||
        !decoded(r, block_header_decode(encoded, &ret->header))) {
        return false;
    }
    keccak256(&ret->hash, encoded);
    return true;
}

bool rpc_load_txs(struct rpc_request *r, u64 height, struct rpc_block_data *ret)
{
    bytes body;
    return load_part(r, STATE_BODY, height, &body) &&
           decoded(r, block_full_body_decode(&r->arena, body, &ret->body));
}

bool rpc_load_receipts(struct rpc_request *r, u64 height, struct rpc_block_data *ret)
{
    bytes encoded;
    size_t count;
    if (!load_part(r, STATE_RECEIPTS, height, &encoded) ||
        !decoded(r, receipts_decode(&r->arena, encoded, &ret->receipts, &count))) {
        return false;
    }
    return count == ret->body.txs.count || rpc_fault(r, ERR_INTEGRITY);
}

bool rpc_decode_tx(struct rpc_request *r, bytes raw, struct tx *ret)
{
    return tx_decode_within(&r->arena, raw, EXTERNAL_BLOCK_BYTES_MAX, ret) == TX_VALID ||
           rpc_fault(r, ERR_INTEGRITY);
}

/* --- whole blocks --- */

u64 rpc_block_size(const struct block_header *header, const struct block_body *body)
{
    struct buf text;
    buf_init(&text, BLOCK_BYTES_MAX);
    block_encode(&text, header, body);
    u64 size = text.len;
    buf_free(&text);
    return size;
}

static json_t *tx_hashes(const struct block_txs *txs)
{
    json_t *list = json_array();
    for (size_t i = 0; i < txs->count; i++) {
        struct hash hash;
        tx_hash(&hash, txs->items[i]);
        json_array_append_new(list, rpc_json_hash(&hash));
    }
    return list;
}

/* full_txs: NULL after a refusal. */
static json_t *full_txs(struct rpc_request *r, const struct rpc_block_data *block)
{
    json_t *list = json_array();
    for (size_t i = 0; i < block->body.txs.count; i++) {
        const struct rpc_place place = {block, i};
        json_t *tx = rpc_json_tx(r, block->body.txs.items[i], NULL, &place);
        if (tx == NULL) {
            json_decref(list);
            return NULL;
        }
        json_array_append_new(list, tx);
    }
    return list;
}

static json_t *stored_block(struct rpc_request *r, u64 height, bool full)
{
    struct rpc_block_data block;
    if (!rpc_load_header(r, height, &block) || !rpc_load_txs(r, height, &block)) {
        return NULL;
    }
    json_t *txs = full ? full_txs(r, &block) : tx_hashes(&block.body.txs);
    if (txs == NULL) {
        return NULL;
    }
    json_t *object = rpc_json_header(&block.header, &block.hash, false);
    rpc_put(object, "size", json_quantity(rpc_block_size(&block.header, &block.body)));
    rpc_put(object, "transactions", txs);
    rpc_put_body(object, &block.header, &block.body);
    return object;
}

/* What the next block would be without any transaction. */
static json_t *pending_block(struct rpc_request *r)
{
    struct rpc_block_data block = {0};
    struct loop *loop = r->rpc->options.loop;
    u64 time = loop != NULL ? loop_wall_ms(loop) / 1000 : 0;
    if (!rpc_fine(r, app_header_after(r->app, rpc_head(r), time, &block.header))) {
        return NULL;
    }
    block.header.state_root = state_head(app_state(r->app)).root;
    json_t *object = rpc_json_header(&block.header, NULL, true);
    rpc_put(object, "size", json_quantity(rpc_block_size(&block.header, &block.body)));
    rpc_put(object, "transactions", json_array());
    rpc_put_body(object, &block.header, &block.body);
    return object;
}

json_t *rpc_block_by_number(struct rpc_request *r)
{
    struct rpc_block block;
    bool full;
    if (!rpc_find_block(r, rpc_param(r, 0), &block) || !rpc_read_flag(r, 1, &full)) {
        return NULL;
    }
    if (!block.is_found) {
        return json_null();
    }
    return block.is_pending ? pending_block(r) : stored_block(r, block.height, full);
}

json_t *rpc_block_by_hash(struct rpc_request *r)
{
    struct rpc_block block;
    bool full;
    if (!rpc_read_block_hash(r, 0, &block) || !rpc_read_flag(r, 1, &full)) {
        return NULL;
    }
    return block.is_found ? stored_block(r, block.height, full) : json_null();
}

/* --- headers alone --- */

static json_t *stored_header(struct rpc_request *r, const struct rpc_block *at)
{
    struct rpc_block_data block;
    if (!at->is_found) {
        return json_null();
    }
    return rpc_load_header(r, at->height, &block)
               ? rpc_json_header(&block.header, &block.hash, false)
               : NULL;
}

json_t *rpc_header_by_number(struct rpc_request *r)
{
    struct rpc_block block;
    return rpc_find_block(r, rpc_param(r, 0), &block) ? stored_header(r, &block) : NULL;
}

json_t *rpc_header_by_hash(struct rpc_request *r)
{
    struct rpc_block block;
    return rpc_read_block_hash(r, 0, &block) ? stored_header(r, &block) : NULL;
}

/* --- counts --- */

static json_t *tx_count(struct rpc_request *r, const struct rpc_block *block)
{
    struct rpc_block_data data;
    if (!block->is_found) {
        return json_null();
    }
    if (block->is_pending) {
        return json_quantity(0);
    }
    return rpc_load_txs(r, block->height, &data) ? json_quantity(data.body.txs.count) : NULL;
}

json_t *rpc_tx_count_by_number(struct rpc_request *r)
{
    struct rpc_block block;
    return rpc_find_block(r, rpc_param(r, 0), &block) ? tx_count(r, &block) : NULL;
}

json_t *rpc_tx_count_by_hash(struct rpc_request *r)
{
    struct rpc_block block;
    return rpc_read_block_hash(r, 0, &block) ? tx_count(r, &block) : NULL;
}

static json_t *uncle_count(struct rpc_request *r, const struct rpc_block *block)
{
    struct rpc_block_data data;
    if (!block->is_found) {
        return json_null();
    }
    if (block->is_pending) {
        return json_quantity(0);
    }
    return rpc_load_txs(r, block->height, &data) ? json_quantity(data.body.ommer_count) : NULL;
}

json_t *rpc_uncle_count_by_number(struct rpc_request *r)
{
    struct rpc_block block;
    return rpc_find_block(r, rpc_param(r, 0), &block) ? uncle_count(r, &block) : NULL;
}

json_t *rpc_uncle_count_by_hash(struct rpc_request *r)
{
    struct rpc_block block;
    return rpc_read_block_hash(r, 0, &block) ? uncle_count(r, &block) : NULL;
}

/* An ommer as a block without transactions. */
static json_t *uncle(struct rpc_request *r, const struct rpc_block *block, u64 index)
{
    struct rpc_block_data data;
    struct hash hash;
    if (!block->is_found || block->is_pending) {
        return json_null();
    }
    if (!rpc_load_txs(r, block->height, &data)) {
        return NULL;
    }
    if (index >= data.body.ommer_count) {
        return json_null();
    }
    const struct block_header *header = &data.body.ommer_headers[index];
    const struct block_body none = {0};
    block_header_hash(&hash, header);
    json_t *object = rpc_json_header(header, &hash, false);
    rpc_put(object, "size", json_quantity(rpc_block_size(header, &none)));
    rpc_put_body(object, header, &none);
    return object;
}

json_t *rpc_uncle_by_number(struct rpc_request *r)
{
    struct rpc_block block;
    u64 index;
    bool fine = rpc_find_block(r, rpc_param(r, 0), &block) && rpc_read_quantity(r, 1, &index);
    return fine ? uncle(r, &block, index) : NULL;
}

json_t *rpc_uncle_by_hash(struct rpc_request *r)
{
    struct rpc_block block;
    u64 index;
    bool fine = rpc_read_block_hash(r, 0, &block) && rpc_read_quantity(r, 1, &index);
    return fine ? uncle(r, &block, index) : NULL;
}

/* --- transactions --- */

static json_t *stored_tx(struct rpc_request *r, u64 height, u64 index)
{
    struct rpc_block_data block;
    if (!rpc_load_header(r, height, &block) || !rpc_load_txs(r, height, &block)) {
        return NULL;
    }
    if (index >= block.body.txs.count) {
        return json_null();
    }
    const struct rpc_place place = {&block, (size_t)index};
    return rpc_json_tx(r, block.body.txs.items[index], NULL, &place);
}

json_t *rpc_tx_by_block_number(struct rpc_request *r)
{
    struct rpc_block block;
    u64 index;
    if (!rpc_find_block(r, rpc_param(r, 0), &block) || !rpc_read_quantity(r, 1, &index)) {
        return NULL;
    }
    bool stored = block.is_found && !block.is_pending;
    return stored ? stored_tx(r, block.height, index) : json_null();
}

json_t *rpc_tx_by_block_hash(struct rpc_request *r)
{
    struct rpc_block block;
    u64 index;
    if (!rpc_read_block_hash(r, 0, &block) || !rpc_read_quantity(r, 1, &index)) {
        return NULL;
    }
    return block.is_found ? stored_tx(r, block.height, index) : json_null();
}

/* Where a transaction is; *ret_found false: in no block. */
static bool find_tx(struct rpc_request *r, const struct hash *hash, u64 *ret_height, u32 *ret_index,
                    bool *ret_found)
{
    struct state_view *view = rpc_chain_view(r);
    if (view == NULL) {
        return false;
    }
    err e = state_view_tx(view, hash, ret_height, ret_index);
    *ret_found = is_ok(e);
    return is_err(e, ERR_NOT_FOUND) || rpc_fine(r, e);
}

json_t *rpc_tx_by_hash(struct rpc_request *r)
{
    struct hash hash;
    u64 height;
    u32 index;
    bool found;
    if (!rpc_read_hash(r, 0, &hash) || !find_tx(r, &hash, &height, &index, &found)) {
        return NULL;
    }
    if (found) {
        return stored_tx(r, height, index);
    }
    const struct pool_tx *waiting = pool_get(app_pool(r->app), &hash);
    const struct rpc_place nowhere = {0};
    return waiting != NULL ? rpc_json_tx(r, waiting->raw, &waiting->sender, &nowhere) : json_null();
}

/* --- receipts --- */

static bool load_all(struct rpc_request *r, u64 height, struct rpc_block_data *ret)
{
    return rpc_load_header(r, height, ret) && rpc_load_txs(r, height, ret) &&
           rpc_load_receipts(r, height, ret);
}

json_t *rpc_receipt_of(struct rpc_request *r, const struct hash *hash)
{
    struct rpc_block_data block;
    u64 height;
    u32 index;
    bool found;
    if (!find_tx(r, hash, &height, &index, &found)) {
        return NULL;
    }
    if (!found) {
        return json_null();
    }
    const struct rpc_place place = {&block, index};
    return load_all(r, height, &block) ? rpc_json_receipt(r, &place) : NULL;
}

json_t *rpc_tx_receipt(struct rpc_request *r)
{
    struct hash hash;
    return rpc_read_hash(r, 0, &hash) ? rpc_receipt_of(r, &hash) : NULL;
}

json_t *rpc_block_receipts(struct rpc_request *r)
{
    struct rpc_block at;
    struct rpc_block_data block;
    if (!rpc_find_block(r, rpc_param(r, 0), &at)) {
        return NULL;
    }
    if (!at.is_found) {
        return json_null();
    }
    if (!load_all(r, at.height, &block)) {
        return NULL;
    }
    json_t *list = json_array();
    for (size_t i = 0; i < block.body.txs.count; i++) {
        const struct rpc_place place = {&block, i};
        json_t *receipt = rpc_json_receipt(r, &place);
        if (receipt == NULL) {
            json_decref(list);
            return NULL;
        }
        json_array_append_new(list, receipt);
    }
    return list;
}

/* --- raw forms --- */

json_t *rpc_raw_header(struct rpc_request *r)
{
    struct rpc_block block;
    bytes header;
    bool fine = rpc_read_block(r, 0, &block) && load_part(r, STATE_HEADER, block.height, &header);
    return fine ? json_data(header) : NULL;
}

json_t *rpc_raw_block(struct rpc_request *r)
{
    struct rpc_block at;
    struct rpc_block_data block;
    if (!rpc_read_block(r, 0, &at) || !rpc_load_header(r, at.height, &block) ||
        !rpc_load_txs(r, at.height, &block)) {
        return NULL;
    }
    struct buf text;
    buf_init(&text, BLOCK_BYTES_MAX);
    block_encode(&text, &block.header, &block.body);
    json_t *result = rpc_fine(r, buf_done(&text)) ? json_data(buf_bytes(&text)) : NULL;
    buf_free(&text);
    return result;
}

json_t *rpc_raw_receipts(struct rpc_request *r)
{
    struct rpc_block at;
    struct rpc_block_data block;
    if (!rpc_read_block(r, 0, &at) || !load_all(r, at.height, &block)) {
        return NULL;
    }
    json_t *list = json_array();
    struct buf text;
    buf_init(&text, RPC_REPLY_BYTES_MAX);
    for (size_t i = 0; i < block.body.txs.count; i++) {
        buf_clear(&text);
        receipt_encode(&text, &block.receipts[i]);
        json_array_append_new(list, json_data(buf_bytes(&text)));
    }
    buf_free(&text);
    return list;
}

json_t *rpc_raw_tx(struct rpc_request *r)
{
    struct hash hash;
    struct rpc_block_data block;
    u64 height;
    u32 index;
    bool found;
    if (!rpc_read_hash(r, 0, &hash) || !find_tx(r, &hash, &height, &index, &found)) {
        return NULL;
    }
    if (found) {
        return rpc_load_txs(r, height, &block) ? json_data(block.body.txs.items[index]) : NULL;
    }
    const struct pool_tx *waiting = pool_get(app_pool(r->app), &hash);
    return waiting != NULL ? json_data(waiting->raw) : json_null();
}
