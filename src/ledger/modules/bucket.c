#include "ledger/modules/bucket_layout.h"

#include "base/assert.h"
#include "ledger/modules/bucket_state.h"
#include "ledger/modules/modules.h"
#include "ledger/modules/params_layout.h"
#include "ledger/modules/state.h"
#include "ledger/modules/territory_layout.h"

#define POLICY_BITS (BUCKET_STRONG | BUCKET_FINALITY_CHAIN)
#define HEAD_SPACING_DIVISOR 12

err bucket_store(struct frame *frame, const struct hash *bucket, const struct bucket_record *record)
{
    struct hash slot = bucket_slot(bucket);
    struct word words[BUCKET_WORDS];
    bucket_pack(words, record);
    return state_store(frame, MODULE_BUCKET, &slot, words, BUCKET_WORDS);
}

static err keep_former(struct frame *frame, const struct hash *bucket, struct bucket_record *record,
                       u64 chain_now)
{
    struct word words[2] = {{{0}}, {{0}}};
    memcpy(words[0].b, record->head.hash.b, 32);
    locator_to_word(&words[1], &record->head.locator);
    word_put(&words[1], 20, 8, chain_now);
    struct hash base = bucket_formers_slot(bucket);
    struct hash slot = slot_add(&base, (u64)record->former_next * 2);
    TRY(state_store(frame, MODULE_BUCKET, &slot, words, 2));
    record->former_next = (u8)((record->former_next + 1) % BUCKET_FORMER_HEADS);
    record->former_count = (u8)min_u64(record->former_count + 1U, BUCKET_FORMER_HEADS);
    record->former_kept = chain_now;
    return ok();
}

err bucket_move_head(struct frame *frame, const struct hash *bucket, struct bucket_record *record,
                     const struct bucket_head *head, u64 chain_now, bool keep)
{
    struct slot_source source = frame_slots(frame);
    u64 delay;
    TRY(params_load(&source, PARAM_RELEASE_DELAY_S, &delay));
    bool is_due =
        record->former_count == 0 || chain_now - min_u64(record->former_kept, chain_now) >=
                                         ceil_div(delay, HEAD_SPACING_DIVISOR);
    if (!hash_is_zero(&record->head.hash) && (keep || is_due)) {
        TRY(keep_former(frame, bucket, record, chain_now));
    }
    record->head = *head;
    record->moves++;
    return ok();
}

static err load(struct frame *frame, const struct hash *bucket, struct bucket_record *ret_record)
{
    struct slot_source source = frame_slots(frame);
    bool found;
    TRY(bucket_load(&source, bucket, ret_record, &found));
    (void)require(frame, found, "no such bucket");
    return ok();
}

/* require_right: the caller is the owner, or a gateway with that scope. */
static err require_right(struct frame *frame, const struct address *owner, u64 territory, u32 scope)
{
    struct slot_source source = frame_slots(frame);
    struct authorisation_key key;
    struct authorisation record;
    u32 gateway;
    bool found = false;
    if (address_eq(owner, &frame->caller)) {
        return ok();
    }
    TRY(gateway_of(&source, &frame->caller, &gateway));
    if (gateway != 0) {
        TRY(authorisation_find(&source, owner, territory, gateway, scope, frame->block->time, &key,
                               &record, &found));
    }
    (void)require(frame, found, "neither owner nor authorised");
    return ok();
}

static err append_owned(struct frame *frame, const struct address *owner, const struct hash *bucket)
{
    struct slot_source source = frame_slots(frame);
    u32 count;
    TRY(bucket_owned_count(&source, owner, &count));
    if (!require(frame, count < UINT32_MAX, "too many buckets")) {
        return ok();
    }
    struct hash slot = layout_map_item(BUCKET_MAP_OWNED, owner, count);
    struct word word;
    memcpy(word.b, bucket->b, sizeof word.b);
    TRY(state_store(frame, MODULE_BUCKET, &slot, &word, 1));
    struct hash count_slot = layout_map_address(BUCKET_MAP_OWNERS, owner);
    return state_store_u64(frame, MODULE_BUCKET, &count_slot, (u64)count + 1, 4);
}

/* read_label: a compressed point on the curve. */
static bool read_label(struct frame *frame, bytes in, struct secp_public *ret_key)
{
    u8 point[64];
    if (!require(frame, in.len == sizeof ret_key->b, "label key is not 33 bytes")) {
        return false;
    }
    memcpy(ret_key->b, in.data, sizeof ret_key->b);
    return require(frame, secp_public_uncompressed(point, ret_key), "label key is no point");
}

