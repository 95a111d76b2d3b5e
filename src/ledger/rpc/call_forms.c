#include "ledger/rpc/call_forms.h"

#define ACCESS_MAX 1024 /* addresses and slots of an access list together */
#define AUTHORIZATIONS_MAX 256
#define BLOBS_MAX 64

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

static bool read_u64(struct rpc_request *r, const json_t *object, const char *key, u64 *ret,
                     bool *ret_given)
{
    const json_t *value = find(object, key);
    *ret_given = value != NULL;
    *ret = 0;
    return value == NULL || json_read_quantity(value, ret) || bad_member(r, key);
}

static bool read_party(struct rpc_request *r, const json_t *object, const char *key,
                       struct address *ret, bool *ret_given)
{
    const json_t *value = find(object, key);
    *ret = (struct address){{0}};
    *ret_given = value != NULL;
    return value == NULL || json_read_fixed(value, ret->b, sizeof ret->b) || bad_member(r, key);
}

static bool read_fees(struct rpc_request *r, const json_t *object, struct rpc_call *call)
{
    struct u256 price;
    bool is_new = find(object, "maxFeePerGas") != NULL || find(object, "maxPriorityFeePerGas");
    call->is_legacy_fee = find(object, "gasPrice") != NULL;
    if (is_new && call->is_legacy_fee) {
        rpc_refuse(r, RPC_INVALID_PARAMS,
                   "both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified");
        return false;
    }
    if (!read_amount(r, object, "gasPrice", &price) ||
        !read_amount(r, object, "maxFeePerGas", &call->tx.max_fee) ||
        !read_amount(r, object, "maxPriorityFeePerGas", &call->tx.max_priority) ||
        !read_amount(r, object, "maxFeePerBlobGas", &call->tx.max_blob_fee)) {
        return false;
    }
    if (call->is_legacy_fee) {
        call->tx.max_fee = price;
        call->tx.max_priority = price;
    }
    call->has_fee = !u256_is_zero(call->tx.max_fee) || !u256_is_zero(call->tx.max_priority);
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

/* --- access list --- */

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

static bool read_access(struct rpc_request *r, const json_t *object, struct tx *tx)
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
    tx->access = ARENA_ARRAY(&r->arena, struct tx_access, count + 1);
    if (tx->access == NULL) {
        return rpc_fault(r, ERR_LIMIT);
    }
    for (; tx->access_count < count; tx->access_count++) {
        size_t i = tx->access_count;
        if (!read_access_entry(r, json_array_get(list, i), &left, &tx->access[i])) {
            return false;
        }
    }
    return true;
}

/* --- blobs, authorizations --- */

static bool read_blobs(struct rpc_request *r, const json_t *object, struct tx *tx)
{
    const json_t *list = find(object, "blobVersionedHashes");
    size_t count = json_array_size(list);
    if (find(object, "blobs") != NULL) {
        rpc_refuse(r, RPC_INVALID_PARAMS, "blobs: only their versioned hashes are taken");
        return false;
    }
    if (list == NULL) {
        return true;
    }
    if (!json_is_array(list) || count > BLOBS_MAX) {
        return bad_member(r, "blobVersionedHashes");
    }
    tx->blob_hashes = ARENA_ARRAY(&r->arena, struct hash, count + 1);
    if (tx->blob_hashes == NULL) {
        return rpc_fault(r, ERR_LIMIT);
    }
    for (; tx->blob_count < count; tx->blob_count++) {
        if (!json_read_fixed(json_array_get(list, tx->blob_count),
                             tx->blob_hashes[tx->blob_count].b, 32)) {
            return bad_member(r, "blobVersionedHashes");
        }
    }
    return true;
}

static bool read_authorization(const json_t *item, struct tx_authorization *ret)
{
    u8 chain_id[32];
    u64 parity;
    bool fine =
        json_read_quantity256(json_object_get(item, "chainId"), chain_id) &&
        json_read_fixed(json_object_get(item, "address"), ret->address.b, sizeof ret->address.b) &&
        json_read_quantity(json_object_get(item, "nonce"), &ret->nonce) &&
        json_read_quantity(json_object_get(item, "yParity"), &parity) && parity <= UINT8_MAX &&
        json_read_quantity256(json_object_get(item, "r"), ret->r) &&
        json_read_quantity256(json_object_get(item, "s"), ret->s);
    if (fine) {
        ret->chain_id = u256_from_be(chain_id);
        ret->parity = (u8)parity;
    }
    return fine;
}

