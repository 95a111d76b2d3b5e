/* Territories, buckets, gateways, authorisations, former heads and undo. */
#include "ledger/modules/scene.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct bucket_record bucket_of(struct scene *scene)
{
    struct slot_source source = world_slots(&scene->world);
    struct bucket_record record;
    bool found;
    world_check(bucket_load(&source, &scene->bucket, &record, &found));
    assert_true(found);
    return record;
}

static bool on_bucket(struct scene *scene, const char *name, u32 caller)
{
    struct address account = world_person(caller);
    struct abi_value args[] = {abi_hash(&scene->bucket)};
    return world_call(&scene->world, &bucket_module, name, &account, args);
}

static void test_create(void **state)
{
    (void)state;
    struct scene scene;
    struct hash other;
    scene_init(&scene, 12);
    struct slot_source source = world_slots(&scene.world);
    struct address owner = world_person(OWNER);
    struct bucket_record record = bucket_of(&scene);
    u8 name[BUCKET_NAME_BYTES_MAX];
    size_t len;
    u32 count;
    assert_true(address_eq(&record.owner, &owner));
    assert_int_equal(record.territory, scene.territory);
    assert_int_equal(record.label_version, 1);
    world_check(bucket_name(&source, &scene.bucket, name, &len));
    assert_true(bytes_eq_str(bytes_make(name, len), "encrypted name"));
    /* The same salt again, a stranger, another's territory. */
    assert_false(world_create_bucket(&scene.world, OWNER, OWNER, scene.territory, 1, &other));
    assert_string_equal(world_reason(&scene.world), "bucket exists");
    assert_false(world_create_bucket(&scene.world, STRANGER, OWNER, scene.territory, 2, &other));
    assert_string_equal(world_reason(&scene.world), "neither owner nor authorised");
    assert_false(world_create_bucket(&scene.world, STRANGER, STRANGER, scene.territory, 2, &other));
    assert_string_equal(world_reason(&scene.world), "not a usable territory of the owner");
    /* A gateway with the scope creates for the owner, whose list it enters. */
    assert_true(world_create_bucket(&scene.world, GATEWAY, OWNER, scene.territory, 2, &other));
    world_check(bucket_owned_count(&source, &owner, &count));
    assert_int_equal(count, 2);
    struct hash listed;
    world_check(bucket_owned(&source, &owner, 0, &listed));
    assert_true(hash_eq(&listed, &scene.bucket));
    world_check(bucket_owned(&source, &owner, 1, &listed));
    assert_true(hash_eq(&listed, &other));
    assert_true(
        world_authorise(&scene.world, OWNER, scene.territory, scene.gateway, SCOPE_WRITE, GIB(1)));
    assert_false(world_create_bucket(&scene.world, GATEWAY, OWNER, scene.territory, 3, &other));
    world_free(&scene.world);
}

static void test_create_refusals(void **state)
{
    (void)state;
    struct scene scene;
    scene_init(&scene, 12);
    struct address owner = world_person(OWNER);
    struct hash salt = {{9}};
    u8 bytes_[BUCKET_NAME_BYTES_MAX + 1] = {2};
    struct abi_value good[] = {abi_address(&owner),
                               abi_hash(&salt),
                               abi_u64(scene.territory),
                               abi_bytes(bytes_make(bytes_, BUCKET_NAME_BYTES_MAX)),
                               abi_bytes(bytes_make(bytes_, 33)),
                               abi_u64(3)};
    struct abi_value args[COUNT_OF(good)];
    assert_false(world_call(&scene.world, &bucket_module, "create", &owner, good));
    assert_string_equal(world_reason(&scene.world), "label key is no point");
    struct secp_secret secret = world_secret(90);
    struct secp_public label;
    secp_public_of(&label, &secret);
    good[4] = abi_bytes(BYTES_OF(label.b));
    memcpy(args, good, sizeof good);
    args[3] = abi_bytes(BYTES_OF(bytes_));
    assert_false(world_call(&scene.world, &bucket_module, "create", &owner, args));
    assert_string_equal(world_reason(&scene.world), "name too long");
    memcpy(args, good, sizeof good);
    args[4] = abi_bytes(bytes_make(label.b, 32));
    assert_false(world_call(&scene.world, &bucket_module, "create", &owner, args));
    assert_string_equal(world_reason(&scene.world), "label key is not 33 bytes");
    memcpy(args, good, sizeof good);
    args[5] = abi_u64(4);
    assert_false(world_call(&scene.world, &bucket_module, "create", &owner, args));
    assert_string_equal(world_reason(&scene.world), "unknown policy");
    assert_true(world_call(&scene.world, &bucket_module, "create", &owner, good));
    world_free(&scene.world);
}

