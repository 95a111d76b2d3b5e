#include "ledger/modules/provider_layout.h"

#include "base/assert.h"
#include "ledger/modules/modules.h"
#include "ledger/modules/provider_state.h"
#include "ledger/modules/state.h"

#define GAS_CONSENT 3600 /* one public key recovery and a hash */

struct counts {
    u32 providers;
    u32 operators;
    u32 prefixes;
};

static err load_counts(struct frame *frame, struct counts *ret_counts)
{
    struct slot_source source = frame_slots(frame);
    struct hash slot = slot_number(PROVIDER_SLOT_COUNTS);
    struct word word;
    TRY(layout_words(&source, MODULE_PROVIDER, &slot, &word, 1));
    *ret_counts = (struct counts){(u32)word_get(&word, 0, 4), (u32)word_get(&word, 4, 4),
                                  (u32)word_get(&word, 8, 4)};
    return ok();
}

static err store_counts(struct frame *frame, const struct counts *counts)
{
    struct hash slot = slot_number(PROVIDER_SLOT_COUNTS);
    struct word word = {{0}};
    word_put(&word, 0, 4, counts->providers);
    word_put(&word, 4, 4, counts->operators);
    word_put(&word, 8, 4, counts->prefixes);
    return state_store(frame, MODULE_PROVIDER, &slot, &word, 1);
}

err provider_store(struct frame *frame, u32 provider, const struct provider_record *record)
{
    struct hash slot = provider_slot(provider);
    struct word words[PROVIDER_WORDS];
    provider_pack(words, record);
    return state_store(frame, MODULE_PROVIDER, &slot, words, PROVIDER_WORDS);
}

err provider_store_hot(struct frame *frame, u32 provider, const struct provider_record *record)
{
    struct hash slot = provider_slot(provider);
    struct word words[PROVIDER_WORDS];
    provider_pack(words, record);
    return state_store(frame, MODULE_PROVIDER, &slot, words, PROVIDER_HOT_WORDS);
}

err provider_load_caller(struct frame *frame, u32 *ret_provider, struct provider_record *ret_record)
{
    struct slot_source source = frame_slots(frame);
    bool found = false;
    TRY(provider_of(&source, &frame->caller, ret_provider));
    if (*ret_provider != 0) {
        TRY(provider_load(&source, *ret_provider, ret_record, &found));
    }
    (void)require(frame, found, "caller is no provider");
    return ok();
}

err provider_refresh_weight(struct frame *frame, u32 provider, const struct provider_record *record,
                            u64 epoch, bool exactly)
{
    struct slot_source source = frame_slots(frame);
    struct hash slot = weight_leaf_slot(provider);
    struct word word;
    struct weight_versions leaf;
    TRY(layout_words(&source, MODULE_PROVIDER, &slot, &word, 1));
    weight_unpack(&leaf, &word);
    u64 old = leaf.value[0];
    u64 new = provider_current_weight(record);
    u64 distance = new > old ? new - old : old - new;
    bool is_far = (new == 0) != (old == 0) || distance > old / 8;
    if (!frame_running(frame) || distance == 0 || (!exactly && !is_far)) {
        return ok();
    }
    u32 count;
    TRY(provider_count(&source, &count));
    return tree_set(frame, provider, count, new, epoch);
}

static err store_fragment(struct frame *frame, u32 provider, u32 position,
                          const struct provider_fragment *fragment)
{
    struct slot_source source = frame_slots(frame);
    u64 key = (u64)provider << 32 | position / 2;
    struct hash slot = layout_map_u64(PROVIDER_MAP_FRAGMENTS, key, 8);
    struct word word;
    TRY(layout_words(&source, MODULE_PROVIDER, &slot, &word, 1));
    size_t at = position % 2 == 0 ? 0 : 16;
    word_put(&word, at, 6, fragment->serial);
    word_put(&word, at + 6, 1, fragment->index);
    word_put(&word, at + 8, 4, fragment->added_epoch);
    word_put(&word, at + 12, 4, fragment->removed_epoch);
    return state_store(frame, MODULE_PROVIDER, &slot, &word, 1);
}