static err require_territory(struct frame *frame, u64 territory, const struct address *owner,
                             u64 chain_now)
{
    struct slot_source source = frame_slots(frame);
    struct territory_record record;
    bool found;
    TRY(territory_load(&source, territory, &record, &found));
    bool is_usable =
        found && address_eq(&record.owner, owner) && territory_usable(&record, chain_now);
    (void)require(frame, is_usable, "not a usable territory of the owner");
    return ok();
}

static err create(struct frame *frame, const struct hash *bucket,
                  const struct bucket_record *record, bytes name)
{
    struct hash name_slot = bucket_name_slot(bucket);
    TRY(bucket_store(frame, bucket, record));
    TRY(state_store_blob(frame, MODULE_BUCKET, &name_slot, name));
    TRY(append_owned(frame, &record->owner, bucket));
    struct abi_value values[] = {abi_hash(bucket), abi_address(&record->owner),
                                 abi_u64(record->territory)};
    native_emit(frame, &bucket_module, BUCKET_EVENT_CREATED, values);
    return ok();
}

static err handle_create(struct frame *frame, const struct abi_value *args, struct abi_value *ret)
{
    struct hash salt = abi_as_hash(&args[1]);
    struct bucket_record record = {.owner = abi_as_address(&args[0]),
                                   .territory = abi_as_u64(&args[2]),
                                   .policy = (u8)abi_as_u64(&args[5]),
                                   .label_version = 1};
    bytes name = args[3].data;
    struct state_time time;
    struct slot_source source = frame_slots(frame);
    struct hash bucket;
    struct bucket_record former;
    bool exists;
    bucket_id(&bucket, &record.owner, &salt);
    TRY(state_time(frame, &time));
    record.created = time.now;
    if (!require(frame, !address_is_zero(&record.owner), "owner is zero") ||
        !require(frame, name.len <= BUCKET_NAME_BYTES_MAX, "name too long") ||
        !require(frame, (record.policy & ~POLICY_BITS) == 0, "unknown policy") ||
        !read_label(frame, args[4].data, &record.label_key)) {
        return ok();
    }
    TRY(require_right(frame, &record.owner, record.territory, SCOPE_CREATE));
    TRY(require_territory(frame, record.territory, &record.owner, time.now));
    TRY(bucket_load(&source, &bucket, &former, &exists));
    if (!require(frame, !exists, "bucket exists")) {
        return ok();
    }
    TRY(create(frame, &bucket, &record, name));
    ret[0] = abi_hash(&bucket);
    return ok();
}

static err handle_remove(struct frame *frame, const struct abi_value *args, struct abi_value *ret)
{
    (void)ret;
    struct hash bucket = abi_as_hash(&args[0]);
    struct bucket_record record;
    TRY(load(frame, &bucket, &record));
    if (!frame_running(frame)) {
        return ok();
    }
    TRY(require_right(frame, &record.owner, record.territory, SCOPE_REMOVE));
    bool is_owner = address_eq(&record.owner, &frame->caller);
    if (!require(frame, !record.removed, "already removed") ||
        !require(frame, is_owner || hash_is_zero(&record.head.hash), "bucket is not empty")) {
        return ok();
    }
    record.removed = true;
    TRY(bucket_store(frame, &bucket, &record));
    native_emit(frame, &bucket_module, BUCKET_EVENT_REMOVED, args);
    return ok();
}

static err handle_set_policy(struct frame *frame, const struct abi_value *args,
                             struct abi_value *ret)
{
    (void)ret;
    struct hash bucket = abi_as_hash(&args[0]);
    u64 policy = abi_as_u64(&args[1]);
    struct bucket_record record;
    TRY(load(frame, &bucket, &record));
    if (!frame_running(frame)) {
        return ok();
    }
    TRY(require_right(frame, &record.owner, record.territory, SCOPE_POLICY));
    if (!require(frame, !record.removed, "bucket is removed") ||
        !require(frame, policy <= POLICY_BITS, "unknown policy")) {
        return ok();
    }
    record.policy = (u8)policy;
    TRY(bucket_store(frame, &bucket, &record));
    native_emit(frame, &bucket_module, BUCKET_EVENT_POLICY, args);
    return ok();
}

static err handle_set_label(struct frame *frame, const struct abi_value *args,
                            struct abi_value *ret)
{
    (void)ret;
    struct hash bucket = abi_as_hash(&args[0]);
    struct bucket_record record;
    TRY(load(frame, &bucket, &record));
    if (!require(frame, address_eq(&record.owner, &frame->caller), "not the owner") ||
        !require(frame, record.label_version < UINT32_MAX, "too many label versions") ||
        !read_label(frame, args[1].data, &record.label_key)) {
        return ok();
    }
    record.label_version++;
    TRY(bucket_store(frame, &bucket, &record));
    struct abi_value values[] = {args[0], abi_u64(record.label_version)};
    native_emit(frame, &bucket_module, BUCKET_EVENT_LABEL, values);
    return ok();
}

