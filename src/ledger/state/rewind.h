/* rewind.h: tries of the past: the trie of the head with later changes taken back in memory; for
 * the files of ledger/state only. The cost grows with the changes since.
 * ERR_LIMIT: more than STATE_PROOF_DISTANCE_MAX heights. */
#ifndef LEDGER_STATE_REWIND_H
#define LEDGER_STATE_REWIND_H

#include "ledger/state/tables.h"

/* rewind_accounts: `trie` is the head's trie of accounts. */
err rewind_accounts(struct state_view *view, struct trie *trie);
/* rewind_slots: `trie` is the head's storage trie of the account whose address has that hash. */
err rewind_slots(struct state_view *view, struct trie *trie, const struct hash *account);

#endif
