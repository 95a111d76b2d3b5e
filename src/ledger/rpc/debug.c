/* debug.c: debug_traceTransaction, debug_traceCall, debug_traceBlockByNumber and its relatives. */
#include "ledger/rpc/call_forms.h"
#include "ledger/rpc/methods.h"
#include "ledger/rpc/tracers.h"

/* The executor's world, and for prestateTracer a second one that stays one transaction behind. */
struct tracing {
    struct rpc_request *r;
    struct trace_options options;
    struct app_dry dry;
    struct app_dry before;
    bool is_open;
    bool has_before;
    struct trace *trace;
};

static bool open_inside(struct tracing *tracing, u64 height, size_t index)
{
    struct rpc_request *r = tracing->r;
    if (rpc_view(r, height - 1) == NULL ||
        !rpc_fine(r, app_dry_inside(r->app, height, index, &tracing->dry))) {
        return false;
    }
    tracing->is_open = true;
    if (tracing->options.kind == TRACE_PRESTATE) {
        if (!rpc_fine(r, app_dry_inside(r->app, height, index, &tracing->before))) {
            return false;
        }
        tracing->has_before = true;
    }
    tracing->trace = trace_new(r, &tracing->options, &tracing->dry);
    return tracing->trace != NULL;
}

static void close_tracing(struct tracing *tracing)
{
    trace_free(tracing->trace);
    if (tracing->is_open) {
        app_dry_close(&tracing->dry);
    }
    if (tracing->has_before) {
        app_dry_close(&tracing->before);
    }
}

static bool read_subject(struct rpc_request *r, bytes raw, struct trace_subject *ret)
{
    struct tx tx;
    if (!rpc_decode_tx(r, raw, &tx)) {
        return false;
    }
    ret->gas_limit = tx.gas_limit;
    return tx_sender(&tx, &ret->from) || rpc_fault(r, ERR_INTEGRITY);
}

/* Executes one transaction of the block under the tracer. */
static json_t *trace_one(struct tracing *tracing, bytes raw)
{
    struct rpc_request *r = tracing->r;
    struct trace_subject subject;
    struct exec_result result;
    struct arena scratch;
    json_t *object = NULL;
    if (!read_subject(r, raw, &subject)) {
        return NULL;
    }
    trace_begin(tracing->trace, &subject);
    arena_init(&scratch, EXEC_TX_BYTES_MAX + 4 * raw.len);
    tracing->dry.executor.tracer = trace_tracer(tracing->trace);
    err e = app_dry_tx(&tracing->dry, raw, &scratch, &result);
    tracing->dry.executor.tracer = NULL;
    if (trace_fine(tracing->trace, e)) {
        object = trace_result(tracing->trace, &result, &tracing->before);
    }
    arena_free(&scratch);
    return object;
}

/* The world before follows. */
static bool step_before(struct tracing *tracing, bytes raw)
{
    struct exec_result result;
    struct arena scratch;
    if (!tracing->has_before) {
        return true;
    }
    arena_init(&scratch, EXEC_TX_BYTES_MAX + 4 * raw.len);
    err e = app_dry_tx(&tracing->before, raw, &scratch, &result);
    arena_free(&scratch);
    return rpc_fine(tracing->r, e);
}

/* --- one transaction --- */

static json_t *trace_at(struct tracing *tracing, u64 height, u32 index)
{
    struct rpc_block_data block;
    if (!rpc_load_txs(tracing->r, height, &block)) {
        return NULL;
    }
    if (height == 0 || index >= block.body.txs.count) {
        rpc_fault(tracing->r, ERR_INTEGRITY);
        return NULL;
    }
    if (!open_inside(tracing, height, index)) {
        return NULL;
    }
    return trace_one(tracing, block.body.txs.items[index]);
}

json_t *rpc_trace_tx(struct rpc_request *r)
{
    struct tracing tracing = {.r = r};
    struct state_view *view = rpc_chain_view(r);
    struct hash hash;
    u64 height;
    u32 index;
    if (view == NULL || !rpc_read_hash(r, 0, &hash) ||
        !trace_read_options(r, rpc_param(r, 1), &tracing.options)) {
        return NULL;
    }
    err e = state_view_tx(view, &hash, &height, &index);
    if (is_err(e, ERR_NOT_FOUND)) {
        return rpc_refuse(r, RPC_SERVER, "transaction not found");
    }
    json_t *result = rpc_fine(r, e) ? trace_at(&tracing, height, index) : NULL;
    close_tracing(&tracing);
    return result;
}

