/* commit, complete, repair, release: the good way and every forged one. */
#include "ledger/modules/scene.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_commit(void **state)
{
    (void)state;
    struct scene scene;
    struct segment_record record;
    scene_init(&scene, 12);
    struct segment_entry entry = scene_entry(&scene, 0, 12);
    assert_true(scene_commit(&scene, &entry));
    assert_int_equal(world_logs(&scene.world, &segment_module, "SegmentRegistered", NULL), 1);
    assert_int_equal(world_logs(&scene.world, &segment_module, "ReceiptSkipped", NULL), 0);
    assert_true(scene_load(&scene, 0, &record));
    assert_int_equal(record.n, 12);
    assert_int_equal(record.length, LENGTH);
    assert_int_equal(record.flags, SEGMENT_COMPLETE);
    assert_int_equal(record.committed, world_now(&scene.world));
    struct hash id;
    segment_id(&id, RS_4_8, LENGTH, entry.roots, 12);
    assert_true(hash_eq(&id, &record.id));
    for (u32 i = 0; i < 12; i++) {
        assert_int_equal(record.holders[i].provider, i + 1);
        assert_int_equal(record.holders[i].position, 0);
        assert_int_equal(scene_provider(&scene, i + 1).service, scene_fragment_bytes());
    }
    scene_check(&scene);
    print_message("commit of one rs-4-8 segment, 12 receipts: %llu gas\n",
                  (unsigned long long)scene.world.gas_used);
    entry = scene_entry(&scene, 1, 12);
    assert_true(scene_commit(&scene, &entry));
    print_message("the second one: %llu gas\n", (unsigned long long)scene.world.gas_used);
    assert_true(scene_load(&scene, 1, &record));
    assert_int_equal(record.serial, 2);
    scene_check(&scene);
    world_free(&scene.world);
}

static void test_quorum(void **state)
{
    (void)state;
    struct scene scene;
    struct segment_record record;
    scene_init(&scene, 12);
    struct segment_entry entry = scene_entry(&scene, 0, 7);
    struct hash before = world_hash(&scene.world);
    assert_true(scene_commit(&scene, &entry));
    assert_int_equal(WORLD_REFUSED(&scene.world), SEGMENT_REASON_QUORUM);
    struct hash after = world_hash(&scene.world);
    assert_true(hash_eq(&before, &after));
    assert_false(scene_load(&scene, 0, &record));
    /* The number was not used up: eight are enough. */
    entry = scene_entry(&scene, 0, 8);
    assert_true(scene_commit(&scene, &entry));
    assert_true(scene_load(&scene, 0, &record));
    assert_int_equal(record.flags, 0);
    assert_int_equal(segment_holder_count(&record), 8);
    scene_check(&scene);
    world_free(&scene.world);
}

/* expect_skip: with nine receipts of which the last is bad, eight count. */
static void expect_skip(struct scene *scene, struct segment_entry *entry,
                        enum segment_reason reason)
{
    struct segment_record record;
    assert_true(scene_commit(scene, entry));
    assert_int_equal(WORLD_SKIPPED(&scene->world), reason);
    assert_int_equal(world_logs(&scene->world, &segment_module, "ReceiptSkipped", NULL), 1);
    assert_true(scene_load(scene, entry->number, &record));
    assert_int_equal(segment_holder_count(&record), 8);
    u8 bad = entry->receipts[8].index;
    assert_int_equal(record.holders[bad].provider, 0);
    scene_check(scene);
}

