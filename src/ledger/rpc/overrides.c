/* overrides.c: overrides of state and block. */
#include "ledger/precompile/precompile.h"
#include "ledger/rpc/call_forms.h"

#define OVERRIDES_MAX 1024
#define OVERRIDE_SLOTS_MAX 16384 /* of one account */
#define WITHDRAWALS_MAX 1024

static bool bad_override(struct rpc_request *r, const char *key)
{
    rpc_refuse(r, RPC_INVALID_PARAMS, "the override's \"%s\" is wrong", key);
    return false;
}

static const json_t *find(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return json_is_null(value) ? NULL : value;
}

static bool read_number(struct rpc_request *r, const json_t *object, const char *key, u64 *ret,
                        bool *ret_given)
{
    const json_t *value = find(object, key);
    *ret_given = value != NULL;
    return value == NULL || json_read_quantity(value, ret) || bad_override(r, key);
}

static bool read_amount(struct rpc_request *r, const json_t *object, const char *key,
                        struct u256 *ret, bool *ret_given)
{
    const json_t *value = find(object, key);
    u8 word[32];
    *ret_given = value != NULL;
    if (value == NULL) {
        return true;
    }
    if (!json_read_quantity256(value, word)) {
        return bad_override(r, key);
    }
    *ret = u256_from_be(word);
    return true;
}

static bool read_fixed(struct rpc_request *r, const json_t *object, const char *key, u8 *out,
                       size_t len, bool *ret_given)
{
    const json_t *value = find(object, key);
    *ret_given = value != NULL;
    return value == NULL || json_read_fixed(value, out, len) || bad_override(r, key);
}

/* --- accounts --- */

static bool read_slots(struct rpc_request *r, const json_t *object, struct rpc_override *ret)
{
    const json_t *whole = find(object, "state");
    const json_t *diff = find(object, "stateDiff");
    const json_t *slots = whole != NULL ? whole : diff;
    const char *key;
    json_t *value;
    if (whole != NULL && diff != NULL) {
        rpc_refuse(r, RPC_INVALID_PARAMS, "an account has both 'state' and 'stateDiff'");
        return false;
    }
    ret->replaces_storage = whole != NULL;
    size_t count = json_object_size(slots);
    if (slots != NULL && (!json_is_object(slots) || count > OVERRIDE_SLOTS_MAX)) {
        return bad_override(r, "state");
    }
    ret->slots = ARENA_ARRAY(&r->arena, struct rpc_slot, count + 1);
    if (ret->slots == NULL) {
        return rpc_fault(r, ERR_LIMIT);
    }
    json_object_foreach((json_t *)slots, key, value)
    {
        struct rpc_slot *slot = &ret->slots[ret->slot_count++];
        if (!hex_decode_0x(slot->slot.b, sizeof slot->slot.b, bytes_str(key)) ||
            !json_read_fixed(value, slot->word.b, sizeof slot->word.b)) {
            return bad_override(r, "state");
        }
    }
    return true;
}

static bool read_account(struct rpc_request *r, const char *key, const json_t *object,
                         struct rpc_override *ret)
{
    const json_t *code = find(object, "code");
    if (!json_is_object(object) ||
        !hex_decode_0x(ret->address.b, sizeof ret->address.b, bytes_str(key))) {
        return bad_override(r, key);
    }
    ret->has_code = code != NULL;
    if (ret->has_code && !json_read_data(code, &r->arena, &ret->code)) {
        return bad_override(r, "code");
    }
    return read_amount(r, object, "balance", &ret->balance, &ret->has_balance) &&
           read_number(r, object, "nonce", &ret->nonce, &ret->has_nonce) &&
           read_fixed(r, object, "movePrecompileToAddress", ret->move_to.b, sizeof ret->move_to.b,
                      &ret->has_move) &&
           read_slots(r, object, ret);
}

