#include "ledger/exec/journal.h"

#include "base/mem.h"
#include "base/prng.h"
#include "crypto/hash.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#undef fail /* cmocka's; err.h's is meant */

#define ACCOUNTS 5
#define SLOTS 6
#define DEPTH_MAX 8
#define LOGS_MAX 64
#define ARENA_BYTES MIB(64)

static void assert_ok(err e) { assert_int_equal(e.code, ERR_OK); }

/* The naive model: everything in one struct, a snapshot is a copy of it. */
struct model {
    struct account accounts[ACCOUNTS];
    struct word words[ACCOUNTS][SLOTS];
    struct word transient[ACCOUNTS][SLOTS];
    bool warm_accounts[ACCOUNTS];
    bool warm_slots[ACCOUNTS][SLOTS];
    u8 logs[LOGS_MAX];
    size_t log_count;
    u64 refund;
};

struct world {
    struct prng prng;
    struct model source;   /* what the state holds */
    struct model tx_start; /* at the beginning of the transaction */
    struct model now;
    struct model saved[DEPTH_MAX];
    size_t snapshots[DEPTH_MAX];
    size_t depth;
    u64 loads; /* from the source */
    struct journal journal;
};

static struct address address_of(size_t i) { return (struct address){{(u8)(200 - i), 1}}; }
static struct hash slot_of(size_t i) { return (struct hash){{(u8)(100 - i), 2}}; }
static size_t index_of(const struct address *address) { return 200u - address->b[0]; }

static err source_account(void *ctx, const struct address *address, struct account *ret_account)
{
    struct world *world = ctx;
    world->loads++;
    *ret_account = address->b[0] == 0 ? account_none() : world->source.accounts[index_of(address)];
    return ok();
}

static err source_slot(void *ctx, const struct address *address, const struct hash *slot,
                       struct word *ret_word)
{
    struct world *world = ctx;
    world->loads++;
    *ret_word = world->source.words[index_of(address)][100u - slot->b[0]];
    return ok();
}

static err source_code(void *ctx, const struct hash *code_hash, struct arena *arena,
                       bytes *ret_code)
{
    (void)ctx;
    *ret_code = arena_copy(arena, BYTES_OF(*code_hash)); /* any bytes will do */
    return ok();
}

static void world_init(struct world *world, u64 seed)
{
    *world = (struct world){0};
    prng_init(&world->prng, seed);
    for (size_t i = 0; i < ACCOUNTS; i++) {
        world->source.accounts[i] = account_none();
        world->source.accounts[i].balance = u256_from_u64(prng_below(&world->prng, 50));
        world->source.accounts[i].exists = !account_is_empty(&world->source.accounts[i]);
        for (size_t j = 0; j < SLOTS; j++) {
            world->source.words[i][j].b[31] = (u8)prng_below(&world->prng, 3);
        }
    }
    world->now = world->source;
    struct state_source source = {
        .ctx = world, .account = source_account, .slot = source_slot, .code = source_code};
    journal_init(&world->journal, &source, ARENA_BYTES);
}

static void begin_tx(struct world *world)
{
    journal_begin_tx(&world->journal);
    memset(world->now.transient, 0, sizeof world->now.transient);
    memset(world->now.warm_accounts, 0, sizeof world->now.warm_accounts);
    memset(world->now.warm_slots, 0, sizeof world->now.warm_slots);
    world->now.log_count = 0;
    world->now.refund = 0;
    world->tx_start = world->now;
    world->depth = 0;
}

static void change_account(struct world *world, size_t i)
{
    struct address address = address_of(i);
    struct account *account = &world->now.accounts[i];
    struct u256 amount = u256_from_u64(prng_below(&world->prng, 60));
    bool enough;
    bool expected;
    u8 code[3];
    switch (prng_below(&world->prng, 4)) {
    case 0:
        assert_ok(journal_credit(&world->journal, &address, amount));
        assert_true(u256_add(&account->balance, account->balance, amount));
        break;
    case 1:
        expected = u256_sub(&account->balance, account->balance, amount);
        assert_ok(journal_debit(&world->journal, &address, amount, &enough));
        assert_int_equal(enough, expected);
        break;
    case 2:
        account->nonce++;
        assert_ok(journal_set_nonce(&world->journal, &address, account->nonce));
        break;
    default:
        prng_fill(&world->prng, code, sizeof code);
        keccak256(&account->code_hash, BYTES_OF(code));
        assert_ok(journal_set_code(&world->journal, &address, BYTES_OF(code)));
        break;
    }
    account->exists |= !account_is_empty(account);
}

