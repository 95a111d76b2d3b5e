/* fees.c: what gas costs. */
#include "ledger/rpc/methods.h"

#include <stdlib.h>

#define TIP_BLOCKS 20u       /* looked at for a suggestion */
#define TIP_DEFAULT 1000000u /* wei, when nobody had to outbid anybody */
#define TIP_PERCENT 60u

static struct u256 next_base_fee(const struct rpc_request *r) { return app_pool(r->app)->base_fee; }

json_t *rpc_base_fee(struct rpc_request *r) { return rpc_json_u256(next_base_fee(r)); }

static struct u256 blob_fee(const struct rpc_request *r, const struct block_header *header)
{
    if (header->form < BLOCK_CANCUN) {
        return u256_from_u64(0);
    }
    return rules_blob_base_fee(rules_blobs_at(app_rules(r->app), header->time),
                               header->excess_blob_gas);
}

/* On our own chain, which has no blobs, it stays at its minimum. */
json_t *rpc_blob_base_fee(struct rpc_request *r)
{
    struct block_header next;
    return rpc_fine(r, app_header_after(r->app, rpc_head(r), 0, &next))
               ? rpc_json_u256(blob_fee(r, &next))
               : NULL;
}

struct tip {
    struct u256 tip;
    u64 gas;
};

static int by_tip(const void *a, const void *b)
{
    const struct tip *x = a;
    const struct tip *y = b;
    return u256_cmp(x->tip, y->tip);
}

/* The tips of a block's transactions, ascending, with the gas each took. */
static bool block_tips(struct rpc_request *r, u64 height, struct rpc_block_data *block,
                       struct tip **ret_tips)
{
    if (!rpc_load_header(r, height, block) || !rpc_load_txs(r, height, block) ||
        !rpc_load_receipts(r, height, block)) {
        return false;
    }
    struct tip *tips = ARENA_ARRAY(&r->arena, struct tip, block->body.txs.count + 1);
    if (tips == NULL) {
        return rpc_fault(r, ERR_LIMIT);
    }
    u64 before = 0;
    for (size_t i = 0; i < block->body.txs.count; i++) {
        struct tx tx;
        struct u256 price;
        if (!rpc_decode_tx(r, block->body.txs.items[i], &tx)) {
            return false;
        }
        if (!tx_price(&tx, block->header.base_fee, &price, &tips[i].tip)) {
            return rpc_fault(r, ERR_INTEGRITY);
        }
        tips[i].gas = block->receipts[i].cumulative_gas - before;
        before = block->receipts[i].cumulative_gas;
    }
    if (block->body.txs.count > 1) {
        qsort(tips, block->body.txs.count, sizeof *tips, by_tip);
    }
    *ret_tips = tips;
    return true;
}

/* Of the lowest tips that got into the last blocks, the one above 60 % of them. */
static bool suggest_tip(struct rpc_request *r, struct u256 *ret_tip)
{
    struct tip lowest[TIP_BLOCKS];
    size_t count = 0;
    u64 head = rpc_head(r);
    struct u256 least = app_pool(r->app)->options.tip_min;
    for (u64 i = 0; i < TIP_BLOCKS && i < head; i++) {
        struct rpc_block_data block;
        struct tip *tips;
        if (!block_tips(r, head - i, &block, &tips)) {
            return false;
        }
        if (block.body.txs.count > 0) {
            lowest[count++] = tips[0];
        }
    }
    struct u256 tip = u256_from_u64(TIP_DEFAULT);
    if (count > 0) {
        qsort(lowest, count, sizeof lowest[0], by_tip);
        tip = lowest[(count - 1) * TIP_PERCENT / 100].tip;
    }
    *ret_tip = u256_cmp(tip, least) < 0 ? least : tip;
    return true;
}

json_t *rpc_priority_fee(struct rpc_request *r)
{
    struct u256 tip;
    return suggest_tip(r, &tip) ? rpc_json_u256(tip) : NULL;
}

json_t *rpc_gas_price(struct rpc_request *r)
{
    struct u256 tip;
    struct u256 price;
    if (!suggest_tip(r, &tip)) {
        return NULL;
    }
    return u256_add(&price, tip, next_base_fee(r)) ? rpc_json_u256(price)
                                                   : rpc_refuse(r, RPC_INTERNAL, "overflow");
}

/* --- eth_feeHistory --- */

struct history {
    u64 first;
    u64 count;
    const json_t *percentiles; /* NULL: no rewards */
    json_t *base_fees;
    json_t *ratios;
    json_t *rewards;
    json_t *blob_fees;
    json_t *blob_ratios;
};

static bool read_percentiles(struct rpc_request *r, const json_t **ret)
{
    const json_t *list = rpc_param(r, 2);
    double last = 0;
    size_t count = json_array_size(list);
    bool fine = list == NULL || (json_is_array(list) && count <= RPC_FEE_PERCENTILES_MAX);
    for (size_t i = 0; fine && i < count; i++) {
        const json_t *item = json_array_get(list, i);
        double percent = json_number_value(item);
        fine = json_is_number(item) && percent >= last && percent <= 100;
        last = percent;
    }
    if (!fine) {
        rpc_refuse(r, RPC_INVALID_PARAMS,
                   "invalid argument 2: percentiles are ascending numbers of 0 to 100");
        return false;
    }
    *ret = count > 0 ? list : NULL;
    return true;
}

