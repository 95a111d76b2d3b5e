/* logs.c: searching logs. The bloom of a block's header says whether to look into its receipts. */
#include "ledger/rpc/methods.h"

/* --- the filter --- */

static bool bad_filter(struct rpc_request *r, const char *what)
{
    rpc_refuse(r, RPC_INVALID_PARAMS, "invalid filter: %s", what);
    return false;
}

/* Takes `count` of what one filter may name. */
static bool take_choices(struct rpc_request *r, size_t *left, size_t count)
{
    if (count > *left) {
        return bad_filter(r, "too many addresses and topics");
    }
    *left -= count;
    return true;
}

static bool read_addresses(struct rpc_request *r, const json_t *value, struct arena *arena,
                           size_t *left, struct rpc_log_filter *filter)
{
    size_t count = json_is_array(value) ? json_array_size(value) : 1;
    if (value == NULL || json_is_null(value)) {
        return true;
    }
    if (!take_choices(r, left, count)) {
        return false;
    }
    filter->addresses = ARENA_ARRAY(arena, struct address, count + 1);
    if (filter->addresses == NULL) {
        return rpc_fault(r, ERR_LIMIT);
    }
    for (size_t i = 0; i < count; i++) {
        const json_t *item = json_is_array(value) ? json_array_get(value, i) : value;
        if (!json_read_fixed(item, filter->addresses[i].b, sizeof filter->addresses[i].b)) {
            return bad_filter(r, "address");
        }
    }
    filter->address_count = count;
    return true;
}

/* One position: null, one topic, or a list of them. */
static bool read_topic(struct rpc_request *r, const json_t *value, struct arena *arena,
                       size_t *left, struct rpc_topics *topics)
{
    size_t count = json_is_array(value) ? json_array_size(value) : 1;
    if (json_is_null(value)) {
        return true;
    }
    if (!take_choices(r, left, count)) {
        return false;
    }
    topics->items = ARENA_ARRAY(arena, struct hash, count + 1);
    if (topics->items == NULL) {
        return rpc_fault(r, ERR_LIMIT);
    }
    for (size_t i = 0; i < count; i++) {
        const json_t *item = json_is_array(value) ? json_array_get(value, i) : value;
        if (json_is_null(item)) {
            topics->count = 0; /* one of the choices is "any" */
            return true;
        }
        if (!json_read_fixed(item, topics->items[i].b, sizeof topics->items[i].b)) {
            return bad_filter(r, "topics");
        }
        topics->count = i + 1;
    }
    return true;
}

static bool read_topics(struct rpc_request *r, const json_t *value, struct arena *arena,
                        size_t *left, struct rpc_log_filter *filter)
{
    size_t count = json_array_size(value);
    if (value == NULL || json_is_null(value)) {
        return true;
    }
    if (!json_is_array(value) || count > JOURNAL_TOPICS_MAX) {
        return bad_filter(r, "topics");
    }
    for (size_t i = 0; i < count; i++) {
        if (!read_topic(r, json_array_get(value, i), arena, left, &filter->topics[i])) {
            return false;
        }
    }
    filter->topic_count = count;
    return true;
}

bool rpc_read_log_filter(struct rpc_request *r, const json_t *value, struct arena *arena,
                         struct rpc_log_filter *ret)
{
    struct rpc_log_filter filter = {0};
    size_t left = RPC_LOG_CHOICES_MAX;
    if (!json_is_object(value)) {
        return bad_filter(r, "not an object");
    }
    const json_t *hash = json_object_get(value, "blockHash");
    filter.from = json_object_get(value, "fromBlock");
    filter.to = json_object_get(value, "toBlock");
    if (hash != NULL && !json_is_null(hash)) {
        if (filter.from != NULL || filter.to != NULL) {
            return bad_filter(r, "cannot specify both blockHash and fromBlock/toBlock");
        }
        filter.has_hash = true;
        if (!json_read_fixed(hash, filter.hash.b, sizeof filter.hash.b)) {
            return bad_filter(r, "blockHash");
        }
    }
    if (!read_addresses(r, json_object_get(value, "address"), arena, &left, &filter) ||
        !read_topics(r, json_object_get(value, "topics"), arena, &left, &filter)) {
        return false;
    }
    *ret = filter;
    return true;
}

/* --- matching --- */

static bool bloom_has_address(const struct bloom *bloom, const struct rpc_log_filter *filter)
{
    for (size_t i = 0; i < filter->address_count; i++) {
        if (bloom_may_have(bloom, BYTES_OF(filter->addresses[i]))) {
            return true;
        }
    }
    return filter->address_count == 0;
}

static bool bloom_has_topic(const struct bloom *bloom, const struct rpc_topics *topics)
{
    for (size_t i = 0; i < topics->count; i++) {
        if (bloom_may_have(bloom, BYTES_OF(topics->items[i]))) {
            return true;
        }
    }
    return topics->count == 0;
}

static bool bloom_may_match(const struct bloom *bloom, const struct rpc_log_filter *filter)
{
    bool may = bloom_has_address(bloom, filter);
    for (size_t i = 0; may && i < filter->topic_count; i++) {
        may = bloom_has_topic(bloom, &filter->topics[i]);
    }
    return may;
}

