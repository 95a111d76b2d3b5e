#include "base/mem.h"
#include "os/address.h"
#include "os/loop.h"
#include "os/stream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#define HOST "127.0.0.1"

/* One loop, one listener, and a group that must end before the loop stops. */
struct world {
    struct loop *loop;
    struct listener *listener;
    struct group group;
    fiber_fn *fn;
};

static void world_main(void *arg)
{
    struct world *world = arg;
    assert_true(is_ok(listener_open(world->loop, HOST, 0, &world->listener)));
    world->fn(world);
    group_wait(world->loop, &world->group);
    listener_close(world->listener);
    loop_stop(world->loop);
}

static void run_world(fiber_fn *fn)
{
    struct world world = {.fn = fn};
    assert_true(is_ok(loop_open(&world.loop, 1)));
    group_init(&world.group);
    assert_true(is_ok(fiber_start(world.loop, "world", world_main, &world)));
    loop_run(world.loop);
    loop_close(world.loop);
}

static void spawn(struct world *world, fiber_fn *fn, void *arg)
{
    assert_true(is_ok(group_start(world->loop, &world->group, "test", fn, arg)));
}

static u64 soon(struct world *world, u64 ms) { return loop_now_ms(world->loop) + ms; }

/* Both ends of one connection. */
static void connect_pair(struct world *world, struct stream **ret_client,
                         struct stream **ret_server)
{
    assert_true(is_ok(stream_connect(world->loop, HOST, listener_port(world->listener),
                                     soon(world, 1000), ret_client)));
    assert_true(is_ok(listener_accept(world->listener, ret_server)));
}

struct echo {
    struct world *world;
    struct stream *stream;
    u64 seen;
};

static void echo_until_end(void *arg)
{
    struct echo *echo = arg;
    u8 data[4096];
    size_t len;
    for (;;) {
        assert_true(
            is_ok(stream_read(echo->stream, data, sizeof data, soon(echo->world, 5000), &len)));
        if (len == 0) {
            break;
        }
        echo->seen += len;
        assert_true(
            is_ok(stream_write(echo->stream, bytes_make(data, len), soon(echo->world, 5000))));
    }
    /* Half closed: this side may still write. */
    assert_true(is_ok(stream_write(echo->stream, bytes_str("bye"), soon(echo->world, 5000))));
    stream_close(echo->stream);
}

struct sender {
    struct world *world;
    struct stream *stream;
    size_t len;
};

static u8 pattern(size_t i) { return (u8)(i * 31 + (i >> 8)); }

static void send_pattern(void *arg)
{
    struct sender *s = arg;
    u8 *data = mem_alloc(s->len);
    for (size_t i = 0; i < s->len; i++) {
        data[i] = pattern(i);
    }
    /* More parts than one call takes, some of them empty. */
    struct bytes parts[40];
    size_t each = s->len / 40;
    for (size_t i = 0; i < 40; i++) {
        parts[i] = bytes_make(data + i * each, i == 39 ? s->len - 39 * each : each);
    }
    assert_true(is_ok(stream_write_parts(s->stream, parts, 40, soon(s->world, 5000))));
    struct bytes empty[3] = {{NULL, 0}, {NULL, 0}, {NULL, 0}};
    assert_true(is_ok(stream_write_parts(s->stream, empty, 3, soon(s->world, 5000))));
    assert_true(is_ok(stream_shutdown_write(s->stream, soon(s->world, 5000))));
    mem_free(data);
}

static void echo_world(void *arg)
{
    struct world *world = arg;
    enum { LEN = 3000000 };
    struct echo echo = {.world = world};
    struct sender sender = {.world = world, .len = LEN};
    struct stream *client;
    connect_pair(world, &client, &echo.stream);
    assert_false(client->encrypted);
    char peer[64];
    snprintf(peer, sizeof peer, HOST ":%u", listener_port(world->listener));
    assert_string_equal(client->peer, peer);
    sender.stream = client;
    spawn(world, echo_until_end, &echo);
    spawn(world, send_pattern, &sender);
    u8 data[10000];
    size_t len;
    size_t at = 0;
    do { /* reads while the other fiber writes the same stream */
        assert_true(is_ok(stream_read(client, data, sizeof data, soon(world, 5000), &len)));
        for (size_t i = 0; i < len; i++, at++) {
            assert_true(data[i] == (at < LEN ? pattern(at) : (u8) "bye"[at - LEN]));
        }
    } while (len > 0);
    assert_int_equal(at, LEN + 3);
    group_wait(world->loop, &world->group);
    assert_int_equal(echo.seen, LEN);
    stream_close(client);
    stream_close(NULL);
}