static struct hash head_of(u8 i)
{
    struct hash hash = {{i}};
    if (i != 0) {
        hash.b[1] = 1;
    }
    return hash;
}

static void move(struct scene *scene, u8 from, u8 to)
{
    struct locator locator = {scene->gateway, 0, to, 1};
    struct world_head head = {scene->bucket, head_of(from), head_of(to), locator};
    if (to == 0) {
        head.locator = (struct locator){0};
    }
    assert_true(world_commit(&scene->world, GATEWAY, scene->territory, NULL, 0, &head, 1));
    assert_int_equal(WORLD_HEAD_REFUSED(&scene->world), SEGMENT_REASON_NONE);
}

static bool undo(struct scene *scene, u32 caller, u8 head)
{
    struct address account = world_person(caller);
    struct hash hash = head_of(head);
    struct abi_value args[] = {abi_hash(&scene->bucket), abi_hash(&hash)};
    return world_call(&scene->world, &bucket_module, "undo", &account, args);
}

/* At most one former head per twelfth of the release delay, sixteen in all: the oldest is always
 * older than the delay, however often a gateway moves. */
static void test_former_heads(void **state)
{
    (void)state;
    struct scene scene;
    scene_init(&scene, 12);
    struct slot_source source = world_slots(&scene.world);
    struct segment_entry entry = scene_entry(&scene, 0, 12);
    assert_true(scene_commit(&scene, &entry));
    world_set_param(&scene.world, "release_delay_s", 120);
    u8 at = 0;
    for (u8 i = 1; i < 200; i++) {
        move(&scene, at, i);
        at = i;
        world_block(&scene.world, 4);
    }
    struct bucket_record record = bucket_of(&scene);
    assert_int_equal(record.moves, 199);
    assert_int_equal(record.former_count, BUCKET_FORMER_HEADS);
    u64 younger = world_now(&scene.world);
    for (u8 age = 0; age < BUCKET_FORMER_HEADS; age++) {
        struct bucket_former former;
        bool found;
        world_check(bucket_former(&source, &scene.bucket, &record, age, &former, &found));
        assert_true(found);
        assert_true(age == 0 || younger - former.replaced >= 10);
        younger = former.replaced;
        assert_int_equal(former.head.locator.offset, former.head.hash.b[0]);
    }
    assert_true(world_now(&scene.world) - younger >= 120);
    struct bucket_former former;
    bool found;
    world_check(bucket_former(&source, &scene.bucket, &record, 16, &former, &found));
    assert_false(found);
    world_free(&scene.world);
}

