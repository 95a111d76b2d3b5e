/* A WebSocket over a real connection: silence, slow messages, places for large ones, clients that
 * take nothing, sends from other fibers. */
#include "net/websocket_conn.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define LOOPBACK "127.0.0.1"
#define WAIT_MS 10000
#define SILENCE_MS 150
#define PATIENCE_MS 8000
#define MESSAGE_MS 400
#define BIG_BYTES MIB(8)

struct world {
    struct loop *loop;
    struct http_server *server;
    struct gate large;
    struct group senders; /* other fibers that send */
    u64 silence_ms;       /* body_timeout_ms of the server */
    void (*fn)(struct world *world);
    struct ws_conn *conn; /* of the last connection, while it is open */
    size_t messages;
    bool ended;
};

static void must(err e) { assert_true(is_ok(e)); }

/* Echoes; "big" is answered with BIG_BYTES, "cut" cuts. */
static void converse(struct world *world, struct ws_conn *conn)
{
    bytes message;
    while (is_ok(ws_conn_read(conn, &message))) {
        world->messages++;
        if (bytes_eq_str(message, "big")) {
            u8 *big = mem_alloc(BIG_BYTES);
            IGNORE(ws_conn_send(conn, bytes_make(big, BIG_BYTES)));
            mem_free(big);
        } else if (bytes_eq_str(message, "cut")) {
            ws_conn_cut(conn);
        } else {
            IGNORE(ws_conn_send(conn, message));
        }
    }
    assert_true(is_err(ws_conn_send(conn, bytes_str("late")), ERR_CLOSED));
}

static void handler(void *ctx, struct http_exchange *exchange)
{
    struct world *world = ctx;
    const struct ws_conn_options options = {
        .message_bytes_max = MIB(1), .large = &world->large, .message_timeout_ms = MESSAGE_MS};
    struct ws_conn *conn;
    if (is_ok(ws_conn_accept(exchange, &options, &conn))) {
        world->conn = conn;
        converse(world, conn);
        world->conn = NULL;
        group_wait(world->loop, &world->senders);
        ws_conn_free(conn);
        world->ended = true;
    }
}

static void world_main(void *arg)
{
    struct world *world = arg;
    const struct http_server_options options = {
        .host = LOOPBACK, .handler = handler, .ctx = world, .body_timeout_ms = world->silence_ms};
    must(http_server_start(world->loop, &options, &world->server));
    world->fn(world);
    must(http_server_drain(world->server, loop_now_ms(world->loop) + WAIT_MS));
    assert_int_equal(world->large.available, world->large.total);
    http_server_close(world->server);
    loop_stop(world->loop);
}

static void run_world(void (*fn)(struct world *), u64 silence_ms)
{
    struct world world = {.fn = fn, .silence_ms = silence_ms};
    group_init(&world.senders);
    must(loop_open(&world.loop, 1));
    gate_init(&world.large, 1);
    must(fiber_start(world.loop, "world", world_main, &world));
    loop_run(world.loop);
    loop_close(world.loop);
}

/* --- a client --- */

static u64 soon(struct world *world) { return loop_now_ms(world->loop) + WAIT_MS; }

static void sleep_ms(struct world *world, u64 ms)
{
    must(fiber_sleep(world->loop, loop_now_ms(world->loop) + ms));
}

/* Reads exactly len bytes; false at the end. */
static bool hear(struct world *world, struct stream *stream, u8 *out, size_t len)
{
    size_t done = 0;
    while (done < len) {
        size_t got = 0;
        err e = stream_read(stream, out + done, len - done, soon(world), &got);
        assert_false(is_err(e, ERR_TIMEOUT));
        if (!is_ok(e) || got == 0) {
            return false;
        }
        done += got;
    }
    return true;
}

static struct stream *dial(struct world *world)
{
    static const char request[] =
        "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    static const char answer[] =
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    struct stream *stream;
    u8 head[sizeof answer - 1];
    world->ended = false;
    must(stream_connect(world->loop, LOOPBACK, http_server_port(world->server), soon(world),
                        &stream));
    must(stream_write(stream, bytes_str(request), soon(world)));
    assert_true(hear(world, stream, head, sizeof head));
    assert_memory_equal(head, answer, sizeof head);
    return stream;
}

/* The head of a frame with a mask of zeros, which leaves the payload as it is. */
static void say_head(struct world *world, struct stream *stream, u8 first, u16 len)
{
    u8 head[8] = {first, 0xfe};
    store_be16(head + 2, len);
    if (len < 126) {
        head[1] = (u8)(0x80 | len);
        memset(head + 2, 0, 2);
        must(stream_write(stream, bytes_make(head, 6), soon(world)));
        return;
    }
    must(stream_write(stream, BYTES_OF(head), soon(world)));
}

