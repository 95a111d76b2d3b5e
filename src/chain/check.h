/* check.h: what a ledger node's answers must prove before anything believes them. Pure; internal to
 * src/chain, and to its fuzz target.
 *
 * The trust of a role is its genesis file: chain id and seats. From there:
 *
 *   seats sign ──► consensus header of h + 1 ──► Ethereum header of h ──► state root ──► account
 * ──► storage root ──► slot;   ──► transactions root ──► transaction;   ──► receipts root ──►
 * receipt
 *
 * Every arrow is a hash or a Merkle proof that is checked here. Faults: ERR_MALFORMED: not the form
 * of such an answer; ERR_INTEGRITY: the form, but it proves nothing; ERR_LIMIT: larger than an
 * honest one. Outputs are written on success only, except where said.
 */
#ifndef CHAIN_CHECK_H
#define CHAIN_CHECK_H

#include "chain/chain.h"
#include "codec/json.h"
#include "ledger/block/consensus.h"
#include "ledger/exec/account.h"

#define CHECK_GENESIS_BYTES_MAX MIB(16)
#define CHECK_TOPICS_MAX 4

struct chain_trust {
    u64 chain_id;
    struct seats seats;
};

/* check_genesis: the trust in the text of a genesis file. Seats may stand there in any order.
 * ERR_USAGE: no such file. */
err check_genesis(bytes text, struct chain_trust *ret_trust);

/* check_head: an answer of cairn_head that is not null. */
err check_head(const struct chain_trust *trust, const json_t *answer, struct chain_head *ret_head);

struct proof_query {
    const struct hash *state_root;
    struct address account;
    const struct hash *slots;
    size_t slot_count;
};

/* check_proof: an answer of eth_getProof: the account, and one word for each slot, in their order
 * (ret_words is also written to if a later one fails). */
err check_proof(const struct proof_query *query, const json_t *answer, struct account *ret_account,
                struct hash *ret_storage_root, struct word *ret_words);

/* check_receipt: an answer of cairn_receipt that is not null, for transaction `tx`. Logs lie in
 * arena. *ret_head: of the transaction's block. */
err check_receipt(const struct chain_trust *trust, const struct hash *tx, const json_t *answer,
                  struct arena *arena, struct chain_receipt *ret_receipt,
                  struct chain_head *ret_head);

struct log_query {
    struct address address;
    u64 from; /* first and last block */
    u64 to;
};

/* check_logs: an answer of eth_getLogs. Its form, order and range are checked; whether the logs are
 * in the blocks, and all of them, is not proven. */
err check_logs(const struct log_query *query, const json_t *answer, struct arena *arena,
               const struct chain_log **ret_logs, size_t *ret_count);

#endif