err provider_add_fragment(struct frame *frame, u32 provider, struct provider_record *record,
                          const struct provider_fragment *fragment, u64 size, u32 *ret_position)
{
    assert_that(record->list_count < UINT32_MAX);
    *ret_position = record->list_count;
    record->list_count++;
    record->live++;
    record->service += size;
    return store_fragment(frame, provider, *ret_position, fragment);
}

err provider_drop_fragment(struct frame *frame, u32 provider, struct provider_record *record,
                           u32 position, u64 size, u64 epoch)
{
    struct slot_source source = frame_slots(frame);
    struct provider_fragment fragment;
    bool found;
    if (position < record->lost_before) {
        return ok();
    }
    TRY(provider_fragment_load(&source, provider, position, &fragment, &found));
    if (!frame_running(frame)) {
        return ok();
    }
    assert_that(found && fragment.removed_epoch == 0 && record->live > 0 &&
                record->service >= size);
    fragment.removed_epoch = (u32)epoch;
    record->live--;
    record->service -= size;
    return store_fragment(frame, provider, position, &fragment);
}

/* number_of: the number of a key, given at its first appearance; *count is raised then. `at` is
 * the key as the left part of a word, for the way back. */
static err number_of(struct frame *frame, const struct hash *slot, u64 map_back,
                     const struct word *at, u32 *count, u32 *ret_number)
{
    struct slot_source source = frame_slots(frame);
    u64 known;
    TRY(state_load_u64(&source, MODULE_PROVIDER, slot, 4, &known));
    if (known != 0) {
        *ret_number = (u32)known;
        return ok();
    }
    *count += 1;
    *ret_number = *count;
    struct hash back = layout_map_u64(map_back, *count, 4);
    TRY(state_store_u64(frame, MODULE_PROVIDER, slot, *count, 4));
    return state_store(frame, MODULE_PROVIDER, &back, at, 1);
}

static err number_of_operator(struct frame *frame, const struct address *operator_,
                              struct counts *counts, u32 *ret_number)
{
    struct hash slot = layout_map_address(PROVIDER_MAP_OPERATORS, operator_);
    struct word at = {{0}};
    word_put_address(&at, 0, operator_);
    return number_of(frame, &slot, PROVIDER_MAP_OPERATOR_AT, &at, &counts->operators, ret_number);
}

static err number_of_prefix(struct frame *frame, u64 prefix, struct counts *counts, u32 *ret_number)
{
    struct hash slot = layout_map_u64(PROVIDER_MAP_PREFIXES, prefix, 8);
    struct word at = {{0}};
    word_put(&at, 0, 8, prefix);
    return number_of(frame, &slot, PROVIDER_MAP_PREFIX_AT, &at, &counts->prefixes, ret_number);
}

static bool prefix_is_valid(u64 prefix)
{
    u64 family = prefix >> 56;
    u64 rest = prefix & (((u64)1 << 56) - 1);
    return (family == 4 && rest >> 24 == 0) || (family == 6 && rest >> 48 == 0);
}

/* An operator answers for its nodes: who is not the operator itself brings its signature. */
static bool consent_is_valid(struct frame *frame, const struct address *operator_, bytes consent)
{
    if (address_eq(operator_, &frame->caller)) {
        return require(frame, consent.len == 0, "consent of oneself is empty");
    }
    struct secp_signature signature;
    struct hash digest;
    struct address signer;
    if (!require(frame, consent.len == sizeof signature.b, "consent is not 65 bytes") ||
        !frame_charge(frame, GAS_CONSENT)) {
        return false;
    }
    memcpy(signature.b, consent.data, sizeof signature.b);
    provider_consent_digest(&digest, frame->block->chain_id, &frame->caller);
    bool is_valid =
        secp_recover_address(&signer, &signature, &digest) && address_eq(&signer, operator_);
    return require(frame, is_valid, "consent is not signed by the operator");
}

static bool description_is_valid(struct frame *frame, u64 prefix, bytes endpoint,
                                 const struct address *signer, u64 capacity)
{
    return require(frame, prefix_is_valid(prefix), "no address prefix") &&
           require(frame, endpoint.len > 0 && endpoint.len <= PROVIDER_ENDPOINT_BYTES_MAX,
                   "endpoint is empty or too long") &&
           require(frame, !address_is_zero(signer), "signer is zero") &&
           require(frame, capacity <= PROVIDER_CAPACITY_MAX, "capacity out of range");
}

