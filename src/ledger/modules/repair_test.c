/* Late holders, losses, repair, release, watchers, and draws in a network that is not small. */
#include "ledger/modules/scene.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void by_provider(struct scene *scene, u32 provider, const char *name)
{
    struct address account = world_person(FIRST_PROVIDER + provider - 1);
    assert_true(world_call(&scene->world, &provider_module, name, &account, NULL));
}

static void declare_lost(struct scene *scene, u32 provider, u64 number, u8 index)
{
    struct address account = world_person(FIRST_PROVIDER + provider - 1);
    struct abi_value parts[] = {abi_u64(scene->territory), abi_u64(scene->gateway), abi_u64(number),
                                abi_u64(index)};
    struct abi_value item = abi_tuple(parts, 4);
    struct abi_value args[] = {abi_array(&item, 1)};
    assert_true(world_call(&scene->world, &provider_module, "declareLost", &account, args));
}

/* A call of complete (old_holders NULL) or repair with one entry. */
static bool send(struct scene *scene, u32 caller, const struct segment_entry *entry,
                 const u32 *old_holders)
{
    struct address account = world_person(caller);
    struct buf packed;
    struct abi_value olds[FRAGMENTS_MAX];
    buf_init(&packed, KIB(64));
    segment_entry_write(&packed, entry);
    for (u8 i = 0; old_holders != NULL && i < entry->receipt_count; i++) {
        olds[i] = abi_u64(old_holders[i]);
    }
    struct abi_value complete[] = {abi_u64(scene->territory), abi_bytes(buf_bytes(&packed))};
    struct abi_value repair[] = {abi_u64(scene->territory), abi_u64(scene->gateway),
                                 abi_bytes(buf_bytes(&packed)),
                                 abi_array(olds, entry->receipt_count)};
    bool is_done = old_holders == NULL
                       ? world_call(&scene->world, &segment_module, "complete", &account, complete)
                       : world_call(&scene->world, &segment_module, "repair", &account, repair);
    buf_free(&packed);
    return is_done;
}

/* An entry for a stored segment with the seed of the open epoch and no receipts yet. */
static struct segment_entry again(struct scene *scene, u64 number)
{
    return world_entry(number, scene_epoch(scene), RS_4_8, LENGTH);
}

/* receipt: issued now by the clock of the block. */
static void receipt(struct scene *scene, struct segment_entry *entry, u8 index, u32 provider)
{
    world_sign(&scene->world, entry, scene->territory, scene->gateway, index, provider, 0,
               FIRST_PROVIDER + provider - 1, scene->world.block.time + RECEIPT_TTL_SECONDS);
}

static bool changed(struct scene *scene)
{
    return world_logs(&scene->world, &segment_module, "HolderChanged", NULL) > 0;
}

static void statuses_of(struct scene *scene, u64 number, enum holder_status *ret_status,
                        u64 *ret_since)
{
    struct slot_source source = world_slots(&scene->world);
    struct holder_clock clock;
    struct segment_record record;
    assert_true(scene_load(scene, number, &record));
    world_check(holder_clock_load(&source, &clock));
    world_check(segment_statuses(&source, &clock, &record, ret_status, ret_since));
}

static void test_complete(void **state)
{
    (void)state;
    struct scene scene;
    struct segment_record record;
    enum holder_status status[FRAGMENTS_MAX];
    u64 since[FRAGMENTS_MAX];
    scene_init(&scene, 13);
    struct segment_entry entry = scene_entry(&scene, 0, 8);
    assert_true(scene_commit(&scene, &entry));
    statuses_of(&scene, 0, status, since);
    assert_int_equal(status[7], HOLDER_PRESENT);
    assert_int_equal(status[8], HOLDER_AWAITED);
    world_block(&scene.world, 10);
    entry = again(&scene, 0);
    for (u8 i = 8; i < 11; i++) {
        receipt(&scene, &entry, i, i + 1U);
    }
    assert_false(send(&scene, STRANGER, &entry, NULL));
    assert_true(send(&scene, GATEWAY, &entry, NULL));
    assert_true(scene_load(&scene, 0, &record));
    assert_int_equal(segment_holder_count(&record), 11);
    assert_int_equal(record.flags, 0);
    /* Sent again: nothing is filled twice. */
    struct hash before = world_hash(&scene.world);
    assert_true(send(&scene, GATEWAY, &entry, NULL));
    assert_int_equal(WORLD_SKIPPED(&scene.world), SEGMENT_REASON_HOLDER);
    struct hash after = world_hash(&scene.world);
    assert_true(hash_eq(&before, &after));
    entry = again(&scene, 0);
    receipt(&scene, &entry, 11, 1); /* holds fragment 0 */
    assert_true(send(&scene, GATEWAY, &entry, NULL));
    assert_int_equal(WORLD_SKIPPED(&scene.world), SEGMENT_REASON_DUPLICATE);
    entry = again(&scene, 0);
    receipt(&scene, &entry, 11, 12);
    assert_true(send(&scene, GATEWAY, &entry, NULL));
    assert_true(scene_load(&scene, 0, &record));
    assert_int_equal(record.flags, SEGMENT_COMPLETE);
    scene_check(&scene);
    world_free(&scene.world);
}

