#include "ledger/modules/segment_layout.h"

#include "ledger/modules/modules.h"
#include "ledger/modules/segment_state.h"
#include "ledger/modules/state.h"

static err handle_register_watcher(struct frame *frame, const struct abi_value *args,
                                   struct abi_value *ret)
{
    (void)args;
    struct slot_source source = frame_slots(frame);
    struct hash of_slot = layout_map_address(SEGMENT_MAP_WATCHER_OF, &frame->caller);
    struct segment_counts counts;
    u64 known;
    TRY(segment_counts_load(&source, &counts));
    TRY(state_load_u64(&source, MODULE_SEGMENT, &of_slot, 4, &known));
    if (!require(frame, known == 0, "already registered") ||
        !require(frame, counts.own_watchers < INT32_MAX, "too many watchers")) {
        return ok();
    }
    struct hash slot = watcher_slot(counts.own_watchers);
    struct word word = {{0}};
    word_put_address(&word, 0, &frame->caller);
    TRY(state_store(frame, MODULE_SEGMENT, &slot, &word, 1));
    counts.own_watchers++;
    TRY(state_store_u64(frame, MODULE_SEGMENT, &of_slot, counts.own_watchers, 4));
    TRY(segment_counts_store(frame, &counts));
    ret[0] = abi_u64(counts.own_watchers);
    struct abi_value values[] = {ret[0], abi_address(&frame->caller)};
    native_emit(frame, &segment_module, SEGMENT_EVENT_WATCHER, values);
    return ok();
}

static err return_holders(struct frame *frame, const struct segment_record *record,
                          struct abi_value *ret)
{
    struct abi_value *providers = ARENA_ARRAY(frame->arena, struct abi_value, FRAGMENTS_MAX);
    struct abi_value *positions = ARENA_ARRAY(frame->arena, struct abi_value, FRAGMENTS_MAX);
    if (providers == NULL || positions == NULL) {
        return fail(ERR_LIMIT);
    }
    for (u8 i = 0; i < record->n; i++) {
        providers[i] = abi_u64(record->holders[i].provider);
        positions[i] = abi_u64(record->holders[i].position);
    }
    ret[0] = abi_array(providers, record->n);
    ret[1] = abi_array(positions, record->n);
    return ok();
}

static err handle_get(struct frame *frame, const struct abi_value *args, struct abi_value *ret)
{
    struct slot_source source = frame_slots(frame);
    struct segment_key key = {abi_as_u64(&args[0]), (u32)abi_as_u64(&args[1]),
                              abi_as_u64(&args[2])};
    struct segment_record record;
    bool found;
    TRY(segment_load(&source, &key, &record, &found));
    if (!require(frame, found, "no such segment")) {
        return ok();
    }
    ret[0] = abi_hash(&record.id);
    ret[1] = abi_u64((u64)record.class_number);
    ret[2] = abi_u64(record.flags);
    ret[3] = abi_u64(record.length);
    ret[4] = abi_u64(record.serial);
    ret[5] = abi_u64(record.committed);
    return return_holders(frame, &record, &ret[6]);
}

static err handle_count(struct frame *frame, const struct abi_value *args, struct abi_value *ret)
{
    (void)args;
    struct slot_source source = frame_slots(frame);
    u64 count;
    TRY(segment_count(&source, &count));
    ret[0] = abi_u64(count);
    return ok();
}

static err handle_at(struct frame *frame, const struct abi_value *args, struct abi_value *ret)
{
    struct slot_source source = frame_slots(frame);
    struct segment_key key;
    bool found;
    TRY(segment_at(&source, abi_as_u64(&args[0]), &key, &found));
    if (require(frame, found, "no such segment")) {
        ret[0] = abi_u64(key.territory);
        ret[1] = abi_u64(key.gateway);
        ret[2] = abi_u64(key.number);
    }
    return ok();
}

static err handle_tickets(struct frame *frame, const struct abi_value *args, struct abi_value *ret)
{
    struct slot_source source = frame_slots(frame);
    struct ticket_record record;
    TRY(ticket_load(&source, abi_as_u64(&args[0]), (u32)abi_as_u64(&args[1]), &record));
    ret[0] = abi_u64(record.base);
    ret[1] = abi_u64(record.used);
    ret[2] = abi_u64(record.skipped);
    ret[3] = abi_word(record.window);
    return ok();
}

