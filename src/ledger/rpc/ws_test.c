/* JSON-RPC over WebSocket, against a server on a real port: who may open one, requests, batches,
 * notifications, clients that misbehave. */
#include "ledger/rpc/ws.h"

#include "ledger/rpc/rpc_server.h"
#include "tests/support/rpc_world.h"

#define ASK "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"eth_chainId\"}"
#define ANSWER "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":\"0x1c20\"}"
#define SUBSCRIBE(params)                                                                          \
    "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"eth_subscribe\",\"params\":[" params "]}"
#define WAIT_MS 10000

struct ws_world {
    struct loop *loop;
    struct rpc_world rpc;
    struct rpc_server *server;
    struct rpc_server_options options;
    void (*fn)(struct ws_world *world);
};

static void ws_main(void *arg)
{
    struct ws_world *world = arg;
    rpc_world_init(&world->rpc, world->loop);
    world->options.rpc = world->rpc.rpc;
    world->options.host = "127.0.0.1";
    world->options.has_ws_port = true;
    test_ok(rpc_server_start(world->loop, &world->options, &world->server));
    assert_true(rpc_server_ws_port(world->server) != rpc_server_port(world->server));
    world->fn(world);
    test_ok(rpc_server_drain(world->server, loop_now_ms(world->loop) + WAIT_MS));
    struct rpc_counts counts = rpc_counts(world->rpc.rpc);
    assert_int_equal(counts.sessions, 0);
    assert_int_equal(counts.subscriptions, 0);
    rpc_server_close(world->server);
    rpc_world_free(&world->rpc);
    loop_stop(world->loop);
}

static void run_ws(void (*fn)(struct ws_world *), const struct rpc_server_options *options)
{
    struct ws_world *world = test_calloc(1, sizeof *world);
    world->fn = fn;
    world->options = *options;
    test_ok(loop_open(&world->loop, 1));
    test_ok(fiber_start(world->loop, "main", ws_main, world));
    loop_run(world->loop);
    loop_close(world->loop);
    test_free(world);
}

/* --- a client --- */

struct client {
    struct ws_world *world;
    struct stream *stream;
    struct buf in; /* what has come and was not taken */
};

static u64 soon(struct ws_world *world) { return loop_now_ms(world->loop) + WAIT_MS; }

static bool client_fill(struct client *client)
{
    u8 piece[4096];
    size_t len = 0;
    err e = stream_read(client->stream, piece, sizeof piece, soon(client->world), &len);
    assert_false(is_err(e, ERR_TIMEOUT));
    buf_put(&client->in, bytes_make(piece, is_ok(e) ? len : 0));
    return is_ok(e) && len != 0;
}

/* Opens a connection and sends the head of an upgrade with `fields` in it; the answer's status. */
static int client_open(struct client *client, struct ws_world *world, u16 port, const char *fields)
{
    char request[1024];
    *client = (struct client){.world = world};
    buf_init(&client->in, MIB(32));
    test_ok(stream_connect(world->loop, "127.0.0.1", port, soon(world), &client->stream));
    snprintf(request, sizeof request,
             "GET /any HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
             "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n%s\r\n",
             fields);
    test_ok(stream_write(client->stream, bytes_str(request), soon(world)));
    size_t end;
    while ((end = bytes_find(buf_bytes(&client->in), bytes_str("\r\n\r\n"))) == SIZE_MAX) {
        assert_true(client_fill(client));
    }
    int status = (client->in.data[9] - '0') * 100 + (client->in.data[10] - '0') * 10 +
                 (client->in.data[11] - '0');
    if (status == 101) {
        assert_true(bytes_find(buf_bytes(&client->in),
                               bytes_str("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")) !=
                    SIZE_MAX);
        buf_consume(&client->in, end + 4);
    }
    return status;
}

static void client_connect(struct client *client, struct ws_world *world)
{
    assert_int_equal(
        client_open(client, world, rpc_server_ws_port(world->server), "Host: localhost\r\n"), 101);
}

static void client_close(struct client *client)
{
    stream_close(client->stream);
    buf_free(&client->in);
}

