#include "ledger/state/snapshot.h"

#include "base/mem.h"
#include "base/prng.h"
#include "crypto/hash.h"
#include "os/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#undef fail /* cmocka's; err.h's is meant */

#define ACCOUNTS 12000
#define PARTS_MAX 64
#define ARENA_BYTES MIB(512)

static void assert_ok(err e) { assert_int_equal(e.code, ERR_OK); }

struct world {
    char dir[64];
    char copy_dir[64];
    struct state *state;
    struct state *copy;
    struct buf parts[PARTS_MAX];
    size_t part_count;
};

static struct state *open_in(const char *dir)
{
    struct state_options options = {.dir = dir, .size_max_bytes = GIB(1), .no_sync = true};
    struct state *state;
    assert_ok(state_open(&options, &state));
    return state;
}

static struct address address_of(u64 i)
{
    struct hash hash;
    struct address address;
    keccak256(&hash, BYTES_OF(i));
    memcpy(address.b, hash.b, sizeof address.b);
    return address;
}

static struct hash slot_of(u64 i)
{
    struct hash slot = {{0}};
    store_be64(slot.b + 24, i);
    return slot;
}

/* Plain accounts, some with code (a few share it), one with much storage, many with little. */
static void fill(struct journal *journal)
{
    struct prng prng;
    prng_init(&prng, 3);
    journal_begin_tx(journal);
    for (u64 i = 0; i < ACCOUNTS; i++) {
        struct address address = address_of(i);
        assert_ok(journal_credit(journal, &address, u256_from_u64(1 + i)));
        size_t slots = i == 11 ? 9000 : i % 50 == 0 ? 1 + i % 7 : 0;
        if (i % 100 == 0) {
            u8 code[40] = {(u8)(i % 300 / 100)};
            assert_ok(journal_set_code(journal, &address, BYTES_OF(code)));
        }
        for (u64 j = 0; j < slots; j++) {
            struct hash slot = slot_of(j);
            struct word word = {{0}};
            store_be64(word.b + 24, 1 + prng_u64(&prng) % (j % 2 ? 100 : UINT64_MAX - 1));
            assert_ok(journal_store(journal, &address, &slot, &word));
        }
    }
}

static struct state_block block_of(u64 height)
{
    struct state_block block = {.height = height,
                                .header = bytes_str("header"),
                                .consensus = bytes_str("consensus"),
                                .body = bytes_str("body"),
                                .receipts = bytes_str("receipts")};
    keccak256(&block.hash, block.header);
    return block;
}

static void commit_filled(struct state *state)
{
    struct state_view *view;
    struct journal journal;
    struct arena arena;
    struct state_changes changes;
    struct state_pending *pending;
    struct hash root;
    assert_ok(state_view_open(state, 0, &view));
    struct state_source source = state_view_source(view);
    journal_init(&journal, &source, ARENA_BYTES);
    fill(&journal);
    arena_init(&arena, ARENA_BYTES);
    assert_ok(journal_changes(&journal, &arena, &changes));
    assert_ok(state_prepare(state, &changes, &pending, &root));
    struct state_block block = block_of(0);
    assert_ok(state_commit(state, pending, &block, NULL, 0));
    arena_free(&arena);
    journal_free(&journal);
    state_view_close(view);
}

static void write_parts(struct world *world)
{
    struct snapshot_writer *writer;
    bool more = true;
    assert_ok(snapshot_writer_open(world->state, &writer));
    while (more) {
        struct buf *part = &world->parts[world->part_count];
        assert_true(world->part_count < PARTS_MAX);
        buf_init(part, SNAPSHOT_PART_BYTES_MAX);
        assert_ok(snapshot_writer_next(writer, part, &more));
        world->part_count += more;
    }
    snapshot_writer_close(writer);
}

static struct world *world_new(void)
{
    struct world *world = MEM_NEW(struct world);
    snprintf(world->dir, sizeof world->dir, "/tmp/cairn-snapshot-XXXXXX");
    snprintf(world->copy_dir, sizeof world->copy_dir, "/tmp/cairn-snapshot-XXXXXX");
    assert_non_null(mkdtemp(world->dir));
    assert_non_null(mkdtemp(world->copy_dir));
    world->state = open_in(world->dir);
    world->copy = open_in(world->copy_dir);
    commit_filled(world->state);
    write_parts(world);
    return world;
}

static void world_free(struct world *world)
{
    for (size_t i = 0; i <= world->part_count; i++) {
        buf_free(&world->parts[i]);
    }
    state_close(world->state);
    state_close(world->copy);
    assert_ok(dir_remove_all(world->dir));
    assert_ok(dir_remove_all(world->copy_dir));
    mem_free(world);
}

static enum snapshot_verdict give(struct snapshot_reader *reader, bytes part)
{
    enum snapshot_verdict verdict;
    assert_ok(snapshot_reader_part(reader, part, &verdict));
    return verdict;
}

static struct snapshot_reader *reader_of(struct world *world)
{
    struct hash root = state_head(world->state).root;
    struct snapshot_reader *reader;
    assert_ok(snapshot_reader_open(world->copy, &root, &reader));
    return reader;
}

