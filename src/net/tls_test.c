#include "base/mem.h"
#include "net/http.h"
#include "os/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define LOOPBACK "127.0.0.1"
#define BIG_BYTES MIB(8)

/* Two authorities in a temporary folder: ours and a stranger's. */
struct world {
    struct loop *loop;
    struct tls_context *server;
    struct tls_context *client;
    struct tls_context *stranger; /* a client that trusts only the other authority */
    struct listener *listener;
    struct group group;
    void (*fn)(struct world *world);
    char dir[64];
    char other[80];
    unsigned round_trips;
};

static u8 pattern(u64 i) { return (u8)(i * 31 + (i >> 8)); }

static u64 soon(struct world *world, u64 ms) { return loop_now_ms(world->loop) + ms; }

static const char *const names[] = {"localhost", "127.0.0.1", "::1", "s3.test", "*.s3.test"};

static void load(const char *dir, struct tls_context **ret_server, struct tls_context **ret_client)
{
    char ca[PATH_BYTES_MAX];
    char cert[PATH_BYTES_MAX];
    char key[PATH_BYTES_MAX];
    assert_true(is_ok(tls_make_authority(dir, names, COUNT_OF(names))));
    path_join(ca, dir, "ca.pem");
    path_join(cert, dir, "server.pem");
    path_join(key, dir, "server.key");
    assert_true(is_ok(tls_client_new(ca, ret_client)));
    if (ret_server != NULL) {
        assert_true(is_ok(tls_server_new(cert, key, ret_server)));
    }
}

static void world_main(void *arg)
{
    struct world *world = arg;
    assert_true(is_ok(listener_open(world->loop, LOOPBACK, 0, &world->listener)));
    world->fn(world);
    group_wait(world->loop, &world->group);
    listener_close(world->listener);
    loop_stop(world->loop);
}

static void run_world(void (*fn)(struct world *))
{
    struct world world = {.fn = fn};
    snprintf(world.dir, sizeof world.dir, "/tmp/cairn-tls-XXXXXX");
    assert_non_null(mkdtemp(world.dir));
    snprintf(world.other, sizeof world.other, "%s/other", world.dir);
    load(world.dir, &world.server, &world.client);
    load(world.other, NULL, &world.stranger);
    assert_true(is_ok(loop_open(&world.loop, 1)));
    group_init(&world.group);
    assert_true(is_ok(fiber_start(world.loop, "world", world_main, &world)));
    loop_run(world.loop);
    loop_close(world.loop);
    tls_free(world.server);
    tls_free(world.client);
    tls_free(world.stranger);
    assert_true(is_ok(dir_remove_all(world.dir)));
}

/* ---- one echo server per connection ---- */

static void echo_once(void *arg)
{
    struct world *world = arg;
    struct stream *plain = NULL;
    struct stream *stream = NULL;
    u8 *data = mem_alloc(KIB(64));
    size_t len = 1;
    assert_true(is_ok(listener_accept(world->listener, &plain)));
    if (is_ok(tls_accept(world->server, plain, soon(world, 2000), &stream))) {
        assert_true(stream->encrypted);
        while (is_ok(stream_read(stream, data, KIB(64), soon(world, 5000), &len)) && len != 0) {
            IGNORE(stream_write(stream, bytes_make(data, len), soon(world, 5000)));
        }
        if (len == 0) {
            IGNORE(stream_shutdown_write(stream, soon(world, 1000)));
        }
        stream_close(stream);
    }
    mem_free(data);
}

static err dial(struct world *world, struct tls_context *client, const char *name,
                struct stream **ret_stream)
{
    struct stream *plain = NULL;
    assert_true(is_ok(stream_connect(world->loop, LOOPBACK, listener_port(world->listener),
                                     soon(world, 1000), &plain)));
    return tls_connect(client, plain, name, soon(world, 2000), ret_stream);
}

static void start_echo(struct world *world)
{
    assert_true(is_ok(group_start(world->loop, &world->group, "echo", echo_once, world)));
}

static void check_name(struct world *world, struct tls_context *client, const char *name,
                       enum err_code want)
{
    struct stream *stream = NULL;
    start_echo(world);
    err e = dial(world, client, name, &stream);
    if (!is_err(e, want)) {
        fail_msg("%s: %s", name, err_name(e));
    }
    if (is_ok(e)) {
        char text[6] = "";
        size_t len;
        assert_true(is_ok(stream_write(stream, bytes_str("hello"), soon(world, 1000))));
        assert_true(is_ok(stream_read(stream, text, 5, soon(world, 1000), &len)));
        assert_string_equal(text, "hello");
        assert_true(is_ok(stream_shutdown_write(stream, soon(world, 1000))));
        assert_true(is_ok(stream_read(stream, text, 5, soon(world, 1000), &len)));
        assert_int_equal(len, 0); /* an announced end, not a cut */
        stream_close(stream);
    }
    group_wait(world->loop, &world->group);
}

