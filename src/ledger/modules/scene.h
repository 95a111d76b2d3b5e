/* scene.h: a territory, a gateway, a bucket and providers in a world, for tests and fuzz targets.
 *
 * Provider number p is person FIRST_PROVIDER + p - 1, signs its own receipts, and shares an
 * operator with its neighbour; every provider is in a /24 of its own. Heartbeats are not wanted
 * here.
 */
#ifndef LEDGER_MODULES_SCENE_H
#define LEDGER_MODULES_SCENE_H

#include "ledger/modules/segment_state.h"
#include "ledger/modules/world.h"

#define OWNER 1
#define GATEWAY 2 /* the person */
#define STRANGER 3
#define FIRST_PROVIDER 100 /* person of provider 1 */
#define FIRST_OPERATOR 1000
#define LENGTH 1000000u

struct scene {
    struct world world;
    u64 territory;
    u32 gateway;
    u32 providers;
    struct hash bucket;
};

static inline void scene_add_providers(struct scene *scene, u32 count)
{
    for (u32 i = 0; i < count; i++) {
        u32 n = scene->providers + i;
        u32 number = world_add_provider(&scene->world, FIRST_PROVIDER + n, FIRST_OPERATOR + n / 2,
                                        1 + n, GIB(32));
        assert_that(number == n + 1);
    }
    scene->providers += count;
}

/* scene_init: at a block at which a new pair's ticket (epoch 0) is known. */
static inline void scene_init(struct scene *scene, u32 providers)
{
    *scene = (struct scene){0};
    world_init(&scene->world);
    world_set_param(&scene->world, "heartbeat_due_s", 3600);
    world_set_param(&scene->world, "heartbeat_late_s", 3600);
    scene_add_providers(scene, providers);
    scene->territory = world_lease(&scene->world, OWNER, GIB(1), RS_4_8);
    scene->gateway = world_add_gateway(&scene->world, GATEWAY);
    assert_that(world_authorise(&scene->world, OWNER, scene->territory, scene->gateway, SCOPE_ALL,
                                MIB(512)));
    assert_that(
        world_create_bucket(&scene->world, OWNER, OWNER, scene->territory, 1, &scene->bucket));
    world_blocks(&scene->world, 3, 1);
}

static inline u64 scene_deadline(const struct scene *scene)
{
    return scene->world.block.time + 3000;
}

static inline u64 scene_epoch(struct scene *scene)
{
    struct slot_source source = world_slots(&scene->world);
    struct beacon_state beacon;
    world_check(beacon_load(&source, &beacon));
    return beacon.epoch;
}

/* sign: fragment `index` by provider number `provider`. */
static inline void scene_sign(struct scene *scene, struct segment_entry *entry, u8 index,
                              u32 provider)
{
    world_sign(&scene->world, entry, scene->territory, scene->gateway, index, provider, 0,
               FIRST_PROVIDER + provider - 1, scene_deadline(scene));
}

static inline struct segment_entry scene_entry(struct scene *scene, u64 number, u8 receipts)
{
    struct segment_entry entry = world_entry(number, 0, RS_4_8, LENGTH);
    for (u8 i = 0; i < receipts; i++) {
        scene_sign(scene, &entry, i, i + 1U);
    }
    return entry;
}

static inline bool scene_commit(struct scene *scene, const struct segment_entry *entry)
{
    return world_commit(&scene->world, GATEWAY, scene->territory, entry, 1, NULL, 0);
}

static inline struct segment_key scene_key(const struct scene *scene, u64 number)
{
    return (struct segment_key){scene->territory, scene->gateway, number};
}

static inline bool scene_load(struct scene *scene, u64 number, struct segment_record *ret_record)
{
    struct slot_source source = world_slots(&scene->world);
    struct segment_key key = scene_key(scene, number);
    bool found;
    world_check(segment_load(&source, &key, ret_record, &found));
    return found;
}

static inline struct provider_record scene_provider(struct scene *scene, u32 number)
{
    struct slot_source source = world_slots(&scene->world);
    struct provider_record record;
    bool found;
    world_check(provider_load(&source, number, &record, &found));
    assert_that(found);
    return record;
}

static inline struct territory_record scene_territory(struct scene *scene)
{
    struct slot_source source = world_slots(&scene->world);
    struct territory_record record;
    bool found;
    world_check(territory_load(&source, scene->territory, &record, &found));
    assert_that(found);
    return record;
}

static inline struct authorisation scene_authorisation(struct scene *scene)
{
    struct slot_source source = world_slots(&scene->world);
    struct authorisation_key key = {world_person(OWNER), scene->territory, scene->gateway};
    struct authorisation record;
    bool found;
    world_check(authorisation_load(&source, &key, &record, &found));
    assert_that(found);
    return record;
}

static inline u32 scene_fragment_bytes(void)
{
    struct segment_shape shape;
    assert_that(segment_shape_of(&shape, redundancy_find(RS_4_8), LENGTH));
    return shape.fragment_length;
}

/* account: what every provider serves is what the segments say; totals agree with leaves. */
static inline void scene_check(struct scene *scene)
{
    struct slot_source source = world_slots(&scene->world);
    u64 service[64] = {0};
    u32 live[64] = {0};
    u64 used = 0;
    u64 count;
    world_check(segment_count(&source, &count));
    for (u64 serial = 1; serial <= count; serial++) {
        struct segment_key key;
        struct segment_record record;
        bool found;
        world_check(segment_at(&source, serial, &key, &found));
        if (!found) {
            continue;
        }
        world_check(segment_load(&source, &key, &record, &found));
        assert_that(found && record.serial == serial);
        used += record.length;
        for (u8 i = 0; i < record.n; i++) {
            u32 p = record.holders[i].provider;
            if (p == 0) {
                continue;
            }
            struct provider_fragment fragment;
            world_check(
                provider_fragment_load(&source, p, record.holders[i].position, &fragment, &found));
            assert_that(found && fragment.serial == serial && fragment.index == i);
            assert_that(fragment.removed_epoch == 0);
            if (record.holders[i].position >= scene_provider(scene, p).lost_before) {
                service[p] += segment_fragment_bytes(&record);
                live[p]++;
            }
        }
    }
    for (u32 p = 1; p <= scene->providers; p++) {
        struct provider_record record = scene_provider(scene, p);
        assert_that(record.service == service[p]);
        assert_that(record.live == live[p]);
    }
    assert_that(scene_territory(scene).used == used);
    assert_that(scene_authorisation(scene).used == used);
}

#endif