/* The count comes as a quantity or as a JSON number. */
static bool read_count(struct rpc_request *r, u64 *ret)
{
    const json_t *value = rpc_param(r, 0);
    if (json_is_integer(value) && json_integer_value(value) >= 0) {
        *ret = (u64)json_integer_value(value);
        return true;
    }
    return rpc_read_quantity(r, 0, ret);
}

static json_t *percentile_row(const json_t *percentiles, const struct rpc_block_data *block,
                              const struct tip *tips)
{
    json_t *row = json_array();
    size_t at = 0;
    u64 gas = block->body.txs.count > 0 ? tips[0].gas : 0;
    for (size_t i = 0; i < json_array_size(percentiles); i++) {
        double percent = json_number_value(json_array_get(percentiles, i));
        double threshold = (double)block->header.gas_used * percent / 100;
        while (at + 1 < block->body.txs.count && (double)gas < threshold) {
            at++;
            gas += tips[at].gas;
        }
        struct u256 tip = block->body.txs.count > 0 ? tips[at].tip : u256_from_u64(0);
        json_array_append_new(row, rpc_json_u256(tip));
    }
    return row;
}

/* What the fees of the block after the last one will be, if it comes soon. */
static void add_next(struct rpc_request *r, struct history *history,
                     const struct block_header *last)
{
    struct block_header next;
    rules_next_header(app_rules(r->app), last, last->time + 1, &next);
    json_array_append_new(history->base_fees,
                          rpc_json_u256(rules_base_fee(app_rules(r->app), last)));
    json_array_append_new(history->blob_fees, rpc_json_u256(blob_fee(r, &next)));
}

static bool add_block(struct rpc_request *r, struct history *history, u64 height)
{
    struct rpc_block_data block;
    struct tip *tips;
    if (history->percentiles == NULL) {
        if (!rpc_load_header(r, height, &block)) {
            return false;
        }
    } else if (block_tips(r, height, &block, &tips)) {
        json_array_append_new(history->rewards, percentile_row(history->percentiles, &block, tips));
    } else {
        return false;
    }
    json_array_append_new(history->base_fees, rpc_json_u256(block.header.base_fee));
    json_array_append_new(
        history->ratios, json_real((double)block.header.gas_used / (double)block.header.gas_limit));
    const struct rules_blobs *blobs = rules_blobs_at(app_rules(r->app), block.header.time);
    double most = blobs != NULL ? (double)(blobs->max * RULES_GAS_PER_BLOB) : 1;
    json_array_append_new(history->blob_fees, rpc_json_u256(blob_fee(r, &block.header)));
    u64 blob_gas = block.header.blob_gas_used;
    json_array_append_new(history->blob_ratios,
                          blob_gas == 0 ? json_integer(0) : json_real((double)blob_gas / most));
    if (height + 1 == history->first + history->count) {
        add_next(r, history, &block.header);
    }
    return true;
}

static json_t *json_history(struct history *history)
{
    json_t *object = json_object();
    rpc_put(object, "oldestBlock", json_quantity(history->first));
    rpc_put(object, "baseFeePerGas", json_incref(history->base_fees));
    rpc_put(object, "gasUsedRatio", json_incref(history->ratios));
    rpc_put(object, "baseFeePerBlobGas", json_incref(history->blob_fees));
    rpc_put(object, "blobGasUsedRatio", json_incref(history->blob_ratios));
    if (history->percentiles != NULL) {
        rpc_put(object, "reward", json_incref(history->rewards));
    }
    return object;
}

json_t *rpc_fee_history(struct rpc_request *r)
{
    struct history history = {0};
    struct rpc_block newest;
    if (!read_count(r, &history.count) || !read_percentiles(r, &history.percentiles) ||
        !rpc_find_block(r, rpc_param(r, 1), &newest)) {
        return NULL;
    }
    if (!newest.is_found) {
        return rpc_refuse(r, RPC_INVALID_PARAMS, "request beyond head block");
    }
    if (history.count == 0) {
        return rpc_refuse(r, RPC_INVALID_PARAMS, "block count must not be zero");
    }
    history.count = min_u64(min_u64(history.count, RPC_FEE_BLOCKS_MAX), newest.height + 1);
    history.first = newest.height + 1 - history.count;
    history.base_fees = json_array();
    history.ratios = json_array();
    history.rewards = json_array();
    history.blob_fees = json_array();
    history.blob_ratios = json_array();
    bool fine = true;
    for (u64 i = 0; fine && i < history.count; i++) {
        fine = add_block(r, &history, history.first + i);
    }
    json_t *result = fine ? json_history(&history) : NULL;
    json_decref(history.base_fees);
    json_decref(history.ratios);
    json_decref(history.rewards);
    json_decref(history.blob_fees);
    json_decref(history.blob_ratios);
    return result;
}
