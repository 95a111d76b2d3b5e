#include "ledger/modules/bucket_layout.h"

#include "crypto/hash.h"
#include "ledger/modules/bucket_state.h"
#include "ledger/modules/state.h"

#define FORMER_WORDS 2

struct hash bucket_slot(const struct hash *bucket)
{
    return slot_of_map(BUCKET_MAP_RECORDS, BYTES_OF(bucket->b));
}

struct hash bucket_formers_slot(const struct hash *bucket)
{
    return slot_of_map(BUCKET_MAP_FORMERS, BYTES_OF(bucket->b));
}

struct hash bucket_name_slot(const struct hash *bucket)
{
    return slot_of_map(BUCKET_MAP_NAMES, BYTES_OF(bucket->b));
}

void locator_to_word(struct word *word, const struct locator *locator)
{
    word_put(word, 0, 4, locator->gateway);
    word_put(word, 4, 8, locator->number);
    word_put(word, 12, 4, locator->offset);
    word_put(word, 16, 4, locator->length);
}

struct locator locator_of_word(const struct word *word)
{
    return (struct locator){.gateway = (u32)word_get(word, 0, 4),
                            .number = word_get(word, 4, 8),
                            .offset = (u32)word_get(word, 12, 4),
                            .length = (u32)word_get(word, 16, 4)};
}

bool locator_is_zero(const struct locator *locator)
{
    return locator->gateway == 0 && locator->number == 0 && locator->offset == 0 &&
           locator->length == 0;
}

void bucket_unpack(struct bucket_record *ret_record, const struct word words[BUCKET_WORDS])
{
    ret_record->owner = word_address(&words[0], 0);
    ret_record->territory = word_get(&words[0], 20, 8);
    ret_record->policy = words[0].b[28];
    ret_record->removed = words[0].b[29] == 1;
    ret_record->former_next = words[0].b[30];
    ret_record->former_count = words[0].b[31];
    memcpy(ret_record->head.hash.b, words[1].b, 32);
    ret_record->head.locator = locator_of_word(&words[2]);
    ret_record->former_kept = word_get(&words[2], 20, 8);
    ret_record->label_version = (u32)word_get(&words[2], 28, 4);
    ret_record->moves = word_get(&words[3], 0, 8);
    ret_record->created = word_get(&words[3], 8, 8);
    memcpy(ret_record->label_key.b, words[4].b, 32);
    ret_record->label_key.b[32] = words[5].b[0];
}

void bucket_pack(struct word ret_words[BUCKET_WORDS], const struct bucket_record *record)
{
    memset(ret_words, 0, BUCKET_WORDS * sizeof *ret_words);
    word_put_address(&ret_words[0], 0, &record->owner);
    word_put(&ret_words[0], 20, 8, record->territory);
    ret_words[0].b[28] = record->policy;
    ret_words[0].b[29] = record->removed;
    ret_words[0].b[30] = record->former_next;
    ret_words[0].b[31] = record->former_count;
    memcpy(ret_words[1].b, record->head.hash.b, 32);
    locator_to_word(&ret_words[2], &record->head.locator);
    word_put(&ret_words[2], 20, 8, record->former_kept);
    word_put(&ret_words[2], 28, 4, record->label_version);
    word_put(&ret_words[3], 0, 8, record->moves);
    word_put(&ret_words[3], 8, 8, record->created);
    memcpy(ret_words[4].b, record->label_key.b, 32);
    ret_words[5].b[0] = record->label_key.b[32];
}

void bucket_id(struct hash *ret_id, const struct address *owner, const struct hash *salt)
{
    struct bytes parts[] = {BYTES_OF(owner->b), BYTES_OF(salt->b)};
    keccak256_parts(ret_id, parts, COUNT_OF(parts));
}

err bucket_load(const struct slot_source *source, const struct hash *bucket,
                struct bucket_record *ret_record, bool *ret_found)
{
    struct hash slot = bucket_slot(bucket);
    struct word words[BUCKET_WORDS];
    TRY(layout_words(source, MODULE_BUCKET, &slot, words, BUCKET_WORDS));
    bucket_unpack(ret_record, words);
    *ret_found = !address_is_zero(&ret_record->owner);
    return ok();
}

