/* tracers.c: options and life of a tracer. */
#include "ledger/rpc/tracers.h"

static bool read_flag(struct rpc_request *r, const json_t *object, const char *key, bool *ret)
{
    const json_t *value = json_object_get(object, key);
    *ret = json_is_true(value);
    if (value == NULL || json_is_null(value) || json_is_boolean(value)) {
        return true;
    }
    rpc_refuse(r, RPC_INVALID_PARAMS, "\"%s\" of the tracer is true or false", key);
    return false;
}

static bool read_kind(struct rpc_request *r, const json_t *object, enum trace_kind *ret)
{
    static const struct {
        const char *name;
        enum trace_kind kind;
    } names[] = {{"callTracer", TRACE_CALLS},
                 {"prestateTracer", TRACE_PRESTATE},
                 {"noopTracer", TRACE_NOTHING},
                 {"structLogger", TRACE_STEPS}};
    const char *name = json_read_str(object, "tracer");
    *ret = TRACE_STEPS;
    if (name == NULL || name[0] == '\0') {
        return true;
    }
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (strcmp(names[i].name, name) == 0) {
            *ret = names[i].kind;
            return true;
        }
    }
    rpc_refuse(r, RPC_SERVER,
               "there is no such tracer: callTracer, prestateTracer, noopTracer and the default");
    return false;
}

static bool read_limit(struct rpc_request *r, const json_t *object, u64 *ret)
{
    const json_t *value = json_object_get(object, "limit");
    *ret = json_is_integer(value) ? (u64)json_integer_value(value) : 0;
    if (value == NULL || (json_is_integer(value) && json_integer_value(value) >= 0)) {
        return true;
    }
    rpc_refuse(r, RPC_INVALID_PARAMS, "\"limit\" of the tracer is a number");
    return false;
}

bool trace_read_options(struct rpc_request *r, const json_t *value, struct trace_options *ret)
{
    struct trace_options options = {0};
    if (value != NULL && !json_is_object(value)) {
        rpc_refuse(r, RPC_INVALID_PARAMS, "the tracer's configuration is an object");
        return false;
    }
    const json_t *config = json_object_get(value, "tracerConfig");
    bool fine = read_kind(r, value, &options.kind) &&
                read_flag(r, value, "disableStack", &options.no_stack) &&
                read_flag(r, value, "disableStorage", &options.no_storage) &&
                read_flag(r, value, "enableMemory", &options.with_memory) &&
                read_flag(r, value, "enableReturnData", &options.with_return_data) &&
                read_limit(r, value, &options.limit) &&
                read_flag(r, config, "onlyTopCall", &options.only_top_call) &&
                read_flag(r, config, "withLog", &options.with_logs) &&
                read_flag(r, config, "diffMode", &options.is_diff) &&
                read_flag(r, config, "disableCode", &options.no_code) &&
                read_flag(r, config, "disableStorage", &options.no_slots);
    if (fine) {
        *ret = options;
    }
    return fine;
}

bool trace_room(struct trace *trace, size_t len)
{
    trace->bytes += len;
    trace->is_full |= trace->bytes > TRACE_BYTES_MAX;
    return !trace->is_full;
}

struct trace *trace_new(struct rpc_request *r, const struct trace_options *options,
                        struct app_dry *dry)
{
    struct trace *trace = arena_alloc(&r->arena, sizeof *trace);
    if (trace == NULL) {
        rpc_fault(r, ERR_LIMIT);
        return NULL;
    }
    *trace = (struct trace){.r = r, .options = *options, .dry = dry};
    bool made = options->kind == TRACE_NOTHING ||
                (options->kind == TRACE_STEPS && step_trace_new(trace)) ||
                (options->kind == TRACE_CALLS && call_trace_new(trace)) ||
                (options->kind == TRACE_PRESTATE && state_trace_new(trace));
    if (!made) {
        rpc_fault(r, ERR_LIMIT);
        return NULL;
    }
    trace->tracer.ctx = trace;
    return trace;
}

const struct evm_tracer *trace_tracer(struct trace *trace) { return &trace->tracer; }

static void begin(struct trace *trace)
{
    switch (trace->options.kind) {
    case TRACE_STEPS:
        step_trace_begin(trace);
        break;
    case TRACE_CALLS:
        call_trace_begin(trace);
        break;
    case TRACE_PRESTATE:
        state_trace_begin(trace);
        break;
    case TRACE_NOTHING:
        break;
    }
}

void trace_begin(struct trace *trace, const struct trace_subject *subject)
{
    trace->subject = *subject;
    begin(trace);
}

void trace_free(struct trace *trace)
{
    if (trace != NULL) {
        begin(trace);
    }
}

bool trace_fine(struct trace *trace, err e)
{
    if (trace->is_full) {
        rpc_refuse(trace->r, RPC_LIMIT, "the trace is larger than %zu bytes",
                   (size_t)TRACE_BYTES_MAX);
        return false;
    }
    return rpc_fine(trace->r, e);
}

json_t *trace_result(struct trace *trace, const struct exec_result *result, struct app_dry *before)
{
    if (!trace_fine(trace, ok())) {
        return NULL;
    }
    switch (trace->options.kind) {
    case TRACE_STEPS:
        return step_trace_result(trace, result);
    case TRACE_CALLS:
        return call_trace_result(trace, result);
    case TRACE_PRESTATE:
        return state_trace_result(trace, result, before);
    case TRACE_NOTHING:
        break;
    }
    return json_object();
}
