/* accounts.c: balances, nonces, code, storage, proofs. */
#include "ledger/rpc/methods.h"

static bool read_account(struct rpc_request *r, size_t block_param, struct rpc_block *ret_block,
                         struct address *ret_address, struct account *ret_account)
{
    if (!rpc_read_address(r, 0, ret_address) || !rpc_read_block(r, block_param, ret_block)) {
        return false;
    }
    struct state_view *view = rpc_view(r, ret_block->height);
    return view != NULL && rpc_fine(r, state_view_account(view, ret_address, ret_account));
}

json_t *rpc_balance(struct rpc_request *r)
{
    struct rpc_block block;
    struct address address;
    struct account account;
    bool fine = read_account(r, 1, &block, &address, &account);
    return fine ? rpc_json_u256(account.balance) : NULL;
}

json_t *rpc_tx_count(struct rpc_request *r)
{
    struct rpc_block block;
    struct address address;
    struct account account;
    u64 nonce;
    if (!read_account(r, 1, &block, &address, &account)) {
        return NULL;
    }
    if (block.is_pending && pool_next_nonce(app_pool(r->app), &address, &nonce)) {
        return json_quantity(nonce);
    }
    return json_quantity(account.nonce);
}

json_t *rpc_code(struct rpc_request *r)
{
    struct rpc_block block;
    struct address address;
    struct account account;
    bytes code;
    if (!read_account(r, 1, &block, &address, &account) ||
        !rpc_fine(r, state_view_code(r->view, &account.code_hash, &r->arena, &code))) {
        return NULL;
    }
    return json_data(code);
}

json_t *rpc_storage_at(struct rpc_request *r)
{
    struct rpc_block block;
    struct address address;
    struct hash slot;
    struct word word;
    if (!rpc_read_address(r, 0, &address) || !rpc_read_slot(r, rpc_param(r, 1), &slot) ||
        !rpc_read_block(r, 2, &block)) {
        return NULL;
    }
    struct state_view *view = rpc_view(r, block.height);
    if (view == NULL || !rpc_fine(r, state_view_slot(view, &address, &slot, &word))) {
        return NULL;
    }
    return json_data(BYTES_OF(word));
}

/* --- eth_getStorageValues: slots of several accounts --- */

static json_t *account_values(struct rpc_request *r, struct state_view *view,
                              const struct address *address, const json_t *keys, size_t *left)
{
    json_t *list = json_array();
    for (size_t i = 0; i < json_array_size(keys); i++) {
        struct hash slot;
        struct word word;
        if ((*left)-- == 0) {
            *left = 0;
            rpc_refuse(r, RPC_INVALID_PARAMS, "too many slots (max %d)", RPC_PROOF_SLOTS_MAX);
        } else if (rpc_read_slot(r, json_array_get(keys, i), &slot) &&
                   rpc_fine(r, state_view_slot(view, address, &slot, &word))) {
            json_array_append_new(list, json_data(BYTES_OF(word)));
            continue;
        }
        json_decref(list);
        return NULL;
    }
    return list;
}

static json_t *all_values(struct rpc_request *r, struct state_view *view, const json_t *asked)
{
    const char *key;
    json_t *keys;
    size_t left = RPC_PROOF_SLOTS_MAX;
    json_t *object = json_object();
    json_object_foreach((json_t *)asked, key, keys)
    {
        struct address address;
        json_t *values = NULL;
        if (!json_is_array(keys) || !hex_decode_0x(address.b, sizeof address.b, bytes_str(key))) {
            rpc_refuse(r, RPC_INVALID_PARAMS, "invalid argument 0: addresses with lists of slots");
        } else {
            values = account_values(r, view, &address, keys, &left);
        }
        if (values == NULL) {
            json_decref(object);
            return NULL;
        }
        rpc_put(object, key, values);
    }
    return object;
}

json_t *rpc_storage_values(struct rpc_request *r)
{
    const json_t *asked = rpc_param(r, 0);
    struct rpc_block block;
    if (!json_is_object(asked) || json_object_size(asked) == 0) {
        return rpc_refuse(r, RPC_INVALID_PARAMS, "empty request");
    }
    if (!rpc_read_block(r, 1, &block)) {
        return NULL;
    }
    struct state_view *view = rpc_view(r, block.height);
    return view != NULL ? all_values(r, view, asked) : NULL;
}

/* --- EIP-1186 --- */

static json_t *json_nodes(const struct state_proof *proof)
{
    json_t *nodes = json_array();
    for (size_t i = 0; i < proof->count; i++) {
        json_array_append_new(nodes, json_data(proof->nodes[i]));
    }
    return nodes;
}

/* A key comes back in the form in which it was asked for: as 32 bytes or as a quantity. */
static json_t *json_key(const json_t *asked, const struct hash *slot)
{
    bool is_whole = json_string_length(asked) == RPC_HASH_TEXT_LEN;
    return is_whole ? rpc_json_hash(slot) : json_quantity256(slot->b);
}

static bool read_slots(struct rpc_request *r, const json_t *list, struct hash **ret_slots)
{
    size_t count = json_array_size(list);
    if (!json_is_array(list) || count > RPC_PROOF_SLOTS_MAX) {
        rpc_refuse(r, RPC_INVALID_PARAMS, "storage keys are an array of at most %d",
                   RPC_PROOF_SLOTS_MAX);
        return false;
    }
    struct hash *slots = ARENA_ARRAY(&r->arena, struct hash, count + 1);
    if (slots == NULL) {
        return rpc_fault(r, ERR_LIMIT);
    }
    for (size_t i = 0; i < count; i++) {
        if (!rpc_read_slot(r, json_array_get(list, i), &slots[i])) {
            return false;
        }
    }
    *ret_slots = slots;
    return true;
}

static json_t *json_proof(const struct address *address, const struct state_account_proof *proof,
                          const json_t *asked, const struct hash *slots)
{
    json_t *object = json_object();
    json_t *storage = json_array();
    for (size_t i = 0; i < json_array_size(asked); i++) {
        json_t *item = json_object();
        rpc_put(item, "key", json_key(json_array_get(asked, i), &slots[i]));
        rpc_put(item, "value", json_quantity256(proof->words[i].b));
        rpc_put(item, "proof", json_nodes(&proof->slots[i]));
        json_array_append_new(storage, item);
    }
    rpc_put(object, "address", rpc_json_address(address));
    rpc_put(object, "accountProof", json_nodes(&proof->proof));
    rpc_put(object, "balance", rpc_json_u256(proof->account.balance));
    rpc_put(object, "codeHash", rpc_json_hash(&proof->account.code_hash));
    rpc_put(object, "nonce", json_quantity(proof->account.nonce));
    rpc_put(object, "storageHash", rpc_json_hash(&proof->storage_root));
    rpc_put(object, "storageProof", storage);
    return object;
}

json_t *rpc_proof(struct rpc_request *r)
{
    const json_t *asked = rpc_param(r, 1);
    struct rpc_block block;
    struct address address;
    struct hash *slots = NULL;
    struct state_account_proof proof;
    if (!rpc_read_address(r, 0, &address) || !read_slots(r, asked, &slots) ||
        !rpc_read_block(r, 2, &block)) {
        return NULL;
    }
    struct state_view *view = rpc_view(r, block.height);
    if (view == NULL || !rpc_fine(r, state_view_prove(view, &address, slots, json_array_size(asked),
                                                      &r->arena, &proof))) {
        return NULL;
    }
    return json_proof(&address, &proof, asked, slots);
}
