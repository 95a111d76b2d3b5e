/* Heads and views over an honest node whose answers take their time. */
#include "chain/testing.h"

/* ---- heads ---- */

static void opens_and_follows(struct chain_world *world)
{
    struct u256 balance;
    u64 nonce;
    world_open(world, 1);
    struct chain_head head = chain_head(world->chain);
    assert_int_equal(head.height, world_height(world) - 1);
    assert_int_equal(head.time, TEST_GENESIS_TIME + head.height);
    assert_int_equal(chain_id(world->chain), TEST_CHAIN_ID);
    assert_true(head.base_fee > 0);
    assert_true(chain_healthy(world->chain));
    world_blocks(world, 1);
    test_ok(chain_wait(world->chain, head.height, soon(world)));
    struct chain_head next = chain_head(world->chain);
    assert_int_equal(next.height, head.height + 1);
    assert_false(hash_eq(&next.hash, &head.hash));
    same_err(chain_wait(world->chain, head.height + 1, in_ms(world, 50)), ERR_TIMEOUT);

    struct address friend = {{0x44}};
    rpc_send(&world->ledger, test_tx(0, &friend, 99, bytes_str("")));
    world_blocks(world, 2);
    world_catch_up(world);
    test_ok(chain_balance(world->chain, &friend, &balance, soon(world)));
    assert_int_equal(u256_cmp(balance, u256_from_u64(99)), 0);
    test_ok(chain_nonce(world->chain, &world->ledger.ledger.user_address, &nonce, soon(world)));
    assert_int_equal(nonce, 1);
    friend.b[1] = 1; /* nobody */
    test_ok(chain_balance(world->chain, &friend, &balance, soon(world)));
    assert_true(u256_is_zero(balance));
    test_ok(chain_nonce(world->chain, &friend, &nonce, soon(world)));
    assert_int_equal(nonce, 0);
}

/* A chain that has no certified block yet: opening waits for it. */
static void late_block(void *arg)
{
    struct chain_world *world = arg;
    test_ok(fiber_sleep(world->loop, in_ms(world, 300)));
    fake_be_honest(&world->fakes[0]);
}

static json_t *say_null(struct fake *fake, json_t *result)
{
    (void)fake;
    (void)result;
    return json_null();
}

static void opening_waits_for_a_head(struct chain_world *world)
{
    fake_be(&world->fakes[0], (struct fake){.twist = say_null});
    test_ok(group_start(world->loop, &world->fibers, "late", late_block, world));
    u64 begin_ms = loop_now_ms(world->loop);
    world_open(world, 1);
    assert_in_range(loop_now_ms(world->loop) - begin_ms, 250, 8000);
    world_close(world);
    fake_be(&world->fakes[0], (struct fake){.twist = say_null});
    same_err(world_try_open(world, 1, in_ms(world, 300)), ERR_TIMEOUT);
}

/* The seats of a genesis may stand in any order; here there is one, and then none. */
static void wrong_starts(struct chain_world *world)
{
    static const char *const texts[] = {
        "",
        "{",
        "[]",
        "{\"chain_id\":7200}",
        "{\"chain_id\":7200,\"seats\":[]}",
        "{\"chain_id\":0,\"seats\":[\"" DUMMY "\"]}",
        "{\"chain_id\":7200,\"seats\":[\"0x00000000000000000000000000000000000000\"]}",
        "{\"chain_id\":7200,\"seats\":[\"" DUMMY "\",\"" DUMMY "\"]}",
    };
    static const char *const urls[] = {"https://127.0.0.1:1", "127.0.0.1:80", "http://", ""};
    struct chain_options options = {.rpc_urls = urls, .genesis_path = world->genesis_path};
    same_err(chain_open(world->loop, &options, soon(world), &world->chain), ERR_USAGE);
    options.rpc_url_count = 17;
    same_err(chain_open(world->loop, &options, soon(world), &world->chain), ERR_USAGE);
    options.rpc_url_count = 1;
    for (size_t i = 0; i < COUNT_OF(urls); i++) {
        options.rpc_urls = urls + i;
        same_err(chain_open(world->loop, &options, soon(world), &world->chain), ERR_USAGE);
    }
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        test_ok(file_replace(world->genesis_path, bytes_str(texts[i])));
        same_err(world_try_open(world, 1, soon(world)), ERR_USAGE);
    }
    snprintf(world->genesis_path, sizeof world->genesis_path, "/nonexistent/genesis.json");
    same_err(world_try_open(world, 1, soon(world)), ERR_NOT_FOUND);
}