static bool read_authorizations(struct rpc_request *r, const json_t *object, struct tx *tx)
{
    const json_t *list = find(object, "authorizationList");
    size_t count = json_array_size(list);
    if (list == NULL) {
        return true;
    }
    if (!json_is_array(list) || count > AUTHORIZATIONS_MAX) {
        return bad_member(r, "authorizationList");
    }
    tx->authorizations = ARENA_ARRAY(&r->arena, struct tx_authorization, count + 1);
    if (tx->authorizations == NULL) {
        return rpc_fault(r, ERR_LIMIT);
    }
    for (; tx->authorization_count < count; tx->authorization_count++) {
        size_t i = tx->authorization_count;
        if (!read_authorization(json_array_get(list, i), &tx->authorizations[i])) {
            return bad_member(r, "authorizationList");
        }
    }
    return true;
}

/* --- the whole call --- */

static enum tx_type type_of(const struct rpc_call *call)
{
    if (call->tx.authorizations != NULL) {
        return TX_SET_CODE;
    }
    if (call->tx.blob_hashes != NULL) {
        return TX_BLOB;
    }
    if (!call->is_legacy_fee) {
        return TX_DYNAMIC_FEE;
    }
    return call->tx.access != NULL ? TX_ACCESS_LIST : TX_LEGACY;
}

static bool check_chain(struct rpc_request *r, const json_t *object)
{
    const json_t *chain = find(object, "chainId");
    u64 id;
    return chain == NULL ||
           (json_read_quantity(chain, &id) && id == app_info_now(r->app).chain_id) ||
           bad_member(r, "chainId");
}

bool rpc_read_call_object(struct rpc_request *r, const json_t *object, struct rpc_call *ret)
{
    struct rpc_call call = {0};
    bool has_from;
    bool has_to;
    if (!check_chain(r, object) || !read_party(r, object, "from", &call.from, &has_from) ||
        !read_party(r, object, "to", &call.tx.to, &has_to) ||
        !read_u64(r, object, "gas", &call.tx.gas_limit, &call.has_gas) ||
        !read_u64(r, object, "nonce", &call.tx.nonce, &call.has_nonce) ||
        !read_amount(r, object, "value", &call.tx.value) || !read_fees(r, object, &call) ||
        !read_input(r, object, &call.tx.input) || !read_access(r, object, &call.tx) ||
        !read_blobs(r, object, &call.tx) || !read_authorizations(r, object, &call.tx)) {
        return false;
    }
    call.tx.is_create = !has_to;
    call.tx.type = type_of(&call);
    call.tx.has_chain_id = true;
    call.tx.chain_id = app_info_now(r->app).chain_id;
    *ret = call;
    return true;
}

bool rpc_read_call(struct rpc_request *r, size_t i, struct rpc_call *ret)
{
    const json_t *object = rpc_param(r, i);
    if (!json_is_object(object)) {
        rpc_refuse(r, RPC_INVALID_PARAMS, "invalid argument %zu: a call is an object", i);
        return false;
    }
    return rpc_read_call_object(r, object, ret);
}

bool rpc_call_price(const struct rpc_call *call, struct u256 base_fee, struct u256 *ret_price)
{
    struct u256 price;
    if (u256_cmp(call->tx.max_fee, base_fee) < 0) {
        return false;
    }
    bool below =
        u256_add(&price, base_fee, call->tx.max_priority) && u256_cmp(price, call->tx.max_fee) < 0;
    *ret_price = below ? price : call->tx.max_fee;
    return true;
}

struct call_request rpc_call_request(const struct rpc_call *call, struct u256 price)
{
    return (struct call_request){
        .from = call->from,
        .to = call->tx.to,
        .is_create = call->tx.is_create,
        .value = call->tx.value,
        .max_fee = price,
        .gas_limit = call->tx.gas_limit,
        .input = call->tx.input,
        .access = call->tx.access,
        .access_count = call->tx.access_count,
        .blob_hashes = call->tx.blob_hashes,
        .blob_count = call->tx.blob_count,
        .authorizations = call->tx.authorizations,
        .authorization_count = call->tx.authorization_count,
    };
}