static err store_endpoint(struct frame *frame, u32 provider, bytes endpoint)
{
    struct hash slot = layout_map_u64(PROVIDER_MAP_ENDPOINTS, provider, 4);
    return state_store_blob(frame, MODULE_PROVIDER, &slot, endpoint);
}

static err add_provider(struct frame *frame, struct counts *counts, struct provider_record *record,
                        bytes endpoint, u64 epoch)
{
    u32 provider = ++counts->providers;
    struct hash account_slot = layout_map_address(PROVIDER_MAP_ACCOUNTS, &record->account);
    TRY(store_counts(frame, counts));
    TRY(state_store_u64(frame, MODULE_PROVIDER, &account_slot, provider, 4));
    TRY(provider_store(frame, provider, record));
    TRY(store_endpoint(frame, provider, endpoint));
    TRY(tree_append(frame, provider, epoch));
    TRY(provider_refresh_weight(frame, provider, record, epoch, true));
    struct abi_value values[] = {abi_u64(provider), abi_address(&record->account),
                                 abi_u64(record->operator_)};
    native_emit(frame, &provider_module, PROVIDER_EVENT_REGISTERED, values);
    return ok();
}

static err handle_register(struct frame *frame, const struct abi_value *args, struct abi_value *ret)
{
    struct address operator_ = abi_as_address(&args[0]);
    u64 prefix = abi_as_u64(&args[3]);
    struct slot_source source = frame_slots(frame);
    struct provider_record record = {.account = frame->caller,
                                     .signer = abi_as_address(&args[5]),
                                     .region = (u16)abi_as_u64(&args[2]),
                                     .state = PROVIDER_ACTIVE,
                                     .capacity = abi_as_u64(&args[6]),
                                     .announced = abi_as_u64(&args[7])};
    struct state_time time;
    struct counts counts;
    u32 known;
    TRY(state_time(frame, &time));
    TRY(load_counts(frame, &counts));
    TRY(provider_of(&source, &frame->caller, &known));
    record.heartbeat = record.joined = record.state_since = time.now;
    if (!require(frame, known == 0, "already registered") ||
        !require(frame, counts.providers < INT32_MAX, "too many providers") ||
        !description_is_valid(frame, prefix, args[4].data, &record.signer, record.capacity) ||
        !require(frame, record.announced <= record.capacity, "announced is over capacity") ||
        !require(frame, !address_is_zero(&operator_), "operator is zero") ||
        !consent_is_valid(frame, &operator_, args[1].data)) {
        return ok();
    }
    TRY(number_of_operator(frame, &operator_, &counts, &record.operator_));
    TRY(number_of_prefix(frame, prefix, &counts, &record.prefix));
    TRY(add_provider(frame, &counts, &record, args[4].data, time.epoch));
    ret[0] = abi_u64(counts.providers);
    return ok();
}

static err handle_update(struct frame *frame, const struct abi_value *args, struct abi_value *ret)
{
    (void)ret;
    u64 prefix = abi_as_u64(&args[1]);
    struct provider_record record = {0};
    struct counts counts;
    u32 provider = 0;
    TRY(provider_load_caller(frame, &provider, &record));
    TRY(load_counts(frame, &counts));
    record.region = (u16)abi_as_u64(&args[0]);
    record.signer = abi_as_address(&args[3]);
    record.capacity = abi_as_u64(&args[4]);
    if (!frame_running(frame) ||
        !description_is_valid(frame, prefix, args[2].data, &record.signer, record.capacity) ||
        !require(frame, record.announced <= record.capacity, "announced is over capacity")) {
        return ok();
    }
    TRY(number_of_prefix(frame, prefix, &counts, &record.prefix));
    TRY(store_counts(frame, &counts));
    TRY(provider_store(frame, provider, &record));
    TRY(store_endpoint(frame, provider, args[2].data));
    struct abi_value values[] = {abi_u64(provider)};
    native_emit(frame, &provider_module, PROVIDER_EVENT_UPDATED, values);
    return ok();
}

/* sign_of_life: the provider is here: its clock starts anew and its weight is exact again. */
static err sign_of_life(struct frame *frame, u32 provider, struct provider_record *record)
{
    struct state_time time;
    TRY(state_time(frame, &time));
    if (!require(frame, record->state != PROVIDER_EXITED, "provider has left")) {
        return ok();
    }
    record->heartbeat = time.now;
    record->out_of_tree = false;
    TRY(provider_store_hot(frame, provider, record));
    return provider_refresh_weight(frame, provider, record, time.epoch, true);
}

