/* trace_steps.c: the struct logger: every instruction, as geth writes it.
 *
 * What an instruction cost is known only after it: the gas before it, less that before the next one
 * of its frame, plus what a call that it made gave back.
 */
#include "ledger/rpc/tracers.h"

#define STEP_BYTES 160
#define WORD_BYTES 80
#define OP_SLOAD 0x54
#define OP_SSTORE 0x55
#define CODE_DEPOSIT_GAS 200u /* per byte of a new contract */

/* The frame of a depth, and its instruction that has no price yet. */
struct step_frame {
    json_t *log; /* borrowed; NULL: none */
    u64 gas_before;
    u64 given_back; /* by calls that it made */
    u64 gas;        /* of the frame */
    bool is_creation;
};

struct step_trace {
    json_t *logs;
    u64 count;
    json_t *storage; /* address → slot → word: what was seen so far */
    struct step_frame frames[TRACE_DEPTH_MAX + 2];
};

void step_trace_begin(struct trace *trace)
{
    struct step_trace *steps = trace->steps;
    json_decref(steps->logs);
    json_decref(steps->storage);
    *steps = (struct step_trace){0};
}

/* --- one instruction --- */

static json_t *json_stack(const struct evm_step *step)
{
    json_t *list = json_array();
    for (size_t i = 0; i < step->stack_count; i++) {
        json_array_append_new(list, rpc_json_u256(step->stack[i]));
    }
    return list;
}

static json_t *json_memory(bytes memory)
{
    json_t *list = json_array();
    for (size_t at = 0; at < memory.len; at += 32) {
        u8 word[32] = {0};
        memcpy(word, memory.data + at, min_size(memory.len - at, sizeof word));
        json_array_append_new(list, json_data(BYTES_OF(word)));
    }
    return list;
}

static const char *hex_key(char out[67], bytes value)
{
    out[0] = '0';
    out[1] = 'x';
    hex_encode(out + 2, 65, value);
    return out;
}

/* The slot that SLOAD or SSTORE is about, with its value then; of this contract all so far. */
static json_t *see_slot(struct trace *trace, const struct evm_step *step)
{
    char account[67];
    char slot_text[67];
    struct hash slot;
    struct word word = {{0}};
    u256_to_be(slot.b, step->stack[step->stack_count - 1]);
    if (step->op == OP_SSTORE) {
        u256_to_be(word.b, step->stack[step->stack_count - 2]);
    } else if (!rpc_fine(trace->r, journal_load(&trace->dry->journal, step->self, &slot, &word))) {
        return NULL;
    }
    hex_key(account, BYTES_OF(*step->self));
    json_t *slots = json_object_get(trace->steps->storage, account);
    if (slots == NULL) {
        slots = json_object();
        rpc_put(trace->steps->storage, account, slots);
    }
    rpc_put(slots, hex_key(slot_text, BYTES_OF(slot)), json_data(BYTES_OF(word)));
    return trace_room(trace, 2 * WORD_BYTES * json_object_size(slots)) ? slots : NULL;
}

static void put_storage(struct trace *trace, const struct evm_step *step, json_t *log)
{
    size_t needed = step->op == OP_SSTORE ? 2 : 1;
    if ((step->op == OP_SLOAD || step->op == OP_SSTORE) && step->stack_count >= needed) {
        json_t *slots = see_slot(trace, step);
        if (slots != NULL) {
            rpc_put(log, "storage", json_copy(slots));
        }
    }
}

static json_t *json_step(struct trace *trace, const struct evm_step *step)
{
    const struct trace_options *options = &trace->options;
    json_t *log = json_object();
    rpc_put(log, "pc", json_integer((json_int_t)step->pc));
    rpc_put(log, "op", json_string(evm_op_name(step->op)));
    rpc_put(log, "gas", json_integer((json_int_t)step->gas));
    rpc_put(log, "gasCost", json_integer(0));
    rpc_put(log, "depth", json_integer((json_int_t)step->depth + 1));
    if (step->refund > 0) {
        rpc_put(log, "refund", json_integer((json_int_t)step->refund));
    }
    if (!options->no_stack) {
        rpc_put(log, "stack", json_stack(step));
    }
    if (options->with_memory && step->memory.len > 0) {
        rpc_put(log, "memory", json_memory(step->memory));
    }
    if (options->with_return_data && step->return_data.len > 0) {
        rpc_put(log, "returnData", json_data(step->return_data));
    }
    if (!options->no_storage) {
        put_storage(trace, step, log);
    }
    return log;
}

