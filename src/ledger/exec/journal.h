/* journal.h: the changes that a block (or a dry run) makes to the state, before anyone commits
 * them.
 *
 * A journal is an overlay in memory over a read-only `struct state_source`. Everything that runs in
 * a block goes through one journal: transactions, call frames, native modules. So a snapshot is one
 * number (the length of the undo log), and a revert undoes accounts, storage, warm sets, transient
 * storage, logs and the refund counter together. Nothing is ever changed without its undo entry
 * being written first.
 *
 * Life: journal_init → (journal_begin_tx → … )* → journal_changes → journal_free. A snapshot is
 * only valid inside the transaction in which it was taken.
 *
 * What belongs to one transaction (warm accounts and slots of EIP-2929, original values of
 * EIP-2200, transient storage of EIP-1153) carries the number of its transaction, so beginning the
 * next one forgets it all at no cost.
 *
 * journal_end_tx() does what Ethereum does when a transaction is over: accounts that destroyed
 * themselves lose everything, and accounts that were touched and are empty vanish (EIP-161).
 *
 * Every account and slot that was read or written stays in the journal: that is the read and write
 * set of the block. journal_changes() lists what differs from the source, sorted, so that nothing
 * depends on the order in which it was touched.
 *
 * Faults come only from the source (a disk) and from the memory limit (ERR_LIMIT).
 */
#ifndef LEDGER_EXEC_JOURNAL_H
#define LEDGER_EXEC_JOURNAL_H

#include "base/arena.h"
#include "base/map.h"
#include "ledger/exec/account.h"
#include "ledger/exec/slots.h"

#define JOURNAL_TOPICS_MAX 4

/* Whoever wants to see the slots of an account. */
struct slot_visitor {
    void *ctx;
    err (*visit)(void *ctx, const struct hash *slot);
};

/* Where values come from that the journal does not have yet. */
struct state_source {
    void *ctx;
    /* account_none() if there is no such account. */
    err (*account)(void *ctx, const struct address *address, struct account *ret_account);
    /* Zero for a slot that was never written. */
    err (*slot)(void *ctx, const struct address *address, const struct hash *slot,
                struct word *ret_word);
    /* The code with that hash, allocated in arena. Asked only for hashes of existing accounts. */
    err (*code)(void *ctx, const struct hash *code_hash, struct arena *arena, bytes *ret_code);
    /* Visits every slot of the account that may not be zero, in any order. NULL: accounts without
     * nonce and code have no storage, and none is ever destroyed. */
    err (*slots)(void *ctx, const struct address *address, struct slot_visitor visitor);
};

struct journal_log {
    struct address address;
    struct hash topics[JOURNAL_TOPICS_MAX];
    size_t topic_count;
    bytes data; /* in the journal's arena */
};

struct journal_undo;
struct journal_account;
struct journal_slot;

struct journal {
    struct state_source source;
    struct arena arena;
    struct map accounts; /* address → struct journal_account */
    struct map slots;    /* address ‖ slot → struct journal_slot */
    struct map codes;    /* code hash → struct journal_code */
    struct journal_undo *undo;
    size_t undo_count;
    size_t undo_cap;
    struct journal_log *logs; /* of this transaction */
    size_t log_count;
    size_t log_cap;
    struct journal_account **ending; /* touched or destroyed in this transaction, perhaps undone */
    size_t ending_count;
    size_t ending_cap;
    u64 tx;     /* number of the transaction, from 1 */
    u64 refund; /* of this transaction */
    err fault;  /* latched by functions that return nothing */
};

/* journal_init: empty; `source` must outlive the journal. limit_bytes bounds its arena. */
void journal_init(struct journal *journal, const struct state_source *source, size_t limit_bytes);
void journal_free(struct journal *journal);

/* journal_begin_tx: the former transaction's effects are final; logs, refund, warm sets, original
 * values and transient storage start anew. Must be called before the first change. */
void journal_begin_tx(struct journal *journal);
/* journal_end_tx: destroys what journal_destroy() named; with `clears_empty` (EIP-161) accounts
 * that were touched and are empty exist no more. Logs stay until the next transaction begins. */
err journal_end_tx(struct journal *journal, bool clears_empty);
/* journal_snapshot / journal_revert: undoes everything since the snapshot. */
size_t journal_snapshot(const struct journal *journal);
void journal_revert(struct journal *journal, size_t snapshot);
/* journal_fault: the first fault of a function that has no result, or ok(). */
err journal_fault(const struct journal *journal);

err journal_account(struct journal *journal, const struct address *address,
                    struct account *ret_account);
err journal_set_nonce(struct journal *journal, const struct address *address, u64 nonce);
/* journal_credit: asserts that the balance does not overflow (the supply is far below 2^256). */
err journal_credit(struct journal *journal, const struct address *address, struct u256 amount);
/* journal_debit: *ret_enough false and nothing changed if the balance is too small. */
err journal_debit(struct journal *journal, const struct address *address, struct u256 amount,
                  bool *ret_enough);