static void change_slot(struct world *world, size_t i, size_t j)
{
    struct address address = address_of(i);
    struct hash slot = slot_of(j);
    struct word word = {{0}};
    bool was_warm;
    word.b[31] = (u8)prng_below(&world->prng, 3);
    switch (prng_below(&world->prng, 4)) {
    case 0:
        assert_ok(journal_transient_store(&world->journal, &address, &slot, &word));
        world->now.transient[i][j] = word;
        break;
    case 1:
        assert_ok(journal_warm_slot(&world->journal, &address, &slot, &was_warm));
        assert_int_equal(was_warm, world->now.warm_slots[i][j]);
        world->now.warm_slots[i][j] = true;
        break;
    case 2:
        assert_ok(journal_warm_account(&world->journal, &address, &was_warm));
        assert_int_equal(was_warm, world->now.warm_accounts[i]);
        world->now.warm_accounts[i] = true;
        break;
    default:
        assert_ok(journal_store(&world->journal, &address, &slot, &word));
        world->now.words[i][j] = word;
        break;
    }
}

static void change_counters(struct world *world)
{
    u8 data = (u8)prng_u64(&world->prng);
    struct address address = address_of(0);
    struct hash topic = {{data}};
    if (prng_chance(&world->prng, 1, 2) && world->now.log_count < LOGS_MAX) {
        journal_log(&world->journal, &address, &topic, 1, BYTES_OF(data));
        world->now.logs[world->now.log_count++] = data;
    } else if (world->now.refund > 5 && prng_chance(&world->prng, 1, 2)) {
        journal_refund_sub(&world->journal, 5);
        world->now.refund -= 5;
    } else {
        journal_refund_add(&world->journal, data);
        world->now.refund += data;
    }
}

static void snapshot_or_revert(struct world *world)
{
    if (prng_chance(&world->prng, 1, 2) && world->depth < DEPTH_MAX) {
        world->snapshots[world->depth] = journal_snapshot(&world->journal);
        world->saved[world->depth++] = world->now;
    } else if (world->depth > 0) {
        /* to any of the open ones, not only the last */
        world->depth = prng_below(&world->prng, world->depth);
        journal_revert(&world->journal, world->snapshots[world->depth]);
        world->now = world->saved[world->depth];
    }
}

static void check_account(struct world *world, size_t i)
{
    struct address address = address_of(i);
    struct account account;
    assert_ok(journal_account(&world->journal, &address, &account));
    assert_true(account_eq(&account, &world->now.accounts[i]));
    for (size_t j = 0; j < SLOTS; j++) {
        struct hash slot = slot_of(j);
        struct word word;
        assert_ok(journal_load(&world->journal, &address, &slot, &word));
        assert_memory_equal(&word, &world->now.words[i][j], sizeof word);
        assert_ok(journal_transient_load(&world->journal, &address, &slot, &word));
        assert_memory_equal(&word, &world->now.transient[i][j], sizeof word);
        assert_ok(journal_original(&world->journal, &address, &slot, &word));
        assert_memory_equal(&word, &world->tx_start.words[i][j], sizeof word);
    }
}

static void check_all(struct world *world)
{
    for (size_t i = 0; i < ACCOUNTS; i++) {
        check_account(world, i);
    }
    assert_int_equal(world->journal.refund, world->now.refund);
    assert_int_equal(world->journal.log_count, world->now.log_count);
    for (size_t i = 0; i < world->now.log_count; i++) {
        assert_int_equal(world->journal.logs[i].data.data[0], world->now.logs[i]);
        assert_int_equal(world->journal.logs[i].topics[0].b[0], world->now.logs[i]);
    }
}

/* What differs from the source is listed, once, in order, and nothing else. */
static void check_changes(struct world *world)
{
    struct arena arena;
    struct state_changes changes;
    size_t accounts = 0;
    size_t slots = 0;
    arena_init(&arena, ARENA_BYTES);
    assert_ok(journal_changes(&world->journal, &arena, &changes));
    for (size_t i = 0; i < ACCOUNTS; i++) {
        accounts += !account_eq(&world->now.accounts[i], &world->source.accounts[i]);
        for (size_t j = 0; j < SLOTS; j++) {
            slots += memcmp(&world->now.words[i][j], &world->source.words[i][j], 32) != 0;
        }
    }
    assert_int_equal(changes.account_count, accounts);
    assert_int_equal(changes.slot_count, slots);
    for (size_t i = 0; i < changes.account_count; i++) {
        size_t at = index_of(&changes.accounts[i].address);
        assert_true(account_eq(&changes.accounts[i].account, &world->now.accounts[at]));
        assert_true(account_eq(&changes.accounts[i].former, &world->source.accounts[at]));
        assert_true(i == 0 ||
                    memcmp(&changes.accounts[i - 1].address, &changes.accounts[i].address, 20) < 0);
    }
    for (size_t i = 0; i < changes.slot_count; i++) {
        const struct slot_change *change = &changes.slots[i];
        size_t at = index_of(&change->address);
        size_t j = 100u - change->slot.b[0];
        assert_memory_equal(&change->word, &world->now.words[at][j], 32);
        assert_memory_equal(&change->former, &world->source.words[at][j], 32);
        if (i > 0) {
            int order = memcmp(&change[-1].address, &change->address, 20);
            assert_true(order < 0 ||
                        (order == 0 && memcmp(&change[-1].slot, &change->slot, 32) < 0));
        }
    }
    for (size_t i = 0; i < changes.code_count; i++) {
        struct hash hash;
        keccak256(&hash, changes.codes[i].code);
        assert_true(hash_eq(&hash, &changes.codes[i].hash));
    }
    arena_free(&arena);
}

