#include "ledger/state/state.h"

#include "base/mem.h"
#include "base/prng.h"
#include "codec/rlp.h"
#include "crypto/hash.h"
#include "ledger/exec/proof.h"
#include "ledger/exec/trie.h"
#include "os/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define ADDRESSES 12
#define SLOTS 10
#define BLOCKS 60
#define HISTORY 16
#define ARENA_BYTES MIB(256)

static void assert_ok(err e) { assert_int_equal(e.code, ERR_OK); }

/* What the state should be: a small world, copied per height. */
struct model {
    struct account accounts[ADDRESSES];
    struct word words[ADDRESSES][SLOTS];
};

static struct address address_of(size_t i)
{
    struct address address = {{0}};
    address.b[0] = (u8)(i * 17);
    address.b[19] = (u8)i;
    return address;
}

static struct hash slot_of(size_t i)
{
    struct hash slot = {{0}};
    slot.b[31] = (u8)i;
    return slot;
}

static void model_init(struct model *model)
{
    *model = (struct model){0};
    for (size_t i = 0; i < ADDRESSES; i++) {
        model->accounts[i] = account_none();
    }
}

static bool word_zero(const struct word *word)
{
    static const struct word zero;
    return memcmp(word, &zero, sizeof zero) == 0;
}

/* An account of the model; one with storage exists even if it is empty otherwise. */
static struct account model_account(const struct model *model, size_t i)
{
    struct account account = model->accounts[i];
    account.exists = !account_is_empty(&account);
    for (size_t j = 0; j < SLOTS; j++) {
        account.exists |= !word_zero(&model->words[i][j]);
    }
    return account;
}

/* The storage root of an account of the model, from nothing. */
static struct hash model_storage_root(const struct model *model, size_t account)
{
    struct arena arena;
    struct trie trie;
    struct hash root = account_empty_root();
    arena_init(&arena, ARENA_BYTES);
    trie_init(&trie, &arena, NULL, &root);
    for (size_t i = 0; i < SLOTS; i++) {
        struct hash slot = slot_of(i);
        struct hash key;
        struct buf value;
        if (word_zero(&model->words[account][i])) {
            continue;
        }
        keccak256(&key, BYTES_OF(slot));
        buf_init(&value, 64);
        rlp_put_uint256(&value, model->words[account][i].b);
        assert_ok(trie_put(&trie, BYTES_OF(key), buf_bytes(&value)));
        buf_free(&value);
    }
    assert_ok(trie_root(&trie, &root));
    arena_free(&arena);
    return root;
}

static struct hash model_root(const struct model *model)
{
    struct arena arena;
    struct trie trie;
    struct hash root = account_empty_root();
    struct hash none = root;
    arena_init(&arena, ARENA_BYTES);
    trie_init(&trie, &arena, NULL, &root);
    for (size_t i = 0; i < ADDRESSES; i++) {
        struct address address = address_of(i);
        struct hash storage = model_storage_root(model, i);
        struct hash key;
        struct buf value;
        if (account_is_empty(&model->accounts[i]) && hash_eq(&storage, &none)) {
            continue;
        }
        keccak256(&key, BYTES_OF(address));
        buf_init(&value, 256);
        account_encode(&value, &model->accounts[i], &storage);
        assert_ok(trie_put(&trie, BYTES_OF(key), buf_bytes(&value)));
        buf_free(&value);
    }
    assert_ok(trie_root(&trie, &root));
    arena_free(&arena);
    return root;
}

struct world {
    char dir[64];
    bool is_archive;
    struct state *state;
    struct prng prng;
    struct model models[BLOCKS + 1]; /* after each height */
    struct hash roots[BLOCKS + 1];
};

static void world_open(struct world *world)
{
    struct state_options options = {.dir = world->dir,
                                    .size_max_bytes = MIB(256),
                                    .history_blocks = HISTORY,
                                    .is_archive = world->is_archive,
                                    .no_sync = true};
    assert_ok(state_open(&options, &world->state));
}

static void world_init(struct world *world, u64 seed, bool is_archive)
{
    *world = (struct world){.is_archive = is_archive};
    snprintf(world->dir, sizeof world->dir, "/tmp/cairn-state-XXXXXX");
    assert_non_null(mkdtemp(world->dir));
    prng_init(&world->prng, seed);
    model_init(&world->models[0]);
    world_open(world);
}

static void world_free(struct world *world)
{
    state_close(world->state);
    assert_ok(dir_remove_all(world->dir));
}

