#include "ledger/modules/segment_place.h"

#include "base/assert.h"
#include "ledger/modules/modules.h"
#include "ledger/modules/params_layout.h"
#include "ledger/modules/provider_state.h"

err placing_init(struct placing *placing, struct frame *frame, u64 territory, u32 gateway,
                 enum placing_kind kind)
{
    *placing =
        (struct placing){.frame = frame, .territory = territory, .gateway = gateway, .kind = kind};
    struct slot_source source = frame_slots(frame);
    TRY(state_time(frame, &placing->time));
    TRY(provider_late_after(&source, &placing->late_after));
    TRY(params_load(&source, PARAM_OPERATOR_CAP_DIVISOR, &placing->operator_divisor));
    return params_load(&source, PARAM_PREFIX_CAP_DIVISOR, &placing->prefix_divisor);
}

/* Without a valid ticket only the small-network rule can help: it asks for no draw, so it takes any
 * epoch, and a commit that was delayed (a gateway that was down) is not lost. */
static err load_small(struct placing *placing, const struct slot_source *source)
{
    u64 table_epoch = placing->time.epoch - min_u64(TICKET_TABLE_LAG, placing->time.epoch);
    bool found;
    placing->seed = (struct ticket_seed){.table_epoch = table_epoch};
    TRY(provider_table(source, table_epoch, &placing->seed.total, &placing->seed.eligible, &found));
    placing->seed.total = 0; /* nothing can be drawn */
    placing->seed.eligible = found ? placing->seed.eligible : UINT64_MAX;
    return ok();
}

static err load_seed(struct placing *placing, u64 epoch)
{
    struct slot_source source = frame_slots(placing->frame);
    placing->seed_is_valid = false;
    if (placing->kind != PLACING_REPAIR) {
        TRY(segment_ticket_seed(&source, placing->territory, placing->gateway, epoch,
                                placing->time.block, &placing->seed, &placing->seed_is_valid));
    }
    if (placing->kind != PLACING_COMMIT && !placing->seed_is_valid) {
        TRY(segment_repair_seed(&source, epoch, &placing->seed, &placing->seed_is_valid));
    }
    return placing->seed_is_valid ? ok() : load_small(placing, &source);
}

err placing_seed(struct placing *placing, const struct segment_entry *entry, bool *ret_valid)
{
    u8 n = redundancy_n(redundancy_find((u8)entry->class_number));
    if (!placing->has_seed || placing->seed_epoch != entry->epoch) {
        TRY(load_seed(placing, entry->epoch));
        placing->has_seed = true;
        placing->seed_epoch = entry->epoch;
    }
    *ret_valid = placing->seed_is_valid || placement_small((size_t)placing->seed.eligible, n);
    return ok();
}

void placement_state_init(struct placement_state *state, struct placing *placing,
                          const struct segment_entry *entry)
{
    const struct redundancy_info *r = redundancy_find((u8)entry->class_number);
    struct segment_shape shape;
    assert_that(r != NULL && segment_shape_of(&shape, r, entry->length));
    *state = (struct placement_state){
        .entry = entry,
        .key = {placing->territory, placing->gateway, entry->number},
        .fragment_bytes = shape.fragment_length,
        .operator_cap = (u8)ceil_div(r->m, max_u64(1, placing->operator_divisor)),
        .prefix_cap = (u8)ceil_div(r->m, max_u64(1, placing->prefix_divisor)),
    };
    if (frame_charge(placing->frame, GAS_ENTRY + (u64)GAS_ROOT * redundancy_n(r))) {
        segment_id(&state->id, entry->class_number, entry->length, entry->roots, redundancy_n(r));
    }
}

void placement_state_add(struct placement_state *state, u32 provider,
                         const struct provider_record *record)
{
    assert_that(state->placed_count < COUNT_OF(state->placed));
    state->placed[state->placed_count++] =
        (struct placed){provider, record->operator_, record->prefix};
}

