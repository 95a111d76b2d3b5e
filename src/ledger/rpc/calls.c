/* calls.c: eth_call, eth_estimateGas, eth_sendRawTransaction. */
#include "codec/abi.h"
#include "ledger/rpc/methods.h"

#define REASON_BYTES_MAX 300
#define ACCESS_MAX 1024 /* addresses and slots of an access list together */

/* --- reading a call --- */

static bool bad_member(struct rpc_request *r, const char *key)
{
    rpc_refuse(r, RPC_INVALID_PARAMS, "the call's \"%s\" is wrong", key);
    return false;
}

/* Members of value null count as absent. */
static const json_t *find(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return json_is_null(value) ? NULL : value;
}

static bool read_amount(struct rpc_request *r, const json_t *object, const char *key,
                        struct u256 *ret)
{
    const json_t *value = find(object, key);
    u8 word[32];
    if (value == NULL) {
        *ret = u256_from_u64(0);
        return true;
    }
    if (!json_read_quantity256(value, word)) {
        return bad_member(r, key);
    }
    *ret = u256_from_be(word);
    return true;
}

static bool read_party(struct rpc_request *r, const json_t *object, const char *key,
                       struct address *ret, bool *ret_given)
{
    const json_t *value = find(object, key);
    *ret = (struct address){{0}};
    *ret_given = value != NULL;
    return value == NULL || json_read_fixed(value, ret->b, sizeof ret->b) || bad_member(r, key);
}

static bool read_fee(struct rpc_request *r, const json_t *object, struct u256 *ret)
{
    struct u256 price;
    struct u256 max_fee;
    struct u256 tip;
    bool is_new = find(object, "maxFeePerGas") != NULL || find(object, "maxPriorityFeePerGas");
    if (is_new && find(object, "gasPrice") != NULL) {
        rpc_refuse(r, RPC_INVALID_PARAMS,
                   "both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified");
        return false;
    }
    if (!read_amount(r, object, "gasPrice", &price) ||
        !read_amount(r, object, "maxFeePerGas", &max_fee) ||
        !read_amount(r, object, "maxPriorityFeePerGas", &tip)) {
        return false;
    }
    *ret = is_new ? max_fee : price;
    return true;
}

static bool read_input(struct rpc_request *r, const json_t *object, bytes *ret)
{
    const json_t *input = find(object, "input");
    const json_t *data = find(object, "data");
    if (input != NULL && data != NULL && !json_equal(input, data)) {
        rpc_refuse(r, RPC_INVALID_PARAMS, "both \"data\" and \"input\" are set and not equal");
        return false;
    }
    *ret = bytes_make("", 0);
    const json_t *value = input != NULL ? input : data;
    return value == NULL || json_read_data(value, &r->arena, ret) || bad_member(r, "input");
}

static bool read_access_entry(struct rpc_request *r, const json_t *entry, size_t *left,
                              struct tx_access *ret)
{
    const json_t *keys = json_object_get(entry, "storageKeys");
    size_t count = json_array_size(keys);
    if (!json_read_fixed(json_object_get(entry, "address"), ret->address.b,
                         sizeof ret->address.b) ||
        (keys != NULL && !json_is_array(keys)) || count + 1 > *left) {
        return bad_member(r, "accessList");
    }
    *left -= count + 1;
    ret->slots = ARENA_ARRAY(&r->arena, struct hash, count + 1);
    if (ret->slots == NULL) {
        return rpc_fault(r, ERR_LIMIT);
    }
    for (ret->slot_count = 0; ret->slot_count < count; ret->slot_count++) {
        u8 *slot = ret->slots[ret->slot_count].b;
        if (!json_read_fixed(json_array_get(keys, ret->slot_count), slot, 32)) {
            return bad_member(r, "accessList");
        }
    }
    return true;
}

static bool read_access(struct rpc_request *r, const json_t *object, struct call_request *ret)
{
    const json_t *list = find(object, "accessList");
    size_t count = json_array_size(list);
    size_t left = ACCESS_MAX;
    if (list == NULL) {
        return true;
    }
    if (!json_is_array(list) || count > ACCESS_MAX) {
        return bad_member(r, "accessList");
    }
    struct tx_access *access = ARENA_ARRAY(&r->arena, struct tx_access, count + 1);
    if (access == NULL) {
        return rpc_fault(r, ERR_LIMIT);
    }
    for (size_t i = 0; i < count; i++) {
        if (!read_access_entry(r, json_array_get(list, i), &left, &access[i])) {
            return false;
        }
    }
    ret->access = access;
    ret->access_count = count;
    return true;
}

static bool check_kind(struct rpc_request *r, const json_t *object)
{
    static const char *const unsupported[] = {"blobVersionedHashes", "blobs", "authorizationList"};
    const json_t *chain = find(object, "chainId");
    u64 id;
    for (size_t i = 0; i < COUNT_OF(unsupported); i++) {
        if (find(object, unsupported[i]) != NULL) {
            rpc_refuse(r, RPC_INVALID_PARAMS, "%s: transaction type not supported", unsupported[i]);
            return false;
        }
    }
    if (chain != NULL && (!json_read_quantity(chain, &id) || id != app_info_now(r->app).chain_id)) {
        return bad_member(r, "chainId");
    }
    return true;
}

