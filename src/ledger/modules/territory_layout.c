#include "ledger/modules/territory_layout.h"

#include "ledger/modules/state.h"
#include "ledger/modules/territory_state.h"

void territory_unpack(struct territory_record *ret_record, const struct word words[TERRITORY_WORDS])
{
    ret_record->owner = word_address(&words[0], 0);
    ret_record->class_number = (enum redundancy)word_get(&words[0], 20, 1);
    ret_record->state = (enum territory_state)word_get(&words[0], 21, 1);
    ret_record->size = word_get(&words[0], 24, 8);
    ret_record->used = word_get(&words[1], 0, 8);
    ret_record->expires = word_get(&words[1], 8, 8);
    ret_record->created_height = word_get(&words[1], 16, 8);
    ret_record->created = word_get(&words[1], 24, 8);
    ret_record->paid = u256_from_be(words[2].b);
    ret_record->created_epoch = (u32)word_get(&words[3], 0, 4);
}

void territory_pack(struct word ret_words[TERRITORY_WORDS], const struct territory_record *record)
{
    memset(ret_words, 0, TERRITORY_WORDS * sizeof *ret_words);
    word_put_address(&ret_words[0], 0, &record->owner);
    word_put(&ret_words[0], 20, 1, (u64)record->class_number);
    word_put(&ret_words[0], 21, 1, (u64)record->state);
    word_put(&ret_words[0], 24, 8, record->size);
    word_put(&ret_words[1], 0, 8, record->used);
    word_put(&ret_words[1], 8, 8, record->expires);
    word_put(&ret_words[1], 16, 8, record->created_height);
    word_put(&ret_words[1], 24, 8, record->created);
    u256_to_be(ret_words[2].b, record->paid);
    word_put(&ret_words[3], 0, 4, record->created_epoch);
}

struct hash territory_slot(u64 territory)
{
    return layout_map_u64(TERRITORY_MAP_RECORDS, territory, 8);
}

err territory_load(const struct slot_source *source, u64 territory,
                   struct territory_record *ret_record, bool *ret_found)
{
    struct hash slot = territory_slot(territory);
    struct word words[TERRITORY_WORDS];
    TRY(layout_words(source, MODULE_TERRITORY, &slot, words, TERRITORY_WORDS));
    territory_unpack(ret_record, words);
    *ret_found = ret_record->state != TERRITORY_NONE;
    return ok();
}

bool territory_accepts(const struct territory_record *record, enum redundancy class_number)
{
    const struct redundancy_info *lease = redundancy_find((u8)record->class_number);
    const struct redundancy_info *wanted = redundancy_find((u8)class_number);
    /* n_w / k_w <= n_l / k_l without division */
    return lease != NULL && wanted != NULL &&
           redundancy_n(wanted) * lease->k <= redundancy_n(lease) * wanted->k;
}

err territory_policy(const struct slot_source *source, u64 territory, u8 *out, size_t *ret_len)
{
    struct hash slot = layout_map_u64(TERRITORY_MAP_POLICIES, territory, 8);
    return layout_blob(source, MODULE_TERRITORY, &slot, out, TERRITORY_POLICY_BYTES_MAX, ret_len);
}

err territory_count(const struct slot_source *source, u64 *ret_count)
{
    struct hash slot = slot_number(TERRITORY_SLOT_COUNT);
    return state_load_u64(source, MODULE_TERRITORY, &slot, 8, ret_count);
}

err territory_owner_load(const struct slot_source *source, const struct address *owner,
                         struct territory_owner *ret_owner)
{
    struct hash slot = layout_map_address(TERRITORY_MAP_OWNERS, owner);
    struct word word;
    TRY(layout_words(source, MODULE_TERRITORY, &slot, &word, 1));
    ret_owner->count = (u32)word_get(&word, 0, 4);
    ret_owner->default_territory = word_get(&word, 4, 8);
    return ok();
}

err territory_owned(const struct slot_source *source, const struct address *owner, u32 i,
                    u64 *ret_territory)
{
    struct hash slot = layout_map_item(TERRITORY_MAP_OWNED, owner, i);
    return state_load_u64(source, MODULE_TERRITORY, &slot, 8, ret_territory);
}

/* wei = ⌈size · duration · n · price · 10^9 / (k · 2^40 · era)⌉. Dividing in two steps gives the
 * same quotient, and the whole division is exact only if both steps are. */
bool territory_price(struct u256 *ret_wei, u64 size, enum redundancy class_number, u64 duration,
                     u64 price_gwei, u64 era_s)
{
    const struct redundancy_info *r = redundancy_find((u8)class_number);
    struct u256 wei = u256_from_u64(size);
    if (r == NULL || era_s == 0 || !u256_mul_u64(&wei, wei, duration) ||
        !u256_mul_u64(&wei, wei, redundancy_n(r)) || !u256_mul_u64(&wei, wei, price_gwei) ||
        !u256_mul_u64(&wei, wei, 1000000000)) {
        return false;
    }
    u64 rest_a;
    u64 rest_b;
    wei = u256_div_u64(wei, (u64)r->k << 40, &rest_a);
    wei = u256_div_u64(wei, era_s, &rest_b);
    if ((rest_a != 0 || rest_b != 0) && !u256_add(&wei, wei, u256_from_u64(1))) {
        return false;
    }
    *ret_wei = wei;
    return true;
}