err bucket_name(const struct slot_source *source, const struct hash *bucket, u8 *out,
                size_t *ret_len)
{
    struct hash slot = bucket_name_slot(bucket);
    return layout_blob(source, MODULE_BUCKET, &slot, out, BUCKET_NAME_BYTES_MAX, ret_len);
}

err bucket_former(const struct slot_source *source, const struct hash *bucket,
                  const struct bucket_record *record, u8 age, struct bucket_former *ret_former,
                  bool *ret_found)
{
    if (age >= record->former_count || age >= BUCKET_FORMER_HEADS) {
        *ret_found = false;
        return ok();
    }
    u64 at = ((u64)record->former_next + BUCKET_FORMER_HEADS - 1 - age) % BUCKET_FORMER_HEADS;
    struct hash base = bucket_formers_slot(bucket);
    struct hash slot = slot_add(&base, at * FORMER_WORDS);
    struct word words[FORMER_WORDS];
    TRY(layout_words(source, MODULE_BUCKET, &slot, words, FORMER_WORDS));
    memcpy(ret_former->head.hash.b, words[0].b, 32);
    ret_former->head.locator = locator_of_word(&words[1]);
    ret_former->replaced = word_get(&words[1], 20, 8);
    *ret_found = true;
    return ok();
}

err bucket_owned_count(const struct slot_source *source, const struct address *owner,
                       u32 *ret_count)
{
    struct hash slot = layout_map_address(BUCKET_MAP_OWNERS, owner);
    u64 count;
    TRY(state_load_u64(source, MODULE_BUCKET, &slot, 4, &count));
    *ret_count = (u32)count;
    return ok();
}

err bucket_owned(const struct slot_source *source, const struct address *owner, u32 i,
                 struct hash *ret_bucket)
{
    struct hash slot = layout_map_item(BUCKET_MAP_OWNED, owner, i);
    struct word word;
    TRY(layout_words(source, MODULE_BUCKET, &slot, &word, 1));
    memcpy(ret_bucket->b, word.b, sizeof word.b);
    return ok();
}

struct hash gateway_slot(u32 gateway) { return layout_map_u64(BUCKET_MAP_GATEWAYS, gateway, 4); }

err gateway_load(const struct slot_source *source, u32 gateway, struct gateway_record *ret_record,
                 bool *ret_found)
{
    struct hash slot = gateway_slot(gateway);
    struct word words[GATEWAY_WORDS];
    TRY(layout_words(source, MODULE_BUCKET, &slot, words, GATEWAY_WORDS));
    ret_record->account = word_address(&words[0], 0);
    ret_record->active = words[0].b[20] == 1;
    ret_record->registered = word_get(&words[0], 24, 8);
    memcpy(ret_record->box_key.b, words[1].b, 32);
    *ret_found = !address_is_zero(&ret_record->account);
    return ok();
}

err gateway_endpoint(const struct slot_source *source, u32 gateway, u8 *out, size_t *ret_len)
{
    struct hash slot = layout_map_u64(BUCKET_MAP_ENDPOINTS, gateway, 4);
    return layout_blob(source, MODULE_BUCKET, &slot, out, GATEWAY_ENDPOINT_BYTES_MAX, ret_len);
}

static err load_u32(const struct slot_source *source, const struct hash *slot, u32 *ret_value)
{
    u64 value;
    TRY(state_load_u64(source, MODULE_BUCKET, slot, 4, &value));
    *ret_value = (u32)value;
    return ok();
}

err gateway_of(const struct slot_source *source, const struct address *account, u32 *ret_gateway)
{
    struct hash slot = layout_map_address(BUCKET_MAP_ACCOUNTS, account);
    return load_u32(source, &slot, ret_gateway);
}

err gateway_count(const struct slot_source *source, u32 *ret_count)
{
    struct hash slot = slot_number(BUCKET_SLOT_GATEWAYS);
    return load_u32(source, &slot, ret_count);
}

struct layout_key authorisation_map_key(const struct authorisation_key *key)
{
    struct layout_key map_key = layout_key_none();
    layout_key_address(&map_key, &key->owner);
    layout_key_u64(&map_key, key->territory, 8);
    layout_key_u64(&map_key, key->gateway, 4);
    return map_key;
}

struct hash authorisation_slot(const struct authorisation_key *key)
{
    struct layout_key map_key = authorisation_map_key(key);
    return layout_map(BUCKET_MAP_AUTHORISATIONS, &map_key);
}