static void test_forged_receipts(void **state)
{
    (void)state;
    struct scene scene;
    scene_init(&scene, 12);
    u64 number = 0;
    u64 good = scene_deadline(&scene);
    /* Another provider's key. */
    struct segment_entry entry = scene_entry(&scene, number++, 8);
    world_sign(&scene.world, &entry, scene.territory, scene.gateway, 8, 9, 0, FIRST_PROVIDER, good);
    expect_skip(&scene, &entry, SEGMENT_REASON_SIGNATURE);
    /* Signed for another number, another gateway, another territory. */
    entry = scene_entry(&scene, number++, 8);
    struct segment_entry other = entry;
    other.number = 77;
    world_sign(&scene.world, &other, scene.territory, scene.gateway, 8, 9, 0, FIRST_PROVIDER + 8,
               good);
    entry.receipts[entry.receipt_count++] = other.receipts[8];
    expect_skip(&scene, &entry, SEGMENT_REASON_SIGNATURE);
    entry = scene_entry(&scene, number++, 8);
    world_sign(&scene.world, &entry, scene.territory, scene.gateway + 1, 8, 9, 0,
               FIRST_PROVIDER + 8, good);
    expect_skip(&scene, &entry, SEGMENT_REASON_SIGNATURE);
    entry = scene_entry(&scene, number++, 8);
    world_sign(&scene.world, &entry, scene.territory + 1, scene.gateway, 8, 9, 0,
               FIRST_PROVIDER + 8, good);
    expect_skip(&scene, &entry, SEGMENT_REASON_SIGNATURE);
    /* Signed for another index: the receipt of fragment 9 shown for fragment 8. */
    entry = scene_entry(&scene, number++, 8);
    world_sign(&scene.world, &entry, scene.territory, scene.gateway, 9, 9, 0, FIRST_PROVIDER + 8,
               good);
    entry.receipts[8].index = 8;
    expect_skip(&scene, &entry, SEGMENT_REASON_SIGNATURE);
    /* Another deadline than the signed one; a flipped bit; another chain. */
    entry = scene_entry(&scene, number++, 9);
    entry.receipts[8].deadline++;
    expect_skip(&scene, &entry, SEGMENT_REASON_SIGNATURE);
    entry = scene_entry(&scene, number++, 9);
    entry.receipts[8].signature.b[40] ^= 1;
    expect_skip(&scene, &entry, SEGMENT_REASON_SIGNATURE);
    entry = scene_entry(&scene, number++, 8);
    scene.world.block.chain_id++;
    scene_sign(&scene, &entry, 8, 9);
    scene.world.block.chain_id--;
    expect_skip(&scene, &entry, SEGMENT_REASON_SIGNATURE);
    world_free(&scene.world);
}

static void test_refused_receipts(void **state)
{
    (void)state;
    struct scene scene;
    scene_init(&scene, 12);
    u64 number = 0;
    u64 now = scene.world.block.time;
    struct segment_entry entry = scene_entry(&scene, number++, 8);
    world_sign(&scene.world, &entry, scene.territory, scene.gateway, 8, 9, 0, FIRST_PROVIDER + 8,
               now - 1);
    expect_skip(&scene, &entry, SEGMENT_REASON_DEADLINE);
    entry = scene_entry(&scene, number++, 8);
    world_sign(&scene.world, &entry, scene.territory, scene.gateway, 8, 9, 0, FIRST_PROVIDER + 8,
               now + RECEIPT_TTL_SECONDS + RECEIPT_SKEW_SECONDS + 1);
    expect_skip(&scene, &entry, SEGMENT_REASON_DEADLINE);
    /* Who holds one fragment gets no second one. */
    entry = scene_entry(&scene, number++, 8);
    scene_sign(&scene, &entry, 8, 8);
    expect_skip(&scene, &entry, SEGMENT_REASON_DUPLICATE);
    /* Providers that do not exist. */
    entry = scene_entry(&scene, number++, 8);
    scene_sign(&scene, &entry, 8, 13);
    expect_skip(&scene, &entry, SEGMENT_REASON_PROVIDER);
    entry = scene_entry(&scene, number++, 9);
    entry.receipts[8].provider = 0;
    expect_skip(&scene, &entry, SEGMENT_REASON_PROVIDER);
    world_free(&scene.world);
}

static void provider_call(struct scene *scene, u32 provider, const char *name)
{
    struct address account = world_person(FIRST_PROVIDER + provider - 1);
    assert_true(world_call(&scene->world, &provider_module, name, &account, NULL));
}

static void announce(struct scene *scene, u32 provider, u64 size)
{
    struct address account = world_person(FIRST_PROVIDER + provider - 1);
    struct abi_value args[] = {abi_u64(size)};
    assert_true(world_call(&scene->world, &provider_module, "announce", &account, args));
}

