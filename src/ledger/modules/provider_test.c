/* Providers: registration, the frozen weight tree against a plain model, states. */
#include "ledger/modules/provider_state.h"
#include "ledger/modules/scene.h"

#include "base/mem.h"
#include "base/prng.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define MODEL_PROVIDERS 40
#define MODEL_EPOCHS 60

static void test_versions(void **state)
{
    (void)state;
    struct weight_versions v = {0};
    struct word word;
    u64 value = 9;
    assert_true(weight_at(&v, 0, &value) && value == 0);
    weight_set(&v, 5, 50);
    assert_true(weight_at(&v, 5, &value) && value == 50);
    assert_true(weight_at(&v, 4, &value) && value == 0);
    assert_true(weight_at(&v, 2, &value) && value == 0);
    assert_false(weight_at(&v, 1, &value)); /* older than what is kept */
    weight_set(&v, 5, 51);
    assert_true(weight_at(&v, 5, &value) && value == 51);
    assert_true(weight_at(&v, 4, &value) && value == 0);
    weight_set(&v, 7, 70);
    assert_true(weight_at(&v, 6, &value) && value == 51);
    assert_true(weight_at(&v, 5, &value) && value == 51);
    assert_true(weight_at(&v, 4, &value) && value == 0);
    weight_set(&v, 100, 1);
    for (u64 e = 97; e < 100; e++) {
        assert_true(weight_at(&v, e, &value) && value == 70);
    }
    weight_set(&v, 101, ((u64)1 << 56) - 1);
    weight_pack(&word, &v);
    struct weight_versions back;
    weight_unpack(&back, &word);
    assert_int_equal(back.epoch, v.epoch);
    assert_memory_equal(back.value, v.value, sizeof v.value);
}

/* What the tree should say, kept as a plain table per epoch. */
struct model {
    u64 now[MODEL_PROVIDERS + 1];
    u64 at[MODEL_EPOCHS + 1][MODEL_PROVIDERS + 1]; /* as of the end of the epoch */
    u32 count;
};

static void check_model(struct world *world, const struct model *model, u64 epoch)
{
    struct slot_source source = world_slots(world);
    for (u64 e = epoch < 3 ? 0 : epoch - 3; e <= epoch; e++) {
        u64 sum = 0;
        u64 eligible = 0;
        u64 value;
        u64 total;
        u64 found_eligible;
        bool found;
        for (u32 p = 1; p <= model->count; p++) {
            u64 weight = e == epoch ? model->now[p] : model->at[e][p];
            world_check(provider_sum_before(&source, p, e, &value, &found));
            assert_true(found && value == sum);
            world_check(provider_weight(&source, p, e, &value, &found));
            assert_true(found && value == weight);
            sum += weight;
            eligible += weight > 0;
        }
        world_check(provider_table(&source, e, &total, &found_eligible, &found));
        assert_true(found && total == sum && found_eligible == eligible);
    }
}

static void test_tree_against_model(void **state)
{
    (void)state;
    struct world world;
    struct prng prng;
    struct model *model = mem_alloc(sizeof *model);
    struct slot_source source;
    struct beacon_state beacon;
    world_init(&world);
    prng_init(&prng, 20240607);
    source = world_slots(&world);
    for (u64 step = 0; step < 600; step++) {
        world_check(beacon_load(&source, &beacon));
        u64 kind = prng_below(&prng, 10);
        if (kind == 0 && model->count < MODEL_PROVIDERS) {
            u64 units = prng_below(&prng, 1000);
            u32 i = 100 + model->count;
            model->count = world_add_provider(&world, i, i, i, units * PROVIDER_WEIGHT_UNIT);
            model->now[model->count] = units;
        } else if (kind < 7 && model->count > 0) {
            u32 p = 1 + (u32)prng_below(&prng, model->count);
            u64 units = prng_below(&prng, 4) == 0 ? 0 : prng_below(&prng, 100000);
            struct address account = world_person(99 + p);
            struct abi_value args[] = {abi_u64(units * PROVIDER_WEIGHT_UNIT + 7)};
            assert_true(world_call(&world, &provider_module, "announce", &account, args));
            model->now[p] = units;
        } else if (beacon.epoch < MODEL_EPOCHS) {
            memcpy(model->at[beacon.epoch], model->now, sizeof model->now);
            world_block(&world, 10);
            world_check(beacon_load(&source, &beacon));
        }
        if (step % 20 == 0) {
            check_model(&world, model, beacon.epoch);
        }
    }
    check_model(&world, model, beacon.epoch);
    mem_free(model);
    world_free(&world);
}

