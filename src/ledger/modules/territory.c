#include "ledger/modules/modules.h"
#include "ledger/modules/params_layout.h"
#include "ledger/modules/state.h"
#include "ledger/modules/territory_state.h"

#include "ledger/modules/beacon_state.h"

enum territory_event {
    EV_LEASED,
    EV_RENEWED,
    EV_EXPANDED,
    EV_STATE,
    EV_TRANSFERRED,
    EV_POLICY,
    EV_DEFAULT
};

err territory_store(struct frame *frame, u64 territory, const struct territory_record *record)
{
    struct hash slot = territory_slot(territory);
    struct word words[TERRITORY_WORDS];
    territory_pack(words, record);
    return state_store(frame, MODULE_TERRITORY, &slot, words, TERRITORY_WORDS);
}

/* load: reverts if there is none. */
static err load(struct frame *frame, u64 territory, struct territory_record *ret_record)
{
    struct slot_source source = frame_slots(frame);
    bool found;
    TRY(territory_load(&source, territory, ret_record, &found));
    (void)require(frame, found, "no such territory");
    return ok();
}

static err load_own(struct frame *frame, u64 territory, struct territory_record *ret_record)
{
    TRY(load(frame, territory, ret_record));
    (void)require(frame, address_eq(&ret_record->owner, &frame->caller), "not the owner");
    return ok();
}

static err store_policy(struct frame *frame, u64 territory, bytes policy)
{
    struct hash slot = layout_map_u64(TERRITORY_MAP_POLICIES, territory, 8);
    return state_store_blob(frame, MODULE_TERRITORY, &slot, policy);
}

static err store_owner(struct frame *frame, const struct address *account,
                       const struct territory_owner *owner)
{
    struct hash slot = layout_map_address(TERRITORY_MAP_OWNERS, account);
    struct word word = {{0}};
    word_put(&word, 0, 4, owner->count);
    word_put(&word, 4, 8, owner->default_territory);
    return state_store(frame, MODULE_TERRITORY, &slot, &word, 1);
}

/* add_owned: appends to the owner's list; his first territory becomes the default one. */
static err add_owned(struct frame *frame, const struct address *account, u64 territory)
{
    struct slot_source source = frame_slots(frame);
    struct territory_owner owner;
    TRY(territory_owner_load(&source, account, &owner));
    if (!require(frame, owner.count < UINT32_MAX, "too many territories")) {
        return ok();
    }
    struct hash slot = layout_map_item(TERRITORY_MAP_OWNED, account, owner.count);
    TRY(state_store_u64(frame, MODULE_TERRITORY, &slot, territory, 8));
    owner.count++;
    if (owner.default_territory == 0) {
        owner.default_territory = territory;
    }
    return store_owner(frame, account, &owner);
}

static err price_now(struct frame *frame, u64 size, enum redundancy class_number, u64 duration,
                     struct u256 *ret_wei)
{
    struct slot_source source = frame_slots(frame);
    u64 price_gwei;
    u64 era_s;
    TRY(params_load(&source, PARAM_PRICE_PER_TIB_ERA, &price_gwei));
    TRY(params_load(&source, PARAM_ERA_SECONDS, &era_s));
    *ret_wei = u256_from_u64(0);
    bool fits = redundancy_find((u8)class_number) != NULL &&
                territory_price(ret_wei, size, class_number, duration, price_gwei, era_s);
    (void)require(frame, fits, "unknown redundancy or price out of range");
    return ok();
}

/* take_payment: what was sent beyond `price` goes back; the rest is held for the territory. */
static err take_payment(struct frame *frame, struct territory_record *record, struct u256 price)
{
    struct u256 change;
    if (!require(frame, u256_sub(&change, frame->value, price), "payment too low") ||
        !require(frame, u256_add(&record->paid, record->paid, price), "payment out of range")) {
        return ok();
    }
    return frame_pay(frame, &frame->caller, change);
}