static void test_unfit_providers(void **state)
{
    (void)state;
    struct scene scene;
    scene_init(&scene, 12);
    /* No room by one byte, then exactly enough. */
    announce(&scene, 9, scene_fragment_bytes() - 1);
    struct segment_entry entry = scene_entry(&scene, 0, 9);
    expect_skip(&scene, &entry, SEGMENT_REASON_ROOM);
    announce(&scene, 9, scene_fragment_bytes());
    entry = scene_entry(&scene, 1, 9);
    assert_true(scene_commit(&scene, &entry));
    assert_int_equal(world_logs(&scene.world, &segment_module, "ReceiptSkipped", NULL), 0);
    announce(&scene, 9, GIB(1));
    provider_call(&scene, 9, "drain");
    entry = scene_entry(&scene, 2, 9);
    expect_skip(&scene, &entry, SEGMENT_REASON_PROVIDER);
    provider_call(&scene, 9, "rejoin");
    /* A receipt from before the loss of everything is void, one from after it is not. */
    entry = scene_entry(&scene, 3, 8);
    u64 early = scene.world.block.time - 1 + RECEIPT_TTL_SECONDS;
    world_sign(&scene.world, &entry, scene.territory, scene.gateway, 8, 9, 0, FIRST_PROVIDER + 8,
               early);
    provider_call(&scene, 9, "declareLostAll");
    expect_skip(&scene, &entry, SEGMENT_REASON_STALE);
    entry = scene_entry(&scene, 4, 8);
    world_sign(&scene.world, &entry, scene.territory, scene.gateway, 8, 9, 0, FIRST_PROVIDER + 8,
               early + 1);
    assert_true(scene_commit(&scene, &entry));
    assert_int_equal(world_logs(&scene.world, &segment_module, "ReceiptSkipped", NULL), 0);
    scene_check(&scene);
    world_free(&scene.world);
}

static void test_caps(void **state)
{
    (void)state;
    struct scene scene;
    scene_init(&scene, 12);
    /* Providers 13..16 of one operator: at most three of them. */
    for (u32 i = 0; i < 4; i++) {
        world_add_provider(&scene.world, FIRST_PROVIDER + 12 + i, 60, 100 + i, GIB(1));
    }
    /* 17..20 of different operators in one /24. */
    for (u32 i = 0; i < 4; i++) {
        world_add_provider(&scene.world, FIRST_PROVIDER + 16 + i, 61 + i, 200, GIB(1));
    }
    scene.providers = 20;
    struct segment_entry entry = scene_entry(&scene, 0, 5);
    for (u8 i = 0; i < 4; i++) {
        scene_sign(&scene, &entry, (u8)(5 + i), 13U + i);
    }
    expect_skip(&scene, &entry, SEGMENT_REASON_OPERATOR_CAP);
    entry = scene_entry(&scene, 1, 5);
    for (u8 i = 0; i < 4; i++) {
        scene_sign(&scene, &entry, (u8)(5 + i), 17U + i);
    }
    expect_skip(&scene, &entry, SEGMENT_REASON_PREFIX_CAP);
    world_free(&scene.world);
}

static void expect_refused(struct scene *scene, const struct segment_entry *entry,
                           enum segment_reason reason)
{
    struct hash before = world_hash(&scene->world);
    assert_true(scene_commit(scene, entry));
    assert_int_equal(WORLD_REFUSED(&scene->world), reason);
    struct hash after = world_hash(&scene->world);
    assert_true(hash_eq(&before, &after));
}

static void test_numbers(void **state)
{
    (void)state;
    struct scene scene;
    scene_init(&scene, 12);
    struct segment_entry entry = scene_entry(&scene, 5, 12);
    assert_true(scene_commit(&scene, &entry));
    expect_refused(&scene, &entry, SEGMENT_REASON_NUMBER); /* replayed as it is */
    entry = scene_entry(&scene, 3, 12);                    /* any order inside the window */
    assert_true(scene_commit(&scene, &entry));
    assert_int_equal(world_logs(&scene.world, &segment_module, "SegmentRegistered", NULL), 1);
    expect_refused(&scene, &entry, SEGMENT_REASON_NUMBER);
    entry = scene_entry(&scene, 100000, 12); /* skipping almost all */
    expect_refused(&scene, &entry, SEGMENT_REASON_NUMBER);
    entry = scene_entry(&scene, UINT64_MAX, 12);
    expect_refused(&scene, &entry, SEGMENT_REASON_NUMBER);
    /* The same number twice in one commit: the second is refused. */
    struct segment_entry pair[] = {scene_entry(&scene, 6, 12), scene_entry(&scene, 6, 8)};
    assert_true(world_commit(&scene.world, GATEWAY, scene.territory, pair, 2, NULL, 0));
    assert_int_equal(world_logs(&scene.world, &segment_module, "SegmentRegistered", NULL), 1);
    assert_int_equal(WORLD_REFUSED(&scene.world), SEGMENT_REASON_NUMBER);
    scene_check(&scene);
    world_free(&scene.world);
}

