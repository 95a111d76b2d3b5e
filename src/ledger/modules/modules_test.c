/* The call-kind matrix over every function of every module, and the small modules. */
#include "ledger/modules/world.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* A call that would do something if it were allowed: zeros are valid for every static type. */
static struct abi_value zero_value(const struct abi_type *type)
{
    switch (type->kind) {
    case ABI_BYTES:
    case ABI_STRING:
        return abi_bytes(bytes_make("", 0));
    case ABI_ARRAY:
        return abi_array(NULL, 0);
    case ABI_TUPLE:
    case ABI_UINT:
    case ABI_INT:
    case ABI_ADDRESS:
    case ABI_BOOL:
    case ABI_FIXED_BYTES:
        break;
    }
    return abi_u64(0);
}

static bytes zero_call(struct world *world, const struct abi_entry *entry)
{
    struct abi_value args[ABI_PARAMS_MAX];
    struct buf input;
    for (size_t i = 0; i < entry->input_count; i++) {
        args[i] = zero_value(&entry->inputs[i]);
    }
    buf_init(&input, KIB(64));
    abi_encode_call(&input, entry, args);
    bytes copy = arena_copy(&world->arena, buf_bytes(&input));
    buf_free(&input);
    return copy;
}

static void expect_refusal(struct world *world, u32 module, bytes input, const char *reason)
{
    struct address caller = world_person(1);
    struct hash before = world_hash(world);
    world_call_raw(world, module, &caller, input);
    struct hash after = world_hash(world);
    assert_int_equal(world->status, FRAME_REVERTED);
    assert_string_equal(world_reason(world), reason);
    assert_int_equal(world->journal.log_count, 0);
    assert_true(hash_eq(&before, &after));
}

static void check_kinds(struct world *world, const struct native_module *module, size_t i)
{
    const struct native_function *function = &module->functions[i];
    bytes input = zero_call(world, native_function_abi(module, i));
    world->kind = CALL_DELEGATE;
    expect_refusal(world, module->number, input, "native modules take no delegate calls");
    world->kind = CALL_CODE;
    expect_refusal(world, module->number, input, "native modules take no delegate calls");
    if ((function->flags & NATIVE_VIEW) == 0) {
        world->kind = CALL_STATIC;
        expect_refusal(world, module->number, input, "state change in a static call");
    }
    world->kind = CALL_PLAIN;
    if ((function->flags & NATIVE_PAYABLE) == 0) {
        world->value = u256_from_u64(1);
        expect_refusal(world, module->number, input, "function is not payable");
        world->value = u256_from_u64(0);
    }
}

/* Every argument word made dirty in turn, a byte too many, a byte too few. */
static void check_arguments(struct world *world, const struct native_module *module, size_t i)
{
    const struct abi_entry *entry = native_function_abi(module, i);
    bytes input = zero_call(world, entry);
    u8 *changed = arena_alloc(&world->arena, input.len + 1);
    assert_non_null(changed);
    memcpy(changed, input.data, input.len);
    for (size_t j = 0; j < entry->input_count; j++) {
        bool is_full = entry->inputs[j].size == 256 ||
                       (entry->inputs[j].kind == ABI_FIXED_BYTES && entry->inputs[j].size == 32);
        size_t at = 4 + 32 * j + (entry->inputs[j].kind == ABI_FIXED_BYTES ? 31 : 0);
        if (!is_full) {
            changed[at] ^= 1;
            expect_refusal(world, module->number, bytes_make(changed, input.len),
                           "malformed arguments");
            changed[at] ^= 1;
        }
    }
    expect_refusal(world, module->number, bytes_make(changed, input.len + 1),
                   "malformed arguments");
    if (input.len > 4) {
        expect_refusal(world, module->number, bytes_make(changed, input.len - 1),
                       "malformed arguments");
    }
}

static void views_change_nothing(struct world *world, const struct native_module *module, size_t i)
{
    struct address caller = world_person(1);
    if ((module->functions[i].flags & NATIVE_VIEW) == 0) {
        return;
    }
    struct hash before = world_hash(world);
    world->kind = CALL_STATIC;
    world_call_raw(world, module->number, &caller,
                   zero_call(world, native_function_abi(module, i)));
    struct hash after = world_hash(world);
    assert_true(world->status != FRAME_OUT_OF_GAS);
    assert_true(hash_eq(&before, &after));
    world->kind = CALL_PLAIN;
}

