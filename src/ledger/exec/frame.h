/* frame.h: what a native module sees of the call that runs it.
 *
 * The executor (ledger/evm) creates a frame per call of a module; a module handler gets nothing
 * else: no clock, no I/O, no other state. Everything it does goes through the journal behind these
 * functions, so a revert of the frame, or of any frame above it, undoes it.
 *
 * Two kinds of failure: an `err` is a fault of this machine (a disk) and aborts the block without
 * any verdict; a refusal (revert) and running out of gas are verdicts, latched in `status`, after
 * which the frame's functions do nothing. Handlers may return right after frame_revert().
 */
#ifndef LEDGER_EXEC_FRAME_H
#define LEDGER_EXEC_FRAME_H

#include "base/arena.h"
#include "ledger/exec/fork.h"
#include "ledger/exec/slots.h"
#include "ledger/exec/u256.h"

struct journal;

enum call_kind { CALL_PLAIN, CALL_STATIC, CALL_DELEGATE, CALL_CODE };
enum frame_status { FRAME_RUNNING, FRAME_REVERTED, FRAME_OUT_OF_GAS };

/* Where the hashes of former blocks come from (BLOCKHASH). Asked only for the 256 blocks before the
 * one that runs; a zero hash for one that is not known. A `hash` of NULL: only the parent's is. */
struct block_hashes {
    void *ctx;
    err (*hash)(void *ctx, u64 height, struct hash *ret_hash);
};

/* What a block fixes for every transaction in it. Zero is FORK_FRONTIER: name the fork. Native
 * modules exist from Osaka on, so what a frame charges is Osaka's schedule. */
struct block_env {
    enum fork fork;
    u64 chain_id;
    u64 height;
    u64 time; /* seconds since 1970 */
    u64 gas_limit;
    struct address coinbase;
    struct u256 base_fee;
    struct hash prev_randao;
    struct hash parent_hash; /* of the Ethereum header of height - 1 */
    struct u256 difficulty;  /* before Paris */
    struct u256 blob_base_fee;
    u64 blob_gas_max;     /* of the block; 0: blob transactions are not taken */
    u64 blobs_per_tx_max; /* EIP-7594; 0: no limit of its own */
    struct block_hashes hashes;
    bool is_foreign; /* of an imported chain: there are no native modules */
};

struct frame {
    struct journal *journal;
    const struct block_env *block;
    struct arena *arena; /* freed when the transaction ends */
    enum call_kind kind;
    bool is_static;        /* inherited downward */
    struct address caller; /* the only identity a module may trust */
    struct address self;
    struct u256 value; /* already credited to self */
    bytes input;
    u64 gas_left;
    enum frame_status status;
    bytes output; /* return value or revert data, in arena */
};

/* frame_charge: takes gas before work; false (and FRAME_OUT_OF_GAS, gas_left 0) if it is not there.
 */
bool frame_charge(struct frame *frame, u64 gas);
/* frame_revert: latches FRAME_REVERTED with Error(reason); reason: at most 4,000 bytes. */
void frame_revert(struct frame *frame, const char *reason);
static inline bool frame_running(const struct frame *f) { return f->status == FRAME_RUNNING; }

/* frame_load / frame_store: self's storage, priced like SLOAD and SSTORE (EIP-2929, 2200, 3529).
 * A store in a static frame is a bug of the dispatcher, which checks first. */
err frame_load(struct frame *frame, const struct hash *slot, struct word *ret_word);
err frame_store(struct frame *frame, const struct hash *slot, const struct word *word);
/* frame_load_other: storage of another module (read only), same price. */
err frame_load_other(struct frame *frame, const struct address *account, const struct hash *slot,
                     struct word *ret_word);
/* frame_store_other: storage of another module, for the few documented writes across modules
 * (segment → provider byte counts, bucket heads); same price. */
err frame_store_other(struct frame *frame, const struct address *account, const struct hash *slot,
                      const struct word *word);
/* frame_slots: a source for the record readers of modules, charging gas like frame_load_other. */
struct slot_source frame_slots(struct frame *frame);
/* frame_log: topics 0..4; priced like LOG. */
void frame_log(struct frame *frame, const struct hash *topics, size_t topic_count, bytes data);
/* frame_pay: moves wei from self to another account; reverts if self has too little. Priced like
 * the value part of CALL without the stipend (the receiver runs nothing): access, 6,700, and 25,000
 * more if the receiver did not exist. Zero is free and does nothing. */
err frame_pay(struct frame *frame, const struct address *to, struct u256 amount);

#endif
