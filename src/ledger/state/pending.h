/* pending.h: a block's state changes with their new root, before they are written; for the files of
 * ledger/state only. */
#ifndef LEDGER_STATE_PENDING_H
#define LEDGER_STATE_PENDING_H

#include "ledger/state/tables.h"

struct pending_account {
    struct hash key; /* of the address */
    bool has_change; /* of its own, not only of its slots */
    struct account_record former;
    struct account_record record;
    size_t first_slot; /* its slots while they are in the order of addresses */
    size_t slot_count;
};

struct pending_slot {
    struct hash account; /* of the address */
    struct hash key;     /* of the slot */
    struct hash slot;
    struct word former;
    struct word word;
};

/* A trie node to put, or to remove (node.data NULL). */
struct pending_node {
    struct pending_node *next;
    struct state_key key;
    bytes node;
};

struct state_pending {
    struct arena arena;
    bool on_new;     /* prepared on an empty store */
    u64 head_height; /* prepared on this head */
    struct hash head_root;
    struct hash root;
    struct pending_account *accounts; /* ascending by key */
    size_t account_count;
    struct pending_slot *slots; /* ascending by account, key */
    size_t slot_count;
    struct code_change *codes;
    size_t code_count;
    struct pending_node *first_node; /* in the order of writing */
    struct pending_node **last_node;
};

#endif