static void megabytes_both_ways_and_half_close(void **state)
{
    (void)state;
    run_world(echo_world);
}

static void deadline_world(void *arg)
{
    struct world *world = arg;
    struct stream *client;
    struct stream *server;
    u8 byte;
    size_t len = 77;
    connect_pair(world, &client, &server);
    u64 deadline = soon(world, 20);
    assert_true(is_err(stream_read(client, &byte, 1, deadline, &len), ERR_TIMEOUT));
    assert_true(loop_now_ms(world->loop) >= deadline);
    assert_int_equal(len, 77);
    /* After a timeout the stream still works. */
    assert_true(is_ok(stream_write(server, bytes_str("x"), soon(world, 1000))));
    assert_true(is_ok(stream_read(client, &byte, 1, soon(world, 1000), &len)));
    assert_true(len == 1 && byte == 'x');
    /* Waiting data does not excuse a deadline that is over: a slow sender cannot hold a fiber. */
    assert_true(is_ok(stream_write(server, bytes_str("y"), soon(world, 1000))));
    assert_true(is_ok(fiber_sleep(world->loop, soon(world, 5))));
    assert_true(is_err(stream_read(client, &byte, 1, 1, &len), ERR_TIMEOUT));
    /* Nobody reads: the buffers fill up. */
    u8 *bulk = mem_alloc(MIB(64));
    deadline = soon(world, 50);
    assert_true(is_err(stream_write(client, bytes_make(bulk, MIB(64)), deadline), ERR_TIMEOUT));
    assert_true(loop_now_ms(world->loop) >= deadline);
    mem_free(bulk);
    stream_close(client);
    stream_close(server);
}

static void deadlines_hold(void **state)
{
    (void)state;
    run_world(deadline_world);
}

static void reset_world(void *arg)
{
    struct world *world = arg;
    struct stream *client;
    struct stream *server;
    u8 data[100];
    size_t len;
    connect_pair(world, &client, &server);
    assert_true(is_ok(stream_write(client, bytes_str("unread"), soon(world, 1000))));
    assert_true(is_ok(fiber_sleep(world->loop, soon(world, 10))));
    stream_close(server); /* with unread data: a reset */
    assert_true(
        is_err(stream_read(client, data, sizeof data, soon(world, 1000), &len), ERR_CLOSED));
    assert_true(is_err(stream_write(client, bytes_str("x"), soon(world, 1000)), ERR_CLOSED));
    assert_true(is_err(stream_shutdown_write(client, soon(world, 1000)), ERR_CLOSED));
    stream_close(client);
}

static void a_reset_is_closed(void **state)
{
    (void)state;
    run_world(reset_world);
}

static void connect_faults_world(void *arg)
{
    struct world *world = arg;
    struct listener *gone;
    struct stream *stream = NULL;
    assert_true(is_ok(listener_open(world->loop, HOST, 0, &gone)));
    u16 port = listener_port(gone);
    assert_true(port != 0);
    struct listener *second;
    assert_true(is_err(listener_open(world->loop, HOST, port, &second), ERR_EXISTS));
    listener_close(gone);
    listener_close(NULL);
    assert_true(
        is_err(stream_connect(world->loop, HOST, port, soon(world, 1000), &stream), ERR_NETWORK));
    assert_true(is_err(
        stream_connect(world->loop, "no-such-host.invalid", port, soon(world, 1000), &stream),
        ERR_NETWORK));
    assert_true(is_err(stream_connect(world->loop, HOST, listener_port(world->listener),
                                      loop_now_ms(world->loop), &stream),
                       ERR_TIMEOUT));
    assert_true(is_err(listener_open(world->loop, "192.0.2.1", 0, &second), ERR_IO));
    assert_true(is_err(listener_open(world->loop, "no-such-host.invalid", 0, &second), ERR_IO));
    assert_null(stream);
    /* The freed port can be used again at once. */
    assert_true(is_ok(listener_open(world->loop, HOST, port, &second)));
    listener_close(second);
}