static void random_walk_equals_the_model(void **state)
{
    (void)state;
    for (u64 seed = 1; seed <= 40; seed++) {
        struct world *world = MEM_NEW(struct world);
        world_init(world, seed);
        for (int tx = 0; tx < 6; tx++) {
            begin_tx(world);
            for (int step = 0; step < 120; step++) {
                size_t i = prng_below(&world->prng, ACCOUNTS);
                switch (prng_below(&world->prng, 5)) {
                case 0:
                    change_account(world, i);
                    break;
                case 1:
                    change_counters(world);
                    break;
                case 2:
                    snapshot_or_revert(world);
                    break;
                default:
                    change_slot(world, i, prng_below(&world->prng, SLOTS));
                    break;
                }
                if (step % 10 == 0) {
                    check_all(world);
                }
            }
            check_all(world);
            check_changes(world);
        }
        assert_true(world->loads <= ACCOUNTS + ACCOUNTS * SLOTS); /* each value once */
        journal_free(&world->journal);
        mem_free(world);
    }
}

static void reverting_everything_changes_nothing(void **state)
{
    (void)state;
    struct world *world = MEM_NEW(struct world);
    struct arena arena;
    struct state_changes changes;
    world_init(world, 9);
    begin_tx(world);
    size_t snapshot = journal_snapshot(&world->journal);
    for (int step = 0; step < 500; step++) {
        change_account(world, prng_below(&world->prng, ACCOUNTS));
        change_slot(world, prng_below(&world->prng, ACCOUNTS), prng_below(&world->prng, SLOTS));
    }
    journal_revert(&world->journal, snapshot);
    arena_init(&arena, ARENA_BYTES);
    assert_ok(journal_changes(&world->journal, &arena, &changes));
    assert_int_equal(changes.account_count + changes.slot_count + changes.code_count, 0);
    arena_free(&arena);
    journal_free(&world->journal);
    mem_free(world);
}

static err broken_account(void *ctx, const struct address *address, struct account *ret_account)
{
    (void)ctx;
    (void)address;
    (void)ret_account;
    return fail(ERR_IO);
}

static void faults_pass_up(void **state)
{
    (void)state;
    struct world *world = MEM_NEW(struct world);
    struct state_source source = {.ctx = world, .account = broken_account, .slot = source_slot};
    struct address address = address_of(0);
    struct account account;
    u8 data[600] = {0};
    world_init(world, 1);
    journal_free(&world->journal);
    journal_init(&world->journal, &source, 4096);
    journal_begin_tx(&world->journal);
    assert_int_equal(journal_account(&world->journal, &address, &account).code, ERR_IO);
    for (int i = 0; i < 20; i++) {
        journal_log(&world->journal, &address, NULL, 0, BYTES_OF(data));
    }
    assert_int_equal(journal_fault(&world->journal).code, ERR_LIMIT);
    journal_free(&world->journal);
    mem_free(world);
}

/* --- the end of a transaction --- */

static err source_slots(void *ctx, const struct address *address, struct slot_visitor visitor)
{
    (void)ctx;
    (void)address;
    for (size_t j = 0; j < SLOTS; j++) {
        struct hash slot = slot_of(j);
        TRY(visitor.visit(visitor.ctx, &slot));
    }
    return ok();
}

/* A world without accounts, or with five of them that have storage. */
static struct world *world_new(bool is_full)
{
    struct world *world = MEM_NEW(struct world);
    world_init(world, 3);
    for (size_t i = 0; i < ACCOUNTS && !is_full; i++) {
        world->source.accounts[i] = account_none();
        memset(world->source.words[i], 0, sizeof world->source.words[i]);
    }
    for (size_t i = 0; i < ACCOUNTS && is_full; i++) {
        world->source.accounts[i].nonce = 1;
        world->source.words[i][0].b[31] = 1;
    }
    world->journal.source.slots = source_slots;
    journal_begin_tx(&world->journal);
    return world;
}

static void world_end(struct world *world)
{
    journal_free(&world->journal);
    mem_free(world);
}

