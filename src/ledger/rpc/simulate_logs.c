/* simulate_logs.c: the logs of a simulated call, and its transfers of value as logs.
 *
 * A frame that fails takes its logs with it, but the indexes that they had stay taken.
 */
#include "ledger/rpc/simulate.h"

static struct hash word_of(const struct address *address)
{
    struct hash word = {{0}};
    memcpy(word.b + 12, address->b, sizeof address->b);
    return word;
}

static void see(struct sim_logs *logs, const struct journal_log *log)
{
    if (logs->count == SIM_LOGS_MAX) {
        logs->is_full = true;
        return;
    }
    logs->items[logs->count++] = (struct sim_log){.log = *log, .index = logs->next_index++};
}

static void on_log(void *ctx, unsigned depth, const struct journal_log *log)
{
    (void)depth;
    see(ctx, log); /* the data stays in the journal's arena, whatever is undone */
}

static void see_transfer(struct sim_logs *logs, const struct evm_enter *enter)
{
    static const struct hash topic = {{0xdd, 0xf2, 0x52, 0xad, 0x1b, 0xe2, 0xc8, 0x9b,
                                       0x69, 0xc2, 0xb0, 0x68, 0xfc, 0x37, 0x8d, 0xaa,
                                       0x95, 0x2b, 0xa7, 0xf1, 0x63, 0xc4, 0xa1, 0x16,
                                       0x28, 0xf5, 0x5a, 0x4d, 0xf5, 0x23, 0xb3, 0xef}};
    u8 *amount = arena_alloc(logs->arena, 32);
    if (amount == NULL) {
        logs->is_full = true;
        return;
    }
    u256_to_be(amount, enter->value);
    struct journal_log log = {.topic_count = 3, .data = bytes_make(amount, 32)};
    memset(log.address.b, 0xee, sizeof log.address.b);
    log.topics[0] = topic;
    log.topics[1] = word_of(&enter->from);
    log.topics[2] = word_of(&enter->to);
    see(logs, &log);
}

static void on_enter(void *ctx, const struct evm_enter *enter)
{
    struct sim_logs *logs = ctx;
    if (enter->depth < COUNT_OF(logs->starts)) {
        logs->starts[enter->depth] = logs->count;
    }
    if (logs->wants_transfers && enter->kind != EVM_DELEGATECALL && !u256_is_zero(enter->value)) {
        see_transfer(logs, enter);
    }
}

static void on_leave(void *ctx, const struct evm_exit *exit)
{
    struct sim_logs *logs = ctx;
    if (exit->status != EVM_SUCCESS && exit->depth < COUNT_OF(logs->starts)) {
        logs->count = logs->starts[exit->depth];
    }
}

bool rpc_sim_keep_logs(struct sim *sim, struct sim_call *call)
{
    const struct sim_logs *logs = sim->logs;
    call->logs = ARENA_ARRAY(&sim->r->arena, struct sim_log, logs->count + 1);
    if (call->logs == NULL || logs->is_full) {
        return rpc_fault(sim->r, ERR_LIMIT);
    }
    memcpy(call->logs, logs->items, logs->count * sizeof logs->items[0]);
    call->log_count = logs->count;
    return true;
}

struct evm_tracer rpc_sim_tracer(struct sim_logs *logs)
{
    logs->count = 0;
    return (struct evm_tracer){.ctx = logs, .enter = on_enter, .exit = on_leave, .log = on_log};
}