static void test_ticket_window(void **state)
{
    (void)state;
    struct ticket_record record = {0};
    assert_int_equal(ticket_next(&record), 0);
    for (u64 i = 0; i < 1000; i++) {
        assert_int_equal(ticket_next(&record), i);
        assert_true(ticket_use(&record, i, 5));
        assert_true(ticket_is_used(&record, i));
    }
    assert_int_equal(record.used, 1000);
    assert_int_equal(record.skipped, 0);
    assert_false(ticket_use(&record, 0, 5));
    assert_false(ticket_use(&record, 999, 5));
    /* Every number but each twentieth: five percent are skipped for ever. */
    record = (struct ticket_record){0};
    for (u64 i = 0; i < 20000; i++) {
        if (i % 20 != 7) {
            assert_true(ticket_use(&record, i, 5));
        }
    }
    assert_int_equal(record.skipped, (20000 - TICKET_WINDOW + 12) / 20);
    /* What a crash left unused is found again. */
    record = (struct ticket_record){0};
    assert_true(ticket_use(&record, 0, 5) && ticket_use(&record, 2, 5));
    assert_int_equal(ticket_lowest(&record, 0), 1);
    assert_int_equal(ticket_lowest(&record, 2), 3);
    assert_int_equal(ticket_lowest(&record, 500), 500);
    assert_int_equal(ticket_next(&record), 3);
    /* Every second one: soon refused. */
    record = (struct ticket_record){0};
    u64 i = 0;
    while (i < 1000 && ticket_use(&record, i, 5)) {
        i += 2;
    }
    assert_true(i < 2 * TICKET_WINDOW);
    /* One far jump is refused unless the allowance covers it. */
    record = (struct ticket_record){0};
    assert_true(ticket_use(&record, TICKET_WINDOW - 1 + TICKET_SKIP_ALLOWANCE, 0));
    record = (struct ticket_record){0};
    assert_false(ticket_use(&record, TICKET_WINDOW + TICKET_SKIP_ALLOWANCE, 0));
    assert_false(ticket_use(&record, UINT64_MAX - 1, 5));
    assert_int_equal(record.used, 0);
}

static void test_limits_of_owner(void **state)
{
    (void)state;
    struct scene scene;
    scene_init(&scene, 12);
    assert_true(world_authorise(&scene.world, OWNER, scene.territory, scene.gateway, SCOPE_ALL,
                                LENGTH - 1));
    struct segment_entry entry = scene_entry(&scene, 0, 12);
    expect_refused(&scene, &entry, SEGMENT_REASON_QUOTA);
    assert_true(
        world_authorise(&scene.world, OWNER, scene.territory, scene.gateway, SCOPE_ALL, LENGTH));
    assert_true(scene_commit(&scene, &entry));
    entry = scene_entry(&scene, 1, 12);
    expect_refused(&scene, &entry, SEGMENT_REASON_QUOTA);
    scene_check(&scene);
    /* A small territory, and one whose lease pays for rs-8-4 only. */
    u64 small = world_lease(&scene.world, OWNER, LENGTH - 1, RS_4_8);
    u64 cheap = world_lease(&scene.world, OWNER, GIB(1), RS_8_4);
    u64 wide = scene.territory;
    assert_true(world_authorise(&scene.world, OWNER, small, scene.gateway, SCOPE_ALL, GIB(1)));
    assert_true(world_authorise(&scene.world, OWNER, cheap, scene.gateway, SCOPE_ALL, GIB(1)));
    world_blocks(&scene.world, 3, 1);
    scene.territory = small;
    entry = scene_entry(&scene, 0, 12);
    expect_refused(&scene, &entry, SEGMENT_REASON_SPACE);
    scene.territory = cheap;
    entry = scene_entry(&scene, 0, 12);
    expect_refused(&scene, &entry, SEGMENT_REASON_CLASS_TOO_DEAR);
    scene.territory = wide;
    world_free(&scene.world);
}

