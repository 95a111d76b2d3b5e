#include "ledger/modules/state.h"

#include "base/assert.h"
#include "ledger/modules/beacon_layout.h"

err state_store(struct frame *frame, enum module_number module, const struct hash *first,
                const struct word *words, size_t count)
{
    struct address account = native_address((u32)module);
    for (size_t i = 0; i < count; i++) {
        struct hash slot = slot_add(first, i);
        TRY(frame_store_other(frame, &account, &slot, &words[i]));
    }
    return ok();
}

err state_store_u64(struct frame *frame, enum module_number module, const struct hash *slot,
                    u64 value, size_t len)
{
    struct word word = {{0}};
    word_put(&word, 0, len, value);
    return state_store(frame, module, slot, &word, 1);
}

err state_load_u64(const struct slot_source *source, enum module_number module,
                   const struct hash *slot, size_t len, u64 *ret_value)
{
    struct word word;
    TRY(layout_words(source, module, slot, &word, 1));
    *ret_value = word_get(&word, 0, len);
    return ok();
}

static size_t blob_words(size_t len) { return (size_t)ceil_div(2 + len, 32); }

err state_store_blob(struct frame *frame, enum module_number module, const struct hash *slot,
                     bytes in)
{
    assert_that(in.len <= BLOB_BYTES_MAX);
    struct slot_source source = frame_slots(frame);
    u64 old_len;
    TRY(state_load_u64(&source, module, slot, 2, &old_len));
    u8 packed[BLOB_BYTES_MAX + 34] = {0};
    store_be16(packed, (u16)in.len);
    if (in.len > 0) {
        memcpy(packed + 2, in.data, in.len);
    }
    size_t old_words = blob_words((size_t)old_len);
    size_t count = blob_words(in.len);
    for (size_t i = 0; i < count || i < old_words; i++) {
        struct word word = {{0}}; /* words of a longer former string are cleared */
        if (i < count) {
            memcpy(word.b, packed + 32 * i, 32);
        }
        struct hash at = slot_add(slot, i);
        TRY(state_store(frame, module, &at, &word, 1));
    }
    return ok();
}

err state_time(struct frame *frame, struct state_time *ret_time)
{
    struct slot_source source = frame_slots(frame);
    struct hash slot = slot_number(BEACON_SLOT_STATE);
    struct word word;
    TRY(layout_words(&source, MODULE_BEACON, &slot, &word, 1));
    u64 paused = word_get(&word, 24, 8);
    *ret_time = (struct state_time){.block = frame->block->time,
                                    .now = frame->block->time - min_u64(paused, frame->block->time),
                                    .paused_s = paused,
                                    .epoch = word_get(&word, 0, 8)};
    return ok();
}

bool require(struct frame *frame, bool condition, const char *reason)
{
    if (!condition) {
        frame_revert(frame, reason);
    }
    return frame_running(frame);
}

err state_bytes(struct frame *frame, bytes in, struct abi_value *ret_value)
{
    bytes copy = arena_copy(frame->arena, in);
    if (copy.data == NULL) {
        return fail(ERR_LIMIT);
    }
    *ret_value = abi_bytes(copy);
    return ok();
}
