/* The node as a whole, with the client of roles (src/chain) against it over loopback. */
#include "chain/module_call.h"
#include "data/class.h"
#include "ledger/modules/modules.h"
#include "ledger/modules/territory_layout.h"
#include "ledger/node/node.h"
#include "ledger/node/wal.h"
#include "owner/owner.h"
#include "tests/support/test_ledger.h"

#include <string.h>

#define SOON_MS 30000
#define MODULES "{\"params\":{\"profile\":\"devnet\"}}"

struct world {
    struct test_ledger ledger;
    struct loop *loop;
    struct node *node;
    struct chain *chain;
    char genesis_path[128];
    void (*fn)(struct world *world);
};

static u64 soon(const struct world *world) { return loop_now_ms(world->loop) + SOON_MS; }

static struct node_options node_options_of(struct world *world)
{
    return (struct node_options){.data_dir = world->ledger.data_dir,
                                 .genesis_path = world->genesis_path,
                                 .secret = &world->ledger.seat,
                                 .rpc_host = "127.0.0.1",
                                 .metrics_host = "127.0.0.1",
                                 .no_sync = true};
}

static void start_node(struct world *world)
{
    struct node_options options = node_options_of(world);
    test_ok(node_start(world->loop, &options, &world->node));
}

static void stop_node(struct world *world)
{
    node_stop(world->node);
    world->node = NULL;
}

static void open_chain(struct world *world)
{
    char url[64];
    const char *urls[] = {url};
    snprintf(url, sizeof url, "http://127.0.0.1:%u", node_rpc_port(world->node));
    const struct chain_options options = {
        .rpc_urls = urls, .rpc_url_count = 1, .genesis_path = world->genesis_path};
    test_ok(chain_open(world->loop, &options, soon(world), &world->chain));
}

static void close_chain(struct world *world)
{
    chain_close(world->chain);
    world->chain = NULL;
}

static void world_main(void *arg)
{
    struct world *world = arg;
    world->fn(world);
    close_chain(world);
    stop_node(world);
    loop_stop(world->loop);
}

static void run_world(void (*fn)(struct world *world))
{
    struct world *world = test_calloc(1, sizeof *world);
    world->fn = fn;
    test_ledger_make(&world->ledger, MODULES, "");
    snprintf(world->genesis_path, sizeof world->genesis_path, "%s/genesis.json", world->ledger.dir);
    snprintf(world->ledger.data_dir, sizeof world->ledger.data_dir, "%s/node", world->ledger.dir);
    test_ok(file_replace(world->genesis_path, bytes_str(world->ledger.genesis)));
    test_ok(loop_open(&world->loop, 2));
    test_ok(fiber_start(world->loop, "world", world_main, world));
    loop_run(world->loop);
    loop_close(world->loop);
    test_ledger_remove(&world->ledger);
    test_free(world);
}

static void wait_height(struct world *world, u64 height)
{
    u64 deadline_ms = soon(world);
    while (node_status(world->node).height < height) {
        assert_true(loop_now_ms(world->loop) < deadline_ms);
        test_ok(fiber_sleep(world->loop, loop_now_ms(world->loop) + 20));
    }
}

/* --- roles at work --- */

static void transfer(struct world *world, struct chain_account *account, const struct address *to,
                     u64 wei, struct hash *ret_hash, struct chain_receipt *ret_receipt)
{
    struct arena arena;
    bytes raw;
    const struct chain_call call = {.to = *to, .value = u256_from_u64(wei)};
    arena_init(&arena, MIB(1));
    test_ok(chain_sign(account, &call, &arena, soon(world), &raw, ret_hash));
    test_ok(chain_submit_raw(world->chain, raw, soon(world)));
    test_ok(chain_submit_raw(world->chain, raw, soon(world))); /* known is fine */
    test_ok(chain_await(world->chain, ret_hash, &arena, soon(world), ret_receipt));
    assert_true(ret_receipt->success);
    arena_free(&arena);
}