static bool register_as(struct world *world, u32 i, const struct abi_value *args)
{
    struct address account = world_person(i);
    return world_call(world, &provider_module, "register", &account, args);
}

static void test_register(void **state)
{
    (void)state;
    struct world world;
    world_init(&world);
    struct slot_source source = world_slots(&world);
    struct provider_record record;
    struct address account = world_person(7);
    u8 endpoint[PROVIDER_ENDPOINT_BYTES_MAX];
    size_t len;
    bool found;
    u32 number;
    u64 prefix;
    assert_int_equal(world_add_provider(&world, 7, 8, 5, GIB(1)), 1);
    assert_int_equal(world_add_provider(&world, 9, 8, 6, GIB(2)), 2);
    assert_int_equal(world_add_provider(&world, 8, 8, 5, GIB(3)), 3);
    assert_int_equal(world_add_provider(&world, 10, 11, 7, GIB(3)), 4);
    world_check(provider_load(&source, 1, &record, &found));
    assert_true(found && address_eq(&record.account, &account));
    assert_int_equal(record.operator_, 1);
    assert_int_equal(record.prefix, 1);
    assert_int_equal(record.region, 276);
    assert_int_equal(record.announced, GIB(1));
    world_check(provider_load(&source, 3, &record, &found));
    assert_int_equal(record.operator_, 1);
    assert_int_equal(record.prefix, 1);
    world_check(provider_load(&source, 4, &record, &found));
    assert_int_equal(record.operator_, 2);
    assert_int_equal(record.prefix, 3);
    world_check(provider_load(&source, 5, &record, &found));
    assert_false(found);
    world_check(provider_of(&source, &account, &number));
    assert_int_equal(number, 1);
    world_check(provider_endpoint(&source, 1, endpoint, &len));
    assert_true(bytes_eq_str(bytes_make(endpoint, len), "http://127.0.1.1:9000"));
    world_check(provider_prefix_key(&source, 2, &prefix));
    assert_int_equal(prefix, (u64)4 << 56 | 6);
    struct address operator_;
    struct address wanted = world_person(8);
    world_check(provider_operator(&source, 1, &operator_));
    assert_true(address_eq(&operator_, &wanted));
    world_free(&world);
}

