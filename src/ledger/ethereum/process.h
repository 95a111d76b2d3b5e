/* process.h: one block of an Ethereum chain, executed: everything between two state roots.
 *
 * process_begin() makes the system calls that come before the transactions (EIP-4788, 2935);
 * process_tx() runs one; process_end() pays withdrawals (EIP-4895) or the reward with its shares
 * for ommers, and collects the requests to the consensus layer (EIP-6110, 7002, 7251; EIP-7685).
 * What comes out is compared with a header (import), or becomes one (process_seal(): simulated
 * blocks). The journal then holds all changes.
 *
 * A fault (err) is this machine's; what is wrong with the block is text in `wrong`, and then the
 * journal is of no use any more. A transaction that may not be in the block leaves its verdict in
 * the result, and the rest is the caller's decision.
 *
 * Source: ethereum/execution-specs, apply_body() of each fork.
 */
#ifndef LEDGER_ETHEREUM_PROCESS_H
#define LEDGER_ETHEREUM_PROCESS_H

#include "ledger/ethereum/rules.h"
#include "ledger/evm/execute.h"

/* Contracts that the protocol itself calls. */
enum process_contract {
    PROCESS_BEACON_ROOTS,   /* EIP-4788 */
    PROCESS_BLOCK_HASHES,   /* EIP-2935 */
    PROCESS_WITHDRAWALS,    /* EIP-7002 */
    PROCESS_CONSOLIDATIONS, /* EIP-7251 */
};
struct address process_contract_address(enum process_contract contract);

struct process_options {
    const struct chain_rules *rules;
    const struct block_header *header; /* what the environment is made from */
    struct journal *journal;           /* over the state of the parent */
    struct block_hashes hashes;
    struct evm_codes *codes; /* may be NULL */
    struct arena *arena;     /* of receipts and logs */
    size_t tx_cap;           /* most transactions that will be run */
    /* The state root as of now, for receipts before Byzantium. May be NULL from then on. */
    err (*root)(void *ctx, struct hash *ret_root);
    void *root_ctx;
};

struct process {
    struct process_options options;
    struct block_env env;
    struct executor executor;
    struct receipt *receipts;
    struct hash *tx_hashes;
    size_t tx_count;
    struct bloom bloom;        /* of all receipts */
    struct hash requests_hash; /* after process_end(), from Prague on */
    bytes requests[3];         /* data of each type, without the type; in arena */
    const char *wrong;         /* NULL: nothing so far */
};

/* process_system_begin: the system calls before the transactions alone. */
err process_system_begin(struct executor *executor, const struct block_header *header);
/* process_begin: `process` must not move afterwards. */
err process_begin(struct process *process, const struct process_options *options);
/* process_tx: execute_tx() and a receipt. A verdict other than TX_VALID leaves no trace. scratch is
 * the transaction's memory. */
err process_tx(struct process *process, const struct tx *tx, bytes raw,
               const struct address *sender, struct arena *scratch, struct exec_result *ret_result);
/* process_note: a receipt for what the caller executed otherwise on process->executor; the logs are
 * the journal's. */
err process_note(struct process *process, const struct tx *tx, const struct hash *hash,
                 const struct exec_result *result);
err process_end(struct process *process, const struct block_body *body);
/* process_seal: fills in what the execution decided but the state root: roots of transactions,
 * receipts, withdrawals, bloom, gas, blob gas, requests hash. */
err process_seal(const struct process *process, const struct block_body *body,
                 struct block_header *header);
/* process_check: NULL if `header` says what the execution decided. */
err process_check(const struct process *process, const struct block_body *body,
                  const struct block_header *header, const char **ret_wrong);

#endif