static struct abi_value abi_u256(struct u256 v)
{
    u8 word[32];
    u256_to_be(word, v);
    return abi_word(word);
}

/* set_end: start + duration, bounded by lease_max_s. */
static err set_end(struct frame *frame, struct territory_record *record, u64 start, u64 duration,
                   u64 now)
{
    struct slot_source source = frame_slots(frame);
    u64 longest;
    TRY(params_load(&source, PARAM_LEASE_MAX_S, &longest));
    u64 end = UINT64_MAX;
    bool fits = add_u64(&end, start, duration);
    if (require(frame, end > now, "lease does not reach the present") &&
        require(frame, fits && end - now <= longest, "lease reaches too far ahead")) {
        record->expires = end;
    }
    return ok();
}

static err require_duration(struct frame *frame, u64 duration)
{
    struct slot_source source = frame_slots(frame);
    u64 shortest;
    TRY(params_load(&source, PARAM_LEASE_MIN_S, &shortest));
    (void)require(frame, duration >= shortest, "lease too short");
    return ok();
}

static err next_number(struct frame *frame, u64 *ret_territory)
{
    struct slot_source source = frame_slots(frame);
    struct hash slot = slot_number(TERRITORY_SLOT_COUNT);
    TRY(territory_count(&source, ret_territory));
    *ret_territory += 1;
    return state_store_u64(frame, MODULE_TERRITORY, &slot, *ret_territory, 8);
}

static err lease_new(struct frame *frame, struct territory_record *record, bytes policy,
                     u64 *ret_territory)
{
    TRY(next_number(frame, ret_territory));
    TRY(territory_store(frame, *ret_territory, record));
    if (policy.len > 0) {
        TRY(store_policy(frame, *ret_territory, policy));
    }
    TRY(add_owned(frame, &frame->caller, *ret_territory));
    /* New (territory, gateway) pairs draw from the output of the second block after this one. */
    return beacon_keep_output(frame, frame->block->height + 2);
}

static err handle_lease(struct frame *frame, const struct abi_value *args, struct abi_value *ret)
{
    u64 size = abi_as_u64(&args[0]);
    u64 duration = abi_as_u64(&args[2]);
    bytes policy = args[3].data;
    struct state_time time;
    struct u256 price;
    TRY(state_time(frame, &time));
    struct territory_record record = {.owner = frame->caller,
                                      .class_number = (enum redundancy)abi_as_u64(&args[1]),
                                      .state = TERRITORY_ACTIVE,
                                      .size = size,
                                      .created_height = frame->block->height,
                                      .created_epoch = (u32)time.epoch,
                                      .created = time.now};
    if (!require(frame, size > 0, "size is zero") ||
        !require(frame, policy.len <= TERRITORY_POLICY_BYTES_MAX, "policy too long")) {
        return ok();
    }
    TRY(require_duration(frame, duration));
    TRY(set_end(frame, &record, time.now, duration, time.now));
    TRY(price_now(frame, size, record.class_number, duration, &price));
    TRY(take_payment(frame, &record, price));
    if (!frame_running(frame)) {
        return ok();
    }
    u64 territory;
    TRY(lease_new(frame, &record, policy, &territory));
    struct abi_value values[] = {abi_u64(territory),      abi_address(&record.owner),
                                 abi_u64(size),           args[1],
                                 abi_u64(record.expires), abi_u256(price)};
    native_emit(frame, &territory_module, EV_LEASED, values);
    ret[0] = abi_u64(territory);
    return ok();
}

