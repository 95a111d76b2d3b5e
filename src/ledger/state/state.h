/* state.h: everything the ledger keeps: accounts, storage, code, tries, history and blocks.
 *
 * One LMDB store. Flat tables, in the order of the tries (by hash), answer reads and are the tries'
 * leaves; the nodes above them (accounts, and one trie per account with storage) are kept under
 * their paths, so their size is that of the current state. What a block changed is kept, with the
 * former values, for the last `history_blocks` blocks, so every one of those heights can be read,
 * called and proven too; an archive keeps it for all and finds it by key. A block's data, its state
 * changes and the height are written in one transaction: after a crash at any instant the store is
 * exactly at some height.
 *
 * A block goes: run it over a view of the head (journal) → state_prepare(): computes the new root
 * in memory, writes nothing → state_commit(): writes all of it, or nothing. state_prepare() may be
 * repeated for other blocks (proposals); each belongs to the head at which it was prepared.
 *
 * Views are read transactions: short, any number of them, also while a block commits. One writer.
 * All stored values are defined in docs/formats/state.md.
 */
#ifndef LEDGER_STATE_STATE_H
#define LEDGER_STATE_STATE_H

#include "ledger/exec/journal.h"

#define STATE_HISTORY_BLOCKS 256      /* default of history_blocks */
#define STATE_SIZE_MAX_BYTES GIB(64)  /* default of size_max_bytes: address space, not memory */
#define STATE_PROOF_DISTANCE_MAX 1024 /* proofs are made for heights so far below the head */
#define STATE_NODES_MAX 65            /* in one proof */

struct state;
struct state_view;

struct state_options {
    const char *dir;
    u64 size_max_bytes; /* 0: default */
    u32 history_blocks; /* 0: default; an archive ignores it */
    bool is_archive;    /* keeps all heights; chosen when the store is made */
    bool no_sync;       /* tests and simulation only */
};

/* state_open: makes the store if there is none. ERR_INTEGRITY: not a store of this version.
 * ERR_USAGE: it is an archive and should not be, or the other way round. */
err state_open(const struct state_options *options, struct state **ret_state);
void state_close(struct state *state);

/* The head: the last committed block. No block at all (state_is_new) before genesis. */
struct state_head {
    u64 height;
    struct hash block_hash; /* of the Ethereum header */
    struct hash root;
};
bool state_is_new(const struct state *state);
struct state_head state_head(const struct state *state);
/* state_oldest: the lowest height at which views can be opened. */
u64 state_oldest(const struct state *state);

/* --- views --- */

/* state_view_open: the state after the block of `height`. ERR_NOT_FOUND: older than history, or not
 * there yet. Before genesis: only height 0, which is empty. */
err state_view_open(struct state *state, u64 height, struct state_view **ret_view);
void state_view_close(struct state_view *view);
u64 state_view_height(const struct state_view *view);
/* state_view_source: for a journal; valid while the view is open. */
struct state_source state_view_source(struct state_view *view);
err state_view_account(struct state_view *view, const struct address *address,
                       struct account *ret_account);
err state_view_slot(struct state_view *view, const struct address *address, const struct hash *slot,
                    struct word *ret_word);
err state_view_code(struct state_view *view, const struct hash *code_hash, struct arena *arena,
                    bytes *ret_code);

/* EIP-1186. Nodes lie in the arena given. */
struct state_proof {
    bytes nodes[STATE_NODES_MAX];
    size_t count;
};
struct state_account_proof {
    struct account account;
    struct hash storage_root;
    struct state_proof proof;
    struct state_proof *slots; /* one per slot asked for, in order */
    struct word *words;        /* their values */
};
/* state_view_prove: an account and some of its slots, against the state root of the view's height.
 * For heights below the head it undoes the later changes in memory: the cost grows with them.
 * ERR_LIMIT: STATE_PROOF_DISTANCE_MAX, or the arena. */
err state_view_prove(struct state_view *view, const struct address *address,
                     const struct hash *slots, size_t slot_count, struct arena *arena,
                     struct state_account_proof *ret_proof);

/* state_view_root: the state root that `changes` on top of the view's height would give; nothing is
 * kept. Below the head it undoes the later changes in memory, as state_view_prove() does. */
err state_view_root(struct state_view *view, const struct state_changes *changes,
                    struct hash *ret_root);

/* --- blocks: stored as bytes whose meaning is ledger/block's --- */

struct state_block {
    u64 height;
    struct hash hash;             /* of the Ethereum header */
    bytes header;                 /* Ethereum header, RLP */
    bytes consensus;              /* consensus header and certificate; empty for genesis */
    bytes body;                   /* RLP list of transactions */
    bytes receipts;               /* RLP list of receipts */
    const struct hash *tx_hashes; /* for the index, in block order */
    size_t tx_count;
};

enum state_part { STATE_HEADER, STATE_CONSENSUS, STATE_BODY, STATE_RECEIPTS };

/* All of these: ERR_NOT_FOUND; bytes are copied into arena. Blocks are kept forever. */
err state_view_block(struct state_view *view, enum state_part part, u64 height, struct arena *arena,
                     bytes *ret_bytes);
err state_view_height_of(struct state_view *view, const struct hash *block_hash, u64 *ret_height);
err state_view_block_hash(struct state_view *view, u64 height, struct hash *ret_hash);
/* state_view_tx: where a transaction is. */
err state_view_tx(struct state_view *view, const struct hash *tx_hash, u64 *ret_height,
                  u32 *ret_index);
/* state_view_meta: a small named value written by state_commit_meta (genesis hash and the like). */
err state_view_meta(struct state_view *view, const char *name, struct arena *arena,
                    bytes *ret_value);

/* --- writing --- */

struct state_pending;

/* state_prepare: computes the root after `changes` on top of the head. The pending change owns its
 * memory; changes may be freed. */
err state_prepare(struct state *state, const struct state_changes *changes,
                  struct state_pending **ret_pending, struct hash *ret_root);
void state_pending_free(struct state_pending *pending);

struct state_meta {
    const char *name; /* at most 64 characters */
    bytes value;
};
/* state_commit: makes block.height the head, durably. The height must be the head's plus one (0 for
 * genesis), and the pending change must have been prepared on this head (asserted). Frees pending
 * in any case. A fault means nothing was written. metas: written along (count may be 0). */
err state_commit(struct state *state, struct state_pending *pending,
                 const struct state_block *block, const struct state_meta *metas,
                 size_t meta_count);

#endif
