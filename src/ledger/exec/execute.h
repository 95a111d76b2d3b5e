/* execute.h: the state transition of Osaka for what this ledger executes: transfers of value and
 * calls of native modules.
 *
 * There is no EVM yet: a transaction that would create a contract, or run code that is no native
 * module (precompiled contracts included), is refused before it can be included, with
 * TX_CODE_UNSUPPORTED. So nothing that is in a block today would mean anything else later.
 *
 * One executor serves one block, one genesis, or one dry run: journal and block_env are the
 * caller's. Transactions run in order; each either is not valid (the verdict says why, and nothing
 * has changed) or is executed, successfully or not, and paid for.
 *
 * Fees: the base fee is burned, the tip goes to the coinbase (EIP-1559); refunds are at most a
 * fifth (EIP-3529); call data has a floor (EIP-7623), applied after refunds.
 */
#ifndef LEDGER_EXEC_EXECUTE_H
#define LEDGER_EXEC_EXECUTE_H

#include "ledger/exec/frame.h"
#include "ledger/exec/journal.h"
#include "ledger/exec/tx.h"

/* Memory for one transaction's frames. */
#define EXEC_TX_BYTES_MAX MIB(64)

struct executor {
    struct journal *journal;
    const struct block_env *env;
    u64 gas_used; /* of the block, up to now */
};

struct exec_result {
    enum tx_verdict verdict; /* not TX_VALID: nothing below counts, nothing was changed */
    bool success;
    enum frame_status status;
    u64 gas_used;          /* after refunds and floor */
    u64 gas_peak;          /* before refunds: a gas limit this high is always enough */
    struct u256 gas_price; /* effective, per unit */
    bytes output;          /* return value or revert data, in the arena given */
};

/* address_is_precompile: one of Osaka's precompiled contracts, which are not executed yet. */
bool address_is_precompile(const struct address *address);

void executor_init(struct executor *executor, struct journal *journal, const struct block_env *env);
/* execute_tx: runs a decoded transaction. Its logs are journal->logs until the next
 * journal_begin_tx(). `arena` holds the output and all memory of the call; it may be freed after
 * the result was read. */
err execute_tx(struct executor *executor, const struct tx *tx, const struct address *sender,
               struct arena *arena, struct exec_result *ret_result);

/* A call without a transaction (eth_call, eth_estimateGas): no nonce, no signature. With a max_fee
 * of zero no fee is checked or taken; with one, the sender must be able to pay. */
struct call_request {
    struct address from;
    struct address to;
    bool is_create; /* always TX_CODE_UNSUPPORTED today */
    struct u256 value;
    struct u256 max_fee;
    u64 gas_limit;
    bytes input;
    const struct tx_access *access;
    size_t access_count;
};
err execute_call(struct executor *executor, const struct call_request *request, struct arena *arena,
                 struct exec_result *ret_result);

/* execute_begin_block: begin_block of every native module, in order of numbers, each in a frame of
 * its own. */
err execute_begin_block(struct executor *executor);
/* execute_genesis: puts the dummy code 60006000fd and nonce 1 at a module's address and runs its
 * genesis function with `config`. ERR_USAGE if the module refuses its configuration. */
struct native_module;
err execute_genesis(struct executor *executor, const struct native_module *module,
                    const void *config);

#endif