static void names_world(struct world *world)
{
    check_name(world, world->client, "localhost", ERR_OK);
    check_name(world, world->client, "127.0.0.1", ERR_OK);
    check_name(world, world->client, "::1", ERR_OK);
    check_name(world, world->client, "s3.test", ERR_OK);
    check_name(world, world->client, "my-bucket.s3.test", ERR_OK);
    check_name(world, world->client, "a.b.s3.test", ERR_REFUSED);
    check_name(world, world->client, "other.test", ERR_REFUSED);
    check_name(world, world->client, "127.0.0.2", ERR_REFUSED);
    check_name(world, world->client, "", ERR_USAGE);
    check_name(world, world->stranger, "localhost", ERR_REFUSED);
}

static void test_names_and_authorities(void **state)
{
    (void)state;
    run_world(names_world);
}

/* ---- large data, both directions at once ---- */

struct sender {
    struct world *world;
    struct stream *stream;
};

static void send_pattern(void *arg)
{
    struct sender *sender = arg;
    u8 *data = mem_alloc(BIG_BYTES);
    for (size_t i = 0; i < BIG_BYTES; i++) {
        data[i] = pattern(i);
    }
    const struct bytes parts[] = {bytes_make(data, 10), bytes_make(data + 10, 0),
                                  bytes_make(data + 10, 3000), bytes_make(data + 3010, 7),
                                  bytes_make(data + 3017, BIG_BYTES - 3017)};
    assert_true(is_ok(
        stream_write_parts(sender->stream, parts, COUNT_OF(parts), soon(sender->world, 20000))));
    assert_true(is_ok(stream_shutdown_write(sender->stream, soon(sender->world, 1000))));
    mem_free(data);
}

static void big_world(struct world *world)
{
    struct stream *stream = NULL;
    start_echo(world);
    assert_true(is_ok(dial(world, world->client, "localhost", &stream)));
    struct sender sender = {world, stream};
    assert_true(is_ok(group_start(world->loop, &world->group, "send", send_pattern, &sender)));
    u8 piece[5000];
    u64 seen = 0;
    size_t len = 1;
    while (len != 0) {
        /* Small reads too: they release the buffers and must lose nothing. */
        size_t cap = seen % 3 == 0 ? 100 : sizeof piece;
        assert_true(is_ok(stream_read(stream, piece, cap, soon(world, 20000), &len)));
        for (size_t i = 0; i < len; i++) {
            assert_int_equal(piece[i], pattern(seen + i));
        }
        seen += len;
    }
    assert_true(seen == BIG_BYTES);
    group_wait(world->loop, &world->group);
    stream_close(stream);
}

static void test_both_directions_at_once(void **state)
{
    (void)state;
    run_world(big_world);
}

/* ---- wrong peers ---- */

static void say_nonsense(void *arg)
{
    struct world *world = arg;
    struct stream *plain = NULL;
    assert_true(is_ok(listener_accept(world->listener, &plain)));
    IGNORE(stream_write(plain, bytes_str("HTTP/1.1 400 Bad Request\r\n\r\n"), soon(world, 500)));
    stream_close(plain);
}

static void wrong_peers_world(struct world *world)
{
    struct stream *stream = NULL;
    /* A client that speaks HTTP to a TLS port. */
    start_echo(world);
    assert_true(is_ok(stream_connect(world->loop, LOOPBACK, listener_port(world->listener),
                                     soon(world, 1000), &stream)));
    IGNORE(stream_write(stream, bytes_str("GET / HTTP/1.1\r\n\r\n"), soon(world, 500)));
    u8 data[100];
    size_t len = 1;
    while (len != 0 && is_ok(stream_read(stream, data, sizeof data, soon(world, 1000), &len))) {
    }
    stream_close(stream);
    group_wait(world->loop, &world->group);
    /* A server that does not speak TLS. */
    assert_true(is_ok(group_start(world->loop, &world->group, "plain", say_nonsense, world)));
    assert_true(is_err(dial(world, world->client, "localhost", &stream), ERR_NETWORK));
    group_wait(world->loop, &world->group);
    /* A server that says nothing. */
    struct stream *plain = NULL;
    assert_true(is_ok(stream_connect(world->loop, LOOPBACK, listener_port(world->listener),
                                     soon(world, 1000), &plain)));
    assert_true(is_err(tls_connect(world->client, plain, "localhost", soon(world, 100), &stream),
                       ERR_TIMEOUT));
}