static err handle_watchers(struct frame *frame, const struct abi_value *args, struct abi_value *ret)
{
    (void)args;
    struct slot_source source = frame_slots(frame);
    u32 count;
    TRY(watcher_count(&source, &count));
    ret[0] = abi_u64(count);
    return ok();
}

static const struct native_function functions[] = {
    {SEGMENT_COMMIT, segment_commit, 0, 2000,
     "Registers segments of the calling gateway in a territory, then moves bucket heads. A segment "
     "is registered with k + m/2 (rounded up) valid receipts or more, whatever happens to the "
     "heads; each entry and each head succeeds or is refused alone, with a log. segments: a row of "
     "records, docs/formats/commit.md."},
    {SEGMENT_COMPLETE_CALL, segment_complete, 0, 2000,
     "Adds holders that were late at the commit. The committing gateway only."},
    {SEGMENT_REPAIR, segment_repair, 0, 2000,
     "Replaces lost holders: per receipt the provider it replaces, 0 for an empty entry. The drawn "
     "watchers first, after repair_assign_s anyone."},
    {SEGMENT_RELEASE, segment_release, 0, 500,
     "Schedules segments for purge after the release delay. Owner, gateway with scope 8, or anyone "
     "once the territory is marked expired."},
    {SEGMENT_UNDO_RELEASE, segment_undo_release, 0, 500,
     "Takes a release back before the purge. Owner only."},
    {SEGMENT_PURGE, segment_purge, 0, 500,
     "Removes segments whose release delay is over and frees their holders. Anyone."},
    {SEGMENT_REGISTER_WATCHER, handle_register_watcher, 0, 500,
     "Registers the caller as a watcher; gateways are watchers already."},
    {SEGMENT_GET, handle_get, NATIVE_VIEW, 400,
     "The record of a segment. providers: 0 where nobody holds the fragment."},
    {SEGMENT_COUNT, handle_count, NATIVE_VIEW, 50,
     "Number of segments ever registered; serials count from 1."},
    {SEGMENT_AT, handle_at, NATIVE_VIEW, 100, "The key of a segment by serial."},
    {SEGMENT_TICKETS, handle_tickets, NATIVE_VIEW, 100,
     "Ticket counters of a pair: bit i of window (from the left) says that base + i is used."},
    {SEGMENT_WATCHERS, handle_watchers, NATIVE_VIEW, 100, "Number of watchers, gateways included."},
};

static const struct native_event events[] = {
    [SEGMENT_EVENT_REGISTERED] = {SEGMENT_EV_REGISTERED, "A segment has so many holders now."},
    [SEGMENT_EVENT_REFUSED] = {SEGMENT_EV_REFUSED,
                               "An entry of commit, complete or repair was refused."},
    [SEGMENT_EVENT_RECEIPT_SKIPPED] = {SEGMENT_EV_RECEIPT_SKIPPED, "A receipt was not accepted."},
    [SEGMENT_EVENT_HEAD_MOVED] = {SEGMENT_EV_HEAD_MOVED, "A bucket has a new head."},
    [SEGMENT_EVENT_HEAD_REFUSED] = {SEGMENT_EV_HEAD_REFUSED, "A head did not move."},
    [SEGMENT_EVENT_HOLDER] = {SEGMENT_EV_HOLDER,
                              "A fragment has a new holder; oldProvider 0: it had none."},
    [SEGMENT_EVENT_RELEASING] = {SEGMENT_EV_RELEASING, "To be purged from this chain time on."},
    [SEGMENT_EVENT_RELEASE_UNDONE] = {SEGMENT_EV_RELEASE_UNDONE, "A release was taken back."},
    [SEGMENT_EVENT_PURGED] = {SEGMENT_EV_PURGED, "A segment is gone and its holders are free."},
    [SEGMENT_EVENT_WATCHER] = {SEGMENT_EV_WATCHER, "A watcher registered."},
};

const struct native_module segment_module = {
    .name = "segment",
    .number = MODULE_SEGMENT,
    .version = 1,
    .doc = "Segments and their holders: commit, complete, repair, release. Head moves of buckets "
           "happen here, beside the segments they point into.",
    .functions = functions,
    .function_count = COUNT_OF(functions),
    .events = events,
    .event_count = COUNT_OF(events),
};
