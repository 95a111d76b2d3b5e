#include "ledger/modules/segment_place.h"

#include "ledger/modules/bucket_layout.h"
#include "ledger/modules/modules.h"
#include "ledger/modules/params_layout.h"
#include "ledger/modules/provider_state.h"
#include "ledger/modules/territory_layout.h"

/* What is known of one stored segment before its receipts are looked at. */
struct repair_target {
    struct segment_record record;
    struct provider_record holders[FRAGMENTS_MAX];
    enum holder_status status[FRAGMENTS_MAX];
    u64 since[FRAGMENTS_MAX];
};

/* complete() and repair() are the same walk over entries of stored segments; they differ in who may
 * call and which holder entries may be filled. */
struct repair {
    struct placing placing;
    struct holder_clock clock;
    struct frame *frame;
    const struct abi_value *old_holders; /* NULL: complete */
    size_t next_old;
    /* Of the entry at hand. */
    struct segment_entry entry;
    struct placement_state state;
    struct repair_target target;
};

static err load_target(struct repair *repair, const struct segment_key *key,
                       struct repair_target *target, bool *ret_found)
{
    struct slot_source source = frame_slots(repair->frame);
    TRY(segment_load(&source, key, &target->record, ret_found));
    if (!*ret_found) {
        return ok();
    }
    for (u8 i = 0; i < target->record.n; i++) {
        u32 provider = target->record.holders[i].provider;
        bool found = true;
        if (provider != 0) {
            TRY(provider_load(&source, provider, &target->holders[i], &found));
        }
        target->status[i] = holder_status_of(&repair->clock, &target->record, i,
                                             &target->holders[i], &target->since[i]);
    }
    return ok();
}

/* Holders that are really there count for caps and distinctness; lost ones do not, so a provider
 * that lost everything may be drawn again for the same segment. */
static void add_holders(struct placement_state *state, const struct repair_target *target,
                        const bool *replaced)
{
    for (u8 i = 0; i < target->record.n; i++) {
        bool is_there = target->status[i] == HOLDER_PRESENT || target->status[i] == HOLDER_DRAINING;
        if (is_there && !replaced[i]) {
            placement_state_add(state, target->record.holders[i].provider, &target->holders[i]);
        }
    }
}

static u32 next_old_holder(struct repair *repair)
{
    return (u32)abi_as_u64(&repair->old_holders->parts[repair->next_old++]);
}

/* may_fill: complete() fills what was never filled; repair() replaces exactly the holder that was
 * seen, if it is lost or on its way out. */
static bool may_fill(const struct repair *repair, const struct repair_target *target, u8 index,
                     u32 old_holder)
{
    const struct segment_holder *holder = &target->record.holders[index];
    if (repair->old_holders == NULL) {
        return holder->provider == 0 && holder->position == 0;
    }
    return holder->provider == old_holder && target->status[index] != HOLDER_PRESENT &&
           target->status[index] != HOLDER_AWAITED;
}

static bool same_segment(const struct placement_state *state, const struct segment_record *record)
{
    return state->entry->class_number == record->class_number &&
           state->entry->length == record->length && hash_eq(&state->id, &record->id);
}

static err check_target(struct repair *repair, const struct placement_state *state,
                        const struct repair_target *target, bool found,
                        enum segment_reason *ret_reason)
{
    struct slot_source source = frame_slots(repair->frame);
    bool is_valid;
    bool is_allowed = true;
    TRY(placing_seed(&repair->placing, state->entry, &is_valid));
    if (!found || !same_segment(state, &target->record)) {
        *ret_reason = SEGMENT_REASON_UNKNOWN_SEGMENT;
        return ok();
    }
    if ((target->record.flags & SEGMENT_RELEASING) != 0) {
        *ret_reason = SEGMENT_REASON_RELEASING;
        return ok();
    }
    if (repair->old_holders != NULL) {
        TRY(segment_repair_allowed(&source, &state->key, &target->record, &repair->frame->caller,
                                   &is_allowed));
    }
    *ret_reason = !is_valid     ? SEGMENT_REASON_TICKET
                  : !is_allowed ? SEGMENT_REASON_NOT_ASSIGNED
                                : SEGMENT_REASON_NONE;
    return ok();
}