static void expect_revert(struct scene *scene, u32 caller, const struct segment_entry *entry,
                          const char *reason)
{
    struct hash before = world_hash(&scene->world);
    assert_false(world_commit(&scene->world, caller, scene->territory, entry, 1, NULL, 0));
    assert_string_equal(world_reason(&scene->world), reason);
    struct hash after = world_hash(&scene->world);
    assert_true(hash_eq(&before, &after));
}

static void test_unauthorised(void **state)
{
    (void)state;
    struct scene scene;
    scene_init(&scene, 12);
    struct address owner = world_person(OWNER);
    struct address gateway = world_person(GATEWAY);
    struct segment_entry entry = scene_entry(&scene, 0, 12);
    expect_revert(&scene, STRANGER, &entry, "caller is no active gateway");
    expect_revert(&scene, OWNER, &entry, "caller is no active gateway");
    world_add_gateway(&scene.world, STRANGER);
    expect_revert(&scene, STRANGER, &entry, "gateway is not authorised");
    /* Without the scope, revoked, frozen, retired, expired. */
    assert_true(world_authorise(&scene.world, OWNER, scene.territory, scene.gateway,
                                SCOPE_ALL & ~(u32)SCOPE_WRITE, GIB(1)));
    expect_revert(&scene, GATEWAY, &entry, "gateway is not authorised");
    struct abi_value pair[] = {abi_u64(scene.territory), abi_u64(scene.gateway)};
    assert_true(world_call(&scene.world, &bucket_module, "revoke", &owner, pair));
    expect_revert(&scene, GATEWAY, &entry, "gateway is not authorised");
    assert_true(
        world_authorise(&scene.world, OWNER, scene.territory, scene.gateway, SCOPE_ALL, GIB(1)));
    struct abi_value territory[] = {abi_u64(scene.territory)};
    assert_true(world_call(&scene.world, &territory_module, "freeze", &owner, territory));
    expect_revert(&scene, GATEWAY, &entry, "territory is not usable");
    assert_true(world_call(&scene.world, &territory_module, "unfreeze", &owner, territory));
    assert_true(world_call(&scene.world, &bucket_module, "retireGateway", &gateway, NULL));
    expect_revert(&scene, GATEWAY, &entry, "caller is no active gateway");
    struct hash key = {{9}};
    struct abi_value update[] = {abi_bytes(bytes_str("http://b")), abi_hash(&key)};
    assert_true(world_call(&scene.world, &bucket_module, "updateGateway", &gateway, update));
    assert_true(scene_commit(&scene, &entry));
    assert_int_equal(world_logs(&scene.world, &segment_module, "SegmentRegistered", NULL), 1);
    scene.territory++;
    expect_revert(&scene, GATEWAY, &entry, "territory is not usable");
    world_free(&scene.world);
}

static void test_expired_lease_and_authorisation(void **state)
{
    (void)state;
    struct scene scene;
    scene_init(&scene, 12);
    struct address owner = world_person(OWNER);
    struct abi_value args[] = {abi_u64(scene.territory),
                               abi_u64(scene.gateway),
                               abi_u64(SCOPE_ALL),
                               abi_u64(GIB(1)),
                               abi_u64(scene.world.block.time + 5),
                               abi_bytes(bytes_make("", 0))};
    assert_true(world_call(&scene.world, &bucket_module, "authorise", &owner, args));
    struct segment_entry entry = scene_entry(&scene, 0, 12);
    world_block(&scene.world, 4);
    assert_true(scene_commit(&scene, &entry));
    world_block(&scene.world, 1);
    expect_revert(&scene, GATEWAY, &entry, "gateway is not authorised");
    world_blocks(&scene.world, 8640, 10);
    assert_true(
        world_authorise(&scene.world, OWNER, scene.territory, scene.gateway, SCOPE_ALL, GIB(1)));
    expect_revert(&scene, GATEWAY, &entry, "territory is not usable");
    world_free(&scene.world);
}

/* expect_ticket: the draws are wrong on purpose, so a valid ticket ends at the quorum. */
static void expect_ticket(struct scene *scene, u64 epoch, bool is_valid)
{
    struct segment_entry entry = scene_entry(scene, 0, 12);
    entry.epoch = epoch;
    for (u8 i = 0; i < entry.receipt_count; i++) {
        entry.receipts[i].draw = UINT16_MAX;
    }
    expect_refused(scene, &entry, is_valid ? SEGMENT_REASON_QUORUM : SEGMENT_REASON_TICKET);
}

