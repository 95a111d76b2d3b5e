/* rules.h: which rules a block obeys, and what follows from the block before it.
 *
 * Ethereum's forks begin at a block number (up to Paris) or at a time (from Shanghai on); besides
 * them there are numbers and times that move the difficulty bomb or the blob parameters only. A
 * `struct chain_rules` holds all of them for one chain, with its chain id. This ledger's own chain
 * is Osaka from its first block (rules_own()); imported chains read theirs from a genesis file
 * (genesis.h).
 *
 * From rules and parent header follow base fee, excess blob gas, difficulty and the bounds of the
 * gas limit of the next block; rules_check_header() checks all that a header says about itself,
 * except the proof of work. Everything is pure.
 *
 * Sources: ethereum/execution-specs, fork.py of each fork; EIP-1559, 4844, 7691, 7840, 7892, 7918;
 * EIP-2124 and 7910 for the fork id.
 */
#ifndef LEDGER_ETHEREUM_RULES_H
#define LEDGER_ETHEREUM_RULES_H

#include "ledger/block/block.h"
#include "ledger/exec/frame.h"

#define RULES_NEVER UINT64_MAX
#define RULES_BLOBS_MAX 16
#define RULES_STEPS_MAX 32
#define RULES_GAS_PER_BLOB 131072u
#define RULES_BLOBS_PER_TX_OSAKA 6u /* EIP-7594 */

/* Blob parameters from `time` on; counts are blobs of a block. */
struct rules_blobs {
    u64 time;
    u64 target;
    u64 max;
    u64 fraction; /* base fee update fraction */
};

/* The bomb as if the chain were `delay` blocks younger, from `number` on. */
struct rules_bomb {
    u64 number;
    u64 delay;
};

struct chain_rules {
    u64 chain_id;
    bool is_own; /* native modules, a fixed gas limit, a floor under the base fee */
    struct u256 base_fee_floor;
    u64 starts[FORK_COUNT];                    /* a number up to Paris, a time after; RULES_NEVER */
    struct rules_blobs blobs[RULES_BLOBS_MAX]; /* ascending */
    size_t blob_count;
    struct rules_bomb bombs[RULES_BLOBS_MAX]; /* ascending */
    size_t bomb_count;
    u64 number_steps[RULES_STEPS_MAX]; /* all that changes rules after genesis, ascending, once */
    size_t number_step_count;
    u64 time_steps[RULES_STEPS_MAX];
    size_t time_step_count;
    bool has_deposit_contract;
    struct address deposit_contract; /* EIP-6110 */
};

/* rules_own: of this ledger's own chain. */
struct chain_rules rules_own(u64 chain_id, struct u256 base_fee_floor);
enum fork rules_fork(const struct chain_rules *rules, u64 number, u64 time);
enum block_form rules_form(enum fork fork);
/* rules_blobs_at: NULL before Cancun, and on our own chain. */
const struct rules_blobs *rules_blobs_at(const struct chain_rules *rules, u64 time);
/* rules_blob_base_fee: wei per unit of blob gas; 1 with `blobs` NULL. Saturates. */
struct u256 rules_blob_base_fee(const struct rules_blobs *blobs, u64 excess);
/* rules_excess_blob_gas: of the block at `time` on top of parent. */
u64 rules_excess_blob_gas(const struct chain_rules *rules, const struct block_header *parent,
                          u64 time);
/* rules_base_fee: of the block on top of parent, from London on. */
struct u256 rules_base_fee(const struct chain_rules *rules, const struct block_header *parent);
/* rules_difficulty: of the block at `time` on top of parent, before Paris. */
u64 rules_difficulty(const struct chain_rules *rules, const struct block_header *parent, u64 time);
/* rules_next_header: what is known of the block at `time` on top of parent before it is executed:
 * form, number, parent, gas limit (the parent's, or twice that in London's first block), base fee,
 * difficulty, excess blob gas; no beneficiary, no transactions. */
void rules_next_header(const struct chain_rules *rules, const struct block_header *parent, u64 time,
                       struct block_header *ret_header);
/* rules_env: the environment of a block's transactions; without the hashes of former blocks. */
struct block_env rules_env(const struct chain_rules *rules, const struct block_header *header);
/* rules_reward: wei for a block, before the shares for ommers; zero from Paris on. */
struct u256 rules_reward(enum fork fork);

/* rules_check_header: NULL if `header` may follow `parent`, else what is wrong with it. Roots,
 * bloom, gas used and requests hash are only bounded here: the execution decides. */
const char *rules_check_header(const struct chain_rules *rules, const struct block_header *parent,
                               const struct block_header *header);

/* rules_fork_id: EIP-2124's checksum at a block, over the genesis hash and the steps passed. */
u32 rules_fork_id(const struct chain_rules *rules, const struct hash *genesis, u64 number,
                  u64 time);

#endif