static void test_wrong_peers(void **state)
{
    (void)state;
    run_world(wrong_peers_world);
}

/* A cut (no close_notify) is a fault; the data before it is delivered. */
static void cut_after_hello(void *arg)
{
    struct world *world = arg;
    struct stream *plain = NULL;
    struct stream *stream = NULL;
    assert_true(is_ok(listener_accept(world->listener, &plain)));
    assert_true(is_ok(tls_accept(world->server, plain, soon(world, 2000), &stream)));
    assert_true(is_ok(stream_write(stream, bytes_str("hello"), soon(world, 1000))));
    stream_close(stream);
}

static void cut_world(struct world *world)
{
    struct stream *stream = NULL;
    u8 data[100];
    size_t len;
    assert_true(is_ok(group_start(world->loop, &world->group, "cut", cut_after_hello, world)));
    assert_true(is_ok(dial(world, world->client, "localhost", &stream)));
    assert_true(is_ok(stream_read(stream, data, sizeof data, soon(world, 1000), &len)));
    assert_int_equal(len, 5);
    assert_true(
        is_err(stream_read(stream, data, sizeof data, soon(world, 1000), &len), ERR_CLOSED));
    stream_close(stream);
}

static void test_cut_is_a_fault(void **state)
{
    (void)state;
    run_world(cut_world);
}

/* ---- closing under a parked fiber ---- */

static void read_for_ever(void *arg)
{
    struct sender *reader = arg;
    u8 data[4096];
    size_t len;
    assert_true(
        is_err(stream_read(reader->stream, data, sizeof data, DEADLINE_NONE, &len), ERR_CANCELLED));
    reader->stream = NULL;
}

static void close_world(struct world *world)
{
    struct stream *stream = NULL;
    start_echo(world);
    assert_true(is_ok(dial(world, world->client, "localhost", &stream)));
    struct sender reader = {world, stream};
    assert_true(is_ok(group_start(world->loop, &world->group, "read", read_for_ever, &reader)));
    IGNORE(fiber_sleep(world->loop, soon(world, 50)));
    /* Time passes without data: nothing is lost. */
    stream_close(stream);
    group_wait(world->loop, &world->group);
    assert_null(reader.stream);
}

static void test_close_wakes_the_reader(void **state)
{
    (void)state;
    run_world(close_world);
}

static void timeout_world(struct world *world)
{
    struct stream *stream = NULL;
    char text[100] = "";
    size_t len;
    start_echo(world);
    assert_true(is_ok(dial(world, world->client, "localhost", &stream)));
    for (int i = 0; i < 2; i++) {
        size_t cap = i == 0 ? 10 : sizeof text;
        assert_true(is_err(stream_read(stream, text, cap, soon(world, 50), &len), ERR_TIMEOUT));
    }
    assert_true(is_ok(stream_write(stream, bytes_str("still here"), soon(world, 1000))));
    assert_true(is_ok(stream_read(stream, text, sizeof text, soon(world, 1000), &len)));
    assert_int_equal(len, 10);
    stream_close(stream);
}

static void test_timeout_loses_nothing(void **state)
{
    (void)state;
    run_world(timeout_world);
}

/* ---- HTTP over it ---- */

static void https_handler(void *ctx, struct http_exchange *x)
{
    struct world *world = ctx;
    bytes body = {0};
    assert_true(http_request_of(x)->encrypted);
    if (is_ok(http_read_body_all(x, MIB(8), &body))) {
        world->round_trips++;
        IGNORE(http_respond(x, 200, body));
    }
}

