/* What one client may take; the clock is that of a loop. */
#include "ledger/rpc/limits.h"

#include "ledger/rpc/internal.h"
#include "tests/support/rpc_world.h"

#define RATE 2 /* low, so that nothing comes back between two lines on a busy machine */

struct limits_world {
    struct loop *loop;
    struct rpc_limits limits;
    void (*fn)(struct limits_world *world);
};

static void limits_main(void *arg)
{
    struct limits_world *world = arg;
    rpc_limits_init(&world->limits, world->loop, RATE);
    world->fn(world);
    rpc_limits_free(&world->limits);
    loop_stop(world->loop);
}

static void run_limits(void (*fn)(struct limits_world *))
{
    struct limits_world world = {.fn = fn};
    test_ok(loop_open(&world.loop, 1));
    test_ok(fiber_start(world.loop, "main", limits_main, &world));
    loop_run(world.loop);
    loop_close(world.loop);
}

static struct rpc_client *hold(struct limits_world *world, const char *peer)
{
    return rpc_client_hold(&world->limits, peer);
}

static bool same_client(struct limits_world *world, const char *a, const char *b)
{
    struct rpc_client *first = hold(world, a);
    struct rpc_client *second = hold(world, b);
    rpc_client_release(first);
    rpc_client_release(second);
    return first == second && first != NULL;
}

static void clients_are_addresses(struct limits_world *world)
{
    static const char *const loopback[] = {"127.0.0.1:80", "127.9.9.9:1", "[::1]:80",
                                           "[::ffff:127.0.0.1]:5"};
    for (size_t i = 0; i < COUNT_OF(loopback); i++) {
        assert_null(hold(world, loopback[i]));
    }
    assert_true(same_client(world, "10.1.2.3:80", "10.1.2.3:65535"));
    assert_true(same_client(world, "10.1.2.3:80", "[::ffff:10.1.2.3]:80"));
    assert_false(same_client(world, "10.1.2.3:80", "10.1.2.4:80"));
    assert_true(same_client(world, "[2001:db8:0:1::5]:80", "[2001:db8:0:1:ffff::9]:81"));
    assert_false(same_client(world, "[2001:db8:0:1::5]:80", "[2001:db8:0:2::5]:80"));
    assert_true(same_client(world, "somewhere:1", "somewhere:2"));
    assert_non_null(hold(world, "[::2]:80"));
    rpc_client_release(hold(world, "[::2]:80"));
    map_each (entry, &world->limits.clients) {
        struct rpc_client *client = entry->value;
        client->users = 0;
    }
}

static void credits_run_out_and_come_back(struct limits_world *world)
{
    struct rpc_client *client = hold(world, "10.0.0.1:1");
    u64 paid = 0;
    while (rpc_client_pay(client, 10)) {
        paid += 10;
    }
    assert_in_range(paid, RATE * RPC_BURST_SECONDS, RATE * RPC_BURST_SECONDS + 20);
    assert_false(rpc_client_has_credit(client));
    assert_int_equal(world->limits.refused, 1);
    test_ok(fiber_sleep(world->loop, loop_now_ms(world->loop) + 600));
    assert_true(rpc_client_has_credit(client));
    assert_true(rpc_client_pay(client, 100000)); /* however much: some were left */
    assert_false(rpc_client_pay(client, 1));
    struct rpc_client *other = hold(world, "10.0.0.2:1");
    assert_true(rpc_client_pay(other, 1));
    rpc_client_charge(other, 5);
    assert_true(rpc_client_has_credit(other));
    rpc_client_charge(other, UINT64_MAX);
    assert_false(rpc_client_has_credit(other));
    rpc_client_charge(NULL, 1);
    rpc_client_release(other);
    rpc_client_release(client);
}

static void things_under_way(struct limits_world *world)
{
    struct rpc_client *client = hold(world, "10.0.0.1:1");
    for (size_t i = 0; i < RPC_CLIENT_REQUESTS_MAX; i++) {
        assert_true(rpc_client_begin_request(client));
    }
    assert_false(rpc_client_begin_request(client));
    rpc_client_end_request(client);
    assert_true(rpc_client_begin_request(client));
    for (size_t i = 0; i < RPC_CLIENT_SOCKETS_MAX; i++) {
        assert_true(rpc_client_begin_socket(client));
    }
    assert_false(rpc_client_begin_socket(client));
    assert_true(rpc_client_begin_reply(client, RPC_CLIENT_REPLIES_BYTES_MAX - 1));
    assert_true(rpc_client_begin_reply(client, 1));
    assert_false(rpc_client_begin_reply(client, 1));
    assert_false(rpc_client_begin_reply(client, UINT64_MAX));
    rpc_client_end_reply(client, 1);
    assert_true(rpc_client_begin_reply(client, 1));
    rpc_client_release(client);
    /* Nobody is limited by NULL. */
    assert_true(rpc_client_begin_request(NULL) && rpc_client_begin_socket(NULL) &&
                rpc_client_begin_reply(NULL, UINT64_MAX) && rpc_client_pay(NULL, UINT64_MAX));
}