static u64 issue_time(const struct holder_receipt *receipt)
{
    return receipt->deadline - min_u64(RECEIPT_TTL_SECONDS, receipt->deadline);
}

static bool deadline_is_valid(const struct placing *placing, const struct holder_receipt *receipt)
{
    u64 now = placing->time.block;
    return receipt->deadline >= now &&
           receipt->deadline - now <= RECEIPT_TTL_SECONDS + RECEIPT_SKEW_SECONDS;
}

/* A receipt speaks of the bytes as they were when it was issued: none before the provider's last
 * loss of everything counts, nor (so that it cannot be used twice) one from before the segment's
 * last change of holders. */
static bool is_fresh(const struct placing *placing, const struct placement_state *state,
                     const struct holder_receipt *receipt, const struct provider_record *provider)
{
    u64 lost = provider->lost_at == 0 ? 0 : provider->lost_at + placing->time.paused_s;
    u64 changed = state->changed == 0 ? 0 : state->changed + placing->time.paused_s;
    return issue_time(receipt) >= lost && issue_time(receipt) >= changed;
}

static enum segment_reason check_caps(const struct placement_state *state, u32 provider,
                                      const struct provider_record *record)
{
    size_t same_operator = 0;
    size_t same_prefix = 0;
    for (size_t i = 0; i < state->placed_count; i++) {
        if (state->placed[i].provider == provider) {
            return SEGMENT_REASON_DUPLICATE;
        }
        same_operator += state->placed[i].operator_ == record->operator_;
        same_prefix += state->placed[i].prefix == record->prefix;
    }
    if (same_operator >= state->operator_cap) {
        return SEGMENT_REASON_OPERATOR_CAP;
    }
    return same_prefix >= state->prefix_cap ? SEGMENT_REASON_PREFIX_CAP : SEGMENT_REASON_NONE;
}

/* Everything that needs only the receipt and the provider's record. */
static enum segment_reason check_terms(const struct placing *placing,
                                       const struct placement_state *state,
                                       const struct holder_receipt *receipt,
                                       const struct provider_record *provider)
{
    if (provider->state != PROVIDER_ACTIVE || provider->list_count == UINT32_MAX ||
        provider_is_late(provider, placing->late_after, placing->time.now)) {
        return SEGMENT_REASON_PROVIDER;
    }
    if (!is_fresh(placing, state, receipt, provider)) {
        return SEGMENT_REASON_STALE;
    }
    if (provider->service > provider->announced ||
        provider->announced - provider->service < state->fragment_bytes) {
        return SEGMENT_REASON_ROOM;
    }
    return check_caps(state, receipt->provider, provider);
}

/* The draw's point must lie in the provider's interval of the frozen table. */
static err check_draw(struct placing *placing, const struct placement_state *state,
                      const struct holder_receipt *receipt, bool *ret_is_drawn)
{
    struct slot_source source = frame_slots(placing->frame);
    const struct ticket_seed *seed = &placing->seed;
    u8 n = redundancy_n(redundancy_find((u8)state->entry->class_number));
    *ret_is_drawn = placement_small((size_t)seed->eligible, n);
    if (*ret_is_drawn || seed->total == 0 || receipt->draw >= placement_draws_max(n) ||
        !frame_charge(placing->frame, GAS_DRAW)) {
        return ok();
    }
    u64 weight;
    u64 before;
    bool has_weight;
    bool has_sum;
    TRY(provider_weight(&source, receipt->provider, seed->table_epoch, &weight, &has_weight));
    TRY(provider_sum_before(&source, receipt->provider, seed->table_epoch, &before, &has_sum));
    if (has_weight && has_sum && frame_running(placing->frame)) {
        u64 point = placement_point(&seed->seed, &state->key, receipt->draw, seed->total);
        *ret_is_drawn = point >= before && point - before < weight;
    }
    return ok();
}