static bool exists(struct world *world, const struct address *address)
{
    struct account account;
    assert_ok(journal_account(&world->journal, address, &account));
    return account.exists;
}

static void touched_and_empty_is_gone(void **state)
{
    (void)state;
    struct world *world = world_new(false);
    struct address address = address_of(0);
    struct address other = address_of(1);
    bool enough;
    assert_ok(journal_touch(&world->journal, &address));
    assert_true(exists(world, &address));
    assert_ok(journal_end_tx(&world->journal, false));
    assert_true(exists(world, &address)); /* before EIP-161 */
    journal_begin_tx(&world->journal);
    assert_ok(journal_touch(&world->journal, &address));
    assert_ok(journal_credit(&world->journal, &other, u256_from_u64(4)));
    assert_ok(journal_debit(&world->journal, &other, u256_from_u64(4), &enough));
    assert_true(enough && exists(world, &other));
    assert_ok(journal_end_tx(&world->journal, true));
    assert_false(exists(world, &address));
    assert_false(exists(world, &other));
    world_end(world);
}

/* What a revert undoes is not touched any more; 0x03 stays so (EIP-161, addendum). */
static void touches_are_undone_but_for_one(void **state)
{
    (void)state;
    struct world *world = world_new(false);
    struct address address = address_of(0);
    assert_ok(journal_touch(&world->journal, &address));
    assert_ok(journal_end_tx(&world->journal, false)); /* exists and is empty */
    journal_begin_tx(&world->journal);
    size_t snapshot = journal_snapshot(&world->journal);
    assert_ok(journal_touch(&world->journal, &address));
    journal_revert(&world->journal, snapshot);
    assert_ok(journal_end_tx(&world->journal, true));
    assert_true(exists(world, &address));
    struct address ripemd = {{[19] = 3}};
    world->journal.source.slots = NULL;
    assert_ok(journal_touch(&world->journal, &ripemd));
    assert_ok(journal_end_tx(&world->journal, false));
    journal_begin_tx(&world->journal);
    snapshot = journal_snapshot(&world->journal);
    assert_ok(journal_touch(&world->journal, &ripemd));
    journal_revert(&world->journal, snapshot);
    assert_ok(journal_end_tx(&world->journal, true));
    assert_false(exists(world, &ripemd));
    world_end(world);
}

static void the_destroyed_lose_everything(void **state)
{
    (void)state;
    struct world *world = world_new(true);
    struct address address = address_of(2);
    struct hash old = slot_of(0);
    struct word word = {{[31] = 9}};
    bool is_first;
    bool is_created;
    size_t snapshot = journal_snapshot(&world->journal);
    assert_ok(journal_store(&world->journal, &address, &(struct hash){{[0] = 97, [1] = 2}}, &word));
    assert_ok(journal_create(&world->journal, &address));
    assert_ok(journal_destroy(&world->journal, &address, &is_first));
    assert_true(is_first);
    assert_ok(journal_destroy(&world->journal, &address, &is_first));
    assert_false(is_first);
    journal_revert(&world->journal, snapshot);
    assert_ok(journal_is_created(&world->journal, &address, &is_created));
    assert_false(is_created);
    assert_ok(journal_end_tx(&world->journal, true));
    assert_true(exists(world, &address)); /* it was undone */
    journal_begin_tx(&world->journal);
    assert_ok(journal_destroy(&world->journal, &address, &is_first));
    assert_true(is_first);
    assert_ok(journal_end_tx(&world->journal, true));
    assert_false(exists(world, &address));
    assert_ok(journal_load(&world->journal, &address, &old, &word));
    assert_int_equal(word.b[31], 0);
    struct arena arena;
    struct state_changes changes;
    arena_init(&arena, ARENA_BYTES);
    assert_ok(journal_changes(&world->journal, &arena, &changes));
    assert_int_equal(changes.account_count, 1);
    assert_false(changes.accounts[0].account.exists);
    assert_true(changes.slot_count >= 1); /* every slot that it had, to zero */
    arena_free(&arena);
    world_end(world);
}

static void storage_without_an_account_shows(void **state)
{
    (void)state;
    for (int is_full = 0; is_full < 2; is_full++) {
        struct world *world = world_new(is_full == 1);
        struct address address = address_of(1);
        bool has;
        assert_ok(journal_has_storage(&world->journal, &address, &has));
        assert_int_equal(has, is_full);
        world_end(world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_walk_equals_the_model),
        cmocka_unit_test(reverting_everything_changes_nothing),
        cmocka_unit_test(faults_pass_up),
        cmocka_unit_test(touched_and_empty_is_gone),
        cmocka_unit_test(touches_are_undone_but_for_one),
        cmocka_unit_test(the_destroyed_lose_everything),
        cmocka_unit_test(storage_without_an_account_shows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
