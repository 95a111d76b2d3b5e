/* pool.h: transactions that wait for a block. Pure: no clock, no I/O, no threads.
 *
 * Transactions are kept by sender and nonce. Those whose nonces follow the account's without a gap
 * are *ready*; those behind a gap are *queued* until it closes. One with the same sender and nonce
 * replaces another if both its fees are at least 10 % higher. Everything is bounded: transactions
 * per account, queued ones per account, transactions and bytes in all; when the pool is full, the
 * last transaction of the cheapest account makes room for one that pays more, or the new one is
 * refused.
 *
 * Order of a block: the best tip at the block's base fee first among the accounts' next
 * transactions, earlier arrival first among equals, never a nonce before its predecessor.
 *
 * The pool knows accounts by what the caller's state_source says when a transaction comes in and
 * after each block (pool_advance).
 */
#ifndef LEDGER_POOL_POOL_H
#define LEDGER_POOL_POOL_H

#include "base/list.h"
#include "base/map.h"
#include "ledger/exec/journal.h"
#include "ledger/exec/tx.h"

struct pool_options {
    size_t txs_max;            /* in all */
    size_t bytes_max;          /* of raw transactions in all */
    size_t account_txs_max;    /* per sender, queued ones included */
    size_t account_queued_max; /* per sender behind a gap; further ahead is TX_NONCE_TOO_HIGH */
    u64 chain_id;
    u64 block_gas_limit;
    struct u256 tip_min; /* per gas; less is TX_UNDERPRICED */
};

/* pool_options_default: 8,192 transactions, 64 MiB, 64 per account of which 32 queued, no tip. */
struct pool_options pool_options_default(u64 chain_id, u64 block_gas_limit);

/* What others see of a transaction in the pool; borrowed until the pool changes. */
struct pool_tx {
    bytes raw;
    struct hash hash;
    struct address sender;
    u64 nonce;
    u64 gas_limit;
    struct u256 max_fee;
    struct u256 max_priority;
    struct u256 cost; /* gas_limit * max_fee + value */
    u64 arrival;      /* counts up */
    bool is_ready;
};

struct pool {
    struct pool_options options;
    struct map by_hash;   /* → struct pool_entry */
    struct map by_sender; /* → struct pool_account */
    struct list oldest;   /* all entries, by arrival */
    size_t bytes;
    size_t ready_count;
    u64 arrivals;
    struct u256 base_fee; /* of the next block */
};

void pool_init(struct pool *pool, const struct pool_options *options);
void pool_free(struct pool *pool);

/* A transaction of which everything has been checked that needs neither state nor pool. */
struct pool_checked {
    struct tx tx;
    bytes raw; /* borrowed */
    struct hash hash;
    struct address sender;
    struct u256 cost; /* gas_limit * max_fee + value */
};
/* pool_check: form, chain, gas, fees, and the recovery of the sender, which is most of the cost of
 * a transaction. Pure, so it may run on any thread; `arena` (TX_DECODE_BYTES) holds the access
 * list. ret_checked->hash is set whatever the verdict. */
enum tx_verdict pool_check(const struct pool_options *options, struct arena *arena, bytes raw,
                           struct pool_checked *ret_checked);
/* pool_admit: the rest: nonce and funds of the account, limits, replacement; keeps a copy of the
 * raw bytes. Faults come from `source` only. */
err pool_admit(struct pool *pool, const struct state_source *source,
               const struct pool_checked *checked, enum tx_verdict *ret_verdict);
/* pool_add: pool_check() and pool_admit(). Checks a raw transaction completely (form, signature,
 * chain, gas, fees, nonce, funds of the account with all its waiting transactions, and that it runs
 * no code that is not executed) and keeps a copy. *ret_hash is set whenever the bytes decode, also
 * for TX_ALREADY_KNOWN. Faults come from `source` only. */
err pool_add(struct pool *pool, const struct state_source *source, bytes raw, struct hash *ret_hash,
             enum tx_verdict *ret_verdict);
/* pool_advance: after a block: sets the next base fee, drops what has been included or became
 * invalid, moves queued transactions up. `source`: the state after the block. */
err pool_advance(struct pool *pool, const struct state_source *source, struct u256 base_fee);
/* pool_drop: takes out one transaction that cannot be executed (and makes those behind it wait). */
void pool_drop(struct pool *pool, const struct hash *hash);

/* pool_take: the best ready transactions that pay the base fee, in block order, until their gas
 * limits exceed `gas`, their bytes exceed `bytes_max` or there are ret_cap of them. They stay in
 * the pool; the pointers are valid until it changes. Returns how many. */
size_t pool_take(struct pool *pool, const struct pool_tx **ret_txs, size_t ret_cap, u64 gas,
                 size_t bytes_max);
/* pool_waiting: whether pool_take would return anything. */
bool pool_waiting(const struct pool *pool);

/* pool_get: NULL if it is not here. */
const struct pool_tx *pool_get(const struct pool *pool, const struct hash *hash);
/* pool_next_nonce: the nonce after the sender's ready transactions; false if it has none (then it
 * is the account's). */
bool pool_next_nonce(const struct pool *pool, const struct address *sender, u64 *ret_nonce);
/* pool_counts: ready and queued. */
void pool_counts(const struct pool *pool, size_t *ret_ready, size_t *ret_queued);
/* pool_each: every transaction, by arrival; stops when fn returns false. */
void pool_each(const struct pool *pool, bool (*fn)(void *ctx, const struct pool_tx *tx), void *ctx);

#endif