static void change_account(struct prng *prng, struct journal *journal, struct model *model)
{
    size_t i = prng_below(prng, ADDRESSES);
    struct address address = address_of(i);
    struct account *account = &model->accounts[i];
    bool enough;
    if (prng_chance(prng, 1, 4)) { /* back to nothing, unless it has code */
        assert_ok(journal_debit(journal, &address, account->balance, &enough));
        assert_true(enough);
        assert_ok(journal_set_nonce(journal, &address, 0));
        account->balance = u256_from_u64(0);
        account->nonce = 0;
        return;
    }
    u64 amount = prng_below(prng, 1000);
    assert_ok(journal_credit(journal, &address, u256_from_u64(amount)));
    assert_true(u256_add(&account->balance, account->balance, u256_from_u64(amount)));
    account->nonce = prng_below(prng, 300);
    assert_ok(journal_set_nonce(journal, &address, account->nonce));
    if (prng_chance(prng, 1, 10)) {
        u8 code[100];
        prng_fill(prng, code, sizeof code);
        keccak256(&account->code_hash, BYTES_OF(code));
        assert_ok(journal_set_code(journal, &address, BYTES_OF(code)));
    }
}

static void change_slot(struct prng *prng, struct journal *journal, struct model *model)
{
    size_t i = prng_below(prng, ADDRESSES);
    size_t j = prng_below(prng, SLOTS);
    struct address address = address_of(i);
    struct hash slot = slot_of(j);
    struct word word = {{0}};
    if (!prng_chance(prng, 1, 3)) {
        word.b[31] = (u8)prng_u64(prng);
        word.b[0] = prng_chance(prng, 1, 2) ? (u8)prng_u64(prng) : 0;
    }
    assert_ok(journal_store(journal, &address, &slot, &word));
    model->words[i][j] = word;
}

static err commit_empty_body(struct state *state, struct state_pending *pending, u64 height)
{
    u8 header[16] = {0};
    struct hash hash;
    struct hash tx = {{1, (u8)height}};
    struct state_meta meta = {.name = "last", .value = BYTES_OF(height)};
    store_be64(header, height);
    keccak256(&hash, BYTES_OF(header));
    struct state_block block = {
        .height = height,
        .hash = hash,
        .header = BYTES_OF(header),
        .body = bytes_str("body"),
        .receipts = bytes_str("receipts"),
        .tx_hashes = &tx,
        .tx_count = 1,
    };
    return state_commit(state, pending, &block, &meta, 1);
}

/* Runs random changes on the head; the model of `height` follows. */
static struct state_pending *world_prepare(struct world *world, u64 height, struct model *model,
                                           struct hash *ret_root)
{
    struct state_view *view;
    struct journal journal;
    struct arena arena;
    struct state_changes changes;
    struct state_pending *pending;
    *model = world->models[height == 0 ? 0 : height - 1];
    assert_ok(state_view_open(world->state, height == 0 ? 0 : height - 1, &view));
    struct state_source source = state_view_source(view);
    journal_init(&journal, &source, ARENA_BYTES);
    arena_init(&arena, ARENA_BYTES);
    journal_begin_tx(&journal);
    for (u64 i = prng_below(&world->prng, 12); i > 0; i--) {
        change_account(&world->prng, &journal, model);
        change_slot(&world->prng, &journal, model);
        change_slot(&world->prng, &journal, model);
    }
    assert_ok(journal_changes(&journal, &arena, &changes));
    assert_ok(state_prepare(world->state, &changes, &pending, ret_root));
    journal_free(&journal);
    arena_free(&arena);
    state_view_close(view);
    return pending;
}

static void world_block(struct world *world, u64 height)
{
    struct model model;
    struct hash root;
    struct state_pending *pending = world_prepare(world, height, &model, &root);
    struct hash expected = model_root(&model);
    assert_true(hash_eq(&root, &expected));
    assert_ok(commit_empty_body(world->state, pending, height));
    world->models[height] = model;
    world->roots[height] = root;
}

static void check_view(const struct world *world, u64 height)
{
    const struct model *model = &world->models[height];
    struct state_view *view;
    assert_ok(state_view_open(world->state, height, &view));
    for (size_t i = 0; i < ADDRESSES; i++) {
        struct address address = address_of(i);
        struct account account;
        assert_ok(state_view_account(view, &address, &account));
        struct account expected = model_account(model, i);
        assert_true(account_eq(&account, &expected));
        for (size_t j = 0; j < SLOTS; j++) {
            struct hash slot = slot_of(j);
            struct word word;
            assert_ok(state_view_slot(view, &address, &slot, &word));
            assert_memory_equal(&word, &model->words[i][j], sizeof word);
        }
        struct arena arena;
        bytes code;
        struct hash code_hash;
        arena_init(&arena, MIB(1));
        assert_ok(state_view_code(view, &account.code_hash, &arena, &code));
        keccak256(&code_hash, code);
        assert_true(hash_eq(&code_hash, &account.code_hash));
        arena_free(&arena);
    }
    state_view_close(view);
}

