#include "ledger/modules/segment_state.h"

#include "ledger/modules/bucket_state.h"
#include "ledger/modules/modules.h"
#include "ledger/modules/params_layout.h"
#include "ledger/modules/provider_state.h"
#include "ledger/modules/state.h"
#include "ledger/modules/territory_state.h"

#define NUMBERS_MAX 256 /* segments of one call */

typedef err per_segment(struct frame *frame, const struct segment_key *key,
                        struct segment_record *record, u64 chain_now);

static err load_territory(struct frame *frame, u64 territory, struct territory_record *ret_record)
{
    struct slot_source source = frame_slots(frame);
    bool found;
    TRY(territory_load(&source, territory, ret_record, &found));
    (void)require(frame, found, "no such territory");
    return ok();
}

/* for_segments: the named segments of (args[0], args[1]); unknown ones are passed over. */
static err for_segments(struct frame *frame, const struct abi_value *args, per_segment *act)
{
    struct slot_source source = frame_slots(frame);
    struct segment_key key = {.territory = abi_as_u64(&args[0]),
                              .gateway = (u32)abi_as_u64(&args[1])};
    struct state_time time;
    TRY(state_time(frame, &time));
    if (!require(frame, args[2].part_count <= NUMBERS_MAX, "too many segments")) {
        return ok();
    }
    for (size_t i = 0; i < args[2].part_count && frame_running(frame); i++) {
        struct segment_record record;
        bool found;
        key.number = abi_as_u64(&args[2].parts[i]);
        TRY(segment_load(&source, &key, &record, &found));
        if (found && frame_running(frame)) {
            TRY(act(frame, &key, &record, time.now));
        }
    }
    return ok();
}

static void emit_key(struct frame *frame, enum segment_event event, const struct segment_key *key,
                     u64 effective)
{
    struct abi_value values[] = {abi_u64(key->territory), abi_u64(key->gateway),
                                 abi_u64(key->number), abi_u64(effective)};
    native_emit(frame, &segment_module, (size_t)event, values);
}

static err release_one(struct frame *frame, const struct segment_key *key,
                       struct segment_record *record, u64 chain_now)
{
    struct slot_source source = frame_slots(frame);
    u64 delay;
    if ((record->flags & SEGMENT_RELEASING) != 0) {
        return ok();
    }
    TRY(params_load(&source, PARAM_RELEASE_DELAY_S, &delay));
    struct hash slot = segment_release_slot(key);
    record->flags |= SEGMENT_RELEASING;
    TRY(segment_store(frame, key, record));
    TRY(state_store_u64(frame, MODULE_SEGMENT, &slot, chain_now + delay, 8));
    emit_key(frame, SEGMENT_EVENT_RELEASING, key, chain_now + delay);
    return ok();
}

/* Who may release: the owner, a gateway with that scope, and anyone once the lease is marked over.
 */
static err require_release_right(struct frame *frame, u64 territory)
{
    struct slot_source source = frame_slots(frame);
    struct territory_record record;
    struct authorisation_key key;
    struct authorisation authorisation;
    u32 gateway;
    bool found = false;
    TRY(load_territory(frame, territory, &record));
    if (!frame_running(frame) || address_eq(&record.owner, &frame->caller) ||
        record.state == TERRITORY_EXPIRED) {
        return ok();
    }
    TRY(gateway_of(&source, &frame->caller, &gateway));
    if (gateway != 0) {
        TRY(authorisation_find(&source, &record.owner, territory, gateway, SCOPE_RELEASE,
                               frame->block->time, &key, &authorisation, &found));
    }
    (void)require(frame, found, "neither owner nor authorised");
    return ok();
}

err segment_release(struct frame *frame, const struct abi_value *args, struct abi_value *ret)
{
    (void)ret;
    TRY(require_release_right(frame, abi_as_u64(&args[0])));
    return frame_running(frame) ? for_segments(frame, args, release_one) : ok();
}

