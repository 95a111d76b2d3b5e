/* node_methods.c: about the node, its pool, and cairn's own methods. */
#include "crypto/hash.h"
#include "ledger/exec/native.h"
#include "ledger/modules/modules.h"
#include "ledger/rpc/methods.h"

#include <stdio.h>

json_t *rpc_chain_id(struct rpc_request *r) { return json_quantity(app_info_now(r->app).chain_id); }

json_t *rpc_block_number(struct rpc_request *r) { return json_quantity(rpc_head(r)); }

json_t *rpc_accounts(struct rpc_request *r)
{
    (void)r;
    return json_array();
}

json_t *rpc_syncing(struct rpc_request *r)
{
    (void)r;
    return json_false();
}

json_t *rpc_listening(struct rpc_request *r)
{
    (void)r;
    return json_true();
}

/* The one seat has no peers. */
json_t *rpc_peer_count(struct rpc_request *r)
{
    (void)r;
    return json_quantity(0);
}

json_t *rpc_net_version(struct rpc_request *r)
{
    char text[24];
    snprintf(text, sizeof text, "%llu", (unsigned long long)app_info_now(r->app).chain_id);
    return json_string(text);
}

json_t *rpc_client_version(struct rpc_request *r) { return json_string(r->rpc->options.version); }

/* What is there, by the beginnings of the methods' names. */
json_t *rpc_namespaces(struct rpc_request *r)
{
    static const char *const names[] = {"cairn", "debug", "eth", "net", "rpc", "txpool", "web3"};
    json_t *object = json_object();
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        rpc_put(object, names[i], json_string("1.0"));
    }
    if (!app_rules(r->app)->is_own) {
        rpc_put(object, "testing", json_string("1.0"));
    }
    return object;
}

json_t *rpc_sha3(struct rpc_request *r)
{
    bytes data;
    struct hash hash;
    if (!json_read_data(rpc_param(r, 0), &r->arena, &data)) {
        return rpc_refuse(r, RPC_INVALID_PARAMS,
                          "invalid argument 0: data is 0x and pairs of hexadecimal digits");
    }
    keccak256(&hash, data);
    return rpc_json_hash(&hash);
}

/* --- the pool --- */

json_t *rpc_pool_status(struct rpc_request *r)
{
    size_t ready;
    size_t queued;
    pool_counts(app_pool(r->app), &ready, &queued);
    json_t *object = json_object();
    rpc_put(object, "pending", json_quantity(ready));
    rpc_put(object, "queued", json_quantity(queued));
    return object;
}

struct content {
    struct rpc_request *r;
    json_t *pending;
    json_t *queued;
    /* What is shown of a transaction; NULL after a fault. */
    json_t *(*show)(struct rpc_request *r, const struct pool_tx *tx);
    bool by_sender; /* a member for each sender */
    size_t bytes;
};

static json_t *member(json_t *object, const char *key)
{
    json_t *inner = json_object_get(object, key);
    if (inner == NULL) {
        inner = json_object();
        rpc_put(object, key, inner);
    }
    return inner;
}

static bool add_content(void *ctx, const struct pool_tx *tx)
{
    struct content *content = ctx;
    char sender[2 + 2 * sizeof tx->sender.b + 1] = "0x";
    char nonce[24];
    json_t *object = content->show(content->r, tx);
    content->bytes += tx->raw.len;
    if (object == NULL || content->bytes > RPC_REPLY_BYTES_MAX / 2) {
        json_decref(object);
        rpc_fault(content->r, ERR_LIMIT);
        return false;
    }
    hex_encode(sender + 2, sizeof sender - 2, BYTES_OF(tx->sender));
    snprintf(nonce, sizeof nonce, "%llu", (unsigned long long)tx->nonce);
    json_t *list = tx->is_ready ? content->pending : content->queued;
    rpc_put(content->by_sender ? member(list, sender) : list, nonce, object);
    return true;
}

/* Of one sender, or of all. */
static json_t *pool_content(struct rpc_request *r, const struct address *only,
                            json_t *(*show)(struct rpc_request *r, const struct pool_tx *tx))
{
    struct content content = {.r = r,
                              .pending = json_object(),
                              .queued = json_object(),
                              .show = show,
                              .by_sender = only == NULL};
    json_t *object = json_object();
    rpc_put(object, "pending", content.pending);
    rpc_put(object, "queued", content.queued);
    if (only != NULL) {
        pool_each_of(app_pool(r->app), only, add_content, &content);
    } else {
        pool_each_by_sender(app_pool(r->app), add_content, &content);
    }
    if (r->code != 0) {
        json_decref(object);
        return NULL;
    }
    return object;
}

static json_t *show_whole(struct rpc_request *r, const struct pool_tx *tx)
{
    const struct rpc_place nowhere = {0};
    return rpc_json_tx(r, tx->raw, &tx->sender, &nowhere);
}