static void emit_refused(struct repair *repair, const struct placement_state *state,
                         enum segment_reason reason)
{
    struct abi_value values[] = {abi_u64(state->key.territory), abi_u64(state->key.gateway),
                                 abi_u64(state->key.number), abi_u64((u64)reason),
                                 abi_u64(state->accepted_count)};
    native_emit(repair->frame, &segment_module, SEGMENT_EVENT_REFUSED, values);
}

/* The holder that is replaced gives its bytes back (a draining one really had them). Its record is
 * loaded afresh: one provider may be behind two entries, one of them lost long ago. */
static err drop_replaced(struct repair *repair, const struct placement_state *state,
                         const struct segment_holder *holder)
{
    struct slot_source source = frame_slots(repair->frame);
    struct provider_record provider;
    bool found;
    if (holder->provider == 0) {
        return ok();
    }
    TRY(provider_load_hot(&source, holder->provider, &provider, &found));
    if (!frame_running(repair->frame) || holder->position < provider.lost_before) {
        return ok();
    }
    TRY(provider_drop_fragment(repair->frame, holder->provider, &provider, holder->position,
                               state->fragment_bytes, repair->placing.time.epoch));
    TRY(provider_store_hot(repair->frame, holder->provider, &provider));
    return provider_refresh_weight(repair->frame, holder->provider, &provider,
                                   repair->placing.time.epoch, false);
}

static void emit_holder(struct repair *repair, const struct placement_state *state, u8 index,
                        u32 old_provider, u32 new_provider)
{
    struct abi_value values[] = {abi_u64(state->key.territory), abi_u64(state->key.gateway),
                                 abi_u64(state->key.number),    abi_u64(index),
                                 abi_u64(old_provider),         abi_u64(new_provider)};
    native_emit(repair->frame, &segment_module, SEGMENT_EVENT_HOLDER, values);
}

static err apply(struct repair *repair, struct placement_state *state, struct repair_target *target)
{
    for (size_t i = 0; i < state->accepted_count; i++) {
        u8 index = state->accepted[i].receipt->index;
        const struct segment_holder *old = &target->record.holders[index];
        TRY(drop_replaced(repair, state, old));
        emit_holder(repair, state, index, old->provider, state->accepted[i].receipt->provider);
    }
    if (!frame_running(repair->frame)) {
        return ok();
    }
    TRY(placing_apply(&repair->placing, state, &target->record));
    if (repair->old_holders != NULL) {
        target->record.changed = repair->placing.time.now;
    }
    return segment_store(repair->frame, &state->key, &target->record);
}

static err check_receipts(struct repair *repair, struct placement_state *state,
                          const struct repair_target *target, const bool *fillable)
{
    const struct segment_entry *entry = state->entry;
    add_holders(state, target, fillable);
    for (u8 i = 0; i < entry->receipt_count && frame_running(repair->frame); i++) {
        enum segment_reason reason = SEGMENT_REASON_HOLDER;
        if (fillable[entry->receipts[i].index]) {
            TRY(placing_check(&repair->placing, state, &entry->receipts[i], &reason));
        }
        if (reason != SEGMENT_REASON_NONE && frame_running(repair->frame)) {
            placing_skipped(&repair->placing, state, &entry->receipts[i], reason);
        }
    }
    return ok();
}