/* find_former: reverts if no former head has that hash. */
static err find_former(struct frame *frame, const struct hash *bucket,
                       const struct bucket_record *record, const struct hash *wanted,
                       struct bucket_head *ret_head)
{
    struct slot_source source = frame_slots(frame);
    for (u8 age = 0; age < record->former_count && frame_running(frame); age++) {
        struct bucket_former former;
        bool found;
        TRY(bucket_former(&source, bucket, record, age, &former, &found));
        if (found && hash_eq(&former.head.hash, wanted)) {
            *ret_head = former.head;
            return ok();
        }
    }
    (void)require(frame, false, "no such former head");
    return ok();
}

/* The head that is undone is kept too, so an undo can itself be undone. */
static err handle_undo(struct frame *frame, const struct abi_value *args, struct abi_value *ret)
{
    (void)ret;
    struct hash bucket = abi_as_hash(&args[0]);
    struct hash wanted = abi_as_hash(&args[1]);
    struct bucket_record record;
    struct state_time time;
    struct bucket_head head = {0};
    TRY(load(frame, &bucket, &record));
    TRY(state_time(frame, &time));
    if (!require(frame, address_eq(&record.owner, &frame->caller), "not the owner")) {
        return ok();
    }
    /* The present head stands for bringing back a removed bucket as it was. */
    if (record.removed && hash_eq(&record.head.hash, &wanted)) {
        head = record.head;
    } else {
        TRY(find_former(frame, &bucket, &record, &wanted, &head));
    }
    if (!frame_running(frame)) {
        return ok();
    }
    struct abi_value values[] = {args[0], abi_hash(&record.head.hash), args[1]};
    record.removed = false;
    if (!hash_eq(&record.head.hash, &wanted)) {
        TRY(bucket_move_head(frame, &bucket, &record, &head, time.now, true));
    }
    TRY(bucket_store(frame, &bucket, &record));
    native_emit(frame, &bucket_module, BUCKET_EVENT_UNDONE, values);
    return ok();
}

static struct abi_value abi_locator(const struct locator *locator)
{
    struct word word = {{0}};
    locator_to_word(&word, locator);
    return abi_fixed(bytes_make(word.b, LOCATOR_BYTES));
}

static err handle_get(struct frame *frame, const struct abi_value *args, struct abi_value *ret)
{
    struct hash bucket = abi_as_hash(&args[0]);
    struct slot_source source = frame_slots(frame);
    struct bucket_record record;
    u8 name[BUCKET_NAME_BYTES_MAX];
    size_t name_len;
    TRY(load(frame, &bucket, &record));
    if (!frame_running(frame)) {
        return ok();
    }
    TRY(bucket_name(&source, &bucket, name, &name_len));
    ret[0] = abi_address(&record.owner);
    ret[1] = abi_u64(record.territory);
    ret[2] = abi_u64(record.policy);
    ret[3] = abi_bool(record.removed);
    ret[4] = abi_hash(&record.head.hash);
    ret[5] = abi_locator(&record.head.locator);
    ret[6] = abi_u64(record.moves);
    ret[7] = abi_u64(record.created);
    ret[8] = abi_u64(record.label_version);
    TRY(state_bytes(frame, BYTES_OF(record.label_key.b), &ret[9]));
    return state_bytes(frame, bytes_make(name, name_len), &ret[10]);
}

static err handle_former(struct frame *frame, const struct abi_value *args, struct abi_value *ret)
{
    struct hash bucket = abi_as_hash(&args[0]);
    struct slot_source source = frame_slots(frame);
    struct bucket_record record;
    struct bucket_former former = {0};
    bool found = false;
    TRY(load(frame, &bucket, &record));
    if (!frame_running(frame)) {
        return ok();
    }
    TRY(bucket_former(&source, &bucket, &record, (u8)abi_as_u64(&args[1]), &former, &found));
    if (require(frame, found, "no such former head")) {
        ret[0] = abi_hash(&former.head.hash);
        ret[1] = abi_locator(&former.head.locator);
        ret[2] = abi_u64(former.replaced);
    }
    return ok();
}

static err handle_owned(struct frame *frame, const struct abi_value *args, struct abi_value *ret)
{
    struct slot_source source = frame_slots(frame);
    struct address owner = abi_as_address(&args[0]);
    u32 count;
    TRY(bucket_owned_count(&source, &owner, &count));
    ret[0] = abi_u64(count);
    return ok();
}