static bool address_matches(const struct journal_log *log, const struct rpc_log_filter *filter)
{
    for (size_t i = 0; i < filter->address_count; i++) {
        if (address_eq(&log->address, &filter->addresses[i])) {
            return true;
        }
    }
    return filter->address_count == 0;
}

static bool topic_matches(const struct hash *topic, const struct rpc_topics *topics)
{
    for (size_t i = 0; i < topics->count; i++) {
        if (hash_eq(topic, &topics->items[i])) {
            return true;
        }
    }
    return topics->count == 0;
}

static bool log_matches(const struct journal_log *log, const struct rpc_log_filter *filter)
{
    bool matches = address_matches(log, filter) && log->topic_count >= filter->topic_count;
    for (size_t i = 0; matches && i < filter->topic_count; i++) {
        matches = topic_matches(&log->topics[i], &filter->topics[i]);
    }
    return matches;
}

/* --- searching --- */

/* The logs of one transaction; *log_index counts on over all of them. */
static bool add_logs(struct rpc_request *r, const struct rpc_log_filter *filter,
                     const struct rpc_place *place, u64 *log_index, json_t *array)
{
    const struct receipt *receipt = &place->block->receipts[place->index];
    struct hash hash;
    bool has_hash = false;
    for (size_t i = 0; i < receipt->log_count; i++) {
        if (!log_matches(&receipt->logs[i], filter)) {
            continue;
        }
        if (json_array_size(array) == RPC_LOGS_MAX) {
            rpc_refuse(r, RPC_LIMIT, "query returned more than %d results", RPC_LOGS_MAX);
            return false;
        }
        if (!has_hash) {
            tx_hash(&hash, place->block->body.txs.items[place->index]);
            has_hash = true;
        }
        json_array_append_new(array, rpc_json_log(&receipt->logs[i], place, &hash, *log_index + i));
    }
    *log_index += receipt->log_count;
    return true;
}

static bool search_block(struct rpc_request *r, const struct rpc_log_filter *filter, u64 height,
                         json_t *array)
{
    struct rpc_block_data block;
    u64 log_index = 0;
    if (!rpc_load_header(r, height, &block)) {
        return false;
    }
    if (!bloom_may_match(&block.header.bloom, filter)) {
        return true;
    }
    if (!rpc_load_txs(r, height, &block) || !rpc_load_receipts(r, height, &block)) {
        return false;
    }
    for (size_t i = 0; i < block.body.txs.count; i++) {
        const struct rpc_place place = {&block, i};
        if (!add_logs(r, filter, &place, &log_index, array)) {
            return false;
        }
    }
    return true;
}

bool rpc_find_logs(struct rpc_request *r, const struct rpc_log_filter *filter, u64 from, u64 to,
                   json_t *array)
{
    if (to - from >= RPC_LOG_BLOCKS_MAX) {
        rpc_refuse(r, RPC_LIMIT, "block range is larger than %d blocks", RPC_LOG_BLOCKS_MAX);
        return false;
    }
    for (u64 height = from; height <= to; height++) {
        if (!search_block(r, filter, height, array)) {
            return false;
        }
    }
    return true;
}

static bool filter_range(struct rpc_request *r, const struct rpc_log_filter *filter, u64 *ret_from,
                         u64 *ret_to)
{
    struct rpc_block from;
    struct rpc_block to;
    if (!rpc_find_block(r, filter->from, &from) || !rpc_find_block(r, filter->to, &to)) {
        return false;
    }
    if (from.height > to.height) {
        rpc_refuse(r, RPC_INVALID_PARAMS, "invalid block range params");
        return false;
    }
    if (!from.is_found || !to.is_found) {
        rpc_refuse(r, RPC_INVALID_PARAMS, "block range extends beyond current head block");
        return false;
    }
    *ret_from = from.height;
    *ret_to = to.height;
    return true;
}

static bool hash_range(struct rpc_request *r, const struct rpc_log_filter *filter, u64 *ret)
{
    struct state_view *view = rpc_chain_view(r);
    if (view == NULL) {
        return false;
    }
    err e = state_view_height_of(view, &filter->hash, ret);
    if (is_err(e, ERR_NOT_FOUND)) {
        rpc_refuse(r, RPC_SERVER, "unknown block");
        return false;
    }
    return rpc_fine(r, e);
}

json_t *rpc_filtered_logs(struct rpc_request *r, const struct rpc_log_filter *filter)
{
    u64 from;
    u64 to = 0;
    if (filter->has_hash ? !hash_range(r, filter, &from) : !filter_range(r, filter, &from, &to)) {
        return NULL;
    }
    json_t *array = json_array();
    if (!rpc_find_logs(r, filter, from, filter->has_hash ? from : to, array)) {
        json_decref(array);
        return NULL;
    }
    return array;
}

json_t *rpc_logs(struct rpc_request *r)
{
    struct rpc_log_filter filter;
    bool fine = rpc_read_log_filter(r, rpc_param(r, 0), &r->arena, &filter);
    return fine ? rpc_filtered_logs(r, &filter) : NULL;
}
