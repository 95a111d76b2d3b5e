/* internal.h: what the files of the pool share; not for other modules. */
#ifndef LEDGER_POOL_INTERNAL_H
#define LEDGER_POOL_INTERNAL_H

#include "ledger/pool/pool.h"

struct pool_entry {
    struct pool_tx tx;
    struct list by_arrival;
    struct list by_nonce;
    u64 queued_since; /* pool->blocks when it was last ready, or came */
    size_t memory_bytes;
    struct address *authorities; /* behind raw */
    size_t authority_count;
    u8 raw[];
};

/* How much a transaction is worth keeping. */
struct pool_worth {
    bool is_ready;
    bool pays;       /* the next base fee, it and all before it */
    struct u256 tip; /* the lowest on the way to it; if it does not pay: the lowest max_fee */
    u64 arrival;
};

struct pool_account {
    struct address address;
    u64 nonce; /* of the state */
    struct list txs;
    size_t count;
    size_t ready;
    struct pool_worth worth; /* of the last one */
    size_t place;            /* in the heap; SIZE_MAX: not in it */
};

static inline struct pool_entry *entry_by_nonce(struct list *node)
{
    return list_entry(node, struct pool_entry, by_nonce);
}

/* --- order.c --- */

/* pool_worth_less: whether a goes before b when there is no room. */
bool pool_worth_less(const struct pool_worth *a, const struct pool_worth *b);
/* pool_worth_add: what is left of `worth` with one more transaction on the way. */
void pool_worth_add(const struct pool *pool, struct pool_worth *worth, const struct u256 max_fee,
                    const struct u256 max_priority);
/* pool_worth_begin: of no transaction yet. */
struct pool_worth pool_worth_begin(void);
/* weakest_update: puts an account with transactions where it belongs in the heap, takes one without
 * out. */
void weakest_update(struct pool *pool, struct pool_account *account);
/* weakest_but: the account that is worth least, `but` left out; NULL if there is none. */
struct pool_account *weakest_but(const struct pool *pool, const struct pool_account *but);

/* --- accounts.c --- */

struct pool_account *account_of(struct pool *pool, const struct address *address);
/* account_settle: finds out anew which transactions follow the account's nonce without a gap, and
 * what the account is worth. */
void account_settle(struct pool *pool, struct pool_account *account);
/* account_settle_or_free: as well; one without transactions is gone then. */
void account_settle_or_free(struct pool *pool, struct pool_account *account);
struct pool_entry *account_find(const struct pool_account *account, u64 nonce);
void account_insert(struct pool_account *account, struct pool_entry *entry);

/* entry_new: a copy, in the maps and lists of the pool, not yet in the account's. */
struct pool_entry *entry_new(struct pool *pool, const struct pool_checked *checked);
/* entry_memory: what keeping a transaction takes. */
size_t entry_memory(const struct pool_checked *checked);
/* entry_detach: out of its account only; entry_end: out of everything, and freed. */
void entry_detach(struct pool_account *account, struct pool_entry *entry);
void entry_end(struct pool *pool, struct pool_entry *entry);
/* entry_remove: both; the caller settles the account. */
void entry_remove(struct pool *pool, struct pool_account *account, struct pool_entry *entry);

#endif