/* geth's words: "0x…: 1 wei + 21000 gas × 7 wei". */
static json_t *show_line(struct rpc_request *r, const struct pool_tx *waiting)
{
    struct tx tx;
    char to[43] = "0x";
    char value[80];
    char price[80];
    if (!rpc_decode_tx(r, waiting->raw, &tx)) {
        return NULL;
    }
    hex_encode(to + 2, sizeof to - 2, BYTES_OF(tx.to));
    u256_decimal(value, tx.value);
    u256_decimal(price, tx.max_fee);
    return json_sprintf("%s: %s wei + %llu gas × %s wei", tx.is_create ? "contract creation" : to,
                        value, (unsigned long long)tx.gas_limit, price);
}

json_t *rpc_pool_content(struct rpc_request *r) { return pool_content(r, NULL, show_whole); }

json_t *rpc_pool_inspect(struct rpc_request *r) { return pool_content(r, NULL, show_line); }

json_t *rpc_pool_content_from(struct rpc_request *r)
{
    struct address sender;
    return rpc_read_address(r, 0, &sender) ? pool_content(r, &sender, show_whole) : NULL;
}

/* --- cairn --- */

json_t *rpc_cairn_genesis(struct rpc_request *r)
{
    struct hash genesis = app_genesis_hash(r->app);
    struct rpc_block_data block;
    if (!rpc_load_header(r, 0, &block)) {
        return NULL;
    }
    json_t *object = json_object();
    rpc_put(object, "chainId", json_quantity(app_info_now(r->app).chain_id));
    rpc_put(object, "genesisHash", rpc_json_hash(&genesis));
    rpc_put(object, "blockHash", rpc_json_hash(&block.hash));
    return object;
}

json_t *rpc_cairn_modules(struct rpc_request *r)
{
    json_t *list = json_array();
    (void)r;
    for (size_t i = 0; i < native_count(); i++) {
        const struct native_module *module = native_at(i);
        struct address address = native_address(module->number);
        struct hash interface;
        modules_interface_hash(module, &interface);
        json_t *object = json_object();
        rpc_put(object, "name", json_string(module->name));
        rpc_put(object, "address", rpc_json_address(&address));
        rpc_put(object, "version", json_quantity(module->version));
        rpc_put(object, "interfaceHash", rpc_json_hash(&interface));
        json_array_append_new(list, object);
    }
    return list;
}

/* The consensus header of the next height certifies the header of this one. */
bool rpc_put_certified(struct rpc_request *r, json_t *object, u64 height)
{
    struct state_view *view = rpc_chain_view(r);
    bytes header;
    bytes consensus;
    if (!app_rules(r->app)->is_own) {
        rpc_refuse(r, RPC_METHOD_NOT_FOUND, "no seats certify an imported chain");
        return false;
    }
    if (view == NULL ||
        !rpc_fine(r, state_view_block(view, STATE_HEADER, height, &r->arena, &header)) ||
        !rpc_fine(r, state_view_block(view, STATE_CONSENSUS, height + 1, &r->arena, &consensus))) {
        return false;
    }
    rpc_put(object, "height", json_quantity(height));
    rpc_put(object, "header", json_data(header));
    rpc_put(object, "consensus", json_data(consensus));
    return true;
}

static json_t *certified_head(struct rpc_request *r, u64 height)
{
    json_t *object = json_object();
    if (!rpc_put_certified(r, object, height)) {
        json_decref(object);
        return NULL;
    }
    return object;
}

json_t *rpc_cairn_head(struct rpc_request *r)
{
    struct rpc *rpc = r->rpc;
    struct loop *loop = rpc->options.loop;
    u64 after = 0;
    u64 wait_ms = 0;
    if ((rpc_param(r, 0) != NULL && !rpc_read_quantity(r, 0, &after)) ||
        (rpc_param(r, 1) != NULL && !rpc_read_quantity(r, 1, &wait_ms))) {
        return NULL;
    }
    u64 deadline_ms = loop != NULL ? loop_now_ms(loop) : 0;
    deadline_ms += min_u64(wait_ms, RPC_HEAD_WAIT_MAX_MS);
    while (rpc_enter(r)) {
        u64 height = rpc_head(r);
        if (height > 0 && height - 1 > after) {
            return certified_head(r, height - 1);
        }
        bool may_wait = loop != NULL && r->may_wait && !rpc->draining;
        if (!may_wait || loop_now_ms(loop) >= deadline_ms) {
            return json_null();
        }
        err e = event_wait(loop, &rpc->advanced, deadline_ms);
        if (!is_err(e, ERR_TIMEOUT) && !rpc_fine(r, e)) {
            return NULL;
        }
    }
    return NULL;
}