/* A masked frame. */
static void client_frame(struct client *client, u8 first, bytes payload)
{
    struct buf frame;
    static const u8 mask[4] = {1, 2, 3, 4};
    buf_init(&frame, MIB(8));
    buf_put_u8(&frame, first);
    if (payload.len < 126) {
        buf_put_u8(&frame, (u8)(0x80 | payload.len));
    } else if (payload.len < 65536) {
        buf_put_u8(&frame, 0xfe);
        buf_put_be16(&frame, (u16)payload.len);
    } else {
        buf_put_u8(&frame, 0xff);
        buf_put_be64(&frame, payload.len);
    }
    buf_put(&frame, BYTES_OF(mask));
    u8 *out = buf_extend(&frame, payload.len);
    for (size_t i = 0; i < payload.len; i++) {
        out[i] = payload.data[i] ^ mask[i % 4];
    }
    IGNORE(stream_write(client->stream, buf_bytes(&frame), soon(client->world)));
    buf_free(&frame);
}

static void client_say(struct client *client, const char *text)
{
    client_frame(client, 0x81, bytes_str(text));
}

/* The next whole frame of the server: its first byte, 0 at the end; payload in `out`, with a zero.
 */
static u8 client_hear(struct client *client, struct buf *out)
{
    buf_clear(out);
    for (;;) {
        const u8 *data = client->in.data;
        size_t have = client->in.len;
        size_t head = have < 2 ? 2 : data[1] == 126 ? 4 : data[1] == 127 ? 10 : 2;
        u64 len = have < head ? 0
                  : head == 2 ? data[1]
                  : head == 4 ? load_be16(data + 2)
                              : load_be64(data + 2);
        if (have >= head && have - head >= len) {
            u8 first = data[0];
            buf_put(out, bytes_make(data + head, (size_t)len));
            buf_put_u8(out, 0);
            buf_consume(&client->in, head + (size_t)len);
            return first;
        }
        if (!client_fill(client)) {
            return 0;
        }
    }
}

static json_t *client_json(struct client *client)
{
    struct buf text;
    json_t *value;
    buf_init(&text, MIB(32));
    assert_int_equal(client_hear(client, &text), 0x81);
    test_ok(json_parse(bytes_make(text.data, text.len - 1), MIB(32), &value));
    buf_free(&text);
    return value;
}

static void client_expect(struct client *client, u8 first, const char *payload)
{
    struct buf text;
    buf_init(&text, MIB(32));
    assert_int_equal(client_hear(client, &text), first);
    if (payload != NULL) {
        assert_string_equal((const char *)text.data, payload);
    }
    buf_free(&text);
}

/* A close frame with this code, and then the end. */
static void client_expect_close(struct client *client, unsigned code)
{
    struct buf text;
    buf_init(&text, MIB(32));
    assert_int_equal(client_hear(client, &text), 0x88);
    assert_int_equal(load_be16(text.data), code);
    assert_int_equal(client_hear(client, &text), 0); /* nothing after it */
    buf_free(&text);
}

/* Subscribes; the id, in a static buffer. */
static const char *client_subscribe(struct client *client, const char *text)
{
    static char ids[4][64];
    static size_t next;
    char *id = ids[next++ % COUNT_OF(ids)];
    client_say(client, text);
    json_t *answer = client_json(client);
    const char *got = json_read_str(answer, "result");
    assert_non_null(got);
    assert_int_equal(strlen(got), 34);
    snprintf(id, sizeof ids[0], "%s", got);
    json_decref(answer);
    return id;
}

/* The next message is a notification of this subscription; its result. */
static json_t *client_notified(struct client *client, const char *id)
{
    json_t *message = client_json(client);
    json_t *params = json_object_get(message, "params");
    rpc_is(message, "method", "eth_subscription");
    rpc_is(message, "jsonrpc", "2.0");
    assert_null(json_object_get(message, "id"));
    rpc_is(params, "subscription", id);
    json_t *result = json_incref(json_object_get(params, "result"));
    json_decref(message);
    return result;
}

static void make_block(struct ws_world *world)
{
    test_block(&world->rpc.ledger);
    rpc_advanced(world->rpc.rpc);
}

/* --- tests --- */