static void test_complete_refusals(void **state)
{
    (void)state;
    struct scene scene;
    scene_init(&scene, 13);
    struct segment_entry entry = scene_entry(&scene, 0, 8);
    assert_true(scene_commit(&scene, &entry));
    /* Other roots: not the segment that was committed. */
    entry = again(&scene, 0);
    entry.epoch = 0;
    entry.roots[3].b[0] ^= 1;
    receipt(&scene, &entry, 8, 9);
    assert_true(send(&scene, GATEWAY, &entry, NULL));
    assert_int_equal(WORLD_REFUSED(&scene.world), SEGMENT_REASON_UNKNOWN_SEGMENT);
    entry = again(&scene, 1);
    receipt(&scene, &entry, 8, 9);
    assert_true(send(&scene, GATEWAY, &entry, NULL));
    assert_int_equal(WORLD_REFUSED(&scene.world), SEGMENT_REASON_UNKNOWN_SEGMENT);
    /* Overdue fragments become a job for watchers. */
    enum holder_status status[FRAGMENTS_MAX];
    u64 since[FRAGMENTS_MAX];
    struct segment_record record;
    world_blocks(&scene.world, 3, 10);
    statuses_of(&scene, 0, status, since);
    assert_int_equal(status[8], HOLDER_MISSING);
    assert_true(scene_load(&scene, 0, &record));
    assert_int_equal(since[8], record.committed + 30);
    assert_int_equal(segment_job_since(&record, status, since), record.committed + 30);
    world_free(&scene.world);
}

static void test_declared_and_repaired(void **state)
{
    (void)state;
    struct scene scene;
    struct segment_record record;
    enum holder_status status[FRAGMENTS_MAX];
    u64 since[FRAGMENTS_MAX];
    scene_init(&scene, 14);
    struct segment_entry entry = scene_entry(&scene, 0, 12);
    assert_true(scene_commit(&scene, &entry));
    declare_lost(&scene, 5, 0, 3); /* not his: passed over */
    assert_int_equal(world_logs(&scene.world, &provider_module, "FragmentLost", NULL), 0);
    world_block(&scene.world, 5);
    declare_lost(&scene, 4, 0, 3);
    assert_int_equal(world_logs(&scene.world, &provider_module, "FragmentLost", NULL), 1);
    scene_check(&scene);
    statuses_of(&scene, 0, status, since);
    assert_int_equal(status[3], HOLDER_LOST);
    assert_int_equal(since[3], world_now(&scene.world));
    assert_true(scene_load(&scene, 0, &record));
    assert_int_equal(record.holders[3].provider, 0);
    /* The gateway is the only watcher: drawn whatever the seed. A stranger must wait. */
    u32 none[] = {0};
    u32 wrong[] = {4};
    entry = again(&scene, 0);
    receipt(&scene, &entry, 3, 13);
    assert_true(send(&scene, STRANGER, &entry, none));
    assert_int_equal(WORLD_REFUSED(&scene.world), SEGMENT_REASON_NOT_ASSIGNED);
    assert_true(send(&scene, GATEWAY, &entry, wrong));
    assert_int_equal(WORLD_SKIPPED(&scene.world), SEGMENT_REASON_HOLDER);
    assert_false(changed(&scene));
    assert_true(send(&scene, GATEWAY, &entry, none));
    assert_true(changed(&scene));
    assert_true(scene_load(&scene, 0, &record));
    assert_int_equal(record.holders[3].provider, 13);
    scene_check(&scene);
    /* Nothing is lost any more: nobody may repair. */
    u32 held[] = {13};
    entry = again(&scene, 0);
    receipt(&scene, &entry, 3, 14);
    assert_true(send(&scene, GATEWAY, &entry, held));
    assert_int_equal(WORLD_REFUSED(&scene.world), SEGMENT_REASON_NOT_ASSIGNED);
    world_free(&scene.world);
}

