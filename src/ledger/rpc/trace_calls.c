/* trace_calls.c: callTracer: the tree of calls, as geth writes it. */
#include "ledger/rpc/call_forms.h"
#include "ledger/rpc/tracers.h"

#define FRAME_BYTES 500

struct call_trace {
    json_t *top;
    u64 log_count;                     /* of the transaction, also those that were undone */
    json_t *open[TRACE_DEPTH_MAX + 2]; /* the frame of each depth; borrowed from its caller */
};

void call_trace_begin(struct trace *trace)
{
    json_decref(trace->calls->top);
    *trace->calls = (struct call_trace){0};
}

static json_t *json_enter(const struct evm_enter *enter)
{
    json_t *frame = json_object();
    rpc_put(frame, "from", rpc_json_address(&enter->from));
    rpc_put(frame, "gas", json_quantity(enter->gas));
    rpc_put(frame, "gasUsed", json_quantity(0));
    rpc_put(frame, "to", rpc_json_address(&enter->to));
    rpc_put(frame, "input", json_data(enter->input));
    if (enter->kind != EVM_STATICCALL) {
        rpc_put(frame, "value", rpc_json_u256(enter->value));
    }
    rpc_put(frame, "type", json_string(evm_kind_name(enter->kind)));
    return frame;
}

static json_t *list_of(json_t *frame, const char *key)
{
    json_t *list = json_object_get(frame, key);
    if (list == NULL) {
        list = json_array();
        rpc_put(frame, key, list);
    }
    return list;
}

static void on_enter(void *ctx, const struct evm_enter *enter)
{
    struct trace *trace = ctx;
    struct call_trace *calls = trace->calls;
    if (enter->depth > TRACE_DEPTH_MAX || (trace->options.only_top_call && enter->depth > 0)) {
        return;
    }
    calls->open[enter->depth] = NULL;
    if (!trace_room(trace, FRAME_BYTES + 2 * enter->input.len)) {
        return;
    }
    json_t *frame = json_enter(enter);
    if (enter->depth == 0) {
        json_decref(calls->top);
        calls->top = frame;
    } else if (calls->open[enter->depth - 1] != NULL) {
        json_array_append_new(list_of(calls->open[enter->depth - 1], "calls"), frame);
    } else {
        json_decref(frame); /* its caller did not fit */
        return;
    }
    calls->open[enter->depth] = frame;
}

static void put_failure(struct trace *trace, json_t *frame, const struct evm_exit *exit)
{
    const char *type = json_read_str(frame, "type");
    rpc_put(frame, "error", json_string(evm_status_text(exit->status)));
    json_object_del(frame, "logs"); /* undone */
    if (strncmp(type, "CREATE", 6) == 0) {
        json_object_del(frame, "to"); /* there is no such contract */
    }
    if (exit->status == EVM_REVERTED && exit->output.len > 0) {
        const char *reason = rpc_revert_reason(trace->r, exit->output);
        rpc_put(frame, "output", json_data(exit->output));
        if (reason != NULL) {
            rpc_put(frame, "revertReason", json_string(reason));
        }
    }
}

static void on_leave(void *ctx, const struct evm_exit *exit)
{
    struct trace *trace = ctx;
    json_t *frame = exit->depth <= TRACE_DEPTH_MAX ? trace->calls->open[exit->depth] : NULL;
    if (frame == NULL || (trace->options.only_top_call && exit->depth > 0) ||
        !trace_room(trace, 2 * exit->output.len)) {
        return;
    }
    rpc_put(frame, "gasUsed", json_quantity(exit->gas_used));
    if (exit->status != EVM_SUCCESS) {
        put_failure(trace, frame, exit);
    } else if (exit->output.len > 0) {
        rpc_put(frame, "output", json_data(exit->output));
    }
    trace->calls->open[exit->depth] = NULL;
}

static void on_log(void *ctx, unsigned depth, const struct journal_log *log)
{
    struct trace *trace = ctx;
    json_t *frame = depth <= TRACE_DEPTH_MAX ? trace->calls->open[depth] : NULL;
    if (frame == NULL || !trace_room(trace, FRAME_BYTES + 2 * log->data.len)) {
        return;
    }
    json_t *object = json_object();
    json_t *topics = json_array();
    for (size_t i = 0; i < log->topic_count; i++) {
        json_array_append_new(topics, rpc_json_hash(&log->topics[i]));
    }
    rpc_put(object, "address", rpc_json_address(&log->address));
    rpc_put(object, "topics", topics);
    rpc_put(object, "data", json_data(log->data));
    rpc_put(object, "index", json_quantity(trace->calls->log_count++));
    rpc_put(object, "position", json_quantity(json_array_size(json_object_get(frame, "calls"))));
    json_array_append_new(list_of(frame, "logs"), object);
}

bool call_trace_new(struct trace *trace)
{
    trace->calls = arena_alloc(&trace->r->arena, sizeof *trace->calls);
    trace->tracer.enter = on_enter;
    trace->tracer.exit = on_leave;
    trace->tracer.log = trace->options.with_logs ? on_log : NULL;
    return trace->calls != NULL;
}

/* The outermost frame says what the transaction says. */
json_t *call_trace_result(struct trace *trace, const struct exec_result *result)
{
    json_t *top = trace->calls->top;
    if (top == NULL) {
        return json_object();
    }
    trace->calls->top = NULL;
    rpc_put(top, "gas", json_quantity(trace->subject.gas_limit));
    rpc_put(top, "gasUsed", json_quantity(result->gas_used));
    return top;
}