static void a_transfer_is_final(struct world *world)
{
    struct chain_account *account;
    struct chain_receipt receipt;
    struct hash hash;
    struct u256 balance;
    struct address friend = {{0x77}};
    start_node(world);
    open_chain(world);
    test_ok(chain_account_open(world->chain, &world->ledger.user, &account));
    transfer(world, account, &friend, 12345, &hash, &receipt);
    assert_int_equal(receipt.gas_used, 21000);
    test_ok(chain_balance(world->chain, &friend, &balance, soon(world)));
    assert_int_equal(u256_cmp(balance, u256_from_u64(12345)), 0);
    assert_true(chain_healthy(world->chain));
    chain_account_close(account);
}

/* A node writes snapshots while it makes blocks; another begins with one, goes on, and finds its
 * own state when it starts again with the same flags, also if it fell before it logged anything. */
static void a_node_begins_with_a_snapshot(struct world *world)
{
    struct node_options options = node_options_of(world);
    char folder[PATH_BYTES_MAX];
    char path[PATH_BYTES_MAX];
    char copy[PATH_BYTES_MAX];
    path_join(folder, options.data_dir, "snapshots/2");
    path_join(path, folder, "block");
    path_join(copy, world->ledger.dir, "copy");
    options.snapshot_blocks = 2;
    options.interval_ms = 200;
    options.empty_interval_ms = 500;
    test_ok(node_start(world->loop, &options, &world->node));
    wait_height(world, 2);
    options.restore_hash = node_status(world->node).block_hash;
    bool at_two = node_status(world->node).height == 2;
    for (u64 deadline_ms = soon(world); !file_exists(path);) {
        assert_true(loop_now_ms(world->loop) < deadline_ms);
        test_ok(fiber_sleep(world->loop, loop_now_ms(world->loop) + 20));
    }
    stop_node(world);
    assert_true(at_two);
    options.data_dir = copy;
    options.restore_from = folder;
    options.snapshot_blocks = 0;
    for (int i = 0; i < 3; i++) {
        test_ok(node_start(world->loop, &options, &world->node));
        assert_true(node_status(world->node).height >= 2);
        wait_height(world, 3 + (u64)i);
        stop_node(world);
    }
    start_node(world); /* for the end of the test */
}

struct owned {
    u64 territory;
    struct territory_record record;
    bool found;
};

static err read_territory(void *ctx, const struct slot_source *slots)
{
    struct owned *owned = ctx;
    return territory_load(slots, owned->territory, &owned->record, &owned->found);
}

static void a_module_call_is_proven(struct world *world)
{
    struct chain_account *account;
    struct owned owned = {0};
    struct address module = native_address(MODULE_TERRITORY);
    struct arena arena;
    const struct chain_log *logs;
    size_t count;
    start_node(world);
    open_chain(world);
    arena_init(&arena, MIB(1));
    test_ok(chain_account_open(world->chain, &world->ledger.user, &account));
    test_ok(
        owner_lease(world->chain, account, GIB(10), RS_4_8, 86400, soon(world), &owned.territory));
    test_ok(chain_view(world->chain, read_territory, &owned, soon(world)));
    assert_true(owned.found);
    assert_int_equal(owned.record.size, GIB(10));
    assert_true(address_eq(&owned.record.owner, &world->ledger.user_address));
    test_ok(chain_logs(world->chain, &module, 0, chain_head(world->chain).height, &arena,
                       soon(world), &logs, &count));
    assert_true(count >= 1);
    assert_true(address_eq(&logs[0].address, &module));
    arena_free(&arena);
    chain_account_close(account);
}

