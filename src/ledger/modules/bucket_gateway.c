#include "ledger/modules/bucket_state.h"

#include "ledger/modules/beacon_state.h"
#include "ledger/modules/modules.h"
#include "ledger/modules/state.h"
#include "ledger/modules/territory_layout.h"

static err store_gateway(struct frame *frame, u32 gateway, const struct gateway_record *record)
{
    struct hash slot = gateway_slot(gateway);
    struct word words[GATEWAY_WORDS] = {{{0}}, {{0}}};
    word_put_address(&words[0], 0, &record->account);
    words[0].b[20] = record->active;
    word_put(&words[0], 24, 8, record->registered);
    memcpy(words[1].b, record->box_key.b, 32);
    TRY(state_store(frame, MODULE_BUCKET, &slot, words, GATEWAY_WORDS));
    struct abi_value values[] = {abi_u64(gateway), abi_address(&record->account),
                                 abi_bool(record->active)};
    native_emit(frame, &bucket_module, BUCKET_EVENT_GATEWAY, values);
    return ok();
}

static err store_endpoint(struct frame *frame, u32 gateway, bytes endpoint)
{
    struct hash slot = layout_map_u64(BUCKET_MAP_ENDPOINTS, gateway, 4);
    return state_store_blob(frame, MODULE_BUCKET, &slot, endpoint);
}

static bool arguments_fit(struct frame *frame, bytes endpoint, const struct hash *box_key)
{
    return require(frame, endpoint.len > 0 && endpoint.len <= GATEWAY_ENDPOINT_BYTES_MAX,
                   "endpoint is empty or too long") &&
           require(frame, !hash_is_zero(box_key), "key is zero");
}

/* load_caller: *ret_gateway 0 (and a revert) if the caller is no gateway. */
static err load_caller(struct frame *frame, u32 *ret_gateway, struct gateway_record *ret_record)
{
    struct slot_source source = frame_slots(frame);
    bool found = false;
    TRY(gateway_of(&source, &frame->caller, ret_gateway));
    if (*ret_gateway != 0) {
        TRY(gateway_load(&source, *ret_gateway, ret_record, &found));
    }
    (void)require(frame, found, "caller is no gateway");
    return ok();
}

err bucket_register_gateway(struct frame *frame, const struct abi_value *args,
                            struct abi_value *ret)
{
    struct slot_source source = frame_slots(frame);
    struct hash box_key = abi_as_hash(&args[1]);
    struct state_time time;
    u32 gateway = 0;
    u32 count;
    TRY(state_time(frame, &time));
    TRY(gateway_of(&source, &frame->caller, &gateway));
    TRY(gateway_count(&source, &count));
    if (!arguments_fit(frame, args[0].data, &box_key) ||
        !require(frame, gateway == 0, "already registered") ||
        !require(frame, count < UINT32_MAX, "too many gateways")) {
        return ok();
    }
    gateway = count + 1;
    struct gateway_record record = {
        .account = frame->caller, .active = true, .registered = time.now};
    memcpy(record.box_key.b, box_key.b, sizeof box_key.b);
    struct hash count_slot = slot_number(BUCKET_SLOT_GATEWAYS);
    struct hash account_slot = layout_map_address(BUCKET_MAP_ACCOUNTS, &frame->caller);
    TRY(state_store_u64(frame, MODULE_BUCKET, &count_slot, gateway, 4));
    TRY(state_store_u64(frame, MODULE_BUCKET, &account_slot, gateway, 4));
    TRY(store_endpoint(frame, gateway, args[0].data));
    TRY(store_gateway(frame, gateway, &record));
    ret[0] = abi_u64(gateway);
    return ok();
}

err bucket_update_gateway(struct frame *frame, const struct abi_value *args, struct abi_value *ret)
{
    (void)ret;
    struct hash box_key = abi_as_hash(&args[1]);
    struct gateway_record record = {0};
    u32 gateway = 0;
    TRY(load_caller(frame, &gateway, &record));
    if (!frame_running(frame) || !arguments_fit(frame, args[0].data, &box_key)) {
        return ok();
    }
    record.active = true;
    memcpy(record.box_key.b, box_key.b, sizeof box_key.b);
    TRY(store_endpoint(frame, gateway, args[0].data));
    return store_gateway(frame, gateway, &record);
}