static void test_undo(void **state)
{
    (void)state;
    struct scene scene;
    scene_init(&scene, 12);
    struct segment_entry entry = scene_entry(&scene, 0, 12);
    assert_true(scene_commit(&scene, &entry));
    move(&scene, 0, 1);
    world_blocks(&scene.world, 3, 10);
    move(&scene, 1, 2);
    move(&scene, 2, 0); /* a hostile gateway empties it … */
    assert_true(on_bucket(&scene, "remove", GATEWAY));
    assert_false(on_bucket(&scene, "remove", GATEWAY));
    assert_true(bucket_of(&scene).removed);
    /* … and no head moves in a removed bucket … */
    struct world_head head = {scene.bucket, head_of(0), head_of(3), {scene.gateway, 0, 0, 1}};
    assert_true(world_commit(&scene.world, GATEWAY, scene.territory, NULL, 0, &head, 1));
    assert_int_equal(WORLD_HEAD_REFUSED(&scene.world), SEGMENT_REASON_UNKNOWN_BUCKET);
    /* … but the owner goes back to what was there. */
    assert_false(undo(&scene, GATEWAY, 1));
    assert_string_equal(world_reason(&scene.world), "not the owner");
    assert_false(undo(&scene, OWNER, 9));
    assert_string_equal(world_reason(&scene.world), "no such former head");
    assert_true(undo(&scene, OWNER, 1));
    struct bucket_record record = bucket_of(&scene);
    struct hash wanted = head_of(1);
    assert_false(record.removed);
    assert_true(hash_eq(&record.head.hash, &wanted));
    assert_int_equal(record.head.locator.offset, 1);
    world_free(&scene.world);
}

static void test_remove(void **state)
{
    (void)state;
    struct scene scene;
    scene_init(&scene, 12);
    struct segment_entry entry = scene_entry(&scene, 0, 12);
    assert_true(scene_commit(&scene, &entry));
    move(&scene, 0, 1);
    assert_false(on_bucket(&scene, "remove", STRANGER));
    assert_false(on_bucket(&scene, "remove", GATEWAY));
    assert_string_equal(world_reason(&scene.world), "bucket is not empty");
    assert_true(on_bucket(&scene, "remove", OWNER));
    /* Removed with its head: the owner takes the removal back by naming that head. */
    assert_true(undo(&scene, OWNER, 1));
    assert_false(bucket_of(&scene).removed);
    assert_int_equal(bucket_of(&scene).moves, 1);
    world_free(&scene.world);
}

static void test_policy_and_label(void **state)
{
    (void)state;
    struct scene scene;
    scene_init(&scene, 12);
    struct address owner = world_person(OWNER);
    struct address gateway = world_person(GATEWAY);
    struct address stranger = world_person(STRANGER);
    struct abi_value policy[] = {abi_hash(&scene.bucket), abi_u64(BUCKET_FINALITY_CHAIN)};
    assert_false(world_call(&scene.world, &bucket_module, "setPolicy", &stranger, policy));
    assert_true(world_call(&scene.world, &bucket_module, "setPolicy", &gateway, policy));
    assert_int_equal(bucket_of(&scene).policy, BUCKET_FINALITY_CHAIN);
    policy[1] = abi_u64(4);
    assert_false(world_call(&scene.world, &bucket_module, "setPolicy", &owner, policy));
    struct secp_secret secret = world_secret(91);
    struct secp_public key;
    secp_public_of(&key, &secret);
    struct abi_value label[] = {abi_hash(&scene.bucket), abi_bytes(BYTES_OF(key.b))};
    assert_false(world_call(&scene.world, &bucket_module, "setLabel", &gateway, label));
    assert_true(world_call(&scene.world, &bucket_module, "setLabel", &owner, label));
    assert_int_equal(bucket_of(&scene).label_version, 2);
    struct bucket_record record = bucket_of(&scene);
    assert_memory_equal(record.label_key.b, key.b, sizeof key.b);
    world_free(&scene.world);
}

