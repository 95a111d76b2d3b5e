/* app.h: the ledger behind the application boundary of ABCI 2.0.
 *
 * A consensus engine orders blocks; the application says what they mean. The boundary is a C table
 * with the names and the grammar of ABCI 2.0: per height any number of prepare_proposal and
 * process_proposal, then finalize_block, then commit. The engine of this project calls it in
 * process; a socket adapter for other engines needs nothing more.
 *
 * The application owns state, pool and genesis. finalize_block executes and computes the Ethereum
 * header of the height, in memory; commit makes it durable with its block in one transaction. A
 * crash in between leaves the height before: the host then finalizes the same decided block again
 * and gets the same header. Everything but prepare_proposal is a function of the committed state
 * and the request.
 *
 * One thread owns an app and calls everything here. Calls take milliseconds to hundreds of them; a
 * host may put finalize_block and commit into one worker_run().
 */
#ifndef LEDGER_APP_APP_H
#define LEDGER_APP_APP_H

#include "ledger/app/genesis.h"
#include "ledger/block/consensus.h"
#include "ledger/ethereum/rules.h"
#include "ledger/evm/execute.h"
#include "ledger/pool/pool.h"
#include "ledger/state/state.h"

/* Of all transactions of a block together; the body's own framing fits in the rest. */
#define APP_TXS_BYTES_MAX (BLOCK_BODY_BYTES_MAX - KIB(128))
#define APP_EXTENSION_HASHES_MAX 16
#define APP_EXTENSION_BYTES_MAX KIB(1)
#define APP_CALL_GAS_MAX 50000000u /* of one app_call() */

struct app;

struct app_options {
    const char *dir;     /* of the store */
    bytes genesis;       /* text of genesis.json */
    u32 history_blocks;  /* 0: default of state.h */
    bool is_archive;     /* keeps the state of every height */
    bool no_sync;        /* tests and simulation only */
    struct u256 tip_min; /* of the pool */
};

/* app_open: opens the store, and for a new one runs init_chain with the genesis. ERR_REFUSED if the
 * store was made with another genesis; ERR_USAGE, ERR_MALFORMED: the genesis is wrong.
 * native_tables_init() must have been called. */
err app_open(const struct app_options *options, struct app **ret_app);
void app_close(struct app *app);

/* --- the table --- */

/* Where the chain stands; what an engine starts from. */
struct app_info {
    u64 chain_id;
    u64 height;
    u64 time_ms;              /* of the last block */
    struct hash app_hash;     /* hash of the last Ethereum header */
    struct hash consensus_id; /* of the last consensus header; zero after genesis */
    struct hash params_hash;  /* for the next height */
    struct seats seats;       /* of the next height */
    struct seats next_seats;  /* of the height after it */
};

struct app_prepare {
    u64 height;
    u64 time_ms;
    struct address proposer;
    size_t bytes_max; /* of all transactions together; at most APP_TXS_BYTES_MAX */
};

enum app_verdict {
    APP_ACCEPT,
    APP_REJECT_HEADER, /* not the next height, wrong parent, time, seats or parameters */
    APP_REJECT_TXS,    /* a transaction is invalid here, or too many, or the root is wrong */
};

struct app_tx_result {
    bool success;
    u64 gas_used;
    struct hash hash;
};

struct app_finalized {
    struct app_info info;       /* as it will be after commit */
    struct block_header header; /* Ethereum header of the height */
    const struct app_tx_result *txs;
    size_t tx_count; /* arrays are valid until the next finalize_block */
};

/* Grammar and meaning of each: the ABCI 2.0 specification. `self` is the struct app. Snapshots
 * (list_snapshots …) come with state sync. */
struct app_table {
    err (*info)(void *self, struct app_info *ret_info);
    /* The genesis block, height 0. Only on a new store, and done by app_open(). */
    err (*init_chain)(void *self, const struct genesis *genesis, struct app_info *ret_info);
    /* path "slot": data is address ‖ slot, the value 32 bytes. ERR_NOT_FOUND for other paths. */
    err (*query)(void *self, const char *path, bytes data, u64 height, struct arena *arena,
                 bytes *ret_value);
    /* Into the pool. */
    err (*check_tx)(void *self, bytes raw, struct hash *ret_hash, enum tx_verdict *ret_verdict);
    /* Transactions for a block, all of them valid in this order. In arena. */
    err (*prepare_proposal)(void *self, const struct app_prepare *request, struct arena *arena,
                            struct block_txs *ret_txs);
    err (*process_proposal)(void *self, const struct consensus_header *header,
                            const struct block_txs *txs, enum app_verdict *ret_verdict);
    /* Hashes of the oldest adequately paid waiting transactions (inclusion lists). */
    err (*extend_vote)(void *self, const struct consensus_header *header,
                       struct buf *ret_extension);
    err (*verify_vote_extension)(void *self, const struct consensus_header *header, bytes extension,
                                 enum app_verdict *ret_verdict);
    /* Executes a decided block on top of the last committed one. A verdict other than APP_ACCEPT
     * means that the engine decided an invalid block: nothing has changed, and the host must stop.
     */
    err (*finalize_block)(void *self, const struct decided *decided,
                          struct app_finalized *ret_finalized, enum app_verdict *ret_verdict);
    /* Makes the finalized block durable and advances the pool. */
    err (*commit)(void *self);
};

/* app_table: the table whose `self` is a struct app. */
const struct app_table *app_table(void);

/* --- for JSON-RPC and the node --- */

struct state *app_state(struct app *app);
struct pool *app_pool(struct app *app);
const struct genesis *app_genesis(const struct app *app);
/* app_genesis_hash: keccak256 of the genesis file; also the extra data of block 0. */
struct hash app_genesis_hash(const struct app *app);
struct app_info app_info_now(const struct app *app);
/* app_codes: the analysed code that executors on this ledger share. */
struct evm_codes *app_codes(struct app *app);
/* app_submit: check_tx by another name. */
err app_submit(struct app *app, bytes raw, struct hash *ret_hash, enum tx_verdict *ret_verdict);
/* app_admit: the same for transactions that passed pool_check(), in order, over one view of the
 * state. A fault leaves the rest undecided. */
err app_admit(struct app *app, const struct pool_checked *checked, size_t count,
              enum tx_verdict *ret_verdicts);
/* app_header: the Ethereum header of a height; ERR_NOT_FOUND. */
err app_header(struct app *app, u64 height, struct block_header *ret_header);
/* app_rules: of the chain; borrowed. */
const struct chain_rules *app_rules(const struct app *app);
/* app_header_after: what is known of a block on top of `height` at time max(time, parent + 1). */
err app_header_after(struct app *app, u64 height, u64 time, struct block_header *ret_header);
/* app_hashes: hashes of former blocks, for an environment; valid while the view is open. */
struct block_hashes app_hashes(struct state_view *view);
/* app_env_after: the environment in which a block on top of `height` would run, at time
 * max(time, parent + 1); what "pending" means. */
err app_env_after(struct app *app, u64 height, u64 time, struct block_env *ret_env);
/* app_env_of: the environment of an existing block (eth_call at that block). */
err app_env_of(struct app *app, u64 height, struct block_env *ret_env);

#endif