static err repair_entry(struct repair *repair)
{
    const struct segment_entry *entry = &repair->entry;
    struct placement_state *state = &repair->state;
    struct repair_target *target = &repair->target;
    enum segment_reason reason = SEGMENT_REASON_NONE;
    bool fillable[FRAGMENTS_MAX] = {false};
    bool found;
    placement_state_init(state, &repair->placing, entry);
    TRY(load_target(repair, &state->key, target, &found));
    TRY(check_target(repair, state, target, found, &reason));
    for (u8 i = 0; i < entry->receipt_count; i++) {
        u32 old = repair->old_holders != NULL ? next_old_holder(repair) : 0;
        fillable[entry->receipts[i].index] =
            reason == SEGMENT_REASON_NONE &&
            may_fill(repair, target, entry->receipts[i].index, old);
    }
    if (!frame_running(repair->frame)) {
        return ok();
    }
    if (reason != SEGMENT_REASON_NONE) {
        emit_refused(repair, state, reason);
        return ok();
    }
    state->changed = target->record.changed;
    TRY(check_receipts(repair, state, target, fillable));
    return state->accepted_count > 0 ? apply(repair, state, target) : ok();
}

static err repair_open(struct repair *repair, struct frame *frame, u64 territory, u32 gateway)
{
    struct slot_source source = frame_slots(frame);
    repair->frame = frame;
    TRY(placing_init(&repair->placing, frame, territory, gateway, PLACING_REPAIR));
    return holder_clock_load(&source, &repair->clock);
}

/* Each receipt needs its old holder: an entry that wants more than are left is malformed. */
static bool has_old_holders(const struct repair *repair, const struct segment_entry *entry)
{
    return repair->old_holders == NULL ||
           repair->old_holders->part_count - repair->next_old >= entry->receipt_count;
}

static err repair_segments(struct repair *repair, bytes segments)
{
    struct slot_source source = frame_slots(repair->frame);
    const struct segment_entry *entry = &repair->entry;
    struct reader reader;
    u64 limit;
    TRY(params_load(&source, PARAM_COMMIT_SEGMENTS_MAX, &limit));
    reader_init(&reader, segments);
    for (u64 i = 0; reader.left > 0 && frame_running(repair->frame); i++) {
        segment_entry_read(&reader, &repair->entry);
        if (!require(repair->frame, i < limit, "too many segments") ||
            !require(repair->frame, !reader.failed, "malformed segments") ||
            !require(repair->frame, has_old_holders(repair, entry), "too few old holders")) {
            return ok();
        }
        TRY(repair_entry(repair));
    }
    bool all_used =
        repair->old_holders == NULL || repair->next_old == repair->old_holders->part_count;
    (void)require(repair->frame, all_used, "too many old holders");
    return ok();
}

/* The gateway that committed adds the holders that were late. */
static err require_gateway(struct frame *frame, u64 territory, u32 *ret_gateway)
{
    struct slot_source source = frame_slots(frame);
    struct territory_record record;
    struct authorisation_key key;
    struct authorisation authorisation;
    bool found = false;
    TRY(gateway_of(&source, &frame->caller, ret_gateway));
    if (*ret_gateway != 0) {
        TRY(territory_load(&source, territory, &record, &found));
    }
    if (found) {
        TRY(authorisation_find(&source, &record.owner, territory, *ret_gateway, SCOPE_WRITE,
                               frame->block->time, &key, &authorisation, &found));
    }
    (void)require(frame, found, "gateway is not authorised");
    return ok();
}

err segment_complete(struct frame *frame, const struct abi_value *args, struct abi_value *ret)
{
    (void)ret;
    struct repair *repair = ARENA_NEW(frame->arena, struct repair);
    u64 territory = abi_as_u64(&args[0]);
    u32 gateway;
    if (repair == NULL) {
        return fail(ERR_LIMIT);
    }
    TRY(require_gateway(frame, territory, &gateway));
    if (!frame_running(frame)) {
        return ok();
    }
    TRY(repair_open(repair, frame, territory, gateway));
    repair->placing.kind = PLACING_COMPLETE;
    return repair_segments(repair, args[1].data);
}

err segment_repair(struct frame *frame, const struct abi_value *args, struct abi_value *ret)
{
    (void)ret;
    struct repair *repair = ARENA_NEW(frame->arena, struct repair);
    if (repair == NULL) {
        return fail(ERR_LIMIT);
    }
    TRY(repair_open(repair, frame, abi_as_u64(&args[0]), (u32)abi_as_u64(&args[1])));
    repair->old_holders = &args[3];
    return repair_segments(repair, args[2].data);
}