static void test_register_refusals(void **state)
{
    (void)state;
    struct world world;
    world_init(&world);
    struct address self = world_person(7);
    struct address other = world_person(8);
    struct address zero = {{0}};
    struct hash digest;
    struct secp_signature consent;
    struct secp_secret other_secret = world_secret(8);
    char long_url[PROVIDER_ENDPOINT_BYTES_MAX + 1];
    memset(long_url, 'a', sizeof long_url);
    provider_consent_digest(&digest, WORLD_CHAIN_ID, &other); /* for someone else */
    secp_sign(&consent, &other_secret, &digest);
    const struct abi_value good[] = {abi_address(&self),
                                     abi_bytes(bytes_make("", 0)),
                                     abi_u64(0),
                                     abi_u64((u64)6 << 56 | 1),
                                     abi_bytes(bytes_str("http://h")),
                                     abi_address(&self),
                                     abi_u64(100),
                                     abi_u64(100)};
    const struct {
        size_t at;
        struct abi_value value;
        const char *reason;
    } cases[] = {
        {0, abi_address(&other), "consent is not 65 bytes"},
        {0, abi_address(&zero), "operator is zero"},
        {1, abi_bytes(BYTES_OF(consent.b)), "consent of oneself is empty"},
        {3, abi_u64(0), "no address prefix"},
        {3, abi_u64((u64)4 << 56 | 1 << 24), "no address prefix"},
        {3, abi_u64((u64)5 << 56), "no address prefix"},
        {4, abi_bytes(bytes_make("", 0)), "endpoint is empty or too long"},
        {4, abi_bytes(bytes_make(long_url, sizeof long_url)), "endpoint is empty or too long"},
        {5, abi_address(&zero), "signer is zero"},
        {6, abi_u64(PROVIDER_CAPACITY_MAX + 1), "capacity out of range"},
        {7, abi_u64(101), "announced is over capacity"},
    };
    struct abi_value args[COUNT_OF(good)];
    struct hash before = world_hash(&world);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        memcpy(args, good, sizeof good);
        args[cases[i].at] = cases[i].value;
        assert_false(register_as(&world, 7, args));
        assert_string_equal(world_reason(&world), cases[i].reason);
    }
    memcpy(args, good, sizeof good);
    args[0] = abi_address(&other);
    args[1] = abi_bytes(BYTES_OF(consent.b));
    assert_false(register_as(&world, 7, args));
    assert_string_equal(world_reason(&world), "consent is not signed by the operator");
    struct hash after = world_hash(&world);
    assert_true(hash_eq(&before, &after));
    assert_true(register_as(&world, 7, good));
    assert_false(register_as(&world, 7, good));
    assert_string_equal(world_reason(&world), "already registered");
    world_free(&world);
}

static bool by(struct world *world, u32 i, const char *name)
{
    struct address account = world_person(i);
    return world_call(world, &provider_module, name, &account, NULL);
}

static void test_states(void **state)
{
    (void)state;
    struct world world;
    world_init(&world);
    struct slot_source source = world_slots(&world);
    struct provider_record record;
    u64 total;
    u64 eligible;
    bool found;
    world_add_provider(&world, 7, 7, 1, GIB(1));
    static const char *const calls[] = {"heartbeat", "drain", "exit", "rejoin", "declareLostAll"};
    for (size_t i = 0; i < COUNT_OF(calls); i++) {
        assert_false(by(&world, 8, calls[i]));
        assert_string_equal(world_reason(&world), "caller is no provider");
    }
    assert_false(by(&world, 7, "rejoin"));
    assert_true(by(&world, 7, "drain"));
    assert_false(by(&world, 7, "drain"));
    world_check(provider_table(&source, 1, &total, &eligible, &found));
    assert_true(found && total == 0 && eligible == 0);
    assert_true(by(&world, 7, "heartbeat"));
    assert_true(by(&world, 7, "exit"));
    assert_false(by(&world, 7, "exit"));
    assert_false(by(&world, 7, "heartbeat"));
    assert_false(by(&world, 7, "declareLostAll"));
    assert_true(by(&world, 7, "rejoin"));
    world_check(provider_load(&source, 1, &record, &found));
    assert_int_equal(record.state, PROVIDER_ACTIVE);
    world_check(provider_table(&source, 1, &total, &eligible, &found));
    assert_true(total == GIB(1) / PROVIDER_WEIGHT_UNIT && eligible == 1);
    world_free(&world);
}