static void who_may_open_one(struct ws_world *world)
{
    static const struct {
        const char *fields;
        int status;
    } cases[] = {
        {"Host: localhost\r\n", 101},
        {"Host: localhost\r\nOrigin: https://a.example\r\n", 101},
        {"Host: localhost\r\nOrigin: https://b.example\r\n", 403},
        {"Host: localhost\r\nOrigin: null\r\n", 403},
        {"Host: evil.example\r\n", 403},
        {"Host: evil.example\r\nOrigin: https://a.example\r\n", 403},
        {"Host: localhost\r\nSec-WebSocket-Version: 12\r\n", 426},
    };
    for (size_t i = 0; i < 2 * COUNT_OF(cases); i++) {
        struct client client;
        u16 port = i % 2 == 0 ? rpc_server_port(world->server) : rpc_server_ws_port(world->server);
        assert_int_equal(client_open(&client, world, port, cases[i / 2].fields),
                         cases[i / 2].status);
        client_close(&client);
    }
}

static void no_page_may_open_one(struct ws_world *world)
{
    struct client client;
    u16 port = rpc_server_port(world->server);
    assert_int_equal(
        client_open(&client, world, port, "Host: localhost\r\nOrigin: http://localhost\r\n"), 403);
    client_close(&client);
    assert_int_equal(client_open(&client, world, port, "Host: localhost\r\n"), 101);
    client_close(&client);
}

static void requests_and_batches(struct ws_world *world)
{
    struct client client;
    client_connect(&client, world);
    client_say(&client, ASK);
    client_expect(&client, 0x81, ANSWER);
    client_frame(&client, 0x82, bytes_str(ASK)); /* binary is fine */
    client_expect(&client, 0x81, ANSWER);
    client_say(&client, "[" ASK "," ASK "]");
    client_expect(&client, 0x81, "[" ANSWER "," ANSWER "]");
    client_say(&client, "{\"jsonrpc\":\"2.0\",\"method\":\"eth_chainId\"}"); /* no answer */
    client_frame(&client, 0x89, bytes_str("are you there"));
    client_expect(&client, 0x8a, "are you there");
    client_say(&client, "nonsense");
    json_t *answer = client_json(&client);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(answer, "error"), "code")),
                     -32700);
    json_decref(answer);
    client_frame(&client, 0x01, bytes_str("{\"jsonrpc\":\"2.0\",\"id\":1,"));
    client_frame(&client, 0x89, bytes_str("x"));
    client_frame(&client, 0x80, bytes_str("\"method\":\"eth_chainId\"}"));
    client_expect(&client, 0x8a, "x");
    client_expect(&client, 0x81, ANSWER);
    client_frame(&client, 0x88, bytes_str("\x03\xe8"));
    client_expect_close(&client, 1000);
    client_close(&client);
}

static void new_heads(struct ws_world *world)
{
    struct client client;
    client_connect(&client, world);
    make_block(world); /* before: nobody hears of it */
    const char *id = client_subscribe(&client, SUBSCRIBE("\"newHeads\""));
    for (unsigned height = 2; height < 5; height++) {
        char number[16];
        make_block(world);
        snprintf(number, sizeof number, "0x%x", height);
        json_t *head = client_notified(&client, id);
        json_t *block = rpc_ask(&world->rpc, "eth_getBlockByNumber", "\"%s\",false", number);
        rpc_is(head, "number", number);
        rpc_is(head, "hash", json_read_str(block, "hash"));
        rpc_is(head, "parentHash", json_read_str(block, "parentHash"));
        rpc_is(head, "logsBloom", json_read_str(block, "logsBloom"));
        assert_null(json_object_get(head, "transactions"));
        json_decref(head);
        json_decref(block);
    }
    char text[200];
    snprintf(text, sizeof text,
             "{\"jsonrpc\":\"2.0\",\"id\":8,\"method\":\"eth_unsubscribe\",\"params\":[\"%s\"]}",
             id);
    client_say(&client, text);
    client_expect(&client, 0x81, "{\"jsonrpc\":\"2.0\",\"id\":8,\"result\":true}");
    make_block(world);
    client_say(&client, text); /* no notification comes before this answer */
    json_t *answer = client_json(&client);
    rpc_is(json_object_get(answer, "error"), "message", "subscription not found");
    json_decref(answer);
    client_close(&client);
}