static void check_proof(const struct world *world, u64 height, size_t i)
{
    struct address address = address_of(i);
    struct hash slots[SLOTS];
    struct state_account_proof proof;
    struct state_view *view;
    struct arena arena;
    struct account account;
    struct hash storage_root;
    arena_init(&arena, ARENA_BYTES);
    for (size_t j = 0; j < SLOTS; j++) {
        slots[j] = slot_of(j);
    }
    assert_ok(state_view_open(world->state, height, &view));
    assert_ok(state_view_prove(view, &address, slots, SLOTS, &arena, &proof));
    state_view_close(view);
    assert_int_not_equal(proof_account(&world->roots[height], &address, proof.proof.nodes,
                                       proof.proof.count, &account, &storage_root),
                         PROOF_INVALID);
    struct account expected = model_account(&world->models[height], i);
    assert_true(account_eq(&account, &expected));
    assert_true(account_eq(&account, &proof.account));
    assert_true(hash_eq(&storage_root, &proof.storage_root));
    for (size_t j = 0; j < SLOTS; j++) {
        struct word word;
        assert_int_not_equal(
            proof_slot(&storage_root, &slots[j], proof.slots[j].nodes, proof.slots[j].count, &word),
            PROOF_INVALID);
        assert_memory_equal(&word, &world->models[height].words[i][j], sizeof word);
        assert_memory_equal(&word, &proof.words[j], sizeof word);
    }
    arena_free(&arena);
}

/* On the state of a height, everything made as it was one height later: that height's root. */
static void check_root(const struct world *world, u64 height)
{
    const struct model *next = &world->models[height + 1];
    struct account_change accounts[ADDRESSES];
    struct slot_change slots[ADDRESSES * SLOTS];
    struct state_changes changes = {.accounts = accounts, .slots = slots};
    struct state_view *view;
    struct hash root;
    assert_ok(state_view_open(world->state, height, &view));
    assert_ok(state_view_root(view, &changes, &root)); /* no changes at all */
    assert_true(hash_eq(&root, &world->roots[height]));
    for (size_t i = 0; i < ADDRESSES; i++) {
        accounts[changes.account_count++] =
            (struct account_change){.address = address_of(i), .account = next->accounts[i]};
        for (size_t j = 0; j < SLOTS; j++) {
            slots[changes.slot_count++] = (struct slot_change){
                .address = address_of(i), .slot = slot_of(j), .word = next->words[i][j]};
        }
    }
    assert_ok(state_view_root(view, &changes, &root));
    assert_true(hash_eq(&root, &world->roots[height + 1]));
    state_view_close(view);
}

static void check_history(const struct world *world, u64 head)
{
    u64 oldest = state_oldest(world->state);
    struct state_view *view;
    assert_int_equal(oldest, head > HISTORY && !world->is_archive ? head - HISTORY : 0);
    for (u64 height = oldest; height <= head; height++) {
        check_view(world, height);
        if (height < head) {
            check_root(world, height);
        }
    }
    check_proof(world, head, head % ADDRESSES);
    check_proof(world, oldest, head % ADDRESSES);
    check_proof(world, oldest + (head - oldest) / 2, (head + 5) % ADDRESSES);
    assert_int_equal(state_view_open(world->state, head + 1, &view).code, ERR_NOT_FOUND);
    if (oldest > 0) {
        assert_int_equal(state_view_open(world->state, oldest - 1, &view).code, ERR_NOT_FOUND);
    }
}

static void run_random_blocks(bool is_archive)
{
    struct world *world = MEM_NEW(struct world);
    world_init(world, 1, is_archive);
    assert_true(state_is_new(world->state));
    for (u64 height = 0; height < BLOCKS; height++) {
        world_block(world, height);
        assert_int_equal(state_head(world->state).height, height);
        if (height % 7 == 3 || height + 1 == BLOCKS) {
            check_history(world, height);
        }
        if (height % 11 == 5) {
            state_close(world->state);
            world_open(world);
            assert_int_equal(state_head(world->state).height, height);
            assert_false(state_is_new(world->state));
        }
    }
    world_free(world);
    mem_free(world);
}

static void random_blocks_equal_a_model(void **state)
{
    (void)state;
    run_random_blocks(false);
}

static void an_archive_keeps_every_height(void **state)
{
    (void)state;
    run_random_blocks(true);
}

/* What the store was made as, it stays. */
static void archives_are_made_not_switched(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct world *world = MEM_NEW(struct world);
        world_init(world, 5, i == 1);
        world_block(world, 0);
        state_close(world->state);
        struct state_options options = {.dir = world->dir, .is_archive = i == 0, .no_sync = true};
        assert_int_equal(state_open(&options, &world->state).code, ERR_USAGE);
        world_open(world);
        check_view(world, 0);
        world_free(world);
        mem_free(world);
    }
}