static void test_receipts_are_good_once(void **state)
{
    (void)state;
    struct scene scene;
    scene_init(&scene, 13);
    struct segment_entry entry = scene_entry(&scene, 0, 12);
    assert_true(scene_commit(&scene, &entry));
    struct segment_entry first = again(&scene, 0);
    first.receipts[0] = entry.receipts[3];
    first.receipt_count = 1;
    world_block(&scene.world, 20);
    declare_lost(&scene, 4, 0, 3);
    /* The receipt of the commit still has its deadline ahead, but it is older than the loss. */
    u32 none[] = {0};
    first.epoch = scene_epoch(&scene);
    assert_true(send(&scene, GATEWAY, &first, none));
    assert_int_equal(WORLD_SKIPPED(&scene.world), SEGMENT_REASON_STALE);
    assert_false(changed(&scene));
    /* The same provider may take the fragment again with a new one. */
    entry = again(&scene, 0);
    receipt(&scene, &entry, 3, 4);
    assert_true(send(&scene, GATEWAY, &entry, none));
    assert_true(changed(&scene));
    scene_check(&scene);
    world_free(&scene.world);
}

static void test_everything_lost(void **state)
{
    (void)state;
    struct scene scene;
    struct segment_record record;
    enum holder_status status[FRAGMENTS_MAX];
    u64 since[FRAGMENTS_MAX];
    scene_init(&scene, 13);
    for (u64 i = 0; i < 3; i++) {
        struct segment_entry entry = scene_entry(&scene, i, 12);
        assert_true(scene_commit(&scene, &entry));
    }
    world_block(&scene.world, 5);
    by_provider(&scene, 4, "declareLostAll");
    assert_int_equal(scene_provider(&scene, 4).service, 0);
    assert_int_equal(scene_provider(&scene, 4).lost_before, 3);
    for (u64 i = 0; i < 3; i++) {
        statuses_of(&scene, i, status, since);
        assert_int_equal(status[3], HOLDER_LOST);
        assert_int_equal(since[3], world_now(&scene.world));
    }
    scene_check(&scene);
    /* Compare-and-set against the old holder; the one who lost it may have it again. */
    u32 old[] = {4};
    struct segment_entry entry = again(&scene, 1);
    receipt(&scene, &entry, 3, 4);
    assert_true(send(&scene, GATEWAY, &entry, old));
    assert_true(changed(&scene));
    assert_true(scene_load(&scene, 1, &record));
    assert_int_equal(record.holders[3].provider, 4);
    assert_int_equal(record.holders[3].position, 3);
    statuses_of(&scene, 1, status, since);
    assert_int_equal(status[3], HOLDER_PRESENT);
    statuses_of(&scene, 0, status, since);
    assert_int_equal(status[3], HOLDER_LOST);
    scene_check(&scene);
    /* A fragment that went with everything is not declared a second time. */
    declare_lost(&scene, 4, 0, 3);
    assert_int_equal(world_logs(&scene.world, &provider_module, "FragmentLost", NULL), 0);
    scene_check(&scene);
    world_free(&scene.world);
}