/* Anyone may pay for an extension; the lease only gets longer. */
static err handle_renew(struct frame *frame, const struct abi_value *args, struct abi_value *ret)
{
    (void)ret;
    u64 territory = abi_as_u64(&args[0]);
    u64 duration = abi_as_u64(&args[1]);
    struct territory_record record;
    struct state_time time;
    struct u256 price;
    TRY(load(frame, territory, &record));
    TRY(state_time(frame, &time));
    TRY(require_duration(frame, duration));
    (void)require(frame, record.state != TERRITORY_EXPIRED, "the lease is over");
    /* After its end a lease in its grace time goes on from its end, so that time is paid for too.
     */
    TRY(set_end(frame, &record, record.expires, duration, time.now));
    TRY(price_now(frame, record.size, record.class_number, duration, &price));
    TRY(take_payment(frame, &record, price));
    if (!frame_running(frame)) {
        return ok();
    }
    TRY(territory_store(frame, territory, &record));
    struct abi_value values[] = {args[0], abi_u64(record.expires), abi_u256(price)};
    native_emit(frame, &territory_module, EV_RENEWED, values);
    return ok();
}

static err handle_expand(struct frame *frame, const struct abi_value *args, struct abi_value *ret)
{
    (void)ret;
    u64 territory = abi_as_u64(&args[0]);
    u64 more = abi_as_u64(&args[1]);
    struct territory_record record;
    struct state_time time;
    struct u256 price;
    TRY(load_own(frame, territory, &record));
    TRY(state_time(frame, &time));
    if (!require(frame, more > 0, "size is zero") ||
        !require(frame, record.state != TERRITORY_EXPIRED && record.expires > time.now,
                 "the lease is over") ||
        !require(frame, add_u64(&record.size, record.size, more), "size out of range")) {
        return ok();
    }
    TRY(price_now(frame, more, record.class_number, record.expires - time.now, &price));
    TRY(take_payment(frame, &record, price));
    if (!frame_running(frame)) {
        return ok();
    }
    TRY(territory_store(frame, territory, &record));
    struct abi_value values[] = {args[0], abi_u64(record.size), abi_u256(price)};
    native_emit(frame, &territory_module, EV_EXPANDED, values);
    return ok();
}

static err set_state(struct frame *frame, u64 territory, struct territory_record *record,
                     enum territory_state state)
{
    record->state = state;
    TRY(territory_store(frame, territory, record));
    struct abi_value values[] = {abi_u64(territory), abi_u64((u64)state)};
    native_emit(frame, &territory_module, EV_STATE, values);
    return ok();
}

static err change_state(struct frame *frame, const struct abi_value *args,
                        enum territory_state from, enum territory_state to)
{
    u64 territory = abi_as_u64(&args[0]);
    struct territory_record record;
    TRY(load_own(frame, territory, &record));
    if (!require(frame, record.state == from, "not in the state for this")) {
        return ok();
    }
    return set_state(frame, territory, &record, to);
}

static err handle_freeze(struct frame *frame, const struct abi_value *args, struct abi_value *ret)
{
    (void)ret;
    return change_state(frame, args, TERRITORY_ACTIVE, TERRITORY_FROZEN);
}

static err handle_unfreeze(struct frame *frame, const struct abi_value *args, struct abi_value *ret)
{
    (void)ret;
    return change_state(frame, args, TERRITORY_FROZEN, TERRITORY_ACTIVE);
}

static err handle_expire(struct frame *frame, const struct abi_value *args, struct abi_value *ret)
{
    (void)ret;
    u64 territory = abi_as_u64(&args[0]);
    struct slot_source source = frame_slots(frame);
    struct territory_record record;
    struct state_time time;
    u64 grace;
    TRY(load(frame, territory, &record));
    TRY(state_time(frame, &time));
    TRY(params_load(&source, PARAM_LEASE_GRACE_S, &grace));
    bool is_over = time.now >= record.expires && time.now - record.expires >= grace;
    if (!require(frame, record.state != TERRITORY_EXPIRED, "already expired") ||
        !require(frame, is_over, "the lease or its grace time is not over")) {
        return ok();
    }
    return set_state(frame, territory, &record, TERRITORY_EXPIRED);
}

