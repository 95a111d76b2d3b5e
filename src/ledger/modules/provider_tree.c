#include "ledger/modules/provider_state.h"

#include "base/assert.h"
#include "ledger/modules/state.h"

#define VALUE_BYTES 7
#define VALUE_LIMIT ((u64)1 << (8 * VALUE_BYTES))
#define WORLD 0 /* the tree of all regions */

void weight_unpack(struct weight_versions *ret_versions, const struct word *word)
{
    ret_versions->epoch = (u32)word_get(word, 0, 4);
    for (size_t i = 0; i < WEIGHT_VERSIONS; i++) {
        ret_versions->value[i] = word_get(word, 4 + i * VALUE_BYTES, VALUE_BYTES);
    }
}

void weight_pack(struct word *ret_word, const struct weight_versions *versions)
{
    *ret_word = (struct word){{0}};
    word_put(ret_word, 0, 4, versions->epoch);
    for (size_t i = 0; i < WEIGHT_VERSIONS; i++) {
        word_put(ret_word, 4 + i * VALUE_BYTES, VALUE_BYTES, versions->value[i]);
    }
}

bool weight_at(const struct weight_versions *versions, u64 epoch, u64 *ret_value)
{
    u64 back = epoch >= versions->epoch ? 0 : versions->epoch - epoch;
    if (back >= WEIGHT_VERSIONS) {
        return false;
    }
    *ret_value = versions->value[back];
    return true;
}

void weight_set(struct weight_versions *versions, u64 epoch, u64 value)
{
    assert_that(epoch >= versions->epoch && epoch <= UINT32_MAX && value < VALUE_LIMIT);
    u64 passed = epoch - versions->epoch;
    for (size_t i = WEIGHT_VERSIONS; i-- > 1 && passed > 0;) {
        versions->value[i] = versions->value[i > passed ? i - (size_t)passed : 0];
    }
    versions->value[0] = value;
    versions->epoch = (u32)epoch;
}

static struct hash tree_slot(u64 map, u32 node)
{
    return layout_map_u64(map, (u64)WORLD << 32 | node, 6);
}

struct hash weight_tree_slot(u32 node) { return tree_slot(PROVIDER_MAP_TREE, node); }

struct hash weight_leaf_slot(u32 provider) { return tree_slot(PROVIDER_MAP_LEAVES, provider); }

struct hash weight_total_slot(void) { return layout_map_u64(PROVIDER_MAP_TOTALS, WORLD, 2); }

static u32 lowest_bit(u32 i) { return i & (~i + 1); }

static err load_versions(const struct slot_source *source, const struct hash *slot,
                         struct weight_versions *ret_versions)
{
    struct word word;
    TRY(layout_words(source, MODULE_PROVIDER, slot, &word, 1));
    weight_unpack(ret_versions, &word);
    return ok();
}

static err store_versions(struct frame *frame, const struct hash *slot,
                          const struct weight_versions *versions)
{
    struct word word;
    weight_pack(&word, versions);
    return state_store(frame, MODULE_PROVIDER, slot, &word, 1);
}

/* A Fenwick node is the sum of the providers (i - lowest_bit(i), i]. The new one's own weight is
 * zero; the rest are nodes that exist, whose four versions are added up one by one. */
err tree_append(struct frame *frame, u32 provider, u64 epoch)
{
    struct slot_source source = frame_slots(frame);
    struct weight_versions node = {.epoch = (u32)epoch};
    u32 stop = provider - lowest_bit(provider);
    for (u32 child = provider - 1; child > stop; child -= lowest_bit(child)) {
        struct hash slot = weight_tree_slot(child);
        struct weight_versions part;
        TRY(load_versions(&source, &slot, &part));
        for (u32 i = 0; i < WEIGHT_VERSIONS; i++) {
            u64 value = 0;
            u64 then = epoch >= i ? epoch - i : 0;
            (void)!weight_at(&part, then, &value); /* epoch 1 has no three before it: zero */
            node.value[i] += value;
        }
    }
    struct hash slot = weight_tree_slot(provider);
    return store_versions(frame, &slot, &node);
}

/* change: value := value - minus + plus, from this epoch on. */
static err change(struct frame *frame, const struct hash *slot, u64 minus, u64 plus, u64 epoch)
{
    struct slot_source source = frame_slots(frame);
    struct weight_versions versions;
    TRY(load_versions(&source, slot, &versions));
    u64 value = versions.value[0];
    if (!frame_running(frame)) {
        return ok(); /* out of gas: what was loaded means nothing */
    }
    assert_that(value >= minus);
    if (require(frame, value - minus + plus < VALUE_LIMIT, "total weight out of range")) {
        weight_set(&versions, epoch, value - minus + plus);
    }
    return store_versions(frame, slot, &versions);
}

err tree_set(struct frame *frame, u32 provider, u32 count, u64 weight, u64 epoch)
{
    struct slot_source source = frame_slots(frame);
    struct hash leaf_slot = weight_leaf_slot(provider);
    struct weight_versions leaf;
    TRY(load_versions(&source, &leaf_slot, &leaf));
    u64 old = leaf.value[0];
    if (!frame_running(frame) || old == weight) {
        return ok();
    }
    struct hash total_slot = weight_total_slot();
    TRY(change(frame, &total_slot, old, weight, epoch));
    if ((old == 0) != (weight == 0)) {
        struct hash eligible_slot = slot_add(&total_slot, 1);
        TRY(change(frame, &eligible_slot, old != 0, weight != 0, epoch));
    }
    for (u64 i = provider; i <= count && frame_running(frame); i += lowest_bit((u32)i)) {
        struct hash slot = weight_tree_slot((u32)i);
        TRY(change(frame, &slot, old, weight, epoch));
    }
    return change(frame, &leaf_slot, old, weight, epoch);
}

err provider_weight(const struct slot_source *source, u32 provider, u64 table_epoch,
                    u64 *ret_weight, bool *ret_found)
{
    struct hash slot = weight_leaf_slot(provider);
    struct weight_versions leaf;
    TRY(load_versions(source, &slot, &leaf));
    *ret_found = weight_at(&leaf, table_epoch, ret_weight);
    return ok();
}

err provider_table(const struct slot_source *source, u64 table_epoch, u64 *ret_total,
                   u64 *ret_eligible, bool *ret_found)
{
    struct hash slot = weight_total_slot();
    struct word words[2];
    struct weight_versions total;
    struct weight_versions eligible;
    TRY(layout_words(source, MODULE_PROVIDER, &slot, words, 2));
    weight_unpack(&total, &words[0]);
    weight_unpack(&eligible, &words[1]);
    *ret_found = weight_at(&total, table_epoch, ret_total) &&
                 weight_at(&eligible, table_epoch, ret_eligible);
    return ok();
}

err provider_sum_before(const struct slot_source *source, u32 provider, u64 table_epoch,
                        u64 *ret_sum, bool *ret_found)
{
    u64 sum = 0;
    assert_that(provider > 0);
    for (u32 i = provider - 1; i > 0; i -= lowest_bit(i)) {
        struct hash slot = weight_tree_slot(i);
        struct weight_versions node;
        u64 value;
        TRY(load_versions(source, &slot, &node));
        if (!weight_at(&node, table_epoch, &value)) {
            *ret_found = false;
            return ok();
        }
        sum += value;
    }
    *ret_sum = sum;
    *ret_found = true;
    return ok();
}