/* A prepared block that is never committed leaves no trace, however often it is prepared. */
static void prepared_blocks_can_be_dropped(void **state)
{
    (void)state;
    struct world *world = MEM_NEW(struct world);
    world_init(world, 2, false);
    for (u64 height = 0; height < 10; height++) {
        struct model model;
        struct hash root;
        struct prng before = world->prng;
        for (int i = 0; i < 3; i++) {
            struct hash again;
            world->prng = before;
            state_pending_free(world_prepare(world, height, &model, &root));
            world->prng = before;
            state_pending_free(world_prepare(world, height, &model, &again));
            assert_true(hash_eq(&root, &again));
        }
        state_close(world->state); /* as after a crash between finalize and commit */
        world_open(world);
        world->prng = before;
        world_block(world, height);
        assert_true(hash_eq(&root, &world->roots[height]));
        check_view(world, height);
    }
    world_free(world);
    mem_free(world);
}

static void blocks_are_found(void **state)
{
    (void)state;
    struct world *world = MEM_NEW(struct world);
    struct state_view *view;
    struct arena arena;
    bytes value;
    u64 height;
    u32 index;
    struct hash hash;
    struct hash tx = {{1, 3}};
    world_init(world, 3, false);
    for (u64 i = 0; i < 5; i++) {
        world_block(world, i);
    }
    arena_init(&arena, MIB(1));
    assert_ok(state_view_open(world->state, 4, &view));
    assert_ok(state_view_block_hash(view, 3, &hash));
    assert_ok(state_view_height_of(view, &hash, &height));
    assert_int_equal(height, 3);
    assert_ok(state_view_block(view, STATE_HEADER, 3, &arena, &value));
    assert_int_equal(load_be64(value.data), 3);
    assert_ok(state_view_block(view, STATE_BODY, 3, &arena, &value));
    assert_true(bytes_eq_str(value, "body"));
    assert_ok(state_view_block(view, STATE_RECEIPTS, 3, &arena, &value));
    assert_true(bytes_eq_str(value, "receipts"));
    assert_ok(state_view_block(view, STATE_CONSENSUS, 3, &arena, &value));
    assert_int_equal(value.len, 0);
    assert_ok(state_view_tx(view, &tx, &height, &index));
    assert_int_equal(height, 3);
    assert_int_equal(index, 0);
    assert_ok(state_view_meta(view, "last", &arena, &value));
    assert_memory_equal(value.data, &(u64){4}, 8);
    tx.b[5] = 1;
    assert_int_equal(state_view_tx(view, &tx, &height, &index).code, ERR_NOT_FOUND);
    assert_int_equal(state_view_height_of(view, &tx, &height).code, ERR_NOT_FOUND);
    assert_int_equal(state_view_block(view, STATE_BODY, 5, &arena, &value).code, ERR_NOT_FOUND);
    assert_int_equal(state_view_meta(view, "other", &arena, &value).code, ERR_NOT_FOUND);
    state_view_close(view);
    arena_free(&arena);
    world_free(world);
    mem_free(world);
}

/* A view stays at its height while later blocks commit. */
static void views_are_stable(void **state)
{
    (void)state;
    struct world *world = MEM_NEW(struct world);
    struct state_view *view;
    world_init(world, 4, false);
    world_block(world, 0);
    world_block(world, 1);
    assert_ok(state_view_open(world->state, 1, &view));
    for (u64 height = 2; height < 6; height++) {
        world_block(world, height);
    }
    for (size_t i = 0; i < ADDRESSES; i++) {
        struct address address = address_of(i);
        struct account account;
        assert_ok(state_view_account(view, &address, &account));
        struct account expected = model_account(&world->models[1], i);
        assert_true(account_eq(&account, &expected));
    }
    state_view_close(view);
    world_free(world);
    mem_free(world);
}

static void a_new_store_is_empty(void **state)
{
    (void)state;
    struct world *world = MEM_NEW(struct world);
    struct state_view *view;
    world_init(world, 5, false);
    assert_ok(state_view_open(world->state, 0, &view)); /* empty, before genesis */
    struct address address = address_of(1);
    struct account account;
    assert_ok(state_view_account(view, &address, &account));
    assert_true(account_is_empty(&account));
    state_view_close(view);
    assert_int_equal(state_view_open(world->state, 1, &view).code, ERR_NOT_FOUND);
    world_free(world);
    mem_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_blocks_equal_a_model),
        cmocka_unit_test(an_archive_keeps_every_height),
        cmocka_unit_test(archives_are_made_not_switched),
        cmocka_unit_test(prepared_blocks_can_be_dropped),
        cmocka_unit_test(blocks_are_found),
        cmocka_unit_test(views_are_stable),
        cmocka_unit_test(a_new_store_is_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
