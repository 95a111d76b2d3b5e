/* proof.h: checking Merkle-Patricia proofs (EIP-1186), pure.
 *
 * A light client holds a state root and gets, for an account or a storage slot, the nodes on the
 * way from the root. Every node must hash to what its parent says, every node given must be used,
 * and the nodes must be in canonical RLP. The result is the value, or the certainty that there is
 * none.
 */
#ifndef LEDGER_EXEC_PROOF_H
#define LEDGER_EXEC_PROOF_H

#include "ledger/exec/account.h"
#include "ledger/exec/slots.h"

#define PROOF_NODES_MAX 65 /* 64 nibbles of a hashed key, and the end */

enum proof_verdict {
    PROOF_PRESENT, /* value is set */
    PROOF_ABSENT,  /* proven not to exist */
    PROOF_INVALID, /* proves nothing */
};

/* trie_verify_proof: of `key` as it is in the trie (already hashed for secure tries). *ret_value
 * borrows from the nodes and is set for PROOF_PRESENT only. */
enum proof_verdict trie_verify_proof(const struct hash *root, bytes key, const struct bytes *nodes,
                                     size_t count, bytes *ret_value);
/* proof_account: of an address under a state root. PROOF_ABSENT: account_none(), empty storage. */
enum proof_verdict proof_account(const struct hash *state_root, const struct address *address,
                                 const struct bytes *nodes, size_t count,
                                 struct account *ret_account, struct hash *ret_storage_root);
/* proof_slot: of a slot under an account's storage root. PROOF_ABSENT: zero. */
enum proof_verdict proof_slot(const struct hash *storage_root, const struct hash *slot,
                              const struct bytes *nodes, size_t count, struct word *ret_word);

#endif
