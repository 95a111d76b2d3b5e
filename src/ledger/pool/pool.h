/* pool.h: transactions that wait for a block. Pure: no clock, no I/O, no threads.
 *
 * Transactions are kept by sender and nonce. Those whose nonces follow the account's without a gap
 * are *ready*; those behind a gap are *queued* until it closes, or until they have waited for too
 * many blocks. One with the same sender and nonce replaces another if both its fees are at least
 * 10 % higher. Everything is bounded: transactions per account, queued ones per account,
 * transactions and memory in all.
 *
 * When the pool is full, the last transaction of the account that is worth least makes room for one
 * that is worth more, or the new one is refused; nothing is evicted for one that is refused. Ready
 * is worth more than queued, paying the next base fee more than not paying it, and then the tip
 * counts: the lowest that the account pays up to that transaction, because nobody gets the last one
 * without those before it. A dear transaction behind cheap ones protects nothing.
 *
 * Order of a block: the best tip at the block's base fee first among the accounts' next
 * transactions, earlier arrival first among equals, never a nonce before its predecessor.
 *
 * Accounts that delegate to code (EIP-7702), or for which a delegation waits here, can be emptied
 * by anyone at any time, so at most one of their transactions waits; an account of which more than
 * one wait takes no delegation through this pool. Blob transactions are refused (TX_BLOBS_REFUSED).
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
    size_t bytes_max;          /* of memory in all: raw transactions and what keeps them */
    size_t account_txs_max;    /* per sender, queued ones included */
    size_t account_queued_max; /* per sender behind a gap; further ahead is TX_NONCE_TOO_HIGH */
    u64 queued_blocks_max;     /* how long one may wait behind a gap */
    u64 chain_id;
    u64 block_gas_limit;
    struct u256 tip_min; /* per gas; less is TX_UNDERPRICED */
};

/* pool_options_default: 32,768 transactions, 64 MiB, 64 per account of which 32 queued for at most
 * 1,800 blocks (three hours of six seconds), no tip. */
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
    struct u256 cost; /* tx_cost() */
    u64 arrival;      /* counts up */
    bool is_ready;
};

struct pool_account;

struct pool {
    struct pool_options options;
    struct map by_hash;            /* → struct pool_entry */
    struct map by_sender;          /* → struct pool_account */
    struct map authorities;        /* who delegates by a waiting transaction → how often */
    struct list oldest;            /* all entries, by arrival */
    struct pool_account **weakest; /* a heap: the account that is worth least first */
    size_t weakest_count;
    size_t weakest_cap;
    size_t bytes;
    size_t ready_count;
    u64 arrivals;
    u64 blocks;           /* pool_advance() so far */
    struct u256 base_fee; /* of the next block */
};

void pool_init(struct pool *pool, const struct pool_options *options);
void pool_free(struct pool *pool);

#define POOL_CHECK_BYTES (TX_DECODE_BYTES + KIB(128))

/* A transaction of which everything has been checked that needs neither state nor pool. */
struct pool_checked {
    struct tx tx;
    bytes raw; /* borrowed */
    struct hash hash;
    struct address sender;
    struct u256 cost;            /* tx_cost() */
    struct address *authorities; /* whose authorizations for this chain it carries (type 4) */
    size_t authority_count;
};
/* pool_check: form, chain, gas, fees, and the recovery of the sender and of authorities, which is
 * most of the cost of a transaction. Pure, so it may run on any thread; `arena` (POOL_CHECK_BYTES)
 * holds its lists. ret_checked->hash is set whatever the verdict. */
enum tx_verdict pool_check(const struct pool_options *options, struct arena *arena, bytes raw,
                           struct pool_checked *ret_checked);
/* pool_admit: the rest: nonce, funds and code of the account, limits, replacement; keeps a copy of
 * the raw bytes. Faults come from `source` only. */
err pool_admit(struct pool *pool, const struct state_source *source,
               const struct pool_checked *checked, enum tx_verdict *ret_verdict);
/* pool_add: pool_check() and pool_admit(). *ret_hash is set whatever the verdict. */
err pool_add(struct pool *pool, const struct state_source *source, bytes raw, struct hash *ret_hash,
             enum tx_verdict *ret_verdict);
/* pool_advance: after a block: sets the next base fee, drops what has been included, became
 * invalid or has been queued for too long, moves queued transactions up. `source`: the state after
 * the block. */
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
/* pool_each_of: one sender's, by nonce. pool_each_by_sender: every sender's, each by nonce. */
void pool_each_of(const struct pool *pool, const struct address *sender,
                  bool (*fn)(void *ctx, const struct pool_tx *tx), void *ctx);
void pool_each_by_sender(const struct pool *pool, bool (*fn)(void *ctx, const struct pool_tx *tx),
                         void *ctx);

#endif