static void test_matrix(void **state)
{
    (void)state;
    struct world world;
    world_init(&world);
    for (size_t m = 0; m < native_count(); m++) {
        for (size_t i = 0; i < native_at(m)->function_count; i++) {
            check_kinds(&world, native_at(m), i);
            check_arguments(&world, native_at(m), i);
            views_change_nothing(&world, native_at(m), i);
        }
        expect_refusal(&world, native_at(m)->number, bytes_str("abc"), "no such function");
        expect_refusal(&world, native_at(m)->number, bytes_str("abcdefgh"), "no such function");
    }
    world_free(&world);
}

static void test_registry(void **state)
{
    (void)state;
    struct world world;
    world_init(&world);
    struct slot_source source = world_slots(&world);
    u32 count;
    world_check(registry_count(&source, &count));
    assert_int_equal(count, native_modules_count);
    for (u32 i = 0; i < count; i++) {
        struct registry_record record;
        struct hash hash;
        bool found;
        world_check(registry_load(&source, i, &record, &found));
        assert_true(found);
        assert_string_equal(record.name, native_at(i)->name);
        modules_interface_hash(native_at(i), &hash);
        assert_true(hash_eq(&hash, &record.interface_hash));
    }
    struct registry_record record;
    bool found;
    world_check(registry_load(&source, count, &record, &found));
    assert_false(found);
    world_free(&world);
}

static u64 param(struct world *world, enum param id)
{
    struct slot_source source = world_slots(world);
    u64 value;
    world_check(params_load(&source, id, &value));
    return value;
}

static bool set_param(struct world *world, u32 caller, const char *name, u64 value)
{
    struct address account = world_person(caller);
    struct abi_value args[] = {abi_bytes(bytes_str(name)), abi_u64(value)};
    return world_call(world, &params_module, "set", &account, args);
}

static void test_params(void **state)
{
    (void)state;
    struct world world;
    world_init(&world);
    assert_int_equal(param(&world, PARAM_EPOCH_SECONDS), 10);
    assert_int_equal(param(&world, PARAM_RELEASE_DELAY_S), 86400);
    assert_true(set_param(&world, 0, "epoch_seconds", 20));
    assert_int_equal(world_logs(&world, &params_module, "ParamChanged", NULL), 1);
    assert_int_equal(param(&world, PARAM_EPOCH_SECONDS), 20);
    assert_false(set_param(&world, 1, "epoch_seconds", 30));
    assert_string_equal(world_reason(&world), "only governance may change parameters");
    assert_false(set_param(&world, 0, "epoch_seconds", 0));
    assert_string_equal(world_reason(&world), "out of bounds");
    assert_false(set_param(&world, 0, "no_such_thing", 1));
    assert_string_equal(world_reason(&world), "no such parameter");
    assert_int_equal(param(&world, PARAM_EPOCH_SECONDS), 20);
    /* A rated one: at most 50 percent, once a day. */
    u64 price = param(&world, PARAM_PRICE_PER_TIB_ERA);
    assert_false(set_param(&world, 0, "price_per_tib_era", price * 2));
    assert_true(set_param(&world, 0, "price_per_tib_era", price / 2));
    assert_false(set_param(&world, 0, "price_per_tib_era", price / 2 + 1));
    world_block(&world, 86400);
    assert_true(set_param(&world, 0, "price_per_tib_era", price / 2 + price / 4));
    assert_false(set_param(&world, 0, "price_per_tib_era", 1));
    world_free(&world);
}

static void test_governance(void **state)
{
    (void)state;
    struct world world;
    world_init(&world);
    struct address old = world_person(0);
    struct address new = world_person(5);
    struct abi_value args[] = {abi_address(&new)};
    assert_false(world_call(&world, &params_module, "setGovernance", &new, args));
    assert_true(world_call(&world, &params_module, "setGovernance", &old, args));
    assert_false(set_param(&world, 0, "seats_max", 7));
    assert_true(set_param(&world, 5, "seats_max", 7));
    /* Given to nobody, parameters are fixed; the zero address has no special rights. */
    struct address zero = {{0}};
    struct abi_value nobody[] = {abi_address(&zero)};
    assert_true(world_call(&world, &params_module, "setGovernance", &new, nobody));
    struct abi_value call[] = {abi_bytes(bytes_str("seats_max")), abi_u64(5)};
    assert_false(world_call(&world, &params_module, "set", &zero, call));
    world_free(&world);
}

static void test_params_genesis(void **state)
{
    (void)state;
    struct world world;
    world_init(&world);
    static const char *const bad[] = {
        "{\"profile\": \"other\"}", "{\"nonsense\": 1}",          "{\"epoch_seconds\": 0}",
        "{\"epoch_seconds\": -1}",  "{\"epoch_seconds\": \"1\"}", "{\"governance\": \"0x12\"}",
        "{\"governance\": 5}",
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_true(is_err(world_genesis(&world, &params_module, bad[i]), ERR_USAGE));
    }
    world_check(world_genesis(&world, &params_module, "{\"epoch_seconds\": 77}"));
    assert_int_equal(param(&world, PARAM_EPOCH_SECONDS), 77);
    world_free(&world);
}