static err handle_transfer(struct frame *frame, const struct abi_value *args, struct abi_value *ret)
{
    (void)ret;
    u64 territory = abi_as_u64(&args[0]);
    struct address to = abi_as_address(&args[1]);
    struct slot_source source = frame_slots(frame);
    struct territory_record record;
    struct territory_owner owner;
    TRY(load_own(frame, territory, &record));
    if (!require(frame, record.used == 0, "only an empty territory can be transferred") ||
        !require(frame, !address_is_zero(&to) && !address_eq(&to, &record.owner),
                 "not a new owner") ||
        !require(frame, record.state != TERRITORY_EXPIRED, "the lease is over")) {
        return ok();
    }
    TRY(territory_owner_load(&source, &record.owner, &owner));
    if (owner.default_territory == territory) {
        owner.default_territory = 0;
        TRY(store_owner(frame, &record.owner, &owner));
    }
    struct abi_value values[] = {args[0], abi_address(&record.owner), args[1]};
    record.owner = to;
    TRY(territory_store(frame, territory, &record));
    TRY(add_owned(frame, &to, territory));
    native_emit(frame, &territory_module, EV_TRANSFERRED, values);
    return ok();
}

static err handle_set_default(struct frame *frame, const struct abi_value *args,
                              struct abi_value *ret)
{
    (void)ret;
    u64 territory = abi_as_u64(&args[0]);
    struct slot_source source = frame_slots(frame);
    struct territory_record record;
    struct territory_owner owner;
    TRY(load_own(frame, territory, &record));
    TRY(territory_owner_load(&source, &frame->caller, &owner));
    if (!frame_running(frame)) {
        return ok();
    }
    owner.default_territory = territory;
    TRY(store_owner(frame, &frame->caller, &owner));
    struct abi_value values[] = {abi_address(&frame->caller), args[0]};
    native_emit(frame, &territory_module, EV_DEFAULT, values);
    return ok();
}

static err handle_set_policy(struct frame *frame, const struct abi_value *args,
                             struct abi_value *ret)
{
    (void)ret;
    u64 territory = abi_as_u64(&args[0]);
    struct territory_record record;
    TRY(load_own(frame, territory, &record));
    if (!require(frame, args[1].data.len <= TERRITORY_POLICY_BYTES_MAX, "policy too long")) {
        return ok();
    }
    TRY(store_policy(frame, territory, args[1].data));
    native_emit(frame, &territory_module, EV_POLICY, args);
    return ok();
}

static err handle_price(struct frame *frame, const struct abi_value *args, struct abi_value *ret)
{
    struct u256 price;
    TRY(price_now(frame, abi_as_u64(&args[0]), (enum redundancy)abi_as_u64(&args[1]),
                  abi_as_u64(&args[2]), &price));
    ret[0] = abi_u256(price);
    return ok();
}

static err handle_get(struct frame *frame, const struct abi_value *args, struct abi_value *ret)
{
    u64 territory = abi_as_u64(&args[0]);
    struct slot_source source = frame_slots(frame);
    struct territory_record record;
    u8 policy[TERRITORY_POLICY_BYTES_MAX];
    size_t policy_len;
    TRY(load(frame, territory, &record));
    if (!frame_running(frame)) {
        return ok();
    }
    TRY(territory_policy(&source, territory, policy, &policy_len));
    ret[0] = abi_address(&record.owner);
    ret[1] = abi_u64((u64)record.class_number);
    ret[2] = abi_u64((u64)record.state);
    ret[3] = abi_u64(record.size);
    ret[4] = abi_u64(record.used);
    ret[5] = abi_u64(record.expires);
    ret[6] = abi_u256(record.paid);
    return state_bytes(frame, bytes_make(policy, policy_len), &ret[7]);
}

static err handle_count(struct frame *frame, const struct abi_value *args, struct abi_value *ret)
{
    (void)args;
    struct slot_source source = frame_slots(frame);
    u64 count;
    TRY(territory_count(&source, &count));
    ret[0] = abi_u64(count);
    return ok();
}