static void test_authorisations(void **state)
{
    (void)state;
    struct scene scene;
    scene_init(&scene, 12);
    struct slot_source source = world_slots(&scene.world);
    struct address owner = world_person(OWNER);
    struct authorisation_key key;
    struct authorisation record;
    bool found;
    u32 count;
    assert_false(world_authorise(&scene.world, STRANGER, scene.territory, scene.gateway, 1, 1));
    assert_string_equal(world_reason(&scene.world), "not a territory of the caller");
    assert_false(world_authorise(&scene.world, OWNER, scene.territory, scene.gateway + 1, 1, 1));
    assert_string_equal(world_reason(&scene.world), "no such gateway");
    assert_false(world_authorise(&scene.world, OWNER, scene.territory, scene.gateway, 0, 1));
    assert_false(world_authorise(&scene.world, OWNER, scene.territory, scene.gateway, 128, 1));
    /* For one territory and for all: the former is asked first. */
    assert_true(
        world_authorise(&scene.world, OWNER, 0, scene.gateway, SCOPE_READ | SCOPE_WRITE, 77));
    world_check(authorisation_find(&source, &owner, scene.territory, scene.gateway, SCOPE_READ,
                                   scene.world.block.time, &key, &record, &found));
    assert_true(found && key.territory == scene.territory);
    world_check(authorisation_find(&source, &owner, 999, scene.gateway, SCOPE_READ,
                                   scene.world.block.time, &key, &record, &found));
    assert_true(found && key.territory == 0 && record.quota == 77);
    world_check(authorisation_find(&source, &owner, 999, scene.gateway, SCOPE_CREATE,
                                   scene.world.block.time, &key, &record, &found));
    assert_false(found);
    world_check(authorisation_find(&source, &owner, 999, scene.gateway, SCOPE_READ,
                                   record.expires + 1000000000, &key, &record, &found));
    assert_false(found);
    /* Both lists, each pair once however often it is given anew. */
    assert_true(world_authorise(&scene.world, OWNER, 0, scene.gateway, SCOPE_READ, 78));
    world_check(authorisation_owner_count(&source, &owner, &count));
    assert_int_equal(count, 2);
    world_check(authorisation_gateway_count(&source, scene.gateway, &count));
    assert_int_equal(count, 2);
    world_check(authorisation_owner_at(&source, &owner, 1, &key));
    assert_true(key.territory == 0 && key.gateway == scene.gateway);
    world_check(authorisation_gateway_at(&source, scene.gateway, 0, &key));
    assert_true(key.territory == scene.territory && address_eq(&key.owner, &owner));
    u8 sealed[SEALED_KEY_BYTES_MAX];
    size_t len;
    world_check(authorisation_sealed_key(&source, &key, sealed, &len));
    assert_true(bytes_eq_str(bytes_make(sealed, len), "sealed"));
    struct abi_value pair[] = {abi_u64(scene.territory), abi_u64(scene.gateway)};
    assert_true(world_call(&scene.world, &bucket_module, "revoke", &owner, pair));
    assert_false(world_call(&scene.world, &bucket_module, "revoke", &owner, pair));
    world_check(authorisation_sealed_key(&source, &key, sealed, &len));
    assert_int_equal(len, 0);
    world_free(&scene.world);
}

static void test_gateways(void **state)
{
    (void)state;
    struct world world;
    world_init(&world);
    struct slot_source source = world_slots(&world);
    struct address account = world_person(5);
    struct hash key = {{3}};
    struct hash zero = {{0}};
    char url[GATEWAY_ENDPOINT_BYTES_MAX];
    memset(url, 'u', sizeof url);
    struct abi_value args[] = {abi_bytes(BYTES_OF(url)), abi_hash(&zero)};
    assert_false(world_call(&world, &bucket_module, "registerGateway", &account, args));
    args[1] = abi_hash(&key);
    assert_true(world_call(&world, &bucket_module, "registerGateway", &account, args));
    assert_false(world_call(&world, &bucket_module, "registerGateway", &account, args));
    u8 endpoint[GATEWAY_ENDPOINT_BYTES_MAX];
    size_t len;
    world_check(gateway_endpoint(&source, 1, endpoint, &len));
    assert_int_equal(len, sizeof url);
    assert_memory_equal(endpoint, url, len);
    /* A shorter one leaves nothing of the longer one behind. */
    args[0] = abi_bytes(bytes_str("x"));
    assert_true(world_call(&world, &bucket_module, "updateGateway", &account, args));
    world_check(gateway_endpoint(&source, 1, endpoint, &len));
    assert_int_equal(len, 1);
    assert_true(world_call(&world, &bucket_module, "retireGateway", &account, NULL));
    assert_false(world_call(&world, &bucket_module, "retireGateway", &account, NULL));
    assert_false(world_authorise(&world, OWNER, 0, 1, SCOPE_READ, 1));
    struct address stranger = world_person(6);
    assert_false(world_call(&world, &bucket_module, "updateGateway", &stranger, args));
    assert_int_equal(world_add_gateway(&world, 6), 2);
    world_free(&world);
}