static void connect_and_listen_faults(void **state)
{
    (void)state;
    run_world(connect_faults_world);
}

/* A listening socket with the shortest queue, and nobody who accepts. */
static int deaf_listener(u16 *ret_port)
{
    struct net_address address[NET_ADDRESSES_MAX];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(net_resolve(HOST, 0, address), 1);
    assert_int_equal(bind(fd, &address[0].any.sa, address[0].len), 0);
    assert_int_equal(listen(fd, 0), 0);
    assert_int_equal(getsockname(fd, &address[0].any.sa, &address[0].len), 0);
    *ret_port = net_address_port(&address[0]);
    return fd;
}

/* Once the queue is full, connects hang: the deadline must end them. */
static void connect_timeout_world(void *arg)
{
    struct world *world = arg;
    struct stream *streams[16];
    size_t count = 0;
    u16 port;
    int fd = deaf_listener(&port);
    err e = ok();
    while (count < COUNT_OF(streams) && is_ok(e)) {
        e = stream_connect(world->loop, HOST, port, soon(world, 30), &streams[count]);
        count += is_ok(e);
    }
    assert_true(is_err(e, ERR_TIMEOUT));
    for (size_t i = 0; i < count; i++) {
        stream_close(streams[i]);
    }
    close(fd);
}

static void a_connect_times_out(void **state)
{
    (void)state;
    run_world(connect_timeout_world);
}

struct reader {
    struct stream *stream;
    u64 deadline_ms;
    err result;
};

static void read_one(void *arg)
{
    struct reader *r = arg;
    u8 byte;
    size_t len;
    r->result = stream_read(r->stream, &byte, 1, r->deadline_ms, &len);
}

static void write_much(void *arg)
{
    struct reader *r = arg;
    u8 *bulk = mem_alloc(MIB(64));
    r->result = stream_write(r->stream, bytes_make(bulk, MIB(64)), r->deadline_ms);
    mem_free(bulk);
}

struct accepter {
    struct listener *listener;
    err result;
};

static void accept_one(void *arg)
{
    struct accepter *a = arg;
    struct stream *stream;
    a->result = listener_accept(a->listener, &stream);
    if (is_ok(a->result)) {
        stream_close(stream);
    }
}

static void close_under_world(void *arg)
{
    struct world *world = arg;
    struct stream *client;
    struct stream *server;
    struct accepter accepter;
    connect_pair(world, &client, &server);
    struct reader reader = {.stream = client, .deadline_ms = DEADLINE_NONE};
    struct reader writer = reader;
    assert_true(is_ok(listener_open(world->loop, HOST, 0, &accepter.listener)));
    spawn(world, read_one, &reader);
    spawn(world, write_much, &writer);
    spawn(world, accept_one, &accepter);
    assert_true(is_ok(fiber_sleep(world->loop, soon(world, 20))));
    stream_close(client);
    listener_close(accepter.listener);
    group_wait(world->loop, &world->group);
    assert_true(is_err(reader.result, ERR_CANCELLED));
    assert_true(is_err(writer.result, ERR_CANCELLED));
    assert_true(is_err(accepter.result, ERR_CANCELLED));
    stream_close(server);
}

static void closing_wakes_who_waits(void **state)
{
    (void)state;
    run_world(close_under_world);
}

/* The deadline passes and the stream is closed before the reader runs: its memory is gone. */
static void close_after_deadline_world(void *arg)
{
    struct world *world = arg;
    struct stream *client;
    struct stream *server;
    connect_pair(world, &client, &server);
    struct reader reader = {.stream = client, .deadline_ms = soon(world, 5)};
    spawn(world, read_one, &reader);
    assert_true(is_ok(fiber_sleep(world->loop, reader.deadline_ms - 1)));
    while (loop_now_ms(world->loop) <= reader.deadline_ms) {
    }
    stream_close(client);
    group_wait(world->loop, &world->group);
    assert_true(is_err(reader.result, ERR_CANCELLED));
    stream_close(server);
}

static void closing_races_with_a_deadline(void **state)
{
    (void)state;
    run_world(close_after_deadline_world);
}

