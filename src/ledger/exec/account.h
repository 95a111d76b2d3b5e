/* account.h: an Ethereum account as the state trie holds it.
 *
 * The value behind keccak256(address) is RLP [nonce, balance, storage root, code hash] (yellow
 * paper 4.1). Since EIP-161 an empty account (nonce 0, balance 0, no code) is the same as none and
 * is not written. Before it (chains imported from those days) empty accounts exist, which is what
 * `exists` is for; it is true for every account that is not empty.
 */
#ifndef LEDGER_EXEC_ACCOUNT_H
#define LEDGER_EXEC_ACCOUNT_H

#include "base/buf.h"
#include "ledger/exec/u256.h"

#define ACCOUNT_RLP_BYTES_MAX 112 /* list prefix 2, nonce 9, balance 33, two hashes of 33: 110 */

struct account {
    u64 nonce;
    struct u256 balance;
    struct hash code_hash; /* account_empty_code_hash() for an account without code */
    bool exists;           /* the trie has it */
};

/* account_empty_code_hash: keccak256 of nothing. */
struct hash account_empty_code_hash(void);
/* account_empty_root: root of a trie without entries, keccak256(0x80). */
struct hash account_empty_root(void);
/* account_none: nonce 0, balance 0, no code, not there. */
struct account account_none(void);
bool account_is_empty(const struct account *account);
bool account_has_code(const struct account *account);
bool account_eq(const struct account *a, const struct account *b);

/* code_delegation: whether code is a delegation (EIP-7702: 0xef0100 ‖ address), and to whom. */
bool code_delegation(bytes code, struct address *ret_target);

/* account_encode: appends the trie value. */
void account_encode(struct buf *out, const struct account *account,
                    const struct hash *storage_root);
/* account_decode: strict; ERR_MALFORMED. */
err account_decode(bytes in, struct account *ret_account, struct hash *ret_storage_root);

#endif
