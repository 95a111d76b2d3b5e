/* calls.c: eth_call, eth_estimateGas, eth_createAccessList, eth_sendRawTransaction. */
#include "codec/abi.h"
#include "ledger/precompile/precompile.h"
#include "ledger/rpc/call_forms.h"
#include "ledger/rpc/methods.h"
#include "ledger/rpc/seen.h"

#define REASON_BYTES_MAX 300
#define ACCESS_LIST_ROUNDS 8
#define SYNC_WAIT_MS 2000
#define ACCESS_LIST_MAX 16384 /* addresses and slots */

/* --- a call at a block --- */

/* What clients want to know does not depend on fees unless they name one: the base fee is zero
 * then, as with every Ethereum client. */
static err prepare(void *ctx, struct app_dry *dry)
{
    const struct rpc_call_at *at = ctx;
    rpc_block_override_env(&at->block_overrides, &dry->env);
    if (!at->call.has_fee) {
        dry->env.base_fee = u256_from_u64(0);
    }
    dry->executor.moves = at->moves;
    return rpc_override_apply(&at->overrides, &dry->journal);
}

static bool price_call(struct rpc_request *r, struct rpc_call_at *at, struct block_env *env)
{
    struct u256 price = u256_from_u64(0);
    if (at->call.has_fee && !rpc_call_price(&at->call, env->base_fee, &price)) {
        rpc_refuse(r, RPC_SERVER, "%s", tx_verdict_text(TX_FEE_BELOW_BASE));
        return false;
    }
    at->request = rpc_call_request(&at->call, price);
    return true;
}

bool rpc_read_call_at(struct rpc_request *r, struct rpc_call_at *ret)
{
    return rpc_read_call_at_with(r, rpc_param(r, 2), rpc_param(r, 3), ret);
}

bool rpc_read_call_at_with(struct rpc_request *r, const json_t *state, const json_t *block,
                           struct rpc_call_at *ret)
{
    struct block_env env;
    *ret = (struct rpc_call_at){0};
    /* the view tells apart what is no longer kept from what fails */
    if (!rpc_read_call(r, 0, &ret->call) || !rpc_read_block(r, 1, &ret->block) ||
        !rpc_read_overrides(r, state, &ret->overrides) ||
        !rpc_read_block_overrides(r, block, &ret->block_overrides) ||
        rpc_view(r, ret->block.height) == NULL ||
        !rpc_fine(r, app_env_of(r->app, ret->block.height, &env))) {
        return false;
    }
    rpc_block_override_env(&ret->block_overrides, &env);
    ret->options =
        (struct app_call_options){.height = ret->block.height, .prepare = prepare, .ctx = ret};
    return rpc_override_moves(r, &ret->overrides, env.fork, &ret->moves) &&
           price_call(r, ret, &env);
}

/* --- results --- */

const char *rpc_revert_reason(struct rpc_request *r, bytes output)
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

json_t *rpc_refuse_result(struct rpc_request *r, const struct exec_result *result)
{
    if (result->verdict != TX_VALID) {
        return rpc_refuse(r, RPC_SERVER, "%s", tx_verdict_text(result->verdict));
    }
    if (result->status != EVM_REVERTED) {
        return rpc_refuse(r, RPC_SERVER, "%s", evm_status_text(result->status));
    }
    const char *reason = rpc_revert_reason(r, result->output);
    r->data = json_data(result->output);
    return rpc_refuse(r, RPC_REVERTED, "execution reverted%s%s", reason != NULL ? ": " : "",
                      reason != NULL ? reason : "");
}

json_t *rpc_eth_call(struct rpc_request *r)
{
    struct rpc_call_at at;
    struct exec_result result;
    if (!rpc_read_call_at(r, &at) ||
        !rpc_fine(r, app_call(r->app, &at.options, &at.request, &r->arena, &result))) {
        return NULL;
    }
    bool success = result.verdict == TX_VALID && result.success;
    return success ? json_data(result.output) : rpc_refuse_result(r, &result);
}

/* An estimate at the head is for the next block, not for the head again: a contract that keeps a
 * checkpoint a block would seem to write to the one that it has, and need more gas in earnest. */
