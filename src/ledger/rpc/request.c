/* request.c: failures, parameters and views of one call. */
#include "ledger/rpc/internal.h"

#include "base/log.h"

#include <stdio.h>

#define MESSAGE_BYTES 512

json_t *rpc_refuse(struct rpc_request *r, enum rpc_code code, const char *format, ...)
{
    char text[MESSAGE_BYTES];
    if (r->code != 0) {
        return NULL;
    }
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    const char *copy = arena_str(&r->arena, bytes_str(text));
    r->code = (int)code;
    r->message = copy != NULL ? copy : "memory of the call exhausted";
    return NULL;
}

bool rpc_fine(struct rpc_request *r, err e)
{
    if (is_ok(e)) {
        return true;
    }
    if (is_err(e, ERR_LIMIT)) {
        rpc_refuse(r, RPC_LIMIT, "the answer exceeds a limit of this node");
    } else if (is_err(e, ERR_CANCELLED)) {
        rpc_refuse(r, RPC_SERVER, "the node is stopping");
    } else {
        log_error("rpc", "a call failed: %s", err_text(e));
        rpc_refuse(r, RPC_INTERNAL, "internal error: %s", err_text(e));
    }
    return false;
}

bool rpc_enter(struct rpc_request *r)
{
    struct rpc *rpc = r->rpc;
    while (rpc->paused) {
        if (!rpc_fine(r, event_wait(rpc->options.loop, &rpc->resumed, DEADLINE_NONE))) {
            return false;
        }
    }
    return true;
}

/* --- parameters --- */

const json_t *rpc_param(const struct rpc_request *r, size_t i)
{
    const json_t *value = json_array_get(r->params, i);
    return json_is_null(value) ? NULL : value;
}

static bool bad_param(struct rpc_request *r, size_t i, const char *what)
{
    rpc_refuse(r, RPC_INVALID_PARAMS, "invalid argument %zu: %s", i, what);
    return false;
}

bool rpc_read_address(struct rpc_request *r, size_t i, struct address *ret)
{
    return json_read_fixed(rpc_param(r, i), ret->b, sizeof ret->b) ||
           bad_param(r, i, "an address is 0x and 40 hexadecimal digits");
}

bool rpc_read_hash(struct rpc_request *r, size_t i, struct hash *ret)
{
    return json_read_fixed(rpc_param(r, i), ret->b, sizeof ret->b) ||
           bad_param(r, i, "a hash is 0x and 64 hexadecimal digits");
}

bool rpc_read_quantity(struct rpc_request *r, size_t i, u64 *ret)
{
    return json_read_quantity(rpc_param(r, i), ret) ||
           bad_param(r, i, "a quantity is 0x and hexadecimal digits without leading zeros");
}

bool rpc_read_flag(struct rpc_request *r, size_t i, bool *ret)
{
    const json_t *value = rpc_param(r, i);
    *ret = json_is_true(value);
    return value == NULL || json_is_boolean(value) || bad_param(r, i, "expected true or false");
}

bool rpc_read_slot(struct rpc_request *r, const json_t *value, struct hash *ret)
{
    bytes text = bytes_make(json_string_value(value), json_string_length(value));
    bytes prefix = bytes_str("0x");
    u8 digits[64];
    if (!json_is_string(value) || !bytes_starts_with(text, prefix) || text.len == prefix.len) {
        rpc_refuse(r, RPC_INVALID_PARAMS, "a storage key is 0x and hexadecimal digits");
        return false;
    }
    bytes given = bytes_slice(text, prefix.len, text.len - prefix.len);
    if (given.len > sizeof digits) {
        rpc_refuse(r, RPC_INVALID_PARAMS, "storage key too long (want at most 32 bytes)");
        return false;
    }
    memset(digits, '0', sizeof digits);
    memcpy(digits + sizeof digits - given.len, given.data, given.len);
    if (!hex_decode(ret->b, sizeof ret->b, BYTES_OF(digits))) {
        rpc_refuse(r, RPC_INVALID_PARAMS, "invalid hex in storage key");
        return false;
    }
    return true;
}

/* --- blocks --- */

u64 rpc_head(const struct rpc_request *r) { return app_info_now(r->app).height; }

static bool block_by_hash(struct rpc_request *r, const struct hash *hash, struct rpc_block *ret)
{
    struct state_view *view = rpc_chain_view(r);
    if (view == NULL) {
        return false;
    }
    *ret = (struct rpc_block){0};
    err e = state_view_height_of(view, hash, &ret->height);
    ret->is_found = is_ok(e);
    return is_err(e, ERR_NOT_FOUND) || rpc_fine(r, e);
}