/* One provider behind two entries, one of them lost long ago: both replaced in one repair. */
static void test_two_entries_of_one_provider(void **state)
{
    (void)state;
    struct scene scene;
    scene_init(&scene, 14);
    struct segment_entry entry = scene_entry(&scene, 0, 8);
    assert_true(scene_commit(&scene, &entry));
    world_block(&scene.world, 1);
    by_provider(&scene, 8, "declareLostAll");
    entry = again(&scene, 0);
    world_block(&scene.world, 1);
    entry.epoch = scene_epoch(&scene);
    receipt(&scene, &entry, 8, 8); /* index 7 is still named in the record, but lost */
    assert_true(send(&scene, GATEWAY, &entry, NULL));
    assert_true(changed(&scene));
    scene_check(&scene);
    by_provider(&scene, 8, "drain");
    world_block(&scene.world, 1);
    u32 old[] = {8, 8};
    entry = again(&scene, 0);
    receipt(&scene, &entry, 7, 13);
    receipt(&scene, &entry, 8, 14);
    assert_true(send(&scene, GATEWAY, &entry, old));
    assert_int_equal(world_logs(&scene.world, &segment_module, "HolderChanged", NULL), 2);
    scene_check(&scene);
    assert_int_equal(scene_provider(&scene, 8).live, 0);
    by_provider(&scene, 8, "exit");
    assert_int_equal(scene_provider(&scene, 8).state, PROVIDER_EXITED);
    world_free(&scene.world);
}

static void heartbeat_all(struct scene *scene, u32 but)
{
    for (u32 p = 1; p <= scene->providers; p++) {
        if (p != but) {
            by_provider(scene, p, "heartbeat");
        }
    }
}

static void test_late_provider(void **state)
{
    (void)state;
    struct scene scene;
    struct segment_record record;
    enum holder_status status[FRAGMENTS_MAX];
    u64 since[FRAGMENTS_MAX];
    scene_init(&scene, 14);
    world_set_param(&scene.world, "heartbeat_due_s", 5);
    world_set_param(&scene.world, "heartbeat_late_s", 10);
    heartbeat_all(&scene, 0);
    struct segment_entry entry = scene_entry(&scene, 0, 12);
    assert_true(scene_commit(&scene, &entry));
    struct abi_value late[] = {abi_u64(4)};
    struct address stranger = world_person(STRANGER);
    world_block(&scene.world, 8);
    heartbeat_all(&scene, 4);
    world_block(&scene.world, 7);
    assert_false(world_call(&scene.world, &provider_module, "reportLate", &stranger, late));
    statuses_of(&scene, 0, status, since);
    assert_int_equal(status[3], HOLDER_PRESENT);
    world_block(&scene.world, 1);
    statuses_of(&scene, 0, status, since);
    assert_int_equal(status[3], HOLDER_LOST);
    assert_true(world_call(&scene.world, &provider_module, "reportLate", &stranger, late));
    assert_false(world_call(&scene.world, &provider_module, "reportLate", &stranger, late));
    heartbeat_all(&scene, 4);
    /* It comes back with its data: everything is held again without another word. */
    by_provider(&scene, 4, "heartbeat");
    statuses_of(&scene, 0, status, since);
    assert_int_equal(status[3], HOLDER_PRESENT);
    scene_check(&scene);
    /* Away again, replaced meanwhile: what was repaired stays with the new holder. */
    world_block(&scene.world, 10);
    heartbeat_all(&scene, 4);
    world_block(&scene.world, 6);
    u32 old[] = {4};
    entry = again(&scene, 0);
    receipt(&scene, &entry, 3, 4); /* itself: late, takes nothing */
    assert_true(send(&scene, GATEWAY, &entry, old));
    assert_int_equal(WORLD_SKIPPED(&scene.world), SEGMENT_REASON_PROVIDER);
    entry = again(&scene, 0);
    receipt(&scene, &entry, 3, 13);
    assert_true(send(&scene, GATEWAY, &entry, old));
    assert_true(changed(&scene));
    by_provider(&scene, 4, "heartbeat");
    assert_true(scene_load(&scene, 0, &record));
    assert_int_equal(record.holders[3].provider, 13);
    assert_int_equal(scene_provider(&scene, 4).live, 0);
    scene_check(&scene);
    world_free(&scene.world);
}

/* A pause of the whole chain makes nobody late. */
static void test_pause(void **state)
{
    (void)state;
    struct scene scene;
    enum holder_status status[FRAGMENTS_MAX];
    u64 since[FRAGMENTS_MAX];
    scene_init(&scene, 12);
    world_set_param(&scene.world, "heartbeat_due_s", 5);
    world_set_param(&scene.world, "heartbeat_late_s", 10);
    heartbeat_all(&scene, 0);
    struct segment_entry entry = scene_entry(&scene, 0, 12);
    assert_true(scene_commit(&scene, &entry));
    world_block(&scene.world, 100000);
    statuses_of(&scene, 0, status, since);
    for (u8 i = 0; i < 12; i++) {
        assert_int_equal(status[i], HOLDER_PRESENT);
    }
    world_free(&scene.world);
}

