#include "ledger/modules/provider_layout.h"

#include "base/assert.h"
#include "crypto/hash.h"
#include "ledger/modules/params_layout.h"
#include "ledger/modules/provider_state.h"
#include "ledger/modules/state.h"

#define FLAG_OUT_OF_TREE 1

void provider_unpack(struct provider_record *ret_record, const struct word words[PROVIDER_WORDS])
{
    *ret_record = (struct provider_record){
        .account = word_address(&words[0], 0),
        .signer = word_address(&words[1], 0),
        .operator_ = (u32)word_get(&words[0], 20, 4),
        .prefix = (u32)word_get(&words[0], 24, 4),
        .region = (u16)word_get(&words[0], 28, 2),
        .state = (enum provider_state)words[0].b[30],
        .out_of_tree = (words[0].b[31] & FLAG_OUT_OF_TREE) != 0,
        .announced = word_get(&words[2], 0, 8),
        .service = word_get(&words[2], 8, 8),
        .heartbeat = word_get(&words[2], 16, 8),
        .lost_at = word_get(&words[2], 24, 8),
        .lost_before = (u32)word_get(&words[1], 20, 4),
        .list_count = (u32)word_get(&words[1], 24, 4),
        .live = (u32)word_get(&words[1], 28, 4),
        .capacity = word_get(&words[3], 0, 8),
        .joined = word_get(&words[3], 8, 8),
        .state_since = word_get(&words[3], 16, 8),
    };
}

void provider_pack(struct word ret_words[PROVIDER_WORDS], const struct provider_record *record)
{
    memset(ret_words, 0, PROVIDER_WORDS * sizeof *ret_words);
    word_put_address(&ret_words[0], 0, &record->account);
    word_put(&ret_words[0], 20, 4, record->operator_);
    word_put(&ret_words[0], 24, 4, record->prefix);
    word_put(&ret_words[0], 28, 2, record->region);
    ret_words[0].b[30] = (u8)record->state;
    ret_words[0].b[31] = record->out_of_tree ? FLAG_OUT_OF_TREE : 0;
    word_put_address(&ret_words[1], 0, &record->signer);
    word_put(&ret_words[1], 20, 4, record->lost_before);
    word_put(&ret_words[1], 24, 4, record->list_count);
    word_put(&ret_words[1], 28, 4, record->live);
    word_put(&ret_words[2], 0, 8, record->announced);
    word_put(&ret_words[2], 8, 8, record->service);
    word_put(&ret_words[2], 16, 8, record->heartbeat);
    word_put(&ret_words[2], 24, 8, record->lost_at);
    word_put(&ret_words[3], 0, 8, record->capacity);
    word_put(&ret_words[3], 8, 8, record->joined);
    word_put(&ret_words[3], 16, 8, record->state_since);
}

struct hash provider_slot(u32 provider)
{
    return layout_map_u64(PROVIDER_MAP_RECORDS, provider, 4);
}

static err load_record(const struct slot_source *source, u32 provider, size_t word_count,
                       struct provider_record *ret_record, bool *ret_found)
{
    struct hash slot = provider_slot(provider);
    struct word words[PROVIDER_WORDS] = {{{0}}};
    TRY(layout_words(source, MODULE_PROVIDER, &slot, words, word_count));
    provider_unpack(ret_record, words);
    *ret_found = ret_record->state != PROVIDER_NONE;
    return ok();
}

err provider_load(const struct slot_source *source, u32 provider,
                  struct provider_record *ret_record, bool *ret_found)
{
    return load_record(source, provider, PROVIDER_WORDS, ret_record, ret_found);
}

err provider_load_hot(const struct slot_source *source, u32 provider,
                      struct provider_record *ret_record, bool *ret_found)
{
    return load_record(source, provider, PROVIDER_HOT_WORDS, ret_record, ret_found);
}