/* A call that would revert is refused before it is sent, with its reason in the log. */
static void a_refused_call_is_not_sent(struct world *world)
{
    struct chain_account *account;
    struct arena arena;
    struct chain_receipt receipt;
    const struct abi_value args[] = {abi_u64(99)};
    start_node(world);
    open_chain(world);
    arena_init(&arena, MIB(1));
    test_ok(chain_account_open(world->chain, &world->ledger.user, &account));
    err e = module_send(account, MODULE_TERRITORY, TERRITORY_FREEZE, args, u256_from_u64(0), &arena,
                        soon(world), &receipt);
    assert_int_equal(e.code, ERR_REFUSED);
    arena_free(&arena);
    chain_account_close(account);
}

static void blocks_come_by_themselves(struct world *world)
{
    start_node(world);
    u64 begin_ms = loop_now_ms(world->loop);
    wait_height(world, 3);
    u64 took_ms = loop_now_ms(world->loop) - begin_ms;
    assert_true(took_ms >= 1500 && took_ms < 10000);
    assert_int_equal(node_fault(world->node).code, ERR_OK);
}

static void a_restart_keeps_everything(struct world *world)
{
    struct chain_account *account;
    struct chain_receipt receipt;
    struct hash hash;
    struct arena arena;
    struct u256 balance;
    struct address friend = {{0x78}};
    arena_init(&arena, MIB(1));
    start_node(world);
    open_chain(world);
    test_ok(chain_account_open(world->chain, &world->ledger.user, &account));
    transfer(world, account, &friend, 5, &hash, &receipt);
    chain_account_close(account);
    close_chain(world);
    u64 height = node_status(world->node).height;
    stop_node(world);
    start_node(world);
    assert_true(node_status(world->node).height >= height);
    open_chain(world);
    test_ok(chain_await(world->chain, &hash, &arena, soon(world), &receipt));
    test_ok(chain_balance(world->chain, &friend, &balance, soon(world)));
    assert_int_equal(u256_cmp(balance, u256_from_u64(5)), 0);
    arena_free(&arena);
}

/* --- crashes --- */

/* What a node leaves behind that died after logging a block with one transfer and before committing
 * it. The folder was used before. */
static void leave_decided(struct world *world, u64 skip, struct decided *ret_decided,
                          struct arena *arena)
{
    char path[PATH_BYTES_MAX];
    struct wal *wal;
    struct buf raw;
    struct address friend = {{0x79}};
    bytes *items = ARENA_ARRAY(arena, bytes, 1);
    test_ledger_open(&world->ledger);
    struct app_info info = app_info_now(world->ledger.app);
    struct tx tx = test_tx(0, &friend, 7, bytes_str(""));
    test_sign(&raw, &tx, &world->ledger.user);
    items[0] = arena_copy(arena, buf_bytes(&raw));
    struct block_txs txs = {items, 1};
    struct decided decided = test_decide(&world->ledger, &txs, info.time_ms + 1000);
    decided.header.height += skip;
    decided.certificate.height += skip;
    if (skip > 0) {
        consensus_header_id(&decided.certificate.block_id, &decided.header);
    }
    path_join(path, world->ledger.data_dir, "decided");
    test_ok(wal_open(path, &wal));
    test_ok(wal_write(wal, &decided));
    wal_close(wal);
    test_ledger_close(&world->ledger);
    buf_free(&raw);
    *ret_decided = decided;
}

static void a_decided_block_is_executed(struct world *world)
{
    struct decided decided;
    struct chain_receipt receipt;
    struct hash hash;
    struct arena arena;
    arena_init(&arena, MIB(8));
    start_node(world);
    wait_height(world, 2);
    stop_node(world);
    leave_decided(world, 0, &decided, &arena);
    start_node(world);
    wait_height(world, decided.header.height + 1);
    open_chain(world);
    tx_hash(&hash, decided.txs.items[0]);
    test_ok(chain_await(world->chain, &hash, &arena, soon(world), &receipt));
    assert_int_equal(receipt.height, decided.header.height);
    arena_free(&arena);
}