static bool block_by_tag(const struct rpc_request *r, const char *tag, struct rpc_block *ret)
{
    static const char *const heads[] = {"latest", "safe", "finalized", "pending"};
    for (size_t i = 0; i < COUNT_OF(heads); i++) {
        if (strcmp(tag, heads[i]) == 0) {
            *ret = (struct rpc_block){
                .height = rpc_head(r), .is_found = true, .is_pending = tag[0] == 'p'};
            return true;
        }
    }
    *ret = (struct rpc_block){.is_found = true};
    return strcmp(tag, "earliest") == 0;
}

/* EIP-1898. There are no other chains than the canonical one here. */
static bool block_by_object(struct rpc_request *r, const json_t *object, struct rpc_block *ret)
{
    const json_t *number = json_object_get(object, "blockNumber");
    const json_t *hash_text = json_object_get(object, "blockHash");
    const json_t *canonical = json_object_get(object, "requireCanonical");
    struct hash hash;
    if ((number == NULL) == (hash_text == NULL) ||
        (canonical != NULL && !json_is_boolean(canonical))) {
        rpc_refuse(r, RPC_INVALID_PARAMS, "a block object names blockNumber or blockHash");
        return false;
    }
    if (number != NULL) {
        if (json_is_object(number)) {
            rpc_refuse(r, RPC_INVALID_PARAMS, "invalid block number");
            return false;
        }
        return rpc_find_block(r, number, ret);
    }
    if (!json_read_fixed(hash_text, hash.b, sizeof hash.b)) {
        rpc_refuse(r, RPC_INVALID_PARAMS, "a hash is 0x and 64 hexadecimal digits");
        return false;
    }
    return block_by_hash(r, &hash, ret);
}

bool rpc_find_block(struct rpc_request *r, const json_t *value, struct rpc_block *ret)
{
    struct hash hash;
    struct rpc_block block = {0};
    if (value == NULL || json_is_null(value)) {
        return block_by_tag(r, "latest", ret);
    }
    if (json_is_object(value)) {
        return block_by_object(r, value, ret);
    }
    if (json_is_string(value) && block_by_tag(r, json_string_value(value), &block)) {
        *ret = block;
        return true;
    }
    if (json_string_length(value) == RPC_HASH_TEXT_LEN &&
        json_read_fixed(value, hash.b, sizeof hash.b)) {
        return block_by_hash(r, &hash, ret);
    }
    if (!json_read_quantity(value, &block.height)) {
        rpc_refuse(r, RPC_INVALID_PARAMS,
                   "invalid block: want a quantity, a hash, latest, pending, earliest, safe or "
                   "finalized");
        return false;
    }
    block.is_pending = false;
    block.is_found = block.height <= rpc_head(r);
    *ret = block;
    return true;
}

bool rpc_read_block(struct rpc_request *r, size_t i, struct rpc_block *ret)
{
    if (!rpc_find_block(r, rpc_param(r, i), ret)) {
        return false;
    }
    if (!ret->is_found) {
        rpc_refuse(r, RPC_SERVER, "header not found");
    }
    return ret->is_found;
}

bool rpc_read_block_hash(struct rpc_request *r, size_t i, struct rpc_block *ret)
{
    struct hash hash;
    return rpc_read_hash(r, i, &hash) && block_by_hash(r, &hash, ret);
}

/* --- views --- */

void rpc_view_close(struct rpc_request *r)
{
    state_view_close(r->view);
    r->view = NULL;
}

struct state_view *rpc_view(struct rpc_request *r, u64 height)
{
    if (r->view != NULL && state_view_height(r->view) == height) {
        return r->view;
    }
    rpc_view_close(r);
    err e = state_view_open(app_state(r->app), height, &r->view);
    if (is_err(e, ERR_NOT_FOUND)) {
        rpc_refuse(r, RPC_SERVER,
                   "the state of block %llu is not kept any more, the oldest is that of %llu",
                   (unsigned long long)height, (unsigned long long)state_oldest(app_state(r->app)));
        return NULL;
    }
    return rpc_fine(r, e) ? r->view : NULL;
}

struct state_view *rpc_chain_view(struct rpc_request *r)
{
    return r->view != NULL ? r->view : rpc_view(r, rpc_head(r));
}
