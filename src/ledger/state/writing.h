/* writing.h: what both ways to a new head share, a block and a snapshot; for the files of
 * ledger/state only. */
#ifndef LEDGER_STATE_WRITING_H
#define LEDGER_STATE_WRITING_H

#include "ledger/state/tables.h"

err write_account_record(struct kv_txn *txn, const struct hash *key,
                         const struct account_record *record);
/* write_first_head: writes block and metas, makes it the head of a store that has none, and commits
 * or aborts the transaction. */
err write_first_head(struct state *state, struct kv_txn *txn, const struct hash *root,
                     const struct state_block *block, const struct state_meta *metas,
                     size_t meta_count);

#endif
