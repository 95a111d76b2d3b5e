/* beacon_layout.h: epochs, seeds, block outputs and chain time.
 *
 * Epochs count from 1. The first block whose block time is at or after start + epoch_seconds opens
 * the next epoch (one block opens at most one); the block before it is the last of the epoch that
 * closed. seed(e) = keccak256(hash of the last block of epoch e - 1 ‖ e u64), usable from the first
 * block of e. An epoch of fewer than epoch_blocks_min blocks is void: no audits in it; its
 * successor still gets a seed. The last 64 epochs are kept.
 *
 * The output of block h is keccak256(hash of block h ‖ h u64), known from block h + 1 on, kept for
 * 256 blocks; outputs that a registration needs are kept for good (beacon_kept).
 */
#ifndef LEDGER_MODULES_BEACON_LAYOUT_H
#define LEDGER_MODULES_BEACON_LAYOUT_H

#include "ledger/modules/layout.h"

#define BEACON_EPOCHS_KEPT 64
#define BEACON_OUTPUTS_KEPT 256

/* Slots 0 and 1. */
struct beacon_state {
    u64 epoch;      /* 0 only before the first block */
    u64 start_time; /* block time of the epoch's first block */
    u64 start_height;
    u64 paused_s;    /* block time - chain time */
    u64 last_height; /* the block that was begun last */
    u64 last_time;   /* its block time */
};

struct beacon_epoch {
    u64 epoch;
    u64 start_time; /* block time */
    u64 start_height;
    u32 blocks;   /* 0 while it is open */
    bool is_void; /* of a closed epoch */
    struct hash seed;
};

err beacon_load(const struct slot_source *source, struct beacon_state *ret_state);
/* beacon_now: chain time of the last begun block, seconds. */
err beacon_now(const struct slot_source *source, u64 *ret_now);
static inline u64 beacon_chain_time(const struct beacon_state *s)
{
    return s->last_time - s->paused_s;
}
/* beacon_epoch_load: found only for the last 64 epochs, the open one included. */
err beacon_epoch_load(const struct slot_source *source, u64 epoch, struct beacon_epoch *ret_epoch,
                      bool *ret_found);
/* beacon_output: of block `height`; found if kept or among the last 256. */
err beacon_output(const struct slot_source *source, u64 height, struct hash *ret_output,
                  bool *ret_found);
/* The two formulas. */
void beacon_seed_of(struct hash *ret_seed, const struct hash *last_block, u64 epoch);
void beacon_output_of(struct hash *ret_output, const struct hash *block, u64 height);

/* Slots: 0 epoch, start_time, start_height, paused_s (u64 each); 1 last_height, last_time (u64).
 * Maps: 2 epoch mod 64 → {epoch u64, start_time u64, start_height u64, blocks u32, void u8}, seed;
 * 3 height mod 256 → output; 4 height → kept output (…01 while it is awaited). */
#define BEACON_SLOT_STATE 0
#define BEACON_MAP_EPOCHS 2
#define BEACON_MAP_OUTPUTS 3
#define BEACON_MAP_KEPT 4

#define BEACON_CURRENT                                                                             \
    "current() returns (uint64 epoch, uint64 startTime, uint64 startHeight, uint64 chainTime)"
#define BEACON_EPOCH                                                                               \
    "epochInfo(uint64 epoch) returns (bytes32 seed, uint64 startTime, uint64 startHeight, "        \
    "uint32 blocks, bool isVoid)"
#define BEACON_OUTPUT "output(uint64 height) returns (bytes32 value)"

#endif