static void test_anyone_after_the_window(void **state)
{
    (void)state;
    struct scene scene;
    scene_init(&scene, 13);
    struct segment_entry entry = scene_entry(&scene, 0, 12);
    assert_true(scene_commit(&scene, &entry));
    declare_lost(&scene, 4, 0, 3);
    world_blocks(&scene.world, 2, 10);
    u32 none[] = {0};
    entry = again(&scene, 0);
    receipt(&scene, &entry, 3, 13);
    world_block(&scene.world, 9);
    entry.epoch = scene_epoch(&scene);
    assert_true(send(&scene, STRANGER, &entry, none));
    assert_int_equal(WORLD_REFUSED(&scene.world), SEGMENT_REASON_NOT_ASSIGNED);
    world_block(&scene.world, 1);
    entry.epoch = scene_epoch(&scene);
    assert_true(send(&scene, STRANGER, &entry, none));
    assert_true(changed(&scene));
    world_free(&scene.world);
}

static void test_watchers(void **state)
{
    (void)state;
    struct scene scene;
    scene_init(&scene, 12);
    for (u32 i = 0; i < 9; i++) {
        struct address account = world_person(500 + i);
        assert_true(world_call(&scene.world, &segment_module, "registerWatcher", &account, NULL));
        assert_false(world_call(&scene.world, &segment_module, "registerWatcher", &account, NULL));
    }
    struct slot_source source = world_slots(&scene.world);
    u32 count;
    world_check(watcher_count(&source, &count));
    assert_int_equal(count, 10);
    u32 drawn[10] = {0};
    for (u64 number = 0; number < 500; number++) {
        struct segment_key key = scene_key(&scene, number);
        struct hash seed = {{1, 2, 3}};
        struct address accounts[SEGMENT_WATCHERS_PER_JOB];
        size_t got;
        world_check(segment_watchers(&source, &key, &seed, accounts, &got));
        assert_int_equal(got, 2);
        assert_false(address_eq(&accounts[0], &accounts[1]));
        for (u32 w = 0; w < 10; w++) {
            struct address account;
            world_check(watcher_at(&source, w, &account));
            drawn[w] += address_eq(&account, &accounts[0]) || address_eq(&account, &accounts[1]);
        }
    }
    for (u32 w = 0; w < 10; w++) {
        assert_in_range(drawn[w], 60, 140);
    }
    world_free(&scene.world);
}

static bool numbers_call(struct scene *scene, const char *name, u32 caller, u64 number)
{
    struct address account = world_person(caller);
    struct abi_value item = abi_u64(number);
    struct abi_value args[] = {abi_u64(scene->territory), abi_u64(scene->gateway),
                               abi_array(&item, 1)};
    return world_call(&scene->world, &segment_module, name, &account, args);
}

static void test_release(void **state)
{
    (void)state;
    struct scene scene;
    struct segment_record record;
    scene_init(&scene, 12);
    for (u64 i = 0; i < 2; i++) {
        struct segment_entry entry = scene_entry(&scene, i, 12);
        assert_true(scene_commit(&scene, &entry));
    }
    world_set_param(&scene.world, "release_delay_s", 100);
    assert_false(numbers_call(&scene, "release", STRANGER, 0));
    assert_true(numbers_call(&scene, "release", GATEWAY, 0));
    assert_int_equal(world_logs(&scene.world, &segment_module, "ReleaseScheduled", NULL), 1);
    assert_true(numbers_call(&scene, "release", GATEWAY, 0)); /* again: the time stays */
    assert_int_equal(world_logs(&scene.world, &segment_module, "ReleaseScheduled", NULL), 0);
    /* Not before the delay is over; then whoever comes first. */
    world_blocks(&scene.world, 9, 10);
    assert_true(numbers_call(&scene, "purge", STRANGER, 0));
    assert_true(scene_load(&scene, 0, &record));
    /* A head may not point into it meanwhile. */
    struct world_head head = {scene.bucket, {{0}}, {{1}}, {scene.gateway, 0, 0, 10}};
    assert_true(world_commit(&scene.world, GATEWAY, scene.territory, NULL, 0, &head, 1));
    assert_int_equal(WORLD_HEAD_REFUSED(&scene.world), SEGMENT_REASON_LOCATOR);
    world_block(&scene.world, 10);
    assert_true(numbers_call(&scene, "purge", STRANGER, 1)); /* never released */
    assert_true(numbers_call(&scene, "purge", STRANGER, 0));
    assert_int_equal(world_logs(&scene.world, &segment_module, "SegmentPurged", NULL), 1);
    assert_false(scene_load(&scene, 0, &record));
    assert_true(scene_load(&scene, 1, &record));
    scene_check(&scene);
    assert_int_equal(scene_provider(&scene, 1).live, 1);
    /* The number is gone with it. */
    struct segment_entry entry = scene_entry(&scene, 0, 12);
    entry.epoch = scene_epoch(&scene);
    assert_true(scene_commit(&scene, &entry));
    assert_int_equal(WORLD_REFUSED(&scene.world), SEGMENT_REASON_NUMBER);
    world_free(&scene.world);
}