static err undo_one(struct frame *frame, const struct segment_key *key,
                    struct segment_record *record, u64 chain_now)
{
    (void)chain_now;
    if ((record->flags & SEGMENT_RELEASING) == 0) {
        return ok();
    }
    struct hash slot = segment_release_slot(key);
    record->flags &= (u8)~SEGMENT_RELEASING;
    TRY(segment_store(frame, key, record));
    TRY(state_store_u64(frame, MODULE_SEGMENT, &slot, 0, 8));
    emit_key(frame, SEGMENT_EVENT_RELEASE_UNDONE, key, 0);
    return ok();
}

err segment_undo_release(struct frame *frame, const struct abi_value *args, struct abi_value *ret)
{
    (void)ret;
    struct territory_record record;
    TRY(load_territory(frame, abi_as_u64(&args[0]), &record));
    if (!require(frame, address_eq(&record.owner, &frame->caller), "not the owner")) {
        return ok();
    }
    return for_segments(frame, args, undo_one);
}

static err free_holder(struct frame *frame, const struct segment_holder *holder, u32 size,
                       u64 epoch)
{
    struct slot_source source = frame_slots(frame);
    struct provider_record provider;
    bool found;
    if (holder->provider == 0) {
        return ok();
    }
    TRY(provider_load_hot(&source, holder->provider, &provider, &found));
    if (!frame_running(frame)) {
        return ok();
    }
    TRY(provider_drop_fragment(frame, holder->provider, &provider, holder->position, size, epoch));
    TRY(provider_store_hot(frame, holder->provider, &provider));
    return provider_refresh_weight(frame, holder->provider, &provider, epoch, false);
}

/* The bytes go back to the authorisation that paid for them: that of the territory if it has so
 * many counted, else the owner's. */
static err credit_quota(struct frame *frame, const struct address *owner,
                        const struct segment_key *segment, u32 length)
{
    struct slot_source source = frame_slots(frame);
    const u64 places[] = {segment->territory, 0};
    for (size_t i = 0; i < COUNT_OF(places); i++) {
        struct authorisation_key key = {*owner, places[i], segment->gateway};
        struct authorisation record;
        bool known;
        TRY(authorisation_load(&source, &key, &record, &known));
        if (known && record.used >= length) {
            record.used -= length;
            return authorisation_store(frame, &key, &record);
        }
    }
    return ok();
}

static err erase(struct frame *frame, const struct segment_key *key,
                 const struct segment_record *record)
{
    static const struct word zeros[SEGMENT_WORDS_MAX];
    struct hash slot = segment_slot(key);
    struct hash list_slot = segment_list_slot(record->serial);
    struct hash release_slot = segment_release_slot(key);
    TRY(state_store(frame, MODULE_SEGMENT, &slot, zeros, segment_word_count(record->n)));
    TRY(state_store(frame, MODULE_SEGMENT, &list_slot, zeros, 1));
    return state_store(frame, MODULE_SEGMENT, &release_slot, zeros, 1);
}

static err purge_one(struct frame *frame, const struct segment_key *key,
                     struct segment_record *record, u64 chain_now)
{
    struct slot_source source = frame_slots(frame);
    struct territory_record territory;
    struct state_time time;
    u64 effective;
    TRY(segment_release_time(&source, key, &effective));
    if ((record->flags & SEGMENT_RELEASING) == 0 || chain_now < effective) {
        return ok();
    }
    TRY(state_time(frame, &time));
    for (u8 i = 0; i < record->n; i++) {
        TRY(free_holder(frame, &record->holders[i], segment_fragment_bytes(record), time.epoch));
    }
    TRY(load_territory(frame, key->territory, &territory));
    territory.used -= min_u64(record->length, territory.used);
    TRY(territory_store(frame, key->territory, &territory));
    TRY(credit_quota(frame, &territory.owner, key, record->length));
    TRY(erase(frame, key, record));
    emit_key(frame, SEGMENT_EVENT_PURGED, key, 0);
    return ok();
}

err segment_purge(struct frame *frame, const struct abi_value *args, struct abi_value *ret)
{
    (void)ret;
    return for_segments(frame, args, purge_one);
}