/* Every account and slot is the same, and proofs hold in the copy. */
static void assert_same(struct world *world)
{
    struct state_view *a;
    struct state_view *b;
    assert_ok(state_view_open(world->state, 0, &a));
    assert_ok(state_view_open(world->copy, 0, &b));
    for (u64 i = 0; i < ACCOUNTS; i++) {
        struct address address = address_of(i);
        struct account left;
        struct account right;
        assert_ok(state_view_account(a, &address, &left));
        assert_ok(state_view_account(b, &address, &right));
        assert_true(account_eq(&left, &right));
        for (u64 j = 0; j < 10; j++) {
            struct hash slot = slot_of(j * (i == 11 ? 899 : 1));
            struct word one;
            struct word other;
            assert_ok(state_view_slot(a, &address, &slot, &one));
            assert_ok(state_view_slot(b, &address, &slot, &other));
            assert_memory_equal(&one, &other, sizeof one);
        }
        if (i % 100 == 0) {
            struct arena arena;
            bytes code;
            arena_init(&arena, MIB(1));
            assert_ok(state_view_code(b, &right.code_hash, &arena, &code));
            assert_int_equal(code.len, 40);
            arena_free(&arena);
        }
    }
    state_view_close(a);
    state_view_close(b);
}

static void a_copy_equals_its_source(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct snapshot_reader *reader = reader_of(world);
    struct state_block block = block_of(0);
    assert_true(world->part_count > 2);
    for (size_t i = 0; i < world->part_count; i++) {
        assert_int_equal(snapshot_reader_finish(reader, &block, NULL, 0).code, ERR_INTEGRITY);
        assert_true(world->parts[i].len <= SNAPSHOT_PART_BYTES_MAX);
        assert_int_equal(give(reader, buf_bytes(&world->parts[i])), SNAPSHOT_ACCEPTED);
    }
    assert_ok(snapshot_reader_finish(reader, &block, NULL, 0));
    snapshot_reader_close(reader);
    struct hash root = state_head(world->state).root;
    struct hash copied = state_head(world->copy).root;
    assert_true(hash_eq(&root, &copied));
    assert_same(world);
    /* It is a store like any other: the next block gives the same root on both. */
    state_close(world->copy);
    world->copy = open_in(world->copy_dir);
    struct hash roots[2];
    for (int i = 0; i < 2; i++) {
        struct state *one = i == 0 ? world->state : world->copy;
        struct address address = address_of(11);
        struct slot_change slots[2] = {{.address = address, .slot = slot_of(5)},
                                       {.address = address, .slot = slot_of(9001)}};
        slots[1].word.b[0] = 9;
        struct state_changes changes = {.slots = slots, .slot_count = 2};
        struct state_pending *pending;
        assert_ok(state_prepare(one, &changes, &pending, &roots[i]));
        state_pending_free(pending);
    }
    assert_true(hash_eq(&roots[0], &roots[1]));
    assert_false(hash_eq(&roots[0], &root));
    world_free(world);
}

static void wrong_parts_are_refused_and_change_nothing(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct snapshot_reader *reader = reader_of(world);
    struct prng prng;
    prng_init(&prng, 8);
    for (size_t i = 0; i < world->part_count; i++) {
        bytes good = buf_bytes(&world->parts[i]);
        u8 *bad = mem_alloc(good.len);
        for (int round = 0; round < 6; round++) {
            size_t at = round == 0 ? 0 : prng_below(&prng, good.len);
            memcpy(bad, good.data, good.len);
            bad[at] ^= (u8)(1 + prng_below(&prng, 255));
            enum snapshot_verdict verdict = give(reader, bytes_make(bad, good.len));
            /* Code that nobody needs is passed over, so a changed one is not refused at once. */
            if (verdict == SNAPSHOT_ACCEPTED) {
                assert_int_equal(i, world->part_count - 1);
                break;
            }
        }
        assert_int_not_equal(give(reader, bytes_slice(good, 0, good.len - 1)), SNAPSHOT_ACCEPTED);
        if (i + 1 < world->part_count) {
            assert_int_not_equal(give(reader, buf_bytes(&world->parts[i + 1])), SNAPSHOT_ACCEPTED);
            assert_int_equal(give(reader, good), SNAPSHOT_ACCEPTED);
            assert_int_not_equal(give(reader, good), SNAPSHOT_ACCEPTED);
        }
        mem_free(bad);
    }
    snapshot_reader_close(reader);
    /* A reader that begins again finds no trace of the one before. */
    reader = reader_of(world);
    struct state_block block = block_of(0);
    for (size_t i = 0; i < world->part_count; i++) {
        assert_int_equal(give(reader, buf_bytes(&world->parts[i])), SNAPSHOT_ACCEPTED);
    }
    assert_ok(snapshot_reader_finish(reader, &block, NULL, 0));
    snapshot_reader_close(reader);
    assert_same(world);
    world_free(world);
}

static void stores_with_a_head_are_not_overwritten(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct hash root = {{1}};
    struct snapshot_reader *reader;
    struct snapshot_writer *writer;
    assert_int_equal(snapshot_reader_open(world->state, &root, &reader).code, ERR_USAGE);
    assert_int_equal(snapshot_writer_open(world->copy, &writer).code, ERR_NOT_FOUND);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_copy_equals_its_source),
        cmocka_unit_test(wrong_parts_are_refused_and_change_nothing),
        cmocka_unit_test(stores_with_a_head_are_not_overwritten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