/* journal_clear_balance: sets it to zero; the wei are gone. */
err journal_clear_balance(struct journal *journal, const struct address *address);
/* journal_touch: makes an account that does not exist an empty one; journal_end_tx() removes empty
 * ones that were touched. A revert undoes a touch, but for the address 0x03: its touch of
 * Ethereum's block 2,675,119 outlived a revert, and every client has kept to that (EIP-161,
 * addendum). */
err journal_touch(struct journal *journal, const struct address *address);
/* journal_create: the account comes into being in this transaction, which matters to EIP-6780;
 * journal_is_created: whether it did. */
err journal_create(struct journal *journal, const struct address *address);
err journal_is_created(struct journal *journal, const struct address *address, bool *ret_created);
/* journal_destroy: names an account that ends with the transaction; *ret_first: it was not named
 * before. */
err journal_destroy(struct journal *journal, const struct address *address, bool *ret_first);
/* journal_clear_storage: sets every slot of the account to zero. */
err journal_clear_storage(struct journal *journal, const struct address *address);
/* journal_has_storage: whether any slot of an account without code is not zero (EIP-7610). */
err journal_has_storage(struct journal *journal, const struct address *address, bool *ret_has);
/* journal_set_code: copies the code. journal_code: borrowed while the journal lives. */
err journal_set_code(struct journal *journal, const struct address *address, bytes code);
err journal_code(struct journal *journal, const struct address *address, bytes *ret_code);

err journal_load(struct journal *journal, const struct address *address, const struct hash *slot,
                 struct word *ret_word);
/* journal_original: the slot's value at the beginning of this transaction. */
err journal_original(struct journal *journal, const struct address *address,
                     const struct hash *slot, struct word *ret_word);
err journal_store(struct journal *journal, const struct address *address, const struct hash *slot,
                  const struct word *word);
/* journal_transient_load / journal_transient_store: EIP-1153. */
err journal_transient_load(struct journal *journal, const struct address *address,
                           const struct hash *slot, struct word *ret_word);
err journal_transient_store(struct journal *journal, const struct address *address,
                            const struct hash *slot, const struct word *word);

/* journal_warm_account / journal_warm_slot: adds to the warm set; *ret_was_warm: it was in it. */
err journal_warm_account(struct journal *journal, const struct address *address,
                         bool *ret_was_warm);
err journal_warm_slot(struct journal *journal, const struct address *address,
                      const struct hash *slot, bool *ret_was_warm);

/* A slot as an instruction sees it, found once: for reading and storing without looking it up
 * again. Valid until the journal is freed. */
struct slot_access {
    struct journal_slot *entry;
    bool was_warm;
};
/* journal_access: finds the slot and adds it to the warm set; reads nothing from the source. */
err journal_access(struct journal *journal, const struct address *address, const struct hash *slot,
                   struct slot_access *ret_access);
/* journal_access_load / _original / _store: like journal_load and its relatives. */
err journal_access_load(struct journal *journal, const struct slot_access *access,
                        struct word *ret_word);
err journal_access_original(struct journal *journal, const struct slot_access *access,
                            struct word *ret_word);
err journal_access_store(struct journal *journal, const struct slot_access *access,
                         const struct word *word);
/* journal_access_account: an account, and whether it was warm; adds it to the warm set. */
err journal_access_account(struct journal *journal, const struct address *address,
                           bool *ret_was_warm, struct account *ret_account);

/* journal_log: copies topics and data. Faults are latched. */
void journal_log(struct journal *journal, const struct address *address, const struct hash *topics,
                 size_t topic_count, bytes data);
void journal_refund_add(struct journal *journal, u64 gas);
/* journal_refund_sub: asserts that the counter does not fall below zero (EIP-2200 guarantees it).
 */
void journal_refund_sub(struct journal *journal, u64 gas);

/* What a journal changed, sorted by address, by address ‖ slot, and by hash. */
struct account_change {
    struct address address;
    struct account former; /* in the source */
    struct account account;
};
struct slot_change {
    struct address address;
    struct hash slot;
    struct word former;
    struct word word;
};
struct code_change {
    struct hash hash;
    bytes code; /* in the journal's arena */
};
struct state_changes {
    struct account_change *accounts;
    size_t account_count;
    struct slot_change *slots;
    size_t slot_count;
    struct code_change *codes; /* new code of accounts in `accounts` */
    size_t code_count;
};

/* journal_changes: arrays in arena. ERR_LIMIT if it is full. */
err journal_changes(const struct journal *journal, struct arena *arena,
                    struct state_changes *ret_changes);

#endif
