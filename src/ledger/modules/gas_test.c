/* Out of gas at every step of every function that changes something: no trace is left.
 *
 * A story in which each function is called once with success. Before each call the same call is
 * made with less gas, from none up to what it used.
 */
#include "ledger/modules/scene.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define STEPS 60

struct story {
    struct scene scene;
    bool seen[16][NATIVE_FUNCTIONS_MAX]; /* by module number */
};

static void tell(struct story *story, const struct native_module *module, const char *name,
                 u32 caller, const struct abi_value *args)
{
    struct world *world = &story->scene.world;
    struct address account = world_person(caller);
    const struct abi_entry *entry = native_function_abi(module, world_function(module, name));
    struct buf input;
    buf_init(&input, KIB(64));
    abi_encode_call(&input, entry, args);
    struct hash before = world_hash(world);
    world->is_dry = true;
    world_call_raw(world, module->number, &account, buf_bytes(&input));
    world->is_dry = false;
    if (world->status != FRAME_RUNNING) {
        fail_msg("%s.%s: %s", module->name, name, world_reason(world));
    }
    u64 used = world->gas_used;
    for (u64 gas = 0; gas < used; gas += 1 + used / STEPS) {
        world->gas = gas;
        world_call_raw(world, module->number, &account, buf_bytes(&input));
        assert_int_equal(world->status, FRAME_OUT_OF_GAS);
        assert_int_equal(world->gas_used, gas);
        assert_int_equal(world->journal.log_count, 0);
    }
    struct hash after = world_hash(world);
    assert_true(hash_eq(&before, &after));
    world->gas = WORLD_GAS;
    world_call_raw(world, module->number, &account, buf_bytes(&input));
    assert_int_equal(world->status, FRAME_RUNNING);
    after = world_hash(world);
    assert_false(hash_eq(&before, &after));
    story->seen[module->number][world_function(module, name)] = true;
    buf_free(&input);
}

static struct abi_value text(const char *s) { return abi_bytes(bytes_str(s)); }

static void tell_params(struct story *story)
{
    struct address governance = world_person(4);
    struct abi_value set[] = {text("repair_assign_s"), abi_u64(31)};
    struct abi_value give[] = {abi_address(&governance)};
    struct address back = world_person(0);
    struct abi_value give_back[] = {abi_address(&back)};
    tell(story, &params_module, "set", 0, set);
    tell(story, &params_module, "setGovernance", 0, give);
    tell(story, &params_module, "setGovernance", 4, give_back);
}

static void tell_territory(struct story *story)
{
    struct address to = world_person(STRANGER);
    u64 t = story->scene.territory + 1;
    struct abi_value lease[] = {abi_u64(MIB(1)), abi_u64(RS_2_4), abi_u64(86400), text("EU")};
    struct abi_value with_time[] = {abi_u64(t), abi_u64(86400)};
    struct abi_value with_bytes[] = {abi_u64(t), abi_u64(MIB(1))};
    struct abi_value one[] = {abi_u64(t)};
    struct abi_value policy[] = {abi_u64(t), text("not quite so short a policy as before")};
    struct abi_value transfer[] = {abi_u64(t), abi_address(&to)};
    story->scene.world.value = u256_from_u64(1000000000000000000u);
    tell(story, &territory_module, "lease", OWNER, lease);
    tell(story, &territory_module, "renew", OWNER, with_time);
    tell(story, &territory_module, "expand", OWNER, with_bytes);
    story->scene.world.value = u256_from_u64(0);
    tell(story, &territory_module, "freeze", OWNER, one);
    tell(story, &territory_module, "unfreeze", OWNER, one);
    tell(story, &territory_module, "setDefault", OWNER, one);
    tell(story, &territory_module, "setPolicy", OWNER, policy);
    tell(story, &territory_module, "transfer", OWNER, transfer);
}

static void tell_bucket(struct story *story)
{
    struct scene *scene = &story->scene;
    struct address owner = world_person(OWNER);
    struct hash salt = {{5}};
    struct hash head = {{0}};
    struct secp_secret secret = world_secret(90);
    struct secp_public label;
    secp_public_of(&label, &secret);
    struct abi_value create[] = {
        abi_address(&owner),          abi_hash(&salt),
        abi_u64(scene->territory),    text("a name of more than thirty bytes"),
        abi_bytes(BYTES_OF(label.b)), abi_u64(1)};
    struct abi_value policy[] = {abi_hash(&scene->bucket), abi_u64(3)};
    struct abi_value label_args[] = {abi_hash(&scene->bucket), abi_bytes(BYTES_OF(label.b))};
    struct abi_value bucket[] = {abi_hash(&scene->bucket)};
    struct abi_value undo[] = {abi_hash(&scene->bucket), abi_hash(&head)};
    struct abi_value gateway[] = {text("http://g"), abi_hash(&salt)};
    struct abi_value authorise[] = {abi_u64(0),   abi_u64(2),          abi_u64(SCOPE_ALL),
                                    abi_u64(100), abi_u64(UINT64_MAX), text("sealed")};
    struct abi_value pair[] = {abi_u64(0), abi_u64(2)};
    tell(story, &bucket_module, "create", OWNER, create);
    tell(story, &bucket_module, "setPolicy", OWNER, policy);
    tell(story, &bucket_module, "setLabel", OWNER, label_args);
    tell(story, &bucket_module, "remove", OWNER, bucket);
    tell(story, &bucket_module, "undo", OWNER, undo);
    tell(story, &bucket_module, "registerGateway", 4, gateway);
    gateway[0] = text("http://gateway.example");
    tell(story, &bucket_module, "updateGateway", 4, gateway);
    tell(story, &bucket_module, "authorise", OWNER, authorise);
    tell(story, &bucket_module, "revoke", OWNER, pair);
    tell(story, &bucket_module, "retireGateway", 4, NULL);
}