bool rpc_read_overrides(struct rpc_request *r, const json_t *value, struct rpc_overrides *ret)
{
    const char *key;
    json_t *item;
    struct rpc_overrides overrides = {0};
    size_t count = json_object_size(value);
    if (value != NULL && (!json_is_object(value) || count > OVERRIDES_MAX)) {
        return bad_override(r, "stateOverrides");
    }
    overrides.items = ARENA_ARRAY(&r->arena, struct rpc_override, count + 1);
    if (overrides.items == NULL) {
        return rpc_fault(r, ERR_LIMIT);
    }
    json_object_foreach((json_t *)value, key, item)
    {
        if (!read_account(r, key, item, &overrides.items[overrides.count])) {
            return false;
        }
        overrides.count++;
    }
    *ret = overrides;
    return true;
}

static bool is_overridden(const struct rpc_overrides *overrides, const struct address *address)
{
    for (size_t i = 0; i < overrides->count; i++) {
        if (address_eq(&overrides->items[i].address, address)) {
            return true;
        }
    }
    return false;
}

static bool check_move(struct rpc_request *r, const struct rpc_overrides *overrides,
                       const struct rpc_override *item, bool is_precompile)
{
    char text[2 * sizeof item->address.b + 1];
    if (!item->has_move) {
        return true;
    }
    hex_encode(text, sizeof text, BYTES_OF(item->address));
    if (!is_precompile) {
        rpc_refuse(r, RPC_SERVER, "account 0x%s is not a precompile", text);
        return false;
    }
    if (is_overridden(overrides, &item->move_to)) {
        rpc_refuse(r, RPC_SERVER, "account 0x%s is moved to one that is overridden", text);
        return false;
    }
    return true;
}

/* A precompiled contract whose account is overridden is not where it was; perhaps elsewhere. */
bool rpc_override_moves(struct rpc_request *r, const struct rpc_overrides *overrides,
                        enum fork fork, const struct evm_moves **ret_moves)
{
    struct evm_moves *moves = arena_alloc(&r->arena, sizeof *moves);
    struct evm_move *items = ARENA_ARRAY(&r->arena, struct evm_move, overrides->count + 1);
    if (moves == NULL || items == NULL) {
        return rpc_fault(r, ERR_LIMIT);
    }
    *moves = (struct evm_moves){.items = items};
    for (size_t i = 0; i < overrides->count; i++) {
        const struct rpc_override *item = &overrides->items[i];
        const struct precompile *precompile = precompile_find(fork, &item->address);
        if (!check_move(r, overrides, item, precompile != NULL)) {
            return false;
        }
        if (precompile != NULL) {
            items[moves->count++] = (struct evm_move){
                .from = item->address, .to = item->move_to, .is_gone = !item->has_move};
        }
    }
    *ret_moves = moves->count > 0 ? moves : NULL;
    return true;
}

static err set_balance(struct journal *journal, const struct rpc_override *item)
{
    TRY(journal_clear_balance(journal, &item->address));
    return journal_credit(journal, &item->address, item->balance);
}

static err set_storage(struct journal *journal, const struct rpc_override *item)
{
    if (item->replaces_storage) {
        TRY(journal_clear_storage(journal, &item->address));
    }
    for (size_t i = 0; i < item->slot_count; i++) {
        TRY(journal_store(journal, &item->address, &item->slots[i].slot, &item->slots[i].word));
    }
    return ok();
}

err rpc_override_apply(const struct rpc_overrides *overrides, struct journal *journal)
{
    journal_begin_tx(journal);
    for (size_t i = 0; i < overrides->count; i++) {
        const struct rpc_override *item = &overrides->items[i];
        if (item->has_nonce) {
            TRY(journal_set_nonce(journal, &item->address, item->nonce));
        }
        if (item->has_code) {
            TRY(journal_set_code(journal, &item->address, item->code));
        }
        if (item->has_balance) {
            TRY(set_balance(journal, item));
        }
        TRY(set_storage(journal, item));
    }
    return ok();
}

/* --- blocks --- */

