/* execute.h: the state transition: what a transaction does to the state, under the rules of any
 * fork from Frontier to Osaka.
 *
 * One executor serves one block, one genesis, or one dry run: journal and block_env are the
 * caller's. Transactions run in order; each either is not valid (the verdict says why, and nothing
 * has changed) or is executed, successfully or not, and paid for. A message goes to a precompiled
 * contract, to a native module (from Osaka on), or to code, which the EVM interprets (vm.h).
 *
 * Fees: the base fee and the blob fee are burned, the tip goes to the coinbase (EIP-1559, 4844);
 * refunds are at most a fifth (EIP-3529; before London a half); call data has a floor (EIP-7623),
 * applied after refunds.
 *
 * Sources: ethereum/execution-specs, fork.py and vm/interpreter.py of each fork.
 */
#ifndef LEDGER_EVM_EXECUTE_H
#define LEDGER_EVM_EXECUTE_H

#include "ledger/evm/code.h"
#include "ledger/evm/moves.h"
#include "ledger/evm/ops.h"
#include "ledger/evm/tracer.h"
#include "ledger/exec/frame.h"
#include "ledger/exec/journal.h"
#include "ledger/exec/tx.h"

/* Memory for what a transaction returns, and for decoding it. The frames have their own. */
#define EXEC_TX_BYTES_MAX MIB(64)

struct executor {
    struct journal *journal;
    const struct block_env *env;
    u64 gas_used;      /* of the block, up to now */
    u64 blob_gas_used; /* of the block, up to now */
    /* To be set after executor_init() by who wants them; all borrowed. */
    struct evm_codes *codes;         /* NULL: code is analysed anew in each transaction */
    const struct evm_tracer *tracer; /* NULL: nobody watches */
    const struct evm_moves *moves;   /* NULL: precompiled contracts are where they belong */
    struct evm_op ops[EVM_OP_COUNT]; /* of the fork */
};

struct exec_result {
    enum tx_verdict verdict; /* not TX_VALID: nothing below counts, nothing was changed */
    bool success;
    enum evm_status status;
    u64 gas_used;          /* after refunds and floor */
    u64 gas_peak;          /* before refunds: what the gas limit had to cover */
    u64 gas_refunded;      /* of what was spent */
    struct u256 gas_price; /* effective, per unit */
    bool is_create;
    struct address created; /* of a creation, even one that failed */
    bytes output;           /* return value, revert data or deployed code, in the arena given */
};

void executor_init(struct executor *executor, struct journal *journal, const struct block_env *env);
/* execute_tx: runs a decoded transaction. Its logs are journal->logs until the next
 * journal_begin_tx(). `arena` holds the output. */
err execute_tx(struct executor *executor, const struct tx *tx, const struct address *sender,
               struct arena *arena, struct exec_result *ret_result);

/* A call without a transaction (eth_call, eth_estimateGas): no signature, no nonce to match. With a
 * max_fee of zero no fee is checked; with one, the sender must be able to pay. Nothing is taken
 * unless takes_fees. The changes stay in the journal. */
struct call_request {
    struct address from;
    struct address to; /* zero if is_create */
    bool is_create;    /* input is init code; the address comes from the sender's nonce */
    bool takes_fees;   /* gas is bought at max_fee and paid to the coinbase less the base fee */
    struct u256 value;
    struct u256 max_fee; /* also what GASPRICE says */
    u64 gas_limit;
    bytes input;
    const struct tx_access *access;
    size_t access_count;
    const struct hash *blob_hashes; /* what BLOBHASH says */
    size_t blob_count;
    const struct tx_authorization *authorizations; /* EIP-7702 */
    size_t authorization_count;
};
err execute_call(struct executor *executor, const struct call_request *request, struct arena *arena,
                 struct exec_result *ret_result);

/* execute_system_call: what the protocol itself calls at the beginning or end of a block (EIP-2935,
 * 4788, 7002, 7251): from 0xff…fe, with 30,000,000 gas that nobody pays. An address without code is
 * a success without output. */
err execute_system_call(struct executor *executor, const struct address *to, bytes input,
                        struct arena *arena, struct exec_result *ret_result);

/* execute_begin_block: the parent's hash goes into the history contract if there is one (EIP-2935),
 * then begin_block of every native module, in order of numbers, each in a frame of its own. */
err execute_begin_block(struct executor *executor);
/* execute_genesis: puts the dummy code 60006000fd and nonce 1 at a module's address and runs its
 * genesis function with `config`. ERR_USAGE if the module refuses its configuration. */
struct native_module;
err execute_genesis(struct executor *executor, const struct native_module *module,
                    const void *config);
/* execute_genesis_history: puts the history contract of EIP-2935 into the state. */
err execute_genesis_history(struct executor *executor);
/* history_address: 0x0000f90827f1c53a10cb7a02335b175320002935. */
struct address history_address(void);

#endif