static void stop_world(void *arg)
{
    struct world *world = arg;
    struct stream *client;
    struct stream *server;
    connect_pair(world, &client, &server);
    struct reader reader = {.stream = client, .deadline_ms = soon(world, 100000)};
    struct reader writer = reader;
    struct accepter accepter = {.listener = world->listener};
    spawn(world, read_one, &reader);
    spawn(world, write_much, &writer);
    spawn(world, accept_one, &accepter);
    assert_true(is_ok(fiber_sleep(world->loop, soon(world, 20))));
    loop_stop(world->loop);
    group_wait(world->loop, &world->group);
    assert_true(is_err(reader.result, ERR_CANCELLED));
    assert_true(is_err(writer.result, ERR_CANCELLED));
    assert_true(is_err(accepter.result, ERR_CANCELLED));
    /* Also where data waits. */
    struct stream *late;
    assert_true(is_err(stream_write(server, bytes_str("x"), DEADLINE_NONE), ERR_CANCELLED));
    assert_true(is_err(
        stream_connect(world->loop, HOST, listener_port(world->listener), DEADLINE_NONE, &late),
        ERR_CANCELLED));
    stream_close(client);
    stream_close(server);
}

static void stopping_cancels_streams(void **state)
{
    (void)state;
    run_world(stop_world);
}

struct peer {
    struct world *world;
    struct stream *stream;
    unsigned rounds;
};

static void talk_as_client(void *arg)
{
    struct peer *p = arg;
    u32 word;
    for (unsigned i = 0; i < p->rounds; i++) {
        size_t at = 0;
        size_t len;
        assert_true(is_ok(stream_write(p->stream, BYTES_OF(i), soon(p->world, 5000))));
        while (at < sizeof word) {
            assert_true(is_ok(stream_read(p->stream, (u8 *)&word + at, sizeof word - at,
                                          soon(p->world, 5000), &len)));
            assert_true(len > 0);
            at += len;
        }
        assert_int_equal(word, i);
    }
    assert_true(is_ok(stream_shutdown_write(p->stream, 0)));
    size_t len;
    u8 tail[8];
    assert_true(is_ok(stream_read(p->stream, tail, sizeof tail, soon(p->world, 5000), &len)));
    stream_close(p->stream);
}

static void many_world(void *arg)
{
    enum { COUNT = 400 };
    struct world *world = arg;
    struct peer *clients = mem_alloc_array(COUNT, sizeof *clients);
    struct echo *servers = mem_alloc_array(COUNT, sizeof *servers);
    for (size_t i = 0; i < COUNT; i++) {
        clients[i] = (struct peer){.world = world, .rounds = 20};
        servers[i] = (struct echo){.world = world};
        connect_pair(world, &clients[i].stream, &servers[i].stream);
        spawn(world, talk_as_client, &clients[i]);
        spawn(world, echo_until_end, &servers[i]);
    }
    group_wait(world->loop, &world->group);
    mem_free(clients);
    mem_free(servers);
}

static void hundreds_talk_at_once(void **state)
{
    (void)state;
    run_world(many_world);
}

static void greedy_read(void *arg)
{
    struct reader *r = arg;
    u8 byte;
    size_t len;
    do {
        r->result = stream_read(r->stream, &byte, 1, r->deadline_ms, &len);
    } while (is_ok(r->result) && len > 0);
}

/* A fiber whose data is always there must not keep the others out. */
static void greedy_world(void *arg)
{
    struct world *world = arg;
    struct stream *client;
    struct stream *server;
    u8 data[20000] = {0};
    connect_pair(world, &client, &server);
    assert_true(is_ok(stream_write(server, BYTES_OF(data), soon(world, 1000))));
    assert_true(is_ok(stream_shutdown_write(server, soon(world, 1000))));
    struct reader reader = {.stream = client, .deadline_ms = soon(world, 5000)};
    spawn(world, greedy_read, &reader);
    unsigned turns = 0;
    while (world->group.running > 0) {
        fiber_yield(world->loop);
        turns++;
    }
    assert_true(is_ok(reader.result));
    assert_true(turns > 100);
    stream_close(client);
    stream_close(server);
}

static void the_greedy_give_way(void **state)
{
    (void)state;
    run_world(greedy_world);
}

