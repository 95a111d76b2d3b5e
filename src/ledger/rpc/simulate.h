/* simulate.h: what the files of eth_simulateV1 share: the request as it goes, block by block. */
#ifndef CAIRN_LEDGER_RPC_SIMULATE_H
#define CAIRN_LEDGER_RPC_SIMULATE_H

#include "ledger/ethereum/process.h"
#include "ledger/rpc/call_forms.h"
#include "ledger/rpc/methods.h"

#define SIM_BLOCKS_MAX 256
#define SIM_CALLS_MAX 1000 /* in one block */
#define SIM_LOGS_MAX 8192  /* of one call */
#define SIM_DEPTH_MAX 1024

enum simulate_code {
    SIM_NONCE_TOO_LOW = -38010,
    SIM_NONCE_TOO_HIGH = -38011,
    SIM_FEE_BELOW_BASE = -38012,
    SIM_INTRINSIC_GAS = -38013,
    SIM_FUNDS = -38014,
    SIM_BLOCK_GAS = -38015,
    SIM_NUMBER_ORDER = -38020,
    SIM_TIME_ORDER = -38021,
    SIM_SENDER_CODE = -38024,
    SIM_INIT_CODE = -38025,
    SIM_TOO_MANY = -38026,
    SIM_VM = -32015,
};

/* A log of the call that runs, or a transfer of value as a log (the shape of EIP-7708). */
struct sim_log {
    struct journal_log log;
    u64 index; /* in the block, counting those of frames that failed */
};

/* A frame that fails takes its logs with it. */
struct sim_logs {
    struct arena *arena;
    bool wants_transfers;
    struct sim_log items[SIM_LOGS_MAX];
    size_t count;
    u64 next_index;
    size_t starts[SIM_DEPTH_MAX + 1]; /* count when the frame of a depth began */
    bool is_full;
};

struct sim_call {
    struct rpc_call call;
    bytes raw;
    struct hash hash;
    struct exec_result result;
    struct sim_log *logs;
    size_t log_count;
};

struct sim_block {
    struct rpc_block_overrides block;
    struct rpc_overrides state;
    const json_t *calls; /* NULL: none */
    struct block_header header;
    struct hash hash;
};

struct sim {
    struct rpc_request *r;
    struct app_dry dry;
    bool validates;
    bool full_txs;
    struct block_header base;
    struct sim_block *blocks;
    size_t count;
    size_t done;  /* blocks with a hash */
    u64 gas_left; /* of the whole request */
    size_t calls_left;
    size_t changes_left;
    struct sim_logs *logs;
    json_t *result;
};

/* simulate_plan.c: which blocks there are, in order and without gaps. These and those below:
 * false, and the request has its error, if not. */
bool rpc_sim_plan(struct sim *sim, const json_t *list);

/* simulate_call.c: one element of "calls" as the next transaction of the block in process. */
bool rpc_sim_call(struct sim *sim, struct process *process, const json_t *object,
                  struct sim_call *ret_call);

/* simulate_logs.c: logs begin anew with each call; the indexes go on through a block. */
struct evm_tracer rpc_sim_tracer(struct sim_logs *logs);
bool rpc_sim_keep_logs(struct sim *sim, struct sim_call *call);

#endif
