#include "ledger/modules/beacon_layout.h"

#include "crypto/hash.h"
#include "ledger/modules/beacon_state.h"

void beacon_unpack(struct beacon_state *ret_state, const struct word words[2])
{
    ret_state->epoch = word_get(&words[0], 0, 8);
    ret_state->start_time = word_get(&words[0], 8, 8);
    ret_state->start_height = word_get(&words[0], 16, 8);
    ret_state->paused_s = word_get(&words[0], 24, 8);
    ret_state->last_height = word_get(&words[1], 0, 8);
    ret_state->last_time = word_get(&words[1], 8, 8);
}

void beacon_pack(struct word ret_words[2], const struct beacon_state *state)
{
    memset(ret_words, 0, 2 * sizeof *ret_words);
    word_put(&ret_words[0], 0, 8, state->epoch);
    word_put(&ret_words[0], 8, 8, state->start_time);
    word_put(&ret_words[0], 16, 8, state->start_height);
    word_put(&ret_words[0], 24, 8, state->paused_s);
    word_put(&ret_words[1], 0, 8, state->last_height);
    word_put(&ret_words[1], 8, 8, state->last_time);
}

void beacon_epoch_pack(struct word ret_words[2], const struct beacon_epoch *epoch)
{
    memset(ret_words, 0, 2 * sizeof *ret_words);
    word_put(&ret_words[0], 0, 8, epoch->epoch);
    word_put(&ret_words[0], 8, 8, epoch->start_time);
    word_put(&ret_words[0], 16, 8, epoch->start_height);
    word_put(&ret_words[0], 24, 4, epoch->blocks);
    word_put(&ret_words[0], 28, 1, epoch->is_void);
    memcpy(ret_words[1].b, epoch->seed.b, sizeof epoch->seed.b);
}

struct hash beacon_epoch_slot(u64 epoch)
{
    return layout_map_u64(BEACON_MAP_EPOCHS, epoch % BEACON_EPOCHS_KEPT, 8);
}

struct hash beacon_output_slot(u64 height)
{
    return layout_map_u64(BEACON_MAP_OUTPUTS, height % BEACON_OUTPUTS_KEPT, 8);
}

struct hash beacon_kept_slot(u64 height) { return layout_map_u64(BEACON_MAP_KEPT, height, 8); }

bool beacon_is_awaited(const struct word *kept)
{
    struct word awaited = {{0}};
    awaited.b[31] = 1;
    return memcmp(kept, &awaited, sizeof awaited) == 0;
}

err beacon_load(const struct slot_source *source, struct beacon_state *ret_state)
{
    struct hash slot = slot_number(BEACON_SLOT_STATE);
    struct word words[2];
    TRY(layout_words(source, MODULE_BEACON, &slot, words, 2));
    beacon_unpack(ret_state, words);
    return ok();
}

err beacon_now(const struct slot_source *source, u64 *ret_now)
{
    struct beacon_state state;
    TRY(beacon_load(source, &state));
    *ret_now = beacon_chain_time(&state);
    return ok();
}

err beacon_epoch_load(const struct slot_source *source, u64 epoch, struct beacon_epoch *ret_epoch,
                      bool *ret_found)
{
    struct hash slot = beacon_epoch_slot(epoch);
    struct word words[2];
    TRY(layout_words(source, MODULE_BEACON, &slot, words, 2));
    bool found = epoch != 0 && word_get(&words[0], 0, 8) == epoch;
    if (found) {
        ret_epoch->epoch = epoch;
        ret_epoch->start_time = word_get(&words[0], 8, 8);
        ret_epoch->start_height = word_get(&words[0], 16, 8);
        ret_epoch->blocks = (u32)word_get(&words[0], 24, 4);
        ret_epoch->is_void = words[0].b[28] == 1;
        memcpy(ret_epoch->seed.b, words[1].b, sizeof words[1].b);
    }
    *ret_found = found;
    return ok();
}

/* The ring holds outputs of blocks below the one that was begun last. */
static err output_from_ring(const struct slot_source *source, u64 height, struct hash *ret_output,
                            bool *ret_found)
{
    struct beacon_state state;
    TRY(beacon_load(source, &state));
    bool found = height < state.last_height && state.last_height - height <= BEACON_OUTPUTS_KEPT;
    if (found) {
        struct hash slot = beacon_output_slot(height);
        struct word word;
        TRY(layout_words(source, MODULE_BEACON, &slot, &word, 1));
        found = !word_is_zero(&word); /* blocks before the first begun one have none */
        memcpy(ret_output->b, word.b, sizeof word.b);
    }
    *ret_found = found;
    return ok();
}

err beacon_output(const struct slot_source *source, u64 height, struct hash *ret_output,
                  bool *ret_found)
{
    struct hash slot = beacon_kept_slot(height);
    struct word kept;
    TRY(layout_words(source, MODULE_BEACON, &slot, &kept, 1));
    if (word_is_zero(&kept) || beacon_is_awaited(&kept)) {
        return output_from_ring(source, height, ret_output, ret_found);
    }
    memcpy(ret_output->b, kept.b, sizeof kept.b);
    *ret_found = true;
    return ok();
}

static void hash_with_number(struct hash *ret, const struct hash *hash, u64 number)
{
    u8 packed[40];
    memcpy(packed, hash->b, sizeof hash->b);
    store_be64(packed + 32, number);
    keccak256(ret, BYTES_OF(packed));
}

void beacon_seed_of(struct hash *ret_seed, const struct hash *last_block, u64 epoch)
{
    hash_with_number(ret_seed, last_block, epoch);
}

void beacon_output_of(struct hash *ret_output, const struct hash *block, u64 height)
{
    hash_with_number(ret_output, block, height);
}