static void an_older_state_is_refused(struct world *world)
{
    struct decided decided;
    struct arena arena;
    struct node_options options = node_options_of(world);
    arena_init(&arena, MIB(8));
    start_node(world);
    wait_height(world, 1);
    stop_node(world);
    leave_decided(world, 2, &decided, &arena);
    assert_int_equal(node_start(world->loop, &options, &world->node).code, ERR_INTEGRITY);
    arena_free(&arena);
}

/* --- wrong starts --- */

static void wrong_starts(struct world *world)
{
    struct node *other;
    struct node_options options = node_options_of(world);
    options.secret = &world->ledger.user;
    assert_int_equal(node_start(world->loop, &options, &other).code, ERR_USAGE);
    options = node_options_of(world);
    options.genesis_path = "/nonexistent/genesis.json";
    assert_int_equal(node_start(world->loop, &options, &other).code, ERR_NOT_FOUND);
    options = node_options_of(world);
    options.interval_ms = 2000;
    assert_int_equal(node_start(world->loop, &options, &other).code, ERR_USAGE);
    start_node(world);
    options = node_options_of(world);
    assert_int_equal(node_start(world->loop, &options, &other).code, ERR_BUSY);
    char elsewhere[160];
    snprintf(elsewhere, sizeof elsewhere, "%s/other", world->ledger.dir);
    options.data_dir = elsewhere;
    options.rpc_port = node_rpc_port(world->node);
    assert_int_equal(node_start(world->loop, &options, &other).code, ERR_EXISTS);
    options.rpc_port = 0;
    options.metrics_port = node_metrics_port(world->node);
    assert_int_equal(node_start(world->loop, &options, &other).code, ERR_EXISTS);
}

static void another_genesis_is_refused(struct world *world)
{
    struct node *other;
    struct node_options options = node_options_of(world);
    start_node(world);
    stop_node(world);
    char *time = strstr(world->ledger.genesis, "\"time\":1");
    time[7] = '2';
    test_ok(file_replace(world->genesis_path, bytes_str(world->ledger.genesis)));
    assert_int_equal(node_start(world->loop, &options, &other).code, ERR_REFUSED);
}

/* A drained node answers nobody, and long polls do not hold it up. */
static void draining_is_quick(struct world *world)
{
    start_node(world);
    open_chain(world); /* its follower waits in cairn_head */
    u64 begin_ms = loop_now_ms(world->loop);
    node_drain(world->node, begin_ms + 5000);
    assert_true(loop_now_ms(world->loop) - begin_ms < 3000);
}

#define WORLD_TEST(fn)                                                                             \
    static void test_##fn(void **state)                                                            \
    {                                                                                              \
        (void)state;                                                                               \
        run_world(fn);                                                                             \
    }

WORLD_TEST(a_node_begins_with_a_snapshot)
WORLD_TEST(a_transfer_is_final)
WORLD_TEST(a_module_call_is_proven)
WORLD_TEST(a_refused_call_is_not_sent)
WORLD_TEST(blocks_come_by_themselves)
WORLD_TEST(a_restart_keeps_everything)
WORLD_TEST(a_decided_block_is_executed)
WORLD_TEST(an_older_state_is_refused)
WORLD_TEST(wrong_starts)
WORLD_TEST(another_genesis_is_refused)
WORLD_TEST(draining_is_quick)

int main(void)
{
    const struct hash seed = {{7}};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_transfer_is_final),
        cmocka_unit_test(test_a_node_begins_with_a_snapshot),
        cmocka_unit_test(test_a_module_call_is_proven),
        cmocka_unit_test(test_a_refused_call_is_not_sent),
        cmocka_unit_test(test_blocks_come_by_themselves),
        cmocka_unit_test(test_a_restart_keeps_everything),
        cmocka_unit_test(test_a_decided_block_is_executed),
        cmocka_unit_test(test_an_older_state_is_refused),
        cmocka_unit_test(test_wrong_starts),
        cmocka_unit_test(test_another_genesis_is_refused),
        cmocka_unit_test(test_draining_is_quick),
    };
    crypto_init(&seed);
    native_tables_init(native_modules_all, native_modules_count);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