/* In a network of 48 for n = 12. */
static void test_epochs_of_tickets(void **state)
{
    (void)state;
    struct scene scene;
    scene_init(&scene, 48);
    struct address owner = world_person(OWNER);
    struct abi_value pair[] = {abi_u64(scene.territory), abi_u64(scene.gateway)};
    world_blocks(&scene.world, 3, 10);
    expect_ticket(&scene, 0, false); /* the pair is older than that */
    expect_ticket(&scene, scene_epoch(&scene), true);
    assert_true(world_call(&scene.world, &bucket_module, "revoke", &owner, pair));
    assert_true(
        world_authorise(&scene.world, OWNER, scene.territory, scene.gateway, SCOPE_ALL, GIB(1)));
    u64 first = scene_epoch(&scene);
    expect_ticket(&scene, 0, false);     /* the output of the second block after is not known yet */
    expect_ticket(&scene, first, false); /* its seed was known before the pair */
    world_blocks(&scene.world, 2, 1);
    expect_ticket(&scene, 0, false);
    world_block(&scene.world, 1);
    assert_int_equal(scene_epoch(&scene), first);
    expect_ticket(&scene, 0, true);
    expect_ticket(&scene, first, false);
    expect_ticket(&scene, first + 1, false); /* not open yet */
    expect_ticket(&scene, UINT64_MAX, false);
    world_block(&scene.world, 10);
    expect_ticket(&scene, 0, true); /* for one epoch more */
    expect_ticket(&scene, first, false);
    expect_ticket(&scene, first + 1, true);
    world_block(&scene.world, 10);
    expect_ticket(&scene, 0, false);
    expect_ticket(&scene, first + 1, true);
    world_block(&scene.world, 10);
    expect_ticket(&scene, first + 1, false);
    expect_ticket(&scene, first + 3, true);
    world_free(&scene.world);
}

static void test_ticket_seed_now(void **state)
{
    (void)state;
    struct scene scene;
    struct ticket_seed seed;
    bool is_valid;
    scene_init(&scene, 12);
    struct slot_source source = world_slots(&scene.world);
    world_check(segment_ticket_seed_now(&source, scene.territory, scene.gateway,
                                        scene.world.block.time, &seed, &is_valid));
    assert_true(is_valid && seed.epoch == 0);
    world_blocks(&scene.world, 3, 10);
    world_check(segment_ticket_seed_now(&source, scene.territory, scene.gateway,
                                        scene.world.block.time, &seed, &is_valid));
    assert_true(is_valid);
    assert_int_equal(seed.epoch, scene_epoch(&scene));
    assert_int_equal(seed.table_epoch, seed.epoch - 2);
    assert_int_equal(seed.eligible, 12);
    world_check(segment_ticket_seed_now(&source, scene.territory, scene.gateway + 1,
                                        scene.world.block.time, &seed, &is_valid));
    assert_false(is_valid);
    /* A commit that waited for hours, in a small network. */
    struct segment_entry entry = scene_entry(&scene, 0, 12);
    assert_true(scene_commit(&scene, &entry));
    assert_int_equal(world_logs(&scene.world, &segment_module, "SegmentRegistered", NULL), 1);
    world_free(&scene.world);
}

static struct locator locator_of(const struct scene *scene, u64 number, u32 offset, u32 length)
{
    return (struct locator){scene->gateway, number, offset, length};
}

static void expect_head(struct scene *scene, const struct world_head *head,
                        enum segment_reason reason)
{
    assert_true(world_commit(&scene->world, GATEWAY, scene->territory, NULL, 0, head, 1));
    assert_int_equal(WORLD_HEAD_REFUSED(&scene->world), reason);
    size_t moved = world_logs(&scene->world, &segment_module, "HeadMoved", NULL);
    assert_int_equal(moved, reason == SEGMENT_REASON_NONE);
}