static void logs_and_transactions(struct ws_world *world)
{
    struct client client;
    client_connect(&client, world);
    char vault[64];
    struct address address = native_address(VAULT_NUMBER);
    snprintf(vault, sizeof vault, "%s", rpc_hex(BYTES_OF(address)));
    char text[300];
    snprintf(text, sizeof text, SUBSCRIBE("\"logs\",{\"address\":\"%s\"}"), vault);
    const char *logs = client_subscribe(&client, text);
    const char *none = client_subscribe(&client, SUBSCRIBE("\"logs\",{\"address\":\"" DUMMY "\"}"));
    const char *pending = client_subscribe(&client, SUBSCRIBE("\"newPendingTransactions\""));
    const char *whole = client_subscribe(&client, SUBSCRIBE("\"newPendingTransactions\",true"));
    assert_string_not_equal(logs, none);
    struct hash hash = rpc_send_set(&world->rpc, 5, 55);
    const char *hex = rpc_hex(BYTES_OF(hash));
    json_t *first = client_notified(&client, pending);
    assert_string_equal(json_string_value(first), hex);
    json_decref(first);
    json_t *tx = client_notified(&client, whole);
    rpc_is(tx, "hash", hex);
    assert_true(json_is_null(json_object_get(tx, "blockNumber")));
    json_decref(tx);
    make_block(world);
    json_t *log = client_notified(&client, logs);
    rpc_is(log, "address", vault);
    rpc_is(log, "transactionHash", hex);
    rpc_is(log, "blockNumber", "0x1");
    assert_true(json_is_false(json_object_get(log, "removed")));
    json_decref(log);
    client_close(&client);
}

/* What is wrong with a subscription, and that there can be too many. */
static void subscriptions_are_checked(struct ws_world *world)
{
    static const struct {
        const char *params;
        int code;
    } cases[] = {
        {"\"newHead\"", -32601},
        {"7", -32602},
        {"\"logs\",7", -32602},
        {"\"logs\",{\"address\":\"0x12\"}", -32602},
        {"\"logs\",{\"topics\":[[[]]]}", -32602},
        {"\"newPendingTransactions\",\"yes\"", -32602},
        {"\"logs\",{\"blockHash\":\"0x"
         "1111111111111111111111111111111111111111111111111111111111111111\"}",
         -32602},
    };
    struct client client;
    client_connect(&client, world);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char text[300];
        snprintf(text, sizeof text, SUBSCRIBE("%s"), cases[i].params);
        client_say(&client, text);
        json_t *answer = client_json(&client);
        const json_t *error = json_object_get(answer, "error");
        assert_int_equal(json_integer_value(json_object_get(error, "code")), cases[i].code);
        json_decref(answer);
    }
    assert_int_equal(rpc_counts(world->rpc.rpc).subscriptions, 0);
    for (size_t i = 0; i < RPC_SUBSCRIPTIONS_MAX; i++) {
        client_subscribe(&client, SUBSCRIBE("\"syncing\""));
    }
    client_say(&client, SUBSCRIBE("\"newHeads\""));
    json_t *answer = client_json(&client);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(answer, "error"), "code")),
                     -32005);
    json_decref(answer);
    assert_int_equal(rpc_counts(world->rpc.rpc).subscriptions, RPC_SUBSCRIPTIONS_MAX);
    client_close(&client);
    rpc_expect_error(&world->rpc, "eth_subscribe", -32601, "notifications not supported",
                     "\"newHeads\"");
    rpc_expect_error(&world->rpc, "eth_unsubscribe", -32601, "notifications not supported",
                     "\"0x1\"");
}

/* Who reads nothing is not waited for: others get theirs, and it may still be behind. */
static void clients_that_do_not_read(struct ws_world *world)
{
    struct client lazy;
    struct client eager;
    client_connect(&lazy, world);
    client_connect(&eager, world);
    client_subscribe(&lazy, SUBSCRIBE("\"newHeads\""));
    const char *id = client_subscribe(&eager, SUBSCRIBE("\"newHeads\""));
    for (size_t i = 0; i < 40; i++) {
        client_say(&lazy, ASK);
        make_block(world);
        json_t *head = client_notified(&eager, id);
        json_decref(head);
    }
    client_close(&eager);
    client_close(&lazy);
}