static struct territory_record record_of(struct world *world, u64 territory)
{
    struct slot_source source = world_slots(world);
    struct territory_record record;
    bool found;
    world_check(territory_load(&source, territory, &record, &found));
    assert_true(found);
    return record;
}

static struct u256 balance_of(struct world *world, const struct address *address)
{
    struct account account;
    world_check(journal_account(&world->journal, address, &account));
    return account.balance;
}

static void test_lease(void **state)
{
    (void)state;
    struct world world;
    world_init(&world);
    struct address account = world_person(OWNER);
    struct address module = native_address(MODULE_TERRITORY);
    struct abi_value args[] = {abi_u64(GIB(1)), abi_u64(RS_4_8), abi_u64(86400),
                               abi_bytes(bytes_str("EU"))};
    struct abi_value terms[] = {args[0], args[1], args[2]};
    struct u256 price;
    struct u256 wanted;
    assert_true(world_call(&world, &territory_module, "price", &account, terms));
    price = u256_from_be(world.returns[0].word);
    assert_true(territory_price(&wanted, GIB(1), RS_4_8, 86400, 10000000, 60));
    assert_int_equal(u256_cmp(price, wanted), 0);
    /* One wei too little; then too much, which comes back. */
    assert_true(u256_sub(&world.value, price, u256_from_u64(1)));
    assert_false(world_call(&world, &territory_module, "lease", &account, args));
    assert_string_equal(world_reason(&world), "payment too low");
    assert_true(u256_add(&world.value, price, u256_from_u64(5)));
    assert_true(world_call(&world, &territory_module, "lease", &account, args));
    assert_int_equal(u256_cmp(balance_of(&world, &module), price), 0);
    assert_int_equal(u256_cmp(balance_of(&world, &account), u256_from_u64(5)), 0);
    struct territory_record record = record_of(&world, 1);
    assert_int_equal(u256_cmp(record.paid, price), 0);
    assert_int_equal(record.expires, world_now(&world) + 86400);
    struct slot_source source = world_slots(&world);
    struct territory_owner owner;
    u8 policy[TERRITORY_POLICY_BYTES_MAX];
    size_t len;
    world_check(territory_policy(&source, 1, policy, &len));
    assert_true(bytes_eq_str(bytes_make(policy, len), "EU"));
    world_check(territory_owner_load(&source, &account, &owner));
    assert_int_equal(owner.count, 1);
    assert_int_equal(owner.default_territory, 1);
    world_free(&world);
}