static void test_heads(void **state)
{
    (void)state;
    struct scene scene;
    scene_init(&scene, 12);
    struct slot_source source = world_slots(&scene.world);
    struct bucket_record bucket;
    bool found;
    struct hash none = {{0}};
    struct hash a = {{1}};
    struct hash b = {{2}};
    struct segment_entry entry = scene_entry(&scene, 0, 12);
    /* A segment and the head that points into it, in one commit. */
    struct world_head head = {scene.bucket, none, a, locator_of(&scene, 0, 10, 20)};
    assert_true(world_commit(&scene.world, GATEWAY, scene.territory, &entry, 1, &head, 1));
    assert_int_equal(world_logs(&scene.world, &segment_module, "HeadMoved", NULL), 1);
    world_check(bucket_load(&source, &scene.bucket, &bucket, &found));
    assert_true(hash_eq(&bucket.head.hash, &a));
    assert_int_equal(bucket.head.locator.offset, 10);
    assert_int_equal(bucket.moves, 1);
    /* The loser of a race, and the same move again. */
    head.new_head = b;
    expect_head(&scene, &head, SEGMENT_REASON_HEAD_CHANGED);
    /* Two moves of one bucket in one commit: the second builds on the first. */
    struct world_head two[] = {{scene.bucket, a, b, locator_of(&scene, 0, 0, 5)},
                               {scene.bucket, b, a, locator_of(&scene, 0, 5, 5)}};
    assert_true(world_commit(&scene.world, GATEWAY, scene.territory, NULL, 0, two, 2));
    assert_int_equal(world_logs(&scene.world, &segment_module, "HeadMoved", NULL), 2);
    /* A race inside a commit: one wins, the other is refused, alone. */
    struct world_head race[] = {{scene.bucket, a, b, locator_of(&scene, 0, 0, 5)},
                                {scene.bucket, a, none, {0}}};
    assert_true(world_commit(&scene.world, GATEWAY, scene.territory, NULL, 0, race, 2));
    assert_int_equal(world_logs(&scene.world, &segment_module, "HeadMoved", NULL), 1);
    assert_int_equal(WORLD_HEAD_REFUSED(&scene.world), SEGMENT_REASON_HEAD_CHANGED);
    world_free(&scene.world);
}

static void test_bad_heads(void **state)
{
    (void)state;
    struct scene scene;
    scene_init(&scene, 12);
    struct hash none = {{0}};
    struct hash a = {{1}};
    struct segment_entry entry = scene_entry(&scene, 0, 12);
    assert_true(scene_commit(&scene, &entry));
    struct world_head head = {scene.bucket, none, a, locator_of(&scene, 1, 0, 20)};
    expect_head(&scene, &head, SEGMENT_REASON_LOCATOR); /* no such segment */
    head.locator = locator_of(&scene, 0, LENGTH - 19, 20);
    expect_head(&scene, &head, SEGMENT_REASON_LOCATOR); /* one byte too far */
    head.locator = locator_of(&scene, 0, UINT32_MAX, UINT32_MAX);
    expect_head(&scene, &head, SEGMENT_REASON_LOCATOR);
    head.locator = locator_of(&scene, 0, 0, 0);
    expect_head(&scene, &head, SEGMENT_REASON_LOCATOR);
    head.locator = (struct locator){0};
    expect_head(&scene, &head, SEGMENT_REASON_LOCATOR);
    head.locator = locator_of(&scene, 0, LENGTH - 20, 20);
    head.bucket.b[0] ^= 1;
    expect_head(&scene, &head, SEGMENT_REASON_UNKNOWN_BUCKET);
    head.bucket.b[0] ^= 1;
    expect_head(&scene, &head, SEGMENT_REASON_NONE);
    /* A bucket of another territory of the same owner, and a stranger's. */
    struct hash other;
    u64 second = world_lease(&scene.world, OWNER, GIB(1), RS_4_8);
    assert_true(world_create_bucket(&scene.world, OWNER, OWNER, second, 2, &other));
    head = (struct world_head){other, none, a, locator_of(&scene, 0, 0, 20)};
    expect_head(&scene, &head, SEGMENT_REASON_UNKNOWN_BUCKET);
    u64 foreign = world_lease(&scene.world, STRANGER, GIB(1), RS_4_8);
    assert_true(world_create_bucket(&scene.world, STRANGER, STRANGER, foreign, 2, &other));
    head.bucket = other;
    expect_head(&scene, &head, SEGMENT_REASON_UNKNOWN_BUCKET);
    /* The segment registers although its head is refused. */
    struct segment_record record;
    entry = scene_entry(&scene, 1, 12);
    assert_true(world_commit(&scene.world, GATEWAY, scene.territory, &entry, 1, &head, 1));
    assert_true(scene_load(&scene, 1, &record));
    world_free(&scene.world);
}