static void test_undo_release(void **state)
{
    (void)state;
    struct scene scene;
    struct segment_record record;
    scene_init(&scene, 12);
    struct segment_entry entry = scene_entry(&scene, 0, 12);
    assert_true(scene_commit(&scene, &entry));
    world_set_param(&scene.world, "release_delay_s", 100);
    assert_true(numbers_call(&scene, "release", GATEWAY, 0));
    assert_false(numbers_call(&scene, "undoRelease", GATEWAY, 0));
    assert_true(numbers_call(&scene, "undoRelease", OWNER, 0));
    assert_int_equal(world_logs(&scene.world, &segment_module, "ReleaseUndone", NULL), 1);
    world_blocks(&scene.world, 20, 10);
    assert_true(numbers_call(&scene, "purge", STRANGER, 0));
    assert_true(scene_load(&scene, 0, &record));
    assert_int_equal(record.flags & SEGMENT_RELEASING, 0);
    scene_check(&scene);
    world_free(&scene.world);
}

/* The draw's provider by walking the table, independent of the tree. */
static u32 drawn_by_walk(struct scene *scene, const struct ticket_seed *seed,
                         const struct segment_key *key, u16 draw)
{
    struct slot_source source = world_slots(&scene->world);
    u64 point = placement_point(&seed->seed, key, draw, seed->total);
    u64 before = 0;
    for (u32 p = 1; p <= scene->providers; p++) {
        u64 weight;
        bool found;
        world_check(provider_weight(&source, p, seed->table_epoch, &weight, &found));
        assert_true(found);
        if (point - before < weight) {
            return p;
        }
        before += weight;
    }
    fail();
    return 0;
}

