/* call_forms.h: calls, and overrides of state and block, as clients write them; for the files of
 * ledger/rpc only. Everything lies in the arena of the request. */
#ifndef LEDGER_RPC_CALL_FORMS_H
#define LEDGER_RPC_CALL_FORMS_H

#include "ledger/app/dry.h"
#include "ledger/rpc/internal.h"

/* A call is an unsigned transaction with gaps. */
struct rpc_call {
    struct address from;
    struct tx tx; /* gas_limit and nonce 0 if not given */
    bool has_gas;
    bool has_nonce;
    bool has_fee; /* one that is not zero */
    bool is_legacy_fee;
};

/* rpc_read_call: the object of parameter i. */
bool rpc_read_call(struct rpc_request *r, size_t i, struct rpc_call *ret);
bool rpc_read_call_object(struct rpc_request *r, const json_t *object, struct rpc_call *ret);
/* rpc_call_price: what a unit of gas costs at this base fee, as Ethereum has it; false: the most
 * that the call pays is below the base fee. */
bool rpc_call_price(const struct rpc_call *call, struct u256 base_fee, struct u256 *ret_price);
/* rpc_call_request: what the executor takes; borrows from the call. */
struct call_request rpc_call_request(const struct rpc_call *call, struct u256 price);

/* --- overrides of state: geth's "stateOverrides" --- */

struct rpc_slot {
    struct hash slot;
    struct word word;
};

struct rpc_override {
    struct address address;
    bool has_balance;
    bool has_nonce;
    bool has_code;
    bool replaces_storage; /* "state"; else "stateDiff" */
    bool has_move;
    struct u256 balance;
    u64 nonce;
    bytes code;
    struct rpc_slot *slots;
    size_t slot_count;
    struct address move_to; /* of a precompiled contract */
};

struct rpc_overrides {
    struct rpc_override *items;
    size_t count;
};

/* rpc_read_overrides: value NULL: none. */
bool rpc_read_overrides(struct rpc_request *r, const json_t *value, struct rpc_overrides *ret);
/* rpc_override_moves: where precompiled contracts are afterwards; NULL in *ret_moves: where they
 * always are. Refuses moves of what is none. */
bool rpc_override_moves(struct rpc_request *r, const struct rpc_overrides *overrides,
                        enum fork fork, const struct evm_moves **ret_moves);
/* rpc_override_apply: writes them into the journal, as a transaction of their own. */
err rpc_override_apply(const struct rpc_overrides *overrides, struct journal *journal);

/* --- overrides of the block --- */

struct rpc_block_overrides {
    bool has_number;
    bool has_time;
    bool has_gas_limit;
    bool has_coinbase;
    bool has_randao;
    bool has_base_fee;
    bool has_blob_base_fee;
    bool has_beacon_root;
    u64 number;
    u64 time;
    u64 gas_limit;
    struct address coinbase;
    struct hash randao;
    struct u256 base_fee;
    struct u256 blob_base_fee;
    struct hash beacon_root;
    struct block_withdrawal *withdrawals;
    size_t withdrawal_count;
};

bool rpc_read_block_overrides(struct rpc_request *r, const json_t *value,
                              struct rpc_block_overrides *ret);
/* rpc_block_override_env: on the environment of a call. */
void rpc_block_override_env(const struct rpc_block_overrides *overrides, struct block_env *env);
/* rpc_read_withdrawals: a list of withdrawals; value NULL: none. */
bool rpc_read_withdrawals(struct rpc_request *r, const json_t *value, struct block_withdrawal **ret,
                          size_t *ret_count);

/* --- a call at a block, for eth_call and its relatives --- */

struct rpc_call_at {
    struct rpc_call call;
    struct rpc_block block;
    struct rpc_overrides overrides;
    struct rpc_block_overrides block_overrides;
    struct call_request request;     /* what is executed */
    struct app_call_options options; /* borrows this struct */
    const struct evm_moves *moves;
};
/* rpc_read_call_at: parameters call, block, state overrides, block overrides. */
bool rpc_read_call_at(struct rpc_request *r, struct rpc_call_at *ret);
/* rpc_read_call_at_with: the overrides are elsewhere; NULL: none. */
bool rpc_read_call_at_with(struct rpc_request *r, const json_t *state, const json_t *block,
                           struct rpc_call_at *ret);
/* rpc_refuse_result: refuses what did not succeed; always NULL. */
json_t *rpc_refuse_result(struct rpc_request *r, const struct exec_result *result);
/* rpc_revert_reason: the text of Error(string), or NULL. */
const char *rpc_revert_reason(struct rpc_request *r, bytes output);

#endif