err bucket_retire_gateway(struct frame *frame, const struct abi_value *args, struct abi_value *ret)
{
    (void)args;
    (void)ret;
    struct gateway_record record = {0};
    u32 gateway = 0;
    TRY(load_caller(frame, &gateway, &record));
    if (!frame_running(frame) || !require(frame, record.active, "already retired")) {
        return ok();
    }
    record.active = false;
    return store_gateway(frame, gateway, &record);
}

err bucket_get_gateway(struct frame *frame, const struct abi_value *args, struct abi_value *ret)
{
    struct slot_source source = frame_slots(frame);
    u32 gateway = (u32)abi_as_u64(&args[0]);
    struct gateway_record record = {0};
    u8 endpoint[GATEWAY_ENDPOINT_BYTES_MAX];
    size_t len;
    bool found;
    TRY(gateway_load(&source, gateway, &record, &found));
    if (!require(frame, found, "no such gateway")) {
        return ok();
    }
    TRY(gateway_endpoint(&source, gateway, endpoint, &len));
    ret[0] = abi_address(&record.account);
    ret[1] = abi_bool(record.active);
    ret[2] = abi_u64(record.registered);
    ret[3] = abi_word(record.box_key.b);
    return state_bytes(frame, bytes_make(endpoint, len), &ret[4]);
}

err bucket_gateway_of(struct frame *frame, const struct abi_value *args, struct abi_value *ret)
{
    struct slot_source source = frame_slots(frame);
    struct address account = abi_as_address(&args[0]);
    u32 gateway = 0;
    TRY(gateway_of(&source, &account, &gateway));
    ret[0] = abi_u64(gateway);
    return ok();
}

err bucket_gateway_count(struct frame *frame, const struct abi_value *args, struct abi_value *ret)
{
    (void)args;
    struct slot_source source = frame_slots(frame);
    u32 count;
    TRY(gateway_count(&source, &count));
    ret[0] = abi_u64(count);
    return ok();
}

err authorisation_store(struct frame *frame, const struct authorisation_key *key,
                        const struct authorisation *record)
{
    struct hash slot = authorisation_slot(key);
    struct word words[AUTHORISATION_WORDS];
    authorisation_pack(words, record);
    return state_store(frame, MODULE_BUCKET, &slot, words, AUTHORISATION_WORDS);
}

/* list_append: puts word at position count and counts it. */
static err list_append(struct frame *frame, const struct hash *count_slot, u32 count,
                       const struct hash *item_slot, const struct word *word)
{
    if (!require(frame, count < UINT32_MAX, "too many authorisations")) {
        return ok();
    }
    TRY(state_store(frame, MODULE_BUCKET, item_slot, word, 1));
    return state_store_u64(frame, MODULE_BUCKET, count_slot, (u64)count + 1, 4);
}

/* A new pair of (owner and territory, gateway) enters the owner's and the gateway's list. */
static err list_pair(struct frame *frame, const struct authorisation_key *key)
{
    struct slot_source source = frame_slots(frame);
    u32 given;
    u32 got;
    TRY(authorisation_owner_count(&source, &key->owner, &given));
    TRY(authorisation_gateway_count(&source, key->gateway, &got));
    struct word word = {{0}};
    word_put(&word, 0, 8, key->territory);
    word_put(&word, 8, 4, key->gateway);
    struct hash count_slot = layout_map_address(BUCKET_MAP_GIVEN_COUNT, &key->owner);
    struct hash item_slot = layout_map_item(BUCKET_MAP_GIVEN, &key->owner, given);
    TRY(list_append(frame, &count_slot, given, &item_slot, &word));
    word = (struct word){{0}};
    word_put_address(&word, 0, &key->owner);
    word_put(&word, 20, 8, key->territory);
    count_slot = layout_map_u64(BUCKET_MAP_GOT_COUNT, key->gateway, 4);
    item_slot = layout_map_u64(BUCKET_MAP_GOT, (u64)key->gateway << 32 | got, 8);
    return list_append(frame, &count_slot, got, &item_slot, &word);
}

static err require_place(struct frame *frame, const struct authorisation_key *key)
{
    struct slot_source source = frame_slots(frame);
    struct gateway_record gateway;
    bool found;
    TRY(gateway_load(&source, key->gateway, &gateway, &found));
    (void)require(frame, found && gateway.active, "no such gateway");
    if (key->territory != 0) {
        struct territory_record territory;
        TRY(territory_load(&source, key->territory, &territory, &found));
        (void)require(frame, found && address_eq(&territory.owner, &key->owner),
                      "not a territory of the caller");
    }
    return ok();
}