static void test_malformed(void **state)
{
    (void)state;
    struct scene scene;
    scene_init(&scene, 12);
    struct address gateway = world_person(GATEWAY);
    struct segment_entry entry = scene_entry(&scene, 0, 12);
    struct buf packed;
    buf_init(&packed, KIB(64));
    segment_entry_write(&packed, &entry);
    struct hash before = world_hash(&scene.world);
    for (size_t len = 1; len < packed.len; len += 37) {
        struct abi_value args[] = {abi_u64(scene.territory),
                                   abi_bytes(bytes_make(packed.data, len)), abi_array(NULL, 0)};
        assert_false(world_call(&scene.world, &segment_module, "commit", &gateway, args));
        assert_string_equal(world_reason(&scene.world), "malformed segments");
    }
    /* A good entry before a bad one does not help: the call reverts as a whole. */
    buf_put_u8(&packed, 1);
    struct abi_value args[] = {abi_u64(scene.territory), abi_bytes(buf_bytes(&packed)),
                               abi_array(NULL, 0)};
    assert_false(world_call(&scene.world, &segment_module, "commit", &gateway, args));
    struct hash after = world_hash(&scene.world);
    assert_true(hash_eq(&before, &after));
    buf_free(&packed);
    world_set_param(&scene.world, "commit_segments_max", 1);
    struct segment_entry two[] = {scene_entry(&scene, 0, 12), scene_entry(&scene, 1, 12)};
    assert_false(world_commit(&scene.world, GATEWAY, scene.territory, two, 2, NULL, 0));
    assert_string_equal(world_reason(&scene.world), "too many segments");
    world_free(&scene.world);
}

/* Out of gas at every step leaves no trace. */
static void test_out_of_gas(void **state)
{
    (void)state;
    struct scene scene;
    scene_init(&scene, 12);
    struct hash none = {{0}};
    struct hash a = {{1}};
    struct segment_entry entry = scene_entry(&scene, 0, 12);
    struct world_head head = {scene.bucket, none, a, locator_of(&scene, 0, 0, 20)};
    struct hash before = world_hash(&scene.world);
    size_t failures = 0;
    for (u64 gas = 1000; gas < 2000000; gas += 3001) {
        scene.world.gas = gas;
        if (world_commit(&scene.world, GATEWAY, scene.territory, &entry, 1, &head, 1)) {
            break;
        }
        assert_int_equal(scene.world.status, FRAME_OUT_OF_GAS);
        assert_int_equal(scene.world.gas_used, gas);
        assert_int_equal(scene.world.journal.log_count, 0);
        failures++;
        if (failures % 16 == 0) {
            struct hash after = world_hash(&scene.world);
            assert_true(hash_eq(&before, &after));
        }
    }
    assert_true(failures > 100);
    scene_check(&scene);
    world_free(&scene.world);
}

static void test_gas_covers_a_full_commit(void **state)
{
    (void)state;
    struct scene scene;
    scene_init(&scene, 12);
    struct segment_entry entries[16];
    for (u64 i = 0; i < COUNT_OF(entries); i++) {
        entries[i] = scene_entry(&scene, i, 12);
    }
    assert_true(
        world_commit(&scene.world, GATEWAY, scene.territory, entries, COUNT_OF(entries), NULL, 0));
    assert_int_equal(world_logs(&scene.world, &segment_module, "SegmentRegistered", NULL),
                     COUNT_OF(entries));
    print_message("commit of 16 segments: %llu gas\n", (unsigned long long)scene.world.gas_used);
    scene_check(&scene);
    world_free(&scene.world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_commit),
        cmocka_unit_test(test_quorum),
        cmocka_unit_test(test_forged_receipts),
        cmocka_unit_test(test_refused_receipts),
        cmocka_unit_test(test_unfit_providers),
        cmocka_unit_test(test_caps),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_ticket_window),
        cmocka_unit_test(test_limits_of_owner),
        cmocka_unit_test(test_unauthorised),
        cmocka_unit_test(test_expired_lease_and_authorisation),
        cmocka_unit_test(test_epochs_of_tickets),
        cmocka_unit_test(test_ticket_seed_now),
        cmocka_unit_test(test_heads),
        cmocka_unit_test(test_bad_heads),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_out_of_gas),
        cmocka_unit_test(test_gas_covers_a_full_commit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
