#include "ledger/modules/registry_layout.h"

#include "base/assert.h"
#include "ledger/modules/modules.h"
#include "ledger/modules/state.h"

static err store_module(struct frame *frame, u32 i, const struct native_module *module)
{
    struct hash slot = layout_map_u64(REGISTRY_MAP_RECORDS, i, 4);
    struct word words[3] = {{{0}}, {{0}}, {{0}}};
    struct address account = native_address(module->number);
    struct hash interface_hash;
    size_t len = strlen(module->name);
    assert_that(len <= sizeof words[0].b);
    memcpy(words[0].b, module->name, len);
    word_put_address(&words[1], 0, &account);
    word_put(&words[1], 20, 4, module->version);
    modules_interface_hash(module, &interface_hash);
    memcpy(words[2].b, interface_hash.b, sizeof interface_hash.b);
    return state_store(frame, MODULE_REGISTRY, &slot, words, 3);
}

static err genesis(struct frame *frame, const void *config)
{
    (void)config;
    for (size_t i = 0; i < native_count(); i++) {
        TRY(store_module(frame, (u32)i, native_at(i)));
    }
    struct hash slot = slot_number(REGISTRY_SLOT_COUNT);
    struct word word = {{0}};
    word_put(&word, 28, 4, native_count());
    return state_store(frame, MODULE_REGISTRY, &slot, &word, 1);
}

static err handle_count(struct frame *frame, const struct abi_value *args, struct abi_value *ret)
{
    (void)args;
    struct slot_source source = frame_slots(frame);
    u32 count;
    TRY(registry_count(&source, &count));
    ret[0] = abi_u64(count);
    return ok();
}

static err handle_module(struct frame *frame, const struct abi_value *args, struct abi_value *ret)
{
    struct slot_source source = frame_slots(frame);
    struct registry_record record;
    bool found;
    TRY(registry_load(&source, (u32)abi_as_u64(&args[0]), &record, &found));
    if (!require(frame, found, "no such module")) {
        return ok();
    }
    TRY(state_bytes(frame, bytes_str(record.name), &ret[0]));
    ret[1] = abi_address(&record.account);
    ret[2] = abi_u64(record.version);
    ret[3] = abi_hash(&record.interface_hash);
    return ok();
}

static const struct native_function functions[] = {
    {REGISTRY_COUNT, handle_count, NATIVE_VIEW, 50, "Number of native modules."},
    {REGISTRY_MODULE, handle_module, NATIVE_VIEW, 200,
     "A module by position, in order of addresses. interfaceHash: keccak256 over the topics of all "
     "its functions and events."},
};

const struct native_module registry_module = {
    .name = "registry",
    .number = MODULE_REGISTRY,
    .version = 1,
    .doc = "Which native modules this chain has.",
    .functions = functions,
    .function_count = COUNT_OF(functions),
    .genesis = genesis,
};