static bool signature_is_valid(struct placing *placing, const struct placement_state *state,
                               const struct holder_receipt *receipt,
                               const struct provider_record *provider)
{
    struct receipt_terms terms = {.chain_id = placing->frame->block->chain_id,
                                  .key = state->key,
                                  .segment = state->id,
                                  .index = receipt->index,
                                  .root = state->entry->roots[receipt->index],
                                  .length = state->fragment_bytes,
                                  .deadline = receipt->deadline};
    struct hash digest;
    struct address signer;
    if (!frame_charge(placing->frame, GAS_RECEIPT)) {
        return false;
    }
    receipt_digest(&digest, &terms);
    return secp_recover_address(&signer, &receipt->signature, &digest) &&
           address_eq(&signer, &provider->signer);
}

static void accept(struct placing *placing, struct placement_state *state,
                   const struct holder_receipt *receipt, struct provider_record *provider)
{
    u64 issued = issue_time(receipt);
    u64 alive = min_u64(placing->time.now, issued - min_u64(placing->time.paused_s, issued));
    provider->heartbeat = max_u64(provider->heartbeat, alive); /* a signature is a sign of life */
    placement_state_add(state, receipt->provider, provider);
    state->accepted[state->accepted_count++] = (struct accepted){receipt, *provider};
}

err placing_check(struct placing *placing, struct placement_state *state,
                  const struct holder_receipt *receipt, enum segment_reason *ret_reason)
{
    struct slot_source source = frame_slots(placing->frame);
    struct provider_record provider;
    bool found;
    bool is_drawn;
    *ret_reason = SEGMENT_REASON_DEADLINE;
    if (!deadline_is_valid(placing, receipt)) {
        return ok();
    }
    *ret_reason = SEGMENT_REASON_PROVIDER;
    if (receipt->provider == 0) {
        return ok();
    }
    TRY(provider_load_hot(&source, receipt->provider, &provider, &found));
    if (!found) {
        return ok();
    }
    *ret_reason = check_terms(placing, state, receipt, &provider);
    if (*ret_reason != SEGMENT_REASON_NONE) {
        return ok();
    }
    TRY(check_draw(placing, state, receipt, &is_drawn));
    if (!is_drawn) {
        *ret_reason = SEGMENT_REASON_DRAW;
    } else if (!signature_is_valid(placing, state, receipt, &provider)) {
        *ret_reason = SEGMENT_REASON_SIGNATURE;
    } else {
        accept(placing, state, receipt, &provider);
    }
    return ok();
}

static err apply_one(struct placing *placing, const struct placement_state *state,
                     struct accepted *accepted, struct segment_record *record)
{
    const struct holder_receipt *receipt = accepted->receipt;
    struct provider_fragment fragment = {
        .serial = record->serial, .index = receipt->index, .added_epoch = (u32)placing->time.epoch};
    struct segment_holder *holder = &record->holders[receipt->index];
    TRY(provider_add_fragment(placing->frame, receipt->provider, &accepted->provider, &fragment,
                              state->fragment_bytes, &holder->position));
    holder->provider = receipt->provider;
    TRY(provider_store_hot(placing->frame, receipt->provider, &accepted->provider));
    return provider_refresh_weight(placing->frame, receipt->provider, &accepted->provider,
                                   placing->time.epoch, false);
}

err placing_apply(struct placing *placing, struct placement_state *state,
                  struct segment_record *record)
{
    for (size_t i = 0; i < state->accepted_count; i++) {
        TRY(apply_one(placing, state, &state->accepted[i], record));
    }
    if (segment_holder_count(record) == record->n) {
        record->flags |= SEGMENT_COMPLETE;
    }
    return ok();
}

void placing_skipped(struct placing *placing, const struct placement_state *state,
                     const struct holder_receipt *receipt, enum segment_reason reason)
{
    struct abi_value values[] = {abi_u64(state->key.territory), abi_u64(state->key.gateway),
                                 abi_u64(state->key.number),    abi_u64(receipt->index),
                                 abi_u64(receipt->provider),    abi_u64((u64)reason)};
    native_emit(placing->frame, &segment_module, SEGMENT_EVENT_RECEIPT_SKIPPED, values);
}