/* --- prices --- */

static void price(struct step_frame *frame, u64 gas_after)
{
    if (frame->log != NULL) {
        u64 had = frame->gas_before + frame->given_back;
        u64 cost = had > gas_after ? had - gas_after : 0;
        rpc_put(frame->log, "gasCost", json_integer((json_int_t)cost));
    }
    frame->log = NULL;
    frame->given_back = 0;
}

static err on_step(void *ctx, const struct evm_step *step)
{
    struct trace *trace = ctx;
    struct step_trace *steps = trace->steps;
    struct step_frame *frame = &steps->frames[min_size(step->depth, TRACE_DEPTH_MAX + 1)];
    price(frame, step->gas);
    size_t room = STEP_BYTES + (trace->options.no_stack ? 0 : WORD_BYTES * step->stack_count) +
                  (trace->options.with_memory ? 3 * step->memory.len : 0) +
                  (trace->options.with_return_data ? 2 * step->return_data.len : 0);
    if (trace->options.limit > 0 && steps->count >= trace->options.limit) {
        return ok();
    }
    if (!trace_room(trace, room)) {
        return fail(ERR_LIMIT); /* nobody will see the rest */
    }
    frame->log = json_step(trace, step);
    frame->gas_before = step->gas;
    json_array_append_new(steps->logs, frame->log);
    steps->count++;
    return ok();
}

static void on_enter(void *ctx, const struct evm_enter *enter)
{
    struct step_trace *steps = ((struct trace *)ctx)->steps;
    if (steps->logs == NULL) {
        steps->logs = json_array();
        steps->storage = json_object();
    }
    if (enter->depth <= TRACE_DEPTH_MAX && enter->kind != EVM_SELFDESTRUCT) {
        steps->frames[enter->depth] = (struct step_frame){
            .gas = enter->gas,
            .is_creation = enter->kind == EVM_CREATE || enter->kind == EVM_CREATE2};
    }
}

static void on_leave(void *ctx, const struct evm_exit *exit)
{
    struct step_trace *steps = ((struct trace *)ctx)->steps;
    if (exit->depth > TRACE_DEPTH_MAX) {
        return;
    }
    struct step_frame *frame = &steps->frames[exit->depth];
    u64 left = frame->gas - min_u64(frame->gas, exit->gas_used);
    if (frame->log != NULL && exit->status != EVM_SUCCESS && exit->status != EVM_REVERTED) {
        rpc_put(frame->log, "error", json_string(evm_status_text(exit->status)));
        frame->log = NULL; /* what it would have cost is not known */
    }
    /* What a new contract's code costs is not its last instruction's price. */
    bool pays_code = frame->is_creation && exit->status == EVM_SUCCESS;
    price(frame, left + (pays_code ? CODE_DEPOSIT_GAS * exit->output.len : 0));
    if (exit->depth > 0) {
        steps->frames[exit->depth - 1].given_back += left;
    }
}

bool step_trace_new(struct trace *trace)
{
    trace->steps = arena_alloc(&trace->r->arena, sizeof *trace->steps);
    trace->tracer.step = on_step;
    trace->tracer.enter = on_enter;
    trace->tracer.exit = on_leave;
    return trace->steps != NULL;
}

json_t *step_trace_result(struct trace *trace, const struct exec_result *result)
{
    struct step_trace *steps = trace->steps;
    bool has_output = result->success || result->status == EVM_REVERTED;
    json_t *object = json_object();
    rpc_put(object, "gas", json_integer((json_int_t)result->gas_used));
    rpc_put(object, "failed", json_boolean(!result->success));
    rpc_put(object, "returnValue", json_data(has_output ? result->output : bytes_make("", 0)));
    rpc_put(object, "structLogs", steps->logs != NULL ? steps->logs : json_array());
    steps->logs = NULL;
    return object;
}