static void test_exit_needs_time(void **state)
{
    (void)state;
    struct scene scene;
    scene_init(&scene, 12);
    struct segment_entry entry = scene_entry(&scene, 0, 12);
    assert_true(scene_commit(&scene, &entry));
    assert_false(by(&scene.world, FIRST_PROVIDER, "exit"));
    assert_string_equal(world_reason(&scene.world), "provider still holds fragments");
    assert_true(by(&scene.world, FIRST_PROVIDER, "drain"));
    world_blocks(&scene.world, 59, 10);
    assert_false(by(&scene.world, FIRST_PROVIDER, "exit"));
    world_block(&scene.world, 10);
    assert_true(by(&scene.world, FIRST_PROVIDER, "exit"));
    struct provider_record record = scene_provider(&scene, 1);
    assert_int_equal(record.live, 0);
    assert_int_equal(record.service, 0);
    assert_int_equal(record.lost_before, 1);
    scene_check(&scene);
    world_free(&scene.world);
}

static void test_update(void **state)
{
    (void)state;
    struct world world;
    world_init(&world);
    struct slot_source source = world_slots(&world);
    struct provider_record record;
    bool found;
    world_add_provider(&world, 7, 7, 1, GIB(1));
    struct address account = world_person(7);
    struct address signer = world_person(70);
    struct abi_value args[] = {abi_u64(840), abi_u64((u64)4 << 56 | 9),
                               abi_bytes(bytes_str("http://new")), abi_address(&signer),
                               abi_u64(GIB(1))};
    assert_true(world_call(&world, &provider_module, "update", &account, args));
    world_check(provider_load(&source, 1, &record, &found));
    assert_int_equal(record.region, 840);
    assert_int_equal(record.prefix, 2);
    assert_true(address_eq(&record.signer, &signer));
    assert_int_equal(record.announced, GIB(1));
    args[4] = abi_u64(GIB(1) - 1);
    assert_false(world_call(&world, &provider_module, "update", &account, args));
    assert_string_equal(world_reason(&world), "announced is over capacity");
    world_free(&world);
}

/* Commits debit exactly; the leaf follows when it is an eighth off, and at a heartbeat. */
static void test_lazy_weight(void **state)
{
    (void)state;
    struct scene scene;
    scene_init(&scene, 12);
    struct slot_source source = world_slots(&scene.world);
    struct address account = world_person(FIRST_PROVIDER);
    struct abi_value args[] = {abi_u64(5 * MIB(1))};
    u64 weight;
    bool found;
    assert_true(world_call(&scene.world, &provider_module, "announce", &account, args));
    u64 epoch = scene_epoch(&scene);
    u64 number = 0;
    u64 full = 5 * MIB(1) / PROVIDER_WEIGHT_UNIT;
    do {
        struct segment_entry entry = scene_entry(&scene, number++, 12);
        assert_true(scene_commit(&scene, &entry));
        world_check(provider_weight(&source, 1, epoch, &weight, &found));
        struct provider_record record = scene_provider(&scene, 1);
        u64 true_weight = provider_current_weight(&record);
        assert_true(weight >= true_weight && weight - true_weight <= weight / 8);
    } while (number < 10);
    assert_true(weight < full);
    assert_true(by(&scene.world, FIRST_PROVIDER, "heartbeat"));
    struct provider_record record = scene_provider(&scene, 1);
    world_check(provider_weight(&source, 1, epoch, &weight, &found));
    assert_int_equal(weight, provider_current_weight(&record));
    assert_int_equal(record.service, number * scene_fragment_bytes());
    world_free(&scene.world);
}

static void test_prefix_key(void **state)
{
    (void)state;
    const u8 v4[] = {192, 0, 2, 77};
    const u8 v6[16] = {0x20, 0x01, 0x0d, 0xb8, 0x12, 0x34, 0x56};
    assert_true(provider_prefix_of(4, v4) == 0x0400000000c00002);
    assert_true(provider_prefix_of(6, v6) == 0x060020010db81234);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_versions),   cmocka_unit_test(test_tree_against_model),
        cmocka_unit_test(test_register),   cmocka_unit_test(test_register_refusals),
        cmocka_unit_test(test_states),     cmocka_unit_test(test_exit_needs_time),
        cmocka_unit_test(test_update),     cmocka_unit_test(test_lazy_weight),
        cmocka_unit_test(test_prefix_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
