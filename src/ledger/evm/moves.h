/* moves.h: precompiled contracts that are elsewhere for a while: what eth_simulateV1 and state
 * overrides ask for. Nothing in a block ever moves one. */
#ifndef LEDGER_EVM_MOVES_H
#define LEDGER_EVM_MOVES_H

#include "ledger/precompile/precompile.h"

struct evm_move {
    struct address from;
    struct address to;
    bool is_gone; /* `to` means nothing: it is nowhere */
};

struct evm_moves {
    const struct evm_move *items;
    size_t count;
};

/* evm_moved_precompile: what is at an address; `moves` may be NULL. */
static inline const struct precompile *
evm_moved_precompile(const struct evm_moves *moves, enum fork fork, const struct address *address)
{
    bool is_away = false;
    for (size_t i = 0; moves != NULL && i < moves->count; i++) {
        const struct evm_move *move = &moves->items[i];
        if (!move->is_gone && address_eq(&move->to, address)) {
            return precompile_find(fork, &move->from);
        }
        is_away |= address_eq(&move->from, address);
    }
    return is_away ? NULL : precompile_find(fork, address);
}

#endif