static err handle_owned(struct frame *frame, const struct abi_value *args, struct abi_value *ret)
{
    struct slot_source source = frame_slots(frame);
    struct address account = abi_as_address(&args[0]);
    struct territory_owner owner;
    TRY(territory_owner_load(&source, &account, &owner));
    ret[0] = abi_u64(owner.count);
    ret[1] = abi_u64(owner.default_territory);
    return ok();
}

static err handle_owned_at(struct frame *frame, const struct abi_value *args, struct abi_value *ret)
{
    struct slot_source source = frame_slots(frame);
    struct address account = abi_as_address(&args[0]);
    u64 territory;
    TRY(territory_owned(&source, &account, (u32)abi_as_u64(&args[1]), &territory));
    if (require(frame, territory != 0, "no such position")) {
        ret[0] = abi_u64(territory);
    }
    return ok();
}

static const struct native_function functions[] = {
    {TERRITORY_LEASE, handle_lease, NATIVE_PAYABLE, 1000,
     "Leases size bytes of ciphertext in a redundancy class for a time in seconds. What is sent "
     "beyond the price comes back at once."},
    {TERRITORY_RENEW, handle_renew, NATIVE_PAYABLE, 500,
     "Makes a lease longer, from its end on. Anyone may pay."},
    {TERRITORY_EXPAND, handle_expand, NATIVE_PAYABLE, 500,
     "Adds bytes for the rest of the lease. Owner only."},
    {TERRITORY_FREEZE, handle_freeze, 0, 500, "Stops commits into a territory. Owner only."},
    {TERRITORY_UNFREEZE, handle_unfreeze, 0, 500, "Allows commits again. Owner only."},
    {TERRITORY_EXPIRE, handle_expire, 0, 500,
     "Marks a lease whose grace time is over, so that its segments may be released by anyone."},
    {TERRITORY_TRANSFER, handle_transfer, 0, 500, "Gives an empty territory to another owner."},
    {TERRITORY_SET_DEFAULT, handle_set_default, 0, 500,
     "Makes one of the caller's territories the one new buckets go to."},
    {TERRITORY_SET_POLICY, handle_set_policy, 0, 500,
     "Sets the region policy of a territory. Owner only."},
    {TERRITORY_PRICE, handle_price, NATIVE_VIEW, 300, "Price of a lease now, in wei."},
    {TERRITORY_GET, handle_get, NATIVE_VIEW, 300, "The record of a territory."},
    {TERRITORY_COUNT, handle_count, NATIVE_VIEW, 50, "Number of territories; they count from 1."},
    {TERRITORY_OWNED, handle_owned, NATIVE_VIEW, 100,
     "Length of an owner's list of territories, and his default one (0: none)."},
    {TERRITORY_OWNED_AT, handle_owned_at, NATIVE_VIEW, 100,
     "An entry of an owner's list; entries he gave away stay in it."},
};

static const struct native_event events[] = {
    [EV_LEASED] = {TERRITORY_EV_LEASED, "A territory was leased."},
    [EV_RENEWED] = {TERRITORY_EV_RENEWED, "A lease became longer."},
    [EV_EXPANDED] = {TERRITORY_EV_EXPANDED, "A territory became larger."},
    [EV_STATE] = {TERRITORY_EV_STATE, "1 active, 2 frozen, 3 expired."},
    [EV_TRANSFERRED] = {TERRITORY_EV_TRANSFERRED, "A territory has another owner."},
    [EV_POLICY] = {TERRITORY_EV_POLICY, "The region policy changed."},
    [EV_DEFAULT] = {TERRITORY_EV_DEFAULT, "An owner's default territory changed."},
};

const struct native_module territory_module = {
    .name = "territory",
    .number = MODULE_TERRITORY,
    .version = 1,
    .doc = "Leases of space: bytes of ciphertext for a time, in a redundancy class, with a region "
           "policy.",
    .functions = functions,
    .function_count = COUNT_OF(functions),
    .events = events,
    .event_count = COUNT_OF(events),
};
