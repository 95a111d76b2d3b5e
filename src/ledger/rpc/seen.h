/* seen.h: the accounts and slots that an execution looked at, in the order in which it first did;
 * for the files of ledger/rpc only. Looking again costs one lookup. */
#ifndef LEDGER_RPC_SEEN_H
#define LEDGER_RPC_SEEN_H

#include "base/arena.h"
#include "base/map.h"
#include "ledger/evm/tracer.h"

struct seen_slot {
    struct hash slot;
    struct seen_slot *next;
};

struct seen_account {
    struct address address;
    struct seen_slot *first_slot;
    struct seen_slot *last_slot;
    size_t slot_count;
    bool is_created; /* for whoever notes it */
    struct seen_account *next;
};

struct seen {
    struct arena *arena; /* of the entries */
    struct map index;
    struct seen_account *first;
    struct seen_account *last;
    size_t count; /* accounts */
    size_t total; /* accounts and slots */
    size_t most;
    bool is_full; /* something did not fit */
};

void seen_init(struct seen *seen, struct arena *arena, size_t most);
void seen_free(struct seen *seen);
/* seen_account: notes an account; NULL: full. seen_slot: notes a slot and its account. */
struct seen_account *seen_account(struct seen *seen, const struct address *address);
void seen_slot(struct seen *seen, const struct address *address, const struct hash *slot);

#endif
