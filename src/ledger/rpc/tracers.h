/* tracers.h: what debug_trace… records; for the files of ledger/rpc only.
 *
 * A tracer watches one execution (a transaction or a call) and makes one JSON value of it. Three
 * kinds, by the names that geth gave them: the struct logger (every instruction; the default),
 * callTracer (the tree of calls) and prestateTracer (accounts as they were, or what changed).
 *
 * The prestate tracer only learns from the hooks what was looked at; the values come from a second
 * dry run that stands before the execution, and from the one that executed.
 *
 * What is recorded is bounded by TRACE_BYTES_MAX; past it the request is refused.
 */
#ifndef LEDGER_RPC_TRACERS_H
#define LEDGER_RPC_TRACERS_H

#include "ledger/app/dry.h"
#include "ledger/rpc/internal.h"

#define TRACE_BYTES_MAX RPC_REPLY_BYTES_MAX
#define TRACE_DEPTH_MAX 1024

enum trace_kind { TRACE_STEPS, TRACE_CALLS, TRACE_PRESTATE, TRACE_NOTHING };

struct trace_options {
    enum trace_kind kind;
    bool no_stack; /* of the struct logger */
    bool no_storage;
    bool with_memory;
    bool with_return_data;
    u64 limit;          /* instructions; 0: all */
    bool only_top_call; /* of callTracer */
    bool with_logs;
    bool is_diff; /* of prestateTracer */
    bool no_code;
    bool no_slots;
};
/* trace_read_options: geth's configuration object; value NULL: the default. */
bool trace_read_options(struct rpc_request *r, const json_t *value, struct trace_options *ret);

/* What the transaction itself says. */
struct trace_subject {
    struct address from;
    u64 gas_limit;
};

struct trace;
/* trace_new: in the request's arena; NULL: refused. `dry` is what will execute. */
struct trace *trace_new(struct rpc_request *r, const struct trace_options *options,
                        struct app_dry *dry);
/* trace_tracer: to be set while one execution runs. */
const struct evm_tracer *trace_tracer(struct trace *trace);
/* trace_begin: forgets the execution before. */
void trace_begin(struct trace *trace, const struct trace_subject *subject);
/* trace_fine: rpc_fine() of the execution's end; a trace that is full says so. */
bool trace_fine(struct trace *trace, err e);
/* trace_result: of the execution that ended; before: a dry run that stands before it (for
 * prestateTracer, else NULL). New reference; NULL: refused. */
json_t *trace_result(struct trace *trace, const struct exec_result *result, struct app_dry *before);
/* trace_free: drops what was recorded and not asked for. NULL is fine. */
void trace_free(struct trace *trace);

/* --- the three, for tracers.c --- */

struct step_trace;
struct call_trace;
struct state_trace;

struct trace {
    struct rpc_request *r;
    struct trace_options options;
    struct app_dry *dry;
    struct trace_subject subject;
    struct evm_tracer tracer;
    size_t bytes; /* recorded, roughly */
    bool is_full;
    struct step_trace *steps;
    struct call_trace *calls;
    struct state_trace *states;
};

/* trace_room: counts; false (and is_full) past the limit. */
bool trace_room(struct trace *trace, size_t len);

bool step_trace_new(struct trace *trace);
void step_trace_begin(struct trace *trace);
json_t *step_trace_result(struct trace *trace, const struct exec_result *result);
bool call_trace_new(struct trace *trace);
void call_trace_begin(struct trace *trace);
json_t *call_trace_result(struct trace *trace, const struct exec_result *result);
bool state_trace_new(struct trace *trace);
void state_trace_begin(struct trace *trace);
json_t *state_trace_result(struct trace *trace, const struct exec_result *result,
                           struct app_dry *before);

#endif