static err handle_owned_at(struct frame *frame, const struct abi_value *args, struct abi_value *ret)
{
    struct slot_source source = frame_slots(frame);
    struct address owner = abi_as_address(&args[0]);
    struct hash bucket;
    TRY(bucket_owned(&source, &owner, (u32)abi_as_u64(&args[1]), &bucket));
    if (require(frame, !hash_is_zero(&bucket), "no such position")) {
        ret[0] = abi_hash(&bucket);
    }
    return ok();
}

static const struct native_function functions[] = {
    {BUCKET_CREATE, handle_create, 0, 4000,
     "Creates the bucket keccak256(owner, salt) in a territory of its owner. Owner, or gateway "
     "with scope 4. policy: 1 consistency=strong, 2 finality=chain."},
    {BUCKET_REMOVE, handle_remove, 0, 500,
     "Removes a bucket: the owner always, a gateway with scope 64 if the head is zero. undo() "
     "brings it back."},
    {BUCKET_SET_POLICY, handle_set_policy, 0, 500,
     "Sets the policy bits. Owner, or gateway with scope 32."},
    {BUCKET_SET_LABEL, handle_set_label, 0, 3500,
     "Starts a new version of the bucket's label key (33 bytes, compressed). Owner only."},
    {BUCKET_UNDO, handle_undo, 0, 500,
     "Makes a former head the head again and brings a removed bucket back. Owner only."},
    {BUCKET_GET, handle_get, NATIVE_VIEW, 500, "The record of a bucket, removed or not."},
    {BUCKET_FORMER, handle_former, NATIVE_VIEW, 300, "A former head; age 0 is the newest."},
    {BUCKET_OWNED, handle_owned, NATIVE_VIEW, 100, "Number of buckets ever made for an owner."},
    {BUCKET_OWNED_AT, handle_owned_at, NATIVE_VIEW, 100, "An entry of an owner's bucket list."},
    {BUCKET_REGISTER_GATEWAY, bucket_register_gateway, 0, 500,
     "Registers the caller as a gateway. boxKey is its X25519 key."},
    {BUCKET_UPDATE_GATEWAY, bucket_update_gateway, 0, 500,
     "Changes endpoint and key of the calling gateway, and takes a retired one back."},
    {BUCKET_RETIRE_GATEWAY, bucket_retire_gateway, 0, 500,
     "The calling gateway acts for nobody any more; its number is not used again."},
    {BUCKET_GATEWAY, bucket_get_gateway, NATIVE_VIEW, 300, "The record of a gateway."},
    {BUCKET_GATEWAY_OF, bucket_gateway_of, NATIVE_VIEW, 100,
     "Number of the gateway with this account, 0 if there is none."},
    {BUCKET_GATEWAY_COUNT, bucket_gateway_count, NATIVE_VIEW, 50,
     "Number of gateways; they count from 1."},
    {BUCKET_AUTHORISE, bucket_authorise, 0, 500,
     "Lets a gateway act for the caller in one territory, or (0) in all of his: scope bits 1 read, "
     "2 write, 4 create buckets, 8 release, 16 repair, 32 policy, 64 remove buckets; quota in "
     "bytes, expiry in block time. Replaces what was given before; used bytes stay counted."},
    {BUCKET_REVOKE, bucket_revoke, 0, 500, "Takes an authorisation back at once."},
    {BUCKET_AUTHORISATION, bucket_get_authorisation, NATIVE_VIEW, 300,
     "What an owner allows a gateway; scope 0: revoked."},
};

static const struct native_event events[] = {
    [BUCKET_EVENT_CREATED] = {BUCKET_EV_CREATED, "A bucket was created."},
    [BUCKET_EVENT_REMOVED] = {BUCKET_EV_REMOVED, "A bucket was removed."},
    [BUCKET_EVENT_POLICY] = {BUCKET_EV_POLICY, "The policy bits changed."},
    [BUCKET_EVENT_LABEL] = {BUCKET_EV_LABEL, "A new version of the label key."},
    [BUCKET_EVENT_UNDONE] = {BUCKET_EV_UNDONE, "The owner went back to a former head."},
    [BUCKET_EVENT_GATEWAY] = {BUCKET_EV_GATEWAY, "A gateway registered, changed or retired."},
    [BUCKET_EVENT_AUTHORISED] = {BUCKET_EV_AUTHORISED, "An owner authorised a gateway."},
    [BUCKET_EVENT_REVOKED] = {BUCKET_EV_REVOKED, "An owner took an authorisation back."},
};

const struct native_module bucket_module = {
    .name = "bucket",
    .number = MODULE_BUCKET,
    .version = 1,
    .doc = "Buckets with their journal heads, the gateways, and what owners allow them.",
    .functions = functions,
    .function_count = COUNT_OF(functions),
    .events = events,
    .event_count = COUNT_OF(events),
};