static void test_epochs(void **state)
{
    (void)state;
    struct world world;
    world_init(&world);
    struct slot_source source = world_slots(&world);
    struct beacon_state beacon;
    struct beacon_epoch epoch;
    bool found;
    world_check(beacon_load(&source, &beacon));
    assert_int_equal(beacon.epoch, 1);
    assert_int_equal(beacon.start_height, 1);
    u64 start = beacon.start_time;
    /* One second too early, then exactly at the time. */
    world_block(&world, start + 9 - world.block.time);
    world_check(beacon_load(&source, &beacon));
    assert_int_equal(beacon.epoch, 1);
    world_block(&world, 1);
    world_check(beacon_load(&source, &beacon));
    assert_int_equal(beacon.epoch, 2);
    assert_int_equal(beacon.start_height, world.block.height);
    struct hash seed;
    beacon_seed_of(&seed, &world.block.parent_hash, 2);
    world_check(beacon_epoch_load(&source, 2, &epoch, &found));
    assert_true(found && hash_eq(&epoch.seed, &seed) && epoch.blocks == 0);
    world_check(beacon_epoch_load(&source, 1, &epoch, &found));
    assert_true(found && !epoch.is_void);
    assert_int_equal(epoch.blocks, 4);
    world_check(beacon_epoch_load(&source, 3, &epoch, &found));
    assert_false(found);
    world_check(beacon_epoch_load(&source, 0, &epoch, &found));
    assert_false(found);
    world_free(&world);
}

static void test_long_gap(void **state)
{
    (void)state;
    struct world world;
    world_init(&world);
    struct slot_source source = world_slots(&world);
    struct beacon_state beacon;
    u64 now = world_now(&world);
    /* A pause of a thousand epochs closes one, and chain time stands still. */
    world_block(&world, 10000);
    world_check(beacon_load(&source, &beacon));
    assert_int_equal(beacon.epoch, 2);
    assert_int_equal(world_now(&world), now);
    assert_int_equal(beacon.paused_s, 10000);
    world_block(&world, 10); /* not longer than the limit: counts */
    assert_int_equal(world_now(&world), now + 10);
    world_free(&world);
}

static void test_void_epoch_and_ring(void **state)
{
    (void)state;
    struct world world;
    world_init(&world);
    struct slot_source source = world_slots(&world);
    struct beacon_epoch epoch;
    bool found;
    world_set_param(&world, "epoch_blocks_min", 3);
    world_blocks(&world, 4, 10);
    world_check(beacon_epoch_load(&source, 2, &epoch, &found));
    assert_true(found && epoch.is_void);
    assert_int_equal(epoch.blocks, 1);
    world_blocks(&world, BEACON_EPOCHS_KEPT, 10);
    world_check(beacon_epoch_load(&source, 2, &epoch, &found));
    assert_false(found);
    world_free(&world);
}

static void test_outputs(void **state)
{
    (void)state;
    struct world world;
    world_init(&world);
    struct slot_source source = world_slots(&world);
    struct hash output;
    struct hash wanted;
    bool found;
    u64 height = world.block.height;
    world_check(beacon_output(&source, height, &output, &found));
    assert_false(found); /* its hash is not known yet */
    world_block(&world, 1);
    beacon_output_of(&wanted, &world.block.parent_hash, height);
    world_check(beacon_output(&source, height, &output, &found));
    assert_true(found && hash_eq(&output, &wanted));
    /* A lease keeps the output of the second block after it, for good. */
    u64 kept = world.block.height + 2;
    world_lease(&world, 1, MIB(1), RS_4_8);
    world_blocks(&world, 3, 1);
    beacon_output_of(&wanted, &world.block.parent_hash, kept);
    world_check(beacon_output(&source, kept, &output, &found));
    assert_true(found && hash_eq(&output, &wanted));
    world_blocks(&world, BEACON_OUTPUTS_KEPT + 1, 1);
    world_check(beacon_output(&source, height, &output, &found));
    assert_false(found);
    world_check(beacon_output(&source, kept, &output, &found));
    assert_true(found && hash_eq(&output, &wanted));
    world_free(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matrix),         cmocka_unit_test(test_registry),
        cmocka_unit_test(test_params),         cmocka_unit_test(test_governance),
        cmocka_unit_test(test_params_genesis), cmocka_unit_test(test_epochs),
        cmocka_unit_test(test_long_gap),       cmocka_unit_test(test_void_epoch_and_ring),
        cmocka_unit_test(test_outputs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
