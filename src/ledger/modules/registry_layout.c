#include "ledger/modules/registry_layout.h"

#include "ledger/modules/state.h"

err registry_count(const struct slot_source *source, u32 *ret_count)
{
    struct hash slot = slot_number(REGISTRY_SLOT_COUNT);
    struct word word;
    TRY(layout_words(source, MODULE_REGISTRY, &slot, &word, 1));
    *ret_count = (u32)word_get(&word, 28, 4);
    return ok();
}

err registry_load(const struct slot_source *source, u32 i, struct registry_record *ret_record,
                  bool *ret_found)
{
    struct hash slot = layout_map_u64(REGISTRY_MAP_RECORDS, i, 4);
    struct word words[3];
    TRY(layout_words(source, MODULE_REGISTRY, &slot, words, 3));
    *ret_record = (struct registry_record){.account = word_address(&words[1], 0),
                                           .version = (u32)word_get(&words[1], 20, 4)};
    memcpy(ret_record->name, words[0].b, sizeof words[0].b);
    memcpy(ret_record->interface_hash.b, words[2].b, sizeof words[2].b);
    *ret_found = !address_is_zero(&ret_record->account);
    return ok();
}