/* start_pair: from now on this pair counts as registered: seeds known before cannot be used. */
static err start_pair(struct frame *frame, struct authorisation *record)
{
    struct state_time time;
    TRY(state_time(frame, &time));
    record->since_height = frame->block->height;
    record->since_epoch = (u32)time.epoch;
    return beacon_keep_output(frame, frame->block->height + 2);
}

static err store_sealed(struct frame *frame, const struct authorisation_key *key, bytes sealed)
{
    struct layout_key map_key = authorisation_map_key(key);
    struct hash slot = layout_map(BUCKET_MAP_SEALED, &map_key);
    return state_store_blob(frame, MODULE_BUCKET, &slot, sealed);
}

err bucket_authorise(struct frame *frame, const struct abi_value *args, struct abi_value *ret)
{
    (void)ret;
    struct slot_source source = frame_slots(frame);
    struct authorisation_key key = {.owner = frame->caller,
                                    .territory = abi_as_u64(&args[0]),
                                    .gateway = (u32)abi_as_u64(&args[1])};
    u32 scope = (u32)abi_as_u64(&args[2]);
    bytes sealed = args[5].data;
    struct authorisation record;
    bool known;
    if (!require(frame, scope != 0 && (scope & ~(u32)SCOPE_ALL) == 0, "scope is zero or unknown") ||
        !require(frame, sealed.len <= SEALED_KEY_BYTES_MAX, "sealed key too long")) {
        return ok();
    }
    TRY(require_place(frame, &key));
    TRY(authorisation_load(&source, &key, &record, &known));
    if (!frame_running(frame)) {
        return ok();
    }
    if (!known) {
        record = (struct authorisation){0};
        TRY(list_pair(frame, &key));
    }
    if (record.scope == 0) {
        TRY(start_pair(frame, &record));
    }
    record.scope = scope;
    record.quota = abi_as_u64(&args[3]);
    record.expires = abi_as_u64(&args[4]);
    TRY(authorisation_store(frame, &key, &record));
    TRY(store_sealed(frame, &key, sealed));
    struct abi_value values[] = {
        abi_address(&key.owner), args[0], args[1], args[2], args[3], args[4]};
    native_emit(frame, &bucket_module, BUCKET_EVENT_AUTHORISED, values);
    return ok();
}

err bucket_revoke(struct frame *frame, const struct abi_value *args, struct abi_value *ret)
{
    (void)ret;
    struct slot_source source = frame_slots(frame);
    struct authorisation_key key = {.owner = frame->caller,
                                    .territory = abi_as_u64(&args[0]),
                                    .gateway = (u32)abi_as_u64(&args[1])};
    struct authorisation record;
    bool known;
    TRY(authorisation_load(&source, &key, &record, &known));
    if (!require(frame, known && record.scope != 0, "nothing to revoke")) {
        return ok();
    }
    record.scope = 0;
    TRY(authorisation_store(frame, &key, &record));
    TRY(store_sealed(frame, &key, bytes_make(NULL, 0)));
    struct abi_value values[] = {abi_address(&key.owner), args[0], args[1]};
    native_emit(frame, &bucket_module, BUCKET_EVENT_REVOKED, values);
    return ok();
}

err bucket_get_authorisation(struct frame *frame, const struct abi_value *args,
                             struct abi_value *ret)
{
    struct slot_source source = frame_slots(frame);
    struct authorisation_key key = {.owner = abi_as_address(&args[0]),
                                    .territory = abi_as_u64(&args[1]),
                                    .gateway = (u32)abi_as_u64(&args[2])};
    struct authorisation record;
    u8 sealed[SEALED_KEY_BYTES_MAX];
    size_t len;
    bool known;
    TRY(authorisation_load(&source, &key, &record, &known));
    if (!require(frame, known, "never authorised")) {
        return ok();
    }
    TRY(authorisation_sealed_key(&source, &key, sealed, &len));
    ret[0] = abi_u64(record.scope);
    ret[1] = abi_u64(record.quota);
    ret[2] = abi_u64(record.used);
    ret[3] = abi_u64(record.expires);
    ret[4] = abi_u64(record.since_height);
    return state_bytes(frame, bytes_make(sealed, len), &ret[5]);
}