static bool estimate_for_next(struct rpc_request *r, struct rpc_call_at *at)
{
    struct rpc_block_overrides *overrides = &at->block_overrides;
    struct block_env env;
    if (at->block.height != app_info_now(r->app).height) {
        return true;
    }
    if (!rpc_fine(r, app_env_of(r->app, at->block.height, &env))) {
        return false;
    }
    if (!overrides->has_number) {
        overrides->has_number = true;
        overrides->number = env.height + 1;
    }
    if (!overrides->has_time) {
        overrides->has_time = true;
        overrides->time = env.time + 1;
    }
    return true;
}

json_t *rpc_estimate_gas(struct rpc_request *r)
{
    struct rpc_call_at at;
    struct exec_result result;
    u64 gas;
    if (!rpc_read_call_at(r, &at) || !estimate_for_next(r, &at) ||
        !rpc_fine(r, app_estimate(r->app, &at.options, &at.request, &r->arena, &result, &gas))) {
        return NULL;
    }
    bool success = result.verdict == TX_VALID && result.success;
    return success ? json_quantity(gas) : rpc_refuse_result(r, &result);
}

/* --- eth_createAccessList --- */

struct access_list {
    struct tx_access *items; /* in the order in which they were first seen */
    size_t count;
};

static void on_account(void *ctx, const struct address *address)
{
    (void)seen_account(ctx, address); /* a full list is reported at the end */
}

static void on_slot(void *ctx, const struct address *address, const struct hash *slot)
{
    seen_slot(ctx, address, slot);
}

/* What is warm anyhow needs no entry unless it has slots: sender, receiver, precompiles. */
static bool is_warm(const struct rpc_call_at *at, const struct address *receiver, enum fork fork,
                    const struct address *address)
{
    return address_eq(address, &at->request.from) || address_eq(address, receiver) ||
           precompile_find(fork, address) != NULL;
}

static bool add_access(struct rpc_request *r, const struct seen_account *account,
                       struct access_list *list)
{
    struct tx_access *access = &list->items[list->count++];
    *access =
        (struct tx_access){.address = account->address,
                           .slots = ARENA_ARRAY(&r->arena, struct hash, account->slot_count + 1)};
    if (access->slots == NULL) {
        return rpc_fault(r, ERR_LIMIT);
    }
    for (const struct seen_slot *it = account->first_slot; it != NULL; it = it->next) {
        access->slots[access->slot_count++] = it->slot;
    }
    return true;
}

/* The cold ones of what was seen. */
static bool make_list(struct rpc_request *r, const struct seen *seen, const struct rpc_call_at *at,
                      const struct exec_result *result, struct access_list *list)
{
    struct block_env env;
    const struct address *receiver = at->request.is_create ? &result->created : &at->request.to;
    list->count = 0;
    list->items = ARENA_ARRAY(&r->arena, struct tx_access, seen->count + 1);
    if (list->items == NULL || seen->is_full) {
        return rpc_fault(r, ERR_LIMIT);
    }
    if (!rpc_fine(r, app_env_of(r->app, at->block.height, &env))) {
        return false;
    }
    for (const struct seen_account *it = seen->first; it != NULL; it = it->next) {
        bool is_needed = it->slot_count > 0 || !is_warm(at, receiver, env.fork, &it->address);
        if (is_needed && !add_access(r, it, list)) {
            return false;
        }
    }
    return true;
}

static bool trace_access(struct rpc_request *r, struct rpc_call_at *at, struct access_list *list,
                         struct exec_result *ret_result)
{
    struct seen seen;
    const struct evm_tracer tracer = {.ctx = &seen, .account = on_account, .slot = on_slot};
    seen_init(&seen, &r->arena, ACCESS_LIST_MAX);
    at->options.tracer = &tracer;
    err e = app_call(r->app, &at->options, &at->request, &r->arena, ret_result);
    at->options.tracer = NULL;
    bool fine = rpc_fine(r, e) && make_list(r, &seen, at, ret_result, list);
    seen_free(&seen);
    return fine;
}