static void say(struct world *world, struct stream *stream, const char *text)
{
    say_head(world, stream, 0x81, (u16)strlen(text));
    must(stream_write(stream, bytes_str(text), soon(world)));
}

/* The next frame is this one, of at most 125 bytes. */
static void expect(struct world *world, struct stream *stream, u8 first, const char *payload)
{
    u8 got[2 + WS_CONTROL_BYTES_MAX];
    size_t len = strlen(payload);
    assert_true(hear(world, stream, got, 2 + len));
    assert_int_equal(got[0], first);
    assert_int_equal(got[1], len);
    assert_memory_equal(got + 2, payload, len);
}

/* A close frame with this code and any reason, then the end. */
static void expect_close(struct world *world, struct stream *stream, unsigned code)
{
    u8 got[4 + WS_CONTROL_BYTES_MAX];
    assert_true(hear(world, stream, got, 4));
    assert_int_equal(got[0], 0x88);
    assert_int_equal(load_be16(got + 2), code);
    assert_true(hear(world, stream, got + 4, got[1] - 2u));
    assert_false(hear(world, stream, got, 1));
}

/* --- tests --- */

static void silent_clients_are_pinged(struct world *world)
{
    struct stream *stream = dial(world);
    for (size_t i = 0; i < 3; i++) { /* who answers stays */
        expect(world, stream, 0x89, "");
        say_head(world, stream, 0x8a, 0);
    }
    say(world, stream, "hello");
    expect(world, stream, 0x81, "hello");
    expect(world, stream, 0x89, ""); /* who does not is cut */
    u8 byte;
    assert_false(hear(world, stream, &byte, 1)); /* before the test's patience ends */
    assert_int_equal(world->messages, 1);
    stream_close(stream);
}

/* A byte now and then keeps a connection awake, but not a message open. */
static void slow_messages_are_given_up(struct world *world)
{
    struct stream *stream = dial(world);
    u64 begin_ms = loop_now_ms(world->loop);
    say_head(world, stream, 0x81, 1000);
    u64 took_ms = 0;
    while (world->conn != NULL && took_ms < WAIT_MS) {
        IGNORE(stream_write(stream, bytes_str("x"), soon(world))); /* it ends at some point */
        sleep_ms(world, 50);
        took_ms = loop_now_ms(world->loop) - begin_ms;
    }
    assert_true(took_ms >= MESSAGE_MS && took_ms < WAIT_MS);
    assert_int_equal(world->messages, 0);
    stream_close(stream);
}

/* One place for large messages: the second waits, and comes in when the first is done. */
static void large_messages_take_turns(struct world *world)
{
    u8 *text = mem_alloc(60000);
    u8 *back = mem_alloc(60004);
    memset(text, 'x', 60000);
    struct stream *first = dial(world);
    say_head(world, first, 0x81, 60000);
    must(stream_write(first, bytes_make(text, 30000), soon(world)));
    sleep_ms(world, 50);
    assert_int_equal(world->large.available, 0);
    struct stream *second = dial(world);
    say_head(world, second, 0x81, 60000);
    must(stream_write(second, bytes_make(text, 60000), soon(world)));
    sleep_ms(world, 50);
    assert_int_equal(world->messages, 0);
    must(stream_write(first, bytes_make(text, 30000), soon(world)));
    assert_true(hear(world, first, back, 60004));
    assert_memory_equal(back + 4, text, 60000);
    assert_true(hear(world, second, back, 60004));
    assert_int_equal(world->messages, 2);
    stream_close(first);
    stream_close(second);
    mem_free(text);
    mem_free(back);
}

/* Eight megabytes for a client that reads nothing: the sender is not held for ever. */
static void clients_that_take_nothing_are_cut(struct world *world)
{
    struct stream *stream = dial(world);
    say(world, stream, "big");
    for (u64 i = 0; !world->ended && i < WAIT_MS / 50; i++) {
        sleep_ms(world, 50);
    }
    assert_true(world->ended);
    stream_close(stream);
}

struct sender {
    struct world *world;
    struct ws_conn *conn;
    const char *text;
};

static void send_fiber(void *arg)
{
    struct sender *sender = arg;
    for (size_t i = 0; i < 50; i++) {
        must(ws_conn_send(sender->conn, bytes_str(sender->text)));
    }
}