static bytes packed(struct scene *scene, const struct segment_entry *entry)
{
    struct buf out;
    buf_init(&out, KIB(64));
    segment_entry_write(&out, entry);
    bytes copy = arena_copy(&scene->world.arena, buf_bytes(&out));
    buf_free(&out);
    return copy;
}

/* Fragments 8 to 11 late, fragment 0 lost one by one, fragment 1 with everything. */
static void tell_segment(struct story *story)
{
    struct scene *scene = &story->scene;
    struct segment_entry entry = scene_entry(scene, 0, 8);
    struct abi_value commit[] = {abi_u64(scene->territory), abi_bytes(packed(scene, &entry)),
                                 abi_array(NULL, 0)};
    tell(story, &segment_module, "commit", GATEWAY, commit);
    entry = world_entry(0, 0, RS_4_8, LENGTH);
    for (u8 i = 8; i < 12; i++) {
        scene_sign(scene, &entry, i, i + 1U);
    }
    struct abi_value complete[] = {abi_u64(scene->territory), abi_bytes(packed(scene, &entry))};
    tell(story, &segment_module, "complete", GATEWAY, complete);
    struct abi_value parts[] = {abi_u64(scene->territory), abi_u64(scene->gateway), abi_u64(0),
                                abi_u64(0)};
    struct abi_value item = abi_tuple(parts, 4);
    struct abi_value lost[] = {abi_array(&item, 1)};
    tell(story, &provider_module, "declareLost", FIRST_PROVIDER, lost);
    tell(story, &provider_module, "declareLostAll", FIRST_PROVIDER + 1, NULL);
    struct abi_value olds[] = {abi_u64(0), abi_u64(2)};
    entry = world_entry(0, scene_epoch(scene), RS_4_8, LENGTH);
    for (u8 i = 0; i < 2; i++) {
        world_sign(&scene->world, &entry, scene->territory, scene->gateway, i, 13U + i, 0,
                   FIRST_PROVIDER + 12 + i, scene->world.block.time + RECEIPT_TTL_SECONDS);
    }
    struct abi_value repair[] = {abi_u64(scene->territory), abi_u64(scene->gateway),
                                 abi_bytes(packed(scene, &entry)), abi_array(olds, 2)};
    tell(story, &segment_module, "repair", GATEWAY, repair);
    scene_check(scene);
}

static void tell_release(struct story *story)
{
    struct scene *scene = &story->scene;
    struct abi_value number = abi_u64(0);
    struct abi_value numbers[] = {abi_u64(scene->territory), abi_u64(scene->gateway),
                                  abi_array(&number, 1)};
    world_set_param(&scene->world, "release_delay_s", 5);
    tell(story, &segment_module, "release", GATEWAY, numbers);
    tell(story, &segment_module, "undoRelease", OWNER, numbers);
    tell(story, &segment_module, "release", GATEWAY, numbers);
    world_block(&scene->world, 5);
    tell(story, &segment_module, "purge", STRANGER, numbers);
    tell(story, &segment_module, "registerWatcher", STRANGER, NULL);
    scene_check(scene);
}

static void tell_provider(struct story *story)
{
    struct scene *scene = &story->scene;
    struct address self = world_person(300);
    struct abi_value joined[] = {
        abi_address(&self), text(""),           abi_u64(276),    abi_u64((u64)4 << 56 | 99),
        text("http://p"),   abi_address(&self), abi_u64(GIB(1)), abi_u64(GIB(1))};
    struct abi_value update[] = {abi_u64(40), abi_u64((u64)6 << 56 | 99), text("http://q"),
                                 abi_address(&self), abi_u64(GIB(2))};
    struct abi_value announce[] = {abi_u64(GIB(2))};
    struct abi_value late[] = {abi_u64(1)};
    tell(story, &provider_module, "register", 300, joined);
    scene->providers++;
    tell(story, &provider_module, "update", 300, update);
    tell(story, &provider_module, "announce", 300, announce);
    world_block(&scene->world, 5);
    tell(story, &provider_module, "heartbeat", 300, NULL);
    tell(story, &provider_module, "drain", 300, NULL);
    tell(story, &provider_module, "exit", 300, NULL);
    tell(story, &provider_module, "rejoin", 300, NULL);
    world_set_param(&scene->world, "heartbeat_due_s", 1);
    world_set_param(&scene->world, "heartbeat_late_s", 1);
    world_block(&scene->world, 5);
    tell(story, &provider_module, "reportLate", STRANGER, late);
    scene_check(scene);
}

static void test_out_of_gas_everywhere(void **state)
{
    (void)state;
    static struct story story;
    scene_init(&story.scene, 14);
    tell_params(&story);
    tell_territory(&story);
    tell_bucket(&story);
    tell_segment(&story);
    tell_release(&story);
    tell_provider(&story);
    world_blocks(&story.scene.world, 8650, 10);
    struct abi_value one[] = {abi_u64(story.scene.territory)};
    tell(&story, &territory_module, "expire", STRANGER, one);
    for (size_t m = 0; m < native_count(); m++) {
        const struct native_module *module = native_at(m);
        for (size_t i = 0; i < module->function_count; i++) {
            if ((module->functions[i].flags & NATIVE_VIEW) == 0 && !story.seen[module->number][i]) {
                fail_msg("%s.%s has no place in the story", module->name,
                         native_function_abi(module, i)->name);
            }
        }
    }
    world_free(&story.scene.world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_out_of_gas_everywhere)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