bool rpc_read_call(struct rpc_request *r, size_t i, struct call_request *ret)
{
    const json_t *object = rpc_param(r, i);
    struct call_request call = {0};
    bool has_from;
    bool has_to;
    if (!json_is_object(object)) {
        rpc_refuse(r, RPC_INVALID_PARAMS, "invalid argument %zu: a call is an object", i);
        return false;
    }
    const json_t *gas = find(object, "gas");
    if (gas != NULL && !json_read_quantity(gas, &call.gas_limit)) {
        return bad_member(r, "gas");
    }
    if (!check_kind(r, object) || !read_party(r, object, "from", &call.from, &has_from) ||
        !read_party(r, object, "to", &call.to, &has_to) ||
        !read_amount(r, object, "value", &call.value) || !read_fee(r, object, &call.max_fee) ||
        !read_input(r, object, &call.input) || !read_access(r, object, &call)) {
        return false;
    }
    call.is_create = !has_to;
    *ret = call;
    return true;
}

/* --- results --- */

/* The text of Error(string), or NULL. */
static const char *revert_reason(struct rpc_request *r, bytes output)
{
    static const u8 selector[] = {0x08, 0xc3, 0x79, 0xa0};
    const struct abi_type type = {.kind = ABI_STRING};
    struct abi_value value;
    if (!bytes_starts_with(output, BYTES_OF(selector))) {
        return NULL;
    }
    bytes encoded = bytes_slice(output, sizeof selector, output.len - sizeof selector);
    if (!is_ok(abi_decode(&r->arena, &type, 1, encoded, &value)) ||
        value.data.len > REASON_BYTES_MAX) {
        return NULL;
    }
    json_t *text = json_stringn((const char *)value.data.data, value.data.len);
    json_decref(text); /* it was made to see whether it is UTF-8 */
    return text != NULL ? arena_str(&r->arena, value.data) : NULL;
}

static json_t *refuse_result(struct rpc_request *r, const struct exec_result *result)
{
    if (result->verdict != TX_VALID) {
        return rpc_refuse(r, RPC_SERVER, "%s", tx_verdict_text(result->verdict));
    }
    if (result->status != EVM_REVERTED) {
        return rpc_refuse(r, RPC_SERVER, "%s", evm_status_text(result->status));
    }
    const char *reason = revert_reason(r, result->output);
    r->data = json_data(result->output);
    return rpc_refuse(r, RPC_REVERTED, "execution reverted%s%s", reason != NULL ? ": " : "",
                      reason != NULL ? reason : "");
}

/* Parameters behind the block (geth's state and block overrides) are not supported. */
static bool no_overrides(struct rpc_request *r)
{
    for (size_t i = 2; i < json_array_size(r->params); i++) {
        const json_t *value = rpc_param(r, i);
        if (value != NULL && !(json_is_object(value) && json_object_size(value) == 0)) {
            rpc_refuse(r, RPC_INVALID_PARAMS, "invalid argument %zu: overrides not supported", i);
            return false;
        }
    }
    return true;
}

static bool read_call_at(struct rpc_request *r, struct call_request *ret_call,
                         struct rpc_block *ret_block)
{
    /* the view tells apart what is no longer kept from what fails */
    return rpc_read_call(r, 0, ret_call) && rpc_read_block(r, 1, ret_block) && no_overrides(r) &&
           rpc_view(r, ret_block->height) != NULL;
}

json_t *rpc_eth_call(struct rpc_request *r)
{
    struct call_request call;
    struct rpc_block block;
    struct exec_result result;
    if (!read_call_at(r, &call, &block) ||
        !rpc_fine(r, app_call(r->app, block.height, &call, &r->arena, &result))) {
        return NULL;
    }
    bool success = result.verdict == TX_VALID && result.success;
    return success ? json_data(result.output) : refuse_result(r, &result);
}

json_t *rpc_estimate_gas(struct rpc_request *r)
{
    struct call_request call;
    struct rpc_block block;
    struct exec_result result;
    u64 gas;
    if (!read_call_at(r, &call, &block) ||
        !rpc_fine(r, app_estimate(r->app, block.height, &call, &r->arena, &result, &gas))) {
        return NULL;
    }
    bool success = result.verdict == TX_VALID && result.success;
    return success ? json_quantity(gas) : refuse_result(r, &result);
}

json_t *rpc_send_raw(struct rpc_request *r)
{
    struct rpc *rpc = r->rpc;
    bytes raw;
    struct hash hash;
    enum tx_verdict verdict;
    if (!json_read_data(rpc_param(r, 0), &r->arena, &raw)) {
        return rpc_refuse(r, RPC_INVALID_PARAMS,
                          "invalid argument 0: data is 0x and pairs of hexadecimal digits");
    }
    if (!rpc_fine(r, app_submit(r->app, raw, &hash, &verdict))) {
        return NULL;
    }
    if (verdict != TX_VALID) {
        return rpc_refuse(r, RPC_SERVER, "%s", tx_verdict_text(verdict));
    }
    rpc_note_submitted(rpc, &hash);
    if (rpc->options.submitted != NULL) {
        rpc->options.submitted(rpc->options.ctx);
    }
    return rpc_json_hash(&hash);
}