static bool same_list(const struct access_list *list, const struct call_request *request)
{
    if (list->count != request->access_count) {
        return false;
    }
    for (size_t i = 0; i < list->count; i++) {
        if (!address_eq(&list->items[i].address, &request->access[i].address) ||
            list->items[i].slot_count != request->access[i].slot_count) {
            return false;
        }
    }
    return true;
}

static json_t *json_access_result(struct rpc_request *r, const struct access_list *list,
                                  const struct exec_result *result)
{
    const struct tx shape = {.access = list->items, .access_count = list->count};
    json_t *object = json_object();
    rpc_put(object, "accessList", rpc_json_access(&shape));
    if (!result->success) {
        const char *reason = rpc_revert_reason(r, result->output);
        rpc_put(object, "error",
                json_string(reason != NULL ? reason : evm_status_text(result->status)));
    }
    rpc_put(object, "gasUsed", json_quantity(result->gas_used));
    return object;
}

/* The list changes what the call costs, and so may change what it does: until it stays as it is. */
json_t *rpc_create_access_list(struct rpc_request *r)
{
    struct rpc_call_at at;
    struct access_list list;
    struct exec_result result;
    if (!rpc_read_call_at(r, &at)) {
        return NULL;
    }
    for (size_t round = 0; round < ACCESS_LIST_ROUNDS; round++) {
        if (!trace_access(r, &at, &list, &result)) {
            return NULL;
        }
        if (result.verdict != TX_VALID) {
            return rpc_refuse_result(r, &result);
        }
        if (same_list(&list, &at.request)) {
            break;
        }
        at.request.access = list.items;
        at.request.access_count = list.count;
    }
    return json_access_result(r, &list, &result);
}

/* --- sending --- */

static bool send(struct rpc_request *r, struct hash *ret_hash)
{
    struct rpc *rpc = r->rpc;
    bytes raw;
    enum tx_verdict verdict;
    if (!json_read_data(rpc_param(r, 0), &r->arena, &raw)) {
        rpc_refuse(r, RPC_INVALID_PARAMS,
                   "invalid argument 0: data is 0x and pairs of hexadecimal digits");
        return false;
    }
    if (!rpc_fine(r, app_submit(r->app, raw, ret_hash, &verdict))) {
        return false;
    }
    if (verdict != TX_VALID) {
        rpc_refuse(r, RPC_SERVER, "%s", tx_verdict_text(verdict));
        return false;
    }
    rpc_note_submitted(rpc, ret_hash);
    if (rpc->options.submitted != NULL) {
        rpc->options.submitted(rpc->options.ctx);
    }
    return true;
}

json_t *rpc_send_raw(struct rpc_request *r)
{
    struct hash hash;
    return send(r, &hash) ? rpc_json_hash(&hash) : NULL;
}

/* EIP-7966: the receipt, once the transaction is in a block. */
json_t *rpc_send_raw_sync(struct rpc_request *r)
{
    struct rpc *rpc = r->rpc;
    struct loop *loop = rpc->options.loop;
    struct hash hash;
    u64 wait_ms = SYNC_WAIT_MS;
    if ((rpc_param(r, 1) != NULL && !rpc_read_quantity(r, 1, &wait_ms)) || !send(r, &hash)) {
        return NULL;
    }
    u64 deadline_ms = loop != NULL ? loop_now_ms(loop) : 0;
    deadline_ms += min_u64(wait_ms, RPC_HEAD_WAIT_MAX_MS);
    while (rpc_enter(r)) {
        rpc_view_close(r); /* not that of the block before */
        json_t *receipt = rpc_receipt_of(r, &hash);
        if (receipt == NULL || !json_is_null(receipt)) {
            return receipt;
        }
        rpc_view_close(r);
        if (loop == NULL || !r->may_wait || rpc->draining || loop_now_ms(loop) >= deadline_ms) {
            r->data = rpc_json_hash(&hash);
            return rpc_refuse(r, RPC_NOT_YET, "the transaction was taken but is in no block yet");
        }
        err e = event_wait(loop, &rpc->advanced, deadline_ms);
        if (!is_err(e, ERR_TIMEOUT) && !rpc_fine(r, e)) {
            return NULL;
        }
    }
    return NULL;
}