/* 48 eligible providers and n = 12: draws count. */
static void test_draws(void **state)
{
    (void)state;
    struct scene scene;
    struct ticket_seed seed;
    bool is_valid;
    scene_init(&scene, 48);
    for (u32 p = 1; p <= 48; p += 5) { /* unequal weights */
        struct address account = world_person(FIRST_PROVIDER + p - 1);
        struct abi_value args[] = {abi_u64(GIB(p))};
        assert_true(world_call(&scene.world, &provider_module, "announce", &account, args));
    }
    world_blocks(&scene.world, 3, 10);
    struct slot_source source = world_slots(&scene.world);
    world_check(segment_ticket_seed_now(&source, scene.territory, scene.gateway,
                                        scene.world.block.time, &seed, &is_valid));
    assert_true(is_valid && seed.eligible == 48 && seed.epoch == scene_epoch(&scene));
    struct segment_entry entry = world_entry(0, seed.epoch, RS_4_8, LENGTH);
    struct segment_key key = scene_key(&scene, 0);
    u8 index = 0;
    u16 draws[12];
    u32 holders[12];
    u16 wrong = 0;
    for (u16 draw = 0; draw < placement_draws_max(12) && index < 12; draw++) {
        u32 p = drawn_by_walk(&scene, &seed, &key, draw);
        bool is_new = true;
        for (u8 i = 0; i < index; i++) {
            is_new = is_new && holders[i] != p;
        }
        if (is_new) {
            holders[index] = p;
            draws[index] = draw;
            world_sign(&scene.world, &entry, scene.territory, scene.gateway, index, p, draw,
                       FIRST_PROVIDER + p - 1, scene_deadline(&scene));
            index++;
        }
    }
    assert_true(index >= 9);
    /* Everyone as drawn: all accepted. With the next one's draw number: refused. */
    struct segment_entry bad = entry;
    bad.number = 1;
    wrong = draws[1];
    bad.receipt_count = 0;
    for (u8 i = 0; i < index; i++) {
        world_sign(&scene.world, &bad, scene.territory, scene.gateway, i, holders[i], wrong,
                   FIRST_PROVIDER + holders[i] - 1, scene_deadline(&scene));
    }
    assert_true(scene_commit(&scene, &bad));
    assert_int_equal(WORLD_REFUSED(&scene.world), SEGMENT_REASON_QUORUM);
    assert_int_equal(WORLD_SKIPPED(&scene.world), SEGMENT_REASON_DRAW);
    assert_true(scene_commit(&scene, &entry));
    assert_int_equal(world_logs(&scene.world, &segment_module, "SegmentRegistered", NULL), 1);
    assert_int_equal(world_logs(&scene.world, &segment_module, "ReceiptSkipped", NULL), 0);
    print_message("commit among 48 providers, %u receipts: %llu gas\n", index,
                  (unsigned long long)scene.world.gas_used);
    /* Complete asks for a valid ticket too; any open epoch's will do. */
    struct segment_entry late = world_entry(0, seed.epoch + 1, RS_4_8, LENGTH);
    assert_true(send(&scene, GATEWAY, &late, NULL));
    assert_int_equal(WORLD_REFUSED(&scene.world), SEGMENT_REASON_TICKET);
    late.epoch = seed.epoch - 1;
    assert_true(send(&scene, GATEWAY, &late, NULL));
    assert_int_equal(WORLD_REFUSED(&scene.world), SEGMENT_REASON_NONE);
    scene_check(&scene);
    world_free(&scene.world);
}

/* A draw number past 4n/3, and a provider that came after the table was frozen. */
static void test_draw_limits(void **state)
{
    (void)state;
    struct scene scene;
    struct ticket_seed seed;
    bool is_valid;
    scene_init(&scene, 48);
    world_blocks(&scene.world, 3, 10);
    scene_add_providers(&scene, 2);
    struct slot_source source = world_slots(&scene.world);
    world_check(segment_ticket_seed_now(&source, scene.territory, scene.gateway,
                                        scene.world.block.time, &seed, &is_valid));
    assert_true(is_valid && seed.eligible == 48);
    struct segment_entry entry = world_entry(0, seed.epoch, RS_4_8, LENGTH);
    struct segment_key key = scene_key(&scene, 0);
    u16 draw = placement_draws_max(12);
    u32 p = drawn_by_walk(&scene, &seed, &key, draw);
    world_sign(&scene.world, &entry, scene.territory, scene.gateway, 0, p, draw,
               FIRST_PROVIDER + p - 1, scene_deadline(&scene));
    assert_true(scene_commit(&scene, &entry));
    assert_int_equal(WORLD_SKIPPED(&scene.world), SEGMENT_REASON_DRAW);
    for (draw = 0; draw < placement_draws_max(12); draw++) {
        entry.receipt_count = 0;
        world_sign(&scene.world, &entry, scene.territory, scene.gateway, 0, 49, draw,
                   FIRST_PROVIDER + 48, scene_deadline(&scene));
        assert_true(scene_commit(&scene, &entry));
        assert_int_equal(WORLD_SKIPPED(&scene.world), SEGMENT_REASON_DRAW);
    }
    world_free(&scene.world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_complete),
        cmocka_unit_test(test_complete_refusals),
        cmocka_unit_test(test_declared_and_repaired),
        cmocka_unit_test(test_receipts_are_good_once),
        cmocka_unit_test(test_everything_lost),
        cmocka_unit_test(test_two_entries_of_one_provider),
        cmocka_unit_test(test_late_provider),
        cmocka_unit_test(test_pause),
        cmocka_unit_test(test_anyone_after_the_window),
        cmocka_unit_test(test_watchers),
        cmocka_unit_test(test_release),
        cmocka_unit_test(test_undo_release),
        cmocka_unit_test(test_draws),
        cmocka_unit_test(test_draw_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