/* Many addresses: memory is bounded, who is in use stays, who owes is not forgotten early. */
static void many_clients(struct limits_world *world)
{
    struct rpc_client *held = hold(world, "10.0.0.1:1");
    struct rpc_client *debtor = hold(world, "10.0.0.2:1");
    assert_true(rpc_client_pay(debtor, RATE * RPC_BURST_SECONDS));
    rpc_client_release(debtor);
    for (unsigned i = 0; i < 1000; i++) { /* the one who owes is in front of them all */
        char peer[32];
        snprintf(peer, sizeof peer, "10.1.%u.%u:1", i / 256, i % 256);
        rpc_client_release(hold(world, peer));
    }
    debtor = hold(world, "10.0.0.2:9");
    assert_false(rpc_client_has_credit(debtor));
    rpc_client_release(debtor);
    for (unsigned i = 0; i < 2 * RPC_CLIENTS_MAX; i++) {
        char peer[32];
        snprintf(peer, sizeof peer, "11.1.%u.%u:1", i / 256, i % 256);
        struct rpc_client *client = hold(world, peer);
        assert_true(rpc_client_pay(client, 1));
        rpc_client_release(client);
    }
    assert_true(world->limits.clients.count <= RPC_CLIENTS_MAX);
    struct rpc_client *again = hold(world, "10.0.0.1:2");
    assert_ptr_equal(held, again);
    rpc_client_release(again);
    rpc_client_release(held);
}

/* Each call of a batch pays; those that cannot are refused one by one. */
static void calls_pay(struct limits_world *world)
{
    struct rpc_world rpc;
    struct buf out;
    struct rpc_client *client = hold(world, "10.0.0.1:1");
    const struct rpc_asker asker = {.client = client};
    rpc_world_init(&rpc, world->loop);
    buf_init(&out, MIB(1));
    assert_true(rpc_client_pay(client, RATE * RPC_BURST_SECONDS - 10));
    rpc_answer_to(rpc.rpc, asker,
                  bytes_str("[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"eth_chainId\"},"
                            "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"debug_traceNothing\"},"
                            "{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"eth_chainId\"},"
                            "{\"jsonrpc\":\"2.0\",\"method\":\"eth_chainId\"}]"),
                  &out);
    buf_put_u8(&out, 0);
    assert_string_equal((const char *)out.data,
                        "[{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":\"0x1c20\"},"
                        "{\"jsonrpc\":\"2.0\",\"id\":2,\"error\":{\"code\":-32601,\"message\":"
                        "\"the method debug_traceNothing does not exist\"}},"
                        "{\"jsonrpc\":\"2.0\",\"id\":3,\"error\":{\"code\":-32005,\"message\":"
                        "\"too many requests, try again in a second\"}}]");
    buf_free(&out);
    rpc_client_release(client);
    rpc_world_free(&rpc);
}

static err count_message(void *ctx, bytes text)
{
    size_t *count = ctx;
    *count += text.len != 0;
    return ok();
}

static void never_dropped(void *ctx, const char *reason)
{
    (void)ctx;
    assert_string_equal(reason, "");
}

/* Notifications are paid, too: who has no credits left is not cut, but waits. */
static void notifications_pay(struct limits_world *world)
{
    struct rpc_world rpc;
    struct rpc_session *session;
    struct buf out;
    size_t count = 0;
    struct rpc_client *client = hold(world, "10.0.0.1:1");
    const struct rpc_session_options options = {client, count_message, never_dropped, &count};
    rpc_world_init(&rpc, world->loop);
    buf_init(&out, MIB(1));
    rpc_session_open(rpc.rpc, &options, &session);
    rpc_session_answer(session,
                       bytes_str("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"eth_subscribe\","
                                 "\"params\":[\"newHeads\"]}"),
                       &out);
    rpc_session_answered(session);
    for (size_t i = 0; i < 40; i++) {
        test_block(&rpc.ledger);
    }
    rpc_advanced(rpc.rpc);
    test_ok(fiber_sleep(world->loop, loop_now_ms(world->loop) + 400));
    assert_in_range(count, 5, 30); /* what the subscription left of the burst, and a little more */
    size_t before = count;
    test_ok(fiber_sleep(world->loop, loop_now_ms(world->loop) + 2500));
    assert_true(count > before);
    rpc_session_close(session);
    buf_free(&out);
    rpc_client_release(client);
    rpc_world_free(&rpc);
}

static void costs(void **state)
{
    (void)state;
    assert_int_equal(rpc_method_cost("eth_chainId"), 1);
    assert_int_equal(rpc_method_cost("no such method"), 1);
    assert_int_equal(rpc_method_cost("debug_traceBlockByNumber"), 50);
    assert_true(rpc_method_cost("eth_getLogs") > rpc_method_cost("eth_call"));
}

#define LIMITS_TEST(name, fn)                                                                      \
    static void name(void **state)                                                                 \
    {                                                                                              \
        (void)state;                                                                               \
        run_limits(fn);                                                                            \
    }

LIMITS_TEST(test_clients_are_addresses, clients_are_addresses)
LIMITS_TEST(test_credits, credits_run_out_and_come_back)
LIMITS_TEST(test_things_under_way, things_under_way)
LIMITS_TEST(test_many_clients, many_clients)
LIMITS_TEST(test_calls_pay, calls_pay)
LIMITS_TEST(test_notifications_pay, notifications_pay)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clients_are_addresses),
        cmocka_unit_test(test_credits),
        cmocka_unit_test(test_things_under_way),
        cmocka_unit_test(test_many_clients),
        cmocka_unit_test(test_calls_pay),
        cmocka_unit_test(test_notifications_pay),
        cmocka_unit_test(costs),
    };
    const struct hash seed = {{7}};
    crypto_init(&seed);
    vault_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
