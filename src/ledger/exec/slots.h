/* slots.h: reading the storage of native modules, wherever it is.
 *
 * A native module's state is the storage of its account: 32-byte words behind 32-byte slot numbers.
 * The functions that read a module's records take a `struct slot_source`, so the same code reads
 * inside a call frame (the ledger), from a proven copy (src/chain, every role) and in tests.
 *
 * Layout rules, the same as Solidity's: a mapping entry lives at keccak256(key ‖ base), records
 * take consecutive slots from there, small fields are packed big-endian from the left of a word.
 */
#ifndef LEDGER_EXEC_SLOTS_H
#define LEDGER_EXEC_SLOTS_H

#include "base/bytes.h"

struct word {
    u8 b[32];
};

struct slot_source {
    void *ctx;
    /* Zero for a slot that was never written. */
    err (*load)(void *ctx, const struct address *account, const struct hash *slot,
                struct word *ret_word);
};

/* slot_of_map: keccak256(key padded on the left to 32 bytes ‖ base as 32 bytes). */
struct hash slot_of_map(u64 base, bytes key);
/* slot_add: slot + n (mod 2^256). */
struct hash slot_add(const struct hash *slot, u64 n);
struct hash slot_number(u64 n);

#endif