/* --- a block --- */

static json_t *trace_all(struct tracing *tracing, const struct rpc_block_data *block)
{
    json_t *list = json_array();
    for (size_t i = 0; i < block->body.txs.count; i++) {
        bytes raw = block->body.txs.items[i];
        json_t *result = trace_one(tracing, raw);
        if (result == NULL || !step_before(tracing, raw)) {
            json_decref(result);
            json_decref(list);
            return NULL;
        }
        struct hash hash;
        json_t *item = json_object();
        tx_hash(&hash, raw);
        rpc_put(item, "txHash", rpc_json_hash(&hash));
        rpc_put(item, "result", result);
        json_array_append_new(list, item);
    }
    return list;
}

static json_t *trace_block(struct rpc_request *r, const struct rpc_block *at)
{
    struct tracing tracing = {.r = r};
    struct rpc_block_data block;
    json_t *result = NULL;
    if (!trace_read_options(r, rpc_param(r, 1), &tracing.options)) {
        return NULL;
    }
    if (!at->is_found) {
        return rpc_refuse(r, RPC_SERVER, "block not found");
    }
    if (at->height == 0) {
        return rpc_refuse(r, RPC_SERVER, "genesis is not traceable");
    }
    if (rpc_load_txs(r, at->height, &block) && open_inside(&tracing, at->height, 0)) {
        result = trace_all(&tracing, &block);
    }
    close_tracing(&tracing);
    return result;
}

json_t *rpc_trace_block_by_number(struct rpc_request *r)
{
    struct rpc_block at;
    return rpc_find_block(r, rpc_param(r, 0), &at) ? trace_block(r, &at) : NULL;
}

json_t *rpc_trace_block_by_hash(struct rpc_request *r)
{
    struct rpc_block at;
    return rpc_read_block_hash(r, 0, &at) ? trace_block(r, &at) : NULL;
}

/* --- a call --- */

/* debug_traceCall has its overrides in the tracer's configuration. */
static bool read_traced_call(struct tracing *tracing, struct rpc_call_at *at)
{
    const json_t *config = rpc_param(tracing->r, 2);
    return trace_read_options(tracing->r, config, &tracing->options) &&
           rpc_read_call_at_with(tracing->r, json_object_get(config, "stateOverrides"),
                                 json_object_get(config, "blockOverrides"), at);
}

static bool open_after(struct rpc_request *r, const struct rpc_call_at *at, struct app_dry *dry,
                       bool *ret_open)
{
    if (!rpc_fine(r, app_dry_after(r->app, at->block.height, dry))) {
        return false;
    }
    *ret_open = true;
    return rpc_fine(r, at->options.prepare(at->options.ctx, dry));
}

static json_t *run_call(struct tracing *tracing, struct rpc_call_at *at)
{
    struct rpc_request *r = tracing->r;
    struct exec_result result;
    struct call_request request = at->request;
    if (request.gas_limit == 0 || request.gas_limit > APP_CALL_GAS_MAX) {
        request.gas_limit = APP_CALL_GAS_MAX;
    }
    const struct trace_subject subject = {.from = request.from, .gas_limit = request.gas_limit};
    trace_begin(tracing->trace, &subject);
    tracing->dry.executor.tracer = trace_tracer(tracing->trace);
    err e = execute_call(&tracing->dry.executor, &request, &r->arena, &result);
    tracing->dry.executor.tracer = NULL;
    if (!trace_fine(tracing->trace, e)) {
        return NULL;
    }
    return result.verdict == TX_VALID ? trace_result(tracing->trace, &result, &tracing->before)
                                      : rpc_refuse_result(r, &result);
}

json_t *rpc_trace_call(struct rpc_request *r)
{
    struct tracing tracing = {.r = r};
    struct rpc_call_at at;
    json_t *result = NULL;
    if (read_traced_call(&tracing, &at) && open_after(r, &at, &tracing.dry, &tracing.is_open) &&
        (tracing.options.kind != TRACE_PRESTATE ||
         open_after(r, &at, &tracing.before, &tracing.has_before))) {
        tracing.trace = trace_new(r, &tracing.options, &tracing.dry);
        result = tracing.trace != NULL ? run_call(&tracing, &at) : NULL;
    }
    close_tracing(&tracing);
    return result;
}