static void test_lease_refusals(void **state)
{
    (void)state;
    struct world world;
    world_init(&world);
    struct address account = world_person(OWNER);
    static const struct {
        u64 size;
        u64 class_number;
        u64 duration;
        const char *reason;
    } cases[] = {
        {0, RS_4_8, 86400, "size is zero"},
        {1, 0, 86400, "unknown redundancy or price out of range"},
        {1, 5, 86400, "unknown redundancy or price out of range"},
        {1, RS_4_8, 59, "lease too short"},
        {1, RS_4_8, 315360001, "lease reaches too far ahead"},
        {1, RS_4_8, UINT64_MAX, "lease reaches too far ahead"},
    };
    world.value = u256_from_u64(UINT64_MAX);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct abi_value args[] = {abi_u64(cases[i].size), abi_u64(cases[i].class_number),
                                   abi_u64(cases[i].duration), abi_bytes(bytes_make("", 0))};
        assert_false(world_call(&world, &territory_module, "lease", &account, args));
        assert_string_equal(world_reason(&world), cases[i].reason);
    }
    u8 policy[TERRITORY_POLICY_BYTES_MAX + 1] = {0};
    struct abi_value args[] = {abi_u64(1), abi_u64(RS_4_8), abi_u64(86400),
                               abi_bytes(BYTES_OF(policy))};
    assert_false(world_call(&world, &territory_module, "lease", &account, args));
    /* The largest numbers do not wrap. */
    struct u256 price;
    assert_true(territory_price(&price, UINT64_MAX, RS_4_8, 315360000, 1000000000000000, 10));
    assert_true(territory_price(&price, UINT64_MAX, RS_4_8, UINT64_MAX, UINT64_MAX, 1));
    assert_true(price.limb[2] != 0);
    assert_false(territory_price(&price, 1, RS_4_8, 1, 1, 0));
    /* ⌈1 · 1 · 3 · 1 · 10^9 / (2^40 · 7)⌉, and an exact one. */
    assert_true(territory_price(&price, 1, RS_4_8, 1, 1, 7));
    assert_int_equal(u256_cmp(price, u256_from_u64(1)), 0);
    assert_true(territory_price(&price, (u64)1 << 40, RS_2_4, 14, 1, 7));
    assert_int_equal(u256_cmp(price, u256_from_u64(6000000000)), 0);
    world_free(&world);
}

static bool on_territory(struct world *world, const char *name, u32 caller, u64 territory,
                         u64 number, u64 value)
{
    struct address account = world_person(caller);
    struct abi_value args[] = {abi_u64(territory), abi_u64(number)};
    world->value = u256_from_u64(value);
    bool is_done = world_call(world, &territory_module, name, &account, args);
    world->value = u256_from_u64(0);
    return is_done;
}

static void test_renew_expand(void **state)
{
    (void)state;
    struct world world;
    world_init(&world);
    u64 ether = 1000000000000000000u;
    u64 t = world_lease(&world, OWNER, GIB(1), RS_4_8);
    u64 end = record_of(&world, t).expires;
    assert_true(on_territory(&world, "renew", STRANGER, t, 86400, ether));
    assert_int_equal(record_of(&world, t).expires, end + 86400);
    assert_false(on_territory(&world, "renew", OWNER, t, 86400, 1));
    assert_false(on_territory(&world, "renew", OWNER, t, UINT64_MAX, ether));
    assert_false(on_territory(&world, "expand", STRANGER, t, GIB(1), ether));
    assert_false(on_territory(&world, "expand", OWNER, t, 0, ether));
    assert_false(on_territory(&world, "expand", OWNER, t, UINT64_MAX, ether));
    assert_true(on_territory(&world, "expand", OWNER, t, GIB(1), ether));
    assert_int_equal(record_of(&world, t).size, GIB(2));
    /* What all territories have paid is what the module holds. */
    struct address module = native_address(MODULE_TERRITORY);
    assert_int_equal(u256_cmp(balance_of(&world, &module), record_of(&world, t).paid), 0);
    assert_false(on_territory(&world, "expire", OWNER, t, 0, 0));
    world_free(&world);
}

static bool one(struct world *world, const char *name, u32 caller, u64 territory)
{
    struct address account = world_person(caller);
    struct abi_value args[] = {abi_u64(territory)};
    return world_call(world, &territory_module, name, &account, args);
}