static void protocol_errors(struct ws_world *world)
{
    struct client client;
    client_connect(&client, world);
    client_frame(&client, 0x83, bytes_str("x"));
    client_expect_close(&client, 1002);
    client_close(&client);
    client_connect(&client, world);
    client_frame(&client, 0x81, bytes_str("\xff"));
    client_expect_close(&client, 1007);
    client_close(&client);
    client_connect(&client, world);
    static const u8 huge[] = {0x81, 0xff, 0, 0, 0, 0, 0, 0x40, 0, 1, 0, 0, 0, 0};
    test_ok(stream_write(client.stream, BYTES_OF(huge), soon(world)));
    client_expect_close(&client, 1009);
    client_close(&client);
}

/* Messages of several megabytes, more at a time than there are places. */
static void large_messages(struct ws_world *world)
{
    enum { CLIENTS = RPC_WS_LARGE_MAX + 2 };
    struct client clients[CLIENTS];
    u8 *text = test_malloc(MIB(2));
    memset(text, ' ', MIB(2));
    memcpy(text, ASK, strlen(ASK));
    for (size_t i = 0; i < CLIENTS; i++) {
        client_connect(&clients[i], world);
        client_frame(&clients[i], 0x01, bytes_make(text, KIB(64)));
    }
    for (size_t i = 0; i < CLIENTS; i++) { /* the last two wait for the first ones */
        client_frame(&clients[i], 0x80, bytes_make(text + KIB(64), MIB(1)));
        client_expect(&clients[i], 0x81, ANSWER);
    }
    for (size_t i = 0; i < CLIENTS; i++) {
        client_close(&clients[i]);
    }
    test_free(text);
}

/* The node stops: everybody is told, also those in the middle of something. */
static void goodbyes(struct ws_world *world)
{
    struct client clients[3];
    for (size_t i = 0; i < COUNT_OF(clients); i++) {
        client_connect(&clients[i], world);
    }
    client_subscribe(&clients[1], SUBSCRIBE("\"newHeads\""));
    client_frame(&clients[2], 0x01, bytes_str("half a message"));
    client_say(&clients[0], ASK);
    client_expect(&clients[0], 0x81, ANSWER);
    test_ok(rpc_server_drain(world->server, loop_now_ms(world->loop) + WAIT_MS));
    for (size_t i = 0; i < COUNT_OF(clients); i++) {
        client_expect_close(&clients[i], 1001);
        client_close(&clients[i]);
    }
}

#define WS_TEST(name, fn, ...)                                                                     \
    static void name(void **state)                                                                 \
    {                                                                                              \
        const struct rpc_server_options options = {__VA_ARGS__};                                   \
        (void)state;                                                                               \
        run_ws(fn, &options);                                                                      \
    }

WS_TEST(test_who_may_open_one, who_may_open_one, .cors_origin = "https://a.example")
WS_TEST(test_no_page_may_open_one, no_page_may_open_one, .cors_origin = "")
WS_TEST(test_requests_and_batches, requests_and_batches, .port = 0)
WS_TEST(test_new_heads, new_heads, .port = 0)
WS_TEST(test_logs_and_transactions, logs_and_transactions, .port = 0)
WS_TEST(test_subscriptions_are_checked, subscriptions_are_checked, .port = 0)
WS_TEST(test_clients_that_do_not_read, clients_that_do_not_read, .port = 0)
WS_TEST(test_protocol_errors, protocol_errors, .port = 0)
WS_TEST(test_large_messages, large_messages, .port = 0)
WS_TEST(test_goodbyes, goodbyes, .port = 0)

int main(void)
{
    const struct hash seed = {{7}};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_may_open_one),
        cmocka_unit_test(test_no_page_may_open_one),
        cmocka_unit_test(test_requests_and_batches),
        cmocka_unit_test(test_new_heads),
        cmocka_unit_test(test_logs_and_transactions),
        cmocka_unit_test(test_subscriptions_are_checked),
        cmocka_unit_test(test_clients_that_do_not_read),
        cmocka_unit_test(test_protocol_errors),
        cmocka_unit_test(test_large_messages),
        cmocka_unit_test(test_goodbyes),
    };
    crypto_init(&seed);
    vault_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