static err handle_announce(struct frame *frame, const struct abi_value *args, struct abi_value *ret)
{
    (void)ret;
    struct provider_record record = {0};
    u32 provider = 0;
    TRY(provider_load_caller(frame, &provider, &record));
    record.announced = abi_as_u64(&args[0]);
    if (!require(frame, record.announced <= record.capacity, "announced is over capacity")) {
        return ok();
    }
    TRY(sign_of_life(frame, provider, &record));
    struct abi_value values[] = {abi_u64(provider), args[0]};
    native_emit(frame, &provider_module, PROVIDER_EVENT_ANNOUNCED, values);
    return ok();
}

static err handle_heartbeat(struct frame *frame, const struct abi_value *args,
                            struct abi_value *ret)
{
    (void)args;
    (void)ret;
    struct provider_record record = {0};
    u32 provider = 0;
    TRY(provider_load_caller(frame, &provider, &record));
    return frame_running(frame) ? sign_of_life(frame, provider, &record) : ok();
}

static err handle_get(struct frame *frame, const struct abi_value *args, struct abi_value *ret)
{
    struct slot_source source = frame_slots(frame);
    u32 provider = (u32)abi_as_u64(&args[0]);
    struct provider_record record = {0};
    u8 endpoint[PROVIDER_ENDPOINT_BYTES_MAX];
    size_t len;
    bool found;
    TRY(provider_load(&source, provider, &record, &found));
    if (!require(frame, found, "no such provider")) {
        return ok();
    }
    TRY(provider_endpoint(&source, provider, endpoint, &len));
    ret[0] = abi_address(&record.account);
    ret[1] = abi_address(&record.signer);
    ret[2] = abi_u64(record.operator_);
    ret[3] = abi_u64(record.prefix);
    ret[4] = abi_u64(record.region);
    ret[5] = abi_u64((u64)record.state);
    ret[6] = abi_u64(record.announced);
    ret[7] = abi_u64(record.service);
    ret[8] = abi_u64(record.heartbeat);
    ret[9] = abi_u64(record.live);
    ret[10] = abi_u64(record.list_count);
    ret[11] = abi_u64(record.lost_before);
    return state_bytes(frame, bytes_make(endpoint, len), &ret[12]);
}

static err handle_of(struct frame *frame, const struct abi_value *args, struct abi_value *ret)
{
    struct slot_source source = frame_slots(frame);
    struct address account = abi_as_address(&args[0]);
    u32 provider = 0;
    TRY(provider_of(&source, &account, &provider));
    ret[0] = abi_u64(provider);
    return ok();
}

static err handle_count(struct frame *frame, const struct abi_value *args, struct abi_value *ret)
{
    (void)args;
    struct slot_source source = frame_slots(frame);
    u32 count;
    TRY(provider_count(&source, &count));
    ret[0] = abi_u64(count);
    return ok();
}

static err handle_fragment(struct frame *frame, const struct abi_value *args, struct abi_value *ret)
{
    struct slot_source source = frame_slots(frame);
    struct provider_fragment fragment = {0};
    bool found;
    TRY(provider_fragment_load(&source, (u32)abi_as_u64(&args[0]), (u32)abi_as_u64(&args[1]),
                               &fragment, &found));
    if (require(frame, found, "no such entry")) {
        ret[0] = abi_u64(fragment.serial);
        ret[1] = abi_u64(fragment.index);
        ret[2] = abi_u64(fragment.added_epoch);
        ret[3] = abi_u64(fragment.removed_epoch);
    }
    return ok();
}

static err handle_weight(struct frame *frame, const struct abi_value *args, struct abi_value *ret)
{
    struct slot_source source = frame_slots(frame);
    u32 provider = (u32)abi_as_u64(&args[0]);
    u64 epoch = abi_as_u64(&args[1]);
    u64 values[4] = {0};
    bool found[3] = {false};
    if (!require(frame, provider > 0, "no such provider")) {
        return ok();
    }
    TRY(provider_weight(&source, provider, epoch, &values[0], &found[0]));
    TRY(provider_sum_before(&source, provider, epoch, &values[1], &found[1]));
    TRY(provider_table(&source, epoch, &values[2], &values[3], &found[2]));
    if (require(frame, found[0] && found[1] && found[2], "epoch is not kept")) {
        for (size_t i = 0; i < COUNT_OF(values); i++) {
            ret[i] = abi_u64(values[i]);
        }
    }
    return ok();
}