static err load_u32(const struct slot_source *source, const struct hash *slot, u32 *ret_value)
{
    u64 value;
    TRY(state_load_u64(source, MODULE_PROVIDER, slot, 4, &value));
    *ret_value = (u32)value;
    return ok();
}

err provider_of(const struct slot_source *source, const struct address *account, u32 *ret_provider)
{
    struct hash slot = layout_map_address(PROVIDER_MAP_ACCOUNTS, account);
    return load_u32(source, &slot, ret_provider);
}

err provider_count(const struct slot_source *source, u32 *ret_count)
{
    struct hash slot = slot_number(PROVIDER_SLOT_COUNTS);
    return load_u32(source, &slot, ret_count);
}

err provider_endpoint(const struct slot_source *source, u32 provider, u8 *out, size_t *ret_len)
{
    struct hash slot = layout_map_u64(PROVIDER_MAP_ENDPOINTS, provider, 4);
    return layout_blob(source, MODULE_PROVIDER, &slot, out, PROVIDER_ENDPOINT_BYTES_MAX, ret_len);
}

err provider_prefix_key(const struct slot_source *source, u32 prefix, u64 *ret_key)
{
    struct hash slot = layout_map_u64(PROVIDER_MAP_PREFIX_AT, prefix, 4);
    return state_load_u64(source, MODULE_PROVIDER, &slot, 8, ret_key);
}

err provider_operator(const struct slot_source *source, u32 operator_, struct address *ret_account)
{
    struct hash slot = layout_map_u64(PROVIDER_MAP_OPERATOR_AT, operator_, 4);
    struct word word;
    TRY(layout_words(source, MODULE_PROVIDER, &slot, &word, 1));
    *ret_account = word_address(&word, 0);
    return ok();
}

err provider_late_after(const struct slot_source *source, u64 *ret_seconds)
{
    u64 due;
    u64 late;
    TRY(params_load(source, PARAM_HEARTBEAT_DUE_S, &due));
    TRY(params_load(source, PARAM_HEARTBEAT_LATE_S, &late));
    *ret_seconds = due + late;
    return ok();
}

u64 provider_current_weight(const struct provider_record *record)
{
    bool counts = record->state == PROVIDER_ACTIVE && !record->out_of_tree;
    return counts && record->announced > record->service
               ? (record->announced - record->service) / PROVIDER_WEIGHT_UNIT
               : 0;
}

err provider_fragment_load(const struct slot_source *source, u32 provider, u32 position,
                           struct provider_fragment *ret_fragment, bool *ret_found)
{
    u64 key = (u64)provider << 32 | position / 2;
    struct hash slot = layout_map_u64(PROVIDER_MAP_FRAGMENTS, key, 8);
    struct word word;
    TRY(layout_words(source, MODULE_PROVIDER, &slot, &word, 1));
    size_t at = position % 2 == 0 ? 0 : 16;
    struct provider_fragment fragment = {.serial = word_get(&word, at, 6),
                                         .index = word.b[at + 6],
                                         .added_epoch = (u32)word_get(&word, at + 8, 4),
                                         .removed_epoch = (u32)word_get(&word, at + 12, 4)};
    *ret_found = fragment.serial != 0;
    if (*ret_found) {
        *ret_fragment = fragment;
    }
    return ok();
}

void provider_consent_digest(struct hash *ret_digest, u64 chain_id, const struct address *provider)
{
    u8 chain[8];
    store_be64(chain, chain_id);
    struct bytes parts[] = {bytes_str("cairn operator v1"), BYTES_OF(chain), BYTES_OF(provider->b)};
    keccak256_parts(ret_digest, parts, COUNT_OF(parts));
}

u64 provider_prefix_of(int family, const u8 *address)
{
    assert_that(family == 4 || family == 6);
    u64 key = (u64)family << 56;
    size_t len = family == 4 ? 3 : 6;
    for (size_t i = 0; i < len; i++) {
        key |= (u64)address[i] << (8 * (len - 1 - i));
    }
    return key;
}