/* ---- views ---- */

#define MANY 300

static void set_keys(struct chain_world *world, u64 first, u64 count)
{
    for (u64 i = 0; i < count; i++) {
        rpc_send_set(&world->ledger, first + i, 1000 + first + i);
        if (i % 50 == 49) {
            world_blocks(world, 1);
        }
    }
    world_blocks(world, 2);
}

static void many_slots_in_few_calls(struct chain_world *world)
{
    static u64 keys[MANY];
    static struct vault_view view;
    for (size_t i = 0; i < MANY; i++) {
        keys[i] = i;
    }
    set_keys(world, 0, MANY - 20); /* the last ones were never written */
    world_open(world, 1);
    view = (struct vault_view){.keys = keys, .count = MANY};
    test_ok(chain_view(world->chain, vault_read, &view, soon(world)));
    for (size_t i = 0; i < MANY; i++) {
        assert_int_equal(view.values[i], i < MANY - 20 ? 1000 + i : 0);
    }
    assert_int_equal(view.runs, 2);
    assert_int_equal(world->fakes[0].proofs, 2); /* 256 and the rest */
    assert_int_equal(world->fakes[0].slots, MANY);
    test_ok(chain_view(world->chain, vault_read, &view, soon(world)));
    assert_int_equal(view.runs, 3);
    assert_int_equal(world->fakes[0].proofs, 2);
}

/* Reads key 0, whose value is the next key, and so on. */
struct pointer_view {
    u64 last;
    size_t steps;
};

static err follow_pointers(void *ctx, const struct slot_source *slots)
{
    struct pointer_view *view = ctx;
    u64 key = 5;
    for (view->steps = 0; key != 0; view->steps++) {
        view->last = key;
        TRY(vault_load(slots, key, &key));
    }
    return ok();
}

static void one_round_per_dependency(struct chain_world *world)
{
    struct pointer_view view = {0};
    for (u64 i = 5; i < 25; i++) {
        rpc_send_set(&world->ledger, i, i + 1);
    }
    world_blocks(world, 2);
    world_open(world, 1);
    test_ok(chain_view(world->chain, follow_pointers, &view, soon(world)));
    assert_int_equal(view.last, 25);
    assert_int_equal(view.steps, 21);
    assert_int_equal(world->fakes[0].proofs, 21);
}

static err read_for_ever(void *ctx, const struct slot_source *slots)
{
    u64 value;
    for (u64 key = 0;; key++) {
        TRY(vault_load(slots, key, &value));
    }
    (void)ctx;
}

static err read_many_modules(void *ctx, const struct slot_source *slots)
{
    struct hash slot = slot_number(1);
    struct word word;
    err result = ok();
    (void)ctx;
    for (u32 module = 100; module < 120; module++) {
        struct address address = native_address(module);
        err e = slots->load(slots->ctx, &address, &slot, &word);
        result = is_ok(e) ? result : e;
    }
    return result;
}

static void views_have_an_end(struct chain_world *world)
{
    world_open(world, 1);
    same_err(chain_view(world->chain, read_for_ever, NULL, soon(world)), ERR_LIMIT);
    same_err(chain_view(world->chain, read_many_modules, NULL, soon(world)), ERR_LIMIT);
}

/* The storage of the dummy never changes, that of the vault with every block. */
static err read_dummy(void *ctx, const struct slot_source *slots)
{
    const struct address dummy = {.b = {[19] = 0xcc}};
    struct hash slot = slot_number(3);
    struct word *word = ctx;
    return slots->load(slots->ctx, &dummy, &slot, word);
}