static void out_of_descriptors_world(void *arg)
{
    struct world *world = arg;
    struct rlimit before;
    struct rlimit tight;
    struct stream *client;
    getrlimit(RLIMIT_NOFILE, &before);
    assert_true(is_ok(stream_connect(world->loop, HOST, listener_port(world->listener),
                                     soon(world, 1000), &client)));
    int next = dup(0);
    close(next);
    tight = (struct rlimit){.rlim_cur = (rlim_t)next, .rlim_max = before.rlim_max};
    setrlimit(RLIMIT_NOFILE, &tight);
    struct stream *none;
    assert_true(is_err(
        stream_connect(world->loop, HOST, listener_port(world->listener), soon(world, 1000), &none),
        ERR_NETWORK));
    struct accepter accepter = {.listener = world->listener};
    spawn(world, accept_one, &accepter);
    assert_true(is_ok(fiber_sleep(world->loop, soon(world, 150))));
    assert_int_equal(world->group.running, 1); /* waits for better times, and does not spin */
    setrlimit(RLIMIT_NOFILE, &before);
    group_wait(world->loop, &world->group);
    assert_true(is_ok(accepter.result));
    stream_close(client);
}

static void accepting_outlives_a_lack_of_descriptors(void **state)
{
    (void)state;
    run_world(out_of_descriptors_world);
}

static void hosts_file(void **state)
{
    (void)state;
    static const char text[] = "# comment\n"
                               "127.0.0.1 localhost\n"
                               "10.0.0.1\tstore-1  Store.Example # alias\r\n"
                               "not-an-address store-1\n"
                               "10.0.0.2\n"
                               "::1 store-1 store-1\n"
                               "10.0.0.3 store-10 # store-1\n"
                               "10.0.0.4 x store-1";
    struct net_address found[3];
    char name[64];
    assert_int_equal(hosts_find(bytes_str(text), "STORE-1", 80, found, 3), 3);
    net_address_format(&found[0], name, sizeof name);
    assert_string_equal(name, "10.0.0.1:80");
    net_address_format(&found[1], name, sizeof name);
    assert_string_equal(name, "[::1]:80");
    net_address_format(&found[2], name, sizeof name);
    assert_string_equal(name, "10.0.0.4:80");
    assert_int_equal(hosts_find(bytes_str(text), "store-1", 80, found, 1), 1);
    assert_int_equal(hosts_find(bytes_str(text), "alias", 80, found, 3), 0);
    assert_int_equal(hosts_find(bytes_str(text), "", 80, found, 3), 0);
    assert_int_equal(hosts_find(bytes_str(""), "store-1", 80, found, 3), 0);
}

static void addresses(void **state)
{
    (void)state;
    struct net_address found[NET_ADDRESSES_MAX];
    char name[64];
    assert_int_equal(net_resolve("[::1]", 443, found), 1);
    net_address_format(&found[0], name, sizeof name);
    assert_string_equal(name, "[::1]:443");
    assert_int_equal(net_address_port(&found[0]), 443);
    assert_int_equal(net_resolve("127.0.3.1", 1, found), 1);
    net_address_format(&found[0], name, sizeof name);
    assert_string_equal(name, "127.0.3.1:1");
    assert_true(net_resolve("localhost", 1, found) >= 1);
    assert_int_equal(net_resolve("bucket.localhost", 1, found), 1);
    assert_int_equal(net_resolve("notlocalhost", 1, found), 0);
    assert_int_equal(net_resolve("", 1, found), 0);
    assert_int_equal(net_resolve("[]", 1, found), 0);
    assert_int_equal(net_resolve("300.1.1.1", 1, found), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(megabytes_both_ways_and_half_close),
        cmocka_unit_test(deadlines_hold),
        cmocka_unit_test(a_reset_is_closed),
        cmocka_unit_test(connect_and_listen_faults),
        cmocka_unit_test(a_connect_times_out),
        cmocka_unit_test(closing_wakes_who_waits),
        cmocka_unit_test(closing_races_with_a_deadline),
        cmocka_unit_test(stopping_cancels_streams),
        cmocka_unit_test(hundreds_talk_at_once),
        cmocka_unit_test(the_greedy_give_way),
        cmocka_unit_test(accepting_outlives_a_lack_of_descriptors),
        cmocka_unit_test(hosts_file),
        cmocka_unit_test(addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
