#include "ledger/modules/params_layout.h"

#include "base/assert.h"

static const struct param_info infos[] = {
#define PARAM_INFO(id, name, standard, devnet, low, high, rate, doc)                               \
    {name, standard, devnet, low, high, rate, doc},
    PARAMS_TABLE(PARAM_INFO)
#undef PARAM_INFO
};

#define PARAM_CHECK(id, name, standard, devnet, low, high, rate, doc)                              \
    _Static_assert((standard) - (low) >= 0 && (devnet) - (low) >= 0 && (standard) <= (high) &&     \
                       (devnet) <= (high),                                                         \
                   "defaults lie within the bounds");
PARAMS_TABLE(PARAM_CHECK)
#undef PARAM_CHECK

const struct param_info *param_info_of(enum param param)
{
    assert_that(param < PARAM_COUNT);
    return &infos[param];
}

bool param_find(enum param *ret, bytes name)
{
    for (size_t i = 0; i < PARAM_COUNT; i++) {
        if (bytes_eq_str(name, infos[i].name)) {
            *ret = (enum param)i;
            return true;
        }
    }
    return false;
}

err params_load(const struct slot_source *source, enum param param, u64 *ret_value)
{
    struct hash slot = slot_number(PARAMS_SLOT_FIRST + (u64)param);
    struct word word;
    TRY(layout_words(source, MODULE_PARAMS, &slot, &word, 1));
    *ret_value = word.b[31] == 1 ? word_get(&word, 0, 8) : param_info_of(param)->standard;
    return ok();
}

err params_governance(const struct slot_source *source, struct address *ret_account)
{
    struct hash slot = slot_number(PARAMS_SLOT_GOVERNANCE);
    struct word word;
    TRY(layout_words(source, MODULE_PARAMS, &slot, &word, 1));
    *ret_account = word_address(&word, 12);
    return ok();
}