static void what_is_known_is_not_fetched(struct chain_world *world)
{
    struct fake *node = &world->fakes[0];
    struct word word = {{1}};
    rpc_send_set(&world->ledger, 1, 11);
    world_blocks(world, 2);
    world_open(world, 1);
    vault_is(world, 1, 11);
    vault_is(world, 1, 11);
    assert_int_equal(node->proofs, 1);
    test_ok(chain_view(world->chain, read_dummy, &word, soon(world)));
    assert_int_equal(word.b[0], 0);
    assert_int_equal(node->slots, 2);

    rpc_send_set(&world->ledger, 1, 12);
    world_blocks(world, 2);
    world_catch_up(world);
    fake_be_honest(node);
    test_ok(chain_view(world->chain, read_dummy, &word, soon(world)));
    assert_int_equal(node->proofs, 1); /* only whether the root is the same */
    assert_int_equal(node->slots, 0);
    test_ok(chain_view(world->chain, read_dummy, &word, soon(world)));
    assert_int_equal(node->proofs, 1);
    vault_is(world, 1, 12);
    assert_in_range(node->proofs, 2, 3);
    /* A root that moved last time is expected to move again. */
    world_blocks(world, 1);
    world_catch_up(world);
    fake_be_honest(node);
    vault_is(world, 1, 12);
    assert_int_equal(node->proofs, 1);
    assert_int_equal(node->slots, 1);
}

/* A function that makes its own of a missing slot must not get away with it. */
static err shrug(void *ctx, const struct slot_source *slots)
{
    u64 *value = ctx;
    if (!is_ok(vault_load(slots, 1, value))) {
        *value = 4711;
    }
    return ok();
}

static err be_busy(void *ctx, const struct slot_source *slots)
{
    u64 *value = ctx;
    TRY(vault_load(slots, 1, value));
    return fail(ERR_BUSY);
}

static err miss_and_complain(void *ctx, const struct slot_source *slots)
{
    u64 *value = ctx;
    err e = vault_load(slots, 2, value);
    return is_ok(e) ? ok() : fail(ERR_NOT_FOUND);
}

static void results_are_of_complete_runs(struct chain_world *world)
{
    u64 value = 0;
    rpc_send_set(&world->ledger, 1, 11);
    rpc_send_set(&world->ledger, 2, 12);
    world_blocks(world, 2);
    world_open(world, 1);
    test_ok(chain_view(world->chain, shrug, &value, soon(world)));
    assert_int_equal(value, 11);
    u64 begin_ms = loop_now_ms(world->loop);
    same_err(chain_view(world->chain, be_busy, &value, soon(world)), ERR_BUSY);
    test_ok(chain_view(world->chain, miss_and_complain, &value, soon(world)));
    assert_int_equal(value, 12);
    assert_true(loop_now_ms(world->loop) - begin_ms < 10000);
}

/* A node that has not got a height (any more): the view goes on at the next one. */
static json_t *refuse(struct fake *fake, json_t *result)
{
    (void)fake;
    (void)result;
    return NULL;
}

static void honest_later(void *arg)
{
    struct chain_world *world = arg;
    test_ok(fiber_sleep(world->loop, in_ms(world, 100)));
    fake_be_honest(&world->fakes[0]);
    world_blocks(world, 1);
}

static void a_missing_height_is_no_fault(struct chain_world *world)
{
    struct u256 balance;
    struct address nobody = {{1}};
    u64 value;
    rpc_send_set(&world->ledger, 1, 11);
    world_blocks(world, 2);
    world_open(world, 1);
    struct fake lies = {.method = "eth_getProof", .twist = refuse};
    fake_be(&world->fakes[0], lies);
    test_ok(group_start(world->loop, &world->fibers, "later", honest_later, world));
    vault_is(world, 1, 11);
    fake_be(&world->fakes[0], lies);
    test_ok(group_start(world->loop, &world->fibers, "later", honest_later, world));
    test_ok(chain_balance(world->chain, &nobody, &balance, soon(world)));
    fake_be(&world->fakes[0], lies);
    same_err(vault_value(world, 2, in_ms(world, 200), &value), ERR_TIMEOUT);
    same_err(chain_balance(world->chain, &nobody, &balance, in_ms(world, 200)), ERR_TIMEOUT);
}