static bool read_withdrawal(const json_t *item, struct block_withdrawal *ret)
{
    return json_read_quantity(json_object_get(item, "index"), &ret->index) &&
           json_read_quantity(json_object_get(item, "validatorIndex"), &ret->validator) &&
           json_read_fixed(json_object_get(item, "address"), ret->address.b,
                           sizeof ret->address.b) &&
           json_read_quantity(json_object_get(item, "amount"), &ret->amount_gwei);
}

bool rpc_read_withdrawals(struct rpc_request *r, const json_t *value, struct block_withdrawal **ret,
                          size_t *ret_count)
{
    size_t count = json_array_size(value);
    if (value != NULL && (!json_is_array(value) || count > WITHDRAWALS_MAX)) {
        return bad_override(r, "withdrawals");
    }
    struct block_withdrawal *list = ARENA_ARRAY(&r->arena, struct block_withdrawal, count + 1);
    if (list == NULL) {
        return rpc_fault(r, ERR_LIMIT);
    }
    for (size_t i = 0; i < count; i++) {
        if (!read_withdrawal(json_array_get(value, i), &list[i])) {
            return bad_override(r, "withdrawals");
        }
    }
    *ret = list;
    *ret_count = count;
    return true;
}

/* Wallets spell the randomness in both ways. */
static bool read_randao(struct rpc_request *r, const json_t *object,
                        struct rpc_block_overrides *ret)
{
    const char *key = find(object, "prevRandao") != NULL ? "prevRandao" : "random";
    return read_fixed(r, object, key, ret->randao.b, sizeof ret->randao.b, &ret->has_randao);
}

static bool read_fees(struct rpc_request *r, const json_t *object, struct rpc_block_overrides *ret)
{
    const char *key = find(object, "baseFeePerGas") != NULL ? "baseFeePerGas" : "baseFee";
    return read_amount(r, object, key, &ret->base_fee, &ret->has_base_fee) &&
           read_amount(r, object, "blobBaseFee", &ret->blob_base_fee, &ret->has_blob_base_fee);
}

static bool read_coinbase(struct rpc_request *r, const json_t *object,
                          struct rpc_block_overrides *ret)
{
    const char *key = find(object, "feeRecipient") != NULL ? "feeRecipient" : "coinbase";
    return read_fixed(r, object, key, ret->coinbase.b, sizeof ret->coinbase.b, &ret->has_coinbase);
}

bool rpc_read_block_overrides(struct rpc_request *r, const json_t *value,
                              struct rpc_block_overrides *ret)
{
    struct rpc_block_overrides overrides = {0};
    if (value != NULL && !json_is_object(value)) {
        return bad_override(r, "blockOverrides");
    }
    bool fine = read_number(r, value, "number", &overrides.number, &overrides.has_number) &&
                read_number(r, value, "time", &overrides.time, &overrides.has_time) &&
                read_number(r, value, "gasLimit", &overrides.gas_limit, &overrides.has_gas_limit) &&
                read_coinbase(r, value, &overrides) && read_randao(r, value, &overrides) &&
                read_fees(r, value, &overrides) &&
                read_fixed(r, value, "beaconRoot", overrides.beacon_root.b,
                           sizeof overrides.beacon_root.b, &overrides.has_beacon_root) &&
                rpc_read_withdrawals(r, find(value, "withdrawals"), &overrides.withdrawals,
                                     &overrides.withdrawal_count);
    if (fine) {
        *ret = overrides;
    }
    return fine;
}

void rpc_block_override_env(const struct rpc_block_overrides *overrides, struct block_env *env)
{
    env->height = overrides->has_number ? overrides->number : env->height;
    env->time = overrides->has_time ? overrides->time : env->time;
    env->gas_limit = overrides->has_gas_limit ? overrides->gas_limit : env->gas_limit;
    env->coinbase = overrides->has_coinbase ? overrides->coinbase : env->coinbase;
    env->prev_randao = overrides->has_randao ? overrides->randao : env->prev_randao;
    env->base_fee = overrides->has_base_fee ? overrides->base_fee : env->base_fee;
    env->blob_base_fee =
        overrides->has_blob_base_fee ? overrides->blob_base_fee : env->blob_base_fee;
}