static const struct native_function functions[] = {
    {PROVIDER_REGISTER, handle_register, 0, 1000,
     "Registers the caller as a provider of an operator, who signs keccak256(\"cairn operator "
     "v1\", chain id as uint64, provider account) unless he is the caller. prefix: 4 in the top "
     "byte and the /24 in the low 3, or 6 and the /48 in the low 6. signer: address of the key "
     "that signs receipts. announced: bytes promised for service."},
    {PROVIDER_UPDATE, handle_update, 0, 500,
     "Changes region, prefix, endpoint, receipt signer and capacity of the calling provider."},
    {PROVIDER_ANNOUNCE, handle_announce, 0, 500,
     "Announces the bytes promised for service, those served already included. Counts as a "
     "heartbeat."},
    {PROVIDER_HEARTBEAT, handle_heartbeat, 0, 200,
     "The calling provider is alive and holds what it "
     "owes."},
    {PROVIDER_DECLARE_LOST_ALL, provider_declare_lost_all, 0, 500,
     "The calling provider lost everything it held; it keeps its number and may be drawn again. "
     "Receipts it signed before are void."},
    {PROVIDER_DECLARE_LOST, provider_declare_lost, 0, 500,
     "The calling provider lost these fragments (at most 256); entries it does not hold are "
     "passed over."},
    {PROVIDER_REPORT_LATE, provider_report_late, 0, 500,
     "Takes a provider whose heartbeat is late out of the weights until its next heartbeat."},
    {PROVIDER_DRAIN, provider_drain, 0, 500,
     "The calling provider takes nothing new; its fragments are handed over by repair."},
    {PROVIDER_EXIT, provider_exit, 0, 500,
     "The calling provider leaves: when it holds nothing, or drain_max_s after it began to drain."},
    {PROVIDER_REJOIN, provider_rejoin, 0, 500, "A draining or gone provider is active again."},
    {PROVIDER_GET, handle_get, NATIVE_VIEW, 400, "The record of a provider."},
    {PROVIDER_OF, handle_of, NATIVE_VIEW, 100, "Number of the provider with this account, or 0."},
    {PROVIDER_COUNT, handle_count, NATIVE_VIEW, 50, "Number of providers; they count from 1."},
    {PROVIDER_FRAGMENT, handle_fragment, NATIVE_VIEW, 100,
     "An entry of a provider's fragment list: what it owes or owed."},
    {PROVIDER_WEIGHT, handle_weight, NATIVE_VIEW, 300,
     "Weight of a provider, sum of all before it, total and number of eligible ones, as of the end "
     "of an epoch, in units of 64 KiB."},
};

static const struct native_event events[] = {
    [PROVIDER_EVENT_REGISTERED] = {PROVIDER_EV_REGISTERED, "A provider registered."},
    [PROVIDER_EVENT_UPDATED] = {PROVIDER_EV_UPDATED, "A provider changed its description."},
    [PROVIDER_EVENT_ANNOUNCED] = {PROVIDER_EV_ANNOUNCED, "A provider announced its space."},
    [PROVIDER_EVENT_LOST_ALL] = {PROVIDER_EV_LOST_ALL,
                                 "Everything at positions below lostBefore is lost."},
    [PROVIDER_EVENT_LOST] = {PROVIDER_EV_LOST, "One fragment is lost."},
    [PROVIDER_EVENT_LATE] = {PROVIDER_EV_LATE, "A provider was reported late."},
    [PROVIDER_EVENT_STATE] = {PROVIDER_EV_STATE, "1 active, 2 draining, 3 gone."},
};

const struct native_module provider_module = {
    .name = "provider",
    .number = MODULE_PROVIDER,
    .version = 1,
    .doc = "Who offers disk, what each provider owes, and the frozen weights that tickets are "
           "drawn from.",
    .functions = functions,
    .function_count = COUNT_OF(functions),
    .events = events,
    .event_count = COUNT_OF(events),
};