/* ---- many fibers ---- */

struct reader {
    struct chain_world *world;
    u64 value;
    u64 last;
    size_t reads;
};

static void read_once(void *arg)
{
    struct reader *reader = arg;
    test_ok(vault_value(reader->world, 1, soon(reader->world), &reader->value));
}

/* An answer about an older head that comes late must not undo what is known about a newer one. */
static void late_answers_change_nothing(struct chain_world *world)
{
    struct reader early = {.world = world};
    struct fake *node = &world->fakes[0];
    rpc_send_set(&world->ledger, 1, 11);
    world_blocks(world, 2);
    world_open(world, 1);
    fake_be(node, (struct fake){.method = "eth_getProof", .delay_ms = 300});
    test_ok(group_start(world->loop, &world->fibers, "early", read_once, &early));
    test_ok(fiber_sleep(world->loop, in_ms(world, 100)));
    rpc_send_set(&world->ledger, 1, 12);
    world_blocks(world, 2);
    world_catch_up(world);
    fake_be_honest(node);
    vault_is(world, 1, 12);
    group_wait(world->loop, &world->fibers);
    assert_int_equal(early.value, 11); /* as it was when it began */
    vault_is(world, 1, 12);
    assert_int_equal(node->proofs, 1);
}

/* Everyone wants the same after a new block: one fetches it. */
static void one_fetch_for_all(struct chain_world *world)
{
    struct reader readers[40];
    rpc_send_set(&world->ledger, 1, 11);
    world_blocks(world, 2);
    world_open(world, 1);
    fake_be(&world->fakes[0], (struct fake){.method = "eth_getProof", .delay_ms = 50});
    for (size_t i = 0; i < COUNT_OF(readers); i++) {
        readers[i] = (struct reader){.world = world};
        test_ok(group_start(world->loop, &world->fibers, "reader", read_once, &readers[i]));
    }
    group_wait(world->loop, &world->fibers);
    for (size_t i = 0; i < COUNT_OF(readers); i++) {
        assert_int_equal(readers[i].value, 11);
    }
    assert_int_equal(world->fakes[0].proofs, 1);
}

/* If the one that fetches for all gives up, the others do not. */
static void read_impatiently(void *arg)
{
    struct reader *reader = arg;
    same_err(vault_value(reader->world, 1, in_ms(reader->world, 60), &reader->value), ERR_TIMEOUT);
}

static void a_fetch_given_up_is_taken_over(struct chain_world *world)
{
    struct reader hasty = {.world = world};
    struct reader readers[5];
    rpc_send_set(&world->ledger, 1, 11);
    world_blocks(world, 2);
    world_open(world, 1);
    fake_be(&world->fakes[0], (struct fake){.method = "eth_getProof", .delay_ms = 150});
    test_ok(group_start(world->loop, &world->fibers, "hasty", read_impatiently, &hasty));
    for (size_t i = 0; i < COUNT_OF(readers); i++) {
        readers[i] = (struct reader){.world = world};
        test_ok(group_start(world->loop, &world->fibers, "reader", read_once, &readers[i]));
    }
    group_wait(world->loop, &world->fibers);
    for (size_t i = 0; i < COUNT_OF(readers); i++) {
        assert_int_equal(readers[i].value, 11);
    }
    assert_int_equal(world->fakes[0].proofs, 2);
}

/* Each block sets three keys to its number. Whoever reads them sees them equal, and never an older
 * number than he saw before, whatever the order in which answers come. */
struct triple {
    u64 first;
    u64 second;
    u64 third;
};