static void test_states(void **state)
{
    (void)state;
    struct world world;
    world_init(&world);
    u64 t = world_lease(&world, OWNER, GIB(1), RS_4_8);
    assert_false(one(&world, "freeze", STRANGER, t));
    assert_true(one(&world, "freeze", OWNER, t));
    assert_false(one(&world, "freeze", OWNER, t));
    assert_int_equal(record_of(&world, t).state, TERRITORY_FROZEN);
    assert_true(one(&world, "unfreeze", OWNER, t));
    assert_false(one(&world, "unfreeze", OWNER, t));
    assert_false(one(&world, "freeze", OWNER, t + 1));
    /* Over, in grace, and marked by anyone after it (60 s on devnets). */
    world_blocks(&world, 8640, 10);
    assert_false(one(&world, "expire", STRANGER, t));
    assert_false(on_territory(&world, "expand", OWNER, t, 1, 1000000));
    world_blocks(&world, 6, 10);
    assert_true(one(&world, "expire", STRANGER, t));
    assert_int_equal(record_of(&world, t).state, TERRITORY_EXPIRED);
    assert_false(one(&world, "expire", STRANGER, t));
    assert_false(on_territory(&world, "renew", OWNER, t, 86400, 1000000000000000000u));
    world_free(&world);
}

static void test_release_of_an_expired_territory(void **state)
{
    (void)state;
    struct scene scene;
    scene_init(&scene, 12);
    struct segment_entry entry = scene_entry(&scene, 0, 12);
    assert_true(scene_commit(&scene, &entry));
    world_blocks(&scene.world, 8650, 10);
    struct address stranger = world_person(STRANGER);
    struct abi_value number = abi_u64(0);
    struct abi_value args[] = {abi_u64(scene.territory), abi_u64(scene.gateway),
                               abi_array(&number, 1)};
    assert_false(world_call(&scene.world, &segment_module, "release", &stranger, args));
    assert_true(one(&scene.world, "expire", STRANGER, scene.territory));
    assert_true(world_call(&scene.world, &segment_module, "release", &stranger, args));
    assert_int_equal(world_logs(&scene.world, &segment_module, "ReleaseScheduled", NULL), 1);
    world_free(&scene.world);
}

static void test_transfer(void **state)
{
    (void)state;
    struct scene scene;
    scene_init(&scene, 12);
    struct address owner = world_person(OWNER);
    struct address to = world_person(STRANGER);
    struct slot_source source = world_slots(&scene.world);
    struct territory_owner record;
    u64 listed;
    struct abi_value args[] = {abi_u64(scene.territory), abi_address(&to)};
    struct segment_entry entry = scene_entry(&scene, 0, 12);
    assert_true(scene_commit(&scene, &entry));
    assert_false(world_call(&scene.world, &territory_module, "transfer", &owner, args));
    assert_string_equal(world_reason(&scene.world), "only an empty territory can be transferred");
    u64 empty = world_lease(&scene.world, OWNER, GIB(1), RS_4_8);
    assert_true(one(&scene.world, "setDefault", OWNER, empty));
    assert_false(one(&scene.world, "setDefault", STRANGER, empty));
    args[0] = abi_u64(empty);
    assert_false(world_call(&scene.world, &territory_module, "transfer", &to, args));
    assert_true(world_call(&scene.world, &territory_module, "transfer", &owner, args));
    world_check(territory_owner_load(&source, &owner, &record));
    assert_int_equal(record.default_territory, 0);
    world_check(territory_owner_load(&source, &to, &record));
    assert_true(record.default_territory == empty && record.count == 1);
    world_check(territory_owned(&source, &to, 0, &listed));
    assert_int_equal(listed, empty);
    /* What the former owner allowed counts no more. */
    assert_false(one(&scene.world, "freeze", OWNER, empty));
    world_free(&scene.world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_create),
        cmocka_unit_test(test_create_refusals),
        cmocka_unit_test(test_former_heads),
        cmocka_unit_test(test_undo),
        cmocka_unit_test(test_remove),
        cmocka_unit_test(test_policy_and_label),
        cmocka_unit_test(test_authorisations),
        cmocka_unit_test(test_gateways),
        cmocka_unit_test(test_lease),
        cmocka_unit_test(test_lease_refusals),
        cmocka_unit_test(test_renew_expand),
        cmocka_unit_test(test_states),
        cmocka_unit_test(test_release_of_an_expired_territory),
        cmocka_unit_test(test_transfer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
