#include "ledger/modules/provider_state.h"

#include "ledger/modules/modules.h"
#include "ledger/modules/params_layout.h"
#include "ledger/modules/segment_state.h"
#include "ledger/modules/state.h"

/* forget_all: every entry so far is lost; O(1) whatever their number. */
static void forget_all(struct provider_record *record, u64 now)
{
    record->lost_before = record->list_count;
    record->lost_at = now;
    record->live = 0;
    record->service = 0;
}

static err store_changed(struct frame *frame, u32 provider, const struct provider_record *record,
                         u64 epoch)
{
    TRY(provider_store(frame, provider, record));
    return provider_refresh_weight(frame, provider, record, epoch, true);
}

err provider_declare_lost_all(struct frame *frame, const struct abi_value *args,
                              struct abi_value *ret)
{
    (void)args;
    (void)ret;
    struct provider_record record = {0};
    struct state_time time;
    u32 provider = 0;
    TRY(provider_load_caller(frame, &provider, &record));
    TRY(state_time(frame, &time));
    if (!frame_running(frame) ||
        !require(frame, record.state != PROVIDER_EXITED, "provider has left")) {
        return ok();
    }
    u64 size = record.service;
    forget_all(&record, time.now);
    record.heartbeat = time.now;
    record.out_of_tree = false;
    TRY(store_changed(frame, provider, &record, time.epoch));
    struct abi_value values[] = {abi_u64(provider), abi_u64(record.lost_before), abi_u64(size)};
    native_emit(frame, &provider_module, PROVIDER_EVENT_LOST_ALL, values);
    return ok();
}

/* clear_one: an item that names nothing the provider holds is passed over: a scrubber's list may be
 * older than a repair. */
static err clear_one(struct frame *frame, u32 provider, struct provider_record *record,
                     const struct abi_value *item, const struct state_time *time)
{
    struct segment_key key = {.territory = abi_as_u64(&item->parts[0]),
                              .gateway = (u32)abi_as_u64(&item->parts[1]),
                              .number = abi_as_u64(&item->parts[2])};
    u8 index = (u8)abi_as_u64(&item->parts[3]);
    struct slot_source source = frame_slots(frame);
    struct segment_record segment;
    bool found;
    TRY(segment_load(&source, &key, &segment, &found));
    if (!found || index >= segment.n || segment.holders[index].provider != provider ||
        segment.holders[index].position < record->lost_before) {
        return ok();
    }
    TRY(provider_drop_fragment(frame, provider, record, segment.holders[index].position,
                               segment_fragment_bytes(&segment), time->epoch));
    segment_clear_holder(&segment, index, time->now);
    TRY(segment_store(frame, &key, &segment));
    struct abi_value values[] = {abi_u64(provider), abi_u64(segment.serial), abi_u64(index)};
    native_emit(frame, &provider_module, PROVIDER_EVENT_LOST, values);
    return ok();
}

err provider_declare_lost(struct frame *frame, const struct abi_value *args, struct abi_value *ret)
{
    (void)ret;
    struct provider_record record = {0};
    struct state_time time;
    u32 provider = 0;
    TRY(provider_load_caller(frame, &provider, &record));
    TRY(state_time(frame, &time));
    if (!require(frame, args[0].part_count <= PROVIDER_LOST_ITEMS_MAX, "too many fragments")) {
        return ok();
    }
    for (size_t i = 0; i < args[0].part_count && frame_running(frame); i++) {
        TRY(clear_one(frame, provider, &record, &args[0].parts[i], &time));
    }
    TRY(provider_store_hot(frame, provider, &record));
    return provider_refresh_weight(frame, provider, &record, time.epoch, false);
}

err provider_report_late(struct frame *frame, const struct abi_value *args, struct abi_value *ret)
{
    (void)ret;
    u32 provider = (u32)abi_as_u64(&args[0]);
    struct slot_source source = frame_slots(frame);
    struct provider_record record = {0};
    struct state_time time;
    u64 late_after;
    bool found;
    TRY(provider_load_hot(&source, provider, &record, &found));
    TRY(provider_late_after(&source, &late_after));
    TRY(state_time(frame, &time));
    if (!require(frame, found && record.state != PROVIDER_EXITED, "no such provider") ||
        !require(frame, provider_is_late(&record, late_after, time.now), "provider is not late") ||
        !require(frame, !record.out_of_tree, "already reported")) {
        return ok();
    }
    record.out_of_tree = true;
    TRY(provider_store_hot(frame, provider, &record));
    TRY(provider_refresh_weight(frame, provider, &record, time.epoch, true));
    struct abi_value values[] = {args[0], abi_u64(record.heartbeat)};
    native_emit(frame, &provider_module, PROVIDER_EVENT_LATE, values);
    return ok();
}

static err change_state(struct frame *frame, u32 provider, struct provider_record *record,
                        enum provider_state state, const struct state_time *time)
{
    record->state = state;
    record->state_since = time->now;
    TRY(store_changed(frame, provider, record, time->epoch));
    struct abi_value values[] = {abi_u64(provider), abi_u64((u64)state)};
    native_emit(frame, &provider_module, PROVIDER_EVENT_STATE, values);
    return ok();
}

err provider_drain(struct frame *frame, const struct abi_value *args, struct abi_value *ret)
{
    (void)args;
    (void)ret;
    struct provider_record record = {0};
    struct state_time time;
    u32 provider = 0;
    TRY(provider_load_caller(frame, &provider, &record));
    TRY(state_time(frame, &time));
    if (!frame_running(frame) ||
        !require(frame, record.state == PROVIDER_ACTIVE, "provider is not active")) {
        return ok();
    }
    return change_state(frame, provider, &record, PROVIDER_DRAINING, &time);
}

err provider_exit(struct frame *frame, const struct abi_value *args, struct abi_value *ret)
{
    (void)args;
    (void)ret;
    struct slot_source source = frame_slots(frame);
    struct provider_record record = {0};
    struct state_time time;
    u64 longest;
    u32 provider = 0;
    TRY(provider_load_caller(frame, &provider, &record));
    TRY(state_time(frame, &time));
    TRY(params_load(&source, PARAM_DRAIN_MAX_S, &longest));
    if (!frame_running(frame)) {
        return ok();
    }
    bool has_drained = record.state == PROVIDER_DRAINING && time.now >= record.state_since &&
                       time.now - record.state_since >= longest;
    if (!require(frame, record.state != PROVIDER_EXITED, "provider has left") ||
        !require(frame, record.live == 0 || has_drained, "provider still holds fragments")) {
        return ok();
    }
    forget_all(&record, time.now);
    return change_state(frame, provider, &record, PROVIDER_EXITED, &time);
}

err provider_rejoin(struct frame *frame, const struct abi_value *args, struct abi_value *ret)
{
    (void)args;
    (void)ret;
    struct provider_record record = {0};
    struct state_time time;
    u32 provider = 0;
    TRY(provider_load_caller(frame, &provider, &record));
    TRY(state_time(frame, &time));
    if (!frame_running(frame) ||
        !require(frame, record.state != PROVIDER_ACTIVE, "provider is active")) {
        return ok();
    }
    record.heartbeat = time.now;
    record.out_of_tree = false;
    return change_state(frame, provider, &record, PROVIDER_ACTIVE, &time);
}