void authorisation_pack(struct word ret_words[AUTHORISATION_WORDS],
                        const struct authorisation *record)
{
    memset(ret_words, 0, AUTHORISATION_WORDS * sizeof *ret_words);
    word_put(&ret_words[0], 0, 4, record->scope);
    word_put(&ret_words[0], 4, 4, record->since_epoch);
    word_put(&ret_words[0], 8, 8, record->since_height);
    word_put(&ret_words[0], 16, 8, record->expires);
    ret_words[0].b[24] = 1;
    word_put(&ret_words[1], 0, 8, record->quota);
    word_put(&ret_words[1], 8, 8, record->used);
}

err authorisation_load(const struct slot_source *source, const struct authorisation_key *key,
                       struct authorisation *ret_record, bool *ret_found)
{
    struct hash slot = authorisation_slot(key);
    struct word words[AUTHORISATION_WORDS];
    TRY(layout_words(source, MODULE_BUCKET, &slot, words, AUTHORISATION_WORDS));
    ret_record->scope = (u32)word_get(&words[0], 0, 4);
    ret_record->since_epoch = (u32)word_get(&words[0], 4, 4);
    ret_record->since_height = word_get(&words[0], 8, 8);
    ret_record->expires = word_get(&words[0], 16, 8);
    ret_record->quota = word_get(&words[1], 0, 8);
    ret_record->used = word_get(&words[1], 8, 8);
    *ret_found = words[0].b[24] == 1;
    return ok();
}

err authorisation_sealed_key(const struct slot_source *source, const struct authorisation_key *key,
                             u8 *out, size_t *ret_len)
{
    struct layout_key map_key = authorisation_map_key(key);
    struct hash slot = layout_map(BUCKET_MAP_SEALED, &map_key);
    return layout_blob(source, MODULE_BUCKET, &slot, out, SEALED_KEY_BYTES_MAX, ret_len);
}

err authorisation_find(const struct slot_source *source, const struct address *owner, u64 territory,
                       u32 gateway, u32 scope, u64 block_time, struct authorisation_key *ret_key,
                       struct authorisation *ret_record, bool *ret_found)
{
    const u64 places[] = {territory, 0};
    for (size_t i = 0; i < COUNT_OF(places); i++) {
        struct authorisation_key key = {
            .owner = *owner, .territory = places[i], .gateway = gateway};
        struct authorisation record;
        bool found;
        TRY(authorisation_load(source, &key, &record, &found));
        if (found && (record.scope & scope) == scope && block_time < record.expires) {
            *ret_key = key;
            *ret_record = record;
            *ret_found = true;
            return ok();
        }
    }
    *ret_found = false;
    return ok();
}

err authorisation_owner_count(const struct slot_source *source, const struct address *owner,
                              u32 *ret_count)
{
    struct hash slot = layout_map_address(BUCKET_MAP_GIVEN_COUNT, owner);
    return load_u32(source, &slot, ret_count);
}

err authorisation_owner_at(const struct slot_source *source, const struct address *owner, u32 i,
                           struct authorisation_key *ret_key)
{
    struct hash slot = layout_map_item(BUCKET_MAP_GIVEN, owner, i);
    struct word word;
    TRY(layout_words(source, MODULE_BUCKET, &slot, &word, 1));
    *ret_key = (struct authorisation_key){
        .owner = *owner, .territory = word_get(&word, 0, 8), .gateway = (u32)word_get(&word, 8, 4)};
    return ok();
}

err authorisation_gateway_count(const struct slot_source *source, u32 gateway, u32 *ret_count)
{
    struct hash slot = layout_map_u64(BUCKET_MAP_GOT_COUNT, gateway, 4);
    return load_u32(source, &slot, ret_count);
}

err authorisation_gateway_at(const struct slot_source *source, u32 gateway, u32 i,
                             struct authorisation_key *ret_key)
{
    struct hash slot = layout_map_u64(BUCKET_MAP_GOT, (u64)gateway << 32 | i, 8);
    struct word word;
    TRY(layout_words(source, MODULE_BUCKET, &slot, &word, 1));
    *ret_key = (struct authorisation_key){
        .owner = word_address(&word, 0), .territory = word_get(&word, 20, 8), .gateway = gateway};
    return ok();
}