static void https_world(struct world *world)
{
    struct http_server *server = NULL;
    struct http_client *client = NULL;
    struct http_server_options options = {
        .host = LOOPBACK, .tls = world->server, .handler = https_handler, .ctx = world};
    struct http_client_options client_options = {.tls = world->client};
    assert_true(is_ok(http_server_start(world->loop, &options, &server)));
    assert_true(is_ok(http_client_new(world->loop, &client_options, &client)));
    char url[64];
    snprintf(url, sizeof url, "https://127.0.0.1:%u/x", http_server_port(server));
    u8 *data = mem_alloc(MIB(4));
    for (int i = 0; i < 3; i++) {
        struct arena arena;
        int status = 0;
        bytes body = {0};
        arena_init(&arena, MIB(5));
        struct http_call_options call = {
            .method = "PUT", .url = url, .deadline_ms = soon(world, 10000)};
        bytes sent = bytes_make(data, i == 1 ? MIB(4) : 10);
        assert_true(is_ok(http_fetch(client, &call, sent, &arena, &status, &body)));
        assert_true(status == 200 && bytes_eq(body, sent));
        arena_free(&arena);
    }
    assert_int_equal(world->round_trips, 3);
    mem_free(data);
    /* The idle connection of the client is cut by the drain. */
    assert_true(is_ok(http_server_drain(server, soon(world, 2000))));
    http_client_free(client);
    http_server_close(server);
}

static void test_https(void **state)
{
    (void)state;
    run_world(https_world);
}

/* ---- files ---- */

static bytes read_file(struct arena *arena, const char *dir, const char *name)
{
    char path[PATH_BYTES_MAX];
    bytes content = {0};
    path_join(path, dir, name);
    assert_true(is_ok(file_load(path, arena, &content)));
    return content;
}

static void test_authority_is_kept(void **state)
{
    (void)state;
    char dir[] = "/tmp/cairn-tls-XXXXXX";
    char path[PATH_BYTES_MAX];
    struct arena arena;
    arena_init(&arena, KIB(256));
    assert_non_null(mkdtemp(dir));
    assert_true(is_ok(tls_make_authority(dir, names, COUNT_OF(names))));
    bytes ca = read_file(&arena, dir, "ca.pem");
    bytes server = read_file(&arena, dir, "server.pem");
    assert_true(is_ok(tls_make_authority(dir, names, COUNT_OF(names))));
    assert_true(bytes_eq(ca, read_file(&arena, dir, "ca.pem")));
    assert_true(bytes_eq(server, read_file(&arena, dir, "server.pem")));
    /* A lost server key gets a new pair from the same authority. */
    path_join(path, dir, "server.key");
    assert_true(is_ok(file_remove(path)));
    assert_true(is_ok(tls_make_authority(dir, names, COUNT_OF(names))));
    assert_true(bytes_eq(ca, read_file(&arena, dir, "ca.pem")));
    assert_false(bytes_eq(server, read_file(&arena, dir, "server.pem")));
    arena_free(&arena);
    assert_true(is_ok(dir_remove_all(dir)));
}

static void test_bad_files(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "a,DNS:evil", "a b", "*", "*.", "a\nb", "a:b"};
    struct tls_context *tls = NULL;
    char dir[] = "/tmp/cairn-tls-XXXXXX";
    char ca[PATH_BYTES_MAX];
    char cert[PATH_BYTES_MAX];
    char key[PATH_BYTES_MAX];
    assert_non_null(mkdtemp(dir));
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_true(is_err(tls_make_authority(dir, &bad[i], 1), ERR_USAGE));
    }
    assert_true(is_err(tls_make_authority(dir, names, 0), ERR_USAGE));
    assert_true(is_ok(tls_make_authority(dir, names, 1)));
    path_join(ca, dir, "ca.pem");
    path_join(cert, dir, "server.pem");
    path_join(key, dir, "ca.key");
    assert_true(is_err(tls_server_new(cert, key, &tls), ERR_USAGE)); /* not its key */
    assert_true(is_err(tls_server_new(cert, "/nonexistent", &tls), ERR_USAGE));
    assert_true(is_err(tls_client_new("/nonexistent", &tls), ERR_USAGE));
    assert_true(is_ok(file_replace(ca, bytes_str("not a certificate"))));
    assert_true(is_err(tls_client_new(ca, &tls), ERR_USAGE));
    path_join(cert, dir, "server.pem");
    assert_true(is_ok(file_remove(cert)));
    assert_true(is_err(tls_make_authority(dir, names, 1), ERR_USAGE));
    assert_true(is_ok(dir_remove_all(dir)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_and_authorities),
        cmocka_unit_test(test_both_directions_at_once),
        cmocka_unit_test(test_wrong_peers),
        cmocka_unit_test(test_cut_is_a_fault),
        cmocka_unit_test(test_close_wakes_the_reader),
        cmocka_unit_test(test_timeout_loses_nothing),
        cmocka_unit_test(test_https),
        cmocka_unit_test(test_authority_is_kept),
        cmocka_unit_test(test_bad_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