/* Frames of several fibers come whole, one after another. */
static void fibers_send_together(struct world *world)
{
    struct stream *stream = dial(world);
    say(world, stream, "up");
    expect(world, stream, 0x81, "up");
    struct sender senders[] = {{world, world->conn, "aaaaaaaaaaaaaaaa"},
                               {world, world->conn, "bbbbbbbbbbbbbbbb"},
                               {world, world->conn, "cccccccccccccccc"}};
    for (size_t i = 0; i < COUNT_OF(senders); i++) {
        must(group_start(world->loop, &world->senders, "send", send_fiber, &senders[i]));
    }
    size_t seen[3] = {0};
    for (size_t i = 0; i < 150; i++) {
        u8 frame[18];
        assert_true(hear(world, stream, frame, sizeof frame));
        assert_true(frame[0] == 0x81 && frame[1] == 16);
        assert_in_range(frame[2], 'a', 'c');
        for (size_t k = 3; k < sizeof frame; k++) {
            assert_int_equal(frame[k], frame[2]);
        }
        seen[frame[2] - 'a']++;
    }
    assert_true(seen[0] == 50 && seen[1] == 50 && seen[2] == 50);
    group_wait(world->loop, &world->senders);
    stream_close(stream);
}

static void closes(struct world *world)
{
    struct stream *stream = dial(world);
    say_head(world, stream, 0x88, 0);
    expect_close(world, stream, 1000);
    stream_close(stream);
    stream = dial(world);
    say(world, stream, "cut");
    u8 byte;
    assert_false(hear(world, stream, &byte, 1));
    stream_close(stream);
    stream = dial(world);
    ws_conn_close(world->conn, WS_GOING_AWAY, "bye");
    ws_conn_close(world->conn, WS_GOING_AWAY, "twice");
    u8 frame[7];
    assert_true(hear(world, stream, frame, sizeof frame));
    assert_memory_equal(frame,
                        "\x88\x05\x03\xe9"
                        "bye",
                        7);
    say_head(world, stream, 0x88, 0);
    assert_false(hear(world, stream, &byte, 1));
    stream_close(stream);
}

/* The client vanishes in the middle of everything. */
static void clients_that_vanish(struct world *world)
{
    static const char *const starts[] = {
        "", "\x81", "\x81\x85", "\x81\x85mask", "\x81\x85maskab", "\x01\x81maska", "\x88\x82mask"};
    for (size_t i = 0; i < COUNT_OF(starts); i++) {
        struct stream *stream = dial(world);
        must(stream_write(stream, bytes_str(starts[i]), soon(world)));
        stream_close(stream);
        for (u64 k = 0; !world->ended && k < WAIT_MS / 10; k++) {
            sleep_ms(world, 10);
        }
        assert_true(world->ended);
    }
    assert_int_equal(world->messages, 0);
}

static void send_big_fiber(void *arg)
{
    struct sender *sender = arg;
    u8 *big = mem_alloc(BIG_BYTES);
    assert_false(is_ok(ws_conn_send(sender->conn, bytes_make(big, BIG_BYTES))));
    mem_free(big);
}

/* The client says that it has nothing more to say while a fiber sends to it: the send ends soon,
 * although the server is patient with slow readers. */
static void sends_end_with_the_client(struct world *world)
{
    struct stream *stream = dial(world);
    say(world, stream, "up");
    expect(world, stream, 0x81, "up");
    struct sender sender = {world, world->conn, NULL};
    must(group_start(world->loop, &world->senders, "send", send_big_fiber, &sender));
    sleep_ms(world, 50);
    u64 begin_ms = loop_now_ms(world->loop);
    assert_int_equal(world->senders.running, 1);
    must(stream_shutdown_write(stream, soon(world)));
    group_wait(world->loop, &world->senders);
    assert_true(loop_now_ms(world->loop) - begin_ms < PATIENCE_MS / 2);
    stream_close(stream);
}

#define WORLD_TEST(name, silence_ms)                                                               \
    static void test_##name(void **state)                                                          \
    {                                                                                              \
        (void)state;                                                                               \
        run_world(name, silence_ms);                                                               \
    }

WORLD_TEST(silent_clients_are_pinged, SILENCE_MS)
WORLD_TEST(slow_messages_are_given_up, SILENCE_MS)
WORLD_TEST(large_messages_take_turns, SILENCE_MS)
WORLD_TEST(clients_that_take_nothing_are_cut, SILENCE_MS)
WORLD_TEST(fibers_send_together, SILENCE_MS)
WORLD_TEST(closes, SILENCE_MS)
WORLD_TEST(clients_that_vanish, SILENCE_MS)
WORLD_TEST(sends_end_with_the_client, PATIENCE_MS)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_silent_clients_are_pinged),
        cmocka_unit_test(test_slow_messages_are_given_up),
        cmocka_unit_test(test_large_messages_take_turns),
        cmocka_unit_test(test_clients_that_take_nothing_are_cut),
        cmocka_unit_test(test_fibers_send_together),
        cmocka_unit_test(test_closes),
        cmocka_unit_test(test_clients_that_vanish),
        cmocka_unit_test(test_sends_end_with_the_client),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
