#include "ledger/modules/beacon_layout.h"

#include "ledger/modules/beacon_state.h"
#include "ledger/modules/modules.h"
#include "ledger/modules/params_layout.h"
#include "ledger/modules/state.h"

static err store_epoch(struct frame *frame, const struct beacon_epoch *epoch)
{
    struct hash slot = beacon_epoch_slot(epoch->epoch);
    struct word words[2];
    beacon_epoch_pack(words, epoch);
    return state_store(frame, MODULE_BEACON, &slot, words, 2);
}

/* The block before this one has its hash now: its output goes into the ring, and beside it if a
 * registration waits for it. */
static err record_output(struct frame *frame)
{
    const struct block_env *block = frame->block;
    u64 height = block->height - 1;
    struct hash output;
    beacon_output_of(&output, &block->parent_hash, height);
    struct word word;
    memcpy(word.b, output.b, sizeof word.b);
    struct hash slot = beacon_output_slot(height);
    TRY(state_store(frame, MODULE_BEACON, &slot, &word, 1));
    struct slot_source source = frame_slots(frame);
    struct hash kept_slot = beacon_kept_slot(height);
    struct word kept;
    TRY(layout_words(&source, MODULE_BEACON, &kept_slot, &kept, 1));
    return beacon_is_awaited(&kept) ? state_store(frame, MODULE_BEACON, &kept_slot, &word, 1)
                                    : ok();
}

static err close_epoch(struct frame *frame, const struct beacon_state *state)
{
    struct slot_source source = frame_slots(frame);
    struct beacon_epoch closed;
    bool found;
    u64 blocks_min;
    TRY(beacon_epoch_load(&source, state->epoch, &closed, &found));
    TRY(params_load(&source, PARAM_EPOCH_BLOCKS_MIN, &blocks_min));
    if (!found) {
        return ok(); /* the first epoch opens without a former one */
    }
    closed.blocks = (u32)min_u64(frame->block->height - closed.start_height, UINT32_MAX);
    closed.is_void = closed.blocks < blocks_min;
    return store_epoch(frame, &closed);
}

static err open_epoch(struct frame *frame, struct beacon_state *state)
{
    struct beacon_epoch next = {.epoch = state->epoch + 1,
                                .start_time = frame->block->time,
                                .start_height = frame->block->height};
    beacon_seed_of(&next.seed, &frame->block->parent_hash, next.epoch);
    TRY(close_epoch(frame, state));
    state->epoch = next.epoch;
    state->start_time = next.start_time;
    state->start_height = next.start_height;
    return store_epoch(frame, &next);
}

static err begin_block(struct frame *frame)
{
    const struct block_env *block = frame->block;
    struct slot_source source = frame_slots(frame);
    struct beacon_state state;
    u64 epoch_seconds;
    u64 gap_s;
    TRY(beacon_load(&source, &state));
    TRY(params_load(&source, PARAM_EPOCH_SECONDS, &epoch_seconds));
    TRY(params_load(&source, PARAM_CLOCK_GAP_S, &gap_s));
    u64 passed = state.epoch == 0 ? 0 : block->time - min_u64(state.last_time, block->time);
    state.paused_s += passed > gap_s ? passed : 0;
    state.last_height = block->height;
    state.last_time = block->time;
    if (block->height > 0) {
        TRY(record_output(frame));
    }
    if (state.epoch == 0 || block->time >= state.start_time + epoch_seconds) {
        TRY(open_epoch(frame, &state));
    }
    struct hash slot = slot_number(BEACON_SLOT_STATE);
    struct word words[2];
    beacon_pack(words, &state);
    return state_store(frame, MODULE_BEACON, &slot, words, 2);
}

err beacon_keep_output(struct frame *frame, u64 height)
{
    struct word awaited = {{0}};
    awaited.b[31] = 1;
    struct hash slot = beacon_kept_slot(height);
    return state_store(frame, MODULE_BEACON, &slot, &awaited, 1);
}

static err handle_current(struct frame *frame, const struct abi_value *args, struct abi_value *ret)
{
    (void)args;
    struct slot_source source = frame_slots(frame);
    struct beacon_state state;
    TRY(beacon_load(&source, &state));
    ret[0] = abi_u64(state.epoch);
    ret[1] = abi_u64(state.start_time);
    ret[2] = abi_u64(state.start_height);
    ret[3] = abi_u64(beacon_chain_time(&state));
    return ok();
}

static err handle_epoch(struct frame *frame, const struct abi_value *args, struct abi_value *ret)
{
    struct slot_source source = frame_slots(frame);
    struct beacon_epoch epoch;
    bool found;
    TRY(beacon_epoch_load(&source, abi_as_u64(&args[0]), &epoch, &found));
    if (require(frame, found, "epoch is not kept")) {
        ret[0] = abi_hash(&epoch.seed);
        ret[1] = abi_u64(epoch.start_time);
        ret[2] = abi_u64(epoch.start_height);
        ret[3] = abi_u64(epoch.blocks);
        ret[4] = abi_bool(epoch.is_void);
    }
    return ok();
}

static err handle_output(struct frame *frame, const struct abi_value *args, struct abi_value *ret)
{
    struct slot_source source = frame_slots(frame);
    struct hash output;
    bool found;
    TRY(beacon_output(&source, abi_as_u64(&args[0]), &output, &found));
    if (require(frame, found, "output is not kept")) {
        ret[0] = abi_hash(&output);
    }
    return ok();
}

static const struct native_function functions[] = {
    {BEACON_CURRENT, handle_current, NATIVE_VIEW, 100,
     "The open epoch, block time and height of its first block, and chain time (block time less "
     "all pauses)."},
    {BEACON_EPOCH, handle_epoch, NATIVE_VIEW, 100,
     "One of the last 64 epochs; blocks is 0 while it is open."},
    {BEACON_OUTPUT, handle_output, NATIVE_VIEW, 100,
     "Output of one of the last 256 blocks, or of one that a registration waits for."},
};

const struct native_module beacon_module = {
    .name = "beacon",
    .number = MODULE_BEACON,
    .version = 1,
    .doc = "Epochs and their seeds, outputs of single blocks, and chain time.",
    .functions = functions,
    .function_count = COUNT_OF(functions),
    .begin_block = begin_block,
};
