/* internal.h: what the files of ledger/app share. */
#ifndef LEDGER_APP_INTERNAL_H
#define LEDGER_APP_INTERNAL_H

#include "ledger/app/app.h"

#define APP_BLOCK_BYTES_MAX GIB(1) /* memory of one block's journal, and of its results */
#define APP_CALL_BYTES_MAX MIB(256)

/* A block that was executed and waits for commit. Everything lies in arena. */
struct app_ready {
    struct arena arena;
    struct state_pending *pending; /* NULL: nothing is ready */
    struct state_block block;
    struct block_header header;
    struct app_info info;
};

struct app {
    struct genesis *genesis;  /* NULL: an imported chain */
    struct hash genesis_hash; /* of the file */
    struct chain_rules rules;
    struct state *state;
    struct pool pool;
    struct app_info info;
    struct block_header head; /* Ethereum header of info.height */
    struct app_ready ready;
    struct evm_codes codes; /* analysed code of blocks and calls */
    char wrong[160];        /* text of app_import_block() */
};

/* app_open_store: genesis, rules, an empty pool and the store, which may have no head yet. */
err app_open_store(const struct app_options *options, struct app **ret_app);
/* app_params_hash: of the parameters that the genesis fixes for all blocks. */
void app_params_hash(struct hash *out, const struct genesis *genesis);
/* app_env: of the block after the head. */
struct block_env app_env(const struct app *app, u64 time, const struct address *coinbase);
/* app_sender: from the pool if it knows the transaction, else recovered. */
bool app_sender(const struct app *app, const struct tx *tx, bytes raw, struct address *ret_sender);
/* app_load_head: info and head from the store. */
err app_load_head(struct app *app);
/* app_advance_pool: to the state of the head. */
err app_advance_pool(struct app *app);
void app_ready_free(struct app_ready *ready);
/* app_keep: moves what was encoded into the arena and frees it. */
err app_keep(struct arena *arena, struct buf *encoded, bytes *ret_bytes);
/* app_keep_header: header, hash and height of a block to commit. */
err app_keep_header(struct arena *arena, struct state_block *block,
                    const struct block_header *header);
/* app_changes_prepare: state_prepare() of what the journal changed. */
err app_changes_prepare(struct app *app, const struct journal *journal,
                        struct state_pending **ret_pending, struct hash *ret_root);
/* app_check_genesis: ERR_REFUSED if the store belongs to another genesis. */
err app_check_genesis(struct app *app);

err app_init_chain(void *self, const struct genesis *genesis, struct app_info *ret_info);
err app_prepare_proposal(void *self, const struct app_prepare *request, struct arena *arena,
                         struct block_txs *ret_txs);
err app_process_proposal(void *self, const struct consensus_header *header,
                         const struct block_txs *txs, enum app_verdict *ret_verdict);
err app_finalize_block(void *self, const struct decided *decided,
                       struct app_finalized *ret_finalized, enum app_verdict *ret_verdict);
err app_commit(void *self);

#endif