static err read_triple(void *ctx, const struct slot_source *slots)
{
    struct triple *triple = ctx;
    TRY(vault_load(slots, 1, &triple->first));
    TRY(vault_load(slots, 2, &triple->second));
    return vault_load(slots, 3, &triple->third);
}

static void read_again_and_again(void *arg)
{
    struct reader *reader = arg;
    struct chain_world *world = reader->world;
    while (world->mining) {
        struct triple triple;
        u64 head = chain_head(world->chain).height;
        test_ok(chain_view(world->chain, read_triple, &triple, soon(world)));
        assert_int_equal(triple.first, triple.second);
        assert_int_equal(triple.first, triple.third);
        assert_true(triple.first >= reader->last && triple.first >= head);
        reader->last = triple.first;
        reader->reads++;
        test_ok(fiber_sleep(world->loop, in_ms(world, triple.first % 7)));
    }
}

static json_t *dawdle(struct fake *fake, json_t *result)
{
    fake->seed = fake->seed * 6364136223846793005u + 1442695040888963407u;
    IGNORE(fiber_sleep(fake->world->loop, in_ms(fake->world, (fake->seed >> 33) % 60)));
    return json_incref(result);
}

static void interleaved_views_are_consistent(struct chain_world *world)
{
    struct reader readers[12];
    world_open(world, 1);
    fake_be(&world->fakes[0], (struct fake){.method = "eth_getProof", .twist = dawdle, .seed = 3});
    world->mining = true;
    for (size_t i = 0; i < COUNT_OF(readers); i++) {
        readers[i] = (struct reader){.world = world};
    }
    for (u64 block = 0; block < 60; block++) {
        u64 height = world_height(world) + 1;
        for (u64 key = 1; key <= 3; key++) {
            rpc_send_set(&world->ledger, key, height);
        }
        world_blocks(world, 1);
        if (block == 1) {
            world_catch_up(world);
            for (size_t i = 0; i < COUNT_OF(readers); i++) {
                test_ok(group_start(world->loop, &world->fibers, "reader", read_again_and_again,
                                    &readers[i]));
            }
        }
        test_ok(fiber_sleep(world->loop, in_ms(world, 25)));
    }
    world_stop(world);
    for (size_t i = 0; i < COUNT_OF(readers); i++) {
        assert_true(readers[i].reads >= 5);
    }
}

WORLD_TEST(opens_and_follows)
WORLD_TEST(opening_waits_for_a_head)
WORLD_TEST(wrong_starts)
WORLD_TEST(many_slots_in_few_calls)
WORLD_TEST(one_round_per_dependency)
WORLD_TEST(views_have_an_end)
WORLD_TEST(what_is_known_is_not_fetched)
WORLD_TEST(results_are_of_complete_runs)
WORLD_TEST(a_missing_height_is_no_fault)
WORLD_TEST(late_answers_change_nothing)
WORLD_TEST(one_fetch_for_all)
WORLD_TEST(a_fetch_given_up_is_taken_over)
WORLD_TEST(interleaved_views_are_consistent)

int main(void)
{
    const struct hash seed = {{7}};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_opens_and_follows),
        cmocka_unit_test(test_opening_waits_for_a_head),
        cmocka_unit_test(test_wrong_starts),
        cmocka_unit_test(test_many_slots_in_few_calls),
        cmocka_unit_test(test_one_round_per_dependency),
        cmocka_unit_test(test_views_have_an_end),
        cmocka_unit_test(test_what_is_known_is_not_fetched),
        cmocka_unit_test(test_results_are_of_complete_runs),
        cmocka_unit_test(test_a_missing_height_is_no_fault),
        cmocka_unit_test(test_late_answers_change_nothing),
        cmocka_unit_test(test_one_fetch_for_all),
        cmocka_unit_test(test_a_fetch_given_up_is_taken_over),
        cmocka_unit_test(test_interleaved_views_are_consistent),
    };
    crypto_init(&seed);
    vault_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
